/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * Private ABI of the test driver: /dev/respool_test, made by respool_test.ko.
 *
 * It lets a test call the exported functions of respool from user space. It is
 * not an interface for applications and may change with the tests.
 *
 * Terms. An open file has at most one pool, chosen once by OPEN, and up to
 * RESPOOL_TEST_MAX_SLABS slabs and RESPOOL_TEST_MAX_CACHES caches on it. A
 * *handle* names a block, or an object of a cache: an index the caller picks
 * into a table whose length was given to OPEN. Closing the file frees every
 * block, destroys the slabs and caches and puts the pool; what the file said
 * of the pool as a whole (RESERVE, RETIRE, SET_WATERMARK) outlasts it.
 *
 * Threads. Calls on one file run in parallel; only OPEN, SLAB_CREATE and
 * CACHE_CREATE are serialised, and CACHE_DESTROY waits until it is alone. Two
 * calls on one handle at one time: the second gets -EBUSY.
 *
 * Errors. An ioctl returns 0 or -1 with errno:
 *
 *   ENOTTY   no such ioctl
 *   EINVAL   structure shorter than ever valid; unknown operation or flag; a
 *            reserved field that is not zero; a value out of its range
 *   E2BIG    bytes beyond the structure this driver knows are not zero
 *   EFAULT   bad pointer
 *   ENOENT   no such pool, slab, cache or block, or no pool opened yet
 *   EEXIST   handle in use, pool opened already, or name of a slab or cache taken
 *   EBUSY    handle in use by another call just now
 *   ENOMEM   the allocator had nothing to give, or the driver no memory
 *   ENXIO    there is no memory behind this pool to look at or to cut up
 *   EBADMSG  content is not what it must be; value tells where
 *
 * What a refused free answers is in linux/respool.h.
 */
#ifndef RESPOOL_TEST_H
#define RESPOOL_TEST_H

#include <linux/ioctl.h>
#include <linux/types.h>

#define RESPOOL_TEST_DEVICE		"/dev/respool_test"

#define RESPOOL_TEST_NAME_LEN		32	/* terminating zero included */
#define RESPOOL_TEST_MAX_HANDLES	0x400000
#define RESPOOL_TEST_MAX_SLABS		4
#define RESPOOL_TEST_MAX_CACHES		4
#define RESPOOL_TEST_NR_ORDERS		33
#define RESPOOL_TEST_NR_REFUSALS	13	/* enum respool_refusal */

/**
 * struct respool_test_info - INFO: what a pool is.
 * @name: in: name of the pool
 * @pages: out: pages in the pool
 * @page_size: out: bytes in a page
 * @max_order: out: largest order the empty pool can serve
 */
struct respool_test_info {
	char name[RESPOOL_TEST_NAME_LEN];
	__u64 pages;
	__u32 page_size;
	__u32 max_order;
};

/**
 * struct respool_test_open - OPEN: choose this file's pool.
 * @name: in: name of the pool
 * @nr_handles: in: length of the handle table, 1..RESPOOL_TEST_MAX_HANDLES
 * @__reserved: in: zero
 */
struct respool_test_open {
	char name[RESPOOL_TEST_NAME_LEN];
	__u32 nr_handles;
	__u32 __reserved;
};

/* Which free block a slab gives: enum respool_slab_fit. */
enum respool_test_fit {
	RESPOOL_TEST_GOOD_FIT,
	RESPOOL_TEST_FIRST_FIT,
	RESPOOL_TEST_NEXT_FIT,
	RESPOOL_TEST_BEST_FIT,
	RESPOOL_TEST_NR_FITS,
};

/* Flags of a slab: those of struct respool_slab_options. */
#define RESPOOL_TEST_SLAB_NO_MAGAZINES	0x1
#define RESPOOL_TEST_SLAB_REDZONE	0x2
#define RESPOOL_TEST_SLAB_POISON	0x4
#define RESPOOL_TEST_SLAB_STACKS	0x8
#define RESPOOL_TEST_SLAB_QUARANTINE	0x10
#define RESPOOL_TEST_SLAB_NO_OBJECTS	0x20
#define RESPOOL_TEST_SLAB_FLAGS		0x3f

/**
 * struct respool_test_slab - SLAB_CREATE: a byte allocator on this file's pool.
 * @name: in: name of the slab
 * @fit: in: &enum respool_test_fit, passed on unchecked
 * @flags: in: RESPOOL_TEST_SLAB_NO_MAGAZINES, ..., passed on unchecked
 * @slab: out: its number, 0..RESPOOL_TEST_MAX_SLABS - 1
 * @__reserved: in: zero
 */
struct respool_test_slab {
	char name[RESPOOL_TEST_NAME_LEN];
	__u32 fit;
	__u32 flags;
	__u32 slab;
	__u32 __reserved;
};

/* Flags of a cache: its constructor leaves a mark in each object. */
#define RESPOOL_TEST_CACHE_MARKED	0x1
#define RESPOOL_TEST_CACHE_FLAGS	0x1

/**
 * struct respool_test_cache - CACHE_CREATE: objects of one size on this file's pool.
 * @name: in: name of the cache
 * @size: in: bytes of an object; 8 at least if it is to be marked
 * @align: in: alignment
 * @flags: in: RESPOOL_TEST_CACHE_MARKED
 * @cache: out: its number, 0..RESPOOL_TEST_MAX_CACHES - 1
 */
struct respool_test_cache {
	char name[RESPOOL_TEST_NAME_LEN];
	__u64 size;
	__u64 align;
	__u32 flags;
	__u32 cache;
};

/**
 * struct respool_test_cache_destroy - CACHE_DESTROY: whatever is live in it.
 * @cache: in: number of the cache
 * @runs: out: runs that had live objects; the handle of one object of each
 *	names the run from then on, those of the others are free
 */
struct respool_test_cache_destroy {
	__u32 cache;
	__u32 runs;
};

/**
 * enum respool_test_opcode - What one operation does.
 * @RESPOOL_TEST_ALLOC_PAGES: respool_alloc_pages() of order @size
 * @RESPOOL_TEST_ALLOC_EXACT: respool_alloc_exact() of @size pages
 * @RESPOOL_TEST_ALLOC: respool_alloc() of @size bytes
 * @RESPOOL_TEST_ALLOC_ALIGNED: respool_alloc_aligned() of @size bytes at @align
 * @RESPOOL_TEST_REALLOC: respool_realloc() of the block to @size bytes; the
 *	block stays as it was if that fails
 * @RESPOOL_TEST_FREE: free the block, whatever made it
 * @RESPOOL_TEST_USABLE: @value becomes the bytes that may be used
 * @RESPOOL_TEST_FILL: write the pattern of @seed into all usable bytes
 * @RESPOOL_TEST_VERIFY: look for the pattern of @seed in the first @size
 *	bytes, or in all usable bytes if @size is 0
 * @RESPOOL_TEST_VERIFY_ZERO: look for zeros, likewise
 * @RESPOOL_TEST_TRANSLATE: take each page of the block from virtual address to
 *	physical address and struct page and back; @value becomes the number of
 *	pages that have a struct page
 * @RESPOOL_TEST_ALLOC_REQUEST: respool_alloc_request() of @size pages
 * @RESPOOL_TEST_LARGEST: @value becomes respool_largest(), with the conditions
 *	of ALLOC_REQUEST
 * @RESPOOL_TEST_ALLOC_WAIT: respool_alloc_wait() of @size pages for at most
 *	@align milliseconds
 * @RESPOOL_TEST_LOCATE: @value becomes the block's physical address
 * @RESPOOL_TEST_FREE_CLEARED: respool_free_cleared(), whatever is in the block
 * @RESPOOL_TEST_FREE_RACE: free the block on all CPUs at one time; @value
 *	becomes the number of frees that were accepted
 * @RESPOOL_TEST_RESERVE: respool_reserve_range() of @size pages from the
 *	physical address @first on
 * @RESPOOL_TEST_RELEASE: respool_release_range(), likewise
 * @RESPOOL_TEST_RETIRE: respool_retire_page() of the one at @first
 * @RESPOOL_TEST_SET_WATERMARK: respool_set_watermark() to @size pages
 * @RESPOOL_TEST_POKE: invert the bits of @seed, 0 < @seed < 256, in the byte at
 *	@size from the start of a slab's block, as a signed number: it may be
 *	anywhere in the pool
 * @RESPOOL_TEST_LEAK: never free a slab's block; the handle stays in use. When
 *	the file is closed, the page that the block starts in is freed after the
 *	slab was destroyed, which gives the block's run back if that is its first
 * @RESPOOL_TEST_ALLOC_OBJECT: respool_cache_alloc() from the cache @slab
 * @RESPOOL_TEST_MARKED: look for the constructor's mark at the start of the object
 * @RESPOOL_TEST_DAMAGE: exclusive-or the byte @first bytes from the start of the
 *	object's run with @size
 * @RESPOOL_TEST_SHRINK: respool_cache_shrink() of the cache @slab
 * @RESPOOL_TEST_NR_OPS: number of operations
 *
 * Each that makes or moves a block sets @value to its physical address. EBADMSG
 * sets it to the offset of the first wrong byte (TRANSLATE: of its page).
 *
 * FREE_CLEARED of a block that is not zero, FREE_RACE, POKE and LEAK are mistakes
 * that respool cannot refuse: they are only safe while nothing else uses the pool.
 * DAMAGE may cost its cache any of its objects.
 */
enum respool_test_opcode {
	RESPOOL_TEST_ALLOC_PAGES,
	RESPOOL_TEST_ALLOC_EXACT,
	RESPOOL_TEST_ALLOC,
	RESPOOL_TEST_ALLOC_ALIGNED,
	RESPOOL_TEST_REALLOC,
	RESPOOL_TEST_FREE,
	RESPOOL_TEST_USABLE,
	RESPOOL_TEST_FILL,
	RESPOOL_TEST_VERIFY,
	RESPOOL_TEST_VERIFY_ZERO,
	RESPOOL_TEST_TRANSLATE,
	RESPOOL_TEST_ALLOC_REQUEST,
	RESPOOL_TEST_LARGEST,
	RESPOOL_TEST_ALLOC_WAIT,
	RESPOOL_TEST_LOCATE,
	RESPOOL_TEST_FREE_CLEARED,
	RESPOOL_TEST_FREE_RACE,
	RESPOOL_TEST_RESERVE,
	RESPOOL_TEST_RELEASE,
	RESPOOL_TEST_RETIRE,
	RESPOOL_TEST_SET_WATERMARK,
	RESPOOL_TEST_POKE,
	RESPOOL_TEST_LEAK,
	RESPOOL_TEST_ALLOC_OBJECT,
	RESPOOL_TEST_MARKED,
	RESPOOL_TEST_DAMAGE,
	RESPOOL_TEST_SHRINK,
	RESPOOL_TEST_NR_OPS,
};

/* Ask for zeroed memory. */
#define RESPOOL_TEST_ZERO	0x1
/*
 * Fill all usable bytes with the pattern of @seed after making a block; verify
 * what was filled before freeing it, and what must survive after moving it.
 */
#define RESPOOL_TEST_CHECK	0x2
/* Make the call in interrupt context, on another CPU if there is one. */
#define RESPOOL_TEST_IN_IRQ	0x4
/* Make the call with interrupts off and a raw spinlock held. */
#define RESPOOL_TEST_IRQS_OFF	0x8
/* Ask with GFP_ATOMIC; calls in interrupt context always do. */
#define RESPOOL_TEST_ATOMIC	0x10
/* Conditions of ALLOC_REQUEST: RESPOOL_TOP_DOWN, RESPOOL_SCAN, one nobody knows. */
#define RESPOOL_TEST_TOP_DOWN	0x20
#define RESPOOL_TEST_SCAN	0x40
#define RESPOOL_TEST_UNKNOWN	0x80
/* POKE: free the block first; the handle is gone. */
#define RESPOOL_TEST_STALE	0x100
#define RESPOOL_TEST_FLAGS	0x1ff

/**
 * struct respool_test_op - OP: one operation, or an element of a BATCH.
 * @op: in: &enum respool_test_opcode
 * @flags: in: RESPOOL_TEST_ZERO, _CHECK, ...
 * @handle: in: names the block
 * @slab: in: for ALLOC and ALLOC_ALIGNED, ALLOC_OBJECT and SHRINK; zero otherwise
 * @size: in: bytes, pages, order or offset
 * @align: in: for ALLOC_ALIGNED and requests, or milliseconds; zero otherwise
 * @first: in: for requests and ranges, a physical address; for DAMAGE; zero
 *	otherwise
 * @last: in: for requests, likewise, inclusive; zero otherwise
 * @seed: in: pattern to fill or verify, or bits to invert
 * @value: out: see &enum respool_test_opcode
 * @error: out: 0 or a negative errno; OP returns it, too
 * @ns: out: nanoseconds the call into respool took
 */
struct respool_test_op {
	__u32 op;
	__u32 flags;
	__u32 handle;
	__u32 slab;
	__u64 size;
	__u64 align;
	__u64 first;
	__u64 last;
	__u64 seed;
	__u64 value;
	__s32 error;
	__u32 ns;
};

/**
 * struct respool_test_batch - BATCH: run operations one after another.
 * @ops: in: address of an array of struct respool_test_op, each written back
 * @nr_ops: in: its length
 * @done: out: operations that were run; fewer than @nr_ops after a signal
 * @failed: out: those of @done that have an @error
 * @max_ns: out: longest single call into respool
 * @total_ns: out: sum of all calls into respool
 *
 * Failed operations do not end the batch.
 */
struct respool_test_batch {
	__u64 ops;
	__u32 nr_ops;
	__u32 done;
	__u32 failed;
	__u32 max_ns;
	__u64 total_ns;
};

/* One row of struct respool_test_pool_stats: struct respool_order_stats. */
struct respool_test_order_stats {
	__u64 free_blocks;
	__u64 allocated_blocks;
	__u64 cached_blocks;
	__u64 allocations;
	__u64 failures;
};

/* POOL_STATS: out: struct respool_stats of this file's pool. */
struct respool_test_pool_stats {
	__u64 pages;
	__u64 free_pages;
	__u64 allocated_pages;
	__u64 cached_pages;
	__u64 reserved_pages;
	__u64 bad_pages;
	__u64 clear_pages;
	__u64 watermark_pages;
	__u64 peak_allocated_pages;
	__u64 free_regions;
	__u64 regions;
	__u64 allocations;
	__u64 frees;
	__u64 failures;
	__u64 refusals[RESPOOL_TEST_NR_REFUSALS];
	__u32 max_order;
	__s32 largest_free_order;
	struct respool_test_order_stats order[RESPOOL_TEST_NR_ORDERS];
};

/* SLAB_STATS: in: @slab; out: struct respool_slab_stats of that slab. */
struct respool_test_slab_stats {
	__u32 slab;
	__u32 __reserved;
	__u64 held_pages;
	__u64 runs;
	__u64 empty_runs;
	__u64 live_blocks;
	__u64 live_bytes;
	__u64 cached_blocks;
	__u64 cached_bytes;
	__u64 quarantined_blocks;
	__u64 quarantined_bytes;
	__u64 free_blocks;
	__u64 free_bytes;
	__u64 overhead_bytes;
	__u64 largest_free;
	__u64 peak_held_pages;
	__u64 peak_live_bytes;
	__u64 allocations;
	__u64 frees;
	__u64 reallocs;
	__u64 reallocs_in_place;
	__u64 failures;
	__u64 splits;
	__u64 coalesces;
	__u64 runs_taken;
	__u64 runs_returned;
	__u64 refusals[RESPOOL_TEST_NR_REFUSALS];
};

/*
 * CACHE_STATS: in: @cache; out: struct respool_cache_stats of that cache, and
 * @constructed: how many objects the constructors of all caches of the driver
 * have seen since it was loaded, @constructed_irqs_off of them with interrupts off.
 */
struct respool_test_cache_stats {
	__u32 cache;
	__u32 __reserved;
	__u64 size;
	__u64 object_bytes;
	__u64 run_pages;
	__u64 run_objects;
	__u64 held_pages;
	__u64 runs;
	__u64 empty_runs;
	__u64 damaged_runs;
	__u64 live_objects;
	__u64 free_objects;
	__u64 cached_objects;
	__u64 overhead_bytes;
	__u64 peak_held_pages;
	__u64 allocations;
	__u64 frees;
	__u64 failures;
	__u64 runs_taken;
	__u64 runs_returned;
	__u64 refusals[RESPOOL_TEST_NR_REFUSALS];
	__u64 constructed;
	__u64 constructed_irqs_off;
};

/* Targets of VALIDATE that are the pool or a cache, not one of the slabs. */
#define RESPOOL_TEST_POOL	(~0U)
#define RESPOOL_TEST_CACHE(n)	(0x10000U + (n))

/**
 * struct respool_test_validate - VALIDATE: check every invariant.
 * @target: in: number of a slab, RESPOOL_TEST_CACHE() or RESPOOL_TEST_POOL
 * @result: out: 0, or a negative errno if an invariant is broken
 * @why: out: the first one that is
 */
struct respool_test_validate {
	__u32 target;
	__s32 result;
	char why[120];
};

/**
 * enum respool_test_call - The calls that take an address from their caller.
 * @RESPOOL_TEST_CALL_FREE_PAGES: respool_free_pages()
 * @RESPOOL_TEST_CALL_FREE_BLOCK: respool_free_block()
 * @RESPOOL_TEST_CALL_FREE: respool_free()
 * @RESPOOL_TEST_CALL_REALLOC: respool_realloc(), to 1 byte
 * @RESPOOL_TEST_CALL_USABLE: respool_usable_size()
 * @RESPOOL_TEST_CALL_FREE_OBJECT: respool_cache_free()
 * @RESPOOL_TEST_NR_CALLS: number of calls
 */
enum respool_test_call {
	RESPOOL_TEST_CALL_FREE_PAGES,
	RESPOOL_TEST_CALL_FREE_BLOCK,
	RESPOOL_TEST_CALL_FREE,
	RESPOOL_TEST_CALL_REALLOC,
	RESPOOL_TEST_CALL_USABLE,
	RESPOOL_TEST_CALL_FREE_OBJECT,
	RESPOOL_TEST_NR_CALLS,
};

/**
 * enum respool_test_mistake - The wrong address such a call is given.
 * @RESPOOL_TEST_FREED: the block's, after it was freed; the handle is gone
 * @RESPOOL_TEST_OFFSET: the block's plus @value, 0 < @value < usable bytes
 * @RESPOOL_TEST_ORDER: the block's, with order @value, not its own
 * @RESPOOL_TEST_OUTSIDE: memory of the driver that is in no pool
 * @RESPOOL_TEST_SLAB: the block's, with slab or cache @slab, not its own
 * @RESPOOL_TEST_NR_MISTAKES: number of mistakes
 */
enum respool_test_mistake {
	RESPOOL_TEST_FREED,
	RESPOOL_TEST_OFFSET,
	RESPOOL_TEST_ORDER,
	RESPOOL_TEST_OUTSIDE,
	RESPOOL_TEST_SLAB,
	RESPOOL_TEST_NR_MISTAKES,
};

/**
 * struct respool_test_misuse - MISUSE: make a mistake on purpose.
 * @call: in: &enum respool_test_call
 * @mistake: in: &enum respool_test_mistake
 * @handle: in: a block of this file
 * @slab: in: slab or cache to name to the calls that take one
 * @value: in: see &enum respool_test_mistake
 * @result: out: what the call returned: an errno of a free, -ENOMEM for the
 *	NULL of a realloc, bytes of a usable size
 * @__reserved: in: zero
 *
 * Requests for too much, for nothing or with a bad alignment need no ioctl of
 * their own: OP passes any size and alignment on.
 *
 * RESPOOL_TEST_FREED is only safe while nothing else uses the pool, for the
 * address could be somebody else's block by the second free.
 */
struct respool_test_misuse {
	__u32 call;
	__u32 mistake;
	__u32 handle;
	__u32 slab;
	__u64 value;
	__s32 result;
	__u32 __reserved;
};

/**
 * struct respool_test_drain - DRAIN: empty the pool's per-CPU caches.
 * @__reserved: in: zero
 */
struct respool_test_drain {
	__u64 __reserved;
};

/**
 * enum respool_test_many_call - The calls that take several blocks.
 * @RESPOOL_TEST_ALLOC_LIST: respool_alloc_list() of @size pages in @nr blocks
 *	at most
 * @RESPOOL_TEST_FREE_LIST: respool_free_list()
 * @RESPOOL_TEST_ALLOC_BULK: respool_alloc_bulk() of @nr blocks of order @size
 * @RESPOOL_TEST_FREE_BULK: respool_free_bulk()
 * @RESPOOL_TEST_ALLOC_OBJECTS: respool_cache_alloc_bulk() of @nr objects of
 *	the cache @size
 * @RESPOOL_TEST_FREE_OBJECTS: respool_cache_free_bulk() by the first one's cache
 * @RESPOOL_TEST_SLAB_ALLOC_BULK: respool_slab_alloc_bulk() of @nr blocks of
 *	@size bytes
 * @RESPOOL_TEST_SLAB_FREE_BULK: respool_slab_free_bulk(); blocks of another slab
 *	are a mistake that is refused
 * @RESPOOL_TEST_NR_MANY: number of calls
 */
enum respool_test_many_call {
	RESPOOL_TEST_ALLOC_LIST,
	RESPOOL_TEST_FREE_LIST,
	RESPOOL_TEST_ALLOC_BULK,
	RESPOOL_TEST_FREE_BULK,
	RESPOOL_TEST_ALLOC_OBJECTS,
	RESPOOL_TEST_FREE_OBJECTS,
	RESPOOL_TEST_SLAB_ALLOC_BULK,
	RESPOOL_TEST_SLAB_FREE_BULK,
	RESPOOL_TEST_NR_MANY,
};

#define RESPOOL_TEST_MAX_MANY		0x10000

/**
 * struct respool_test_many - MANY: several blocks in one call.
 * @call: in: &enum respool_test_many_call
 * @flags: in: RESPOOL_TEST_ZERO, _ATOMIC; zero when freeing
 * @handle: in: names the first block; the others follow
 * @nr: in: number of handles, 1..RESPOOL_TEST_MAX_MANY
 * @size: in: pages, order, cache or bytes; zero when freeing
 * @result: out: what the call returned
 * @slab: in: for the calls of a slab; zero otherwise
 */
struct respool_test_many {
	__u32 call;
	__u32 flags;
	__u32 handle;
	__u32 nr;
	__u64 size;
	__s32 result;
	__u32 slab;
};

/* CHURN in a hard interrupt, in a softirq; the task's calls with interrupts off. */
#define RESPOOL_TEST_CHURN_HARDIRQ	0x1
#define RESPOOL_TEST_CHURN_SOFTIRQ	0x2
#define RESPOOL_TEST_CHURN_IRQS_OFF	0x4
/* Objects of a cache instead of pages. */
#define RESPOOL_TEST_CHURN_OBJECTS	0x8
#define RESPOOL_TEST_CHURN_FLAGS	0xf

/**
 * struct respool_test_churn - CHURN: allocate and free for a while.
 * @flags: in: RESPOOL_TEST_CHURN_HARDIRQ, _SOFTIRQ, _IRQS_OFF, _OBJECTS
 * @ms: in: how long at least, at most 60000; everybody gets at least one block, and up
 *	to 20 times as long until a hard interrupt has come in the middle of a call
 * @period_us: in: time from one interrupt to the next, at least 20
 * @max_order: in: blocks of orders 0..@max_order, at most 10
 * @seed: in: of what is random
 * @task_allocations: out: blocks the task was given
 * @hardirq_allocations: out: blocks hard interrupts were given
 * @softirq_allocations: out: blocks softirqs were given
 * @nested: out: interrupts that came in the middle of one of the task's calls
 * @failures: out: allocations that got nothing
 * @refused: out: frees that were refused
 * @wrong: out: blocks that lost the mark their holder had left there
 * @cache: in: cache of the objects, of a multiple of 8 bytes, or slab of the blocks
 *	of bytes; zero for pages
 * @max_bytes: in: if not zero, no pages, but blocks of 16..@max_bytes bytes, a
 *	multiple of 8, at most 65536
 *
 * In this task and, if asked to, at the same time in interrupts of the CPU it
 * starts on. All is freed in the end. A signal ends it early.
 */
struct respool_test_churn {
	__u32 flags;
	__u32 ms;
	__u32 period_us;
	__u32 max_order;
	__u64 seed;
	__u64 task_allocations;
	__u64 hardirq_allocations;
	__u64 softirq_allocations;
	__u64 nested;
	__u64 failures;
	__u64 refused;
	__u64 wrong;
	__u32 cache;
	__u32 max_bytes;
};

#define RESPOOL_TEST_IOC_MAGIC		0xBC

#define RESPOOL_TEST_IOC_INFO \
	_IOWR(RESPOOL_TEST_IOC_MAGIC, 0, struct respool_test_info)
#define RESPOOL_TEST_IOC_OPEN \
	_IOWR(RESPOOL_TEST_IOC_MAGIC, 1, struct respool_test_open)
#define RESPOOL_TEST_IOC_SLAB_CREATE \
	_IOWR(RESPOOL_TEST_IOC_MAGIC, 2, struct respool_test_slab)
#define RESPOOL_TEST_IOC_OP \
	_IOWR(RESPOOL_TEST_IOC_MAGIC, 3, struct respool_test_op)
#define RESPOOL_TEST_IOC_BATCH \
	_IOWR(RESPOOL_TEST_IOC_MAGIC, 4, struct respool_test_batch)
#define RESPOOL_TEST_IOC_POOL_STATS \
	_IOWR(RESPOOL_TEST_IOC_MAGIC, 5, struct respool_test_pool_stats)
#define RESPOOL_TEST_IOC_SLAB_STATS \
	_IOWR(RESPOOL_TEST_IOC_MAGIC, 6, struct respool_test_slab_stats)
#define RESPOOL_TEST_IOC_VALIDATE \
	_IOWR(RESPOOL_TEST_IOC_MAGIC, 7, struct respool_test_validate)
#define RESPOOL_TEST_IOC_MISUSE \
	_IOWR(RESPOOL_TEST_IOC_MAGIC, 8, struct respool_test_misuse)
#define RESPOOL_TEST_IOC_DRAIN \
	_IOWR(RESPOOL_TEST_IOC_MAGIC, 9, struct respool_test_drain)
#define RESPOOL_TEST_IOC_MANY \
	_IOWR(RESPOOL_TEST_IOC_MAGIC, 10, struct respool_test_many)
#define RESPOOL_TEST_IOC_CHURN \
	_IOWR(RESPOOL_TEST_IOC_MAGIC, 11, struct respool_test_churn)
#define RESPOOL_TEST_IOC_CACHE_CREATE \
	_IOWR(RESPOOL_TEST_IOC_MAGIC, 12, struct respool_test_cache)
#define RESPOOL_TEST_IOC_CACHE_DESTROY \
	_IOWR(RESPOOL_TEST_IOC_MAGIC, 13, struct respool_test_cache_destroy)
#define RESPOOL_TEST_IOC_CACHE_STATS \
	_IOWR(RESPOOL_TEST_IOC_MAGIC, 14, struct respool_test_cache_stats)

#endif /* RESPOOL_TEST_H */
