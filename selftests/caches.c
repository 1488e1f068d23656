// SPDX-License-Identifier: GPL-2.0
/*
 * Caches: objects of one size that keep what their constructor and their users
 * left in them, whatever interrupts whom; every mistake is refused; what is
 * damaged goes out of service and nothing else does.
 */
#include <pthread.h>

#include "selftest.h"

#define PAGE		4096ULL
#define NR_HANDLES	70000
#define MAX_CPUS	8
#define POOL_DIR	CLIENT_DEBUGFS "/main/"

#define CHECKED		RESPOOL_TEST_CHECK

/* Indexes into refusals[], by enum respool_refusal. */
enum { DOUBLE_FREE, INTERIOR, FOREIGN = 3, WRONG_SLAB, CORRUPT = 9, BAD_FLAGS = 12 };

static unsigned int cpus_online(void)
{
	long n = sysconf(_SC_NPROCESSORS_ONLN);

	return n > MAX_CPUS ? MAX_CPUS : n;
}

static struct respool_test_cache_stats cache_stats(int fd, unsigned int cache)
{
	struct respool_test_cache_stats stats = { .cache = cache };

	if (client_ioctl(fd, RESPOOL_TEST_IOC_CACHE_STATS, &stats))
		abort();
	return stats;
}

/* Runs that had live objects, or a negative errno. */
static int destroy(int fd, unsigned int cache)
{
	struct respool_test_cache_destroy destroy = { .cache = cache };

	return client_ioctl(fd, RESPOOL_TEST_IOC_CACHE_DESTROY, &destroy) ?: (int)destroy.runs;
}

static int shrink(int fd, unsigned int cache)
{
	return run(fd, OP(SHRINK, .slab = cache), NULL);
}

/* Allocate with what is in the object left as it is, or filled. */
static int take(int fd, unsigned int cache, unsigned int handle, __u64 *phys)
{
	return run(fd, OP(ALLOC_OBJECT, .slab = cache, .handle = handle), phys);
}

static int make(int fd, unsigned int cache, unsigned int handle, __u64 *phys)
{
	return run(fd, OP(ALLOC_OBJECT, .slab = cache, .handle = handle, .seed = handle,
			  .flags = CHECKED), phys);
}

static int drop(int fd, unsigned int handle)
{
	return run(fd, OP(FREE, .handle = handle, .flags = CHECKED), NULL);
}

static int many(int fd, unsigned int call, unsigned int handle, unsigned int nr, __u64 cache,
		unsigned int flags)
{
	struct respool_test_many many = {
		.call = call, .handle = handle, .nr = nr, .size = cache, .flags = flags,
	};
	int error = client_ioctl(fd, RESPOOL_TEST_IOC_MANY, &many);

	return error ? -100000 + error : many.result;
}

#define EXPECT_OBJECTS_ADD_UP(fd, cache) do {					\
	struct respool_test_cache_stats __s = cache_stats(fd, cache);		\
										\
	EXPECT_EQ(__s.runs * __s.run_objects,					\
		  __s.live_objects + __s.free_objects + __s.cached_objects);	\
	EXPECT_EQ(__s.held_pages * PAGE,					\
		  __s.runs * __s.run_objects * __s.object_bytes +		\
		  __s.overhead_bytes);						\
	EXPECT_EQ(__s.held_pages, (__s.runs + __s.damaged_runs) * __s.run_pages); \
	EXPECT_EQ(__s.runs + __s.damaged_runs, __s.runs_taken - __s.runs_returned); \
	EXPECT_LE(__s.held_pages, __s.peak_held_pages);				\
} while (0)

/* A cache "objects" of objects of 100 bytes, without constructor. */

FIXTURE(caches)
{
	int fd;
	int cache;
	unsigned int cpus;
	struct respool_test_pool_stats before;
	struct respool_test_cache_stats fresh;
};

FIXTURE_SETUP(caches)
{
	USE_POOLS(CLIENT_DEFAULT_POOLS);
	self->fd = client_open("main", NR_HANDLES);
	ASSERT_LE(0, self->fd);
	self->before = settled_stats(self->fd);
	self->cache = client_cache(self->fd, "objects", 100, 0, 0);
	ASSERT_EQ(0, self->cache);
	self->fresh = cache_stats(self->fd, self->cache);
	self->cpus = cpus_online();
}

FIXTURE_TEARDOWN(caches)
{
	struct respool_test_cache_stats stats = cache_stats(self->fd, self->cache);
	int watch = client_open("main", 1);

	EXPECT_EQ(0, stats.live_objects);
	EXPECT_EQ(stats.allocations, stats.frees);
	EXPECT_OBJECTS_ADD_UP(self->fd, self->cache);
	EXPECT_VALID(self->fd, RESPOOL_TEST_CACHE(self->cache));
	EXPECT_EQ(0, shrink(self->fd, self->cache));
	EXPECT_EQ(0, cache_stats(self->fd, self->cache).held_pages);
	close(self->fd);
	EXPECT_LE(0, watch);
	EXPECT_EMPTY_AGAIN(watch, &self->before);
	close(watch);
}

/* Geometry */

/* More objects than one run has, all where they may be, none over another. */
static void use_geometry(struct __test_metadata *_metadata, int fd, __u64 size, __u64 align)
{
	int cache = client_cache(fd, "geometry", size, align, 0);
	struct respool_test_cache_stats stats;
	unsigned int n = 1, i;
	__u64 phys;

	ASSERT_LE(0, cache)
		TH_LOG("%llu bytes at %llu", (unsigned long long)size, (unsigned long long)align);
	for (i = 0; i < n; i++) {
		ASSERT_EQ(0, make(fd, cache, i, &phys));
		EXPECT_EQ(0, phys % (align > 8 ? align : 8));
		n = cache_stats(fd, cache).run_objects + 2;
	}
	stats = cache_stats(fd, cache);
	EXPECT_EQ(size, stats.size);
	EXPECT_LE(size, stats.object_bytes);
	EXPECT_GT(size + (align > 8 ? align : 8), stats.object_bytes);
	EXPECT_EQ(n, stats.live_objects);
	EXPECT_LE(2, stats.runs);
	EXPECT_OBJECTS_ADD_UP(fd, cache);
	EXPECT_VALID(fd, RESPOOL_TEST_CACHE(cache));
	for (i = 0; i < n; i++)
		ASSERT_EQ(0, drop(fd, i));
	EXPECT_EQ(0, destroy(fd, cache));
}

TEST_F(caches, sizes_around_every_boundary_work)
{
	__u64 size;
	int around;

	for (size = 8; size <= 65536; size *= 2)
		for (around = -1; around <= 1; around++)
			if (size + around <= 65536)
				use_geometry(_metadata, self->fd, size + around, 0);
	use_geometry(_metadata, self->fd, 1, 0);
}

TEST_F(caches, every_alignment_is_kept)
{
	static const __u64 sizes[] = { 1, 100, 5000 };
	unsigned int i;
	__u64 align;

	for (align = 1; align <= 4096; align *= 2)
		for (i = 0; i < ARRAY_SIZE(sizes); i++)
			use_geometry(_metadata, self->fd, sizes[i], align);
}

TEST_F(caches, small_objects_waste_no_more_than_a_sixteenth)
{
	struct respool_test_cache_stats stats;
	__u64 size;
	int cache;

	for (size = 8; size <= 4096; size = size * 5 / 3) {
		cache = client_cache(self->fd, "waste", size, 0, 0);
		ASSERT_LE(0, cache);
		stats = cache_stats(self->fd, cache);
		EXPECT_LE(stats.run_pages * PAGE * 15 / 16,
			  stats.run_objects * stats.object_bytes)
			TH_LOG("%llu bytes", (unsigned long long)size);
		EXPECT_EQ(0, destroy(self->fd, cache));
	}
}

TEST_F(caches, what_cannot_be_a_cache_is_refused)
{
	EXPECT_EQ(-EINVAL, client_cache(self->fd, "bad", 0, 0, 0));
	EXPECT_EQ(-EINVAL, client_cache(self->fd, "bad", 64, 3, 0));
	EXPECT_EQ(-EINVAL, client_cache(self->fd, "bad", 64, 8192, 0));
	EXPECT_EQ(-EINVAL, client_cache(self->fd, "bad", 64, 1ULL << 63, 0));
	EXPECT_EQ(-E2BIG, client_cache(self->fd, "bad", 65537, 0, 0));
	EXPECT_EQ(-E2BIG, client_cache(self->fd, "bad", ~0ULL, 0, 0));
	EXPECT_EQ(-EINVAL, client_cache(self->fd, "", 64, 0, 0));
	EXPECT_EQ(-EINVAL, client_cache(self->fd, "..", 64, 0, 0));
	EXPECT_EQ(-EINVAL, client_cache(self->fd, "a/b", 64, 0, 0));
	EXPECT_EQ(-EEXIST, client_cache(self->fd, "objects", 64, 0, 0));
	EXPECT_EQ(1, client_cache(self->fd, "good", 64, 0, 0));
}

TEST(pool_without_memory_has_no_cache)
{
	int fd;

	USE_POOLS("main:16M@none");
	fd = client_open("main", 1);
	ASSERT_LE(0, fd);
	EXPECT_EQ(-EOPNOTSUPP, client_cache(fd, "bare", 64, 0, 0));
	close(fd);
}

/* Nothing larger than a page is left of such a pool. */
TEST(smallest_pool_has_objects_that_fit_into_its_page)
{
	int fd, cache;
	unsigned int n = 0;

	USE_POOLS("main:4K");
	fd = client_open("main", 600);
	ASSERT_LE(0, fd);
	EXPECT_EQ(-E2BIG, client_cache(fd, "page", PAGE, 0, 0));
	cache = client_cache(fd, "small", 8, 0, 0);
	ASSERT_EQ(0, cache);
	while (!make(fd, cache, n, NULL))
		n++;
	EXPECT_EQ(cache_stats(fd, cache).run_objects, n);
	EXPECT_EQ(1, cache_stats(fd, cache).failures);
	while (n--)
		ASSERT_EQ(0, drop(fd, n));
	close(fd);
}

/* What is in an object */

TEST_F(caches, constructor_sees_each_object_once)
{
	int marked = client_cache(self->fd, "marked", 200, 0, RESPOOL_TEST_CACHE_MARKED);
	struct respool_test_cache_stats before = cache_stats(self->fd, marked), after;
	unsigned int n = 5 * before.run_objects + 1, i, round;

	ASSERT_EQ(1, marked);
	for (round = 0; round < 3; round++) {
		for (i = 0; i < n; i++) {
			ASSERT_EQ(0, take(self->fd, marked, i, NULL));
			EXPECT_EQ(0, run(self->fd, OP(MARKED, .handle = i), NULL));
		}
		for (i = 0; i < n; i++)
			ASSERT_EQ(0, run(self->fd, OP(FREE, .handle = i), NULL));
	}
	after = cache_stats(self->fd, marked);
	EXPECT_LE(6, after.runs_taken);
	EXPECT_EQ(after.runs_taken * after.run_objects, after.constructed - before.constructed);
	EXPECT_EQ(before.constructed_irqs_off, after.constructed_irqs_off);
}

/* With one object live, its run is not given back and made anew. */
TEST_F(caches, objects_stay_as_they_are_while_they_are_free)
{
	int marked = client_cache(self->fd, "marked", 96, 0, RESPOOL_TEST_CACHE_MARKED);
	unsigned int n = cache_stats(self->fd, marked).run_objects, i, round;
	__u64 phys;

	for (i = 0; i < n; i++) {
		ASSERT_EQ(0, take(self->fd, marked, i, &phys));
		ASSERT_EQ(0, run(self->fd, OP(FILL, .handle = i, .seed = phys), NULL));
	}
	EXPECT_EQ(1, cache_stats(self->fd, marked).runs);
	for (round = 0; round < 4; round++) {
		for (i = 1; i < n; i++)
			ASSERT_EQ(0, run(self->fd, OP(FREE, .handle = i), NULL));
		ASSERT_EQ(0, shrink(self->fd, marked));
		EXPECT_EQ(n - 1, cache_stats(self->fd, marked).free_objects);
		for (i = 1; i < n; i++) {
			ASSERT_EQ(0, take(self->fd, marked, i, &phys));
			EXPECT_EQ(0, run(self->fd, OP(VERIFY, .handle = i, .seed = phys), NULL));
		}
	}
	EXPECT_EQ(1, cache_stats(self->fd, marked).runs_taken);
}

TEST_F(caches, zeroed_object_has_no_trace_of_its_last_user)
{
	unsigned int flags = RESPOOL_TEST_ZERO, i;

	for (i = 0; i < 200; i++)
		ASSERT_EQ(0, make(self->fd, self->cache, i, NULL));
	for (i = 0; i < 200; i++)
		ASSERT_EQ(0, drop(self->fd, i));
	for (i = 0; i < 100; i++)
		ASSERT_EQ(0, run(self->fd, OP(ALLOC_OBJECT, .handle = i, .flags = flags), NULL));
	ASSERT_EQ(100, many(self->fd, RESPOOL_TEST_ALLOC_OBJECTS, 100, 100, self->cache, flags));
	for (i = 0; i < 200; i++) {
		EXPECT_EQ(0, run(self->fd, OP(VERIFY_ZERO, .handle = i), NULL));
		ASSERT_EQ(0, run(self->fd, OP(FREE, .handle = i), NULL));
	}
}

TEST_F(caches, constructed_objects_are_not_zeroed)
{
	int marked = client_cache(self->fd, "marked", 200, 0, RESPOOL_TEST_CACHE_MARKED);
	struct respool_test_cache_stats before = cache_stats(self->fd, marked), after;

	EXPECT_EQ(-ENOMEM, run(self->fd, OP(ALLOC_OBJECT, .slab = marked,
					    .flags = RESPOOL_TEST_ZERO), NULL));
	EXPECT_EQ(0, many(self->fd, RESPOOL_TEST_ALLOC_OBJECTS, 0, 3, marked,
			  RESPOOL_TEST_ZERO));
	after = cache_stats(self->fd, marked);
	before.refusals[BAD_FLAGS] += 2;
	before.failures += 2;
	EXPECT_EQ(0, memcmp(&before, &after, sizeof(before)));
}

TEST_F(caches, warm_objects_are_given_again_first)
{
	__u64 first, again;

	client_move_to(0);
	ASSERT_EQ(0, take(self->fd, self->cache, 0, &first));
	ASSERT_EQ(0, run(self->fd, OP(FREE), NULL));
	ASSERT_EQ(0, take(self->fd, self->cache, 0, &again));
	EXPECT_EQ(first, again);
	ASSERT_EQ(0, run(self->fd, OP(FREE), NULL));
}

TEST_F(caches, random_use_keeps_content_and_invariants)
{
	uint64_t random = TEST_SEED();
	unsigned int i, handle;
	int error;

	for (i = 0; i < 20000; i++) {
		handle = random_below(&random, i % 4000 < 2000 ? 2000 : 40);
		error = make(self->fd, self->cache, handle, NULL);
		if (error == -EEXIST)
			error = drop(self->fd, handle);
		ASSERT_EQ(0, error);
		if (i % 1000 == 0) {
			EXPECT_VALID(self->fd, RESPOOL_TEST_CACHE(self->cache));
			EXPECT_OBJECTS_ADD_UP(self->fd, self->cache);
		}
	}
	for (handle = 0; handle < 2000; handle++) {
		error = drop(self->fd, handle);
		if (error != -ENOENT)
			EXPECT_EQ(0, error);
	}
}

TEST_F(caches, bulk_calls_give_and_take_many)
{
	struct respool_test_cache_stats stats;
	unsigned int i;

	ASSERT_EQ(1000, many(self->fd, RESPOOL_TEST_ALLOC_OBJECTS, 0, 1000, self->cache, 0));
	for (i = 0; i < 1000; i++)
		ASSERT_EQ(0, run(self->fd, OP(FILL, .handle = i, .seed = i), NULL));
	stats = cache_stats(self->fd, self->cache);
	EXPECT_EQ(1000, stats.live_objects);
	EXPECT_EQ(1000, stats.allocations);
	for (i = 0; i < 1000; i++)
		EXPECT_EQ(0, run(self->fd, OP(VERIFY, .handle = i, .seed = i), NULL));
	EXPECT_EQ(0, many(self->fd, RESPOOL_TEST_FREE_OBJECTS, 0, 1000, 0, 0));
	EXPECT_EQ(-ENOENT, run(self->fd, OP(FREE), NULL));
	stats = cache_stats(self->fd, self->cache);
	EXPECT_EQ(1000, stats.frees);
	EXPECT_EQ(0, stats.live_objects);
	EXPECT_GE(6, stats.runs);
	EXPECT_EQ(0, stats.failures);
	EXPECT_EQ(0, shrink(self->fd, self->cache));
	EXPECT_EQ(0, cache_stats(self->fd, self->cache).runs);
}

/* What cannot be freed stays the caller's. */
TEST_F(caches, bulk_free_refuses_each_object_for_itself)
{
	int other = client_cache(self->fd, "other", 100, 0, 0);
	unsigned int i;

	for (i = 0; i < 100; i++)
		ASSERT_EQ(0, make(self->fd, i % 10 == 5 ? other : self->cache, i, NULL));
	EXPECT_EQ(10, many(self->fd, RESPOOL_TEST_FREE_OBJECTS, 0, 100, 0, 0));
	EXPECT_EQ(10, cache_stats(self->fd, self->cache).refusals[WRONG_SLAB]);
	EXPECT_EQ(90, cache_stats(self->fd, self->cache).frees);
	EXPECT_EQ(10, cache_stats(self->fd, other).live_objects);
	for (i = 5; i < 100; i += 10)
		ASSERT_EQ(0, drop(self->fd, i));
}

/* Mistakes */

static int mistake(int fd, unsigned int mistake, unsigned int handle, unsigned int cache,
		   __u64 value)
{
	struct respool_test_misuse misuse = {
		.call = RESPOOL_TEST_CALL_FREE_OBJECT, .mistake = mistake, .handle = handle,
		.slab = cache, .value = value,
	};
	int error = client_ioctl(fd, RESPOOL_TEST_IOC_MISUSE, &misuse);

	return error ? -100000 + error : misuse.result;
}

/* Since @before so many calls were refused for this reason, and nothing else happened. */
#define EXPECT_ONLY_REFUSED(before, kind, times) do {				\
	struct respool_test_cache_stats __now = cache_stats(self->fd, self->cache); \
										\
	(before).refusals[kind] += (times);					\
	(before).failures += (times);						\
	EXPECT_EQ((before).refusals[kind], __now.refusals[kind]);		\
	EXPECT_EQ(0, memcmp(&(before), &__now, sizeof(__now)));			\
	EXPECT_VALID(self->fd, RESPOOL_TEST_CACHE(self->cache));		\
} while (0)

TEST_F(caches, object_freed_twice_is_refused)
{
	unsigned int i;

	/* In a magazine, and in its run. */
	for (i = 0; i < 2; i++) {
		ASSERT_EQ(0, make(self->fd, self->cache, 0, NULL));
		ASSERT_EQ(0, make(self->fd, self->cache, 1, NULL));
		EXPECT_EQ(-EALREADY, mistake(self->fd, RESPOOL_TEST_FREED, 0, self->cache, 0));
		EXPECT_EQ(i + 1, cache_stats(self->fd, self->cache).refusals[DOUBLE_FREE]);
		EXPECT_EQ(1, cache_stats(self->fd, self->cache).live_objects);
		EXPECT_VALID(self->fd, RESPOOL_TEST_CACHE(self->cache));
		ASSERT_EQ(0, drop(self->fd, 1));
		ASSERT_EQ(0, shrink(self->fd, self->cache));
	}
}

TEST_F(caches, address_inside_an_object_is_refused)
{
	struct respool_test_cache_stats before;
	__u64 offset;

	ASSERT_EQ(0, make(self->fd, self->cache, 0, NULL));
	before = cache_stats(self->fd, self->cache);
	for (offset = 1; offset < 100; offset++)
		EXPECT_EQ(-EINVAL, mistake(self->fd, RESPOOL_TEST_OFFSET, 0, self->cache, offset))
			TH_LOG("offset %llu", (unsigned long long)offset);
	EXPECT_ONLY_REFUSED(before, INTERIOR, 99);
	ASSERT_EQ(0, drop(self->fd, 0));
}

TEST_F(caches, what_is_no_object_of_the_cache_is_refused)
{
	int other = client_cache(self->fd, "other", 100, 0, 0);
	struct respool_test_cache_stats before;

	ASSERT_EQ(0, make(self->fd, self->cache, 0, NULL));
	ASSERT_EQ(0, make(self->fd, other, 1, NULL));
	ASSERT_EQ(0, run(self->fd, OP(ALLOC_PAGES, .handle = 2), NULL));
	ASSERT_EQ(0, client_slab(self->fd, "slab"));
	ASSERT_EQ(0, run(self->fd, OP(ALLOC, .handle = 3, .size = 100), NULL));
	before = cache_stats(self->fd, self->cache);
	EXPECT_EQ(-EFAULT, mistake(self->fd, RESPOOL_TEST_OUTSIDE, 0, self->cache, 0));
	EXPECT_EQ(-EFAULT, mistake(self->fd, RESPOOL_TEST_SLAB, 2, self->cache, 0));
	EXPECT_EQ(-EFAULT, mistake(self->fd, RESPOOL_TEST_SLAB, 3, self->cache, 0));
	EXPECT_ONLY_REFUSED(before, FOREIGN, 3);
	EXPECT_EQ(-EXDEV, mistake(self->fd, RESPOOL_TEST_SLAB, 1, self->cache, 0));
	EXPECT_EQ(-EXDEV, mistake(self->fd, RESPOOL_TEST_SLAB, 1, self->cache, 0));
	EXPECT_ONLY_REFUSED(before, WRONG_SLAB, 2);
	ASSERT_EQ(0, drop(self->fd, 0));
	ASSERT_EQ(0, drop(self->fd, 1));
	ASSERT_EQ(0, drop(self->fd, 2));
	ASSERT_EQ(0, drop(self->fd, 3));
}

TEST_F(caches, of_cpus_that_free_one_object_together_one_succeeds)
{
	struct respool_test_cache_stats after;
	unsigned int round;
	__u64 accepted;

	for (round = 0; round < 100; round++) {
		ASSERT_EQ(0, take(self->fd, self->cache, 0, NULL));
		ASSERT_EQ(0, run(self->fd, OP(FREE_RACE), &accepted));
		ASSERT_EQ(1, accepted);
	}
	after = cache_stats(self->fd, self->cache);
	EXPECT_EQ(100, after.frees);
	EXPECT_EQ(100 * (self->cpus - 1), after.refusals[DOUBLE_FREE]);
}

/* The magazines */

static unsigned int use_up(int fd, unsigned int cache, unsigned int handle, unsigned int flags)
{
	unsigned int n = 0;

	while (!run(fd, OP(ALLOC_OBJECT, .slab = cache, .handle = handle + n,
			   .seed = handle + n, .flags = flags), NULL))
		n++;
	return n;
}

/* Leave objects in every CPU's magazine; end on the first. */
static void use_every_magazine(int fd, unsigned int cache, unsigned int cpus)
{
	unsigned int cpu, i;

	for (cpu = cpus; cpu-- > 0;) {
		client_move_to(cpu);
		for (i = 0; i < 300; i++)
			take(fd, cache, NR_HANDLES - 300 + i, NULL);
		for (i = 0; i < 300; i++)
			run(fd, OP(FREE, .handle = NR_HANDLES - 300 + i), NULL);
	}
}

TEST_F(caches, magazines_keep_a_bounded_number_of_objects)
{
	struct respool_test_cache_stats stats;

	use_every_magazine(self->fd, self->cache, self->cpus);
	stats = cache_stats(self->fd, self->cache);
	EXPECT_LE(self->cpus, stats.cached_objects);
	EXPECT_GE(self->cpus * 512, stats.cached_objects);
	EXPECT_OBJECTS_ADD_UP(self->fd, self->cache);
	EXPECT_EQ(0, shrink(self->fd, self->cache));
	EXPECT_EQ(0, cache_stats(self->fd, self->cache).cached_objects);
	EXPECT_EQ(0, cache_stats(self->fd, self->cache).runs);
}

TEST_F(caches, cpu_that_leaves_keeps_nothing)
{
	char path[64];
	unsigned int cpu;
	int file;

	use_every_magazine(self->fd, self->cache, self->cpus);
	for (cpu = 1; cpu < self->cpus; cpu++) {
		__u64 cached = cache_stats(self->fd, self->cache).cached_objects;

		snprintf(path, sizeof(path), "/sys/devices/system/cpu/cpu%u/online", cpu);
		file = open(path, O_WRONLY | O_CLOEXEC);
		ASSERT_LE(0, file);
		EXPECT_EQ(1, write(file, "0", 1));
		EXPECT_GT(cached, cache_stats(self->fd, self->cache).cached_objects);
		EXPECT_EQ(1, write(file, "1", 1));
		close(file);
	}
}

TEST_F(caches, interrupts_can_allocate_and_free)
{
	unsigned int flags[] = { RESPOOL_TEST_IN_IRQ, RESPOOL_TEST_IRQS_OFF };
	unsigned int round, i;

	for (round = 0; round < ARRAY_SIZE(flags); round++) {
		for (i = 0; i < 500; i++)
			ASSERT_EQ(0, run(self->fd, OP(ALLOC_OBJECT, .handle = i, .seed = i,
						      .flags = CHECKED | flags[round]), NULL));
		for (i = 0; i < 500; i++)
			ASSERT_EQ(0, run(self->fd, OP(FREE, .handle = i,
						      .flags = CHECKED | flags[round]), NULL));
	}
}

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

#define START_CHURN(thread, what, pinned, how, time) do {			\
	uint64_t __random = TEST_SEED();					\
	unsigned int __i;							\
										\
	for (__i = 0; __i < self->cpus; __i++) {				\
		(thread)[__i] = (struct thread){				\
			.fd = self->fd, .cpu = (pinned) ? (int)__i : -1,	\
			.churn = { .period_us = 200, .cache = (what), .ms = (time), \
				   .flags = RESPOOL_TEST_CHURN_OBJECTS | (how) }, \
		};								\
		(thread)[__i].churn.seed = next_random(&__random);		\
		ASSERT_EQ(0, pthread_create(&(thread)[__i].id, NULL, thread_main, \
					    &(thread)[__i]));			\
	}									\
} while (0)

/* Every call was accepted, every object had its holder's mark, and all is counted. */
#define END_CHURN(thread, what) do {						\
	struct respool_test_cache_stats __now;					\
	__u64 __given = 0;							\
	unsigned int __i;							\
										\
	for (__i = 0; __i < self->cpus; __i++) {				\
		struct thread *__t = &(thread)[__i];				\
										\
		pthread_join(__t->id, NULL);					\
		EXPECT_EQ(0, __t->error);					\
		EXPECT_EQ(0, __t->churn.wrong);					\
		EXPECT_EQ(0, __t->churn.refused);				\
		EXPECT_EQ(0, __t->churn.failures);				\
		EXPECT_LT(0, __t->churn.task_allocations);			\
		__given += __t->churn.task_allocations +			\
			   __t->churn.hardirq_allocations +			\
			   __t->churn.softirq_allocations;			\
	}									\
	__now = cache_stats(self->fd, what);					\
	EXPECT_EQ(__given, __now.allocations);					\
	EXPECT_EQ(__given, __now.frees);					\
	EXPECT_EQ(0, __now.live_objects);					\
	EXPECT_EQ(0, __now.failures);						\
	EXPECT_OBJECTS_ADD_UP(self->fd, what);					\
	EXPECT_VALID(self->fd, RESPOOL_TEST_CACHE(what));			\
} while (0)

TEST_F(caches, interrupts_share_magazines_with_the_task_they_interrupt)
{
	int cache = client_cache(self->fd, "churned", 64, 0, 0);
	struct thread thread[MAX_CPUS];
	unsigned int i;

	START_CHURN(thread, cache, true,
		    RESPOOL_TEST_CHURN_HARDIRQ | RESPOOL_TEST_CHURN_SOFTIRQ, 400);
	END_CHURN(thread, cache);
	for (i = 0; i < self->cpus; i++) {
		EXPECT_LT(0, thread[i].churn.hardirq_allocations);
		EXPECT_LT(0, thread[i].churn.softirq_allocations);
		EXPECT_LT(0, thread[i].churn.nested);
	}
}

TEST_F(caches, caches_can_be_used_with_interrupts_off)
{
	int cache = client_cache(self->fd, "churned", 2048, 0, 0);
	struct thread thread[MAX_CPUS];

	START_CHURN(thread, cache, true,
		    RESPOOL_TEST_CHURN_HARDIRQ | RESPOOL_TEST_CHURN_IRQS_OFF, 400);
	END_CHURN(thread, cache);
}

TEST_F(caches, drains_and_snapshots_meanwhile_lose_nothing)
{
	int cache = client_cache(self->fd, "churned", 512, 0, 0);
	struct thread thread[MAX_CPUS];
	unsigned int i;

	START_CHURN(thread, cache, true, RESPOOL_TEST_CHURN_HARDIRQ, 400);
	for (i = 0; i < 50; i++) {
		EXPECT_EQ(0, shrink(self->fd, cache));
		EXPECT_OBJECTS_ADD_UP(self->fd, cache);
		EXPECT_VALID(self->fd, RESPOOL_TEST_CACHE(cache));
		usleep(5000);
	}
	END_CHURN(thread, cache);
}

/* With one CPU there is none to unplug, and the cache is merely used meanwhile. */
TEST_F(caches, cpus_come_and_go_under_load)
{
	int cache = client_cache(self->fd, "churned", 64, 0, 0), file;
	struct thread thread[MAX_CPUS];
	char path[64];
	unsigned int cpu;

	START_CHURN(thread, cache, false, RESPOOL_TEST_CHURN_HARDIRQ, 1500);
	for (cpu = 1; cpu < self->cpus; cpu++) {
		snprintf(path, sizeof(path), "/sys/devices/system/cpu/cpu%u/online", cpu);
		file = open(path, O_WRONLY | O_CLOEXEC);
		ASSERT_LE(0, file);
		EXPECT_EQ(1, write(file, "0", 1));
		EXPECT_VALID(self->fd, RESPOOL_TEST_CACHE(cache));
		EXPECT_EQ(1, write(file, "1", 1));
		close(file);
	}
	END_CHURN(thread, cache);
}

/* Short of memory */

TEST_F(caches, cache_grows_until_the_pool_is_full_and_shrinks_back)
{
	int large = client_cache(self->fd, "large", 1000, 0, 0);
	struct respool_test_cache_stats stats;
	uint64_t random = TEST_SEED();
	unsigned int *handle = calloc(NR_HANDLES, sizeof(*handle));
	unsigned int i, n = use_up(self->fd, large, 0, CHECKED);

	stats = cache_stats(self->fd, large);
	EXPECT_EQ(n, stats.live_objects);
	EXPECT_EQ(1, stats.failures);
	EXPECT_EQ(0, stats.cached_objects);
	EXPECT_EQ(0, stats.free_objects);
	EXPECT_LT(self->before.pages * PAGE * 93 / 100, n * 1000ULL);
	EXPECT_GT(stats.run_pages, pool_stats(self->fd).free_pages);
	EXPECT_EQ(stats.held_pages, stats.peak_held_pages);
	EXPECT_OBJECTS_ADD_UP(self->fd, large);
	EXPECT_VALID(self->fd, RESPOOL_TEST_CACHE(large));
	EXPECT_VALID(self->fd, RESPOOL_TEST_POOL);
	for (i = 0; i < n; i++)
		handle[i] = i;
	shuffle(handle, n, &random);
	for (i = 0; i < n; i++)
		ASSERT_EQ(0, drop(self->fd, handle[i]));
	stats = cache_stats(self->fd, large);
	/* What is not given back is one warm run, and those that magazines hold on to. */
	EXPECT_GE(1 + stats.cached_objects, stats.runs);
	EXPECT_EQ(0, shrink(self->fd, large));
	EXPECT_EQ(0, cache_stats(self->fd, large).held_pages);
	EXPECT_EQ(0, pool_stats(self->fd).allocated_pages);
	free(handle);
}

TEST_F(caches, one_cpu_can_have_every_object_that_others_cached)
{
	unsigned int pages = 0, n;

	/* Nothing but the cache's runs is left of the pool. */
	use_every_magazine(self->fd, self->cache, self->cpus);
	while (!run(self->fd, OP(ALLOC_PAGES, .handle = pages), NULL))
		pages++;
	n = use_up(self->fd, self->cache, pages, CHECKED);
	EXPECT_LE(self->cpus, n);
	EXPECT_EQ(0, cache_stats(self->fd, self->cache).cached_objects);
	EXPECT_EQ(0, cache_stats(self->fd, self->cache).free_objects);
	while (n--)
		ASSERT_EQ(0, drop(self->fd, pages + n));
	while (pages--)
		ASSERT_EQ(0, run(self->fd, OP(FREE, .handle = pages), NULL));
}

TEST_F(caches, cache_that_is_short_has_what_others_keep)
{
	int other = client_cache(self->fd, "other", 100, 0, 0);
	unsigned int pages = 0;

	use_every_magazine(self->fd, other, self->cpus);
	EXPECT_LT(0, cache_stats(self->fd, other).held_pages);
	while (!run(self->fd, OP(ALLOC_PAGES, .handle = pages), NULL))
		pages++;
	EXPECT_EQ(0, take(self->fd, self->cache, pages, NULL));
	EXPECT_EQ(0, cache_stats(self->fd, other).held_pages);
	EXPECT_EQ(0, run(self->fd, OP(FREE, .handle = pages), NULL));
	while (pages--)
		ASSERT_EQ(0, run(self->fd, OP(FREE, .handle = pages), NULL));
}

TEST_F(caches, only_urgent_requests_have_pages_below_the_watermark)
{
	ASSERT_EQ(0, run(self->fd, OP(SET_WATERMARK, .size = self->before.pages), NULL));
	EXPECT_EQ(-ENOMEM, take(self->fd, self->cache, 0, NULL));
	EXPECT_EQ(0, run(self->fd, OP(ALLOC_OBJECT, .flags = RESPOOL_TEST_ATOMIC), NULL));
	EXPECT_EQ(0, run(self->fd, OP(FREE), NULL));
	ASSERT_EQ(0, run(self->fd, OP(SET_WATERMARK), NULL));
}

/* Damage */

/*
 * Two runs of a cache. The first has live objects, of which handle 0 is one,
 * and free ones, and so is taken from next; the second has none free.
 */
static int make_two_runs(int fd, const char *name, unsigned int *n)
{
	int cache = client_cache(fd, name, 256, 0, 0);
	unsigned int i;

	*n = 2 * cache_stats(fd, cache).run_objects;
	if (many(fd, RESPOOL_TEST_ALLOC_OBJECTS, 0, *n, cache, 0) != (int)*n)
		return -1;
	for (i = 1; i < *n / 4; i++)
		run(fd, OP(FREE, .handle = i), NULL);
	shrink(fd, cache);
	return cache;
}

/*
 * Whatever byte of the header is changed, checks, counts, sum and free bits,
 * the next allocation takes the run out of service and is served from another.
 */
TEST_F(caches, damaged_run_goes_out_of_service_and_others_go_on)
{
	static const unsigned int offsets[] = { 0, 7, 24, 32, 39, 40, 47, 56, 63 };
	struct respool_test_cache_stats stats;
	unsigned int round, n, i;
	char name[32], why[120], loss[64];
	int cache, log;

	for (round = 0; round < ARRAY_SIZE(offsets); round++) {
		snprintf(name, sizeof(name), "damaged%u", round);
		log = log_open();
		ASSERT_LE(0, log);
		cache = make_two_runs(self->fd, name, &n);
		ASSERT_LE(0, cache);
		EXPECT_VALID(self->fd, RESPOOL_TEST_CACHE(cache));
		ASSERT_EQ(0, run(self->fd, OP(DAMAGE, .first = offsets[round], .size = 0x10),
				 NULL));
		EXPECT_EQ(-EUCLEAN, client_validate(self->fd, RESPOOL_TEST_CACHE(cache), why))
			TH_LOG("offset %u", offsets[round]);
		EXPECT_NE(NULL, strstr(why, "header is damaged"));
		EXPECT_EQ(0, cache_stats(self->fd, cache).damaged_runs);

		EXPECT_EQ(0, make(self->fd, cache, 1, NULL));
		stats = cache_stats(self->fd, cache);
		EXPECT_EQ(1, stats.damaged_runs);
		EXPECT_EQ(2, stats.runs);
		EXPECT_EQ(1, stats.refusals[CORRUPT]);
		EXPECT_EQ(n / 2 + 1, stats.live_objects);
		EXPECT_OBJECTS_ADD_UP(self->fd, cache);
		EXPECT_VALID(self->fd, RESPOOL_TEST_CACHE(cache));
		snprintf(loss, sizeof(loss), "1 runs of %llu bytes out of service",
			 (unsigned long long)(stats.run_pages * PAGE));
		EXPECT_EQ(1, log_count(log, name, loss));

		/* What was in it cannot be freed; what is not can. */
		EXPECT_EQ(-EUCLEAN, run(self->fd, OP(FREE), NULL));
		for (i = n / 2; i < n; i++)
			ASSERT_EQ(0, run(self->fd, OP(FREE, .handle = i), NULL));
		ASSERT_EQ(0, drop(self->fd, 1));
		EXPECT_EQ(2, cache_stats(self->fd, cache).refusals[CORRUPT]);

		/* The run stays allocated until it is freed by who knows of it. */
		EXPECT_EQ(1, destroy(self->fd, cache));
		EXPECT_EQ(stats.run_pages, pool_stats(self->fd).allocated_pages);
		ASSERT_EQ(0, run(self->fd, OP(FREE), NULL));
		EXPECT_EQ(0, pool_stats(self->fd).allocated_pages);
		for (i = 2; i < n / 2; i++)
			EXPECT_EQ(-ENOENT, run(self->fd, OP(FREE, .handle = i), NULL));
		close(log);
	}
}

/* Both ends of the header are looked at before it is believed who is live. */
TEST_F(caches, free_into_a_damaged_run_is_refused)
{
	unsigned int n, i;
	int cache = make_two_runs(self->fd, "damaged", &n);

	ASSERT_LE(0, cache);
	ASSERT_EQ(0, run(self->fd, OP(DAMAGE, .first = 3, .size = 0xff), NULL));
	EXPECT_EQ(-EUCLEAN, run(self->fd, OP(FREE), NULL));
	EXPECT_EQ(1, cache_stats(self->fd, cache).damaged_runs);
	EXPECT_EQ(1, cache_stats(self->fd, cache).refusals[CORRUPT]);
	EXPECT_EQ(1, cache_stats(self->fd, cache).failures);
	EXPECT_VALID(self->fd, RESPOOL_TEST_CACHE(cache));
	for (i = n / 2; i < n; i++)
		ASSERT_EQ(0, run(self->fd, OP(FREE, .handle = i), NULL));
	EXPECT_EQ(1, destroy(self->fd, cache));
	ASSERT_EQ(0, run(self->fd, OP(FREE), NULL));
}

/* Objects of a run wait in a magazine while it is damaged. */
TEST_F(caches, magazine_does_not_give_objects_of_a_damaged_run)
{
	int cache = client_cache(self->fd, "damaged", 256, 0, 0);
	unsigned int n = cache_stats(self->fd, cache).run_objects, i;
	__u64 damaged, phys;

	client_move_to(0);
	for (i = 0; i < n; i++)
		ASSERT_EQ(0, take(self->fd, cache, i, &damaged));
	for (i = 1; i < n; i++)
		ASSERT_EQ(0, run(self->fd, OP(FREE, .handle = i), NULL));
	EXPECT_LT(0, cache_stats(self->fd, cache).cached_objects);
	ASSERT_EQ(0, run(self->fd, OP(DAMAGE, .first = 0, .size = 1), NULL));
	for (i = 1; i < n; i++) {
		ASSERT_EQ(0, make(self->fd, cache, i, &phys));
		EXPECT_NE(damaged / PAGE, phys / PAGE);
	}
	EXPECT_EQ(1, cache_stats(self->fd, cache).damaged_runs);
	EXPECT_EQ(n - 1, cache_stats(self->fd, cache).live_objects);
	EXPECT_OBJECTS_ADD_UP(self->fd, cache);
	EXPECT_VALID(self->fd, RESPOOL_TEST_CACHE(cache));
	for (i = 1; i < n; i++)
		ASSERT_EQ(0, drop(self->fd, i));
	EXPECT_EQ(1, destroy(self->fd, cache));
	ASSERT_EQ(0, run(self->fd, OP(FREE), NULL));
}

/* The end */

static bool owner_is_listed(const char *owner)
{
	static char text[1 << 16];

	return client_read_file(POOL_DIR "owners", text, sizeof(text)) > 0 && strstr(text, owner);
}

static int compare_numbers(const void *a, const void *b)
{
	const __u64 *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

TEST_F(caches, destroy_names_what_is_still_live)
{
	int log = log_open(), leaky = client_cache(self->fd, "leaky", 100, 0, 0);
	char runs[128], offsets[160];
	unsigned long long run_at;
	unsigned int i;
	__u64 phys[6];
	int fields;

	ASSERT_LE(0, log);
	for (i = 0; i < 6; i++)
		ASSERT_EQ(0, make(self->fd, leaky, i, &phys[i]));
	qsort(phys, 6, sizeof(phys[0]), compare_numbers);
	ASSERT_LT(0, client_read_file(POOL_DIR "caches/leaky/runs", runs, sizeof(runs)));
	fields = sscanf(runs, "offset live free out %llu", &run_at);
	ASSERT_EQ(1, fields);
	snprintf(offsets, sizeof(offsets),
		 "6 objects of 100 bytes still live, at offsets %llu %llu %llu %llu ...\n",
		 run_at + phys[0] % PAGE, run_at + phys[1] % PAGE, run_at + phys[2] % PAGE,
		 run_at + phys[3] % PAGE);
	EXPECT_EQ(1, destroy(self->fd, leaky));
	EXPECT_EQ(1, log_count(log, "cache leaky: destroyed with ", offsets));

	/* The account lasts as long as the run does. */
	EXPECT_EQ(1, pool_stats(self->fd).allocated_pages);
	EXPECT_TRUE(owner_is_listed("\ncache:leaky "));
	ASSERT_EQ(0, run(self->fd, OP(FREE), NULL));
	EXPECT_EQ(0, pool_stats(self->fd).allocated_pages);
	close(client_open("main", 1));
	EXPECT_FALSE(owner_is_listed("\ncache:leaky "));
	close(log);
}

TEST_F(caches, destroy_of_an_unused_cache_is_silent)
{
	int log = log_open(), clean = client_cache(self->fd, "clean", 100, 0, 0);
	unsigned int i;

	for (i = 0; i < 100; i++)
		ASSERT_EQ(0, make(self->fd, clean, i, NULL));
	for (i = 0; i < 100; i++)
		ASSERT_EQ(0, drop(self->fd, i));
	EXPECT_EQ(0, destroy(self->fd, clean));
	EXPECT_EQ(0, log_count(log, "clean", "cache"));
	EXPECT_EQ(0, pool_stats(self->fd).allocated_pages);
	close(log);
}

/* debugfs */

static char text[1 << 16];

/* Compare a line "name value" at *@at with what it should be, move behind it. */
static bool next_is(const char **at, const char *name, unsigned long long value)
{
	char line[128];
	int len = snprintf(line, sizeof(line), "%s %llu\n", name, value);

	if (strncmp(*at, line, len)) {
		printf("# expected '%.*s', found '%.*s'\n", len - 1, line,
		       (int)strcspn(*at, "\n"), *at);
		return false;
	}
	*at += len;
	return true;
}

#define EXPECT_FIELD(field)	EXPECT_TRUE(next_is(&at, #field, stats.field))

TEST_F(caches, debugfs_says_what_the_functions_do)
{
	struct respool_test_cache_stats stats;
	const char *at = text;
	char name[64];
	unsigned int i;

	for (i = 0; i < 300; i++)
		ASSERT_EQ(0, make(self->fd, self->cache, i, NULL));
	for (i = 0; i < 300; i += 3)
		ASSERT_EQ(0, drop(self->fd, i));
	EXPECT_EQ(-EINVAL, mistake(self->fd, RESPOOL_TEST_OFFSET, 1, self->cache, 8));
	stats = cache_stats(self->fd, self->cache);
	ASSERT_LT(0, client_read_file(POOL_DIR "caches/objects/stats", text, sizeof(text)));
	EXPECT_FIELD(size);
	EXPECT_FIELD(object_bytes);
	EXPECT_FIELD(run_pages);
	EXPECT_FIELD(run_objects);
	EXPECT_FIELD(held_pages);
	EXPECT_FIELD(runs);
	EXPECT_FIELD(empty_runs);
	EXPECT_FIELD(damaged_runs);
	EXPECT_FIELD(live_objects);
	EXPECT_FIELD(free_objects);
	EXPECT_FIELD(cached_objects);
	EXPECT_FIELD(overhead_bytes);
	EXPECT_FIELD(peak_held_pages);
	EXPECT_FIELD(allocations);
	EXPECT_FIELD(frees);
	EXPECT_FIELD(failures);
	EXPECT_FIELD(runs_taken);
	EXPECT_FIELD(runs_returned);
	for (i = 0; i < RESPOOL_TEST_NR_REFUSALS; i++) {
		snprintf(name, sizeof(name), "refused_%s", client_refusal_names[i]);
		EXPECT_TRUE(next_is(&at, name, stats.refusals[i]));
	}
	EXPECT_STREQ("", at);
	EXPECT_EQ(200, stats.live_objects);
	EXPECT_EQ(stats.live_objects, stats.allocations - stats.frees);

	ASSERT_LT(0, client_read_file(POOL_DIR "caches/objects/validate", text, sizeof(text)));
	EXPECT_STREQ("ok\n", text);
	EXPECT_TRUE(owner_is_listed("\ncache:objects "));
	for (i = 0; i < 300; i++)
		if (i % 3)
			ASSERT_EQ(0, drop(self->fd, i));
}

TEST_F(caches, debugfs_shows_every_run)
{
	struct respool_test_cache_stats stats;
	unsigned long long live, free, out, sum_live = 0, sum_free = 0, sum_out = 0, rows = 0;
	long long offset, last = -1;
	char *line, *rest;
	unsigned int i;
	int fields;

	for (i = 0; i < 1000; i++)
		ASSERT_EQ(0, make(self->fd, self->cache, i, NULL));
	for (i = 0; i < 1000; i += 3)
		ASSERT_EQ(0, drop(self->fd, i));
	stats = cache_stats(self->fd, self->cache);
	ASSERT_LT(0, client_read_file(POOL_DIR "caches/objects/runs", text, sizeof(text)));
	line = strtok_r(text, "\n", &rest);
	EXPECT_STREQ("offset live free out", line);
	while ((line = strtok_r(NULL, "\n", &rest))) {
		fields = sscanf(line, "%lld %llu %llu %llu", &offset, &live, &free, &out);
		ASSERT_EQ(4, fields);
		EXPECT_LT(last, offset);
		EXPECT_EQ(0, offset % (long long)(stats.run_pages * PAGE));
		EXPECT_EQ(stats.run_objects, live + free + out);
		last = offset;
		sum_live += live;
		sum_free += free;
		sum_out += out;
		rows++;
	}
	EXPECT_EQ(stats.runs, rows);
	EXPECT_EQ(stats.live_objects, sum_live);
	EXPECT_EQ(stats.free_objects, sum_free);
	EXPECT_EQ(stats.cached_objects, sum_out);
	for (i = 0; i < 1000; i++)
		if (i % 3)
			ASSERT_EQ(0, drop(self->fd, i));
}

TEST_F(caches, debugfs_directory_goes_with_the_cache)
{
	int passing = client_cache(self->fd, "passing", 64, 0, 0);
	int file = open(POOL_DIR "caches/passing/runs", O_RDONLY);

	ASSERT_LE(0, file);
	EXPECT_EQ(0, access(POOL_DIR "caches/passing/stats", R_OK));
	EXPECT_EQ(0, destroy(self->fd, passing));
	EXPECT_EQ(-1, access(POOL_DIR "caches/passing", F_OK));
	EXPECT_EQ(-1, read(file, text, 1));
	close(file);
}

TEST_HARNESS_MAIN
