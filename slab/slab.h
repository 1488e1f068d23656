/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A slab as its debugfs files see it: snapshots, each taken under one hold of
 * the slab's lock. Clients see <linux/respool.h> only.
 */
#ifndef RESPOOL_SLAB_H
#define RESPOOL_SLAB_H

#include <linux/respool.h>

#include "slab/freelist.h"

struct dentry;

/**
 * struct respool_objects_row - The objects of one size.
 * @bytes: bytes of an object, 0 if there is no run of such
 * @runs: runs in service
 * @live: objects handed out
 * @cached: free objects in magazines
 * @free: other free objects
 */
struct respool_objects_row {
	size_t bytes;
	u64 runs;
	u64 live;
	u64 cached;
	u64 free;
};

/* What is looked at under one hold of the lock. */
#define RESPOOL_LOOK_ROWS	64

/**
 * struct respool_look - Some blocks of one run.
 * @run: the run
 * @run_bytes: its length
 * @nr_rows: how many blocks
 * @rows: the blocks
 */
struct respool_look {
	const struct respool_run *run;
	size_t run_bytes;
	size_t nr_rows;
	struct respool_block_row rows[RESPOOL_LOOK_ROWS];
};

void respool_slab_open(struct respool_slab *slab, struct respool_cursor *cursor);
void respool_slab_close(struct respool_slab *slab, struct respool_cursor *cursor);
void respool_slab_look(struct respool_slab *slab, struct respool_cursor *cursor,
		       struct respool_look *look);
void respool_slab_classes(struct respool_slab *slab,
			  struct respool_class classes[RESPOOL_NR_CLASSES]);
void respool_slab_objects(struct respool_slab *slab, unsigned int class,
			  struct respool_objects_row *row);
const char *respool_slab_fit_name(const struct respool_slab *slab);
unsigned int respool_slab_flags(const struct respool_slab *slab);
void respool_slabs_drain_cpu(unsigned int cpu);
long respool_slab_offset(const struct respool_slab *slab, const void *addr);

struct dentry *respool_slab_debugfs_add(struct respool_slab *slab, struct dentry *parent);

#endif /* RESPOOL_SLAB_H */
