// SPDX-License-Identifier: GPL-2.0
#include <stdlib.h>

#include "buddy_twin.h"
#include "harness.h"

/* Number of the aligned block of order @k that holds @page. */
static unsigned long number_of(const struct buddy_twin *t, unsigned long page, unsigned int k)
{
	return ((t->base_pfn + page) >> k) - (t->base_pfn >> k);
}

/* Page number, negative before the pool, where aligned block @i of order @k begins. */
static long start_of(const struct buddy_twin *t, unsigned long i, unsigned int k)
{
	return (long)((((t->base_pfn >> k) + i) << k) - t->base_pfn);
}

static bool inside(const struct buddy_twin *t, unsigned long i, unsigned int k)
{
	long start = start_of(t, i, k);

	return start >= 0 && start + (1L << k) <= (long)t->nr_pages;
}

static unsigned long nr_inside(const struct buddy_twin *t, unsigned int k)
{
	unsigned long i, n = 0;

	for (i = 0; i <= number_of(t, t->nr_pages - 1, k); i++)
		n += inside(t, i, k);
	return n;
}

void buddy_twin_init(struct buddy_twin *t, unsigned long nr_pages, unsigned long base_pfn)
{
	unsigned int k;

	memset(t, 0, sizeof(*t));
	t->nr_pages = nr_pages;
	t->base_pfn = base_pfn;
	t->head = must_alloc(nr_pages * sizeof(*t->head));
	memset(t->head, 0xff, nr_pages * sizeof(*t->head));
	t->block = must_zalloc(nr_pages, sizeof(*t->block));
	t->live = must_alloc(nr_pages * sizeof(*t->live));
	for (k = 0; k < RESPOOL_BUDDY_ORDERS; k++) {
		t->whole[k] = nr_inside(t, k);
		if (!t->whole[k])
			break;
		t->taken[k] = must_zalloc(number_of(t, nr_pages - 1, k) + 1, sizeof(u32));
		t->max_order = k;
	}
}

void buddy_twin_exit(struct buddy_twin *t)
{
	unsigned int k;

	for (k = 0; k < RESPOOL_BUDDY_ORDERS; k++)
		free(t->taken[k]);
	free(t->live);
	free(t->block);
	free(t->head);
}

/* Count the pages from @first up to @end as taken, or no longer, at order @k. */
static void count_taken(struct buddy_twin *t, long first, long end, int k, bool take)
{
	unsigned long i;

	for (i = number_of(t, first, k); i <= number_of(t, end - 1, k); i++) {
		long start = start_of(t, i, k);
		u32 pages = min(end, start + (1L << k)) - max(first, start);
		u32 was = t->taken[k][i];

		t->taken[k][i] = take ? was + pages : was - pages;
		if (inside(t, i, k))
			t->whole[k] += !t->taken[k][i] - !was;
	}
}

static void count_block(struct buddy_twin *t, unsigned long page, unsigned long nr_pages,
			bool take)
{
	int k;

	for (k = 0; k <= t->max_order; k++) {
		count_taken(t, page, page + nr_pages, k, take);
		if (nr_pages & BIT(k))
			t->allocated[k] += take ? 1 : -1;
	}
	t->taken_pages += take ? nr_pages : -nr_pages;
}

void buddy_twin_take(struct buddy_twin *t, unsigned long page, unsigned long nr_pages,
		     unsigned int order, unsigned int tag)
{
	unsigned long i;

	if (page >= t->nr_pages || nr_pages > t->nr_pages - page)
		differ("block of %lu pages at %lu leaves the pool of %lu", nr_pages, page,
		       t->nr_pages);
	for (i = page; i < page + nr_pages; i++) {
		if (t->head[i] != TWIN_FREE)
			differ("page %lu of the new block at %lu is in the block at %u", i, page,
			       t->head[i]);
		t->head[i] = page;
	}
	t->block[page] = (struct twin_block){ nr_pages, order, tag, t->nr_live };
	t->live[t->nr_live++] = page;
	count_block(t, page, nr_pages, true);
}

void buddy_twin_give(struct buddy_twin *t, unsigned long page)
{
	struct twin_block *block = &t->block[page];
	unsigned long last = t->live[--t->nr_live];
	unsigned long i;

	for (i = page; i < page + block->nr_pages; i++)
		t->head[i] = TWIN_FREE;
	count_block(t, page, block->nr_pages, false);
	t->live[block->listed] = last;
	t->block[last].listed = block->listed;
	block->nr_pages = 0;
}

static void find_free(const struct buddy_twin *t, unsigned long page,
		      struct respool_block *block)
{
	int k = 0;

	while (k < t->max_order && inside(t, number_of(t, page, k + 1), k + 1) &&
	       !t->taken[k + 1][number_of(t, page, k + 1)])
		k++;
	block->kind = RESPOOL_PAGE_FREE;
	block->page = start_of(t, number_of(t, page, k), k);
	block->nr_pages = BIT(k);
	block->order = k;
}

void buddy_twin_find(const struct buddy_twin *t, unsigned long page,
		     struct respool_block *block)
{
	if (page >= t->nr_pages) {
		block->kind = RESPOOL_PAGE_OUTSIDE;
	} else if (t->head[page] == TWIN_FREE) {
		find_free(t, page, block);
	} else {
		const struct twin_block *live = &t->block[t->head[page]];

		block->kind = RESPOOL_PAGE_ALLOCATED;
		block->page = t->head[page];
		block->nr_pages = live->nr_pages;
		block->order = live->order;
		block->tag = live->tag;
	}
}

unsigned long buddy_twin_nr_free(const struct buddy_twin *t, unsigned int order)
{
	return t->whole[order] - 2 * t->whole[order + 1];
}

int buddy_twin_largest_free_order(const struct buddy_twin *t)
{
	int k = t->max_order;

	while (k >= 0 && !t->whole[k])
		k--;
	return k;
}
