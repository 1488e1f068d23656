// SPDX-License-Identifier: GPL-2.0
/*
 * What validate must notice: the data of each core, spoiled in one place at a
 * time. All bits of the page layer's metadata; in the byte layer and the caches,
 * whose checks random damage does not pass, forgeries that do: tags sealed with
 * the secret, links that decode, sums that add up. And every counter and map.
 * First, arguments at the edge that random ones never meet are refused.
 *
 * Nothing else stands between a mistake of ours in the cores and the oracles
 * and kernel tests that call validate and believe it.
 */
#include <stdalign.h>
#include <stdlib.h>

#include "buddy/buddy.h"
#include "harness.h"
#include "slab/freelist.h"
#include "slab/objects.h"

static unsigned long spoiled, excused;

static void expect_noticed(const char *what, bool noticed, unsigned long where)
{
	spoiled++;
	if (!noticed)
		differ("validate does not notice %s, number %lu", what, where);
}

/* The page layer */

static struct respool_buddy pool;

static bool pool_is_broken(void)
{
	unsigned long page;

	return respool_buddy_validate(&pool, &page);
}

/* Blocks of all kinds, and free ones of several orders and levels between them. */
static void use_pool(void)
{
	unsigned long page[8];
	u32 cached[8];
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(page); i++)
		page[i] = respool_buddy_alloc(&pool, i % 4, i);
	respool_buddy_alloc_exact(&pool, 3, 5);
	respool_buddy_alloc_exact(&pool, 7, 6);
	respool_buddy_alloc_batch(&pool, 1, ARRAY_SIZE(cached), cached);
	for (i = 0; i < ARRAY_SIZE(page); i += 2)
		if (page[i] != RESPOOL_NO_PAGE)
			respool_buddy_free(&pool, page[i], i % 4, &(struct respool_block){});
	/* An odd pair: two pages that are no block of order 1. */
	for (i = 0; i + 2 < pool.nr_pages; i++) {
		struct respool_fit fit = { .nr_pages = 2, .first = i, .last = i + 1 };

		if ((pool.offset + i) % 2 &&
		    respool_buddy_alloc_fit(&pool, &fit, 9) != RESPOOL_NO_PAGE)
			break;
	}
	for (i = 0; i < pool.nr_pages; i++)
		if (!respool_buddy_take_out(&pool, i, 1, i % 2 ? RESPOOL_STATE_BAD :
					    RESPOOL_STATE_RESERVED) && i > 20)
			break;
}

/* Whatever the metadata say, who looks comes to an end and stays in the pool. */
static void look_around_pool(void)
{
	struct respool_fit fit = {
		.nr_pages = pool.nr_pages / 2, .last = RESPOOL_NO_PAGE, .scan = true,
	};
	struct respool_block block;
	unsigned long page;

	for (page = 0; page < pool.nr_pages; page++)
		respool_buddy_find(&pool, page, &block);
	if (respool_buddy_largest_fit(&pool, &fit) > pool.nr_pages)
		differ("more fits than there is");
	fit.nr_pages = pool.nr_pages;
	respool_buddy_alloc_fit(&pool, &fit, 0);
	fit.top_down = true;
	respool_buddy_alloc_fit(&pool, &fit, 0);
}

/* A block may have any owner, and places before and behind the pool's pages mean nothing. */
static bool is_any_bit(const u8 *byte, unsigned int bit)
{
	const u8 *end = (u8 *)pool.level[0].word;

	if (byte < pool.state || (byte >= pool.state + pool.nr_pages && byte < end))
		return true;
	return byte < end && *byte & RESPOOL_STATE_PAGE && BIT(bit) & RESPOOL_STATE_TAG_MASK;
}

static void spoil_pool_bytes(u8 *mem, size_t size)
{
	u8 *copy = must_alloc(size);
	struct respool_buddy was = pool;
	unsigned long i;

	memcpy(copy, mem, size);
	for (i = 0; i < 8 * size; i++) {
		if (is_any_bit(mem + i / 8, i % 8)) {
			excused++;
			continue;
		}
		mem[i / 8] ^= BIT(i % 8);
		expect_noticed("a bit of the metadata", pool_is_broken(), i);
		if (i % 32 == 5)
			look_around_pool();
		memcpy(mem, copy, size);
		pool = was;
	}
	free(copy);
}

static void spoil_pool_count(unsigned long *count)
{
	++*count;
	expect_noticed("a counter of pages or blocks", pool_is_broken(),
		       count - (unsigned long *)&pool);
	--*count;
}

/* Two counters that are wrong by the same. */
static void spoil_pool_counts(unsigned long *more, unsigned long *less)
{
	++*more;
	--*less;
	expect_noticed("two counters of pages", pool_is_broken(), more - (unsigned long *)&pool);
	--*more;
	++*less;
}

/* A whole region is written down by its pages, and all but that agrees. */
static void forge_whole_region(void)
{
	struct respool_level *pages = &pool.level[0], *regions = &pool.level[1];
	unsigned long n = 0, unit;

	if (pool.levels == 1)
		return;
	do {
		unit = n++ + pages->first / RESPOOL_NODE_WORDS - regions->first * 64;
	} while (!(regions->word[unit / 64] >> unit % 64 & 1));
	n--;
	regions->word[unit / 64] &= ~BIT(unit % 64);
	memset(pages->word + n * RESPOOL_NODE_WORDS, 0xff, RESPOOL_REGION_PAGES / 8);
	memset(pages->word_largest + n * RESPOOL_NODE_WORDS, 64, RESPOOL_NODE_WORDS);
	pages->node_largest[n] = 10;
	expect_noticed("a whole region that is no unit", pool_is_broken(), n);
	regions->word[unit / 64] |= BIT(unit % 64);
	memset(pages->word + n * RESPOOL_NODE_WORDS, 0, RESPOOL_REGION_PAGES / 8);
	memset(pages->word_largest + n * RESPOOL_NODE_WORDS, 0, RESPOOL_NODE_WORDS);
	pages->node_largest[n] = 0;
}

static void spoil_pool(unsigned long nr_pages, unsigned long base_pfn)
{
	size_t size = respool_buddy_footprint(nr_pages, base_pfn);
	void *mem = must_alloc(size);
	unsigned int k, l;

	expect_equal("init", respool_buddy_init(&pool, mem, nr_pages, base_pfn), 0);
	use_pool();
	expect_equal("broken to begin with", pool_is_broken(), false);
	spoil_pool_bytes(mem, size);
	forge_whole_region();
	for (k = 0; k < RESPOOL_BUDDY_ORDERS; k++) {
		spoil_pool_count(&pool.nr_free[k]);
		spoil_pool_count(&pool.nr_allocated[k]);
	}
	spoil_pool_count(&pool.free_pages);
	spoil_pool_count(&pool.allocated_pages);
	spoil_pool_count(&pool.reserved_pages);
	spoil_pool_count(&pool.bad_pages);
	spoil_pool_counts(&pool.free_pages, &pool.allocated_pages);
	spoil_pool_counts(&pool.bad_pages, &pool.reserved_pages);
	for (l = 0; l < pool.levels; l++)
		for (k = 0; k < RESPOOL_REGION_ORDER; k++) {
			pool.level[l].classes ^= BIT(k);
			expect_noticed("a bit of the mask of classes", pool_is_broken(), k);
			pool.level[l].classes ^= BIT(k);
		}
	expect_equal("broken at the end", pool_is_broken(), false);
	free(mem);
}

static void refuse_pools(void)
{
	expect_equal("a pool of no page", respool_buddy_init(&pool, NULL, 0, 0), -EINVAL);
	expect_equal("a pool of too many pages",
		     respool_buddy_init(&pool, NULL, (1UL << 32) + 1, 0), -EINVAL);
}

/* The byte layer */

#define NR_RUNS		3
#define RUN_BYTES	640
#define MAX_BLOCKS	64

static alignas(4096) u8 arena[NR_RUNS * RUN_BYTES];
static u8 arena_copy[sizeof(arena)];
static struct respool_freelist heap, heap_copy;
static struct respool_block_row block[MAX_BLOCKS];
static u32 nr_blocks;

static void heap_restore(void)
{
	heap = heap_copy;
	memcpy(arena, arena_copy, sizeof(arena));
}

static bool heap_is_broken(void)
{
	const void *where;

	return respool_freelist_validate(&heap, &where);
}

static void expect_heap_broken(const char *what, unsigned long where)
{
	expect_noticed(what, heap_is_broken(), where);
	heap_restore();
}

static struct respool_header *header(u32 i)
{
	return (struct respool_header *)(uintptr_t)block[i].addr;
}

static void list_blocks(void)
{
	struct respool_cursor cursor;
	size_t nr;

	nr_blocks = 0;
	respool_freelist_open(&heap, &cursor);
	while ((nr = respool_freelist_look(&heap, &cursor, block + nr_blocks,
					   MAX_BLOCKS - nr_blocks)))
		nr_blocks += nr;
	respool_freelist_close(&heap, &cursor);
}

/* Three runs, the last one empty, with classes of one and of several blocks. */
static void use_heap(enum respool_search search)
{
	static const size_t sizes[] = { 24, 40, 100, 40, 24, 60, 40, 24 };
	void *ptr[NR_RUNS][ARRAY_SIZE(sizes)];
	struct respool_run *empty;
	u32 run, i;

	respool_freelist_init(&heap, 0x0123456789abcdef, search);
	for (run = 0; run < NR_RUNS; run++) {
		respool_freelist_add_run(&heap, arena + run * RUN_BYTES, RUN_BYTES, 0, 0, NULL);
		for (i = 0; i < ARRAY_SIZE(sizes) && run < NR_RUNS - 1; i++)
			if (respool_freelist_alloc(&heap, sizes[i], 1, &ptr[run][i]))
				differ("no room to begin with");
	}
	for (run = 0; run < NR_RUNS - 1; run++)
		for (i = 1; i < ARRAY_SIZE(sizes); i += 2)
			respool_freelist_free(&heap, ptr[run][i], &empty);
	heap_copy = heap;
	memcpy(arena_copy, arena, sizeof(arena));
	list_blocks();
	expect_equal("broken to begin with", heap_is_broken(), false);
}

/* Arguments that are too much or no multiple, runs that are no more, readers that are none. */
static void refuse_in_heap(void)
{
	struct respool_run *run = heap.first_run;
	struct respool_cursor cursor[3];
	size_t bytes;
	void *ptr;

	expect_equal("bytes of a run that cannot be",
		     respool_freelist_run_bytes(RESPOOL_REQUEST_MAX - 64, 4096), 0);
	expect_equal("alloc", respool_freelist_alloc(&heap, RESPOOL_REQUEST_MAX - 64, 4096, &ptr),
		     -EOVERFLOW);
	expect_equal("extend by half a unit",
		     respool_freelist_extend_run(&heap, run, 40, 0, 0, NULL), -EINVAL);
	expect_equal("extend by too much",
		     respool_freelist_extend_run(&heap, run, RESPOOL_BLOCK_MAX, 0, 0, NULL),
		     -EINVAL);
	expect_equal("trim by half a unit", respool_freelist_trim_run(&heap, run, 8), -EINVAL);
	respool_freelist_open(&heap, &cursor[0]);
	respool_freelist_open(&heap, &cursor[1]);
	respool_freelist_close(&heap, &cursor[2]);
	respool_freelist_close(&heap, &cursor[0]);
	respool_freelist_close(&heap, &cursor[1]);
	expect_equal("readers", !heap.cursors, true);
	expect_equal("run to extend for nothing",
		     respool_freelist_run_to_extend(&heap, &header(0)->next, 0, &run, &bytes),
		     -EINVAL);
	memset(heap.class[RESPOOL_NR_CLASSES - 1].first = header(0), 0, 8);
	heap.rows = BIT(RESPOOL_CLASS_ROWS - 1);
	heap.columns[RESPOOL_CLASS_ROWS - 1] = BIT(RESPOOL_CLASS_COLUMNS - 1);
	expect_equal("largest of damaged ones", respool_freelist_largest_free(&heap), 0);
	heap_restore();
}

/* Who is asked about a damaged run says that it has nothing. */
static void ask_damaged_runs(void)
{
	struct respool_block_row row[RESPOOL_AROUND_BEFORE + 1];
	struct respool_run *run = (void *)(arena + (NR_RUNS - 1) * RUN_BYTES);
	struct respool_header *first = (void *)(run + 1);
	u64 *end = (u64 *)((u8 *)run + run->bytes) - 1;
	struct respool_cursor cursor;

	expect_equal("empty", respool_freelist_run_is_empty(&heap, run), true);
	++*end;
	expect_equal("tail", respool_freelist_run_tail(&heap, run), 0);
	heap_restore();
	first->tag++;
	expect_equal("empty", respool_freelist_run_is_empty(&heap, run), false);
	heap_restore();
	first->tag = respool_tag(heap.secret, first, RESPOOL_TAG_FLAGS);
	expect_equal("rows", respool_freelist_around(&heap, first, row, ARRAY_SIZE(row)), 2);
	heap_restore();
	first->tag = respool_tag(heap.secret, first, (u32)first->tag + 4096);
	expect_equal("rows", respool_freelist_around(&heap, first, row, ARRAY_SIZE(row)), 2);
	heap_restore();
	end[-1]++;
	expect_equal("tail", respool_freelist_run_tail(&heap, run), 0);
	heap_restore();
	run->check++;
	expect_equal("empty", respool_freelist_run_is_empty(&heap, run), false);
	heap_restore();
	heap.first_run->check++;
	expect_equal("holds", respool_freelist_holds(&heap, heap.first_run), false);
	expect_equal("rows",
		     respool_freelist_around(&heap, heap.first_run, row, ARRAY_SIZE(row)), 0);
	respool_freelist_open(&heap, &cursor);
	expect_equal("rows", respool_freelist_look(&heap, &cursor, row, 1), 0);
	heap_restore();
	expect_equal("rows", respool_freelist_around(&heap, row, row, ARRAY_SIZE(row)), 0);
}

/* Each tag says something else of its block, and its check says that is right. */
static void forge_tags(void)
{
	static const u32 change[] = {
		RESPOOL_TAG_USED, RESPOOL_TAG_PREV_USED, RESPOOL_TAG_FIRST, 16, 32, 64, 4096,
	};
	struct respool_header *b;
	u64 *footer;
	u32 i, c;

	for (i = 0; i < nr_blocks; i++) {
		b = header(i);
		footer = (u64 *)((u8 *)b + block[i].bytes) - 1;
		for (c = 0; c < ARRAY_SIZE(change); c++) {
			b->tag = respool_tag(heap.secret, b, (u32)b->tag ^ change[c]);
			expect_heap_broken("a forged header", i);
		}
		b->tag = respool_tag(heap.secret, b, (u32)b->tag & RESPOOL_TAG_FLAGS);
		if (block[i].bytes)
			expect_heap_broken("a forged header without a size", i);
		heap_restore();
		if (block[i].kind != RESPOOL_BLOCK_FREE)
			continue;
		b->tag = respool_tag(heap.secret, b, (u32)b->tag | RESPOOL_TAG_CACHED);
		expect_heap_broken("a free block that is marked as cached", i);
		*footer = respool_tag(heap.secret, footer, (u32)*footer + 16);
		expect_heap_broken("a forged footer", i);
	}
}

/* What @place leads to is what @to says instead; it is known to lead to @from. */
static void forge_link(u64 *place, const void *from, const void *to, u32 i)
{
	if (from == to)
		return;
	*place ^= (u64)(uintptr_t)from ^ (u64)(uintptr_t)to;
	expect_heap_broken("a forged link", i);
}

static void forge_links(void)
{
	u32 i, to;

	for (i = 0; i < nr_blocks; i++) {
		if (block[i].kind != RESPOOL_BLOCK_FREE)
			continue;
		forge_link(&header(i)->next, block[i].next, NULL, i);
		forge_link(&header(i)->prev, block[i].prev, NULL, i);
		for (to = 0; to < nr_blocks; to++) {
			forge_link(&header(i)->next, block[i].next, header(to), i);
			forge_link(&header(i)->prev, block[i].prev, header(to), i);
		}
	}
}

/* A list goes on with that of another class, and all counters agree. */
static void join_classes(void)
{
	struct respool_class *class[2];
	struct respool_header *last;
	u32 i, nr = 0, index[2];

	for (i = 0; i < RESPOOL_NR_CLASSES && nr < 2; i++)
		if (heap.class[i].first) {
			class[nr] = &heap.class[i];
			index[nr++] = i;
		}
	for (i = 0, last = NULL; i < nr_blocks; i++)
		if (block[i].kind == RESPOOL_BLOCK_FREE && !block[i].next &&
		    block[i].bytes / 16 == index[0])
			last = header(i);
	last->next ^= (u64)(uintptr_t)class[1]->first;
	class[1]->first->prev ^= (u64)(uintptr_t)last;
	class[0]->blocks += class[1]->blocks;
	class[0]->bytes += class[1]->bytes;
	memset(class[1], 0, sizeof(*class[1]));
	heap.columns[0] &= ~BIT(index[1]);
	expect_heap_broken("a block on the list of another class", index[1]);
}

static void spoil_heap_counters(void)
{
	u64 *const counters[] = {
		&heap.held_bytes, &heap.runs, &heap.live_blocks, &heap.live_bytes,
		&heap.free_blocks, &heap.free_bytes, &heap.retired_bytes,
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(counters); i++) {
		++*counters[i];
		expect_heap_broken("a counter of the heap", i);
	}
	for (i = 0; i < RESPOOL_NR_CLASSES; i++) {
		heap.class[i].blocks++;
		expect_heap_broken("a counter of blocks of a class", i);
		heap.class[i].bytes++;
		expect_heap_broken("a counter of bytes of a class", i);
		heap.columns[i / 32] ^= 1U << i % 32;
		expect_heap_broken("a bit of the class map", i);
		heap.class[i].first = heap.class[i].first ? NULL : header(0);
		expect_heap_broken("the head of a list", i);
	}
	for (i = 0; i < 32; i++) {
		heap.rows ^= 1U << i;
		expect_heap_broken("a bit of the row map", i);
	}
}

static void spoil_heap_runs(void)
{
	heap.first_run = heap.first_run->next;
	expect_heap_broken("a run that is not reached", 0);
	heap.last_run = heap.last_run->prev;
	expect_heap_broken("a last run that is not", 0);
	heap.rover = (struct respool_place){ .run = heap.first_run };
	expect_heap_broken("a rover at no block", 0);
	if (heap.search == RESPOOL_SEARCH_GOOD) {
		heap.search = RESPOOL_SEARCH_FIRST;
		expect_heap_broken("runs out of order", 0);
	}
}

static void spoil_heap(enum respool_search search)
{
	use_heap(search);
	refuse_in_heap();
	ask_damaged_runs();
	forge_tags();
	forge_links();
	join_classes();
	spoil_heap_counters();
	spoil_heap_runs();
	expect_equal("broken at the end", heap_is_broken(), false);
}

/* The caches */

#define OBJECT_RUNS	4	/* and a slot without one */
#define OBJECT_RUN	4096

static alignas(OBJECT_RUN) u8 slots[(OBJECT_RUNS + 1) * OBJECT_RUN];
static u8 slots_copy[sizeof(slots)];
static struct respool_objects cache, cache_copy;

static void expect_cache_broken(const char *what, unsigned long where)
{
	const void *at;

	expect_noticed(what, respool_objects_validate(&cache, &at), where);
	cache = cache_copy;
	memcpy(slots, slots_copy, sizeof(slots));
}

static struct respool_object_run *object_run(unsigned int nr)
{
	return (void *)(slots + nr * OBJECT_RUN);
}

/* Take all objects of @nr runs, in the order of their addresses in each run. */
static void take_runs(void **object, u32 nr)
{
	struct respool_object_word word = {};
	u32 left = nr * cache.per_run;

	while (left && respool_objects_take_word(&cache, &word, left))
		for (; word.out; word.out &= word.out - 1, left--)
			*object++ = (u8 *)word.first + __ffs64(word.out) * cache.stride;
	expect_equal("objects left", left, 0);
}

static void hand_back(void *object)
{
	struct respool_object_run *run = respool_object_run_of(&cache, object);

	respool_object_hand_back(run, respool_object_index(&cache, run, object));
	respool_objects_notice(&cache, object);
}

/* A run with nothing free, two on one list, an empty one. */
static void use_cache(void)
{
	const struct respool_object_memory memory = {
		.start = slots, .bytes = sizeof(slots), .min_shift = 12, .max_shift = 12,
		.waste_share = 16,
	};
	static u8 map[OBJECT_RUNS + 1];
	static void *object[OBJECT_RUNS * RESPOOL_OBJECTS_PER_RUN];
	const void *at;
	u32 i;

	expect_equal("init", respool_objects_init(&cache, 100, 8, &memory, 0xfeedface12345679), 0);
	if (respool_objects_footprint(&cache) > sizeof(map))
		differ("a footprint too large");
	respool_objects_set_footprint(&cache, map, 1);
	for (i = 0; i < OBJECT_RUNS; i++) {
		respool_objects_prepare(&cache, object_run(i));
		respool_objects_add(&cache, object_run(i));
	}
	take_runs(object, OBJECT_RUNS - 1);
	for (i = cache.per_run; i < 3 * cache.per_run; i += 3)
		hand_back(object[i]);
	cache_copy = cache;
	memcpy(slots_copy, slots, sizeof(slots));
	expect_equal("broken to begin with", !respool_objects_validate(&cache, &at), true);
}

/* Arguments at the edge, and objects of what is no run. */
static void refuse_in_cache(void)
{
	const struct respool_object_memory memory = {
		.start = slots, .bytes = sizeof(slots), .min_shift = 12, .max_shift = 12,
		.waste_share = 16,
	};
	void *object = (u8 *)object_run(OBJECT_RUNS) + cache.first;
	struct respool_object_word word;
	struct respool_objects other;

	expect_equal("too large an alignment",
		     respool_objects_init(&other, 8, 2 * RESPOOL_OBJECT_ALIGN_MAX, &memory, 1),
		     -EINVAL);
	respool_objects_blame(&cache, object);
	respool_objects_blame(&cache, &other);
	respool_objects_blame(&cache, object_run(0));
	expect_equal("damage noted", !cache.damage, true);
	expect_equal("why not", respool_objects_why_not(&cache, object), -EFAULT);
	object_run(0)->check++;
	expect_equal("why not", respool_objects_why_not(&cache, object_run(0)), -EUCLEAN);
	respool_objects_blame(&cache, object_run(0));
	expect_equal("where", (uintptr_t)cache.damage, (uintptr_t)object_run(0));
	cache = cache_copy;
	memcpy(slots, slots_copy, sizeof(slots));
	/* A full run on the list that is asked first. */
	cache.bin[0] = object_run(OBJECT_RUNS - 1);
	while (cache.bin[0]->nr_free)
		cache.bin[0] = (void *)((u8 *)cache.bin[0] - OBJECT_RUN);
	cache.bins |= 1;
	expect_equal("a word of a full run", respool_objects_take_word(&cache, &word, 1), 0);
	expect_equal("where", (uintptr_t)cache.damage, (uintptr_t)cache.bin[0]);
	cache = cache_copy;
}

static void spoil_cache_run(unsigned int nr)
{
	struct respool_object_run *run = object_run(nr);
	unsigned int i;

	/* The header's words, then the free bits and their forged sum. */
	for (i = 0; i < sizeof(*run) * 8; i++) {
		if (i / 64 == 1 || i / 64 == 2) /* links: below */
			continue;
		((u8 *)run)[i / 8] ^= BIT(i % 8);
		expect_cache_broken("a bit of a run's header", i);
	}
	run->nr_free++;
	run->sum += cache.nr_free_key;
	expect_cache_broken("a forged number of free objects", nr);
	for (i = 0; i <= OBJECT_RUNS; i++) {
		run->next = run->next == object_run(i) ? NULL : object_run(i);
		if (run->nr_free)
			expect_cache_broken("a forged next run", i);
		run->prev = run->prev == object_run(i) ? NULL : object_run(i);
		if (run->nr_free)
			expect_cache_broken("a forged previous run", i);
	}
	cache = cache_copy;
	memcpy(slots, slots_copy, sizeof(slots));
}

static void spoil_cache(void)
{
	struct respool_object_run *spare;
	unsigned int i;

	use_cache();
	refuse_in_cache();
	for (i = 0; i < OBJECT_RUNS; i++)
		spoil_cache_run(i);
	cache.runs++;
	expect_cache_broken("the number of runs", 0);
	cache.nr_free++;
	expect_cache_broken("the number of free objects", 0);
	cache.empty_runs++;
	expect_cache_broken("the number of empty runs", 0);
	for (i = 0; i < RESPOOL_OBJECT_BINS; i++) {
		cache.bins ^= BIT(i);
		expect_cache_broken("a bit of the map of lists", i);
		cache.bin[i] = cache.bin[i] ? NULL : object_run(0);
		expect_cache_broken("the head of a list", i);
		/* One that belongs elsewhere, behind those that belong here. */
		spare = cache.bin[i];
		if (spare && spare != cache.bin[RESPOOL_OBJECT_EMPTY]) {
			while (spare->next)
				spare = spare->next;
			spare->next = cache.bin[RESPOOL_OBJECT_EMPTY];
			expect_cache_broken("a run on another's list", i);
		}
	}
}

int main(void)
{
	enum respool_search search;

	refuse_pools();
	spoil_pool(13, 3);
	spoil_pool(300, 0x12345);
	spoil_pool(1700, 0x3f0);
	for (search = 0; search < RESPOOL_NR_SEARCHES; search++)
		spoil_heap(search);
	spoil_cache();
	printf("# validate_sweep: %lu things spoiled, all noticed; %lu bits are free\n",
	       spoiled, excused);
	return 0;
}
