// SPDX-License-Identifier: GPL-2.0
/*
 * What no module should do, on request: scripts/vm-selftest loads this in a
 * guest to see that scripts/vm notices.
 */
#include <linux/bug.h>
#include <linux/compiler.h>
#include <linux/irqflags.h>
#include <linux/module.h>
#include <linux/string.h>

static char *what = "nothing";
module_param(what, charp, 0444);
MODULE_PARM_DESC(what, "warn, oops or hang");

static int __init bad_init(void)
{
	if (!strcmp(what, "warn"))
		WARN(1, "asked to warn\n");
	if (!strcmp(what, "oops"))
		WRITE_ONCE(*(int *)8, 0);
	if (!strcmp(what, "hang")) {
		local_irq_disable();
		for (;;)
			cpu_relax();
	}
	return 0;
}

static void __exit bad_exit(void)
{
}

module_init(bad_init);
module_exit(bad_exit);
MODULE_DESCRIPTION("Misbehaves on request");
MODULE_LICENSE("GPL");
