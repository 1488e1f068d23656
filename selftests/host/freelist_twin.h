/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A naive twin of the byte layer's core: a map of who owns each cell of 16
 * bytes. A cached block counts as live wherever nothing else is said, as in the
 * core. Since neighbours coalesce at once, what lies between two live blocks
 * of a run must be exactly one free block: a *gap*. So the twin needs no lists
 * and no tags, and finds what a search should have found by looking at all gaps.
 *
 * The arena holds the runs and what lies between them. Blocks start at their
 * header, 8 bytes into a multiple of 16: cell c is the 16 bytes from there.
 */
#ifndef RESPOOL_FREELIST_TWIN_H
#define RESPOOL_FREELIST_TWIN_H

#include "slab/freelist.h"

#define CELL_BYTES	RESPOOL_BLOCK_ALIGN
#define TWIN_MAX_RUNS	16
#define TWIN_MAX_CELLS	(256 * 1024)

/* What a cell belongs to, if not to the live block that starts at that cell. */
enum {
	CELL_OUTSIDE = 0xfffffff0,	/* no run */
	CELL_EDGE,			/* a run's header or end tag */
	CELL_FREE,
};

struct twin_object {
	u32 cells;	/* of the block, header included */
	u32 pattern;	/* what its payload was filled with */
	u32 listed;	/* where in live[] */
	u32 taken_as;	/* bytes of a cached block, as far as whoever gives it knows */
	bool cached;
	bool filled;	/* or its payload is what it was before */
	bool awaited;	/* there when the reading began, and not shown yet */
	bool shown;	/* in this reading */
};

struct twin_run {
	u32 start;	/* multiple of 16 bytes into the arena */
	u32 cells;
	u32 live;	/* blocks */
};

struct freelist_twin {
	void *memory;		/* of everything below, so that it can be copied at once */
	size_t memory_bytes;

	u8 *arena;
	u32 nr_cells;
	u32 *cell;		/* CELL_*, or the first cell of the live block */
	struct twin_object *object;	/* for each cell, the live block that starts there */
	u32 *live;		/* first cells of all live blocks, in no order */
	u8 *stale;		/* for each cell, a free block's header may stand here */

	struct twin_run run[TWIN_MAX_RUNS];
	u32 nr_runs;
	u32 nr_live;
	u32 nr_cached;		/* of those */
	u32 nr_gaps;
	u64 held_cells;
	u64 live_cells;
	u64 free_cells;
	u32 top_end;		/* cell of the top run's end tag, 0 for none */
	u32 rover;		/* cell where next fit goes on, 0 for the lowest */
};

/* There is memory for one twin at a time. */
void freelist_twin_init(struct freelist_twin *t, u32 nr_cells);

/* Where the payload of a block at @cell starts, and back. */
void *freelist_twin_payload(const struct freelist_twin *t, u32 cell);
u32 freelist_twin_cell(const struct freelist_twin *t, const void *payload);

struct respool_run *freelist_twin_run_at(const struct freelist_twin *t, u32 start);

/* The run that holds address @addr, NULL if none does. */
struct twin_run *freelist_twin_run_of(struct freelist_twin *t, const void *addr);
bool freelist_twin_room_for_run(const struct freelist_twin *t, u32 start, u32 cells);
void freelist_twin_add_run(struct freelist_twin *t, u32 start, u32 cells);
/* The run, whose end is free, gets longer or shorter. */
void freelist_twin_move_end(struct freelist_twin *t, struct twin_run *run, u32 cells);
void freelist_twin_remove_run(struct freelist_twin *t, struct twin_run *run);

void freelist_twin_take(struct freelist_twin *t, const void *payload, size_t usable);
void freelist_twin_give(struct freelist_twin *t, u32 cell);

/* A live block becomes cached, to be given out as one of @taken_as bytes; and back. */
void freelist_twin_cache(struct freelist_twin *t, u32 cell, u32 taken_as);
void freelist_twin_uncache(struct freelist_twin *t, u32 cell);

/* Fill the payload of a live block, and see that it still holds that, up to @bytes. */
void freelist_twin_fill(struct freelist_twin *t, u32 cell, u32 pattern);
void freelist_twin_verify(const struct freelist_twin *t, u32 cell, size_t bytes);

size_t freelist_twin_usable(const struct freelist_twin *t, u32 cell);

/* Free cells from @cell on, and the largest such number in the arena. */
u32 freelist_twin_gap(const struct freelist_twin *t, u32 cell);
u32 freelist_twin_largest_gap(const struct freelist_twin *t);

/*
 * How many of up to @nr blocks of @cells are cut at one go from the gap of which
 * @cell is the first: as many as it holds, but for one whose rest would be too
 * short to be a block and at least half of it.
 */
u32 freelist_twin_cut(const struct freelist_twin *t, u32 cell, u32 cells, u32 nr);

/* First cell of the gap that @cell is in. */
u32 freelist_twin_gap_start(const struct freelist_twin *t, u32 cell);

/*
 * Compare the gap a search for @cells has found, CELL_OUTSIDE for none, with
 * the one it had to find.
 */
void freelist_twin_expect_found(const struct freelist_twin *t, enum respool_search search,
				u32 cells, u32 found);

#endif /* RESPOOL_FREELIST_TWIN_H */
