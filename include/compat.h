/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Differences between the supported kernels, and nothing else: no other file
 * looks at LINUX_VERSION_CODE.
 */
#ifndef RESPOOL_COMPAT_H
#define RESPOOL_COMPAT_H

#include <linux/version.h>

#endif /* RESPOOL_COMPAT_H */
