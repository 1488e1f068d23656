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
	t->pages[RESPOOL_PAGE_FREE] = nr_pages;
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

/* Order of the largest aligned block that begins at @page and has at most @nr_pages. */
static unsigned int part_at(const struct buddy_twin *t, unsigned long page,
			    unsigned long nr_pages)
{
	unsigned int k = 0;

	while (BIT(k + 1) <= nr_pages && !((t->base_pfn + page) & (BIT(k + 1) - 1)))
		k++;
	return k;
}

/* Count the aligned blocks that a row of pages is made of. */
static void count_parts(struct buddy_twin *t, unsigned long page, unsigned long nr_pages,
			long by)
{
	unsigned long end = page + nr_pages;
	unsigned int k;

	for (; page < end; page += BIT(k)) {
		k = part_at(t, page, end - page);
		t->allocated[k] += by;
	}
}

static bool is_out(enum respool_page_kind kind)
{
	return kind == RESPOOL_PAGE_RESERVED || kind == RESPOOL_PAGE_BAD;
}

static void count_block(struct buddy_twin *t, unsigned long page, bool take)
{
	const struct twin_block *block = &t->block[page];
	long by = take ? 1 : -1;
	int k;

	for (k = 0; k <= t->max_order; k++)
		count_taken(t, page, page + block->nr_pages, k, take);
	if (!is_out(block->kind))
		count_parts(t, page, block->nr_pages, by);
	t->pages[block->kind] += by * block->nr_pages;
	t->pages[RESPOOL_PAGE_FREE] -= by * block->nr_pages;
}

static void list_live(struct buddy_twin *t, unsigned long page)
{
	t->block[page].listed = t->nr_live;
	t->live[t->nr_live++] = page;
}

static void unlist_live(struct buddy_twin *t, unsigned long page)
{
	unsigned long last = t->live[--t->nr_live];

	t->live[t->block[page].listed] = last;
	t->block[last].listed = t->block[page].listed;
}

void buddy_twin_take(struct buddy_twin *t, unsigned long page, unsigned long nr_pages,
		     enum respool_page_kind kind, unsigned int tag)
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
	t->block[page] = (struct twin_block){
		.nr_pages = nr_pages,
		.order = part_at(t, page, nr_pages),
		.tag = tag,
		.kind = kind,
	};
	if (kind == RESPOOL_PAGE_ALLOCATED)
		list_live(t, page);
	count_block(t, page, true);
}

void buddy_twin_give(struct buddy_twin *t, unsigned long page)
{
	struct twin_block *block = &t->block[page];
	unsigned long i;

	for (i = page; i < page + block->nr_pages; i++)
		t->head[i] = TWIN_FREE;
	count_block(t, page, false);
	if (block->kind == RESPOOL_PAGE_ALLOCATED)
		unlist_live(t, page);
	block->nr_pages = 0;
}

void buddy_twin_change(struct buddy_twin *t, unsigned long page, enum respool_page_kind kind,
		       unsigned int tag)
{
	struct twin_block *block = &t->block[page];

	t->pages[block->kind] -= block->nr_pages;
	t->pages[kind] += block->nr_pages;
	block->kind = kind;
	block->tag = tag;
	if (kind == RESPOOL_PAGE_ALLOCATED)
		list_live(t, page);
	else
		unlist_live(t, page);
}

enum respool_page_kind buddy_twin_kind(const struct buddy_twin *t, unsigned long page)
{
	if (page >= t->nr_pages)
		return RESPOOL_PAGE_OUTSIDE;
	return t->head[page] == TWIN_FREE ? RESPOOL_PAGE_FREE : t->block[t->head[page]].kind;
}

static void find_free(const struct buddy_twin *t, unsigned long page,
		      struct respool_block *block)
{
	int k = 0;

	while (k < t->max_order && inside(t, number_of(t, page, k + 1), k + 1) &&
	       !t->taken[k + 1][number_of(t, page, k + 1)])
		k++;
	block->page = start_of(t, number_of(t, page, k), k);
	block->nr_pages = BIT(k);
	block->order = k;
	block->tag = 0;
}

void buddy_twin_find(const struct buddy_twin *t, unsigned long page,
		     struct respool_block *block)
{
	const struct twin_block *taken;

	block->kind = buddy_twin_kind(t, page);
	if (block->kind == RESPOOL_PAGE_OUTSIDE)
		return;
	if (block->kind == RESPOOL_PAGE_FREE) {
		find_free(t, page, block);
		return;
	}
	taken = &t->block[t->head[page]];
	block->page = t->head[page];
	block->nr_pages = taken->nr_pages;
	block->order = taken->order;
	block->tag = taken->tag;
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

/* Conditions */

/* Free pages from @page on, up to but not including @end. */
static unsigned long row_at(const struct buddy_twin *t, unsigned long page, unsigned long end)
{
	unsigned long i = page;

	while (i < end && t->head[i] == TWIN_FREE)
		i++;
	return i - page;
}

/* First page from @page on whose frame number is a multiple of 2^@k. */
static unsigned long align_page(const struct buddy_twin *t, unsigned long page, unsigned int k)
{
	return round_up(t->base_pfn + page, BIT(k)) - t->base_pfn;
}

/* First page of the lowest or highest free aligned block of order @k among @first..@last. */
static unsigned long find_block(const struct buddy_twin *t, unsigned int k,
				unsigned long first, unsigned long last, bool top_down)
{
	long page = align_page(t, first, k), step = BIT(k), blocks;

	blocks = ((long)last + 1 - page) >> k;
	if (top_down) {
		page += (blocks - 1) * step;
		step = -step;
	}
	for (; blocks > 0; blocks--, page += step)
		if (!t->taken[k][number_of(t, page, k)])
			return page;
	return RESPOOL_NO_PAGE;
}

/* First of the lowest @nr_pages free pages in a row, aligned to order @k, among @first..@last. */
static unsigned long find_row_up(const struct buddy_twin *t, unsigned long nr_pages,
				 unsigned int k, unsigned long first, unsigned long last)
{
	unsigned long page = align_page(t, first, k), row;

	while (page + nr_pages <= last + 1) {
		row = row_at(t, page, page + nr_pages);
		if (row == nr_pages)
			return page;
		page = align_page(t, page + row + 1, k);
	}
	return RESPOOL_NO_PAGE;
}

/* First of the highest. */
static unsigned long find_row_down(const struct buddy_twin *t, unsigned long nr_pages,
				   unsigned int k, unsigned long first, unsigned long last)
{
	unsigned long page = last + 1, row = 0;

	while (page-- > first) {
		row = t->head[page] == TWIN_FREE ? row + 1 : 0;
		if (row >= nr_pages && align_page(t, page, k) == page)
			return page;
	}
	return RESPOOL_NO_PAGE;
}

static unsigned long find_row(const struct buddy_twin *t, const struct respool_fit *fit,
			      unsigned long last)
{
	return (fit->top_down ? find_row_down : find_row_up)(t, fit->nr_pages, fit->align_order,
							     fit->first, last);
}

unsigned long buddy_twin_fit(const struct buddy_twin *t, const struct respool_fit *fit)
{
	unsigned long last = min(fit->last, t->nr_pages - 1), page = RESPOOL_NO_PAGE;
	unsigned int max_order = t->max_order, k = fit->align_order;

	if (!fit->nr_pages || k > max_order || fit->first > last ||
	    fit->nr_pages > last - fit->first + 1)
		return RESPOOL_NO_PAGE;
	if (fit->nr_pages == last - fit->first + 1)
		return find_row(t, fit, last);
	while (BIT(k) < fit->nr_pages)
		k++;
	if (k <= max_order)
		page = find_block(t, k, fit->first, last, fit->top_down);
	if (page == RESPOOL_NO_PAGE && fit->scan)
		page = find_row(t, fit, last);
	return page;
}

static unsigned long longest_row(const struct buddy_twin *t, unsigned int k,
				 unsigned long first, unsigned long last)
{
	unsigned long page = align_page(t, first, k), longest = 0, row;

	while (page <= last) {
		row = row_at(t, page, last + 1);
		longest = max(longest, row);
		page = align_page(t, page + row + 1, k);
	}
	return longest;
}

unsigned long buddy_twin_largest_fit(const struct buddy_twin *t, const struct respool_fit *fit)
{
	unsigned long last = min(fit->last, t->nr_pages - 1);
	int align, k;

	if (fit->align_order > (unsigned int)t->max_order || fit->first > last)
		return 0;
	align = fit->align_order;
	if (fit->scan)
		return longest_row(t, align, fit->first, last);
	for (k = t->max_order; k >= align; k--)
		if (find_block(t, k, fit->first, last, false) != RESPOOL_NO_PAGE)
			return BIT(k);
	return 0;
}
