/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Magazines (Bonwick and Adams, "Magazines and Vmem", 2001): on each CPU a
 * short stack of blocks for each of the orders that are in demand, in front of
 * the core. The common pair of allocation and free touches neither the pool's
 * lock nor a free bit.
 */
#ifndef RESPOOL_MAGAZINE_H
#define RESPOOL_MAGAZINE_H

#include <linux/cache.h>
#include <linux/compiler.h>
#include <linux/percpu.h>
#include <linux/preempt.h>
#include <linux/spinlock.h>

#include "buddy/buddy.h"
#include "buddy/cpulock.h"
#include "buddy/latency.h"

#define RESPOOL_MAGAZINES	11	/* orders 0..10 */
#define RESPOOL_MAGAZINE_SIZE	191	/* blocks, at most */

/*
 * What is given back under one hold of the pool's lock, at most. A refill brings
 * more: together they make less than one hold in sixteen operations, and no
 * free takes longer than 1,500 instructions.
 */
#define RESPOOL_MAGAZINE_DRAIN	19

struct respool_magazine {
	u32 nr;					/* blocks in it */
	u32 high;				/* most that it may have; 0: it is closed */
	u32 page[RESPOOL_MAGAZINE_SIZE];	/* their first pages, oldest first */
};

/* One CPU's share of a pool. All of it is under @lock. */
struct respool_cpu {
	struct respool_cpu_lock lock;
	unsigned int id;		/* constant: which CPU's */
	/* Bit k: since it was drained, magazine k was asked for a block, or given one. */
	u16 asked;
	u16 given;
	struct respool_magazine magazine[RESPOOL_MAGAZINES];
	/* What smaller blocks were joined into: see join_word(). */
	struct respool_magazine words;
	struct respool_magazine regions;
	/* Blocks that were made so, less those that were cut or joined again. */
	long made[RESPOOL_MAGAZINES];
	/* Blocks that came and went here, by order and owner tag. */
	u64 allocations[RESPOOL_MAGAZINES][RESPOOL_BUDDY_TAGS];
	u64 frees[RESPOOL_MAGAZINES][RESPOOL_BUDDY_TAGS];
} ____cacheline_aligned;

/* I: set when the pool is made, then constant.  C: all CPUs' bits for writes. */
struct respool_magazines {
	struct respool_cpu __percpu *cpu;	/* I */
	u8 *state;				/* I: the core's state byte of page 0 */
	u16 high[RESPOOL_MAGAZINES];		/* C: most blocks in an open one; 0: none opens */
	u16 refill[RESPOOL_MAGAZINES];		/* I: blocks taken at a time */
	u16 drain[RESPOOL_MAGAZINES];		/* I: blocks given back at a time */
	struct respool_buddy *buddy;		/* I: the core behind */
	raw_spinlock_t *lock;			/* I: the pool's, which guards it */
	const char *name;			/* I: the pool's, for traces */
	struct respool_latency __percpu *latency;	/* see latency.h; NULL: never asked for */
	unsigned long was_free[RESPOOL_BUDDY_ORDERS];	/* @lock: see shape.h */
};

int respool_magazines_init(struct respool_magazines *m, struct respool_buddy *buddy,
			   raw_spinlock_t *lock, bool on);
void respool_magazines_destroy(struct respool_magazines *m);

static inline struct respool_magazine *respool_cpu_magazine(struct respool_cpu *cpu,
							    unsigned int order)
{
	struct respool_magazine *magazine = &cpu->magazine[order];

	/* Or the compiler forgets that it has this and computes it again for each use. */
	OPTIMIZER_HIDE_VAR(magazine);
	return magazine;
}

/* Blocks of @order that this CPU keeps; of another CPU, what they may have been. */
static inline u32 respool_cpu_cached(const struct respool_cpu *cpu, unsigned int order)
{
	u32 nr = READ_ONCE(cpu->magazine[order].nr);

	if (order == RESPOOL_WORD_ORDER)
		nr += READ_ONCE(cpu->words.nr);
	if (order == RESPOOL_REGION_ORDER)
		nr += READ_ONCE(cpu->regions.nr);
	return nr;
}

/* The top of a magazine that is not empty becomes @tag's. */
static inline unsigned long respool_cpu_pop(struct respool_magazines *m, struct respool_cpu *cpu,
					    struct respool_magazine *magazine, unsigned int order,
					    unsigned int tag)
{
	unsigned long page = magazine->page[--magazine->nr];

	respool_state_mark(m->state + page, order, tag);
	cpu->allocations[order][tag]++;
	return page;
}

/*
 * The block at @page, whose first byte at @byte was @state, becomes the top of
 * a magazine that is not full. Of two who free one block, the one who changes
 * the byte does; the other gets false.
 */
static inline bool respool_cpu_push(struct respool_cpu *cpu, struct respool_magazine *magazine,
				    unsigned long page, u8 *byte, u8 state, unsigned int order)
{
	if (unlikely(!try_cmpxchg(byte, &state, RESPOOL_STATE_CACHED | order)))
		return false;
	if (order)
		state = byte[1];	/* the owner; ours alone to read by now */
	magazine->page[magazine->nr++] = page;
	cpu->frees[order][state & RESPOOL_STATE_TAG_MASK]++;
	return true;
}

/*
 * Allocate from this CPU's magazine as it is. RESPOOL_NO_PAGE: it is empty, or
 * somebody is in it, or there is none for @order.
 */
static __always_inline unsigned long respool_magazine_pop(struct respool_magazines *m,
							  unsigned int order, unsigned int tag)
{
	struct respool_magazine *magazine;
	struct respool_cpu *cpu;
	unsigned long page;

	if (order >= RESPOOL_MAGAZINES)
		return RESPOOL_NO_PAGE;
	preempt_disable();
	cpu = this_cpu_ptr(m->cpu);
	if (respool_cpu_lock_try(&cpu->lock)) {
		magazine = respool_cpu_magazine(cpu, order);
		if (likely(magazine->nr)) {
			page = respool_cpu_pop(m, cpu, magazine, order, tag);
			respool_cpu_unlock(&cpu->lock);
			preempt_enable();
			return page;
		}
		respool_cpu_unlock(&cpu->lock);
	}
	preempt_enable();
	return RESPOOL_NO_PAGE;
}

/* Whether @state is the first byte of a block of @order that a magazine takes. */
static inline bool respool_magazine_takes(u8 state, unsigned int order)
{
	if (!order)
		return (state & 0xc0) == RESPOOL_STATE_PAGE;
	return state == order && order < RESPOOL_MAGAZINES;
}

/*
 * Free into this CPU's magazine the block that starts at @page, a page of the
 * pool, and is of @order, or @any. False: it is full, or somebody is in it, or
 * there is none for the order, or no such block starts there; only the core
 * can tell.
 */
static __always_inline bool respool_magazine_push(struct respool_magazines *m, unsigned long page,
						  unsigned int order, bool any)
{
	u8 *byte = m->state + page, state = READ_ONCE(*byte);
	struct respool_magazine *magazine;
	struct respool_cpu *cpu;

	if (any)
		order = state & RESPOOL_STATE_PAGE ? 0 : state;
	if (!respool_magazine_takes(state, order))
		return false;
	preempt_disable();
	cpu = this_cpu_ptr(m->cpu);
	if (respool_cpu_lock_try(&cpu->lock)) {
		magazine = respool_cpu_magazine(cpu, order);
		if (likely(magazine->nr < magazine->high) &&
		    likely(respool_cpu_push(cpu, magazine, page, byte, state, order))) {
			respool_cpu_unlock(&cpu->lock);
			preempt_enable();
			return true;
		}
		respool_cpu_unlock(&cpu->lock);
	}
	preempt_enable();
	return false;
}

unsigned long respool_magazine_refill(struct respool_magazines *m, unsigned int order,
				      unsigned int tag);
bool respool_magazine_spill(struct respool_magazines *m, unsigned long page, unsigned int order);

void respool_magazines_drain_order(struct respool_magazines *m, unsigned int order,
				   bool thorough);
void respool_magazines_drain(struct respool_magazines *m);
void respool_magazines_drain_cpu(struct respool_magazines *m, unsigned int cpu);

void respool_magazines_lock(struct respool_magazines *m);
void respool_magazines_unlock(struct respool_magazines *m);
void respool_magazines_settle(struct respool_magazines *m);
void respool_magazines_shut(struct respool_magazines *m);

#endif /* RESPOOL_MAGAZINE_H */
