// SPDX-License-Identifier: GPL-2.0
/*
 * The page layer's magazines, the module's own, on some CPUs in turn: no page is
 * handed out twice, none is lost, and no request fails while its block is free.
 *
 * One thread is all CPUs, a call at a time. Now and then a call meets the lock of
 * its CPU taken, as an interrupt does.
 */
#include <stdlib.h>

#include "buddy/magazine.h"
#include "harness.h"

#define MAX_PAGES	(1UL << 17)
#define MAX_ROW		8192		/* pages that come and go in a row */
#define LAST_ROWS	4
#define EPISODE_STEPS	20000

__thread unsigned int this_cpu;
__thread unsigned long lock_holds;

struct held {
	u32 page;
	u8 order;
	bool any;	/* freed by who does not know the order */
};

struct episode {
	struct choices *c;
	struct respool_magazines magazines;
	struct respool_buddy buddy;
	raw_spinlock_t lock;
	unsigned long nr_pages, base_pfn;
	void *mem;
	bool taken[MAX_PAGES];
	struct held live[MAX_PAGES];
	unsigned long nr_live, live_pages, live_of[RESPOOL_BUDDY_ORDERS];
	unsigned int alloc_percent;
};

/* Seen in all episodes. */
static unsigned long most_words, most_regions, failures;

static bool is_free(const struct episode *e, unsigned long page, unsigned int order)
{
	unsigned long i;

	for (i = page; i < page + BIT(order); i++)
		if (e->taken[i])
			return false;
	return true;
}

static unsigned long first_aligned(const struct episode *e, unsigned int order)
{
	return round_up(e->base_pfn, BIT(order)) - e->base_pfn;
}

/* Whether nobody holds a page of some block of @order. */
static bool is_there(const struct episode *e, unsigned int order)
{
	unsigned long page;

	for (page = first_aligned(e, order); page + BIT(order) <= e->nr_pages; page += BIT(order))
		if (is_free(e, page, order))
			return true;
	return false;
}

/* As respool_try_alloc() and respool_alloc_pages() of buddy/pool.c. */
static unsigned long alloc_block(struct episode *e, unsigned int order, unsigned int tag)
{
	unsigned long page = respool_magazine_pop(&e->magazines, order, tag);

	if (page == RESPOOL_NO_PAGE)
		page = respool_magazine_refill(&e->magazines, order, tag);
	if (page == RESPOOL_NO_PAGE)
		page = respool_buddy_alloc(&e->buddy, order, tag);
	return page;
}

static bool free_block(struct episode *e, unsigned long page, unsigned int order)
{
	unsigned int known = order == RESPOOL_ANY_ORDER ? 0 : order;
	struct respool_block block;

	return respool_magazine_push(&e->magazines, page, known, order == RESPOOL_ANY_ORDER) ||
	       respool_magazine_spill(&e->magazines, page, order) ||
	       !respool_buddy_free(&e->buddy, page, order, &block);
}

static bool alloc(struct episode *e, unsigned int order)
{
	unsigned long page, i;

	doing("alloc of order %ld on cpu %ld", order, this_cpu);
	page = alloc_block(e, order, choose(e->c, RESPOOL_BUDDY_TAGS));
	if (page == RESPOOL_NO_PAGE) {
		respool_magazines_drain(&e->magazines);
		page = alloc_block(e, order, 0);
	}
	if (page == RESPOOL_NO_PAGE) {
		failures++;
		if (is_there(e, order))
			differ("there is none, but it is free");
		return false;
	}
	if (page + BIT(order) > e->nr_pages || (e->base_pfn + page) % BIT(order))
		differ("it is at page %lu", page);
	if (!is_free(e, page, order))
		differ("page %lu is somebody else's", page);
	for (i = page; i < page + BIT(order); i++)
		e->taken[i] = true;
	e->live[e->nr_live++] = (struct held){ page, order, chance(e->c, 50) };
	e->live_of[order]++;
	e->live_pages += BIT(order);
	return true;
}

static void free_one(struct episode *e, unsigned long nr)
{
	struct held h = e->live[nr];
	unsigned int order = h.any ? RESPOOL_ANY_ORDER : h.order;
	unsigned long i;

	doing("free of order %ld at page %ld", h.order, h.page);
	e->live[nr] = e->live[--e->nr_live];
	e->live_of[h.order]--;
	e->live_pages -= BIT(h.order);
	for (i = h.page; i < h.page + BIT(h.order); i++)
		e->taken[i] = false;
	if (!free_block(e, h.page, order))
		differ("it is refused");
	if (chance(e->c, 5) && free_block(e, h.page, order))
		differ("it is freed once more");
}

/* What one takes for a while and gives back in one go, in the order of its pages or against it. */
static void come_and_go(struct episode *e)
{
	unsigned int order = choose(e->c, 5), nr = 1 + choose(e->c, MAX_ROW >> order);
	unsigned long first = e->nr_live, got, i;
	bool forth = chance(e->c, 50);

	while (e->nr_live - first < nr && alloc(e, order))
		;
	got = e->nr_live - first;
	/* The last one takes the place of each that goes. */
	for (i = 0; forth && i < got / 2; i++) {
		struct held h = e->live[first + i];

		e->live[first + i] = e->live[e->nr_live - 1 - i];
		e->live[e->nr_live - 1 - i] = h;
	}
	this_cpu = choose(e->c, MAX_CPUS);
	while (e->nr_live > first)
		free_one(e, e->nr_live - 1);
}

static unsigned long cached(struct episode *e, unsigned int order)
{
	unsigned long nr = 0;
	unsigned int cpu;

	for_each_possible_cpu(cpu)
		nr += respool_cpu_cached(per_cpu_ptr(e->magazines.cpu, cpu), order);
	return nr;
}

static void check_magazine(const struct respool_magazine *magazine)
{
	if (magazine->nr > magazine->high)
		differ("a magazine has %u blocks, and may have %u", magazine->nr, magazine->high);
}

static void check_magazines(struct respool_cpu *cpu)
{
	unsigned int order;

	for (order = 0; order < RESPOOL_MAGAZINES; order++)
		check_magazine(&cpu->magazine[order]);
	check_magazine(&cpu->words);
	check_magazine(&cpu->regions);
	most_words = max_t(unsigned long, most_words, cpu->words.nr);
	most_regions = max_t(unsigned long, most_regions, cpu->regions.nr);
}

static void check(struct episode *e)
{
	unsigned long page, cached_pages = 0;
	unsigned int cpu, order;
	const char *broken;

	doing("check", 0, 0);
	for_each_possible_cpu(cpu)
		check_magazines(per_cpu_ptr(e->magazines.cpu, cpu));
	respool_magazines_lock(&e->magazines);
	respool_magazines_settle(&e->magazines);
	broken = respool_buddy_validate(&e->buddy, &page);
	if (broken)
		differ("%s at page %ld", broken, (long)page);
	for (order = 0; order < RESPOOL_BUDDY_ORDERS; order++) {
		unsigned long nr = order < RESPOOL_MAGAZINES ? cached(e, order) : 0;

		cached_pages += nr << order;
		expect_equal("blocks that are not in the core", e->buddy.nr_allocated[order],
			     e->live_of[order] + nr);
	}
	expect_equal("pages", e->buddy.free_pages + e->live_pages + cached_pages, e->nr_pages);
	respool_magazines_unlock(&e->magazines);
}

/* In an interrupt that came while its CPU's magazines were in use. */
static void interrupt(struct episode *e)
{
	struct respool_cpu_lock *lock = &per_cpu_ptr(e->magazines.cpu, this_cpu)->lock;
	unsigned int order = choose(e->c, 4);
	unsigned long page;

	doing("interrupt on cpu %ld, order %ld", this_cpu, order);
	if (!respool_cpu_lock_try(lock))
		differ("the lock is taken");
	page = alloc_block(e, order, 0);
	if (page != RESPOOL_NO_PAGE && !is_free(e, page, order))
		differ("page %lu is somebody else's", page);
	if (page != RESPOOL_NO_PAGE && !free_block(e, page, order))
		differ("the free is refused");
	respool_cpu_unlock(lock);
}

static void change_mood(struct episode *e)
{
	static const unsigned int percent[] = { 0, 10, 45, 55, 80 };

	e->alloc_percent = percent[choose(e->c, ARRAY_SIZE(percent))];
	check(e);
	doing("drain", 0, 0);
	if (chance(e->c, 10))
		respool_magazines_drain(&e->magazines);
	else if (chance(e->c, 20))
		respool_magazines_drain_order(&e->magazines, choose(e->c, RESPOOL_MAGAZINES),
					      chance(e->c, 50));
	else if (chance(e->c, 10))
		respool_magazines_drain_cpu(&e->magazines, choose(e->c, MAX_CPUS));
}

static void do_step(struct episode *e)
{
	unsigned int order = choose(e->c, chance(e->c, 70) ? 4 : RESPOOL_MAGAZINES + 1);
	u32 kind = choose(e->c, 10000);

	if (chance(e->c, 10))
		this_cpu = choose(e->c, MAX_CPUS);
	if (kind < 40)
		change_mood(e);
	else if (kind < 60)
		come_and_go(e);
	else if (kind < 200)
		interrupt(e);
	else if (!e->nr_live || chance(e->c, e->alloc_percent))
		alloc(e, order);
	else
		free_one(e, choose(e->c, e->nr_live));
}

static void init(struct episode *e)
{
	size_t bytes;

	e->nr_pages = 1 + choose(e->c, chance(e->c, 30) ? 2000 : MAX_PAGES);
	e->base_pfn = chance(e->c, 50) ? 0 : choose(e->c, 1 << 20);
	bytes = respool_buddy_footprint(e->nr_pages, e->base_pfn);
	e->mem = aligned_alloc(64, round_up(bytes, 64));
	pthread_spin_init(&e->lock, PTHREAD_PROCESS_PRIVATE);
	if (!e->mem || respool_buddy_init(&e->buddy, e->mem, e->nr_pages, e->base_pfn) ||
	    respool_magazines_init(&e->magazines, &e->buddy, &e->lock, chance(e->c, 95)))
		differ("there is no pool");
	e->alloc_percent = 60;
}

static void cpus_episode(struct choices *c, unsigned long max_steps)
{
	struct episode *e = must_zalloc(1, sizeof(*e));
	unsigned int i;

	e->c = c;
	init(e);
	while (steps_done() < min_t(unsigned long, EPISODE_STEPS, max_steps)) {
		count_step();
		do_step(e);
	}
	while (e->nr_live)
		free_one(e, choose(c, e->nr_live));
	/* What is free in one piece comes back in one piece, and is joined. */
	for (i = 0; i < LAST_ROWS; i++)
		come_and_go(e);
	check(e);
	respool_magazines_drain(&e->magazines);
	check(e);
	expect_equal("free pages", e->buddy.free_pages, e->nr_pages);
	respool_magazines_destroy(&e->magazines);
	free(e->mem);
	free(e);
}

static void print_seen(void)
{
	printf("# at most %lu words and %lu regions on a CPU; %lu requests failed\n",
	       most_words, most_regions, failures);
}

int main(int argc, char **argv)
{
	atexit(print_seen);
	return run_episodes(argc, argv, cpus_episode);
}
