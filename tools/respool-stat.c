// SPDX-License-Identifier: GPL-2.0
/*
 * respool-stat: who has how much of respool's pools, once, for people and for
 * programs. The numbers are those of debugfs.
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "json.h"
#include "prometheus.h"
#include "state.h"

static const char usage[] =
	"usage: respool-stat [OPTION]... [POOL]\n"
	"Show respool's pools, or one, with their owners, slabs and caches.\n"
	"  --why             instead: whether a request of each order would be served now,\n"
	"                    and if not, who is in its way; and the last that failed\n"
	"  --held            instead: each block that is held, by whom, and with origins=1\n"
	"                    for how long and from where\n"
	"  --json            all there is in debugfs but the maps, as JSON; what is held\n"
	"                    with --held\n"
	"  --prometheus      the text format of Prometheus, for node_exporter's textfile\n"
	"                    collector; without respool it says that there are 0 pools\n"
	"  --output FILE     write there, all or nothing: readers never see half a file\n"
	"  --debugfs DIR     where debugfs is, or a copy of it; default " STATE_DEBUGFS "\n"
	"  --help            this text\n"
	"Columns of the tables are named as in debugfs and described in README; refused\n"
	"is the sum of refused_*. Pages are of the machine's size, mostly 4096 bytes.\n"
	"Every five minutes, from cron:\n"
	"  respool-stat --prometheus --output /var/lib/prometheus/node-exporter/respool.prom\n"
	"Exit status: 0; 1 if there is no such pool or it cannot be read or written;\n"
	"2 for a wrong option.\n";

enum format { FORMAT_TABLE, FORMAT_JSON, FORMAT_PROMETHEUS };

enum about { ABOUT_ALL, ABOUT_WHY, ABOUT_HELD };

struct options {
	enum format format;
	const char *output;
	const char *debugfs;
	const char *pool;
	enum about about;
};

/* Tables for people */

#define MAX_COLUMNS	16

/* Columns of a table for people: those of debugfs, by their names. */
static const char *const pool_columns[] = {
	"pages", "free_pages", "allocated_pages", "cached_pages", "peak_allocated_pages",
	"largest_free_order", "allocations", "failures", "refused", NULL
};

static const char *const owner_columns[] = {
	"owner", "pages", "blocks", "allocations", "frees", NULL
};

static const char *const slab_columns[] = {
	"fit", "held_pages", "live_blocks", "live_bytes", "cached_bytes", "free_bytes",
	"overhead_bytes", "failures", "refused", NULL
};

static const char *const cache_columns[] = {
	"size", "held_pages", "live_objects", "cached_objects", "free_objects",
	"overhead_bytes", "failures", "refused", NULL
};

static const char *const buffer_columns[] = {
	"buffer", "pages", "uid", "pid", "seconds", "state", "comm", NULL
};

static const char *const why_columns[] = {
	"order", "now", "place", "held_pages", "in_the_way", NULL
};

static const char *const failure_columns[] = {
	"time", "owner", "pages", "align_pages", "first_page", "last_page", "atomic",
	"free_pages", "largest_pages", "extfrag_permille", "in_the_way", "task", "caller", NULL
};

static const char *const held_columns[] = {
	"page", "pages", "owner", "age_seconds", "pid", "stack", NULL
};

/* A table for people: words, row after row, the first of them the title. */
struct listing {
	char **word;
	size_t nr;
	size_t columns;
};

static void add_word(struct listing *listing, const char *word)
{
	char *copy = strdup(word);

	listing->word = reallocarray(listing->word, listing->nr + 1, sizeof(*listing->word));
	if (!copy || !listing->word) {
		fputs("respool-stat: out of memory\n", stderr);
		exit(1);
	}
	listing->word[listing->nr++] = copy;
}

static void add_title(struct listing *listing, const char *first, const char *second,
		      const char *const *columns)
{
	*listing = (struct listing){};
	add_word(listing, first);
	if (second)
		add_word(listing, second);
	for (; *columns; columns++)
		add_word(listing, *columns);
	listing->columns = listing->nr;
}

static void add_refused(struct listing *listing, const struct table *stats)
{
	char sum[STATE_WORD];
	long long refused = 0;
	size_t i;

	for (i = 0; i < stats->nr_columns; i++)
		if (!strncmp(stats->words[i], "refused_", strlen("refused_")))
			refused += table_number(stats, 0, stats->words[i]);
	snprintf(sum, sizeof(sum), "%lld", refused);
	add_word(listing, sum);
}

/* The columns named of a row of @table, or of @also, or "-". */
static void add_columns(struct listing *listing, const char *const *columns,
			const struct table *table, const struct table *also, size_t row)
{
	const char *word;

	for (; *columns; columns++) {
		if (!strcmp(*columns, "refused")) {
			add_refused(listing, table);
			continue;
		}
		word = table_word(table, row, *columns);
		if (!word && also)
			word = table_word(also, row, *columns);
		add_word(listing, word ?: "-");
	}
}

/* Names to the left, numbers to the right, as wide as they have to be. */
static void print_listing(FILE *out, struct listing *listing)
{
	size_t width[MAX_COLUMNS] = {}, i, column;
	bool left[MAX_COLUMNS] = {};

	for (i = 0; i < listing->nr; i++) {
		column = i % listing->columns;
		if (strlen(listing->word[i]) > width[column])
			width[column] = strlen(listing->word[i]);
		if (i >= listing->columns && !word_is_number(listing->word[i]) &&
		    strcmp(listing->word[i], "-"))
			left[column] = true;
	}
	for (i = 0; listing->nr > listing->columns && i < listing->nr; i++) {
		column = i % listing->columns;
		if (left[column] && column == listing->columns - 1)
			fprintf(out, "%s", listing->word[i]);
		else
			fprintf(out, "%*s", left[column] ? -(int)width[column] :
				(int)width[column], listing->word[i]);
		fputs(column == listing->columns - 1 ? "\n" : "  ", out);
	}
	for (i = 0; i < listing->nr; i++)
		free(listing->word[i]);
	free(listing->word);
}

static void list_pools(FILE *out, const struct state *state)
{
	struct listing listing;
	size_t i;

	add_title(&listing, "pool", NULL, pool_columns);
	for (i = 0; i < state->nr; i++) {
		add_word(&listing, state->pool[i].own.name);
		add_columns(&listing, pool_columns, &state->pool[i].own.table[POOL_STATS], NULL, 0);
	}
	print_listing(out, &listing);
}

static const struct table *owners_of(const struct pool *pool)
{
	return &pool->own.table[POOL_OWNERS];
}

static const struct table *buffers_of(const struct pool *pool)
{
	return &pool->heap.table[HEAP_OWNERS];
}

static const struct table *why_of(const struct pool *pool)
{
	return &pool->own.table[POOL_WHY];
}

static const struct table *failures_of(const struct pool *pool)
{
	return &pool->own.table[POOL_FAILURES];
}

static const struct table *held_of(const struct pool *pool)
{
	return &pool->own.table[POOL_HELD];
}

/* All rows of one table of each pool, if there are any behind @gap. */
static void list_rows(FILE *out, const struct state *state, const char *gap,
		      const char *const *columns,
		      const struct table *(*table_of)(const struct pool *pool))
{
	const struct table *table;
	struct listing listing;
	size_t i, row;

	add_title(&listing, "pool", NULL, columns);
	for (i = 0; i < state->nr; i++) {
		table = table_of(&state->pool[i]);
		for (row = 0; row < table->nr_rows; row++) {
			add_word(&listing, state->pool[i].own.name);
			add_columns(&listing, columns, table, NULL, row);
		}
	}
	if (listing.nr > listing.columns)
		fputs(gap, out);
	print_listing(out, &listing);
}

static const struct parts *slabs_of(const struct pool *pool)
{
	return &pool->slabs;
}

static const struct parts *caches_of(const struct pool *pool)
{
	return &pool->caches;
}

/* One row for each slab, or cache. */
static void list_parts(FILE *out, const struct state *state, const char *what,
		       const char *const *columns, int stats, int also,
		       const struct parts *(*parts_of)(const struct pool *pool))
{
	const struct parts *parts;
	struct listing listing;
	size_t i, n;

	add_title(&listing, "pool", what, columns);
	for (i = 0; i < state->nr; i++) {
		parts = parts_of(&state->pool[i]);
		for (n = 0; n < parts->nr; n++) {
			const struct part *part = &parts->part[n];

			add_word(&listing, state->pool[i].own.name);
			add_word(&listing, part->name);
			add_columns(&listing, columns, &part->table[stats], &part->table[also], 0);
		}
	}
	if (listing.nr > listing.columns)
		putc('\n', out);
	print_listing(out, &listing);
}

static void print_tables(FILE *out, const struct state *state, enum about about)
{
	if (about == ABOUT_HELD) {
		list_rows(out, state, "", held_columns, held_of);
		return;
	}
	if (about == ABOUT_WHY) {
		list_rows(out, state, "", why_columns, why_of);
		list_rows(out, state, "\n", failure_columns, failures_of);
		return;
	}
	list_pools(out, state);
	list_rows(out, state, "\n", owner_columns, owners_of);
	list_parts(out, state, "slab", slab_columns, SLAB_STATS, SLAB_OPTIONS, slabs_of);
	list_parts(out, state, "cache", cache_columns, CACHE_STATS, CACHE_STATS, caches_of);
	list_rows(out, state, "\n", buffer_columns, buffers_of);
}

/* Programs */

static void print_json(FILE *out, const struct state *state)
{
	size_t i;

	fputs("{\"pools\": [", out);
	for (i = 0; i < state->nr; i++) {
		fputs(i ? ",\n{" : "\n{", out);
		json_pool_members(out, &state->pool[i]);
		putc('}', out);
	}
	fputs("]}\n", out);
}

static void print_state(FILE *out, const struct state *state, const struct options *options)
{
	switch (options->format) {
	case FORMAT_TABLE:
		print_tables(out, state, options->about);
		break;
	case FORMAT_JSON:
		print_json(out, state);
		break;
	case FORMAT_PROMETHEUS:
		prometheus_state(out, state);
		break;
	}
}

/* Output */

static int complain(const char *what, int error)
{
	fprintf(stderr, "respool-stat: %s: %s\n", what, strerror(-error));
	return 1;
}

/* Write, and close; 0 or a negative errno. */
static int write_state(FILE *out, const struct state *state, const struct options *options)
{
	int error = 0;

	print_state(out, state, options);
	if (fflush(out) || (out != stdout && fsync(fileno(out))))
		error = -errno;
	if (fclose(out) && !error)
		error = -errno;
	return error;
}

/* Others read what is written here: as the umask has it, not as mkstemp() does. */
static FILE *open_beside(char *path)
{
	mode_t mask = umask(0);
	int fd;

	umask(mask);
	fd = mkstemp(path);
	if (fd < 0)
		return NULL;
	fchmod(fd, 0666 & ~mask);
	return fdopen(fd, "w");
}

/* The whole file takes the place of the one that was there. */
static int replace_file(const struct options *options, const struct state *state)
{
	const char *path = options->output;
	char beside[4096];
	FILE *out;
	int error;

	if (snprintf(beside, sizeof(beside), "%s.XXXXXX", path) >= (int)sizeof(beside))
		return -ENAMETOOLONG;
	out = open_beside(beside);
	if (!out)
		return -errno;
	error = write_state(out, state, options);
	if (!error && rename(beside, path))
		error = -errno;
	if (error)
		unlink(beside);
	return error;
}

static int put_state(const struct options *options, const struct state *state)
{
	int error;

	if (options->output)
		error = replace_file(options, state);
	else
		error = write_state(stdout, state, options);
	return error ? complain(options->output ?: "stdout", error) : 0;
}

/* Why there is nothing to be shown. */
static int explain(const struct options *options, int error)
{
	char what[256];

	if (error != -ENOENT)
		snprintf(what, sizeof(what), "%s/respool", options->debugfs);
	else if (options->pool)
		snprintf(what, sizeof(what), "no pool '%.60s' in %s/respool", options->pool,
			 options->debugfs);
	else
		snprintf(what, sizeof(what),
			 "no pools in %s/respool: is respool.ko loaded, debugfs mounted?",
			 options->debugfs);
	if (error != -ENOENT)
		return complain(what, error);
	fprintf(stderr, "respool-stat: %s\n", what);
	return 1;
}

static bool parse_options(struct options *options, int argc, char **argv)
{
	static const struct option known[] = {
		{ "why",	no_argument,		NULL, 'w' },
		{ "held",	no_argument,		NULL, 'l' },
		{ "json",	no_argument,		NULL, 'j' },
		{ "prometheus",	no_argument,		NULL, 'p' },
		{ "output",	required_argument,	NULL, 'o' },
		{ "debugfs",	required_argument,	NULL, 'd' },
		{ "help",	no_argument,		NULL, 'h' },
		{}
	};
	int c;

	while ((c = getopt_long(argc, argv, "", known, NULL)) != -1) {
		switch (c) {
		case 'w':
			options->about = ABOUT_WHY;
			break;
		case 'l':
			options->about = ABOUT_HELD;
			break;
		case 'j':
			options->format = FORMAT_JSON;
			break;
		case 'p':
			options->format = FORMAT_PROMETHEUS;
			break;
		case 'o':
			options->output = optarg;
			break;
		case 'd':
			options->debugfs = optarg;
			break;
		case 'h':
			fputs(usage, stdout);
			exit(0);
		default:
			return false;
		}
	}
	options->pool = argv[optind];
	return argc - optind <= 1;
}

int main(int argc, char **argv)
{
	struct options options = { .debugfs = STATE_DEBUGFS };
	struct state state;
	int error, status;

	if (!parse_options(&options, argc, argv)) {
		fputs(usage, stderr);
		return 2;
	}
	error = state_read(&state, options.debugfs, options.pool,
			   STATE_DETAILS | (options.about == ABOUT_HELD ? STATE_HELD : 0));
	/* That respool is gone is news for a collector. */
	if (error && (error != -ENOENT || options.pool || options.format != FORMAT_PROMETHEUS))
		return explain(&options, error);
	status = put_state(&options, &state);
	state_free(&state);
	return status;
}
