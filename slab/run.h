/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The runs of a slab: pages taken from the page layer for its free list or for
 * objects, and given back. The caller holds the slab's lock.
 */
#ifndef RESPOOL_SLAB_RUN_H
#define RESPOOL_SLAB_RUN_H

#include <linux/respool.h>

#include "slab/freelist.h"

/**
 * struct respool_runs - Where a free list's memory comes from.
 * @pool: account the runs are on; constant
 * @freelist: what they are for; constant
 * @warm: last run found empty, maybe in use again
 * @taken: runs taken from the page layer
 * @returned: runs given back
 * @peak_bytes: highest bytes held
 * @object_runs: those of the runs that are for objects; their cores are in hot.h
 * @object_bytes: bytes of those
 * @retired_object_runs: those of @object_runs that are out of service
 *
 * Invariant: at most one run in service is empty, and that is @warm.
 */
struct respool_runs {
	struct respool *pool;
	struct respool_freelist *freelist;
	struct respool_run *warm;
	u64 taken;
	u64 returned;
	u64 peak_bytes;
	u64 object_runs;
	u64 object_bytes;
	u64 retired_object_runs;
};

/* Bytes of the pool that the slab holds. */
static inline u64 respool_runs_held(const struct respool_runs *runs)
{
	return runs->freelist->held_bytes + runs->object_bytes;
}

void respool_runs_init(struct respool_runs *runs, struct respool *pool,
		       struct respool_freelist *freelist);
size_t respool_runs_most(const struct respool_runs *runs);
unsigned long respool_runs_pages(const struct respool_runs *runs, size_t size, size_t align);
int respool_runs_grow(struct respool_runs *runs, size_t size, size_t align, void **ptr);
int respool_runs_stretch(struct respool_runs *runs, void *ptr, size_t size);
void *respool_runs_take_pages(struct respool_runs *runs, unsigned int order);
void respool_runs_return_pages(struct respool_runs *runs, void *mem, unsigned int order);
int respool_runs_settle_end(struct respool_runs *runs, struct respool_run *empty);
bool respool_runs_few(const struct respool_runs *runs);
bool respool_runs_warm_is_empty(const struct respool_runs *runs);
int respool_runs_return_warm(struct respool_runs *runs);

/*
 * A block was freed, and @empty lost its last live block with it, if that is
 * not NULL. Does a bounded number of steps.
 */
static inline int respool_runs_settle(struct respool_runs *runs, struct respool_run *empty)
{
	/* Pages go back from the ends of runs alone. */
	return runs->freelist->end_freed ? respool_runs_settle_end(runs, empty) : 0;
}

#endif /* RESPOOL_SLAB_RUN_H */
