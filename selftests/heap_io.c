// SPDX-License-Identifier: GPL-2.0
/*
 * User buffers are memory as any other to whom the kernel moves data for, and
 * what is still moving keeps their pages from the pool.
 */
#include <liburing.h>
#include <pthread.h>
#include <sys/mount.h>
#include <sys/uio.h>

#include "buffers.h"

#define DISK	"/dev/vda"
#define MOUNT_POINT	"/disk"
#define RAM_DISK	"/dev/ram0"
#define DISK_SIZE	(4 * MIB)	/* as much as the tests use */

/* A file of the file system on the disk, with all its blocks. */
static int open_file_on_disk(void)
{
	static const char zeros[DISK_SIZE];
	int fd = open(MOUNT_POINT "/file", O_RDWR | O_CLOEXEC);

	if (fd < 0) {
		mkdir(MOUNT_POINT, 0755);
		if (mount(DISK, MOUNT_POINT, "ext4", 0, NULL))
			return -1;
		fd = open(MOUNT_POINT "/file", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
		if (write(fd, zeros, DISK_SIZE) != DISK_SIZE || fsync(fd))
			return -1;
	}
	close(fd);
	return open(MOUNT_POINT "/file", O_RDWR | O_DIRECT | O_CLOEXEC);
}

/* For direct I/O: that file, or where the kernel has no disk, one in memory. */
static int open_disk(void)
{
	if (!access(DISK, F_OK))
		return open_file_on_disk();
	return open(RAM_DISK, O_RDWR | O_DIRECT | O_CLOEXEC);
}

FIXTURE(heap_io)
{
	int fd;
	int watch;
	int disk;
	struct respool_test_pool_stats before;
};

FIXTURE_VARIANT(heap_io)
{
	const char *pools;
	unsigned char *(*map)(int fd, size_t len);
};

FIXTURE_VARIANT_ADD(heap_io, system_memory)
{
	.pools = "main:64M", .map = map_huge,
};

FIXTURE_VARIANT_ADD(heap_io, system_memory_page_by_page)
{
	.pools = "main:64M", .map = map_small,
};

FIXTURE_VARIANT_ADD(heap_io, reserved_region)
{
	.pools = "main:64M@0x10000000", .map = map_huge,
};

FIXTURE_VARIANT_ADD(heap_io, reserved_region_page_by_page)
{
	.pools = "main:64M@0x10000000", .map = map_small,
};

static unsigned char *(*map_buffer)(int fd, size_t len);	/* the variant's */

FIXTURE_SETUP(heap_io)
{
	map_buffer = variant->map;
	USE_HEAP(variant->pools, "");
	if (access(DISK, F_OK) && access(RAM_DISK, F_OK))
		SKIP(_exit(HARNESS_SKIPPED), "no disk, and none in memory: module brd");
	self->disk = open_disk();
	ASSERT_LE(0, self->disk);
	self->fd = open(NODE, O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, self->fd);
	self->watch = client_open("main", 1);
	ASSERT_LE(0, self->watch);
	self->before = settled_stats(self->watch);
}

FIXTURE_TEARDOWN(heap_io)
{
	close(self->disk);
	close(self->fd);
	EXPECT_EQ(0, held_in_the_end(self->watch, 0));
	EXPECT_EMPTY_AGAIN(self->watch, &self->before);
	close(self->watch);
	EXPECT_EQ(0, heap_unload());
}

static uint64_t held(int watch)
{
	return pool_stats(watch).allocated_pages;
}

/* A new buffer, mapped as the variant says; its descriptor is closed. */
static unsigned char *new_map(int heap, size_t len)
{
	int buffer = heap_alloc(heap, len);
	void *map;

	if (buffer < 0)
		abort();
	map = map_buffer(buffer, len);
	close(buffer);
	return map;
}

TEST_F(heap_io, direct_io_goes_to_and_from_a_buffer)
{
	unsigned char *from = new_map(self->fd, DISK_SIZE), *to = new_map(self->fd, DISK_SIZE);

	fill(from, DISK_SIZE, 31);
	EXPECT_EQ(DISK_SIZE, pwrite(self->disk, from, DISK_SIZE, 0));
	EXPECT_EQ(DISK_SIZE, pread(self->disk, to, DISK_SIZE, 0));
	EXPECT_EQ(DISK_SIZE, first_change(to, DISK_SIZE, 31));
	/* Of a few pages, not at the start of anything. */
	fill(from, DISK_SIZE, 32);
	EXPECT_EQ(3 * PAGE, pwrite(self->disk, from + 7 * PAGE, 3 * PAGE, PAGE));
	EXPECT_EQ(3 * PAGE, pread(self->disk, to + 511 * PAGE, 3 * PAGE, PAGE));
	EXPECT_EQ(0, memcmp(from + 7 * PAGE, to + 511 * PAGE, 3 * PAGE));
	munmap(from, DISK_SIZE);
	munmap(to, DISK_SIZE);
	EXPECT_EQ(0, held(self->watch));
}

/* Not touched before, so that it is the kernel that faults. */
TEST_F(heap_io, the_kernel_may_be_the_first_to_touch_a_buffer)
{
	unsigned char *from = new_map(self->fd, HUGE), *to = new_map(self->fd, HUGE);

	fill(from, HUGE, 33);
	EXPECT_EQ(HUGE, pwrite(self->disk, from, HUGE, 0));
	EXPECT_EQ(HUGE, pread(self->disk, to, HUGE, 0));
	EXPECT_EQ(HUGE, first_change(to, HUGE, 33));
	munmap(from, HUGE);
	munmap(to, HUGE);
}

static int complete(struct io_uring *ring)
{
	struct io_uring_cqe *cqe;
	int result;

	if (io_uring_submit_and_wait(ring, 1) != 1 || io_uring_wait_cqe(ring, &cqe))
		return -EIO;
	result = cqe->res;
	io_uring_cqe_seen(ring, cqe);
	return result;
}

static int transfer(struct io_uring *ring, bool write, int disk, void *map, size_t len)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(ring);

	if (write)
		io_uring_prep_write(sqe, disk, map, len, 0);
	else
		io_uring_prep_read(sqe, disk, map, len, 0);
	return complete(ring);
}

static int transfer_fixed(struct io_uring *ring, bool write, int disk, void *map, size_t len,
			  int index)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(ring);

	if (write)
		io_uring_prep_write_fixed(sqe, disk, map, len, 0, index);
	else
		io_uring_prep_read_fixed(sqe, disk, map, len, 0, index);
	return complete(ring);
}

TEST_F(heap_io, io_uring_moves_data_of_a_buffer)
{
	unsigned char *from = new_map(self->fd, HUGE), *to = new_map(self->fd, HUGE);
	struct io_uring ring;

	ASSERT_EQ(0, io_uring_queue_init(8, &ring, 0));
	fill(from, HUGE, 44);
	EXPECT_EQ(HUGE, transfer(&ring, true, self->disk, from, HUGE));
	EXPECT_EQ(HUGE, transfer(&ring, false, self->disk, to, HUGE));
	EXPECT_EQ(HUGE, first_change(to, HUGE, 44));
	munmap(from, HUGE);
	munmap(to, HUGE);
	io_uring_queue_exit(&ring);
}

/* Registered with the ring, they outlive mapping and descriptor; then they are back. */
TEST_F(heap_io, fixed_buffers_of_io_uring_keep_their_pages)
{
	unsigned char *from = new_map(self->fd, HUGE), *to = new_map(self->fd, HUGE), *again;
	struct iovec iov[] = { { from, HUGE }, { to, HUGE } };
	struct io_uring ring;

	ASSERT_EQ(0, io_uring_queue_init(8, &ring, 0));
	/* Before, of all mapped files io_uring fixed those in memory only. */
	if (!kernel_is_at_least(6, 5)) {
		EXPECT_EQ(-EOPNOTSUPP, io_uring_register_buffers(&ring, iov, 2));
		munmap(from, HUGE);
		munmap(to, HUGE);
		io_uring_queue_exit(&ring);
		return;
	}
	ASSERT_EQ(0, io_uring_register_buffers(&ring, iov, 2));
	fill(from, HUGE, 41);
	EXPECT_EQ(HUGE, transfer_fixed(&ring, true, self->disk, from, HUGE, 0));
	EXPECT_EQ(HUGE, transfer_fixed(&ring, false, self->disk, to, HUGE, 1));
	EXPECT_EQ(HUGE, first_change(to, HUGE, 41));
	fill(from, HUGE, 42);
	munmap(from, HUGE);
	munmap(to, HUGE);
	EXPECT_EQ(2 * HUGE / PAGE, held(self->watch));
	again = new_map(self->fd, 40 * MIB);
	fill(again, 40 * MIB, 43);
	EXPECT_EQ(HUGE, transfer_fixed(&ring, true, self->disk, from, HUGE, 0));
	EXPECT_EQ(HUGE, transfer_fixed(&ring, false, self->disk, to, HUGE, 1));
	EXPECT_EQ(40 * MIB, first_change(again, 40 * MIB, 43));
	EXPECT_EQ(HUGE, pread(self->disk, again, HUGE, 0));
	EXPECT_EQ(HUGE, first_change(again, HUGE, 42));
	munmap(again, 40 * MIB);
	EXPECT_EQ(2 * HUGE / PAGE, held(self->watch));
	io_uring_unregister_buffers(&ring);
	EXPECT_EQ(0, held_in_the_end(self->watch, 0));
	io_uring_queue_exit(&ring);
}

/*
 * A pipe that refers to pages of a buffer that is gone: they are not given to
 * others, are still on the account of whose they were, keep the module, and
 * come back when the pipe has been read.
 */
TEST_F(heap_io, pages_in_a_pipe_do_not_go_back)
{
	int buffer = heap_alloc(self->fd, 4 * PAGE), out[2];
	unsigned long number = buffer_number(buffer);
	char read_back[2 * PAGE], row[128];
	size_t len, lens[MAX_REST];
	int rest[MAX_REST];
	unsigned int nr, i;
	unsigned char *map;
	struct iovec iov;

	ASSERT_LE(0, buffer);
	ASSERT_EQ(0, pipe(out));
	map = map_shared(buffer, 4 * PAGE);
	fill(map, 4 * PAGE, 51);
	iov = (struct iovec){ map + PAGE, 2 * PAGE };
	ASSERT_EQ(2 * PAGE, vmsplice(out[1], &iov, 1, 0));
	munmap(map, 4 * PAGE);
	close(buffer);
	EXPECT_EQ(4, held(self->watch));
	snprintf(row, sizeof(row), "%s", owner_row(number));
	EXPECT_NE(NULL, strstr(row, " closed "))
		TH_LOG("row: %s", row);
	/* All that there is else, with something else in it. */
	nr = take_rest(self->fd, rest, lens);
	for (i = 0; i < nr; i++) {
		map = map_shared(rest[i], lens[i]);
		memset(map, 0xee, lens[i]);
		munmap(map, lens[i]);
	}
	usleep(100000);
	close(self->fd);
	EXPECT_EQ(self->before.pages, held(self->watch));
	EXPECT_EQ(-EWOULDBLOCK, client_unload("respool_heap"));
	ASSERT_EQ(2 * PAGE, read(out[0], read_back, 2 * PAGE));
	for (len = 0; len < 2 * PAGE; len += 8)
		ASSERT_EQ(word_of(51, (PAGE + len) / 8), *(uint64_t *)(read_back + len));
	EXPECT_EQ(self->before.pages - 4, held_in_the_end(self->watch, self->before.pages - 4));
	EXPECT_STREQ("", owner_row(number));
	close(out[0]);
	close(out[1]);
	close_rest(rest, nr);
	self->fd = open(NODE, O_RDWR | O_CLOEXEC);
}

TEST_F(heap_io, another_process_reads_and_writes_a_buffer)
{
	unsigned char *map = new_map(self->fd, HUGE);
	static unsigned char copy[HUGE];
	struct iovec mine = { copy, HUGE }, theirs = { map, HUGE };
	int stop[2];
	pid_t child;
	char byte;

	ASSERT_EQ(0, pipe(stop));
	fill(map, HUGE, 61);
	child = fork();
	if (!child)
		_exit(read(stop[0], &byte, 1) != 1 || first_change(map, HUGE, 62) != HUGE);
	EXPECT_EQ(HUGE, process_vm_readv(child, &mine, 1, &theirs, 1, 0));
	EXPECT_EQ(HUGE, first_change(copy, HUGE, 61));
	fill(copy, HUGE, 62);
	EXPECT_EQ(HUGE, process_vm_writev(child, &mine, 1, &theirs, 1, 0));
	EXPECT_EQ(1, write(stop[1], "", 1));
	EXPECT_EQ(0, ended(child));
	EXPECT_EQ(HUGE, first_change(map, HUGE, 62));
	munmap(map, HUGE);
	close(stop[0]);
	close(stop[1]);
}

#define NR_TOUCHERS	4

static pthread_barrier_t touchers;
static volatile unsigned char *touched;

static void *touch_together(void *rounds)
{
	uintptr_t i;

	for (i = 0; i < (uintptr_t)rounds; i++) {
		pthread_barrier_wait(&touchers);
		touched[i % 512 * PAGE] = 0;
		pthread_barrier_wait(&touchers);
	}
	return NULL;
}

TEST_F(heap_io, threads_may_be_the_first_to_touch_a_buffer_together)
{
	pthread_t thread[NR_TOUCHERS];
	uintptr_t i, rounds = 500;

	ASSERT_EQ(0, pthread_barrier_init(&touchers, NULL, NR_TOUCHERS + 1));
	for (i = 0; i < NR_TOUCHERS; i++)
		ASSERT_EQ(0, pthread_create(&thread[i], NULL, touch_together, (void *)rounds));
	for (i = 0; i < rounds; i++) {
		touched = new_map(self->fd, HUGE);
		pthread_barrier_wait(&touchers);
		pthread_barrier_wait(&touchers);
		EXPECT_EQ(PAGE, first_nonzero((void *)touched, PAGE));
		munmap((void *)touched, HUGE);
	}
	for (i = 0; i < NR_TOUCHERS; i++)
		EXPECT_EQ(0, pthread_join(thread[i], NULL));
	pthread_barrier_destroy(&touchers);
	EXPECT_EQ(0, held(self->watch));
}

static bool ended_it;

#define PIECE	(16 * PAGE)	/* the disk takes longer than the looking up */

/* Write to the disk from what is mapped there just then, if anything is. */
static void *keep_writing(void *map)
{
	int disk = open_disk();
	size_t at = 0;

	for (; !__atomic_load_n(&ended_it, __ATOMIC_RELAXED); at = (at + PIECE) % HUGE)
		if (pwrite(disk, map + at, PIECE, 0) < 0 && errno != EFAULT)
			break;
	close(disk);
	return NULL;
}

/*
 * Direct I/O looks up pages without a lock, and takes references of some that are
 * on their way back to the pool, or have been others' since.
 */
TEST_F(heap_io, pages_go_back_while_others_look_them_up)
{
	unsigned char *map = new_map(self->fd, HUGE);
	unsigned int i, len;
	pthread_t writer;
	int buffer;

	ended_it = false;
	ASSERT_EQ(0, pthread_create(&writer, NULL, keep_writing, map));
	for (i = 0; i < 1000; i++) {
		len = i % 3 ? HUGE : HUGE - PAGE * (i % 64);
		buffer = heap_alloc(self->fd, len);
		ASSERT_LE(0, buffer);
		ASSERT_EQ(map, mmap(map, len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED,
				    buffer, 0));
		close(buffer);
		ASSERT_EQ(0, map[len - PAGE]);
		map[len - PAGE] = 1;
		if (i % 5 == 0)
			usleep(100);
	}
	munmap(map, HUGE);
	__atomic_store_n(&ended_it, true, __ATOMIC_RELAXED);
	EXPECT_EQ(0, pthread_join(writer, NULL));
}

/* Without struct pages there is nothing to refer to, and the kernel says so. */
TEST(without_struct_pages_direct_io_is_refused)
{
	int heap, buffer, disk;
	unsigned char *map;

	USE_HEAP("main:16388K@0x10007000", "");
	disk = open_disk();
	ASSERT_LE(0, disk);
	heap = open(NODE, O_RDWR | O_CLOEXEC);
	buffer = heap_alloc(heap, HUGE);
	ASSERT_LE(0, buffer);
	map = map_shared(buffer, HUGE);
	fill(map, HUGE, 71);
	EXPECT_EQ(-1, pwrite(disk, map, HUGE, 0));
	EXPECT_EQ(EFAULT, errno);
	munmap(map, HUGE);
	close(disk);
	close(buffer);
	close(heap);
	EXPECT_EQ(0, client_unload("respool_heap"));
}

TEST_HARNESS_MAIN
