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

/* Map the pages at @addr up to @end, or to the first that is mapped already. */
static int map_pages(const struct heap_buffer *buffer, struct vm_area_struct *vma,
		     unsigned long addr, unsigned long end)
{
	unsigned long pfn = PHYS_PFN(buffer->phys) + linear_page_index(vma, addr);
	unsigned long i, nr, left;
	struct page *pages[32];
	int error = 0;

	for (; addr < end && !error; addr += nr << PAGE_SHIFT, pfn += nr) {
		nr = min((end - addr) >> PAGE_SHIFT, ARRAY_SIZE(pages));
		for (i = 0; i < nr; i++)
			pages[i] = pfn_to_page(pfn + i);
		left = nr;
		error = vm_insert_pages(vma, addr, pages, &left);
	}
	return error == -EBUSY ? 0 : error;
}

/* The same where there are no struct pages. */
static vm_fault_t map_frames(const struct heap_buffer *buffer, struct vm_area_struct *vma,
			     unsigned long addr, unsigned long end)
{
	unsigned long pfn = PHYS_PFN(buffer->phys) + linear_page_index(vma, addr);
	vm_fault_t result = VM_FAULT_NOPAGE;

	for (; addr < end && result == VM_FAULT_NOPAGE; addr += PAGE_SIZE)
		result = vmf_insert_pfn(vma, addr, pfn++);
	return result;
}

/* A fault maps all that one table can, first from where it happened on. */
static vm_fault_t map_around(const struct heap_buffer *buffer, struct vm_fault *vmf)
{
	struct vm_area_struct *vma = vmf->vma;
	unsigned long addr = vmf->address & PAGE_MASK;
	unsigned long start = max(addr & PMD_MASK, vma->vm_start);
	unsigned long end = min((addr & PMD_MASK) + PMD_SIZE, vma->vm_end);
	int error;

	if (map_huge_around(buffer, vmf))
		return VM_FAULT_NOPAGE;
	if (!buffer->page)
		return map_frames(buffer, vma, addr, end);
	error = map_pages(buffer, vma, addr, end);
	if (error)
		return vmf_error(error);
	map_pages(buffer, vma, start, addr);
	return VM_FAULT_NOPAGE;
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
	if (!buffer->revoked && vmf->pgoff < buffer->nr_pages)
		mapped = map_huge_around(buffer, vmf);
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
