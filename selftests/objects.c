// SPDX-License-Identifier: GPL-2.0
/*
 * Object runs of a slab: a size of which there are very many blocks gets some,
 * its blocks are as good as any, every mistake with them is named, and what the
 * runs took goes back.
 */
#include <pthread.h>

#include "selftest.h"

#define PAGE		4096ULL
#define NR_HANDLES	200000
#define MANY		4000	/* of every size up to 1024 that is enough to be hot */
#define SIZE		64	/* has runs of one page */
#define WARM_PAGES	64	/* what a slab without blocks may keep, at most */
#define SLAB_DIR	CLIENT_DEBUGFS "/main/slabs/objects/"

#define CHECKED		RESPOOL_TEST_CHECK

/* A row of "objects". */
struct row {
	__u64 bytes, runs, live, cached, free;
};

FIXTURE(objects)
{
	int fd;
	int slab;
	int log;
	bool damaged;
	uint64_t random;
	struct respool_test_pool_stats before;
};

FIXTURE_SETUP(objects)
{
	USE_POOLS(CLIENT_DEFAULT_POOLS);
	self->fd = client_open("main", NR_HANDLES);
	ASSERT_LE(0, self->fd);
	self->before = settled_stats(self->fd);
	self->slab = client_slab(self->fd, "objects");
	ASSERT_EQ(0, self->slab);
	self->random = TEST_SEED();
	self->log = log_open();
	ASSERT_LE(0, self->log);
}

FIXTURE_TEARDOWN(objects)
{
	struct respool_test_slab_stats slab = slab_stats(self->fd, self->slab);
	int watch = client_open("main", 1);

	close(self->log);
	if (!self->damaged) {
		EXPECT_EQ(0, slab.live_blocks);
		EXPECT_EQ(0, slab.live_bytes);
		EXPECT_GE(1, slab.runs);
		EXPECT_GE(WARM_PAGES, slab.held_pages);
	}
	EXPECT_VALID(self->fd, self->slab);
	close(self->fd);
	EXPECT_LE(0, watch);
	EXPECT_EMPTY_AGAIN(watch, &self->before);
	close(watch);
}

#define EXPECT_BYTES_ADD_UP() do {						\
	struct respool_test_slab_stats __s = slab_stats(self->fd, self->slab);	\
										\
	EXPECT_EQ(__s.held_pages * PAGE,					\
		  __s.live_bytes + __s.cached_bytes + __s.free_bytes +		\
		  __s.overhead_bytes);						\
	EXPECT_EQ(__s.held_pages, pool_stats(self->fd).allocated_pages);	\
	EXPECT_LE(__s.held_pages, __s.peak_held_pages);				\
	EXPECT_LE(__s.live_bytes, __s.peak_live_bytes);				\
	EXPECT_EQ(__s.live_blocks, __s.allocations - __s.frees);		\
	EXPECT_EQ(__s.runs, __s.runs_taken - __s.runs_returned);		\
} while (0)

static int make(int fd, unsigned int handle, __u64 size, __u64 *phys)
{
	return run(fd, OP(ALLOC, .handle = handle, .size = size, .seed = handle,
			  .flags = CHECKED), phys);
}

static int move(int fd, unsigned int handle, __u64 size, __u64 *phys)
{
	return run(fd, OP(REALLOC, .handle = handle, .size = size, .seed = handle,
			  .flags = CHECKED), phys);
}

static int drop(int fd, unsigned int handle)
{
	return run(fd, OP(FREE, .handle = handle, .flags = CHECKED), NULL);
}

/* The same operation on handles 0..@n - 1, in any order; returns how many failed. */
static unsigned int run_many(int fd, struct respool_test_op op, unsigned int n, uint64_t *random)
{
	struct respool_test_op *ops = calloc(n, sizeof(*ops));
	unsigned int *handle = calloc(n, sizeof(*handle)), i;
	struct respool_test_batch batch = {};

	for (i = 0; i < n; i++)
		handle[i] = i;
	if (random)
		shuffle(handle, n, random);
	for (i = 0; i < n; i++) {
		ops[i] = op;
		ops[i].handle = handle[i];
		ops[i].seed = handle[i];
	}
	if (run_batch(fd, ops, n, &batch))
		batch.failed = ~0U;
	free(handle);
	free(ops);
	return batch.failed;
}

#define MAKE_MANY(n, bytes) \
	ASSERT_EQ(0, run_many(self->fd, OP(ALLOC, .size = (bytes), .flags = CHECKED), n, NULL))
#define DROP_MANY(n) \
	EXPECT_EQ(0, run_many(self->fd, OP(FREE, .flags = CHECKED), n, &self->random))

/* The row of objects of @bytes; all zero if there is none. */
static struct row row_of(__u64 bytes)
{
	static char text[1 << 16];
	char *line, *rest;
	struct row row;

	if (client_read_file(SLAB_DIR "objects", text, sizeof(text)) <= 0)
		abort();
	line = strtok_r(text, "\n", &rest);
	if (strcmp(line, "bytes runs live cached free"))
		abort();
	while ((line = strtok_r(NULL, "\n", &rest)))
		if (sscanf(line, "%llu %llu %llu %llu %llu", &row.bytes, &row.runs, &row.live,
			   &row.cached, &row.free) == 5 && row.bytes == bytes)
			return row;
	return (struct row){};
}

/*
 * Invert @bits of the byte @at of the run of @handle, an object of SIZE bytes.
 * Who then leaks that has the run go when the file is closed.
 */
static void damage(int fd, unsigned int handle, unsigned int at, unsigned int bits)
{
	__u64 phys = 0;
	int error;

	error = run(fd, OP(LOCATE, .handle = handle), &phys);
	error |= run(fd, OP(POKE, .handle = handle, .size = at - phys % PAGE, .seed = bits), NULL);
	if (error)
		abort();
}

TEST_F(objects, size_with_few_blocks_has_none)
{
	MAKE_MANY(200, SIZE);
	EXPECT_EQ(0, row_of(SIZE).runs);
	DROP_MANY(200);
}

TEST_F(objects, size_with_many_blocks_has_runs_without_headers)
{
	struct respool_test_slab_stats stats;
	struct row row;
	__u64 usable;

	MAKE_MANY(MANY, SIZE);
	row = row_of(SIZE);
	stats = slab_stats(self->fd, self->slab);
	EXPECT_LT(MANY * 3 / 4, row.live);
	EXPECT_GE(MANY, row.live);
	EXPECT_GE((MANY - row.live) * 80 + row.runs * PAGE + 16 * PAGE, stats.held_pages * PAGE);
	EXPECT_EQ(row.runs * ((PAGE - 64) / SIZE), row.live + row.cached + row.free);
	EXPECT_EQ(MANY, stats.live_blocks);
	ASSERT_EQ(0, run(self->fd, OP(USABLE, .handle = MANY - 1), &usable));
	EXPECT_EQ(SIZE, usable);
	EXPECT_BYTES_ADD_UP();
	EXPECT_VALID(self->fd, self->slab);
	DROP_MANY(MANY);
	EXPECT_EQ(0, row_of(SIZE).live);
	EXPECT_BYTES_ADD_UP();
}

/* Requests just above and below each bound between two classes, all at one time. */
TEST_F(objects, every_size_keeps_its_alignment_and_its_content)
{
	static const unsigned int sizes[] = {
		1, 8, 9, 16, 17, 24, 25, 32, 33, 48, 100, 128, 129, 256, 500, 512, 513, 1000,
		1024,
	};
	unsigned int i, n, first, object;
	__u64 phys, usable;

	for (i = 0, first = 0; i < ARRAY_SIZE(sizes); i++, first += n) {
		object = (sizes[i] + 15) / 16 * 16;
		n = 9 * 32768 / (sizes[i] < 100 ? 100 : sizes[i]) + 600;
		for (unsigned int j = first; j < first + n; j++) {
			ASSERT_EQ(0, make(self->fd, j, sizes[i], &phys));
			EXPECT_EQ(0, phys % 16);
		}
		ASSERT_EQ(0, run(self->fd, OP(USABLE, .handle = first + n - 1), &usable));
		/* Where a block has no more than 8 bytes beyond, it does as well. */
		if (sizes[i] > 8 && object - sizes[i] >= 8) {
			EXPECT_EQ(8, usable % 16);
			continue;
		}
		EXPECT_LT(0, row_of(object).live)
			TH_LOG("%u bytes", sizes[i]);
		EXPECT_EQ(object, usable);
	}
	EXPECT_BYTES_ADD_UP();
	EXPECT_VALID(self->fd, self->slab);
	DROP_MANY(first);
}

TEST_F(objects, size_stays_hot_until_it_was_of_no_use)
{
	MAKE_MANY(MANY, SIZE);
	DROP_MANY(MANY);
	EXPECT_EQ(0, row_of(SIZE).live);
	/* It had many runs: the next one is an object again. */
	ASSERT_EQ(0, make(self->fd, 0, SIZE, NULL));
	EXPECT_EQ(1, row_of(SIZE).live);
	/* And then had but one. */
	ASSERT_EQ(0, drop(self->fd, 0));
	MAKE_MANY(100, 300);
	DROP_MANY(100);
	ASSERT_EQ(0, run_many(self->fd, OP(ALLOC, .size = 2000, .flags = CHECKED), 100, NULL));
	DROP_MANY(100);
	EXPECT_EQ(0, row_of(SIZE).runs);
	ASSERT_EQ(0, make(self->fd, 0, SIZE, NULL));
	EXPECT_EQ(0, row_of(SIZE).runs);
	ASSERT_EQ(0, drop(self->fd, 0));
}

/* The last handle is an object; those are too young to be returned by chance. */
#define OBJECT	(MANY - 1)

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

static __u64 refused(int fd, int slab, const char *kind)
{
	struct respool_test_slab_stats stats = slab_stats(fd, slab);
	int i;

	for (i = 0; i < RESPOOL_TEST_NR_REFUSALS; i++)
		if (!strcmp(client_refusal_names[i], kind))
			return stats.refusals[i];
	abort();
}

TEST_F(objects, every_mistake_is_named)
{
	int other = client_slab(self->fd, "other");
	struct respool_test_slab_stats before, after;
	unsigned int i;

	MAKE_MANY(MANY, SIZE);
	before = slab_stats(self->fd, self->slab);
	for (i = 1; i < SIZE; i++)
		EXPECT_EQ(-EINVAL, MISTAKE(FREE, OFFSET, OBJECT, self->slab, i));
	EXPECT_EQ(-ENOMEM, MISTAKE(REALLOC, OFFSET, OBJECT, self->slab, 16));
	EXPECT_EQ(0, MISTAKE(USABLE, OFFSET, OBJECT, self->slab, 16));
	EXPECT_EQ(SIZE + 1, refused(self->fd, self->slab, "interior"));
	EXPECT_EQ(-EXDEV, MISTAKE(FREE, SLAB, OBJECT, other, 0));
	EXPECT_EQ(-ENOMEM, MISTAKE(REALLOC, SLAB, OBJECT, other, 0));
	EXPECT_EQ(2, refused(self->fd, other, "wrong_slab"));
	after = slab_stats(self->fd, self->slab);
	EXPECT_EQ(before.live_blocks, after.live_blocks);
	EXPECT_EQ(before.frees, after.frees);
	EXPECT_EQ(-EALREADY, MISTAKE(FREE, FREED, OBJECT, self->slab, 0));
	EXPECT_EQ(-ENOMEM, MISTAKE(REALLOC, FREED, OBJECT - 1, self->slab, 0));
	EXPECT_EQ(0, MISTAKE(USABLE, FREED, OBJECT - 2, self->slab, 0));
	EXPECT_EQ(3, refused(self->fd, self->slab, "double_free"));
	EXPECT_EQ(before.live_blocks - 3, slab_stats(self->fd, self->slab).live_blocks);
	EXPECT_VALID(self->fd, self->slab);
	DROP_MANY(MANY - 3);
}

TEST_F(objects, of_cpus_that_free_one_object_together_one_succeeds)
{
	unsigned int round, handle = OBJECT;
	__u64 accepted;

	MAKE_MANY(MANY, SIZE);
	for (round = 0; round < 300; round++) {
		ASSERT_EQ(0, run(self->fd, OP(FREE_RACE, .handle = handle), &accepted));
		ASSERT_EQ(1, accepted);
		ASSERT_EQ(0, make(self->fd, handle, SIZE, NULL));
	}
	EXPECT_EQ(300 * (sysconf(_SC_NPROCESSORS_ONLN) - 1),
		  refused(self->fd, self->slab, "double_free"));
	EXPECT_BYTES_ADD_UP();
	DROP_MANY(MANY);
}

TEST_F(objects, realloc_moves_between_objects_and_blocks)
{
	struct respool_test_slab_stats before, after;
	__u64 phys, same;

	MAKE_MANY(MANY, SIZE);
	before = slab_stats(self->fd, self->slab);
	ASSERT_EQ(0, run(self->fd, OP(LOCATE, .handle = OBJECT), &phys));
	ASSERT_EQ(0, move(self->fd, OBJECT, SIZE - 9, &same));
	EXPECT_EQ(phys, same);
	ASSERT_EQ(0, move(self->fd, OBJECT, SIZE / 2, &same));
	EXPECT_EQ(phys, same);
	ASSERT_EQ(0, move(self->fd, OBJECT, SIZE / 2 - 1, &same));
	EXPECT_NE(phys, same);
	ASSERT_EQ(0, move(self->fd, OBJECT, SIZE, NULL));
	ASSERT_EQ(0, move(self->fd, OBJECT, 5000, NULL));
	ASSERT_EQ(0, move(self->fd, OBJECT, 100000, NULL));
	ASSERT_EQ(0, move(self->fd, OBJECT, SIZE, NULL));
	after = slab_stats(self->fd, self->slab);
	EXPECT_EQ(before.live_blocks, after.live_blocks);
	EXPECT_EQ(7, after.reallocs);
	EXPECT_EQ(before.allocations, after.allocations);
	EXPECT_BYTES_ADD_UP();
	EXPECT_VALID(self->fd, self->slab);
	DROP_MANY(MANY);
}

TEST_F(objects, zeroed_object_has_no_trace_of_its_last_user)
{
	unsigned int i;

	MAKE_MANY(MANY, SIZE);
	for (i = MANY / 2; i < MANY; i++)
		ASSERT_EQ(0, drop(self->fd, i));
	for (i = MANY / 2; i < MANY; i++) {
		ASSERT_EQ(0, run(self->fd, OP(ALLOC, .handle = i, .size = SIZE - 1,
					      .flags = RESPOOL_TEST_ZERO), NULL));
		EXPECT_EQ(0, run(self->fd, OP(VERIFY_ZERO, .handle = i), NULL));
		ASSERT_EQ(0, run(self->fd, OP(FREE, .handle = i), NULL));
	}
	DROP_MANY(MANY / 2);
}

/* Until the pool has no page left, and then blocks and objects until nothing is. */
TEST_F(objects, slab_grows_until_the_pool_is_full_and_shrinks_back)
{
	unsigned int n = NR_HANDLES - run_many(self->fd, OP(ALLOC, .size = 510, .flags = CHECKED),
					       NR_HANDLES, NULL);
	struct respool_test_slab_stats stats = slab_stats(self->fd, self->slab);

	EXPECT_GT(NR_HANDLES, n);
	EXPECT_EQ(n, stats.live_blocks);
	EXPECT_LT(self->before.pages * PAGE * 95 / 100, stats.live_bytes);
	EXPECT_LE(self->before.pages - 8, stats.held_pages);
	EXPECT_BYTES_ADD_UP();
	EXPECT_VALID(self->fd, self->slab);
	/* A block that cannot move may stay larger than it need be. */
	EXPECT_EQ(0, move(self->fd, n - 1, 8, NULL));
	DROP_MANY(n);
}

/* Whatever byte of the first word is changed, its run goes and the others stay. */
TEST_F(objects, damaged_run_goes_out_of_service_and_others_go_on)
{
	static const unsigned int offsets[] = { 0, 3, 7 };
	unsigned int round, i, lost = 0;
	struct respool_test_slab_stats stats;
	char why[120];
	int error;

	self->damaged = true;
	MAKE_MANY(MANY, SIZE);
	for (round = 0; round < ARRAY_SIZE(offsets); round++) {
		unsigned int handle = MANY - 1 - 200 * round;

		damage(self->fd, handle, offsets[round], 0x10);
		EXPECT_EQ(-EUCLEAN, client_validate(self->fd, self->slab, why));
		EXPECT_NE(NULL, strstr(why, "header is damaged"));
		EXPECT_EQ(-EUCLEAN, run(self->fd, OP(FREE, .handle = handle), NULL));
		EXPECT_VALID(self->fd, self->slab);
		EXPECT_EQ(round + 1, refused(self->fd, self->slab, "corrupt"));
		EXPECT_EQ(0, run(self->fd, OP(LEAK, .handle = handle), NULL));
	}
	stats = slab_stats(self->fd, self->slab);
	EXPECT_EQ(stats.held_pages * PAGE, stats.live_bytes + stats.cached_bytes +
					   stats.free_bytes + stats.overhead_bytes);
	for (i = 0; i < MANY; i++) {
		error = drop(self->fd, i);
		lost += !!error;
		/* What was leaked is the driver's. */
		if (error && error != -ENOENT)
			EXPECT_EQ(-EUCLEAN, error);
	}
	EXPECT_LE(3, lost);
	EXPECT_GE(3 * ((PAGE - 64) / SIZE), lost);
	EXPECT_EQ(0, slab_stats(self->fd, self->slab).live_blocks);
}

/* A free bit that is not covered by the sum is not believed by who takes from the run. */
TEST_F(objects, damaged_run_is_not_taken_from)
{
	struct respool_test_slab_stats stats;
	unsigned int i, lost = 0;

	self->damaged = true;
	MAKE_MANY(MANY, SIZE);
	/* More than a magazine has room for: some are back in their runs. */
	for (i = MANY - 200; i < MANY - 1; i++)
		ASSERT_EQ(0, drop(self->fd, i));
	damage(self->fd, MANY - 1, 40, 1);
	for (i = MANY - 200; i < MANY - 1; i++)
		ASSERT_EQ(0, make(self->fd, i, SIZE, NULL));
	EXPECT_EQ(1, refused(self->fd, self->slab, "corrupt"));
	EXPECT_EQ(0, run(self->fd, OP(LEAK, .handle = MANY - 1), NULL));
	EXPECT_VALID(self->fd, self->slab);
	stats = slab_stats(self->fd, self->slab);
	EXPECT_EQ(stats.held_pages * PAGE, stats.live_bytes + stats.cached_bytes +
					   stats.free_bytes + stats.overhead_bytes);
	for (i = 0; i < MANY; i++)
		lost += !!drop(self->fd, i);
	EXPECT_LE(1, lost);
	EXPECT_GE((PAGE - 64) / SIZE, lost);
	EXPECT_EQ(0, slab_stats(self->fd, self->slab).live_blocks);
}

/* Threads that share handles: who allocates is rarely who frees */

#define SHARED		8000	/* handles; half of that is enough to be hot */
#define ROUNDS		20000

struct thread {
	pthread_t id;
	int fd;
	unsigned int cpu;
	uint64_t random;
	int error;
};

static void *exchange(void *arg)
{
	static const unsigned int flags[] = { 0, 0, 0, RESPOOL_TEST_IN_IRQ,
					      RESPOOL_TEST_IRQS_OFF };
	struct thread *t = arg;
	unsigned int i, handle, how;

	t->error = client_move_to(t->cpu);
	for (i = 0; i < ROUNDS && !t->error; i++) {
		handle = random_below(&t->random, SHARED);
		how = CHECKED | flags[random_below(&t->random, ARRAY_SIZE(flags))];
		t->error = run(t->fd, OP(ALLOC, .handle = handle, .size = SIZE, .seed = handle,
					 .flags = how), NULL);
		if (t->error == -EEXIST)
			t->error = run(t->fd, OP(FREE, .handle = handle, .flags = how), NULL);
		/* Another thread was quicker with this handle. */
		if (t->error == -EBUSY || t->error == -ENOENT)
			t->error = 0;
	}
	return NULL;
}

TEST_F(objects, cpus_free_what_others_allocated)
{
	unsigned int cpus = sysconf(_SC_NPROCESSORS_ONLN), i;
	struct thread thread[64];
	int error;

	MAKE_MANY(SHARED / 2, SIZE);
	EXPECT_LT(0, row_of(SIZE).live);
	cpus = cpus < ARRAY_SIZE(thread) ? cpus : ARRAY_SIZE(thread);
	for (i = 0; i < cpus; i++) {
		thread[i] = (struct thread){ .fd = self->fd, .cpu = i,
					     .random = next_random(&self->random) };
		ASSERT_EQ(0, pthread_create(&thread[i].id, NULL, exchange, &thread[i]));
	}
	for (i = 0; i < cpus; i++) {
		pthread_join(thread[i].id, NULL);
		EXPECT_EQ(0, thread[i].error);
	}
	EXPECT_BYTES_ADD_UP();
	EXPECT_VALID(self->fd, self->slab);
	for (i = 0; i < SHARED; i++) {
		error = drop(self->fd, i);
		if (error != -ENOENT)
			EXPECT_EQ(0, error);
	}
	EXPECT_EQ(0, row_of(SIZE).live);
}

TEST_F(objects, those_still_held_are_named_when_the_slab_ends)
{
	int fd = client_open("main", MANY);
	unsigned int i;

	ASSERT_EQ(0, client_slab(fd, "leaky"));
	ASSERT_EQ(0, run_many(fd, OP(ALLOC, .size = SIZE, .flags = CHECKED), MANY, NULL));
	ASSERT_EQ(0, run(fd, OP(LEAK, .handle = OBJECT), NULL));
	for (i = 0; i < OBJECT; i++)
		ASSERT_EQ(0, drop(fd, i));
	close(fd);
	EXPECT_EQ(1, log_count(self->log, "slab leaky: leak: destroyed with",
			       "1 blocks of 64 bytes still live"));
}

TEST_F(objects, damage_is_told_in_one_line)
{
	self->damaged = true;
	MAKE_MANY(MANY, SIZE);
	damage(self->fd, OBJECT, 0, 0x10);
	EXPECT_EQ(-EUCLEAN, run(self->fd, OP(FREE, .handle = OBJECT), NULL));
	EXPECT_EQ(1, log_count(self->log, "slab objects: damaged at offset",
			       "4096 bytes in 1 runs out of service"));
	EXPECT_EQ(0, run(self->fd, OP(LEAK, .handle = OBJECT), NULL));
	run_many(self->fd, OP(FREE, .flags = CHECKED), OBJECT, NULL);
}

TEST_HARNESS_MAIN
