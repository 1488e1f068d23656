/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A cache of objects as the rest of respool.ko sees it. Clients see
 * <linux/respool.h> only.
 */
#ifndef RESPOOL_SLAB_CACHE_H
#define RESPOOL_SLAB_CACHE_H

#include <linux/respool.h>

#include "slab/objects.h"

struct dentry;

bool respool_cache_run_after(struct respool_cache *cache, const void *after,
			     struct respool_object_row *row);
long respool_cache_offset(const struct respool_cache *cache, const void *addr);
void respool_caches_drain_cpu(unsigned int cpu);

struct dentry *respool_cache_debugfs_add(struct respool_cache *cache, struct dentry *parent);

#endif /* RESPOOL_SLAB_CACHE_H */
