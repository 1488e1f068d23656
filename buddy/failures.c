// SPDX-License-Identifier: GPL-2.0
/*
 * Why requests for pages were not served, and what would be in the way of one now.
 *
 * What is in the way is told by the place that would take the least to be free:
 * the place, of the size and alignment that a block for the request has, in
 * which the fewest pages are held, and who holds them. Who fails may do so with
 * interrupts off, so that not all of a large pool is looked at then, and not at
 * each failure of a storm; who reads "why" has time. Either takes the pool's
 * lock for a region or some blocks at a time, and sees each at its own moment.
 */
#include <linux/bitops.h>
#include <linux/ctype.h>
#include <linux/kernel.h>
#include <linux/log2.h>
#include <linux/math64.h>
#include <linux/mm.h>
#include <linux/sched/clock.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/time64.h>

#include "buddy/failures.h"
#include "buddy/fragmentation.h"
#include "buddy/pool.h"

static_assert(RESPOOL_HOLDER_LEN == RESPOOL_OWNER_LEN);

/* Looked into in a second, at most; and what is looked at for each. */
#define FAILURES_PER_SECOND	10
#define MAX_PLACES		128
#define MAX_BLOCKS		64

/* And in "why", by one who has time. */
#define WHY_PLACES		65536
#define WHY_BLOCKS		65536

/* Blocks that are looked at under one hold of the pool's lock. */
#define BATCH			16

/* Beside the owner tags: pages in magazines, and reserved or bad ones. */
#define HELD_BY_CPUS		RESPOOL_BUDDY_TAGS
#define HELD_BY_NOBODY		(RESPOOL_BUDDY_TAGS + 1)
#define HOLDERS			(RESPOOL_BUDDY_TAGS + 2)

/**
 * struct search - A look for the place in which the fewest pages are held.
 * @pool: where
 * @places: how many more may be looked at
 * @blocks: the same of blocks in the one that is found
 * @region: the region that @free is of, RESPOOL_NO_PAGE for none yet
 * @free: its free pages
 */
struct search {
	struct respool_pool *pool;
	unsigned long places;
	unsigned long blocks;
	unsigned long region;
	u64 free[RESPOOL_REGION_PAGES / 64];
};

static void read_region(struct search *s, unsigned long region)
{
	u64 pages[RESPOOL_REGION_PAGES / 64];

	if (s->region == region)
		return;
	respool_pool_map(s->pool, region, pages, s->free);
	s->region = region;
}

/* Pages that are held among @nr from @page on. */
static unsigned long held_in(struct search *s, unsigned long page, unsigned long nr)
{
	unsigned long bit = page + s->pool->buddy.lead, end = bit + nr, held = nr, n;
	u64 word;

	for (; bit < end; bit += n) {
		read_region(s, bit >> RESPOOL_REGION_ORDER);
		n = min(end - bit, 64 - bit % 64);
		word = s->free[bit % RESPOOL_REGION_PAGES / 64] >> bit % 64;
		held -= hweight64(word & GENMASK_ULL(n - 1, 0));
	}
	return held;
}

/* Find the place for @fit in which the fewest pages are held. */
static void find_place(struct search *s, const struct respool_fit *fit,
		       struct respool_in_way *way)
{
	const struct respool_buddy *buddy = &s->pool->buddy;
	unsigned long nr = 1UL << max(respool_order_of(fit->nr_pages), fit->align_order);
	unsigned long cost = max(nr >> RESPOOL_REGION_ORDER, 1UL), page, held;
	unsigned long last = min(fit->last, buddy->nr_pages - 1);

	/* A page's place has the alignment that its physical address has. */
	page = round_up(fit->first + buddy->offset, nr) - buddy->offset;
	/* The one place there is needs no block of the core's. */
	if (last - fit->first + 1 == fit->nr_pages) {
		page = fit->first;
		nr = fit->nr_pages;
	}
	way->page = RESPOOL_NO_PAGE;
	way->nr_pages = nr;
	way->held = ~0UL;
	for (; page + nr - 1 <= last && s->places >= cost; page += nr) {
		held = held_in(s, page, nr);
		s->places -= cost;
		if (held < way->held) {
			way->page = page;
			way->held = held;
		}
		if (held <= 1)
			break;
	}
}

/* Who holds the block, as an index below HOLDERS. */
static unsigned int holder_of(const struct respool_block *block)
{
	switch (block->kind) {
	case RESPOOL_PAGE_ALLOCATED:
		return block->tag;
	case RESPOOL_PAGE_CACHED:
		return HELD_BY_CPUS;
	default:
		return HELD_BY_NOBODY;
	}
}

/* Count who holds what of the pages up to @end, from @page on; returns how far it came. */
static unsigned long count_holders(struct search *s, unsigned long page, unsigned long end,
				   unsigned long held[HOLDERS])
{
	struct respool_pool *pool = s->pool;
	struct respool_block block;
	unsigned int left = BATCH;
	unsigned long flags, next;

	raw_spin_lock_irqsave(&pool->lock, flags);
	for (; page < end && left; left--, page = next) {
		respool_buddy_find(&pool->buddy, page, &block);
		next = min(end, block.page + max(block.nr_pages, 1UL));
		if (block.kind == RESPOOL_PAGE_OUTSIDE)
			next = page + 1;
		if (block.kind != RESPOOL_PAGE_FREE)
			held[holder_of(&block)] += next - page;
	}
	raw_spin_unlock_irqrestore(&pool->lock, flags);
	return page;
}

static void name_holder(struct respool_pool *pool, unsigned int holder,
			char name[RESPOOL_HOLDER_LEN])
{
	unsigned long flags;

	raw_spin_lock_irqsave(&pool->lock, flags);
	if (holder < RESPOOL_BUDDY_TAGS)
		respool_owner_name(pool, holder, name);
	else
		strscpy(name, holder == HELD_BY_CPUS ? "(magazines)" : "(reserved)",
			RESPOOL_HOLDER_LEN);
	raw_spin_unlock_irqrestore(&pool->lock, flags);
}

/* Name those who hold most. */
static void name_holders(struct search *s, unsigned long held[HOLDERS],
			 struct respool_in_way *way)
{
	unsigned int i, holder, most;

	for (i = 0; i < RESPOOL_NAMED_OWNERS; i++) {
		most = 0;
		for (holder = 1; holder < HOLDERS; holder++)
			if (held[holder] > held[most])
				most = holder;
		way->pages[i] = held[most];
		if (!held[most])
			break;
		name_holder(s->pool, most, way->holder[i]);
		held[most] = 0;
	}
}

static void find_way(struct search *s, const struct respool_fit *fit, struct respool_in_way *way)
{
	unsigned long held[HOLDERS] = {};
	unsigned long page, end;

	s->region = RESPOOL_NO_PAGE;
	find_place(s, fit, way);
	if (way->page == RESPOOL_NO_PAGE)
		return;
	end = way->page + way->nr_pages;
	for (page = way->page; page < end && s->blocks >= BATCH; s->blocks -= BATCH)
		page = count_holders(s, page, end, held);
	name_holders(s, held, way);
}

/* Failures */

void respool_failures_init(struct respool_failures *failures)
{
	raw_spin_lock_init(&failures->lock);
	ratelimit_state_init(&failures->limit, HZ, FAILURES_PER_SECOND);
	/* What is passed over is counted here, not logged there. */
	ratelimit_set_flags(&failures->limit, RATELIMIT_MSG_ON_RELEASE);
}

static void note_request(struct respool *handle, const struct respool_fit *fit,
			 struct respool_failure *failure)
{
	failure->ns = local_clock();
	failure->fit = *fit;
	strscpy(failure->owner, handle->owner, sizeof(failure->owner));
	failure->pid = in_task() ? current->pid : 0;
	strscpy(failure->comm, in_task() ? current->comm : "(interrupt)", sizeof(failure->comm));
}

static void note_pool(struct respool_pool *pool, struct respool_failure *failure)
{
	unsigned int order = respool_order_of(failure->fit.nr_pages), k;
	u64 blocks[RESPOOL_BUDDY_ORDERS];
	struct respool_free sum;
	unsigned long flags;

	raw_spin_lock_irqsave(&pool->lock, flags);
	failure->free_pages = pool->buddy.free_pages;
	failure->largest = respool_buddy_largest_fit(&pool->buddy, &failure->fit);
	for (k = 0; k < RESPOOL_BUDDY_ORDERS; k++)
		blocks[k] = pool->buddy.nr_free[k];
	raw_spin_unlock_irqrestore(&pool->lock, flags);
	respool_free_sum(blocks, order, &sum);
	failure->extfrag = respool_extfrag_index(&sum, order);
}

/* Look into a request by @handle that was not served. Any context but NMI. */
void respool_failures_note(struct respool *handle, const struct respool_fit *fit, bool atomic,
			   unsigned long caller)
{
	struct respool_pool *pool = handle->pool;
	struct respool_failures *failures = &pool->failed;
	struct respool_failure failure = { .atomic = atomic, .caller = caller };
	struct search s = { .pool = pool, .places = MAX_PLACES, .blocks = MAX_BLOCKS };
	unsigned long flags;

	if (!__ratelimit(&failures->limit)) {
		atomic64_inc(&failures->passed_over);
		return;
	}
	note_request(handle, fit, &failure);
	note_pool(pool, &failure);
	find_way(&s, fit, &failure.way);
	raw_spin_lock_irqsave(&failures->lock, flags);
	failures->ring[failures->nr % RESPOOL_KEPT_FAILURES] = failure;
	WRITE_ONCE(failures->nr, failures->nr + 1);
	raw_spin_unlock_irqrestore(&failures->lock, flags);
}

/* Files */

/* A word, whatever a task calls itself. */
static void show_word(struct seq_file *m, const char *text)
{
	for (; *text; text++)
		seq_putc(m, isascii(*text) && isgraph(*text) ? *text : '?');
}

static void show_way(struct seq_file *m, const struct respool_in_way *way)
{
	unsigned int i;

	if (way->page == RESPOOL_NO_PAGE) {
		seq_puts(m, " - - -");
		return;
	}
	seq_printf(m, " %lu %lu ", way->page, way->held);
	if (!way->pages[0])
		seq_putc(m, '-');
	for (i = 0; i < RESPOOL_NAMED_OWNERS && way->pages[i]; i++)
		seq_printf(m, "%s%s=%lu", i ? "," : "", way->holder[i], way->pages[i]);
}

static void show_failure(struct seq_file *m, const struct respool_failure *failure)
{
	const struct respool_fit *fit = &failure->fit;
	u32 us;
	u64 s = div_u64_rem(failure->ns, NSEC_PER_SEC, &us);

	seq_printf(m, "%llu.%06u %s %lu %lu %lu %lu %d %lu %lu %d", s, us / 1000, failure->owner,
		   fit->nr_pages, 1UL << fit->align_order, fit->first, fit->last,
		   failure->atomic, failure->free_pages, failure->largest, failure->extfrag);
	show_way(m, &failure->way);
	seq_printf(m, " %d ", failure->pid);
	show_word(m, failure->comm);
	seq_printf(m, " %pS\n", (void *)failure->caller);
}

/* Number @n of all failures, if it is still there. */
static bool read_failure(struct respool_failures *failures, unsigned int n,
			 struct respool_failure *failure)
{
	unsigned long flags;
	bool there;

	raw_spin_lock_irqsave(&failures->lock, flags);
	there = failures->nr - n - 1 < RESPOOL_KEPT_FAILURES;
	if (there)
		*failure = failures->ring[n % RESPOOL_KEPT_FAILURES];
	raw_spin_unlock_irqrestore(&failures->lock, flags);
	return there;
}

void respool_failures_show(struct seq_file *m, struct respool_pool *pool)
{
	struct respool_failures *failures = &pool->failed;
	unsigned int end = READ_ONCE(failures->nr);
	unsigned int n = end - min_t(unsigned int, end, RESPOOL_KEPT_FAILURES);
	struct respool_failure failure;

	seq_puts(m, "time owner pages align_pages first_page last_page atomic free_pages largest_pages");
	seq_puts(m, " extfrag_permille place held_pages in_the_way pid task caller\n");
	for (; n != end; n++)
		if (read_failure(failures, n, &failure))
			show_failure(m, &failure);
	seq_printf(m, "\npassed_over %llu\n", (u64)atomic64_read(&failures->passed_over));
}

static bool would_succeed(struct respool_pool *pool, const struct respool_fit *fit)
{
	unsigned long flags;
	bool would;

	raw_spin_lock_irqsave(&pool->lock, flags);
	would = !*pool->broken && respool_buddy_largest_fit(&pool->buddy, fit) >= fit->nr_pages;
	raw_spin_unlock_irqrestore(&pool->lock, flags);
	return would;
}

/* What failures say, of requests nobody made: one of each order. Process context. */
void respool_why_show(struct seq_file *m, struct respool_pool *pool)
{
	struct respool_in_way way = {};
	unsigned int order;

	seq_puts(m, "order now place held_pages in_the_way\n");
	for (order = 0; order <= pool->buddy.max_order; order++) {
		struct search s = { .pool = pool, .places = WHY_PLACES, .blocks = WHY_BLOCKS };
		const struct respool_fit fit = {
			.nr_pages = 1UL << order, .last = pool->buddy.nr_pages - 1,
		};

		way.page = RESPOOL_NO_PAGE;
		if (would_succeed(pool, &fit)) {
			seq_printf(m, "%u yes", order);
		} else {
			seq_printf(m, "%u no", order);
			find_way(&s, &fit, &way);
		}
		show_way(m, &way);
		seq_putc(m, '\n');
		cond_resched();
	}
}
