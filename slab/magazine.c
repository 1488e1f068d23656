// SPDX-License-Identifier: GPL-2.0
/*
 * Per-CPU magazines in front of a slab's free list and its object runs: blocks
 * that are used as far as those know and free as far as anybody else does.
 *
 * How much they may keep follows from how much the slab holds, so that they cost
 * little of it, and from how much of that is free, for nobody misses that. What the
 * slab holds goes back to the page layer for all that: before the last block that
 * somebody holds is given back, somebody looks, and then all magazines are emptied.
 */
#include <linux/cpumask.h>
#include <linux/math64.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/preempt.h>
#include <linux/sizes.h>
#include <linux/slab.h>

#include "slab/magazine.h"

/* The most that one magazine keeps: bytes, unless that is too few blocks; blocks. */
#define MAGAZINE_BYTES	8192
#define MIN_BLOCKS	2
#define MAX_BLOCKS	31

/*
 * One magazine keeps no more than one block or this part of what the slab holds; or
 * this part of what is free beyond the gaps that there are between blocks anyway,
 * which costs nothing as long as it is free.
 */
#define HELD_SHARE	1200
#define SPARE_SHARE	8

/* Those gaps: bytes, and part of what is held. */
#define GAP_BYTES	SZ_16K
#define GAP_SHARE	16

/*
 * A tray holds so many blocks, and as many of the largest as are this part of what
 * the slab holds.
 */
#define TRAY_BLOCKS	4
#define TRAY_SHARE	32

/* Blocks that go one way or the other under one hold of the slab's lock. */
#define BATCH		8

/*
 * Blocks that a CPU gives back before the free list of a small slab grows. One that is
 * not small grows at once, for that is work enough for a call, and in so many of the
 * next ones that CPU gives some back: few, and of magazines it looks into few.
 */
#define SHRINK_SMALL	8
#define SHRINK		2
#define SHRINK_LOOKS	32
#define SHRINK_CALLS	2

/* Frees into a rack before somebody looks, at most; where there is nothing to look for. */
#define MAX_FREES	64
#define IDLE_FREES	4096

/* A slab that holds more is not small, and gives back what it can when it is mostly free. */
#define LARGE_SLAB	SZ_256K

/*
 * Blocks serve a hot size, too, while the free list has more in free blocks than
 * that and than this part of what is held.
 */
#define MIN_HOLES	SZ_64K
#define HOLE_SHARE	64

/* Geometry */

static unsigned int magazine_size(size_t bytes)
{
	return clamp_t(size_t, MAGAZINE_BYTES / bytes, MIN_BLOCKS, MAX_BLOCKS);
}

/* Size of the blocks of the magazine after the one of blocks of @bytes. */
static size_t next_bytes(size_t bytes)
{
	size_t step = RESPOOL_BLOCK_ALIGN;

	while (64 * step + RESPOOL_BLOCK_ALIGN <= bytes)
		step *= 2;
	return bytes + step;
}

#define for_each_size(bytes)							\
	for ((bytes) = RESPOOL_BLOCK_MIN; (bytes) <= RESPOOL_CACHED_BYTES;	\
	     (bytes) = next_bytes(bytes))

static size_t magazine_bytes(unsigned int size)
{
	return sizeof(struct respool_slab_magazine) + size * sizeof(void *);
}

/* Of the magazine that is always empty. */
#define NO_MAGAZINE	offsetof(struct respool_rack, magazine)

/* Where the magazine lies whose blocks serve so many half cells. */
static u16 block_magazine(const struct respool_racks *r, size_t half_cells)
{
	size_t bytes = (half_cells << RESPOOL_HALF_SHIFT) + RESPOOL_BLOCK_HEADER;
	size_t cells = round_up(bytes, RESPOOL_BLOCK_ALIGN) >> RESPOOL_CELL_SHIFT;

	while (r->taking[cells] == NO_MAGAZINE && cells < RESPOOL_CACHED_CELLS)
		cells++;
	return r->taking[cells];
}

static u16 object_magazine(const struct respool_racks *r, unsigned int class)
{
	return r->objects + (class - 1) * sizeof(struct respool_object_magazine);
}

/* From now on requests for the sizes of @class are served with objects, or with blocks. */
static void serve_with(struct respool_racks *r, unsigned int class, bool objects)
{
	size_t last = respool_half_cells_of(class * RESPOOL_BLOCK_ALIGN), i;

	for (i = last - 1; i <= last; i++)
		if (respool_hot_class_of(i << RESPOOL_HALF_SHIFT))
			WRITE_ONCE(r->serving[i], objects ? object_magazine(r, class) :
							    block_magazine(r, i));
}

/* Where each magazine lies in a rack, and which sizes are its; returns the rack's bytes. */
static size_t lay_out(struct respool_racks *r, bool on)
{
	size_t bytes, i, end = RESPOOL_TRAY + magazine_bytes(TRAY_BLOCKS);

	for (i = 0; i <= RESPOOL_CACHED_CELLS; i++)
		r->taking[i] = NO_MAGAZINE;
	for (i = 0; i <= RESPOOL_HALF_CELLS; i++)
		r->serving[i] = NO_MAGAZINE;
	if (!on)
		return end;
	for_each_size(bytes) {
		r->offset[r->magazines++] = end;
		r->taking[bytes >> RESPOOL_CELL_SHIFT] = end;
		end += magazine_bytes(magazine_size(bytes));
	}
	r->offset[r->magazines++] = RESPOOL_TRAY;
	for (i = 1; i <= RESPOOL_HALF_CELLS; i++)
		r->serving[i] = block_magazine(r, i);
	return end;
}

#define for_each_magazine(i, magazine, r, rack)					\
	for ((i) = (r)->magazines;						\
	     (i)-- && ((magazine) = respool_magazine_at(rack, (r)->offset[i]));)

#define for_each_object_magazine(class, magazine, r, rack)			\
	for ((class) = 1; (r)->hot.map && (class) <= RESPOOL_HOT_CLASSES &&	\
	     ((magazine) = respool_object_magazine(r, rack, class)); (class)++)

static struct respool_rack *rack_of(struct respool_racks *r, unsigned int cpu)
{
	return *per_cpu_ptr(r->rack, cpu);
}

static void make_magazines(struct respool_racks *r, struct respool_rack *rack)
{
	struct respool_slab_magazine *magazine;
	size_t bytes;

	for_each_size(bytes) {
		magazine = respool_magazine_at(rack, r->taking[bytes >> RESPOOL_CELL_SHIFT]);
		magazine->size = magazine_size(bytes);
		magazine->max = 1;
		magazine->word = respool_cached_word(bytes);
	}
	magazine = respool_magazine_at(rack, RESPOOL_TRAY);
	magazine->size = TRAY_BLOCKS;
	magazine->word = respool_cached_word(RESPOOL_CACHED_BYTES);
}

static void make_object_magazines(struct respool_racks *r, struct respool_rack *rack)
{
	struct respool_object_magazine *magazine;
	unsigned int class;

	for_each_object_magazine(class, magazine, r, rack) {
		magazine->class = class;
		magazine->objects = respool_hot_objects(&r->hot, class);
	}
}

static int make_rack(struct respool_racks *r, size_t rack_bytes, unsigned int cpu)
{
	struct respool_rack *rack = kvzalloc_node(rack_bytes, GFP_KERNEL, cpu_to_node(cpu));

	if (!rack)
		return -ENOMEM;
	*per_cpu_ptr(r->rack, cpu) = rack;
	if (r->magazines)
		make_magazines(r, rack);
	make_object_magazines(r, rack);
	return 0;
}

/*
 * Racks before @runs, which @lock guards; or, unless @on, none that hold
 * anything. With @objects there may be object runs beside the free list, too.
 */
int respool_racks_init(struct respool_racks *r, struct respool_runs *runs, raw_spinlock_t *lock,
		       bool on, bool objects)
{
	size_t rack_bytes = lay_out(r, on);
	unsigned int cpu;
	int error;

	/* One is looked for where the other may be. */
	BUILD_BUG_ON(offsetof(struct respool_object_magazine, nr_blocks) !=
		     offsetof(struct respool_slab_magazine, nr));
	BUILD_BUG_ON(offsetof(struct respool_object_magazine, class) !=
		     offsetof(struct respool_slab_magazine, class));

	r->freelist = runs->freelist;
	r->runs = runs;
	r->lock = lock;
	r->rack = alloc_percpu(struct respool_rack *);
	if (!r->rack)
		return -ENOMEM;
	error = respool_hot_init(&r->hot, runs, on && objects);
	r->objects = rack_bytes;
	if (r->hot.map)
		rack_bytes += RESPOOL_HOT_CLASSES * sizeof(struct respool_object_magazine);
	for_each_possible_cpu(cpu)
		if (!error)
			error = make_rack(r, rack_bytes, cpu);
	if (error)
		respool_racks_destroy(r);
	return error;
}

void respool_racks_destroy(struct respool_racks *r)
{
	unsigned int cpu;

	if (!r->rack)
		return;
	for_each_possible_cpu(cpu)
		kvfree(rack_of(r, cpu));
	free_percpu(r->rack);
	r->rack = NULL;
	respool_hot_destroy(&r->hot);
}

/* Taking racks from elsewhere */

static void release_racks(struct respool_racks *r, unsigned int end)
{
	unsigned int cpu;

	for_each_possible_cpu(cpu)
		if (cpu < end)
			respool_cpu_unlock(&rack_of(r, cpu)->lock);
	preempt_enable();
}

/* Hold all of them, with preemption off from then on; or none, false. */
bool respool_racks_try_hold(struct respool_racks *r)
{
	unsigned int cpu;

	preempt_disable();
	for_each_possible_cpu(cpu) {
		if (respool_cpu_lock_claim(&rack_of(r, cpu)->lock, cpu))
			continue;
		release_racks(r, cpu);
		return false;
	}
	return true;
}

/* Hold all racks still, to count what is in them. Task context. */
void respool_racks_hold(struct respool_racks *r)
{
	might_sleep();
	respool_racks_try_hold(r);
}

/* A count of a rack that may not be held. */
static u64 about(const u64 *count)
{
	/*
	 * Who holds it counts without a mark, for speed; whether the last one is
	 * seen does not matter.
	 */
	return data_race(READ_ONCE(*count));
}

/*
 * Blocks in a rack less the objects that live by its count; about so if it is not held.
 */
static u64 cached_in(const struct respool_rack *rack)
{
	return about(&rack->moved) + about(&rack->frees) - about(&rack->allocations);
}

/* Usable bytes of what is in a magazine. */
static u64 cached_bytes(const struct respool_slab_magazine *magazine)
{
	u64 bytes = 0;
	unsigned int i;

	for (i = 0; i < magazine->nr; i++)
		bytes += respool_block_bytes(magazine->block[i]) - RESPOOL_BLOCK_HEADER;
	return bytes;
}

/* The objects of a class. All racks and the slab's lock are held. */
void respool_racks_count_class(struct respool_racks *r, unsigned int class,
			       struct respool_objects_sum *sum)
{
	const struct respool_objects *o = respool_hot_objects(&r->hot, class);
	const struct respool_object_magazine *magazine;
	unsigned int cpu;

	sum->live = -r->ended[class - 1];
	sum->cached = 0;
	for_each_possible_cpu(cpu) {
		magazine = respool_object_magazine(r, rack_of(r, cpu), class);
		sum->live += magazine->live;
		sum->cached += hweight64(magazine->word.out) + magazine->nr;
	}
	sum->free = o->runs * o->per_run - sum->live - sum->cached;
}

/* All classes together. Held as above. */
void respool_racks_count_objects(struct respool_racks *r, struct respool_racks_sum *sum)
{
	struct respool_objects_sum one;
	unsigned int class;
	u64 bytes;

	memset(&sum->objects, 0, sizeof(sum->objects));
	memset(&sum->object_bytes, 0, sizeof(sum->object_bytes));

	for (class = 1; class <= RESPOOL_HOT_CLASSES; class++) {
		if (!respool_hot_objects(&r->hot, class)->runs)
			continue;
		respool_racks_count_class(r, class, &one);
		bytes = class * RESPOOL_BLOCK_ALIGN;
		sum->objects.live += one.live;
		sum->objects.cached += one.cached;
		sum->objects.free += one.free;
		sum->object_bytes.live += one.live * bytes;
		sum->object_bytes.cached += one.cached * bytes;
		sum->object_bytes.free += one.free * bytes;
	}
}

/* What is in magazines of blocks. All racks are held. */
void respool_racks_count(struct respool_racks *r, struct respool_racks_sum *sum)
{
	struct respool_slab_magazine *magazine;
	struct respool_rack *rack;
	unsigned int cpu, i;

	memset(sum, 0, sizeof(*sum));
	for_each_possible_cpu(cpu) {
		rack = rack_of(r, cpu);
		sum->allocations += rack->allocations;
		sum->frees += rack->frees;
		for_each_magazine(i, magazine, r, rack) {
			sum->cached_blocks += magazine->nr;
			sum->cached_bytes += cached_bytes(magazine);
		}
	}
}

/* The locked half: under the slab's lock, and, where one is named, with a rack held */

static int put_locked(struct respool_racks *r, void *block)
{
	struct respool_run *empty;
	int error = respool_freelist_put(r->freelist, block, &empty);

	if (!error)
		respool_runs_settle(r->runs, empty);
	return error;
}

/* Objects of @class went back: blocks may serve its sizes again. */
static void cool_locked(struct respool_racks *r, unsigned int class)
{
	if (respool_hot_cools(&r->hot, class))
		serve_with(r, class, false);
}

/* What a CPU has of a class goes back; returns how many objects did. */
static unsigned int put_objects_locked(struct respool_racks *r,
				       struct respool_object_magazine *magazine)
{
	unsigned int done = magazine->word.out ?
			    respool_hot_put_word(&r->hot, magazine->class, &magazine->word) : 0;

	while (magazine->nr && respool_hot_put(&r->hot, magazine->class,
					       magazine->object[magazine->nr - 1])) {
		magazine->nr--;
		done++;
	}
	cool_locked(r, magazine->class);
	return done;
}

static unsigned int put_oldest_locked(struct respool_racks *r,
				      const struct respool_slab_magazine *magazine,
				      unsigned int nr)
{
	unsigned int done = 0;

	while (done < nr && !put_locked(r, magazine->block[done]))
		done++;
	return done;
}

/* Give up to @nr blocks back, the oldest; the youngest take their place. */
static unsigned int drain_locked(struct respool_racks *r, struct respool_rack *rack,
				 struct respool_slab_magazine *magazine, unsigned int nr)
{
	unsigned int done = put_oldest_locked(r, magazine, min_t(unsigned int, nr, magazine->nr));
	unsigned int left;

	left = magazine->nr - done;
	memmove(magazine->block, magazine->block + max(left, done),
		min(left, done) * sizeof(magazine->block[0]));
	magazine->nr = left;
	rack->moved -= done;
	return done;
}

/* Blocks that go into or out of a magazine under one hold of the lock. */
static unsigned int batch_of(const struct respool_slab_magazine *magazine)
{
	return clamp(magazine->max / 2, 1, BATCH);
}

/* How much one magazine of blocks may keep, in bytes. */
static u64 share_of(const struct respool_freelist *f)
{
	u64 gaps = f->held_bytes / GAP_SHARE + GAP_BYTES;
	u64 spare = f->free_bytes - min(f->free_bytes, gaps);

	return max(f->held_bytes / HELD_SHARE, spare / SPARE_SHARE);
}

/* How much a magazine may keep follows what the slab holds and has free. */
static void adjust_locked(struct respool_racks *r, struct respool_slab_magazine *magazine)
{
	u64 most = share_of(r->freelist) / respool_magazine_bytes(magazine);

	magazine->max = clamp_t(u64, most, 1, magazine->size);
}

/* It goes into the free list. Only one in each call that comes by. */
static void clear_tray_locked(struct respool_racks *r, struct respool_rack *rack)
{
	struct respool_slab_magazine *tray = respool_magazine_at(rack, RESPOOL_TRAY);

	if (tray->nr && !put_locked(r, tray->block[tray->nr - 1])) {
		tray->nr--;
		rack->moved--;
	}
	tray->max = min_t(u64, r->freelist->held_bytes / TRAY_SHARE / RESPOOL_CACHED_BYTES,
			  tray->size);
}

/* Blocks that somebody holds; about as many, as others take and give meanwhile. */
static u64 count_live(struct respool_racks *r)
{
	s64 live = r->freelist->live_blocks - r->all_ended;
	unsigned int cpu;

	for_each_possible_cpu(cpu)
		live -= cached_in(rack_of(r, cpu));
	return max_t(s64, live, 0);
}

/* From now on no more than @frees may pass on any CPU before somebody looks. */
static void limit_frees(struct respool_racks *r, unsigned long frees)
{
	struct respool_rack *rack;
	unsigned int cpu;
	u64 at;

	for_each_possible_cpu(cpu) {
		rack = rack_of(r, cpu);
		at = about(&rack->frees) + frees;
		if (READ_ONCE(rack->look_at) > at)
			WRITE_ONCE(rack->look_at, at);
	}
}

/* The same for one CPU, which may have had fewer. */
static void allow_frees(struct respool_rack *rack, unsigned long frees)
{
	WRITE_ONCE(rack->look_at, about(&rack->frees) + frees);
}

/*
 * Say how many frees into racks may pass before the next look, by when it
 * cannot yet be that nobody holds anything. With nothing but a run that may be
 * kept anyway there is nothing to look for. Returns whether all magazines should
 * be emptied: if nobody holds anything, or a large slab is mostly free and what
 * is cached might keep runs from going back.
 */
static bool look_locked(struct respool_racks *r, struct respool_rack *rack)
{
	const struct respool_freelist *f = r->freelist;
	u64 live, left;

	if (respool_runs_few(r->runs)) {
		allow_frees(rack, IDLE_FREES);
		return false;
	}
	live = count_live(r);
	/* If each CPU sees so many, one block is still left. */
	left = min_t(u64, live ? div_u64(live - 1, num_online_cpus()) : 0, MAX_FREES);
	limit_frees(r, left);
	allow_frees(rack, left);
	return !live || (f->held_bytes > LARGE_SLAB && f->free_bytes > f->held_bytes / 2);
}

/* There were @few runs, or not. Those that may not be kept are to be looked for. */
static void note_growth(struct respool_racks *r, bool few)
{
	if (few && !respool_runs_few(r->runs))
		limit_frees(r, 0);
}

/* Take a run and serve from it. */
static int grow_locked(struct respool_racks *r, size_t size, size_t align, void **block)
{
	bool few = respool_runs_few(r->runs);
	int error = respool_runs_grow(r->runs, size, align, block);

	note_growth(r, few);
	return error;
}

static bool is_small(const struct respool_racks *r)
{
	return r->freelist->held_bytes <= LARGE_SLAB;
}

/*
 * This CPU gives some of the blocks that it keeps back, as the free list grows: of a
 * small slab large ones first, of a large one those of other sizes each time.
 */
static bool shrink_locked(struct respool_racks *r, struct respool_rack *rack)
{
	bool small = is_small(r);
	unsigned int looks = small ? RESPOOL_BLOCK_MAGAZINES : SHRINK_LOOKS;
	struct respool_slab_magazine *magazine;
	unsigned int most = small ? SHRINK_SMALL : SHRINK, left = most;

	if (!r->magazines)
		return false;
	if (small)
		rack->shrunk = 0;
	for (; looks && left; looks--) {
		rack->shrunk = (rack->shrunk ? rack->shrunk : RESPOOL_BLOCK_MAGAZINES) - 1;
		magazine = respool_magazine_at(rack, r->offset[rack->shrunk]);
		if (magazine->nr)
			left -= drain_locked(r, rack, magazine, left);
	}
	return left < most;
}

/* The free list has none: of what this CPU's @rack gives back, unless that is NULL, or a run. */
static int alloc_more_locked(struct respool_racks *r, struct respool_rack *rack, size_t size,
			     size_t align, void **block)
{
	int error = -ENOMEM;

	if (rack && !is_small(r))
		rack->owed = SHRINK_CALLS;
	else if (rack && shrink_locked(r, rack))
		error = respool_freelist_alloc(r->freelist, size, align, block);
	if (error == -ENOMEM)
		error = grow_locked(r, size, align, block);
	r->allocations += !error;
	return error;
}

/* From the free list, and more if need be. */
static int alloc_locked(struct respool_racks *r, struct respool_rack *rack, size_t size,
			size_t align, void **block)
{
	int error = respool_freelist_alloc(r->freelist, size, align, block);

	if (error == -ENOMEM)
		return alloc_more_locked(r, rack, size, align, block);
	r->allocations += !error;
	return error;
}

/* Fill an empty magazine. */
static unsigned int fill_locked(struct respool_racks *r, struct respool_rack *rack,
				struct respool_slab_magazine *magazine)
{
	adjust_locked(r, magazine);
	magazine->nr = respool_freelist_take(r->freelist, respool_magazine_bytes(magazine),
					     batch_of(magazine), magazine->block);
	rack->moved += magazine->nr;
	return magazine->nr;
}

/* The youngest block; if it is not what it should be, it is damaged. */
static int pop_locked(struct respool_racks *r, struct respool_rack *rack,
		      struct respool_slab_magazine *magazine, void **block)
{
	*block = magazine->block[magazine->nr - 1];
	if (!respool_block_give_word(*block, magazine->word)) {
		r->freelist->damage = respool_header_of(*block);
		return -EUCLEAN;
	}
	magazine->nr--;
	rack->allocations++;
	return 0;
}

static bool has_objects(const struct respool_object_magazine *magazine)
{
	return READ_ONCE(magazine->nr) || READ_ONCE(magazine->word.out);
}

/* Fill an empty magazine of objects. */
static unsigned int fill_objects_locked(struct respool_racks *r,
					struct respool_object_magazine *magazine)
{
	bool few = respool_runs_few(r->runs);
	unsigned int got = respool_hot_take(&r->hot, magazine->class, &magazine->word);

	note_growth(r, few);
	return got;
}

/* The next object of a magazine that has some, as pop_locked(). */
static int pop_object_locked(struct respool_racks *r, struct respool_rack *rack,
			     struct respool_object_magazine *magazine, void **object)
{
	*object = respool_rack_pop_object(rack, magazine);
	if (*object)
		return 0;
	respool_hot_note(&r->hot, magazine->class, magazine->word.out ?
			 magazine->word.run : magazine->object[magazine->nr - 1]);
	return -EUCLEAN;
}

/*
 * A block for @size, which is hot, before there is a new run for it: if a magazine
 * has one left, or the free list has so many holes that they had better be filled.
 * %NULL: an object it is to be.
 */
static struct respool_slab_magazine *choose_block_locked(struct respool_racks *r,
							 struct respool_rack *rack, size_t size)
{
	u64 few_holes = max_t(u64, respool_runs_held(r->runs) / HOLE_SHARE, MIN_HOLES);
	struct respool_slab_magazine *blocks;

	blocks = respool_magazine_at(rack, block_magazine(r, respool_half_cells_of(size)));
	if (blocks->nr || (r->freelist->free_bytes > few_holes && fill_locked(r, rack, blocks)))
		return blocks;
	return NULL;
}

/*
 * @magazine, which serves @size, has nothing left. Returns the one that shall; %NULL:
 * objects of @class serve it, if the slab has very many blocks of that size from now on.
 */
static struct respool_slab_magazine *choose_locked(struct respool_racks *r,
						   struct respool_rack *rack,
						   struct respool_slab_magazine *magazine,
						   unsigned int class, size_t size)
{
	if (magazine->class) {
		if (has_objects(respool_object_magazine(r, rack, class)) ||
		    respool_hot_objects(&r->hot, class)->bins)
			return NULL;
		return choose_block_locked(r, rack, size);
	}
	if (!class || !respool_hot_is_due(&r->hot, class, respool_magazine_bytes(magazine)))
		return magazine;
	serve_with(r, class, true);
	return NULL;
}

static int serve_object_locked(struct respool_racks *r, struct respool_rack *rack,
			       unsigned int class, size_t size, void **object)
{
	struct respool_object_magazine *magazine = respool_object_magazine(r, rack, class);

	if (has_objects(magazine) || fill_objects_locked(r, magazine))
		return pop_object_locked(r, rack, magazine, object);
	if (respool_racks_damaged(r))
		return -EUCLEAN;
	/* With the pool short of pages for a run, a block does for an object. */
	return alloc_locked(r, rack, size, RESPOOL_BLOCK_ALIGN, object);
}

static int serve_locked(struct respool_racks *r, struct respool_rack *rack,
			struct respool_slab_magazine *magazine, size_t size, void **block)
{
	unsigned int class = size <= RESPOOL_HOT_MAX ? respool_hot_class_of(size) : 0;

	if (!magazine->nr)
		magazine = choose_locked(r, rack, magazine, class, size);
	if (!magazine)
		return serve_object_locked(r, rack, class, size, block);
	if (magazine->nr || fill_locked(r, rack, magazine))
		return pop_locked(r, rack, magazine, block);
	if (respool_racks_damaged(r))
		return -EUCLEAN;
	size = respool_magazine_bytes(magazine) - RESPOOL_BLOCK_HEADER;
	return alloc_more_locked(r, rack, size, RESPOOL_BLOCK_ALIGN, block);
}

/* What calls leave to later ones, a little of it in each. */
static void tidy_locked(struct respool_racks *r, struct respool_rack *rack)
{
	if (!rack->owed) {
		clear_tray_locked(r, rack);
		return;
	}
	rack->owed--;
	shrink_locked(r, rack);
}

/* The free list notes its own peak; this is that of blocks and objects. */
static void note_peak(struct respool_racks *r)
{
	r->peak_live_bytes = max(r->peak_live_bytes,
				 r->freelist->live_bytes + r->hot.used_bytes);
}

/* Calls */

static struct respool_slab_magazine *serving(struct respool_racks *r, struct respool_rack *rack,
					     size_t size, size_t align)
{
	if (size > RESPOOL_CACHED_MAX || align > RESPOOL_BLOCK_ALIGN)
		return (void *)rack->magazine;
	return respool_magazine_for(r, rack, size);
}

/*
 * Where the rack as it is cannot serve: a batch for it, or one block from the
 * free list. Errors are the free list's.
 */
int respool_racks_alloc(struct respool_racks *r, size_t size, size_t align, void **block)
{
	struct respool_slab_magazine *magazine;
	struct respool_rack *rack;
	unsigned long flags;
	u64 held_bytes;
	bool held;
	int error;

	preempt_disable();
	rack = __this_cpu_read(*r->rack);
	held = respool_cpu_lock_try(&rack->lock);
	raw_spin_lock_irqsave(r->lock, flags);
	held_bytes = respool_runs_held(r->runs);
	magazine = serving(r, rack, size, align);
	if (held && (magazine->size || magazine->class))
		error = serve_locked(r, rack, magazine, size, block);
	else
		error = alloc_locked(r, held ? rack : NULL, size, align, block);
	/* To take pages, or to give some back, is enough for one call. */
	if (held && respool_runs_held(r->runs) == held_bytes)
		tidy_locked(r, rack);
	note_peak(r);
	raw_spin_unlock_irqrestore(r->lock, flags);
	if (held)
		respool_cpu_unlock(&rack->lock);
	preempt_enable();
	return error;
}

/* Make room in a magazine for one more, if it can have any. */
static bool make_room(struct respool_racks *r, struct respool_rack *rack,
		      struct respool_slab_magazine *magazine)
{
	if (!magazine->size)
		return false;
	adjust_locked(r, magazine);
	if (magazine->nr >= magazine->max)
		drain_locked(r, rack, magazine, batch_of(magazine));
	return magazine->nr < magazine->max;
}

/* Put @block, if it is a live one, into a magazine or on the tray. False: it goes into neither. */
static bool take_in(struct respool_racks *r, struct respool_rack *rack, void *block)
{
	u64 tag = respool_block_live_tag(r->freelist, block);
	size_t cells = respool_tag_bytes(tag) >> RESPOOL_CELL_SHIFT;
	struct respool_slab_magazine *magazine, *tray = respool_magazine_at(rack, RESPOOL_TRAY);

	/* No live block, or the end of a run. */
	if (!cells || cells > RESPOOL_CACHED_CELLS)
		return false;
	magazine = respool_magazine_at(rack, r->taking[cells]);
	if (magazine->nr >= magazine->max && tray->nr < tray->max)
		magazine = tray;
	else if (!make_room(r, rack, magazine))
		return false;
	if (!respool_block_end(block, tag))
		return false;
	magazine->block[magazine->nr++] = block;
	return true;
}

/*
 * End the life of a block. It goes into @rack, if that is not NULL and takes it,
 * which sets @cached, or into the free list.
 */
static int free_block_locked(struct respool_racks *r, struct respool_rack *rack, void *block,
			     bool *cached)
{
	struct respool_run *empty;
	int error;

	if (rack)
		clear_tray_locked(r, rack);
	*cached = rack && take_in(r, rack, block);
	if (*cached)
		return 0;
	error = respool_freelist_free(r->freelist, block, &empty);
	if (!error)
		respool_runs_settle(r->runs, empty);
	return error;
}

/* The same for an object, which goes into its run; @rack is counted in if it is not NULL. */
static int free_object_locked(struct respool_racks *r, struct respool_rack *rack,
			      unsigned int class, void *object)
{
	int error = respool_hot_free(&r->hot, class, object);

	if (error)
		return error;
	cool_locked(r, class);
	if (rack) {
		respool_object_magazine(r, rack, class)->live--;
	} else {
		r->ended[class - 1]++;
		r->all_ended++;
	}
	return 0;
}

/* Where the rack as it is cannot take the block or object, and for every mistake. */
int respool_racks_free(struct respool_racks *r, void *block)
{
	bool held, cached = true, look;
	struct respool_rack *rack;
	unsigned long flags;
	unsigned int class;
	int error;

	preempt_disable();
	rack = __this_cpu_read(*r->rack);
	held = respool_cpu_lock_try(&rack->lock);
	raw_spin_lock_irqsave(r->lock, flags);
	class = respool_hot_class_at(&r->hot, block);
	if (class)
		error = free_object_locked(r, held ? rack : NULL, class, block);
	else
		error = free_block_locked(r, held ? rack : NULL, block, &cached);
	if (!error && held) {
		rack->frees++;
		rack->moved -= !cached;
	} else if (!error) {
		r->frees++;
	}
	raw_spin_unlock_irqrestore(r->lock, flags);
	if (held)
		respool_cpu_unlock(&rack->lock);
	/* Who does not hold the rack cannot count in it, so looks each time. */
	look = held ? about(&rack->frees) > READ_ONCE(rack->look_at) : !error;
	preempt_enable();
	if (look)
		respool_racks_settle(r);
	return error;
}

/* What is at an address. The caller holds the slab's lock, but for the last two. */

/* How many bytes the live block or object at @addr holds, or what is wrong with it. */
int respool_racks_usable_size(struct respool_racks *r, const void *addr, size_t *size)
{
	unsigned int class = respool_hot_class_at(&r->hot, addr);

	return class ? respool_hot_usable_size(&r->hot, class, addr, size) :
		       respool_freelist_usable_size(r->freelist, addr, size);
}

static int stretch(struct respool_racks *r, void *block, size_t size)
{
	bool few = respool_runs_few(r->runs);
	int error = respool_runs_stretch(r->runs, block, size);

	note_growth(r, few);
	return error;
}

/*
 * Make the live block or object at @addr, of @old usable bytes, hold @size where
 * it is; -ENOSPC: it cannot. An object does if no more than half of it is lost.
 */
int respool_racks_resize(struct respool_racks *r, void *addr, size_t old, size_t size)
{
	int error;

	if (respool_hot_class_at(&r->hot, addr))
		return size <= old && size >= old / 2 ? 0 : -ENOSPC;
	error = respool_freelist_resize(r->freelist, addr, size);
	if (error == -ENOSPC)
		error = stretch(r, addr, size);
	note_peak(r);
	return error;
}

/* Usable bytes of a live block or object that is the caller's; 0 for one that is damaged. */
size_t respool_racks_bytes(const struct respool_racks *r, const void *block)
{
	unsigned int class = respool_hot_class_at(&r->hot, block);
	u64 tag;

	if (class == RESPOOL_SLOT_RETIRED)
		return 0;
	if (class)
		return class * RESPOOL_BLOCK_ALIGN;
	tag = respool_block_live_tag(r->freelist, block);
	return tag ? respool_tag_bytes(tag) - RESPOOL_BLOCK_HEADER : 0;
}

/* Whether @addr, of which 8 bytes in front can be read, is a live block or object. */
bool respool_racks_know(const struct respool_racks *r, const void *addr)
{
	unsigned int class = respool_hot_class_at(&r->hot, addr);

	return class ? !respool_hot_why_not(&r->hot, class, addr) :
		       respool_freelist_knows(r->freelist, addr);
}

/* So many frees went by that nobody might hold anything. */
void respool_racks_settle(struct respool_racks *r)
{
	unsigned long flags;
	bool settle;

	raw_spin_lock_irqsave(r->lock, flags);
	settle = look_locked(r, __this_cpu_read(*r->rack));
	raw_spin_unlock_irqrestore(r->lock, flags);
	if (settle)
		respool_racks_drain(r);
}

/* The object at @addr went back to its run, and that was news. */
void respool_racks_notice(struct respool_racks *r, void *addr)
{
	unsigned long flags;
	unsigned int class;

	raw_spin_lock_irqsave(r->lock, flags);
	/* The run may have gone back meanwhile, and another's may be there. */
	class = respool_hot_class_at(&r->hot, addr);
	if (class - 1 < RESPOOL_HOT_CLASSES) {
		respool_hot_notice(&r->hot, class, addr);
		cool_locked(r, class);
	}
	raw_spin_unlock_irqrestore(r->lock, flags);
}

/* The last block may have been freed meanwhile, by an interrupt that could not wait. */
void respool_racks_release(struct respool_racks *r)
{
	release_racks(r, nr_cpu_ids);
	respool_racks_settle(r);
}

static unsigned int drain_magazine(struct respool_racks *r, struct respool_rack *rack,
				   struct respool_slab_magazine *magazine)
{
	unsigned int done;
	unsigned long flags;

	raw_spin_lock_irqsave(r->lock, flags);
	done = drain_locked(r, rack, magazine, magazine->nr);
	raw_spin_unlock_irqrestore(r->lock, flags);
	return done;
}

/*
 * Take a CPU's rack, with preemption off until respool_rack_release(). Who has it for
 * longer than can be waited for has to look for himself afterwards. He is told so before
 * the last tries, not after: then, if they are in vain, he has not looked yet.
 */
static bool claim_rack(struct respool_rack *rack, unsigned int cpu)
{
	preempt_disable();
	if (respool_cpu_lock_claim(&rack->lock, cpu))
		return true;
	WRITE_ONCE(rack->look_at, 0);
	/* Only a lock that is taken is a barrier. */
	smp_mb();
	if (respool_cpu_lock_claim(&rack->lock, cpu))
		return true;
	preempt_enable();
	return false;
}

static unsigned int drain_objects(struct respool_racks *r,
				  struct respool_object_magazine *magazine)
{
	unsigned int done;
	unsigned long flags;

	raw_spin_lock_irqsave(r->lock, flags);
	done = put_objects_locked(r, magazine);
	raw_spin_unlock_irqrestore(r->lock, flags);
	return done;
}

/* Give back what a CPU keeps. */
static u64 drain_rack(struct respool_racks *r, unsigned int cpu)
{
	struct respool_rack *rack = rack_of(r, cpu);
	struct respool_object_magazine *objects;
	struct respool_slab_magazine *magazine;
	unsigned int class, i;
	u64 done = 0;

	for_each_magazine(i, magazine, r, rack) {
		if (!READ_ONCE(magazine->nr))
			continue;
		if (!claim_rack(rack, cpu))
			return done;
		done += drain_magazine(r, rack, magazine);
		respool_rack_release(rack);
	}
	for_each_object_magazine(class, objects, r, rack) {
		if (!has_objects(objects))
			continue;
		if (!claim_rack(rack, cpu))
			return done;
		done += drain_objects(r, objects);
		respool_rack_release(rack);
	}
	return done;
}

/*
 * Give all that the CPUs keep back, a magazine at a time, and then the object runs
 * that are empty; returns how many blocks, objects and runs.
 */
u64 respool_racks_drain(struct respool_racks *r)
{
	unsigned long flags;
	unsigned int cpu;
	u64 done = 0;

	for_each_possible_cpu(cpu)
		done += drain_rack(r, cpu);
	raw_spin_lock_irqsave(r->lock, flags);
	done += respool_hot_trim(&r->hot);
	raw_spin_unlock_irqrestore(r->lock, flags);
	return done;
}

void respool_racks_drain_cpu(struct respool_racks *r, unsigned int cpu)
{
	drain_rack(r, cpu);
}

/* Drop what a salvage took out of service. */
static void purge(struct respool_racks *r, struct respool_rack *rack,
		  struct respool_slab_magazine *magazine)
{
	unsigned int i, left = 0;

	for (i = 0; i < magazine->nr; i++)
		if (respool_block_is_cached(r->freelist, magazine->block[i]))
			magazine->block[left++] = magazine->block[i];
	rack->moved -= magazine->nr - left;
	magazine->nr = left;
}

static void purge_objects(struct respool_racks *r, struct respool_object_magazine *magazine)
{
	unsigned int i, left = 0;

	if (magazine->word.out &&
	    respool_hot_class_at(&r->hot, magazine->word.run) != magazine->class)
		magazine->word.out = 0;
	for (i = 0; i < magazine->nr; i++)
		if (respool_hot_class_at(&r->hot, magazine->object[i]) == magazine->class)
			magazine->object[left++] = magazine->object[i];
	magazine->nr = left;
}

/* The same for all: racks and the slab's lock are held. */
void respool_racks_purge(struct respool_racks *r)
{
	struct respool_object_magazine *objects;
	struct respool_slab_magazine *magazine;
	unsigned int cpu, class, i;

	for_each_possible_cpu(cpu) {
		for_each_magazine(i, magazine, r, rack_of(r, cpu))
			purge(r, rack_of(r, cpu), magazine);
		for_each_object_magazine(class, objects, r, rack_of(r, cpu))
			purge_objects(r, objects);
	}
}

/* Objects went out of service: from now on no more live than runs have. Held as above. */
void respool_racks_recount(struct respool_racks *r)
{
	struct respool_objects_sum sum;
	unsigned int class;
	u64 lost;

	for (class = 1; class <= RESPOOL_HOT_CLASSES; class++) {
		respool_racks_count_class(r, class, &sum);
		lost = sum.live - respool_objects_count_live(respool_hot_objects(&r->hot, class));
		r->ended[class - 1] += lost;
		r->all_ended += lost;
	}
}
