/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What a call of the core did to the pool's free blocks, to be traced, and how
 * long it took: the core keeps no list of splits and merges, but it counts free
 * blocks by order, and the counts before and after tell what was cut or came to be.
 *
 * Who looks does so in a copy of the function that is made for it, so that the
 * one that is in use otherwise pays with a branch that is not taken.
 */
#ifndef RESPOOL_SHAPE_H
#define RESPOOL_SHAPE_H

#include <trace/events/respool.h>

#include "buddy/magazine.h"

/* Before the call. Under the pool's lock, as the next two; returns the time. */
static inline u64 respool_shape_note(struct respool_magazines *m)
{
	memcpy(m->was_free, m->buddy->nr_free, sizeof(m->was_free));
	return local_clock();
}

static inline void respool_shape_end(const struct respool_magazines *m, unsigned int order,
				     u64 since)
{
	respool_latency_note(m->latency, RESPOOL_LATENCY_HOLD, order, since);
}

/* After it, for @order: the largest order of which there is a block less; -1 for none. */
static inline int respool_shape_cut(const struct respool_magazines *m, unsigned int order,
				    u64 since)
{
	int whole = RESPOOL_BUDDY_ORDERS - 1;

	respool_shape_end(m, order, since);
	while (whole >= 0 && m->buddy->nr_free[whole] >= m->was_free[whole])
		whole--;
	return whole;
}

/* The largest order of which there is a block more; -1 for none. */
static inline int respool_shape_merged(const struct respool_magazines *m, unsigned int order,
				       u64 since)
{
	int whole = RESPOOL_BUDDY_ORDERS - 1;

	respool_shape_end(m, order, since);
	while (whole >= 0 && m->buddy->nr_free[whole] <= m->was_free[whole])
		whole--;
	return whole;
}

/* Without the lock: for blocks of @order at @page and perhaps others, one of @whole was cut, */
static inline void respool_shape_trace_cut(const struct respool_magazines *m, unsigned long page,
					   unsigned int order, int whole)
{
	if (whole > (int)order)
		trace_respool_page_split(m->name, page, order, whole);
}

/* or came to be. */
static inline void respool_shape_trace_merged(const struct respool_magazines *m,
					      unsigned long page, unsigned int order, int whole)
{
	if (whole > (int)order)
		trace_respool_page_merge(m->name, page, order, whole);
}

#endif /* RESPOOL_SHAPE_H */
