/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What is told of damage: collected under the slab's lock, printed after.
 */
#ifndef RESPOOL_SLAB_REPORT_H
#define RESPOOL_SLAB_REPORT_H

#include <linux/atomic.h>
#include <linux/ratelimit_types.h>
#include <linux/respool.h>

#include "slab/debug.h"
#include "slab/freelist.h"
#include "slab/hot.h"

#define RESPOOL_REPORT_ROWS	6	/* blocks */
#define RESPOOL_REPORT_BYTES	64	/* of each */

/**
 * struct respool_report - One finding.
 * @state: empty, full, or being printed
 * @limit: how often blocks are shown
 * @kind: what was found
 * @what: what was overwritten, in words; %NULL if somebody else says so
 * @where: first byte that is not as it must be
 * @found: what it is, or -1 if no one byte tells
 * @expected: what it must be
 * @block: block it belongs to; of a header the one in front, which may have been
 *	written beyond its end; %NULL if that is not known
 * @caller: who made the call that met it
 * @record: @block's; no event of it has a time if it has none
 * @nr_rows: number of blocks
 * @rows: the blocks around @where
 * @shown: what of them is in @content, from their headers on or around @where
 * @shown.from: bytes behind the header where it begins
 * @shown.bytes: how much that is
 * @content: what was there
 */
struct respool_report {
	atomic_t state;
	struct ratelimit_state limit;
	enum respool_refusal kind;
	const char *what;
	const void *where;
	int found;
	int expected;
	const void *block;
	unsigned long caller;
	struct respool_record record;
	size_t nr_rows;
	struct respool_block_row rows[RESPOOL_REPORT_ROWS];
	struct {
		size_t from;
		size_t bytes;
	} shown[RESPOOL_REPORT_ROWS];
	u8 content[RESPOOL_REPORT_ROWS][RESPOOL_REPORT_BYTES];
};

extern const char *const respool_block_kind_names[];

void respool_report_init(struct respool_report *report);

/* With the slab's lock held; what stands between the two fills the report. */
bool respool_report_begin(struct respool_report *report, enum respool_refusal kind,
			  const void *where);
void respool_report_end(struct respool_report *report, const struct respool_freelist *f,
			const struct respool_debug *debug);

/* Without. */
void respool_report_print(struct respool_report *report, const char *name,
			  const struct respool *pool);
void respool_report_held(struct respool_freelist *f, const struct respool_hot *hot,
			 const struct respool_debug *debug, const char *name,
			 const struct respool *pool);

#endif /* RESPOOL_SLAB_REPORT_H */
