// SPDX-License-Identifier: GPL-2.0
/*
 * Caches: objects of one size for those who know their size. A lock, what each CPU
 * keeps, counting and reporting around the core in objects.c.
 *
 * A cache is a client of the public page API, with an account of its own named
 * "cache:NAME". Its runs are blocks of the page layer.
 *
 * An object is given and ended (its live bit set and cleared) by who holds the
 * share of the CPU that it is popped from or given back on, or cache->lock if
 * neither is a CPU's. So who holds them all sees every object free, live, returned
 * to its run, or with a CPU.
 *
 * Lock order: a CPU's share (cachecpu.h), cache->lock, the page layer's.
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

/* Objects of a magazine that go back under one hold of the lock, at most. */
#define BATCH		32

/*
 * What one CPU may keep in its magazine: so many bytes, and no more than its share of
 * this part of the pool; and as much again of a run. Nothing is lost by it, but an
 * object with a CPU keeps its run.
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
	u32 fill;				/* I: objects taken from a run at a time, at most */
	void (*ctor)(void *object);		/* I */
	struct respool_objects objects;		/* L, but for what its header calls lock-free */

	raw_spinlock_t lock ____cacheline_aligned_in_smp;
	u64 peak_runs;				/* L */
	u64 runs_taken;				/* L */
	u64 runs_returned;			/* L */
	/* Objects that no CPU's share had to do with. */
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

/* Take up to @nr objects of a word, which has none. */
static u32 take_locked(struct respool_cache *cache, struct respool_object_word *word, u32 nr,
		       struct loss *loss)
{
	u32 got = respool_objects_take_word(&cache->objects, word, nr);

	if (salvage_locked(cache, loss) && !got)
		got = respool_objects_take_word(&cache->objects, word, nr);
	return got;
}

/* What is left of a word goes back, or is dropped if its run is out of service. */
static void put_word_locked(struct respool_cache *cache, struct respool_object_word *word,
			    struct loss *loss)
{
	if (!word->out)
		return;
	/* It may have been another run that was damaged: that of a link. */
	if (!respool_objects_put_word(&cache->objects, word) && salvage_locked(cache, loss))
		respool_objects_put_word(&cache->objects, word);
	salvage_locked(cache, loss);
	word->out = 0;
}

/* An object that is out goes back, or is dropped if its run is out of service. */
static void put_locked(struct respool_cache *cache, const void *object, struct loss *loss)
{
	if (unlikely(!respool_objects_put(&cache->objects, object)))
		respool_objects_blame(&cache->objects, object);
	salvage_locked(cache, loss);
}

static int free_locked(struct respool_cache *cache, const void *addr, struct loss *loss)
{
	struct respool_objects *o = &cache->objects;
	bool news;
	int error;

	if (likely(respool_object_return(o, addr, &news))) {
		if (news)
			respool_objects_notice(o, addr);
		salvage_locked(cache, loss);
		cache->frees++;
		return 0;
	}
	error = respool_objects_why_not(o, addr);
	blame_locked(cache, addr, loss);
	/* Nothing wrong: it was freed, and has been given again meanwhile. */
	return error ? error : -EALREADY;
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

/* A new run, made ready with no lock held; %NULL if the pool has none. */
static void *take_run(struct respool_cache *cache, gfp_t gfp)
{
	void *run = respool_alloc_pages(cache->pool, run_order(cache), gfp & __GFP_HIGH);

	if (!run)
		return NULL;
	trace_respool_run_taken(cache->pool, run, 1UL << run_order(cache));
	construct(cache, run);
	return run;
}

static void add_run_locked(struct respool_cache *cache, void *run)
{
	const struct respool_objects *o = &cache->objects;

	respool_objects_add(&cache->objects, run);
	cache->runs_taken++;
	cache->peak_runs = max(cache->peak_runs, o->runs + o->retired_runs);
}

/* What a CPU keeps */

/* Up to @nr objects of a magazine go back, the youngest. */
static void drain(struct respool_cache *cache, struct respool_cache_cpu *cpu, u32 nr,
		  struct loss *loss)
{
	struct respool_object_run *gone;
	unsigned long flags;

	raw_spin_lock_irqsave(&cache->lock, flags);
	while (cpu->nr && nr--)
		put_locked(cache, cpu->object[--cpu->nr], loss);
	if (!cpu->nr)
		put_word_locked(cache, &cpu->word, loss);
	gone = collect_empty_locked(cache, 1);
	salvage_locked(cache, loss);
	raw_spin_unlock_irqrestore(&cache->lock, flags);
	return_runs(cache, gone);
}

static bool has_objects(const struct respool_cache_cpu *cpu)
{
	return cpu->nr || cpu->word.out;
}

static void drain_cpu(struct respool_cache *cache, unsigned int i, struct loss *loss)
{
	struct respool_cache_cpu *cpu = per_cpu_ptr(cache->cpus, i);

	preempt_disable();
	if (respool_cpu_lock_claim(&cpu->lock, i)) {
		while (has_objects(cpu))
			drain(cache, cpu, BATCH, loss);
		respool_cpu_unlock(&cpu->lock);
	}
	preempt_enable();
}

static __always_inline void release(struct respool_cache_cpu *cpu)
{
	respool_cpu_unlock(&cpu->lock);
	preempt_enable();
}

/* Hold all CPUs' shares still, to count them. Task context; preemption is off until unlock. */
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

/* Empty them all. With interrupts or softirqs off, one that is held is passed over. */
static void drain_cpus(struct respool_cache *cache, struct loss *loss)
{
	unsigned int i;

	for_each_possible_cpu(i)
		drain_cpu(cache, i, loss);
}

/*
 * The youngest object of the magazine, or one of the word if there is none. %NULL: there
 * is none either, or that object's run is damaged.
 */
static __always_inline void *pop(struct respool_cache *cache, struct respool_cache_cpu *cpu)
{
	void *object;

	if (likely(cpu->nr)) {
		object = cpu->object[cpu->nr - 1];
		if (unlikely(!respool_object_give(&cache->objects, object)))
			return NULL;
		cpu->nr--;
	} else {
		object = cpu->word.out ? respool_object_pop(&cache->objects, &cpu->word) : NULL;
		if (unlikely(!object))
			return NULL;
	}
	cpu->allocations++;
	return object;
}

/* What pop() found damaged goes out of service, and objects of its run with it. */
static void drop(struct respool_cache *cache, struct respool_cache_cpu *cpu, struct loss *loss)
{
	unsigned long flags;
	const void *object = cpu->nr ? cpu->object[cpu->nr - 1] : cpu->word.first;

	raw_spin_lock_irqsave(&cache->lock, flags);
	blame_locked(cache, object, loss);
	raw_spin_unlock_irqrestore(&cache->lock, flags);
	if (cpu->nr)
		cpu->nr--;
	else
		cpu->word.out = 0;
}

/* Have objects in the word again, of the runs and of @run, a new one, unless that is %NULL. */
static bool fill(struct respool_cache *cache, struct respool_cache_cpu *cpu, void *run,
		 struct loss *loss)
{
	unsigned long flags;

	raw_spin_lock_irqsave(&cache->lock, flags);
	if (run)
		add_run_locked(cache, run);
	if (!cpu->word.out)
		take_locked(cache, &cpu->word, cache->fill, loss);
	raw_spin_unlock_irqrestore(&cache->lock, flags);
	return has_objects(cpu);
}

/* Allocate from what this CPU keeps, which is filled if need be. It is held. */
static void *alloc_held(struct respool_cache *cache, struct respool_cache_cpu *cpu, void *run,
			struct loss *loss)
{
	void *object = NULL;

	if (run)
		fill(cache, cpu, run, loss);
	while (!object && (has_objects(cpu) || fill(cache, cpu, NULL, loss))) {
		object = pop(cache, cpu);
		if (unlikely(!object))
			drop(cache, cpu, loss);
	}
	return object;
}

/* The same past the CPU. */
static void *alloc_past(struct respool_cache *cache, void *run, struct loss *loss)
{
	struct respool_object_word word;
	unsigned long flags;
	void *object = NULL;

	raw_spin_lock_irqsave(&cache->lock, flags);
	if (run)
		add_run_locked(cache, run);
	if (take_locked(cache, &word, 1, loss)) {
		object = respool_object_pop(&cache->objects, &word);
		if (unlikely(!object))
			blame_locked(cache, word.first, loss);
		cache->allocations += !!object;
	}
	raw_spin_unlock_irqrestore(&cache->lock, flags);
	return object;
}

/*
 * An object of this CPU, of the runs, or of @run, a new one, unless that is %NULL: then
 * there is one for certain, as nobody else can have had all of it.
 */
static void *alloc_here(struct respool_cache *cache, void *run, struct loss *loss)
{
	struct respool_cache_cpu *cpu;
	void *object;

	preempt_disable();
	cpu = this_cpu_ptr(cache->cpus);
	if (cache->high && respool_cpu_lock_try(&cpu->lock)) {
		object = alloc_held(cache, cpu, run, loss);
		respool_cpu_unlock(&cpu->lock);
	} else {
		object = alloc_past(cache, run, loss);
	}
	preempt_enable();
	return object;
}

static void *alloc_with_run(struct respool_cache *cache, gfp_t gfp, struct loss *loss)
{
	void *run = take_run(cache, gfp);

	return run ? alloc_here(cache, run, loss) : NULL;
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
 * An object from the first of these that has one: this CPU and the runs, a new run, the
 * other CPUs, a run that another cache does not need.
 */
static void *alloc_somewhere(struct respool_cache *cache, gfp_t gfp, struct loss *loss,
			     unsigned long caller)
{
	void *object = alloc_here(cache, NULL, loss);

	if (!object)
		object = alloc_with_run(cache, gfp, loss);
	if (!object) {
		drain_cpus(cache, loss);
		object = alloc_here(cache, NULL, loss);
	}
	if (!object) {
		shrink_others(cache, caller);
		object = alloc_with_run(cache, gfp, loss);
	}
	return object;
}

/* Allocation */

static noinline void *alloc_slow(struct respool_cache *cache, gfp_t gfp, unsigned long caller)
{
	struct loss loss = {};
	void *object;

	if (refuse_flags(cache, gfp, caller))
		return NULL;
	object = alloc_somewhere(cache, gfp, &loss, caller);
	if (object)
		trace_respool_cache_alloc(cache->pool, object, cache->size, caller);
	else
		fail_request(cache, caller);
	report_loss(cache, &loss, 0, "allocation", caller);
	if (object && gfp & __GFP_ZERO)
		memset(object, 0, cache->objects.stride);
	return object;
}

static __always_inline void *alloc_object(struct respool_cache *cache, gfp_t gfp,
					  unsigned long caller)
{
	struct respool_cache_cpu *cpu;
	void *object;

	/* What is traced goes the slow way. */
	if (trace_respool_cache_alloc_enabled() || unlikely(gfp & __GFP_ZERO))
		return alloc_slow(cache, gfp, caller);
	preempt_disable();
	cpu = this_cpu_ptr(cache->cpus);
	if (respool_cpu_lock_try(&cpu->lock)) {
		object = pop(cache, cpu);
		if (likely(object)) {
			release(cpu);
			return object;
		}
		respool_cpu_unlock(&cpu->lock);
	}
	preempt_enable();
	return alloc_slow(cache, gfp, caller);
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
 * an object that this CPU keeps; else at most 8 runs are looked at to have more of
 * those, and then one run taken from the page layer and constructed: 512 objects
 * at most. Before a call fails, what each possible CPU keeps goes back, up to 192
 * objects, of this cache and then of the others on the pool. Only a call that
 * meets damaged data does more: it walks the runs to take those out of service
 * that are damaged.
 *
 * Context: Any context except NMI. Takes the cache's lock, and the pool's, with
 * interrupts off. Never sleeps.
 * Return: the object, or %NULL.
 */
void *respool_cache_alloc(struct respool_cache *cache, gfp_t gfp)
{
	return alloc_object(cache, gfp, _RET_IP_);
}
EXPORT_SYMBOL_GPL(respool_cache_alloc);

/**
 * respool_cache_alloc_bulk() - Allocate several objects.
 * @cache: cache to allocate from
 * @nr: how many
 * @objects: receives their addresses
 * @gfp: as in respool_cache_alloc()
 *
 * Does what as many calls of respool_cache_alloc() would do.
 *
 * Context: as respool_cache_alloc().
 * Return: how many objects there were to give, 0..@nr; they stay allocated.
 */
unsigned int respool_cache_alloc_bulk(struct respool_cache *cache, unsigned int nr,
				      void **objects, gfp_t gfp)
{
	unsigned int got;

	for (got = 0; got < nr; got++) {
		objects[got] = alloc_object(cache, gfp, _RET_IP_);
		if (!objects[got])
			break;
	}
	return got;
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

/* @addr was returned to its run, and that was news: runs that are empty go back, but one. */
static noinline int free_noticed(struct respool_cache *cache, const void *addr,
				 unsigned long caller)
{
	struct respool_object_run *gone;
	struct loss loss = {};
	unsigned long flags;

	raw_spin_lock_irqsave(&cache->lock, flags);
	respool_objects_notice(&cache->objects, addr);
	gone = collect_empty_locked(cache, 1);
	salvage_locked(cache, &loss);
	raw_spin_unlock_irqrestore(&cache->lock, flags);
	return_runs(cache, gone);
	report_loss(cache, &loss, 0, "free", caller);
	return 0;
}

static noinline int free_slow(struct respool_cache *cache, void *addr, unsigned long caller)
{
	struct respool_object_run *gone;
	struct loss loss = {};
	unsigned long flags;
	int error;

	if (!addr)
		return 0;
	if (trace_respool_cache_free_enabled())
		trace_free(cache, addr, caller);
	raw_spin_lock_irqsave(&cache->lock, flags);
	error = free_locked(cache, addr, &loss);
	gone = collect_empty_locked(cache, 1);
	salvage_locked(cache, &loss);
	raw_spin_unlock_irqrestore(&cache->lock, flags);
	return_runs(cache, gone);
	report_loss(cache, &loss, error, "free", caller);
	return error ? refuse_address(cache, addr, error, caller) : 0;
}

/*
 * The live object at @object ends its life. It goes into this CPU's magazine or, if that
 * is full, into its run.
 */
static __always_inline int free_object(struct respool_cache *cache, void *object,
				       unsigned long caller)
{
	struct respool_object_run *run;
	struct respool_cache_cpu *cpu;
	bool news;
	u64 index;

	if (trace_respool_cache_free_enabled())
		return free_slow(cache, object, caller);
	preempt_disable();
	cpu = this_cpu_ptr(cache->cpus);
	if (respool_cpu_lock_try(&cpu->lock)) {
		if (likely(respool_object_end(&cache->objects, object, &run, &index))) {
			cpu->frees++;
			if (likely(cpu->nr < cache->high)) {
				cpu->object[cpu->nr++] = object;
				release(cpu);
				return 0;
			}
			news = respool_object_hand_back(run, index);
			release(cpu);
			return unlikely(news) ? free_noticed(cache, object, caller) : 0;
		}
		respool_cpu_unlock(&cpu->lock);
	}
	preempt_enable();
	return free_slow(cache, object, caller);
}

/**
 * respool_cache_free() - Give an object back.
 * @cache: cache the object is from
 * @object: the object, or %NULL; with a constructor, in the state that one left
 *
 * It goes into this CPU's magazine or, if that is full, back into its run, which
 * for most objects takes no lock. Runs that become empty go to the page layer, but one
 * that is kept warm. Until the object is allocated again nothing of it is changed. A
 * mistake is refused, counted, logged once, and changes nothing.
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
	return free_object(cache, object, _RET_IP_);
}
EXPORT_SYMBOL_GPL(respool_cache_free);

/**
 * respool_cache_free_bulk() - Give several objects back.
 * @cache: cache the objects are from
 * @nr: how many
 * @objects: their addresses; those freed become %NULL
 *
 * Does what as many calls of respool_cache_free() would do.
 *
 * Context: as respool_cache_free().
 * Return: how many were refused; each is counted and reported as by
 * respool_cache_free().
 */
unsigned int respool_cache_free_bulk(struct respool_cache *cache, unsigned int nr, void **objects)
{
	unsigned int refused = 0, i;

	for (i = 0; i < nr; i++) {
		if (free_object(cache, objects[i], _RET_IP_))
			refused++;
		else
			objects[i] = NULL;
	}
	return refused;
}
EXPORT_SYMBOL_GPL(respool_cache_free_bulk);

/**
 * respool_cache_shrink() - Give back what nobody uses.
 * @cache: cache
 *
 * Takes back what all CPUs keep and gives all empty runs back to the page layer,
 * the warm one, too. Sends no interrupts. A cache that runs short does
 * this to the others on its pool; allocations of pages and of slabs do not.
 *
 * Context: Any context except NMI; with interrupts or softirqs off, a CPU that
 * does not leave its share within some microseconds is passed over. Never
 * sleeps.
 */
void respool_cache_shrink(struct respool_cache *cache)
{
	shrink(cache, _RET_IP_);
}
EXPORT_SYMBOL_GPL(respool_cache_shrink);

/* @cpu is gone and keeps nothing any more. */
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

	/* Objects of runs that went out of service may be left with a CPU. */
	if (unlikely(cache->objects.retired_runs))
		for (i = 0; i < cpu->nr; i++)
			cached -= !knows(cache, cpu->object[i]);
	if (cpu->word.out && knows(cache, cpu->word.run))
		cached += hweight64(cpu->word.out);
	return cached;
}

/* What all CPUs keep, and what passed by them. Those and the cache's lock are held. */
static void read_cpus_locked(const struct respool_cache *cache, struct respool_cache_stats *stats)
{
	const struct respool_cache_cpu *cpu;
	unsigned int i;

	stats->allocations = cache->allocations;
	stats->frees = cache->frees;
	for_each_possible_cpu(i) {
		cpu = per_cpu_ptr(cache->cpus, i);
		stats->cached_objects += cached_objects(cache, cpu);
		stats->allocations += cpu->allocations;
		stats->frees += cpu->frees;
	}
	stats->live_objects = stats->allocations - stats->frees;
	/* What those runs had is neither live nor was given back. */
	if (unlikely(cache->objects.retired_runs))
		stats->live_objects = respool_objects_count_live(&cache->objects);
}

static void read_runs_locked(const struct respool_cache *cache, struct respool_cache_stats *stats)
{
	const struct respool_objects *o = &cache->objects;

	stats->held_pages = (o->runs + o->retired_runs) << run_order(cache);
	stats->peak_held_pages = cache->peak_runs << run_order(cache);
	stats->runs = o->runs;
	stats->empty_runs = o->empty_runs;
	stats->damaged_runs = o->retired_runs;
	stats->runs_taken = cache->runs_taken;
	stats->runs_returned = cache->runs_returned;
}

/**
 * respool_cache_stats() - Read a cache's statistics.
 * @cache: cache
 * @stats: where they go; see &struct respool_cache_stats
 *
 * All numbers but the failures and refusals are of one moment, so that sums
 * add up.
 *
 * Context: Process context. Holds every CPU's share and the cache's lock, with
 * interrupts off, for a time in proportion to the number of CPUs and, if there are
 * runs out of service, to the pool's pages. Does not sleep.
 */
void respool_cache_stats(struct respool_cache *cache, struct respool_cache_stats *stats)
{
	const struct respool_objects *o = &cache->objects;
	unsigned long flags;

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
	read_cpus_locked(cache, stats);
	raw_spin_unlock_irqrestore(&cache->lock, flags);
	unlock_cpus(cache);

	stats->free_objects = stats->runs * o->per_run - stats->live_objects -
			      stats->cached_objects;
	stats->overhead_bytes = (stats->held_pages << PAGE_SHIFT) -
				stats->runs * o->per_run * o->stride;
}
EXPORT_SYMBOL_GPL(respool_cache_stats);

/* What the runs say is live or with a CPU must be what the CPUs say. */
static const char *check_cpus(const struct respool_cache *cache)
{
	struct respool_cache_stats stats = {};
	struct respool_object_row row = {};
	u64 out = 0, live = 0;

	while (respool_objects_run_after(&cache->objects, row.run, &row)) {
		out += row.out;
		live += row.live;
	}
	read_cpus_locked(cache, &stats);
	if (out != stats.cached_objects)
		return "what the CPUs keep differs from what is out of the runs";
	if (live != stats.live_objects)
		return "live objects are not those handed out and not given back";
	return NULL;
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
 * Context: Process context, for diagnosis: holds every CPU's share and the
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
		broken = check_cpus(cache);
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

static int init_cpus(struct respool_cache *cache, const struct respool *pool)
{
	u64 share = ((u64)respool_nr_pages(pool) << PAGE_SHIFT) / POOL_SHARE / num_possible_cpus();
	u64 objects = min_t(u64, share, CPU_BYTES) / cache->objects.stride;

	cache->cpus = alloc_percpu(struct respool_cache_cpu);
	if (!cache->cpus)
		return -ENOMEM;
	cache->high = min_t(u64, objects, RESPOOL_CACHE_MAGAZINE);
	cache->fill = min_t(u32, cache->high, RESPOOL_WORD_OBJECTS);
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
 * An object takes @size bytes, rounded up to @align, and three bits at the start
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
		error = init_cpus(cache, pool);
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

/* Say how many objects of a cache that ends are live, and where some are. */
static void report_live(const struct respool_cache *cache)
{
	const struct respool_objects *o = &cache->objects;
	u64 live = respool_objects_count_live(o);
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
