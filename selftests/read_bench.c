// SPDX-License-Identifier: GPL-2.0
/*
 * What it takes to read a pool's statistics while the pool is in use. Prints a
 * line for each file of debugfs, and for respool_stats() alone, which does little
 * more than to hold the locks: in the columns of respool_bench.ko from "allocator"
 * on, all in "pair". The unit is the clock's, which counts instructions in a guest
 * with --icount.
 *
 *   read_bench POOL
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "client.h"

#define NR_BLOCKS	1000
#define ROUNDS		11	/* the median counts */

static const char *const files[] = { "stats", "orders", "owners" };

static uint64_t now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ULL + ts.tv_nsec;
}

static int compare(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

/* Blocks of all sizes that magazines keep, a third of them freed again. */
static int use(int fd)
{
	unsigned int i;
	int error = 0;

	for (i = 0; i < NR_BLOCKS && !error; i++)
		error = run(fd, OP(ALLOC_PAGES, .handle = i, .size = i % 5), NULL);
	for (i = 0; i < NR_BLOCKS && !error; i += 3)
		error = run(fd, OP(FREE, .handle = i), NULL);
	return error;
}

static int read_file(const char *path)
{
	static char text[1 << 16];
	int len = client_read_file(path, text, sizeof(text));

	return len < 0 ? len : 0;
}

static int call(int fd)
{
	struct respool_test_pool_stats stats = {};

	return client_ioctl(fd, RESPOOL_TEST_IOC_POOL_STATS, &stats);
}

/* Read the file, or call the function if that is NULL. */
static int report(int fd, const char *pool, const char *file)
{
	uint64_t cost[ROUNDS], start;
	char path[256];
	int error = 0;
	unsigned int i;

	snprintf(path, sizeof(path), CLIENT_DEBUGFS "/%s/%s", pool, file ?: "");
	for (i = 0; i < ROUNDS && !error; i++) {
		start = now();
		error = file ? read_file(path) : call(fd);
		cost[i] = now() - start;
	}
	if (error)
		return error;
	qsort(cost, ROUNDS, sizeof(*cost), compare);
	printf("%s %s - %u - - %llu - - - - - - - - 0 -\n", file ? "debugfs" : "respool_stats",
	       file ?: "call", ROUNDS, (unsigned long long)cost[ROUNDS / 2]);
	return 0;
}

int main(int argc, char **argv)
{
	const char *pool = argc > 1 ? argv[1] : "main";
	int fd = client_open(pool, NR_BLOCKS);
	int error = fd < 0 ? fd : use(fd);
	unsigned int i;

	for (i = 0; i < sizeof(files) / sizeof(*files) && !error; i++)
		error = report(fd, pool, files[i]);
	if (!error)
		error = report(fd, pool, NULL);
	if (error)
		fprintf(stderr, "read_bench: %s: %s\n", pool, strerror(-error));
	return error ? 1 : 0;
}
