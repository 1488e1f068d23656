/* SPDX-License-Identifier: GPL-2.0 */
/* What respool shows in debugfs, as JSON. */
#ifndef RESPOOL_JSON_H
#define RESPOOL_JSON_H

#include <stdio.h>
#include "state.h"

/* A number as it is, anything else as a string. */
void json_word(FILE *out, const char *word);
/* The members of a pool's object, without its braces. */
void json_pool_members(FILE *out, const struct pool *pool);

#endif /* RESPOOL_JSON_H */
