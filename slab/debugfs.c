// SPDX-License-Identifier: GPL-2.0
/*
 * A slab's directory in debugfs. Every file formats snapshots; no lock is held
 * while formatting or allocating.
 */
#include <linux/debugfs.h>
#include <linux/math64.h>
#include <linux/mm.h>
#include <linux/seq_file.h>
#include <linux/slab.h>

#include "buddy/debugfs.h"
#include "slab/hot.h"
#include "slab/report.h"
#include "slab/slab.h"

/* @part of @whole in thousandths, rounded down; 0 of nothing. */
static u64 permille(u64 part, u64 whole)
{
	return whole ? div64_u64(part * 1000, whole) : 0;
}

/* options */

static int options_show(struct seq_file *m, void *unused)
{
	seq_printf(m, "fit %s\n", respool_slab_fit_name(m->private));
	seq_printf(m, "flags %#x\n", respool_slab_flags(m->private));
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(options);

/* stats */

/*
 * Memory held for no use, in two kinds (Johnstone and Wilson, "The memory
 * fragmentation problem: solved?", ISMM 1998). Internal: what tags and runs
 * cost, of all that is held. External: what of the free bytes the largest
 * request that fits could not have.
 */
static void show_fragmentation(struct seq_file *m, const struct respool_slab_stats *stats)
{
	u64 largest = stats->largest_free ? stats->largest_free + RESPOOL_BLOCK_HEADER : 0;

	seq_printf(m, "internal_permille %llu\n",
		   permille(stats->overhead_bytes, stats->held_pages << PAGE_SHIFT));
	seq_printf(m, "external_permille %llu\n",
		   permille(stats->free_bytes - largest, stats->free_bytes));
}

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
	SHOW(cached_blocks);
	SHOW(cached_bytes);
	SHOW(quarantined_blocks);
	SHOW(quarantined_bytes);
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
	show_fragmentation(m, &stats);
	respool_debugfs_refusals(m, stats.refusals);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(stats);

/* classes */

/*
 * Free blocks of smaller classes are too small for any request of this one:
 * their share of the free bytes is the page allocator's unusable free space
 * index (Gorman and Whitcroft, "The what, the why and the where to of
 * anti-fragmentation", OLS 2006), of bytes, in thousandths as there.
 */
static int classes_show(struct seq_file *m, void *unused)
{
	u64 bytes_below = 0, free_bytes = 0;
	struct respool_class *class;
	size_t min, max;
	unsigned int i;

	class = kvmalloc_array(RESPOOL_NR_CLASSES, sizeof(*class), GFP_KERNEL);
	if (!class)
		return -ENOMEM;
	respool_slab_classes(m->private, class);
	for (i = 0; i < RESPOOL_NR_CLASSES; i++)
		free_bytes += class[i].bytes;
	seq_puts(m, "min_bytes max_bytes blocks bytes unusable_permille\n");
	for (i = 0; i < RESPOOL_NR_CLASSES; i++) {
		if (!class[i].blocks)
			continue;
		respool_freelist_class_range(i, &min, &max);
		seq_printf(m, "%zu %zu %llu %llu %llu\n", min, max, class[i].blocks,
			   class[i].bytes, permille(bytes_below, free_bytes));
		bytes_below += class[i].bytes;
	}
	kvfree(class);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(classes);

/* objects: each row is of one moment */

static int objects_show(struct seq_file *m, void *unused)
{
	struct respool_objects_row row;
	unsigned int class;

	seq_puts(m, "bytes runs live cached free\n");
	for (class = 1; class <= RESPOOL_HOT_CLASSES; class++) {
		respool_slab_objects(m->private, class, &row);
		if (row.runs)
			seq_printf(m, "%zu %llu %llu %llu %llu\n", row.bytes, row.runs, row.live,
				   row.cached, row.free);
	}
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(objects);

/* validate */

static int validate_show(struct seq_file *m, void *unused)
{
	char why[128];

	respool_slab_validate(m->private, why, sizeof(why));
	seq_printf(m, "%s\n", why);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(validate);

/* blocks: the implicit list, some blocks at a time, each time under one hold */

/**
 * struct blocks_iter - Where a reader of "blocks" is.
 * @slab: slab it reads
 * @cursor: behind the blocks of @look
 * @look: what to show next
 */
struct blocks_iter {
	struct respool_slab *slab;
	struct respool_cursor cursor;
	struct respool_look look;
};

static void *look_on(struct blocks_iter *it)
{
	respool_slab_look(it->slab, &it->cursor, &it->look);
	return it->look.nr_rows ? it : NULL;
}

/* The first record is the title. */
static void *blocks_start(struct seq_file *m, loff_t *pos)
{
	struct blocks_iter *it = m->private;

	if (*pos)
		return it->look.nr_rows ? it : NULL;
	respool_slab_close(it->slab, &it->cursor);
	respool_slab_open(it->slab, &it->cursor);
	return SEQ_START_TOKEN;
}

static void *blocks_next(struct seq_file *m, void *v, loff_t *pos)
{
	++*pos;
	return look_on(m->private);
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

static void show_footer(struct seq_file *m, const struct respool_block_row *row)
{
	if (row->footer)
		seq_printf(m, " %zu", row->footer);
	else
		seq_puts(m, row->kind == RESPOOL_BLOCK_FREE ? " damaged" : " -");
}

/* Every block of a slab is on the slab's account. */
static void show_owner(struct seq_file *m, const struct blocks_iter *it,
		       const struct respool_block_row *row)
{
	if (row->kind == RESPOOL_BLOCK_USED)
		seq_printf(m, " slab:%s", respool_slab_name(it->slab));
	else
		seq_puts(m, " -");
}

static void show_block(struct seq_file *m, const struct blocks_iter *it,
		       const struct respool_block_row *row)
{
	seq_printf(m, "%ld %zu %s %d", respool_slab_offset(it->slab, row->addr), row->bytes,
		   respool_block_kind_names[row->kind], row->prev_used);
	show_link(m, it, row->next);
	show_link(m, it, row->prev);
	show_footer(m, row);
	show_owner(m, it, row);
	seq_putc(m, '\n');
}

static int blocks_show(struct seq_file *m, void *v)
{
	const struct blocks_iter *it = m->private;
	const struct respool_look *look = &it->look;
	size_t i;

	if (v == SEQ_START_TOKEN) {
		seq_puts(m, "offset bytes use prev_used next prev footer owner\n");
		return 0;
	}
	if (look->rows[0].addr == look->run + 1)
		seq_printf(m, "run %ld bytes %zu\n", respool_slab_offset(it->slab, look->run),
			   look->run_bytes);
	for (i = 0; i < look->nr_rows; i++)
		show_block(m, it, &look->rows[i]);
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

/* A slab that is gone has forgotten its readers. */
static int blocks_release(struct inode *inode, struct file *file)
{
	struct blocks_iter *it = ((struct seq_file *)file->private_data)->private;

	if (!debugfs_file_get(file->f_path.dentry)) {
		respool_slab_close(it->slab, &it->cursor);
		debugfs_file_put(file->f_path.dentry);
	}
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

	debugfs_create_file("options", 0400, dir, slab, &options_fops);
	debugfs_create_file("stats", 0400, dir, slab, &stats_fops);
	debugfs_create_file("classes", 0400, dir, slab, &classes_fops);
	debugfs_create_file("objects", 0400, dir, slab, &objects_fops);
	debugfs_create_file("blocks", 0400, dir, slab, &blocks_fops);
	debugfs_create_file("validate", 0400, dir, slab, &validate_fops);
	return dir;
}
