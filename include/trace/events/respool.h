/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Tracepoints: what respool's allocators give, take back, cannot serve and refuse.
 *
 * Pages are counted from the start of the pool, and so are the offsets of blocks
 * and objects, in bytes. An owner is an account, as in the file "owners" of
 * debugfs: that of a driver, "slab:NAME" or "cache:NAME".
 *
 * An allocation is traced after it, a free before it, once it is clear that it
 * will be accepted: so no page or block is seen allocated twice. That, and
 * whatever else there is, is traced without the pool's lock. Two things are traced
 * with another held, which is where their order is known, and where to carry them
 * out of it would cost those who trace nothing:
 * - the runs of a slab, with its lock: no block is seen in a run before it was
 *   taken or after it was returned, nor are its pages seen in two runs. The pages
 *   come and go under that lock, too, and are traced as they do.
 * - what goes into a magazine and out, a batch at a time of perhaps many, while
 *   that is held. Nobody waits for it: who finds it taken asks the core instead,
 *   and who calls magazines in passes it over if need be.
 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM respool

#if !defined(RESPOOL_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define RESPOOL_TRACE_H

#include <linux/respool.h>
#include <linux/tracepoint.h>

#include "compat.h"

/* The page layer */

DECLARE_EVENT_CLASS(respool_pages,

	TP_PROTO(const char *pool, const char *owner, unsigned long page,
		 unsigned long nr_pages, unsigned long caller),

	TP_ARGS(pool, owner, page, nr_pages, caller),

	TP_STRUCT__entry(
		__string(pool, pool)
		__string(owner, owner)
		__field(unsigned long, page)
		__field(unsigned long, nr_pages)
		__field(unsigned long, caller)
	),

	TP_fast_assign(
		respool_assign_str(pool, pool);
		respool_assign_str(owner, owner);
		__entry->page = page;
		__entry->nr_pages = nr_pages;
		__entry->caller = caller;
	),

	TP_printk("pool=%s owner=%s page=%lu nr_pages=%lu caller=%pS",
		  __get_str(pool), __get_str(owner), __entry->page, __entry->nr_pages,
		  (void *)__entry->caller)
);

/* A block was allocated. */
DEFINE_EVENT(respool_pages, respool_page_alloc,
	TP_PROTO(const char *pool, const char *owner, unsigned long page,
		 unsigned long nr_pages, unsigned long caller),
	TP_ARGS(pool, owner, page, nr_pages, caller));

/* A block is about to be freed. */
DEFINE_EVENT(respool_pages, respool_page_free,
	TP_PROTO(const char *pool, const char *owner, unsigned long page,
		 unsigned long nr_pages, unsigned long caller),
	TP_ARGS(pool, owner, page, nr_pages, caller));

/* A block of @was pages has @nr_pages now. */
TRACE_EVENT(respool_page_resize,

	TP_PROTO(const char *pool, unsigned long page, unsigned long was,
		 unsigned long nr_pages, unsigned long caller),

	TP_ARGS(pool, page, was, nr_pages, caller),

	TP_STRUCT__entry(
		__string(pool, pool)
		__field(unsigned long, page)
		__field(unsigned long, was)
		__field(unsigned long, nr_pages)
		__field(unsigned long, caller)
	),

	TP_fast_assign(
		respool_assign_str(pool, pool);
		__entry->page = page;
		__entry->was = was;
		__entry->nr_pages = nr_pages;
		__entry->caller = caller;
	),

	TP_printk("pool=%s page=%lu was=%lu nr_pages=%lu caller=%pS",
		  __get_str(pool), __entry->page, __entry->was, __entry->nr_pages,
		  (void *)__entry->caller)
);

/*
 * An allocation was not served: of @nr_pages at a multiple of @align pages in
 * physical addresses, 1 if no more than their own size was asked for, in the range
 * of pages from @first to @last. Refused ones are among them, some with no range.
 */
TRACE_EVENT(respool_page_fail,

	TP_PROTO(const char *pool, const char *owner, unsigned long nr_pages,
		 unsigned long align, unsigned long first, unsigned long last,
		 unsigned long free_pages, bool atomic, unsigned long caller),

	TP_ARGS(pool, owner, nr_pages, align, first, last, free_pages, atomic, caller),

	TP_STRUCT__entry(
		__string(pool, pool)
		__string(owner, owner)
		__field(unsigned long, nr_pages)
		__field(unsigned long, align)
		__field(unsigned long, first)
		__field(unsigned long, last)
		__field(unsigned long, free_pages)
		__field(bool, atomic)
		__field(unsigned long, caller)
	),

	TP_fast_assign(
		respool_assign_str(pool, pool);
		respool_assign_str(owner, owner);
		__entry->nr_pages = nr_pages;
		__entry->align = align;
		__entry->first = first;
		__entry->last = last;
		__entry->free_pages = free_pages;
		__entry->atomic = atomic;
		__entry->caller = caller;
	),

	TP_printk("pool=%s owner=%s nr_pages=%lu align=%lu first=%lu last=%lu free_pages=%lu atomic=%d caller=%pS",
		  __get_str(pool), __get_str(owner), __entry->nr_pages, __entry->align,
		  __entry->first, __entry->last, __entry->free_pages, __entry->atomic,
		  (void *)__entry->caller)
);

DECLARE_EVENT_CLASS(respool_shape,

	TP_PROTO(const char *pool, unsigned long page, unsigned int order, unsigned int whole),

	TP_ARGS(pool, page, order, whole),

	TP_STRUCT__entry(
		__string(pool, pool)
		__field(unsigned long, page)
		__field(unsigned int, order)
		__field(unsigned int, whole)
	),

	TP_fast_assign(
		respool_assign_str(pool, pool);
		__entry->page = page;
		__entry->order = order;
		__entry->whole = whole;
	),

	TP_printk("pool=%s page=%lu order=%u whole=%u",
		  __get_str(pool), __entry->page, __entry->order, __entry->whole)
);

/*
 * Under one hold of the lock, for the block at @page or a batch that begins with
 * it, of @order: a free block of order @whole was cut, the largest if there were
 * several,
 */
DEFINE_EVENT(respool_shape, respool_page_split,
	TP_PROTO(const char *pool, unsigned long page, unsigned int order, unsigned int whole),
	TP_ARGS(pool, page, order, whole));

/* or one of order @whole came to be. */
DEFINE_EVENT(respool_shape, respool_page_merge,
	TP_PROTO(const char *pool, unsigned long page, unsigned int order, unsigned int whole),
	TP_ARGS(pool, page, order, whole));

/* Magazines of pages */

DECLARE_EVENT_CLASS(respool_magazine,

	TP_PROTO(const char *pool, unsigned int cpu, unsigned int order, unsigned int blocks),

	TP_ARGS(pool, cpu, order, blocks),

	TP_STRUCT__entry(
		__string(pool, pool)
		__field(unsigned int, cpu)
		__field(unsigned int, order)
		__field(unsigned int, blocks)
	),

	TP_fast_assign(
		respool_assign_str(pool, pool);
		__entry->cpu = cpu;
		__entry->order = order;
		__entry->blocks = blocks;
	),

	TP_printk("pool=%s cpu=%u order=%u blocks=%u",
		  __get_str(pool), __entry->cpu, __entry->order, __entry->blocks)
);

/* Blocks went into the empty magazine of @cpu; none means there was nothing to give. */
DEFINE_EVENT(respool_magazine, respool_refill,
	TP_PROTO(const char *pool, unsigned int cpu, unsigned int order, unsigned int blocks),
	TP_ARGS(pool, cpu, order, blocks));

/* Blocks went from what @cpu keeps back into the pool. */
DEFINE_EVENT(respool_magazine, respool_drain,
	TP_PROTO(const char *pool, unsigned int cpu, unsigned int order, unsigned int blocks),
	TP_ARGS(pool, cpu, order, blocks));

/* Slabs and caches, each known by its account */

DECLARE_EVENT_CLASS(respool_bytes,

	TP_PROTO(const struct respool *account, const void *addr, size_t bytes,
		 unsigned long caller),

	TP_ARGS(account, addr, bytes, caller),

	TP_STRUCT__entry(
		__string(pool, respool_name(account))
		__string(owner, respool_owner(account))
		__field(unsigned long, offset)
		__field(size_t, bytes)
		__field(unsigned long, caller)
	),

	TP_fast_assign(
		respool_assign_str(pool, respool_name(account));
		respool_assign_str(owner, respool_owner(account));
		__entry->offset = addr - respool_start(account);
		__entry->bytes = bytes;
		__entry->caller = caller;
	),

	TP_printk("pool=%s owner=%s offset=%lu bytes=%zu caller=%pS",
		  __get_str(pool), __get_str(owner), __entry->offset, __entry->bytes,
		  (void *)__entry->caller)
);

/* A block was allocated, for a request of @bytes. */
DEFINE_EVENT(respool_bytes, respool_slab_alloc,
	TP_PROTO(const struct respool *account, const void *addr, size_t bytes,
		 unsigned long caller),
	TP_ARGS(account, addr, bytes, caller));

/* A block of so many usable bytes is about to be freed. */
DEFINE_EVENT(respool_bytes, respool_slab_free,
	TP_PROTO(const struct respool *account, const void *addr, size_t bytes,
		 unsigned long caller),
	TP_ARGS(account, addr, bytes, caller));

/* An object was allocated. */
DEFINE_EVENT(respool_bytes, respool_cache_alloc,
	TP_PROTO(const struct respool *account, const void *addr, size_t bytes,
		 unsigned long caller),
	TP_ARGS(account, addr, bytes, caller));

/* An object is about to be freed. */
DEFINE_EVENT(respool_bytes, respool_cache_free,
	TP_PROTO(const struct respool *account, const void *addr, size_t bytes,
		 unsigned long caller),
	TP_ARGS(account, addr, bytes, caller));

/*
 * A block has a new size, at the same offset or another; one that moves is traced
 * here alone. Traced after it.
 */
TRACE_EVENT(respool_slab_realloc,

	TP_PROTO(const struct respool *account, const void *old, const void *addr, size_t bytes,
		 unsigned long caller),

	TP_ARGS(account, old, addr, bytes, caller),

	TP_STRUCT__entry(
		__string(pool, respool_name(account))
		__string(owner, respool_owner(account))
		__field(unsigned long, old_offset)
		__field(unsigned long, offset)
		__field(size_t, bytes)
		__field(unsigned long, caller)
	),

	TP_fast_assign(
		respool_assign_str(pool, respool_name(account));
		respool_assign_str(owner, respool_owner(account));
		__entry->old_offset = old - respool_start(account);
		__entry->offset = addr - respool_start(account);
		__entry->bytes = bytes;
		__entry->caller = caller;
	),

	TP_printk("pool=%s owner=%s old_offset=%lu offset=%lu bytes=%zu caller=%pS",
		  __get_str(pool), __get_str(owner), __entry->old_offset, __entry->offset,
		  __entry->bytes, (void *)__entry->caller)
);

DECLARE_EVENT_CLASS(respool_no_bytes,

	TP_PROTO(const struct respool *account, size_t bytes, size_t align, unsigned long caller),

	TP_ARGS(account, bytes, align, caller),

	TP_STRUCT__entry(
		__string(pool, respool_name(account))
		__string(owner, respool_owner(account))
		__field(size_t, bytes)
		__field(size_t, align)
		__field(unsigned long, caller)
	),

	TP_fast_assign(
		respool_assign_str(pool, respool_name(account));
		respool_assign_str(owner, respool_owner(account));
		__entry->bytes = bytes;
		__entry->align = align;
		__entry->caller = caller;
	),

	TP_printk("pool=%s owner=%s bytes=%zu align=%zu caller=%pS",
		  __get_str(pool), __get_str(owner), __entry->bytes, __entry->align,
		  (void *)__entry->caller)
);

/* A request for bytes was not served; refused ones are among them. */
DEFINE_EVENT(respool_no_bytes, respool_slab_fail,
	TP_PROTO(const struct respool *account, size_t bytes, size_t align, unsigned long caller),
	TP_ARGS(account, bytes, align, caller));

/* One for an object was not, or for several not in full; the alignment is the cache's, @align 0. */
DEFINE_EVENT(respool_no_bytes, respool_cache_fail,
	TP_PROTO(const struct respool *account, size_t bytes, size_t align, unsigned long caller),
	TP_ARGS(account, bytes, align, caller));

DECLARE_EVENT_CLASS(respool_run,

	TP_PROTO(const struct respool *account, const void *run, unsigned long nr_pages),

	TP_ARGS(account, run, nr_pages),

	TP_STRUCT__entry(
		__string(pool, respool_name(account))
		__string(owner, respool_owner(account))
		__field(unsigned long, page)
		__field(unsigned long, nr_pages)
	),

	TP_fast_assign(
		respool_assign_str(pool, respool_name(account));
		respool_assign_str(owner, respool_owner(account));
		__entry->page = (run - respool_start(account)) >> PAGE_SHIFT;
		__entry->nr_pages = nr_pages;
	),

	TP_printk("pool=%s owner=%s page=%lu nr_pages=%lu",
		  __get_str(pool), __get_str(owner), __entry->page, __entry->nr_pages)
);

/* A slab or cache has a new run, */
DEFINE_EVENT(respool_run, respool_run_taken,
	TP_PROTO(const struct respool *account, const void *run, unsigned long nr_pages),
	TP_ARGS(account, run, nr_pages));

/* or gives one back, before it does. */
DEFINE_EVENT(respool_run, respool_run_returned,
	TP_PROTO(const struct respool *account, const void *run, unsigned long nr_pages),
	TP_ARGS(account, run, nr_pages));

/* Mistakes and damage */

/* A call was refused, of any layer: each time, not only the first. */
TRACE_EVENT(respool_refusal,

	TP_PROTO(const char *layer, const char *name, const char *kind, struct va_format *what),

	TP_ARGS(layer, name, kind, what),

	TP_STRUCT__entry(
		__string(layer, layer)
		__string(name, name)
		__string(kind, kind)
		__vstring(what, what->fmt, what->va)
	),

	TP_fast_assign(
		respool_assign_str(layer, layer);
		respool_assign_str(name, name);
		respool_assign_str(kind, kind);
		__assign_vstr(what, what->fmt, what->va);
	),

	TP_printk("layer=%s name=%s kind=%s %s", __get_str(layer), __get_str(name),
		  __get_str(kind), __get_str(what))
);

/*
 * Data that is not what it must be, met at @offset, -1 if that is of the pool as a
 * whole; @runs of a slab or a cache went out of service for it.
 */
TRACE_EVENT(respool_corruption,

	TP_PROTO(const char *layer, const char *name, long offset, u64 runs, const char *what),

	TP_ARGS(layer, name, offset, runs, what),

	TP_STRUCT__entry(
		__string(layer, layer)
		__string(name, name)
		__field(long, offset)
		__field(u64, runs)
		__string(what, what)
	),

	TP_fast_assign(
		respool_assign_str(layer, layer);
		respool_assign_str(name, name);
		__entry->offset = offset;
		__entry->runs = runs;
		respool_assign_str(what, what);
	),

	TP_printk("layer=%s name=%s offset=%ld runs=%llu %s", __get_str(layer),
		  __get_str(name), __entry->offset, __entry->runs, __get_str(what))
);

#endif /* RESPOOL_TRACE_H */

#include <trace/define_trace.h>
