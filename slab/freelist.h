/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The pure core of the byte layer: blocks of any size inside runs of memory.
 *
 * It takes no lock and allocates nothing: the caller serialises every call on
 * one struct respool_freelist, but for those that are inline here and say
 * otherwise, and brings the memory, one run at a time. All bookkeeping lies in
 * band, in the runs themselves.
 *
 * A run, low addresses first:
 *
 *   struct respool_run | block | block | ... | end tag
 *
 * A block starts with a header of 8 bytes; its payload follows, aligned to 16
 * bytes, and ends where the next header starts. A free block keeps two links
 * in its payload and ends with a footer:
 *
 *   live:  header | payload .........................
 *   free:  header | next | previous | ...... | footer
 *
 * Header and footer are tags: the block's size and four flag bits, and a check
 * of both keyed with a secret and the tag's own address. No tag is believed
 * before its check is verified, no link is followed before what it leads to
 * has been. The end tag is the header of a used block of size 0.
 *
 * A block that is not free is live, in somebody's hands, or cached, in nobody's:
 * taken for a magazine, or given back to one. It changes from one to the other
 * without the lock, by the flag in its header alone.
 *
 * Errors are those of include/linux/respool.h. Every check of a call comes
 * before its first write, so a call that fails has changed nothing. A call
 * that meets damage says -EUCLEAN and notes where in @damage; the damage stays
 * until respool_freelist_salvage() takes the damaged runs out of service and
 * puts everything else in order.
 */
#ifndef RESPOOL_FREELIST_H
#define RESPOOL_FREELIST_H

#include "plain.h"

#define RESPOOL_BLOCK_ALIGN	16	/* of every payload; every size is a multiple */
#define RESPOOL_BLOCK_HEADER	8	/* bytes of a block that are not its payload */
#define RESPOOL_BLOCK_MIN	32	/* smallest block: header, two links, footer */

/* Blocks up to this size are counted by their size. */
#define RESPOOL_COUNTED_MAX	1056

/* Largest block a header can describe, and so the largest request. */
#define RESPOOL_BLOCK_MAX	0xfffffff0UL
#define RESPOOL_REQUEST_MAX	(RESPOOL_BLOCK_MAX - RESPOOL_BLOCK_HEADER)

/*
 * Size classes, after TLSF: a row for each power of two, cut in equal columns.
 * Row 0 is linear, a class for each size below 512 bytes; row r > 0 holds the
 * sizes from 256 << r to below 512 << r.
 */
#define RESPOOL_CLASS_COLUMNS	32
#define RESPOOL_CLASS_ROWS	24
#define RESPOOL_NR_CLASSES	(RESPOOL_CLASS_ROWS * RESPOOL_CLASS_COLUMNS)

/**
 * struct respool_run - What stands at the start of each run.
 * @check: keyed check of the other fields and of the run's address
 * @bytes: length of the run, this header and the end tag included
 * @next: next run; the one with the next higher address, if searches go by address
 * @prev: previous run
 * @reserved: puts the first payload at a multiple of 16
 */
struct respool_run {
	u64 check;
	u64 bytes;
	struct respool_run *next;
	struct respool_run *prev;
	u64 reserved;
};

/* Bytes of a run that are in no block: its header and its end tag. */
#define RESPOOL_RUN_OVERHEAD	(sizeof(struct respool_run) + RESPOOL_BLOCK_HEADER)

/* A block's header and, where the block is free, its links. */
struct respool_header {
	u64 tag;	/* check << 32 | bytes | flags */
	u64 next;	/* encoded, see link_to() in freelist.c */
	u64 prev;
};

/* Flags in the low bits of a tag. */
#define RESPOOL_TAG_USED	1u	/* the block is not free; set in the end tag */
#define RESPOOL_TAG_PREV_USED	2u	/* the block in front is not free, or there is none */
#define RESPOOL_TAG_FIRST	4u	/* the first block of its run */
#define RESPOOL_TAG_CACHED	8u	/* used, but nobody's: in a magazine */
#define RESPOOL_TAG_FLAGS	15u

/**
 * struct respool_cursor - A reader on its way through all blocks.
 * @on: another reader of the same free list
 * @run: the run it is in, %NULL behind the last one
 * @block: header of the block it looks at next
 *
 * Between two looks the heap may change. What a cursor stands at does not go
 * away without moving it on, so a look never has to search for its place.
 */
struct respool_cursor {
	struct respool_cursor *on;
	const struct respool_run *run;
	const struct respool_header *block;
};

/**
 * enum respool_search - Which of the free blocks that are large enough serves.
 * @RESPOOL_SEARCH_GOOD: the smallest of the first few in the class of the
 *	request, else of the next class that has one; before last the end of the
 *	top run, and last a block of which 16 bytes would be lost to a request
 *	for a block of the smallest size: bounded work
 * @RESPOOL_SEARCH_FIRST: the one with the lowest address
 * @RESPOOL_SEARCH_NEXT: the first by address from where the last search ended,
 *	going on at the lowest address after the highest
 * @RESPOOL_SEARCH_BEST: the smallest, of several the one with the lowest address
 * @RESPOOL_NR_SEARCHES: number of searches
 */
enum respool_search {
	RESPOOL_SEARCH_GOOD,
	RESPOOL_SEARCH_FIRST,
	RESPOOL_SEARCH_NEXT,
	RESPOOL_SEARCH_BEST,
	RESPOOL_NR_SEARCHES,
};

/**
 * struct respool_place - A block and the run it is in.
 * @run: run in service; %NULL where nobody needs to know
 * @block: block in that run
 */
struct respool_place {
	struct respool_run *run;
	struct respool_header *block;
};

/**
 * struct respool_class - The free blocks of one class of sizes.
 * @first: head of their list
 * @blocks: blocks on the list
 * @bytes: bytes of those blocks, headers included
 */
struct respool_class {
	struct respool_header *first;
	u64 blocks;
	u64 bytes;
};

/*
 * Invariants, checked by respool_freelist_validate():
 *   held_bytes == live_bytes + free_bytes + retired_bytes +
 *		   live_blocks * RESPOOL_BLOCK_HEADER + runs * RESPOOL_RUN_OVERHEAD
 *   the blocks of a run and its two ends fill it without gap or overlap
 *   no two neighbours in a run are free
 *   a free block is on the list of its class and on no other
 *   free_blocks and free_bytes equal the sums over the classes
 *   a bit in the maps is set where a class, or a row, has a block
 *   searches by address find the runs in order of address, next fit's rover is
 *	at a block of its run
 */
struct respool_freelist {
	u64 secret;			/* constant but for salvage */
	enum respool_search search;	/* constant */
	struct respool_place rover;	/* where next fit goes on; empty at the lowest address */
	struct respool_run *top;	/* run that may be extended, set by the caller; or NULL */
	uintptr_t low;			/* every run there ever was lies in [low, high) */
	uintptr_t high;
	struct respool_run *first_run;	/* of those in service */
	struct respool_run *last_run;
	struct respool_run *retired_run;	/* taken out of service by salvage */
	bool end_freed;			/* the last block put has become free at the end of a run */
	const void *damage;		/* where a call met it; NULL again after salvage */
	struct respool_cursor *cursors;	/* readers between two looks */

	u64 held_bytes;			/* memory brought in and not taken out again */
	u64 runs;			/* in service */
	u64 live_blocks;		/* handed out, or cached */
	u64 live_bytes;			/* usable bytes of those */
	u64 peak_live_bytes;		/* highest live_bytes */
	u32 blocks_of[RESPOOL_COUNTED_MAX / RESPOOL_BLOCK_ALIGN + 1];	/* live, of that size */
	u64 free_blocks;
	u64 free_bytes;			/* headers included */
	u64 retired_runs;		/* ever taken out of service */
	u64 retired_bytes;
	u64 splits;			/* blocks cut in two, since init */
	u64 coalesces;			/* neighbours merged, since init */

	u32 rows;			/* bit r: columns[r] is not 0 */
	u32 columns[RESPOOL_CLASS_ROWS];	/* bit c of [r]: the class has a block */
	struct respool_class class[RESPOOL_NR_CLASSES];
};

/**
 * enum respool_block_kind - What a header of the implicit list says.
 * @RESPOOL_BLOCK_FREE: a free block
 * @RESPOOL_BLOCK_USED: a block handed out
 * @RESPOOL_BLOCK_CACHED: a block in a magazine
 * @RESPOOL_BLOCK_END: the end tag of its run, of size 0
 * @RESPOOL_BLOCK_DAMAGED: nothing, as it does not fit its check
 */
enum respool_block_kind {
	RESPOOL_BLOCK_FREE,
	RESPOOL_BLOCK_USED,
	RESPOOL_BLOCK_CACHED,
	RESPOOL_BLOCK_END,
	RESPOOL_BLOCK_DAMAGED,
};

/**
 * struct respool_block_row - One block, as respool_freelist_look() shows it.
 * @addr: the block's header; its payload starts RESPOOL_BLOCK_HEADER further on
 * @bytes: size of the block, header included
 * @kind: free, used, or where the run ends; nothing else is known of a damaged one
 * @prev_used: the block in front is handed out, or there is none
 * @next: header of the next block of its class, %NULL for none or a used block
 * @prev: header of the previous block of its class, the same way
 * @footer: size that the footer of a free block says; 0 for a damaged or no footer
 */
struct respool_block_row {
	const void *addr;
	size_t bytes;
	enum respool_block_kind kind;
	bool prev_used;
	const void *next;
	const void *prev;
	size_t footer;
};

/* What respool_freelist_around() shows in front of a place. */
#define RESPOOL_AROUND_BEFORE	2

/* Lock-free: any caller, any time */

/* An odd number without pattern: the golden ratio in 64 bits. */
#define RESPOOL_TAG_MIX		0x9e3779b97f4a7c15ULL

/* What a flag, or a whole word, counts in a tag. */
static inline u64 respool_tag_step(u32 word)
{
	return word * ((RESPOOL_TAG_MIX << 32) + 1);
}

/*
 * A tag of @word at the address @at, keyed with @secret. For one address the
 * check is a bijection of the word, so no change of a tag's size or flags alone,
 * nor of its check alone, goes unseen. It is linear too: a flag goes on or off by
 * adding or taking away respool_tag_step(), whatever else the tag says.
 */
static inline u64 respool_tag(u64 secret, const void *at, u32 word)
{
	u64 mix = ((u64)(uintptr_t)at ^ secret) * RESPOOL_TAG_MIX;

	return (mix & ~0xffffffffULL) + respool_tag_step(word);
}

/* What is in the upper half where @tag is none for the address @at. */
static inline u64 respool_tag_error(u64 secret, const void *at, u64 tag)
{
	u64 mix = ((u64)(uintptr_t)at ^ secret) * RESPOOL_TAG_MIX;

	return (mix + (tag * RESPOOL_TAG_MIX << 32)) ^ tag;
}

static inline struct respool_header *respool_header_of(const void *ptr)
{
	return (struct respool_header *)((uintptr_t)ptr - RESPOOL_BLOCK_HEADER);
}

/*
 * Whether the header in front of @ptr, any address of which the 8 bytes in front
 * can be read, is that of a live block. @tag is what it says.
 */
static inline bool respool_block_is_live(const struct respool_freelist *f, const void *ptr,
					 u64 *tag)
{
	const struct respool_header *b = respool_header_of(ptr);
	u64 error, other;

	*tag = READ_ONCE(b->tag);
	error = respool_tag_error(f->secret, b, *tag) >> 32;
	other = (*tag ^ RESPOOL_TAG_USED) & (RESPOOL_TAG_USED | RESPOOL_TAG_CACHED);
	return likely(!(error | other));
}

/* The tag of a live block, else 0. */
static inline u64 respool_block_live_tag(const struct respool_freelist *f, const void *ptr)
{
	u64 tag;

	return respool_block_is_live(f, ptr, &tag) ? tag : 0;
}

static inline size_t respool_tag_bytes(u64 tag)
{
	return (u32)tag & ~RESPOOL_TAG_FLAGS;
}

/*
 * The live block at @ptr, whose tag was @tag, ends its life and is cached.
 * False, with nothing changed: it is no more what it was. Of two who end the
 * life of one block, one is told so.
 */
static inline bool respool_block_end(void *ptr, u64 tag)
{
	/* A neighbour that comes or goes meanwhile changes the tag: again then. */
	return likely(try_cmpxchg(&respool_header_of(ptr)->tag, &tag,
				  tag + respool_tag_step(RESPOOL_TAG_CACHED)));
}

static inline bool respool_tag_is_cached(u64 tag)
{
	return !(~tag & (RESPOOL_TAG_USED | RESPOOL_TAG_CACHED));
}

/* What a cached block says of itself, apart from where it stands. */
static inline u32 respool_cached_word(u32 bytes)
{
	return bytes | RESPOOL_TAG_USED | RESPOOL_TAG_CACHED;
}

/*
 * The cached block at @ptr, taken as one that says @word, becomes live. False, with
 * nothing changed: it is not what it was when it was taken. Only the lower half
 * of its tag is looked at, where a write that runs into the header from below
 * begins; the whole is before the block is cached again or merged.
 */
static inline bool respool_block_give_word(void *ptr, u32 word)
{
	u64 *tag = &respool_header_of(ptr)->tag;
	u32 is = (u32)READ_ONCE(*tag) & ~(RESPOOL_TAG_PREV_USED | RESPOOL_TAG_FIRST);

	if (unlikely((is - word) & ~RESPOOL_BLOCK_ALIGN))
		return false;
	/* Not a plain write: a neighbour may come or go at this moment. */
	atomic64_add(-respool_tag_step(RESPOOL_TAG_CACHED), (atomic64_t *)tag);
	return true;
}

/* The same for one taken as a block of @bytes. */
static inline bool respool_block_give(void *ptr, u32 bytes)
{
	return respool_block_give_word(ptr, respool_cached_word(bytes));
}

/* Size of a block that nobody else changes, header included. */
static inline size_t respool_block_bytes(const void *ptr)
{
	return respool_tag_bytes(READ_ONCE(respool_header_of(ptr)->tag));
}

static inline bool respool_block_is_cached(const struct respool_freelist *f, const void *ptr)
{
	const struct respool_header *b = respool_header_of(ptr);
	u64 tag = READ_ONCE(b->tag);

	return !(respool_tag_error(f->secret, b, tag) >> 32) && respool_tag_is_cached(tag);
}

/* How often respool_freelist_take() searches, at most. */
#define RESPOOL_TAKE_SEARCHES	2

/* Serialised by the caller: freelist.c */
void respool_freelist_init(struct respool_freelist *f, u64 secret, enum respool_search search);
size_t respool_freelist_run_bytes(size_t size, size_t align);
int respool_freelist_add_run(struct respool_freelist *f, void *mem, size_t bytes, size_t size,
			     size_t align, void **ptr);
int respool_freelist_remove_run(struct respool_freelist *f, struct respool_run *run);
int respool_freelist_extend_run(struct respool_freelist *f, struct respool_run *run, size_t bytes,
				size_t size, size_t align, void **ptr);
int respool_freelist_trim_run(struct respool_freelist *f, struct respool_run *run, size_t bytes);
size_t respool_freelist_run_tail(const struct respool_freelist *f, const struct respool_run *run);
int respool_freelist_run_to_extend(struct respool_freelist *f, const void *ptr, size_t size,
				   struct respool_run **run, size_t *bytes);
bool respool_freelist_run_is_empty(const struct respool_freelist *f,
				   const struct respool_run *run);

int respool_freelist_alloc(struct respool_freelist *f, size_t size, size_t align, void **ptr);
int respool_freelist_resize(struct respool_freelist *f, void *ptr, size_t size);
unsigned int respool_freelist_take(struct respool_freelist *f, size_t bytes, unsigned int nr,
				   void **blocks);
int respool_freelist_put(struct respool_freelist *f, void *ptr, struct respool_run **empty);
int respool_freelist_free(struct respool_freelist *f, void *ptr, struct respool_run **empty);
int respool_freelist_usable_size(struct respool_freelist *f, const void *ptr, size_t *size);

void respool_freelist_salvage(struct respool_freelist *f);
bool respool_freelist_knows(const struct respool_freelist *f, const void *ptr);
bool respool_freelist_holds(const struct respool_freelist *f, const void *addr);
size_t respool_freelist_largest_free(const struct respool_freelist *f);
void respool_freelist_class_range(unsigned int class, size_t *min, size_t *max);
void respool_freelist_open(struct respool_freelist *f, struct respool_cursor *c);
void respool_freelist_close(struct respool_freelist *f, struct respool_cursor *c);
size_t respool_freelist_look(const struct respool_freelist *f, struct respool_cursor *c,
			     struct respool_block_row *rows, size_t nr_rows);
size_t respool_freelist_around(const struct respool_freelist *f, const void *where,
			       struct respool_block_row *rows, size_t nr_rows);
const char *respool_freelist_validate(const struct respool_freelist *f, const void **where);

#endif /* RESPOOL_FREELIST_H */
