// SPDX-License-Identifier: GPL-2.0
/*
 * The page layer's pure core, one behaviour a case. The core is compiled into
 * this file once more: its functions here are this module's own.
 */
#include <kunit/test.h>

#include "buddy/buddy.c"

#define NR_PAGES	4096UL
#define BASE_PFN	0x10000UL
#define TAG		7

/* A pool in the making: buddy.c's own state and what it lives in. */
static struct respool_buddy *make_buddy(struct kunit *test, unsigned long nr_pages,
					unsigned long base_pfn)
{
	struct respool_buddy *b = kunit_kzalloc(test, sizeof(*b), GFP_KERNEL);
	void *mem = kunit_kzalloc(test, respool_buddy_footprint(nr_pages, base_pfn), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, b);
	KUNIT_ASSERT_NOT_NULL(test, mem);
	KUNIT_ASSERT_EQ(test, respool_buddy_init(b, mem, nr_pages, base_pfn), 0);
	test->priv = b;
	return b;
}

static int buddy_test_init(struct kunit *test)
{
	make_buddy(test, NR_PAGES, BASE_PFN);
	return 0;
}

static void expect_valid(struct kunit *test, const struct respool_buddy *b)
{
	unsigned long page;

	KUNIT_EXPECT_STREQ(test, respool_buddy_validate(b, &page) ?: "ok", "ok");
}

/* Whatever a case did, the core is in one piece afterwards. */
static void buddy_test_exit(struct kunit *test)
{
	expect_valid(test, test->priv);
}

static void free_page_block(struct kunit *test, struct respool_buddy *b, unsigned long page)
{
	struct respool_block freed;

	KUNIT_EXPECT_EQ(test, respool_buddy_free(b, page, RESPOOL_ANY_ORDER, &freed), 0);
}

static void take_each_page(struct kunit *test, struct respool_buddy *b)
{
	unsigned long page;

	for (page = 0; page < b->nr_pages; page++)
		KUNIT_ASSERT_NE(test, respool_buddy_alloc(b, 0, TAG), RESPOOL_NO_PAGE);
	KUNIT_ASSERT_EQ(test, b->free_pages, 0);
}

static void free_row(struct kunit *test, struct respool_buddy *b, unsigned long page,
		     unsigned long nr_pages)
{
	while (nr_pages--)
		free_page_block(test, b, page + nr_pages);
}

static struct respool_fit fit_for(unsigned long nr_pages)
{
	return (struct respool_fit){ .nr_pages = nr_pages, .last = RESPOOL_NO_PAGE };
}

static unsigned long alloc_fit(struct respool_buddy *b, const struct respool_fit *fit)
{
	return respool_buddy_alloc_fit(b, fit, TAG);
}

/* Splitting and merging */

static void empty_pool_is_one_block(struct kunit *test)
{
	struct respool_buddy *b = test->priv;

	KUNIT_EXPECT_EQ(test, b->max_order, 12);
	KUNIT_EXPECT_EQ(test, b->nr_free[12], 1);
	KUNIT_EXPECT_EQ(test, b->free_pages, NR_PAGES);
	KUNIT_EXPECT_EQ(test, respool_buddy_largest_free_order(b), 12);
	KUNIT_EXPECT_EQ(test, respool_buddy_free_regions(b), NR_PAGES / RESPOOL_REGION_PAGES);
}

static void odd_pool_is_one_block_per_bit(struct kunit *test)
{
	struct respool_buddy *b = make_buddy(test, 4095, BASE_PFN);
	unsigned int order;

	for (order = 0; order < 12; order++)
		KUNIT_EXPECT_EQ(test, b->nr_free[order], 1);
}

static void pool_of_one_page_serves_it(struct kunit *test)
{
	struct respool_buddy *b = make_buddy(test, 1, BASE_PFN + 1);

	KUNIT_EXPECT_EQ(test, respool_buddy_alloc(b, 0, TAG), 0);
	KUNIT_EXPECT_EQ(test, respool_buddy_alloc(b, 0, TAG), RESPOOL_NO_PAGE);
}

static void pool_of_no_pages_is_refused(struct kunit *test)
{
	struct respool_buddy b;

	KUNIT_EXPECT_EQ(test, respool_buddy_init(&b, NULL, 0, 0), -EINVAL);
}

static void split_leaves_a_block_of_each_smaller_order(struct kunit *test)
{
	struct respool_buddy *b = test->priv;
	unsigned int order;

	KUNIT_EXPECT_EQ(test, respool_buddy_alloc(b, 0, TAG), 0);
	for (order = 0; order < 12; order++)
		KUNIT_EXPECT_EQ(test, b->nr_free[order], 1);
	KUNIT_EXPECT_EQ(test, b->nr_free[12], 0);
}

static void free_merges_up_to_the_whole_pool(struct kunit *test)
{
	struct respool_buddy *b = test->priv;

	free_page_block(test, b, respool_buddy_alloc(b, 0, TAG));
	KUNIT_EXPECT_EQ(test, b->nr_free[12], 1);
}

static void block_does_not_merge_with_one_that_is_not_its_buddy(struct kunit *test)
{
	struct respool_buddy *b = test->priv;

	take_each_page(test, b);
	free_row(test, b, 1, 2);
	KUNIT_EXPECT_EQ(test, b->nr_free[0], 2);
	KUNIT_EXPECT_EQ(test, b->nr_free[1], 0);
}

static void blocks_are_aligned_in_page_frames(struct kunit *test)
{
	struct respool_buddy *b = make_buddy(test, 3000, BASE_PFN + 777);
	unsigned long page;
	unsigned int order;

	for (order = 0; order <= b->max_order; order++) {
		page = respool_buddy_alloc(b, order, TAG);
		KUNIT_ASSERT_NE(test, page, RESPOOL_NO_PAGE);
		KUNIT_EXPECT_EQ(test, (BASE_PFN + 777 + page) & ((1UL << order) - 1), 0);
		free_page_block(test, b, page);
	}
}

static void region_in_use_is_filled_before_another_is_cut(struct kunit *test)
{
	struct respool_buddy *b = test->priv;
	unsigned int i;

	for (i = 0; i < RESPOOL_REGION_PAGES; i++)
		KUNIT_ASSERT_LT(test, respool_buddy_alloc(b, 0, TAG), RESPOOL_REGION_PAGES);
	KUNIT_EXPECT_EQ(test, respool_buddy_free_regions(b), NR_PAGES / RESPOOL_REGION_PAGES - 1);
}

static void smallest_block_that_serves_is_cut(struct kunit *test)
{
	struct respool_buddy *b = test->priv;

	take_each_page(test, b);
	free_row(test, b, 0, 8);
	free_row(test, b, 1024, 2);
	KUNIT_EXPECT_EQ(test, respool_buddy_alloc(b, 0, TAG), 1024);
	KUNIT_EXPECT_EQ(test, b->nr_free[3], 1);
}

static void order_beyond_the_pool_is_not_served(struct kunit *test)
{
	struct respool_buddy *b = test->priv;

	KUNIT_EXPECT_EQ(test, respool_buddy_alloc(b, 13, TAG), RESPOOL_NO_PAGE);
	KUNIT_EXPECT_EQ(test, respool_buddy_alloc(b, ~0U, TAG), RESPOOL_NO_PAGE);
}

/* Exact numbers of pages */

static void exact_block_keeps_no_tail(struct kunit *test)
{
	struct respool_buddy *b = test->priv;
	unsigned long nr_pages, page;

	for (nr_pages = 1; nr_pages <= NR_PAGES; nr_pages += 1 + nr_pages / 8) {
		page = respool_buddy_alloc_exact(b, nr_pages, TAG);
		KUNIT_ASSERT_NE(test, page, RESPOOL_NO_PAGE);
		KUNIT_EXPECT_EQ(test, b->allocated_pages, nr_pages);
		expect_valid(test, b);
		free_page_block(test, b, page);
		KUNIT_ASSERT_EQ(test, b->nr_free[12], 1);
	}
}

static void tail_of_an_exact_block_serves_others(struct kunit *test)
{
	struct respool_buddy *b = test->priv;

	KUNIT_EXPECT_EQ(test, respool_buddy_alloc_exact(b, 2049, TAG), 0);
	KUNIT_EXPECT_EQ(test, respool_buddy_alloc_exact(b, 1024, TAG), 3072);
	KUNIT_EXPECT_EQ(test, respool_buddy_alloc_exact(b, 1023, TAG), RESPOOL_NO_PAGE);
	KUNIT_EXPECT_EQ(test, respool_buddy_alloc_exact(b, 512, TAG), 2560);
}

static void no_pages_and_too_many_are_not_served(struct kunit *test)
{
	struct respool_buddy *b = test->priv;

	KUNIT_EXPECT_EQ(test, respool_buddy_alloc_exact(b, 0, TAG), RESPOOL_NO_PAGE);
	KUNIT_EXPECT_EQ(test, respool_buddy_alloc_exact(b, NR_PAGES + 1, TAG), RESPOOL_NO_PAGE);
	KUNIT_EXPECT_EQ(test, respool_buddy_alloc_exact(b, ~0UL, TAG), RESPOOL_NO_PAGE);
}

/* Frees */

static void free_tells_what_the_block_was(struct kunit *test)
{
	struct respool_buddy *b = test->priv;
	unsigned long page = respool_buddy_alloc_exact(b, 11, TAG);
	struct respool_block freed;

	KUNIT_EXPECT_EQ(test, respool_buddy_free(b, page, RESPOOL_ANY_ORDER, &freed), 0);
	KUNIT_EXPECT_EQ(test, freed.page, page);
	KUNIT_EXPECT_EQ(test, freed.nr_pages, 11);
	KUNIT_EXPECT_EQ(test, freed.tag, TAG);
}

static void expect_refused(struct kunit *test, unsigned long page, unsigned int order, int error)
{
	struct respool_buddy *b = test->priv;
	unsigned long free_pages = b->free_pages;
	struct respool_block freed;

	KUNIT_EXPECT_EQ(test, respool_buddy_free(b, page, order, &freed), error);
	KUNIT_EXPECT_EQ(test, b->free_pages, free_pages);
	expect_valid(test, b);
}

static void double_free_is_refused(struct kunit *test)
{
	unsigned long page = respool_buddy_alloc(test->priv, 3, TAG);

	free_page_block(test, test->priv, page);
	expect_refused(test, page, 3, -EALREADY);
	expect_refused(test, page, RESPOOL_ANY_ORDER, -EALREADY);
}

static void free_inside_a_block_is_refused(struct kunit *test)
{
	unsigned long page = respool_buddy_alloc(test->priv, 3, TAG), i;

	for (i = 1; i < 8; i++)
		expect_refused(test, page + i, RESPOOL_ANY_ORDER, -EINVAL);
}

static void free_inside_an_exact_block_is_refused(struct kunit *test)
{
	unsigned long page = respool_buddy_alloc_exact(test->priv, 7, TAG), i;

	for (i = 1; i < 7; i++)
		expect_refused(test, page + i, RESPOOL_ANY_ORDER, -EINVAL);
}

static void free_as_another_order_is_refused(struct kunit *test)
{
	unsigned long page = respool_buddy_alloc(test->priv, 3, TAG);

	expect_refused(test, page, 2, -ERANGE);
	expect_refused(test, page, 4, -ERANGE);
	expect_refused(test, respool_buddy_alloc_exact(test->priv, 7, TAG), 2, -ERANGE);
}

static void free_outside_the_pool_is_refused(struct kunit *test)
{
	expect_refused(test, NR_PAGES, 0, -EFAULT);
	expect_refused(test, RESPOOL_NO_PAGE, 0, -EFAULT);
}

/* Conditions */

static void alignment_above_natural_is_kept(struct kunit *test)
{
	struct respool_buddy *b = make_buddy(test, NR_PAGES, BASE_PFN + 3);
	struct respool_fit fit = fit_for(3);
	unsigned long page;

	for (fit.align_order = 0; fit.align_order <= b->max_order; fit.align_order++) {
		page = alloc_fit(b, &fit);
		KUNIT_ASSERT_NE(test, page, RESPOOL_NO_PAGE);
		KUNIT_EXPECT_EQ(test, (BASE_PFN + 3 + page) & ((1UL << fit.align_order) - 1), 0);
		KUNIT_EXPECT_EQ(test, b->allocated_pages, 3);
		free_page_block(test, b, page);
	}
	KUNIT_EXPECT_EQ(test, alloc_fit(b, &fit), RESPOOL_NO_PAGE);
}

static void range_is_used_up_and_never_left(struct kunit *test)
{
	struct respool_buddy *b = test->priv;
	struct respool_fit fit = fit_for(1);
	unsigned long page;
	unsigned int n;

	fit.first = 100;
	fit.last = 1700;
	for (n = 0; (page = alloc_fit(b, &fit)) != RESPOOL_NO_PAGE; n++)
		KUNIT_ASSERT_TRUE(test, page >= fit.first && page <= fit.last);
	KUNIT_EXPECT_EQ(test, n, 1601);
}

static void place_is_fixed_by_a_range_as_long_as_the_request(struct kunit *test)
{
	struct respool_buddy *b = test->priv;
	struct respool_fit fit = fit_for(13);

	fit.first = 1001;
	fit.last = 1013;
	KUNIT_EXPECT_EQ(test, alloc_fit(b, &fit), 1001);
	KUNIT_EXPECT_EQ(test, alloc_fit(b, &fit), RESPOOL_NO_PAGE);
	free_page_block(test, b, 1001);
	KUNIT_EXPECT_EQ(test, b->nr_free[12], 1);
}

static void range_too_short_or_reversed_is_not_served(struct kunit *test)
{
	struct respool_fit fit = fit_for(4);

	fit.first = 10;
	fit.last = 12;
	KUNIT_EXPECT_EQ(test, alloc_fit(test->priv, &fit), RESPOOL_NO_PAGE);
	fit.last = 9;
	KUNIT_EXPECT_EQ(test, alloc_fit(test->priv, &fit), RESPOOL_NO_PAGE);
	fit.first = NR_PAGES;
	fit.last = RESPOOL_NO_PAGE;
	KUNIT_EXPECT_EQ(test, alloc_fit(test->priv, &fit), RESPOOL_NO_PAGE);
}

static void bottom_up_takes_the_lowest_place(struct kunit *test)
{
	struct respool_fit fit = fit_for(4);
	unsigned long page;

	for (page = 0; page < NR_PAGES; page += 4)
		KUNIT_ASSERT_EQ(test, alloc_fit(test->priv, &fit), page);
}

static void top_down_takes_the_highest_place(struct kunit *test)
{
	struct respool_fit fit = fit_for(4);
	unsigned long page;

	fit.top_down = true;
	for (page = NR_PAGES; page; page -= 4)
		KUNIT_ASSERT_EQ(test, alloc_fit(test->priv, &fit), page - 4);
}

/* Two rows of eight pages, neither of which is an aligned block. */
#define LOW_ROW		3UL
#define HIGH_ROW	2051UL

static struct respool_buddy *make_rows(struct kunit *test)
{
	struct respool_buddy *b = test->priv;

	take_each_page(test, b);
	free_row(test, b, LOW_ROW, 8);
	free_row(test, b, HIGH_ROW, 8);
	return b;
}

static void without_scan_only_blocks_serve(struct kunit *test)
{
	struct respool_buddy *b = make_rows(test);
	struct respool_fit fit = fit_for(8);

	KUNIT_EXPECT_EQ(test, alloc_fit(b, &fit), RESPOOL_NO_PAGE);
}

static void scan_takes_the_lowest_row(struct kunit *test)
{
	struct respool_buddy *b = make_rows(test);
	struct respool_fit fit = fit_for(8);

	fit.scan = true;
	KUNIT_EXPECT_EQ(test, alloc_fit(b, &fit), LOW_ROW);
	KUNIT_EXPECT_EQ(test, alloc_fit(b, &fit), HIGH_ROW);
	KUNIT_EXPECT_EQ(test, alloc_fit(b, &fit), RESPOOL_NO_PAGE);
}

static void scan_top_down_takes_the_highest_row(struct kunit *test)
{
	struct respool_buddy *b = make_rows(test);
	struct respool_fit fit = fit_for(7);

	fit.scan = true;
	fit.top_down = true;
	KUNIT_EXPECT_EQ(test, alloc_fit(b, &fit), HIGH_ROW + 1);
	KUNIT_EXPECT_EQ(test, alloc_fit(b, &fit), LOW_ROW + 1);
	KUNIT_EXPECT_EQ(test, alloc_fit(b, &fit), RESPOOL_NO_PAGE);
}

static void scan_keeps_alignment_and_range(struct kunit *test)
{
	struct respool_buddy *b = make_rows(test);
	struct respool_fit fit = fit_for(5);

	fit.scan = true;
	fit.align_order = 1;
	fit.first = LOW_ROW + 2;
	KUNIT_EXPECT_EQ(test, alloc_fit(b, &fit), LOW_ROW + 3);
	fit.top_down = true;
	fit.last = HIGH_ROW + 6;
	KUNIT_EXPECT_EQ(test, alloc_fit(b, &fit), HIGH_ROW + 1);
}

static void largest_fit_is_a_block_or_with_scan_a_row(struct kunit *test)
{
	struct respool_buddy *b = make_rows(test);
	struct respool_fit fit = fit_for(0);

	KUNIT_EXPECT_EQ(test, respool_buddy_largest_fit(b, &fit), 4);
	fit.scan = true;
	KUNIT_EXPECT_EQ(test, respool_buddy_largest_fit(b, &fit), 8);
	fit.first = LOW_ROW + 8;
	fit.last = HIGH_ROW + 4;
	KUNIT_EXPECT_EQ(test, respool_buddy_largest_fit(b, &fit), 5);
	fit.last = HIGH_ROW - 1;
	KUNIT_EXPECT_EQ(test, respool_buddy_largest_fit(b, &fit), 0);
}

/* Magazines */

static void batch_is_of_one_block_or_word_the_lowest_last(struct kunit *test)
{
	struct respool_buddy *b = test->priv;
	struct respool_block block;
	unsigned int n, i;
	u32 pages[16];

	n = respool_buddy_alloc_batch(b, 1, ARRAY_SIZE(pages), pages);
	KUNIT_ASSERT_EQ(test, n, ARRAY_SIZE(pages));
	for (i = 0; i < n; i++) {
		KUNIT_EXPECT_EQ(test, pages[n - 1 - i], 2 * i);
		respool_buddy_find(b, pages[i], &block);
		KUNIT_EXPECT_EQ(test, block.kind, RESPOOL_PAGE_CACHED);
	}
	KUNIT_EXPECT_EQ(test, b->allocated_pages, 32);
	for (i = 0; i < n;)
		i += respool_buddy_free_batch(b, 1, n - i, pages + i);
	KUNIT_EXPECT_EQ(test, b->nr_free[12], 1);
}

static void batch_stops_at_the_watermark(struct kunit *test)
{
	struct respool_buddy *b = test->priv;
	u32 pages[16];

	b->watermark = NR_PAGES - 15;
	KUNIT_EXPECT_EQ(test, respool_buddy_alloc_batch(b, 0, 16, pages), 0);
	b->watermark = NR_PAGES - 16;
	KUNIT_EXPECT_EQ(test, respool_buddy_alloc_batch(b, 0, 16, pages), 16);
}

static void cached_block_is_free_to_clients(struct kunit *test)
{
	u32 page;

	KUNIT_ASSERT_EQ(test, respool_buddy_alloc_batch(test->priv, 2, 1, &page), 1);
	expect_refused(test, page, 2, -EALREADY);
	expect_refused(test, page + 1, RESPOOL_ANY_ORDER, -EALREADY);
}

/* Pages out of service */

static void reserved_pages_are_given_to_nobody(struct kunit *test)
{
	struct respool_buddy *b = test->priv;
	struct respool_fit fit = fit_for(1);

	KUNIT_EXPECT_EQ(test, respool_buddy_take_out(b, 1001, 50, RESPOOL_STATE_RESERVED), 0);
	KUNIT_EXPECT_EQ(test, b->reserved_pages, 50);
	KUNIT_EXPECT_EQ(test, b->free_pages, NR_PAGES - 50);
	fit.first = 1001;
	fit.last = 1050;
	KUNIT_EXPECT_EQ(test, alloc_fit(b, &fit), RESPOOL_NO_PAGE);
	expect_valid(test, b);
	KUNIT_EXPECT_EQ(test, respool_buddy_put_back(b, 1001, 50), 0);
	KUNIT_EXPECT_EQ(test, b->nr_free[12], 1);
}

static void only_free_pages_go_out_of_service(struct kunit *test)
{
	struct respool_buddy *b = test->priv;

	KUNIT_EXPECT_EQ(test, respool_buddy_alloc(b, 0, TAG), 0);
	KUNIT_EXPECT_EQ(test, respool_buddy_take_out(b, 0, 2, RESPOOL_STATE_BAD), -EBUSY);
	KUNIT_EXPECT_EQ(test, respool_buddy_take_out(b, 1, 0, RESPOOL_STATE_BAD), -EFAULT);
	KUNIT_EXPECT_EQ(test, respool_buddy_take_out(b, 4095, 2, RESPOOL_STATE_BAD), -EFAULT);
	KUNIT_EXPECT_EQ(test, b->bad_pages, 0);
}

static void only_reserved_pages_come_back(struct kunit *test)
{
	struct respool_buddy *b = test->priv;

	KUNIT_EXPECT_EQ(test, respool_buddy_take_out(b, 8, 2, RESPOOL_STATE_RESERVED), 0);
	KUNIT_EXPECT_EQ(test, respool_buddy_take_out(b, 10, 1, RESPOOL_STATE_BAD), 0);
	KUNIT_EXPECT_EQ(test, respool_buddy_put_back(b, 8, 3), -EINVAL);
	KUNIT_EXPECT_EQ(test, respool_buddy_put_back(b, 10, 1), -EINVAL);
	KUNIT_EXPECT_EQ(test, respool_buddy_put_back(b, 7, 1), -EINVAL);
	KUNIT_EXPECT_EQ(test, b->reserved_pages, 2);
}

/* Looking */

static void find_tells_what_each_page_belongs_to(struct kunit *test)
{
	struct respool_buddy *b = test->priv;
	const struct {
		unsigned long page;
		enum respool_page_kind kind;
		unsigned long first, nr_pages;
	} expected[] = {
		{ 3, RESPOOL_PAGE_ALLOCATED, 0, 5 },
		{ 5, RESPOOL_PAGE_FREE, 5, 1 },
		{ 7, RESPOOL_PAGE_FREE, 6, 2 },
		{ 9, RESPOOL_PAGE_RESERVED, 9, 1 },
		{ 10, RESPOOL_PAGE_BAD, 10, 1 },
		{ 3000, RESPOOL_PAGE_FREE, 2048, 2048 },
		{ NR_PAGES, RESPOOL_PAGE_OUTSIDE, 0, 0 },
	};
	struct respool_block block;
	unsigned int i;

	KUNIT_ASSERT_EQ(test, respool_buddy_alloc_exact(b, 5, TAG), 0);
	KUNIT_ASSERT_EQ(test, respool_buddy_take_out(b, 9, 1, RESPOOL_STATE_RESERVED), 0);
	KUNIT_ASSERT_EQ(test, respool_buddy_take_out(b, 10, 1, RESPOOL_STATE_BAD), 0);
	for (i = 0; i < ARRAY_SIZE(expected); i++) {
		respool_buddy_find(b, expected[i].page, &block);
		KUNIT_EXPECT_EQ(test, block.kind, expected[i].kind);
		KUNIT_EXPECT_EQ(test, block.page, expected[i].first);
		KUNIT_EXPECT_EQ(test, block.nr_pages, expected[i].nr_pages);
	}
}

static void map_has_one_bit_per_page(struct kunit *test)
{
	struct respool_buddy *b = make_buddy(test, 100, BASE_PFN + 10);
	u64 pool[RESPOOL_REGION_PAGES / 64], free[RESPOOL_REGION_PAGES / 64];

	KUNIT_ASSERT_NE(test, respool_buddy_alloc_exact(b, 5, TAG), RESPOOL_NO_PAGE);
	respool_buddy_region_map(b, 0, pool, free);
	KUNIT_EXPECT_EQ(test, pool[0], ~0ULL << 10);
	KUNIT_EXPECT_EQ(test, pool[1], GENMASK_ULL(109 - 64, 0));
	KUNIT_EXPECT_EQ(test, hweight64(free[0]) + hweight64(free[1]), 95);
	KUNIT_EXPECT_EQ(test, (free[0] & ~pool[0]) | (free[1] & ~pool[1]), 0);
}

/* Each kind of damage is done, seen and undone. */
static void validate_sees_damage(struct kunit *test)
{
	struct respool_buddy *b = test->priv;
	unsigned long page;

	KUNIT_ASSERT_EQ(test, respool_buddy_alloc(b, 3, TAG), 0);
	b->level[0].word[0] ^= 1;
	KUNIT_EXPECT_NOT_NULL(test, respool_buddy_validate(b, &page));
	b->level[0].word[0] ^= 1;
	b->state[20] = 2;
	KUNIT_EXPECT_NOT_NULL(test, respool_buddy_validate(b, &page));
	KUNIT_EXPECT_EQ(test, page, 16);
	b->state[20] = RESPOOL_STATE_NONE;
	b->free_pages++;
	KUNIT_EXPECT_NOT_NULL(test, respool_buddy_validate(b, &page));
	b->free_pages--;
	b->level[0].classes ^= 1;
	KUNIT_EXPECT_NOT_NULL(test, respool_buddy_validate(b, &page));
	b->level[0].classes ^= 1;
}

static void metadata_takes_less_than_one_and_a_half_bytes_a_page(struct kunit *test)
{
	/* Beside the core's there is a bit a page. */
	KUNIT_EXPECT_LT(test, respool_buddy_footprint(1UL << 14, BASE_PFN), (11UL << 14) / 8);
	KUNIT_EXPECT_LT(test, respool_buddy_footprint(1UL << 28, 0), (11UL << 28) / 8);
}

/* What users of other buddy systems rely on */

static void block_of_each_order_leaves_no_page(struct kunit *test)
{
	struct respool_buddy *b = make_buddy(test, 4095, BASE_PFN);
	unsigned int order;

	for (order = 0; order < 12; order++)
		KUNIT_EXPECT_NE(test, respool_buddy_alloc(b, order, TAG), RESPOOL_NO_PAGE);
	KUNIT_EXPECT_EQ(test, respool_buddy_alloc(b, 0, TAG), RESPOOL_NO_PAGE);
}

static void block_of_each_order_leaves_one_page_of_a_power_of_two(struct kunit *test)
{
	struct respool_buddy *b = test->priv;
	unsigned int order;

	for (order = 0; order < 12; order++)
		KUNIT_EXPECT_NE(test, respool_buddy_alloc(b, order, TAG), RESPOOL_NO_PAGE);
	KUNIT_EXPECT_NE(test, respool_buddy_alloc(b, 0, TAG), RESPOOL_NO_PAGE);
	KUNIT_EXPECT_EQ(test, respool_buddy_alloc(b, 0, TAG), RESPOOL_NO_PAGE);
}

static void freeing_ascending_orders_makes_each_next_order_available(struct kunit *test)
{
	struct respool_buddy *b = test->priv;
	unsigned long page[13], last;
	unsigned int order;

	for (order = 12; order-- > 0;)
		page[order] = respool_buddy_alloc(b, order, TAG);
	last = respool_buddy_alloc(b, 0, TAG);
	KUNIT_ASSERT_EQ(test, b->free_pages, 0);
	free_page_block(test, b, last);
	for (order = 0; order < 12; order++) {
		KUNIT_EXPECT_EQ(test, respool_buddy_largest_free_order(b), order);
		free_page_block(test, b, page[order]);
	}
	KUNIT_EXPECT_EQ(test, respool_buddy_largest_free_order(b), 12);
}

static void interleaved_pages_leave_the_rows_a_word_scan_would_find(struct kunit *test)
{
	struct respool_buddy *b = test->priv;
	struct respool_fit fit = fit_for(2);
	unsigned long page;
	unsigned int n = 0;

	fit.scan = true;
	take_each_page(test, b);
	for (page = 0; page < NR_PAGES; page += 3)
		free_page_block(test, b, page);
	KUNIT_EXPECT_EQ(test, alloc_fit(b, &fit), RESPOOL_NO_PAGE);
	for (page = 1; page < NR_PAGES; page += 3)
		free_page_block(test, b, page);
	while (alloc_fit(b, &fit) != RESPOOL_NO_PAGE)
		n++;
	KUNIT_EXPECT_EQ(test, n, (NR_PAGES + 1) / 3);
}

static void everything_freed_is_one_block_again(struct kunit *test)
{
	struct respool_buddy *b = test->priv;
	unsigned long i;

	take_each_page(test, b);
	/* 2731 has no divisor in common with the number of pages: each is met once. */
	for (i = 0; i < NR_PAGES; i++)
		free_page_block(test, b, i * 2731 % NR_PAGES);
	KUNIT_EXPECT_EQ(test, respool_buddy_alloc(b, 12, TAG), 0);
}

static void everything_freed_is_the_whole_odd_pool_again(struct kunit *test)
{
	struct respool_buddy *b = make_buddy(test, 3107, BASE_PFN + 5);
	struct respool_fit fit = fit_for(3107);
	unsigned long i;

	take_each_page(test, b);
	for (i = 0; i < 3107; i++)
		free_page_block(test, b, i * 1000 % 3107);
	fit.scan = true;
	KUNIT_EXPECT_EQ(test, respool_buddy_largest_fit(b, &fit), 3107);
	KUNIT_EXPECT_EQ(test, alloc_fit(b, &fit), 0);
}

static struct kunit_case buddy_test_cases[] = {
	KUNIT_CASE(empty_pool_is_one_block),
	KUNIT_CASE(odd_pool_is_one_block_per_bit),
	KUNIT_CASE(pool_of_one_page_serves_it),
	KUNIT_CASE(pool_of_no_pages_is_refused),
	KUNIT_CASE(split_leaves_a_block_of_each_smaller_order),
	KUNIT_CASE(free_merges_up_to_the_whole_pool),
	KUNIT_CASE(block_does_not_merge_with_one_that_is_not_its_buddy),
	KUNIT_CASE(blocks_are_aligned_in_page_frames),
	KUNIT_CASE(region_in_use_is_filled_before_another_is_cut),
	KUNIT_CASE(smallest_block_that_serves_is_cut),
	KUNIT_CASE(order_beyond_the_pool_is_not_served),
	KUNIT_CASE(exact_block_keeps_no_tail),
	KUNIT_CASE(tail_of_an_exact_block_serves_others),
	KUNIT_CASE(no_pages_and_too_many_are_not_served),
	KUNIT_CASE(free_tells_what_the_block_was),
	KUNIT_CASE(double_free_is_refused),
	KUNIT_CASE(free_inside_a_block_is_refused),
	KUNIT_CASE(free_inside_an_exact_block_is_refused),
	KUNIT_CASE(free_as_another_order_is_refused),
	KUNIT_CASE(free_outside_the_pool_is_refused),
	KUNIT_CASE(alignment_above_natural_is_kept),
	KUNIT_CASE(range_is_used_up_and_never_left),
	KUNIT_CASE(place_is_fixed_by_a_range_as_long_as_the_request),
	KUNIT_CASE(range_too_short_or_reversed_is_not_served),
	KUNIT_CASE(bottom_up_takes_the_lowest_place),
	KUNIT_CASE(top_down_takes_the_highest_place),
	KUNIT_CASE(without_scan_only_blocks_serve),
	KUNIT_CASE(scan_takes_the_lowest_row),
	KUNIT_CASE(scan_top_down_takes_the_highest_row),
	KUNIT_CASE(scan_keeps_alignment_and_range),
	KUNIT_CASE(largest_fit_is_a_block_or_with_scan_a_row),
	KUNIT_CASE(batch_is_of_one_block_or_word_the_lowest_last),
	KUNIT_CASE(batch_stops_at_the_watermark),
	KUNIT_CASE(cached_block_is_free_to_clients),
	KUNIT_CASE(reserved_pages_are_given_to_nobody),
	KUNIT_CASE(only_free_pages_go_out_of_service),
	KUNIT_CASE(only_reserved_pages_come_back),
	KUNIT_CASE(find_tells_what_each_page_belongs_to),
	KUNIT_CASE(map_has_one_bit_per_page),
	KUNIT_CASE(validate_sees_damage),
	KUNIT_CASE(metadata_takes_less_than_one_and_a_half_bytes_a_page),
	KUNIT_CASE(block_of_each_order_leaves_no_page),
	KUNIT_CASE(block_of_each_order_leaves_one_page_of_a_power_of_two),
	KUNIT_CASE(freeing_ascending_orders_makes_each_next_order_available),
	KUNIT_CASE(interleaved_pages_leave_the_rows_a_word_scan_would_find),
	KUNIT_CASE(everything_freed_is_one_block_again),
	KUNIT_CASE(everything_freed_is_the_whole_odd_pool_again),
	{}
};

static struct kunit_suite buddy_test_suite = {
	.name = "respool_buddy",
	.init = buddy_test_init,
	.exit = buddy_test_exit,
	.test_cases = buddy_test_cases,
};

kunit_test_suite(buddy_test_suite);
