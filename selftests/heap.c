// SPDX-License-Identifier: GPL-2.0
/*
 * User buffers: what the dma-heap interface promises, how long a buffer lives,
 * what mappings and importers see of it. Built as heap32, too.
 */
#define _GNU_SOURCE
#include <sys/prctl.h>
#include <sys/resource.h>

#include "buffers.h"

FIXTURE(heap)
{
	int fd;			/* the node */
	int watch;		/* the pool */
	uint64_t nr_pages;
	struct respool_test_pool_stats before;
};

FIXTURE_VARIANT(heap)
{
	const char *pools;
	bool no_struct_pages;
	bool huge_entries;
	uint64_t base;		/* physical address, where it is known */
};

FIXTURE_VARIANT_ADD(heap, system_memory)
{
	.pools = "main:64M", .huge_entries = true,
};

FIXTURE_VARIANT_ADD(heap, prime_number_of_pages)
{
	.pools = "main:12428K/nocache",
};

FIXTURE_VARIANT_ADD(heap, reserved_region)
{
	.pools = "main:64M@0x10000000", .huge_entries = true, .base = 0x10000000,
};

FIXTURE_VARIANT_ADD(heap, reserved_region_not_aligned)
{
	.pools = "main:16388K@0x10007000", .no_struct_pages = true, .base = 0x10007000,
	.huge_entries = true,
};

FIXTURE_SETUP(heap)
{
	int error;

	USE_HEAP(variant->pools, "");
	error = client_load("respool_importer", "");
	ASSERT_TRUE(!error || error == -EEXIST);
	self->fd = open(NODE, O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, self->fd);
	self->watch = client_open("main", 1);
	ASSERT_LE(0, self->watch);
	self->before = settled_stats(self->watch);
	self->nr_pages = self->before.pages;
}

FIXTURE_TEARDOWN(heap)
{
	close(self->fd);
	EXPECT_EQ(0, held_in_the_end(self->watch, 0));
	EXPECT_EMPTY_AGAIN(self->watch, &self->before);
	close(self->watch);
	EXPECT_EQ(0, heap_unload());
	EXPECT_EQ(0, client_unload("respool_importer"));
}

static uint64_t held(int watch)
{
	return pool_stats(watch).allocated_pages;
}

/* The interface */

TEST_F(heap, a_buffer_has_just_the_pages_asked_for)
{
	static const struct {
		uint64_t len, pages;
	} cases[] = {
		{ 1, 1 }, { PAGE - 1, 1 }, { PAGE, 1 }, { PAGE + 1, 2 }, { 3 * PAGE, 3 },
		{ 65536, 16 }, { MIB - 1, 256 }, { MIB, 256 }, { HUGE - PAGE, 511 }, { HUGE, 512 },
		{ HUGE + 1, 513 }, { 5 * MIB, 1280 },
	};
	unsigned int i;
	int buffer;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		buffer = heap_alloc(self->fd, cases[i].len);
		ASSERT_LE(0, buffer)
			TH_LOG("case %u: %s", i, strerror(-buffer));
		EXPECT_EQ(cases[i].pages, lseek(buffer, 0, SEEK_END) / PAGE);
		EXPECT_EQ(cases[i].pages, held(self->watch));
		EXPECT_EQ(MAP_FAILED, (void *)map_shared(buffer, cases[i].len + PAGE));
		close(buffer);
		EXPECT_EQ(0, held(self->watch));
	}
}

/* The multiple of which the address of a buffer of this length is. */
static uint64_t align_of(uint64_t len)
{
	uint64_t align = PAGE;

	while (align < len && align < HUGE)
		align *= 2;
	return align;
}

TEST_F(heap, its_pages_are_contiguous_and_aligned)
{
	static const uint64_t lens[] = { PAGE, 2 * PAGE, 3 * PAGE, 65536, MIB, HUGE, 3 * MIB };
	uint64_t first, i;
	unsigned char *map;
	unsigned int n;
	int small, buffer;

	if (variant->no_struct_pages)
		return;			/* then the kernel does not say where they are */
	small = heap_alloc(self->fd, 1);	/* so that not all is aligned by chance */
	ASSERT_LE(0, small);
	for (n = 0; n < ARRAY_SIZE(lens); n++) {
		buffer = heap_alloc(self->fd, lens[n]);
		ASSERT_LE(0, buffer);
		map = map_shared(buffer, lens[n]);
		ASSERT_NE(MAP_FAILED, (void *)map);
		for (i = 0; i < lens[n]; i += PAGE)
			map[i] = 1;
		first = physical(map);
		EXPECT_NE(0, first);
		EXPECT_EQ(0, first % align_of(lens[n]));
		for (i = PAGE; i < lens[n]; i += PAGE)
			ASSERT_EQ(first + i, physical(map + i));
		munmap(map, lens[n]);
		close(buffer);
	}
	close(small);
}

/* By what the pool says, which also knows it of a region without struct pages. */
TEST_F(heap, its_pages_are_one_block_of_the_pool_and_aligned)
{
	static const uint64_t lens[] = { 3 * PAGE, 65536, MIB - PAGE, HUGE, 3 * MIB };
	unsigned long page, pages;
	char text[8192], *line;
	unsigned int n, found;
	int small, buffer;

	if (!variant->base)
		return;
	small = heap_alloc(self->fd, 1);
	ASSERT_LE(0, small);
	for (n = 0; n < ARRAY_SIZE(lens); n++) {
		buffer = heap_alloc(self->fd, lens[n]);
		ASSERT_LE(0, buffer);
		ASSERT_LT(0, client_read_file(CLIENT_DEBUGFS "/main/held", text, sizeof(text)));
		for (found = 0, line = strchr(text, '\n'); line; line = strchr(line + 1, '\n')) {
			if (sscanf(line, "%lu %lu", &page, &pages) != 2 || pages == 1)
				continue;
			found++;
			EXPECT_EQ(lens[n] / PAGE, pages);
			EXPECT_EQ(0, (variant->base + page * PAGE) % align_of(lens[n]));
		}
		EXPECT_EQ(1, found)
			TH_LOG("%s", text);
		close(buffer);
	}
	close(small);
}

TEST_F(heap, what_makes_no_sense_is_refused_and_takes_nothing)
{
	static const struct dma_heap_allocation_data bad[] = {
		{ .len = 0, .fd_flags = O_RDWR },
		{ .len = UINT64_MAX, .fd_flags = O_RDWR },
		{ .len = PAGE, .fd = 1, .fd_flags = O_RDWR },
		{ .len = PAGE, .fd_flags = O_RDWR | O_NONBLOCK },
		{ .len = PAGE, .fd_flags = ~0U },
		{ .len = PAGE, .fd_flags = O_RDWR, .heap_flags = 1 },
		{ .len = PAGE, .fd_flags = O_RDWR, .heap_flags = 1ULL << 63 },
	};
	struct dma_heap_allocation_data data;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		data = bad[i];
		EXPECT_EQ(-EINVAL, heap_ioctl(self->fd, &data))
			TH_LOG("case %u", i);
	}
	EXPECT_EQ(-EINVAL, client_ioctl(self->fd, _IOWR(DMA_HEAP_IOC_MAGIC, 1, data), &data));
	EXPECT_EQ(-ENOTTY, client_ioctl(self->fd, _IOWR('X', 0, data), &data));
	EXPECT_EQ(-EFAULT, client_ioctl(self->fd, DMA_HEAP_IOCTL_ALLOC, NULL));
	EXPECT_EQ(-ENOMEM, heap_alloc(self->fd, (self->nr_pages + 1) * PAGE));
	EXPECT_EQ(-ENOMEM, heap_alloc(self->fd, 1ULL << 60));
	EXPECT_EQ(0, held(self->watch));
}

/* Where the answer cannot be written, there is no descriptor and no buffer. */
TEST_F(heap, an_answer_that_does_not_arrive_makes_no_buffer)
{
	struct dma_heap_allocation_data *data;
	int next = dup(0);

	close(next);
	data = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	*data = (struct dma_heap_allocation_data){ .len = PAGE, .fd_flags = O_RDWR };
	mprotect(data, PAGE, PROT_READ);
	EXPECT_EQ(-EFAULT, heap_ioctl(self->fd, data));
	EXPECT_EQ(0, held(self->watch));
	EXPECT_EQ(next, dup(0));
	close(next);
	munmap(data, PAGE);
}

TEST_F(heap, descriptors_are_as_asked_for)
{
	struct dma_heap_allocation_data data = { .len = PAGE, .fd_flags = O_RDONLY };
	void *map;

	ASSERT_EQ(0, heap_ioctl(self->fd, &data));
	EXPECT_EQ(0, fcntl(data.fd, F_GETFD));
	EXPECT_EQ(MAP_FAILED, (void *)map_shared(data.fd, PAGE));
	EXPECT_EQ(EACCES, errno);
	map = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, data.fd, 0);
	ASSERT_NE(MAP_FAILED, map);
	EXPECT_EQ(PAGE, first_nonzero(map, PAGE));
	EXPECT_EQ(0, munmap(map, PAGE));
	EXPECT_EQ(MAP_FAILED, mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, data.fd, 0));
	EXPECT_EQ(EINVAL, errno);
	close(data.fd);
	data = (struct dma_heap_allocation_data){ .len = PAGE, .fd_flags = O_RDWR | O_CLOEXEC };
	ASSERT_EQ(0, heap_ioctl(self->fd, &data));
	EXPECT_EQ(FD_CLOEXEC, fcntl(data.fd, F_GETFD));
	close(data.fd);
}

/* Content */

/* Fill the whole pool with buffers of @len, and that with something; how many were not zero. */
static int find_and_leave(int heap, size_t len, unsigned int *nr)
{
	unsigned char *map;
	int buffer, dirty = 0;

	for (*nr = 0; (buffer = heap_alloc(heap, len)) >= 0; ++*nr) {
		map = map_shared(buffer, len);
		dirty += first_nonzero(map, len) != len;
		memset(map, 0xa5, len);
		close(buffer);		/* the mapping keeps it */
	}
	return dirty;
}

TEST_F(heap, nobody_sees_what_another_process_left)
{
	static const size_t lens[] = { 64 * PAGE, 16 * PAGE, 4 * PAGE, 64 * PAGE };
	unsigned int i, nr;
	pid_t child;

	for (i = 0; i < ARRAY_SIZE(lens); i++) {
		child = fork();
		if (!child) {
			int dirty = find_and_leave(self->fd, lens[i], &nr);

			/* What was seen says something only of what there was. */
			if (nr * lens[i] < self->nr_pages * PAGE / 10 * 9)
				_exit(2);
			_exit(dirty ? 1 : 0);
		}
		EXPECT_EQ(0, ended(child))
			TH_LOG("buffers of %zu", lens[i]);
		EXPECT_EQ(0, held_in_the_end(self->watch, 0));
	}
}

/* The only way to see that nobody cleared them: to say that they are zero when they are not. */
TEST_F(heap, pages_known_to_be_zero_are_not_cleared_again)
{
	struct respool_test_op block = OP(ALLOC_PAGES, .handle = 0, .size = 9);
	int rest[MAX_REST], buffer;
	size_t lens[MAX_REST];
	unsigned char *map;
	unsigned int nr;

	ASSERT_EQ(0, run(self->watch, block, NULL));
	ASSERT_EQ(0, run(self->watch, OP(FILL, .handle = 0, .seed = 1), NULL));
	nr = take_rest(self->fd, rest, lens);
	ASSERT_EQ(0, run(self->watch, OP(FREE_CLEARED, .handle = 0), NULL));
	buffer = heap_alloc(self->fd, HUGE);
	ASSERT_LE(0, buffer);
	map = map_shared(buffer, HUGE);
	EXPECT_NE(HUGE, first_nonzero(map, HUGE));
	munmap(map, HUGE);
	close(buffer);
	/* Once it has been somebody's, that no longer counts. */
	buffer = heap_alloc(self->fd, HUGE);
	ASSERT_LE(0, buffer);
	map = map_shared(buffer, HUGE);
	EXPECT_EQ(HUGE, first_nonzero(map, HUGE));
	munmap(map, HUGE);
	close(buffer);
	close_rest(rest, nr);
}

static uint64_t known_to_be_zero(int watch)
{
	return pool_stats(watch).clear_pages;
}

/* Get a buffer and do that with it: how many of its pages are known to be zero then. */
static uint64_t left_clean(int heap, int watch, void (*use)(int fd))
{
	int buffer = heap_alloc(heap, 3 * MIB);
	uint64_t others = known_to_be_zero(watch);

	use(buffer);
	close(buffer);
	return known_to_be_zero(watch) - others;
}

static void use_not(int fd)
{
	munmap(map_shared(fd, 3 * MIB), 3 * MIB);
}

static void use_mapping(int fd)
{
	volatile unsigned char *map = map_huge(fd, 3 * MIB);

	map[MIB] = 1;
	munmap((void *)map, 3 * MIB);
}

static void use_first_page(int fd)
{
	volatile unsigned char *map = map_small(fd, 3 * MIB);

	map[0] = 1;
	munmap((void *)map, 3 * MIB);
}

static void use_device(int fd)
{
	int importer = import(fd, IMPORTER_DYNAMIC);

	client_ioctl(importer, IMPORTER_MAP, &(struct importer_map){});
	close(importer);
}

static void use_kernel(int fd)
{
	int importer = import(fd, IMPORTER_PLAIN);

	client_ioctl(importer, IMPORTER_VMAP, NULL);
	close(importer);
}

static void use_nothing_before_revocation(int fd)
{
	heap_revoke(buffer_number(fd));
}

TEST_F(heap, what_nobody_got_at_is_still_known_to_be_zero)
{
	int heap = self->fd, watch = self->watch;

	EXPECT_EQ(3 * MIB / PAGE, left_clean(heap, watch, use_not));
	EXPECT_EQ(0, left_clean(heap, watch, use_mapping));
	EXPECT_EQ(3 * MIB / PAGE, left_clean(heap, watch, use_nothing_before_revocation));
	EXPECT_EQ(0, left_clean(heap, watch, use_first_page));
	EXPECT_EQ(3 * MIB / PAGE, left_clean(heap, watch, use_not));
	if (variant->no_struct_pages)
		return;			/* nobody else can get at it */
	EXPECT_EQ(0, left_clean(heap, watch, use_device));
	EXPECT_EQ(3 * MIB / PAGE, left_clean(heap, watch, use_not));
	EXPECT_EQ(0, left_clean(heap, watch, use_kernel));
}

TEST_F(heap, mappings_and_descriptors_are_of_one_buffer)
{
	int buffer = heap_alloc(self->fd, 3 * MIB), other;
	unsigned char *one, *two, *tail;

	ASSERT_LE(0, buffer);
	other = dup(buffer);
	one = map_shared(buffer, 3 * MIB);
	two = map_shared(other, 3 * MIB);
	tail = mmap(NULL, MIB, PROT_READ, MAP_SHARED, other, 2 * MIB);
	fill(one, 3 * MIB, 7);
	EXPECT_EQ(3 * MIB, first_change(two, 3 * MIB, 7));
	EXPECT_EQ(0, memcmp(tail, one + 2 * MIB, MIB));
	two[2 * MIB] ^= 1;
	EXPECT_EQ(one[2 * MIB], tail[0]);
	EXPECT_EQ(buffer_number(buffer), buffer_number(other));
	munmap(one, 3 * MIB);
	munmap(two, 3 * MIB);
	munmap(tail, MIB);
	close(buffer);
	close(other);
}

/* Where 2 MiB at a time can be mapped, and where only pages can. */
static unsigned char *(*const ways_to_map[])(int fd, size_t len) = { map_huge, map_small };

TEST_F(heap, pages_that_are_unmapped_come_again)
{
	int buffer = heap_alloc(self->fd, HUGE);
	unsigned char *map;
	unsigned int i;

	ASSERT_LE(0, buffer);
	for (i = 0; i < ARRAY_SIZE(ways_to_map); i++) {
		map = ways_to_map[i](buffer, HUGE);
		ASSERT_NE(MAP_FAILED, (void *)map);
		fill(map, HUGE, 3);
		if (variant->no_struct_pages) {
			EXPECT_EQ(-1, madvise(map, HUGE, MADV_DONTNEED));
			EXPECT_EQ(EINVAL, errno);
		} else {
			EXPECT_EQ(0, madvise(map, HUGE, MADV_DONTNEED));
			EXPECT_EQ(HUGE, first_change(map, HUGE, 3));
			/* Holes in what is mapped, of which the last is looked at first. */
			EXPECT_EQ(0, madvise(map + 5 * PAGE, 3 * PAGE, MADV_DONTNEED));
			EXPECT_EQ(0, madvise(map + 9 * PAGE, PAGE, MADV_DONTNEED));
			EXPECT_EQ(0, madvise(map + HUGE - PAGE, PAGE, MADV_DONTNEED));
			EXPECT_EQ(word_of(3, HUGE / 8 - 1), ((uint64_t *)map)[HUGE / 8 - 1]);
			EXPECT_EQ(HUGE, first_change(map, HUGE, 3));
		}
		munmap(map, HUGE);
	}
	close(buffer);
}

static long minor_faults(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return usage.ru_minflt;
}

TEST_F(heap, a_fault_maps_all_that_a_page_table_can)
{
	int buffer = heap_alloc(self->fd, HUGE), i;
	unsigned char *map;
	long before;

	ASSERT_LE(0, buffer);
	map = map_small(buffer, HUGE);
	ASSERT_NE(MAP_FAILED, (void *)map);
	before = minor_faults();
	for (i = HUGE / PAGE; i--; )
		((volatile unsigned char *)map)[i * PAGE] = 1;
	EXPECT_EQ(before + 2, minor_faults());	/* it needs parts of two tables */
	munmap(map, HUGE);
	close(buffer);
}

TEST_F(heap, a_mapping_can_be_read_first_and_written_later)
{
	int buffer = heap_alloc(self->fd, 2 * HUGE);
	unsigned char *map;
	unsigned int i;

	ASSERT_LE(0, buffer);
	for (i = 0; i < ARRAY_SIZE(ways_to_map); i++) {
		map = ways_to_map[i](buffer, 2 * HUGE);
		ASSERT_NE(MAP_FAILED, (void *)map);
		ASSERT_EQ(0, mprotect(map, 2 * HUGE, PROT_READ));
		EXPECT_EQ(2 * HUGE, first_nonzero(map, 2 * HUGE));
		ASSERT_EQ(0, mprotect(map, 2 * HUGE, PROT_READ | PROT_WRITE));
		fill(map, 2 * HUGE, 4);
		ASSERT_EQ(0, mprotect(map + HUGE, PAGE, PROT_READ));
		map[0] ^= 1;
		map[0] ^= 1;
		EXPECT_EQ(2 * HUGE, first_change(map, 2 * HUGE, 4));
		ASSERT_EQ(0, mprotect(map + HUGE, PAGE, PROT_READ | PROT_WRITE));
		memset(map, 0, 2 * HUGE);
		munmap(map, 2 * HUGE);
	}
	close(buffer);
}

/* Life */

TEST_F(heap, a_buffer_lives_until_descriptor_and_mapping_are_gone)
{
	int buffer = heap_alloc(self->fd, MIB);
	unsigned char *map;

	ASSERT_LE(0, buffer);
	map = map_shared(buffer, MIB);
	fill(map, MIB, 1);
	close(buffer);
	EXPECT_EQ(256, held(self->watch));
	EXPECT_EQ(MIB, first_change(map, MIB, 1));
	munmap(map, MIB);
	EXPECT_EQ(0, held(self->watch));
}

TEST_F(heap, what_is_left_of_a_mapping_stays_as_it_is)
{
	size_t len = 6 * MIB, i;
	unsigned char *map;
	unsigned int n;
	int buffer;

	for (n = 0; n < ARRAY_SIZE(ways_to_map); n++) {
		buffer = heap_alloc(self->fd, len);
		ASSERT_LE(0, buffer);
		map = ways_to_map[n](buffer, len);
		ASSERT_NE(MAP_FAILED, (void *)map);
		close(buffer);
		fill(map, len, 9);
		/* A page in the middle of 2 MiB, the end, the start, and more of the middle. */
		EXPECT_EQ(0, munmap(map + 3 * MIB, PAGE));
		EXPECT_EQ(0, munmap(map + len - 3 * PAGE, 3 * PAGE));
		EXPECT_EQ(0, munmap(map, 5 * PAGE));
		for (i = 5 * PAGE; i < 3 * MIB; i += 8)
			ASSERT_EQ(word_of(9, i / 8), *(uint64_t *)(map + i));
		for (i = 3 * MIB + PAGE; i < len - 3 * PAGE; i += 8)
			ASSERT_EQ(word_of(9, i / 8), *(uint64_t *)(map + i));
		EXPECT_EQ(len / PAGE, held(self->watch));
		munmap(map, len);
		EXPECT_EQ(0, held(self->watch));
	}
}

TEST_F(heap, a_mapping_that_moves_is_of_the_same_buffer)
{
	unsigned char *map, *to;
	unsigned int i;
	int buffer;

	for (i = 0; i < ARRAY_SIZE(ways_to_map); i++) {
		buffer = heap_alloc(self->fd, 2 * HUGE);
		ASSERT_LE(0, buffer);
		map = ways_to_map[i](buffer, 2 * HUGE);
		ASSERT_NE(MAP_FAILED, (void *)map);
		fill(map, 2 * HUGE, 10);
		/* Half of it, to where it fits in another way, and not a page more. */
		to = ways_to_map[!i](buffer, HUGE);
		ASSERT_EQ(to, mremap(map + HUGE, HUGE, HUGE, MREMAP_MAYMOVE | MREMAP_FIXED, to));
		EXPECT_EQ(HUGE, first_change(map, HUGE, 10));
		EXPECT_EQ(word_of(10, HUGE / 8), *(uint64_t *)to);
		EXPECT_EQ(word_of(10, 2 * HUGE / 8 - 1), ((uint64_t *)to)[HUGE / 8 - 1]);
		EXPECT_EQ(MAP_FAILED, mremap(to, HUGE, HUGE + PAGE, MREMAP_MAYMOVE));
		close(buffer);
		munmap(map, HUGE);
		EXPECT_EQ(2 * HUGE / PAGE, held(self->watch));
		munmap(to, HUGE);
		EXPECT_EQ(0, held(self->watch));
	}
}

static void share_with_child(struct __test_metadata *_metadata, unsigned char *map, int watch)
{
	int stop[2];
	pid_t child;
	char byte;

	ASSERT_NE(MAP_FAILED, (void *)map);
	ASSERT_EQ(0, pipe(stop));
	fill(map, HUGE, 11);
	child = fork();
	if (!child) {
		if (first_change(map, HUGE, 11) != HUGE)
			_exit(1);
		fill(map, HUGE, 12);
		_exit(0);
	}
	EXPECT_EQ(0, ended(child));
	EXPECT_EQ(HUGE, first_change(map, HUGE, 12));
	/* The child that keeps it is now the last. */
	child = fork();
	if (!child)
		_exit(read(stop[0], &byte, 1) != 1 || first_change(map, HUGE, 12) != HUGE);
	munmap(map, HUGE);
	EXPECT_EQ(HUGE / PAGE, held(watch));
	EXPECT_EQ(1, write(stop[1], "", 1));
	EXPECT_EQ(0, ended(child));
	EXPECT_EQ(0, held_in_the_end(watch, 0));
	close(stop[0]);
	close(stop[1]);
}

TEST_F(heap, parent_and_child_share_a_buffer)
{
	unsigned char *map;
	unsigned int i;
	int buffer;

	for (i = 0; i < ARRAY_SIZE(ways_to_map); i++) {
		buffer = heap_alloc(self->fd, HUGE);
		ASSERT_LE(0, buffer);
		map = ways_to_map[i](buffer, HUGE);
		close(buffer);
		share_with_child(_metadata, map, self->watch);
	}
}

TEST_F(heap, a_buffer_passed_on_survives_who_made_it)
{
	int sockets[2], buffer;
	unsigned char *map;
	pid_t child;

	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM, 0, sockets));
	child = fork();
	if (!child) {
		int heap = open(NODE, O_RDWR);

		buffer = heap_alloc(heap, MIB);
		map = map_shared(buffer, MIB);
		fill(map, MIB, 21);
		_exit(send_fd(sockets[1], buffer) != 0);
	}
	EXPECT_EQ(0, ended(child));
	buffer = receive_fd(sockets[0]);
	ASSERT_LE(0, buffer);
	EXPECT_EQ(256, held(self->watch));
	map = map_shared(buffer, MIB);
	EXPECT_EQ(MIB, first_change(map, MIB, 21));
	munmap(map, MIB);
	/* One that nobody receives is gone with the socket. */
	EXPECT_EQ(0, send_fd(sockets[1], buffer));
	close(buffer);
	EXPECT_EQ(256, held(self->watch));
	close(sockets[1]);
	EXPECT_EQ(256, held(self->watch));
	close(sockets[0]);
	EXPECT_EQ(0, held_in_the_end(self->watch, 0));
}

TEST_F(heap, a_killed_process_leaves_nothing_behind)
{
	int ready[2], importer, i;
	pid_t child;
	char byte;

	ASSERT_EQ(0, pipe(ready));
	child = fork();
	if (!child) {
		for (i = 0; i < 20; i++) {
			int buffer = heap_alloc(self->fd, 37 * PAGE);

			memset(map_shared(buffer, 37 * PAGE), i, 37 * PAGE);
			importer = import(buffer, i & 1);
			if (importer >= 0)
				client_ioctl(importer, IMPORTER_MAP, &(struct importer_map){});
		}
		if (write(ready[1], "", 1) == 1)
			pause();
		_exit(1);
	}
	ASSERT_EQ(1, read(ready[0], &byte, 1));
	EXPECT_EQ(20 * 37, held(self->watch));
	kill(child, SIGKILL);
	EXPECT_EQ(-SIGKILL, ended(child));
	EXPECT_EQ(0, held_in_the_end(self->watch, 0));
	close(ready[0]);
	close(ready[1]);
}

TEST_F(heap, the_module_stays_as_long_as_a_buffer)
{
	int buffer = heap_alloc(self->fd, PAGE);

	ASSERT_LE(0, buffer);
	close(self->fd);
	EXPECT_EQ(-EWOULDBLOCK, client_unload("respool_heap"));
	close(buffer);
	EXPECT_EQ(0, client_unload("respool_heap"));
	EXPECT_EQ(-1, access(NODE, F_OK));
	ASSERT_EQ(0, client_load("respool_heap", ""));
	self->fd = open(NODE, O_RDWR | O_CLOEXEC);
	EXPECT_LE(0, self->fd);
}

static long page_tables_kib(void)
{
	char status[8192];

	if (client_read_file("/proc/self/status", status, sizeof(status)) < 0)
		abort();
	return atol(strstr(status, "VmPTE:") + 6);
}

/* 2 MiB at a time, there are no page tables to map the buffer with. */
TEST_F(heap, large_mappings_are_of_huge_entries_where_that_can_be)
{
	size_t len = 6 * HUGE;
	unsigned char *map;
	int buffer;
	long grown;

	/* Real-time kernels have none; without struct pages, those that tell them apart have. */
	if (!variant->huge_entries || access("/sys/kernel/mm/transparent_hugepage", F_OK) ||
	    (variant->no_struct_pages && !kernel_is_at_least(6, 12)))
		return;
	buffer = heap_alloc(self->fd, len);
	ASSERT_LE(0, buffer);
	map = map_huge(buffer, len);
	ASSERT_NE(MAP_FAILED, (void *)map);
	grown = -page_tables_kib();
	EXPECT_EQ(len, first_nonzero(map, len));
	fill(map, len, 2);
	grown += page_tables_kib();
	/* One for the stack, and two of huge entries where the addresses cross a GiB. */
	EXPECT_GE(12, grown)
		TH_LOG("page tables grew by %ld KiB", grown);
	munmap(map, len);
	close(buffer);
}

/* Importers */

TEST_F(heap, an_importer_sees_the_buffer_as_one_piece)
{
	int buffer = heap_alloc(self->fd, MIB), importer, i;
	struct importer_map map = {};
	unsigned char *cpu;

	ASSERT_LE(0, buffer);
	cpu = map_shared(buffer, MIB);
	cpu[0] = 1;
	if (variant->no_struct_pages) {
		EXPECT_EQ(-EOPNOTSUPP, import(buffer, IMPORTER_PLAIN));
		EXPECT_EQ(-EOPNOTSUPP, import(buffer, IMPORTER_DYNAMIC));
		goto out;
	}
	for (i = 0; i < 2; i++) {
		importer = import(buffer, i);
		ASSERT_LE(0, importer);
		ASSERT_EQ(0, client_ioctl(importer, IMPORTER_MAP, &map));
		EXPECT_EQ(1, map.entries);
		EXPECT_EQ(MIB, map.bytes);
		/* The machine has no IOMMU that would make them differ. */
		EXPECT_EQ(physical(cpu), map.dma);
		EXPECT_EQ(0, buffer_sync(buffer, DMA_BUF_SYNC_START | DMA_BUF_SYNC_RW));
		EXPECT_EQ(0, buffer_sync(buffer, DMA_BUF_SYNC_END | DMA_BUF_SYNC_RW));
		EXPECT_EQ(0, client_ioctl(importer, IMPORTER_UNMAP, NULL));
		EXPECT_EQ(0, client_ioctl(importer, IMPORTER_DETACH, NULL));
		close(importer);
	}
out:
	munmap(cpu, MIB);
	close(buffer);
}

/* Descriptor, mapping and importers, let go of in each of the 24 orders. */
TEST_F(heap, whoever_is_last_frees_the_buffer)
{
	struct importer_map map;
	unsigned int order, left, i, n;
	int buffer, importer[2];
	unsigned char *cpu;

	for (order = 0; order < 24 && !variant->no_struct_pages; order++) {
		unsigned int which[4] = { 0, 1, 2, 3 }, rest = order;

		for (i = 4; i > 1; rest /= i, i--) {
			n = which[i - 1];
			which[i - 1] = which[rest % i];
			which[rest % i] = n;
		}
		buffer = heap_alloc(self->fd, 5 * PAGE);
		ASSERT_LE(0, buffer);
		cpu = map_shared(buffer, 5 * PAGE);
		cpu[0] = 1;
		for (i = 0; i < 2; i++) {
			importer[i] = import(buffer, i);
			ASSERT_LE(0, importer[i]);
			ASSERT_EQ(0, client_ioctl(importer[i], IMPORTER_MAP, &map));
		}
		for (left = 4; left--; ) {
			EXPECT_EQ(5, held(self->watch));
			switch (which[left]) {
			case 0:
			case 1:
				if (order & 1)
					client_ioctl(importer[which[left]], IMPORTER_UNMAP, NULL);
				close(importer[which[left]]);
				break;
			case 2:
				close(buffer);
				break;
			case 3:
				munmap(cpu, 5 * PAGE);
				break;
			}
		}
		EXPECT_EQ(0, held(self->watch));
	}
}

TEST_F(heap, the_kernel_reads_and_writes_what_the_user_sees)
{
	struct importer_access access = { .offset = 3 * PAGE, .value = 0x1122334455667788ULL };
	int buffer = heap_alloc(self->fd, 4 * PAGE), importer;
	unsigned char *cpu;

	ASSERT_LE(0, buffer);
	cpu = map_shared(buffer, 4 * PAGE);
	fill(cpu, 4 * PAGE, 5);
	if (!variant->no_struct_pages) {
		importer = import(buffer, IMPORTER_PLAIN);
		ASSERT_LE(0, importer);
		ASSERT_EQ(0, client_ioctl(importer, IMPORTER_VMAP, NULL));
		ASSERT_EQ(0, client_ioctl(importer, IMPORTER_ACCESS, &access));
		EXPECT_EQ(word_of(5, 3 * PAGE / 8), access.value);
		EXPECT_EQ(0x1122334455667788ULL, *(uint64_t *)(cpu + 3 * PAGE));
		munmap(cpu, 4 * PAGE);
		close(buffer);
		EXPECT_EQ(4, held(self->watch));
		EXPECT_EQ(0, client_ioctl(importer, IMPORTER_VUNMAP, NULL));
		close(importer);
	}
	munmap(cpu, 4 * PAGE);
	close(buffer);
}

/* With a device that would not see what the CPU writes, nor the CPU what it does. */
TEST_F(heap, device_and_cpu_see_what_the_other_wrote_after_a_sync)
{
	struct importer_access access = { .offset = PAGE, .value = 11 };
	int buffer = heap_alloc(self->fd, 3 * PAGE), device, kernel;
	struct importer_map map;
	volatile uint64_t *cpu;

	ASSERT_LE(0, buffer);
	cpu = (uint64_t *)map_shared(buffer, 3 * PAGE);
	device = import(buffer, IMPORTER_CACHED);
	if (device == -ENXIO || variant->no_struct_pages)
		goto out;		/* there are no such devices, or no devices */
	ASSERT_LE(0, device);
	ASSERT_EQ(0, client_ioctl(device, IMPORTER_MAP, &map));
	ASSERT_EQ(0, client_ioctl(device, IMPORTER_DMA_ACCESS, &access));
	EXPECT_EQ(0, cpu[PAGE / 8]);
	EXPECT_EQ(0, buffer_sync(buffer, DMA_BUF_SYNC_START | DMA_BUF_SYNC_RW));
	EXPECT_EQ(11, cpu[PAGE / 8]);
	cpu[PAGE / 8] = 12;
	EXPECT_EQ(0, buffer_sync(buffer, DMA_BUF_SYNC_END | DMA_BUF_SYNC_RW));
	access.value = 13;
	ASSERT_EQ(0, client_ioctl(device, IMPORTER_DMA_ACCESS, &access));
	EXPECT_EQ(12, access.value);
	/* And when it is another driver that has the CPU look. */
	kernel = import(buffer, IMPORTER_PLAIN);
	ASSERT_LE(0, kernel);
	ASSERT_EQ(0, client_ioctl(kernel, IMPORTER_VMAP, NULL));
	access.value = 14;
	ASSERT_EQ(0, client_ioctl(kernel, IMPORTER_ACCESS, &access));
	EXPECT_EQ(13, access.value);
	ASSERT_EQ(0, client_ioctl(device, IMPORTER_DMA_ACCESS, &access));
	EXPECT_EQ(14, access.value);
	close(kernel);
	close(device);
out:
	munmap((void *)cpu, 3 * PAGE);
	close(buffer);
}

/* Who has it */

TEST_F(heap, a_task_cannot_make_up_rows_of_owners)
{
	char old[16], text[8192];
	int buffer;

	ASSERT_EQ(0, prctl(PR_GET_NAME, old));
	ASSERT_EQ(0, prctl(PR_SET_NAME, "a\n1 2 3 4"));
	buffer = heap_alloc(self->fd, PAGE);
	ASSERT_EQ(0, prctl(PR_SET_NAME, old));
	ASSERT_LE(0, buffer);
	ASSERT_LT(0, client_read_file(HEAP_DEBUGFS "owners", text, sizeof(text)));
	EXPECT_NE(NULL, strstr(text, " open a\\0121\\0402\\0403\\0404\n"))
		TH_LOG("%s", text);
	close(buffer);
}

/* Whether the kernel's list of dma-bufs has this one, of our pool, by our name for it. */
static bool listed_with_name(unsigned long number, const char *comm)
{
	static char text[1 << 16];
	char row[128], *line;

	if (client_read_file("/sys/kernel/debug/dma_buf/bufinfo", text, sizeof(text)) < 0)
		return false;
	snprintf(row, sizeof(row), "\tmain\t%08lu\t%d:%s", number, getpid(), comm);
	line = strstr(text, row);
	return line && line[strlen(row)] == '\n';
}

TEST_F(heap, root_sees_who_has_a_buffer)
{
	int buffer = heap_alloc(self->fd, 7 * PAGE);
	char path[64], info[4096], row[128], comm[32];
	unsigned int seconds, pages, uid;
	int pid, end = 0, found;

	ASSERT_LE(0, buffer);
	ASSERT_LT(0, client_read_file("/proc/self/comm", comm, sizeof(comm)));
	comm[strcspn(comm, "\n")] = '\0';
	snprintf(row, sizeof(row), "%s", owner_row(buffer_number(buffer)));
	found = sscanf(row, "%u %u %d %u open %n", &pages, &uid, &pid, &seconds, &end);
	ASSERT_EQ(4, found)
		TH_LOG("row: %s", row);
	EXPECT_EQ(7, pages);
	EXPECT_EQ(getuid(), uid);
	EXPECT_EQ(getpid(), pid);
	EXPECT_GT(60, seconds);
	EXPECT_STREQ(comm, row + end);
	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", buffer);
	ASSERT_LT(0, client_read_file(path, info, sizeof(info)));
	EXPECT_NE(NULL, strstr(info, "exp_name:\tmain\n"));
	snprintf(row, sizeof(row), "name:\t%d:%s\n", getpid(), comm);
	EXPECT_NE(NULL, strstr(info, row))
		TH_LOG("%s", info);
	EXPECT_TRUE(listed_with_name(buffer_number(buffer), comm));
	close(buffer);
	EXPECT_STREQ("", owner_row(buffer_number(buffer)));
}

TEST_HARNESS_MAIN
