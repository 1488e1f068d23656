// SPDX-License-Identifier: GPL-2.0
/* Counts the work of a core, for the programs that hold it against a bound. */
#include "buddy_bound.h"

static unsigned long work;
static struct {
	unsigned long when;
	void (*what)(void);
} interruption;

void __sanitizer_cov_trace_pc(void)
{
	if (++work == interruption.when)
		interruption.what();
}

void interrupt_work(unsigned long steps, void (*what)(void))
{
	interruption.when = work + steps;
	interruption.what = what;
}

unsigned long work_done(void)
{
	return work;
}
