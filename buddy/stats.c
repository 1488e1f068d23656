// SPDX-License-Identifier: GPL-2.0
/*
 * What there is to see. What both layers share in telling of mistakes: kinds,
 * names, errnos, the one log line, and the rule for names. And snapshots of a
 * pool: its statistics, whether it is whole, its map.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/bitops.h>
#include <linux/ctype.h>
#include <linux/export.h>
#include <linux/kernel.h>
#include <linux/sched.h>
#include <linux/string.h>

#include <trace/events/respool.h>

#include "buddy/pool.h"

static_assert(RESPOOL_NR_ORDERS == RESPOOL_BUDDY_ORDERS);

/* Refusals */

const char *const respool_refusal_names[RESPOOL_NR_REFUSALS] = {
	[RESPOOL_DOUBLE_FREE]	= "double_free",
	[RESPOOL_INTERIOR]	= "interior",
	[RESPOOL_WRONG_ORDER]	= "wrong_order",
	[RESPOOL_FOREIGN]	= "foreign",
	[RESPOOL_WRONG_SLAB]	= "wrong_slab",
	[RESPOOL_ZERO_SIZE]	= "zero_size",
	[RESPOOL_TOO_LARGE]	= "too_large",
	[RESPOOL_BAD_ALIGN]	= "bad_align",
	[RESPOOL_OVERFLOW]	= "overflow",
	[RESPOOL_CORRUPT]	= "corrupt",
	[RESPOOL_REDZONE]	= "redzone",
	[RESPOOL_POISON]	= "poison",
	[RESPOOL_BAD_FLAGS]	= "bad_flags",
};

/* Which mistake the errno of a refused free names; see linux/respool.h. */
enum respool_refusal respool_refusal_of(int error)
{
	switch (error) {
	case -EALREADY:
		return RESPOOL_DOUBLE_FREE;
	case -EINVAL:
		return RESPOOL_INTERIOR;
	case -ERANGE:
		return RESPOOL_WRONG_ORDER;
	case -EXDEV:
		return RESPOOL_WRONG_SLAB;
	case -EFAULT:
		return RESPOOL_FOREIGN;
	default:
		return RESPOOL_CORRUPT;
	}
}

/*
 * Count a refused call and log the first of its kind. Any context but NMI;
 * no respool lock may be held, since printing can take long.
 */
void respool_refuse(struct respool_refusals *refusals, enum respool_refusal kind,
		    const char *layer, const char *name, const char *fmt, ...)
{
	struct va_format vaf;
	va_list args;

	atomic64_inc(&refusals->count[kind]);
	va_start(args, fmt);
	vaf.fmt = fmt;
	vaf.va = &args;
	trace_respool_refusal(layer, name, respool_refusal_names[kind], &vaf);
	if (!test_and_set_bit(kind, &refusals->reported))
		pr_err("%s %s: refused %s: %pV, task %s/%d (further ones are only counted)\n",
		       layer, name, respool_refusal_names[kind], &vaf, current->comm,
		       current->pid);
	va_end(args);
}

void respool_refusals_read(const struct respool_refusals *refusals,
			   u64 count[RESPOOL_NR_REFUSALS])
{
	unsigned int kind;

	for (kind = 0; kind < RESPOOL_NR_REFUSALS; kind++)
		count[kind] = atomic64_read(&refusals->count[kind]);
}

/* Names become debugfs directories and device nodes. */
bool respool_name_valid(const char *name)
{
	size_t len = strnlen(name, RESPOOL_NAME_LEN);
	size_t i;

	if (!len || len == RESPOOL_NAME_LEN)
		return false;
	for (i = 0; i < len; i++)
		if (!isascii(name[i]) || (!isalnum(name[i]) && !strchr("_.-", name[i])))
			return false;
	return strcmp(name, ".") && strcmp(name, "..");
}

/* Snapshots */

static void read_magazines(struct respool_pool *pool, struct respool_stats *stats)
{
	const struct respool_cpu *cpu;
	struct respool_order_stats *row;
	unsigned int i, tag;
	unsigned int order;

	for_each_possible_cpu(i) {
		cpu = per_cpu_ptr(pool->magazines.cpu, i);
		for (order = 0; order < RESPOOL_MAGAZINES; order++) {
			row = &stats->order[order];
			row->cached_blocks += respool_cpu_cached(cpu, order);
			for (tag = 0; tag < RESPOOL_BUDDY_TAGS; tag++) {
				row->allocations += cpu->allocations[order][tag];
				stats->frees += cpu->frees[order][tag];
			}
		}
	}
}

static void read_core(struct respool_pool *pool, struct respool_stats *stats)
{
	const struct respool_buddy *buddy = &pool->buddy;
	struct respool_order_stats *row;
	unsigned int order;

	stats->pages = buddy->nr_pages;
	stats->free_pages = buddy->free_pages;
	stats->reserved_pages = buddy->reserved_pages;
	stats->bad_pages = buddy->bad_pages;
	stats->watermark_pages = buddy->watermark;
	stats->peak_allocated_pages = buddy->peak_pages;
	stats->free_regions = respool_buddy_free_regions(buddy);
	stats->regions = buddy->nr_regions;
	stats->frees = pool->frees;
	stats->failures = pool->failures;
	stats->max_order = buddy->max_order;
	stats->largest_free_order = respool_buddy_largest_free_order(buddy);
	for (order = 0; order < RESPOOL_NR_ORDERS; order++) {
		row = &stats->order[order];
		row->free_blocks = buddy->nr_free[order];
		row->allocated_blocks = buddy->nr_allocated[order];
		row->allocations = pool->order_allocations[order];
		row->failures = pool->order_failures[order];
	}
}

void respool_pool_stats(struct respool_pool *pool, struct respool_stats *stats)
{
	unsigned long flags;
	unsigned int order;

	memset(stats, 0, sizeof(*stats));
	respool_refusals_read(&pool->refusals, stats->refusals);
	stats->clear_pages = atomic_long_read(&pool->clear_pages);
	flags = respool_pool_freeze(pool);
	read_core(pool, stats);
	read_magazines(pool, stats);
	respool_pool_thaw(pool, flags);

	/* The core cannot tell what is in a magazine from what is held. */
	for (order = 0; order < RESPOOL_NR_ORDERS; order++) {
		struct respool_order_stats *row = &stats->order[order];

		row->allocated_blocks -= row->cached_blocks;
		stats->cached_pages += row->cached_blocks << order;
		stats->allocated_pages += row->allocated_blocks << order;
		stats->allocations += row->allocations;
	}
}

/**
 * respool_stats() - Read a pool's statistics.
 * @pool: handle
 * @stats: where they go; see &struct respool_stats
 *
 * All numbers but the refusals are of one moment, so that sums add up.
 *
 * Context: Process context. Holds every CPU's magazines and the pool's lock,
 * with interrupts off, for a time in proportion to the number of CPUs and of
 * orders. Does not sleep.
 */
void respool_stats(struct respool *pool, struct respool_stats *stats)
{
	respool_pool_stats(pool->pool, stats);
}
EXPORT_SYMBOL_GPL(respool_stats);

/* What is held and what is in magazines must be what the core says is allocated. */
static const char *check_accounts(struct respool_pool *pool)
{
	unsigned int tag, cpu;
	u64 pages = 0;
	unsigned int order;

	for (tag = 0; tag < RESPOOL_BUDDY_TAGS; tag++)
		pages += respool_sum_tally(pool, tag).pages;
	for_each_possible_cpu(cpu)
		for (order = 0; order < RESPOOL_MAGAZINES; order++)
			pages += (u64)respool_cpu_cached(per_cpu_ptr(pool->magazines.cpu, cpu),
							 order) << order;
	return pages == pool->buddy.allocated_pages ? NULL :
	       "accounts and magazines differ from what is allocated";
}

/* Check everything that is not known to be broken; true for a new finding. */
static bool find_broken(struct respool_pool *pool)
{
	unsigned long page = RESPOOL_NO_PAGE;
	const char *broken;

	if (*pool->broken)
		return false;
	broken = respool_buddy_validate(&pool->buddy, &page);
	if (!broken)
		broken = check_accounts(pool);
	if (!broken)
		return false;
	if (page == RESPOOL_NO_PAGE)
		strscpy(pool->broken, broken, sizeof(pool->broken));
	else
		snprintf(pool->broken, sizeof(pool->broken), "%s (page %lu)", broken, page);
	respool_magazines_shut(&pool->magazines);
	return true;
}

int respool_pool_validate(struct respool_pool *pool, char *why, size_t len)
{
	unsigned long flags = respool_pool_freeze(pool);
	bool found = find_broken(pool), broken = *pool->broken;

	respool_pool_thaw(pool, flags);
	/* What is broken stays what it is. */
	if (len)
		strscpy(why, broken ? pool->broken : "ok", len);
	if (found) {
		trace_respool_corruption("pool", pool->spec.name, -1, 0, pool->broken);
		pr_err("pool %s: out of service: %s\n", pool->spec.name, pool->broken);
	}
	return broken ? -EUCLEAN : 0;
}

/**
 * respool_validate() - Check every invariant of a pool.
 * @pool: handle
 * @why: receives "ok", or the first broken invariant in words
 * @len: bytes at @why
 *
 * A pool found broken is taken out of service: it allocates nothing more and
 * refuses every free.
 *
 * Context: Process context, for diagnosis: holds every CPU's magazines and the
 * pool's lock, with interrupts off, for a time in proportion to the pool's
 * pages. Does not sleep.
 * Return: 0, or -EUCLEAN.
 */
int respool_validate(struct respool *pool, char *why, size_t len)
{
	return respool_pool_validate(pool->pool, why, len);
}
EXPORT_SYMBOL_GPL(respool_validate);

void respool_pool_map(struct respool_pool *pool, unsigned long region,
		      u64 pages[RESPOOL_REGION_PAGES / 64], u64 free[RESPOOL_REGION_PAGES / 64])
{
	unsigned long flags;

	raw_spin_lock_irqsave(&pool->lock, flags);
	respool_buddy_region_map(&pool->buddy, region, pages, free);
	raw_spin_unlock_irqrestore(&pool->lock, flags);
}
