/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the tests of user buffers share.
 */
#ifndef RESPOOL_BUFFERS_H
#define RESPOOL_BUFFERS_H

#include <linux/dma-buf.h>
#include <linux/dma-heap.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <sys/wait.h>

#include "importer.h"
#include "selftest.h"

#define PAGE		4096ULL
#define MIB		(1024 * 1024ULL)
#define HUGE		(2 * MIB)
#define NODE		"/dev/dma_heap/main"
#define HEAP_DEBUGFS	"/sys/kernel/debug/respool_heap/main/"
#define HEAP_SYSFS	"/sys/class/misc/respool_heap-main/"

/*
 * Unload it, once nobody is using it any more: who gives pages back, late and in another
 * context, lets go of the module only after that.
 */
static inline int heap_unload(void)
{
	int error, i;

	for (i = 0; i < 1000; i++) {
		error = client_unload("respool_heap");
		if (error != -EWOULDBLOCK)
			break;
		usleep(10000);
	}
	return error;
}

/* Have these pools loaded and nodes for them, with these parameters. */
#define USE_HEAP(pools, params) do {						\
	int __error;								\
										\
	USE_POOLS(pools);							\
	__error = client_unload("respool_heap");				\
	ASSERT_TRUE(!__error || __error == -ENOENT);				\
	ASSERT_EQ(0, client_load("respool_heap", params));			\
} while (0)

static inline int heap_ioctl(int heap, struct dma_heap_allocation_data *data)
{
	return ioctl(heap, DMA_HEAP_IOCTL_ALLOC, data) ? -errno : 0;
}

/* A buffer's descriptor, or an errno. */
static inline int heap_alloc(int heap, uint64_t len)
{
	struct dma_heap_allocation_data data = { .len = len, .fd_flags = O_RDWR | O_CLOEXEC };

	return heap_ioctl(heap, &data) ?: (int)data.fd;
}

static inline unsigned char *map_shared(int fd, size_t len)
{
	return mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
}

/* The same this far behind a multiple of 2 MiB. */
static inline unsigned char *map_behind(int fd, size_t len, size_t offset)
{
	char *room = mmap(NULL, len + 2 * HUGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	uintptr_t at = ((uintptr_t)room + HUGE - 1) / HUGE * HUGE + offset;

	munmap(room, len + 2 * HUGE);
	return mmap((void *)at, len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0);
}

/* Where 2 MiB at a time could be mapped, and where only pages can. */
static inline unsigned char *map_huge(int fd, size_t len)
{
	return map_behind(fd, len, 0);
}

static inline unsigned char *map_small(int fd, size_t len)
{
	return map_behind(fd, len, PAGE);
}

static inline bool kernel_is_at_least(unsigned int major, unsigned int minor)
{
	unsigned int have_major, have_minor;
	struct utsname name;

	if (uname(&name) || sscanf(name.release, "%u.%u", &have_major, &have_minor) != 2)
		abort();
	return have_major > major || (have_major == major && have_minor >= minor);
}

/* The number by which a buffer is known. */
static inline unsigned long buffer_number(int fd)
{
	struct stat stat = {};

	fstat(fd, &stat);
	return stat.st_ino;
}

static inline int buffer_sync(int fd, unsigned int flags)
{
	struct dma_buf_sync sync = { .flags = flags };

	return ioctl(fd, DMA_BUF_IOCTL_SYNC, &sync) ? -errno : 0;
}

/* Word @i of a buffer that was filled with this seed. */
static inline uint64_t word_of(uint64_t seed, uint64_t i)
{
	return (i + 1) * 0x9e3779b97f4a7c15ULL ^ seed;
}

static inline void fill(void *map, size_t len, uint64_t seed)
{
	uint64_t *word = map;
	size_t i;

	for (i = 0; i < len / sizeof(*word); i++)
		word[i] = word_of(seed, i);
}

/* The first byte that is not as filled, @len if all are. */
static inline size_t first_change(const void *map, size_t len, uint64_t seed)
{
	const uint64_t *word = map;
	size_t i;

	for (i = 0; i < len / sizeof(*word); i++)
		if (word[i] != word_of(seed, i))
			return i * sizeof(*word);
	return len;
}

/* The first byte that is not zero, @len if all are. */
static inline size_t first_nonzero(const void *map, size_t len)
{
	const unsigned char *c = map;
	size_t i;

	for (i = 0; i < len; i++)
		if (c[i])
			return i;
	return len;
}

#define MAX_REST	128

/* All that is left, in as few buffers as that takes: descriptors and lengths. */
static inline unsigned int take_rest(int heap, int fds[MAX_REST], size_t lens[MAX_REST])
{
	size_t len = 64 * MIB;
	unsigned int n = 0;

	while (n < MAX_REST && len >= PAGE) {
		fds[n] = heap_alloc(heap, len);
		if (fds[n] < 0)
			len /= 2;
		else
			lens[n++] = len;
	}
	return n;
}

static inline void close_rest(const int fds[MAX_REST], unsigned int n)
{
	while (n--)
		close(fds[n]);
}

/* The pages held become this many within some seconds; what they are then. */
static inline uint64_t held_in_the_end(int watch, uint64_t expected)
{
	int i;

	for (i = 0; i < 1000 && pool_stats(watch).allocated_pages != expected; i++)
		usleep(10000);
	return pool_stats(watch).allocated_pages;
}

/* The row of a buffer in "owners", without its number; "" if there is none. */
static inline const char *owner_row(unsigned long number)
{
	static char text[1 << 16];
	char start[32];
	char *line;

	if (client_read_file(HEAP_DEBUGFS "owners", text, sizeof(text)) < 0)
		return "no file";
	snprintf(start, sizeof(start), "%lu ", number);
	for (line = strtok(text, "\n"); line; line = strtok(NULL, "\n"))
		if (!strncmp(line, start, strlen(start)))
			return line + strlen(start);
	return "";
}

static inline int write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return -errno;
	n = write(fd, text, strlen(text)) < 0 ? -errno : 0;
	close(fd);
	return n;
}

static inline int heap_revoke(unsigned long number)
{
	char text[32];

	snprintf(text, sizeof(text), "%lu\n", number);
	return write_file(HEAP_SYSFS "revoke", text);
}

/* What a child process returned, or minus the signal that ended it. */
static inline int ended(pid_t child)
{
	int status;

	if (waitpid(child, &status, 0) != child)
		return 999;
	return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

static inline int send_fd(int sock, int fd)
{
	char control[CMSG_SPACE(sizeof(int))] = {}, byte = 0;
	struct iovec iov = { &byte, 1 };
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = control, .msg_controllen = sizeof(control),
	};
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(&msg);

	cmsg->cmsg_level = SOL_SOCKET;
	cmsg->cmsg_type = SCM_RIGHTS;
	cmsg->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(cmsg), &fd, sizeof(fd));
	return sendmsg(sock, &msg, 0) == 1 ? 0 : -errno;
}

static inline int receive_fd(int sock)
{
	char control[CMSG_SPACE(sizeof(int))] = {}, byte;
	struct iovec iov = { &byte, 1 };
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = control, .msg_controllen = sizeof(control),
	};
	int fd;

	if (recvmsg(sock, &msg, 0) != 1 || !CMSG_FIRSTHDR(&msg))
		return -EIO;
	memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&msg)), sizeof(fd));
	return fd;
}

/* An importer attached to a buffer, or an errno. */
static inline int import(int fd, enum importer_kind kind)
{
	struct importer_attach arg = { .fd = fd, .kind = kind };
	int importer = open(IMPORTER_DEVICE, O_RDWR | O_CLOEXEC);
	int error = importer < 0 ? -errno : client_ioctl(importer, IMPORTER_ATTACH, &arg);

	if (!error)
		return importer;
	close(importer);
	return error;
}

/* Physical address of a mapped page; 0 if it is not there. */
static inline uint64_t physical(const void *addr)
{
	int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	uint64_t entry = 0;

	if (pread(fd, &entry, sizeof(entry), (unsigned long)addr / PAGE * sizeof(entry)) !=
	    sizeof(entry))
		entry = 0;
	close(fd);
	return entry >> 63 ? (entry & ((1ULL << 55) - 1)) * PAGE : 0;
}

#endif /* RESPOOL_BUFFERS_H */
