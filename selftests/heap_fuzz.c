// SPDX-License-Identifier: GPL-2.0
/*
 * Calls on user buffers that are right but for a few bits, from several processes
 * at one time: they allocate, map, unmap in part, copy on fork, sync, close, pass
 * on, import, revoke, poll, change quotas and the wait, and leave without a word.
 *
 * The first word of each page of a buffer is zero or the buffer's number, whoever
 * wrote it: anything else has come from another buffer, or from before. In the end
 * the pool is whole.
 *
 * CALLS=N of the environment, or 6,000, SEED=S as in other tests.
 */
#define _GNU_SOURCE
#include <limits.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/uio.h>

#include "buffers.h"

#define PROCESSES	4
#define NR_SLOTS	16	/* of each kind, in each process */
#define MAX_PAGES	1300	/* of a buffer that is meant to succeed, mostly far less */
#define LIFE_CALLS	1000	/* of a process */

/* What all processes count. */
struct counts {
	atomic_ulong calls;
	atomic_ulong served;
	atomic_ulong foreign;		/* words that should not have been where they were */
	atomic_ulong bus_errors;
	atomic_ulong by_errno[256];
};

struct mapping {
	unsigned char *addr;
	size_t len;
	int prot;
	uint64_t number;
};

struct fuzzer {
	int heap;
	int sock;
	int pipe[2];
	uint64_t random;
	struct counts *counts;
	int buffer[NR_SLOTS];		/* or -1 */
	int importer[NR_SLOTS];		/* or -1 */
	struct mapping map[NR_SLOTS];	/* not there if their length is 0 */
};

static unsigned int below(struct fuzzer *f, unsigned int bound)
{
	return random_below(&f->random, bound);
}

static bool once_in(struct fuzzer *f, unsigned int bound)
{
	return !below(f, bound);
}

/* A number as a client would choose it, now and then one as nobody would. */
static uint64_t number(struct fuzzer *f, unsigned int bound)
{
	static const uint64_t odd[] = {
		0, 1, 2, 4095, 4096, 4097, HUGE - 1, HUGE, HUGE + 1, 1ULL << 31, 1ULL << 32,
		1ULL << 63, ~0ULL, ~0ULL - 4094, ~0ULL - 4095, 1ULL << 44,
	};

	return once_in(f, 16) ? odd[below(f, ARRAY_SIZE(odd))] : below(f, bound);
}

static void count(struct fuzzer *f, int error)
{
	atomic_fetch_add(&f->counts->calls, 1);
	atomic_fetch_add(error ? &f->counts->by_errno[error & 255] : &f->counts->served, 1);
}

/* The same of a call that returns -1 if it fails. */
static bool done(struct fuzzer *f, long result)
{
	count(f, result == -1 ? errno : 0);
	return result != -1;
}

static int *some(struct fuzzer *f, int slots[NR_SLOTS])
{
	return &slots[below(f, NR_SLOTS)];
}

static void drop(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

/* Buffers */

static void allocate(struct fuzzer *f)
{
	struct dma_heap_allocation_data data = {
		.len = number(f, below(f, 4) ? 17 * PAGE : MAX_PAGES * PAGE),
		.fd_flags = once_in(f, 8) ? number(f, 4) : O_RDWR | O_CLOEXEC,
		.heap_flags = once_in(f, 32) ? number(f, 4) : 0,
		.fd = once_in(f, 64) ? number(f, 4) : 0,
	};
	/* What comes back behind the argument of another size. */
	union {
		struct dma_heap_allocation_data data;
		unsigned char room[256];
	} arg = { .data = data };
	unsigned long cmd = DMA_HEAP_IOCTL_ALLOC;
	int *slot = some(f, f->buffer);

	if (once_in(f, 16))
		cmd = _IOC(below(f, 4), DMA_HEAP_IOC_MAGIC, below(f, 2), below(f, sizeof(arg)));
	if (!done(f, ioctl(f->heap, cmd, once_in(f, 64) ? NULL : &arg)))
		return;
	drop(slot);
	/* Who is not told of a descriptor has it all the same; it goes with the process. */
	if (cmd & IOC_OUT && _IOC_SIZE(cmd) >= offsetof(typeof(data), fd) + sizeof(data.fd))
		*slot = arg.data.fd;
}

static void duplicate(struct fuzzer *f)
{
	int *to = some(f, f->buffer), fd = dup(*some(f, f->buffer));

	if (!done(f, fd))
		return;
	drop(to);
	*to = fd;
}

static void pass_on(struct fuzzer *f)
{
	int *slot = some(f, f->buffer), fd;

	if (*slot >= 0 && below(f, 2)) {
		count(f, -send_fd(f->sock, *slot));
		return;
	}
	fd = receive_fd(f->sock);
	if (fd < 0)
		return;
	count(f, 0);
	drop(slot);
	*slot = fd;
}

static void ask_buffer(struct fuzzer *f)
{
	int fd = *some(f, f->buffer);
	struct pollfd pollfd = { .fd = fd, .events = POLLIN | POLLOUT };
	char name[40] = "fuzz";

	switch (below(f, 5)) {
	case 0:
		count(f, -buffer_sync(fd, number(f, 8)));
		break;
	case 1:
		done(f, lseek(fd, number(f, MAX_PAGES * PAGE), below(f, 3)));
		break;
	case 2:
		memset(name + 4, once_in(f, 2) ? 'x' : 0, 35 - below(f, 8));
		done(f, ioctl(fd, DMA_BUF_SET_NAME, name));
		break;
	case 3:
		done(f, poll(&pollfd, 1, 0));
		break;
	case 4:
		done(f, ioctl(fd, _IOC(below(f, 4), DMA_BUF_BASE, below(f, 5), below(f, 40)),
			      name));
		break;
	}
}

/* Mappings */

static void map(struct fuzzer *f)
{
	static const int prots[] = { PROT_READ, PROT_WRITE, PROT_READ | PROT_WRITE, PROT_NONE };
	struct mapping *m = &f->map[below(f, NR_SLOTS)];
	int fd = *some(f, f->buffer), flags = once_in(f, 16) ? MAP_PRIVATE : MAP_SHARED;
	long bytes = lseek(fd, 0, SEEK_END);
	struct mapping new = {
		.len = once_in(f, 16) ? number(f, HUGE) : bytes,
		.prot = prots[below(f, 8) ? 2 : below(f, 4)],
		.number = buffer_number(fd),
	};
	uint64_t offset = 0;

	if (once_in(f, 4)) {
		offset = number(f, MAX_PAGES) * PAGE;
		new.len -= offset < new.len ? offset : 0;
	}
	if (once_in(f, 16))
		flags |= MAP_POPULATE;
	if (m->len)
		munmap(m->addr, m->len);
	m->len = 0;
	if (new.prot == (PROT_READ | PROT_WRITE) && !offset && bytes > 0 && once_in(f, 2))
		new.addr = map_huge(fd, new.len);
	else
		new.addr = mmap(NULL, new.len, new.prot, flags, fd, offset);
	/* Whole pages are mapped, and all of the last. */
	new.len = (new.len + PAGE - 1) & ~(PAGE - 1);
	if (done(f, (long)new.addr))
		*m = new;
}

static sigjmp_buf bus_error;

static void on_bus_error(int sig)
{
	siglongjmp(bus_error, 1);
}

/* Look at a page and sign it. */
static void touch(struct fuzzer *f, const struct mapping *m)
{
	volatile uint64_t *word = (void *)(m->addr + below(f, m->len / PAGE) * PAGE);
	uint64_t seen;

	if (sigsetjmp(bus_error, 1)) {
		atomic_fetch_add(&f->counts->bus_errors, 1);
		return;
	}
	if (m->prot & PROT_READ) {
		seen = *word;
		if (seen && seen != m->number)
			atomic_fetch_add(&f->counts->foreign, 1);
	}
	if (m->prot & PROT_WRITE)
		*word = m->number;
	count(f, 0);
}

/* A pipe refers to the pages for a while. */
static void splice_pages(struct fuzzer *f, const struct mapping *m)
{
	struct iovec iov = { m->addr, m->len > 4 * PAGE ? 4 * PAGE : m->len };
	char bytes[4096];

	if (below(f, 2))
		done(f, vmsplice(f->pipe[1], &iov, 1, SPLICE_F_NONBLOCK));
	else
		done(f, read(f->pipe[0], bytes, sizeof(bytes)));
}

/* A child has the mappings, too, and may outlive them here. */
static void copy_process(struct fuzzer *f, const struct mapping *m)
{
	pid_t child = fork();

	if (!child) {
		touch(f, m);
		_exit(0);
	}
	touch(f, m);
	if (done(f, child))
		waitpid(child, NULL, 0);
}

static void change_mapping(struct fuzzer *f)
{
	struct mapping *m = &f->map[below(f, NR_SLOTS)];
	size_t len;
	void *addr;

	if (!m->len)
		return;
	len = (1 + below(f, m->len / PAGE)) * PAGE;
	switch (below(f, 10)) {
	case 0:
		if (done(f, munmap(m->addr + m->len - len, len)))
			m->len -= len;
		break;
	case 1:
		if (done(f, munmap(m->addr, len))) {
			m->addr += len;
			m->len -= len;
		}
		break;
	case 2:
		done(f, madvise(m->addr, len, below(f, 2) ? MADV_DONTNEED : below(f, 26)));
		break;
	case 3:
		if (done(f, mprotect(m->addr, m->len, PROT_READ)))
			m->prot = PROT_READ;
		break;
	case 4:
		if (done(f, mprotect(m->addr, m->len, PROT_READ | PROT_WRITE)))
			m->prot = PROT_READ | PROT_WRITE;
		break;
	case 5:
		addr = mremap(m->addr, m->len, once_in(f, 4) ? m->len + PAGE : len, MREMAP_MAYMOVE);
		if (done(f, (long)addr)) {
			m->addr = addr;
			m->len = len;
		}
		break;
	case 6:
		splice_pages(f, m);
		break;
	case 7:
		if (once_in(f, 8))
			copy_process(f, m);
		break;
	default:
		touch(f, m);
	}
}

/* Importers */

static void use_importer(struct fuzzer *f)
{
	static const unsigned long cmds[] = {
		IMPORTER_ATTACH, IMPORTER_DETACH, IMPORTER_MAP, IMPORTER_UNMAP, IMPORTER_VMAP,
		IMPORTER_VUNMAP, IMPORTER_ACCESS, IMPORTER_MAP, IMPORTER_VMAP,
	};
	int *slot = some(f, f->importer);
	struct importer_access access = { .offset = number(f, 16) * 8 };

	if (*slot < 0) {
		*slot = import(*some(f, f->buffer), below(f, 2));
		count(f, *slot < 0 ? -*slot : 0);
	} else if (once_in(f, 4)) {
		drop(slot);
	} else {
		struct importer_attach attach = { *some(f, f->buffer), below(f, 2) };
		unsigned long cmd = cmds[below(f, ARRAY_SIZE(cmds))];
		struct importer_map map;
		void *arg = cmd == IMPORTER_ATTACH ? (void *)&attach :
			    cmd == IMPORTER_MAP ? (void *)&map : (void *)&access;

		/* The first word is the buffer's number or zero; only zero is never wrong. */
		count(f, -client_ioctl(*slot, cmd, arg));
	}
}

/* What root does to all */

static void set_limit(struct fuzzer *f, const char *name, uint64_t value)
{
	char path[128], text[32];

	snprintf(path, sizeof(path), HEAP_SYSFS "%s", name);
	snprintf(text, sizeof(text), "%llu", (unsigned long long)value);
	count(f, -write_file(path, text));
}

static void rule(struct fuzzer *f)
{
	char text[4096];

	switch (below(f, 8)) {
	case 0:
		set_limit(f, "user_quota", below(f, 4) ? 0 : number(f, 8 * MIB));
		break;
	case 1:
		set_limit(f, "file_quota", below(f, 4) ? 0 : number(f, 4 * MIB));
		break;
	case 2:
		set_limit(f, "wait_ms", below(f, 3));
		break;
	case 3:
		client_read_file(HEAP_DEBUGFS "owners", text, sizeof(text));
		break;
	default:
		count(f, -heap_revoke(once_in(f, 8) ? number(f, 100) :
				      buffer_number(*some(f, f->buffer))));
	}
}

static void open_node(struct fuzzer *f)
{
	int heap = open(NODE, O_RDWR | O_CLOEXEC | (below(f, 2) ? O_NONBLOCK : 0));

	if (!done(f, heap))
		return;
	drop(&f->heap);
	f->heap = heap;
}

static void call(struct fuzzer *f)
{
	struct pollfd pollfd = { .fd = f->heap, .events = POLLIN };

	switch (below(f, 32)) {
	case 0 ... 7:
		allocate(f);
		break;
	case 8 ... 12:
		map(f);
		break;
	case 13 ... 20:
		change_mapping(f);
		break;
	case 21 ... 23:
		use_importer(f);
		break;
	case 24:
		ask_buffer(f);
		break;
	case 25:
		duplicate(f);
		break;
	case 26 ... 27:
		pass_on(f);
		break;
	case 28:
		drop(some(f, f->buffer));
		break;
	case 29:
		rule(f);
		break;
	case 30:
		done(f, poll(&pollfd, 1, below(f, 2)));
		break;
	case 31:
		if (once_in(f, 8))
			open_node(f);
	}
}

/* A process's life; it leaves whatever there is to whoever cleans up after it. */
static int live(struct counts *counts, uint64_t seed, int sock)
{
	struct fuzzer f = { .heap = -1, .sock = sock, .random = seed, .counts = counts };
	struct sigaction action = { .sa_handler = on_bus_error };
	unsigned int i;

	memset(f.buffer, -1, sizeof(f.buffer));
	memset(f.importer, -1, sizeof(f.importer));
	sigaction(SIGBUS, &action, NULL);
	if (pipe2(f.pipe, O_NONBLOCK | O_CLOEXEC))
		return 1;
	open_node(&f);
	if (f.heap < 0)
		return 2;
	for (i = 0; i < LIFE_CALLS; i++)
		call(&f);
	return 0;
}

static int fuzz(struct counts *counts, unsigned long calls, uint64_t seed, int sock)
{
	int status = 0;
	pid_t child;

	for (; !status && atomic_load(&counts->calls) < calls; next_random(&seed)) {
		child = fork();
		if (!child)
			_exit(live(counts, seed, sock));
		status = ended(child);
	}
	return status;
}

FIXTURE(heap_fuzz)
{
	struct respool_test_pool_stats before;
	int watch;
};

FIXTURE_VARIANT(heap_fuzz)
{
	const char *pools;
};

FIXTURE_VARIANT_ADD(heap_fuzz, system_memory)
{
	.pools = "main:16M",
};

FIXTURE_VARIANT_ADD(heap_fuzz, reserved_region)
{
	.pools = "main:16M@0x10000000",
};

FIXTURE_VARIANT_ADD(heap_fuzz, reserved_region_not_aligned)
{
	.pools = "main:16388K@0x10007000",
};

FIXTURE_SETUP(heap_fuzz)
{
	int error;

	USE_HEAP(variant->pools, "");
	error = client_load("respool_importer", "");
	ASSERT_TRUE(!error || error == -EEXIST);
	self->watch = client_open("main", 1);
	ASSERT_LE(0, self->watch);
	self->before = settled_stats(self->watch);
}

FIXTURE_TEARDOWN(heap_fuzz)
{
	EXPECT_EQ(0, held_in_the_end(self->watch, 0));
	EXPECT_EMPTY_AGAIN(self->watch, &self->before);
	close(self->watch);
	EXPECT_EQ(0, heap_unload());
	EXPECT_EQ(0, client_unload("respool_importer"));
}

/* For as long as whoever says how many calls it is allows. */
TEST_F_TIMEOUT(heap_fuzz, calls_that_are_nearly_right_mix_no_buffers_and_lose_none, INT_MAX)
{
	const char *given = getenv("CALLS");
	unsigned long calls = given ? strtoul(given, NULL, 0) : 6000;
	struct counts *counts = mmap(NULL, sizeof(*counts), PROT_READ | PROT_WRITE,
				     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	uint64_t seed = TEST_SEED();
	pid_t child[PROCESSES];
	unsigned int i;
	int sockets[2];

	ASSERT_NE(MAP_FAILED, (void *)counts);
	/* What is sent at one end is received at the other, by whoever is first. */
	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, sockets));
	for (i = 0; i < PROCESSES; i++) {
		child[i] = fork();
		if (!child[i])
			_exit(fuzz(counts, calls, seed + i, sockets[i % 2]));
	}
	for (i = 0; i < PROCESSES; i++)
		EXPECT_EQ(0, ended(child[i]));
	close(sockets[0]);
	close(sockets[1]);
	TH_LOG("%lu calls, %lu of them served, %lu bus errors", atomic_load(&counts->calls),
	       atomic_load(&counts->served), atomic_load(&counts->bus_errors));
	for (i = 0; i < 256; i++)
		if (atomic_load(&counts->by_errno[i]))
			TH_LOG("%lu: %s", atomic_load(&counts->by_errno[i]), strerror(i));
	EXPECT_EQ(0, atomic_load(&counts->foreign));
	EXPECT_LE(calls, atomic_load(&counts->calls));
	/* Fuzzing that reaches nothing, or that nothing is refused in, is none. */
	EXPECT_LT(calls / 4, atomic_load(&counts->served));
	EXPECT_LT(calls / 16, atomic_load(&counts->calls) - atomic_load(&counts->served));
	EXPECT_LT(0, atomic_load(&counts->bus_errors));
	EXPECT_LT(0, atomic_load(&counts->by_errno[EDQUOT]));
	munmap(counts, sizeof(*counts));
}

TEST_HARNESS_MAIN
