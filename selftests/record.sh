#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# record turns texts of ftrace into traces that replay takes: each way a text can
# be incomplete on its own, then a system at work. Where there is no replay beside
# this script, on a machine that builds, only the first.

cd "$(dirname "$0")" || exit 1
record=./record
[ -x $record ] || record=../scripts/record

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
		sed 's/^/# /' "$work/said"
		worst=1
	fi
}

# Events of several CPUs as tracefs and trace-cmd print them, a line each: STAMP EVENT.
text() {
	while read -r stamp event; do
		printf '           a b-17      [001] ..... %s: %s\n' "$stamp" "$event"
	done
}

# converts OPTION... : standard input to the operations given as $want, in order, behind
# a header that agrees with them
converts() {
	text >"$work/text"
	$record "$@" --from "$work/text" "$work/trace" 2>"$work/said" || return
	tail -n +5 "$work/trace" >"$work/ops"
	printf "$want" | cmp - "$work/ops" >>"$work/said" 2>&1 || {
		cat "$work/ops" >>"$work/said"
		return 1
	}
	[ "$(sed -n 2p "$work/trace")" = "$(grep -c '^a' "$work/ops")" ] &&
		[ "$(sed -n 3p "$work/trace")" = "$(grep -c '' "$work/ops")" ]
}

said() {
	grep -q "$1" "$work/said"
}

pages_are_converted() {
	want='a 0 0\na 1 3\nf 0\nf 1\n' converts <<-EOF &&
	1 mm_page_alloc: page=00000000aa pfn=0x1000 order=0 migratetype=0 gfp_flags=GFP_KERNEL
	2 mm_page_alloc: page=00000000ab pfn=0x2000 order=3 migratetype=0 gfp_flags=GFP_KERNEL
	3 mm_page_free: page=00000000aa pfn=0x1000 order=0
	4 mm_page_free: page=00000000ab pfn=0x2000 order=3
	EOF
	[ "$(sed -n 4p "$work/trace")" = 9 ]
}

bytes_are_converted() {
	want='a 0 24\nf 0\n' converts --events kmalloc <<-EOF
	1 kmalloc: call_site=load+0x1/0x2 [mod] ptr=ff41c287819fcc80 bytes_req=24 bytes_alloc=32 gfp_flags=GFP_KERNEL node=-1
	2 kmem_cache_alloc: call_site=f+0x1/0x2 ptr=ff41c287819fcd00 bytes_req=9 bytes_alloc=16 gfp_flags=GFP_KERNEL
	3 kfree: call_site=f+0x1/0x2 ptr=ff41c287819fcc80
	EOF
}

caches_are_converted() {
	want='a 0 24\na 1 9\nf 1\nf 0\n' converts --events slab <<-EOF
	1 kmalloc: call_site=f+0x1/0x2 ptr=ff41c287819fcc80 bytes_req=24 bytes_alloc=32 gfp_flags=GFP_KERNEL node=-1
	2 kmem_cache_alloc: call_site=f+0x1/0x2 ptr=ff41c287819fcd00 bytes_req=9 bytes_alloc=16 gfp_flags=GFP_KERNEL
	3 kmem_cache_free: call_site=f+0x1/0x2 ptr=ff41c287819fcd00 name=a cache
	4 kfree: call_site=f+0x1/0x2 ptr=ff41c287819fcc80
	EOF
}

frees_of_the_unseen_are_left_out() {
	want='a 0 0\nf 0\n' converts <<-EOF && said '1 frees of what was allocated before'
	1 mm_page_free: page=00000000aa pfn=0x1000 order=0
	2 mm_page_alloc: page=00000000aa pfn=0x1000 order=0 migratetype=0 gfp_flags=GFP_KERNEL
	3 mm_page_free: page=00000000aa pfn=0x1000 order=0
	EOF
}

the_live_are_freed_at_the_end() {
	want='a 0 1\na 1 0\nf 1\na 2 2\nf 0\nf 2\n' converts <<-EOF && said '2 blocks live at the end'
	1 mm_page_alloc: page=00000000aa pfn=0x1000 order=1 migratetype=0 gfp_flags=GFP_KERNEL
	2 mm_page_alloc: page=00000000ab pfn=0x2000 order=0 migratetype=0 gfp_flags=GFP_KERNEL
	3 mm_page_free: page=00000000ab pfn=0x2000 order=0
	4 mm_page_alloc: page=00000000ac pfn=0x3000 order=2 migratetype=0 gfp_flags=GFP_KERNEL
	EOF
}

lost_frees_are_made_up_for() {
	want='a 0 8\nf 0\na 1 9\nf 1\n' converts --events kmalloc <<-EOF && said '1 frees were not seen'
	1 kmalloc: call_site=f ptr=00000000819fcc80 bytes_req=8 bytes_alloc=8 gfp_flags=GFP_KERNEL
	2 kmalloc: call_site=f ptr=00000000819fcc80 bytes_req=9 bytes_alloc=16 gfp_flags=GFP_KERNEL
	3 kfree: call_site=f ptr=00000000819fcc80
	EOF
}

lost_events_are_reported() {
	{
		echo '1 kmalloc: call_site=f ptr=00000000819fcc80 bytes_req=8 bytes_alloc=8' | text
		echo 'CPU:1 [LOST 123 EVENTS]'
		echo 'CPU:0 [LOST 4 EVENTS]'
	} >"$work/text"
	$record --events kmalloc --from "$work/text" "$work/trace" 2>"$work/said" &&
		said '127 events were lost' && echo '# lost 5' >>"$work/text" &&
		$record --events kmalloc --from "$work/text" "$work/trace" 2>"$work/said" &&
		said ' 5 events were lost'
}

cpus_are_merged_by_time() {
	want='a 0 0\nf 0\na 1 1\nf 1\n' converts <<-EOF && said ' 0 frees'
	10.000002 mm_page_free: page=00000000aa pfn=0x1000 order=0
	10.000003 mm_page_alloc: page=00000000ab pfn=0x1000 order=1 migratetype=0 gfp_flags=GFP_KERNEL
	9.999999 mm_page_alloc: page=00000000aa pfn=0x1000 order=0 migratetype=0 gfp_flags=GFP_KERNEL
	10.100000 mm_page_free: page=00000000ab pfn=0x1000 order=1
	EOF
}

output_of_trace_cmd_is_taken() {
	printf '%s\n' 'cpus=2' \
		'  <idle>-0     [000]  5172.123456: kmalloc:   call_site=f ptr=0xff41 bytes_req=7 bytes_alloc=8' \
		'  sh: k [1]-7  [001] 5172.123460: kfree:  (f+0x1) call_site=f ptr=0xff41' >"$work/text"
	$record --events kmalloc --from "$work/text" "$work/trace" 2>"$work/said" &&
		[ "$(tail -n +5 "$work/trace" | tr '\n' ' ')" = 'a 0 7 f 0 ' ] &&
		said ' 0 blocks live'
}

failures_and_nothing_are_left_out() {
	want='a 0 5\nf 0\n' converts --events kmalloc <<-EOF
	1 kmalloc: call_site=f ptr=0000000000000000 bytes_req=8 bytes_alloc=0 gfp_flags=GFP_KERNEL
	2 kmalloc: call_site=f ptr=(nil) bytes_req=8 bytes_alloc=0 gfp_flags=GFP_KERNEL
	3 kmalloc: call_site=f ptr=0000000000000010 bytes_req=0 bytes_alloc=0 gfp_flags=GFP_KERNEL
	4 kmalloc: call_site=f ptr=0000000000000010 bytes_req=0 bytes_alloc=0 gfp_flags=GFP_KERNEL
	5 kmalloc: call_site=f ptr=00000000819fcc80 bytes_req=5 bytes_alloc=8 gfp_flags=GFP_KERNEL
	6 kfree: call_site=f ptr=0000000000000000
	7 kfree: call_site=f ptr=0000000000000010
	8 kfree: call_site=f ptr=00000000819fcc80
	EOF
}

blocks_freed_in_parts_go_as_one() {
	want='a 0 1\nf 0\n' converts <<-EOF && said '1 blocks were freed in parts'
	1 mm_page_alloc: page=00000000aa pfn=0x1000 order=1 migratetype=0 gfp_flags=GFP_KERNEL
	2 mm_page_free: page=00000000aa pfn=0x1000 order=0
	3 mm_page_free: page=00000000ab pfn=0x1001 order=0
	EOF
}

respool_pages_become_powers_of_two() {
	want='a 0 6\na 1 5\na 2 2\nf 0\nf 1\nf 2\na 3 1\nf 3\n' \
		converts --events respool-pages --pool main <<-EOF
	1 respool_page_alloc: pool=main owner=video page=128 nr_pages=100 caller=f+0x1/0x2 [video]
	2 respool_page_alloc: pool=other owner=video page=128 nr_pages=1 caller=f+0x1/0x2
	3 respool_page_resize: pool=main page=128 was=100 nr_pages=2 caller=f+0x1/0x2
	4 respool_page_free: pool=main owner=video page=128 nr_pages=2 caller=f+0x1/0x2
	EOF
}

respool_bytes_are_resized() {
	want='a 0 24\na 1 8\nr 0 100\nf 1\nf 0\n' converts --events respool-bytes <<-EOF
	1 respool_slab_alloc: pool=main owner=slab:net offset=48 bytes=24 caller=f+0x1/0x2
	2 respool_cache_alloc: pool=main owner=cache:x offset=4096 bytes=8 caller=f+0x1/0x2
	3 respool_slab_realloc: pool=main owner=slab:net old_offset=48 offset=80 bytes=100 caller=f+0x1/0x2
	4 respool_cache_free: pool=main owner=cache:x offset=4096 bytes=8 caller=f+0x1/0x2
	5 respool_slab_free: pool=main owner=slab:net offset=80 bytes=104 caller=f+0x1/0x2
	EOF
}

names_of_tasks_are_no_events() {
	printf '%s\n' '  x: kfree: y-1  [000] .....  7: kmalloc: call_site=f ptr=0a bytes_req=7 bytes_alloc=8' \
		'# comment [000] ..... 8: kmalloc' '' 'garbage' >"$work/text"
	$record --events kmalloc --from "$work/text" "$work/trace" 2>"$work/said" &&
		[ "$(tail -n +5 "$work/trace" | tr '\n' ' ')" = 'a 0 7 f 0 ' ]
}

nothing_is_no_trace() {
	echo 'nothing of the kind' >"$work/text"
	! $record --from "$work/text" "$work/none" 2>"$work/said" && [ ! -e "$work/none" ] &&
		said 'no allocation was recorded' &&
		! $record --from "$work/missing" "$work/none" 2>"$work/said" && said 'cannot read'
}

wrong_options_are_refused() {
	for options in "" "--events pages" "--events trees x" "--seconds 0 x" "--nonsense x" "x y"; do
		$record $options 2>"$work/said"
		[ $? -eq 2 ] || return
	done
	$record --help >"$work/said" && said '^usage: record'
}

# A system at work. An emulated guest takes its time to convert what that leaves.
busy() {
	for i in 1 2 3 4 5; do
		cat /proc/self/stat /proc/self/maps /proc/self/mountinfo
	done >/dev/null
	ls /sys/module /sys/kernel >/dev/null
}

# The same while nobody reads the trace.
busy_unread() {
	local reader

	reader=$(grep -l 'record-[0-9]*/trace_pipe' /proc/[0-9]*/cmdline 2>/dev/null |
		 tr -dc '0-9\n')
	kill -STOP $reader && busy && kill -CONT $reader
}

# $1 is the kind, $2 the name of the trace.
records_and_replays() {
	$record --events "$1" --raw "$work/raw" "$work/$2" -- "$0" --busy 2>"$work/said" &&
		./replay --twice --check "$work/$2" >"$work/json" 2>>"$work/said" || return
	sed 's/^/# /' "$work/said" "$work/json"
	grep -q '"failed": 0,' "$work/json" && [ "$(zcat "$work/$2" | sed -n 2p)" -gt 50 ] &&
		$record --events "$1" --from "$work/raw" "$work/again" 2>/dev/null &&
		zcat "$work/$2" | cmp -s - "$work/again"
}

# The trace $2 goes through respool and comes out of its events as it was.
comes_back() {
	$record --events "$1" --pool main "$work/own" -- ./replay "$work/$2" \
		>"$work/json" 2>"$work/said" || return
	zcat "$work/$2" | tail -n +5 >"$work/before"
	tail -n +5 "$work/own" | cmp - "$work/before" >>"$work/said" 2>&1
}

# A buffer of some pages cannot hold it all.
loses_events_and_replays() {
	$record --events slab --buffer 4 "$work/lost.rep" -- "$0" --busy-unread 2>"$work/said" &&
		said 'events were lost' &&
		./replay --twice --check "$work/lost.rep" >"$work/json" 2>>"$work/said" || return
	sed 's/^/# /' "$work/said" "$work/json"
	grep -q '"failed": 0,' "$work/json"
}

records_for_a_time() {
	local start=$(date +%s)

	$record --seconds 2 "$work/time.pages" 2>"$work/said" &&
		[ $(($(date +%s) - start)) -ge 2 ]
}

nothing_is_left_in_tracefs() {
	[ "$(ls -d /sys/kernel/tracing /sys/kernel/debug/tracing 2>/dev/null)" ] &&
		! ls -d /sys/kernel/tracing/instances/* /sys/kernel/debug/tracing/instances/* \
			>"$work/said" 2>/dev/null
}

case ${1-} in
--busy) busy; exit 0 ;;
--busy-unread) busy_unread; exit ;;
esac
tests=16
[ ! -x ./replay ] || tests=$((tests + 6))
# Where respool has tracepoints.
own=
if [ -x ./replay ] && grep -q respool_page_alloc ./respool.ko; then
	own=yes tests=$((tests + 2))
fi
# To have tasks' names noted patches the scheduler, which an emulated CPU may not survive.
[ ! -x ./replay ] || echo 0 >/sys/kernel/debug/tracing/options/record-cmd
echo "TAP version 13"
echo "1..$tests"
check "pages are converted" pages_are_converted
check "bytes are converted, what is no kmalloc left out" bytes_are_converted
check "caches are converted with them" caches_are_converted
check "frees of what was not seen allocated are left out" frees_of_the_unseen_are_left_out
check "what is live at the end is freed" the_live_are_freed_at_the_end
check "block allocated while live has been freed" lost_frees_are_made_up_for
check "lost events are reported" lost_events_are_reported
check "events of several CPUs are merged by time" cpus_are_merged_by_time
check "output of trace-cmd is taken" output_of_trace_cmd_is_taken
check "failed allocations and those of nothing are left out" failures_and_nothing_are_left_out
check "block freed in parts goes as one" blocks_freed_in_parts_go_as_one
check "respool's pages become powers of two" respool_pages_become_powers_of_two
check "respool's bytes are resized" respool_bytes_are_resized
check "names of tasks and comments are no events" names_of_tasks_are_no_events
check "text without an allocation is no trace" nothing_is_no_trace
check "wrong options are refused" wrong_options_are_refused
if [ -x ./replay ]; then
	check "pages of the running kernel replay" records_and_replays pages live.pages.gz
	[ -z "$own" ] ||
		check "trace of pages comes back from respool's events" \
			comes_back respool-pages live.pages.gz
	check "kmalloc of the running kernel replays" records_and_replays kmalloc live.rep.gz
	[ -z "$own" ] ||
		check "trace of bytes comes back from respool's events" \
			comes_back respool-bytes live.rep.gz
	check "its caches replay" records_and_replays slab slab.rep.gz
	check "trace with lost events replays" loses_events_and_replays
	check "recording ends after the time stated" records_for_a_time
	check "nothing is left in tracefs" nothing_is_left_in_tracefs
fi
exit $worst
