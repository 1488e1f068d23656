// SPDX-License-Identifier: GPL-2.0
/*
 * Two kinds of memory: system memory set aside at load, and a region that was
 * kept from the kernel at boot (memmap=64M$0x10000000, or a no-map node of
 * the device tree) and is claimed by its address. And none at all, for pools
 * that exist to be tested or measured.
 *
 * Each function that refuses says why in one line with the pool's name and
 * the value. Process context; may sleep, for seconds where much memory has to
 * be migrated out of the way.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/gfp.h>
#include <linux/io.h>
#include <linux/ioport.h>
#include <linux/memory_hotplug.h>
#include <linux/memremap.h>
#include <linux/mm.h>
#include <linux/mmzone.h>
#include <linux/nodemask.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>

#include "compat.h"
#include "buddy/backing.h"

/* System memory */

/*
 * First pfn of @start..@start + @nr_pages - 1 that the page allocator does not
 * own or that lies in another zone than the first, or 0 if there is none.
 * Pages in use are no obstacle: they may be movable.
 */
static unsigned long first_obstacle(unsigned long start, unsigned long nr_pages)
{
	struct zone *zone = NULL;
	struct page *page;
	unsigned long pfn;

	for (pfn = start; pfn < start + nr_pages; pfn++) {
		page = pfn_to_online_page(pfn);
		if (!page || PageReserved(page))
			return pfn;
		if (!zone)
			zone = page_zone(page);
		if (page_zone(page) != zone)
			return pfn;
	}
	return 0;
}

/* The memory of devices with few address lines is not ours to use up. */
static bool spares_dma_zone(unsigned long pfn, unsigned long nr_pages)
{
#ifdef CONFIG_ZONE_DMA
	struct zone *zone = page_zone(pfn_to_page(pfn));

	if (zone_idx(zone) == ZONE_DMA)
		return nr_pages <= zone_managed_pages(zone) / 2;
#endif
	return true;
}

/* Clear a range of node @nid at a multiple of @align pages, lowest first. */
static unsigned long take_contig(int nid, unsigned long nr_pages, unsigned long align)
{
	unsigned long pfn = ALIGN(max(node_start_pfn(nid), 1UL), align);
	unsigned long end = node_end_pfn(nid), obstacle;

	while (pfn + nr_pages <= end && !fatal_signal_pending(current)) {
		cond_resched();
		obstacle = first_obstacle(pfn, nr_pages);
		if (obstacle) {
			pfn = ALIGN(obstacle + 1, align);
			continue;
		}
		if (spares_dma_zone(pfn, nr_pages) &&
		    !alloc_contig_range(pfn, pfn + nr_pages, MIGRATE_MOVABLE,
					GFP_KERNEL | __GFP_NOWARN))
			return pfn;
		pfn += align;
	}
	return 0;
}

static unsigned long take_contig_anywhere(unsigned long nr_pages, unsigned long align)
{
	unsigned long pfn = 0;
	int nid;

	for_each_online_node(nid) {
		pfn = take_contig(nid, nr_pages, align);
		if (pfn)
			break;
	}
	return pfn;
}

/*
 * Best aligned to the largest power of two inside, so that one block can be
 * that large; if need be, to a pageblock, below which nothing can be isolated,
 * and once more, for pages that could not be moved may have been in use only
 * for a moment.
 */
static unsigned long find_contig(unsigned long nr_pages)
{
	unsigned long align = max(rounddown_pow_of_two(nr_pages), pageblock_nr_pages);
	unsigned long pfn = take_contig_anywhere(nr_pages, align);

	while (!pfn && align > pageblock_nr_pages) {
		align = max(align / 8, pageblock_nr_pages);
		pfn = take_contig_anywhere(nr_pages, align);
	}
	return pfn ? pfn : take_contig_anywhere(nr_pages, align);
}

static int check_system(const struct respool_spec *spec)
{
	if (spec->nr_pages <= totalram_pages())
		return 0;
	pr_err("pool %s: %lu pages refused: the machine has %lu\n", spec->name,
	       spec->nr_pages, totalram_pages());
	return -ENOMEM;
}

static int take_system(struct respool_backing *backing, const struct respool_spec *spec)
{
	unsigned long nr_pages = spec->nr_pages, pfn;

	if (nr_pages <= MAX_ORDER_NR_PAGES) {
		backing->vaddr = alloc_pages_exact(nr_pages << PAGE_SHIFT,
						   GFP_KERNEL | __GFP_NOWARN);
		backing->exact = backing->vaddr;
	}
	if (!backing->vaddr) {
		pfn = find_contig(nr_pages);
		if (!pfn) {
			pr_err("pool %s: no %lu contiguous pages (%lu MiB) can be cleared\n",
			       spec->name, nr_pages, nr_pages >> (20 - PAGE_SHIFT));
			return fatal_signal_pending(current) ? -EINTR : -ENOMEM;
		}
		backing->vaddr = __va(PFN_PHYS(pfn));
	}
	backing->base = virt_to_phys(backing->vaddr);
	backing->has_pages = true;
	return 0;
}

static void release_system(struct respool_backing *backing)
{
	if (backing->exact)
		free_pages_exact(backing->vaddr, backing->nr_pages << PAGE_SHIFT);
	else
		free_contig_range(PHYS_PFN(backing->base), backing->nr_pages);
}

/* A region reserved at boot */

/* On x86 the firmware map, and memmap= in it, says what is reserved. */
static bool is_reserved(phys_addr_t base, size_t bytes)
{
	return !IS_ENABLED(CONFIG_X86) ||
	       region_intersects(base, bytes, IORESOURCE_MEM,
				 IORES_DESC_RESERVED) == REGION_INTERSECTS;
}

static int claim_region(const struct respool_spec *spec)
{
	size_t bytes = spec->nr_pages << PAGE_SHIFT;
	phys_addr_t last = spec->base + bytes - 1;

	if (request_mem_region(spec->base, bytes, spec->name))
		return 0;
	pr_err("pool %s: region %pa-%pa belongs to someone else\n", spec->name, &spec->base, &last);
	return -EBUSY;
}

static void unclaim_region(phys_addr_t base, unsigned long nr_pages)
{
	release_mem_region(base, nr_pages << PAGE_SHIFT);
}

static int check_region(const struct respool_spec *spec)
{
	size_t bytes = spec->nr_pages << PAGE_SHIFT;
	phys_addr_t last = spec->base + bytes - 1;
	int error;

	if (region_intersects(spec->base, bytes, IORESOURCE_SYSTEM_RAM,
			      IORES_DESC_NONE) != REGION_DISJOINT) {
		pr_err("pool %s: region %pa-%pa is ordinary memory of the kernel\n", spec->name,
		       &spec->base, &last);
		return -EBUSY;
	}
	if (!is_reserved(spec->base, bytes)) {
		pr_err("pool %s: region %pa-%pa was not reserved at boot (memmap=)\n", spec->name,
		       &spec->base, &last);
		return -ENXIO;
	}
	error = claim_region(spec);
	if (!error)
		unclaim_region(spec->base, spec->nr_pages);
	return error;
}

/* Struct pages make user mappings behave; they come in units of 2 MiB. */
static void *map_with_pages(struct respool_backing *backing, size_t bytes)
{
	struct dev_pagemap *pgmap;
	void *vaddr;

	if (!IS_ENABLED(CONFIG_ZONE_DEVICE) || !IS_ALIGNED(backing->base | bytes, SZ_2M))
		return NULL;
	pgmap = kzalloc(sizeof(*pgmap), GFP_KERNEL);
	if (!pgmap)
		return NULL;
	pgmap->type = MEMORY_DEVICE_GENERIC;
	pgmap->range.start = backing->base;
	pgmap->range.end = backing->base + bytes - 1;
	pgmap->nr_range = 1;
	vaddr = memremap_pages(pgmap, NUMA_NO_NODE);
	if (IS_ERR(vaddr)) {
		kfree(pgmap);
		return NULL;
	}
	backing->pgmap = pgmap;
	backing->has_pages = true;
	return vaddr;
}

static int take_region(struct respool_backing *backing, const struct respool_spec *spec)
{
	size_t bytes = spec->nr_pages << PAGE_SHIFT;
	int error = claim_region(spec);

	if (error)
		return error;
	backing->base = spec->base;
	backing->vaddr = map_with_pages(backing, bytes);
	if (!backing->vaddr)
		backing->vaddr = memremap(spec->base, bytes, MEMREMAP_WB);
	if (backing->vaddr)
		return 0;
	unclaim_region(spec->base, spec->nr_pages);
	pr_err("pool %s: region at %pa cannot be mapped\n", spec->name, &spec->base);
	return -ENOMEM;
}

static void release_region_memory(struct respool_backing *backing)
{
	if (backing->pgmap) {
		memunmap_pages(backing->pgmap);
		kfree(backing->pgmap);
	} else {
		memunmap(backing->vaddr);
	}
	unclaim_region(backing->base, backing->nr_pages);
}

/* No memory */

/* Where no address of any supported architecture is valid. */
static int take_none(struct respool_backing *backing)
{
	backing->vaddr = (void *)0xdead000000000000UL;
	return 0;
}

/* All kinds */

/* Whether @spec could be had, as far as can be told without taking anything. */
int respool_backing_check(const struct respool_spec *spec)
{
	switch (spec->memory) {
	case RESPOOL_SYSTEM:
		return check_system(spec);
	case RESPOOL_REGION:
		return check_region(spec);
	case RESPOOL_NO_MEMORY:
		return 0;
	}
	return -EINVAL;
}

int respool_backing_take(struct respool_backing *backing, const struct respool_spec *spec)
{
	memset(backing, 0, sizeof(*backing));
	backing->nr_pages = spec->nr_pages;
	backing->memory = spec->memory;
	switch (spec->memory) {
	case RESPOOL_SYSTEM:
		return take_system(backing, spec);
	case RESPOOL_REGION:
		return take_region(backing, spec);
	case RESPOOL_NO_MEMORY:
		return take_none(backing);
	}
	return -EINVAL;
}

/* Give everything back. A backing that never got memory is left alone. */
void respool_backing_release(struct respool_backing *backing)
{
	if (!backing->vaddr)
		return;
	switch (backing->memory) {
	case RESPOOL_SYSTEM:
		release_system(backing);
		break;
	case RESPOOL_REGION:
		release_region_memory(backing);
		break;
	case RESPOOL_NO_MEMORY:
		break;
	}
	backing->vaddr = NULL;
}
