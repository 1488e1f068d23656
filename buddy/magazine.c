// SPDX-License-Identifier: GPL-2.0
/*
 * Per-CPU magazines in front of the core: blocks that are allocated as far as
 * the core knows and free as far as anybody else does.
 *
 * A CPU's magazines are locked by a bit that allocation and free only try.
 * Draining and counting may have to wait for it. Its holder runs with
 * preemption off but with interrupts on, and one of them may want a lock that
 * the waiter holds. So only a task with interrupts and softirqs on, which
 * cannot hold such a lock, waits until it is free; others give up after a
 * while. Who holds several bits took them in the order of the CPUs.
 */
#include <linux/cpumask.h>
#include <linux/irqflags.h>
#include <linux/preempt.h>
#include <linux/processor.h>
#include <linux/sched.h>
#include <linux/string.h>

#include "buddy/magazine.h"

/*
 * Move a batch from the core into a magazine, unless it holds something or is
 * closed. Not for the first block since it was drained: one who takes a single
 * block of an order shall leave the rest of the pool in one piece.
 */
static void fill_empty(struct respool_magazines *m, struct respool_cpu *cpu,
		       struct respool_magazine *magazine, unsigned int order)
{
	unsigned long flags;

	if (magazine->nr || !m->high[order])
		return;
	if (!(cpu->wanted & BIT(order))) {
		cpu->wanted |= BIT(order);
		return;
	}
	raw_spin_lock_irqsave(m->lock, flags);
	magazine->nr = respool_buddy_alloc_batch(m->buddy, order, m->refill[order],
						 magazine->page);
	raw_spin_unlock_irqrestore(m->lock, flags);
}

/*
 * Move the @nr oldest blocks of a magazine into the core. Its youngest take
 * their place: no block stays for long without being used or given back.
 */
static void drain(struct respool_magazines *m, struct respool_magazine *magazine,
		  unsigned int order, unsigned int nr)
{
	unsigned int left = magazine->nr - nr, i;
	unsigned long flags;

	raw_spin_lock_irqsave(m->lock, flags);
	respool_buddy_free_batch(m->buddy, order, nr, magazine->page);
	raw_spin_unlock_irqrestore(m->lock, flags);
	for (i = 0; i < nr && i < left; i++)
		magazine->page[i] = magazine->page[max(left, nr) + i];
	magazine->nr = left;
}

/*
 * Fill this CPU's magazine for @order with a batch from the core if it is
 * empty, and allocate from it. RESPOOL_NO_PAGE means to ask the core for one
 * block: there is no magazine to be had, or nothing to fill it with.
 */
unsigned long respool_magazine_refill(struct respool_magazines *m, unsigned int order,
				      unsigned int tag)
{
	unsigned long page = RESPOOL_NO_PAGE;
	struct respool_magazine *magazine;
	struct respool_cpu *cpu;

	if (order >= RESPOOL_MAGAZINES)
		return RESPOOL_NO_PAGE;
	preempt_disable();
	cpu = this_cpu_ptr(m->cpu);
	if (respool_cpu_trylock(cpu)) {
		magazine = &cpu->magazine[order];
		fill_empty(m, cpu, magazine, order);
		if (magazine->nr)
			page = respool_cpu_pop(m, cpu, magazine, order, tag);
		respool_cpu_unlock(cpu);
	}
	preempt_enable();
	return page;
}

/*
 * Free into this CPU's magazine the block at @page as respool_magazine_push()
 * does, making room for it if the magazine is full. RESPOOL_ANY_ORDER is any.
 */
bool respool_magazine_spill(struct respool_magazines *m, unsigned long page, unsigned int order)
{
	u8 *byte = m->state + page, state = READ_ONCE(*byte);
	struct respool_magazine *magazine;
	struct respool_cpu *cpu;
	bool done = false;

	if (order == RESPOOL_ANY_ORDER)
		order = state & RESPOOL_STATE_PAGE ? 0 : state;
	if (!respool_magazine_takes(state, order))
		return false;
	preempt_disable();
	cpu = this_cpu_ptr(m->cpu);
	if (respool_cpu_trylock(cpu)) {
		magazine = &cpu->magazine[order];
		if (m->high[order] && magazine->nr == m->high[order])
			drain(m, magazine, order, m->drain[order]);
		done = m->high[order] && respool_cpu_push(cpu, magazine, page, byte, state, order);
		respool_cpu_unlock(cpu);
	}
	preempt_enable();
	return done;
}

/* Draining and counting */

/* How often a bit is tried where it must not be waited for: some microseconds. */
#define MAX_TRIES	1000

/* Take @cpu's bit. Task context, interrupts and softirqs on, but preemption off. */
static void wait_for(struct respool_cpu *cpu)
{
	while (!respool_cpu_trylock(cpu))
		cpu_relax();
}

/* Take @cpu's bit in any context, preemption being off; false after a while in vain. */
static bool try_for_a_while(struct respool_cpu *cpu)
{
	unsigned int tries;

	if (!in_interrupt() && !irqs_disabled()) {
		wait_for(cpu);
		return true;
	}
	for (tries = 0; tries < MAX_TRIES; tries++) {
		if (respool_cpu_trylock(cpu))
			return true;
		cpu_relax();
	}
	return false;
}

static void drain_all(struct respool_magazines *m, struct respool_cpu *cpu, unsigned int order)
{
	struct respool_magazine *magazine = &cpu->magazine[order];

	cpu->wanted &= ~BIT(order);
	while (magazine->nr)
		drain(m, magazine, order, min_t(u32, magazine->nr, RESPOOL_MAGAZINE_DRAIN));
}

/*
 * Empty every CPU's magazine for @order into the core. Sends no interrupt.
 * With interrupts or softirqs off, that of a CPU that does not leave its
 * magazines for a while is passed over. Unless @thorough, one that looks empty
 * is believed to be.
 */
void respool_magazines_drain_order(struct respool_magazines *m, unsigned int order,
				   bool thorough)
{
	struct respool_cpu *cpu;
	unsigned int i;

	for_each_possible_cpu(i) {
		cpu = per_cpu_ptr(m->cpu, i);
		/* It may change at any time, before and after this look as well. */
		if (!thorough && !data_race(READ_ONCE(cpu->magazine[order].nr)))
			continue;
		preempt_disable();
		if (try_for_a_while(cpu)) {
			drain_all(m, cpu, order);
			respool_cpu_unlock(cpu);
		}
		preempt_enable();
	}
}

/* Empty all magazines, in the same way. */
void respool_magazines_drain(struct respool_magazines *m)
{
	unsigned int order;

	for (order = 0; order < RESPOOL_MAGAZINES; order++)
		respool_magazines_drain_order(m, order, true);
}

/* Empty the magazines of a CPU that went away. Task context. */
void respool_magazines_drain_cpu(struct respool_magazines *m, unsigned int i)
{
	struct respool_cpu *cpu = per_cpu_ptr(m->cpu, i);
	unsigned int order;

	preempt_disable();
	wait_for(cpu);
	for (order = 0; order < RESPOOL_MAGAZINES; order++)
		drain_all(m, cpu, order);
	respool_cpu_unlock(cpu);
	preempt_enable();
}

/* Hold all magazines still, to count them. Task context; preemption is off until unlock. */
void respool_magazines_lock(struct respool_magazines *m)
{
	unsigned int i;

	might_sleep();
	preempt_disable();
	for_each_possible_cpu(i)
		wait_for(per_cpu_ptr(m->cpu, i));
}

void respool_magazines_unlock(struct respool_magazines *m)
{
	unsigned int i;

	for_each_possible_cpu(i)
		respool_cpu_unlock(per_cpu_ptr(m->cpu, i));
	preempt_enable();
}

/* Close the magazines for good and forget what is in them. They are locked. */
void respool_magazines_shut(struct respool_magazines *m)
{
	unsigned int i;
	unsigned int order;

	memset(m->high, 0, sizeof(m->high));
	for_each_possible_cpu(i)
		for (order = 0; order < RESPOOL_MAGAZINES; order++)
			per_cpu_ptr(m->cpu, i)->magazine[order].nr = 0;
}

/* Life */

/* Blocks taken at a time: few where many would break up regions. */
static unsigned int refill_of(unsigned int order)
{
	if (order <= 3)
		return RESPOOL_MAGAZINE_REFILL >> order;
	return order < RESPOOL_REGION_ORDER ? max(128U >> order, 1U) : 8;
}

/*
 * What one CPU may keep of one order: two refills, but no more than its share
 * of a small part of the pool; one block if that is not too much either.
 * Nothing is lost by it: magazines are drained before a request fails. But a
 * block in one keeps its neighbours from merging.
 */
static unsigned int high_of(const struct respool_buddy *buddy, unsigned int order)
{
	unsigned long share = buddy->nr_pages / num_possible_cpus();
	unsigned int size = min(2 * refill_of(order), (unsigned int)RESPOOL_MAGAZINE_SIZE);

	if (order >= RESPOOL_REGION_ORDER)
		return min_t(unsigned long, size, share / 16 >> order);
	return max(min_t(unsigned long, size, share / 256 >> order),
		   (unsigned long)(share / 64 >> order > 0));
}

static unsigned int drain_of(unsigned int high)
{
	return clamp(high / 2, 1U, (unsigned int)RESPOOL_MAGAZINE_DRAIN);
}

/* Magazines for @buddy, which @lock guards; or, unless @on, none that hold anything. */
int respool_magazines_init(struct respool_magazines *m, struct respool_buddy *buddy,
			   raw_spinlock_t *lock, bool on)
{
	unsigned int order;

	m->cpu = alloc_percpu(struct respool_cpu);
	if (!m->cpu)
		return -ENOMEM;
	m->state = buddy->state + buddy->lead;
	m->buddy = buddy;
	m->lock = lock;
	for (order = 0; order < RESPOOL_MAGAZINES; order++) {
		m->high[order] = on ? high_of(buddy, order) : 0;
		m->refill[order] = min_t(unsigned int, m->high[order], refill_of(order));
		m->drain[order] = drain_of(m->high[order]);
	}
	return 0;
}

void respool_magazines_destroy(struct respool_magazines *m)
{
	free_percpu(m->cpu);
}
