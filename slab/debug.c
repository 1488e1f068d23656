// SPDX-License-Identifier: GPL-2.0
/*
 * What debug= adds to a slab, after the kernel's slub_debug: a red zone behind
 * each block, poison in it, who had it, and a quarantine for those given back.
 *
 * All of it lies inside the block, in room the slab asks the core for besides:
 *
 *   bytes asked for | red zone, at least 16 bytes | struct respool_record
 *
 * In front of a block there is no zone: its header's check serves as one. A
 * block in the quarantine is a live one to the core. Its bytes are poison, so
 * who writes to it after the free is found out when it leaves, or when the slab
 * is validated.
 *
 * A finding is no refusal: what was overwritten is the caller's own block or
 * ours to repair, so the call goes on. It is counted, and the first of its kind
 * is reported.
 *
 * The price. Every call fills or looks at all bytes of a block, some of it with
 * the slab's lock held and interrupts off, and a block is RECORD_BYTES + 16
 * longer. realloc always moves, so that stale pointers are found.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/kernel.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/random.h>
#include <linux/sched.h>
#include <linux/sched/clock.h>
#include <linux/slab.h>
#include <linux/string.h>

#include <trace/events/respool.h>

#include "slab/debug.h"
#include "slab/report.h"
#include "slab/slab.h"

/* As in <linux/poison.h>, where slub has its own. */
#define ZONE_BYTE	0xbb
#define FRESH_BYTE	0x5a
#define FREED_BYTE	0x6b

#define ZONE_MIN	16
#define RECORD_BYTES	sizeof(struct respool_record)

/* An odd number without pattern: the golden ratio in 64 bits. */
#define MIX		0x9e3779b97f4a7c15ULL

/* The parameter: WORD[,WORD...][:SLAB[,SLAB...]] */

static const struct {
	const char *word;
	unsigned int flags;
} words[] = {
	{ "redzone", RESPOOL_SLAB_REDZONE },
	{ "poison", RESPOOL_SLAB_POISON },
	{ "stacks", RESPOOL_SLAB_STACKS },
	{ "quarantine", RESPOOL_SLAB_QUARANTINE },
	{ "all", RESPOOL_DEBUG_FLAGS },
};

static unsigned int default_flags;
static const char *default_slabs;	/* that have them; NULL for all */

static unsigned int flags_of_word(const char *word, size_t len)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(words); i++)
		if (strlen(words[i].word) == len && !strncmp(words[i].word, word, len))
			return words[i].flags;
	return 0;
}

static int parse_words(const char *text)
{
	unsigned int flags;
	size_t len;

	for (;; text += len + 1) {
		len = strcspn(text, ",:");
		flags = flags_of_word(text, len);
		if (!flags) {
			pr_err("debug=: '%.*s' refused: not one of redzone, poison, stacks, quarantine, all\n",
			       (int)len, text);
			return -EINVAL;
		}
		default_flags |= flags;
		if (text[len] != ',')
			return 0;
	}
}

static int check_slabs(const char *text)
{
	char name[RESPOOL_NAME_LEN + 1];
	size_t len;

	for (;; text += len + 1) {
		len = strcspn(text, ",");
		strscpy(name, text, min(len + 1, sizeof(name)));
		if (!respool_name_valid(name)) {
			pr_err("debug=: '%.*s' refused: a name is 1 to 31 characters of a-z, A-Z, 0-9, '_', '.', '-'\n",
			       (int)len, text);
			return -EINVAL;
		}
		if (!text[len])
			return 0;
	}
}

/* @text is kept. */
int respool_debug_setup(const char *text)
{
	int error;

	if (!*text)
		return 0;
	error = parse_words(text);
	if (error)
		return error;
	default_slabs = strchr(text, ':');
	if (!default_slabs)
		return 0;
	default_slabs++;
	return check_slabs(default_slabs);
}

/* What the parameter wants of the slab of this name. */
unsigned int respool_debug_flags(const char *slab)
{
	const char *text;
	size_t len;

	for (text = default_slabs; text; text = text[len] ? text + len + 1 : NULL) {
		len = strcspn(text, ",");
		if (strlen(slab) == len && !strncmp(slab, text, len))
			return default_flags;
	}
	return default_slabs ? 0 : default_flags;
}

struct respool_debug *respool_debug_create(unsigned int flags, struct respool_freelist *f,
					   struct respool_refusals *refusals,
					   struct respool_report *report)
{
	struct respool_debug *debug = kvzalloc(sizeof(*debug), GFP_KERNEL);

	if (!debug)
		return NULL;
	debug->flags = flags;
	/* Poison is what tells that nobody writes to the blocks that wait. */
	if (flags & RESPOOL_SLAB_QUARANTINE)
		debug->flags |= RESPOOL_SLAB_POISON;
	debug->room = RECORD_BYTES + (flags & RESPOOL_SLAB_REDZONE ? ZONE_MIN : 0);
	debug->secret = get_random_u64();
	debug->freelist = f;
	debug->refusals = refusals;
	debug->report = report;
	return debug;
}

void respool_debug_destroy(struct respool_debug *debug)
{
	kvfree(debug);
}

/* Records. @bytes is what the core says of a block: all but its header. */

static struct respool_record *record_of(const void *block, size_t bytes)
{
	return (struct respool_record *)(block + bytes - RECORD_BYTES);
}

static u64 record_check(const struct respool_debug *debug, const struct respool_record *record)
{
	const u64 *word = (const u64 *)record;
	u64 mix = (uintptr_t)record ^ debug->secret;
	size_t i;

	BUILD_BUG_ON(RECORD_BYTES % RESPOOL_BLOCK_ALIGN);
	BUILD_BUG_ON(offsetof(struct respool_record, check));
	for (i = 1; i < RECORD_BYTES / sizeof(u64); i++) {
		mix = (mix ^ word[i]) * MIX;
		mix ^= mix >> 32;
	}
	return mix;
}

static void seal_record(const struct respool_debug *debug, struct respool_record *record)
{
	record->check = record_check(debug, record);
}

static bool record_is_intact(const struct respool_debug *debug, const void *block, size_t bytes)
{
	const struct respool_record *record = record_of(block, bytes);

	return bytes >= debug->room && record->check == record_check(debug, record) &&
	       record->size <= bytes - debug->room;
}

/* A copy of a block's record; false if that is overwritten. */
bool respool_debug_record(const struct respool_debug *debug, const void *block, size_t bytes,
			  struct respool_record *record)
{
	if (!record_is_intact(debug, block, bytes))
		return false;
	memcpy(record, record_of(block, bytes), RECORD_BYTES);
	return true;
}

static void note_event(const struct respool_debug *debug, struct respool_event *event,
		       unsigned long caller)
{
	event->ns = max_t(u64, local_clock(), 1);
	event->pid = current->pid;
	event->nr = 1;
	event->pc[0] = caller;
	if (debug->flags & RESPOOL_SLAB_STACKS)
		event->nr = respool_save_stack(event->pc, caller);
}

/* What lies between the bytes asked for and the record. */
static void set_zone(const struct respool_debug *debug, void *block, size_t bytes, size_t size)
{
	if (debug->flags & RESPOOL_SLAB_REDZONE)
		memset(block + size, ZONE_BYTE, bytes - RECORD_BYTES - size);
}

static void set_poison(const struct respool_debug *debug, void *block, size_t size)
{
	if (debug->flags & RESPOOL_SLAB_POISON)
		memset(block, FREED_BYTE, size);
}

/* What is overwritten */

static const u8 *bad_zone_byte(const struct respool_debug *debug, const void *block, size_t bytes)
{
	size_t size = record_of(block, bytes)->size;

	if (!(debug->flags & RESPOOL_SLAB_REDZONE))
		return NULL;
	return memchr_inv(block + size, ZONE_BYTE, bytes - RECORD_BYTES - size);
}

/* Of a block in the quarantine. */
static const u8 *bad_freed_byte(const struct respool_debug *debug, const void *block, size_t bytes)
{
	if (!(debug->flags & RESPOOL_SLAB_POISON))
		return NULL;
	return memchr_inv(block, FREED_BYTE, record_of(block, bytes)->size);
}

/* Count a finding and, if it is the first of its kind, tell of it. */
static void found(struct respool_debug *debug, enum respool_refusal kind, const void *block,
		  size_t bytes, const void *where, unsigned long caller)
{
	struct respool_refusals *refusals = debug->refusals;
	struct respool_report *report = debug->report;

	atomic64_inc(&refusals->count[kind]);
	trace_respool_corruption("slab", respool_slab_name(debug->slab),
				 respool_slab_offset(debug->slab, where), 0,
				 respool_refusal_names[kind]);
	if (test_bit(kind, &refusals->reported) || !respool_report_begin(report, kind, where))
		return;
	set_bit(kind, &refusals->reported);
	report->block = block;
	report->caller = caller;
	report->what = "what is behind the red zone";
	if (respool_debug_record(debug, block, bytes, &report->record)) {
		report->what = kind == RESPOOL_POISON ? "the freed content" : "the red zone";
		report->found = *(const u8 *)where;
		report->expected = kind == RESPOOL_POISON ? FREED_BYTE : ZONE_BYTE;
	}
	respool_report_end(report, debug->freelist, debug);
}

static bool waits_in_ring(const struct respool_quarantine *q, const void *block)
{
	unsigned int i;

	for (i = 0; i < q->nr; i++)
		if (q->ring[(q->first + i) % ARRAY_SIZE(q->ring)].block == block)
			return true;
	return false;
}

/* Look behind a block, and repair what is wrong there. */
static void check_behind(struct respool_debug *debug, void *block, size_t bytes,
			 unsigned long caller)
{
	struct respool_record *record = record_of(block, bytes);
	const u8 *bad;

	if (!record_is_intact(debug, block, bytes)) {
		found(debug, RESPOOL_REDZONE, block, bytes, record, caller);
		memset(record, 0, RECORD_BYTES);
		record->size = bytes - debug->room;
		record->freed.ns = waits_in_ring(&debug->quarantine, block);
		seal_record(debug, record);
	} else {
		bad = bad_zone_byte(debug, block, bytes);
		if (bad)
			found(debug, RESPOOL_REDZONE, block, bytes, bad, caller);
	}
	set_zone(debug, block, bytes, record->size);
}

/* Calls of the slab */

/* A block was cut out for @size bytes: make it ready but for respool_debug_fill(). */
void respool_debug_hand_out(struct respool_debug *debug, void *block, size_t size,
			    unsigned long caller)
{
	struct respool_record *record;
	size_t bytes = 0;

	respool_freelist_usable_size(debug->freelist, block, &bytes);
	record = record_of(block, bytes);
	memset(record, 0, RECORD_BYTES);
	record->size = size;
	note_event(debug, &record->allocated, caller);
	seal_record(debug, record);
	set_zone(debug, block, bytes, size);
}

/* Without the lock: nobody else knows the block yet. */
void respool_debug_fill(const struct respool_debug *debug, void *block, size_t size)
{
	if (debug->flags & RESPOOL_SLAB_POISON)
		memset(block, FRESH_BYTE, size);
}

static bool is_quarantined(const struct respool_debug *debug, const void *block, size_t bytes)
{
	if (record_is_intact(debug, block, bytes))
		return record_of(block, bytes)->freed.ns;
	return waits_in_ring(&debug->quarantine, block);
}

/* Bytes of a live block, as the core sees it; what is in the quarantine is not live. */
static int find_live(struct respool_debug *debug, const void *block, size_t *bytes)
{
	int error = respool_freelist_usable_size(debug->freelist, block, bytes);

	return error ? error : is_quarantined(debug, block, *bytes) ? -EALREADY : 0;
}

/* What was asked for, or all there is room for if that is not known any more. */
int respool_debug_usable_size(struct respool_debug *debug, const void *block, size_t *size)
{
	size_t bytes;
	int error = find_live(debug, block, &bytes);

	if (error)
		return error;
	*size = bytes - debug->room;
	if (record_is_intact(debug, block, bytes))
		*size = record_of(block, bytes)->size;
	return 0;
}

/* The first double free is counted and logged by the slab; show the block with it. */
static void show_double_free(struct respool_debug *debug, const void *block)
{
	struct respool_report *report = debug->report;
	size_t bytes;

	if (test_bit(RESPOOL_DOUBLE_FREE, &debug->refusals->reported) ||
	    respool_freelist_usable_size(debug->freelist, block, &bytes) ||
	    !respool_report_begin(report, RESPOOL_DOUBLE_FREE, block))
		return;
	report->block = block;
	respool_debug_record(debug, block, bytes, &report->record);
	respool_report_end(report, debug->freelist, debug);
}

static void enter_quarantine(struct respool_quarantine *q, void *block, size_t bytes)
{
	unsigned int last = (q->first + q->nr++) % ARRAY_SIZE(q->ring);

	q->ring[last].block = block;
	q->ring[last].bytes = bytes;
	q->bytes += bytes;
}

static void leave_quarantine(struct respool_quarantine *q)
{
	q->bytes -= q->ring[q->first].bytes;
	q->first = (q->first + 1) % ARRAY_SIZE(q->ring);
	q->nr--;
}

/*
 * Take a block back into the quarantine, after which respool_debug_oldest() has
 * to be asked what must leave it.
 *
 * Return: 0 or why the block cannot be freed, as respool_freelist_free().
 */
int respool_debug_take_back(struct respool_debug *debug, void *block, unsigned long caller)
{
	struct respool_record *record;
	size_t bytes;
	int error = find_live(debug, block, &bytes);

	if (error == -EALREADY)
		show_double_free(debug, block);
	if (error)
		return error;
	/* None leave while damage waits to be mended. */
	if (debug->quarantine.nr == ARRAY_SIZE(debug->quarantine.ring))
		return -EUCLEAN;
	check_behind(debug, block, bytes, caller);
	record = record_of(block, bytes);
	note_event(debug, &record->freed, caller);
	seal_record(debug, record);
	set_poison(debug, block, record->size);
	enter_quarantine(&debug->quarantine, block, bytes);
	return 0;
}

static bool may_stay(const struct respool_debug *debug)
{
	const struct respool_quarantine *q = &debug->quarantine;

	return debug->flags & RESPOOL_SLAB_QUARANTINE && q->nr <= RESPOOL_QUARANTINE_BLOCKS &&
	       q->bytes <= RESPOOL_QUARANTINE_BYTES;
}

/* The next block that has to leave the quarantine, for the core to free; or %NULL. */
void *respool_debug_oldest(struct respool_debug *debug, bool all, unsigned long caller)
{
	struct respool_quarantine *q = &debug->quarantine;
	void *block = q->ring[q->first].block;
	size_t bytes = q->ring[q->first].bytes;
	const u8 *bad;

	if (!q->nr || (!all && may_stay(debug)))
		return NULL;
	check_behind(debug, block, bytes, caller);
	bad = bad_freed_byte(debug, block, bytes);
	if (bad) {
		found(debug, RESPOOL_POISON, block, bytes, bad, caller);
		set_poison(debug, block, record_of(block, bytes)->size);
	}
	return block;
}

/* The oldest has left. */
void respool_debug_let_go(struct respool_debug *debug)
{
	leave_quarantine(&debug->quarantine);
}

/* After a salvage: blocks in runs out of service do not come back. */
void respool_debug_forget_retired(struct respool_debug *debug)
{
	struct respool_quarantine *q = &debug->quarantine;
	unsigned int nr = q->nr;

	while (nr--) {
		void *block = q->ring[q->first].block;
		size_t bytes = q->ring[q->first].bytes;

		leave_quarantine(q);
		if (respool_freelist_knows(debug->freelist, block))
			enter_quarantine(q, block, bytes);
	}
}

static const char *validate_block(const struct respool_debug *debug, const void *block,
				  size_t bytes, const void **where)
{
	*where = record_of(block, bytes);
	if (!record_is_intact(debug, block, bytes))
		return "what is behind a red zone is overwritten";
	*where = bad_zone_byte(debug, block, bytes);
	if (*where)
		return "a red zone is overwritten";
	*where = record_of(block, bytes)->freed.ns ? bad_freed_byte(debug, block, bytes) : NULL;
	return *where ? "a freed block is overwritten" : NULL;
}

/* Look at every live block and at those in the quarantine; repairs nothing. */
const char *respool_debug_validate(struct respool_debug *debug, const void **where)
{
	struct respool_cursor cursor;
	struct respool_block_row row;
	const char *broken = NULL;

	respool_freelist_open(debug->freelist, &cursor);
	while (!broken && respool_freelist_look(debug->freelist, &cursor, &row, 1))
		if (row.kind == RESPOOL_BLOCK_USED)
			broken = validate_block(debug, row.addr + RESPOOL_BLOCK_HEADER,
						row.bytes - RESPOOL_BLOCK_HEADER, where);
	respool_freelist_close(debug->freelist, &cursor);
	return broken;
}
