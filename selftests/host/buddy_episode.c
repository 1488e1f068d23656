// SPDX-License-Identifier: GPL-2.0
/*
 * One pool from init to empty again: every answer of the page layer's core is
 * compared with the twin's.
 *
 * What costs a constant is compared after every step. What costs a walk of the
 * pool (validate, find for every page, "a refusal changed nothing") is done
 * after every step of a small pool and at intervals in a large one, so that a
 * step costs about the same in both.
 */
#include <stdlib.h>

#include "buddy_episode.h"
#include "buddy_twin.h"

#define SMALL_POOL	100	/* pages: up to that every step walks the pool */
#define PAGES_PER_STEP	16	/* beyond, a step walks that many on average */

struct episode {
	struct choices *c;
	struct respool_buddy core;
	struct buddy_twin twin;
	unsigned long walk_every;	/* steps between two walks of the pool */
	unsigned int alloc_percent;	/* of the steps that allocate or free */
	unsigned int order_limit;	/* allocations rarely ask for more */

	void *mem;			/* the core's metadata */
	size_t size;
	struct respool_buddy core_before;
	void *mem_before;
	bool remembered;
};

static bool walk_is_due(const struct episode *e)
{
	return steps_done() % e->walk_every == 0;
}

/* Refusals must leave every byte of the core as it was. */
static void remember(struct episode *e)
{
	e->remembered = walk_is_due(e);
	e->core_before = e->core;
	if (e->remembered)
		memcpy(e->mem_before, e->mem, e->size);
}

static void expect_unchanged(const struct episode *e)
{
	if (memcmp(&e->core_before, &e->core, sizeof(e->core)))
		differ("a refused call changed struct respool_buddy");
	if (e->remembered && memcmp(e->mem_before, e->mem, e->size))
		differ("a refused call changed the metadata");
}

static void compare_counts(const struct episode *e)
{
	const struct respool_buddy *b = &e->core;
	const struct buddy_twin *t = &e->twin;
	unsigned int k;

	for (k = 0; k < RESPOOL_BUDDY_ORDERS; k++) {
		expect_equal("nr_free", b->nr_free[k], buddy_twin_nr_free(t, k));
		expect_equal("nr_allocated", b->nr_allocated[k], t->allocated[k]);
	}
	expect_equal("allocated_pages", b->allocated_pages, t->taken_pages);
	expect_equal("free_pages", b->free_pages, t->nr_pages - t->taken_pages);
	expect_equal("largest free order", respool_buddy_largest_free_order(b),
		     buddy_twin_largest_free_order(t));
	expect_equal("free regions", respool_buddy_free_regions(b),
		     t->whole[RESPOOL_REGION_ORDER]);
}

static void expect_valid(const struct episode *e)
{
	unsigned long page = RESPOOL_NO_PAGE;
	const char *broken = respool_buddy_validate(&e->core, &page);

	if (broken)
		differ("validate says \"%s\" at page %ld", broken, (long)page);
}

static void compare_block(const struct respool_block *core, const struct respool_block *twin)
{
	expect_equal("first page", core->page, twin->page);
	expect_equal("pages", core->nr_pages, twin->nr_pages);
	expect_equal("order", core->order, twin->order);
	if (twin->kind == RESPOOL_PAGE_ALLOCATED)
		expect_equal("tag", core->tag, twin->tag);
}

static void compare_find(const struct episode *e, unsigned long page)
{
	struct respool_block core, twin;

	respool_buddy_find(&e->core, page, &core);
	buddy_twin_find(&e->twin, page, &twin);
	expect_equal("kind", core.kind, twin.kind);
	if (twin.kind != RESPOOL_PAGE_OUTSIDE)
		compare_block(&core, &twin);
}

static void compare_all(const struct episode *e)
{
	unsigned long page;

	expect_valid(e);
	for (page = 0; page < e->twin.nr_pages; page++)
		compare_find(e, page);
}

/* An order that fits the pool, one too large, or one that is no order at all. */
static unsigned int choose_order(struct episode *e)
{
	static const unsigned int absurd[] = { 32, 33, 63, 64, 65, RESPOOL_ANY_ORDER };

	switch (choose(e->c, 32)) {
	case 0:
		return absurd[choose(e->c, ARRAY_SIZE(absurd))];
	case 1:
		return choose(e->c, e->twin.max_order + 2);
	default:
		return min(choose(e->c, e->order_limit + 1), choose(e->c, e->order_limit + 1));
	}
}

static unsigned long choose_count(struct episode *e)
{
	static const unsigned long absurd[] = { 0, 1UL << 32, 1UL << 63, ~0UL };

	switch (choose(e->c, 32)) {
	case 0:
		return absurd[choose(e->c, ARRAY_SIZE(absurd))];
	case 1:
		return 1 + choose(e->c, e->twin.nr_pages + 1);
	default:
		return 1 + choose(e->c, 2U << choose(e->c, e->order_limit + 1));
	}
}

static int order_for(unsigned long nr_pages)
{
	int k = 0;

	while (k < 64 && BIT(k) < nr_pages)
		k++;
	return k;
}

/* Compare what an allocation of @nr_pages from an aligned 2^@k returned. */
static void compare_alloc(struct episode *e, unsigned long page, unsigned long nr_pages,
			  int k, unsigned int tag)
{
	if (!nr_pages || k > e->twin.max_order || !e->twin.whole[k]) {
		if (page != RESPOOL_NO_PAGE)
			differ("got page %lu where there is no free block of order %d", page, k);
		expect_unchanged(e);
		return;
	}
	if (page == RESPOOL_NO_PAGE)
		differ("got nothing with %lu free blocks of order %d", e->twin.whole[k], k);
	if ((e->twin.base_pfn + page) & (BIT(k) - 1))
		differ("page %lu is not aligned to order %d", page, k);
	buddy_twin_take(&e->twin, page, nr_pages, ilog2(nr_pages), tag);
	compare_find(e, page);
	compare_find(e, page + nr_pages - 1);
}

static void alloc_order(struct episode *e)
{
	unsigned int order = choose_order(e);
	unsigned int tag = choose(e->c, RESPOOL_BUDDY_TAGS);

	doing("alloc of order %ld with tag %ld", (int)order, tag);
	remember(e);
	compare_alloc(e, respool_buddy_alloc(&e->core, order, tag),
		      order < 64 ? BIT(order) : ~0UL, min(order, 64U), tag);
}

static void alloc_exact(struct episode *e)
{
	unsigned long nr_pages = choose_count(e);
	unsigned int tag = choose(e->c, RESPOOL_BUDDY_TAGS);

	doing("alloc of exactly %ld pages with tag %ld", nr_pages, tag);
	remember(e);
	compare_alloc(e, respool_buddy_alloc_exact(&e->core, nr_pages, tag),
		      nr_pages, order_for(nr_pages), tag);
}

static int expected_free(const struct buddy_twin *t, unsigned long page, unsigned int order)
{
	if (page >= t->nr_pages)
		return -EFAULT;
	if (t->head[page] == TWIN_FREE)
		return -EALREADY;
	if (t->head[page] != page)
		return -EINVAL;
	if (order != RESPOOL_ANY_ORDER &&
	    (t->block[page].order != order || t->block[page].nr_pages != BIT(order)))
		return -ERANGE;
	return 0;
}

/* Free @page as @order, rightly or wrongly: the twin knows the answer. */
static void free_as(struct episode *e, unsigned long page, unsigned int order)
{
	struct respool_block freed, block;
	int expected = expected_free(&e->twin, page, order);

	doing("free of page %ld as order %ld", page, (int)order);
	remember(e);
	buddy_twin_find(&e->twin, page, &block);
	expect_equal("free", respool_buddy_free(&e->core, page, order, &freed), expected);
	if (expected) {
		expect_unchanged(e);
		return;
	}
	compare_block(&freed, &block);
	buddy_twin_give(&e->twin, page);
	compare_find(e, page);
	compare_find(e, page + block.nr_pages - 1);
}

static unsigned long choose_live(struct episode *e)
{
	return e->twin.live[choose(e->c, e->twin.nr_live)];
}

static void free_rightly(struct episode *e, unsigned long page)
{
	const struct twin_block *block = &e->twin.block[page];
	bool exact = block->nr_pages != BIT(block->order);

	free_as(e, page, exact || chance(e->c, 25) ? RESPOOL_ANY_ORDER : block->order);
}

/* Any page in or just outside the pool, often one where a block begins or ends. */
static unsigned long choose_page(struct episode *e)
{
	static const unsigned long absurd[] = { 0, 1UL << 32, 1UL << 63, ~1UL, RESPOOL_NO_PAGE };
	unsigned long page;

	if (chance(e->c, 10))
		return e->twin.nr_pages + absurd[choose(e->c, ARRAY_SIZE(absurd))];
	if (!e->twin.nr_live || chance(e->c, 40))
		return choose(e->c, e->twin.nr_pages);
	page = choose_live(e);
	return page + choose(e->c, e->twin.block[page].nr_pages);
}

static void free_anything(struct episode *e)
{
	unsigned long page = choose_page(e);

	free_as(e, page, chance(e->c, 30) ? RESPOOL_ANY_ORDER : choose_order(e));
}

static void find_anything(struct episode *e)
{
	unsigned long page = choose_page(e);

	doing("find of page %ld", page, 0);
	compare_find(e, page);
}

static void change_mood(struct episode *e)
{
	static const unsigned int percent[] = { 5, 40, 50, 60, 95 };

	doing("nothing", 0, 0);
	e->alloc_percent = percent[choose(e->c, ARRAY_SIZE(percent))];
	e->order_limit = choose(e->c, choose(e->c, e->twin.max_order + 1) + 1);
}

/* Mostly allocations and frees; a tenth of the steps are mistakes and looks. */
static void do_step(struct episode *e)
{
	u32 kind = choose(e->c, 256);

	if (kind == 0)
		change_mood(e);
	else if (kind < 20)
		free_anything(e);
	else if (kind < 28)
		find_anything(e);
	else if (chance(e->c, e->alloc_percent) && kind < 60)
		alloc_exact(e);
	else if (chance(e->c, e->alloc_percent) || !e->twin.nr_live)
		alloc_order(e);
	else
		free_rightly(e, choose_live(e));
	compare_counts(e);
	if (walk_is_due(e))
		compare_all(e);
}

/* Most pools are tiny, where every step is walked; few are large, for a fuzzer none. */
static unsigned long choose_pages(struct choices *c)
{
	u32 kind = choose(c, 64);

	if (choices_are_bytes(c))
		return 1 + choose(c, 1 << choose(c, 13));
	if (kind < 1)
		return 1 + choose(c, 1 << 19);
	if (kind < 8)
		return 1 + choose(c, 1 << 14);
	if (kind < 24)
		return 1 + choose(c, 1 << 12);
	return 1 + choose(c, 1 << choose(c, 8));
}

/* Any alignment, from none to that of the largest block. */
static unsigned long choose_base(struct choices *c)
{
	unsigned long base = choose(c, 1 << 24);

	return base >> choose(c, 25) << choose(c, 25);
}

static void set_up(struct episode *e)
{
	unsigned long nr_pages = choose_pages(e->c), base_pfn = choose_base(e->c);

	doing("init of %ld pages at page frame %ld", nr_pages, base_pfn);
	buddy_twin_init(&e->twin, nr_pages, base_pfn);
	e->size = respool_buddy_footprint(nr_pages, base_pfn);
	e->mem = must_zalloc(1, e->size);
	e->mem_before = must_alloc(e->size);
	e->walk_every = nr_pages <= SMALL_POOL ? 1 : nr_pages / PAGES_PER_STEP;
	expect_equal("init", respool_buddy_init(&e->core, e->mem, nr_pages, base_pfn), 0);
	expect_equal("max_order", e->core.max_order, e->twin.max_order);
	change_mood(e);
	compare_counts(e);
	compare_all(e);
}

/* With every block freed the pool is again what it was at init. */
static void drain(struct episode *e)
{
	while (e->twin.nr_live) {
		free_rightly(e, e->twin.live[e->twin.nr_live - 1]);
		compare_counts(e);
	}
	compare_all(e);
}

void buddy_episode(struct choices *c, unsigned long max_steps)
{
	struct episode e = { .c = c };
	unsigned long steps;

	set_up(&e);
	steps = 2000 + e.walk_every * choose(c, 32);
	steps = min(steps, max_steps);
	while (steps_done() < steps && choices_left(c)) {
		count_step();
		do_step(&e);
	}
	drain(&e);
	free(e.mem_before);
	free(e.mem);
	buddy_twin_exit(&e.twin);
}
