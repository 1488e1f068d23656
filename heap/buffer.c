// SPDX-License-Identifier: GPL-2.0
/*
 * A buffer: contiguous pages of a pool behind a dma-buf.
 *
 * When its pages go back. The dma-buf itself ends when the last descriptor,
 * mapping and importer is gone, and dma-buf core sees to that. Beyond it others
 * may still refer to struct pages: what is under way with O_DIRECT or io_uring,
 * a pipe that vmsplice() filled, a device that RDMA registered. They took a
 * reference on each page while a mapping of theirs existed. The pool holds one
 * reference of its own, on each page or on each piece of joined ones, so:
 *
 *   Once the dma-buf is gone or revoked, and no device and no kernel user has
 *   it mapped, the pages go back when the reference count of each is or has since
 *   been seen at one.
 *
 * "Has since been seen" will do, as without page tables that map it nobody can
 * get at a page whose last reference but the pool's is gone. What walks page
 * tables without locks, or memory by frame numbers, may raise a count for a
 * moment; it finds the page unmapped and lets go without looking inside. Until
 * then a worker looks again, and the buffer is charged to its owner.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/dma-buf.h>
#include <linux/dma-mapping.h>
#include <linux/dma-resv.h>
#include <linux/highmem.h>
#include <linux/iosys-map.h>
#include <linux/log2.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/scatterlist.h>
#include <linux/sched/signal.h>
#include <linux/sizes.h>
#include <linux/slab.h>
#include <linux/timekeeping.h>
#include <linux/vmalloc.h>
#include <linux/wait.h>
#include <linux/wait_bit.h>

#include "heap/heap.h"

/* Between two looks at pages that others refer to, in jiffies. */
#define FIRST_DELAY	max(HZ / 100, 1)
#define LAST_DELAY	HZ

/* One entry of a scatterlist holds no more, as its length is an unsigned int. */
#define ENTRY_BYTES	SZ_2G

/* The pages that are looked at before others get to run. */
#define STEP_PAGES	((unsigned long)SZ_2M >> PAGE_SHIFT)

/* Process and command, as the dma-buf's name. */
#define OWNER_LEN	(sizeof("2147483647:") + TASK_COMM_LEN)

/* One device's mapping of a buffer. */
struct heap_mapping {
	struct sg_table table;
	struct device *dev;
	struct list_head node;		/* buffer->lock: on buffer->mappings */
};

static struct workqueue_struct *looks;

/* The way back */

/* Whether all pages have been seen without another's reference; goes on where it stopped. */
static bool pages_idle(struct heap_buffer *buffer)
{
	unsigned long idle, step;

	lockdep_assert_held_write(&buffer->lock);
	if (!buffer->page)
		return true;
	do {
		step = min(buffer->nr_pages - buffer->nr_idle, STEP_PAGES);
		idle = heap_split_idle(nth_page(buffer->page, buffer->nr_idle), step);
		buffer->nr_idle += idle;
		cond_resched();
	} while (step && idle >= step);
	return !step;
}

/* The pages of a closed or revoked buffer, if nobody else has them. */
static void *take_pages(struct heap_buffer *buffer)
{
	void *vaddr = NULL;

	down_write(&buffer->lock);
	if (list_empty(&buffer->mappings) && !buffer->nr_vmaps && pages_idle(buffer)) {
		vaddr = buffer->vaddr;
		buffer->vaddr = NULL;
	}
	up_write(&buffer->lock);
	return vaddr;
}

/* Return: whether the pages of a closed or revoked buffer are back now. */
static bool give_back(struct heap_buffer *buffer)
{
	struct heap *heap = buffer->heap;
	void *vaddr = take_pages(buffer);

	if (!vaddr)
		return !buffer->vaddr;
	mutex_lock(&heap->lock);
	list_del(&buffer->node);
	mutex_unlock(&heap->lock);
	if (buffer->accessed)
		respool_free_block(heap->pool, vaddr);
	else
		respool_free_cleared(heap->pool, vaddr);	/* as they were handed out */
	heap_uncharge(buffer->file, buffer->nr_pages, buffer->locked);
	return true;
}

static void look_later(struct heap_buffer *buffer)
{
	buffer->delay = clamp_t(unsigned long, buffer->delay * 2, FIRST_DELAY, LAST_DELAY);
	queue_delayed_work(looks, &buffer->work, buffer->delay);
}

static void look_at_revoked(struct work_struct *work)
{
	struct heap_buffer *buffer = container_of(work, struct heap_buffer, work.work);

	if (!give_back(buffer))
		look_later(buffer);
}

static void destroy(struct heap_buffer *buffer)
{
	iput(buffer->inode);
	kfree(buffer);
}

static void look_at_closed(struct work_struct *work)
{
	struct heap_buffer *buffer = container_of(work, struct heap_buffer, work.work);

	if (!give_back(buffer)) {
		look_later(buffer);
		return;
	}
	destroy(buffer);
	module_put(THIS_MODULE);	/* heap_buffers_exit() waits until we have returned */
}

static void heap_release(struct dma_buf *dmabuf)
{
	struct heap_buffer *buffer = dmabuf->priv;

	mutex_lock(&buffer->heap->lock);
	buffer->closed = true;		/* from here on nobody else begins to revoke it */
	mutex_unlock(&buffer->heap->lock);
	wait_var_event(&buffer->nr_revoking, !atomic_read_acquire(&buffer->nr_revoking));
	if (READ_ONCE(buffer->revoked))
		cancel_delayed_work_sync(&buffer->work);
	if (give_back(buffer)) {
		destroy(buffer);
		return;
	}
	__module_get(THIS_MODULE);
	INIT_DELAYED_WORK(&buffer->work, look_at_closed);
	look_later(buffer);
}

/* Devices */

static int heap_attach(struct dma_buf *dmabuf, struct dma_buf_attachment *attachment)
{
	struct heap_buffer *buffer = dmabuf->priv;

	/* Devices are shown struct pages. */
	if (!buffer->page)
		return -EOPNOTSUPP;
	return READ_ONCE(buffer->revoked) ? -ENODEV : 0;
}

static struct heap_mapping *new_mapping(const struct heap_buffer *buffer, struct device *dev)
{
	struct heap_mapping *mapping = kzalloc(sizeof(*mapping), GFP_KERNEL);
	u64 left = (u64)buffer->nr_pages << PAGE_SHIFT;
	struct page *page = buffer->page;
	struct scatterlist *sg;
	unsigned int i, bytes;

	if (!mapping)
		return NULL;
	mapping->dev = dev;
	if (sg_alloc_table(&mapping->table, DIV_ROUND_UP_ULL(left, ENTRY_BYTES), GFP_KERNEL)) {
		kfree(mapping);
		return NULL;
	}
	for_each_sgtable_sg(&mapping->table, sg, i) {
		bytes = min_t(u64, left, ENTRY_BYTES);
		sg_set_page(sg, page, bytes, 0);
		page = nth_page(page, bytes >> PAGE_SHIFT);
		left -= bytes;
	}
	return mapping;
}

static void free_mapping(struct heap_mapping *mapping)
{
	sg_free_table(&mapping->table);
	kfree(mapping);
}

static struct sg_table *heap_map_dma_buf(struct dma_buf_attachment *attachment,
					 enum dma_data_direction direction)
{
	struct heap_buffer *buffer = attachment->dmabuf->priv;
	struct heap_mapping *mapping = new_mapping(buffer, attachment->dev);
	int error = -ENODEV;

	if (!mapping)
		return ERR_PTR(-ENOMEM);
	down_write(&buffer->lock);
	if (!buffer->revoked)
		error = dma_map_sgtable(attachment->dev, &mapping->table, direction, 0);
	if (!error) {
		list_add(&mapping->node, &buffer->mappings);
		buffer->accessed = true;
	}
	up_write(&buffer->lock);
	if (!error)
		return &mapping->table;
	free_mapping(mapping);
	return ERR_PTR(error);
}

/* Somebody has let go: perhaps that was what a revoked buffer waited for. */
static void look_now(struct heap_buffer *buffer)
{
	if (buffer->revoked)
		mod_delayed_work(looks, &buffer->work, 0);
}

static void heap_unmap_dma_buf(struct dma_buf_attachment *attachment, struct sg_table *table,
			       enum dma_data_direction direction)
{
	struct heap_mapping *mapping = container_of(table, struct heap_mapping, table);
	struct heap_buffer *buffer = attachment->dmabuf->priv;

	down_write(&buffer->lock);
	list_del(&mapping->node);
	dma_unmap_sgtable(attachment->dev, table, direction, 0);
	look_now(buffer);
	up_write(&buffer->lock);
	free_mapping(mapping);
}

/* The CPU, in the kernel */

static int heap_begin_cpu_access(struct dma_buf *dmabuf, enum dma_data_direction direction)
{
	struct heap_buffer *buffer = dmabuf->priv;
	struct heap_mapping *mapping;
	int error = 0;

	down_read(&buffer->lock);
	if (buffer->revoked)
		error = -ENODEV;
	else
		list_for_each_entry(mapping, &buffer->mappings, node)
			dma_sync_sgtable_for_cpu(mapping->dev, &mapping->table, direction);
	up_read(&buffer->lock);
	return error;
}

static int heap_end_cpu_access(struct dma_buf *dmabuf, enum dma_data_direction direction)
{
	struct heap_buffer *buffer = dmabuf->priv;
	struct heap_mapping *mapping;

	down_read(&buffer->lock);
	list_for_each_entry(mapping, &buffer->mappings, node)
		dma_sync_sgtable_for_device(mapping->dev, &mapping->table, direction);
	up_read(&buffer->lock);
	return 0;
}

/*
 * Dma-buf core takes an exporter that cannot do this for broken and warns. So who
 * comes when the buffer is revoked gets one page, of nothing, again and again.
 */
static void *map_stand_in(unsigned long nr_pages)
{
	struct page *page = alloc_page(GFP_KERNEL | __GFP_ZERO);
	struct page **pages = kvmalloc_array(nr_pages, sizeof(*pages), GFP_KERNEL);
	void *vaddr = NULL;
	unsigned long i;

	if (page && pages) {
		for (i = 0; i < nr_pages; i++)
			pages[i] = page;
		vaddr = vmap(pages, nr_pages, VM_MAP, PAGE_KERNEL);
	}
	kvfree(pages);
	if (!vaddr && page)
		__free_page(page);
	return vaddr;
}

static void unmap_stand_in(void *vaddr)
{
	struct page *page = vmalloc_to_page(vaddr);

	vunmap(vaddr);
	__free_page(page);
}

/* A pool is contiguous in the kernel's eyes, too: there is nothing to map. */
static int heap_vmap(struct dma_buf *dmabuf, struct iosys_map *map)
{
	struct heap_buffer *buffer = dmabuf->priv;
	void *vaddr = NULL;

	down_write(&buffer->lock);
	if (!buffer->revoked) {
		buffer->nr_vmaps++;
		buffer->accessed = true;
		vaddr = buffer->vaddr;
	}
	up_write(&buffer->lock);
	if (!vaddr)
		vaddr = map_stand_in(buffer->nr_pages);
	if (!vaddr)
		return -ENOMEM;
	iosys_map_set_vaddr(map, vaddr);
	return 0;
}

static void heap_vunmap(struct dma_buf *dmabuf, struct iosys_map *map)
{
	struct heap_buffer *buffer = dmabuf->priv;
	void *vaddr = map->vaddr;
	bool stand_in;

	iosys_map_clear(map);
	down_write(&buffer->lock);
	stand_in = vaddr != buffer->vaddr;
	if (!stand_in) {
		buffer->nr_vmaps--;
		look_now(buffer);
	}
	up_write(&buffer->lock);
	if (stand_in)
		unmap_stand_in(vaddr);
}

static const struct dma_buf_ops heap_dma_buf_ops = {
	.attach			= heap_attach,
	.map_dma_buf		= heap_map_dma_buf,
	.unmap_dma_buf		= heap_unmap_dma_buf,
	.begin_cpu_access	= heap_begin_cpu_access,
	.end_cpu_access		= heap_end_cpu_access,
	.mmap			= heap_mmap,
	.vmap			= heap_vmap,
	.vunmap			= heap_vunmap,
	.release		= heap_release,
};

/* Revocation */

/* Importers may hold the reservation lock for long, so no lock of ours is held here. */
static int tell_importers(struct dma_buf *dmabuf)
{
	int error = dma_resv_lock_interruptible(dmabuf->resv, NULL);

	if (error)
		return error;
	dma_buf_move_notify(dmabuf);
	dma_resv_unlock(dmabuf->resv);
	return 0;
}

static int revoke(struct heap_buffer *buffer)
{
	bool before;
	int error;

	down_write(&buffer->lock);
	before = buffer->revoked;
	WRITE_ONCE(buffer->revoked, true);
	up_write(&buffer->lock);
	/* Who faulted before is unmapped here; who faults from now on gets SIGBUS. */
	unmap_mapping_range(buffer->inode->i_mapping, 0, 0, 1);
	if (!before)
		pr_info("heap %s: buffer %lu of %lu pages revoked from %s, process %d\n",
			respool_name(buffer->heap->pool), buffer->inode->i_ino, buffer->nr_pages,
			buffer->comm, buffer->pid);
	error = tell_importers(buffer->dmabuf);
	queue_delayed_work(looks, &buffer->work, 0);
	return error;
}

/* A buffer that stays until stop_revoking(), or %NULL if there is none that is open. */
static struct heap_buffer *start_revoking(struct heap *heap, unsigned long ino)
{
	struct heap_buffer *buffer, *found = NULL;

	mutex_lock(&heap->lock);
	list_for_each_entry(buffer, &heap->buffers, node) {
		if (buffer->inode->i_ino != ino || buffer->closed)
			continue;
		atomic_inc(&buffer->nr_revoking);
		found = buffer;
		break;
	}
	mutex_unlock(&heap->lock);
	return found;
}

/* Once the count is zero heap_release() may free it: then only the address matters. */
static void stop_revoking(struct heap_buffer *buffer)
{
	if (atomic_dec_and_test(&buffer->nr_revoking))
		wake_up_var(&buffer->nr_revoking);
}

/*
 * Take buffer @ino from those who have it: users' mappings are gone, importers
 * that can be told are told, nobody gets at it any more. Its pages go back once
 * devices and others that hold on to them let go; on return they are back if
 * there are none.
 * Return: 0, -ENOENT for no such buffer that is open, or -EINTR if a signal came
 * before the importers were told, which may be tried again.
 */
int heap_revoke(struct heap *heap, unsigned long ino)
{
	struct heap_buffer *buffer = start_revoking(heap, ino);
	int error;

	if (!buffer)
		return -ENOENT;
	error = revoke(buffer);
	stop_revoking(buffer);
	flush_workqueue(looks);
	return error;
}

/* Making one */

static size_t align_of(unsigned long nr_pages)
{
	return min_t(size_t, roundup_pow_of_two(nr_pages) << PAGE_SHIFT, SZ_2M);
}

/* Contiguous zeroed pages, aligned to their size up to 2 MiB, or %NULL. */
void *heap_try_alloc(struct heap *heap, unsigned long nr_pages)
{
	struct respool_request request = {
		.nr_pages = nr_pages,
		.align = align_of(nr_pages),
		.flags = RESPOOL_SCAN | RESPOOL_MAY_SLEEP,
	};

	if (is_power_of_2(nr_pages) && nr_pages << PAGE_SHIFT <= SZ_2M &&
	    ilog2(nr_pages) <= respool_max_order(heap->pool))
		return respool_alloc_pages(heap->pool, ilog2(nr_pages), GFP_KERNEL | __GFP_ZERO);
	return respool_alloc_request(heap->pool, &request, GFP_KERNEL | __GFP_ZERO);
}

/* Whether heap_try_alloc() would find pages now. */
bool heap_would_serve(struct heap *heap, unsigned long nr_pages)
{
	struct respool_request request = {
		.align = align_of(nr_pages),
		.flags = RESPOOL_SCAN,
	};

	return respool_largest(heap->pool, &request) >= nr_pages;
}

/* Pages within @timeout jiffies, or ERR_PTR: -ENOMEM, or -EINTR for a signal. */
static void *alloc_within(struct heap *heap, unsigned long nr_pages, long timeout)
{
	DEFINE_WAIT_FUNC(wait, woken_wake_function);	/* a try may sleep itself */
	void *vaddr = heap_try_alloc(heap, nr_pages);
	struct wait_queue_head *frees;

	if (!vaddr && timeout) {
		frees = respool_watch(heap->pool);
		add_wait_queue(frees, &wait);
		while (!(vaddr = heap_try_alloc(heap, nr_pages)) && timeout &&
		       !signal_pending(current))
			timeout = wait_woken(&wait, TASK_INTERRUPTIBLE, timeout);
		remove_wait_queue(frees, &wait);
		respool_unwatch(heap->pool);
	}
	if (vaddr)
		return vaddr;
	return ERR_PTR(timeout ? -EINTR : -ENOMEM);
}

static struct heap_buffer *new_buffer(struct heap_file *file, unsigned long nr_pages)
{
	struct heap_buffer *buffer = kzalloc(sizeof(*buffer), GFP_KERNEL);

	if (!buffer)
		return NULL;
	buffer->heap = file->heap;
	buffer->file = file;
	buffer->nr_pages = nr_pages;
	buffer->pid = task_tgid_nr(current);
	get_task_comm(buffer->comm, current);
	buffer->since = ktime_get_boottime_seconds();
	init_rwsem(&buffer->lock);
	INIT_LIST_HEAD(&buffer->mappings);
	INIT_DELAYED_WORK(&buffer->work, look_at_revoked);
	return buffer;
}

/* The dma-buf's own name says whose it is, to all that list dma-bufs. */
static struct dma_buf *export(struct heap_buffer *buffer, unsigned int fd_flags)
{
	DEFINE_DMA_BUF_EXPORT_INFO(info);
	struct dma_buf *dmabuf;
	char *name = kmalloc(OWNER_LEN, GFP_KERNEL);

	if (!name)
		return ERR_PTR(-ENOMEM);
	snprintf(name, OWNER_LEN, "%d:%s", buffer->pid, buffer->comm);
	info.exp_name = respool_name(buffer->heap->pool);
	info.ops = &heap_dma_buf_ops;
	info.size = buffer->nr_pages << PAGE_SHIFT;
	info.flags = fd_flags;
	info.priv = buffer;
	dmabuf = dma_buf_export(&info);
	if (IS_ERR(dmabuf)) {
		kfree(name);
		return dmabuf;
	}
	dmabuf->name = name;
	return dmabuf;
}

static void publish(struct heap_buffer *buffer, struct dma_buf *dmabuf)
{
	struct heap *heap = buffer->heap;

	if (buffer->page)
		heap_join_pages(buffer->page, buffer->nr_pages);
	buffer->dmabuf = dmabuf;
	buffer->inode = file_inode(dmabuf->file);
	ihold(buffer->inode);
	mutex_lock(&heap->lock);
	list_add_tail(&buffer->node, &heap->buffers);
	mutex_unlock(&heap->lock);
}

/*
 * A new buffer, charged to @file. @fd_flags are what its descriptors are opened
 * with; waits @timeout jiffies at most.
 * Return: its dma-buf, or ERR_PTR: -EDQUOT, -ENOMEM, -EINTR.
 */
struct dma_buf *heap_buffer_create(struct heap_file *file, unsigned long nr_pages,
				   unsigned int fd_flags, long timeout)
{
	struct respool *pool = file->heap->pool;
	struct heap_buffer *buffer;
	struct dma_buf *dmabuf;
	int error;

	if (nr_pages > respool_nr_pages(pool))
		return ERR_PTR(-ENOMEM);
	buffer = new_buffer(file, nr_pages);
	if (!buffer)
		return ERR_PTR(-ENOMEM);
	error = heap_charge(file, nr_pages, &buffer->locked);
	if (error)
		goto err_buffer;
	buffer->vaddr = alloc_within(file->heap, nr_pages, timeout);
	if (IS_ERR(buffer->vaddr)) {
		error = PTR_ERR(buffer->vaddr);
		goto err_charge;
	}
	buffer->page = respool_virt_to_page(pool, buffer->vaddr);
	buffer->phys = respool_virt_to_phys(pool, buffer->vaddr);
	dmabuf = export(buffer, fd_flags);
	if (IS_ERR(dmabuf)) {
		error = PTR_ERR(dmabuf);
		goto err_pages;
	}
	publish(buffer, dmabuf);
	return dmabuf;

err_pages:
	respool_free_block(pool, buffer->vaddr);
err_charge:
	heap_uncharge(file, nr_pages, buffer->locked);
err_buffer:
	kfree(buffer);
	return ERR_PTR(error);
}

int heap_buffers_init(void)
{
	looks = alloc_workqueue("respool_heap", WQ_UNBOUND, 0);
	return looks ? 0 : -ENOMEM;
}

void heap_buffers_exit(void)
{
	destroy_workqueue(looks);
}
