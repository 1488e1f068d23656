// SPDX-License-Identifier: GPL-2.0
/*
 * respool-stat and respool-top: every number they print is one of debugfs's, and
 * each that debugfs has is printed, as JSON, for Prometheus and in tables. Names
 * of Prometheus's are derived here by rules, not from the tools' own tables.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <dirent.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>

#include "buffers.h"
#include "run_tool.h"

#define POOLS		"main:12428K,video:4M"
#define NR_HANDLES	400
#define WORD		64

/* What was printed, or what should be: "pools.0.stats.pages" or "name{label}" and a value. */
struct entry {
	char *key;
	char *value;
};

struct entries {
	struct entry *entry;
	size_t nr;
};

static struct entries found, wanted;
static char text[1 << 20];

static void add(struct entries *to, const char *value, const char *fmt, ...)
{
	struct entry *entry;
	va_list args;

	to->entry = reallocarray(to->entry, to->nr + 1, sizeof(*to->entry));
	if (!to->entry)
		abort();
	entry = &to->entry[to->nr++];
	va_start(args, fmt);
	if (vasprintf(&entry->key, fmt, args) < 0)
		abort();
	va_end(args);
	entry->value = strdup(value);
}

static void forget(struct entries *entries)
{
	while (entries->nr) {
		free(entries->entry[--entries->nr].key);
		free(entries->entry[entries->nr].value);
	}
}

static const char *look_up(const struct entries *entries, const char *key)
{
	size_t i;

	for (i = 0; i < entries->nr; i++)
		if (!strcmp(entries->entry[i].key, key))
			return entries->entry[i].value;
	return NULL;
}

/* Each of @some is among @all, with the same value. */
static bool covers(const struct entries *all, const struct entries *some, const char *what)
{
	const char *value;
	bool good = true;
	size_t i;

	for (i = 0; i < some->nr; i++) {
		value = look_up(all, some->entry[i].key);
		if (value && !strcmp(value, some->entry[i].value))
			continue;
		printf("# %s: %s is %s there, %s here\n", what, some->entry[i].key,
		       some->entry[i].value, value ?: "missing");
		good = false;
	}
	return good;
}

static bool same(void)
{
	return covers(&found, &wanted, "debugfs has") & covers(&wanted, &found, "printed") &&
	       found.nr == wanted.nr && found.nr;
}

/* JSON: strict, and flat */

static bool parse_value(const char **at, const char *path);

static void skip_blanks(const char **at)
{
	*at += strspn(*at, " \t\n");
}

/* A string with its quotes, or a word, up to what ends it. */
static bool parse_word(const char **at, char *word, size_t size)
{
	const char *from = *at;
	size_t len;

	if (*from == '"') {
		for (len = 1; from[len] != '"'; len++)
			if ((unsigned char)from[len] < ' ' ||
			    (from[len] == '\\' && !strchr("\"\\u", from[++len])))
				return false;
		len++;
	} else {
		len = strcspn(from, " \t\n,]}");
		if (!len || (strncmp(from, "null", len) && strspn(from, "-.0123456789") != len))
			return false;
	}
	snprintf(word, size, "%.*s", (int)len, from);
	*at += len;
	skip_blanks(at);
	return len < size;
}

/* What is between brackets; @close tells which. */
static bool parse_members(const char **at, const char *path, char close)
{
	char name[WORD], member[256];
	unsigned int i;

	++*at;
	skip_blanks(at);
	for (i = 0; **at != close; i++) {
		if (i && *(*at)++ != ',')
			return false;
		skip_blanks(at);
		snprintf(name, sizeof(name), "?%u?", i);
		if (close == '}' && (**at != '"' || !parse_word(at, name, sizeof(name)) ||
				     *(*at)++ != ':'))
			return false;
		skip_blanks(at);
		snprintf(member, sizeof(member), "%s.%.*s", path, (int)strlen(name) - 2, name + 1);
		if (!parse_value(at, member))
			return false;
	}
	++*at;
	skip_blanks(at);
	return true;
}

static bool parse_value(const char **at, const char *path)
{
	char word[256];

	if (**at == '{' || **at == '[')
		return parse_members(at, path, **at == '{' ? '}' : ']');
	if (!parse_word(at, word, sizeof(word)))
		return false;
	add(&found, word, "%s", path);
	return true;
}

static bool parse_json(void)
{
	const char *at = output;

	forget(&found);
	if (parse_value(&at, "") && !*at)
		return true;
	printf("# no JSON from here: %.60s\n", at);
	return false;
}

/* debugfs, for JSON */

static bool is_number(const char *word)
{
	double number;
	int len = 0;

	return sscanf(word, "%lf%n", &number, &len) == 1 && !word[len] &&
	       strspn(word, "-.0123456789") == strlen(word);
}

static void want(const char *path, const char *column, const char *word)
{
	char quoted[256];

	bool name = !strcmp(column, "name") || !strcmp(column, "owner") ||
		    !strcmp(column, "comm") || !strcmp(column, "task") || !strcmp(column, "caller");

	snprintf(quoted, sizeof(quoted), is_number(word) && !name ? "%s" : "\"%s\"", word);
	add(&wanted, quoted, "%s.%s", path, column);
}

static bool read_debugfs(const char *dir, const char *file)
{
	char path[700];

	snprintf(path, sizeof(path), "/sys/kernel/debug/%s/%s", dir, file);
	return client_read_file(path, text, sizeof(text)) >= 0;
}

static void want_pairs(const char *path, const char *dir, const char *file)
{
	char below[350], name[WORD], value[WORD], *line, *rest;

	if (!read_debugfs(dir, file))
		return;
	snprintf(below, sizeof(below), "%s.%s", path, file);
	for (line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest))
		if (sscanf(line, "%63s %63s", name, value) == 2)
			want(below, name, value);
}

/* Rows in text[]; the last column is what is left of the line. */
static void want_text_rows(const char *path, const char *name, char *from)
{
	char below[350], *line, *rest, *title = strtok_r(from, "\n", &rest), *words, *titles;
	unsigned int row = 0;

	while ((line = strtok_r(NULL, "\n", &rest))) {
		char *names = strdup(title), *column = strtok_r(names, " ", &titles), *next;

		snprintf(below, sizeof(below), "%s.%s.%u", path, name, row++);
		for (words = line; column; column = next) {
			next = strtok_r(NULL, " ", &titles);
			words += strspn(words, " ");
			want(below, column, next ? strsep(&words, " ") : words);
		}
		free(names);
	}
}

static void want_rows(const char *path, const char *dir, const char *file)
{
	if (read_debugfs(dir, file))
		want_text_rows(path, file, text);
}

/* A file with two tables, one behind the other. */
static char *read_two(const char *dir, const char *file)
{
	char *gap = read_debugfs(dir, file) ? strstr(text, "\n\n") : NULL;

	if (!gap)
		return NULL;
	*gap = '\0';
	return gap + 2;
}

static void want_two_tables(const char *path, const char *dir)
{
	char below[350], *second = read_two(dir, "fragmentation");
	unsigned long long passed_over;
	char number[32];

	if (second) {
		want_text_rows(path, "fragmentation", text);
		want_text_rows(path, "regions", second);
	}
	second = read_two(dir, "failures");
	if (second && sscanf(second, "passed_over %llu", &passed_over) == 1) {
		want_text_rows(path, "failures", text);
		snprintf(below, sizeof(below), "%s.passed_over", path);
		snprintf(number, sizeof(number), "%llu", passed_over);
		want(below, "passed_over", number);
	}
	second = read_two(dir, "latency");
	if (second) {
		want_text_rows(path, "latency", text);
		want_text_rows(path, "times", second);
	}
	want_rows(path, dir, "why");
}

static void want_map(const char *path, const char *dir)
{
	char below[350], *line, *rest, *page;
	unsigned int row = 0;

	if (!read_debugfs(dir, "map"))
		return;
	strtok_r(text, "\n", &rest);
	while ((line = strtok_r(NULL, "\n", &rest))) {
		snprintf(below, sizeof(below), "%s.map.%u", path, row++);
		/* "%9lu %3u " and the cells */
		line[9] = '\0';
		line[13] = '\0';
		page = line + strspn(line, " ");
		want(below, "page", page);
		want(below, "free", line + 10 + strspn(line + 10, " "));
		want(below, "cells", line + 14);
	}
}

static int is_name(const struct dirent *entry)
{
	return *entry->d_name != '.';
}

/* What is wanted of the directory @dir, in JSON at @path. */
typedef void (*want_fn)(const char *path, const char *dir, const char *name, bool all);

/* Call @each for the directories in @dir, in order. */
static void want_each(const char *dir, const char *path, bool all, want_fn each)
{
	char full[350], below[350], sub[600];
	struct dirent **names;
	int i, nr;

	snprintf(full, sizeof(full), "/sys/kernel/debug/%s", dir);
	nr = scandir(full, &names, is_name, alphasort);
	for (i = 0; i < nr; i++) {
		snprintf(below, sizeof(below), "%s.%d", path, i);
		snprintf(sub, sizeof(sub), "%s/%s", dir, names[i]->d_name);
		each(below, sub, names[i]->d_name, all);
	}
}

static void want_slab(const char *path, const char *dir, const char *name, bool all)
{
	want(path, "name", name);
	want_pairs(path, dir, "stats");
	if (!all)
		return;
	want_pairs(path, dir, "options");
	want_rows(path, dir, "classes");
	want_rows(path, dir, "objects");
}

static void want_cache(const char *path, const char *dir, const char *name, bool all)
{
	want(path, "name", name);
	want_pairs(path, dir, "stats");
	if (all)
		want_rows(path, dir, "runs");
}

static bool held_too;	/* is wanted, as with --held */

/* @all: what respool-stat shows, otherwise what respool-top does. */
static void want_pool(const char *path, const char *dir, const char *name, bool all)
{
	char below[350], sub[350];

	want(path, "name", name);
	want(path, "page_bytes", "4096");
	want_pairs(path, dir, "stats");
	want_rows(path, dir, "orders");
	want_rows(path, dir, "owners");
	if (all)
		want_two_tables(path, dir);
	else
		want_map(path, dir);
	if (held_too)
		want_rows(path, dir, "held");
	snprintf(below, sizeof(below), "%s.slabs", path);
	snprintf(sub, sizeof(sub), "%s/slabs", dir);
	want_each(sub, below, all, want_slab);
	snprintf(below, sizeof(below), "%s.caches", path);
	snprintf(sub, sizeof(sub), "%s/caches", dir);
	want_each(sub, below, all, want_cache);
	snprintf(sub, sizeof(sub), "respool_heap/%s", name);
	if (!all || !read_debugfs(sub, "users"))
		return;
	snprintf(below, sizeof(below), "%s.heap", path);
	want(below, "name", name);
	want_rows(below, sub, "owners");
	want_rows(below, sub, "users");
}

static void want_pools(bool all)
{
	forget(&wanted);
	want_each("respool", ".pools", all, want_pool);
}

/* Prometheus */

static bool ends_with(const char *name, const char *end)
{
	size_t len = strlen(name);

	return len > strlen(end) && !strcmp(name + len - strlen(end), end);
}

static const char *kind_of(const char *name)
{
	if (ends_with(name, "_seconds"))
		return "histogram";
	return ends_with(name, "_total") ? "counter" : "gauge";
}

/* Whether a sample of this name is one of the metric; those of histograms have an end. */
static bool is_sample_of(const char *name, const char *metric)
{
	size_t len = strlen(metric);

	if (strcmp(kind_of(metric), "histogram"))
		return !strcmp(name, metric);
	return !strncmp(name, metric, len) &&
	       (!strcmp(name + len, "_bucket") || !strcmp(name + len, "_sum") ||
		!strcmp(name + len, "_count"));
}

/* One sample a line, each behind the HELP and the TYPE of its metric, of which it has one. */
static bool parse_prometheus(void)
{
	char help[128] = "", type[128] = "", kind[16] = "", name[128], *line, *rest, *value;
	struct entries metrics = {};
	size_t len;

	forget(&found);
	for (line = strtok_r(output, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
		if (sscanf(line, "# HELP %127s %n", help, (int *)&len) == 1) {
			if (look_up(&metrics, help))
				goto bad;
			add(&metrics, "", "%s", help);
			continue;
		}
		if (sscanf(line, "# TYPE %127s %15s", type, kind) == 2) {
			if (strcmp(type, help))
				goto bad;
			continue;
		}
		value = strrchr(line, ' ');
		len = strcspn(line, "{ ");
		if (!value)
			goto bad;
		*value++ = '\0';
		snprintf(name, sizeof(name), "%.*s", (int)len, line);
		if (!is_sample_of(name, type) || strcmp(kind, kind_of(type)) ||
		    look_up(&found, line))
			goto bad;
		add(&found, value, "%s", line);
	}
	forget(&metrics);
	return true;
bad:
	printf("# not what should be in the text format: '%s'\n", line);
	forget(&metrics);
	return false;
}

static bool is_counter(const char *name)
{
	static const char *const counters[] = {
		"allocations", "frees", "failures", "reallocs", "reallocs_in_place", "splits",
		"coalesces", "runs_taken", "runs_returned",
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(counters); i++)
		if (!strcmp(name, counters[i]))
			return true;
	return false;
}

/* Counts up what is there already: accounts of one name are one. */
static void want_sample(long long value, const char *key)
{
	char number[32];
	size_t i;

	for (i = 0; i < wanted.nr; i++) {
		if (strcmp(wanted.entry[i].key, key))
			continue;
		value += atoll(wanted.entry[i].value);
		free(wanted.entry[i].value);
		if (asprintf(&wanted.entry[i].value, "%lld", value) < 0)
			abort();
		return;
	}
	snprintf(number, sizeof(number), "%lld", value);
	add(&wanted, number, "%s", key);
}

/* The metric of a column, by rules. @labels are those between the braces. */
static void want_metric(const char *prefix, const char *labels, const char *column,
			long long value)
{
	static const char *const odd[][2] = {
		{ "size", "object_requested_bytes" }, { "largest_free", "largest_free_bytes" },
	};
	char name[128], key[300], ratio[32];
	int len = strlen(column);
	unsigned int i;

	snprintf(name, sizeof(name), "%s%s", column, is_counter(column) ? "_total" : "");
	for (i = 0; i < ARRAY_SIZE(odd); i++)
		if (!strcmp(column, odd[i][0]))
			strcpy(name, odd[i][1]);
	if (!strcmp(column, "pages")) {
		strcpy(name, strcmp(prefix, "pool_") ? "held_bytes" : "size_bytes");
		value *= PAGE;
	} else if (len > 6 && !strcmp(column + len - 6, "_pages")) {
		snprintf(name, sizeof(name), "%.*s_bytes", len - 6, column);
		value *= PAGE;
	} else if (!strcmp(column, "blocks")) {
		strcpy(name, "held_blocks");
	} else if (!strcmp(column, "max_order") || !strcmp(column, "largest_free_order")) {
		strcpy(name, *column == 'm' ? "max_block_bytes" : "largest_free_bytes");
		value = value < 0 ? 0 : PAGE << value;
	}
	if (len > 9 && !strcmp(column + len - 9, "_permille")) {
		snprintf(ratio, sizeof(ratio), "%lld.%03lld", value / 1000, value % 1000);
		add(&wanted, ratio, "respool_%s%.*s_fragmentation_ratio{%s}", prefix, len - 9,
		    column, labels);
		return;
	}
	if (!strncmp(column, "refused_", 8))
		snprintf(key, sizeof(key), "respool_%srefused_total{%s,kind=\"%s\"}", prefix,
			 labels, column + 8);
	else
		snprintf(key, sizeof(key), "respool_%s%s{%s}", prefix, name, labels);
	want_sample(value, key);
}

static void want_stats_metrics(const char *prefix, const char *labels, const char *dir)
{
	char name[WORD], *line, *rest;
	long long value;

	if (!read_debugfs(dir, "stats"))
		return;
	for (line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest))
		if (sscanf(line, "%63s %lld", name, &value) == 2)
			want_metric(prefix, labels, name, value);
}

/* A row a sample of each column but the first, which is a label. */
static void want_row_metrics(const char *prefix, const char *pool, const char *label,
			     const char *dir, const char *file)
{
	char labels[200], *line, *rest, *title, *word, *words, *titles;

	if (!read_debugfs(dir, file))
		return;
	title = strtok_r(text, "\n", &rest);
	while ((line = strtok_r(NULL, "\n", &rest))) {
		char *names = strdup(title), *name = strtok_r(names, " ", &titles);

		word = strtok_r(line, " ", &words);
		snprintf(labels, sizeof(labels), "pool=\"%s\",%s=\"%s\"", pool, label, word);
		while ((word = strtok_r(NULL, " ", &words))) {
			name = strtok_r(NULL, " ", &titles);
			want_metric(prefix, labels, name, atoll(word));
		}
		free(names);
	}
}

/* @dir is respool/POOL/slabs/NAME or respool/POOL/caches/NAME. */
static void want_part_metrics(const char *path, const char *dir, const char *name, bool all)
{
	char labels[200], pool[WORD], kind[WORD];

	if (sscanf(dir, "respool/%63[^/]/%63[^/]", pool, kind) != 2)
		abort();
	kind[strlen(kind) - 1] = '\0';
	snprintf(labels, sizeof(labels), "pool=\"%s\",%s=\"%s\"", pool, kind, name);
	strcat(kind, "_");
	want_stats_metrics(kind, labels, dir);
}

/* How many calls of the histograms in a text took less than @bound. */
static __u64 calls_below(const char *from, const char *what, unsigned int order, __u64 bound)
{
	__u64 below, count, sum = 0;
	unsigned int of;
	char kind[16];

	for (; from; from = strchr(from + 1, '\n'))
		if (sscanf(from, " %15s %u %llu %llu", kind, &of, &below, &count) == 4 &&
		    !strcmp(kind, what) && of == order && below <= bound)
			sum += count;
	return sum;
}

/* Bounds are the last nanoseconds that a row can stand for. */
static void want_histograms(const char *pool, const char *dir)
{
	char labels[200], value[32], what[16];
	const char *at = read_two(dir, "latency");
	unsigned int order, bits;
	__u64 calls, ns;

	for (; at; at = strchr(at + 1, '\n')) {
		if (sscanf(at, " %15s %u %llu %llu", what, &order, &calls, &ns) != 4)
			continue;
		snprintf(labels, sizeof(labels), "pool=\"%s\",what=\"%s\",order=\"%u\"", pool,
			 what, order);
		for (bits = 4; bits <= 30; bits++) {
			snprintf(value, sizeof(value), "%llu",
				 calls_below(text, what, order, 1ULL << bits));
			add(&wanted, value,
			    "respool_pool_call_duration_seconds_bucket{%s,le=\"%.9f\"}", labels,
			    ((1ULL << bits) - 1) / 1e9);
		}
		snprintf(value, sizeof(value), "%llu", calls);
		add(&wanted, value, "respool_pool_call_duration_seconds_bucket{%s,le=\"+Inf\"}",
		    labels);
		add(&wanted, value, "respool_pool_call_duration_seconds_count{%s}", labels);
		snprintf(value, sizeof(value), "%.9f", ns / 1e9);
		add(&wanted, value, "respool_pool_call_duration_seconds_sum{%s}", labels);
	}
}

static void want_pool_metrics(const char *path, const char *dir, const char *name, bool all)
{
	char labels[200], sub[350];

	snprintf(labels, sizeof(labels), "pool=\"%s\"", name);
	want_stats_metrics("pool_", labels, dir);
	want_row_metrics("pool_order_", name, "order", dir, "orders");
	want_row_metrics("owner_", name, "owner", dir, "owners");
	snprintf(sub, sizeof(sub), "%s/slabs", dir);
	want_each(sub, "", all, want_part_metrics);
	snprintf(sub, sizeof(sub), "%s/caches", dir);
	want_each(sub, "", all, want_part_metrics);
	snprintf(sub, sizeof(sub), "respool_heap/%s", name);
	want_row_metrics("user_", name, "uid", sub, "users");
	want_histograms(name, dir);
	want_sample(1, "respool_pools");
}

static void want_metrics(void)
{
	forget(&wanted);
	want_each("respool", "", true, want_pool_metrics);
}

FIXTURE(tools)
{
	int fd;
	int other;
};

/* Two pools in some disorder, with all there can be; two accounts of one name. */
FIXTURE_SETUP(tools)
{
	unsigned int i;

	USE_POOLS(POOLS);
	ASSERT_EQ(0, client_count_latency(true));
	self->fd = client_open("main", NR_HANDLES);
	self->other = client_open("main", 1);
	ASSERT_LE(0, self->fd);
	ASSERT_LE(0, self->other);
	ASSERT_EQ(0, client_slab(self->fd, "shown"));
	ASSERT_EQ(1, client_slab_with(self->fd, "best", RESPOOL_TEST_BEST_FIT,
				      RESPOOL_TEST_SLAB_NO_MAGAZINES));
	ASSERT_EQ(2, client_slab(self->fd, "bare"));
	ASSERT_EQ(0, client_cache(self->fd, "100", 100, 8, 0));
	for (i = 0; i < 100; i++)
		ASSERT_EQ(0, run(self->fd, OP(ALLOC_PAGES, .handle = i, .size = i % 4), NULL));
	for (; i < 250; i++)
		ASSERT_EQ(0, run(self->fd, OP(ALLOC, .handle = i, .slab = i % 2, .size = 11 * i),
				 NULL));
	for (; i < 350; i++)
		ASSERT_EQ(0, run(self->fd, OP(ALLOC_OBJECT, .handle = i), NULL));
	ASSERT_EQ(0, run(self->fd, OP(ALLOC_EXACT, .handle = i, .size = 77), NULL));
	for (i = 0; i < 350; i += 3)
		ASSERT_EQ(0, run(self->fd, OP(FREE, .handle = i), NULL));
	ASSERT_EQ(0, run(self->other, OP(ALLOC_PAGES, .size = 2), NULL));
	EXPECT_EQ(-ENOMEM, run(self->fd, OP(ALLOC_PAGES, .handle = 0, .size = 33), NULL));
	EXPECT_EQ(-ENOMEM, run(self->fd, OP(ALLOC, .handle = 0), NULL));
}

FIXTURE_TEARDOWN(tools)
{
	close(self->fd);
	close(self->other);
	client_unload("respool_heap");
	client_count_latency(false);
}

TEST_F(tools, json_has_every_number_of_debugfs)
{
	EXPECT_EQ(0, run_tool("./respool-stat --json"));
	ASSERT_TRUE(parse_json());
	want_pools(true);
	EXPECT_TRUE(same());
	EXPECT_LT(500, found.nr);
	EXPECT_STREQ("\"shown\"", look_up(&found, ".pools.0.slabs.2.name"));
}

TEST_F(tools, json_has_each_block_held_if_asked)
{
	EXPECT_EQ(0, run_tool("./respool-stat --json --held"));
	ASSERT_TRUE(parse_json());
	held_too = true;
	want_pools(true);
	held_too = false;
	EXPECT_TRUE(same());
	EXPECT_NE(NULL, look_up(&found, ".pools.0.held.0.pages"));
}

TEST_F(tools, json_of_one_pool_has_that_pool)
{
	EXPECT_EQ(0, run_tool("./respool-stat --json video"));
	ASSERT_TRUE(parse_json());
	EXPECT_STREQ("\"video\"", look_up(&found, ".pools.0.name"));
	EXPECT_STREQ("1024", look_up(&found, ".pools.0.stats.pages"));
	EXPECT_EQ(NULL, look_up(&found, ".pools.1.name"));
}

TEST_F(tools, prometheus_has_every_number_of_stats_orders_and_owners)
{
	EXPECT_EQ(0, run_tool("./respool-stat --prometheus"));
	ASSERT_TRUE(parse_prometheus());
	want_metrics();
	EXPECT_STREQ("2", look_up(&wanted, "respool_pools"));
	EXPECT_TRUE(same());
	EXPECT_LT(300, found.nr);
	EXPECT_STREQ("12726272", look_up(&found, "respool_pool_size_bytes{pool=\"main\"}"));
	/* The 77 pages. */
	EXPECT_STREQ("1", look_up(&found, "respool_pool_call_duration_seconds_count{"
				  "pool=\"main\",what=\"alloc\",order=\"7\"}") ?: "none");
}

TEST_F(tools, user_buffers_are_in_json_and_their_users_in_prometheus)
{
	int heap, buffer, tries = 0;

	ASSERT_EQ(0, client_load("respool_heap", ""));
	heap = open(NODE, O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, heap);
	buffer = heap_alloc(heap, 5 * PAGE);
	ASSERT_LE(0, buffer);
	EXPECT_EQ(0, run_tool("./respool-stat --prometheus"));
	ASSERT_TRUE(parse_prometheus());
	want_metrics();
	EXPECT_TRUE(same());
	EXPECT_STREQ("20480", look_up(&found, "respool_user_held_bytes{pool=\"main\",uid=\"0\"}"));
	/* The buffer may turn a second older meanwhile. */
	do {
		EXPECT_EQ(0, run_tool("./respool-stat --json"));
		ASSERT_TRUE(parse_json());
		want_pools(true);
	} while (!same() && ++tries < 5);
	EXPECT_GT(5, tries);
	EXPECT_STREQ("5", look_up(&found, ".pools.0.heap.owners.0.pages"));
	close(buffer);
	close(heap);
}

TEST_F(tools, top_json_has_every_number_of_what_it_shows)
{
	const char *member;
	size_t i;

	EXPECT_EQ(0, run_tool("./respool-top --once --json"));
	ASSERT_TRUE(parse_json());
	want_pools(false);
	/* There is no rate without two readings. */
	for (i = 0; i < found.nr; i++) {
		member = strrchr(found.entry[i].key, '.');
		if (strstr(found.entry[i].key, ".rates.") && strcmp(member, ".owner") &&
		    strcmp(member, ".order") && strcmp(member, ".name"))
			EXPECT_STREQ("null", found.entry[i].value);
	}
	EXPECT_TRUE(covers(&found, &wanted, "debugfs has"));
	for (i = 0; i < found.nr; )
		if (strstr(found.entry[i].key, ".rates."))
			found.entry[i] = found.entry[--found.nr];
		else
			i++;
	EXPECT_TRUE(same());
}

/* Words of the tables are compared with those of JSON, which are debugfs's. */
static bool is_cell(const char *path, const char *word)
{
	const char *value = look_up(&found, path);
	size_t len = value ? strlen(value) : 0;

	if (value && *value == '"')
		return len - 2 == strlen(word) && !strncmp(value + 1, word, len - 2);
	return value && !strcmp(value, word);
}

/* The number of the pool named, in JSON. */
static int pool_number(const char *name)
{
	char path[64];
	int i;

	for (i = 0; i < 2; i++) {
		snprintf(path, sizeof(path), ".pools.%d.name", i);
		if (is_cell(path, name))
			return i;
	}
	return -1;
}

static bool refused_is(const char *dir, const char *word)
{
	long long sum = 0;
	size_t i, len = strlen(dir);

	for (i = 0; i < found.nr; i++)
		if (!strncmp(found.entry[i].key, dir, len) &&
		    !strncmp(found.entry[i].key + len, ".stats.refused_", 15))
			sum += atoll(found.entry[i].value);
	return sum == atoll(word);
}

/* One row: @kind is "" for pools, else "owners", "slabs", "caches". */
static bool row_agrees(char *title, char *line, const char *kind, unsigned int row)
{
	char *names, *words, *name = strtok_r(title, " ", &names);
	char *word = strtok_r(line, " ", &words), dir[128], path[256];
	int pool = pool_number(word);
	unsigned int columns = 0;
	bool good;

	snprintf(dir, sizeof(dir), *kind ? ".pools.%d.%s.%u" : ".pools.%d", pool, kind, row);
	/* The last column is what is left of the line. */
	while ((name = strtok_r(NULL, " ", &names)) &&
	       (word = strtok_r(NULL, *names ? " " : "", &words))) {
		word += strspn(word, " ");
		if (!strcmp(name, "slab") || !strcmp(name, "cache"))
			name = "name";
		snprintf(path, sizeof(path), "%s.%s", dir, name);
		good = is_cell(path, word);
		snprintf(path, sizeof(path), "%s.stats.%s", dir, name);
		good |= is_cell(path, word);
		snprintf(path, sizeof(path), "%s.options.%s", dir, name);
		good |= is_cell(path, word);
		if (!strcmp(name, "refused"))
			good = refused_is(dir, word);
		if (!good) {
			printf("# %s: %s is not %s\n", dir, name, word);
			return false;
		}
		columns++;
	}
	return columns >= 4 && !name && !strtok_r(NULL, " ", &words);
}

/* Where JSON has what a table with this title shows, below a pool. */
static const char *kind_of_table(const char *title)
{
	if (strstr(title, " now "))
		return "why";
	if (strstr(title, " largest_pages "))
		return "failures";
	if (strstr(title, " stack"))
		return "held";
	if (strstr(title, " owner "))
		return "owners";
	if (strstr(title, " slab "))
		return "slabs";
	return strstr(title, " cache ") ? "caches" : "";
}

/* Rows of all tables in output[], each as in found[]; -1 if one is not. */
static int agreeing_rows(unsigned int *tables)
{
	char *line, *rest, title[300] = "", names[300], last[WORD] = "", pool[WORD];
	unsigned int row = 0, rows = 0;
	const char *kind = "";

	*tables = 0;
	for (line = strtok_r(output, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
		if (!strncmp(line, "pool ", 5)) {
			kind = kind_of_table(line);
			snprintf(title, sizeof(title), "%s", line);
			*last = '\0';
			++*tables;
			continue;
		}
		snprintf(pool, sizeof(pool), "%.*s", (int)strcspn(line, " "), line);
		row = strcmp(pool, last) ? 0 : row + 1;
		strcpy(last, pool);
		strcpy(names, title);
		if (!row_agrees(names, line, kind, row))
			return -1;
		rows++;
	}
	return rows;
}

TEST_F(tools, tables_agree_with_json)
{
	unsigned int tables;

	EXPECT_EQ(0, run_tool("./respool-stat --json --held"));
	ASSERT_TRUE(parse_json());
	EXPECT_EQ(0, run_tool("./respool-stat"));
	/* 2 pools; 2 accounts, 3 slabs and a cache as owners; those slabs; that cache. */
	EXPECT_EQ(2 + 6 + 3 + 1, agreeing_rows(&tables));
	EXPECT_EQ(4, tables);
	EXPECT_EQ(0, run_tool("./respool-stat --held"));
	EXPECT_LT(60, agreeing_rows(&tables));
	EXPECT_EQ(1, tables);
}

TEST_F(tools, why_agrees_with_json_and_fails_nothing)
{
	unsigned int order, tables;
	__u64 failures;

	/* As much as there is in one piece, or nothing would be in the way. */
	for (order = 12; order; order--)
		run(self->fd, OP(ALLOC_PAGES, .handle = 360 + order, .size = order), NULL);
	EXPECT_EQ(-ENOMEM, run(self->fd, OP(ALLOC_PAGES, .handle = 360, .size = 11), NULL));
	failures = pool_stats(self->fd).failures;
	EXPECT_EQ(0, run_tool("./respool-stat --json"));
	ASSERT_TRUE(parse_json());
	EXPECT_EQ(0, run_tool("./respool-stat --why"));
	EXPECT_NE(NULL, strstr(output, "=")) TH_LOG("nobody is in the way:\n%s", output);
	/* Orders of both pools, and what failed. */
	EXPECT_LE(12 + 11 + 1, agreeing_rows(&tables));
	EXPECT_EQ(2, tables);
	EXPECT_EQ(failures, pool_stats(self->fd).failures);
}

static atomic_bool stop;
static atomic_uint served;

static void *churn(void *fd)
{
	int error = 0;

	while (!stop && !error) {
		error = run(*(int *)fd, OP(ALLOC_PAGES, .handle = 1), NULL);
		served++;
		error = error ?: run(*(int *)fd, OP(FREE, .handle = 1), NULL);
	}
	return (void *)(long)error;
}

TEST_F(tools, rates_are_those_of_the_calls_made)
{
	int fd = client_open("video", 2);
	const char *rate;
	pthread_t thread;
	void *error;

	ASSERT_LE(0, fd);
	stop = false;
	served = 0;
	ASSERT_EQ(0, pthread_create(&thread, NULL, churn, &fd));
	EXPECT_EQ(0, run_tool("./respool-top --once --json --interval 1"));
	stop = true;
	pthread_join(thread, &error);
	EXPECT_EQ(NULL, error);
	ASSERT_TRUE(parse_json());
	rate = look_up(&found, ".pools.1.rates.stats.allocations");
	ASSERT_NE(NULL, rate);
	EXPECT_LT(0, atof(rate));
	EXPECT_GE(served, atof(rate));
	rate = look_up(&found, ".pools.1.rates.owners.0.frees");
	ASSERT_NE(NULL, rate);
	EXPECT_LT(0, atof(rate));
	EXPECT_GE(served, atof(rate));
	EXPECT_STREQ("0.000", look_up(&found, ".pools.0.rates.stats.allocations"));
	close(fd);
}

TEST_F(tools, output_takes_the_place_of_a_file_in_one_piece)
{
	struct stat before, after;

	unlink("/tmp/respool.prom");
	EXPECT_EQ(0, run_tool("./respool-stat --prometheus --output /tmp/respool.prom"));
	EXPECT_STREQ("", output);
	ASSERT_EQ(0, stat("/tmp/respool.prom", &before));
	EXPECT_EQ(0644, before.st_mode & 0777);
	ASSERT_LT(0, client_read_file("/tmp/respool.prom", text, sizeof(text)));
	EXPECT_EQ(0, run_tool("./respool-stat --prometheus"));
	EXPECT_STREQ(text, output);
	EXPECT_EQ(0, run_tool("./respool-stat --json --output /tmp/respool.prom"));
	ASSERT_EQ(0, stat("/tmp/respool.prom", &after));
	EXPECT_NE(before.st_ino, after.st_ino);
	/* Nothing is left beside it, also when it cannot take its place. */
	EXPECT_EQ(1, run_tool("./respool-stat --json --output /tmp 2>/dev/null"));
	EXPECT_EQ(0, run_tool("ls -d /tmp/respool.prom.* /tmp.* 2>/dev/null || true"));
	EXPECT_STREQ("", output);
	unlink("/tmp/respool.prom");
}

TEST_F(tools, what_is_not_there_is_said_in_one_line)
{
	static const char *const commands[] = {
		"./respool-stat nowhere", "./respool-stat --debugfs /nowhere",
		"./respool-top --once nowhere", "./respool-top --once --debugfs /nowhere",
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(commands); i++) {
		EXPECT_EQ(1, run_tool("%s 2>&1", commands[i]));
		EXPECT_EQ(0, strncmp(output, "respool-", 8)) TH_LOG("%s", output);
		EXPECT_EQ(output + strlen(output) - 1, strchr(output, '\n'));
	}
	/* For a collector it is news: the file of yesterday must not stay. */
	EXPECT_EQ(0, run_tool("./respool-stat --prometheus --debugfs /nowhere"));
	EXPECT_NE(NULL, strstr(output, "\nrespool_pools 0\n"));
	EXPECT_EQ(2, run_tool("./respool-stat --nonsense 2>/dev/null"));
	EXPECT_EQ(2, run_tool("./respool-top --json 2>/dev/null"));
	EXPECT_EQ(2, run_tool("./respool-top --once --size 0x7 2>/dev/null"));
	EXPECT_EQ(2, run_tool("./respool-top </dev/null 2>/dev/null"));
}

TEST_HARNESS_MAIN
