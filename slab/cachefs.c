// SPDX-License-Identifier: GPL-2.0
/*
 * A cache's directory in debugfs. Every file formats snapshots; no lock is held
 * while formatting or allocating.
 */
#include <linux/debugfs.h>
#include <linux/seq_file.h>

#include "buddy/debugfs.h"
#include "slab/cache.h"

/* stats */

#define SHOW(field)	seq_printf(m, #field " %llu\n", stats.field)

static int stats_show(struct seq_file *m, void *unused)
{
	struct respool_cache_stats stats;

	respool_cache_stats(m->private, &stats);
	SHOW(size);
	SHOW(object_bytes);
	SHOW(run_pages);
	SHOW(run_objects);
	SHOW(held_pages);
	SHOW(runs);
	SHOW(empty_runs);
	SHOW(damaged_runs);
	SHOW(live_objects);
	SHOW(free_objects);
	SHOW(cached_objects);
	SHOW(overhead_bytes);
	SHOW(peak_held_pages);
	SHOW(allocations);
	SHOW(frees);
	SHOW(failures);
	SHOW(runs_taken);
	SHOW(runs_returned);
	respool_debugfs_refusals(m, stats.refusals);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(stats);

/* validate */

static int validate_show(struct seq_file *m, void *unused)
{
	char why[128];

	respool_cache_validate(m->private, why, sizeof(why));
	seq_printf(m, "%s\n", why);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(validate);

/* runs: by address, each looked at under a hold of its own */

/**
 * struct runs_iter - Where a reader of "runs" is.
 * @cache: cache it reads
 * @row: what to show next
 * @more: whether there is that
 */
struct runs_iter {
	struct respool_cache *cache;
	struct respool_object_row row;
	bool more;
};

/* The first record is the title. */
static void *runs_start(struct seq_file *m, loff_t *pos)
{
	struct runs_iter *it = m->private;

	if (*pos)
		return it->more ? it : NULL;
	it->row.run = NULL;
	return SEQ_START_TOKEN;
}

static void *runs_next(struct seq_file *m, void *v, loff_t *pos)
{
	struct runs_iter *it = m->private;

	++*pos;
	it->more = respool_cache_run_after(it->cache, it->row.run, &it->row);
	return it->more ? it : NULL;
}

static void runs_stop(struct seq_file *m, void *v)
{
}

static int runs_show(struct seq_file *m, void *v)
{
	const struct runs_iter *it = m->private;
	const struct respool_object_row *row = &it->row;

	if (v == SEQ_START_TOKEN)
		seq_puts(m, "offset live free out\n");
	else
		seq_printf(m, "%ld %u %u %u\n", respool_cache_offset(it->cache, row->run),
			   row->live, row->free, row->out);
	return 0;
}

static const struct seq_operations runs_sops = {
	.start	= runs_start,
	.next	= runs_next,
	.stop	= runs_stop,
	.show	= runs_show,
};

static int runs_open(struct inode *inode, struct file *file)
{
	struct runs_iter *it = __seq_open_private(file, &runs_sops, sizeof(*it));

	if (!it)
		return -ENOMEM;
	it->cache = inode->i_private;
	return 0;
}

static const struct file_operations runs_fops = {
	.owner		= THIS_MODULE,
	.open		= runs_open,
	.read		= seq_read,
	.llseek		= seq_lseek,
	.release	= seq_release_private,
};

/* Directory */

struct dentry *respool_cache_debugfs_add(struct respool_cache *cache, struct dentry *parent)
{
	struct dentry *dir = debugfs_create_dir(respool_cache_name(cache), parent);

	debugfs_create_file("stats", 0400, dir, cache, &stats_fops);
	debugfs_create_file("runs", 0400, dir, cache, &runs_fops);
	debugfs_create_file("validate", 0400, dir, cache, &validate_fops);
	return dir;
}
