// SPDX-License-Identifier: GPL-2.0
/*
 * The buddy system (Knowlton 1965; Knuth, TAOCP vol. 1, 2.5) on bitmaps.
 *
 * Every free block is one set bit. Orders below 9 live in their *region*, the
 * naturally aligned 512 pages around them, in 1022 bits of two cache lines
 * where the buddy of a block is the bit beside it. Orders from 9 up are a
 * second buddy system whose unit is a whole free region. Nothing is kept in
 * the pages themselves, so nothing a client writes can break it.
 *
 * Regions first: a small block comes from the lowest of those regions whose
 * largest free block is the smallest that serves, and a whole free region is
 * cut only when there is none. Regions in use fill up before others are
 * touched, and those that drain become whole again.
 *
 * Positions. A *page* is an index into the pool. A *frame* counts from the
 * start of the first region, which may lie up to 511 pages (lead) before the
 * pool. A frame's *place* adds the regions (phase) up to the alignment of the
 * largest block, so that a block of order k starts where the low k bits of
 * its place, as those of its page frame number, are zero.
 *
 * Bound of work: alloc and free touch at most one bit an order, at most
 * RESPOOL_SUMMARY_LEVELS words of each summary, and never loop over blocks,
 * pages or regions.
 */
#include "buddy/buddy.h"

/* Summaries */

static unsigned long words_of(unsigned long nr_bits)
{
	return DIV_ROUND_UP(nr_bits, 64);
}

static size_t summary_bytes(unsigned long nr_bits)
{
	size_t words = 0;

	do {
		nr_bits = words_of(nr_bits);
		words += nr_bits;
	} while (nr_bits > 1);
	return words * sizeof(u64);
}

static u64 *summary_init(struct respool_summary *s, u64 *mem, unsigned long nr_bits)
{
	s->nr_bits = nr_bits;
	s->levels = 0;
	do {
		nr_bits = words_of(nr_bits);
		s->level[s->levels++] = mem;
		mem += nr_bits;
	} while (nr_bits > 1);
	return mem;
}

static bool summary_test(const struct respool_summary *s, unsigned long bit)
{
	return s->level[0][bit >> 6] & BIT_ULL(bit & 63);
}

static bool summary_empty(const struct respool_summary *s)
{
	return !s->level[s->levels - 1][0];
}

/* A word that was not empty before is known to the levels above. */
static void summary_set(struct respool_summary *s, unsigned long bit)
{
	unsigned int l;

	for (l = 0; l < s->levels; l++, bit >>= 6) {
		u64 *word = &s->level[l][bit >> 6];
		u64 before = *word;

		*word = before | BIT_ULL(bit & 63);
		if (before)
			return;
	}
}

static void summary_clear(struct respool_summary *s, unsigned long bit)
{
	unsigned int l;

	for (l = 0; l < s->levels; l++, bit >>= 6) {
		u64 *word = &s->level[l][bit >> 6];

		*word &= ~BIT_ULL(bit & 63);
		if (*word)
			return;
	}
}

/* The summary must not be empty. */
static unsigned long summary_first(const struct respool_summary *s)
{
	unsigned long bit = 0;
	unsigned int l = s->levels;

	while (l--)
		bit = bit << 6 | __ffs64(s->level[l][bit]);
	return bit;
}

/* Geometry */

static unsigned long lead_of(unsigned long base_pfn)
{
	return base_pfn & (RESPOOL_REGION_PAGES - 1);
}

static unsigned long regions_of(unsigned long nr_pages, unsigned long base_pfn)
{
	return DIV_ROUND_UP(lead_of(base_pfn) + nr_pages, RESPOOL_REGION_PAGES);
}

static unsigned int max_order_of(unsigned long nr_pages, unsigned long base_pfn)
{
	unsigned int order = min_t(unsigned int, ilog2(nr_pages), RESPOOL_BUDDY_ORDERS - 1);

	while (round_up(base_pfn, 1UL << order) + (1UL << order) > base_pfn + nr_pages)
		order--;
	return order;
}

static unsigned long phase_of(unsigned long base_pfn, unsigned int max_order)
{
	if (max_order <= RESPOOL_REGION_ORDER)
		return 0;
	return (base_pfn & ((1UL << max_order) - 1)) >> RESPOOL_REGION_ORDER;
}

/* Blocks of a large order that the regions phase..phase + nr_regions - 1 touch, from 0. */
static unsigned long large_bits(unsigned long phase, unsigned long nr_regions, unsigned int order)
{
	return ((phase + nr_regions - 1) >> (order - RESPOOL_REGION_ORDER)) + 1;
}

static unsigned long frame_of(const struct respool_buddy *b, unsigned long page)
{
	return page + b->lead;
}

static unsigned long place_of(const struct respool_buddy *b, unsigned long frame)
{
	return frame + (b->phase << RESPOOL_REGION_ORDER);
}

static unsigned long frame_at(const struct respool_buddy *b, unsigned long place)
{
	return place - (b->phase << RESPOOL_REGION_ORDER);
}

static struct respool_summary *large_of(struct respool_buddy *b, unsigned int order)
{
	return &b->large[order - RESPOOL_REGION_ORDER];
}

/* Regions: the free bits of orders 0..8 */

static unsigned int region_base(unsigned int order)
{
	return 1024 - (1024 >> order);
}

static bool region_test(const struct respool_region *region, unsigned int bit)
{
	return region->word[bit >> 6] & BIT_ULL(bit & 63);
}

/* First free bit of @order, of which there must be one. */
static unsigned int region_first(const struct respool_region *region, unsigned int order)
{
	unsigned int bit = region_base(order);
	const u64 *word = &region->word[bit >> 6];

	if (order > 3)		/* the last word, shared by all of these */
		return bit + __ffs64(*word >> (bit & 63));
	while (!*word)
		word++;
	return (word - region->word) * 64 + __ffs64(*word);
}

/* The block at @bit, of @order, becomes free; returns the region's orders from then on. */
static inline u16 region_set(struct respool_buddy *b, unsigned long r, unsigned int bit,
			     unsigned int order, u16 orders)
{
	b->region[r].word[bit >> 6] |= BIT_ULL(bit & 63);
	b->sum[r].free[order]++;
	b->nr_free[order]++;
	return orders | 1U << order;
}

/* The block at @bit, of @order, is free no more. */
static inline u16 region_clear(struct respool_buddy *b, unsigned long r, unsigned int bit,
			       unsigned int order, u16 orders)
{
	b->region[r].word[bit >> 6] &= ~BIT_ULL(bit & 63);
	b->nr_free[order]--;
	return --b->sum[r].free[order] ? orders : orders & ~(1U << order);
}

/* Move region @r from one class to another, -1 being none. */
static void change_class(struct respool_buddy *b, unsigned long r, int from, int to)
{
	if (from >= 0) {
		summary_clear(&b->region_class[from], r);
		if (summary_empty(&b->region_class[from]))
			b->classes &= ~(1U << from);
	}
	if (to >= 0) {
		summary_set(&b->region_class[to], r);
		b->classes |= 1U << to;
	}
}

/* Note which orders region @r has free blocks of: its class is the largest. */
static inline void set_region_orders(struct respool_buddy *b, unsigned long r, u16 orders)
{
	u16 before = b->sum[r].orders;

	if (orders == before)
		return;
	b->sum[r].orders = orders;
	/* The same top bit: neither is larger than what differs. */
	if ((orders ^ before) > (orders & before))
		change_class(b, r, fls64(before) - 1, fls64(orders) - 1);
}

/* Orders from 9 up: a buddy system over regions */

static void insert_large(struct respool_buddy *b, unsigned long block, unsigned int order)
{
	summary_set(large_of(b, order), block);
	b->large_orders |= 1U << (order - RESPOOL_REGION_ORDER);
	b->nr_free[order]++;
}

static void remove_large(struct respool_buddy *b, unsigned long block, unsigned int order)
{
	summary_clear(large_of(b, order), block);
	if (summary_empty(large_of(b, order)))
		b->large_orders &= ~(1U << (order - RESPOOL_REGION_ORDER));
	b->nr_free[order]--;
}

static unsigned long take_large(struct respool_buddy *b, unsigned int order)
{
	u32 fit = b->large_orders >> (order - RESPOOL_REGION_ORDER);
	unsigned long block;
	unsigned int from;

	if (!fit)
		return RESPOOL_NO_PAGE;
	from = order + __ffs64(fit);
	block = summary_first(large_of(b, from));
	remove_large(b, block, from);
	while (from > order) {
		from--;
		block <<= 1;
		insert_large(b, block + 1, from);
	}
	return frame_at(b, block << order);
}

static void give_large(struct respool_buddy *b, unsigned long frame, unsigned int order)
{
	unsigned long block = place_of(b, frame) >> order;

	while (order < b->max_order && summary_test(large_of(b, order), block ^ 1)) {
		remove_large(b, block ^ 1, order);
		block >>= 1;
		order++;
	}
	insert_large(b, block, order);
}

/* Orders below 9: inside a region */

/* Cut the block at @bit down from order @from to @order; what is cut off becomes free. */
static unsigned int split_small(struct respool_buddy *b, unsigned long r, unsigned int bit,
				unsigned int from, unsigned int order, u16 *orders)
{
	while (from > order) {
		from--;
		bit = (bit - 512) * 2;
		*orders = region_set(b, r, bit + 1, from, *orders);
	}
	return bit;
}

/* From region @r, which has a free block of at least @order, the smallest that serves. */
static unsigned long take_from_region(struct respool_buddy *b, unsigned long r, unsigned int order)
{
	u16 orders = b->sum[r].orders;
	unsigned int from = order + __ffs64(orders >> order);
	unsigned int bit = region_first(&b->region[r], from);

	orders = region_clear(b, r, bit, from, orders);
	bit = split_small(b, r, bit, from, order, &orders);
	set_region_orders(b, r, orders);
	return (r << RESPOOL_REGION_ORDER) + ((unsigned long)(bit - region_base(order)) << order);
}

/* Cut a whole free region. */
static unsigned long take_new_region(struct respool_buddy *b, unsigned int order)
{
	unsigned long frame = take_large(b, RESPOOL_REGION_ORDER);
	u16 orders = 0;

	if (frame == RESPOOL_NO_PAGE)
		return RESPOOL_NO_PAGE;
	split_small(b, frame >> RESPOOL_REGION_ORDER, region_base(RESPOOL_REGION_ORDER),
		    RESPOOL_REGION_ORDER, order, &orders);
	set_region_orders(b, frame >> RESPOOL_REGION_ORDER, orders);
	return frame;
}

/*
 * The region to take small blocks from: the lowest of those whose largest free
 * block is the smallest that serves; RESPOOL_NO_PAGE if there is none.
 */
static unsigned long best_region(const struct respool_buddy *b, unsigned int order)
{
	u32 fit = b->classes >> order;

	return fit ? summary_first(&b->region_class[order + __ffs64(fit)]) : RESPOOL_NO_PAGE;
}

static unsigned long take_small(struct respool_buddy *b, unsigned int order)
{
	unsigned long r = best_region(b, order);

	return r == RESPOOL_NO_PAGE ? take_new_region(b, order) : take_from_region(b, r, order);
}

static __always_inline void give_small(struct respool_buddy *b, unsigned long frame,
				       unsigned int order)
{
	unsigned long r = frame >> RESPOOL_REGION_ORDER;
	unsigned int bit = region_base(order) + ((frame & (RESPOOL_REGION_PAGES - 1)) >> order);
	u16 orders = b->sum[r].orders;

	while (order < RESPOOL_REGION_ORDER && region_test(&b->region[r], bit ^ 1)) {
		orders = region_clear(b, r, bit ^ 1, order, orders);
		bit = 512 + (bit >> 1);
		order++;
	}
	if (likely(order < RESPOOL_REGION_ORDER))
		orders = region_set(b, r, bit, order, orders);
	set_region_orders(b, r, orders);
	if (unlikely(order == RESPOOL_REGION_ORDER))
		give_large(b, r << RESPOOL_REGION_ORDER, order);
}

static unsigned long take(struct respool_buddy *b, unsigned int order)
{
	return order < RESPOOL_REGION_ORDER ? take_small(b, order) : take_large(b, order);
}

static void give(struct respool_buddy *b, unsigned long frame, unsigned int order)
{
	if (order < RESPOOL_REGION_ORDER)
		give_small(b, frame, order);
	else
		give_large(b, frame, order);
}

/* Allocation and free */

static void count_allocated(struct respool_buddy *b, unsigned int order, unsigned long blocks)
{
	b->nr_allocated[order] += blocks;
	b->allocated_pages += blocks << order;
	b->free_pages -= blocks << order;
	b->peak_pages = max(b->peak_pages, b->allocated_pages);
}

static void count_freed(struct respool_buddy *b, unsigned int order, unsigned long blocks)
{
	b->nr_allocated[order] -= blocks;
	b->allocated_pages -= blocks << order;
	b->free_pages += blocks << order;
}

/*
 * Allocate 2^@order pages in the name of @tag. Returns the index of the first,
 * or RESPOOL_NO_PAGE only if no naturally aligned free block is that large.
 */
unsigned long respool_buddy_alloc(struct respool_buddy *b, unsigned int order, unsigned int tag)
{
	unsigned long frame;

	if (order > b->max_order)
		return RESPOOL_NO_PAGE;
	frame = take(b, order);
	if (frame == RESPOOL_NO_PAGE)
		return RESPOOL_NO_PAGE;
	respool_state_mark(&b->state[frame], order, tag);
	count_allocated(b, order, 1);
	return frame - b->lead;
}

/* Order of the largest aligned block that starts at @frame and has at most @nr_pages. */
static unsigned int largest_order_at(const struct respool_buddy *b, unsigned long frame,
				     unsigned long nr_pages)
{
	unsigned long place = place_of(b, frame);
	unsigned int order = min_t(unsigned int, ilog2(nr_pages), b->max_order);

	return place ? min_t(unsigned int, order, __ffs64(place)) : order;
}

/* Free the pages from @frame to before @end in as few blocks as they make. */
static void give_range(struct respool_buddy *b, unsigned long frame, unsigned long end)
{
	unsigned int order;

	for (; frame < end; frame += 1UL << order) {
		order = largest_order_at(b, frame, end - frame);
		give(b, frame, order);
	}
}

/* Write down that @tag holds @nr_pages pages from @frame, a row of parts unless a block. */
static void mark_range(struct respool_buddy *b, unsigned long frame, unsigned long nr_pages,
		       unsigned int tag)
{
	unsigned int order = largest_order_at(b, frame, nr_pages), part;
	unsigned long at;

	if (nr_pages == 1UL << order) {
		respool_state_mark(&b->state[frame], order, tag);
		count_allocated(b, order, 1);
		return;
	}
	for (at = frame; at < frame + nr_pages; at += 1UL << part) {
		part = largest_order_at(b, at, frame + nr_pages - at);
		b->state[at] = RESPOOL_STATE_PART | part;
		count_allocated(b, part, 1);
	}
	b->state[frame] = RESPOOL_STATE_EXACT | order;
	b->state[frame + (order || nr_pages == 2 ? 1 : 2)] = RESPOOL_STATE_OWNER | tag;
}

/*
 * Allocate exactly @nr_pages pages: a block of the order above, whose tail is
 * given back.
 */
unsigned long respool_buddy_alloc_exact(struct respool_buddy *b, unsigned long nr_pages,
					unsigned int tag)
{
	unsigned long frame;
	unsigned int order;

	if (!nr_pages || nr_pages > b->nr_pages)
		return RESPOOL_NO_PAGE;
	order = fls64(nr_pages - 1);
	if (is_power_of_2(nr_pages))
		return respool_buddy_alloc(b, order, tag);
	if (order > b->max_order)
		return RESPOOL_NO_PAGE;
	frame = take(b, order);
	if (frame == RESPOOL_NO_PAGE)
		return RESPOOL_NO_PAGE;
	give_range(b, frame + nr_pages, frame + (1UL << order));
	mark_range(b, frame, nr_pages, tag);
	return frame - b->lead;
}

/* Batches, for magazines */

static unsigned int cache_block(struct respool_buddy *b, unsigned long frame, unsigned int order,
				u32 *page)
{
	b->state[frame] = RESPOOL_STATE_CACHED | order;
	*page = frame - b->lead;
	return 1;
}

/* Take up to @nr blocks whose bits share a word with the region's first of @order. */
static unsigned int batch_from_word(struct respool_buddy *b, unsigned long r, unsigned int order,
				    unsigned int nr, u32 *pages)
{
	unsigned int base = region_base(order), bit = region_first(&b->region[r], order), got = 0;
	u64 *word = &b->region[r].word[bit >> 6], bits = *word, taken = 0;
	u16 orders = b->sum[r].orders;

	/* The orders that share the last word come one after another. */
	if (order > 3)
		bits &= (BIT_ULL(RESPOOL_REGION_PAGES >> order) - 1) << (base & 63);
	for (bit &= ~63; bits && got < nr; bits &= bits - 1) {
		taken |= bits & -bits;
		got += cache_block(b, (r << RESPOOL_REGION_ORDER) +
				   ((bit + __ffs64(bits) - base) << order), order, &pages[got]);
	}
	*word &= ~taken;
	b->nr_free[order] -= got;
	b->sum[r].free[order] -= got;
	if (!b->sum[r].free[order])
		set_region_orders(b, r, orders & ~(1U << order));
	return got;
}

/* Blocks of @order that the block of order @whole at @frame is cut into. */
static unsigned int batch_from_block(struct respool_buddy *b, unsigned long frame,
				     unsigned int whole, unsigned int order, u32 *pages)
{
	unsigned long end = frame + (1UL << whole);
	unsigned int got = 0;

	for (; frame < end; frame += 1UL << order)
		got += cache_block(b, frame, order, &pages[got]);
	return got;
}

/* As take_small(), but all that a word, or the block to be cut, has. */
static unsigned int batch_small(struct respool_buddy *b, unsigned int order, unsigned int nr,
				u32 *pages)
{
	unsigned int whole = min_t(unsigned int, order + ilog2(nr), RESPOOL_REGION_ORDER - 1);
	unsigned long r = best_region(b, order), frame;
	u16 orders;

	if (r == RESPOOL_NO_PAGE) {
		frame = take_new_region(b, whole);
		return frame == RESPOOL_NO_PAGE ? 0 :
		       batch_from_block(b, frame, whole, order, pages);
	}
	orders = b->sum[r].orders;
	if (orders & 1U << order)
		return batch_from_word(b, r, order, nr, pages);
	whole = min_t(unsigned int, whole, order + __ffs64(orders >> order));
	return batch_from_block(b, take_from_region(b, r, whole), whole, order, pages);
}

/* As take_large(), but all that the block to be cut has. */
static unsigned int batch_large(struct respool_buddy *b, unsigned int order, unsigned int nr,
				u32 *pages)
{
	u32 fit = b->large_orders >> (order - RESPOOL_REGION_ORDER);
	unsigned int whole;

	if (!fit)
		return 0;
	whole = order + min_t(unsigned int, ilog2(nr), __ffs64(fit));
	return batch_from_block(b, take_large(b, whole), whole, order, pages);
}

/*
 * Take up to @nr blocks of @order for a magazine, or none if that could go
 * below the watermark: the blocks of that order in one word or, if there are
 * none, what the block that a single allocation would cut has to give. Returns
 * how many, their first pages in @pages; they count as allocated and are
 * marked as cached.
 */
unsigned int respool_buddy_alloc_batch(struct respool_buddy *b, unsigned int order,
				       unsigned int nr, u32 *pages)
{
	unsigned int got;

	if (order > b->max_order || b->free_pages < b->watermark + ((unsigned long)nr << order))
		return 0;
	if (order < RESPOOL_REGION_ORDER)
		got = batch_small(b, order, nr, pages);
	else
		got = batch_large(b, order, nr, pages);
	count_allocated(b, order, got);
	return got;
}

/* Give back @nr blocks that a magazine had. */
void respool_buddy_free_batch(struct respool_buddy *b, unsigned int order, unsigned int nr,
			      const u32 *pages)
{
	bool small = order < RESPOOL_REGION_ORDER;
	unsigned long frame;
	unsigned int i;

	for (i = 0; i < nr; i++) {
		frame = frame_of(b, pages[i]);
		b->state[frame] = RESPOOL_STATE_NONE;
		if (order)
			b->state[frame + 1] = RESPOOL_STATE_NONE;
		if (small)
			give_small(b, frame, order);
		else
			give_large(b, frame, order);
	}
	count_freed(b, order, nr);
}

/* Free */

/* Why the byte at @frame does not begin a block. */
static int not_a_head(const struct respool_buddy *b, unsigned long frame)
{
	struct respool_block block;

	respool_buddy_find(b, frame - b->lead, &block);
	return block.kind == RESPOOL_PAGE_ALLOCATED ? -EINVAL : -EALREADY;
}

static bool part_follows(const struct respool_buddy *b, unsigned long frame)
{
	return frame < b->lead + b->nr_pages && respool_state_is_part(b->state[frame]);
}

/* Two pages of an exact block, a part each: the second has no room but for the owner. */
static bool is_odd_pair(const struct respool_buddy *b, unsigned long head)
{
	return b->state[head] == RESPOOL_STATE_EXACT && head + 1 < b->lead + b->nr_pages &&
	       b->state[head + 1] >= RESPOOL_STATE_OWNER;
}

static unsigned int owner_of(const struct respool_buddy *b, unsigned long head)
{
	u8 owner = b->state[head];

	if (!(owner & RESPOOL_STATE_PAGE))
		owner = b->state[head + 1];
	if (respool_state_is_part(owner))
		owner = b->state[head + 2];
	return owner & RESPOOL_STATE_TAG_MASK;
}

/*
 * Free the block that starts at @page, which must be of @order unless that is
 * RESPOOL_ANY_ORDER, and tell in @freed what it was. Refused, with the state
 * untouched: -EFAULT outside the pool, -EALREADY free, -EINVAL inside a block,
 * -ERANGE another order.
 */
int respool_buddy_free(struct respool_buddy *b, unsigned long page, unsigned int order,
		       struct respool_block *freed)
{
	unsigned long frame = frame_of(b, page);
	bool exact, odd_pair;
	unsigned int part;
	u8 state;

	if (page >= b->nr_pages)
		return -EFAULT;
	state = READ_ONCE(b->state[frame]);
	if (!respool_state_is_head(state))
		return not_a_head(b, frame);
	part = respool_state_order(state);
	exact = respool_state_is_exact(state);
	if (order != RESPOOL_ANY_ORDER && (exact || order != part))
		return -ERANGE;

	freed->kind = RESPOOL_PAGE_FREE;
	freed->page = page;
	freed->order = part;
	freed->tag = owner_of(b, frame);
	freed->nr_pages = 0;
	odd_pair = exact && is_odd_pair(b, frame);
	/* A magazine may be taking the block back at this moment: one of us is first. */
	if (cmpxchg(&b->state[frame], state, RESPOOL_STATE_NONE) != state)
		return -EALREADY;
	if (odd_pair)
		b->state[frame + 1] = RESPOOL_STATE_PART;
	for (;;) {
		b->state[frame] = RESPOOL_STATE_NONE;
		if (part)
			b->state[frame + 1] = RESPOOL_STATE_NONE;
		count_freed(b, part, 1);
		give(b, frame, part);
		freed->nr_pages += 1UL << part;
		frame += 1UL << part;
		if (!exact || !part_follows(b, frame))
			return 0;
		part = respool_state_order(b->state[frame]);
	}
}

/* Looking */

static bool block_is_free(const struct respool_buddy *b, unsigned long place, unsigned int order)
{
	unsigned long frame = frame_at(b, place);

	if (order >= RESPOOL_REGION_ORDER)
		return summary_test(&b->large[order - RESPOOL_REGION_ORDER], place >> order);
	return region_test(&b->region[frame >> RESPOOL_REGION_ORDER], region_base(order) +
			   ((frame & (RESPOOL_REGION_PAGES - 1)) >> order));
}

/* Pages of the block whose first part is at @head. */
static unsigned long pages_of(const struct respool_buddy *b, unsigned long head)
{
	unsigned long frame = head + (1UL << respool_state_order(b->state[head]));

	if (is_odd_pair(b, head))
		return 2;
	if (respool_state_is_exact(b->state[head]))
		while (part_follows(b, frame))
			frame += 1UL << respool_state_order(b->state[frame]);
	return frame - head;
}

static bool find_free(const struct respool_buddy *b, unsigned long place,
		      struct respool_block *block)
{
	unsigned int order;

	for (order = 0; order <= b->max_order; order++) {
		if (!block_is_free(b, place, order))
			continue;
		block->kind = RESPOOL_PAGE_FREE;
		block->page = frame_at(b, round_down(place, 1UL << order)) - b->lead;
		block->order = order;
		block->nr_pages = 1UL << order;
		return true;
	}
	return false;
}

/* Frame of the block or part that @frame is in, or RESPOOL_NO_PAGE if it is in none. */
static unsigned long find_part(const struct respool_buddy *b, unsigned long frame)
{
	unsigned long place = place_of(b, frame), start;
	unsigned int order;
	u8 state;

	if (frame > b->lead && is_odd_pair(b, frame - 1))
		return frame - 1;
	for (order = 0; order <= b->max_order; order++) {
		start = round_down(place, 1UL << order);
		if (start < place_of(b, b->lead))
			break;
		state = b->state[frame_at(b, start)];
		if (respool_state_is_block(state) && respool_state_order(state) >= order)
			return frame_at(b, start);
	}
	return RESPOOL_NO_PAGE;
}

/* Frame of the part that ends where the one at @frame begins. */
static unsigned long part_before(const struct respool_buddy *b, unsigned long frame)
{
	unsigned long before;
	unsigned int order;
	u8 state;

	for (order = 0; order <= b->max_order && 1UL << order <= frame - b->lead; order++) {
		before = frame - (1UL << order);
		state = b->state[before];
		if ((respool_state_is_exact(state) || respool_state_is_part(state)) &&
		    respool_state_order(state) == order)
			return before;
	}
	return RESPOOL_NO_PAGE;
}

static enum respool_page_kind kind_of(u8 state)
{
	if (respool_state_is_cached(state))
		return RESPOOL_PAGE_CACHED;
	if (respool_state_is_out(state))
		return state == RESPOOL_STATE_BAD ? RESPOOL_PAGE_BAD : RESPOOL_PAGE_RESERVED;
	return RESPOOL_PAGE_ALLOCATED;
}

/*
 * Tell in @block what the page at index @page belongs to. Bounded by the
 * number of orders, for an exact block by its square.
 */
void respool_buddy_find(const struct respool_buddy *b, unsigned long page,
			struct respool_block *block)
{
	unsigned long frame = frame_of(b, page);

	memset(block, 0, sizeof(*block));
	block->kind = RESPOOL_PAGE_OUTSIDE;
	if (page >= b->nr_pages || find_free(b, place_of(b, frame), block))
		return;
	frame = find_part(b, frame);
	while (frame != RESPOOL_NO_PAGE && respool_state_is_part(b->state[frame]))
		frame = part_before(b, frame);
	if (frame == RESPOOL_NO_PAGE)
		return;
	block->kind = kind_of(b->state[frame]);
	block->page = frame - b->lead;
	block->order = respool_state_order(b->state[frame]);
	block->nr_pages = pages_of(b, frame);
	if (block->kind == RESPOOL_PAGE_ALLOCATED)
		block->tag = owner_of(b, frame);
}

static void set_bits(u64 *map, unsigned int first, unsigned int nr)
{
	for (; nr; first++, nr--)
		map[first >> 6] |= BIT_ULL(first & 63);
}

static bool region_is_free(const struct respool_buddy *b, unsigned long r)
{
	unsigned long place = place_of(b, r << RESPOOL_REGION_ORDER);
	unsigned int order;

	for (order = RESPOOL_REGION_ORDER; order <= b->max_order; order++)
		if (block_is_free(b, place, order))
			return true;
	return false;
}

/*
 * Draw region number @r, a bit a page: in @pool those that the pool has, in
 * @free those that are free. Bounded by the size of a region.
 */
void respool_buddy_region_map(const struct respool_buddy *b, unsigned long r,
			      u64 pool[RESPOOL_REGION_PAGES / 64],
			      u64 free[RESPOOL_REGION_PAGES / 64])
{
	unsigned long start = r << RESPOOL_REGION_ORDER;
	unsigned long first = max(start, b->lead);
	unsigned long end = min(start + RESPOOL_REGION_PAGES, b->lead + b->nr_pages);
	unsigned int order, block;

	memset(pool, 0, RESPOOL_REGION_PAGES / 8);
	set_bits(pool, first - start, end - first);
	memset(free, 0, RESPOOL_REGION_PAGES / 8);
	if (region_is_free(b, r)) {
		set_bits(free, 0, RESPOOL_REGION_PAGES);
		return;
	}
	for (order = 0; order < RESPOOL_REGION_ORDER; order++)
		for (block = 0; block < RESPOOL_REGION_PAGES >> order; block++)
			if (region_test(&b->region[r], region_base(order) + block))
				set_bits(free, block << order, 1U << order);
}

/* Order of the largest free block, -1 when there is none. */
int respool_buddy_largest_free_order(const struct respool_buddy *b)
{
	if (b->large_orders)
		return RESPOOL_REGION_ORDER + fls64(b->large_orders) - 1;
	return fls64(b->classes) - 1;
}

/* Wholly free regions. */
unsigned long respool_buddy_free_regions(const struct respool_buddy *b)
{
	unsigned long regions = 0;
	unsigned int order;

	for (order = RESPOOL_REGION_ORDER; order <= b->max_order; order++)
		regions += b->nr_free[order] << (order - RESPOOL_REGION_ORDER);
	return regions;
}

/* Conditions: alignment, ranges, direction, rows of free pages that are no block */

/* First set bit from @bit on, or RESPOOL_NO_PAGE. */
static unsigned long summary_next(const struct respool_summary *s, unsigned long bit)
{
	unsigned long nr_bits = s->nr_bits;
	unsigned int l;
	u64 word;

	for (l = 0; l < s->levels && bit < nr_bits; l++) {
		word = s->level[l][bit >> 6] >> (bit & 63);
		if (word) {
			bit += __ffs64(word);
			while (l--)
				bit = bit << 6 | __ffs64(s->level[l][bit]);
			return bit;
		}
		bit = (bit >> 6) + 1;
		nr_bits = words_of(nr_bits);
	}
	return RESPOOL_NO_PAGE;
}

/* Last set bit up to @bit, or RESPOOL_NO_PAGE. */
static unsigned long summary_prev(const struct respool_summary *s, unsigned long bit)
{
	unsigned int l;
	u64 word;

	for (l = 0; l < s->levels; l++) {
		word = s->level[l][bit >> 6] << (63 - (bit & 63));
		if (word) {
			bit -= 64 - fls64(word);
			while (l--)
				bit = bit << 6 | (fls64(s->level[l][bit]) - 1);
			return bit;
		}
		if (!(bit >> 6))
			break;
		bit = (bit >> 6) - 1;
	}
	return RESPOOL_NO_PAGE;
}

/*
 * A search for 2^@order free pages between two places, both multiples of that,
 * and the best that it has found: a place inside a free block.
 */
struct search {
	unsigned int order;
	unsigned long lo;
	unsigned long hi;
	bool top_down;

	unsigned long found;		/* RESPOOL_NO_PAGE as long as nothing is */
	unsigned long block;		/* place of the free block around it */
	unsigned int block_order;
};

/* A free block of at least the order of the search, which may reach into its range. */
static void consider(struct search *s, unsigned long block, unsigned int order)
{
	unsigned long lo = max(s->lo, block), hi = min(s->hi, block + (1UL << order));
	unsigned long at = s->top_down ? hi - (1UL << s->order) : lo;

	if (lo >= hi)
		return;
	if (s->found != RESPOOL_NO_PAGE && (s->top_down ? at < s->found : at > s->found))
		return;
	s->found = at;
	s->block = block;
	s->block_order = order;
}

/* First or last of the region's bits @first..@last that is set, or -1. */
static int region_search(const struct respool_region *region, unsigned int first,
			 unsigned int last, bool top_down)
{
	unsigned int words = (last >> 6) - (first >> 6) + 1, i, w;
	u64 bits;

	for (i = 0; i < words; i++) {
		w = top_down ? (last >> 6) - i : (first >> 6) + i;
		bits = region->word[w];
		if (w == first >> 6)
			bits &= ~0ULL << (first & 63);
		if (w == last >> 6)
			bits &= ~0ULL >> (63 - (last & 63));
		if (bits)
			return w * 64 + (top_down ? (int)fls64(bits) - 1 : (int)__ffs64(bits));
	}
	return -1;
}

static void consider_region(const struct respool_buddy *b, struct search *s, unsigned long r)
{
	unsigned long start = place_of(b, r << RESPOOL_REGION_ORDER);
	unsigned long lo = max(s->lo, start) - start;
	unsigned long hi = min(s->hi, start + RESPOOL_REGION_PAGES) - start;
	unsigned int order, base;
	int bit;

	for (order = s->order; order < RESPOOL_REGION_ORDER; order++) {
		base = region_base(order);
		bit = region_search(&b->region[r], base + (lo >> order), base + ((hi - 1) >> order),
				    s->top_down);
		if (bit >= 0)
			consider(s, start + ((unsigned long)(bit - base) << order), order);
	}
}

/* The regions at both ends bit by bit, those between by their class. */
static void search_small(const struct respool_buddy *b, struct search *s)
{
	unsigned long first = frame_at(b, s->lo) >> RESPOOL_REGION_ORDER;
	unsigned long last = frame_at(b, s->hi - 1) >> RESPOOL_REGION_ORDER;
	unsigned int class;
	unsigned long r;

	consider_region(b, s, first);
	if (last == first)
		return;
	consider_region(b, s, last);
	for (class = s->order; class < RESPOOL_REGION_ORDER; class++) {
		if (s->top_down)
			r = summary_prev(&b->region_class[class], last - 1);
		else
			r = summary_next(&b->region_class[class], first + 1);
		if (r > first && r < last)
			consider_region(b, s, r);
	}
}

static void search_large(const struct respool_buddy *b, struct search *s)
{
	unsigned int order = max_t(unsigned int, s->order, RESPOOL_REGION_ORDER);
	const struct respool_summary *large;
	unsigned long block;

	for (; order <= b->max_order; order++) {
		large = &b->large[order - RESPOOL_REGION_ORDER];
		if (s->top_down)
			block = summary_prev(large, (s->hi - 1) >> order);
		else
			block = summary_next(large, s->lo >> order);
		if (block != RESPOOL_NO_PAGE)
			consider(s, block << order, order);
	}
}

/* Bounded by the square of the number of orders, whatever the range. */
static bool search(const struct respool_buddy *b, struct search *s)
{
	s->found = RESPOOL_NO_PAGE;
	s->lo = round_up(s->lo, 1UL << s->order);
	s->hi = round_down(s->hi, 1UL << s->order);
	if (s->order > b->max_order || s->lo >= s->hi)
		return false;
	if (s->order < RESPOOL_REGION_ORDER)
		search_small(b, s);
	search_large(b, s);
	return s->found != RESPOOL_NO_PAGE;
}

/* Take a block off the free ones. */
static void remove_free(struct respool_buddy *b, unsigned long frame, unsigned int order)
{
	unsigned long r = frame >> RESPOOL_REGION_ORDER;
	unsigned int block = (frame & (RESPOOL_REGION_PAGES - 1)) >> order;
	u16 orders;

	if (order >= RESPOOL_REGION_ORDER) {
		remove_large(b, place_of(b, frame) >> order, order);
		return;
	}
	orders = region_clear(b, r, region_base(order) + block, order, b->sum[r].orders);
	set_region_orders(b, r, orders);
}

/* Take pages @frame to before @end, all free, out of the blocks they are in. */
static void take_range(struct respool_buddy *b, unsigned long frame, unsigned long end)
{
	struct respool_block block;
	unsigned long start, stop;

	while (frame < end) {
		respool_buddy_find(b, frame - b->lead, &block);
		start = frame_of(b, block.page);
		stop = start + block.nr_pages;
		remove_free(b, start, block.order);
		give_range(b, start, frame);
		if (stop > end)
			give_range(b, end, stop);
		frame = stop;
	}
}

/* Whether all pages from @frame to before @end are free; if not, where it ends. */
static bool range_is_free(const struct respool_buddy *b, unsigned long frame, unsigned long end,
			  unsigned long *resume)
{
	struct respool_block block;

	while (frame < end) {
		respool_buddy_find(b, frame - b->lead, &block);
		/* Damaged state bytes put a page in no block; get past it all the same. */
		frame = max(frame + 1, frame_of(b, block.page) + block.nr_pages);
		*resume = frame;
		if (block.kind != RESPOOL_PAGE_FREE)
			return false;
	}
	return true;
}

/* The same from the end; if not all are free, where what is in the way begins. */
static bool range_is_free_down(const struct respool_buddy *b, unsigned long frame,
			       unsigned long end, unsigned long *resume)
{
	struct respool_block block;

	while (frame < end) {
		respool_buddy_find(b, end - 1 - b->lead, &block);
		end = block.nr_pages ? frame_of(b, block.page) : end - 1;
		*resume = end;
		if (block.kind != RESPOOL_PAGE_FREE)
			return false;
	}
	return true;
}

/* First place in the range with @nr_pages free pages, at the alignment. Linear in the blocks. */
static unsigned long scan_up(const struct respool_buddy *b, unsigned long nr_pages,
			     unsigned int align_order, unsigned long lo, unsigned long hi)
{
	unsigned long place = round_up(lo, 1UL << align_order), resume;

	while (place + nr_pages <= hi) {
		if (range_is_free(b, frame_at(b, place), frame_at(b, place) + nr_pages, &resume))
			return place;
		place = round_up(place_of(b, resume), 1UL << align_order);
	}
	return RESPOOL_NO_PAGE;
}

/* Last such place. */
static unsigned long scan_down(const struct respool_buddy *b, unsigned long nr_pages,
			       unsigned int align_order, unsigned long lo, unsigned long hi)
{
	unsigned long place, frame, resume;

	while (lo + nr_pages <= hi) {
		place = round_down(hi - nr_pages, 1UL << align_order);
		if (place < lo)
			break;
		frame = frame_at(b, place);
		if (range_is_free_down(b, frame, frame + nr_pages, &resume))
			return place;
		hi = place_of(b, resume);
	}
	return RESPOOL_NO_PAGE;
}

static unsigned long scan(const struct respool_buddy *b, const struct respool_fit *fit,
			  unsigned long lo, unsigned long hi)
{
	return (fit->top_down ? scan_down : scan_up)(b, fit->nr_pages, fit->align_order, lo, hi);
}

/* The range of @fit as places; false if it is none. */
static bool fit_range(const struct respool_buddy *b, const struct respool_fit *fit,
		      unsigned long *lo, unsigned long *hi)
{
	if (fit->first > fit->last || fit->first >= b->nr_pages)
		return false;
	*lo = place_of(b, frame_of(b, fit->first));
	*hi = place_of(b, frame_of(b, min(fit->last, b->nr_pages - 1))) + 1;
	return true;
}

/*
 * Allocate under conditions, in the name of @tag. Without @fit->scan, and
 * unless the range has just the pages asked for, it is aligned to the next
 * power of two and the work is bounded as in search().
 */
unsigned long respool_buddy_alloc_fit(struct respool_buddy *b, const struct respool_fit *fit,
				      unsigned int tag)
{
	unsigned long nr_pages = fit->nr_pages, frame, lo, hi;
	struct search s = { .top_down = fit->top_down };

	if (!nr_pages || nr_pages > b->nr_pages || fit->align_order > b->max_order ||
	    !fit_range(b, fit, &lo, &hi) || hi - lo < nr_pages)
		return RESPOOL_NO_PAGE;
	s.order = max_t(unsigned int, fls64(nr_pages - 1), fit->align_order);
	s.lo = lo;
	s.hi = hi;
	if (hi - lo > nr_pages && search(b, &s)) {
		frame = frame_at(b, s.found);
		remove_free(b, frame_at(b, s.block), s.block_order);
		give_range(b, frame_at(b, s.block), frame);
		give_range(b, frame + nr_pages, frame_at(b, s.block) + (1UL << s.block_order));
	} else {
		if (hi - lo > nr_pages && !fit->scan)
			return RESPOOL_NO_PAGE;
		lo = scan(b, fit, lo, hi);
		if (lo == RESPOOL_NO_PAGE)
			return RESPOOL_NO_PAGE;
		frame = frame_at(b, lo);
		take_range(b, frame, frame + nr_pages);
	}
	mark_range(b, frame, nr_pages, tag);
	return frame - b->lead;
}

/* Take the row of parts of an allocated block off the books; its pages stay taken. */
static void unmark_range(struct respool_buddy *b, unsigned long frame, unsigned long nr_pages)
{
	unsigned long end = frame + nr_pages;
	unsigned int part;

	for (; frame < end; frame += 1UL << part) {
		part = largest_order_at(b, frame, end - frame);
		b->state[frame] = RESPOOL_STATE_NONE;
		if (part)
			b->state[frame + 1] = RESPOOL_STATE_NONE;
		count_freed(b, part, 1);
	}
}

/*
 * Make the allocated block that starts at @page longer or shorter at its end.
 * It may end anywhere, so its parts are cut anew, at most two of an order.
 *
 * Returns 0 with what it was in @was, what respool_buddy_free() would say of
 * @page, -EINVAL for no pages, or -ENOSPC if those behind the block are not all
 * free.
 */
int respool_buddy_resize(struct respool_buddy *b, unsigned long page, unsigned long nr_pages,
			 struct respool_block *was)
{
	unsigned long frame = frame_of(b, page), end = frame + nr_pages, old, resume;
	u8 state;

	if (page >= b->nr_pages)
		return -EFAULT;
	state = READ_ONCE(b->state[frame]);
	if (!respool_state_is_head(state))
		return not_a_head(b, frame);
	if (!nr_pages)
		return -EINVAL;
	old = pages_of(b, frame);
	if (nr_pages > b->nr_pages - page || !range_is_free(b, frame + old, end, &resume))
		return -ENOSPC;
	*was = (struct respool_block){
		.kind = RESPOOL_PAGE_ALLOCATED,
		.page = page,
		.nr_pages = old,
		.order = respool_state_order(state),
		.tag = owner_of(b, frame),
	};
	/* As in respool_buddy_free(). */
	if (cmpxchg(&b->state[frame], state, RESPOOL_STATE_NONE) != state)
		return -EALREADY;
	unmark_range(b, frame, old);
	if (nr_pages > old)
		take_range(b, frame + old, end);
	else
		give_range(b, end, frame + old);
	mark_range(b, frame, nr_pages, was->tag);
	return 0;
}

/* Longest row of free pages in the range, at the alignment. */
static unsigned long longest_row(const struct respool_buddy *b, const struct respool_fit *fit,
				 unsigned long lo, unsigned long hi)
{
	unsigned long place = round_up(lo, 1UL << fit->align_order), longest = 0, resume = 0, end;
	struct respool_block block;

	while (place < hi) {
		range_is_free(b, frame_at(b, place), frame_at(b, hi), &resume);
		respool_buddy_find(b, resume - 1 - b->lead, &block);
		end = block.kind == RESPOOL_PAGE_FREE ? resume : frame_of(b, block.page);
		end = min(place_of(b, end), hi);
		if (end > place)
			longest = max(longest, end - place);
		place = round_up(place_of(b, resume), 1UL << fit->align_order);
	}
	return longest;
}

/*
 * The largest number of pages that would be had now under the conditions of
 * @fit but its own number: a power of two, or with @fit->scan any.
 */
unsigned long respool_buddy_largest_fit(const struct respool_buddy *b,
					const struct respool_fit *fit)
{
	struct search s = { .top_down = fit->top_down };
	unsigned long lo, hi;
	int order;

	if (fit->align_order > b->max_order || !fit_range(b, fit, &lo, &hi))
		return 0;
	if (fit->scan)
		return longest_row(b, fit, lo, hi);
	for (order = respool_buddy_largest_free_order(b); order >= (int)fit->align_order; order--) {
		s.order = order;
		s.lo = lo;
		s.hi = hi;
		if (search(b, &s))
			return 1UL << order;
	}
	return 0;
}

/* Pages out of service */

/*
 * Take @nr_pages free pages from @page on out of service, each with @state,
 * RESPOOL_STATE_RESERVED or RESPOOL_STATE_BAD. -EFAULT if they are not all
 * pages of the pool, -EBUSY if they are not all free. Linear in @nr_pages.
 */
int respool_buddy_take_out(struct respool_buddy *b, unsigned long page, unsigned long nr_pages,
			   u8 state)
{
	unsigned long frame = frame_of(b, page), resume;

	if (!nr_pages || page >= b->nr_pages || nr_pages > b->nr_pages - page)
		return -EFAULT;
	if (!range_is_free(b, frame, frame + nr_pages, &resume))
		return -EBUSY;
	take_range(b, frame, frame + nr_pages);
	memset(&b->state[frame], state, nr_pages);
	b->free_pages -= nr_pages;
	if (state == RESPOOL_STATE_BAD)
		b->bad_pages += nr_pages;
	else
		b->reserved_pages += nr_pages;
	return 0;
}

/* Free @nr_pages reserved pages from @page on; -EINVAL, and nothing done, if one is not. */
int respool_buddy_put_back(struct respool_buddy *b, unsigned long page, unsigned long nr_pages)
{
	unsigned long frame = frame_of(b, page), i;

	if (!nr_pages || page >= b->nr_pages || nr_pages > b->nr_pages - page)
		return -EFAULT;
	for (i = 0; i < nr_pages; i++)
		if (b->state[frame + i] != RESPOOL_STATE_RESERVED)
			return -EINVAL;
	memset(&b->state[frame], RESPOOL_STATE_NONE, nr_pages);
	give_range(b, frame, frame + nr_pages);
	b->reserved_pages -= nr_pages;
	b->free_pages += nr_pages;
	return 0;
}

/* Validation: every invariant of struct respool_buddy, in time linear in the pool */

static const char *check_summary(const struct respool_summary *s)
{
	unsigned long nr_bits = s->nr_bits, i;
	unsigned int l;

	for (l = 0; l + 1 < s->levels; l++) {
		nr_bits = words_of(nr_bits);
		for (i = 0; i < nr_bits; i++)
			if (!s->level[l][i] != !(s->level[l + 1][i >> 6] & BIT_ULL(i & 63)))
				return "a summary differs from what it summarises";
	}
	return NULL;
}

static unsigned long count_bits(const struct respool_summary *s)
{
	unsigned long bits = 0, i;

	for (i = 0; i < words_of(s->nr_bits); i++)
		bits += hweight64(s->level[0][i]);
	return bits;
}

/* Free bits of @order in region @r. */
static unsigned int count_region_bits(const struct respool_buddy *b, unsigned long r,
				      unsigned int order)
{
	unsigned int bit, bits = 0;

	for (bit = region_base(order); bit < region_base(order + 1); bit++)
		bits += region_test(&b->region[r], bit);
	return bits;
}

/* Free bits of @order in the whole pool, which must be as many as free blocks were met. */
static unsigned long count_free_bits(const struct respool_buddy *b, unsigned int order)
{
	unsigned long bits = 0, r;

	if (order >= RESPOOL_REGION_ORDER)
		return count_bits(&b->large[order - RESPOOL_REGION_ORDER]);
	for (r = 0; r < b->nr_regions; r++)
		bits += b->sum[r].free[order];
	return bits;
}

static const char *check_region(const struct respool_buddy *b, unsigned long r)
{
	const struct respool_region_sum *sum = &b->sum[r];
	unsigned int class = fls64(sum->orders) - 1, order;
	bool in_class;

	for (order = 0; order < RESPOOL_REGION_ORDER; order++) {
		if (sum->free[order] != count_region_bits(b, r, order))
			return "a region's sum differs from its free bits";
		if (!sum->free[order] != !(sum->orders & 1U << order))
			return "a region's orders differ from its free blocks";
		in_class = summary_test(&b->region_class[order], r);
		if (in_class ? order != class : order == class)
			return "a region is not in the class of its largest free block";
	}
	return NULL;
}

static const char *check_regions(const struct respool_buddy *b)
{
	const char *why = NULL;
	unsigned long r;

	for (r = 0; !why && r < b->nr_regions; r++)
		why = check_region(b, r);
	return why;
}

static const char *check_index(const struct respool_buddy *b)
{
	const char *why = check_regions(b);
	unsigned int order;

	for (order = 0; !why && order < RESPOOL_REGION_ORDER; order++) {
		why = check_summary(&b->region_class[order]);
		if (!why && summary_empty(&b->region_class[order]) != !(b->classes & 1U << order))
			why = "the mask of region classes is wrong";
	}
	for (; !why && order <= b->max_order; order++) {
		unsigned int k = order - RESPOOL_REGION_ORDER;

		why = check_summary(&b->large[k]);
		if (!why && summary_empty(&b->large[k]) != !(b->large_orders & 1U << k))
			why = "the mask of large orders is wrong";
	}
	return why;
}

/* A free block: alone at its order, without a free buddy, nobody's inside. */
static const char *check_free(const struct respool_buddy *b, unsigned long frame,
			      unsigned int order)
{
	unsigned long place = place_of(b, frame), i;
	unsigned int k;

	if (1UL << order > b->lead + b->nr_pages - frame)
		return "a block reaches beyond the pool";
	for (k = order + 1; k <= b->max_order; k++)
		if (block_is_free(b, place, k))
			return "a page is free at two orders";
	if (order < b->max_order && block_is_free(b, place ^ 1UL << order, order))
		return "two buddies are free";
	for (i = 0; i < 1UL << order; i++)
		if (b->state[frame + i] != RESPOOL_STATE_NONE)
			return "a page is free and allocated";
	return NULL;
}

/* How many bytes behind the first may say something, at most, and which: the owner. */
static bool owner_may_be_at(const struct respool_buddy *b, unsigned long frame, unsigned long i)
{
	u8 state = b->state[frame];

	if (i != 1)
		return false;
	return !respool_state_is_part(state) ||
	       (frame > b->lead && b->state[frame - 1] == RESPOOL_STATE_EXACT);
}

static const char *check_allocated(const struct respool_buddy *b, unsigned long frame,
				   unsigned int order)
{
	u8 state = b->state[frame];
	unsigned long i;

	if (order > b->max_order || place_of(b, frame) & ((1UL << order) - 1))
		return "a block is not aligned to its size";
	if (1UL << order > b->lead + b->nr_pages - frame)
		return "a block reaches beyond the pool";
	if (order && respool_state_is_head(state) && b->state[frame + 1] < RESPOOL_STATE_OWNER)
		return "a block names no owner";
	for (i = 1; i < 1UL << order; i++)
		if (b->state[frame + i] != RESPOOL_STATE_NONE &&
		    !(owner_may_be_at(b, frame, i) && b->state[frame + i] >= RESPOOL_STATE_OWNER))
			return "a block begins inside another";
	return NULL;
}

/* Index of the order at which a block begins free at @frame, or -1. */
static int free_order_at(const struct respool_buddy *b, unsigned long frame)
{
	unsigned long place = place_of(b, frame);
	unsigned int order;

	for (order = 0; order <= b->max_order && !(place & ((1UL << order) - 1)); order++)
		if (block_is_free(b, place, order))
			return order;
	return -1;
}

struct census {
	unsigned long free[RESPOOL_BUDDY_ORDERS];
	unsigned long allocated[RESPOOL_BUDDY_ORDERS];
	unsigned long reserved;
	unsigned long bad;
	bool in_row;		/* the last block was a part, another may follow */
};

static const char *check_taken(const struct respool_buddy *b, unsigned long frame,
			       struct census *census)
{
	u8 state = b->state[frame];
	unsigned int order = respool_state_order(state);

	census->reserved += state == RESPOOL_STATE_RESERVED;
	census->bad += state == RESPOOL_STATE_BAD;
	if (respool_state_is_out(state)) {
		census->in_row = false;
		return NULL;
	}
	if (respool_state_is_part(state) && !census->in_row)
		return "a part stands without the part before it";
	census->in_row = respool_state_is_part(state) || respool_state_is_exact(state);
	census->allocated[order]++;
	return check_allocated(b, frame, order);
}

/* Check what begins at @frame and count it; @nr_pages receives its size. */
static const char *check_block(const struct respool_buddy *b, unsigned long frame,
			       unsigned long *nr_pages, struct census *census)
{
	int order = free_order_at(b, frame);

	*nr_pages = 1;
	if (order >= 0) {
		*nr_pages = 1UL << order;
		census->in_row = false;
		census->free[order]++;
		return check_free(b, frame, order);
	}
	if (!respool_state_is_block(b->state[frame]))
		return "a page is in no block";
	if (is_odd_pair(b, frame)) {
		*nr_pages = 2;
		census->in_row = false;
		census->allocated[0] += 2;
		return NULL;
	}
	*nr_pages = 1UL << respool_state_order(b->state[frame]);
	return check_taken(b, frame, census);
}

static const char *check_totals(const struct respool_buddy *b, const struct census *census)
{
	unsigned long free_pages = 0, allocated_pages = 0;
	unsigned int order;

	for (order = 0; order < RESPOOL_BUDDY_ORDERS; order++) {
		if (census->free[order] != b->nr_free[order])
			return "a count of free blocks is wrong";
		if (census->allocated[order] != b->nr_allocated[order])
			return "a count of allocated blocks is wrong";
		if (order <= b->max_order && count_free_bits(b, order) != b->nr_free[order])
			return "a free bit covers no free block";
		free_pages += b->nr_free[order] << order;
		allocated_pages += b->nr_allocated[order] << order;
	}
	if (free_pages != b->free_pages || allocated_pages != b->allocated_pages)
		return "a sum of pages is wrong";
	if (census->reserved != b->reserved_pages || census->bad != b->bad_pages)
		return "a count of pages out of service is wrong";
	if (free_pages + allocated_pages + b->reserved_pages + b->bad_pages != b->nr_pages)
		return "the sums of pages do not make all pages";
	return NULL;
}

/*
 * Check everything. Returns NULL, or the first broken invariant in words, with
 * the page where it showed in @page, or RESPOOL_NO_PAGE when it has no place.
 */
const char *respool_buddy_validate(const struct respool_buddy *b, unsigned long *page)
{
	unsigned long frame = b->lead, end = b->lead + b->nr_pages, nr_pages;
	struct census census = {};
	const char *why;

	for (; frame < end; frame += nr_pages) {
		why = check_block(b, frame, &nr_pages, &census);
		if (why) {
			*page = frame - b->lead;
			return why;
		}
	}
	*page = RESPOOL_NO_PAGE;
	if (frame != end)
		return "the last block reaches beyond the pool";
	why = check_index(b);
	return why ? why : check_totals(b, &census);
}

/* Set-up */

/* Bytes of metadata for a pool of @nr_pages whose first page frame is @base_pfn. */
size_t respool_buddy_footprint(unsigned long nr_pages, unsigned long base_pfn)
{
	unsigned long nr_regions = regions_of(nr_pages, base_pfn);
	unsigned int max_order = max_order_of(nr_pages, base_pfn);
	unsigned long phase = phase_of(base_pfn, max_order);
	size_t bytes = RESPOOL_REGION_ORDER * summary_bytes(nr_regions);
	unsigned int order;

	for (order = RESPOOL_REGION_ORDER; order <= max_order; order++)
		bytes += summary_bytes(large_bits(phase, nr_regions, order));
	return bytes + nr_regions * (sizeof(struct respool_region) +
				     sizeof(struct respool_region_sum) + RESPOOL_REGION_PAGES);
}

/*
 * Make @b manage pages 0..@nr_pages - 1, all free, with its metadata in @mem,
 * respool_buddy_footprint() bytes aligned to 8, better to a cache line. The
 * page frame number of page 0 is @base_pfn: blocks are aligned to their size in
 * page frame numbers.
 */
int respool_buddy_init(struct respool_buddy *b, void *mem, unsigned long nr_pages,
		       unsigned long base_pfn)
{
	unsigned int order;
	u64 *next;

	if (!nr_pages || nr_pages > 1ULL << (RESPOOL_BUDDY_ORDERS - 1))
		return -EINVAL;

	memset(mem, 0, respool_buddy_footprint(nr_pages, base_pfn));
	memset(b, 0, sizeof(*b));
	b->nr_pages = nr_pages;
	b->max_order = max_order_of(nr_pages, base_pfn);
	b->lead = lead_of(base_pfn);
	b->phase = phase_of(base_pfn, b->max_order);
	b->nr_regions = regions_of(nr_pages, base_pfn);

	/* First, so that 64 pages that begin together share a cache line and no other. */
	b->state = mem;
	next = (u64 *)(b->state + b->nr_regions * RESPOOL_REGION_PAGES);
	b->region = (struct respool_region *)next;
	next += b->nr_regions * RESPOOL_REGION_WORDS;
	for (order = 0; order < RESPOOL_REGION_ORDER; order++)
		next = summary_init(&b->region_class[order], next, b->nr_regions);
	for (; order <= b->max_order; order++)
		next = summary_init(large_of(b, order), next,
				    large_bits(b->phase, b->nr_regions, order));
	b->sum = (struct respool_region_sum *)next;

	give_range(b, b->lead, b->lead + nr_pages);
	b->free_pages = nr_pages;
	return 0;
}
