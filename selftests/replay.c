// SPDX-License-Identifier: GPL-2.0
/*
 * replay: run recorded workloads through respool by way of the test driver.
 *
 * A trace of bytes goes through a slab made for it, a trace of pages through
 * the page layer. Times are of the calls into respool alone, as the driver
 * measures them; they include reading the clock once.
 */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "client.h"
#include "trace.h"

#define BATCH		512	/* operations in one call of the driver */
#define KIB		1024

static const char usage[] =
	"usage: replay [OPTION]... FILE...\n"
	"Replay traces through /dev/respool_test; print a JSON object for each.\n"
	"  --slab            the traces are of bytes\n"
	"  --pages           the traces are of pages (default: 'pages' in the file name)\n"
	"  --check           fill every block, verify it before it is freed or moved\n"
	"  --policy NAME[,NAME]...\n"
	"                    replay a trace of bytes with each of these fits of the slab: good,\n"
	"                    the default, first, next or best; --fit is the same\n"
	"  --irqs-off        make each call with interrupts off, so that none is timed\n"
	"  --pool NAME       pool to use, default main\n"
	"  --repeat N        replay each trace N times\n"
	"  --progress        a line each second to standard error\n"
	"  --at-peak COMMAND run a shell command while most is live, once a trace\n"
	"  --every N         and after each N operations, from none on, with how many\n"
	"                    those were in $OPERATION (at the peak it is \"peak\")\n"
	"  --no-magazines    the slab has no magazines: each free is a merge\n"
	"  --twice           load the modules with a pool of twice the trace's peak\n"
	"  --smallest        as --twice, and find the smallest pool that serves it, too\n"
	"Exit status: 0; 1 if an operation failed or the state is broken; 2 for a bad\n"
	"trace or no driver.\n";

enum kind { KIND_BY_NAME, KIND_SLAB, KIND_PAGES };

struct options {
	enum kind kind;
	const char *pool;
	const char *at_peak;
	__u32 fit;
	__u32 slab_flags;
	__u32 fits[RESPOOL_TEST_NR_FITS];	/* to be compared; @fit is the one at work */
	unsigned int nr_fits;
	unsigned long repeat;
	unsigned long every;		/* operations; 0 for at the peak only */
	bool check;
	bool irqs_off;
	bool progress;
	bool twice;
	bool smallest;
};

/* One replay of one trace, and what came of it. */
struct replay {
	const struct options *options;
	const struct trace *trace;
	const char *name;
	int fd;
	int slab;
	__u32 page_size;
	__u64 pages_before;		/* held by others in the pool */
	uint64_t *held;			/* payload of each id, plus 1 while it is allocated */
	uint32_t next;			/* operation to be replayed next */
	time_t told;			/* when progress was reported last */
	bool stop_on_failure;

	uint64_t live;
	uint64_t peak;
	uint64_t peak_pages;
	uint64_t ops;
	uint64_t failed;
	uint64_t total_ns;
	uint64_t max_ns;
	bool broken;			/* the state is, or a command failed */
};

static int complain(const char *what, int error)
{
	fprintf(stderr, "replay: %s: %s\n", what, strerror(-error));
	return 2;
}

static uint64_t bytes_of(const struct replay *replay, uint64_t payload)
{
	return replay->trace->pages ? payload * replay->page_size : payload;
}

/* Pages that this replay's payload occupies now; the most so far in peak_pages. */
static uint64_t read_footprint(struct replay *replay)
{
	struct respool_test_pool_stats pool = {};
	struct respool_test_slab_stats slab = { .slab = replay->slab };
	uint64_t now, most;

	if (replay->trace->pages) {
		client_ioctl(replay->fd, RESPOOL_TEST_IOC_POOL_STATS, &pool);
		now = pool.allocated_pages - replay->pages_before;
		most = now;
	} else {
		client_ioctl(replay->fd, RESPOOL_TEST_IOC_SLAB_STATS, &slab);
		now = slab.held_pages;
		most = slab.peak_held_pages;
	}
	if (most > replay->peak_pages)
		replay->peak_pages = most;
	return now;
}

static void tell_progress(struct replay *replay)
{
	time_t now = time(NULL);

	if (!replay->options->progress || now == replay->told)
		return;
	replay->told = now;
	fprintf(stderr, "%s: %3u%% of %u operations, %" PRIu64 " KiB live in %" PRIu64 " KiB\n",
		replay->name, (unsigned int)(100ULL * replay->next / replay->trace->nr_ops),
		replay->trace->nr_ops, bytes_of(replay, replay->live) / KIB,
		read_footprint(replay) * replay->page_size / KIB);
}

static struct respool_test_op driver_op(const struct replay *replay, const struct trace_op *op)
{
	struct respool_test_op to = { .handle = op->id, .seed = op->id };

	if (replay->options->check)
		to.flags |= RESPOOL_TEST_CHECK;
	if (replay->options->irqs_off)
		to.flags |= RESPOOL_TEST_IRQS_OFF;
	if (op->what == 'f') {
		to.op = RESPOOL_TEST_FREE;
		return to;
	}
	to.size = op->size;
	if (replay->trace->pages) {
		to.op = RESPOOL_TEST_ALLOC_PAGES;
		return to;
	}
	/* malloc(0) returns a block of its own; the nearest request is one byte. */
	if (!to.size)
		to.size = 1;
	to.op = op->what == 'a' ? RESPOOL_TEST_ALLOC : RESPOOL_TEST_REALLOC;
	if (op->what == 'a')
		to.slab = replay->slab;
	return to;
}

/* What an operation did to the payload. Bad content is a failure that was done. */
static void account(struct replay *replay, const struct trace_op *op, int error)
{
	uint64_t *held = &replay->held[op->id];

	/* After a failed allocation its id's other operations have no meaning. */
	if (error == -ENOENT && !*held)
		return;
	replay->failed += !!error;
	if (error && error != -EBADMSG)
		return;
	if (*held)
		replay->live -= *held - 1;
	*held = 0;
	if (op->what != 'f') {
		*held = trace_payload(replay->trace, op->size) + 1;
		replay->live += *held - 1;
	}
	if (replay->live > replay->peak)
		replay->peak = replay->live;
}

/* Whether a command is to be run after @done operations, but for the peak's. */
static bool is_due(const struct replay *replay, uint32_t done)
{
	return replay->options->every && done % replay->options->every == 0;
}

/* Up to BATCH operations; a batch ends where a command may be run. */
static int replay_batch(struct replay *replay)
{
	static struct respool_test_op ops[BATCH];
	const struct trace_op *from = &replay->trace->ops[replay->next];
	struct respool_test_batch batch;
	uint32_t i, n;
	int error;

	for (n = 0; n < BATCH && replay->next + n < replay->trace->nr_ops; n++) {
		ops[n] = driver_op(replay, &from[n]);
		if (replay->next + n == replay->trace->peak_op ||
		    is_due(replay, replay->next + n + 1)) {
			n++;
			break;
		}
	}
	error = run_batch(replay->fd, ops, n, &batch);
	if (error)
		return error;
	for (i = 0; i < batch.done; i++)
		account(replay, &from[i], ops[i].error);
	replay->next += batch.done;
	replay->ops += batch.done;
	replay->total_ns += batch.total_ns;
	if (batch.max_ns > replay->max_ns)
		replay->max_ns = batch.max_ns;
	return 0;
}

static void run_command(struct replay *replay, const char *operation)
{
	if (!replay->options->at_peak)
		return;
	fflush(stdout);
	setenv("OPERATION", operation, 1);
	if (system(replay->options->at_peak)) {
		fprintf(stderr, "replay: the command at operation %s failed\n", operation);
		replay->broken = true;
	}
}

static void run_if_due(struct replay *replay)
{
	char operation[16];

	if (!is_due(replay, replay->next))
		return;
	snprintf(operation, sizeof(operation), "%" PRIu32, replay->next);
	run_command(replay, operation);
}

static void at_peak(struct replay *replay)
{
	read_footprint(replay);
	run_command(replay, "peak");
}

static int replay_once(struct replay *replay, bool first)
{
	int error;

	replay->next = 0;
	if (first)
		run_if_due(replay);
	while (replay->next < replay->trace->nr_ops) {
		error = replay_batch(replay);
		if (error)
			return error;
		if (first && replay->next == replay->trace->peak_op + 1)
			at_peak(replay);
		if (first)
			run_if_due(replay);
		tell_progress(replay);
		if (replay->failed && replay->stop_on_failure)
			break;
	}
	read_footprint(replay);
	return 0;
}

static void validate(struct replay *replay)
{
	char why[120];

	if (!replay->trace->pages && client_validate(replay->fd, replay->slab, why)) {
		fprintf(stderr, "replay: %s: the slab is broken: %s\n", replay->name, why);
		replay->broken = true;
	}
	if (client_validate(replay->fd, RESPOOL_TEST_POOL, why)) {
		fprintf(stderr, "replay: %s: the pool is broken: %s\n", replay->name, why);
		replay->broken = true;
	}
}

static int replay_opened(struct replay *replay)
{
	struct respool_test_pool_stats stats = {};
	unsigned long i;
	int error = 0;

	client_ioctl(replay->fd, RESPOOL_TEST_IOC_POOL_STATS, &stats);
	replay->pages_before = stats.allocated_pages;
	if (!replay->trace->pages)
		replay->slab = client_slab_with(replay->fd, "replay", replay->options->fit,
						replay->options->slab_flags);
	if (replay->slab < 0)
		return replay->slab;

	for (i = 0; i < replay->options->repeat && !error; i++)
		error = replay_once(replay, !i);
	if (!error)
		validate(replay);
	return error;
}

/* Replay a trace in the pool there is; 0 even if operations failed. */
static int run_replay(struct replay *replay)
{
	struct respool_test_info info = {};
	int error;

	snprintf(info.name, sizeof(info.name), "%s", replay->options->pool);
	replay->fd = client_open(info.name, replay->trace->nr_ids ?: 1);
	if (replay->fd < 0)
		return replay->fd;
	replay->held = calloc(replay->trace->nr_ids + 1, sizeof(*replay->held));
	error = client_ioctl(replay->fd, RESPOOL_TEST_IOC_INFO, &info);
	replay->page_size = info.page_size;
	if (!replay->held)
		error = -ENOMEM;
	if (!error)
		error = replay_opened(replay);
	free(replay->held);
	close(replay->fd);
	return error;
}

/* Have the modules loaded with one pool of so many pages. */
static int load_pool(const struct options *options, uint64_t pages)
{
	char pools[80];

	snprintf(pools, sizeof(pools), "%s:%" PRIu64 "K", options->pool,
		 pages * sysconf(_SC_PAGESIZE) / KIB);
	return client_use_pools(pools);
}

static uint64_t peak_pages(const struct trace *trace)
{
	uint64_t page_size = sysconf(_SC_PAGESIZE);
	uint64_t pages = trace->pages ? trace->peak : (trace->peak + page_size - 1) / page_size;

	return pages ?: 1;
}

/* Does a pool of so many pages serve the trace? Or an error. */
static int pool_serves(const struct replay *of, uint64_t pages)
{
	struct replay replay = { .options = of->options, .trace = of->trace, .name = of->name,
				 .stop_on_failure = true };
	int error = load_pool(of->options, pages);

	if (!error)
		error = run_replay(&replay);
	return error ?: !replay.failed && !replay.broken;
}

/*
 * Bisect for the smallest pool that serves the trace, to a page or 1/64 of it.
 * In pages; a negative errno if the pool cannot even be loaded.
 */
static int64_t find_smallest(const struct replay *replay)
{
	uint64_t enough = 2 * peak_pages(replay->trace);
	uint64_t too_few = peak_pages(replay->trace) - 1;
	int serves = pool_serves(replay, too_few + 1);

	if (serves < 0)
		return serves;
	if (serves)
		return too_few + 1;
	for (too_few++; enough - too_few > 1 + enough / 64; ) {
		uint64_t middle = too_few + (enough - too_few) / 2;

		serves = pool_serves(replay, middle);
		if (serves < 0)
			return serves;
		if (serves)
			enough = middle;
		else
			too_few = middle;
	}
	return enough;
}

static void print_result(const struct replay *replay, int64_t smallest)
{
	uint64_t payload = bytes_of(replay, replay->peak);
	uint64_t footprint = replay->peak_pages * replay->page_size;

	printf("{\"trace\": \"%s\", \"ops\": %" PRIu64 ", \"failed\": %" PRIu64
	       ", \"peak_payload_bytes\": %" PRIu64 ", \"peak_footprint_bytes\": %" PRIu64
	       ", \"utilisation\": %.4f, \"ns_per_op\": %.1f, \"max_ns\": %" PRIu64,
	       replay->name, replay->ops, replay->failed, payload, footprint,
	       footprint ? (double)payload / footprint : 0,
	       replay->ops ? (double)replay->total_ns / replay->ops : 0, replay->max_ns);
	if (!replay->trace->pages)
		printf(", \"fit\": \"%s\"", client_fit_names[replay->options->fit]);
	if (smallest)
		printf(", \"smallest_pool_bytes\": %" PRIi64, smallest * replay->page_size);
	printf("}\n");
	fflush(stdout);
}

static int replay_trace(const struct options *options, const struct trace *trace, const char *name)
{
	struct replay replay = { .options = options, .trace = trace, .name = name };
	int64_t smallest = 0;
	int error = 0;

	if (options->twice)
		error = load_pool(options, 2 * peak_pages(trace));
	if (error)
		return complain("cannot load the modules", error);
	error = run_replay(&replay);
	if (error)
		return complain(RESPOOL_TEST_DEVICE, error);
	if (options->smallest && !replay.failed && !replay.broken)
		smallest = find_smallest(&replay);
	if (smallest < 0)
		return complain("cannot load the modules", smallest);
	print_result(&replay, smallest);
	return replay.failed || replay.broken;
}

/* "DIR/kmalloc-build.rep.gz" becomes "kmalloc-build", and safe inside quotes. */
static void name_trace(const char *path, char *name, size_t size)
{
	const char *base = strrchr(path, '/');
	char *c;

	snprintf(name, size, "%s", base ? base + 1 : path);
	for (c = name; *c; c++)
		if (*c == '"' || *c == '\\' || (unsigned char)*c < ' ')
			*c = '?';
	if (*name)
		name[1 + strcspn(name + 1, ".")] = '\0';
}

/* Each fit that is to be compared; the page layer has nothing of the kind. */
static int replay_fits(const struct options *options, const struct trace *trace, const char *name)
{
	struct options one = *options;
	int status, worst = 0;
	unsigned int i;

	if (trace->pages || !options->nr_fits)
		return replay_trace(options, trace, name);
	for (i = 0; i < options->nr_fits; i++) {
		one.fit = options->fits[i];
		status = replay_trace(&one, trace, name);
		if (status > worst)
			worst = status;
	}
	return worst;
}

static int replay_file(const struct options *options, const char *path)
{
	bool pages = options->kind == KIND_PAGES;
	struct trace trace;
	char name[256];
	int status;

	name_trace(path, name, sizeof(name));
	if (options->kind == KIND_BY_NAME) {
		const char *base = strrchr(path, '/');

		pages = strstr(base ?: path, "pages");
	}
	if (!trace_read(&trace, path, pages))
		return 2;
	status = replay_fits(options, &trace, name);
	trace_free(&trace);
	return status;
}

/* RESPOOL_TEST_NR_FITS if there is no such fit. */
static __u32 fit_of(const char *name)
{
	__u32 fit = 0;

	while (fit < RESPOOL_TEST_NR_FITS && strcmp(name, client_fit_names[fit]))
		fit++;
	return fit;
}

/* "NAME,NAME"; each at most once. */
static bool parse_fits(struct options *options, char *names)
{
	unsigned int i;
	char *name;
	__u32 fit;

	options->nr_fits = 0;
	while ((name = strsep(&names, ","))) {
		fit = fit_of(name);
		for (i = 0; i < options->nr_fits; i++)
			if (options->fits[i] == fit)
				return false;
		if (fit == RESPOOL_TEST_NR_FITS)
			return false;
		options->fits[options->nr_fits++] = fit;
	}
	return true;
}

static bool parse_options(struct options *options, int argc, char **argv)
{
	static const struct option known[] = {
		{ "slab", no_argument, NULL, 's' },
		{ "pages", no_argument, NULL, 'p' },
		{ "check", no_argument, NULL, 'c' },
		{ "fit", required_argument, NULL, 'f' },
		{ "policy", required_argument, NULL, 'f' },
		{ "irqs-off", no_argument, NULL, 'i' },
		{ "pool", required_argument, NULL, 'n' },
		{ "repeat", required_argument, NULL, 'r' },
		{ "progress", no_argument, NULL, 'g' },
		{ "at-peak", required_argument, NULL, 'a' },
		{ "every", required_argument, NULL, 'e' },
		{ "no-magazines", no_argument, NULL, 'z' },
		{ "twice", no_argument, NULL, 't' },
		{ "smallest", no_argument, NULL, 'm' },
		{}
	};
	char *end;
	int c;

	while ((c = getopt_long(argc, argv, "", known, NULL)) != -1) {
		switch (c) {
		case 's':
			options->kind = KIND_SLAB;
			break;
		case 'p':
			options->kind = KIND_PAGES;
			break;
		case 'c':
			options->check = true;
			break;
		case 'f':
			if (!parse_fits(options, optarg))
				return false;
			break;
		case 'i':
			options->irqs_off = true;
			break;
		case 'n':
			options->pool = optarg;
			break;
		case 'r':
			options->repeat = strtoul(optarg, &end, 10);
			if (!options->repeat || *end)
				return false;
			break;
		case 'g':
			options->progress = true;
			break;
		case 'a':
			options->at_peak = optarg;
			break;
		case 'e':
			options->every = strtoul(optarg, &end, 10);
			if (!options->every || *end)
				return false;
			break;
		case 'z':
			options->slab_flags |= RESPOOL_TEST_SLAB_NO_MAGAZINES;
			break;
		case 'm':
			options->smallest = true;
			/* fall through */
		case 't':
			options->twice = true;
			break;
		default:
			return false;
		}
	}
	return optind < argc;
}

int main(int argc, char **argv)
{
	struct options options = { .pool = "main", .repeat = 1 };
	int i, status, worst = 0;

	if (!parse_options(&options, argc, argv)) {
		fputs(usage, stderr);
		return 2;
	}
	/* A guest may have loaded respool.ko alone. */
	if (!options.twice && access(RESPOOL_TEST_DEVICE, F_OK))
		client_load("respool_test", "");

	for (i = optind; i < argc; i++) {
		status = replay_file(&options, argv[i]);
		if (status > worst)
			worst = status;
	}
	return worst;
}
