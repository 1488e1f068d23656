/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What each CPU keeps of a cache: a magazine (Bonwick and Adams, "Magazines and
 * Vmem", 2001), a short stack of objects that are out of their runs. The common
 * pair of allocation and free touches neither the cache's lock nor a free bit.
 *
 * A magazine is locked by a bit that allocation and free only try. It is held
 * with preemption off but with interrupts on, and one of those may want a lock
 * that a waiter holds: only a task with interrupts and softirqs on, which holds
 * no such lock, waits for it. Who holds several took them in the order of the
 * CPUs.
 */
#ifndef RESPOOL_SLAB_CACHECPU_H
#define RESPOOL_SLAB_CACHECPU_H

#include <linux/bitops.h>
#include <linux/cache.h>
#include <linux/compiler.h>
#include <linux/percpu.h>
#include <linux/types.h>

#define RESPOOL_CACHE_MAGAZINE	128	/* objects, at most */

/*
 * One CPU's share of a cache. All of it is under bit 0 of @lock; being a bit in
 * memory it works on uniprocessor kernels, too, where a spinlock's trylock
 * always succeeds.
 */
struct respool_cache_cpu {
	unsigned long lock;
	u32 nr;					/* objects in the magazine */
	u64 allocations;			/* objects that came and went here */
	u64 frees;
	void *object[RESPOOL_CACHE_MAGAZINE];	/* oldest first */
} ____cacheline_aligned;

/* Both with preemption off. */
static inline bool respool_cache_cpu_trylock(struct respool_cache_cpu *cpu)
{
	return likely(!test_and_set_bit_lock(0, &cpu->lock));
}

static inline void respool_cache_cpu_unlock(struct respool_cache_cpu *cpu)
{
	__clear_bit_unlock(0, &cpu->lock);
}

bool respool_cache_cpu_claim(struct respool_cache_cpu *cpu);
void respool_cache_cpus_lock(struct respool_cache_cpu __percpu *cpus);
void respool_cache_cpus_unlock(struct respool_cache_cpu __percpu *cpus);

#endif /* RESPOOL_SLAB_CACHECPU_H */
