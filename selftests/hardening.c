// SPDX-License-Identifier: GPL-2.0
/*
 * Memory that is overwritten: each kind of damage is found, counted once and
 * named in the log, what is damaged is taken out of service, and everything
 * else goes on. The cases are those of the kernel's own slub_kunit and more.
 */
#include <pthread.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "selftest.h"

#define PAGE		4096ULL
#define NR_HANDLES	4000
#define FIRST_BLOCK	48	/* of a run begins behind the headers of both */
#define WALL		10	/* handle of a page */

/* Indexes into refusals[], by enum respool_refusal. */
enum { DOUBLE_FREE = 0, CORRUPT = 9, REDZONE = 10, POISON = 11 };

#define NO_MAGAZINES	RESPOOL_TEST_SLAB_NO_MAGAZINES
#define ALL_DEBUG	(RESPOOL_TEST_SLAB_REDZONE | RESPOOL_TEST_SLAB_POISON |	\
			 RESPOOL_TEST_SLAB_STACKS | RESPOOL_TEST_SLAB_QUARANTINE)
#define CHECKED		RESPOOL_TEST_CHECK
#define STALE		RESPOOL_TEST_STALE

/* More than may wait in the quarantine: what is there leaves when this is freed. */
#define PASSES_THROUGH	(2 * 1024 * 1024ULL)

static int make(int fd, unsigned int handle, __u64 size)
{
	return run(fd, OP(ALLOC, .handle = handle, .size = size, .seed = handle,
			  .flags = CHECKED), NULL);
}

static int drop(int fd, unsigned int handle)
{
	return run(fd, OP(FREE, .handle = handle, .flags = CHECKED), NULL);
}

/* Change one byte, at an offset from the start of a block, live or stale. */
static int poke(int fd, unsigned int handle, long offset, unsigned int flags)
{
	return run(fd, OP(POKE, .handle = handle, .size = offset, .seed = 0xff, .flags = flags),
		   NULL);
}

static int free_again(int fd, unsigned int handle)
{
	struct respool_test_misuse misuse = {
		.call = RESPOOL_TEST_CALL_FREE,
		.mistake = RESPOOL_TEST_FREED,
		.handle = handle,
	};

	return client_ioctl(fd, RESPOOL_TEST_IOC_MISUSE, &misuse) ?: misuse.result;
}

/*
 * The pool is found and left whole. What a test did to a slab shows when the
 * slab is gone, with the file.
 */
#define SETUP(slab_name, flags) do {						\
	USE_POOLS(CLIENT_DEFAULT_POOLS);					\
	self->watch = client_open("main", 1);					\
	ASSERT_LE(0, self->watch);						\
	self->before = settled_stats(self->watch);				\
	self->log = log_open();							\
	ASSERT_LE(0, self->log);						\
	self->fd = client_open("main", NR_HANDLES);				\
	ASSERT_LE(0, self->fd);							\
	ASSERT_EQ(0, client_slab_with(self->fd, slab_name, 0, flags));		\
} while (0)

#define TEARDOWN() do {								\
	if (self->fd >= 0)							\
		close(self->fd);						\
	EXPECT_EMPTY_AGAIN(self->watch, &self->before);				\
	close(self->watch);							\
	close(self->log);							\
} while (0)

/* What was logged since the test began, a record a line. */
static char text[256 * 1024];

static void read_log(int log)
{
	size_t len = strlen(text);
	char record[1024];
	ssize_t n;

	while ((n = read(log, record, sizeof(record) - 1)) > 0 && len + n < sizeof(text)) {
		memcpy(text + len, record, n);
		len += n;
		text[len] = '\0';
	}
}

static unsigned int count_lines(const char *slab, const char *words)
{
	unsigned int n = 0;
	char *line, *next;

	for (line = text; (next = strchr(line, '\n')); line = next + 1) {
		*next = '\0';
		n += strstr(line, slab) && strstr(line, words);
		*next = '\n';
	}
	return n;
}

#define EXPECT_LINES(n, slab, words) do {					\
	read_log(self->log);							\
	EXPECT_EQ(n, count_lines("slab " slab ": ", words))			\
		TH_LOG("%s", words);						\
} while (0)

/*
 * Several CPUs find damage in one slab at one time, which none but its own block
 * suffers from.
 */

#define PROCESSES	4
#define TIMES		25
#define RUN_OF_ITS_OWN	(20 * PAGE - 200)

/* Handles of each process: one a damaged block, which is not to be used again, and two. */
#define OWN(process, i)		((process) * (TIMES + 2) + (i))

FIXTURE(together)
{
	int fd;
	int log;
	int watch;
	struct respool_test_pool_stats before;
};

/* In step, all of a round is damaged before anybody meets it; else one looks while others write. */
FIXTURE_VARIANT(together)
{
	unsigned int flags;
	bool in_step;
};

FIXTURE_VARIANT_ADD(together, magazines) { .flags = 0 };
FIXTURE_VARIANT_ADD(together, no_magazines) { .flags = NO_MAGAZINES };
FIXTURE_VARIANT_ADD(together, magazines_in_step) { .flags = 0, .in_step = true };
FIXTURE_VARIANT_ADD(together, no_magazines_in_step) { .flags = NO_MAGAZINES, .in_step = true };

FIXTURE_SETUP(together)
{
	SETUP("together", variant->flags);
}

FIXTURE_TEARDOWN(together)
{
	TEARDOWN();
}

/* Whether a damaged block cannot be freed; then it is nobody's. */
static bool is_refused(int fd, unsigned int handle)
{
	return run(fd, OP(FREE, .handle = handle), NULL) == -EUCLEAN &&
	       !run(fd, OP(LEAK, .handle = handle), NULL);
}

/* Whether each damaged block was refused and the others were served. */
static bool only_damaged_blocks_are_refused(int fd, int process, pthread_barrier_t *all,
					    bool in_step)
{
	unsigned int large = OWN(process, TIMES), small = large + 1, victim;

	if (client_move_to(process % sysconf(_SC_NPROCESSORS_ONLN)))
		return false;
	for (victim = OWN(process, 0); victim < large; victim++) {
		if (make(fd, victim, RUN_OF_ITS_OWN) || make(fd, large, RUN_OF_ITS_OWN) ||
		    make(fd, small, 200))
			return false;
		if (in_step)
			pthread_barrier_wait(all);
		if (poke(fd, victim, -8, 0))
			return false;
		if (in_step)
			pthread_barrier_wait(all);
		if (!is_refused(fd, victim) || drop(fd, large) || drop(fd, small))
			return false;
	}
	return true;
}

TEST_F(together, each_damage_is_found_and_reaches_nobody_else)
{
	pthread_barrier_t *all = mmap(NULL, sizeof(*all), PROT_READ | PROT_WRITE,
				      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct respool_test_slab_stats stats;
	pthread_barrierattr_t shared;
	unsigned int i;
	int status;

	ASSERT_NE(MAP_FAILED, (void *)all);
	pthread_barrierattr_init(&shared);
	pthread_barrierattr_setpshared(&shared, PTHREAD_PROCESS_SHARED);
	ASSERT_EQ(0, pthread_barrier_init(all, &shared, PROCESSES));
	for (i = 0; i < PROCESSES; i++)
		if (!fork())
			_exit(!only_damaged_blocks_are_refused(self->fd, i, all,
							       variant->in_step));
	for (i = 0; i < PROCESSES; i++) {
		ASSERT_LT(0, wait(&status));
		EXPECT_EQ(0, status);
	}
	stats = slab_stats(self->fd, 0);
	EXPECT_EQ(PROCESSES * TIMES, stats.failures);
	/* A call that finds damage before the one that met it takes it away may count it, too. */
	EXPECT_LE(PROCESSES * TIMES, stats.refusals[CORRUPT]);
	EXPECT_GE(2 * PROCESSES * TIMES, stats.refusals[CORRUPT]);
	EXPECT_EQ(stats.held_pages * PAGE, stats.live_bytes + stats.cached_bytes +
		  stats.free_bytes + stats.overhead_bytes);
	EXPECT_VALID(self->fd, 0);
	EXPECT_VALID(self->fd, RESPOOL_TEST_POOL);
	EXPECT_LINES(1, "together", "refused corrupt");
}

/*
 * The allocator's own data, without debugging. Handles 0..4 are blocks side by
 * side at the start of one run. The page behind that is taken, so it cannot grow,
 * and 5 is in another run.
 */
FIXTURE(core)
{
	int fd;
	int log;
	int watch;
	struct respool_test_pool_stats before;
};

FIXTURE_SETUP(core)
{
	unsigned int i;
	__u64 end;

	SETUP("core", NO_MAGAZINES);
	for (i = 0; i < 5; i++)
		ASSERT_EQ(0, make(self->fd, i, 200));
	ASSERT_EQ(1, slab_stats(self->fd, 0).runs);
	ASSERT_EQ(0, run(self->fd, OP(LOCATE, .handle = 0), &end));
	ASSERT_EQ(FIRST_BLOCK, end % PAGE);
	end += slab_stats(self->fd, 0).held_pages * PAGE - FIRST_BLOCK;
	ASSERT_EQ(0, run(self->fd, OP(ALLOC_REQUEST, .handle = WALL, .size = 1, .first = end,
				      .last = end + PAGE - 1), NULL));
	ASSERT_EQ(0, make(self->fd, 5, 20000));
	ASSERT_EQ(2, slab_stats(self->fd, 0).runs);
	ASSERT_EQ(0, slab_stats(self->fd, 0).refusals[CORRUPT]);
}

FIXTURE_TEARDOWN(core)
{
	TEARDOWN();
}

/*
 * The damage was found by one call; the log has a line that says so, one that
 * says what it cost, and the blocks around it. The damaged run is out of
 * service, the other one goes on.
 */
#define EXPECT_RUN_OUT_OF_SERVICE() do {					\
	struct respool_test_slab_stats __stats = slab_stats(self->fd, 0);	\
										\
	EXPECT_EQ(1, __stats.refusals[CORRUPT]);				\
	EXPECT_EQ(__stats.held_pages * PAGE, __stats.live_bytes +		\
		  __stats.free_bytes + __stats.overhead_bytes);			\
	EXPECT_VALID(self->fd, 0);						\
	EXPECT_VALID(self->fd, RESPOOL_TEST_POOL);				\
	EXPECT_LINES(1, "core", "refused corrupt");				\
	EXPECT_LINES(1, "core", "bytes in 1 runs out of service");		\
	EXPECT_LINES(1, "core", "blocks around offset");			\
	EXPECT_LINES(1, "core", ": >");						\
	EXPECT_EQ(0, run(self->fd, OP(LEAK, .handle = 0), NULL));		\
	EXPECT_EQ(-EUCLEAN, run(self->fd, OP(FREE, .handle = 3), NULL));	\
	EXPECT_EQ(0, drop(self->fd, 5));					\
	EXPECT_EQ(0, make(self->fd, 6, 200));					\
	EXPECT_EQ(0, drop(self->fd, 6));					\
	EXPECT_LINES(1, "core", "refused corrupt");				\
} while (0)

TEST_F(core, clobbered_header_is_found_when_its_block_is_freed)
{
	ASSERT_EQ(0, poke(self->fd, 1, -8, 0));
	EXPECT_EQ(-EUCLEAN, run(self->fd, OP(FREE, .handle = 1), NULL));
	EXPECT_RUN_OUT_OF_SERVICE();
	EXPECT_LINES(1, "core", "damaged block");
}

TEST_F(core, write_just_in_front_of_a_block_is_found_when_it_is_freed)
{
	ASSERT_EQ(0, poke(self->fd, 2, -1, 0));
	EXPECT_EQ(-EUCLEAN, run(self->fd, OP(FREE, .handle = 2), NULL));
	EXPECT_RUN_OUT_OF_SERVICE();
}

TEST_F(core, write_just_behind_a_block_is_found_when_it_is_freed)
{
	__u64 usable;

	ASSERT_EQ(0, run(self->fd, OP(USABLE, .handle = 1), &usable));
	ASSERT_EQ(0, poke(self->fd, 1, usable, 0));
	EXPECT_EQ(-EUCLEAN, run(self->fd, OP(FREE, .handle = 1), NULL));
	EXPECT_RUN_OUT_OF_SERVICE();
}

TEST_F(core, clobbered_footer_is_found_when_the_block_behind_is_freed)
{
	__u64 usable;

	ASSERT_EQ(0, run(self->fd, OP(USABLE, .handle = 1), &usable));
	ASSERT_EQ(0, poke(self->fd, 1, usable - 1, STALE));
	EXPECT_EQ(-EUCLEAN, run(self->fd, OP(FREE, .handle = 2), NULL));
	EXPECT_RUN_OUT_OF_SERVICE();
}

/* The call that meets it is served from elsewhere. */
TEST_F(core, clobbered_next_link_is_found_when_the_block_would_be_given)
{
	ASSERT_EQ(0, poke(self->fd, 1, 7, STALE));
	EXPECT_EQ(0, make(self->fd, 1, 200));
	EXPECT_EQ(0, drop(self->fd, 1));
	EXPECT_RUN_OUT_OF_SERVICE();
}

TEST_F(core, clobbered_previous_link_is_found_when_a_neighbour_is_freed)
{
	ASSERT_EQ(0, poke(self->fd, 1, 15, STALE));
	EXPECT_EQ(-EUCLEAN, run(self->fd, OP(FREE, .handle = 2), NULL));
	EXPECT_RUN_OUT_OF_SERVICE();
}

TEST_F(core, clobbered_run_header_is_found_when_the_run_would_go_back)
{
	unsigned int i;

	ASSERT_EQ(0, poke(self->fd, 0, 8 - FIRST_BLOCK, 0));
	for (i = 1; i < 5; i++)
		EXPECT_EQ(0, drop(self->fd, i));
	EXPECT_EQ(0, slab_stats(self->fd, 0).refusals[CORRUPT]);
	EXPECT_EQ(-EUCLEAN, run(self->fd, OP(FREE, .handle = 0), NULL));
	EXPECT_EQ(1, slab_stats(self->fd, 0).refusals[CORRUPT]);
	EXPECT_LINES(1, "core", "refused corrupt");
	EXPECT_VALID(self->fd, 0);
	EXPECT_EQ(0, drop(self->fd, 5));
	EXPECT_EQ(0, run(self->fd, OP(LEAK, .handle = 0), NULL));
}

TEST_F(core, damage_is_seen_by_validate_before_any_call_meets_it)
{
	char why[120];

	ASSERT_EQ(0, poke(self->fd, 1, -8, 0));
	EXPECT_EQ(-EUCLEAN, client_validate(self->fd, 0, why));
	EXPECT_NE(NULL, strstr(why, "header"));
	EXPECT_EQ(0, slab_stats(self->fd, 0).refusals[CORRUPT]);
	ASSERT_EQ(0, poke(self->fd, 1, -8, 0));
	EXPECT_VALID(self->fd, 0);
}

TEST_F(core, blocks_still_held_are_named_when_the_slab_is_destroyed)
{
	unsigned int i;

	for (i = 1; i < 6; i++)
		ASSERT_EQ(0, drop(self->fd, i));
	EXPECT_EQ(0, run(self->fd, OP(LEAK, .handle = 0), NULL));
	close(self->fd);
	self->fd = -1;
	EXPECT_LINES(1, "core", "leak: destroyed with 1 blocks of 200 bytes");
	EXPECT_LINES(1, "core", "still live: 200 bytes at offset");
}

/* With debugging, all of it. */
FIXTURE(debug)
{
	int fd;
	int log;
	int watch;
	struct respool_test_pool_stats before;
};

FIXTURE_SETUP(debug)
{
	SETUP("debug", ALL_DEBUG);
}

FIXTURE_TEARDOWN(debug)
{
	TEARDOWN();
}

/* No kind of finding but this one, so many times. */
#define EXPECT_FOUND(kind, times) do {						\
	struct respool_test_slab_stats __stats = slab_stats(self->fd, 0);	\
	unsigned int __i;							\
										\
	for (__i = 0; __i < RESPOOL_TEST_NR_REFUSALS; __i++)			\
		EXPECT_EQ(__i == (kind) ? (times) : 0, __stats.refusals[__i])	\
			TH_LOG("kind %u", __i);					\
} while (0)

/* Blocks work, and those that a test freed leave the quarantine. */
#define EXPECT_GOES_ON() do {							\
	EXPECT_EQ(0, make(self->fd, 100, 100));					\
	EXPECT_EQ(0, drop(self->fd, 100));					\
	EXPECT_EQ(0, make(self->fd, 100, PASSES_THROUGH));			\
	EXPECT_EQ(0, drop(self->fd, 100));					\
	EXPECT_EQ(0, slab_stats(self->fd, 0).quarantined_blocks);		\
	EXPECT_EQ(0, slab_stats(self->fd, 0).live_blocks);			\
	EXPECT_VALID(self->fd, 0);						\
	EXPECT_VALID(self->fd, RESPOOL_TEST_POOL);				\
} while (0)

TEST_F(debug, usable_size_is_what_was_asked_for)
{
	__u64 size, usable;

	for (size = 1; size < 3 * PAGE; size += 7) {
		ASSERT_EQ(0, make(self->fd, 0, size));
		ASSERT_EQ(0, run(self->fd, OP(USABLE), &usable));
		EXPECT_EQ(size, usable);
		ASSERT_EQ(0, drop(self->fd, 0));
	}
	EXPECT_FOUND(0, 0);
}

TEST_F(debug, byte_written_behind_a_block_is_found_when_it_is_freed)
{
	ASSERT_EQ(0, make(self->fd, 0, 100));
	ASSERT_EQ(0, poke(self->fd, 0, 100, 0));
	EXPECT_EQ(0, run(self->fd, OP(FREE, .handle = 0), NULL));
	EXPECT_FOUND(REDZONE, 1);
	EXPECT_LINES(1, "debug", "found redzone: the red zone");
	EXPECT_LINES(1, "debug", "byte 100 is 44, not bb");
	EXPECT_LINES(1, "debug", "allocated by task");
	EXPECT_LINES(1, "debug", "blocks around offset");
	EXPECT_GOES_ON();
	EXPECT_FOUND(REDZONE, 1);
}

TEST_F(debug, second_finding_of_a_kind_is_only_counted)
{
	unsigned int i;

	for (i = 0; i < 3; i++) {
		ASSERT_EQ(0, make(self->fd, 0, 100));
		ASSERT_EQ(0, poke(self->fd, 0, 104, 0));
		EXPECT_EQ(0, run(self->fd, OP(FREE, .handle = 0), NULL));
		EXPECT_FOUND(REDZONE, i + 1);
	}
	EXPECT_LINES(1, "debug", "found redzone");
}

/* 100 bytes and what debugging takes are cut as 296, the last 176 a record. */
TEST_F(debug, write_far_behind_a_block_is_found_when_it_is_freed)
{
	ASSERT_EQ(0, make(self->fd, 0, 100));
	ASSERT_EQ(0, poke(self->fd, 0, 296 - 176 + 20, 0));
	EXPECT_EQ(0, run(self->fd, OP(FREE, .handle = 0), NULL));
	EXPECT_FOUND(REDZONE, 1);
	EXPECT_LINES(1, "debug", "found redzone: what is behind the red zone");
	EXPECT_GOES_ON();
}

TEST_F(debug, byte_written_behind_a_block_is_found_when_it_is_moved)
{
	ASSERT_EQ(0, make(self->fd, 0, 100));
	ASSERT_EQ(0, poke(self->fd, 0, 100, 0));
	EXPECT_EQ(0, run(self->fd, OP(REALLOC, .handle = 0, .size = 120, .flags = CHECKED), NULL));
	EXPECT_FOUND(REDZONE, 1);
	EXPECT_EQ(0, run(self->fd, OP(FREE, .handle = 0), NULL));
	EXPECT_GOES_ON();
}

TEST_F(debug, overwritten_red_zone_is_seen_by_validate)
{
	char why[120];

	ASSERT_EQ(0, make(self->fd, 0, 100));
	ASSERT_EQ(0, poke(self->fd, 0, 101, 0));
	EXPECT_EQ(-EUCLEAN, client_validate(self->fd, 0, why));
	EXPECT_NE(NULL, strstr(why, "a red zone is overwritten"));
	ASSERT_EQ(0, poke(self->fd, 0, 101, 0));
	EXPECT_EQ(0, drop(self->fd, 0));
	EXPECT_FOUND(0, 0);
}

static const long stale_offsets[] = { 0, 50, 99 };

TEST_F(debug, byte_written_to_a_freed_block_is_found)
{
	char why[120], words[40];
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(stale_offsets); i++) {
		ASSERT_EQ(0, make(self->fd, 0, 100));
		ASSERT_EQ(0, poke(self->fd, 0, stale_offsets[i], STALE));
		EXPECT_EQ(-EUCLEAN, client_validate(self->fd, 0, why));
		EXPECT_NE(NULL, strstr(why, "a freed block is overwritten"));
		EXPECT_FOUND(POISON, i);
		EXPECT_GOES_ON();
		EXPECT_FOUND(POISON, i + 1);
		EXPECT_LINES(1, "debug", "found poison: the freed content");
		snprintf(words, sizeof(words), "byte %ld is 94, not 6b", stale_offsets[i]);
		EXPECT_LINES(!i, "debug", words);
	}
	EXPECT_LINES(1, "debug", "allocated by task");
	EXPECT_LINES(1, "debug", "freed by task");
}

/* What is found when nothing else needs the memory, at the latest. */
TEST_F(debug, byte_written_to_a_freed_block_is_found_when_the_slab_is_destroyed)
{
	ASSERT_EQ(0, make(self->fd, 0, 100));
	ASSERT_EQ(0, poke(self->fd, 0, 50, STALE));
	close(self->fd);
	self->fd = -1;
	EXPECT_LINES(1, "debug", "found poison");
	EXPECT_LINES(1, "debug", "byte 50 is 94, not 6b");
}

TEST_F(debug, byte_written_behind_a_freed_block_is_found)
{
	ASSERT_EQ(0, make(self->fd, 0, 100));
	ASSERT_EQ(0, poke(self->fd, 0, 103, STALE));
	EXPECT_GOES_ON();
	EXPECT_FOUND(REDZONE, 1);
	EXPECT_LINES(1, "debug", "byte 103 is 44, not bb");
}

TEST_F(debug, double_free_is_known_while_the_block_waits)
{
	ASSERT_EQ(0, make(self->fd, 0, 100));
	EXPECT_EQ(-EALREADY, free_again(self->fd, 0));
	EXPECT_FOUND(DOUBLE_FREE, 1);
	EXPECT_LINES(1, "debug", "refused double_free");
	EXPECT_LINES(1, "debug", "allocated by task");
	EXPECT_LINES(1, "debug", "freed by task");
	EXPECT_EQ(1, slab_stats(self->fd, 0).quarantined_blocks);
	EXPECT_GOES_ON();
}

/* Its header is what stands in front of a block, with debugging too. */
TEST_F(debug, byte_written_in_front_of_a_block_is_found)
{
	unsigned int i;

	for (i = 0; i < 3; i++)
		ASSERT_EQ(0, make(self->fd, i, 100));
	ASSERT_EQ(0, poke(self->fd, 1, -1, 0));
	EXPECT_EQ(-EUCLEAN, run(self->fd, OP(FREE, .handle = 1), NULL));
	EXPECT_FOUND(CORRUPT, 1);
	EXPECT_LINES(1, "debug", "refused corrupt");
	EXPECT_LINES(1, "debug", "blocks around offset");
	EXPECT_LINES(1, "debug", "allocated by task");
	EXPECT_EQ(0, run(self->fd, OP(LEAK, .handle = 0), NULL));
	EXPECT_GOES_ON();
}

/* Blocks of a run out of service leave the quarantine with it. */
TEST_F(debug, run_out_of_service_takes_its_quarantined_blocks_along)
{
	unsigned int i;

	for (i = 0; i < 4; i++)
		ASSERT_EQ(0, make(self->fd, i, 100));
	ASSERT_EQ(0, drop(self->fd, 3));
	ASSERT_EQ(0, drop(self->fd, 2));
	EXPECT_EQ(2, slab_stats(self->fd, 0).quarantined_blocks);
	ASSERT_EQ(0, poke(self->fd, 1, -8, 0));
	EXPECT_EQ(-EUCLEAN, run(self->fd, OP(FREE, .handle = 1), NULL));
	EXPECT_EQ(0, slab_stats(self->fd, 0).quarantined_blocks);
	EXPECT_EQ(0, slab_stats(self->fd, 0).live_blocks);
	EXPECT_EQ(0, run(self->fd, OP(LEAK, .handle = 0), NULL));
	EXPECT_GOES_ON();
}

TEST_F(debug, blocks_still_held_are_named_with_who_allocated_them)
{
	ASSERT_EQ(0, make(self->fd, 0, 100));
	ASSERT_EQ(0, make(self->fd, 1, 300));
	ASSERT_EQ(0, make(self->fd, 2, 50));
	ASSERT_EQ(0, drop(self->fd, 2));
	EXPECT_EQ(0, run(self->fd, OP(LEAK, .handle = 0), NULL));
	EXPECT_EQ(0, drop(self->fd, 1));
	close(self->fd);
	self->fd = -1;
	EXPECT_LINES(1, "debug", "leak: destroyed with 1 blocks");
	EXPECT_LINES(1, "debug", "still live: 100 bytes at offset");
	EXPECT_LINES(1, "debug", "allocated by task");
	EXPECT_LINES(1, "debug", "call_respool");
}

TEST_F(debug, quarantine_is_bounded)
{
	struct respool_test_slab_stats stats;
	unsigned int i;

	for (i = 0; i < 3000; i++) {
		ASSERT_EQ(0, make(self->fd, 0, 1 + i % 500));
		ASSERT_EQ(0, drop(self->fd, 0));
	}
	stats = slab_stats(self->fd, 0);
	EXPECT_EQ(1024, stats.quarantined_blocks);
	EXPECT_EQ(3000, stats.frees);
	for (i = 0; i < 100; i++) {
		ASSERT_EQ(0, make(self->fd, 0, 30000));
		ASSERT_EQ(0, drop(self->fd, 0));
		stats = slab_stats(self->fd, 0);
		EXPECT_GE(1024 * 1024, stats.quarantined_bytes);
		EXPECT_EQ(stats.held_pages * PAGE, stats.live_bytes + stats.quarantined_bytes +
			  stats.free_bytes + stats.overhead_bytes);
	}
	EXPECT_GOES_ON();
	EXPECT_FOUND(0, 0);
}

static unsigned int fill_pool(int fd)
{
	unsigned int n = 0;

	while (n < NR_HANDLES && !make(fd, n, 60000))
		n++;
	return n;
}

TEST_F(debug, quarantine_is_given_up_before_a_request_fails)
{
	unsigned int n = fill_pool(self->fd), i;

	ASSERT_LT(500, n);
	for (i = 0; i < n; i++)
		ASSERT_EQ(0, drop(self->fd, i));
	EXPECT_LT(10, slab_stats(self->fd, 0).quarantined_blocks);
	EXPECT_EQ(n, fill_pool(self->fd));
	EXPECT_EQ(0, slab_stats(self->fd, 0).quarantined_blocks);
	for (i = 0; i < n; i++)
		ASSERT_EQ(0, drop(self->fd, i));
	EXPECT_GOES_ON();
	EXPECT_FOUND(0, 0);
}

TEST_F(debug, requests_too_large_with_what_debugging_takes_are_refused)
{
	__u64 size = (1ULL << pool_stats(self->fd).max_order) * PAGE - 100;

	EXPECT_EQ(-ENOMEM, run(self->fd, OP(ALLOC, .handle = 0, .size = size), NULL));
	EXPECT_EQ(1, slab_stats(self->fd, 0).refusals[6]);
	EXPECT_STREQ("too_large", client_refusal_names[6]);
	EXPECT_VALID(self->fd, 0);
}

/* Whatever correct calls do, nothing is found. */

FIXTURE(correct)
{
	int fd;
	int log;
	int watch;
	struct respool_test_pool_stats before;
};

FIXTURE_VARIANT(correct)
{
	__u32 flags;
};

FIXTURE_VARIANT_ADD(correct, redzone) { .flags = RESPOOL_TEST_SLAB_REDZONE };
FIXTURE_VARIANT_ADD(correct, poison) { .flags = RESPOOL_TEST_SLAB_POISON };
FIXTURE_VARIANT_ADD(correct, stacks) { .flags = RESPOOL_TEST_SLAB_STACKS };
FIXTURE_VARIANT_ADD(correct, quarantine) { .flags = RESPOOL_TEST_SLAB_QUARANTINE };
FIXTURE_VARIANT_ADD(correct, all) { .flags = ALL_DEBUG };

FIXTURE_SETUP(correct)
{
	SETUP("correct", variant->flags);
}

FIXTURE_TEARDOWN(correct)
{
	TEARDOWN();
}

#define SLOTS	64

static struct respool_test_op random_call(uint64_t *seed, bool live, unsigned int handle)
{
	static const __u32 contexts[] = { 0, 0, RESPOOL_TEST_IN_IRQ, RESPOOL_TEST_IRQS_OFF };
	__u32 flags = CHECKED | contexts[random_below(seed, 4)];
	__u64 size = 1 + random_below(seed, 1ULL << (4 + random_below(seed, 13)));

	if (live && random_below(seed, 3))
		return OP(FREE, .handle = handle, .flags = flags);
	if (random_below(seed, 2))
		flags |= RESPOOL_TEST_ZERO;
	if (live)
		return OP(REALLOC, .handle = handle, .size = size, .seed = handle, .flags = flags);
	if (random_below(seed, 4))
		return OP(ALLOC, .handle = handle, .size = size, .seed = handle, .flags = flags);
	return OP(ALLOC_ALIGNED, .handle = handle, .size = size, .seed = handle, .flags = flags,
		  .align = 1ULL << random_below(seed, 14));
}

TEST_F(correct, calls_are_served_and_nothing_is_found)
{
	uint64_t seed = TEST_SEED();
	bool live[SLOTS] = {};
	struct respool_test_op op;
	unsigned int i, slot;

	for (i = 0; i < 20000; i++) {
		slot = random_below(&seed, SLOTS);
		op = random_call(&seed, live[slot], slot);
		live[slot] = op.op != RESPOOL_TEST_FREE;
		ASSERT_EQ(0, run(self->fd, op, NULL));
		if (i % 1000 == 0)
			EXPECT_VALID(self->fd, 0);
	}
	for (slot = 0; slot < SLOTS; slot++)
		if (live[slot])
			EXPECT_EQ(0, drop(self->fd, slot));
	EXPECT_EQ(0, slab_stats(self->fd, 0).live_blocks);
	EXPECT_FOUND(0, 0);
	EXPECT_VALID(self->fd, 0);
	EXPECT_LINES(0, "correct", "");
}

TEST_HARNESS_MAIN
