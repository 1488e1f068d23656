/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Refusals: a caller's mistake is counted every time and logged once per kind,
 * by the page layer for each pool and by the byte layer for each slab.
 */
#ifndef RESPOOL_STATS_H
#define RESPOOL_STATS_H

#include <linux/atomic.h>
#include <linux/compiler_attributes.h>
#include <linux/respool.h>

struct respool_refusals {
	atomic64_t count[RESPOOL_NR_REFUSALS];
	unsigned long reported;		/* bit k: kind k has been logged */
};

extern const char *const respool_refusal_names[RESPOOL_NR_REFUSALS];

enum respool_refusal respool_refusal_of(int error);
void respool_refuse(struct respool_refusals *refusals, enum respool_refusal kind,
		    const char *layer, const char *name, const char *fmt, ...) __printf(5, 6);
void respool_refusals_read(const struct respool_refusals *refusals,
			   u64 count[RESPOOL_NR_REFUSALS]);

bool respool_name_valid(const char *name);

#endif /* RESPOOL_STATS_H */
