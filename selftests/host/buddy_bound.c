// SPDX-License-Identifier: GPL-2.0
/*
 * The page layer's core in pools of up to 1 TiB, where nobody could keep a
 * twin: no call may do more work than its bound, and the table at the end
 * shows what the most was.
 */
#include <stdlib.h>

#include "buddy_bound.h"
#include "harness.h"

#define EPISODE_STEPS	20000
#define MAX_LIVE	8192
#define MAX_BATCH	64
#define MIN_POOL_ORDER	14	/* 64 MiB */
#define MAX_POOL_ORDER	28	/* 1 TiB */

enum call { ALLOC, ALLOC_EXACT, ALLOC_FIT, ALLOC_BATCH, RESIZE, FREE, FREE_BATCH, NR_CALLS };

struct episode {
	struct choices *c;
	struct respool_buddy core;
	unsigned long live[MAX_LIVE];
	unsigned int nr_live;
	unsigned long work_before;
};

static unsigned long most[MAX_POOL_ORDER + 1][NR_CALLS];

static void begin(struct episode *e)
{
	e->work_before = work_done();
}

static void end(struct episode *e, enum call kind, unsigned long bound)
{
	unsigned long work = work_done() - e->work_before, *so_far;

	if (work > bound)
		differ("the call did %lu units of work and %lu is its bound", work, bound);
	so_far = &most[e->core.max_order][kind];
	*so_far = max(*so_far, work);
}

static void keep(struct episode *e, unsigned long page)
{
	if (page != RESPOOL_NO_PAGE)
		e->live[e->nr_live++] = page;
}

/* Small ones most of all, for they make the pool a mess, and any at times. */
static unsigned int choose_order(struct episode *e)
{
	return choose(e->c, 1 + choose(e->c, 1 + choose(e->c, e->core.max_order + 1)));
}

static unsigned long choose_pages(struct episode *e)
{
	return 1 + choose(e->c, 2U << choose_order(e));
}

static void alloc(struct episode *e)
{
	unsigned int order = choose_order(e);
	unsigned long page;

	doing("alloc of order %ld", order, 0);
	begin(e);
	page = respool_buddy_alloc(&e->core, order, 0);
	end(e, ALLOC, bound_of_block(&e->core));
	keep(e, page);
}

static void alloc_exact(struct episode *e)
{
	unsigned long nr_pages = choose_pages(e), page;

	doing("alloc of exactly %ld pages", nr_pages, 0);
	begin(e);
	page = respool_buddy_alloc_exact(&e->core, nr_pages, 0);
	end(e, ALLOC_EXACT, bound_of_parts(&e->core));
	keep(e, page);
}

static void alloc_fit(struct episode *e)
{
	struct respool_fit fit = {
		.nr_pages = choose_pages(e),
		.align_order = choose_order(e),
		.first = choose(e->c, e->core.nr_pages),
		.top_down = chance(e->c, 50),
	};
	unsigned long page;

	fit.last = fit.first + fit.nr_pages + choose_pages(e);
	doing("alloc of %ld pages from page %ld on", fit.nr_pages, fit.first);
	begin(e);
	page = respool_buddy_alloc_fit(&e->core, &fit, 0);
	/* The end of the pool may leave just the pages asked for, which are then all looked at. */
	if (fit.last < e->core.nr_pages)
		end(e, ALLOC_FIT, bound_of_fit(&e->core));
	keep(e, page);
}

static void batch(struct episode *e)
{
	unsigned int order = choose(e->c, 11), nr = 1 + choose(e->c, MAX_BATCH), got, given;
	u32 pages[MAX_BATCH];

	doing("batch of %ld blocks of order %ld", nr, order);
	begin(e);
	got = respool_buddy_alloc_batch(&e->core, order, nr, pages);
	end(e, ALLOC_BATCH, bound_of_batch(&e->core, nr));
	for (given = 0; given < got;) {
		begin(e);
		given += respool_buddy_free_batch(&e->core, order, got - given, pages + given);
		end(e, FREE_BATCH, bound_of_free_batch(&e->core, got));
	}
}

/* Shorter, longer by a little, or as long as it can be. */
static void resize(struct episode *e)
{
	unsigned long page, nr_pages = choose_pages(e);
	struct respool_block was;

	if (!e->nr_live)
		return;
	page = e->live[choose(e->c, e->nr_live)];
	doing("resize of page %ld to %ld pages", page, nr_pages);
	begin(e);
	respool_buddy_resize(&e->core, page, nr_pages, &was);
	end(e, RESIZE, bound_of_resize(&e->core));
}

static void free_one(struct episode *e, unsigned int i)
{
	struct respool_block block;
	unsigned long page = e->live[i];

	doing("free of page %ld", page, 0);
	e->live[i] = e->live[--e->nr_live];
	begin(e);
	expect_equal("free", respool_buddy_free(&e->core, page, RESPOOL_ANY_ORDER, &block), 0);
	end(e, FREE, block.nr_pages == BIT(block.order) ? bound_of_block(&e->core) :
						     bound_of_parts(&e->core));
}

static void do_step(struct episode *e)
{
	static void (* const step[])(struct episode *e) = {
		alloc, alloc, alloc_exact, alloc_fit, resize, batch,
	};

	if (e->nr_live == MAX_LIVE || (e->nr_live && chance(e->c, 45)))
		free_one(e, choose(e->c, e->nr_live));
	else
		step[choose(e->c, ARRAY_SIZE(step))](e);
}

static void bound_episode(struct choices *c, unsigned long max_steps)
{
	unsigned int order = MIN_POOL_ORDER + choose(c, MAX_POOL_ORDER - MIN_POOL_ORDER + 1);
	struct episode *e = must_zalloc(1, sizeof(*e));
	void *mem = must_alloc(respool_buddy_footprint(BIT(order), 0));

	e->c = c;
	expect_equal("init", respool_buddy_init(&e->core, mem, BIT(order), 0), 0);
	while (steps_done() < min_t(unsigned long, EPISODE_STEPS, max_steps)) {
		count_step();
		do_step(e);
	}
	while (e->nr_live)
		free_one(e, e->nr_live - 1);
	expect_equal("free pages", e->core.free_pages, e->core.nr_pages);
	expect_equal("free blocks of the largest order", e->core.nr_free[order], 1);
	free(mem);
	free(e);
}

static void print_most(void)
{
	unsigned int order;
	enum call kind;

	printf("# most work in a call, by log2 of the pool's pages\n");
	printf("# %6s %7s %7s %7s %7s %7s %7s %7s\n", "pages", "alloc", "exact", "fit", "batch",
	       "resize", "free", "free-b.");
	for (order = MIN_POOL_ORDER; order <= MAX_POOL_ORDER; order++) {
		if (!most[order][ALLOC])
			continue;
		printf("# %6u", order);
		for (kind = 0; kind < NR_CALLS; kind++)
			printf(" %7lu", most[order][kind]);
		printf("\n");
	}
}

int main(int argc, char **argv)
{
	atexit(print_most);
	return run_episodes(argc, argv, bound_episode);
}
