// SPDX-License-Identifier: GPL-2.0
/* A screen of characters, and the terminal it is shown on; see screen.h. */
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "screen.h"

/* The other screen and no cursor, and back: ECMA-48 and what xterm added to it. */
#define TERMINAL_BEGIN	"\033[?1049h\033[?25l"
#define TERMINAL_END	"\033[0m\033[?25h\033[?1049l"

/* Told apart by brightness, too, where there are no colours to be seen. */
static const char *const look_codes[NR_LOOKS] = {
	[LOOK_PLAIN]	= "\033[0m",
	[LOOK_BOLD]	= "\033[0;1m",
	[LOOK_DIM]	= "\033[0;2m",
	[LOOK_REVERSE]	= "\033[0;7m",
	[LOOK_HELD]	= "\033[0;1;34m",
	[LOOK_CACHED]	= "\033[0;33m",
	[LOOK_BAD]	= "\033[0;1;31m",
};

static struct termios terminal_was;
static volatile sig_atomic_t terminal_changed;

static int clamp(int value)
{
	return value < 1 ? 1 : value > SCREEN_MAX ? SCREEN_MAX : value;
}

void screen_free(struct screen *screen)
{
	free(screen->cells);
	free(screen->looks);
	*screen = (struct screen){};
}

bool screen_reset(struct screen *screen, int rows, int columns)
{
	screen_free(screen);
	screen->rows = clamp(rows);
	screen->columns = clamp(columns);
	screen->right = screen->columns;
	screen->cells = malloc(screen->rows * screen->columns);
	screen->looks = calloc(screen->rows, screen->columns);
	if (!screen->cells || !screen->looks) {
		screen_free(screen);
		return false;
	}
	memset(screen->cells, ' ', screen->rows * screen->columns);
	return true;
}

int screen_put(struct screen *screen, int row, int column, enum look look, const char *fmt, ...)
{
	char text[SCREEN_MAX + 1];
	va_list args;
	int i;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	for (i = 0; text[i]; i++) {
		if (row < 0 || row >= screen->rows || column + i < 0 || column + i >= screen->right)
			continue;
		screen->cells[row * screen->columns + column + i] =
			text[i] >= ' ' && text[i] <= '~' ? text[i] : '?';
		screen->looks[row * screen->columns + column + i] = look;
	}
	return column + i;
}

static int line_length(const struct screen *screen, int row)
{
	const char *line = &screen->cells[row * screen->columns];
	int len = screen->columns;

	while (len && line[len - 1] == ' ')
		len--;
	return len;
}

void screen_print(const struct screen *screen, FILE *out)
{
	int row;

	for (row = 0; row < screen->rows; row++)
		fprintf(out, "%.*s\n", line_length(screen, row),
			&screen->cells[row * screen->columns]);
}

/* The terminal */

/* All of it, whatever interrupts; a terminal that is gone is left alone. */
static void write_all(const char *text, size_t len)
{
	ssize_t n;

	while (len) {
		n = write(STDOUT_FILENO, text, len);
		if (n < 0 && errno != EINTR)
			return;
		if (n > 0) {
			text += n;
			len -= n;
		}
	}
}

bool terminal_begin(void)
{
	struct termios raw;

	if (tcgetattr(STDIN_FILENO, &terminal_was))
		return false;
	raw = terminal_was;
	raw.c_lflag &= ~(ICANON | ECHO);
	raw.c_cc[VMIN] = 0;
	raw.c_cc[VTIME] = 0;
	terminal_changed = 1;
	if (tcsetattr(STDIN_FILENO, TCSAFLUSH, &raw))
		return false;
	write_all(TERMINAL_BEGIN, strlen(TERMINAL_BEGIN));
	return true;
}

void terminal_end(void)
{
	if (!terminal_changed)
		return;
	terminal_changed = 0;
	write_all(TERMINAL_END, strlen(TERMINAL_END));
	tcsetattr(STDIN_FILENO, TCSAFLUSH, &terminal_was);
}

bool terminal_size(int *rows, int *columns)
{
	struct winsize size;

	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) || !size.ws_row || !size.ws_col)
		return false;
	*rows = size.ws_row;
	*columns = size.ws_col;
	return true;
}

static void show_line(const struct screen *screen, int row, bool colour, FILE *out)
{
	const char *cells = &screen->cells[row * screen->columns];
	const unsigned char *looks = &screen->looks[row * screen->columns];
	int look = LOOK_PLAIN, i, len = line_length(screen, row);

	for (i = 0; i < len; i++) {
		int wanted = colour ? looks[i] : LOOK_PLAIN;

		if (wanted != look)
			fputs(look_codes[wanted], out);
		look = wanted;
		putc(cells[i], out);
	}
	if (look != LOOK_PLAIN)
		fputs(look_codes[LOOK_PLAIN], out);
}

/*
 * Each line where it belongs and none ended by a newline, so that nothing
 * scrolls; all in one write, so that nothing flickers.
 */
void terminal_show(const struct screen *screen, bool colour, bool clear)
{
	char *text;
	size_t len;
	FILE *out = open_memstream(&text, &len);
	int row;

	if (!out)
		return;
	if (clear)
		fputs("\033[0m\033[2J", out);
	for (row = 0; row < screen->rows; row++) {
		fprintf(out, "\033[%d;1H", row + 1);
		show_line(screen, row, colour, out);
		/* A full line has its cursor on its last character. */
		if (line_length(screen, row) < screen->columns)
			fputs("\033[K", out);
	}
	if (!fclose(out))
		write_all(text, len);
	free(text);
}
