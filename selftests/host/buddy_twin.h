/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A naive twin of the page layer's core: a map of who owns each page, and for
 * each naturally aligned block how many of its pages are taken. It splits and
 * merges nothing, so it has no way to get splitting and merging wrong.
 */
#ifndef RESPOOL_BUDDY_TWIN_H
#define RESPOOL_BUDDY_TWIN_H

#include "buddy/buddy.h"

struct twin_block {
	unsigned int nr_pages;	/* 0 if no block begins here */
	unsigned int order;	/* of the block, or of the first part of an exact one */
	unsigned int tag;
	unsigned int listed;	/* where in live[], for a block that a client holds */
	enum respool_page_kind kind;
};

struct buddy_twin {
	unsigned long nr_pages;
	unsigned long base_pfn;
	int max_order;

	u32 *head;			/* for each page, its block's first page or TWIN_FREE */
	struct twin_block *block;	/* for each page, the block that begins there */
	u32 *live;			/* first pages of blocks that clients hold, in no order */
	unsigned long nr_live;
	unsigned long pages[RESPOOL_PAGE_OUTSIDE];	/* of each kind */

	/*
	 * taken[k][i]: taken pages of the i-th block of order k, blocks being
	 * counted from the one that holds the first page. whole[k]: how many of
	 * those lie inside the pool and have no page taken.
	 */
	u32 *taken[RESPOOL_BUDDY_ORDERS];
	unsigned long whole[RESPOOL_BUDDY_ORDERS + 1];
	unsigned long allocated[RESPOOL_BUDDY_ORDERS];	/* blocks and parts, cached ones too */
};

#define TWIN_FREE	(~0U)

void buddy_twin_init(struct buddy_twin *t, unsigned long nr_pages, unsigned long base_pfn);
void buddy_twin_exit(struct buddy_twin *t);

/* A block of @kind, which is anything but free; pages out of service are blocks of one. */
void buddy_twin_take(struct buddy_twin *t, unsigned long page, unsigned long nr_pages,
		     enum respool_page_kind kind, unsigned int tag);
void buddy_twin_give(struct buddy_twin *t, unsigned long page);

/* A block goes into a magazine or comes out of one. */
void buddy_twin_change(struct buddy_twin *t, unsigned long page, enum respool_page_kind kind,
		       unsigned int tag);

enum respool_page_kind buddy_twin_kind(const struct buddy_twin *t, unsigned long page);

/* What the core should say of @page. */
void buddy_twin_find(const struct buddy_twin *t, unsigned long page,
		     struct respool_block *block);

/* Free blocks of @order when every two free buddies have been merged. */
unsigned long buddy_twin_nr_free(const struct buddy_twin *t, unsigned int order);

int buddy_twin_largest_free_order(const struct buddy_twin *t);

/* Where respool_buddy_alloc_fit() must allocate, or RESPOOL_NO_PAGE. */
unsigned long buddy_twin_fit(const struct buddy_twin *t, const struct respool_fit *fit);

/* What respool_buddy_largest_fit() must say. */
unsigned long buddy_twin_largest_fit(const struct buddy_twin *t, const struct respool_fit *fit);

#endif /* RESPOOL_BUDDY_TWIN_H */
