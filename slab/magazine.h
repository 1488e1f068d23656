/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The byte layer's magazines (Bonwick and Adams, "Magazines and Vmem", 2001):
 * each CPU has a rack of them, one for each of the sizes up to a page, in front
 * of the slab's free list, and one for each class of objects (hot.h). The common
 * pair of allocation and free touches neither the slab's lock nor a list, only the
 * header of the block or the bits of the object, which say whether it is live. An
 * object that finds no room in its magazine goes back into its run without the lock.
 *
 * Lock order: the racks' (buddy/cpulock.h), in the order of their CPUs, then the
 * slab's.
 */
#ifndef RESPOOL_SLAB_MAGAZINE_H
#define RESPOOL_SLAB_MAGAZINE_H

#include <linux/percpu.h>
#include <linux/preempt.h>
#include <linux/spinlock.h>

#include "buddy/cpulock.h"
#include "slab/freelist.h"
#include "slab/hot.h"
#include "slab/run.h"

/*
 * Which sizes of blocks have a magazine: each cell of 16 bytes up to a payload
 * of 1024 bytes, then 32 equal parts of each power of two. An allocation takes
 * the next size up, at most 1/32 more than it needs.
 */
#define RESPOOL_CELL_SHIFT	4
#define RESPOOL_CACHED_BYTES	(4096 + 16)	/* the largest of those blocks */
#define RESPOOL_CACHED_MAX	(RESPOOL_CACHED_BYTES - RESPOOL_BLOCK_HEADER)
#define RESPOOL_CACHED_CELLS	(RESPOOL_CACHED_BYTES >> RESPOOL_CELL_SHIFT)
#define RESPOOL_BLOCK_MAGAZINES	(64 + 2 * 32 + 1)	/* the tray is the last */

/*
 * Requests are told apart by half cells, 8 bytes each: the block for a request
 * and the object for it change at different sizes.
 */
#define RESPOOL_HALF_SHIFT	3
#define RESPOOL_HALF_CELLS	(RESPOOL_CACHED_MAX >> RESPOOL_HALF_SHIFT)

/**
 * struct respool_slab_magazine - A CPU's cached blocks of one size.
 * @nr: how many
 * @class: 0
 * @size: how many there may ever be
 * @max: how many there may be now
 * @word: what respool_block_give_word() finds in each
 * @block: their payloads, oldest first
 */
struct respool_slab_magazine {
	u16 nr;
	u8 class;
	u8 size;
	u16 max;
	u16 word;
	void *block[];
};

/* So many, so that a magazine of objects is 256 bytes. */
#define RESPOOL_OBJECT_MAGAZINE	25

/**
 * struct respool_object_magazine - A CPU's objects of one class.
 * @nr_blocks: 0, for who looks for blocks here
 * @class: which
 * @nr: how many of @object there are
 * @objects: what all CPUs have of the class
 * @live: those that were handed out from here less those that came back to here;
 *	of all CPUs together, those that are live
 * @word: those that are handed out first
 * @object: those that came back, as long as there was room
 */
struct respool_object_magazine {
	u16 nr_blocks;
	u8 class;
	u32 nr;
	struct respool_objects *objects;
	u64 live;
	struct respool_object_word word;
	void *object[RESPOOL_OBJECT_MAGAZINE];
};

/**
 * struct respool_rack - What one CPU keeps of a slab.
 * @lock: for all of it
 * @allocations: blocks that were handed out from here
 * @frees: blocks that were given back to here
 * @look_at: with so many frees somebody looks whether all are; only for that, so
 *	others write to it as they like
 * @moved: blocks that came from the free list less those that went back
 * @shrunk: which magazine of blocks gave some back last, as the free list grew
 * @owed: in how many calls some more have to
 * @magazine: one that is always empty, the tray, the others of blocks, and then
 *	those of objects, by class
 *
 * The tray has blocks of any size that their own magazines had no room for, until
 * somebody holds the slab's lock anyway and gives one of them back.
 */
struct respool_rack {
	struct respool_cpu_lock lock;
	u64 allocations;
	u64 frees;
	u64 look_at;
	u64 moved;
	u64 shrunk;
	u64 owed;
	u8 magazine[] __aligned(8);
};

/*
 * I: set when the slab is made, then constant, as is what it points to where not
 * said. L: written under the slab's lock; who reads it without may see what was.
 */
struct respool_racks {
	struct respool_rack * __percpu *rack;	/* I */
	u16 serving[RESPOOL_HALF_CELLS + 1];	/* L: half cells wanted: offset of the magazine */
	u16 taking[RESPOOL_CACHED_CELLS + 1];	/* I: cells of a block: where it belongs */
	u16 offset[RESPOOL_BLOCK_MAGAZINES];	/* I: of the magazines */
	unsigned int magazines;			/* I: how many there are; 0: none */
	unsigned int objects;			/* I: offset of those of objects, if any */
	struct respool_freelist *freelist;	/* I: what is behind the racks */
	struct respool_runs *runs;		/* I: its runs */
	raw_spinlock_t *lock;			/* I: the slab's, which guards both */
	u64 allocations;			/* slab's lock: those not out of a rack */
	u64 frees;				/* slab's lock: those not into a rack */
	u64 ended[RESPOOL_HOT_CLASSES];		/* slab's lock: those of objects, and lost ones */
	u64 all_ended;				/* slab's lock: their sum */
	u64 peak_live_bytes;			/* slab's lock: of blocks and objects */
	struct respool_hot hot;			/* slab's lock, or as hot.h says */
};

int respool_racks_init(struct respool_racks *r, struct respool_runs *runs, raw_spinlock_t *lock,
		       bool on, bool objects);
void respool_racks_destroy(struct respool_racks *r);

static inline struct respool_slab_magazine *respool_magazine_at(struct respool_rack *rack,
								u16 offset)
{
	return (struct respool_slab_magazine *)((u8 *)rack + offset);
}

/* Where the tray lies in a rack: behind the magazine that is always empty. */
#define RESPOOL_TRAY							\
	(offsetof(struct respool_rack, magazine) + sizeof(struct respool_slab_magazine))

static inline size_t respool_half_cells_of(size_t size)
{
	return (size + (1 << RESPOOL_HALF_SHIFT) - 1) >> RESPOOL_HALF_SHIFT;
}

static inline size_t respool_magazine_bytes(const struct respool_slab_magazine *magazine)
{
	return magazine->word & ~RESPOOL_TAG_FLAGS;
}

static inline struct respool_object_magazine *
respool_object_magazine(const struct respool_racks *r, struct respool_rack *rack,
			unsigned int class)
{
	return (struct respool_object_magazine *)((u8 *)rack + r->objects) + class - 1;
}

/* The magazine that serves a request for @size bytes, up to %RESPOOL_CACHED_MAX. */
static inline struct respool_slab_magazine *
respool_magazine_for(const struct respool_racks *r, struct respool_rack *rack, size_t size)
{
	return respool_magazine_at(rack, READ_ONCE(r->serving[respool_half_cells_of(size)]));
}

/*
 * Whether there is a block in this CPU's magazine for @size, or it is one of objects.
 * If so, its rack is held, with preemption off, until respool_rack_release().
 */
static __always_inline bool respool_racks_claim(struct respool_racks *r, size_t size,
						struct respool_rack **rack,
						struct respool_slab_magazine **magazine)
{
	if (unlikely(size > RESPOOL_CACHED_MAX))
		return false;
	preempt_disable();
	*rack = __this_cpu_read(*r->rack);
	if (respool_cpu_lock_try(&(*rack)->lock)) {
		*magazine = respool_magazine_for(r, *rack, size);
		if (likely((*magazine)->nr) || (*magazine)->class)
			return true;
		respool_cpu_unlock(&(*rack)->lock);
	}
	preempt_enable();
	return false;
}

static __always_inline void respool_rack_release(struct respool_rack *rack)
{
	respool_cpu_unlock(&rack->lock);
	preempt_enable();
}

static __always_inline void *respool_magazine_youngest(const struct respool_slab_magazine *magazine)
{
	return magazine->block[magazine->nr - 1u];
}

/* That one was handed out of @rack, which is held until now. */
static __always_inline void respool_rack_popped(struct respool_rack *rack,
						struct respool_slab_magazine *magazine)
{
	magazine->nr--;
	rack->allocations++;
	respool_rack_release(rack);
}

static __always_inline void *respool_magazine_next(struct respool_object_magazine *magazine)
{
	void *object;

	if (magazine->word.out)
		return respool_object_pop(magazine->objects, &magazine->word);
	if (!magazine->nr)
		return NULL;
	object = magazine->object[magazine->nr - 1];
	if (unlikely(!respool_object_give(magazine->objects, object)))
		return NULL;
	magazine->nr--;
	return object;
}

/*
 * One of the objects of @magazine, in @rack, which is held; %NULL: there is none, or
 * their run is damaged.
 */
static __always_inline void *respool_rack_pop_object(struct respool_rack *rack,
						     struct respool_object_magazine *magazine)
{
	void *object = respool_magazine_next(magazine);

	if (likely(object)) {
		magazine->live++;
		rack->allocations++;
	}
	return object;
}

/* What came of a free into a rack. */
enum respool_pushed {
	RESPOOL_NOT_PUSHED,	/* nothing: there is no room, or that was no live block */
	RESPOOL_NO_TAGS,	/* nothing: no live block starts there, but an object may */
	RESPOOL_FULL,		/* nothing: with the rack held, respool_rack_push_tray() follows */
	RESPOOL_PUSHED,
	RESPOOL_PUSHED_LOOK,	/* respool_racks_settle() is to follow */
	RESPOOL_PUSHED_NEWS,	/* respool_racks_notice() is to follow */
	RESPOOL_PUSHED_BOTH,	/* first that, then the other */
};

/* Something came into @rack, which is held until now. */
static __always_inline enum respool_pushed respool_rack_pushed(struct respool_rack *rack)
{
	u64 frees = ++rack->frees;
	bool look;

	respool_cpu_unlock(&rack->lock);
	/* Others may have asked for a look meanwhile. */
	look = frees > READ_ONCE(rack->look_at);
	preempt_enable();
	return unlikely(look) ? RESPOOL_PUSHED_LOOK : RESPOOL_PUSHED;
}

/*
 * The block at @block, which may be read from its header on, ends its life and
 * goes into this CPU's rack as it is. @f is what is behind the rack; @held and @tag
 * are for %RESPOOL_FULL.
 */
static __always_inline enum respool_pushed respool_racks_push(struct respool_racks *r,
							      const struct respool_freelist *f,
							      void *block,
							      struct respool_rack **held,
							      u64 *tag)
{
	struct respool_slab_magazine *magazine;
	struct respool_rack *rack;
	unsigned int nr;
	u32 cells;

	if (unlikely(!respool_block_is_live(f, block, tag)))
		return RESPOOL_NO_TAGS;
	cells = (u32)*tag >> RESPOOL_CELL_SHIFT;
	if (unlikely(cells > RESPOOL_CACHED_CELLS))
		return RESPOOL_NOT_PUSHED;
	preempt_disable();
	rack = __this_cpu_read(*r->rack);
	if (respool_cpu_lock_try(&rack->lock)) {
		magazine = respool_magazine_at(rack, r->taking[cells]);
		nr = magazine->nr;
		*held = rack;
		if (unlikely(nr >= magazine->max))
			return RESPOOL_FULL;
		if (respool_block_end(block, *tag)) {
			magazine->nr = nr + 1;
			magazine->block[nr] = block;
			return respool_rack_pushed(rack);
		}
		respool_cpu_unlock(&rack->lock);
	}
	preempt_enable();
	return RESPOOL_NOT_PUSHED;
}

/* The live block at @block goes on the tray, if there is room; @rack is held until now. */
static __always_inline enum respool_pushed respool_rack_push_tray(struct respool_rack *rack,
								  void *block, u64 tag)
{
	struct respool_slab_magazine *tray = respool_magazine_at(rack, RESPOOL_TRAY);

	/* The end of a run says it is used, but has no size. */
	if (likely(tray->nr < tray->max) && likely(respool_tag_bytes(tag)) &&
	    respool_block_end(block, tag)) {
		tray->block[tray->nr++] = block;
		return respool_rack_pushed(rack);
	}
	respool_rack_release(rack);
	return RESPOOL_NOT_PUSHED;
}

/*
 * As respool_racks_push(), for an address in the pool that has no block's header in
 * front: an object, which goes into this CPU's magazine or its run, or a mistake.
 */
static __always_inline enum respool_pushed respool_racks_push_object(struct respool_racks *r,
								     void *addr)
{
	unsigned int class = respool_hot_class_in_pool(&r->hot, addr);
	struct respool_object_magazine *magazine;
	struct respool_object_run *run;
	struct respool_rack *rack;
	u64 index;

	if (unlikely(class - 1 >= RESPOOL_HOT_CLASSES))
		return RESPOOL_NOT_PUSHED;
	preempt_disable();
	rack = __this_cpu_read(*r->rack);
	if (respool_cpu_lock_try(&rack->lock)) {
		magazine = respool_object_magazine(r, rack, class);
		run = respool_object_run_of(magazine->objects, addr);
		if (likely(respool_object_end_in(magazine->objects, run, addr, &index))) {
			magazine->live--;
			if (magazine->nr < RESPOOL_OBJECT_MAGAZINE) {
				magazine->object[magazine->nr++] = addr;
				return respool_rack_pushed(rack);
			}
			if (likely(!respool_object_hand_back(run, index)))
				return respool_rack_pushed(rack);
			return respool_rack_pushed(rack) == RESPOOL_PUSHED ?
			       RESPOOL_PUSHED_NEWS : RESPOOL_PUSHED_BOTH;
		}
		respool_cpu_unlock(&rack->lock);
	}
	preempt_enable();
	return RESPOOL_NOT_PUSHED;
}

int respool_racks_alloc(struct respool_racks *r, size_t size, size_t align, void **block);
int respool_racks_free(struct respool_racks *r, void *block);
int respool_racks_usable_size(struct respool_racks *r, const void *addr, size_t *size);
int respool_racks_resize(struct respool_racks *r, void *addr, size_t old, size_t size);
size_t respool_racks_bytes(const struct respool_racks *r, const void *block);
bool respool_racks_know(const struct respool_racks *r, const void *addr);
void respool_racks_settle(struct respool_racks *r);
void respool_racks_notice(struct respool_racks *r, void *addr);
u64 respool_racks_drain(struct respool_racks *r);
void respool_racks_drain_cpu(struct respool_racks *r, unsigned int cpu);

/**
 * struct respool_racks_sum - All racks together, and all object runs.
 * @cached_blocks: blocks in magazines
 * @cached_bytes: usable bytes of those
 * @allocations: blocks and objects that were handed out from racks
 * @frees: blocks and objects that were given back to racks
 * @objects: of all classes, once respool_racks_count_objects() counted them
 * @object_bytes: the bytes of those
 */
struct respool_racks_sum {
	u64 cached_blocks;
	u64 cached_bytes;
	u64 allocations;
	u64 frees;
	struct respool_objects_sum {
		u64 live;
		u64 cached;	/* in racks */
		u64 free;	/* or returned, which is the same for everybody else */
	} objects, object_bytes;
};

/* Whether a call met damage that nobody has mended yet. */
static inline bool respool_racks_damaged(const struct respool_racks *r)
{
	return READ_ONCE(r->freelist->damage) || READ_ONCE(r->hot.damage);
}

bool respool_racks_try_hold(struct respool_racks *r);
void respool_racks_hold(struct respool_racks *r);
void respool_racks_release(struct respool_racks *r);
void respool_racks_purge(struct respool_racks *r);
void respool_racks_recount(struct respool_racks *r);
void respool_racks_count(struct respool_racks *r, struct respool_racks_sum *sum);
void respool_racks_count_objects(struct respool_racks *r, struct respool_racks_sum *sum);
void respool_racks_count_class(struct respool_racks *r, unsigned int class,
			       struct respool_objects_sum *sum);

#endif /* RESPOOL_SLAB_MAGAZINE_H */
