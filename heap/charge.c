// SPDX-License-Identifier: GPL-2.0
/*
 * Who holds how much. A buffer is charged to the user who opened the node it
 * came from, and to that open file, until its pages are back in the pool: not
 * to whom it is passed, and not only until it is closed.
 */
#include <linux/capability.h>
#include <linux/cred.h>
#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/sched/signal.h>
#include <linux/sched/user.h>
#include <linux/slab.h>

#include "heap/heap.h"

/* The memory lock limit, which is shared with io_uring and others that pin memory */

#if defined(CONFIG_NET) || defined(CONFIG_IO_URING)
static bool lock_pages(struct user_struct *user, unsigned long nr_pages)
{
	unsigned long limit = rlimit(RLIMIT_MEMLOCK) >> PAGE_SHIFT;
	long held = atomic_long_read(&user->locked_vm);

	do {
		if (held + nr_pages > limit)
			return false;
	} while (!atomic_long_try_cmpxchg(&user->locked_vm, &held, held + nr_pages));
	return true;
}

static void unlock_pages(struct user_struct *user, unsigned long nr_pages)
{
	atomic_long_sub(nr_pages, &user->locked_vm);
}
#else
/* A kernel in which nobody pins memory for users does not count it, either. */
static bool lock_pages(struct user_struct *user, unsigned long nr_pages)
{
	return true;
}

static void unlock_pages(struct user_struct *user, unsigned long nr_pages)
{
}
#endif

/* Users and files */

static struct heap_user *find_heap_user(struct heap *heap, const struct user_struct *user)
{
	struct heap_user *u;

	list_for_each_entry(u, &heap->users, node)
		if (u->user == user)
			return u;
	return NULL;
}

static struct heap_user *get_heap_user(struct heap *heap, struct user_struct *user)
{
	struct heap_user *u = find_heap_user(heap, user);

	if (!u) {
		u = kzalloc(sizeof(*u), GFP_KERNEL);
		if (!u)
			return NULL;
		u->user = get_uid(user);
		list_add(&u->node, &heap->users);
	}
	u->refs++;
	return u;
}

static void put_heap_user(struct heap_user *u)
{
	if (--u->refs)
		return;
	list_del(&u->node);
	free_uid(u->user);
	kfree(u);
}

/* An account for somebody who opened the node; %NULL if there is no memory. */
struct heap_file *heap_file_open(struct heap *heap, const struct file *file)
{
	struct heap_file *f = kzalloc(sizeof(*f), GFP_KERNEL);

	if (!f)
		return NULL;
	f->heap = heap;
	f->refs = 1;
	f->privileged = file_ns_capable(file, &init_user_ns, CAP_IPC_LOCK);
	mutex_lock(&heap->lock);
	f->user = get_heap_user(heap, file->f_cred->user);
	mutex_unlock(&heap->lock);
	if (f->user)
		return f;
	kfree(f);
	return NULL;
}

static void put_locked(struct heap_file *file)
{
	if (--file->refs)
		return;
	put_heap_user(file->user);
	kfree(file);
}

void heap_file_put(struct heap_file *file)
{
	struct heap *heap = file->heap;

	mutex_lock(&heap->lock);
	put_locked(file);
	mutex_unlock(&heap->lock);
}

/* Charging */

static bool exceeds(unsigned long held, unsigned long nr_pages, unsigned long quota)
{
	return quota && held + nr_pages > quota >> PAGE_SHIFT;
}

/*
 * Charge pages that are to be allocated; @nr_pages is no more than the pool
 * has. Says in @locked whether they count as locked memory, too.
 * Return: 0, or -EDQUOT for more than a quota or RLIMIT_MEMLOCK allows.
 */
int heap_charge(struct heap_file *file, unsigned long nr_pages, bool *locked)
{
	struct heap *heap = file->heap;
	int error = -EDQUOT;

	*locked = !file->privileged;
	mutex_lock(&heap->lock);
	if (!exceeds(file->user->pages, nr_pages, READ_ONCE(heap->user_quota)) &&
	    !exceeds(file->pages, nr_pages, READ_ONCE(heap->file_quota)) &&
	    (!*locked || lock_pages(file->user->user, nr_pages))) {
		file->user->pages += nr_pages;
		file->pages += nr_pages;
		file->refs++;
		error = 0;
	}
	mutex_unlock(&heap->lock);
	return error;
}

void heap_uncharge(struct heap_file *file, unsigned long nr_pages, bool locked)
{
	struct heap *heap = file->heap;

	mutex_lock(&heap->lock);
	if (locked)
		unlock_pages(file->user->user, nr_pages);
	file->user->pages -= nr_pages;
	file->pages -= nr_pages;
	put_locked(file);
	mutex_unlock(&heap->lock);
}
