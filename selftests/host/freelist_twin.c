// SPDX-License-Identifier: GPL-2.0
#include <stdalign.h>

#include "freelist_twin.h"
#include "harness.h"

/* Cells of a run in front of its first block; the last cell is its end tag. */
#define RUN_HEAD_CELLS	(sizeof(struct respool_run) / CELL_BYTES)

/* Headers and footers lie 8 bytes off a cell's start. */
BUILD_BUG_ON(sizeof(struct respool_run) % CELL_BYTES != RESPOOL_BLOCK_HEADER);

/* Of the arena and of all that is known of a cell. */
#define BYTES_PER_CELL	(CELL_BYTES + sizeof(struct twin_object) + 2 * sizeof(u32) + sizeof(u8))

/* Not from malloc(): what a damaged link leads to depends on where the arena is. */
static alignas(4096) u8 memory[(TWIN_MAX_CELLS + 1) * BYTES_PER_CELL];

void freelist_twin_init(struct freelist_twin *t, u32 nr_cells)
{
	u32 c;

	memset(t, 0, sizeof(*t));
	t->nr_cells = nr_cells;
	t->memory = memory;
	/* One cell more, for the half of it that the last one reaches into. */
	t->memory_bytes = (nr_cells + 1) * BYTES_PER_CELL;
	memset(t->memory, 0, t->memory_bytes);
	t->arena = t->memory;
	t->object = (void *)(t->arena + (nr_cells + 1) * CELL_BYTES);
	t->cell = (void *)(t->object + nr_cells);
	t->live = t->cell + nr_cells;
	t->stale = (void *)(t->live + nr_cells);
	for (c = 0; c < nr_cells; c++)
		t->cell[c] = CELL_OUTSIDE;
}

void *freelist_twin_payload(const struct freelist_twin *t, u32 cell)
{
	return t->arena + (size_t)(cell + 1) * CELL_BYTES;
}

u32 freelist_twin_cell(const struct freelist_twin *t, const void *payload)
{
	return (u32)(((const u8 *)payload - t->arena) / CELL_BYTES) - 1;
}

/* Cells */

static u32 gaps_that_start(const struct freelist_twin *t, u32 first, u32 last)
{
	u32 c, n = 0;

	for (c = first; c <= last; c++)
		n += t->cell[c] == CELL_FREE && t->cell[c - 1] != CELL_FREE;
	return n;
}

static void set_cells(struct freelist_twin *t, u32 first, u32 end, u32 owner)
{
	u32 c;

	t->nr_gaps -= gaps_that_start(t, first, end);
	for (c = first; c < end; c++) {
		t->free_cells -= t->cell[c] == CELL_FREE;
		t->cell[c] = owner;
	}
	t->free_cells += owner == CELL_FREE ? end - first : 0;
	t->nr_gaps += gaps_that_start(t, first, end);
}

u32 freelist_twin_gap(const struct freelist_twin *t, u32 cell)
{
	u32 c = cell;

	while (t->cell[c] == CELL_FREE)
		c++;
	return c - cell;
}

u32 freelist_twin_largest_gap(const struct freelist_twin *t)
{
	u32 c, gap, largest = 0;

	for (c = 0; c < t->nr_cells; c += gap + 1) {
		gap = freelist_twin_gap(t, c);
		largest = max(largest, gap);
	}
	return largest;
}

/* Runs */

struct respool_run *freelist_twin_run_at(const struct freelist_twin *t, u32 start)
{
	return (void *)(t->arena + (size_t)start * CELL_BYTES);
}

struct twin_run *freelist_twin_run_of(struct freelist_twin *t, const void *addr)
{
	u64 at = ((const u8 *)addr - t->arena) / CELL_BYTES;
	u32 r;

	for (r = 0; r < t->nr_runs; r++)
		if (at >= t->run[r].start && at < t->run[r].start + t->run[r].cells)
			return &t->run[r];
	return NULL;
}

bool freelist_twin_room_for_run(const struct freelist_twin *t, u32 start, u32 cells)
{
	u32 r;

	if (t->nr_runs == TWIN_MAX_RUNS || !start || start + cells >= t->nr_cells)
		return false;
	for (r = 0; r < t->nr_runs; r++)
		if (start < t->run[r].start + t->run[r].cells && t->run[r].start < start + cells)
			return false;
	return true;
}

void freelist_twin_add_run(struct freelist_twin *t, u32 start, u32 cells)
{
	u32 first = start + RUN_HEAD_CELLS, end = start + cells - 1;

	t->run[t->nr_runs++] = (struct twin_run){ start, cells, 0 };
	t->held_cells += cells;
	set_cells(t, start, first, CELL_EDGE);
	set_cells(t, first, end, CELL_FREE);
	set_cells(t, end, end + 1, CELL_EDGE);
	t->stale[first] = true;
}

void freelist_twin_remove_run(struct freelist_twin *t, struct twin_run *run)
{
	set_cells(t, run->start, run->start + run->cells, CELL_OUTSIDE);
	t->held_cells -= run->cells;
	*run = t->run[--t->nr_runs];
}

/* Live blocks */

size_t freelist_twin_usable(const struct freelist_twin *t, u32 cell)
{
	return (size_t)t->object[cell].cells * CELL_BYTES - RESPOOL_BLOCK_HEADER;
}

static void expect_free_cells(const struct freelist_twin *t, u32 first, u32 end)
{
	u32 c;

	for (c = first; c < end; c++)
		if (t->cell[c] != CELL_FREE)
			differ("the block at cells %u..%u takes cell %u of %#x", first, end - 1, c,
			       t->cell[c]);
}

void freelist_twin_take(struct freelist_twin *t, const void *payload, size_t usable)
{
	u32 cell = freelist_twin_cell(t, payload), cells;

	if (!freelist_twin_run_of(t, payload) || (uintptr_t)payload % CELL_BYTES ||
	    (usable + RESPOOL_BLOCK_HEADER) % CELL_BYTES || usable > t->nr_cells * CELL_BYTES)
		differ("a block of %zu bytes at cell %u is not one of the arena", usable, cell);
	cells = (usable + RESPOOL_BLOCK_HEADER) / CELL_BYTES;
	expect_free_cells(t, cell, cell + cells);
	set_cells(t, cell, cell + cells, cell);
	t->object[cell] = (struct twin_object){ .cells = cells, .listed = t->nr_live };
	t->live[t->nr_live++] = cell;
	t->live_cells += cells;
	t->stale[cell] = true;
	t->stale[cell + cells] = true;
	freelist_twin_run_of(t, payload)->live++;
}

void freelist_twin_give(struct freelist_twin *t, u32 cell)
{
	struct twin_object *object = &t->object[cell];
	u32 last = t->live[--t->nr_live];

	set_cells(t, cell, cell + object->cells, CELL_FREE);
	t->live_cells -= object->cells;
	t->live[object->listed] = last;
	t->object[last].listed = object->listed;
	freelist_twin_run_of(t, freelist_twin_payload(t, cell))->live--;
}

/* Contents */

static u64 word_of(u32 pattern, size_t i)
{
	return ((u64)pattern << 32 | 1) * (i + 1);
}

void freelist_twin_fill(struct freelist_twin *t, u32 cell, u32 pattern)
{
	struct twin_object *object = &t->object[cell];
	u64 *word = freelist_twin_payload(t, cell);
	size_t i;

	for (i = 0; i < freelist_twin_usable(t, cell) / sizeof(*word); i++)
		word[i] = word_of(pattern, i);
	object->pattern = pattern;
	object->filled = true;
	/* No header that stood inside can have survived this. */
	memset(t->stale + cell + 1, 0, object->cells - 1);
}

void freelist_twin_verify(const struct freelist_twin *t, u32 cell, size_t bytes)
{
	const struct twin_object *object = &t->object[cell];
	const u64 *word = freelist_twin_payload(t, cell);
	size_t i;

	if (!object->filled)
		return;
	for (i = 0; i < bytes / sizeof(*word); i++)
		if (word[i] != word_of(object->pattern, i))
			differ("word %zu of the block at cell %u is %#lx and should be %#lx", i,
			       cell, (unsigned long)word[i],
			       (unsigned long)word_of(object->pattern, i));
}
