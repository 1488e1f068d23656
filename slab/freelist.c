// SPDX-License-Identifier: GPL-2.0
/*
 * Boundary tags and segregated free lists inside runs: see freelist.h for the
 * layout and for what callers may rely on.
 *
 * Sources. Boundary tags and coalescing: Knuth, The Art of Computer
 * Programming, volume 1, 2.5, with the footer only in free blocks, found
 * through a bit in the next header. Two-level classes with bitmaps: Masmano,
 * Ripoll, Crespo, Real, "TLSF: a new dynamic memory allocator for real-time
 * systems", 2004. First, next and best fit: Knuth, as above, and Wilson,
 * Johnstone, Neely, Boles, "Dynamic storage allocation: a survey and critical
 * review", 1995. Encoded links: as the kernel's CONFIG_SLAB_FREELIST_HARDENED.
 *
 * Terms. "bytes" and "need" are sizes of blocks, headers included; "size" is
 * what a caller asked for. "Used" is what is not free: live, or cached for a
 * magazine. A header that coalescing swallowed stays in memory,
 * marked free, until somebody writes over it: that is how a late double free
 * is known, and why a header must say "free" before it is swallowed.
 *
 * Work. With good fit every call does a bounded number of steps, whatever the
 * heap's size, but for refusals that have to walk runs to name a mistake,
 * salvage, and the functions that look at the whole heap for a reader: together
 * with the policy of growth at most 128 basic blocks for an allocation, 96 for
 * a free and 320 for a realloc that moves, and what at most four calls of the
 * page layer do (selftests/host/freelist_bound.c). The other searches are there
 * to be studied: theirs grow with the heap.
 */
#include "freelist.h"

#define TAG_USED	RESPOOL_TAG_USED
#define TAG_PREV_USED	RESPOOL_TAG_PREV_USED
#define TAG_FIRST	RESPOOL_TAG_FIRST
#define TAG_CACHED	RESPOOL_TAG_CACHED
#define TAG_FLAGS	RESPOOL_TAG_FLAGS
#define MIX		RESPOOL_TAG_MIX

/*
 * How many blocks of one class a search looks at. The class of the request
 * itself holds smaller blocks too, and a few looks there give most of what
 * best fit would, for a fixed price.
 */
#define FIT_LOOKS	4

/* More than there can be left of a block: see regret(). */
#define REGRET_TOP	(RESPOOL_BLOCK_MAX + 1UL)
#define REGRET_LOSS	(RESPOOL_BLOCK_MAX + 2UL)

/*
 * A block is made shorter only if at least this share of it comes free, else
 * one that grows step by step would lose its room to a neighbour each time.
 */
#define RESIZE_SHARE	8

static u64 seal(const struct respool_freelist *f, const void *at, u32 word)
{
	return respool_tag(f->secret, at, word);
}

static __always_inline bool is_tag(u64 secret, const void *at, u64 tag)
{
	return !(respool_tag_error(secret, at, tag) >> 32);
}

/* Sets @tag to what stands at @at; false if it does not fit its check. */
static __always_inline bool read_tag(const struct respool_freelist *f, const void *at, u64 *tag)
{
	*tag = READ_ONCE(*(const u64 *)at);
	return is_tag(f->secret, at, *tag);
}

static __always_inline bool is_intact(const struct respool_freelist *f, const void *at)
{
	u64 tag;

	return read_tag(f, at, &tag);
}

static size_t bytes_of(const struct respool_header *b)
{
	return (u32)b->tag & ~TAG_FLAGS;
}

static u32 flags_of(const struct respool_header *b)
{
	return (u32)b->tag & TAG_FLAGS;
}

static bool is_used(const struct respool_header *b)
{
	return b->tag & TAG_USED;
}

static bool is_live(const struct respool_header *b)
{
	return (b->tag & (TAG_USED | TAG_CACHED)) == TAG_USED;
}

static __always_inline void set_tag(const struct respool_freelist *f, struct respool_header *b,
				    size_t bytes, u32 flags)
{
	WRITE_ONCE(b->tag, seal(f, b, (u32)bytes | flags));
}

/* Whose life may begin or end at this moment. */
static __always_inline void set_prev_used(struct respool_header *b, bool used)
{
	u64 step = respool_tag_step(TAG_PREV_USED);

	if (!(READ_ONCE(b->tag) & TAG_PREV_USED) == used)
		atomic64_add(used ? step : -step, (atomic64_t *)&b->tag);
}

static struct respool_header *forward(const struct respool_header *b, size_t bytes)
{
	return (struct respool_header *)((uintptr_t)b + bytes);
}

static struct respool_header *after(const struct respool_header *b)
{
	return forward(b, bytes_of(b));
}

static u64 *footer_before(const struct respool_header *b)
{
	return (u64 *)((uintptr_t)b - sizeof(u64));
}

static struct respool_header *first_block(const struct respool_run *run)
{
	return (struct respool_header *)((uintptr_t)run + sizeof(*run));
}

static struct respool_run *run_before(const struct respool_header *first)
{
	return (struct respool_run *)((uintptr_t)first - sizeof(struct respool_run));
}

static struct respool_header *end_of(const struct respool_run *run, size_t bytes)
{
	return (struct respool_header *)((uintptr_t)run + bytes - RESPOOL_BLOCK_HEADER);
}

static struct respool_header *end_tag(const struct respool_run *run)
{
	return end_of(run, run->bytes);
}

static bool run_covers(const struct respool_run *run, size_t bytes, const void *addr)
{
	return (uintptr_t)addr - (uintptr_t)run < bytes;
}

/* Where a search that comes to @run begins; nowhere if there is none. */
static struct respool_place start_of(struct respool_run *run)
{
	struct respool_place start = { .run = run, .block = run ? first_block(run) : NULL };

	return start;
}

static int damaged(struct respool_freelist *f, const void *where)
{
	f->damage = where;
	return -EUCLEAN;
}

/* Links: xored with a number that only this list and this place have. */

static u64 veil(const struct respool_freelist *f, const u64 *place)
{
	return ((u64)(uintptr_t)place ^ f->secret) * MIX;
}

static struct respool_header *link_at(const struct respool_freelist *f, const u64 *place)
{
	return (struct respool_header *)(uintptr_t)(*place ^ veil(f, place));
}

static void link_to(const struct respool_freelist *f, u64 *place, const struct respool_header *to)
{
	*place = (u64)(uintptr_t)to ^ veil(f, place);
}

/*
 * Whether what a link decodes to may at least be read: overwritten ones decode
 * to anything.
 */
static __always_inline bool is_in_runs(const struct respool_freelist *f,
				       const struct respool_header *b)
{
	uintptr_t addr = (uintptr_t)b;

	return addr >= f->low && addr < f->high &&
	       addr % RESPOOL_BLOCK_ALIGN == RESPOOL_BLOCK_HEADER;
}

static __always_inline bool is_free_block(const struct respool_freelist *f,
					  const struct respool_header *b)
{
	return is_in_runs(f, b) && is_intact(f, b) && !is_used(b);
}

/*
 * The link from @from, or a list's head, to @to is no good: @to is what is
 * damaged, unless the link leads out of all runs.
 */
static int damaged_link(struct respool_freelist *f, const struct respool_header *from,
			const struct respool_header *to)
{
	return damaged(f, from && !is_in_runs(f, to) ? from : to);
}

/* Size classes. */

static __always_inline unsigned int class_of(size_t bytes)
{
	unsigned int log;

	if (bytes < RESPOOL_CLASS_COLUMNS * RESPOOL_BLOCK_ALIGN)
		return (unsigned int)(bytes / RESPOOL_BLOCK_ALIGN);
	log = (unsigned int)ilog2(bytes);
	return (log - 8) * RESPOOL_CLASS_COLUMNS +
	       ((bytes >> (log - 5)) & (RESPOOL_CLASS_COLUMNS - 1));
}

/* The first class above @class that has a block, or RESPOOL_NR_CLASSES. */
static __always_inline unsigned int next_class(const struct respool_freelist *f, unsigned int class)
{
	unsigned int row = class / RESPOOL_CLASS_COLUMNS;
	u32 columns = f->columns[row] & (~1u << class % RESPOOL_CLASS_COLUMNS);

	if (!columns) {
		u32 rows = f->rows & (~1u << row);

		if (!rows)
			return RESPOOL_NR_CLASSES;
		row = __ffs64(rows);
		columns = f->columns[row];
	}
	return row * RESPOOL_CLASS_COLUMNS + __ffs64(columns);
}

static void set_class_bit(struct respool_freelist *f, unsigned int class)
{
	unsigned int row = class / RESPOOL_CLASS_COLUMNS;

	f->columns[row] |= 1u << class % RESPOOL_CLASS_COLUMNS;
	f->rows |= 1u << row;
}

static void clear_class_bit(struct respool_freelist *f, unsigned int class)
{
	unsigned int row = class / RESPOOL_CLASS_COLUMNS;

	f->columns[row] &= ~(1u << class % RESPOOL_CLASS_COLUMNS);
	if (!f->columns[row])
		f->rows &= ~(1u << row);
}

/**
 * respool_freelist_class_range() - Which blocks belong to a class.
 * @class: index into struct respool_freelist's class[]
 * @min: set to the smallest size of such a block, in bytes
 * @max: set to the largest
 */
void respool_freelist_class_range(unsigned int class, size_t *min, size_t *max)
{
	unsigned int row = class / RESPOOL_CLASS_COLUMNS;
	unsigned int column = class % RESPOOL_CLASS_COLUMNS;
	size_t width = (size_t)RESPOOL_BLOCK_ALIGN << (row ? row - 1 : 0);

	*min = row ? (RESPOOL_CLASS_COLUMNS + column) * width : column * width;
	*max = *min + width - RESPOOL_BLOCK_ALIGN;
}

/* Lists. */

/* What a place says now and shall say: no need to know the number it is xored with. */
static void relink(u64 *place, const struct respool_header *from, const struct respool_header *to)
{
	*place ^= (u64)(uintptr_t)from ^ (u64)(uintptr_t)to;
}

static __always_inline void link_block(struct respool_freelist *f, struct respool_header *b,
				       size_t bytes)
{
	unsigned int index = class_of(bytes);
	struct respool_class *class = &f->class[index];

	link_to(f, &b->next, class->first);
	link_to(f, &b->prev, NULL);
	if (class->first)
		relink(&class->first->prev, NULL, b);
	else
		set_class_bit(f, index);
	class->first = b;
	class->blocks++;
	class->bytes += bytes;
	f->free_blocks++;
	f->free_bytes += bytes;
}

/* A free block's neighbours on its list, and which list that is. */
struct links {
	struct respool_header *next;
	struct respool_header *prev;
	unsigned int class;
};

/*
 * Find the neighbours of @b, which must both point back: to be asked before
 * unlink_block(). A place that points back knows the secret, so it is one of
 * ours, whatever else may be wrong there.
 */
static __always_inline bool find_links(const struct respool_freelist *f,
				       const struct respool_header *b, struct links *links)
{
	links->next = link_at(f, &b->next);
	links->prev = link_at(f, &b->prev);
	links->class = class_of(bytes_of(b));
	if (links->next &&
	    !(is_in_runs(f, links->next) && link_at(f, &links->next->prev) == b))
		return false;
	if (links->prev)
		return is_in_runs(f, links->prev) && link_at(f, &links->prev->next) == b;
	return f->class[links->class].first == b;
}

static bool is_linked(const struct respool_freelist *f, const struct respool_header *b)
{
	struct links links;

	return find_links(f, b, &links);
}

static __always_inline void unlink_block(struct respool_freelist *f, struct respool_header *b,
					 const struct links *links)
{
	struct respool_class *class = &f->class[links->class];
	size_t bytes = bytes_of(b);

	if (links->next)
		relink(&links->next->prev, b, links->prev);
	if (links->prev)
		relink(&links->prev->next, b, links->next);
	else
		class->first = links->next;
	class->blocks--;
	class->bytes -= bytes;
	if (!class->first)
		clear_class_bit(f, links->class);
	f->free_blocks--;
	f->free_bytes -= bytes;
}

/* @links were found before @b, with @gone as its own, was unlinked. */
static void mind_unlinked(struct links *links, const struct respool_header *b,
			  const struct links *gone)
{
	if (links->next == b)
		links->next = gone->next;
	if (links->prev == b)
		links->prev = gone->prev;
}

static __always_inline void make_free(struct respool_freelist *f, struct respool_header *b,
				      size_t bytes, u32 flags)
{
	u64 *footer = footer_before(forward(b, bytes));

	set_tag(f, b, bytes, flags);
	*footer = seal(f, footer, (u32)bytes);
	link_block(f, b, bytes);
}

static __always_inline void make_live(struct respool_freelist *f, struct respool_header *b,
				      size_t bytes, u32 flags)
{
	set_tag(f, b, bytes, flags | TAG_USED);
	f->live_blocks++;
	f->live_bytes += bytes - RESPOOL_BLOCK_HEADER;
	if (bytes <= RESPOOL_COUNTED_MAX)
		f->blocks_of[bytes / RESPOOL_BLOCK_ALIGN]++;
}

static __always_inline void note_peak(struct respool_freelist *f)
{
	f->peak_live_bytes = max(f->peak_live_bytes, f->live_bytes);
}

static __always_inline void forget_live(struct respool_freelist *f, const struct respool_header *b)
{
	f->live_blocks--;
	f->live_bytes -= bytes_of(b) - RESPOOL_BLOCK_HEADER;
	if (bytes_of(b) <= RESPOOL_COUNTED_MAX)
		f->blocks_of[bytes_of(b) / RESPOOL_BLOCK_ALIGN]--;
}

/* Runs. */

/* Of the header @run that stands, or stood, at @at. */
static u64 run_check(u64 secret, const void *at, const struct respool_run *run)
{
	u64 mix = (u64)(uintptr_t)at ^ secret;

	mix = mix * MIX + run->bytes;
	mix = mix * MIX + (u64)(uintptr_t)run->next;
	mix = mix * MIX + (u64)(uintptr_t)run->prev;
	return mix * MIX + run->reserved;
}

/* Copies the header of @run; false if it does not fit its check. */
static bool read_run(const struct respool_freelist *f, const struct respool_run *run,
		     struct respool_run *header)
{
	header->check = READ_ONCE(run->check);
	header->bytes = READ_ONCE(run->bytes);
	header->next = READ_ONCE(run->next);
	header->prev = READ_ONCE(run->prev);
	header->reserved = READ_ONCE(run->reserved);
	return header->check == run_check(f->secret, run, header);
}

static bool run_is_intact(const struct respool_freelist *f, const struct respool_run *run)
{
	struct respool_run header;

	return read_run(f, run, &header);
}

/* The check is linear, so what changes is put into it and what is damaged stays so. */

static void set_next_run(struct respool_run *run, struct respool_run *next)
{
	run->check += ((u64)(uintptr_t)next - (u64)(uintptr_t)run->next) * MIX * MIX;
	run->next = next;
}

static void set_prev_run(struct respool_run *run, struct respool_run *prev)
{
	run->check += ((u64)(uintptr_t)prev - (u64)(uintptr_t)run->prev) * MIX;
	run->prev = prev;
}

static void set_run_bytes(struct respool_run *run, size_t bytes)
{
	run->check += ((u64)bytes - run->bytes) * MIX * MIX * MIX;
	run->bytes = bytes;
}

/* Behind @prev, or first if that is %NULL, comes @next. */
static void set_next_in_list(struct respool_freelist *f, struct respool_run *prev,
			     struct respool_run *next)
{
	if (prev)
		set_next_run(prev, next);
	else
		f->first_run = next;
}

/* In front of @next, or last if that is %NULL, comes @prev. */
static void set_prev_in_list(struct respool_freelist *f, struct respool_run *next,
			     struct respool_run *prev)
{
	if (next)
		set_prev_run(next, prev);
	else
		f->last_run = prev;
}

static void link_runs(struct respool_freelist *f, struct respool_run *prev,
		      struct respool_run *next)
{
	set_next_in_list(f, prev, next);
	set_prev_in_list(f, next, prev);
}

static bool goes_by_address(const struct respool_freelist *f)
{
	return f->search == RESPOOL_SEARCH_FIRST || f->search == RESPOOL_SEARCH_NEXT;
}

/* The run @run is to be linked behind, %NULL to be the first: in front, or in order. */
static int find_run_place(struct respool_freelist *f, const struct respool_run *run,
			  struct respool_run **behind)
{
	struct respool_run *next = f->first_run;

	*behind = NULL;
	if (next && !run_is_intact(f, next))
		return damaged(f, next);
	if (!goes_by_address(f))
		return 0;
	while (next && (uintptr_t)next < (uintptr_t)run) {
		*behind = next;
		next = next->next;
		if (next && !run_is_intact(f, next))
			return damaged(f, next);
	}
	return 0;
}

/* Writes the header of a run of @bytes, too. */
static void insert_run(struct respool_freelist *f, struct respool_run *run, size_t bytes,
		       struct respool_run *behind)
{
	struct respool_run *next = behind ? behind->next : f->first_run;

	*run = (struct respool_run){ .bytes = bytes, .next = next, .prev = behind };
	run->check = run_check(f->secret, run, run);
	set_next_in_list(f, behind, run);
	set_prev_in_list(f, next, run);
	f->runs++;
}

/* Sets @found to the run that holds @addr, %NULL if none does. */
static int find_run(struct respool_freelist *f, struct respool_run *runs, const void *addr,
		    struct respool_run **found)
{
	struct respool_run *run, header;

	for (run = runs; run; run = header.next) {
		if (!read_run(f, run, &header))
			return damaged(f, run);
		if (run_covers(run, header.bytes, addr))
			break;
	}
	*found = run;
	return 0;
}

/* Cursors and the rover: moved before what they stand at goes away. */

static void enter_run(const struct respool_freelist *f, struct respool_cursor *c,
		      const struct respool_run *run)
{
	c->run = run && run_is_intact(f, run) ? run : NULL;
	c->block = c->run ? first_block(c->run) : NULL;
}

/* The header @b is to be swallowed by the block @into, which then ends at @end. */
static void leave_block(struct respool_freelist *f, const struct respool_header *b,
			struct respool_header *into, const struct respool_header *end)
{
	struct respool_cursor *c;

	if (f->rover.block == b)
		f->rover.block = into;
	for (c = f->cursors; c; c = c->on)
		if (c->block == b)
			c->block = end;
}

static void leave_run(struct respool_freelist *f, const struct respool_run *run)
{
	struct respool_cursor *c;

	if (f->rover.run == run)
		f->rover = start_of(run->next);
	if (f->top == run)
		f->top = NULL;
	for (c = f->cursors; c; c = c->on)
		if (c->run == run)
			enter_run(f, c, run->next);
}

static void end_reading(struct respool_freelist *f)
{
	struct respool_cursor *c;

	for (c = f->cursors; c; c = c->on)
		enter_run(f, c, NULL);
}

/**
 * respool_freelist_init() - Start with no run at all.
 * @f: free list
 * @secret: random number that keys its tags and links
 * @search: how respool_freelist_alloc() chooses a block
 */
void respool_freelist_init(struct respool_freelist *f, u64 secret, enum respool_search search)
{
	memset(f, 0, sizeof(*f));
	f->secret = secret;
	f->search = search;
	f->low = UINTPTR_MAX;
}

/**
 * respool_freelist_run_is_empty() - Whether a run has no live block.
 * @f: free list
 * @run: run in service
 */
bool respool_freelist_run_is_empty(const struct respool_freelist *f,
				   const struct respool_run *run)
{
	const struct respool_header *b = first_block(run);

	return run_is_intact(f, run) && is_intact(f, b) && !is_used(b) &&
	       bytes_of(b) == run->bytes - RESPOOL_RUN_OVERHEAD;
}

/**
 * respool_freelist_remove_run() - Take an empty run's memory back.
 * @f: free list
 * @run: run in service
 *
 * Return: 0, %-EBUSY if the run has a live block, or %-EUCLEAN.
 */
int respool_freelist_remove_run(struct respool_freelist *f, struct respool_run *run)
{
	struct respool_header *b = first_block(run);
	struct respool_run *next = run->next;
	struct respool_run *prev = run->prev;
	struct links links;

	if (!run_is_intact(f, run) || (next && !run_is_intact(f, next)) ||
	    (prev && !run_is_intact(f, prev)))
		return damaged(f, run);
	if (!is_intact(f, b))
		return damaged(f, b);
	if (!respool_freelist_run_is_empty(f, run))
		return -EBUSY;
	if (!find_links(f, b, &links))
		return damaged(f, b);

	leave_run(f, run);
	unlink_block(f, b, &links);
	link_runs(f, prev, next);
	f->runs--;
	f->held_bytes -= run->bytes;
	/* What stays behind shall pass for neither a run nor a live block. */
	end_tag(run)->tag = 0;
	memset(run, 0, sizeof(*run));
	return 0;
}

/*
 * The block that serves @size, and the bytes a search has to find for it: a
 * cut-off front must itself be large enough to be a block.
 */
static __always_inline int block_bytes(size_t size, size_t align, size_t *need, size_t *span)
{
	size_t slack = align > RESPOOL_BLOCK_ALIGN ?
		       align - RESPOOL_BLOCK_ALIGN + RESPOOL_BLOCK_MIN : 0;

	if (!size || !is_power_of_2(align))
		return -EINVAL;
	if (size > RESPOOL_REQUEST_MAX - RESPOOL_BLOCK_ALIGN || slack > RESPOOL_BLOCK_MAX)
		return -EOVERFLOW;
	*need = max_t(size_t, round_up(size + RESPOOL_BLOCK_HEADER, RESPOOL_BLOCK_ALIGN),
		      RESPOOL_BLOCK_MIN);
	if (check_add_overflow(*need, slack, span) || *span > RESPOOL_BLOCK_MAX)
		return -EOVERFLOW;
	return 0;
}

/**
 * respool_freelist_run_bytes() - How long a run must be to serve a request.
 * @size: bytes of the request
 * @align: its alignment
 *
 * Return: bytes with which respool_freelist_alloc() cannot fail on an empty
 * run, 0 if no run is long enough.
 */
size_t respool_freelist_run_bytes(size_t size, size_t align)
{
	size_t need, span;

	return block_bytes(size, align, &need, &span) ? 0 : span + RESPOOL_RUN_OVERHEAD;
}

/* Whether a rest is too short to be a block, and much beside the @bytes that are taken. */
static bool is_loss(size_t rest, size_t bytes)
{
	return rest && rest < RESPOOL_BLOCK_MIN && rest >= bytes / 2;
}

/*
 * How unwelcome it is to take @bytes from @b: as what is left over is long, but
 * for two cases. The free block at the end of the top run can still grow, and
 * lets the block in front of it grow. And of a rest too short to be a block
 * nobody has anything, where that may be half of what was asked for.
 */
static size_t regret(const struct respool_freelist *f, const struct respool_header *b,
		     size_t bytes)
{
	size_t rest = bytes_of(b) - bytes;

	if (is_loss(rest, bytes))
		return REGRET_LOSS;
	if (f->top && after(b) == end_tag(f->top))
		return REGRET_TOP;
	return rest;
}

/* The most welcome block of at least @bytes among the first few of a class. */
static __always_inline int best_of_class(struct respool_freelist *f, unsigned int class,
					 size_t bytes, struct respool_header **best, size_t *least)
{
	struct respool_header *b = f->class[class].first, *from = NULL;
	unsigned int looks;

	for (looks = 0; b && looks < FIT_LOOKS && *least; looks++) {
		if (!is_free_block(f, b))
			return damaged_link(f, from, b);
		if (bytes_of(b) >= bytes && (!*best || regret(f, b, bytes) < *least)) {
			*best = b;
			*least = regret(f, b, bytes);
		}
		from = b;
		b = link_at(f, &b->next);
	}
	return 0;
}

/*
 * TLSF's, but for the looks into the request's own class, and that it goes on
 * from a class without a welcome block. Two have none at most: that of the top
 * run's end, and that of the blocks of which 16 bytes would be lost.
 */
static __always_inline int good_fit(struct respool_freelist *f, size_t bytes,
				    struct respool_header **fit)
{
	unsigned int class = class_of(bytes);
	size_t least = SIZE_MAX;
	int err;

	*fit = NULL;
	do {
		err = best_of_class(f, class, bytes, fit, &least);
		if (err || least < REGRET_TOP)
			return err;
		class = next_class(f, class);
	} while (class < RESPOOL_NR_CLASSES);
	return *fit ? 0 : -ENOMEM;
}

/* The smallest block of at least @bytes in all of a class, %NULL if there is none. */
static int lowest_best_of_class(struct respool_freelist *f, unsigned int class, size_t bytes,
				struct respool_header **best)
{
	struct respool_header *b, *prev = NULL;

	*best = NULL;
	/* Back links that match make the list a simple chain: no cycle. */
	for (b = f->class[class].first; b; prev = b, b = link_at(f, &b->next)) {
		if (!is_free_block(f, b) || link_at(f, &b->prev) != prev)
			return damaged_link(f, prev, b);
		if (bytes_of(b) < bytes)
			continue;
		if (!*best || bytes_of(b) < bytes_of(*best) ||
		    (bytes_of(b) == bytes_of(*best) && (uintptr_t)b < (uintptr_t)*best))
			*best = b;
	}
	return 0;
}

/* Classes are in order of size: the next one is asked only if the first has none. */
static int best_fit(struct respool_freelist *f, size_t bytes, struct respool_header **fit)
{
	unsigned int class = class_of(bytes);
	int err = lowest_best_of_class(f, class, bytes, fit);

	if (err || *fit)
		return err;
	class = next_class(f, class);
	if (class == RESPOOL_NR_CLASSES)
		return -ENOMEM;
	return lowest_best_of_class(f, class, bytes, fit);
}

/*
 * The first free block of at least @bytes on the implicit list, from one block
 * of a run to the run's end; %NULL if there is none.
 */
static int first_of_run(struct respool_freelist *f, const struct respool_place *from,
			size_t bytes, struct respool_header **first)
{
	struct respool_header *b, *end;

	*first = NULL;
	if (!run_is_intact(f, from->run))
		return damaged(f, from->run);
	end = end_tag(from->run);
	for (b = from->block; b != end; b = after(b)) {
		/* An intact tag without a size leads nowhere else. */
		if (!is_intact(f, b) || !bytes_of(b))
			return damaged(f, b);
		if (!is_used(b) && bytes_of(b) >= bytes) {
			*first = b;
			break;
		}
	}
	return 0;
}

/*
 * From a place on, in order of address as the runs are, to the end of the run
 * @last, %NULL for all runs.
 */
static int first_fit_between(struct respool_freelist *f, struct respool_place from,
			     const struct respool_run *last, size_t bytes,
			     struct respool_place *fit)
{
	int err;

	for (; from.run; from = start_of(from.run->next)) {
		fit->run = from.run;
		err = first_of_run(f, &from, bytes, &fit->block);
		if (err || fit->block)
			return err;
		if (from.run == last)
			break;
	}
	return -ENOMEM;
}

static int first_fit(struct respool_freelist *f, size_t bytes, struct respool_place *fit)
{
	return first_fit_between(f, start_of(f->first_run), NULL, bytes, fit);
}

/* What lies in front of the rover in its run comes last. */
static int next_fit(struct respool_freelist *f, size_t bytes, struct respool_place *fit)
{
	int err = first_fit_between(f, f->rover, NULL, bytes, fit);

	if (err != -ENOMEM)
		return err;
	return first_fit_between(f, start_of(f->first_run), f->rover.run, bytes, fit);
}

/* One of those that are there to be studied. */
static noinline int study_fit(struct respool_freelist *f, size_t bytes, struct respool_place *fit)
{
	switch (f->search) {
	case RESPOOL_SEARCH_FIRST:
		return first_fit(f, bytes, fit);
	case RESPOOL_SEARCH_NEXT:
		return next_fit(f, bytes, fit);
	default:
		return best_fit(f, bytes, &fit->block);
	}
}

static __always_inline int find_fit(struct respool_freelist *f, size_t bytes,
				    struct respool_place *fit)
{
	fit->run = NULL;
	if (likely(f->search == RESPOOL_SEARCH_GOOD))
		return good_fit(f, bytes, &fit->block);
	return study_fit(f, bytes, fit);
}

/*
 * Make the first @need of @room bytes at @b a live block and what is left, if
 * it can be one, a free one. The block behind @room must be live or the end.
 */
static __always_inline void place(struct respool_freelist *f, struct respool_header *b, size_t room,
				  size_t need, u32 flags)
{
	struct respool_header *end = forward(b, room);
	size_t rest = room - need;

	if (rest < RESPOOL_BLOCK_MIN) {
		make_live(f, b, room, flags);
		set_prev_used(end, true);
		return;
	}
	make_live(f, b, need, flags);
	make_free(f, forward(b, need), rest, TAG_PREV_USED);
	set_prev_used(end, false);
	f->splits++;
}

/* Bytes to cut off in front of @b so that its payload is aligned. */
static size_t front_gap(const struct respool_header *b, size_t align)
{
	uintptr_t payload = (uintptr_t)b + RESPOOL_BLOCK_HEADER;
	size_t gap = round_up(payload, align) - payload;

	if (gap && gap < RESPOOL_BLOCK_MIN)
		gap += align;
	return gap;
}

/* Free memory in a run that is on no list. */
struct room {
	struct respool_run *run;
	struct respool_header *block;
	size_t bytes;
	u32 flags;
};

/* Make the first @need aligned bytes of @room a live block; returns its payload. */
static __always_inline void *hand_out(struct respool_freelist *f, struct room room, size_t need,
				      size_t align)
{
	size_t gap = front_gap(room.block, align);

	if (gap) {
		make_free(f, room.block, gap, room.flags);
		room.block = forward(room.block, gap);
		room.bytes -= gap;
		room.flags = 0;
		f->splits++;
	}
	place(f, room.block, room.bytes, need, room.flags);
	note_peak(f);
	return &room.block->next;
}

/* As block_bytes(), for a request that may be for none and has to be served from @room. */
static __always_inline int room_bytes(const struct room *room, size_t size, size_t align,
				      size_t *need)
{
	size_t span = 0;
	int err;

	*need = 0;
	err = size ? block_bytes(size, align, need, &span) : 0;
	if (err)
		return err;
	return span > room->bytes ? -ENOMEM : 0;
}

/* Make @room a free block, but for what is to be handed out of it. */
static __always_inline void use_room(struct respool_freelist *f, const struct room *room,
				     size_t need, size_t align, void **ptr)
{
	if (!need) {
		make_free(f, room->block, room->bytes, room->flags);
		return;
	}
	if (f->search == RESPOOL_SEARCH_NEXT)
		f->rover = (struct respool_place){ .run = room->run, .block = room->block };
	*ptr = hand_out(f, *room, need, align);
}

/**
 * respool_freelist_add_run() - Bring memory in, and serve a request from it.
 * @f: free list
 * @mem: the memory, aligned to RESPOOL_BLOCK_ALIGN; whatever lies between two
 *	runs of one free list must be readable
 * @bytes: its length, a multiple of RESPOOL_BLOCK_ALIGN
 * @size: bytes wanted of it, 0 for none: all is one free block then, the first
 *	that its class will give
 * @align: as for respool_freelist_alloc()
 * @ptr: set to the payload of the block that is handed out
 *
 * Walks the runs if searches go by address.
 *
 * Return: 0, %-EINVAL for memory that cannot be a run, %-EUCLEAN, or for the request
 * %-EINVAL, %-EOVERFLOW, or %-ENOMEM if there it cannot be served.
 */
int respool_freelist_add_run(struct respool_freelist *f, void *mem, size_t bytes, size_t size,
			     size_t align, void **ptr)
{
	struct respool_run *run = mem, *behind;
	struct room room = { .run = run, .block = first_block(run),
			     .bytes = bytes - RESPOOL_RUN_OVERHEAD,
			     .flags = TAG_PREV_USED | TAG_FIRST };
	size_t need;
	int err;

	if ((uintptr_t)mem % RESPOOL_BLOCK_ALIGN || bytes % RESPOOL_BLOCK_ALIGN ||
	    bytes < RESPOOL_RUN_OVERHEAD + RESPOOL_BLOCK_MIN ||
	    bytes - RESPOOL_RUN_OVERHEAD > RESPOOL_BLOCK_MAX)
		return -EINVAL;
	err = room_bytes(&room, size, align, &need);
	if (!err)
		err = find_run_place(f, run, &behind);
	if (err)
		return err;

	f->low = min_t(uintptr_t, f->low, (uintptr_t)mem);
	f->high = max_t(uintptr_t, f->high, (uintptr_t)mem + bytes);
	f->held_bytes += bytes;
	insert_run(f, run, bytes, behind);
	set_tag(f, end_tag(run), 0, TAG_USED);
	use_room(f, &room, need, align, ptr);
	return 0;
}

/**
 * respool_freelist_alloc() - Hand out a block.
 * @f: free list
 * @size: bytes wanted, at least 1
 * @align: alignment of the payload, a power of two; below RESPOOL_BLOCK_ALIGN
 *	it is raised to that
 * @ptr: set to the block's payload
 *
 * Which block, says &enum respool_search; one that @align asks for must be long
 * enough wherever it lies.
 *
 * Return: 0, %-EINVAL for a zero @size or a bad @align, %-EOVERFLOW for more
 * than a header can describe, %-ENOMEM if no block serves, or %-EUCLEAN.
 */
int respool_freelist_alloc(struct respool_freelist *f, size_t size, size_t align, void **ptr)
{
	struct respool_header *b;
	struct respool_place fit;
	struct links links;
	size_t need, span;
	struct room room;
	int err;

	err = block_bytes(size, align, &need, &span);
	if (!err)
		err = find_fit(f, span, &fit);
	if (err)
		return err;
	b = fit.block;
	if (!find_links(f, b, &links))
		return damaged(f, b);
	if (!is_intact(f, after(b)))
		return damaged(f, after(b));

	unlink_block(f, b, &links);
	if (f->search == RESPOOL_SEARCH_NEXT)
		f->rover = fit;
	room = (struct room){ .block = b, .bytes = bytes_of(b), .flags = flags_of(b) };
	*ptr = hand_out(f, room, need, align);
	return 0;
}

/*
 * Cut the free block @b, which is off its list and whose neighbour behind is
 * intact, into cached blocks of @need bytes: up to @nr of them, at least one. What is
 * left becomes a free block if it can be one, else the last one's.
 */
static unsigned int carve(struct respool_freelist *f, struct respool_header *b, size_t need,
			  unsigned int nr, void **blocks)
{
	size_t room = bytes_of(b);
	u32 flags = flags_of(b) | TAG_CACHED;
	unsigned int got = 0;

	nr = min_t(size_t, nr, room / need);
	if (nr > 1 && is_loss(room - nr * need, need))
		nr--;
	for (; got + 1 < nr; room -= need, b = forward(b, need)) {
		make_live(f, b, need, flags);
		flags = TAG_PREV_USED | TAG_CACHED;
		blocks[got++] = &b->next;
		f->splits++;
	}
	place(f, b, room, need, flags);
	blocks[got++] = &b->next;
	return got;
}

/**
 * respool_freelist_take() - Take blocks of one size for a magazine.
 * @f: free list
 * @bytes: size of the blocks, headers included: a multiple of RESPOOL_BLOCK_ALIGN
 *	and at least RESPOOL_BLOCK_MIN
 * @nr: how many at most
 * @blocks: where their payloads' addresses go
 *
 * Does what as many allocations would do, but cuts a block that holds several at
 * one go, and searches for no more than %RESPOOL_TAKE_SEARCHES such. A block may
 * be RESPOOL_BLOCK_ALIGN bytes larger than asked for, as one that
 * respool_freelist_alloc() gives may be.
 *
 * Return: how many, all cached; none only if there are none, or if damage was met.
 */
unsigned int respool_freelist_take(struct respool_freelist *f, size_t bytes, unsigned int nr,
				   void **blocks)
{
	struct respool_header *b;
	struct respool_place fit;
	unsigned int got = 0, searches = 0;
	struct links links;

	for (; got < nr && searches < RESPOOL_TAKE_SEARCHES && !find_fit(f, bytes, &fit);
	     searches++) {
		b = fit.block;
		if (!find_links(f, b, &links) || !is_intact(f, after(b))) {
			damaged(f, b);
			break;
		}
		unlink_block(f, b, &links);
		if (f->search == RESPOOL_SEARCH_NEXT)
			f->rover = fit;
		got += carve(f, b, bytes, nr - got, blocks + got);
	}
	note_peak(f);
	return got;
}

/*
 * Name the mistake in @ptr, which is not the payload of a block of ours as
 * far as its header tells. Walks runs, and one run's blocks.
 */
static int refuse(struct respool_freelist *f, const void *ptr)
{
	struct respool_header *b, *next;
	struct respool_run *run;
	u64 tag;
	int err;

	err = find_run(f, f->first_run, ptr, &run);
	if (err)
		return err;
	if (!run) {
		err = find_run(f, f->retired_run, ptr, &run);
		return err ? err : run ? -EUCLEAN : -EFAULT;
	}
	for (b = first_block(run); (uintptr_t)b < (uintptr_t)ptr; b = next) {
		if (!read_tag(f, b, &tag))
			return damaged(f, b);
		next = forward(b, respool_tag_bytes(tag));
		if (next == b)
			break;
		if ((uintptr_t)ptr < (uintptr_t)next)
			return tag & TAG_USED && !(tag & TAG_CACHED) ? -EINVAL : -EALREADY;
	}
	return -EINVAL;
}

static int find_live(struct respool_freelist *f, const void *ptr, struct respool_header **found)
{
	struct respool_header *b = respool_header_of(ptr);

	/* An intact tag without a size is a run's end. */
	if ((uintptr_t)ptr % RESPOOL_BLOCK_ALIGN || !is_intact(f, b) || !bytes_of(b))
		return refuse(f, ptr);
	if (!is_live(b))
		return -EALREADY;
	*found = b;
	return 0;
}

/* Whether the block behind @b can be trusted; if it is free, also unlinked. */
static __always_inline int check_next(struct respool_freelist *f, const struct respool_header *b,
				      struct links *links)
{
	const struct respool_header *next = after(b);

	if (!is_intact(f, next))
		return damaged(f, next);
	if (is_used(next))
		return 0;
	if (!find_links(f, next, links))
		return damaged(f, next);
	return is_intact(f, after(next)) ? 0 : damaged(f, after(next));
}

/* Sets @found to the free block in front of @b, %NULL if that one is used. */
static __always_inline int find_prev(struct respool_freelist *f, const struct respool_header *b,
				     struct respool_header **found, struct links *links)
{
	const u64 *footer = footer_before(b);
	struct respool_header *prev;

	*found = NULL;
	if (flags_of(b) & TAG_PREV_USED)
		return 0;
	if (!is_intact(f, footer))
		return damaged(f, footer);
	prev = (struct respool_header *)((uintptr_t)b - (u32)*footer);
	if (!is_free_block(f, prev) || after(prev) != b || !find_links(f, prev, links))
		return damaged(f, prev);
	*found = prev;
	return 0;
}

/*
 * Sets @last to the free block at the end of a run, %NULL if that ends with a
 * live one.
 */
static __always_inline int find_last(struct respool_freelist *f, const struct respool_run *run,
				     struct respool_header **last, struct links *links)
{
	if (!run_is_intact(f, run))
		return damaged(f, run);
	if (!is_intact(f, end_tag(run)))
		return damaged(f, end_tag(run));
	return find_prev(f, end_tag(run), last, links);
}

/* Put the end of a run elsewhere, behind a block that is or will be free. */
static inline void move_end(struct respool_freelist *f, struct respool_run *run, size_t bytes)
{
	/* What stays behind shall pass for no end tag. */
	end_tag(run)->tag = 0;
	f->held_bytes += bytes - run->bytes;
	set_run_bytes(run, bytes);
	set_tag(f, end_tag(run), 0, TAG_USED);
}

/**
 * respool_freelist_extend_run() - Bring in memory that lies behind a run.
 * @f: free list
 * @run: run in service
 * @bytes: length of the memory, which begins where the run ends; a multiple of
 *	RESPOOL_BLOCK_ALIGN
 * @size: as for respool_freelist_add_run()
 * @align: the same
 * @ptr: the same
 *
 * The run becomes longer, by its last block if that is free, else by a new one.
 *
 * Return: 0, %-EINVAL for memory that cannot be a block or would make one too
 * large, %-EUCLEAN, or for the request as respool_freelist_add_run().
 */
int respool_freelist_extend_run(struct respool_freelist *f, struct respool_run *run, size_t bytes,
				size_t size, size_t align, void **ptr)
{
	struct room room = { .run = run, .block = end_tag(run), .bytes = bytes,
			     .flags = TAG_PREV_USED };
	struct respool_header *last;
	struct links links;
	size_t need;
	int err = find_last(f, run, &last, &links);

	if (err)
		return err;
	if (bytes % RESPOOL_BLOCK_ALIGN || bytes < RESPOOL_BLOCK_MIN ||
	    bytes > RESPOOL_BLOCK_MAX - (run->bytes - RESPOOL_RUN_OVERHEAD))
		return -EINVAL;
	if (last)
		room.bytes += bytes_of(last);
	err = room_bytes(&room, size, align, &need);
	if (err)
		return err;

	move_end(f, run, run->bytes + bytes);
	f->high = max_t(uintptr_t, f->high, (uintptr_t)run + run->bytes);
	if (last) {
		leave_block(f, room.block, last, end_tag(run));
		unlink_block(f, last, &links);
		room.block = last;
		room.flags = flags_of(last);
	}
	use_room(f, &room, need, align, ptr);
	return 0;
}

/**
 * respool_freelist_trim_run() - Take memory back from the end of a run.
 * @f: free list
 * @run: run in service
 * @bytes: how much, a multiple of RESPOOL_BLOCK_ALIGN
 *
 * Return: 0, %-EBUSY if not even a smallest block more than that is free
 * there, or %-EUCLEAN.
 */
int respool_freelist_trim_run(struct respool_freelist *f, struct respool_run *run, size_t bytes)
{
	struct respool_header *end = end_tag(run), *last;
	struct links links;
	int err = find_last(f, run, &last, &links);

	if (err)
		return err;
	if (bytes % RESPOOL_BLOCK_ALIGN)
		return -EINVAL;
	if (!last || bytes_of(last) < RESPOOL_BLOCK_MIN + bytes)
		return -EBUSY;

	move_end(f, run, run->bytes - bytes);
	leave_block(f, end, last, end_tag(run));
	unlink_block(f, last, &links);
	make_free(f, last, bytes_of(last) - bytes, flags_of(last));
	return 0;
}

/**
 * respool_freelist_run_tail() - How much is free at the end of a run.
 * @f: free list
 * @run: run in service
 *
 * Return: bytes of the free block there, header included; 0 if there is none
 * or damage.
 */
size_t respool_freelist_run_tail(const struct respool_freelist *f, const struct respool_run *run)
{
	const struct respool_header *end = end_tag(run);
	const u64 *footer = footer_before(end);

	if (!is_intact(f, end) || flags_of(end) & TAG_PREV_USED || !is_intact(f, footer))
		return 0;
	return (u32)*footer;
}

/**
 * respool_freelist_run_to_extend() - Which run to extend for a block to grow.
 * @f: free list
 * @ptr: payload of a live block
 * @size: bytes it shall hold
 * @run: set to the run
 * @bytes: set to the bytes missing
 *
 * That can be told of a block at the end of its run, if it is the first of
 * that run or the run is the top one.
 *
 * Return: 0, %-ENOSPC for any other block, or what respool_freelist_resize()
 * would say, but for a block that has the room.
 */
int respool_freelist_run_to_extend(struct respool_freelist *f, const void *ptr, size_t size,
				   struct respool_run **run, size_t *bytes)
{
	const struct respool_header *next;
	struct respool_header *b;
	struct links links;
	size_t need, span;
	int err;

	err = block_bytes(size, RESPOOL_BLOCK_ALIGN, &need, &span);
	if (!err)
		err = find_live(f, ptr, &b);
	if (!err)
		err = check_next(f, b, &links);
	if (err)
		return err;
	next = after(b);
	if (!is_used(next))
		next = after(next);
	*run = flags_of(b) & TAG_FIRST ? run_before(b) : f->top;
	if (*run && !run_is_intact(f, *run))
		return damaged(f, *run);
	if (!*run || end_tag(*run) != next)
		return -ENOSPC;
	*bytes = need - min_t(size_t, need, (uintptr_t)next - (uintptr_t)b);
	return 0;
}

/**
 * respool_freelist_resize() - Make a live block longer or shorter where it is.
 * @f: free list
 * @ptr: the block's payload
 * @size: bytes it shall hold, at least 1
 *
 * Its contents stay, up to the smaller of the two sizes.
 *
 * Return: 0, %-ENOSPC if the block cannot be that long where it is, %-EINVAL
 * for a zero @size, %-EOVERFLOW, or what respool_freelist_free() would say.
 */
int respool_freelist_resize(struct respool_freelist *f, void *ptr, size_t size)
{
	struct respool_header *b, *next;
	size_t need, span, room;
	struct links links;
	int err;

	err = block_bytes(size, RESPOOL_BLOCK_ALIGN, &need, &span);
	if (!err)
		err = find_live(f, ptr, &b);
	if (!err)
		err = check_next(f, b, &links);
	if (err)
		return err;
	next = after(b);
	room = bytes_of(b) + (is_used(next) ? 0 : bytes_of(next));
	if (need > room)
		return -ENOSPC;
	if (need <= bytes_of(b) && bytes_of(b) - need < bytes_of(b) / RESIZE_SHARE)
		return 0;

	if (!is_used(next)) {
		leave_block(f, next, b, after(next));
		unlink_block(f, next, &links);
		f->coalesces++;
	}
	forget_live(f, b);
	place(f, b, room, need, flags_of(b) & ~TAG_USED);
	note_peak(f);
	return 0;
}

/**
 * respool_freelist_put() - Take a cached block back and merge it with its neighbours.
 * @f: free list
 * @ptr: the block's payload
 * @empty: set to the block's run if that has no used block any more, else to
 *	%NULL; the run stays in service until respool_freelist_remove_run()
 *
 * Return: 0, or %-EUCLEAN, and the block is cached still.
 */
int respool_freelist_put(struct respool_freelist *f, void *ptr, struct respool_run **empty)
{
	struct respool_header *b = respool_header_of(ptr), *prev, *next, *end, *first;
	struct links next_links, prev_links;
	struct respool_run *run = NULL;
	int err;

	*empty = NULL;
	if (!respool_block_is_cached(f, ptr))
		return damaged(f, b);
	err = check_next(f, b, &next_links);
	if (!err)
		err = find_prev(f, b, &prev, &prev_links);
	if (err)
		return err;
	next = after(b);
	end = is_used(next) ? next : after(next);
	first = prev ? prev : b;
	if (!bytes_of(end) && flags_of(first) & TAG_FIRST) {
		run = run_before(first);
		if (!run_is_intact(f, run))
			return damaged(f, run);
	}

	forget_live(f, b);
	if (next != end) {
		leave_block(f, next, b, end);
		unlink_block(f, next, &next_links);
		f->coalesces++;
	}
	if (prev) {
		if (next != end)
			mind_unlinked(&prev_links, next, &next_links);
		leave_block(f, b, prev, end);
		unlink_block(f, prev, &prev_links);
		f->coalesces++;
		/* It stays in memory, and shall not pass for a block in use. */
		set_tag(f, b, bytes_of(b), flags_of(b) & ~(TAG_USED | TAG_CACHED));
	}
	make_free(f, first, (uintptr_t)end - (uintptr_t)first,
		  flags_of(first) & ~(TAG_USED | TAG_CACHED));
	set_prev_used(end, false);
	f->end_freed = !bytes_of(end);
	*empty = run;
	return 0;
}

/**
 * respool_freelist_free() - End the life of a block and take it back.
 * @f: free list
 * @ptr: the block's payload
 * @empty: as for respool_freelist_put()
 *
 * @ptr may be any address of which the 8 bytes in front can be read.
 *
 * Return: 0, %-EALREADY for a block that is free or cached, %-EINVAL for an
 * address inside a live block or a run's own data, %-EFAULT for one in no run,
 * or %-EUCLEAN. An address inside a live block where the header of a block that
 * was freed before still stands is a double free. A block of a run out of
 * service is %-EUCLEAN, but no new damage.
 */
int respool_freelist_free(struct respool_freelist *f, void *ptr, struct respool_run **empty)
{
	struct respool_header *b;
	int err;

	*empty = NULL;
	do {
		err = find_live(f, ptr, &b);
		if (err)
			return err;
	} while (!respool_block_end(ptr, READ_ONCE(b->tag)));
	err = respool_freelist_put(f, ptr, empty);
	if (err)
		respool_block_give(ptr, bytes_of(b));
	return err;
}

/**
 * respool_freelist_usable_size() - How many bytes a live block holds.
 * @f: free list
 * @ptr: the block's payload
 * @size: set to the bytes from @ptr to the block's end
 *
 * Return: 0 or what respool_freelist_free() would say of @ptr.
 */
int respool_freelist_usable_size(struct respool_freelist *f, const void *ptr, size_t *size)
{
	struct respool_header *b;
	int err = find_live(f, ptr, &b);

	if (!err)
		*size = bytes_of(b) - RESPOOL_BLOCK_HEADER;
	return err;
}

/**
 * respool_freelist_knows() - Whether @ptr is a live block of this free list.
 * @f: free list
 * @ptr: any address of which the 8 bytes in front can be read
 *
 * Looks at the header in front of @ptr and nothing else, so it needs no lock;
 * without one, the answer may be out of date.
 */
bool respool_freelist_knows(const struct respool_freelist *f, const void *ptr)
{
	return !((uintptr_t)ptr % RESPOOL_BLOCK_ALIGN) &&
	       respool_tag_bytes(respool_block_live_tag(f, ptr));
}

/**
 * respool_freelist_holds() - Whether an address lies in a run in service.
 * @f: free list
 * @addr: any address
 *
 * Walks the runs.
 */
bool respool_freelist_holds(const struct respool_freelist *f, const void *addr)
{
	const struct respool_run *run;
	struct respool_run header;

	for (run = f->first_run; run && read_run(f, run, &header); run = header.next)
		if (run_covers(run, header.bytes, addr))
			return true;
	return false;
}

/* Looking at the whole heap. */

/* The block at the far end is not asked: its damage is its own run's. */
static bool may_link(const struct respool_freelist *f, const struct respool_header *to)
{
	return !to || is_in_runs(f, to);
}

/*
 * What is wrong with @b itself, whose tag is @tag, or in its place: with the flag
 * @first, behind a block that is @prev_used, in a run that ends at @end.
 */
static const char *check_block(const struct respool_freelist *f, const struct respool_header *b,
			       u64 tag, u32 first, bool prev_used,
			       const struct respool_header *end)
{
	size_t bytes = respool_tag_bytes(tag);
	u64 foot;

	if (!is_tag(f->secret, b, tag))
		return "a header does not fit its check";
	if (b == end ? bytes || !(tag & TAG_USED) :
	    bytes < RESPOOL_BLOCK_MIN || bytes > (uintptr_t)end - (uintptr_t)b)
		return "a block has an impossible size";
	if ((tag & TAG_FIRST) != first)
		return "a block is wrong about being the first of its run";
	if (!(tag & TAG_PREV_USED) == prev_used)
		return "a previous-used bit is wrong";
	if (tag & TAG_USED)
		return NULL;
	if (tag & TAG_CACHED)
		return "a free block is marked as cached";
	if (!prev_used)
		return "two neighbours are free";
	if (!read_tag(f, footer_before(forward(b, bytes)), &foot) || (u32)foot != bytes)
		return "a footer differs from its header";
	if (!may_link(f, link_at(f, &b->next)) || !may_link(f, link_at(f, &b->prev)))
		return "a link leads nowhere";
	return NULL;
}

/* What the runs and the classes each sum up to, to be held against the counters. */
struct census {
	u64 runs;
	u64 held_bytes;
	u64 live_blocks;
	u64 live_bytes;
	u64 free_blocks;
	u64 free_bytes;
	u64 rovers;
};

static const char *count_block(const struct respool_freelist *f, const struct respool_run *run,
			       const struct respool_header *b, u64 tag, struct census *sum)
{
	size_t bytes = respool_tag_bytes(tag);

	sum->rovers += f->rover.run == run && f->rover.block == b;
	if (tag & TAG_USED) {
		sum->live_blocks++;
		sum->live_bytes += bytes - RESPOOL_BLOCK_HEADER;
		return NULL;
	}
	sum->free_blocks++;
	sum->free_bytes += bytes;
	return is_linked(f, b) ? NULL : "a free block is not on the list of its class";
}

/*
 * Everything about a run of @bytes that can be told without its neighbours on
 * the lists. With @sum those are asked too, and the blocks are counted there.
 * Somebody who should not may write into the run at this moment, so each tag is
 * read once: what was checked is what leads on.
 */
static const char *check_run(const struct respool_freelist *f, const struct respool_run *run,
			     size_t bytes, struct census *sum, const void **where)
{
	const struct respool_header *end = end_of(run, bytes), *b = first_block(run);
	u32 first = TAG_FIRST;
	bool prev_used = true;
	const char *broken;
	u64 tag;

	for (;;) {
		tag = READ_ONCE(b->tag);
		*where = b;
		broken = check_block(f, b, tag, first, prev_used, end);
		if (broken || b == end)
			return broken;
		broken = sum ? count_block(f, run, b, tag, sum) : NULL;
		if (broken)
			return broken;
		b = forward(b, respool_tag_bytes(tag));
		prev_used = tag & TAG_USED;
		first = 0;
	}
}

/* A damaged run header cuts the list: the rest is looked for from the far end. */
static void close_gap(struct respool_freelist *f)
{
	struct respool_run *run, *before = NULL, *behind = NULL;
	struct respool_run header;

	for (run = f->first_run; run && read_run(f, run, &header); run = header.next)
		before = run;
	if (!run)
		return;
	for (run = f->last_run; run && run != before && read_run(f, run, &header);
	     run = header.prev)
		behind = run;
	link_runs(f, before, behind);
}

static void retire_run(struct respool_freelist *f, struct respool_run *run)
{
	set_next_run(run, f->retired_run);
	set_prev_run(run, NULL);
	f->retired_run = run;
}

static void retire_damaged_runs(struct respool_freelist *f)
{
	struct respool_run *run, *prev = NULL;
	struct respool_run header;
	const void *where;

	close_gap(f);
	for (run = f->first_run; run && read_run(f, run, &header); run = header.next) {
		if (!check_run(f, run, header.bytes, NULL, &where)) {
			prev = run;
			continue;
		}
		link_runs(f, prev, header.next);
		retire_run(f, run);
	}
}

/* Tags and links of a run that was sound under the secret @old, again under the new one. */
static void rebuild_run(struct respool_freelist *f, struct respool_run *run, size_t run_bytes,
			u64 old)
{
	const struct respool_header *end = end_of(run, run_bytes);
	struct respool_header *b = first_block(run);
	size_t bytes;
	u64 tag;

	for (;; b = forward(b, bytes)) {
		tag = READ_ONCE(b->tag);
		bytes = respool_tag_bytes(tag);
		/* Written over since it was checked? */
		if (!is_tag(old, b, tag) || bytes > (uintptr_t)end - (uintptr_t)b) {
			damaged(f, b);
			return;
		}
		if (b == end)
			break;
		if (tag & TAG_USED)
			make_live(f, b, bytes, tag & TAG_FLAGS);
		else
			make_free(f, b, bytes, tag & TAG_FLAGS);
	}
	set_tag(f, b, 0, tag & TAG_FLAGS);
}

static void forget_service(struct respool_freelist *f)
{
	f->rover = start_of(NULL);
	f->top = NULL;
	f->runs = 0;
	f->live_blocks = 0;
	f->live_bytes = 0;
	f->free_blocks = 0;
	f->free_bytes = 0;
	f->rows = 0;
	memset(f->blocks_of, 0, sizeof(f->blocks_of));
	memset(f->columns, 0, sizeof(f->columns));
	memset(f->class, 0, sizeof(f->class));
}

/* The header of @run, sound or damaged under the secret @old, is the same under the new one. */
static void change_run_secret(const struct respool_freelist *f, struct respool_run *run, u64 old)
{
	u64 at = (u64)(uintptr_t)run;

	run->check += ((at ^ f->secret) - (at ^ old)) * MIX * MIX * MIX * MIX;
}

/* False if the header of @run is damaged; else @header is a copy of it. */
static bool change_run(struct respool_freelist *f, struct respool_run *run, u64 old,
		       struct respool_run *header)
{
	change_run_secret(f, run, old);
	if (!read_run(f, run, header))
		return false;
	rebuild_run(f, run, header->bytes, old);
	f->runs++;
	return true;
}

static void change_retired_runs(struct respool_freelist *f, u64 old)
{
	struct respool_run *run, header, *prev = NULL;

	for (run = f->retired_run; run; prev = run, run = header.next) {
		change_run_secret(f, run, old);
		if (read_run(f, run, &header))
			continue;
		if (prev)
			set_next_run(prev, NULL);
		else
			f->retired_run = NULL;
		break;
	}
}

/*
 * Whatever has a tag of the old secret is no block any more, but for what is in
 * runs in service. Those were sound: what is not any more is damage met anew.
 */
static void change_secret(struct respool_freelist *f)
{
	struct respool_run *run, *gap, header;
	u64 old = f->secret;

	f->secret = old * MIX + 1;
	forget_service(f);
	for (run = f->first_run; run && change_run(f, run, old, &header); run = header.next)
		;
	gap = run;
	if (gap)
		damaged(f, gap);
	for (run = gap ? f->last_run : NULL; run && run != gap && change_run(f, run, old, &header);
	     run = header.prev)
		;
	change_retired_runs(f, old);
}

static u64 bytes_in_service(const struct respool_freelist *f)
{
	return f->live_bytes + f->live_blocks * RESPOOL_BLOCK_HEADER + f->free_bytes +
	       f->runs * RESPOOL_RUN_OVERHEAD;
}

/**
 * respool_freelist_salvage() - Go on without the damaged runs.
 * @f: free list with damage
 *
 * Runs in which a tag or a link is damaged are retired: their memory counts as
 * held, their blocks no longer count at all. The other runs' lists are built
 * anew, under a new secret, so that whatever lies in a retired run, reachable
 * or not, is never again taken for a block. Whoever did the damage may go on
 * while this looks: what comes in between a check and its use is found, too, and
 * each time the lists are built anew there is a run less. Walks the whole heap.
 */
void respool_freelist_salvage(struct respool_freelist *f)
{
	u64 runs = f->runs;

	end_reading(f);
	do {
		f->damage = NULL;
		retire_damaged_runs(f);
		change_secret(f);
	} while (f->damage);
	f->retired_runs += runs - f->runs;
	f->retired_bytes = f->held_bytes - bytes_in_service(f);
}

/**
 * respool_freelist_largest_free() - Size of the largest free block.
 * @f: free list
 *
 * Walks one class.
 *
 * Return: its usable bytes, 0 if there is no free block.
 */
size_t respool_freelist_largest_free(const struct respool_freelist *f)
{
	const struct respool_header *b;
	size_t largest = 0;
	unsigned int row;

	if (!f->rows)
		return 0;
	row = (unsigned int)ilog2(f->rows);
	b = f->class[row * RESPOOL_CLASS_COLUMNS + (unsigned int)ilog2(f->columns[row])].first;
	for (; b && is_free_block(f, b); b = link_at(f, &b->next))
		largest = max_t(size_t, largest, bytes_of(b));
	return largest ? largest - RESPOOL_BLOCK_HEADER : 0;
}

/**
 * respool_freelist_open() - Start to read the blocks from the first.
 * @f: free list
 * @c: the reader, on the list's books until respool_freelist_close()
 */
void respool_freelist_open(struct respool_freelist *f, struct respool_cursor *c)
{
	c->on = f->cursors;
	f->cursors = c;
	enter_run(f, c, f->first_run);
}

/**
 * respool_freelist_close() - Stop reading.
 * @f: free list
 * @c: the reader; one that is not open does no harm
 */
void respool_freelist_close(struct respool_freelist *f, struct respool_cursor *c)
{
	struct respool_cursor **at;

	for (at = &f->cursors; *at; at = &(*at)->on) {
		if (*at != c)
			continue;
		*at = c->on;
		return;
	}
}

static void describe_block(const struct respool_freelist *f, const struct respool_header *b,
			   struct respool_block_row *row)
{
	u64 tag, foot;

	memset(row, 0, sizeof(*row));
	row->addr = b;
	row->kind = RESPOOL_BLOCK_DAMAGED;
	if (!read_tag(f, b, &tag))
		return;
	row->bytes = respool_tag_bytes(tag);
	row->prev_used = tag & TAG_PREV_USED;
	row->kind = !(tag & TAG_USED) ? RESPOOL_BLOCK_FREE :
		    tag & TAG_CACHED ? RESPOOL_BLOCK_CACHED : RESPOOL_BLOCK_USED;
	if (!row->bytes)
		row->kind = RESPOOL_BLOCK_END;
	if (row->kind != RESPOOL_BLOCK_FREE)
		return;
	row->next = link_at(f, &b->next);
	row->prev = link_at(f, &b->prev);
	if (read_tag(f, footer_before(forward(b, row->bytes)), &foot))
		row->footer = (u32)foot;
}

/**
 * respool_freelist_look() - Look at the next blocks.
 * @f: free list
 * @c: reader; moves on
 * @rows: where to describe blocks of one run, in order of address
 * @nr_rows: how many at most
 *
 * Does at most @nr_rows steps. The end tag of a run is a row too, and the last
 * one of that run; so is a damaged header, behind which no size is known.
 * Between two looks the heap may change: a block that nobody touches from
 * respool_freelist_open() on is shown once, a run added since may not be shown,
 * and a salvage ends the reading.
 *
 * Return: rows described, 0 behind the last run.
 */
size_t respool_freelist_look(const struct respool_freelist *f, struct respool_cursor *c,
			     struct respool_block_row *rows, size_t nr_rows)
{
	struct respool_run header;
	size_t nr = 0;

	while (c->run && nr < nr_rows) {
		struct respool_block_row *row = &rows[nr++];

		describe_block(f, c->block, row);
		c->block = forward(c->block, row->bytes);
		if (row->bytes && run_covers(c->run, c->run->bytes, c->block))
			continue;
		enter_run(f, c, read_run(f, c->run, &header) ? header.next : NULL);
		break;
	}
	return nr;
}

/*
 * The run that covers an address, and a copy of its header, from both ends of the
 * list: damage may cut it.
 */
static const struct respool_run *run_around(const struct respool_freelist *f, const void *addr,
					    struct respool_run *header)
{
	const struct respool_run *run;

	for (run = f->first_run; run && read_run(f, run, header); run = header->next)
		if (run_covers(run, header->bytes, addr))
			return run;
	for (run = run ? f->last_run : NULL; run && read_run(f, run, header); run = header->prev)
		if (run_covers(run, header->bytes, addr))
			return run;
	return NULL;
}

/*
 * The header behind @b in a run that ends at @end, %NULL behind that. Behind a
 * damaged one, whose size is not known, that is the next thing that looks like a
 * header.
 */
static const struct respool_header *step(const struct respool_freelist *f,
					 const struct respool_header *b,
					 const struct respool_header *end)
{
	bool sound;
	size_t bytes;
	u64 tag;

	if (b == end)
		return NULL;
	sound = read_tag(f, b, &tag);
	bytes = respool_tag_bytes(tag);
	if (sound && bytes && bytes <= (uintptr_t)end - (uintptr_t)b)
		return forward(b, bytes);
	do {
		b = forward(b, RESPOOL_BLOCK_ALIGN);
	} while (b != end && !is_intact(f, b));
	return b;
}

/**
 * respool_freelist_around() - Look at the blocks around a place.
 * @f: free list, with damage or without
 * @where: any address
 * @rows: where to describe the block that @where is in, in front of it no more
 *	than RESPOOL_AROUND_BEFORE, and behind it what there is room for
 * @nr_rows: how many at most, more than RESPOOL_AROUND_BEFORE
 *
 * To be asked before respool_freelist_salvage() forgets what was where. Walks
 * the runs, and the blocks of one run up to @where.
 *
 * Return: rows described, 0 if @where is in no run that can be told.
 */
size_t respool_freelist_around(const struct respool_freelist *f, const void *where,
			       struct respool_block_row *rows, size_t nr_rows)
{
	struct respool_run header;
	const struct respool_run *run = run_around(f, where, &header);
	const struct respool_header *b, *next, *end;
	size_t nr = 0;

	if (!run)
		return 0;
	end = end_of(run, header.bytes);
	for (b = first_block(run); b && nr < nr_rows; b = next) {
		next = step(f, b, end);
		if (nr == RESPOOL_AROUND_BEFORE && next && (uintptr_t)next <= (uintptr_t)where)
			memmove(rows, rows + 1, --nr * sizeof(*rows));
		describe_block(f, b, &rows[nr++]);
	}
	return nr;
}

static const char *count_runs(const struct respool_freelist *f, struct census *sum,
			      const void **where)
{
	const struct respool_run *run, *prev = NULL;
	struct respool_run header;
	const char *broken;

	for (run = f->first_run; run; prev = run, run = header.next) {
		*where = run;
		if (!read_run(f, run, &header))
			return "a run's header does not fit its check";
		if (header.prev != prev)
			return "a run's links do not match";
		if (goes_by_address(f) && (uintptr_t)run < (uintptr_t)prev)
			return "the runs are not in order of address";
		broken = check_run(f, run, header.bytes, sum, where);
		if (broken)
			return broken;
		sum->runs++;
		sum->held_bytes += header.bytes;
	}
	*where = prev;
	return prev == f->last_run ? NULL : "the list of runs does not end at its last";
}

static const char *count_class(const struct respool_freelist *f, unsigned int index,
			       struct census *sum, const void **where)
{
	const struct respool_class *class = &f->class[index];
	const struct respool_header *b, *prev = NULL;
	u64 blocks = 0, bytes = 0;
	bool marked = f->columns[index / RESPOOL_CLASS_COLUMNS] >>
		      index % RESPOOL_CLASS_COLUMNS & 1;

	/* Back links that match make the list a simple chain: no cycle. */
	for (b = class->first; b; prev = b, b = link_at(f, &b->next)) {
		*where = b;
		if (!is_free_block(f, b) || link_at(f, &b->prev) != prev)
			return "a list's links do not match";
		if (class_of(bytes_of(b)) != index)
			return "a block is on the list of another class";
		blocks++;
		bytes += bytes_of(b);
	}
	*where = prev;
	if (blocks != class->blocks || bytes != class->bytes)
		return "a class does not count what is on its list";
	if (marked != !!class->first)
		return "a bit of the class map is wrong";
	sum->free_blocks += blocks;
	sum->free_bytes += bytes;
	return NULL;
}

static const char *count_classes(const struct respool_freelist *f, struct census *sum,
				 const void **where)
{
	const char *broken;
	unsigned int i;

	for (i = 0; i < RESPOOL_NR_CLASSES; i++) {
		broken = count_class(f, i, sum, where);
		if (broken)
			return broken;
	}
	*where = NULL;
	for (i = 0; i < RESPOOL_CLASS_ROWS; i++)
		if ((f->rows >> i & 1) != !!f->columns[i])
			return "a bit of the row map is wrong";
	return f->rows >> RESPOOL_CLASS_ROWS ? "the row map has too many bits" : NULL;
}

/**
 * respool_freelist_validate() - Check every invariant.
 * @f: free list
 * @where: set to the address of what is broken, %NULL for the whole
 *
 * Return: %NULL if all is well, else what the first broken invariant is.
 */
const char *respool_freelist_validate(const struct respool_freelist *f, const void **where)
{
	struct census runs = {}, classes = {};
	const char *broken;

	broken = count_runs(f, &runs, where);
	if (!broken)
		broken = count_classes(f, &classes, where);
	if (broken)
		return broken;
	*where = NULL;
	if (runs.runs != f->runs || runs.held_bytes + f->retired_bytes != f->held_bytes)
		return "the runs do not add up to the memory held";
	if (runs.live_blocks != f->live_blocks || runs.live_bytes != f->live_bytes)
		return "the live blocks do not add up to the counters";
	if (runs.rovers != !!f->rover.run)
		return "next fit is to go on at no block";
	if (runs.free_blocks != f->free_blocks || runs.free_bytes != f->free_bytes)
		return "the free blocks do not add up to the counters";
	if (classes.free_blocks != f->free_blocks || classes.free_bytes != f->free_bytes)
		return "the classes do not add up to the counters";
	if (bytes_in_service(f) + f->retired_bytes != f->held_bytes)
		return "live, free and overhead do not add up to the memory held";
	return NULL;
}
