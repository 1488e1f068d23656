/* SPDX-License-Identifier: GPL-2.0 */
/* What respool shows in debugfs, as JSON. */
#ifndef RESPOOL_JSON_H
#define RESPOOL_JSON_H

#include <stdio.h>
#include "state.h"

void json_string(FILE *out, const char *text);
/* A member: a number as it is, anything else, and names always, as a string. */
void json_member(FILE *out, const char *name, const char *word);
/* The members of a pool's object, without its braces. */
void json_pool_members(FILE *out, const struct pool *pool);

#endif /* RESPOOL_JSON_H */
