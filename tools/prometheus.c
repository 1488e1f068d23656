// SPDX-License-Identifier: GPL-2.0
/*
 * What respool shows in debugfs, in the text format of Prometheus, as the
 * textfile collector of node_exporter takes it. Units are bytes and seconds, parts
 * of one are ratios, what only grows ends in _total. All samples of a metric stand
 * together, and none has the labels of another.
 */
#include <string.h>
#include <unistd.h>

#include "prometheus.h"

enum unit { COUNT, PAGES, ORDER, PERMILLE };

struct metric {
	const char *column;	/* in debugfs */
	const char *name;	/* without the prefix of its file; "_total" makes a counter */
	enum unit unit;
	const char *help;
};

static const struct metric pool_metrics[] = {
	{ "pages", "size_bytes", PAGES, "Memory in the pool." },
	{ "free_pages", "free_bytes", PAGES, "Memory in free blocks." },
	{ "allocated_pages", "allocated_bytes", PAGES, "Memory that clients hold." },
	{ "cached_pages", "cached_bytes", PAGES, "Free memory in per-CPU magazines." },
	{ "reserved_pages", "reserved_bytes", PAGES, "Memory set apart." },
	{ "bad_pages", "bad_bytes", PAGES, "Memory out of service." },
	{ "clear_pages", "clear_bytes", PAGES, "Free and cached memory known to be zero." },
	{ "watermark_pages", "watermark_bytes", PAGES,
	  "Free memory that only atomic requests may use." },
	{ "peak_allocated_pages", "peak_allocated_bytes", PAGES,
	  "Most memory allocated and cached since load." },
	{ "free_regions", "free_regions", COUNT, "Groups of 512 pages that are wholly free." },
	{ "regions", "regions", COUNT, "Groups of 512 pages the pool touches." },
	{ "max_order", "max_block_bytes", ORDER, "Largest block the empty pool can serve." },
	{ "largest_free_order", "largest_free_bytes", ORDER,
	  "Largest block that would be served now without calling in the magazines." },
	{ "allocations", "allocations_total", COUNT, "Allocation calls served." },
	{ "frees", "frees_total", COUNT, "Free calls accepted." },
	{ "failures", "failures_total", COUNT, "Allocation calls not served." },
	{}
};

static const struct metric order_metrics[] = {
	{ "free_blocks", "free_blocks", COUNT, "Free blocks of this order." },
	{ "allocated_blocks", "allocated_blocks", COUNT, "Blocks of this order that are held." },
	{ "cached_blocks", "cached_blocks", COUNT,
	  "Free blocks of this order in per-CPU magazines." },
	{ "allocations", "allocations_total", COUNT, "Requests of this order served." },
	{ "failures", "failures_total", COUNT, "Requests of this order not served." },
	{}
};

static const struct metric owner_metrics[] = {
	{ "pages", "held_bytes", PAGES, "Memory on this account, or those of this name." },
	{ "blocks", "held_blocks", COUNT, "Blocks on this account." },
	{ "allocations", "allocations_total", COUNT, "Allocations by this account." },
	{ "frees", "frees_total", COUNT, "Frees of blocks of this account." },
	{}
};

static const struct metric user_metrics[] = {
	{ "pages", "held_bytes", PAGES, "User buffers that count for this user." },
	{}
};

static const struct metric slab_metrics[] = {
	{ "held_pages", "held_bytes", PAGES, "Memory taken from the pool." },
	{ "runs", "runs", COUNT, "Runs of pages the memory forms." },
	{ "empty_runs", "empty_runs", COUNT, "Runs without a live block." },
	{ "live_blocks", "live_blocks", COUNT, "Blocks handed out." },
	{ "live_bytes", "live_bytes", COUNT, "Memory usable in blocks handed out." },
	{ "cached_blocks", "cached_blocks", COUNT, "Free blocks in per-CPU magazines." },
	{ "cached_bytes", "cached_bytes", COUNT, "Memory usable in cached blocks." },
	{ "quarantined_blocks", "quarantined_blocks", COUNT, "Freed blocks in the quarantine." },
	{ "quarantined_bytes", "quarantined_bytes", COUNT, "Memory usable in quarantined blocks." },
	{ "free_blocks", "free_blocks", COUNT, "Free blocks." },
	{ "free_bytes", "free_bytes", COUNT, "Memory in free blocks, headers included." },
	{ "overhead_bytes", "overhead_bytes", COUNT, "Memory in headers, and out of service." },
	{ "largest_free", "largest_free_bytes", COUNT, "Memory usable in the largest free block." },
	{ "peak_held_pages", "peak_held_bytes", PAGES, "Most memory taken from the pool." },
	{ "peak_live_bytes", "peak_live_bytes", COUNT, "Most memory live and cached." },
	{ "internal_permille", "internal_fragmentation_ratio", PERMILLE,
	  "Overhead as part of the memory taken from the pool." },
	{ "external_permille", "external_fragmentation_ratio", PERMILLE,
	  "Part of the free memory that is not in the largest free block." },
	{ "allocations", "allocations_total", COUNT, "Allocation calls served." },
	{ "frees", "frees_total", COUNT, "Free calls accepted." },
	{ "reallocs", "reallocs_total", COUNT, "Realloc calls served." },
	{ "reallocs_in_place", "reallocs_in_place_total", COUNT,
	  "Realloc calls that did not move the block." },
	{ "failures", "failures_total", COUNT, "Calls not served." },
	{ "splits", "splits_total", COUNT, "Blocks cut in two." },
	{ "coalesces", "coalesces_total", COUNT, "Neighbours merged." },
	{ "runs_taken", "runs_taken_total", COUNT, "Runs taken from the pool." },
	{ "runs_returned", "runs_returned_total", COUNT, "Runs given back to the pool." },
	{}
};

static const struct metric cache_metrics[] = {
	{ "size", "object_requested_bytes", COUNT, "Size of an object as asked for." },
	{ "object_bytes", "object_bytes", COUNT, "From one object to the next." },
	{ "run_pages", "run_bytes", PAGES, "Size of a run." },
	{ "run_objects", "run_objects", COUNT, "Objects in a run." },
	{ "held_pages", "held_bytes", PAGES, "Memory taken from the pool." },
	{ "runs", "runs", COUNT, "Runs in service." },
	{ "empty_runs", "empty_runs", COUNT, "Runs whose objects are all free." },
	{ "damaged_runs", "damaged_runs", COUNT, "Runs out of service." },
	{ "live_objects", "live_objects", COUNT, "Objects handed out." },
	{ "free_objects", "free_objects", COUNT, "Free objects in runs." },
	{ "cached_objects", "cached_objects", COUNT, "Free objects in per-CPU magazines." },
	{ "overhead_bytes", "overhead_bytes", COUNT, "Memory in headers, and out of service." },
	{ "peak_held_pages", "peak_held_bytes", PAGES, "Most memory taken from the pool." },
	{ "allocations", "allocations_total", COUNT, "Objects handed out." },
	{ "frees", "frees_total", COUNT, "Frees accepted." },
	{ "failures", "failures_total", COUNT, "Calls not served." },
	{ "runs_taken", "runs_taken_total", COUNT, "Runs taken from the pool." },
	{ "runs_returned", "runs_returned_total", COUNT, "Runs given back to the pool." },
	{}
};

/* Where samples come from: one table in each pool, slab or cache. */
struct family {
	const char *prefix;
	const struct metric *metrics;
	const char *label;	/* what tells the rows of a pool's table apart, or NULL */
	const char *key;	/* its column */
	const struct table *(*table)(const struct pool *pool);
	const struct parts *(*parts)(const struct pool *pool);
	int stats;		/* the table of each part */
};

static const struct table *pool_stats(const struct pool *pool)
{
	return &pool->own.table[POOL_STATS];
}

static const struct table *pool_orders(const struct pool *pool)
{
	return &pool->own.table[POOL_ORDERS];
}

static const struct table *pool_owners(const struct pool *pool)
{
	return &pool->own.table[POOL_OWNERS];
}

static const struct table *pool_users(const struct pool *pool)
{
	return &pool->heap.table[HEAP_USERS];
}

static const struct parts *pool_slabs(const struct pool *pool)
{
	return &pool->slabs;
}

static const struct parts *pool_caches(const struct pool *pool)
{
	return &pool->caches;
}

static const struct family families[] = {
	{ "respool_pool_", pool_metrics, .table = pool_stats },
	{ "respool_pool_order_", order_metrics, "order", "order", .table = pool_orders },
	{ "respool_owner_", owner_metrics, "owner", "owner", .table = pool_owners },
	{ "respool_user_", user_metrics, "uid", "uid", .table = pool_users },
	{ "respool_slab_", slab_metrics, "slab", .parts = pool_slabs, SLAB_STATS },
	{ "respool_cache_", cache_metrics, "cache", .parts = pool_caches, CACHE_STATS },
};

/* Samples */

static bool ends_with(const char *text, const char *end)
{
	size_t len = strlen(text);

	return len >= strlen(end) && !strcmp(text + len - strlen(end), end);
}

static void put_head(FILE *out, const char *prefix, const char *name, const char *type,
		     const char *help)
{
	fprintf(out, "# HELP %s%s %s\n", prefix, name, help);
	fprintf(out, "# TYPE %s%s %s\n", prefix, name, type);
}

static void put_label(FILE *out, char before, const char *name, const char *value)
{
	fprintf(out, "%c%s=\"", before, name);
	for (; *value; value++) {
		if (*value == '\\' || *value == '"')
			putc('\\', out);
		if (*value == '\n')
			fputs("\\n", out);
		else
			putc(*value, out);
	}
	putc('"', out);
}

static void put_value(FILE *out, enum unit unit, long long value)
{
	long long page = sysconf(_SC_PAGESIZE);

	switch (unit) {
	case COUNT:
		fprintf(out, "} %lld\n", value);
		break;
	case PAGES:
		fprintf(out, "} %lld\n", value * page);
		break;
	case ORDER:
		fprintf(out, "} %lld\n", value < 0 ? 0 : page << value);
		break;
	case PERMILLE:
		fprintf(out, "} %lld.%03lld\n", value / 1000, value % 1000);
		break;
	}
}

struct sample {
	const struct family *family;
	const struct metric *metric;
	const char *kind;	/* of a refusal */
	const char *pool;
	const char *of;		/* value of the family's label */
};

static void put_sample(FILE *out, const struct sample *sample, long long value)
{
	fprintf(out, "%s%s", sample->family->prefix, sample->metric->name);
	put_label(out, '{', "pool", sample->pool);
	if (sample->of)
		put_label(out, ',', sample->family->label, sample->of);
	if (sample->kind)
		put_label(out, ',', "kind", sample->kind);
	put_value(out, sample->metric->unit, value);
}

/* Two accounts may have one name: the first of them stands for all. */
static bool sum_rows(const struct table *table, const char *key, const char *column, size_t row,
		     long long *sum)
{
	const char *name = table_word(table, row, key);
	size_t i;

	*sum = 0;
	for (i = 0; i < table->nr_rows; i++) {
		if (strcmp(table_word(table, i, key), name))
			continue;
		if (i < row)
			return false;
		*sum += table_number(table, i, column);
	}
	return true;
}

static void put_keyed_rows(FILE *out, struct sample sample, const struct table *table)
{
	const char *key = sample.family->key;
	long long sum;
	size_t row;

	if (!table->nr_rows || !table_word(table, 0, key))
		return;
	for (row = 0; row < table->nr_rows; row++) {
		sample.of = table_word(table, row, key);
		if (sum_rows(table, key, sample.metric->column, row, &sum))
			put_sample(out, &sample, sum);
	}
}

static void put_single_row(FILE *out, struct sample sample, const struct table *table)
{
	size_t i;

	if (sample.metric->column && table_word(table, 0, sample.metric->column))
		put_sample(out, &sample, table_number(table, 0, sample.metric->column));
	for (i = 0; !sample.metric->column && table->nr_rows && i < table->nr_columns; i++) {
		if (strncmp(table->words[i], "refused_", strlen("refused_")))
			continue;
		sample.kind = table->words[i] + strlen("refused_");
		put_sample(out, &sample, table_number(table, 0, table->words[i]));
	}
}

static void put_pool(FILE *out, struct sample sample, const struct pool *pool)
{
	const struct family *family = sample.family;
	const struct parts *parts;
	size_t i;

	sample.pool = pool->own.name;
	if (family->key)
		put_keyed_rows(out, sample, family->table(pool));
	else if (family->table)
		put_single_row(out, sample, family->table(pool));
	if (!family->parts)
		return;
	parts = family->parts(pool);
	for (i = 0; i < parts->nr; i++) {
		sample.of = parts->part[i].name;
		put_single_row(out, sample, &parts->part[i].table[family->stats]);
	}
}

static void put_metric(FILE *out, const struct state *state, const struct family *family,
		       const struct metric *metric)
{
	const struct sample sample = { .family = family, .metric = metric };
	size_t i;

	put_head(out, family->prefix, metric->name,
		 ends_with(metric->name, "_total") ? "counter" : "gauge", metric->help);
	for (i = 0; i < state->nr; i++)
		put_pool(out, sample, &state->pool[i]);
}

/* Histograms */

/*
 * The first and the last bound, as powers of two of nanoseconds. All between are
 * there, whether a call took that long or not: series must not come and go. What
 * takes as long as the last bound says or longer is in the last row of the file.
 */
#define LEAST_BITS	4
#define MOST_BITS	30

#define CALLS_NAME	"respool_pool_call_duration_seconds"

static void put_calls_labels(FILE *out, const char *suffix, const char *pool, const char *what,
			     const char *order)
{
	fprintf(out, CALLS_NAME "%s", suffix);
	put_label(out, '{', "pool", pool);
	put_label(out, ',', "what", what);
	put_label(out, ',', "order", order);
}

static void put_seconds(FILE *out, long long ns)
{
	fprintf(out, "%lld.%09lld", ns / 1000000000, ns % 1000000000);
}

/* How many calls of one kind and order took less than @ns. */
static long long calls_below(const struct table *calls, const char *what, const char *order,
			     long long ns)
{
	long long sum = 0;
	size_t row;

	for (row = 0; row < calls->nr_rows; row++)
		if (!strcmp(table_word(calls, row, "what"), what) &&
		    !strcmp(table_word(calls, row, "order"), order) &&
		    table_number(calls, row, "below_ns") <= ns)
			sum += table_number(calls, row, "count");
	return sum;
}

/*
 * Of calls of one kind and order, which are @row of @times. A bound counts what it is
 * equal to, debugfs what is below a power of two: hence one less.
 */
static void put_histogram(FILE *out, const char *pool, const struct table *calls,
			  const struct table *times, size_t row)
{
	const char *what = table_word(times, row, "what");
	const char *order = table_word(times, row, "order");
	long long nr = table_number(times, row, "calls");
	int bits;

	for (bits = LEAST_BITS; bits <= MOST_BITS; bits++) {
		put_calls_labels(out, "_bucket", pool, what, order);
		fputs(",le=\"", out);
		put_seconds(out, (1LL << bits) - 1);
		fprintf(out, "\"} %lld\n", calls_below(calls, what, order, 1LL << bits));
	}
	put_calls_labels(out, "_bucket", pool, what, order);
	fprintf(out, ",le=\"+Inf\"} %lld\n", nr);
	put_calls_labels(out, "_sum", pool, what, order);
	fputs("} ", out);
	put_seconds(out, table_number(times, row, "total_ns"));
	fputs("\n", out);
	put_calls_labels(out, "_count", pool, what, order);
	fprintf(out, "} %lld\n", nr);
}

/* Whether a table has the columns of latency's; a file may be anything. */
static bool has_columns(const struct table *table, const char *one, const char *two)
{
	return table_word(table, 0, "what") && table_word(table, 0, "order") &&
	       table_word(table, 0, one) && table_word(table, 0, two);
}

static void put_calls(FILE *out, const struct pool *pool)
{
	const struct table *calls = &pool->own.table[POOL_LATENCY];
	const struct table *times = &pool->own.table[POOL_TIMES];
	size_t row;

	if (!has_columns(calls, "below_ns", "count") || !has_columns(times, "calls", "total_ns"))
		return;
	for (row = 0; row < times->nr_rows; row++)
		put_histogram(out, pool->own.name, calls, times, row);
}

void prometheus_state(FILE *out, const struct state *state)
{
	/* Of all columns "refused_KIND", the kind as a label. */
	static const struct metric refused = {
		.name = "refused_total", .help = "Mistakes refused or found, by kind.",
	};
	const struct metric *metric;
	size_t i;

	put_head(out, "respool_", "pools", "gauge", "Pools there are.");
	fprintf(out, "respool_pools %zu\n", state->nr);
	if (!state->nr)
		return;
	for (i = 0; i < sizeof(families) / sizeof(*families); i++) {
		for (metric = families[i].metrics; metric->column; metric++)
			put_metric(out, state, &families[i], metric);
		if (!families[i].key)
			put_metric(out, state, &families[i], &refused);
	}
	put_head(out, CALLS_NAME, "", "histogram",
		 "How long calls took, and held the pool's lock, where that is counted.");
	for (i = 0; i < state->nr; i++)
		put_calls(out, &state->pool[i]);
}
