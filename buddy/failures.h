/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Why requests for pages were not served: the last of them, with what there was
 * instead and who was in the way.
 */
#ifndef RESPOOL_FAILURES_H
#define RESPOOL_FAILURES_H

#include <linux/atomic.h>
#include <linux/ratelimit.h>
#include <linux/sched.h>
#include <linux/spinlock.h>

#include "buddy/buddy.h"

#define RESPOOL_KEPT_FAILURES	32	/* by a pool */
#define RESPOOL_NAMED_OWNERS	3	/* those who hold most */

/* An owner's name: as in pool.h. */
#define RESPOOL_HOLDER_LEN	48

/**
 * struct respool_in_way - The place that would take the least to be free.
 * @page: its first page, RESPOOL_NO_PAGE if there is none
 * @nr_pages: how long it is: a block that would do
 * @held: pages of it that are not free
 * @holder: who holds most of those that were looked at, the most first
 * @pages: how many they hold, 0 from the end on
 */
struct respool_in_way {
	unsigned long page;
	unsigned long nr_pages;
	unsigned long held;
	char holder[RESPOOL_NAMED_OWNERS][RESPOOL_HOLDER_LEN];
	unsigned long pages[RESPOOL_NAMED_OWNERS];
};

/**
 * struct respool_failure - One request that was not served.
 * @ns: when, by the clock of the kernel's log
 * @fit: what was asked for
 * @atomic: it might have gone below the watermark
 * @owner: who asked
 * @caller: where in the code
 * @pid: of the task
 * @comm: its name
 * @free_pages: free pages at that time
 * @largest: pages of the largest request under the same conditions that would
 *	have been served, but for the watermark
 * @extfrag: fragmentation index for its order
 * @way: what was in the way
 */
struct respool_failure {
	u64 ns;
	struct respool_fit fit;
	bool atomic;
	char owner[RESPOOL_HOLDER_LEN];
	unsigned long caller;
	pid_t pid;
	char comm[TASK_COMM_LEN];
	unsigned long free_pages;
	unsigned long largest;
	int extfrag;
	struct respool_in_way way;
};

struct respool_failures {
	struct ratelimit_state limit;	/* how many are looked into */
	atomic64_t passed_over;		/* those that were not */
	raw_spinlock_t lock;		/* the rest; nothing else is taken under it */
	unsigned int nr;		/* ever; the last is ring[(nr - 1) % KEPT] */
	struct respool_failure ring[RESPOOL_KEPT_FAILURES];
};

struct respool_pool;
struct respool;
struct seq_file;

void respool_failures_init(struct respool_failures *failures);
void respool_failures_note(struct respool *handle, const struct respool_fit *fit, bool atomic,
			   unsigned long caller);
void respool_failures_show(struct seq_file *m, struct respool_pool *pool);
void respool_why_show(struct seq_file *m, struct respool_pool *pool);

#endif /* RESPOOL_FAILURES_H */
