// SPDX-License-Identifier: GPL-2.0
/*
 * Every sequence of calls of the page layer's core, in pools of 1 to 16 pages at
 * each alignment: allocation of each order, each exact number, each place; free
 * of each page rightly and wrongly; resize; batches; magazines; pages out of
 * service. After each the core must be valid, and all it says what the twin says.
 *
 * Only how its owner's tag reads is not varied, and what is not to be seen in a
 * pool so small: other levels than the first.
 */
#include "buddy_twin.h"
#include "model.h"

#define MAX_PAGES	16
#define MAX_ORDER	5	/* one more than the largest block has */
#define TAG		5
#define MAX_BATCH	3

enum kind {
	ALLOC = 1, ALLOC_EXACT, ALLOC_AT, ALLOC_HIGH, ALLOC_LOW, FREE, RESIZE, ALLOC_BATCH,
	FREE_BATCH, POP, PUSH, TAKE_OUT, PUT_BACK,
};

static struct respool_buddy core;
static struct buddy_twin twin;
static u8 memory[2048] __attribute__((aligned(8)));
static size_t memory_bytes;
static unsigned long nr_pages, base_pfn, peak_before;
static bool plainly;			/* without places, resize and pages out of service */

/* What of the core changes, as one piece each; the rest is constant in such a pool. */
struct record {
	u8 state[MAX_PAGES];
	u8 tree[256];			/* words, largest blocks, classes */
	u8 free_pages, allocated_pages, reserved_pages, bad_pages;
	u8 nr_free[MAX_ORDER];
	u8 nr_allocated[MAX_ORDER];
	u32 classes;
	struct {
		u8 nr_pages;		/* of the block that begins here, 0 for none */
		u8 kind;
	} twin[MAX_PAGES];
};

static u8 *tree(void)
{
	return (u8 *)core.level[0].word;
}

static size_t tree_bytes(void)
{
	return memory + memory_bytes - tree();
}

static void save(void *to)
{
	struct record *r = to;
	unsigned int i;

	memset(r, 0, sizeof(*r));
	memcpy(r->state, core.state, nr_pages);
	memcpy(r->tree, tree(), tree_bytes());
	r->free_pages = core.free_pages;
	r->allocated_pages = core.allocated_pages;
	r->reserved_pages = core.reserved_pages;
	r->bad_pages = core.bad_pages;
	for (i = 0; i < MAX_ORDER; i++) {
		r->nr_free[i] = core.nr_free[i];
		r->nr_allocated[i] = core.nr_allocated[i];
	}
	r->classes = core.level[0].classes;
	for (i = 0; i < nr_pages; i++) {
		if (twin.head[i] != i)
			continue;
		r->twin[i].nr_pages = twin.block[i].nr_pages;
		r->twin[i].kind = twin.block[i].kind;
	}
}

static void restore(const void *from)
{
	const struct record *r = from;
	unsigned int i;

	memcpy(core.state, r->state, nr_pages);
	memcpy(tree(), r->tree, tree_bytes());
	core.free_pages = r->free_pages;
	core.allocated_pages = r->allocated_pages;
	core.reserved_pages = r->reserved_pages;
	core.bad_pages = r->bad_pages;
	for (i = 0; i < MAX_ORDER; i++) {
		core.nr_free[i] = r->nr_free[i];
		core.nr_allocated[i] = r->nr_allocated[i];
	}
	core.level[0].classes = r->classes;
	core.peak_pages = core.allocated_pages;
	core.moves = 0;
	peak_before = core.peak_pages;
	buddy_twin_exit(&twin);
	buddy_twin_init(&twin, nr_pages, base_pfn);
	for (i = 0; i < nr_pages; i++)
		if (r->twin[i].nr_pages)
			buddy_twin_take(&twin, i, r->twin[i].nr_pages, r->twin[i].kind, TAG);
}

/* What can be done */

static struct operation *listed;

static void add(enum kind kind, unsigned int a, unsigned int b, unsigned int c)
{
	*listed++ = (struct operation){ kind, a, b, c };
}

/* Of the block or the page at @page, and what is refused there. */
static void list_page(unsigned long page)
{
	bool head = twin.head[page] == page;
	const struct twin_block *block = &twin.block[page];
	unsigned int n;

	add(FREE, page, MAX_ORDER, 0);
	for (n = 0; n < MAX_ORDER; n++)
		add(FREE, page, n, 0);
	if (head && block->kind == RESPOOL_PAGE_CACHED) {
		add(POP, page, 0, 0);
		add(FREE_BATCH, page, 0, 0);
	}
	if (head && block->kind == RESPOOL_PAGE_ALLOCATED && block->nr_pages == BIT(block->order))
		add(PUSH, page, 0, 0);
	if (plainly)
		return;
	add(TAKE_OUT, page, 1, RESPOOL_STATE_RESERVED);
	add(TAKE_OUT, page, 1, RESPOOL_STATE_BAD);
	add(TAKE_OUT, page, 3, RESPOOL_STATE_RESERVED);
	add(PUT_BACK, page, 1, 0);
	add(PUT_BACK, page, 3, 0);
	for (n = 1; n <= nr_pages - page + 1; n++) {
		if (n <= nr_pages - page)
			add(ALLOC_AT, page, n, 0);
		add(RESIZE, page, n, 0);
	}
}

static unsigned int list(struct operation *operations)
{
	unsigned long page;
	unsigned int n, k;

	listed = operations;
	for (k = 0; k <= MAX_ORDER; k++)
		add(ALLOC, k, 0, 0);
	for (n = 0; n <= nr_pages + 1; n++) {
		add(ALLOC_EXACT, n, 0, 0);
		if (plainly)
			continue;
		add(ALLOC_HIGH, n, 0, 0);
		add(ALLOC_LOW, n, 1, 0);
		add(ALLOC_HIGH, n, 2, 1);
	}
	for (k = 0; k < 3; k++)
		for (n = 1; n <= MAX_BATCH; n++)
			add(ALLOC_BATCH, k, n, 0);
	for (page = 0; page < nr_pages; page++)
		list_page(page);
	add(FREE, nr_pages, MAX_ORDER, 0);
	return listed - operations;
}

static const char *name(struct operation o)
{
	static const char *const names[] = {
		[ALLOC] = "alloc of order %u", [ALLOC_EXACT] = "alloc of exactly %u pages",
		[ALLOC_AT] = "alloc at page %u of %u pages",
		[ALLOC_HIGH] = "alloc from the top of %u pages aligned to order %u, scan %u",
		[ALLOC_LOW] = "alloc by address of %u pages aligned to order %u, scan %u",
		[FREE] = "free of page %u as order %u (5: any)",
		[RESIZE] = "resize of the block at page %u to %u pages",
		[ALLOC_BATCH] = "batch of order %u, %u blocks",
		[FREE_BATCH] = "batch with page %u given back",
		[POP] = "page %u leaves a magazine", [PUSH] = "page %u enters a magazine",
		[TAKE_OUT] = "page %u, %u pages go out of service, as %#x",
		[PUT_BACK] = "page %u, %u pages come back",
	};
	static char text[128];

	snprintf(text, sizeof(text), names[o.kind], o.a, o.b, o.c);
	return text;
}

/* Doing it */

/* Compare a block that was handed out, or none, with what an aligned 2^@k must give. */
static bool took(unsigned long page, unsigned long nr, unsigned int k)
{
	bool possible = nr && k <= (unsigned int)twin.max_order && twin.whole[k];

	expect_equal("whether there was a block", page != RESPOOL_NO_PAGE, possible);
	if (!possible)
		return false;
	expect_equal("alignment", (base_pfn + page) % BIT(k), 0);
	buddy_twin_take(&twin, page, nr, RESPOOL_PAGE_ALLOCATED, TAG);
	return true;
}

static bool alloc_exact(unsigned long nr)
{
	unsigned int k = 0;

	while (BIT(k) < nr)
		k++;
	return took(respool_buddy_alloc_exact(&core, nr, TAG), nr, k);
}

static bool alloc_fit(struct respool_fit fit)
{
	unsigned long expected = buddy_twin_fit(&twin, &fit);

	expect_equal("where", respool_buddy_alloc_fit(&core, &fit, TAG), expected);
	if (expected == RESPOOL_NO_PAGE)
		return false;
	buddy_twin_take(&twin, expected, fit.nr_pages, RESPOOL_PAGE_ALLOCATED, TAG);
	return true;
}

static int expected_free(unsigned long page, unsigned int order)
{
	const struct twin_block *block;

	if (page >= nr_pages)
		return -EFAULT;
	if (buddy_twin_kind(&twin, page) != RESPOOL_PAGE_ALLOCATED)
		return -EALREADY;
	block = &twin.block[page];
	if (twin.head[page] != page)
		return -EINVAL;
	if (order != MAX_ORDER && block->nr_pages != BIT(order))
		return -ERANGE;
	/* Two pages that are no block of order 1. */
	return order != MAX_ORDER && block->order != order ? -ERANGE : 0;
}

static bool free_page(unsigned long page, unsigned int order)
{
	int expected = expected_free(page, order);
	struct respool_block freed;

	expect_equal("free", respool_buddy_free(&core, page, order == MAX_ORDER ?
						RESPOOL_ANY_ORDER : order, &freed), expected);
	if (expected)
		return false;
	expect_equal("pages freed", freed.nr_pages, twin.block[page].nr_pages);
	expect_equal("whose pages", freed.tag, TAG);
	buddy_twin_give(&twin, page);
	return true;
}

/* Whether all pages from @page to before @end are of @kind. */
static bool all_are(unsigned long page, unsigned long end, enum respool_page_kind kind)
{
	for (; page < end; page++)
		if (buddy_twin_kind(&twin, page) != kind)
			return false;
	return true;
}

static bool resize(unsigned long page, unsigned long nr)
{
	int expected = expected_free(page, MAX_ORDER);
	struct respool_block was;

	if (!expected && !all_are(page + twin.block[page].nr_pages, page + nr, RESPOOL_PAGE_FREE))
		expected = -ENOSPC;
	expect_equal("resize", respool_buddy_resize(&core, page, nr, &was), expected);
	if (expected)
		return false;
	buddy_twin_give(&twin, page);
	buddy_twin_take(&twin, page, nr, RESPOOL_PAGE_ALLOCATED, TAG);
	return true;
}

static bool alloc_batch(unsigned int order, unsigned int nr)
{
	bool possible = order <= (unsigned int)twin.max_order && twin.whole[order] &&
			twin.pages[RESPOOL_PAGE_FREE] >= nr << order;
	unsigned int got, i;
	u32 page[MAX_BATCH];

	got = respool_buddy_alloc_batch(&core, order, nr, page);
	if (possible ? !got || got > nr : got)
		differ("got a batch of %u blocks of %u", got, nr);
	for (i = 0; i < got; i++)
		buddy_twin_take(&twin, page[i], BIT(order), RESPOOL_PAGE_CACHED, TAG);
	return got;
}

static bool free_batch(u32 page)
{
	expect_equal("blocks given back",
		     respool_buddy_free_batch(&core, twin.block[page].order, 1, &page), 1);
	buddy_twin_give(&twin, page);
	return true;
}

/* As a magazine does it. */
static bool pop(unsigned long page)
{
	respool_state_mark(core.state + page, twin.block[page].order, TAG);
	buddy_twin_change(&twin, page, RESPOOL_PAGE_ALLOCATED, TAG);
	return true;
}

static bool push(unsigned long page)
{
	core.state[page] = RESPOOL_STATE_CACHED | twin.block[page].order;
	buddy_twin_change(&twin, page, RESPOOL_PAGE_CACHED, TAG);
	return true;
}

static bool take_out(unsigned long page, unsigned long nr, u8 state)
{
	bool outside = nr > nr_pages - page;
	int expected = outside ? -EFAULT :
		       all_are(page, page + nr, RESPOOL_PAGE_FREE) ? 0 : -EBUSY;
	unsigned long i;

	expect_equal("take_out", respool_buddy_take_out(&core, page, nr, state), expected);
	for (i = page; !expected && i < page + nr; i++)
		buddy_twin_take(&twin, i, 1, state == RESPOOL_STATE_BAD ? RESPOOL_PAGE_BAD :
				RESPOOL_PAGE_RESERVED, TAG);
	return !expected;
}

static bool put_back(unsigned long page, unsigned long nr)
{
	bool outside = nr > nr_pages - page;
	int expected = outside ? -EFAULT :
		       all_are(page, page + nr, RESPOOL_PAGE_RESERVED) ? 0 : -EINVAL;
	unsigned long i;

	expect_equal("put_back", respool_buddy_put_back(&core, page, nr), expected);
	for (i = page; !expected && i < page + nr; i++)
		buddy_twin_give(&twin, i);
	return !expected;
}

static bool call(struct operation o)
{
	switch ((enum kind)o.kind) {
	case ALLOC:
		return took(respool_buddy_alloc(&core, o.a, TAG), BIT(o.a), o.a);
	case ALLOC_EXACT:
		return alloc_exact(o.a);
	case ALLOC_AT:
		return alloc_fit((struct respool_fit){ .nr_pages = o.b, .first = o.a,
						       .last = o.a + o.b - 1 });
	case ALLOC_HIGH:
	case ALLOC_LOW:
		return alloc_fit((struct respool_fit){ .nr_pages = o.a, .align_order = o.b,
						       .last = RESPOOL_NO_PAGE, .scan = o.c,
						       .top_down = o.kind == ALLOC_HIGH });
	case FREE:
		return free_page(o.a, o.b);
	case RESIZE:
		return resize(o.a, o.b);
	case ALLOC_BATCH:
		return alloc_batch(o.a, o.b);
	case FREE_BATCH:
		return free_batch(o.a);
	case POP:
		return pop(o.a);
	case PUSH:
		return push(o.a);
	case TAKE_OUT:
		return take_out(o.a, o.b, o.c);
	case PUT_BACK:
		return put_back(o.a, o.b);
	}
	return false;
}

/* A refusal leaves every byte as it was. */
static bool apply(struct operation o)
{
	static u8 memory_before[sizeof(memory)];
	struct respool_buddy before = core;
	bool changed;

	memcpy(memory_before, memory, memory_bytes);
	changed = call(o);
	if (!changed && (memcmp(&before, &core, sizeof(core)) ||
			 memcmp(memory_before, memory, memory_bytes)))
		differ("a refused call changed something");
	return changed;
}

static void compare_page(unsigned long page)
{
	struct respool_block is, should;

	respool_buddy_find(&core, page, &is);
	buddy_twin_find(&twin, page, &should);
	expect_equal("kind", is.kind, should.kind);
	expect_equal("first page", is.page, should.page);
	expect_equal("pages", is.nr_pages, should.nr_pages);
	expect_equal("order", is.order, should.order);
	if (is.kind == RESPOOL_PAGE_ALLOCATED)
		expect_equal("tag", is.tag, TAG);
}

static void compare(void)
{
	unsigned long page = 0;
	const char *broken = respool_buddy_validate(&core, &page);
	unsigned int k;

	if (broken)
		differ("validate says \"%s\" at page %ld", broken, (long)page);
	for (page = 0; page < nr_pages; page++)
		compare_page(page);
	for (k = 0; k < RESPOOL_BUDDY_ORDERS; k++) {
		expect_equal("nr_free", core.nr_free[k], buddy_twin_nr_free(&twin, k));
		expect_equal("nr_allocated", core.nr_allocated[k], twin.allocated[k]);
	}
	expect_equal("free pages", core.free_pages, twin.pages[RESPOOL_PAGE_FREE]);
	expect_equal("bad pages", core.bad_pages, twin.pages[RESPOOL_PAGE_BAD]);
	expect_equal("peak", core.peak_pages, max(peak_before, core.allocated_pages));
	expect_equal("largest free order", respool_buddy_largest_free_order(&core),
		     buddy_twin_largest_free_order(&twin));
}

static const struct model model = {
	.bytes = sizeof(struct record), .key_bytes = sizeof(struct record),
	.save = save, .restore = restore, .list = list, .apply = apply, .compare = compare,
	.name = name,
};

static void explore_pool(unsigned long enough, struct explored *explored)
{
	memory_bytes = respool_buddy_footprint(nr_pages, base_pfn);
	if (memory_bytes > sizeof(memory))
		differ("%zu bytes of metadata", memory_bytes);
	expect_equal("init", respool_buddy_init(&core, memory, nr_pages, base_pfn), 0);
	buddy_twin_init(&twin, nr_pages, base_pfn);
	peak_before = 0;
	model_explore(&model, enough, explored);
	buddy_twin_exit(&twin);
}

/* All pools of so many pages that are not the same to the core. */
static struct explored explore_pools(unsigned long enough)
{
	struct explored sum = { .all = true, .depth = ~0U }, explored;
	unsigned long alignments = 1;

	while (alignments < nr_pages)
		alignments *= 2;
	for (base_pfn = 0; base_pfn < alignments; base_pfn++) {
		explore_pool(enough / alignments, &explored);
		sum.states += explored.states;
		sum.transitions += explored.transitions;
		sum.depth = min(sum.depth, explored.depth);
		sum.all &= explored.all;
	}
	printf("%s of %s: %lu states", sum.all ? "any number" : "sequences",
	       plainly ? "allocations and frees" : "all calls", sum.states);
	if (!sum.all)
		printf(", all of %u calls", sum.depth);
	return sum;
}

int main(int argc, char **argv)
{
	unsigned long enough = model_enough(argc, argv, 10000), states = 0, transitions = 0;
	struct explored all, plain;

	for (nr_pages = 1; nr_pages <= MAX_PAGES; nr_pages++) {
		printf("# buddy_model: %lu pages, ", nr_pages);
		plainly = false;
		all = explore_pools(enough);
		printf("; ");
		plainly = true;
		plain = explore_pools(enough);
		printf("\n");
		states += all.states + plain.states;
		transitions += all.transitions + plain.transitions;
	}
	printf("# buddy_model: %lu states, %lu transitions\n", states, transitions);
	return 0;
}
