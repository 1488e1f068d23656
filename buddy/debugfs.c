// SPDX-License-Identifier: GPL-2.0
/*
 * A pool's directory in debugfs. Every file formats a snapshot; no lock is
 * held while formatting. Whether debugfs is there makes no difference to
 * anything else, so its errors are not looked at.
 */
#include <linux/debugfs.h>
#include <linux/math64.h>
#include <linux/mm.h>
#include <linux/sched.h>
#include <linux/seq_file.h>
#include <linux/slab.h>

#include "buddy/debugfs.h"
#include "buddy/fragmentation.h"
#include "buddy/pool.h"

static struct dentry *root;

/* stats */

void respool_debugfs_refusals(struct seq_file *m, const u64 *refusals)
{
	unsigned int kind;

	for (kind = 0; kind < RESPOOL_NR_REFUSALS; kind++)
		seq_printf(m, "refused_%s %llu\n", respool_refusal_names[kind], refusals[kind]);
}

#define SHOW(field)	seq_printf(m, #field " %llu\n", stats->field)

static int stats_show(struct seq_file *m, void *unused)
{
	struct respool_stats *stats = kmalloc(sizeof(*stats), GFP_KERNEL);

	if (!stats)
		return -ENOMEM;
	respool_pool_stats(m->private, stats);
	SHOW(pages);
	SHOW(free_pages);
	SHOW(allocated_pages);
	SHOW(cached_pages);
	SHOW(reserved_pages);
	SHOW(bad_pages);
	SHOW(clear_pages);
	SHOW(watermark_pages);
	SHOW(peak_allocated_pages);
	SHOW(free_regions);
	SHOW(regions);
	SHOW(allocations);
	SHOW(frees);
	SHOW(failures);
	seq_printf(m, "max_order %u\n", stats->max_order);
	seq_printf(m, "largest_free_order %d\n", stats->largest_free_order);
	respool_debugfs_refusals(m, stats->refusals);
	kfree(stats);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(stats);

/* orders */

static int orders_show(struct seq_file *m, void *unused)
{
	struct respool_stats *stats = kmalloc(sizeof(*stats), GFP_KERNEL);
	unsigned int order;

	if (!stats)
		return -ENOMEM;
	respool_pool_stats(m->private, stats);
	seq_puts(m, "order free_blocks allocated_blocks cached_blocks allocations failures\n");
	for (order = 0; order <= stats->max_order; order++) {
		const struct respool_order_stats *row = &stats->order[order];

		seq_printf(m, "%5u %11llu %16llu %13llu %11llu %8llu\n", order, row->free_blocks,
			   row->allocated_blocks, row->cached_blocks, row->allocations,
			   row->failures);
	}
	kfree(stats);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(orders);

/* fragmentation */

static int show_indexes(struct seq_file *m)
{
	struct respool_stats *stats = kmalloc(sizeof(*stats), GFP_KERNEL);
	u64 blocks[RESPOOL_NR_ORDERS];
	struct respool_free sum;
	unsigned int order;

	if (!stats)
		return -ENOMEM;
	respool_pool_stats(m->private, stats);
	for (order = 0; order < RESPOOL_NR_ORDERS; order++)
		blocks[order] = stats->order[order].free_blocks;
	seq_puts(m, "order suitable_blocks extfrag_permille unusable_permille\n");
	for (order = 0; order <= stats->max_order; order++) {
		respool_free_sum(blocks, order, &sum);
		seq_printf(m, "%u %llu %d %d\n", order, sum.suitable,
			   respool_extfrag_index(&sum, order),
			   respool_unusable_index(&sum, order));
	}
	kfree(stats);
	return 0;
}

/* Regions are counted by eighths that are held: none, up to one, ..., all. */
#define NR_FULLNESS	10
#define EIGHTH		(RESPOOL_REGION_PAGES / 8)

static unsigned int weight(const u64 *map)
{
	unsigned int i, n = 0;

	for (i = 0; i < RESPOOL_REGION_PAGES / 64; i++)
		n += hweight64(map[i]);
	return n;
}

static unsigned int fullness(struct respool_pool *pool, unsigned long region)
{
	u64 pages[RESPOOL_REGION_PAGES / 64], free[RESPOOL_REGION_PAGES / 64];
	unsigned int all, held;

	respool_pool_map(pool, region, pages, free);
	all = weight(pages);
	held = all - weight(free);
	if (!held)
		return 0;
	if (held == all)
		return NR_FULLNESS - 1;
	return 1 + held * 8 / all;
}

static void show_regions(struct seq_file *m)
{
	struct respool_pool *pool = m->private;
	unsigned long regions[NR_FULLNESS] = {}, region;
	unsigned int i;

	for (region = 0; region < pool->buddy.nr_regions; region++) {
		regions[fullness(pool, region)]++;
		cond_resched();
	}
	seq_puts(m, "min_held_pages max_held_pages regions\n");
	seq_printf(m, "0 0 %lu\n", regions[0]);
	for (i = 1; i <= 8; i++)
		seq_printf(m, "%lu %lu %lu\n", max((i - 1) * EIGHTH, 1UL), i * EIGHTH - 1,
			   regions[i]);
	seq_printf(m, "%lu %lu %lu\n", RESPOOL_REGION_PAGES, RESPOOL_REGION_PAGES, regions[i]);
}

static int fragmentation_show(struct seq_file *m, void *unused)
{
	int error = show_indexes(m);

	if (error)
		return error;
	seq_putc(m, '\n');
	show_regions(m);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(fragmentation);

/* failures and why */

static int failures_show(struct seq_file *m, void *unused)
{
	respool_failures_show(m, m->private);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(failures);

static int why_show(struct seq_file *m, void *unused)
{
	respool_why_show(m, m->private);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(why);

/* latency */

static int latency_show(struct seq_file *m, void *unused)
{
	respool_latency_show(m, m->private);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(latency);

/* owners */

static int owners_show(struct seq_file *m, void *unused)
{
	struct respool_account account;
	unsigned int tag;

	seq_puts(m, "owner pages blocks allocations frees\n");
	for (tag = 0; tag < RESPOOL_BUDDY_TAGS; tag++)
		if (!respool_pool_account(m->private, tag, &account))
			seq_printf(m, "%s %llu %llu %llu %llu\n", account.owner, account.pages,
				   account.blocks, account.allocations, account.frees);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(owners);

/* Files with a row a block, read one at a time, so that any pool may be shown */

/**
 * struct block_iter - A reader of "held" or "blocks".
 * @pool: pool it reads
 * @block: what the row at the position shows
 * @owner: on whose account that is
 */
struct block_iter {
	struct respool_pool *pool;
	struct respool_block block;
	char owner[RESPOOL_OWNER_LEN];
};

static void block_stop(struct seq_file *m, void *v)
{
}

static int open_blocks(struct inode *inode, struct file *file, const struct seq_operations *sops)
{
	struct block_iter *it = __seq_open_private(file, sops, sizeof(*it));

	if (!it)
		return -ENOMEM;
	it->pool = inode->i_private;
	return 0;
}

/* held */

/* Position 0 is the title, any other the number of a page and 1. */
static void *held_start(struct seq_file *m, loff_t *pos)
{
	struct block_iter *it = m->private;

	if (!*pos)
		return SEQ_START_TOKEN;
	if (!respool_next_held(it->pool, *pos - 1, &it->block, it->owner))
		return NULL;
	*pos = max_t(loff_t, *pos, it->block.page + 1);
	return it;
}

static void *held_next(struct seq_file *m, void *v, loff_t *pos)
{
	struct block_iter *it = m->private;

	if (v == SEQ_START_TOKEN)
		*pos = 1;
	else
		*pos = it->block.page + it->block.nr_pages + 1;
	return held_start(m, pos);
}

static int held_show(struct seq_file *m, void *v)
{
	struct block_iter *it = m->private;

	if (v == SEQ_START_TOKEN)
		seq_puts(m, "page pages owner age_seconds pid stack\n");
	else
		respool_held_show(m, it->pool, &it->block, it->owner);
	return 0;
}

static const struct seq_operations held_sops = {
	.start	= held_start,
	.next	= held_next,
	.stop	= block_stop,
	.show	= held_show,
};

static int held_open(struct inode *inode, struct file *file)
{
	return open_blocks(inode, file, &held_sops);
}

static const struct file_operations held_fops = {
	.owner		= THIS_MODULE,
	.open		= held_open,
	.read		= seq_read,
	.llseek		= seq_lseek,
	.release	= seq_release_private,
};

/* validate */

static int validate_show(struct seq_file *m, void *unused)
{
	char why[128];

	respool_pool_validate(m->private, why, sizeof(why));
	seq_printf(m, "%s\n", why);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(validate);

/* map: a row a region, read one region at a time, so that any pool may be shown */

static void *map_start(struct seq_file *m, loff_t *pos)
{
	struct respool_pool *pool = m->private;

	return *pos <= pool->buddy.nr_regions ? pos : NULL;
}

static void *map_next(struct seq_file *m, void *v, loff_t *pos)
{
	++*pos;
	return map_start(m, pos);
}

static void map_stop(struct seq_file *m, void *v)
{
}

/* Eight pages: how many of them are held, or blank if the pool has none of them. */
static char map_cell(u8 pages, u8 free)
{
	unsigned int held = hweight8(pages & ~free);

	if (!pages)
		return ' ';
	if (!held)
		return '.';
	return pages & free ? '0' + held : '#';
}

static int map_show(struct seq_file *m, void *v)
{
	u64 pages[RESPOOL_REGION_PAGES / 64], free[RESPOOL_REGION_PAGES / 64];
	struct respool_pool *pool = m->private;
	unsigned long region;
	unsigned int i;
	loff_t row = *(loff_t *)v;

	if (!row) {
		seq_puts(m, "page free cells of 8 pages: . free, 1-7 partly held, # held\n");
		return 0;
	}
	region = row - 1;
	respool_pool_map(pool, region, pages, free);
	seq_printf(m, "%9lu %3u ", region ? (region << RESPOOL_REGION_ORDER) - pool->buddy.lead : 0,
		   weight(free));
	for (i = 0; i < RESPOOL_REGION_PAGES / 8; i++)
		seq_putc(m, map_cell(pages[i / 8] >> i % 8 * 8, free[i / 8] >> i % 8 * 8));
	seq_putc(m, '\n');
	return 0;
}

static const struct seq_operations map_sops = {
	.start	= map_start,
	.next	= map_next,
	.stop	= map_stop,
	.show	= map_show,
};

static int map_open(struct inode *inode, struct file *file)
{
	int error = seq_open(file, &map_sops);

	if (!error)
		((struct seq_file *)file->private_data)->private = inode->i_private;
	return error;
}

static const struct file_operations map_fops = {
	.owner		= THIS_MODULE,
	.open		= map_open,
	.read		= seq_read,
	.llseek		= seq_lseek,
	.release	= seq_release,
};

/*
 * blocks. The position is the page where the next row begins, after the title.
 * What changes between two rows may begin in front of that; each row shows what is
 * left of it, so that they fill the pool.
 */

static const char *const kind_names[] = {
	[RESPOOL_PAGE_FREE]	 = "free",
	[RESPOOL_PAGE_ALLOCATED] = "used",
	[RESPOOL_PAGE_CACHED]	 = "cached",
	[RESPOOL_PAGE_RESERVED]	 = "reserved",
	[RESPOOL_PAGE_BAD]	 = "bad",
	[RESPOOL_PAGE_OUTSIDE]	 = "unknown",
};

static void *blocks_start(struct seq_file *m, loff_t *pos)
{
	struct block_iter *it = m->private;
	unsigned long page = *pos - 1;

	if (!*pos)
		return SEQ_START_TOKEN;
	if (page >= it->pool->buddy.nr_pages)
		return NULL;
	respool_pool_block(it->pool, page, &it->block, it->owner);
	/* Of a page in the middle of a change nothing is known. */
	if (it->block.kind == RESPOOL_PAGE_OUTSIDE)
		it->block.nr_pages = 1;
	else
		it->block.nr_pages -= page - it->block.page;
	it->block.page = page;
	return it;
}

static void *blocks_next(struct seq_file *m, void *v, loff_t *pos)
{
	const struct block_iter *it = m->private;

	*pos += v == SEQ_START_TOKEN ? 1 : it->block.nr_pages;
	return blocks_start(m, pos);
}

static int blocks_show(struct seq_file *m, void *v)
{
	const struct block_iter *it = m->private;

	if (v == SEQ_START_TOKEN)
		seq_puts(m, "page pages use owner\n");
	else
		seq_printf(m, "%lu %lu %s %s\n", it->block.page, it->block.nr_pages,
			   kind_names[it->block.kind], it->owner);
	return 0;
}

static const struct seq_operations blocks_sops = {
	.start	= blocks_start,
	.next	= blocks_next,
	.stop	= block_stop,
	.show	= blocks_show,
};

static int blocks_open(struct inode *inode, struct file *file)
{
	return open_blocks(inode, file, &blocks_sops);
}

static const struct file_operations blocks_fops = {
	.owner		= THIS_MODULE,
	.open		= blocks_open,
	.read		= seq_read,
	.llseek		= seq_lseek,
	.release	= seq_release_private,
};

/* Directories */

/* Where the byte layer's slabs on @pool are shown. */
struct dentry *respool_debugfs_slabs(const struct respool *pool)
{
	return respool_pool_of(pool)->debugfs_slabs;
}

/* Where its caches are. */
struct dentry *respool_debugfs_caches(const struct respool *pool)
{
	return respool_pool_of(pool)->debugfs_caches;
}

void respool_debugfs_add_pool(struct respool_pool *pool)
{
	struct dentry *dir = debugfs_create_dir(pool->spec.name, root);

	debugfs_create_file("stats", 0444, dir, pool, &stats_fops);
	debugfs_create_file("orders", 0444, dir, pool, &orders_fops);
	debugfs_create_file("map", 0444, dir, pool, &map_fops);
	debugfs_create_file("blocks", 0444, dir, pool, &blocks_fops);
	debugfs_create_file("fragmentation", 0444, dir, pool, &fragmentation_fops);
	debugfs_create_file("failures", 0400, dir, pool, &failures_fops);
	debugfs_create_file("why", 0444, dir, pool, &why_fops);
	debugfs_create_file("latency", 0444, dir, pool, &latency_fops);
	debugfs_create_file("owners", 0444, dir, pool, &owners_fops);
	debugfs_create_file("held", 0400, dir, pool, &held_fops);
	debugfs_create_file("validate", 0400, dir, pool, &validate_fops);
	pool->debugfs_slabs = debugfs_create_dir("slabs", dir);
	pool->debugfs_caches = debugfs_create_dir("caches", dir);
}

void respool_debugfs_init(void)
{
	root = debugfs_create_dir("respool", NULL);
}

void respool_debugfs_exit(void)
{
	debugfs_remove(root);
}
