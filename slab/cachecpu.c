// SPDX-License-Identifier: GPL-2.0
/*
 * Having another CPU's magazine: see cachecpu.h for who may wait for one.
 */
#include <linux/cpumask.h>
#include <linux/irqflags.h>
#include <linux/kernel.h>
#include <linux/preempt.h>
#include <linux/processor.h>

#include "slab/cachecpu.h"

/* How often a bit is tried where it must not be waited for: some microseconds. */
#define MAX_TRIES	1000

/* Task context, interrupts and softirqs on, but preemption off. */
static void wait_for(struct respool_cache_cpu *cpu)
{
	while (!respool_cache_cpu_trylock(cpu))
		cpu_relax();
}

/* Take @cpu's bit in any context, preemption being off; false after a while in vain. */
bool respool_cache_cpu_claim(struct respool_cache_cpu *cpu)
{
	unsigned int tries;

	if (!in_interrupt() && !irqs_disabled()) {
		wait_for(cpu);
		return true;
	}
	for (tries = 0; tries < MAX_TRIES; tries++) {
		if (respool_cache_cpu_trylock(cpu))
			return true;
		cpu_relax();
	}
	return false;
}

/* Hold all magazines still, to count them. Task context; preemption is off until unlock. */
void respool_cache_cpus_lock(struct respool_cache_cpu __percpu *cpus)
{
	unsigned int i;

	might_sleep();
	preempt_disable();
	for_each_possible_cpu(i)
		wait_for(per_cpu_ptr(cpus, i));
}

void respool_cache_cpus_unlock(struct respool_cache_cpu __percpu *cpus)
{
	unsigned int i;

	for_each_possible_cpu(i)
		respool_cache_cpu_unlock(per_cpu_ptr(cpus, i));
	preempt_enable();
}
