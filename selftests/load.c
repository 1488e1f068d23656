// SPDX-License-Identifier: GPL-2.0
/*
 * Loading and unloading: parameters are refused as a whole, with an errno and
 * one line that says what, where and why; what was taken comes back.
 */
#include <glob.h>
#include <stdarg.h>

#include "selftest.h"

#define PAGE	4096ULL
#define MIB	(1024 * 1024ULL)

/* By how much free memory differs from one moment to the next without us. */
#define TOLERANCE	(1 * MIB)

/* After so many cycles that a page lost in each would be seen. */
#define CYCLES		100
#define TRIES		4

FIXTURE(load)
{
	int log;
};

/* Every test loads for itself, so it starts from nothing. */
FIXTURE_SETUP(load)
{
	USE_POOLS(CLIENT_DEFAULT_POOLS);
	ASSERT_EQ(0, client_unload("respool_test"));
	ASSERT_EQ(0, client_unload("respool"));
	self->log = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	ASSERT_LE(0, self->log);
	lseek(self->log, 0, SEEK_END);
}

FIXTURE_TEARDOWN(load)
{
	int error;

	close(self->log);
	error = client_unload("respool_test");
	EXPECT_TRUE(!error || error == -ENOENT);
	error = client_unload("respool");
	EXPECT_TRUE(!error || error == -ENOENT);
	EXPECT_EQ(-1, access(CLIENT_DEBUGFS, F_OK));
}

static int load(const char *fmt, ...)
{
	char params[512];
	va_list args;

	va_start(args, fmt);
	vsnprintf(params, sizeof(params), fmt, args);
	va_end(args);
	return client_load("respool", params);
}

/* The module's lines in the log since the last call; the last one is in @line. */
static unsigned int log_lines(int log, char line[1024])
{
	char record[1024], *text;
	unsigned int n = 0;
	ssize_t len;

	*line = '\0';
	while ((len = read(log, record, sizeof(record) - 1)) > 0) {
		record[len] = '\0';
		text = strchr(record, ';');
		if (!text || strncmp(text + 1, "respool: ", 9))
			continue;
		strcpy(line, text + 1);
		line[strcspn(line, "\n")] = '\0';
		n++;
	}
	return n;
}

static bool says(const char *line, const char *word)
{
	return strstr(line, word);
}

/* The first of the words that is not in the line, "" if all are. */
static const char *missing(const char *line, const char *const words[])
{
	while (*words && says(line, *words))
		words++;
	return *words ?: "";
}

/*
 * Loading with these pools fails with this errno and says so in one line with
 * these words in it; nothing is loaded, taken or left behind.
 */
#define EXPECT_REFUSED(error, pools, ...) do {					\
	static const char *const __words[] = { __VA_ARGS__, NULL };		\
	char __line[1024];							\
										\
	EXPECT_EQ(error, load("pools=%s", pools))				\
		TH_LOG("pools=%s", pools);					\
	EXPECT_EQ(1, log_lines(self->log, __line))				\
		TH_LOG("pools=%s, last line: %s", pools, __line);		\
	EXPECT_STREQ("", missing(__line, __words))				\
		TH_LOG("pools=%s, line: %s", pools, __line);			\
	EXPECT_EQ(-1, access("/sys/module/respool", F_OK));			\
	EXPECT_EQ(-1, access(CLIENT_DEBUGFS, F_OK));				\
} while (0)

TEST_F(load, bad_syntax_is_refused)
{
	EXPECT_REFUSED(-EINVAL, "", "NAME:SIZE");
	EXPECT_REFUSED(-EINVAL, "main", "'main'", "NAME:SIZE");
	EXPECT_REFUSED(-EINVAL, "main:", "'main:'", "size");
	EXPECT_REFUSED(-EINVAL, ":4M", "':4M'", "name");
	EXPECT_REFUSED(-EINVAL, "main:4M,", "NAME:SIZE");
	EXPECT_REFUSED(-EINVAL, "main:4M,,b:4M", "NAME:SIZE");
	EXPECT_REFUSED(-EINVAL, "main:4X", "'main:4X'", "size");
	EXPECT_REFUSED(-EINVAL, "main:-4M", "'main:-4M'", "size");
	EXPECT_REFUSED(-EINVAL, "main:4MM", "'main:4MM'", "size");
	EXPECT_REFUSED(-EINVAL, "main:M", "'main:M'", "size");
	EXPECT_REFUSED(-EINVAL, "main:4M@", "'main:4M@'", "address");
	EXPECT_REFUSED(-EINVAL, "main:4M@zero", "'main:4M@zero'", "address");
	EXPECT_REFUSED(-EINVAL, "main:4M:5M", "'main:4M:5M'", "size");
}

TEST_F(load, bad_names_are_refused)
{
	EXPECT_REFUSED(-EINVAL, "a/b:4M", "'a/b:4M'", "name");
	EXPECT_REFUSED(-EINVAL, "..:4M", "'..:4M'", "name");
	EXPECT_REFUSED(-EINVAL, "abcdefghijklmnopqrstuvwxyz012345:4M", "abcdefghijkl", "name");
}

TEST_F(load, sizes_that_are_no_sizes_are_refused)
{
	EXPECT_REFUSED(-EINVAL, "main:0", "'main:0'", "zero");
	EXPECT_REFUSED(-EINVAL, "main:0M", "'main:0M'", "zero");
	EXPECT_REFUSED(-EINVAL, "main:1000", "'main:1000'", "page size");
	EXPECT_REFUSED(-EINVAL, "main:4097", "'main:4097'", "page size");
	EXPECT_REFUSED(-ERANGE, "main:99999999999999999999", "'main:9999999", "64 bits");
	EXPECT_REFUSED(-ERANGE, "main:17179869184G", "'main:17179869184G'", "64 bits");
	EXPECT_REFUSED(-ERANGE, "main:17592186044416K", "'main:17592186044416K'", "2^32 pages");
}

TEST_F(load, addresses_that_are_no_addresses_are_refused)
{
	EXPECT_REFUSED(-EINVAL, "main:4M@0x10000001", "'main:4M@0x10000001'", "page size");
	EXPECT_REFUSED(-ERANGE, "main:4M@0xfffffffffffff000", "'main:4M@0xfffffffffffff000'",
		       "address");
}

TEST_F(load, two_pools_of_one_name_are_refused)
{
	EXPECT_REFUSED(-EEXIST, "twin:4M,other:4M,twin:8M", "twin", "name");
}

TEST_F(load, overlapping_regions_are_refused)
{
	EXPECT_REFUSED(-EINVAL, "one:4M@0x10000000,two:4M@0x10200000", "two", "10200000",
		       "overlap");
	EXPECT_REFUSED(-EINVAL, "one:4M@0x10000000,two:4M@0x10000000", "two", "10000000",
		       "overlap");
}

TEST_F(load, a_region_of_ordinary_memory_is_refused)
{
	EXPECT_REFUSED(-EBUSY, "main:4M@0x2000000", "main", "2000000", "ordinary memory");
}

TEST_F(load, a_region_of_somebody_else_is_refused)
{
	/* The interrupt controller's, in every PC. */
	char line[1024];
	int error = load("pools=main:4K@0xfec00000");

	EXPECT_TRUE(error == -EBUSY || error == -ENXIO);
	EXPECT_EQ(1, log_lines(self->log, line));
	EXPECT_TRUE(says(line, "main") && says(line, "fec00000"))
		TH_LOG("%s", line);
}

TEST_F(load, a_size_that_cannot_be_had_is_refused)
{
	EXPECT_REFUSED(-ENOMEM, "main:1024G", "main", "268435456 pages", "the machine has");
}

static void write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY);

	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		abort();
	close(fd);
}

/* What the kernel's caches have free goes back, with what KASAN keeps of it. */
static void shrink_caches(void)
{
	glob_t caches;
	size_t i;

	if (glob("/sys/kernel/slab/*/shrink", 0, NULL, &caches))
		return;
	for (i = 0; i < caches.gl_pathc; i++)
		write_file(caches.gl_pathv[i], "1");
	globfree(&caches);
}

/*
 * Free memory, once what is only waiting to be freed is free: the caches are
 * dropped and shrunk, the counters of all CPUs folded, the pages on the CPUs' own lists
 * counted as what they are.
 */
static uint64_t free_memory(void)
{
	static char text[1 << 16];
	uint64_t pages = 0;
	char *line;

	sync();
	write_file("/proc/sys/vm/drop_caches", "3");
	shrink_caches();
	usleep(500000);
	write_file("/proc/sys/vm/stat_refresh", "1");
	if (client_read_file("/proc/zoneinfo", text, sizeof(text)) < 0)
		abort();
	for (line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
		line += strspn(line, " ");
		if (!strncmp(line, "nr_free_pages ", 14) || !strncmp(line, "count: ", 7))
			pages += strtoull(strchr(line, ' '), NULL, 10);
	}
	return pages * PAGE;
}

static uint64_t total_memory(void)
{
	return (uint64_t)sysconf(_SC_PHYS_PAGES) * PAGE;
}

/* All but a few MiB of what is there, once contiguous, is more than there is. */
TEST_F(load, more_than_is_contiguous_is_refused_and_costs_nothing)
{
	uint64_t before = free_memory();
	char line[1024];

	EXPECT_EQ(-ENOMEM, load("pools=most:%lluM",
				(unsigned long long)(total_memory() / MIB - 1)));
	EXPECT_EQ(1, log_lines(self->log, line));
	EXPECT_TRUE(says(line, "most"))
		TH_LOG("%s", line);
	EXPECT_LT(before, free_memory() + TOLERANCE);
}

TEST_F(load, nothing_is_taken_if_one_pool_cannot_be_had)
{
	uint64_t before = free_memory();

	EXPECT_EQ(-ENOMEM, load("pools=first:64M,second:1024G"));
	EXPECT_LT(before, free_memory() + TOLERANCE);
	EXPECT_EQ(-1, access(CLIENT_DEBUGFS, F_OK));
}

TEST_F(load, several_pools_are_apart)
{
	struct respool_test_info info = {};
	static const struct {
		const char *name;
		__u64 pages;
	} pools[] = { { "one", 1024 }, { "two", 33 }, { "three", 1 }, { "four.4_x-Y", 5000 } };
	unsigned int i;
	int fd[ARRAY_SIZE(pools)];

	ASSERT_EQ(0, load("pools=one:4M,two:132K,three:4096,four.4_x-Y:20000K"));
	ASSERT_EQ(0, client_load("respool_test", ""));
	for (i = 0; i < ARRAY_SIZE(pools); i++) {
		fd[i] = client_open(pools[i].name, 1);
		ASSERT_LE(0, fd[i]);
		strcpy(info.name, pools[i].name);
		EXPECT_EQ(0, client_ioctl(fd[i], RESPOOL_TEST_IOC_INFO, &info));
		EXPECT_EQ(pools[i].pages, info.pages);
		EXPECT_EQ(0, run(fd[i], OP(ALLOC_PAGES, .flags = RESPOOL_TEST_CHECK), NULL));
	}
	for (i = 0; i < ARRAY_SIZE(pools); i++) {
		EXPECT_EQ(1, pool_stats(fd[i]).allocated_pages);
		EXPECT_EQ(0, run(fd[i], OP(FREE, .flags = RESPOOL_TEST_CHECK), NULL));
		EXPECT_VALID(fd[i], RESPOOL_TEST_POOL);
		close(fd[i]);
	}
	EXPECT_EQ(-ENOENT, client_open("main", 1));
}

/* Far beyond the largest block of the kernel's own allocator, 4 MiB. */
TEST_F(load, a_quarter_of_the_machine_is_one_pool)
{
	uint64_t before = free_memory();
	struct respool_test_pool_stats stats;
	int fd;

	ASSERT_EQ(0, load("pools=big:256M"));
	EXPECT_GT(before, free_memory() + 240 * MIB);
	ASSERT_EQ(0, client_load("respool_test", ""));
	fd = client_open("big", 1);
	ASSERT_LE(0, fd);
	stats = pool_stats(fd);
	EXPECT_EQ(256 * MIB / PAGE, stats.pages);
	EXPECT_LT(10, stats.max_order);
	EXPECT_EQ(0, run(fd, OP(ALLOC_PAGES, .size = stats.max_order,
				.flags = RESPOOL_TEST_CHECK), NULL));
	EXPECT_EQ(0, run(fd, OP(FREE, .flags = RESPOOL_TEST_CHECK), NULL));
	close(fd);
	ASSERT_EQ(0, client_unload("respool_test"));
	ASSERT_EQ(0, client_unload("respool"));
	EXPECT_LT(before, free_memory() + TOLERANCE);
}

TEST_F(load, a_region_is_claimed_while_loaded)
{
	char iomem[16384];

	if (!kernel_reserved_region())
		SKIP(return, "boot with " RESERVED_BY_BOOT);
	ASSERT_EQ(0, load("pools=held:8M@0x10000000,next:4K@0x10800000"));
	ASSERT_LT(0, client_read_file("/proc/iomem", iomem, sizeof(iomem)));
	EXPECT_TRUE(says(iomem, "10000000-107fffff : held"));
	EXPECT_TRUE(says(iomem, "10800000-10800fff : next"));
	ASSERT_EQ(0, client_unload("respool"));
	ASSERT_LT(0, client_read_file("/proc/iomem", iomem, sizeof(iomem)));
	EXPECT_FALSE(says(iomem, ": held"));
}

TEST_F(load, a_region_that_leaves_the_reserved_one_is_refused)
{
	char line[1024];

	if (!kernel_reserved_region())
		SKIP(return, "boot with " RESERVED_BY_BOOT);
	EXPECT_GT(0, load("pools=wide:65M@0x10000000"));
	EXPECT_EQ(1, log_lines(self->log, line));
	EXPECT_TRUE(says(line, "wide") && says(line, "10000000"))
		TH_LOG("%s", line);
	EXPECT_EQ(0, load("pools=exact:64M@0x10000000"));
}

TEST_F(load, module_in_use_cannot_be_unloaded)
{
	int fd;

	ASSERT_EQ(0, load("pools=main:4M"));
	ASSERT_EQ(0, client_load("respool_test", ""));
	EXPECT_EQ(-EWOULDBLOCK, client_unload("respool"));
	fd = client_open("main", 1);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, run(fd, OP(ALLOC_PAGES, .size = 3, .seed = 9,
				.flags = RESPOOL_TEST_CHECK), NULL));
	EXPECT_EQ(-EWOULDBLOCK, client_unload("respool_test"));
	EXPECT_EQ(-EWOULDBLOCK, client_unload("respool"));
	EXPECT_EQ(0, run(fd, OP(FREE, .flags = RESPOOL_TEST_CHECK), NULL));
	close(fd);
	EXPECT_EQ(0, client_unload("respool_test"));
	EXPECT_EQ(0, client_unload("respool"));
}

/* pools= goes on with a parameter of its own here. */
TEST_F(load, bad_debugging_is_refused)
{
	EXPECT_REFUSED(-EINVAL, "main:4M debug=red", "debug=", "'red'", "redzone", "all");
	EXPECT_REFUSED(-EINVAL, "main:4M debug=redzone,", "debug=", "''");
	EXPECT_REFUSED(-EINVAL, "main:4M debug=,poison", "debug=", "''");
	EXPECT_REFUSED(-EINVAL, "main:4M debug=ALL", "debug=", "'ALL'");
	EXPECT_REFUSED(-EINVAL, "main:4M debug=:video", "debug=", "''");
	EXPECT_REFUSED(-EINVAL, "main:4M debug=all:", "debug=", "''", "name");
	EXPECT_REFUSED(-EINVAL, "main:4M debug=all:video,", "debug=", "''", "name");
	EXPECT_REFUSED(-EINVAL, "main:4M debug=all:a/b", "debug=", "'a/b'", "name");
	EXPECT_REFUSED(-EINVAL, "main:4M debug=all:video:audio", "debug=", "'video:audio'");
	EXPECT_REFUSED(-EINVAL, "main:4M debug=all:a123456789012345678901234567890x",
		       "debug=", "31 characters");
	EXPECT_REFUSED(-EINVAL, "main:4X debug=all", "pools=", "'main:4X'");
}

/* What debugfs says of the options of a slab made under this parameter. */
static const char *slab_options(const char *debug, const char *slab)
{
	static char options[64];
	char path[128];
	int fd;

	if (load("pools=main:4M debug=%s", debug) || client_load("respool_test", ""))
		return "not loaded";
	snprintf(path, sizeof(path), CLIENT_DEBUGFS "/main/slabs/%s/options", slab);
	fd = client_open("main", 1);
	if (client_slab(fd, slab) || client_read_file(path, options, sizeof(options)) < 0)
		strcpy(options, "not made");
	close(fd);
	if (client_unload("respool_test") || client_unload("respool"))
		return "not unloaded";
	return options;
}

/* A quarantine means poison, and any of it no magazines. */
TEST_F(load, debugging_is_on_for_the_slabs_it_names)
{
	EXPECT_STREQ("fit good\nflags 0x3\n", slab_options("redzone", "video"));
	EXPECT_STREQ("fit good\nflags 0x5\n", slab_options("poison", "video"));
	EXPECT_STREQ("fit good\nflags 0x9\n", slab_options("stacks", "video"));
	EXPECT_STREQ("fit good\nflags 0x15\n", slab_options("quarantine", "video"));
	EXPECT_STREQ("fit good\nflags 0x1f\n", slab_options("all", "video"));
	EXPECT_STREQ("fit good\nflags 0xb\n", slab_options("redzone,stacks:audio,video", "video"));
	EXPECT_STREQ("fit good\nflags 0xb\n", slab_options("redzone,stacks:audio,video", "audio"));
	EXPECT_STREQ("fit good\nflags 0x0\n", slab_options("redzone,stacks:audio,video", "vide"));
	EXPECT_STREQ("fit good\nflags 0x0\n", slab_options("redzone,stacks:audio,video", "videos"));
	EXPECT_STREQ("fit good\nflags 0x0\n", slab_options("", "video"));
}

static int cycle(const char *pools)
{
	int error = load("pools=%s", pools);
	int fd;

	if (!error)
		error = client_load("respool_test", "");
	if (error)
		return error;
	fd = client_open("main", 1);
	if (fd < 0)
		return fd;
	error = run(fd, OP(ALLOC_PAGES, .size = 4, .flags = RESPOOL_TEST_CHECK), NULL);
	close(fd);
	return error ?: client_unload("respool_test") ?: client_unload("respool");
}

/*
 * The first cycle makes what stays for good, as the page tables of modules. What each
 * cycle loses is lost in each try; what a kernel that looks for mistakes keeps of
 * its own, which may be more than that, is not.
 */
#define EXPECT_CYCLES_LOSE_NOTHING(pools, cycles) do {				\
	uint64_t __before, __after;						\
	int __try, __i;								\
										\
	ASSERT_EQ(0, cycle(pools));						\
	for (__try = 0; __try < TRIES; __try++) {				\
		__before = free_memory();					\
		for (__i = 0; __i < (cycles); __i++)				\
			ASSERT_EQ(0, cycle(pools));				\
		__after = free_memory();					\
		TH_LOG("%lld KiB less free after %d cycles",			\
		       (long long)(__before - __after) / 1024, (cycles));	\
		if (__after + (cycles) * PAGE / 2 > __before)			\
			break;							\
	}									\
	EXPECT_GT(TRIES, __try);						\
} while (0)

TEST_F(load, a_hundred_cycles_leave_memory_as_it_was)
{
	EXPECT_CYCLES_LOSE_NOTHING("main:64M", CYCLES);
}

TEST_F(load, cycles_with_a_region_leave_memory_as_it_was)
{
	if (!kernel_reserved_region())
		SKIP(return, "boot with " RESERVED_BY_BOOT);
	EXPECT_CYCLES_LOSE_NOTHING("main:64M@0x10000000", CYCLES / 2);
}

TEST_F(load, cycles_with_a_region_not_aligned_leave_memory_as_it_was)
{
	if (!kernel_reserved_region())
		SKIP(return, "boot with " RESERVED_BY_BOOT);
	EXPECT_CYCLES_LOSE_NOTHING("main:8M@0x10001000", CYCLES / 2);
}

TEST_HARNESS_MAIN
