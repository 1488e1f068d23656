/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Differences between the supported kernels, and nothing else: no other file
 * looks at LINUX_VERSION_CODE.
 */
#ifndef RESPOOL_COMPAT_H
#define RESPOOL_COMPAT_H

#include <linux/err.h>
#include <linux/memremap.h>
#include <linux/mm.h>
#include <linux/version.h>

/* User-mode Linux has no struct pages but those of its own memory. */
#ifndef CONFIG_ZONE_DEVICE
static inline void *memremap_pages(struct dev_pagemap *pgmap, int nid)
{
	return ERR_PTR(-EOPNOTSUPP);
}

static inline void memunmap_pages(struct dev_pagemap *pgmap)
{
}
#endif

/* Where the kernel walks no stacks, there are none. */
#ifndef CONFIG_STACKTRACE
static inline unsigned int stack_trace_save(unsigned long *store, unsigned int size,
					    unsigned int skipnr)
{
	return 0;
}
#endif

/* Flags of a mapping that is being made. */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 3, 0)
static inline void vm_flags_set(struct vm_area_struct *vma, vm_flags_t flags)
{
	vma->vm_flags |= flags;
}
#endif

/*
 * A huge_fault method for mappings that are not DAX: before 6.6 nobody calls it
 * for them and it has other arguments.
 */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 6, 0)
#define SET_HUGE_FAULT(function)	.huge_fault = function,
#else
#define SET_HUGE_FAULT(function)
#endif

#endif /* RESPOOL_COMPAT_H */
