/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The pure core of the page layer: which pages of a pool are free.
 *
 * It knows page indexes, never addresses, and takes no lock: the caller
 * serialises every call on one struct respool_buddy. It allocates nothing.
 */
#ifndef RESPOOL_BUDDY_H
#define RESPOOL_BUDDY_H

#include "plain.h"

#define RESPOOL_BUDDY_ORDERS	33	/* orders 0..32 */
#define RESPOOL_REGION_ORDER	9	/* a region: 512 pages, 2 MiB of 4 KiB pages */
#define RESPOOL_REGION_PAGES	(1UL << RESPOOL_REGION_ORDER)
#define RESPOOL_REGION_WORDS	(2 * RESPOOL_REGION_PAGES / 64)
#define RESPOOL_BUDDY_TAGS	64	/* owner tags 0..63 */

#define RESPOOL_NO_PAGE		(~0UL)
#define RESPOOL_ANY_ORDER	(~0U)

/*
 * A bitmap whose every 64 bits are summarised by one bit of the level above,
 * up to a level of one word: the first set bit is one ffs a level away.
 */
#define RESPOOL_SUMMARY_LEVELS	5	/* 64^5 bits and more than 2^24 regions */

struct respool_summary {
	u64 *level[RESPOOL_SUMMARY_LEVELS];	/* [0] is the bitmap itself */
	unsigned int levels;
	unsigned long nr_bits;
};

/*
 * One region's free blocks of orders 0..8, a bit each. Order k has 512 >> k
 * blocks and its bits start at 1024 - (1024 >> k), so all orders together
 * fill 1022 bits and the orders from 4 up share the last word.
 */
struct respool_region {
	u64 word[RESPOOL_REGION_WORDS];
};

enum respool_page_kind {
	RESPOOL_PAGE_FREE,
	RESPOOL_PAGE_ALLOCATED,
	RESPOOL_PAGE_OUTSIDE,
};

/**
 * struct respool_block - What a page belongs to.
 * @kind: free, or allocated, or not a page of the pool
 * @page: index of the block's first page
 * @nr_pages: pages in the block
 * @order: order of the block, or of the first part of an exact block
 * @tag: owner tag given at allocation; meaningless for a free block
 */
struct respool_block {
	enum respool_page_kind kind;
	unsigned long page;
	unsigned long nr_pages;
	unsigned int order;
	unsigned int tag;
};

/*
 * Invariants, checked by respool_buddy_validate():
 *   free_pages + allocated_pages == nr_pages
 *   free_pages == sum over k of nr_free[k] << k
 *   allocated_pages == sum over k of nr_allocated[k] << k
 *   each page lies in exactly one block, free or allocated
 *   no two buddies are free at the same order
 *   summaries, region orders and class bits equal what they summarise
 */
struct respool_buddy {
	/* Constant after init. */
	unsigned long nr_pages;		/* pages managed */
	unsigned long lead;		/* pages of the first region before the pool */
	unsigned long phase;		/* regions before the first, modulo the largest block */
	unsigned long nr_regions;	/* regions touched by the pool */
	unsigned int max_order;		/* of the largest aligned block inside the pool */

	/* Under the caller's lock. */
	unsigned long free_pages;
	unsigned long allocated_pages;
	unsigned long nr_free[RESPOOL_BUDDY_ORDERS];
	unsigned long nr_allocated[RESPOOL_BUDDY_ORDERS];

	u8 *state;			/* one byte a page: see "state bytes" in buddy.c */
	struct respool_region *region;	/* free bits of orders 0..8 */
	u16 *region_orders;		/* bit k: the region has a free block of order k */

	u32 classes;			/* bit k: region_class[k] is not empty */
	struct respool_summary region_class[RESPOOL_REGION_ORDER];
					/* regions whose largest free block has order k */
	u32 large_orders;		/* bit k - 9: large[k - 9] is not empty */
	struct respool_summary large[RESPOOL_BUDDY_ORDERS - RESPOOL_REGION_ORDER];
					/* free blocks of orders 9 and up */
};

size_t respool_buddy_footprint(unsigned long nr_pages, unsigned long base_pfn);
int respool_buddy_init(struct respool_buddy *b, void *mem, unsigned long nr_pages,
		       unsigned long base_pfn);

unsigned long respool_buddy_alloc(struct respool_buddy *b, unsigned int order, unsigned int tag);
unsigned long respool_buddy_alloc_exact(struct respool_buddy *b, unsigned long nr_pages,
					unsigned int tag);
int respool_buddy_free(struct respool_buddy *b, unsigned long page, unsigned int order,
		       struct respool_block *freed);

void respool_buddy_find(const struct respool_buddy *b, unsigned long page,
			struct respool_block *block);
void respool_buddy_region_map(const struct respool_buddy *b, unsigned long region,
			      u64 pool[RESPOOL_REGION_PAGES / 64],
			      u64 free[RESPOOL_REGION_PAGES / 64]);
int respool_buddy_largest_free_order(const struct respool_buddy *b);
unsigned long respool_buddy_free_regions(const struct respool_buddy *b);
const char *respool_buddy_validate(const struct respool_buddy *b, unsigned long *page);

#endif /* RESPOOL_BUDDY_H */
