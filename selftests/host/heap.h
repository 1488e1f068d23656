/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A slab in user space: the byte layer's core and its policy of growth, over
 * the page layer's core and an arena. It does what slab.c does between taking
 * its lock and releasing it.
 */
#ifndef RESPOOL_HEAP_H
#define RESPOOL_HEAP_H

#include "buddy/buddy.h"
#include "slab/magazine.h"

/**
 * struct respool - A pool of one client.
 * @arena: its memory, of which only what is touched is there
 * @metadata: the core's
 * @core: which pages are free
 * @calls: calls of the page layer, ever
 * @bound: the most work that all of them may have done, in basic blocks
 */
struct respool {
	u8 *arena;
	void *metadata;
	struct respool_buddy core;
	unsigned long calls;
	unsigned long bound;
};

struct heap {
	struct respool pool;
	struct respool_freelist freelist;
	struct respool_runs runs;
	struct respool_racks racks;
	raw_spinlock_t lock;
};

/* With a rack of @magazines or without. False if there is no memory. */
bool heap_init(struct heap *h, unsigned long nr_pages, enum respool_search search,
	       bool magazines);
void heap_exit(struct heap *h);

/* 0 or a negative errno, as the calls of the core. */
int heap_alloc(struct heap *h, size_t size, size_t align, void **ptr);
int heap_free(struct heap *h, void *ptr);

/* Sets @to to where the block is now; if that is elsewhere, its contents are not. */
int heap_realloc(struct heap *h, void *ptr, size_t size, void **to);

#endif /* RESPOOL_HEAP_H */
