/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The little of the kernel and of <linux/respool.h> that slab/run.c stands on.
 * The compiler reads this before anything else.
 */
#ifndef RESPOOL_HEAP_KERNEL_H
#define RESPOOL_HEAP_KERNEL_H

#include "plain.h"

#define PAGE_SHIFT		12
#define PAGE_SIZE		(1UL << PAGE_SHIFT)
#define PFN_UP(bytes)		(((bytes) + PAGE_SIZE - 1) >> PAGE_SHIFT)
#define SZ_2M			0x200000UL
#define GFP_NOWAIT		0u

#define clamp(val, lo, hi)	min(max(val, lo), hi)
#define clamp_t(t, val, lo, hi)	min_t(t, max_t(t, val, lo), hi)
#define roundup_pow_of_two(n)	(1UL << fls64((n) - 1))

#define swap(a, b)							\
do {									\
	__typeof__(a) was = (a);					\
									\
	(a) = (b);							\
	(b) = was;							\
} while (0)

#define gfp_t			unsigned int

struct respool;

struct respool_request {
	unsigned long nr_pages;
	size_t align;
};

unsigned int respool_max_order(const struct respool *pool);
void *respool_alloc_exact(struct respool *pool, unsigned long nr_pages, gfp_t gfp);
void *respool_alloc_request(struct respool *pool, const struct respool_request *request, gfp_t gfp);
int respool_resize_block(struct respool *pool, void *addr, unsigned long nr_pages, gfp_t gfp);
int respool_free_block(struct respool *pool, void *addr);

#endif /* RESPOOL_HEAP_KERNEL_H */
