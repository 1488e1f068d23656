/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the selftests and replay share in talking to the test driver.
 *
 * Functions return 0 (or a count, or a descriptor) or a negative errno.
 */
#ifndef RESPOOL_CLIENT_H
#define RESPOOL_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>
#include "respool_test.h"

#define CLIENT_DEFAULT_POOLS	"main:64M"
#define CLIENT_DEBUGFS		"/sys/kernel/debug/respool"

/* One operation, as in run(fd, OP(ALLOC, .handle = 1, .size = 100), NULL). */
#define OP(code, ...) \
	((struct respool_test_op){ .op = RESPOOL_TEST_##code, ##__VA_ARGS__ })

/* Names of the refusals, by enum respool_refusal, as debugfs has them. */
extern const char *const client_refusal_names[RESPOOL_TEST_NR_REFUSALS];

/* Names of the fits, by enum respool_test_fit, as debugfs has them. */
extern const char *const client_fit_names[RESPOOL_TEST_NR_FITS];

/* Modules. They are looked for beside the program. */
int client_load(const char *module, const char *params);
int client_unload(const char *module);
int client_use_pools(const char *pools);
int client_count_latency(bool on);

/* The driver. */
int client_open(const char *pool, unsigned int nr_handles);
int client_slab(int fd, const char *name);
int client_slab_with(int fd, const char *name, __u32 fit, __u32 flags);
int client_cache(int fd, const char *name, __u64 size, __u64 align, __u32 flags);
int client_ioctl(int fd, unsigned long cmd, void *arg);
int client_validate(int fd, unsigned int target, char why[120]);
int run(int fd, struct respool_test_op op, __u64 *value);
int run_batch(int fd, struct respool_test_op *ops, unsigned int nr_ops,
	      struct respool_test_batch *batch);

/* This thread is on that CPU from now on. */
int client_move_to(unsigned int cpu);

/* Files. */
int client_read_file(const char *path, char *text, size_t size);

/* Until a task of ours, a thread or a child, sleeps or has ended. */
void client_await_sleep(pid_t task);

#endif /* RESPOOL_CLIENT_H */
