/* SPDX-License-Identifier: GPL-2.0 */
/*
 * How long calls of the page layer take and how long they hold the pool's lock:
 * histograms of powers of two, a CPU each, off unless asked for.
 */
#ifndef RESPOOL_LATENCY_H
#define RESPOOL_LATENCY_H

#include <linux/jump_label.h>
#include <linux/percpu.h>
#include <linux/sched/clock.h>

#include "buddy/buddy.h"

enum respool_latency_kind {
	RESPOOL_LATENCY_ALLOC,	/* a block, clearing included, but for: */
	RESPOOL_LATENCY_REQUEST,	/* respool_alloc_request(), likewise */
	RESPOOL_LATENCY_FREE,	/* respool_free_pages() and _block() */
	RESPOOL_LATENCY_HOLD,	/* the pool's lock, by the calls of the core */
	RESPOOL_LATENCY_KINDS,
};

#define RESPOOL_LATENCY_ORDERS	12	/* the last stands for all from there on */
#define RESPOOL_LATENCY_BUCKETS	32	/* bucket b: less than 2^b ns; the last: or more */

struct respool_latency {
	u64 count[RESPOOL_LATENCY_KINDS][RESPOOL_LATENCY_ORDERS][RESPOOL_LATENCY_BUCKETS];
	u64 total_ns[RESPOOL_LATENCY_KINDS][RESPOOL_LATENCY_ORDERS];
};

DECLARE_STATIC_KEY_FALSE(respool_latency_key);
DECLARE_STATIC_KEY_FALSE(respool_watch_key);

static inline bool respool_latency_on(void)
{
	return static_branch_unlikely(&respool_latency_key);
}

/* Whether anything is to be noted of a common call: its latency, or where a block is from. */
static inline bool respool_watched(void)
{
	return static_branch_unlikely(&respool_watch_key);
}

/* Count what began at @since, by local_clock(), if that is on. */
static inline void respool_latency_note(struct respool_latency __percpu *latency,
					enum respool_latency_kind kind, unsigned int order,
					u64 since)
{
	/* The task may have come to another CPU, with a clock that is behind. */
	u64 now = local_clock(), ns = now > since ? now - since : 0;
	unsigned int bucket = min_t(unsigned int, fls64(ns), RESPOOL_LATENCY_BUCKETS - 1);

	if (!respool_latency_on() || !latency)
		return;
	order = min_t(unsigned int, order, RESPOOL_LATENCY_ORDERS - 1);
	this_cpu_inc(latency->count[kind][order][bucket]);
	this_cpu_add(latency->total_ns[kind][order], ns);
}

struct respool_pool;
struct seq_file;

int respool_latency_switch(bool on);
int respool_latency_init(struct respool_pool *pool);
void respool_latency_show(struct seq_file *m, struct respool_pool *pool);

#endif /* RESPOOL_LATENCY_H */
