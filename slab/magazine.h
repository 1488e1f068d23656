/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The byte layer's magazines (Bonwick and Adams, "Magazines and Vmem", 2001):
 * each CPU has a rack of them, one for each of the sizes up to a page, in front
 * of the slab's free list. The common pair of allocation and free touches
 * neither the slab's lock nor a list, only the header of the block, which says
 * whether it is live or cached.
 *
 * Lock order: the racks' (buddy/cpulock.h), in the order of their CPUs, then the slab's lock.
 */
#ifndef RESPOOL_SLAB_MAGAZINE_H
#define RESPOOL_SLAB_MAGAZINE_H

#include <linux/percpu.h>
#include <linux/preempt.h>
#include <linux/spinlock.h>

#include "buddy/cpulock.h"
#include "slab/freelist.h"
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
#define RESPOOL_SLAB_MAGAZINES	(64 + 2 * 32)

/**
 * struct respool_slab_magazine - A CPU's cached blocks of one size.
 * @nr: how many
 * @max: how many there may be now
 * @size: how many there may ever be
 * @bytes: size of each, header included
 * @block: their payloads, oldest first
 */
struct respool_slab_magazine {
	u16 nr;
	u16 max;
	u16 size;
	u16 bytes;
	void *block[];
};

/**
 * struct respool_rack - What one CPU keeps of a slab.
 * @lock: for all of it
 * @allocations: blocks that were handed out from here
 * @frees: blocks that were given back to here
 * @frees_left: how many more may be before somebody looks whether all are;
 *	only for that, so others write to it as they like
 * @moved: blocks that came from the free list less those that went back
 * @magazine: one that is always empty, and the others
 */
struct respool_rack {
	struct respool_cpu_lock lock;
	u64 allocations;
	u64 frees;
	long frees_left;
	u64 moved;
	u8 magazine[] __aligned(8);
};

/* I: set when the slab is made, then constant, as is what it points to where not said. */
struct respool_racks {
	struct respool_rack * __percpu *rack;	/* I */
	u16 serving[RESPOOL_CACHED_CELLS + 1];	/* I: cells wanted: offset of the magazine */
	u16 taking[RESPOOL_CACHED_CELLS + 1];	/* I: cells of a block: where it belongs */
	u16 offset[RESPOOL_SLAB_MAGAZINES];	/* I: of the magazines, small blocks first */
	unsigned int magazines;			/* I: how many there are; 0: none */
	struct respool_freelist *freelist;	/* I: what is behind the racks */
	struct respool_runs *runs;		/* I: its runs */
	raw_spinlock_t *lock;			/* I: the slab's, which guards both */
	u64 allocations;			/* slab's lock: those not out of a rack */
	u64 frees;				/* slab's lock: those not into a rack */
};

int respool_racks_init(struct respool_racks *r, struct respool_runs *runs, raw_spinlock_t *lock,
		       bool on);
void respool_racks_destroy(struct respool_racks *r);

static inline struct respool_slab_magazine *respool_magazine_at(struct respool_rack *rack,
								u16 offset)
{
	return (struct respool_slab_magazine *)((u8 *)rack + offset);
}

/* Cells of the block that serves a request for @size bytes. */
static inline size_t respool_cells_of(size_t size)
{
	return (size + RESPOOL_BLOCK_HEADER + RESPOOL_BLOCK_ALIGN - 1) >> RESPOOL_CELL_SHIFT;
}

/* A live block of at least @size bytes from this CPU's rack as it is, or %NULL. */
static __always_inline void *respool_racks_pop(struct respool_racks *r, size_t size)
{
	struct respool_slab_magazine *magazine;
	struct respool_rack *rack;
	void *block;

	if (unlikely(size > RESPOOL_CACHED_MAX))
		return NULL;
	preempt_disable();
	rack = __this_cpu_read(*r->rack);
	if (respool_cpu_lock_try(&rack->lock)) {
		magazine = respool_magazine_at(rack, r->serving[respool_cells_of(size)]);
		if (likely(magazine->nr)) {
			block = magazine->block[magazine->nr - 1u];
			if (likely(respool_block_give(block, magazine->bytes))) {
				magazine->nr--;
				rack->allocations++;
				respool_cpu_unlock(&rack->lock);
				preempt_enable();
				return block;
			}
		}
		respool_cpu_unlock(&rack->lock);
	}
	preempt_enable();
	return NULL;
}

/* What came of a free into a rack. */
enum respool_pushed {
	RESPOOL_NOT_PUSHED,	/* nothing: there is no room, or that was no live block */
	RESPOOL_PUSHED,
	RESPOOL_PUSHED_LOOK,	/* respool_racks_settle() is to follow */
};

/*
 * The block at @block, which may be read from its header on, ends its life and
 * goes into this CPU's rack as it is. @f is what is behind the rack.
 */
static __always_inline enum respool_pushed respool_racks_push(struct respool_racks *r,
							      const struct respool_freelist *f,
							      void *block)
{
	u64 tag = respool_block_live_tag(f, block);
	u32 cells = (u32)tag >> RESPOOL_CELL_SHIFT;
	struct respool_slab_magazine *magazine;
	struct respool_rack *rack;
	long left;

	if (unlikely(cells > RESPOOL_CACHED_CELLS))
		return RESPOOL_NOT_PUSHED;
	preempt_disable();
	rack = __this_cpu_read(*r->rack);
	if (respool_cpu_lock_try(&rack->lock)) {
		magazine = respool_magazine_at(rack, r->taking[cells]);
		if (likely(magazine->nr < magazine->max) && respool_block_end(block, tag)) {
			magazine->block[magazine->nr++] = block;
			rack->frees++;
			rack->frees_left--;
			respool_cpu_unlock(&rack->lock);
			/* Others may have asked for a look meanwhile. */
			left = READ_ONCE(rack->frees_left);
			preempt_enable();
			return likely(left >= 0) ? RESPOOL_PUSHED : RESPOOL_PUSHED_LOOK;
		}
		respool_cpu_unlock(&rack->lock);
	}
	preempt_enable();
	return RESPOOL_NOT_PUSHED;
}

int respool_racks_alloc(struct respool_racks *r, size_t size, size_t align, void **block);
int respool_racks_free(struct respool_racks *r, void *block);
void respool_racks_settle(struct respool_racks *r);
u64 respool_racks_drain(struct respool_racks *r);
void respool_racks_drain_cpu(struct respool_racks *r, unsigned int cpu);

/**
 * struct respool_racks_sum - All racks together.
 * @cached_blocks: blocks in magazines
 * @cached_bytes: usable bytes of those
 * @allocations: blocks that were handed out from racks
 * @frees: blocks that were given back to racks
 */
struct respool_racks_sum {
	u64 cached_blocks;
	u64 cached_bytes;
	u64 allocations;
	u64 frees;
};

bool respool_racks_try_hold(struct respool_racks *r);
void respool_racks_hold(struct respool_racks *r);
void respool_racks_release(struct respool_racks *r);
void respool_racks_purge(struct respool_racks *r);
void respool_racks_count(struct respool_racks *r, struct respool_racks_sum *sum);

#endif /* RESPOOL_SLAB_MAGAZINE_H */
