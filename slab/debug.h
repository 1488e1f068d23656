/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What debug= adds to a slab: see debug.c. The caller holds the slab's lock,
 * unless a function says otherwise.
 *
 * A slab without any of it has no struct respool_debug.
 */
#ifndef RESPOOL_SLAB_DEBUG_H
#define RESPOOL_SLAB_DEBUG_H

#include <linux/respool.h>

#include "buddy/stack.h"
#include "buddy/stats.h"
#include "slab/freelist.h"

struct respool_report;

#define RESPOOL_DEBUG_FLAGS	(RESPOOL_SLAB_REDZONE | RESPOOL_SLAB_POISON |		\
				 RESPOOL_SLAB_STACKS | RESPOOL_SLAB_QUARANTINE)

/* What the quarantine holds at most; a block that is larger passes through. */
#define RESPOOL_QUARANTINE_BLOCKS	1024
#define RESPOOL_QUARANTINE_BYTES	(1024 * 1024UL)

/**
 * struct respool_event - When and by whom a block was handed out or given back.
 * @ns: local clock; 0 for an event that was not, or is not known
 * @pid: task, or what an interrupt interrupted
 * @nr: number of addresses
 * @pc: return addresses, innermost first, from the caller of respool on; only
 *	that one if the slab keeps no stacks
 */
struct respool_event {
	u64 ns;
	pid_t pid;
	u32 nr;
	unsigned long pc[RESPOOL_STACK_DEPTH];
};

/**
 * struct respool_record - Stands at the end of each live block.
 * @check: keyed check of the rest and of the record's address
 * @size: bytes asked for
 * @allocated: when the block was handed out
 * @freed: when it was given back, if it waits in the quarantine
 */
struct respool_record {
	u64 check;
	size_t size;
	struct respool_event allocated;
	struct respool_event freed;
};

/**
 * struct respool_quarantine - Blocks given back that nobody gets yet, oldest first.
 * @first: index of the oldest
 * @nr: number of blocks
 * @bytes: sum of their bytes
 * @ring: the blocks, one more than may stay
 * @ring.block: where it is
 * @ring.bytes: its length, without its header
 */
struct respool_quarantine {
	unsigned int first;
	unsigned int nr;
	size_t bytes;
	struct {
		void *block;
		size_t bytes;
	} ring[RESPOOL_QUARANTINE_BLOCKS + 1];
};

/**
 * struct respool_debug - What a slab with debugging has besides.
 * @flags: those of RESPOOL_DEBUG_FLAGS that are on
 * @room: what a block takes beyond the bytes asked for
 * @secret: keys the records
 * @freelist: the slab's
 * @refusals: where findings are counted
 * @report: where the first of each kind is told of
 * @slab: the slab, for traces; set once it is there
 * @quarantine: blocks that wait there
 */
struct respool_debug {
	unsigned int flags;
	size_t room;
	u64 secret;
	struct respool_freelist *freelist;
	struct respool_refusals *refusals;
	struct respool_report *report;
	const struct respool_slab *slab;
	struct respool_quarantine quarantine;
};

/* The parameter: process context, no lock. */
int respool_debug_setup(const char *text);
unsigned int respool_debug_flags(const char *slab);
struct respool_debug *respool_debug_create(unsigned int flags, struct respool_freelist *f,
					   struct respool_refusals *refusals,
					   struct respool_report *report);
void respool_debug_destroy(struct respool_debug *debug);

void respool_debug_hand_out(struct respool_debug *debug, void *block, size_t size,
			    unsigned long caller);
void respool_debug_fill(const struct respool_debug *debug, void *block, size_t size);
int respool_debug_usable_size(struct respool_debug *debug, const void *block, size_t *size);
int respool_debug_take_back(struct respool_debug *debug, void *block, unsigned long caller);
void *respool_debug_oldest(struct respool_debug *debug, bool all, unsigned long caller);
void respool_debug_let_go(struct respool_debug *debug);
void respool_debug_forget_retired(struct respool_debug *debug);
bool respool_debug_record(const struct respool_debug *debug, const void *block, size_t bytes,
			  struct respool_record *record);
const char *respool_debug_validate(struct respool_debug *debug, const void **where);

#endif /* RESPOOL_SLAB_DEBUG_H */
