/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What each CPU keeps of a cache: a magazine (Bonwick and Adams, "Magazines and
 * Vmem", 2001), a short stack of objects that came back, and a word of a run's
 * objects, which are handed out when that is empty. The common pair of allocation
 * and free touches neither the cache's lock nor a free bit.
 */
#ifndef RESPOOL_SLAB_CACHECPU_H
#define RESPOOL_SLAB_CACHECPU_H

#include <linux/cache.h>
#include <linux/types.h>

#include "buddy/cpulock.h"
#include "slab/objects.h"

#define RESPOOL_CACHE_MAGAZINE	128	/* objects, at most */

/* One CPU's share of a cache. All of it is under @lock. */
struct respool_cache_cpu {
	struct respool_cpu_lock lock;
	u32 nr;					/* objects in the magazine */
	u64 allocations;			/* objects that came and went here */
	u64 frees;
	struct respool_object_word word;
	void *object[RESPOOL_CACHE_MAGAZINE];	/* oldest first */
} ____cacheline_aligned;

#endif /* RESPOOL_SLAB_CACHECPU_H */
