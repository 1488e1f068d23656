// SPDX-License-Identifier: GPL-2.0
/*
 * Each allocation and each copy from or to user space that the kernel makes on
 * our behalf fails once, and each request for pages of the pool: the first of a
 * call, then the second, until there is none left to fail. Each time the call
 * fails with an errno or gets to its end without what it was denied, and nothing
 * is lost and every invariant holds.
 *
 * For kernels with fault injection (scripts/vm --kernel debug), which also tell
 * what memory was lost.
 */
#include "buffers.h"

#define NR_HANDLES	64
#define INJECT		"/sys/kernel/debug/"
#define MANY		1000000U	/* more than any call can fail */
static int nth_fd = -1;

/*
 * Let the @nth allocation or copy of this task from now on fail; 0 for none. To
 * say so takes a copy, too, which may be the one to fail.
 */
static void fail_nth(unsigned int nth)
{
	char text[16];
	int len = snprintf(text, sizeof(text), "%u", nth);

	while (pwrite(nth_fd, text, len, 0) != len)
		if (errno != EFAULT)
			abort();
}

/* No more from now on. How many short of failing one it was, 0 if one failed. */
static unsigned int stop_failing(void)
{
	char text[16] = "";
	ssize_t len = pread(nth_fd, text, sizeof(text) - 1, 0);

	fail_nth(0);
	/* If it was the next one to fail, reading did. */
	return len < 0 ? 1 : atoi(text);
}

static int set(const char *path, const char *value)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	bool done = fd >= 0 && write(fd, value, strlen(value)) == (ssize_t)strlen(value);

	close(fd);
	return done ? 0 : -1;
}

/* Allocations that may wait fail as well, and without a word in the log. */
static int prepare(void)
{
	nth_fd = open("/proc/thread-self/fail-nth", O_RDWR | O_CLOEXEC);
	return set(INJECT "failslab/ignore-gfp-wait", "N") |
	       set(INJECT "failslab/verbose", "0") |
	       set(INJECT "fail_page_alloc/ignore-gfp-wait", "N") |
	       set(INJECT "fail_page_alloc/ignore-gfp-highmem", "N") |
	       set(INJECT "fail_page_alloc/min-order", "0") |
	       set(INJECT "fail_page_alloc/verbose", "0") |
	       set(INJECT "fail_usercopy/verbose", "0");
}

#define USE_FAILURES() do {							\
	if (access("/proc/thread-self/fail-nth", F_OK))				\
		SKIP(_exit(HARNESS_SKIPPED), "no fault injection in this kernel"); \
	ASSERT_EQ(0, prepare());						\
} while (0)

/*
 * Ways into the module. What they allocate has a handle, and those are all freed
 * afterwards; what else they do has an undo.
 */

static int opened;

static int open_pool(int fd)
{
	opened = client_open("main", NR_HANDLES);
	return opened < 0 ? opened : 0;
}

static int open_pool_with_slab(int fd)
{
	int error = open_pool(fd);

	if (error)
		return error;
	error = client_slab(opened, "other");
	if (error)
		close(opened);
	return error;
}

/* What its first object needs comes from the pool. */
static int open_pool_with_cache(int fd)
{
	int error = open_pool(fd);

	if (error)
		return error;
	error = client_cache(opened, "objects", 100, 8, 0);
	if (!error)
		error = run(opened, OP(ALLOC_OBJECT), NULL);
	if (!error)
		error = run(opened, OP(FREE), NULL);
	if (error)
		close(opened);
	return error;
}

static void close_pool(int fd, int error)
{
	if (!error)
		close(opened);
}

static int ask_info(int fd)
{
	struct respool_test_info info = { .name = "main" };

	return client_ioctl(fd, RESPOOL_TEST_IOC_INFO, &info);
}

static int alloc_pages(int fd)
{
	return run(fd, OP(ALLOC_PAGES, .size = 3, .flags = RESPOOL_TEST_CHECK), NULL);
}

static int alloc_exact(int fd)
{
	return run(fd, OP(ALLOC_EXACT, .size = 7, .flags = RESPOOL_TEST_ZERO), NULL);
}

static int alloc_request(int fd)
{
	return run(fd, OP(ALLOC_REQUEST, .size = 5, .align = 65536, .flags = RESPOOL_TEST_SCAN),
		   NULL);
}

static int alloc_wait(int fd)
{
	return run(fd, OP(ALLOC_WAIT, .size = 9, .align = 100), NULL);
}

static int alloc_bytes(int fd)
{
	return run(fd, OP(ALLOC, .size = 100000, .flags = RESPOOL_TEST_ZERO | RESPOOL_TEST_CHECK),
		   NULL);
}

static void have_bytes(int fd)
{
	int error = run(fd, OP(ALLOC, .size = 40, .flags = RESPOOL_TEST_CHECK), NULL);

	if (error)
		abort();
}

static int realloc_bytes(int fd)
{
	return run(fd, OP(REALLOC, .size = 50000, .flags = RESPOOL_TEST_CHECK), NULL);
}

static int free_bytes(int fd)
{
	return run(fd, OP(FREE, .flags = RESPOOL_TEST_CHECK), NULL);
}

static void have_page(int fd)
{
	if (run(fd, OP(ALLOC_PAGES), NULL))
		abort();
}

static int free_twice(int fd)
{
	struct respool_test_misuse misuse = {
		.call = RESPOOL_TEST_CALL_FREE_PAGES, .mistake = RESPOOL_TEST_FREED,
	};

	return client_ioctl(fd, RESPOOL_TEST_IOC_MISUSE, &misuse);
}

static int free_together(int fd)
{
	return run(fd, OP(FREE_RACE), NULL);
}

static int run_a_batch(int fd)
{
	struct respool_test_op ops[] = {
		OP(ALLOC_PAGES, .size = 1), OP(ALLOC, .handle = 1, .size = 40),
		OP(FREE), OP(FREE, .handle = 1),
	};
	struct respool_test_batch batch;

	return run_batch(fd, ops, ARRAY_SIZE(ops), &batch);
}

static int alloc_many(int fd, __u32 call, __u64 size)
{
	struct respool_test_many many = { .call = call, .nr = 16, .size = size };

	return client_ioctl(fd, RESPOOL_TEST_IOC_MANY, &many);
}

static int alloc_list(int fd)
{
	return alloc_many(fd, RESPOOL_TEST_ALLOC_LIST, 1000);
}

static int alloc_bulk(int fd)
{
	return alloc_many(fd, RESPOOL_TEST_ALLOC_BULK, 2);
}

static int churn(int fd)
{
	struct respool_test_churn churn = {
		.flags = RESPOOL_TEST_CHURN_HARDIRQ, .ms = 5, .period_us = 200, .max_order = 3,
	};

	return client_ioctl(fd, RESPOOL_TEST_IOC_CHURN, &churn);
}

static __u64 page;

static void find_page(int fd)
{
	if (run(fd, OP(ALLOC_PAGES), &page) || run(fd, OP(FREE), NULL))
		abort();
}

static int reserve_page(int fd)
{
	return run(fd, OP(RESERVE, .first = page, .size = 1), NULL);
}

/* It may have been reserved even if we were not told. */
static void release_page(int fd, int error)
{
	run(fd, OP(RELEASE, .first = page, .size = 1), NULL);
}

static int read_stats(int fd)
{
	struct respool_test_pool_stats pool;
	struct respool_test_slab_stats slab = {};

	return client_ioctl(fd, RESPOOL_TEST_IOC_POOL_STATS, &pool) ?:
	       client_ioctl(fd, RESPOOL_TEST_IOC_SLAB_STATS, &slab);
}

static int drain_and_validate(int fd)
{
	struct respool_test_drain drain = {};
	char why[120];

	return client_ioctl(fd, RESPOOL_TEST_IOC_DRAIN, &drain) ?:
	       client_validate(fd, RESPOOL_TEST_POOL, why) ?: client_validate(fd, 0, why);
}

static int read_debugfs(int fd)
{
	static const char *const files[] = {
		"stats", "orders", "owners", "map", "validate", "slabs/failures/stats",
		"slabs/failures/options", "slabs/failures/classes", "slabs/failures/blocks",
		"slabs/failures/validate",
	};
	static char text[1 << 20];
	char path[128];
	unsigned int i;
	int len;

	for (i = 0; i < ARRAY_SIZE(files); i++) {
		snprintf(path, sizeof(path), CLIENT_DEBUGFS "/main/%s", files[i]);
		len = client_read_file(path, text, sizeof(text));
		if (len < 0)
			return len;
	}
	return 0;
}

FIXTURE(failures)
{
	int fd;
	int slab;
	struct respool_test_pool_stats before;
};

FIXTURE_VARIANT(failures)
{
	void (*before)(int fd);
	int (*call)(int fd);
	void (*undo)(int fd, int error);
};

#define WAY(name, ...) FIXTURE_VARIANT_ADD(failures, name) { __VA_ARGS__ }

WAY(opening_a_pool, .call = open_pool, .undo = close_pool);
WAY(making_a_slab, .call = open_pool_with_slab, .undo = close_pool);
WAY(making_a_cache, .call = open_pool_with_cache, .undo = close_pool);
WAY(asking_for_info, .call = ask_info);
WAY(allocating_pages, .call = alloc_pages);
WAY(allocating_exactly, .call = alloc_exact);
WAY(allocating_on_request, .call = alloc_request);
WAY(waiting_for_pages, .call = alloc_wait);
WAY(allocating_bytes, .call = alloc_bytes);
WAY(reallocating_bytes, .before = have_bytes, .call = realloc_bytes);
WAY(freeing_bytes, .before = have_bytes, .call = free_bytes);
WAY(freeing_twice, .before = have_page, .call = free_twice);
WAY(freeing_together, .before = have_page, .call = free_together);
WAY(running_a_batch, .call = run_a_batch);
WAY(allocating_a_list, .call = alloc_list);
WAY(allocating_in_bulk, .call = alloc_bulk);
WAY(churning, .call = churn);
WAY(reserving_a_page, .before = find_page, .call = reserve_page, .undo = release_page);
WAY(reading_statistics, .call = read_stats);
WAY(draining_and_validating, .call = drain_and_validate);
WAY(reading_debugfs, .call = read_debugfs);

FIXTURE_SETUP(failures)
{
	USE_FAILURES();
	USE_POOLS("main:16M");
	ASSERT_EQ(0, set(INJECT "fail_respool/verbose", "0"));
	self->fd = client_open("main", NR_HANDLES);
	ASSERT_LE(0, self->fd);
	self->before = settled_stats(self->fd);
	self->slab = client_slab(self->fd, "failures");
	ASSERT_EQ(0, self->slab);
}

FIXTURE_TEARDOWN(failures)
{
	int watch = client_open("main", 1);

	close(self->fd);
	EXPECT_LE(0, watch);
	EXPECT_EMPTY_AGAIN(watch, &self->before);
	close(watch);
}

/* Nothing is allocated but what the slab keeps for itself; all is valid. */
#define EXPECT_NOTHING_LOST() do {						\
	struct respool_test_slab_stats __slab;					\
	unsigned int __handle;							\
										\
	for (__handle = 0; __handle < NR_HANDLES; __handle++)			\
		run(self->fd, OP(FREE, .handle = __handle), NULL);		\
	__slab = slab_stats(self->fd, self->slab);				\
	EXPECT_EQ(0, __slab.live_blocks);					\
	EXPECT_EQ(__slab.held_pages, pool_stats(self->fd).allocated_pages);	\
	EXPECT_EQ(self->before.pages, settled_stats(self->fd).free_pages + __slab.held_pages); \
	EXPECT_VALID(self->fd, RESPOOL_TEST_POOL);				\
	EXPECT_VALID(self->fd, self->slab);					\
} while (0)

TEST_F(failures, are_survived_one_after_another)
{
	unsigned int nth, left = 0, failed = 0;
	int error = 0;

	for (nth = 1; !left; nth++) {
		if (variant->before)
			variant->before(self->fd);
		fail_nth(nth);
		error = variant->call(self->fd);
		left = stop_failing();
		failed += !!error;
		EXPECT_TRUE(!error || error == -ENOMEM || error == -EFAULT)
			TH_LOG("failure %u: %s", nth, strerror(-error));
		if (variant->undo)
			variant->undo(self->fd, error);
		EXPECT_NOTHING_LOST();
	}
	EXPECT_EQ(0, error);
	EXPECT_LT(0, failed);
	TH_LOG("%u points of failure, %u of which the call reported", nth - 2, failed);
}

/* User buffers. What a way makes is closed afterwards; there is always one buffer. */

static int heap, buffer, made;
static unsigned long number;	/* of the buffer */

static int open_node(void)
{
	made = open(NODE, O_RDWR | O_CLOEXEC);
	return made < 0 ? -errno : 0;
}

static int alloc_buffer(void)
{
	made = heap_alloc(heap, PAGE);
	return made < 0 ? made : 0;
}

/* No power of two, and more than is cleared in one step. */
static int alloc_large_buffer(void)
{
	made = heap_alloc(heap, HUGE + 5 * PAGE);
	return made < 0 ? made : 0;
}

/* What fails in a fault is tried again; the kernel's munmap() may fail, too. */
static int map_buffer(void)
{
	unsigned char *map = map_shared(buffer, HUGE);
	unsigned int i;
	int error;

	if (map == MAP_FAILED)
		return -errno;
	for (i = 0; i < HUGE; i += PAGE)
		map[i] = 1;
	if (!munmap(map, HUGE))
		return 0;
	error = -errno;
	munmap(map, HUGE);
	return error;
}

static int import_with(enum importer_kind kind, unsigned long cmd)
{
	struct importer_map map;

	made = import(buffer, kind);
	return made < 0 ? made : client_ioctl(made, cmd, &map);
}

static int import_buffer(void)
{
	return import_with(IMPORTER_PLAIN, IMPORTER_MAP);
}

static int import_to_be_told(void)
{
	return import_with(IMPORTER_DYNAMIC, IMPORTER_MAP);
}

static int import_for_cpu(void)
{
	return import_with(IMPORTER_PLAIN, IMPORTER_VMAP);
}

/* Importers are told, too. */
static int revoke_buffer(void)
{
	made = import(buffer, IMPORTER_DYNAMIC);
	return made < 0 ? made : heap_revoke(number);
}

static int read_heap_debugfs(void)
{
	static char text[1 << 16];
	int error = client_read_file(HEAP_DEBUGFS "owners", text, sizeof(text));

	if (error >= 0)
		error = client_read_file(HEAP_DEBUGFS "users", text, sizeof(text));
	return error < 0 ? error : 0;
}

FIXTURE(buffers)
{
	struct respool_test_pool_stats before;
	int watch;
};

FIXTURE_VARIANT(buffers)
{
	int (*call)(void);
};

#define BUFFER_WAY(name, way) FIXTURE_VARIANT_ADD(buffers, name) { .call = way }

BUFFER_WAY(opening_a_node, open_node);
BUFFER_WAY(allocating_a_page, alloc_buffer);
BUFFER_WAY(allocating_much, alloc_large_buffer);
BUFFER_WAY(mapping, map_buffer);
BUFFER_WAY(importing, import_buffer);
BUFFER_WAY(importing_to_be_told, import_to_be_told);
BUFFER_WAY(importing_for_the_cpu, import_for_cpu);
BUFFER_WAY(revoking, revoke_buffer);
BUFFER_WAY(reading_debugfs, read_heap_debugfs);

FIXTURE_SETUP(buffers)
{
	int error;

	USE_FAILURES();
	USE_HEAP("main:16M", "");
	error = client_load("respool_importer", "");
	ASSERT_TRUE(!error || error == -EEXIST);
	self->watch = client_open("main", 1);
	ASSERT_LE(0, self->watch);
	self->before = settled_stats(self->watch);
	heap = open(NODE, O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, heap);
}

FIXTURE_TEARDOWN(buffers)
{
	close(heap);
	EXPECT_EMPTY_AGAIN(self->watch, &self->before);
	close(self->watch);
	EXPECT_EQ(0, client_unload("respool_heap"));
	EXPECT_EQ(0, client_unload("respool_importer"));
}

TEST_F(buffers, survive_one_failure_after_another)
{
	unsigned int nth, left = 0, failed = 0;
	int error = 0;

	for (nth = 1; !left; nth++) {
		made = -1;
		buffer = heap_alloc(heap, HUGE);
		ASSERT_LE(0, buffer);
		number = buffer_number(buffer);
		fail_nth(nth);
		error = variant->call();
		left = stop_failing();
		failed += !!error;
		EXPECT_TRUE(!error || error == -ENOMEM || error == -EFAULT)
			TH_LOG("failure %u: %s", nth, strerror(-error));
		if (made >= 0)
			close(made);
		close(buffer);
		EXPECT_EQ(0, held_in_the_end(self->watch, 0));
		EXPECT_VALID(self->watch, RESPOOL_TEST_POOL);
	}
	EXPECT_EQ(0, error);
	/* Who faults is not told. */
	if (variant->call != map_buffer)
		EXPECT_LT(0, failed);
	TH_LOG("%u points of failure, %u of which the call reported", nth - 2, failed);
}

FIXTURE(loading)
{
	unsigned int first;	/* of the failures that are ours, or a few before */
};

FIXTURE_VARIANT(loading)
{
	const char *module;
	const char *params;
	const char *refused;	/* parameters that it refuses at once */
	unsigned int last;	/* or, if there are none: so many failures at the end are ours */
	const char *made[2];	/* what is gone without it */
};

FIXTURE_VARIANT_ADD(loading, pools)
{
	.module = "respool",
	.params = "pools=a:4M,b:8M/nocache,c:1G@none",
	.refused = "pools=a:nonsense,b:nonsense,c:no",
	.made = { CLIENT_DEBUGFS, "/sys/module/respool" },
};

FIXTURE_VARIANT_ADD(loading, driver)
{
	.module = "respool_test",
	.params = "",
	.last = 120,
	.made = { RESPOOL_TEST_DEVICE, "/sys/module/respool_test" },
};

FIXTURE_VARIANT_ADD(loading, heaps)
{
	.module = "respool_heap",
	.params = "",
	.refused = "user_quota=nonsense",
	.made = { "/dev/dma_heap/a", "/sys/kernel/debug/respool_heap" },
};

FIXTURE_VARIANT_ADD(loading, named_heaps)
{
	.module = "respool_heap",
	.params = "pools=a,b",
	.refused = "user_quota=nonsense",
	.made = { "/dev/dma_heap/a", "/sys/kernel/debug/respool_heap" },
};

/* How many allocations the kernel makes to load a module with @params, which gives @error. */
static unsigned int points_of_loading(const char *module, const char *params, int error)
{
	unsigned int points;

	fail_nth(MANY);
	if (client_load(module, params) != error)
		abort();
	points = MANY - stop_failing();
	client_unload(module);
	return points;
}

/* What the kernel allocates before it asks us is what it does where we refuse at once. */
FIXTURE_SETUP(loading)
{
	static const char * const last_first[] = { "respool_heap", "respool_test", "respool" };
	unsigned int i = 0, before;

	USE_FAILURES();
	USE_POOLS("a:4M,b:4M/nocache,c:1G@none");
	do
		client_unload(last_first[i]);
	while (strcmp(last_first[i++], variant->module));
	if (variant->refused)
		before = points_of_loading(variant->module, variant->refused, -EINVAL) - 40;
	else
		before = points_of_loading(variant->module, variant->params, 0) - variant->last;
	ASSERT_GT(MANY, before);
	self->first = before + 1;
}

FIXTURE_TEARDOWN(loading)
{
	client_unload(variant->module);
}

TEST_F(loading, survives_one_failure_after_another)
{
	unsigned int nth, left = 0, failed = 0;
	int error = 0;

	for (nth = self->first; !left; nth++) {
		fail_nth(nth);
		error = client_load(variant->module, variant->params);
		left = stop_failing();
		failed += !!error;
		EXPECT_TRUE(!error || error == -ENOMEM || error == -EFAULT)
			TH_LOG("failure %u: %s", nth, strerror(-error));
		EXPECT_EQ(error ? -ENOENT : 0, client_unload(variant->module));
		EXPECT_EQ(-1, access(variant->made[0], F_OK));
		EXPECT_EQ(-1, access(variant->made[1], F_OK));
	}
	EXPECT_EQ(0, error);
	EXPECT_LT(0, failed);
	TH_LOG("%u points of failure, %u of which loading reported", nth - 1 - self->first, failed);
}

FIXTURE(told)
{
	int fd;
};

FIXTURE_SETUP(told)
{
	USE_FAILURES();
	USE_POOLS("main:16M");
	self->fd = client_open("main", NR_HANDLES);
	ASSERT_LE(0, self->fd);
	ASSERT_EQ(0, set(INJECT "fail_respool/verbose", "0"));
	ASSERT_EQ(0, set(INJECT "fail_respool/times", "-1"));
	ASSERT_EQ(0, set(INJECT "fail_respool/probability", "100"));
}

FIXTURE_TEARDOWN(told)
{
	EXPECT_EQ(0, set(INJECT "fail_respool/probability", "0"));
	EXPECT_EQ(0, run(self->fd, OP(ALLOC_PAGES), NULL));
	close(self->fd);
}

TEST_F(told, every_request_for_pages_fails_and_is_counted)
{
	const struct respool_test_op ask[] = {
		OP(ALLOC_PAGES), OP(ALLOC_PAGES, .size = 10), OP(ALLOC_EXACT, .size = 8),
		OP(ALLOC_EXACT, .size = 3), OP(ALLOC_REQUEST, .size = 5),
	};
	struct respool_test_many list = {
		.call = RESPOOL_TEST_ALLOC_LIST, .nr = 16, .size = 1000,
	};
	struct respool_test_pool_stats before = pool_stats(self->fd);
	int slab = client_slab(self->fd, "told");
	unsigned int i;

	ASSERT_LE(0, slab);
	for (i = 0; i < ARRAY_SIZE(ask); i++)
		EXPECT_EQ(-ENOMEM, run(self->fd, ask[i], NULL))
			TH_LOG("request %u", i);
	EXPECT_EQ(before.failures + ARRAY_SIZE(ask), pool_stats(self->fd).failures);
	EXPECT_EQ(-ENOMEM, run(self->fd, OP(ALLOC, .slab = slab, .size = 100), NULL));
	EXPECT_EQ(0, client_ioctl(self->fd, RESPOOL_TEST_IOC_MANY, &list));
	EXPECT_EQ(-ENOMEM, list.result);
	EXPECT_EQ(before.free_pages, pool_stats(self->fd).free_pages);
}

TEST_HARNESS_MAIN
