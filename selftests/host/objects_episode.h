/* SPDX-License-Identifier: GPL-2.0 */
#ifndef RESPOOL_OBJECTS_EPISODE_H
#define RESPOOL_OBJECTS_EPISODE_H

#include "harness.h"

episode_fn objects_episode;

#endif /* RESPOOL_OBJECTS_EPISODE_H */
