#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# respool-stat and respool-top on a machine that builds: copies of debugfs, good and
# damaged, under sanitizers, and what others make of their output.
#
# usage: tools.sh DIR	where to build

set -u
dir=$(realpath -m "${1:?where to build}")
cd "$(dirname "$0")" || exit 1
number=0 worst=0

work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT

# check NAME COMMAND...: one test
check() {
	local name=$1

	shift
	number=$((number + 1))
	if "$@" >"$work/log" 2>&1; then
		echo "ok $number $name"
	else
		echo "not ok $number $name"
		sed 's/^/# /' "$work/log"
		worst=1
	fi
}

# A pool with a slab and a cache, and names that have to be quoted.
make_copy() {
	local pool="$1/respool/ma\"in" slab cache

	slab="$pool/slabs/a\\b" cache=$pool/caches/objects
	mkdir -p "$slab" "$cache"
	cat >"$pool/stats" <<-EOT
	pages 1000
	free_pages 600
	allocated_pages 300
	cached_pages 50
	reserved_pages 40
	bad_pages 10
	peak_allocated_pages 700
	max_order 9
	largest_free_order -1
	allocations 123456789
	frees 5
	failures 18446744073709551615
	refused_double_free 1
	EOT
	cat >"$pool/orders" <<-EOT
	order free_blocks allocated_blocks cached_blocks allocations failures
	    0           1                2             3           4        5
	   32  4294967296       4294967297             0           1        0
	EOT
	printf '%s\n' 'owner pages blocks allocations frees' 'net"x 12 3 4 5' 'net"x 1 1 1 1' \
		'torn 1' >"$pool/owners"
	printf '%s\n' 'page free cells of 8 pages: . free, 1-7 partly held, # held' \
		'        0  40                                                            ##..7' \
		'       40 512 ................................................................' \
		'      552 448 ########........................................' >"$pool/map"
	printf '%s\n' 'held_pages 3' 'live_bytes 1' 'internal_permille 12' >"$slab/stats"
	printf '%s\n' 'fit good' 'flags 0x0' >"$slab/options"
	printf '%s\n' 'min_bytes max_bytes blocks bytes unusable_permille' >"$slab/classes"
	printf '%s\n' 'size 100' 'object_bytes 104' 'live_objects 7' >"$cache/stats"
	printf '%s\n' 'order now place' '0 yes -' '' 'passed_over 7' >"$pool/failures"
	printf '%s\n' 'page pages owner age_seconds pid stack' \
		"7 2 net 0 9 $(printf 'f%d<' $(seq 99))end" >"$pool/held"
	printf '%s\n' 'order now place held_pages in_the_way' '0 yes - - -' >"$pool/why"
	printf '%s\n' 'what order below_ns count' 'alloc 3 1 2' 'alloc 3 64 5' \
		'alloc 3 2147483648 1' '' 'what order calls total_ns' 'alloc 3 8 3000000123' \
		>"$pool/latency"
}

builds() {
	make -s -C ../tools OUTPUT="$dir" LDFLAGS= \
		CFLAGS='-g -O1 -fsanitize=address,undefined -fno-sanitize-recover=all'
}

prints_all() {
	"$dir/respool-stat" --debugfs "$1" >/dev/null &&
		"$dir/respool-stat" --debugfs "$1" --why >/dev/null &&
		"$dir/respool-stat" --debugfs "$1" --held >"$work/held" &&
		"$dir/respool-stat" --debugfs "$1" --prometheus >"$work/prom" &&
		"$dir/respool-stat" --debugfs "$1" --json >"$work/json" &&
		"$dir/respool-top" --debugfs "$1" --once --json >"$work/top.json" &&
		for size in 80x24 40x20 1x1 3x50 1000x1000; do
			"$dir/respool-top" --debugfs "$1" --once --size $size >"$work/screen" ||
				return
		done
}

json_is_json() {
	python3 - "$work/json" "$work/top.json" <<-EOT
	import json, sys

	stat, top = (json.load(open(name))["pools"][0] for name in sys.argv[1:])
	assert stat["name"] == top["name"] == 'ma"in'
	assert stat["owners"] == top["owners"] and len(stat["owners"]) == 2
	assert stat["stats"]["failures"] == 2**64 - 1
	assert stat["slabs"][0]["name"] == "a\\\\b"
	assert stat["passed_over"] == {"passed_over": 7} and len(stat["failures"]) == 1
	assert len(top["map"][0]["cells"]) == 64
	EOT
}

# A word may be as long as it likes.
tables_have_whole_words() {
	grep -q '^ma"in .* net .*<f99<end$' "$work/held"
}

# Labels are quoted and counters counted twice are one, as a parser of its own reads it.
prometheus_is_prometheus() {
	python3 - "$work/prom" <<-'EOT'
	import re, sys

	label = r'[a-z]+="(?:[^"\\\n]|\\["\\n])*"'
	line = re.compile(r'respool_[a-z_]+(\{' + label + '(?:,' + label + r')*\})? -?[0-9.]+')
	comment = re.compile(r'# (HELP respool_[a-z_]+ [A-Z].*\.'
	                     r'|TYPE respool_[a-z_]+ (gauge|counter|histogram))')
	text = open(sys.argv[1]).read()
	assert text.endswith("\n")
	lines = text.splitlines()
	assert all((comment if l[0] == "#" else line).fullmatch(l) for l in lines), lines
	series = [l.rsplit(" ", 1)[0] for l in lines if l[0] != "#"]
	assert len(series) == len(set(series)) > 20
	assert r'respool_owner_held_bytes{pool="ma\"in",owner="net\"x"} 53248' in lines
	assert r'respool_slab_held_bytes{pool="ma\"in",slab="a\\b"} 12288' in lines
	counts = [int(l.rsplit(" ", 1)[1]) for l in lines if "_bucket{" in l]
	assert len(counts) == 28 and counts == sorted(counts), counts
	assert [counts[i] for i in (0, 1, 2, -2, -1)] == [2, 2, 7, 7, 8], counts
	assert lines[-30].endswith(',le="0.000000015"} 2'), lines[-30]
	assert lines[-2].endswith('_seconds_sum{pool="ma\\"in",what="alloc",order="3"} 3.000000123')
	assert lines[-1].endswith('_count{pool="ma\\"in",what="alloc",order="3"} 8')
	EOT
}

# Where there is one: it looks at names, too.
promtool_agrees() {
	! command -v promtool || promtool check metrics <"$work/prom"
}

# A pool that begins within a region: rows of the map are regions, not parts of the pool.
map_has_regions() {
	"$dir/respool-top" --debugfs "$work/copy" --once --size 80x60 >"$work/screen" &&
		grep -q '^      0 \{60\}##[.][.]7$' "$work/screen" &&
		grep -q '^   160K [.]\{64\}$' "$work/screen" &&
		grep -q '^   2[.]2M #\{8\}[.]\{40\}$' "$work/screen"
}

# Each file cut after each of some lengths, empty and missing; the others are as they were.
damage_is_survived() {
	find "$work/copy" -type f | while read -r file; do
		for length in none 0 7 64; do
			cp "$file" "$work/whole"
			head -c "${length%none}" "$work/whole" >"$file" 2>/dev/null
			[ $length != none ] || rm "$file"
			prints_all "$work/copy" || {
				case $file in
				*in/stats) ;; # no pool without
				*) echo "$file, $length bytes"; exit 1 ;;
				esac
			}
			# What a sanitizer finds is no ordinary failure.
			"$dir/respool-stat" --debugfs "$work/copy" >/dev/null 2>"$work/said" ||
				[ "$(wc -l <"$work/said")" = 1 ] || { cat "$work/said"; exit 1; }
			cp "$work/whole" "$file"
		done
	done
}

noise_is_survived() {
	find "$work/copy" -type f | while read -r file; do
		cp "$file" "$work/whole"
		head -c 3000 ../README.md >"$file"
		"$dir/respool-top" --debugfs "$work/copy" --once >/dev/null 2>"$work/said" ||
			[ "$(wc -l <"$work/said")" = 1 ] || { cat "$work/said"; exit 1; }
		prints_all "$work/copy" 2>"$work/said" || ! grep -q 'runtime error\|Sanitizer' "$work/said" ||
			{ cat "$work/said"; exit 1; }
		cp "$work/whole" "$file"
	done
}

make_copy "$work/copy"
echo "TAP version 13"
echo "1..9"
check "tools build with sanitizers" builds
check "a copy of debugfs is printed in all ways" prints_all "$work/copy"
check "tables have whole words" tables_have_whole_words
check "JSON is JSON, names quoted, large numbers whole" json_is_json
check "text format of Prometheus is that" prometheus_is_prometheus
check "promtool finds nothing, where there is one" promtool_agrees
check "rows of the map are regions" map_has_regions
check "files that are cut or missing are survived" damage_is_survived
check "files of something else are survived" noise_is_survived
exit $worst
