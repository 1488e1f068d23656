// SPDX-License-Identifier: GPL-2.0
/*
 * Caches: objects of one size for those who know their size. A lock, per-CPU
 * magazines, counting and reporting around the core in objects.c.
 *
 * A cache is a client of the public page API, with an account of its own named
 * "cache:NAME". Its runs are blocks of the page layer.
 *
 * An object is given and ended (its live bit set and cleared) by who holds the
 * bit of the magazine it is popped from or pushed to, or cache->lock if it
 * comes from its run or goes there. So who holds them all sees every object
 * free, live or in a magazine.
 *
 * Lock order: a CPU's magazine (cachecpu.h), cache->lock, the page layer's.
 * Runs are taken and constructed with none of them held. The list of caches is
 * RCU's, with caches_lock for its writers.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/debugfs.h>
#include <linux/err.h>
#include <linux/export.h>
#include <linux/instruction_pointer.h>
#include <linux/kernel.h>
#include <linux/mm.h>
#include <linux/mutex.h>
#include <linux/percpu.h>
#include <linux/preempt.h>
#include <linux/random.h>
#include <linux/rculist.h>
#include <linux/sizes.h>
#include <linux/slab.h>
#include <linux/spinlock.h>

#include <trace/events/respool.h>

#include "buddy/debugfs.h"
#include "buddy/stats.h"
#include "slab/cache.h"
#include "slab/cachecpu.h"

/* Objects that go back, or to a bulk call, under one hold of the lock, at most. */
#define BATCH		32

/* Those that a magazine is filled with. */
#define FILL		64

/*
 * What one CPU may keep: so many bytes, and no more than its share of this part
 * of the pool. Nothing is lost by it, but an object in a magazine keeps its run.
 */
#define CPU_BYTES	SZ_32K
#define POOL_SHARE	64

/* A run is large enough if no more than this part of it is lost. */
#define WASTE_SHARE	16

/* Live objects that are named when a cache is destroyed. */
#define NAMED_OBJECTS	4

/* I: set before the cache can be found, then constant.  L: lock.  C: caches_lock. */
struct respool_cache {
	/* What every call reads. */
	struct respool_cache_cpu __percpu *cpus;	/* I */
	u32 high;				/* I: objects in a magazine, at most; 0: closed */
	u16 fill;				/* I: objects taken for it at a time */
	u16 drain;				/* I: objects given back at a time */
	void (*ctor)(void *object);		/* I */
	struct respool_objects objects;		/* L, but for what its header calls lock-free */

	raw_spinlock_t lock ____cacheline_aligned_in_smp;
	u64 peak_runs;				/* L */
	u64 runs_taken;				/* L */
	u64 runs_returned;			/* L */
	/* Objects that did not go through a magazine. */
	u64 allocations;			/* L */
	u64 frees;				/* L */
	atomic64_t failures;
	struct respool_refusals refusals;	/* atomic */

	struct respool *pool;			/* I: the cache's own account */
	size_t size;				/* I: as asked for */
	u8 *footprint;				/* I: the core's */
	struct dentry *debugfs;			/* I */
	struct list_head node;			/* C, RCU */
	char name[RESPOOL_NAME_LEN];		/* I */
};

/* What salvage cost, to be reported once all locks are released. */
struct loss {
	const void *where;
	u64 runs;
};

static LIST_HEAD(caches);
static DEFINE_MUTEX(caches_lock);

static unsigned int run_order(const struct respool_cache *cache)
{
	return cache->objects.shift - PAGE_SHIFT;
}

/* Reports */

/* Bytes from the pool's start to @addr, -1 for an address outside the pool. */
long respool_cache_offset(const struct respool_cache *cache, const void *addr)
{
	if (!respool_contains(cache->pool, addr))
		return -1;
	return addr - respool_start(cache->pool);
}

/* For a call that ended with @error; refused for the damage, it is counted as that. */
static void report_loss(struct respool_cache *cache, const struct loss *loss, int error,
			const char *call, unsigned long caller)
{
	long offset;

	if (likely(!loss->where))
		return;
	offset = respool_cache_offset(cache, loss->where);
	pr_err("cache %s: damaged at offset %ld, %llu runs of %lu bytes out of service\n",
	       cache->name, offset, loss->runs, PAGE_SIZE << run_order(cache));
	trace_respool_corruption("cache", cache->name, offset, loss->runs, call);
	if (error != -EUCLEAN)
		respool_refuse(&cache->refusals, RESPOOL_CORRUPT, "cache", cache->name,
			       "%s met damage at offset %ld from %pS", call, offset,
			       (void *)caller);
}

static bool knows(const struct respool_cache *cache, const void *addr)
{
	return respool_object_run_checks(&cache->objects,
					 respool_object_run_of(&cache->objects, addr));
}

/* Names the cache, if any, that has @addr, an address of @cache's pool, in one of its runs. */
static bool find_other_cache(const struct respool_cache *cache, const void *addr,
			     char name[RESPOOL_NAME_LEN])
{
	struct respool_cache *other;
	bool found = false;

	rcu_read_lock();
	list_for_each_entry_rcu(other, &caches, node) {
		if (other == cache || !knows(other, addr))
			continue;
		strscpy(name, other->name, RESPOOL_NAME_LEN);
		found = true;
		break;
	}
	rcu_read_unlock();
	return found;
}

/* Counts and reports a free of @addr that failed with @error; returns what it was. */
static int refuse_address(struct respool_cache *cache, const void *addr, int error,
			  unsigned long caller)
{
	long offset = respool_cache_offset(cache, addr);
	char other[RESPOOL_NAME_LEN];

	atomic64_inc(&cache->failures);
	if (error == -EFAULT && offset >= 0 && find_other_cache(cache, addr, other)) {
		respool_refuse(&cache->refusals, RESPOOL_WRONG_SLAB, "cache", cache->name,
			       "free of an object of cache %s, at offset %ld, from %pS", other,
			       offset, (void *)caller);
		return -EXDEV;
	}
	respool_refuse(&cache->refusals, respool_refusal_of(error), "cache", cache->name,
		       "free at offset %ld from %pS", offset, (void *)caller);
	return error;
}

/* A request for an object, or for several, is not served in full. */
static void fail_request(struct respool_cache *cache, unsigned long caller)
{
	atomic64_inc(&cache->failures);
	trace_respool_cache_fail(cache->pool, cache->size, 0, caller);
}

/* An object that was constructed is not cleared. */
static bool refuse_flags(struct respool_cache *cache, gfp_t gfp, unsigned long caller)
{
	if (likely(!(gfp & __GFP_ZERO) || !cache->ctor))
		return false;
	fail_request(cache, caller);
	respool_refuse(&cache->refusals, RESPOOL_BAD_FLAGS, "cache", cache->name,
		       "request for a constructed object with __GFP_ZERO from %pS",
		       (void *)caller);
	return true;
}

/* The locked half */

/* If damage was met, give up the runs it is in and go on with the others. */
static bool salvage_locked(struct respool_cache *cache, struct loss *loss)
{
	lockdep_assert_held(&cache->lock);
	if (likely(!cache->objects.damage))
		return false;
	loss->where = cache->objects.damage;
	loss->runs += respool_objects_salvage(&cache->objects);
	return true;
}

/* @addr could not be given or ended: if that is for damage, its run goes. */
static void blame_locked(struct respool_cache *cache, const void *addr, struct loss *loss)
{
	respool_objects_blame(&cache->objects, addr);
	salvage_locked(cache, loss);
}

/*
 * Objects that are out go back into their runs. Returns how many did; dropped
 * are those whose runs are out of service.
 */
static u32 put_locked(struct respool_cache *cache, void **objects, u32 nr, struct loss *loss)
{
	struct respool_objects *o = &cache->objects;
	u32 put = respool_objects_put(o, objects, nr), done = put, n;

	while (unlikely(done < nr)) {
		/* It may have been another run that was damaged: that of a link. */
		if (salvage_locked(cache, loss))
			put += respool_objects_put(o, objects + done, 1);
		done++;
		n = respool_objects_put(o, objects + done, nr - done);
		put += n;
		done += n;
	}
	return put;
}

static u32 take_locked(struct respool_cache *cache, void **objects, u32 nr, struct loss *loss)
{
	u32 got = respool_objects_take(&cache->objects, objects, nr);

	if (salvage_locked(cache, loss) && !got)
		got = respool_objects_take(&cache->objects, objects, nr);
	return got;
}

/* Take and give up to @nr objects. */
static u32 alloc_locked(struct respool_cache *cache, void **objects, u32 nr, struct loss *loss)
{
	u32 got = take_locked(cache, objects, nr, loss), given = 0, i;

	for (i = 0; i < got; i++) {
		if (likely(respool_object_give(&cache->objects, objects[i])))
			objects[given++] = objects[i];
		else
			blame_locked(cache, objects[i], loss);
	}
	cache->allocations += given;
	return given;
}

static int free_locked(struct respool_cache *cache, void *addr, struct loss *loss)
{
	int error;

	if (likely(respool_object_end(&cache->objects, addr))) {
		error = put_locked(cache, &addr, 1, loss) ? 0 : -EUCLEAN;
	} else {
		error = respool_objects_why_not(&cache->objects, addr);
		blame_locked(cache, addr, loss);
		/* Nothing wrong: it was freed, and has been given again meanwhile. */
		if (!error)
			error = -EALREADY;
	}
	cache->frees += !error;
	return error;
}

/* Runs */

/* Take all empty runs but @keep out of service, linked by @next. */
static struct respool_object_run *collect_empty_locked(struct respool_cache *cache, u64 keep)
{
	struct respool_object_run *run, *gone = NULL;

	while ((run = respool_objects_remove_empty(&cache->objects, keep))) {
		run->next = gone;
		gone = run;
		cache->runs_returned++;
	}
	return gone;
}

static void return_runs(struct respool_cache *cache, struct respool_object_run *run)
{
	struct respool_object_run *next;

	for (; run; run = next) {
		next = run->next;
		trace_respool_run_returned(cache->pool, run, 1UL << run_order(cache));
		respool_free_pages(cache->pool, run, run_order(cache));
	}
}

/* Objects that are out go back into their runs, and runs that become empty, but one. */
static void put_batch(struct respool_cache *cache, void **objects, u32 nr, struct loss *loss)
{
	struct respool_object_run *gone;
	unsigned long flags;

	raw_spin_lock_irqsave(&cache->lock, flags);
	put_locked(cache, objects, nr, loss);
	gone = collect_empty_locked(cache, 1);
	salvage_locked(cache, loss);
	raw_spin_unlock_irqrestore(&cache->lock, flags);
	return_runs(cache, gone);
}

static void construct(const struct respool_cache *cache, void *run)
{
	const struct respool_objects *o = &cache->objects;
	u32 i;

	respool_objects_prepare(o, run);
	if (!cache->ctor)
		return;
	for (i = 0; i < o->per_run; i++)
		cache->ctor(respool_objects_at(o, run, i));
}

static u32 alloc_from_runs(struct respool_cache *cache, void **objects, u32 nr,
			   struct loss *loss)
{
	unsigned long flags;
	u32 got;

	raw_spin_lock_irqsave(&cache->lock, flags);
	got = alloc_locked(cache, objects, nr, loss);
	raw_spin_unlock_irqrestore(&cache->lock, flags);
	return got;
}

/* Allocate from a new run; there are others, perhaps, but nobody else has this one. */
static u32 alloc_from_new_run(struct respool_cache *cache, void **objects, u32 nr, gfp_t gfp,
			      struct loss *loss)
{
	void *run = respool_alloc_pages(cache->pool, run_order(cache), gfp & __GFP_HIGH);
	const struct respool_objects *o = &cache->objects;
	unsigned long flags;
	u32 got;

	if (!run)
		return 0;
	trace_respool_run_taken(cache->pool, run, 1UL << run_order(cache));
	construct(cache, run);
	raw_spin_lock_irqsave(&cache->lock, flags);
	respool_objects_add(&cache->objects, run);
	cache->runs_taken++;
	cache->peak_runs = max(cache->peak_runs, o->runs + o->retired_runs);
	got = alloc_locked(cache, objects, nr, loss);
	raw_spin_unlock_irqrestore(&cache->lock, flags);
	return got;
}

/* Magazines */

/*
 * The @nr oldest objects of a magazine go back. Its youngest take their place:
 * no object stays for long without being used or given back.
 */
static void drain(struct respool_cache *cache, struct respool_cache_cpu *cpu, u32 nr,
		  struct loss *loss)
{
	u32 left = cpu->nr - nr, i;

	put_batch(cache, cpu->object, nr, loss);
	for (i = 0; i < nr && i < left; i++)
		cpu->object[i] = cpu->object[max(left, nr) + i];
	cpu->nr = left;
}

static void drain_cpu(struct respool_cache *cache, unsigned int i, struct loss *loss)
{
	struct respool_cache_cpu *cpu = per_cpu_ptr(cache->cpus, i);

	preempt_disable();
	if (respool_cpu_lock_claim(&cpu->lock, i)) {
		while (cpu->nr)
			drain(cache, cpu, min_t(u32, cpu->nr, BATCH), loss);
		respool_cpu_unlock(&cpu->lock);
	}
	preempt_enable();
}

/* Hold all magazines still, to count them. Task context; preemption is off until unlock. */
static void lock_cpus(struct respool_cache *cache)
{
	unsigned int i;

	might_sleep();
	preempt_disable();
	for_each_possible_cpu(i)
		respool_cpu_lock_wait(&per_cpu_ptr(cache->cpus, i)->lock);
}

static void unlock_cpus(struct respool_cache *cache)
{
	unsigned int i;

	for_each_possible_cpu(i)
		respool_cpu_unlock(&per_cpu_ptr(cache->cpus, i)->lock);
	preempt_enable();
}

/* Empty all magazines. With interrupts or softirqs off, one that is held is passed over. */
static void drain_cpus(struct respool_cache *cache, struct loss *loss)
{
	unsigned int i;

	for_each_possible_cpu(i)
		drain_cpu(cache, i, loss);
}

static void fill(struct respool_cache *cache, struct respool_cache_cpu *cpu, struct loss *loss)
{
	unsigned long flags;

	raw_spin_lock_irqsave(&cache->lock, flags);
	cpu->nr = take_locked(cache, cpu->object, cache->fill, loss);
	raw_spin_unlock_irqrestore(&cache->lock, flags);
}

/* The youngest object whose run is sound; those above it go out of service with theirs. */
static void *pop(struct respool_cache *cache, struct respool_cache_cpu *cpu, struct loss *loss)
{
	unsigned long flags;
	void *object;

	while (cpu->nr) {
		object = cpu->object[--cpu->nr];
		if (likely(respool_object_give(&cache->objects, object))) {
			cpu->allocations++;
			return object;
		}
		raw_spin_lock_irqsave(&cache->lock, flags);
		blame_locked(cache, object, loss);
		raw_spin_unlock_irqrestore(&cache->lock, flags);
	}
	return NULL;
}

/* Allocate from this CPU's magazine, which is filled if it is empty. */
static void *alloc_refilled(struct respool_cache *cache, struct loss *loss)
{
	struct respool_cache_cpu *cpu;
	void *object = NULL;

	if (!cache->high)
		return NULL;
	preempt_disable();
	cpu = this_cpu_ptr(cache->cpus);
	if (respool_cpu_lock_try(&cpu->lock)) {
		if (!cpu->nr)
			fill(cache, cpu, loss);
		object = pop(cache, cpu, loss);
		respool_cpu_unlock(&cpu->lock);
	}
	preempt_enable();
	return object;
}

/* Free into this CPU's magazine, which is drained of its oldest objects if it is full. */
static bool free_drained(struct respool_cache *cache, void *addr, struct loss *loss)
{
	struct respool_cache_cpu *cpu;
	bool done = false;

	if (!cache->high)
		return false;
	preempt_disable();
	cpu = this_cpu_ptr(cache->cpus);
	if (respool_cpu_lock_try(&cpu->lock)) {
		done = respool_object_end(&cache->objects, addr);
		if (done) {
			if (cpu->nr >= cache->high)
				drain(cache, cpu, cache->drain, loss);
			cpu->object[cpu->nr++] = addr;
			cpu->frees++;
		}
		respool_cpu_unlock(&cpu->lock);
	}
	preempt_enable();
	return done;
}

/* When the pool is short */

/* Give back all that nobody uses. */
static void shrink(struct respool_cache *cache, unsigned long caller)
{
	struct respool_object_run *gone;
	struct loss loss = {};
	unsigned long flags;

	drain_cpus(cache, &loss);
	raw_spin_lock_irqsave(&cache->lock, flags);
	gone = collect_empty_locked(cache, 0);
	salvage_locked(cache, &loss);
	raw_spin_unlock_irqrestore(&cache->lock, flags);
	return_runs(cache, gone);
	report_loss(cache, &loss, 0, "shrink", caller);
}

static void shrink_others(const struct respool_cache *cache, unsigned long caller)
{
	struct respool_cache *other;

	rcu_read_lock();
	list_for_each_entry_rcu(other, &caches, node)
		if (other != cache && respool_start(other->pool) == respool_start(cache->pool))
			shrink(other, caller);
	rcu_read_unlock();
}

/*
 * Up to @nr objects, from the first of these that has any: the runs, a new run,
 * the magazines, a run that another cache does not need.
 */
static u32 alloc_somewhere(struct respool_cache *cache, void **objects, u32 nr, gfp_t gfp,
			   struct loss *loss, unsigned long caller)
{
	u32 got = alloc_from_runs(cache, objects, nr, loss);

	if (!got)
		got = alloc_from_new_run(cache, objects, nr, gfp, loss);
	if (!got) {
		drain_cpus(cache, loss);
		got = alloc_from_runs(cache, objects, nr, loss);
	}
	if (!got) {
		shrink_others(cache, caller);
		got = alloc_from_new_run(cache, objects, nr, gfp, loss);
	}
	return got;
}

/* Allocation */

static noinline void *alloc_slow(struct respool_cache *cache, gfp_t gfp, unsigned long caller)
{
	struct loss loss = {};
	void *object;

	if (refuse_flags(cache, gfp, caller))
		return NULL;
	object = alloc_refilled(cache, &loss);
	if (!object && !alloc_somewhere(cache, &object, 1, gfp, &loss, caller))
		fail_request(cache, caller);
	else
		trace_respool_cache_alloc(cache->pool, object, cache->size, caller);
	report_loss(cache, &loss, 0, "allocation", caller);
	if (object && gfp & __GFP_ZERO)
		memset(object, 0, cache->objects.stride);
	return object;
}

/**
 * respool_cache_alloc() - Allocate an object.
 * @cache: cache to allocate from
 * @gfp: __GFP_ZERO clears the object, outside any lock, and is refused if the
 *	cache has a constructor; __GFP_HIGH (GFP_ATOMIC has it) may take what
 *	respool_set_watermark() keeps back; other flags have no meaning here
 *
 * The object is as its last user, or the constructor, left it. A cache without
 * constructor makes no promise of its contents.
 *
 * The work is bounded, whatever the cache's size and history. Most calls take
 * an object from this CPU's magazine; else at most 8 runs are looked at to fill
 * that, and then one run taken from the page layer and constructed: 512 objects
 * at most. Before a call fails, each possible CPU's magazine is drained of up to
 * 128 objects, of this cache and then of the others on the pool. Only a call that
 * meets damaged data does more: it walks the runs to take those out of service
 * that are damaged.
 *
 * Context: Any context except NMI. Takes the cache's lock, and the pool's, with
 * interrupts off. Never sleeps.
 * Return: the object, or %NULL.
 */
void *respool_cache_alloc(struct respool_cache *cache, gfp_t gfp)
{
	struct respool_cache_cpu *cpu;
	void *object = NULL;

	/* What is traced goes the slow way. */
	if (trace_respool_cache_alloc_enabled() || unlikely(gfp & __GFP_ZERO))
		return alloc_slow(cache, gfp, _RET_IP_);
	preempt_disable();
	cpu = this_cpu_ptr(cache->cpus);
	if (respool_cpu_lock_try(&cpu->lock)) {
		if (likely(cpu->nr)) {
			object = cpu->object[cpu->nr - 1];
			if (likely(respool_object_give(&cache->objects, object))) {
				cpu->nr--;
				cpu->allocations++;
			} else {
				object = NULL;
			}
		}
		respool_cpu_unlock(&cpu->lock);
	}
	preempt_enable();
	return likely(object) ? object : alloc_slow(cache, gfp, _RET_IP_);
}
EXPORT_SYMBOL_GPL(respool_cache_alloc);

/**
 * respool_cache_alloc_bulk() - Allocate several objects.
 * @cache: cache to allocate from
 * @nr: how many
 * @objects: receives their addresses
 * @gfp: as in respool_cache_alloc()
 *
 * They come from the runs, up to 32 under one hold of the cache's lock; the
 * magazines are left to single calls, but drained before this one fails.
 *
 * Context: as respool_cache_alloc().
 * Return: how many objects there were to give, 0..@nr; they stay allocated.
 */
unsigned int respool_cache_alloc_bulk(struct respool_cache *cache, unsigned int nr,
				      void **objects, gfp_t gfp)
{
	unsigned int total = 0, got, i;
	struct loss loss = {};

	if (refuse_flags(cache, gfp, _RET_IP_))
		return 0;
	while (total < nr) {
		got = alloc_somewhere(cache, objects + total, min_t(u32, nr - total, BATCH), gfp,
				      &loss, _RET_IP_);
		if (!got) {
			fail_request(cache, _RET_IP_);
			break;
		}
		total += got;
	}
	for (i = 0; trace_respool_cache_alloc_enabled() && i < total; i++)
		trace_respool_cache_alloc(cache->pool, objects[i], cache->size, _RET_IP_);
	report_loss(cache, &loss, 0, "allocation", _RET_IP_);
	for (i = 0; gfp & __GFP_ZERO && i < total; i++)
		memset(objects[i], 0, cache->objects.stride);
	return total;
}
EXPORT_SYMBOL_GPL(respool_cache_alloc_bulk);

/* Free */

/* Trace a free that will be accepted: before it, as then the object may be anybody's. */
static void trace_free(struct respool_cache *cache, const void *addr, unsigned long caller)
{
	unsigned long flags;
	int error;

	raw_spin_lock_irqsave(&cache->lock, flags);
	error = respool_objects_why_not(&cache->objects, addr);
	raw_spin_unlock_irqrestore(&cache->lock, flags);
	if (!error)
		trace_respool_cache_free(cache->pool, addr, cache->size, caller);
}

static noinline int free_slow(struct respool_cache *cache, void *addr, unsigned long caller)
{
	struct respool_object_run *gone;
	struct loss loss = {};
	unsigned long flags;
	int error = 0;

	if (!addr)
		return 0;
	if (trace_respool_cache_free_enabled())
		trace_free(cache, addr, caller);
	if (!free_drained(cache, addr, &loss)) {
		raw_spin_lock_irqsave(&cache->lock, flags);
		error = free_locked(cache, addr, &loss);
		gone = collect_empty_locked(cache, 1);
		salvage_locked(cache, &loss);
		raw_spin_unlock_irqrestore(&cache->lock, flags);
		return_runs(cache, gone);
	}
	report_loss(cache, &loss, error, "free", caller);
	return error ? refuse_address(cache, addr, error, caller) : 0;
}

/**
 * respool_cache_free() - Give an object back.
 * @cache: cache the object is from
 * @object: the object, or %NULL; with a constructor, in the state that one left
 *
 * It goes into this CPU's magazine; if that is full, up to 32 of the oldest in
 * it go back into their runs, and runs that become empty to the page layer,
 * but one that is kept warm. Until the object is allocated again nothing of it
 * is changed. A mistake is refused, counted, logged once, and changes nothing.
 *
 * Of two who free one object at one time, one is refused. A free of an object
 * that has been allocated again since is a free like any other.
 *
 * Context: Any context except NMI. Takes the cache's lock, and the pool's, with
 * interrupts off. Never sleeps.
 * Return: 0; -EALREADY if the object is free, -EINVAL if @object is not the start
 * of an object, -EFAULT if @object is not in the cache or its run has gone back
 * to the page layer, -EXDEV if it is in another cache of the pool, -EUCLEAN if
 * the data of its run is damaged or the run out of service.
 */
int respool_cache_free(struct respool_cache *cache, void *object)
{
	struct respool_cache_cpu *cpu;
	bool done = false;

	if (trace_respool_cache_free_enabled())
		return free_slow(cache, object, _RET_IP_);
	preempt_disable();
	cpu = this_cpu_ptr(cache->cpus);
	if (respool_cpu_lock_try(&cpu->lock)) {
		if (likely(cpu->nr < cache->high) &&
		    likely(respool_object_end(&cache->objects, object))) {
			cpu->object[cpu->nr++] = object;
			cpu->frees++;
			done = true;
		}
		respool_cpu_unlock(&cpu->lock);
	}
	preempt_enable();
	return likely(done) ? 0 : free_slow(cache, object, _RET_IP_);
}
EXPORT_SYMBOL_GPL(respool_cache_free);

/* Free up to BATCH objects under one hold of the lock; those that cannot be have an error. */
static void free_batch(struct respool_cache *cache, void **objects, int *errors, u32 nr,
		       struct loss *loss)
{
	struct respool_object_run *gone;
	unsigned long flags;
	u32 i;

	raw_spin_lock_irqsave(&cache->lock, flags);
	for (i = 0; i < nr; i++)
		errors[i] = objects[i] ? free_locked(cache, objects[i], loss) : 0;
	gone = collect_empty_locked(cache, 1);
	salvage_locked(cache, loss);
	raw_spin_unlock_irqrestore(&cache->lock, flags);
	return_runs(cache, gone);
}

/**
 * respool_cache_free_bulk() - Give several objects back.
 * @cache: cache the objects are from
 * @nr: how many
 * @objects: their addresses; those freed become %NULL
 *
 * They go into their runs, up to 32 under one hold of the cache's lock.
 *
 * Context: as respool_cache_free().
 * Return: how many were refused; each is counted and reported as by
 * respool_cache_free().
 */
unsigned int respool_cache_free_bulk(struct respool_cache *cache, unsigned int nr, void **objects)
{
	unsigned int refused = 0, first, i, n;
	struct loss loss = {};
	int errors[BATCH];

	for (first = 0; first < nr; first += n) {
		n = min_t(unsigned int, nr - first, BATCH);
		for (i = first; trace_respool_cache_free_enabled() && i < first + n; i++)
			trace_free(cache, objects[i], _RET_IP_);
		free_batch(cache, objects + first, errors, n, &loss);
		for (i = 0; i < n; i++) {
			if (errors[i]) {
				refuse_address(cache, objects[first + i], errors[i], _RET_IP_);
				refused++;
			} else {
				objects[first + i] = NULL;
			}
		}
	}
	report_loss(cache, &loss, 0, "free", _RET_IP_);
	return refused;
}
EXPORT_SYMBOL_GPL(respool_cache_free_bulk);

/**
 * respool_cache_shrink() - Give back what nobody uses.
 * @cache: cache
 *
 * Empties the magazines of all CPUs and gives all empty runs back to the page
 * layer, the warm one, too. Sends no interrupts. A cache that runs short does
 * this to the others on its pool; allocations of pages and of slabs do not.
 *
 * Context: Any context except NMI; with interrupts or softirqs off, a CPU that
 * does not leave its magazine within some microseconds is passed over. Never
 * sleeps.
 */
void respool_cache_shrink(struct respool_cache *cache)
{
	shrink(cache, _RET_IP_);
}
EXPORT_SYMBOL_GPL(respool_cache_shrink);

/* @cpu is gone and needs its magazines no more. */
void respool_caches_drain_cpu(unsigned int cpu)
{
	struct respool_cache *cache;

	mutex_lock(&caches_lock);
	list_for_each_entry(cache, &caches, node) {
		struct loss loss = {};

		drain_cpu(cache, cpu, &loss);
		report_loss(cache, &loss, 0, "drain", _RET_IP_);
	}
	mutex_unlock(&caches_lock);
}

/* Looking */

/**
 * respool_cache_name() - Name of a cache.
 * @cache: cache
 *
 * Context: Any.
 * Return: the name given at creation.
 */
const char *respool_cache_name(const struct respool_cache *cache)
{
	return cache->name;
}
EXPORT_SYMBOL_GPL(respool_cache_name);

static u64 cached_objects(const struct respool_cache *cache, const struct respool_cache_cpu *cpu)
{
	u64 cached = cpu->nr;
	u32 i;

	/* Objects of runs that went out of service may be left in a magazine. */
	if (unlikely(cache->objects.retired_runs))
		for (i = 0; i < cpu->nr; i++)
			cached -= !knows(cache, cpu->object[i]);
	return cached;
}

/* Objects in magazines, with all those and the cache's lock held. */
static u64 all_cached_objects(const struct respool_cache *cache)
{
	u64 cached = 0;
	unsigned int i;

	for_each_possible_cpu(i)
		cached += cached_objects(cache, per_cpu_ptr(cache->cpus, i));
	return cached;
}

static void read_runs_locked(const struct respool_cache *cache, struct respool_cache_stats *stats)
{
	const struct respool_objects *o = &cache->objects;

	stats->held_pages = (o->runs + o->retired_runs) << run_order(cache);
	stats->peak_held_pages = cache->peak_runs << run_order(cache);
	stats->runs = o->runs;
	stats->empty_runs = o->empty_runs;
	stats->damaged_runs = o->retired_runs;
	stats->free_objects = o->nr_free;
	stats->runs_taken = cache->runs_taken;
	stats->runs_returned = cache->runs_returned;
	stats->allocations = cache->allocations;
	stats->frees = cache->frees;
}

/**
 * respool_cache_stats() - Read a cache's statistics.
 * @cache: cache
 * @stats: where they go; see &struct respool_cache_stats
 *
 * All numbers but the failures and refusals are of one moment, so that sums
 * add up.
 *
 * Context: Process context. Holds every CPU's magazine and the cache's lock,
 * with interrupts off, for a time in proportion to the number of CPUs. Does not
 * sleep.
 */
void respool_cache_stats(struct respool_cache *cache, struct respool_cache_stats *stats)
{
	const struct respool_objects *o = &cache->objects;
	const struct respool_cache_cpu *cpu;
	unsigned long flags;
	unsigned int i;

	memset(stats, 0, sizeof(*stats));
	stats->size = cache->size;
	stats->object_bytes = o->stride;
	stats->run_pages = 1UL << run_order(cache);
	stats->run_objects = o->per_run;
	respool_refusals_read(&cache->refusals, stats->refusals);
	stats->failures = atomic64_read(&cache->failures);
	lock_cpus(cache);
	raw_spin_lock_irqsave(&cache->lock, flags);
	read_runs_locked(cache, stats);
	stats->cached_objects = all_cached_objects(cache);
	for_each_possible_cpu(i) {
		cpu = per_cpu_ptr(cache->cpus, i);
		stats->allocations += cpu->allocations;
		stats->frees += cpu->frees;
	}
	raw_spin_unlock_irqrestore(&cache->lock, flags);
	unlock_cpus(cache);

	stats->live_objects = stats->runs * o->per_run - stats->free_objects -
			      stats->cached_objects;
	stats->overhead_bytes = (stats->held_pages << PAGE_SHIFT) -
				stats->runs * o->per_run * o->stride;
}
EXPORT_SYMBOL_GPL(respool_cache_stats);

/* What is out, neither free nor live, must be what is in the magazines. */
static const char *check_magazines(const struct respool_cache *cache)
{
	const struct respool_objects *o = &cache->objects;
	struct respool_object_row row = {};
	u64 out = 0;

	while (respool_objects_run_after(o, row.run, &row))
		out += row.out;
	return out == all_cached_objects(cache) ? NULL :
	       "magazines differ from what is neither free nor live";
}

/**
 * respool_cache_validate() - Check every invariant of a cache.
 * @cache: cache
 * @why: receives "ok", or the first broken invariant in words
 * @len: bytes at @why
 *
 * Only looks: damage is acted upon by the call that meets it. Runs already out
 * of service are not looked at.
 *
 * Context: Process context, for diagnosis: holds every CPU's magazine and the
 * cache's lock, with interrupts off, for a time in proportion to the cache's
 * runs and the pool's pages. Does not sleep.
 * Return: 0, or -EUCLEAN.
 */
int respool_cache_validate(struct respool_cache *cache, char *why, size_t len)
{
	const void *where = NULL;
	unsigned long flags;
	const char *broken;

	lock_cpus(cache);
	raw_spin_lock_irqsave(&cache->lock, flags);
	broken = respool_objects_validate(&cache->objects, &where);
	if (!broken)
		broken = check_magazines(cache);
	raw_spin_unlock_irqrestore(&cache->lock, flags);
	unlock_cpus(cache);
	if (!broken)
		strscpy(why, "ok", len);
	else if (!where)
		strscpy(why, broken, len);
	else
		snprintf(why, len, "%s (offset %ld)", broken, respool_cache_offset(cache, where));
	return broken ? -EUCLEAN : 0;
}
EXPORT_SYMBOL_GPL(respool_cache_validate);

/* The next run above address @after, %NULL for the first; false if there is none. */
bool respool_cache_run_after(struct respool_cache *cache, const void *after,
			     struct respool_object_row *row)
{
	unsigned long flags;
	bool found;

	raw_spin_lock_irqsave(&cache->lock, flags);
	found = respool_objects_run_after(&cache->objects, after, row);
	raw_spin_unlock_irqrestore(&cache->lock, flags);
	return found;
}

/* Life of a cache */

static int register_cache(struct respool_cache *cache)
{
	struct respool_cache *other;
	int error = 0;

	mutex_lock(&caches_lock);
	list_for_each_entry(other, &caches, node)
		if (!strcmp(other->name, cache->name) &&
		    !strcmp(respool_name(other->pool), respool_name(cache->pool)))
			error = -EEXIST;
	if (!error)
		list_add_tail_rcu(&cache->node, &caches);
	mutex_unlock(&caches_lock);
	return error;
}

/* When this returns nobody looks at @cache who found it on the list. */
static void unregister_cache(struct respool_cache *cache)
{
	mutex_lock(&caches_lock);
	list_del_rcu(&cache->node);
	mutex_unlock(&caches_lock);
	synchronize_rcu();
}

static int open_account(struct respool_cache *cache, const struct respool *pool)
{
	char owner[sizeof("cache:") + RESPOOL_NAME_LEN];

	snprintf(owner, sizeof(owner), "cache:%s", cache->name);
	cache->pool = respool_get_as(respool_name(pool), owner);
	return PTR_ERR_OR_ZERO(cache->pool);
}

static int init_objects(struct respool_cache *cache, const struct respool *pool, size_t align)
{
	const struct respool_object_memory memory = {
		.start = respool_start(pool),
		.bytes = respool_nr_pages(pool) << PAGE_SHIFT,
		.phys = respool_virt_to_phys(pool, respool_start(pool)),
		.min_shift = PAGE_SHIFT,
		.max_shift = PAGE_SHIFT + respool_max_order(pool),
		.waste_share = WASTE_SHARE,
	};
	int error = respool_objects_init(&cache->objects, cache->size, align, &memory,
					 get_random_u64());

	if (error)
		return error;
	cache->footprint = kvzalloc(respool_objects_footprint(&cache->objects), GFP_KERNEL);
	if (!cache->footprint)
		return -ENOMEM;
	respool_objects_set_footprint(&cache->objects, cache->footprint, 1);
	return 0;
}

static int init_magazines(struct respool_cache *cache, const struct respool *pool)
{
	u64 share = ((u64)respool_nr_pages(pool) << PAGE_SHIFT) / POOL_SHARE / num_possible_cpus();
	u64 objects = min_t(u64, share, CPU_BYTES) / cache->objects.stride;

	cache->cpus = alloc_percpu(struct respool_cache_cpu);
	if (!cache->cpus)
		return -ENOMEM;
	cache->high = min_t(u64, objects, RESPOOL_CACHE_MAGAZINE);
	cache->fill = min_t(u32, DIV_ROUND_UP(cache->high, 2), FILL);
	cache->drain = min_t(u32, cache->fill, BATCH);
	return 0;
}

/* Of a cache that is not registered, or not any more. */
static void release_cache(struct respool_cache *cache)
{
	respool_put(cache->pool);
	free_percpu(cache->cpus);
	kvfree(cache->footprint);
	kfree(cache);
}

/**
 * respool_cache_create() - Make a cache of objects on a pool.
 * @pool: handle; not needed any more once the call returns
 * @name: name of the cache, 1 to 31 of A-Z a-z 0-9 _ . -, not "." or ".."
 * @size: bytes of an object, 1..65536
 * @align: what its address is a multiple of, a power of two, in bytes up to
 *	4096; 0 and what is below 8 mean 8. It aligns the physical address, too.
 * @ctor: constructor, or %NULL
 *
 * An object takes @size bytes, rounded up to @align, and two bits at the start
 * of its run of 2^n pages; the smallest run that has 16 objects and loses no
 * more than a 16th, or else the largest that the pool has, up to 1 MiB.
 *
 * @ctor is called once for each object when its run is taken from the page
 * layer, with no lock held, in the context of the call that took it: it must not
 * sleep. Between two users an object stays as it is, so one that is given back
 * as it was constructed need not be made ready again.
 *
 * The cache takes memory when it is first asked for an object, on an account
 * of its own, "cache:" and @name.
 *
 * Context: Process context, may sleep.
 * Return: the cache, or ERR_PTR: -EINVAL for a bad name, size or alignment,
 * -E2BIG if no run of @pool has room for such an object, -EOPNOTSUPP if there
 * is no memory behind @pool's addresses, -EEXIST if it has a cache of that
 * name, -ENOMEM, or what respool_get_as() says.
 */
struct respool_cache *respool_cache_create(struct respool *pool, const char *name, size_t size,
					   size_t align, void (*ctor)(void *object))
{
	struct respool_cache *cache;
	int error;

	if (!pool || !name || !respool_name_valid(name))
		return ERR_PTR(-EINVAL);
	if (!respool_has_memory(pool))
		return ERR_PTR(-EOPNOTSUPP);
	cache = kzalloc(sizeof(*cache), GFP_KERNEL);
	if (!cache)
		return ERR_PTR(-ENOMEM);
	strscpy(cache->name, name, sizeof(cache->name));
	cache->size = size;
	cache->ctor = ctor;
	raw_spin_lock_init(&cache->lock);
	error = init_objects(cache, pool, align);
	if (!error)
		error = init_magazines(cache, pool);
	if (error)
		goto err_release;
	error = open_account(cache, pool);
	if (error) {
		cache->pool = NULL;
		goto err_release;
	}
	error = register_cache(cache);
	if (error)
		goto err_release;
	cache->debugfs = respool_cache_debugfs_add(cache, respool_debugfs_caches(pool));
	return cache;

err_release:
	release_cache(cache);
	return ERR_PTR(error);
}
EXPORT_SYMBOL_GPL(respool_cache_create);

/* Say how many objects of a cache without magazines are live, and where some are. */
static void report_live(const struct respool_cache *cache)
{
	const struct respool_objects *o = &cache->objects;
	u64 live = o->runs * o->per_run - o->nr_free;
	const void *named[NAMED_OBJECTS];
	struct respool_object_row row = {};
	char text[NAMED_OBJECTS * 24] = "";
	u32 nr = 0, len = 0, i;

	if (!live)
		return;
	while (nr < NAMED_OBJECTS && respool_objects_run_after(o, row.run, &row))
		nr += respool_objects_live_in(o, row.run, named + nr, NAMED_OBJECTS - nr);
	for (i = 0; i < nr; i++)
		len += scnprintf(text + len, sizeof(text) - len, " %ld",
				 respool_cache_offset(cache, named[i]));
	pr_err("cache %s: destroyed with %llu objects of %zu bytes still live, at offsets%s%s\n",
	       cache->name, live, cache->size, text, live > nr ? " ..." : "");
}

/**
 * respool_cache_destroy() - End a cache.
 * @cache: cache, or %NULL; nobody may use it any more
 *
 * Never fails. Objects still live are reported, the first of them by their
 * offsets in the pool; they stay valid, and their runs stay allocated, which
 * keeps respool.ko from being unloaded. So do runs that are out of service.
 *
 * Context: Process context, may sleep.
 */
void respool_cache_destroy(struct respool_cache *cache)
{
	if (!cache)
		return;
	debugfs_remove(cache->debugfs);
	unregister_cache(cache);
	shrink(cache, _RET_IP_);
	report_live(cache);
	release_cache(cache);
}
EXPORT_SYMBOL_GPL(respool_cache_destroy);
