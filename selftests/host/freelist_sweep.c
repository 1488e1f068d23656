// SPDX-License-Identifier: GPL-2.0
/*
 * Every byte of the byte layer's own data, damaged one at a time: of run
 * headers and block headers, links, footers and end tags in a small heap.
 *
 * After each damage each call is made once, on a fresh copy of the heap. It
 * must answer as if nothing had been, or -EUCLEAN with nothing changed. Then
 * the heap is used on, salvaged, used again and emptied. Never may a live block
 * overlap another or lose its contents, nor a call work without end.
 *
 * Whoever damages memory does not stop for those who look at it: each word is also
 * damaged at each moment of a salvage, of a validate, and of a walk through the blocks.
 */
#include <stdalign.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "buddy_bound.h"
#include "slab/freelist.h"

#define RUN_BYTES	640
#define RUN_SPACE	1024		/* from one to the next */
#define LONGER_BYTES	256		/* by which a call makes a run longer or shorter */
#define NR_RUNS		4
#define SPARE_RUN	(NR_RUNS - 1)	/* memory that the heap gets only in a call */
#define MAX_LIVE	64
#define MAX_WORDS	256
#define MAX_CALLS	192
#define TAKEN		4		/* blocks that are taken at one go */
#define SECRET		0x0123456789abcdefULL

/* Basic blocks that one call may enter: a walk of such a heap has a tenth of that. */
#define MAX_WORK	20000

/* Of the calls that did not meet the damage, one in so many is followed by others. */
#define HARMLESS_SHARE	8

/* Not from malloc(): what a damaged link leads to depends on where the arena is. */
static alignas(RUN_SPACE) u8 arena[NR_RUNS * RUN_SPACE];

struct live {
	u8 *ptr;
	size_t size;
	u8 fill;
	bool cached;	/* and as good as live: nobody may write into it */
};

struct heap {
	struct respool_freelist f;
	struct live live[MAX_LIVE];
	u32 nr_live;
	size_t run_bytes[NR_RUNS];
	u8 memory[sizeof(arena)];
};

enum what {
	FREE, ALLOC, RESIZE, USABLE, STRETCH, TAKE, END, GIVE, PUT, VALIDATE, ADD_RUN, EXTEND_RUN,
	TRIM_RUN, REMOVE_RUN, SALVAGE, LOOK,
};

/* One call: of live block @nr or run @nr, or with @size and @align. */
struct call {
	enum what what;
	u32 nr;
	size_t size;
	size_t align;
	int answer;	/* of the heap that is not damaged */
};

static struct heap now;			/* but for its memory, which is the arena */
static struct heap sound, before;
static u64 *words[MAX_WORDS];
static u32 nr_words;
static struct call calls[MAX_CALLS];
static u32 nr_calls;
static struct {
	long at;	/* byte of the arena that is damaged */
	u32 mask;
	struct call call;
	enum respool_search search;
	unsigned long cases, detected, harmless, damages, moments;
} sweep;

static _Noreturn void __attribute__((format(printf, 1, 2))) fail(const char *fmt, ...)
{
	static const char *const names[] = {
		"free", "alloc", "resize", "usable_size", "run_to_extend", "take", "end", "give",
		"put", "validate", "add_run", "extend_run", "trim_run", "remove_run", "salvage",
		"look",
	};
	const struct call *call = &sweep.call;
	va_list args;

	va_start(args, fmt);
	vfprintf(stderr, fmt, args);
	va_end(args);
	fprintf(stderr, "\nbyte %ld of the arena xor %#x, search %d", sweep.at, sweep.mask,
		sweep.search);
	fprintf(stderr, ", %s of %u, %zu bytes aligned to %zu\n", names[call->what], call->nr,
		call->size, call->align);
	exit(1);
}

static void save(struct heap *to)
{
	*to = now;
	memcpy(to->memory, arena, sizeof(arena));
}

static void restore(const struct heap *from)
{
	now = *from;
	memcpy(arena, from->memory, sizeof(arena));
}

/* Live blocks */

static void *run_at(u32 nr)
{
	return arena + nr * RUN_SPACE;
}

/* Inside the part of a run that blocks are made of, and in nobody else's. */
static void expect_own_place(const u8 *ptr, size_t size)
{
	size_t in_run = (size_t)(ptr - arena) % RUN_SPACE;
	u32 run = (u32)((size_t)(ptr - arena) / RUN_SPACE);
	u32 i;

	if (ptr < arena || ptr + size > arena + sizeof(arena) ||
	    in_run < sizeof(struct respool_run) + RESPOOL_BLOCK_HEADER ||
	    in_run + size > now.run_bytes[run] - RESPOOL_BLOCK_HEADER)
		fail("a block of %zu bytes is not in a run", size);
	for (i = 0; i < now.nr_live; i++)
		if (ptr < now.live[i].ptr + now.live[i].size + RESPOOL_BLOCK_HEADER &&
		    now.live[i].ptr < ptr + size + RESPOOL_BLOCK_HEADER)
			fail("two live blocks overlap");
}

static void add_live(u8 *ptr, size_t size)
{
	struct live *live = &now.live[now.nr_live];

	if (now.nr_live == MAX_LIVE)
		fail("more blocks than fit");
	expect_own_place(ptr, size);
	*live = (struct live){ ptr, size, (u8)(now.nr_live * 37 + 11), false };
	memset(ptr, live->fill, size);
	now.nr_live++;
}

static void remove_live(u32 nr)
{
	now.live[nr] = now.live[--now.nr_live];
}

static void expect_contents(void)
{
	u32 i;
	size_t at;

	for (i = 0; i < now.nr_live; i++)
		for (at = 0; at < now.live[i].size; at++)
			if (now.live[i].ptr[at] != now.live[i].fill)
				fail("byte %zu of live block %u is lost", at, i);
}

/* Calls */

static int call_resize(struct live live, u32 nr, size_t size)
{
	int err = respool_freelist_resize(&now.f, live.ptr, size);
	size_t at;

	if (err)
		return err;
	for (at = 0; at < min(size, live.size); at++)
		if (live.ptr[at] != live.fill)
			fail("byte %zu of a resized block is lost", at);
	remove_live(nr);
	add_live(live.ptr, size);
	return 0;
}

static int call_alloc(size_t size, size_t align)
{
	void *ptr;
	int err = respool_freelist_alloc(&now.f, size, align, &ptr);

	if (!err && (uintptr_t)ptr % align)
		fail("a block is not aligned");
	if (!err)
		add_live(ptr, size);
	return err;
}

static int call_free(u32 nr)
{
	struct respool_run *empty;
	int err = respool_freelist_free(&now.f, now.live[nr].ptr, &empty);

	if (!err)
		remove_live(nr);
	return err;
}

static int call_usable(const struct live *live)
{
	size_t size;
	int err = respool_freelist_usable_size(&now.f, live->ptr, &size);

	if (!err && (size < live->size || size >= live->size + RESPOOL_BLOCK_MIN))
		fail("%zu bytes are usable, of %zu", size, live->size);
	return err;
}

static int call_stretch(const struct live *live, size_t size)
{
	struct respool_run *run;
	size_t bytes = 0;
	int err = respool_freelist_run_to_extend(&now.f, live->ptr, size, &run, &bytes);

	if (!err && run != run_at((u32)((live->ptr - arena) / RUN_SPACE)))
		fail("another run is to be extended");
	if (!err && bytes > size)
		fail("%zu bytes are missing for %zu", bytes, size);
	return err;
}

/* A batch that meets damage is a shorter one. */
static int call_take(size_t bytes)
{
	void *block[TAKEN];
	u32 got = respool_freelist_take(&now.f, bytes, TAKEN, block), i;

	for (i = 0; i < got; i++) {
		add_live(block[i], bytes - RESPOOL_BLOCK_HEADER);
		now.live[now.nr_live - 1].cached = true;
	}
	if (got)
		return 0;
	return now.f.damage ? -EUCLEAN : -ENOMEM;
}

static int call_end(struct live *live)
{
	u64 tag = respool_block_live_tag(&now.f, live->ptr);

	if (!tag)
		return -EUCLEAN;
	if (!respool_block_end(live->ptr, tag))
		fail("a live block's life does not end");
	live->cached = true;
	return 0;
}

static u32 block_bytes(const struct live *live)
{
	return max(round_up(live->size + RESPOOL_BLOCK_HEADER, RESPOOL_BLOCK_ALIGN),
		   RESPOOL_BLOCK_MIN);
}

/* Half of a header is looked at here. The other half comes to light in a free. */
static int call_give(struct live *live)
{
	bool intact = respool_block_is_cached(&now.f, live->ptr);
	struct respool_run *empty;

	if (!respool_block_give(live->ptr, block_bytes(live)))
		return -EUCLEAN;
	live->cached = false;
	if (intact)
		return 0;
	if (respool_block_live_tag(&now.f, live->ptr))
		fail("a damaged block that was given passes for a sound one");
	if (respool_freelist_free(&now.f, live->ptr, &empty) != -EUCLEAN || !now.f.damage)
		fail("a damaged block that was given is freed");
	return 0;
}

static int call_put(u32 nr)
{
	struct respool_run *empty;
	int err = respool_freelist_put(&now.f, now.live[nr].ptr, &empty);

	if (!err)
		remove_live(nr);
	return err;
}

static int call_extend(u32 nr)
{
	void *ptr;
	int err = respool_freelist_extend_run(&now.f, run_at(nr), LONGER_BYTES, 40,
					      RESPOOL_BLOCK_ALIGN, &ptr);

	if (err)
		return err;
	now.run_bytes[nr] += LONGER_BYTES;
	add_live(ptr, 40);
	return 0;
}

static int call_trim(u32 nr)
{
	int err = respool_freelist_trim_run(&now.f, run_at(nr), LONGER_BYTES);

	now.run_bytes[nr] -= err ? 0 : LONGER_BYTES;
	return err;
}

/* Through all blocks, and around the damage. */
static void call_look(void)
{
	struct respool_block_row row[RESPOOL_AROUND_BEFORE + 1];
	struct respool_cursor cursor;

	respool_freelist_open(&now.f, &cursor);
	while (respool_freelist_look(&now.f, &cursor, row, 1))
		;
	respool_freelist_close(&now.f, &cursor);
	respool_freelist_around(&now.f, arena + sweep.at, row, ARRAY_SIZE(row));
}

static int call_core(const struct call *call)
{
	const void *where;

	switch (call->what) {
	case FREE:
		return call_free(call->nr);
	case ALLOC:
		return call_alloc(call->size, call->align);
	case RESIZE:
		return call_resize(now.live[call->nr], call->nr, call->size);
	case USABLE:
		return call_usable(&now.live[call->nr]);
	case STRETCH:
		return call_stretch(&now.live[call->nr], call->size);
	case TAKE:
		return call_take(call->size);
	case END:
		return call_end(&now.live[call->nr]);
	case GIVE:
		return call_give(&now.live[call->nr]);
	case PUT:
		return call_put(call->nr);
	case EXTEND_RUN:
		return call_extend(call->nr);
	case TRIM_RUN:
		return call_trim(call->nr);
	case VALIDATE:
		return respool_freelist_validate(&now.f, &where) ? -EUCLEAN : 0;
	case ADD_RUN:
		return respool_freelist_add_run(&now.f, run_at(call->nr), RUN_BYTES, 0, 0, NULL);
	case REMOVE_RUN:
		return respool_freelist_remove_run(&now.f, run_at(call->nr));
	case LOOK:
		call_look();
		return 0;
	default:
		respool_freelist_salvage(&now.f);
		return now.f.damage ? -EUCLEAN : 0;
	}
}

static int make_call(const struct call *call)
{
	unsigned long work = work_done();
	int err;

	sweep.call = *call;
	err = call_core(call);
	work = work_done() - work;
	if (work > MAX_WORK)
		fail("%lu basic blocks of work", work);
	expect_contents();
	return err;
}

static int make_simple_call(enum what what, u32 nr)
{
	struct call call = { .what = what, .nr = nr };

	return make_call(&call);
}

/* Give a block back, whoever has it. */
static int release(u32 nr)
{
	return make_simple_call(now.live[nr].cached ? PUT : FREE, nr);
}

static void expect_valid(const char *when)
{
	const void *where;
	const char *broken = respool_freelist_validate(&now.f, &where);

	if (broken)
		fail("%s validate says \"%s\"", when, broken);
}

/* The heap */

/*
 * Three runs. The first two have free blocks of one class between live ones,
 * so lists have a first, a middle and a last; the third is empty. The first
 * block of a run is cached, and one with a free block behind it.
 */
static void build_heap(void)
{
	static const size_t sizes[] = { 24, 40, 100, 40, 24, 60, 40, 24 };
	u32 run, i;

	now.nr_live = 0;
	for (run = 0; run < NR_RUNS; run++)
		now.run_bytes[run] = RUN_BYTES;
	respool_freelist_init(&now.f, SECRET, sweep.search);
	for (run = 0; run < 2; run++) {
		if (respool_freelist_add_run(&now.f, run_at(run), RUN_BYTES, 0, 0, NULL))
			fail("a run is refused");
		for (i = 0; i < ARRAY_SIZE(sizes); i++)
			if (call_alloc(sizes[i], RESPOOL_BLOCK_ALIGN))
				fail("no room to begin with");
		/* The rest, so that the next run is needed. */
		if (!run && call_alloc(respool_freelist_largest_free(&now.f), RESPOOL_BLOCK_ALIGN))
			fail("no room for the rest");
	}
	for (i = now.nr_live; i-- > 0; )
		if (now.live[i].size == 40 && call_free(i))
			fail("a free is refused");
	for (i = 0; i < now.nr_live; i++)
		if ((!i || now.live[i].size == 60) && call_end(&now.live[i]))
			fail("a block cannot be cached");
	if (respool_freelist_add_run(&now.f, run_at(2), RUN_BYTES, 0, 0, NULL))
		fail("a run is refused");
	now.f.top = run_at(1);
	expect_contents();
	expect_valid("to begin with");
	save(&sound);
}

static void list_word(const void *word)
{
	if (nr_words == MAX_WORDS)
		fail("more words than fit");
	words[nr_words++] = (u64 *)(uintptr_t)word;
}

/* What the core keeps in memory of its own, as freelist.h draws it. */
static void list_words(void)
{
	const struct respool_run *run = NULL;
	struct respool_block_row row;
	struct respool_cursor cursor;
	u32 i;

	respool_freelist_open(&now.f, &cursor);
	while (cursor.run) {
		for (i = 0; cursor.run != run && i < sizeof(*run) / sizeof(u64); i++)
			list_word((const u64 *)cursor.run + i);
		run = cursor.run;
		if (!respool_freelist_look(&now.f, &cursor, &row, 1))
			break;
		list_word(row.addr);
		if (row.kind != RESPOOL_BLOCK_FREE)
			continue;
		list_word((const u64 *)row.addr + 1);
		list_word((const u64 *)row.addr + 2);
		list_word((const u8 *)row.addr + row.bytes - sizeof(u64));
	}
	respool_freelist_close(&now.f, &cursor);
}

/* After it has been seen what it says of the sound heap. */
static void list_request(enum what what, u32 nr, size_t size, size_t align)
{
	struct call call = { what, nr, size, align, 0 };

	if (nr_calls == MAX_CALLS)
		fail("more calls than fit");
	restore(&sound);
	call.answer = make_call(&call);
	calls[nr_calls++] = call;
}

static void list_call(enum what what, u32 nr)
{
	list_request(what, nr, 0, 0);
}

static void list_calls(void)
{
	static const size_t sizes[] = { 1, 24, 40, 41, 56, 100, 200, 500, 560, 1000 };
	static const size_t aligns[] = { 16, 64, 256 };
	u32 i, j;

	list_call(VALIDATE, 0);
	list_call(SALVAGE, 0);
	for (i = 0; i < NR_RUNS - 1; i++) {
		list_call(EXTEND_RUN, i);
		list_call(TRIM_RUN, i);
		list_call(REMOVE_RUN, i);
	}
	list_call(ADD_RUN, SPARE_RUN);
	for (i = 0; i < ARRAY_SIZE(sizes); i++)
		for (j = 0; j < ARRAY_SIZE(aligns); j++)
			list_request(ALLOC, 0, sizes[i], aligns[j]);
	list_request(TAKE, 0, 32, 0);
	list_request(TAKE, 0, 48, 0);
	list_request(TAKE, 0, 192, 0);
	for (i = 0; i < sound.nr_live; i++) {
		if (sound.live[i].cached) {
			list_call(GIVE, i);
			list_call(PUT, i);
		} else {
			list_call(END, i);
		}
		list_call(FREE, i);
		list_call(USABLE, i);
		list_request(STRETCH, i, 700, 0);
		list_request(RESIZE, i, 1, 0);
		list_request(RESIZE, i, sound.live[i].size + 16, 0);
		list_request(RESIZE, i, sound.live[i].size + 300, 0);
	}
	restore(&sound);
}

/* The sweep */

static void expect_unchanged(void)
{
	before.f.damage = now.f.damage;
	if (memcmp(&before.f, &now.f, sizeof(now.f)) || memcmp(before.memory, arena, sizeof(arena)))
		fail("a call that was refused changed something");
}

/* True if the call has met the damage. */
static bool check_answer(const struct call *call)
{
	int err = make_call(call);

	sweep.cases++;
	/* Only looking at everything must find what is there. */
	if (err == call->answer && call->what != VALIDATE) {
		sweep.harmless++;
		return false;
	}
	if (err != -EUCLEAN)
		fail("the answer is %d and should be %d or %d", err, call->answer, -EUCLEAN);
	sweep.detected++;
	expect_unchanged();
	return true;
}

/* Nothing need succeed now, but nothing may break. */
static void use_on(void)
{
	static const struct call any[] = {
		{ .what = ALLOC, .size = 40, .align = 16 },
		{ .what = ALLOC, .size = 100, .align = 64 },
		{ .what = ALLOC, .size = 300, .align = 16 },
		{ .what = TAKE, .size = 48 },
	};
	u32 i;

	for (i = 0; i < ARRAY_SIZE(any); i++)
		make_call(&any[i]);
	for (i = now.nr_live; i-- > 0; i -= min(i, 2))
		release(i);
}

/* All blocks of runs in service can be freed, and the runs then be taken out. */
static void empty_heap(u32 damages)
{
	u64 retired = now.f.retired_bytes;
	u32 i;
	int err;

	for (i = now.nr_live; i-- > 0; ) {
		err = release(i);
		if (err && !retired)
			fail("a block of a sound heap is refused with %d", err);
		if (err && err != -EUCLEAN && err != -EFAULT)
			fail("a block of a retired run is refused with %d", err);
	}
	expect_valid("emptied,");
	if (now.f.live_blocks)
		fail("%lu blocks are live in an empty heap", (unsigned long)now.f.live_blocks);
	for (i = 0; i < NR_RUNS; i++)
		if (respool_freelist_holds(&now.f, run_at(i)) && make_simple_call(REMOVE_RUN, i))
			fail("an empty run is refused");
	if (now.f.held_bytes != retired || retired > damages * RUN_SPACE)
		fail("%lu bytes are held, %lu of them retired", (unsigned long)now.f.held_bytes,
		     (unsigned long)retired);
}

/*
 * Before anything else is done, what is around the damage can be shown: the
 * block it is in, no more in front than wanted, and, though the size of a damaged
 * one is not known, something behind.
 */
static void look_around(const u8 *where)
{
	struct respool_block_row rows[RESPOOL_AROUND_BEFORE + 2];
	size_t in_run = (size_t)(where - arena) % RUN_SPACE, nr, here = 0;
	unsigned long work = work_done();

	sweep.call = (struct call){ .what = LOOK };
	nr = respool_freelist_around(&now.f, where, rows, ARRAY_SIZE(rows));
	work = work_done() - work;
	if (work > MAX_WORK)
		fail("%lu basic blocks of work", work);
	if (in_run < sizeof(struct respool_run))
		return;
	if (!nr || (const u8 *)rows[0].addr > where)
		fail("%zu blocks are shown, not the damaged one", nr);
	while (here + 1 < nr && (const u8 *)rows[here + 1].addr <= where)
		here++;
	if (here > RESPOOL_AROUND_BEFORE)
		fail("%zu blocks are shown in front", here);
	if (where - (const u8 *)rows[here].addr < RESPOOL_BLOCK_HEADER &&
	    rows[here].kind != RESPOOL_BLOCK_DAMAGED)
		fail("a damaged header is shown as sound");
	if (here + 1 == nr && in_run < RUN_BYTES - RESPOOL_BLOCK_HEADER)
		fail("nothing is shown behind");
}

static void go_on(u32 damages)
{
	use_on();
	if (make_simple_call(SALVAGE, 0))
		fail("damage is left");
	expect_valid("salvaged,");
	use_on();
	expect_valid("used again,");
	empty_heap(damages);
}

static void sweep_byte(long at, u8 mask)
{
	u32 i;

	sweep.at = at;
	sweep.mask = mask;
	sweep.damages++;
	restore(&sound);
	arena[at] ^= mask;
	look_around(arena + at);
	for (i = 0; i < nr_calls; i++) {
		restore(&sound);
		arena[at] ^= mask;
		save(&before);
		/* A call that has not met it leaves the same heap as the next one. */
		if (check_answer(&calls[i]) || sweep.cases % HARMLESS_SHARE == 0)
			go_on(1);
	}
}

static const u8 masks[] = { 0xff, 0x01, 0x02, 0x04, 0x10, 0x80 };

static void work_without_end(void)
{
	fail("%u basic blocks of work", MAX_WORK);
}

static void damage_meanwhile(void)
{
	arena[sweep.at] ^= sweep.mask;
	interrupt_work(MAX_WORK, work_without_end);
}

/*
 * Damage @word after @moment steps of a call on a heap, of which another run is
 * damaged already. False if the call has done its work by then.
 */
static bool sweep_moment(enum what what, u64 *word, unsigned long moment)
{
	unsigned long work;

	restore(&sound);
	*words[0] ^= 0xff;
	sweep.at = (u8 *)word + moment % sizeof(u64) - arena;
	sweep.mask = masks[moment / sizeof(u64) % ARRAY_SIZE(masks)];
	work = work_done();
	interrupt_work(moment, damage_meanwhile);
	if (make_simple_call(what, 0) && what == SALVAGE)
		fail("damage is left");
	work = work_done() - work;
	interrupt_work(0, NULL);
	if (work < moment)
		return false;
	sweep.moments++;
	go_on(2);
	return true;
}

static void sweep_moments(u64 *word)
{
	static const enum what walks[] = { SALVAGE, VALIDATE, LOOK };
	unsigned long moment;
	u32 i;

	for (i = 0; i < ARRAY_SIZE(walks); i++)
		for (moment = 1; sweep_moment(walks[i], word, moment); moment++)
			;
}

static void sweep_heap(enum respool_search search, u32 nr_masks)
{
	u32 i, byte, m;

	sweep.search = search;
	nr_words = 0;
	nr_calls = 0;
	build_heap();
	list_words();
	list_calls();
	for (i = 0; i < nr_words; i++)
		for (byte = 0; byte < sizeof(u64); byte++)
			for (m = 0; m < nr_masks; m++)
				sweep_byte((u8 *)words[i] + byte - arena, masks[m]);
	for (i = 0; i < nr_words; i++)
		sweep_moments(words[i]);
}

/* An argument: with only so many of the masks. */
int main(int argc, char **argv)
{
	u32 nr_masks = argc > 1 ? atoi(argv[1]) : ARRAY_SIZE(masks);
	enum respool_search search;

	for (search = 0; search < RESPOOL_NR_SEARCHES; search++)
		sweep_heap(search, min_t(u32, nr_masks, ARRAY_SIZE(masks)));
	printf("# freelist_sweep: %u words of a heap for each search, %u calls after each damage\n",
	       nr_words, nr_calls);
	printf("# freelist_sweep: %lu damages, %lu cases: %lu detected, %lu harmless\n",
	       sweep.damages, sweep.cases, sweep.detected, sweep.harmless);
	printf("# freelist_sweep: %lu damages in the midst of a call\n", sweep.moments);
	return 0;
}
