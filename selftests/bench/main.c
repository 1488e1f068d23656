// SPDX-License-Identifier: GPL-2.0
/*
 * respool_bench.ko: parameters, the competitors, and the results.
 *
 * Loading the module runs the benchmark. Then /sys/kernel/debug/respool_bench
 * has a line for each allocator, pattern and arg; scripts/bench reads it. A
 * column that makes no sense for a pattern is "-".
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/debugfs.h>
#include <linux/err.h>
#include <linux/kernel.h>
#include <linux/module.h>
#include <linux/moduleparam.h>
#include <linux/sched.h>
#include <linux/sizes.h>
#include <linux/string.h>
#include <linux/vmalloc.h>
#include <linux/respool.h>

#include "selftests/bench/bench.h"

#define MAX_ARGS	16
#define RESULTS_BYTES	SZ_1M

static char *pool = "main";
module_param(pool, charp, 0444);
MODULE_PARM_DESC(pool, "Pool of respool.ko to use; all others get one of its size (default main)");

static char *allocators = "";
module_param(allocators, charp, 0444);
MODULE_PARM_DESC(allocators, "Allocators to measure, separated by commas (default all there are)");

static char *patterns = "";
module_param(patterns, charp, 0444);
MODULE_PARM_DESC(patterns, "Patterns to measure, separated by commas (default all)");

static unsigned int orders[MAX_ARGS] = { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10 };
static unsigned int nr_orders = 11;
module_param_array(orders, uint, &nr_orders, 0444);
MODULE_PARM_DESC(orders, "Orders of blocks of pages (default 0 to 10)");

static unsigned int sizes[MAX_ARGS] = { 16, 32, 64, 128, 256, 512, 1024, 2048, 4096 };
static unsigned int nr_sizes = 9;
module_param_array(sizes, uint, &nr_sizes, 0444);
MODULE_PARM_DESC(sizes, "Sizes of blocks in bytes, 8 to 65536 (default 16 to 4096)");

static unsigned int ops = 4096;
module_param(ops, uint, 0444);
MODULE_PARM_DESC(ops, "Calls of each kind in a round, 1 to 65536 (default 4096)");

static unsigned int rounds = 5;
module_param(rounds, uint, 0444);
MODULE_PARM_DESC(rounds, "Rounds, the median of which counts, 1 to 100 (default 5)");

static bool ticks;
module_param(ticks, bool, 0444);
MODULE_PARM_DESC(ticks, "Count ticks of the CPU's own clock instead of nanoseconds (default 0)");

struct respool *bench_pool;

static const struct bench_allocator *competitors[] = {
	&bench_respool,
	&bench_alloc_pages,
	&bench_gen_pool_first,
	&bench_gen_pool_best,
	&bench_respool_bytes,
	&bench_respool_cache,
	&bench_kmalloc,
	&bench_kmem_cache,
	&bench_dma_pool,
	&bench_gen_pool_bytes,
	NULL,	/* gpu_buddy, if it is there */
};

static struct debugfs_blob_wrapper results;
static struct dentry *results_file;

/* Parameters */

/* Whether the comma-separated @list has the word @name; an empty one has all. */
static bool selected(const char *list, const char *name)
{
	size_t len = strlen(name);
	const char *word = list;

	if (!*list)
		return true;
	while ((word = strstr(word, name))) {
		if ((word == list || word[-1] == ',') && (!word[len] || word[len] == ','))
			return true;
		word += len;
	}
	return false;
}

static const char *allocator_name(unsigned int i)
{
	return competitors[i] ? competitors[i]->name : "";
}

static const char *pattern_name(unsigned int i)
{
	return bench_patterns[i].name;
}

/* Each word of @list is one of the @n that @name knows. */
static int check_names(const char *what, const char *list, const char *(*name)(unsigned int i),
		       unsigned int n)
{
	const char *word, *end;
	unsigned int i;

	for (word = list; *word; word = *end ? end + 1 : end) {
		end = strchrnul(word, ',');
		for (i = 0; i < n; i++)
			if (strlen(name(i)) == end - word && !strncmp(name(i), word, end - word))
				break;
		if (i == n) {
			pr_err("%s=: there is no '%.*s'\n", what, (int)(end - word), word);
			return -ENOENT;
		}
	}
	return 0;
}

static int check_range(const char *what, unsigned int value, unsigned int low, unsigned int high)
{
	if (value >= low && value <= high)
		return 0;
	pr_err("%s=: %u is not in %u to %u\n", what, value, low, high);
	return -EINVAL;
}

static int check_parameters(void)
{
	unsigned int i;
	int error;

	error = check_names("allocators", allocators, allocator_name, ARRAY_SIZE(competitors));
	if (!error)
		error = check_names("patterns", patterns, pattern_name, bench_nr_patterns);
	if (!error)
		error = check_range("ops", ops, 1, 65536);
	if (!error)
		error = check_range("rounds", rounds, 1, 100);
	for (i = 0; !error && i < nr_orders; i++)
		error = check_range("orders", orders[i], 0, 20);
	for (i = 0; !error && i < nr_sizes; i++)
		error = check_range("sizes", sizes[i], 8, 65536);
	return error;
}

/* Results */

static __printf(1, 2) void emit(const char *format, ...)
{
	size_t room = RESULTS_BYTES - results.size;
	va_list args;

	va_start(args, format);
	results.size += vscnprintf(results.data + results.size, room, format, args);
	va_end(args);
}

static void emit_number(u64 number)
{
	if (number == BENCH_NONE)
		emit(" -");
	else
		emit(" %llu", number);
}

static void emit_thousandths(u64 value)
{
	if (value == BENCH_NONE)
		emit(" -");
	else
		emit(" %llu.%03u", value / 1000, (unsigned int)(value % 1000));
}

static void emit_latency(const struct bench_latency *latency)
{
	emit_thousandths(latency->p50);
	emit_thousandths(latency->p99);
	emit_thousandths(latency->p999);
	emit_thousandths(latency->max);
}

static void emit_result(const char *allocator, const struct bench_pattern *pattern,
			unsigned long arg, const struct bench_result *result)
{
	emit("%s %s", allocator, pattern->name);
	emit_number(pattern->mixed ? BENCH_NONE : arg);
	emit_number(result->n);
	emit_thousandths(result->alloc);
	emit_thousandths(result->free);
	emit_thousandths(result->pair);
	emit_latency(&result->alloc_latency);
	emit_latency(&result->free_latency);
	emit_number(result->failed);
	emit_thousandths(result->free_regions);
	emit("\n");
}

static void emit_header(void)
{
	emit("allocator pattern arg n alloc free pair");
	emit(" alloc_p50 alloc_p99 alloc_p999 alloc_max free_p50 free_p99 free_p999 free_max");
	emit(" failed free_regions\n");
}

/* The run */

static int measure(const struct bench_pattern *pattern, const struct bench_allocator *allocator,
		   const struct bench_plan *plan, unsigned long arg)
{
	struct bench_result result;
	int error = bench_measure(pattern, allocator, plan, arg, &result);

	if (error)
		pr_err("%s, %s %lu: error %d\n", allocator->name, pattern->name, arg, error);
	else
		emit_result(allocator->name, pattern, arg, &result);
	cond_resched();
	return error;
}

static bool makes_sense(const struct bench_pattern *pattern,
			const struct bench_allocator *allocator)
{
	return (allocator->bytes ? pattern->bytes : pattern->pages) &&
	       !(pattern->mixed && allocator->one_size) &&
	       !(pattern->needs_address && !allocator->address);
}

static int measure_args(const struct bench_pattern *pattern,
			const struct bench_allocator *allocator, const struct bench_plan *plan)
{
	const unsigned int *args = allocator->bytes ? sizes : orders;
	unsigned int i, nr_args = allocator->bytes ? nr_sizes : nr_orders;
	int error = 0;

	if (pattern->mixed)
		return measure(pattern, allocator, plan, 0);
	for (i = 0; i < nr_args && !error; i++)
		error = measure(pattern, allocator, plan, args[i]);
	return error;
}

static int measure_all(void)
{
	const struct bench_plan plan = {
		.bytes = (u64)respool_nr_pages(bench_pool) << PAGE_SHIFT,
		.ops = ops,
		.rounds = rounds,
		.ticks_per_us = ticks ? 0 : bench_ticks_per_us(),
	};
	const struct bench_allocator **allocator;
	const struct bench_pattern *pattern;
	int error;

	emit_header();
	for (pattern = bench_patterns; pattern < bench_patterns + bench_nr_patterns; pattern++) {
		if (!selected(patterns, pattern->name))
			continue;
		for (allocator = competitors;
		     allocator < competitors + ARRAY_SIZE(competitors); allocator++) {
			if (!*allocator || !selected(allocators, (*allocator)->name) ||
			    !makes_sense(pattern, *allocator))
				continue;
			error = measure_args(pattern, *allocator, &plan);
			if (error)
				return error;
		}
	}
	return results.size < RESULTS_BYTES - 1 ? 0 : -ENOSPC;
}

static int open_pool(void)
{
	bench_pool = respool_get(pool);
	if (!IS_ERR(bench_pool))
		return 0;
	pr_err("pool=: cannot open '%s', error %ld\n", pool, PTR_ERR(bench_pool));
	return PTR_ERR(bench_pool);
}

static int __init bench_init(void)
{
	const struct bench_allocator **gpu_buddy = &competitors[ARRAY_SIZE(competitors) - 1];
	int error;

	*gpu_buddy = symbol_get(respool_bench_gpu_buddy);
	error = check_parameters();
	if (error)
		goto out_symbol;
	error = open_pool();
	if (error)
		goto out_symbol;
	error = -ENOMEM;
	results.data = vzalloc(RESULTS_BYTES);
	if (!results.data)
		goto out_pool;
	error = measure_all();
	if (error)
		vfree(results.data);
	else
		results_file = debugfs_create_blob("respool_bench", 0444, NULL, &results);
out_pool:
	respool_put(bench_pool);
out_symbol:
	if (*gpu_buddy)
		symbol_put(respool_bench_gpu_buddy);
	return error;
}

static void __exit bench_exit(void)
{
	debugfs_remove(results_file);
	vfree(results.data);
}

module_init(bench_init);
module_exit(bench_exit);

MODULE_AUTHOR("respool maintainers");
MODULE_DESCRIPTION("The same work for respool and for the kernel's allocators");
MODULE_LICENSE("GPL");
