// SPDX-License-Identifier: GPL-2.0
/*
 * A slab of few sizes, so that some become hot and cold again: blocks and objects
 * keep what is in them, mistakes are refused, everything is counted, and in the
 * end all goes back.
 */
#include <stdlib.h>
#include <string.h>

#include "harness.h"
#include "heap.h"

#define POOL_PAGES	(1UL << 14)	/* 64 MiB */
#define MAX_LIVE	20000
#define NR_SIZES	4
#define EPISODE_STEPS	200000

struct held {
	u8 *ptr;
	size_t size;
	size_t usable;
	u8 fill;
};

struct episode {
	struct choices *c;
	struct heap heap;
	struct held live[MAX_LIVE];
	unsigned int nr_live;
	u64 usable;			/* bytes of those */
	size_t size[NR_SIZES];		/* that most have */
	unsigned int alloc_percent;
};

/* Seen in all episodes. */
static u64 most_runs, hot_sizes, cold_again;

static size_t usable_size(struct episode *e, const void *ptr)
{
	size_t size = 0;

	expect_equal("usable size", respool_racks_usable_size(&e->heap.racks, ptr, &size), 0);
	expect_equal("bytes", respool_racks_bytes(&e->heap.racks, ptr), size);
	return size;
}

/* Others' blocks lose what is in them if this one overlaps them. */
static void hold(struct episode *e, struct held *h, void *ptr, size_t size)
{
	h->ptr = ptr;
	h->size = size;
	h->usable = usable_size(e, ptr);
	h->fill = (u8)choose(e->c, 256);
	e->usable += h->usable;
	if (h->usable < size)
		differ("%zu bytes are usable of %zu", h->usable, size);
	expect_equal("alignment", (uintptr_t)ptr % RESPOOL_BLOCK_ALIGN, 0);
	memset(ptr, h->fill, h->usable);
}

static void verify(const struct held *h, size_t bytes)
{
	size_t i;

	for (i = 0; i < bytes; i++)
		if (h->ptr[i] != h->fill)
			differ("byte %zu of %zu is %02x, not %02x", i, h->usable, h->ptr[i],
			       h->fill);
}

static size_t choose_size(struct episode *e)
{
	if (chance(e->c, 90))
		return e->size[choose(e->c, NR_SIZES)] - choose(e->c, 8);
	return 1 + choose(e->c, 3000);
}

static void alloc(struct episode *e)
{
	size_t size = choose_size(e);
	void *ptr;

	if (e->nr_live == MAX_LIVE)
		return;
	doing("alloc of %ld bytes", size, 0);
	expect_equal("alloc", heap_alloc(&e->heap, size, RESPOOL_BLOCK_ALIGN, &ptr), 0);
	hold(e, &e->live[e->nr_live++], ptr, size);
}

static void expect_refused(struct episode *e, u8 *ptr)
{
	u64 frees = e->heap.racks.frees;

	if (!heap_free(&e->heap, ptr))
		differ("the free is not refused");
	expect_equal("frees", e->heap.racks.frees, frees);
}

static void free_one(struct episode *e, unsigned int i)
{
	struct held h = e->live[i];

	doing("free of block %ld of %ld", i, e->nr_live);
	verify(&h, h.usable);
	e->live[i] = e->live[--e->nr_live];
	e->usable -= h.usable;
	expect_equal("free", heap_free(&e->heap, h.ptr), 0);
	if (chance(e->c, 5))
		expect_refused(e, h.ptr);
}

static void free_inside(struct episode *e, const struct held *h)
{
	size_t at = RESPOOL_BLOCK_ALIGN * choose(e->c, (u32)h->usable / RESPOOL_BLOCK_ALIGN);

	doing("free at %ld of %ld bytes", at, h->usable);
	if (at)
		expect_refused(e, h->ptr + at);
}

/* What moves is not copied: that is slab.c's. */
static void realloc_one(struct episode *e, struct held *h)
{
	size_t size = choose_size(e);
	struct held was = *h;
	void *to;

	doing("realloc of %ld bytes to %ld", h->size, size);
	verify(h, h->usable);
	expect_equal("realloc", heap_realloc(&e->heap, h->ptr, size, &to), 0);
	if (to == was.ptr)
		verify(h, min(size, was.usable));
	e->usable -= was.usable;
	hold(e, h, to, size);
}

static unsigned int count_hot(struct episode *e)
{
	unsigned int class, hot = 0;

	for (class = 1; class <= RESPOOL_HOT_CLASSES; class++)
		hot += !!respool_hot_objects(&e->heap.racks.hot, class)->runs;
	return hot;
}

static void check(struct episode *e)
{
	struct respool_hot *hot = &e->heap.racks.hot;
	const struct respool_rack *rack = *per_cpu_ptr(e->heap.racks.rack, 0);
	struct respool_racks_sum cached;
	const void *where;
	const char *broken = respool_freelist_validate(&e->heap.freelist, &where);

	doing("check", 0, 0);
	if (!broken)
		broken = respool_hot_validate(hot, &where);
	if (broken)
		differ("%s", broken);
	respool_racks_count(&e->heap.racks, &cached);
	respool_racks_count_objects(&e->heap.racks, &cached);
	expect_equal("live blocks", e->heap.freelist.live_blocks - cached.cached_blocks +
		     cached.objects.live, e->nr_live);
	expect_equal("blocks cached less objects that live, as its CPU counts",
		     rack->moved + rack->frees - rack->allocations,
		     cached.cached_blocks - cached.objects.live);
	expect_equal("live bytes", e->heap.freelist.live_bytes - cached.cached_bytes +
		     cached.object_bytes.live, e->usable);
	expect_equal("pages held", respool_runs_held(&e->heap.runs) >> PAGE_SHIFT,
		     e->heap.pool.core.allocated_pages);
	most_runs = max(most_runs, e->heap.runs.object_runs);
	hot_sizes = max_t(u64, hot_sizes, count_hot(e));
}

static void change_mood(struct episode *e)
{
	static const unsigned int percent[] = { 0, 20, 50, 60, 100 };

	e->alloc_percent = percent[choose(e->c, ARRAY_SIZE(percent))];
	if (chance(e->c, 10))
		e->size[choose(e->c, NR_SIZES)] = RESPOOL_BLOCK_ALIGN * (1 + choose(e->c, 70));
	if (chance(e->c, 10))
		respool_racks_drain(&e->heap.racks);
	check(e);
	/* Everything went: a size that was hot may be no more. */
	cold_again += !e->nr_live && !e->heap.runs.object_runs && most_runs;
}

static void do_step(struct episode *e)
{
	u32 kind = choose(e->c, 20000);

	if (kind < 5)
		change_mood(e);
	else if (!e->nr_live || chance(e->c, e->alloc_percent))
		alloc(e);
	else if (kind < 1000)
		free_inside(e, &e->live[choose(e->c, e->nr_live)]);
	else if (kind < 2000)
		realloc_one(e, &e->live[choose(e->c, e->nr_live)]);
	else
		free_one(e, choose(e->c, e->nr_live));
}

static void hot_episode(struct choices *c, unsigned long max_steps)
{
	struct episode *e = must_zalloc(1, sizeof(*e));
	unsigned int i;

	e->c = c;
	if (!heap_init(&e->heap, POOL_PAGES, RESPOOL_SEARCH_GOOD, true))
		differ("there is no memory for a pool");
	for (i = 0; i < NR_SIZES; i++)
		e->size[i] = RESPOOL_BLOCK_ALIGN * (1 + choose(c, 70));
	e->alloc_percent = 100;
	while (steps_done() < min_t(unsigned long, EPISODE_STEPS, max_steps)) {
		count_step();
		do_step(e);
	}
	while (e->nr_live)
		free_one(e, choose(c, e->nr_live));
	check(e);
	respool_racks_drain(&e->heap.racks);
	expect_equal("object runs", e->heap.runs.object_runs, 0);
	expect_equal("return of the warm run", respool_runs_return_warm(&e->heap.runs), 0);
	expect_equal("pages held", e->heap.pool.core.allocated_pages, 0);
	heap_exit(&e->heap);
	free(e);
}

static void print_seen(void)
{
	printf("# at most %llu object runs, of %llu sizes at a time; %llu times all went back\n",
	       (unsigned long long)most_runs, (unsigned long long)hot_sizes,
	       (unsigned long long)cold_again);
}

int main(int argc, char **argv)
{
	atexit(print_seen);
	return run_episodes(argc, argv, hot_episode);
}
