// SPDX-License-Identifier: GPL-2.0
/*
 * The page layer as its clients see it, one behaviour a case, each in all of
 * the pools that run_kunit.sh has loaded respool.ko with: with magazines,
 * without, and of a number of pages that is no power of two.
 */
#include <kunit/test.h>
#include <linux/irqflags.h>
#include <linux/jiffies.h>
#include <linux/log2.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/respool.h>
#include <linux/workqueue.h>

#define MANY_BLOCKS	4096

struct pages {
	struct respool *pool;
	void **block;			/* MANY_BLOCKS, for a case to keep addresses in */
	struct respool_stats before;	/* the case */
	struct respool_stats last;	/* what now was */
	struct respool_stats now;
};

static const char * const pools[] = { "main", "plain", "odd" };

static void describe_pool(const char * const *name, char *description)
{
	strscpy(description, *name, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(pool, pools, describe_pool);

static struct respool_stats *stats(struct kunit *test)
{
	struct pages *p = test->priv;

	p->last = p->now;
	respool_stats(p->pool, &p->now);
	return &p->now;
}

/* With the magazines called in. */
static struct respool_stats *settled(struct kunit *test)
{
	struct pages *p = test->priv;

	respool_drain(p->pool);
	return stats(test);
}

static int pages_test_init(struct kunit *test)
{
	struct pages *p = kunit_kzalloc(test, sizeof(*p), GFP_KERNEL);

	if (!p)
		return -ENOMEM;
	p->block = kunit_kcalloc(test, MANY_BLOCKS, sizeof(*p->block), GFP_KERNEL);
	if (!p->block)
		return -ENOMEM;
	p->pool = respool_get(*(const char * const *)test->param_value);
	if (IS_ERR(p->pool))
		return PTR_ERR(p->pool);
	test->priv = p;
	p->before = *settled(test);
	return p->before.free_pages == p->before.pages ? 0 : -EBUSY;
}

/* Whatever a case did, the pool is whole and in order afterwards. */
static void pages_test_exit(struct kunit *test)
{
	struct pages *p = test->priv;
	struct respool_stats *now;
	char why[128] = "ok";

	if (!p)
		return;
	KUNIT_EXPECT_EQ(test, respool_set_watermark(p->pool, 0), 0);
	now = settled(test);
	KUNIT_EXPECT_EQ(test, now->free_pages, p->before.free_pages);
	KUNIT_EXPECT_EQ(test, now->largest_free_order, p->before.largest_free_order);
	respool_validate(p->pool, why, sizeof(why));
	KUNIT_EXPECT_STREQ(test, why, "ok");
	respool_put(p->pool);
}

static struct respool *pool_of(struct kunit *test)
{
	struct pages *p = test->priv;

	return p->pool;
}

static void **blocks_of(struct kunit *test)
{
	struct pages *p = test->priv;

	return p->block;
}

static phys_addr_t phys_of(struct kunit *test, const void *addr)
{
	return respool_virt_to_phys(pool_of(test), addr);
}

static void free_it(struct kunit *test, void *addr)
{
	KUNIT_EXPECT_EQ(test, respool_free_block(pool_of(test), addr), 0);
}

/* The page at an index, which must be the start of something to be freed. */
static void *page_at(struct kunit *test, unsigned long page)
{
	return respool_start(pool_of(test)) + page * PAGE_SIZE;
}

static void take_each_page(struct kunit *test)
{
	unsigned long page;

	for (page = 0; page < respool_nr_pages(pool_of(test)); page++)
		KUNIT_ASSERT_NOT_NULL(test, respool_alloc_pages(pool_of(test), 0, 0));
}

static void free_row(struct kunit *test, unsigned long page, unsigned long nr_pages)
{
	while (nr_pages--)
		free_it(test, page_at(test, page++));
}

static void free_every_third(struct kunit *test, unsigned long page)
{
	for (; page < respool_nr_pages(pool_of(test)); page += 3)
		free_it(test, page_at(test, page));
}

static void *request(struct kunit *test, struct respool_request ask)
{
	return respool_alloc_request(pool_of(test), &ask, 0);
}

#define REQUEST(test, ...)	request(test, (struct respool_request){ __VA_ARGS__ })

/* Since the last look, a call did this to a counter and nothing to the free pages. */
static void expect_refused(struct kunit *test, enum respool_refusal kind, void *block)
{
	struct pages *p = test->priv;
	const struct respool_stats *before = &p->last, *now = stats(test);

	KUNIT_EXPECT_NULL(test, block);
	KUNIT_EXPECT_EQ(test, now->refusals[kind], before->refusals[kind] + 1);
	KUNIT_EXPECT_EQ(test, now->failures, before->failures + 1);
	KUNIT_EXPECT_EQ(test, now->free_pages, before->free_pages);
}

static void expect_bad_free(struct kunit *test, enum respool_refusal kind, int error,
			    int expected)
{
	struct pages *p = test->priv;
	const struct respool_stats *before = &p->last, *now = stats(test);

	KUNIT_EXPECT_EQ(test, error, expected);
	KUNIT_EXPECT_EQ(test, now->refusals[kind], before->refusals[kind] + 1);
	KUNIT_EXPECT_EQ(test, now->allocated_pages, before->allocated_pages);
}

/* Pools and addresses */

static void unknown_pool_is_not_found(struct kunit *test)
{
	KUNIT_EXPECT_EQ(test, PTR_ERR(respool_get("none")), -ENOENT);
}

static void pool_tells_its_name_and_size(struct kunit *test)
{
	struct respool *pool = pool_of(test);
	struct respool_stats *now = stats(test);

	KUNIT_EXPECT_STREQ(test, respool_name(pool), *(const char * const *)test->param_value);
	KUNIT_EXPECT_EQ(test, respool_nr_pages(pool), now->pages);
	KUNIT_EXPECT_EQ(test, respool_max_order(pool), now->max_order);
	KUNIT_EXPECT_TRUE(test, respool_has_memory(pool));
}

static void addresses_translate_both_ways(struct kunit *test)
{
	struct respool *pool = pool_of(test);
	void *first = respool_start(pool), *byte = first + 5 * PAGE_SIZE + 17;
	void *end = first + respool_nr_pages(pool) * PAGE_SIZE;

	KUNIT_EXPECT_EQ(test, phys_of(test, byte) - phys_of(test, first), 5 * PAGE_SIZE + 17);
	KUNIT_EXPECT_PTR_EQ(test, respool_phys_to_virt(pool, phys_of(test, byte)), byte);
	KUNIT_EXPECT_TRUE(test, respool_contains(pool, end - 1));
	KUNIT_EXPECT_FALSE(test, respool_contains(pool, end));
	KUNIT_EXPECT_FALSE(test, respool_contains(pool, first - 1));
	KUNIT_EXPECT_EQ(test, phys_of(test, end), PHYS_ADDR_MAX);
	KUNIT_EXPECT_NULL(test, respool_phys_to_virt(pool, phys_of(test, end - 1) + 1));
}

static void pages_translate_both_ways(struct kunit *test)
{
	struct respool *pool = pool_of(test);
	struct pages *other = test->priv;
	void *addr = respool_start(pool) + 5 * PAGE_SIZE;
	struct page *page = respool_virt_to_page(pool, addr + 17);

	KUNIT_ASSERT_NOT_NULL(test, page);
	KUNIT_EXPECT_PTR_EQ(test, respool_page_to_virt(pool, page), addr);
	KUNIT_EXPECT_NULL(test, respool_virt_to_page(pool, other));
	KUNIT_EXPECT_NULL(test, respool_page_to_virt(pool, virt_to_page(other)));
}

static void numbers_of_pages_make_up_the_pool(struct kunit *test)
{
	struct respool_stats *now;
	void *block = respool_alloc_pages(pool_of(test), 1, 0);

	KUNIT_EXPECT_EQ(test, respool_reserve_range(pool_of(test), page_at(test, 1000), 3), 0);
	now = stats(test);
	KUNIT_EXPECT_EQ(test, now->allocated_pages, 2);
	KUNIT_EXPECT_EQ(test, now->reserved_pages, 3);
	KUNIT_EXPECT_EQ(test, now->pages, now->free_pages + now->allocated_pages +
			now->cached_pages + now->reserved_pages + now->bad_pages);
	KUNIT_EXPECT_EQ(test, respool_release_range(pool_of(test), page_at(test, 1000), 3), 0);
	free_it(test, block);
}

static void other_handle_may_free_what_one_allocated(struct kunit *test)
{
	struct respool *other = respool_get_as(respool_name(pool_of(test)), "other");
	void *block = respool_alloc_pages(pool_of(test), 3, 0);

	KUNIT_ASSERT_FALSE(test, IS_ERR(other));
	KUNIT_EXPECT_EQ(test, respool_free_pages(other, block, 3), 0);
	respool_put(other);
}

/* The common calls */

static void each_order_is_served_and_aligned(struct kunit *test)
{
	unsigned int order;
	void *block;

	for (order = 0; order <= respool_max_order(pool_of(test)); order++) {
		block = respool_alloc_pages(pool_of(test), order, 0);
		KUNIT_ASSERT_NOT_NULL(test, block);
		KUNIT_EXPECT_EQ(test, phys_of(test, block) & ((PAGE_SIZE << order) - 1), 0);
		KUNIT_EXPECT_EQ(test, stats(test)->allocated_pages, 1UL << order);
		KUNIT_EXPECT_EQ(test, respool_free_pages(pool_of(test), block, order), 0);
	}
}

static void order_beyond_the_pool_is_refused(struct kunit *test)
{
	unsigned int order = respool_max_order(pool_of(test)) + 1;

	stats(test);
	expect_refused(test, RESPOOL_TOO_LARGE, respool_alloc_pages(pool_of(test), order, 0));
	expect_refused(test, RESPOOL_TOO_LARGE, respool_alloc_pages(pool_of(test), ~0U, 0));
}

static void exact_number_of_pages_and_no_more_is_taken(struct kunit *test)
{
	unsigned long nr_pages;
	void *block;

	for (nr_pages = 1; nr_pages <= 1UL << respool_max_order(pool_of(test));
	     nr_pages += 1 + nr_pages / 8) {
		block = respool_alloc_exact(pool_of(test), nr_pages, 0);
		KUNIT_ASSERT_NOT_NULL(test, block);
		KUNIT_EXPECT_EQ(test, stats(test)->allocated_pages, nr_pages);
		free_it(test, block);
	}
}

static void no_pages_and_too_many_are_refused(struct kunit *test)
{
	struct respool *pool = pool_of(test);

	stats(test);
	expect_refused(test, RESPOOL_ZERO_SIZE, respool_alloc_exact(pool, 0, 0));
	expect_refused(test, RESPOOL_TOO_LARGE,
		       respool_alloc_exact(pool, respool_nr_pages(pool) + 1, 0));
	expect_refused(test, RESPOOL_TOO_LARGE, respool_alloc_exact(pool, ULONG_MAX, 0));
}

static void full_pool_gives_nothing_and_counts_it(struct kunit *test)
{
	u64 failures = stats(test)->failures;

	take_each_page(test);
	KUNIT_EXPECT_NULL(test, respool_alloc_pages(pool_of(test), 0, GFP_ATOMIC));
	KUNIT_EXPECT_EQ(test, stats(test)->failures, failures + 1);
	free_row(test, 0, respool_nr_pages(pool_of(test)));
}

static void work_with_interrupts_off(struct kunit *test)
{
	unsigned long flags;
	void *block;
	int error;

	local_irq_save(flags);
	block = respool_alloc_exact(pool_of(test), 5, GFP_ATOMIC);
	error = respool_free_block(pool_of(test), block);
	local_irq_restore(flags);
	KUNIT_EXPECT_NOT_NULL(test, block);
	KUNIT_EXPECT_EQ(test, error, 0);
}

/* Frees */

static void free_of_null_does_nothing(struct kunit *test)
{
	KUNIT_EXPECT_EQ(test, respool_free_pages(pool_of(test), NULL, 3), 0);
	KUNIT_EXPECT_EQ(test, respool_free_block(pool_of(test), NULL), 0);
}

static void double_free_is_refused(struct kunit *test)
{
	void *block = respool_alloc_pages(pool_of(test), 3, 0);

	KUNIT_EXPECT_EQ(test, respool_free_pages(pool_of(test), block, 3), 0);
	stats(test);
	expect_bad_free(test, RESPOOL_DOUBLE_FREE, respool_free_pages(pool_of(test), block, 3),
			-EALREADY);
	expect_bad_free(test, RESPOOL_DOUBLE_FREE, respool_free_block(pool_of(test), block),
			-EALREADY);
}

static void free_inside_a_block_is_refused(struct kunit *test)
{
	void *block = respool_alloc_pages(pool_of(test), 3, 0);

	stats(test);
	expect_bad_free(test, RESPOOL_INTERIOR,
			respool_free_block(pool_of(test), block + PAGE_SIZE), -EINVAL);
	expect_bad_free(test, RESPOOL_INTERIOR, respool_free_block(pool_of(test), block + 1),
			-EINVAL);
	free_it(test, block);
}

static void free_as_another_order_is_refused(struct kunit *test)
{
	void *block = respool_alloc_pages(pool_of(test), 3, 0);

	stats(test);
	expect_bad_free(test, RESPOOL_WRONG_ORDER, respool_free_pages(pool_of(test), block, 2),
			-ERANGE);
	expect_bad_free(test, RESPOOL_WRONG_ORDER, respool_free_pages(pool_of(test), block, ~0U),
			-ERANGE);
	KUNIT_EXPECT_EQ(test, respool_free_pages(pool_of(test), block, 3), 0);
}

static void free_of_a_foreign_address_is_refused(struct kunit *test)
{
	unsigned long nr_pages = respool_nr_pages(pool_of(test));

	stats(test);
	expect_bad_free(test, RESPOOL_FOREIGN, respool_free_block(pool_of(test), test), -EFAULT);
	expect_bad_free(test, RESPOOL_FOREIGN,
			respool_free_block(pool_of(test), page_at(test, nr_pages)), -EFAULT);
}

/* Requests with conditions */

static void alignment_above_natural_is_kept(struct kunit *test)
{
	unsigned int order;
	void *block;

	for (order = 0; order <= respool_max_order(pool_of(test)); order++) {
		block = REQUEST(test, .nr_pages = 1, .align = PAGE_SIZE << order);
		KUNIT_ASSERT_NOT_NULL(test, block);
		KUNIT_EXPECT_EQ(test, phys_of(test, block) & ((PAGE_SIZE << order) - 1), 0);
		KUNIT_EXPECT_EQ(test, stats(test)->allocated_pages, 1);
		free_it(test, block);
	}
}

static void range_is_used_up_and_never_left(struct kunit *test)
{
	phys_addr_t start = phys_of(test, page_at(test, 0));
	phys_addr_t first = start + 100 * PAGE_SIZE + 1, last = start + 701 * PAGE_SIZE - 2;
	void **block = blocks_of(test);
	unsigned int n;

	for (n = 0; (block[n] = REQUEST(test, .nr_pages = 1, .first = first, .last = last)); n++) {
		KUNIT_ASSERT_GE(test, phys_of(test, block[n]), first);
		KUNIT_ASSERT_LE(test, phys_of(test, block[n]) + PAGE_SIZE - 1, last);
	}
	/* Of the first page and of the last only a part is inside. */
	KUNIT_EXPECT_EQ(test, n, 701 - 1 - 101);
	KUNIT_EXPECT_EQ(test, respool_free_bulk(pool_of(test), n, block), 0);
}

static void place_can_be_fixed_and_is_given_once(struct kunit *test)
{
	phys_addr_t first = phys_of(test, page_at(test, 1001));
	phys_addr_t last = first + 13 * PAGE_SIZE - 1;
	void *block = REQUEST(test, .nr_pages = 13, .first = first, .last = last);

	KUNIT_EXPECT_PTR_EQ(test, block, page_at(test, 1001));
	KUNIT_EXPECT_NULL(test, REQUEST(test, .nr_pages = 13, .first = first, .last = last));
	free_it(test, block);
}

static void bottom_up_takes_the_lowest_place(struct kunit *test)
{
	void **block = blocks_of(test);
	unsigned int i;

	for (i = 0; i < 100; i++) {
		block[i] = REQUEST(test, .nr_pages = 1);
		KUNIT_EXPECT_PTR_EQ(test, block[i], page_at(test, i));
	}
	KUNIT_EXPECT_EQ(test, respool_free_bulk(pool_of(test), i, block), 0);
}

static void top_down_takes_the_highest_place(struct kunit *test)
{
	unsigned long nr_pages = respool_nr_pages(pool_of(test));
	void **block = blocks_of(test);
	unsigned int i;

	for (i = 0; i < 100; i++) {
		block[i] = REQUEST(test, .nr_pages = 1, .flags = RESPOOL_TOP_DOWN);
		KUNIT_EXPECT_PTR_EQ(test, block[i], page_at(test, nr_pages - 1 - i));
	}
	KUNIT_EXPECT_EQ(test, respool_free_bulk(pool_of(test), i, block), 0);
}

/* Nothing is free but two rows of eight pages, neither of which is a block. */
#define LOW_ROW		3UL
#define HIGH_ROW	2051UL

static void make_rows(struct kunit *test)
{
	KUNIT_ASSERT_EQ(test, phys_of(test, page_at(test, 0)) & (8 * PAGE_SIZE - 1), 0);
	take_each_page(test);
	free_row(test, LOW_ROW, 8);
	free_row(test, HIGH_ROW, 8);
}

static void free_all_but_rows(struct kunit *test)
{
	free_row(test, 0, LOW_ROW);
	free_row(test, LOW_ROW + 8, HIGH_ROW - LOW_ROW - 8);
	free_row(test, HIGH_ROW + 8, respool_nr_pages(pool_of(test)) - HIGH_ROW - 8);
}

static void scan_takes_the_lowest_or_the_highest_row(struct kunit *test)
{
	void *low, *high;

	make_rows(test);
	KUNIT_EXPECT_NULL(test, REQUEST(test, .nr_pages = 8));
	low = REQUEST(test, .nr_pages = 8, .flags = RESPOOL_SCAN);
	KUNIT_EXPECT_PTR_EQ(test, low, page_at(test, LOW_ROW));
	free_it(test, low);
	high = REQUEST(test, .nr_pages = 8, .flags = RESPOOL_SCAN | RESPOOL_TOP_DOWN);
	KUNIT_EXPECT_PTR_EQ(test, high, page_at(test, HIGH_ROW));
	free_it(test, high);
	free_all_but_rows(test);
}

static void largest_is_a_block_or_with_scan_a_row(struct kunit *test)
{
	struct respool_request ask = {};

	make_rows(test);
	KUNIT_EXPECT_EQ(test, respool_largest(pool_of(test), &ask), 4);
	ask.flags = RESPOOL_SCAN;
	KUNIT_EXPECT_EQ(test, respool_largest(pool_of(test), &ask), 8);
	ask.last = phys_of(test, page_at(test, LOW_ROW + 6)) - 1;
	KUNIT_EXPECT_EQ(test, respool_largest(pool_of(test), &ask), 6);
	free_all_but_rows(test);
}

static void largest_of_an_empty_pool_is_all_of_it(struct kunit *test)
{
	struct respool_request ask = {};

	KUNIT_EXPECT_EQ(test, respool_largest(pool_of(test), &ask),
			1UL << respool_max_order(pool_of(test)));
	ask.flags = RESPOOL_SCAN;
	KUNIT_EXPECT_EQ(test, respool_largest(pool_of(test), &ask),
			respool_nr_pages(pool_of(test)));
}

static void request_that_makes_no_sense_is_refused(struct kunit *test)
{
	phys_addr_t start = phys_of(test, page_at(test, 0));

	stats(test);
	expect_refused(test, RESPOOL_ZERO_SIZE, REQUEST(test, .nr_pages = 0));
	expect_refused(test, RESPOOL_BAD_ALIGN,
		       REQUEST(test, .nr_pages = 1, .align = 3 * PAGE_SIZE));
	expect_refused(test, RESPOOL_TOO_LARGE, REQUEST(test, .nr_pages = 1, .flags = 0x80));
	expect_refused(test, RESPOOL_TOO_LARGE,
		       REQUEST(test, .nr_pages = 1, .first = start + 1, .last = start));
}

static void request_that_can_never_be_served_is_refused(struct kunit *test)
{
	unsigned long nr_pages = respool_nr_pages(pool_of(test));
	phys_addr_t start = phys_of(test, page_at(test, 0));

	stats(test);
	expect_refused(test, RESPOOL_TOO_LARGE, REQUEST(test, .nr_pages = nr_pages + 1));
	expect_refused(test, RESPOOL_TOO_LARGE, REQUEST(test, .nr_pages = 1, .last = start - 1));
	expect_refused(test, RESPOOL_TOO_LARGE,
		       REQUEST(test, .nr_pages = 1, .first = start + nr_pages * PAGE_SIZE));
	expect_refused(test, RESPOOL_TOO_LARGE,
		       REQUEST(test, .nr_pages = 2, .first = start + 1,
			       .last = start + 3 * PAGE_SIZE - 2));
}

/* Several blocks */

static void list_has_the_largest_blocks_first(struct kunit *test)
{
	struct respool_extent extent[8];
	unsigned long sum = 0;
	int nr, i;

	nr = respool_alloc_list(pool_of(test), 1 + 4 + 32 + 512, extent, ARRAY_SIZE(extent), 0);
	KUNIT_ASSERT_EQ(test, nr, 4);
	for (i = 0; i < nr; i++) {
		KUNIT_EXPECT_TRUE(test, !i || extent[i].nr_pages < extent[i - 1].nr_pages);
		sum += extent[i].nr_pages;
	}
	KUNIT_EXPECT_EQ(test, sum, 1 + 4 + 32 + 512);
	KUNIT_EXPECT_EQ(test, stats(test)->allocated_pages, sum);
	respool_free_list(pool_of(test), extent, nr);
}

static void list_is_made_of_whatever_is_left(struct kunit *test)
{
	struct respool_extent extent[16];
	int nr;

	make_rows(test);
	nr = respool_alloc_list(pool_of(test), 16, extent, ARRAY_SIZE(extent), 0);
	KUNIT_EXPECT_GT(test, nr, 2);
	KUNIT_EXPECT_EQ(test, stats(test)->free_pages, 0);
	respool_free_list(pool_of(test), extent, max(nr, 0));
	free_all_but_rows(test);
}

static void list_is_all_or_nothing(struct kunit *test)
{
	struct respool *pool = pool_of(test);
	struct respool_extent extent[4];

	KUNIT_EXPECT_EQ(test, respool_alloc_list(pool, 0, extent, 4, 0), -EINVAL);
	KUNIT_EXPECT_EQ(test, respool_alloc_list(pool, 1, extent, 0, 0), -EINVAL);
	KUNIT_EXPECT_EQ(test, respool_alloc_list(pool, 1 + 2 + 4, extent, 2, 0), -ENOSPC);
	KUNIT_EXPECT_EQ(test, respool_alloc_list(pool, respool_nr_pages(pool) + 1, extent, 4, 0),
			-ENOMEM);
	KUNIT_EXPECT_EQ(test, stats(test)->allocated_pages, 0);
}

static void bulk_gives_blocks_until_there_are_no_more(struct kunit *test)
{
	unsigned int there = respool_nr_pages(pool_of(test)) >> 3, got;

	got = respool_alloc_bulk(pool_of(test), 3, MANY_BLOCKS, blocks_of(test), 0);
	KUNIT_EXPECT_EQ(test, got, there);
	KUNIT_EXPECT_EQ(test, stats(test)->allocated_pages, 8 * there);
	KUNIT_EXPECT_EQ(test, respool_free_bulk(pool_of(test), got, blocks_of(test)), 0);
}

static void bulk_free_tells_how_many_were_refused(struct kunit *test)
{
	void **block = blocks_of(test), *extra;

	KUNIT_ASSERT_EQ(test, respool_alloc_bulk(pool_of(test), 0, 3, block, 0), 3);
	extra = block[1];
	block[1] += PAGE_SIZE / 2;
	KUNIT_EXPECT_EQ(test, respool_free_bulk(pool_of(test), 3, block), 1);
	KUNIT_EXPECT_NULL(test, block[0]);
	KUNIT_EXPECT_PTR_EQ(test, block[1], extra + PAGE_SIZE / 2);
	KUNIT_EXPECT_NULL(test, block[2]);
	free_it(test, extra);
}

/* Zero */

static bool is_filled_with(const void *block, u8 byte, size_t bytes)
{
	return !memchr_inv(block, byte, bytes);
}

static void zero_is_what_was_asked_for(struct kunit *test)
{
	void *block = respool_alloc_exact(pool_of(test), 5, 0);

	KUNIT_ASSERT_NOT_NULL(test, block);
	memset(block, 0xa5, 5 * PAGE_SIZE);
	free_it(test, block);
	block = respool_alloc_exact(pool_of(test), 5, __GFP_ZERO);
	KUNIT_ASSERT_NOT_NULL(test, block);
	KUNIT_EXPECT_TRUE(test, is_filled_with(block, 0, 5 * PAGE_SIZE));
	free_it(test, block);
}

/* Vouched for in error, so that it shows whether they are cleared. */
/* A block of @nr_pages where there is room for 64. */
static void *block_with_room(struct kunit *test, unsigned long nr_pages)
{
	void *block = REQUEST(test, .nr_pages = nr_pages, .align = 64 * PAGE_SIZE);

	KUNIT_ASSERT_NOT_NULL(test, block);
	return block;
}

static void block_grows_and_shrinks_where_it_is(struct kunit *test)
{
	static const unsigned long sizes[] = { 2, 3, 7, 8, 33, 64, 5, 4, 1 };
	unsigned long held = stats(test)->allocated_pages;
	void *block = block_with_room(test, 1);
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		KUNIT_EXPECT_EQ(test, respool_resize_block(pool_of(test), block, sizes[i], 0), 0);
		KUNIT_EXPECT_EQ(test, stats(test)->allocated_pages, held + sizes[i]);
	}
	free_it(test, block);
}

static void block_grows_over_free_pages_alone(struct kunit *test)
{
	void *block = block_with_room(test, 3), *behind;
	phys_addr_t at = phys_of(test, block + 8 * PAGE_SIZE);
	u64 failures;

	behind = REQUEST(test, .nr_pages = 1, .first = at, .last = at + PAGE_SIZE - 1);
	KUNIT_ASSERT_NOT_NULL(test, behind);
	failures = stats(test)->failures;
	KUNIT_EXPECT_EQ(test, respool_resize_block(pool_of(test), block, 9, 0), -ENOSPC);
	KUNIT_EXPECT_EQ(test, stats(test)->failures, failures);
	KUNIT_EXPECT_EQ(test, respool_resize_block(pool_of(test), block, 8, 0), 0);
	free_it(test, behind);
	respool_drain(pool_of(test));
	KUNIT_EXPECT_EQ(test, respool_resize_block(pool_of(test), block, 9, 0), 0);
	KUNIT_EXPECT_EQ(test, respool_resize_block(pool_of(test), block, ULONG_MAX, 0), -ENOSPC);
	free_it(test, block);
}

static void what_a_block_gains_is_cleared_if_asked_for(struct kunit *test)
{
	void *block = block_with_room(test, 8);

	memset(block, 0xa5, 8 * PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, respool_resize_block(pool_of(test), block, 2, 0), 0);
	KUNIT_EXPECT_EQ(test, respool_resize_block(pool_of(test), block, 6, __GFP_ZERO), 0);
	KUNIT_EXPECT_TRUE(test, is_filled_with(block, 0xa5, 2 * PAGE_SIZE));
	KUNIT_EXPECT_TRUE(test, is_filled_with(block + 2 * PAGE_SIZE, 0, 4 * PAGE_SIZE));
	free_it(test, block);
}

static void watermark_holds_for_a_block_that_grows(struct kunit *test)
{
	void *block = block_with_room(test, 1);
	unsigned long nr_pages = stats(test)->free_pages;

	KUNIT_ASSERT_EQ(test, respool_set_watermark(pool_of(test), nr_pages - 1), 0);
	KUNIT_EXPECT_EQ(test, respool_resize_block(pool_of(test), block, 3, GFP_KERNEL), -ENOSPC);
	KUNIT_EXPECT_EQ(test, respool_resize_block(pool_of(test), block, 2, GFP_KERNEL), 0);
	KUNIT_EXPECT_EQ(test, respool_resize_block(pool_of(test), block, 3, GFP_ATOMIC), 0);
	free_it(test, block);
}

static void resize_of_what_is_no_block_is_refused(struct kunit *test)
{
	void *block = block_with_room(test, 4);

	stats(test);
	expect_bad_free(test, RESPOOL_INTERIOR,
			respool_resize_block(pool_of(test), block + PAGE_SIZE, 4, 0), -EINVAL);
	expect_bad_free(test, RESPOOL_INTERIOR,
			respool_resize_block(pool_of(test), block + 8, 4, 0), -EINVAL);
	expect_bad_free(test, RESPOOL_FOREIGN,
			respool_resize_block(pool_of(test), test, 4, 0), -EFAULT);
	expect_bad_free(test, RESPOOL_ZERO_SIZE,
			respool_resize_block(pool_of(test), block, 0, 0), -EINVAL);
	free_it(test, block);
	respool_drain(pool_of(test));
	stats(test);
	expect_bad_free(test, RESPOOL_DOUBLE_FREE,
			respool_resize_block(pool_of(test), block, 8, 0), -EALREADY);
}

static void pages_known_to_be_zero_are_not_cleared_again(struct kunit *test)
{
	struct respool_request ask = { .nr_pages = 8 };
	void *block = respool_alloc_request(pool_of(test), &ask, 0);

	KUNIT_ASSERT_NOT_NULL(test, block);
	memset(block, 0xa5, 8 * PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, respool_free_cleared(pool_of(test), block), 0);
	KUNIT_EXPECT_EQ(test, settled(test)->clear_pages, 8);
	block = respool_alloc_request(pool_of(test), &ask, __GFP_ZERO);
	KUNIT_EXPECT_TRUE(test, is_filled_with(block, 0xa5, 8 * PAGE_SIZE));
	free_it(test, block);
}

static void pages_that_were_handed_out_are_cleared_again(struct kunit *test)
{
	struct respool_request ask = { .nr_pages = 8 };
	void *block = respool_alloc_request(pool_of(test), &ask, 0);

	KUNIT_ASSERT_NOT_NULL(test, block);
	KUNIT_EXPECT_EQ(test, respool_free_cleared(pool_of(test), block), 0);
	respool_drain(pool_of(test));
	block = respool_alloc_request(pool_of(test), &ask, 0);
	KUNIT_EXPECT_EQ(test, stats(test)->clear_pages, 0);
	memset(block, 0xa5, 8 * PAGE_SIZE);
	free_it(test, block);
	respool_drain(pool_of(test));
	block = respool_alloc_request(pool_of(test), &ask, __GFP_ZERO);
	KUNIT_EXPECT_TRUE(test, is_filled_with(block, 0, 8 * PAGE_SIZE));
	free_it(test, block);
}

static void being_known_to_be_zero_never_stops_a_merge(struct kunit *test)
{
	unsigned int order = respool_max_order(pool_of(test));
	void **block = blocks_of(test);
	unsigned int n, i;

	n = respool_alloc_bulk(pool_of(test), 0, MANY_BLOCKS, block, __GFP_ZERO);
	for (i = 0; i < n; i++)
		KUNIT_EXPECT_EQ(test, i % 2 ? respool_free_cleared(pool_of(test), block[i]) :
				respool_free_block(pool_of(test), block[i]), 0);
	KUNIT_EXPECT_EQ(test, stats(test)->clear_pages, n / 2);
	block[0] = respool_alloc_pages(pool_of(test), order, 0);
	KUNIT_EXPECT_NOT_NULL(test, block[0]);
	free_it(test, block[0]);
	/* And so that the pool is as before: */
	block[0] = respool_alloc_request(pool_of(test), &(struct respool_request){
			.nr_pages = respool_nr_pages(pool_of(test)), .flags = RESPOOL_SCAN }, 0);
	KUNIT_EXPECT_EQ(test, stats(test)->clear_pages, 0);
	free_it(test, block[0]);
}

/* Watermark and waiting */

static void watermark_is_for_atomic_requests_alone(struct kunit *test)
{
	unsigned long nr_pages = respool_nr_pages(pool_of(test));
	void **block = blocks_of(test);
	unsigned int n;

	KUNIT_ASSERT_EQ(test, respool_set_watermark(pool_of(test), 100), 0);
	KUNIT_EXPECT_EQ(test, stats(test)->watermark_pages, 100);
	n = respool_alloc_bulk(pool_of(test), 0, MANY_BLOCKS, block, GFP_KERNEL);
	KUNIT_EXPECT_EQ(test, n, nr_pages - 100);
	KUNIT_EXPECT_NULL(test, REQUEST(test, .nr_pages = 1));
	KUNIT_EXPECT_NULL(test, respool_alloc_wait(pool_of(test), 1, 0, 1));
	n += respool_alloc_bulk(pool_of(test), 0, MANY_BLOCKS - n, block + n, GFP_ATOMIC);
	KUNIT_EXPECT_EQ(test, n, nr_pages);
	KUNIT_EXPECT_EQ(test, respool_free_bulk(pool_of(test), n, block), 0);
}

static void watermark_above_the_pool_is_refused(struct kunit *test)
{
	unsigned long nr_pages = respool_nr_pages(pool_of(test));

	KUNIT_EXPECT_EQ(test, respool_set_watermark(pool_of(test), nr_pages + 1), -EINVAL);
	KUNIT_EXPECT_EQ(test, respool_set_watermark(pool_of(test), nr_pages), 0);
	KUNIT_EXPECT_NULL(test, respool_alloc_pages(pool_of(test), 0, GFP_KERNEL));
}

static void waiting_ends_at_the_timeout(struct kunit *test)
{
	unsigned long before = jiffies;

	take_each_page(test);
	KUNIT_EXPECT_NULL(test, respool_alloc_wait(pool_of(test), 1, 0, 5));
	KUNIT_EXPECT_GE(test, jiffies - before, 5);
	free_row(test, 0, respool_nr_pages(pool_of(test)));
}

static void waiting_for_what_can_never_be_had_ends_at_once(struct kunit *test)
{
	unsigned long nr_pages = respool_nr_pages(pool_of(test)), before = jiffies;

	KUNIT_EXPECT_NULL(test, respool_alloc_wait(pool_of(test), nr_pages + 1, 0, 1000 * HZ));
	KUNIT_EXPECT_NULL(test, respool_alloc_wait(pool_of(test), 0, 0, 1000 * HZ));
	KUNIT_EXPECT_LT(test, jiffies - before, HZ);
}

struct late_free {
	struct delayed_work work;
	struct respool *pool;
	void *block;
	unsigned int nr_pages;
};

static void free_late(struct work_struct *work)
{
	struct late_free *late = container_of(to_delayed_work(work), struct late_free, work);

	while (late->nr_pages--)
		respool_free_block(late->pool, late->block + late->nr_pages * PAGE_SIZE);
}

static void waiter_gets_pages_that_come_back(struct kunit *test)
{
	struct late_free late = { .pool = pool_of(test), .block = page_at(test, 8), .nr_pages = 8 };
	unsigned long nr_pages = respool_nr_pages(pool_of(test));

	take_each_page(test);
	INIT_DELAYED_WORK_ONSTACK(&late.work, free_late);
	schedule_delayed_work(&late.work, 2);
	KUNIT_EXPECT_PTR_EQ(test, respool_alloc_wait(pool_of(test), 8, 0, 1000 * HZ), late.block);
	flush_delayed_work(&late.work);
	destroy_delayed_work_on_stack(&late.work);
	free_row(test, 0, 8);
	free_it(test, late.block);
	free_row(test, 16, nr_pages - 16);
}

/* Pages out of service */

static void reserved_range_is_given_to_nobody(struct kunit *test)
{
	phys_addr_t first = phys_of(test, page_at(test, 1001));
	void *range = page_at(test, 1001);

	KUNIT_ASSERT_EQ(test, respool_reserve_range(pool_of(test), range, 50), 0);
	KUNIT_EXPECT_EQ(test, stats(test)->reserved_pages, 50);
	KUNIT_EXPECT_NULL(test, REQUEST(test, .nr_pages = 1, .first = first,
					.last = first + 50 * PAGE_SIZE - 1));
	KUNIT_EXPECT_EQ(test, respool_free_block(pool_of(test), range), -EALREADY);
	KUNIT_EXPECT_EQ(test, respool_release_range(pool_of(test), range, 50), 0);
}

static void only_free_pages_of_the_pool_are_reserved(struct kunit *test)
{
	unsigned long nr_pages = respool_nr_pages(pool_of(test));
	void *block = respool_alloc_pages(pool_of(test), 0, 0);

	KUNIT_EXPECT_EQ(test, respool_reserve_range(pool_of(test), block, 1), -EBUSY);
	KUNIT_EXPECT_EQ(test, respool_reserve_range(pool_of(test), test, 1), -EFAULT);
	KUNIT_EXPECT_EQ(test, respool_reserve_range(pool_of(test), page_at(test, nr_pages - 1), 2),
			-EFAULT);
	KUNIT_EXPECT_EQ(test, respool_reserve_range(pool_of(test), page_at(test, 8) + 1, 1),
			-EFAULT);
	free_it(test, block);
}

static void only_reserved_pages_are_released(struct kunit *test)
{
	void *range = page_at(test, 1000);

	KUNIT_ASSERT_EQ(test, respool_reserve_range(pool_of(test), range, 2), 0);
	KUNIT_EXPECT_EQ(test, respool_release_range(pool_of(test), range, 3), -EINVAL);
	KUNIT_EXPECT_EQ(test, respool_release_range(pool_of(test), test, 1), -EFAULT);
	KUNIT_EXPECT_EQ(test, respool_release_range(pool_of(test), range, 2), 0);
	KUNIT_EXPECT_EQ(test, respool_release_range(pool_of(test), range, 2), -EINVAL);
}

static void pages_in_magazines_can_be_reserved(struct kunit *test)
{
	void *block = respool_alloc_pages(pool_of(test), 0, 0);

	free_it(test, block);
	KUNIT_EXPECT_EQ(test, respool_reserve_range(pool_of(test), block, 1), 0);
	KUNIT_EXPECT_EQ(test, respool_release_range(pool_of(test), block, 1), 0);
}

/* For good: in a pool of its own. */
static void retired_page_is_never_given_again(struct kunit *test)
{
	struct respool *pool = respool_get("worn");
	struct respool_stats *now = kunit_kzalloc(test, sizeof(*now), GFP_KERNEL);
	u64 bad_pages;
	void *page;

	KUNIT_ASSERT_FALSE(test, IS_ERR(pool));
	KUNIT_ASSERT_NOT_NULL(test, now);
	respool_stats(pool, now);
	bad_pages = now->bad_pages;
	page = respool_alloc_pages(pool, 0, 0);
	KUNIT_EXPECT_EQ(test, respool_retire_page(pool, page), -EBUSY);
	KUNIT_EXPECT_EQ(test, respool_free_block(pool, page), 0);
	KUNIT_EXPECT_EQ(test, respool_retire_page(pool, page), 0);
	KUNIT_EXPECT_EQ(test, respool_retire_page(pool, page), -EBUSY);
	KUNIT_EXPECT_EQ(test, respool_retire_page(pool, test), -EFAULT);
	KUNIT_EXPECT_EQ(test, respool_release_range(pool, page, 1), -EINVAL);
	respool_stats(pool, now);
	KUNIT_EXPECT_EQ(test, now->bad_pages, bad_pages + 1);
	KUNIT_EXPECT_EQ(test, respool_alloc_bulk(pool, 0, MANY_BLOCKS, blocks_of(test), 0),
			respool_nr_pages(pool) - bad_pages - 1);
	KUNIT_EXPECT_EQ(test, respool_free_bulk(pool, respool_nr_pages(pool) - bad_pages - 1,
						blocks_of(test)), 0);
	respool_put(pool);
}

/* What users of other buddy systems rely on */

/* In the largest block of the pool, and what lies beside it taken. */
static void freeing_ascending_orders_makes_each_next_order_available(struct kunit *test)
{
	unsigned int max_order = respool_max_order(pool_of(test)), order;
	void **block = blocks_of(test), **page = block + max_order + 1, *next;
	unsigned int pages;

	for (order = max_order; order-- > 0;) {
		block[order] = respool_alloc_pages(pool_of(test), order, 0);
		KUNIT_ASSERT_NOT_NULL(test, block[order]);
	}
	pages = respool_alloc_bulk(pool_of(test), 0, MANY_BLOCKS - max_order - 1, page, 0);
	KUNIT_EXPECT_EQ(test, settled(test)->free_pages, 0);
	free_it(test, block[0]);
	for (order = 1; order < max_order; order++) {
		KUNIT_EXPECT_NULL(test, respool_alloc_pages(pool_of(test), order + 1, 0));
		free_it(test, block[order]);
		next = respool_alloc_pages(pool_of(test), order, 0);
		KUNIT_EXPECT_NOT_NULL(test, next);
		free_it(test, next);
	}
	KUNIT_EXPECT_EQ(test, respool_free_bulk(pool_of(test), pages, page), 0);
}

static void block_of_each_order_leaves_no_page(struct kunit *test)
{
	struct respool *pool = respool_get("sum");
	void **block = blocks_of(test);
	unsigned int order;

	KUNIT_ASSERT_FALSE(test, IS_ERR(pool));
	KUNIT_ASSERT_EQ(test, respool_nr_pages(pool), 4095);
	for (order = 0; order < 12; order++) {
		block[order] = respool_alloc_pages(pool, order, 0);
		KUNIT_EXPECT_NOT_NULL(test, block[order]);
	}
	KUNIT_EXPECT_NULL(test, respool_alloc_pages(pool, 0, 0));
	KUNIT_EXPECT_EQ(test, respool_free_bulk(pool, order, block), 0);
	respool_put(pool);
}

/* With magazines, too: the first block of an order is not one of a batch. */
static void block_of_each_order_leaves_one_page_of_a_power_of_two(struct kunit *test)
{
	struct respool *pool = pool_of(test);
	unsigned int orders = ilog2(respool_nr_pages(pool)), order;
	void **block = blocks_of(test);

	if (!is_power_of_2(respool_nr_pages(pool)))
		return;
	for (order = 0; order < orders; order++) {
		block[order] = respool_alloc_pages(pool, order, 0);
		KUNIT_EXPECT_NOT_NULL(test, block[order]);
	}
	block[order] = respool_alloc_pages(pool, 0, 0);
	KUNIT_EXPECT_NOT_NULL(test, block[order]);
	KUNIT_EXPECT_NULL(test, respool_alloc_pages(pool, 0, 0));
	KUNIT_EXPECT_EQ(test, respool_free_bulk(pool, orders + 1, block), 0);
}

static void interleaved_pages_leave_the_rows_a_word_scan_would_find(struct kunit *test)
{
	unsigned long nr_pages = respool_nr_pages(pool_of(test));
	void **block = blocks_of(test);
	unsigned int n = 0;

	take_each_page(test);
	free_every_third(test, 0);
	KUNIT_EXPECT_NULL(test, REQUEST(test, .nr_pages = 2, .flags = RESPOOL_SCAN));
	free_every_third(test, 1);
	KUNIT_EXPECT_NULL(test, REQUEST(test, .nr_pages = 3, .flags = RESPOOL_SCAN));
	while ((block[n] = REQUEST(test, .nr_pages = 2, .flags = RESPOOL_SCAN)))
		n++;
	KUNIT_EXPECT_EQ(test, n, (nr_pages + 1) / 3);
	KUNIT_EXPECT_EQ(test, respool_free_bulk(pool_of(test), n, block), 0);
	free_every_third(test, 2);
	block[0] = REQUEST(test, .nr_pages = nr_pages, .flags = RESPOOL_SCAN);
	KUNIT_EXPECT_PTR_EQ(test, block[0], page_at(test, 0));
	free_it(test, block[0]);
}

static void whole_pool_can_be_had_after_everything_was_freed(struct kunit *test)
{
	unsigned long nr_pages = respool_nr_pages(pool_of(test)), i;
	void *block;

	take_each_page(test);
	/* In an order that meets each page once. */
	for (i = 0; i < nr_pages; i++)
		free_it(test, page_at(test, i * 2731 % nr_pages));
	block = respool_alloc_pages(pool_of(test), respool_max_order(pool_of(test)), 0);
	KUNIT_EXPECT_NOT_NULL(test, block);
	free_it(test, block);
	block = REQUEST(test, .nr_pages = nr_pages, .flags = RESPOOL_SCAN);
	KUNIT_EXPECT_PTR_EQ(test, block, page_at(test, 0));
	free_it(test, block);
}

static struct kunit_case pages_test_cases[] = {
	KUNIT_CASE_PARAM(unknown_pool_is_not_found, pool_gen_params),
	KUNIT_CASE_PARAM(pool_tells_its_name_and_size, pool_gen_params),
	KUNIT_CASE_PARAM(addresses_translate_both_ways, pool_gen_params),
	KUNIT_CASE_PARAM(pages_translate_both_ways, pool_gen_params),
	KUNIT_CASE_PARAM(numbers_of_pages_make_up_the_pool, pool_gen_params),
	KUNIT_CASE_PARAM(other_handle_may_free_what_one_allocated, pool_gen_params),
	KUNIT_CASE_PARAM(each_order_is_served_and_aligned, pool_gen_params),
	KUNIT_CASE_PARAM(order_beyond_the_pool_is_refused, pool_gen_params),
	KUNIT_CASE_PARAM(exact_number_of_pages_and_no_more_is_taken, pool_gen_params),
	KUNIT_CASE_PARAM(no_pages_and_too_many_are_refused, pool_gen_params),
	KUNIT_CASE_PARAM(full_pool_gives_nothing_and_counts_it, pool_gen_params),
	KUNIT_CASE_PARAM(work_with_interrupts_off, pool_gen_params),
	KUNIT_CASE_PARAM(free_of_null_does_nothing, pool_gen_params),
	KUNIT_CASE_PARAM(double_free_is_refused, pool_gen_params),
	KUNIT_CASE_PARAM(free_inside_a_block_is_refused, pool_gen_params),
	KUNIT_CASE_PARAM(free_as_another_order_is_refused, pool_gen_params),
	KUNIT_CASE_PARAM(free_of_a_foreign_address_is_refused, pool_gen_params),
	KUNIT_CASE_PARAM(alignment_above_natural_is_kept, pool_gen_params),
	KUNIT_CASE_PARAM(range_is_used_up_and_never_left, pool_gen_params),
	KUNIT_CASE_PARAM(place_can_be_fixed_and_is_given_once, pool_gen_params),
	KUNIT_CASE_PARAM(bottom_up_takes_the_lowest_place, pool_gen_params),
	KUNIT_CASE_PARAM(top_down_takes_the_highest_place, pool_gen_params),
	KUNIT_CASE_PARAM(scan_takes_the_lowest_or_the_highest_row, pool_gen_params),
	KUNIT_CASE_PARAM(largest_is_a_block_or_with_scan_a_row, pool_gen_params),
	KUNIT_CASE_PARAM(largest_of_an_empty_pool_is_all_of_it, pool_gen_params),
	KUNIT_CASE_PARAM(block_grows_and_shrinks_where_it_is, pool_gen_params),
	KUNIT_CASE_PARAM(block_grows_over_free_pages_alone, pool_gen_params),
	KUNIT_CASE_PARAM(what_a_block_gains_is_cleared_if_asked_for, pool_gen_params),
	KUNIT_CASE_PARAM(watermark_holds_for_a_block_that_grows, pool_gen_params),
	KUNIT_CASE_PARAM(resize_of_what_is_no_block_is_refused, pool_gen_params),
	KUNIT_CASE_PARAM(request_that_makes_no_sense_is_refused, pool_gen_params),
	KUNIT_CASE_PARAM(request_that_can_never_be_served_is_refused, pool_gen_params),
	KUNIT_CASE_PARAM(list_has_the_largest_blocks_first, pool_gen_params),
	KUNIT_CASE_PARAM(list_is_made_of_whatever_is_left, pool_gen_params),
	KUNIT_CASE_PARAM(list_is_all_or_nothing, pool_gen_params),
	KUNIT_CASE_PARAM(bulk_gives_blocks_until_there_are_no_more, pool_gen_params),
	KUNIT_CASE_PARAM(bulk_free_tells_how_many_were_refused, pool_gen_params),
	KUNIT_CASE_PARAM(zero_is_what_was_asked_for, pool_gen_params),
	KUNIT_CASE_PARAM(pages_known_to_be_zero_are_not_cleared_again, pool_gen_params),
	KUNIT_CASE_PARAM(pages_that_were_handed_out_are_cleared_again, pool_gen_params),
	KUNIT_CASE_PARAM(being_known_to_be_zero_never_stops_a_merge, pool_gen_params),
	KUNIT_CASE_PARAM(watermark_is_for_atomic_requests_alone, pool_gen_params),
	KUNIT_CASE_PARAM(watermark_above_the_pool_is_refused, pool_gen_params),
	KUNIT_CASE_PARAM(waiting_ends_at_the_timeout, pool_gen_params),
	KUNIT_CASE_PARAM(waiting_for_what_can_never_be_had_ends_at_once, pool_gen_params),
	KUNIT_CASE_PARAM(waiter_gets_pages_that_come_back, pool_gen_params),
	KUNIT_CASE_PARAM(reserved_range_is_given_to_nobody, pool_gen_params),
	KUNIT_CASE_PARAM(only_free_pages_of_the_pool_are_reserved, pool_gen_params),
	KUNIT_CASE_PARAM(only_reserved_pages_are_released, pool_gen_params),
	KUNIT_CASE_PARAM(pages_in_magazines_can_be_reserved, pool_gen_params),
	KUNIT_CASE_PARAM(retired_page_is_never_given_again, pool_gen_params),
	KUNIT_CASE_PARAM(freeing_ascending_orders_makes_each_next_order_available, pool_gen_params),
	KUNIT_CASE_PARAM(block_of_each_order_leaves_no_page, pool_gen_params),
	KUNIT_CASE_PARAM(block_of_each_order_leaves_one_page_of_a_power_of_two, pool_gen_params),
	KUNIT_CASE_PARAM(interleaved_pages_leave_the_rows_a_word_scan_would_find, pool_gen_params),
	KUNIT_CASE_PARAM(whole_pool_can_be_had_after_everything_was_freed, pool_gen_params),
	{}
};

static struct kunit_suite pages_test_suite = {
	.name = "respool_pages",
	.init = pages_test_init,
	.exit = pages_test_exit,
	.test_cases = pages_test_cases,
};

kunit_test_suite(pages_test_suite);

MODULE_DESCRIPTION("Unit tests of respool");
MODULE_LICENSE("GPL");
