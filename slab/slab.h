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
 * struct respool_run_view - One run and its blocks.
 * @start: the run's first byte
 * @bytes: its length
 * @blocks: blocks in it
 * @rows: the first @nr_rows of them; the caller's buffer
 * @nr_rows: how many fit into @rows
 */
struct respool_run_view {
	const void *start;
	size_t bytes;
	size_t blocks;
	struct respool_block_row *rows;
	size_t nr_rows;
};

bool respool_slab_view_run(struct respool_slab *slab, const void *after,
			   struct respool_run_view *view);
void respool_slab_classes(struct respool_slab *slab,
			  struct respool_class classes[RESPOOL_NR_CLASSES]);
long respool_slab_offset(const struct respool_slab *slab, const void *addr);

struct dentry *respool_slab_debugfs_add(struct respool_slab *slab, struct dentry *parent);

#endif /* RESPOOL_SLAB_H */
