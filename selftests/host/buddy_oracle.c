// SPDX-License-Identifier: GPL-2.0
/* Random operations on the page layer's core, compared with a naive twin. */
#include "buddy_bound.h"
#include "buddy_episode.h"

static unsigned long work;

void __sanitizer_cov_trace_pc(void)
{
	work++;
}

unsigned long work_done(void)
{
	return work;
}

int main(int argc, char **argv)
{
	return run_episodes(argc, argv, buddy_episode);
}
