// SPDX-License-Identifier: GPL-2.0
/*
 * Blocks that are held, and where they come from.
 *
 * A record is written by who was given the block, with no lock, before anybody
 * else knows of it. A reader who comes while that is done finds none.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/kernel.h>
#include <linux/math64.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/printk.h>
#include <linux/sched.h>
#include <linux/sched/clock.h>
#include <linux/seq_file.h>
#include <linux/time64.h>
#include <linux/vmalloc.h>

#include "buddy/origin.h"
#include "buddy/pool.h"

/* Blocks that are named when an account is closed with more than it should have. */
#define NAMED_BLOCKS	8

bool respool_origins_wanted;

int respool_origins_init(struct respool_pool *pool)
{
	if (!respool_origins_wanted)
		return 0;
	pool->origins = vzalloc(array_size(pool->backing.nr_pages, sizeof(*pool->origins)));
	return pool->origins ? 0 : -ENOMEM;
}

/* The block at @page was allocated by @caller. Any context but NMI. */
void respool_origin_note(struct respool_pool *pool, unsigned long page, unsigned long caller)
{
	struct respool_origin *origin;

	if (!pool->origins)
		return;
	origin = &pool->origins[page];
	WRITE_ONCE(origin->ns, 0);
	smp_wmb();	/* pairs with the one that reads in respool_origin_read() */
	WRITE_ONCE(origin->pid, in_task() ? current->pid : 0);
	WRITE_ONCE(origin->nr, respool_save_stack(origin->pc, caller));
	/* Pairs with the acquire there. */
	smp_store_release(&origin->ns, max_t(u64, local_clock(), 1));
}

/* False if nothing is known of the block that starts at @page. */
bool respool_origin_read(struct respool_pool *pool, unsigned long page,
			 struct respool_origin *origin)
{
	const struct respool_origin *from = pool->origins ? &pool->origins[page] : NULL;
	u64 ns;

	if (!from)
		return false;
	/* Pairs with the release at the end of respool_origin_note(). */
	ns = smp_load_acquire(&from->ns);
	if (!ns)
		return false;
	/* It may be written at any time; then this is not used. */
	data_race(memcpy(origin, from, sizeof(*origin)));
	smp_rmb();	/* pairs with the one that writes in respool_origin_note() */
	return READ_ONCE(from->ns) == ns && origin->nr <= RESPOOL_STACK_DEPTH;
}

/* The first block at or behind @page that is held, and by whom; false for none. */
bool respool_next_held(struct respool_pool *pool, unsigned long page,
		       struct respool_block *block, char *owner)
{
	bool held = false;
	unsigned long flags;

	while (!held && page < pool->buddy.nr_pages) {
		raw_spin_lock_irqsave(&pool->lock, flags);
		respool_buddy_find(&pool->buddy, page, block);
		held = block->kind == RESPOOL_PAGE_ALLOCATED;
		if (held)
			respool_owner_name(pool, block->tag, owner);
		raw_spin_unlock_irqrestore(&pool->lock, flags);
		page = max(page, block->page + block->nr_pages - 1) + 1;
		cond_resched();
	}
	return held;
}

static u64 age_of(const struct respool_origin *origin)
{
	u64 now = local_clock();

	return now > origin->ns ? div_u64(now - origin->ns, NSEC_PER_SEC) : 0;
}

static void log_held(struct respool_pool *pool, const struct respool_block *block,
		     const char *owner)
{
	const char *name = pool->spec.name;
	struct respool_origin origin;
	u32 i;

	if (!respool_origin_read(pool, block->page, &origin)) {
		pr_err("pool %s: %s holds %lu pages at page %lu\n", name, owner, block->nr_pages,
		       block->page);
		return;
	}
	pr_err("pool %s: %s holds %lu pages at page %lu, allocated %llu s ago by task %d\n", name,
	       owner, block->nr_pages, block->page, age_of(&origin), origin.pid);
	for (i = 0; i < origin.nr; i++)
		pr_err("pool %s:   %pS\n", name, (void *)origin.pc[i]);
}

/* Log the first blocks that the account with owner tag @tag holds. May sleep. */
void respool_name_held(struct respool_pool *pool, unsigned int tag)
{
	char owner[RESPOOL_OWNER_LEN];
	struct respool_block block;
	unsigned int left = NAMED_BLOCKS;
	unsigned long page = 0;

	for (; left && respool_next_held(pool, page, &block, owner);
	     page = block.page + block.nr_pages) {
		if (block.tag != tag)
			continue;
		log_held(pool, &block, owner);
		left--;
	}
}

/* A row of "held". */
void respool_held_show(struct seq_file *m, struct respool_pool *pool,
		       const struct respool_block *block, const char *owner)
{
	struct respool_origin origin;
	u32 i;

	seq_printf(m, "%lu %lu %s", block->page, block->nr_pages, owner);
	if (!respool_origin_read(pool, block->page, &origin)) {
		seq_puts(m, " - - -\n");
		return;
	}
	seq_printf(m, " %llu %d ", age_of(&origin), origin.pid);
	for (i = 0; i < origin.nr; i++)
		seq_printf(m, "%s%ps", i ? "<" : "", (void *)origin.pc[i]);
	seq_putc(m, '\n');
}
