// SPDX-License-Identifier: GPL-2.0
/*
 * /dev/respool_test: lets the selftests call respool from user space.
 *
 * It owns the blocks, slabs and pool account of each open file and frees them
 * at close. It promises that no input makes it call respool in a way that could
 * harm another user of the pool; the exceptions are stated at struct
 * respool_test_misuse and enum respool_test_opcode. It includes public headers
 * only. The ABI, its terms and its errors are in respool_test.h.
 *
 * Concurrency. test_file::lock serialises OPEN, SLAB_CREATE and CACHE_CREATE,
 * which publish what they made with a release store. Everything else runs with
 * no other lock than test_file::caches_in_use, for reading: each block has a
 * state that a call moves from LIVE (or NONE) to BUSY while it works on the
 * block, so that no two calls ever hold one block. CACHE_DESTROY has that lock
 * for writing and so the file for itself.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/atomic.h>
#include <linux/completion.h>
#include <linux/cpu.h>
#include <linux/cpumask.h>
#include <linux/fs.h>
#include <linux/hrtimer.h>
#include <linux/irqflags.h>
#include <linux/jiffies.h>
#include <linux/ktime.h>
#include <linux/log2.h>
#include <linux/miscdevice.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/nospec.h>
#include <linux/prandom.h>
#include <linux/respool.h>
#include <linux/rwsem.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/smp.h>
#include <linux/spinlock.h>
#include <linux/uaccess.h>

#include "respool_test.h"

enum block_state {
	BLOCK_NONE,	/* the handle is free */
	BLOCK_BUSY,	/* one call owns the block and every field below */
	BLOCK_LIVE,
	BLOCK_LEAKED,	/* until the file is closed */
};

enum block_kind {
	BLOCK_PAGES,	/* of respool_alloc_pages() */
	BLOCK_EXACT,	/* of any call that takes a number of pages */
	BLOCK_BYTES,	/* of a slab */
	BLOCK_OBJECT,	/* of a cache */
};

struct block {
	atomic_t state;
	u8 kind;
	u8 slab;	/* of BLOCK_BYTES; of BLOCK_OBJECT, the cache */
	void *addr;
	size_t size;	/* bytes asked for */
	size_t filled;	/* leading bytes that hold the pattern of seed */
	u64 seed;
};

struct test_cache {
	struct respool_cache *cache;		/* published last; NULL again once destroyed */
	size_t size;				/* of an object */
	size_t run_bytes;
};

struct test_file {
	struct mutex lock;			/* OPEN, SLAB_CREATE, CACHE_CREATE */
	struct rw_semaphore caches_in_use;	/* for writing: CACHE_DESTROY */
	struct respool *pool;			/* set once, read with acquire */
	struct respool_slab *slab[RESPOOL_TEST_MAX_SLABS];	/* likewise */
	struct test_cache cache[RESPOOL_TEST_MAX_CACHES];
	struct block *blocks;			/* constant once pool is set */
	u32 nr_blocks;				/* likewise */
};

static struct respool *file_pool(struct test_file *file)
{
	/* Pairs with open_pool(): the block table is there if the pool is. */
	return smp_load_acquire(&file->pool);
}

static struct respool_slab *file_slab(struct test_file *file, u32 slab)
{
	if (slab >= RESPOOL_TEST_MAX_SLABS)
		return NULL;
	slab = array_index_nospec(slab, RESPOOL_TEST_MAX_SLABS);
	/* Pairs with create_slab(). */
	return smp_load_acquire(&file->slab[slab]);
}

/* The cache cannot go while the caller has caches_in_use. */
static struct test_cache *file_cache(struct test_file *file, u64 cache)
{
	if (cache >= RESPOOL_TEST_MAX_CACHES)
		return NULL;
	cache = array_index_nospec(cache, RESPOOL_TEST_MAX_CACHES);
	/* Pairs with create_cache(): what is known of the cache is there if it is. */
	return smp_load_acquire(&file->cache[cache].cache) ? &file->cache[cache] : NULL;
}

/* Become the only user of a block that is in state @from. */
static struct block *claim_block(struct test_file *file, u32 handle, enum block_state from)
{
	struct block *block;
	int state;

	if (!file_pool(file) || handle >= file->nr_blocks)
		return ERR_PTR(-ENOENT);

	block = &file->blocks[array_index_nospec(handle, file->nr_blocks)];
	state = atomic_cmpxchg_acquire(&block->state, from, BLOCK_BUSY);
	if (state == from)
		return block;
	if (state == BLOCK_BUSY)
		return ERR_PTR(-EBUSY);
	return ERR_PTR(from == BLOCK_NONE ? -EEXIST : -ENOENT);
}

static void release_block(struct block *block, enum block_state to)
{
	atomic_set_release(&block->state, to);
}

static bool is_pages(const struct block *block)
{
	return block->kind == BLOCK_PAGES || block->kind == BLOCK_EXACT;
}

static unsigned int block_order(const struct block *block)
{
	return ilog2(block->size >> PAGE_SHIFT);
}

static size_t usable_bytes(struct test_file *file, const struct block *block)
{
	if (block->kind == BLOCK_BYTES)
		return respool_usable_size(file->slab[block->slab], block->addr);
	return block->size;
}

static int free_block(struct test_file *file, const struct block *block)
{
	switch (block->kind) {
	case BLOCK_PAGES:
		return respool_free_pages(file->pool, block->addr, block_order(block));
	case BLOCK_EXACT:
		return respool_free_block(file->pool, block->addr);
	case BLOCK_OBJECT:
		return respool_cache_free(file->cache[block->slab].cache, block->addr);
	default:
		return respool_free(file->slab[block->slab], block->addr);
	}
}

/* Content. */

static u64 pattern_word(u64 seed, size_t index)
{
	return seed * 0x9e3779b97f4a7c15ULL + index * 0xc2b2ae3d27d4eb4fULL;
}

static void fill_pattern(void *addr, size_t bytes, u64 seed)
{
	size_t words = bytes / sizeof(u64);
	u64 *word = addr;
	u64 last;
	size_t i;

	for (i = 0; i < words; i++)
		word[i] = pattern_word(seed, i);
	last = pattern_word(seed, words);
	memcpy(word + words, &last, bytes % sizeof(u64));
}

/* Offset of the first byte that is not the pattern's, @bytes if all are. */
static size_t find_wrong_byte(const void *addr, size_t bytes, u64 seed)
{
	size_t words = bytes / sizeof(u64);
	const u64 *word = addr;
	const u8 *byte = addr;
	u64 expected;
	size_t i;

	for (i = 0; i < words; i++)
		if (word[i] != pattern_word(seed, i))
			break;
	expected = pattern_word(seed, i);
	for (i *= sizeof(u64); i < bytes; i++)
		if (byte[i] != ((u8 *)&expected)[i % sizeof(u64)])
			break;
	return i;
}

static int verify_pattern(const struct block *block, size_t bytes, u64 seed, u64 *wrong)
{
	size_t offset = find_wrong_byte(block->addr, bytes, seed);

	if (offset == bytes)
		return 0;
	*wrong = offset;
	return -EBADMSG;
}

static int verify_zero(const struct block *block, size_t from, size_t to, u64 *wrong)
{
	void *found = to > from ? memchr_inv(block->addr + from, 0, to - from) : NULL;

	if (!found)
		return 0;
	*wrong = found - block->addr;
	return -EBADMSG;
}

static void fill_block(struct block *block, size_t bytes, u64 seed)
{
	fill_pattern(block->addr, bytes, seed);
	block->filled = bytes;
	block->seed = seed;
}

/*
 * The one place that calls the allocator for an operation, so that what is
 * measured and what can run in an interrupt are the call and nothing else.
 */
struct call {
	struct test_file *file;
	const struct respool_test_op *op;
	const struct block *block;
	struct respool_slab *slab;
	struct test_cache *cache;
	gfp_t gfp;
	void *addr;		/* answer of an allocation */
	int error;		/* answer of a free */
	u64 ns;
	struct completion done;	/* of a call in an interrupt */
};

static struct respool_request request_of(const struct respool_test_op *op)
{
	struct respool_request request = {
		.nr_pages = op->size,
		.align = op->align,
		.first = op->first,
		.last = op->last,
	};

	if (op->flags & RESPOOL_TEST_TOP_DOWN)
		request.flags |= RESPOOL_TOP_DOWN;
	if (op->flags & RESPOOL_TEST_SCAN)
		request.flags |= RESPOOL_SCAN;
	if (op->flags & RESPOOL_TEST_UNKNOWN)
		request.flags |= ~(RESPOOL_TOP_DOWN | RESPOOL_SCAN);
	return request;
}

static void call_respool(struct call *call)
{
	const struct respool_test_op *op = call->op;
	struct respool *pool = call->file->pool;
	struct respool_request request = request_of(op);
	u64 start = ktime_get_ns();

	switch (op->op) {
	case RESPOOL_TEST_ALLOC_PAGES:
		call->addr = respool_alloc_pages(pool, op->size, call->gfp);
		break;
	case RESPOOL_TEST_ALLOC_EXACT:
		call->addr = respool_alloc_exact(pool, op->size, call->gfp);
		break;
	case RESPOOL_TEST_ALLOC:
		call->addr = respool_alloc(call->slab, op->size, call->gfp);
		break;
	case RESPOOL_TEST_ALLOC_ALIGNED:
		call->addr = respool_alloc_aligned(call->slab, op->size, op->align, call->gfp);
		break;
	case RESPOOL_TEST_REALLOC:
		call->addr = respool_realloc(call->slab, call->block->addr, op->size, call->gfp);
		break;
	case RESPOOL_TEST_FREE:
		call->error = free_block(call->file, call->block);
		break;
	case RESPOOL_TEST_ALLOC_REQUEST:
		call->addr = respool_alloc_request(pool, &request, call->gfp);
		break;
	case RESPOOL_TEST_ALLOC_WAIT:
		call->addr = respool_alloc_wait(pool, op->size, call->gfp,
						msecs_to_jiffies(op->align));
		break;
	case RESPOOL_TEST_FREE_CLEARED:
		call->error = respool_free_cleared(pool, call->block->addr);
		break;
	case RESPOOL_TEST_ALLOC_OBJECT:
		call->addr = respool_cache_alloc(call->cache->cache, call->gfp);
		break;
	}
	call->ns = ktime_get_ns() - start;
}

static void irq_call(void *data)
{
	struct call *call = data;

	call_respool(call);
	complete(&call->done);
}

/* Waits asleep: a virtual CPU that spins may keep the other one from running. */
static void call_in_irq(struct call *call)
{
	unsigned int cpu = get_cpu();
	unsigned int other = cpumask_any_but(cpu_online_mask, cpu);

	call->gfp = GFP_ATOMIC | (call->gfp & __GFP_ZERO);
	init_completion(&call->done);
	smp_call_function_single(other < nr_cpu_ids ? other : cpu, irq_call, call, false);
	put_cpu();
	wait_for_completion(&call->done);
}

/* Under a raw spinlock: there, lockdep minds what may not be taken on PREEMPT_RT. */
static void call_with_irqs_off(struct call *call)
{
	raw_spinlock_t lock;
	unsigned long flags;

	raw_spin_lock_init(&lock);
	raw_spin_lock_irqsave(&lock, flags);
	call_respool(call);
	raw_spin_unlock_irqrestore(&lock, flags);
}

static gfp_t gfp_of(u32 flags)
{
	return (flags & RESPOOL_TEST_ATOMIC ? GFP_ATOMIC : GFP_KERNEL) |
	       (flags & RESPOOL_TEST_ZERO ? __GFP_ZERO : 0);
}

static void run_call(struct call *call, struct respool_test_op *op)
{
	call->op = op;
	call->gfp = gfp_of(op->flags);
	if (op->flags & RESPOOL_TEST_IN_IRQ)
		call_in_irq(call);
	else if (op->flags & RESPOOL_TEST_IRQS_OFF)
		call_with_irqs_off(call);
	else
		call_respool(call);
	op->ns = min_t(u64, call->ns, U32_MAX);
}

/* Operations. */

static size_t made_bytes(const struct respool_test_op *op)
{
	switch (op->op) {
	case RESPOOL_TEST_ALLOC_PAGES:
		return PAGE_SIZE << op->size;
	case RESPOOL_TEST_ALLOC_EXACT:
	case RESPOOL_TEST_ALLOC_REQUEST:
	case RESPOOL_TEST_ALLOC_WAIT:
		return op->size << PAGE_SHIFT;
	default:
		return op->size;
	}
}

static enum block_kind made_kind(const struct respool_test_op *op)
{
	switch (op->op) {
	case RESPOOL_TEST_ALLOC_PAGES:
		return BLOCK_PAGES;
	case RESPOOL_TEST_ALLOC_EXACT:
	case RESPOOL_TEST_ALLOC_REQUEST:
	case RESPOOL_TEST_ALLOC_WAIT:
		return BLOCK_EXACT;
	case RESPOOL_TEST_ALLOC_OBJECT:
		return BLOCK_OBJECT;
	default:
		return BLOCK_BYTES;
	}
}

/*
 * Answer for a block just made or moved. If asked to, see that its @kept
 * leading bytes survived the move and that what is beyond its @old usable ones
 * is zeroed, then fill all of it.
 */
static int settle_block(struct test_file *file, struct block *block, size_t kept, size_t old,
			struct respool_test_op *op)
{
	size_t usable;
	int error;

	op->value = respool_virt_to_phys(file->pool, block->addr);
	if (!(op->flags & RESPOOL_TEST_CHECK))
		return 0;

	usable = usable_bytes(file, block);
	if (usable < block->size) {
		op->value = usable;
		return -EBADMSG;
	}
	error = verify_pattern(block, kept, block->seed, &op->value);
	if (!error && (op->flags & RESPOOL_TEST_ZERO))
		error = verify_zero(block, old, usable, &op->value);
	fill_block(block, usable, op->seed);
	return error;
}

static int run_alloc(struct test_file *file, struct respool_test_op *op)
{
	struct call call = { .file = file };
	struct block *block;
	int error;

	block = claim_block(file, op->handle, BLOCK_NONE);
	if (IS_ERR(block))
		return PTR_ERR(block);

	error = -ENOENT;
	block->kind = made_kind(op);
	if (block->kind == BLOCK_BYTES) {
		call.slab = file_slab(file, op->slab);
		if (!call.slab)
			goto err_release;
	}
	if (block->kind == BLOCK_OBJECT) {
		call.cache = file_cache(file, op->slab);
		if (!call.cache)
			goto err_release;
	}

	error = -ENOMEM;
	run_call(&call, op);
	if (!call.addr)
		goto err_release;

	block->slab = op->slab;
	block->addr = call.addr;
	block->size = call.cache ? call.cache->size : made_bytes(op);
	block->filled = 0;
	error = settle_block(file, block, 0, 0, op);
	release_block(block, BLOCK_LIVE);
	return error;

err_release:
	release_block(block, BLOCK_NONE);
	return error;
}

static int realloc_block(struct test_file *file, struct block *block, struct respool_test_op *op)
{
	struct call call = { .file = file, .block = block };
	size_t kept = min3(block->filled, block->size, (size_t)op->size);
	size_t old;

	if (block->kind != BLOCK_BYTES)
		return -EINVAL;

	old = op->flags & RESPOOL_TEST_CHECK ? usable_bytes(file, block) : 0;
	call.slab = file->slab[block->slab];
	run_call(&call, op);
	if (!call.addr)
		return -ENOMEM;

	block->addr = call.addr;
	block->size = op->size;
	block->filled = kept;
	return settle_block(file, block, kept, old, op);
}

static int run_realloc(struct test_file *file, struct respool_test_op *op)
{
	struct block *block = claim_block(file, op->handle, BLOCK_LIVE);
	int error;

	if (IS_ERR(block))
		return PTR_ERR(block);
	error = realloc_block(file, block, op);
	release_block(block, BLOCK_LIVE);
	return error;
}

static int run_free(struct test_file *file, struct respool_test_op *op)
{
	struct block *block = claim_block(file, op->handle, BLOCK_LIVE);
	struct call call = { .file = file, .block = block };
	int error = 0;

	if (IS_ERR(block))
		return PTR_ERR(block);
	if (op->op == RESPOOL_TEST_FREE_CLEARED && !is_pages(block)) {
		release_block(block, BLOCK_LIVE);
		return -EINVAL;
	}

	if (op->flags & RESPOOL_TEST_CHECK)
		error = verify_pattern(block, block->filled, block->seed, &op->value);
	run_call(&call, op);
	release_block(block, call.error ? BLOCK_LIVE : BLOCK_NONE);
	return call.error ?: error;
}

/* A block that all CPUs free at one time. */
struct race {
	struct test_file *file;
	const struct block *block;
	atomic_t missing;	/* CPUs that are not there yet */
	atomic_t accepted;
};

/* Two at a time would wait for each other with interrupts off. */
static DEFINE_MUTEX(race_lock);

static void free_together(void *data)
{
	struct race *race = data;

	atomic_dec(&race->missing);
	while (atomic_read(&race->missing))
		cpu_relax();
	if (!free_block(race->file, race->block))
		atomic_inc(&race->accepted);
}

static int run_race(struct test_file *file, struct respool_test_op *op)
{
	struct block *block = claim_block(file, op->handle, BLOCK_LIVE);
	struct race race = { .file = file, .block = block };

	if (IS_ERR(block))
		return PTR_ERR(block);

	mutex_lock(&race_lock);
	cpus_read_lock();
	atomic_set(&race.missing, num_online_cpus());
	on_each_cpu(free_together, &race, true);
	cpus_read_unlock();
	mutex_unlock(&race_lock);

	op->value = atomic_read(&race.accepted);
	release_block(block, op->value ? BLOCK_NONE : BLOCK_LIVE);
	return 0;
}

/* What is said of the pool, not of a block. */
static int run_pool(struct test_file *file, struct respool_test_op *op)
{
	struct respool *pool = file_pool(file);
	struct respool_request request = request_of(op);
	void *addr;

	if (!pool)
		return -ENOENT;

	addr = respool_phys_to_virt(pool, op->first);
	switch (op->op) {
	case RESPOOL_TEST_LARGEST:
		op->value = respool_largest(pool, &request);
		return 0;
	case RESPOOL_TEST_RESERVE:
		return respool_reserve_range(pool, addr, op->size);
	case RESPOOL_TEST_RELEASE:
		return respool_release_range(pool, addr, op->size);
	case RESPOOL_TEST_RETIRE:
		return respool_retire_page(pool, addr);
	case RESPOOL_TEST_SET_WATERMARK:
		return respool_set_watermark(pool, op->size);
	}
	return -EINVAL;
}

/* Do all helpers agree on the page at @addr, @phys being the only right answer? */
static bool page_translates(struct respool *pool, void *addr, phys_addr_t phys, u64 *pages)
{
	struct page *page = respool_virt_to_page(pool, addr);

	if (page && respool_page_to_virt(pool, page) != addr)
		return false;
	*pages += !!page;
	return respool_contains(pool, addr) && respool_virt_to_phys(pool, addr) == phys &&
	       respool_phys_to_virt(pool, phys) == addr;
}

static int translate_block(struct respool *pool, const struct block *block, size_t usable,
			   u64 *value)
{
	phys_addr_t phys = respool_virt_to_phys(pool, block->addr);
	u64 pages = 0;
	size_t offset;

	for (offset = 0; offset < usable; offset += PAGE_SIZE)
		if (!page_translates(pool, block->addr + offset, phys + offset, &pages)) {
			*value = offset;
			return -EBADMSG;
		}
	*value = pages;
	return 0;
}

/* Constructors: they see the object only, so what they count is everybody's. */

static atomic64_t constructed, constructed_irqs_off;

static u64 mark_of(const void *object)
{
	return (uintptr_t)object ^ 0x6f626a6563740001ULL;
}

static void construct(void *object)
{
	*(u64 *)object = mark_of(object);
	atomic64_inc(&constructed);
	if (irqs_disabled())
		atomic64_inc(&constructed_irqs_off);
}

/* Where the run of an object starts: it is aligned to its size. */
static void *run_of(struct test_file *file, const struct block *block)
{
	phys_addr_t phys = respool_virt_to_phys(file->pool, block->addr);

	return respool_phys_to_virt(file->pool,
				    round_down(phys, file->cache[block->slab].run_bytes));
}

static int look_at_object(struct test_file *file, const struct block *block,
			  struct respool_test_op *op)
{
	if (block->kind != BLOCK_OBJECT)
		return -EINVAL;
	if (op->op == RESPOOL_TEST_MARKED)
		return *(u64 *)block->addr == mark_of(block->addr) ? 0 : -EBADMSG;
	if (op->first >= file->cache[block->slab].run_bytes)
		return -EINVAL;
	((u8 *)run_of(file, block))[op->first] ^= op->size;
	return 0;
}

static int look_at_block(struct test_file *file, struct block *block, struct respool_test_op *op)
{
	size_t usable = usable_bytes(file, block);
	size_t bytes = op->size ?: usable;

	if (!usable)
		return -EUCLEAN;
	if (bytes > usable)
		return -EINVAL;

	switch (op->op) {
	case RESPOOL_TEST_USABLE:
		op->value = usable;
		return 0;
	case RESPOOL_TEST_LOCATE:
		op->value = respool_virt_to_phys(file->pool, block->addr);
		return 0;
	case RESPOOL_TEST_FILL:
		fill_block(block, usable, op->seed);
		return 0;
	case RESPOOL_TEST_VERIFY:
		return verify_pattern(block, bytes, op->seed, &op->value);
	case RESPOOL_TEST_VERIFY_ZERO:
		return verify_zero(block, 0, bytes, &op->value);
	case RESPOOL_TEST_TRANSLATE:
		if (!is_pages(block))
			return -EINVAL;
		return translate_block(file->pool, block, usable, &op->value);
	}
	return -EINVAL;
}

static int run_look(struct test_file *file, struct respool_test_op *op)
{
	struct block *block = claim_block(file, op->handle, BLOCK_LIVE);
	int error;

	if (IS_ERR(block))
		return PTR_ERR(block);
	if (op->op == RESPOOL_TEST_MARKED || op->op == RESPOOL_TEST_DAMAGE)
		error = look_at_object(file, block, op);
	else
		error = look_at_block(file, block, op);
	release_block(block, BLOCK_LIVE);
	return error;
}

/*
 * Write where nobody may. The block's address is still known after it was freed.
 */
static int poke_block(struct test_file *file, const struct block *block, u64 offset, u8 bits)
{
	u8 *byte = block->addr + offset;

	if (!respool_contains(file->pool, byte))
		return -EINVAL;
	WRITE_ONCE(*byte, READ_ONCE(*byte) ^ bits);
	return 0;
}

static int run_poke(struct test_file *file, struct respool_test_op *op)
{
	struct block *block = claim_block(file, op->handle, BLOCK_LIVE);
	enum block_state to = BLOCK_LIVE;
	int error = -EINVAL;

	if (IS_ERR(block))
		return PTR_ERR(block);
	if (block->kind != BLOCK_BYTES || !op->seed || op->seed > U8_MAX)
		goto out;
	error = op->flags & RESPOOL_TEST_STALE ? free_block(file, block) : 0;
	if (error)
		goto out;
	if (op->flags & RESPOOL_TEST_STALE)
		to = BLOCK_NONE;
	error = poke_block(file, block, op->size, op->seed);
out:
	release_block(block, to);
	return error;
}

static int run_leak(struct test_file *file, struct respool_test_op *op)
{
	struct block *block = claim_block(file, op->handle, BLOCK_LIVE);
	bool can_leak;

	if (IS_ERR(block))
		return PTR_ERR(block);
	can_leak = block->kind == BLOCK_BYTES;
	release_block(block, can_leak ? BLOCK_LEAKED : BLOCK_LIVE);
	return can_leak ? 0 : -EINVAL;
}

static int run_shrink(struct test_file *file, struct respool_test_op *op)
{
	struct test_cache *cache = file_cache(file, op->slab);

	if (!cache)
		return -ENOENT;
	respool_cache_shrink(cache->cache);
	return 0;
}

#define FLAGS_CALL	(RESPOOL_TEST_IN_IRQ | RESPOOL_TEST_IRQS_OFF)
#define FLAGS_WAIT	(RESPOOL_TEST_ZERO | RESPOOL_TEST_CHECK | RESPOOL_TEST_ATOMIC)
#define FLAGS_ALLOC	(FLAGS_WAIT | FLAGS_CALL)
#define FLAGS_FREE	(RESPOOL_TEST_CHECK | FLAGS_CALL)
#define FLAGS_PLACE	(RESPOOL_TEST_TOP_DOWN | RESPOOL_TEST_SCAN | RESPOOL_TEST_UNKNOWN)

/* What each operation understands; a field without a limit here must be zero. */
static const struct op_info {
	int (*run)(struct test_file *file, struct respool_test_op *op);
	u32 flags;
	u64 max_size;
	u64 max_align;
	u32 max_slab;
	u64 max_first;
	u64 max_last;
	bool content;		/* looks at what is in a block */
} op_info[RESPOOL_TEST_NR_OPS] = {
	[RESPOOL_TEST_ALLOC_PAGES]   = { run_alloc, FLAGS_ALLOC, UINT_MAX },
	[RESPOOL_TEST_ALLOC_EXACT]   = { run_alloc, FLAGS_ALLOC, ULONG_MAX },
	[RESPOOL_TEST_ALLOC]	     = { run_alloc, FLAGS_ALLOC, SIZE_MAX, 0, U32_MAX },
	[RESPOOL_TEST_ALLOC_ALIGNED] = { run_alloc, FLAGS_ALLOC, SIZE_MAX, SIZE_MAX, U32_MAX },
	[RESPOOL_TEST_REALLOC]	     = { run_realloc, FLAGS_ALLOC, SIZE_MAX },
	[RESPOOL_TEST_FREE]	     = { run_free, FLAGS_FREE },
	[RESPOOL_TEST_USABLE]	     = { run_look },
	[RESPOOL_TEST_FILL]	     = { run_look, .content = true },
	[RESPOOL_TEST_VERIFY]	     = { run_look, 0, SIZE_MAX, .content = true },
	[RESPOOL_TEST_VERIFY_ZERO]   = { run_look, 0, SIZE_MAX, .content = true },
	[RESPOOL_TEST_TRANSLATE]     = { run_look },
	[RESPOOL_TEST_ALLOC_REQUEST] = { run_alloc, FLAGS_ALLOC | FLAGS_PLACE, ULONG_MAX, SIZE_MAX,
					 0, PHYS_ADDR_MAX, PHYS_ADDR_MAX },
	[RESPOOL_TEST_LARGEST]	     = { run_pool, FLAGS_PLACE, 0, SIZE_MAX, 0, PHYS_ADDR_MAX,
					 PHYS_ADDR_MAX },
	[RESPOOL_TEST_ALLOC_WAIT]    = { run_alloc, FLAGS_WAIT, ULONG_MAX, UINT_MAX },
	[RESPOOL_TEST_LOCATE]	     = { run_look },
	[RESPOOL_TEST_FREE_CLEARED]  = { run_free, FLAGS_FREE },
	[RESPOOL_TEST_FREE_RACE]     = { run_race },
	[RESPOOL_TEST_RESERVE]	     = { run_pool, 0, ULONG_MAX, 0, 0, PHYS_ADDR_MAX },
	[RESPOOL_TEST_RELEASE]	     = { run_pool, 0, ULONG_MAX, 0, 0, PHYS_ADDR_MAX },
	[RESPOOL_TEST_RETIRE]	     = { run_pool, 0, 0, 0, 0, PHYS_ADDR_MAX },
	[RESPOOL_TEST_SET_WATERMARK] = { run_pool, 0, ULONG_MAX },
	[RESPOOL_TEST_POKE]	     = { run_poke, RESPOOL_TEST_STALE, U64_MAX },
	[RESPOOL_TEST_LEAK]	     = { run_leak },
	[RESPOOL_TEST_ALLOC_OBJECT]  = { run_alloc, FLAGS_ALLOC, 0, 0, U32_MAX },
	[RESPOOL_TEST_MARKED]	     = { run_look, .content = true },
	[RESPOOL_TEST_DAMAGE]	     = { run_look, 0, U8_MAX, .max_first = U64_MAX,
					 .content = true },
	[RESPOOL_TEST_SHRINK]	     = { run_shrink, .max_slab = U32_MAX },
};

static bool op_valid(const struct op_info *info, const struct respool_test_op *op)
{
	return !(op->flags & ~info->flags) && (op->flags & FLAGS_CALL) != FLAGS_CALL &&
	       op->size <= info->max_size && op->align <= info->max_align &&
	       op->slab <= info->max_slab && op->first <= info->max_first &&
	       op->last <= info->max_last;
}

/* There is no content where there is no memory. */
static bool op_possible(struct test_file *file, const struct op_info *info,
			const struct respool_test_op *op)
{
	struct respool *pool = file_pool(file);

	return !pool || respool_has_memory(pool) ||
	       !(info->content || op->flags & RESPOOL_TEST_CHECK);
}

static int run_op(struct test_file *file, struct respool_test_op *op)
{
	const struct op_info *info;

	op->value = 0;
	op->error = -EINVAL;
	op->ns = 0;
	if (op->op >= RESPOOL_TEST_NR_OPS)
		return op->error;

	info = &op_info[array_index_nospec(op->op, RESPOOL_TEST_NR_OPS)];
	if (op_valid(info, op))
		op->error = op_possible(file, info, op) ? info->run(file, op) : -ENXIO;
	return op->error;
}

/* Ioctls. */

static bool name_terminated(const char name[RESPOOL_TEST_NAME_LEN])
{
	return strnlen(name, RESPOOL_TEST_NAME_LEN) < RESPOOL_TEST_NAME_LEN;
}

static int ioctl_info(struct test_file *file, void *arg)
{
	struct respool_test_info *info = arg;
	struct respool *pool;

	if (!name_terminated(info->name))
		return -EINVAL;
	pool = respool_get(info->name);
	if (IS_ERR(pool))
		return PTR_ERR(pool);

	info->pages = respool_nr_pages(pool);
	info->page_size = PAGE_SIZE;
	info->max_order = respool_max_order(pool);
	respool_put(pool);
	return 0;
}

static int open_pool(struct test_file *file, const struct respool_test_open *open)
{
	char owner[RESPOOL_NAME_LEN];
	struct respool *pool;
	struct block *blocks;

	if (file->pool)
		return -EEXIST;

	blocks = kvcalloc(open->nr_handles, sizeof(*blocks), GFP_KERNEL_ACCOUNT);
	if (!blocks)
		return -ENOMEM;

	scnprintf(owner, sizeof(owner), "test:%s/%d", current->comm, task_pid_nr(current));
	pool = respool_get_as(open->name, owner);
	if (IS_ERR(pool)) {
		kvfree(blocks);
		return PTR_ERR(pool);
	}
	file->blocks = blocks;
	file->nr_blocks = open->nr_handles;
	/* Pairs with file_pool(): publishes the block table, too. */
	smp_store_release(&file->pool, pool);
	return 0;
}

static int ioctl_open(struct test_file *file, void *arg)
{
	const struct respool_test_open *open = arg;
	int error;

	if (open->__reserved || !name_terminated(open->name) || !open->nr_handles ||
	    open->nr_handles > RESPOOL_TEST_MAX_HANDLES)
		return -EINVAL;

	mutex_lock(&file->lock);
	error = open_pool(file, open);
	mutex_unlock(&file->lock);
	return error;
}

static int create_slab(struct test_file *file, struct respool_test_slab *create)
{
	struct respool_slab_options options = { .fit = create->fit, .flags = create->flags };
	struct respool_slab *slab;
	u32 i;

	if (!file->pool)
		return -ENOENT;
	if (!respool_has_memory(file->pool))
		return -ENXIO;
	for (i = 0; i < RESPOOL_TEST_MAX_SLABS && file->slab[i]; i++)
		;
	if (i == RESPOOL_TEST_MAX_SLABS)
		return -ENOMEM;

	slab = respool_slab_create_with(file->pool, create->name, &options);
	if (IS_ERR(slab))
		return PTR_ERR(slab);
	create->slab = i;
	/* Pairs with file_slab(). */
	smp_store_release(&file->slab[i], slab);
	return 0;
}

static int ioctl_slab_create(struct test_file *file, void *arg)
{
	struct respool_test_slab *create = arg;
	int error;

	create->slab = 0;
	if (create->__reserved || !name_terminated(create->name))
		return -EINVAL;

	mutex_lock(&file->lock);
	error = create_slab(file, create);
	mutex_unlock(&file->lock);
	return error;
}

static int create_cache(struct test_file *file, struct respool_test_cache *create)
{
	bool marked = create->flags & RESPOOL_TEST_CACHE_MARKED;
	struct respool_cache_stats stats;
	struct respool_cache *cache;
	u32 i;

	if (!file->pool)
		return -ENOENT;
	for (i = 0; i < RESPOOL_TEST_MAX_CACHES && file->cache[i].cache; i++)
		;
	if (i == RESPOOL_TEST_MAX_CACHES)
		return -ENOMEM;

	cache = respool_cache_create(file->pool, create->name, create->size, create->align,
				     marked ? construct : NULL);
	if (IS_ERR(cache))
		return PTR_ERR(cache);
	respool_cache_stats(cache, &stats);
	file->cache[i].size = create->size;
	file->cache[i].run_bytes = stats.run_pages << PAGE_SHIFT;
	create->cache = i;
	/* Pairs with file_cache(). */
	smp_store_release(&file->cache[i].cache, cache);
	return 0;
}

static int ioctl_cache_create(struct test_file *file, void *arg)
{
	struct respool_test_cache *create = arg;
	int error;

	create->cache = 0;
	if (create->flags & ~RESPOOL_TEST_CACHE_FLAGS || !name_terminated(create->name) ||
	    (create->flags & RESPOOL_TEST_CACHE_MARKED && create->size < sizeof(u64)))
		return -EINVAL;

	mutex_lock(&file->lock);
	error = create_cache(file, create);
	mutex_unlock(&file->lock);
	return error;
}

/*
 * What was live in a cache that is no more: the runs are what is left to be
 * freed. @seen has a bit for each page of the pool.
 */
static u32 rename_objects(struct test_file *file, u32 cache, unsigned long *seen)
{
	struct block *block;
	u32 runs = 0;
	void *run;

	for (block = file->blocks; block < file->blocks + file->nr_blocks; block++) {
		if (atomic_read(&block->state) != BLOCK_LIVE || block->kind != BLOCK_OBJECT ||
		    block->slab != cache)
			continue;
		run = run_of(file, block);
		if (__test_and_set_bit((run - respool_start(file->pool)) >> PAGE_SHIFT, seen)) {
			release_block(block, BLOCK_NONE);
			continue;
		}
		block->kind = BLOCK_EXACT;
		block->addr = run;
		block->size = file->cache[cache].run_bytes;
		block->filled = 0;
		runs++;
	}
	return runs;
}

/* Runs with caches_in_use for writing. */
static int ioctl_cache_destroy(struct test_file *file, void *arg)
{
	struct respool_test_cache_destroy *destroy = arg;
	struct test_cache *cache = file_cache(file, destroy->cache);
	unsigned long *seen;

	destroy->runs = 0;
	if (!cache)
		return -ENOENT;
	seen = kvcalloc(BITS_TO_LONGS(respool_nr_pages(file->pool)), sizeof(long), GFP_KERNEL);
	if (!seen)
		return -ENOMEM;
	respool_cache_destroy(cache->cache);
	cache->cache = NULL;
	destroy->runs = rename_objects(file, destroy->cache, seen);
	kvfree(seen);
	return 0;
}

static int ioctl_op(struct test_file *file, void *arg)
{
	return run_op(file, arg);
}

#define BATCH_CHUNK	64	/* operations copied in and out at a time */

static void run_chunk(struct test_file *file, struct respool_test_batch *batch,
		      struct respool_test_op *ops, u32 nr_ops)
{
	u32 i;

	for (i = 0; i < nr_ops; i++) {
		batch->failed += !!run_op(file, &ops[i]);
		batch->max_ns = max(batch->max_ns, ops[i].ns);
		batch->total_ns += ops[i].ns;
	}
	batch->done += nr_ops;
}

static int ioctl_batch(struct test_file *file, void *arg)
{
	struct respool_test_batch *batch = arg;
	struct respool_test_op __user *uops = u64_to_user_ptr(batch->ops);
	struct respool_test_op *ops;
	int error = 0;

	batch->done = 0;
	batch->failed = 0;
	batch->max_ns = 0;
	batch->total_ns = 0;

	ops = kmalloc_array(BATCH_CHUNK, sizeof(*ops), GFP_KERNEL);
	if (!ops)
		return -ENOMEM;

	while (batch->done < batch->nr_ops && !signal_pending(current)) {
		u32 first = batch->done;
		u32 n = min_t(u32, batch->nr_ops - first, BATCH_CHUNK);

		error = -EFAULT;
		if (copy_from_user(ops, uops + first, n * sizeof(*ops)))
			break;
		run_chunk(file, batch, ops, n);
		if (copy_to_user(uops + first, ops, n * sizeof(*ops)))
			break;
		error = 0;
		cond_resched();
	}
	kfree(ops);
	return error;
}

static void copy_pool_stats(struct respool_test_pool_stats *to, const struct respool_stats *from)
{
	unsigned int i;

	to->pages = from->pages;
	to->free_pages = from->free_pages;
	to->allocated_pages = from->allocated_pages;
	to->cached_pages = from->cached_pages;
	to->reserved_pages = from->reserved_pages;
	to->bad_pages = from->bad_pages;
	to->clear_pages = from->clear_pages;
	to->watermark_pages = from->watermark_pages;
	to->peak_allocated_pages = from->peak_allocated_pages;
	to->free_regions = from->free_regions;
	to->regions = from->regions;
	to->allocations = from->allocations;
	to->frees = from->frees;
	to->failures = from->failures;
	for (i = 0; i < RESPOOL_NR_REFUSALS; i++)
		to->refusals[i] = from->refusals[i];
	to->max_order = from->max_order;
	to->largest_free_order = from->largest_free_order;
	for (i = 0; i < RESPOOL_NR_ORDERS; i++) {
		to->order[i].free_blocks = from->order[i].free_blocks;
		to->order[i].allocated_blocks = from->order[i].allocated_blocks;
		to->order[i].cached_blocks = from->order[i].cached_blocks;
		to->order[i].allocations = from->order[i].allocations;
		to->order[i].failures = from->order[i].failures;
	}
}

static int ioctl_pool_stats(struct test_file *file, void *arg)
{
	struct respool_stats *stats;

	if (!file_pool(file))
		return -ENOENT;
	stats = kzalloc(sizeof(*stats), GFP_KERNEL);
	if (!stats)
		return -ENOMEM;
	respool_stats(file->pool, stats);
	copy_pool_stats(arg, stats);
	kfree(stats);
	return 0;
}

static void copy_slab_stats(struct respool_test_slab_stats *to,
			    const struct respool_slab_stats *from)
{
	unsigned int i;

	to->held_pages = from->held_pages;
	to->runs = from->runs;
	to->empty_runs = from->empty_runs;
	to->live_blocks = from->live_blocks;
	to->live_bytes = from->live_bytes;
	to->cached_blocks = from->cached_blocks;
	to->cached_bytes = from->cached_bytes;
	to->quarantined_blocks = from->quarantined_blocks;
	to->quarantined_bytes = from->quarantined_bytes;
	to->free_blocks = from->free_blocks;
	to->free_bytes = from->free_bytes;
	to->overhead_bytes = from->overhead_bytes;
	to->largest_free = from->largest_free;
	to->peak_held_pages = from->peak_held_pages;
	to->peak_live_bytes = from->peak_live_bytes;
	to->allocations = from->allocations;
	to->frees = from->frees;
	to->reallocs = from->reallocs;
	to->reallocs_in_place = from->reallocs_in_place;
	to->failures = from->failures;
	to->splits = from->splits;
	to->coalesces = from->coalesces;
	to->runs_taken = from->runs_taken;
	to->runs_returned = from->runs_returned;
	for (i = 0; i < RESPOOL_NR_REFUSALS; i++)
		to->refusals[i] = from->refusals[i];
}

static int ioctl_slab_stats(struct test_file *file, void *arg)
{
	struct respool_test_slab_stats *reply = arg;
	struct respool_slab_stats stats = {};
	struct respool_slab *slab;

	if (reply->__reserved)
		return -EINVAL;
	slab = file_slab(file, reply->slab);
	if (!slab)
		return -ENOENT;
	respool_slab_stats(slab, &stats);
	copy_slab_stats(reply, &stats);
	return 0;
}

static void copy_cache_stats(struct respool_test_cache_stats *to,
			     const struct respool_cache_stats *from)
{
	unsigned int i;

	to->size = from->size;
	to->object_bytes = from->object_bytes;
	to->run_pages = from->run_pages;
	to->run_objects = from->run_objects;
	to->held_pages = from->held_pages;
	to->runs = from->runs;
	to->empty_runs = from->empty_runs;
	to->damaged_runs = from->damaged_runs;
	to->live_objects = from->live_objects;
	to->free_objects = from->free_objects;
	to->cached_objects = from->cached_objects;
	to->overhead_bytes = from->overhead_bytes;
	to->peak_held_pages = from->peak_held_pages;
	to->allocations = from->allocations;
	to->frees = from->frees;
	to->failures = from->failures;
	to->runs_taken = from->runs_taken;
	to->runs_returned = from->runs_returned;
	for (i = 0; i < RESPOOL_NR_REFUSALS; i++)
		to->refusals[i] = from->refusals[i];
}

static int ioctl_cache_stats(struct test_file *file, void *arg)
{
	struct respool_test_cache_stats *reply = arg;
	struct respool_cache_stats stats = {};
	struct test_cache *cache;

	if (reply->__reserved)
		return -EINVAL;
	cache = file_cache(file, reply->cache);
	if (!cache)
		return -ENOENT;
	respool_cache_stats(cache->cache, &stats);
	copy_cache_stats(reply, &stats);
	reply->constructed = atomic64_read(&constructed);
	reply->constructed_irqs_off = atomic64_read(&constructed_irqs_off);
	return 0;
}

static int ioctl_validate(struct test_file *file, void *arg)
{
	struct respool_test_validate *validate = arg;
	struct test_cache *cache;
	struct respool_slab *slab;

	validate->result = 0;
	memset(validate->why, 0, sizeof(validate->why));
	if (!file_pool(file))
		return -ENOENT;
	if (validate->target == RESPOOL_TEST_POOL) {
		validate->result = respool_validate(file->pool, validate->why,
						    sizeof(validate->why));
		return 0;
	}
	if (validate->target >= RESPOOL_TEST_CACHE(0)) {
		cache = file_cache(file, validate->target - RESPOOL_TEST_CACHE(0));
		if (!cache)
			return -ENOENT;
		validate->result = respool_cache_validate(cache->cache, validate->why,
							  sizeof(validate->why));
		return 0;
	}
	slab = file_slab(file, validate->target);
	if (!slab)
		return -ENOENT;
	validate->result = respool_slab_validate(slab, validate->why, sizeof(validate->why));
	return 0;
}

static bool takes_cache(u32 call)
{
	return call == RESPOOL_TEST_CALL_FREE_OBJECT;
}

/* A slab or a cache. */
static bool takes_slab(u32 call)
{
	return call >= RESPOOL_TEST_CALL_FREE;
}

/*
 * Is this a mistake at all? What passes here must be refused by respool; what
 * might be a correct call on somebody's block must not pass.
 */
static bool is_mistake(struct test_file *file, const struct block *block,
		       const struct respool_test_misuse *misuse)
{
	enum block_kind own_kind = takes_cache(misuse->call) ? BLOCK_OBJECT : BLOCK_BYTES;
	bool own_slab = block->kind == own_kind && misuse->slab == block->slab;
	bool want_own = misuse->mistake != RESPOOL_TEST_SLAB;

	if (takes_slab(misuse->call)) {
		if (takes_cache(misuse->call) ? !file_cache(file, misuse->slab) :
						!file_slab(file, misuse->slab))
			return false;
		if (own_slab != want_own)
			return false;
	} else if (!is_pages(block) || misuse->slab) {
		return false;
	}

	switch (misuse->mistake) {
	case RESPOOL_TEST_OFFSET:
		return misuse->value && misuse->value < usable_bytes(file, block);
	case RESPOOL_TEST_ORDER:
		return misuse->call == RESPOOL_TEST_CALL_FREE_PAGES &&
		       misuse->value <= UINT_MAX && misuse->value != block_order(block);
	case RESPOOL_TEST_SLAB:
		return takes_slab(misuse->call) && !misuse->value;
	default:
		return !misuse->value;
	}
}

static int call_wrongly(struct test_file *file, const struct respool_test_misuse *misuse,
			void *addr, unsigned int order)
{
	struct respool_slab *slab = file_slab(file, misuse->slab);

	switch (misuse->call) {
	case RESPOOL_TEST_CALL_FREE_PAGES:
		return respool_free_pages(file->pool, addr, order);
	case RESPOOL_TEST_CALL_FREE_BLOCK:
		return respool_free_block(file->pool, addr);
	case RESPOOL_TEST_CALL_FREE:
		return respool_free(slab, addr);
	case RESPOOL_TEST_CALL_REALLOC:
		return respool_realloc(slab, addr, 1, GFP_KERNEL) ? 0 : -ENOMEM;
	case RESPOOL_TEST_CALL_FREE_OBJECT:
		return respool_cache_free(file_cache(file, misuse->slab)->cache, addr);
	default:
		return respool_usable_size(slab, addr);
	}
}

/* Make the mistake; returns what becomes of the block. */
static enum block_state make_mistake(struct test_file *file, struct block *block,
				     struct respool_test_misuse *misuse, void *outside)
{
	unsigned int order = misuse->call == RESPOOL_TEST_CALL_FREE_PAGES ? block_order(block) : 0;
	void *addr = block->addr;

	switch (misuse->mistake) {
	case RESPOOL_TEST_FREED:
		misuse->result = free_block(file, block);
		if (misuse->result)
			return BLOCK_LIVE;
		break;
	case RESPOOL_TEST_OFFSET:
		addr += misuse->value;
		break;
	case RESPOOL_TEST_ORDER:
		order = misuse->value;
		break;
	case RESPOOL_TEST_OUTSIDE:
		addr = outside;
		break;
	}
	misuse->result = call_wrongly(file, misuse, addr, order);

	/* If respool took the mistake for a free, the block is no longer ours. */
	if (misuse->mistake == RESPOOL_TEST_FREED ||
	    (misuse->call != RESPOOL_TEST_CALL_USABLE && !misuse->result))
		return BLOCK_NONE;
	return BLOCK_LIVE;
}

static int ioctl_misuse(struct test_file *file, void *arg)
{
	struct respool_test_misuse *misuse = arg;
	struct block *block;
	void *outside;
	int error = 0;

	misuse->result = 0;
	if (misuse->__reserved || misuse->call >= RESPOOL_TEST_NR_CALLS ||
	    misuse->mistake >= RESPOOL_TEST_NR_MISTAKES)
		return -EINVAL;

	block = claim_block(file, misuse->handle, BLOCK_LIVE);
	if (IS_ERR(block))
		return PTR_ERR(block);

	outside = (void *)get_zeroed_page(GFP_KERNEL);
	if (!outside)
		error = -ENOMEM;
	else if (!is_mistake(file, block, misuse))
		error = -EINVAL;

	release_block(block, error ? BLOCK_LIVE : make_mistake(file, block, misuse, outside));
	free_page((unsigned long)outside);
	return error;
}

static int ioctl_drain(struct test_file *file, void *arg)
{
	const struct respool_test_drain *drain = arg;

	if (drain->__reserved)
		return -EINVAL;
	if (!file_pool(file))
		return -ENOENT;
	respool_drain(file->pool);
	return 0;
}

/* Several blocks */

static void release_blocks(struct test_file *file, u32 first, u32 nr, enum block_state to)
{
	while (nr--)
		release_block(&file->blocks[first + nr], to);
}

/* Become the only user of @nr blocks that are in state @from, or of none. */
static int claim_blocks(struct test_file *file, u32 first, u32 nr, enum block_state from)
{
	struct block *block;
	u32 i;

	if (!file_pool(file) || first >= file->nr_blocks || nr > file->nr_blocks - first)
		return -ENOENT;
	for (i = 0; i < nr; i++) {
		block = claim_block(file, first + i, from);
		if (IS_ERR(block)) {
			release_blocks(file, first, i, from);
			return PTR_ERR(block);
		}
	}
	return 0;
}

/* What was made, a block or a list's extent, goes by a handle from now on. */
static void name_block(struct test_file *file, u32 handle, enum block_kind kind, u8 slab,
		       void *addr, size_t size)
{
	struct block *block = &file->blocks[handle];

	block->kind = kind;
	block->slab = slab;
	block->addr = addr;
	block->size = size;
	block->filled = 0;
	release_block(block, BLOCK_LIVE);
}

static int alloc_list(struct test_file *file, struct respool_test_many *many, void *array)
{
	struct respool_extent *extent = array;
	int nr, i;

	nr = respool_alloc_list(file->pool, many->size, extent, many->nr, gfp_of(many->flags));
	for (i = 0; i < nr; i++)
		name_block(file, many->handle + i, BLOCK_EXACT, 0, extent[i].addr,
			   extent[i].nr_pages << PAGE_SHIFT);
	i = max(nr, 0);
	release_blocks(file, many->handle + i, many->nr - i, BLOCK_NONE);
	return nr;
}

static int free_list(struct test_file *file, struct respool_test_many *many, void *array)
{
	const struct block *block = &file->blocks[many->handle];
	struct respool_extent *extent = array;
	u32 i;

	for (i = 0; i < many->nr; i++) {
		extent[i].addr = block[i].addr;
		extent[i].nr_pages = block[i].size >> PAGE_SHIFT;
	}
	respool_free_list(file->pool, extent, many->nr);
	release_blocks(file, many->handle, many->nr, BLOCK_NONE);
	return 0;
}

static int alloc_bulk(struct test_file *file, struct respool_test_many *many, void *array)
{
	void **addr = array;
	u32 nr, i;

	nr = respool_alloc_bulk(file->pool, many->size, many->nr, addr, gfp_of(many->flags));
	for (i = 0; i < nr; i++)
		name_block(file, many->handle + i, BLOCK_PAGES, 0, addr[i],
			   PAGE_SIZE << many->size);
	release_blocks(file, many->handle + nr, many->nr - nr, BLOCK_NONE);
	return nr;
}

static int alloc_objects(struct test_file *file, struct respool_test_many *many, void *array)
{
	struct test_cache *cache = file_cache(file, many->size);
	void **addr = array;
	u32 nr, i;

	nr = respool_cache_alloc_bulk(cache->cache, many->nr, addr, gfp_of(many->flags));
	for (i = 0; i < nr; i++)
		name_block(file, many->handle + i, BLOCK_OBJECT, many->size, addr[i], cache->size);
	release_blocks(file, many->handle + nr, many->nr - nr, BLOCK_NONE);
	return nr;
}

static int free_bulk(struct test_file *file, struct respool_test_many *many, void *array)
{
	struct block *block = &file->blocks[many->handle];
	struct respool_cache *cache = file->cache[block->slab].cache;
	void **addr = array;
	int refused;
	u32 i;

	for (i = 0; i < many->nr; i++)
		addr[i] = block[i].addr;
	if (many->call == RESPOOL_TEST_FREE_OBJECTS)
		refused = respool_cache_free_bulk(cache, many->nr, addr);
	else
		refused = respool_free_bulk(file->pool, many->nr, addr);
	for (i = 0; i < many->nr; i++)
		release_block(&block[i], addr[i] ? BLOCK_LIVE : BLOCK_NONE);
	return refused;
}

static int slab_alloc_bulk(struct test_file *file, struct respool_test_many *many, void *array)
{
	void **addr = array;
	u32 nr, i;

	nr = respool_slab_alloc_bulk(file_slab(file, many->slab), many->size, many->nr, addr,
				     gfp_of(many->flags));
	for (i = 0; i < nr; i++)
		name_block(file, many->handle + i, BLOCK_BYTES, many->slab, addr[i], many->size);
	release_blocks(file, many->handle + nr, many->nr - nr, BLOCK_NONE);
	return nr;
}

static int slab_free_bulk(struct test_file *file, struct respool_test_many *many, void *array)
{
	struct block *block = &file->blocks[many->handle];
	void **addr = array;
	int refused;
	u32 i;

	for (i = 0; i < many->nr; i++)
		addr[i] = block[i].addr;
	refused = respool_slab_free_bulk(file_slab(file, many->slab), many->nr, addr);
	for (i = 0; i < many->nr; i++)
		release_block(&block[i], addr[i] ? BLOCK_LIVE : BLOCK_NONE);
	return refused;
}

static const struct many_info {
	int (*run)(struct test_file *file, struct respool_test_many *many, void *array);
	enum block_state from;
	u32 flags;
	u64 max_size;
} many_info[RESPOOL_TEST_NR_MANY] = {
	[RESPOOL_TEST_ALLOC_LIST] = { alloc_list, BLOCK_NONE,
				      RESPOOL_TEST_ZERO | RESPOOL_TEST_ATOMIC, ULONG_MAX },
	[RESPOOL_TEST_FREE_LIST]  = { free_list, BLOCK_LIVE },
	[RESPOOL_TEST_ALLOC_BULK] = { alloc_bulk, BLOCK_NONE,
				      RESPOOL_TEST_ZERO | RESPOOL_TEST_ATOMIC, UINT_MAX },
	[RESPOOL_TEST_FREE_BULK]  = { free_bulk, BLOCK_LIVE },
	[RESPOOL_TEST_ALLOC_OBJECTS] = { alloc_objects, BLOCK_NONE,
					 RESPOOL_TEST_ZERO | RESPOOL_TEST_ATOMIC, UINT_MAX },
	[RESPOOL_TEST_FREE_OBJECTS]  = { free_bulk, BLOCK_LIVE },
	[RESPOOL_TEST_SLAB_ALLOC_BULK] = { slab_alloc_bulk, BLOCK_NONE,
					   RESPOOL_TEST_ZERO | RESPOOL_TEST_ATOMIC, SIZE_MAX },
	[RESPOOL_TEST_SLAB_FREE_BULK]  = { slab_free_bulk, BLOCK_LIVE },
};

/* Whether all that is to be freed is of the kind that the call is for. */
static bool all_fit(const struct test_file *file, const struct respool_test_many *many)
{
	const struct block *block = &file->blocks[many->handle];
	bool fit = true;
	u32 i;

	for (i = 0; fit && i < many->nr; i++) {
		if (many->call == RESPOOL_TEST_FREE_OBJECTS)
			fit = block[i].kind == BLOCK_OBJECT;
		else if (many->call == RESPOOL_TEST_SLAB_FREE_BULK)
			fit = block[i].kind == BLOCK_BYTES;
		else
			fit = is_pages(&block[i]);
	}
	return fit;
}

static bool takes_slab_number(u32 call)
{
	return call == RESPOOL_TEST_SLAB_ALLOC_BULK || call == RESPOOL_TEST_SLAB_FREE_BULK;
}

static int run_many(struct test_file *file, const struct many_info *info,
		    struct respool_test_many *many)
{
	void *array;
	int error;

	if (many->call == RESPOOL_TEST_ALLOC_OBJECTS && !file_cache(file, many->size))
		return -ENOENT;
	if (takes_slab_number(many->call) && !file_slab(file, many->slab))
		return -ENOENT;
	array = kvcalloc(many->nr, sizeof(struct respool_extent), GFP_KERNEL_ACCOUNT);
	if (!array)
		return -ENOMEM;
	error = claim_blocks(file, many->handle, many->nr, info->from);
	if (error)
		goto out;
	if (info->from == BLOCK_LIVE && !all_fit(file, many)) {
		release_blocks(file, many->handle, many->nr, BLOCK_LIVE);
		error = -EINVAL;
		goto out;
	}
	many->result = info->run(file, many, array);
out:
	kvfree(array);
	return error;
}

static int ioctl_many(struct test_file *file, void *arg)
{
	struct respool_test_many *many = arg;
	const struct many_info *info;

	many->result = 0;
	if ((many->slab && !takes_slab_number(many->call)) ||
	    many->call >= RESPOOL_TEST_NR_MANY || !many->nr ||
	    many->nr > RESPOOL_TEST_MAX_MANY)
		return -EINVAL;
	info = &many_info[array_index_nospec(many->call, RESPOOL_TEST_NR_MANY)];
	if (many->flags & ~info->flags || many->size > info->max_size)
		return -EINVAL;
	return run_many(file, info, many);
}

/* Churn */

#define CHURN_SLOTS	32
#define CHURN_BURST	8	/* calls an interrupt, or between two looks at the clock */

struct churn_slot {
	void *addr;
	unsigned int order;	/* of pages */
	size_t bytes;
	u64 mark;		/* in the first and in the last word */
};

/* One context that allocates and frees. Only that context touches it. */
struct churner {
	struct churn *churn;
	struct hrtimer timer;	/* not of the task */
	struct rnd_state random;
	u64 allocations;
	u64 nested;
	u64 failures;
	u64 refused;
	u64 wrong;
	struct churn_slot slot[CHURN_SLOTS];
};

enum churn_context { CHURN_TASK, CHURN_HARDIRQ, CHURN_SOFTIRQ, CHURN_CONTEXTS };

struct churn {
	struct respool *pool;
	struct test_cache *cache;	/* NULL: pages, or bytes of the slab */
	struct respool_slab *slab;
	const struct respool_test_churn *arg;
	struct task_struct *task;
	bool calling;		/* the task is inside one of its calls */
	struct churner churner[CHURN_CONTEXTS];
};

static u64 *last_word(const struct churn_slot *slot)
{
	return slot->addr + slot->bytes - sizeof(u64);
}

static void churn_alloc_pages(struct churner *churner, struct churn_slot *slot)
{
	struct churn *churn = churner->churn;

	slot->order = prandom_u32_state(&churner->random) % (churn->arg->max_order + 1);
	slot->bytes = PAGE_SIZE << slot->order;
	slot->addr = respool_alloc_pages(churn->pool, slot->order, GFP_ATOMIC);
}

/* Small ones more often. */
static void churn_alloc_bytes(struct churner *churner, struct churn_slot *slot)
{
	struct churn *churn = churner->churn;
	u32 words = churn->arg->max_bytes / sizeof(u64) - 1;

	words >>= prandom_u32_state(&churner->random) % (ilog2(words) + 1);
	words = prandom_u32_state(&churner->random) % words;
	slot->bytes = (words + 2) * sizeof(u64);
	slot->addr = respool_alloc(churn->slab, slot->bytes, GFP_ATOMIC);
}

static void churn_alloc_object(struct churner *churner, struct churn_slot *slot)
{
	struct test_cache *cache = churner->churn->cache;

	slot->bytes = cache->size;
	slot->addr = respool_cache_alloc(cache->cache, GFP_ATOMIC);
}

static void churn_alloc(struct churner *churner, struct churn_slot *slot)
{
	struct churn *churn = churner->churn;

	if (churn->cache)
		churn_alloc_object(churner, slot);
	else if (churn->slab)
		churn_alloc_bytes(churner, slot);
	else
		churn_alloc_pages(churner, slot);
	if (!slot->addr) {
		churner->failures++;
		return;
	}
	WRITE_ONCE(churner->allocations, churner->allocations + 1);
	if (!respool_has_memory(churn->pool))
		return;
	slot->mark = prandom_u32_state(&churner->random);
	WRITE_ONCE(*(u64 *)slot->addr, slot->mark);
	WRITE_ONCE(*last_word(slot), slot->mark);
}

static void churn_free(struct churner *churner, struct churn_slot *slot)
{
	struct churn *churn = churner->churn;
	int error;

	if (respool_has_memory(churn->pool) &&
	    (READ_ONCE(*(u64 *)slot->addr) != slot->mark ||
	     READ_ONCE(*last_word(slot)) != slot->mark))
		churner->wrong++;
	if (churn->cache)
		error = respool_cache_free(churn->cache->cache, slot->addr);
	else if (churn->slab)
		error = respool_free(churn->slab, slot->addr);
	else
		error = respool_free_pages(churn->pool, slot->addr, slot->order);
	churner->refused += !!error;
	slot->addr = NULL;
}

static void churn_once(struct churner *churner)
{
	struct churn_slot *slot;

	slot = &churner->slot[prandom_u32_state(&churner->random) % CHURN_SLOTS];
	if (slot->addr)
		churn_free(churner, slot);
	else
		churn_alloc(churner, slot);
}

static ktime_t churn_period(const struct churn *churn)
{
	return ns_to_ktime((u64)churn->arg->period_us * NSEC_PER_USEC);
}

static enum hrtimer_restart churn_tick(struct hrtimer *timer)
{
	struct churner *churner = container_of(timer, struct churner, timer);
	struct churn *churn = churner->churn;
	unsigned int i;

	if (current == churn->task && READ_ONCE(churn->calling))
		churner->nested++;
	for (i = 0; i < CHURN_BURST; i++)
		churn_once(churner);
	/* From now on, not from when it was due: the task has to have its share. */
	hrtimer_set_expires(timer, ktime_add(hrtimer_cb_get_time(timer), churn_period(churn)));
	return HRTIMER_RESTART;
}

static void churn_in_task(struct churn *churn)
{
	bool irqs_off = churn->arg->flags & RESPOOL_TEST_CHURN_IRQS_OFF;
	unsigned long flags = 0;
	unsigned int i;

	if (irqs_off)
		local_irq_save(flags);
	WRITE_ONCE(churn->calling, true);
	for (i = 0; i < CHURN_BURST; i++)
		churn_once(&churn->churner[CHURN_TASK]);
	WRITE_ONCE(churn->calling, false);
	if (irqs_off)
		local_irq_restore(flags);
}

static void churn_start(struct churner *churner, enum hrtimer_mode mode)
{
	hrtimer_init(&churner->timer, CLOCK_MONOTONIC, mode);
	churner->timer.function = churn_tick;
	hrtimer_start(&churner->timer, churn_period(churner->churn), mode);
}

/* Interrupts that take longer than their period may keep softirqs out for a while. */
static bool churn_everywhere(const struct churn *churn)
{
	u32 flags = churn->arg->flags;

	return (!(flags & RESPOOL_TEST_CHURN_HARDIRQ) ||
		READ_ONCE(churn->churner[CHURN_HARDIRQ].allocations)) &&
	       (!(flags & RESPOOL_TEST_CHURN_SOFTIRQ) ||
		READ_ONCE(churn->churner[CHURN_SOFTIRQ].allocations));
}

/* Where others have most of the CPU, the task may not be in a call when interrupts come. */
static bool churn_nested(const struct churn *churn)
{
	u32 flags = churn->arg->flags;

	return !(flags & RESPOOL_TEST_CHURN_HARDIRQ) || flags & RESPOOL_TEST_CHURN_IRQS_OFF ||
	       READ_ONCE(churn->churner[CHURN_HARDIRQ].nested);
}

static void churn_for_a_while(struct churn *churn)
{
	struct churner *hardirq = &churn->churner[CHURN_HARDIRQ];
	struct churner *softirq = &churn->churner[CHURN_SOFTIRQ];
	u32 flags = churn->arg->flags, ms = churn->arg->ms;
	ktime_t end = ktime_add_ms(ktime_get(), ms);
	ktime_t patience = ktime_add_ms(end, 20 * ms);

	if (flags & RESPOOL_TEST_CHURN_HARDIRQ)
		churn_start(hardirq, HRTIMER_MODE_REL_PINNED_HARD);
	if (flags & RESPOOL_TEST_CHURN_SOFTIRQ)
		churn_start(softirq, HRTIMER_MODE_REL_PINNED_SOFT);
	do {
		churn_in_task(churn);
		cond_resched();
	} while ((ktime_before(ktime_get(), end) || !churn_everywhere(churn) ||
		  (ktime_before(ktime_get(), patience) && !churn_nested(churn))) &&
		 !signal_pending(current));
	if (flags & RESPOOL_TEST_CHURN_HARDIRQ)
		hrtimer_cancel(&hardirq->timer);
	if (flags & RESPOOL_TEST_CHURN_SOFTIRQ)
		hrtimer_cancel(&softirq->timer);
}

static void churn_reply(const struct churn *churn, struct respool_test_churn *reply)
{
	const struct churner *churner = churn->churner;
	unsigned int i;

	reply->task_allocations = churner[CHURN_TASK].allocations;
	reply->hardirq_allocations = churner[CHURN_HARDIRQ].allocations;
	reply->softirq_allocations = churner[CHURN_SOFTIRQ].allocations;
	reply->nested = 0;
	reply->failures = 0;
	reply->refused = 0;
	reply->wrong = 0;
	for (i = 0; i < CHURN_CONTEXTS; i++) {
		reply->nested += churner[i].nested;
		reply->failures += churner[i].failures;
		reply->refused += churner[i].refused;
		reply->wrong += churner[i].wrong;
	}
}

static bool churn_valid(const struct respool_test_churn *arg)
{
	bool objects = arg->flags & RESPOOL_TEST_CHURN_OBJECTS;

	return !(arg->flags & ~RESPOOL_TEST_CHURN_FLAGS) && arg->ms <= 60000 &&
	       arg->period_us >= 20 && arg->max_order <= (objects ? 0 : 10) &&
	       (objects || arg->max_bytes || !arg->cache) && !(objects && arg->max_bytes) &&
	       arg->max_bytes <= 65536 && !(arg->max_bytes % sizeof(u64)) &&
	       arg->max_bytes != sizeof(u64);
}

static int ioctl_churn(struct test_file *file, void *arg)
{
	const struct respool_test_churn *request = arg;
	struct test_cache *cache = NULL;
	struct respool_slab *slab = NULL;
	struct churner *churner;
	struct churn *churn;
	unsigned int i, slot;

	if (!churn_valid(request))
		return -EINVAL;
	if (!file_pool(file))
		return -ENOENT;
	if (request->flags & RESPOOL_TEST_CHURN_OBJECTS) {
		cache = file_cache(file, request->cache);
		if (!cache)
			return -ENOENT;
		if (cache->size % sizeof(u64))
			return -EINVAL;
	}
	if (request->max_bytes) {
		slab = file_slab(file, request->cache);
		if (!slab)
			return -ENOENT;
	}
	churn = kzalloc(sizeof(*churn), GFP_KERNEL);
	if (!churn)
		return -ENOMEM;
	churn->pool = file->pool;
	churn->cache = cache;
	churn->slab = slab;
	churn->arg = arg;
	churn->task = current;
	for (i = 0; i < CHURN_CONTEXTS; i++) {
		churn->churner[i].churn = churn;
		prandom_seed_state(&churn->churner[i].random, churn->arg->seed + i);
	}

	churn_for_a_while(churn);

	for (i = 0; i < CHURN_CONTEXTS; i++) {
		churner = &churn->churner[i];
		for (slot = 0; slot < CHURN_SLOTS; slot++)
			if (churner->slot[slot].addr)
				churn_free(churner, &churner->slot[slot]);
	}
	churn_reply(churn, arg);
	kfree(churn);
	return 0;
}

/* @size: of the structure now; @min_size: of its first version. */
static const struct ioctl_info {
	int (*run)(struct test_file *file, void *arg);
	unsigned int cmd;
	size_t size;
	size_t min_size;
	bool alone;	/* no other call on the file meanwhile */
} ioctl_info_table[] = {
#define IOCTL(name, fn, type, last, ...)					\
	[_IOC_NR(RESPOOL_TEST_IOC_##name)] = {					\
		.run = fn,							\
		.cmd = RESPOOL_TEST_IOC_##name,					\
		.size = sizeof(struct type) + BUILD_BUG_ON_ZERO(sizeof(struct type) % 8), \
		.min_size = offsetofend(struct type, last),			\
		__VA_ARGS__							\
	}
	IOCTL(INFO, ioctl_info, respool_test_info, max_order),
	IOCTL(OPEN, ioctl_open, respool_test_open, __reserved),
	IOCTL(SLAB_CREATE, ioctl_slab_create, respool_test_slab, __reserved),
	IOCTL(OP, ioctl_op, respool_test_op, ns),
	IOCTL(BATCH, ioctl_batch, respool_test_batch, total_ns),
	IOCTL(POOL_STATS, ioctl_pool_stats, respool_test_pool_stats, order),
	IOCTL(SLAB_STATS, ioctl_slab_stats, respool_test_slab_stats, refusals),
	IOCTL(VALIDATE, ioctl_validate, respool_test_validate, why),
	IOCTL(MISUSE, ioctl_misuse, respool_test_misuse, __reserved),
	IOCTL(DRAIN, ioctl_drain, respool_test_drain, __reserved),
	IOCTL(MANY, ioctl_many, respool_test_many, slab),
	IOCTL(CHURN, ioctl_churn, respool_test_churn, max_bytes),
	IOCTL(CACHE_CREATE, ioctl_cache_create, respool_test_cache, cache),
	IOCTL(CACHE_DESTROY, ioctl_cache_destroy, respool_test_cache_destroy, runs,
	      .alone = true),
	IOCTL(CACHE_STATS, ioctl_cache_stats, respool_test_cache_stats, constructed_irqs_off),
#undef IOCTL
};

static long run_ioctl(struct test_file *file, const struct ioctl_info *info, void *karg,
		      void __user *uarg, size_t usize)
{
	long error = copy_struct_from_user(karg, info->size, uarg, usize);

	if (error)
		return error;
	if (info->alone) {
		down_write(&file->caches_in_use);
		error = info->run(file, karg);
		up_write(&file->caches_in_use);
	} else {
		down_read(&file->caches_in_use);
		error = info->run(file, karg);
		up_read(&file->caches_in_use);
	}
	/* Also after an error: value and result say more about it. */
	if (copy_to_user(uarg, karg, min(usize, info->size)))
		return -EFAULT;
	return error;
}

static long test_ioctl(struct file *filp, unsigned int cmd, unsigned long arg)
{
	const struct ioctl_info *info;
	unsigned int nr = _IOC_NR(cmd);
	void *karg;
	long error;

	if (_IOC_TYPE(cmd) != RESPOOL_TEST_IOC_MAGIC || nr >= ARRAY_SIZE(ioctl_info_table))
		return -ENOTTY;
	info = &ioctl_info_table[array_index_nospec(nr, ARRAY_SIZE(ioctl_info_table))];
	if (_IOC_DIR(cmd) != _IOC_DIR(info->cmd))
		return -ENOTTY;
	if (_IOC_SIZE(cmd) < info->min_size)
		return -EINVAL;

	karg = kzalloc(info->size, GFP_KERNEL);
	if (!karg)
		return -ENOMEM;
	error = run_ioctl(filp->private_data, info, karg, (void __user *)arg, _IOC_SIZE(cmd));
	kfree(karg);
	return error;
}

static int test_open(struct inode *inode, struct file *filp)
{
	struct test_file *file = kzalloc(sizeof(*file), GFP_KERNEL);

	if (!file)
		return -ENOMEM;
	mutex_init(&file->lock);
	init_rwsem(&file->caches_in_use);
	filp->private_data = file;
	return 0;
}

/* The pages of what was leaked, if the block is in the first page of its run. */
static void free_leaked(struct test_file *file, const struct block *block)
{
	respool_free_block(file->pool, (void *)round_down((unsigned long)block->addr, PAGE_SIZE));
}

static int test_release(struct inode *inode, struct file *filp)
{
	struct test_file *file = filp->private_data;
	u32 i;

	for (i = 0; i < file->nr_blocks; i++) {
		if (atomic_read(&file->blocks[i].state) == BLOCK_LIVE)
			free_block(file, &file->blocks[i]);
		cond_resched();
	}
	for (i = 0; i < RESPOOL_TEST_MAX_SLABS; i++)
		if (file->slab[i])
			respool_slab_destroy(file->slab[i]);
	for (i = 0; i < file->nr_blocks; i++)
		if (atomic_read(&file->blocks[i].state) == BLOCK_LEAKED)
			free_leaked(file, &file->blocks[i]);
	for (i = 0; i < RESPOOL_TEST_MAX_CACHES; i++)
		respool_cache_destroy(file->cache[i].cache);
	if (file->pool)
		respool_put(file->pool);
	kvfree(file->blocks);
	mutex_destroy(&file->lock);
	kfree(file);
	return 0;
}

static const struct file_operations test_fops = {
	.owner		= THIS_MODULE,
	.open		= test_open,
	.release	= test_release,
	.unlocked_ioctl	= test_ioctl,
	.compat_ioctl	= compat_ptr_ioctl,
};

static struct miscdevice test_device = {
	.minor	= MISC_DYNAMIC_MINOR,
	.name	= "respool_test",
	.fops	= &test_fops,
	.mode	= 0600,
};

static int __init test_init(void)
{
	BUILD_BUG_ON(RESPOOL_TEST_NAME_LEN != RESPOOL_NAME_LEN);
	BUILD_BUG_ON(RESPOOL_TEST_NR_ORDERS != RESPOOL_NR_ORDERS);
	BUILD_BUG_ON(RESPOOL_TEST_NR_REFUSALS != RESPOOL_NR_REFUSALS);
	BUILD_BUG_ON((int)RESPOOL_TEST_GOOD_FIT != (int)RESPOOL_GOOD_FIT);
	BUILD_BUG_ON((int)RESPOOL_TEST_FIRST_FIT != (int)RESPOOL_FIRST_FIT);
	BUILD_BUG_ON((int)RESPOOL_TEST_NEXT_FIT != (int)RESPOOL_NEXT_FIT);
	BUILD_BUG_ON((int)RESPOOL_TEST_BEST_FIT != (int)RESPOOL_BEST_FIT);
	BUILD_BUG_ON(RESPOOL_TEST_SLAB_NO_MAGAZINES != RESPOOL_SLAB_NO_MAGAZINES);
	BUILD_BUG_ON(RESPOOL_TEST_SLAB_REDZONE != RESPOOL_SLAB_REDZONE);
	BUILD_BUG_ON(RESPOOL_TEST_SLAB_POISON != RESPOOL_SLAB_POISON);
	BUILD_BUG_ON(RESPOOL_TEST_SLAB_STACKS != RESPOOL_SLAB_STACKS);
	BUILD_BUG_ON(RESPOOL_TEST_SLAB_QUARANTINE != RESPOOL_SLAB_QUARANTINE);
	BUILD_BUG_ON(RESPOOL_TEST_SLAB_NO_OBJECTS != RESPOOL_SLAB_NO_OBJECTS);
	BUILD_BUG_ON(sizeof(struct respool_test_info) != 48);
	BUILD_BUG_ON(sizeof(struct respool_test_open) != 40);
	BUILD_BUG_ON(sizeof(struct respool_test_slab) != 48);
	BUILD_BUG_ON(sizeof(struct respool_test_op) != 72);
	BUILD_BUG_ON(sizeof(struct respool_test_batch) != 32);
	BUILD_BUG_ON(sizeof(struct respool_test_pool_stats) != 1544);
	BUILD_BUG_ON(sizeof(struct respool_test_slab_stats) != 304);
	BUILD_BUG_ON(sizeof(struct respool_test_validate) != 128);
	BUILD_BUG_ON(sizeof(struct respool_test_misuse) != 32);
	BUILD_BUG_ON(sizeof(struct respool_test_drain) != 8);
	BUILD_BUG_ON(sizeof(struct respool_test_many) != 32);
	BUILD_BUG_ON(sizeof(struct respool_test_churn) != 88);
	BUILD_BUG_ON(sizeof(struct respool_test_cache) != 56);
	BUILD_BUG_ON(sizeof(struct respool_test_cache_destroy) != 8);
	BUILD_BUG_ON(sizeof(struct respool_test_cache_stats) != 272);

	return misc_register(&test_device);
}
module_init(test_init);

static void __exit test_exit(void)
{
	misc_deregister(&test_device);
}
module_exit(test_exit);

MODULE_DESCRIPTION("Test driver of respool: /dev/respool_test");
MODULE_LICENSE("GPL");
