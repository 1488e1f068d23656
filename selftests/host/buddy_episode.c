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

#include "buddy_bound.h"
#include "buddy_episode.h"
#include "buddy_twin.h"

#define SMALL_POOL	100	/* pages: up to that every step walks the pool */
#define PAGES_PER_STEP	16	/* beyond, a step walks that many on average */
#define LOOKS_PER_BLOCK	32	/* pages of a new block that are looked at, at most */

/* As in buddy/magazine.h. */
#define MAGAZINES	11	/* orders 0..10 */
#define MAGAZINE_SIZE	63
#define BATCH_SIZE	40

struct magazine {
	u32 nr;
	u32 page[MAGAZINE_SIZE];
};

struct episode {
	struct choices *c;
	struct respool_buddy core;
	struct buddy_twin twin;
	struct magazine magazine[MAGAZINES];
	unsigned long peak_pages;
	unsigned long walk_every;	/* steps between two walks of the pool */
	unsigned int alloc_percent;	/* of the steps that allocate or free */
	unsigned int order_limit;	/* allocations rarely ask for more */

	void *mem;			/* the core's metadata */
	size_t size;
	struct respool_buddy core_before;
	void *mem_before;
	bool remembered;
	unsigned long work_before;
};

static bool walk_is_due(const struct episode *e)
{
	return steps_done() % e->walk_every == 0;
}

/*
 * Refusals must leave every byte of the core as it was, and a call must do no
 * more than its bound allows.
 */
static void remember(struct episode *e)
{
	e->remembered = walk_is_due(e);
	e->core_before = e->core;
	if (e->remembered)
		memcpy(e->mem_before, e->mem, e->size);
	e->work_before = work_done();
}

static void expect_bounded(const struct episode *e, unsigned long bound)
{
	unsigned long work = work_done() - e->work_before;

	if (work > bound)
		differ("the call did %lu units of work and %lu is its bound", work, bound);
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
	unsigned long taken = t->pages[RESPOOL_PAGE_ALLOCATED] + t->pages[RESPOOL_PAGE_CACHED];
	unsigned int k;

	for (k = 0; k < RESPOOL_BUDDY_ORDERS; k++) {
		expect_equal("nr_free", b->nr_free[k], buddy_twin_nr_free(t, k));
		expect_equal("nr_allocated", b->nr_allocated[k], t->allocated[k]);
	}
	expect_equal("allocated_pages", b->allocated_pages, taken);
	expect_equal("peak_pages", b->peak_pages, e->peak_pages);
	expect_equal("free_pages", b->free_pages, t->pages[RESPOOL_PAGE_FREE]);
	expect_equal("reserved_pages", b->reserved_pages, t->pages[RESPOOL_PAGE_RESERVED]);
	expect_equal("bad_pages", b->bad_pages, t->pages[RESPOOL_PAGE_BAD]);
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

/* Find must be right wherever one looks: at each page of a short block, at some of a long one. */
static void compare_block_pages(const struct episode *e, unsigned long page,
				unsigned long nr_pages)
{
	unsigned long i;

	for (i = 0; i < nr_pages; i += DIV_ROUND_UP(nr_pages, LOOKS_PER_BLOCK))
		compare_find(e, page + i);
	compare_find(e, page + nr_pages - 1);
}

static bool map_bit(const u64 *map, unsigned long bit)
{
	return map[bit / 64] & BIT_ULL(bit % 64);
}

/* Region @r in a drawing, a bit a page; the first region may begin before the pool. */
static void compare_map(const struct episode *e, unsigned long r)
{
	u64 pool[RESPOOL_REGION_PAGES / 64], free[RESPOOL_REGION_PAGES / 64];
	unsigned long lead = e->twin.base_pfn % RESPOOL_REGION_PAGES, i;
	enum respool_page_kind kind;

	respool_buddy_region_map(&e->core, r, pool, free);
	for (i = 0; i < RESPOOL_REGION_PAGES; i++) {
		kind = buddy_twin_kind(&e->twin, r * RESPOOL_REGION_PAGES + i - lead);
		expect_equal("pool in the map", map_bit(pool, i), kind != RESPOOL_PAGE_OUTSIDE);
		expect_equal("free in the map", map_bit(free, i), kind == RESPOOL_PAGE_FREE);
	}
}

static void compare_all(const struct episode *e)
{
	unsigned long page;

	expect_valid(e);
	for (page = 0; page < e->twin.nr_pages; page++)
		compare_find(e, page);
	compare_map(e, choose(e->c, e->core.nr_regions));
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

/* The twin hands out what the core has handed out. */
static void take_block(struct episode *e, unsigned long page, unsigned long nr_pages,
		       enum respool_page_kind kind, unsigned int tag)
{
	const struct buddy_twin *t = &e->twin;

	buddy_twin_take(&e->twin, page, nr_pages, kind, tag);
	e->peak_pages = max(e->peak_pages, t->pages[RESPOOL_PAGE_ALLOCATED] +
					   t->pages[RESPOOL_PAGE_CACHED]);
	compare_block_pages(e, page, nr_pages);
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
	take_block(e, page, nr_pages, RESPOOL_PAGE_ALLOCATED, tag);
}

static void alloc_order(struct episode *e)
{
	unsigned int order = choose_order(e);
	unsigned int tag = choose(e->c, RESPOOL_BUDDY_TAGS);
	unsigned long page;

	doing("alloc of order %ld with tag %ld", (int)order, tag);
	remember(e);
	page = respool_buddy_alloc(&e->core, order, tag);
	expect_bounded(e, bound_of_block(&e->core));
	compare_alloc(e, page, order < 64 ? BIT(order) : ~0UL, min(order, 64U), tag);
}

static void alloc_exact(struct episode *e)
{
	unsigned long nr_pages = choose_count(e), page;
	unsigned int tag = choose(e->c, RESPOOL_BUDDY_TAGS);

	doing("alloc of exactly %ld pages with tag %ld", nr_pages, tag);
	remember(e);
	page = respool_buddy_alloc_exact(&e->core, nr_pages, tag);
	expect_bounded(e, bound_of_parts(&e->core));
	compare_alloc(e, page, nr_pages, order_for(nr_pages), tag);
}

/* Conditions */

/* Anywhere, just the pages asked for, a window, or what is no range at all. */
static void choose_range(struct episode *e, struct respool_fit *fit)
{
	unsigned long nr_pages = e->twin.nr_pages;

	switch (choose(e->c, 8)) {
	case 0:
		fit->first = choose(e->c, nr_pages + 2);
		fit->last = choose(e->c, nr_pages + 2);
		break;
	case 1:
		fit->last = nr_pages - 1 + choose(e->c, 2);
		break;
	case 2:
		fit->last = RESPOOL_NO_PAGE;
		break;
	case 3:
		fit->first = choose(e->c, nr_pages);
		fit->last = fit->first + fit->nr_pages - 1;
		break;
	default:
		fit->first = choose(e->c, nr_pages);
		fit->last = fit->first + choose(e->c, 2U << choose(e->c, e->twin.max_order + 1));
	}
}

static void choose_fit(struct episode *e, struct respool_fit *fit)
{
	*fit = (struct respool_fit){
		.nr_pages = choose_count(e),
		.top_down = chance(e->c, 50),
		.scan = chance(e->c, 50),
	};
	if (chance(e->c, 40))
		fit->align_order = choose_order(e);
	choose_range(e, fit);
}

/* A scan, or a look at the very pages asked for, takes its time. */
static bool fit_is_bounded(const struct episode *e, const struct respool_fit *fit)
{
	unsigned long last = min(fit->last, e->twin.nr_pages - 1);

	return !fit->scan && last - fit->first + 1 != fit->nr_pages;
}

static void alloc_fit(struct episode *e)
{
	unsigned int tag = choose(e->c, RESPOOL_BUDDY_TAGS);
	unsigned long page, expected;
	struct respool_fit fit;

	choose_fit(e, &fit);
	doing("alloc of %ld pages in a range of %ld", fit.nr_pages, fit.last - fit.first + 1);
	expected = buddy_twin_fit(&e->twin, &fit);
	remember(e);
	page = respool_buddy_alloc_fit(&e->core, &fit, tag);
	if (fit_is_bounded(e, &fit))
		expect_bounded(e, bound_of_fit(&e->core));
	if (page != expected)
		differ("got page %ld and not %ld with first %ld, last %ld, align %u%s%s",
		       (long)page, (long)expected, (long)fit.first, (long)fit.last,
		       fit.align_order, fit.top_down ? ", top-down" : "",
		       fit.scan ? ", scan" : "");
	if (page == RESPOOL_NO_PAGE)
		expect_unchanged(e);
	else
		take_block(e, page, fit.nr_pages, RESPOOL_PAGE_ALLOCATED, tag);
}

static void largest_fit(struct episode *e)
{
	struct respool_fit fit;

	choose_fit(e, &fit);
	doing("largest of pages %ld to %ld", fit.first, fit.last);
	remember(e);
	expect_equal("largest fit", respool_buddy_largest_fit(&e->core, &fit),
		     buddy_twin_largest_fit(&e->twin, &fit));
	expect_unchanged(e);
}

/* Batches and magazines */

/* A batch may fall short, but has something if there is a block, above the watermark. */
static void expect_batch(const struct episode *e, unsigned int order, unsigned int nr,
			 unsigned int got)
{
	unsigned long needed = e->core.watermark + ((unsigned long)nr << order);
	bool possible = (int)order <= e->twin.max_order && e->twin.whole[order] &&
			e->twin.pages[RESPOOL_PAGE_FREE] >= needed;

	if (possible ? !got || got > nr : got)
		differ("got a batch of %u blocks where %s to %u are possible", got,
		       possible ? "1" : "0", possible ? nr : 0);
}

static void alloc_batch(struct episode *e)
{
	unsigned int order = choose(e->c, MAGAZINES);
	struct magazine *m = &e->magazine[order];
	unsigned int nr = 1 + choose(e->c, BATCH_SIZE), got, i;

	nr = min(nr, MAGAZINE_SIZE - m->nr);
	if (!nr)
		return;
	doing("batch of %ld blocks of order %ld", nr, order);
	remember(e);
	got = respool_buddy_alloc_batch(&e->core, order, nr, m->page + m->nr);
	expect_bounded(e, bound_of_batch(&e->core, nr));
	expect_batch(e, order, nr, got);
	if (!got)
		expect_unchanged(e);
	for (i = 0; i < got; i++)
		take_block(e, m->page[m->nr++], BIT(order), RESPOOL_PAGE_CACHED, 0);
}

/* Give back up to @nr of the oldest blocks of a magazine, at least one. */
static void free_batch(struct episode *e, unsigned int order, unsigned int nr)
{
	struct magazine *m = &e->magazine[order];
	unsigned int i, asked = nr;

	doing("free of a batch of %ld blocks of order %ld", nr, order);
	remember(e);
	nr = respool_buddy_free_batch(&e->core, order, nr, m->page);
	expect_bounded(e, bound_of_free_batch(&e->core, asked));
	if (nr > asked || !nr != !asked)
		differ("gave back %u blocks of %u", nr, asked);
	for (i = 0; i < nr; i++)
		buddy_twin_give(&e->twin, m->page[i]);
	for (i = 0; i < nr; i++)
		compare_block_pages(e, m->page[i], BIT(order));
	m->nr -= nr;
	memmove(m->page, m->page + nr, m->nr * sizeof(m->page[0]));
}

static void free_some_batch(struct episode *e)
{
	unsigned int order = choose(e->c, MAGAZINES);

	free_batch(e, order, choose(e->c, e->magazine[order].nr + 1));
}

/* What a magazine does to the state byte when it serves a client. */
static void pop(struct episode *e)
{
	unsigned int order = choose(e->c, MAGAZINES), tag = choose(e->c, RESPOOL_BUDDY_TAGS);
	struct magazine *m = &e->magazine[order];
	unsigned long page;

	if (!m->nr)
		return;
	page = m->page[--m->nr];
	doing("page %ld leaves the magazine of order %ld", page, order);
	respool_state_mark(e->core.state + page, order, tag);
	buddy_twin_change(&e->twin, page, RESPOOL_PAGE_ALLOCATED, tag);
	compare_block_pages(e, page, BIT(order));
}

static unsigned long choose_live(struct episode *e)
{
	return e->twin.live[choose(e->c, e->twin.nr_live)];
}

/* And when it takes a block from one; where the owner stood it may still stand. */
static void push(struct episode *e)
{
	const struct twin_block *block;
	struct magazine *m;
	unsigned long page;

	if (!e->twin.nr_live)
		return;
	page = choose_live(e);
	block = &e->twin.block[page];
	if (block->order >= MAGAZINES || block->nr_pages != BIT(block->order))
		return;
	m = &e->magazine[block->order];
	if (m->nr == MAGAZINE_SIZE)
		return;
	doing("page %ld enters the magazine of order %ld", page, block->order);
	e->core.state[page] = RESPOOL_STATE_CACHED | block->order;
	m->page[m->nr++] = page;
	buddy_twin_change(&e->twin, page, RESPOOL_PAGE_CACHED, 0);
	compare_block_pages(e, page, block->nr_pages);
}

static void set_watermark(struct episode *e)
{
	doing("watermark", 0, 0);
	e->core.watermark = chance(e->c, 50) ? 0 : choose(e->c, e->twin.nr_pages + 2);
}

/* Free */

static int expected_free(const struct buddy_twin *t, unsigned long page, unsigned int order)
{
	if (page >= t->nr_pages)
		return -EFAULT;
	if (buddy_twin_kind(t, page) != RESPOOL_PAGE_ALLOCATED)
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
	int expected = expected_free(&e->twin, page, order), error;
	struct respool_block freed, block;
	bool whole;

	doing("free of page %ld as order %ld", page, (int)order);
	remember(e);
	buddy_twin_find(&e->twin, page, &block);
	error = respool_buddy_free(&e->core, page, order, &freed);
	whole = !expected && block.nr_pages == BIT(block.order);
	expect_bounded(e, whole ? bound_of_block(&e->core) : bound_of_parts(&e->core));
	expect_equal("free", error, expected);
	if (expected) {
		expect_unchanged(e);
		return;
	}
	compare_block(&freed, &block);
	buddy_twin_give(&e->twin, page);
	compare_block_pages(e, page, block.nr_pages);
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

/* Pages out of service */

/* A row of pages, most often a short one, now and then beyond the pool. */
static unsigned long choose_row(struct episode *e, unsigned long *nr_pages)
{
	*nr_pages = chance(e->c, 10) ? choose_count(e) : 1 + choose(e->c, 8);
	return choose_page(e);
}

/* 0 if all pages of a row are of @kind, -EFAULT if they are no row, else @error. */
static int expected_of_row(const struct buddy_twin *t, unsigned long page,
			   unsigned long nr_pages, enum respool_page_kind kind, int error)
{
	unsigned long i;

	if (!nr_pages || page >= t->nr_pages || nr_pages > t->nr_pages - page)
		return -EFAULT;
	for (i = page; i < page + nr_pages; i++)
		if (buddy_twin_kind(t, i) != kind)
			return error;
	return 0;
}

/* Bad pages never come back, so not too many of them. */
static enum respool_page_kind choose_out(struct episode *e)
{
	if (e->twin.pages[RESPOOL_PAGE_BAD] < e->twin.nr_pages / 32 && chance(e->c, 20))
		return RESPOOL_PAGE_BAD;
	return RESPOOL_PAGE_RESERVED;
}

static void take_out(struct episode *e)
{
	enum respool_page_kind kind = choose_out(e);
	unsigned long nr_pages, page = choose_row(e, &nr_pages), i;
	int expected;

	doing("%ld pages from page %ld go out of service", nr_pages, page);
	expected = expected_of_row(&e->twin, page, nr_pages, RESPOOL_PAGE_FREE, -EBUSY);
	remember(e);
	expect_equal("take_out", respool_buddy_take_out(&e->core, page, nr_pages,
							kind == RESPOOL_PAGE_BAD ?
							RESPOOL_STATE_BAD :
							RESPOOL_STATE_RESERVED), expected);
	if (expected) {
		expect_unchanged(e);
		return;
	}
	for (i = page; i < page + nr_pages; i++)
		buddy_twin_take(&e->twin, i, 1, kind, 0);
	compare_block_pages(e, page, nr_pages);
}

static void put_back_row(struct episode *e, unsigned long page, unsigned long nr_pages)
{
	unsigned long i;
	int expected;

	doing("%ld pages from page %ld go back into service", nr_pages, page);
	expected = expected_of_row(&e->twin, page, nr_pages, RESPOOL_PAGE_RESERVED, -EINVAL);
	remember(e);
	expect_equal("put_back", respool_buddy_put_back(&e->core, page, nr_pages), expected);
	if (expected) {
		expect_unchanged(e);
		return;
	}
	for (i = page; i < page + nr_pages; i++)
		buddy_twin_give(&e->twin, i);
	compare_block_pages(e, page, nr_pages);
}

/* Go on from @page to a row of one kind before @end; its length, 0 if there is none. */
static unsigned long next_row(const struct buddy_twin *t, enum respool_page_kind kind,
			      unsigned long *page, unsigned long end)
{
	unsigned long i;

	while (*page < end && buddy_twin_kind(t, *page) != kind)
		++*page;
	for (i = *page; i < end && buddy_twin_kind(t, i) == kind; i++)
		;
	return i - *page;
}

static void put_back(struct episode *e)
{
	enum respool_page_kind kind = chance(e->c, 90) ? RESPOOL_PAGE_RESERVED : RESPOOL_PAGE_BAD;
	unsigned long nr_pages, page = choose_row(e, &nr_pages), row;

	if (page < e->twin.nr_pages && chance(e->c, 80)) {
		row = next_row(&e->twin, kind, &page, min(page + 512, e->twin.nr_pages));
		nr_pages = min(nr_pages, row);
	}
	put_back_row(e, page, nr_pages);
}

static void change_mood(struct episode *e)
{
	static const unsigned int percent[] = { 5, 40, 50, 60, 95 };

	doing("nothing", 0, 0);
	e->alloc_percent = percent[choose(e->c, ARRAY_SIZE(percent))];
	e->order_limit = choose(e->c, choose(e->c, e->twin.max_order + 1) + 1);
}

/* Resize */

static int expected_resize(const struct buddy_twin *t, unsigned long page, unsigned long nr_pages)
{
	int expected = expected_free(t, page, RESPOOL_ANY_ORDER);
	unsigned long i;

	if (expected || !nr_pages)
		return expected ?: -EINVAL;
	if (nr_pages > t->nr_pages - page)
		return -ENOSPC;
	for (i = t->block[page].nr_pages; i < nr_pages; i++)
		if (buddy_twin_kind(t, page + i) != RESPOOL_PAGE_FREE)
			return -ENOSPC;
	return 0;
}

static void accept_resize(struct episode *e, unsigned long page, unsigned long nr_pages)
{
	const struct twin_block was = e->twin.block[page];

	buddy_twin_give(&e->twin, page);
	take_block(e, page, nr_pages, RESPOOL_PAGE_ALLOCATED, was.tag);
	if (nr_pages < was.nr_pages)
		compare_block_pages(e, page + nr_pages, was.nr_pages - nr_pages);
}

/* Mostly of a live block, and by a little: else there is rarely room behind it. */
static void resize(struct episode *e)
{
	unsigned long page = choose(e->c, e->twin.nr_pages + 2), nr_pages = choose_count(e);
	struct respool_block was;
	int expected, error;

	if (e->twin.nr_live && !chance(e->c, 10)) {
		page = choose_live(e);
		if (chance(e->c, 50))
			nr_pages = e->twin.block[page].nr_pages + choose(e->c, 5) - 2;
	}
	expected = expected_resize(&e->twin, page, nr_pages);
	doing("resize of the block at page %ld to %ld pages", page, nr_pages);
	remember(e);
	error = respool_buddy_resize(&e->core, page, nr_pages, &was);
	expect_bounded(e, bound_of_resize(&e->core));
	expect_equal("resize", error, expected);
	if (error) {
		expect_unchanged(e);
		return;
	}
	expect_equal("pages before", was.nr_pages, e->twin.block[page].nr_pages);
	expect_equal("owner before", was.tag, e->twin.block[page].tag);
	accept_resize(e, page, nr_pages);
}

/* One of the rarer steps: mistakes, looks, magazines, pages out of service. */
static void do_rare_step(struct episode *e)
{
	static void (* const step[])(struct episode *e) = {
		free_anything, free_anything, free_anything, find_anything, largest_fit,
		resize, resize, resize, resize, alloc_batch, free_some_batch, pop, push, take_out,
		put_back, put_back,
	};
	u32 kind = choose(e->c, 16 * ARRAY_SIZE(step));

	if (kind < 4)
		change_mood(e);
	else if (kind < 6)
		set_watermark(e);
	else
		step[kind % ARRAY_SIZE(step)](e);
}

/* Mostly allocations and frees. */
static void do_step(struct episode *e)
{
	u32 kind = choose(e->c, 16);

	if (kind < 4)
		do_rare_step(e);
	else if (!chance(e->c, e->alloc_percent) && e->twin.nr_live)
		free_rightly(e, choose_live(e));
	else if (kind < 7)
		alloc_exact(e);
	else if (kind < 11)
		alloc_fit(e);
	else
		alloc_order(e);
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

/* Any alignment, from none to that of the largest block; or the pool ends where a region does. */
static unsigned long choose_base(struct choices *c, unsigned long nr_pages)
{
	unsigned long base = choose(c, 1 << 24);

	base = base >> choose(c, 25) << choose(c, 25);
	if (chance(c, 20))
		base = round_up(base + nr_pages, RESPOOL_REGION_PAGES) - nr_pages;
	return base;
}

static void set_up(struct episode *e)
{
	unsigned long nr_pages = choose_pages(e->c), base_pfn = choose_base(e->c, nr_pages);

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

/* With all given back the pool is again what it was at init, but for the bad pages. */
static void drain(struct episode *e)
{
	unsigned long page = 0, nr_pages;
	unsigned int order;

	while (e->twin.nr_live) {
		free_rightly(e, e->twin.live[e->twin.nr_live - 1]);
		compare_counts(e);
	}
	for (order = 0; order < MAGAZINES; order++)
		while (e->magazine[order].nr)
			free_batch(e, order, e->magazine[order].nr);
	while ((nr_pages = next_row(&e->twin, RESPOOL_PAGE_RESERVED, &page, e->twin.nr_pages)))
		put_back_row(e, page, nr_pages);
	compare_counts(e);
	compare_all(e);
	expect_equal("free pages at the end", e->core.free_pages + e->core.bad_pages,
		     e->twin.nr_pages);
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
