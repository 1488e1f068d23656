#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Let spin go through all states of each model, and find each mistake that is put
# into one; TAP on standard output.
#
# usage: check.sh DIR
#   DIR is where the verifiers are built.

set -u
dir=$1
models=$(dirname "$(realpath "$0")")
number=0
failed=0

# verify MODEL FLAG...: build and run the verifier; its exit status is of no use.
# Processes that run on a condition do not go with the reduction of partial orders.
verify()
{
	model=$models/$1.pml
	shift
	rm -rf "$dir/pan"
	mkdir -p "$dir/pan"
	(cd "$dir/pan" && spin -a "$@" "$model" &&
		cc -O1 -w -DSAFETY -DNOREDUCE -DMEMLIM=4000 -o pan pan.c &&
		timeout -k 5 600 ./pan -m100000 -w24) >"$dir/log" 2>&1 </dev/null
}

# result DESCRIPTION: the exit status before says whether it is so.
result()
{
	if [ $? -eq 0 ]; then
		ok=ok
	else
		ok="not ok"
		failed=$((failed + 1))
	fi
	number=$((number + 1))
	echo "$ok $number - $1"
	[ "$ok" = ok ] || sed 's/^/# /' "$dir/log"
}

# All states were visited, without an error.
holds()
{
	verify "$@"
	sed -n 's/^ *\([0-9]*\) states, stored.*/# \1 states of '"$*"'/p' "$dir/log"
	grep -q 'errors: 0$' "$dir/log" && ! grep -q 'Search not completed\|max search depth' "$dir/log"
}

# An assertion fails, and nothing else does.
is_rejected()
{
	verify "$@"
	grep -q '^pan:1: assertion violated' "$dir/log"
}

echo 1..19
holds pages -DCALLS=3 -DINTERRUPTS=0 -DHOTPLUG=1
result "pages: three calls of each task while a CPU goes away"
holds pages -DCALLS=2 -DINTERRUPTS=1 -DHOTPLUG=0
result "pages: two calls of each task and an interrupt"
holds pages -DCALLS=2 -DINTERRUPTS=4 -DHOTPLUG=1
result "pages: two calls of each task and an interrupt on the CPU that goes away"
holds pages -DCALLS=1 -DINTERRUPTS=3 -DHOTPLUG=0
result "pages: a call of each task and nested interrupts"
is_rejected pages -DCALLS=2 -DINTERRUPTS=1 -DHOTPLUG=0 -DNO_LOCK
result "pages: a lock that is taken in two steps is rejected"
is_rejected pages -DCALLS=2 -DINTERRUPTS=1 -DHOTPLUG=0 -DNO_WAIT
result "pages: a task that does not wait for a magazine is rejected"
for blocks in 1 2 3; do
	holds racks -DBLOCKS=$blocks
	result "racks: frees of $blocks and one more, and two interrupts"
done
is_rejected racks -DBLOCKS=1 -DNO_WORD
result "racks: a rack that is passed over without a word is rejected"
is_rejected racks -DBLOCKS=1 -DWORD_LAST
result "racks: word that may come too late is rejected"
is_rejected racks -DBLOCKS=3 -DNO_LIMIT
result "racks: other CPUs that are not told to look are rejected"
is_rejected racks -DBLOCKS=1 -DTORN
result "racks: a count that is written in two steps is rejected"
holds objects -DWORDS=1
result "objects: three CPUs that return one each and take a word again"
is_rejected objects -DWORDS=1 -DNO_LOOK
result "objects: taking the last ones without a look for others is rejected"
is_rejected objects -DWORDS=1 -DLOOK_FIRST
result "objects: a look that comes too early is rejected"
is_rejected objects -DWORDS=1 -DONE_SWEEP
result "objects: a sweep without a second look is rejected"
is_rejected objects -DWORDS=1 -DFREE_FIRST
result "objects: one that is returned while it lives is rejected"
! verify pages -DCALLS=many
result "what is no model is not taken for one"
[ $failed -eq 0 ]
