// SPDX-License-Identifier: GPL-2.0
/* Random operations on the byte layer's core, compared with a naive twin. */
#include "freelist_episode.h"

int main(int argc, char **argv)
{
	return run_episodes(argc, argv, freelist_episode);
}
