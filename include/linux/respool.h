/* SPDX-License-Identifier: GPL-2.0 */
/*
 * respool: page and byte allocators over a pool of reserved memory.
 *
 * Terms. A *pool* is a range of physically contiguous memory with a name. A
 * *handle* (struct respool) is one client's account on a pool. A *block* is
 * what the page layer hands out: 2^order pages aligned to their own size, or
 * an exact number of pages. A *slab* is a byte allocator that takes *runs* of
 * pages from a pool and cuts them into blocks of any size. A *cache* cuts its
 * runs into *objects* of one size. Sizes are in bytes unless a name says pages
 * or order (log2 of a number of pages).
 *
 * Errors. Constructors return ERR_PTR(). Allocations return NULL, which means
 * "nothing to give". Frees return 0 or an errno that names the mistake:
 *
 *   -EALREADY  the block is already free (double free)
 *   -EINVAL    the address lies inside a block, not at its start
 *   -ERANGE    the block is of another order than the caller says
 *   -EFAULT    the address does not belong to this pool, slab or cache at all
 *   -EXDEV     the block belongs to another slab of the same pool, the object
 *              to another cache
 *   -EUCLEAN   the allocator's own data there is damaged
 *
 * A refused call changes nothing but a counter, and each kind of mistake is
 * logged once per pool, slab and cache.
 */
#ifndef _LINUX_RESPOOL_H
#define _LINUX_RESPOOL_H

#include <linux/types.h>
#include <linux/gfp.h>

struct page;
struct wait_queue_head;
struct respool;
struct respool_slab;
struct respool_cache;

/* Longest name of a pool, an owner, a slab or a cache, terminating zero included. */
#define RESPOOL_NAME_LEN	32

/* Orders 0..32: blocks of one page up to 2^32 pages. */
#define RESPOOL_NR_ORDERS	33

/**
 * enum respool_refusal - Mistakes that are refused, counted and logged once.
 * @RESPOOL_DOUBLE_FREE: free of what is free already
 * @RESPOOL_INTERIOR: address inside a block instead of at its start
 * @RESPOOL_WRONG_ORDER: block freed as another order than it has
 * @RESPOOL_FOREIGN: address outside the pool, or never handed out by it
 * @RESPOOL_WRONG_SLAB: block of another slab, object of another cache
 * @RESPOOL_ZERO_SIZE: request for nothing
 * @RESPOOL_TOO_LARGE: request that no state of the pool could serve
 * @RESPOOL_BAD_ALIGN: alignment that is not a power of two
 * @RESPOOL_OVERFLOW: request whose size does not fit in the arithmetic
 * @RESPOOL_CORRUPT: the allocator's data was overwritten
 * @RESPOOL_REDZONE: block of a slab with debugging written to beyond its end;
 *	the call that finds out goes on
 * @RESPOOL_POISON: such a block written to after it was freed; likewise
 * @RESPOOL_BAD_FLAGS: request with flags that contradict what is asked
 * @RESPOOL_NR_REFUSALS: number of kinds
 */
enum respool_refusal {
	RESPOOL_DOUBLE_FREE,
	RESPOOL_INTERIOR,
	RESPOOL_WRONG_ORDER,
	RESPOOL_FOREIGN,
	RESPOOL_WRONG_SLAB,
	RESPOOL_ZERO_SIZE,
	RESPOOL_TOO_LARGE,
	RESPOOL_BAD_ALIGN,
	RESPOOL_OVERFLOW,
	RESPOOL_CORRUPT,
	RESPOOL_REDZONE,
	RESPOOL_POISON,
	RESPOOL_BAD_FLAGS,
	RESPOOL_NR_REFUSALS,
};

/**
 * struct respool_order_stats - One row of a pool's statistics.
 * @free_blocks: free blocks of this order (a free block is counted once, at
 *	the largest order it forms)
 * @allocated_blocks: blocks of this order held by clients; an exact request
 *	counts once for each power of two it is made of
 * @cached_blocks: blocks of this order waiting in per-CPU caches
 * @allocations: requests of this order served since load; an exact request
 *	counts at the order it rounds up to
 * @failures: requests of this order not served since load
 */
struct respool_order_stats {
	u64 free_blocks;
	u64 allocated_blocks;
	u64 cached_blocks;
	u64 allocations;
	u64 failures;
};

/**
 * struct respool_stats - A pool's state at one moment.
 * @pages: pages in the pool;
 *	@pages == @free_pages + @allocated_pages + @cached_pages +
 *	@reserved_pages + @bad_pages
 * @free_pages: pages in free blocks
 * @allocated_pages: pages held by clients
 * @cached_pages: pages in per-CPU caches
 * @reserved_pages: pages set apart at run time
 * @bad_pages: pages out of service
 * @clear_pages: those of @free_pages and @cached_pages known to be zero
 * @watermark_pages: free pages only __GFP_HIGH requests may use
 * @peak_allocated_pages: highest @allocated_pages + @cached_pages since load
 * @free_regions: wholly free, naturally aligned groups of 2 MiB
 * @regions: groups of 2 MiB the pool touches, partial ones included
 * @allocations: allocation calls served since load
 * @frees: free calls accepted since load
 * @failures: allocation calls not served since load, refused ones included
 * @refusals: calls refused since load, by &enum respool_refusal
 * @max_order: largest order the empty pool can serve
 * @largest_free_order: largest order that would be served now without calling
 *	in what the CPUs keep in magazines, -1 for none
 * @order: one row for each order
 */
struct respool_stats {
	u64 pages;
	u64 free_pages;
	u64 allocated_pages;
	u64 cached_pages;
	u64 reserved_pages;
	u64 bad_pages;
	u64 clear_pages;
	u64 watermark_pages;
	u64 peak_allocated_pages;
	u64 free_regions;
	u64 regions;
	u64 allocations;
	u64 frees;
	u64 failures;
	u64 refusals[RESPOOL_NR_REFUSALS];
	unsigned int max_order;
	int largest_free_order;
	struct respool_order_stats order[RESPOOL_NR_ORDERS];
};

/* Pools: buddy/pool.c */
struct respool *respool_get_as(const char *name, const char *owner);
void respool_put(struct respool *pool);

/**
 * respool_get() - Open an account on a pool in the calling module's name.
 * @name: name of the pool, as given in the module parameter
 *
 * See respool_get_as().
 */
#define respool_get(name)	respool_get_as(name, KBUILD_MODNAME)

const char *respool_nth_name(unsigned int n);
const char *respool_name(const struct respool *pool);
const char *respool_owner(const struct respool *pool);
unsigned long respool_nr_pages(const struct respool *pool);
unsigned int respool_max_order(const struct respool *pool);
void *respool_start(const struct respool *pool);
bool respool_has_memory(const struct respool *pool);

/* The page layer: buddy/pool.c */
void *respool_alloc_pages(struct respool *pool, unsigned int order, gfp_t gfp);
void *respool_alloc_exact(struct respool *pool, unsigned long nr_pages, gfp_t gfp);
int respool_free_pages(struct respool *pool, void *addr, unsigned int order);
int respool_free_block(struct respool *pool, void *addr);
void respool_drain(struct respool *pool);

/* struct respool_request.flags */
#define RESPOOL_TOP_DOWN	0x1	/* the highest place that fits, else the lowest */
#define RESPOOL_SCAN		0x2	/* if no aligned block fits, a row of free pages */
#define RESPOOL_MAY_SLEEP	0x4	/* clear in steps: others run, the task can be killed */

/**
 * struct respool_request - Pages under conditions.
 * @nr_pages: how many, contiguous
 * @align: what the physical address must be a multiple of, a power of two of
 *	bytes; 0 for no more than the block's own alignment. Without
 *	RESPOOL_SCAN it takes a free block of @align bytes to serve the request,
 *	and it fails if the pool has none that large.
 * @first: lowest physical address that may be used
 * @last: highest physical address that may be used, inclusive; 0 for no limit
 * @flags: RESPOOL_TOP_DOWN, RESPOOL_SCAN, RESPOOL_MAY_SLEEP
 *
 * A place is fixed by making the range just as long as the request.
 */
struct respool_request {
	unsigned long nr_pages;
	size_t align;
	phys_addr_t first;
	phys_addr_t last;
	unsigned int flags;
};

/**
 * struct respool_extent - Contiguous pages, one of several blocks.
 * @addr: address of the first
 * @nr_pages: how many
 */
struct respool_extent {
	void *addr;
	unsigned long nr_pages;
};

/* Beyond the common calls: buddy/request.c */
void *respool_alloc_request(struct respool *pool, const struct respool_request *request,
			    gfp_t gfp);
int respool_resize_block(struct respool *pool, void *addr, unsigned long nr_pages, gfp_t gfp);
unsigned long respool_largest(struct respool *pool, const struct respool_request *request);
void *respool_alloc_wait(struct respool *pool, unsigned long nr_pages, gfp_t gfp, long timeout);
struct wait_queue_head *respool_watch(struct respool *pool);
void respool_unwatch(struct respool *pool);
int respool_alloc_list(struct respool *pool, unsigned long nr_pages,
		       struct respool_extent *extents, unsigned int max, gfp_t gfp);
void respool_free_list(struct respool *pool, const struct respool_extent *extents,
		       unsigned int nr);
unsigned int respool_alloc_bulk(struct respool *pool, unsigned int order, unsigned int nr,
				void **blocks, gfp_t gfp);
unsigned int respool_free_bulk(struct respool *pool, unsigned int nr, void **blocks);
int respool_free_cleared(struct respool *pool, void *addr);
int respool_set_watermark(struct respool *pool, unsigned long nr_pages);
int respool_reserve_range(struct respool *pool, void *addr, unsigned long nr_pages);
int respool_release_range(struct respool *pool, void *addr, unsigned long nr_pages);
int respool_retire_page(struct respool *pool, void *addr);

bool respool_contains(const struct respool *pool, const void *addr);
phys_addr_t respool_virt_to_phys(const struct respool *pool, const void *addr);
void *respool_phys_to_virt(const struct respool *pool, phys_addr_t phys);
struct page *respool_virt_to_page(const struct respool *pool, const void *addr);
void *respool_page_to_virt(const struct respool *pool, const struct page *page);

void respool_stats(struct respool *pool, struct respool_stats *stats);
int respool_validate(struct respool *pool, char *why, size_t len);

/**
 * struct respool_slab_stats - A slab's state at one moment.
 * @held_pages: pages taken from the pool
 * @runs: runs those pages form
 * @empty_runs: runs without a live block, kept warm (0 or 1)
 * @live_blocks: blocks handed out
 * @live_bytes: usable bytes of those blocks, which is what
 *	respool_usable_size() says of each, not what was asked for; in a slab
 *	with debugging, that and what debugging takes
 * @cached_blocks: free blocks in per-CPU magazines
 * @cached_bytes: usable bytes of those blocks
 * @quarantined_blocks: freed blocks that wait in the quarantine
 * @quarantined_bytes: their bytes, counted like @live_bytes
 * @free_blocks: free blocks in all runs
 * @free_bytes: bytes of those blocks, their headers included
 * @overhead_bytes: run headers, end tags and the headers of live and cached
 *	blocks, and runs out of service;
 *	@held_pages * PAGE_SIZE == @live_bytes + @cached_bytes +
 *	@quarantined_bytes + @free_bytes + @overhead_bytes
 * @largest_free: usable bytes of the largest free block
 * @peak_held_pages: highest @held_pages since create
 * @peak_live_bytes: highest @live_bytes + @cached_bytes since create; free objects of
 *	hot sizes count as long as nobody has looked at their run since they came back
 * @allocations: allocation calls served since create
 * @frees: free calls accepted since create
 * @reallocs: realloc calls served since create; one that moves counts here
 *	only, not as an allocation and a free
 * @reallocs_in_place: those of @reallocs that did not move the block
 * @failures: calls not served since create, refused ones included
 * @splits: blocks cut in two since create
 * @coalesces: neighbours merged since create
 * @runs_taken: runs taken from the page layer since create
 * @runs_returned: runs given back since create
 * @refusals: calls refused since create, by &enum respool_refusal
 */
struct respool_slab_stats {
	u64 held_pages;
	u64 runs;
	u64 empty_runs;
	u64 live_blocks;
	u64 live_bytes;
	u64 cached_blocks;
	u64 cached_bytes;
	u64 quarantined_blocks;
	u64 quarantined_bytes;
	u64 free_blocks;
	u64 free_bytes;
	u64 overhead_bytes;
	u64 largest_free;
	u64 peak_held_pages;
	u64 peak_live_bytes;
	u64 allocations;
	u64 frees;
	u64 reallocs;
	u64 reallocs_in_place;
	u64 failures;
	u64 splits;
	u64 coalesces;
	u64 runs_taken;
	u64 runs_returned;
	u64 refusals[RESPOOL_NR_REFUSALS];
};

/**
 * enum respool_slab_fit - Which of the free blocks that are large enough a slab gives.
 * @RESPOOL_GOOD_FIT: the smallest of a few in the class of sizes of the request,
 *	else of the next class that has one: bounded work, and the default
 * @RESPOOL_FIRST_FIT: the one with the lowest address
 * @RESPOOL_NEXT_FIT: the first by address from where the last search ended, and
 *	after the highest address on from the lowest
 * @RESPOOL_BEST_FIT: the smallest, of several the one with the lowest address
 *
 * All but good fit are there to be studied and compared: the time they take,
 * with the slab's lock held and interrupts off, grows with the slab.
 */
enum respool_slab_fit {
	RESPOOL_GOOD_FIT,
	RESPOOL_FIRST_FIT,
	RESPOOL_NEXT_FIT,
	RESPOOL_BEST_FIT,
};

/* struct respool_slab_options.flags */
#define RESPOOL_SLAB_NO_MAGAZINES	0x1	/* no per-CPU magazines, nor object runs */
#define RESPOOL_SLAB_REDZONE		0x2	/* find writes beyond the end of a block */
#define RESPOOL_SLAB_POISON		0x4	/* fill blocks that are handed out or freed */
#define RESPOOL_SLAB_STACKS		0x8	/* remember who allocated and freed a block */
#define RESPOOL_SLAB_QUARANTINE		0x10	/* find writes to freed blocks; means poison */
#define RESPOOL_SLAB_NO_OBJECTS		0x20	/* no object runs: every block has tags */

/**
 * struct respool_slab_options - How a slab is to work.
 * @fit: &enum respool_slab_fit
 * @flags: RESPOOL_SLAB_NO_MAGAZINES, RESPOOL_SLAB_NO_OBJECTS and, for debugging,
 *	RESPOOL_SLAB_REDZONE, _POISON, _STACKS, _QUARANTINE; the module parameter
 *	debug= adds to them. A slab with any of the latter has no magazines.
 *
 * All zero are the defaults.
 */
struct respool_slab_options {
	enum respool_slab_fit fit;
	unsigned int flags;
};

/* The byte layer: slab/slab.c */
struct respool_slab *respool_slab_create(struct respool *pool, const char *name);
struct respool_slab *respool_slab_create_with(struct respool *pool, const char *name,
					      const struct respool_slab_options *options);
void respool_slab_destroy(struct respool_slab *slab);
const char *respool_slab_name(const struct respool_slab *slab);
void *respool_alloc(struct respool_slab *slab, size_t size, gfp_t gfp);
void *respool_alloc_aligned(struct respool_slab *slab, size_t size, size_t align, gfp_t gfp);
void *respool_realloc(struct respool_slab *slab, void *addr, size_t size, gfp_t gfp);
int respool_free(struct respool_slab *slab, void *addr);
unsigned int respool_slab_alloc_bulk(struct respool_slab *slab, size_t size, unsigned int nr,
				     void **blocks, gfp_t gfp);
unsigned int respool_slab_free_bulk(struct respool_slab *slab, unsigned int nr, void **blocks);
size_t respool_usable_size(struct respool_slab *slab, const void *addr);
void respool_slab_stats(struct respool_slab *slab, struct respool_slab_stats *stats);
int respool_slab_validate(struct respool_slab *slab, char *why, size_t len);

/**
 * struct respool_cache_stats - A cache's state at one moment.
 * @size: bytes of an object, as asked for
 * @object_bytes: bytes from one object to the next
 * @run_pages: pages of a run
 * @run_objects: objects in a run
 * @held_pages: pages taken from the pool; times the page size it equals
 *	(@live_objects + @free_objects + @cached_objects) * @object_bytes +
 *	@overhead_bytes
 * @runs: runs in service
 * @empty_runs: those of @runs whose objects are all free; one is kept warm
 * @damaged_runs: runs out of service
 * @live_objects: objects handed out
 * @free_objects: free objects in runs
 * @cached_objects: free objects that CPUs keep
 * @overhead_bytes: headers and ends of runs, and runs out of service
 * @peak_held_pages: highest @held_pages since create
 * @allocations: objects handed out since create
 * @frees: frees accepted since create
 * @failures: calls not served since create, refused ones included
 * @runs_taken: runs taken from the page layer since create
 * @runs_returned: runs given back since create
 * @refusals: calls refused since create, by &enum respool_refusal
 */
struct respool_cache_stats {
	u64 size;
	u64 object_bytes;
	u64 run_pages;
	u64 run_objects;
	u64 held_pages;
	u64 runs;
	u64 empty_runs;
	u64 damaged_runs;
	u64 live_objects;
	u64 free_objects;
	u64 cached_objects;
	u64 overhead_bytes;
	u64 peak_held_pages;
	u64 allocations;
	u64 frees;
	u64 failures;
	u64 runs_taken;
	u64 runs_returned;
	u64 refusals[RESPOOL_NR_REFUSALS];
};

/* Objects of one size: slab/cache.c */
struct respool_cache *respool_cache_create(struct respool *pool, const char *name, size_t size,
					   size_t align, void (*ctor)(void *object));
void respool_cache_destroy(struct respool_cache *cache);
const char *respool_cache_name(const struct respool_cache *cache);
void *respool_cache_alloc(struct respool_cache *cache, gfp_t gfp);
unsigned int respool_cache_alloc_bulk(struct respool_cache *cache, unsigned int nr,
				      void **objects, gfp_t gfp);
int respool_cache_free(struct respool_cache *cache, void *object);
unsigned int respool_cache_free_bulk(struct respool_cache *cache, unsigned int nr, void **objects);
void respool_cache_shrink(struct respool_cache *cache);
void respool_cache_stats(struct respool_cache *cache, struct respool_cache_stats *stats);
int respool_cache_validate(struct respool_cache *cache, char *why, size_t len);

#endif /* _LINUX_RESPOOL_H */
