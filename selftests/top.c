// SPDX-License-Identifier: GPL-2.0
/*
 * respool-top on terminals: what it draws fits, is what debugfs has, follows the
 * terminal's size and the pools that come and go; and the terminal is left as it
 * was found. The terminal is one that is played here.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <poll.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "run_tool.h"
#include "selftest.h"

#define MAX_SIDE	1000
#define POOLS		"main:12428K,video:2M"
#define POOL_DIR	CLIENT_DEBUGFS "/main/"
#define PATIENCE	20000		/* milliseconds: a loaded host's guest is slow */

static char text[1 << 20];

/* One screen */

FIXTURE(screen)
{
	int fd;
};

/* Slabs, caches and accounts enough to be cut off where there is little room. */
FIXTURE_SETUP(screen)
{
	char name[32];
	unsigned int i;

	USE_POOLS(POOLS);
	self->fd = client_open("main", 300);
	ASSERT_LE(0, self->fd);
	for (i = 0; i < RESPOOL_TEST_MAX_SLABS; i++) {
		snprintf(name, sizeof(name), "a-slab-with-a-long-name-%u", i);
		ASSERT_EQ(i, client_slab(self->fd, name));
		snprintf(name, sizeof(name), "%u", i);
		ASSERT_EQ(i, client_cache(self->fd, name, 64, 8, 0));
		ASSERT_EQ(0, run(self->fd, OP(ALLOC, .handle = 200 + i, .slab = i, .size = 99),
				 NULL));
	}
	for (i = 0; i < 200; i++)
		ASSERT_EQ(0, run(self->fd, OP(ALLOC_PAGES, .handle = i, .size = i % 4), NULL));
	for (i = 0; i < 200; i += 3)
		ASSERT_EQ(0, run(self->fd, OP(FREE, .handle = i), NULL));
}

FIXTURE_TEARDOWN(screen)
{
	close(self->fd);
}

TEST_F(screen, every_size_is_kept_to)
{
	static const struct { int columns, rows; } sizes[] = {
		{ 80, 24 }, { 40, 20 }, { 200, 50 }, { 79, 24 }, { 81, 25 }, { 132, 12 }, { 20, 8 },
		{ 9, 60 }, { 3, 3 }, { 1, 1 }, { 1000, 2 }, { 2, 1000 }, { 1000, 1000 },
	};
	char *line, *end;
	int i, rows;

	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		EXPECT_EQ(0, run_tool("./respool-top --once --size %dx%d", sizes[i].columns,
				      sizes[i].rows));
		rows = 0;
		for (line = output; (end = strchr(line, '\n')); line = end + 1) {
			EXPECT_GE(sizes[i].columns, end - line);
			rows++;
		}
		EXPECT_EQ(sizes[i].rows, rows);
		EXPECT_EQ(0, *line);
	}
	EXPECT_EQ(0, run_tool("COLUMNS=33 LINES=7 ./respool-top --once"));
	for (rows = 0, line = output; (end = strchr(line, '\n')); line = end + 1, rows++)
		EXPECT_GE(33, end - line);
	EXPECT_EQ(7, rows);
}

/* The line of output[] that begins with @text, and what is in it. */
static const char *find_line(const char *start)
{
	const char *line;

	for (line = output; line; line = strchr(line, '\n'), line += !!line)
		if (!strncmp(line, start, strlen(start)))
			return line;
	return NULL;
}

TEST_F(screen, orders_are_those_of_debugfs)
{
	unsigned long long order, free, held, cached, free_here, held_here, cached_here;
	unsigned int orders = 0, shown = 0;
	const char *at, *line;
	char start[8], *rest, *row;
	int fields;

	EXPECT_EQ(0, run_tool("./respool-top --once --size 100x60 main"));
	at = find_line("ord ");
	ASSERT_NE(NULL, at);
	ASSERT_LT(0, client_read_file(POOL_DIR "orders", text, sizeof(text)));
	strtok_r(text, "\n", &rest);
	while ((row = strtok_r(NULL, "\n", &rest))) {
		fields = sscanf(row, "%llu %llu %llu %llu", &order, &free, &held, &cached);
		ASSERT_EQ(4, fields);
		snprintf(start, sizeof(start), "\n%3llu ", order);
		line = strstr(at, start);
		orders++;
		if (!(free + held + cached))
			continue;
		ASSERT_NE(NULL, line);
		fields = sscanf(line + 5, "%*s %llu %llu %llu", &free_here, &held_here,
				&cached_here);
		ASSERT_EQ(3, fields);
		EXPECT_EQ(free, free_here);
		EXPECT_EQ(held, held_here);
		EXPECT_EQ(cached, cached_here);
		shown++;
	}
	EXPECT_LT(4, shown);
	EXPECT_LE(shown, orders);
}

/* "64.0M" in bytes, as good as it is written. */
static double parse_bytes(const char *word)
{
	static const char units[] = "KMGT";
	char *unit;
	double bytes = strtod(word, &unit);
	int i;

	for (i = 0; *unit && units[i]; i++)
		if (*unit == units[i])
			return bytes * (1ULL << (10 * (i + 1)));
	return bytes;
}

/* A region of the pool is a row of the map, where there is room for all of them. */
TEST_F(screen, map_is_that_of_debugfs)
{
	char *rest, *row, cells[128], drawn[128];
	unsigned int rows = 0;
	const char *at;
	double begins;

	EXPECT_EQ(0, run_tool("./respool-top --once --size 80x60 main"));
	at = find_line("map: ");
	ASSERT_NE(NULL, at);
	EXPECT_NE(NULL, strstr(at, " 32.0K\n"));
	ASSERT_LT(0, client_read_file(POOL_DIR "map", text, sizeof(text)));
	strtok_r(text, "\n", &rest);
	while ((row = strtok_r(NULL, "\n", &rest))) {
		/* "%9lu %3u " in front of the cells */
		snprintf(cells, sizeof(cells), "%s", row + 14);
		while (*cells && cells[strlen(cells) - 1] == ' ')
			cells[strlen(cells) - 1] = '\0';
		at = strchr(at, '\n') + 1;
		begins = atof(row) * sysconf(_SC_PAGESIZE);
		EXPECT_LE(parse_bytes(at), begins * 1.01);
		EXPECT_GE(parse_bytes(at), begins * 0.99);
		snprintf(drawn, sizeof(drawn), "%.*s", (int)strcspn(at, "\n") - 8, at + 8);
		EXPECT_STREQ(cells, drawn);
		rows++;
	}
	EXPECT_LE(6, rows);
}

TEST_F(screen, owners_are_sorted_by_what_they_hold)
{
	double held, last = 1e18;
	unsigned int rows = 0;
	char *line, *rest;

	EXPECT_EQ(0, run_tool("./respool-top --once --size 79x70 main"));
	line = (char *)find_line("owner ");
	ASSERT_NE(NULL, line);
	strtok_r(line, "\n", &rest);
	while ((line = strtok_r(NULL, "\n", &rest)) && strncmp(line, "byte layer", 10)) {
		held = parse_bytes(line + strcspn(line, " "));
		EXPECT_LE(held, last);
		last = held;
		rows++;
	}
	EXPECT_EQ(1 + 2 * RESPOOL_TEST_MAX_SLABS, rows);
}

/* A terminal */

struct terminal {
	int fd;			/* the side of the terminal itself */
	int rows, columns;
	int next_rows, next_columns;	/* from the next time the screen is cleared */
	int row, column;	/* the cursor, from 0 */
	bool other_screen, hidden;
	unsigned int frames;	/* times that the first line was begun */
	unsigned int clears;
	unsigned int wrong;	/* characters beyond the screen, codes that are unknown */
	char escape[32];
	int escape_len;
	char cells[MAX_SIDE][MAX_SIDE + 1];
};

FIXTURE(live)
{
	struct terminal terminal;
	struct termios before;
	int other;		/* the side of the program */
	pid_t pid;
};

static void clear(struct terminal *terminal, int row, int column)
{
	memset(&terminal->cells[row][column], ' ', terminal->columns - column);
	terminal->cells[row][terminal->columns] = '\0';
}

static void clear_all(struct terminal *terminal)
{
	int row;

	terminal->rows = terminal->next_rows;
	terminal->columns = terminal->next_columns;
	for (row = 0; row < terminal->rows; row++)
		clear(terminal, row, 0);
	terminal->clears++;
}

static void obey(struct terminal *terminal, const char *escape)
{
	char last = escape[strlen(escape) - 1];
	int row, column;

	if (last == 'm')
		return;
	if (last == 'H' && sscanf(escape, "[%d;%d", &row, &column) == 2) {
		terminal->row = row - 1;
		terminal->column = column - 1;
		terminal->wrong += row > terminal->rows || column > terminal->columns;
		terminal->frames += row == 1;
	} else if (!strcmp(escape, "[K")) {
		if (terminal->row < terminal->rows && terminal->column < terminal->columns)
			clear(terminal, terminal->row, terminal->column);
	} else if (!strcmp(escape, "[2J")) {
		clear_all(terminal);
	} else if (!strcmp(escape, "[?1049h") || !strcmp(escape, "[?1049l")) {
		terminal->other_screen = escape[6] == 'h';
	} else if (!strcmp(escape, "[?25h") || !strcmp(escape, "[?25l")) {
		terminal->hidden = escape[4] == 'l';
	} else {
		terminal->wrong++;
	}
}

static void put(struct terminal *terminal, char c)
{
	if (terminal->escape_len) {
		terminal->escape[terminal->escape_len++ - 1] = c;
		if ((c == '[' || c < '@') && terminal->escape_len < (int)sizeof(terminal->escape))
			return;
		terminal->escape[terminal->escape_len - 1] = '\0';
		terminal->escape_len = 0;
		obey(terminal, terminal->escape);
		return;
	}
	if (c == '\033') {
		terminal->escape_len = 1;
		return;
	}
	if (c < ' ' || c > '~' || terminal->row >= terminal->rows ||
	    terminal->column >= terminal->columns)
		terminal->wrong++;
	else
		terminal->cells[terminal->row][terminal->column++] = c;
}

/* Take in what comes within @ms; false if nothing does, or the program is gone. */
static bool take_in(struct terminal *terminal, int ms)
{
	struct pollfd input = { .fd = terminal->fd, .events = POLLIN };
	char some[4096];
	ssize_t n, i;

	if (poll(&input, 1, ms) <= 0)
		return false;
	n = read(terminal->fd, some, sizeof(some));
	for (i = 0; i < n; i++)
		put(terminal, some[i]);
	return n > 0;
}

static bool shows(const struct terminal *terminal, const char *what)
{
	int row;

	for (row = 0; row < terminal->rows; row++)
		if (strstr(terminal->cells[row], what))
			return true;
	return false;
}

/* Until this is on the screen, and after that the frame is complete. */
static bool wait_for(struct terminal *terminal, const char *what)
{
	struct timespec start, now;

	clock_gettime(CLOCK_MONOTONIC, &start);
	do {
		take_in(terminal, 100);
		clock_gettime(CLOCK_MONOTONIC, &now);
		if (!shows(terminal, what))
			continue;
		while (take_in(terminal, 20))
			;
		return true;
	} while ((now.tv_sec - start.tv_sec) * 1000 < PATIENCE);
	printf("# the terminal never shows '%s', but '%s'\n", what, terminal->cells[0]);
	fflush(stdout);
	return false;
}

static void resize(struct terminal *terminal, int rows, int columns)
{
	struct winsize size = { .ws_row = rows, .ws_col = columns };

	terminal->next_rows = rows;
	terminal->next_columns = columns;
	ioctl(terminal->fd, TIOCSWINSZ, &size);
}

static void begin_program(int fd)
{
	setsid();
	ioctl(fd, TIOCSCTTY, 0);
	dup2(fd, 0);
	dup2(fd, 1);
	dup2(fd, 2);
	execle("./respool-top", "respool-top", "--interval", "0.2", "main", NULL,
	       (char *const []){ "TERM=vt100", NULL });
	_exit(127);
}

FIXTURE_SETUP(live)
{
	struct terminal *terminal = &self->terminal;

	USE_POOLS(POOLS);
	terminal->fd = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC);
	ASSERT_LE(0, terminal->fd) TH_LOG("no /dev/ptmx");
	ASSERT_EQ(0, unlockpt(terminal->fd));
	resize(terminal, 24, 80);
	clear_all(terminal);
	terminal->clears = 0;
	self->other = ioctl(terminal->fd, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
	ASSERT_LE(0, self->other);
	ASSERT_EQ(0, tcgetattr(self->other, &self->before));
	self->pid = fork();
	if (!self->pid)
		begin_program(self->other);
}

/* Ended it is, and the terminal is as it was before. */
FIXTURE_TEARDOWN(live)
{
	struct termios after;

	EXPECT_EQ(0, tcgetattr(self->other, &after));
	EXPECT_EQ(self->before.c_lflag, after.c_lflag);
	EXPECT_EQ(self->before.c_cc[VMIN], after.c_cc[VMIN]);
	EXPECT_EQ(0, self->terminal.wrong);
	EXPECT_FALSE(self->terminal.other_screen);
	EXPECT_FALSE(self->terminal.hidden);
	close(self->other);
	close(self->terminal.fd);
}

static void type(struct terminal *terminal, const char *keys)
{
	if (write(terminal->fd, keys, strlen(keys)) < 0)
		abort();
}

static int status_at_end(struct terminal *terminal, pid_t pid)
{
	int status, ms;

	for (ms = 0; ms < PATIENCE; ms += 50) {
		take_in(terminal, 50);
		if (waitpid(pid, &status, WNOHANG) == pid) {
			while (take_in(terminal, 50))
				;
			return status;
		}
	}
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
	return -1;
}

TEST_F(live, it_draws_again_and_again_until_it_is_quit)
{
	struct terminal *terminal = &self->terminal;
	unsigned int frames;

	EXPECT_TRUE(wait_for(terminal, "respool main  1 of 2"));
	EXPECT_TRUE(wait_for(terminal, "q quit"));
	EXPECT_TRUE(terminal->other_screen);
	EXPECT_TRUE(terminal->hidden);
	frames = terminal->frames;
	EXPECT_TRUE(wait_for(terminal, "map: "));
	while (terminal->frames < frames + 3 && take_in(terminal, PATIENCE))
		;
	EXPECT_LE(frames + 3, terminal->frames);
	type(terminal, "q");
	EXPECT_EQ(0, status_at_end(terminal, self->pid));
}

TEST_F(live, keys_choose_pool_order_and_map)
{
	struct terminal *terminal = &self->terminal;

	EXPECT_TRUE(wait_for(terminal, "respool main"));
	type(terminal, "p");
	EXPECT_TRUE(wait_for(terminal, "respool video  2 of 2"));
	type(terminal, "\t");
	EXPECT_TRUE(wait_for(terminal, "respool main  1 of 2"));
	type(terminal, "+");
	EXPECT_TRUE(wait_for(terminal, "  0.4 s"));
	type(terminal, "--");
	EXPECT_TRUE(wait_for(terminal, "  0.1 s"));
	type(terminal, "m");
	while (shows(terminal, "map: ") && take_in(terminal, PATIENCE))
		;
	EXPECT_FALSE(shows(terminal, "map: "));
	type(terminal, "q");
	EXPECT_EQ(0, status_at_end(terminal, self->pid));
}

TEST_F(live, it_follows_the_size_of_the_terminal)
{
	static const struct { int rows, columns; } sizes[] = {
		{ 20, 40 }, { 50, 200 }, { 3, 10 }, { 24, 80 },
	};
	struct terminal *terminal = &self->terminal;
	unsigned int clears;
	int i;

	EXPECT_TRUE(wait_for(terminal, "respool"));
	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		clears = terminal->clears;
		/* What it writes before it knows is for the terminal as it was. */
		resize(terminal, sizes[i].rows, sizes[i].columns);
		while (terminal->clears == clears && take_in(terminal, PATIENCE))
			;
		EXPECT_LT(clears, terminal->clears);
		EXPECT_TRUE(wait_for(terminal, "q quit"));
		EXPECT_EQ(0, strncmp(terminal->cells[sizes[i].rows - 1], "q quit", 6));
	}
	type(terminal, "q");
	EXPECT_EQ(0, status_at_end(terminal, self->pid));
}

TEST_F(live, signals_end_it_and_restore_the_terminal)
{
	struct terminal *terminal = &self->terminal;
	int status;

	EXPECT_TRUE(wait_for(terminal, "respool"));
	kill(self->pid, SIGTERM);
	status = status_at_end(terminal, self->pid);
	EXPECT_TRUE(WIFSIGNALED(status));
	EXPECT_EQ(SIGTERM, WTERMSIG(status));
}

TEST_F(live, a_crash_restores_the_terminal)
{
	struct terminal *terminal = &self->terminal;
	int status;

	EXPECT_TRUE(wait_for(terminal, "respool"));
	kill(self->pid, SIGSEGV);
	status = status_at_end(terminal, self->pid);
	EXPECT_TRUE(WIFSIGNALED(status));
	EXPECT_EQ(SIGSEGV, WTERMSIG(status));
}

TEST_F(live, a_stop_lends_the_terminal_and_going_on_draws_it_again)
{
	struct terminal *terminal = &self->terminal;
	struct termios now;
	int status;

	EXPECT_TRUE(wait_for(terminal, "respool"));
	kill(self->pid, SIGTSTP);
	EXPECT_EQ(self->pid, waitpid(self->pid, &status, WUNTRACED));
	EXPECT_TRUE(WIFSTOPPED(status));
	while (take_in(terminal, 50))
		;
	EXPECT_FALSE(terminal->other_screen);
	EXPECT_EQ(0, tcgetattr(self->other, &now));
	EXPECT_EQ(self->before.c_lflag, now.c_lflag);
	clear_all(terminal);
	kill(self->pid, SIGCONT);
	EXPECT_TRUE(wait_for(terminal, "respool main"));
	EXPECT_TRUE(terminal->other_screen);
	type(terminal, "q");
	EXPECT_EQ(0, status_at_end(terminal, self->pid));
}

TEST_F(live, pools_may_go_and_come)
{
	struct terminal *terminal = &self->terminal;
	int tries, error = -EBUSY;

	EXPECT_TRUE(wait_for(terminal, "respool main"));
	EXPECT_EQ(0, client_unload("respool_test"));
	/* It may be reading just now. */
	for (tries = 0; error && tries < 1000; tries++) {
		error = client_unload("respool");
		usleep(1000);
	}
	EXPECT_EQ(0, error);
	EXPECT_TRUE(wait_for(terminal, "no pool in /sys/kernel/debug/respool"));
	USE_POOLS("other:1M");
	EXPECT_TRUE(wait_for(terminal, "the pool is gone, there are others"));
	type(terminal, "p");
	EXPECT_TRUE(wait_for(terminal, "respool other  1 of 1"));
	type(terminal, "q");
	EXPECT_EQ(0, status_at_end(terminal, self->pid));
}

TEST_HARNESS_MAIN
