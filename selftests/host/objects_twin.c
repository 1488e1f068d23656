// SPDX-License-Identifier: GPL-2.0
/* The naive twin of the object caches' core: see objects_twin.h. */
#include <stdlib.h>

#include "harness.h"
#include "objects_twin.h"

void objects_twin_add(struct objects_twin *t, u8 *start, u8 *const *objects, u8 fill)
{
	struct twin_object_run *run = t->run;
	u32 i;

	while (run->start)
		run++;
	run->start = start;
	run->object = must_zalloc(t->per_run, sizeof(*run->object));
	for (i = 0; i < t->per_run; i++) {
		run->object[i].at = objects[i];
		objects_twin_fill(t, &run->object[i], fill + i);
	}
	t->nr[TWIN_FREE] += t->per_run;
	t->nr_runs++;
}

static void drop(struct objects_twin *t, struct twin_object_run *run)
{
	u32 i;

	for (i = 0; i < t->per_run; i++)
		t->nr[run->object[i].state]--;
	free(run->object);
	run->start = NULL;
	t->nr_runs--;
}

void objects_twin_remove(struct objects_twin *t, u8 *start)
{
	drop(t, objects_twin_run(t, start));
}

void objects_twin_forget(struct objects_twin *t)
{
	u32 i;

	for (i = 0; i < TWIN_MAX_RUNS; i++)
		if (t->run[i].start)
			drop(t, &t->run[i]);
}

/* The run that @addr lies in, or NULL. */
struct twin_object_run *objects_twin_run(struct objects_twin *t, const u8 *addr)
{
	u32 i;

	for (i = 0; i < TWIN_MAX_RUNS; i++)
		if (t->run[i].start && addr >= t->run[i].start &&
		    addr < t->run[i].start + t->run_bytes)
			return &t->run[i];
	return NULL;
}

/* The object that starts at @addr, or NULL. */
struct twin_object *objects_twin_object(struct objects_twin *t, const u8 *addr)
{
	struct twin_object_run *run = objects_twin_run(t, addr);
	u32 i;

	for (i = 0; run && i < t->per_run; i++)
		if (run->object[i].at == addr)
			return &run->object[i];
	return NULL;
}

/* The @n-th object in @state; there are more. */
struct twin_object *objects_twin_nth(struct objects_twin *t, enum twin_state state, u32 n)
{
	struct twin_object_run *run;
	u32 i;

	for (run = t->run;; run++)
		for (i = 0; run->start && i < t->per_run; i++)
			if (run->object[i].state == state && !n--)
				return &run->object[i];
}

void objects_twin_set(struct objects_twin *t, struct twin_object *object, enum twin_state state)
{
	t->nr[object->state]--;
	t->nr[state]++;
	object->state = state;
}

u32 objects_twin_count(const struct objects_twin *t, const struct twin_object_run *run,
		       enum twin_state state)
{
	u32 i, nr = 0;

	for (i = 0; i < t->per_run; i++)
		nr += run->object[i].state == state;
	return nr;
}

u32 objects_twin_empty_runs(const struct objects_twin *t)
{
	u32 i, nr = 0;

	for (i = 0; i < TWIN_MAX_RUNS; i++)
		nr += t->run[i].start &&
		      objects_twin_count(t, &t->run[i], TWIN_FREE) == t->per_run;
	return nr;
}

/* The fewest free objects that a run has that has any. */
u32 objects_twin_fewest_free(const struct objects_twin *t)
{
	u32 i, nr, fewest = ~0U;

	for (i = 0; i < TWIN_MAX_RUNS; i++) {
		nr = t->run[i].start ? objects_twin_count(t, &t->run[i], TWIN_FREE) : 0;
		if (nr && nr < fewest)
			fewest = nr;
	}
	return fewest;
}

bool objects_twin_is_filled(const struct objects_twin *t, const struct twin_object *object)
{
	size_t i;

	for (i = 0; i < t->size; i++)
		if (object->at[i] != object->fill)
			return false;
	return true;
}

void objects_twin_fill(const struct objects_twin *t, struct twin_object *object, u8 fill)
{
	object->fill = fill;
	memset(object->at, fill, t->size);
}
