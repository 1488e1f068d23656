// SPDX-License-Identifier: GPL-2.0
/*
 * Traces of bytes through the byte layer's magazines, core and policy of growth,
 * over the page layer's core: what memory each fit takes, and what work.
 *
 * Utilisation is the most that was live at a time, in bytes as requested, over
 * the most pages that were held. Work is in basic blocks, as in buddy_bound.h,
 * of all these. All of it repeats exactly.
 *
 * With --goals FILE, a line "TRACE PERCENT" each, good fit has to reach those,
 * and 80 % where FILE has none. A trace so short that whole pages do not allow
 * that has to come as close as they do.
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

#include "../trace.h"
#include "buddy_bound.h"
#include "heap.h"

#define POOL_PAGES	(1UL << 17)	/* 512 MiB, of which a trace touches little */
#define GOAL_PERCENT	80.0

static const char usage[] =
	"usage: replay_traces [--fits NAME,...] [--no-magazines] [--goals FILE] TRACE...\n";

static const char *const fit_names[] = {
	[RESPOOL_SEARCH_GOOD]	= "good",
	[RESPOOL_SEARCH_FIRST]	= "first",
	[RESPOOL_SEARCH_NEXT]	= "next",
	[RESPOOL_SEARCH_BEST]	= "best",
};

/* In the order of the table. */
static const enum respool_search fits[] = {
	RESPOOL_SEARCH_GOOD, RESPOOL_SEARCH_BEST, RESPOOL_SEARCH_FIRST, RESPOOL_SEARCH_NEXT,
};

static bool with_magazines = true;

static _Noreturn void die(const char *name, const char *what)
{
	fprintf(stderr, "traces: %s: %s\n", name, what);
	exit(2);
}

static void *must_calloc(size_t nr, size_t size)
{
	void *mem = calloc(nr, size);

	if (!mem)
		die("memory", "there is none left");
	return mem;
}

/* When all is freed, one run may be kept, and nothing else. */
static void end_heap(struct heap *h, const char *name)
{
	const void *where;
	const char *broken = respool_freelist_validate(&h->freelist, &where);
	struct respool_racks_sum sum;

	if (broken)
		die(name, broken);
	broken = respool_hot_validate(&h->racks.hot, &where);
	if (broken)
		die(name, broken);
	respool_racks_count(&h->racks, &sum);
	if (h->freelist.live_blocks + h->racks.hot.used > sum.cached_blocks)
		return;
	if (h->freelist.runs > 1)
		die(name, "more than one run is kept warm");
	respool_racks_drain(&h->racks);
	if (respool_runs_return_warm(&h->runs) || h->pool.core.allocated_pages)
		die(name, "pages are not given back");
}

/* Replay */

struct cost {
	u64 peak_held;	/* bytes */
	u64 work;	/* of all operations */
	u64 most;	/* of one */
};

static int do_op(struct heap *h, void **ptr, const struct trace_op *op)
{
	/* malloc(0) returns a block of its own; the nearest request is one byte. */
	size_t size = max(op->size, 1UL);

	if (op->what == 'f')
		return heap_free(h, *ptr);
	if (op->what == 'a')
		return heap_alloc(h, size, RESPOOL_BLOCK_ALIGN, ptr);
	return heap_realloc(h, *ptr, size, ptr);
}

static struct cost replay(const char *name, const struct trace *trace, enum respool_search search)
{
	void **ptr = must_calloc(trace->nr_ids + 1UL, sizeof(*ptr));
	struct heap *h = must_calloc(1, sizeof(*h));
	struct cost cost = {};
	u64 work;
	u32 i;

	if (!heap_init(h, POOL_PAGES, search, with_magazines))
		die(name, "there is no memory for the pool");
	for (i = 0; i < trace->nr_ops; i++) {
		work = work_done();
		if (do_op(h, &ptr[trace->ops[i].id], &trace->ops[i]))
			die(name, "an operation failed");
		work = work_done() - work;
		cost.work += work;
		cost.most = max(cost.most, work);
		cost.peak_held = max(cost.peak_held, respool_runs_held(&h->runs));
	}
	end_heap(h, name);
	heap_exit(h);
	free(h);
	free(ptr);
	return cost;
}

static u64 block_bytes(const struct trace_op *op)
{
	if (op->what == 'f')
		return 0;
	return max_t(u64, round_up(op->size + RESPOOL_BLOCK_HEADER, RESPOOL_BLOCK_ALIGN),
		     RESPOOL_BLOCK_MIN);
}

/* What the blocks take at the most if nothing is lost between them. */
static u64 peak_of_blocks(const struct trace *trace)
{
	u64 *held = must_calloc(trace->nr_ids + 1UL, sizeof(*held)), now = 0, peak = 0;
	u32 i;

	for (i = 0; i < trace->nr_ops; i++) {
		const struct trace_op *op = &trace->ops[i];

		now += block_bytes(op) - held[op->id];
		held[op->id] = block_bytes(op);
		peak = max(peak, now);
	}
	free(held);
	return peak;
}

/* Goals */

/* The goal that a file has for a trace, or GOAL_PERCENT. */
static double read_goal(const char *path, const char *trace)
{
	double goal = GOAL_PERCENT, percent;
	char line[128], name[64];
	FILE *file = fopen(path, "r");

	if (!file)
		die(path, "it cannot be read");
	while (fgets(line, sizeof(line), file))
		if (sscanf(line, "%63s %lf", name, &percent) == 2 && !strcmp(name, trace))
			goal = percent;
	fclose(file);
	return goal;
}

static bool reaches_goal(const struct trace *trace, const char *name, const char *goals,
			 double percent)
{
	u64 least = round_up(peak_of_blocks(trace) + RESPOOL_RUN_OVERHEAD, PAGE_SIZE);
	double goal = min(read_goal(goals, name), 100.0 * trace->peak / least);

	/* Goals have one place. */
	if (percent + 0.05 >= goal)
		return true;
	printf("# %s: %.2f %% with good fit, the goal is %.2f %%\n", name, percent, goal);
	return false;
}

/* A table */

static void print_head(void)
{
	unsigned int i;

	printf("# %-14s %9s %6s", "", "peak", "no gap");
	for (i = 0; i < ARRAY_SIZE(fits); i++)
		printf(" | %5s %6s %7s", fit_names[fits[i]], "mean", "most");
	printf("\n");
}

/* False if the goal is missed. */
static bool show_trace(const char *path, const char *only, const char *goals)
{
	const char *base = strrchr(path, '/');
	struct trace trace;
	double good = 100;
	char name[32];
	unsigned int i;
	bool reached;

	if (!trace_read(&trace, path, false))
		exit(2);
	snprintf(name, sizeof(name), "%s", base ? base + 1 : path);
	name[strcspn(name, ".")] = '\0';
	printf("# %-14s %9llu %6.1f", name, (unsigned long long)trace.peak,
	       100.0 * trace.peak / peak_of_blocks(&trace));
	for (i = 0; i < ARRAY_SIZE(fits); i++) {
		struct cost cost;
		double percent;

		if (only && !strstr(only, fit_names[fits[i]]))
			continue;
		cost = replay(name, &trace, fits[i]);
		percent = 100.0 * trace.peak / cost.peak_held;
		printf(" | %5.1f %6.0f %7llu", percent,
		       (double)cost.work / max(trace.nr_ops, 1U), (unsigned long long)cost.most);
		fflush(stdout);
		if (fits[i] == RESPOOL_SEARCH_GOOD)
			good = percent;
	}
	printf("\n");
	reached = !goals || reaches_goal(&trace, name, goals, good);
	trace_free(&trace);
	return reached;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "goals", required_argument, NULL, 'g' },
		{ "fits", required_argument, NULL, 'f' },
		{ "no-magazines", no_argument, NULL, 'n' },
		{ }
	};
	const char *goals = NULL, *only = NULL;
	int opt, i, status = 0;

	while ((opt = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (opt == 'g') {
			goals = optarg;
		} else if (opt == 'f') {
			only = optarg;
		} else if (opt == 'n') {
			with_magazines = false;
		} else {
			fputs(usage, stderr);
			return 2;
		}
	}
	print_head();
	for (i = optind; i < argc; i++)
		if (!show_trace(argv[i], only, goals))
			status = 1;
	return status;
}
