// SPDX-License-Identifier: GPL-2.0
/*
 * Loaded in front of User-mode Linux where the CPU has AMX.
 *
 * Before 6.13 User-mode Linux saves a process's vector registers in a buffer
 * that is too small for AMX's and gives up at the first process. Told that
 * there is no such register set it falls back to the old one, which is enough
 * for programs that keep their hands off AVX.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <elf.h>
#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <sys/ptrace.h>

typedef long ptrace_fn(int request, ...);

long ptrace(enum __ptrace_request request, ...)
{
	ptrace_fn *real = (ptrace_fn *)dlsym(RTLD_NEXT, "ptrace");
	void *addr, *data;
	va_list args;
	int pid;

	va_start(args, request);
	pid = va_arg(args, int);
	addr = va_arg(args, void *);
	data = va_arg(args, void *);
	va_end(args);

	if ((request == PTRACE_GETREGSET || request == PTRACE_SETREGSET) &&
	    (uintptr_t)addr == NT_X86_XSTATE) {
		errno = ENODEV;
		return -1;
	}
	return real(request, pid, addr, data);
}
