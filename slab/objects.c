// SPDX-License-Identifier: GPL-2.0
/*
 * Objects of one size in runs with their state in bits: see objects.h for the
 * layout and for what callers may rely on.
 *
 * Sources. Bits at the start of an aligned run, found from an object's address
 * by a mask: Bonwick, "The Slab Allocator", 1994, with the list of free objects
 * made a bitmap, as in FreeBSD's jemalloc (Evans, 2006). Fullest run first, so
 * that others run empty: Berger et al., "Hoard", 2000.
 *
 * Work. Every call does a bounded number of steps, whatever the number of runs,
 * but for salvage, respool_objects_validate() and the functions that look for
 * a run for a reader, which walk the map of the slots.
 */
#include "objects.h"

/* Runs of at least so many objects, where none of them need be too large. */
#define PER_RUN_WANTED	16

/* Runs that one call looks at to take objects. */
#define TAKE_LOOKS	8

/* Geometry */

static size_t header_bytes(u32 words)
{
	return sizeof(struct respool_object_run) + words * sizeof(struct respool_object_bits);
}

/*
 * Lay out a run of 2^@shift bytes; returns the bytes that are in no object. The last
 * word always has a bit that is no object's, so that a header whose end is zeroed shows.
 */
static size_t lay_out(struct respool_objects *o, unsigned int shift, size_t align)
{
	size_t bytes = 1UL << shift;
	u32 per_run = min_t(size_t, bytes / o->stride, RESPOOL_OBJECTS_PER_RUN);

	o->shift = shift;
	for (;; per_run--) {
		o->words = DIV_ROUND_UP(per_run, 64);
		o->first = round_up(header_bytes(o->words), align);
		if (!per_run || (per_run % 64 && o->first + (size_t)per_run * o->stride <= bytes))
			break;
	}
	o->per_run = per_run;
	o->last_bits = BIT(per_run % 64) - 1;
	return bytes - (size_t)per_run * o->stride;
}

static bool wastes(const struct respool_objects *o, size_t waste, unsigned int share)
{
	return waste > (1UL << o->shift) / share || o->per_run < PER_RUN_WANTED;
}

/* The smallest run that is no waste; if all are, the largest. */
static void choose_run(struct respool_objects *o, size_t align,
		       const struct respool_object_memory *memory)
{
	unsigned int max_shift = min_t(unsigned int, memory->max_shift, RESPOOL_OBJECT_RUN_MAX);
	unsigned int shift = memory->min_shift;

	while (wastes(o, lay_out(o, shift, align), memory->waste_share) && shift < max_shift)
		shift++;
}

/*
 * What a word of free bits counts in the sum: odd, so that no change of one
 * word alone goes unseen. The number of free objects counts as one word more.
 */
static __always_inline u64 key(const struct respool_objects *o, u32 word)
{
	return o->bits_key * (2 * word + 1);
}

/*
 * For objects of @size bytes at multiples of @align, without runs. Also needs
 * respool_objects_set_footprint(). -EINVAL: an argument that is no good;
 * -E2BIG: not one such object fits into a run.
 */
int respool_objects_init(struct respool_objects *o, size_t size, size_t align,
			 const struct respool_object_memory *memory, u64 secret)
{
	uintptr_t low = (uintptr_t)memory->start;

	memset(o, 0, sizeof(*o));
	if (!align)
		align = RESPOOL_OBJECT_ALIGN_MIN;
	if (!size || !is_power_of_2(align) || align > RESPOOL_OBJECT_ALIGN_MAX)
		return -EINVAL;
	align = max_t(size_t, align, RESPOOL_OBJECT_ALIGN_MIN);
	if (size > RESPOOL_OBJECT_MAX)
		return -E2BIG;
	o->stride = round_up(size, align);
	choose_run(o, align, memory);
	if (!o->per_run)
		return -E2BIG;
	o->mask = (1UL << o->shift) - 1;
	o->reciprocal = ((1ULL << 40) + o->stride - 1) / o->stride;
	o->secret = secret;
	o->bits_key = secret | 1;
	o->nr_free_key = key(o, o->words);
	o->low = low;
	o->span = memory->bytes;
	o->skew = (memory->phys - low) & o->mask;
	o->slot_shift = memory->min_shift;
	o->nr_slots = ((o->span - 1) >> o->slot_shift) + 1;
	return 0;
}

/* Bytes of zeroed memory that @o needs beside the runs, and may share: a map. */
size_t respool_objects_footprint(const struct respool_objects *o)
{
	return o->nr_slots;
}

/* All who share @map have the same memory, and each an @id of its own in 1..254. */
void respool_objects_set_footprint(struct respool_objects *o, u8 *map, u8 id)
{
	o->map = map;
	o->id = id;
}

static u8 owner_of(const struct respool_objects *o, const void *addr)
{
	return READ_ONCE(o->map[respool_object_slot(o, addr)]);
}

/* From now on the slots of @run are @owner's. Others read the map meanwhile. */
static void set_owner(struct respool_objects *o, const void *run, u8 owner)
{
	u8 *slot = o->map + respool_object_slot(o, run);
	u8 *end = slot + (1UL << (o->shift - o->slot_shift));

	for (; slot < end; slot++)
		WRITE_ONCE(*slot, owner);
}

/* The first run in service from @slot on; %NULL if there is none. */
static struct respool_object_run *run_from(const struct respool_objects *o, unsigned long slot)
{
	for (; slot < o->nr_slots; slot++)
		if (o->map[slot] == o->id)
			return (struct respool_object_run *)(o->low + (slot << o->slot_shift));
	return NULL;
}

/* The first run in service above address @run, %NULL for the lowest. */
static struct respool_object_run *run_above(const struct respool_objects *o, const void *run)
{
	unsigned long run_slots = 1UL << (o->shift - o->slot_shift);

	return run_from(o, run ? respool_object_slot(o, run) + run_slots : 0);
}

#define for_each_run(run, o)						\
	for ((run) = run_above(o, NULL); (run); (run) = run_above(o, run))

/* Address of the object @index of the run that starts at @run. */
void *respool_objects_at(const struct respool_objects *o, const void *run, u32 index)
{
	return (void *)((uintptr_t)run + o->first + (size_t)index * o->stride);
}

/* The header */

static u64 sum_of(const struct respool_objects *o, const struct respool_object_run *run)
{
	u64 sum = run->nr_free * o->nr_free_key;
	u32 i;

	for (i = 0; i < o->words; i++)
		sum += run->bits[i].free * key(o, i);
	return sum;
}

/* Whether no object of @word has two of @bits, and only objects have any. */
static bool is_plausible(const struct respool_objects *o, const struct respool_object_bits *bits,
			 u32 word)
{
	unsigned long returned = READ_ONCE(bits->returned), live;

	/* An object that is returned meanwhile is live no more. */
	smp_rmb();
	live = READ_ONCE(bits->live);
	return !(bits->free & (returned | live)) && !(returned & live) &&
	       !(~returned & ~respool_object_bits(o, word));
}

/* Whether the header of a run in service is what it must be, links aside. */
static bool is_intact(const struct respool_objects *o, struct respool_object_run *run)
{
	u32 i;

	if (!respool_object_run_lasts(o, run) || run->sum != sum_of(o, run))
		return false;
	for (i = 0; i < o->words; i++)
		if (!is_plausible(o, &run->bits[i], i))
			return false;
	return true;
}

/* Whether there is a run that a link may lead to. */
static bool is_run(const struct respool_objects *o, struct respool_object_run *run)
{
	return (uintptr_t)run - o->low < o->span && !(((uintptr_t)run + o->skew) & o->mask) &&
	       owner_of(o, run) == o->id && respool_object_run_lasts(o, run);
}

static int damaged(struct respool_objects *o, const void *where)
{
	o->damage = where;
	return -EUCLEAN;
}

/* Bins */

/* Of a run with nothing free, which is on no list. */
#define NO_BIN		(~0U)

static u32 bin_of(const struct respool_objects *o, u64 nr_free)
{
	if (!nr_free)
		return NO_BIN;
	return nr_free == o->per_run ? RESPOOL_OBJECT_EMPTY : ((u32)fls64(nr_free) - 1) / 2;
}

/* Whether the links of @run, and those back to it, are those of the list of @bin. */
static bool is_linked(const struct respool_objects *o, struct respool_object_run *run, u32 bin)
{
	struct respool_object_run *next = run->next, *prev = run->prev;

	if (next && (!is_run(o, next) || next->prev != run))
		return false;
	if (!prev)
		return o->bin[bin] == run;
	return is_run(o, prev) && prev->next == run;
}

static void unlink_run(struct respool_objects *o, struct respool_object_run *run, u32 bin)
{
	if (run->next)
		run->next->prev = run->prev;
	if (run->prev)
		run->prev->next = run->next;
	else
		o->bin[bin] = run->next;
	if (!o->bin[bin])
		o->bins &= ~BIT(bin);
	o->empty_runs -= bin == RESPOOL_OBJECT_EMPTY;
}

/* The first of a list has been a sound run since it is known; it is not looked at here. */
static void link_run(struct respool_objects *o, struct respool_object_run *run, u32 bin)
{
	run->prev = NULL;
	run->next = o->bin[bin];
	if (run->next)
		run->next->prev = run;
	o->bin[bin] = run;
	o->bins |= BIT(bin);
	o->empty_runs += bin == RESPOOL_OBJECT_EMPTY;
}

/* Put @run, which is intact, from the list of one bin on that of another. */
static int relink(struct respool_objects *o, struct respool_object_run *run, u32 from, u32 to)
{
	if (from == to)
		return 0;
	if (from != NO_BIN && !is_linked(o, run, from))
		return damaged(o, run);
	if (to != NO_BIN && o->bin[to] && !is_run(o, o->bin[to]))
		return damaged(o, o->bin[to]);
	if (from != NO_BIN)
		unlink_run(o, run, from);
	if (to != NO_BIN)
		link_run(o, run, to);
	return 0;
}

/* The same to where it belongs with @nr_free objects free. */
static int move_run(struct respool_objects *o, struct respool_object_run *run, u64 nr_free)
{
	return relink(o, run, bin_of(o, run->nr_free), bin_of(o, nr_free));
}

/*
 * @run is where it belongs when @now are the free bits of a word and @nr_free are set in
 * all. Who returns objects reads both.
 */
static __always_inline void set_free(struct respool_objects *o, struct respool_object_run *run,
				     u32 word, unsigned long now, u64 nr_free)
{
	struct respool_object_bits *bits = &run->bits[word];

	run->sum += (now - bits->free) * key(o, word) + (nr_free - run->nr_free) * o->nr_free_key;
	WRITE_ONCE(bits->free, now);
	o->nr_free += nr_free - run->nr_free;
	WRITE_ONCE(run->nr_free, nr_free);
}

/* Runs */

/* Write the header of a run to be, in memory that is the caller's alone: no lock. */
void respool_objects_prepare(const struct respool_objects *o, void *mem)
{
	struct respool_object_run *run = mem;
	u32 i;

	for (i = 0; i < o->words; i++) {
		run->bits[i].live = 0;
		run->bits[i].returned = ~respool_object_bits(o, i);
		run->bits[i].free = respool_object_bits(o, i);
	}
	run->nr_free = o->per_run;
	run->sum = sum_of(o, run);
	WRITE_ONCE(run->check, respool_object_check(o, run));
}

/* A run that was prepared comes into service. */
void respool_objects_add(struct respool_objects *o, void *mem)
{
	struct respool_object_run *run = mem;

	set_owner(o, run, o->id);
	link_run(o, run, RESPOOL_OBJECT_EMPTY);
	o->nr_free += o->per_run;
	o->runs++;
}

/*
 * Take a run out that is wholly free, if there are more than @keep; its memory
 * is the caller's again. NULL if there are not, or for damage.
 */
void *respool_objects_remove_empty(struct respool_objects *o, u64 keep)
{
	struct respool_object_run *run = o->bin[RESPOOL_OBJECT_EMPTY];

	if (o->empty_runs <= keep)
		return NULL;
	if (!is_run(o, run) || !is_intact(o, run) || !is_linked(o, run, RESPOOL_OBJECT_EMPTY)) {
		damaged(o, run);
		return NULL;
	}
	unlink_run(o, run, RESPOOL_OBJECT_EMPTY);
	set_owner(o, run, RESPOOL_SLOT_NONE);
	WRITE_ONCE(run->check, 0);
	o->nr_free -= o->per_run;
	o->runs--;
	return run;
}

/* Objects */

static void sweep_word(struct respool_objects *o, struct respool_object_run *run, u32 word)
{
	struct respool_object_bits *bits = &run->bits[word];
	unsigned long nobodys = ~respool_object_bits(o, word), back;

	if (READ_ONCE(bits->returned) == nobodys)
		return;
	back = xchg(&bits->returned, nobodys) & ~nobodys;
	set_free(o, run, word, bits->free | back, run->nr_free + hweight64(back));
}

/*
 * What was returned to @run, which is intact, becomes free. When this ends, whoever
 * returns one more sees which are free now, and brings the news if it is any.
 */
static int sweep(struct respool_objects *o, struct respool_object_run *run)
{
	u32 from = bin_of(o, run->nr_free), i;
	u64 nr_free;

	do {
		nr_free = run->nr_free;
		smp_mb();	/* with that of respool_object_hand_back() */
		for (i = 0; i < o->words; i++)
			sweep_word(o, run, i);
	} while (run->nr_free != nr_free);
	return relink(o, run, from, bin_of(o, run->nr_free));
}

/* The lowest @nr of @bits. */
static unsigned long lowest(unsigned long bits, u32 nr)
{
	unsigned long rest = bits;

	while (nr--)
		rest &= rest - 1;
	return bits & ~rest;
}

/* Up to @most of the word of @run that has the most free objects; returns how many. */
static u32 take_fullest(struct respool_objects *o, struct respool_object_run *run,
			struct respool_object_word *w, u32 most)
{
	u32 word = 0, nr = hweight64(run->bits[0].free), more, i;
	unsigned long free, out;

	for (i = 1; i < o->words; i++) {
		more = hweight64(run->bits[i].free);
		if (more <= nr)
			continue;
		word = i;
		nr = more;
	}
	free = run->bits[word].free;
	out = nr > most ? lowest(free, most) : free;
	nr = min(nr, most);
	if (move_run(o, run, run->nr_free - nr))
		return 0;
	w->bits = &run->bits[word];
	w->out = out;
	w->first = respool_objects_at(o, run, word * 64);
	w->run = run;
	set_free(o, run, word, free & ~out, run->nr_free - nr);
	/* Nobody brings news of what came back while there were others. */
	if (!run->nr_free)
		sweep(o, run);
	return nr;
}

/*
 * Take up to @nr objects of a word of one of the fullest runs there are into @w, which has
 * none; returns how many. What those runs have in truth shows as they are looked at.
 */
u32 respool_objects_take_word(struct respool_objects *o, struct respool_object_word *w, u32 nr)
{
	struct respool_object_run *run;
	u32 looks;

	for (looks = 1; o->bins; looks++) {
		run = o->bin[__ffs64(o->bins)];
		if (!is_run(o, run) || !is_intact(o, run) || !run->nr_free) {
			damaged(o, run);
			break;
		}
		if (sweep(o, run))
			break;
		if (o->bin[__ffs64(o->bins)] == run || looks == TAKE_LOOKS)
			return take_fullest(o, run, w, nr);
	}
	return 0;
}

/* What is still out of @w goes back; returns how many, none for damage. */
u32 respool_objects_put_word(struct respool_objects *o, struct respool_object_word *w)
{
	struct respool_object_run *run = w->run;
	struct respool_object_bits *bits = w->bits;
	u32 nr = hweight64(w->out);

	if (!is_run(o, run) || !is_intact(o, run)) {
		damaged(o, run);
		return 0;
	}
	if (unlikely((bits->free | READ_ONCE(bits->returned) | READ_ONCE(bits->live)) & w->out)) {
		WRITE_ONCE(run->check, 0);	/* they would go out twice */
		damaged(o, run);
		return 0;
	}
	if (move_run(o, run, run->nr_free + nr))
		return 0;
	set_free(o, run, bits - run->bits, bits->free | w->out, run->nr_free + nr);
	w->out = 0;
	sweep(o, run);
	return nr;
}

/* The object at @addr was returned, and that was news. By now it may be another's memory. */
void respool_objects_notice(struct respool_objects *o, const void *addr)
{
	struct respool_object_run *run = respool_object_run_of(o, addr);

	if (!is_run(o, run))
		return;
	if (is_intact(o, run))
		sweep(o, run);
	else
		damaged(o, run);
}

/* The object at @object, which is out, goes back; false if its run is not what it was. */
bool respool_objects_put(struct respool_objects *o, const void *object)
{
	struct respool_object_run *run = respool_object_run_of(o, object);

	if (!respool_object_run_lasts(o, run))
		return false;
	if (respool_object_hand_back(run, respool_object_index(o, run, object)))
		respool_objects_notice(o, object);
	return true;
}

/* Damage */

static void retire(struct respool_objects *o, struct respool_object_run *run)
{
	set_owner(o, run, RESPOOL_SLOT_RETIRED);
	WRITE_ONCE(run->check, 0);
	o->runs--;
	o->retired_runs++;
}

/* An object at @addr could not be given or ended: note it if that is for damage. */
void respool_objects_blame(struct respool_objects *o, const void *addr)
{
	struct respool_object_run *run = respool_object_run_of(o, addr);

	if ((uintptr_t)addr - o->low < o->span && owner_of(o, addr) == o->id &&
	    !respool_object_run_lasts(o, run))
		damaged(o, run);
}

/*
 * Take the runs out of service whose checks or bits are not what they must be,
 * and put the others on their lists anew, which mends links. Returns how many
 * went out of service.
 */
u64 respool_objects_salvage(struct respool_objects *o)
{
	u64 retired = o->retired_runs;
	struct respool_object_run *run;
	u32 bin;

	memset(o->bin, 0, sizeof(o->bin));
	o->bins = 0;
	o->nr_free = 0;
	o->empty_runs = 0;
	for_each_run(run, o) {
		if (!is_intact(o, run)) {
			retire(o, run);
			continue;
		}
		o->nr_free += run->nr_free;
		bin = bin_of(o, run->nr_free);
		if (bin != NO_BIN)
			link_run(o, run, bin);
		sweep(o, run);
	}
	o->damage = NULL;
	return o->retired_runs - retired;
}

/* For readers */

/* What is wrong with ending the life of an object at @addr, any address; 0 if nothing is. */
int respool_objects_why_not(const struct respool_objects *o, const void *addr)
{
	struct respool_object_run *run = respool_object_run_of(o, addr);
	u64 index;

	if ((uintptr_t)addr - o->low >= o->span)
		return -EFAULT;
	if (owner_of(o, addr) == RESPOOL_SLOT_RETIRED)
		return -EUCLEAN;
	if (owner_of(o, addr) != o->id)
		return -EFAULT;
	if (!respool_object_run_lasts(o, run))
		return -EUCLEAN;
	index = respool_object_index(o, run, addr);
	if (!respool_object_starts(o, run, addr, index))
		return -EINVAL;
	return respool_object_is_live(run, index) ? 0 : -EALREADY;
}

/* The next run in service above address @after, %NULL for the first; false if none is. */
bool respool_objects_run_after(const struct respool_objects *o, const void *after,
			       struct respool_object_row *row)
{
	struct respool_object_run *run = run_above(o, after);
	unsigned long returned;
	u32 i;

	if (!run)
		return false;
	row->run = run;
	row->free = 0;
	row->live = 0;
	for (i = 0; i < o->words; i++) {
		returned = READ_ONCE(run->bits[i].returned) & respool_object_bits(o, i);
		row->free += hweight64(run->bits[i].free) + hweight64(returned);
		row->live += hweight64(READ_ONCE(run->bits[i].live));
	}
	row->out = o->per_run - row->free - row->live;
	return true;
}

/* How many objects live, by the bits of the runs: a walk over the map, if there are any. */
u64 respool_objects_count_live(const struct respool_objects *o)
{
	struct respool_object_row row = {};
	u64 live = 0;

	while (o->runs && respool_objects_run_after(o, row.run, &row))
		live += row.live;
	return live;
}

/* The first @nr live objects of a run in service, and how many those are. */
u32 respool_objects_live_in(const struct respool_objects *o, const void *run, const void **live,
			    u32 nr)
{
	u32 i, got = 0;

	for (i = 0; i < o->per_run && got < nr; i++)
		if (respool_object_is_live(run, i))
			live[got++] = respool_objects_at(o, run, i);
	return got;
}

static const char *check_run(const struct respool_objects *o, struct respool_object_run *run)
{
	u64 nr_free = 0;
	u32 i;

	if (!is_intact(o, run))
		return "a run's header is damaged";
	for (i = 0; i < o->words; i++)
		nr_free += hweight64(run->bits[i].free);
	if (nr_free != run->nr_free)
		return "number of free objects of a run";
	if (nr_free && !is_linked(o, run, bin_of(o, nr_free)))
		return "a run is not on its list";
	return NULL;
}

static const char *check_runs(const struct respool_objects *o, u64 in_bin[RESPOOL_OBJECT_BINS],
			      const void **where)
{
	struct respool_object_run *run;
	u64 runs = 0, nr_free = 0;
	const char *broken;

	for_each_run(run, o) {
		*where = run;
		broken = check_run(o, run);
		if (broken)
			return broken;
		if (run->nr_free)
			in_bin[bin_of(o, run->nr_free)]++;
		nr_free += run->nr_free;
		runs++;
	}
	*where = NULL;
	if (runs != o->runs)
		return "number of runs";
	if (nr_free != o->nr_free)
		return "number of free objects";
	if (in_bin[RESPOOL_OBJECT_EMPTY] != o->empty_runs)
		return "number of empty runs";
	return NULL;
}

/* As many runs are on each list as belong there, so none is on two. */
static const char *check_bins(const struct respool_objects *o,
			      const u64 in_bin[RESPOOL_OBJECT_BINS], const void **where)
{
	const struct respool_object_run *run;
	u64 nr;
	u32 bin;

	for (bin = 0; bin < RESPOOL_OBJECT_BINS; bin++) {
		nr = 0;
		for (run = o->bin[bin]; run && nr <= in_bin[bin]; run = run->next) {
			*where = run;
			nr++;
			if (bin_of(o, run->nr_free) != bin)
				return "a run is on another's list";
		}
		if (nr != in_bin[bin])
			return "a list is not what belongs there";
		if (!nr != !(o->bins & BIT(bin)))
			return "a list and the map of lists differ";
	}
	return NULL;
}

/* %NULL, or the first broken invariant; @where is then a run or %NULL. */
const char *respool_objects_validate(const struct respool_objects *o, const void **where)
{
	u64 in_bin[RESPOOL_OBJECT_BINS] = {};
	const char *broken = check_runs(o, in_bin, where);

	return broken ? broken : check_bins(o, in_bin, where);
}
