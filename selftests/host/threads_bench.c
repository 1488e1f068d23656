// SPDX-License-Identifier: GPL-2.0
/*
 * The page layer's core and its magazines, the module's own files, with one
 * thread and with two: how often an operation takes the pool's lock, and how
 * much more two CPUs get done than one. An emulated guest cannot show either
 * in real time.
 *
 * An operation is an allocation or a free, of order 0. Each figure is the best
 * of some runs, for whatever else the machine does can only make it worse. What
 * two threads get done that share nothing tells how much it has to give.
 *
 *   threads_bench [RUNS]	under the thread sanitizer a few are enough
 */
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "buddy/magazine.h"

#define POOL_PAGES	(1UL << 18)	/* 1 GiB */
#define BULK_BLOCKS	8192		/* held by each thread at once */
#define RUN_ROUNDS	8		/* of BULK_BLOCKS pairs: a run takes a few milliseconds */

static unsigned int runs = 100;
__thread unsigned int this_cpu;
__thread unsigned long lock_holds;

/* In the order of struct respool_pool. */
struct pool {
	struct respool_magazines magazines;
	raw_spinlock_t lock ____cacheline_aligned;
	struct respool_buddy buddy;
	void *mem;
};

static void must(bool held, const char *what)
{
	if (held)
		return;
	fprintf(stderr, "threads_bench: %s\n", what);
	exit(1);
}

static unsigned long alloc_block(struct pool *pool)
{
	unsigned long flags, page;

	page = respool_magazine_pop(&pool->magazines, 0, 0);
	if (page == RESPOOL_NO_PAGE)
		page = respool_magazine_refill(&pool->magazines, 0, 0);
	if (page != RESPOOL_NO_PAGE)
		return page;
	raw_spin_lock_irqsave(&pool->lock, flags);
	page = respool_buddy_alloc(&pool->buddy, 0, 0);
	raw_spin_unlock_irqrestore(&pool->lock, flags);
	return page;
}

static void free_block(struct pool *pool, unsigned long page)
{
	struct respool_block block;
	unsigned long flags;

	if (respool_magazine_push(&pool->magazines, page, 0, false) ||
	    respool_magazine_spill(&pool->magazines, page, 0))
		return;
	raw_spin_lock_irqsave(&pool->lock, flags);
	respool_buddy_free(&pool->buddy, page, 0, &block);
	raw_spin_unlock_irqrestore(&pool->lock, flags);
}

/* One round of each pattern: BULK_BLOCKS allocations and as many frees. */

static void repeat(struct pool *pool, unsigned long *page, const u32 *order)
{
	unsigned long i;

	(void)page;
	(void)order;
	for (i = 0; i < BULK_BLOCKS; i++)
		free_block(pool, alloc_block(pool));
}

static void bulk(struct pool *pool, unsigned long *page, const u32 *order)
{
	unsigned long i;

	(void)order;
	for (i = 0; i < BULK_BLOCKS; i++)
		page[i] = alloc_block(pool);
	for (i = 0; i < BULK_BLOCKS; i++)
		free_block(pool, page[i]);
}

static void bulk_random(struct pool *pool, unsigned long *page, const u32 *order)
{
	unsigned long i;

	for (i = 0; i < BULK_BLOCKS; i++)
		page[i] = alloc_block(pool);
	for (i = 0; i < BULK_BLOCKS; i++)
		free_block(pool, page[order[i]]);
}

/* Each looks into the other's magazines, too, now and then. */
static void bulk_drained(struct pool *pool, unsigned long *page, const u32 *order)
{
	bulk(pool, page, order);
	respool_magazines_drain(&pool->magazines);
}

struct pattern {
	const char *name;
	void (*round)(struct pool *pool, unsigned long *page, const u32 *order);
	bool magazines;
	bool apart;		/* a pool for each thread */
};

struct worker {
	pthread_t thread;
	unsigned int cpu;
	struct pool *pool;
	const struct pattern *pattern;
	pthread_barrier_t *barrier;
	unsigned long holds;		/* of the pool's lock, in the run */
	double start, end;		/* of the run, in seconds */
	unsigned long page[BULK_BLOCKS];
	u32 order[BULK_BLOCKS];		/* in which to free, shuffled */
};

static struct worker workers[MAX_CPUS];

static void shuffle(u32 *order)
{
	u32 i, j, other;

	for (i = 0; i < BULK_BLOCKS; i++)
		order[i] = i;
	for (i = BULK_BLOCKS - 1; i; i--) {
		j = random() % (i + 1);
		other = order[j];
		order[j] = order[i];
		order[i] = other;
	}
}

/* Have this thread run on the @nth CPU that the process may use, if there are so many. */
static void stay_on_cpu(unsigned int nth)
{
	cpu_set_t allowed, one;
	int cpu;

	CPU_ZERO(&one);
	if (sched_getaffinity(0, sizeof(allowed), &allowed))
		return;
	for (cpu = 0; cpu < CPU_SETSIZE; cpu++)
		if (CPU_ISSET(cpu, &allowed) && !nth--)
			CPU_SET(cpu, &one);
	if (CPU_COUNT(&one))
		pthread_setaffinity_np(pthread_self(), sizeof(one), &one);
}

static double seconds(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec + ts.tv_nsec / 1e9;
}

static void *work(void *arg)
{
	struct worker *w = arg;
	unsigned int i;

	this_cpu = w->cpu;
	stay_on_cpu(w->cpu);
	w->pattern->round(w->pool, w->page, w->order);
	pthread_barrier_wait(w->barrier);
	w->start = seconds();
	w->holds = -lock_holds;
	for (i = 0; i < RUN_ROUNDS; i++)
		w->pattern->round(w->pool, w->page, w->order);
	w->holds += lock_holds;
	w->end = seconds();
	return NULL;
}

static void init_pool(struct pool *pool, const struct pattern *pattern)
{
	pool->mem = aligned_alloc(64, round_up(respool_buddy_footprint(POOL_PAGES, 0), 64));
	pthread_spin_init(&pool->lock, PTHREAD_PROCESS_PRIVATE);
	must(pool->mem && !respool_buddy_init(&pool->buddy, pool->mem, POOL_PAGES, 0) &&
	     !respool_magazines_init(&pool->magazines, &pool->buddy, &pool->lock,
				    pattern->magazines),
	     "no pool to measure");
}

static void exit_pool(struct pool *pool)
{
	unsigned long page;

	respool_magazines_drain(&pool->magazines);
	respool_magazines_settle(&pool->magazines);
	must(pool->buddy.free_pages == POOL_PAGES && !respool_buddy_validate(&pool->buddy, &page),
	     "the pool is not what it was before");
	respool_magazines_destroy(&pool->magazines);
	free(pool->mem);
}

struct result {
	double speed;		/* operations in a second, of all threads */
	double holds;		/* of the pool's lock, per operation */
};

static void start_worker(struct worker *w, struct pool *pool, const struct pattern *pattern,
			 pthread_barrier_t *barrier)
{
	w->pool = pool;
	w->pattern = pattern;
	w->barrier = barrier;
	must(!pthread_create(&w->thread, NULL, work, w), "no thread to measure with");
}

static struct result run(const struct pattern *pattern, unsigned int threads)
{
	const double operations = 2.0 * BULK_BLOCKS * RUN_ROUNDS * threads;
	struct result result = {};
	struct pool pool[MAX_CPUS];
	pthread_barrier_t barrier;
	double start, end;
	unsigned int i;

	for (i = 0; i < MAX_CPUS; i++)
		init_pool(&pool[i], pattern);
	pthread_barrier_init(&barrier, NULL, threads);
	for (i = 0; i < threads; i++)
		start_worker(&workers[i], &pool[pattern->apart ? i : 0], pattern, &barrier);
	for (i = 0; i < threads; i++) {
		pthread_join(workers[i].thread, NULL);
		result.holds += workers[i].holds / operations;
		start = i ? min(start, workers[i].start) : workers[i].start;
		end = i ? max(end, workers[i].end) : workers[i].end;
	}
	result.speed = operations / (end - start);
	pthread_barrier_destroy(&barrier);
	for (i = 0; i < MAX_CPUS; i++)
		exit_pool(&pool[i]);
	return result;
}

/* One thread and two in turns, so that both meet the same company on the machine. */
static void compare(const struct pattern *pattern)
{
	struct result best[MAX_CPUS] = {}, result;
	unsigned int i, threads;

	for (i = 0; i < runs; i++) {
		for (threads = 1; threads <= MAX_CPUS; threads++) {
			result = run(pattern, threads);
			if (result.speed > best[threads - 1].speed)
				best[threads - 1] = result;
		}
	}
	printf("%-28s %8.1f %8.1f %8.2f %8.4f %8.4f\n", pattern->name, best[0].speed / 1e6,
	       best[1].speed / 1e6, best[1].speed / best[0].speed, best[0].holds, best[1].holds);
}

int main(int argc, char **argv)
{
	static const struct pattern patterns[] = {
		{ .name = "repeat", .round = repeat, .magazines = true },
		{ .name = "bulk", .round = bulk, .magazines = true },
		{ .name = "bulk, random free", .round = bulk_random, .magazines = true },
		{ .name = "bulk, drained", .round = bulk_drained, .magazines = true },
		{ .name = "bulk, a pool each", .round = bulk, .magazines = true, .apart = true },
		{ .name = "bulk, no magazines", .round = bulk },
	};
	unsigned int i;

	if (argc > 1)
		runs = atoi(argv[1]);
	for (i = 0; i < MAX_CPUS; i++) {
		workers[i].cpu = i;
		shuffle(workers[i].order);
	}
	printf("# order 0, native: million operations a second with one thread and with two,\n");
	printf("# the one to the other (goal: 1.7), lock holds per operation (goal: 0.0625)\n");
	printf("%-28s %8s %8s %8s %8s %8s\n", "pattern", "one", "two", "ratio", "holds1",
	       "holds2");
	for (i = 0; i < ARRAY_SIZE(patterns); i++)
		compare(&patterns[i]);
	return 0;
}
