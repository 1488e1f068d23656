// SPDX-License-Identifier: GPL-2.0
#include <linux/debugfs.h>
#include <linux/fault-inject.h>
#include <linux/mm.h>

#include "buddy/fault.h"

static DECLARE_FAULT_ATTR(fail_respool);
static struct dentry *dir;

/* Whether the request for @nr_pages that comes now shall get nothing. Any context. */
bool respool_is_to_fail(unsigned long nr_pages)
{
	return should_fail(&fail_respool, nr_pages << PAGE_SHIFT);
}

void respool_fault_init(void)
{
	dir = fault_create_debugfs_attr("fail_respool", NULL, &fail_respool);
}

void respool_fault_exit(void)
{
	debugfs_remove(dir);
}
