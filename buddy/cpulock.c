// SPDX-License-Identifier: GPL-2.0
#include <linux/irqflags.h>
#include <linux/preempt.h>
#include <linux/processor.h>
#include <linux/sched.h>
#include <linux/smp.h>

#include "buddy/cpulock.h"

/*
 * How often a lock is tried where it must not be waited for. Its holder needs
 * less than that, unless it was interrupted.
 */
#define MAX_TRIES	100

/*
 * Take it, however long that takes. For a task with interrupts and softirqs on
 * and preemption off: the interrupts of the holder's CPU may want locks that
 * others hold, but not such a task. Who holds several took them in the order of
 * the CPUs.
 */
void respool_cpu_lock_wait(struct respool_cpu_lock *lock)
{
	while (!respool_cpu_lock_try(lock))
		cpu_relax();
}

/*
 * Take @cpu's lock in any context, preemption being off; false after a while in
 * vain. There is no waiting for a holder that is interrupted by who waits.
 */
bool respool_cpu_lock_claim(struct respool_cpu_lock *lock, unsigned int cpu)
{
	unsigned int tries = cpu == smp_processor_id() ? 1 : MAX_TRIES;

	if (!in_interrupt() && !irqs_disabled()) {
		respool_cpu_lock_wait(lock);
		return true;
	}
	while (!respool_cpu_lock_try(lock)) {
		if (!--tries)
			return false;
		cpu_relax();
	}
	return true;
}
