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

u32 freelist_twin_cut(const struct freelist_twin *t, u32 cell, u32 cells, u32 nr)
{
	u32 gap = freelist_twin_gap(t, cell), n = min(nr, gap / cells), rest = gap - n * cells;

	return n > 1 && rest == 1 && cells == 2 ? n - 1 : n;
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

u32 freelist_twin_gap_start(const struct freelist_twin *t, u32 cell)
{
	while (t->cell[cell - 1] == CELL_FREE)
		cell--;
	return cell;
}

/* Searches */

/* A class is known by its smallest size, in cells: linear to 32, then 32 a power of two. */
static u32 class_of_gap(u32 cells)
{
	return cells < 32 ? cells : round_down(cells, 1U << (ilog2(cells) - 5));
}

/* A class of so few gaps is looked at whole. */
#define FEW	2

/* How many gaps there are of each class. */
static void count_gaps(const struct freelist_twin *t, u8 *gaps_of)
{
	u32 c, gap;
	u8 *gaps;

	memset(gaps_of, 0, t->nr_cells + 1);
	for (c = 0; c < t->nr_cells; c += gap + 1) {
		gap = freelist_twin_gap(t, c);
		gaps = &gaps_of[class_of_gap(gap)];
		*gaps += *gaps <= FEW;
	}
}

enum regret { WELCOME, TOP, LOSS };

/* Two cells are the smallest block: one cell more would be lost. */
static enum regret regret_of(const struct freelist_twin *t, u32 at, u32 gap, u32 cells)
{
	if (cells == 2 && gap == 3)
		return LOSS;
	return at + gap == t->top_end ? TOP : WELCOME;
}

struct choice {
	u32 class;
	u32 gap;
	enum regret regret;
	bool surely_seen;	/* by a search that comes to its class */
};

static struct choice choice_at(const struct freelist_twin *t, const u8 *gaps_of, u32 at, u32 cells)
{
	u32 gap = freelist_twin_gap(t, at), class = class_of_gap(gap);

	return (struct choice){ class, gap, regret_of(t, at, gap, cells), gaps_of[class] <= FEW };
}

/* Whether a search that found @found has to have found @other instead. */
static bool is_better(const struct choice *other, const struct choice *found, u32 own)
{
	if (other->regret == WELCOME && (other->surely_seen || other->class > own) &&
	    (other->class < found->class || found->regret != WELCOME))
		return true;
	if (!other->surely_seen)
		return false;
	if (other->class == found->class && other->regret == found->regret)
		return other->gap < found->gap;
	return other->regret < found->regret &&
	       (other->class == found->class || found->regret != WELCOME);
}

/*
 * Of the request's class any, but the best of a few; else of the next class,
 * likewise. Only if no class has anything better: the end of the top run, and
 * if there is nothing else, what would lose a cell.
 */
static void expect_good_fit(const struct freelist_twin *t, u32 cells, u32 found)
{
	static u8 gaps_of[TWIN_MAX_CELLS + 1];
	struct choice best = { UINT_MAX, UINT_MAX, LOSS + 1, false }, other;
	u32 c, gap;

	count_gaps(t, gaps_of);
	if (found != CELL_OUTSIDE)
		best = choice_at(t, gaps_of, found, cells);
	if (best.gap < cells)
		differ("good fit for %u cells finds %u", cells, best.gap);
	for (c = 0; c < t->nr_cells; c += gap + 1) {
		gap = freelist_twin_gap(t, c);
		if (gap < cells)
			continue;
		other = choice_at(t, gaps_of, c, cells);
		if (is_better(&other, &best, class_of_gap(cells)))
			differ("good fit for %u cells finds %d and not %u", cells, (int)best.gap,
			       other.gap);
	}
}

/* The first sufficient gap from @from on, CELL_OUTSIDE if there is none. */
static u32 first_gap(const struct freelist_twin *t, u32 from, u32 cells)
{
	u32 c, gap;

	for (c = from; c < t->nr_cells; c += gap + 1) {
		gap = freelist_twin_gap(t, c);
		if (gap >= cells)
			return c;
	}
	return CELL_OUTSIDE;
}

static u32 smallest_gap(const struct freelist_twin *t, u32 cells)
{
	u32 c, gap, smallest = UINT_MAX, at = CELL_OUTSIDE;

	for (c = 0; c < t->nr_cells; c += gap + 1) {
		gap = freelist_twin_gap(t, c);
		if (gap < cells || gap >= smallest)
			continue;
		smallest = gap;
		at = c;
	}
	return at;
}

static u32 next_gap(const struct freelist_twin *t, u32 cells)
{
	bool in_gap = t->cell[t->rover] == CELL_FREE;
	u32 at = first_gap(t, in_gap ? freelist_twin_gap_start(t, t->rover) : t->rover, cells);

	return at == CELL_OUTSIDE ? first_gap(t, 0, cells) : at;
}

void freelist_twin_expect_found(const struct freelist_twin *t, enum respool_search search,
				u32 cells, u32 found)
{
	switch (search) {
	case RESPOOL_SEARCH_FIRST:
		expect_equal("what first fit finds", found, first_gap(t, 0, cells));
		break;
	case RESPOOL_SEARCH_NEXT:
		expect_equal("what next fit finds", found, next_gap(t, cells));
		break;
	case RESPOOL_SEARCH_BEST:
		expect_equal("what best fit finds", found, smallest_gap(t, cells));
		break;
	default:
		expect_good_fit(t, cells, found);
	}
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

/* First cell of the first block of the next run by address, 0 if there is none. */
static u32 start_behind(const struct freelist_twin *t, const struct twin_run *run)
{
	u32 c;

	for (c = run->start + run->cells; c < t->nr_cells; c++)
		if (t->cell[c] != CELL_OUTSIDE)
			return c + RUN_HEAD_CELLS;
	return 0;
}

void freelist_twin_move_end(struct freelist_twin *t, struct twin_run *run, u32 cells)
{
	u32 was = run->start + run->cells, end = run->start + cells;

	if (t->top_end == was - 1)
		t->top_end = end - 1;
	/* The rover does not stand at a cell that goes, but at the gap that becomes shorter. */
	if (t->rover >= end - 1 && t->rover < was)
		t->rover = freelist_twin_gap_start(t, end - 2);
	set_cells(t, was - 1, max(was, end), CELL_FREE);
	set_cells(t, min(was, end), max(was, end), CELL_OUTSIDE);
	if (end > was)
		set_cells(t, was, end, CELL_FREE);
	set_cells(t, end - 1, end, CELL_EDGE);
	t->held_cells += (long)end - (long)was;
	run->cells = cells;
	/* A block may begin where the run ended. */
	t->stale[was - 1] = true;
}

void freelist_twin_remove_run(struct freelist_twin *t, struct twin_run *run)
{
	if (t->top_end == run->start + run->cells - 1)
		t->top_end = 0;
	if (t->rover >= run->start && t->rover < run->start + run->cells)
		t->rover = start_behind(t, run);
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

	t->nr_cached -= object->cached;
	set_cells(t, cell, cell + object->cells, CELL_FREE);
	t->live_cells -= object->cells;
	t->live[object->listed] = last;
	t->object[last].listed = object->listed;
	freelist_twin_run_of(t, freelist_twin_payload(t, cell))->live--;
}

void freelist_twin_cache(struct freelist_twin *t, u32 cell, u32 taken_as)
{
	t->object[cell].cached = true;
	t->object[cell].taken_as = taken_as;
	t->nr_cached++;
}

void freelist_twin_uncache(struct freelist_twin *t, u32 cell)
{
	t->object[cell].cached = false;
	t->nr_cached--;
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
