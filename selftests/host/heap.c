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

void *respool_alloc_pages(struct respool *pool, unsigned int order, gfp_t gfp)
{
	(void)gfp;
	note_call(pool, bound_of_parts(&pool->core));
	return addr_of(pool, respool_buddy_alloc(&pool->core, order, 0));
}

int respool_free_pages(struct respool *pool, void *addr, unsigned int order)
{
	struct respool_block block;

	note_call(pool, bound_of_parts(&pool->core));
	return respool_buddy_free(&pool->core, page_of(pool, addr), order, &block);
}

void *respool_start(const struct respool *pool)
{
	return pool->arena;
}

unsigned long respool_nr_pages(const struct respool *pool)
{
	return pool->core.nr_pages;
}

/* As the page layer does it, where blocks are aligned in the arena. */
u64 respool_virt_to_phys(const struct respool *pool, const void *addr)
{
	return (u64)((const u8 *)addr - pool->arena);
}

/* The byte layer */

bool heap_init(struct heap *h, unsigned long nr_pages, enum respool_search search,
	       bool magazines)
{
	memset(h, 0, sizeof(*h));
	respool_freelist_init(&h->freelist, SECRET, search);
	respool_runs_init(&h->runs, &h->pool, &h->freelist);
	return init_pool(&h->pool, nr_pages) &&
	       !respool_racks_init(&h->racks, &h->runs, &h->lock, magazines,
				   search == RESPOOL_SEARCH_GOOD);
}

void heap_exit(struct heap *h)
{
	respool_racks_destroy(&h->racks);
	munmap(h->pool.arena, h->pool.core.nr_pages << PAGE_SHIFT);
	free(h->pool.metadata);
}

static void *pop(struct heap *h, size_t size)
{
	struct respool_slab_magazine *magazine;
	struct respool_rack *rack;
	void *ptr;

	if (!respool_racks_claim(&h->racks, size, &rack, &magazine))
		return NULL;
	if (!magazine->nr) {
		ptr = respool_rack_pop_object(rack, (struct respool_object_magazine *)magazine);
		respool_rack_release(rack);
		return ptr;
	}
	ptr = respool_magazine_youngest(magazine);
	if (respool_block_give_word(ptr, magazine->word)) {
		respool_rack_popped(rack, magazine);
		return ptr;
	}
	respool_rack_release(rack);
	return NULL;
}

int heap_alloc(struct heap *h, size_t size, size_t align, void **ptr)
{
	if (align <= RESPOOL_BLOCK_ALIGN) {
		*ptr = pop(h, size);
		if (*ptr)
			return 0;
	}
	return respool_racks_alloc(&h->racks, size, align, ptr);
}

int heap_free(struct heap *h, void *ptr)
{
	enum respool_pushed pushed;
	struct respool_rack *rack;
	u64 tag;

	pushed = respool_racks_push(&h->racks, &h->freelist, ptr, &rack, &tag);
	if (pushed == RESPOOL_FULL)
		pushed = respool_rack_push_tray(rack, ptr, tag);
	if (pushed == RESPOOL_NO_TAGS)
		pushed = respool_racks_push_object(&h->racks, ptr);
	if (pushed == RESPOOL_NOT_PUSHED)
		return respool_racks_free(&h->racks, ptr);
	if (pushed == RESPOOL_PUSHED_NEWS || pushed == RESPOOL_PUSHED_BOTH)
		respool_racks_notice(&h->racks, ptr);
	if (pushed == RESPOOL_PUSHED_LOOK || pushed == RESPOOL_PUSHED_BOTH)
		respool_racks_settle(&h->racks);
	return 0;
}

int heap_realloc(struct heap *h, void *ptr, size_t size, void **to)
{
	size_t old;
	int error = respool_racks_usable_size(&h->racks, ptr, &old);
	void *moved;

	if (!error)
		error = respool_racks_resize(&h->racks, ptr, old, size);
	*to = ptr;
	if (error != -ENOSPC)
		return error;
	error = heap_alloc(h, size, RESPOOL_BLOCK_ALIGN, &moved);
	if (error)
		return error;
	*to = moved;
	return heap_free(h, ptr);
}
