// SPDX-License-Identifier: GPL-2.0
/*
 * What no module should do, on request: scripts/vm-selftest loads this in a
 * guest to see that the kernel and scripts/vm notice.
 */
#include <linux/bug.h>
#include <linux/compiler.h>
#include <linux/delay.h>
#include <linux/irqflags.h>
#include <linux/jiffies.h>
#include <linux/kthread.h>
#include <linux/module.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/smp.h>
#include <linux/spinlock.h>
#include <linux/string.h>
#include <linux/timer.h>

static char *what = "nothing";
module_param(what, charp, 0444);
MODULE_PARM_DESC(what, "warn, oops, hang, overflow, shift, deadlock, sleep, cpu, timer, leak or race");

static void do_warn(void)
{
	WARN(1, "asked to warn\n");
}

static void do_oops(void)
{
	WRITE_ONCE(*(int *)8, 0);
}

static void do_hang(void)
{
	local_irq_disable();
	for (;;)
		cpu_relax();
}

/* One byte beyond a block of kmalloc's. */
static void do_overflow(void)
{
	char *block = kmalloc(24, GFP_KERNEL);

	if (!block)
		return;
	OPTIMIZER_HIDE_VAR(block);
	WRITE_ONCE(block[24], 0);
	kfree(block);
}

static void do_shift(void)
{
	int bits = 40;

	OPTIMIZER_HIDE_VAR(bits);
	pr_info("1 << %d is %d\n", bits, 1 << bits);
}

/* Two locks in either order: harmless today, a deadlock one day. */
static void do_deadlock(void)
{
	static DEFINE_SPINLOCK(a);
	static DEFINE_SPINLOCK(b);

	spin_lock(&a);
	spin_lock(&b);
	spin_unlock(&b);
	spin_unlock(&a);
	spin_lock(&b);
	spin_lock(&a);
	spin_unlock(&a);
	spin_unlock(&b);
}

static void do_sleep(void)
{
	preempt_disable();
	might_sleep();
	preempt_enable();
}

static void do_cpu(void)
{
	pr_info("on CPU %u, or another\n", smp_processor_id());
}

static void ring(struct timer_list *timer)
{
}

/* Make a timer anew that is still to ring. */
static void do_timer(void)
{
	static struct timer_list timer;

	timer_setup(&timer, ring, 0);
	mod_timer(&timer, jiffies + HZ);
	timer_setup(&timer, ring, 0);
}

/* Several, as a stale register may still hold the address of one. */
static void do_leak(void)
{
	int i;

	for (i = 0; i < 16; i++)
		if (kmalloc(100, GFP_KERNEL))
			cond_resched();
}

static unsigned long shared;

static int racer(void *unused)
{
	while (!kthread_should_stop()) {
		shared++;
		cond_resched();
	}
	return 0;
}

static void do_race(void)
{
	unsigned long end = jiffies + 3 * HZ;
	struct task_struct *other = kthread_run(racer, NULL, "racer");

	while (time_before(jiffies, end)) {
		shared++;
		cond_resched();
	}
	if (!IS_ERR(other))
		kthread_stop(other);
}

static const struct {
	const char *name;
	void (*fn)(void);
} things[] = {
	{ "warn", do_warn },
	{ "oops", do_oops },
	{ "hang", do_hang },
	{ "overflow", do_overflow },
	{ "shift", do_shift },
	{ "deadlock", do_deadlock },
	{ "sleep", do_sleep },
	{ "cpu", do_cpu },
	{ "timer", do_timer },
	{ "leak", do_leak },
	{ "race", do_race },
};

static int __init bad_init(void)
{
	int i;

	for (i = 0; i < ARRAY_SIZE(things); i++)
		if (!strcmp(what, things[i].name))
			things[i].fn();
	return 0;
}

static void __exit bad_exit(void)
{
}

module_init(bad_init);
module_exit(bad_exit);
MODULE_DESCRIPTION("Misbehaves on request");
MODULE_LICENSE("GPL");
