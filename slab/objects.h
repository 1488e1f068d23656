/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The pure core of the object caches: objects of one size inside runs of
 * memory, which are 2^shift bytes and aligned to that.
 *
 * It takes no lock and allocates nothing. The caller brings the memory, one
 * run at a time, and serialises every call but those that are inline here and
 * say otherwise.
 *
 * A run, low addresses first:
 *
 *   struct respool_object_run | struct respool_object_bits, ... | object | object | ...
 *
 * An object has no header, and a free one nothing in it: all state is in the
 * bits at the start of its run, which its address leads to by a mask. So what
 * is in an object stays there while it is free. Of its three bits at most one is
 * set:
 *
 *   free	in its run: it may be taken
 *   none	out: taken, but nobody's yet, or not given back
 *   live	in use
 *   returned	given back without the lock; who next looks at the run makes it free
 *
 * Live and returned bits are atomic and change without the lock, so that of two
 * who end the life of one object one is told so.
 *
 * Objects are taken by the word of free bits, or some of one, and given one after the
 * other. One that ends its life is out again: it may be given anew, or returned where it
 * lies; only who brings news with that (nothing else of the run is known to be free, or
 * all of the word is) has to tell with respool_objects_notice().
 *
 * The first word of a run is a check of its address keyed with a secret. A keyed
 * sum covers the free bits, the last of which end the header: who writes over either
 * end of it spoils one. No bit is believed before the check is verified,
 * no object taken before the sum is, no link followed before what it leads to
 * has been. Which runs there are, and whose, is known from a map out of band, a
 * byte for each slot, that several cores may share.
 *
 * Errors are those of include/linux/respool.h. A call that meets damage notes
 * the run in @damage; the damage stays until respool_objects_salvage() takes
 * the damaged runs out of service and puts everything else in order.
 */
#ifndef RESPOOL_OBJECTS_H
#define RESPOOL_OBJECTS_H

#include "plain.h"

#define RESPOOL_OBJECT_ALIGN_MIN	8
#define RESPOOL_OBJECT_ALIGN_MAX	4096
#define RESPOOL_OBJECT_MAX		65536	/* bytes, rounded up to the alignment */
#define RESPOOL_OBJECT_RUN_MAX		20	/* log2 of the bytes of a run, at most */
#define RESPOOL_OBJECTS_PER_RUN		512	/* no run has more */
#define RESPOOL_WORD_OBJECTS		64	/* those of a word of bits */

/* What the map says of a slot, beside the ids 1..254 of those who have a run there. */
#define RESPOOL_SLOT_NONE		0
#define RESPOOL_SLOT_RETIRED		255	/* out of service for damage */

/*
 * Runs with free objects are on lists by how many, each power of four one: 1-3,
 * 4-15, 16-63, ... and those that are wholly free last of all.
 */
#define RESPOOL_OBJECT_EMPTY		5
#define RESPOOL_OBJECT_BINS		6

/**
 * struct respool_object_bits - Of 64 objects of a run.
 * @live: those in use
 * @returned: those that came back without the lock, and all bits that are no object's
 * @free: those that may be taken
 */
struct respool_object_bits {
	unsigned long live;
	unsigned long returned;
	unsigned long free;
};

/**
 * struct respool_object_run - What stands at the start of each run.
 * @check: keyed check of the run's address
 * @next: next run of its bin
 * @prev: previous run of its bin, %NULL for the first
 * @nr_free: free bits set
 * @sum: keyed sum of @nr_free and the free bits
 * @bits: all objects in order
 */
struct respool_object_run {
	u64 check;
	struct respool_object_run *next;
	struct respool_object_run *prev;
	u64 nr_free;
	u64 sum;
	struct respool_object_bits bits[];
};

/*
 * Invariants, checked by respool_objects_validate():
 *   all slots of a run in service have @id in @map, its check and its sum are right,
 *   nr_free of its free bits are set and no object has two of its bits set
 *   a run that has returned objects has free ones, too, or somebody brings that news
 *   a run is on the list of its bin, or on none if nothing in it is free
 *   nr_free is the sum over the runs in service
 */
struct respool_objects {
	/* Constant. */
	uintptr_t low;			/* all runs lie in [low, low + span) */
	uintptr_t span;
	uintptr_t skew;			/* added to an address, makes runs aligned */
	uintptr_t mask;			/* of an address inside its run */
	u64 secret;
	u64 reciprocal;			/* of stride */
	u32 stride;			/* bytes from one object to the next */
	u32 first;			/* offset of the first object in its run */
	u32 per_run;			/* objects in a run */
	u32 words;			/* of bits of each kind */
	unsigned long last_bits;	/* those of objects in the last ones */
	u64 bits_key;			/* what the first word of free bits counts in the sum */
	u64 nr_free_key;		/* what the number of free objects does */
	u8 shift;			/* log2 of the bytes of a run */
	u8 slot_shift;			/* log2 of the bytes of a slot */
	u8 id;				/* what its slots have in the map */
	unsigned long nr_slots;		/* in [low, low + span) */

	u8 *map;			/* a byte a slot: whose it is */
	const void *damage;		/* where a call met it; NULL again after salvage */
	u64 runs;			/* in service */
	u64 empty_runs;			/* those of them in the bin of the wholly free */
	u64 nr_free;			/* free objects in runs in service */
	u64 retired_runs;
	u32 bins;			/* bit b: bin[b] is not empty */
	struct respool_object_run *bin[RESPOOL_OBJECT_BINS];
};

/**
 * struct respool_object_row - One run, as respool_objects_run_after() shows it.
 * @run: the run
 * @free: objects that are free, or returned, which is the same for everybody else
 * @live: live objects
 * @out: objects that are neither
 */
struct respool_object_row {
	const void *run;
	u32 free;
	u32 live;
	u32 out;
};

/**
 * struct respool_object_word - Objects of one word of a run that are out.
 * @out: which they are
 * @bits: what the run has of them
 * @first: where the object of the lowest bit is
 * @run: their run
 */
struct respool_object_word {
	unsigned long out;
	struct respool_object_bits *bits;
	void *first;
	struct respool_object_run *run;
};

/* Objects in runs in service that are not free: live, out or returned. */
static inline u64 respool_objects_used(const struct respool_objects *o)
{
	return o->runs * o->per_run - o->nr_free;
}

/* Lock-free: any caller, any time after init */

static inline u64 respool_object_check(const struct respool_objects *o,
				       const struct respool_object_run *run)
{
	return o->secret ^ (uintptr_t)run;
}

/* Which slot @addr, in [low, low + span), lies in. */
static inline unsigned long respool_object_slot(const struct respool_objects *o,
						const void *addr)
{
	return ((uintptr_t)addr - o->low) >> o->slot_shift;
}

/* Where the run would start that has @addr in it. */
static inline struct respool_object_run *respool_object_run_of(const struct respool_objects *o,
							       const void *addr)
{
	return (struct respool_object_run *)((uintptr_t)addr -
					     (((uintptr_t)addr + o->skew) & o->mask));
}

/* Whether a run that was one in service is still, as its first word has it. */
static inline bool respool_object_run_lasts(const struct respool_objects *o,
					    const struct respool_object_run *run)
{
	return READ_ONCE(run->check) == respool_object_check(o, run);
}

/* Whether there is one at any address. */
static inline bool respool_object_run_checks(const struct respool_objects *o,
					     const struct respool_object_run *run)
{
	return (uintptr_t)run - o->low < o->span && respool_object_run_lasts(o, run);
}

/*
 * Which object of @run starts at @object. The reciprocal is that of stride in
 * 40 bits, rounded up, which is exact for offsets and strides below 2^20
 * (Granlund and Montgomery, 1994).
 */
static inline u64 respool_object_index(const struct respool_objects *o,
				       const struct respool_object_run *run, const void *object)
{
	u64 offset = (uintptr_t)object - (uintptr_t)run - o->first;

	return (offset * o->reciprocal) >> 40;
}

/* Whether one does at @addr, any address in @run, of which that says @index. */
static inline bool respool_object_starts(const struct respool_objects *o,
					 const struct respool_object_run *run, const void *addr,
					 u64 index)
{
	return (uintptr_t)addr - (uintptr_t)run - o->first == index * o->stride &&
	       index < o->per_run;
}

/* Which bits of @word are those of objects. */
static inline unsigned long respool_object_bits(const struct respool_objects *o, u32 word)
{
	return word + 1 < o->words ? ~0UL : o->last_bits;
}

static inline bool respool_object_is_live(const struct respool_object_run *run, u64 index)
{
	return READ_ONCE(run->bits[index / 64].live) >> index % 64 & 1;
}

/* The object of @run with @bit in @bits, which is out, becomes live. False: damage. */
static __always_inline bool respool_object_give_bit(const struct respool_objects *o,
						    struct respool_object_run *run,
						    struct respool_object_bits *bits, u64 bit)
{
	if (unlikely(!respool_object_run_lasts(o, run)))
		return false;
	if (likely(!test_and_set_bit(bit, &bits->live)))
		return true;
	WRITE_ONCE(run->check, 0);	/* somebody has it */
	return false;
}

/* The same for an object by its address. */
static inline bool respool_object_give(const struct respool_objects *o, const void *object)
{
	struct respool_object_run *run = respool_object_run_of(o, object);
	u64 index = respool_object_index(o, run, object);

	return respool_object_give_bit(o, run, &run->bits[index / 64], index % 64);
}

/* One of the objects of @w, which has some, becomes live. %NULL: its run is damaged. */
static __always_inline void *respool_object_pop(const struct respool_objects *o,
						struct respool_object_word *w)
{
	unsigned int bit = __ffs64(w->out);

	if (unlikely(!respool_object_give_bit(o, w->run, w->bits, bit)))
		return NULL;
	w->out &= w->out - 1;
	return w->first + (size_t)bit * o->stride;
}

/*
 * The live object at @addr, any address in @run, ends its life and is out; @index is
 * set to which it is. False, with nothing changed: there is none, or somebody else was
 * quicker.
 */
static __always_inline bool respool_object_end_in(const struct respool_objects *o,
						  struct respool_object_run *run,
						  const void *addr, u64 *index)
{
	if (unlikely(!respool_object_run_lasts(o, run)))
		return false;
	*index = respool_object_index(o, run, addr);
	return likely(respool_object_starts(o, run, addr, *index)) &&
	       likely(test_and_clear_bit(*index % 64, &run->bits[*index / 64].live));
}

/* The same for any address; @run is set to the run that there would be. */
static __always_inline bool respool_object_end(const struct respool_objects *o, const void *addr,
					       struct respool_object_run **run, u64 *index)
{
	*run = respool_object_run_of(o, addr);
	return likely((uintptr_t)*run - o->low < o->span) &&
	       respool_object_end_in(o, *run, addr, index);
}

/*
 * The object @index of @run, which is out, goes back. True: respool_objects_notice() is
 * to follow. By the time that is found out all may be somebody else's memory: then what
 * is said is nothing to go by, nor harmful.
 */
static __always_inline bool respool_object_hand_back(struct respool_object_run *run, u64 index)
{
	struct respool_object_bits *bits = &run->bits[index / 64];

	set_bit(index % 64, &bits->returned);
	/* Who makes bits free looks for returned ones then: one of us sees the other's. */
	smp_mb__after_atomic();
	/* Whoever has that memory by then. */
	return data_race(unlikely(!READ_ONCE(run->nr_free)) ||
			 unlikely(!~(READ_ONCE(bits->returned) | READ_ONCE(bits->free))));
}

/*
 * The live object at @addr, any address, ends its life and goes back into its run. With
 * @news respool_objects_notice() is to follow. False, with nothing changed: as
 * respool_object_end_in().
 */
static inline bool respool_object_return(const struct respool_objects *o, const void *addr,
					 bool *news)
{
	struct respool_object_run *run;
	u64 index;

	if (!respool_object_end(o, addr, &run, &index))
		return false;
	*news = respool_object_hand_back(run, index);
	return true;
}

/**
 * struct respool_object_memory - Where runs may lie.
 * @start: its first byte
 * @bytes: its length
 * @phys: what @start is in the addresses that runs are aligned in, a multiple
 *	of the smallest run
 * @min_shift: log2 of the bytes of the smallest run there can be, and of a slot
 * @max_shift: log2 of the bytes of the largest
 * @waste_share: a run is large enough if no more than this part of it is lost
 */
struct respool_object_memory {
	const void *start;
	size_t bytes;
	u64 phys;
	unsigned int min_shift;
	unsigned int max_shift;
	unsigned int waste_share;
};

/* Serialised by the caller: objects.c */
int respool_objects_init(struct respool_objects *o, size_t size, size_t align,
			 const struct respool_object_memory *memory, u64 secret);
size_t respool_objects_footprint(const struct respool_objects *o);
void respool_objects_set_footprint(struct respool_objects *o, u8 *map, u8 id);

void respool_objects_prepare(const struct respool_objects *o, void *mem);
void *respool_objects_at(const struct respool_objects *o, const void *run, u32 index);
void respool_objects_add(struct respool_objects *o, void *mem);
void *respool_objects_remove_empty(struct respool_objects *o, u64 keep);
u32 respool_objects_take_word(struct respool_objects *o, struct respool_object_word *w, u32 nr);
u32 respool_objects_put_word(struct respool_objects *o, struct respool_object_word *w);
void respool_objects_notice(struct respool_objects *o, const void *addr);
bool respool_objects_put(struct respool_objects *o, const void *object);

void respool_objects_blame(struct respool_objects *o, const void *addr);
u64 respool_objects_salvage(struct respool_objects *o);

int respool_objects_why_not(const struct respool_objects *o, const void *addr);
bool respool_objects_run_after(const struct respool_objects *o, const void *after,
			       struct respool_object_row *row);
u64 respool_objects_count_live(const struct respool_objects *o);
u32 respool_objects_live_in(const struct respool_objects *o, const void *run, const void **live,
			    u32 nr);
const char *respool_objects_validate(const struct respool_objects *o, const void **where);

#endif /* RESPOOL_OBJECTS_H */
