/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Where a pool's memory comes from, and how it goes back.
 */
#ifndef RESPOOL_BACKING_H
#define RESPOOL_BACKING_H

#include <linux/types.h>

#include <linux/respool.h>

struct dev_pagemap;

/**
 * enum respool_memory - Where a pool's memory comes from.
 * @RESPOOL_SYSTEM: set aside at load
 * @RESPOOL_REGION: reserved at boot, claimed by address
 * @RESPOOL_NO_MEMORY: nowhere; addresses are numbers, for tests and measurements
 */
enum respool_memory {
	RESPOOL_SYSTEM,
	RESPOOL_REGION,
	RESPOOL_NO_MEMORY,
};

/**
 * struct respool_spec - A pool as the operator asks for it.
 * @name: its name; must live as long as the pool (/proc/iomem shows it)
 * @nr_pages: its size in pages
 * @memory: where its memory comes from
 * @base: physical address of a region
 * @no_magazines: without per-CPU magazines
 */
struct respool_spec {
	char name[RESPOOL_NAME_LEN];
	unsigned long nr_pages;
	enum respool_memory memory;
	bool no_magazines;
	phys_addr_t base;
};

/**
 * struct respool_backing - A range of physically contiguous memory.
 * @base: physical address of its first byte
 * @nr_pages: pages in it
 * @vaddr: where the kernel sees it, contiguous too
 * @memory: where it came from
 * @has_pages: struct pages stand behind it, usable as those of any memory
 * @exact: system memory that came from the page allocator in one piece
 * @pgmap: keeps the struct pages of a region
 *
 * Everything is set when the memory is taken and constant from then on.
 */
struct respool_backing {
	phys_addr_t base;
	unsigned long nr_pages;
	void *vaddr;
	enum respool_memory memory;
	bool has_pages;
	bool exact;
	struct dev_pagemap *pgmap;
};

int respool_backing_check(const struct respool_spec *spec);
int respool_backing_take(struct respool_backing *backing, const struct respool_spec *spec);
void respool_backing_release(struct respool_backing *backing);

#endif /* RESPOOL_BACKING_H */
