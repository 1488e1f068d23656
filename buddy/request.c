// SPDX-License-Identifier: GPL-2.0
/*
 * The page layer's less common calls: conditions on the place, several blocks
 * at once, waiting, known-zero pages, a watermark, pages out of service.
 *
 * They go past the magazines to the core, except where they come down to the
 * common calls.
 */
#include <linux/err.h>
#include <linux/export.h>
#include <linux/kernel.h>
#include <linux/mm.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <linux/sizes.h>
#include <linux/wait.h>

#include <trace/events/respool.h>

#include "buddy/fault.h"
#include "buddy/pool.h"
#include "buddy/shape.h"

/* Conditions */

/* Index of the first page at or above @phys; beyond the pool if there is none. */
static unsigned long first_page(const struct respool_backing *backing, phys_addr_t phys)
{
	return phys <= backing->base ? 0 : PHYS_PFN(phys - backing->base - 1) + 1;
}

/* Index one past the last page that ends at or below @phys. */
static unsigned long end_page(const struct respool_backing *backing, phys_addr_t phys)
{
	if (phys < backing->base)
		return 0;
	if (phys - backing->base >= (phys_addr_t)backing->nr_pages << PAGE_SHIFT)
		return backing->nr_pages;
	return PFN_DOWN(phys - backing->base + 1);
}

/*
 * What @request means to the core: 0, -EINVAL for a request that makes no
 * sense, -ERANGE for one this pool could never serve.
 */
static int fit_of(const struct respool_pool *pool, const struct respool_request *request,
		  struct respool_fit *fit)
{
	unsigned long end = pool->backing.nr_pages;

	if ((request->align && !is_power_of_2(request->align)) ||
	    request->flags & ~(RESPOOL_TOP_DOWN | RESPOOL_SCAN | RESPOOL_MAY_SLEEP) ||
	    (request->last && request->last < request->first))
		return -EINVAL;
	if (request->last)
		end = end_page(&pool->backing, request->last);
	fit->nr_pages = request->nr_pages;
	fit->align_order = request->align > PAGE_SIZE ? ilog2(request->align) - PAGE_SHIFT : 0;
	fit->first = first_page(&pool->backing, request->first);
	fit->last = end - 1;
	fit->top_down = request->flags & RESPOOL_TOP_DOWN;
	fit->scan = request->flags & RESPOOL_SCAN;
	return fit->first < end ? 0 : -ERANGE;
}

static unsigned long alloc_fit(struct respool *handle, const struct respool_fit *fit, gfp_t gfp)
{
	struct respool_pool *pool = handle->pool;
	bool watched = trace_respool_page_split_enabled() || respool_latency_on();
	unsigned int order = respool_order_of(fit->nr_pages);
	unsigned long flags, page = RESPOOL_NO_PAGE;
	int whole = -1;
	u64 since = 0;

	raw_spin_lock_irqsave(&pool->lock, flags);
	if (watched)
		since = respool_shape_note(&pool->magazines);
	if (respool_may_take(pool, fit->nr_pages, gfp))
		page = respool_buddy_alloc_fit(&pool->buddy, fit, handle->tag);
	if (page != RESPOOL_NO_PAGE)
		respool_charge(handle, fit->nr_pages);
	if (watched)
		whole = respool_shape_cut(&pool->magazines, order, since);
	raw_spin_unlock_irqrestore(&pool->lock, flags);
	respool_shape_trace_cut(&pool->magazines, page, order, whole);
	return page;
}

static enum respool_refusal refusal_of(const struct respool_request *request)
{
	if (!request->nr_pages)
		return RESPOOL_ZERO_SIZE;
	if (request->align && !is_power_of_2(request->align))
		return RESPOOL_BAD_ALIGN;
	return RESPOOL_TOO_LARGE;
}

/* As respool_prepare(), but of a task that is to die the block is freed again. */
static void *prepare_in_steps(struct respool *handle, unsigned long page, unsigned long nr_pages,
			      gfp_t gfp)
{
	struct respool_pool *pool = handle->pool;
	unsigned long done, step;

	might_sleep();
	for (done = 0; done < nr_pages; done += step) {
		if (fatal_signal_pending(current)) {
			respool_free_block(handle, respool_page_addr(pool, page));
			return NULL;
		}
		step = min_t(unsigned long, nr_pages - done, SZ_2M >> PAGE_SHIFT);
		respool_prepare(pool, page + done, step, gfp);
		cond_resched();
	}
	return respool_page_addr(pool, page);
}

static void *alloc_request(struct respool *pool, const struct respool_request *request,
			   gfp_t gfp, unsigned long caller)
{
	struct respool_pool *shared = pool->pool;
	unsigned long page = RESPOOL_NO_PAGE;
	struct respool_fit fit = { .nr_pages = request->nr_pages };
	int error = fit_of(shared, request, &fit);

	if (!error && (!fit.nr_pages || fit.nr_pages > fit.last - fit.first + 1))
		error = -ERANGE;
	if (error) {
		respool_refuse(&shared->refusals, refusal_of(request), "pool",
			       shared->spec.name,
			       "request of %lu pages aligned to %zu in %pa-%pa from %pS",
			       request->nr_pages, request->align, &request->first, &request->last,
			       (void *)caller);
		/* Nowhere. */
		fit.first = 1;
		fit.last = 0;
	} else if (!respool_is_to_fail(fit.nr_pages)) {
		page = alloc_fit(pool, &fit, gfp);
		if (page == RESPOOL_NO_PAGE) {
			respool_magazines_drain(&shared->magazines);
			page = alloc_fit(pool, &fit, gfp);
		}
	}
	if (page != RESPOOL_NO_PAGE && request->flags & RESPOOL_MAY_SLEEP)
		return prepare_in_steps(pool, page, request->nr_pages, gfp);
	if (page != RESPOOL_NO_PAGE)
		return respool_hand_out(pool, page, request->nr_pages, gfp, caller);
	respool_fail(pool, &fit, gfp, caller);
	return NULL;
}

static noinline void *alloc_request_watched(struct respool *pool,
					    const struct respool_request *request, gfp_t gfp,
					    unsigned long caller)
{
	u64 since = local_clock();
	void *addr = alloc_request(pool, request, gfp, caller);

	respool_latency_note(pool->pool->magazines.latency, RESPOOL_LATENCY_REQUEST,
			     respool_order_of(request->nr_pages), since);
	return addr;
}

/**
 * respool_alloc_request() - Allocate contiguous pages under conditions.
 * @pool: handle, whose account the block goes on
 * @request: how many, where, how aligned; see &struct respool_request
 * @gfp: as in respool_alloc_pages()
 *
 * Never uses a page outside the range. What CPUs keep in magazines is not
 * looked at unless the request would fail: the highest or lowest place is that
 * of what else is free; after respool_drain(), of all.
 *
 * The block is aligned to the next power of two of its size and the work
 * bounded by the square of the number of orders, except that a range as long
 * as the request is looked at page by page, and that with RESPOOL_SCAN, where
 * no aligned block is free, the blocks in the range are walked, up from the
 * lowest page or with RESPOOL_TOP_DOWN down from the highest, to the first row
 * of free pages that is long enough. Free it with respool_free_block().
 *
 * With RESPOOL_MAY_SLEEP, others get to run every 2 MiB that are cleared, and
 * there is no block for a task with a fatal signal.
 *
 * Context: Any context except NMI. Takes the pool's lock with interrupts off.
 * Never sleeps; with RESPOOL_MAY_SLEEP, process context, and does.
 * Return: address of the block, or %NULL.
 */
void *respool_alloc_request(struct respool *pool, const struct respool_request *request,
			    gfp_t gfp)
{
	if (respool_latency_on())
		return alloc_request_watched(pool, request, gfp, _RET_IP_);
	return alloc_request(pool, request, gfp, _RET_IP_);
}
EXPORT_SYMBOL_GPL(respool_alloc_request);

/**
 * respool_largest() - The largest request that would succeed now, but for a watermark.
 * @pool: handle
 * @request: conditions; its nr_pages is not looked at
 *
 * Calls in the magazines first. The answer holds until the next allocation,
 * and does not count that a range as long as the request needs no aligned
 * block.
 *
 * Context: Any context except NMI. Takes the pool's lock with interrupts off;
 * with RESPOOL_SCAN for a time in proportion to the blocks in the range.
 * Return: a number of pages: a power of two, or with RESPOOL_SCAN any; 0 if
 * nothing fits.
 */
unsigned long respool_largest(struct respool *pool, const struct respool_request *request)
{
	struct respool_pool *shared = pool->pool;
	unsigned long flags, nr_pages = 0;
	struct respool_fit fit;

	if (fit_of(shared, request, &fit))
		return 0;
	respool_magazines_drain(&shared->magazines);
	raw_spin_lock_irqsave(&shared->lock, flags);
	if (!*shared->broken)
		nr_pages = respool_buddy_largest_fit(&shared->buddy, &fit);
	raw_spin_unlock_irqrestore(&shared->lock, flags);
	return nr_pages;
}
EXPORT_SYMBOL_GPL(respool_largest);

/* Resize */

/* Whether the block may have @nr_pages: it must not gain more than @gfp allows. */
static bool may_resize(const struct respool_pool *pool, unsigned long page,
		       unsigned long nr_pages, gfp_t gfp)
{
	struct respool_block block;

	/* Mostly there is as much again, and what it has need not be known. */
	if (respool_may_take(pool, nr_pages, gfp))
		return true;
	respool_buddy_find(&pool->buddy, page, &block);
	return block.kind != RESPOOL_PAGE_ALLOCATED || nr_pages <= block.nr_pages ||
	       respool_may_take(pool, nr_pages - block.nr_pages, gfp);
}

static int resize_core(struct respool_pool *pool, unsigned long page, unsigned long nr_pages,
		       gfp_t gfp, struct respool_block *was)
{
	bool watched = respool_latency_on();
	unsigned long flags;
	int error = -ENOSPC;
	u64 since = 0;

	raw_spin_lock_irqsave(&pool->lock, flags);
	if (watched)
		since = local_clock();
	if (*pool->broken)
		error = -EUCLEAN;
	else if (may_resize(pool, page, nr_pages, gfp))
		error = respool_buddy_resize(&pool->buddy, page, nr_pages, was);
	if (!error)
		pool->tally[was->tag].pages += nr_pages - was->nr_pages;
	if (watched)
		respool_latency_note(pool->magazines.latency, RESPOOL_LATENCY_HOLD,
				     respool_order_of(nr_pages), since);
	raw_spin_unlock_irqrestore(&pool->lock, flags);
	return error;
}

/**
 * respool_resize_block() - Make a block of pages longer or shorter at its end.
 * @pool: any handle on the pool the block is from
 * @addr: address of the block, which stays as it is
 * @nr_pages: pages it shall have, at least 1
 * @gfp: as in respool_alloc_pages(), for the pages it gains
 *
 * Longer only if the pages behind it are free. Those in a CPU's magazine are
 * not, until respool_drain(). The block stays on the account it is on, and is
 * freed with respool_free_block(). The work is bounded by the square of the
 * number of orders.
 *
 * Context: Any context except NMI. Takes the pool's lock with interrupts off.
 * Never sleeps.
 * Return: 0; -ENOSPC if there is no room behind the block, which nobody counts
 * as a failure; -EINVAL for no pages; or as respool_free_block().
 */
int respool_resize_block(struct respool *pool, void *addr, unsigned long nr_pages, gfp_t gfp)
{
	struct respool_pool *shared = pool->pool;
	unsigned long page = respool_page_at(shared, addr);
	struct respool_block was = {};
	int error;

	if (page == RESPOOL_NO_PAGE)
		error = -EFAULT;
	else if (!PAGE_ALIGNED(addr))
		error = -EINVAL;
	else
		error = resize_core(shared, page, nr_pages, gfp, &was);
	if (!error)
		trace_respool_page_resize(shared->spec.name, page, was.nr_pages, nr_pages,
					  _RET_IP_);
	if (!error && nr_pages > was.nr_pages)
		respool_prepare(shared, page + was.nr_pages, nr_pages - was.nr_pages, gfp);
	else if (!error)
		respool_wake(shared);
	else if (error != -ENOSPC)
		respool_refuse(&shared->refusals, nr_pages ? respool_refusal_of(error) :
			       RESPOOL_ZERO_SIZE, "pool", shared->spec.name,
			       "resize of page %ld to %lu pages from %pS", (long)page, nr_pages,
			       (void *)_RET_IP_);
	return error;
}
EXPORT_SYMBOL_GPL(respool_resize_block);

/* Waiting */

/**
 * respool_alloc_wait() - Allocate contiguous pages, if need be when some come back.
 * @pool: handle, whose account the block goes on
 * @nr_pages: number of pages
 * @gfp: as in respool_alloc_pages()
 * @timeout: jiffies to wait at most
 *
 * As respool_alloc_exact(); each free wakes those who wait, and whoever is
 * first wins. A fatal signal ends the wait.
 *
 * Context: Process context, may sleep.
 * Return: address of the block, or %NULL.
 */
void *respool_alloc_wait(struct respool *pool, unsigned long nr_pages, gfp_t gfp, long timeout)
{
	struct respool_pool *shared = pool->pool;
	unsigned long page;

	might_sleep();
	if (!nr_pages || respool_order_of(nr_pages) > shared->buddy.max_order)
		return respool_alloc_exact(pool, nr_pages, gfp);	/* which says why not */

	/* From here on a free either is seen by the next try or sees us: respool_wake(). */
	atomic_inc(&shared->waiters);
	page = respool_try_alloc(pool, nr_pages, gfp);
	if (page == RESPOOL_NO_PAGE)
		wait_event_killable_timeout(shared->wait,
					    (page = respool_try_alloc(pool, nr_pages, gfp)) !=
					    RESPOOL_NO_PAGE, max(timeout, 0L));
	atomic_dec(&shared->waiters);
	if (page != RESPOOL_NO_PAGE)
		return respool_hand_out(pool, page, nr_pages, gfp, _RET_IP_);
	respool_fail_anywhere(pool, nr_pages, gfp, _RET_IP_);
	return NULL;
}
EXPORT_SYMBOL_GPL(respool_alloc_wait);

/**
 * respool_watch() - Have pages that come back wake a wait queue.
 * @pool: any handle on the pool
 *
 * For those who wait under conditions of their own, or have others wait in
 * poll(). Whoever looks for pages afterwards, with a call that allocates or
 * with respool_largest(), and finds none, is woken when some come back, by
 * whomever they are freed. As each free is somewhat slower meanwhile, watch no
 * longer than somebody waits: respool_unwatch().
 *
 * Context: Any context except NMI.
 * Return: the queue; it is there as long as the pool.
 */
struct wait_queue_head *respool_watch(struct respool *pool)
{
	atomic_inc(&pool->pool->waiters);
	return &pool->pool->wait;
}
EXPORT_SYMBOL_GPL(respool_watch);

/**
 * respool_unwatch() - End what respool_watch() began.
 * @pool: any handle on the pool
 *
 * Context: Any context except NMI.
 */
void respool_unwatch(struct respool *pool)
{
	atomic_dec(&pool->pool->waiters);
}
EXPORT_SYMBOL_GPL(respool_unwatch);

/* Several blocks */

/* The largest block now free that is no larger than @nr_pages. */
static void *do_alloc_some(struct respool *pool, unsigned long *nr_pages, gfp_t gfp,
			   unsigned long caller)
{
	int order = min_t(int, ilog2(*nr_pages), respool_max_order(pool));
	unsigned long page;

	if (respool_is_to_fail(*nr_pages))
		return NULL;
	for (; order >= 0; order--) {
		page = respool_try_alloc(pool, 1UL << order, gfp);
		if (page != RESPOOL_NO_PAGE) {
			*nr_pages = 1UL << order;
			return respool_hand_out(pool, page, *nr_pages, gfp, caller);
		}
	}
	return NULL;
}

static noinline void *alloc_some_watched(struct respool *pool, unsigned long *nr_pages, gfp_t gfp,
					 unsigned long caller)
{
	u64 since = local_clock();
	void *addr = do_alloc_some(pool, nr_pages, gfp, caller);

	respool_latency_note(pool->pool->magazines.latency, RESPOOL_LATENCY_ALLOC,
			     respool_order_of(*nr_pages), since);
	return addr;
}

static void *alloc_some(struct respool *pool, unsigned long *nr_pages, gfp_t gfp,
			unsigned long caller)
{
	if (respool_latency_on())
		return alloc_some_watched(pool, nr_pages, gfp, caller);
	return do_alloc_some(pool, nr_pages, gfp, caller);
}

/**
 * respool_alloc_list() - Allocate pages that need not be contiguous.
 * @pool: handle, whose account the blocks go on
 * @nr_pages: pages in all
 * @extents: receives the blocks, largest first
 * @max: most blocks that will do
 * @gfp: as in respool_alloc_pages()
 *
 * Takes the largest blocks there are, each a power of two. All or nothing.
 * Free with respool_free_list(), or each by respool_free_block().
 *
 * Context: Any context except NMI. Never sleeps. Takes the pool's lock for
 * each block.
 * Return: number of blocks, -EINVAL for none wanted, -ENOSPC if @max blocks
 * are too few, -ENOMEM if there are not as many pages.
 */
int respool_alloc_list(struct respool *pool, unsigned long nr_pages,
		       struct respool_extent *extents, unsigned int max, gfp_t gfp)
{
	unsigned long left = nr_pages;
	unsigned int nr = 0;
	int error = -ENOSPC;

	if (!nr_pages || !max)
		return -EINVAL;
	if (nr_pages > respool_nr_pages(pool)) {
		respool_fail_anywhere(pool, nr_pages, gfp, _RET_IP_);
		return -ENOMEM;
	}
	while (nr < max) {
		extents[nr].nr_pages = left;
		extents[nr].addr = alloc_some(pool, &extents[nr].nr_pages, gfp, _RET_IP_);
		if (!extents[nr].addr) {
			error = -ENOMEM;
			break;
		}
		left -= extents[nr++].nr_pages;
		if (!left)
			return nr;
	}
	respool_free_list(pool, extents, nr);
	respool_fail_anywhere(pool, nr_pages, gfp, _RET_IP_);
	return error;
}
EXPORT_SYMBOL_GPL(respool_alloc_list);

/**
 * respool_free_list() - Free what respool_alloc_list() gave.
 * @pool: any handle on the pool
 * @extents: the blocks
 * @nr: how many
 *
 * Context: Any context except NMI. Never sleeps.
 */
void respool_free_list(struct respool *pool, const struct respool_extent *extents,
		       unsigned int nr)
{
	while (nr--)
		respool_free_block(pool, extents[nr].addr);
}
EXPORT_SYMBOL_GPL(respool_free_list);

/**
 * respool_alloc_bulk() - Allocate several blocks of one order.
 * @pool: handle, whose account the blocks go on
 * @order: log2 of the pages in each
 * @nr: how many blocks
 * @blocks: receives their addresses
 * @gfp: as in respool_alloc_pages()
 *
 * Context: Any context except NMI. Never sleeps.
 * Return: how many blocks there were to give, 0..@nr; they stay allocated.
 */
unsigned int respool_alloc_bulk(struct respool *pool, unsigned int order, unsigned int nr,
				void **blocks, gfp_t gfp)
{
	unsigned int got;

	for (got = 0; got < nr; got++) {
		blocks[got] = respool_alloc_pages(pool, order, gfp);
		if (!blocks[got])
			break;
	}
	return got;
}
EXPORT_SYMBOL_GPL(respool_alloc_bulk);

/**
 * respool_free_bulk() - Free several blocks.
 * @pool: any handle on the pool
 * @nr: how many
 * @blocks: their addresses; those freed become %NULL
 *
 * Context: Any context except NMI. Never sleeps.
 * Return: how many were refused; each is counted and reported as by
 * respool_free_block().
 */
unsigned int respool_free_bulk(struct respool *pool, unsigned int nr, void **blocks)
{
	unsigned int refused = 0, i;

	for (i = 0; i < nr; i++) {
		if (respool_free_block(pool, blocks[i]))
			refused++;
		else
			blocks[i] = NULL;
	}
	return refused;
}
EXPORT_SYMBOL_GPL(respool_free_bulk);

/* Pages known to be zero */

/**
 * respool_free_cleared() - Free a block every byte of which is zero.
 * @pool: any handle on the pool
 * @addr: address of the block
 *
 * The caller vouches for the zeros. Its pages are handed out by the next
 * __GFP_ZERO request that gets them without being cleared again. That they
 * are known to be zero never keeps them from merging with others.
 *
 * Context: Any context except NMI. Never sleeps. Time in proportion to the
 * block's size, in steps of a page.
 * Return: as respool_free_block().
 */
int respool_free_cleared(struct respool *pool, void *addr)
{
	struct respool_pool *shared = pool->pool;
	unsigned long page = respool_page_at(shared, addr), flags, i;
	struct respool_block block = {};

	if (page != RESPOOL_NO_PAGE && PAGE_ALIGNED(addr)) {
		raw_spin_lock_irqsave(&shared->lock, flags);
		respool_buddy_find(&shared->buddy, page, &block);
		raw_spin_unlock_irqrestore(&shared->lock, flags);
		if (block.kind == RESPOOL_PAGE_ALLOCATED && block.page == page)
			for (i = page; i < page + block.nr_pages; i++)
				if (!test_and_set_bit(i, shared->clear))
					atomic_long_inc(&shared->clear_pages);
	}
	return respool_free_block(pool, addr);
}
EXPORT_SYMBOL_GPL(respool_free_cleared);

/* A watermark, and pages out of service */

/**
 * respool_set_watermark() - Keep free pages for those who cannot wait.
 * @pool: any handle on the pool, for which this holds as a whole
 * @nr_pages: free pages that only requests with __GFP_HIGH may use
 *
 * Blocks that are freed into a CPU's magazine are not counted and may be used
 * by anybody.
 *
 * Context: Any context except NMI.
 * Return: 0, or -EINVAL for more pages than the pool has.
 */
int respool_set_watermark(struct respool *pool, unsigned long nr_pages)
{
	struct respool_pool *shared = pool->pool;
	unsigned long flags;

	if (nr_pages > shared->backing.nr_pages)
		return -EINVAL;
	/* What is in magazines has passed the old watermark, not this one. */
	respool_magazines_drain(&shared->magazines);
	raw_spin_lock_irqsave(&shared->lock, flags);
	shared->buddy.watermark = nr_pages;
	raw_spin_unlock_irqrestore(&shared->lock, flags);
	respool_wake(shared);
	return 0;
}
EXPORT_SYMBOL_GPL(respool_set_watermark);

static int take_out(struct respool_pool *pool, void *addr, unsigned long nr_pages, u8 state)
{
	unsigned long page = respool_page_at(pool, addr), flags;
	int error;

	if (page == RESPOOL_NO_PAGE || !PAGE_ALIGNED(addr))
		return -EFAULT;
	respool_magazines_drain(&pool->magazines);
	raw_spin_lock_irqsave(&pool->lock, flags);
	error = *pool->broken ? -EUCLEAN :
		respool_buddy_take_out(&pool->buddy, page, nr_pages, state);
	raw_spin_unlock_irqrestore(&pool->lock, flags);
	if (!error)
		respool_forget_clear(pool, page, nr_pages);
	return error;
}

/**
 * respool_reserve_range() - Set free pages apart.
 * @pool: any handle on the pool
 * @addr: address of the first
 * @nr_pages: how many
 *
 * They are on nobody's account, and no free accepts them.
 *
 * Context: Any context except NMI. Takes the pool's lock with interrupts off,
 * for a time in proportion to @nr_pages.
 * Return: 0, -EFAULT if they are not pages of the pool, -EBUSY if not all are
 * free, -EUCLEAN if the pool is out of service.
 */
int respool_reserve_range(struct respool *pool, void *addr, unsigned long nr_pages)
{
	return take_out(pool->pool, addr, nr_pages, RESPOOL_STATE_RESERVED);
}
EXPORT_SYMBOL_GPL(respool_reserve_range);

/**
 * respool_release_range() - Free pages that were set apart.
 * @pool: any handle on the pool
 * @addr: address of the first
 * @nr_pages: how many
 *
 * Context: Any context except NMI. Takes the pool's lock with interrupts off,
 * for a time in proportion to @nr_pages.
 * Return: 0, -EFAULT if they are not pages of the pool, -EINVAL if not all
 * are reserved, -EUCLEAN if the pool is out of service.
 */
int respool_release_range(struct respool *pool, void *addr, unsigned long nr_pages)
{
	struct respool_pool *shared = pool->pool;
	unsigned long page = respool_page_at(shared, addr), flags;
	int error;

	if (page == RESPOOL_NO_PAGE || !PAGE_ALIGNED(addr))
		return -EFAULT;
	raw_spin_lock_irqsave(&shared->lock, flags);
	error = *shared->broken ? -EUCLEAN :
		respool_buddy_put_back(&shared->buddy, page, nr_pages);
	raw_spin_unlock_irqrestore(&shared->lock, flags);
	if (!error)
		respool_wake(shared);
	return error;
}
EXPORT_SYMBOL_GPL(respool_release_range);

/**
 * respool_retire_page() - Take a page with bad memory out of service.
 * @pool: any handle on the pool
 * @addr: its address
 *
 * For good: until the module is unloaded nobody gets this page. If it is in
 * use, free it first and try again.
 *
 * Context: Any context except NMI. Takes the pool's lock with interrupts off.
 * Return: 0, -EFAULT if it is not a page of the pool, -EBUSY if it is not
 * free, -EUCLEAN if the pool is out of service.
 */
int respool_retire_page(struct respool *pool, void *addr)
{
	return take_out(pool->pool, addr, 1, RESPOOL_STATE_BAD);
}
EXPORT_SYMBOL_GPL(respool_retire_page);
