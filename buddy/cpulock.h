/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The lock of what one CPU keeps: magazines of pages, blocks or objects.
 *
 * It is held with preemption off but with interrupts on. Allocation and free
 * only try it: who finds it taken (an interrupt that came in between, or a drain
 * from another CPU) goes to what is behind the magazines instead. Draining and
 * counting may have to wait for it, and only one who cannot keep its holder from
 * going on does: see respool_cpu_lock_claim().
 *
 * It is a bit in memory, so it works on uniprocessor kernels, where a spinlock's
 * trylock always succeeds, and on RT kernels, where a spinlock sleeps.
 */
#ifndef RESPOOL_CPULOCK_H
#define RESPOOL_CPULOCK_H

#include <linux/bitops.h>
#include <linux/compiler.h>

struct respool_cpu_lock {
	unsigned long held;	/* bit 0 */
};

/* Both with preemption off. */
static inline bool respool_cpu_lock_try(struct respool_cpu_lock *lock)
{
	return likely(!test_and_set_bit_lock(0, &lock->held));
}

static inline void respool_cpu_unlock(struct respool_cpu_lock *lock)
{
	/* The word is this bit alone: a store will do, whoever tries for it meanwhile. */
	smp_store_release(&lock->held, 0);
}

bool respool_cpu_lock_claim(struct respool_cpu_lock *lock, unsigned int cpu);
void respool_cpu_lock_wait(struct respool_cpu_lock *lock);

#endif /* RESPOOL_CPULOCK_H */
