// SPDX-License-Identifier: GPL-2.0
/*
 * The page layer: what it hands out is whole, aligned and nobody else's, and
 * what comes back merges again, in pools of every shape and backing.
 */
#include "selftest.h"

#define PAGE	4096ULL

FIXTURE(pages)
{
	int fd;
	int watch;	/* a second account that stays empty */
	unsigned int nr_pages;
	unsigned int max_order;
	struct respool_test_pool_stats before;
};

FIXTURE_VARIANT(pages)
{
	const char *pools;
	unsigned int nr_pages;
	bool no_struct_pages;
};

FIXTURE_VARIANT_ADD(pages, power_of_two)
{
	.pools = CLIENT_DEFAULT_POOLS, .nr_pages = 16384,
};

FIXTURE_VARIANT_ADD(pages, without_caches)
{
	.pools = "main:64M/nocache", .nr_pages = 16384,
};

FIXTURE_VARIANT_ADD(pages, one_page)
{
	.pools = "main:4K", .nr_pages = 1,
};

FIXTURE_VARIANT_ADD(pages, prime_number_of_pages)
{
	.pools = "main:12428K", .nr_pages = 3107,
};

FIXTURE_VARIANT_ADD(pages, a_region_and_a_page)
{
	.pools = "main:2052K", .nr_pages = 513,
};

FIXTURE_VARIANT_ADD(pages, reserved_region)
{
	.pools = "main:64M@0x10000000", .nr_pages = 16384,
};

FIXTURE_VARIANT_ADD(pages, reserved_region_not_aligned)
{
	.pools = "main:16388K@0x10007000", .nr_pages = 4097, .no_struct_pages = true,
};

FIXTURE_SETUP(pages)
{
	struct respool_test_info info = { .name = "main" };

	USE_POOLS(variant->pools);
	self->fd = client_open("main", 2 * variant->nr_pages);
	ASSERT_LE(0, self->fd);
	self->watch = client_open("main", 1);
	ASSERT_LE(0, self->watch);
	ASSERT_EQ(0, client_ioctl(self->fd, RESPOOL_TEST_IOC_INFO, &info));
	ASSERT_EQ(variant->nr_pages, info.pages);
	ASSERT_EQ(PAGE, info.page_size);
	self->nr_pages = info.pages;
	self->max_order = info.max_order;
	self->before = settled_stats(self->fd);
	ASSERT_EQ(self->nr_pages, self->before.free_pages);
}

FIXTURE_TEARDOWN(pages)
{
	EXPECT_EMPTY_AGAIN(self->fd, &self->before);
	close(self->fd);
	EXPECT_EMPTY_AGAIN(self->watch, &self->before);
	close(self->watch);
}

/*
 * Take blocks of one order with handles from 0 until there are no more, each
 * filled with its own pattern. Returns how many there were.
 */
static unsigned int take_all(int fd, unsigned int order, unsigned int flags, __u64 *phys)
{
	unsigned int n = 0;

	while (!run(fd, OP(ALLOC_PAGES, .handle = n, .size = order, .flags = flags, .seed = n),
		    &phys[n]))
		n++;
	return n;
}

static int free_handles(int fd, const unsigned int *handle, unsigned int n)
{
	unsigned int i;
	int error = 0;

	for (i = 0; i < n && !error; i++)
		error = run(fd, OP(FREE, .handle = handle[i], .flags = RESPOOL_TEST_CHECK), NULL);
	return error;
}

static int free_all(int fd, unsigned int n)
{
	unsigned int i;
	int error = 0;

	for (i = 0; i < n && !error; i++)
		error = run(fd, OP(FREE, .handle = i, .flags = RESPOOL_TEST_CHECK), NULL);
	return error;
}

static int by_address(const void *a, const void *b)
{
	__u64 x = *(const __u64 *)a, y = *(const __u64 *)b;

	return x < y ? -1 : x > y;
}

/* First page frame of the pool: it is the least address when all are taken. */
static __u64 first_frame(int fd, __u64 *phys)
{
	unsigned int n = take_all(fd, 0, 0, phys);

	free_all(fd, n);
	qsort(phys, n, sizeof(*phys), by_address);
	return phys[0] / PAGE;
}

/* Naturally aligned blocks of an order that fit into a range of frames. */
static unsigned int blocks_inside(__u64 first, unsigned int nr_pages, unsigned int order)
{
	__u64 start = (first + (1ULL << order) - 1) >> order;
	__u64 end = (first + nr_pages) >> order;

	return end > start ? end - start : 0;
}

TEST_F(pages, block_of_every_order_is_aligned_whole_and_translates)
{
	unsigned int order;
	__u64 phys, with_page;

	for (order = 0; order <= self->max_order; order++) {
		ASSERT_EQ(0, run(self->fd, OP(ALLOC_PAGES, .size = order, .seed = order,
					      .flags = RESPOOL_TEST_CHECK), &phys));
		EXPECT_EQ(0, phys % (PAGE << order));
		EXPECT_EQ(1ULL << order, pool_stats(self->fd).allocated_pages);
		EXPECT_EQ(1, pool_stats(self->fd).order[order].allocated_blocks);
		ASSERT_EQ(0, run(self->fd, OP(TRANSLATE), &with_page));
		EXPECT_EQ(variant->no_struct_pages ? 0 : 1ULL << order, with_page);
		ASSERT_EQ(0, run(self->fd, OP(FREE, .flags = RESPOOL_TEST_CHECK), NULL));
	}
}

TEST_F(pages, order_zero_hands_out_every_page_once)
{
	__u64 *phys = calloc(self->nr_pages + 1, sizeof(*phys));
	unsigned int i, n;

	n = take_all(self->fd, 0, RESPOOL_TEST_CHECK, phys);
	EXPECT_EQ(self->nr_pages, n);
	EXPECT_EQ(-1, pool_stats(self->fd).largest_free_order);
	EXPECT_EQ(0, pool_stats(self->fd).free_pages);
	EXPECT_VALID(self->fd, RESPOOL_TEST_POOL);

	qsort(phys, n, sizeof(*phys), by_address);
	for (i = 1; i < n; i++)
		ASSERT_EQ(phys[i - 1] + PAGE, phys[i]);
	EXPECT_EQ(0, free_all(self->fd, n));
}

TEST_F(pages, every_order_can_be_had_until_no_aligned_block_is_left)
{
	__u64 *phys = calloc(self->nr_pages + 1, sizeof(*phys));
	__u64 first = first_frame(self->fd, phys);
	unsigned int order, n;

	EXPECT_NE(0, blocks_inside(first, self->nr_pages, self->max_order));
	EXPECT_EQ(0, blocks_inside(first, self->nr_pages, self->max_order + 1));
	for (order = 0; order <= self->max_order; order++) {
		n = take_all(self->fd, order, RESPOOL_TEST_CHECK, phys);
		EXPECT_EQ(blocks_inside(first, self->nr_pages, order), n);
		EXPECT_EQ((__u64)n << order, pool_stats(self->fd).allocated_pages);
		EXPECT_GT((int)order, pool_stats(self->fd).largest_free_order);
		ASSERT_EQ(0, free_all(self->fd, n));
	}
}

TEST_F(pages, failed_request_is_counted_and_changes_nothing_else)
{
	__u64 *phys = calloc(self->nr_pages + 1, sizeof(*phys));
	struct respool_test_pool_stats before, after;
	unsigned int n = take_all(self->fd, 0, 0, phys);

	before = pool_stats(self->fd);
	EXPECT_EQ(-ENOMEM, run(self->fd, OP(ALLOC_PAGES, .handle = n), NULL));
	EXPECT_EQ(-ENOMEM, run(self->fd, OP(ALLOC_EXACT, .handle = n, .size = 1), NULL));
	after = pool_stats(self->fd);
	before.failures += 2;
	before.order[0].failures += 2;
	EXPECT_EQ(0, memcmp(&before, &after, sizeof(before)));
	EXPECT_EQ(0, free_all(self->fd, n));
}

TEST_F(pages, frees_in_any_order_merge_back_to_the_largest_blocks)
{
	__u64 *phys = calloc(self->nr_pages + 1, sizeof(*phys));
	unsigned int *handle = calloc(self->nr_pages, sizeof(*handle));
	uint64_t random = TEST_SEED();
	unsigned int i, n, round;

	for (round = 0; round < 3; round++) {
		n = take_all(self->fd, 0, RESPOOL_TEST_CHECK, phys);
		ASSERT_EQ(self->nr_pages, n);
		for (i = 0; i < n; i++)
			handle[i] = i;
		if (round)
			shuffle(handle, n, &random);
		ASSERT_EQ(0, free_handles(self->fd, handle, n));
		EXPECT_EMPTY_AGAIN(self->fd, &self->before);
	}
}

TEST_F(pages, every_second_page_free_serves_order_zero_only)
{
	__u64 *phys = calloc(self->nr_pages + 1, sizeof(*phys));
	struct respool_test_pool_stats stats;
	unsigned int i, n, freed = 0;

	n = take_all(self->fd, 0, 0, phys);
	for (i = 0; i < n; i++)
		if (phys[i] / PAGE % 2) {
			ASSERT_EQ(0, run(self->fd, OP(FREE, .handle = i), NULL));
			freed++;
		}
	stats = settled_stats(self->fd);
	EXPECT_EQ(freed, stats.free_pages);
	EXPECT_EQ(freed, stats.order[0].free_blocks);
	EXPECT_EQ(freed ? 0 : -1, stats.largest_free_order);
	EXPECT_EQ(-ENOMEM, run(self->fd, OP(ALLOC_PAGES, .handle = n, .size = 1), NULL));
	EXPECT_VALID(self->fd, RESPOOL_TEST_POOL);
	for (i = 0; i < n; i++)
		if (phys[i] / PAGE % 2 == 0)
			ASSERT_EQ(0, run(self->fd, OP(FREE, .handle = i), NULL));
}

TEST_F(pages, exact_request_takes_that_many_pages_and_no_more)
{
	__u64 end = 1ULL << self->max_order;
	__u64 n, phys, align;

	for (n = 1; n <= end; n = n < 70 ? n + 1 : n * 9 / 8) {
		for (align = 1; align < n; align *= 2)
			;
		ASSERT_EQ(0, run(self->fd, OP(ALLOC_EXACT, .size = n, .seed = n,
					      .flags = RESPOOL_TEST_CHECK), &phys));
		EXPECT_EQ(0, phys % (align * PAGE));
		EXPECT_EQ(n, pool_stats(self->fd).allocated_pages);
		EXPECT_VALID(self->fd, RESPOOL_TEST_POOL);
		ASSERT_EQ(0, run(self->fd, OP(FREE, .flags = RESPOOL_TEST_CHECK), NULL));
		EXPECT_EQ(0, pool_stats(self->fd).allocated_pages);
	}
}

TEST_F(pages, exact_blocks_until_full_do_not_overlap)
{
	uint64_t random = TEST_SEED();
	unsigned int i, n = 0, failed = 0;
	__u64 held = 0, size;
	int error;

	while (failed < 50) {
		size = 1 + random_below(&random, 1ULL << self->max_order) / 8;
		error = run(self->fd, OP(ALLOC_EXACT, .handle = n, .size = size, .seed = n,
					 .flags = RESPOOL_TEST_CHECK), NULL);
		failed += !!error;
		held += error ? 0 : size;
		n += !error;
	}
	EXPECT_EQ(held, pool_stats(self->fd).allocated_pages);
	EXPECT_VALID(self->fd, RESPOOL_TEST_POOL);
	for (i = 0; i < n; i++)
		EXPECT_EQ(0, run(self->fd, OP(VERIFY, .handle = i, .seed = i), NULL));
	EXPECT_EQ(0, free_all(self->fd, n));
}

TEST_F(pages, zeroed_block_has_no_trace_of_its_last_user)
{
	__u64 *phys = calloc(self->nr_pages + 1, sizeof(*phys));
	unsigned int order, n;

	n = take_all(self->fd, 0, RESPOOL_TEST_CHECK, phys);
	ASSERT_EQ(0, free_all(self->fd, n));
	for (order = self->max_order; order + 1 > 0; order--) {
		ASSERT_EQ(0, run(self->fd, OP(ALLOC_PAGES, .size = order, .seed = 1 + order,
					      .flags = RESPOOL_TEST_ZERO), NULL));
		EXPECT_EQ(0, run(self->fd, OP(VERIFY_ZERO), NULL));
		ASSERT_EQ(0, run(self->fd, OP(FILL, .seed = ~0ULL), NULL));
		ASSERT_EQ(0, run(self->fd, OP(FREE), NULL));
	}
}

TEST_F(pages, random_use_keeps_content_and_invariants)
{
	uint64_t random = TEST_SEED();
	unsigned int slots = self->nr_pages < 200 ? self->nr_pages : 200;
	unsigned int i, handle;
	int error;

	for (i = 0; i < 6000; i++) {
		handle = random_below(&random, slots);
		error = run(self->fd, OP(ALLOC_PAGES, .handle = handle, .seed = i,
					 .size = random_below(&random, self->max_order + 1) / 2,
					 .flags = RESPOOL_TEST_CHECK), NULL);
		if (error == -EEXIST)
			error = run(self->fd, OP(FREE, .handle = handle,
						 .flags = RESPOOL_TEST_CHECK), NULL);
		if (error && error != -ENOMEM)
			ASSERT_EQ(0, error);
		if (i % 500 == 0)
			EXPECT_VALID(self->fd, RESPOOL_TEST_POOL);
	}
	for (handle = 0; handle < slots; handle++) {
		error = run(self->fd, OP(FREE, .handle = handle, .flags = RESPOOL_TEST_CHECK),
			    NULL);
		if (error != -ENOENT)
			EXPECT_EQ(0, error);
	}
}

TEST_F(pages, interrupts_can_allocate_and_free)
{
	unsigned int order;

	for (order = 0; order <= self->max_order; order++) {
		ASSERT_EQ(0, run(self->fd, OP(ALLOC_PAGES, .size = order, .seed = order,
					      .flags = RESPOOL_TEST_CHECK | RESPOOL_TEST_IN_IRQ),
				 NULL));
		ASSERT_EQ(0, run(self->fd, OP(FREE, .flags = RESPOOL_TEST_CHECK |
							     RESPOOL_TEST_IN_IRQ), NULL));
	}
}

TEST_F(pages, closing_the_file_frees_what_it_held)
{
	__u64 *phys = calloc(self->nr_pages + 1, sizeof(*phys));
	int other = client_open("main", self->nr_pages + 1);

	ASSERT_LE(0, other);
	EXPECT_EQ(self->nr_pages, take_all(other, 0, 0, phys));
	EXPECT_EQ(self->nr_pages, pool_stats(self->fd).allocated_pages);
	close(other);
	EXPECT_EMPTY_AGAIN(self->fd, &self->before);
}

TEST_HARNESS_MAIN
