/* SPDX-License-Identifier: GPL-2.0 */
/*
 * How far what is free is in pieces: the two indexes of the kernel's page
 * allocator, in the same thousandths.
 */
#ifndef RESPOOL_FRAGMENTATION_H
#define RESPOOL_FRAGMENTATION_H

#include <linux/types.h>

#include "buddy/buddy.h"

/* Why a request would fail, or that it would not. */
#define RESPOOL_WOULD_SUCCEED	-1000

/**
 * struct respool_free - What there is for requests of one order.
 * @pages: free pages
 * @blocks: free blocks
 * @suitable: blocks of the order that these make
 */
struct respool_free {
	u64 pages;
	u64 blocks;
	u64 suitable;
};

void respool_free_sum(const u64 blocks[RESPOOL_BUDDY_ORDERS], unsigned int order,
		      struct respool_free *sum);
int respool_extfrag_index(const struct respool_free *sum, unsigned int order);
int respool_unusable_index(const struct respool_free *sum, unsigned int order);

#endif /* RESPOOL_FRAGMENTATION_H */
