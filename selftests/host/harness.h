/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the host checks of the pure cores share: where their decisions come
 * from, and how a difference between a core and its twin is reported.
 *
 * An *episode* is one core from init to the last check. It takes all its
 * decisions from a struct choices, so a random run and a fuzzer drive the very
 * same code: one draws from a generator, the other from the fuzzer's bytes.
 */
#ifndef RESPOOL_HARNESS_H
#define RESPOOL_HARNESS_H

#include <stdio.h>

#include "plain.h"

struct choices {
	u64 state;		/* of the generator; unused with bytes */
	const u8 *next;		/* the fuzzer's next byte, NULL for the generator */
	const u8 *end;
};

/* A number in 0..bound-1; always 0 when the fuzzer's bytes have run out. */
u32 choose(struct choices *c, u32 bound);

/* A byte pattern's seed: all 32 bits drawn. */
u32 choose_any(struct choices *c);

/* True with a chance of @percent. */
bool chance(struct choices *c, unsigned int percent);

static inline bool choices_are_bytes(const struct choices *c)
{
	return c->next;
}

static inline bool choices_left(const struct choices *c)
{
	return !c->next || c->next < c->end;
}

/* Count a step of the episode: what --steps limits and a report names. */
void count_step(void);

/* Steps counted since the episode began. */
unsigned long steps_done(void);

/* Remember what is being done, a format with two %ld, for the report. */
void doing(const char *what, long a, long b);

/* Report that the core and its twin differ, in the words of printf(), and exit. */
#define differ(...)	(fprintf(stderr, __VA_ARGS__), fail())

/* Add what was being done and how to do it again; status 1. */
void fail(void);

#define expect_equal(what, core, twin)						\
	do {									\
		unsigned long core_value = (unsigned long)(core);		\
		unsigned long twin_value = (unsigned long)(twin);		\
										\
		if (core_value != twin_value)					\
			differ("%s is %ld and should be %ld", what,		\
			       (long)core_value, (long)twin_value);		\
	} while (0)

/* An episode does up to @max_steps steps, fewer if it chooses or must. */
typedef void episode_fn(struct choices *c, unsigned long max_steps);

/* main() of a random run: episodes until --steps steps are done. */
int run_episodes(int argc, char **argv, episode_fn *episode);

/* One episode whose decisions are @size bytes at @data. */
int run_bytes(const u8 *data, size_t size, episode_fn *episode);

/* What libFuzzer calls; the Makefile gives it the name that libFuzzer knows. */
int fuzz_one_input(const u8 *data, size_t size);

/* malloc() and calloc() that exit instead of returning NULL. */
void *must_alloc(size_t size);
void *must_zalloc(size_t nr, size_t size);

#endif /* RESPOOL_HARNESS_H */
