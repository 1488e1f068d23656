// SPDX-License-Identifier: GPL-2.0
/* Random operations on the core of the object caches, compared with a naive twin. */
#include "objects_episode.h"

int main(int argc, char **argv)
{
	return run_episodes(argc, argv, objects_episode);
}
