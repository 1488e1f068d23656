/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A naive twin of the object caches' core: a list of objects, each with its
 * address, its state and the byte that fills it. It has no header, no bits and
 * no lists; everything it is asked it finds by looking at every object.
 */
#ifndef RESPOOL_OBJECTS_TWIN_H
#define RESPOOL_OBJECTS_TWIN_H

#include "plain.h"

#define TWIN_MAX_RUNS	24

enum twin_state { TWIN_FREE, TWIN_OUT, TWIN_LIVE };

struct twin_object {
	u8 *at;
	enum twin_state state;
	u8 fill;
};

struct twin_object_run {
	u8 *start;			/* NULL: there is none */
	struct twin_object *object;
};

struct objects_twin {
	size_t size;			/* bytes of an object */
	size_t align;
	size_t run_bytes;
	u32 per_run;
	u32 nr[TWIN_LIVE + 1];		/* objects in each state */
	u32 nr_runs;
	struct twin_object_run run[TWIN_MAX_RUNS];
};

void objects_twin_add(struct objects_twin *t, u8 *start, u8 *const *objects, u8 fill);
void objects_twin_remove(struct objects_twin *t, u8 *start);
void objects_twin_forget(struct objects_twin *t);

struct twin_object_run *objects_twin_run(struct objects_twin *t, const u8 *addr);
struct twin_object *objects_twin_object(struct objects_twin *t, const u8 *addr);
struct twin_object *objects_twin_nth(struct objects_twin *t, enum twin_state state, u32 n);
void objects_twin_set(struct objects_twin *t, struct twin_object *object, enum twin_state state);
u32 objects_twin_count(const struct objects_twin *t, const struct twin_object_run *run,
		       enum twin_state state);
u32 objects_twin_empty_runs(const struct objects_twin *t);
u32 objects_twin_fewest_free(const struct objects_twin *t);
bool objects_twin_is_filled(const struct objects_twin *t, const struct twin_object *object);
void objects_twin_fill(const struct objects_twin *t, struct twin_object *object, u8 fill);

#endif /* RESPOOL_OBJECTS_TWIN_H */
