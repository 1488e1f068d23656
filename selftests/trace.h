/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Recorded workloads: malloc-lab traces of bytes and traces of pages, plain or
 * gzipped. Four numbers (only the second, ids, and the third, operations, have
 * a meaning here), then a line for each operation:
 *
 *   a ID BYTES     allocate (in a trace of pages: a ID ORDER)
 *   r ID BYTES     reallocate (not in a trace of pages)
 *   f ID           free
 */
#ifndef RESPOOL_TRACE_H
#define RESPOOL_TRACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct trace_op {
	uint64_t size;		/* bytes or order; 0 for 'f' */
	uint32_t id;
	char what;		/* 'a', 'r' or 'f' */
};

struct trace {
	bool pages;
	uint32_t nr_ids;
	uint32_t nr_ops;
	struct trace_op *ops;
	uint64_t peak;		/* most bytes, or pages, live at once */
	uint32_t peak_op;	/* the operation that first reaches it */
};

/* Payload of an operation: bytes, or pages. */
static inline uint64_t trace_payload(const struct trace *trace, uint64_t size)
{
	return trace->pages ? 1ULL << size : size;
}

bool trace_read(struct trace *trace, const char *path, bool pages);
void trace_free(struct trace *trace);

#endif /* RESPOOL_TRACE_H */
