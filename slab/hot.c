// SPDX-License-Identifier: GPL-2.0
/*
 * The object runs of a slab: when a size is worth some, where they come from and
 * when they go back.
 */
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/random.h>
#include <linux/slab.h>

#include "slab/hot.h"

/*
 * A size is hot when its blocks take so many runs and so large a part of what
 * the slab holds: then a run that is only half full costs little of either.
 */
#define HOT_RUNS	8
#define HOT_SHARE	64

/* An object run has up to eight pages. */
#define MAX_RUN_SHIFT	(PAGE_SHIFT + 3)

/* And loses no more than this part, if it need not be larger. */
#define WASTE_SHARE	32

/* A class of more runs keeps one that is empty. */
#define FEW_RUNS	4

#define for_each_class(o, h)							\
	for ((o) = (h)->objects; (o) < (h)->objects + RESPOOL_HOT_CLASSES; (o)++)

static size_t run_bytes(const struct respool_objects *o)
{
	return 1UL << o->shift;
}

static unsigned int run_order(const struct respool_objects *o)
{
	return o->shift - PAGE_SHIFT;
}

/* No size is hot yet, nor will any be unless @on. */
int respool_hot_init(struct respool_hot *h, struct respool_runs *runs, bool on)
{
	struct respool *pool = runs->pool;
	const struct respool_object_memory memory = {
		.start = respool_start(pool),
		.bytes = respool_nr_pages(pool) << PAGE_SHIFT,
		.phys = respool_virt_to_phys(pool, respool_start(pool)),
		.min_shift = PAGE_SHIFT,
		.max_shift = min_t(unsigned int, PAGE_SHIFT + respool_max_order(pool),
				   MAX_RUN_SHIFT),
		.waste_share = WASTE_SHARE,
	};
	struct respool_objects *o;
	unsigned int class = 1;
	int error;

	h->runs = runs;
	if (!on)
		return 0;
	h->map = kvzalloc(respool_nr_pages(pool), GFP_KERNEL);
	if (!h->map)
		return -ENOMEM;
	for_each_class(o, h) {
		error = respool_objects_init(o, class * RESPOOL_BLOCK_ALIGN, RESPOOL_BLOCK_ALIGN,
					     &memory, get_random_u64());
		if (error)
			return error;
		respool_objects_set_footprint(o, h->map, class++);
	}
	return 0;
}

void respool_hot_destroy(struct respool_hot *h)
{
	kvfree(h->map);
	h->map = NULL;
}

/*
 * Whether what is now served with blocks of @block_bytes each is to have object
 * runs of @class.
 */
bool respool_hot_is_due(const struct respool_hot *h, unsigned int class, size_t block_bytes)
{
	const struct respool_freelist *f = h->runs->freelist;
	u64 bytes = (u64)f->blocks_of[block_bytes / RESPOOL_BLOCK_ALIGN] * block_bytes;

	return h->map && bytes >= HOT_RUNS * run_bytes(&h->objects[class - 1]) &&
	       bytes >= respool_runs_held(h->runs) / HOT_SHARE;
}

/* Whether @class has lost its last run and never had many: then it is hot no more. */
bool respool_hot_cools(struct respool_hot *h, unsigned int class)
{
	u64 peak = h->peak_runs[class - 1];

	if (respool_hot_objects(h, class)->runs)
		return false;
	h->peak_runs[class - 1] = 0;
	return peak < HOT_RUNS;
}

static void note_damage(struct respool_hot *h, const struct respool_objects *o)
{
	if (unlikely(o->damage))
		WRITE_ONCE(h->damage, o->damage);
}

/* What is out of @class is of no run in service: mending drops it. */
void respool_hot_note(struct respool_hot *h, unsigned int class, const void *where)
{
	struct respool_objects *o = respool_hot_objects(h, class);

	o->damage = where;
	note_damage(h, o);
}

static bool add_run(struct respool_hot *h, struct respool_objects *o)
{
	u64 *peak = &h->peak_runs[o - h->objects];
	void *run = respool_runs_take_pages(h->runs, run_order(o));

	if (!run)
		return false;
	respool_objects_prepare(o, run);
	respool_objects_add(o, run);
	*peak = max(*peak, o->runs);
	return true;
}

/* Runs that are empty go back, but for @keep of them; returns how many did. */
static u32 return_runs(struct respool_hot *h, struct respool_objects *o, bool keep)
{
	void *run;
	u32 nr = 0;

	while ((run = respool_objects_remove_empty(o, keep && o->runs > FEW_RUNS))) {
		respool_runs_return_pages(h->runs, run, run_order(o));
		nr++;
	}
	note_damage(h, o);
	return nr;
}

/*
 * What was @before of objects that are not free may have become more or less, and a run
 * may have become empty, or have been found to be.
 */
static void settle(struct respool_hot *h, struct respool_objects *o, u64 before)
{
	u64 more = respool_objects_used(o) - before;

	h->used += more;
	h->used_bytes += more * o->stride;
	return_runs(h, o, true);
}

/*
 * Objects for @word, which has none, all of a new run if no other has any; returns
 * how many, none if the pool is short.
 */
u32 respool_hot_take(struct respool_hot *h, unsigned int class, struct respool_object_word *word)
{
	struct respool_objects *o = respool_hot_objects(h, class);
	u64 before = respool_objects_used(o);
	u32 got = respool_objects_take_word(o, word, RESPOOL_WORD_OBJECTS);

	if (!got && !o->damage && add_run(h, o))
		got = respool_objects_take_word(o, word, RESPOOL_WORD_OBJECTS);
	settle(h, o, before);
	return got;
}

/* What is left of @word goes back; returns how many objects, none for damage. */
u32 respool_hot_put_word(struct respool_hot *h, unsigned int class,
			 struct respool_object_word *word)
{
	struct respool_objects *o = respool_hot_objects(h, class);
	u64 before = respool_objects_used(o);
	u32 done = respool_objects_put_word(o, word);

	settle(h, o, before);
	return done;
}

/* The object at @object, which is out, goes back; false for damage. */
bool respool_hot_put(struct respool_hot *h, unsigned int class, void *object)
{
	struct respool_objects *o = respool_hot_objects(h, class);
	u64 before = respool_objects_used(o);
	bool done = respool_objects_put(o, object);

	settle(h, o, before);
	if (!done)
		respool_hot_note(h, class, object);
	return done;
}

/* That the object at @addr was returned to its run was news. */
void respool_hot_notice(struct respool_hot *h, unsigned int class, const void *addr)
{
	struct respool_objects *o = respool_hot_objects(h, class);
	u64 before = respool_objects_used(o);

	respool_objects_notice(o, addr);
	settle(h, o, before);
}

/* Give all empty runs back, for a pool that is short; returns how many. */
u32 respool_hot_trim(struct respool_hot *h)
{
	struct respool_objects *o;
	u32 nr = 0;

	for_each_class(o, h)
		if (o->empty_runs)
			nr += return_runs(h, o, false);
	return nr;
}

/* An object of @class could not be given or ended: that may be for damage. */
void respool_hot_blame(struct respool_hot *h, unsigned int class, const void *object)
{
	struct respool_objects *o = respool_hot_objects(h, class);

	respool_objects_blame(o, object);
	note_damage(h, o);
}

/*
 * The object at @addr, where respool_hot_class_at() says @class, ends its life and goes
 * back into its run.
 */
int respool_hot_free(struct respool_hot *h, unsigned int class, void *addr)
{
	bool news;
	int error;

	if (class == RESPOOL_SLOT_RETIRED)
		return -EUCLEAN;
	if (respool_object_return(respool_hot_objects(h, class), addr, &news)) {
		if (news)
			respool_hot_notice(h, class, addr);
		return 0;
	}
	error = respool_hot_why_not(h, class, addr);
	respool_hot_blame(h, class, addr);
	/* Nothing wrong: it was freed, and has been given again meanwhile. */
	return error ? error : -EALREADY;
}

/* What is wrong with ending the life of an object at @addr; 0 if nothing is. */
int respool_hot_why_not(const struct respool_hot *h, unsigned int class, const void *addr)
{
	return class == RESPOOL_SLOT_RETIRED ? -EUCLEAN :
	       respool_objects_why_not(&h->objects[class - 1], addr);
}

/* Bytes of the live object at @addr, or what is wrong with it. */
int respool_hot_usable_size(struct respool_hot *h, unsigned int class, const void *addr,
			    size_t *size)
{
	int error = respool_hot_why_not(h, class, addr);

	if (!error)
		*size = respool_hot_objects(h, class)->stride;
	else if (class != RESPOOL_SLOT_RETIRED)
		respool_hot_blame(h, class, addr);
	return error;
}

/* Take damaged runs out of service; returns how many, and in @bytes how large they are. */
u64 respool_hot_salvage(struct respool_hot *h, u64 *bytes)
{
	struct respool_objects *o;
	u64 runs = 0, nr;

	*bytes = 0;
	h->used = 0;
	h->used_bytes = 0;
	for_each_class(o, h) {
		nr = o->damage ? respool_objects_salvage(o) : 0;
		runs += nr;
		*bytes += nr << o->shift;
		h->used += respool_objects_used(o);
		h->used_bytes += respool_objects_used(o) * o->stride;
	}
	h->runs->retired_object_runs += runs;
	WRITE_ONCE(h->damage, NULL);
	return runs;
}

/* The first @nr live objects of @class, and how many those are. */
u32 respool_hot_live_of(const struct respool_hot *h, unsigned int class, const void **live,
			u32 nr)
{
	const struct respool_objects *o = &h->objects[class - 1];
	struct respool_object_row row = {};
	u32 got = 0;

	if (!o->runs)
		return 0;
	while (got < nr && respool_objects_run_after(o, row.run, &row))
		got += respool_objects_live_in(o, row.run, live + got, nr - got);
	return got;
}

/* %NULL, or the first broken invariant; @where is then a run or %NULL. */
const char *respool_hot_validate(const struct respool_hot *h, const void **where)
{
	u64 runs = h->runs->retired_object_runs, used = 0, used_bytes = 0;
	const struct respool_objects *o;
	const char *broken;

	for_each_class(o, h) {
		/* Without a run there is nothing to be found in a walk over the map. */
		broken = o->runs ? respool_objects_validate(o, where) : NULL;
		if (broken)
			return broken;
		runs += o->runs;
		used += respool_objects_used(o);
		used_bytes += respool_objects_used(o) * o->stride;
	}
	*where = NULL;
	if (runs != h->runs->object_runs)
		return "the object runs do not add up";
	if (used != h->used || used_bytes != h->used_bytes)
		return "the objects in use do not add up";
	return NULL;
}
