/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A screen of characters: what is put on it beyond its edges is cut off, so
 * what is shown always fits. Only what any terminal prints is put on it.
 */
#ifndef RESPOOL_SCREEN_H
#define RESPOOL_SCREEN_H

#include <stdbool.h>
#include <stdio.h>

#define SCREEN_MAX	1000	/* columns, and rows */

enum look {
	LOOK_PLAIN, LOOK_BOLD, LOOK_DIM, LOOK_REVERSE, LOOK_HELD, LOOK_CACHED, LOOK_BAD, NR_LOOKS
};

struct screen {
	int rows;
	int columns;
	int right;		/* where what is put ends: a column, @columns at most */
	char *cells;
	unsigned char *looks;
};

/* Empty, of this size; false if there is no memory. */
bool screen_reset(struct screen *screen, int rows, int columns);
void screen_free(struct screen *screen);

/* Put text, and return the column behind it. Rows and columns count from 0. */
int screen_put(struct screen *screen, int row, int column, enum look look, const char *fmt, ...)
	__attribute__((format(printf, 5, 6)));

/* As lines of text, blanks at their ends left out. */
void screen_print(const struct screen *screen, FILE *out);

/*
 * The terminal: raw and on its other screen from terminal_begin() until
 * terminal_end(), which is safe to call in a signal handler and at any time.
 */
bool terminal_begin(void);
void terminal_end(void);
/* What the terminal says its size is; false if it does not know. */
bool terminal_size(int *rows, int *columns);
void terminal_show(const struct screen *screen, bool colour, bool clear);

#endif /* RESPOOL_SCREEN_H */
