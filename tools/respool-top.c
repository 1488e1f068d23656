// SPDX-License-Identifier: GPL-2.0
/*
 * respool-top: watch one of respool's pools at work. What is on the screen is
 * computed from one reading of debugfs, rates from two.
 */
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <math.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "json.h"
#include "top.h"

static const char usage[] =
	"usage: respool-top [OPTION]... [POOL]\n"
	"Watch respool's pools: what is held, cached and free, by order, owner, slab and\n"
	"place. POOL is the one to begin with.\n"
	"  --interval SECONDS  between two readings, 0.1 to 60, default 1\n"
	"  --sort bytes|rate   order of the owners, default bytes\n"
	"  --once              print one screen and exit; with --interval, wait that long\n"
	"                      before, to have rates, too\n"
	"  --json              with --once: what the screen shows, of all pools or POOL, as JSON\n"
	"  --size COLSxROWS    size of the screen; default the terminal's, else COLUMNS and\n"
	"                      LINES of the environment, else 80x24\n"
	"  --debugfs DIR       where debugfs is, or a copy of it; default " STATE_DEBUGFS "\n"
	"  --help              this text\n"
	"Keys: q quit, p or Tab next pool, s sort owners by bytes or rate, m map on or off,\n"
	"+ and - interval, space read now.\n"
	"Sizes have suffix K, M, G or T, of 1024; counts too long for their column k, M,\n"
	"G or T, of 1000. In the bar # is held, : cached, x reserved or bad, . free; in the\n"
	"map . is free, 1 to 7 eighths held, # held, magazines counted as held.\n"
	"NO_COLOR in the environment: no colours.\n"
	"Exit status: 0; 1 if --once finds no such pool; 2 for a wrong option or no terminal.\n";

/* Once, for scripts */

static void json_rate(FILE *out, const char *name, double rate)
{
	if (isnan(rate))
		fprintf(out, "\"%s\": null", name);
	else
		fprintf(out, "\"%s\": %.3f", name, rate);
}

static void json_rates(FILE *out, const struct pair *pair, const char *key,
		       const char *const *columns)
{
	size_t row, i;

	for (row = 0; row < pair->now->nr_rows; row++) {
		fputs(row ? ",\n   {" : "{", out);
		if (key) {
			json_member(out, key, table_word(pair->now, row, key));
			fputs(", ", out);
		}
		for (i = 0; columns[i]; i++) {
			fputs(i ? ", " : "", out);
			json_rate(out, columns[i], rate_of(pair, row, key, columns[i]));
		}
		putc('}', out);
	}
}

static void json_part_rate(FILE *out, const struct part *part, const struct pair *stats, bool first)
{
	fputs(first ? "{" : ",\n   {", out);
	json_member(out, "name", part->name);
	fputs(", ", out);
	json_rate(out, "allocations", rate_of(stats, 0, NULL, "allocations"));
	putc('}', out);
}

static void json_part_rates(FILE *out, const struct top *top, const struct pool *pool)
{
	struct pair stats;
	size_t i;

	fputs("],\n  \"slabs\": [", out);
	for (i = 0; i < pool->slabs.nr; i++) {
		stats = slab_pair(top, pool, &pool->slabs.part[i]);
		json_part_rate(out, &pool->slabs.part[i], &stats, !i);
	}
	fputs("],\n  \"caches\": [", out);
	for (i = 0; i < pool->caches.nr; i++) {
		stats = cache_pair(top, pool, &pool->caches.part[i]);
		json_part_rate(out, &pool->caches.part[i], &stats, !i);
	}
}

static void json_pool(FILE *out, const struct top *top, const struct pool *pool)
{
	static const char *const calls[] = { "allocations", "frees", NULL };
	struct pair stats = pair_of(top, pool, POOL_STATS);
	struct pair orders = pair_of(top, pool, POOL_ORDERS);
	struct pair owners = pair_of(top, pool, POOL_OWNERS);

	putc('{', out);
	json_pool_members(out, pool);
	fputs(",\n \"rates\": {\n  \"stats\": ", out);
	json_rates(out, &stats, NULL, calls);
	fputs(",\n  \"orders\": [", out);
	json_rates(out, &orders, "order", (const char *const []){ "allocations", NULL });
	fputs("],\n  \"owners\": [", out);
	json_rates(out, &owners, "owner", calls);
	json_part_rates(out, top, pool);
	fputs("]}}", out);
}

static int print_json(const struct top *top)
{
	size_t i;

	printf("{\"pools\": [");
	for (i = 0; i < top->now.state.nr; i++) {
		fputs(i ? ",\n" : "\n", stdout);
		json_pool(stdout, top, &top->now.state.pool[i]);
	}
	printf("]}\n");
	return fflush(stdout) ? 1 : 0;
}

static void choose_pool(struct top *top, bool next)
{
	const struct state *state = &top->now.state;
	size_t i;

	if (!state->nr)
		return;
	for (i = 0; i < state->nr; i++)
		if (!strcmp(state->pool[i].own.name, top->pool))
			break;
	if (next || !*top->pool)
		i = i < state->nr ? (i + 1) % state->nr : 0;
	else if (i == state->nr)
		return;
	strcpy(top->pool, state->pool[i].own.name);
}

static void screen_size(const struct options *options, int *rows, int *columns)
{
	const char *lines = getenv("LINES"), *width = getenv("COLUMNS");

	*rows = 24;
	*columns = 80;
	if (!terminal_size(rows, columns)) {
		if (lines && atoi(lines) > 0)
			*rows = atoi(lines);
		if (width && atoi(width) > 0)
			*columns = atoi(width);
	}
	if (options->rows) {
		*rows = options->rows;
		*columns = options->columns;
	}
}

static int show_once(struct top *top)
{
	const char *only = *top->pool ? top->pool : NULL;
	char why[300];
	int rows, columns;

	take_sample(top, only);
	if (top->options.interval_given) {
		poll(NULL, 0, top->options.interval_ms);
		take_sample(top, only);
	}
	if (top->now.error) {
		top_explain(top, why, sizeof(why));
		fprintf(stderr, "respool-top: %s%s%s\n", why, only ? ": " : "", only ?: "");
		return 1;
	}
	if (top->options.json)
		return print_json(top);
	choose_pool(top, false);
	screen_size(&top->options, &rows, &columns);
	if (!top_draw(top, rows, columns))
		return 1;
	screen_print(&top->screen, stdout);
	return fflush(stdout) ? 1 : 0;
}

/* Live */

static volatile sig_atomic_t stopped, ended;

/* A new size need only end the wait: each frame asks for the size it has. */
static void on_signal(int number)
{
	if (number == SIGTSTP)
		stopped = 1;
	else if (number != SIGWINCH)
		ended = number;
}

/* What would leave the terminal as it is. */
static void on_crash(int number)
{
	terminal_end();
	raise(number);
}

/* Signals come only while we wait, with @waiting. */
static void catch_signals(sigset_t *waiting)
{
	static const int ours[] = { SIGWINCH, SIGTSTP, SIGINT, SIGTERM, SIGHUP, SIGQUIT };
	static const int crashes[] = { SIGSEGV, SIGBUS, SIGABRT, SIGFPE, SIGILL };
	struct sigaction action = { .sa_handler = on_signal };
	sigset_t blocked;
	size_t i;

	sigemptyset(&blocked);
	for (i = 0; i < sizeof(ours) / sizeof(*ours); i++) {
		sigaction(ours[i], &action, NULL);
		sigaddset(&blocked, ours[i]);
	}
	sigprocmask(SIG_BLOCK, &blocked, waiting);
	for (i = 0; i < sizeof(ours) / sizeof(*ours); i++)
		sigdelset(waiting, ours[i]);
	action = (struct sigaction){ .sa_handler = on_crash, .sa_flags = SA_RESETHAND };
	for (i = 0; i < sizeof(crashes) / sizeof(*crashes); i++)
		sigaction(crashes[i], &action, NULL);
	signal(SIGPIPE, SIG_IGN);
}

/* Leave the terminal to the shell until we are continued. */
static void stop(void)
{
	stopped = 0;
	terminal_end();
	raise(SIGSTOP);
	terminal_begin();
}

/* False to quit. */
static bool press(struct top *top, char key, bool *sample)
{
	struct options *options = &top->options;

	switch (key) {
	case 'q':
		return false;
	case 'p':
	case '\t':
		choose_pool(top, true);
		break;
	case 's':
		options->sort_by_rate = !options->sort_by_rate;
		break;
	case 'm':
		options->no_map = !options->no_map;
		*sample = true;
		break;
	case '+':
		options->interval_ms *= options->interval_ms > 30000 ? 1 : 2;
		break;
	case '-':
		options->interval_ms /= options->interval_ms < 200 ? 1 : 2;
		break;
	case ' ':
		*sample = true;
		break;
	}
	return true;
}

/* Wait for a key, a signal or the time for the next sample; false to quit. */
static bool wait_for_news(struct top *top, const sigset_t *waiting, bool *sample)
{
	struct pollfd input = { .fd = STDIN_FILENO, .events = POLLIN };
	double left = top->now.seconds + top->options.interval_ms / 1000.0 - now_seconds();
	struct timespec timeout = {};
	char keys[64];
	ssize_t n, i;

	*sample = false;
	if (left > 0) {
		timeout.tv_sec = left;
		timeout.tv_nsec = (left - timeout.tv_sec) * 1e9;
	}
	n = ppoll(&input, 1, &timeout, waiting);
	if (!n)
		*sample = true;
	if (n <= 0)
		return !ended;
	n = read(STDIN_FILENO, keys, sizeof(keys));
	/* The terminal is gone. */
	if (n <= 0)
		return false;
	for (i = 0; i < n; i++)
		if (!press(top, keys[i], sample))
			return false;
	return !ended;
}

static void watch(struct top *top, const sigset_t *waiting)
{
	bool sample = true, clear;
	int rows, columns;

	do {
		clear = stopped;
		if (stopped)
			stop();
		if (sample) {
			take_sample(top, NULL);
			choose_pool(top, false);
		}
		screen_size(&top->options, &rows, &columns);
		/* The signal of a new size may come after the frame that has it already. */
		clear |= rows != top->screen.rows || columns != top->screen.columns;
		if (!top_draw(top, rows, columns))
			break;
		terminal_show(&top->screen, top->options.colour, clear);
	} while (wait_for_news(top, waiting, &sample));
}

static int show_live(struct top *top)
{
	const char *terminal = getenv("TERM");
	sigset_t waiting;

	if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO) || !terminal ||
	    !strcmp(terminal, "dumb")) {
		fputs("respool-top: no terminal to show it on; see --once\n", stderr);
		return 2;
	}
	catch_signals(&waiting);
	if (!terminal_begin()) {
		perror("respool-top: the terminal");
		return 2;
	}
	watch(top, &waiting);
	terminal_end();
	/* As if the signal had ended us. */
	if (ended) {
		signal(ended, SIG_DFL);
		sigprocmask(SIG_SETMASK, &waiting, NULL);
		raise(ended);
	}
	return 0;
}

/* Options */

static bool parse_seconds(struct options *options, const char *text)
{
	char *end;
	double seconds = strtod(text, &end);

	if (end == text || *end || !(seconds >= 0.1 && seconds <= 60))
		return false;
	options->interval_ms = lround(seconds * 1000);
	options->interval_given = true;
	return true;
}

static bool parse_size(struct options *options, const char *text)
{
	int n = 0;

	return sscanf(text, "%4dx%4d%n", &options->columns, &options->rows, &n) == 2 && !text[n] &&
	       options->columns > 0 && options->rows > 0 &&
	       options->columns <= SCREEN_MAX && options->rows <= SCREEN_MAX;
}

static bool parse_sort(struct options *options, const char *text)
{
	options->sort_by_rate = !strcmp(text, "rate");
	return options->sort_by_rate || !strcmp(text, "bytes");
}

static bool parse_options(struct top *top, int argc, char **argv)
{
	static const struct option known[] = {
		{ "interval",	required_argument,	NULL, 'i' },
		{ "sort",	required_argument,	NULL, 's' },
		{ "once",	no_argument,		NULL, 'o' },
		{ "json",	no_argument,		NULL, 'j' },
		{ "size",	required_argument,	NULL, 'z' },
		{ "debugfs",	required_argument,	NULL, 'd' },
		{ "help",	no_argument,		NULL, 'h' },
		{}
	};
	struct options *options = &top->options;
	bool good = true;
	int c;

	while (good && (c = getopt_long(argc, argv, "", known, NULL)) != -1) {
		switch (c) {
		case 'i':
			good = parse_seconds(options, optarg);
			break;
		case 's':
			good = parse_sort(options, optarg);
			break;
		case 'o':
			options->once = true;
			break;
		case 'j':
			options->json = true;
			break;
		case 'z':
			good = parse_size(options, optarg);
			break;
		case 'd':
			options->debugfs = optarg;
			break;
		case 'h':
			fputs(usage, stdout);
			exit(0);
		default:
			good = false;
		}
	}
	if (argc - optind == 1)
		snprintf(top->pool, sizeof(top->pool), "%s", argv[optind]);
	return good && argc - optind <= 1 && (!options->json || options->once);
}

int main(int argc, char **argv)
{
	struct top top = { .options = {
		.interval_ms = 1000,
		.debugfs = STATE_DEBUGFS,
		.colour = !getenv("NO_COLOR"),
	} };
	int status;

	if (!parse_options(&top, argc, argv)) {
		fputs(usage, stderr);
		return 2;
	}
	status = top.options.once ? show_once(&top) : show_live(&top);
	state_free(&top.now.state);
	state_free(&top.before.state);
	screen_free(&top.screen);
	return status;
}
