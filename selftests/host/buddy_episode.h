/* SPDX-License-Identifier: GPL-2.0 */
#ifndef RESPOOL_BUDDY_EPISODE_H
#define RESPOOL_BUDDY_EPISODE_H

#include "harness.h"

episode_fn buddy_episode;

#endif /* RESPOOL_BUDDY_EPISODE_H */
