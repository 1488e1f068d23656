// SPDX-License-Identifier: GPL-2.0
/*
 * What respool shows in debugfs, as JSON: a file with a "name value" a line is
 * an object, any other an array of objects, one a row, whose members are named
 * after its columns. A file that could not be read is left out.
 */
#include <string.h>
#include <unistd.h>

#include "json.h"

void json_string(FILE *out, const char *text)
{
	putc('"', out);
	for (; *text; text++) {
		unsigned char c = *text;

		if (c == '"' || c == '\\')
			fprintf(out, "\\%c", c);
		else if (c < ' ' || c > '~')
			fprintf(out, "\\u%04x", c);
		else
			putc(c, out);
	}
	putc('"', out);
}

/* Columns that are names, also where they look like numbers. */
static bool is_text(const char *column)
{
	static const char *const columns[] = { "name", "owner", "comm", "task", "caller" };
	size_t i;

	for (i = 0; i < sizeof(columns) / sizeof(*columns); i++)
		if (!strcmp(column, columns[i]))
			return true;
	return false;
}

void json_member(FILE *out, const char *name, const char *word)
{
	json_string(out, name);
	fputs(": ", out);
	if (word_is_number(word) && !is_text(name))
		fputs(word, out);
	else
		json_string(out, word);
}

static void json_row(FILE *out, const struct table *table, size_t row)
{
	char **words = &table->words[(row + 1) * table->nr_columns];
	size_t i;

	putc('{', out);
	for (i = 0; i < table->nr_columns; i++) {
		fputs(i ? ", " : "", out);
		json_member(out, table->words[i], words[i]);
	}
	putc('}', out);
}

static void json_rows(FILE *out, const struct table *table)
{
	size_t row;

	putc('[', out);
	for (row = 0; row < table->nr_rows; row++) {
		fputs(row ? ",\n   " : "\n   ", out);
		json_row(out, table, row);
	}
	putc(']', out);
}

static void json_files(FILE *out, const struct part *part)
{
	size_t i;

	for (i = 0; i < part->nr_files; i++) {
		const struct table *table = &part->table[i];

		if (!table->text)
			continue;
		fputs(",\n  ", out);
		json_string(out, part->files[i].name);
		fputs(": ", out);
		if (part->files[i].form != FORM_PAIRS)
			json_rows(out, table);
		else if (table->nr_rows)
			json_row(out, table, 0);
		else
			fputs("{}", out);
	}
}

static void json_part(FILE *out, const struct part *part)
{
	putc('{', out);
	json_member(out, "name", part->name);
	json_files(out, part);
	putc('}', out);
}

static void json_parts(FILE *out, const char *name, const struct parts *parts)
{
	size_t i;

	fprintf(out, ",\n \"%s\": [", name);
	for (i = 0; i < parts->nr; i++) {
		fputs(i ? ",\n " : "\n ", out);
		json_part(out, &parts->part[i]);
	}
	putc(']', out);
}

void json_pool_members(FILE *out, const struct pool *pool)
{
	json_member(out, "name", pool->own.name);
	fprintf(out, ",\n \"page_bytes\": %ld", sysconf(_SC_PAGESIZE));
	json_files(out, &pool->own);
	if (pool->heap.table[HEAP_OWNERS].text) {
		fputs(",\n \"heap\": ", out);
		json_part(out, &pool->heap);
	}
	json_parts(out, "slabs", &pool->slabs);
	json_parts(out, "caches", &pool->caches);
}
