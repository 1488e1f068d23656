// SPDX-License-Identifier: GPL-2.0
/*
 * Per-CPU magazines in front of a slab's free list: blocks that are used as far
 * as the free list knows and free as far as anybody else does.
 *
 * How much they may keep follows from how much the slab holds, so that they cost
 * little of it. What the slab holds goes back to the page layer for all that:
 * before the last block that somebody holds is given back, somebody looks, and
 * then all magazines are emptied.
 */
#include <linux/cpumask.h>
#include <linux/math64.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/preempt.h>
#include <linux/sizes.h>
#include <linux/slab.h>

#include "slab/magazine.h"

/* The most that one magazine keeps: bytes, unless that is too few blocks; blocks. */
#define MAGAZINE_BYTES	8192
#define MIN_BLOCKS	2
#define MAX_BLOCKS	31

/* One magazine keeps no more than one block or this part of what the slab holds. */
#define HELD_SHARE	512

/* Blocks that go one way or the other under one hold of the slab's lock. */
#define BATCH		8

/*
 * A CPU whose magazines keep more than this part of what the slab holds gives
 * so many blocks back before that grows.
 */
#define CACHED_SHARE	128
#define SHRINK		8

/* Frees into a rack before somebody looks, at most. */
#define MAX_FREES	64

/* A slab that holds more gives back what it can when it is mostly free. */
#define LARGE_SLAB	SZ_256K

/* Geometry */

static unsigned int magazine_size(size_t bytes)
{
	return clamp_t(size_t, MAGAZINE_BYTES / bytes, MIN_BLOCKS, MAX_BLOCKS);
}

/* Size of the blocks of the magazine after the one of blocks of @bytes. */
static size_t next_bytes(size_t bytes)
{
	size_t step = RESPOOL_BLOCK_ALIGN;

	while (64 * step + RESPOOL_BLOCK_ALIGN <= bytes)
		step *= 2;
	return bytes + step;
}

#define for_each_size(bytes)							\
	for ((bytes) = RESPOOL_BLOCK_MIN; (bytes) <= RESPOOL_CACHED_BYTES;	\
	     (bytes) = next_bytes(bytes))

static size_t magazine_bytes(unsigned int size)
{
	return sizeof(struct respool_slab_magazine) + size * sizeof(void *);
}

/* Where each magazine lies in a rack, and which sizes are its; returns the rack's bytes. */
static size_t lay_out(struct respool_racks *r, bool on)
{
	u16 empty = offsetof(struct respool_rack, magazine);
	size_t bytes, cells, next = 0, end = empty + magazine_bytes(0);

	for (cells = 0; cells <= RESPOOL_CACHED_CELLS; cells++) {
		r->serving[cells] = empty;
		r->taking[cells] = empty;
	}
	if (!on)
		return end;
	for_each_size(bytes) {
		r->offset[r->magazines++] = end;
		r->taking[bytes >> RESPOOL_CELL_SHIFT] = end;
		for (; next <= bytes >> RESPOOL_CELL_SHIFT; next++)
			r->serving[next] = end;
		end += magazine_bytes(magazine_size(bytes));
	}
	return end;
}

#define for_each_magazine(i, magazine, r, rack)					\
	for ((i) = (r)->magazines;						\
	     (i)-- && ((magazine) = respool_magazine_at(rack, (r)->offset[i]));)

static struct respool_rack *rack_of(struct respool_racks *r, unsigned int cpu)
{
	return *per_cpu_ptr(r->rack, cpu);
}

static int make_rack(struct respool_racks *r, size_t rack_bytes, unsigned int cpu)
{
	struct respool_rack *rack = kvzalloc_node(rack_bytes, GFP_KERNEL, cpu_to_node(cpu));
	struct respool_slab_magazine *magazine;
	size_t bytes;

	if (!rack)
		return -ENOMEM;
	*per_cpu_ptr(r->rack, cpu) = rack;
	for_each_size(bytes) {
		if (!r->magazines)
			break;
		magazine = respool_magazine_at(rack, r->taking[bytes >> RESPOOL_CELL_SHIFT]);
		magazine->size = magazine_size(bytes);
		magazine->max = 1;
		magazine->bytes = bytes;
	}
	return 0;
}

/* Racks before @runs, which @lock guards; or, unless @on, none that hold anything. */
int respool_racks_init(struct respool_racks *r, struct respool_runs *runs, raw_spinlock_t *lock,
		       bool on)
{
	size_t rack_bytes = lay_out(r, on);
	unsigned int cpu;
	int error = 0;

	r->freelist = runs->freelist;
	r->runs = runs;
	r->lock = lock;
	r->rack = alloc_percpu(struct respool_rack *);
	if (!r->rack)
		return -ENOMEM;
	for_each_possible_cpu(cpu) {
		error = make_rack(r, rack_bytes, cpu);
		if (error)
			break;
	}
	if (error)
		respool_racks_destroy(r);
	return error;
}

void respool_racks_destroy(struct respool_racks *r)
{
	unsigned int cpu;

	if (!r->rack)
		return;
	for_each_possible_cpu(cpu)
		kvfree(rack_of(r, cpu));
	free_percpu(r->rack);
	r->rack = NULL;
}

/* Taking racks from elsewhere */

static void release_racks(struct respool_racks *r, unsigned int end)
{
	unsigned int cpu;

	for_each_possible_cpu(cpu)
		if (cpu < end)
			respool_cpu_unlock(&rack_of(r, cpu)->lock);
	preempt_enable();
}

/* Hold all of them, with preemption off from then on; or none, false. */
bool respool_racks_try_hold(struct respool_racks *r)
{
	unsigned int cpu;

	preempt_disable();
	for_each_possible_cpu(cpu) {
		if (respool_cpu_lock_claim(&rack_of(r, cpu)->lock, cpu))
			continue;
		release_racks(r, cpu);
		return false;
	}
	return true;
}

/* Hold all racks still, to count what is in them. Task context. */
void respool_racks_hold(struct respool_racks *r)
{
	might_sleep();
	respool_racks_try_hold(r);
}

/* Blocks in a rack; about as many if it is not held. */
static u64 cached_in(const struct respool_rack *rack)
{
	return READ_ONCE(rack->moved) + READ_ONCE(rack->frees) - READ_ONCE(rack->allocations);
}

/* All racks are held. */
void respool_racks_count(struct respool_racks *r, struct respool_racks_sum *sum)
{
	struct respool_slab_magazine *magazine;
	struct respool_rack *rack;
	unsigned int cpu, i, j;

	memset(sum, 0, sizeof(*sum));
	for_each_possible_cpu(cpu) {
		rack = rack_of(r, cpu);
		sum->allocations += rack->allocations;
		sum->frees += rack->frees;
		sum->cached_blocks += cached_in(rack);
		for_each_magazine(i, magazine, r, rack)
			for (j = 0; j < magazine->nr; j++)
				sum->cached_bytes += respool_block_bytes(magazine->block[j]) -
						     RESPOOL_BLOCK_HEADER;
	}
}

/* The locked half: under the slab's lock, and, where one is named, with a rack held */

static int put_locked(struct respool_racks *r, void *block)
{
	struct respool_run *empty;
	int error = respool_freelist_put(r->freelist, block, &empty);

	if (!error)
		respool_runs_settle(r->runs, empty);
	return error;
}

/* Give up to @nr blocks back, the oldest; the youngest take their place. */
static unsigned int drain_locked(struct respool_racks *r, struct respool_rack *rack,
				 struct respool_slab_magazine *magazine, unsigned int nr)
{
	unsigned int done = 0, left;

	while (done < nr && done < magazine->nr && !put_locked(r, magazine->block[done]))
		done++;
	left = magazine->nr - done;
	memmove(magazine->block, magazine->block + max(left, done),
		min(left, done) * sizeof(magazine->block[0]));
	magazine->nr = left;
	rack->moved -= done;
	return done;
}

/* How much a magazine may keep follows what the slab holds. */
static void adjust_locked(struct respool_racks *r, struct respool_slab_magazine *magazine)
{
	u64 share = r->freelist->held_bytes / HELD_SHARE;

	magazine->max = clamp_t(u64, share / magazine->bytes, 1, magazine->size);
}

/* Blocks that somebody holds; about as many, as others take and give meanwhile. */
static u64 count_live(struct respool_racks *r)
{
	s64 live = r->freelist->live_blocks;
	unsigned int cpu;

	for_each_possible_cpu(cpu)
		live -= cached_in(rack_of(r, cpu));
	return max_t(s64, live, 0);
}

/* From now on no more than @frees may pass on any CPU before somebody looks. */
static void limit_frees(struct respool_racks *r, long frees)
{
	unsigned int cpu;

	for_each_possible_cpu(cpu)
		if (READ_ONCE(rack_of(r, cpu)->frees_left) > frees)
			WRITE_ONCE(rack_of(r, cpu)->frees_left, frees);
}

/*
 * Say how many frees into racks may pass before the next look, by when it
 * cannot yet be that nobody holds anything. With nothing but a run that may be
 * kept anyway there is nothing to look for. Returns whether all magazines should
 * be emptied: if nobody holds anything, or a large slab is mostly free and what
 * is cached might keep runs from going back.
 */
static bool look_locked(struct respool_racks *r, struct respool_rack *rack)
{
	const struct respool_freelist *f = r->freelist;
	u64 live;
	long left;

	if (respool_runs_few(r->runs)) {
		WRITE_ONCE(rack->frees_left, MAX_FREES);
		return false;
	}
	live = count_live(r);
	/* If each CPU sees so many, one block is still left. */
	left = min_t(u64, live ? div_u64(live - 1, num_online_cpus()) : 0, MAX_FREES);
	limit_frees(r, left);
	WRITE_ONCE(rack->frees_left, left);
	return !live || (f->held_bytes > LARGE_SLAB && f->free_bytes > f->held_bytes / 2);
}

/* Take a run and serve from it. One that may not be kept is to be looked for. */
static int grow_locked(struct respool_racks *r, size_t size, size_t align, void **block)
{
	bool few = respool_runs_few(r->runs);
	int error = respool_runs_grow(r->runs, size, align, block);

	if (few && !respool_runs_few(r->runs))
		limit_frees(r, 0);
	return error;
}

static u64 cached_bytes_in(struct respool_racks *r, struct respool_rack *rack)
{
	struct respool_slab_magazine *magazine;
	unsigned int i;
	u64 bytes = 0;

	for_each_magazine(i, magazine, r, rack)
		bytes += magazine->nr * magazine->bytes;
	return bytes;
}

/*
 * Before the slab grows, this CPU gives some of what it keeps back if that is
 * much, large blocks first.
 */
static bool shrink_locked(struct respool_racks *r, struct respool_rack *rack)
{
	struct respool_slab_magazine *magazine;
	unsigned int left = SHRINK, i;

	if (cached_bytes_in(r, rack) < r->freelist->held_bytes / CACHED_SHARE)
		return false;
	for_each_magazine(i, magazine, r, rack) {
		if (magazine->nr)
			left -= drain_locked(r, rack, magazine, left);
		if (!left)
			break;
	}
	return left < SHRINK;
}

/* From the free list, with what this CPU's @rack gives back if need be; NULL gives nothing. */
static int alloc_locked(struct respool_racks *r, struct respool_rack *rack, size_t size,
			size_t align, void **block)
{
	int error = respool_freelist_alloc(r->freelist, size, align, block);

	if (error == -ENOMEM && rack && shrink_locked(r, rack))
		error = respool_freelist_alloc(r->freelist, size, align, block);
	if (error == -ENOMEM)
		error = grow_locked(r, size, align, block);
	if (!error)
		r->allocations++;
	return error;
}

/* Fill an empty magazine. */
static unsigned int fill_locked(struct respool_racks *r, struct respool_rack *rack,
				struct respool_slab_magazine *magazine)
{
	unsigned int nr;

	adjust_locked(r, magazine);
	nr = clamp(magazine->max / 2, 1, BATCH);
	magazine->nr = respool_freelist_take(r->freelist, magazine->bytes, nr,
					     magazine->block);
	rack->moved += magazine->nr;
	return magazine->nr;
}

/* The youngest block; if it is not what it should be, it is damaged. */
static int pop_locked(struct respool_racks *r, struct respool_rack *rack,
		      struct respool_slab_magazine *magazine, void **block)
{
	*block = magazine->block[magazine->nr - 1];
	if (!respool_block_give(*block, magazine->bytes)) {
		r->freelist->damage = respool_header_of(*block);
		return -EUCLEAN;
	}
	magazine->nr--;
	rack->allocations++;
	return 0;
}

static int serve_locked(struct respool_racks *r, struct respool_rack *rack,
			struct respool_slab_magazine *magazine, void **block)
{
	if (magazine->nr || fill_locked(r, rack, magazine))
		return pop_locked(r, rack, magazine, block);
	if (r->freelist->damage)
		return -EUCLEAN;
	return alloc_locked(r, rack, magazine->bytes - RESPOOL_BLOCK_HEADER, RESPOOL_BLOCK_ALIGN,
			    block);
}

/* Calls */

static struct respool_slab_magazine *serving(struct respool_racks *r, struct respool_rack *rack,
					     size_t size, size_t align)
{
	if (size > RESPOOL_CACHED_MAX || align > RESPOOL_BLOCK_ALIGN)
		return (void *)rack->magazine;
	return respool_magazine_at(rack, r->serving[respool_cells_of(size)]);
}

/*
 * Where the rack as it is cannot serve: a batch for it, or one block from the
 * free list. Errors are the free list's.
 */
int respool_racks_alloc(struct respool_racks *r, size_t size, size_t align, void **block)
{
	struct respool_slab_magazine *magazine;
	struct respool_rack *rack;
	unsigned long flags;
	bool held;
	int error;

	preempt_disable();
	rack = __this_cpu_read(*r->rack);
	held = respool_cpu_lock_try(&rack->lock);
	magazine = serving(r, rack, size, align);
	raw_spin_lock_irqsave(r->lock, flags);
	if (held && magazine->size)
		error = serve_locked(r, rack, magazine, block);
	else
		error = alloc_locked(r, held ? rack : NULL, size, align, block);
	raw_spin_unlock_irqrestore(r->lock, flags);
	if (held)
		respool_cpu_unlock(&rack->lock);
	preempt_enable();
	return error;
}

/* Make room in a magazine for @block and put it there. False: it has none for it. */
static bool take_in(struct respool_racks *r, struct respool_rack *rack, void *block)
{
	u64 tag = respool_block_live_tag(r->freelist, block);
	size_t cells = respool_tag_bytes(tag) >> RESPOOL_CELL_SHIFT;
	struct respool_slab_magazine *magazine;

	if (cells > RESPOOL_CACHED_CELLS)
		return false;
	magazine = respool_magazine_at(rack, r->taking[cells]);
	if (!magazine->size)
		return false;
	adjust_locked(r, magazine);
	if (magazine->nr >= magazine->max)
		drain_locked(r, rack, magazine, clamp(magazine->max / 2, 1, BATCH));
	if (magazine->nr >= magazine->max || !respool_block_end(block, tag))
		return false;
	magazine->block[magazine->nr++] = block;
	return true;
}

/* Where the rack as it is cannot take the block, and for every mistake. */
int respool_racks_free(struct respool_racks *r, void *block)
{
	struct respool_run *empty = NULL;
	struct respool_rack *rack;
	bool held, done, look;
	unsigned long flags;
	int error = 0;

	preempt_disable();
	rack = __this_cpu_read(*r->rack);
	held = respool_cpu_lock_try(&rack->lock);
	raw_spin_lock_irqsave(r->lock, flags);
	done = held && take_in(r, rack, block);
	if (done) {
		rack->frees++;
	} else {
		error = respool_freelist_free(r->freelist, block, &empty);
		if (!error) {
			respool_runs_settle(r->runs, empty);
			r->frees++;
		}
	}
	if (held && !error)
		rack->frees_left--;
	raw_spin_unlock_irqrestore(r->lock, flags);
	if (held)
		respool_cpu_unlock(&rack->lock);
	/* Who does not hold the rack cannot count in it, so looks each time. */
	look = held ? READ_ONCE(rack->frees_left) < 0 : !error;
	preempt_enable();
	if (look)
		respool_racks_settle(r);
	return error;
}

/* So many frees went by that nobody might hold anything. */
void respool_racks_settle(struct respool_racks *r)
{
	unsigned long flags;
	bool settle;

	raw_spin_lock_irqsave(r->lock, flags);
	settle = look_locked(r, __this_cpu_read(*r->rack));
	raw_spin_unlock_irqrestore(r->lock, flags);
	if (settle)
		respool_racks_drain(r);
}

/* The last block may have been freed meanwhile, by an interrupt that could not wait. */
void respool_racks_release(struct respool_racks *r)
{
	release_racks(r, nr_cpu_ids);
	respool_racks_settle(r);
}

static unsigned int drain_magazine(struct respool_racks *r, struct respool_rack *rack,
				   struct respool_slab_magazine *magazine)
{
	unsigned int done;
	unsigned long flags;

	raw_spin_lock_irqsave(r->lock, flags);
	done = drain_locked(r, rack, magazine, magazine->nr);
	raw_spin_unlock_irqrestore(r->lock, flags);
	return done;
}

/*
 * Take a CPU's rack. Who has it for longer than can be waited for has to look for
 * himself afterwards. He is told so before the last tries, not after: then, if
 * they are in vain, he has not looked yet.
 */
static bool claim_rack(struct respool_rack *rack, unsigned int cpu)
{
	if (respool_cpu_lock_claim(&rack->lock, cpu))
		return true;
	WRITE_ONCE(rack->frees_left, -1);
	/* Only a lock that is taken is a barrier. */
	smp_mb();
	return respool_cpu_lock_claim(&rack->lock, cpu);
}

/* Give back what a CPU keeps. */
static u64 drain_rack(struct respool_racks *r, unsigned int cpu)
{
	struct respool_rack *rack = rack_of(r, cpu);
	struct respool_slab_magazine *magazine;
	bool held = true;
	unsigned int i;
	u64 done = 0;

	for_each_magazine(i, magazine, r, rack) {
		if (!READ_ONCE(magazine->nr))
			continue;
		preempt_disable();
		held = claim_rack(rack, cpu);
		if (held) {
			done += drain_magazine(r, rack, magazine);
			respool_cpu_unlock(&rack->lock);
		}
		preempt_enable();
		if (!held)
			break;
	}
	return done;
}

/* Give all that the CPUs keep back, a magazine at a time; returns how many blocks. */
u64 respool_racks_drain(struct respool_racks *r)
{
	unsigned int cpu;
	u64 done = 0;

	for_each_possible_cpu(cpu)
		done += drain_rack(r, cpu);
	return done;
}

void respool_racks_drain_cpu(struct respool_racks *r, unsigned int cpu)
{
	drain_rack(r, cpu);
}

/* Drop what a salvage took out of service. */
static void purge(struct respool_racks *r, struct respool_rack *rack,
		  struct respool_slab_magazine *magazine)
{
	unsigned int i, left = 0;

	for (i = 0; i < magazine->nr; i++)
		if (respool_block_is_cached(r->freelist, magazine->block[i]))
			magazine->block[left++] = magazine->block[i];
	rack->moved -= magazine->nr - left;
	magazine->nr = left;
}

/* The same for all: racks and the slab's lock are held. */
void respool_racks_purge(struct respool_racks *r)
{
	struct respool_slab_magazine *magazine;
	unsigned int cpu, i;

	for_each_possible_cpu(cpu)
		for_each_magazine(i, magazine, r, rack_of(r, cpu))
			purge(r, rack_of(r, cpu), magazine);
}
