// SPDX-License-Identifier: GPL-2.0
/*
 * The kernel's allocator for graphics memory as a competitor for
 * respool_bench.ko, which finds it through the symbol it exports.
 */
#include <linux/export.h>
#include <linux/gpu_buddy.h>
#include <linux/list.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/mutex.h>

#include "bench.h"

static struct gpu_buddy buddy;
/* "A simple mutex around gpu_buddy_alloc* and gpu_buddy_free*". */
static DEFINE_MUTEX(buddy_lock);

static int gpu_buddy_create(u64 bytes, unsigned long order)
{
	return gpu_buddy_init(&buddy, bytes, PAGE_SIZE);
}

static void gpu_buddy_destroy(void)
{
	gpu_buddy_fini(&buddy);
}

static void *gpu_buddy_alloc(unsigned long order)
{
	u64 size = (u64)PAGE_SIZE << order;
	LIST_HEAD(blocks);
	int error;

	mutex_lock(&buddy_lock);
	error = gpu_buddy_alloc_blocks(&buddy, 0, buddy.size, size, size, &blocks, 0);
	mutex_unlock(&buddy_lock);
	return error ? NULL : list_first_entry(&blocks, struct gpu_buddy_block, link);
}

static void gpu_buddy_free(void *block, unsigned long order)
{
	mutex_lock(&buddy_lock);
	gpu_buddy_free_block(&buddy, block);
	mutex_unlock(&buddy_lock);
}

static unsigned long gpu_buddy_address(const void *block)
{
	return gpu_buddy_block_offset(block);
}

const struct bench_allocator respool_bench_gpu_buddy = {
	.name = "gpu_buddy",
	.sleeps = true,
	.create = gpu_buddy_create,
	.destroy = gpu_buddy_destroy,
	.alloc = gpu_buddy_alloc,
	.free = gpu_buddy_free,
	.address = gpu_buddy_address,
};
EXPORT_SYMBOL_GPL(respool_bench_gpu_buddy);

MODULE_AUTHOR("respool maintainers");
MODULE_DESCRIPTION("gpu_buddy for respool_bench");
MODULE_LICENSE("GPL");
