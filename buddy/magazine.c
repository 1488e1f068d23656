// SPDX-License-Identifier: GPL-2.0
/*
 * Per-CPU magazines in front of the core: blocks that are allocated as far as
 * the core knows and free as far as anybody else does.
 */
#include <linux/cpumask.h>
#include <linux/preempt.h>
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
 * Move up to @nr of the oldest blocks of a magazine into the core. Its youngest take
 * their place: no block stays for long without being used or given back.
 */
static void drain(struct respool_magazines *m, struct respool_magazine *magazine,
		  unsigned int order, unsigned int nr)
{
	unsigned int left;
	unsigned long flags;

	raw_spin_lock_irqsave(m->lock, flags);
	nr = respool_buddy_free_batch(m->buddy, order, nr, magazine->page);
	raw_spin_unlock_irqrestore(m->lock, flags);
	left = magazine->nr - nr;
	memcpy(magazine->page, magazine->page + max(left, nr), min(left, nr) * sizeof(u32));
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
	if (respool_cpu_lock_try(&cpu->lock)) {
		magazine = &cpu->magazine[order];
		fill_empty(m, cpu, magazine, order);
		if (magazine->nr)
			page = respool_cpu_pop(m, cpu, magazine, order, tag);
		respool_cpu_unlock(&cpu->lock);
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
	if (respool_cpu_lock_try(&cpu->lock)) {
		magazine = &cpu->magazine[order];
		if (m->high[order] && magazine->nr == m->high[order])
			drain(m, magazine, order, m->drain[order]);
		done = m->high[order] && respool_cpu_push(cpu, magazine, page, byte, state, order);
		respool_cpu_unlock(&cpu->lock);
	}
	preempt_enable();
	return done;
}

/* Draining and counting */

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
		if (respool_cpu_lock_claim(&cpu->lock, i)) {
			drain_all(m, cpu, order);
			respool_cpu_unlock(&cpu->lock);
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
	respool_cpu_lock_wait(&cpu->lock);
	for (order = 0; order < RESPOOL_MAGAZINES; order++)
		drain_all(m, cpu, order);
	respool_cpu_unlock(&cpu->lock);
	preempt_enable();
}

/* Hold all magazines still, to count them. Task context; preemption is off until unlock. */
void respool_magazines_lock(struct respool_magazines *m)
{
	unsigned int i;

	might_sleep();
	preempt_disable();
	for_each_possible_cpu(i)
		respool_cpu_lock_wait(&per_cpu_ptr(m->cpu, i)->lock);
}

void respool_magazines_unlock(struct respool_magazines *m)
{
	unsigned int i;

	for_each_possible_cpu(i)
		respool_cpu_unlock(&per_cpu_ptr(m->cpu, i)->lock);
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

/* Most blocks taken at a time: of small ones a word's; few where many would break up regions. */
static unsigned int refill_of(unsigned int order)
{
	if (order <= 3)
		return min(64U, 256U >> order);
	return order < RESPOOL_REGION_ORDER ? max(64U >> order, 1U) : 16;
}

/*
 * What one CPU may keep of one order: the same in pools of all sizes from 64 MiB
 * on, for the same speed, but no more than a small part of its share of the
 * pool. Nothing is lost by it: magazines are drained before a request fails. But
 * a block in one keeps its neighbours from merging. That a whole region is in
 * one only keeps it from being cut.
 */
static unsigned int high_of(const struct respool_buddy *buddy, unsigned int order)
{
	unsigned long share = buddy->nr_pages / num_possible_cpus() >> order;

	if (order >= RESPOOL_REGION_ORDER)
		return min(share / 4, 32UL);
	return min3(share / 64, max(order <= 3 ? 256UL >> order : 64UL >> order, 1UL),
		    (unsigned long)RESPOOL_MAGAZINE_SIZE);
}

static unsigned int drain_of(unsigned int high)
{
	return clamp_t(unsigned int, high, 1, RESPOOL_MAGAZINE_DRAIN);
}

/* Magazines for @buddy, which @lock guards; or, unless @on, none that hold anything. */
int respool_magazines_init(struct respool_magazines *m, struct respool_buddy *buddy,
			   raw_spinlock_t *lock, bool on)
{
	unsigned int order;

	m->cpu = alloc_percpu(struct respool_cpu);
	if (!m->cpu)
		return -ENOMEM;
	m->state = buddy->state;
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
