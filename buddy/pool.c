// SPDX-License-Identifier: GPL-2.0
/*
 * A pool: memory, the buddy core that says which of it is free, magazines, a
 * lock. The page layer's common calls; request.c has the others, account.c
 * says who holds what, stats.c what there is to see.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/err.h>
#include <linux/export.h>
#include <linux/io.h>
#include <linux/kernel.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>

#include <trace/events/respool.h>

#include "buddy/fault.h"
#include "buddy/pool.h"
#include "buddy/shape.h"

/* Addresses */

/**
 * respool_contains() - Whether an address lies in a pool.
 * @pool: handle
 * @addr: any address
 *
 * Context: Any.
 * Return: true if @addr is a byte of @pool's memory, allocated or not.
 */
bool respool_contains(const struct respool *pool, const void *addr)
{
	return respool_page_at(pool->pool, addr) != RESPOOL_NO_PAGE;
}
EXPORT_SYMBOL_GPL(respool_contains);

/**
 * respool_virt_to_phys() - Physical address of a byte of a pool.
 * @pool: handle
 * @addr: address inside @pool
 *
 * Works for every backing, also where virt_to_phys() does not.
 *
 * Context: Any.
 * Return: the physical address, or %PHYS_ADDR_MAX if @addr is not in @pool.
 */
phys_addr_t respool_virt_to_phys(const struct respool *pool, const void *addr)
{
	const struct respool_backing *backing = &pool->pool->backing;

	if (!respool_contains(pool, addr))
		return PHYS_ADDR_MAX;
	return backing->base + (addr - backing->vaddr);
}
EXPORT_SYMBOL_GPL(respool_virt_to_phys);

/**
 * respool_phys_to_virt() - Kernel address of a physical address of a pool.
 * @pool: handle
 * @phys: physical address inside @pool
 *
 * Context: Any.
 * Return: the address, or %NULL if @phys is not in @pool.
 */
void *respool_phys_to_virt(const struct respool *pool, phys_addr_t phys)
{
	const struct respool_backing *backing = &pool->pool->backing;

	if (phys < backing->base || PHYS_PFN(phys - backing->base) >= backing->nr_pages)
		return NULL;
	return backing->vaddr + (phys - backing->base);
}
EXPORT_SYMBOL_GPL(respool_phys_to_virt);

/**
 * respool_virt_to_page() - Struct page of an address of a pool.
 * @pool: handle
 * @addr: address inside @pool
 *
 * Context: Any.
 * Return: the page, or %NULL if @addr is not in @pool or the pool's memory has
 * no struct pages (a region that is not aligned to 2 MiB).
 */
struct page *respool_virt_to_page(const struct respool *pool, const void *addr)
{
	if (!pool->pool->backing.has_pages || !respool_contains(pool, addr))
		return NULL;
	return pfn_to_page(PHYS_PFN(respool_virt_to_phys(pool, addr)));
}
EXPORT_SYMBOL_GPL(respool_virt_to_page);

/**
 * respool_page_to_virt() - Kernel address of a page of a pool.
 * @pool: handle
 * @page: struct page, of any memory
 *
 * Context: Any.
 * Return: the address of its first byte, or %NULL if it is not in @pool.
 */
void *respool_page_to_virt(const struct respool *pool, const struct page *page)
{
	if (!pool->pool->backing.has_pages)
		return NULL;
	return respool_phys_to_virt(pool, PFN_PHYS(page_to_pfn(page)));
}
EXPORT_SYMBOL_GPL(respool_page_to_virt);

/**
 * respool_name() - Name of a pool.
 * @pool: handle
 *
 * Context: Any.
 * Return: the name given in the module parameter.
 */
const char *respool_name(const struct respool *pool)
{
	return pool->pool->spec.name;
}
EXPORT_SYMBOL_GPL(respool_name);

/**
 * respool_owner() - Name of an account.
 * @pool: handle
 *
 * Context: Any.
 * Return: the name given to respool_get_as(), as debugfs shows it.
 */
const char *respool_owner(const struct respool *pool)
{
	return pool->owner;
}
EXPORT_SYMBOL_GPL(respool_owner);

/**
 * respool_nr_pages() - Size of a pool in pages.
 * @pool: handle
 *
 * Context: Any.
 * Return: pages under management, allocated or not.
 */
unsigned long respool_nr_pages(const struct respool *pool)
{
	return pool->pool->backing.nr_pages;
}
EXPORT_SYMBOL_GPL(respool_nr_pages);

/**
 * respool_max_order() - Largest order a pool can ever serve.
 * @pool: handle
 *
 * Context: Any.
 * Return: order of the largest naturally aligned block inside the pool.
 */
unsigned int respool_max_order(const struct respool *pool)
{
	return pool->pool->buddy.max_order;
}
EXPORT_SYMBOL_GPL(respool_max_order);

/**
 * respool_start() - Kernel address of the first byte of a pool.
 * @pool: handle
 *
 * The pool is contiguous from there, respool_nr_pages() pages long.
 *
 * Context: Any.
 * Return: the address.
 */
void *respool_start(const struct respool *pool)
{
	return pool->pool->backing.vaddr;
}
EXPORT_SYMBOL_GPL(respool_start);

/**
 * respool_has_memory() - Whether there is memory behind a pool's addresses.
 * @pool: handle
 *
 * Context: Any.
 * Return: false for a pool made with "@none", whose addresses are numbers for
 * tests and measurements and must not be touched.
 */
bool respool_has_memory(const struct respool *pool)
{
	return pool->pool->spec.memory != RESPOOL_NO_MEMORY;
}
EXPORT_SYMBOL_GPL(respool_has_memory);

struct respool_pool *respool_pool_of(const struct respool *handle)
{
	return handle->pool;
}

/* Allocation */

static bool refuse_request(struct respool_pool *pool, unsigned int order, unsigned long nr_pages,
			   unsigned long caller)
{
	if (!nr_pages)
		respool_refuse(&pool->refusals, RESPOOL_ZERO_SIZE, "pool", pool->spec.name,
			       "request for no pages from %pS", (void *)caller);
	else if (order > pool->buddy.max_order)
		respool_refuse(&pool->refusals, RESPOOL_TOO_LARGE, "pool", pool->spec.name,
			       "request of order %u, the largest is %u, from %pS", order,
			       pool->buddy.max_order, (void *)caller);
	else
		return false;
	return true;
}

static __always_inline unsigned long do_alloc_core(struct respool *handle, unsigned long nr_pages,
						   gfp_t gfp, const bool watched)
{
	struct respool_pool *pool = handle->pool;
	unsigned long flags, page = RESPOOL_NO_PAGE;
	int whole = -1;
	u64 since = 0;

	raw_spin_lock_irqsave(&pool->lock, flags);
	if (watched)
		since = respool_shape_note(&pool->magazines);
	if (respool_may_take(pool, nr_pages, gfp))
		page = respool_buddy_alloc_exact(&pool->buddy, nr_pages, handle->tag);
	if (page != RESPOOL_NO_PAGE)
		respool_charge(handle, nr_pages);
	if (watched)
		whole = respool_shape_cut(&pool->magazines, respool_order_of(nr_pages), since);
	raw_spin_unlock_irqrestore(&pool->lock, flags);
	respool_shape_trace_cut(&pool->magazines, page, respool_order_of(nr_pages), whole);
	return page;
}

static noinline unsigned long alloc_core_watched(struct respool *handle, unsigned long nr_pages,
						 gfp_t gfp)
{
	return do_alloc_core(handle, nr_pages, gfp, true);
}

/* From the core, when no magazine could serve. */
static unsigned long alloc_core(struct respool *handle, unsigned long nr_pages, gfp_t gfp)
{
	if (trace_respool_page_split_enabled() || respool_latency_on())
		return alloc_core_watched(handle, nr_pages, gfp);
	return do_alloc_core(handle, nr_pages, gfp, false);
}

/*
 * Count and tell of a request that was not served, and look into it unless it was
 * refused.
 */
void respool_fail(struct respool *handle, const struct respool_fit *fit, gfp_t gfp,
		  unsigned long caller)
{
	unsigned int order = respool_order_of(fit->nr_pages);
	struct respool_pool *pool = handle->pool;
	bool atomic = gfp & __GFP_HIGH;
	unsigned long flags, free_pages;

	raw_spin_lock_irqsave(&pool->lock, flags);
	pool->failures++;
	if (order < RESPOOL_NR_ORDERS)
		pool->order_failures[order]++;
	free_pages = pool->buddy.free_pages;
	raw_spin_unlock_irqrestore(&pool->lock, flags);
	trace_respool_page_fail(pool->spec.name, handle->owner, fit->nr_pages,
				1UL << fit->align_order, fit->first, fit->last, free_pages,
				atomic, caller);
	if (fit->nr_pages && order <= pool->buddy.max_order && fit->first <= fit->last)
		respool_failures_note(handle, fit, atomic, caller);
}

/* The same for a request that may be served from anywhere. */
void respool_fail_anywhere(struct respool *handle, unsigned long nr_pages, gfp_t gfp,
			   unsigned long caller)
{
	const struct respool_fit fit = {
		.nr_pages = nr_pages, .last = handle->pool->backing.nr_pages - 1,
	};

	respool_fail(handle, &fit, gfp, caller);
}

/*
 * Where the magazine as it is cannot serve: a batch for it, else one block
 * from the core, else what the CPUs keep for themselves is called in, an order
 * at a time: first those that have blocks large enough, then those whose
 * blocks may merge.
 */
unsigned long respool_try_alloc(struct respool *handle, unsigned long nr_pages, gfp_t gfp)
{
	struct respool_magazines *magazines = &handle->pool->magazines;
	unsigned int order = respool_order_of(nr_pages), i;
	bool waiters = atomic_read(&handle->pool->waiters);
	unsigned long page = RESPOOL_NO_PAGE;

	/* While a task waits for pages, nobody stores them up. */
	if (is_power_of_2(nr_pages) && !waiters)
		page = respool_magazine_refill(magazines, order, handle->tag);
	if (page == RESPOOL_NO_PAGE)
		page = alloc_core(handle, nr_pages, gfp);
	order = min_t(unsigned int, order, RESPOOL_MAGAZINES);
	for (i = 0; page == RESPOOL_NO_PAGE && i < RESPOOL_MAGAZINES; i++) {
		respool_magazines_drain_order(magazines, (order + i) % RESPOOL_MAGAZINES, waiters);
		page = alloc_core(handle, nr_pages, gfp);
	}
	return page;
}

/* Zero a block but for those of its pages that are known to be zero. */
static void zero_block(struct respool_pool *pool, unsigned long page, unsigned long nr_pages)
{
	void *addr = respool_page_addr(pool, page);
	unsigned long i;

	if (pool->spec.memory == RESPOOL_NO_MEMORY)
		return;
	if (!atomic_long_read(&pool->clear_pages)) {
		memset(addr, 0, nr_pages << PAGE_SHIFT);
		return;
	}
	for (i = 0; i < nr_pages; i++)
		if (!test_bit(page + i, pool->clear))
			memset(addr + (i << PAGE_SHIFT), 0, PAGE_SIZE);
}

/* Somebody may write to these pages from now on: none is known to be zero. */
void respool_forget_clear(struct respool_pool *pool, unsigned long page, unsigned long nr_pages)
{
	unsigned long end = page + nr_pages, word, mask;

	if (!atomic_long_read(&pool->clear_pages))
		return;
	for (; page < end; page = (word + 1) * BITS_PER_LONG) {
		word = page / BITS_PER_LONG;
		mask = BITMAP_FIRST_WORD_MASK(page);
		if (end < (word + 1) * BITS_PER_LONG)
			mask &= BITMAP_LAST_WORD_MASK(end);
		mask &= atomic_long_fetch_andnot(mask, (atomic_long_t *)&pool->clear[word]);
		if (mask)
			atomic_long_sub(hweight_long(mask), &pool->clear_pages);
	}
}

/* What takes time in proportion to the block, outside all locks. */
noinline void *respool_prepare(struct respool_pool *pool, unsigned long page,
			       unsigned long nr_pages, gfp_t gfp)
{
	if (gfp & __GFP_ZERO)
		zero_block(pool, page, nr_pages);
	respool_forget_clear(pool, page, nr_pages);
	return respool_page_addr(pool, page);
}

static __always_inline void *finish_alloc(struct respool_pool *pool, unsigned long page,
					  unsigned long nr_pages, gfp_t gfp)
{
	if (unlikely(gfp & __GFP_ZERO || atomic_long_read(&pool->clear_pages)))
		return respool_prepare(pool, page, nr_pages, gfp);
	return respool_page_addr(pool, page);
}

static noinline void trace_alloc(struct respool *handle, unsigned long page,
				 unsigned long nr_pages, unsigned long caller)
{
	trace_respool_page_alloc(handle->pool->spec.name, handle->owner, page, nr_pages, caller);
}

static __always_inline void *hand_out(struct respool *handle, unsigned long page,
				      unsigned long nr_pages, gfp_t gfp, unsigned long caller)
{
	if (trace_respool_page_alloc_enabled())
		trace_alloc(handle, page, nr_pages, caller);
	return finish_alloc(handle->pool, page, nr_pages, gfp);
}

/* What is left to be done with a block that @handle was given. */
void *respool_hand_out(struct respool *handle, unsigned long page, unsigned long nr_pages,
		       gfp_t gfp, unsigned long caller)
{
	respool_origin_note(handle->pool, page, caller);
	return hand_out(handle, page, nr_pages, gfp, caller);
}

static noinline void *alloc_slow(struct respool *handle, unsigned int order,
				 unsigned long nr_pages, gfp_t gfp, unsigned long caller)
{
	unsigned long page = RESPOOL_NO_PAGE;

	if (!refuse_request(handle->pool, order, nr_pages, caller))
		page = respool_try_alloc(handle, nr_pages, gfp);
	if (page != RESPOOL_NO_PAGE)
		return hand_out(handle, page, nr_pages, gfp, caller);
	respool_fail_anywhere(handle, nr_pages, gfp, caller);
	return NULL;
}

/*
 * Of an exported function, or of its copy that is watched. @caller is who called, 0 for
 * whoever called this function: read where it is needed, or the common path pays for it.
 */
static __always_inline void *alloc_pages_of(struct respool *handle, unsigned int order, gfp_t gfp,
					    unsigned long caller)
{
	struct respool_pool *pool = handle->pool;
	unsigned long page;

	/* Not 2^@order: to say so here costs the common path ten instructions. */
	if (respool_is_to_fail(1)) {
		respool_fail_anywhere(handle, 1UL << min(order, RESPOOL_NR_ORDERS - 1U), gfp,
				      caller ?: _RET_IP_);
		return NULL;
	}
	/* What is traced goes the slow way. */
	if (!trace_respool_page_alloc_enabled()) {
		page = respool_magazine_pop(&pool->magazines, order, handle->tag);
		if (likely(page != RESPOOL_NO_PAGE))
			return finish_alloc(pool, page, 1UL << order, gfp);
	}
	return alloc_slow(handle, order, order < RESPOOL_NR_ORDERS ? 1UL << order : ULONG_MAX, gfp,
			  caller ?: _RET_IP_);
}

/* An allocation that began at @since has ended, well or not. */
static void finish_watched(struct respool_pool *pool, const void *addr, unsigned int order,
			   u64 since, unsigned long caller)
{
	respool_latency_note(pool->magazines.latency, RESPOOL_LATENCY_ALLOC, order, since);
	if (addr)
		respool_origin_note(pool, respool_page_at(pool, addr), caller);
}

static noinline void *alloc_pages_watched(struct respool *handle, unsigned int order, gfp_t gfp,
					  unsigned long caller)
{
	u64 since = local_clock();
	void *addr = alloc_pages_of(handle, order, gfp, caller);

	finish_watched(handle->pool, addr, order, since, caller);
	return addr;
}

/**
 * respool_alloc_pages() - Allocate 2^@order contiguous pages.
 * @pool: handle, whose account the block goes on
 * @order: log2 of the number of pages, 0..respool_max_order(@pool)
 * @gfp: __GFP_ZERO clears the block, which takes time in proportion to its
 *	size, outside any lock; __GFP_HIGH (GFP_ATOMIC has it) may take what
 *	respool_set_watermark() keeps back; other flags have no meaning here
 *
 * The block is physically contiguous and aligned to its own size in physical
 * addresses. Without __GFP_ZERO its contents are undefined. Free it with
 * respool_free_pages() or respool_free_block(), through any handle.
 *
 * Fails only if no naturally aligned block of that size is free. The algorithm
 * is the binary buddy system: Knowlton 1965; Knuth, TAOCP vol. 1, 2.5.
 *
 * Whatever the pool's size and history, at most 128 + levels * (56 + 8 * height)
 * basic blocks of the core run, levels being those of the tree of free units and
 * height that of the summaries: 256 in 64 MiB, 480 in 1 TiB. selftests/host
 * holds each call to that. Before a request fails, each possible CPU's
 * magazines are drained, up to a few hundred blocks each.
 *
 * Context: Any context except NMI. Takes the pool's lock with interrupts off.
 * Never sleeps.
 * Return: address of the block, or %NULL.
 */
void *respool_alloc_pages(struct respool *pool, unsigned int order, gfp_t gfp)
{
	if (respool_watched())
		return alloc_pages_watched(pool, order, gfp, _RET_IP_);
	return alloc_pages_of(pool, order, gfp, 0);
}
EXPORT_SYMBOL_GPL(respool_alloc_pages);

static __always_inline void *alloc_exact_of(struct respool *handle, unsigned long nr_pages,
					    gfp_t gfp, unsigned long caller)
{
	unsigned int order = respool_order_of(nr_pages);
	unsigned long page = RESPOOL_NO_PAGE;

	if (respool_is_to_fail(nr_pages)) {
		respool_fail_anywhere(handle, nr_pages, gfp, caller ?: _RET_IP_);
		return NULL;
	}
	if (!trace_respool_page_alloc_enabled() && is_power_of_2(nr_pages))
		page = respool_magazine_pop(&handle->pool->magazines, order, handle->tag);
	if (page != RESPOOL_NO_PAGE)
		return finish_alloc(handle->pool, page, nr_pages, gfp);
	return alloc_slow(handle, order, nr_pages, gfp, caller ?: _RET_IP_);
}

static noinline void *alloc_exact_watched(struct respool *handle, unsigned long nr_pages, gfp_t gfp,
					  unsigned long caller)
{
	u64 since = local_clock();
	void *addr = alloc_exact_of(handle, nr_pages, gfp, caller);

	finish_watched(handle->pool, addr, respool_order_of(nr_pages), since, caller);
	return addr;
}

/**
 * respool_alloc_exact() - Allocate a number of contiguous pages.
 * @pool: handle, whose account the block goes on
 * @nr_pages: number of pages, not necessarily a power of two
 * @gfp: as in respool_alloc_pages()
 *
 * A block of the next power of two is taken and what exceeds @nr_pages given
 * back at once. Aligned to that power of two. Free it with
 * respool_free_block(), or, if @nr_pages is a power of two, also with
 * respool_free_pages().
 *
 * Context: Any context except NMI. Takes the pool's lock with interrupts off.
 * Never sleeps.
 * Return: address of the block, or %NULL.
 */
void *respool_alloc_exact(struct respool *pool, unsigned long nr_pages, gfp_t gfp)
{
	if (respool_watched())
		return alloc_exact_watched(pool, nr_pages, gfp, _RET_IP_);
	return alloc_exact_of(pool, nr_pages, gfp, 0);
}
EXPORT_SYMBOL_GPL(respool_alloc_exact);

/* Free */

static __always_inline int do_free_core(struct respool_pool *pool, unsigned long page,
					unsigned int order, const bool watched)
{
	struct respool_block block;
	unsigned long flags;
	int error = -EUCLEAN, whole = -1;
	u64 since = 0;

	raw_spin_lock_irqsave(&pool->lock, flags);
	if (watched)
		since = respool_shape_note(&pool->magazines);
	if (!*pool->broken)
		error = respool_buddy_free(&pool->buddy, page, order, &block);
	if (!error) {
		pool->tally[block.tag].frees++;
		pool->tally[block.tag].pages -= block.nr_pages;
		pool->frees++;
	}
	if (watched && !error)
		whole = respool_shape_merged(&pool->magazines, block.order, since);
	raw_spin_unlock_irqrestore(&pool->lock, flags);
	if (watched && !error)
		respool_shape_trace_merged(&pool->magazines, page, block.order, whole);
	return error;
}

static noinline int free_core_watched(struct respool_pool *pool, unsigned long page,
				      unsigned int order)
{
	return do_free_core(pool, page, order, true);
}

static int free_core(struct respool_pool *pool, unsigned long page, unsigned int order)
{
	if (trace_respool_page_merge_enabled() || respool_latency_on())
		return free_core_watched(pool, page, order);
	return do_free_core(pool, page, order, false);
}

/* Trace a free that will be accepted: before it, as then the block may be anybody's. */
static void trace_free(struct respool_pool *pool, unsigned long page, unsigned int order,
		       unsigned long caller)
{
	char owner[RESPOOL_OWNER_LEN] = "";
	struct respool_block block;
	unsigned long flags;

	raw_spin_lock_irqsave(&pool->lock, flags);
	respool_buddy_find(&pool->buddy, page, &block);
	if (block.kind == RESPOOL_PAGE_ALLOCATED && block.page == page && !*pool->broken &&
	    (order == RESPOOL_ANY_ORDER ||
	     (order == block.order && respool_state_is_whole(pool->buddy.state[page]))))
		respool_owner_name(pool, block.tag, owner);
	raw_spin_unlock_irqrestore(&pool->lock, flags);
	if (*owner)
		trace_respool_page_free(pool->spec.name, owner, page, block.nr_pages, caller);
}

/* Where the magazine as it is could not take the block, and for every mistake. */
static noinline int free_slow(struct respool_pool *pool, void *addr, unsigned int order,
			      unsigned long caller)
{
	unsigned long page = respool_page_at(pool, addr);
	int error;

	if (!addr)
		return 0;
	if (page == RESPOOL_NO_PAGE) {
		error = -EFAULT;
	} else if (!PAGE_ALIGNED(addr)) {
		error = -EINVAL;
	} else {
		error = 0;
		if (trace_respool_page_free_enabled())
			trace_free(pool, page, order, caller);
		if (!respool_magazine_spill(&pool->magazines, page, order))
			error = free_core(pool, page, order);
	}
	if (likely(!error)) {
		respool_wake(pool);
		return 0;
	}

	if (order == RESPOOL_ANY_ORDER)
		respool_refuse(&pool->refusals, respool_refusal_of(error), "pool", pool->spec.name,
			       "free of page %ld from %pS", (long)page, (void *)caller);
	else
		respool_refuse(&pool->refusals, respool_refusal_of(error), "pool", pool->spec.name,
			       "free of page %ld as order %u from %pS", (long)page, order,
			       (void *)caller);
	return error;
}

static __always_inline int free_block_of(struct respool_pool *pool, void *addr,
					 unsigned int order, bool any, unsigned long caller)
{
	unsigned long page = ror64(addr - pool->backing.vaddr, PAGE_SHIFT);

	/* One comparison for all: in front of the pool or inside a page, it is huge. */
	if (!trace_respool_page_free_enabled() && likely(page < pool->backing.nr_pages) &&
	    likely(respool_magazine_push(&pool->magazines, page, order, any))) {
		respool_wake(pool);
		return 0;
	}
	/* An order beyond all is wrong, never any. */
	order = any ? RESPOOL_ANY_ORDER : min_t(unsigned int, order, RESPOOL_NR_ORDERS);
	return free_slow(pool, addr, order, caller ?: _RET_IP_);
}

/* Order of the block that starts at @addr, or of the first part of it; 0 if none does. */
static unsigned int order_at(struct respool_pool *pool, const void *addr)
{
	unsigned long page = respool_page_at(pool, addr);

	return page == RESPOOL_NO_PAGE ? 0 :
	       respool_state_order(READ_ONCE(pool->buddy.state[page]));
}

static noinline int free_block_watched(struct respool_pool *pool, void *addr, unsigned int order,
				       bool any, unsigned long caller)
{
	unsigned int of = any ? order_at(pool, addr) : order;
	u64 since = local_clock();
	int error = free_block_of(pool, addr, order, any, caller);

	respool_latency_note(pool->magazines.latency, RESPOOL_LATENCY_FREE, of, since);
	return error;
}

static __always_inline int free_block(struct respool_pool *pool, void *addr, unsigned int order,
				      bool any)
{
	if (respool_watched())
		return free_block_watched(pool, addr, order, any, _RET_IP_);
	return free_block_of(pool, addr, order, any, 0);
}

/**
 * respool_free_pages() - Free a block whose order the caller knows.
 * @pool: any handle on the pool the block is from
 * @addr: address of the block, or %NULL
 * @order: the order it was allocated with
 *
 * The block merges with its free buddy, and theirs, at once. A mistake is
 * refused, counted, logged once, and changes nothing.
 *
 * Context: Any context except NMI. Takes the pool's lock with interrupts off.
 * Never sleeps.
 * Return: 0; -EALREADY if the block is free, -EINVAL if @addr is inside a
 * block, -ERANGE if the block is of another order, -EFAULT if @addr is not in
 * the pool, -EUCLEAN if the pool is out of service.
 */
int respool_free_pages(struct respool *pool, void *addr, unsigned int order)
{
	return free_block(pool->pool, addr, order, false);
}
EXPORT_SYMBOL_GPL(respool_free_pages);

/**
 * respool_free_block() - Free a block by its address alone.
 * @pool: any handle on the pool the block is from
 * @addr: address of the block, or %NULL
 *
 * As respool_free_pages(), for blocks of any number of pages: the pool knows.
 *
 * Context: Any context except NMI. Takes the pool's lock with interrupts off.
 * Never sleeps.
 * Return: as respool_free_pages(), except -ERANGE.
 */
int respool_free_block(struct respool *pool, void *addr)
{
	return free_block(pool->pool, addr, 0, true);
}
EXPORT_SYMBOL_GPL(respool_free_block);

/**
 * respool_drain() - Call in what the CPUs keep in their magazines.
 * @pool: handle
 *
 * Free blocks merge as far as they can. Nothing depends on this being called:
 * an allocation that would fail does it itself. Sends no interrupts.
 *
 * Context: Any context except NMI; with interrupts or softirqs off, a CPU that
 * does not leave its magazines within some microseconds is passed over. Takes
 * the pool's lock many times.
 */
void respool_drain(struct respool *pool)
{
	respool_magazines_drain(&pool->pool->magazines);
}
EXPORT_SYMBOL_GPL(respool_drain);

/* Life of a pool */

static void wake_waiters(struct irq_work *work)
{
	wake_up_all(&container_of(work, struct respool_pool, wake)->wait);
}

/* Dense and often looked at: the larger the pages behind it, the better. */
static void *alloc_metadata(size_t bytes)
{
	if (bytes < PMD_SIZE)
		return kvmalloc(bytes, GFP_KERNEL | __GFP_NOWARN);
	return vmalloc_huge(bytes, GFP_KERNEL | __GFP_NOWARN);
}

struct respool_pool *respool_pool_create(const struct respool_spec *spec)
{
	struct respool_pool *pool;
	unsigned long pfn;
	int error;

	pool = kvzalloc(sizeof(*pool), GFP_KERNEL);
	if (!pool)
		return ERR_PTR(-ENOMEM);
	pool->spec = *spec;
	raw_spin_lock_init(&pool->lock);
	respool_failures_init(&pool->failed);
	init_waitqueue_head(&pool->wait);
	init_irq_work(&pool->wake, wake_waiters);
	error = respool_backing_take(&pool->backing, &pool->spec);
	if (error)
		goto err_destroy;
	error = -ENOMEM;
	pfn = PHYS_PFN(pool->backing.base);
	pool->metadata = alloc_metadata(respool_buddy_footprint(spec->nr_pages, pfn));
	if (!pool->metadata) {
		pr_err("pool %s: no memory to keep account of %lu pages\n", spec->name,
		       spec->nr_pages);
		goto err_destroy;
	}
	error = respool_buddy_init(&pool->buddy, pool->metadata, spec->nr_pages, pfn);
	if (error)
		goto err_destroy;
	error = -ENOMEM;
	pool->clear = kvcalloc(BITS_TO_LONGS(spec->nr_pages), sizeof(long), GFP_KERNEL);
	if (!pool->clear)
		goto err_destroy;
	pool->magazines.name = pool->spec.name;
	error = respool_origins_init(pool);
	if (error)
		goto err_destroy;
	error = respool_latency_init(pool);
	if (error)
		goto err_destroy;
	error = respool_magazines_init(&pool->magazines, &pool->buddy, &pool->lock,
				       !spec->no_magazines);
	if (error)
		goto err_destroy;
	return pool;

err_destroy:
	respool_pool_destroy(pool);
	return ERR_PTR(error);
}

/* Accepts a half-made pool. No handle exists: each holds a module reference. */
void respool_pool_destroy(struct respool_pool *pool)
{
	irq_work_sync(&pool->wake);
	respool_magazines_destroy(&pool->magazines);
	free_percpu(pool->magazines.latency);
	vfree(pool->origins);
	kvfree(pool->clear);
	kvfree(pool->metadata);
	respool_backing_release(&pool->backing);
	kvfree(pool);
}
