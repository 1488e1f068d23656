// SPDX-License-Identifier: GPL-2.0
/*
 * A node for each pool, /dev/dma_heap/POOL, with the interface of
 * <linux/dma-heap.h>. The kernel's own heaps register with a core that is not
 * open to modules; where it is there, ours stand beside them in its directory.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/compat.h>
#include <linux/debugfs.h>
#include <linux/device.h>
#include <linux/dma-buf.h>
#include <linux/err.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/jiffies.h>
#include <linux/kernel.h>
#include <linux/kstrtox.h>
#include <linux/module.h>
#include <linux/namei.h>
#include <linux/path.h>
#include <linux/poll.h>
#include <linux/sched/user.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/timekeeping.h>
#include <linux/uaccess.h>
#include <linux/user_namespace.h>

#include <uapi/linux/dma-heap.h>

#include "heap/heap.h"

static char *pools = "";
module_param(pools, charp, 0444);
MODULE_PARM_DESC(pools, "Pools that get a node, by name: NAME[,NAME...] (default every pool with memory)");

/* What each heap begins with; root may change it for one in sysfs. */
static unsigned int wait_ms;
module_param(wait_ms, uint, 0444);
MODULE_PARM_DESC(wait_ms, "How long an allocation waits for pages to come back, in milliseconds, unless the node is opened with O_NONBLOCK (default 0)");

/* A number of bytes, with suffix K, M, G or T. */
static int parse_bytes(const char *text, unsigned long *value)
{
	char *end;
	unsigned long long bytes = memparse(text, &end);

	if (end == text || (*end && strcmp(end, "\n")) || bytes > ULONG_MAX)
		return -EINVAL;
	WRITE_ONCE(*value, bytes);
	return 0;
}

static int set_bytes(const char *text, const struct kernel_param *param)
{
	return parse_bytes(text, param->arg);
}

static const struct kernel_param_ops bytes_ops = {
	.set	= set_bytes,
	.get	= param_get_ulong,
};

static unsigned long user_quota, file_quota;
module_param_cb(user_quota, &bytes_ops, &user_quota, 0444);
MODULE_PARM_DESC(user_quota, "Bytes of each pool that one user may hold, suffix K, M, G or T (default 0: any number)");
module_param_cb(file_quota, &bytes_ops, &file_quota, 0444);
MODULE_PARM_DESC(file_quota, "Bytes of each pool that may be held through one open node (default 0: any number)");

static LIST_HEAD(heaps);	/* changes at load and unload only */
static bool loaded;		/* and no longer can fail to, which would not wait for open nodes */
static struct dentry *debugfs_root;

static struct heap *heap_of(const struct miscdevice *misc)
{
	return container_of(misc, struct heap, misc);
}

/* The node */

static int heap_open(struct inode *inode, struct file *file)
{
	struct heap_file *f;

	if (!READ_ONCE(loaded))
		return -ENODEV;
	f = heap_file_open(heap_of(file->private_data), file);
	if (!f)
		return -ENOMEM;
	file->private_data = f;
	return nonseekable_open(inode, file);
}

static int heap_close(struct inode *inode, struct file *file)
{
	struct heap_file *f = file->private_data;

	if (f->frees)
		respool_unwatch(f->heap->pool);
	heap_file_put(f);
	return 0;
}

static struct dma_buf *allocate(struct file *file, const struct dma_heap_allocation_data *data)
{
	size_t bytes = PAGE_ALIGN(data->len);
	struct heap_file *f = file->private_data;
	struct dma_buf *dmabuf;
	long timeout = 0;

	if (data->fd || !bytes || data->fd_flags & ~DMA_HEAP_VALID_FD_FLAGS ||
	    data->heap_flags & ~DMA_HEAP_VALID_HEAP_FLAGS)
		return ERR_PTR(-EINVAL);
	if (!(file->f_flags & O_NONBLOCK))
		timeout = msecs_to_jiffies(READ_ONCE(f->heap->wait_ms));
	dmabuf = heap_buffer_create(f, bytes >> PAGE_SHIFT, data->fd_flags, timeout);
	WRITE_ONCE(f->wanted, dmabuf == ERR_PTR(-ENOMEM) ? bytes >> PAGE_SHIFT : 0);
	return dmabuf;
}

/* As the core of the kernel's heaps does, the descriptor is reported first, then made. */
static int allocate_for_user(struct file *file, struct dma_heap_allocation_data *data,
			     void __user *arg, size_t out_size)
{
	struct dma_buf *dmabuf = allocate(file, data);
	int fd;

	if (IS_ERR(dmabuf))
		return PTR_ERR(dmabuf);
	fd = get_unused_fd_flags(data->fd_flags);
	if (fd < 0) {
		dma_buf_put(dmabuf);
		return fd;
	}
	data->fd = fd;
	if (copy_to_user(arg, data, out_size)) {
		put_unused_fd(fd);
		dma_buf_put(dmabuf);
		return -EFAULT;
	}
	fd_install(fd, dmabuf->file);
	return 0;
}

/*
 * Also as there: the argument may be shorter than ours, and is then as if it
 * went on with zeros, or longer, and then the rest means nothing to us.
 */
static long heap_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct dma_heap_allocation_data data = {};
	size_t size = min_t(size_t, _IOC_SIZE(cmd), sizeof(data));
	void __user *user = (void __user *)arg;

	if (_IOC_TYPE(cmd) != DMA_HEAP_IOC_MAGIC)
		return -ENOTTY;
	if (_IOC_NR(cmd) != _IOC_NR(DMA_HEAP_IOCTL_ALLOC))
		return -EINVAL;
	if (copy_from_user(&data, user, cmd & IOC_IN ? size : 0))
		return -EFAULT;
	return allocate_for_user(file, &data, user, cmd & IOC_OUT ? size : 0);
}

/* From now on until the node is closed, frees wake those who poll. */
static struct wait_queue_head *watch(struct heap_file *f)
{
	mutex_lock(&f->heap->lock);
	if (!f->frees)
		f->frees = respool_watch(f->heap->pool);
	mutex_unlock(&f->heap->lock);
	return f->frees;
}

/* Readable unless the last allocation found too few pages and still would. */
static __poll_t heap_poll(struct file *file, struct poll_table_struct *table)
{
	struct heap_file *f = file->private_data;
	unsigned long wanted;

	poll_wait(file, watch(f), table);
	wanted = READ_ONCE(f->wanted);
	return wanted && !heap_would_serve(f->heap, wanted) ? 0 : EPOLLIN | EPOLLRDNORM;
}

static const struct file_operations heap_fops = {
	.owner		= THIS_MODULE,
	.open		= heap_open,
	.release	= heap_close,
	.unlocked_ioctl	= heap_ioctl,
	.compat_ioctl	= compat_ptr_ioctl,
	.poll		= heap_poll,
	.llseek		= noop_llseek,
};

/* What root can do: files in /sys/class/misc/respool_heap-POOL */

static ssize_t revoke_store(struct device *dev, struct device_attribute *attr, const char *text,
			    size_t len)
{
	unsigned long ino;
	int error = kstrtoul(text, 0, &ino);

	if (!error)
		error = heap_revoke(heap_of(dev_get_drvdata(dev)), ino);
	return error ? error : len;
}
static DEVICE_ATTR_WO(revoke);

static int parse_ms(const char *text, unsigned long *value)
{
	unsigned int ms;
	int error = kstrtouint(text, 0, &ms);

	if (!error)
		WRITE_ONCE(*value, ms);
	return error;
}

/* A number of a heap that root may change. */
struct limit {
	struct device_attribute attr;
	size_t offset;
	int (*parse)(const char *text, unsigned long *value);
};

static unsigned long *value_of(const struct limit *limit, struct device *dev)
{
	return (void *)heap_of(dev_get_drvdata(dev)) + limit->offset;
}

static ssize_t limit_show(struct device *dev, struct device_attribute *attr, char *text)
{
	struct limit *limit = container_of(attr, struct limit, attr);

	return sysfs_emit(text, "%lu\n", READ_ONCE(*value_of(limit, dev)));
}

static ssize_t limit_store(struct device *dev, struct device_attribute *attr, const char *text,
			   size_t len)
{
	struct limit *limit = container_of(attr, struct limit, attr);
	int error = limit->parse(text, value_of(limit, dev));

	return error ? error : len;
}

#define LIMIT(name, parse)						\
	static struct limit limit_##name = {				\
		__ATTR(name, 0644, limit_show, limit_store),		\
		offsetof(struct heap, name), parse			\
	}

LIMIT(user_quota, parse_bytes);
LIMIT(file_quota, parse_bytes);
LIMIT(wait_ms, parse_ms);

static struct attribute *heap_attrs[] = {
	&dev_attr_revoke.attr,
	&limit_user_quota.attr.attr,
	&limit_file_quota.attr.attr,
	&limit_wait_ms.attr.attr,
	NULL
};
ATTRIBUTE_GROUPS(heap);

/* What root can see: /sys/kernel/debug/respool_heap/POOL/owners */

static const char *state_of(const struct heap_buffer *buffer)
{
	if (buffer->closed)
		return "closed";
	return READ_ONCE(buffer->revoked) ? "revoked" : "open";
}

static int owners_show(struct seq_file *m, void *unused)
{
	time64_t now = ktime_get_boottime_seconds();
	struct heap *heap = m->private;
	struct heap_buffer *buffer;

	seq_puts(m, "buffer pages uid pid seconds state comm\n");
	mutex_lock(&heap->lock);
	list_for_each_entry(buffer, &heap->buffers, node) {
		seq_printf(m, "%lu %lu %u %d %lld %s ", buffer->inode->i_ino, buffer->nr_pages,
			   from_kuid(&init_user_ns, buffer->file->user->user->uid), buffer->pid,
			   now - buffer->since, state_of(buffer));
		/* One word in a row of its own, whatever a task calls itself. */
		seq_escape(m, buffer->comm, " \t\n\\");
		seq_putc(m, '\n');
	}
	mutex_unlock(&heap->lock);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(owners);

static int users_show(struct seq_file *m, void *unused)
{
	struct heap *heap = m->private;
	struct heap_user *user;

	seq_puts(m, "uid pages\n");
	mutex_lock(&heap->lock);
	list_for_each_entry(user, &heap->users, node)
		seq_printf(m, "%u %lu\n", from_kuid(&init_user_ns, user->user->uid), user->pages);
	mutex_unlock(&heap->lock);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(users);

/* Load and unload */

/* Somebody else's node would be hidden by ours or ours by it. */
static bool node_exists(const struct heap *heap)
{
	char name[sizeof("/dev/") + sizeof(heap->nodename)];
	struct path path;

	snprintf(name, sizeof(name), "/dev/%s", heap->nodename);
	if (kern_path(name, 0, &path))
		return false;
	path_put(&path);
	return true;
}

static int add_node(struct heap *heap)
{
	const char *pool = respool_name(heap->pool);
	int error;

	snprintf(heap->name, sizeof(heap->name), "respool_heap-%s", pool);
	snprintf(heap->nodename, sizeof(heap->nodename), "dma_heap/%s", pool);
	if (node_exists(heap)) {
		pr_err("heap %s refused: there is a /dev/%s already\n", pool, heap->nodename);
		return -EEXIST;
	}
	heap->misc.minor = MISC_DYNAMIC_MINOR;
	heap->misc.name = heap->name;
	heap->misc.nodename = heap->nodename;
	heap->misc.mode = 0600;
	heap->misc.fops = &heap_fops;
	heap->misc.groups = heap_groups;
	error = misc_register(&heap->misc);
	if (error)
		pr_err("heap %s refused: no device: %d\n", pool, error);
	return error;
}

static void add_debugfs(struct heap *heap)
{
	heap->debugfs = debugfs_create_dir(respool_name(heap->pool), debugfs_root);
	debugfs_create_file("owners", 0400, heap->debugfs, heap, &owners_fops);
	debugfs_create_file("users", 0400, heap->debugfs, heap, &users_fops);
}

static int add_heap(struct respool *pool)
{
	struct heap *heap = kzalloc(sizeof(*heap), GFP_KERNEL);
	int error;

	if (!heap)
		return -ENOMEM;
	heap->pool = pool;
	heap->user_quota = user_quota;
	heap->file_quota = file_quota;
	heap->wait_ms = wait_ms;
	mutex_init(&heap->lock);
	INIT_LIST_HEAD(&heap->buffers);
	INIT_LIST_HEAD(&heap->users);
	error = add_node(heap);
	if (error) {
		kfree(heap);
		return error;
	}
	add_debugfs(heap);
	list_add_tail(&heap->node, &heaps);
	return 0;
}

/* A pool without memory is refused if it was @named, and passed over otherwise. */
static int add_pool(const char *name, bool named)
{
	struct respool *pool = respool_get(name);
	int error = named ? -EINVAL : 0;

	if (IS_ERR(pool)) {
		pr_err("pools=: '%s' refused: %s\n", name,
		       PTR_ERR(pool) == -ENOENT ? "no such pool" : "no account to be had");
		return PTR_ERR(pool);
	}
	if (respool_has_memory(pool)) {
		error = add_heap(pool);
		if (!error)
			return 0;
	} else if (named) {
		pr_err("pools=: '%s' refused: a pool without memory\n", name);
	}
	respool_put(pool);
	return error;
}

static int add_named(void)
{
	char *copy = kstrdup(pools, GFP_KERNEL), *rest = copy, *name;
	int error = 0;

	if (!copy)
		return -ENOMEM;
	while (!error && (name = strsep(&rest, ",")))
		error = add_pool(name, true);
	kfree(copy);
	return error;
}

static int add_all(void)
{
	const char *name;
	unsigned int i;
	int error = 0;

	for (i = 0; !error && (name = respool_nth_name(i)); i++)
		error = add_pool(name, false);
	return error;
}

static void remove_heaps(void)
{
	struct heap *heap, *next;

	list_for_each_entry_safe(heap, next, &heaps, node) {
		misc_deregister(&heap->misc);
		debugfs_remove(heap->debugfs);
		respool_put(heap->pool);
		kfree(heap);
	}
}

static int __init heap_init(void)
{
	int error = heap_buffers_init();

	if (error)
		return error;
	debugfs_root = debugfs_create_dir("respool_heap", NULL);
	error = *pools ? add_named() : add_all();
	if (!error) {
		WRITE_ONCE(loaded, true);
		return 0;
	}
	remove_heaps();
	debugfs_remove(debugfs_root);
	heap_buffers_exit();
	return error;
}

static void __exit heap_exit(void)
{
	/* No node is open and no buffer left, or we would be in use; a file in sysfs may be. */
	remove_heaps();
	debugfs_remove(debugfs_root);
	heap_buffers_exit();
}

module_init(heap_init);
module_exit(heap_exit);

MODULE_AUTHOR("respool maintainers");
MODULE_DESCRIPTION("User buffers from pools of reserved memory, by the dma-heap interface");
MODULE_LICENSE("GPL");
MODULE_IMPORT_NS(DMA_BUF);
