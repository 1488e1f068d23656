/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A pool as respool.ko itself sees it. Clients see handles (struct respool)
 * through <linux/respool.h> only.
 */
#ifndef RESPOOL_POOL_H
#define RESPOOL_POOL_H

#include <linux/irq_work.h>
#include <linux/list.h>
#include <linux/spinlock.h>
#include <linux/wait.h>
#include <linux/respool.h>

#include "buddy/backing.h"
#include "buddy/buddy.h"
#include "buddy/failures.h"
#include "buddy/magazine.h"
#include "buddy/origin.h"
#include "buddy/stats.h"

struct dentry;

/* An owner's name: "slab:" or "cache:" and a name fit. */
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
 *   accounts_lock (account.c)	mutex: which handles exist
 *   slab->lock (slab/slab.c)
 *   cache->cpus (slab/cachecpu.h)	a bit for each CPU, only tried on hot paths
 *   cache->lock (slab/cache.c)
 *   magazines (magazine.c)	a bit for each CPU, only tried on hot paths
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
	struct respool_origin *origins;		/* I: one a page, or NULL; see origin.c */
	struct dentry *debugfs_slabs;		/* I */
	struct dentry *debugfs_caches;		/* I */
	struct respool_magazines magazines;	/* its own locks */

	raw_spinlock_t lock ____cacheline_aligned_in_smp;
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
	struct respool_failures failed;		/* its own lock */

	/*
	 * Free pages that are known to be zero, a bit each. A bit is set by who
	 * holds the page and cleared by who gets it, so never under a lock.
	 */
	unsigned long *clear;			/* I; the bits: atomic */
	atomic_long_t clear_pages;		/* bits set */

	atomic_t waiters;			/* tasks in respool_alloc_wait() */
	wait_queue_head_t wait;
	struct irq_work wake;			/* wakes them, from any context */
};

/* One client's account. Letters as above. */
struct respool {
	struct respool_pool *pool;		/* I */
	unsigned int tag;			/* I */
	bool closed;				/* accounts_lock: put with blocks out */
	char owner[RESPOOL_OWNER_LEN];		/* I */
};

static inline void *respool_page_addr(const struct respool_pool *pool, unsigned long page)
{
	return pool->backing.vaddr + (page << PAGE_SHIFT);
}

/* Index of the page that @addr lies in, or RESPOOL_NO_PAGE. */
static inline unsigned long respool_page_at(const struct respool_pool *pool, const void *addr)
{
	unsigned long page = (addr - pool->backing.vaddr) >> PAGE_SHIFT;

	if (addr < pool->backing.vaddr || page >= pool->backing.nr_pages)
		return RESPOOL_NO_PAGE;
	return page;
}

/* Order that a number of pages rounds up to. */
static inline unsigned int respool_order_of(unsigned long nr_pages)
{
	return nr_pages > 1 ? fls64(nr_pages - 1) : 0;
}

/* Whether the pool serves, and @gfp allows what is left when it has. Under pool->lock. */
static inline bool respool_may_take(const struct respool_pool *pool, unsigned long nr_pages,
				    gfp_t gfp)
{
	const struct respool_buddy *buddy = &pool->buddy;

	return !*pool->broken && nr_pages <= buddy->free_pages &&
	       (gfp & __GFP_HIGH || buddy->free_pages - nr_pages >= buddy->watermark);
}

/* Put a block that came from the core on @handle's account. Under pool->lock. */
static inline void respool_charge(struct respool *handle, unsigned long nr_pages)
{
	struct respool_pool *pool = handle->pool;

	pool->tally[handle->tag].allocations++;
	pool->tally[handle->tag].pages += nr_pages;
	pool->order_allocations[respool_order_of(nr_pages)]++;
}

/*
 * Pages came back, under a magazine's or the pool's lock that has been dropped.
 * A task that waits counts itself first and then takes each of these locks in
 * search of pages, in a thorough drain: before us, and we see it counted, or
 * after us, and it sees the pages.
 */
static inline void respool_wake(struct respool_pool *pool)
{
	if (unlikely(atomic_read(&pool->waiters)))
		irq_work_queue(&pool->wake);
}

/* The name of the account with owner tag @tag. Under pool->lock. */
static inline void respool_owner_name(const struct respool_pool *pool, unsigned int tag,
				      char name[RESPOOL_OWNER_LEN])
{
	const struct respool *handle = pool->account[tag];

	strscpy(name, handle ? handle->owner : "?", RESPOOL_OWNER_LEN);
}

unsigned long respool_try_alloc(struct respool *handle, unsigned long nr_pages, gfp_t gfp);
void *respool_prepare(struct respool_pool *pool, unsigned long page, unsigned long nr_pages,
		      gfp_t gfp);
void respool_forget_clear(struct respool_pool *pool, unsigned long page, unsigned long nr_pages);
void *respool_hand_out(struct respool *handle, unsigned long page, unsigned long nr_pages,
		       gfp_t gfp, unsigned long caller);
void respool_fail(struct respool *handle, const struct respool_fit *fit, gfp_t gfp,
		  unsigned long caller);
void respool_fail_anywhere(struct respool *handle, unsigned long nr_pages, gfp_t gfp,
			   unsigned long caller);

struct respool_pool *respool_pool_create(const struct respool_spec *spec);
void respool_pool_destroy(struct respool_pool *pool);
void respool_pool_publish(struct respool_pool *pool);
void respool_pool_withdraw(struct respool_pool *pool);
void respool_pools_drain_cpu(unsigned int cpu);
int respool_pools_each(int (*visit)(struct respool_pool *pool));

unsigned long respool_pool_freeze(struct respool_pool *pool) __acquires(&pool->lock);
void respool_pool_thaw(struct respool_pool *pool, unsigned long flags) __releases(&pool->lock);
struct respool_tally respool_sum_tally(struct respool_pool *pool, unsigned int tag);

void respool_pool_stats(struct respool_pool *pool, struct respool_stats *stats);
int respool_pool_validate(struct respool_pool *pool, char *why, size_t len);
int respool_pool_account(struct respool_pool *pool, unsigned int tag,
			 struct respool_account *account);
void respool_pool_block(struct respool_pool *pool, unsigned long page,
			struct respool_block *block, char owner[RESPOOL_OWNER_LEN]);
void respool_pool_map(struct respool_pool *pool, unsigned long region,
		      u64 pages[RESPOOL_REGION_PAGES / 64], u64 free[RESPOOL_REGION_PAGES / 64]);

struct respool_pool *respool_pool_of(const struct respool *handle);

#endif /* RESPOOL_POOL_H */
