/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Where blocks of pages come from: when, by which task and from which code each
 * was allocated, if the module was loaded with origins=1.
 */
#ifndef RESPOOL_ORIGIN_H
#define RESPOOL_ORIGIN_H

#include <linux/types.h>

#include "buddy/stack.h"

/**
 * struct respool_origin - The allocation of the block that starts at a page.
 * @ns: when, by the clock of the kernel's log; 0 for none, or while it is written
 * @pid: of the task, 0 in an interrupt
 * @nr: frames in @pc
 * @pc: the stack, from the code that called respool
 */
struct respool_origin {
	u64 ns;
	pid_t pid;
	u32 nr;
	unsigned long pc[RESPOOL_STACK_DEPTH];
};

struct respool_pool;
struct respool_block;
struct seq_file;

extern bool respool_origins_wanted;

int respool_origins_init(struct respool_pool *pool);
void respool_origin_note(struct respool_pool *pool, unsigned long page, unsigned long caller);
bool respool_origin_read(struct respool_pool *pool, unsigned long page,
			 struct respool_origin *origin);
bool respool_next_held(struct respool_pool *pool, unsigned long page,
		       struct respool_block *block, char *owner);
void respool_name_held(struct respool_pool *pool, unsigned int tag);
void respool_held_show(struct seq_file *m, struct respool_pool *pool,
		       const struct respool_block *block, const char *owner);

#endif /* RESPOOL_ORIGIN_H */
