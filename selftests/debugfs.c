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
	EXPECT_REFUSALS();
	EXPECT_EQ(stats.held_pages * PAGE,
		  stats.live_bytes + stats.free_bytes + stats.overhead_bytes);
	EXPECT_EQ(stats.live_blocks, stats.allocations - stats.frees);
	EXPECT_EQ(stats.runs, stats.runs_taken - stats.runs_returned);
}

TEST_F(debugfs, classes_hold_the_free_blocks)
{
	struct respool_test_slab_stats stats = slab_stats(self->fd, self->slab);
	__u64 min, max, blocks, bytes, last = 0, all_blocks = 0, all_bytes = 0;
	char *line;
	int fields;

	READ(SLAB_DIR "classes");
	line = strtok(text, "\n");
	EXPECT_STREQ("min_bytes max_bytes blocks bytes", line);
	while ((line = strtok(NULL, "\n"))) {
		fields = sscanf(line, "%llu %llu %llu %llu", &min, &max, &blocks, &bytes);
		ASSERT_EQ(4, fields);
		EXPECT_LT(last, min);
		EXPECT_LE(min, max);
		EXPECT_LE(blocks * min, bytes);
		EXPECT_GE(blocks * max, bytes);
		last = max;
		all_blocks += blocks;
		all_bytes += bytes;
	}
	EXPECT_EQ(stats.free_blocks, all_blocks);
	EXPECT_EQ(stats.free_bytes, all_bytes);
}

TEST_F(debugfs, blocks_fill_their_runs)
{
	struct respool_test_slab_stats stats = slab_stats(self->fd, self->slab);
	__u64 run_bytes = 0, blocks = 0, bytes, runs = 0, live = 0, free = 0, free_bytes = 0;
	__u64 left = 0, all = 0;
	long run, offset, end = 0;
	char use[8], next[24], prev[24], *line;
	unsigned int prev_used, was_used = 1;
	int fields;

	READ(SLAB_DIR "blocks");
	for (line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
		fields = sscanf(line, "run %ld bytes %llu blocks %llu", &run, &bytes, &blocks);
		if (fields == 3) {
			EXPECT_EQ(0, left);
			EXPECT_EQ(0, run % (long)PAGE);
			left = blocks;
			all += bytes;
			run_bytes = bytes;
			was_used = 1;
			end = 0;
			runs++;
			continue;
		}
		fields = sscanf(line, "%ld %llu %7s %u %23s %23s", &offset, &bytes, use,
				&prev_used, next, prev);
		ASSERT_EQ(6, fields);
		EXPECT_EQ(was_used, prev_used);
		EXPECT_EQ(0, bytes % 16);
		if (end)
			EXPECT_EQ(end, offset);
		end = offset + bytes;
		EXPECT_GT(run + (long)run_bytes, end);
		was_used = !strcmp(use, "used");
		live += was_used;
		free += !was_used;
		free_bytes += was_used ? 0 : bytes;
		left--;
	}
	EXPECT_EQ(0, left);
	EXPECT_EQ(stats.runs, runs);
	EXPECT_EQ(stats.held_pages * PAGE, all);
	EXPECT_EQ(stats.live_blocks, live);
	EXPECT_EQ(stats.free_blocks, free);
	EXPECT_EQ(stats.free_bytes, free_bytes);
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
		POOL_DIR "stats", POOL_DIR "orders", POOL_DIR "map", POOL_DIR "owners",
		SLAB_DIR "stats", SLAB_DIR "classes", SLAB_DIR "blocks",
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
