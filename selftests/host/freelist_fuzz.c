// SPDX-License-Identifier: GPL-2.0
/* The same comparison, steered by libFuzzer towards code not reached before. */
#include "freelist_episode.h"

int fuzz_one_input(const u8 *data, size_t size)
{
	return run_bytes(data, size, freelist_episode);
}
