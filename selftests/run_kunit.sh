#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Run the KUnit suites, as root, in a kernel that has KUnit: they run as their
# module is loaded. Prints what they say in the kernel log, which is KTAP.

cd "$(dirname "$0")" || exit 1
insmod respool.ko \
	pools=main:16M,plain:16M/nocache,odd:12436K,worn:1M,sum:16380K@none || exit 1
dmesg -c >/dev/null
insmod respool_kunit.ko || exit 1
dmesg >/tmp/kunit || exit 1
# Linux 6.1 has no plan for the suites of a module; scripts/check knows them by name.
grep -q '^1\.\.' /tmp/kunit || echo "1..$(grep -cE '^(not )?ok ' /tmp/kunit)"
cat /tmp/kunit
rmmod respool_kunit && rmmod respool
