/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The most work that a call of the page layer's core may do, whatever the
 * pool's size, state and history. It depends on the number of *levels* of the
 * tree of free units and on the *height* of the summaries alone: a pool of
 * 64 MiB has 2 and 1 of them, one of 1 TiB has 4 and 4.
 *
 * Work is counted in basic blocks of the core's code that are entered, by the
 * compiler and so without a word in the core: see work_done(). The sanitizers'
 * own branches are among them, so the code that a kernel runs does less.
 */
#ifndef RESPOOL_BUDDY_BOUND_H
#define RESPOOL_BUDDY_BOUND_H

#include "buddy/buddy.h"

/* What the compiler calls from each block of a core built with -fsanitize-coverage=bb,trace-pc. */
void __sanitizer_cov_trace_pc(void);

/* Work done since the program began; always 0 in a fuzzer, whose coverage is its own. */
unsigned long work_done(void);

/* Let something happen in between, after so many steps of work from now on. */
void interrupt_work(unsigned long steps, void (*what)(void));

/* Conditions are looked for bit by bit at both ends and once for each order of a level. */
#define SEARCHED_NODES		(RESPOOL_REGION_ORDER + 2)
#define WORK_PER_NODE		128

/* To allocate or to free a block of one order. */
static inline unsigned long bound_of_block(const struct respool_buddy *b)
{
	return 128 + b->levels * (56 + 8 * b->level[0].class[0].levels);
}

/*
 * The same for an exact number of pages: all its parts together, of which there
 * are two for an order at most.
 */
static inline unsigned long bound_of_parts(const struct respool_buddy *b)
{
	return 6 * bound_of_block(b);
}

/*
 * To make a block longer or shorter: its parts off the books and on again, and
 * in between those of what it gains or gives back, each of which has to be found.
 */
static inline unsigned long bound_of_resize(const struct respool_buddy *b)
{
	unsigned int orders = b->max_order + 1;

	return 3 * bound_of_parts(b) + 16 * orders * orders;
}

/* To allocate under conditions, without a scan and in more than the very range asked for. */
static inline unsigned long bound_of_fit(const struct respool_buddy *b)
{
	return bound_of_parts(b) + WORK_PER_NODE * SEARCHED_NODES * b->levels;
}

/* To take a batch of @nr: two searches, and a little for each block. */
static inline unsigned long bound_of_batch(const struct respool_buddy *b, unsigned int nr)
{
	return 2 * bound_of_block(b) + 8 * nr;
}

/* To give one back: each block may merge all the way up. */
static inline unsigned long bound_of_free_batch(const struct respool_buddy *b, unsigned int nr)
{
	return 64 + nr * bound_of_block(b);
}

#endif /* RESPOOL_BUDDY_BOUND_H */
