#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Which branches of the cores the oracles and the sweeps take: a line a core, TAP
# on standard output, and those not taken that unreached does not explain.
# Each condition of an expression counts as two branches.
#
# usage: coverage.sh DIR
#   DIR holds the programs, their cores built for coverage.

set -u
cd "$(dirname "$0")" || exit 1

dir=$1
least=95
steps=500000
profiles=$dir/profiles
programs="buddy freelist objects freelist_sweep validate_sweep"

arguments()
{
	case $1 in
	freelist_sweep) echo 1 ;;
	validate_sweep) ;;
	*) echo "--steps $steps --seed 1" ;;
	esac
}

# With llvm's tools of clang's own version if that has one in its name.
tool()
{
	command -v "$1" || command -v "$1-14"
}

rm -rf "$profiles"
mkdir -p "$profiles"
for program in $programs; do
	# shellcheck disable=SC2046 # words
	LLVM_PROFILE_FILE=$profiles/$program.raw timeout 120 "$dir/${program}_cover" \
		$(arguments "$program") >"$profiles/$program.log" 2>&1 || {
		sed 's/^/# /' "$profiles/$program.log"
		echo "Bail out! $program fails"
		exit 1
	}
	objects="${objects:+$objects -object }$dir/${program}_cover"
done
"$(tool llvm-profdata)" merge -o "$profiles/all" "$profiles"/*.raw || exit 1
# shellcheck disable=SC2086 # words
"$(tool llvm-cov)" export -format=lcov -instr-profile="$profiles/all" $objects \
	>"$profiles/lcov" || exit 1
awk -v least=$least -f coverage.awk unreached "$profiles/lcov"
