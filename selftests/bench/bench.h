/* SPDX-License-Identifier: GPL-2.0 */
/*
 * respool_bench.ko: the same work for respool and for the allocators a driver
 * would use in its place.
 *
 * An *allocator* is one competitor, a *pattern* is one kind of work. Pages are
 * asked for by order, bytes by size; which of the two an allocator or a
 * pattern is about is its @bytes.
 */
#ifndef RESPOOL_BENCH_H
#define RESPOOL_BENCH_H

#include <linux/types.h>

/**
 * struct bench_allocator - One competitor.
 * @name: as in the results
 * @bytes: blocks are asked for in bytes, else by order
 * @sleeps: cannot be called with interrupts off
 * @one_size: serves no other size than it was created for
 * @create: make ready to serve blocks of @arg out of a pool of @bytes bytes
 * @destroy: undo that
 * @alloc: a block of 2^@arg pages or of @arg bytes, or %NULL
 * @free: give it back
 * @address: where in its pool a block lies, in bytes from anywhere aligned to
 *	2 MiB; %NULL if it has no pool of its own
 */
struct bench_allocator {
	const char *name;
	bool bytes;
	bool sleeps;
	bool one_size;
	int (*create)(u64 bytes, unsigned long arg);
	void (*destroy)(void);
	void *(*alloc)(unsigned long arg);
	void (*free)(void *block, unsigned long arg);
	unsigned long (*address)(const void *block);
};

/* pages.c */
extern const struct bench_allocator bench_respool;
extern const struct bench_allocator bench_alloc_pages;
extern const struct bench_allocator bench_gen_pool_first;
extern const struct bench_allocator bench_gen_pool_best;

/* bytes.c */
extern const struct bench_allocator bench_respool_bytes;
extern const struct bench_allocator bench_respool_cache;
extern const struct bench_allocator bench_kmalloc;
extern const struct bench_allocator bench_kmem_cache;
extern const struct bench_allocator bench_dma_pool;
extern const struct bench_allocator bench_gen_pool_bytes;

/* gpu_buddy/adapter.c, a module of its own: few kernels have what it needs */
extern const struct bench_allocator respool_bench_gpu_buddy;

/* Not meaningful, not known. */
#define BENCH_NONE	(~0ULL)

/**
 * struct bench_latency - Distribution of the cost of one kind of call, in
 *	thousandths of the unit.
 * @p50: half of the calls cost at most this
 * @p99: 99 % do
 * @p999: 99.9 % do
 * @max: all do
 */
struct bench_latency {
	u64 p50;
	u64 p99;
	u64 p999;
	u64 max;
};

/**
 * struct bench_result - What a pattern found about an allocator.
 * @n: calls of each kind in one round
 * @alloc: one allocation, in thousandths of the unit
 * @free: one free, in thousandths of the unit
 * @pair: both
 * @alloc_latency: distribution over single allocations
 * @free_latency: distribution over single frees
 * @failed: allocations that were not served
 * @free_regions: thousandths of the 2 MiB regions wholly free at the end
 *
 * The unit is a cycle or a nanosecond, as the plan says. Costs are the median
 * over the rounds; that of the clock and of the loop, as an allocator that does
 * nothing has it, is taken off.
 */
struct bench_result {
	u64 n;
	u64 alloc;
	u64 free;
	u64 pair;
	struct bench_latency alloc_latency;
	struct bench_latency free_latency;
	u64 failed;
	u64 free_regions;
};

/**
 * struct bench_plan - How much work to do.
 * @bytes: size of the pool
 * @ops: calls of each kind in a round, if the pool has room for so many blocks
 * @rounds: rounds after a first one that does not count
 * @ticks_per_us: ticks of the clock in a microsecond, in thousandths, to
 *	convert to nanoseconds; 0 to count ticks
 */
struct bench_plan {
	u64 bytes;
	unsigned int ops;
	unsigned int rounds;
	u64 ticks_per_us;
};

struct bench_job;

/**
 * struct bench_pattern - One kind of work.
 * @name: as in the results
 * @pages: makes sense for blocks of pages
 * @bytes: makes sense for blocks of bytes
 * @mixed: sizes are drawn at random; there is no arg
 * @needs_address: makes sense only for allocators with a pool of their own
 * @param: what tells patterns apart that share their functions
 * @rounds: rounds of this pattern, 0 for as many as the plan says
 * @setup: before the first round; returns 0 or an errno
 * @round: one round
 * @teardown: after the last, or after a setup that failed
 */
struct bench_pattern {
	const char *name;
	bool pages;
	bool bytes;
	bool mixed;
	bool needs_address;
	unsigned int param;
	unsigned int rounds;
	int (*setup)(struct bench_job *job);
	void (*round)(struct bench_job *job);
	void (*teardown)(struct bench_job *job);
};

extern const struct bench_pattern bench_patterns[];
extern const unsigned int bench_nr_patterns;

int bench_measure(const struct bench_pattern *pattern, const struct bench_allocator *allocator,
		  const struct bench_plan *plan, unsigned long arg, struct bench_result *result);

u64 bench_ticks_per_us(void);

/* main.c, for pages.c and bytes.c */
extern struct respool *bench_pool;

#endif /* RESPOOL_BENCH_H */
