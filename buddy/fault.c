// SPDX-License-Identifier: GPL-2.0
#include <linux/debugfs.h>
#include <linux/fault-inject.h>
#include <linux/lockdep.h>
#include <linux/mm.h>

#include "buddy/fault.h"

static DECLARE_FAULT_ATTR(fail_respool);
static struct dentry *dir;

/*
 * Whether the request for @nr_pages that comes now shall get nothing. Any context. The
 * kernel rolls its dice under a lock that sleeps on RT kernels, while a slab that grows
 * holds a raw one: there, requests that cannot sleep are spared.
 */
bool respool_is_to_fail(unsigned long nr_pages)
{
	/* Elsewhere the two kinds of locks are the same, which lockdep has to be told. */
	static DEFINE_WAIT_OVERRIDE_MAP(dice, LD_WAIT_SLEEP);
	bool fail;

	if (IS_ENABLED(CONFIG_PREEMPT_RT) && !preemptible())
		return false;
	lock_map_acquire_try(&dice);
	fail = should_fail(&fail_respool, nr_pages << PAGE_SHIFT);
	lock_map_release(&dice);
	return fail;
}

void respool_fault_init(void)
{
	dir = fault_create_debugfs_attr("fail_respool", NULL, &fail_respool);
}

void respool_fault_exit(void)
{
	debugfs_remove(dir);
}
