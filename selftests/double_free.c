// SPDX-License-Identifier: GPL-2.0
/*
 * Free one page of a pool twice, on purpose, and say what came of it. For the
 * demonstration; what must come of it is tested in refusals.c.
 *
 *   double_free [POOL]
 *
 * Exit status: 0 if the second free was refused as a double free.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "client.h"

int main(int argc, char **argv)
{
	struct respool_test_misuse misuse = {
		.call = RESPOOL_TEST_CALL_FREE_PAGES,
		.mistake = RESPOOL_TEST_FREED,
	};
	int fd = client_open(argc > 1 ? argv[1] : "main", 1);
	int error = fd < 0 ? fd : run(fd, OP(ALLOC_PAGES), NULL);

	if (!error)
		error = client_ioctl(fd, RESPOOL_TEST_IOC_MISUSE, &misuse);
	if (error) {
		fprintf(stderr, "double_free: %s\n", strerror(-error));
		return 2;
	}
	printf("the second free returned %d (%s)\n", misuse.result, strerror(-misuse.result));
	return misuse.result != -EALREADY;
}
