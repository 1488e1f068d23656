// SPDX-License-Identifier: GPL-2.0
/*
 * The byte layer's pure core, one behaviour a case. The core is compiled into
 * this file once more: its functions here are this module's own.
 */
#include <kunit/test.h>
#include <linux/slab.h>

#include "slab/freelist.c"

#define RUN_BYTES	8192

static void add_run(struct kunit *test, struct respool_freelist *f)
{
	void *mem = kunit_kzalloc(test, RUN_BYTES, GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, mem);
	KUNIT_ASSERT_EQ(test, respool_freelist_add_run(f, mem, RUN_BYTES, 0, 0, NULL), 0);
}

static int freelist_test_init(struct kunit *test)
{
	struct respool_freelist *f = kunit_kzalloc(test, sizeof(*f), GFP_KERNEL);

	if (!f)
		return -ENOMEM;
	respool_freelist_init(f, 0x1234567890abcdefULL, RESPOOL_SEARCH_GOOD);
	test->priv = f;
	add_run(test, f);
	return 0;
}

/* Whatever a case did, the list is in one piece afterwards. */
static void freelist_test_exit(struct kunit *test)
{
	const void *where;

	KUNIT_EXPECT_STREQ(test, respool_freelist_validate(test->priv, &where) ?: "ok", "ok");
}

static void *take(struct kunit *test, size_t size)
{
	void *ptr = NULL;

	KUNIT_ASSERT_EQ(test, respool_freelist_alloc(test->priv, size, RESPOOL_BLOCK_ALIGN, &ptr),
			0);
	return ptr;
}

static void give(struct kunit *test, void *ptr)
{
	struct respool_run *empty;

	KUNIT_EXPECT_EQ(test, respool_freelist_free(test->priv, ptr, &empty), 0);
}

static size_t usable(struct kunit *test, void *ptr)
{
	size_t size = 0;

	KUNIT_EXPECT_EQ(test, respool_freelist_usable_size(test->priv, ptr, &size), 0);
	return size;
}

/* Coalescing: four live blocks in a row, and the rest of the run free behind them. */

static void make_row(struct kunit *test, void *block[4])
{
	unsigned int i;

	for (i = 0; i < 4; i++)
		block[i] = take(test, 200);
}

/* Free a block; so many merges come of it, and then there are so many free blocks. */
static void expect_merges(struct kunit *test, void *ptr, u64 merges, u64 free_blocks)
{
	struct respool_freelist *f = test->priv;
	u64 before = f->coalesces;

	give(test, ptr);
	KUNIT_EXPECT_EQ(test, f->coalesces - before, merges);
	KUNIT_EXPECT_EQ(test, f->free_blocks, free_blocks);
}

static void free_between_two_live_blocks_merges_nothing(struct kunit *test)
{
	void *block[4];

	make_row(test, block);
	expect_merges(test, block[1], 0, 2);
}

static void free_merges_with_the_block_behind(struct kunit *test)
{
	void *block[4];

	make_row(test, block);
	give(test, block[2]);
	expect_merges(test, block[1], 1, 2);
}

static void free_merges_with_the_block_in_front(struct kunit *test)
{
	void *block[4];

	make_row(test, block);
	give(test, block[0]);
	expect_merges(test, block[1], 1, 2);
}

static void free_merges_with_both_neighbours(struct kunit *test)
{
	void *block[4];

	make_row(test, block);
	give(test, block[0]);
	give(test, block[2]);
	expect_merges(test, block[1], 2, 2);
}

static void run_without_a_live_block_is_told_and_can_be_removed(struct kunit *test)
{
	struct respool_freelist *f = test->priv;
	struct respool_run *empty;
	void *block[4];
	int i;

	make_row(test, block);
	for (i = 0; i < 4; i++) {
		KUNIT_EXPECT_EQ(test, respool_freelist_free(f, block[i], &empty), 0);
		KUNIT_EXPECT_EQ(test, !!empty, i == 3);
	}
	KUNIT_ASSERT_NOT_NULL(test, empty);
	KUNIT_EXPECT_EQ(test, f->free_blocks, 1);
	KUNIT_EXPECT_EQ(test, respool_freelist_remove_run(f, empty), 0);
	KUNIT_EXPECT_EQ(test, f->held_bytes, 0);
}

/* Sizes */

static void classes_follow_each_other_without_gap_or_overlap(struct kunit *test)
{
	size_t min, max, next_min, next_max;
	unsigned int class;

	respool_freelist_class_range(0, &min, &max);
	for (class = 1; class < RESPOOL_NR_CLASSES; class++) {
		respool_freelist_class_range(class, &next_min, &next_max);
		KUNIT_EXPECT_GE(test, max, min);
		KUNIT_EXPECT_EQ(test, next_min, max + RESPOOL_BLOCK_ALIGN);
		min = next_min;
		max = next_max;
	}
	KUNIT_EXPECT_GE(test, max, RESPOOL_BLOCK_MAX);
}

static void sizes_at_class_boundaries_are_served_in_full(struct kunit *test)
{
	size_t min, max, size;
	unsigned int class;
	int off;
	void *ptr;

	for (class = 2; class < 4 * RESPOOL_CLASS_COLUMNS; class++) {
		respool_freelist_class_range(class, &min, &max);
		for (off = -1; off <= 1; off++) {
			size = min - RESPOOL_BLOCK_HEADER + off;
			ptr = take(test, size);
			KUNIT_EXPECT_GE(test, usable(test, ptr), size);
			KUNIT_EXPECT_LT(test, usable(test, ptr), size + RESPOOL_BLOCK_MIN);
			give(test, ptr);
		}
	}
}

static void alignment_is_kept(struct kunit *test)
{
	size_t align;
	void *ptr;

	take(test, 40);
	for (align = 1; align <= 2048; align *= 2) {
		KUNIT_ASSERT_EQ(test, respool_freelist_alloc(test->priv, 40, align, &ptr), 0);
		KUNIT_EXPECT_EQ(test, (uintptr_t)ptr & (max_t(size_t, align, 16) - 1), 0);
		give(test, ptr);
	}
}

static void request_that_makes_no_sense_is_refused(struct kunit *test)
{
	struct respool_freelist *f = test->priv;
	void *ptr;

	KUNIT_EXPECT_EQ(test, respool_freelist_alloc(f, 0, 16, &ptr), -EINVAL);
	KUNIT_EXPECT_EQ(test, respool_freelist_alloc(f, 8, 24, &ptr), -EINVAL);
	KUNIT_EXPECT_EQ(test, respool_freelist_alloc(f, SIZE_MAX, 16, &ptr), -EOVERFLOW);
	KUNIT_EXPECT_EQ(test, respool_freelist_alloc(f, RUN_BYTES, 16, &ptr), -ENOMEM);
}

/* Frees */

static void bad_frees_are_refused(struct kunit *test)
{
	struct respool_run *empty;
	void *ptr = take(test, 200), *stays = take(test, 200);
	u64 outside[2] = {};

	KUNIT_EXPECT_EQ(test, respool_freelist_free(test->priv, stays + 16, &empty), -EINVAL);
	give(test, ptr);
	KUNIT_EXPECT_EQ(test, respool_freelist_free(test->priv, ptr, &empty), -EALREADY);
	KUNIT_EXPECT_EQ(test, respool_freelist_free(test->priv, &outside[1], &empty), -EFAULT);
}

/* Blocks for a magazine: taken in batches, given out and ended one by one, put back. */

#define BATCH_BYTES	208
#define BATCH		4

/* A batch from one free block, which it begins. */
static void take_batch(struct kunit *test, void *block[BATCH])
{
	KUNIT_ASSERT_EQ(test, respool_freelist_take(test->priv, BATCH_BYTES, BATCH, block), BATCH);
}

static void put(struct kunit *test, void *ptr)
{
	struct respool_run *empty;

	KUNIT_EXPECT_EQ(test, respool_freelist_put(test->priv, ptr, &empty), 0);
}

static void end_life(struct kunit *test, void *ptr)
{
	KUNIT_ASSERT_TRUE(test, respool_block_end(ptr, respool_block_live_tag(test->priv, ptr)));
}

static void take_cuts_a_large_block_into_neighbours(struct kunit *test)
{
	struct respool_freelist *f = test->priv;
	void *block[BATCH];
	int i;

	take_batch(test, block);
	for (i = 0; i < BATCH; i++) {
		KUNIT_EXPECT_PTR_EQ(test, block[i], block[0] + i * BATCH_BYTES);
		KUNIT_EXPECT_EQ(test, respool_block_bytes(block[i]), BATCH_BYTES);
		KUNIT_EXPECT_TRUE(test, respool_block_is_cached(f, block[i]));
	}
	KUNIT_EXPECT_EQ(test, f->live_blocks, BATCH);
	KUNIT_EXPECT_EQ(test, f->free_blocks, 1);
}

static void take_gives_as_many_as_there_are(struct kunit *test)
{
	struct respool_freelist *f = test->priv;
	size_t half = (RUN_BYTES - RESPOOL_RUN_OVERHEAD) / 2 / RESPOOL_BLOCK_ALIGN *
		      RESPOOL_BLOCK_ALIGN;
	void *block[BATCH];

	KUNIT_EXPECT_EQ(test, respool_freelist_take(f, half, BATCH, block), 2);
	KUNIT_EXPECT_EQ(test, respool_freelist_take(f, half, BATCH, block), 0);
	KUNIT_EXPECT_NULL(test, f->damage);
}

static void cached_block_is_free_to_everybody_else(struct kunit *test)
{
	struct respool_run *empty;
	void *block[BATCH];
	size_t size;

	take_batch(test, block);
	KUNIT_EXPECT_FALSE(test, respool_freelist_knows(test->priv, block[1]));
	KUNIT_EXPECT_EQ(test, respool_freelist_free(test->priv, block[1], &empty), -EALREADY);
	KUNIT_EXPECT_EQ(test, respool_freelist_resize(test->priv, block[1], 10), -EALREADY);
	KUNIT_EXPECT_EQ(test, respool_freelist_usable_size(test->priv, block[1], &size), -EALREADY);
}

static void block_that_was_given_is_live(struct kunit *test)
{
	void *block[BATCH];

	take_batch(test, block);
	KUNIT_EXPECT_TRUE(test, respool_block_give(block[1], BATCH_BYTES));
	KUNIT_EXPECT_EQ(test, usable(test, block[1]), BATCH_BYTES - RESPOOL_BLOCK_HEADER);
	give(test, block[1]);
}

static void block_is_given_once_and_as_what_it_is(struct kunit *test)
{
	void *block[BATCH];

	take_batch(test, block);
	KUNIT_EXPECT_FALSE(test, respool_block_give(block[1], BATCH_BYTES + 32));
	KUNIT_EXPECT_FALSE(test, respool_block_give(block[1], BATCH_BYTES - 32));
	KUNIT_EXPECT_TRUE(test, respool_block_give(block[1], BATCH_BYTES));
	KUNIT_EXPECT_FALSE(test, respool_block_give(block[1], BATCH_BYTES));
}

static void life_of_a_block_ends_once(struct kunit *test)
{
	void *ptr = take(test, 200);
	u64 tag = respool_block_live_tag(test->priv, ptr);

	KUNIT_EXPECT_TRUE(test, respool_block_end(ptr, tag));
	KUNIT_EXPECT_FALSE(test, respool_block_end(ptr, tag));
	KUNIT_EXPECT_EQ(test, respool_block_live_tag(test->priv, ptr), 0);
}

static void end_fails_if_a_neighbour_came_or_went(struct kunit *test)
{
	void *block[4];
	u64 tag;

	make_row(test, block);
	tag = respool_block_live_tag(test->priv, block[1]);
	give(test, block[0]);
	KUNIT_EXPECT_FALSE(test, respool_block_end(block[1], tag));
	end_life(test, block[1]);
}

static void put_merges_with_both_neighbours(struct kunit *test)
{
	struct respool_freelist *f = test->priv;
	void *block[4];
	int i;

	make_row(test, block);
	for (i = 0; i < 3; i++)
		end_life(test, block[i]);
	put(test, block[0]);
	put(test, block[2]);
	KUNIT_EXPECT_EQ(test, f->free_blocks, 3);
	put(test, block[1]);
	KUNIT_EXPECT_EQ(test, f->free_blocks, 2);
}

static void put_of_the_last_used_block_tells_the_empty_run(struct kunit *test)
{
	struct respool_run *empty;
	void *block[BATCH];
	int i;

	take_batch(test, block);
	for (i = 0; i < BATCH; i++) {
		KUNIT_EXPECT_EQ(test, respool_freelist_put(test->priv, block[i], &empty), 0);
		KUNIT_EXPECT_EQ(test, !!empty, i == BATCH - 1);
	}
}

static void put_of_what_is_not_cached_is_damage(struct kunit *test)
{
	struct respool_freelist *f = test->priv;
	void *ptr = take(test, 200);
	struct respool_run *empty;

	KUNIT_EXPECT_EQ(test, respool_freelist_put(f, ptr, &empty), -EUCLEAN);
	KUNIT_EXPECT_PTR_EQ(test, f->damage, (const void *)respool_header_of(ptr));
	KUNIT_EXPECT_EQ(test, usable(test, ptr), 200);
}

static void damage_that_a_give_does_not_see_is_seen_by_the_free(struct kunit *test)
{
	struct respool_freelist *f = test->priv;
	struct respool_run *empty;
	void *block[BATCH];
	u64 *tag;

	take_batch(test, block);
	tag = &respool_header_of(block[1])->tag;
	*tag ^= 1ULL << 40;
	KUNIT_EXPECT_TRUE(test, respool_block_give(block[1], BATCH_BYTES));
	KUNIT_EXPECT_EQ(test, respool_freelist_free(f, block[1], &empty), -EUCLEAN);
	KUNIT_EXPECT_PTR_EQ(test, f->damage, (const void *)tag);
	respool_freelist_salvage(f);
	KUNIT_EXPECT_EQ(test, f->retired_runs, 1);
}

static void salvage_keeps_cached_blocks_of_sound_runs(struct kunit *test)
{
	void *block[BATCH];
	int i;

	take_batch(test, block);
	respool_freelist_salvage(test->priv);
	for (i = 0; i < BATCH; i++)
		put(test, block[i]);
}

/* Realloc in place: by what follows the block, and whether it shrinks or grows. */

static void resize_shrinks_in_place_and_gives_the_rest_back(struct kunit *test)
{
	struct respool_freelist *f = test->priv;
	void *block[4];

	make_row(test, block);
	KUNIT_EXPECT_EQ(test, respool_freelist_resize(f, block[1], 60), 0);
	KUNIT_EXPECT_LT(test, usable(test, block[1]), 60 + RESPOOL_BLOCK_MIN);
	KUNIT_EXPECT_EQ(test, f->free_blocks, 2);
}

static void resize_grows_into_a_free_block_behind(struct kunit *test)
{
	struct respool_freelist *f = test->priv;
	void *block[4];

	make_row(test, block);
	memset(block[1], 0xa5, 200);
	give(test, block[2]);
	KUNIT_EXPECT_EQ(test, respool_freelist_resize(f, block[1], 350), 0);
	KUNIT_EXPECT_GE(test, usable(test, block[1]), 350);
	KUNIT_EXPECT_NULL(test, memchr_inv(block[1], 0xa5, 200));
}

static void resize_to_the_same_size_changes_nothing(struct kunit *test)
{
	void *block[4];
	size_t before;

	make_row(test, block);
	before = usable(test, block[1]);
	KUNIT_EXPECT_EQ(test, respool_freelist_resize(test->priv, block[1], 200), 0);
	KUNIT_EXPECT_EQ(test, usable(test, block[1]), before);
}

static void resize_does_not_grow_into_a_live_block(struct kunit *test)
{
	void *block[4];

	make_row(test, block);
	KUNIT_EXPECT_EQ(test, respool_freelist_resize(test->priv, block[1], 350), -ENOSPC);
	KUNIT_EXPECT_LT(test, usable(test, block[1]), 350);
}

static void bad_resizes_are_refused(struct kunit *test)
{
	struct respool_freelist *f = test->priv;
	void *block[4];

	make_row(test, block);
	KUNIT_EXPECT_EQ(test, respool_freelist_resize(f, block[1], 0), -EINVAL);
	KUNIT_EXPECT_EQ(test, respool_freelist_resize(f, block[1], SIZE_MAX), -EOVERFLOW);
	KUNIT_EXPECT_EQ(test, respool_freelist_resize(f, block[1] + 16, 10), -EINVAL);
	give(test, block[1]);
	KUNIT_EXPECT_EQ(test, respool_freelist_resize(f, block[1], 10), -EALREADY);
}

static struct kunit_case freelist_test_cases[] = {
	KUNIT_CASE(free_between_two_live_blocks_merges_nothing),
	KUNIT_CASE(free_merges_with_the_block_behind),
	KUNIT_CASE(free_merges_with_the_block_in_front),
	KUNIT_CASE(free_merges_with_both_neighbours),
	KUNIT_CASE(run_without_a_live_block_is_told_and_can_be_removed),
	KUNIT_CASE(classes_follow_each_other_without_gap_or_overlap),
	KUNIT_CASE(sizes_at_class_boundaries_are_served_in_full),
	KUNIT_CASE(alignment_is_kept),
	KUNIT_CASE(request_that_makes_no_sense_is_refused),
	KUNIT_CASE(bad_frees_are_refused),
	KUNIT_CASE(take_cuts_a_large_block_into_neighbours),
	KUNIT_CASE(take_gives_as_many_as_there_are),
	KUNIT_CASE(cached_block_is_free_to_everybody_else),
	KUNIT_CASE(block_that_was_given_is_live),
	KUNIT_CASE(block_is_given_once_and_as_what_it_is),
	KUNIT_CASE(life_of_a_block_ends_once),
	KUNIT_CASE(end_fails_if_a_neighbour_came_or_went),
	KUNIT_CASE(put_merges_with_both_neighbours),
	KUNIT_CASE(put_of_the_last_used_block_tells_the_empty_run),
	KUNIT_CASE(put_of_what_is_not_cached_is_damage),
	KUNIT_CASE(damage_that_a_give_does_not_see_is_seen_by_the_free),
	KUNIT_CASE(salvage_keeps_cached_blocks_of_sound_runs),
	KUNIT_CASE(resize_shrinks_in_place_and_gives_the_rest_back),
	KUNIT_CASE(resize_grows_into_a_free_block_behind),
	KUNIT_CASE(resize_to_the_same_size_changes_nothing),
	KUNIT_CASE(resize_does_not_grow_into_a_live_block),
	KUNIT_CASE(bad_resizes_are_refused),
	{}
};

static struct kunit_suite freelist_test_suite = {
	.name = "respool_freelist",
	.init = freelist_test_init,
	.exit = freelist_test_exit,
	.test_cases = freelist_test_cases,
};

kunit_test_suite(freelist_test_suite);
