/* SPDX-License-Identifier: GPL-2.0 */
/*
 * respool-top: respool-top.c is the program, sample.c reads what it shows,
 * view.c draws it.
 */
#ifndef RESPOOL_TOP_H
#define RESPOOL_TOP_H

#include "screen.h"
#include "state.h"

struct options {
	bool once;
	bool json;
	bool sort_by_rate;
	bool colour;
	bool no_map;
	int interval_ms;
	bool interval_given;
	int rows;		/* 0: the terminal's */
	int columns;
	const char *debugfs;
};

struct sample {
	struct state state;
	int error;		/* why there is no state */
	double seconds;		/* when it was read */
};

struct top {
	struct options options;
	char pool[STATE_WORD];	/* the one shown */
	struct sample now;
	struct sample before;
	struct screen screen;
};

/* Two tables of one file, read at two times. */
struct pair {
	const struct table *now;
	const struct table *before;	/* NULL if there was no such pool then */
	double seconds;
};

/* Samples. The times are of a clock that is never set. */
double now_seconds(void);
void take_sample(struct top *top, const char *only);
const struct pool *find_pool(const struct sample *sample, const char *name);
struct pair pair_of(const struct top *top, const struct pool *pool, int file);
/* The same of the stats of a slab or a cache. */
struct pair slab_pair(const struct top *top, const struct pool *pool, const struct part *slab);
struct pair cache_pair(const struct top *top, const struct pool *pool, const struct part *cache);
/*
 * How much a counter grows in a second; NaN if it is not known. Rows are the
 * same if @key is; NULL for a table of one row.
 */
double rate_of(const struct pair *pair, size_t row, const char *key, const char *column);

/* The screen; false if there is no memory for it. */
bool top_draw(struct top *top, int rows, int columns);
/* Why there is no pool to be shown. */
void top_explain(const struct top *top, char *text, size_t size);

#endif /* RESPOOL_TOP_H */
