// SPDX-License-Identifier: GPL-2.0
/*
 * Calls of the test driver's whole ABI that are right but for a few bits, from
 * several processes at one time: each has files of its own on one pool, with
 * slabs and caches. Whatever the driver and the allocator are asked for, the
 * pool is whole in the end.
 *
 * Left out is what cannot be refused and so harms others: see MISUSE, FREE_RACE,
 * POKE, LEAK, DAMAGE and FREE_CLEARED in respool_test.h; and RETIRE, as no page
 * comes back from that.
 *
 * CALLS=N of the environment, or 200,000, SEED=S as in other tests.
 */
#include <limits.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/wait.h>

#include "selftest.h"

#define PROCESSES	4
#define NR_HANDLES	64
#define MAX_BATCH	8
#define MAX_WAIT_MS	2
#define FILE_CALLS	2000	/* on one file, before it is closed */
#define ROOM		2048	/* bytes of the largest argument, and junk behind it */

/* What all processes count. */
struct counts {
	atomic_ulong calls;
	atomic_ulong served;
	atomic_ulong by_errno[256];
};

struct fuzzer {
	int fd;
	uint64_t random;
	struct counts *counts;
	/* The driver copies in and out as much as the number of the call says. */
	union {
		__u8 bytes[ROOM];
		struct respool_test_info info;
		struct respool_test_open open;
		struct respool_test_slab slab;
		struct respool_test_op op;
		struct respool_test_batch batch;
		struct respool_test_slab_stats slab_stats;
		struct respool_test_cache_stats cache_stats;
		struct respool_test_validate validate;
		struct respool_test_many many;
		struct respool_test_churn churn;
		struct respool_test_cache cache;
		struct respool_test_cache_destroy cache_destroy;
	} arg;
	struct respool_test_op ops[MAX_BATCH];
};

static unsigned int below(struct fuzzer *f, unsigned int bound)
{
	return random_below(&f->random, bound);
}

/* A number as a test would choose it, now and then one as nobody would. */
static uint64_t number(struct fuzzer *f, unsigned int bound)
{
	static const uint64_t odd[] = {
		0, 1, 2, 7, 8, 16, 63, 64, 4095, 4096, 4097, 65536, 1ULL << 31, 1ULL << 32,
		1ULL << 63, ~0ULL, ~0ULL - 7, ~0ULL - 4095, 0x10000000, 0x7fffffff,
	};

	if (below(f, 16))
		return below(f, bound);
	return odd[below(f, ARRAY_SIZE(odd))];
}

/*
 * How large a block of pages shall be: now and then as large as @bound. Most are small:
 * what is in large ones takes far longer than the calls.
 */
static uint64_t length(struct fuzzer *f, unsigned int usual, unsigned int bound)
{
	return number(f, below(f, 16) ? usual : bound);
}

/* Where this program has nothing: what is written back must not harm it. */
static uint64_t bad_address(struct fuzzer *f)
{
	static const uint64_t bad[] = { 0, 1, 8, 4088, 1ULL << 46, 1ULL << 63, ~0ULL, ~0ULL - 63 };

	return bad[below(f, ARRAY_SIZE(bad))];
}

static bool harms_others(unsigned int op)
{
	switch (op) {
	case RESPOOL_TEST_FREE_CLEARED:
	case RESPOOL_TEST_FREE_RACE:
	case RESPOOL_TEST_RETIRE:
	case RESPOOL_TEST_POKE:
	case RESPOOL_TEST_LEAK:
	case RESPOOL_TEST_DAMAGE:
		return true;
	default:
		return false;
	}
}

/* Flip bits of up to three of the first @size bytes. */
static void flip(struct fuzzer *f, void *bytes, size_t size)
{
	unsigned int n = below(f, 4);

	while (n--)
		((__u8 *)bytes)[below(f, size)] ^= 1U << below(f, 8);
}

static void make_op(struct fuzzer *f, struct respool_test_op *op)
{
	static const __u16 flags[] = {
		0, 0, 0, RESPOOL_TEST_ZERO, RESPOOL_TEST_CHECK, RESPOOL_TEST_CHECK,
		RESPOOL_TEST_IN_IRQ, RESPOOL_TEST_IRQS_OFF, RESPOOL_TEST_ATOMIC,
		RESPOOL_TEST_TOP_DOWN, RESPOOL_TEST_SCAN, RESPOOL_TEST_UNKNOWN,
	};

	memset(op, 0, sizeof(*op));
	op->op = below(f, 3) ? below(f, RESPOOL_TEST_FREE + 1) : below(f, RESPOOL_TEST_NR_OPS);
	op->flags = flags[below(f, ARRAY_SIZE(flags))];
	op->handle = below(f, NR_HANDLES);
	op->seed = below(f, 256);
	switch (op->op) {
	case RESPOOL_TEST_ALLOC_PAGES:
		op->size = length(f, 4, 12);
		break;
	case RESPOOL_TEST_ALLOC_EXACT:
	case RESPOOL_TEST_SET_WATERMARK:
		op->size = length(f, 10, 600);
		break;
	case RESPOOL_TEST_ALLOC_ALIGNED:
		op->align = below(f, 8) ? 1ULL << below(f, 14) : number(f, 4096);
		/* fall through */
	case RESPOOL_TEST_ALLOC:
		op->slab = number(f, 2);
		/* fall through */
	case RESPOOL_TEST_REALLOC:
		op->size = number(f, below(f, 8) ? 2000 : 100000);
		break;
	case RESPOOL_TEST_ALLOC_WAIT:
		op->size = length(f, 20, 5000);
		op->align = below(f, MAX_WAIT_MS + 1);
		break;
	case RESPOOL_TEST_ALLOC_REQUEST:
	case RESPOOL_TEST_LARGEST:
		op->size = length(f, 10, 300);
		op->align = below(f, 2) ? 1ULL << below(f, 24) : number(f, 4096);
		op->first = below(f, 2) ? 0 : number(f, 1U << 30);
		op->last = below(f, 2) ? ~0ULL : number(f, 1U << 30);
		break;
	case RESPOOL_TEST_RESERVE:
	case RESPOOL_TEST_RELEASE:
		op->size = number(f, 8);
		op->first = number(f, 1U << 30) & ~4095ULL;
		break;
	case RESPOOL_TEST_ALLOC_OBJECT:
	case RESPOOL_TEST_SHRINK:
		op->slab = number(f, 2);
	}
	if (!below(f, 3))
		flip(f, op, offsetof(struct respool_test_op, value));
	if (op->op == RESPOOL_TEST_ALLOC_WAIT)
		op->align %= MAX_WAIT_MS + 1;
	if (harms_others(op->op))
		op->op = RESPOOL_TEST_FREE;
}

static void make_batch(struct fuzzer *f)
{
	unsigned int i;

	for (i = 0; i < MAX_BATCH; i++)
		make_op(f, &f->ops[i]);
	f->arg.batch.ops = below(f, 16) ? (uintptr_t)f->ops : bad_address(f);
	f->arg.batch.nr_ops = below(f, MAX_BATCH + 1);
}

static void make_many(struct fuzzer *f)
{
	struct respool_test_many *many = &f->arg.many;

	many->call = below(f, RESPOOL_TEST_NR_MANY);
	many->handle = below(f, NR_HANDLES);
	many->nr = number(f, 16);
	if (many->call % 2)
		return;
	many->size = number(f, many->call == RESPOOL_TEST_SLAB_ALLOC_BULK ? 3000 : 4);
	many->flags = below(f, 4) ? 0 : number(f, RESPOOL_TEST_FLAGS + 1);
}

/* The pool's name, or next to it; of a slab or cache one that may be taken. */
static void make_name(struct fuzzer *f, char *name, const char *usual)
{
	snprintf(name, RESPOOL_TEST_NAME_LEN, "%s", usual);
	if (below(f, 2))
		snprintf(name, RESPOOL_TEST_NAME_LEN, "f%d.%u", getpid(), below(f, 10));
	if (!below(f, 8))
		memset(name, 'x', RESPOOL_TEST_NAME_LEN);
}

/* A right argument of call @nr; returns what makes up a right call of it. */
static unsigned long make_call(struct fuzzer *f)
{
	memset(f->arg.bytes, 0, sizeof(f->arg.bytes));
	switch (below(f, 24)) {
	case 0:
		make_name(f, f->arg.info.name, "main");
		return RESPOOL_TEST_IOC_INFO;
	case 1:
		make_name(f, f->arg.open.name, "main");
		f->arg.open.nr_handles = NR_HANDLES;
		return RESPOOL_TEST_IOC_OPEN;
	case 2:
		make_name(f, f->arg.slab.name, "fuzz");
		f->arg.slab.fit = number(f, RESPOOL_TEST_NR_FITS);
		f->arg.slab.flags = number(f, RESPOOL_TEST_SLAB_FLAGS + 1);
		return RESPOOL_TEST_IOC_SLAB_CREATE;
	case 3:
		make_name(f, f->arg.cache.name, "fuzz");
		f->arg.cache.size = number(f, 3000);
		f->arg.cache.align = 1ULL << below(f, 14);
		f->arg.cache.flags = number(f, 2);
		return RESPOOL_TEST_IOC_CACHE_CREATE;
	case 4:
		f->arg.cache_destroy.cache = number(f, RESPOOL_TEST_MAX_CACHES);
		return RESPOOL_TEST_IOC_CACHE_DESTROY;
	case 5:
		return RESPOOL_TEST_IOC_POOL_STATS;
	case 6:
		f->arg.slab_stats.slab = number(f, RESPOOL_TEST_MAX_SLABS);
		return RESPOOL_TEST_IOC_SLAB_STATS;
	case 7:
		f->arg.cache_stats.cache = number(f, RESPOOL_TEST_MAX_CACHES);
		return RESPOOL_TEST_IOC_CACHE_STATS;
	case 8:
		/* The pool takes long. */
		f->arg.validate.target = below(f, 64) ? number(f, 4) : RESPOOL_TEST_POOL;
		return RESPOOL_TEST_IOC_VALIDATE;
	case 9:
		return RESPOOL_TEST_IOC_DRAIN;
	case 10:
		/* Takes as long as twenty others. */
		if (below(f, 4))
			return RESPOOL_TEST_IOC_DRAIN;
		f->arg.churn.period_us = number(f, 100);
		f->arg.churn.max_order = number(f, 11);
		f->arg.churn.max_bytes = number(f, 4096) & ~7U;
		f->arg.churn.flags = number(f, RESPOOL_TEST_CHURN_FLAGS + 1);
		return RESPOOL_TEST_IOC_CHURN;
	case 11 ... 13:
		make_batch(f);
		return RESPOOL_TEST_IOC_BATCH;
	case 14 ... 15:
		make_many(f);
		return RESPOOL_TEST_IOC_MANY;
	default:
		make_op(f, &f->arg.op);
		return RESPOOL_TEST_IOC_OP;
	}
}

/* Spoil the size of the argument, what is behind it, or its number. */
static unsigned long spoil_command(struct fuzzer *f, unsigned long cmd)
{
	unsigned int size = _IOC_SIZE(cmd);

	switch (below(f, 8)) {
	case 0:
		size = below(f, ROOM);
		break;
	case 1:
		size += 8 * below(f, 8);
		f->arg.bytes[below(f, ROOM)] ^= 1;
		break;
	case 2:
		return _IOC(below(f, 4), below(f, 8) ? RESPOOL_TEST_IOC_MAGIC : below(f, 256),
			    below(f, 32), below(f, ROOM));
	}
	return _IOC(_IOC_DIR(cmd), _IOC_TYPE(cmd), _IOC_NR(cmd), size);
}

/* Whatever was spoilt: no call takes long, nor harms what is another's. */
static bool is_safe(struct fuzzer *f, unsigned long cmd)
{
	switch (_IOC_NR(cmd)) {
	case _IOC_NR(RESPOOL_TEST_IOC_OP):
		return !harms_others(f->arg.op.op) &&
		       (f->arg.op.op != RESPOOL_TEST_ALLOC_WAIT || f->arg.op.align <= MAX_WAIT_MS);
	case _IOC_NR(RESPOOL_TEST_IOC_BATCH):
		if (f->arg.batch.ops != (uintptr_t)f->ops)
			f->arg.batch.ops = bad_address(f);
		return f->arg.batch.nr_ops <= MAX_BATCH;
	case _IOC_NR(RESPOOL_TEST_IOC_MISUSE):
		return false;
	case _IOC_NR(RESPOOL_TEST_IOC_CHURN):
		return f->arg.churn.ms <= MAX_WAIT_MS;
	}
	return true;
}

static void call(struct fuzzer *f)
{
	unsigned long cmd = make_call(f);
	void *arg = below(f, 64) ? f->arg.bytes : (void *)(uintptr_t)bad_address(f);
	int error;

	if (!below(f, 4)) {
		flip(f, f->arg.bytes, _IOC_SIZE(cmd));
		cmd = spoil_command(f, cmd);
	}
	if (!is_safe(f, cmd))
		return;
	error = -client_ioctl(f->fd, cmd, arg);
	atomic_fetch_add(&f->counts->calls, 1);
	atomic_fetch_add(error ? &f->counts->by_errno[error & 255] : &f->counts->served, 1);
}

/* Most files are used as they should be to begin with. */
static void open_file(struct fuzzer *f)
{
	char name[RESPOOL_TEST_NAME_LEN];

	if (!below(f, 16)) {
		f->fd = open(RESPOOL_TEST_DEVICE, O_RDWR | O_CLOEXEC);
		return;
	}
	f->fd = client_open("main", NR_HANDLES);
	snprintf(name, sizeof(name), "fuzz-%d", getpid());
	client_slab_with(f->fd, name, below(f, RESPOOL_TEST_NR_FITS),
			 below(f, RESPOOL_TEST_SLAB_FLAGS + 1));
	client_cache(f->fd, name, 8 + below(f, 500), 8, below(f, 2));
}

static void wake_up(int signal)
{
}

/* A churn goes on until it has got a block, be there one or not, or a signal comes. */
static void let_nothing_wait(void)
{
	const struct sigaction action = { .sa_handler = wake_up };
	const struct itimerval often = { { .tv_usec = 50000 }, { .tv_usec = 50000 } };

	sigaction(SIGALRM, &action, NULL);
	setitimer(ITIMER_REAL, &often, NULL);
}

static int fuzz(struct counts *counts, unsigned long calls, uint64_t seed)
{
	struct fuzzer f = { .random = seed, .counts = counts };
	unsigned int n;

	let_nothing_wait();
	while (atomic_load(&counts->calls) < calls) {
		open_file(&f);
		if (f.fd < 0)
			return 1;
		for (n = 0; n < FILE_CALLS; n++)
			call(&f);
		close(f.fd);
	}
	return 0;
}

/* Waits until all are done, and says once a minute how far they are. */
static bool wait_for_all(struct __test_metadata *_metadata, const struct counts *counts,
			 unsigned int processes)
{
	unsigned int seconds = 0;
	bool fine = true;
	int status;
	pid_t pid;

	while (processes) {
		pid = waitpid(-1, &status, WNOHANG);
		if (pid < 0)
			return false;
		if (pid) {
			fine &= !status;
			processes--;
			continue;
		}
		sleep(1);
		if (++seconds % 60 == 0)
			TH_LOG("%lu calls", atomic_load(&counts->calls));
	}
	return fine;
}

/* What calls said of the pool as a whole outlasts their files. */
static void take_back(int fd, struct respool_test_pool_stats *stats, uint64_t base)
{
	uint64_t page;

	run(fd, OP(SET_WATERMARK), NULL);
	for (page = 0; page < stats->pages; page++)
		run(fd, OP(RELEASE, .size = 1, .first = base + page * 4096), NULL);
}

FIXTURE(fuzz)
{
	struct respool_test_pool_stats before;
	__u64 base;
	int fd;
};

FIXTURE_SETUP(fuzz)
{
	USE_POOLS(CLIENT_DEFAULT_POOLS);
	self->fd = client_open("main", 1);
	ASSERT_LE(0, self->fd);
	self->before = settled_stats(self->fd);
	/* The lowest page. */
	ASSERT_EQ(0, run(self->fd, OP(ALLOC_REQUEST, .size = 1, .last = ~0ULL), &self->base));
	ASSERT_EQ(0, run(self->fd, OP(FREE), NULL));
}

FIXTURE_TEARDOWN(fuzz)
{
	take_back(self->fd, &self->before, self->base);
	EXPECT_EMPTY_AGAIN(self->fd, &self->before);
	close(self->fd);
}

/* For as long as whoever says how many calls it is allows. */
TEST_F_TIMEOUT(fuzz, calls_that_are_nearly_right_leave_the_pool_whole, INT_MAX)
{
	const char *given = getenv("CALLS");
	unsigned long calls = given ? strtoul(given, NULL, 0) : 200000;
	struct counts *counts = mmap(NULL, sizeof(*counts), PROT_READ | PROT_WRITE,
				     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	uint64_t seed = TEST_SEED();
	unsigned int i;

	ASSERT_NE(MAP_FAILED, counts);
	for (i = 0; i < PROCESSES; i++)
		if (!fork())
			_exit(fuzz(counts, calls, seed + i));
	EXPECT_TRUE(wait_for_all(_metadata, counts, PROCESSES));
	TH_LOG("%lu calls, %lu of them served", atomic_load(&counts->calls),
	       atomic_load(&counts->served));
	for (i = 0; i < 256; i++)
		if (atomic_load(&counts->by_errno[i]))
			TH_LOG("%lu: %s", atomic_load(&counts->by_errno[i]), strerror(i));
	EXPECT_LE(calls, atomic_load(&counts->calls));
	/* Fuzzing that reaches nothing, or that nothing is refused in, is none. */
	EXPECT_LT(calls / 8, atomic_load(&counts->served));
	EXPECT_LT(calls / 8, atomic_load(&counts->calls) - atomic_load(&counts->served));
	munmap(counts, sizeof(*counts));
}

TEST_HARNESS_MAIN
