// SPDX-License-Identifier: GPL-2.0
/*
 * respool_bench.ko: those that serve pages.
 *
 * Only alloc_pages() works on real memory of its own; the others get a pool of
 * the size of respool's. Nobody touches a block, since a pool without memory
 * must do as well.
 */
#include <linux/bits.h>
#include <linux/genalloc.h>
#include <linux/gfp.h>
#include <linux/mm.h>
#include <linux/numa.h>
#include <linux/respool.h>

#include "selftests/bench/bench.h"

/* respool */

static void *respool_pages_alloc(unsigned long order)
{
	return respool_alloc_pages(bench_pool, order, GFP_NOWAIT);
}

static void respool_pages_free(void *block, unsigned long order)
{
	respool_free_pages(bench_pool, block, order);
}

static unsigned long own_address(const void *block)
{
	return (unsigned long)block;
}

const struct bench_allocator bench_respool = {
	.name = "respool",
	.alloc = respool_pages_alloc,
	.free = respool_pages_free,
	.address = own_address,
};

/* The kernel's page allocator */

static void *kernel_pages_alloc(unsigned long order)
{
	return alloc_pages(GFP_NOWAIT | __GFP_NOWARN, order);
}

static void kernel_pages_free(void *block, unsigned long order)
{
	__free_pages(block, order);
}

const struct bench_allocator bench_alloc_pages = {
	.name = "alloc_pages",
	.alloc = kernel_pages_alloc,
	.free = kernel_pages_free,
};

/* genalloc, which wants addresses but never looks at what is there */

#define GEN_POOL_BASE	BIT(40)

static struct gen_pool *gen_pool;

static int gen_pool_create_with(u64 bytes, genpool_algo_t algo)
{
	int error;

	gen_pool = gen_pool_create(PAGE_SHIFT, NUMA_NO_NODE);
	if (!gen_pool)
		return -ENOMEM;
	gen_pool_set_algo(gen_pool, algo, NULL);
	error = gen_pool_add(gen_pool, GEN_POOL_BASE, bytes, NUMA_NO_NODE);
	if (error)
		gen_pool_destroy(gen_pool);
	return error;
}

static int gen_pool_first_create(u64 bytes, unsigned long order)
{
	return gen_pool_create_with(bytes, gen_pool_first_fit);
}

static int gen_pool_best_create(u64 bytes, unsigned long order)
{
	return gen_pool_create_with(bytes, gen_pool_best_fit);
}

static void gen_pool_pages_destroy(void)
{
	gen_pool_destroy(gen_pool);
}

static void *gen_pool_pages_alloc(unsigned long order)
{
	return (void *)gen_pool_alloc(gen_pool, PAGE_SIZE << order);
}

static void gen_pool_pages_free(void *block, unsigned long order)
{
	gen_pool_free(gen_pool, (unsigned long)block, PAGE_SIZE << order);
}

const struct bench_allocator bench_gen_pool_first = {
	.name = "gen_pool-first",
	.create = gen_pool_first_create,
	.destroy = gen_pool_pages_destroy,
	.alloc = gen_pool_pages_alloc,
	.free = gen_pool_pages_free,
	.address = own_address,
};

const struct bench_allocator bench_gen_pool_best = {
	.name = "gen_pool-best",
	.create = gen_pool_best_create,
	.destroy = gen_pool_pages_destroy,
	.alloc = gen_pool_pages_alloc,
	.free = gen_pool_pages_free,
	.address = own_address,
};
