#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# The kernel's own selftest of dma-buf heaps, unmodified, on a pool; on those of
# the kernel's heaps that it has, too, as it takes all it finds.
#
#   dmabuf-heap.sh [vgem]	with vgem, importing into it must not be left out

heap=/dev/dma_heap/main
log=$(mktemp) || exit 1

# With pools of our own, whichever there were.
for module in respool_heap respool_test respool; do
	[ ! -d /sys/module/$module ] || rmmod $module || exit 1
done
insmod ./respool.ko pools=main:64M || exit 1
insmod ./respool_heap.ko || exit 1
trap 'rmmod respool_heap; rm -f "$log"' EXIT

if [ ! -c $heap ]; then
	echo "# there is no $heap"
	exit 1
fi
./dmabuf-heap >"$log" 2>&1
status=$?
cat "$log"
if ! grep -q 'Testing heap: main$' "$log"; then
	echo "# it did not look at $heap"
	exit 1
fi
if grep -qE 'FAIL|^not ok' "$log"; then
	echo "# something failed, whatever its exit status"
	exit 1
fi
if [ "$1" = vgem ] && grep -q 'Could not open vgem' "$log"; then
	echo "# it did not import into vgem"
	exit 1
fi
exit $status
