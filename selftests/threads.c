// SPDX-License-Identifier: GPL-2.0
/*
 * Several CPUs on one pool and one slab. All threads draw from one table of
 * handles, so that they free and move each other's blocks; every block holds
 * its own pattern, which whoever frees it verifies.
 */
#include <pthread.h>
#include <stdatomic.h>

#include "selftest.h"

#define PAGE		4096ULL
#define NR_HANDLES	400
#define ROUNDS		10000
#define MAX_THREADS	8

enum task { USE_PAGES, USE_BYTES, USE_BOTH, READ_STATS, VALIDATE };

struct thread {
	pthread_t id;
	enum task task;
	int fd;
	int slab;
	uint64_t random;
	unsigned int flags;
	unsigned int served;
	char failure[160];
};

static atomic_bool stop;

FIXTURE(threads)
{
	int fd;
	int slab;
	unsigned int nr_threads;
	struct thread thread[MAX_THREADS];
	struct respool_test_pool_stats before;
};

FIXTURE_SETUP(threads)
{
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);

	USE_POOLS(CLIENT_DEFAULT_POOLS);
	self->fd = client_open("main", NR_HANDLES);
	ASSERT_LE(0, self->fd);
	self->before = settled_stats(self->fd);
	self->slab = client_slab(self->fd, "threads");
	ASSERT_EQ(0, self->slab);
	self->nr_threads = cpus < 4 ? 4 : cpus > MAX_THREADS ? MAX_THREADS : cpus;
}

FIXTURE_TEARDOWN(threads)
{
	int watch = client_open("main", 1);
	unsigned int handle;
	int error;

	for (handle = 0; handle < NR_HANDLES; handle++) {
		error = run(self->fd, OP(FREE, .handle = handle, .flags = RESPOOL_TEST_CHECK),
			    NULL);
		if (error != -ENOENT)
			EXPECT_EQ(0, error);
	}
	EXPECT_EQ(0, slab_stats(self->fd, self->slab).live_blocks);
	EXPECT_VALID(self->fd, self->slab);
	close(self->fd);
	EXPECT_LE(0, watch);
	EXPECT_EMPTY_AGAIN(watch, &self->before);
	close(watch);
}

static int use_once(struct thread *t)
{
	unsigned int handle = random_below(&t->random, NR_HANDLES);
	unsigned int flags = RESPOOL_TEST_CHECK | (next_random(&t->random) & t->flags);
	__u64 bytes = 1 + (next_random(&t->random) >> (46 + random_below(&t->random, 18)));
	bool pages = t->task == USE_PAGES || (t->task == USE_BOTH && handle % 2);
	int error;

	if (pages)
		error = run(t->fd, OP(ALLOC_PAGES, .handle = handle, .flags = flags,
				      .size = random_below(&t->random, 5),
				      .seed = next_random(&t->random)), NULL);
	else
		error = run(t->fd, OP(ALLOC, .handle = handle, .flags = flags, .slab = t->slab,
				      .size = bytes, .seed = next_random(&t->random)), NULL);
	if (error == -EEXIST && !pages && random_below(&t->random, 2))
		error = run(t->fd, OP(REALLOC, .handle = handle, .flags = flags, .size = bytes,
				      .seed = next_random(&t->random)), NULL);
	else if (error == -EEXIST)
		error = run(t->fd, OP(FREE, .handle = handle,
				      .flags = flags & ~RESPOOL_TEST_ZERO), NULL);
	t->served += !error;
	/* Another thread was quicker with this handle. */
	return error == -EBUSY || error == -ENOENT ? 0 : error;
}

/*
 * Every snapshot adds up, whenever it is taken. A realloc on the move counts
 * neither as an allocation nor as a free, but has two live blocks meanwhile.
 */
static bool stats_add_up(int fd, int slab)
{
	struct respool_test_pool_stats p = pool_stats(fd);
	struct respool_test_slab_stats s = slab_stats(fd, slab);
	__u64 free = 0, allocated = 0;
	unsigned int order;

	for (order = 0; order < RESPOOL_TEST_NR_ORDERS; order++) {
		free += p.order[order].free_blocks << order;
		allocated += p.order[order].allocated_blocks << order;
	}
	return p.free_pages == free && p.allocated_pages == allocated &&
	       p.pages == p.free_pages + p.allocated_pages + p.cached_pages &&
	       s.held_pages * PAGE ==
			s.live_bytes + s.cached_bytes + s.free_bytes + s.overhead_bytes &&
	       s.live_blocks - (s.allocations - s.frees) <= MAX_THREADS;
}

static void watch(struct thread *t)
{
	char why[120];

	while (!stop && !*t->failure) {
		if (t->task == READ_STATS && !stats_add_up(t->fd, t->slab))
			snprintf(t->failure, sizeof(t->failure), "statistics do not add up");
		if (t->task == VALIDATE && (client_validate(t->fd, RESPOOL_TEST_POOL, why) ||
					    client_validate(t->fd, t->slab, why)))
			snprintf(t->failure, sizeof(t->failure), "validate: %s", why);
		t->served++;
		usleep(1000);
	}
}

static void *thread_main(void *arg)
{
	struct thread *t = arg;
	int error = 0;
	unsigned int i;

	if (t->task == READ_STATS || t->task == VALIDATE) {
		watch(t);
		return NULL;
	}
	for (i = 0; i < ROUNDS && !error; i++)
		error = use_once(t);
	if (error)
		snprintf(t->failure, sizeof(t->failure), "round %u: %s", i, strerror(-error));
	return NULL;
}

/* Run all users to their end, then the watchers, and see that all went well. */
#define RUN_THREADS() do {							\
	unsigned int __i;							\
										\
	stop = false;								\
	for (__i = 0; __i < self->nr_threads; __i++)				\
		ASSERT_EQ(0, pthread_create(&self->thread[__i].id, NULL,	\
					    thread_main, &self->thread[__i]));	\
	for (__i = 0; __i < self->nr_threads; __i++)				\
		if (self->thread[__i].task < READ_STATS)			\
			pthread_join(self->thread[__i].id, NULL);		\
	stop = true;								\
	for (__i = 0; __i < self->nr_threads; __i++) {				\
		if (self->thread[__i].task >= READ_STATS)			\
			pthread_join(self->thread[__i].id, NULL);		\
		EXPECT_STREQ("", self->thread[__i].failure);			\
		EXPECT_LT(0, self->thread[__i].served);				\
	}									\
} while (0)

#define SET_TASKS(what, may) do {						\
	uint64_t __random = TEST_SEED();					\
	unsigned int __i;							\
										\
	for (__i = 0; __i < self->nr_threads; __i++)				\
		self->thread[__i] = (struct thread){				\
			.task = (what), .fd = self->fd, .slab = self->slab,	\
			.random = next_random(&__random), .flags = (may),	\
		};								\
} while (0)

TEST_F(threads, pages_are_handed_out_to_one_at_a_time)
{
	SET_TASKS(USE_PAGES, 0);
	RUN_THREADS();
	EXPECT_VALID(self->fd, RESPOOL_TEST_POOL);
}

TEST_F(threads, bytes_are_handed_out_to_one_at_a_time)
{
	SET_TASKS(USE_BYTES, 0);
	RUN_THREADS();
	EXPECT_VALID(self->fd, self->slab);
}

TEST_F(threads, interrupts_share_a_pool_and_a_slab_with_tasks)
{
	SET_TASKS(USE_BOTH, RESPOOL_TEST_IN_IRQ);
	RUN_THREADS();
	EXPECT_VALID(self->fd, self->slab);
}

TEST_F(threads, snapshots_add_up_and_invariants_hold_meanwhile)
{
	SET_TASKS(USE_BOTH, 0);
	self->thread[0].task = READ_STATS;
	self->thread[1].task = VALIDATE;
	RUN_THREADS();
}

TEST_F(threads, zeroed_blocks_are_zero_under_contention)
{
	SET_TASKS(USE_BOTH, RESPOOL_TEST_ZERO);
	RUN_THREADS();
}

/* Each thread has a file, hence an account, of its own. */
TEST_F(threads, several_accounts_use_one_pool)
{
	unsigned int i;

	SET_TASKS(USE_PAGES, 0);
	for (i = 0; i < self->nr_threads; i++) {
		self->thread[i].fd = client_open("main", NR_HANDLES);
		ASSERT_LE(0, self->thread[i].fd);
	}
	RUN_THREADS();
	EXPECT_VALID(self->fd, RESPOOL_TEST_POOL);
	for (i = 0; i < self->nr_threads; i++)
		close(self->thread[i].fd);
	EXPECT_EQ(0, pool_stats(self->fd).allocated_pages);
}

TEST_HARNESS_MAIN
