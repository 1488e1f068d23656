#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Run the selftests, as root, in a machine that has nothing better to do: they
# load and unload the modules as they need them.
#
# It prints what the kernel's kselftest/runner.sh prints, which itself wants a
# timeout(1) and a sed(1) that busybox does not have: a plan and a result for
# each program, before that the program's own TAP behind "# ".
#
# Exit status: 0 all passed, 1 something failed, 4 something was skipped.

usage="usage: $0 [-l] [-t SECONDS] [TEST]...
  -l            list the tests
  -t SECONDS    for each test, default 600
Default: all tests."

cd "$(dirname "$0")" || exit 1
list=$(cut -d: -f2 kselftest-list.txt) || exit 1
seconds=600
while getopts lt: option; do
	case $option in
	l) echo "$list"; exit 0 ;;
	t) seconds=$OPTARG ;;
	*) echo "$usage" >&2; exit 1 ;;
	esac
done
shift $((OPTIND - 1))
[ $# -gt 0 ] || set -- $list

work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT

# As it comes, a line at a time.
prefix() {
	while IFS= read -r line; do
		case $line in
		ok*'# SKIP'*) : >"$work/skipped" ;;
		esac
		printf '# %s\n' "$line"
	done
}

# What the exit status of a test program means.
result() {
	case $1 in
	0) echo "ok $number $name" ;;
	4) echo "ok $number $name # SKIP"; : >"$work/skipped" ;;
	124 | 143) echo "not ok $number $name # TIMEOUT $seconds seconds"; worst=1 ;;
	*) echo "not ok $number $name # exit=$1"; worst=1 ;;
	esac
}

number=0 worst=0
echo "TAP version 13"
echo "1..$#"
for test; do
	number=$((number + 1))
	name="selftests: respool: $test"
	echo "# $name"
	{
		timeout "$seconds" "./$test" 2>&1 </dev/null
		echo $? >"$work/status"
	} | prefix
	result "$(cat "$work/status")"
done
[ $worst -ne 0 ] || [ ! -e "$work/skipped" ] || worst=4
exit $worst
