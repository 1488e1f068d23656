// SPDX-License-Identifier: GPL-2.0
/*
 * A slab's directory in debugfs. Every file formats snapshots; no lock is held
 * while formatting or allocating.
 */
#include <linux/debugfs.h>
#include <linux/mm.h>
#include <linux/seq_file.h>
#include <linux/slab.h>

#include "buddy/debugfs.h"
#include "slab/slab.h"

/* stats */

#define SHOW(field)	seq_printf(m, #field " %llu\n", stats.field)

static int stats_show(struct seq_file *m, void *unused)
{
	struct respool_slab_stats stats;

	respool_slab_stats(m->private, &stats);
	SHOW(held_pages);
	SHOW(runs);
	SHOW(empty_runs);
	SHOW(live_blocks);
	SHOW(live_bytes);
	SHOW(free_blocks);
	SHOW(free_bytes);
	SHOW(overhead_bytes);
	SHOW(largest_free);
	SHOW(peak_held_pages);
	SHOW(peak_live_bytes);
	SHOW(allocations);
	SHOW(frees);
	SHOW(reallocs);
	SHOW(reallocs_in_place);
	SHOW(failures);
	SHOW(splits);
	SHOW(coalesces);
	SHOW(runs_taken);
	SHOW(runs_returned);
	respool_debugfs_refusals(m, stats.refusals);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(stats);

/* classes */

static int classes_show(struct seq_file *m, void *unused)
{
	struct respool_class *class;
	size_t min, max;
	unsigned int i;

	class = kvmalloc_array(RESPOOL_NR_CLASSES, sizeof(*class), GFP_KERNEL);
	if (!class)
		return -ENOMEM;
	respool_slab_classes(m->private, class);
	seq_puts(m, "min_bytes max_bytes blocks bytes\n");
	for (i = 0; i < RESPOOL_NR_CLASSES; i++) {
		if (!class[i].blocks)
			continue;
		respool_freelist_class_range(i, &min, &max);
		seq_printf(m, "%zu %zu %llu %llu\n", min, max, class[i].blocks, class[i].bytes);
	}
	kvfree(class);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(classes);

/* validate */

static int validate_show(struct seq_file *m, void *unused)
{
	char why[128];

	respool_slab_validate(m->private, why, sizeof(why));
	seq_printf(m, "%s\n", why);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(validate);

/* blocks: a record a run, so that one run is looked at under one hold */

/**
 * struct blocks_iter - Where a reader of "blocks" is.
 * @slab: slab it reads
 * @done: the last run that is finished, %NULL before the first
 * @view: the run shown last, and the buffer for its rows
 */
struct blocks_iter {
	struct respool_slab *slab;
	const void *done;
	struct respool_run_view view;
};

/* The buffer grows to what the run had; what it gained meanwhile is left out. */
static bool view_next_run(struct blocks_iter *it)
{
	struct respool_run_view *view = &it->view;

	if (!respool_slab_view_run(it->slab, it->done, view))
		return false;
	if (view->blocks <= view->nr_rows)
		return true;
	kvfree(view->rows);
	view->nr_rows = 0;
	view->rows = kvmalloc_array(view->blocks, sizeof(*view->rows), GFP_KERNEL);
	if (view->rows)
		view->nr_rows = view->blocks;
	return respool_slab_view_run(it->slab, it->done, view);
}

static void *blocks_start(struct seq_file *m, loff_t *pos)
{
	struct blocks_iter *it = m->private;

	if (!*pos)
		it->done = NULL;
	return view_next_run(it) ? it : NULL;
}

static void *blocks_next(struct seq_file *m, void *v, loff_t *pos)
{
	struct blocks_iter *it = v;

	++*pos;
	it->done = it->view.start;
	return view_next_run(it) ? it : NULL;
}

static void blocks_stop(struct seq_file *m, void *v)
{
}

static void show_link(struct seq_file *m, const struct blocks_iter *it, const void *link)
{
	if (link)
		seq_printf(m, " %ld", respool_slab_offset(it->slab, link));
	else
		seq_puts(m, " -");
}

static int blocks_show(struct seq_file *m, void *v)
{
	const struct blocks_iter *it = v;
	const struct respool_run_view *view = &it->view;
	long offset = respool_slab_offset(it->slab, view->start);
	size_t i;

	seq_printf(m, "run %ld bytes %zu blocks %zu\n", offset, view->bytes, view->blocks);
	for (i = 0; i < min(view->blocks, view->nr_rows); i++) {
		const struct respool_block_row *row = &view->rows[i];

		seq_printf(m, "%ld %zu %s %d", offset + (row->addr - view->start), row->bytes,
			   row->used ? "used" : "free", row->prev_used);
		show_link(m, it, row->next);
		show_link(m, it, row->prev);
		seq_putc(m, '\n');
	}
	return 0;
}

static const struct seq_operations blocks_sops = {
	.start	= blocks_start,
	.next	= blocks_next,
	.stop	= blocks_stop,
	.show	= blocks_show,
};

static int blocks_open(struct inode *inode, struct file *file)
{
	struct blocks_iter *it = __seq_open_private(file, &blocks_sops, sizeof(*it));

	if (!it)
		return -ENOMEM;
	it->slab = inode->i_private;
	return 0;
}

static int blocks_release(struct inode *inode, struct file *file)
{
	struct blocks_iter *it = ((struct seq_file *)file->private_data)->private;

	kvfree(it->view.rows);
	return seq_release_private(inode, file);
}

static const struct file_operations blocks_fops = {
	.owner		= THIS_MODULE,
	.open		= blocks_open,
	.read		= seq_read,
	.llseek		= seq_lseek,
	.release	= blocks_release,
};

/* Directory */

struct dentry *respool_slab_debugfs_add(struct respool_slab *slab, struct dentry *parent)
{
	struct dentry *dir = debugfs_create_dir(respool_slab_name(slab), parent);

	debugfs_create_file("stats", 0400, dir, slab, &stats_fops);
	debugfs_create_file("classes", 0400, dir, slab, &classes_fops);
	debugfs_create_file("blocks", 0400, dir, slab, &blocks_fops);
	debugfs_create_file("validate", 0400, dir, slab, &validate_fops);
	return dir;
}
