/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the test programs share: the kernel's harness, and a pool that each
 * test finds empty and must leave empty.
 */
#ifndef RESPOOL_SELFTEST_H
#define RESPOOL_SELFTEST_H

#include <fcntl.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <time.h>

#include "kselftest_harness.h"
#include "client.h"

/* A guest without hardware virtualisation is slow, one that checks every access slower. */
#undef TEST_TIMEOUT_DEFAULT
#define TEST_TIMEOUT_DEFAULT	900

/* Where the guest's kernel was told to leave 64 MiB alone. */
#define RESERVED_BY_BOOT	"memmap=64M$0x10000000"

#define HARNESS_SKIPPED		255	/* exit status of a test that skips */

static inline bool kernel_reserved_region(void)
{
	char cmdline[4096];

	return client_read_file("/proc/cmdline", cmdline, sizeof(cmdline)) > 0 &&
	       strstr(cmdline, RESERVED_BY_BOOT);
}

/*
 * Have these pools loaded. Skips leave the process: the harness would run the
 * body of a test whose setup merely returned.
 */
#define USE_POOLS(pools) do {							\
	const char *__pools = (pools);						\
	int __error;								\
										\
	if (strstr(__pools, "@0x") && !kernel_reserved_region())			\
		SKIP(_exit(HARNESS_SKIPPED), "boot with " RESERVED_BY_BOOT);	\
	__error = client_use_pools(__pools);					\
	if (__error == -ENOENT)							\
		SKIP(_exit(HARNESS_SKIPPED), "no modules beside this program");	\
	ASSERT_EQ(0, __error)							\
		TH_LOG("cannot load pools=%s: %s", __pools, strerror(-__error)); \
} while (0)

/* The kernel's log from now on. */
static inline int log_open(void)
{
	int fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);

	if (fd >= 0)
		lseek(fd, 0, SEEK_END);
	return fd;
}

/* Lines of the kernel's log since it was opened or read that have both words in them. */
static inline unsigned int log_count(int fd, const char *word, const char *other)
{
	char record[1024];
	unsigned int n = 0;
	ssize_t len;

	while ((len = read(fd, record, sizeof(record) - 1)) > 0 || errno == EPIPE) {
		record[len > 0 ? len : 0] = '\0';
		n += strstr(record, word) && strstr(record, other);
	}
	return n;
}

#define EXPECT_VALID(fd, target) do {						\
	char __why[120];							\
										\
	EXPECT_EQ(0, client_validate(fd, target, __why))			\
		TH_LOG("validate: %s", __why);					\
} while (0)

static inline struct respool_test_pool_stats pool_stats(int fd)
{
	struct respool_test_pool_stats stats = {};

	if (client_ioctl(fd, RESPOOL_TEST_IOC_POOL_STATS, &stats))
		abort();
	return stats;
}

/* The same with nothing left in per-CPU caches: all that is free has merged. */
static inline struct respool_test_pool_stats settled_stats(int fd)
{
	struct respool_test_drain drain = {};

	if (client_ioctl(fd, RESPOOL_TEST_IOC_DRAIN, &drain))
		abort();
	return pool_stats(fd);
}

static inline struct respool_test_slab_stats slab_stats(int fd, unsigned int slab)
{
	struct respool_test_slab_stats stats = { .slab = slab };

	if (client_ioctl(fd, RESPOOL_TEST_IOC_SLAB_STATS, &stats))
		abort();
	return stats;
}

/*
 * The pool is as it was before: nothing allocated and, order by order, the same
 * free blocks. For teardowns, hence EXPECT: an assertion would tear down again.
 */
#define EXPECT_EMPTY_AGAIN(fd, before) do {					\
	struct respool_test_pool_stats __now = settled_stats(fd);		\
	unsigned int __order;							\
										\
	EXPECT_EQ(0, __now.allocated_pages);					\
	EXPECT_EQ(0, __now.cached_pages);					\
	EXPECT_EQ((before)->free_pages, __now.free_pages);			\
	EXPECT_EQ((before)->largest_free_order, __now.largest_free_order);	\
	for (__order = 0; __order < RESPOOL_TEST_NR_ORDERS; __order++)		\
		EXPECT_EQ((before)->order[__order].free_blocks,			\
			  __now.order[__order].free_blocks)			\
			TH_LOG("order %u", __order);				\
	EXPECT_VALID(fd, RESPOOL_TEST_POOL);					\
} while (0)

/*
 * A seed for random tests: SEED of the environment, or a new one. Say it, so
 * that a failure can be had again.
 */
#define TEST_SEED() ({								\
	const char *__given = getenv("SEED");					\
	uint64_t __seed = __given ? strtoull(__given, NULL, 0) :		\
				    (uint64_t)time(NULL) * 1000003 + getpid();	\
										\
	TH_LOG("SEED=%llu", (unsigned long long)__seed);			\
	__seed;									\
})

/* splitmix64: every seed is a good one. */
static inline uint64_t next_random(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15ULL;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
	return z ^ (z >> 31);
}

static inline uint64_t random_below(uint64_t *state, uint64_t end)
{
	return next_random(state) % end;
}

static inline void shuffle(unsigned int *list, unsigned int n, uint64_t *state)
{
	while (n > 1) {
		unsigned int other = random_below(state, n--);
		unsigned int moved = list[n];

		list[n] = list[other];
		list[other] = moved;
	}
}

#endif /* RESPOOL_SELFTEST_H */
