// SPDX-License-Identifier: GPL-2.0
/*
 * respool_bench.ko: the kinds of work, and how their cost is measured.
 *
 *   repeat     allocate and free the same block
 *   bulk-*     allocate many, then free them in the same, reverse or random order
 *   rand       bulk-random, of which only the frees count (LLFree's "rand")
 *   window-N   N threads, each with a ring of blocks: free the oldest, allocate
 *   frag       fill nine tenths with pages, free half at random; then a round
 *              frees a tenth of what is left and allocates as many again
 *              (LLFree's "frag")
 *   mixed      replace random blocks of random sizes
 *   aged-P     random orders 0 to 6, or sizes of 16 to 4096 bytes, at P percent
 *              occupancy; each single call is timed
 *
 * After LLFree's module (Wrenger et al., USENIX ATC 2023). Each pattern runs
 * with an allocator that does nothing first; what that costs is taken off.
 */
#include <linux/bitmap.h>
#include <linux/completion.h>
#include <linux/cpumask.h>
#include <linux/err.h>
#include <linux/irqflags.h>
#include <linux/jiffies.h>
#include <linux/kthread.h>
#include <linux/ktime.h>
#include <linux/math64.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/prandom.h>
#include <linux/sched.h>
#include <linux/sizes.h>
#include <linux/sort.h>
#include <linux/vmalloc.h>

#include "selftests/bench/bench.h"

#define MAX_ROUNDS	100
#define RING_BLOCKS	64
#define MAX_MIXED_ORDER	6
#define MIN_BYTES_SHIFT	4
#define MAX_BYTES_SHIFT	12
/* Blocks of bytes come out of this much, or a slab would take the whole pool. */
#define BYTES_BUDGET	SZ_16M
#define MIXED_BLOCKS	1024
/* Replacements that make a full pool an aged one, if 2 a block are not less. */
#define MAX_AGEING	100000U
/* Of what random_arg() draws. */
#define MEAN_MIXED_PAGES	18
#define MEAN_MIXED_BYTES	765
#define SEED		42

struct bench_block {
	void *block;
	unsigned long arg;
};

struct bench_span {
	u64 ticks;
	u64 calls;
};

struct bench_samples {
	u32 *ticks;
	unsigned int nr;
	unsigned int size;
};

/* What a round cost: each kind of call for itself, if the pattern can tell. */
struct bench_round {
	struct bench_span alloc;
	struct bench_span free;
	struct bench_span pair;
};

/* One allocator at one pattern. */
struct bench_job {
	const struct bench_pattern *pattern;
	const struct bench_allocator *allocator;
	const struct bench_plan *plan;
	unsigned long arg;
	unsigned int n;			/* calls of each kind in a round */
	unsigned int ring;		/* blocks of one thread */

	u64 start;			/* of what is being timed */
	unsigned long jiffies;
	bool disturbed;			/* by the timer's interrupt */

	struct bench_round round[MAX_ROUNDS];
	struct bench_round *cost;	/* of the round that runs */
	struct bench_samples alloc_samples;
	struct bench_samples free_samples;
	u64 failed;
	u64 free_regions;

	struct bench_block *blocks;
	unsigned int nr_blocks;
	unsigned int max_blocks;
	u64 live_bytes;
	u64 target_bytes;
	struct rnd_state random;
};

/* What the loops and the clock cost by themselves. */

static void *null_alloc(unsigned long arg)
{
	static char block;

	return &block;
}

static void null_free(void *block, unsigned long arg)
{
}

static const struct bench_allocator null_pages = {
	.name = "null", .alloc = null_alloc, .free = null_free,
};

static const struct bench_allocator null_bytes = {
	.name = "null", .bytes = true, .alloc = null_alloc, .free = null_free,
};

/* Small change */

/*
 * The time stamp counter of x86 works in User-mode Linux too, whose own clock
 * is too coarse for a single call. Under QEMU's -icount it counts instructions.
 */
static inline u64 read_clock(void)
{
#ifdef CONFIG_X86_64
	u32 low, high;

	asm volatile("rdtsc" : "=a" (low), "=d" (high));
	return (u64)high << 32 | low;
#else
	return ktime_get_ns();
#endif
}

static inline u64 now(void)
{
	u64 ticks;

	rmb();	/* nothing of what is timed may begin early ... */
	ticks = read_clock();
	rmb();	/* ... or end late */
	return ticks;
}

/**
 * bench_ticks_per_us() - Speed of the clock, measured.
 *
 * Context: Process context, for a tenth of a second.
 * Return: ticks in a microsecond, in thousandths.
 */
u64 bench_ticks_per_us(void)
{
	u64 ns = ktime_get_ns(), ticks = now(), end = ns + NSEC_PER_SEC / 10;

	while (ktime_get_ns() < end)
		cond_resched();
	ticks = now() - ticks;
	return div64_u64(ticks * 1000000, ktime_get_ns() - ns);
}

/* Nor may somebody wait for this CPU, or each preempt_enable() looks into it. */
static void disable_interrupts(void)
{
	local_irq_disable();
	while (need_resched()) {
		local_irq_enable();
		cond_resched();
		local_irq_disable();
	}
}

/*
 * While the clock runs nothing else does, so that a count of instructions
 * repeats. An allocator that sleeps has to live with interrupts.
 */
static inline void start_clock(struct bench_job *job)
{
	if (!job->allocator->sleeps)
		disable_interrupts();
	job->jiffies = jiffies;
	job->start = now();
}

static inline u64 stop_clock(struct bench_job *job)
{
	u64 ticks = now() - job->start;

	job->disturbed = time_after(jiffies, job->jiffies);
	if (!job->allocator->sleeps)
		local_irq_enable();
	return ticks;
}

static u32 random_below(struct bench_job *job, u32 limit)
{
	return reciprocal_scale(prandom_u32_state(&job->random), limit);
}

static u64 size_of(const struct bench_job *job, unsigned long arg)
{
	return job->allocator->bytes ? arg : (u64)PAGE_SIZE << arg;
}

static void add_span(struct bench_span *span, u64 ticks, u64 calls)
{
	span->ticks += ticks;
	span->calls += calls;
}

static int make_blocks(struct bench_job *job, u64 max_blocks)
{
	job->max_blocks = min_t(u64, max_blocks, U32_MAX);
	job->blocks = vcalloc(job->max_blocks, sizeof(*job->blocks));
	return job->blocks ? 0 : -ENOMEM;
}

static void put_blocks(struct bench_job *job)
{
	struct bench_block *b;

	for (b = job->blocks; b < job->blocks + job->nr_blocks; b++) {
		if (b->block)
			job->allocator->free(b->block, b->arg);
		cond_resched();
	}
	job->nr_blocks = 0;
}

/* Put @n blocks, drawn from all, first and in random order. */
static void shuffle(struct bench_job *job, unsigned int n)
{
	unsigned int i, other;

	for (i = 0; i < n; i++) {
		other = i + random_below(job, job->nr_blocks - i);
		swap(job->blocks[i], job->blocks[other]);
	}
}

static void reverse(struct bench_job *job)
{
	unsigned int i;

	for (i = 0; i < job->nr_blocks / 2; i++)
		swap(job->blocks[i], job->blocks[job->nr_blocks - 1 - i]);
}

/* Allocate the first @n blocks, in one go. */
static void take(struct bench_job *job, unsigned int n)
{
	const struct bench_allocator *allocator = job->allocator;
	struct bench_block *b, *end = job->blocks + n;

	start_clock(job);
	for (b = job->blocks; b < end; b++)
		b->block = allocator->alloc(job->arg);
	add_span(&job->cost->alloc, stop_clock(job), n);

	for (b = job->blocks; b < end; b++) {
		b->arg = job->arg;
		job->failed += !b->block;
	}
	job->nr_blocks = max(job->nr_blocks, n);
	cond_resched();
}

/* Free the first @n blocks, in one go. */
static void give(struct bench_job *job, unsigned int n)
{
	const struct bench_allocator *allocator = job->allocator;
	struct bench_block *b, *end = job->blocks + n;

	start_clock(job);
	for (b = job->blocks; b < end; b++)
		if (likely(b->block))
			allocator->free(b->block, job->arg);
	add_span(&job->cost->free, stop_clock(job), n);

	for (b = job->blocks; b < end; b++)
		b->block = NULL;
	cond_resched();
}

/* repeat */

static void repeat_round(struct bench_job *job)
{
	const struct bench_allocator *allocator = job->allocator;
	unsigned int i;
	void *block;

	start_clock(job);
	for (i = 0; i < job->n; i++) {
		block = allocator->alloc(job->arg);
		if (likely(block))
			allocator->free(block, job->arg);
		else
			job->failed++;
	}
	add_span(&job->cost->pair, stop_clock(job), job->n);
}

/* bulk, rand */

enum bench_order { SAME, REVERSE, RANDOM };

/* At most half of the pool. */
static int bulk_setup(struct bench_job *job)
{
	u64 bytes = job->allocator->bytes ? BYTES_BUDGET : job->plan->bytes;

	job->n = clamp_t(u64, div64_u64(bytes / 2, size_of(job, job->arg)), 1, job->n);
	return make_blocks(job, job->n);
}

static void bulk_round(struct bench_job *job)
{
	take(job, job->n);
	if (job->pattern->param == REVERSE)
		reverse(job);
	else if (job->pattern->param == RANDOM)
		shuffle(job, job->n);
	give(job, job->n);
}

static void rand_round(struct bench_job *job)
{
	bulk_round(job);
	job->cost->alloc.calls = 0;
}

/* window */

struct bench_worker {
	struct bench_job *job;
	struct bench_block *ring;
	unsigned int n;
	struct completion *go;
	struct completion done;
	u64 end;
	u64 failed;
};

static int window_setup(struct bench_job *job)
{
	unsigned int threads = job->pattern->param, blocks;
	int error;

	job->ring = clamp_t(u64, div64_u64(job->plan->bytes / 2, size_of(job, job->arg) * threads),
			    1, RING_BLOCKS);
	blocks = threads * job->ring;
	error = make_blocks(job, blocks);
	if (error)
		return error;
	take(job, blocks);
	/* Whole turns of the ring: its first block is the oldest as a round begins. */
	job->n = max(job->n / blocks, 1U) * blocks;
	return 0;
}

static int window_thread(void *data)
{
	struct bench_worker *worker = data;
	struct bench_job *job = worker->job;
	const struct bench_allocator *allocator = job->allocator;
	struct bench_block *b = worker->ring;
	unsigned int i;

	wait_for_completion(worker->go);
	for (i = 0; i < worker->n; i++) {
		if (likely(b->block))
			allocator->free(b->block, job->arg);
		b->block = allocator->alloc(job->arg);
		worker->failed += !b->block;
		if (++b == worker->ring + job->ring) {
			b = worker->ring;
			cond_resched();
		}
	}
	worker->end = now();
	kthread_complete_and_exit(&worker->done, 0);
}

static int start_worker(struct bench_worker *worker, unsigned int number)
{
	struct task_struct *task;

	init_completion(&worker->done);
	task = kthread_create(window_thread, worker, "respool_bench/%u", number);
	if (IS_ERR(task))
		return PTR_ERR(task);
	kthread_bind(task, cpumask_nth(number % num_online_cpus(), cpu_online_mask));
	wake_up_process(task);
	return 0;
}

static void window_round(struct bench_job *job)
{
	unsigned int i, started, threads = job->pattern->param;
	struct bench_worker workers[4] = {};
	DECLARE_COMPLETION_ONSTACK(go);
	u64 start, end = 0;

	for (started = 0; started < threads; started++) {
		workers[started].job = job;
		workers[started].ring = job->blocks + started * job->ring;
		workers[started].n = job->n / threads;
		workers[started].go = &go;
		if (start_worker(&workers[started], started))
			break;
	}
	start = now();
	complete_all(&go);
	for (i = 0; i < started; i++) {
		wait_for_completion(&workers[i].done);
		end = max(end, workers[i].end);
		job->failed += workers[i].failed;
	}
	if (started == threads)
		add_span(&job->cost->pair, end - start, job->n);
}

/* mixed, aged */

static unsigned long random_arg(struct bench_job *job)
{
	u32 size;

	if (!job->allocator->bytes)
		return random_below(job, MAX_MIXED_ORDER + 1);
	size = 1U << (MIN_BYTES_SHIFT + random_below(job, MAX_BYTES_SHIFT - MIN_BYTES_SHIFT));
	return size + random_below(job, size + 1);
}

static int mixed_setup(struct bench_job *job)
{
	unsigned int i;
	int error = make_blocks(job, MIXED_BLOCKS);

	if (error)
		return error;
	for (i = 0; i < MIXED_BLOCKS; i++) {
		job->blocks[i].arg = random_arg(job);
		job->blocks[i].block = job->allocator->alloc(job->blocks[i].arg);
		job->failed += !job->blocks[i].block;
	}
	job->nr_blocks = MIXED_BLOCKS;
	return 0;
}

static void mixed_round(struct bench_job *job)
{
	const struct bench_allocator *allocator = job->allocator;
	struct bench_block *b;
	unsigned int i;

	start_clock(job);
	for (i = 0; i < job->n; i++) {
		b = &job->blocks[random_below(job, MIXED_BLOCKS)];
		if (likely(b->block))
			allocator->free(b->block, b->arg);
		b->arg = random_arg(job);
		b->block = allocator->alloc(b->arg);
		job->failed += !b->block;
	}
	add_span(&job->cost->pair, stop_clock(job), job->n);
}

/* A call that an interrupt of the timer fell into says nothing about the allocator. */
static void add_sample(struct bench_job *job, struct bench_samples *samples,
		       struct bench_span *span, u64 ticks)
{
	if (job->disturbed || samples->nr == samples->size)
		return;
	samples->ticks[samples->nr++] = min_t(u64, ticks, U32_MAX);
	add_span(span, ticks, 1);
}

static void give_random(struct bench_job *job)
{
	struct bench_block *b = &job->blocks[random_below(job, job->nr_blocks)];
	u64 ticks;

	cond_resched();
	start_clock(job);
	job->allocator->free(b->block, b->arg);
	ticks = stop_clock(job);
	add_sample(job, &job->free_samples, &job->cost->free, ticks);
	job->live_bytes -= size_of(job, b->arg);
	*b = job->blocks[--job->nr_blocks];
}

static bool take_one(struct bench_job *job, unsigned long arg)
{
	struct bench_block *b = &job->blocks[job->nr_blocks];
	u64 ticks;

	cond_resched();
	start_clock(job);
	b->block = job->allocator->alloc(arg);
	ticks = stop_clock(job);
	if (!b->block) {
		job->failed++;
		return false;
	}
	add_sample(job, &job->alloc_samples, &job->cost->alloc, ticks);
	b->arg = arg;
	job->live_bytes += size_of(job, arg);
	job->nr_blocks++;
	return true;
}

/* One allocation, after as many frees as it takes to stay below the target. */
static void replace_one(struct bench_job *job)
{
	unsigned long arg = random_arg(job);

	while (job->nr_blocks && (job->nr_blocks == job->max_blocks ||
				  job->live_bytes + size_of(job, arg) > job->target_bytes))
		give_random(job);
	if (!take_one(job, arg) && job->nr_blocks)
		give_random(job);
}

static void aged_round(struct bench_job *job)
{
	unsigned int i;

	for (i = 0; i < job->n; i++)
		replace_one(job);
}

static int make_samples(struct bench_samples *samples, unsigned int size)
{
	samples->size = size;
	samples->ticks = vcalloc(size, sizeof(*samples->ticks));
	return samples->ticks ? 0 : -ENOMEM;
}

static int aged_setup(struct bench_job *job)
{
	u64 bytes = job->allocator->bytes ? BYTES_BUDGET : job->plan->bytes;
	u32 mean = job->allocator->bytes ? MEAN_MIXED_BYTES : MEAN_MIXED_PAGES * PAGE_SIZE;
	unsigned int i;
	int error;

	job->target_bytes = div_u64(bytes, 100) * job->pattern->param;
	error = make_blocks(job, 2 * div_u64(job->target_bytes, mean) + 1);
	/* A round may free a little more than it allocates. */
	if (!error)
		error = make_samples(&job->alloc_samples, 2 * job->plan->rounds * job->n);
	if (!error)
		error = make_samples(&job->free_samples, 2 * job->plan->rounds * job->n);
	if (error)
		return error;
	while (job->nr_blocks < job->max_blocks && job->live_bytes < job->target_bytes)
		if (!take_one(job, random_arg(job)))
			break;
	for (i = min(2 * job->nr_blocks, MAX_AGEING); i; i--)
		replace_one(job);
	return 0;
}

/* frag */

static int frag_setup(struct bench_job *job)
{
	u64 pages = job->plan->bytes >> PAGE_SHIFT;
	int error;

	if (job->plan->bytes < SZ_2M || job->plan->bytes > SZ_2G)
		return -ERANGE;
	error = make_blocks(job, div_u64(pages * 9, 10));
	if (error)
		return error;
	take(job, job->max_blocks);
	shuffle(job, job->nr_blocks);
	give(job, job->nr_blocks / 2);
	reverse(job);
	job->nr_blocks -= job->nr_blocks / 2;
	job->n = job->nr_blocks / 10;
	return 0;
}

static void frag_round(struct bench_job *job)
{
	shuffle(job, job->n);
	give(job, job->n);
	take(job, job->n);
}

static u64 count_free_regions(struct bench_job *job)
{
	u64 regions = div_u64(job->plan->bytes, SZ_2M);
	unsigned long *used, first = ULONG_MAX;
	struct bench_block *b, *end = job->blocks + job->nr_blocks;
	u64 share;

	/* One more, for a pool that begins inside a region. */
	used = bitmap_zalloc(regions + 1, GFP_KERNEL);
	if (!used)
		return BENCH_NONE;
	for (b = job->blocks; b < end; b++)
		if (b->block)
			first = min(first, job->allocator->address(b->block) / SZ_2M);
	for (b = job->blocks; b < end; b++)
		if (b->block)
			__set_bit(job->allocator->address(b->block) / SZ_2M - first, used);
	share = regions - min_t(u64, bitmap_weight(used, regions + 1), regions);
	bitmap_free(used);
	return div64_u64(share * 1000, regions);
}

static void frag_teardown(struct bench_job *job)
{
	if (job->allocator->address)
		job->free_regions = count_free_regions(job);
}

/* All of them */

const struct bench_pattern bench_patterns[] = {
	{ .name = "repeat", .pages = true, .bytes = true, .round = repeat_round },
	{ .name = "bulk-same", .pages = true, .bytes = true, .param = SAME,
	  .setup = bulk_setup, .round = bulk_round },
	{ .name = "bulk-reverse", .pages = true, .bytes = true, .param = REVERSE,
	  .setup = bulk_setup, .round = bulk_round },
	{ .name = "bulk-random", .pages = true, .bytes = true, .param = RANDOM,
	  .setup = bulk_setup, .round = bulk_round },
	{ .name = "rand", .pages = true, .param = RANDOM,
	  .setup = bulk_setup, .round = rand_round },
	{ .name = "window-1", .pages = true, .param = 1,
	  .setup = window_setup, .round = window_round },
	{ .name = "window-2", .pages = true, .param = 2,
	  .setup = window_setup, .round = window_round },
	{ .name = "window-4", .pages = true, .param = 4,
	  .setup = window_setup, .round = window_round },
	{ .name = "mixed", .bytes = true, .mixed = true,
	  .setup = mixed_setup, .round = mixed_round },
	{ .name = "aged-50", .pages = true, .bytes = true, .mixed = true, .param = 50,
	  .setup = aged_setup, .round = aged_round },
	{ .name = "aged-75", .pages = true, .bytes = true, .mixed = true, .param = 75,
	  .setup = aged_setup, .round = aged_round },
	{ .name = "aged-90", .pages = true, .bytes = true, .mixed = true, .param = 90,
	  .setup = aged_setup, .round = aged_round },
	{ .name = "frag", .pages = true, .mixed = true, .needs_address = true, .rounds = 100,
	  .setup = frag_setup, .round = frag_round, .teardown = frag_teardown },
};

const unsigned int bench_nr_patterns = ARRAY_SIZE(bench_patterns);

/* From rounds to results */

static int compare_u64(const void *a, const void *b)
{
	u64 x = *(const u64 *)a, y = *(const u64 *)b;

	return x < y ? -1 : x > y;
}

static int compare_u32(const void *a, const void *b)
{
	u32 x = *(const u32 *)a, y = *(const u32 *)b;

	return x < y ? -1 : x > y;
}

static u64 thousandths(const struct bench_job *job, u64 ticks, u64 calls)
{
	u64 ticks_per_us = job->plan->ticks_per_us;

	if (!ticks_per_us)
		return div64_u64(ticks * 1000, calls);
	return div64_u64(mul_u64_u64_div_u64(ticks, 1000000000, ticks_per_us), calls);
}

/* Of the member at @offset of each round. */
static u64 median_cost(const struct bench_job *job, unsigned int rounds, size_t offset)
{
	const struct bench_span *span;
	u64 cost[MAX_ROUNDS];
	unsigned int i;

	for (i = 0; i < rounds; i++) {
		span = (const void *)&job->round[i] + offset;
		if (!span->calls)
			return BENCH_NONE;
		cost[i] = thousandths(job, span->ticks, span->calls);
	}
	sort(cost, rounds, sizeof(*cost), compare_u64, NULL);
	return cost[rounds / 2];
}

static const struct bench_latency no_latency = {
	BENCH_NONE, BENCH_NONE, BENCH_NONE, BENCH_NONE
};

static void distribution(const struct bench_job *job, struct bench_samples *samples,
			 struct bench_latency *latency)
{
	u32 *ticks = samples->ticks;
	u64 last = samples->nr - 1;

	if (!samples->nr) {
		*latency = no_latency;
		return;
	}
	sort(ticks, samples->nr, sizeof(*ticks), compare_u32, NULL);
	latency->p50 = thousandths(job, ticks[last / 2], 1);
	latency->p99 = thousandths(job, ticks[div_u64(last * 99, 100)], 1);
	latency->p999 = thousandths(job, ticks[div_u64(last * 999, 1000)], 1);
	latency->max = thousandths(job, ticks[last], 1);
}

static void run_rounds(struct bench_job *job, unsigned int rounds)
{
	unsigned int i;

	for (i = 0; i <= rounds; i++) {
		/* The first does not count. */
		job->cost = &job->round[i ? i - 1 : 0];
		if (i <= 1) {
			*job->cost = (struct bench_round) {};
			job->alloc_samples.nr = 0;
			job->free_samples.nr = 0;
			job->failed = 0;
		}
		job->pattern->round(job);
		cond_resched();
	}
}

static void summarise(struct bench_job *job, unsigned int rounds, struct bench_result *result)
{
	result->n = job->n;
	result->alloc = median_cost(job, rounds, offsetof(struct bench_round, alloc));
	result->free = median_cost(job, rounds, offsetof(struct bench_round, free));
	result->pair = median_cost(job, rounds, offsetof(struct bench_round, pair));
	if (result->alloc != BENCH_NONE && result->free != BENCH_NONE)
		result->pair = result->alloc + result->free;
	distribution(job, &job->alloc_samples, &result->alloc_latency);
	distribution(job, &job->free_samples, &result->free_latency);
	result->failed = job->failed;
	result->free_regions = job->free_regions;
}

static int run(struct bench_job *job, struct bench_result *result)
{
	const struct bench_pattern *pattern = job->pattern;
	unsigned int rounds = pattern->rounds ?: job->plan->rounds;
	int error = 0;

	job->cost = &job->round[0];
	if (pattern->setup)
		error = pattern->setup(job);
	if (!error) {
		run_rounds(job, rounds);
		if (pattern->teardown)
			pattern->teardown(job);
		summarise(job, rounds, result);
	}
	put_blocks(job);
	vfree(job->blocks);
	vfree(job->free_samples.ticks);
	vfree(job->alloc_samples.ticks);
	return error;
}

static int run_with(const struct bench_pattern *pattern, const struct bench_allocator *allocator,
		    const struct bench_plan *plan, unsigned long arg, struct bench_result *result)
{
	struct bench_job *job = kvzalloc(sizeof(*job), GFP_KERNEL);
	int error;

	if (!job)
		return -ENOMEM;
	job->pattern = pattern;
	job->allocator = allocator;
	job->plan = plan;
	job->arg = arg;
	job->n = plan->ops;
	job->free_regions = BENCH_NONE;
	prandom_seed_state(&job->random, SEED);
	error = run(job, result);
	kvfree(job);
	return error;
}

static void take_off(u64 *cost, u64 own)
{
	if (*cost != BENCH_NONE && own != BENCH_NONE)
		*cost -= min(*cost, own);
}

static void take_off_latency(struct bench_latency *latency, u64 own)
{
	take_off(&latency->p50, own);
	take_off(&latency->p99, own);
	take_off(&latency->p999, own);
	take_off(&latency->max, own);
}

/**
 * bench_measure() - Measure one allocator at one pattern.
 * @pattern: the work
 * @allocator: who does it
 * @plan: how much of it
 * @arg: order or size of the blocks; without meaning for mixed patterns
 * @result: what it cost
 *
 * Context: Process context, sleeps. Takes as long as it takes.
 * Return: 0 or an errno.
 */
int bench_measure(const struct bench_pattern *pattern, const struct bench_allocator *allocator,
		  const struct bench_plan *plan, unsigned long arg, struct bench_result *result)
{
	struct bench_result own;
	int error;

	error = run_with(pattern, allocator->bytes ? &null_bytes : &null_pages, plan, arg, &own);
	if (!error && allocator->create)
		error = allocator->create(plan->bytes, arg);
	if (error)
		return error;
	error = run_with(pattern, allocator, plan, arg, result);
	if (allocator->destroy)
		allocator->destroy();
	if (error)
		return error;
	take_off(&result->alloc, own.alloc);
	take_off(&result->free, own.free);
	take_off(&result->pair, own.pair);
	take_off_latency(&result->alloc_latency, own.alloc_latency.p50);
	take_off_latency(&result->free_latency, own.free_latency.p50);
	return 0;
}
