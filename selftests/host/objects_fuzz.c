// SPDX-License-Identifier: GPL-2.0
/* The same comparison, steered by libFuzzer towards code not reached before. */
#include "objects_episode.h"

int fuzz_one_input(const u8 *data, size_t size)
{
	return run_bytes(data, size, objects_episode);
}
