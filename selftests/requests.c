// SPDX-License-Identifier: GPL-2.0
/*
 * Pages under conditions, several blocks at once, waiting, known-zero pages, a
 * watermark, pages out of service: each does what it says, with magazines and
 * without, and leaves the pool in one piece.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <unistd.h>
#include <sys/wait.h>

#include "selftest.h"

#define PAGE		4096ULL
#define NR_HANDLES	8192

/* Indexes into refusals[], by enum respool_refusal. */
enum { ZERO_SIZE = 5, TOO_LARGE, BAD_ALIGN };

FIXTURE(requests)
{
	int fd;
	unsigned int nr_pages;
	unsigned int max_order;
	__u64 start;		/* physical address of the first page */
	struct respool_test_pool_stats before;
};

FIXTURE_VARIANT(requests)
{
	const char *pools;
};

FIXTURE_VARIANT_ADD(requests, power_of_two)
{
	.pools = "main:16M",
};

FIXTURE_VARIANT_ADD(requests, without_caches)
{
	.pools = "main:16M/nocache",
};

FIXTURE_VARIANT_ADD(requests, prime_number_of_pages)
{
	.pools = "main:12436K",
};

/* A handle below nr_pages is for the page of that index, SPARE(n) for anything. */
FIXTURE_SETUP(requests)
{
	struct respool_test_info info = { .name = "main" };

	USE_POOLS(variant->pools);
	self->fd = client_open("main", NR_HANDLES);
	ASSERT_LE(0, self->fd);
	ASSERT_EQ(0, client_ioctl(self->fd, RESPOOL_TEST_IOC_INFO, &info));
	ASSERT_GE(NR_HANDLES / 2, info.pages);
	self->nr_pages = info.pages;
	self->max_order = info.max_order;
	ASSERT_EQ(0, run(self->fd, OP(ALLOC_REQUEST, .size = 1), &self->start));
	ASSERT_EQ(0, run(self->fd, OP(FREE), NULL));
	self->before = settled_stats(self->fd);
	ASSERT_EQ(self->nr_pages, self->before.free_pages);
}

FIXTURE_TEARDOWN(requests)
{
	EXPECT_EQ(0, run(self->fd, OP(SET_WATERMARK), NULL));
	EXPECT_EMPTY_AGAIN(self->fd, &self->before);
	close(self->fd);
}

#define SPARE(n)	(self->nr_pages + (n))

static int free_handle(int fd, unsigned int handle)
{
	return run(fd, OP(FREE, .handle = handle, .flags = RESPOOL_TEST_CHECK), NULL);
}

static int free_handles(int fd, unsigned int first, unsigned int n)
{
	int error = 0;

	while (n-- && !error)
		error = free_handle(fd, first + n);
	return error;
}

/* Take just this place; the handle is the index of its first page. */
static int take_place(int fd, __u64 start, unsigned int page, unsigned int nr_pages,
		      __u64 *phys)
{
	__u64 first = start + page * PAGE;

	return run(fd, OP(ALLOC_REQUEST, .handle = page, .size = nr_pages, .first = first,
			  .last = first + nr_pages * PAGE - 1), phys);
}

/* Take every page by itself, so that any can be freed by its index. */
static int take_each_page(int fd, __u64 start, unsigned int nr_pages)
{
	unsigned int page;
	int error = 0;

	for (page = 0; page < nr_pages && !error; page++)
		error = take_place(fd, start, page, 1, NULL);
	return error;
}

/* Hold about half of the pool, in blocks of all sizes; returns their number. */
static unsigned int fragment(int fd, unsigned int nr_pages, uint64_t *random)
{
	unsigned int n, handle;

	for (n = 0; !run(fd, OP(ALLOC_EXACT, .handle = n, .size = 1 + random_below(random, 40)),
			 NULL); n++)
		;
	for (handle = 0; handle < n; handle++)
		if (random_below(random, 2))
			free_handle(fd, handle);
	return n;
}

/* Free those of the first @n handles that hold anything. */
static void free_held(int fd, unsigned int n)
{
	while (n--)
		run(fd, OP(FREE, .handle = n), NULL);
}

static int many(int fd, enum respool_test_many_call call, unsigned int handle, unsigned int nr,
		__u64 size, unsigned int flags)
{
	struct respool_test_many arg = {
		.call = call, .flags = flags, .handle = handle, .nr = nr, .size = size,
	};
	int error = client_ioctl(fd, RESPOOL_TEST_IOC_MANY, &arg);

	return error ?: arg.result;
}

/* Conditions */

TEST_F(requests, any_number_of_pages_is_taken_and_no_more)
{
	unsigned int n;

	for (n = 1; n <= 1U << self->max_order; n = n < 70 ? n + 1 : n * 9 / 8) {
		ASSERT_EQ(0, run(self->fd, OP(ALLOC_REQUEST, .size = n, .seed = n,
					      .flags = RESPOOL_TEST_CHECK), NULL));
		EXPECT_EQ(n, pool_stats(self->fd).allocated_pages);
		EXPECT_VALID(self->fd, RESPOOL_TEST_POOL);
		ASSERT_EQ(0, free_handle(self->fd, 0));
	}
}

TEST_F(requests, alignment_may_be_above_natural)
{
	unsigned int order, nr_pages;
	__u64 phys;

	for (order = 0; order <= self->max_order; order++)
		for (nr_pages = 1; nr_pages <= 1U << order; nr_pages = 3 * nr_pages + 1) {
			ASSERT_EQ(0, run(self->fd, OP(ALLOC_REQUEST, .size = nr_pages,
						      .align = PAGE << order, .seed = order,
						      .flags = RESPOOL_TEST_CHECK), &phys));
			EXPECT_EQ(0, phys % (PAGE << order));
			EXPECT_EQ(nr_pages, pool_stats(self->fd).allocated_pages);
			ASSERT_EQ(0, free_handle(self->fd, 0));
		}
}

TEST_F(requests, any_place_can_be_fixed_and_is_given_once)
{
	uint64_t random = TEST_SEED();
	unsigned int i, page, nr_pages;
	__u64 phys, first;

	for (i = 0; i < 300; i++) {
		page = random_below(&random, self->nr_pages);
		nr_pages = 1 + random_below(&random, self->nr_pages - page);
		first = self->start + page * PAGE;
		ASSERT_EQ(0, take_place(self->fd, self->start, page, nr_pages, &phys));
		EXPECT_EQ(first, phys);
		EXPECT_EQ(nr_pages, pool_stats(self->fd).allocated_pages);
		EXPECT_EQ(-ENOMEM, run(self->fd, OP(ALLOC_REQUEST, .handle = SPARE(0), .size = 1,
						    .first = first, .last = first + PAGE - 1),
				       NULL));
		ASSERT_EQ(0, free_handle(self->fd, page));
	}
}

TEST_F(requests, bottom_up_and_top_down_meet_in_the_middle)
{
	unsigned int low, high = self->nr_pages;
	__u64 phys;

	for (low = 0; low < high; low++) {
		ASSERT_EQ(0, run(self->fd, OP(ALLOC_REQUEST, .handle = low, .size = 1), &phys));
		ASSERT_EQ(self->start + low * PAGE, phys);
		if (low + 1 == high)
			continue;
		ASSERT_EQ(0, run(self->fd, OP(ALLOC_REQUEST, .handle = --high, .size = 1,
					      .flags = RESPOOL_TEST_TOP_DOWN), &phys));
		ASSERT_EQ(self->start + high * PAGE, phys);
	}
	EXPECT_EQ(0, pool_stats(self->fd).free_pages);
	EXPECT_EQ(0, free_handles(self->fd, 0, self->nr_pages));
}

TEST_F(requests, range_is_used_to_its_last_page_and_never_left)
{
	/* Not whole pages: of the first and the last one only a part is inside. */
	__u64 first = self->start + 100 * PAGE + 1, last = self->start + 701 * PAGE - 2;
	unsigned int n = 0, inside = 701 - 1 - 101;
	__u64 phys;

	while (!run(self->fd, OP(ALLOC_REQUEST, .handle = n, .size = 1, .first = first,
				 .last = last), &phys)) {
		EXPECT_LE(first, phys);
		EXPECT_GE(last, phys + PAGE - 1);
		n++;
	}
	EXPECT_EQ(inside, n);
	EXPECT_EQ(self->nr_pages - inside, settled_stats(self->fd).free_pages);
	EXPECT_EQ(0, free_handles(self->fd, 0, n));
}

/* gpu_buddy's: small blocks at a large alignment, every second one given back and had again. */
TEST_F(requests, aligned_places_given_back_are_had_again_and_no_more)
{
	unsigned int nr = 8, round, i;
	__u64 align = 64 * PAGE, first = (self->start + align - 1) / align * align, phys;
	struct respool_test_op op = OP(ALLOC_REQUEST, .align = align, .first = first,
				       .last = first + nr * align - 1);

	for (round = 0; round < 3; round++) {
		for (i = 0; i < nr; i += round ? 2 : 1) {
			op.handle = i;
			op.size = 2 << i / 4;
			ASSERT_EQ(0, run(self->fd, op, &phys));
			EXPECT_EQ(0, phys % align);
		}
		op.handle = nr;
		op.size = 1;
		EXPECT_EQ(-ENOMEM, run(self->fd, op, NULL));
		for (i = 0; i < nr && round < 2; i += 2)
			EXPECT_EQ(0, free_handle(self->fd, i));
	}
	EXPECT_EQ(0, free_handles(self->fd, 0, nr));
}

/* gpu_buddy's: nine tenths of a pool are no block, but a row that a scan finds. */
TEST_F(requests, more_than_the_largest_block_is_had_by_a_scan_alone)
{
	unsigned int nr_pages = self->nr_pages - self->nr_pages / 10;

	if (nr_pages <= 1U << self->max_order)
		nr_pages = (1U << self->max_order) + 1;
	if (nr_pages > self->nr_pages)
		return;	/* the pool is one block */
	EXPECT_EQ(-ENOMEM, run(self->fd, OP(ALLOC_EXACT, .size = nr_pages), NULL));
	EXPECT_EQ(-ENOMEM, run(self->fd, OP(ALLOC_REQUEST, .size = nr_pages, .last = ~0ULL), NULL));
	EXPECT_EQ(0, run(self->fd, OP(ALLOC_REQUEST, .size = nr_pages, .last = ~0ULL,
				      .flags = RESPOOL_TEST_SCAN), NULL));
	EXPECT_EQ(0, free_handle(self->fd, 0));
}

TEST_F(requests, random_conditions_are_met_or_the_request_fails)
{
	uint64_t random = TEST_SEED();
	unsigned int i, n = 0, held = fragment(self->fd, self->nr_pages, &random);
	__u64 phys;

	for (i = 0; i < 500; i++) {
		__u64 a = random_below(&random, self->nr_pages * PAGE);
		__u64 b = random_below(&random, self->nr_pages * PAGE);
		struct respool_test_op op = OP(ALLOC_REQUEST, .handle = SPARE(n), .seed = n,
					       .size = 1 + random_below(&random, 12),
					       .align = PAGE << random_below(&random, 5),
					       .first = self->start + (a < b ? a : b),
					       .last = self->start + (a < b ? b : a),
					       .flags = RESPOOL_TEST_CHECK);

		op.flags |= next_random(&random) & (RESPOOL_TEST_SCAN | RESPOOL_TEST_TOP_DOWN);
		if (run(self->fd, op, &phys))
			continue;
		EXPECT_EQ(0, phys % op.align);
		EXPECT_LE(op.first, phys);
		EXPECT_GE(op.last, phys + op.size * PAGE - 1);
		n++;
	}
	EXPECT_LT(0, n);
	EXPECT_VALID(self->fd, RESPOOL_TEST_POOL);
	EXPECT_EQ(0, free_handles(self->fd, SPARE(0), n));
	free_held(self->fd, held);
}

TEST_F(requests, largest_is_what_then_succeeds_and_no_more_does)
{
	uint64_t random = TEST_SEED();
	unsigned int i, held = fragment(self->fd, self->nr_pages, &random);
	__u64 largest;

	for (i = 0; i < 300; i++) {
		unsigned int first = random_below(&random, self->nr_pages);
		unsigned int pages = 1 + random_below(&random, self->nr_pages - first);
		struct respool_test_op op = OP(LARGEST, .align = PAGE << random_below(&random, 5),
					       .first = self->start + first * PAGE,
					       .last = self->start + (first + pages) * PAGE - 1);

		op.flags = next_random(&random) & (RESPOOL_TEST_SCAN | RESPOOL_TEST_TOP_DOWN);
		ASSERT_EQ(0, run(self->fd, op, &largest));
		op.op = RESPOOL_TEST_ALLOC_REQUEST;
		op.handle = SPARE(0);
		op.size = largest;
		if (largest) {
			ASSERT_EQ(0, run(self->fd, op, NULL));
			ASSERT_EQ(0, free_handle(self->fd, SPARE(0)));
		}
		op.size = largest + 1;
		/* A range just that long is a place, which need not be an aligned block. */
		if (op.size != pages)
			EXPECT_EQ(-ENOMEM, run(self->fd, op, NULL));
	}
	free_held(self->fd, held);
}

TEST_F(requests, scan_finds_the_lowest_or_highest_row_of_pages_that_is_no_block)
{
	__u64 phys, low = self->start + 3 * PAGE, high = low + 64 * PAGE;
	struct respool_test_op ask = OP(ALLOC_REQUEST, .handle = SPARE(0), .size = 8);

	/* Wherever the pool starts, these eight pages are no aligned block. */
	if (low % (8 * PAGE) == 0) {
		low += PAGE;
		high += PAGE;
	}
	ASSERT_EQ(0, take_each_page(self->fd, self->start, self->nr_pages));
	ASSERT_EQ(0, free_handles(self->fd, (low - self->start) / PAGE, 8));
	ASSERT_EQ(0, free_handles(self->fd, (high - self->start) / PAGE, 8));
	EXPECT_EQ(-ENOMEM, run(self->fd, ask, NULL));
	ask.flags = RESPOOL_TEST_SCAN | RESPOOL_TEST_TOP_DOWN;
	ASSERT_EQ(0, run(self->fd, ask, &phys));
	EXPECT_EQ(high, phys);
	EXPECT_EQ(0, free_handle(self->fd, SPARE(0)));
	ask.flags = RESPOOL_TEST_SCAN;
	ASSERT_EQ(0, run(self->fd, ask, &phys));
	EXPECT_EQ(low, phys);
	EXPECT_EQ(8, settled_stats(self->fd).free_pages);
	EXPECT_EQ(0, free_handle(self->fd, SPARE(0)));
	free_held(self->fd, self->nr_pages);
}

static void free_every_third(int fd, unsigned int first, unsigned int nr_pages)
{
	for (; first < nr_pages; first += 3)
		run(fd, OP(FREE, .handle = first), NULL);
}

/* Rows of @size pages that scanning takes, with handles from @handle on. */
static unsigned int take_rows(int fd, unsigned int handle, unsigned int size)
{
	unsigned int n = 0;

	while (!run(fd, OP(ALLOC_REQUEST, .handle = handle + n, .size = size,
			   .flags = RESPOOL_TEST_SCAN), NULL))
		n++;
	return n;
}

TEST_F(requests, three_interleaved_lists_leave_the_rows_a_word_scan_would_find)
{
	unsigned int pairs = (self->nr_pages + 1) / 3, n;

	ASSERT_EQ(0, take_each_page(self->fd, self->start, self->nr_pages));
	free_every_third(self->fd, 0, self->nr_pages);
	EXPECT_EQ(0, take_rows(self->fd, SPARE(0), 2));
	free_every_third(self->fd, 1, self->nr_pages);
	EXPECT_EQ(0, take_rows(self->fd, SPARE(0), 3));
	n = take_rows(self->fd, SPARE(0), 2);
	EXPECT_EQ(pairs, n);
	EXPECT_EQ(0, free_handles(self->fd, SPARE(0), n));
	free_every_third(self->fd, 2, self->nr_pages);
	EXPECT_EQ(0, run(self->fd, OP(ALLOC_REQUEST, .size = self->nr_pages,
				      .flags = RESPOOL_TEST_SCAN), NULL));
	EXPECT_EQ(0, free_handle(self->fd, 0));
}

TEST_F(requests, bad_request_is_refused_counted_and_changes_nothing)
{
	const struct {
		struct respool_test_op op;
		int refusal;
	} bad[] = {
		{ OP(ALLOC_REQUEST, .size = 0), ZERO_SIZE },
		{ OP(ALLOC_REQUEST, .size = 1, .align = 3 * PAGE), BAD_ALIGN },
		{ OP(ALLOC_REQUEST, .size = 1, .align = 3), BAD_ALIGN },
		{ OP(ALLOC_REQUEST, .size = 1, .flags = RESPOOL_TEST_UNKNOWN), TOO_LARGE },
		{ OP(ALLOC_REQUEST, .size = 1, .first = self->start + PAGE, .last = self->start),
		  TOO_LARGE },
		{ OP(ALLOC_REQUEST, .size = self->nr_pages + 1), TOO_LARGE },
		{ OP(ALLOC_REQUEST, .size = ~0ULL), TOO_LARGE },
		{ OP(ALLOC_REQUEST, .size = 3, .first = self->start,
		     .last = self->start + 2 * PAGE), TOO_LARGE },
		{ OP(ALLOC_REQUEST, .size = 1, .first = self->start + 1,
		     .last = self->start + PAGE), TOO_LARGE },
		{ OP(ALLOC_REQUEST, .size = 1, .last = self->start - 1), TOO_LARGE },
		{ OP(ALLOC_REQUEST, .size = 1, .first = self->start + self->nr_pages * PAGE),
		  TOO_LARGE },
		{ OP(ALLOC_REQUEST, .size = 1, .first = ~0ULL, .last = ~0ULL), TOO_LARGE },
	};
	struct respool_test_pool_stats before, after;
	unsigned int i;
	__u64 largest;

	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		struct respool_test_op ask = bad[i].op;

		before = pool_stats(self->fd);
		EXPECT_EQ(-ENOMEM, run(self->fd, bad[i].op, NULL))
			TH_LOG("request %u", i);
		after = pool_stats(self->fd);
		EXPECT_EQ(before.refusals[bad[i].refusal] + 1, after.refusals[bad[i].refusal])
			TH_LOG("request %u", i);
		EXPECT_EQ(before.failures + 1, after.failures);
		EXPECT_EQ(before.free_pages, after.free_pages);
		EXPECT_EQ(0, after.allocated_pages);

		/* Where not even one page can be had, that is what there is. */
		if (ask.size != 1)
			continue;
		ask.op = RESPOOL_TEST_LARGEST;
		ask.size = 0;
		EXPECT_EQ(0, run(self->fd, ask, &largest));
		EXPECT_EQ(0, largest);
	}
}

TEST_F(requests, whole_pool_can_be_had_after_everything_was_freed)
{
	unsigned int *handle = calloc(self->nr_pages, sizeof(*handle)), i;
	uint64_t random = TEST_SEED();
	__u64 phys;

	ASSERT_EQ(0, take_each_page(self->fd, self->start, self->nr_pages));
	for (i = 0; i < self->nr_pages; i++)
		handle[i] = i;
	shuffle(handle, self->nr_pages, &random);
	for (i = 0; i < self->nr_pages; i++)
		ASSERT_EQ(0, free_handle(self->fd, handle[i]));
	ASSERT_EQ(0, run(self->fd, OP(ALLOC_REQUEST, .size = self->nr_pages), &phys));
	EXPECT_EQ(self->start, phys);
	EXPECT_EQ(0, pool_stats(self->fd).free_pages);
	EXPECT_EQ(0, free_handle(self->fd, 0));
}

TEST_F(requests, requests_work_in_interrupts_and_with_interrupts_off)
{
	static const unsigned int flags[] = {
		RESPOOL_TEST_CHECK | RESPOOL_TEST_IN_IRQ,
		RESPOOL_TEST_CHECK | RESPOOL_TEST_IRQS_OFF,
	};
	unsigned int i, n;

	for (i = 0; i < ARRAY_SIZE(flags); i++)
		for (n = 1; n < 600; n = 2 * n + 1) {
			ASSERT_EQ(0, run(self->fd, OP(ALLOC_REQUEST, .size = n, .seed = n,
						      .flags = flags[i]), NULL));
			ASSERT_EQ(0, run(self->fd, OP(FREE, .flags = flags[i]), NULL));
		}
}

/* Several blocks */

TEST_F(requests, list_has_the_largest_blocks_first_and_no_page_too_many)
{
	__u64 bytes, last, sum;
	unsigned int want;
	int nr, i;

	for (want = 1; want <= self->nr_pages; want = want < 20 ? want + 1 : want * 5 / 4) {
		nr = many(self->fd, RESPOOL_TEST_ALLOC_LIST, 0, 64, want, RESPOOL_TEST_ZERO);
		ASSERT_LT(0, nr);
		last = ~0ULL;
		sum = 0;
		for (i = 0; i < nr; i++) {
			ASSERT_EQ(0, run(self->fd, OP(USABLE, .handle = i), &bytes));
			EXPECT_EQ(0, bytes & (bytes - 1));
			EXPECT_GE(last, bytes);
			EXPECT_EQ(0, run(self->fd, OP(VERIFY_ZERO, .handle = i), NULL));
			sum += bytes;
			last = bytes;
		}
		EXPECT_EQ(want * PAGE, sum);
		EXPECT_EQ(want, pool_stats(self->fd).allocated_pages);
		ASSERT_EQ(0, many(self->fd, RESPOOL_TEST_FREE_LIST, 0, nr, 0, 0));
		ASSERT_EQ(0, pool_stats(self->fd).allocated_pages);
	}
}

TEST_F(requests, list_is_made_of_whatever_is_left)
{
	unsigned int half = self->nr_pages / 2, page;

	ASSERT_EQ(0, take_each_page(self->fd, self->start, self->nr_pages));
	for (page = 1; page < 2 * half; page += 2)
		ASSERT_EQ(0, free_handle(self->fd, page));
	EXPECT_EQ(-ENOMEM, many(self->fd, RESPOOL_TEST_ALLOC_LIST, SPARE(0), half + 1, half + 1,
				0));
	EXPECT_EQ(half, settled_stats(self->fd).free_pages);
	EXPECT_EQ(-ENOSPC, many(self->fd, RESPOOL_TEST_ALLOC_LIST, SPARE(0), half - 1, half, 0));
	EXPECT_EQ(half, settled_stats(self->fd).free_pages);
	ASSERT_EQ(half, many(self->fd, RESPOOL_TEST_ALLOC_LIST, SPARE(0), half, half, 0));
	EXPECT_EQ(0, settled_stats(self->fd).free_pages);
	EXPECT_EQ(0, free_handles(self->fd, SPARE(0), half));
	free_held(self->fd, self->nr_pages);
}

TEST_F(requests, list_is_all_or_nothing)
{
	struct respool_test_pool_stats before = pool_stats(self->fd), after;
	unsigned int max = self->nr_pages;

	EXPECT_EQ(-ENOSPC, many(self->fd, RESPOOL_TEST_ALLOC_LIST, 0, 1, 3, 0));
	EXPECT_EQ(-ENOMEM, many(self->fd, RESPOOL_TEST_ALLOC_LIST, 0, max, max + 1, 0));
	EXPECT_EQ(-EINVAL, many(self->fd, RESPOOL_TEST_ALLOC_LIST, 0, 1, 0, 0));
	after = settled_stats(self->fd);
	EXPECT_EQ(before.failures + 2, after.failures);
	EXPECT_EQ(0, after.allocated_pages);
	EXPECT_EQ(-ENOENT, run(self->fd, OP(FREE), NULL));
}

TEST_F(requests, bulk_gives_blocks_of_one_order_until_there_are_no_more)
{
	unsigned int order, fit, i;
	__u64 phys;
	int nr;

	for (order = 0; order <= self->max_order; order++) {
		fit = self->nr_pages >> order;
		nr = many(self->fd, RESPOOL_TEST_ALLOC_BULK, 0, fit + 1, order, RESPOOL_TEST_ZERO);
		/* One less where the pool does not start at such a block. */
		ASSERT_LE((int)fit - 1, nr);
		ASSERT_GE((int)fit, nr);
		EXPECT_EQ((__u64)nr << order, pool_stats(self->fd).allocated_pages);
		EXPECT_GT((int)order, settled_stats(self->fd).largest_free_order);
		for (i = 0; i < nr; i++) {
			ASSERT_EQ(0, run(self->fd, OP(LOCATE, .handle = i), &phys));
			ASSERT_EQ(0, phys % (PAGE << order));
			ASSERT_EQ(0, run(self->fd, OP(VERIFY_ZERO, .handle = i), NULL));
			ASSERT_EQ(0, run(self->fd, OP(FILL, .handle = i, .seed = i), NULL));
		}
		for (i = 0; i < nr; i++)
			ASSERT_EQ(0, run(self->fd, OP(VERIFY, .handle = i, .seed = i), NULL));
		ASSERT_EQ(0, many(self->fd, RESPOOL_TEST_FREE_BULK, 0, nr, 0, 0));
		EXPECT_EQ(0, pool_stats(self->fd).allocated_pages);
	}
	EXPECT_EQ(0, many(self->fd, RESPOOL_TEST_ALLOC_BULK, 0, 1, self->max_order + 1, 0));
}

/* Waiting */

#define MAX_WAITERS	8

struct waiter {
	pthread_t id;
	atomic_int task;
	int fd;
	struct respool_test_op op;
};

static void *waiter_main(void *arg)
{
	struct waiter *waiter = arg;

	atomic_store(&waiter->task, gettid());
	client_ioctl(waiter->fd, RESPOOL_TEST_IOC_OP, &waiter->op);
	return NULL;
}

/* It waits once this returns, if it has to. */
static int start_waiter(struct waiter *waiter, int fd, unsigned int handle, __u64 nr_pages)
{
	int error;

	atomic_init(&waiter->task, 0);
	waiter->fd = fd;
	waiter->op = OP(ALLOC_WAIT, .handle = handle, .size = nr_pages, .align = 60000);
	error = pthread_create(&waiter->id, NULL, waiter_main, waiter);
	if (error)
		return error;
	while (!atomic_load(&waiter->task))
		usleep(1000);
	client_await_sleep(atomic_load(&waiter->task));
	return 0;
}

TEST_F(requests, waiting_ends_at_the_timeout)
{
	struct respool_test_op op = OP(ALLOC_WAIT, .handle = SPARE(0), .size = 1, .align = 200);

	ASSERT_EQ(0, run(self->fd, OP(ALLOC_REQUEST, .size = self->nr_pages), NULL));
	EXPECT_EQ(-ENOMEM, client_ioctl(self->fd, RESPOOL_TEST_IOC_OP, &op));
	EXPECT_LE(190000000, op.ns);
	op.align = 0;
	EXPECT_EQ(-ENOMEM, client_ioctl(self->fd, RESPOOL_TEST_IOC_OP, &op));
	EXPECT_EQ(self->before.failures + 2, pool_stats(self->fd).failures);
	ASSERT_EQ(0, free_handle(self->fd, 0));
	EXPECT_EQ(0, client_ioctl(self->fd, RESPOOL_TEST_IOC_OP, &op));
	EXPECT_EQ(0, free_handle(self->fd, SPARE(0)));
}

TEST_F(requests, waiting_for_what_can_never_be_had_ends_at_once)
{
	struct respool_test_op op = OP(ALLOC_WAIT, .align = 60000);

	EXPECT_EQ(-ENOMEM, client_ioctl(self->fd, RESPOOL_TEST_IOC_OP, &op));
	EXPECT_GT(1000000000, op.ns);
	op.size = 2ULL << self->max_order;
	EXPECT_EQ(-ENOMEM, client_ioctl(self->fd, RESPOOL_TEST_IOC_OP, &op));
	EXPECT_GT(1000000000, op.ns);
}

TEST_F(requests, free_by_another_thread_wakes_who_waits)
{
	struct waiter waiter;

	ASSERT_EQ(0, take_each_page(self->fd, self->start, self->nr_pages));
	ASSERT_EQ(0, start_waiter(&waiter, self->fd, SPARE(0), 1));
	ASSERT_EQ(0, free_handle(self->fd, 0));
	pthread_join(waiter.id, NULL);
	EXPECT_EQ(0, waiter.op.error);
	EXPECT_EQ(self->start, waiter.op.value);
	EXPECT_EQ(0, free_handle(self->fd, SPARE(0)));
	EXPECT_EQ(0, free_handles(self->fd, 1, self->nr_pages - 1));
}

TEST_F(requests, waiter_gets_a_large_block_when_its_pages_have_come_back)
{
	struct waiter waiter;

	ASSERT_EQ(0, take_each_page(self->fd, self->start, self->nr_pages));
	ASSERT_EQ(0, start_waiter(&waiter, self->fd, SPARE(0), 1 << self->max_order));
	ASSERT_EQ(0, free_handles(self->fd, 0, self->nr_pages));
	pthread_join(waiter.id, NULL);
	EXPECT_EQ(0, waiter.op.error);
	EXPECT_EQ(0, free_handle(self->fd, SPARE(0)));
}

TEST_F(requests, each_of_many_waiters_is_served)
{
	struct waiter waiter[MAX_WAITERS];
	unsigned int i;

	ASSERT_EQ(0, take_each_page(self->fd, self->start, self->nr_pages));
	for (i = 0; i < MAX_WAITERS; i++)
		ASSERT_EQ(0, start_waiter(&waiter[i], self->fd, SPARE(i), 1));
	ASSERT_EQ(0, free_handles(self->fd, 0, MAX_WAITERS));
	for (i = 0; i < MAX_WAITERS; i++) {
		pthread_join(waiter[i].id, NULL);
		EXPECT_EQ(0, waiter[i].op.error);
	}
	EXPECT_EQ(0, settled_stats(self->fd).free_pages);
	EXPECT_EQ(0, free_handles(self->fd, SPARE(0), MAX_WAITERS));
	EXPECT_EQ(0, free_handles(self->fd, MAX_WAITERS, self->nr_pages - MAX_WAITERS));
}

TEST_F(requests, waiter_can_be_killed)
{
	int status = 0;
	pid_t child;

	ASSERT_EQ(0, run(self->fd, OP(ALLOC_REQUEST, .size = self->nr_pages), NULL));
	child = fork();
	if (!child) {
		run(self->fd, OP(ALLOC_WAIT, .handle = SPARE(0), .size = 1, .align = 250000), NULL);
		_exit(0);
	}
	ASSERT_LT(0, child);
	client_await_sleep(child);
	EXPECT_EQ(0, waitpid(child, &status, WNOHANG));
	kill(child, SIGKILL);
	EXPECT_EQ(child, waitpid(child, &status, 0));
	EXPECT_TRUE(WIFSIGNALED(status));
	EXPECT_EQ(0, free_handle(self->fd, 0));
	EXPECT_EQ(-ENOENT, run(self->fd, OP(FREE, .handle = SPARE(0)), NULL));
}

/* Pages known to be zero */

/* The only way to see that nobody cleared them: to say that they are zero when they are not. */
TEST_F(requests, known_zero_pages_are_not_cleared_again)
{
	struct respool_test_op zero = OP(ALLOC_EXACT, .handle = SPARE(0), .size = 8,
					 .flags = RESPOOL_TEST_ZERO);
	unsigned int n = 0;

	ASSERT_EQ(0, run(self->fd, OP(ALLOC_PAGES, .handle = SPARE(0), .size = 3), NULL));
	ASSERT_EQ(0, run(self->fd, OP(FILL, .handle = SPARE(0), .seed = 1), NULL));
	while (!run(self->fd, OP(ALLOC_PAGES, .handle = n), NULL))
		n++;
	ASSERT_EQ(0, run(self->fd, OP(FREE_CLEARED, .handle = SPARE(0)), NULL));
	EXPECT_EQ(8, pool_stats(self->fd).clear_pages);
	ASSERT_EQ(0, run(self->fd, zero, NULL));
	EXPECT_EQ(0, run(self->fd, OP(VERIFY, .handle = SPARE(0), .seed = 1), NULL));

	/* Whoever holds them may have written to them: they count as zero no more. */
	EXPECT_EQ(0, pool_stats(self->fd).clear_pages);
	ASSERT_EQ(0, run(self->fd, OP(FREE, .handle = SPARE(0)), NULL));
	ASSERT_EQ(0, run(self->fd, zero, NULL));
	EXPECT_EQ(0, run(self->fd, OP(VERIFY_ZERO, .handle = SPARE(0)), NULL));
	ASSERT_EQ(0, run(self->fd, OP(FREE, .handle = SPARE(0)), NULL));
	free_held(self->fd, n);
}

TEST_F(requests, being_known_to_be_zero_never_stops_a_merge)
{
	unsigned int page;

	ASSERT_EQ(0, take_each_page(self->fd, self->start, self->nr_pages));
	for (page = 0; page < self->nr_pages; page++)
		ASSERT_EQ(0, page % 3 ? run(self->fd, OP(FREE, .handle = page), NULL) :
			  run(self->fd, OP(FREE_CLEARED, .handle = page), NULL));
	EXPECT_EMPTY_AGAIN(self->fd, &self->before);
	EXPECT_EQ((self->nr_pages + 2) / 3, pool_stats(self->fd).clear_pages);
	/* None of those pages was zero, which is forgotten as soon as they are held. */
	ASSERT_EQ(0, run(self->fd, OP(ALLOC_REQUEST, .size = self->nr_pages), NULL));
	EXPECT_EQ(0, pool_stats(self->fd).clear_pages);
	ASSERT_EQ(0, free_handle(self->fd, 0));
}

TEST_F(requests, stale_data_is_never_shown)
{
	uint64_t random = TEST_SEED();
	bool zero[64] = {};
	unsigned int i, handle;
	int error;

	for (i = 0; i < 4000; i++) {
		handle = random_below(&random, 64);
		error = run(self->fd, OP(ALLOC_EXACT, .handle = handle, .flags = RESPOOL_TEST_ZERO,
					 .size = 1 + random_below(&random, 40)), NULL);
		if (!error) {
			ASSERT_EQ(0, run(self->fd, OP(VERIFY_ZERO, .handle = handle), NULL));
			zero[handle] = random_below(&random, 2);
			if (!zero[handle])
				ASSERT_EQ(0, run(self->fd, OP(FILL, .handle = handle, .seed = i),
						 NULL));
		} else if (error == -EEXIST && zero[handle]) {
			ASSERT_EQ(0, run(self->fd, OP(FREE_CLEARED, .handle = handle), NULL));
		} else if (error == -EEXIST) {
			ASSERT_EQ(0, free_handle(self->fd, handle));
		}
	}
	EXPECT_LT(0, pool_stats(self->fd).clear_pages);
	EXPECT_GE(self->nr_pages, pool_stats(self->fd).clear_pages);
	EXPECT_VALID(self->fd, RESPOOL_TEST_POOL);
	free_held(self->fd, 64);
}

/* The watermark */

TEST_F(requests, ordinary_requests_stop_at_the_watermark_and_atomic_ones_do_not)
{
	unsigned int mark = self->nr_pages / 4, n = 0, i;
	struct respool_test_op refused[] = {
		OP(ALLOC_PAGES, .handle = SPARE(0)),
		OP(ALLOC_EXACT, .handle = SPARE(0), .size = 1),
		OP(ALLOC_REQUEST, .handle = SPARE(0), .size = 1),
		OP(ALLOC_WAIT, .handle = SPARE(0), .size = 1, .align = 10),
	};

	ASSERT_EQ(0, run(self->fd, OP(SET_WATERMARK, .size = mark), NULL));
	EXPECT_EQ(mark, pool_stats(self->fd).watermark_pages);
	while (!run(self->fd, OP(ALLOC_PAGES, .handle = n), NULL))
		n++;
	EXPECT_EQ(self->nr_pages - mark, n);
	EXPECT_EQ(mark, pool_stats(self->fd).free_pages);
	for (i = 0; i < ARRAY_SIZE(refused); i++)
		EXPECT_EQ(-ENOMEM, run(self->fd, refused[i], NULL));
	EXPECT_EQ(-ENOMEM, many(self->fd, RESPOOL_TEST_ALLOC_LIST, SPARE(0), 1, 1, 0));
	EXPECT_EQ(0, many(self->fd, RESPOOL_TEST_ALLOC_BULK, SPARE(0), 1, 0, 0));

	for (i = 0; i < ARRAY_SIZE(refused); i++) {
		refused[i].flags = RESPOOL_TEST_ATOMIC;
		EXPECT_EQ(0, run(self->fd, refused[i], NULL));
		EXPECT_EQ(0, free_handle(self->fd, SPARE(0)));
	}
	EXPECT_EQ(1, many(self->fd, RESPOOL_TEST_ALLOC_LIST, SPARE(0), 1, 1, RESPOOL_TEST_ATOMIC));
	EXPECT_EQ(1, many(self->fd, RESPOOL_TEST_ALLOC_BULK, SPARE(1), 1, 0, RESPOOL_TEST_ATOMIC));
	EXPECT_EQ(0, free_handles(self->fd, SPARE(0), 2));
	while (!run(self->fd, OP(ALLOC_PAGES, .handle = n, .flags = RESPOOL_TEST_ATOMIC), NULL))
		n++;
	EXPECT_EQ(self->nr_pages, n);
	EXPECT_EQ(0, free_handles(self->fd, 0, n));
}

TEST_F(requests, watermark_lies_within_the_pool_and_can_be_lifted)
{
	EXPECT_EQ(-EINVAL, run(self->fd, OP(SET_WATERMARK, .size = self->nr_pages + 1), NULL));
	EXPECT_EQ(0, pool_stats(self->fd).watermark_pages);
	EXPECT_EQ(0, run(self->fd, OP(SET_WATERMARK, .size = self->nr_pages), NULL));
	EXPECT_EQ(-ENOMEM, run(self->fd, OP(ALLOC_PAGES), NULL));
	EXPECT_EQ(0, run(self->fd, OP(SET_WATERMARK), NULL));
	EXPECT_EQ(0, run(self->fd, OP(ALLOC_PAGES), NULL));
	EXPECT_EQ(0, free_handle(self->fd, 0));
}

/* Out of service */

TEST_F(requests, reserved_range_is_counted_and_handed_out_to_nobody)
{
	__u64 first = self->start + 77 * PAGE, phys;
	unsigned int n;

	ASSERT_EQ(0, run(self->fd, OP(RESERVE, .size = 300, .first = first), NULL));
	EXPECT_EQ(300, pool_stats(self->fd).reserved_pages);
	EXPECT_VALID(self->fd, RESPOOL_TEST_POOL);
	for (n = 0; !run(self->fd, OP(ALLOC_PAGES, .handle = n), &phys); n++)
		EXPECT_TRUE(phys < first || phys >= first + 300 * PAGE);
	EXPECT_EQ(self->nr_pages - 300, n);
	EXPECT_EQ(-ENOMEM, run(self->fd, OP(ALLOC_REQUEST, .handle = n, .size = 1, .first = first,
					    .last = first + PAGE - 1), NULL));
	EXPECT_EQ(0, free_handles(self->fd, 0, n));
	EXPECT_EQ(0, run(self->fd, OP(RELEASE, .size = 300, .first = first), NULL));
	EXPECT_EQ(0, pool_stats(self->fd).reserved_pages);
}

TEST_F(requests, only_free_pages_of_the_pool_can_be_reserved)
{
	__u64 first = self->start + 10 * PAGE, end = self->start + self->nr_pages * PAGE;

	ASSERT_EQ(0, take_place(self->fd, self->start, 12, 1, NULL));
	EXPECT_EQ(-EBUSY, run(self->fd, OP(RESERVE, .size = 3, .first = first), NULL));
	EXPECT_EQ(0, run(self->fd, OP(RESERVE, .size = 2, .first = first), NULL));
	EXPECT_EQ(-EBUSY, run(self->fd, OP(RESERVE, .size = 1, .first = first), NULL));
	EXPECT_EQ(-EFAULT, run(self->fd, OP(RESERVE, .size = 1, .first = end), NULL));
	EXPECT_EQ(-EFAULT, run(self->fd, OP(RESERVE, .size = 1, .first = first + 1), NULL));
	EXPECT_EQ(-EFAULT, run(self->fd, OP(RESERVE, .size = 2, .first = end - PAGE), NULL));
	EXPECT_EQ(-EFAULT, run(self->fd, OP(RESERVE, .size = ~0ULL, .first = first), NULL));
	EXPECT_EQ(-EFAULT, run(self->fd, OP(RESERVE, .first = first), NULL));
	EXPECT_EQ(2, pool_stats(self->fd).reserved_pages);

	EXPECT_EQ(-EINVAL, run(self->fd, OP(RELEASE, .size = 3, .first = first), NULL));
	EXPECT_EQ(-EFAULT, run(self->fd, OP(RELEASE, .size = 1, .first = end), NULL));
	EXPECT_EQ(2, pool_stats(self->fd).reserved_pages);
	EXPECT_EQ(0, run(self->fd, OP(RELEASE, .size = 1, .first = first + PAGE), NULL));
	EXPECT_EQ(0, run(self->fd, OP(RELEASE, .size = 1, .first = first), NULL));
	EXPECT_EQ(-EINVAL, run(self->fd, OP(RELEASE, .size = 1, .first = first), NULL));
	EXPECT_EQ(0, free_handle(self->fd, 12));
}

TEST_F(requests, pages_waiting_in_magazines_can_be_reserved)
{
	__u64 phys;

	ASSERT_EQ(0, run(self->fd, OP(ALLOC_PAGES), &phys));
	ASSERT_EQ(0, free_handle(self->fd, 0));
	EXPECT_EQ(0, run(self->fd, OP(RESERVE, .size = 1, .first = phys), NULL));
	EXPECT_EQ(0, run(self->fd, OP(RELEASE, .size = 1, .first = phys), NULL));
}

TEST_F(requests, released_range_wakes_who_waits)
{
	struct waiter waiter;

	ASSERT_EQ(0, run(self->fd, OP(RESERVE, .size = self->nr_pages, .first = self->start),
			 NULL));
	ASSERT_EQ(0, start_waiter(&waiter, self->fd, 0, 4));
	ASSERT_EQ(0, run(self->fd, OP(RELEASE, .size = self->nr_pages, .first = self->start),
			 NULL));
	pthread_join(waiter.id, NULL);
	EXPECT_EQ(0, waiter.op.error);
	EXPECT_EQ(0, free_handle(self->fd, 0));
}

/* A retired page stays so, hence the modules are loaded anew afterwards. */
FIXTURE(retirement)
{
	int fd;
	__u64 start;
	unsigned int nr_pages;
};

FIXTURE_VARIANT(retirement)
{
	const char *pools;
};

FIXTURE_VARIANT_ADD(retirement, with_caches)
{
	.pools = "main:4M",
};

FIXTURE_VARIANT_ADD(retirement, without_caches)
{
	.pools = "main:4M/nocache",
};

FIXTURE_SETUP(retirement)
{
	USE_POOLS(variant->pools);
	self->nr_pages = 1024;
	self->fd = client_open("main", 2 * self->nr_pages);
	ASSERT_LE(0, self->fd);
	ASSERT_EQ(0, run(self->fd, OP(ALLOC_REQUEST, .size = 1), &self->start));
	ASSERT_EQ(0, run(self->fd, OP(FREE), NULL));
}

FIXTURE_TEARDOWN(retirement)
{
	EXPECT_VALID(self->fd, RESPOOL_TEST_POOL);
	EXPECT_EQ(0, settled_stats(self->fd).allocated_pages);
	close(self->fd);
	EXPECT_EQ(0, client_unload("respool_test"));
	EXPECT_EQ(0, client_unload("respool"));
}

TEST_F(retirement, retired_page_is_counted_and_handed_out_never_again)
{
	__u64 bad = self->start + 321 * PAGE, phys;
	unsigned int n;

	ASSERT_EQ(0, run(self->fd, OP(RETIRE, .first = bad), NULL));
	EXPECT_EQ(1, pool_stats(self->fd).bad_pages);
	for (n = 0; !run(self->fd, OP(ALLOC_PAGES, .handle = n), &phys); n++)
		EXPECT_NE(bad, phys);
	EXPECT_EQ(self->nr_pages - 1, n);
	EXPECT_EQ(0, free_handles(self->fd, 0, n));
	EXPECT_EQ(-ENOMEM, run(self->fd, OP(ALLOC_REQUEST, .size = self->nr_pages), NULL));
}

TEST_F(retirement, only_a_free_page_of_the_pool_can_be_retired)
{
	__u64 bad = self->start + 5 * PAGE;

	ASSERT_EQ(0, take_place(self->fd, self->start, 5, 1, NULL));
	EXPECT_EQ(-EBUSY, run(self->fd, OP(RETIRE, .first = bad), NULL));
	EXPECT_EQ(-EFAULT, run(self->fd, OP(RETIRE, .first = bad + 1), NULL));
	EXPECT_EQ(-EFAULT, run(self->fd, OP(RETIRE, .first = self->start - PAGE), NULL));
	EXPECT_EQ(0, pool_stats(self->fd).bad_pages);
	ASSERT_EQ(0, free_handle(self->fd, 5));
	EXPECT_EQ(0, run(self->fd, OP(RETIRE, .first = bad), NULL));
	EXPECT_EQ(-EBUSY, run(self->fd, OP(RETIRE, .first = bad), NULL));
	EXPECT_EQ(-EINVAL, run(self->fd, OP(RELEASE, .size = 1, .first = bad), NULL));
	EXPECT_EQ(1, pool_stats(self->fd).bad_pages);
}

/*
 * Pools of 2^n or of 1 + 2 + 4 + ... + 2^n pages that start at frame 0, so that
 * what blocks there are is certain: one of each order from 0 to n, in the first
 * case to n - 1 and one more page.
 */
FIXTURE(shape)
{
	int fd;
	unsigned int nr_pages;
	unsigned int max_order;
	unsigned int orders;	/* of which there is one block each */
	unsigned int more;	/* pages left over then */
	struct respool_test_pool_stats before;
};

FIXTURE_VARIANT(shape)
{
	const char *pools;
};

FIXTURE_VARIANT_ADD(shape, one_page)
{
	.pools = "main:4K@none",
};

FIXTURE_VARIANT_ADD(shape, three_pages)
{
	.pools = "main:12K@none",
};

FIXTURE_VARIANT_ADD(shape, 4095_pages)
{
	.pools = "main:16380K@none",
};

FIXTURE_VARIANT_ADD(shape, 4095_pages_without_caches)
{
	.pools = "main:16380K@none/nocache",
};

FIXTURE_VARIANT_ADD(shape, 4096_pages)
{
	.pools = "main:16M@none",
};

FIXTURE_VARIANT_ADD(shape, 4096_pages_without_caches)
{
	.pools = "main:16M@none/nocache",
};

FIXTURE_SETUP(shape)
{
	struct respool_test_info info = { .name = "main" };

	USE_POOLS(variant->pools);
	self->fd = client_open("main", NR_HANDLES);
	ASSERT_LE(0, self->fd);
	ASSERT_EQ(0, client_ioctl(self->fd, RESPOOL_TEST_IOC_INFO, &info));
	self->nr_pages = info.pages;
	self->max_order = info.max_order;
	self->orders = self->max_order + (self->nr_pages > 1U << self->max_order);
	self->more = self->nr_pages - ((1U << self->orders) - 1);
	ASSERT_GE(1, self->more);
	self->before = settled_stats(self->fd);
}

FIXTURE_TEARDOWN(shape)
{
	EXPECT_EMPTY_AGAIN(self->fd, &self->before);
	close(self->fd);
}

/* Take a block of an order; its handle is the order. */
static int take_order(int fd, unsigned int order)
{
	return run(fd, OP(ALLOC_PAGES, .handle = order, .size = order), NULL);
}

/* Could a block of this order be had? The handle must be a free one. */
static bool has_order(int fd, unsigned int order, unsigned int handle)
{
	return !run(fd, OP(ALLOC_PAGES, .handle = handle, .size = order), NULL) &&
	       !run(fd, OP(FREE, .handle = handle), NULL);
}

/* Take single pages until there are none left; returns how many there were. */
static unsigned int take_the_rest(int fd, unsigned int handle)
{
	unsigned int n = 0;

	while (!run(fd, OP(ALLOC_PAGES, .handle = handle + n), NULL))
		n++;
	return n;
}

TEST_F(shape, pool_is_full_with_a_block_of_each_order_taken_in_ascending_order)
{
	unsigned int order, n;

	for (order = 0; order < self->orders; order++) {
		EXPECT_EQ(0, take_order(self->fd, order))
			TH_LOG("order %u", order);
	}
	n = take_the_rest(self->fd, order);
	EXPECT_EQ(self->more, n);
	free_held(self->fd, order + n);
}

TEST_F(shape, pool_is_full_with_a_block_of_each_order_taken_in_descending_order)
{
	unsigned int order, n;

	for (order = self->orders; order-- > 0;) {
		EXPECT_EQ(0, take_order(self->fd, order))
			TH_LOG("order %u", order);
	}
	n = take_the_rest(self->fd, self->orders);
	EXPECT_EQ(self->more, n);
	free_held(self->fd, self->orders + n);
}

TEST_F(shape, freeing_in_ascending_orders_makes_each_next_order_available)
{
	unsigned int spare = self->orders + 1, order;

	for (order = self->orders; order-- > 0;)
		ASSERT_EQ(0, take_order(self->fd, order));
	for (order = 0; order < self->orders; order++) {
		/* With a page more, what is free has merged to a block of the next order. */
		EXPECT_FALSE(has_order(self->fd, order + self->more, spare))
			TH_LOG("order %u", order);
		ASSERT_EQ(0, run(self->fd, OP(FREE, .handle = order), NULL));
		EXPECT_TRUE(has_order(self->fd, order + self->more, spare))
			TH_LOG("order %u", order);
	}
}

TEST_F(shape, whole_pool_can_be_had_after_everything_was_freed)
{
	unsigned int n = 0;
	__u64 largest, phys;

	while (!run(self->fd, OP(ALLOC_PAGES, .handle = n), NULL))
		n++;
	EXPECT_EQ(self->nr_pages, n);
	free_held(self->fd, n);
	EXPECT_EQ(0, run(self->fd, OP(LARGEST), &largest));
	EXPECT_EQ(1ULL << self->max_order, largest);
	EXPECT_EQ(0, run(self->fd, OP(LARGEST, .flags = RESPOOL_TEST_SCAN), &largest));
	EXPECT_EQ(self->nr_pages, largest);
	EXPECT_EQ(0, run(self->fd, OP(ALLOC_REQUEST, .size = self->nr_pages), &phys));
	EXPECT_EQ(0, phys);
	EXPECT_EQ(0, run(self->fd, OP(FREE), NULL));
	EXPECT_EQ(0, run(self->fd, OP(ALLOC_PAGES, .size = self->max_order), NULL));
	EXPECT_EQ(0, run(self->fd, OP(FREE), NULL));
}

TEST_F(shape, what_has_no_memory_is_never_touched)
{
	EXPECT_EQ(-ENXIO, client_slab(self->fd, "none"));
	EXPECT_EQ(-ENXIO, run(self->fd, OP(ALLOC_PAGES, .flags = RESPOOL_TEST_CHECK), NULL));
	ASSERT_EQ(0, run(self->fd, OP(ALLOC_PAGES, .flags = RESPOOL_TEST_ZERO), NULL));
	EXPECT_EQ(-ENXIO, run(self->fd, OP(FILL, .seed = 1), NULL));
	EXPECT_EQ(-ENXIO, run(self->fd, OP(VERIFY, .seed = 1), NULL));
	EXPECT_EQ(-ENXIO, run(self->fd, OP(VERIFY_ZERO), NULL));
	EXPECT_EQ(-ENXIO, run(self->fd, OP(FREE, .flags = RESPOOL_TEST_CHECK), NULL));
	EXPECT_EQ(0, run(self->fd, OP(TRANSLATE), NULL));
	ASSERT_EQ(0, run(self->fd, OP(FREE), NULL));
}

TEST_HARNESS_MAIN
