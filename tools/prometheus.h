/* SPDX-License-Identifier: GPL-2.0 */
/* What respool shows in debugfs, in the text format of Prometheus. */
#ifndef RESPOOL_PROMETHEUS_H
#define RESPOOL_PROMETHEUS_H

#include <stdio.h>
#include "state.h"

void prometheus_state(FILE *out, const struct state *state);

#endif /* RESPOOL_PROMETHEUS_H */
