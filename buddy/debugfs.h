/* SPDX-License-Identifier: GPL-2.0 */
/*
 * /sys/kernel/debug/respool/<pool>/: statistics and self-checks, no control.
 */
#ifndef RESPOOL_DEBUGFS_H
#define RESPOOL_DEBUGFS_H

#include <linux/types.h>

struct dentry;
struct respool;
struct respool_pool;
struct seq_file;

void respool_debugfs_init(void);
void respool_debugfs_exit(void);
void respool_debugfs_add_pool(struct respool_pool *pool);
struct dentry *respool_debugfs_slabs(const struct respool *pool);
struct dentry *respool_debugfs_caches(const struct respool *pool);

void respool_debugfs_refusals(struct seq_file *m, const u64 *refusals);

#endif /* RESPOOL_DEBUGFS_H */
