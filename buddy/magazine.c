// SPDX-License-Identifier: GPL-2.0
/*
 * Per-CPU magazines in front of the core: blocks that are allocated as far as
 * the core knows and free as far as anybody else does.
 */
#include <linux/cpumask.h>
#include <linux/preempt.h>
#include <linux/sched.h>
#include <linux/string.h>

#include <trace/events/respool.h>

#include "buddy/magazine.h"
#include "buddy/shape.h"

/*
 * Small blocks that come and go together need not go to the core and back. All
 * that a word has are joined into one block, and all words that a region has
 * into a region, and a CPU keeps some of either. An empty magazine is filled by
 * cutting these before the core is asked.
 */
#define SMALL_ORDER	3	/* the largest that is joined */
#define WORD_ORDER	RESPOOL_WORD_ORDER
#define REGION_ORDER	RESPOOL_REGION_ORDER
#define REGION_WORDS	BIT(REGION_ORDER - WORD_ORDER)

/* Blocks that make room for one that was joined; few, for joining takes its time, too. */
#define JOIN_DRAIN	4

/* Cut the youngest block of @from, which has those of order @whole, into blocks of @order. */
static void cut(struct respool_magazines *m, struct respool_cpu *cpu,
		struct respool_magazine *from, unsigned int whole,
		struct respool_magazine *to, unsigned int order)
{
	unsigned long first = from->page[--from->nr], page = first + BIT(whole);

	cpu->made[whole]--;
	cpu->made[order] += BIT(whole - order);
	do {
		page -= BIT(order);
		m->state[page] = RESPOOL_STATE_CACHED | order;
		to->page[to->nr++] = page;
	} while (page != first);
}

/* Fill the empty magazine for @order with up to @nr blocks out of whole words, if there are any. */
static noinline bool cut_words(struct respool_magazines *m, struct respool_cpu *cpu,
			       struct respool_magazine *magazine, unsigned int order,
			       unsigned int nr)
{
	if (order > SMALL_ORDER || nr < BIT(WORD_ORDER - order))
		return false;
	if (!cpu->words.nr && cpu->regions.nr)
		cut(m, cpu, &cpu->regions, REGION_ORDER, &cpu->words, WORD_ORDER);
	while (cpu->words.nr && magazine->nr + BIT(WORD_ORDER - order) <= nr)
		cut(m, cpu, &cpu->words, WORD_ORDER, magazine, order);
	return magazine->nr;
}

static __always_inline void take_batch(struct respool_magazines *m,
				       struct respool_magazine *magazine, unsigned int order,
				       const bool watched)
{
	unsigned long flags;
	int whole = -1;
	u64 since = 0;

	raw_spin_lock_irqsave(m->lock, flags);
	if (watched)
		since = respool_shape_note(m);
	magazine->nr = respool_buddy_alloc_batch(m->buddy, order, m->refill[order],
						 magazine->page);
	if (watched)
		whole = respool_shape_cut(m, order, since);
	raw_spin_unlock_irqrestore(m->lock, flags);
	respool_shape_trace_cut(m, magazine->page[0], order, whole);
}

static noinline void take_batch_watched(struct respool_magazines *m,
					struct respool_magazine *magazine, unsigned int order)
{
	take_batch(m, magazine, order, true);
}

/*
 * Fill an empty magazine with whole words or with a batch from the core. Not for
 * the first block ever, nor for the first since it was drained: one who takes a
 * single block shall leave the rest of the pool in one piece, and a block of
 * each order must be had where there is just one of each.
 */
static void fill_empty(struct respool_magazines *m, struct respool_cpu *cpu,
		       struct respool_magazine *magazine, unsigned int order)
{
	if (magazine->nr)
		return;
	if (!(cpu->asked & BIT(order))) {
		cpu->asked |= BIT(order);
		return;
	}
	magazine->high = m->high[order];
	if (!magazine->high)
		return;
	if (unlikely(cpu->words.nr | cpu->regions.nr) &&
	    cut_words(m, cpu, magazine, order, m->refill[order]))
		return;
	if (trace_respool_page_split_enabled() || respool_latency_on())
		take_batch_watched(m, magazine, order);
	else
		take_batch(m, magazine, order, false);
	trace_respool_refill(m->name, cpu->id, order, magazine->nr);
}

static __always_inline unsigned int give_batch(struct respool_magazines *m,
					       const struct respool_magazine *magazine,
					       unsigned int order, unsigned int nr,
					       const bool watched)
{
	unsigned long flags;
	int whole = -1;
	u64 since = 0;

	raw_spin_lock_irqsave(m->lock, flags);
	if (watched)
		since = respool_shape_note(m);
	nr = respool_buddy_free_batch(m->buddy, order, nr, magazine->page);
	if (watched)
		whole = respool_shape_merged(m, order, since);
	raw_spin_unlock_irqrestore(m->lock, flags);
	respool_shape_trace_merged(m, magazine->page[0], order, whole);
	return nr;
}

static noinline unsigned int give_batch_watched(struct respool_magazines *m,
						const struct respool_magazine *magazine,
						unsigned int order, unsigned int nr)
{
	return give_batch(m, magazine, order, nr, true);
}

/*
 * Move up to @nr of the oldest blocks of a magazine into the core. Its youngest take
 * their place: no block stays for long without being used or given back.
 */
static __always_inline void drain(struct respool_magazines *m, const struct respool_cpu *cpu,
				  struct respool_magazine *magazine,
				  unsigned int order, unsigned int nr)
{
	unsigned int left;

	if (trace_respool_page_merge_enabled() || respool_latency_on())
		nr = give_batch_watched(m, magazine, order, nr);
	else
		nr = give_batch(m, magazine, order, nr, false);
	trace_respool_drain(m->name, cpu->id, order, nr);
	left = magazine->nr - nr;
	memcpy(magazine->page, magazine->page + max(left, nr), min(left, nr) * sizeof(u32));
	magazine->nr = left;
}

/* Number of the block of order @whole that a page is in. */
static unsigned long number_of(const struct respool_magazines *m, unsigned long page,
			       unsigned int whole)
{
	return (page + m->buddy->lead) >> whole;
}

/*
 * The cached blocks of @order that make up block number @number of order @whole
 * become one, in @to.
 */
static void join(struct respool_magazines *m, struct respool_cpu *cpu, unsigned int order,
		 unsigned long number, unsigned int whole, struct respool_magazine *to)
{
	unsigned long page = (number << whole) - m->buddy->lead;

	if (to->nr == to->high)
		drain(m, cpu, to, whole, min_t(unsigned int, to->high, JOIN_DRAIN));
	memset(m->state + page, RESPOOL_STATE_NONE, BIT(whole));
	m->state[page] = RESPOOL_STATE_CACHED | whole;
	to->page[to->nr++] = page;
	cpu->made[order] -= BIT(whole - order);
	cpu->made[whole]++;
}

/* Join the words of a region if they are all here. */
static void join_region(struct respool_magazines *m, struct respool_cpu *cpu,
			unsigned long region)
{
	struct respool_magazine *words = &cpu->words;
	unsigned int i, nr = 0;

	if (!cpu->regions.high)
		return;
	for (i = 0; i < words->nr; i++)
		nr += number_of(m, words->page[i], REGION_ORDER) == region;
	if (nr < REGION_WORDS)
		return;
	for (i = nr = 0; i < words->nr; i++) {
		words->page[nr] = words->page[i];
		nr += number_of(m, words->page[i], REGION_ORDER) != region;
	}
	words->nr = nr;
	join(m, cpu, WORD_ORDER, region, REGION_ORDER, &cpu->regions);
}

/* How many of the @nr blocks below @top, the youngest first, are in the first one's word. */
static unsigned int in_one_word(const struct respool_magazines *m, const u32 *top, unsigned int nr)
{
	unsigned long word = number_of(m, top[-1], WORD_ORDER);
	unsigned int n = 1;

	while (n < nr && number_of(m, top[-1 - (long)n], WORD_ORDER) == word)
		n++;
	return n;
}

/*
 * Join the youngest blocks of a full magazine if they are all that a word has;
 * still younger ones may be part of another. Returns whether there was a word.
 */
static noinline bool join_word(struct respool_magazines *m, struct respool_cpu *cpu,
			       struct respool_magazine *magazine, unsigned int order)
{
	unsigned int nr = BIT(WORD_ORDER - order), top = magazine->nr, young;
	unsigned long word;

	young = in_one_word(m, magazine->page + top, nr) % nr;
	top -= young;
	if (young && (top < nr || in_one_word(m, magazine->page + top, nr) < nr))
		return false;
	word = number_of(m, magazine->page[top - 1], WORD_ORDER);
	memcpy(&magazine->page[top - nr], &magazine->page[top], young * sizeof(u32));
	magazine->nr -= nr;
	join(m, cpu, order, word, WORD_ORDER, &cpu->words);
	join_region(m, cpu, word >> (REGION_ORDER - WORD_ORDER));
	return true;
}

/* Whether it is worth a look: blocks that come in a row are next to others of their word. */
static inline bool may_be_joined(const struct respool_magazines *m, const struct respool_cpu *cpu,
				 const struct respool_magazine *magazine, unsigned int order)
{
	const u32 *top = magazine->page + magazine->nr;

	return order <= SMALL_ORDER && cpu->words.high && magazine->nr >= BIT(WORD_ORDER - order) &&
	       number_of(m, top[-2], WORD_ORDER) == number_of(m, top[-3], WORD_ORDER);
}

/*
 * Make room in a magazine that is full or closed; returns whether there is some.
 * One that is closed opens for the second block. The first goes back: it may
 * be one that was taken alone, and then its neighbours are other CPUs'.
 */
static bool make_room(struct respool_magazines *m, struct respool_cpu *cpu,
		      struct respool_magazine *magazine, unsigned int order)
{
	if (unlikely(!magazine->high)) {
		if (cpu->given & BIT(order))
			magazine->high = m->high[order];
		cpu->given |= BIT(order);
	} else if (magazine->nr == magazine->high &&
		   (likely(!may_be_joined(m, cpu, magazine, order)) ||
		    !join_word(m, cpu, magazine, order))) {
		drain(m, cpu, magazine, order, m->drain[order]);
	}
	return magazine->nr < magazine->high;
}

/*
 * Fill this CPU's magazine for @order if it is empty, and allocate from it.
 * RESPOOL_NO_PAGE means to ask the core for one block: there is no magazine to
 * be had, or nothing to fill it with.
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
		done = make_room(m, cpu, magazine, order) &&
		       respool_cpu_push(cpu, magazine, page, byte, state, order);
		respool_cpu_unlock(&cpu->lock);
	}
	preempt_enable();
	return done;
}

/* Draining and counting */

static void drain_magazine(struct respool_magazines *m, const struct respool_cpu *cpu,
			   struct respool_magazine *magazine, unsigned int order)
{
	while (magazine->nr)
		drain(m, cpu, magazine, order, min_t(u32, magazine->nr, RESPOOL_MAGAZINE_DRAIN));
}

static void drain_all(struct respool_magazines *m, struct respool_cpu *cpu, unsigned int order)
{
	drain_magazine(m, cpu, &cpu->magazine[order], order);
	cpu->magazine[order].high = 0;
	cpu->asked &= ~BIT(order);
	cpu->given &= ~BIT(order);
	if (order == WORD_ORDER)
		drain_magazine(m, cpu, &cpu->words, order);
	if (order == REGION_ORDER)
		drain_magazine(m, cpu, &cpu->regions, order);
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
		if (!thorough && !data_race(respool_cpu_cached(cpu, order)))
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

/*
 * Tell the core of which orders the blocks are that it allocated to magazines,
 * which is all that it does not know of them. They are locked, and it is.
 */
void respool_magazines_settle(struct respool_magazines *m)
{
	struct respool_cpu *cpu;
	unsigned int i, order;

	for_each_possible_cpu(i) {
		cpu = per_cpu_ptr(m->cpu, i);
		for (order = 0; order < RESPOOL_MAGAZINES; order++) {
			m->buddy->nr_allocated[order] += cpu->made[order];
			cpu->made[order] = 0;
		}
	}
}

static void shut(struct respool_magazine *magazine)
{
	magazine->nr = 0;
	magazine->high = 0;
}

/* Close the magazines for good and forget what is in them. They are locked. */
void respool_magazines_shut(struct respool_magazines *m)
{
	struct respool_cpu *cpu;
	unsigned int i, order;

	memset(m->high, 0, sizeof(m->high));
	for_each_possible_cpu(i) {
		cpu = per_cpu_ptr(m->cpu, i);
		for (order = 0; order < RESPOOL_MAGAZINES; order++)
			shut(&cpu->magazine[order]);
		shut(&cpu->words);
		shut(&cpu->regions);
	}
}

/* Life */

/* Blocks of @order in the part of the pool that would be one CPU's. */
static unsigned long share_of(const struct respool_buddy *buddy, unsigned int order)
{
	return buddy->nr_pages / num_possible_cpus() >> order;
}

/*
 * What one CPU may keep of one order: the same in all large pools, for the same
 * speed, but no more than a small part of its share of the pool, and of large
 * blocks fewer pages. Nothing is lost by it: magazines are drained before a
 * request fails. But a block in one keeps its neighbours from merging. That a
 * whole region is in one only keeps it from being cut.
 */
static unsigned int high_of(const struct respool_buddy *buddy, unsigned int order)
{
	unsigned long share = share_of(buddy, order);

	if (order >= REGION_ORDER)
		return min(share / 4, 32UL);
	if (order > SMALL_ORDER)
		return min(share / 64, max(128UL >> order, 2UL));
	return min3(share / 64, 256UL >> order, (unsigned long)RESPOOL_MAGAZINE_SIZE);
}

/*
 * Blocks to move at a time: of small ones a word's; of regions half of what is
 * kept, for a magazine that is then as far from full as from empty.
 */
static unsigned int refill_of(unsigned int order, unsigned int high)
{
	if (order >= REGION_ORDER)
		return DIV_ROUND_UP(high, 2);
	return order > SMALL_ORDER ? high : min3(high, 64U, 256U >> order);
}

static unsigned int drain_of(unsigned int order, unsigned int high)
{
	if (order >= REGION_ORDER)
		high = DIV_ROUND_UP(high, 2);
	return clamp_t(unsigned int, high, 1, RESPOOL_MAGAZINE_DRAIN);
}

/* Magazines for @buddy, which @lock guards; or, unless @on, none that hold anything. */
int respool_magazines_init(struct respool_magazines *m, struct respool_buddy *buddy,
			   raw_spinlock_t *lock, bool on)
{
	struct respool_cpu *cpu;
	unsigned int i, order;

	m->cpu = alloc_percpu(struct respool_cpu);
	if (!m->cpu)
		return -ENOMEM;
	m->state = buddy->state;
	m->buddy = buddy;
	m->lock = lock;
	for (order = 0; order < RESPOOL_MAGAZINES; order++) {
		m->high[order] = on ? high_of(buddy, order) : 0;
		m->refill[order] = refill_of(order, m->high[order]);
		m->drain[order] = drain_of(order, m->high[order]);
	}
	for_each_possible_cpu(i) {
		cpu = per_cpu_ptr(m->cpu, i);
		cpu->id = i;
		cpu->words.high = on ? min(share_of(buddy, WORD_ORDER) / 64, 4 * REGION_WORDS) : 0;
		cpu->regions.high = on ? min(share_of(buddy, REGION_ORDER) / 16, 16UL) : 0;
	}
	return 0;
}

void respool_magazines_destroy(struct respool_magazines *m)
{
	free_percpu(m->cpu);
}
