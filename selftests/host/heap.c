// SPDX-License-Identifier: GPL-2.0
#include <stdlib.h>
#include <sys/mman.h>

#include "buddy_bound.h"
#include "heap.h"

#define SECRET	0x0123456789abcdefULL

/* The page layer */

static bool init_pool(struct respool *pool, unsigned long nr_pages)
{
	pool->arena = mmap(NULL, nr_pages << PAGE_SHIFT, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	pool->metadata = malloc(respool_buddy_footprint(nr_pages, 0));
	return pool->arena != MAP_FAILED && pool->metadata &&
	       !respool_buddy_init(&pool->core, pool->metadata, nr_pages, 0);
}

static void note_call(struct respool *pool, unsigned long bound)
{
	pool->calls++;
	pool->bound += bound;
}

static void *addr_of(const struct respool *pool, unsigned long page)
{
	return page == RESPOOL_NO_PAGE ? NULL : pool->arena + (page << PAGE_SHIFT);
}

static unsigned long page_of(const struct respool *pool, const void *addr)
{
	return (unsigned long)((const u8 *)addr - pool->arena) >> PAGE_SHIFT;
}

unsigned int respool_max_order(const struct respool *pool)
{
	return pool->core.max_order;
}

void *respool_alloc_exact(struct respool *pool, unsigned long nr_pages, gfp_t gfp)
{
	(void)gfp;
	note_call(pool, bound_of_parts(&pool->core));
	return addr_of(pool, respool_buddy_alloc_exact(&pool->core, nr_pages, 0));
}

void *respool_alloc_request(struct respool *pool, const struct respool_request *request, gfp_t gfp)
{
	struct respool_fit fit = {
		.nr_pages = request->nr_pages,
		.align_order = (unsigned int)ilog2(request->align >> PAGE_SHIFT),
		.last = pool->core.nr_pages - 1,
	};

	(void)gfp;
	note_call(pool, bound_of_fit(&pool->core));
	return addr_of(pool, respool_buddy_alloc_fit(&pool->core, &fit, 0));
}

int respool_resize_block(struct respool *pool, void *addr, unsigned long nr_pages, gfp_t gfp)
{
	struct respool_block was;

	(void)gfp;
	note_call(pool, bound_of_resize(&pool->core));
	return respool_buddy_resize(&pool->core, page_of(pool, addr), nr_pages, &was);
}

int respool_free_block(struct respool *pool, void *addr)
{
	struct respool_block block;

	note_call(pool, bound_of_parts(&pool->core));
	return respool_buddy_free(&pool->core, page_of(pool, addr), RESPOOL_ANY_ORDER, &block);
}

/* The byte layer */

bool heap_init(struct heap *h, unsigned long nr_pages, enum respool_search search,
	       bool magazines)
{
	memset(h, 0, sizeof(*h));
	respool_freelist_init(&h->freelist, SECRET, search);
	respool_runs_init(&h->runs, &h->pool, &h->freelist);
	return !respool_racks_init(&h->racks, &h->runs, &h->lock, magazines) &&
	       init_pool(&h->pool, nr_pages);
}

void heap_exit(struct heap *h)
{
	respool_racks_destroy(&h->racks);
	munmap(h->pool.arena, h->pool.core.nr_pages << PAGE_SHIFT);
	free(h->pool.metadata);
}

int heap_alloc(struct heap *h, size_t size, size_t align, void **ptr)
{
	if (align <= RESPOOL_BLOCK_ALIGN) {
		*ptr = respool_racks_pop(&h->racks, size);
		if (*ptr)
			return 0;
	}
	return respool_racks_alloc(&h->racks, size, align, ptr);
}

int heap_free(struct heap *h, void *ptr)
{
	switch (respool_racks_push(&h->racks, &h->freelist, ptr)) {
	case RESPOOL_NOT_PUSHED:
		return respool_racks_free(&h->racks, ptr);
	case RESPOOL_PUSHED_LOOK:
		respool_racks_settle(&h->racks);
		return 0;
	default:
		return 0;
	}
}

int heap_realloc(struct heap *h, void *ptr, size_t size, void **to)
{
	int error = respool_freelist_resize(&h->freelist, ptr, size);
	void *moved;

	if (error == -ENOSPC)
		error = respool_runs_stretch(&h->runs, ptr, size);
	*to = ptr;
	if (error != -ENOSPC)
		return error;
	error = heap_alloc(h, size, RESPOOL_BLOCK_ALIGN, &moved);
	if (error)
		return error;
	*to = moved;
	return heap_free(h, ptr);
}
