/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What each CPU keeps of a cache: a magazine (Bonwick and Adams, "Magazines and
 * Vmem", 2001), a short stack of objects that are out of their runs. The common
 * pair of allocation and free touches neither the cache's lock nor a free bit.
 */
#ifndef RESPOOL_SLAB_CACHECPU_H
#define RESPOOL_SLAB_CACHECPU_H

#include <linux/cache.h>
#include <linux/types.h>

#include "buddy/cpulock.h"

#define RESPOOL_CACHE_MAGAZINE	512	/* objects, at most */

/* One CPU's share of a cache. All of it is under @lock. */
struct respool_cache_cpu {
	struct respool_cpu_lock lock;
	u32 nr;					/* objects in the magazine */
	u64 allocations;			/* objects that came and went here */
	u64 frees;
	void *object[RESPOOL_CACHE_MAGAZINE];	/* oldest first */
} ____cacheline_aligned;

#endif /* RESPOOL_SLAB_CACHECPU_H */
