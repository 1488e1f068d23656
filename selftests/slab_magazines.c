// SPDX-License-Identifier: GPL-2.0
/*
 * The per-CPU magazines in front of a slab: blocks wait in them, but none is
 * lost there, handed out twice or freed twice, whatever interrupts whom and
 * whichever CPU comes or goes; and in the end everything goes back.
 */
#include <pthread.h>

#include "selftest.h"

#define PAGE		4096ULL
#define MAX_CPUS	8
#define NR_HANDLES	40000
#define LARGEST_CACHED	4104
#define WARM_PAGES	8		/* what a slab without live blocks holds, at most */
#define SLAB_NAME	"racks"
#define BLOCKS_FILE	CLIENT_DEBUGFS "/main/slabs/" SLAB_NAME "/blocks"

#define CHECKED		RESPOOL_TEST_CHECK

/* Indices into refusals[], by enum respool_refusal. */
enum { DOUBLE_FREE = 0, FOREIGN = 3, WRONG_SLAB = 4, CORRUPT = 9 };

/* One of each kind of magazine, first and last sizes of the rows, and none. */
static const unsigned int sizes[] = {
	1, 24, 25, 200, 504, 505, 1000, 1300, 2100, 4000, 4104, 4105,
};

static unsigned int cpus_online(void)
{
	long n = sysconf(_SC_NPROCESSORS_ONLN);

	return n > MAX_CPUS ? MAX_CPUS : n;
}

static int make(int fd, unsigned int handle, __u64 size, __u64 *phys)
{
	return run(fd, OP(ALLOC, .handle = handle, .size = size, .seed = handle,
			  .flags = CHECKED), phys);
}

static int drop(int fd, unsigned int handle)
{
	return run(fd, OP(FREE, .handle = handle, .flags = CHECKED), NULL);
}

FIXTURE(slab_magazines)
{
	int fd;
	int slab;
	unsigned int cpus;
	struct respool_test_pool_stats before;
};

FIXTURE_VARIANT(slab_magazines)
{
	const char *pools;
	__u32 flags;
	bool small;		/* too small for threads to find what they want */
};

FIXTURE_VARIANT_ADD(slab_magazines, on)
{
	.pools = "main:16M",
};

FIXTURE_VARIANT_ADD(slab_magazines, on_in_a_small_pool)
{
	.pools = "main:1M", .small = true,
};

FIXTURE_VARIANT_ADD(slab_magazines, switched_off)
{
	.pools = "main:16M", .flags = RESPOOL_TEST_SLAB_NO_MAGAZINES,
};

FIXTURE_SETUP(slab_magazines)
{
	USE_POOLS(variant->pools);
	self->fd = client_open("main", NR_HANDLES);
	ASSERT_LE(0, self->fd);
	self->before = settled_stats(self->fd);
	self->cpus = cpus_online();
	self->slab = client_slab_with(self->fd, SLAB_NAME, RESPOOL_TEST_GOOD_FIT, variant->flags);
	ASSERT_EQ(0, self->slab);
	ASSERT_EQ(0, client_move_to(0));
}

/* Nobody holds a block: one warm run at most, and nothing but that is missing. */
#define EXPECT_SETTLED() do {							\
	struct respool_test_slab_stats __s = slab_stats(self->fd, self->slab);	\
										\
	EXPECT_EQ(0, __s.live_blocks);						\
	EXPECT_EQ(0, __s.live_bytes);						\
	EXPECT_GE(1, __s.runs);							\
	EXPECT_EQ(__s.runs, __s.empty_runs + !!__s.cached_blocks);		\
	EXPECT_GE(WARM_PAGES, __s.held_pages);					\
	EXPECT_VALID(self->fd, self->slab);					\
} while (0)

FIXTURE_TEARDOWN(slab_magazines)
{
	int watch = client_open("main", 1);

	EXPECT_SETTLED();
	close(self->fd);
	EXPECT_LE(0, watch);
	EXPECT_EMPTY_AGAIN(watch, &self->before);
	close(watch);
}

#define SLAB()		slab_stats(self->fd, self->slab)

/* How many blocks the magazines of a slab that has some must hold. */
#define EXPECT_CACHED(least) do {						\
	__u64 __cached = SLAB().cached_blocks;					\
										\
	if (variant->flags & RESPOOL_TEST_SLAB_NO_MAGAZINES) {			\
		EXPECT_EQ(0, __cached);						\
	} else {								\
		EXPECT_LE(least, __cached);					\
	}									\
} while (0)

/* Reuse */

TEST_F(slab_magazines, freed_block_is_the_next_one_handed_out)
{
	__u64 first, other, again;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		ASSERT_EQ(0, make(self->fd, 0, sizes[i], &other));
		ASSERT_EQ(0, make(self->fd, 1, sizes[i], &first));
		ASSERT_EQ(0, drop(self->fd, 1));
		ASSERT_EQ(0, make(self->fd, 1, sizes[i], &again));
		if (!variant->flags && sizes[i] <= LARGEST_CACHED) {
			EXPECT_EQ(first, again)
				TH_LOG("%u bytes", sizes[i]);
		}
		EXPECT_NE(other, again);
		ASSERT_EQ(0, drop(self->fd, 0));
		if (sizes[i] <= LARGEST_CACHED)
			EXPECT_CACHED(1);
		ASSERT_EQ(0, drop(self->fd, 1));
	}
}

TEST_F(slab_magazines, block_out_of_them_is_zeroed_on_request)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		ASSERT_EQ(0, run(self->fd, OP(ALLOC, .size = sizes[i]), NULL));
		ASSERT_EQ(0, run(self->fd, OP(FILL, .seed = 99), NULL));
		ASSERT_EQ(0, run(self->fd, OP(FREE), NULL));
		ASSERT_EQ(0, run(self->fd, OP(ALLOC, .size = sizes[i],
					      .flags = RESPOOL_TEST_ZERO), NULL));
		EXPECT_EQ(0, run(self->fd, OP(VERIFY_ZERO), NULL))
			TH_LOG("%u bytes", sizes[i]);
		ASSERT_EQ(0, run(self->fd, OP(FREE), NULL));
	}
}

/* A magazine's blocks are at most 1/16 larger than what is asked for. */
TEST_F(slab_magazines, usable_size_is_what_was_asked_for_and_little_more)
{
	__u64 usable, spare = variant->flags & RESPOOL_TEST_SLAB_NO_MAGAZINES ? 0 : 16;
	unsigned int size, round;

	for (size = 1; size <= 4200; size += 7)
		for (round = 0; round < 2; round++) {
			ASSERT_EQ(0, make(self->fd, 0, size, NULL));
			ASSERT_EQ(0, run(self->fd, OP(USABLE), &usable));
			EXPECT_LE(size, usable);
			EXPECT_GE(size + 40 + (spare ? size / spare : 0), usable)
				TH_LOG("%u bytes", size);
			EXPECT_EQ(0, (usable + 8) % 16);
			ASSERT_EQ(0, drop(self->fd, 0));
		}
}

/* Mistakes */

TEST_F(slab_magazines, cached_block_is_refused_as_free_already)
{
	static const struct {
		enum respool_test_call call;
		int result;
	} calls[] = {
		{ RESPOOL_TEST_CALL_FREE, -EALREADY },
		{ RESPOOL_TEST_CALL_REALLOC, -ENOMEM },
		{ RESPOOL_TEST_CALL_USABLE, 0 },
	};
	struct respool_test_slab_stats before, after;
	struct respool_test_misuse misuse;
	__u64 refused = 0, first, second;
	unsigned int i, c;

	ASSERT_EQ(0, make(self->fd, 2, 100, NULL));
	for (i = 0; i < ARRAY_SIZE(sizes); i++)
		for (c = 0; c < ARRAY_SIZE(calls); c++) {
			ASSERT_EQ(0, make(self->fd, 0, sizes[i], NULL));
			before = SLAB();
			misuse = (struct respool_test_misuse){
				.call = calls[c].call, .mistake = RESPOOL_TEST_FREED,
				.slab = self->slab,
			};
			ASSERT_EQ(0, client_ioctl(self->fd, RESPOOL_TEST_IOC_MISUSE, &misuse));
			EXPECT_EQ(calls[c].result, misuse.result);
			after = SLAB();
			EXPECT_EQ(++refused, after.refusals[DOUBLE_FREE]);
			/* The free that came first and no other. */
			EXPECT_EQ(before.frees + 1, after.frees);
			EXPECT_EQ(before.live_blocks - 1, after.live_blocks);
			ASSERT_EQ(0, make(self->fd, 0, sizes[i], &first));
			ASSERT_EQ(0, make(self->fd, 1, sizes[i], &second));
			EXPECT_NE(first, second);
			ASSERT_EQ(0, drop(self->fd, 0));
			ASSERT_EQ(0, drop(self->fd, 1));
		}
	EXPECT_VALID(self->fd, self->slab);
	ASSERT_EQ(0, drop(self->fd, 2));
}

TEST_F(slab_magazines, of_cpus_that_free_one_block_together_one_succeeds)
{
	struct respool_test_slab_stats before = SLAB(), after;
	unsigned int round;
	__u64 accepted;

	for (round = 0; round < 100; round++) {
		ASSERT_EQ(0, run(self->fd, OP(ALLOC, .size = sizes[round % ARRAY_SIZE(sizes)]),
				 NULL));
		ASSERT_EQ(0, run(self->fd, OP(FREE_RACE), &accepted));
		ASSERT_EQ(1, accepted);
	}
	after = SLAB();
	EXPECT_EQ(before.frees + 100, after.frees);
	/* Who comes last may find that the run has gone back. */
	EXPECT_EQ(before.refusals[DOUBLE_FREE] + before.refusals[FOREIGN] +
		  100 * (self->cpus - 1),
		  after.refusals[DOUBLE_FREE] + after.refusals[FOREIGN]);
	EXPECT_EQ(0, after.live_blocks);
}

/* Other CPUs */

TEST_F(slab_magazines, blocks_may_be_freed_on_another_cpu)
{
	unsigned int cpu, i, n = 150;
	__u64 live;

	for (cpu = 0; cpu < self->cpus; cpu++) {
		ASSERT_EQ(0, client_move_to(cpu));
		for (i = 0; i < n; i++)
			ASSERT_EQ(0, make(self->fd, cpu * n + i,
					  sizes[i % ARRAY_SIZE(sizes)] / 4 + 1, NULL));
	}
	live = SLAB().live_blocks;
	EXPECT_EQ(self->cpus * n, live);
	for (cpu = 0; cpu < self->cpus; cpu++) {
		ASSERT_EQ(0, client_move_to(cpu));
		for (i = 0; i < n; i++)
			ASSERT_EQ(0, drop(self->fd, (cpu + 1) % self->cpus * n + i));
	}
}

/* Handles of @nr blocks that lie side by side, by address; false if there are none. */
static bool find_row(const __u64 *phys, unsigned int n, __u64 bytes, unsigned int nr,
		     unsigned int *row)
{
	static unsigned int by_page[256][64];	/* of 1 MiB: handle + 1 at each 64th of a page */
	unsigned int i, filled = 0;
	__u64 base = phys[0] & ~((1ULL << 20) - 1), at;

	memset(by_page, 0, sizeof(by_page));
	for (i = 0; i < n; i++)
		if (phys[i] - base < 1ULL << 20)
			by_page[(phys[i] - base) / PAGE][phys[i] % PAGE / 64] = i + 1;
	for (i = 0; i < n && filled < nr; i++) {
		filled = 0;
		at = phys[i];
		while (filled < nr && at - base < 1ULL << 20 &&
		       by_page[(at - base) / PAGE][at % PAGE / 64]) {
			row[filled] = by_page[(at - base) / PAGE][at % PAGE / 64] - 1;
			if (phys[row[filled]] != at)
				break;
			filled++;
			at += bytes;
		}
	}
	return filled == nr;
}

#define ROW	12

TEST_F(slab_magazines, short_slab_gets_them_back_before_it_fails)
{
	unsigned int n = 0, row[ROW], i;
	static __u64 phys[NR_HANDLES];

	/* Blocks of 512 bytes to the last page. */
	while (n < NR_HANDLES - 1 && !make(self->fd, n, 504, &phys[n]))
		n++;
	ASSERT_GT(NR_HANDLES - 1, n);
	ASSERT_TRUE(find_row(phys, n, 512, ROW, row));
	ASSERT_EQ(0, client_move_to(self->cpus - 1));
	for (i = 0; i < ROW; i++)
		ASSERT_EQ(0, drop(self->fd, row[i]));
	EXPECT_CACHED(2);
	ASSERT_EQ(0, client_move_to(0));
	/* Nothing but those, merged, can serve this, whoever keeps them. */
	EXPECT_EQ(0, make(self->fd, NR_HANDLES - 1, ROW * 512 - 8, NULL));
	EXPECT_EQ(0, SLAB().cached_blocks);
	drop(self->fd, NR_HANDLES - 1);
	for (i = 0; i < n; i++)
		drop(self->fd, i);
}

/* Fill and empty, from one CPU or in turn from all. */
#define FILL_AND_EMPTY(size, total, nr_cpus) do {				\
	unsigned int __n = (total) / (size), __i, __handle[NR_HANDLES];		\
	uint64_t __random = (size);						\
										\
	for (__i = 0; __i < __n; __i++) {					\
		if (__i % (__n / (nr_cpus) + 1) == 0)				\
			ASSERT_EQ(0, client_move_to(__i / (__n / (nr_cpus) + 1)));	\
		__handle[__i] = __i;						\
		ASSERT_EQ(0, make(self->fd, __i, size, NULL));			\
	}									\
	shuffle(__handle, __n, &__random);					\
	for (__i = 0; __i < __n; __i++) {					\
		if (__i % (__n / (nr_cpus) + 1) == 0)				\
			ASSERT_EQ(0, client_move_to(__i / (__n / (nr_cpus) + 1)));	\
		ASSERT_EQ(0, drop(self->fd, __handle[__i]));			\
	}									\
	EXPECT_SETTLED();							\
	EXPECT_EQ(SLAB().held_pages, settled_stats(self->fd).allocated_pages);	\
} while (0)

TEST_F(slab_magazines, last_free_leaves_one_warm_run)
{
	static const unsigned int size[] = { 16, 100, 1000, 4096, 20000, 70000, 131000 };
	__u64 total = variant->small ? 400000 : 3000000;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(size); i++) {
		FILL_AND_EMPTY(size[i], total / (size[i] < 100 ? 10 : 1), 1);
		FILL_AND_EMPTY(size[i], total / (size[i] < 100 ? 10 : 1), self->cpus);
	}
}

/* Counters */

TEST_F(slab_magazines, realloc_is_neither_an_allocation_nor_a_free)
{
	struct respool_test_slab_stats before, after;
	unsigned int i, size = 10;

	ASSERT_EQ(0, make(self->fd, 0, size, NULL));
	ASSERT_EQ(0, make(self->fd, 1, size, NULL));
	before = SLAB();
	for (i = 0; i < 40; i++) {
		size += size / 8 + 1;
		ASSERT_EQ(0, run(self->fd, OP(REALLOC, .handle = i % 2, .size = size, .seed = i,
					      .flags = CHECKED), NULL));
	}
	after = SLAB();
	EXPECT_EQ(before.reallocs + 40, after.reallocs);
	EXPECT_GT(40, after.reallocs_in_place - before.reallocs_in_place);
	EXPECT_EQ(before.allocations, after.allocations);
	EXPECT_EQ(before.frees, after.frees);
	EXPECT_EQ(2, after.live_blocks);
	ASSERT_EQ(0, drop(self->fd, 0));
	ASSERT_EQ(0, drop(self->fd, 1));
}

/* Counts the rows of "blocks" that are cached, and their usable bytes. */
static void count_cached(__u64 *blocks, __u64 *bytes)
{
	static char text[1 << 21];
	unsigned long long size;
	char *line;

	*blocks = 0;
	*bytes = 0;
	if (client_read_file(BLOCKS_FILE, text, sizeof(text)) < 0)
		abort();
	for (line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
		if (sscanf(line, "%*d %llu cached", &size) != 1 || !strstr(line, " cached "))
			continue;
		++*blocks;
		*bytes += size - 8;
	}
}

TEST_F(slab_magazines, stats_and_the_rows_of_blocks_agree)
{
	struct respool_test_slab_stats s;
	__u64 blocks, bytes;
	unsigned int cpu, i;

	ASSERT_EQ(0, make(self->fd, 999, 1000, NULL));
	for (cpu = 0; cpu < self->cpus; cpu++) {
		ASSERT_EQ(0, client_move_to(cpu));
		for (i = 0; i < 100; i++)
			ASSERT_EQ(0, make(self->fd, i, sizes[i % ARRAY_SIZE(sizes)], NULL));
		for (i = 0; i < 100; i++)
			ASSERT_EQ(0, drop(self->fd, i));
	}
	EXPECT_CACHED(self->cpus);
	s = SLAB();
	count_cached(&blocks, &bytes);
	EXPECT_EQ(s.cached_blocks, blocks);
	EXPECT_EQ(s.cached_bytes, bytes);
	EXPECT_EQ(1, s.live_blocks);
	ASSERT_EQ(0, drop(self->fd, 999));
}

/* Several blocks in one call */

static int many(int fd, enum respool_test_many_call call, unsigned int handle, unsigned int nr,
		__u64 size, unsigned int flags)
{
	struct respool_test_many arg = {
		.call = call, .handle = handle, .nr = nr, .size = size, .flags = flags,
	};
	int error = client_ioctl(fd, RESPOOL_TEST_IOC_MANY, &arg);

	return error ?: arg.result;
}

TEST_F(slab_magazines, bulk_gives_and_takes_all)
{
	__u64 live = SLAB().live_blocks;
	unsigned int i, handle;

	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		ASSERT_EQ(100, many(self->fd, RESPOOL_TEST_SLAB_ALLOC_BULK, 0, 100, sizes[i],
				    RESPOOL_TEST_ZERO));
		EXPECT_EQ(live + 100, SLAB().live_blocks);
		for (handle = 0; handle < 100; handle++) {
			ASSERT_EQ(0, run(self->fd, OP(VERIFY_ZERO, .handle = handle), NULL));
			ASSERT_EQ(0, run(self->fd, OP(FILL, .handle = handle, .seed = handle),
					 NULL));
		}
		/* All blocks are different ones if none has lost its content. */
		for (handle = 0; handle < 100; handle++)
			ASSERT_EQ(0, run(self->fd, OP(VERIFY, .handle = handle, .seed = handle),
					 NULL));
		ASSERT_EQ(0, many(self->fd, RESPOOL_TEST_SLAB_FREE_BULK, 0, 100, 0, 0));
		EXPECT_EQ(live, SLAB().live_blocks);
	}
}

TEST_F(slab_magazines, bulk_gives_what_there_is)
{
	int got = many(self->fd, RESPOOL_TEST_SLAB_ALLOC_BULK, 0, NR_HANDLES, 3000, 0);

	ASSERT_LT(0, got);
	ASSERT_GT(NR_HANDLES, got);
	EXPECT_EQ(got, SLAB().live_blocks);
	EXPECT_EQ(-ENOENT, run(self->fd, OP(FREE, .handle = got), NULL));
	EXPECT_EQ(0, many(self->fd, RESPOOL_TEST_SLAB_FREE_BULK, 0, got, 0, 0));
}

TEST_F(slab_magazines, bulk_free_counts_what_it_refuses)
{
	int other = client_slab_with(self->fd, "other", RESPOOL_TEST_GOOD_FIT, variant->flags);
	struct respool_test_slab_stats s;
	unsigned int i;

	ASSERT_EQ(1, other);
	for (i = 0; i < 20; i++)
		ASSERT_EQ(0, run(self->fd, OP(ALLOC, .handle = i, .size = 100,
					      .slab = i % 4 ? self->slab : other), NULL));
	EXPECT_EQ(5, many(self->fd, RESPOOL_TEST_SLAB_FREE_BULK, 0, 20, 0, 0));
	s = SLAB();
	EXPECT_EQ(5, s.refusals[WRONG_SLAB]);
	EXPECT_EQ(15, s.frees);
	for (i = 0; i < 20; i++)
		EXPECT_EQ(i % 4 ? -ENOENT : 0, run(self->fd, OP(FREE, .handle = i), NULL));
	EXPECT_EQ(0, slab_stats(self->fd, other).live_blocks);
}

/* Churn: each thread on a CPU of its own, or wherever it is put */

struct thread {
	pthread_t id;
	int fd;
	int cpu;		/* -1 for any */
	int error;
	struct respool_test_churn churn;
};

static void *thread_main(void *arg)
{
	struct thread *t = arg;

	t->error = t->cpu < 0 ? 0 : client_move_to(t->cpu);
	if (!t->error)
		t->error = client_ioctl(t->fd, RESPOOL_TEST_IOC_CHURN, &t->churn);
	return NULL;
}

#define START_CHURN(thread, nr, pinned, bytes, ...) do {			\
	uint64_t __random = TEST_SEED();					\
	unsigned int __i;							\
										\
	for (__i = 0; __i < (nr); __i++) {					\
		(thread)[__i] = (struct thread){				\
			.fd = self->fd, .cpu = (pinned) ? (int)__i : -1,	\
			.churn = { .period_us = 200, .cache = self->slab,	\
				   .max_bytes = (bytes), __VA_ARGS__ },		\
		};								\
		(thread)[__i].churn.seed = next_random(&__random);		\
		ASSERT_EQ(0, pthread_create(&(thread)[__i].id, NULL, thread_main, \
					    &(thread)[__i]));			\
	}									\
} while (0)

/* Every call was accepted and every block still had its holder's mark. */
#define END_CHURN(thread, nr) do {						\
	unsigned int __i;							\
										\
	for (__i = 0; __i < (nr); __i++) {					\
		pthread_join((thread)[__i].id, NULL);				\
		EXPECT_EQ(0, (thread)[__i].error);				\
		EXPECT_EQ(0, (thread)[__i].churn.wrong);			\
		EXPECT_EQ(0, (thread)[__i].churn.refused);			\
		EXPECT_LT(0, (thread)[__i].churn.task_allocations);		\
		if (!variant->small)						\
			EXPECT_EQ(0, (thread)[__i].churn.failures);		\
	}									\
} while (0)

/* What the threads were given is what the slab counted. */
#define EXPECT_COUNTED(thread, nr) do {						\
	struct respool_test_slab_stats __now = SLAB();				\
	__u64 __given = 0, __failures = 0;					\
	unsigned int __i;							\
										\
	for (__i = 0; __i < (nr); __i++) {					\
		__given += (thread)[__i].churn.task_allocations +		\
			   (thread)[__i].churn.hardirq_allocations +		\
			   (thread)[__i].churn.softirq_allocations;		\
		__failures += (thread)[__i].churn.failures;			\
	}									\
	EXPECT_EQ(__given, __now.allocations);					\
	EXPECT_EQ(__given, __now.frees);					\
	EXPECT_EQ(__failures, __now.failures);					\
	EXPECT_EQ(0, __now.live_blocks);					\
} while (0)

TEST_F(slab_magazines, hard_interrupts_share_them_with_the_task_they_interrupt)
{
	struct thread thread[MAX_CPUS];
	unsigned int i;

	START_CHURN(thread, self->cpus, true, 2048, .ms = 400,
		    .flags = RESPOOL_TEST_CHURN_HARDIRQ);
	END_CHURN(thread, self->cpus);
	for (i = 0; i < self->cpus; i++) {
		EXPECT_LT(0, thread[i].churn.hardirq_allocations);
		EXPECT_LT(0, thread[i].churn.nested);
	}
	EXPECT_COUNTED(thread, self->cpus);
}

TEST_F(slab_magazines, softirqs_share_them_with_hard_interrupts_and_tasks)
{
	struct thread thread[MAX_CPUS];
	unsigned int i;

	START_CHURN(thread, self->cpus, true, 8192, .ms = 400,
		    .flags = RESPOOL_TEST_CHURN_HARDIRQ | RESPOOL_TEST_CHURN_SOFTIRQ);
	END_CHURN(thread, self->cpus);
	for (i = 0; i < self->cpus; i++)
		EXPECT_LT(0, thread[i].churn.softirq_allocations);
	EXPECT_COUNTED(thread, self->cpus);
}

TEST_F(slab_magazines, they_can_be_used_with_interrupts_off)
{
	struct thread thread[MAX_CPUS];
	unsigned int i;

	START_CHURN(thread, self->cpus, true, 4096, .ms = 400,
		    .flags = RESPOOL_TEST_CHURN_HARDIRQ | RESPOOL_TEST_CHURN_IRQS_OFF);
	END_CHURN(thread, self->cpus);
	for (i = 0; i < self->cpus; i++) {
		EXPECT_LT(0, thread[i].churn.hardirq_allocations);
		EXPECT_EQ(0, thread[i].churn.nested);
	}
	EXPECT_COUNTED(thread, self->cpus);
}

TEST_F(slab_magazines, bytes_add_up_whatever_goes_on)
{
	struct thread thread[MAX_CPUS];
	struct respool_test_slab_stats s;
	unsigned int i;

	START_CHURN(thread, self->cpus, true, 4096, .ms = 400,
		    .flags = RESPOOL_TEST_CHURN_HARDIRQ);
	for (i = 0; i < 50; i++) {
		s = SLAB();
		EXPECT_EQ(s.held_pages * PAGE,
			  s.live_bytes + s.cached_bytes + s.free_bytes + s.overhead_bytes);
		EXPECT_EQ(s.live_blocks, s.allocations - s.frees);
		EXPECT_VALID(self->fd, self->slab);
		usleep(5000);
	}
	END_CHURN(thread, self->cpus);
	EXPECT_COUNTED(thread, self->cpus);
}

/* CPUs that come and go */

static int plug(unsigned int cpu, bool in)
{
	char path[64];
	int fd, error;

	snprintf(path, sizeof(path), "/sys/devices/system/cpu/cpu%u/online", cpu);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	error = write(fd, in ? "1" : "0", 1) == 1 ? 0 : -errno;
	close(fd);
	return error;
}

/* With one CPU there is none to unplug, and the slab is merely used meanwhile. */
TEST_F(slab_magazines, cpus_come_and_go_under_load)
{
	struct thread thread[MAX_CPUS];
	unsigned int cpu;

	START_CHURN(thread, self->cpus, false, 4096, .ms = 1500,
		    .flags = RESPOOL_TEST_CHURN_HARDIRQ);
	for (cpu = 1; cpu < self->cpus; cpu++) {
		ASSERT_EQ(0, plug(cpu, false));
		EXPECT_VALID(self->fd, self->slab);
		ASSERT_EQ(0, plug(cpu, true));
	}
	END_CHURN(thread, self->cpus);
	EXPECT_COUNTED(thread, self->cpus);
}

TEST_F(slab_magazines, cpu_that_leaves_keeps_nothing)
{
	unsigned int cpu, i;

	ASSERT_EQ(0, make(self->fd, 999, 1000, NULL));
	for (cpu = 1; cpu < self->cpus; cpu++) {
		ASSERT_EQ(0, client_move_to(cpu));
		for (i = 0; i < 100; i++)
			ASSERT_EQ(0, make(self->fd, i, sizes[i % ARRAY_SIZE(sizes)], NULL));
		for (i = 0; i < 100; i++)
			ASSERT_EQ(0, drop(self->fd, i));
		EXPECT_CACHED(1);
		ASSERT_EQ(0, client_move_to(0));
		ASSERT_EQ(0, plug(cpu, false));
		EXPECT_EQ(0, SLAB().cached_blocks);
		ASSERT_EQ(0, plug(cpu, true));
	}
	ASSERT_EQ(0, drop(self->fd, 999));
}

/* The end of a slab, and damage: what the log says of it */

FIXTURE(slab_end)
{
	int fd;
	int slab;
	int log;
	struct respool_test_pool_stats before;
};

FIXTURE_SETUP(slab_end)
{
	USE_POOLS("main:16M");
	self->log = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	ASSERT_LE(0, self->log);
	lseek(self->log, 0, SEEK_END);
	self->fd = client_open("main", NR_HANDLES);
	ASSERT_LE(0, self->fd);
	self->before = settled_stats(self->fd);
	self->slab = client_slab(self->fd, SLAB_NAME);
	ASSERT_EQ(0, self->slab);
	ASSERT_EQ(0, client_move_to(0));
}

/* The test has closed the file. */
FIXTURE_TEARDOWN(slab_end)
{
	int watch = client_open("main", 1);

	close(self->log);
	EXPECT_LE(0, watch);
	EXPECT_EMPTY_AGAIN(watch, &self->before);
	close(watch);
}

/* Lines since the last call that are about the slab and have @what in them. */
static unsigned int count_lines(int log, const char *what)
{
	unsigned int lines = 0;
	char line[1024];
	ssize_t n;

	while ((n = read(log, line, sizeof(line) - 1)) > 0 || (n < 0 && errno == EPIPE)) {
		if (n < 0)
			continue;
		line[n] = '\0';
		lines += strstr(line, "slab " SLAB_NAME) && strstr(line, what);
	}
	return lines;
}

TEST_F(slab_end, destroy_with_cached_blocks_only_is_silent)
{
	struct respool_test_misuse misuse = {
		.call = RESPOOL_TEST_CALL_FREE, .mistake = RESPOOL_TEST_FREED,
	};
	unsigned int cpu, i;

	/* The log has what is said of the slab. */
	ASSERT_EQ(0, make(self->fd, 0, 100, NULL));
	ASSERT_EQ(0, client_ioctl(self->fd, RESPOOL_TEST_IOC_MISUSE, &misuse));
	EXPECT_EQ(1, count_lines(self->log, ""));

	for (cpu = cpus_online(); cpu-- > 0;) {
		ASSERT_EQ(0, client_move_to(cpu));
		for (i = 0; i < 8; i++)
			ASSERT_EQ(0, make(self->fd, i, 100 * i + 1, NULL));
		for (i = 0; i < 8; i++)
			ASSERT_EQ(0, drop(self->fd, i));
	}
	EXPECT_LT(0, slab_stats(self->fd, self->slab).cached_blocks);
	close(self->fd);
	EXPECT_EQ(0, count_lines(self->log, ""));
}

#define NR_LOST		10	/* blocks in the run that will be damaged */
#define OTHERS		100	/* handles from there on */

/* A run of a few blocks, in its first page, and another of its own for a large one. */
#define MAKE_TWO_RUNS(phys) do {						\
	unsigned int __i;							\
										\
	for (__i = 0; __i < NR_LOST; __i++)					\
		ASSERT_EQ(0, make(self->fd, __i, 100, &(phys)[__i]));		\
	ASSERT_EQ(0, make(self->fd, OTHERS, 131000, NULL));			\
	ASSERT_EQ(2, slab_stats(self->fd, self->slab).runs);			\
	/* Its run is given back when the file is closed. */			\
	ASSERT_EQ(0, run(self->fd, OP(LEAK), NULL));				\
} while (0)

/* The run of the damage is out of service, which was counted and said once. */
#define EXPECT_RETIRED(phys, live_left) do {					\
	struct respool_test_slab_stats __s = slab_stats(self->fd, self->slab);	\
	unsigned int __i, __j;							\
	__u64 __at;								\
										\
	EXPECT_EQ(1, __s.refusals[CORRUPT]);					\
	EXPECT_EQ(1, count_lines(self->log, "out of service"));		\
	EXPECT_EQ(live_left, __s.live_blocks);					\
	EXPECT_EQ(__s.held_pages * PAGE,					\
		  __s.live_bytes + __s.cached_bytes + __s.free_bytes +		\
		  __s.overhead_bytes);						\
	EXPECT_VALID(self->fd, self->slab);					\
	for (__i = 0; __i < 200; __i++) {					\
		ASSERT_EQ(0, make(self->fd, OTHERS + 1 + __i, 100, &__at));	\
		for (__j = 0; __j < NR_LOST; __j++)				\
			ASSERT_NE((phys)[__j] / PAGE, __at / PAGE);		\
	}									\
	for (__i = 0; __i < 200; __i++)						\
		ASSERT_EQ(0, drop(self->fd, OTHERS + 1 + __i));		\
	EXPECT_EQ(0, drop(self->fd, OTHERS));					\
} while (0)

/* The last refusals: of the blocks that went out of service with their run. */
#define DROP_LOST(first) do {							\
	unsigned int __i;							\
										\
	for (__i = (first); __i < NR_LOST; __i++)				\
		if (__i != 5)							\
			EXPECT_EQ(-EUCLEAN, run(self->fd, OP(FREE, .handle = __i), NULL)); \
	EXPECT_EQ(NR_LOST - 1 - (first) + 1,					\
		  slab_stats(self->fd, self->slab).refusals[CORRUPT]);		\
	close(self->fd);							\
} while (0)

TEST_F(slab_end, damaged_header_of_a_cached_block_is_met_by_the_next_allocation)
{
	__u64 phys[NR_LOST], at;
	unsigned int i;

	MAKE_TWO_RUNS(phys);
	/* The size, in the half of the header where an overflow begins. */
	ASSERT_EQ(0, run(self->fd, OP(POKE, .handle = 5, .size = -8, .seed = 0x40,
				      .flags = RESPOOL_TEST_STALE), NULL));
	ASSERT_EQ(0, make(self->fd, 5, 100, &at));
	for (i = 0; i < NR_LOST; i++)
		EXPECT_NE(phys[i] / PAGE, at / PAGE);
	ASSERT_EQ(0, drop(self->fd, 5));
	EXPECT_RETIRED(phys, 1);
	DROP_LOST(1);
}

TEST_F(slab_end, damaged_check_of_a_cached_block_is_met_by_the_free_after_next)
{
	__u64 phys[NR_LOST], at;

	MAKE_TWO_RUNS(phys);
	ASSERT_EQ(0, run(self->fd, OP(POKE, .handle = 5, .size = -4, .seed = 0x40,
				      .flags = RESPOOL_TEST_STALE), NULL));
	ASSERT_EQ(0, run(self->fd, OP(ALLOC, .handle = 5, .size = 100), &at));
	EXPECT_EQ(phys[5], at);
	EXPECT_EQ(-EUCLEAN, run(self->fd, OP(FREE, .handle = 5), NULL));
	EXPECT_RETIRED(phys, 1);
	DROP_LOST(1);
}

TEST_HARNESS_MAIN
