// SPDX-License-Identifier: GPL-2.0
/* What the selftests and replay share in talking to the test driver. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "client.h"

const char *const client_refusal_names[RESPOOL_TEST_NR_REFUSALS] = {
	"double_free", "interior", "wrong_order", "foreign", "wrong_slab",
	"zero_size", "too_large", "bad_align", "overflow", "corrupt", "redzone", "poison",
	"bad_flags",
};

static int module_path(const char *module, char path[PATH_MAX])
{
	char program[PATH_MAX];
	ssize_t len = readlink("/proc/self/exe", program, sizeof(program) - 1);

	if (len < 0)
		return -errno;
	program[len] = '\0';
	*strrchr(program, '/') = '\0';
	len = snprintf(path, PATH_MAX, "%s/%s.ko", program, module);
	return len < PATH_MAX ? 0 : -ENAMETOOLONG;
}

int client_load(const char *module, const char *params)
{
	char path[PATH_MAX];
	int error = module_path(module, path);
	int fd;

	if (error)
		return error;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	error = syscall(SYS_finit_module, fd, params, 0) ? -errno : 0;
	close(fd);
	return error;
}

int client_unload(const char *module)
{
	return syscall(SYS_delete_module, module, O_NONBLOCK) ? -errno : 0;
}

static bool pools_in_use(const char *pools)
{
	char loaded[256];

	if (access(RESPOOL_TEST_DEVICE, R_OK | W_OK))
		return false;
	if (client_read_file("/sys/module/respool/parameters/pools", loaded, sizeof(loaded)) < 0)
		return false;
	loaded[strcspn(loaded, "\n")] = '\0';
	return !strcmp(loaded, pools);
}

/* Have both modules loaded with these pools; -ENOENT if there are no modules. */
int client_use_pools(const char *pools)
{
	char params[256];
	int error;

	if (pools_in_use(pools))
		return 0;

	error = client_unload("respool_heap");
	if (error && error != -ENOENT)
		return error;
	error = client_unload("respool_test");
	if (error && error != -ENOENT)
		return error;
	error = client_unload("respool");
	if (error && error != -ENOENT)
		return error;
	snprintf(params, sizeof(params), "pools=%s", pools);
	error = client_load("respool", params);
	if (error)
		return error;
	return client_load("respool_test", "");
}

int client_move_to(unsigned int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	return sched_setaffinity(0, sizeof(set), &set) ? -errno : 0;
}

int client_ioctl(int fd, unsigned long cmd, void *arg)
{
	return ioctl(fd, cmd, arg) ? -errno : 0;
}

int client_open(const char *pool, unsigned int nr_handles)
{
	struct respool_test_open arg = { .nr_handles = nr_handles };
	int fd, error;

	fd = open(RESPOOL_TEST_DEVICE, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	snprintf(arg.name, sizeof(arg.name), "%s", pool);
	error = client_ioctl(fd, RESPOOL_TEST_IOC_OPEN, &arg);
	if (!error)
		return fd;
	close(fd);
	return error;
}

const char *const client_fit_names[RESPOOL_TEST_NR_FITS] = { "good", "first", "next", "best" };

int client_slab_with(int fd, const char *name, __u32 fit, __u32 flags)
{
	struct respool_test_slab arg = { .fit = fit, .flags = flags };

	snprintf(arg.name, sizeof(arg.name), "%s", name);
	return client_ioctl(fd, RESPOOL_TEST_IOC_SLAB_CREATE, &arg) ?: (int)arg.slab;
}

int client_slab(int fd, const char *name)
{
	return client_slab_with(fd, name, 0, 0);
}

int client_cache(int fd, const char *name, __u64 size, __u64 align, __u32 flags)
{
	struct respool_test_cache arg = { .size = size, .align = align, .flags = flags };

	snprintf(arg.name, sizeof(arg.name), "%s", name);
	return client_ioctl(fd, RESPOOL_TEST_IOC_CACHE_CREATE, &arg) ?: (int)arg.cache;
}

int client_validate(int fd, unsigned int target, char why[120])
{
	struct respool_test_validate arg = { .target = target };
	int error = client_ioctl(fd, RESPOOL_TEST_IOC_VALIDATE, &arg);

	memcpy(why, arg.why, sizeof(arg.why));
	return error ?: arg.result;
}

int run(int fd, struct respool_test_op op, __u64 *value)
{
	int error = client_ioctl(fd, RESPOOL_TEST_IOC_OP, &op);

	if (value)
		*value = op.value;
	return error;
}

int run_batch(int fd, struct respool_test_op *ops, unsigned int nr_ops,
	      struct respool_test_batch *batch)
{
	*batch = (struct respool_test_batch){
		.ops = (__u64)(unsigned long)ops,
		.nr_ops = nr_ops,
	};
	return client_ioctl(fd, RESPOOL_TEST_IOC_BATCH, batch);
}

/* Have respool.ko count how long calls take, from zero, or not. */
int client_count_latency(bool on)
{
	int fd = open("/sys/module/respool/parameters/latency", O_WRONLY | O_CLOEXEC);
	int error = fd < 0 || write(fd, on ? "1" : "0", 1) != 1 ? -errno : 0;

	close(fd);
	return error;
}

/* Read a whole file as a string; returns its length. */
int client_read_file(const char *path, char *text, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t len = 0;
	ssize_t n;

	if (fd < 0)
		return -errno;
	while ((n = read(fd, text + len, size - 1 - len)) > 0)
		len += n;
	close(fd);
	text[len] = '\0';
	if (n < 0)
		return -errno;
	return len < size - 1 ? (int)len : -EFBIG;
}

void client_await_sleep(pid_t task)
{
	char path[64], stat[512], *state;

	snprintf(path, sizeof(path), "/proc/%d/stat", task);
	while (client_read_file(path, stat, sizeof(stat)) >= 0) {
		state = strrchr(stat, ')');
		if (state && strchr("SDZ", state[2]))
			break;
		usleep(1000);
	}
}
