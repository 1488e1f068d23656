// SPDX-License-Identifier: GPL-2.0
/*
 * The buddy system (Knowlton 1965; Knuth, TAOCP vol. 1, 2.5) on bitmaps.
 *
 * What is free is one bit a page, in words of 64. Two halves of a block are
 * both free if shifting their word by the size of a half puts one on the other,
 * so all splits and merges below 64 pages are arithmetic on one word. A
 * *region* is eight words, the naturally aligned 512 pages around them. One that
 * is wholly free is a single bit in a node of the level above, which treats
 * regions as a region treats pages: see struct respool_level. Nothing is kept in
 * the pages themselves, so nothing a client writes can break it.
 *
 * Regions first: a small block comes from the lowest of those regions whose
 * largest free block is the smallest that serves, and a whole free region is
 * cut only when there is none. Regions in use fill up before others are
 * touched, and those that drain become whole again. The same goes for nodes.
 *
 * Places. A *page* is an index into the pool. Its *place* adds the offset that
 * the pool's first page frame has to twice the size of the largest block, or to
 * a region if that is more. A block of order k starts where the low k bits of
 * its place, as those of its page frame number, are zero. Were an aligned block
 * of a higher order all free it would be larger than the largest: so merging
 * needs no limit.
 *
 * Bound of work: alloc and free look at no more than a node of each level, at
 * RESPOOL_SUMMARY_LEVELS words of a few summaries for each, and never loop over
 * blocks, pages or regions.
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

#define NODE_ORDER	RESPOOL_REGION_ORDER
#define NODE_UNITS	RESPOOL_REGION_PAGES
#define NODE_WORDS	RESPOOL_NODE_WORDS
#define WORD_ORDER	RESPOOL_WORD_ORDER
#define WORD_UNITS	(1U << WORD_ORDER)

/* A node's change of class costs about what it takes to give so many blocks. */
#define MOVE_BLOCKS	2

static unsigned int max_order_of(unsigned long nr_pages, unsigned long base_pfn)
{
	unsigned int order = min_t(unsigned int, ilog2(nr_pages), RESPOOL_BUDDY_ORDERS - 1);

	while (round_up(base_pfn, 1UL << order) + (1UL << order) > base_pfn + nr_pages)
		order--;
	return order;
}

static unsigned long offset_of(unsigned long base_pfn, unsigned int max_order)
{
	return base_pfn & ((1UL << max_t(unsigned int, max_order + 1, NODE_ORDER)) - 1);
}

static unsigned int levels_of(unsigned int max_order)
{
	return max_order / NODE_ORDER + 1;
}

/* Number of the node of level @l around @place, counted from place 0. */
static unsigned long node_at(unsigned long place, unsigned int l)
{
	return place >> NODE_ORDER * (l + 1);
}

/* Number of the unit of level @l at @place in its word. */
static unsigned int bit_at(unsigned long place, unsigned int l)
{
	return (place >> NODE_ORDER * l) & 63;
}

/* Number of that word in the level. */
static unsigned long word_at(const struct respool_level *level, unsigned long place,
			     unsigned int l)
{
	return (place >> (NODE_ORDER * l + WORD_ORDER)) - level->first;
}

/* Place of unit @bit of a word, which may be larger than 63. */
static unsigned long place_at(const struct respool_level *level, unsigned long w,
			      unsigned int bit, unsigned int l)
{
	return ((w + level->first) * 64 + bit) << NODE_ORDER * l;
}

static unsigned long place_of(const struct respool_buddy *b, unsigned long page)
{
	return page + b->offset;
}

static unsigned long page_at(const struct respool_buddy *b, unsigned long place)
{
	return place - b->offset;
}

/* Words: the blocks that free units make */

static const u64 first_halves[WORD_ORDER] = {	/* of blocks of 2^(k + 1) units */
	0x5555555555555555, 0x1111111111111111, 0x0101010101010101,
	0x0001000100010001, 0x0000000100000001, 0x0000000000000001,
};

/* All units of a block of 2^@order that begins with a word. */
static u64 units(unsigned int order)
{
	return ~0ULL >> (64 - (1U << order));
}

/* @blocks has the first bits of free blocks of 2^@order: those of pairs of buddies. */
static u64 pairs_of(u64 blocks, unsigned int order)
{
	return blocks & (blocks >> (1U << order)) & first_halves[order];
}

/* Bits of @word from which on 2^@order units are free, aligned or not. */
static inline u64 blocks_at(u64 word, unsigned int order)
{
	unsigned int k;

	for (k = 0; k < order; k++)
		word &= word >> (1U << k);
	return word;
}

/* First bits of all free blocks of 2^@order in @word, parts of larger ones included. */
static u64 blocks_of(u64 word, unsigned int order)
{
	unsigned int k;

	for (k = 0; k < order; k++)
		word = pairs_of(word, k);
	return word;
}

/* Those whose buddies are not both free. */
static u64 alone_of(u64 blocks, u64 pairs, unsigned int order)
{
	return blocks & ~(pairs | pairs << (1U << order));
}

/* log2 of the largest block and 1, or 0 if there is none. */
static unsigned int largest_in_word(u64 word)
{
	unsigned int order;

	for (order = 0; word && order < WORD_ORDER; order++)
		word = pairs_of(word, order);
	return order + !!word;
}

/*
 * First bit of the first of the smallest blocks of at least 2^@order, of which
 * there must be one; @order receives its order.
 */
static inline unsigned int smallest_in_word(u64 word, unsigned int *order)
{
	u64 blocks = blocks_of(word, *order), pairs, alone;

	for (; *order < WORD_ORDER; ++*order) {
		pairs = pairs_of(blocks, *order);
		alone = alone_of(blocks, pairs, *order);
		if (alone)
			return __ffs64(alone);
		blocks = pairs;
	}
	return 0;
}

/* Nodes: eight words */

#define EACH_BYTE(n)	((n) * 0x0101010101010101ULL)

/* The units of the largest free block of each word of a node, a byte a word. */
static inline u64 largest_of_words(const u8 *word_largest)
{
	u64 all;

	BUILD_BUG_ON(__BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__);
	memcpy(&all, word_largest, sizeof(all));
	return all;
}

/*
 * A bit for each word all of whose units are free. The product adds each of the eight
 * bits, which lie eight apart, at eight distances of seven: no two meet, and the
 * highest byte has them side by side.
 */
static u64 full_words(const u8 *word_largest)
{
	u64 full = largest_of_words(word_largest) >> WORD_ORDER & EACH_BYTE(1);

	return full * 0x0102040810204080ULL >> 56;
}

/*
 * The first of the words whose largest free block is the smallest of at least
 * 2^@order units; NODE_WORDS if only full words serve.
 */
static inline unsigned int best_word(const u8 *word_largest, unsigned int order)
{
	u64 all = largest_of_words(word_largest), found;

	for (; order < WORD_ORDER; order++) {
		found = all & EACH_BYTE(1) << order;
		if (found)
			return __ffs64(found) / 8;
	}
	return NODE_WORDS;
}

/*
 * First of the words that are the smallest free block of whole words and at
 * least 2^@order units; @order receives its order.
 */
static unsigned int best_words(const u8 *word_largest, unsigned int *order)
{
	unsigned int words = max_t(unsigned int, *order, WORD_ORDER) - WORD_ORDER;
	unsigned int w = smallest_in_word(full_words(word_largest), &words);

	*order = words + WORD_ORDER;
	return w;
}

/* log2 of the units in the free block around the free one of 2^@order, at most a word, at @bit. */
static unsigned int merged_in_word(u64 word, unsigned int bit, unsigned int order)
{
	if (!~word)
		return WORD_ORDER;
	word = blocks_at(word, order);
	for (; order < WORD_ORDER && word >> (bit ^ 1U << order) & 1; order++) {
		word &= word >> (1U << order);
		bit &= ~(1U << order);
	}
	return order;
}

/* The same of a block of whole words, from word @w of the node on; @full says which are. */
static unsigned int merged_words(u64 full, unsigned int w, unsigned int order)
{
	unsigned int nr, buddy;

	for (; order < NODE_ORDER; order++) {
		nr = 1U << (order - WORD_ORDER);
		buddy = w ^ nr;
		if (~(full >> buddy) & (BIT(nr) - 1))
			break;
		w &= buddy;
	}
	return order;
}

/* Levels: nodes by their largest free block */

/* Which words of the node that word @w is of are free. */
static u64 full_words_around(const struct respool_level *level, unsigned long w)
{
	return full_words(&level->word_largest[round_down(w, NODE_WORDS)]);
}

/* log2 of the units in the free block around the free one of 2^@order at @bit of word @w. */
static inline unsigned int merged_order(const struct respool_level *level, unsigned long w,
					unsigned int bit, unsigned int order)
{
	if (order < WORD_ORDER)
		order = merged_in_word(level->word[w], bit, order);
	if (order < WORD_ORDER)
		return order;
	return merged_words(full_words_around(level, w), w % NODE_WORDS, order);
}

static inline unsigned int largest_in_node(const struct respool_level *level, unsigned long n)
{
	const u8 *word_largest = &level->word_largest[n * NODE_WORDS];
	u64 any = largest_of_words(word_largest);
	unsigned int largest;

	any |= any >> 32;
	any |= any >> 16;
	any |= any >> 8;
	largest = fls64(any & 0xff);
	return largest > WORD_ORDER ? WORD_ORDER + largest_in_word(full_words(word_largest)) :
				      largest;
}

/* The largest free block of node @n is another now: the node changes its class. */
static void set_largest(struct respool_buddy *b, struct respool_level *level, unsigned long n,
			unsigned int largest)
{
	unsigned int before = level->node_largest[n];

	if (largest == before)
		return;
	b->moves++;
	level->node_largest[n] = largest;
	if (before) {
		summary_clear(&level->class[before - 1], n);
		if (summary_empty(&level->class[before - 1]))
			level->classes &= ~(1U << (before - 1));
	}
	if (largest) {
		summary_set(&level->class[largest - 1], n);
		level->classes |= 1U << (largest - 1);
	}
}

/* All units of a node become free, or none; that of the level above is the caller's concern. */
static void set_node(struct respool_level *level, unsigned long n, bool free)
{
	memset(&level->word[n * NODE_WORDS], free ? 0xff : 0, NODE_UNITS / 8);
	memset(&level->word_largest[n * NODE_WORDS], free ? WORD_UNITS : 0, NODE_WORDS);
}

/*
 * Whole words of level @l became free, 2^@order units from word @w on. Returns
 * whether all of the node is.
 */
static bool give_words(struct respool_buddy *b, unsigned int l, unsigned long w,
		       unsigned int order)
{
	unsigned long *nr_free = b->nr_free + NODE_ORDER * l, n = w / NODE_WORDS;
	struct respool_level *level = &b->level[l];
	unsigned int merged = merged_words(full_words_around(level, w), w % NODE_WORDS, order);

	memset(&level->word_largest[w], WORD_UNITS, 1U << (order - WORD_ORDER));
	for (; order < merged; order++)
		nr_free[order]--;
	if (merged == NODE_ORDER) {
		set_node(level, n, false);
		set_largest(b, level, n, 0);
		return true;
	}
	nr_free[merged]++;
	if (merged >= level->node_largest[n])
		set_largest(b, level, n, merged + 1);
	return false;
}

/* Give 2^@order units at @place to level @l. Returns whether their node is whole now. */
static __always_inline bool give_units(struct respool_buddy *b, unsigned int l,
				       unsigned int order, unsigned long place)
{
	unsigned int bit = bit_at(place, l), half = 1U << order, buddy;
	unsigned long *nr_free = b->nr_free + NODE_ORDER * l + order;
	struct respool_level *level = &b->level[l];
	unsigned long w = word_at(level, place, l);
	u64 *word = &level->word[w], free, block;

	if (unlikely(order >= WORD_ORDER)) {
		memset(word, 0xff, half / 8);
		return give_words(b, l, w, order);
	}
	block = units(order);
	free = *word | block << bit;
	*word = free;
	/* A buddy that it merges with is a block no more. */
	for (; half < 64; half *= 2, order++) {
		buddy = bit ^ half;
		if (~(free >> buddy) & block)
			break;
		bit &= buddy;
		block |= block << half;
		--*nr_free++;
	}
	if (unlikely(half == 64))
		return give_words(b, l, w, WORD_ORDER);
	++*nr_free;
	if (unlikely(half > level->word_largest[w])) {
		level->word_largest[w] = half;
		if (order >= level->node_largest[w / NODE_WORDS])
			set_largest(b, level, w / NODE_WORDS, order + 1);
	}
	return false;
}

/* A whole node below has become a unit of level @l. */
static void give_unit(struct respool_buddy *b, unsigned int l, unsigned long place)
{
	while (give_units(b, l, 0, place))
		l++;
}

static __always_inline void give_to(struct respool_buddy *b, unsigned int l, unsigned int order,
				    unsigned long place)
{
	if (unlikely(give_units(b, l, order, place)))
		give_unit(b, l + 1, place);
}

static void give(struct respool_buddy *b, unsigned long place, unsigned int order)
{
	give_to(b, order / NODE_ORDER, order % NODE_ORDER, place);
}

/*
 * A block of 2^@merged units lost one of 2^@order: the other halves of all the
 * halves it was in are blocks now. A whole node is counted in the level above.
 */
static inline void count_split(unsigned long *nr_free, unsigned int merged, unsigned int order)
{
	if (merged < NODE_ORDER)
		nr_free[merged]--;
	while (merged-- > order)
		nr_free[merged]++;
}

/*
 * Word @w has lost 2^@order units of a block of 2^@merged, or, if those are the same,
 * some of such blocks. What was the largest block, and split, leaves its other half.
 */
static inline void settle(struct respool_buddy *b, struct respool_level *level, unsigned long w,
			  unsigned int merged, unsigned int order)
{
	unsigned long n = w / NODE_WORDS;

	if (1U << merged < level->word_largest[w])
		return;
	if (merged >= WORD_ORDER && order < WORD_ORDER)
		level->word_largest[w] = WORD_UNITS / 2;
	else
		level->word_largest[w] = 1U << largest_in_word(level->word[w]) >> 1;
	if (merged == NODE_ORDER && order < NODE_ORDER)
		set_largest(b, level, n, NODE_ORDER);
	else if (merged + 1 >= level->node_largest[n])
		set_largest(b, level, n, largest_in_node(level, n));
}

/* Take 2^@order units at @bit of word @w of level @l from the free block of 2^@merged there. */
static inline void take_units(struct respool_buddy *b, unsigned int l, unsigned long w,
			      unsigned int bit, unsigned int order, unsigned int merged)
{
	struct respool_level *level = &b->level[l];
	unsigned int i;

	count_split(b->nr_free + NODE_ORDER * l, merged, order);
	if (likely(order < WORD_ORDER)) {
		level->word[w] &= ~(units(order) << bit);
	} else {
		for (i = 0; i < 1U << (order - WORD_ORDER); i++) {
			level->word[w + i] = 0;
			level->word_largest[w + i] = 0;
		}
	}
	settle(b, level, w, merged, order);
}

static bool unit_is_free(const struct respool_buddy *b, unsigned int l, unsigned long place)
{
	const struct respool_level *level = &b->level[l];

	return level->word[word_at(level, place, l)] >> bit_at(place, l) & 1;
}

/* The same by its place, all of it being free in this level. */
static inline void take_place(struct respool_buddy *b, unsigned int l, unsigned int order,
			      unsigned long place)
{
	const struct respool_level *level = &b->level[l];
	unsigned long w = word_at(level, place, l);
	unsigned int bit = bit_at(place, l);

	take_units(b, l, w, bit, order, merged_order(level, w, bit, order));
}

/*
 * The node of level @l around @place is whole, and so a unit, or in one, of a
 * level above: make it units of its own level, and whatever is between.
 */
static void open_node(struct respool_buddy *b, unsigned int l, unsigned long place)
{
	unsigned int from = l + 1;
	unsigned long w;

	while (!unit_is_free(b, from, place))
		from++;
	take_place(b, from, 0, place);
	while (from-- > l) {
		w = word_at(&b->level[from], place, from);
		set_node(&b->level[from], w / NODE_WORDS, true);
		if (from > l)
			take_units(b, from, w, bit_at(place, from), 0, NODE_ORDER);
	}
}

/* Take the block of @order at @place, all of which is free. */
static void take(struct respool_buddy *b, unsigned long place, unsigned int order)
{
	unsigned int l = order / NODE_ORDER;

	order %= NODE_ORDER;
	if (unit_is_free(b, l, place)) {
		take_place(b, l, order, place);
	} else {
		open_node(b, l, place);
		take_units(b, l, word_at(&b->level[l], place, l), bit_at(place, l), order,
			   NODE_ORDER);
	}
}

/*
 * The node of a level to take 2^@order units from: the lowest of those whose
 * largest free block is the smallest that serves; RESPOOL_NO_PAGE if none does.
 */
static unsigned long best_node(const struct respool_level *level, unsigned int order)
{
	u32 fit = level->classes >> order;

	return fit ? summary_first(&level->class[order + __ffs64(fit)]) : RESPOOL_NO_PAGE;
}

/* A free block of 2^@order units of level @l, from bit @bit of word @w on. */
struct spot {
	unsigned int l;
	unsigned int order;
	unsigned long w;
	unsigned int bit;
};

/*
 * Find where the smallest block is that can serve a request for 2^@order units of
 * level @l, below it whole nodes: those of the levels above. If that is in a word,
 * @spot keeps the order that was asked for. Returns whether there is one.
 */
static bool find_word(const struct respool_buddy *b, unsigned int l, unsigned int order,
		      struct spot *spot)
{
	const struct respool_level *level = &b->level[l];
	unsigned long n = RESPOOL_NO_PAGE;
	unsigned int word;

	for (; l < b->levels; l++, level++, order = 0) {
		n = best_node(level, order);
		if (n != RESPOOL_NO_PAGE)
			break;
	}
	if (n == RESPOOL_NO_PAGE)
		return false;
	spot->l = l;
	spot->order = order;
	spot->w = n * NODE_WORDS;
	spot->bit = 0;
	word = best_word(&level->word_largest[spot->w], order);
	if (word == NODE_WORDS)
		word = best_words(&level->word_largest[spot->w], &spot->order);
	spot->w += word;
	return true;
}

/* Find the block in the word. */
static inline void find_in_word(const struct respool_buddy *b, struct spot *spot)
{
	if (spot->order < WORD_ORDER)
		spot->bit = smallest_in_word(b->level[spot->l].word[spot->w], &spot->order);
}

static bool find_spot(const struct respool_buddy *b, unsigned int l, unsigned int order,
		      struct spot *spot)
{
	if (!find_word(b, l, order, spot))
		return false;
	find_in_word(b, spot);
	return true;
}

static unsigned long place_of_spot(const struct respool_buddy *b, const struct spot *spot)
{
	return place_at(&b->level[spot->l], spot->w, spot->bit, spot->l);
}

/* Place of the block that a request for @order is cut from, or RESPOOL_NO_PAGE. */
static unsigned long find_place(const struct respool_buddy *b, unsigned int order)
{
	struct spot spot;

	if (!find_spot(b, order / NODE_ORDER, order % NODE_ORDER, &spot))
		return RESPOOL_NO_PAGE;
	return place_of_spot(b, &spot);
}

/* Take 2^@order units of level @l off the block at a spot that was found for them. */
static unsigned long take_spot(struct respool_buddy *b, unsigned int l, unsigned int order,
			       const struct spot *spot)
{
	unsigned long place = place_of_spot(b, spot);

	if (likely(spot->l == l)) {
		take_units(b, l, spot->w, spot->bit, order, spot->order);
	} else {
		open_node(b, l, place);
		take_units(b, l, word_at(&b->level[l], place, l), 0, order, NODE_ORDER);
	}
	return place;
}

/* Find and take a block of @order. Returns its place, or RESPOOL_NO_PAGE. */
static unsigned long take_best(struct respool_buddy *b, unsigned int order)
{
	unsigned int l = order / NODE_ORDER;
	struct spot spot;

	order %= NODE_ORDER;
	if (!find_spot(b, l, order, &spot))
		return RESPOOL_NO_PAGE;
	return take_spot(b, l, order, &spot);
}

/* Allocation and free */

static void count_pages_allocated(struct respool_buddy *b, unsigned long nr_pages)
{
	b->allocated_pages += nr_pages;
	b->free_pages -= nr_pages;
	b->peak_pages = max(b->peak_pages, b->allocated_pages);
}

static void count_pages_freed(struct respool_buddy *b, unsigned long nr_pages)
{
	b->allocated_pages -= nr_pages;
	b->free_pages += nr_pages;
}

static void count_allocated(struct respool_buddy *b, unsigned int order, unsigned long blocks)
{
	b->nr_allocated[order] += blocks;
	count_pages_allocated(b, blocks << order);
}

static void count_freed(struct respool_buddy *b, unsigned int order, unsigned long blocks)
{
	b->nr_allocated[order] -= blocks;
	count_pages_freed(b, blocks << order);
}

/*
 * Allocate 2^@order pages in the name of @tag. Returns the index of the first,
 * or RESPOOL_NO_PAGE only if no naturally aligned free block is that large.
 */
unsigned long respool_buddy_alloc(struct respool_buddy *b, unsigned int order, unsigned int tag)
{
	unsigned long place;

	if (order > b->max_order)
		return RESPOOL_NO_PAGE;
	place = take_best(b, order);
	if (place == RESPOOL_NO_PAGE)
		return RESPOOL_NO_PAGE;
	respool_state_mark(&b->state[page_at(b, place)], order, tag);
	count_allocated(b, order, 1);
	return page_at(b, place);
}

/* Order of the largest aligned block that starts at @place and has at most @nr_pages. */
static unsigned int largest_order_at(const struct respool_buddy *b, unsigned long place,
				     unsigned long nr_pages)
{
	unsigned int order = min_t(unsigned int, ilog2(nr_pages), b->max_order);

	return place ? min_t(unsigned int, order, __ffs64(place)) : order;
}

/* Free the pages from @place to before @end. */
static void give_range(struct respool_buddy *b, unsigned long place, unsigned long end)
{
	unsigned int order;

	for (; place < end; place += 1UL << order) {
		order = largest_order_at(b, place, end - place);
		give(b, place, order);
	}
}

/* Take those pages, all free. */
static void take_range(struct respool_buddy *b, unsigned long place, unsigned long end)
{
	unsigned int order;

	for (; place < end; place += 1UL << order) {
		order = largest_order_at(b, place, end - place);
		take(b, place, order);
	}
}

/* Put the parts of a row of @nr_pages pages from @place on the books, from the page @done on. */
static inline void mark_parts(struct respool_buddy *b, unsigned long place, unsigned long done,
			      unsigned long nr_pages)
{
	unsigned int part;

	count_pages_allocated(b, nr_pages - done);
	for (; done < nr_pages; done += 1UL << part) {
		part = largest_order_at(b, place + done, nr_pages - done);
		b->state[page_at(b, place) + done] = RESPOOL_STATE_PART | part;
		b->nr_allocated[part]++;
	}
}

/* Write down that @tag holds @nr_pages pages from @place, a row of parts unless a block. */
static inline void mark_head(struct respool_buddy *b, unsigned long place, unsigned long nr_pages,
			     unsigned int tag)
{
	unsigned int order = largest_order_at(b, place, nr_pages);
	u8 *state = &b->state[page_at(b, place)];

	if (nr_pages == 1UL << order) {
		respool_state_mark(state, order, tag);
		return;
	}
	state[0] = RESPOOL_STATE_EXACT | order;
	state[order || nr_pages == 2 ? 1 : 2] = RESPOOL_STATE_OWNER | tag;
}

static void mark_range(struct respool_buddy *b, unsigned long place, unsigned long nr_pages,
		       unsigned int tag)
{
	mark_parts(b, place, 0, nr_pages);
	mark_head(b, place, nr_pages, tag);
}

/* Allocate exactly @nr_pages pages: the first of a block of the order above. */
unsigned long respool_buddy_alloc_exact(struct respool_buddy *b, unsigned long nr_pages,
					unsigned int tag)
{
	unsigned long place;
	unsigned int order;

	if (!nr_pages || nr_pages > b->nr_pages)
		return RESPOOL_NO_PAGE;
	order = fls64(nr_pages - 1);
	if (is_power_of_2(nr_pages))
		return respool_buddy_alloc(b, order, tag);
	if (order > b->max_order)
		return RESPOOL_NO_PAGE;
	place = find_place(b, order);
	if (place == RESPOOL_NO_PAGE)
		return RESPOOL_NO_PAGE;
	take_range(b, place, place + nr_pages);
	mark_range(b, place, nr_pages, tag);
	return page_at(b, place);
}

/* Batches, for magazines */

/*
 * Note the blocks of @order that the block of order @whole at @place is cut into,
 * the lowest last: it is used first, and what is never used is one piece.
 */
static inline unsigned int cache_blocks(struct respool_buddy *b, unsigned long place,
					unsigned int whole, unsigned int order, u32 *pages)
{
	unsigned long first = page_at(b, place), page = first + (1UL << whole);
	unsigned int got = 0;

	do {
		page -= 1UL << order;
		b->state[page] = RESPOOL_STATE_CACHED | order;
		pages[got++] = page;
	} while (page != first);
	return got;
}

/* Count the blocks that make up a word's free blocks of 2^@order. */
static void count_blocks(unsigned long *nr_free, u64 blocks, unsigned int order)
{
	u64 pairs;

	for (; blocks; blocks = pairs, order++) {
		pairs = pairs_of(blocks, order);
		nr_free[order] += hweight64(alone_of(blocks, pairs, order));
	}
}

/* The bits of blocks of 2^@order in each block of 2^@merged. */
static u64 parts_of(u64 blocks, unsigned int merged, unsigned int order)
{
	while (order < merged)
		blocks |= blocks << (1U << --merged);
	return blocks;
}

/*
 * Choose @nr of a word's free blocks of 2^@order, or all, those in the smallest
 * blocks, which are no longer counted. Returns their first bits, and in @largest
 * the order of the largest block that they were part of.
 */
static u64 take_smallest(unsigned long *nr_free, const u64 blocks, unsigned int order,
			 unsigned int nr, unsigned int *largest)
{
	u64 taken = blocks, whole = blocks, pairs, alone, rest;
	unsigned int merged, n;

	for (merged = order;; merged++, nr -= n, whole = pairs) {
		pairs = pairs_of(whole, merged);
		alone = alone_of(whole, pairs, merged);
		n = hweight64(alone);
		nr_free[merged] -= n;
		n <<= merged - order;
		if (n > nr) {
			rest = parts_of(alone, merged, order);
			while (nr--)
				rest &= rest - 1;
			count_blocks(nr_free, rest, order);
			taken &= ~(rest | parts_of(pairs, merged + 1, order));
			break;
		}
		if (!pairs)
			break;
	}
	*largest = merged;
	return taken;
}

/*
 * Take up to @nr blocks of 2^@order units, less than a word, from word @w of level @l,
 * the lowest last.
 */
static unsigned int batch_from_word(struct respool_buddy *b, unsigned int l, unsigned long w,
				    unsigned int order, unsigned int nr, u32 *pages)
{
	unsigned long *nr_free = b->nr_free + NODE_ORDER * l, first, page;
	struct respool_level *level = &b->level[l];
	u64 blocks = blocks_of(level->word[w], order), bits;
	unsigned int got = min_t(unsigned int, hweight64(blocks), nr), largest;

	bits = take_smallest(nr_free, blocks, order, nr, &largest);
	first = page_at(b, place_at(level, w, 0, l));
	for (blocks = bits, pages += got; blocks; blocks &= blocks - 1) {
		page = first + ((unsigned long)__ffs64(blocks) << NODE_ORDER * l);
		b->state[page] = RESPOOL_STATE_CACHED | (NODE_ORDER * l + order);
		*--pages = page;
	}
	level->word[w] &= ~parts_of(bits, order, 0);
	settle(b, level, w, largest, largest);
	return got;
}

/*
 * Take up to @nr blocks of @order: of those smaller than a word, in the word
 * where a single allocation would look; else from the block that it would cut.
 */
static unsigned int batch_some(struct respool_buddy *b, unsigned int order, unsigned int nr,
			       u32 *pages)
{
	unsigned int l = order / NODE_ORDER, small = order % NODE_ORDER, whole;
	unsigned long place;
	struct spot spot;

	if (!find_word(b, l, small, &spot))
		return 0;
	if (spot.l == l && spot.order < WORD_ORDER)
		return batch_from_word(b, l, spot.w, small, nr, pages);
	find_in_word(b, &spot);
	whole = spot.l == l ? spot.order : NODE_ORDER;
	whole = min_t(unsigned int, whole, small + ilog2(nr));
	place = take_spot(b, l + whole / NODE_ORDER, whole % NODE_ORDER, &spot);
	return cache_blocks(b, place, NODE_ORDER * l + whole, order, pages);
}

/*
 * Take up to @nr blocks of @order for a magazine, or none if that could go
 * below the watermark: of small ones those in one word, where a single
 * allocation would look for one. Returns how many, their first pages in
 * @pages; they count as allocated and are marked as cached.
 */
unsigned int respool_buddy_alloc_batch(struct respool_buddy *b, unsigned int order,
				       unsigned int nr, u32 *pages)
{
	unsigned int got = 0, more, tries = 1;

	if (order > b->max_order || b->free_pages < b->watermark + ((unsigned long)nr << order))
		return 0;
	do {
		more = batch_some(b, order, nr - got, pages + got);
		got += more;
	} while (more && got < nr / 8 && tries--);
	count_allocated(b, order, got);
	return got;
}

/* Inline, for the compiler to make the best of what it knows. */
static __always_inline unsigned int free_blocks(struct respool_buddy *b, unsigned int l,
						unsigned int order, unsigned int nr,
						const u32 *pages)
{
	const unsigned int most = nr + MOVE_BLOCKS * b->moves;
	unsigned long page;
	unsigned int i;

	for (i = 0; i < nr && (int)(most - MOVE_BLOCKS * b->moves - i) > 0; i++) {
		page = pages[i];
		b->state[page] = RESPOOL_STATE_NONE;
		if (l || order)
			b->state[page + 1] = RESPOOL_STATE_NONE;
		give_to(b, l, order, place_of(b, page));
	}
	return i;
}

/*
 * Give back up to @nr blocks that a magazine had. The more nodes change their
 * class by it the fewer. Returns how many, at least one.
 */
unsigned int respool_buddy_free_batch(struct respool_buddy *b, unsigned int order,
				      unsigned int nr, const u32 *pages)
{
	unsigned int l = order / NODE_ORDER, given;

	if (!order)
		given = free_blocks(b, 0, 0, nr, pages);
	else if (!l)
		given = free_blocks(b, 0, order, nr, pages);
	else
		given = free_blocks(b, l, order % NODE_ORDER, nr, pages);
	count_freed(b, order, given);
	return given;
}

/* Free */

/* Why the byte at @page does not begin a block. */
static int not_a_head(const struct respool_buddy *b, unsigned long page)
{
	struct respool_block block;

	respool_buddy_find(b, page, &block);
	return block.kind == RESPOOL_PAGE_ALLOCATED ? -EINVAL : -EALREADY;
}

static bool part_follows(const struct respool_buddy *b, unsigned long page)
{
	return page < b->nr_pages && respool_state_is_part(b->state[page]);
}

/* Two pages of an exact block, a part each: the second has no room but for the owner. */
static bool is_odd_pair(const struct respool_buddy *b, unsigned long head)
{
	return b->state[head] == RESPOOL_STATE_EXACT && head + 1 < b->nr_pages &&
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
	unsigned long at = page;
	bool exact, odd_pair;
	unsigned int part;
	u8 state;

	if (page >= b->nr_pages)
		return -EFAULT;
	state = READ_ONCE(b->state[page]);
	if (!respool_state_is_head(state))
		return not_a_head(b, page);
	part = respool_state_order(state);
	exact = respool_state_is_exact(state);
	if (order != RESPOOL_ANY_ORDER && (exact || order != part))
		return -ERANGE;

	freed->kind = RESPOOL_PAGE_FREE;
	freed->page = page;
	freed->order = part;
	freed->tag = owner_of(b, page);
	freed->nr_pages = 0;
	odd_pair = exact && is_odd_pair(b, page);
	/* A magazine may be taking the block back at this moment: one of us is first. */
	if (cmpxchg(&b->state[page], state, RESPOOL_STATE_NONE) != state)
		return -EALREADY;
	if (odd_pair)
		b->state[page + 1] = RESPOOL_STATE_PART;
	for (;;) {
		b->state[at] = RESPOOL_STATE_NONE;
		if (part)
			b->state[at + 1] = RESPOOL_STATE_NONE;
		count_freed(b, part, 1);
		give(b, place_of(b, at), part);
		freed->nr_pages += 1UL << part;
		at += 1UL << part;
		if (!exact || !part_follows(b, at))
			return 0;
		part = respool_state_order(b->state[at]);
	}
}

/* Looking */

static bool find_free(const struct respool_buddy *b, unsigned long page,
		      struct respool_block *block)
{
	unsigned long place = place_of(b, page);
	const struct respool_level *level;
	unsigned int l = 0;

	while (l < b->levels && !unit_is_free(b, l, place))
		l++;
	if (l == b->levels)
		return false;
	level = &b->level[l];
	block->kind = RESPOOL_PAGE_FREE;
	block->order = NODE_ORDER * l + merged_order(level, word_at(level, place, l),
						     bit_at(place, l), 0);
	block->page = page_at(b, round_down(place, 1UL << block->order));
	block->nr_pages = 1UL << block->order;
	return true;
}

/* Pages of the block whose first part is at @head. */
static unsigned long pages_of(const struct respool_buddy *b, unsigned long head)
{
	unsigned long page = head + (1UL << respool_state_order(b->state[head]));

	if (is_odd_pair(b, head))
		return 2;
	if (respool_state_is_exact(b->state[head]))
		while (part_follows(b, page))
			page += 1UL << respool_state_order(b->state[page]);
	return page - head;
}

/* First page of the block or part that @page is in, or RESPOOL_NO_PAGE if it is in none. */
static unsigned long find_part(const struct respool_buddy *b, unsigned long page)
{
	unsigned long place = place_of(b, page), start;
	unsigned int order;
	u8 state;

	if (page && is_odd_pair(b, page - 1))
		return page - 1;
	for (order = 0; order <= b->max_order; order++) {
		start = round_down(place, 1UL << order);
		if (start < b->offset)
			break;
		state = b->state[page_at(b, start)];
		if (respool_state_is_block(state) && respool_state_order(state) >= order)
			return page_at(b, start);
	}
	return RESPOOL_NO_PAGE;
}

/* First page of the part that ends where the one at @page begins. */
static unsigned long part_before(const struct respool_buddy *b, unsigned long page)
{
	unsigned long before;
	unsigned int order;
	u8 state;

	for (order = 0; order <= b->max_order && 1UL << order <= page; order++) {
		before = page - (1UL << order);
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
	memset(block, 0, sizeof(*block));
	block->kind = RESPOOL_PAGE_OUTSIDE;
	if (page >= b->nr_pages || find_free(b, page, block))
		return;
	page = find_part(b, page);
	while (page != RESPOOL_NO_PAGE && respool_state_is_part(b->state[page]))
		page = part_before(b, page);
	if (page == RESPOOL_NO_PAGE)
		return;
	block->kind = kind_of(b->state[page]);
	block->page = page;
	block->order = respool_state_order(b->state[page]);
	block->nr_pages = pages_of(b, page);
	if (block->kind == RESPOOL_PAGE_ALLOCATED)
		block->tag = owner_of(b, page);
}

static void set_bits(u64 *map, unsigned int first, unsigned int nr)
{
	unsigned int n;

	for (; nr; first += n, nr -= n) {
		n = min(nr, 64 - first % 64);
		map[first / 64] |= ~0ULL >> (64 - n) << first % 64;
	}
}

/* Whether the region that begins at @place is wholly free. */
static bool region_is_free(const struct respool_buddy *b, unsigned long place)
{
	unsigned int l;

	for (l = 1; l < b->levels; l++)
		if (unit_is_free(b, l, place))
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
	unsigned long start = place_at(&b->level[0], r * NODE_WORDS, 0, 0);
	unsigned long first = max(start, b->offset);
	unsigned long end = min(start + RESPOOL_REGION_PAGES, b->offset + b->nr_pages);

	memset(pool, 0, RESPOOL_REGION_PAGES / 8);
	set_bits(pool, first - start, end - first);
	if (region_is_free(b, start))
		memset(free, 0xff, RESPOOL_REGION_PAGES / 8);
	else
		memcpy(free, &b->level[0].word[r * NODE_WORDS], RESPOOL_REGION_PAGES / 8);
}

/* Order of the largest free block, -1 when there is none. */
int respool_buddy_largest_free_order(const struct respool_buddy *b)
{
	unsigned int l;

	for (l = b->levels; l--;)
		if (b->level[l].classes)
			return NODE_ORDER * l + fls64(b->level[l].classes) - 1;
	return -1;
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
 * and the best place that it has found.
 */
struct search {
	unsigned int order;
	unsigned long lo;
	unsigned long hi;
	bool top_down;

	unsigned long found;		/* RESPOOL_NO_PAGE as long as nothing is */
};

/* Bits @first to @last of the node's word @w, and none of another word's. */
static u64 bits_between(unsigned int w, unsigned int first, unsigned int last)
{
	u64 bits = ~0ULL;

	if (w == first / 64)
		bits &= ~0ULL << first % 64;
	if (w == last / 64)
		bits &= ~0ULL >> (63 - last % 64);
	return bits;
}

/* First or last of the free blocks of 2^@order that begin at units @first to @last, or -1. */
static int search_node(const struct respool_level *level, unsigned long n, unsigned int order,
		       unsigned int first, unsigned int last, bool top_down)
{
	unsigned int words = last / 64 - first / 64 + 1, i, w;
	const u8 *word_largest = &level->word_largest[n * NODE_WORDS];
	const u64 *node = &level->word[n * NODE_WORDS];
	u64 bits;

	if (order >= WORD_ORDER) {
		bits = blocks_of(full_words(word_largest), order - WORD_ORDER);
		bits &= bits_between(0, first / 64, last / 64);
		return bits ? 64 * (top_down ? (int)fls64(bits) - 1 : (int)__ffs64(bits)) : -1;
	}
	for (i = 0; i < words; i++) {
		w = top_down ? last / 64 - i : first / 64 + i;
		if (!(word_largest[w] >> order))
			continue;
		bits = blocks_of(node[w], order) & bits_between(w, first, last);
		if (bits)
			return w * 64 + (top_down ? (int)fls64(bits) - 1 : (int)__ffs64(bits));
	}
	return -1;
}

/* Look in node @n of level @l for 2^@order units, which at least reach into the range. */
static void consider_node(const struct respool_buddy *b, struct search *s, unsigned int l,
			  unsigned int order, unsigned long n)
{
	const struct respool_level *level = &b->level[l];
	unsigned long start = (n * NODE_WORDS + level->first) * 64;
	unsigned long first = max(s->lo >> NODE_ORDER * l, start);
	unsigned long last = min((s->hi - 1) >> NODE_ORDER * l, start + NODE_UNITS - 1), at;
	int unit = search_node(level, n, order, first - start, last - start, s->top_down);

	if (unit < 0)
		return;
	at = start + unit;
	if (s->top_down)
		at = min(s->hi, (at + (1UL << order)) << NODE_ORDER * l) - (1UL << s->order);
	else
		at = max(s->lo, at << NODE_ORDER * l);
	if (s->found == RESPOOL_NO_PAGE || (s->top_down ? at > s->found : at < s->found))
		s->found = at;
}

/* The nodes at both ends bit by bit, those between by their class. */
static void search_level(const struct respool_buddy *b, struct search *s, unsigned int l,
			 unsigned int order)
{
	const struct respool_level *level = &b->level[l];
	unsigned long first = word_at(level, s->lo, l) / NODE_WORDS;
	unsigned long last = word_at(level, s->hi - 1, l) / NODE_WORDS, n;
	unsigned int class;

	consider_node(b, s, l, order, first);
	if (last == first)
		return;
	consider_node(b, s, l, order, last);
	for (class = order; class < NODE_ORDER; class++) {
		if (s->top_down)
			n = summary_prev(&level->class[class], last - 1);
		else
			n = summary_next(&level->class[class], first + 1);
		if (n > first && n < last)
			consider_node(b, s, l, order, n);
	}
}

/* Bounded by the number of orders, whatever the range. */
static bool search(const struct respool_buddy *b, struct search *s)
{
	unsigned int l = s->order / NODE_ORDER, order = s->order % NODE_ORDER;

	s->found = RESPOOL_NO_PAGE;
	s->lo = round_up(s->lo, 1UL << s->order);
	s->hi = round_down(s->hi, 1UL << s->order);
	if (s->order > b->max_order || s->lo >= s->hi)
		return false;
	for (; l < b->levels; l++, order = 0)
		search_level(b, s, l, order);
	return s->found != RESPOOL_NO_PAGE;
}

/* End of the free pages from @place on, as far as one word tells; @place if it is not free. */
static unsigned long free_until(const struct respool_buddy *b, unsigned long place)
{
	const struct respool_level *level;
	unsigned int l, bit;
	u64 taken;

	for (l = 0; l < b->levels; l++) {
		level = &b->level[l];
		bit = bit_at(place, l);
		taken = ~level->word[word_at(level, place, l)] >> bit;
		if (!taken)
			return place_at(level, word_at(level, place, l) + 1, 0, l);
		if (!(taken & 1))
			return place_at(level, word_at(level, place, l), bit + __ffs64(taken), l);
	}
	return place;
}

/*
 * Whether all pages from @place to before @end are free. @resume is where it is
 * known to: @end or beyond, or the end of what is in the way.
 */
static bool range_is_free(const struct respool_buddy *b, unsigned long place, unsigned long end,
			  unsigned long *resume)
{
	struct respool_block block;

	for (; place < end; place = *resume) {
		*resume = free_until(b, place);
		if (*resume > place)
			continue;
		respool_buddy_find(b, page_at(b, place), &block);
		/* Damaged state bytes put a page in no block; get past it all the same. */
		*resume = max(place + 1, place_of(b, block.page) + block.nr_pages);
		return false;
	}
	return true;
}

/* The same from the end; if not all are free, where what is in the way begins. */
static bool range_is_free_down(const struct respool_buddy *b, unsigned long place,
			       unsigned long end, unsigned long *resume)
{
	struct respool_block block;

	while (place < end) {
		respool_buddy_find(b, page_at(b, end - 1), &block);
		end = block.nr_pages ? place_of(b, block.page) : end - 1;
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
		if (range_is_free(b, place, place + nr_pages, &resume))
			return place;
		place = round_up(resume, 1UL << align_order);
	}
	return RESPOOL_NO_PAGE;
}

/* Last such place. */
static unsigned long scan_down(const struct respool_buddy *b, unsigned long nr_pages,
			       unsigned int align_order, unsigned long lo, unsigned long hi)
{
	unsigned long place;

	while (lo + nr_pages <= hi) {
		place = round_down(hi - nr_pages, 1UL << align_order);
		if (place < lo)
			break;
		if (range_is_free_down(b, place, place + nr_pages, &hi))
			return place;
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
	*lo = place_of(b, fit->first);
	*hi = place_of(b, min(fit->last, b->nr_pages - 1)) + 1;
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
	unsigned long nr_pages = fit->nr_pages, place, lo, hi;
	struct search s = { .top_down = fit->top_down };

	if (!nr_pages || nr_pages > b->nr_pages || fit->align_order > b->max_order ||
	    !fit_range(b, fit, &lo, &hi) || hi - lo < nr_pages)
		return RESPOOL_NO_PAGE;
	s.order = max_t(unsigned int, fls64(nr_pages - 1), fit->align_order);
	s.lo = lo;
	s.hi = hi;
	if (hi - lo > nr_pages && search(b, &s)) {
		place = s.found;
	} else {
		if (hi - lo > nr_pages && !fit->scan)
			return RESPOOL_NO_PAGE;
		place = scan(b, fit, lo, hi);
		if (place == RESPOOL_NO_PAGE)
			return RESPOOL_NO_PAGE;
	}
	take_range(b, place, place + nr_pages);
	mark_range(b, place, nr_pages, tag);
	return page_at(b, place);
}

/* Take the parts from @page, the first of 2^@part, to @end off the books; the pages stay taken. */
static void unmark_parts(struct respool_buddy *b, unsigned long page, unsigned long end,
			 unsigned int part)
{
	count_pages_freed(b, end - page);
	for (;;) {
		b->state[page] = RESPOOL_STATE_NONE;
		if (part)
			b->state[page + 1] = RESPOOL_STATE_NONE;
		b->nr_allocated[part]--;
		page += 1UL << part;
		if (page == end)
			break;
		part = respool_state_order(b->state[page]);
	}
}

/*
 * Pages in front that are in the same parts wherever of two ends the row from
 * @place on has: those before both ends' highest bit that differs. None if the
 * first part is one page, for then the owner stands in the second.
 */
static unsigned long common_pages(unsigned long place, unsigned long end, unsigned long other)
{
	unsigned long differ = 1UL << fls64(end ^ other);

	return place & 1 ? 0 : max(place, round_down(end, differ)) - place;
}

/*
 * Make the allocated block that starts at @page longer or shorter at its end.
 * It may end anywhere, so those of its parts that it then has not are cut anew,
 * at most two of an order.
 *
 * Returns 0 with what it was in @was, what respool_buddy_free() would say of
 * @page, -EINVAL for no pages, or -ENOSPC if those behind the block are not all
 * free.
 */
int respool_buddy_resize(struct respool_buddy *b, unsigned long page, unsigned long nr_pages,
			 struct respool_block *was)
{
	unsigned long place = place_of(b, page), end = place + nr_pages, old, same, resume;
	u8 state;

	if (page >= b->nr_pages)
		return -EFAULT;
	state = READ_ONCE(b->state[page]);
	if (!respool_state_is_head(state))
		return not_a_head(b, page);
	if (!nr_pages)
		return -EINVAL;
	old = pages_of(b, page);
	if (nr_pages > b->nr_pages - page || !range_is_free(b, place + old, end, &resume))
		return -ENOSPC;
	*was = (struct respool_block){
		.kind = RESPOOL_PAGE_ALLOCATED,
		.page = page,
		.nr_pages = old,
		.order = respool_state_order(state),
		.tag = owner_of(b, page),
	};
	/* As in respool_buddy_free(). */
	if (cmpxchg(&b->state[page], state, RESPOOL_STATE_NONE) != state)
		return -EALREADY;
	same = common_pages(place, place + old, end);
	if (same < old)
		unmark_parts(b, page + same, page + old,
			     same ? respool_state_order(b->state[page + same]) : was->order);
	if (nr_pages > old)
		take_range(b, place + old, end);
	else
		give_range(b, end, place + old);
	mark_parts(b, place, same, nr_pages);
	mark_head(b, place, nr_pages, was->tag);
	return 0;
}

/* Longest row of free pages in the range, at the alignment. */
static unsigned long longest_row(const struct respool_buddy *b, const struct respool_fit *fit,
				 unsigned long lo, unsigned long hi)
{
	unsigned long place = round_up(lo, 1UL << fit->align_order), longest = 0, resume = 0, end;
	struct respool_block block;

	while (place < hi) {
		range_is_free(b, place, hi, &resume);
		respool_buddy_find(b, page_at(b, resume - 1), &block);
		end = block.kind == RESPOOL_PAGE_FREE ? resume : place_of(b, block.page);
		end = min(end, hi);
		if (end > place)
			longest = max(longest, end - place);
		place = round_up(resume, 1UL << fit->align_order);
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
	unsigned long place = place_of(b, page), resume;

	if (!nr_pages || page >= b->nr_pages || nr_pages > b->nr_pages - page)
		return -EFAULT;
	if (!range_is_free(b, place, place + nr_pages, &resume))
		return -EBUSY;
	take_range(b, place, place + nr_pages);
	memset(&b->state[page], state, nr_pages);
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
	unsigned long i;

	if (!nr_pages || page >= b->nr_pages || nr_pages > b->nr_pages - page)
		return -EFAULT;
	for (i = 0; i < nr_pages; i++)
		if (b->state[page + i] != RESPOOL_STATE_RESERVED)
			return -EINVAL;
	memset(&b->state[page], RESPOOL_STATE_NONE, nr_pages);
	give_range(b, place_of(b, page), place_of(b, page + nr_pages));
	b->reserved_pages -= nr_pages;
	b->free_pages += nr_pages;
	return 0;
}

/* Validation: every invariant of struct respool_buddy, in time linear in the pool */

static const char *check_summary(const struct respool_summary *s)
{
	unsigned long nr_bits = s->nr_bits, i;
	unsigned int l;

	for (l = 0; l < s->levels; l++) {
		if (nr_bits % 64 && s->level[l][nr_bits / 64] >> nr_bits % 64)
			return "a summary has a bit for nothing";
		nr_bits = words_of(nr_bits);
		for (i = 0; l + 1 < s->levels && i < nr_bits; i++)
			if (!s->level[l][i] != !(s->level[l + 1][i >> 6] & BIT_ULL(i & 63)))
				return "a summary differs from what it summarises";
	}
	return NULL;
}

/* Free blocks of 2^@order units of the node's own. */
static unsigned int blocks_in_node(const struct respool_level *level, unsigned long n,
				   unsigned int order)
{
	const u64 *node = &level->word[n * NODE_WORDS];
	unsigned int blocks = 0, w;
	u64 all;

	if (order >= WORD_ORDER) {
		order -= WORD_ORDER;
		all = blocks_of(full_words(&level->word_largest[n * NODE_WORDS]), order);
		return hweight64(alone_of(all, pairs_of(all, order), order));
	}
	for (w = 0; w < NODE_WORDS; w++) {
		all = blocks_of(node[w], order);
		blocks += hweight64(alone_of(all, pairs_of(all, order), order));
	}
	return blocks;
}

/* Free blocks of @order in all nodes, which must be as many as were met. */
static unsigned long count_free_blocks(const struct respool_buddy *b, unsigned int order)
{
	const struct respool_level *level = &b->level[order / NODE_ORDER];
	unsigned long blocks = 0, n;

	for (n = 0; n < level->nr_nodes; n++)
		blocks += blocks_in_node(level, n, order % NODE_ORDER);
	return blocks;
}

static const char *check_node(const struct respool_level *level, unsigned long n)
{
	unsigned int largest = level->node_largest[n], order;
	unsigned long w;

	for (w = n * NODE_WORDS; w < (n + 1) * NODE_WORDS; w++)
		if (level->word_largest[w] != 1U << largest_in_word(level->word[w]) >> 1)
			return "the largest block of a word is another";
	if (largest != largest_in_node(level, n))
		return "the largest block of a node is another";
	if (largest > NODE_ORDER)
		return "a whole node is not a unit of the level above";
	for (order = 0; order < NODE_ORDER; order++)
		if (summary_test(&level->class[order], n) != (order + 1 == largest))
			return "a node is not in the class of its largest block";
	return NULL;
}

static const char *check_level(const struct respool_level *level)
{
	const char *why = NULL;
	unsigned int order;
	unsigned long n;

	for (n = 0; !why && n < level->nr_nodes; n++)
		why = check_node(level, n);
	for (order = 0; !why && order < NODE_ORDER; order++) {
		why = check_summary(&level->class[order]);
		if (!why && summary_empty(&level->class[order]) != !(level->classes & 1U << order))
			why = "the mask of classes is wrong";
	}
	return why;
}

static const char *check_levels(const struct respool_buddy *b)
{
	const char *why = NULL;
	unsigned int l;

	for (l = 0; !why && l < b->levels; l++)
		why = check_level(&b->level[l]);
	return why;
}

/* A free block: in the pool, of one level alone, nobody's inside. */
static const char *check_free(const struct respool_buddy *b, const struct respool_block *block)
{
	unsigned int l = block->order / NODE_ORDER;
	unsigned long i;

	if (block->nr_pages > b->nr_pages - block->page)
		return "a block reaches beyond the pool";
	while (++l < b->levels)
		if (unit_is_free(b, l, place_of(b, block->page)))
			return "a page is free at two levels";
	for (i = 0; i < block->nr_pages; i++)
		if (b->state[block->page + i] != RESPOOL_STATE_NONE)
			return "a page is free and allocated";
	return NULL;
}

/* How many bytes behind the first may say something, at most, and which: the owner. */
static bool owner_may_be_at(const struct respool_buddy *b, unsigned long page, unsigned long i)
{
	u8 state = b->state[page];

	if (i != 1)
		return false;
	return !respool_state_is_part(state) ||
	       (page && b->state[page - 1] == RESPOOL_STATE_EXACT);
}

static const char *check_allocated(const struct respool_buddy *b, unsigned long page,
				   unsigned int order)
{
	u8 state = b->state[page];
	unsigned long i;

	if (order > b->max_order || place_of(b, page) & ((1UL << order) - 1))
		return "a block is not aligned to its size";
	if (1UL << order > b->nr_pages - page)
		return "a block reaches beyond the pool";
	if (order && respool_state_is_head(state) && b->state[page + 1] < RESPOOL_STATE_OWNER)
		return "a block names no owner";
	for (i = 1; i < 1UL << order; i++)
		if (b->state[page + i] != RESPOOL_STATE_NONE &&
		    !(owner_may_be_at(b, page, i) && b->state[page + i] >= RESPOOL_STATE_OWNER))
			return "a block begins inside another";
	return NULL;
}

struct census {
	unsigned long free[RESPOOL_BUDDY_ORDERS];
	unsigned long allocated[RESPOOL_BUDDY_ORDERS];
	unsigned long reserved;
	unsigned long bad;
	bool in_row;		/* the last block was a part, another may follow */
};

static const char *check_taken(const struct respool_buddy *b, unsigned long page,
			       struct census *census)
{
	u8 state = b->state[page];
	unsigned int order = respool_state_order(state);

	census->reserved += state == RESPOOL_STATE_RESERVED;
	census->bad += state == RESPOOL_STATE_BAD;
	if (respool_state_is_out(state)) {
		census->in_row = false;
		return NULL;
	}
	if (respool_state_is_part(state) && !census->in_row)
		return "a part stands without the part before it";
	if (respool_state_is_exact(state) && !part_follows(b, page + (1UL << order)))
		return "an exact block has one part alone";
	census->in_row = respool_state_is_part(state) || respool_state_is_exact(state);
	census->allocated[order]++;
	return check_allocated(b, page, order);
}

/* Check what begins at @page and count it; @nr_pages receives its size. */
static const char *check_block(const struct respool_buddy *b, unsigned long page,
			       unsigned long *nr_pages, struct census *census)
{
	struct respool_block block;

	*nr_pages = 1;
	if (find_free(b, page, &block)) {
		if (block.page != page)
			return "a free block begins inside another";
		*nr_pages = block.nr_pages;
		census->in_row = false;
		census->free[block.order]++;
		return check_free(b, &block);
	}
	if (!respool_state_is_block(b->state[page]))
		return "a page is in no block";
	if (is_odd_pair(b, page)) {
		*nr_pages = 2;
		census->in_row = false;
		census->allocated[0] += 2;
		return NULL;
	}
	*nr_pages = 1UL << respool_state_order(b->state[page]);
	return check_taken(b, page, census);
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
		if (order <= b->max_order && count_free_blocks(b, order) != b->nr_free[order])
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
	unsigned long at, nr_pages;
	struct census census = {};
	const char *why;

	for (at = 0; at < b->nr_pages; at += nr_pages) {
		why = check_block(b, at, &nr_pages, &census);
		if (why) {
			*page = at;
			return why;
		}
	}
	*page = RESPOOL_NO_PAGE;
	if (at != b->nr_pages)
		return "the last block reaches beyond the pool";
	why = check_levels(b);
	return why ? why : check_totals(b, &census);
}

/* Set-up */

static unsigned long nodes_of(unsigned long offset, unsigned long nr_pages, unsigned int l)
{
	return node_at(offset + nr_pages - 1, l) - node_at(offset, l) + 1;
}

static size_t level_bytes(unsigned long nr_nodes)
{
	return nr_nodes * (NODE_UNITS / 8 + NODE_WORDS + 1) +
	       NODE_ORDER * summary_bytes(nr_nodes);
}

/* Bytes of metadata for a pool of @nr_pages whose first page frame is @base_pfn. */
size_t respool_buddy_footprint(unsigned long nr_pages, unsigned long base_pfn)
{
	unsigned int max_order = max_order_of(nr_pages, base_pfn), l;
	unsigned long offset = offset_of(base_pfn, max_order);
	size_t bytes = nodes_of(offset, nr_pages, 0) * RESPOOL_REGION_PAGES;

	for (l = 0; l < levels_of(max_order); l++)
		bytes += level_bytes(nodes_of(offset, nr_pages, l));
	return bytes;
}

/* Words come from the front and bytes from the back of what is left of the metadata. */
static void level_init(struct respool_level *level, unsigned long first, unsigned long nr_nodes,
		       u64 **words, u8 **bytes)
{
	unsigned int order;

	level->first = first * NODE_WORDS;
	level->nr_nodes = nr_nodes;
	level->word = *words;
	*words += nr_nodes * NODE_WORDS;
	for (order = 0; order < NODE_ORDER; order++)
		*words = summary_init(&level->class[order], *words, nr_nodes);
	level->node_largest = *bytes - nr_nodes;
	level->word_largest = level->node_largest - nr_nodes * NODE_WORDS;
	*bytes = level->word_largest;
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
	unsigned int l;
	u64 *words;
	u8 *bytes;

	if (!nr_pages || nr_pages > 1ULL << (RESPOOL_BUDDY_ORDERS - 1))
		return -EINVAL;

	memset(mem, 0, respool_buddy_footprint(nr_pages, base_pfn));
	memset(b, 0, sizeof(*b));
	b->nr_pages = nr_pages;
	b->max_order = max_order_of(nr_pages, base_pfn);
	b->levels = levels_of(b->max_order);
	b->offset = offset_of(base_pfn, b->max_order);
	b->lead = b->offset & (RESPOOL_REGION_PAGES - 1);
	b->nr_regions = nodes_of(b->offset, nr_pages, 0);

	/* First, so that the 64 pages of a word share a cache line and no other. */
	b->state = (u8 *)mem + b->lead;
	words = mem + b->nr_regions * RESPOOL_REGION_PAGES;
	bytes = mem + respool_buddy_footprint(nr_pages, base_pfn);
	for (l = 0; l < b->levels; l++)
		level_init(&b->level[l], node_at(b->offset, l), nodes_of(b->offset, nr_pages, l),
			   &words, &bytes);

	give_range(b, b->offset, b->offset + nr_pages);
	b->free_pages = nr_pages;
	return 0;
}
