// SPDX-License-Identifier: GPL-2.0
/*
 * A buffer in user space: its mappings, which faults fill. A fault maps all that the
 * page table can which it needs, or the table of 2 MiB entries above.
 */
#include <linux/dma-buf.h>
#include <linux/mm.h>
#include <linux/pagemap.h>
#include <linux/pfn_t.h>
#include <linux/pgtable.h>

#include <asm/pgalloc.h>

#include "compat.h"
#include "heap/heap.h"

/*
 * Have one entry for the 2 MiB at @addr, in a way that holds up to get_user_pages():
 * with struct pages only if they are joined or a device's, whose references it
 * counts page by page; without only if it can tell that there are none. It can be
 * written from the start, as nobody asks what was written.
 */
static bool map_huge(const struct heap_buffer *buffer, struct vm_area_struct *vma,
		     unsigned long addr, pmd_t *pmd)
{
#ifdef CONFIG_TRANSPARENT_HUGEPAGE
	phys_addr_t phys = buffer->phys + PFN_PHYS(vma->vm_pgoff) + (addr - vma->vm_start);
	struct vm_fault vmf = { .vma = vma, .address = addr, .pmd = pmd };
	u64 flags = buffer->page ? PFN_DEV | PFN_MAP : PFN_DEV;
	pmd_t entry = READ_ONCE(*pmd);

	/* Another thread may have been quicker. Nobody must map pages below such an entry. */
	if (!pmd_none(entry))
		return pmd_trans_huge(entry) || pmd_devmap(entry);
	if (addr < vma->vm_start || addr + PMD_SIZE > vma->vm_end || !IS_ALIGNED(phys, PMD_SIZE))
		return false;
	if (buffer->page && !is_zone_device_page(buffer->page))
		return heap_map_joined(vma, addr, pmd, pfn_to_page(PHYS_PFN(phys)));
	if (!IS_ENABLED(CONFIG_ARCH_HAS_PTE_DEVMAP) && buffer->page)
		return false;
	if (!IS_ENABLED(CONFIG_ARCH_SUPPORTS_HUGE_PFNMAP) && !buffer->page)
		return false;
	return vmf_insert_pfn_pmd(&vmf, phys_to_pfn_t(phys, flags), vma->vm_flags & VM_WRITE) ==
	       VM_FAULT_NOPAGE;
#else
	return false;
#endif
}

/* The same for all that one table of such entries could map, from where a fault happened on. */
static bool map_huge_around(const struct heap_buffer *buffer, struct vm_fault *vmf)
{
	unsigned long addr = vmf->address & PMD_MASK;
	pmd_t *pmd = vmf->pmd;

	if (!map_huge(buffer, vmf->vma, addr, pmd))
		return false;
	do {
		addr += PMD_SIZE;
		pmd++;
	} while (addr & ~PUD_MASK && map_huge(buffer, vmf->vma, addr, pmd));
	return true;
}

/* What of a buffer one page table maps. */
struct span {
	struct vm_area_struct *vma;
	unsigned long start;
	unsigned long nr_pages;
	unsigned long pfn;
	pgprot_t prot;
	bool counted;		/* what has an entry counts as mapped */
};

/* As the kernel maps pages of devices, where it has a bit for that. */
static bool is_devmap(const struct heap_buffer *buffer)
{
	return IS_ENABLED(CONFIG_ARCH_HAS_PTE_DEVMAP) && buffer->page &&
	       is_zone_device_page(buffer->page);
}

/*
 * Such pages are neither counted nor referred to by who has them mapped, but by who
 * asks get_user_pages(). Without struct pages it must not look for any.
 */
static pgprot_t prot_of(const struct heap_buffer *buffer, const struct vm_area_struct *vma)
{
	pte_t entry = pte_mkyoung(pfn_pte(PHYS_PFN(buffer->phys), vma->vm_page_prot));

	if (!buffer->page)
		entry = pte_mkspecial(entry);
#ifdef CONFIG_ARCH_HAS_PTE_DEVMAP
	if (is_devmap(buffer))
		entry = pte_mkdevmap(entry);
#endif
	return pte_pgprot(entry);
}

/* How many entries from @pte on are not there, of @nr. */
static unsigned long count_missing(pte_t *pte, unsigned long nr)
{
	unsigned long i = 0;

	while (i < nr && pte_none(ptep_get(pte + i)))
		i++;
	return i;
}

/* Make the entries that are not there yet; @pte is the first, of a table that is locked. */
static int fill_table(pte_t *pte, unsigned long addr, void *data)
{
	const struct span *span = data;
	struct mm_struct *mm = span->vma->vm_mm;
	unsigned long i, nr, pfn;

	for (i = 0; i < span->nr_pages; i += nr + 1) {
		nr = count_missing(pte + i, span->nr_pages - i);
		if (!nr)
			continue;
		pfn = span->pfn + i;
		if (span->counted)
			heap_count_mapped(mm, pfn_to_page(pfn), nr);
		set_ptes(mm, addr + (i << PAGE_SHIFT), pte + i, pfn_pte(pfn, span->prot), nr);
	}
	return 0;
}

/* Where it is not known what counting takes, the kernel does it page by page. */
static int insert_pages(const struct span *span)
{
	unsigned long addr = span->start, pfn = span->pfn, end = pfn + span->nr_pages;
	int error = 0;

	for (; pfn < end && !error; addr += PAGE_SIZE, pfn++) {
		error = vm_insert_page(span->vma, addr, pfn_to_page(pfn));
		if (error == -EBUSY)
			error = 0;
	}
	return error;
}

/* A table that the kernel has made for the fault; who inserts would make another. */
static void use_table(struct vm_fault *vmf)
{
	struct mm_struct *mm = vmf->vma->vm_mm;
	spinlock_t *lock;	/* that of the tables above */

	if (!vmf->prealloc_pte)
		return;
	lock = pmd_lock(mm, vmf->pmd);
	if (pmd_none(*vmf->pmd)) {
		mm_inc_nr_ptes(mm);
		smp_wmb();	/* who sees the table sees it empty */
		pmd_populate(mm, vmf->pmd, vmf->prealloc_pte);
		vmf->prealloc_pte = NULL;
	}
	spin_unlock(lock);
}

static int map_table(const struct heap_buffer *buffer, struct vm_fault *vmf)
{
	struct vm_area_struct *vma = vmf->vma;
	unsigned long table = vmf->address & PMD_MASK;
	struct span span = {
		.vma = vma,
		.start = max(table, vma->vm_start),
		.prot = prot_of(buffer, vma),
		.counted = buffer->page && !is_devmap(buffer),
	};

	span.nr_pages = (min(table + PMD_SIZE, vma->vm_end) - span.start) >> PAGE_SHIFT;
	span.pfn = PHYS_PFN(buffer->phys) + linear_page_index(vma, span.start);
	use_table(vmf);
	if (span.counted && !RESPOOL_COMPOUND_PAGES)
		return insert_pages(&span);
	/* Called for one entry, it makes all. */
	return apply_to_page_range(vma->vm_mm, span.start, PAGE_SIZE, fill_table, &span);
}

/* A fault maps all that one table can. */
static vm_fault_t map_around(struct heap_buffer *buffer, struct vm_fault *vmf)
{
	int error;

	WRITE_ONCE(buffer->accessed, true);
	if (map_huge_around(buffer, vmf))
		return VM_FAULT_NOPAGE;
	error = map_table(buffer, vmf);
	return error ? vmf_error(error) : VM_FAULT_NOPAGE;
}

static vm_fault_t heap_fault(struct vm_fault *vmf)
{
	struct heap_buffer *buffer = vmf->vma->vm_private_data;
	vm_fault_t result = VM_FAULT_SIGBUS;

	down_read(&buffer->lock);
	if (!buffer->revoked && vmf->pgoff < buffer->nr_pages)
		result = map_around(buffer, vmf);
	up_read(&buffer->lock);
	return result;
}

/*
 * The kernel makes a page table before it calls heap_fault(), which is in vain
 * if that has no use for one. So it is asked here first, where it does so.
 */
static vm_fault_t __maybe_unused heap_huge_fault(struct vm_fault *vmf, unsigned int order)
{
	struct heap_buffer *buffer = vmf->vma->vm_private_data;
	bool mapped = false;

	/* Nor has it a use for a write to an entry that is for reading: that one has to go. */
	if (order != PMD_SHIFT - PAGE_SHIFT || !pmd_none(*vmf->pmd))
		return VM_FAULT_FALLBACK;
	down_read(&buffer->lock);
	if (!buffer->revoked && vmf->pgoff < buffer->nr_pages) {
		WRITE_ONCE(buffer->accessed, true);
		mapped = map_huge_around(buffer, vmf);
	}
	up_read(&buffer->lock);
	return mapped ? VM_FAULT_NOPAGE : VM_FAULT_FALLBACK;
}

static const struct vm_operations_struct heap_vm_ops = {
	.fault	= heap_fault,
	SET_HUGE_FAULT(heap_huge_fault)
};

int heap_mmap(struct dma_buf *dmabuf, struct vm_area_struct *vma)
{
	struct heap_buffer *buffer = dmabuf->priv;

	/* A copy on write would not be the buffer. */
	if (!(vma->vm_flags & VM_MAYSHARE))
		return -EINVAL;
	if (READ_ONCE(buffer->revoked))
		return -ENODEV;
	/* With VM_SEQ_READ the kernel keeps no account of when a page was last used. */
	vm_flags_set(vma, VM_DONTEXPAND | VM_SEQ_READ |
		     (buffer->page ? VM_MIXEDMAP : VM_PFNMAP | VM_IO | VM_DONTDUMP));
	vma->vm_ops = &heap_vm_ops;
	vma->vm_private_data = buffer;
	return 0;
}
