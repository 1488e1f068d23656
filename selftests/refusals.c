// SPDX-License-Identifier: GPL-2.0
/*
 * Every mistake a caller can make is refused with its errno, counted once and
 * changes nothing else: not a counter, not the block, not its neighbours.
 */
#include <sys/wait.h>

#include "selftest.h"

#define PAGE	4096ULL
#define ORDER	3		/* of the block that mistakes are made with */

/* Indexes into refusals[], by enum respool_refusal. */
enum {
	DOUBLE_FREE, INTERIOR, WRONG_ORDER, FOREIGN, WRONG_SLAB,
	ZERO_SIZE, TOO_LARGE, BAD_ALIGN, OVERFLOW, CORRUPT,
};

/* Handles. Those without _PAGES are blocks of the slab "mine". */
enum { PAGES, EXACT_PAGES, BLOCK, LARGE_BLOCK, OTHERS_BLOCK, SPARE, NR_HANDLES };

/* Of each process of those that make mistakes at one time: PAGES and so on, but its own. */
#define PROCESSES	4
#define OWN(process, handle)	(((process) + 1) * NR_HANDLES + (handle))

FIXTURE(refusals)
{
	int fd;
	int mine;
	int others;
	struct respool_test_pool_stats empty;
	struct respool_test_pool_stats pool;
	struct respool_test_slab_stats slab;
};

FIXTURE_SETUP(refusals)
{
	int i;

	USE_POOLS(CLIENT_DEFAULT_POOLS);
	self->fd = client_open("main", OWN(PROCESSES, 0));
	ASSERT_LE(0, self->fd);
	self->empty = settled_stats(self->fd);
	self->mine = client_slab(self->fd, "mine");
	self->others = client_slab(self->fd, "others");
	ASSERT_EQ(0, self->mine);
	ASSERT_EQ(1, self->others);
	ASSERT_EQ(0, run(self->fd, OP(ALLOC_PAGES, .handle = PAGES, .size = ORDER), NULL));
	ASSERT_EQ(0, run(self->fd, OP(ALLOC_EXACT, .handle = EXACT_PAGES, .size = 7), NULL));
	ASSERT_EQ(0, run(self->fd, OP(ALLOC, .handle = BLOCK, .size = 200), NULL));
	ASSERT_EQ(0, run(self->fd, OP(ALLOC, .handle = LARGE_BLOCK, .size = 100000), NULL));
	ASSERT_EQ(0, run(self->fd, OP(ALLOC, .handle = OTHERS_BLOCK, .slab = self->others,
				      .size = 200), NULL));
	for (i = 0; i < SPARE; i++)
		ASSERT_EQ(0, run(self->fd, OP(FILL, .handle = i, .seed = i), NULL));
	self->pool = pool_stats(self->fd);
	self->slab = slab_stats(self->fd, self->mine);
}

/* Blocks that a test did not free must be whole, and then free. */
FIXTURE_TEARDOWN(refusals)
{
	int i, error, watch = client_open("main", 1);

	for (i = 0; i < SPARE; i++) {
		error = run(self->fd, OP(VERIFY, .handle = i, .seed = i), NULL);
		if (error == -ENOENT)
			continue;
		EXPECT_EQ(0, error);
		EXPECT_EQ(0, run(self->fd, OP(FREE, .handle = i), NULL));
	}
	EXPECT_EQ(0, slab_stats(self->fd, self->mine).live_blocks);
	EXPECT_EQ(0, slab_stats(self->fd, self->others).live_blocks);
	EXPECT_VALID(self->fd, self->mine);
	EXPECT_VALID(self->fd, self->others);
	close(self->fd);
	EXPECT_LE(0, watch);
	EXPECT_EMPTY_AGAIN(watch, &self->empty);
	close(watch);
}

/*
 * Since self->pool and self->slab were read, so many calls were refused for
 * this reason by the pool or by the slab, and nothing else happened to either.
 */
#define EXPECT_ONLY_REFUSED_BY_POOL(kind, times) do {				\
	struct respool_test_pool_stats __pool = pool_stats(self->fd);		\
	struct respool_test_slab_stats __slab = slab_stats(self->fd, self->mine); \
										\
	self->pool.refusals[kind] += (times);					\
	EXPECT_EQ(0, memcmp(&self->pool, &__pool, sizeof(__pool)));		\
	EXPECT_EQ(0, memcmp(&self->slab, &__slab, sizeof(__slab)));		\
	EXPECT_EQ(self->pool.refusals[kind], __pool.refusals[kind]);		\
	EXPECT_VALID(self->fd, RESPOOL_TEST_POOL);				\
} while (0)

#define EXPECT_ONLY_REFUSED_BY_SLAB(kind, times) do {				\
	struct respool_test_pool_stats __pool = pool_stats(self->fd);		\
	struct respool_test_slab_stats __slab = slab_stats(self->fd, self->mine); \
										\
	self->slab.refusals[kind] += (times);					\
	self->slab.failures += (times);						\
	EXPECT_EQ(0, memcmp(&self->pool, &__pool, sizeof(__pool)));		\
	EXPECT_EQ(0, memcmp(&self->slab, &__slab, sizeof(__slab)));		\
	EXPECT_EQ(self->slab.refusals[kind], __slab.refusals[kind]);		\
	EXPECT_VALID(self->fd, self->mine);					\
	EXPECT_VALID(self->fd, RESPOOL_TEST_POOL);				\
} while (0)

/* What the call answered, or, told apart by its size, why it was not made. */
static int mistake(int fd, unsigned int call, unsigned int mistake, unsigned int handle,
		   unsigned int slab, __u64 value)
{
	struct respool_test_misuse misuse = {
		.call = call, .mistake = mistake, .handle = handle, .slab = slab, .value = value,
	};
	int error = client_ioctl(fd, RESPOOL_TEST_IOC_MISUSE, &misuse);

	return error ? -100000 + error : misuse.result;
}

#define MISTAKE(call, what, handle, slab, value) \
	mistake(self->fd, RESPOOL_TEST_CALL_##call, RESPOOL_TEST_##what, handle, slab, value)

/* The page layer */

TEST_F(refusals, page_block_freed_twice)
{
	EXPECT_EQ(-EALREADY, MISTAKE(FREE_PAGES, FREED, PAGES, 0, 0));
	EXPECT_EQ(1, pool_stats(self->fd).refusals[DOUBLE_FREE] -
		     self->pool.refusals[DOUBLE_FREE]);
	EXPECT_EQ(self->pool.frees + 1, pool_stats(self->fd).frees);
	EXPECT_EQ(self->pool.allocated_pages - (1 << ORDER), pool_stats(self->fd).allocated_pages);
	EXPECT_VALID(self->fd, RESPOOL_TEST_POOL);
}

TEST_F(refusals, exact_block_freed_twice)
{
	EXPECT_EQ(-EALREADY, MISTAKE(FREE_BLOCK, FREED, EXACT_PAGES, 0, 0));
	EXPECT_EQ(1, pool_stats(self->fd).refusals[DOUBLE_FREE] -
		     self->pool.refusals[DOUBLE_FREE]);
	EXPECT_EQ(self->pool.allocated_pages - 7, pool_stats(self->fd).allocated_pages);
	EXPECT_VALID(self->fd, RESPOOL_TEST_POOL);
}

TEST_F(refusals, free_inside_a_page_block)
{
	__u64 page;

	for (page = 1; page < 1 << ORDER; page++) {
		EXPECT_EQ(-EINVAL, MISTAKE(FREE_PAGES, OFFSET, PAGES, 0, page * PAGE));
		EXPECT_EQ(-EINVAL, MISTAKE(FREE_BLOCK, OFFSET, PAGES, 0, page * PAGE));
	}
	EXPECT_ONLY_REFUSED_BY_POOL(INTERIOR, 2 * ((1 << ORDER) - 1));
}

TEST_F(refusals, free_inside_a_page)
{
	EXPECT_EQ(-EINVAL, MISTAKE(FREE_PAGES, OFFSET, PAGES, 0, 1));
	EXPECT_EQ(-EINVAL, MISTAKE(FREE_BLOCK, OFFSET, PAGES, 0, PAGE - 1));
	EXPECT_EQ(-EINVAL, MISTAKE(FREE_BLOCK, OFFSET, EXACT_PAGES, 0, 8));
	EXPECT_ONLY_REFUSED_BY_POOL(INTERIOR, 3);
}

/* Seven pages are blocks of 4, 2 and 1; the later ones are no blocks of their own. */
TEST_F(refusals, free_of_a_part_of_an_exact_block)
{
	__u64 page;

	for (page = 1; page < 7; page++)
		EXPECT_EQ(-EINVAL, MISTAKE(FREE_BLOCK, OFFSET, EXACT_PAGES, 0, page * PAGE));
	EXPECT_ONLY_REFUSED_BY_POOL(INTERIOR, 6);
}

TEST_F(refusals, page_block_freed_as_another_order)
{
	unsigned int order, times = 0;

	for (order = 0; order < 40; order++)
		if (order != ORDER) {
			EXPECT_EQ(-ERANGE, MISTAKE(FREE_PAGES, ORDER, PAGES, 0, order));
			times++;
		}
	EXPECT_EQ(-ERANGE, MISTAKE(FREE_PAGES, ORDER, PAGES, 0, ~0U));
	EXPECT_ONLY_REFUSED_BY_POOL(WRONG_ORDER, times + 1);
}

TEST_F(refusals, free_of_a_page_that_is_no_pools)
{
	EXPECT_EQ(-EFAULT, MISTAKE(FREE_PAGES, OUTSIDE, PAGES, 0, 0));
	EXPECT_EQ(-EFAULT, MISTAKE(FREE_BLOCK, OUTSIDE, PAGES, 0, 0));
	EXPECT_ONLY_REFUSED_BY_POOL(FOREIGN, 2);
}

TEST_F(refusals, request_for_no_pages)
{
	EXPECT_EQ(-ENOMEM, run(self->fd, OP(ALLOC_EXACT, .handle = SPARE), NULL));
	self->pool.failures++;
	self->pool.order[0].failures++;
	EXPECT_ONLY_REFUSED_BY_POOL(ZERO_SIZE, 1);
}

TEST_F(refusals, request_for_more_pages_than_the_pool)
{
	unsigned int order = self->pool.max_order + 1;

	EXPECT_EQ(-ENOMEM, run(self->fd, OP(ALLOC_PAGES, .handle = SPARE, .size = order), NULL));
	EXPECT_EQ(-ENOMEM, run(self->fd, OP(ALLOC_EXACT, .handle = SPARE,
					    .size = self->pool.pages + 1), NULL));
	EXPECT_EQ(-ENOMEM, run(self->fd, OP(ALLOC_PAGES, .handle = SPARE, .size = 33), NULL));
	EXPECT_EQ(-ENOMEM, run(self->fd, OP(ALLOC_PAGES, .handle = SPARE, .size = 64), NULL));
	EXPECT_EQ(-ENOMEM, run(self->fd, OP(ALLOC_PAGES, .handle = SPARE, .size = ~0U), NULL));
	EXPECT_EQ(-ENOMEM, run(self->fd, OP(ALLOC_EXACT, .handle = SPARE, .size = ~0ULL), NULL));
	self->pool.failures += 6;
	self->pool.order[order].failures += 2;
	EXPECT_ONLY_REFUSED_BY_POOL(TOO_LARGE, 6);
}

/* The byte layer */

TEST_F(refusals, block_freed_twice)
{
	static const unsigned int calls[] = {
		RESPOOL_TEST_CALL_FREE, RESPOOL_TEST_CALL_REALLOC, RESPOOL_TEST_CALL_USABLE,
	};
	static const int answers[] = { -EALREADY, -ENOMEM, 0 };
	unsigned int call, times = 0;

	for (call = 0; call < ARRAY_SIZE(calls); call++) {
		EXPECT_EQ(answers[call], mistake(self->fd, calls[call], RESPOOL_TEST_FREED, BLOCK,
						 self->mine, 0));
		EXPECT_EQ(++times, slab_stats(self->fd, self->mine).refusals[DOUBLE_FREE]);
		EXPECT_EQ(self->slab.live_blocks - 1, slab_stats(self->fd, self->mine).live_blocks);
		EXPECT_VALID(self->fd, self->mine);
		ASSERT_EQ(0, run(self->fd, OP(ALLOC, .handle = BLOCK, .size = 200), NULL));
		ASSERT_EQ(0, run(self->fd, OP(FILL, .handle = BLOCK, .seed = BLOCK), NULL));
	}
}

TEST_F(refusals, address_inside_a_block)
{
	__u64 offset;
	unsigned int times = 0;

	for (offset = 1; offset < 200; offset++) {
		EXPECT_EQ(-EINVAL, MISTAKE(FREE, OFFSET, BLOCK, self->mine, offset))
			TH_LOG("offset %llu", (unsigned long long)offset);
		times++;
	}
	EXPECT_EQ(-ENOMEM, MISTAKE(REALLOC, OFFSET, BLOCK, self->mine, 16));
	EXPECT_EQ(0, MISTAKE(USABLE, OFFSET, BLOCK, self->mine, 16));
	EXPECT_EQ(-EINVAL, MISTAKE(FREE, OFFSET, LARGE_BLOCK, self->mine, 16));
	EXPECT_EQ(-EINVAL, MISTAKE(FREE, OFFSET, LARGE_BLOCK, self->mine, 50000));
	EXPECT_ONLY_REFUSED_BY_SLAB(INTERIOR, times + 4);
}

TEST_F(refusals, address_outside_every_pool)
{
	EXPECT_EQ(-EFAULT, MISTAKE(FREE, OUTSIDE, BLOCK, self->mine, 0));
	EXPECT_EQ(-ENOMEM, MISTAKE(REALLOC, OUTSIDE, BLOCK, self->mine, 0));
	EXPECT_EQ(0, MISTAKE(USABLE, OUTSIDE, BLOCK, self->mine, 0));
	EXPECT_ONLY_REFUSED_BY_SLAB(FOREIGN, 3);
}

TEST_F(refusals, page_block_given_to_a_slab)
{
	EXPECT_EQ(-EFAULT, MISTAKE(FREE, SLAB, PAGES, self->mine, 0));
	EXPECT_EQ(-ENOMEM, MISTAKE(REALLOC, SLAB, PAGES, self->mine, 0));
	EXPECT_EQ(0, MISTAKE(USABLE, SLAB, EXACT_PAGES, self->mine, 0));
	EXPECT_ONLY_REFUSED_BY_SLAB(FOREIGN, 3);
}

TEST_F(refusals, block_of_another_slab)
{
	struct respool_test_slab_stats others = slab_stats(self->fd, self->others);
	struct respool_test_slab_stats after;

	EXPECT_EQ(-EXDEV, MISTAKE(FREE, SLAB, OTHERS_BLOCK, self->mine, 0));
	EXPECT_EQ(-ENOMEM, MISTAKE(REALLOC, SLAB, OTHERS_BLOCK, self->mine, 0));
	EXPECT_EQ(0, MISTAKE(USABLE, SLAB, OTHERS_BLOCK, self->mine, 0));
	EXPECT_ONLY_REFUSED_BY_SLAB(WRONG_SLAB, 3);
	after = slab_stats(self->fd, self->others);
	EXPECT_EQ(0, memcmp(&others, &after, sizeof(others)));
}

TEST_F(refusals, request_for_no_bytes)
{
	EXPECT_EQ(-ENOMEM, run(self->fd, OP(ALLOC, .handle = SPARE), NULL));
	EXPECT_EQ(-ENOMEM, run(self->fd, OP(ALLOC_ALIGNED, .handle = SPARE, .align = 64), NULL));
	EXPECT_EQ(-ENOMEM, run(self->fd, OP(REALLOC, .handle = BLOCK), NULL));
	EXPECT_ONLY_REFUSED_BY_SLAB(ZERO_SIZE, 3);
}

TEST_F(refusals, request_for_more_bytes_than_the_pool)
{
	__u64 size = self->pool.pages * PAGE;

	EXPECT_EQ(-ENOMEM, run(self->fd, OP(ALLOC, .handle = SPARE, .size = size), NULL));
	EXPECT_EQ(-ENOMEM, run(self->fd, OP(ALLOC, .handle = SPARE, .size = 1ULL << 40), NULL));
	EXPECT_EQ(-ENOMEM, run(self->fd, OP(ALLOC_ALIGNED, .handle = SPARE, .size = 1,
					    .align = 1ULL << 40), NULL));
	EXPECT_EQ(-ENOMEM, run(self->fd, OP(REALLOC, .handle = BLOCK, .size = size), NULL));
	EXPECT_ONLY_REFUSED_BY_SLAB(TOO_LARGE, 4);
}

TEST_F(refusals, alignment_that_is_no_power_of_two)
{
	EXPECT_EQ(-ENOMEM, run(self->fd, OP(ALLOC_ALIGNED, .handle = SPARE, .size = 64), NULL));
	EXPECT_EQ(-ENOMEM, run(self->fd, OP(ALLOC_ALIGNED, .handle = SPARE, .size = 64,
					    .align = 3), NULL));
	EXPECT_EQ(-ENOMEM, run(self->fd, OP(ALLOC_ALIGNED, .handle = SPARE, .size = 64,
					    .align = 48), NULL));
	EXPECT_EQ(-ENOMEM, run(self->fd, OP(ALLOC_ALIGNED, .handle = SPARE, .size = 64,
					    .align = ~0ULL), NULL));
	EXPECT_ONLY_REFUSED_BY_SLAB(BAD_ALIGN, 4);
}

TEST_F(refusals, request_whose_size_overflows)
{
	EXPECT_EQ(-ENOMEM, run(self->fd, OP(ALLOC, .handle = SPARE, .size = ~0ULL), NULL));
	EXPECT_EQ(-ENOMEM, run(self->fd, OP(ALLOC, .handle = SPARE, .size = ~0ULL - 15), NULL));
	EXPECT_EQ(-ENOMEM, run(self->fd, OP(ALLOC_ALIGNED, .handle = SPARE, .size = 1ULL << 63,
					    .align = 1ULL << 63), NULL));
	EXPECT_EQ(-ENOMEM, run(self->fd, OP(REALLOC, .handle = BLOCK, .size = ~0ULL), NULL));
	EXPECT_ONLY_REFUSED_BY_SLAB(OVERFLOW, 4);
}

/* Several CPUs */

/*
 * Every mistake but the double free, for which the block must be nobody's; several
 * CPUs make that in magazines.c and objects.c. Whether all were refused for what
 * they were.
 */
static bool all_are_refused(int fd, int mine, int process)
{
	unsigned int pages = OWN(process, PAGES), block = OWN(process, BLOCK);
	unsigned int others = OWN(process, OTHERS_BLOCK), spare = OWN(process, SPARE);

#define REFUSED(errno, ...) (mistake(fd, RESPOOL_TEST_CALL_##__VA_ARGS__) == -(errno))
#define NOT_MADE(...) (run(fd, OP(__VA_ARGS__, .handle = spare), NULL) == -ENOMEM)
	return REFUSED(EINVAL, FREE_PAGES, RESPOOL_TEST_OFFSET, pages, 0, PAGE) &&
	       REFUSED(ERANGE, FREE_PAGES, RESPOOL_TEST_ORDER, pages, 0, ORDER + 1) &&
	       REFUSED(EFAULT, FREE_BLOCK, RESPOOL_TEST_OUTSIDE, pages, 0, 0) &&
	       NOT_MADE(ALLOC_EXACT) &&
	       NOT_MADE(ALLOC_PAGES, .size = 64) &&
	       REFUSED(EINVAL, FREE, RESPOOL_TEST_OFFSET, block, mine, 16) &&
	       REFUSED(EFAULT, FREE, RESPOOL_TEST_OUTSIDE, block, mine, 0) &&
	       REFUSED(EXDEV, FREE, RESPOOL_TEST_SLAB, others, mine, 0) &&
	       NOT_MADE(ALLOC, .slab = mine) &&
	       NOT_MADE(ALLOC, .slab = mine, .size = 1ULL << 40) &&
	       NOT_MADE(ALLOC_ALIGNED, .slab = mine, .size = 64, .align = 48) &&
	       NOT_MADE(ALLOC, .slab = mine, .size = ~0ULL);
#undef REFUSED
#undef NOT_MADE
}

static int make_mistakes(int fd, int mine, int process, unsigned int times)
{
	if (client_move_to(process % sysconf(_SC_NPROCESSORS_ONLN)))
		return 1;
	while (times--)
		if (!all_are_refused(fd, mine, process))
			return 1;
	return 0;
}

TEST_F(refusals, each_is_refused_and_counted_when_cpus_make_it_together)
{
	static const unsigned int by_pool[] = {
		INTERIOR, WRONG_ORDER, FOREIGN, ZERO_SIZE, TOO_LARGE,
	};
	static const unsigned int by_slab[] = {
		INTERIOR, FOREIGN, WRONG_SLAB, ZERO_SIZE, TOO_LARGE, BAD_ALIGN, OVERFLOW,
	};
	const unsigned int times = 200, all = PROCESSES * times;
	unsigned int i;
	int status;

	for (i = 0; i < PROCESSES; i++) {
		ASSERT_EQ(0, run(self->fd, OP(ALLOC_PAGES, .handle = OWN(i, PAGES), .size = ORDER),
				 NULL));
		ASSERT_EQ(0, run(self->fd, OP(ALLOC, .handle = OWN(i, BLOCK), .slab = self->mine,
					      .size = 200), NULL));
		ASSERT_EQ(0, run(self->fd, OP(ALLOC, .handle = OWN(i, OTHERS_BLOCK),
					      .slab = self->others, .size = 200), NULL));
	}
	self->pool = pool_stats(self->fd);
	self->slab = slab_stats(self->fd, self->mine);

	for (i = 0; i < PROCESSES; i++)
		if (!fork())
			_exit(make_mistakes(self->fd, self->mine, i, times));
	for (i = 0; i < PROCESSES; i++) {
		ASSERT_LT(0, wait(&status));
		EXPECT_EQ(0, status);
	}

	for (i = 0; i < ARRAY_SIZE(by_pool); i++)
		self->pool.refusals[by_pool[i]] += all;
	self->pool.failures += 2 * all;		/* no pages, too many */
	self->pool.order[0].failures += all;
	for (i = 0; i < ARRAY_SIZE(by_slab); i++)
		self->slab.refusals[by_slab[i]] += all;
	self->slab.failures += ARRAY_SIZE(by_slab) * all;
	EXPECT_ONLY_REFUSED_BY_POOL(INTERIOR, 0);
	EXPECT_ONLY_REFUSED_BY_SLAB(INTERIOR, 0);
	for (i = 0; i < PROCESSES; i++) {
		EXPECT_EQ(0, run(self->fd, OP(FREE, .handle = OWN(i, PAGES)), NULL));
		EXPECT_EQ(0, run(self->fd, OP(FREE, .handle = OWN(i, BLOCK)), NULL));
		EXPECT_EQ(0, run(self->fd, OP(FREE, .handle = OWN(i, OTHERS_BLOCK)), NULL));
	}
}

/* The log */

TEST_F(refusals, each_kind_is_logged_once_for_a_slab)
{
	int slab = client_slab(self->fd, "fresh");
	int log = log_open();

	ASSERT_EQ(2, slab);
	ASSERT_LE(0, log);
	ASSERT_EQ(0, run(self->fd, OP(ALLOC, .handle = SPARE, .slab = slab, .size = 100), NULL));
	EXPECT_EQ(-EINVAL, MISTAKE(FREE, OFFSET, SPARE, slab, 16));
	EXPECT_EQ(-EINVAL, MISTAKE(FREE, OFFSET, SPARE, slab, 32));
	EXPECT_EQ(1, log_count(log, "slab fresh", "interior"));
	EXPECT_EQ(-EFAULT, MISTAKE(FREE, OUTSIDE, SPARE, slab, 0));
	EXPECT_EQ(-EFAULT, MISTAKE(FREE, OUTSIDE, SPARE, slab, 0));
	EXPECT_EQ(1, log_count(log, "slab fresh", "foreign"));
	EXPECT_EQ(0, run(self->fd, OP(FREE, .handle = SPARE), NULL));
	close(log);
}

TEST_HARNESS_MAIN
