/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Who called, for what remembers it: origins of pages, and the debugging of slabs.
 */
#ifndef RESPOOL_STACK_H
#define RESPOOL_STACK_H

#include <linux/minmax.h>
#include <linux/stacktrace.h>
#include <linux/string.h>
#include <linux/types.h>

#include "compat.h"

#define RESPOOL_STACK_DEPTH	8	/* frames that are kept */

/* Frames that are looked at to find the caller of respool among them. */
#define RESPOOL_SAVED_FRAMES	16

/* The stack from @caller on, which is the code that called respool; returns its frames. */
static inline u32 respool_save_stack(unsigned long pc[RESPOOL_STACK_DEPTH], unsigned long caller)
{
	unsigned long saved[RESPOOL_SAVED_FRAMES];
	unsigned int nr = stack_trace_save(saved, RESPOOL_SAVED_FRAMES, 0), first = 0;

	while (first < nr && saved[first] != caller)
		first++;
	if (first == nr) {
		pc[0] = caller;
		return 1;
	}
	nr = min_t(unsigned int, nr - first, RESPOOL_STACK_DEPTH);
	memcpy(pc, saved + first, nr * sizeof(*pc));
	return nr;
}

#endif /* RESPOOL_STACK_H */
