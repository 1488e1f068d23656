// SPDX-License-Identifier: GPL-2.0
/*
 * The driver's ABI: what it understands it does, and what it does not
 * understand it refuses with the errno that respool_test.h promises. Built as
 * abi32, too, for a 32-bit program must get the same answers.
 */
#include <sys/mman.h>
#include <sys/stat.h>

#include "selftest.h"

#define IOC(nr, size)	_IOC(_IOC_READ | _IOC_WRITE, RESPOOL_TEST_IOC_MAGIC, nr, size)
#define LONGER		24	/* bytes that a later driver might understand */

static int open_device(void)
{
	return open(RESPOOL_TEST_DEVICE, O_RDWR | O_CLOEXEC);
}

/* Each structure with content that its ioctl accepts on an opened file. */

FIXTURE(structure)
{
	int fd;
	char arg[sizeof(struct respool_test_pool_stats) + LONGER];
};

FIXTURE_VARIANT(structure)
{
	unsigned int nr;
	unsigned int size;
	bool on_new_file;
	union {
		struct respool_test_info info;
		struct respool_test_open open;
		struct respool_test_slab slab;
		struct respool_test_op op;
		struct respool_test_batch batch;
		struct respool_test_slab_stats slab_stats;
		struct respool_test_validate validate;
		struct respool_test_misuse misuse;
		struct respool_test_many many;
		struct respool_test_churn churn;
		struct respool_test_cache cache;
		struct respool_test_cache_destroy cache_destroy;
		struct respool_test_cache_stats cache_stats;
	} arg;
};

#define STRUCTURE(name, cmd, type, ...)					\
	FIXTURE_VARIANT_ADD(structure, name)				\
	{								\
		.nr = _IOC_NR(RESPOOL_TEST_IOC_##cmd),			\
		.size = sizeof(struct type),				\
		__VA_ARGS__						\
	}

STRUCTURE(info, INFO, respool_test_info, .arg.info.name = "main");
STRUCTURE(open, OPEN, respool_test_open, .on_new_file = true,
	  .arg.open = { .name = "main", .nr_handles = 1 });
STRUCTURE(slab, SLAB_CREATE, respool_test_slab,
	  .arg.slab = { .name = "second", .fit = RESPOOL_TEST_BEST_FIT,
			.flags = RESPOOL_TEST_SLAB_FLAGS });
STRUCTURE(op, OP, respool_test_op,
	  .arg.op = { .op = RESPOOL_TEST_ALLOC_PAGES, .handle = 1 });
STRUCTURE(batch, BATCH, respool_test_batch, .arg.batch.nr_ops = 0);
STRUCTURE(pool_stats, POOL_STATS, respool_test_pool_stats);
STRUCTURE(slab_stats, SLAB_STATS, respool_test_slab_stats, .arg.slab_stats.slab = 0);
STRUCTURE(validate, VALIDATE, respool_test_validate, .arg.validate.target = RESPOOL_TEST_POOL);
STRUCTURE(misuse, MISUSE, respool_test_misuse,
	  .arg.misuse = { .call = RESPOOL_TEST_CALL_FREE_PAGES,
			  .mistake = RESPOOL_TEST_OUTSIDE });
STRUCTURE(drain, DRAIN, respool_test_drain);
STRUCTURE(many, MANY, respool_test_many,
	  .arg.many = { .call = RESPOOL_TEST_ALLOC_BULK, .handle = 1, .nr = 1 });
STRUCTURE(churn, CHURN, respool_test_churn, .arg.churn = { .ms = 1, .period_us = 1000 });
STRUCTURE(cache, CACHE_CREATE, respool_test_cache,
	  .arg.cache = { .name = "second", .size = 64, .flags = RESPOOL_TEST_CACHE_FLAGS });
STRUCTURE(cache_destroy, CACHE_DESTROY, respool_test_cache_destroy,
	  .arg.cache_destroy.cache = 0);
STRUCTURE(cache_stats, CACHE_STATS, respool_test_cache_stats, .arg.cache_stats.cache = 0);

FIXTURE_SETUP(structure)
{
	USE_POOLS(CLIENT_DEFAULT_POOLS);
	memcpy(self->arg, &variant->arg, sizeof(variant->arg));
	if (variant->on_new_file) {
		self->fd = open_device();
		ASSERT_LE(0, self->fd);
		return;
	}
	self->fd = client_open("main", 2);
	ASSERT_LE(0, self->fd);
	ASSERT_EQ(0, client_slab(self->fd, "first"));
	ASSERT_EQ(0, client_cache(self->fd, "first", 64, 0, 0));
	ASSERT_EQ(0, run(self->fd, OP(ALLOC_PAGES), NULL));
}

FIXTURE_TEARDOWN(structure)
{
	close(self->fd);
}

TEST_F(structure, is_a_multiple_of_eight_bytes)
{
	EXPECT_EQ(0, variant->size % 8);
}

TEST_F(structure, of_its_exact_size_is_accepted)
{
	EXPECT_EQ(0, client_ioctl(self->fd, IOC(variant->nr, variant->size), self->arg));
}

TEST_F(structure, that_is_short_is_refused)
{
	unsigned int size;

	for (size = 0; size < variant->size; size++)
		EXPECT_EQ(-EINVAL, client_ioctl(self->fd, IOC(variant->nr, size), self->arg))
			TH_LOG("%u of %u bytes", size, variant->size);
}

TEST_F(structure, that_is_longer_with_zeros_is_accepted)
{
	EXPECT_EQ(0, client_ioctl(self->fd, IOC(variant->nr, variant->size + LONGER), self->arg));
}

TEST_F(structure, that_is_longer_with_junk_is_refused)
{
	unsigned int i;

	for (i = 0; i < LONGER; i++) {
		self->arg[variant->size + i] = 1;
		EXPECT_EQ(-E2BIG, client_ioctl(self->fd, IOC(variant->nr, variant->size + LONGER),
					       self->arg));
		self->arg[variant->size + i] = 0;
	}
}

TEST_F(structure, at_a_bad_address_is_refused)
{
	unsigned int cmd = IOC(variant->nr, variant->size);
	long page = sysconf(_SC_PAGESIZE);
	char *map = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			 -1, 0);

	ASSERT_TRUE(map != MAP_FAILED);
	ASSERT_EQ(0, mprotect(map + page, page, PROT_NONE));
	memcpy(map + page - 4, self->arg, 4);
	EXPECT_EQ(-EFAULT, client_ioctl(self->fd, cmd, NULL));
	EXPECT_EQ(-EFAULT, client_ioctl(self->fd, cmd, (void *)-4096L));
	EXPECT_EQ(-EFAULT, client_ioctl(self->fd, cmd, map + page - 4));
	munmap(map, 2 * page);
}

TEST_F(structure, that_cannot_be_written_back_is_refused)
{
	long page = sysconf(_SC_PAGESIZE);
	char *map = mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	ASSERT_TRUE(map != MAP_FAILED);
	memcpy(map, self->arg, variant->size);
	ASSERT_EQ(0, mprotect(map, page, PROT_READ));
	EXPECT_EQ(-EFAULT, client_ioctl(self->fd, IOC(variant->nr, variant->size), map));
	munmap(map, page);
}

TEST_F(structure, with_another_direction_is_no_ioctl)
{
	unsigned int type = RESPOOL_TEST_IOC_MAGIC, nr = variant->nr, size = variant->size;

	EXPECT_EQ(-ENOTTY, client_ioctl(self->fd, _IOC(_IOC_READ, type, nr, size), self->arg));
	EXPECT_EQ(-ENOTTY, client_ioctl(self->fd, _IOC(_IOC_WRITE, type, nr, size), self->arg));
	EXPECT_EQ(-ENOTTY, client_ioctl(self->fd, _IOC(_IOC_NONE, type, nr, 0), self->arg));
}

FIXTURE(abi)
{
	int fd;
	struct respool_test_pool_stats before;
};

FIXTURE_SETUP(abi)
{
	USE_POOLS(CLIENT_DEFAULT_POOLS);
	self->fd = client_open("main", 4);
	ASSERT_LE(0, self->fd);
	self->before = settled_stats(self->fd);
	ASSERT_EQ(0, client_slab(self->fd, "abi"));
}

FIXTURE_TEARDOWN(abi)
{
	int watch = client_open("main", 1);

	close(self->fd);
	EXPECT_LE(0, watch);
	EXPECT_EMPTY_AGAIN(watch, &self->before);
	close(watch);
}

TEST_F(abi, unknown_numbers_and_types_are_no_ioctls)
{
	struct respool_test_op op = OP(ALLOC_PAGES);
	unsigned int nr;

	for (nr = _IOC_NR(RESPOOL_TEST_IOC_CACHE_STATS) + 1; nr < 256; nr++)
		EXPECT_EQ(-ENOTTY, client_ioctl(self->fd, IOC(nr, sizeof(op)), &op));
	EXPECT_EQ(-ENOTTY, client_ioctl(self->fd, _IOWR(0xBD, 3, op), &op));
	EXPECT_EQ(-ENOTTY, client_ioctl(self->fd, 0, &op));
	EXPECT_EQ(-ENOTTY, client_ioctl(self->fd, ~0U, &op));
}

TEST_F(abi, reserved_fields_must_be_zero)
{
	struct respool_test_open open = { .name = "main", .nr_handles = 1, .__reserved = 1 };
	struct respool_test_slab slab = { .name = "reserved", .__reserved = 1 };
	struct respool_test_slab_stats stats = { .__reserved = 1 };
	struct respool_test_misuse misuse = { .mistake = RESPOOL_TEST_OUTSIDE, .__reserved = 1 };
	struct respool_test_drain drain = { .__reserved = 1 };
	struct respool_test_many many = { .nr = 1, .size = 1, .__reserved = 1 };
	struct respool_test_churn churn = { .period_us = 1000, .__reserved = 1 };
	struct respool_test_cache_stats cache_stats = { .__reserved = 1 };
	int fd = open_device();

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, run(self->fd, OP(ALLOC_PAGES), NULL));
	EXPECT_EQ(-EINVAL, client_ioctl(fd, RESPOOL_TEST_IOC_OPEN, &open));
	EXPECT_EQ(-EINVAL, client_ioctl(self->fd, RESPOOL_TEST_IOC_SLAB_CREATE, &slab));
	EXPECT_EQ(-EINVAL, client_ioctl(self->fd, RESPOOL_TEST_IOC_SLAB_STATS, &stats));
	EXPECT_EQ(-EINVAL, client_ioctl(self->fd, RESPOOL_TEST_IOC_MISUSE, &misuse));
	EXPECT_EQ(-EINVAL, client_ioctl(self->fd, RESPOOL_TEST_IOC_DRAIN, &drain));
	EXPECT_EQ(-EINVAL, client_ioctl(self->fd, RESPOOL_TEST_IOC_MANY, &many));
	EXPECT_EQ(-EINVAL, client_ioctl(self->fd, RESPOOL_TEST_IOC_CHURN, &churn));
	EXPECT_EQ(-EINVAL, client_ioctl(self->fd, RESPOOL_TEST_IOC_CACHE_STATS, &cache_stats));
	close(fd);
}

TEST_F(abi, unknown_operations_flags_and_values_are_refused)
{
	EXPECT_EQ(-EINVAL, run(self->fd, (struct respool_test_op){ .op = RESPOOL_TEST_NR_OPS },
			       NULL));
	EXPECT_EQ(-EINVAL, run(self->fd, (struct respool_test_op){ .op = ~0U }, NULL));
	EXPECT_EQ(-EINVAL, run(self->fd, OP(ALLOC, .size = 8,
					    .flags = RESPOOL_TEST_FLAGS + 1), NULL));
	EXPECT_EQ(-EINVAL, run(self->fd, OP(FREE, .flags = RESPOOL_TEST_ZERO), NULL));
	EXPECT_EQ(-EINVAL, run(self->fd, OP(FREE, .size = 1), NULL));
	EXPECT_EQ(-EINVAL, run(self->fd, OP(ALLOC, .size = 8, .align = 8), NULL));
	EXPECT_EQ(-EINVAL, run(self->fd, OP(ALLOC_PAGES, .slab = 1), NULL));
	EXPECT_EQ(-EINVAL, run(self->fd, OP(ALLOC_PAGES, .size = 1ULL << 32), NULL));
	EXPECT_EQ(-EINVAL, run(self->fd, OP(ALLOC_PAGES, .flags = RESPOOL_TEST_SCAN), NULL));
	EXPECT_EQ(-EINVAL, run(self->fd, OP(ALLOC_PAGES, .flags = RESPOOL_TEST_IN_IRQ |
								  RESPOOL_TEST_IRQS_OFF), NULL));
	EXPECT_EQ(-EINVAL, run(self->fd, OP(ALLOC_EXACT, .size = 1, .first = 4096), NULL));
	EXPECT_EQ(-EINVAL, run(self->fd, OP(ALLOC_EXACT, .size = 1, .last = 4096), NULL));
	EXPECT_EQ(-EINVAL, run(self->fd, OP(ALLOC_WAIT, .size = 1,
					    .flags = RESPOOL_TEST_IN_IRQ), NULL));
	EXPECT_EQ(-EINVAL, run(self->fd, OP(LARGEST, .size = 1), NULL));
	EXPECT_EQ(-EINVAL, run(self->fd, OP(RETIRE, .size = 1), NULL));
}

TEST_F(abi, calls_on_many_blocks_take_all_of_them_or_none)
{
	struct respool_test_many many = { .nr = 2, .size = 1 };
	struct respool_test_many bad[] = {
		{ .call = RESPOOL_TEST_NR_MANY, .nr = 1 },
		{ .call = RESPOOL_TEST_ALLOC_LIST, .size = 1 },
		{ .call = RESPOOL_TEST_ALLOC_LIST, .size = 1, .nr = RESPOOL_TEST_MAX_MANY + 1 },
		{ .call = RESPOOL_TEST_ALLOC_LIST, .size = 1, .nr = 1,
		  .flags = RESPOOL_TEST_CHECK },
		{ .call = RESPOOL_TEST_ALLOC_BULK, .size = 1ULL << 32, .nr = 1 },
		{ .call = RESPOOL_TEST_FREE_BULK, .size = 1, .nr = 1 },
		{ .call = RESPOOL_TEST_FREE_LIST, .nr = 1, .flags = RESPOOL_TEST_ZERO },
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(bad); i++)
		EXPECT_EQ(-EINVAL, client_ioctl(self->fd, RESPOOL_TEST_IOC_MANY, &bad[i]));
	many.handle = 3;
	EXPECT_EQ(-ENOENT, client_ioctl(self->fd, RESPOOL_TEST_IOC_MANY, &many));
	ASSERT_EQ(0, run(self->fd, OP(ALLOC, .handle = 1, .size = 8), NULL));
	many.handle = 0;
	EXPECT_EQ(-EEXIST, client_ioctl(self->fd, RESPOOL_TEST_IOC_MANY, &many));
	EXPECT_EQ(-ENOENT, run(self->fd, OP(FREE), NULL));
	many.call = RESPOOL_TEST_FREE_BULK;
	many.size = 0;
	EXPECT_EQ(-ENOENT, client_ioctl(self->fd, RESPOOL_TEST_IOC_MANY, &many));
	ASSERT_EQ(0, run(self->fd, OP(ALLOC_PAGES), NULL));
	EXPECT_EQ(-EINVAL, client_ioctl(self->fd, RESPOOL_TEST_IOC_MANY, &many));
	EXPECT_EQ(-EINVAL, run(self->fd, OP(FREE_CLEARED, .handle = 1), NULL));
	EXPECT_EQ(0, run(self->fd, OP(FREE), NULL));
	EXPECT_EQ(0, run(self->fd, OP(FREE, .handle = 1), NULL));
}

TEST_F(abi, caches_and_their_objects_are_told_from_all_else)
{
	struct respool_test_cache create = { .name = "bad", .size = 64 };
	struct respool_test_cache_stats stats = { .cache = 1 };
	struct respool_test_cache_destroy destroy = { .cache = 1 };
	struct respool_test_many many = { .nr = 1 };
	char why[120];
	unsigned int i;

	create.flags = RESPOOL_TEST_CACHE_FLAGS + 1;
	EXPECT_EQ(-EINVAL, client_ioctl(self->fd, RESPOOL_TEST_IOC_CACHE_CREATE, &create));
	EXPECT_EQ(-EINVAL, client_cache(self->fd, "bad", 7, 0, RESPOOL_TEST_CACHE_MARKED));
	ASSERT_EQ(0, client_cache(self->fd, "cache", 64, 0, 0));
	EXPECT_EQ(-ENOENT, client_ioctl(self->fd, RESPOOL_TEST_IOC_CACHE_STATS, &stats));
	EXPECT_EQ(-ENOENT, client_ioctl(self->fd, RESPOOL_TEST_IOC_CACHE_DESTROY, &destroy));
	EXPECT_EQ(-ENOENT, client_validate(self->fd, RESPOOL_TEST_CACHE(1), why));
	EXPECT_EQ(-ENOENT, run(self->fd, OP(ALLOC_OBJECT, .slab = 1), NULL));
	EXPECT_EQ(-ENOENT, run(self->fd, OP(SHRINK, .slab = ~0U), NULL));
	EXPECT_EQ(-EINVAL, run(self->fd, OP(ALLOC_OBJECT, .size = 64), NULL));

	ASSERT_EQ(0, run(self->fd, OP(ALLOC_OBJECT, .handle = 0), NULL));
	ASSERT_EQ(0, run(self->fd, OP(ALLOC_PAGES, .handle = 1), NULL));
	EXPECT_EQ(-EINVAL, run(self->fd, OP(REALLOC, .size = 8), NULL));
	EXPECT_EQ(-EINVAL, run(self->fd, OP(TRANSLATE), NULL));
	EXPECT_EQ(-EINVAL, run(self->fd, OP(FREE_CLEARED), NULL));
	EXPECT_EQ(-EINVAL, run(self->fd, OP(MARKED, .handle = 1), NULL));
	EXPECT_EQ(-EINVAL, run(self->fd, OP(DAMAGE, .handle = 1), NULL));
	EXPECT_EQ(-EINVAL, run(self->fd, OP(DAMAGE, .first = 4096), NULL));
	EXPECT_EQ(-EINVAL, run(self->fd, OP(DAMAGE, .size = 256), NULL));
	many.call = RESPOOL_TEST_ALLOC_OBJECTS;
	many.handle = 2;
	many.size = 1;
	EXPECT_EQ(-ENOENT, client_ioctl(self->fd, RESPOOL_TEST_IOC_MANY, &many));
	many.call = RESPOOL_TEST_FREE_OBJECTS;
	many.handle = 1;
	many.size = 0;
	EXPECT_EQ(-EINVAL, client_ioctl(self->fd, RESPOOL_TEST_IOC_MANY, &many));
	many.call = RESPOOL_TEST_FREE_BULK;
	many.handle = 0;
	EXPECT_EQ(-EINVAL, client_ioctl(self->fd, RESPOOL_TEST_IOC_MANY, &many));
	EXPECT_EQ(0, run(self->fd, OP(FREE, .handle = 0), NULL));
	EXPECT_EQ(0, run(self->fd, OP(FREE, .handle = 1), NULL));

	for (i = 1; i < RESPOOL_TEST_MAX_CACHES; i++)
		EXPECT_EQ(i, client_cache(self->fd, (char[]){ 'a' + i, '\0' }, 64, 0, 0));
	EXPECT_EQ(-ENOMEM, client_cache(self->fd, "more", 64, 0, 0));
}

TEST_F(abi, churn_has_limits)
{
	struct respool_test_churn bad[] = {
		{ .period_us = 19 },
		{ .period_us = 1000, .ms = 60001 },
		{ .period_us = 1000, .max_order = 11 },
		{ .period_us = 1000, .flags = RESPOOL_TEST_CHURN_FLAGS + 1 },
		{ .period_us = 1000, .cache = 1 },
		{ .period_us = 1000, .flags = RESPOOL_TEST_CHURN_OBJECTS, .max_order = 1 },
		{ .period_us = 1000, .flags = RESPOOL_TEST_CHURN_OBJECTS },
	};
	struct respool_test_churn unknown = {
		.period_us = 1000, .flags = RESPOOL_TEST_CHURN_OBJECTS, .cache = 1,
	};
	unsigned int i;

	/* Not of a multiple of 8 bytes. */
	ASSERT_EQ(0, client_cache(self->fd, "odd", 100, 0, 0));
	for (i = 0; i < ARRAY_SIZE(bad); i++)
		EXPECT_EQ(-EINVAL, client_ioctl(self->fd, RESPOOL_TEST_IOC_CHURN, &bad[i]));
	EXPECT_EQ(-ENOENT, client_ioctl(self->fd, RESPOOL_TEST_IOC_CHURN, &unknown));
}

TEST_F(abi, handles_are_told_apart)
{
	EXPECT_EQ(-ENOENT, run(self->fd, OP(FREE), NULL));
	EXPECT_EQ(-ENOENT, run(self->fd, OP(FREE, .handle = 4), NULL));
	EXPECT_EQ(-ENOENT, run(self->fd, OP(ALLOC_PAGES, .handle = 4), NULL));
	EXPECT_EQ(-ENOENT, run(self->fd, OP(ALLOC_PAGES, .handle = ~0U), NULL));
	EXPECT_EQ(-ENOENT, run(self->fd, OP(ALLOC, .size = 8, .slab = 1), NULL));
	EXPECT_EQ(-ENOENT, run(self->fd, OP(ALLOC, .size = 8, .slab = ~0U), NULL));
	EXPECT_EQ(0, run(self->fd, OP(ALLOC_PAGES, .handle = 3), NULL));
	EXPECT_EQ(-EEXIST, run(self->fd, OP(ALLOC, .handle = 3, .size = 8), NULL));
	EXPECT_EQ(-EINVAL, run(self->fd, OP(REALLOC, .handle = 3, .size = 8), NULL));
	EXPECT_EQ(0, run(self->fd, OP(FREE, .handle = 3), NULL));
	EXPECT_EQ(-ENOENT, run(self->fd, OP(FREE, .handle = 3), NULL));
}

TEST_F(abi, a_file_has_one_pool_and_needs_it_first)
{
	struct respool_test_open open = { .name = "main", .nr_handles = 1 };
	struct respool_test_pool_stats stats = {};
	struct respool_test_slab slab = { .name = "early" };
	struct respool_test_drain drain = {};
	struct respool_test_many many = { .nr = 1, .size = 1 };
	struct respool_test_churn churn = { .period_us = 1000 };
	int fd = open_device();
	char why[120];

	ASSERT_LE(0, fd);
	EXPECT_EQ(-ENOENT, run(fd, OP(ALLOC_PAGES), NULL));
	EXPECT_EQ(-ENOENT, client_ioctl(fd, RESPOOL_TEST_IOC_POOL_STATS, &stats));
	EXPECT_EQ(-ENOENT, client_ioctl(fd, RESPOOL_TEST_IOC_SLAB_CREATE, &slab));
	EXPECT_EQ(-ENOENT, client_ioctl(fd, RESPOOL_TEST_IOC_DRAIN, &drain));
	EXPECT_EQ(-ENOENT, client_ioctl(fd, RESPOOL_TEST_IOC_MANY, &many));
	EXPECT_EQ(-ENOENT, client_ioctl(fd, RESPOOL_TEST_IOC_CHURN, &churn));
	EXPECT_EQ(-ENOENT, run(fd, OP(LARGEST), NULL));
	EXPECT_EQ(-ENOENT, client_validate(fd, RESPOOL_TEST_POOL, why));
	EXPECT_EQ(0, client_ioctl(fd, RESPOOL_TEST_IOC_OPEN, &open));
	EXPECT_EQ(-EEXIST, client_ioctl(fd, RESPOOL_TEST_IOC_OPEN, &open));
	EXPECT_EQ(0, run(fd, OP(ALLOC_PAGES), NULL));
	EXPECT_EQ(-ENOENT, client_validate(fd, 0, why));
	close(fd);
}

TEST_F(abi, names_and_tables_have_limits)
{
	struct respool_test_open open = { .nr_handles = 1 };
	struct respool_test_info info;
	int fd = open_device();

	ASSERT_LE(0, fd);
	strcpy(open.name, "nosuchpool");
	EXPECT_EQ(-ENOENT, client_ioctl(fd, RESPOOL_TEST_IOC_OPEN, &open));
	memset(open.name, 'x', sizeof(open.name));
	EXPECT_EQ(-EINVAL, client_ioctl(fd, RESPOOL_TEST_IOC_OPEN, &open));
	memset(info.name, 'x', sizeof(info.name));
	EXPECT_EQ(-EINVAL, client_ioctl(fd, RESPOOL_TEST_IOC_INFO, &info));
	strcpy(open.name, "main");
	open.nr_handles = 0;
	EXPECT_EQ(-EINVAL, client_ioctl(fd, RESPOOL_TEST_IOC_OPEN, &open));
	open.nr_handles = RESPOOL_TEST_MAX_HANDLES + 1;
	EXPECT_EQ(-EINVAL, client_ioctl(fd, RESPOOL_TEST_IOC_OPEN, &open));
	open.nr_handles = 1;
	EXPECT_EQ(0, client_ioctl(fd, RESPOOL_TEST_IOC_OPEN, &open));
	close(fd);
}

TEST_F(abi, a_file_can_be_closed_after_a_failed_open)
{
	struct respool_test_open open = { .name = "nosuchpool", .nr_handles = 100 };
	int fd = open_device();

	ASSERT_LE(0, fd);
	EXPECT_EQ(-ENOENT, client_ioctl(fd, RESPOOL_TEST_IOC_OPEN, &open));
	EXPECT_EQ(-ENOENT, run(fd, OP(ALLOC_PAGES), NULL));
	EXPECT_EQ(0, close(fd));
}

TEST_F(abi, a_file_has_so_many_slabs_of_different_names)
{
	char name[RESPOOL_TEST_NAME_LEN];
	int i;

	EXPECT_EQ(-EEXIST, client_slab(self->fd, "abi"));
	EXPECT_EQ(-EINVAL, client_slab(self->fd, ""));
	EXPECT_EQ(-EINVAL, client_slab(self->fd, "a/b"));
	EXPECT_EQ(-EINVAL, client_slab(self->fd, ".."));
	for (i = 1; i < RESPOOL_TEST_MAX_SLABS; i++) {
		snprintf(name, sizeof(name), "slab%d", i);
		EXPECT_EQ(i, client_slab(self->fd, name));
	}
	EXPECT_EQ(-ENOMEM, client_slab(self->fd, "onetoomany"));
}

TEST_F(abi, a_slab_takes_known_options_only)
{
	EXPECT_EQ(-EINVAL, client_slab_with(self->fd, "fit", RESPOOL_TEST_NR_FITS, 0));
	EXPECT_EQ(-EINVAL, client_slab_with(self->fd, "fit", ~0U, 0));
	EXPECT_EQ(-EINVAL, client_slab_with(self->fd, "flags", 0, RESPOOL_TEST_SLAB_FLAGS + 1));
	EXPECT_EQ(-EINVAL, client_slab_with(self->fd, "flags", 0, 1U << 31));
	EXPECT_EQ(1, client_slab_with(self->fd, "all", RESPOOL_TEST_NR_FITS - 1,
				      RESPOOL_TEST_SLAB_FLAGS));
}

TEST_F(abi, batch_runs_all_and_reports_each)
{
	struct respool_test_op ops[200] = {};
	struct respool_test_batch batch;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(ops); i += 2) {
		ops[i] = OP(ALLOC, .size = 100, .seed = i, .flags = RESPOOL_TEST_CHECK);
		ops[i + 1] = OP(FREE, .flags = RESPOOL_TEST_CHECK);
	}
	ops[100].handle = 4;
	ASSERT_EQ(0, run_batch(self->fd, ops, ARRAY_SIZE(ops), &batch));
	EXPECT_EQ(ARRAY_SIZE(ops), batch.done);
	EXPECT_EQ(2, batch.failed);
	EXPECT_EQ(-ENOENT, ops[100].error);
	EXPECT_EQ(-ENOENT, ops[101].error);
	EXPECT_LT(0, batch.total_ns);
	EXPECT_LE(batch.max_ns, batch.total_ns);
	EXPECT_EQ(99, slab_stats(self->fd, 0).frees);
}

TEST_F(abi, batch_of_bad_addresses_is_refused)
{
	struct respool_test_batch batch = { .ops = 4096, .nr_ops = 1 };

	EXPECT_EQ(-EFAULT, client_ioctl(self->fd, RESPOOL_TEST_IOC_BATCH, &batch));
	batch.ops = ~0ULL - 10;
	batch.nr_ops = ~0U;
	EXPECT_EQ(-EFAULT, client_ioctl(self->fd, RESPOOL_TEST_IOC_BATCH, &batch));
}

TEST_F(abi, verify_finds_the_first_wrong_byte)
{
	__u64 wrong;

	ASSERT_EQ(0, run(self->fd, OP(ALLOC, .size = 100, .flags = RESPOOL_TEST_ZERO), NULL));
	EXPECT_EQ(0, run(self->fd, OP(VERIFY_ZERO, .size = 100), NULL));
	EXPECT_EQ(-EBADMSG, run(self->fd, OP(VERIFY, .size = 100, .seed = 1), &wrong));
	EXPECT_EQ(0, wrong);
	ASSERT_EQ(0, run(self->fd, OP(FILL, .seed = 1), NULL));
	EXPECT_EQ(0, run(self->fd, OP(VERIFY, .seed = 1), NULL));
	EXPECT_EQ(-EBADMSG, run(self->fd, OP(VERIFY, .seed = 2), NULL));
	EXPECT_EQ(-EBADMSG, run(self->fd, OP(VERIFY_ZERO), NULL));
	EXPECT_EQ(-EINVAL, run(self->fd, OP(VERIFY, .seed = 1, .size = 4096), NULL));
	EXPECT_EQ(0, run(self->fd, OP(FREE), NULL));
}

TEST_F(abi, what_is_no_mistake_is_not_made)
{
	struct respool_test_misuse misuse = { .call = RESPOOL_TEST_CALL_FREE_PAGES };

	ASSERT_EQ(0, run(self->fd, OP(ALLOC_PAGES, .size = 1), NULL));
	ASSERT_EQ(0, run(self->fd, OP(ALLOC, .handle = 1, .size = 64), NULL));
	misuse.mistake = RESPOOL_TEST_ORDER;
	misuse.value = 1;
	EXPECT_EQ(-EINVAL, client_ioctl(self->fd, RESPOOL_TEST_IOC_MISUSE, &misuse));
	misuse.mistake = RESPOOL_TEST_OFFSET;
	misuse.value = 0;
	EXPECT_EQ(-EINVAL, client_ioctl(self->fd, RESPOOL_TEST_IOC_MISUSE, &misuse));
	misuse.value = 2 * 4096;
	EXPECT_EQ(-EINVAL, client_ioctl(self->fd, RESPOOL_TEST_IOC_MISUSE, &misuse));
	misuse.handle = 1;
	misuse.value = 16;
	EXPECT_EQ(-EINVAL, client_ioctl(self->fd, RESPOOL_TEST_IOC_MISUSE, &misuse));
	misuse.call = RESPOOL_TEST_CALL_FREE;
	misuse.mistake = RESPOOL_TEST_SLAB;
	misuse.value = 0;
	EXPECT_EQ(-EINVAL, client_ioctl(self->fd, RESPOOL_TEST_IOC_MISUSE, &misuse));
	misuse.call = RESPOOL_TEST_NR_CALLS;
	EXPECT_EQ(-EINVAL, client_ioctl(self->fd, RESPOOL_TEST_IOC_MISUSE, &misuse));
	misuse.call = 0;
	misuse.mistake = RESPOOL_TEST_NR_MISTAKES;
	EXPECT_EQ(-EINVAL, client_ioctl(self->fd, RESPOOL_TEST_IOC_MISUSE, &misuse));
	EXPECT_EQ(0, run(self->fd, OP(FREE), NULL));
	EXPECT_EQ(0, run(self->fd, OP(FREE, .handle = 1), NULL));
}

TEST_F(abi, the_device_is_for_root_alone)
{
	struct stat st;

	ASSERT_EQ(0, stat(RESPOOL_TEST_DEVICE, &st));
	EXPECT_EQ(0600, st.st_mode & 07777);
	EXPECT_EQ(0, st.st_uid);
	EXPECT_EQ(0, access(RESPOOL_TEST_DEVICE, R_OK | W_OK));
}

TEST_HARNESS_MAIN
