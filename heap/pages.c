// SPDX-License-Identifier: GPL-2.0
/*
 * Struct pages of a buffer in system memory, joined to larger ones.
 *
 * The kernel maps 2 MiB of system memory with one entry only where they are one
 * compound page: that has one reference count, for all who refer to any part of
 * it. From Linux 6.12 on, smaller ones are unmapped faster than single pages, too.
 * A pool's pages are single. So those of a buffer are joined while it lives, in
 * pieces that are aligned to their size, and are split when they go back.
 *
 * Whoever walks memory takes a reference of a page only if there is one, and then
 * looks whether the page is still part of the same. So all counts are zero while
 * pages are joined or split, and what had another reference stays as it is.
 */
#include <linux/log2.h>
#include <linux/mm.h>
#include <linux/page-flags.h>
#include <linux/page_ref.h>
#include <linux/pgtable.h>
#include <linux/vmstat.h>

#include "compat.h"
#include "heap/heap.h"

#if RESPOOL_COMPOUND_PAGES
#define HUGE_ORDER	(PMD_SHIFT - PAGE_SHIFT)
#define LEAST_ORDER	2	/* the fields of a smaller one are in pages it does not have */

/* The order of a piece of @nr pages or less that begins at @page. */
static unsigned int order_at(struct page *page, unsigned long nr)
{
	return min_t(unsigned int, ilog2(nr), __ffs(page_to_pfn(page) | BIT(HUGE_ORDER)));
}

/* The tails of @head before @end become pages of their own again. */
static void split_tails(struct page *head, struct page *end)
{
	struct page *tail;

#pragma GCC unroll 4
	for (tail = head + 1; tail < end; tail++) {
		clear_compound_head(tail);
		smp_wmb();	/* who sees the count sees whose it is */
		set_page_count(tail, 1);
	}
}

static void join_piece(struct page *head, unsigned int order)
{
	struct page *tail, *end = head + BIT(order);

	if (!page_ref_freeze(head, 1))
		return;
#pragma GCC unroll 4
	for (tail = head + 1; tail < end; tail++) {
		if (!page_ref_freeze(tail, 1))
			break;
		set_compound_head(tail, head);
	}
	if (tail == end) {
		__SetPageHead(head);
		respool_set_compound_order(head, order);
	} else {
		split_tails(head, tail);
	}
	page_ref_unfreeze(head, 1);
}

static unsigned long split_piece(struct page *head)
{
	unsigned long nr = compound_nr(head);

	if (!page_ref_freeze(head, 1))
		return 0;
	respool_clear_compound_order(head);
	__ClearPageHead(head);
	split_tails(head, head + nr);
	page_ref_unfreeze(head, 1);
	return nr;
}

/* Those of a device have their device where others have their head, and need none. */
void heap_join_pages(struct page *page, unsigned long nr)
{
	unsigned int order;

	if (is_zone_device_page(page))
		return;
	for (; nr; page = nth_page(page, BIT(order)), nr -= BIT(order)) {
		order = order_at(page, nr);
		if (order >= LEAST_ORDER)
			join_piece(page, order);
		cond_resched();
	}
}

/*
 * One entry for 2 MiB from @page on, if they are joined. The exported functions
 * make entries that get_user_pages() refuses or takes for those of a device. As
 * theirs, it holds no reference and can be written from the start.
 */
bool heap_map_joined(struct vm_area_struct *vma, unsigned long addr, pmd_t *pmd,
		     struct page *page)
{
	pmd_t entry = pmd_mkhuge(pfn_pmd(page_to_pfn(page), vma->vm_page_prot));
	spinlock_t *lock;	/* the table's */

	if (!PageHead(page) || compound_order(page) != HUGE_ORDER)
		return false;
	if (vma->vm_flags & VM_WRITE)
		entry = pmd_mkdirty(respool_pmd_mkwrite(entry));
	lock = pmd_lock(vma->vm_mm, pmd);
	if (pmd_none(*pmd)) {
		set_pmd_at(vma->vm_mm, addr, pmd, pmd_mkyoung(entry));
		update_mmu_cache_pmd(vma, addr, pmd);
	}
	spin_unlock(lock);
	return true;
}

/* The pages from @page on that are one piece with it, as many of @nr as there are. */
static unsigned long in_piece(struct page *page, unsigned long nr)
{
	struct page *head = compound_head(page);

	return min(nr, compound_nr(head) - (page - head));
}

/*
 * Count entries for @nr pages from @page on, made just now in a table that is locked:
 * what the kernel takes back page by page when they go.
 */
void heap_count_mapped(struct mm_struct *mm, struct page *page, unsigned long nr)
{
	unsigned long i, piece, first;

	respool_add_file_pages(mm, nr);
	for (; nr; page += piece, nr -= piece) {
		piece = in_piece(page, nr);
		page_ref_add(compound_head(page), piece);
		for (first = 0, i = 0; i < piece; i++)
			first += atomic_inc_and_test(&page[i]._mapcount);
		respool_add_compound_mapcount(compound_head(page), piece, first);
		__lruvec_stat_mod_folio(page_folio(page), NR_FILE_MAPPED, first);
	}
}
#else
static unsigned long split_piece(struct page *head)
{
	return 0;
}

void heap_join_pages(struct page *page, unsigned long nr)
{
}

bool heap_map_joined(struct vm_area_struct *vma, unsigned long addr, pmd_t *pmd,
		     struct page *page)
{
	return false;
}

void heap_count_mapped(struct mm_struct *mm, struct page *page, unsigned long nr)
{
}
#endif

/* Whether each has one reference, the pool's; there is none without. */
static bool all_idle(struct page *page, unsigned long nr)
{
	unsigned long i;
	int refs = 0;

#pragma GCC unroll 8
	for (i = 0; i < nr; i++)
		refs |= page_ref_count(nth_page(page, i));
	return refs == 1;
}

/* How many from @page on have. */
static unsigned long count_idle(struct page *page, unsigned long nr)
{
	unsigned long i = 0;

	if (all_idle(page, nr))
		return nr;
	while (i < nr && page_ref_count(nth_page(page, i)) == 1)
		i++;
	return i;
}

/*
 * How many pages from @page on only the pool refers to; may be a few more than @nr
 * if that is not the end of a piece. They are single pages again.
 */
unsigned long heap_split_idle(struct page *page, unsigned long nr)
{
	unsigned long i, idle;
	struct page *next;

	if (is_zone_device_page(page))
		return count_idle(page, nr);
	for (i = 0; i < nr; i += idle) {
		next = nth_page(page, i);
		idle = PageHead(next) ? split_piece(next) : count_idle(next, 1);
		if (!idle)
			break;
	}
	return i;
}
