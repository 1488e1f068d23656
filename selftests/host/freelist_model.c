// SPDX-License-Identifier: GPL-2.0
/*
 * Every sequence of calls of the byte layer's core in a heap of one small run,
 * for each way to search: allocation of each size that makes a difference, at
 * three alignments; free of each block, and of each address that is none;
 * resize; blocks taken, given and put back as magazines do; the run made longer
 * and shorter. After each the core must be valid, its blocks lie where the
 * twin's do, and their contents be what was written there.
 *
 * Two heaps are one state if their blocks are the same in size and kind, are
 * the same way on their lists, and a search goes on at the same place. What lies
 * in free memory makes no difference but to how a double free is named.
 */
#include "freelist_twin.h"
#include "model.h"

#define RUN_START	1	/* cell of the arena; the run in front of it is none */
#define MAX_CELLS	16	/* of the run */
#define MIN_CELLS	6
#define ARENA_CELLS	(RUN_START + MAX_CELLS + 2)
#define MAX_BATCH	3
#define SMALL_CLASSES	RESPOOL_CLASS_COLUMNS	/* of blocks below 512 bytes */
#define ROW(cells)	((cells) * CELL_BYTES - RESPOOL_BLOCK_HEADER)

enum kind {
	ALLOC = 1, FREE, RESIZE, TAKE, END, GIVE, PUT, EXTEND, TRIM, TOP,
};

static struct respool_freelist core;
static struct freelist_twin twin;
static enum respool_search search;
static u32 most_cells;		/* that the run may have */

/* The key comes first. Classes of larger blocks stay empty. */
struct record {
	struct {
		u8 kind;
		u8 cells;
		u8 next;		/* cell of the next of its class, of free blocks */
	} block[ARENA_CELLS];
	u8 run_cells;
	u8 rover;
	u8 top;
	u8 align[5];

	struct respool_class class[SMALL_CLASSES];
	u8 core[offsetof(struct respool_freelist, class)];
	struct freelist_twin twin;
	u8 memory[ARENA_CELLS * 64];
};

static struct respool_run *run_now(void)
{
	return freelist_twin_run_at(&twin, RUN_START);
}

static u32 run_cells(void)
{
	return twin.run[0].cells;
}

static u32 cell_of_header(const void *header)
{
	return header ? freelist_twin_cell(&twin, (const u8 *)header + RESPOOL_BLOCK_HEADER) : 0;
}

static void save_key(struct record *r)
{
	struct respool_block_row row[ARENA_CELLS];
	struct respool_cursor cursor;
	size_t nr, i;
	u32 cell;

	respool_freelist_open(&core, &cursor);
	nr = respool_freelist_look(&core, &cursor, row, ARRAY_SIZE(row));
	respool_freelist_close(&core, &cursor);
	for (i = 0; i < nr; i++) {
		cell = cell_of_header(row[i].addr);
		r->block[cell].kind = 1 + row[i].kind;
		r->block[cell].cells = row[i].bytes / CELL_BYTES;
		r->block[cell].next = cell_of_header(row[i].next);
	}
	r->run_cells = run_cells();
	r->rover = cell_of_header(core.rover.block);
	r->top = !!core.top;
}

static void save(void *to)
{
	struct record *r = to;

	memset(r, 0, sizeof(*r));
	save_key(r);
	memcpy(r->class, core.class, sizeof(r->class));
	memcpy(r->core, &core, sizeof(r->core));
	r->twin = twin;
	memcpy(r->memory, twin.memory, twin.memory_bytes);
}

static void restore(const void *from)
{
	const struct record *r = from;

	memcpy(core.class, r->class, sizeof(r->class));
	memcpy(&core, r->core, sizeof(r->core));
	twin = r->twin;
	memcpy(twin.memory, r->memory, twin.memory_bytes);
}

/* What can be done */

static struct operation *listed;

static void add(enum kind kind, unsigned int a, unsigned int b, unsigned int c)
{
	*listed++ = (struct operation){ kind, a, b, c };
}

static void list_block(u32 cell)
{
	u32 cells;

	if (twin.object[cell].cached) {
		add(GIVE, cell, 0, 0);
		add(PUT, cell, 0, 0);
		return;
	}
	add(END, cell, 0, 0);
	for (cells = 2; cells < run_cells(); cells++)
		add(RESIZE, cell, cells, 0);
}

static unsigned int list(struct operation *operations)
{
	u32 cells, i;

	listed = operations;
	for (cells = 2; cells < run_cells(); cells++)
		for (i = 4; i < 7; i++)
			add(ALLOC, cells, i, 0);
	for (i = RUN_START; i < RUN_START + run_cells(); i++) {
		add(FREE, i, 0, 0);
		add(FREE, i, 8, 0);
	}
	for (i = 0; i < twin.nr_live; i++)
		list_block(twin.live[i]);
	for (cells = 2; cells < 6; cells++)
		for (i = 1; i <= MAX_BATCH; i++)
			add(TAKE, cells, i, 0);
	for (cells = 1; cells < 5; cells++) {
		add(EXTEND, cells, 0, 0);
		add(TRIM, cells, 0, 0);
	}
	add(TOP, 0, 0, 0);
	return listed - operations;
}

static const char *name(struct operation o)
{
	static const char *const names[] = {
		[ALLOC] = "alloc of %u cells aligned to 2^%u", [FREE] = "free of cell %u, byte %u",
		[RESIZE] = "resize of the block at cell %u to %u cells",
		[TAKE] = "take of blocks of %u cells, %u of them", [END] = "end of cell %u",
		[GIVE] = "give of cell %u", [PUT] = "put of cell %u",
		[EXTEND] = "run longer by %u cells", [TRIM] = "run shorter by %u cells",
		[TOP] = "the run becomes the top one, or not",
	};
	static char text[128];

	snprintf(text, sizeof(text), names[o.kind], o.a, o.b, o.c);
	return text;
}

/* Doing it */

/* The block at @ptr begins its life in the gap where a search for @sought cells ends. */
static void took(void *ptr, u32 sought)
{
	u32 cell = freelist_twin_cell(&twin, ptr), gap = freelist_twin_gap_start(&twin, cell);

	if (sought) {
		freelist_twin_expect_found(&twin, search, sought, gap);
		twin.rover = gap;
	}
	freelist_twin_take(&twin, ptr, respool_block_bytes(ptr) - RESPOOL_BLOCK_HEADER);
	freelist_twin_fill(&twin, cell, cell);
}

static bool alloc(u32 cells, unsigned int log)
{
	size_t align = 1UL << log;
	u32 sought = cells + (log > 4 ? align / CELL_BYTES + 1 : 0);
	void *ptr;
	int err = respool_freelist_alloc(&core, ROW(cells), align, &ptr);

	if (err) {
		expect_equal("alloc", err, -ENOMEM);
		freelist_twin_expect_found(&twin, search, sought, CELL_OUTSIDE);
		return false;
	}
	expect_equal("alignment", (uintptr_t)ptr % align, 0);
	took(ptr, sought);
	cells = twin.object[freelist_twin_cell(&twin, ptr)].cells - cells;
	if (cells > 1)
		differ("%u cells too many", cells);
	return true;
}

static bool is_live(u32 cell)
{
	return twin.cell[cell] == cell && !twin.object[cell].cached;
}

/* What is freed ends its life with its contents whole, and tells of an empty run. */
static bool gave(u32 cell, int err, const struct respool_run *empty)
{
	expect_equal("free", err, 0);
	freelist_twin_give(&twin, cell);
	expect_equal("empty run", (uintptr_t)empty, twin.nr_live ? 0 : (uintptr_t)run_now());
	return true;
}

static bool free_at(u32 cell, u32 offset)
{
	void *ptr = (u8 *)freelist_twin_payload(&twin, cell) + offset;
	bool outside = cell + 1 >= RUN_START + run_cells();
	struct respool_run *empty;
	int err = respool_freelist_free(&core, ptr, &empty);

	if (is_live(cell) && !offset)
		return gave(cell, err, empty);
	if (outside ? err != -EFAULT : err != -EINVAL && err != -EALREADY)
		differ("free of what is no block says %d", err);
	return false;
}

static bool resize(u32 cell, u32 cells)
{
	u32 is = twin.object[cell].cells, room = is + freelist_twin_gap(&twin, cell + is), got;
	void *ptr = freelist_twin_payload(&twin, cell);
	int err = respool_freelist_resize(&core, ptr, ROW(cells));

	expect_equal("resize", err, cells > room ? -ENOSPC : 0);
	if (err)
		return false;
	got = respool_block_bytes(ptr) / CELL_BYTES;
	if (got < cells)
		differ("%u cells are given for %u", got, cells);
	freelist_twin_verify(&twin, cell, ROW(min(is, got)));
	if (got == is)
		return false;
	freelist_twin_give(&twin, cell);
	freelist_twin_take(&twin, ptr, ROW(got));
	freelist_twin_fill(&twin, cell, cell);
	return true;
}

static bool take(u32 cells, u32 nr)
{
	void *block[MAX_BATCH];
	u32 got = respool_freelist_take(&core, cells * CELL_BYTES, nr, block), i;
	u32 searches = 0, more = 0;

	if (got > nr)
		differ("%u blocks are more than %u", got, nr);
	for (i = 0; i < got; i++, more--) {
		if (!more) {
			more = freelist_twin_cut(&twin, freelist_twin_cell(&twin, block[i]), cells,
						 nr - i);
			searches++;
		}
		took(block[i], i ? 0 : cells);
		freelist_twin_cache(&twin, freelist_twin_cell(&twin, block[i]), cells * CELL_BYTES);
	}
	if (got < nr && searches < RESPOOL_TAKE_SEARCHES &&
	    freelist_twin_largest_gap(&twin) >= cells)
		differ("%u blocks of %u, with room for more", got, nr);
	/* How far next fit has gone is the oracle's concern; here it may only be at a block. */
	twin.rover = cell_of_header(core.rover.block);
	return got;
}

static bool end(u32 cell)
{
	void *ptr = freelist_twin_payload(&twin, cell);
	u64 tag = respool_block_live_tag(&core, ptr);

	expect_equal("end", respool_block_end(ptr, tag), true);
	expect_equal("second end", respool_block_end(ptr, tag), false);
	freelist_twin_cache(&twin, cell, respool_tag_bytes(tag));
	return true;
}

static bool give(u32 cell)
{
	void *ptr = freelist_twin_payload(&twin, cell);

	expect_equal("give", respool_block_give(ptr, twin.object[cell].taken_as), true);
	freelist_twin_uncache(&twin, cell);
	return true;
}

static bool put(u32 cell)
{
	struct respool_run *empty;
	int err = respool_freelist_put(&core, freelist_twin_payload(&twin, cell), &empty);

	return gave(cell, err, empty);
}

/* Free cells at the end of the run; its last cell is the end tag. */
static u32 tail(void)
{
	u32 end = RUN_START + run_cells() - 1;

	return twin.cell[end - 1] == CELL_FREE ? end - freelist_twin_gap_start(&twin, end - 1) : 0;
}

static bool extend(u32 cells)
{
	if (run_cells() + cells > most_cells)
		return false;
	expect_equal("extend", respool_freelist_extend_run(&core, run_now(), cells * CELL_BYTES,
							   0, 0, NULL), cells < 2 ? -EINVAL : 0);
	if (cells < 2)
		return false;
	freelist_twin_move_end(&twin, &twin.run[0], run_cells() + cells);
	return true;
}

static bool trim(u32 cells)
{
	bool possible = tail() >= cells + 2;

	if (possible && run_cells() - cells < MIN_CELLS)
		return false;
	expect_equal("trim", respool_freelist_trim_run(&core, run_now(), cells * CELL_BYTES),
		     possible ? 0 : -EBUSY);
	if (!possible)
		return false;
	freelist_twin_move_end(&twin, &twin.run[0], run_cells() - cells);
	return true;
}

static bool top(void)
{
	core.top = core.top ? NULL : run_now();
	twin.top_end = core.top ? RUN_START + run_cells() - 1 : 0;
	return true;
}

static bool call(struct operation o)
{
	switch ((enum kind)o.kind) {
	case ALLOC:
		return alloc(o.a, o.b);
	case FREE:
		return free_at(o.a, o.b);
	case RESIZE:
		return resize(o.a, o.b);
	case TAKE:
		return take(o.a, o.b);
	case END:
		return end(o.a);
	case GIVE:
		return give(o.a);
	case PUT:
		return put(o.a);
	case EXTEND:
		return extend(o.a);
	case TRIM:
		return trim(o.a);
	case TOP:
		return top();
	}
	return false;
}

/* A refusal leaves every byte as it was. */
static bool apply(struct operation o)
{
	static u8 before[ARENA_CELLS * 64], core_before[sizeof(struct record)];
	bool changed;

	memcpy(before, twin.memory, twin.memory_bytes);
	memcpy(core_before, &core, offsetof(struct respool_freelist, class));
	changed = call(o);
	if (!changed && (memcmp(before, twin.memory, twin.memory_bytes) ||
			 memcmp(core_before, &core, offsetof(struct respool_freelist, class))))
		differ("a refused call changed something");
	return changed;
}

static void compare_block(const struct respool_block_row *row, u32 cell)
{
	u32 what = twin.cell[cell];

	if (what == CELL_EDGE)
		expect_equal("kind", row->kind, RESPOOL_BLOCK_END);
	else if (what == CELL_FREE)
		expect_equal("bytes free", row->kind == RESPOOL_BLOCK_FREE ? row->bytes : 0,
			     freelist_twin_gap(&twin, cell) * CELL_BYTES);
	else
		expect_equal("bytes used", what == cell && row->kind != RESPOOL_BLOCK_FREE ?
			     row->bytes : 0, twin.object[cell].cells * CELL_BYTES);
}

static void compare(void)
{
	struct respool_block_row row[ARENA_CELLS];
	struct respool_cursor cursor;
	const void *where = NULL;
	const char *broken = respool_freelist_validate(&core, &where);
	size_t nr, i;

	if (broken)
		differ("validate says \"%s\" at byte %td", broken, (const u8 *)where - twin.arena);
	expect_equal("live blocks", core.live_blocks, twin.nr_live);
	expect_equal("free blocks", core.free_blocks, twin.nr_gaps);
	expect_equal("free bytes", core.free_bytes, twin.free_cells * CELL_BYTES);
	expect_equal("held bytes", core.held_bytes, twin.held_cells * CELL_BYTES);
	respool_freelist_open(&core, &cursor);
	nr = respool_freelist_look(&core, &cursor, row, ARRAY_SIZE(row));
	respool_freelist_close(&core, &cursor);
	for (i = 0; i < nr; i++)
		compare_block(&row[i], cell_of_header(row[i].addr));
	for (i = 0; i < twin.nr_live; i++)
		freelist_twin_verify(&twin, twin.live[i],
				     freelist_twin_usable(&twin, twin.live[i]));
}

static const struct model model = {
	.bytes = sizeof(struct record), .key_bytes = offsetof(struct record, class),
	.save = save, .restore = restore, .list = list, .apply = apply, .compare = compare,
	.name = name,
};

static struct explored explore_heap(u32 cells, unsigned long enough)
{
	static const char *const names[RESPOOL_NR_SEARCHES] = { "good", "first", "next", "best" };
	struct explored explored;

	most_cells = cells + 2;
	freelist_twin_init(&twin, ARENA_CELLS);
	respool_freelist_init(&core, 0x0123456789abcdef, search);
	expect_equal("add_run", respool_freelist_add_run(&core, run_now(), cells * CELL_BYTES, 0,
							 0, NULL), 0);
	freelist_twin_add_run(&twin, RUN_START, cells);
	model_explore(&model, enough, &explored);
	printf("# freelist_model: %s fit, a run of up to %u bytes, ", names[search],
	       most_cells * CELL_BYTES);
	printf("%s of calls: %lu states", explored.all ? "any number" : "sequences",
	       explored.states);
	if (!explored.all)
		printf(", all of %u calls", explored.depth);
	printf("\n");
	return explored;
}

int main(int argc, char **argv)
{
	unsigned long enough = model_enough(argc, argv, 10000), states = 0, transitions = 0;
	struct explored explored;
	u32 cells;

	for (search = 0; search < RESPOOL_NR_SEARCHES; search++)
		for (cells = MIN_CELLS; cells + 2 <= MAX_CELLS; cells += 4) {
			explored = explore_heap(cells, enough);
			states += explored.states;
			transitions += explored.transitions;
		}
	printf("# freelist_model: %lu states, %lu transitions\n", states, transitions);
	return 0;
}
