// SPDX-License-Identifier: GPL-2.0
/*
 * What respool shows in debugfs, as JSON: a file with a "name value" a line is
 * an object, any other an array of objects, one a row, whose members are named
 * after its columns. A file that could not be read is left out.
 */
#include <unistd.h>

#include "json.h"

static void json_string(FILE *out, const char *text)
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

void json_word(FILE *out, const char *word)
{
	if (word_is_number(word))
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
		json_string(out, table->words[i]);
		fputs(": ", out);
		json_word(out, words[i]);
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
	fputs("{\"name\": ", out);
	json_string(out, part->name);
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
	fputs("\"name\": ", out);
	json_string(out, pool->own.name);
	fprintf(out, ",\n \"page_bytes\": %ld", sysconf(_SC_PAGESIZE));
	json_files(out, &pool->own);
	if (pool->heap.table[HEAP_OWNERS].text) {
		fputs(",\n \"heap\": ", out);
		json_part(out, &pool->heap);
	}
	json_parts(out, "slabs", &pool->slabs);
	json_parts(out, "caches", &pool->caches);
}
