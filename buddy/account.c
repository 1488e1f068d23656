// SPDX-License-Identifier: GPL-2.0
/*
 * Who holds what: handles, and the accounts they are.
 *
 * A client opens a handle; each block is on the account of the handle that
 * allocated it until somebody frees it. A handle that is closed with blocks
 * still out is kept, with the module reference it holds, until the last of
 * them is back: memory in use is never given away under its user.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/ctype.h>
#include <linux/err.h>
#include <linux/export.h>
#include <linux/kernel.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/slab.h>

#include "buddy/pool.h"

static DEFINE_MUTEX(accounts_lock);
static LIST_HEAD(pools);			/* accounts_lock */

/* Hold everything that counts still. Task context. */
unsigned long respool_pool_freeze(struct respool_pool *pool)
	__acquires(&pool->lock)
{
	unsigned long flags;

	respool_magazines_lock(&pool->magazines);
	raw_spin_lock_irqsave(&pool->lock, flags);
	respool_magazines_settle(&pool->magazines);
	return flags;
}

void respool_pool_thaw(struct respool_pool *pool, unsigned long flags)
	__releases(&pool->lock)
{
	raw_spin_unlock_irqrestore(&pool->lock, flags);
	respool_magazines_unlock(&pool->magazines);
}

/* What the account of @tag comes to on one CPU. */
static void add_share(struct respool_tally *sum, const struct respool_cpu *cpu, unsigned int tag)
{
	u64 allocations, frees;
	unsigned int order;

	for (order = 0; order < RESPOOL_MAGAZINES; order++) {
		allocations = cpu->allocations[order][tag];
		frees = cpu->frees[order][tag];
		sum->allocations += allocations;
		sum->frees += frees;
		sum->pages += (allocations - frees) << order;
	}
}

/* What the account of @tag comes to. The pool is frozen. */
struct respool_tally respool_sum_tally(struct respool_pool *pool, unsigned int tag)
{
	struct respool_tally sum = pool->tally[tag];
	unsigned int cpu;

	for_each_possible_cpu(cpu)
		add_share(&sum, per_cpu_ptr(pool->magazines.cpu, cpu), tag);
	return sum;
}

static struct respool_pool *find_pool(const char *name)
{
	struct respool_pool *pool;

	list_for_each_entry(pool, &pools, node)
		if (!strcmp(pool->spec.name, name))
			return pool;
	return NULL;
}

/**
 * respool_nth_name() - Names of the pools there are.
 * @n: 0 for the first
 *
 * Context: Process context, may sleep.
 * Return: the name, there as long as respool.ko is loaded; %NULL for no more.
 */
const char *respool_nth_name(unsigned int n)
{
	const char *name = NULL;
	struct respool_pool *pool;

	mutex_lock(&accounts_lock);
	list_for_each_entry(pool, &pools, node) {
		if (n--)
			continue;
		name = pool->spec.name;
		break;
	}
	mutex_unlock(&accounts_lock);
	return name;
}
EXPORT_SYMBOL_GPL(respool_nth_name);

/* Forget the account of @tag on one CPU; the pool's totals keep what it did. */
static void clear_share(struct respool_pool *pool, struct respool_cpu *cpu, unsigned int tag)
{
	unsigned int order;

	for (order = 0; order < RESPOOL_MAGAZINES; order++) {
		pool->order_allocations[order] += cpu->allocations[order][tag];
		pool->frees += cpu->frees[order][tag];
		cpu->allocations[order][tag] = 0;
		cpu->frees[order][tag] = 0;
	}
}

/* Give @tag to @handle, with a clean account, or to nobody. */
static void set_account(struct respool_pool *pool, unsigned int tag, struct respool *handle)
{
	unsigned long flags = respool_pool_freeze(pool);
	unsigned int cpu;

	pool->account[tag] = handle;
	memset(&pool->tally[tag], 0, sizeof(pool->tally[tag]));
	for_each_possible_cpu(cpu)
		clear_share(pool, per_cpu_ptr(pool->magazines.cpu, cpu), tag);
	respool_pool_thaw(pool, flags);
}

static struct respool_tally read_tally(struct respool_pool *pool, unsigned int tag)
{
	unsigned long flags = respool_pool_freeze(pool);
	struct respool_tally sum = respool_sum_tally(pool, tag);

	respool_pool_thaw(pool, flags);
	return sum;
}

static void close_account(struct respool *handle)
{
	set_account(handle->pool, handle->tag, NULL);
	kfree(handle);
	module_put(THIS_MODULE);
}

/* Closed accounts whose last block has come back since. */
static void reap_accounts(struct respool_pool *pool)
{
	unsigned int tag;

	lockdep_assert_held(&accounts_lock);
	for (tag = 0; tag < RESPOOL_BUDDY_TAGS; tag++)
		if (pool->account[tag] && pool->account[tag]->closed &&
		    !read_tally(pool, tag).pages)
			close_account(pool->account[tag]);
}

static struct respool *open_account(struct respool_pool *pool, const char *owner)
{
	struct respool *handle;
	unsigned int tag;
	char *c;

	reap_accounts(pool);
	for (tag = 0; tag < RESPOOL_BUDDY_TAGS; tag++)
		if (!pool->account[tag])
			break;
	if (tag == RESPOOL_BUDDY_TAGS)
		return ERR_PTR(-EUSERS);
	handle = kzalloc(sizeof(*handle), GFP_KERNEL);
	if (!handle)
		return ERR_PTR(-ENOMEM);
	if (!try_module_get(THIS_MODULE)) {
		kfree(handle);
		return ERR_PTR(-ENODEV);
	}
	handle->pool = pool;
	handle->tag = tag;
	strscpy(handle->owner, owner, sizeof(handle->owner));
	/* One word in debugfs, whatever a task calls itself. */
	for (c = handle->owner; *c; c++)
		if (!isascii(*c) || !isgraph(*c))
			*c = '?';
	set_account(pool, tag, handle);
	return handle;
}

/**
 * respool_get_as() - Open an account on a pool.
 * @name: name of the pool, as given in the module parameter
 * @owner: name of the account, for reports and debugfs; cut to 47 characters,
 *	those that do not print replaced by '?'
 *
 * Each handle is an account of its own: what is allocated through it is on
 * its account until freed. While it is open respool.ko cannot be unloaded.
 *
 * Context: Process context, may sleep.
 * Return: the handle, or ERR_PTR: -EINVAL without a name or owner, -ENOENT for
 * no such pool, -EUSERS when the pool has 64 accounts already, -ENODEV while
 * the module goes away, -ENOMEM.
 */
struct respool *respool_get_as(const char *name, const char *owner)
{
	struct respool_pool *pool;
	struct respool *handle;

	if (!name || !owner || !*owner)
		return ERR_PTR(-EINVAL);
	mutex_lock(&accounts_lock);
	pool = find_pool(name);
	handle = pool ? open_account(pool, owner) : ERR_PTR(-ENOENT);
	mutex_unlock(&accounts_lock);
	return handle;
}
EXPORT_SYMBOL_GPL(respool_get_as);

/**
 * respool_put() - Close an account.
 * @pool: handle from respool_get(), or %NULL
 *
 * If blocks are still out on the account, that is reported with its name, and
 * respool.ko stays loaded until they have been freed through another handle.
 *
 * Context: Process context, may sleep.
 */
void respool_put(struct respool *pool)
{
	struct respool_tally tally;

	if (!pool)
		return;
	mutex_lock(&accounts_lock);
	tally = read_tally(pool->pool, pool->tag);
	if (tally.pages)
		pr_err("pool %s: %s closed its account with %lld pages in %llu blocks\n",
		       pool->pool->spec.name, pool->owner, tally.pages,
		       tally.allocations - tally.frees);
	if (tally.pages)
		respool_name_held(pool->pool, pool->tag);
	/* Who leaves, leaves the pool in one piece. */
	respool_magazines_drain(&pool->pool->magazines);
	pool->closed = true;
	reap_accounts(pool->pool);
	mutex_unlock(&accounts_lock);
}
EXPORT_SYMBOL_GPL(respool_put);

/* Read the account with owner tag @tag, or -ENOENT. */
int respool_pool_account(struct respool_pool *pool, unsigned int tag,
			 struct respool_account *account)
{
	const struct respool *handle;
	struct respool_tally tally;

	mutex_lock(&accounts_lock);
	handle = pool->account[tag];
	if (handle) {
		tally = read_tally(pool, tag);
		strscpy(account->owner, handle->owner, sizeof(account->owner));
		account->pages = tally.pages;
		account->blocks = tally.allocations - tally.frees;
		account->allocations = tally.allocations;
		account->frees = tally.frees;
	}
	mutex_unlock(&accounts_lock);
	return handle ? 0 : -ENOENT;
}

/*
 * What the page at index @page of @pool belongs to, and on whose account it is:
 * "-" for what is nobody's.
 */
void respool_pool_block(struct respool_pool *pool, unsigned long page,
			struct respool_block *block, char owner[RESPOOL_OWNER_LEN])
{
	const struct respool *handle = NULL;
	unsigned long flags;

	mutex_lock(&accounts_lock);
	raw_spin_lock_irqsave(&pool->lock, flags);
	respool_buddy_find(&pool->buddy, page, block);
	raw_spin_unlock_irqrestore(&pool->lock, flags);
	if (block->kind == RESPOOL_PAGE_ALLOCATED)
		handle = pool->account[block->tag];
	strscpy(owner, handle ? handle->owner : "-", RESPOOL_OWNER_LEN);
	mutex_unlock(&accounts_lock);
}

/* From now on respool_get() finds the pool. */
void respool_pool_publish(struct respool_pool *pool)
{
	mutex_lock(&accounts_lock);
	list_add_tail(&pool->node, &pools);
	mutex_unlock(&accounts_lock);
}

void respool_pool_withdraw(struct respool_pool *pool)
{
	mutex_lock(&accounts_lock);
	list_del(&pool->node);
	mutex_unlock(&accounts_lock);
}

/* Visit each pool, until one has an error. */
int respool_pools_each(int (*visit)(struct respool_pool *pool))
{
	struct respool_pool *pool;
	int error = 0;

	mutex_lock(&accounts_lock);
	list_for_each_entry(pool, &pools, node) {
		error = visit(pool);
		if (error)
			break;
	}
	mutex_unlock(&accounts_lock);
	return error;
}

/* @cpu is gone and needs its magazines no more. */
void respool_pools_drain_cpu(unsigned int cpu)
{
	struct respool_pool *pool;

	mutex_lock(&accounts_lock);
	list_for_each_entry(pool, &pools, node)
		respool_magazines_drain_cpu(&pool->magazines, cpu);
	mutex_unlock(&accounts_lock);
}
