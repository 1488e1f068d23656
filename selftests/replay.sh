#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Traces of every kind run to their end with all content as it was written, in
# a pool of twice their peak; bad traces are refused in one line.

cd "$(dirname "$0")" || exit 1
[ -d traces ] || { echo "1..0 # SKIP no traces beside this script"; exit 4; }

work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
number=0 worst=0

# check NAME COMMAND...: one test
check() {
	local name=$1

	shift
	number=$((number + 1))
	if "$@"; then
		echo "ok $number $name"
	else
		echo "not ok $number $name"
		worst=1
	fi
}

# Whether $work/json has one object, with this field at this value.
field() {
	[ "$(wc -l <"$work/json")" = 1 ] && grep -q "^{.*\"$1\": $2[,}]" "$work/json"
}

operations() {
	zcat "$1" | sed -n 3p
}

replays_all() {
	./replay --twice --check "$1" >"$work/json" || return
	sed 's/^/# /' "$work/json"
	field failed 0 && field ops "$(operations "$1")"
}

# One object for each, in the order asked for; the same payload and no failure.
policies_are_compared() {
	./replay --twice --check --policy first,next,best,good \
		traces/kmalloc/kmalloc-files.rep.gz >"$work/json" || return
	sed 's/^/# /' "$work/json"
	[ "$(sed 's/.*"fit": "\([a-z]*\)".*/\1/' "$work/json" | tr '\n' ' ')" = \
		'first next best good ' ] &&
		[ "$(grep -c '"failed": 0, "peak_payload_bytes": 68545,' "$work/json")" = 4 ]
}

policies_that_are_none_are_refused() {
	for policies in worst first,first first, ''; do
		./replay --policy "$policies" traces/kmalloc/kmalloc-files.rep.gz \
			>"$work/json" 2>"$work/said"
		[ $? -eq 2 ] && [ ! -s "$work/json" ] || return
	done
}

finds_smallest() {
	./replay --smallest --check traces/kmalloc/kmalloc-files.rep.gz >"$work/json" || return
	sed 's/^/# /' "$work/json"
	field failed 0 && field smallest_pool_bytes '[1-9][0-9]*'
}

# A pool of one page cannot serve it: that has to be seen, and nothing broken.
fails_in_a_small_pool() {
	{ ! grep -q '^respool_test ' /proc/modules || rmmod respool_test; } &&
	{ ! grep -q '^respool ' /proc/modules || rmmod respool; } &&
	insmod ./respool.ko pools=main:8K && insmod ./respool_test.ko || return
	./replay --check traces/kmalloc/kmalloc-files.rep.gz >"$work/json" 2>"$work/said"
	[ $? -eq 1 ] && [ ! -s "$work/said" ] && field failed '[1-9][0-9]*'
}

commands_run_at_the_peak() {
	./replay --twice --at-peak "cat /sys/kernel/debug/respool/main/stats >$work/stats" \
		traces/pages/pages-files.pages.gz >"$work/json" || return
	pages=$(sed -n 's/^allocated_pages //p' "$work/stats")
	field peak_payload_bytes $((pages * 4096))
}

commands_run_every_so_often() {
	./replay --twice --every 10000 --at-peak "echo \$OPERATION >>$work/when" \
		traces/kmalloc/kmalloc-files.rep.gz >"$work/json" || return
	[ "$(grep -c peak "$work/when")" = 1 ] &&
		[ "$(grep -v peak "$work/when" | xargs)" = "0 $(seq 10000 10000 70000 | xargs)" ]
}

# refused TEXT WHERE: printf's TEXT as a trace is refused with a line that
# starts with the file's name and the line number WHERE.
refused() {
	local file=$work/bad.rep

	printf "$1" >"$file"
	is_refused "$file" "$2"
}

is_refused() {
	./replay "$1" >"$work/json" 2>"$work/said"
	[ $? -eq 2 ] && [ ! -s "$work/json" ] && [ "$(wc -l <"$work/said")" = 1 ] &&
		grep -q "^$1:$2: " "$work/said"
}

cut_gzip_is_refused() {
	head -c 20000 traces/kmalloc/kmalloc-build.rep.gz >"$work/cut.rep.gz"
	is_refused "$work/cut.rep.gz" '[1-9][0-9]*'
}

damaged_gzip_is_refused() {
	{
		head -c 60000 traces/kmalloc/kmalloc-build.rep.gz
		printf 'damage'
		tail -c +60007 traces/kmalloc/kmalloc-build.rep.gz
	} >"$work/damaged.rep.gz"
	is_refused "$work/damaged.rep.gz" '[1-9][0-9]*'
}

missing_file_is_refused() {
	./replay "$work/none.rep" >"$work/json" 2>"$work/said"
	[ $? -eq 2 ] && [ "$(wc -l <"$work/said")" = 1 ]
}

traces=$(find traces -name '*.gz' | sort)
echo "TAP version 13"
echo "1..$(($(echo "$traces" | wc -l) + 18))"
for trace in $traces; do
	check "${trace#traces/} replays in twice its peak" replays_all "$trace"
done
check "policies are compared" policies_are_compared
check "policies that are none are refused" policies_that_are_none_are_refused
check "smallest pool is found" finds_smallest
check "command runs at the peak" commands_run_at_the_peak
check "command runs after every so many operations" commands_run_every_so_often
check "pool that is too small fails operations and nothing else" fails_in_a_small_pool
check "missing file is refused" missing_file_is_refused
check "empty file is refused" refused '' 1
check "garbage is refused" refused 'garbage\n' 1
check "operation that is none is refused" refused '1\n1\n1\n1\nx 0 8\n' 5
check "missing size is refused" refused '1\n1\n1\n1\na 0\n' 5
check "id out of range is refused" refused '1\n1\n1\n1\na 1 8\n' 5
check "id allocated twice is refused" refused '1\n1\n2\n1\na 0 8\na 0 8\n' 6
check "free of what is not allocated is refused" refused '1\n1\n3\n1\na 0 8\nf 0\nf 0\n' 7
check "size beyond all numbers is refused" refused '1\n1\n1\n1\na 0 99999999999999999999\n' 5
check "file that ends too early is refused" refused '1\n1\n9\n1\na 0 8\n' 6
check "cut gzip file is refused" cut_gzip_is_refused
check "damaged gzip file is refused" damaged_gzip_is_refused
exit $worst
