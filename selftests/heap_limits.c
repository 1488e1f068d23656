// SPDX-License-Identifier: GPL-2.0
/*
 * Who may have how many user buffers, and for how long: quotas, the memory lock
 * limit, waiting for memory, revocation; which pools get a node.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>
#include <time.h>

#include "buffers.h"

#define NOBODY		65534
#define NR_WRITERS	3

FIXTURE(heap_limits)
{
	int fd;
	int watch;	/* also holds pages as a driver would */
	struct respool_test_pool_stats before;
};

FIXTURE_VARIANT(heap_limits)
{
	const char *pools;
	bool no_struct_pages;
};

FIXTURE_VARIANT_ADD(heap_limits, system_memory)
{
	.pools = "main:16M",
};

FIXTURE_VARIANT_ADD(heap_limits, reserved_region)
{
	.pools = "main:16M@0x10000000",
};

FIXTURE_VARIANT_ADD(heap_limits, reserved_region_not_aligned)
{
	.pools = "main:16388K@0x10007000", .no_struct_pages = true,
};

FIXTURE_SETUP(heap_limits)
{
	int error;

	USE_HEAP(variant->pools, "");
	error = client_load("respool_importer", "");
	ASSERT_TRUE(!error || error == -EEXIST);
	self->fd = open(NODE, O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, self->fd);
	self->watch = client_open("main", 8192);
	ASSERT_LE(0, self->watch);
	self->before = settled_stats(self->watch);
}

FIXTURE_TEARDOWN(heap_limits)
{
	close(self->fd);
	EXPECT_EQ(0, held_in_the_end(self->watch, 0));
	EXPECT_EMPTY_AGAIN(self->watch, &self->before);
	close(self->watch);
	EXPECT_EQ(0, heap_unload());
	EXPECT_EQ(0, client_unload("respool_importer"));
}

static uint64_t held(int watch)
{
	return pool_stats(watch).allocated_pages;
}

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec + ts.tv_nsec / 1e9;
}

static int set_limit(const char *name, const char *value)
{
	char path[128];

	snprintf(path, sizeof(path), HEAP_SYSFS "%s", name);
	return write_file(path, value);
}

/* Quotas */

TEST_F(heap_limits, a_file_holds_no_more_than_its_quota)
{
	int first, second, other = open(NODE, O_RDWR | O_CLOEXEC);

	ASSERT_EQ(0, set_limit("file_quota", "1M"));
	EXPECT_EQ(-EDQUOT, heap_alloc(self->fd, MIB + 1));
	first = heap_alloc(self->fd, MIB - PAGE);
	ASSERT_LE(0, first);
	EXPECT_EQ(-EDQUOT, heap_alloc(self->fd, PAGE + 1));
	second = heap_alloc(self->fd, PAGE);
	ASSERT_LE(0, second);
	EXPECT_EQ(-EDQUOT, heap_alloc(self->fd, 1));
	/* It is the file's, not the user's. */
	close(first);
	first = heap_alloc(other, MIB);
	ASSERT_LE(0, first);
	EXPECT_EQ(-EDQUOT, heap_alloc(other, 1));
	close(first);
	close(other);
	first = heap_alloc(self->fd, MIB - PAGE);
	EXPECT_LE(0, first);
	close(first);
	close(second);
}

/* A buffer counts while it lives, whether or not the node it came from is still open. */
TEST_F(heap_limits, a_user_holds_no_more_than_a_quota_of_each_pool)
{
	int first, second, other = open(NODE, O_RDWR | O_CLOEXEC);

	ASSERT_EQ(0, set_limit("user_quota", "0x200000"));
	first = heap_alloc(self->fd, MIB);
	second = heap_alloc(other, MIB);
	ASSERT_LE(0, first);
	ASSERT_LE(0, second);
	close(other);
	EXPECT_EQ(-EDQUOT, heap_alloc(self->fd, 1));
	close(second);
	second = heap_alloc(self->fd, MIB);
	EXPECT_LE(0, second);
	/* More than the pool has is another matter. */
	EXPECT_EQ(-ENOMEM, heap_alloc(self->fd, 32 * MIB));
	ASSERT_EQ(0, set_limit("user_quota", "0"));
	EXPECT_EQ(-ENOMEM, heap_alloc(self->fd, 15 * MIB));
	close(first);
	close(second);
}

TEST_F(heap_limits, a_quota_is_a_number_of_bytes)
{
	char text[32];

	EXPECT_EQ(-EINVAL, set_limit("user_quota", "lots"));
	EXPECT_EQ(-EINVAL, set_limit("user_quota", "1M2"));
	EXPECT_EQ(-EINVAL, set_limit("file_quota", "\n"));
	EXPECT_EQ(0, set_limit("file_quota", "3K\n"));
	EXPECT_EQ(-EDQUOT, heap_alloc(self->fd, 1));
	ASSERT_LT(0, client_read_file(HEAP_SYSFS "file_quota", text, sizeof(text)));
	EXPECT_STREQ("3072\n", text);
	EXPECT_EQ(-EINVAL, set_limit("wait_ms", "1K"));
	EXPECT_EQ(-ERANGE, set_limit("wait_ms", "4294967296"));
}

/* As nobody, with 16 pages that may be locked; 0 or the step that went wrong. */
static int without_privileges(void)
{
	struct rlimit limit = { 16 * PAGE, 16 * PAGE };
	int heap, other, first, second;
	pid_t child;

	if (setrlimit(RLIMIT_MEMLOCK, &limit) || setgid(NOBODY) || setuid(NOBODY))
		return 1;
	heap = open(NODE, O_RDWR);
	other = open(NODE, O_RDWR);
	if (heap_alloc(heap, 17 * PAGE) != -EDQUOT)
		return 2;
	first = heap_alloc(heap, 15 * PAGE);
	second = heap_alloc(other, PAGE);
	if (first < 0 || second < 0)
		return 3;
	if (heap_alloc(other, PAGE) != -EDQUOT)
		return 4;
	child = fork();			/* another process of the same user */
	if (!child)
		_exit(heap_alloc(open(NODE, O_RDWR), PAGE) != -EDQUOT);
	if (ended(child))
		return 5;
	close(first);
	return heap_alloc(heap, 15 * PAGE) < 0 ? 6 : 0;
}

TEST_F(heap_limits, the_unprivileged_lock_no_more_than_they_may)
{
	int buffer;
	pid_t child;

	ASSERT_EQ(0, chmod(NODE, 0666));
	child = fork();
	if (!child)
		_exit(without_privileges());
	EXPECT_EQ(0, ended(child));
	EXPECT_EQ(0, held_in_the_end(self->watch, 0));
	child = fork();			/* nothing stays charged */
	if (!child)
		_exit(without_privileges());
	EXPECT_EQ(0, ended(child));
	buffer = heap_alloc(self->fd, 8 * MIB);
	EXPECT_LE(0, buffer);
	close(buffer);
}

/* Waiting */

/* Hold all of the pool, as a driver. */
static unsigned int hold_all(int fd)
{
	unsigned int n;

	for (n = 0; !run(fd, OP(ALLOC_PAGES, .handle = n, .size = 0), NULL); n++)
		;
	return n;
}

static void let_go(int fd, unsigned int n)
{
	while (n--)
		run(fd, OP(FREE, .handle = n), NULL);
}

TEST_F(heap_limits, an_allocation_waits_as_long_as_it_is_told)
{
	int flags = fcntl(self->fd, F_GETFL), buffer;
	unsigned int n = hold_all(self->watch);
	double start;

	start = now();
	EXPECT_EQ(-ENOMEM, heap_alloc(self->fd, PAGE));
	EXPECT_GT(0.2, now() - start);
	ASSERT_EQ(0, set_limit("wait_ms", "300"));
	start = now();
	EXPECT_EQ(-ENOMEM, heap_alloc(self->fd, PAGE));
	/* In ticks, which may be late when it begins. */
	EXPECT_LE(0.25, now() - start);
	start = now();
	ASSERT_EQ(0, fcntl(self->fd, F_SETFL, flags | O_NONBLOCK));
	EXPECT_EQ(-ENOMEM, heap_alloc(self->fd, PAGE));
	EXPECT_GT(0.2, now() - start);
	let_go(self->watch, n);
	buffer = heap_alloc(self->fd, MIB);
	EXPECT_LE(0, buffer);
	close(buffer);
}

TEST_F(heap_limits, it_goes_on_when_memory_comes_back)
{
	unsigned int n, i, nr;
	size_t lens[MAX_REST];
	int rest[MAX_REST];
	pid_t child;

	/* From another of the pool's clients, then from buffers of ours. */
	for (i = 0; i < 2; i++) {
		n = i ? 0 : hold_all(self->watch);
		nr = i ? take_rest(self->fd, rest, lens) : 0;
		EXPECT_EQ(self->before.pages, held(self->watch));
		ASSERT_EQ(0, set_limit("wait_ms", "60000"));
		child = fork();
		if (!child) {
			close_rest(rest, nr);
			_exit(heap_alloc(self->fd, MIB) < 0);
		}
		client_await_sleep(child);
		EXPECT_EQ(0, waitpid(child, NULL, WNOHANG));
		let_go(self->watch, n);
		close_rest(rest, nr);
		EXPECT_EQ(0, ended(child));
		ASSERT_EQ(0, set_limit("wait_ms", "0"));
	}
}

static void on_signal(int sig)
{
}

TEST_F(heap_limits, a_signal_ends_the_wait)
{
	struct sigaction action = { .sa_handler = on_signal };
	unsigned int n = hold_all(self->watch);
	pid_t child;

	ASSERT_EQ(0, set_limit("wait_ms", "60000"));
	child = fork();
	if (!child) {
		sigaction(SIGUSR1, &action, NULL);
		_exit(heap_alloc(self->fd, MIB) == -EINTR ? 0 : 1);
	}
	client_await_sleep(child);
	kill(child, SIGUSR1);
	EXPECT_EQ(0, ended(child));
	let_go(self->watch, n);
}

TEST_F(heap_limits, the_node_is_readable_while_there_is_enough)
{
	struct pollfd pollfd = { .fd = self->fd, .events = POLLIN };
	unsigned int n;
	pid_t child;
	int buffer;

	EXPECT_EQ(1, poll(&pollfd, 1, 0));
	n = hold_all(self->watch);
	EXPECT_EQ(-ENOMEM, heap_alloc(self->fd, MIB));
	EXPECT_EQ(0, poll(&pollfd, 1, 100));
	/* A page is not what was wanted. */
	let_go(self->watch, 1);
	EXPECT_EQ(0, poll(&pollfd, 1, 100));
	ASSERT_EQ(0, run(self->watch, OP(ALLOC_PAGES, .handle = 0, .size = 0), NULL));
	child = fork();
	if (!child) {
		usleep(300000);
		let_go(self->watch, n);
		_exit(0);
	}
	EXPECT_EQ(1, poll(&pollfd, 1, 60000));
	EXPECT_EQ(POLLIN, pollfd.revents);
	EXPECT_EQ(0, ended(child));
	buffer = heap_alloc(self->fd, MIB);
	EXPECT_LE(0, buffer);
	close(buffer);
}

/* That takes more than one step. */
TEST_F(heap_limits, large_buffers_are_cleared_to_their_ends)
{
	int rest[MAX_REST], round;
	size_t lens[MAX_REST];
	unsigned int nr, n;
	unsigned char *map;

	for (round = 0; round < 2; round++) {
		nr = take_rest(self->fd, rest, lens);
		EXPECT_EQ(self->before.pages, held(self->watch));
		EXPECT_LT(2 * HUGE, lens[0]);
		for (n = 0; n < nr; n++) {
			map = map_shared(rest[n], lens[n]);
			EXPECT_EQ(lens[n], first_nonzero(map, lens[n]));
			memset(map, 0xa5, lens[n]);
			munmap(map, lens[n]);
		}
		close_rest(rest, nr);
	}
}

/* What was to be cleared is given back by who was killed meanwhile. */
TEST_F(heap_limits, a_task_killed_while_it_gets_a_buffer_leaves_nothing)
{
	size_t len = self->before.pages * PAGE - PAGE;
	unsigned int i;
	pid_t child;

	for (i = 0; i < 20; i++) {
		child = fork();
		while (!child)
			close(heap_alloc(self->fd, len));
		usleep(1000 * (20 + i));
		kill(child, SIGKILL);
		EXPECT_EQ(-SIGKILL, ended(child));
		EXPECT_EQ(0, held_in_the_end(self->watch, 0));
	}
}

/* Revocation */

static sigjmp_buf bus_error;

static void on_bus_error(int sig)
{
	siglongjmp(bus_error, 1);
}

/* Whether a byte can be read. */
static bool readable(const volatile unsigned char *addr)
{
	struct sigaction action = { .sa_handler = on_bus_error }, old;
	bool yes = false;

	sigaction(SIGBUS, &action, &old);
	if (!sigsetjmp(bus_error, 1)) {
		(void)*addr;
		yes = true;
	}
	sigaction(SIGBUS, &old, NULL);
	return yes;
}

TEST_F(heap_limits, a_revoked_buffer_is_out_of_reach)
{
	int buffer = heap_alloc(self->fd, HUGE + PAGE), stays = heap_alloc(self->fd, PAGE);
	unsigned char *map, *touched;

	ASSERT_LE(0, buffer);
	map = map_shared(buffer, HUGE + PAGE);
	touched = map_shared(stays, PAGE);
	touched[0] = 1;
	map[0] = 1;			/* the last page has not been touched */
	EXPECT_EQ(-ENOENT, heap_revoke(1));
	EXPECT_EQ(-ENOENT, heap_revoke(buffer_number(self->fd)));
	EXPECT_TRUE(readable(map));
	ASSERT_EQ(0, heap_revoke(buffer_number(buffer)));
	EXPECT_EQ(1, held(self->watch));
	EXPECT_FALSE(readable(map));
	EXPECT_FALSE(readable(map + HUGE));
	EXPECT_TRUE(readable(touched));
	EXPECT_EQ(MAP_FAILED, (void *)map_shared(buffer, PAGE));
	EXPECT_EQ(ENODEV, errno);
	EXPECT_EQ(-ENODEV, buffer_sync(buffer, DMA_BUF_SYNC_START | DMA_BUF_SYNC_RW));
	EXPECT_EQ(variant->no_struct_pages ? -EOPNOTSUPP : -ENODEV, import(buffer, IMPORTER_PLAIN));
	EXPECT_EQ(-ENOENT, heap_revoke(buffer_number(buffer)));
	munmap(map, HUGE + PAGE);
	munmap(touched, PAGE);
	close(buffer);
	close(stays);
}

static unsigned char *target;

/* Write until the end. */
static void write_on(bool *started)
{
	volatile unsigned char *c = target;
	unsigned int i;

	for (i = 0;; i = (i + 64) % HUGE) {
		c[i]++;
		if (i == PAGE)
			__atomic_store_n(started, true, __ATOMIC_RELAXED);
	}
}

TEST_F(heap_limits, revocation_stops_who_writes_just_then)
{
	int buffer = heap_alloc(self->fd, HUGE), rest[MAX_REST], i, round;
	unsigned char *map[MAX_REST];
	size_t lens[MAX_REST];
	pid_t child[NR_WRITERS];
	unsigned int nr, n;
	bool *started;

	for (round = 0; round < 5; round++) {
		if (round)
			buffer = heap_alloc(self->fd, HUGE);
		ASSERT_LE(0, buffer);
		target = map_shared(buffer, HUGE);
		started = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
			       0);
		for (i = 0; i < NR_WRITERS; i++) {
			child[i] = fork();
			if (!child[i])
				write_on(&started[i]);
		}
		for (i = 0; i < NR_WRITERS; i++)
			while (!__atomic_load_n(&started[i], __ATOMIC_RELAXED))
				usleep(1000);
		ASSERT_EQ(0, heap_revoke(buffer_number(buffer)));
		/* A writer that dies of it already has pages until its mappings are gone. */
		EXPECT_EQ(0, held_in_the_end(self->watch, 0));
		/* Whoever has the pages now has them alone. */
		nr = take_rest(self->fd, rest, lens);
		EXPECT_EQ(self->before.pages, held(self->watch));
		for (n = 0; n < nr; n++) {
			map[n] = map_shared(rest[n], lens[n]);
			EXPECT_EQ(lens[n], first_nonzero(map[n], lens[n]));
		}
		for (i = 0; i < NR_WRITERS; i++)
			EXPECT_EQ(-SIGBUS, ended(child[i]));
		for (n = 0; n < nr; n++) {
			EXPECT_EQ(lens[n], first_nonzero(map[n], lens[n]));
			munmap(map[n], lens[n]);
		}
		close_rest(rest, nr);
		munmap(target, HUGE);
		munmap(started, PAGE);
		close(buffer);
	}
}

TEST_F(heap_limits, importers_are_told_and_keep_the_pages_until_they_let_go)
{
	int buffer, importer[2], i;
	struct importer_access access = { .offset = 3 * PAGE, .value = 1 };
	struct importer_map map;

	if (variant->no_struct_pages)
		return;
	buffer = heap_alloc(self->fd, 9 * PAGE);
	ASSERT_LE(0, buffer);
	for (i = 0; i < 2; i++) {
		importer[i] = import(buffer, i);
		ASSERT_LE(0, importer[i]);
		ASSERT_EQ(0, client_ioctl(importer[i], IMPORTER_MAP, &map));
	}
	ASSERT_EQ(0, client_ioctl(importer[0], IMPORTER_VMAP, NULL));
	EXPECT_EQ(0, ioctl(importer[1], IMPORTER_TOLD));
	ASSERT_EQ(0, heap_revoke(buffer_number(buffer)));
	EXPECT_EQ(0, ioctl(importer[0], IMPORTER_TOLD));
	EXPECT_EQ(1, ioctl(importer[1], IMPORTER_TOLD));
	EXPECT_NE(NULL, strstr(owner_row(buffer_number(buffer)), " revoked "));
	EXPECT_EQ(9, held(self->watch));
	EXPECT_EQ(0, client_ioctl(importer[1], IMPORTER_DETACH, NULL));
	EXPECT_EQ(0, client_ioctl(importer[0], IMPORTER_UNMAP, NULL));
	EXPECT_EQ(-ENODEV, client_ioctl(importer[0], IMPORTER_MAP, &map));
	usleep(100000);
	EXPECT_EQ(9, held(self->watch));
	EXPECT_EQ(0, client_ioctl(importer[0], IMPORTER_VUNMAP, NULL));
	EXPECT_EQ(0, held_in_the_end(self->watch, 0));
	EXPECT_STREQ("", owner_row(buffer_number(buffer)));
	/* There is nothing to map for the kernel, which that must not stumble over. */
	EXPECT_EQ(0, client_ioctl(importer[0], IMPORTER_VMAP, NULL));
	EXPECT_EQ(-ENODEV, client_ioctl(importer[0], IMPORTER_ACCESS, &access));
	EXPECT_EQ(0, client_ioctl(importer[0], IMPORTER_VUNMAP, NULL));
	for (i = 0; i < 2; i++)
		close(importer[i]);
	close(buffer);
}

/* What was under way goes on, with the pages it had, and nobody else gets those. */
TEST_F(heap_limits, what_refers_to_pages_keeps_those_of_a_revoked_buffer)
{
	int buffer = heap_alloc(self->fd, 3 * PAGE), rest[MAX_REST], out[2];
	uint64_t words[PAGE / 8];
	size_t lens[MAX_REST], i;
	unsigned char *map;
	struct iovec iov;
	unsigned int nr;

	if (variant->no_struct_pages) {
		close(buffer);
		return;
	}
	ASSERT_LE(0, buffer);
	ASSERT_EQ(0, pipe(out));
	map = map_shared(buffer, 3 * PAGE);
	fill(map, 3 * PAGE, 81);
	iov = (struct iovec){ map + PAGE, PAGE };
	ASSERT_EQ(PAGE, vmsplice(out[1], &iov, 1, 0));
	ASSERT_EQ(0, heap_revoke(buffer_number(buffer)));
	EXPECT_FALSE(readable(map + PAGE));
	EXPECT_NE(NULL, strstr(owner_row(buffer_number(buffer)), " revoked "));
	nr = take_rest(self->fd, rest, lens);
	for (i = 0; i < nr; i++) {
		unsigned char *other = map_shared(rest[i], lens[i]);

		memset(other, 0xee, lens[i]);
		munmap(other, lens[i]);
	}
	close_rest(rest, nr);
	EXPECT_EQ(3, held(self->watch));
	ASSERT_EQ(PAGE, read(out[0], words, PAGE));
	for (i = 0; i < ARRAY_SIZE(words); i++)
		ASSERT_EQ(word_of(81, PAGE / 8 + i), words[i]);
	EXPECT_EQ(0, held_in_the_end(self->watch, 0));
	munmap(map, 3 * PAGE);
	close(buffer);
	close(out[0]);
	close(out[1]);
}

/* An importer that does not let go of its lock holds up who revokes, and nobody else. */
TEST_F(heap_limits, a_stuck_importer_stops_nobody_else)
{
	int buffer, other, importer[2], i;
	struct importer_map map;
	pid_t stuck, revoker;

	if (variant->no_struct_pages)
		return;
	buffer = heap_alloc(self->fd, 5 * PAGE);
	other = heap_alloc(self->fd, 3 * PAGE);
	for (i = 0; i < 2; i++) {
		importer[i] = import(buffer, i);
		ASSERT_LE(0, importer[i]);
	}
	ASSERT_EQ(0, client_ioctl(importer[1], IMPORTER_MAP, &map));	/* it stays for a while */
	stuck = fork();
	if (!stuck)
		_exit(ioctl(importer[0], IMPORTER_STICK));
	while (ioctl(importer[1], IMPORTER_STUCK) != 1)
		usleep(1000);
	for (i = 0; i < 2; i++) {
		revoker = fork();
		if (!revoker)
			_exit(heap_revoke(buffer_number(buffer)) != 0);
		while (!strstr(owner_row(buffer_number(buffer)), " revoked "))
			usleep(1000);
		usleep(100000);
		EXPECT_EQ(0, waitpid(revoker, NULL, WNOHANG));
		EXPECT_EQ(0, ioctl(importer[1], IMPORTER_TOLD));
		/* Once it gives up, once it gets its turn. */
		if (i)
			break;
		kill(revoker, SIGKILL);
		EXPECT_EQ(-SIGKILL, ended(revoker));
	}
	EXPECT_EQ(0, heap_revoke(buffer_number(other)));
	close(other);
	other = heap_alloc(self->fd, MIB);
	EXPECT_LE(0, other);
	close(other);
	kill(stuck, SIGKILL);
	EXPECT_EQ(-SIGKILL, ended(stuck));
	EXPECT_EQ(0, ended(revoker));
	EXPECT_EQ(1, ioctl(importer[1], IMPORTER_TOLD));
	for (i = 0; i < 2; i++)
		close(importer[i]);
	close(buffer);
}

/* Nodes */

FIXTURE(nodes)
{
	int log;
};

FIXTURE_SETUP(nodes)
{
	USE_POOLS("one:4M,two:4M,none:4M@none");
	client_unload("respool_heap");
	self->log = log_open();
}

FIXTURE_TEARDOWN(nodes)
{
	int error = client_unload("respool_heap");

	EXPECT_TRUE(!error || error == -ENOENT);
	close(self->log);
}

static bool there(const char *pool)
{
	char path[64];
	struct stat stat_;

	snprintf(path, sizeof(path), "/dev/dma_heap/%s", pool);
	return !stat(path, &stat_) && S_ISCHR(stat_.st_mode) && (stat_.st_mode & 0777) == 0600 &&
	       !stat_.st_uid;
}

TEST_F(nodes, each_pool_with_memory_has_one_for_root_alone)
{
	ASSERT_EQ(0, client_load("respool_heap", ""));
	EXPECT_TRUE(there("one"));
	EXPECT_TRUE(there("two"));
	EXPECT_FALSE(there("none"));
	ASSERT_EQ(0, client_unload("respool_heap"));
	EXPECT_FALSE(there("one"));
}

TEST_F(nodes, only_the_pools_named_have_one)
{
	ASSERT_EQ(0, client_load("respool_heap", "pools=two"));
	EXPECT_FALSE(there("one"));
	EXPECT_TRUE(there("two"));
}

/* All pools begin with the same, and each has its own from then on. */
TEST_F(nodes, each_pool_has_its_own_quota)
{
	int one, two, buffer;

	ASSERT_EQ(0, client_load("respool_heap", "user_quota=1M"));
	one = open("/dev/dma_heap/one", O_RDWR | O_CLOEXEC);
	two = open("/dev/dma_heap/two", O_RDWR | O_CLOEXEC);
	EXPECT_EQ(-EDQUOT, heap_alloc(one, MIB + PAGE));
	EXPECT_EQ(-EDQUOT, heap_alloc(two, MIB + PAGE));
	ASSERT_EQ(0, write_file("/sys/class/misc/respool_heap-two/user_quota", "2M"));
	EXPECT_EQ(-EDQUOT, heap_alloc(one, MIB + PAGE));
	buffer = heap_alloc(two, 2 * MIB);
	EXPECT_LE(0, buffer);
	EXPECT_EQ(-EDQUOT, heap_alloc(two, 1));
	/* What is held of one does not count for the other. */
	close(buffer);
	buffer = heap_alloc(one, MIB);
	EXPECT_LE(0, buffer);
	close(buffer);
	close(one);
	close(two);
}

TEST_F(nodes, what_is_named_wrongly_is_refused_as_a_whole)
{
	EXPECT_EQ(-ENOENT, client_load("respool_heap", "pools=one,three"));
	EXPECT_EQ(1, log_count(self->log, "'three' refused", "no such pool"));
	EXPECT_EQ(-EINVAL, client_load("respool_heap", "pools=none"));
	EXPECT_EQ(1, log_count(self->log, "'none' refused", "without memory"));
	EXPECT_EQ(-ENOENT, client_load("respool_heap", "pools=one,"));
	EXPECT_EQ(-EEXIST, client_load("respool_heap", "pools=one,one"));
	EXPECT_EQ(-EINVAL, client_load("respool_heap", "user_quota=many"));
	EXPECT_FALSE(there("one"));
	EXPECT_EQ(-1, access("/sys/kernel/debug/respool_heap", F_OK));
}

/* A child that does something again and again until it is killed or that is true. */
static pid_t again_and_again(bool (*something)(void))
{
	pid_t child = fork();

	if (child)
		return child;
	while (!something())
		;
	_exit(1);
}

static bool opens_a_node(void)
{
	return open("/dev/dma_heap/one", O_RDWR | O_CLOEXEC) >= 0;
}

static bool revokes(void)
{
	return !write_file("/sys/class/misc/respool_heap-one/revoke", "1");
}

/* For a load that fails nobody can keep the module from going. */
TEST_F(nodes, nobody_has_opened_one_when_loading_fails)
{
	unsigned int i;
	pid_t child;

	child = again_and_again(opens_a_node);
	for (i = 0; i < 50; i++)
		EXPECT_EQ(-ENOENT, client_load("respool_heap", "pools=one,two,three"));
	kill(child, SIGKILL);
	EXPECT_EQ(-SIGKILL, ended(child));
}

/* A file in sysfs is no use of the module: unloading has to wait for it. */
TEST_F(nodes, unloading_waits_for_who_revokes)
{
	unsigned int i;
	pid_t child;

	child = again_and_again(revokes);
	for (i = 0; i < 50; i++) {
		ASSERT_EQ(0, client_load("respool_heap", ""));
		usleep(1000);
		EXPECT_EQ(0, client_unload("respool_heap"));
	}
	kill(child, SIGKILL);
	EXPECT_EQ(-SIGKILL, ended(child));
}

/* The kernel's own heaps are in the same directory. */
TEST_F(nodes, a_name_that_is_taken_is_refused)
{
	mkdir("/dev/dma_heap", 0755);
	ASSERT_EQ(0, mknod("/dev/dma_heap/two", S_IFCHR | 0600, makedev(1, 3)));
	EXPECT_EQ(-EEXIST, client_load("respool_heap", ""));
	EXPECT_EQ(1, log_count(self->log, "heap two refused", "dma_heap/two"));
	EXPECT_FALSE(there("one"));
	unlink("/dev/dma_heap/two");
	EXPECT_EQ(0, client_load("respool_heap", ""));
}

/* Where there are some, they and ours go on beside each other. */
TEST(a_name_of_the_kernels_own_heap_is_refused)
{
	const char *node = "/dev/dma_heap/system";
	int fd, log, buffer;

	if (access(node, F_OK))
		return;			/* this kernel has none */
	USE_POOLS("main:4M,system:4M");
	client_unload("respool_heap");
	log = log_open();
	EXPECT_EQ(-EEXIST, client_load("respool_heap", ""));
	EXPECT_EQ(1, log_count(log, "heap system refused", "dma_heap/system"));
	close(log);
	EXPECT_EQ(-1, access(NODE, F_OK));
	ASSERT_EQ(0, client_load("respool_heap", "pools=main"));
	EXPECT_EQ(0, access(NODE, F_OK));
	fd = open(node, O_RDWR | O_CLOEXEC);
	buffer = heap_alloc(fd, 3 * PAGE);
	EXPECT_LE(0, buffer);
	close(buffer);
	close(fd);
	EXPECT_EQ(0, client_unload("respool_heap"));
	/* And its node has not gone with ours. */
	EXPECT_EQ(0, access(node, F_OK));
}

TEST_HARNESS_MAIN
