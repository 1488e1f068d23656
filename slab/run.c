// SPDX-License-Identifier: GPL-2.0
/*
 * Growth and return: a slab takes pages when its lists cannot serve a request.
 * One run, the top one, becomes longer by just those for as long as the pages
 * behind it are free; then another begins. Pages go back from the end of the
 * top run, and with runs that are empty, but for some kept warm.
 */
#include <linux/log2.h>
#include <linux/minmax.h>
#include <linux/pfn.h>
#include <linux/sizes.h>

#include <trace/events/respool.h>

#include "slab/run.h"

/*
 * The top run grows to a multiple of about this share of what the slab holds: hardly
 * any waste, fewer calls in a large slab, and mostly by one block of the page layer.
 */
#define GROWTH_SHARE	768

/* A run can go back only as a whole, so the top one ends at this length. */
#define RUN_MAX_PAGES	(SZ_2M >> PAGE_SHIFT)

/* Room behind a new run, in which it can grow: as much again as is held. */
#define ROOM_MIN_PAGES	8

/*
 * Free pages kept at the end of the top run, or as an empty run: at most twice so
 * many, or twice this part of what is held.
 */
#define WARM_PAGES	4
#define WARM_SHARE	16

/*
 * A request of this many bytes gets a run of its own, to go back as soon as it
 * is freed, if that wastes no more than a share of it.
 */
#define LARGE_BYTES	(16 * PAGE_SIZE)
#define LARGE_WASTE	64

void respool_runs_init(struct respool_runs *runs, struct respool *pool,
		       struct respool_freelist *freelist)
{
	runs->pool = pool;
	runs->freelist = freelist;
}

static unsigned long max_pages(const struct respool_runs *runs)
{
	return 1UL << respool_max_order(runs->pool);
}

/* Bytes of the largest request that any run of this pool is sure to serve. */
size_t respool_runs_most(const struct respool_runs *runs)
{
	size_t bytes = min_t(size_t, max_pages(runs) << PAGE_SHIFT, SZ_1G);

	return bytes - RESPOOL_RUN_OVERHEAD - RESPOOL_BLOCK_HEADER;
}

/* Pages of a run that is sure to serve a request, 0 if no run of this pool is. */
unsigned long respool_runs_pages(const struct respool_runs *runs, size_t size, size_t align)
{
	unsigned long pages = PFN_UP(respool_freelist_run_bytes(size, align));

	return pages > max_pages(runs) ? 0 : pages;
}

/* Pages for blocks: what is kept of them follows from that. */
static unsigned long held_pages(const struct respool_runs *runs)
{
	return runs->freelist->held_bytes >> PAGE_SHIFT;
}

static unsigned long pages_of(const struct respool_run *run)
{
	return run->bytes >> PAGE_SHIFT;
}

static unsigned long growth_pages(const struct respool_runs *runs)
{
	return 1UL << ilog2(clamp_t(unsigned long, held_pages(runs) / GROWTH_SHARE, 1,
				    RUN_MAX_PAGES));
}

static unsigned long warm_pages(const struct respool_runs *runs)
{
	return max_t(unsigned long, held_pages(runs) / WARM_SHARE, WARM_PAGES);
}

/* Return */

/* Whether all that is held might be kept warm. */
bool respool_runs_few(const struct respool_runs *runs)
{
	const struct respool_freelist *f = runs->freelist;

	return f->runs <= 1 && runs->object_runs == runs->retired_object_runs &&
	       held_pages(runs) - (f->retired_bytes >> PAGE_SHIFT) <= 2 * warm_pages(runs);
}

bool respool_runs_warm_is_empty(const struct respool_runs *runs)
{
	return runs->warm && respool_freelist_run_is_empty(runs->freelist, runs->warm);
}

static int return_run(struct respool_runs *runs, struct respool_run *run)
{
	unsigned long pages = pages_of(run);
	int error = respool_freelist_remove_run(runs->freelist, run);

	if (error)
		return error;
	if (runs->warm == run)
		runs->warm = NULL;
	runs->returned++;
	trace_respool_run_returned(runs->pool, run, pages);
	respool_free_block(runs->pool, run);
	return 0;
}

int respool_runs_return_warm(struct respool_runs *runs)
{
	return respool_runs_warm_is_empty(runs) ? return_run(runs, runs->warm) : 0;
}

/* Give back what is more than twice too much at the end of the top run. */
static int trim_top(struct respool_runs *runs)
{
	struct respool_run *top = runs->freelist->top;
	unsigned long tail, keep = warm_pages(runs);
	int error;

	if (!top)
		return 0;
	tail = respool_freelist_run_tail(runs->freelist, top) >> PAGE_SHIFT;
	if (tail <= 2 * keep)
		return 0;
	error = respool_freelist_trim_run(runs->freelist, top, (tail - keep) << PAGE_SHIFT);
	if (!error)
		respool_resize_block(runs->pool, top, pages_of(top), GFP_NOWAIT);
	return error;
}

/* @run has just lost its last live block. Of two such runs one goes back, not the top one. */
static int settle_empty(struct respool_runs *runs, struct respool_run *run)
{
	int error = 0;

	if (runs->warm != run && respool_runs_warm_is_empty(runs)) {
		if (run == runs->freelist->top)
			swap(run, runs->warm);
		error = return_run(runs, run);
		run = runs->warm;
	}
	runs->warm = run;
	/* Less may be kept than before, now that less is held. */
	if (!error && pages_of(run) > 2 * warm_pages(runs))
		error = return_run(runs, run);
	return error;
}

int respool_runs_settle_end(struct respool_runs *runs, struct respool_run *empty)
{
	int error = trim_top(runs);

	return error || !empty ? error : settle_empty(runs, empty);
}

/* Growth */

static void note_peak(struct respool_runs *runs)
{
	runs->peak_bytes = max(runs->peak_bytes, respool_runs_held(runs));
}

/* A request for bytes. */
struct request {
	size_t size;
	size_t align;
	void **ptr;
};

static int add_run(struct respool_runs *runs, void *mem, unsigned long pages,
		   const struct request *r)
{
	int error;

	if (!mem)
		return -ENOMEM;
	error = respool_freelist_add_run(runs->freelist, mem, pages << PAGE_SHIFT, r->size,
					 r->align, r->ptr);
	if (error) {
		respool_free_block(runs->pool, mem);
		return error;
	}
	runs->taken++;
	note_peak(runs);
	trace_respool_run_taken(runs->pool, mem, pages);
	return 0;
}

/* Of at least so many pages, where it can double what the slab holds, or anywhere. */
static int start_top(struct respool_runs *runs, unsigned long least, const struct request *r)
{
	unsigned long pages = round_up(least, growth_pages(runs));
	unsigned long room = clamp(roundup_pow_of_two(held_pages(runs) + 1),
				   ROOM_MIN_PAGES, RUN_MAX_PAGES);
	struct respool_request request = {
		.nr_pages = pages,
		.align = room << PAGE_SHIFT,
	};
	void *mem = NULL;
	int error;

	if (room <= max_pages(runs))
		mem = respool_alloc_request(runs->pool, &request, GFP_NOWAIT);
	if (!mem) {
		pages = least;
		mem = respool_alloc_exact(runs->pool, pages, GFP_NOWAIT);
	}
	error = add_run(runs, mem, pages, r);
	if (!error)
		runs->freelist->top = mem;
	return error;
}

static int extend_run(struct respool_runs *runs, struct respool_run *run, unsigned long pages,
		      const struct request *r)
{
	unsigned long old = pages_of(run);
	int error = respool_resize_block(runs->pool, run, old + pages, GFP_NOWAIT);

	if (error)
		return error;
	error = respool_freelist_extend_run(runs->freelist, run, pages << PAGE_SHIFT, r->size,
					    r->align, r->ptr);
	if (error)
		respool_resize_block(runs->pool, run, old, GFP_NOWAIT);
	note_peak(runs);
	return error;
}

/* By what is missing for a block of @bytes, and more if there is. */
static int extend_top(struct respool_runs *runs, size_t bytes, const struct request *r)
{
	struct respool_run *top = runs->freelist->top;
	unsigned long old, least, pages;
	size_t tail;
	int error;

	if (!top)
		return -ENOSPC;
	tail = respool_freelist_run_tail(runs->freelist, top);
	old = pages_of(top);
	least = PFN_UP(bytes - min(bytes, tail));
	if (old + least > RUN_MAX_PAGES)
		return -ENOSPC;
	pages = round_up(old + least, growth_pages(runs)) - old;
	error = extend_run(runs, top, pages, r);
	if (error == -ENOSPC && pages > least)
		error = extend_run(runs, top, least, r);
	return error;
}

/* Whether a request of @size bytes fills so many pages well enough to have them for itself. */
static bool is_large(size_t size, unsigned long pages)
{
	return size >= LARGE_BYTES && (pages << PAGE_SHIFT) - size <= size / LARGE_WASTE;
}

/* Have the top run grow, or begin another, for a request that takes a run of @bytes. */
static int grow_top(struct respool_runs *runs, size_t bytes, const struct request *r)
{
	int error = extend_top(runs, bytes - RESPOOL_RUN_OVERHEAD, r);

	if (error != -ENOSPC)
		return error;
	error = respool_runs_return_warm(runs);
	return error ? error : start_top(runs, PFN_UP(bytes), r);
}

/* A run of its own, all of it, unless it has to be cut for alignment. */
static int add_large(struct respool_runs *runs, unsigned long pages, struct request r)
{
	if (r.align <= RESPOOL_BLOCK_ALIGN)
		r.size = (pages << PAGE_SHIFT) - RESPOOL_RUN_OVERHEAD - RESPOOL_BLOCK_HEADER;
	return add_run(runs, respool_alloc_exact(runs->pool, pages, GFP_NOWAIT), pages, &r);
}

/*
 * Take pages and serve the request from them. An empty run goes first, unless
 * it is the one that grows: it could not serve, and a short pool may need it.
 */
int respool_runs_grow(struct respool_runs *runs, size_t size, size_t align, void **ptr)
{
	struct request r = { .size = size, .align = align, .ptr = ptr };
	size_t bytes = respool_freelist_run_bytes(size, align);
	int error = 0;

	if (runs->warm != runs->freelist->top)
		error = respool_runs_return_warm(runs);
	if (error)
		return error;
	return is_large(size, PFN_UP(bytes)) ? add_large(runs, PFN_UP(bytes), r) :
					       grow_top(runs, bytes, &r);
}

/*
 * Make the run of a block longer so that the block can hold @size bytes where
 * it is: 0 if now it does, -ENOSPC if it cannot.
 */
int respool_runs_stretch(struct respool_runs *runs, void *ptr, size_t size)
{
	const struct request none = {};
	struct respool_run *run;
	unsigned long pages;
	size_t bytes;
	int error;

	error = respool_freelist_run_to_extend(runs->freelist, ptr, size, &run, &bytes);
	if (error)
		return error;
	pages = PFN_UP(bytes);
	if (run == runs->freelist->top && pages_of(run) + pages > RUN_MAX_PAGES)
		return -ENOSPC;
	error = extend_run(runs, run, pages, &none);
	return error ? error : respool_freelist_resize(runs->freelist, ptr, size);
}

/* Runs of objects */

/* Pages for one, or %NULL. */
void *respool_runs_take_pages(struct respool_runs *runs, unsigned int order)
{
	void *mem = respool_alloc_pages(runs->pool, order, GFP_NOWAIT);

	if (!mem)
		return NULL;
	runs->taken++;
	runs->object_runs++;
	runs->object_bytes += PAGE_SIZE << order;
	note_peak(runs);
	trace_respool_run_taken(runs->pool, mem, 1UL << order);
	return mem;
}

void respool_runs_return_pages(struct respool_runs *runs, void *mem, unsigned int order)
{
	runs->returned++;
	runs->object_runs--;
	runs->object_bytes -= PAGE_SIZE << order;
	trace_respool_run_returned(runs->pool, mem, 1UL << order);
	respool_free_pages(runs->pool, mem, order);
}
