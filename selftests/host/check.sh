#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Run the oracles, the bounds, the sweeps, the traces, the fuzzers and the mutants; TAP on standard output.
#
# usage: check.sh DIR STEPS SEED FUZZ_SECONDS STATES MUTANTS
#   DIR holds the programs; CLANG, HOST_CFLAGS and MODEL_CFLAGS built them, or
#   HEAP_CFLAGS those that are linked with HEAP, a slab in user space, or
#   CPUS_CFLAGS the magazines of the page layer.
#
# A *mutant* is a core with a deliberate bug. An oracle that does not notice
# it is not worth its time, so that is a failure too. To compile one takes
# seconds: with MUTANTS=N every Nth is put to its test, others each day.

set -u
cd "$(dirname "$0")" || exit 1

dir=$1
steps=$2
seed=$3
fuzz_seconds=$4
states=$5
every=$6
cores="buddy freelist objects"
policies="hot magazine cpus"
tests="sweep validate model"
mutant_steps=100000
mutant_states=1000
day=$(($(date +%s) / 86400))
tab=$(printf '\t')
number=0
failed=0

# result STATUS DESCRIPTION: one line of TAP; the log follows a failure.
result()
{
	number=$((number + 1))
	if [ "$1" -eq 0 ]; then
		echo "ok $number - $2"
	else
		echo "not ok $number - $2"
		sed 's/^/# /' "$log"
		failed=$((failed + 1))
	fi
}

# Half of the steps go to the page layer, the rest to the byte layer and the caches.
steps_of()
{
	case $1 in
	buddy) echo $((steps / 2)) ;;
	freelist) echo $((steps * 3 / 8)) ;;
	objects) echo $((steps / 8)) ;;
	hot | cpus) echo $((steps / 4)) ;;
	esac
}

# run PROGRAM SECONDS DESCRIPTION ARGUMENT...: one result, after what the program says.
run()
{
	program=$1
	seconds=$2
	description=$3
	shift 3
	log=$dir/$program.log
	timeout "$seconds" "$dir/$program" "$@" >"$log" 2>&1
	status=$?
	grep '^# ' "$log"
	result $status "$description"
}

# oracle NAME DESCRIPTION
oracle()
{
	run "$1_oracle" 1800 "$1: $2" --steps "$(steps_of "$1")" --seed "$seed"
}

# bound CORE STEPS WHERE: in a part of the steps, for large pools take their time to make.
bound()
{
	run "$1_bound" 1800 "$1: no call does more work than its bound, $3" \
		--steps "$2" --seed "$seed"
}

model()
{
	run "$1_model" 3600 "$1: no sequence of calls leads a small one astray" "$states"
}

# replay GOALS DESCRIPTION ARGUMENT...
replay()
{
	goals=$1
	description=$2
	shift 2
	# shellcheck disable=SC2046,SC2086 # file names without blanks
	run replay_traces 600 "slab: no trace takes more memory than it may, $description" \
		--goals "$goals" "$@" $(find ../traces ${TRACES_DIR:-} -name '*.rep.gz')
}

# It begins with the inputs in corpus/ and adds to those of its own. To keep more:
# CORE_fuzz -merge=1 -max_len=256 NEW corpus/CORE DIR/corpus/CORE
fuzz()
{
	log=$dir/$1_fuzz.log
	mkdir -p "$dir/corpus/$1"
	"$dir/$1_fuzz" -max_total_time="$fuzz_seconds" -max_len=4096 -timeout=60 -verbosity=0 \
		-artifact_prefix="$dir/$1_fuzz." "$dir/corpus/$1" "corpus/$1" >"$log" 2>&1
	result $? "$1: $fuzz_seconds s of fuzzing find no difference"
}

core_source()
{
	case $1 in
	buddy) echo ../../buddy/buddy.c ;;
	freelist) echo ../../slab/freelist.c ;;
	objects) echo ../../slab/objects.c ;;
	hot | magazine) echo "../../slab/$1.c" ;;
	cpus) echo ../../buddy/magazine.c ;;
	esac
}

# What a mutant of CORE is built with to be put to TEST: oracle, model, sweep or validate.
objects_of()
{
	case $1 in
	oracle) echo "$2_oracle $2_episode $2_twin harness work" ;;
	model) echo "$2_model model $2_twin harness" ;;
	sweep) echo "$2_sweep work" ;;
	validate) echo "validate_sweep $cores harness work" | sed "s/ $2\b//" ;;
	esac
}

flags_of()
{
	case $1 in
	model) echo "$MODEL_CFLAGS" ;;
	*) echo "$HOST_CFLAGS" ;;
	esac
}

arguments_of()
{
	case $1 in
	oracle) echo "--steps $mutant_steps --seed 1" ;;
	model) echo $mutant_states ;;
	sweep) echo 1 ;;
	esac
}

# A core with what TEST has; what stands on the cores, in the slab of a few sizes.
link_mutant()
{
	case $2 in
	hot | magazine)
		flags=$HEAP_CFLAGS
		objects="$dir/heap/hot_oracle.o $dir/oracle/harness.o"
		for object in $HEAP; do
			[ "${object##*/}" = "$2.o" ] || objects="$objects $object"
		done
		;;
	cpus)
		flags=$CPUS_CFLAGS
		objects=$(for object in cpus_oracle cpulock buddy harness; do
			echo "$dir/cpus/$object.o"
		done)
		;;
	*)
		flags="$(flags_of "$1") -I$(dirname "$source")"
		built=$dir/oracle
		[ "$1" != model ] || built=$dir/model
		objects=$(for object in $(objects_of "$1" "$2"); do
			echo "$built/$object.o"
		done)
		;;
	esac
	# shellcheck disable=SC2086 # flags and files are words
	$CLANG -no-pie $flags -w -o "$dir/mutant/$2" "$dir/mutant/$2.c" $objects
}

# mutate CORE SED FILE: the core with the bug put in.
mutate()
{
	source=$(core_source "$1")
	sed "$2" "$source" >"$3" || return 1
	if cmp -s "$source" "$3"; then
		echo "the sed command changes nothing: $2"
		return 1
	fi
}

# build_mutant TEST CORE SED: DIR/mutant/CORE is the test with the bug put in.
build_mutant()
{
	mutate "$2" "$3" "$dir/mutant/$2.c" && link_mutant "$1" "$2"
}

# A difference, or a sanitizer's complaint, is status 1.
catches_mutant()
{
	build_mutant "$@" || return 1
	# shellcheck disable=SC2046 # words
	timeout 120 "$dir/mutant/$2" $(arguments_of "$1")
	status=$?
	echo "exit status $status, where 1 was wanted"
	[ $status -eq 1 ]
}

# all_mutants: "TEST CORE WHAT SED" of each; a line of mutants/TEST names its core first.
all_mutants()
{
	for test in $tests; do
		sed "/^#/d; s/^/$test$tab/" "mutants/$test"
	done
	for core in $cores $policies; do
		sed "/^#/d; s/^/oracle$tab$core$tab/" "mutants/$core"
	done
}

# mutants TEST [CORE]: those of today.
mutants()
{
	log=$dir/$1_mutant.log
	while IFS=$tab read -r test core what command; do
		[ "$test $core" = "$1 ${2-$core}" ] || continue
		catches_mutant "$test" "$core" "$command" >"$log" 2>&1
		result $? "$core: the $test notices that $what"
	done <"$dir/mutant/today"
}

# None may be left behind when a core is changed.
mutate_all()
{
	while IFS=$tab read -r test core what command; do
		mutate "$core" "$command" "$dir/mutant/tried.c" || return 1
	done <"$dir/mutant/all"
}

mkdir -p "$dir/mutant" || exit 1
all_mutants >"$dir/mutant/all"
awk -v every="$every" -v day="$day" '(NR + day) % every == 0' "$dir/mutant/all" >"$dir/mutant/today"
echo "1..$((12 + 2 * $(echo "$cores" | wc -w) + $(wc -l <"$dir/mutant/today")))"
log=$dir/mutants.log
mutate_all >"$log" 2>&1
result $? "each of $(wc -l <"$dir/mutant/all") mutants is one of the cores as they are"
bound buddy $((steps / 100)) "in pools of up to 1 TiB"
bound freelist $((steps / 4)) "in heaps of up to 512 MiB"
run freelist_sweep 600 "freelist: each damaged byte of its own is found or does no harm"
mutants sweep
run validate_sweep 600 "validate notices whatever is wrong with the data of a core"
mutants validate
model buddy
model freelist
mutants model
replay traces.goals "and all goes back" --no-magazines --fits good,best
replay cached.goals "nor with magazines" --fits good
for core in $cores; do
	oracle "$core" "$(steps_of "$core") random operations agree with the twin"
	fuzz "$core"
	mutants oracle "$core"
done
oracle hot "blocks and objects keep their content, and all goes back"
oracle cpus "no page is given out twice or lost in the magazines between them"
run threads_tsan 600 "magazines: two threads race for nothing but what is marked" 1
for policy in $policies; do
	mutants oracle "$policy"
done
[ $failed -eq 0 ]
