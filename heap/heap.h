/* SPDX-License-Identifier: GPL-2.0 */
/*
 * respool_heap.ko: user buffers from pools, by the interface of
 * <linux/dma-heap.h>.
 *
 *   main.c	parameters, nodes, the ioctl, what root can see and do
 *   charge.c	who holds how much, and how much that may be
 *   buffer.c	a buffer as a dma-buf, from allocation until its pages go back
 *   map.c	its mappings in user space
 *   pages.c	its struct pages
 */
#ifndef RESPOOL_HEAP_H
#define RESPOOL_HEAP_H

#include <linux/atomic.h>
#include <linux/list.h>
#include <linux/miscdevice.h>
#include <linux/mm_types.h>
#include <linux/mutex.h>
#include <linux/rwsem.h>
#include <linux/sched.h>
#include <linux/workqueue.h>
#include <linux/respool.h>

struct dentry;
struct dma_buf;
struct inode;
struct user_struct;

/*
 * Locks, in the order they are taken:
 *   heap->lock		mutex: everything marked H
 *   a dma-buf's reservation lock, which importers hold when they map
 *   buffer->lock	rwsem: everything marked B
 * The mmap_lock of a task that faults comes before buffer->lock, too.
 *
 * I: set before anybody else sees it, then constant.
 */

/**
 * struct heap - A pool, as a node below /dev/dma_heap.
 * @node: I: on the list of heaps
 * @pool: I: our account
 * @misc: I: the node
 * @name: I: the device's name
 * @nodename: I: the node's path below /dev
 * @debugfs: I: its directory
 * @user_quota: bytes that a user may hold, 0 for any number; root may change it at
 *	any time, as the next two
 * @file_quota: bytes that may be held through an open node, 0 for any number
 * @wait_ms: how long an allocation waits for pages
 * @lock: for what is marked H
 * @buffers: H: those whose pages are not back
 * @users: H: those who have the node open or hold buffers
 */
struct heap {
	struct list_head node;
	struct respool *pool;
	struct miscdevice misc;
	char name[sizeof("respool_heap-") + RESPOOL_NAME_LEN];
	char nodename[sizeof("dma_heap/") + RESPOOL_NAME_LEN];
	struct dentry *debugfs;
	unsigned long user_quota;
	unsigned long file_quota;
	unsigned long wait_ms;
	struct mutex lock;	/* what is marked H */
	struct list_head buffers;
	struct list_head users;
};

/**
 * struct heap_user - A user, and what is charged to them on one heap.
 * @node: H: on heap->users
 * @user: I: the kernel's user, held
 * @refs: H: open files that charge here
 * @pages: H: pages charged
 */
struct heap_user {
	struct list_head node;
	struct user_struct *user;
	unsigned int refs;
	unsigned long pages;
};

/**
 * struct heap_file - A node somebody opened; lives as long as its buffers.
 * @heap: I: whose node
 * @user: I: who opened it
 * @privileged: I: who opened it may lock any amount of memory
 * @refs: H: 1 while open, and one for each buffer
 * @pages: H: pages charged
 * @wanted: H: pages of the last allocation if there were not enough, else 0
 * @frees: H: the pool's frees, once somebody has polled
 */
struct heap_file {
	struct heap *heap;
	struct heap_user *user;
	bool privileged;
	unsigned int refs;
	unsigned long pages;
	unsigned long wanted;
	struct wait_queue_head *frees;
};

/**
 * struct heap_buffer - A buffer, from its allocation until its pages are back.
 * @node: H: on heap->buffers
 * @heap: I: where its pages are from
 * @file: I: whom they are charged to
 * @locked: I: they count against RLIMIT_MEMLOCK
 * @dmabuf: I: as others see it; gone when @closed
 * @inode: I: the dma-buf's, held; its number is the buffer's, and users'
 *	mappings are found through it
 * @nr_pages: I: its length
 * @page: I: the first struct page, or %NULL if the pool has none
 * @phys: I: physical address
 * @pid: I: the thread group that allocated it
 * @comm: I: what it was called
 * @since: I: when, in seconds since boot
 * @lock: for what is marked B
 * @vaddr: B: kernel address, %NULL once the pages are back
 * @mappings: B: devices that have it mapped
 * @nr_vmaps: B: kernel users that have it mapped
 * @accessed: B, and faults share it to set this: its pages may not be zero any more
 * @revoked: B for writes: nobody gets at it any more
 * @closed: H: the dma-buf is gone
 * @nr_revoking: tasks that revoke it, which keep it; H to become one
 * @nr_idle: B: from the first on, pages that nobody refers to
 * @delay: B: jiffies until the next look at the others
 * @work: looks
 */
struct heap_buffer {
	struct list_head node;
	struct heap *heap;
	struct heap_file *file;
	bool locked;
	struct dma_buf *dmabuf;
	struct inode *inode;
	unsigned long nr_pages;
	struct page *page;
	phys_addr_t phys;
	pid_t pid;
	char comm[TASK_COMM_LEN];
	time64_t since;

	struct rw_semaphore lock;
	void *vaddr;
	struct list_head mappings;
	unsigned int nr_vmaps;
	bool accessed;
	bool revoked;
	bool closed;
	atomic_t nr_revoking;
	unsigned long nr_idle;
	unsigned long delay;
	struct delayed_work work;
};

/* charge.c */
struct heap_file *heap_file_open(struct heap *heap, const struct file *file);
void heap_file_put(struct heap_file *file);
int heap_charge(struct heap_file *file, unsigned long nr_pages, bool *locked);
void heap_uncharge(struct heap_file *file, unsigned long nr_pages, bool locked);

/* buffer.c */
struct dma_buf *heap_buffer_create(struct heap_file *file, unsigned long nr_pages,
				   unsigned int fd_flags, long timeout);
int heap_revoke(struct heap *heap, unsigned long ino);
void *heap_try_alloc(struct heap *heap, unsigned long nr_pages);
bool heap_would_serve(struct heap *heap, unsigned long nr_pages);
int heap_buffers_init(void);
void heap_buffers_exit(void);

/* map.c */
int heap_mmap(struct dma_buf *dmabuf, struct vm_area_struct *vma);

/* pages.c */
void heap_join_pages(struct page *page, unsigned long nr);
bool heap_map_joined(struct vm_area_struct *vma, unsigned long addr, pmd_t *pmd,
		     struct page *page);
void heap_count_mapped(struct mm_struct *mm, struct page *page, unsigned long nr);
unsigned long heap_split_idle(struct page *page, unsigned long nr);

#endif /* RESPOOL_HEAP_H */
