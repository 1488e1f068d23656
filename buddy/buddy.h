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
#define RESPOOL_WORD_ORDER	6	/* what one word of free bits stands for */
#define RESPOOL_REGION_ORDER	9	/* a region: 512 pages, 2 MiB of 4 KiB pages */
#define RESPOOL_REGION_PAGES	(1UL << RESPOOL_REGION_ORDER)
#define RESPOOL_NODE_WORDS	(RESPOOL_REGION_PAGES / 64)	/* see struct respool_level */
#define RESPOOL_BUDDY_LEVELS	4	/* of 9 orders each */
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
 * Free memory is a tree of nodes, eight words of 64 bits. A node of level 0 is a
 * region and each of its bits a page; a node of the level above has a bit for
 * each of 512 regions, and so on. A bit is set if what it stands for, a *unit*
 * of its level, is wholly free. Where all 512 units of a node are, none of its
 * bits is set, but its own bit in the level above.
 *
 * Level l so has the blocks of orders 9l to 9l + 8. They are not written down
 * anywhere: a free block is what free units make that are buddies. What is, for each
 * word and node, is the size of the largest.
 */

/**
 * struct respool_level - All nodes of a level that the pool touches.
 * @word: free units
 * @word_largest: units of the largest free block of each word, at most the word;
 *	0: there is none. The eight of a node are read as one number
 * @node_largest: log2 of those of each node and 1, or 0
 * @first: the number of words of this level from place 0 to the first here
 * @nr_nodes: how many nodes there are
 * @class: nodes whose largest free block is of 2^k units
 * @classes: bit k: class[k] is not empty
 */
struct respool_level {
	u64 *word;
	u8 *word_largest;
	u8 *node_largest;
	unsigned long first;
	unsigned long nr_nodes;
	struct respool_summary class[RESPOOL_REGION_ORDER];
	u32 classes;
} ____cacheline_aligned;	/* @classes alone changes, and is far from what does not */

enum respool_page_kind {
	RESPOOL_PAGE_FREE,
	RESPOOL_PAGE_ALLOCATED,
	RESPOOL_PAGE_CACHED,
	RESPOOL_PAGE_RESERVED,
	RESPOOL_PAGE_BAD,
	RESPOOL_PAGE_OUTSIDE,
};

/**
 * struct respool_block - What a page belongs to.
 * @kind: free, allocated, in a magazine, out of service, or not a page of the pool
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

/**
 * struct respool_fit - Conditions on where pages are allocated.
 * @nr_pages: how many, contiguous
 * @align_order: the first page's frame number is a multiple of 2^@align_order
 * @first: index of the first page that may be used
 * @last: index of the last page that may be used
 * @top_down: the highest place that fits; else the lowest
 * @scan: where no aligned block of the next power of two is free, look at
 *	every block in the range for a row of free pages that is long enough,
 *	from the same end
 */
struct respool_fit {
	unsigned long nr_pages;
	unsigned int align_order;
	unsigned long first;
	unsigned long last;
	bool top_down;
	bool scan;
};

/*
 * Invariants, checked by respool_buddy_validate():
 *   free_pages + allocated_pages + reserved_pages + bad_pages == nr_pages
 *   free_pages == sum over k of nr_free[k] << k
 *   allocated_pages == sum over k of nr_allocated[k] << k
 *   each page lies in exactly one block, free or allocated
 *   no node has all bits set; below a bit that is set, none is
 *   summaries, largest blocks and class bits equal what they summarise
 */
struct respool_buddy {
	/* Constant after init. */
	unsigned long nr_pages;		/* pages managed */
	unsigned long offset;		/* place of page 0: see "places" in buddy.c */
	unsigned long lead;		/* pages of the first region before the pool */
	unsigned long nr_regions;	/* regions touched by the pool */
	unsigned int max_order;		/* of the largest aligned block inside the pool */
	unsigned int levels;		/* of the tree of free units */
	u8 *state;			/* one byte a page: see "state bytes" below */
	struct respool_level level[RESPOOL_BUDDY_LEVELS];

	/*
	 * Under the caller's lock. What every call changes comes first, in as few
	 * cache lines as can be and in none with a lock that others wait for.
	 */
	unsigned long free_pages ____cacheline_aligned;
	unsigned long allocated_pages;	/* blocks in magazines included */
	unsigned long peak_pages;	/* highest allocated_pages */
	unsigned long watermark;	/* free pages that no batch may go below */
	unsigned int moves;		/* of nodes to another class, ever */
	unsigned long nr_free[RESPOOL_BUDDY_ORDERS];
	unsigned long nr_allocated[RESPOOL_BUDDY_ORDERS];
	unsigned long reserved_pages;
	unsigned long bad_pages;
};

/*
 * State bytes, one a page. A free page and the inside of a block have none.
 * A block of one page names its owner in its only byte; any other allocated
 * block has its order in the first byte and its owner in the second. A block
 * of an exact number of pages is a row of parts, aligned powers of two; if the
 * first is a single page, the owner stands where the second part has room for
 * it, and in its only byte if there are two pages in all.
 * A block in a magazine is allocated to the core and free to everybody else.
 *
 * The first byte of a block changes from allocated to anything else only by
 * cmpxchg(), so that of two who free one block at one time one is refused.
 */
#define RESPOOL_STATE_NONE	0x00	/* free, or inside a block */
					/* 1..32: first page of a block of that order */
#define RESPOOL_STATE_RESERVED	0x21	/* page set apart */
#define RESPOOL_STATE_BAD	0x22	/* page out of service */
#define RESPOOL_STATE_CACHED	0x30	/* | order 0..10: first page of a block in a magazine */
#define RESPOOL_STATE_EXACT	0x40	/* | order 0..31: first part of an exact block */
#define RESPOOL_STATE_PART	0x60	/* | order 0..31: a further part of one */
#define RESPOOL_STATE_PAGE	0x80	/* | tag: block of one page */
#define RESPOOL_STATE_OWNER	0xc0	/* | tag: second page of a block, its owner */

#define RESPOOL_STATE_TAG_MASK	0x3f

static inline bool respool_state_is_part(u8 state)
{
	return (state & 0xe0) == RESPOOL_STATE_PART;
}

static inline bool respool_state_is_exact(u8 state)
{
	return (state & 0xe0) == RESPOOL_STATE_EXACT;
}

static inline bool respool_state_is_cached(u8 state)
{
	return (state & 0xf0) == RESPOOL_STATE_CACHED;
}

/* First page of a block of one order, in the hands of a client. */
static inline bool respool_state_is_whole(u8 state)
{
	return (u8)(state - 1) < RESPOOL_BUDDY_ORDERS - 1 || (state & 0xc0) == RESPOOL_STATE_PAGE;
}

/* First page of what a client holds, which alone may be freed. */
static inline bool respool_state_is_head(u8 state)
{
	return respool_state_is_whole(state) || respool_state_is_exact(state);
}

static inline bool respool_state_is_out(u8 state)
{
	return state == RESPOOL_STATE_RESERVED || state == RESPOOL_STATE_BAD;
}

/* First page of anything that is not free. */
static inline bool respool_state_is_block(u8 state)
{
	return respool_state_is_head(state) || respool_state_is_part(state) ||
	       respool_state_is_cached(state) || respool_state_is_out(state);
}

/* Order of a block or a part. */
static inline unsigned int respool_state_order(u8 state)
{
	if (state & RESPOOL_STATE_PAGE || respool_state_is_out(state))
		return 0;
	if (respool_state_is_cached(state))
		return state & 0x0f;
	return state & RESPOOL_STATE_EXACT ? state & 0x1f : state;
}

/* Write at @state, its first page's byte, that @tag holds a block. */
static inline void respool_state_mark(u8 *state, unsigned int order, unsigned int tag)
{
	if (!order) {
		WRITE_ONCE(state[0], RESPOOL_STATE_PAGE | tag);
	} else {
		WRITE_ONCE(state[1], RESPOOL_STATE_OWNER | tag);
		WRITE_ONCE(state[0], order);
	}
}

size_t respool_buddy_footprint(unsigned long nr_pages, unsigned long base_pfn);
int respool_buddy_init(struct respool_buddy *b, void *mem, unsigned long nr_pages,
		       unsigned long base_pfn);

unsigned long respool_buddy_alloc(struct respool_buddy *b, unsigned int order, unsigned int tag);
unsigned long respool_buddy_alloc_exact(struct respool_buddy *b, unsigned long nr_pages,
					unsigned int tag);
unsigned long respool_buddy_alloc_fit(struct respool_buddy *b, const struct respool_fit *fit,
				      unsigned int tag);
int respool_buddy_resize(struct respool_buddy *b, unsigned long page, unsigned long nr_pages,
			 struct respool_block *was);
unsigned long respool_buddy_largest_fit(const struct respool_buddy *b,
					const struct respool_fit *fit);
int respool_buddy_take_out(struct respool_buddy *b, unsigned long page, unsigned long nr_pages,
			   u8 state);
int respool_buddy_put_back(struct respool_buddy *b, unsigned long page, unsigned long nr_pages);
unsigned int respool_buddy_alloc_batch(struct respool_buddy *b, unsigned int order,
				       unsigned int nr, u32 *pages);
unsigned int respool_buddy_free_batch(struct respool_buddy *b, unsigned int order,
				      unsigned int nr, const u32 *pages);
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
