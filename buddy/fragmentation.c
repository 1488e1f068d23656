// SPDX-License-Identifier: GPL-2.0
/*
 * Indexes of fragmentation (Gorman and Whitcroft, "The what, the why and the
 * where to of anti-fragmentation", OLS 2006), as mm/vmstat.c has them.
 */
#include <linux/math64.h>

#include "buddy/fragmentation.h"

/* What free blocks, counted by order in @blocks, are to requests of @order. */
void respool_free_sum(const u64 blocks[RESPOOL_BUDDY_ORDERS], unsigned int order,
		      struct respool_free *sum)
{
	unsigned int k;

	memset(sum, 0, sizeof(*sum));
	for (k = 0; k < RESPOOL_BUDDY_ORDERS; k++) {
		sum->blocks += blocks[k];
		sum->pages += blocks[k] << k;
		if (k >= order)
			sum->suitable += blocks[k] << (k - order);
	}
}

/*
 * Towards 0, a request of @order fails for lack of memory; towards 1000, for
 * fragmentation. RESPOOL_WOULD_SUCCEED: it does not.
 */
int respool_extfrag_index(const struct respool_free *sum, unsigned int order)
{
	u64 requests;

	if (!sum->blocks)
		return 0;
	if (sum->suitable)
		return RESPOOL_WOULD_SUCCEED;
	requests = div64_u64(sum->pages * 1000, 1ULL << order);
	return 1000 - (int)div64_u64(1000 + requests, sum->blocks);
}

/* How much of what is free no request of @order can have; all, if that is nothing. */
int respool_unusable_index(const struct respool_free *sum, unsigned int order)
{
	if (!sum->pages)
		return 1000;
	return div64_u64((sum->pages - (sum->suitable << order)) * 1000, sum->pages);
}
