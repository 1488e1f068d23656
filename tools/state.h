/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What respool shows in debugfs, as tables of words.
 *
 * Every file of debugfs becomes a struct table: one that has a "name value" a
 * line is a single row, whose columns are the names. Words stay what they are
 * in the file, so what is printed from them agrees with it. Each file is of a
 * moment of its own.
 *
 * What cannot be read is an empty table: a pool, a slab or a cache may go while
 * it is looked at.
 */
#ifndef RESPOOL_STATE_H
#define RESPOOL_STATE_H

#include <stdbool.h>
#include <stddef.h>

#define STATE_DEBUGFS	"/sys/kernel/debug"
#define STATE_MAP_PAGES	(1LL << 24)
#define STATE_WORD	64	/* the longest name, terminating zero included */

struct table {
	char *text;		/* the file, cut into words */
	char **words;		/* the columns' names, then row after row */
	size_t nr_columns;
	size_t nr_rows;
};

enum file_form { FORM_PAIRS, FORM_ROWS, FORM_MAP };

/* What takes longer to read is read if asked for. */
#define STATE_MAP	0x1	/* the maps, of pools of up to STATE_MAP_PAGES */
#define STATE_DETAILS	0x2	/* what is inside of slabs and caches, and user buffers */
#define STATE_HELD	0x4	/* each block that is held */

/* A file, or of one that has several tables with an empty line between them, one. */
struct file {
	const char *name;
	enum file_form form;
	unsigned int part_of;	/* STATE_MAP, STATE_DETAILS, STATE_HELD or 0 */
	const char *second_in;	/* the file whose second table it is */
};

enum {
	POOL_STATS, POOL_ORDERS, POOL_OWNERS, POOL_MAP, POOL_FRAGMENTATION, POOL_REGIONS,
	POOL_FAILURES, POOL_PASSED_OVER, POOL_WHY, POOL_LATENCY, POOL_TIMES, POOL_HELD,
	NR_POOL_FILES
};

enum { HEAP_OWNERS, HEAP_USERS, NR_HEAP_FILES };
enum { SLAB_OPTIONS, SLAB_STATS, SLAB_CLASSES, SLAB_OBJECTS, NR_SLAB_FILES };
enum { CACHE_STATS, CACHE_RUNS, NR_CACHE_FILES };

#define MAX_FILES	NR_POOL_FILES

/* A directory with files of a kind: a pool, its user buffers, a slab or a cache. */
struct part {
	char name[STATE_WORD];
	const struct file *files;
	size_t nr_files;
	struct table table[MAX_FILES];
};

struct parts {
	struct part *part;
	size_t nr;
};

struct pool {
	struct part own;
	struct part heap;	/* without tables where respool_heap.ko is not loaded */
	struct parts slabs;
	struct parts caches;
};

struct state {
	struct pool *pool;
	size_t nr;
};

/*
 * Read all pools, or the one named @only, below the directory @debugfs. Returns
 * 0 or a negative errno, -ENOENT if there is no such pool or no respool.
 */
int state_read(struct state *state, const char *debugfs, const char *only, unsigned int what);
void state_free(struct state *state);

/* The word of a row in the column named, or NULL if there is none. */
const char *table_word(const struct table *table, size_t row, const char *column);
/* The same as a number; 0 if there is none or it is no number. */
long long table_number(const struct table *table, size_t row, const char *column);
/* The sum of a column. */
long long table_sum(const struct table *table, const char *column);
bool word_is_number(const char *word);

#endif /* RESPOOL_STATE_H */
