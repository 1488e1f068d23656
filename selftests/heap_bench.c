// SPDX-License-Identifier: GPL-2.0
/*
 * What it takes to get and map memory for a buffer, to touch each of its pages
 * and to give it all back, from respool's heaps and from what else there is.
 * Prints a line for each, in the columns of respool_bench.ko from "allocator"
 * on: "alloc" is getting and mapping, "free" giving back, "pair" all three. The
 * unit is the clock's, which counts instructions in a guest with --icount.
 *
 *   heap_bench HEAP...	the nodes below /dev/dma_heap to measure
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/dma-heap.h>
#include <linux/udmabuf.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define PAGE	4096UL
#define HUGE	(2UL << 20)
#define ROUNDS	7	/* the median counts */

static const size_t sizes[] = { PAGE, 16 * PAGE, 1UL << 20, HUGE, 64UL << 20 };

/* A way to come by memory: where it is mapped, and a descriptor or -1. */
struct source {
	const char *name;
	void *(*get)(const struct source *source, size_t len, int fd[2]);
	int device;
	size_t unit;		/* what lengths are rounded up to */
};

static void *map_fd(int fd, size_t len)
{
	return mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
}

static void *get_heap(const struct source *source, size_t len, int fd[2])
{
	struct dma_heap_allocation_data data = { .len = len, .fd_flags = O_RDWR | O_CLOEXEC };

	if (ioctl(source->device, DMA_HEAP_IOCTL_ALLOC, &data))
		return MAP_FAILED;
	fd[0] = data.fd;
	return map_fd(data.fd, len);
}

static void *get_udmabuf(const struct source *source, size_t len, int fd[2])
{
	struct udmabuf_create create = { .flags = UDMABUF_FLAGS_CLOEXEC, .size = len };

	fd[1] = memfd_create("bench", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd[1] < 0 || ftruncate(fd[1], len) || fcntl(fd[1], F_ADD_SEALS, F_SEAL_SHRINK))
		return MAP_FAILED;
	create.memfd = fd[1];
	fd[0] = ioctl(source->device, UDMABUF_CREATE, &create);
	return fd[0] < 0 ? MAP_FAILED : map_fd(fd[1], len);
}

static void *get_hugetlb(const struct source *source, size_t len, int fd[2])
{
	return mmap(NULL, len, PROT_READ | PROT_WRITE,
		    MAP_SHARED | MAP_ANONYMOUS | MAP_HUGETLB, -1, 0);
}

static uint64_t now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ULL + ts.tv_nsec;
}

static void touch(volatile char *map, size_t len)
{
	size_t i;

	for (i = 0; i < len; i += PAGE)
		map[i] = 1;
}

/* One round: what to get and map, to touch, and to give back takes; false if it failed. */
static bool measure(const struct source *source, size_t len, uint64_t cost[3])
{
	int fd[2] = { -1, -1 };
	uint64_t start = now(), mapped, touched;
	void *map;

	len = (len + source->unit - 1) / source->unit * source->unit;
	map = source->get(source, len, fd);
	mapped = now();
	if (map != MAP_FAILED)
		touch(map, len);
	touched = now();
	if (map != MAP_FAILED)
		munmap(map, len);
	if (fd[0] >= 0)
		close(fd[0]);
	if (fd[1] >= 0)
		close(fd[1]);
	cost[0] = mapped - start;
	cost[1] = touched - mapped;
	cost[2] = now() - touched;
	return map != MAP_FAILED;
}

static int compare(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

static uint64_t median(uint64_t *values)
{
	qsort(values, ROUNDS, sizeof(*values), compare);
	return values[ROUNDS / 2];
}

/* Columns: allocator pattern arg n alloc free pair, eight of distributions, failed, regions. */
static void report(const struct source *source, size_t len)
{
	uint64_t get[ROUNDS], back[ROUNDS], all[ROUNDS], cost[3];
	unsigned int i, failed = 0;

	measure(source, len, cost);	/* what the first one makes stays */
	for (i = 0; i < ROUNDS; i++) {
		failed += !measure(source, len, cost);
		get[i] = cost[0];
		back[i] = cost[2];
		all[i] = cost[0] + cost[1] + cost[2];
	}
	printf("%s buffer %zu %u %llu %llu %llu - - - - - - - - %u -\n", source->name, len,
	       ROUNDS, (unsigned long long)median(get), (unsigned long long)median(back),
	       (unsigned long long)median(all), failed);
}

static void report_all(const struct source *source)
{
	unsigned int i;

	for (i = 0; i < sizeof(sizes) / sizeof(*sizes); i++)
		report(source, sizes[i]);
}

static int open_device(const char *path)
{
	int fd = open(path, O_RDWR | O_CLOEXEC);

	if (fd < 0)
		fprintf(stderr, "heap_bench: %s: %s\n", path, strerror(errno));
	return fd;
}

int main(int argc, char **argv)
{
	struct source source = { .unit = PAGE };
	char path[256], name[256];
	int i;

	for (i = 1; i < argc; i++) {
		snprintf(path, sizeof(path), "/dev/dma_heap/%s", argv[i]);
		snprintf(name, sizeof(name), "heap-%s", argv[i]);
		source.name = name;
		source.get = get_heap;
		source.device = open_device(path);
		if (source.device < 0)
			return 1;
		report_all(&source);
		close(source.device);
	}
	source.name = "memfd+udmabuf";
	source.get = get_udmabuf;
	source.device = open_device("/dev/udmabuf");
	if (source.device >= 0)
		report_all(&source);
	source = (struct source){ .name = "hugetlb", .get = get_hugetlb, .unit = HUGE };
	report_all(&source);
	return 0;
}
