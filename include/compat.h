/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Differences between the supported kernels, and nothing else: no other file
 * looks at LINUX_VERSION_CODE.
 */
#ifndef RESPOOL_COMPAT_H
#define RESPOOL_COMPAT_H

#include <linux/err.h>
#include <linux/memremap.h>
#include <linux/mm.h>
#include <linux/version.h>

/* User-mode Linux has no struct pages but those of its own memory. */
#ifndef CONFIG_ZONE_DEVICE
static inline void *memremap_pages(struct dev_pagemap *pgmap, int nid)
{
	return ERR_PTR(-EOPNOTSUPP);
}

static inline void memunmap_pages(struct dev_pagemap *pgmap)
{
}
#endif

/* Where the kernel walks no stacks, there are none. */
#ifndef CONFIG_STACKTRACE
static inline unsigned int stack_trace_save(unsigned long *store, unsigned int size,
					    unsigned int skipnr)
{
	return 0;
}
#endif

/* Flags of a mapping that is being made. */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 3, 0)
static inline void vm_flags_set(struct vm_area_struct *vma, vm_flags_t flags)
{
	vma->vm_flags |= flags;
}
#endif

/* Entries of one page table for pages that follow each other. */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 6, 0)
static inline void set_ptes(struct mm_struct *mm, unsigned long addr, pte_t *ptep, pte_t pte,
			    unsigned int nr)
{
	unsigned int i;

	for (i = 0; i < nr; i++)
		set_pte_at(mm, addr + i * PAGE_SIZE, ptep + i,
			   pfn_pte(pte_pfn(pte) + i, pte_pgprot(pte)));
}
#endif

/* Inside TP_fast_assign(): where the field is of __string(), it knows its source. */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 10, 0)
#define respool_assign_str(field, source)	__assign_str(field, source)
#else
#define respool_assign_str(field, source)	__assign_str(field)
#endif

/*
 * A huge_fault method for mappings that are not DAX: before 6.6 nobody calls it
 * for them and it has other arguments.
 */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 6, 0)
#define SET_HUGE_FAULT(function)	.huge_fault = function,
#else
#define SET_HUGE_FAULT(function)
#endif

/*
 * What a compound page, of four pages or more, has in its first tails, and what counts
 * as mapped. Modules are not meant to make any, and each release keeps something else
 * there: where it is not known, or an entry for 2 MiB not a module's to write, there
 * are none.
 */
#if defined(CONFIG_X86) && defined(CONFIG_TRANSPARENT_HUGEPAGE)
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 12, 0) && LINUX_VERSION_CODE < KERNEL_VERSION(6, 13, 0)
#define RESPOOL_COMPOUND_PAGES 1
#define respool_pmd_mkwrite(pmd)	pmd_mkwrite_novma(pmd)

static inline void respool_set_compound_order(struct page *head, unsigned int order)
{
	struct folio *folio = (struct folio *)head;

	folio->_flags_1 = (folio->_flags_1 & ~0xffUL) | order;
	folio->_folio_nr_pages = 1U << order;
	atomic_set(&folio->_large_mapcount, -1);
	atomic_set(&folio->_entire_mapcount, -1);
	atomic_set(&folio->_nr_pages_mapped, 0);
	atomic_set(&folio->_pincount, 0);
	INIT_LIST_HEAD(&folio->_deferred_list);
}

static inline void respool_clear_compound_order(struct page *head)
{
	struct folio *folio = (struct folio *)head;

	folio->_flags_1 &= ~0xffUL;
	head[2].mapping = NULL;		/* was part of _deferred_list */
}

static inline void respool_add_file_pages(struct mm_struct *mm, unsigned long nr)
{
	percpu_counter_add(&mm->rss_stat[MM_FILEPAGES], nr);
}

/* @nr entries more for its pages, of which @first have not been mapped before. */
static inline void respool_add_compound_mapcount(struct page *head, unsigned long nr,
						 unsigned long first)
{
	struct folio *folio = (struct folio *)head;

	if (!PageHead(head))
		return;
	atomic_add(first, &folio->_nr_pages_mapped);
	atomic_add(nr, &folio->_large_mapcount);
}
#elif LINUX_VERSION_CODE >= KERNEL_VERSION(6, 1, 0) && LINUX_VERSION_CODE < KERNEL_VERSION(6, 2, 0)
#define RESPOOL_COMPOUND_PAGES 1
#define respool_pmd_mkwrite(pmd)	pmd_mkwrite(pmd)

static inline void respool_set_compound_order(struct page *head, unsigned int order)
{
	set_compound_page_dtor(head, COMPOUND_PAGE_DTOR);
	set_compound_order(head, order);
	atomic_set(compound_mapcount_ptr(head), -1);
	atomic_set(compound_pincount_ptr(head), 0);
}

static inline void respool_clear_compound_order(struct page *head)
{
	head[1].mapping = NULL;		/* was compound_nr */
}

static inline void respool_add_file_pages(struct mm_struct *mm, unsigned long nr)
{
	atomic_long_add(nr, &mm->rss_stat.count[MM_FILEPAGES]);
}

static inline void respool_add_compound_mapcount(struct page *head, unsigned long nr,
						 unsigned long first)
{
}
#endif
#endif
#ifndef RESPOOL_COMPOUND_PAGES
#define RESPOOL_COMPOUND_PAGES 0
#endif

#endif /* RESPOOL_COMPAT_H */
