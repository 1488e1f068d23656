/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A pool as respool.ko itself sees it. Clients see handles (struct respool)
 * through <linux/respool.h> only.
 */
#ifndef RESPOOL_POOL_H
#define RESPOOL_POOL_H

#include <linux/list.h>
#include <linux/spinlock.h>
#include <linux/respool.h>

#include "buddy/backing.h"
#include "buddy/buddy.h"
#include "buddy/magazine.h"
#include "buddy/stats.h"

struct dentry;

/* An owner's name: "slab:" and a slab's name fit. */
#define RESPOOL_OWNER_LEN	48

/**
 * struct respool_account - What one handle holds, as debugfs shows it.
 * @owner: the handle's name
 * @pages: pages held
 * @blocks: blocks held
 * @allocations: blocks taken since the handle was opened
 * @frees: blocks of this account given back since, by whomever
 */
struct respool_account {
	char owner[RESPOOL_OWNER_LEN];
	u64 pages;
	u64 blocks;
	u64 allocations;
	u64 frees;
};

/*
 * Locks, in the order they are taken:
 *   accounts_lock (pool.c)	mutex: which handles exist
 *   slab->lock (slab/slab.c)
 *   magazines (magazine.c)	a bit for each CPU, only tried; tasks may wait
 *   pool->lock			raw, interrupts off: everything marked L
 *
 * I: set before the pool can be found, then constant.  L: pool->lock.
 * A: accounts_lock and L for writes, either for reads.
 */
struct respool_tally {
	u64 allocations;		/* blocks allocated */
	u64 frees;			/* blocks freed */
	s64 pages;			/* pages allocated less pages freed */
};

struct respool_pool {
	struct list_head node;			/* I */
	struct respool_spec spec;		/* I: what was asked for */
	struct respool_backing backing;		/* I */
	void *metadata;				/* I: the core's */
	struct dentry *debugfs_slabs;		/* I */
	struct respool_magazines magazines;	/* its own locks */

	raw_spinlock_t lock;
	struct respool_buddy buddy;		/* L, but for state bytes: see buddy.h */
	char broken[128];			/* L: what is; then the pool serves no more */

	/* What did not go through a magazine. */
	u64 frees;				/* L */
	u64 failures;				/* L */
	u64 order_allocations[RESPOOL_NR_ORDERS];	/* L */
	u64 order_failures[RESPOOL_NR_ORDERS];	/* L */
	struct respool_tally tally[RESPOOL_BUDDY_TAGS];	/* L */

	struct respool *account[RESPOOL_BUDDY_TAGS];	/* A: by owner tag */
	struct respool_refusals refusals;	/* atomic */
};

struct respool_pool *respool_pool_create(const struct respool_spec *spec);
void respool_pool_destroy(struct respool_pool *pool);
void respool_pool_publish(struct respool_pool *pool);
void respool_pool_withdraw(struct respool_pool *pool);
void respool_pools_drain_cpu(unsigned int cpu);

void respool_pool_stats(struct respool_pool *pool, struct respool_stats *stats);
int respool_pool_validate(struct respool_pool *pool, char *why, size_t len);
int respool_pool_account(struct respool_pool *pool, unsigned int tag,
			 struct respool_account *account);
void respool_pool_map(struct respool_pool *pool, unsigned long region,
		      u64 pages[RESPOOL_REGION_PAGES / 64], u64 free[RESPOOL_REGION_PAGES / 64]);

struct respool_pool *respool_pool_of(const struct respool *handle);

#endif /* RESPOOL_POOL_H */
