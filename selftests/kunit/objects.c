// SPDX-License-Identifier: GPL-2.0
/*
 * The pure core of the object caches, one behaviour a case. The core is
 * compiled into this file once more: its functions here are this module's own.
 */
#include <kunit/test.h>
#include <linux/slab.h>

#include "slab/objects.c"

#define SIZE		100
#define STRIDE		104
#define RUN_BYTES	4096
#define OBJECTS		38	/* in a run */
#define HEADER_BYTES	(sizeof(struct respool_object_run) + sizeof(struct respool_object_bits))
#define RUNS		4
#define ID		7	/* in the map */

/**
 * struct objects_test - What a case has to play with.
 * @o: a core whose runs are of RUN_BYTES, as yet without any
 * @mem: memory for RUNS runs, aligned in the addresses that @o is told
 */
struct objects_test {
	struct respool_objects o;
	u8 *mem;
};

static int objects_test_init(struct kunit *test)
{
	struct objects_test *t = kunit_kzalloc(test, sizeof(*t), GFP_KERNEL);
	struct respool_object_memory memory = {
		.bytes = RUNS * RUN_BYTES, .min_shift = 12, .max_shift = 12, .waste_share = 16,
	};
	void *footprint;

	if (!t)
		return -ENOMEM;
	t->mem = kunit_kzalloc(test, RUNS * RUN_BYTES, GFP_KERNEL);
	memory.start = t->mem;
	if (!t->mem || respool_objects_init(&t->o, SIZE, 0, &memory, 0x1234567890abcdefULL))
		return -ENOMEM;
	KUNIT_ASSERT_EQ(test, t->o.per_run, OBJECTS);
	footprint = kunit_kzalloc(test, respool_objects_footprint(&t->o), GFP_KERNEL);
	if (!footprint)
		return -ENOMEM;
	respool_objects_set_footprint(&t->o, footprint, ID);
	test->priv = t;
	return 0;
}

/* Whatever a case did, the core is in one piece afterwards. */
static void objects_test_exit(struct kunit *test)
{
	struct objects_test *t = test->priv;
	const void *where;

	KUNIT_EXPECT_STREQ(test, respool_objects_validate(&t->o, &where) ?: "ok", "ok");
}

static struct respool_object_run *add(struct kunit *test, unsigned int run)
{
	struct objects_test *t = test->priv;
	void *mem = t->mem + run * RUN_BYTES;

	respool_objects_prepare(&t->o, mem);
	respool_objects_add(&t->o, mem);
	return mem;
}

/* As many of one word as there are, up to @nr. */
static struct respool_object_word word_of(struct kunit *test, u32 nr)
{
	struct objects_test *t = test->priv;
	struct respool_object_word word = {};

	KUNIT_ASSERT_EQ(test, respool_objects_take_word(&t->o, &word, nr), hweight64(word.out));
	return word;
}

static struct respool_object_word word_of_some(struct kunit *test)
{
	return word_of(test, RESPOOL_WORD_OBJECTS);
}

/* Live objects, of the fullest runs there are. */
static void take(struct kunit *test, void **objects, u32 nr)
{
	struct objects_test *t = test->priv;
	struct respool_object_word word;

	while (nr) {
		word = word_of(test, nr);
		KUNIT_ASSERT_NE(test, word.out, 0);
		for (; word.out; nr--)
			*objects++ = respool_object_pop(&t->o, &word);
	}
}

/* Give @object back; whether that is news. */
static bool is_news(struct kunit *test, const void *object)
{
	struct objects_test *t = test->priv;
	bool news = false;

	KUNIT_EXPECT_TRUE(test, respool_object_return(&t->o, object, &news));
	return news;
}

static void put_back(struct kunit *test, void **objects, u32 nr)
{
	struct objects_test *t = test->priv;

	for (; nr--; objects++) {
		is_news(test, *objects);
		respool_objects_notice(&t->o, *objects);
	}
}

static bool ends(struct kunit *test, const void *addr)
{
	struct objects_test *t = test->priv;
	struct respool_object_run *run;
	u64 index;

	return respool_object_end(&t->o, addr, &run, &index);
}

static void *take_one(struct kunit *test)
{
	void *object = NULL;

	take(test, &object, 1);
	return object;
}

static void objects_of_a_run_lie_side_by_side_to_its_end(struct kunit *test)
{
	u8 *run = (u8 *)add(test, 0);
	void *object[OBJECTS];
	u32 i;

	KUNIT_EXPECT_LE(test, RUN_BYTES * 15 / 16, OBJECTS * STRIDE);
	take(test, object, OBJECTS);
	for (i = 1; i < OBJECTS; i++)
		KUNIT_EXPECT_PTR_EQ(test, object[i], object[i - 1] + STRIDE);
	KUNIT_EXPECT_TRUE(test, (u8 *)object[0] >= run + HEADER_BYTES);
	KUNIT_EXPECT_TRUE(test, (u8 *)object[i - 1] + STRIDE <= run + RUN_BYTES);
	KUNIT_EXPECT_EQ(test, word_of_some(test).out, 0);
}

static void object_goes_from_free_to_live_and_back(struct kunit *test)
{
	struct objects_test *t = test->priv;
	void *object;

	add(test, 0);
	object = take_one(test);
	KUNIT_EXPECT_EQ(test, respool_objects_why_not(&t->o, object), 0);
	KUNIT_EXPECT_TRUE(test, ends(test, object));
	KUNIT_EXPECT_EQ(test, respool_objects_why_not(&t->o, object), -EALREADY);
	KUNIT_EXPECT_TRUE(test, respool_object_give(&t->o, object));
	KUNIT_EXPECT_EQ(test, respool_objects_why_not(&t->o, object), 0);
	KUNIT_EXPECT_EQ(test, t->o.nr_free, OBJECTS - 1);
	put_back(test, &object, 1);
	KUNIT_EXPECT_EQ(test, t->o.nr_free, OBJECTS);
	KUNIT_EXPECT_EQ(test, respool_objects_why_not(&t->o, object), -EALREADY);
}

static void object_ends_once(struct kunit *test)
{
	struct objects_test *t = test->priv;
	struct respool_object_word word;
	void *object;
	bool news;

	add(test, 0);
	word = word_of_some(test);
	object = word.first;
	KUNIT_EXPECT_FALSE(test, ends(test, object));
	KUNIT_EXPECT_PTR_EQ(test, respool_object_pop(&t->o, &word), object);
	KUNIT_EXPECT_TRUE(test, ends(test, object));
	KUNIT_EXPECT_FALSE(test, ends(test, object));
	KUNIT_EXPECT_FALSE(test, respool_object_return(&t->o, object, &news));
}

static void address_that_starts_no_object_is_told(struct kunit *test)
{
	struct objects_test *t = test->priv;
	u8 *run = (u8 *)add(test, 0), *object = take_one(test), *addr;

	for (addr = run; addr < run + RUN_BYTES; addr++) {
		if ((addr - object) % STRIDE == 0 && addr >= object &&
		    addr < object + OBJECTS * STRIDE)
			continue;
		KUNIT_EXPECT_FALSE(test, ends(test, addr));
		KUNIT_EXPECT_EQ(test, respool_objects_why_not(&t->o, addr), -EINVAL);
	}
	KUNIT_EXPECT_EQ(test, respool_objects_why_not(&t->o, run + RUN_BYTES), -EFAULT);
	KUNIT_EXPECT_EQ(test, respool_objects_why_not(&t->o, run - 1), -EFAULT);
	KUNIT_EXPECT_FALSE(test, ends(test, run + RUN_BYTES));
	KUNIT_EXPECT_FALSE(test, ends(test, run - 1));
}

static void free_object_is_left_as_it_is(struct kunit *test)
{
	void *object[OBJECTS];
	u32 i;

	add(test, 0);
	take(test, object, OBJECTS);
	for (i = 0; i < OBJECTS; i++)
		memset(object[i], i, STRIDE);
	put_back(test, object, OBJECTS);
	take(test, object, OBJECTS);
	for (i = 0; i < OBJECTS; i++)
		KUNIT_EXPECT_NULL(test, memchr_inv(object[i], i, STRIDE));
}

static void fullest_run_is_taken_from_first(struct kunit *test)
{
	struct respool_object_run *fuller;
	struct objects_test *t = test->priv;
	void *object[OBJECTS];

	fuller = add(test, 0);
	take(test, object, OBJECTS);
	add(test, 1);
	put_back(test, object, 3);
	take(test, object, 4);
	KUNIT_EXPECT_PTR_EQ(test, respool_object_run_of(&t->o, object[0]), fuller);
	KUNIT_EXPECT_PTR_EQ(test, respool_object_run_of(&t->o, object[2]), fuller);
	KUNIT_EXPECT_PTR_NE(test, respool_object_run_of(&t->o, object[3]), fuller);
}

static void empty_runs_are_removed_but_those_to_be_kept(struct kunit *test)
{
	struct objects_test *t = test->priv;
	void *object;

	add(test, 0);
	object = take_one(test);
	add(test, 1);
	add(test, 2);
	KUNIT_EXPECT_EQ(test, t->o.empty_runs, 2);
	KUNIT_EXPECT_NOT_NULL(test, respool_objects_remove_empty(&t->o, 1));
	KUNIT_EXPECT_NULL(test, respool_objects_remove_empty(&t->o, 1));
	KUNIT_EXPECT_NOT_NULL(test, respool_objects_remove_empty(&t->o, 0));
	KUNIT_EXPECT_NULL(test, respool_objects_remove_empty(&t->o, 0));
	put_back(test, &object, 1);
	KUNIT_EXPECT_PTR_EQ(test, respool_objects_remove_empty(&t->o, 0), (void *)t->mem);
	KUNIT_EXPECT_EQ(test, t->o.runs, 0);
}

static void cores_that_share_a_map_know_their_own_runs(struct kunit *test)
{
	struct objects_test *t = test->priv;
	struct respool_object_row row = {};
	struct respool_object_run *run = add(test, 1);

	t->o.map[0] = ID + 1;
	t->o.map[2] = ID + 1;
	KUNIT_EXPECT_TRUE(test, respool_objects_run_after(&t->o, NULL, &row));
	KUNIT_EXPECT_PTR_EQ(test, row.run, (const void *)run);
	KUNIT_EXPECT_FALSE(test, respool_objects_run_after(&t->o, run, &row));
	KUNIT_EXPECT_EQ(test, respool_objects_why_not(&t->o, t->mem + t->o.first), -EFAULT);
	KUNIT_EXPECT_EQ(test, respool_objects_salvage(&t->o), 0);
	KUNIT_EXPECT_PTR_EQ(test, respool_objects_remove_empty(&t->o, 0), (void *)run);
	KUNIT_EXPECT_EQ(test, t->o.map[1], RESPOOL_SLOT_NONE);
	KUNIT_EXPECT_EQ(test, t->o.map[2], ID + 1);
}

/* Of two runs with an object out, the first is damaged in this byte. */
static void expect_retired(struct kunit *test, unsigned int byte)
{
	struct objects_test *t = test->priv;
	struct respool_object_run *run = add(test, 0), *other;
	void *object, *left;
	const void *where;

	object = word_of(test, 1).first;
	other = add(test, 1);
	((u8 *)run)[byte] ^= 0x40;
	KUNIT_EXPECT_NOT_NULL(test, respool_objects_validate(&t->o, &where));
	KUNIT_EXPECT_PTR_EQ(test, where, run);
	KUNIT_EXPECT_EQ(test, word_of_some(test).out, 0);
	KUNIT_EXPECT_PTR_EQ(test, t->o.damage, run);
	KUNIT_EXPECT_EQ(test, respool_objects_salvage(&t->o), 1);
	KUNIT_EXPECT_NULL(test, t->o.damage);
	KUNIT_EXPECT_FALSE(test, respool_object_give(&t->o, object));
	KUNIT_EXPECT_EQ(test, respool_objects_why_not(&t->o, object), -EUCLEAN);

	/* The other goes on, and can go back. */
	left = take_one(test);
	KUNIT_EXPECT_PTR_EQ(test, respool_object_run_of(&t->o, left), other);
	put_back(test, &left, 1);
	KUNIT_EXPECT_PTR_EQ(test, respool_objects_remove_empty(&t->o, 0), other);
	memset(t->o.map, RESPOOL_SLOT_NONE, RUNS);
	t->o.retired_runs = 0;
}

static void damaged_run_is_retired_and_others_go_on(struct kunit *test)
{
	unsigned int byte;

	for (byte = 0; byte < HEADER_BYTES; byte++)
		if (byte < offsetof(struct respool_object_run, next) ||
		    byte >= offsetof(struct respool_object_run, nr_free))
			expect_retired(test, byte);
}

/* Two runs with two free objects each are on one list. */
static void broken_links_are_mended(struct kunit *test)
{
	struct respool_object_run *first, *second;
	struct objects_test *t = test->priv;
	void *object[OBJECTS], *more[OBJECTS];
	const void *where;

	first = add(test, 0);
	take(test, object, OBJECTS);
	second = add(test, 1);
	take(test, more, OBJECTS - 2);
	put_back(test, object, 2);
	KUNIT_ASSERT_PTR_EQ(test, first->next, second);
	KUNIT_ASSERT_PTR_EQ(test, second->prev, first);
	first->next = (void *)t->mem + 8;
	KUNIT_EXPECT_NOT_NULL(test, respool_objects_validate(&t->o, &where));
	KUNIT_EXPECT_EQ(test, respool_objects_salvage(&t->o), 0);
	KUNIT_EXPECT_EQ(test, t->o.runs, 2);
	take(test, object, 4);
}

static void word_of_objects_goes_out_at_once(struct kunit *test)
{
	struct objects_test *t = test->priv;
	struct respool_object_word word;
	u32 i;

	add(test, 0);
	word = word_of_some(test);
	KUNIT_EXPECT_EQ(test, hweight64(word.out), OBJECTS);
	KUNIT_EXPECT_EQ(test, t->o.nr_free, 0);
	for (i = 0; i < OBJECTS; i++)
		KUNIT_EXPECT_PTR_EQ(test, respool_object_pop(&t->o, &word),
				    word.first + i * STRIDE);
	KUNIT_EXPECT_EQ(test, word.out, 0);
	KUNIT_EXPECT_EQ(test, word_of_some(test).out, 0);
}

static void some_of_a_word_go_out(struct kunit *test)
{
	struct objects_test *t = test->priv;
	struct respool_object_word some, more;

	add(test, 0);
	some = word_of(test, 5);
	KUNIT_EXPECT_EQ(test, some.out, 0x1f);
	KUNIT_EXPECT_EQ(test, t->o.nr_free, OBJECTS - 5);
	more = word_of_some(test);
	KUNIT_EXPECT_EQ(test, hweight64(more.out), OBJECTS - 5);
	KUNIT_EXPECT_EQ(test, some.out & more.out, 0);
	KUNIT_EXPECT_EQ(test, respool_objects_put_word(&t->o, &some), 5);
	KUNIT_EXPECT_EQ(test, respool_objects_put_word(&t->o, &more), OBJECTS - 5);
}

static void rest_of_a_word_goes_back(struct kunit *test)
{
	struct objects_test *t = test->priv;
	struct respool_object_word word;
	void *object;

	add(test, 0);
	word = word_of_some(test);
	object = respool_object_pop(&t->o, &word);
	KUNIT_EXPECT_EQ(test, respool_objects_put_word(&t->o, &word), OBJECTS - 1);
	KUNIT_EXPECT_EQ(test, word.out, 0);
	KUNIT_EXPECT_EQ(test, t->o.nr_free, OBJECTS - 1);
	KUNIT_EXPECT_EQ(test, respool_objects_why_not(&t->o, object), 0);
}

static void return_is_news_if_it_is_the_first_or_the_last(struct kunit *test)
{
	struct objects_test *t = test->priv;
	struct respool_object_word word;
	void *object[OBJECTS];
	u32 i;

	add(test, 0);
	word = word_of_some(test);
	for (i = 0; i < OBJECTS; i++)
		object[i] = respool_object_pop(&t->o, &word);
	for (i = 0; i < OBJECTS; i++) {
		KUNIT_EXPECT_EQ(test, is_news(test, object[i]), i == 0 || i == OBJECTS - 1);
		if (!i)
			respool_objects_notice(&t->o, object[i]);
	}
	KUNIT_EXPECT_EQ(test, t->o.nr_free, 1);
	KUNIT_EXPECT_NULL(test, respool_objects_remove_empty(&t->o, 0));
	respool_objects_notice(&t->o, object[0]);
	KUNIT_EXPECT_EQ(test, t->o.nr_free, OBJECTS);
	KUNIT_EXPECT_PTR_EQ(test, respool_objects_remove_empty(&t->o, 0), (void *)t->mem);
	/* By now nobody's. */
	respool_objects_notice(&t->o, object[0]);
	KUNIT_EXPECT_EQ(test, t->o.nr_free, 0);
}

/* What came back while others were free is found by who takes those. */
static void object_returned_without_news_is_taken_again(struct kunit *test)
{
	struct objects_test *t = test->priv;
	struct respool_object_word word, rest;
	void *object[2];

	add(test, 0);
	word = word_of_some(test);
	object[0] = respool_object_pop(&t->o, &word);
	object[1] = respool_object_pop(&t->o, &word);
	KUNIT_EXPECT_TRUE(test, is_news(test, object[0]));
	respool_objects_notice(&t->o, object[0]);
	KUNIT_EXPECT_FALSE(test, is_news(test, object[1]));
	rest = word_of_some(test);
	KUNIT_EXPECT_EQ(test, rest.out, 3);
	KUNIT_EXPECT_EQ(test, word.out & rest.out, 0);
	KUNIT_EXPECT_EQ(test, respool_objects_put_word(&t->o, &word), OBJECTS - 2);
	KUNIT_EXPECT_EQ(test, respool_objects_put_word(&t->o, &rest), 2);
}

/* Damage lets one go out twice: it is live but once. */
static void object_is_not_given_twice(struct kunit *test)
{
	struct objects_test *t = test->priv;
	struct respool_object_word word, copy;

	add(test, 0);
	word = word_of_some(test);
	copy = word;
	KUNIT_EXPECT_NOT_NULL(test, respool_object_pop(&t->o, &word));
	KUNIT_EXPECT_NULL(test, respool_object_pop(&t->o, &copy));
	respool_objects_blame(&t->o, copy.run);
	KUNIT_EXPECT_PTR_EQ(test, t->o.damage, (void *)t->mem);
	KUNIT_EXPECT_EQ(test, respool_objects_salvage(&t->o), 1);
}

/* Nor does a word go back that has gone back. */
static void word_is_not_put_twice(struct kunit *test)
{
	struct objects_test *t = test->priv;
	struct respool_object_word word, copy;

	add(test, 0);
	word = word_of_some(test);
	copy = word;
	KUNIT_EXPECT_EQ(test, respool_objects_put_word(&t->o, &word), OBJECTS);
	KUNIT_EXPECT_EQ(test, respool_objects_put_word(&t->o, &copy), 0);
	KUNIT_EXPECT_EQ(test, t->o.nr_free, OBJECTS);
	KUNIT_EXPECT_PTR_EQ(test, t->o.damage, (void *)t->mem);
	KUNIT_EXPECT_EQ(test, respool_objects_salvage(&t->o), 1);
}

static void geometry_that_makes_no_sense_is_refused(struct kunit *test)
{
	struct objects_test *t = test->priv;
	const struct respool_object_memory memory = {
		.start = t->mem, .bytes = RUNS * RUN_BYTES, .min_shift = 12, .max_shift = 13,
		.waste_share = 16,
	};
	struct respool_objects o;

	KUNIT_EXPECT_EQ(test, respool_objects_init(&o, 0, 0, &memory, 1), -EINVAL);
	KUNIT_EXPECT_EQ(test, respool_objects_init(&o, 8, 24, &memory, 1), -EINVAL);
	KUNIT_EXPECT_EQ(test, respool_objects_init(&o, 8, 8192, &memory, 1), -EINVAL);
	KUNIT_EXPECT_EQ(test, respool_objects_init(&o, 65537, 0, &memory, 1), -E2BIG);
	KUNIT_EXPECT_EQ(test, respool_objects_init(&o, SIZE_MAX, 0, &memory, 1), -E2BIG);
	KUNIT_EXPECT_EQ(test, respool_objects_init(&o, 8192, 0, &memory, 1), -E2BIG);
	KUNIT_EXPECT_EQ(test, respool_objects_init(&o, 4096, 4096, &memory, 1), 0);
	KUNIT_EXPECT_EQ(test, o.shift, 13);
	KUNIT_EXPECT_EQ(test, o.per_run, 1);
}

static struct kunit_case objects_test_cases[] = {
	KUNIT_CASE(objects_of_a_run_lie_side_by_side_to_its_end),
	KUNIT_CASE(object_goes_from_free_to_live_and_back),
	KUNIT_CASE(object_ends_once),
	KUNIT_CASE(address_that_starts_no_object_is_told),
	KUNIT_CASE(free_object_is_left_as_it_is),
	KUNIT_CASE(fullest_run_is_taken_from_first),
	KUNIT_CASE(empty_runs_are_removed_but_those_to_be_kept),
	KUNIT_CASE(cores_that_share_a_map_know_their_own_runs),
	KUNIT_CASE(damaged_run_is_retired_and_others_go_on),
	KUNIT_CASE(broken_links_are_mended),
	KUNIT_CASE(word_of_objects_goes_out_at_once),
	KUNIT_CASE(some_of_a_word_go_out),
	KUNIT_CASE(rest_of_a_word_goes_back),
	KUNIT_CASE(return_is_news_if_it_is_the_first_or_the_last),
	KUNIT_CASE(object_returned_without_news_is_taken_again),
	KUNIT_CASE(object_is_not_given_twice),
	KUNIT_CASE(word_is_not_put_twice),
	KUNIT_CASE(geometry_that_makes_no_sense_is_refused),
	{}
};

static struct kunit_suite objects_test_suite = {
	.name = "respool_objects",
	.init = objects_test_init,
	.exit = objects_test_exit,
	.test_cases = objects_test_cases,
};

kunit_test_suite(objects_test_suite);
