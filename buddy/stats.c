// SPDX-License-Identifier: GPL-2.0
/*
 * What both layers share in telling of mistakes: kinds, names, errnos, the one
 * log line, and the rule for names.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/bitops.h>
#include <linux/ctype.h>
#include <linux/kernel.h>
#include <linux/sched.h>
#include <linux/string.h>

#include "buddy/stats.h"

const char *const respool_refusal_names[RESPOOL_NR_REFUSALS] = {
	[RESPOOL_DOUBLE_FREE]	= "double_free",
	[RESPOOL_INTERIOR]	= "interior",
	[RESPOOL_WRONG_ORDER]	= "wrong_order",
	[RESPOOL_FOREIGN]	= "foreign",
	[RESPOOL_WRONG_SLAB]	= "wrong_slab",
	[RESPOOL_ZERO_SIZE]	= "zero_size",
	[RESPOOL_TOO_LARGE]	= "too_large",
	[RESPOOL_BAD_ALIGN]	= "bad_align",
	[RESPOOL_OVERFLOW]	= "overflow",
	[RESPOOL_CORRUPT]	= "corrupt",
};

/* Which mistake the errno of a refused free names; see linux/respool.h. */
enum respool_refusal respool_refusal_of(int error)
{
	switch (error) {
	case -EALREADY:
		return RESPOOL_DOUBLE_FREE;
	case -EINVAL:
		return RESPOOL_INTERIOR;
	case -ERANGE:
		return RESPOOL_WRONG_ORDER;
	case -EXDEV:
		return RESPOOL_WRONG_SLAB;
	case -EFAULT:
		return RESPOOL_FOREIGN;
	default:
		return RESPOOL_CORRUPT;
	}
}

/*
 * Count a refused call and log the first of its kind. Any context but NMI;
 * no respool lock may be held, since printing can take long.
 */
void respool_refuse(struct respool_refusals *refusals, enum respool_refusal kind,
		    const char *layer, const char *name, const char *fmt, ...)
{
	struct va_format vaf;
	va_list args;

	atomic64_inc(&refusals->count[kind]);
	if (test_and_set_bit(kind, &refusals->reported))
		return;

	va_start(args, fmt);
	vaf.fmt = fmt;
	vaf.va = &args;
	pr_err("%s %s: refused %s: %pV, task %s/%d (further ones are only counted)\n",
	       layer, name, respool_refusal_names[kind], &vaf, current->comm,
	       current->pid);
	va_end(args);
}

void respool_refusals_read(const struct respool_refusals *refusals,
			   u64 count[RESPOOL_NR_REFUSALS])
{
	unsigned int kind;

	for (kind = 0; kind < RESPOOL_NR_REFUSALS; kind++)
		count[kind] = atomic64_read(&refusals->count[kind]);
}

/* Names become debugfs directories and device nodes. */
bool respool_name_valid(const char *name)
{
	size_t len = strnlen(name, RESPOOL_NAME_LEN);
	size_t i;

	if (!len || len == RESPOOL_NAME_LEN)
		return false;
	for (i = 0; i < len; i++)
		if (!isascii(name[i]) || (!isalnum(name[i]) && !strchr("_.-", name[i])))
			return false;
	return strcmp(name, ".") && strcmp(name, "..");
}
