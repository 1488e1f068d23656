// SPDX-License-Identifier: GPL-2.0
/*
 * What respool-top draws. From the top: the pool and how full it is; its orders,
 * owners, slabs and caches, side by side where there is room; its map, as fine
 * as there is room.
 */
#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "top.h"

#define CELL_PAGES	8	/* of a cell of debugfs's map */
#define REGION_CELLS	64
#define ORDERS_WIDTH	45	/* of all columns of the orders */

/* Numbers for people */

#define NUMBER	16

/* In units of @step: three digits or more and no more than one behind the point. */
static void put_scaled(char text[NUMBER], double value, double step, const char *suffixes)
{
	for (; value >= step && suffixes[1]; suffixes++)
		value /= step;
	snprintf(text, NUMBER, value < 100 && *suffixes != ' ' ? "%.1f%c" : "%.0f%c", value,
		 *suffixes);
	if (*suffixes == ' ')
		text[strlen(text) - 1] = '\0';
}

static void put_bytes(char text[NUMBER], double bytes)
{
	put_scaled(text, bytes, 1024, " KMGTPE");
}

/* All digits if there is room for them. */
static void put_count(char text[NUMBER], double count, int width)
{
	if (snprintf(text, NUMBER, "%.0f", count) > width)
		put_scaled(text, count, 1000, " kMGTPE");
}

/* A rate that is not known is NaN. */
static void put_rate(char text[NUMBER], double rate, int width)
{
	if (isnan(rate))
		strcpy(text, "-");
	else
		put_count(text, rate, width);
}

static double page_bytes(void)
{
	return sysconf(_SC_PAGESIZE);
}

static long long refused_of(const struct table *stats)
{
	long long sum = 0;
	size_t i;

	for (i = 0; i < stats->nr_columns; i++)
		if (!strncmp(stats->words[i], "refused_", strlen("refused_")))
			sum += table_number(stats, 0, stats->words[i]);
	return sum;
}

/* Listings: rows of cells, of which those columns are drawn that have room */

#define MAX_COLUMNS	8

struct column {
	const char *title;
	int width;
};

struct listing {
	struct column column[MAX_COLUMNS];	/* the first is as wide as there is room */
	int nr_columns;
	int nr_rows;
	char (*cell)[STATE_WORD];
};

struct area {
	int row;
	int column;
	int rows;
	int columns;
};

static char *listing_cell(struct listing *listing, int row, int column)
{
	return listing->cell[row * listing->nr_columns + column];
}

static bool listing_begin(struct listing *listing, size_t max_rows)
{
	listing->nr_rows = 0;
	while (listing->nr_columns < MAX_COLUMNS && listing->column[listing->nr_columns].title)
		listing->nr_columns++;
	listing->cell = calloc(max_rows + 1, listing->nr_columns * sizeof(*listing->cell));
	return listing->cell;
}

static int listing_height(const struct listing *listing)
{
	return listing->nr_rows ? listing->nr_rows + 1 : 0;
}

/* How many columns fit, and what is left for the first. */
static int fit_columns(const struct listing *listing, int room, int *first)
{
	int n;

	*first = room < listing->column[0].width ? room : listing->column[0].width;
	for (n = 1; n < listing->nr_columns; n++) {
		if (*first + 1 + listing->column[n].width > room)
			break;
		room -= 1 + listing->column[n].width;
	}
	*first = room < STATE_WORD ? room : STATE_WORD;
	return n;
}

static void draw_line(struct screen *screen, const struct area *area, int row, enum look look,
		      const char *const *words, const struct listing *listing, bool names)
{
	int first, n = fit_columns(listing, area->columns, &first), i;
	int at = area->column + first;

	screen->right = at;
	screen_put(screen, area->row + row, area->column, look, names ? "%-*s" : "%*s",
		   names ? first : listing->column[0].width, words[0]);
	screen->right = screen->columns;
	for (i = 1; i < n; i++)
		at = screen_put(screen, area->row + row, at, look, " %*s",
				listing->column[i].width, words[i]);
}

/* @names: the first column has names, not numbers. */
static void draw_listing(struct screen *screen, struct area area, struct listing *listing,
			 bool names)
{
	const char *words[MAX_COLUMNS];
	int shown = listing->nr_rows, row, i;

	if (area.rows < 2 || !listing->nr_rows)
		return;
	if (shown > area.rows - 1)
		shown = area.rows - 2;
	for (i = 0; i < listing->nr_columns; i++)
		words[i] = listing->column[i].title;
	draw_line(screen, &area, 0, LOOK_REVERSE, words, listing, names);
	for (row = 0; row < shown; row++) {
		for (i = 0; i < listing->nr_columns; i++)
			words[i] = listing_cell(listing, row, i);
		draw_line(screen, &area, row + 1, LOOK_PLAIN, words, listing, names);
	}
	if (shown < listing->nr_rows)
		screen_put(screen, area.row + shown + 1, area.column, LOOK_DIM, "+ %d more",
			   listing->nr_rows - shown);
}

/* Orders that have, or had, anything. */
static bool list_orders(struct listing *listing, const struct pair *orders)
{
	static const char *const columns[] = {
		"free_blocks", "allocated_blocks", "cached_blocks",
	};
	size_t row, i;

	*listing = (struct listing){ .column = {
		{ "ord", 3 }, { "block", 5 }, { "free", 6 }, { "held", 6 }, { "cached", 6 },
		{ "allocs/s", 8 }, { "fails", 5 },
	} };
	if (!listing_begin(listing, orders->now->nr_rows))
		return false;
	for (row = 0; row < orders->now->nr_rows; row++) {
		long long order = table_number(orders->now, row, "order");
		long long failures = table_number(orders->now, row, "failures");
		long long any = failures + table_number(orders->now, row, "allocations");
		int to = listing->nr_rows;

		for (i = 0; i < 3; i++) {
			long long blocks = table_number(orders->now, row, columns[i]);

			put_count(listing_cell(listing, to, 2 + i), blocks,
				  listing->column[2 + i].width);
			any += blocks;
		}
		put_count(listing_cell(listing, to, 0), order, 3);
		put_bytes(listing_cell(listing, to, 1), page_bytes() * exp2(order));
		put_rate(listing_cell(listing, to, 5),
			 rate_of(orders, row, "order", "allocations"), 8);
		put_count(listing_cell(listing, to, 6), failures, 5);
		listing->nr_rows += any > 0;
	}
	return true;
}

struct owner {
	size_t row;
	double key;
};

/* The most first; of equals, the order they have in debugfs. */
static int compare_owners(const void *one, const void *other)
{
	const struct owner *a = one, *b = other;

	if (a->key != b->key)
		return a->key < b->key ? 1 : -1;
	return a->row < b->row ? -1 : 1;
}

static struct owner *sort_owners(const struct pair *owners, bool by_rate)
{
	struct owner *sorted = calloc(owners->now->nr_rows + 1, sizeof(*sorted));
	size_t row;

	for (row = 0; sorted && row < owners->now->nr_rows; row++) {
		double rate = rate_of(owners, row, "owner", "allocations");

		sorted[row].row = row;
		sorted[row].key = by_rate ? rate : table_number(owners->now, row, "pages");
		if (isnan(sorted[row].key))
			sorted[row].key = -1;
	}
	if (sorted)
		qsort(sorted, owners->now->nr_rows, sizeof(*sorted), compare_owners);
	return sorted;
}

static bool list_owners(struct listing *listing, const struct pair *owners, bool by_rate)
{
	struct owner *sorted = sort_owners(owners, by_rate);
	size_t i;

	*listing = (struct listing){ .column = {
		{ "owner", 16 }, { by_rate ? "held" : "*held", 5 },
		{ by_rate ? "*alloc/s" : "allocs/s", 8 }, { "blocks", 7 },
	} };
	if (!sorted || !listing_begin(listing, owners->now->nr_rows)) {
		free(sorted);
		return false;
	}
	for (i = 0; i < owners->now->nr_rows; i++) {
		size_t row = sorted[i].row;

		snprintf(listing_cell(listing, i, 0), STATE_WORD, "%s",
			 table_word(owners->now, row, "owner"));
		put_bytes(listing_cell(listing, i, 1),
			  table_number(owners->now, row, "pages") * page_bytes());
		put_rate(listing_cell(listing, i, 2),
			 rate_of(owners, row, "owner", "allocations"), 8);
		put_count(listing_cell(listing, i, 3), table_number(owners->now, row, "blocks"), 7);
		listing->nr_rows++;
	}
	free(sorted);
	return true;
}

static void list_part(struct listing *listing, const char *kind, const struct part *part,
		      const struct pair *stats, const char *unit, long long unit_bytes)
{
	static const struct { const char *state; int column; } states[] = {
		{ "live", 2 }, { "cached", 4 }, { "free", 5 },
	};
	int row = listing->nr_rows++, i;
	char column[STATE_WORD];

	snprintf(listing_cell(listing, row, 0), STATE_WORD, "%s:%.50s", kind, part->name);
	put_bytes(listing_cell(listing, row, 1),
		  table_number(stats->now, 0, "held_pages") * page_bytes());
	for (i = 0; i < 3; i++) {
		snprintf(column, sizeof(column), "%s_%s", states[i].state, unit);
		put_bytes(listing_cell(listing, row, states[i].column),
			  (double)table_number(stats->now, 0, column) * unit_bytes);
	}
	put_rate(listing_cell(listing, row, 3), rate_of(stats, 0, NULL, "allocations"), 8);
	put_count(listing_cell(listing, row, 6), table_number(stats->now, 0, "failures"), 5);
}

/* Slabs, then caches, by their names. */
static bool list_parts(struct listing *listing, const struct top *top, const struct pool *pool)
{
	struct pair stats;
	size_t i;

	*listing = (struct listing){ .column = {
		{ "byte layer", 12 }, { "held", 5 }, { "live", 5 }, { "allocs/s", 8 },
		{ "cache", 5 }, { "free", 5 }, { "fails", 5 },
	} };
	if (!listing_begin(listing, pool->slabs.nr + pool->caches.nr))
		return false;
	for (i = 0; i < pool->slabs.nr; i++) {
		stats = slab_pair(top, pool, &pool->slabs.part[i]);
		list_part(listing, "slab", &pool->slabs.part[i], &stats, "bytes", 1);
	}
	for (i = 0; i < pool->caches.nr; i++) {
		stats = cache_pair(top, pool, &pool->caches.part[i]);
		list_part(listing, "cache", &pool->caches.part[i], &stats, "objects",
			  table_number(stats.now, 0, "object_bytes"));
	}
	return true;
}

/* Map: cells of debugfs's, joined so that the whole pool has room */

struct map {
	const struct table *rows;
	long long cells;	/* from the start of the first region */
	long long lead;		/* pages of that in front of the pool */
};

static struct map map_of(const struct pool *pool)
{
	struct map map = { .rows = &pool->own.table[POOL_MAP] };

	map.cells = map.rows->nr_rows * REGION_CELLS;
	if (map.rows->nr_rows > 1)
		map.lead = REGION_CELLS * CELL_PAGES - table_number(map.rows, 1, "page");
	return map;
}

static int map_width(int columns)
{
	int width;

	for (width = 1; width * 2 <= columns - 8; width *= 2)
		;
	return width;
}

/* How many cells of debugfs make one here, so that the map has room; its rows in *@height. */
static int join_cells(const struct map *map, int rows, int columns, int *height)
{
	long long width = map_width(columns);
	int joined;

	for (joined = 1; ; joined *= 2) {
		*height = 1 + (map->cells + width * joined - 1) / (width * joined);
		if (*height <= rows || rows < 2)
			return joined;
	}
}

/* One cell of debugfs: pages held, or -1 if the pool has none there. */
static int held_in(const struct map *map, long long cell)
{
	const char *cells;
	char c;

	if (cell >= map->cells)
		return -1;
	cells = table_word(map->rows, cell / REGION_CELLS, "cells");
	if (strlen(cells) <= (size_t)(cell % REGION_CELLS))
		return -1;
	c = cells[cell % REGION_CELLS];
	if (c == '#')
		return CELL_PAGES;
	return c == '.' ? 0 : c >= '1' && c <= '7' ? c - '0' : -1;
}

/* @joined cells as one. */
static char map_cell(const struct map *map, long long cell, int joined)
{
	long long held = 0, all = 0, eighths;
	int i, pages;

	for (i = 0; i < joined; i++) {
		pages = held_in(map, cell + i);
		all += pages >= 0 ? CELL_PAGES : 0;
		held += pages > 0 ? pages : 0;
	}
	if (!all)
		return ' ';
	if (!held || held == all)
		return held ? '#' : '.';
	eighths = held * 8 / all;
	return '0' + (eighths ?: 1);
}

static void draw_map_row(struct screen *screen, const struct area *area, int row,
			 const struct map *map, int joined)
{
	int width = map_width(area->columns), i;
	long long cell = (long long)(row - 1) * width * joined;
	long long page = cell * CELL_PAGES - map->lead;
	char text[NUMBER], c;

	put_bytes(text, page > 0 ? page * page_bytes() : 0);
	screen_put(screen, area->row + row, area->column, LOOK_DIM, "%7s", text);
	for (i = 0; i < width; i++) {
		c = map_cell(map, cell + (long long)i * joined, joined);
		screen_put(screen, area->row + row, area->column + 8 + i,
			   c == '.' || c == ' ' ? LOOK_PLAIN : LOOK_HELD, "%c", c);
	}
}

static void draw_map(struct screen *screen, struct area area, const struct map *map)
{
	char text[NUMBER];
	int joined, height, row;

	if (area.rows < 2 || !map->cells)
		return;
	joined = join_cells(map, area.rows, area.columns, &height);
	put_bytes(text, joined * CELL_PAGES * page_bytes());
	screen_put(screen, area.row, area.column, LOOK_REVERSE, "%-*s", area.columns,
		   area.columns < 72 ? "map" :
		   "map: . free, 1-7 eighths held, # held, magazines too");
	screen_put(screen, area.row, area.column + area.columns - 13, LOOK_REVERSE, "a cell %6s",
		   text);
	for (row = 1; row < height; row++)
		draw_map_row(screen, &area, row, map, joined);
}

/* The head: which pool, and how full it is */

/* Put words one after another, on the next row if there is no more room. */
static void flow(struct screen *screen, struct area *at, const char *fmt, ...)
{
	char text[128];
	va_list args;
	int len;

	va_start(args, fmt);
	len = vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	if (at->column && at->column + len > screen->columns) {
		at->row++;
		at->column = 0;
	}
	at->column = screen_put(screen, at->row, at->column, LOOK_PLAIN, "%s", text) + 2;
}

static void flow_bytes(struct screen *screen, struct area *at, const char *what, double pages)
{
	char text[NUMBER];

	put_bytes(text, pages * page_bytes());
	flow(screen, at, "%s %s", what, text);
}

static void flow_count(struct screen *screen, struct area *at, const char *what, double count)
{
	char text[NUMBER];

	put_rate(text, count, 12);
	flow(screen, at, "%s %s", what, text);
}

/* Each part at its share, but what there is any of is seen. */
static void draw_bar(struct screen *screen, int row, const struct table *stats)
{
	static const struct {
		const char *pages;
		const char *also;
		char c;
		enum look look;
	} parts[] = {
		{ "allocated_pages", NULL, '#', LOOK_HELD },
		{ "cached_pages", NULL, ':', LOOK_CACHED },
		{ "reserved_pages", "bad_pages", 'x', LOOK_BAD },
	};
	double all = table_number(stats, 0, "pages");
	int width = screen->columns - 2, at = 1, n;
	size_t i;

	screen_put(screen, row, 0, LOOK_PLAIN, "[%*s]", width, "");
	for (n = 0; n < width; n++)
		screen_put(screen, row, 1 + n, LOOK_PLAIN, ".");
	for (i = 0; i < sizeof(parts) / sizeof(*parts); i++) {
		double pages = table_number(stats, 0, parts[i].pages);

		pages += parts[i].also ? table_number(stats, 0, parts[i].also) : 0;
		n = all ? floor(pages / all * width) : 0;
		n += pages > 0 && !n;
		for (; n > 0 && at <= width; n--)
			screen_put(screen, row, at++, parts[i].look, "%c", parts[i].c);
	}
}

static void draw_title(const struct top *top, struct screen *screen)
{
	const struct state *state = &top->now.state;
	char clock[16];
	time_t now = time(NULL);
	size_t i = 0;
	int at;

	while (i + 1 < state->nr && strcmp(state->pool[i].own.name, top->pool))
		i++;
	strftime(clock, sizeof(clock), "%H:%M:%S", localtime(&now));
	at = screen_put(screen, 0, 0, LOOK_BOLD, "respool %s", top->pool);
	screen_put(screen, 0, at + 2, LOOK_PLAIN, "%zu of %zu  %s  %.1f s", i + 1, state->nr, clock,
		   top->options.interval_ms / 1000.0);
}

/* Returns the first row below. */
static int draw_head(const struct top *top, struct screen *screen, const struct pool *pool)
{
	struct pair stats = pair_of(top, pool, POOL_STATS);
	long long order = table_number(stats.now, 0, "largest_free_order");
	struct area at = { .row = 2 };

	draw_title(top, screen);
	draw_bar(screen, 1, stats.now);
	flow_bytes(screen, &at, "# held", table_number(stats.now, 0, "allocated_pages"));
	flow_bytes(screen, &at, ": cached", table_number(stats.now, 0, "cached_pages"));
	if (table_number(stats.now, 0, "reserved_pages") + table_number(stats.now, 0, "bad_pages"))
		flow_bytes(screen, &at, "x apart", table_number(stats.now, 0, "reserved_pages") +
			   table_number(stats.now, 0, "bad_pages"));
	flow_bytes(screen, &at, ". free", table_number(stats.now, 0, "free_pages"));
	flow_bytes(screen, &at, "of", table_number(stats.now, 0, "pages"));
	flow_bytes(screen, &at, "largest", order < 0 ? 0 : exp2(order));
	flow_bytes(screen, &at, "peak", table_number(stats.now, 0, "peak_allocated_pages"));
	at = (struct area){ .row = at.row + 1 };
	flow_count(screen, &at, "allocs/s", rate_of(&stats, 0, NULL, "allocations"));
	flow_count(screen, &at, "frees/s", rate_of(&stats, 0, NULL, "frees"));
	flow_count(screen, &at, "failures", table_number(stats.now, 0, "failures"));
	flow_count(screen, &at, "refused", refused_of(stats.now));
	return at.row + 1;
}

/* Layout */

enum { ORDERS, OWNERS, PARTS, MAP, NR_SECTIONS };

/* Rows for sections that want @height each: one more for each, in turn. */
static void share_rows(int rows, const int *height, int *given, int nr)
{
	bool more = true;
	int i;

	memset(given, 0, nr * sizeof(*given));
	while (rows > 0 && more) {
		more = false;
		for (i = 0; i < nr && rows > 0; i++) {
			if (given[i] == height[i])
				continue;
			given[i]++;
			rows--;
			more = true;
		}
	}
}

struct body {
	struct listing listing[MAP];
	struct map map;
	int height[NR_SECTIONS];
};

static void draw_section(struct screen *screen, struct body *body, int section, struct area area)
{
	if (section == MAP)
		draw_map(screen, area, &body->map);
	else
		draw_listing(screen, area, &body->listing[section], section != ORDERS);
}

/* One below another. */
static void draw_stacked(struct screen *screen, struct body *body, struct area area)
{
	int given[NR_SECTIONS], i;

	share_rows(area.rows, body->height, given, NR_SECTIONS);
	for (i = 0; i < NR_SECTIONS; i++) {
		area.rows = given[i];
		draw_section(screen, body, i, area);
		area.row += given[i];
	}
}

/* Orders to the left, owners and the byte layer to the right, the map below. */
static void draw_beside(struct screen *screen, struct body *body, struct area area)
{
	struct area part = area;
	int upper = body->height[ORDERS], right = body->height[OWNERS] + body->height[PARTS];
	int given[2], i;

	if (upper < right)
		upper = right;
	share_rows(area.rows, (const int []){ upper, body->height[MAP] }, given, 2);
	/* Few of the rows that a map may have make it a whole number of its own. */
	join_cells(&body->map, given[1], area.columns, &part.rows);
	if (given[1] && upper > area.rows - part.rows)
		upper = area.rows - part.rows;
	part.row = area.row + upper;
	part.rows = area.rows - upper;
	draw_section(screen, body, MAP, part);

	part = (struct area){ area.row, 0, upper, ORDERS_WIDTH };
	draw_section(screen, body, ORDERS, part);
	part.column = part.columns + 1;
	part.columns = area.columns - part.column;
	share_rows(upper, &body->height[OWNERS], given, 2);
	for (i = 0; i < 2; i++) {
		part.rows = given[i];
		draw_section(screen, body, OWNERS + i, part);
		part.row += given[i];
	}
}

static bool list_all(const struct top *top, struct body *body, const struct pool *pool, int columns)
{
	struct pair orders = pair_of(top, pool, POOL_ORDERS);
	struct pair owners = pair_of(top, pool, POOL_OWNERS);
	int i;

	if (!list_orders(&body->listing[ORDERS], &orders) ||
	    !list_owners(&body->listing[OWNERS], &owners, top->options.sort_by_rate) ||
	    !list_parts(&body->listing[PARTS], top, pool))
		return false;
	for (i = 0; i < MAP; i++)
		body->height[i] = listing_height(&body->listing[i]);
	body->map = map_of(pool);
	if (body->map.cells)
		join_cells(&body->map, INT_MAX, columns, &body->height[MAP]);
	return true;
}

static void draw_body(const struct top *top, struct screen *screen, const struct pool *pool,
		      struct area area)
{
	struct body body = {};
	int i;

	if (list_all(top, &body, pool, area.columns)) {
		if (area.columns < 80)
			draw_stacked(screen, &body, area);
		else
			draw_beside(screen, &body, area);
	}
	for (i = 0; i < MAP; i++)
		free(body.listing[i].cell);
}

void top_explain(const struct top *top, char *text, size_t size)
{
	if (!top->now.error)
		snprintf(text, size, "the pool is gone, there are others");
	else if (top->now.error == -ENOENT)
		snprintf(text, size, "no pool in %.200s/respool", top->options.debugfs);
	else
		snprintf(text, size, "%.200s/respool: %s", top->options.debugfs,
			 strerror(-top->now.error));
}

bool top_draw(struct top *top, int rows, int columns)
{
	struct screen *screen = &top->screen;
	const struct pool *pool = find_pool(&top->now, top->pool);
	char why[300];
	struct area area = { .columns = columns };

	if (!screen_reset(screen, rows, columns))
		return false;
	if (pool) {
		area.row = draw_head(top, screen, pool);
		area.rows = screen->rows - area.row - !top->options.once;
		draw_body(top, screen, pool, area);
	} else {
		top_explain(top, why, sizeof(why));
		screen_put(screen, 0, 0, LOOK_BOLD, "respool %s", top->pool);
		screen_put(screen, 1, 0, LOOK_PLAIN, "%s", why);
	}
	if (top->options.once)
		return true;
	for (area.column = 0; area.column < screen->columns; area.column++)
		screen_put(screen, screen->rows - 1, area.column, LOOK_REVERSE, " ");
	screen_put(screen, screen->rows - 1, 0, LOOK_REVERSE, "%s",
		   "q quit  p pool  s sort  m map  +- time");
	return true;
}
