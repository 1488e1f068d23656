/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A model checker for a core that is small enough: every sequence of operations
 * from the first state on, states that are the same being met once.
 *
 * Breadth first, so that a difference is found by one of the shortest sequences
 * that lead to it, which is printed.
 */
#ifndef RESPOOL_MODEL_H
#define RESPOOL_MODEL_H

#include "harness.h"

/* What is done: a kind, and what that takes. */
struct operation {
	u8 kind;
	u8 a;
	u8 b;
	u8 c;
};

#define MODEL_MAX_OPERATIONS	4096	/* in one state */

/*
 * A core and its twin, as they are now. @save writes @bytes of which all are set;
 * the first @key_bytes of them tell the state from others.
 */
struct model {
	size_t bytes;
	size_t key_bytes;
	void (*save)(void *record);
	void (*restore)(const void *record);
	unsigned int (*list)(struct operation *operations);
	bool (*apply)(struct operation operation);	/* false: refused, nothing changed */
	void (*compare)(void);				/* core and twin */
	const char *(*name)(struct operation operation);
};

struct explored {
	unsigned long states;
	unsigned long transitions;	/* refused ones included */
	unsigned int depth;		/* all sequences of so many operations were tried */
	bool all;			/* and longer ones lead to no more states */
};

/*
 * Try all sequences of operations from the state as it is, and those of one more
 * as long as that met fewer than @enough states.
 */
void model_explore(const struct model *model, unsigned long enough, struct explored *explored);

/* The argument of a program, how many states are enough; @otherwise without one. */
unsigned long model_enough(int argc, char **argv, unsigned long otherwise);

#endif /* RESPOOL_MODEL_H */
