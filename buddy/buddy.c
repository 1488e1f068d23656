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

/*
 * State bytes, one a page. A free page and the inside of a block have none.
 * A block of one page names its owner in its only byte; any other allocated
 * block has its order in the first byte and its owner in the second. A block
 * of an exact number of pages is a row of parts, powers of two descending.
 */
#define STATE_NONE	0x00	/* free, or inside a block */
				/* 1..32: first page of a block of that order */
#define STATE_EXACT	0x40	/* | order 1..31: first part of an exact block */
#define STATE_PART	0x60	/* | order 0..31: a further part of one */
#define STATE_PAGE	0x80	/* | tag: block of one page */
#define STATE_OWNER	0xc0	/* | tag: second page of a block, its owner */

#define STATE_ORDER_MASK	0x1f
#define STATE_TAG_MASK		0x3f

static bool state_is_part(u8 state)
{
	return (state & 0xe0) == STATE_PART;
}

static bool state_is_exact(u8 state)
{
	return (state & 0xe0) == STATE_EXACT;
}

/* First page of what a client holds, which alone may be freed. */
static bool state_is_head(u8 state)
{
	return state != STATE_NONE && state < STATE_OWNER && !state_is_part(state);
}

/* Order of a head or a part. */
static unsigned int state_order(u8 state)
{
	if (state & STATE_PAGE)
		return 0;
	return state & STATE_EXACT ? state & STATE_ORDER_MASK : state;
}

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

static bool region_test(const struct respool_region *region, unsigned int order,
			unsigned int block)
{
	unsigned int bit = region_base(order) + block;

	return region->word[bit >> 6] & BIT_ULL(bit & 63);
}

static void region_flip(struct respool_region *region, unsigned int order, unsigned int block)
{
	unsigned int bit = region_base(order) + block;

	region->word[bit >> 6] ^= BIT_ULL(bit & 63);
}

/* The part of its last word that a single order from 4 up fills. */
static u64 region_high_bits(const struct respool_region *region, unsigned int order)
{
	unsigned int shift = region_base(order) & 63;
	unsigned int blocks = RESPOOL_REGION_PAGES >> order;

	return region->word[RESPOOL_REGION_WORDS - 1] >> shift & (BIT_ULL(blocks) - 1);
}

/* First free block of @order, or as many as a region has of them: none. */
static unsigned int region_first(const struct respool_region *region, unsigned int order)
{
	unsigned int blocks = RESPOOL_REGION_PAGES >> order;
	const u64 *word = &region->word[region_base(order) >> 6];
	unsigned int block;
	u64 high;

	if (order > 3) {
		high = region_high_bits(region, order);
		return high ? __ffs64(high) : blocks;
	}
	for (block = 0; block < blocks; block += 64, word++)
		if (*word)
			return block + __ffs64(*word);
	return blocks;
}

static bool region_has(const struct respool_region *region, unsigned int order)
{
	return region_first(region, order) < RESPOOL_REGION_PAGES >> order;
}

/*
 * Note which orders region @r has free blocks of, and move it to the class of
 * the largest of them.
 */
static void set_region_orders(struct respool_buddy *b, unsigned long r, u16 orders)
{
	int from = fls64(b->region_orders[r]) - 1;
	int to = fls64(orders) - 1;

	b->region_orders[r] = orders;
	if (from == to)
		return;
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

static unsigned long take_small(struct respool_buddy *b, unsigned int order)
{
	u32 fit = b->classes >> order;
	struct respool_region *region;
	unsigned int from, block;
	unsigned long r, frame;
	u16 orders;

	if (fit) {
		r = summary_first(&b->region_class[order + __ffs64(fit)]);
		region = &b->region[r];
		orders = b->region_orders[r];
		from = order + __ffs64(orders >> order);
		block = region_first(region, from);
		region_flip(region, from, block);
		b->nr_free[from]--;
		if (!region_has(region, from))
			orders &= ~(1U << from);
	} else {
		frame = take_large(b, RESPOOL_REGION_ORDER);
		if (frame == RESPOOL_NO_PAGE)
			return RESPOOL_NO_PAGE;
		r = frame >> RESPOOL_REGION_ORDER;
		region = &b->region[r];
		orders = 0;
		from = RESPOOL_REGION_ORDER;
		block = 0;
	}
	while (from > order) {
		from--;
		block <<= 1;
		region_flip(region, from, block + 1);
		b->nr_free[from]++;
		orders |= 1U << from;
	}
	set_region_orders(b, r, orders);
	return (r << RESPOOL_REGION_ORDER) + ((unsigned long)block << order);
}

static void give_small(struct respool_buddy *b, unsigned long frame, unsigned int order)
{
	unsigned long r = frame >> RESPOOL_REGION_ORDER;
	struct respool_region *region = &b->region[r];
	unsigned int block = (frame & (RESPOOL_REGION_PAGES - 1)) >> order;
	u16 orders = b->region_orders[r];

	while (order < RESPOOL_REGION_ORDER && region_test(region, order, block ^ 1)) {
		region_flip(region, order, block ^ 1);
		b->nr_free[order]--;
		if (!region_has(region, order))
			orders &= ~(1U << order);
		block >>= 1;
		order++;
	}
	if (order < RESPOOL_REGION_ORDER) {
		region_flip(region, order, block);
		b->nr_free[order]++;
		orders |= 1U << order;
	}
	set_region_orders(b, r, orders);
	if (order == RESPOOL_REGION_ORDER)
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

static void mark_head(struct respool_buddy *b, unsigned long frame, unsigned int order,
		      unsigned int tag)
{
	if (!order) {
		b->state[frame] = STATE_PAGE | tag;
	} else {
		b->state[frame] = order;
		b->state[frame + 1] = STATE_OWNER | tag;
	}
}

static void count_allocated(struct respool_buddy *b, unsigned int order)
{
	b->nr_allocated[order]++;
	b->allocated_pages += 1UL << order;
	b->free_pages -= 1UL << order;
}

static void count_freed(struct respool_buddy *b, unsigned int order)
{
	b->nr_allocated[order]--;
	b->allocated_pages -= 1UL << order;
	b->free_pages += 1UL << order;
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
	mark_head(b, frame, order, tag);
	count_allocated(b, order);
	return frame - b->lead;
}

/*
 * Allocate exactly @nr_pages pages: a block of the order above, whose tail is
 * given back. What stays is a row of parts, one for each bit of @nr_pages.
 */
unsigned long respool_buddy_alloc_exact(struct respool_buddy *b, unsigned long nr_pages,
					unsigned int tag)
{
	unsigned long frame, first, half;
	unsigned int order;
	u8 kind = STATE_EXACT;

	if (!nr_pages || nr_pages > b->nr_pages)
		return RESPOOL_NO_PAGE;
	order = fls64(nr_pages - 1);
	if (is_power_of_2(nr_pages))
		return respool_buddy_alloc(b, order, tag);
	if (order > b->max_order)
		return RESPOOL_NO_PAGE;
	first = take(b, order);
	if (first == RESPOOL_NO_PAGE)
		return RESPOOL_NO_PAGE;

	/* Halve until nothing is left over; a half too many is free again. */
	for (frame = first; nr_pages; ) {
		half = 1UL << --order;
		if (nr_pages < half) {
			give(b, frame + half, order);
			continue;
		}
		b->state[frame] = kind | order;
		kind = STATE_PART;
		count_allocated(b, order);
		frame += half;
		nr_pages -= half;
		if (!nr_pages)
			give(b, frame, order);
	}
	b->state[first + 1] = STATE_OWNER | tag;
	return first - b->lead;
}

/* Why the byte at @frame does not begin a block. */
static int not_a_head(const struct respool_buddy *b, unsigned long frame)
{
	struct respool_block block;

	respool_buddy_find(b, frame - b->lead, &block);
	return block.kind == RESPOOL_PAGE_FREE ? -EALREADY : -EINVAL;
}

static bool part_follows(const struct respool_buddy *b, unsigned long frame)
{
	return frame < b->lead + b->nr_pages && state_is_part(b->state[frame]);
}

static unsigned int owner_of(const struct respool_buddy *b, unsigned long head)
{
	u8 state = b->state[head];

	return (state & STATE_PAGE ? state : b->state[head + 1]) & STATE_TAG_MASK;
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
	unsigned int part;
	bool exact;
	u8 state;

	if (page >= b->nr_pages)
		return -EFAULT;
	state = b->state[frame];
	if (!state_is_head(state))
		return not_a_head(b, frame);
	part = state_order(state);
	exact = state_is_exact(state);
	if (order != RESPOOL_ANY_ORDER && (exact || order != part))
		return -ERANGE;

	freed->kind = RESPOOL_PAGE_FREE;
	freed->page = page;
	freed->order = part;
	freed->tag = owner_of(b, frame);
	freed->nr_pages = 0;
	if (part)
		b->state[frame + 1] = STATE_NONE;
	for (;;) {
		b->state[frame] = STATE_NONE;
		count_freed(b, part);
		give(b, frame, part);
		freed->nr_pages += 1UL << part;
		frame += 1UL << part;
		if (!exact || !part_follows(b, frame))
			return 0;
		part = state_order(b->state[frame]);
	}
}

/* Looking */

static bool block_is_free(const struct respool_buddy *b, unsigned long place, unsigned int order)
{
	unsigned long frame = frame_at(b, place);

	if (order >= RESPOOL_REGION_ORDER)
		return summary_test(&b->large[order - RESPOOL_REGION_ORDER], place >> order);
	return region_test(&b->region[frame >> RESPOOL_REGION_ORDER], order,
			   (frame & (RESPOOL_REGION_PAGES - 1)) >> order);
}

/* Pages of the block whose first part is at @head. */
static unsigned long pages_of(const struct respool_buddy *b, unsigned long head)
{
	unsigned long frame = head + (1UL << state_order(b->state[head]));

	if (state_is_exact(b->state[head]))
		while (part_follows(b, frame))
			frame += 1UL << state_order(b->state[frame]);
	return frame - head;
}

/* Tell in @block what the page at index @page belongs to. Bounded by the number of orders. */
void respool_buddy_find(const struct respool_buddy *b, unsigned long page,
			struct respool_block *block)
{
	unsigned long place, start, head;
	unsigned int order;
	u8 state;

	memset(block, 0, sizeof(*block));
	block->kind = RESPOOL_PAGE_OUTSIDE;
	if (page >= b->nr_pages)
		return;

	place = place_of(b, frame_of(b, page));
	for (order = 0; order <= b->max_order; order++) {
		start = round_down(place, 1UL << order);
		if (!block_is_free(b, place, order))
			continue;
		block->kind = RESPOOL_PAGE_FREE;
		block->page = frame_at(b, start) - b->lead;
		block->order = order;
		block->nr_pages = 1UL << order;
		return;
	}
	for (order = 0; order <= b->max_order; order++) {
		start = round_down(place, 1UL << order);
		if (start < place_of(b, b->lead))
			return;
		state = b->state[frame_at(b, start)];
		if ((state_is_head(state) || state_is_part(state)) && state_order(state) >= order)
			break;
	}
	if (order > b->max_order)
		return;
	/* The part before one of order k ends where its own higher bit does. */
	while (state_is_part(b->state[frame_at(b, start)]))
		start &= start - 1;
	head = frame_at(b, start);
	block->kind = RESPOOL_PAGE_ALLOCATED;
	block->page = head - b->lead;
	block->order = state_order(b->state[head]);
	block->nr_pages = pages_of(b, head);
	block->tag = owner_of(b, head);
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
			if (region_test(&b->region[r], order, block))
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

/* Free bits of @order in the whole pool, which must be as many as free blocks were met. */
static unsigned long count_free_bits(const struct respool_buddy *b, unsigned int order)
{
	unsigned long bits = 0, r;
	unsigned int w;

	if (order >= RESPOOL_REGION_ORDER)
		return count_bits(&b->large[order - RESPOOL_REGION_ORDER]);
	for (r = 0; r < b->nr_regions; r++) {
		if (order > 3) {
			bits += hweight64(region_high_bits(&b->region[r], order));
			continue;
		}
		for (w = region_base(order) >> 6; w < region_base(order + 1) >> 6; w++)
			bits += hweight64(b->region[r].word[w]);
	}
	return bits;
}

static const char *check_classes(const struct respool_buddy *b)
{
	unsigned int order;
	unsigned long r;
	int class;

	for (r = 0; r < b->nr_regions; r++) {
		class = fls64(b->region_orders[r]) - 1;
		for (order = 0; order < RESPOOL_REGION_ORDER; order++) {
			if (region_has(&b->region[r], order) !=
			    !!(b->region_orders[r] & 1U << order))
				return "a region's orders differ from its free bits";
			if (summary_test(&b->region_class[order], r) == (class != (int)order))
				return "a region is not in the class of its largest free block";
		}
	}
	return NULL;
}

static const char *check_index(const struct respool_buddy *b)
{
	const char *why = check_classes(b);
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

	for (k = order + 1; k <= b->max_order; k++)
		if (block_is_free(b, place, k))
			return "a page is free at two orders";
	if (order < b->max_order && block_is_free(b, place ^ 1UL << order, order))
		return "two buddies are free";
	for (i = 0; i < 1UL << order; i++)
		if (b->state[frame + i] != STATE_NONE)
			return "a page is free and allocated";
	return NULL;
}

static const char *check_allocated(const struct respool_buddy *b, unsigned long frame,
				   unsigned int order)
{
	unsigned long i = 1;

	if (order > b->max_order || place_of(b, frame) & ((1UL << order) - 1))
		return "a block is not aligned to its size";
	if (order && state_is_head(b->state[frame]))
		if (b->state[frame + i++] < STATE_OWNER)
			return "a block names no owner";
	for (; i < 1UL << order; i++)
		if (b->state[frame + i] != STATE_NONE)
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
};

static const char *check_block(const struct respool_buddy *b, unsigned long *frame,
			       int *part_order, struct census *census)
{
	const char *why;
	int order = free_order_at(b, *frame);
	u8 state = b->state[*frame];

	if (order >= 0) {
		why = check_free(b, *frame, order);
		census->free[order]++;
		*part_order = 0;
	} else if (state_is_head(state) || state_is_part(state)) {
		order = state_order(state);
		if (state_is_part(state) && order >= *part_order)
			return "a part stands without the part before it";
		why = check_allocated(b, *frame, order);
		census->allocated[order]++;
		*part_order = state_is_head(state) && !state_is_exact(state) ? 0 : order;
	} else {
		return "a page is in no block";
	}
	if (!why)
		*frame += 1UL << order;
	return why;
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
	if (free_pages + allocated_pages != b->nr_pages)
		return "free and allocated pages are not all pages";
	return NULL;
}

/*
 * Check everything. Returns NULL, or the first broken invariant in words, with
 * the page where it showed in @page, or RESPOOL_NO_PAGE when it has no place.
 */
const char *respool_buddy_validate(const struct respool_buddy *b, unsigned long *page)
{
	unsigned long frame = b->lead, end = b->lead + b->nr_pages;
	struct census census = {};
	const char *why;
	int part_order = 0;

	while (frame < end) {
		why = check_block(b, &frame, &part_order, &census);
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
	return bytes + nr_regions * (sizeof(struct respool_region) + sizeof(u16) +
				     RESPOOL_REGION_PAGES);
}

/* Cut the pool into the fewest naturally aligned blocks and free them. */
static void free_everything(struct respool_buddy *b)
{
	unsigned long frame = b->lead, end = b->lead + b->nr_pages, place;
	unsigned int order;

	while (frame < end) {
		place = place_of(b, frame);
		order = min_t(unsigned int, ilog2(end - frame), b->max_order);
		if (place)
			order = min_t(unsigned int, order, __ffs64(place));
		give(b, frame, order);
		frame += 1UL << order;
	}
	b->free_pages = b->nr_pages;
}

/*
 * Make @b manage pages 0..@nr_pages - 1, all free, with its metadata in @mem,
 * respool_buddy_footprint() bytes aligned to 8. The page frame number of page
 * 0 is @base_pfn: blocks are aligned to their size in page frame numbers.
 */
int respool_buddy_init(struct respool_buddy *b, void *mem, unsigned long nr_pages,
		       unsigned long base_pfn)
{
	unsigned int order;
	u64 *next = mem;

	if (!nr_pages || nr_pages > 1ULL << (RESPOOL_BUDDY_ORDERS - 1))
		return -EINVAL;

	memset(mem, 0, respool_buddy_footprint(nr_pages, base_pfn));
	memset(b, 0, sizeof(*b));
	b->nr_pages = nr_pages;
	b->max_order = max_order_of(nr_pages, base_pfn);
	b->lead = lead_of(base_pfn);
	b->phase = phase_of(base_pfn, b->max_order);
	b->nr_regions = regions_of(nr_pages, base_pfn);

	b->region = (struct respool_region *)next;
	next += b->nr_regions * RESPOOL_REGION_WORDS;
	for (order = 0; order < RESPOOL_REGION_ORDER; order++)
		next = summary_init(&b->region_class[order], next, b->nr_regions);
	for (; order <= b->max_order; order++)
		next = summary_init(large_of(b, order), next,
				    large_bits(b->phase, b->nr_regions, order));
	b->region_orders = (u16 *)next;
	b->state = (u8 *)(b->region_orders + b->nr_regions);

	free_everything(b);
	return 0;
}
