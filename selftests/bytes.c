// SPDX-License-Identifier: GPL-2.0
/*
 * The byte layer: blocks of every size hold what is written into them, free
 * neighbours become one, and what a slab takes from the pool goes back.
 */
#include "selftest.h"

#define PAGE		4096ULL
#define BLOCK_ALIGN	16		/* of every block */
#define LARGE		(16 * PAGE)	/* from here on a block is whole pages */
#define NR_HANDLES	70000
#define WARM_PAGES	64		/* what a slab without blocks may keep, at most */

#define CHECKED		RESPOOL_TEST_CHECK

FIXTURE(bytes)
{
	int fd;
	int slab;
	struct respool_test_pool_stats before;
};

FIXTURE_SETUP(bytes)
{
	USE_POOLS(CLIENT_DEFAULT_POOLS);
	self->fd = client_open("main", NR_HANDLES);
	ASSERT_LE(0, self->fd);
	self->before = settled_stats(self->fd);
	self->slab = client_slab(self->fd, "bytes");
	ASSERT_EQ(0, self->slab);
}

FIXTURE_TEARDOWN(bytes)
{
	struct respool_test_slab_stats slab = slab_stats(self->fd, self->slab);
	int watch = client_open("main", 1);

	EXPECT_EQ(0, slab.live_blocks);
	EXPECT_EQ(0, slab.live_bytes);
	EXPECT_GE(1, slab.runs);
	EXPECT_EQ(slab.runs, slab.empty_runs + !!slab.cached_blocks);
	EXPECT_GE(WARM_PAGES, slab.held_pages);
	EXPECT_EQ(slab.held_pages, pool_stats(self->fd).allocated_pages);
	EXPECT_VALID(self->fd, self->slab);
	close(self->fd);
	EXPECT_LE(0, watch);
	EXPECT_EMPTY_AGAIN(watch, &self->before);
	close(watch);
}

#define EXPECT_BYTES_ADD_UP(fd, slab) do {					\
	struct respool_test_slab_stats __s = slab_stats(fd, slab);		\
										\
	EXPECT_EQ(__s.held_pages * PAGE,					\
		  __s.live_bytes + __s.cached_bytes + __s.free_bytes +		\
		  __s.overhead_bytes);						\
	EXPECT_LE(__s.held_pages, __s.peak_held_pages);				\
	EXPECT_LE(__s.live_bytes, __s.peak_live_bytes);				\
	EXPECT_EQ(__s.runs, __s.runs_taken - __s.runs_returned);		\
} while (0)

static int make(int fd, unsigned int handle, __u64 size, __u64 *phys)
{
	return run(fd, OP(ALLOC, .handle = handle, .size = size, .seed = handle,
			  .flags = CHECKED), phys);
}

static int move(int fd, unsigned int handle, __u64 size, __u64 *phys)
{
	return run(fd, OP(REALLOC, .handle = handle, .size = size, .seed = handle,
			  .flags = CHECKED), phys);
}

static int drop(int fd, unsigned int handle)
{
	return run(fd, OP(FREE, .handle = handle, .flags = CHECKED), NULL);
}

/*
 * Allocate, look at and free one block; what it may waste depends on its size. The
 * content of all the large ones would take a slow kernel a quarter of an hour.
 */
#define EXPECT_SIZE_WORKS(fd, bytes) do {					\
	__u64 __size = (bytes), __phys, __usable;				\
										\
	ASSERT_EQ(0, run(fd, OP(ALLOC, .size = __size,				\
				.flags = __size <= 2 * LARGE ? CHECKED : 0), &__phys)) \
		TH_LOG("%llu bytes", (unsigned long long)__size);		\
	EXPECT_EQ(0, __phys % BLOCK_ALIGN);					\
	ASSERT_EQ(0, run(fd, OP(USABLE), &__usable));				\
	EXPECT_LE(__size, __usable);						\
	/* A magazine's blocks are at most 1/16 larger than what is asked for. */ \
	EXPECT_GT(__size + (__size < PAGE + 8 ? __size / 16 : 0) +		\
		  (__size < LARGE - 64 ? 48 : 2 * PAGE), __usable)		\
		TH_LOG("%llu bytes", (unsigned long long)__size);		\
	ASSERT_EQ(0, drop(fd, 0));						\
} while (0)

TEST_F(bytes, every_small_size_works)
{
	unsigned int size;

	for (size = 1; size <= 2 * PAGE + 64; size++)
		EXPECT_SIZE_WORKS(self->fd, size);
	EXPECT_VALID(self->fd, self->slab);
}

/* Classes are 32 to each power of two, by size with or without a header. */
TEST_F(bytes, sizes_around_every_class_boundary_work)
{
	unsigned int power, column;
	__u64 edge;
	int around;

	for (power = 9; power < 25; power++)
		for (column = 0; column < 32; column++)
			for (around = -9; around <= 1; around++) {
				edge = (1ULL << power) + column * (1ULL << (power - 5));
				EXPECT_SIZE_WORKS(self->fd, edge + around);
			}
	EXPECT_VALID(self->fd, self->slab);
}

TEST_F(bytes, hole_of_the_right_size_is_used_again)
{
	__u64 hole, again;
	unsigned int size;

	/* What is freed on one CPU is not what the next one looks for first. */
	ASSERT_EQ(0, client_move_to(0));
	for (size = 1; size <= 500; size++) {
		ASSERT_EQ(0, make(self->fd, 0, size, NULL));
		ASSERT_EQ(0, make(self->fd, 1, size, &hole));
		ASSERT_EQ(0, make(self->fd, 2, size, NULL));
		ASSERT_EQ(0, drop(self->fd, 1));
		ASSERT_EQ(0, make(self->fd, 1, size, &again));
		EXPECT_EQ(hole, again)
			TH_LOG("%u bytes", size);
		ASSERT_EQ(0, drop(self->fd, 0));
		ASSERT_EQ(0, drop(self->fd, 1));
		ASSERT_EQ(0, drop(self->fd, 2));
	}
}

/* Each fit on a slab of its own, without magazines to come between. */

FIXTURE(fit)
{
	int fd;
	int slab;
	struct respool_test_pool_stats before;
};

FIXTURE_VARIANT(fit)
{
	__u32 fit;
};

FIXTURE_VARIANT_ADD(fit, good) { .fit = RESPOOL_TEST_GOOD_FIT };
FIXTURE_VARIANT_ADD(fit, first) { .fit = RESPOOL_TEST_FIRST_FIT };
FIXTURE_VARIANT_ADD(fit, next) { .fit = RESPOOL_TEST_NEXT_FIT };
FIXTURE_VARIANT_ADD(fit, best) { .fit = RESPOOL_TEST_BEST_FIT };

FIXTURE_SETUP(fit)
{
	USE_POOLS(CLIENT_DEFAULT_POOLS);
	self->fd = client_open("main", NR_HANDLES);
	ASSERT_LE(0, self->fd);
	self->before = settled_stats(self->fd);
	self->slab = client_slab_with(self->fd, "fit", variant->fit,
				      RESPOOL_TEST_SLAB_NO_MAGAZINES);
	ASSERT_EQ(0, self->slab);
}

FIXTURE_TEARDOWN(fit)
{
	int watch = client_open("main", 1);

	EXPECT_EQ(0, slab_stats(self->fd, self->slab).live_blocks);
	EXPECT_GE(1, slab_stats(self->fd, self->slab).runs);
	EXPECT_VALID(self->fd, self->slab);
	close(self->fd);
	EXPECT_LE(0, watch);
	EXPECT_EMPTY_AGAIN(watch, &self->before);
	close(watch);
}

/*
 * Holes of 800, 400, 600, 400 and 800 bytes lie between blocks that stay, and
 * behind the last of those is the rest of the run: which one takes 400 bytes?
 * Next fit goes on where it was last, so it takes the rest.
 */
TEST_F(fit, takes_the_hole_it_is_named_for)
{
	static const unsigned int hole[] = { 800, 400, 600, 400, 800 };
	unsigned int n = ARRAY_SIZE(hole), i;
	__u64 at[ARRAY_SIZE(hole)], last, got;

	for (i = 0; i < n; i++) {
		ASSERT_EQ(0, make(self->fd, 2 * i, hole[i], &at[i]));
		ASSERT_EQ(0, make(self->fd, 2 * i + 1, 100, &last));
		ASSERT_LT(at[i], last);
		if (i)
			ASSERT_LT(at[i - 1], at[i]);
	}
	for (i = 0; i < n; i++)
		ASSERT_EQ(0, drop(self->fd, 2 * i));
	ASSERT_EQ(0, make(self->fd, 2 * n, 400, &got));
	switch (variant->fit) {
	case RESPOOL_TEST_FIRST_FIT:
		EXPECT_EQ(at[0], got);
		break;
	case RESPOOL_TEST_NEXT_FIT:
		EXPECT_LT(last, got);
		break;
	case RESPOOL_TEST_BEST_FIT:
		EXPECT_EQ(at[1], got);
		break;
	default:
		EXPECT_TRUE(got == at[1] || got == at[3]);
	}
	for (i = 1; i < 2 * n; i += 2)
		ASSERT_EQ(0, drop(self->fd, i));
	ASSERT_EQ(0, drop(self->fd, 2 * n));
}

/* Wilder use: runs come and go under the search, blocks move and merge. */
TEST_F(fit, keeps_content_and_invariants)
{
	uint64_t random = TEST_SEED();
	unsigned int i, handle;
	__u64 size;
	int error;

	for (i = 0; i < 20000; i++) {
		handle = random_below(&random, i % 5000 < 2500 ? 400 : 20);
		size = 1 + (next_random(&random) >> (48 + random_below(&random, 16)));
		error = make(self->fd, handle, size, NULL);
		if (error == -EEXIST && random_below(&random, 2))
			error = move(self->fd, handle, size, NULL);
		else if (error == -EEXIST)
			error = drop(self->fd, handle);
		ASSERT_EQ(0, error);
		if (i % 1000 == 0) {
			EXPECT_VALID(self->fd, self->slab);
			EXPECT_BYTES_ADD_UP(self->fd, self->slab);
		}
	}
	for (handle = 0; handle < 400; handle++) {
		error = drop(self->fd, handle);
		if (error != -ENOENT)
			EXPECT_EQ(0, error);
	}
}

/*
 * Five neighbours in a run. Handles 1, 2 and 3 are free to play with; 0 and 4
 * keep what is beyond them out of the game.
 */
#define NEIGHBOUR	488	/* bytes: with its header a multiple of BLOCK_ALIGN */
#define DISTANCE	496

FIXTURE(neighbours)
{
	int fd;
	int slab;
	__u64 phys[5];
	struct respool_test_pool_stats empty;
	struct respool_test_slab_stats before;
};

FIXTURE_SETUP(neighbours)
{
	unsigned int i;

	USE_POOLS(CLIENT_DEFAULT_POOLS);
	self->fd = client_open("main", 8);
	ASSERT_LE(0, self->fd);
	self->empty = settled_stats(self->fd);
	self->slab = client_slab_with(self->fd, "neighbours", RESPOOL_TEST_GOOD_FIT,
				      RESPOOL_TEST_SLAB_NO_MAGAZINES);
	ASSERT_EQ(0, self->slab);
	for (i = 0; i < 5; i++)
		ASSERT_EQ(0, make(self->fd, i, NEIGHBOUR, &self->phys[i]));
	for (i = 1; i < 5; i++)
		ASSERT_EQ(self->phys[i - 1] + DISTANCE, self->phys[i]);
	self->before = slab_stats(self->fd, self->slab);
}

FIXTURE_TEARDOWN(neighbours)
{
	unsigned int i;
	int error, watch;

	EXPECT_VALID(self->fd, self->slab);
	for (i = 0; i < 8; i++) {
		error = drop(self->fd, i);
		if (error != -ENOENT)
			EXPECT_EQ(0, error);
	}
	EXPECT_EQ(0, slab_stats(self->fd, self->slab).live_blocks);
	EXPECT_VALID(self->fd, self->slab);
	watch = client_open("main", 1);
	close(self->fd);
	EXPECT_LE(0, watch);
	EXPECT_EMPTY_AGAIN(watch, &self->empty);
	close(watch);
}

/* What freeing did to the number of free blocks and of merges so far. */
#define EXPECT_CHANGE(free_change, merges) do {					\
	struct respool_test_slab_stats __now = slab_stats(self->fd, self->slab); \
										\
	EXPECT_EQ(free_change,							\
		  (int)(__now.free_blocks - self->before.free_blocks));		\
	EXPECT_EQ(merges, (int)(__now.coalesces - self->before.coalesces));	\
	EXPECT_VALID(self->fd, self->slab);					\
} while (0)

TEST_F(neighbours, block_merges_with_the_free_one_before_it)
{
	__u64 phys;

	ASSERT_EQ(0, drop(self->fd, 1));
	EXPECT_CHANGE(1, 0);
	ASSERT_EQ(0, drop(self->fd, 2));
	EXPECT_CHANGE(1, 1);
	ASSERT_EQ(0, make(self->fd, 5, NEIGHBOUR + DISTANCE, &phys));
	EXPECT_EQ(self->phys[1], phys);
}

TEST_F(neighbours, block_merges_with_the_free_one_behind_it)
{
	__u64 phys;

	ASSERT_EQ(0, drop(self->fd, 2));
	EXPECT_CHANGE(1, 0);
	ASSERT_EQ(0, drop(self->fd, 1));
	EXPECT_CHANGE(1, 1);
	ASSERT_EQ(0, make(self->fd, 5, NEIGHBOUR + DISTANCE, &phys));
	EXPECT_EQ(self->phys[1], phys);
}

TEST_F(neighbours, block_between_two_free_ones_merges_with_both)
{
	__u64 phys;

	ASSERT_EQ(0, drop(self->fd, 1));
	ASSERT_EQ(0, drop(self->fd, 3));
	EXPECT_CHANGE(2, 0);
	ASSERT_EQ(0, drop(self->fd, 2));
	EXPECT_CHANGE(1, 2);
	ASSERT_EQ(0, make(self->fd, 5, NEIGHBOUR + 2 * DISTANCE, &phys));
	EXPECT_EQ(self->phys[1], phys);
}

TEST_F(neighbours, blocks_between_live_ones_do_not_merge)
{
	ASSERT_EQ(0, drop(self->fd, 1));
	ASSERT_EQ(0, drop(self->fd, 3));
	EXPECT_CHANGE(2, 0);
	EXPECT_EQ(0, run(self->fd, OP(VERIFY, .handle = 0, .seed = 0), NULL));
	EXPECT_EQ(0, run(self->fd, OP(VERIFY, .handle = 2, .seed = 2), NULL));
	EXPECT_EQ(0, run(self->fd, OP(VERIFY, .handle = 4, .seed = 4), NULL));
}

TEST_F(neighbours, part_of_a_hole_is_split_off)
{
	struct respool_test_slab_stats split;
	__u64 phys;

	ASSERT_EQ(0, drop(self->fd, 1));
	ASSERT_EQ(0, make(self->fd, 5, 100, &phys));
	split = slab_stats(self->fd, self->slab);
	EXPECT_EQ(self->phys[1], phys);
	EXPECT_EQ(self->before.splits + 1, split.splits);
	EXPECT_EQ(self->before.free_blocks + 1, split.free_blocks);
	ASSERT_EQ(0, make(self->fd, 6, NEIGHBOUR - 112, &phys));
	EXPECT_EQ(self->phys[1] + 112, phys);
	EXPECT_EQ(self->before.free_blocks, slab_stats(self->fd, self->slab).free_blocks);
}

#define EXPECT_REALLOCS(all, in_place) do {					\
	struct respool_test_slab_stats __now = slab_stats(self->fd, self->slab); \
										\
	EXPECT_EQ(self->before.reallocs + (all), __now.reallocs);		\
	EXPECT_EQ(self->before.reallocs_in_place + (in_place),			\
		  __now.reallocs_in_place);					\
	EXPECT_EQ(self->before.allocations, __now.allocations);			\
	EXPECT_EQ(self->before.live_blocks, __now.live_blocks);			\
	EXPECT_VALID(self->fd, self->slab);					\
} while (0)

TEST_F(neighbours, realloc_shrinks_in_place)
{
	__u64 phys;

	ASSERT_EQ(0, move(self->fd, 2, 100, &phys));
	EXPECT_EQ(self->phys[2], phys);
	EXPECT_REALLOCS(1, 1);
	EXPECT_LT(self->before.free_bytes, slab_stats(self->fd, self->slab).free_bytes);
}

TEST_F(neighbours, realloc_grows_in_place_into_a_free_neighbour)
{
	__u64 phys;

	ASSERT_EQ(0, drop(self->fd, 3));
	self->before.live_blocks--;
	ASSERT_EQ(0, move(self->fd, 2, NEIGHBOUR + 100, &phys));
	EXPECT_EQ(self->phys[2], phys);
	ASSERT_EQ(0, move(self->fd, 2, NEIGHBOUR + DISTANCE, &phys));
	EXPECT_EQ(self->phys[2], phys);
	EXPECT_REALLOCS(2, 2);
}

TEST_F(neighbours, realloc_moves_when_the_neighbour_is_live)
{
	__u64 phys;

	ASSERT_EQ(0, move(self->fd, 2, NEIGHBOUR + 100, &phys));
	EXPECT_NE(self->phys[2], phys);
	EXPECT_REALLOCS(1, 0);
	EXPECT_EQ(0, run(self->fd, OP(VERIFY, .handle = 1, .seed = 1), NULL));
	EXPECT_EQ(0, run(self->fd, OP(VERIFY, .handle = 3, .seed = 3), NULL));
}

TEST_F(neighbours, realloc_to_the_same_size_changes_nothing)
{
	__u64 phys;

	ASSERT_EQ(0, move(self->fd, 2, NEIGHBOUR, &phys));
	EXPECT_EQ(self->phys[2], phys);
	EXPECT_REALLOCS(1, 1);
	EXPECT_EQ(self->before.free_bytes, slab_stats(self->fd, self->slab).free_bytes);
}

TEST_F(neighbours, realloc_that_fails_leaves_the_block)
{
	struct respool_test_slab_stats after;

	EXPECT_EQ(-ENOMEM, move(self->fd, 2, self->empty.pages * PAGE, NULL));
	after = slab_stats(self->fd, self->slab);
	EXPECT_EQ(self->before.failures + 1, after.failures);
	EXPECT_EQ(self->before.reallocs, after.reallocs);
	EXPECT_EQ(self->before.live_bytes, after.live_bytes);
	EXPECT_EQ(0, run(self->fd, OP(VERIFY, .handle = 2, .seed = 2), NULL));
}

TEST_F(bytes, realloc_keeps_content_through_small_and_large_sizes)
{
	static const __u64 sizes[] = {
		100, 1 << 20, 100, 3, 5 << 20, 70000, 65536, 65535, 200, 9000, 1, 4096, 8 << 20, 40,
	};
	unsigned int i;

	ASSERT_EQ(0, make(self->fd, 0, 50, NULL));
	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		ASSERT_EQ(0, move(self->fd, 0, sizes[i], NULL));
		EXPECT_VALID(self->fd, self->slab);
		EXPECT_BYTES_ADD_UP(self->fd, self->slab);
	}
	EXPECT_EQ(ARRAY_SIZE(sizes), slab_stats(self->fd, self->slab).reallocs);
	ASSERT_EQ(0, drop(self->fd, 0));
}

TEST_F(bytes, every_alignment_is_kept)
{
	static const __u64 sizes[] = { 1, 24, 100, 2000, PAGE, 5000, 70000 };
	unsigned int i, n;
	__u64 align, phys;

	for (align = 1; align <= 1 << 20; align *= 2) {
		for (i = 0, n = 0; i < 2 * ARRAY_SIZE(sizes); i++, n++) {
			ASSERT_EQ(0, run(self->fd, OP(ALLOC_ALIGNED, .handle = n, .align = align,
						      .size = sizes[i / 2], .seed = n,
						      .flags = CHECKED), &phys));
			EXPECT_EQ(0, phys % align);
			EXPECT_EQ(0, phys % BLOCK_ALIGN);
		}
		EXPECT_VALID(self->fd, self->slab);
		while (n--)
			ASSERT_EQ(0, drop(self->fd, n));
	}
}

TEST_F(bytes, large_block_is_whole_pages_and_goes_back_at_once)
{
	struct respool_test_slab_stats stats;
	__u64 size, held;

	for (size = LARGE; size <= 32 << 20; size *= 2) {
		held = slab_stats(self->fd, self->slab).held_pages;
		ASSERT_EQ(0, make(self->fd, 0, size - PAGE / 2, NULL));
		stats = slab_stats(self->fd, self->slab);
		EXPECT_GE(held + size / PAGE + 1, stats.held_pages);
		EXPECT_EQ(stats.held_pages, pool_stats(self->fd).allocated_pages);
		ASSERT_EQ(0, drop(self->fd, 0));
		EXPECT_GE(WARM_PAGES, slab_stats(self->fd, self->slab).held_pages);
	}
	EXPECT_LE(32 << 20, slab_stats(self->fd, self->slab).peak_held_pages * PAGE);
}

/* Beyond 2 MiB it gets a run of its own first. */
TEST_F(bytes, block_that_grows_takes_its_run_with_it)
{
	struct respool_test_slab_stats stats;
	__u64 size;

	ASSERT_EQ(0, make(self->fd, 0, 2 * PAGE, NULL));
	for (size = 3 * PAGE; size < 6 << 20; size += size / 4) {
		ASSERT_EQ(0, move(self->fd, 0, size, NULL));
		stats = slab_stats(self->fd, self->slab);
		EXPECT_GE(1, stats.reallocs - stats.reallocs_in_place);
		EXPECT_VALID(self->fd, self->slab);
	}
	EXPECT_GE(8 + stats.held_pages / 8, stats.held_pages - stats.live_bytes / PAGE);
	ASSERT_EQ(0, drop(self->fd, 0));
}

TEST_F(bytes, blocks_of_a_power_of_two_take_little_more)
{
	struct respool_test_slab_stats stats;
	unsigned int i;

	for (i = 0; i < 32; i++)
		ASSERT_EQ(0, make(self->fd, i, 1 << 16, NULL));
	stats = slab_stats(self->fd, self->slab);
	EXPECT_GE((32 << 16) / PAGE + 8, stats.held_pages);
	for (i = 0; i < 32; i++)
		ASSERT_EQ(0, drop(self->fd, i));
	EXPECT_GE(1, slab_stats(self->fd, self->slab).runs);
}

TEST_F(bytes, zeroed_block_has_no_trace_of_its_last_user)
{
	static const __u64 sizes[] = { 1, 16, 24, 25, 100, 1000, PAGE, 10000, LARGE, 1 << 20 };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		ASSERT_EQ(0, make(self->fd, 0, sizes[i], NULL));
		ASSERT_EQ(0, drop(self->fd, 0));
		ASSERT_EQ(0, run(self->fd, OP(ALLOC, .size = sizes[i],
					      .flags = RESPOOL_TEST_ZERO), NULL));
		EXPECT_EQ(0, run(self->fd, OP(VERIFY_ZERO), NULL))
			TH_LOG("%llu bytes", (unsigned long long)sizes[i]);
		ASSERT_EQ(0, run(self->fd, OP(FREE), NULL));
	}
}

TEST_F(bytes, zeroing_realloc_clears_what_it_adds)
{
	unsigned int flags = CHECKED | RESPOOL_TEST_ZERO;
	__u64 size;

	/* Something to be seen where the block will grow. */
	ASSERT_EQ(0, make(self->fd, 0, 1 << 20, NULL));
	ASSERT_EQ(0, make(self->fd, 1, 6000, NULL));
	ASSERT_EQ(0, drop(self->fd, 1));
	ASSERT_EQ(0, drop(self->fd, 0));
	ASSERT_EQ(0, make(self->fd, 0, 50, NULL));
	for (size = 60; size < 1 << 20; size = size * 5 / 4)
		ASSERT_EQ(0, run(self->fd, OP(REALLOC, .size = size, .seed = size,
					      .flags = flags), NULL));
	ASSERT_EQ(0, drop(self->fd, 0));
}

/* One batch of the same operation on each of @handle, or on 0..@n - 1. */
static int run_many(int fd, struct respool_test_op op, const unsigned int *handle, unsigned int n,
		    struct respool_test_batch *batch)
{
	struct respool_test_op *ops = calloc(n, sizeof(*ops));
	unsigned int i;
	int error;

	for (i = 0; i < n; i++) {
		ops[i] = op;
		ops[i].handle = handle ? handle[i] : i;
		ops[i].seed = ops[i].handle;
	}
	error = run_batch(fd, ops, n, batch);
	free(ops);
	return error;
}

TEST_F(bytes, slab_grows_until_the_pool_is_full_and_shrinks_back)
{
	unsigned int *handle = calloc(NR_HANDLES, sizeof(*handle));
	struct respool_test_slab_stats stats;
	struct respool_test_batch batch;
	uint64_t random = TEST_SEED();
	unsigned int i, n;

	ASSERT_EQ(0, run_many(self->fd, OP(ALLOC, .size = 1000, .flags = CHECKED), NULL,
			      NR_HANDLES, &batch));
	n = NR_HANDLES - batch.failed;
	stats = slab_stats(self->fd, self->slab);
	EXPECT_EQ(n, stats.live_blocks);
	EXPECT_EQ(batch.failed, stats.failures);
	EXPECT_NE(0, batch.failed);
	/* Nothing but headers and ends of runs is lost. */
	EXPECT_LT(self->before.pages * PAGE * 97 / 100, stats.live_bytes);
	EXPECT_LE(self->before.pages - 1, stats.held_pages);
	EXPECT_BYTES_ADD_UP(self->fd, self->slab);
	EXPECT_VALID(self->fd, self->slab);
	EXPECT_VALID(self->fd, RESPOOL_TEST_POOL);

	for (i = 0; i < n; i++)
		handle[i] = i;
	shuffle(handle, n, &random);
	ASSERT_EQ(0, run_many(self->fd, OP(FREE, .flags = CHECKED), handle, n, &batch));
	EXPECT_EQ(0, batch.failed);
	EXPECT_BYTES_ADD_UP(self->fd, self->slab);
}

TEST_F(bytes, random_use_keeps_content_and_invariants)
{
	uint64_t random = TEST_SEED();
	unsigned int i, handle;
	__u64 size;
	int error;

	for (i = 0; i < 20000; i++) {
		handle = random_below(&random, 500);
		size = 1 + (next_random(&random) >> (44 + random_below(&random, 20)));
		error = make(self->fd, handle, size, NULL);
		if (error == -EEXIST && random_below(&random, 2))
			error = move(self->fd, handle, size, NULL);
		else if (error == -EEXIST)
			error = drop(self->fd, handle);
		if (error && error != -ENOMEM)
			ASSERT_EQ(0, error);
		if (i % 1000 == 0) {
			EXPECT_VALID(self->fd, self->slab);
			EXPECT_VALID(self->fd, RESPOOL_TEST_POOL);
			EXPECT_BYTES_ADD_UP(self->fd, self->slab);
		}
	}
	for (handle = 0; handle < 500; handle++) {
		error = drop(self->fd, handle);
		if (error != -ENOENT)
			EXPECT_EQ(0, error);
	}
}

TEST_F(bytes, counters_count_calls_and_bytes)
{
	struct respool_test_slab_stats stats;
	__u64 a, b;

	ASSERT_EQ(0, make(self->fd, 0, 100, NULL));
	ASSERT_EQ(0, make(self->fd, 1, 70000, NULL));
	ASSERT_EQ(0, run(self->fd, OP(USABLE, .handle = 0), &a));
	ASSERT_EQ(0, run(self->fd, OP(USABLE, .handle = 1), &b));
	stats = slab_stats(self->fd, self->slab);
	EXPECT_EQ(2, stats.allocations);
	EXPECT_EQ(2, stats.live_blocks);
	EXPECT_EQ(a + b, stats.live_bytes);
	EXPECT_EQ(a + b, stats.peak_live_bytes);
	EXPECT_BYTES_ADD_UP(self->fd, self->slab);
	ASSERT_EQ(0, drop(self->fd, 1));
	ASSERT_EQ(0, drop(self->fd, 0));
	stats = slab_stats(self->fd, self->slab);
	EXPECT_EQ(2, stats.frees);
	EXPECT_EQ(0, stats.failures);
	EXPECT_EQ(a + b, stats.peak_live_bytes);
}

TEST_F(bytes, interrupts_can_allocate_move_and_free)
{
	unsigned int flags = CHECKED | RESPOOL_TEST_IN_IRQ;
	unsigned int size;

	for (size = 1; size < 100000; size = size * 3 / 2 + 1) {
		ASSERT_EQ(0, run(self->fd, OP(ALLOC, .size = size, .flags = flags), NULL));
		ASSERT_EQ(0, run(self->fd, OP(REALLOC, .size = 2 * size, .flags = flags), NULL));
		ASSERT_EQ(0, run(self->fd, OP(FREE, .flags = flags), NULL));
	}
}

TEST_HARNESS_MAIN
