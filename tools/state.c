// SPDX-License-Identifier: GPL-2.0
/* Read what respool shows in debugfs; see state.h. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "state.h"

#define READ_STEP	65536

static const struct file pool_files[NR_POOL_FILES] = {
	[POOL_STATS]	= { "stats", FORM_PAIRS },
	[POOL_ORDERS]	= { "orders", FORM_ROWS },
	[POOL_OWNERS]	= { "owners", FORM_ROWS },
	[POOL_MAP]	= { "map", FORM_MAP, STATE_MAP },
	[POOL_FRAGMENTATION] = { "fragmentation", FORM_ROWS, STATE_DETAILS },
	[POOL_REGIONS]	= { "regions", FORM_ROWS, STATE_DETAILS, "fragmentation" },
	[POOL_FAILURES]	= { "failures", FORM_ROWS, STATE_DETAILS },
	[POOL_PASSED_OVER] = { "passed_over", FORM_PAIRS, STATE_DETAILS, "failures" },
	[POOL_WHY]	= { "why", FORM_ROWS, STATE_DETAILS },
	[POOL_LATENCY]	= { "latency", FORM_ROWS, STATE_DETAILS },
	[POOL_TIMES]	= { "times", FORM_ROWS, STATE_DETAILS, "latency" },
	[POOL_HELD]	= { "held", FORM_ROWS, STATE_HELD },
};

static const struct file heap_files[NR_HEAP_FILES] = {
	[HEAP_OWNERS]	= { "owners", FORM_ROWS, STATE_DETAILS },
	[HEAP_USERS]	= { "users", FORM_ROWS, STATE_DETAILS },
};

static const struct file slab_files[NR_SLAB_FILES] = {
	[SLAB_OPTIONS]	= { "options", FORM_PAIRS, STATE_DETAILS },
	[SLAB_STATS]	= { "stats", FORM_PAIRS },
	[SLAB_CLASSES]	= { "classes", FORM_ROWS, STATE_DETAILS },
	[SLAB_OBJECTS]	= { "objects", FORM_ROWS, STATE_DETAILS },
};

static const struct file cache_files[NR_CACHE_FILES] = {
	[CACHE_STATS]	= { "stats", FORM_PAIRS },
	[CACHE_RUNS]	= { "runs", FORM_ROWS, STATE_DETAILS },
};

/* Memory is for a few tables: where it is missing there is nothing to be shown. */
static void *grow(void *memory, size_t nr, size_t size)
{
	memory = reallocarray(memory, nr, size);
	if (memory)
		return memory;
	fputs("out of memory\n", stderr);
	exit(2);
}

/* Files */

/* A whole file as a string, or NULL and errno. */
static char *read_text(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC), error;
	size_t len = 0;
	char *text = NULL;
	ssize_t n;

	if (fd < 0)
		return NULL;
	do {
		text = grow(text, len + READ_STEP + 1, 1);
		n = read(fd, text + len, READ_STEP);
		len += n > 0 ? n : 0;
	} while (n > 0);
	error = errno;
	close(fd);
	text[len] = '\0';
	if (!n)
		return text;
	free(text);
	errno = error;
	return NULL;
}

/* Of a text with several tables the first, or the second. */
static void choose_table(char *text, bool second)
{
	char *gap = strstr(text, "\n\n");
	char *from = gap ? gap + 2 : text + strlen(text);

	if (second)
		memmove(text, from, strlen(from) + 1);
	else if (gap)
		gap[1] = '\0';
}

/* The next word of a line, terminated; NULL at its end. */
static char *next_word(char **at)
{
	char *word = *at + strspn(*at, " \t");

	if (!*word)
		return NULL;
	*at = word + strcspn(word, " \t");
	if (**at)
		*(*at)++ = '\0';
	return word;
}

/* Tables */

static void add_word(struct table *table, size_t *nr, char *word)
{
	if (!(*nr & (*nr - 1)))
		table->words = grow(table->words, *nr ? 2 * *nr : 1, sizeof(*table->words));
	table->words[(*nr)++] = word;
}

/* "name value" a line: the names, then the values. */
static void parse_pairs(struct table *table)
{
	char *line, *name, *value, *rest, **values = NULL;
	size_t nr = 0, i;

	for (line = strtok_r(table->text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
		name = next_word(&line);
		value = name ? next_word(&line) : NULL;
		if (!value)
			continue;
		values = grow(values, nr + 1, sizeof(*values));
		values[nr] = value;
		add_word(table, &nr, name);
	}
	table->nr_columns = nr;
	table->nr_rows = nr > 0;
	for (i = 0; i < table->nr_columns; i++)
		add_word(table, &nr, values[i]);
	free(values);
}

/* The next column of a row, which is a word; the last is what is left of the line. */
static char *next_column(char **at, bool last)
{
	char *column = *at + strspn(*at, " \t");

	return last && *column ? column : next_word(at);
}

/* A row with fewer words than the title has is no row. */
static void parse_rows(struct table *table)
{
	char *line, *word, *rest;
	size_t nr = 0, start;
	bool last;

	line = strtok_r(table->text, "\n", &rest);
	while (line && (word = next_word(&line)))
		add_word(table, &nr, word);
	table->nr_columns = nr;
	while (nr && (line = strtok_r(NULL, "\n", &rest))) {
		start = nr;
		do {
			last = nr - start == table->nr_columns - 1;
			word = next_column(&line, last);
			if (word)
				add_word(table, &nr, word);
		} while (word && !last);
		if (nr - start == table->nr_columns)
			table->nr_rows++;
		else
			nr = start;
	}
}

/* "page free CELLS", whose cells are what is left of the line: some are blank. */
static void parse_map(struct table *table)
{
	char *line, *page, *free_pages, *rest;
	size_t nr = 0;

	add_word(table, &nr, "page");
	add_word(table, &nr, "free");
	add_word(table, &nr, "cells");
	table->nr_columns = nr;
	strtok_r(table->text, "\n", &rest);
	while ((line = strtok_r(NULL, "\n", &rest))) {
		page = next_word(&line);
		free_pages = page ? next_word(&line) : NULL;
		if (!free_pages)
			continue;
		add_word(table, &nr, page);
		add_word(table, &nr, free_pages);
		add_word(table, &nr, line);
		table->nr_rows++;
	}
}

static void parse(struct table *table, enum file_form form)
{
	switch (form) {
	case FORM_PAIRS:
		parse_pairs(table);
		break;
	case FORM_ROWS:
		parse_rows(table);
		break;
	case FORM_MAP:
		parse_map(table);
		break;
	}
}

static int find_column(const struct table *table, const char *name)
{
	size_t i;

	for (i = 0; i < table->nr_columns; i++)
		if (!strcmp(table->words[i], name))
			return i;
	return -1;
}

const char *table_word(const struct table *table, size_t row, const char *column)
{
	int i = find_column(table, column);

	if (i < 0 || row >= table->nr_rows)
		return NULL;
	return table->words[(row + 1) * table->nr_columns + i];
}

long long table_number(const struct table *table, size_t row, const char *column)
{
	const char *word = table_word(table, row, column);

	return word ? strtoll(word, NULL, 10) : 0;
}

long long table_sum(const struct table *table, const char *column)
{
	long long sum = 0;
	size_t row;

	for (row = 0; row < table->nr_rows; row++)
		sum += table_number(table, row, column);
	return sum;
}

/* A number as JSON writes them: no leading zeros, nothing in hex. */
bool word_is_number(const char *word)
{
	const char *at = word + (*word == '-');
	size_t digits = strspn(at, "0123456789");

	if (!digits || (digits > 1 && *at == '0'))
		return false;
	at += digits;
	if (*at == '.')
		at += 1 + strspn(at + 1, "0123456789");
	return !*at && at[-1] != '.';
}

/* Directories */

static int is_entry(const struct dirent *entry)
{
	return strcmp(entry->d_name, ".") && strcmp(entry->d_name, "..") &&
	       strlen(entry->d_name) < STATE_WORD;
}

/* Names in @dir, sorted; how many, or a negative errno. */
static int list_names(const char *dir, struct dirent ***names)
{
	int nr = scandir(dir, names, is_entry, alphasort);

	return nr < 0 ? -errno : nr;
}

static void free_names(struct dirent **names, int nr)
{
	while (nr > 0)
		free(names[--nr]);
	free(names);
}

/* A map is as long as the pool is large. The stats are read before it. */
static bool wanted(const struct part *part, const struct file *file, unsigned int what)
{
	if (file->part_of & ~what)
		return false;
	return file->form != FORM_MAP ||
	       table_number(&part->table[POOL_STATS], 0, "pages") <= STATE_MAP_PAGES;
}

/* False if nothing of it could be read. */
static bool read_part(struct part *part, const char *dir, const char *name, unsigned int what)
{
	char path[PATH_MAX];
	bool found = false;
	size_t i;

	snprintf(part->name, sizeof(part->name), "%s", name);
	for (i = 0; i < part->nr_files; i++) {
		const struct file *file = &part->files[i];
		struct table *table = &part->table[i];

		if (!wanted(part, file, what))
			continue;
		snprintf(path, sizeof(path), "%s/%s/%s", dir, name, file->second_in ?: file->name);
		table->text = read_text(path);
		if (!table->text)
			continue;
		choose_table(table->text, file->second_in);
		parse(table, file->form);
		found = true;
	}
	return found;
}

static void free_part(struct part *part)
{
	size_t i;

	for (i = 0; i < part->nr_files; i++) {
		free(part->table[i].text);
		free(part->table[i].words);
	}
}

static void read_parts(struct parts *parts, const char *dir, const struct file *files,
		       size_t nr_files, unsigned int what)
{
	struct dirent **names;
	int nr = list_names(dir, &names), i;

	if (nr < 0)
		return;
	parts->part = grow(NULL, nr + 1, sizeof(*parts->part));
	for (i = 0; i < nr; i++) {
		parts->part[parts->nr] = (struct part){ .files = files, .nr_files = nr_files };
		parts->nr += read_part(&parts->part[parts->nr], dir, names[i]->d_name, what);
	}
	free_names(names, nr);
}

static void free_parts(struct parts *parts)
{
	size_t i;

	for (i = 0; i < parts->nr; i++)
		free_part(&parts->part[i]);
	free(parts->part);
}

/* False without the one file that a pool has to have. */
static bool read_pool(struct pool *pool, const char *debugfs, const char *name, unsigned int what)
{
	char dir[PATH_MAX];

	*pool = (struct pool){
		.own = { .files = pool_files, .nr_files = NR_POOL_FILES },
		.heap = { .files = heap_files, .nr_files = NR_HEAP_FILES },
	};
	snprintf(dir, sizeof(dir), "%s/respool_heap", debugfs);
	read_part(&pool->heap, dir, name, what);
	snprintf(dir, sizeof(dir), "%s/respool", debugfs);
	read_part(&pool->own, dir, name, what);
	snprintf(dir, sizeof(dir), "%s/respool/%s/slabs", debugfs, name);
	read_parts(&pool->slabs, dir, slab_files, NR_SLAB_FILES, what);
	snprintf(dir, sizeof(dir), "%s/respool/%s/caches", debugfs, name);
	read_parts(&pool->caches, dir, cache_files, NR_CACHE_FILES, what);
	return pool->own.table[POOL_STATS].nr_rows;
}

static void free_pool(struct pool *pool)
{
	free_part(&pool->own);
	free_part(&pool->heap);
	free_parts(&pool->slabs);
	free_parts(&pool->caches);
}

int state_read(struct state *state, const char *debugfs, const char *only, unsigned int what)
{
	char dir[PATH_MAX];
	struct dirent **names;
	int nr, i;

	*state = (struct state){};
	snprintf(dir, sizeof(dir), "%s/respool", debugfs);
	nr = list_names(dir, &names);
	if (nr < 0)
		return nr;
	state->pool = grow(NULL, nr + 1, sizeof(*state->pool));
	for (i = 0; i < nr; i++) {
		if (only && strcmp(only, names[i]->d_name))
			continue;
		if (read_pool(&state->pool[state->nr], debugfs, names[i]->d_name, what))
			state->nr++;
		else
			free_pool(&state->pool[state->nr]);
	}
	free_names(names, nr);
	if (state->nr)
		return 0;
	state_free(state);
	return -ENOENT;
}

void state_free(struct state *state)
{
	size_t i;

	for (i = 0; i < state->nr; i++)
		free_pool(&state->pool[i]);
	free(state->pool);
	*state = (struct state){};
}
