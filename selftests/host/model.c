// SPDX-License-Identifier: GPL-2.0
#include <stdlib.h>

#include "model.h"

/* How a state was reached first. */
struct step {
	u32 from;
	struct operation operation;
};

struct key {
	u64 half[2];
};

/* The states met are known by 128 bits each; two that share them are not to be expected. */
static struct {
	struct key *key;
	unsigned long nr, size;
} met;

/* Steps to all states, and the records of those that are to be gone on from. */
static struct step *steps;
static unsigned long nr_steps, steps_size;
static u8 *queue[2];
static unsigned long queue_nr[2], queue_size[2];

static struct {
	const struct model *model;
	u32 state;			/* the one being gone on from */
	struct operation operation;	/* and how; no kind: not at all */
	bool done;
} now;

static void *grow(void *memory, size_t bytes)
{
	memory = realloc(memory, bytes);
	if (!memory) {
		fprintf(stderr, "out of memory\n");
		exit(2);
	}
	return memory;
}

static u64 mix(u64 h, u64 word)
{
	h = (h ^ word) * 0x9e3779b97f4a7c15;
	return h ^ h >> 29;
}

static struct key key_of(const u8 *record, size_t bytes)
{
	struct key key = { { 1, 0x7f4a7c15 } };
	u64 word;
	size_t i;

	for (i = 0; i < bytes; i += sizeof(word)) {
		word = 0;
		memcpy(&word, record + i, min(sizeof(word), bytes - i));
		key.half[0] = mix(key.half[0], word);
		key.half[1] = mix(key.half[1], word * 0xbf58476d1ce4e5b9 + i);
	}
	return key;
}

/* Where @key is, or an empty place for it. */
static struct key *find_key(struct key key)
{
	unsigned long i = key.half[0];

	for (;; i++) {
		struct key *at = &met.key[i & (met.size - 1)];

		if (!memcmp(at, &key, sizeof(key)) || !(at->half[0] | at->half[1]))
			return at;
	}
}

static void make_room(void)
{
	struct key *old = met.key;
	unsigned long size = met.size, i;

	if (2 * met.nr < met.size)
		return;
	met.size = max(2 * size, 1024UL);
	met.key = must_zalloc(met.size, sizeof(*met.key));
	for (i = 0; i < size; i++)
		if (old[i].half[0] | old[i].half[1])
			*find_key(old[i]) = old[i];
	free(old);
}

static bool is_new(const u8 *record)
{
	struct key key = key_of(record, now.model->key_bytes), *at;

	make_room();
	at = find_key(key);
	if (!memcmp(at, &key, sizeof(key)))
		return false;
	*at = key;
	met.nr++;
	return true;
}

/* A queue entry is the number of the state, in 8 bytes, and its record. */
static size_t entry_bytes(void)
{
	return sizeof(u64) + round_up(now.model->bytes, 8);
}

static void put_state(unsigned int which, const u8 *record)
{
	u32 number = nr_steps;
	u8 *entry;

	if (nr_steps == steps_size) {
		steps_size = max(2 * steps_size, 1024UL);
		steps = grow(steps, steps_size * sizeof(*steps));
	}
	steps[nr_steps++] = (struct step){ now.state, now.operation };
	if (queue_nr[which] == queue_size[which]) {
		queue_size[which] = max(2 * queue_size[which], 1024UL);
		queue[which] = grow(queue[which], queue_size[which] * entry_bytes());
	}
	entry = queue[which] + queue_nr[which]++ * entry_bytes();
	memcpy(entry, &number, sizeof(number));
	memcpy(entry + sizeof(u64), record, now.model->bytes);
}

static void print_path(u32 state)
{
	if (!state)
		return;
	print_path(steps[state].from);
	fprintf(stderr, "%s\n", now.model->name(steps[state].operation));
}

static void print_sequence(void)
{
	if (now.done || !now.operation.kind)
		return;
	print_path(now.state);
	fprintf(stderr, "%s\n", now.model->name(now.operation));
}

/* All that can be done in the state of @entry; what is new is put into queue @to. */
static void go_on(const u8 *entry, unsigned int to, struct explored *explored)
{
	static struct operation operations[MODEL_MAX_OPERATIONS];
	const struct model *model = now.model;
	static u8 *record;
	unsigned int nr, i;

	record = grow(record, model->bytes);
	memcpy(&now.state, entry, sizeof(now.state));
	model->restore(entry + sizeof(u64));
	nr = model->list(operations);
	for (i = 0; i < nr; i++) {
		now.operation = operations[i];
		explored->transitions++;
		if (!model->apply(operations[i]))
			continue;
		model->compare();
		model->save(record);
		if (is_new(record))
			put_state(to, record);
		model->restore(entry + sizeof(u64));
	}
}

static void begin(const struct model *model)
{
	static bool registered;
	u8 *record = must_zalloc(1, model->bytes);

	if (!registered)
		atexit(print_sequence);
	registered = true;
	now.model = model;
	now.state = 0;
	now.operation = (struct operation){};
	now.done = false;
	free(met.key);
	free(queue[0]);
	free(queue[1]);
	memset(queue, 0, sizeof(queue));
	memset(&met, 0, sizeof(met));
	nr_steps = 0;
	memset(queue_nr, 0, sizeof(queue_nr));
	memset(queue_size, 0, sizeof(queue_size));
	model->compare();
	model->save(record);
	is_new(record);
	put_state(0, record);
	free(record);
}

void model_explore(const struct model *model, unsigned long enough, struct explored *explored)
{
	unsigned int from = 0;
	unsigned long i;

	memset(explored, 0, sizeof(*explored));
	begin(model);
	while (queue_nr[from] && met.nr < enough) {
		queue_nr[!from] = 0;
		for (i = 0; i < queue_nr[from]; i++)
			go_on(queue[from] + i * entry_bytes(), !from, explored);
		from = !from;
		explored->depth++;
	}
	explored->all = !queue_nr[from];
	explored->states = met.nr;
	now.done = true;
}

unsigned long model_enough(int argc, char **argv, unsigned long otherwise)
{
	return argc > 1 ? strtoul(argv[1], NULL, 0) : otherwise;
}
