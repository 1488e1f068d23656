// SPDX-License-Identifier: GPL-2.0
/*
 * Slabs with debugging, one behaviour a case: what is in a block's bytes and
 * behind them, which only the kernel can look at. That findings are reported,
 * and what damage to the free list does, is in selftests/hardening.c.
 */
#include <kunit/test.h>
#include <linux/err.h>
#include <linux/mm.h>
#include <linux/respool.h>
#include <linux/string.h>

#define SIZE		100	/* of most blocks */
#define ZONE		16	/* that follow, at least */

#define ALL_DEBUG	(RESPOOL_SLAB_REDZONE | RESPOOL_SLAB_POISON |		\
			 RESPOOL_SLAB_STACKS | RESPOOL_SLAB_QUARANTINE)

static struct respool_slab *make_slab(struct kunit *test, unsigned int flags)
{
	struct respool_slab_options options = { .flags = flags };
	struct respool *pool = respool_get("main");
	struct respool_slab *slab;

	KUNIT_ASSERT_FALSE(test, IS_ERR(pool));
	slab = respool_slab_create_with(pool, "kunit", &options);
	respool_put(pool);
	KUNIT_ASSERT_FALSE(test, IS_ERR(slab));
	test->priv = slab;
	return slab;
}

static void debug_test_exit(struct kunit *test)
{
	respool_slab_destroy(test->priv);
}

static u8 *take(struct kunit *test, size_t size, size_t align, gfp_t gfp)
{
	u8 *block = respool_alloc_aligned(test->priv, size, align, gfp);

	KUNIT_ASSERT_NOT_NULL(test, block);
	return block;
}

static u64 found(struct kunit *test, enum respool_refusal kind)
{
	struct respool_slab_stats stats;

	respool_slab_stats(test->priv, &stats);
	return stats.refusals[kind];
}

#define EXPECT_ALL(test, byte, block, size) \
	KUNIT_EXPECT_NULL(test, memchr_inv(block, byte, size))

static void fresh_block_is_poison_with_a_red_zone(struct kunit *test)
{
	struct respool_slab *slab = make_slab(test, ALL_DEBUG);
	u8 *block = take(test, SIZE, 1, 0);

	EXPECT_ALL(test, 0x5a, block, SIZE);
	EXPECT_ALL(test, 0xbb, block + SIZE, ZONE);
	KUNIT_EXPECT_EQ(test, respool_free(slab, block), 0);
}

static void zeroed_block_is_zero_with_a_red_zone(struct kunit *test)
{
	struct respool_slab *slab = make_slab(test, ALL_DEBUG);
	u8 *block = take(test, SIZE, 1, __GFP_ZERO);

	EXPECT_ALL(test, 0, block, SIZE);
	EXPECT_ALL(test, 0xbb, block + SIZE, ZONE);
	KUNIT_EXPECT_EQ(test, respool_free(slab, block), 0);
}

static void aligned_block_has_its_red_zone(struct kunit *test)
{
	struct respool_slab *slab = make_slab(test, ALL_DEBUG);
	u8 *block = take(test, SIZE, PAGE_SIZE, 0);

	KUNIT_EXPECT_TRUE(test, PAGE_ALIGNED(block));
	EXPECT_ALL(test, 0xbb, block + SIZE, ZONE);
	KUNIT_EXPECT_EQ(test, respool_free(slab, block), 0);
}

static void freed_block_waits_as_poison(struct kunit *test)
{
	struct respool_slab *slab = make_slab(test, RESPOOL_SLAB_QUARANTINE);
	u8 *block = take(test, SIZE, 1, 0), *next;

	KUNIT_EXPECT_EQ(test, respool_free(slab, block), 0);
	EXPECT_ALL(test, 0x6b, block, SIZE);
	next = take(test, SIZE, 1, 0);
	KUNIT_EXPECT_PTR_NE(test, next, block);
	KUNIT_EXPECT_EQ(test, respool_free(slab, next), 0);
	KUNIT_EXPECT_EQ(test, found(test, RESPOOL_POISON), 0);
}

static void realloc_moves_and_clears_what_it_adds(struct kunit *test)
{
	struct respool_slab *slab = make_slab(test, ALL_DEBUG);
	u8 *block = take(test, SIZE, 1, 0), *moved;

	memset(block, 1, SIZE);
	moved = respool_realloc(slab, block, 2 * SIZE, __GFP_ZERO);
	KUNIT_ASSERT_NOT_NULL(test, moved);
	KUNIT_EXPECT_PTR_NE(test, moved, block);
	EXPECT_ALL(test, 0x6b, block, SIZE);
	EXPECT_ALL(test, 1, moved, SIZE);
	EXPECT_ALL(test, 0, moved + SIZE, SIZE);
	EXPECT_ALL(test, 0xbb, moved + 2 * SIZE, ZONE);
	KUNIT_EXPECT_EQ(test, respool_free(slab, moved), 0);
}

static void every_byte_of_the_red_zone_is_looked_at(struct kunit *test)
{
	struct respool_slab *slab = make_slab(test, RESPOOL_SLAB_REDZONE);
	unsigned int i;
	u8 *block;

	for (i = 0; i < ZONE; i++) {
		block = take(test, SIZE, 1, 0);
		block[SIZE + i] ^= 0x80;
		KUNIT_EXPECT_EQ(test, respool_free(slab, block), 0);
		KUNIT_EXPECT_EQ(test, found(test, RESPOOL_REDZONE), i + 1);
	}
}

static void every_byte_of_a_freed_block_is_looked_at(struct kunit *test)
{
	struct respool_slab *slab = make_slab(test, RESPOOL_SLAB_QUARANTINE);
	unsigned int i;
	char why[64];
	u8 *block;

	for (i = 0; i < SIZE; i++) {
		block = take(test, SIZE, 1, 0);
		KUNIT_EXPECT_EQ(test, respool_free(slab, block), 0);
		block[i] ^= 0x80;
		KUNIT_EXPECT_EQ(test, respool_slab_validate(slab, why, sizeof(why)), -EUCLEAN);
		block[i] ^= 0x80;
		KUNIT_EXPECT_EQ(test, respool_slab_validate(slab, why, sizeof(why)), 0);
	}
	KUNIT_EXPECT_EQ(test, found(test, RESPOOL_POISON), 0);
}

static struct kunit_case debug_test_cases[] = {
	KUNIT_CASE(fresh_block_is_poison_with_a_red_zone),
	KUNIT_CASE(zeroed_block_is_zero_with_a_red_zone),
	KUNIT_CASE(aligned_block_has_its_red_zone),
	KUNIT_CASE(freed_block_waits_as_poison),
	KUNIT_CASE(realloc_moves_and_clears_what_it_adds),
	KUNIT_CASE(every_byte_of_the_red_zone_is_looked_at),
	KUNIT_CASE(every_byte_of_a_freed_block_is_looked_at),
	{}
};

static struct kunit_suite debug_test_suite = {
	.name = "respool_debug",
	.exit = debug_test_exit,
	.test_cases = debug_test_cases,
};

kunit_test_suite(debug_test_suite);
