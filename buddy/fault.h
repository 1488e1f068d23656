/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Requests for pages that fail because they are told to, in kernels with fault
 * injection: /sys/kernel/debug/fail_respool, as Documentation/fault-injection has
 * it, and fail-nth of a task.
 */
#ifndef RESPOOL_FAULT_H
#define RESPOOL_FAULT_H

#include <linux/types.h>

#ifdef CONFIG_FAULT_INJECTION_DEBUG_FS

bool respool_is_to_fail(unsigned long nr_pages);
void respool_fault_init(void);
void respool_fault_exit(void);

#else

static inline bool respool_is_to_fail(unsigned long nr_pages)
{
	return false;
}

static inline void respool_fault_init(void)
{
}

static inline void respool_fault_exit(void)
{
}

#endif

#endif /* RESPOOL_FAULT_H */
