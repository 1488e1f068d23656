// SPDX-License-Identifier: GPL-2.0
/*
 * respool.ko: the parameters, what is made of them at load, and the way back.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/cpuhotplug.h>
#include <linux/err.h>
#include <linux/kernel.h>
#include <linux/module.h>
#include <linux/mm.h>
#include <linux/overflow.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "buddy/debugfs.h"
#include "buddy/latency.h"
#include "buddy/origin.h"
#include "buddy/fault.h"
#include "buddy/pool.h"
#include "slab/cache.h"
#include "slab/debug.h"
#include "slab/slab.h"

static char *pools = "main:64M";
module_param(pools, charp, 0444);
MODULE_PARM_DESC(pools,
		 "Pools as NAME:SIZE[@PHYS|@none][/nocache][,...]: SIZE in bytes, or with suffix K, M, G or T, whole pages; PHYS a region reserved at boot, none for no memory at all, else system memory is set aside; nocache: no per-CPU magazines (default main:64M)");

static char *debug = "";
module_param(debug, charp, 0444);
MODULE_PARM_DESC(debug,
		 "Debugging of slabs as WORD[,WORD...][:SLAB[,SLAB...]]: redzone, poison, stacks, quarantine or all, for the slabs named or for every slab (default none)");

static bool latency;

static int set_latency(const char *text, const struct kernel_param *param)
{
	bool on;
	int error = kstrtobool(text ?: "1", &on);

	if (!error)
		error = respool_latency_switch(on);
	if (!error)
		latency = on;
	return error;
}

static const struct kernel_param_ops latency_ops = {
	.flags = KERNEL_PARAM_OPS_FL_NOARG,
	.set = set_latency,
	.get = param_get_bool,
};

module_param_named(origins, respool_origins_wanted, bool, 0444);
MODULE_PARM_DESC(origins,
		 "Note when, by which task and from where each block of pages is allocated: 80 bytes a page (bool, default N)");

module_param_cb(latency, &latency_ops, &latency, 0644);
MODULE_PARM_DESC(latency,
		 "Count how long calls of the page layer take, for the file latency in debugfs; from zero each time it is switched on (bool, default N)");

static struct respool_spec *specs;
static struct respool_pool **live;
static unsigned int nr_pools;
static int cpuhp_state;

/* Parameters: read as a whole, checked as a whole, before anything is taken */

static int refuse(const char *item, int error, const char *reason)
{
	pr_err("pools=: '%s' refused: %s\n", item, reason);
	return error;
}

/* A number, decimal or 0x, with at most one suffix and nothing behind it. */
static int parse_bytes(const char *text, u64 *bytes)
{
	char digits[24];
	size_t len = strlen(text);
	unsigned int shift = 0;
	int error;

	if (!len || len >= sizeof(digits))
		return -EINVAL;
	strscpy(digits, text, sizeof(digits));
	switch (digits[len - 1]) {
	case 'T': case 't':
		shift += 10;
		fallthrough;
	case 'G': case 'g':
		shift += 10;
		fallthrough;
	case 'M': case 'm':
		shift += 10;
		fallthrough;
	case 'K': case 'k':
		shift += 10;
		digits[len - 1] = '\0';
	}
	error = kstrtou64(digits, 0, bytes);
	if (error)
		return error;
	return check_shl_overflow(*bytes, shift, bytes) ? -ERANGE : 0;
}

static int parse_size(struct respool_spec *spec, const char *text, const char *item)
{
	u64 bytes;
	int error = parse_bytes(text, &bytes);

	if (error == -ERANGE)
		return refuse(item, error, "its size does not fit in 64 bits");
	if (error)
		return refuse(item, error, "its size is not a number with suffix K, M, G or T");
	if (!bytes)
		return refuse(item, -EINVAL, "its size is zero");
	if (!PAGE_ALIGNED(bytes))
		return refuse(item, -EINVAL, "its size is not a multiple of the page size");
	if (bytes >> PAGE_SHIFT > 1ULL << (RESPOOL_NR_ORDERS - 1))
		return refuse(item, -ERANGE, "its size is more than 2^32 pages");
	spec->nr_pages = bytes >> PAGE_SHIFT;
	return 0;
}

static int parse_base(struct respool_spec *spec, const char *text, const char *item)
{
	u64 base, end;

	if (parse_bytes(text, &base))
		return refuse(item, -EINVAL, "its address is not a number");
	if (!PAGE_ALIGNED(base))
		return refuse(item, -EINVAL, "its address is not a multiple of the page size");
	if (check_add_overflow(base, (u64)spec->nr_pages << PAGE_SHIFT, &end) ||
	    end - 1 > PHYS_ADDR_MAX)
		return refuse(item, -ERANGE, "it ends beyond the last address");
	spec->memory = RESPOOL_REGION;
	spec->base = base;
	return 0;
}

static int parse_memory(struct respool_spec *spec, const char *text, const char *item)
{
	if (!text)
		return 0;
	if (strcmp(text, "none"))
		return parse_base(spec, text, item);
	spec->memory = RESPOOL_NO_MEMORY;
	return 0;
}

static int parse_option(struct respool_spec *spec, const char *text, const char *item)
{
	if (text && strcmp(text, "nocache"))
		return refuse(item, -EINVAL, "the only option is /nocache");
	spec->no_magazines = text;
	return 0;
}

/* NAME:SIZE[@PHYS|@none][/nocache] */
static int parse_item(struct respool_spec *spec, const char *item)
{
	char *copy = kstrdup(item, GFP_KERNEL), *size, *memory, *option;
	int error;

	if (!copy)
		return -ENOMEM;
	error = -EINVAL;
	size = strchr(copy, ':');
	if (!size) {
		refuse(item, error, "not of the form NAME:SIZE[@PHYS|@none][/nocache]");
		goto out;
	}
	*size++ = '\0';
	option = size;
	strsep(&option, "/");
	memory = size;
	strsep(&memory, "@");
	if (!respool_name_valid(copy)) {
		refuse(item, error, "a name is 1 to 31 characters of a-z, A-Z, 0-9, '_', '.', '-'");
		goto out;
	}
	strscpy(spec->name, copy, sizeof(spec->name));
	error = parse_size(spec, size, item);
	if (!error)
		error = parse_memory(spec, memory, item);
	if (!error)
		error = parse_option(spec, option, item);
out:
	kfree(copy);
	return error;
}

static bool regions_overlap(const struct respool_spec *a, const struct respool_spec *b)
{
	return a->memory == RESPOOL_REGION && b->memory == RESPOOL_REGION &&
	       a->base < b->base + ((u64)b->nr_pages << PAGE_SHIFT) &&
	       b->base < a->base + ((u64)a->nr_pages << PAGE_SHIFT);
}

static int compare_specs(const struct respool_spec *a, const struct respool_spec *b)
{
	if (!strcmp(a->name, b->name))
		return refuse(a->name, -EEXIST, "two pools have this name");
	if (!regions_overlap(a, b))
		return 0;
	pr_err("pools=: '%s' refused: its region at %pa overlaps that of '%s' at %pa\n", a->name,
	       &a->base, b->name, &b->base);
	return -EINVAL;
}

static int check_specs(void)
{
	unsigned int i, j;
	int error = 0;

	for (i = 0; i < nr_pools && !error; i++) {
		for (j = 0; j < i && !error; j++)
			error = compare_specs(&specs[i], &specs[j]);
		if (!error)
			error = respool_backing_check(&specs[i]);
	}
	return error;
}

static int parse_pools(void)
{
	char *copy = kstrdup(pools, GFP_KERNEL), *rest = copy, *item;
	int error = 0;

	if (!copy)
		return -ENOMEM;
	while (!error && (item = strsep(&rest, ",")))
		error = parse_item(&specs[nr_pools++], item);
	kfree(copy);
	return error;
}

static unsigned int count_items(void)
{
	unsigned int items = 1;
	const char *c;

	for (c = pools; *c; c++)
		items += *c == ',';
	return items;
}

/* Load and unload */

static void destroy_pools(void)
{
	unsigned int i = nr_pools;

	while (i--) {
		if (!live[i])
			continue;
		respool_pool_withdraw(live[i]);
		respool_pool_destroy(live[i]);
	}
}

static int create_pools(void)
{
	struct respool_pool *pool;
	unsigned int i;

	for (i = 0; i < nr_pools; i++) {
		pool = respool_pool_create(&specs[i]);
		if (IS_ERR(pool))
			return PTR_ERR(pool);
		live[i] = pool;
		respool_debugfs_add_pool(pool);
		respool_pool_publish(pool);
		pr_info("pool %s: %lu pages at %pa, %s struct pages, largest order %u\n",
			pool->spec.name, pool->backing.nr_pages, &pool->backing.base,
			pool->backing.has_pages ? "with" : "without", pool->buddy.max_order);
	}
	return 0;
}

static int cpu_dead(unsigned int cpu)
{
	respool_slabs_drain_cpu(cpu);
	respool_caches_drain_cpu(cpu);
	respool_pools_drain_cpu(cpu);
	return 0;
}

static int __init respool_init(void)
{
	unsigned int items = count_items();
	int error = -ENOMEM;

	specs = kcalloc(items, sizeof(*specs), GFP_KERNEL);
	live = kcalloc(items, sizeof(*live), GFP_KERNEL);
	if (!specs || !live)
		goto err_free;
	error = parse_pools();
	if (!error)
		error = check_specs();
	if (!error)
		error = respool_debug_setup(debug);
	if (error)
		goto err_free;

	if (respool_origins_wanted)
		static_branch_inc(&respool_watch_key);
	respool_debugfs_init();
	respool_fault_init();
	error = create_pools();
	if (error)
		goto err_pools;
	error = cpuhp_setup_state_nocalls(CPUHP_BP_PREPARE_DYN, "respool:dead", NULL, cpu_dead);
	if (error < 0)
		goto err_pools;
	cpuhp_state = error;
	kfree(specs);
	return 0;

err_pools:
	respool_fault_exit();
	respool_debugfs_exit();
	destroy_pools();
err_free:
	kfree(live);
	kfree(specs);
	return error;
}

static void __exit respool_exit(void)
{
	cpuhp_remove_state_nocalls(cpuhp_state);
	respool_fault_exit();
	respool_debugfs_exit();
	destroy_pools();
	kfree(live);
}

module_init(respool_init);
module_exit(respool_exit);

MODULE_AUTHOR("respool maintainers");
MODULE_DESCRIPTION("Page and byte allocators over pools of reserved memory");
MODULE_LICENSE("GPL");
