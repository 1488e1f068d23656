// SPDX-License-Identifier: GPL-2.0
/*
 * Tracepoints: what an instance of tracefs records is what was done, call by
 * call and in that order, with the same numbers that the calls and debugfs have.
 */
#include <sys/mount.h>
#include <sys/stat.h>

#include "selftest.h"

#define TRACEFS		"/sys/kernel/tracing/"
#define INSTANCE	TRACEFS "instances/respool/"
#define NR_HANDLES	512
#define NR_CALLS	600
#define MAX_EVENTS	16384
#define PAGE		4096ULL

enum { DOUBLE_FREE, INTERIOR, WRONG_ORDER, FOREIGN, TOO_LARGE = 6 };

static char text[4 << 20];

/* An event of respool's: its name, and where in the text its fields are. */
static struct event {
	char name[32];
	char fields[256];
} events[MAX_EVENTS];

static unsigned int nr_events;

/* What a call must have been recorded as. */
struct expected {
	const char *name;
	__u64 where;		/* an address */
	__u64 size;
};

static bool write_file(const char *path, const char *what)
{
	int fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC);
	bool done = fd >= 0 && write(fd, what, strlen(what)) == (ssize_t)strlen(what);

	close(fd);
	return done;
}

static bool make_instance(void)
{
	if (access(TRACEFS "instances", F_OK) && mount("tracefs", TRACEFS, "tracefs", 0, NULL))
		return false;
	/*
	 * Names of tasks would be noted by the scheduler, whose code would have to be
	 * patched for that while it runs: see scripts/vm of what QEMU makes of it.
	 */
	if (!write_file(TRACEFS "options/record-cmd", "0"))
		return false;
	if (mkdir(INSTANCE, 0700) && errno != EEXIST)
		return false;
	return write_file(INSTANCE "buffer_size_kb", "4096") &&
	       write_file(INSTANCE "trace_clock", "global");
}

static bool enable(const char *name)
{
	char path[128];

	snprintf(path, sizeof(path), INSTANCE "events/respool/respool_%s/enable", name);
	return write_file(path, "1");
}

/* Record the events of these names from now on. */
static bool start(const char *names)
{
	char copy[256], *name;

	if (!write_file(INSTANCE "trace", ""))
		return false;
	snprintf(copy, sizeof(copy), "%s", names);
	for (name = strtok(copy, " "); name; name = strtok(NULL, " "))
		if (!enable(name))
			return false;
	return true;
}

/* Record all there are. */
static bool start_all(void)
{
	return write_file(INSTANCE "trace", "") &&
	       write_file(INSTANCE "events/respool/enable", "1");
}

static bool parse_line(char *line)
{
	char *name = strstr(line, ": respool_"), *fields;

	if (!name)
		return line[0] == '#';
	name += 2;
	fields = strchr(name, ':');
	if (!fields || nr_events == MAX_EVENTS)
		return false;
	*fields = '\0';
	snprintf(events[nr_events].name, sizeof(events[0].name), "%s", name + strlen("respool_"));
	snprintf(events[nr_events].fields, sizeof(events[0].fields), "%s ", fields + 1);
	nr_events++;
	return true;
}

/* Stop recording, and take apart what there is; false if it is not all. */
static bool stop(void)
{
	char *line;

	nr_events = 0;
	if (!write_file(INSTANCE "events/enable", "0") ||
	    client_read_file(INSTANCE "trace", text, sizeof(text)) < 0)
		return false;
	for (line = strtok(text, "\n"); line; line = strtok(NULL, "\n"))
		if (strstr(line, "LOST") || !parse_line(line))
			return false;
	return true;
}

/* The number, or the start of the word, of "FIELD=". */
static const char *field(const struct event *event, const char *name)
{
	char key[32];
	const char *at;

	snprintf(key, sizeof(key), " %s=", name);
	at = strstr(event->fields, key);
	return at ? at + strlen(key) : "-1";
}

static long long number(const struct event *event, const char *name)
{
	return strtoll(field(event, name), NULL, 10);
}

static bool word_is(const struct event *event, const char *name, const char *word)
{
	const char *at = field(event, name);
	size_t len = strcspn(at, " ");

	return len == strlen(word) && !strncmp(at, word, len);
}

static const struct event *find(const char *name)
{
	unsigned int i;

	for (i = 0; i < nr_events; i++)
		if (!strcmp(events[i].name, name))
			return &events[i];
	return NULL;
}

static unsigned int count(const char *name)
{
	unsigned int i, n = 0;

	for (i = 0; i < nr_events; i++)
		n += !strcmp(events[i].name, name);
	return n;
}

static long long sum(const char *name, const char *what)
{
	long long total = 0;
	unsigned int i;

	for (i = 0; i < nr_events; i++)
		if (!strcmp(events[i].name, name))
			total += number(&events[i], what);
	return total;
}

FIXTURE(traced)
{
	int fd;
	int watch;
	__u64 base;			/* physical address of the pool */
	uint64_t seed;
	char owner[48];
	struct respool_test_pool_stats before;
};

/* On one CPU, for what is recorded to be in order and magazines to be ours. */
FIXTURE_SETUP(traced)
{
	ASSERT_EQ(0, client_move_to(0));
	USE_POOLS("main:16M");
	if (!make_instance())
		SKIP(_exit(HARNESS_SKIPPED), "no tracefs");
	self->watch = client_open("main", 1);
	ASSERT_LE(0, self->watch);
	self->fd = client_open("main", NR_HANDLES);
	ASSERT_LE(0, self->fd);
	snprintf(self->owner, sizeof(self->owner), "test:tracepoints/%d", getpid());
	self->before = settled_stats(self->fd);
	self->seed = TEST_SEED();
	ASSERT_TRUE(start("page_alloc"));
	ASSERT_EQ(0, run(self->fd, OP(ALLOC_PAGES, .handle = 0), &self->base));
	ASSERT_TRUE(stop());
	ASSERT_EQ(1, nr_events);
	self->base -= number(&events[0], "page") * PAGE;
	ASSERT_EQ(0, run(self->fd, OP(FREE, .handle = 0), NULL));
	settled_stats(self->fd);
}

FIXTURE_TEARDOWN(traced)
{
	write_file(INSTANCE "events/enable", "0");
	rmdir(INSTANCE);
	write_file(TRACEFS "options/record-cmd", "1");
	close(self->fd);
	EXPECT_EMPTY_AGAIN(self->watch, &self->before);
	close(self->watch);
}

/* What is recorded is just that; @where and @size are the names of its fields. */
static bool events_are(const struct expected *calls, unsigned int nr, __u64 base,
		       const char *where, unsigned int unit, const char *size)
{
	unsigned int i;

	for (i = 0; i < nr && i < nr_events; i++) {
		if (!strcmp(events[i].name, calls[i].name) &&
		    word_is(&events[i], "pool", "main") &&
		    strstr(field(&events[i], "caller"), "[respool_test]") &&
		    number(&events[i], where) == (long long)(calls[i].where - base) / unit &&
		    number(&events[i], size) == (long long)calls[i].size)
			continue;
		printf("# call %u was %s at %llu of %llu, traced as %s%s\n", i,
		       calls[i].name, (calls[i].where - base) / unit, calls[i].size,
		       events[i].name, events[i].fields);
		return false;
	}
	if (nr == nr_events)
		return true;
	printf("# %u calls, %u events\n", nr, nr_events);
	return false;
}

TEST_F(traced, page_allocations_and_frees_are_traced_one_by_one)
{
	static struct expected calls[NR_CALLS], held[NR_HANDLES];
	unsigned int i, handle;
	__u64 size;

	memset(held, 0, sizeof(held));
	ASSERT_TRUE(start("page_alloc page_free page_fail page_resize"));
	for (i = 0; i < NR_CALLS; i++) {
		handle = random_below(&self->seed, 64);
		if (held[handle].name) {
			calls[i] = held[handle];
			calls[i].name = "page_free";
			held[handle].name = NULL;
			ASSERT_EQ(0, run(self->fd, OP(FREE, .handle = handle), NULL));
			continue;
		}
		held[handle].name = "page_alloc";
		size = random_below(&self->seed, 5);
		if (i % 3) {
			held[handle].size = 1ULL << size;
			ASSERT_EQ(0, run(self->fd, OP(ALLOC_PAGES, .handle = handle, .size = size),
					 &held[handle].where));
		} else {
			held[handle].size = size + 1;
			ASSERT_EQ(0, run(self->fd, OP(ALLOC_EXACT, .handle = handle,
						      .size = size + 1), &held[handle].where));
		}
		calls[i] = held[handle];
	}
	ASSERT_TRUE(stop());
	EXPECT_TRUE(events_are(calls, NR_CALLS, self->base, "page", PAGE, "nr_pages"));
	EXPECT_TRUE(word_is(&events[0], "owner", self->owner));
}

TEST_F(traced, conditions_and_lists_are_traced_like_other_pages)
{
	struct respool_test_many list = {
		.call = RESPOOL_TEST_ALLOC_LIST, .handle = 8, .nr = 8, .size = 11,
	};
	__u64 where;

	ASSERT_TRUE(start("page_alloc"));
	ASSERT_EQ(0, run(self->fd, OP(ALLOC_REQUEST, .handle = 0, .size = 5, .align = 64 * PAGE,
				      .flags = RESPOOL_TEST_TOP_DOWN), &where));
	ASSERT_EQ(0, run(self->fd, OP(ALLOC_WAIT, .handle = 1, .size = 3), NULL));
	ASSERT_EQ(0, client_ioctl(self->fd, RESPOOL_TEST_IOC_MANY, &list));
	ASSERT_TRUE(stop());
	EXPECT_EQ(3, list.result);
	ASSERT_EQ(5, nr_events);
	EXPECT_EQ(5, number(&events[0], "nr_pages"));
	EXPECT_EQ((where - self->base) / PAGE, number(&events[0], "page"));
	EXPECT_EQ(3, number(&events[1], "nr_pages"));
	EXPECT_EQ(8, number(&events[2], "nr_pages"));
	EXPECT_EQ(2, number(&events[3], "nr_pages"));
	EXPECT_EQ(1, number(&events[4], "nr_pages"));
}

TEST_F(traced, failures_are_traced_with_what_was_asked_for)
{
	const struct event *event = &events[0];
	struct respool_test_pool_stats stats;

	ASSERT_EQ(0, run(self->fd, OP(ALLOC_REQUEST, .handle = 0, .size = 1,
				      .first = self->base + 8 * PAGE,
				      .last = self->base + 9 * PAGE - 1), NULL));
	stats = settled_stats(self->fd);
	ASSERT_TRUE(start("page_fail"));
	EXPECT_EQ(-ENOMEM, run(self->fd, OP(ALLOC_PAGES, .handle = 1, .size = stats.max_order),
			       NULL));
	EXPECT_EQ(-ENOMEM, run(self->fd, OP(ALLOC_REQUEST, .handle = 1, .size = 1,
					    .first = self->base + 8 * PAGE,
					    .last = self->base + 9 * PAGE - 1,
					    .flags = RESPOOL_TEST_ATOMIC), NULL));
	EXPECT_EQ(-ENOMEM, run(self->fd, OP(ALLOC_PAGES, .handle = 1, .size = 33), NULL));
	ASSERT_TRUE(stop());
	ASSERT_EQ(3, nr_events);
	EXPECT_EQ(1LL << stats.max_order, number(event, "nr_pages"));
	EXPECT_EQ(1, number(event, "align"));
	EXPECT_EQ(0, number(event, "first"));
	EXPECT_EQ(stats.pages - 1, number(event, "last"));
	EXPECT_EQ(stats.free_pages, number(event, "free_pages"));
	EXPECT_EQ(0, number(event, "atomic"));
	EXPECT_TRUE(word_is(event, "owner", self->owner));
	event++;
	EXPECT_EQ(1, number(event, "nr_pages"));
	EXPECT_EQ(1, number(event, "align"));
	EXPECT_EQ(8, number(event, "first"));
	EXPECT_EQ(8, number(event, "last"));
	EXPECT_EQ(1, number(event, "atomic"));
	EXPECT_EQ(pool_stats(self->fd).failures - stats.failures, nr_events);
}

TEST_F(traced, refusals_are_traced_each_time_and_are_no_frees)
{
	struct respool_test_misuse misuse = {
		.call = RESPOOL_TEST_CALL_FREE_PAGES, .mistake = RESPOOL_TEST_ORDER, .value = 3,
	};
	struct respool_test_pool_stats stats = pool_stats(self->fd);
	unsigned int i;

	ASSERT_EQ(0, run(self->fd, OP(ALLOC_PAGES, .handle = 0, .size = 2), NULL));
	ASSERT_TRUE(start_all());
	for (i = 0; i < 3; i++) {
		ASSERT_EQ(0, client_ioctl(self->fd, RESPOOL_TEST_IOC_MISUSE, &misuse));
		ASSERT_EQ(-ERANGE, misuse.result);
	}
	misuse.mistake = RESPOOL_TEST_FREED;
	misuse.value = 0;
	ASSERT_EQ(0, client_ioctl(self->fd, RESPOOL_TEST_IOC_MISUSE, &misuse));
	EXPECT_EQ(-EALREADY, misuse.result);
	EXPECT_EQ(-ENOMEM, run(self->fd, OP(ALLOC_PAGES, .handle = 0, .size = 40), NULL));
	ASSERT_TRUE(stop());
	EXPECT_EQ(5, count("refusal"));
	EXPECT_EQ(1, count("page_free"));
	EXPECT_EQ(1, count("page_fail"));
	EXPECT_EQ(0, count("page_alloc"));
	for (i = 0; i < nr_events; i++)
		if (!strcmp(events[i].name, "refusal"))
			break;
	EXPECT_TRUE(word_is(&events[i], "layer", "pool"));
	EXPECT_TRUE(word_is(&events[i], "name", "main"));
	EXPECT_TRUE(word_is(&events[i], "kind", "wrong_order"));
	EXPECT_NE(NULL, strstr(events[i].fields, "free of page "));
	EXPECT_NE(NULL, strstr(events[i].fields, " as order 3 from "));
	EXPECT_EQ(stats.refusals[WRONG_ORDER] + 3, pool_stats(self->fd).refusals[WRONG_ORDER]);
	EXPECT_EQ(stats.refusals[DOUBLE_FREE] + 1, pool_stats(self->fd).refusals[DOUBLE_FREE]);
}

TEST_F(traced, what_goes_into_magazines_and_out_adds_up)
{
	unsigned int i;
	__u64 cached;

	ASSERT_TRUE(start_all());
	for (i = 0; i < 100; i++)
		ASSERT_EQ(0, run(self->fd, OP(ALLOC_PAGES, .handle = i), NULL));
	ASSERT_TRUE(stop());
	cached = pool_stats(self->fd).cached_pages;
	EXPECT_LT(0, count("refill"));
	/* All but the first, which is the core's. */
	EXPECT_EQ(99 + cached, sum("refill", "blocks"));
	EXPECT_EQ(0, sum("refill", "order"));
	EXPECT_EQ(0, sum("refill", "cpu"));
	EXPECT_EQ(0, count("drain"));
	ASSERT_TRUE(start("drain"));
	settled_stats(self->fd);
	ASSERT_TRUE(stop());
	EXPECT_EQ(cached, sum("drain", "blocks"));
	for (i = 0; i < 100; i++)
		ASSERT_EQ(0, run(self->fd, OP(FREE, .handle = i), NULL));
}

/* The largest order of which there are fewer free blocks in @after. */
static int cut_order(const struct respool_test_pool_stats *before,
		     const struct respool_test_pool_stats *after)
{
	int order = RESPOOL_TEST_NR_ORDERS - 1;

	while (order >= 0 && after->order[order].free_blocks >= before->order[order].free_blocks)
		order--;
	return order;
}

TEST_F(traced, a_block_that_is_cut_merges_again)
{
	struct respool_test_pool_stats before = settled_stats(self->fd), after;
	__u64 where;
	int whole;

	ASSERT_TRUE(start("page_split page_merge"));
	ASSERT_EQ(0, run(self->fd, OP(ALLOC_EXACT, .handle = 0, .size = 3), &where));
	after = pool_stats(self->fd);
	ASSERT_EQ(0, run(self->fd, OP(FREE, .handle = 0), NULL));
	settled_stats(self->fd);
	ASSERT_TRUE(stop());
	whole = cut_order(&before, &after);
	ASSERT_LE(3, whole);
	ASSERT_EQ(2, nr_events);
	EXPECT_STREQ("page_split", events[0].name);
	EXPECT_STREQ("page_merge", events[1].name);
	EXPECT_EQ((where - self->base) / PAGE, number(&events[0], "page"));
	EXPECT_EQ((where - self->base) / PAGE, number(&events[1], "page"));
	EXPECT_EQ(2, number(&events[0], "order"));
	EXPECT_EQ(whole, number(&events[0], "whole"));
	EXPECT_EQ(whole, number(&events[1], "whole"));
}

TEST_F(traced, bytes_are_traced_one_by_one_and_so_are_runs)
{
	static struct expected calls[NR_CALLS], held[NR_HANDLES];
	struct respool_test_slab_stats stats;
	unsigned int i, handle;
	__u64 usable, moved;

	memset(held, 0, sizeof(held));
	ASSERT_EQ(0, client_slab(self->fd, "traced"));
	ASSERT_TRUE(start("slab_alloc slab_realloc slab_free slab_fail run_taken run_returned"));
	for (i = 0; i < NR_CALLS; i++) {
		handle = random_below(&self->seed, 64);
		if (!held[handle].name) {
			held[handle].name = "slab_alloc";
			held[handle].size = 1 + random_below(&self->seed, 6000);
			ASSERT_EQ(0, run(self->fd, OP(ALLOC, .handle = handle,
						      .size = held[handle].size),
					 &held[handle].where));
			calls[i] = held[handle];
		} else if (i % 3) {
			calls[i].name = "slab_free";
			calls[i].where = held[handle].where;
			ASSERT_EQ(0, run(self->fd, OP(USABLE, .handle = handle), &usable));
			calls[i].size = usable;
			ASSERT_EQ(0, run(self->fd, OP(FREE, .handle = handle), NULL));
			held[handle].name = NULL;
		} else {
			held[handle].size = 1 + random_below(&self->seed, 9000);
			ASSERT_EQ(0, run(self->fd, OP(REALLOC, .handle = handle,
						      .size = held[handle].size), &moved));
			held[handle].where = moved;
			calls[i] = held[handle];
			calls[i].name = "slab_realloc";
		}
	}
	ASSERT_TRUE(stop());
	stats = slab_stats(self->fd, 0);
	EXPECT_EQ(stats.runs_taken, count("run_taken"));
	EXPECT_EQ(stats.runs_returned, count("run_returned"));
	EXPECT_LT(0, count("run_taken"));
	EXPECT_LT(0, count("slab_realloc"));
	for (i = handle = 0; i < nr_events; i++)
		if (strncmp(events[i].name, "run_", 4))
			events[handle++] = events[i];
		else
			EXPECT_TRUE(word_is(&events[i], "owner", "slab:traced"));
	nr_events = handle;
	EXPECT_TRUE(events_are(calls, NR_CALLS, self->base, "offset", 1, "bytes"));
	EXPECT_TRUE(word_is(&events[0], "owner", "slab:traced"));
}

TEST_F(traced, bytes_that_are_not_served_are_traced)
{
	struct respool_test_slab_stats stats;

	ASSERT_EQ(0, client_slab(self->fd, "short"));
	stats = slab_stats(self->fd, 0);
	ASSERT_TRUE(start_all());
	EXPECT_EQ(-ENOMEM, run(self->fd, OP(ALLOC, .handle = 0, .size = 1 << 30), NULL));
	EXPECT_EQ(-ENOMEM, run(self->fd, OP(ALLOC_ALIGNED, .handle = 0, .size = 10, .align = 48),
			       NULL));
	ASSERT_EQ(0, run(self->fd, OP(ALLOC, .handle = 1, .size = 9 << 20), NULL));
	EXPECT_EQ(-ENOMEM, run(self->fd, OP(ALLOC, .handle = 0, .size = 9 << 20), NULL));
	ASSERT_TRUE(stop());
	EXPECT_EQ(3, count("slab_fail"));
	EXPECT_EQ(2, count("refusal"));
	EXPECT_LT(0, count("page_fail"));
	EXPECT_EQ(1 << 30, number(find("slab_fail"), "bytes"));
	EXPECT_EQ(slab_stats(self->fd, 0).failures - stats.failures, count("slab_fail"));
}

TEST_F(traced, objects_are_traced_one_by_one_and_so_are_runs)
{
	struct respool_test_many many = {
		.call = RESPOOL_TEST_ALLOC_OBJECTS, .handle = 200, .nr = 100,
	};
	struct respool_test_cache_stats stats = {};
	struct expected calls[40];
	unsigned int i;
	__u64 where;

	ASSERT_EQ(0, client_cache(self->fd, "traced", 96, 0, 0));
	ASSERT_TRUE(start("cache_alloc cache_free cache_fail"));
	for (i = 0; i < 20; i++) {
		ASSERT_EQ(0, run(self->fd, OP(ALLOC_OBJECT, .handle = i), &where));
		calls[i] = (struct expected){ "cache_alloc", where, 96 };
		calls[20 + i] = (struct expected){ "cache_free", where, 96 };
	}
	for (i = 0; i < 20; i++)
		ASSERT_EQ(0, run(self->fd, OP(FREE, .handle = i), NULL));
	ASSERT_TRUE(stop());
	EXPECT_TRUE(events_are(calls, 40, self->base, "offset", 1, "bytes"));
	EXPECT_TRUE(word_is(&events[0], "owner", "cache:traced"));

	ASSERT_EQ(0, client_ioctl(self->fd, RESPOOL_TEST_IOC_CACHE_STATS, &stats));
	where = stats.runs_taken;
	ASSERT_TRUE(start_all());
	ASSERT_EQ(0, client_ioctl(self->fd, RESPOOL_TEST_IOC_MANY, &many));
	ASSERT_EQ(100, many.result);
	many.call = RESPOOL_TEST_FREE_OBJECTS;
	ASSERT_EQ(0, client_ioctl(self->fd, RESPOOL_TEST_IOC_MANY, &many));
	ASSERT_EQ(0, run(self->fd, OP(SHRINK), NULL));
	ASSERT_TRUE(stop());
	ASSERT_EQ(0, client_ioctl(self->fd, RESPOOL_TEST_IOC_CACHE_STATS, &stats));
	EXPECT_EQ(100, count("cache_alloc"));
	EXPECT_EQ(100, count("cache_free"));
	EXPECT_EQ(stats.runs_taken - where, count("run_taken"));
	EXPECT_EQ(stats.runs_taken, stats.runs_returned);
	EXPECT_LE(count("run_taken"), count("run_returned"));
	EXPECT_EQ(sum("run_taken", "nr_pages"), sum("page_alloc", "nr_pages"));
	EXPECT_EQ(sum("run_returned", "nr_pages"), sum("page_free", "nr_pages"));
}

TEST_F(traced, damage_is_traced_with_its_place)
{
	const struct event *event;
	unsigned int i;
	__u64 where;

	ASSERT_EQ(0, client_slab_with(self->fd, "damaged", 0, RESPOOL_TEST_SLAB_NO_MAGAZINES));
	for (i = 0; i < 5; i++)
		ASSERT_EQ(0, run(self->fd, OP(ALLOC, .handle = i, .size = 200), NULL));
	ASSERT_EQ(0, run(self->fd, OP(LOCATE, .handle = 3), &where));
	ASSERT_TRUE(start_all());
	ASSERT_EQ(0, run(self->fd, OP(POKE, .handle = 3, .size = -8, .seed = 0xff), NULL));
	EXPECT_EQ(-EUCLEAN, run(self->fd, OP(FREE, .handle = 3), NULL));
	ASSERT_TRUE(stop());
	ASSERT_EQ(1, count("corruption"));
	EXPECT_EQ(1, count("refusal"));
	EXPECT_EQ(0, count("slab_free"));
	event = find("corruption");
	EXPECT_TRUE(word_is(event, "layer", "slab"));
	EXPECT_TRUE(word_is(event, "name", "damaged"));
	EXPECT_EQ(where - self->base - 8, number(event, "offset"));
	EXPECT_EQ(1, number(event, "runs"));
	EXPECT_EQ(0, run(self->fd, OP(LEAK, .handle = 0), NULL));
}

TEST_F(traced, what_debugging_finds_is_traced_each_time)
{
	unsigned int i;
	__u64 where;

	ASSERT_EQ(0, client_slab_with(self->fd, "debugged", 0, RESPOOL_TEST_SLAB_REDZONE));
	ASSERT_TRUE(start("corruption"));
	for (i = 0; i < 3; i++) {
		ASSERT_EQ(0, run(self->fd, OP(ALLOC, .handle = i, .size = 100), &where));
		ASSERT_EQ(0, run(self->fd, OP(POKE, .handle = i, .size = 101, .seed = 0xff), NULL));
		ASSERT_EQ(0, run(self->fd, OP(FREE, .handle = i), NULL));
	}
	ASSERT_TRUE(stop());
	EXPECT_EQ(3, nr_events);
	EXPECT_NE(NULL, strstr(events[2].fields, " redzone "));
	EXPECT_EQ(where - self->base + 101, number(&events[2], "offset"));
}

TEST_HARNESS_MAIN
