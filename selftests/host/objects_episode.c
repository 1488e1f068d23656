// SPDX-License-Identifier: GPL-2.0
/*
 * The core of objects of one size, from init to empty again: every answer is compared
 * with the twin's, and every object keeps what is in it while it is free.
 *
 * Two CPUs have words of objects, and together a magazine of those that ended their
 * life. News of what was returned may come late. For the twin an object is free once it
 * is returned.
 *
 * Now and then a run's header is damaged. From there until the damage is undone
 * each call may also fail, provided that no object goes out that is not free
 * and no object loses what is in it.
 */
#include <stdlib.h>

#include "objects_episode.h"
#include "objects_twin.h"
#include "slab/objects.h"

#define PAGE		4096UL
#define ARENA_MAX	(4UL << 20)
#define WASTE_SHARE	16
#define WORDS		2	/* CPUs */
#define MAGAZINE	16
#define MAX_NEWS	4

struct episode {
	struct choices *c;
	struct respool_objects core;
	struct objects_twin twin;
	u8 *footprint;
	u8 *arena;
	size_t arena_bytes;
	u64 phys;
	bool damaged;		/* a call may fail now */
	struct respool_object_word word[WORDS];
	u8 *magazine[MAGAZINE];	/* objects that are out, but of no word */
	u32 nr_magazine;
	void *news[MAX_NEWS];	/* of these, that nobody has told yet */
	u32 nr_news;
	u32 take_percent;	/* of the steps that take or put */
};

/* Walks */

static void compare_run(struct episode *e, const struct respool_object_row *row)
{
	struct twin_object_run *run = objects_twin_run(&e->twin, row->run);

	if (!run || run->start != row->run)
		differ("there is a run that should not be");
	expect_equal("free objects of a run", row->free,
		     objects_twin_count(&e->twin, run, TWIN_FREE));
	expect_equal("live objects of a run", row->live,
		     objects_twin_count(&e->twin, run, TWIN_LIVE));
	expect_equal("objects of a run that are out", row->out,
		     objects_twin_count(&e->twin, run, TWIN_OUT));
}

static void compare_live(struct episode *e, const void *start)
{
	const void *live[RESPOOL_OBJECTS_PER_RUN];
	u32 i, nr = respool_objects_live_in(&e->core, start, live, RESPOOL_OBJECTS_PER_RUN);

	expect_equal("live objects listed", nr,
		     objects_twin_count(&e->twin, objects_twin_run(&e->twin, start), TWIN_LIVE));
	for (i = 0; i < nr; i++)
		if (objects_twin_object(&e->twin, live[i])->state != TWIN_LIVE)
			differ("an object is listed as live that is not");
}

static void compare_all(struct episode *e)
{
	struct respool_object_row row;
	const void *where = NULL, *after = NULL;
	const char *broken = respool_objects_validate(&e->core, &where);
	u32 nr = 0;

	if (broken)
		differ("validate says \"%s\"", broken);
	if (e->core.damage)
		differ("damage is noted where there is none");
	expect_equal("runs", e->core.runs, e->twin.nr_runs);
	expect_equal("live objects", respool_objects_count_live(&e->core),
		     e->twin.nr[TWIN_LIVE]);
	if (!e->nr_news)
		expect_equal("empty runs", e->core.empty_runs, objects_twin_empty_runs(&e->twin));
	while (respool_objects_run_after(&e->core, after, &row)) {
		compare_run(e, &row);
		compare_live(e, row.run);
		after = row.run;
		nr++;
	}
	expect_equal("runs listed", nr, e->twin.nr_runs);
}

static void expect_filled(struct episode *e, struct twin_object *object)
{
	if (!objects_twin_is_filled(&e->twin, object))
		differ("an object lost what was in it");
}

static void verify_contents(struct episode *e)
{
	u32 r, i;

	for (r = 0; r < TWIN_MAX_RUNS; r++)
		for (i = 0; e->twin.run[r].start && i < e->twin.per_run; i++)
			expect_filled(e, &e->twin.run[r].object[i]);
}

/* Runs */

static u8 *owner_of(struct episode *e, const u8 *addr)
{
	return &e->footprint[(addr - e->arena) / PAGE];
}

/* Some slots of the map are another core's that shares it. */
static void lend_slots(struct episode *e)
{
	u32 i;

	for (i = choose(e->c, 4); i; i--) {
		u8 other = 1 + choose(e->c, 254);

		if (other != e->core.id)
			*owner_of(e, e->arena + choose(e->c, e->arena_bytes)) = other;
	}
}

/* Whether a run could start at @start: its slots are nobody's. */
static bool is_vacant(struct episode *e, const u8 *start)
{
	const u8 *at;

	for (at = start; at < start + e->twin.run_bytes; at += PAGE)
		if (*owner_of(e, at))
			return false;
	return true;
}

/* A place of the arena where a run may start: aligned in phys. */
static u8 *choose_place(struct episode *e)
{
	size_t bytes = e->twin.run_bytes;
	u64 first = round_up(e->phys, bytes), end = e->phys + e->arena_bytes;
	u32 places = first + bytes > end ? 0 : (end - first) / bytes;

	return places ? e->arena + (first - e->phys) + choose(e->c, places) * bytes : NULL;
}

/* The objects of a run lie in it, aligned, one after the other. */
static void locate_objects(struct episode *e, u8 *start, u8 **objects)
{
	struct objects_twin *t = &e->twin;
	u8 *end = start + sizeof(struct respool_object_run);
	u32 i;

	for (i = 0; i < t->per_run; i++) {
		objects[i] = respool_objects_at(&e->core, start, i);
		if (objects[i] < end || (uintptr_t)objects[i] % max(t->align, 8UL))
			differ("object %u is badly placed", i);
		end = objects[i] + t->size;
	}
	if (end > start + t->run_bytes)
		differ("the last object sticks out");
}

static void add_run(struct episode *e)
{
	u8 *start = choose_place(e);
	u8 *objects[RESPOOL_OBJECTS_PER_RUN];

	if (!start || e->twin.nr_runs == TWIN_MAX_RUNS)
		return;
	if (objects_twin_run(&e->twin, start) || !is_vacant(e, start))
		return;
	doing("add the run at %ld", start - e->arena, 0);
	memset(start, choose(e->c, 256), e->twin.run_bytes);
	respool_objects_prepare(&e->core, start);
	locate_objects(e, start, objects);
	objects_twin_add(&e->twin, start, objects, choose(e->c, 256));
	respool_objects_add(&e->core, start);
}

static void remove_empty(struct episode *e, u64 keep)
{
	u32 empty = objects_twin_empty_runs(&e->twin);
	bool due = empty > keep;
	struct twin_object_run *run;
	u8 *start;

	doing("remove an empty run if there are more than %ld", keep, 0);
	start = respool_objects_remove_empty(&e->core, keep);
	if (!start && (e->damaged || e->nr_news))
		return;
	if (!!start != due)
		differ("%u runs are empty, and %s was removed", empty, start ? "one" : "none");
	if (!start)
		return;
	run = objects_twin_run(&e->twin, start);
	if (!run || objects_twin_count(&e->twin, run, TWIN_FREE) != e->twin.per_run)
		differ("a run was removed that is not empty");
	objects_twin_remove(&e->twin, start);
	memset(start, choose(e->c, 256), e->twin.run_bytes);
}

/* Objects */

static bool same_bin(struct episode *e, u32 a, u32 b)
{
	return a == b || (a < e->twin.per_run && b < e->twin.per_run &&
			  ilog2(a) / 2 == ilog2(b) / 2);
}

/* The first one taken is of the fullest run, or one nearly as full. */
static void check_first(struct episode *e, u8 *first)
{
	struct twin_object_run *run = objects_twin_run(&e->twin, first);
	u32 fewest = objects_twin_fewest_free(&e->twin);
	u32 nr;

	if (!run)
		differ("an object was taken from nowhere");
	nr = objects_twin_count(&e->twin, run, TWIN_FREE);
	if (!same_bin(e, nr, fewest))
		differ("taken from a run with %u free ones, the fullest has %u", nr, fewest);
}

static struct twin_object *choose_object(struct episode *e, enum twin_state state)
{
	return objects_twin_nth(&e->twin, state, choose(e->c, e->twin.nr[state]));
}

static void give(struct episode *e)
{
	u32 i = choose(e->c, e->nr_magazine);
	u8 *at = e->magazine[i];
	struct twin_object *object = objects_twin_object(&e->twin, at);

	doing("give the object at %ld", at - e->arena, 0);
	if (!respool_object_give(&e->core, at)) {
		respool_objects_blame(&e->core, at);
		if (!e->damaged || !e->core.damage)
			differ("the object's run is said to be damaged");
		return;
	}
	e->magazine[i] = e->magazine[--e->nr_magazine];
	expect_filled(e, object);
	objects_twin_set(&e->twin, object, TWIN_LIVE);
	objects_twin_fill(&e->twin, object, choose(e->c, 256));
}

static void end(struct episode *e)
{
	struct twin_object *object = choose_object(e, TWIN_LIVE);
	struct respool_object_run *run;
	u64 index;

	doing("end the object at %ld", object->at - e->arena, 0);
	expect_filled(e, object);
	if (respool_object_end(&e->core, object->at, &run, &index)) {
		if ((u8 *)run != objects_twin_run(&e->twin, object->at)->start ||
		    respool_objects_at(&e->core, run, index) != object->at)
			differ("it was taken for another");
		objects_twin_set(&e->twin, object, TWIN_OUT);
		e->magazine[e->nr_magazine++] = object->at;
	} else if (!e->damaged) {
		differ("it is said not to be live");
	}
}

/* What is taken and returned */

/* Whether an object that is taken may be what it is: damage may make one free again. */
static bool may_take(struct episode *e, const struct twin_object *object)
{
	return object && (object->state == TWIN_FREE ||
			  (e->damaged && object->state == TWIN_OUT));
}

static void check_word(struct episode *e, const struct respool_object_word *w)
{
	unsigned long out;

	for (out = w->out; out; out &= out - 1) {
		u8 *at = (u8 *)w->first + __ffs64(out) * e->core.stride;
		struct twin_object *object = objects_twin_object(&e->twin, at);

		if (!may_take(e, object))
			differ("what was taken is not a free object");
		objects_twin_set(&e->twin, object, TWIN_OUT);
		expect_filled(e, object);
	}
}

/* Whether the core knows of each object that is free. */
static bool knows_all_free(struct episode *e)
{
	return e->core.nr_free == e->twin.nr[TWIN_FREE];
}

static void take_word(struct episode *e, struct respool_object_word *w)
{
	u32 want = chance(e->c, 50) ? RESPOOL_WORD_OBJECTS :
				      1 + choose(e->c, RESPOOL_WORD_OBJECTS), nr;
	bool knows_all = knows_all_free(e);

	doing("take a word of up to %ld", want, 0);
	nr = respool_objects_take_word(&e->core, w, want);
	if (!nr && !e->damaged && !e->nr_news && e->twin.nr[TWIN_FREE])
		differ("none was taken of %u objects", e->twin.nr[TWIN_FREE]);
	if (!nr)
		return;
	if (nr > want)
		differ("%u objects were taken", nr);
	expect_equal("objects of a word", hweight64(w->out), nr);
	if (knows_all && !e->damaged)
		check_first(e, (u8 *)w->first + __ffs64(w->out) * e->core.stride);
	check_word(e, w);
}

static void pop(struct episode *e, struct respool_object_word *w)
{
	u8 *at = (u8 *)w->first + __ffs64(w->out) * e->core.stride, *object;
	struct twin_object *twin = objects_twin_object(&e->twin, at);

	doing("pop the object at %ld", at - e->arena, 0);
	object = respool_object_pop(&e->core, w);
	if (!object) {
		respool_objects_blame(&e->core, w->run);
		if (!e->damaged || !e->core.damage)
			differ("the object's run is said to be damaged");
		return;
	}
	if (object != at || twin->state == TWIN_LIVE)
		differ("it is not the one that is next, or is live");
	expect_filled(e, twin);
	objects_twin_set(&e->twin, twin, TWIN_LIVE);
	objects_twin_fill(&e->twin, twin, choose(e->c, 256));
}

static void tell_news(struct episode *e)
{
	void *addr = e->news[--e->nr_news];

	doing("notice what was returned at %ld", (u8 *)addr - e->arena, 0);
	respool_objects_notice(&e->core, addr);
}

static void note_news(struct episode *e, u8 *at)
{
	if (e->nr_news == MAX_NEWS)
		tell_news(e);
	e->news[e->nr_news++] = at;
}

/* What is in the magazine goes back, as hot.c and cache.c have it. */
static void hand_back(struct episode *e)
{
	u8 *at = e->magazine[e->nr_magazine - 1];
	struct respool_object_run *run = respool_object_run_of(&e->core, at);
	bool put = chance(e->c, 50);

	doing("hand the object at %ld back", at - e->arena, 0);
	if (put ? !respool_objects_put(&e->core, at) : !respool_object_run_lasts(&e->core, run)) {
		respool_objects_blame(&e->core, at);
		if (!e->damaged || !e->core.damage)
			differ("the object's run is said to be damaged");
		return;
	}
	e->nr_magazine--;
	objects_twin_set(&e->twin, objects_twin_object(&e->twin, at), TWIN_FREE);
	if (!put && respool_object_hand_back(run, respool_object_index(&e->core, run, at)))
		note_news(e, at);
}

static void return_object(struct episode *e, struct twin_object *object)
{
	bool news;

	doing("return the object at %ld", object->at - e->arena, 0);
	expect_filled(e, object);
	if (!respool_object_return(&e->core, object->at, &news)) {
		if (!e->damaged)
			differ("it is said not to be live");
		return;
	}
	objects_twin_set(&e->twin, object, TWIN_FREE);
	if (news)
		note_news(e, object->at);
}

static void put_word(struct episode *e, struct respool_object_word *w)
{
	u8 *run = (u8 *)w->run;
	unsigned long out = w->out;
	u32 nr;

	doing("put a word of the run at %ld", run - e->arena, 0);
	nr = respool_objects_put_word(&e->core, w);
	if (nr != hweight64(out) || w->out) {
		if (!e->damaged || nr || w->out != out)
			differ("%u of %u objects went back", nr, hweight64(out));
		return;
	}
	for (; out; out &= out - 1) {
		u8 *at = (u8 *)w->first + __ffs64(out) * e->core.stride;

		objects_twin_set(&e->twin, objects_twin_object(&e->twin, at), TWIN_FREE);
	}
}

static void use_objects(struct episode *e, u32 kind)
{
	struct respool_object_word *w = &e->word[choose(e->c, WORDS)];

	if (kind < 80 && e->twin.nr[TWIN_LIVE])
		return_object(e, choose_object(e, TWIN_LIVE));
	else if (kind < 100 && e->twin.nr[TWIN_LIVE] && e->nr_magazine < MAGAZINE)
		end(e);
	else if (kind < 110 && e->nr_magazine)
		hand_back(e);
	else if (kind < 120 && e->nr_news)
		tell_news(e);
	else if (kind < 125 && w->out)
		put_word(e, w);
	else if (kind < 140 && e->nr_magazine)
		give(e);
	else if (w->out)
		pop(e, w);
	else if (chance(e->c, e->take_percent))
		take_word(e, w);
}

/* Any address, most of them near an object. */
static u8 *choose_address(struct episode *e)
{
	struct objects_twin *t = &e->twin;
	u32 kind = choose(e->c, 8);
	struct twin_object_run *run;

	if (kind < 1)
		return e->arena + choose(e->c, e->arena_bytes);
	if (kind < 2)
		return (u8 *)((uintptr_t)e->arena ^ (1UL << choose(e->c, 64)));
	if (!t->nr_runs)
		return e->arena;
	do
		run = &t->run[choose(e->c, TWIN_MAX_RUNS)];
	while (!run->start && choices_left(e->c));
	if (!run->start)
		return e->arena;
	if (kind < 3)
		return run->start + choose(e->c, t->run_bytes);
	return run->object[choose(e->c, t->per_run)].at +
	       (kind < 6 ? 0 : choose(e->c, t->size + 8));
}

static int twin_why_not(struct episode *e, const u8 *addr)
{
	struct twin_object *object = objects_twin_object(&e->twin, addr);

	if (!objects_twin_run(&e->twin, addr))
		return -EFAULT;
	if (!object)
		return -EINVAL;
	return object->state == TWIN_LIVE ? 0 : -EALREADY;
}

/* Every mistake is named and changes nothing. */
static void misuse(struct episode *e)
{
	u8 *addr = choose_address(e);
	int why = twin_why_not(e, addr);
	struct respool_object_run *run;
	u64 index;

	doing("end whatever is at %ld", addr - e->arena, 0);
	expect_equal("why not", respool_objects_why_not(&e->core, addr), why);
	if (why && respool_object_end(&e->core, addr, &run, &index))
		differ("it was accepted");
}

static void do_call(struct episode *e, u32 kind)
{
	if (kind < 4)
		remove_empty(e, choose(e->c, 3));
	else if (kind < 8)
		add_run(e);
	else if (kind < 190)
		use_objects(e, kind);
	else if (!e->damaged)
		misuse(e);
}

/* Damage */

/* Where the header's words are: checks, links, counts and bits, not the slack behind. */
static u64 *choose_word(struct episode *e, u8 *start, bool *link)
{
	u32 words = sizeof(struct respool_object_run) / 8 + 3 * e->core.words;
	u32 word = choose(e->c, words);

	*link = word == 1 || word == 2;
	return (u64 *)start + word;
}

static struct twin_object_run *choose_run(struct episode *e)
{
	u32 n = choose(e->c, e->twin.nr_runs);
	struct twin_object_run *run = e->twin.run;

	while (!run->start || n--)
		run++;
	return run;
}

static bool is_on_a_list(const struct twin_object_run *run)
{
	return ((struct respool_object_run *)run->start)->nr_free;
}

/*
 * Not every flipped live or returned bit is seen: one more may say of an object that is
 * out that it is live or returned, one less that it is out.
 */
static bool must_show(struct episode *e, const struct twin_object_run *run, u64 *word, u64 was)
{
	struct respool_object_run *header = (void *)run->start;
	u32 i = (word - (u64 *)header->bits) / 3;
	struct respool_object_bits *bits = &header->bits[i];

	return word < (u64 *)header->bits || word == &bits->free ||
	       bits->live & (bits->returned | bits->free) || bits->returned & bits->free ||
	       (*word ^ was) & ~respool_object_bits(&e->core, i);
}

struct saved {
	struct respool_objects core;
	struct objects_twin twin;
	u8 *arena;
	void *footprint;
	struct twin_object *object[TWIN_MAX_RUNS];
	struct respool_object_word word[WORDS];
	u8 *magazine[MAGAZINE];
	u32 nr_magazine;
	void *news[MAX_NEWS];
	u32 nr_news;
};

static void *copy_of(const void *from, size_t bytes)
{
	return memcpy(must_alloc(bytes), from, bytes);
}

static void save(struct episode *e, struct saved *s)
{
	size_t bytes = e->twin.per_run * sizeof(struct twin_object);
	u32 i;

	s->core = e->core;
	s->twin = e->twin;
	s->nr_news = e->nr_news;
	s->nr_magazine = e->nr_magazine;
	memcpy(s->magazine, e->magazine, sizeof(s->magazine));
	memcpy(s->word, e->word, sizeof(s->word));
	memcpy(s->news, e->news, sizeof(s->news));
	s->arena = copy_of(e->arena, e->arena_bytes);
	s->footprint = copy_of(e->footprint, respool_objects_footprint(&e->core));
	for (i = 0; i < TWIN_MAX_RUNS; i++)
		s->object[i] = e->twin.run[i].start ? copy_of(e->twin.run[i].object, bytes) : NULL;
}

static void restore(struct episode *e, struct saved *s)
{
	u32 i;

	objects_twin_forget(&e->twin);
	e->core = s->core;
	e->twin = s->twin;
	e->nr_news = s->nr_news;
	e->nr_magazine = s->nr_magazine;
	memcpy(e->magazine, s->magazine, sizeof(e->magazine));
	memcpy(e->word, s->word, sizeof(e->word));
	memcpy(e->news, s->news, sizeof(e->news));
	for (i = 0; i < TWIN_MAX_RUNS; i++)
		e->twin.run[i].object = s->object[i];
	memcpy(e->arena, s->arena, e->arena_bytes);
	memcpy(e->footprint, s->footprint, respool_objects_footprint(&e->core));
	free(s->arena);
	free(s->footprint);
}

/* The objects of all runs but a damaged one go back as if nothing had been. */
static void return_all(struct episode *e, const u8 *damaged)
{
	struct objects_twin *t = &e->twin;
	u32 r, i;

	for (i = 0; i < WORDS; i++)
		if (e->word[i].out && (u8 *)e->word[i].run != damaged)
			put_word(e, &e->word[i]);
	while (e->nr_magazine) {
		if (objects_twin_run(t, e->magazine[e->nr_magazine - 1])->start == damaged)
			e->nr_magazine--;
		else
			hand_back(e);
	}
	for (r = 0; r < TWIN_MAX_RUNS; r++)
		for (i = 0; t->run[r].start && t->run[r].start != damaged && i < t->per_run; i++)
			if (t->run[r].object[i].state == TWIN_LIVE)
				return_object(e, &t->run[r].object[i]);
	while (e->nr_news)
		tell_news(e);
}

static void check_salvage(struct episode *e, const u8 *damaged, bool mendable)
{
	const void *where;
	const char *broken;
	u64 retired;

	doing("salvage after damage to the run at %ld", damaged - e->arena, 0);
	respool_objects_salvage(&e->core);
	retired = e->core.retired_runs;
	if (retired > !mendable)
		differ("%lu runs were retired", (unsigned long)retired);
	broken = respool_objects_validate(&e->core, &where);
	if (broken)
		differ("validate says \"%s\"", broken);
	if (retired && respool_objects_why_not(&e->core, damaged) != -EUCLEAN)
		differ("the damaged run is still in service");
	return_all(e, damaged);
	broken = respool_objects_validate(&e->core, &where);
	if (broken)
		differ("validate says \"%s\" with all objects back", broken);
}

/* Damage a header, go on with that for a while, salvage; then undo it all. */
static void damage_and_undo(struct episode *e)
{
	struct twin_object_run *run = choose_run(e);
	u8 *start = run->start;
	struct saved saved;
	const void *where;
	u64 *word, was;
	bool link;
	u32 i;

	word = choose_word(e, start, &link);
	if (link && !is_on_a_list(run))
		return;
	save(e, &saved);
	was = *word;
	if (chance(e->c, 50))
		*word ^= 1ULL << choose(e->c, 64);
	else
		*word ^= (1ULL + choose(e->c, 255)) << 8 * choose(e->c, 8);
	if (chance(e->c, 20))
		*word = choose(e->c, 2) ? (uintptr_t)choose_address(e) : choose_any(e->c);
	if (*word == was)
		*word = ~was;
	doing("damage at %ld of the run at %ld", (u8 *)word - start, start - e->arena);
	if (must_show(e, run, word, was) && !respool_objects_validate(&e->core, &where))
		differ("validate does not see the damage");
	e->damaged = true;
	for (i = choose(e->c, 32); i; i--)
		do_call(e, choose(e->c, 256));
	verify_contents(e);
	check_salvage(e, start, link);
	e->damaged = false;
	restore(e, &saved);
}

/* The whole */

static void do_step(struct episode *e)
{
	u32 kind = choose(e->c, 1024);

	if (kind < 4)
		e->take_percent = choose(e->c, 101);
	else if (kind < 12 && e->twin.nr_runs && e->arena_bytes <= 64 * PAGE)
		damage_and_undo(e);
	else
		do_call(e, kind % 256);
	if (e->arena_bytes <= 32 * PAGE || steps_done() % 64 == 0)
		compare_all(e);
}

/* What init makes of bad arguments. */
static void check_refusals(const struct respool_object_memory *memory)
{
	struct respool_objects o;

	expect_equal("no size", respool_objects_init(&o, 0, 8, memory, 1), -EINVAL);
	expect_equal("align 3", respool_objects_init(&o, 8, 3, memory, 1), -EINVAL);
	expect_equal("align 8192", respool_objects_init(&o, 8, 8192, memory, 1), -EINVAL);
	expect_equal("too large", respool_objects_init(&o, RESPOOL_OBJECT_MAX + 1, 8, memory, 1),
		     -E2BIG);
	expect_equal("overflow", respool_objects_init(&o, ~0UL, 8, memory, 1), -E2BIG);
}

static size_t stride_of(const struct episode *e)
{
	return round_up(e->twin.size, max(e->twin.align, 8UL));
}

/* A run wastes little unless it is as large as one may be. */
static void check_waste(struct episode *e, unsigned int max_shift)
{
	size_t bytes = 1UL << e->core.shift, waste = bytes - e->core.per_run * stride_of(e);

	if (e->core.shift > max_shift || e->core.per_run > RESPOOL_OBJECTS_PER_RUN)
		differ("a run is too large");
	if (e->core.shift < max_shift && waste > bytes / WASTE_SHARE)
		differ("%zu bytes of a run are wasted", waste);
}

static size_t choose_size(struct choices *c)
{
	u32 kind = choose(c, 16);

	if (kind < 8)
		return 1 + choose(c, 256);
	return 1 + choose(c, kind < 14 ? 4096 : RESPOOL_OBJECT_MAX);
}

static bool set_up(struct episode *e)
{
	struct respool_object_memory memory = {
		.min_shift = 12,
		.max_shift = 12 + choose(e->c, 9),
		.waste_share = WASTE_SHARE,
	};
	int error;

	e->twin.size = choose_size(e->c);
	e->twin.align = chance(e->c, 50) ? 0 : 1UL << choose(e->c, chance(e->c, 80) ? 8 : 13);
	e->arena_bytes = PAGE + PAGE * choose(e->c, choose(e->c, 8) ? 48 : ARENA_MAX / PAGE);
	e->arena = aligned_alloc(PAGE, e->arena_bytes);
	memset(e->arena, 0, e->arena_bytes);
	e->phys = PAGE * choose(e->c, 1 << 12);
	memory.start = e->arena;
	memory.bytes = e->arena_bytes;
	memory.phys = e->phys;
	check_refusals(&memory);
	doing("init of objects of %ld bytes aligned to %ld", e->twin.size, e->twin.align);
	error = respool_objects_init(&e->core, e->twin.size, e->twin.align, &memory,
				     (u64)choose_any(e->c) << 32 | choose_any(e->c));
	if (error) {
		if (error != -E2BIG || 2 * stride_of(e) <= 1UL << memory.max_shift)
			differ("error %d", error);
		return false;
	}
	check_waste(e, memory.max_shift);
	e->footprint = must_zalloc(1, respool_objects_footprint(&e->core));
	respool_objects_set_footprint(&e->core, e->footprint, 1 + choose(e->c, 254));
	lend_slots(e);
	e->twin.per_run = e->core.per_run;
	e->twin.run_bytes = 1UL << e->core.shift;
	e->take_percent = choose(e->c, 101);
	compare_all(e);
	return true;
}

/* With every object back, every run can go. */
static void drain(struct episode *e)
{
	return_all(e, NULL);
	compare_all(e);
	while (e->twin.nr_runs)
		remove_empty(e, 0);
	compare_all(e);
}

void objects_episode(struct choices *c, unsigned long max_steps)
{
	struct episode e = { .c = c };
	unsigned long steps = min(500UL + choose(c, 5000), max_steps);

	count_step();
	if (set_up(&e)) {
		while (steps_done() < steps && choices_left(c)) {
			count_step();
			do_step(&e);
		}
		drain(&e);
	}
	free(e.footprint);
	free(e.arena);
}
