// SPDX-License-Identifier: GPL-2.0
/* Random operations on the page layer's core, compared with a naive twin. */
#include "buddy_episode.h"

int main(int argc, char **argv)
{
	return run_episodes(argc, argv, buddy_episode);
}
