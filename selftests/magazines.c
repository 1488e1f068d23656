// SPDX-License-Identifier: GPL-2.0
/*
 * The per-CPU magazines in front of the core: blocks wait in them, but no block
 * is ever lost there, handed out twice or freed twice, whatever interrupts
 * whom, whichever CPU comes or goes.
 */
#include <pthread.h>

#include "selftest.h"

#define MAX_CPUS	8
#define NR_HANDLES	8192

enum { DOUBLE_FREE };	/* index into refusals[], by enum respool_refusal */

static unsigned int cpus_online(void)
{
	long n = sysconf(_SC_NPROCESSORS_ONLN);

	return n > MAX_CPUS ? MAX_CPUS : n;
}

FIXTURE(magazines)
{
	int fd;
	unsigned int cpus;
	unsigned int nr_pages;
	struct respool_test_pool_stats before;
};

FIXTURE_VARIANT(magazines)
{
	const char *pools;
	bool off;
	bool small;		/* too small for threads to find what they want */
};

FIXTURE_VARIANT_ADD(magazines, large_pool)
{
	.pools = "main:16M",
};

FIXTURE_VARIANT_ADD(magazines, small_pool)
{
	.pools = "main:1M", .small = true,
};

FIXTURE_VARIANT_ADD(magazines, switched_off)
{
	.pools = "main:16M/nocache", .off = true,
};

FIXTURE_SETUP(magazines)
{
	struct respool_test_info info = { .name = "main" };

	USE_POOLS(variant->pools);
	self->fd = client_open("main", NR_HANDLES);
	ASSERT_LE(0, self->fd);
	ASSERT_EQ(0, client_ioctl(self->fd, RESPOOL_TEST_IOC_INFO, &info));
	self->nr_pages = info.pages;
	self->cpus = cpus_online();
	self->before = settled_stats(self->fd);
	ASSERT_EQ(self->nr_pages, self->before.free_pages);
}

FIXTURE_TEARDOWN(magazines)
{
	EXPECT_EMPTY_AGAIN(self->fd, &self->before);
	close(self->fd);
}

/* Allocate and free up to @n blocks of an order; frees leave some in magazines. */
static void use_magazine(int fd, unsigned int n, unsigned int order)
{
	unsigned int got = 0;

	while (got < n && !run(fd, OP(ALLOC_PAGES, .handle = got, .size = order), NULL))
		got++;
	while (got--)
		run(fd, OP(FREE, .handle = got), NULL);
}

/* Leave blocks of many orders in the magazines of this CPU. */
static void use_magazines(int fd)
{
	__u64 free_pages = pool_stats(fd).free_pages;
	unsigned int order;

	/* Not so many that the pool runs short and calls them in. */
	for (order = 0; order <= 10; order++)
		use_magazine(fd, free_pages / 8 >> order, order);
}

/* The same on every CPU, ending on the first. */
static void use_every_magazine(int fd, unsigned int cpus)
{
	unsigned int cpu;

	for (cpu = cpus; cpu-- > 0;) {
		client_move_to(cpu);
		use_magazines(fd);
	}
}

TEST_F(magazines, one_cpu_can_have_every_page_that_others_cached)
{
	unsigned int n = 0;

	use_every_magazine(self->fd, self->cpus);
	EXPECT_EQ(variant->off, !pool_stats(self->fd).cached_pages);
	while (!run(self->fd, OP(ALLOC_PAGES, .handle = n, .seed = n,
				 .flags = RESPOOL_TEST_CHECK), NULL))
		n++;
	EXPECT_EQ(self->nr_pages, n);
	EXPECT_EQ(0, pool_stats(self->fd).cached_pages);
	EXPECT_VALID(self->fd, RESPOOL_TEST_POOL);
	while (n--)
		ASSERT_EQ(0, run(self->fd, OP(FREE, .handle = n, .flags = RESPOOL_TEST_CHECK),
				 NULL));
}

TEST_F(magazines, they_are_drained_before_a_request_fails)
{
	const struct respool_test_op ask[] = {
		OP(ALLOC_PAGES, .size = self->before.max_order),
		OP(ALLOC_EXACT, .size = 1ULL << self->before.max_order),
		OP(ALLOC_REQUEST, .size = self->nr_pages),
		OP(ALLOC_WAIT, .size = 1ULL << self->before.max_order),
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(ask); i++) {
		use_every_magazine(self->fd, self->cpus);
		EXPECT_EQ(0, run(self->fd, ask[i], NULL))
			TH_LOG("request %u", i);
		EXPECT_EQ(0, run(self->fd, OP(FREE), NULL));
	}
}

TEST_F(magazines, they_keep_but_a_part_of_the_pool)
{
	use_every_magazine(self->fd, self->cpus);
	EXPECT_GT(self->nr_pages, 2 * pool_stats(self->fd).order[0].cached_blocks);
	EXPECT_EQ(self->nr_pages, pool_stats(self->fd).free_pages +
				  pool_stats(self->fd).cached_pages);
}

TEST_F(magazines, closing_an_account_drains_them)
{
	int other = client_open("main", NR_HANDLES);

	ASSERT_LE(0, other);
	use_every_magazine(other, self->cpus);
	close(other);
	EXPECT_EQ(0, pool_stats(self->fd).cached_pages);
	EXPECT_EQ(self->nr_pages, pool_stats(self->fd).free_pages);
}

/* Sums over all CPUs what /proc/interrupts says of calls from other CPUs. */
static unsigned long function_calls(void)
{
	static char text[65536];
	unsigned long sum = 0, n;
	char *line, *next;

	if (client_read_file("/proc/interrupts", text, sizeof(text)) < 0)
		abort();
	for (line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
		if (!strstr(line, "Function call interrupts"))
			continue;
		for (line = strchr(line, ':') + 1;; line = next) {
			n = strtoul(line, &next, 10);
			if (next == line)
				return sum;
			sum += n;
		}
	}
	abort();
}

TEST_F(magazines, draining_those_of_another_cpu_does_not_interrupt_it)
{
	unsigned int rounds = 50, round, quiet = 0;
	unsigned long calls;

	for (round = 0; round < rounds; round++) {
		client_move_to(self->cpus - 1);
		use_magazine(self->fd, 8, 0);
		client_move_to(0);
		calls = function_calls();
		EXPECT_EQ(0, settled_stats(self->fd).cached_pages);
		quiet += calls == function_calls();
	}
	/* The kernel has calls of its own to make, more on a busy host, but not one each time. */
	EXPECT_LT(rounds / 10, quiet);
}

TEST_F(magazines, cached_block_is_refused_as_free_already)
{
	struct respool_test_misuse misuse = {
		.call = RESPOOL_TEST_CALL_FREE_PAGES, .mistake = RESPOOL_TEST_FREED,
	};
	__u64 refused = self->before.refusals[DOUBLE_FREE];
	unsigned int order;

	for (order = 0; order <= 3; order++) {
		ASSERT_EQ(0, run(self->fd, OP(ALLOC_PAGES, .size = order), NULL));
		ASSERT_EQ(0, client_ioctl(self->fd, RESPOOL_TEST_IOC_MISUSE, &misuse));
		EXPECT_EQ(-EALREADY, misuse.result);
		EXPECT_EQ(++refused, pool_stats(self->fd).refusals[DOUBLE_FREE]);
	}
}

TEST_F(magazines, of_cpus_that_free_one_block_together_one_succeeds)
{
	struct respool_test_pool_stats before = pool_stats(self->fd), after;
	unsigned int round, order;
	__u64 accepted;

	for (round = 0; round < 100; round++) {
		order = round % (self->before.max_order < 11 ? self->before.max_order + 1 : 12);
		ASSERT_EQ(0, round % 2 ? run(self->fd, OP(ALLOC_PAGES, .size = order), NULL) :
			  run(self->fd, OP(ALLOC_EXACT, .size = order + 1), NULL));
		ASSERT_EQ(0, run(self->fd, OP(FREE_RACE), &accepted));
		ASSERT_EQ(1, accepted);
	}
	after = pool_stats(self->fd);
	EXPECT_EQ(before.frees + 100, after.frees);
	EXPECT_EQ(before.refusals[DOUBLE_FREE] + 100 * (self->cpus - 1),
		  after.refusals[DOUBLE_FREE]);
	EXPECT_EQ(0, after.allocated_pages);
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

#define START_CHURN(thread, nr, pinned, orders, ...) do {				\
	uint64_t __random = TEST_SEED();					\
	unsigned int __i;							\
										\
	for (__i = 0; __i < (nr); __i++) {					\
		(thread)[__i] = (struct thread){				\
			.fd = self->fd, .cpu = (pinned) ? (int)__i : -1,	\
			.churn = { .period_us = 200, .max_order = (orders), __VA_ARGS__ }, \
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
		if (!variant->small && (thread)[__i].churn.max_order <= 3)	\
			EXPECT_EQ(0, (thread)[__i].churn.failures);		\
	}									\
} while (0)

/* What the threads were given is what the pool counted. */
#define EXPECT_COUNTED(thread, nr) do {						\
	struct respool_test_pool_stats __now = pool_stats(self->fd);		\
	__u64 __given = 0, __failures = 0;					\
	unsigned int __i;							\
										\
	for (__i = 0; __i < (nr); __i++) {					\
		__given += (thread)[__i].churn.task_allocations +		\
			   (thread)[__i].churn.hardirq_allocations +		\
			   (thread)[__i].churn.softirq_allocations;		\
		__failures += (thread)[__i].churn.failures;			\
	}									\
	EXPECT_EQ(self->before.allocations + __given, __now.allocations);	\
	EXPECT_EQ(self->before.frees + __given, __now.frees);			\
	EXPECT_EQ(self->before.failures + __failures, __now.failures);		\
	EXPECT_EQ(0, __now.allocated_pages);					\
} while (0)

TEST_F(magazines, hard_interrupts_share_them_with_the_task_they_interrupt)
{
	struct thread thread[MAX_CPUS];
	unsigned int i;

	START_CHURN(thread, self->cpus, true, 3, .ms = 400,
		    .flags = RESPOOL_TEST_CHURN_HARDIRQ);
	END_CHURN(thread, self->cpus);
	for (i = 0; i < self->cpus; i++) {
		EXPECT_LT(0, thread[i].churn.hardirq_allocations);
		EXPECT_LT(0, thread[i].churn.nested);
	}
	EXPECT_COUNTED(thread, self->cpus);
}

TEST_F(magazines, softirqs_share_them_with_hard_interrupts_and_tasks)
{
	struct thread thread[MAX_CPUS];
	unsigned int i;

	START_CHURN(thread, self->cpus, true, 10, .ms = 400,
		    .flags = RESPOOL_TEST_CHURN_HARDIRQ | RESPOOL_TEST_CHURN_SOFTIRQ);
	END_CHURN(thread, self->cpus);
	for (i = 0; i < self->cpus; i++)
		EXPECT_LT(0, thread[i].churn.softirq_allocations);
	EXPECT_COUNTED(thread, self->cpus);
}

TEST_F(magazines, they_can_be_used_with_interrupts_off)
{
	struct thread thread[MAX_CPUS];
	unsigned int i;

	START_CHURN(thread, self->cpus, true, 3, .ms = 400,
		    .flags = RESPOOL_TEST_CHURN_HARDIRQ | RESPOOL_TEST_CHURN_IRQS_OFF);
	END_CHURN(thread, self->cpus);
	for (i = 0; i < self->cpus; i++) {
		EXPECT_LT(0, thread[i].churn.hardirq_allocations);
		EXPECT_EQ(0, thread[i].churn.nested);
	}
	EXPECT_COUNTED(thread, self->cpus);
}

TEST_F(magazines, drains_and_snapshots_meanwhile_lose_nothing)
{
	struct thread thread[MAX_CPUS];
	struct respool_test_pool_stats s;
	unsigned int i;

	START_CHURN(thread, self->cpus, true, 3, .ms = 400,
		    .flags = RESPOOL_TEST_CHURN_HARDIRQ);
	for (i = 0; i < 50; i++) {
		s = settled_stats(self->fd);
		EXPECT_EQ(s.pages, s.free_pages + s.allocated_pages + s.cached_pages);
		EXPECT_VALID(self->fd, RESPOOL_TEST_POOL);
		usleep(5000);
	}
	END_CHURN(thread, self->cpus);
	EXPECT_COUNTED(thread, self->cpus);
}

static bool plugged(unsigned int cpu)
{
	char path[64], text[16] = "";

	snprintf(path, sizeof(path), "/sys/devices/system/cpu/cpu%u/online", cpu);
	client_read_file(path, text, sizeof(text));
	return *text == '1';
}

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

/* With one CPU there is none to unplug, and the pool is merely used meanwhile. */
TEST_F(magazines, cpus_come_and_go_under_load)
{
	struct thread thread[MAX_CPUS];
	unsigned int nr = self->cpus, round, cpu;

	START_CHURN(thread, nr, false, 9, .ms = 1500,
		    .flags = RESPOOL_TEST_CHURN_HARDIRQ);
	for (round = 0; round < 2; round++)
		for (cpu = 1; cpu < nr; cpu++) {
			ASSERT_EQ(0, plug(cpu, false));
			EXPECT_FALSE(plugged(cpu));
			EXPECT_VALID(self->fd, RESPOOL_TEST_POOL);
			ASSERT_EQ(0, plug(cpu, true));
			EXPECT_TRUE(plugged(cpu));
		}
	END_CHURN(thread, nr);
	EXPECT_COUNTED(thread, nr);
}

TEST_F(magazines, cpu_that_leaves_keeps_nothing)
{
	unsigned int cpu;

	for (cpu = 1; cpu < self->cpus; cpu++) {
		client_move_to(cpu);
		use_magazines(self->fd);
		client_move_to(0);
		ASSERT_EQ(0, plug(cpu, false));
		EXPECT_EQ(0, pool_stats(self->fd).cached_pages);
		EXPECT_EQ(self->nr_pages, pool_stats(self->fd).free_pages);
		ASSERT_EQ(0, plug(cpu, true));
	}
}

/* The largest pool whose account a small machine can keep. */
FIXTURE(terabyte)
{
	int fd;
	struct respool_test_pool_stats before;
};

FIXTURE_SETUP(terabyte)
{
	USE_POOLS("main:1T@none");
	self->fd = client_open("main", 1024);
	ASSERT_LE(0, self->fd);
	self->before = settled_stats(self->fd);
}

FIXTURE_TEARDOWN(terabyte)
{
	EXPECT_EMPTY_AGAIN(self->fd, &self->before);
	close(self->fd);
}

TEST_F(terabyte, every_order_is_served)
{
	unsigned int order;
	__u64 phys;

	ASSERT_EQ(1ULL << 28, self->before.pages);
	ASSERT_EQ(28, self->before.max_order);
	for (order = 0; order <= 28; order++) {
		ASSERT_EQ(0, run(self->fd, OP(ALLOC_PAGES, .size = order), &phys));
		EXPECT_EQ(0, phys % (4096ULL << order));
		EXPECT_EQ(1ULL << order, pool_stats(self->fd).allocated_pages);
		ASSERT_EQ(0, run(self->fd, OP(FREE), NULL));
	}
}

TEST_F(terabyte, last_page_can_be_had)
{
	__u64 phys;

	ASSERT_EQ(0, run(self->fd, OP(ALLOC_REQUEST, .size = 1, .flags = RESPOOL_TEST_TOP_DOWN),
			 &phys));
	EXPECT_EQ((1ULL << 40) - 4096, phys);
	EXPECT_EQ(27, settled_stats(self->fd).largest_free_order);
	ASSERT_EQ(0, run(self->fd, OP(FREE), NULL));
}

TEST_F(terabyte, interrupts_and_tasks_share_it)
{
	struct respool_test_churn churn = {
		.ms = 500, .period_us = 200, .max_order = 10, .seed = TEST_SEED(),
		.flags = RESPOOL_TEST_CHURN_HARDIRQ | RESPOOL_TEST_CHURN_SOFTIRQ,
	};

	ASSERT_EQ(0, client_ioctl(self->fd, RESPOOL_TEST_IOC_CHURN, &churn));
	EXPECT_LT(0, churn.hardirq_allocations);
	EXPECT_EQ(0, churn.failures);
	EXPECT_EQ(0, churn.refused);
	EXPECT_EQ(self->before.allocations + churn.task_allocations + churn.hardirq_allocations +
		  churn.softirq_allocations, pool_stats(self->fd).allocations);
}

FIXTURE(gigabytes)
{
	int fd;
	struct respool_test_pool_stats before;
};

FIXTURE_SETUP(gigabytes)
{
	USE_POOLS("main:4G@none");
	self->fd = client_open("main", NR_HANDLES);
	ASSERT_LE(0, self->fd);
	self->before = settled_stats(self->fd);
}

FIXTURE_TEARDOWN(gigabytes)
{
	EXPECT_EMPTY_AGAIN(self->fd, &self->before);
	close(self->fd);
}

/* Allocate @n blocks of an order, a handle each, and free them in that order. */
static int come_and_go(int fd, unsigned int n, unsigned int order)
{
	unsigned int i;
	int err = 0;

	for (i = 0; i < n && !err; i++)
		err = run(fd, OP(ALLOC_PAGES, .handle = i, .size = order), NULL);
	for (i = 0; i < n && !err; i++)
		err = run(fd, OP(FREE, .handle = i), NULL);
	return err;
}

TEST_F(gigabytes, small_blocks_freed_in_a_row_become_regions_of_the_cpu)
{
	struct respool_test_pool_stats stats;
	unsigned int order;

	ASSERT_EQ(0, client_move_to(0));
	for (order = 0; order <= 3; order++) {
		ASSERT_EQ(0, come_and_go(self->fd, NR_HANDLES >> order, order));
		stats = pool_stats(self->fd);
		EXPECT_LE(NR_HANDLES / 512 / 2, stats.order[9].cached_blocks)
			TH_LOG("order %u", order);
		EXPECT_EQ(0, stats.allocated_pages);
		EXPECT_VALID(self->fd, RESPOOL_TEST_POOL);
		/* And once more, out of these. */
		ASSERT_EQ(0, come_and_go(self->fd, NR_HANDLES >> order, order));
		EXPECT_VALID(self->fd, RESPOOL_TEST_POOL);
		EXPECT_EQ(0, settled_stats(self->fd).cached_pages);
	}
}

/* What lies in one word shares a cache line of state bytes. */
TEST_F(gigabytes, each_cpu_keeps_blocks_of_words_of_its_own)
{
	const unsigned int word = 64 * 4096;
	__u64 at[MAX_CPUS];
	unsigned int cpu, other, i;

	for (cpu = 0; cpu < cpus_online(); cpu++) {
		ASSERT_EQ(0, client_move_to(cpu));
		for (i = 0; i < 3; i++) {
			ASSERT_EQ(0, run(self->fd, OP(ALLOC_PAGES), &at[cpu]));
			ASSERT_EQ(0, run(self->fd, OP(FREE), NULL));
		}
		for (other = 0; other < cpu; other++)
			EXPECT_NE(at[other] / word, at[cpu] / word)
				TH_LOG("cpus %u and %u", other, cpu);
	}
}

/* One who takes a single block leaves the rest of the pool in one piece. */
TEST_F(gigabytes, first_block_of_a_cpu_comes_alone_and_goes_back)
{
	unsigned int order;

	ASSERT_EQ(0, client_move_to(0));
	for (order = 0; order <= 10; order++) {
		ASSERT_EQ(0, run(self->fd, OP(ALLOC_PAGES, .size = order), NULL));
		EXPECT_EQ(0, pool_stats(self->fd).cached_pages);
		ASSERT_EQ(0, run(self->fd, OP(FREE), NULL));
		EXPECT_EQ(0, pool_stats(self->fd).cached_pages)
			TH_LOG("order %u", order);
	}
}

TEST_HARNESS_MAIN
