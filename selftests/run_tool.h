/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the tests of respool-stat and respool-top share: to run one.
 */
#ifndef RESPOOL_RUN_TOOL_H
#define RESPOOL_RUN_TOOL_H

#include <stdarg.h>
#include <stdio.h>
#include <sys/wait.h>

static char output[1 << 20];

/* Run one of the tools: its exit status; what it prints in output[]. */
static inline int run_tool(const char *fmt, ...)
{
	char command[256];
	va_list args;
	size_t len;
	FILE *pipe;

	va_start(args, fmt);
	vsnprintf(command, sizeof(command), fmt, args);
	va_end(args);
	pipe = popen(command, "r");
	if (!pipe)
		return -1;
	len = fread(output, 1, sizeof(output) - 1, pipe);
	output[len] = '\0';
	return WEXITSTATUS(pclose(pipe));
}

#endif /* RESPOOL_RUN_TOOL_H */
