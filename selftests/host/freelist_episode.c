// SPDX-License-Identifier: GPL-2.0
/*
 * One free list from init to empty again: every answer of the byte layer's
 * core is compared with the twin's, every block's contents are checked.
 *
 * Now and then a word of the core's own data is overwritten. From there until
 * the damage is undone each call may also say -EUCLEAN, provided that it
 * changed nothing; nothing else that holds otherwise may cease to hold.
 */
#include <stdlib.h>

#include "freelist_episode.h"
#include "freelist_twin.h"

#define MIN_CELLS	32	/* of an arena */
#define SMALL_ARENA	512	/* cells: up to that every step walks the arena */
#define CELLS_PER_STEP	128	/* beyond, a step walks that many on average */
#define KEPT_SHARE	8	/* a resize to shorter need not cut off less than that */
#define DAMAGE_CELLS	2048	/* no larger arena is damaged: it has to be copied */

struct state {
	struct respool_freelist core;
	struct freelist_twin twin;
	struct respool_cursor cursor;	/* of a reading that goes on over many steps */
	bool reading;
};

struct episode {
	struct choices *c;
	struct state now;
	unsigned long walk_every;	/* steps between two walks of the arena */
	unsigned int alloc_percent;	/* of the steps that allocate or free */
	unsigned int size_limit;	/* allocations rarely ask for more bytes */
	enum respool_search search;
	bool damaged;			/* -EUCLEAN is a right answer now */

	struct state before;		/* the call that may be refused */
	void *memory_before;
	bool remembered;
	struct respool_block_row *rows;	/* room to list the blocks of the largest run */
};

static bool walk_is_due(const struct episode *e)
{
	return steps_done() % e->walk_every == 0;
}

/* Refusals must leave every byte as it was. */
static void remember(struct episode *e)
{
	e->remembered = walk_is_due(e) || e->damaged;
	if (!e->remembered)
		return;
	e->before = e->now;
	memcpy(e->memory_before, e->now.twin.memory, e->now.twin.memory_bytes);
}

static void expect_unchanged(struct episode *e)
{
	if (!e->remembered)
		return;
	e->before.core.damage = e->now.core.damage;
	if (memcmp(&e->before.core, &e->now.core, sizeof(e->now.core)))
		differ("a refused call changed struct respool_freelist");
	if (memcmp(e->memory_before, e->now.twin.memory, e->now.twin.memory_bytes))
		differ("a refused call changed the arena");
}

/* True if the call was refused for damage, as it may be. */
static bool refused_for_damage(struct episode *e, int err)
{
	if (!e->damaged || err != -EUCLEAN)
		return false;
	expect_unchanged(e);
	return true;
}

static void compare_counts(const struct episode *e)
{
	const struct respool_freelist *f = &e->now.core;
	const struct freelist_twin *t = &e->now.twin;

	expect_equal("runs", f->runs, t->nr_runs);
	expect_equal("held_bytes", f->held_bytes, t->held_cells * CELL_BYTES);
	expect_equal("live_blocks", f->live_blocks, t->nr_live);
	expect_equal("live_bytes", f->live_bytes,
		     t->live_cells * CELL_BYTES - t->nr_live * RESPOOL_BLOCK_HEADER);
	expect_equal("free_blocks", f->free_blocks, t->nr_gaps);
	expect_equal("free_bytes", f->free_bytes, t->free_cells * CELL_BYTES);
}

/* Walks */

static void expect_valid(const struct episode *e)
{
	const void *where = NULL;
	const char *broken = respool_freelist_validate(&e->now.core, &where);

	if (broken)
		differ("validate says \"%s\" at byte %td of the arena", broken,
		       (const u8 *)where - e->now.twin.arena);
}

static enum respool_block_kind kind_of(const struct freelist_twin *t, u32 cell)
{
	if (t->cell[cell] == CELL_FREE)
		return RESPOOL_BLOCK_FREE;
	return t->object[cell].cached ? RESPOOL_BLOCK_CACHED : RESPOOL_BLOCK_USED;
}

static u32 block_cells(const struct freelist_twin *t, u32 cell)
{
	return t->cell[cell] == CELL_FREE ? freelist_twin_gap(t, cell) : t->object[cell].cells;
}

/* @row describes the block at @cell, or the end of the run there. */
static void compare_row(const struct episode *e, const struct respool_block_row *row, u32 cell)
{
	const struct freelist_twin *t = &e->now.twin;
	u32 before = t->cell[cell - 1], what = t->cell[cell];

	expect_equal("payload", (uintptr_t)row->addr + RESPOOL_BLOCK_HEADER,
		     (uintptr_t)freelist_twin_payload(t, cell));
	expect_equal("prev_used", row->prev_used, before != CELL_FREE);
	if (what == CELL_EDGE) {
		expect_equal("kind", row->kind, RESPOOL_BLOCK_END);
		return;
	}
	expect_equal("kind", row->kind, kind_of(t, cell));
	if (what == CELL_FREE ? before == CELL_FREE : what != cell)
		differ("cell %u is inside a block", cell);
	expect_equal("bytes", row->bytes, block_cells(t, cell) * CELL_BYTES);
	expect_equal("footer", row->footer, what == CELL_FREE ? row->bytes : 0);
}

/* Rows lie side by side, whatever the run; the last is its end or one of many. */
static u32 compare_rows(const struct episode *e, u32 cell, size_t nr)
{
	size_t i;

	for (i = 0; i < nr; i++) {
		compare_row(e, &e->rows[i], cell);
		cell += e->rows[i].bytes / CELL_BYTES;
	}
	return cell;
}

static u32 row_cell(const struct freelist_twin *t, const struct respool_block_row *row)
{
	return freelist_twin_cell(t, (const u8 *)row->addr + RESPOOL_BLOCK_HEADER);
}

static void compare_run(struct episode *e, const struct respool_run *run, size_t nr)
{
	const struct freelist_twin *t = &e->now.twin;
	u32 end = compare_rows(e, freelist_twin_cell(t, run + 1) + 1, nr);

	expect_equal("end of the run", end, freelist_twin_cell(t, (u8 *)run + run->bytes));
}

static void compare_runs(struct episode *e)
{
	struct respool_cursor cursor;
	const struct respool_run *run;
	u32 nr = 0;
	size_t rows;

	respool_freelist_open(&e->now.core, &cursor);
	for (run = cursor.run; run; run = cursor.run) {
		rows = respool_freelist_look(&e->now.core, &cursor, e->rows,
					     e->now.twin.nr_cells);
		compare_run(e, run, rows);
		nr++;
	}
	respool_freelist_close(&e->now.core, &cursor);
	expect_equal("runs visited", nr, e->now.twin.nr_runs);
}

/* Readings that go on while blocks come and go */

static void start_reading(struct episode *e)
{
	struct freelist_twin *t = &e->now.twin;
	u32 i;

	respool_freelist_open(&e->now.core, &e->now.cursor);
	e->now.reading = true;
	for (i = 0; i < t->nr_live; i++) {
		t->object[t->live[i]].awaited = true;
		t->object[t->live[i]].shown = false;
	}
}

static void finish_reading(struct episode *e)
{
	const struct freelist_twin *t = &e->now.twin;
	u32 i;

	respool_freelist_close(&e->now.core, &e->now.cursor);
	e->now.reading = false;
	for (i = 0; i < t->nr_live; i++)
		if (t->object[t->live[i]].awaited)
			differ("the block at cell %u was not shown", t->live[i]);
}

static void note_shown(struct episode *e, const struct respool_block_row *row)
{
	struct twin_object *object = &e->now.twin.object[row_cell(&e->now.twin, row)];

	if (row->kind != RESPOOL_BLOCK_USED && row->kind != RESPOOL_BLOCK_CACHED)
		return;
	if (object->shown)
		differ("the block at cell %u is shown twice", row_cell(&e->now.twin, row));
	object->awaited = false;
	object->shown = true;
}

/* With a damaged heap only what is no longer damaged when the reading ends. */
static void read_on(struct episode *e)
{
	size_t nr, i;

	if (e->damaged) {
		respool_freelist_look(&e->now.core, &e->now.cursor, e->rows, 1);
		return;
	}
	if (!e->now.reading)
		start_reading(e);
	doing("look at the next blocks", 0, 0);
	nr = respool_freelist_look(&e->now.core, &e->now.cursor, e->rows,
				   1 + choose(e->c, 8));
	if (!nr) {
		finish_reading(e);
		return;
	}
	compare_rows(e, row_cell(&e->now.twin, e->rows), nr);
	for (i = 0; i < nr; i++)
		note_shown(e, &e->rows[i]);
}

static void verify_contents(const struct episode *e)
{
	const struct freelist_twin *t = &e->now.twin;
	u32 i;

	for (i = 0; i < t->nr_live; i++)
		freelist_twin_verify(t, t->live[i], freelist_twin_usable(t, t->live[i]));
}

static void compare_all(struct episode *e)
{
	u32 gap = freelist_twin_largest_gap(&e->now.twin);

	expect_valid(e);
	compare_runs(e);
	verify_contents(e);
	expect_equal("largest free", respool_freelist_largest_free(&e->now.core),
		     gap ? gap * CELL_BYTES - RESPOOL_BLOCK_HEADER : 0);
}

/* Sizes */

/*
 * Any size, often one where the next class begins, at times a byte too much, rarely
 * one that is absurd.
 */
static size_t choose_size(struct episode *e)
{
	static const size_t absurd[] = { 0, 0xfffffff0, 1UL << 32, 1UL << 63, SIZE_MAX - 15,
					 SIZE_MAX };
	size_t size;

	if (choose(e->c, 64) == 0)
		return absurd[choose(e->c, ARRAY_SIZE(absurd))];
	size = 1 + min(choose(e->c, e->size_limit), choose(e->c, e->size_limit));
	if (chance(e->c, 25))
		size = round_up(size, CELL_BYTES) + RESPOOL_BLOCK_HEADER + choose(e->c, 3) - 1;
	else if (chance(e->c, 1))
		size = respool_freelist_largest_free(&e->now.core) + 1;
	return size;
}

static size_t choose_align(struct episode *e)
{
	static const size_t absurd[] = { 0, 3, 24, 48, 1UL << 32, 1UL << 63, SIZE_MAX };

	if (choose(e->c, 64) == 0)
		return absurd[choose(e->c, ARRAY_SIZE(absurd))];
	if (chance(e->c, 75))
		return RESPOOL_BLOCK_ALIGN;
	return 1UL << choose(e->c, 13);
}

static int expected_request(size_t size, size_t align)
{
	if (!size || !is_power_of_2(align))
		return -EINVAL;
	return size > UINT_MAX / 2 || align > UINT_MAX / 2 ? -EOVERFLOW : 0;
}

static size_t bytes_for(size_t size)
{
	return max(round_up(size + RESPOOL_BLOCK_HEADER, CELL_BYTES), RESPOOL_BLOCK_MIN);
}

/* Cells of the free block that is looked for: it has room for any alignment. */
static u32 cells_sought(size_t size, size_t align)
{
	size_t bytes = bytes_for(size);

	if (align > CELL_BYTES)
		bytes += align - CELL_BYTES + RESPOOL_BLOCK_MIN;
	return bytes / CELL_BYTES;
}

/* A block holds what was asked for, and less than @slack bytes could be cut off. */
static void expect_fit(size_t usable, size_t size, size_t slack)
{
	if (usable < size)
		differ("%zu bytes are given for %zu", usable, size);
	if (usable + RESPOOL_BLOCK_HEADER - bytes_for(size) >= slack)
		differ("more than a rest is wasted: %zu bytes for %zu", usable, size);
}

static size_t usable_size(struct episode *e, const void *ptr)
{
	size_t usable = 0;

	expect_equal("usable_size", respool_freelist_usable_size(&e->now.core, ptr, &usable), 0);
	return usable;
}

/* Allocation */

/* Good fit believes what a run says of its end: if that is damaged, what it finds suffices. */
static void expect_found(const struct episode *e, size_t size, size_t align, u32 found)
{
	bool any_suffices = e->damaged && e->search == RESPOOL_SEARCH_GOOD && found != CELL_OUTSIDE;

	if (walk_is_due(e) && !any_suffices)
		freelist_twin_expect_found(&e->now.twin, e->search, cells_sought(size, align),
					   found);
}

static u32 gap_around(const struct freelist_twin *t, const void *ptr)
{
	return freelist_twin_gap_start(t, freelist_twin_cell(t, ptr));
}

static void accept_block(struct episode *e, void *ptr, size_t size, size_t align)
{
	struct freelist_twin *t = &e->now.twin;
	size_t usable = usable_size(e, ptr);

	if ((uintptr_t)ptr & (align - 1))
		differ("the block is not aligned to %zu", align);
	expect_fit(usable, size, RESPOOL_BLOCK_MIN);
	t->rover = gap_around(t, ptr);
	freelist_twin_take(t, ptr, usable);
	expect_equal("knows", respool_freelist_knows(&e->now.core, ptr), true);
	if (chance(e->c, 75))
		freelist_twin_fill(t, freelist_twin_cell(t, ptr), choose_any(e->c));
}

/* The block, or NULL if there was no room or the request was refused. */
static void *try_alloc(struct episode *e, size_t size, size_t align)
{
	int expected = expected_request(size, align), err;
	void *ptr;

	doing("alloc of %ld bytes aligned to %ld", size, align);
	remember(e);
	err = respool_freelist_alloc(&e->now.core, size, align, &ptr);
	if (refused_for_damage(e, err))
		return NULL;
	if (!expected && err == -ENOMEM) {
		expect_unchanged(e);
		expect_found(e, size, align, CELL_OUTSIDE);
		return NULL;
	}
	expect_equal("alloc", err, expected);
	if (err) {
		expect_unchanged(e);
		return NULL;
	}
	expect_found(e, size, align, gap_around(&e->now.twin, ptr));
	accept_block(e, ptr, size, align);
	return ptr;
}

/* Runs */

/* What a run is to serve as it becomes longer, or comes. */
struct request {
	size_t size;	/* 0: nothing */
	size_t align;
};

static const struct request no_request;

static struct request choose_request(struct episode *e)
{
	struct request r = {};

	if (chance(e->c, 50)) {
		r.size = choose_size(e);
		r.align = choose_align(e);
	}
	return r;
}

static u32 end_of(const struct twin_run *run)
{
	return run->start + run->cells;
}

/* Free cells at the end of a run; its last cell is the end tag. */
static u32 tail_of(const struct freelist_twin *t, const struct twin_run *run)
{
	u32 cell = end_of(run) - 1;

	return t->cell[cell - 1] == CELL_FREE ? cell - freelist_twin_gap_start(t, cell - 1) : 0;
}

/* What is said of @r where so many cells are free at the end of a run. */
static int expected_of_tail(const struct request *r, u32 cells)
{
	int expected = r->size ? expected_request(r->size, r->align) : 0;

	return expected || !r->size || cells_sought(r->size, r->align) <= cells ? expected :
	       -ENOMEM;
}

/* The block comes from the end of the run. */
static void accept_from_tail(struct episode *e, const struct twin_run *run, void *ptr,
			     const struct request *r)
{
	const struct freelist_twin *t = &e->now.twin;

	if (!r->size)
		return;
	expect_equal("where the block is", gap_around(t, ptr), end_of(run) - 1 - tail_of(t, run));
	accept_block(e, ptr, r->size, r->align);
}

static bool add_run(struct episode *e, u32 start, u32 cells, struct request r)
{
	struct respool_run *run = freelist_twin_run_at(&e->now.twin, start);
	int expected = expected_of_tail(&r, cells - RESPOOL_RUN_OVERHEAD / CELL_BYTES), err;
	void *ptr;

	doing("run of %ld cells at %ld", cells, start);
	if (!freelist_twin_room_for_run(&e->now.twin, start, cells))
		return false;
	remember(e);
	err = respool_freelist_add_run(&e->now.core, run, (size_t)cells * CELL_BYTES, r.size,
				       r.align, &ptr);
	if (refused_for_damage(e, err))
		return false;
	expect_equal("add_run", err, expected);
	if (err) {
		expect_unchanged(e);
		return false;
	}
	freelist_twin_add_run(&e->now.twin, start, cells);
	expect_equal("run_is_empty", respool_freelist_run_is_empty(&e->now.core, run), !r.size);
	accept_from_tail(e, freelist_twin_run_of(&e->now.twin, run), ptr, &r);
	return true;
}

static u32 choose_run_start(struct episode *e)
{
	const struct freelist_twin *t = &e->now.twin;
	const struct twin_run *run;

	if (!t->nr_runs || chance(e->c, 50))
		return choose(e->c, t->nr_cells);
	run = &t->run[choose(e->c, t->nr_runs)];
	return run->start + run->cells;
}

static void add_any_run(struct episode *e)
{
	u32 least = DIV_ROUND_UP(RESPOOL_RUN_OVERHEAD + RESPOOL_BLOCK_MIN, CELL_BYTES);

	add_run(e, choose_run_start(e),
		least + choose(e->c, e->now.twin.nr_cells >> choose(e->c, 4)), choose_request(e));
}

/* A run just long enough for a request serves it. */
static void grow_for(struct episode *e, size_t size, size_t align)
{
	size_t bytes = respool_freelist_run_bytes(size, align);

	if (expected_request(size, align)) {
		expect_equal("run_bytes", bytes, 0);
		return;
	}
	expect_equal("run_bytes modulo 16", bytes % CELL_BYTES, 0);
	if (bytes / CELL_BYTES < e->now.twin.nr_cells &&
	    add_run(e, choose_run_start(e), bytes / CELL_BYTES, no_request) &&
	    !try_alloc(e, size, align) && !e->damaged)
		differ("a run of %zu bytes does not serve %zu bytes aligned to %zu", bytes, size,
		       align);
}

static void alloc_anything(struct episode *e)
{
	size_t size = choose_size(e), align = choose_align(e);

	if (try_alloc(e, size, align))
		return;
	if (chance(e->c, 50))
		add_any_run(e);
	else if (chance(e->c, 10))
		grow_for(e, size, align);
}

static void add_bad_run(struct episode *e)
{
	u8 *arena = e->now.twin.arena;
	static const struct {
		size_t offset, bytes;
	} bad[] = {
		{ 16, 0 }, { 16, 16 }, { 16, 64 }, { 24, 128 }, { 16, 136 }, { 17, 128 },
		{ 16, 1UL << 33 }, { 16, SIZE_MAX - 15 },
	};
	u32 i = choose(e->c, ARRAY_SIZE(bad));

	doing("bad run of %ld bytes at byte %ld", bad[i].bytes, bad[i].offset);
	remember(e);
	expect_equal("add_run", respool_freelist_add_run(&e->now.core, arena + bad[i].offset,
							 bad[i].bytes, 0, 0, NULL), -EINVAL);
	expect_unchanged(e);
}

static void remove_run(struct episode *e, struct twin_run *twin)
{
	struct respool_run *run = freelist_twin_run_at(&e->now.twin, twin->start);
	int err;

	doing("removal of the run at %ld with %ld live blocks", twin->start, twin->live);
	remember(e);
	if (!e->damaged)
		expect_equal("run_is_empty", respool_freelist_run_is_empty(&e->now.core, run),
			     !twin->live);
	err = respool_freelist_remove_run(&e->now.core, run);
	if (refused_for_damage(e, err))
		return;
	if (twin->live && err)
		expect_unchanged(e);
	expect_equal("remove_run", err, twin->live ? -EBUSY : 0);
	if (!err)
		freelist_twin_remove_run(&e->now.twin, twin);
}

static void remove_any_run(struct episode *e)
{
	if (e->now.twin.nr_runs)
		remove_run(e, &e->now.twin.run[choose(e->c, e->now.twin.nr_runs)]);
}

/* Longer and shorter runs */

static struct twin_run *choose_run(struct episode *e)
{
	return &e->now.twin.run[choose(e->c, e->now.twin.nr_runs)];
}

static void extend_run(struct episode *e, struct twin_run *twin, u32 cells, struct request r)
{
	struct respool_run *run = freelist_twin_run_at(&e->now.twin, twin->start);
	int expected = cells * CELL_BYTES < RESPOOL_BLOCK_MIN ? -EINVAL :
		       expected_of_tail(&r, tail_of(&e->now.twin, twin) + cells), err;
	void *ptr;

	doing("run at %ld longer by %ld cells", twin->start, cells);
	if (!freelist_twin_room_for_run(&e->now.twin, end_of(twin), cells))
		return;
	remember(e);
	err = respool_freelist_extend_run(&e->now.core, run, (size_t)cells * CELL_BYTES, r.size,
					  r.align, &ptr);
	if (refused_for_damage(e, err))
		return;
	expect_equal("extend_run", err, expected);
	if (err) {
		expect_unchanged(e);
		return;
	}
	freelist_twin_move_end(&e->now.twin, twin, twin->cells + cells);
	accept_from_tail(e, twin, ptr, &r);
}

static void choose_top(struct episode *e)
{
	const struct twin_run *run = choose_run(e);

	if (e->damaged)
		return;
	e->now.core.top = freelist_twin_run_at(&e->now.twin, run->start);
	e->now.twin.top_end = end_of(run) - 1;
}

static void extend_any_run(struct episode *e)
{
	if (!e->now.twin.nr_runs)
		return;
	extend_run(e, choose_run(e), choose(e->c, 1 + (e->now.twin.nr_cells >> choose(e->c, 8))),
		   choose_request(e));
	if (chance(e->c, 50))
		choose_top(e);
}

static void trim_any_run(struct episode *e)
{
	struct respool_run *run;
	struct twin_run *twin;
	u32 tail, cells;
	int err;

	if (!e->now.twin.nr_runs)
		return;
	twin = choose_run(e);
	run = freelist_twin_run_at(&e->now.twin, twin->start);
	tail = tail_of(&e->now.twin, twin);
	cells = choose(e->c, tail + 3);
	doing("run at %ld shorter by %ld cells", twin->start, cells);
	remember(e);
	if (!e->damaged)
		expect_equal("tail", respool_freelist_run_tail(&e->now.core, run),
			     tail * CELL_BYTES);
	err = respool_freelist_trim_run(&e->now.core, run, (size_t)cells * CELL_BYTES);
	if (refused_for_damage(e, err))
		return;
	expect_equal("trim_run", err,
		     tail * CELL_BYTES < cells * CELL_BYTES + RESPOOL_BLOCK_MIN ? -EBUSY : 0);
	if (err)
		expect_unchanged(e);
	else
		freelist_twin_move_end(&e->now.twin, twin, twin->cells - cells);
}

/* Free */

/* What a call should say of @ptr. The header of a block is not inside the block. */
static int expected_of(struct freelist_twin *t, const void *ptr)
{
	const u8 *in_cell = (const u8 *)ptr - RESPOOL_BLOCK_HEADER;
	u32 cell = (in_cell - t->arena) / CELL_BYTES;

	if (!freelist_twin_run_of(t, ptr))
		return -EFAULT;
	if (t->cell[cell] == CELL_FREE) {
		bool is_header = t->cell[cell - 1] != CELL_FREE &&
				 (uintptr_t)in_cell % CELL_BYTES == 0;

		return is_header ? -EINVAL : -EALREADY;
	}
	if (t->cell[cell] < CELL_OUTSIDE && t->object[t->cell[cell]].cached) {
		const void *block = freelist_twin_payload(t, t->cell[cell]);

		return ptr == respool_header_of(block) ? -EINVAL : -EALREADY;
	}
	return t->cell[cell] == freelist_twin_cell(t, ptr) && !((uintptr_t)ptr % CELL_BYTES) ?
	       0 : -EINVAL;
}

/* The header of a block freed long ago makes an address a double free anywhere. */
static bool is_stale(const struct freelist_twin *t, const void *ptr)
{
	return !((uintptr_t)ptr % CELL_BYTES) && t->stale[freelist_twin_cell(t, ptr)];
}

/* True if @err is 0; anything else must have been the right refusal of @ptr. */
static bool accepted(struct episode *e, const char *what, const void *ptr, int err)
{
	int expected = expected_of(&e->now.twin, ptr);

	if (refused_for_damage(e, err))
		return false;
	if (expected && err == -EALREADY && is_stale(&e->now.twin, ptr))
		expected = err;
	expect_equal(what, err, expected);
	if (err)
		expect_unchanged(e);
	return !err;
}

static void expect_empty(const struct episode *e, const struct respool_run *empty,
			 const struct twin_run *twin)
{
	const struct respool_run *run = freelist_twin_run_at(&e->now.twin, twin->start);

	if (empty != (twin->live ? NULL : run))
		differ("free says %s of a run with %u live blocks", empty ? "empty" : "not empty",
		       twin->live);
}

static void free_any(struct episode *e, void *ptr)
{
	struct freelist_twin *t = &e->now.twin;
	u32 cell = freelist_twin_cell(t, ptr);
	struct respool_run *empty = NULL;
	struct twin_run *run;

	doing("free of byte %ld of the arena", (u8 *)ptr - t->arena, 0);
	remember(e);
	if (!expected_of(t, ptr))
		freelist_twin_verify(t, cell, freelist_twin_usable(t, cell));
	if (!accepted(e, "free", ptr, respool_freelist_free(&e->now.core, ptr, &empty)))
		return;
	run = freelist_twin_run_of(t, ptr);
	freelist_twin_give(t, cell);
	expect_empty(e, empty, run);
	if (empty && chance(e->c, 20))
		remove_run(e, run);
}

static u32 count_blocks(const struct freelist_twin *t, bool cached)
{
	return cached ? t->nr_cached : t->nr_live - t->nr_cached;
}

/* A block in somebody's hands or a cached one, of which there must be one. */
static u32 choose_of(struct episode *e, bool cached)
{
	const struct freelist_twin *t = &e->now.twin;
	u32 i = choose(e->c, t->nr_live);

	while (t->object[t->live[i]].cached != cached)
		i = (i + 1) % t->nr_live;
	return t->live[i];
}

static void *choose_live(struct episode *e)
{
	return freelist_twin_payload(&e->now.twin, choose_of(e, false));
}

/* An address in or between the runs, often one in or near a live block. */
static void *choose_addr(struct episode *e)
{
	const struct freelist_twin *t = &e->now.twin;
	u32 cell = choose(e->c, t->nr_cells - 1);
	u8 *ptr;

	if (t->nr_live && chance(e->c, 60)) {
		cell = t->live[choose(e->c, t->nr_live)];
		cell += choose(e->c, t->object[cell].cells + 1);
	}
	ptr = freelist_twin_payload(t, cell);
	return chance(e->c, 75) ? ptr : ptr - choose(e->c, CELL_BYTES);
}

static void look_at_anything(struct episode *e)
{
	struct freelist_twin *t = &e->now.twin;
	const void *ptr = choose_addr(e);
	size_t usable = 0;

	doing("usable_size of byte %ld of the arena", (const u8 *)ptr - t->arena, 0);
	remember(e);
	if (!e->damaged)
		expect_equal("knows", respool_freelist_knows(&e->now.core, ptr),
			     !expected_of(t, ptr));
	if (accepted(e, "usable_size", ptr,
		     respool_freelist_usable_size(&e->now.core, ptr, &usable)))
		expect_equal("usable size", usable,
			     freelist_twin_usable(t, freelist_twin_cell(t, ptr)));
}

/* Resize and realloc */

static int expected_resize(const struct freelist_twin *t, u32 cell, size_t size)
{
	u32 cells = t->object[cell].cells;
	size_t room = (size_t)(cells + freelist_twin_gap(t, cell + cells)) * CELL_BYTES;
	int expected = expected_request(size, CELL_BYTES);

	return !expected && bytes_for(size) > room ? -ENOSPC : expected;
}

static void accept_resize(struct episode *e, void *ptr, size_t size)
{
	struct freelist_twin *t = &e->now.twin;
	u32 cell = freelist_twin_cell(t, ptr);
	struct twin_object old = t->object[cell];
	size_t usable = usable_size(e, ptr);

	expect_fit(usable, size, max(RESPOOL_BLOCK_MIN, usable / KEPT_SHARE + CELL_BYTES));
	freelist_twin_verify(t, cell, min(usable, freelist_twin_usable(t, cell)));
	freelist_twin_give(t, cell);
	freelist_twin_take(t, ptr, usable);
	if (old.filled)
		freelist_twin_fill(t, cell, old.pattern);
}

/* Whether the core can tell which run to extend for the block at @cell. */
static struct twin_run *run_to_extend(struct episode *e, u32 cell)
{
	struct freelist_twin *t = &e->now.twin;
	struct twin_run *run = freelist_twin_run_of(t, freelist_twin_payload(t, cell));
	u32 end = cell + t->object[cell].cells;

	if (end + freelist_twin_gap(t, end) != end_of(run) - 1)
		return NULL;
	return t->cell[cell - 1] == CELL_EDGE || t->top_end == end_of(run) - 1 ? run : NULL;
}

/* A block that cannot grow may once its run has become longer. */
static void stretch(struct episode *e, void *ptr, size_t size)
{
	u32 cell = freelist_twin_cell(&e->now.twin, ptr);
	struct twin_run *twin = run_to_extend(e, cell);
	struct respool_run *run = NULL;
	size_t bytes = 0;
	int err;

	doing("run to extend for byte %ld of the arena to have %ld",
	      (u8 *)ptr - e->now.twin.arena, size);
	remember(e);
	err = respool_freelist_run_to_extend(&e->now.core, ptr, size, &run, &bytes);
	if (refused_for_damage(e, err))
		return;
	expect_equal("run_to_extend", err, twin ? 0 : -ENOSPC);
	if (!err && run != freelist_twin_run_at(&e->now.twin, twin->start))
		differ("another run is to be extended");
	if (err || e->damaged)
		return;
	expect_equal("bytes missing", bytes, bytes_for(size) - CELL_BYTES *
		     (end_of(twin) - 1 - cell));
	if (bytes >= RESPOOL_BLOCK_MIN)
		extend_run(e, twin, bytes / CELL_BYTES, no_request);
}

/* 0, -ENOSPC, or another refusal. */
static int try_resize(struct episode *e, void *ptr, size_t size)
{
	int expected = expected_resize(&e->now.twin, freelist_twin_cell(&e->now.twin, ptr), size);
	int err;

	doing("resize of byte %ld of the arena to %ld", (u8 *)ptr - e->now.twin.arena, size);
	remember(e);
	err = respool_freelist_resize(&e->now.core, ptr, size);
	if (refused_for_damage(e, err))
		return err;
	expect_equal("resize", err, expected);
	if (err)
		expect_unchanged(e);
	else
		accept_resize(e, ptr, size);
	return err;
}

/* As realloc() does it: in place, or else in a new block with the same contents. */
static void realloc_any(struct episode *e)
{
	struct freelist_twin *t = &e->now.twin;
	void *from = choose_live(e), *to;
	const struct twin_object *old = &t->object[freelist_twin_cell(t, from)];
	size_t size = choose_size(e);

	if (try_resize(e, from, size) != -ENOSPC)
		return;
	stretch(e, from, size);
	if (chance(e->c, 50) && try_resize(e, from, size) != -ENOSPC)
		return;
	to = try_alloc(e, size, CELL_BYTES);
	if (!to)
		return;
	freelist_twin_fill(t, freelist_twin_cell(t, to), old->pattern);
	free_any(e, from);
}

/* A wrong address is refused by resize as it is by free. */
static void resize_anything(struct episode *e)
{
	void *ptr = choose_addr(e);

	if (!expected_of(&e->now.twin, ptr)) {
		try_resize(e, ptr, choose_size(e));
		return;
	}
	doing("resize of byte %ld of the arena", (u8 *)ptr - e->now.twin.arena, 0);
	remember(e);
	accepted(e, "resize", ptr, respool_freelist_resize(&e->now.core, ptr, 1));
}

/* Blocks on their way to a magazine and back */

/* The first cell of any block of @run, live or free. */
static u32 choose_block(struct episode *e, const struct twin_run *run)
{
	const struct freelist_twin *t = &e->now.twin;
	u32 first = run->start + sizeof(struct respool_run) / CELL_BYTES;
	u32 cell = first + choose(e->c, run->start + run->cells - 1 - first);

	if (t->cell[cell] != CELL_FREE)
		return t->cell[cell];
	while (t->cell[cell - 1] == CELL_FREE)
		cell--;
	return cell;
}

/* A block that was taken; it begins where a search had to find it, or @at. */
static void accept_taken(struct episode *e, void *ptr, size_t bytes, u32 at)
{
	struct freelist_twin *t = &e->now.twin;
	u32 cell = freelist_twin_cell(t, ptr);
	size_t usable = respool_block_bytes(ptr) - RESPOOL_BLOCK_HEADER;

	if (at != CELL_OUTSIDE) {
		expect_equal("cell of the next block", cell, at);
	} else {
		expect_found(e, bytes - RESPOOL_BLOCK_HEADER, CELL_BYTES,
			     freelist_twin_gap_start(t, cell));
		t->rover = freelist_twin_gap_start(t, cell);
	}
	expect_fit(usable, bytes - RESPOOL_BLOCK_HEADER, RESPOOL_BLOCK_MIN);
	freelist_twin_take(t, ptr, usable);
	freelist_twin_cache(t, cell, bytes);
	expect_equal("is_cached", respool_block_is_cached(&e->now.core, ptr), true);
}

static void take_some(struct episode *e)
{
	size_t bytes = bytes_for(1 + choose(e->c, min(e->size_limit, 4096U)));
	u32 nr = 1 + choose(e->c, 8), got, i, at = CELL_OUTSIDE, more = 0, searches = 0;
	const struct freelist_twin *t = &e->now.twin;
	void *block[8];

	doing("take of up to %ld blocks of %ld bytes", nr, bytes);
	remember(e);
	got = respool_freelist_take(&e->now.core, bytes, nr, block);
	if (got > nr)
		differ("%u blocks are more than %u", got, nr);
	if (!got)
		expect_unchanged(e);
	for (i = 0; i < got; i++) {
		if (!more) {
			at = CELL_OUTSIDE;
			more = freelist_twin_cut(t, freelist_twin_cell(t, block[i]),
						 bytes / CELL_BYTES, nr - i);
			searches++;
		}
		accept_taken(e, block[i], bytes, at);
		at = freelist_twin_cell(t, block[i]) + bytes / CELL_BYTES;
		more--;
	}
	if (searches > RESPOOL_TAKE_SEARCHES)
		differ("%u searches are more than %u", searches, RESPOOL_TAKE_SEARCHES);
	if (got < nr && searches < RESPOOL_TAKE_SEARCHES && !e->damaged)
		expect_found(e, bytes - RESPOOL_BLOCK_HEADER, CELL_BYTES, CELL_OUTSIDE);
}

/* A cached block becomes live; with damage it may be refused, and then is what it was. */
static void give_any(struct episode *e)
{
	struct freelist_twin *t = &e->now.twin;
	u32 cell = choose_of(e, true);
	void *ptr = freelist_twin_payload(t, cell);

	doing("give of byte %ld of the arena as %ld bytes", (u8 *)ptr - t->arena,
	      t->object[cell].taken_as);
	remember(e);
	if (!respool_block_give(ptr, t->object[cell].taken_as)) {
		if (!e->damaged)
			differ("a cached block is not given");
		expect_unchanged(e);
		return;
	}
	freelist_twin_uncache(t, cell);
	if (!e->damaged)
		expect_equal("usable size", usable_size(e, ptr), freelist_twin_usable(t, cell));
	if (chance(e->c, 75))
		freelist_twin_fill(t, cell, choose_any(e->c));
}

/* What is live or free is not given, nor a cached block of another size. */
static void give_wrongly(struct episode *e)
{
	static const int off[] = { -48, -32, 32, 48, 4096 };
	const struct freelist_twin *t = &e->now.twin;
	u32 cell = choose_block(e, choose_run(e)), bytes = block_cells(t, cell) * CELL_BYTES;
	void *ptr = freelist_twin_payload(t, cell);

	if (e->damaged)
		return;
	if (kind_of(t, cell) == RESPOOL_BLOCK_CACHED)
		bytes += off[choose(e->c, ARRAY_SIZE(off))];
	doing("wrong give of byte %ld of the arena as %ld bytes", (u8 *)ptr - t->arena, bytes);
	remember(e);
	expect_equal("give", respool_block_give(ptr, bytes), false);
	expect_unchanged(e);
}

/* A live block becomes cached, once. */
static void end_any(struct episode *e)
{
	struct freelist_twin *t = &e->now.twin;
	u32 cell = choose_of(e, false);
	void *ptr = freelist_twin_payload(t, cell);
	u64 tag = respool_block_live_tag(&e->now.core, ptr);

	doing("end of byte %ld of the arena", (u8 *)ptr - t->arena, 0);
	if (e->damaged && !tag)
		return;
	expect_equal("bytes of the tag", respool_tag_bytes(tag), block_cells(t, cell) * CELL_BYTES);
	expect_equal("end", respool_block_end(ptr, tag), true);
	freelist_twin_cache(t, cell, respool_tag_bytes(tag));
	remember(e);
	expect_equal("second end", respool_block_end(ptr, tag), false);
	expect_equal("tag of a cached block", respool_block_live_tag(&e->now.core, ptr), 0);
	expect_equal("is_cached", respool_block_is_cached(&e->now.core, ptr), true);
	expect_unchanged(e);
}

static void put_block(struct episode *e, u32 cell)
{
	struct freelist_twin *t = &e->now.twin;
	void *ptr = freelist_twin_payload(t, cell);
	struct respool_run *empty = NULL;
	struct twin_run *run = freelist_twin_run_of(t, ptr);
	int err;

	doing("put of byte %ld of the arena", (u8 *)ptr - t->arena, 0);
	remember(e);
	freelist_twin_verify(t, cell, freelist_twin_usable(t, cell));
	err = respool_freelist_put(&e->now.core, ptr, &empty);
	if (refused_for_damage(e, err))
		return;
	expect_equal("put", err, 0);
	expect_equal("is_cached", respool_block_is_cached(&e->now.core, ptr), false);
	freelist_twin_give(t, cell);
	expect_empty(e, empty, run);
}

/* What is not cached is damage, as only a magazine's blocks are put. */
static void put_wrongly(struct episode *e)
{
	const struct freelist_twin *t = &e->now.twin;
	u32 cell = choose_block(e, choose_run(e));
	void *ptr = freelist_twin_payload(t, cell);
	struct respool_run *empty;

	if (e->damaged || kind_of(t, cell) == RESPOOL_BLOCK_CACHED)
		return;
	doing("wrong put of byte %ld of the arena", (u8 *)ptr - t->arena, 0);
	remember(e);
	expect_equal("put", respool_freelist_put(&e->now.core, ptr, &empty), -EUCLEAN);
	expect_equal("where the damage is", (uintptr_t)e->now.core.damage,
		     (uintptr_t)respool_header_of(ptr));
	expect_unchanged(e);
	e->now.core.damage = NULL;
}

static void use_magazine(struct episode *e, u32 kind)
{
	const struct freelist_twin *t = &e->now.twin;

	if (kind < 8)
		take_some(e);
	else if (kind < 18 && count_blocks(t, false))
		end_any(e);
	else if (kind < 28 && count_blocks(t, true))
		give_any(e);
	else if (kind < 36 && count_blocks(t, true))
		put_block(e, choose_of(e, true));
	else if (kind < 38 && t->nr_runs)
		give_wrongly(e);
	else if (kind < 40 && t->nr_runs)
		put_wrongly(e);
}

/* Steps */

static void change_mood(struct episode *e)
{
	static const unsigned int percent[] = { 5, 40, 50, 60, 95 };
	unsigned int log = ilog2(e->now.twin.nr_cells * CELL_BYTES);

	doing("nothing", 0, 0);
	e->alloc_percent = percent[choose(e->c, ARRAY_SIZE(percent))];
	e->size_limit = 1U << (4 + choose(e->c, choose(e->c, log - 5) + 1));
}

/* What can also be done to a damaged heap. */
static void do_call(struct episode *e, u32 kind)
{
	if (kind < 20)
		free_any(e, choose_addr(e));
	else if (kind < 28)
		look_at_anything(e);
	else if (kind < 36)
		resize_anything(e);
	else if (kind < 38)
		add_any_run(e);
	else if (kind < 40)
		remove_any_run(e);
	else if (kind < 42)
		extend_any_run(e);
	else if (kind < 44)
		trim_any_run(e);
	else if (kind < 52)
		read_on(e);
	else if (kind < 92)
		use_magazine(e, kind - 52);
	else if (kind < 120 && count_blocks(&e->now.twin, false))
		realloc_any(e);
	else if (chance(e->c, e->alloc_percent) || !count_blocks(&e->now.twin, false))
		alloc_anything(e);
	else
		free_any(e, choose_live(e));
	compare_counts(e);
}

/* Damage */

static void save(const struct episode *e, struct state *state, void *memory)
{
	*state = e->now;
	memcpy(memory, e->now.twin.memory, e->now.twin.memory_bytes);
}

static void restore(struct episode *e, const struct state *state, const void *memory)
{
	e->now = *state;
	memcpy(e->now.twin.memory, memory, e->now.twin.memory_bytes);
}

/* A word of the core's own data in @run. */
static u64 *choose_own_word(struct episode *e, const struct twin_run *run)
{
	const struct freelist_twin *t = &e->now.twin;
	u64 *header = (u64 *)freelist_twin_run_at(t, run->start);
	u32 kind = choose(e->c, 8), cell;

	if (kind == 0)
		return header + choose(e->c, sizeof(struct respool_run) / sizeof(u64));
	if (kind == 1)
		return header + run->cells * 2 - 1;	/* the end tag */
	cell = choose_block(e, run);
	header = (u64 *)freelist_twin_payload(t, cell) - 1;
	if (t->cell[cell] != CELL_FREE || kind < 4)
		return header;
	return kind < 6 ? header + kind - 3 : header + block_cells(t, cell) * 2 - 1;
}

/* One byte of a word, all of it, or what another word of the heap holds. */
static void overwrite(struct episode *e, u64 *word)
{
	const u64 *other = (u64 *)e->now.twin.arena + choose(e->c, e->now.twin.nr_cells * 2);
	u64 was = *word;

	switch (choose(e->c, 4)) {
	case 0:
		*word = *other;
		break;
	case 1:
		*word = choose_any(e->c);
		break;
	default:
		*word ^= (1ULL + choose(e->c, 255)) << 8 * choose(e->c, 8);
	}
	if (*word == was)
		*word = ~was;
}

/* A cached block of a retired run is dropped, as it is no more known as cached. */
static int release_salvaged(struct episode *e, void *ptr, bool cached)
{
	struct respool_freelist *f = &e->now.core;
	struct respool_run *empty;

	if (!cached)
		return respool_freelist_free(f, ptr, &empty);
	if (!respool_block_is_cached(f, ptr))
		return -EUCLEAN;
	expect_equal("free of a cached block", respool_freelist_free(f, ptr, &empty), -EALREADY);
	return respool_freelist_put(f, ptr, &empty);
}

/* After a salvage the blocks of sound runs can be freed as if nothing had been. */
static void free_all(struct episode *e, u32 damaged_start)
{
	struct freelist_twin *t = &e->now.twin;
	u32 i;

	for (i = 0; i < t->nr_live; i++) {
		void *ptr = freelist_twin_payload(t, t->live[i]);
		bool sound = freelist_twin_run_of(t, ptr)->start != damaged_start;
		int err = release_salvaged(e, ptr, t->object[t->live[i]].cached);

		if (sound && err)
			differ("a block of a run that was not damaged is refused with %d", err);
		if (err && err != -EUCLEAN && err != -EFAULT)
			differ("a block of a retired run is refused with %d", err);
	}
	expect_valid(e);
}

/*
 * One damaged run is retired at most; none where the damage was in a link and
 * could be mended. Twice, as a retired run stays so, and a sound one in service.
 */
static void check_salvage(struct episode *e, u32 damaged_start)
{
	const void *where;
	bool broken = respool_freelist_validate(&e->now.core, &where);
	u64 retired;

	doing("salvage after damage to the run at cell %ld", damaged_start, 0);
	respool_freelist_salvage(&e->now.core);
	expect_valid(e);
	retired = e->now.core.retired_runs;
	if (retired > broken)
		differ("salvage retired %lu runs", (unsigned long)retired);
	free_all(e, damaged_start);
	respool_freelist_salvage(&e->now.core);
	expect_equal("retired runs", e->now.core.retired_runs, retired);
	expect_valid(e);
}

/* Damage one word, go on with that for a while, salvage; then undo it all. */
static void damage_and_undo(struct episode *e)
{
	struct freelist_twin *t = &e->now.twin;
	void *memory = must_alloc(t->memory_bytes);
	struct state state;
	const void *where;
	u32 start, i;
	u64 *word;

	save(e, &state, memory);
	start = t->run[choose(e->c, t->nr_runs)].start;
	word = choose_own_word(e, freelist_twin_run_of(t, freelist_twin_run_at(t, start)));
	doing("damage at byte %ld of the arena, run at cell %ld", (u8 *)word - t->arena, start);
	overwrite(e, word);
	if (!respool_freelist_validate(&e->now.core, &where))
		differ("validate does not see the damage");
	e->damaged = true;
	for (i = choose(e->c, 16); i; i--)
		do_call(e, choose(e->c, 256));
	doing("check of all contents after damage to the run at %ld", start, 0);
	verify_contents(e);
	check_salvage(e, start);
	e->damaged = false;
	restore(e, &state, memory);
	free(memory);
}

static void do_step(struct episode *e)
{
	u32 kind = choose(e->c, 1024);

	if (kind < 4)
		change_mood(e);
	else if (kind < 6)
		add_bad_run(e);
	else if (kind < 12 && e->now.twin.nr_runs && e->now.twin.nr_cells <= DAMAGE_CELLS)
		damage_and_undo(e);
	else
		do_call(e, kind % 256);
	if (walk_is_due(e))
		compare_all(e);
}

/* Mostly small arenas; few are large, for a fuzzer none. */
static u32 choose_cells(struct choices *c)
{
	u32 kind = choose(c, 64);

	if (choices_are_bytes(c))
		return MIN_CELLS + choose(c, 1 << 10);
	if (kind < 1)
		return MIN_CELLS + choose(c, TWIN_MAX_CELLS - MIN_CELLS);
	if (kind < 16)
		return MIN_CELLS + choose(c, 1 << 14);
	return MIN_CELLS + choose(c, 1 << (6 + choose(c, 7)));
}

static void set_up(struct episode *e)
{
	u32 nr_cells = choose_cells(e->c);

	doing("init of an arena of %ld cells", nr_cells, 0);
	freelist_twin_init(&e->now.twin, nr_cells);
	e->search = choose(e->c, RESPOOL_NR_SEARCHES);
	respool_freelist_init(&e->now.core, (u64)choose_any(e->c) << 32 | choose_any(e->c),
			      e->search);
	e->memory_before = must_alloc(e->now.twin.memory_bytes);
	e->rows = must_zalloc(nr_cells, sizeof(*e->rows));
	e->walk_every = nr_cells <= SMALL_ARENA ? 1 : nr_cells / CELLS_PER_STEP;
	change_mood(e);
	compare_counts(e);
	compare_all(e);
	add_any_run(e);
}

/* Every size belongs to one class. */
static void compare_class_ranges(void)
{
	size_t min, max, next = 0;
	unsigned int i;

	for (i = 0; i < RESPOOL_NR_CLASSES; i++) {
		respool_freelist_class_range(i, &min, &max);
		expect_equal("smallest size of a class", min, next);
		next = max + CELL_BYTES;
	}
	expect_equal("largest size of all", max, RESPOOL_BLOCK_MAX);
}

/* With every block freed and every run returned nothing is held. */
static void drain(struct episode *e)
{
	struct freelist_twin *t = &e->now.twin;
	u32 cell;

	while (t->nr_live) {
		cell = t->live[t->nr_live - 1];
		if (t->object[cell].cached)
			put_block(e, cell);
		else
			free_any(e, freelist_twin_payload(t, cell));
		compare_counts(e);
	}
	compare_all(e);
	if (e->now.reading)
		finish_reading(e);
	while (t->nr_runs)
		remove_run(e, &t->run[t->nr_runs - 1]);
	compare_counts(e);
	compare_all(e);
	compare_class_ranges();
}

static void tear_down(struct episode *e)
{
	free(e->rows);
	free(e->memory_before);
}

void freelist_episode(struct choices *c, unsigned long max_steps)
{
	struct episode e = { .c = c };
	unsigned long steps;

	set_up(&e);
	steps = 3000 + e.walk_every * choose(c, 256);
	steps = min(steps, max_steps);
	while (steps_done() < steps && choices_left(c)) {
		count_step();
		do_step(&e);
	}
	drain(&e);
	tear_down(&e);
}
