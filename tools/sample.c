// SPDX-License-Identifier: GPL-2.0
/* What respool-top shows: one reading of debugfs, and rates from two. */
#include <math.h>
#include <string.h>
#include <time.h>

#include "top.h"

double now_seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec + now.tv_nsec / 1e9;
}

void take_sample(struct top *top, const char *only)
{
	unsigned int what = top->options.no_map ? 0 : STATE_MAP;

	state_free(&top->before.state);
	top->before = top->now;
	top->now.seconds = now_seconds();
	top->now.error = state_read(&top->now.state, top->options.debugfs, only, what);
}

const struct pool *find_pool(const struct sample *sample, const char *name)
{
	size_t i;

	for (i = 0; i < sample->state.nr; i++)
		if (!strcmp(sample->state.pool[i].own.name, name))
			return &sample->state.pool[i];
	return NULL;
}

struct pair pair_of(const struct top *top, const struct pool *pool, int file)
{
	const struct pool *before = find_pool(&top->before, pool->own.name);

	return (struct pair){
		.now = &pool->own.table[file],
		.before = before ? &before->own.table[file] : NULL,
		.seconds = top->now.seconds - top->before.seconds,
	};
}

static const struct table *find_part(const struct parts *parts, const char *name, int file)
{
	size_t i;

	for (i = 0; i < parts->nr; i++)
		if (!strcmp(parts->part[i].name, name))
			return &parts->part[i].table[file];
	return NULL;
}

struct pair slab_pair(const struct top *top, const struct pool *pool, const struct part *slab)
{
	const struct pool *before = find_pool(&top->before, pool->own.name);

	return (struct pair){
		.now = &slab->table[SLAB_STATS],
		.before = before ? find_part(&before->slabs, slab->name, SLAB_STATS) : NULL,
		.seconds = top->now.seconds - top->before.seconds,
	};
}

struct pair cache_pair(const struct top *top, const struct pool *pool, const struct part *cache)
{
	const struct pool *before = find_pool(&top->before, pool->own.name);

	return (struct pair){
		.now = &cache->table[CACHE_STATS],
		.before = before ? find_part(&before->caches, cache->name, CACHE_STATS) : NULL,
		.seconds = top->now.seconds - top->before.seconds,
	};
}

/* The row of @table that @row of @like is: of equal keys the first is the first. */
static long find_row(const struct table *table, const struct table *like, size_t row,
		     const char *key)
{
	const char *name = key ? table_word(like, row, key) : NULL;
	size_t nth = 0, i;

	if (!key)
		return table->nr_rows ? 0 : -1;
	for (i = 0; i < row; i++)
		nth += !strcmp(table_word(like, i, key), name);
	for (i = 0; i < table->nr_rows; i++)
		if (!strcmp(table_word(table, i, key), name) && !nth--)
			return i;
	return -1;
}

/* How much a counter grows in a second; NaN if it is not known. */
double rate_of(const struct pair *pair, size_t row, const char *key, const char *column)
{
	long then;
	double grown;

	if (!pair->before || pair->seconds <= 0)
		return NAN;
	then = find_row(pair->before, pair->now, row, key);
	if (then < 0)
		return NAN;
	grown = table_number(pair->now, row, column) - table_number(pair->before, then, column);
	/* Another pool, or another account, of that name. */
	return grown < 0 ? NAN : grown / pair->seconds;
}
