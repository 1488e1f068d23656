// SPDX-License-Identifier: GPL-2.0
/*
 * debugfs: every file has its format, its numbers add up within the file, with
 * the other files and with what the exported functions report.
 */
#include <ctype.h>

#include "selftest.h"

#define PAGE		4096ULL
#define REGION_PAGES	512
#define CELLS		64	/* in a row of the map, 8 pages each */
#define POOL_DIR	CLIENT_DEBUGFS "/main/"
#define SLAB_DIR	POOL_DIR "slabs/shown/"
#define NR_HANDLES	256

static char text[1 << 20];

/* A row of "blocks". */
struct block {
	long long offset;
	__u64 bytes;
	bool used;
	bool cached;		/* in a magazine: used, but nobody's */
	long long next;		/* offsets, -1 for none */
	long long prev;
};

static struct block blocks[8192];
static unsigned int nr_blocks;
static __u64 walked_runs, walked_bytes;

FIXTURE(debugfs)
{
	int fd;
	int slab;
	struct respool_test_pool_stats before;
};

/* A pool that starts and ends inside a region, in some disorder. */
FIXTURE_SETUP(debugfs)
{
	unsigned int i;

	USE_POOLS("main:12428K");
	self->fd = client_open("main", NR_HANDLES);
	ASSERT_LE(0, self->fd);
	self->before = settled_stats(self->fd);
	self->slab = client_slab(self->fd, "shown");
	ASSERT_EQ(0, self->slab);
	for (i = 0; i < 100; i++)
		ASSERT_EQ(0, run(self->fd, OP(ALLOC_PAGES, .handle = i, .size = i % 4), NULL));
	for (; i < 200; i++)
		ASSERT_EQ(0, run(self->fd, OP(ALLOC, .handle = i, .size = 11 * i), NULL));
	ASSERT_EQ(0, run(self->fd, OP(ALLOC_EXACT, .handle = i, .size = 77), NULL));
	for (i = 0; i < 200; i += 3)
		ASSERT_EQ(0, run(self->fd, OP(FREE, .handle = i), NULL));
	EXPECT_EQ(-ENOMEM, run(self->fd, OP(ALLOC_PAGES, .handle = 0, .size = 33), NULL));
	EXPECT_EQ(-ENOMEM, run(self->fd, OP(ALLOC, .handle = 0), NULL));
}

FIXTURE_TEARDOWN(debugfs)
{
	int watch = client_open("main", 1);

	EXPECT_VALID(self->fd, self->slab);
	close(self->fd);
	EXPECT_LE(0, watch);
	EXPECT_EMPTY_AGAIN(watch, &self->before);
	close(watch);
}

#define READ(path) \
	ASSERT_LT(0, client_read_file(path, text, sizeof(text))) TH_LOG("%s", path)

/*
 * Compare a line "name value" at *@at with what it should be, move behind it.
 * Returns false if there is anything else.
 */
static bool next_is(const char **at, const char *name, long long value)
{
	char line[128];
	int len = snprintf(line, sizeof(line), "%s %lld\n", name, value);

	if (strncmp(*at, line, len)) {
		printf("# expected '%.*s', found '%.*s'\n", len - 1, line,
		       (int)strcspn(*at, "\n"), *at);
		return false;
	}
	*at += len;
	return true;
}

#define EXPECT_NEXT(name, value)	EXPECT_TRUE(next_is(&at, name, value))
#define EXPECT_FIELD(field)		EXPECT_NEXT(#field, stats.field)

#define EXPECT_REFUSALS() do {							\
	char __name[64];							\
	int __i;								\
										\
	for (__i = 0; __i < RESPOOL_TEST_NR_REFUSALS; __i++) {			\
		snprintf(__name, sizeof(__name), "refused_%s",			\
			 client_refusal_names[__i]);				\
		EXPECT_NEXT(__name, stats.refusals[__i]);			\
	}									\
	EXPECT_STREQ("", at);							\
} while (0)

TEST_F(debugfs, pool_stats_are_those_of_the_function)
{
	struct respool_test_pool_stats stats = pool_stats(self->fd);
	const char *at = text;

	READ(POOL_DIR "stats");
	EXPECT_FIELD(pages);
	EXPECT_FIELD(free_pages);
	EXPECT_FIELD(allocated_pages);
	EXPECT_FIELD(cached_pages);
	EXPECT_FIELD(reserved_pages);
	EXPECT_FIELD(bad_pages);
	EXPECT_FIELD(clear_pages);
	EXPECT_FIELD(watermark_pages);
	EXPECT_FIELD(peak_allocated_pages);
	EXPECT_FIELD(free_regions);
	EXPECT_FIELD(regions);
	EXPECT_FIELD(allocations);
	EXPECT_FIELD(frees);
	EXPECT_FIELD(failures);
	EXPECT_FIELD(max_order);
	EXPECT_FIELD(largest_free_order);
	EXPECT_REFUSALS();
}

TEST_F(debugfs, options_are_those_of_the_slab)
{
	int fit;

	READ(SLAB_DIR "options");
	EXPECT_STREQ("fit good\nflags 0x0\n", text);
	for (fit = 1; fit < RESPOOL_TEST_NR_FITS; fit++) {
		char path[128], want[64];

		ASSERT_EQ(self->slab + fit, client_slab_with(self->fd, client_fit_names[fit], fit,
							     RESPOOL_TEST_SLAB_NO_MAGAZINES));
		snprintf(path, sizeof(path), POOL_DIR "slabs/%s/options", client_fit_names[fit]);
		snprintf(want, sizeof(want), "fit %s\nflags 0x1\n", client_fit_names[fit]);
		READ(path);
		EXPECT_STREQ(want, text);
	}
}

TEST_F(debugfs, pages_add_up)
{
	struct respool_test_pool_stats stats = pool_stats(self->fd);
	__u64 free = 0, allocated = 0, cached = 0, allocations = 0;
	int order, largest = -1;

	for (order = 0; order < RESPOOL_TEST_NR_ORDERS; order++) {
		free += stats.order[order].free_blocks << order;
		allocated += stats.order[order].allocated_blocks << order;
		cached += stats.order[order].cached_blocks << order;
		allocations += stats.order[order].allocations;
		if (stats.order[order].free_blocks)
			largest = order;
	}
	EXPECT_EQ(stats.pages, stats.free_pages + stats.allocated_pages + stats.cached_pages +
			       stats.reserved_pages + stats.bad_pages);
	EXPECT_EQ(stats.free_pages, free);
	EXPECT_EQ(stats.allocated_pages, allocated);
	EXPECT_EQ(stats.cached_pages, cached);
	EXPECT_EQ(stats.allocations, allocations);
	EXPECT_EQ(stats.largest_free_order, largest);
	EXPECT_LE(stats.allocated_pages, stats.peak_allocated_pages);
	EXPECT_LT(0, stats.allocated_pages);
	EXPECT_LT(0, stats.failures);
}

TEST_F(debugfs, orders_are_those_of_the_function)
{
	struct respool_test_pool_stats stats = pool_stats(self->fd);
	struct respool_test_order_stats row;
	unsigned int order = 0, number;
	char *line;
	int fields;

	READ(POOL_DIR "orders");
	line = strtok(text, "\n");
	EXPECT_STREQ("order free_blocks allocated_blocks cached_blocks allocations failures",
		     line);
	while ((line = strtok(NULL, "\n"))) {
		fields = sscanf(line, "%u %llu %llu %llu %llu %llu", &number, &row.free_blocks,
				&row.allocated_blocks, &row.cached_blocks, &row.allocations,
				&row.failures);
		ASSERT_EQ(6, fields);
		EXPECT_EQ(order, number);
		EXPECT_EQ(0, memcmp(&stats.order[order], &row, sizeof(row)));
		order++;
	}
	EXPECT_EQ(stats.max_order + 1, order);
}

/* The kernel's indexes, from the free blocks of each order. */
static void indexes_of(const struct respool_test_pool_stats *stats, unsigned int order,
		       __u64 *suitable, int *extfrag, int *unusable)
{
	__u64 blocks = 0, pages = stats->free_pages;
	unsigned int k;

	*suitable = 0;
	for (k = 0; k < RESPOOL_TEST_NR_ORDERS; k++) {
		blocks += stats->order[k].free_blocks;
		if (k >= order)
			*suitable += stats->order[k].free_blocks << (k - order);
	}
	*extfrag = !blocks ? 0 : *suitable ? -1000 :
		   1000 - (int)((1000 + pages * 1000 / (1ULL << order)) / blocks);
	*unusable = !pages ? 1000 : (pages - (*suitable << order)) * 1000 / pages;
}

TEST_F(debugfs, fragmentation_is_that_of_the_free_blocks)
{
	struct respool_test_pool_stats stats = pool_stats(self->fd);
	int extfrag, unusable, seen_extfrag, seen_unusable, fields, failing = 0;
	__u64 suitable, seen_suitable;
	unsigned int order = 0, number;
	char *line;

	READ(POOL_DIR "fragmentation");
	line = strtok(text, "\n");
	EXPECT_STREQ("order suitable_blocks extfrag_permille unusable_permille", line);
	for (order = 0; order <= stats.max_order; order++) {
		line = strtok(NULL, "\n");
		fields = sscanf(line, "%u %llu %d %d", &number, &seen_suitable, &seen_extfrag,
				&seen_unusable);
		ASSERT_EQ(4, fields);
		indexes_of(&stats, order, &suitable, &extfrag, &unusable);
		EXPECT_EQ(order, number);
		EXPECT_EQ(suitable, seen_suitable);
		EXPECT_EQ(extfrag, seen_extfrag);
		EXPECT_EQ(unusable, seen_unusable);
		failing += extfrag >= 0;
	}
	/* Or nothing was to be seen. */
	EXPECT_LT(0, failing);
	EXPECT_GT(order, failing);
}

/* Row of "fragmentation" that a region of so many pages is in. */
static unsigned int fullness(unsigned int pages, unsigned int free)
{
	return free == pages ? 0 : !free ? 9 : 1 + (pages - free) * 8 / pages;
}

TEST_F(debugfs, regions_are_counted_by_fullness)
{
	struct respool_test_pool_stats stats = pool_stats(self->fd);
	unsigned int regions[10] = {}, row, page, next, free, min, max, seen;
	char *line;
	int fields;

	READ(POOL_DIR "map");
	line = strtok(text, "\n");
	line = strtok(NULL, "\n");
	fields = sscanf(line, "%u %u", &page, &free);
	ASSERT_EQ(2, fields);
	while ((line = strtok(NULL, "\n"))) {
		next = strtoul(line, NULL, 10);
		regions[fullness(next - page, free)]++;
		fields = sscanf(line, "%u %u", &page, &free);
		ASSERT_EQ(2, fields);
	}
	regions[fullness(stats.pages - page, free)]++;
	READ(POOL_DIR "fragmentation");
	line = strstr(text, "\n\nmin_held_pages max_held_pages regions\n");
	ASSERT_NE(NULL, line);
	strtok(line + 2, "\n");
	for (row = 0; row < 10; row++) {
		line = strtok(NULL, "\n");
		fields = sscanf(line, "%u %u %u", &min, &max, &seen);
		ASSERT_EQ(3, fields);
		EXPECT_EQ(row < 2 ? row : row == 9 ? REGION_PAGES : (row - 1) * 64, min);
		EXPECT_EQ(row == 9 ? REGION_PAGES : row ? row * 64 - 1 : 0, max);
		EXPECT_EQ(regions[row], seen) TH_LOG("row %u", row);
	}
	EXPECT_EQ(NULL, strtok(NULL, "\n"));
}

/* What a histogram may add up to: each call less than its bound, and half of it or more. */
struct bounds {
	__u64 calls;
	__u64 least_ns;
	__u64 most_ns;
};

/* A row of a histogram of a kind and order, of any order for -1, counts. */
static void add_row(const char *line, const char *what, int order, struct bounds *sum)
{
	__u64 below, count;
	char kind[16];
	int of;

	if (sscanf(line, "%15s %d %llu %llu", kind, &of, &below, &count) != 4 ||
	    strcmp(kind, what) || (order >= 0 && of != order))
		return;
	sum->calls += count;
	sum->least_ns += count * (below / 2);
	sum->most_ns += count * (below - 1);
}

/*
 * Calls of a kind and order that "latency" has. Its second table must say the
 * same, and a time that they can have taken; -1 if it does not.
 */
static __u64 latency_count(const char *what, int order)
{
	struct bounds sum = {};
	__u64 calls, ns, all_calls = 0, all_ns = 0;
	char kind[16], *line, *rest, *totals;
	int of, fields;

	if (client_read_file(POOL_DIR "latency", text, sizeof(text)) < 0)
		return -1;
	totals = strstr(text, "\n\nwhat order calls total_ns\n");
	if (!totals)
		return -1;
	*totals++ = '\0';
	for (line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest))
		add_row(line, what, order, &sum);
	for (line = strtok_r(totals, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
		fields = sscanf(line, "%15s %d %llu %llu", kind, &of, &calls, &ns);
		if (fields == 4 && !strcmp(kind, what) && (order < 0 || of == order)) {
			all_calls += calls;
			all_ns += ns;
		}
	}
	if (all_calls == sum.calls && all_ns >= sum.least_ns && all_ns <= sum.most_ns)
		return all_calls;
	printf("# %s: %llu calls in %llu ns, but %llu in %llu to %llu ns\n", what, all_calls,
	       all_ns, sum.calls, sum.least_ns, sum.most_ns);
	return -1;
}

static int alloc_and_free(int fd, unsigned int nr)
{
	unsigned int i;
	int error = 0;

	for (i = 0; i < nr; i++)
		error |= run(fd, OP(ALLOC_PAGES, .handle = 210 + i, .size = 1), NULL);
	for (i = 0; i < nr; i++)
		error |= run(fd, OP(FREE, .handle = 210 + i), NULL);
	return error;
}

/* Blocks with conditions, and of a list of 5 pages: of 4 and 1. */
static int alloc_otherwise(int fd)
{
	struct respool_test_many list = {
		.call = RESPOOL_TEST_ALLOC_LIST, .handle = 220, .nr = 2, .size = 5,
	};
	int error;

	error = run(fd, OP(ALLOC_REQUEST, .handle = 210, .size = 6), NULL);
	error |= run(fd, OP(FREE, .handle = 210), NULL);
	error |= client_ioctl(fd, RESPOOL_TEST_IOC_MANY, &list);
	error |= run(fd, OP(FREE, .handle = 220), NULL);
	return error | run(fd, OP(FREE, .handle = 221), NULL);
}

TEST_F(debugfs, latency_counts_each_call_while_it_is_on)
{
	ASSERT_EQ(0, client_count_latency(true));
	EXPECT_EQ(0, latency_count("alloc", -1) + latency_count("free", -1));
	ASSERT_EQ(0, alloc_and_free(self->fd, 30));
	ASSERT_EQ(0, run(self->fd, OP(ALLOC_EXACT, .handle = 210, .size = 7), NULL));
	ASSERT_EQ(0, run(self->fd, OP(FREE, .handle = 210), NULL));
	EXPECT_EQ(30, latency_count("alloc", 1));
	EXPECT_EQ(30, latency_count("free", 1));
	EXPECT_EQ(1, latency_count("alloc", 3));
	EXPECT_EQ(31, latency_count("alloc", -1));
	EXPECT_EQ(31, latency_count("free", -1));
	EXPECT_LE(2, latency_count("hold", -1));
	EXPECT_EQ(1, latency_count("hold", 3));
	EXPECT_EQ(0, latency_count("request", -1));
	ASSERT_EQ(0, alloc_otherwise(self->fd));
	EXPECT_EQ(1, latency_count("request", 3));
	EXPECT_EQ(1, latency_count("request", -1));
	EXPECT_EQ(1, latency_count("alloc", 0));
	EXPECT_EQ(1, latency_count("alloc", 2));
	EXPECT_EQ(33, latency_count("alloc", -1));
	/* For 7 pages, then for 6, and none of them was for another. */
	EXPECT_EQ(2, latency_count("hold", 3));
	ASSERT_EQ(0, client_count_latency(false));
	ASSERT_EQ(0, alloc_and_free(self->fd, 30));
	EXPECT_EQ(33, latency_count("alloc", -1));
	ASSERT_EQ(0, client_count_latency(true));
	EXPECT_EQ(0, latency_count("alloc", -1));
	ASSERT_EQ(0, client_count_latency(false));
}

TEST_F(debugfs, owners_hold_what_is_allocated)
{
	struct respool_test_pool_stats stats = pool_stats(self->fd);
	__u64 pages, blocks, allocations, frees, all_pages = 0, slab_pages = 0, test_pages = 0;
	char owner[64], task[64], *line;
	int fields;

	snprintf(task, sizeof(task), "test:debugfs/%d", getpid());
	READ(POOL_DIR "owners");
	line = strtok(text, "\n");
	EXPECT_STREQ("owner pages blocks allocations frees", line);
	while ((line = strtok(NULL, "\n"))) {
		fields = sscanf(line, "%63s %llu %llu %llu %llu", owner, &pages, &blocks,
				&allocations, &frees);
		ASSERT_EQ(5, fields);
		EXPECT_EQ(blocks, allocations - frees);
		all_pages += pages;
		if (!strcmp(owner, "slab:shown"))
			slab_pages = pages;
		if (!strcmp(owner, task))
			test_pages = pages;
	}
	EXPECT_EQ(stats.allocated_pages, all_pages);
	EXPECT_EQ(slab_stats(self->fd, self->slab).held_pages, slab_pages);
	EXPECT_EQ(stats.allocated_pages - slab_pages, test_pages);
	EXPECT_LT(0, test_pages);
}

TEST_F(debugfs, held_blocks_are_those_of_their_owners)
{
	struct respool_test_pool_stats stats = pool_stats(self->fd);
	__u64 page, pages, next = 0, all_pages = 0, slab_pages = 0;
	char owner[64], age[16], pid[16], stack[16], *line;
	int fields;

	READ(POOL_DIR "held");
	line = strtok(text, "\n");
	EXPECT_STREQ("page pages owner age_seconds pid stack", line);
	while ((line = strtok(NULL, "\n"))) {
		fields = sscanf(line, "%llu %llu %63s %15s %15s %15s", &page, &pages, owner, age,
				pid, stack);
		ASSERT_EQ(6, fields);
		EXPECT_LE(next, page);
		next = page + pages;
		all_pages += pages;
		if (!strcmp(owner, "slab:shown"))
			slab_pages += pages;
		EXPECT_STREQ("-", age);
		EXPECT_STREQ("-", stack);
	}
	EXPECT_LE(next, stats.pages);
	EXPECT_EQ(stats.allocated_pages, all_pages);
	EXPECT_EQ(slab_stats(self->fd, self->slab).held_pages, slab_pages);
}

/* Allocated pages of a cell; of '.' and ' ' none. */
static unsigned int cell_pages(char cell)
{
	return cell == '#' ? 8 : isdigit(cell) ? cell - '0' : 0;
}

/*
 * A cell shows at most its pool pages as allocated, and '#' may stand for
 * fewer than eight where the pool begins or ends inside the cell.
 */
TEST_F(debugfs, map_draws_every_page)
{
	struct respool_test_pool_stats stats = pool_stats(self->fd);
	unsigned int free, rows = 0, all_free = 0, drawn = 0, i;
	unsigned long page, first = 0;
	char *line, *cells;
	int fields, len;

	READ(POOL_DIR "map");
	line = strtok(text, "\n");
	EXPECT_EQ(0, strncmp(line, "page free ", 10));
	while ((line = strtok(NULL, "\n"))) {
		fields = sscanf(line, "%lu %u%n", &page, &free, &len);
		ASSERT_EQ(2, fields);
		cells = line + len + 1;
		ASSERT_EQ(CELLS, strlen(cells));
		EXPECT_EQ(CELLS, strspn(cells, " .#1234567"));
		/* After the first, which the pool may start inside, rows are regions. */
		if (rows == 1)
			first = page;
		EXPECT_EQ(rows ? first + (rows - 1) * REGION_PAGES : 0, page);
		all_free += free;
		for (i = 0; i < CELLS; i++)
			drawn += cell_pages(cells[i]);
		rows++;
	}
	EXPECT_EQ(stats.regions, rows);
	EXPECT_EQ(stats.free_pages, all_free);
	EXPECT_LE(stats.allocated_pages + stats.cached_pages, drawn);
	EXPECT_GE(stats.allocated_pages + stats.cached_pages + 2 * 7, drawn);
}

/* What a row of the pool's "blocks" says a page is. */
static bool is_owner(const char *use, const char *owner, const char *task)
{
	if (strcmp(use, "used"))
		return !strcmp(owner, "-") && (!strcmp(use, "free") || !strcmp(use, "cached"));
	return !strcmp(owner, task) || !strcmp(owner, "slab:shown");
}

TEST_F(debugfs, blocks_fill_the_pool)
{
	struct respool_test_pool_stats stats = pool_stats(self->fd);
	__u64 free[RESPOOL_TEST_NR_ORDERS] = {}, cached = 0, slab_pages = 0;
	unsigned long page, pages, at = 0;
	char use[16], owner[64], task[64], *line;
	unsigned int order, exact = 0;
	int fields;

	snprintf(task, sizeof(task), "test:debugfs/%d", getpid());
	READ(POOL_DIR "blocks");
	line = strtok(text, "\n");
	EXPECT_STREQ("page pages use owner", line);
	while ((line = strtok(NULL, "\n"))) {
		fields = sscanf(line, "%lu %lu %15s %63s", &page, &pages, use, owner);
		ASSERT_EQ(4, fields);
		ASSERT_EQ(at, page);
		ASSERT_LT(0, pages);
		EXPECT_TRUE(is_owner(use, owner, task)) TH_LOG("%s", line);
		if (!strcmp(use, "free")) {
			EXPECT_EQ(0, pages & (pages - 1));
			free[__builtin_ctzl(pages)]++;
		}
		cached += strcmp(use, "cached") ? 0 : pages;
		slab_pages += strcmp(owner, "slab:shown") ? 0 : pages;
		exact += pages == 77;
		at += pages;
	}
	EXPECT_EQ(stats.pages, at);
	for (order = 0; order < RESPOOL_TEST_NR_ORDERS; order++)
		EXPECT_EQ(stats.order[order].free_blocks, free[order]);
	EXPECT_EQ(stats.cached_pages, cached);
	EXPECT_EQ(slab_stats(self->fd, self->slab).held_pages, slab_pages);
	EXPECT_EQ(1, exact);
}

TEST_F(debugfs, validate_says_ok)
{
	READ(POOL_DIR "validate");
	EXPECT_STREQ("ok\n", text);
	READ(SLAB_DIR "validate");
	EXPECT_STREQ("ok\n", text);
}

TEST_F(debugfs, slab_stats_are_those_of_the_function)
{
	struct respool_test_slab_stats stats = slab_stats(self->fd, self->slab);
	const char *at = text;

	READ(SLAB_DIR "stats");
	EXPECT_FIELD(held_pages);
	EXPECT_FIELD(runs);
	EXPECT_FIELD(empty_runs);
	EXPECT_FIELD(live_blocks);
	EXPECT_FIELD(live_bytes);
	EXPECT_FIELD(cached_blocks);
	EXPECT_FIELD(cached_bytes);
	EXPECT_FIELD(quarantined_blocks);
	EXPECT_FIELD(quarantined_bytes);
	EXPECT_FIELD(free_blocks);
	EXPECT_FIELD(free_bytes);
	EXPECT_FIELD(overhead_bytes);
	EXPECT_FIELD(largest_free);
	EXPECT_FIELD(peak_held_pages);
	EXPECT_FIELD(peak_live_bytes);
	EXPECT_FIELD(allocations);
	EXPECT_FIELD(frees);
	EXPECT_FIELD(reallocs);
	EXPECT_FIELD(reallocs_in_place);
	EXPECT_FIELD(failures);
	EXPECT_FIELD(splits);
	EXPECT_FIELD(coalesces);
	EXPECT_FIELD(runs_taken);
	EXPECT_FIELD(runs_returned);
	at = strchr(at, '\n') + 1;	/* the fragmentation, which has its own test */
	at = strchr(at, '\n') + 1;
	EXPECT_REFUSALS();
	EXPECT_EQ(stats.held_pages * PAGE,
		  stats.live_bytes + stats.cached_bytes + stats.free_bytes +
		  stats.overhead_bytes);
	EXPECT_EQ(stats.live_blocks, stats.allocations - stats.frees);
	EXPECT_EQ(stats.runs, stats.runs_taken - stats.runs_returned);
}

/* Runs are walked from end to end: each row begins where the one before ended. */
struct walk {
	long long run;
	__u64 run_bytes;
	long long at;		/* 0 between two runs */
	bool prev_used;
};

static bool walk_run(struct walk *walk, const char *line)
{
	if (sscanf(line, "run %lld bytes %llu", &walk->run, &walk->run_bytes) != 2 ||
	    walk->at || walk->run % (long long)PAGE)
		return false;
	walk->at = walk->run + 40;	/* sizeof(struct respool_run) */
	walk->prev_used = true;
	walked_runs++;
	walked_bytes += walk->run_bytes;
	return true;
}

static bool walk_end(struct walk *walk, const struct block *block)
{
	long long end = walk->at + 8;

	walk->at = 0;
	return !block->bytes && end == walk->run + (long long)walk->run_bytes;
}

static long long parse_link(const char *word)
{
	return strcmp(word, "-") ? atoll(word) : -1;
}

static bool walk_block(struct walk *walk, const char *line, const char *used_owner)
{
	struct block *block = &blocks[nr_blocks];
	char use[16], next[24], prev[24], footer[24], owner[64];
	unsigned int prev_used;

	if (sscanf(line, "%lld %llu %15s %u %23s %23s %23s %63s", &block->offset, &block->bytes,
		   use, &prev_used, next, prev, footer, owner) != 8)
		return false;
	block->cached = !strcmp(use, "cached");
	block->used = block->cached || !strcmp(use, "used");
	block->next = parse_link(next);
	block->prev = parse_link(prev);
	if (!walk->at || block->offset != walk->at || prev_used != walk->prev_used ||
	    strcmp(owner, block->used && !block->cached ? used_owner : "-"))
		return false;
	/* A free block says its size twice, any other once. */
	if (!strcmp(use, "free") ? parse_link(footer) != (long long)block->bytes :
				   !!strcmp(footer, "-"))
		return false;
	if (!strcmp(use, "end"))
		return walk_end(walk, block);
	if ((!block->used && strcmp(use, "free")) || block->bytes < 32 || block->bytes % 16)
		return false;
	walk->at += block->bytes;
	walk->prev_used = block->used;
	return ++nr_blocks < ARRAY_SIZE(blocks);
}

/* Reads "blocks" at @path into blocks[]; false, and says where, if it is not sound. */
static bool walk_blocks(const char *path, const char *owner)
{
	struct walk walk = {};
	char *line, *rest;

	nr_blocks = 0;
	walked_runs = 0;
	walked_bytes = 0;
	if (client_read_file(path, text, sizeof(text)) <= 0)
		return false;
	line = strtok_r(text, "\n", &rest);
	if (strcmp(line, "offset bytes use prev_used next prev footer owner"))
		return false;
	while ((line = strtok_r(NULL, "\n", &rest))) {
		if (walk_run(&walk, line) || walk_block(&walk, line, owner))
			continue;
		printf("# not what should be at offset %lld: '%s'\n", walk.at, line);
		return false;
	}
	return !walk.at;
}

#define WALK(slab) \
	ASSERT_TRUE(walk_blocks(POOL_DIR "slabs/" slab "/blocks", "slab:" slab))

/* Free blocks with sizes from @min to @max, and their bytes. */
static __u64 count_free(__u64 min, __u64 max, __u64 *bytes)
{
	__u64 count = 0;
	unsigned int i;

	*bytes = 0;
	for (i = 0; i < nr_blocks; i++) {
		if (blocks[i].used || blocks[i].bytes < min || blocks[i].bytes > max)
			continue;
		*bytes += blocks[i].bytes;
		count++;
	}
	return count;
}

static const struct block *block_at(long long offset)
{
	unsigned int i;

	for (i = 0; i < nr_blocks; i++)
		if (blocks[i].offset == offset)
			return &blocks[i];
	return NULL;
}

/* Blocks on the list of a class, by following its links; 0 if they do not match. */
static __u64 follow_list(__u64 min, __u64 max)
{
	const struct block *block = NULL, *next;
	__u64 count;
	unsigned int i;

	for (i = 0; i < nr_blocks && !block; i++)
		if (!blocks[i].used && blocks[i].prev < 0 && blocks[i].bytes >= min &&
		    blocks[i].bytes <= max)
			block = &blocks[i];
	for (count = 0; block; block = next, count++) {
		next = block->next < 0 ? NULL : block_at(block->next);
		if (block->used || block->bytes < min || block->bytes > max ||
		    (block->next >= 0 && (!next || next->prev != block->offset)))
			return 0;
	}
	return count;
}

TEST_F(debugfs, blocks_fill_their_runs)
{
	struct respool_test_slab_stats stats = slab_stats(self->fd, self->slab);
	__u64 free, free_bytes, live_bytes = 0, cached = 0, cached_bytes = 0;
	unsigned int i;

	WALK("shown");
	free = count_free(0, ~0ULL, &free_bytes);
	for (i = 0; i < nr_blocks; i++) {
		cached += blocks[i].cached;
		*(blocks[i].cached ? &cached_bytes : &live_bytes) +=
			blocks[i].used ? blocks[i].bytes - 8 : 0;
	}
	EXPECT_EQ(stats.runs, walked_runs);
	EXPECT_EQ(stats.held_pages * PAGE, walked_bytes);
	EXPECT_EQ(stats.live_blocks, nr_blocks - free - cached);
	EXPECT_EQ(stats.live_bytes, live_bytes);
	EXPECT_EQ(stats.cached_blocks, cached);
	EXPECT_EQ(stats.cached_bytes, cached_bytes);
	EXPECT_EQ(stats.free_blocks, free);
	EXPECT_EQ(stats.free_bytes, free_bytes);
	EXPECT_LT(1, free);
}

TEST_F(debugfs, classes_are_what_the_walk_finds)
{
	__u64 min, max, count, bytes, unusable, found, found_bytes, below, free_bytes;
	__u64 last = 0, all = 0;
	char *line, *rest;
	int fields;

	WALK("shown");
	READ(SLAB_DIR "classes");
	line = strtok_r(text, "\n", &rest);
	EXPECT_STREQ("min_bytes max_bytes blocks bytes unusable_permille", line);
	count_free(0, ~0ULL, &free_bytes);
	while ((line = strtok_r(NULL, "\n", &rest))) {
		fields = sscanf(line, "%llu %llu %llu %llu %llu", &min, &max, &count, &bytes,
				&unusable);
		ASSERT_EQ(5, fields);
		EXPECT_LT(last, min);
		EXPECT_LE(min, max);
		found = count_free(min, max, &found_bytes);
		EXPECT_LT(0, count);
		EXPECT_EQ(found, count);
		EXPECT_EQ(found, follow_list(min, max));
		EXPECT_EQ(found_bytes, bytes);
		count_free(0, min - 1, &below);
		EXPECT_EQ(below * 1000 / free_bytes, unusable);
		last = max;
		all += bytes;
	}
	EXPECT_EQ(free_bytes, all);
}

TEST_F(debugfs, fragmentation_is_what_the_walk_finds)
{
	__u64 free_bytes, largest = 0, used = 0;
	const char *at;
	unsigned int i;

	WALK("shown");
	count_free(0, ~0ULL, &free_bytes);
	for (i = 0; i < nr_blocks; i++) {
		if (blocks[i].used)
			used += blocks[i].bytes - 8;
		else if (blocks[i].bytes > largest)
			largest = blocks[i].bytes;
	}
	READ(SLAB_DIR "stats");
	at = strstr(text, "internal_permille");
	ASSERT_NE(NULL, at);
	EXPECT_NEXT("internal_permille",
		    (walked_bytes - used - free_bytes) * 1000 / walked_bytes);
	EXPECT_NEXT("external_permille", (free_bytes - largest) * 1000 / free_bytes);
}

TEST_F(debugfs, a_slab_without_memory_has_no_blocks)
{
	ASSERT_EQ(1, client_slab(self->fd, "bare"));
	WALK("bare");
	EXPECT_EQ(0, nr_blocks);
	READ(POOL_DIR "slabs/bare/stats");
	EXPECT_NE(NULL, strstr(text, "\ninternal_permille 0\nexternal_permille 0\n"));
}

/* More blocks to a run than one look takes in, and a reader they leave behind. */
TEST_F(debugfs, blocks_may_go_while_they_are_read)
{
	int other = client_open("main", 4000), slab, file;
	unsigned int i;
	ssize_t len;

	slab = client_slab_with(other, "many", RESPOOL_TEST_GOOD_FIT,
				RESPOOL_TEST_SLAB_NO_OBJECTS);
	ASSERT_LE(0, slab);
	for (i = 0; i < 4000; i++)
		ASSERT_EQ(0, run(other, OP(ALLOC, .handle = i, .slab = slab, .size = 24), NULL));
	WALK("many");
	EXPECT_LE(4000, nr_blocks);
	EXPECT_LT(200, nr_blocks / walked_runs);

	file = open(POOL_DIR "slabs/many/blocks", O_RDONLY);
	ASSERT_LE(0, file);
	EXPECT_EQ(1000, read(file, text, 1000));
	for (i = 0; i < 4000; i++)
		ASSERT_EQ(0, run(other, OP(FREE, .handle = i), NULL));
	while ((len = read(file, text, sizeof(text))) > 0)
		;
	EXPECT_EQ(0, len);
	EXPECT_VALID(other, slab);

	/* The slab goes, the reader stays. */
	EXPECT_EQ(1, pread(file, text, 1, 0));
	close(other);
	EXPECT_EQ(-1, read(file, text, 1));
	close(file);
}

TEST_F(debugfs, slab_directory_goes_with_the_slab)
{
	int slab = client_slab(self->fd, "passing");
	int other = client_open("main", 1);

	ASSERT_EQ(1, slab);
	ASSERT_LE(0, other);
	EXPECT_EQ(0, access(POOL_DIR "slabs/passing/stats", R_OK));
	ASSERT_EQ(0, client_slab(other, "going"));
	EXPECT_EQ(0, access(POOL_DIR "slabs/going/stats", R_OK));
	close(other);
	EXPECT_EQ(-1, access(POOL_DIR "slabs/going", F_OK));
}

TEST_F(debugfs, every_file_can_be_read_through_small_buffers)
{
	static const char *const files[] = {
		POOL_DIR "stats", POOL_DIR "orders", POOL_DIR "map", POOL_DIR "blocks",
		POOL_DIR "owners", SLAB_DIR "stats", SLAB_DIR "classes", SLAB_DIR "objects",
		SLAB_DIR "blocks",
	};
	static char slow[sizeof(text)];
	unsigned int i;
	size_t len;
	int fd;

	for (i = 0; i < ARRAY_SIZE(files); i++) {
		READ(files[i]);
		fd = open(files[i], O_RDONLY);
		ASSERT_LE(0, fd);
		for (len = 0; read(fd, slow + len, 1) == 1; len++)
			;
		slow[len] = '\0';
		EXPECT_STREQ(text, slow);
		close(fd);
	}
}

TEST_HARNESS_MAIN
