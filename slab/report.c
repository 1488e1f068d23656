// SPDX-License-Identifier: GPL-2.0
/*
 * What is told of damage: which byte of which block, who had the block, and
 * the blocks around it.
 *
 * A slab has room for one report. Under the slab's lock it is filled, if it is
 * empty; whoever comes without the lock next prints it. What is found while it
 * is full is counted, and told of no more than that. Addresses are given as
 * offsets from the start of the pool, code as symbols.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/kernel.h>
#include <linux/minmax.h>
#include <linux/printk.h>
#include <linux/ratelimit.h>
#include <linux/sched.h>
#include <linux/string.h>
#include <linux/time64.h>

#include "slab/report.h"

#define LINE_BYTES	32	/* of content */
#define HELD_BLOCKS	8	/* named when a slab ends with more than it should */

enum { EMPTY, FULL, PRINTING };

const char *const respool_block_kind_names[] = {
	[RESPOOL_BLOCK_FREE] = "free",
	[RESPOOL_BLOCK_USED] = "used",
	[RESPOOL_BLOCK_CACHED] = "cached",
	[RESPOOL_BLOCK_END] = "end",
	[RESPOOL_BLOCK_DAMAGED] = "damaged",
};

void respool_report_init(struct respool_report *report)
{
	atomic_set(&report->state, EMPTY);
	ratelimit_default_init(&report->limit);
	ratelimit_set_flags(&report->limit, RATELIMIT_MSG_ON_RELEASE);
}

/* False if there is no room to tell of it. */
bool respool_report_begin(struct respool_report *report, enum respool_refusal kind,
			  const void *where)
{
	/* Pairs with the release at the end of respool_report_print(). */
	if (atomic_read_acquire(&report->state) != EMPTY)
		return false;
	report->kind = kind;
	report->where = where;
	report->what = NULL;
	report->found = -1;
	report->expected = -1;
	report->block = NULL;
	report->caller = 0;
	memset(&report->record, 0, sizeof(report->record));
	return true;
}

/* The block of this row, of a damaged one up to the next known header, has @where. */
static bool is_here(const struct respool_report *report, size_t i)
{
	const struct respool_block_row *row = &report->rows[i];

	return report->where >= row->addr &&
	       (i + 1 == report->nr_rows || report->where < row[1].addr);
}

/* How far a row reaches; if its header does not tell, to the next one, or no further. */
static size_t row_bytes(const struct respool_report *report, size_t i)
{
	const struct respool_block_row *row = &report->rows[i];

	if (row->bytes)
		return row->bytes;
	if (row->kind == RESPOOL_BLOCK_DAMAGED && i + 1 < report->nr_rows)
		return row[1].addr - row->addr;
	return RESPOOL_BLOCK_HEADER;
}

static void copy_content(struct respool_report *report, size_t i)
{
	const struct respool_block_row *row = &report->rows[i];
	size_t bytes = row_bytes(report, i), from = 0;

	if (is_here(report, i) && report->where - row->addr >= RESPOOL_REPORT_BYTES)
		from = round_down(report->where - row->addr - LINE_BYTES, RESPOOL_BLOCK_ALIGN);
	report->shown[i].from = from;
	report->shown[i].bytes = min_t(size_t, bytes - min(bytes, from), RESPOOL_REPORT_BYTES);
	memcpy(report->content[i], row->addr + from, report->shown[i].bytes);
}

/* Who had the block in front of a damaged header: that is who wrote too far, if any. */
static void suspect(struct respool_report *report, const struct respool_debug *debug, size_t i)
{
	const struct respool_block_row *row = &report->rows[i];
	const void *block = row->addr + RESPOOL_BLOCK_HEADER;

	if (row->kind == RESPOOL_BLOCK_USED && is_here(report, i + 1) &&
	    respool_debug_record(debug, block, row->bytes - RESPOOL_BLOCK_HEADER,
				 &report->record))
		report->block = block;
}

/* @debug may be %NULL. */
void respool_report_end(struct respool_report *report, const struct respool_freelist *f,
			const struct respool_debug *debug)
{
	size_t i;

	report->nr_rows = respool_freelist_around(f, report->where, report->rows,
						  RESPOOL_REPORT_ROWS);
	for (i = 0; i < report->nr_rows; i++)
		copy_content(report, i);
	for (i = 0; debug && !report->block && i + 1 < report->nr_rows; i++)
		suspect(report, debug, i);
	/* Pairs with the acquire of respool_report_print(). */
	atomic_set_release(&report->state, FULL);
}

static long offset_of(const struct respool *pool, const void *addr)
{
	return addr - respool_start(pool);
}

static void print_event(const char *name, const char *what, const struct respool_event *event)
{
	u32 i, us;
	u64 s;

	if (!event->ns)
		return;
	s = div_u64_rem(event->ns, NSEC_PER_SEC, &us);
	us /= NSEC_PER_USEC;
	pr_err("slab %s:  %s by task %d at %llu.%06u\n", name, what, event->pid, s, us);
	for (i = 0; i < event->nr; i++)
		pr_err("slab %s:    %pS\n", name, (void *)event->pc[i]);
}

static void print_record(const char *name, const struct respool_record *record)
{
	print_event(name, "allocated", &record->allocated);
	print_event(name, "freed", &record->freed);
}

static void print_row(const struct respool_report *report, size_t i, const char *name,
		      const struct respool *pool)
{
	const struct respool_block_row *row = &report->rows[i];
	size_t bytes = report->shown[i].bytes, at, n;

	pr_err("slab %s: %c%ld: %s block, %zu bytes\n", name, is_here(report, i) ? '>' : ' ',
	       offset_of(pool, row->addr), respool_block_kind_names[row->kind],
	       row_bytes(report, i));
	for (at = 0; at < bytes; at += n) {
		n = min_t(size_t, bytes - at, LINE_BYTES);
		pr_err("slab %s:  %4zu: %*ph\n", name, report->shown[i].from + at, (int)n,
		       &report->content[i][at]);
	}
}

static void print_finding(const struct respool_report *report, const char *name,
			  const struct respool *pool)
{
	const char *kind = respool_refusal_names[report->kind];
	char byte[64] = "";

	if (report->found >= 0)
		snprintf(byte, sizeof(byte), ", byte %td is %02x, not %02x",
			 report->where - report->block, report->found, report->expected);
	pr_err("slab %s: found %s: %s of the block at offset %ld is overwritten%s, met by %pS, task %s/%d (further ones are only counted)\n",
	       name, kind, report->what, offset_of(pool, report->block), byte,
	       (void *)report->caller, current->comm, current->pid);
}

/* Print what there is, if there is anything. */
void respool_report_print(struct respool_report *report, const char *name,
			  const struct respool *pool)
{
	size_t i;

	if (atomic_cmpxchg_acquire(&report->state, FULL, PRINTING) != FULL)
		return;
	if (report->what)
		print_finding(report, name, pool);
	if (report->block && report->record.allocated.ns) {
		pr_err("slab %s: block of %zu bytes at offset %ld\n", name, report->record.size,
		       offset_of(pool, report->block));
		print_record(name, &report->record);
	}
	if (report->nr_rows && __ratelimit(&report->limit)) {
		pr_err("slab %s: blocks around offset %ld, by their headers\n", name,
		       offset_of(pool, report->where));
		for (i = 0; i < report->nr_rows; i++)
			print_row(report, i, name, pool);
	}
	atomic_set_release(&report->state, EMPTY);
}

static void print_held(const char *name, size_t bytes, const struct respool *pool,
		       const void *block)
{
	pr_err("slab %s: still live: %zu bytes at offset %ld\n", name, bytes,
	       offset_of(pool, block));
}

/* Name up to @left live blocks; returns how many more there may be. */
static unsigned int report_held_blocks(struct respool_freelist *f,
				       const struct respool_debug *debug, const char *name,
				       const struct respool *pool, unsigned int left)
{
	struct respool_record record;
	struct respool_cursor cursor;
	struct respool_block_row row;
	const void *block;
	size_t bytes;

	respool_freelist_open(f, &cursor);
	while (left && respool_freelist_look(f, &cursor, &row, 1)) {
		if (row.kind != RESPOOL_BLOCK_USED)
			continue;
		left--;
		block = row.addr + RESPOOL_BLOCK_HEADER;
		bytes = row.bytes - RESPOOL_BLOCK_HEADER;
		memset(&record, 0, sizeof(record));
		if (debug && respool_debug_record(debug, block, bytes, &record))
			bytes = record.size;
		print_held(name, bytes, pool, block);
		print_record(name, &record);
	}
	respool_freelist_close(f, &cursor);
	return left;
}

/* Name the first live blocks and objects of a slab that nobody uses any more. */
void respool_report_held(struct respool_freelist *f, const struct respool_hot *hot,
			 const struct respool_debug *debug, const char *name,
			 const struct respool *pool)
{
	u64 live = f->live_blocks, bytes = f->live_bytes;
	const void *objects[HELD_BLOCKS];
	unsigned int left, class, i;
	u64 nr, runs = 0;

	for (class = 1; class <= RESPOOL_HOT_CLASSES; class++) {
		nr = respool_objects_count_live(&hot->objects[class - 1]);
		live += nr;
		runs += hot->objects[class - 1].runs;
		bytes += nr * class * RESPOOL_BLOCK_ALIGN;
	}
	if (!live && !runs)
		return;
	pr_err("slab %s: leak: destroyed with %llu blocks of %llu bytes still live\n", name,
	       live, bytes);
	left = report_held_blocks(f, debug, name, pool, HELD_BLOCKS);
	for (class = 1; left && class <= RESPOOL_HOT_CLASSES; class++) {
		nr = respool_hot_live_of(hot, class, objects, left);
		for (i = 0; i < nr; i++)
			print_held(name, class * RESPOOL_BLOCK_ALIGN, pool, objects[i]);
		left -= nr;
	}
}
