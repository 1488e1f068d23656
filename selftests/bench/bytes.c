// SPDX-License-Identifier: GPL-2.0
/*
 * respool_bench.ko: those that serve bytes.
 */
#include <linux/bits.h>
#include <linux/device.h>
#include <linux/dma-mapping.h>
#include <linux/dmapool.h>
#include <linux/err.h>
#include <linux/genalloc.h>
#include <linux/numa.h>
#include <linux/slab.h>
#include <linux/respool.h>

#include "selftests/bench/bench.h"

/* respool */

static struct respool_slab *slab;

static int slab_create(u64 bytes, unsigned long size)
{
	slab = respool_slab_create(bench_pool, "bench");
	return PTR_ERR_OR_ZERO(slab);
}

static void slab_destroy(void)
{
	respool_slab_destroy(slab);
}

static void *slab_alloc(unsigned long size)
{
	return respool_alloc(slab, size, GFP_NOWAIT);
}

static void slab_free(void *block, unsigned long size)
{
	respool_free(slab, block);
}

const struct bench_allocator bench_respool_bytes = {
	.name = "respool_alloc",
	.bytes = true,
	.create = slab_create,
	.destroy = slab_destroy,
	.alloc = slab_alloc,
	.free = slab_free,
};

/* A cache of respool's */

static struct respool_cache *cache;

static int cache_create(u64 bytes, unsigned long size)
{
	cache = respool_cache_create(bench_pool, "bench", size, 0, NULL);
	return PTR_ERR_OR_ZERO(cache);
}

static void cache_destroy(void)
{
	respool_cache_destroy(cache);
}

static void *cache_alloc(unsigned long size)
{
	return respool_cache_alloc(cache, GFP_NOWAIT);
}

static void cache_free(void *object, unsigned long size)
{
	respool_cache_free(cache, object);
}

const struct bench_allocator bench_respool_cache = {
	.name = "respool_cache",
	.bytes = true,
	.one_size = true,
	.create = cache_create,
	.destroy = cache_destroy,
	.alloc = cache_alloc,
	.free = cache_free,
};

/* kmalloc() */

static void *kmalloc_alloc(unsigned long size)
{
	return kmalloc(size, GFP_NOWAIT | __GFP_NOWARN);
}

static void kmalloc_free(void *block, unsigned long size)
{
	kfree(block);
}

const struct bench_allocator bench_kmalloc = {
	.name = "kmalloc",
	.bytes = true,
	.alloc = kmalloc_alloc,
	.free = kmalloc_free,
};

/* kmem_cache_alloc() */

static struct kmem_cache *kmem_cache;

static int kmem_create(u64 bytes, unsigned long size)
{
	kmem_cache = kmem_cache_create("respool_bench", size, 0, 0, NULL);
	return kmem_cache ? 0 : -ENOMEM;
}

static void kmem_destroy(void)
{
	kmem_cache_destroy(kmem_cache);
}

static void *kmem_alloc(unsigned long size)
{
	return kmem_cache_alloc(kmem_cache, GFP_NOWAIT | __GFP_NOWARN);
}

static void kmem_free(void *object, unsigned long size)
{
	kmem_cache_free(kmem_cache, object);
}

const struct bench_allocator bench_kmem_cache = {
	.name = "kmem_cache",
	.bytes = true,
	.one_size = true,
	.create = kmem_create,
	.destroy = kmem_destroy,
	.alloc = kmem_alloc,
	.free = kmem_free,
};

/* dma_pool, of a device that does nothing else */

static struct device *device;
static struct dma_pool *dma_pool;

static int dma_create(u64 bytes, unsigned long size)
{
	device = root_device_register("respool_bench");
	if (IS_ERR(device))
		return PTR_ERR(device);
	device->coherent_dma_mask = DMA_BIT_MASK(64);
	dma_pool = dma_pool_create("respool_bench", device, size, 8, 0);
	if (!dma_pool)
		root_device_unregister(device);
	return dma_pool ? 0 : -ENOMEM;
}

static void dma_destroy(void)
{
	dma_pool_destroy(dma_pool);
	root_device_unregister(device);
}

/* A driver keeps both addresses of a block; here the block keeps the other. */
static void *dma_alloc(unsigned long size)
{
	dma_addr_t address;
	dma_addr_t *block = dma_pool_alloc(dma_pool, GFP_NOWAIT | __GFP_NOWARN, &address);

	if (block)
		*block = address;
	return block;
}

static void dma_free(void *block, unsigned long size)
{
	dma_pool_free(dma_pool, block, *(dma_addr_t *)block);
}

const struct bench_allocator bench_dma_pool = {
	.name = "dma_pool",
	.bytes = true,
	.one_size = true,
	.create = dma_create,
	.destroy = dma_destroy,
	.alloc = dma_alloc,
	.free = dma_free,
};

/* genalloc in granules of 8 bytes */

#define GEN_POOL_BASE	BIT(40)
#define GRANULE_SHIFT	3

static struct gen_pool *gen_pool;

static int gen_pool_bytes_create(u64 bytes, unsigned long size)
{
	int error;

	gen_pool = gen_pool_create(GRANULE_SHIFT, NUMA_NO_NODE);
	if (!gen_pool)
		return -ENOMEM;
	error = gen_pool_add(gen_pool, GEN_POOL_BASE, bytes, NUMA_NO_NODE);
	if (error)
		gen_pool_destroy(gen_pool);
	return error;
}

static void gen_pool_bytes_destroy(void)
{
	gen_pool_destroy(gen_pool);
}

static void *gen_pool_bytes_alloc(unsigned long size)
{
	return (void *)gen_pool_alloc(gen_pool, size);
}

static void gen_pool_bytes_free(void *block, unsigned long size)
{
	gen_pool_free(gen_pool, (unsigned long)block, size);
}

const struct bench_allocator bench_gen_pool_bytes = {
	.name = "gen_pool-bytes",
	.bytes = true,
	.create = gen_pool_bytes_create,
	.destroy = gen_pool_bytes_destroy,
	.alloc = gen_pool_bytes_alloc,
	.free = gen_pool_bytes_free,
};
