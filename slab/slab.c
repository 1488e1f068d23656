// SPDX-License-Identifier: GPL-2.0
/*
 * The byte layer's shell: a lock, counting and reporting around the free list
 * core. run.c takes its memory from the page layer, hot.c keeps objects instead of
 * blocks where there are very many of one size, magazine.c keeps either for each
 * CPU and knows which of the two is at an address.
 *
 * A slab is a client of the public page API, with an account of its own named
 * "slab:NAME".
 *
 * Lock order: slabs_lock, the racks of magazines, slab->lock, the page layer's.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/debugfs.h>
#include <linux/err.h>
#include <linux/export.h>
#include <linux/instruction_pointer.h>
#include <linux/list.h>
#include <linux/log2.h>
#include <linux/mm.h>
#include <linux/random.h>
#include <linux/slab.h>
#include <linux/spinlock.h>

#include <trace/events/respool.h>

#include "buddy/debugfs.h"
#include "buddy/stats.h"
#include "slab/debug.h"
#include "slab/magazine.h"
#include "slab/report.h"
#include "slab/run.h"
#include "slab/slab.h"

/*
 * I: set before the slab can be found, then constant.  L: lock.
 * S: slabs_lock.
 */
struct respool_slab {
	struct respool_racks racks;		/* its own locks, and L */
	uintptr_t low;				/* I: the lowest address a block may have */
	uintptr_t cells;			/* I: cells from there to the pool's end */
	size_t most;				/* I: bytes that a run has room for, at least */

	raw_spinlock_t lock ____cacheline_aligned_in_smp;
	struct respool_freelist freelist;	/* L; its secret also without */
	struct respool_runs runs;		/* L, but for its pool */
	u64 reallocs;				/* L */
	u64 reallocs_in_place;			/* L */
	atomic64_t failures;
	struct respool_refusals refusals;	/* atomic */
	struct respool_debug *debug;		/* I: NULL if there is none; what is in it: L */
	struct respool_report report;		/* see report.c */

	struct list_head node;			/* S */
	char name[RESPOOL_NAME_LEN];		/* I */
	struct respool *pool;			/* I: the slab's own account */
	struct dentry *debugfs;			/* I */
	struct respool_slab_options options;	/* I */
};

/* What damage cost: where it was met, NULL if it was not, and the runs it was in. */
struct loss {
	const void *where;
	u64 runs;
	u64 bytes;
};

static const struct {
	const char *name;
	enum respool_search search;
} fits[] = {
	[RESPOOL_GOOD_FIT]	= { "good", RESPOOL_SEARCH_GOOD },
	[RESPOOL_FIRST_FIT]	= { "first", RESPOOL_SEARCH_FIRST },
	[RESPOOL_NEXT_FIT]	= { "next", RESPOOL_SEARCH_NEXT },
	[RESPOOL_BEST_FIT]	= { "best", RESPOOL_SEARCH_BEST },
};

#define KNOWN_FLAGS	(RESPOOL_SLAB_NO_MAGAZINES | RESPOOL_SLAB_NO_OBJECTS | RESPOOL_DEBUG_FLAGS)

static LIST_HEAD(slabs);
static DEFINE_RAW_SPINLOCK(slabs_lock);

/* Reports */

/* Bytes from the pool's start to @addr, -1 for an address outside the pool. */
long respool_slab_offset(const struct respool_slab *slab, const void *addr)
{
	if (!respool_contains(slab->pool, addr))
		return -1;
	return addr - respool_start(slab->pool);
}

/* For a call that ended with @error; refused for the damage, it is counted as that. */
static void report_loss(struct respool_slab *slab, const struct loss *loss, int error,
			const char *call, unsigned long caller)
{
	long offset;

	if (likely(!loss->where && !slab->debug))
		return;
	if (loss->where) {
		offset = respool_slab_offset(slab, loss->where);
		pr_err("slab %s: damaged at offset %ld, %llu bytes in %llu runs out of service\n",
		       slab->name, offset, loss->bytes, loss->runs);
		trace_respool_corruption("slab", slab->name, offset, loss->runs, call);
	}
	if (loss->where && error != -EUCLEAN)
		respool_refuse(&slab->refusals, RESPOOL_CORRUPT, "slab", slab->name,
			       "%s met damage at offset %ld from %pS", call, offset,
			       (void *)caller);
	respool_report_print(&slab->report, slab->name, slab->pool);
}

/* Names the slab of @slab's pool, if any, that handed @addr out. */
static bool find_other_slab(const struct respool_slab *slab, const void *addr,
			    char name[RESPOOL_NAME_LEN])
{
	struct respool_slab *other;
	unsigned long flags;
	bool found = false;

	raw_spin_lock_irqsave(&slabs_lock, flags);
	list_for_each_entry(other, &slabs, node) {
		if (other == slab || !respool_racks_know(&other->racks, addr))
			continue;
		strscpy(name, other->name, RESPOOL_NAME_LEN);
		found = true;
		break;
	}
	raw_spin_unlock_irqrestore(&slabs_lock, flags);
	return found;
}

/* The header in front of @addr can be read. */
static bool may_be_block(const struct respool_slab *slab, const void *addr)
{
	uintptr_t first = slab->low - RESPOOL_BLOCK_ALIGN + RESPOOL_BLOCK_HEADER;

	return (uintptr_t)addr - first < slab->cells * RESPOOL_BLOCK_ALIGN + RESPOOL_BLOCK_HEADER;
}

/*
 * A freed block's header stays behind in a run that is given back, so it may
 * stand in front of a block of the page layer. Those are page-aligned.
 */
static bool may_be_page_block(struct respool_slab *slab, const void *addr)
{
	unsigned long flags;
	bool held;

	if (!PAGE_ALIGNED(addr))
		return false;
	raw_spin_lock_irqsave(&slab->lock, flags);
	held = respool_hot_class_at(&slab->racks.hot, addr) ||
	       respool_freelist_holds(&slab->freelist, addr);
	raw_spin_unlock_irqrestore(&slab->lock, flags);
	return !held;
}

/* Counts and reports a call on @addr that failed with @error; returns what it was. */
static int refuse_address(struct respool_slab *slab, const void *addr, int error,
			  const char *call, unsigned long caller)
{
	long offset = respool_slab_offset(slab, addr);
	char other[RESPOOL_NAME_LEN];

	atomic64_inc(&slab->failures);
	if (error == -EALREADY && may_be_page_block(slab, addr))
		error = -EFAULT;
	if (error == -EFAULT && may_be_block(slab, addr) && find_other_slab(slab, addr, other)) {
		respool_refuse(&slab->refusals, RESPOOL_WRONG_SLAB, "slab", slab->name,
			       "%s of a block of slab %s, at offset %ld, from %pS", call, other,
			       offset, (void *)caller);
		return -EXDEV;
	}
	respool_refuse(&slab->refusals, respool_refusal_of(error), "slab", slab->name,
		       "%s at offset %ld from %pS", call, offset, (void *)caller);
	return error;
}

/* What a block takes beyond what its caller asked for and the core's own. */
static size_t debug_room(const struct respool_slab *slab)
{
	return slab->debug ? slab->debug->room : 0;
}

/* A request for bytes is not served. */
static void fail_request(struct respool_slab *slab, size_t size, size_t align,
			 unsigned long caller)
{
	atomic64_inc(&slab->failures);
	trace_respool_slab_fail(slab->pool, size, align, caller);
}

static noinline bool check_request(struct respool_slab *slab, size_t size, size_t align,
				   unsigned long caller)
{
	enum respool_refusal kind;
	size_t sum;

	if (!size)
		kind = RESPOOL_ZERO_SIZE;
	else if (!is_power_of_2(align))
		kind = RESPOOL_BAD_ALIGN;
	else if (check_add_overflow(size, align, &sum) ||
		 check_add_overflow(sum, RESPOOL_RUN_OVERHEAD + PAGE_SIZE, &sum))
		kind = RESPOOL_OVERFLOW;
	else if (!respool_runs_pages(&slab->runs, size + debug_room(slab), align))
		kind = RESPOOL_TOO_LARGE;
	else
		return false;

	fail_request(slab, size, align, caller);
	respool_refuse(&slab->refusals, kind, "slab", slab->name,
		       "request of %zu bytes aligned to %zu from %pS", size, align,
		       (void *)caller);
	return true;
}

static __always_inline bool refuse_request(struct respool_slab *slab, size_t size, size_t align,
					   unsigned long caller)
{
	if (likely(size - 1 < slab->most && align == RESPOOL_BLOCK_ALIGN))
		return false;
	return check_request(slab, size, align, caller);
}

/* Damage */

static void salvage_blocks_locked(struct respool_slab *slab, struct loss *loss)
{
	struct respool_freelist *f = &slab->freelist;
	u64 runs = f->retired_runs, bytes = f->retired_bytes;

	loss->where = f->damage;
	if (respool_report_begin(&slab->report, RESPOOL_CORRUPT, f->damage))
		respool_report_end(&slab->report, f, slab->debug);
	respool_freelist_salvage(f);
	if (slab->debug)
		respool_debug_forget_retired(slab->debug);
	loss->runs += f->retired_runs - runs;
	loss->bytes += f->retired_bytes - bytes;
}

static void salvage_objects_locked(struct respool_slab *slab, struct loss *loss)
{
	u64 bytes;

	loss->where = slab->racks.hot.damage;
	loss->runs += respool_hot_salvage(&slab->racks.hot, &bytes);
	loss->bytes += bytes;
	respool_racks_recount(&slab->racks);
}

/* All racks are held. */
static void salvage_locked(struct respool_slab *slab, struct loss *loss)
{
	lockdep_assert_held(&slab->lock);
	if (slab->racks.hot.damage)
		salvage_objects_locked(slab, loss);
	if (slab->freelist.damage)
		salvage_blocks_locked(slab, loss);
	if (loss->where)
		respool_racks_purge(&slab->racks);
}

/*
 * Damage was met. If nobody did yet, take the runs it is in out of service. Where
 * a rack cannot be waited for, that is left to a later call.
 */
static noinline void give_up_runs(struct respool_slab *slab, struct loss *loss)
{
	unsigned long flags;

	if (!respool_racks_try_hold(&slab->racks))
		return;
	loss->runs = 0;
	loss->bytes = 0;
	raw_spin_lock_irqsave(&slab->lock, flags);
	salvage_locked(slab, loss);
	raw_spin_unlock_irqrestore(&slab->lock, flags);
	respool_racks_release(&slab->racks);
}

/*
 * A call ended with @error. If there is damage, give up the runs it is in; true
 * if the call is to be made again then.
 */
static bool mend(struct respool_slab *slab, int error, struct loss *loss)
{
	loss->where = NULL;
	if (unlikely(respool_racks_damaged(&slab->racks)))
		give_up_runs(slab, loss);
	return unlikely(error == -EUCLEAN);
}

/* Whether there is neither damage to be mended nor anything that debugging has to say. */
static bool all_well(const struct respool_slab *slab)
{
	return !respool_racks_damaged(&slab->racks) && !slab->debug;
}

/* A run out of service whose own header was damaged is not known any more. */
static int after_mend(int error)
{
	return error == -EFAULT ? -EUCLEAN : error;
}

/* Give back what the CPUs keep, for a pool that is short; false if that is nothing. */
static bool drain(struct respool_slab *slab, const char *call, unsigned long caller)
{
	u64 blocks = respool_racks_drain(&slab->racks);
	struct loss loss;

	mend(slab, 0, &loss);
	report_loss(slab, &loss, 0, call, caller);
	return blocks;
}

/* With debugging: past the racks, which have no magazines then */

/* What waits in the quarantine goes to the core: what has to, or all. */
static void release_locked(struct respool_slab *slab, bool all, unsigned long caller)
{
	struct respool_run *empty;
	void *block;
	int error;

	while ((block = respool_debug_oldest(slab->debug, all, caller))) {
		error = respool_freelist_free(&slab->freelist, block, &empty);
		if (error == -EUCLEAN)
			break;	/* to be mended; then it goes, or is out of service */
		respool_debug_let_go(slab->debug);
		if (!error)
			respool_runs_settle(&slab->runs, empty);
	}
}

static void release_all(struct respool_slab *slab, const char *call, unsigned long caller)
{
	unsigned long flags;
	struct loss loss;

	do {
		raw_spin_lock_irqsave(&slab->lock, flags);
		release_locked(slab, true, caller);
		raw_spin_unlock_irqrestore(&slab->lock, flags);
		mend(slab, 0, &loss);
		report_loss(slab, &loss, 0, call, caller);
	} while (loss.where);
}

static int core_alloc_locked(struct respool_slab *slab, size_t size, size_t align, void **block)
{
	int error = respool_freelist_alloc(&slab->freelist, size, align, block);

	return error == -ENOMEM ? respool_runs_grow(&slab->runs, size, align, block) : error;
}

static noinline int debug_alloc(struct respool_slab *slab, size_t size, size_t align,
				void **block, unsigned long caller)
{
	size_t room = size + debug_room(slab);
	unsigned long flags;
	int error;

	raw_spin_lock_irqsave(&slab->lock, flags);
	error = core_alloc_locked(slab, room, align, block);
	if (error == -ENOMEM) {
		release_locked(slab, true, caller);
		error = core_alloc_locked(slab, room, align, block);
	}
	if (!error) {
		respool_debug_hand_out(slab->debug, *block, size, caller);
		slab->racks.allocations++;
	}
	raw_spin_unlock_irqrestore(&slab->lock, flags);
	if (!error)
		respool_debug_fill(slab->debug, *block, size);
	return error;
}

static noinline int debug_free(struct respool_slab *slab, void *block, unsigned long caller)
{
	unsigned long flags;
	int error;

	raw_spin_lock_irqsave(&slab->lock, flags);
	error = respool_debug_take_back(slab->debug, block, caller);
	if (!error) {
		slab->racks.frees++;
		release_locked(slab, false, caller);
	}
	raw_spin_unlock_irqrestore(&slab->lock, flags);
	return error;
}

static int find_size_locked(struct respool_slab *slab, const void *addr, size_t *size)
{
	if (unlikely(slab->debug))
		return respool_debug_usable_size(slab->debug, addr, size);
	return respool_racks_usable_size(&slab->racks, addr, size);
}

/* Allocation */

static __always_inline int try_alloc(struct respool_slab *slab, size_t size, size_t align,
				     void **block, unsigned long caller)
{
	if (unlikely(slab->debug))
		return debug_alloc(slab, size, align, block, caller);
	return respool_racks_alloc(&slab->racks, size, align, block);
}

/* try_alloc() ended with @error, or there is something to report. */
static noinline int alloc_hard(struct respool_slab *slab, size_t size, size_t align, void **block,
			       int error, const char *call, unsigned long caller)
{
	struct loss loss;

	if (mend(slab, error, &loss))
		error = try_alloc(slab, size, align, block, caller);
	report_loss(slab, &loss, error, call, caller);
	if (error == -ENOMEM && drain(slab, call, caller))
		error = try_alloc(slab, size, align, block, caller);
	return error;
}

/* A live block, or an error. */
static __always_inline int alloc_block(struct respool_slab *slab, size_t size, size_t align,
				       void **block, const char *call, unsigned long caller)
{
	int error = try_alloc(slab, size, align, block, caller);

	if (likely(!error && all_well(slab)))
		return 0;
	return alloc_hard(slab, size, align, block, error, call, caller);
}

/* Usable bytes of a live block that is the caller's, who asked for @size. */
static size_t usable_bytes(const struct respool_slab *slab, const void *block, size_t size)
{
	return unlikely(slab->debug) ? size : respool_racks_bytes(&slab->racks, block);
}

/* What an allocation has to do when it is not just to hand out @block. */
static noinline void *alloc_slow(struct respool_slab *slab, size_t size, gfp_t gfp,
				 void *block, size_t align, unsigned long caller)
{
	if (!block) {
		if (refuse_request(slab, size, align, caller))
			return NULL;
		if (alloc_block(slab, size, align, &block, "allocation", caller)) {
			fail_request(slab, size, align, caller);
			return NULL;
		}
	}
	trace_respool_slab_alloc(slab->pool, block, size, caller);
	if (gfp & __GFP_ZERO)
		memset(block, 0, usable_bytes(slab, block, size));
	return block;
}

/*
 * What @magazine has is no block: an object, if there is one. A function of its own,
 * so that blocks do not pay for the registers it takes.
 */
static noinline void *alloc_object(struct respool_slab *slab, size_t size, gfp_t gfp,
				   struct respool_slab_magazine *magazine,
				   struct respool_rack *rack, unsigned long caller)
{
	void *object = respool_rack_pop_object(rack, (struct respool_object_magazine *)magazine);

	respool_rack_release(rack);
	if (likely(object) && likely(!(gfp & __GFP_ZERO)))
		return object;
	return alloc_slow(slab, size, gfp, object, RESPOOL_BLOCK_ALIGN, caller);
}

/**
 * respool_alloc() - Allocate bytes from a slab.
 * @slab: slab to allocate from
 * @size: bytes wanted, at least 1
 * @gfp: __GFP_ZERO clears all of respool_usable_size(), outside any lock;
 *	other flags have no meaning here
 *
 * The block is physically contiguous and aligned to 16 bytes. It takes 8 bytes
 * more than @size, rounded up to 16, above 1024 bytes and up to a page to 1/32
 * of a power of two, and 32 at least; a request of 16 pages or more that nearly
 * fills its pages may get a run of its own, which it then fills. Without
 * __GFP_ZERO its contents are undefined.
 *
 * A size up to 1024 bytes that the slab has very many blocks of is served from
 * runs of objects of just that size, and then takes 16 bytes less.
 *
 * Up to a page, a block or object comes out of this CPU's magazine of that size, if
 * it has one, without a lock.
 *
 * The work is bounded, whatever the slab's size and history: good fit over
 * two-level segregated lists (Masmano et al., "TLSF", 2004), and at most five
 * calls of the page layer to have a run grow or to begin another; before that
 * this CPU's magazines may give back some blocks, and before it fails all CPUs'
 * magazines give back what they have. Only a call that meets damaged data does
 * more: it walks the slab to take the damaged runs out of service. So does any
 * call on a slab with another &enum respool_slab_fit.
 *
 * Context: Any context except NMI. Takes the slab's lock, then the pool's, with
 * interrupts off. Never sleeps.
 * Return: the block, or %NULL.
 */
void *respool_alloc(struct respool_slab *slab, size_t size, gfp_t gfp)
{
	struct respool_slab_magazine *magazine;
	struct respool_rack *rack;
	void *block = NULL;

	/* What is traced goes the slow way. */
	if (!trace_respool_slab_alloc_enabled() &&
	    likely(respool_racks_claim(&slab->racks, size, &rack, &magazine))) {
		if (unlikely(!magazine->nr))
			return alloc_object(slab, size, gfp, magazine, rack, _RET_IP_);
		block = respool_magazine_youngest(magazine);
		if (likely(respool_block_give_word(block, magazine->word))) {
			respool_rack_popped(rack, magazine);
			if (likely(!(gfp & __GFP_ZERO)))
				return block;
		} else {
			respool_rack_release(rack);
			block = NULL;
		}
	}
	return alloc_slow(slab, size, gfp, block, RESPOOL_BLOCK_ALIGN, _RET_IP_);
}
EXPORT_SYMBOL_GPL(respool_alloc);

/**
 * respool_alloc_aligned() - Allocate bytes at a multiple of an alignment.
 * @slab: slab to allocate from
 * @size: bytes wanted, at least 1
 * @align: a power of two, in bytes; below 16 it means 16
 * @gfp: as in respool_alloc()
 *
 * It is the virtual address that is aligned; up to the page size, that aligns
 * the physical one too. The search is for @align + 16 bytes more than @size
 * needs; what is cut off in front becomes a free block.
 *
 * Context: Any context except NMI. Takes the slab's lock, then the pool's, with
 * interrupts off. Never sleeps.
 * Return: the block, or %NULL.
 */
void *respool_alloc_aligned(struct respool_slab *slab, size_t size, size_t align, gfp_t gfp)
{
	return alloc_slow(slab, size, gfp, NULL, align, _RET_IP_);
}
EXPORT_SYMBOL_GPL(respool_alloc_aligned);

/**
 * respool_slab_alloc_bulk() - Allocate several blocks of one size.
 * @slab: slab to allocate from
 * @size: bytes wanted in each, at least 1
 * @nr: how many blocks
 * @blocks: receives their addresses
 * @gfp: as in respool_alloc()
 *
 * Context: Any context except NMI. Never sleeps.
 * Return: how many blocks there were to give, 0..@nr; they stay allocated.
 */
unsigned int respool_slab_alloc_bulk(struct respool_slab *slab, size_t size, unsigned int nr,
				     void **blocks, gfp_t gfp)
{
	unsigned int got;

	for (got = 0; got < nr; got++) {
		blocks[got] = respool_alloc(slab, size, gfp);
		if (!blocks[got])
			break;
	}
	return got;
}
EXPORT_SYMBOL_GPL(respool_slab_alloc_bulk);

/*
 * Make the block at @addr hold @size bytes where it is, which with debugging
 * it never can. @old is set to the usable size it had, @new to the one it has.
 */
static int resize(struct respool_slab *slab, void *addr, size_t size, size_t *old, size_t *new)
{
	unsigned long flags;
	int error;

	raw_spin_lock_irqsave(&slab->lock, flags);
	error = find_size_locked(slab, addr, old);
	if (!error)
		error = slab->debug ? -ENOSPC :
				      respool_racks_resize(&slab->racks, addr, *old, size);
	if (!error) {
		*new = usable_bytes(slab, addr, size);
		slab->reallocs++;
		slab->reallocs_in_place++;
	}
	raw_spin_unlock_irqrestore(&slab->lock, flags);
	return error;
}

/* Counts and reports a realloc that failed with @error. */
static void *fail_realloc(struct respool_slab *slab, const void *addr, size_t size, int error,
			  unsigned long caller)
{
	if (error == -ENOMEM)
		fail_request(slab, size, RESPOOL_BLOCK_ALIGN, caller);
	else
		refuse_address(slab, addr, error, "realloc", caller);
	return NULL;
}

static __always_inline int try_free(struct respool_slab *slab, void *addr, unsigned long caller)
{
	if (unlikely(slab->debug))
		return debug_free(slab, addr, caller);
	return respool_racks_free(&slab->racks, addr);
}

/* try_free() ended with @error, or there is something to report. */
static noinline int free_hard(struct respool_slab *slab, void *addr, int error, const char *call,
			      unsigned long caller)
{
	struct loss loss;

	if (mend(slab, error, &loss))
		error = after_mend(try_free(slab, addr, caller));
	report_loss(slab, &loss, error, call, caller);
	return error;
}

static __always_inline int free_block(struct respool_slab *slab, void *addr, const char *call,
				      unsigned long caller)
{
	int error = try_free(slab, addr, caller);

	if (likely(!error && all_well(slab)))
		return 0;
	return free_hard(slab, addr, error, call, caller);
}

/*
 * Another block with what is in @addr, which had @old bytes; @new is set to what
 * it has. If there is none, @addr must do where it is large enough.
 */
static void *move_block(struct respool_slab *slab, void *addr, size_t size, size_t old,
			size_t *new, unsigned long caller)
{
	unsigned long flags;
	void *to;
	int error = alloc_block(slab, size, RESPOOL_BLOCK_ALIGN, &to, "realloc", caller);

	if (error && size <= old) {
		trace_respool_slab_realloc(slab->pool, addr, addr, size, caller);
		*new = old;
		return addr;
	}
	if (error)
		return fail_realloc(slab, addr, size, error, caller);
	*new = usable_bytes(slab, to, size);
	memcpy(to, addr, min(old, *new));
	trace_respool_slab_realloc(slab->pool, addr, to, size, caller);
	error = free_block(slab, addr, "realloc", caller);
	if (error)
		refuse_address(slab, addr, error, "realloc", caller);
	raw_spin_lock_irqsave(&slab->lock, flags);
	slab->reallocs++;
	slab->racks.allocations--;
	slab->racks.frees -= !error;
	raw_spin_unlock_irqrestore(&slab->lock, flags);
	return to;
}

/**
 * respool_realloc() - Change the size of a block.
 * @slab: slab the block is from
 * @addr: the block, or %NULL to allocate one
 * @size: bytes it shall hold, at least 1; zero is refused, free has its own call
 * @gfp: with __GFP_ZERO, what the block gains over its old usable size is clear
 *
 * Shrinks in place and grows in place into a free neighbour, or over the end of
 * its run if the pages behind that are free; else the contents move to a new
 * block and the old one is freed. So do those of an object, see respool_alloc(),
 * that shrinks to less than half, if there is a block to be had. A block that
 * moves is aligned to 16 bytes, whatever it was before.
 *
 * Context: Any context except NMI. Takes the slab's lock, then the pool's, with
 * interrupts off; copies with neither held. Never sleeps.
 * Return: the block, or %NULL, in which case @addr is as it was.
 */
void *respool_realloc(struct respool_slab *slab, void *addr, size_t size, gfp_t gfp)
{
	struct loss loss;
	size_t old, new;
	int error = -EFAULT;

	if (!addr)
		return respool_alloc(slab, size, gfp);
	if (refuse_request(slab, size, RESPOOL_BLOCK_ALIGN, _RET_IP_))
		return NULL;
	if (may_be_block(slab, addr)) {
		error = resize(slab, addr, size, &old, &new);
		if (mend(slab, error, &loss))
			error = after_mend(resize(slab, addr, size, &old, &new));
		report_loss(slab, &loss, error, "realloc", _RET_IP_);
	}
	if (!error)
		trace_respool_slab_realloc(slab->pool, addr, addr, size, _RET_IP_);
	else if (error == -ENOSPC)
		addr = move_block(slab, addr, size, old, &new, _RET_IP_);
	else
		addr = fail_realloc(slab, addr, size, error, _RET_IP_);
	if (addr && gfp & __GFP_ZERO && new > old)
		memset(addr + old, 0, new - old);
	return addr;
}
EXPORT_SYMBOL_GPL(respool_realloc);

/* A multiple of 16 in the pool that has a header in front. */
static __always_inline bool may_be_live(const struct respool_slab *slab, const void *addr)
{
	/* Bits that should be 0 become the highest. */
	return ror64((uintptr_t)addr - slab->low, RESPOOL_CELL_SHIFT) < slab->cells;
}

/* What was at @addr is free; there is something to do about that. */
static noinline int settle_slow(struct respool_slab *slab, void *addr,
				enum respool_pushed pushed, unsigned long caller)
{
	struct loss loss;

	if (pushed != RESPOOL_PUSHED_LOOK)
		respool_racks_notice(&slab->racks, addr);
	if (pushed != RESPOOL_PUSHED_NEWS)
		respool_racks_settle(&slab->racks);
	mend(slab, 0, &loss);
	report_loss(slab, &loss, 0, "free", caller);
	return 0;
}

/* Trace a free that will be accepted: before it, as then the block may be anybody's. */
static void trace_free(struct respool_slab *slab, const void *addr, unsigned long caller)
{
	unsigned long flags;
	size_t size;
	int error;

	if (!may_be_block(slab, addr))
		return;
	raw_spin_lock_irqsave(&slab->lock, flags);
	error = find_size_locked(slab, addr, &size);
	raw_spin_unlock_irqrestore(&slab->lock, flags);
	if (!error)
		trace_respool_slab_free(slab->pool, addr, size, caller);
}

static noinline int free_slow(struct respool_slab *slab, void *addr, unsigned long caller)
{
	int error;

	if (!addr)
		return 0;
	if (trace_respool_slab_free_enabled())
		trace_free(slab, addr, caller);
	error = may_be_block(slab, addr) ? free_block(slab, addr, "free", caller) : -EFAULT;
	return error ? refuse_address(slab, addr, error, "free", caller) : 0;
}

/* What is left to be done when no block has just gone into a rack. */
static __always_inline int free_rest(struct respool_slab *slab, void *addr,
				     enum respool_pushed pushed, unsigned long caller)
{
	if (pushed >= RESPOOL_PUSHED_LOOK)
		return settle_slow(slab, addr, pushed, caller);
	return free_slow(slab, addr, caller);
}

/* There is no block at @addr: an object, or a mistake. */
static noinline int free_object(struct respool_slab *slab, void *addr, unsigned long caller)
{
	enum respool_pushed pushed = respool_racks_push_object(&slab->racks, addr);

	return likely(pushed == RESPOOL_PUSHED) ? 0 : free_rest(slab, addr, pushed, caller);
}

/* The magazine of the block at @addr is full. */
static noinline int free_to_tray(struct respool_slab *slab, void *addr, struct respool_rack *rack,
				 u64 tag, unsigned long caller)
{
	enum respool_pushed pushed = respool_rack_push_tray(rack, addr, tag);

	return likely(pushed == RESPOOL_PUSHED) ? 0 : free_rest(slab, addr, pushed, caller);
}

/**
 * respool_free() - Give a block back.
 * @slab: slab the block is from
 * @addr: the block, or %NULL
 *
 * Up to a page the block goes into this CPU's magazine of its size, if there is
 * room, or on its tray, without a lock. A block that does not, or leaves a magazine, merges with
 * both neighbours at once (Knuth, TAOCP vol. 1, 2.5); a run that becomes empty
 * goes back to the page layer, unless it is kept warm. The free after which
 * nobody holds a block of the slab empties all magazines. A mistake
 * is refused, counted, logged once, and changes nothing; to tell which mistake
 * it is may take a walk over the slab's runs.
 *
 * Context: Any context except NMI. Takes the slab's lock, then the pool's, with
 * interrupts off. Never sleeps.
 * Return: 0; -EALREADY if the block is free, -EINVAL if @addr is inside a
 * block, -EFAULT if @addr is not in the slab, -EXDEV if it is a block of
 * another slab of the pool, -EUCLEAN if the data around the block is damaged
 * or its run out of service.
 */
int respool_free(struct respool_slab *slab, void *addr)
{
	enum respool_pushed pushed;
	struct respool_rack *rack;
	u64 tag;

	if (trace_respool_slab_free_enabled() || unlikely(!may_be_live(slab, addr)))
		return free_slow(slab, addr, _RET_IP_);
	pushed = respool_racks_push(&slab->racks, &slab->freelist, addr, &rack, &tag);
	if (likely(pushed == RESPOOL_PUSHED))
		return 0;
	if (pushed == RESPOOL_NO_TAGS)
		return free_object(slab, addr, _RET_IP_);
	if (pushed == RESPOOL_FULL)
		return free_to_tray(slab, addr, rack, tag, _RET_IP_);
	return free_rest(slab, addr, pushed, _RET_IP_);
}
EXPORT_SYMBOL_GPL(respool_free);

/**
 * respool_slab_free_bulk() - Free several blocks.
 * @slab: slab the blocks are from
 * @nr: how many
 * @blocks: their addresses; those freed become %NULL
 *
 * Context: Any context except NMI. Never sleeps.
 * Return: how many were refused; each is counted and reported as by
 * respool_free().
 */
unsigned int respool_slab_free_bulk(struct respool_slab *slab, unsigned int nr, void **blocks)
{
	unsigned int refused = 0, i;

	for (i = 0; i < nr; i++) {
		if (respool_free(slab, blocks[i]))
			refused++;
		else
			blocks[i] = NULL;
	}
	return refused;
}
EXPORT_SYMBOL_GPL(respool_slab_free_bulk);

/**
 * respool_usable_size() - How many bytes a block holds.
 * @slab: slab the block is from
 * @addr: the block, or %NULL
 *
 * Context: Any context except NMI. Takes the slab's lock with interrupts off.
 * Never sleeps.
 * Return: bytes that may be used, at least what was asked for; 0 for %NULL and
 * for an address that respool_free() would refuse, which is reported the same.
 */
size_t respool_usable_size(struct respool_slab *slab, const void *addr)
{
	struct loss loss;
	unsigned long flags;
	size_t size = 0;
	int error = -EFAULT;

	if (!addr)
		return 0;
	if (may_be_block(slab, addr)) {
		raw_spin_lock_irqsave(&slab->lock, flags);
		error = find_size_locked(slab, addr, &size);
		raw_spin_unlock_irqrestore(&slab->lock, flags);
		mend(slab, error, &loss);
		report_loss(slab, &loss, error, "usable size", _RET_IP_);
	}
	if (error)
		refuse_address(slab, addr, error, "usable size", _RET_IP_);
	return size;
}
EXPORT_SYMBOL_GPL(respool_usable_size);

/* Looking */

/**
 * respool_slab_name() - Name of a slab.
 * @slab: slab
 *
 * Context: Any.
 * Return: the name given at creation.
 */
const char *respool_slab_name(const struct respool_slab *slab)
{
	return slab->name;
}
EXPORT_SYMBOL_GPL(respool_slab_name);

/* Name of the slab's fit, as in "good fit". */
const char *respool_slab_fit_name(const struct respool_slab *slab)
{
	return fits[slab->options.fit].name;
}

unsigned int respool_slab_flags(const struct respool_slab *slab)
{
	return slab->options.flags;
}

/**
 * respool_slab_stats() - Read a slab's statistics.
 * @slab: slab
 * @stats: where they go; see &struct respool_slab_stats
 *
 * All numbers but the failures and refusals are of one moment, so that sums
 * add up.
 *
 * Context: Process context, may sleep. Waits for each CPU's magazines, then
 * takes the slab's lock with interrupts off, for a walk over the largest free
 * blocks.
 */
void respool_slab_stats(struct respool_slab *slab, struct respool_slab_stats *stats)
{
	const struct respool_freelist *f = &slab->freelist;
	const struct respool_racks *r = &slab->racks;
	struct respool_racks_sum sum;
	unsigned long flags;

	memset(stats, 0, sizeof(*stats));
	respool_refusals_read(&slab->refusals, stats->refusals);
	stats->failures = atomic64_read(&slab->failures);
	respool_racks_hold(&slab->racks);
	respool_racks_count(&slab->racks, &sum);
	raw_spin_lock_irqsave(&slab->lock, flags);
	respool_racks_count_objects(&slab->racks, &sum);
	stats->held_pages = respool_runs_held(&slab->runs) >> PAGE_SHIFT;
	stats->runs = f->runs + f->retired_runs + slab->runs.object_runs;
	stats->empty_runs = respool_runs_warm_is_empty(&slab->runs);
	if (slab->debug) {
		stats->quarantined_blocks = slab->debug->quarantine.nr;
		stats->quarantined_bytes = slab->debug->quarantine.bytes;
	}
	stats->live_blocks = f->live_blocks - sum.cached_blocks + sum.objects.live -
			     stats->quarantined_blocks;
	stats->live_bytes = f->live_bytes - sum.cached_bytes + sum.object_bytes.live -
			    stats->quarantined_bytes;
	stats->cached_blocks = sum.cached_blocks + sum.objects.cached;
	stats->cached_bytes = sum.cached_bytes + sum.object_bytes.cached;
	stats->free_blocks = f->free_blocks + sum.objects.free;
	stats->free_bytes = f->free_bytes + sum.object_bytes.free;
	stats->overhead_bytes = f->runs * RESPOOL_RUN_OVERHEAD +
				f->live_blocks * RESPOOL_BLOCK_HEADER + f->retired_bytes +
				slab->runs.object_bytes - sum.object_bytes.live -
				sum.object_bytes.cached - sum.object_bytes.free;
	stats->largest_free = respool_freelist_largest_free(f);
	stats->peak_held_pages = slab->runs.peak_bytes >> PAGE_SHIFT;
	stats->peak_live_bytes = max(f->peak_live_bytes, r->peak_live_bytes);
	stats->allocations = slab->racks.allocations + sum.allocations;
	stats->frees = slab->racks.frees + sum.frees;
	stats->reallocs = slab->reallocs;
	stats->reallocs_in_place = slab->reallocs_in_place;
	stats->splits = f->splits;
	stats->coalesces = f->coalesces;
	stats->runs_taken = slab->runs.taken;
	stats->runs_returned = slab->runs.returned;
	raw_spin_unlock_irqrestore(&slab->lock, flags);
	respool_racks_release(&slab->racks);
}
EXPORT_SYMBOL_GPL(respool_slab_stats);

/**
 * respool_slab_validate() - Check every invariant of a slab.
 * @slab: slab
 * @why: receives "ok", or the first broken invariant in words
 * @len: bytes at @why
 *
 * Only looks: damage is acted upon by the call that meets it. Runs already out
 * of service are not looked at.
 *
 * Context: Any context except NMI, but for diagnosis: holds the slab's lock
 * with interrupts off for a time in proportion to the slab's blocks and, if it
 * has object runs, for each of their sizes to the pool's pages.
 * Return: 0, or -EUCLEAN.
 */
int respool_slab_validate(struct respool_slab *slab, char *why, size_t len)
{
	unsigned long flags;
	const char *broken;
	const void *where;

	raw_spin_lock_irqsave(&slab->lock, flags);
	broken = respool_freelist_validate(&slab->freelist, &where);
	if (!broken)
		broken = respool_hot_validate(&slab->racks.hot, &where);
	if (!broken && slab->debug)
		broken = respool_debug_validate(slab->debug, &where);
	raw_spin_unlock_irqrestore(&slab->lock, flags);
	if (!broken)
		strscpy(why, "ok", len);
	else if (!where)
		strscpy(why, broken, len);
	else
		snprintf(why, len, "%s (offset %ld)", broken, respool_slab_offset(slab, where));
	return broken ? -EUCLEAN : 0;
}
EXPORT_SYMBOL_GPL(respool_slab_validate);

void respool_slab_classes(struct respool_slab *slab,
			  struct respool_class classes[RESPOOL_NR_CLASSES])
{
	unsigned long flags;

	raw_spin_lock_irqsave(&slab->lock, flags);
	memcpy(classes, slab->freelist.class, sizeof(slab->freelist.class));
	raw_spin_unlock_irqrestore(&slab->lock, flags);
}

/* What there is of objects of @class, 1..%RESPOOL_HOT_CLASSES. */
void respool_slab_objects(struct respool_slab *slab, unsigned int class,
			  struct respool_objects_row *row)
{
	const struct respool_objects *o = respool_hot_objects(&slab->racks.hot, class);
	struct respool_objects_sum sum;
	unsigned long flags;

	memset(row, 0, sizeof(*row));
	if (!READ_ONCE(o->runs))
		return;
	respool_racks_hold(&slab->racks);
	raw_spin_lock_irqsave(&slab->lock, flags);
	if (o->runs) {
		respool_racks_count_class(&slab->racks, class, &sum);
		row->bytes = o->stride;
		row->runs = o->runs;
		row->free = sum.free;
		row->cached = sum.cached;
		row->live = sum.live;
	}
	raw_spin_unlock_irqrestore(&slab->lock, flags);
	respool_racks_release(&slab->racks);
}

void respool_slab_open(struct respool_slab *slab, struct respool_cursor *cursor)
{
	unsigned long flags;

	raw_spin_lock_irqsave(&slab->lock, flags);
	respool_freelist_open(&slab->freelist, cursor);
	raw_spin_unlock_irqrestore(&slab->lock, flags);
}

void respool_slab_close(struct respool_slab *slab, struct respool_cursor *cursor)
{
	unsigned long flags;

	raw_spin_lock_irqsave(&slab->lock, flags);
	respool_freelist_close(&slab->freelist, cursor);
	raw_spin_unlock_irqrestore(&slab->lock, flags);
}

/* The next blocks of one run, none behind the last. */
void respool_slab_look(struct respool_slab *slab, struct respool_cursor *cursor,
		       struct respool_look *look)
{
	unsigned long flags;

	raw_spin_lock_irqsave(&slab->lock, flags);
	look->run = cursor->run;
	look->run_bytes = look->run ? look->run->bytes : 0;
	look->nr_rows = respool_freelist_look(&slab->freelist, cursor, look->rows,
					      RESPOOL_LOOK_ROWS);
	raw_spin_unlock_irqrestore(&slab->lock, flags);
}

/* Give back what a CPU that went away kept. */
void respool_slabs_drain_cpu(unsigned int cpu)
{
	struct respool_slab *slab;
	unsigned long flags;

	raw_spin_lock_irqsave(&slabs_lock, flags);
	list_for_each_entry(slab, &slabs, node)
		respool_racks_drain_cpu(&slab->racks, cpu);
	raw_spin_unlock_irqrestore(&slabs_lock, flags);
}

/* Life of a slab */

static int register_slab(struct respool_slab *slab)
{
	struct respool_slab *other;
	unsigned long flags;
	int error = 0;

	raw_spin_lock_irqsave(&slabs_lock, flags);
	list_for_each_entry(other, &slabs, node)
		if (!strcmp(other->name, slab->name) &&
		    !strcmp(respool_name(other->pool), respool_name(slab->pool)))
			error = -EEXIST;
	if (!error)
		list_add_tail(&slab->node, &slabs);
	raw_spin_unlock_irqrestore(&slabs_lock, flags);
	return error;
}

static void unregister_slab(struct respool_slab *slab)
{
	unsigned long flags;

	raw_spin_lock_irqsave(&slabs_lock, flags);
	list_del(&slab->node);
	raw_spin_unlock_irqrestore(&slabs_lock, flags);
}

static int open_account(struct respool_slab *slab, const struct respool *pool)
{
	char owner[sizeof("slab:") + RESPOOL_NAME_LEN];

	snprintf(owner, sizeof(owner), "slab:%s", slab->name);
	slab->pool = respool_get_as(respool_name(pool), owner);
	return PTR_ERR_OR_ZERO(slab->pool);
}

static bool options_valid(const struct respool_slab_options *options)
{
	return (unsigned int)options->fit < ARRAY_SIZE(fits) && !(options->flags & ~KNOWN_FLAGS);
}

/* The other fits are there to be studied, with every block in their hands. */
static bool has_objects(const struct respool_slab_options *options)
{
	return options->fit == RESPOOL_GOOD_FIT && !(options->flags & RESPOOL_SLAB_NO_OBJECTS);
}

static int set_options(struct respool_slab *slab, const struct respool_slab_options *options)
{
	unsigned int debug = respool_debug_flags(slab->name) |
			     (options->flags & RESPOOL_DEBUG_FLAGS);

	slab->options = *options;
	if (!debug)
		return 0;
	slab->debug = respool_debug_create(debug, &slab->freelist, &slab->refusals,
					   &slab->report);
	if (!slab->debug)
		return -ENOMEM;
	slab->debug->slab = slab;
	/* Every call has to be seen. */
	slab->options.flags |= slab->debug->flags | RESPOOL_SLAB_NO_MAGAZINES;
	return 0;
}

/**
 * respool_slab_create() - Make a byte allocator on a pool, with default options.
 * @pool: handle; not needed any more once the call returns
 * @name: as for respool_slab_create_with()
 *
 * Context: Process context, may sleep.
 * Return: as respool_slab_create_with().
 */
struct respool_slab *respool_slab_create(struct respool *pool, const char *name)
{
	return respool_slab_create_with(pool, name, NULL);
}
EXPORT_SYMBOL_GPL(respool_slab_create);

/**
 * respool_slab_create_with() - Make a byte allocator on a pool.
 * @pool: handle; not needed any more once the call returns
 * @name: name of the slab, 1 to 31 of A-Z a-z 0-9 _ . -, not "." or ".."
 * @options: how it is to work, %NULL for the defaults
 *
 * The slab takes memory when it is first asked for some, on an account of its
 * own, "slab:" and @name.
 *
 * Context: Process context, may sleep.
 * Return: the slab, or ERR_PTR: -EINVAL for a bad name, an unknown fit or flag,
 * -EOPNOTSUPP if there is no memory behind @pool's addresses, -EEXIST if it has
 * a slab of that name, -ENOMEM, or what respool_get_as() says.
 */
struct respool_slab *respool_slab_create_with(struct respool *pool, const char *name,
					      const struct respool_slab_options *options)
{
	static const struct respool_slab_options defaults;
	struct respool_slab *slab;
	int error;

	if (!options)
		options = &defaults;
	if (!pool || !name || !respool_name_valid(name) || !options_valid(options))
		return ERR_PTR(-EINVAL);
	if (!respool_has_memory(pool))
		return ERR_PTR(-EOPNOTSUPP);
	slab = kvzalloc(sizeof(*slab), GFP_KERNEL);
	if (!slab)
		return ERR_PTR(-ENOMEM);
	strscpy(slab->name, name, sizeof(slab->name));
	raw_spin_lock_init(&slab->lock);
	respool_report_init(&slab->report);
	respool_freelist_init(&slab->freelist, get_random_u64(), fits[options->fit].search);
	error = set_options(slab, options);
	if (error)
		goto err_slab;
	error = open_account(slab, pool);
	if (error)
		goto err_debug;
	slab->low = (uintptr_t)respool_start(pool) + RESPOOL_BLOCK_ALIGN;
	slab->cells = (respool_nr_pages(pool) << (PAGE_SHIFT - RESPOOL_CELL_SHIFT)) - 1;
	respool_runs_init(&slab->runs, slab->pool, &slab->freelist);
	slab->most = respool_runs_most(&slab->runs) - debug_room(slab);
	error = respool_racks_init(&slab->racks, &slab->runs, &slab->lock,
				   !(slab->options.flags & RESPOOL_SLAB_NO_MAGAZINES),
				   has_objects(&slab->options));
	if (error)
		goto err_account;
	error = register_slab(slab);
	if (error)
		goto err_racks;
	slab->debugfs = respool_slab_debugfs_add(slab, respool_debugfs_slabs(pool));
	return slab;

err_racks:
	respool_racks_destroy(&slab->racks);
err_account:
	respool_put(slab->pool);
err_debug:
	respool_debug_destroy(slab->debug);
err_slab:
	kvfree(slab);
	return ERR_PTR(error);
}
EXPORT_SYMBOL_GPL(respool_slab_create_with);

/**
 * respool_slab_destroy() - End a slab.
 * @slab: slab, or %NULL; nobody may use it any more
 *
 * Never fails. Blocks still live are reported, the first of them one by one;
 * they stay valid, and their runs stay allocated, which keeps respool.ko from
 * being unloaded. So do runs that are out of service.
 *
 * Context: Process context, may sleep.
 */
void respool_slab_destroy(struct respool_slab *slab)
{
	struct loss loss;
	unsigned long flags;

	if (!slab)
		return;
	debugfs_remove(slab->debugfs);
	unregister_slab(slab);
	drain(slab, "destroy", _RET_IP_);
	if (slab->debug)
		release_all(slab, "destroy", _RET_IP_);
	raw_spin_lock_irqsave(&slab->lock, flags);
	slab->freelist.cursors = NULL;	/* of files still open, but not read any more */
	respool_runs_return_warm(&slab->runs);
	raw_spin_unlock_irqrestore(&slab->lock, flags);
	mend(slab, 0, &loss);
	report_loss(slab, &loss, 0, "destroy", _RET_IP_);

	respool_report_held(&slab->freelist, &slab->racks.hot, slab->debug, slab->name, slab->pool);
	respool_racks_destroy(&slab->racks);
	respool_put(slab->pool);
	respool_debug_destroy(slab->debug);
	kvfree(slab);
}
EXPORT_SYMBOL_GPL(respool_slab_destroy);
