// SPDX-License-Identifier: GPL-2.0
/*
 * Growth and return: a slab takes a run when its lists cannot serve a request
 * and gives a run back as soon as that is empty, but for one kept warm.
 */
#include <linux/log2.h>
#include <linux/minmax.h>
#include <linux/pfn.h>
#include <linux/sizes.h>

#include "slab/run.h"

/*
 * A new run is 1/64 of what the slab holds: few runs in a large slab, little
 * waste in a small one. On recorded workloads a larger share costs some per
 * cent of utilisation and a smaller one gains nothing. The share is rounded
 * down to a power of two, else each run would leave the page layer a remnant.
 */
#define RUN_SHARE	64
#define RUN_MIN_PAGES	2
#define RUN_MAX_PAGES	(SZ_2M >> PAGE_SHIFT)

/* An empty run of so many pages, or of what growth would take, may be kept warm. */
#define WARM_PAGES	8

/* A request of this many pages gets a run of its own, whole, as its one block. */
#define LARGE_BYTES	(16 * PAGE_SIZE)

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

/* Pages of a run that is sure to serve a request, 0 if no run of this pool is. */
unsigned long respool_runs_pages(const struct respool_runs *runs, size_t size, size_t align)
{
	unsigned long pages = PFN_UP(respool_freelist_run_bytes(size, align));

	return pages > max_pages(runs) ? 0 : pages;
}

static unsigned long growth_pages(const struct respool_runs *runs)
{
	u64 share = (runs->freelist->held_bytes >> PAGE_SHIFT) / RUN_SHARE;

	share = rounddown_pow_of_two(clamp_t(u64, share, RUN_MIN_PAGES, RUN_MAX_PAGES));
	return min_t(unsigned long, share, max_pages(runs));
}

/* Whether all that is held might be kept warm. */
bool respool_runs_few(const struct respool_runs *runs)
{
	const struct respool_freelist *f = runs->freelist;

	return f->runs + runs->object_runs - runs->retired_object_runs <= 1 &&
	       respool_runs_held(runs) - f->retired_bytes - runs->retired_object_bytes <=
	       WARM_PAGES << PAGE_SHIFT;
}

bool respool_runs_warm_is_empty(const struct respool_runs *runs)
{
	return runs->warm && respool_freelist_run_is_empty(runs->freelist, runs->warm);
}

static int return_run(struct respool_runs *runs, struct respool_run *run)
{
	int error = respool_freelist_remove_run(runs->freelist, run);

	if (error)
		return error;
	if (runs->warm == run)
		runs->warm = NULL;
	runs->returned++;
	respool_free_block(runs->pool, run);
	return 0;
}

int respool_runs_return_warm(struct respool_runs *runs)
{
	return respool_runs_warm_is_empty(runs) ? return_run(runs, runs->warm) : 0;
}

/*
 * @run has just lost its last live block. It is kept warm unless another one is,
 * and the warm one only while it is small beside what else is held.
 */
int respool_runs_settle(struct respool_runs *runs, struct respool_run *run)
{
	int error = 0;

	if (runs->warm != run && respool_runs_warm_is_empty(runs))
		error = return_run(runs, run);
	else
		runs->warm = run;
	if (!error && runs->warm->bytes >> PAGE_SHIFT >
		      max_t(unsigned long, growth_pages(runs), WARM_PAGES))
		error = return_run(runs, runs->warm);
	return error;
}

static int take_run(struct respool_runs *runs, unsigned long pages)
{
	void *mem = respool_alloc_exact(runs->pool, pages, GFP_NOWAIT);
	int error;

	if (!mem)
		return -ENOMEM;
	error = respool_freelist_add_run(runs->freelist, mem, pages << PAGE_SHIFT);
	if (error) {
		respool_free_block(runs->pool, mem);
		return error;
	}
	runs->taken++;
	runs->peak_bytes = max(runs->peak_bytes, respool_runs_held(runs));
	return 0;
}

/*
 * Take a run and serve the request from it. The warm run goes first: it could
 * not serve, and a short pool may need its pages.
 */
int respool_runs_grow(struct respool_runs *runs, size_t size, size_t align, void **ptr)
{
	unsigned long least = respool_runs_pages(runs, size, align);
	unsigned long pages = max(least, growth_pages(runs));
	int error = respool_runs_return_warm(runs);

	if (error)
		return error;
	if (size >= LARGE_BYTES) {
		pages = least;
		if (align <= RESPOOL_BLOCK_ALIGN)
			size = (pages << PAGE_SHIFT) - RESPOOL_RUN_OVERHEAD - RESPOOL_BLOCK_HEADER;
	}
	error = take_run(runs, pages);
	while (error == -ENOMEM && pages > least) {
		pages = max(pages / 4, least);
		error = take_run(runs, pages);
	}
	return error ? error : respool_freelist_alloc(runs->freelist, size, align, ptr);
}

/* Pages for a run of objects, or %NULL. */
void *respool_runs_take_pages(struct respool_runs *runs, unsigned int order)
{
	void *mem = respool_alloc_pages(runs->pool, order, GFP_NOWAIT);

	if (!mem)
		return NULL;
	runs->taken++;
	runs->object_runs++;
	runs->object_bytes += PAGE_SIZE << order;
	runs->peak_bytes = max(runs->peak_bytes, respool_runs_held(runs));
	return mem;
}

void respool_runs_return_pages(struct respool_runs *runs, void *mem, unsigned int order)
{
	runs->returned++;
	runs->object_runs--;
	runs->object_bytes -= PAGE_SIZE << order;
	respool_free_pages(runs->pool, mem, order);
}
