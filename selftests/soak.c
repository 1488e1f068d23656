// SPDX-License-Identifier: GPL-2.0
/*
 * Everything at once for a long time: pages, bytes and objects come and go in
 * tasks and in interrupts, traces are replayed, the pool is emptied to its last
 * page, magazines are drained, CPUs come and go, and so does a module that is a
 * client. A line a minute says how far it is. In the end every block must be
 * back and every count must agree.
 *
 *   soak [-n] [MINUTES]
 *	-n	all CPUs stay
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <linux/dma-heap.h>

#include "client.h"
#include "kselftest.h"

#define POOLS		"main:64M,traces:256M"
#define NR_HANDLES	16384
#define CHURNERS	4
#define CHURN_MS	500
#define SLAB_BYTES	4096	/* of the largest block that churns */
#define OBJECT_BYTES	192
#define BUFFER_BYTES	(2 * 1024 * 1024ULL)

/* What all processes count. */
struct counts {
	atomic_bool stop;
	atomic_ulong churned;		/* blocks given in tasks and interrupts */
	atomic_ulong replays;
	atomic_ulong shortages;
	atomic_ulong drains;
	atomic_ulong unplugged;
	atomic_ulong loads;
	atomic_ulong buffers;
};

static struct counts *counts;
static unsigned int cpus;	/* of which all but the first come and go */

/* Of one process: what is random there. */
static unsigned int below(unsigned int bound)
{
	return random() % bound;
}

static __attribute__((noreturn, format(printf, 1, 2))) void fail(const char *what, ...)
{
	va_list args;

	va_start(args, what);
	printf("# ");
	vprintf(what, args);
	printf("\n");
	va_end(args);
	fflush(stdout);
	_exit(1);
}

static void must(int error, const char *what)
{
	if (error < 0)
		fail("%s: %s", what, strerror(-error));
}

static int open_pool(const char *pool)
{
	int fd = client_open(pool, NR_HANDLES);

	must(fd, "opening the driver");
	return fd;
}

static struct respool_test_pool_stats pool_stats(int fd)
{
	struct respool_test_pool_stats stats = {};

	must(client_ioctl(fd, RESPOOL_TEST_IOC_POOL_STATS, &stats), "stats");
	return stats;
}

static void drain(int fd)
{
	struct respool_test_drain arg = {};

	must(client_ioctl(fd, RESPOOL_TEST_IOC_DRAIN, &arg), "drain");
}

static void expect_valid(int fd)
{
	char why[120] = "";

	if (client_validate(fd, RESPOOL_TEST_POOL, why))
		fail("validate: %s", why);
}

/* The workers, each in a process, until they are told to stop */

/* Pages, bytes or objects, in this task and in interrupts that come meanwhile. */
static void churn(unsigned int nr)
{
	int fd = open_pool("main"), slab, cache;
	char name[16];

	snprintf(name, sizeof(name), "soak%u", nr);
	slab = client_slab(fd, name);
	must(slab, "a slab");
	snprintf(name, sizeof(name), "soaks%u", nr);
	cache = client_cache(fd, name, OBJECT_BYTES, 0, 0);
	must(cache, "a cache");
	while (!counts->stop) {
		struct respool_test_churn arg = {
			.flags = below(RESPOOL_TEST_CHURN_OBJECTS), .ms = CHURN_MS,
			.period_us = 100 + below(1000), .max_order = below(7), .seed = random(),
		};

		switch (below(3)) {
		case 0:
			arg.max_bytes = SLAB_BYTES;
			arg.max_order = 0;
			arg.cache = slab;
			break;
		case 1:
			arg.flags |= RESPOOL_TEST_CHURN_OBJECTS;
			arg.max_order = 0;
			arg.cache = cache;
			break;
		}
		must(client_ioctl(fd, RESPOOL_TEST_IOC_CHURN, &arg), "churn");
		if (arg.refused || arg.wrong)
			fail("churn: %llu frees refused, %llu blocks overwritten",
			     (unsigned long long)arg.refused, (unsigned long long)arg.wrong);
		counts->churned += arg.task_allocations + arg.hardirq_allocations +
				   arg.softirq_allocations;
	}
	close(fd);
}

/* One trace after another, in a pool that has room for each. */
static void replay(unsigned int nr)
{
	while (!counts->stop) {
		if (system("find traces -name '*.gz' | shuf -n 1 >/tmp/soak.name") ||
		    system("./replay --check --pool traces $(cat /tmp/soak.name) >/tmp/soak.out") ||
		    system("grep -q '\"failed\": 0,' /tmp/soak.out || { cat /tmp/soak.*; false; }"))
			fail("a trace was not replayed well");
		counts->replays++;
	}
}

/* Take all that can be had, in pieces as large as there are, and give it back. */
static void run_short(unsigned int nr)
{
	int fd = open_pool("main");

	while (!counts->stop) {
		unsigned int held = 0;
		int order;

		for (order = 8; order >= 0; order--)
			while (held < NR_HANDLES && !run(fd, OP(ALLOC_PAGES, .handle = held,
								.size = order), NULL))
				held++;
		usleep(1000 * below(50));
		while (held--)
			must(run(fd, OP(FREE, .handle = held), NULL), "free after a shortage");
		counts->shortages++;
		usleep(1000 * below(2000));
	}
	close(fd);
}

static void read_all(const char *directory)
{
	char path[PATH_MAX], text[4096];
	struct dirent *entry;
	DIR *dir = opendir(directory);
	int fd;

	/* A slab's goes with the slab. */
	if (!dir)
		return;
	while ((entry = readdir(dir))) {
		snprintf(path, sizeof(path), "%s/%s", directory, entry->d_name);
		if (entry->d_name[0] == '.')
			continue;
		if (entry->d_type == DT_DIR) {
			read_all(path);
			continue;
		}
		fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd < 0)
			continue;
		while (read(fd, text, sizeof(text)) > 0)
			;
		close(fd);
	}
	closedir(dir);
}

/* Empty the magazines, and look at everything. */
static void drain_and_look(unsigned int nr)
{
	int fd = open_pool("main");

	while (!counts->stop) {
		drain(fd);
		expect_valid(fd);
		read_all(CLIENT_DEBUGFS);
		counts->drains++;
		usleep(1000 * below(500));
	}
	close(fd);
}

static bool plug(unsigned int cpu, bool in)
{
	char path[64];
	int fd;
	bool done;

	snprintf(path, sizeof(path), "/sys/devices/system/cpu/cpu%u/online", cpu);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		fail("%s: %s", path, strerror(errno));
	done = write(fd, in ? "1" : "0", 1) == 1;
	close(fd);
	return done;
}

static void unplug(unsigned int nr)
{
	unsigned int cpu;

	while (!counts->stop) {
		cpu = 1 + below(cpus - 1);
		/* Busy for a moment: somebody else changes the set of CPUs. */
		if (!plug(cpu, false)) {
			usleep(10000);
			continue;
		}
		usleep(1000 * below(200));
		while (!plug(cpu, true))
			usleep(10000);
		counts->unplugged++;
		usleep(1000 * below(2000));
	}
}

static void use_buffer(int heap)
{
	struct dma_heap_allocation_data data = {
		.len = BUFFER_BYTES, .fd_flags = O_RDWR | O_CLOEXEC,
	};
	char *map;

	/* The pool may have nothing at the moment. */
	if (ioctl(heap, DMA_HEAP_IOCTL_ALLOC, &data))
		return;
	map = mmap(NULL, BUFFER_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, data.fd, 0);
	if (map == MAP_FAILED)
		fail("mmap of a buffer: %s", strerror(errno));
	if (map[0] || map[BUFFER_BYTES - 1])
		fail("a buffer is not zeroed");
	memset(map, 0x5a, BUFFER_BYTES);
	munmap(map, BUFFER_BYTES);
	close(data.fd);
	counts->buffers++;
}

/* A module that is a client of the pools comes and goes. */
static void load_and_unload(unsigned int nr)
{
	unsigned int i;
	int heap, error;

	while (!counts->stop) {
		must(client_load("respool_heap", ""), "loading respool_heap");
		heap = open("/dev/dma_heap/main", O_RDWR | O_CLOEXEC);
		if (heap < 0)
			fail("/dev/dma_heap/main: %s", strerror(errno));
		for (i = 0; i < 10; i++)
			use_buffer(heap);
		close(heap);
		/* The last reference to a file goes a little later than close(). */
		for (i = 0; (error = client_unload("respool_heap")) == -EAGAIN && i < 1000; i++)
			usleep(1000);
		must(error, "unloading respool_heap");
		counts->loads++;
		usleep(1000 * below(1000));
	}
}

/* All of them */

static const struct worker {
	const char *name;
	void (*work)(unsigned int nr);
	unsigned int nr;
} workers[] = {
	{ "churn", churn, CHURNERS },
	{ "replay", replay, 1 },
	{ "shortage", run_short, 1 },
	{ "drain", drain_and_look, 1 },
	{ "hotplug", unplug, 1 },
	{ "client", load_and_unload, 1 },
};

static pid_t start(const struct worker *w, unsigned int nr)
{
	pid_t pid = fork();

	if (pid)
		return pid;
	srandom(time(NULL) * 1000003 + getpid());
	w->work(nr);
	exit(0);
}

static unsigned int start_all(void)
{
	unsigned int i, nr, started = 0;

	fflush(stdout);
	for (i = 0; i < ARRAY_SIZE(workers); i++) {
		if (cpus == 1 && workers[i].work == unplug)
			continue;
		for (nr = 0; nr < workers[i].nr; nr++)
			started += start(&workers[i], nr) > 0;
	}
	return started;
}

/* Wait for one that ended; false: it did not end well. @flags are waitpid()'s. */
static bool reap(unsigned int *running, int flags)
{
	int status;
	pid_t pid = waitpid(-1, &status, flags);

	if (pid <= 0)
		return true;
	--*running;
	return WIFEXITED(status) && !WEXITSTATUS(status) && counts->stop;
}

static void print_line(unsigned int minutes, int fd)
{
	const struct respool_test_pool_stats stats = pool_stats(fd);

	printf("# %3u min: %llu allocations, %llu failed, %lu blocks churned, %lu replays, ",
	       minutes, (unsigned long long)stats.allocations, (unsigned long long)stats.failures,
	       counts->churned, counts->replays);
	printf("%lu shortages, %lu drains, %lu unplugged, %lu loads, %lu buffers; ",
	       counts->shortages, counts->drains, counts->unplugged, counts->loads,
	       counts->buffers);
	printf("%llu of %llu pages free\n", (unsigned long long)stats.free_pages,
	       (unsigned long long)stats.pages);
	fflush(stdout);
}

/* Whether all went well for so many minutes. */
static bool soak(unsigned int minutes, int fd)
{
	unsigned int running = start_all(), minute;
	time_t next = time(NULL);
	bool well = true;

	for (minute = 1; well && minute <= minutes; minute++) {
		for (next += 60; well && time(NULL) < next;) {
			well = reap(&running, WNOHANG);
			usleep(200000);
		}
		print_line(minute, fd);
	}
	counts->stop = true;
	while (running)
		well &= reap(&running, 0);
	return well;
}

/* What was not in the pool in the beginning, or is not any more, is said. */
static bool same(const char *what, uint64_t before, uint64_t after)
{
	if (before != after)
		printf("# %s: %llu in the beginning, %llu in the end\n", what,
		       (unsigned long long)before, (unsigned long long)after);
	return before == after;
}

static bool adds_up(int fd, const struct respool_test_pool_stats *before)
{
	struct respool_test_pool_stats after;
	bool well;
	unsigned int i;

	drain(fd);
	expect_valid(fd);
	after = pool_stats(fd);
	well = same("free pages", before->free_pages, after.free_pages);
	well &= same("allocated pages", 0, after.allocated_pages);
	well &= same("cached pages", 0, after.cached_pages);
	well &= same("allocations less frees", before->allocations - before->frees,
		     after.allocations - after.frees);
	for (i = 0; i < RESPOOL_TEST_NR_REFUSALS; i++)
		well &= same(client_refusal_names[i], before->refusals[i], after.refusals[i]);
	return well;
}

int main(int argc, char **argv)
{
	bool cpus_stay = argc > 1 && !strcmp(argv[1], "-n");
	unsigned int minutes = argc > 1 + cpus_stay ? atoi(argv[1 + cpus_stay]) : 60;
	struct respool_test_pool_stats before[2];
	int fd[2];

	ksft_print_header();
	ksft_set_plan(3);
	if (!minutes)
		ksft_exit_fail_msg("usage: soak [-n] [MINUTES]\n");
	cpus = cpus_stay ? 1 : sysconf(_SC_NPROCESSORS_ONLN);
	counts = mmap(NULL, sizeof(*counts), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		      -1, 0);
	if (counts == MAP_FAILED || client_use_pools(POOLS))
		ksft_exit_fail_msg("there are no pools\n");
	fd[0] = open_pool("main");
	fd[1] = open_pool("traces");
	before[0] = pool_stats(fd[0]);
	before[1] = pool_stats(fd[1]);
	ksft_test_result(soak(minutes, fd[0]), "nothing went wrong in %u minutes\n", minutes);
	ksft_test_result(adds_up(fd[0], &before[0]), "pool main is as it was, to the page\n");
	ksft_test_result(adds_up(fd[1], &before[1]), "pool traces is as it was, to the page\n");
	ksft_finished();
}
