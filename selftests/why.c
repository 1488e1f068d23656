// SPDX-License-Identifier: GPL-2.0
/*
 * Why requests for pages fail: debugfs names the place that would take the least
 * to be free and who is in it, and when he leaves, the request is served.
 */
#include "selftest.h"

#define PAGE		4096ULL
#define POOL_DIR	CLIENT_DEBUGFS "/main/"
#define POOL_PAGES	4096
#define REGION		512
#define REGIONS		(POOL_PAGES / REGION)
#define NR_HANDLES	5000
#define EASIEST		5		/* the region with one page held */

static char text[1 << 16];

/* A row of "failures". */
struct failure {
	double time;
	char owner[64];
	__u64 pages, align, first, last, free, largest;
	int atomic, extfrag;
	char place[16], held[16], in_the_way[256];
	int pid;
	char task[32], caller[128];
};

static struct failure failures[64];
static unsigned int nr_failures;
static unsigned long long passed_over;

FIXTURE(why)
{
	int fd;
	int watch;
	char owner[48];
	__u64 base;
	struct respool_test_pool_stats before;
};

/* One page is in the way of a region in the easiest one, two in each of the others. */
FIXTURE_SETUP(why)
{
	unsigned int region;

	USE_POOLS("main:16M");
	self->watch = client_open("main", 1);
	ASSERT_LE(0, self->watch);
	self->before = settled_stats(self->watch);
	self->fd = client_open("main", NR_HANDLES);
	ASSERT_LE(0, self->fd);
	snprintf(self->owner, sizeof(self->owner), "test:why/%d", getpid());
	/* All of it is one block. */
	ASSERT_EQ(0, run(self->fd, OP(ALLOC_PAGES, .handle = 0, .size = 12), &self->base));
	ASSERT_EQ(0, run(self->fd, OP(FREE, .handle = 0), NULL));
	for (region = 0; region < REGIONS; region++) {
		unsigned int i, nr = region == EASIEST ? 1 : 2;

		for (i = 0; i < nr; i++) {
			__u64 at = self->base + (region * REGION + 7 + 100 * i) * PAGE;

			ASSERT_EQ(0, run(self->fd, OP(ALLOC_REQUEST, .handle = 2 * region + i,
						      .size = 1, .first = at,
						      .last = at + PAGE - 1), NULL));
		}
	}
	/* So many failures are looked into in a second. */
	sleep(1);
}

FIXTURE_TEARDOWN(why)
{
	close(self->fd);
	EXPECT_EMPTY_AGAIN(self->watch, &self->before);
	close(self->watch);
}

static bool parse_failure(const char *line, struct failure *f)
{
	int way;
	int fields = sscanf(line, "%lf %63s %llu %llu %llu %llu %d %llu %llu %d %n", &f->time,
			    f->owner, &f->pages, &f->align, &f->first, &f->last, &f->atomic,
			    &f->free, &f->largest, &f->extfrag, &way);

	if (fields != 10)
		return false;
	fields = sscanf(line + way, "%15s %15s %255s %d %31s %127s", f->place, f->held,
			f->in_the_way, &f->pid, f->task, f->caller);
	return fields == 6;
}

static bool read_failures(void)
{
	char *line;

	nr_failures = 0;
	if (client_read_file(POOL_DIR "failures", text, sizeof(text)) < 0)
		return false;
	line = strtok(text, "\n");
	if (!line || strncmp(line, "time owner pages ", strlen("time owner pages ")))
		return false;
	while ((line = strtok(NULL, "\n")) && strncmp(line, "passed_over ", 12))
		if (!parse_failure(line, &failures[nr_failures++]))
			return false;
	passed_over = line ? strtoull(line + 12, NULL, 10) : 0;
	return line;
}

/* The row of an order in "why", without the order. */
static const char *why(unsigned int order)
{
	char key[16];
	char *row;

	if (client_read_file(POOL_DIR "why", text, sizeof(text)) < 0)
		return "";
	snprintf(key, sizeof(key), "\n%u ", order);
	row = strstr(text, key);
	if (!row)
		return "";
	row += strlen(key);
	row[strcspn(row, "\n")] = '\0';
	return row;
}

TEST_F(why, failure_says_what_was_asked_for_and_what_there_was)
{
	struct respool_test_pool_stats stats;
	const struct failure *f;
	char want[64];

	ASSERT_EQ(-ENOMEM, run(self->fd, OP(ALLOC_PAGES, .handle = 20, .size = 9), NULL));
	stats = pool_stats(self->fd);
	ASSERT_TRUE(read_failures());
	ASSERT_LT(0, nr_failures);
	f = &failures[nr_failures - 1];
	EXPECT_STREQ(self->owner, f->owner);
	EXPECT_EQ(REGION, f->pages);
	EXPECT_EQ(1, f->align);
	EXPECT_EQ(0, f->first);
	EXPECT_EQ(POOL_PAGES - 1, f->last);
	EXPECT_EQ(0, f->atomic);
	EXPECT_EQ(stats.free_pages, f->free);
	EXPECT_EQ(POOL_PAGES - 2 * REGIONS + 1, f->free);
	EXPECT_EQ(1 << stats.largest_free_order, f->largest);
	/* Almost all is free. */
	EXPECT_LT(900, f->extfrag);
	EXPECT_EQ(EASIEST * REGION, atoi(f->place));
	EXPECT_EQ(1, atoi(f->held));
	snprintf(want, sizeof(want), "%s=1", self->owner);
	EXPECT_STREQ(want, f->in_the_way);
	EXPECT_EQ(getpid(), f->pid);
	EXPECT_STREQ("why", f->task);
	EXPECT_NE(NULL, strchr(f->caller, '+'));
}

TEST_F(why, failure_has_the_conditions_of_its_request)
{
	const struct failure *f;

	ASSERT_EQ(-ENOMEM, run(self->fd, OP(ALLOC_REQUEST, .handle = 20, .size = 100,
					    .align = 64 * PAGE, .first = self->base,
					    .last = self->base + 250 * PAGE - 1,
					    .flags = RESPOOL_TEST_ATOMIC), NULL));
	ASSERT_TRUE(read_failures());
	ASSERT_LT(0, nr_failures);
	f = &failures[nr_failures - 1];
	EXPECT_EQ(100, f->pages);
	EXPECT_EQ(64, f->align);
	EXPECT_EQ(0, f->first);
	EXPECT_EQ(249, f->last);
	EXPECT_EQ(1, f->atomic);
	/* Of 0 to 127, pages 7 and 107 are held, and of blocks of 64 there is one. */
	EXPECT_EQ(64, f->largest);
	EXPECT_EQ(0, atoi(f->place));
	EXPECT_EQ(2, atoi(f->held));
}

TEST_F(why, failure_at_a_fixed_place_is_about_that_place)
{
	const struct failure *f;

	ASSERT_EQ(-ENOMEM, run(self->fd, OP(ALLOC_REQUEST, .handle = 20, .size = 101,
					    .first = self->base + 7 * PAGE,
					    .last = self->base + 108 * PAGE - 1), NULL));
	ASSERT_TRUE(read_failures());
	ASSERT_LT(0, nr_failures);
	f = &failures[nr_failures - 1];
	EXPECT_EQ(7, f->first);
	EXPECT_EQ(107, f->last);
	EXPECT_EQ(7, atoi(f->place));
	EXPECT_EQ(2, atoi(f->held));
}

TEST_F(why, who_leaves_the_place_makes_the_request_succeed)
{
	char row[256];

	settled_stats(self->fd);
	snprintf(row, sizeof(row), "no %d 1 %s=1", EASIEST * REGION, self->owner);
	EXPECT_STREQ(row, why(9));
	EXPECT_STREQ("yes - - -", why(8));
	ASSERT_EQ(0, run(self->fd, OP(FREE, .handle = 2 * EASIEST), NULL));
	settled_stats(self->fd);
	EXPECT_STREQ("yes - - -", why(9));
	EXPECT_EQ(0, run(self->fd, OP(ALLOC_PAGES, .handle = 20, .size = 9), NULL));
	EXPECT_EQ('n', why(9)[0]);
}

TEST_F(why, each_order_is_served_if_and_only_if_why_says_so)
{
	unsigned int order;
	bool yes;

	for (order = 0; order <= 12; order++) {
		settled_stats(self->fd);
		yes = why(order)[0] == 'y';
		EXPECT_EQ(yes ? 0 : -ENOMEM,
			  run(self->fd, OP(ALLOC_PAGES, .handle = 20, .size = order), NULL));
		if (yes)
			EXPECT_EQ(0, run(self->fd, OP(FREE, .handle = 20), NULL));
	}
}

TEST_F(why, everybody_in_the_way_is_named_with_his_pages)
{
	struct respool_test_pool_stats stats;
	__u64 at = self->base + (EASIEST * REGION + 9) * PAGE;
	char row[256];

	ASSERT_EQ(0, run(self->fd, OP(RESERVE, .size = 3, .first = at), NULL));
	ASSERT_EQ(0, run(self->fd, OP(ALLOC_PAGES, .handle = 30, .size = 0), NULL));
	ASSERT_EQ(0, run(self->fd, OP(ALLOC_PAGES, .handle = 31, .size = 0), NULL));
	/* More than the magazines have. */
	ASSERT_EQ(0, run(self->fd, OP(ALLOC_PAGES, .handle = 32, .size = 7), NULL));
	stats = pool_stats(self->fd);
	snprintf(row, sizeof(row), "no 0 %llu %s=%llu,(magazines)=%llu,(reserved)=3",
		 POOL_PAGES - stats.free_pages, self->owner, stats.allocated_pages,
		 stats.cached_pages);
	EXPECT_STREQ(row, why(12));
	EXPECT_LT(3, stats.cached_pages);
	EXPECT_GT(stats.allocated_pages, stats.cached_pages);
	EXPECT_EQ(0, run(self->fd, OP(RELEASE, .size = 3, .first = at), NULL));
}

TEST_F(why, single_pages_that_are_all_held_are_told_of_too)
{
	unsigned int nr = 40;
	char row[64];

	while (!run(self->fd, OP(ALLOC_PAGES, .handle = nr), NULL))
		nr++;
	EXPECT_EQ(0, pool_stats(self->fd).free_pages);
	snprintf(row, sizeof(row), "no 0 1 %s=1", self->owner);
	EXPECT_STREQ(row, why(0));
	snprintf(row, sizeof(row), "no 0 2 %s=2", self->owner);
	EXPECT_STREQ(row, why(1));
}

TEST_F(why, failures_of_a_storm_are_looked_into_or_counted)
{
	unsigned long long passed;
	double last;
	unsigned int i, kept = 0;

	ASSERT_EQ(-ENOMEM, run(self->fd, OP(ALLOC_PAGES, .handle = 20, .size = 9), NULL));
	ASSERT_TRUE(read_failures());
	passed = passed_over;
	last = failures[nr_failures - 1].time;
	for (i = 0; i < 200; i++)
		ASSERT_EQ(-ENOMEM, run(self->fd, OP(ALLOC_PAGES, .handle = 20, .size = 9), NULL));
	ASSERT_TRUE(read_failures());
	for (i = 0; i < nr_failures; i++)
		kept += failures[i].time > last;
	EXPECT_LE(nr_failures, 32);
	EXPECT_LT(0, passed_over - passed);
	EXPECT_EQ(200, kept + passed_over - passed);
}

TEST_F(why, refused_requests_are_no_failures_to_look_into)
{
	unsigned int nr;

	ASSERT_TRUE(read_failures());
	nr = nr_failures;
	EXPECT_EQ(-ENOMEM, run(self->fd, OP(ALLOC_PAGES, .handle = 20, .size = 13), NULL));
	EXPECT_EQ(-ENOMEM, run(self->fd, OP(ALLOC_EXACT, .handle = 20, .size = 0), NULL));
	EXPECT_EQ(-ENOMEM, run(self->fd, OP(ALLOC_REQUEST, .handle = 20, .size = 1, .align = 3),
			       NULL));
	ASSERT_TRUE(read_failures());
	EXPECT_EQ(nr, nr_failures);
}

/* With origins=1 */

FIXTURE(origins)
{
	int fd;
	int watch;
	int log;
	__u64 base;
	struct respool_test_pool_stats before;
};

FIXTURE_SETUP(origins)
{
	USE_POOLS("main:16M origins=1");
	self->watch = client_open("main", 1);
	ASSERT_LE(0, self->watch);
	self->before = settled_stats(self->watch);
	self->log = log_open();
	ASSERT_LE(0, self->log);
	self->fd = client_open("main", NR_HANDLES);
	ASSERT_LE(0, self->fd);
	ASSERT_EQ(0, run(self->fd, OP(ALLOC_PAGES, .handle = 0, .size = 12), &self->base));
	ASSERT_EQ(0, run(self->fd, OP(FREE, .handle = 0), NULL));
}

FIXTURE_TEARDOWN(origins)
{
	if (self->fd >= 0)
		close(self->fd);
	close(self->log);
	EXPECT_EMPTY_AGAIN(self->watch, &self->before);
	close(self->watch);
}

/* Whether "held" says of the block at @where that we allocated it so many seconds ago. */
static bool held_says(__u64 page, __u64 pages, unsigned int min_age, unsigned int max_age)
{
	unsigned long long at, nr, age;
	char owner[64], stack[512], *line;
	int pid, fields;

	if (client_read_file(POOL_DIR "held", text, sizeof(text)) < 0)
		return false;
	for (line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
		fields = sscanf(line, "%llu %llu %63s %llu %d %511[^\n]", &at, &nr, owner, &age,
				&pid, stack);
		if (fields == 6 && at == page)
			return nr == pages && age >= min_age && age <= max_age &&
			       pid == getpid() && strstr(stack, "[respool_test]") &&
			       strchr(stack, '<');
	}
	return false;
}

TEST_F(origins, every_held_block_has_its_age_task_and_stack)
{
	__u64 where[4];
	unsigned int i;

	ASSERT_EQ(0, run(self->fd, OP(ALLOC_PAGES, .handle = 0, .size = 2), &where[0]));
	ASSERT_EQ(0, run(self->fd, OP(ALLOC_EXACT, .handle = 1, .size = 5), &where[1]));
	ASSERT_EQ(0, run(self->fd, OP(ALLOC_REQUEST, .handle = 2, .size = 7), &where[2]));
	sleep(2);
	ASSERT_EQ(0, run(self->fd, OP(ALLOC_PAGES, .handle = 3), &where[3]));
	for (i = 0; i < 4; i++)
		where[i] = (where[i] - self->base) / PAGE;
	EXPECT_TRUE(held_says(where[0], 4, 1, 1000)) TH_LOG("%s", text);
	EXPECT_TRUE(held_says(where[1], 5, 1, 1000));
	EXPECT_TRUE(held_says(where[2], 7, 1, 1000));
	EXPECT_TRUE(held_says(where[3], 1, 0, 1));
	/* What is there next is somebody else's. */
	ASSERT_EQ(0, run(self->fd, OP(FREE, .handle = 0), NULL));
	EXPECT_FALSE(held_says(where[0], 4, 0, 1000));
	ASSERT_EQ(0, run(self->fd, OP(ALLOC_REQUEST, .handle = 0, .size = 4,
				      .first = self->base + where[0] * PAGE,
				      .last = self->base + (where[0] + 4) * PAGE - 1), NULL));
	EXPECT_TRUE(held_says(where[0], 4, 0, 1));
}

TEST_F(origins, blocks_of_an_account_that_is_closed_too_early_are_named_with_stacks)
{
	int stacks = log_open();

	ASSERT_LE(0, stacks);
	ASSERT_EQ(0, client_slab_with(self->fd, "leaky", 0, RESPOOL_TEST_SLAB_NO_MAGAZINES));
	ASSERT_EQ(0, run(self->fd, OP(ALLOC, .handle = 0, .size = 100), NULL));
	ASSERT_EQ(0, run(self->fd, OP(LEAK, .handle = 0), NULL));
	close(self->fd);
	self->fd = -1;
	EXPECT_EQ(1, log_count(self->log, "slab:leaky holds ", " ago by task "));
	EXPECT_LE(2, log_count(stacks, "pool main:   ", "[respool_test]"));
	close(stacks);
}

TEST_HARNESS_MAIN
