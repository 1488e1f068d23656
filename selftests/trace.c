// SPDX-License-Identifier: GPL-2.0
/*
 * Read a trace and check all of it before the first operation is replayed:
 * whoever replays may rely on every id being in range, allocated when it is
 * freed or reallocated, and free when it is allocated.
 *
 * What is wrong is said in one line, "FILE:LINE: WHAT".
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "respool_test.h"
#include "trace.h"

#define MAX_OPS		100000000	/* what fits into memory with room to spare */
#define MAX_ORDER	(RESPOOL_TEST_NR_ORDERS - 1)

enum header { HEADER_WEIGHT, HEADER_IDS, HEADER_OPS, HEADER_REST, NR_HEADERS };

struct reader {
	const char *path;
	gzFile file;
	unsigned long line;
	char text[128];
};

static bool __attribute__((format(printf, 2, 3)))
bad(const struct reader *reader, const char *fmt, ...)
{
	va_list args;

	fprintf(stderr, "%s:%lu: ", reader->path, reader->line);
	va_start(args, fmt);
	vfprintf(stderr, fmt, args);
	va_end(args);
	fputc('\n', stderr);
	return false;
}

static bool read_well(const struct reader *reader)
{
	int error;

	gzerror(reader->file, &error);
	return error == Z_OK || error == Z_STREAM_END;
}

/* One line, without its end. False at the end of the file and on errors. */
static bool next_line(struct reader *reader)
{
	size_t len;

	reader->line++;
	if (!gzgets(reader->file, reader->text, sizeof(reader->text)))
		return false;
	len = strcspn(reader->text, "\r\n");
	/* Half a line comes before the error that cut it. */
	if (!reader->text[len] && !read_well(reader))
		return false;
	reader->text[len] = '\0';
	return true;
}

/* Why there was no line where one was due. */
static bool cut_short(const struct reader *reader)
{
	int error;

	if (read_well(reader))
		return bad(reader, "the file ends too early");
	gzerror(reader->file, &error);
	return bad(reader, "cannot read on: %s",
		   error == Z_ERRNO ? strerror(errno) :
		   error == Z_BUF_ERROR ? "the file is cut short" : "the file is damaged");
}

/* The number at *@text, which moves on behind it and the blanks around it. */
static bool parse_number(char **text, uint64_t *number)
{
	char *end;

	*text += strspn(*text, " \t");
	if (**text < '0' || **text > '9')
		return false;
	errno = 0;
	*number = strtoull(*text, &end, 10);
	*text = end + strspn(end, " \t");
	return !errno;
}

static bool read_header(struct reader *reader, struct trace *trace)
{
	uint64_t number[NR_HEADERS];
	unsigned int i;
	char *text;

	for (i = 0; i < NR_HEADERS; i++) {
		if (!next_line(reader))
			return cut_short(reader);
		text = reader->text;
		if (!parse_number(&text, &number[i]) || *text)
			return bad(reader, "not a number: '%.40s'", reader->text);
	}
	if (number[HEADER_IDS] > RESPOOL_TEST_MAX_HANDLES)
		return bad(reader, "%llu ids are too many",
			   (unsigned long long)number[HEADER_IDS]);
	if (number[HEADER_OPS] > MAX_OPS)
		return bad(reader, "%llu operations are too many",
			   (unsigned long long)number[HEADER_OPS]);
	trace->nr_ids = number[HEADER_IDS];
	trace->nr_ops = number[HEADER_OPS];
	return true;
}

static bool parse_op(const struct reader *reader, const struct trace *trace, struct trace_op *op)
{
	const char *known = trace->pages ? "af" : "arf";
	char *text = (char *)reader->text;
	uint64_t id;

	if (!*text || !strchr(known, *text))
		return bad(reader, "not an operation: '%.40s'", reader->text);
	op->what = *text++;
	if (!parse_number(&text, &id) || (op->what != 'f' && !parse_number(&text, &op->size)) ||
	    *text)
		return bad(reader, "not an operation: '%.40s'", reader->text);
	if (id >= trace->nr_ids)
		return bad(reader, "id %llu is not below %u", (unsigned long long)id,
			   trace->nr_ids);
	if (trace->pages && op->size > MAX_ORDER)
		return bad(reader, "order %llu is above %d", (unsigned long long)op->size,
			   MAX_ORDER);
	op->id = id;
	return true;
}

/* @held: payload of each id, plus 1 while it is allocated. */
static bool account_op(const struct reader *reader, struct trace *trace, uint64_t *held,
		       uint64_t *live, uint32_t index)
{
	const struct trace_op *op = &trace->ops[index];
	uint64_t payload = op->what == 'f' ? 0 : trace_payload(trace, op->size);

	if (op->what == 'a' && held[op->id])
		return bad(reader, "id %u is allocated already", op->id);
	if (op->what != 'a' && !held[op->id])
		return bad(reader, "id %u is not allocated", op->id);
	if (held[op->id])
		*live -= held[op->id] - 1;
	if (payload > UINT64_MAX / 2 - *live)
		return bad(reader, "more than can be counted");
	*live += payload;
	held[op->id] = op->what == 'f' ? 0 : payload + 1;
	if (*live > trace->peak) {
		trace->peak = *live;
		trace->peak_op = index;
	}
	return true;
}

static bool read_ops(struct reader *reader, struct trace *trace, uint64_t *held)
{
	uint64_t live = 0;
	uint32_t i;

	for (i = 0; i < trace->nr_ops; i++) {
		if (!next_line(reader))
			return cut_short(reader);
		if (!parse_op(reader, trace, &trace->ops[i]) ||
		    !account_op(reader, trace, held, &live, i))
			return false;
	}
	while (next_line(reader))
		if (*reader->text)
			return bad(reader, "more than the %u operations promised", trace->nr_ops);
	/* At the end of a gzipped file is its checksum. */
	return read_well(reader) || cut_short(reader);
}

static bool read_trace(struct reader *reader, struct trace *trace)
{
	uint64_t *held;
	bool good;

	if (!read_header(reader, trace))
		return false;
	held = calloc(trace->nr_ids + 1, sizeof(*held));
	trace->ops = calloc(trace->nr_ops + 1, sizeof(*trace->ops));
	good = held && trace->ops ? read_ops(reader, trace, held) : bad(reader, "out of memory");
	free(held);
	return good;
}

/* Read @path; on failure say why and return false. */
bool trace_read(struct trace *trace, const char *path, bool pages)
{
	struct reader reader = { .path = path };
	bool good;

	*trace = (struct trace){ .pages = pages };
	reader.file = gzopen(path, "r");
	if (!reader.file) {
		fprintf(stderr, "%s: %s\n", path, strerror(errno));
		return false;
	}
	good = read_trace(&reader, trace);
	gzclose(reader.file);
	if (!good)
		trace_free(trace);
	return good;
}

void trace_free(struct trace *trace)
{
	free(trace->ops);
	trace->ops = NULL;
}
