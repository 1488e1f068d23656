/* SPDX-License-Identifier: GPL-2.0 */
#ifndef RESPOOL_FREELIST_EPISODE_H
#define RESPOOL_FREELIST_EPISODE_H

#include "harness.h"

episode_fn freelist_episode;

#endif /* RESPOOL_FREELIST_EPISODE_H */
