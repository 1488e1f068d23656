// SPDX-License-Identifier: GPL-2.0
/*
 * The byte layer with good fit in heaps of up to 512 MiB, far too large for a
 * twin: no call may do more work than its bound, and the table at the end shows
 * what the most was.
 *
 * Work is in basic blocks, as in buddy_bound.h, of the free list, the policy of
 * growth, and the page layer where that is called, which has bounds of its own.
 */
#include <stdlib.h>

#include "buddy_bound.h"
#include "harness.h"
#include "heap.h"

#define POOL_PAGES	(1UL << 18)	/* 1 GiB */
#define MIN_HEAP_ORDER	14		/* 16 KiB */
#define MAX_HEAP_ORDER	29		/* 512 MiB */
#define MAX_LIVE	65536
#define EPISODE_STEPS	60000
#define MAYBE_NO_ROOM	(1UL << 20)

/*
 * The most work of a call beyond the page layer's, and the most calls of that,
 * whatever the heap's size and history. A realloc that moves the block makes the
 * most: it tries to extend the run, gives the warm run back, tries to extend the
 * top run, takes a new one, and gives the old one back.
 */
#define BOUND_ALLOC	128
#define BOUND_FREE	96
#define BOUND_REALLOC	(BOUND_ALLOC + 2 * BOUND_FREE)
#define PAGE_CALLS	5

enum call { ALLOC, ALLOC_ALIGNED, FREE, REALLOC, NR_CALLS };

static const unsigned long bound_of[NR_CALLS] = {
	[ALLOC] = BOUND_ALLOC,
	[ALLOC_ALIGNED] = BOUND_ALLOC,
	[FREE] = BOUND_FREE,
	[REALLOC] = BOUND_REALLOC,
};

struct most {
	unsigned long plain;	/* work of a call that did not call the page layer */
	unsigned long work;	/* of any */
	unsigned long calls;	/* of the page layer, by one call */
};

struct episode {
	struct choices *c;
	struct heap heap;
	void *live[MAX_LIVE];
	unsigned int nr_live;
	unsigned int order;		/* of the heap's bytes, at its largest */
	unsigned int alloc_percent;
	size_t size_limit;		/* requests rarely are for more */
	unsigned long work_before;
	unsigned long calls_before;
	unsigned long bound_before;
};

static struct most most[MAX_HEAP_ORDER + 1][NR_CALLS];

static void begin(struct episode *e)
{
	e->work_before = work_done();
	e->calls_before = e->heap.pool.calls;
	e->bound_before = e->heap.pool.bound;
}

static void end(struct episode *e, enum call kind)
{
	unsigned long work = work_done() - e->work_before;
	unsigned long calls = e->heap.pool.calls - e->calls_before;
	unsigned long bound = bound_of[kind] + e->heap.pool.bound - e->bound_before;
	struct most *so_far = &most[e->order][kind];

	if (work > bound)
		differ("the call did %lu units of work and %lu is its bound", work, bound);
	if (calls > PAGE_CALLS)
		differ("the call called the page layer %lu times", calls);
	so_far->work = max(so_far->work, work);
	so_far->calls = max(so_far->calls, calls);
	if (!calls)
		so_far->plain = max(so_far->plain, work);
}

/* Often where a class ends, and at times one of the few sizes that many blocks have. */
static size_t choose_size(struct episode *e)
{
	size_t size = 1 + choose(e->c, 1 + choose(e->c, (u32)e->size_limit));

	if (chance(e->c, 30))
		return 24 + 16 * choose(e->c, 4);
	if (chance(e->c, 30))
		return round_up(size, RESPOOL_BLOCK_ALIGN) + RESPOOL_BLOCK_HEADER;
	if (chance(e->c, 1))
		return 1 + choose(e->c, 1U << (e->order - 3));
	return size;
}

/* A pool in pieces may have no room for a large block; a small one always finds some. */
static bool served(int error, size_t size)
{
	if (error == -ENOMEM && size >= MAYBE_NO_ROOM)
		return false;
	expect_equal("a request", error, 0);
	return true;
}

static void alloc(struct episode *e)
{
	size_t size = choose_size(e), align = RESPOOL_BLOCK_ALIGN;
	enum call kind = ALLOC;
	void *ptr;
	int error;

	if (e->nr_live == MAX_LIVE || e->heap.freelist.live_bytes + size > BIT(e->order))
		return;
	if (chance(e->c, 10)) {
		align = BIT(choose(e->c, 14));
		kind = ALLOC_ALIGNED;
	}
	doing("alloc of %ld bytes aligned to %ld", size, align);
	begin(e);
	error = heap_alloc(&e->heap, size, align, &ptr);
	end(e, kind);
	if (served(error, size))
		e->live[e->nr_live++] = ptr;
}

static void free_one(struct episode *e, unsigned int i)
{
	void *ptr = e->live[i];

	doing("free of block %ld of %ld", i, e->nr_live);
	e->live[i] = e->live[--e->nr_live];
	begin(e);
	expect_equal("free", heap_free(&e->heap, ptr), 0);
	end(e, FREE);
}

static void realloc_one(struct episode *e, unsigned int i)
{
	size_t size = choose_size(e);
	int error;

	doing("realloc of block %ld to %ld bytes", i, size);
	begin(e);
	error = heap_realloc(&e->heap, e->live[i], size, &e->live[i]);
	end(e, REALLOC);
	served(error, size);
}

/* Every n-th block in the order in which they came: holes that cannot merge. */
static void free_some(struct episode *e)
{
	unsigned int step = 2 + choose(e->c, 3), i;

	for (i = e->nr_live; i > step; i -= step)
		free_one(e, i - 1);
}

static void change_mood(struct episode *e)
{
	static const unsigned int percent[] = { 5, 45, 50, 55, 95 };

	e->alloc_percent = percent[choose(e->c, ARRAY_SIZE(percent))];
	e->size_limit = 1UL << (5 + choose(e->c, e->order - 9));
	if (chance(e->c, 50))
		free_some(e);
}

static void do_step(struct episode *e)
{
	u32 kind = choose(e->c, 10000);

	if (kind < 4)
		change_mood(e);
	else if (!e->nr_live || chance(e->c, e->alloc_percent))
		alloc(e);
	else if (kind < 2000)
		realloc_one(e, choose(e->c, e->nr_live));
	else
		free_one(e, choose(e->c, e->nr_live));
}

static void bound_episode(struct choices *c, unsigned long max_steps)
{
	struct episode *e = must_zalloc(1, sizeof(*e));

	e->c = c;
	e->order = MIN_HEAP_ORDER + choose(c, MAX_HEAP_ORDER - MIN_HEAP_ORDER + 1);
	if (!heap_init(&e->heap, POOL_PAGES, RESPOOL_SEARCH_GOOD, false))
		differ("there is no memory for a pool");
	change_mood(e);
	e->alloc_percent = 95;
	while (steps_done() < min_t(unsigned long, EPISODE_STEPS, max_steps)) {
		count_step();
		do_step(e);
	}
	while (e->nr_live)
		free_one(e, choose(c, e->nr_live));
	expect_equal("runs kept warm", e->heap.freelist.runs <= 1, true);
	expect_equal("return of the warm run", respool_runs_return_warm(&e->heap.runs), 0);
	expect_equal("pages held", e->heap.pool.core.allocated_pages, 0);
	heap_exit(&e->heap);
	free(e);
}

static void print_most(void)
{
	unsigned int order;
	enum call kind;

	printf("# most work in a call: without the page layer, with it, calls of that\n");
	printf("# %7s %16s %16s %16s %16s\n", "heap", "alloc", "aligned", "free", "realloc");
	for (order = MIN_HEAP_ORDER; order <= MAX_HEAP_ORDER; order++) {
		if (!most[order][ALLOC].work)
			continue;
		printf("# %6luK", BIT(order - 10));
		for (kind = 0; kind < NR_CALLS; kind++)
			printf("  %5lu %6lu %2lu", most[order][kind].plain,
			       most[order][kind].work, most[order][kind].calls);
		printf("\n");
	}
}

int main(int argc, char **argv)
{
	atexit(print_most);
	return run_episodes(argc, argv, bound_episode);
}
