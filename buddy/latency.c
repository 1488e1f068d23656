// SPDX-License-Identifier: GPL-2.0
/*
 * Latency histograms: switched on and off, and shown. Memory for them is taken
 * when they are first asked for; counting takes no lock.
 */
#include <linux/cpumask.h>
#include <linux/seq_file.h>
#include <linux/slab.h>

#include "buddy/latency.h"
#include "buddy/pool.h"

DEFINE_STATIC_KEY_FALSE(respool_latency_key);
DEFINE_STATIC_KEY_FALSE(respool_watch_key);	/* counts who wants to note something */

static const char *const kind_names[RESPOOL_LATENCY_KINDS] = {
	[RESPOOL_LATENCY_ALLOC] = "alloc",
	[RESPOOL_LATENCY_REQUEST] = "request",
	[RESPOOL_LATENCY_FREE] = "free",
	[RESPOOL_LATENCY_HOLD] = "hold",
};

/* Have histograms for a pool, all of them empty. */
static int start(struct respool_pool *pool)
{
	struct respool_latency __percpu *latency = pool->magazines.latency;
	unsigned int cpu;

	if (!latency)
		latency = alloc_percpu(struct respool_latency);
	if (!latency)
		return -ENOMEM;
	for_each_possible_cpu(cpu)
		memset(per_cpu_ptr(latency, cpu), 0, sizeof(struct respool_latency));
	WRITE_ONCE(pool->magazines.latency, latency);
	return 0;
}

/* For a pool that is being made. */
int respool_latency_init(struct respool_pool *pool)
{
	return static_key_enabled(&respool_latency_key) ? start(pool) : 0;
}

/* From now on count, from zero, or not. Task context, one at a time. */
int respool_latency_switch(bool on)
{
	int error;

	if (on == static_key_enabled(&respool_latency_key))
		return 0;
	if (!on) {
		static_branch_dec(&respool_watch_key);
		static_branch_disable(&respool_latency_key);
		return 0;
	}
	error = respool_pools_each(start);
	if (error)
		return error;
	static_branch_enable(&respool_latency_key);
	static_branch_inc(&respool_watch_key);
	return 0;
}

static u64 sum_of(const struct respool_latency __percpu *latency, unsigned int kind,
		  unsigned int order, unsigned int bucket)
{
	unsigned int cpu;
	u64 sum = 0;

	for_each_possible_cpu(cpu)
		sum += READ_ONCE(per_cpu_ptr(latency, cpu)->count[kind][order][bucket]);
	return sum;
}

static u64 total_of(const struct respool_latency __percpu *latency, unsigned int kind,
		    unsigned int order)
{
	unsigned int cpu;
	u64 sum = 0;

	for_each_possible_cpu(cpu)
		sum += READ_ONCE(per_cpu_ptr(latency, cpu)->total_ns[kind][order]);
	return sum;
}

/* Returns the calls it has shown. */
static u64 show_histogram(struct seq_file *m, const struct respool_latency __percpu *latency,
			  unsigned int kind, unsigned int order)
{
	unsigned int bucket;
	u64 sum, calls = 0;

	for (bucket = 0; bucket < RESPOOL_LATENCY_BUCKETS; bucket++) {
		sum = sum_of(latency, kind, order, bucket);
		if (sum)
			seq_printf(m, "%s %u %lu %llu\n", kind_names[kind], order, 1UL << bucket,
				   sum);
		calls += sum;
	}
	return calls;
}

void respool_latency_show(struct seq_file *m, struct respool_pool *pool)
{
	const struct respool_latency __percpu *latency = READ_ONCE(pool->magazines.latency);
	u64 calls[RESPOOL_LATENCY_KINDS][RESPOOL_LATENCY_ORDERS] = {};
	unsigned int kind, order;

	seq_puts(m, "what order below_ns count\n");
	for (kind = 0; latency && kind < RESPOOL_LATENCY_KINDS; kind++)
		for (order = 0; order < RESPOOL_LATENCY_ORDERS; order++)
			calls[kind][order] = show_histogram(m, latency, kind, order);
	seq_puts(m, "\nwhat order calls total_ns\n");
	for (kind = 0; latency && kind < RESPOOL_LATENCY_KINDS; kind++)
		for (order = 0; order < RESPOOL_LATENCY_ORDERS; order++)
			if (calls[kind][order])
				seq_printf(m, "%s %u %llu %llu\n", kind_names[kind], order,
					   calls[kind][order], total_of(latency, kind, order));
}
