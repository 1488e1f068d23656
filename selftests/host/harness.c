// SPDX-License-Identifier: GPL-2.0
/*
 * Random and fuzzed runs: decisions, counting steps, reporting a difference.
 *
 * Every episode of a random run has a seed of its own, the run's seed plus the
 * episode's number, so a failure late in a long run is reproduced by a short
 * one that starts at its episode.
 */
#include <getopt.h>
#include <sanitizer/common_interface_defs.h>
#include <stdlib.h>
#include <time.h>

#include "harness.h"

/* An input longer than this teaches a fuzzer nothing a shorter one does not. */
#define FUZZ_MAX_STEPS	20000

static struct {
	const char *program;
	u64 seed;		/* of this episode */
	unsigned long steps;	/* done in this episode */
	const char *what;	/* what is being done: a format for a and b */
	long a, b;
} now;

static u64 next_random(u64 *state)
{
	u64 z = *state += 0x9e3779b97f4a7c15;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
	z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
	return z ^ (z >> 31);
}

static u32 next_byte(struct choices *c)
{
	return c->next < c->end ? *c->next++ : 0;
}

u32 choose(struct choices *c, u32 bound)
{
	u32 limit, n = 0;

	if (!c->next)
		return ((next_random(&c->state) >> 32) * bound) >> 32;
	for (limit = bound - 1; limit; limit >>= 8)
		n = n << 8 | next_byte(c);
	return n % bound;
}

u32 choose_any(struct choices *c)
{
	return choose(c, 1 << 16) << 16 | choose(c, 1 << 16);
}

bool chance(struct choices *c, unsigned int percent)
{
	return choose(c, 100) < percent;
}

void count_step(void)
{
	now.steps++;
}

unsigned long steps_done(void)
{
	return now.steps;
}

void doing(const char *what, long a, long b)
{
	now.what = what;
	now.a = a;
	now.b = b;
}

static void print_where(void)
{
	fprintf(stderr, "%s: step %lu of the episode, ", now.program, now.steps);
	if (now.what)
		fprintf(stderr, now.what, now.a, now.b);
	fputc('\n', stderr);
	if (now.seed)
		fprintf(stderr, "%s: again with --seed %llu --steps %lu\n",
			now.program, (unsigned long long)now.seed, max(now.steps, 1UL));
}

void fail(void)
{
	fputc('\n', stderr);
	print_where();
	exit(1);
}

static void begin_episode(u64 seed)
{
	now.seed = seed;
	now.steps = 0;
	now.what = NULL;
}

static unsigned long run_seeds(u64 seed, unsigned long steps, episode_fn *episode)
{
	unsigned long done = 0, nr = 0;

	while (done < steps) {
		struct choices c = { .state = seed + nr };

		begin_episode(seed + nr);
		episode(&c, steps - done);
		done += now.steps;
		nr++;
	}
	return nr;
}

static u64 seed_from_clock(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return (u64)ts.tv_sec << 20 ^ (u64)ts.tv_nsec;
}

static u64 number_or_exit(const char *text)
{
	char *end;
	u64 n;

	errno = 0;
	n = strtoull(text, &end, 0);
	if (errno || end == text || *end || *text == '-') {
		fprintf(stderr, "%s: not a number: %s\n", now.program, text);
		exit(2);
	}
	return n;
}

int run_episodes(int argc, char **argv, episode_fn *episode)
{
	static const struct option options[] = {
		{ "steps", required_argument, NULL, 'n' },
		{ "seed", required_argument, NULL, 's' },
		{ }
	};
	unsigned long steps = 1000000, nr;
	u64 seed = 0;
	int opt;

	now.program = program_invocation_short_name;
	while ((opt = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (opt == 'n') {
			steps = number_or_exit(optarg);
		} else if (opt == 's') {
			seed = number_or_exit(optarg);
		} else {
			fprintf(stderr, "usage: %s [--steps N] [--seed S]\n", now.program);
			return 2;
		}
	}
	if (!seed)
		seed = seed_from_clock();
	printf("# %s: seed %llu, %lu steps\n", now.program,
	       (unsigned long long)seed, steps);
	fflush(stdout);
	__sanitizer_set_death_callback(print_where);
	nr = run_seeds(seed, steps, episode);
	printf("# %s: %lu steps in %lu episodes, no difference\n", now.program, steps, nr);
	return 0;
}

int run_bytes(const u8 *data, size_t size, episode_fn *episode)
{
	struct choices c = { .next = data, .end = data + size };

	now.program = program_invocation_short_name;
	begin_episode(0);
	if (size)
		episode(&c, FUZZ_MAX_STEPS);
	return 0;
}

static void *not_null(void *p)
{
	if (!p) {
		fprintf(stderr, "%s: out of memory\n", now.program);
		exit(2);
	}
	return p;
}

void *must_alloc(size_t size)
{
	return not_null(malloc(size));
}

void *must_zalloc(size_t nr, size_t size)
{
	return not_null(calloc(nr, size));
}
