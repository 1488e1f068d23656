/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Object runs for the sizes that a slab has very many blocks of, the *hot* ones:
 * see objects.h. An object has no header, and to take or put one is a bit, not a
 * merge. Every other size keeps its boundary tags.
 *
 * An object is 16 bytes smaller than the block for the same request, or as large:
 * both are multiples of 16 bytes. Only sizes where it is smaller may be hot, for
 * a run of objects keeps what is free in it from all other sizes.
 *
 * The caller holds the slab's lock, but for what is inline here.
 */
#ifndef RESPOOL_SLAB_HOT_H
#define RESPOOL_SLAB_HOT_H

#include <linux/mm.h>

#include "slab/objects.h"
#include "slab/run.h"

/* A class for each multiple of 16 bytes up to here, numbered from 1. */
#define RESPOOL_HOT_MAX		1024
#define RESPOOL_HOT_CLASSES	(RESPOOL_HOT_MAX / RESPOOL_BLOCK_ALIGN)

/**
 * struct respool_hot - The object runs of a slab.
 * @map: a byte a page of the pool: 0, the class whose run the page is in, or
 *	%RESPOOL_SLOT_RETIRED; constant, %NULL if there are to be no objects
 * @runs: where runs come from; constant
 * @damage: where a call met some; %NULL again after respool_hot_salvage()
 * @used: objects that are not known to be free: live, in a rack, or returned
 * @used_bytes: their bytes
 * @peak_runs: by class, most runs since there were none
 * @objects: by class, whose objects are 16, 32, ... bytes; constant in part
 */
struct respool_hot {
	u8 *map;
	struct respool_runs *runs;
	const void *damage;
	u64 used;
	u64 used_bytes;
	u64 peak_runs[RESPOOL_HOT_CLASSES];
	struct respool_objects objects[RESPOOL_HOT_CLASSES];
};

/*
 * The class whose objects hold @size bytes, at least 1, and are smaller than
 * blocks for it; 0 if there is none.
 */
static inline unsigned int respool_hot_class_of(size_t size)
{
	unsigned int class = DIV_ROUND_UP(size, RESPOOL_BLOCK_ALIGN);
	size_t block = max_t(size_t, round_up(size + RESPOOL_BLOCK_HEADER, RESPOOL_BLOCK_ALIGN),
			     RESPOOL_BLOCK_MIN);

	return class <= RESPOOL_HOT_CLASSES && class * RESPOOL_BLOCK_ALIGN < block ? class : 0;
}

static inline struct respool_objects *respool_hot_objects(struct respool_hot *h,
							  unsigned int class)
{
	return &h->objects[class - 1];
}

/* As respool_hot_class_at(), of an address in the pool. */
static inline unsigned int respool_hot_class_in_pool(const struct respool_hot *h, const void *addr)
{
	return h->map ? READ_ONCE(h->map[respool_object_slot(h->objects, addr)]) : 0;
}

/*
 * The class that has @addr, any address, in one of its runs; 0 if none has,
 * %RESPOOL_SLOT_RETIRED if one had. Needs no lock; what it says of an address
 * that is no live block's may be out of date.
 */
static inline unsigned int respool_hot_class_at(const struct respool_hot *h, const void *addr)
{
	const struct respool_objects *o = h->objects;

	return (uintptr_t)addr - o->low < o->span ? respool_hot_class_in_pool(h, addr) : 0;
}

int respool_hot_init(struct respool_hot *h, struct respool_runs *runs, bool on);
void respool_hot_destroy(struct respool_hot *h);

bool respool_hot_is_due(const struct respool_hot *h, unsigned int class, size_t block_bytes);
bool respool_hot_cools(struct respool_hot *h, unsigned int class);

u32 respool_hot_take(struct respool_hot *h, unsigned int class, struct respool_object_word *word);
u32 respool_hot_put_word(struct respool_hot *h, unsigned int class,
			 struct respool_object_word *word);
bool respool_hot_put(struct respool_hot *h, unsigned int class, void *object);
void respool_hot_notice(struct respool_hot *h, unsigned int class, const void *addr);
int respool_hot_free(struct respool_hot *h, unsigned int class, void *addr);
u32 respool_hot_trim(struct respool_hot *h);
void respool_hot_note(struct respool_hot *h, unsigned int class, const void *where);
void respool_hot_blame(struct respool_hot *h, unsigned int class, const void *object);
int respool_hot_usable_size(struct respool_hot *h, unsigned int class, const void *addr,
			    size_t *size);
u64 respool_hot_salvage(struct respool_hot *h, u64 *bytes);

int respool_hot_why_not(const struct respool_hot *h, unsigned int class, const void *addr);
u32 respool_hot_live_of(const struct respool_hot *h, unsigned int class, const void **live,
			u32 nr);
const char *respool_hot_validate(const struct respool_hot *h, const void **where);

#endif /* RESPOOL_SLAB_HOT_H */
