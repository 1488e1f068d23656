#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Replay every trace below the directories given, each with its content checked
# and in a pool of twice the trace's peak. One line of JSON for each, also in
# /out/replay.jsonl if there is an /out.
#
#   replay_twice.sh [--smallest] [DIR]...
#
# --smallest also finds, by bisection, the smallest pool that serves the trace.
# Exit status: 0 if all were replayed with no failed operation.

here=$(dirname "$(realpath "$0")")
mode=--twice
[ "$1" != --smallest ] || { mode=$1; shift; }
[ $# -gt 0 ] || set -- "$here/traces"

work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
find "$@" -type f \( -name '*.rep' -o -name '*.pages' -o -name '*.rep.gz' -o -name '*.pages.gz' \) |
	sort >"$work/traces"
if [ ! -s "$work/traces" ]; then
	echo "replay_twice.sh: no traces below $*" >&2
	exit 1
fi

status=0
while read -r trace; do
	"$here/replay" $mode --check "$trace" >"$work/json" </dev/null || status=1
	cat "$work/json"
	[ ! -d /out ] || cat "$work/json" >>/out/replay.jsonl
done <"$work/traces"
exit $status
