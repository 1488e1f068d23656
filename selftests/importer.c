// SPDX-License-Identifier: GPL-2.0
/*
 * Devices that import dma-bufs, for the selftests. They attach, map and report what
 * they were given, in whatever order they are told.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/dma-buf.h>
#include <linux/dma-map-ops.h>
#include <linux/dma-mapping.h>
#include <linux/dma-resv.h>
#include <linux/err.h>
#include <linux/fs.h>
#include <linux/iosys-map.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/platform_device.h>
#include <linux/scatterlist.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "importer.h"

struct import {
	struct mutex lock;	/* one call at a time */
	struct dma_buf *dmabuf;
	struct dma_buf_attachment *attachment;
	struct sg_table *table;
	struct iosys_map map;	/* of the CPU; its address is NULL if there is none */
	atomic_t told;
};

static struct platform_device *device, *cached_device;

/*
 * A device that does not snoop: of the one buffer it has mapped it has a copy, and only
 * mapping and syncing make that and what the CPU sees the same.
 */
static void *cache;

static int map_cached(struct device *dev, struct scatterlist *sg, int nents,
		      enum dma_data_direction direction, unsigned long attrs)
{
	if (cache || nents != 1)
		return -EIO;
	cache = kvmalloc(sg->length, GFP_KERNEL);
	if (!cache)
		return -ENOMEM;
	memcpy(cache, sg_virt(sg), sg->length);
	sg_dma_address(sg) = sg_phys(sg);
	sg_dma_len(sg) = sg->length;
	return nents;
}

static void sync_for_cpu(struct device *dev, struct scatterlist *sg, int nents,
			 enum dma_data_direction direction)
{
	memcpy(sg_virt(sg), cache, sg->length);
}

static void sync_for_device(struct device *dev, struct scatterlist *sg, int nents,
			    enum dma_data_direction direction)
{
	memcpy(cache, sg_virt(sg), sg->length);
}

static void unmap_cached(struct device *dev, struct scatterlist *sg, int nents,
			 enum dma_data_direction direction, unsigned long attrs)
{
	sync_for_cpu(dev, sg, nents, direction);
	kvfree(cache);
	cache = NULL;
}

static const struct dma_map_ops cached_ops = {
	.map_sg			= map_cached,
	.unmap_sg		= unmap_cached,
	.sync_sg_for_cpu	= sync_for_cpu,
	.sync_sg_for_device	= sync_for_device,
};

static void move_notify(struct dma_buf_attachment *attachment)
{
	struct import *import = attachment->importer_priv;

	atomic_inc(&import->told);
}

static const struct dma_buf_attach_ops attach_ops = {
	.move_notify = move_notify,
};

static long attach(struct import *import, const struct importer_attach *arg)
{
	struct dma_buf_attachment *attachment;
	struct dma_buf *dmabuf;

	if (import->attachment)
		return -EBUSY;
	if (arg->kind == IMPORTER_CACHED && !get_dma_ops(&cached_device->dev))
		return -ENXIO;
	dmabuf = dma_buf_get(arg->fd);
	if (IS_ERR(dmabuf))
		return PTR_ERR(dmabuf);
	if (arg->kind == IMPORTER_DYNAMIC)
		attachment = dma_buf_dynamic_attach(dmabuf, &device->dev, &attach_ops, import);
	else
		attachment = dma_buf_attach(dmabuf, arg->kind == IMPORTER_CACHED ?
						    &cached_device->dev : &device->dev);
	if (IS_ERR(attachment)) {
		dma_buf_put(dmabuf);
		return PTR_ERR(attachment);
	}
	import->dmabuf = dmabuf;
	import->attachment = attachment;
	return 0;
}

static long map(struct import *import, struct importer_map *arg)
{
	struct sg_table *table;

	if (!import->attachment)
		return -ENOENT;
	if (import->table)
		return -EBUSY;
	table = dma_buf_map_attachment_unlocked(import->attachment, DMA_BIDIRECTIONAL);
	if (IS_ERR(table))
		return PTR_ERR(table);
	import->table = table;
	arg->dma = sg_dma_address(table->sgl);
	arg->bytes = sg_dma_len(table->sgl);
	arg->entries = table->nents;
	return 0;
}

static long unmap(struct import *import)
{
	if (!import->table)
		return -ENOENT;
	dma_buf_unmap_attachment_unlocked(import->attachment, import->table, DMA_BIDIRECTIONAL);
	import->table = NULL;
	return 0;
}

static long map_cpu(struct import *import)
{
	long error;

	if (!import->attachment)
		return -ENOENT;
	if (!iosys_map_is_null(&import->map))
		return -EBUSY;
	dma_resv_lock(import->dmabuf->resv, NULL);
	error = dma_buf_vmap(import->dmabuf, &import->map);
	dma_resv_unlock(import->dmabuf->resv);
	return error;
}

static long unmap_cpu(struct import *import)
{
	if (iosys_map_is_null(&import->map))
		return -ENOENT;
	dma_resv_lock(import->dmabuf->resv, NULL);
	dma_buf_vunmap(import->dmabuf, &import->map);
	dma_resv_unlock(import->dmabuf->resv);
	iosys_map_clear(&import->map);
	return 0;
}

static long access_cpu(struct import *import, struct importer_access *arg)
{
	u64 old;
	long error;

	if (iosys_map_is_null(&import->map))
		return -ENOENT;
	if (arg->offset % sizeof(u64) || arg->offset >= import->dmabuf->size)
		return -EINVAL;
	error = dma_buf_begin_cpu_access(import->dmabuf, DMA_BIDIRECTIONAL);
	if (error)
		return error;
	iosys_map_memcpy_from(&old, &import->map, arg->offset, sizeof(old));
	iosys_map_memcpy_to(&import->map, arg->offset, &arg->value, sizeof(old));
	arg->value = old;
	return dma_buf_end_cpu_access(import->dmabuf, DMA_BIDIRECTIONAL);
}

static long access_device(struct import *import, struct importer_access *arg)
{
	if (!import->table || import->attachment->dev != &cached_device->dev)
		return -ENOENT;
	if (arg->offset % sizeof(u64) || arg->offset >= import->dmabuf->size)
		return -EINVAL;
	swap(*(u64 *)(cache + arg->offset), arg->value);
	return 0;
}

/* As a driver whose device does not answer. */
static long stick(struct import *import)
{
	if (!import->attachment)
		return -ENOENT;
	dma_resv_lock(import->dmabuf->resv, NULL);
	while (!fatal_signal_pending(current))
		schedule_timeout_killable(HZ);
	dma_resv_unlock(import->dmabuf->resv);
	return -EINTR;
}

static long is_stuck(const struct import *import)
{
	return import->attachment ? dma_resv_is_locked(import->dmabuf->resv) : -ENOENT;
}

/* All of it, whatever there is. */
static long detach(struct import *import)
{
	if (!import->attachment)
		return -ENOENT;
	unmap_cpu(import);
	unmap(import);
	dma_buf_detach(import->dmabuf, import->attachment);
	dma_buf_put(import->dmabuf);
	import->attachment = NULL;
	import->dmabuf = NULL;
	return 0;
}

static long do_ioctl(struct import *import, unsigned int cmd, void *arg)
{
	switch (cmd) {
	case IMPORTER_ATTACH:	return attach(import, arg);
	case IMPORTER_DETACH:	return detach(import);
	case IMPORTER_MAP:	return map(import, arg);
	case IMPORTER_UNMAP:	return unmap(import);
	case IMPORTER_VMAP:	return map_cpu(import);
	case IMPORTER_VUNMAP:	return unmap_cpu(import);
	case IMPORTER_ACCESS:	return access_cpu(import, arg);
	case IMPORTER_TOLD:	return atomic_read(&import->told);
	case IMPORTER_STICK:	return stick(import);
	case IMPORTER_STUCK:	return is_stuck(import);
	case IMPORTER_DMA_ACCESS: return access_device(import, arg);
	}
	return -ENOTTY;
}

static long import_ioctl(struct file *file, unsigned int cmd, unsigned long user)
{
	union {
		struct importer_attach attach;
		struct importer_map map;
		struct importer_access access;
	} arg = {};
	struct import *import = file->private_data;
	size_t size = min_t(size_t, _IOC_SIZE(cmd), sizeof(arg));
	long result;

	if (cmd & IOC_IN && copy_from_user(&arg, (void __user *)user, size))
		return -EFAULT;
	mutex_lock(&import->lock);
	result = do_ioctl(import, cmd, &arg);
	mutex_unlock(&import->lock);
	if (!result && cmd & IOC_OUT && copy_to_user((void __user *)user, &arg, size))
		return -EFAULT;
	return result;
}

static int import_open(struct inode *inode, struct file *file)
{
	struct import *import = kzalloc(sizeof(*import), GFP_KERNEL);

	if (!import)
		return -ENOMEM;
	mutex_init(&import->lock);
	file->private_data = import;
	return 0;
}

static int import_release(struct inode *inode, struct file *file)
{
	struct import *import = file->private_data;

	detach(import);
	kfree(import);
	return 0;
}

static const struct file_operations import_fops = {
	.owner		= THIS_MODULE,
	.open		= import_open,
	.release	= import_release,
	.unlocked_ioctl	= import_ioctl,
	.compat_ioctl	= compat_ptr_ioctl,
};

static struct miscdevice import_misc = {
	.minor	= MISC_DYNAMIC_MINOR,
	.name	= "respool_importer",
	.mode	= 0600,
	.fops	= &import_fops,
};

static struct platform_device *new_device(const char *name, const struct dma_map_ops *ops)
{
	struct platform_device *new;
	int error;

	new = platform_device_register_simple(name, PLATFORM_DEVID_NONE, NULL, 0);
	if (IS_ERR(new))
		return new;
	if (ops)
		set_dma_ops(&new->dev, ops);
	dma_set_max_seg_size(&new->dev, UINT_MAX);	/* a buffer is one piece, however long */
	error = dma_coerce_mask_and_coherent(&new->dev, DMA_BIT_MASK(64));
	if (!error)
		return new;
	platform_device_unregister(new);
	return ERR_PTR(error);
}

static int __init import_init(void)
{
	int error;

	device = new_device("respool_importer", NULL);
	if (IS_ERR(device))
		return PTR_ERR(device);
	cached_device = new_device("respool_importer_cached", &cached_ops);
	error = PTR_ERR_OR_ZERO(cached_device);
	if (error)
		goto err_device;
	error = misc_register(&import_misc);
	if (!error)
		return 0;
	platform_device_unregister(cached_device);
err_device:
	platform_device_unregister(device);
	return error;
}

static void __exit import_exit(void)
{
	misc_deregister(&import_misc);
	platform_device_unregister(cached_device);
	platform_device_unregister(device);
}

module_init(import_init);
module_exit(import_exit);

MODULE_AUTHOR("respool maintainers");
MODULE_DESCRIPTION("A device that imports dma-bufs, for respool's selftests");
MODULE_LICENSE("GPL");
MODULE_IMPORT_NS(DMA_BUF);
