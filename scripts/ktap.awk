# SPDX-License-Identifier: GPL-2.0
#
# Read test results strictly: one "ok - NAME" or "not ok - NAME" line for each
# test, and one "not ok" for everything that should be there and is not.
#
#   awk -v where=PREFIX -f ktap.awk TAP
#   awk -v where=PREFIX -v programs="NAME..." -f ktap.awk KTAP
#
# The second form takes what the kernel's kselftest runner prints: a result for
# each program, before it the program's own TAP behind "# ". Or what KUnit does,
# whose programs are suites and stand behind four spaces; what each parameter of
# a case came to, behind eight, is left to the case. Every program of the list
# has to report; each but a shell script has to have a plan. A skipped test is a
# failure, for all that the tests need is in the guest.

BEGIN {
	wanted = split(programs, list, " ")
}

function say(verdict, name) {
	print verdict " - " where name
}

function refuse(why) {
	say("not ok", why)
}

# Take "ok 3 - name # SKIP why" apart into verdict, number, name.
function parse(line) {
	verdict = line ~ /^not / || line ~ /# *(SKIP|skip|TODO)/ ? "not ok" : "ok"
	sub(/^(not )?ok +/, "", line)
	number = line + 0
	sub(/^[0-9]+ *(- *)?/, "", line)
	name = line
}

function check_number(level, who) {
	if (number != last[level] + 1)
		refuse(who "result " number " follows result " last[level] + 0)
	last[level] = number
}

function check_plan(level, who) {
	if (plan[level] != last[level] + 0)
		refuse(who "planned " plan[level] " tests, reported " last[level] + 0)
	else if (plan[level] == 0)
		refuse(who "planned no test")
}

function start_program() {
	delete last[1]
	delete plan[1]
	failed = 0
}

# A program's own verdict has to agree with those of its tests.
function end_program(program) {
	if (1 in plan)
		check_plan(1, program ": ")
	else if (1 in last || program !~ /\.sh$/)
		refuse(program ": no plan")
	if (!(1 in last) || (verdict != "ok" && !failed))
		say(verdict, name)
	reported[program]++
	start_program()
}

{
	level = sub(/^(# |    )/, "")
	program = level && wanted ? current ": " : ""
}

/^(selftests|# Subtest): / && level {
	current = $NF
	start_program()
}

/^1\.\.[0-9]+/ && (!level || wanted) {
	if (level in plan)
		refuse(program "second plan")
	plan[level] = substr($0, 4) + 0
}

/^(not )?ok [0-9]+/ && (!level || wanted) {
	parse($0)
	check_number(level, program)
	if (level) {
		failed += verdict != "ok"
		say(verdict, program name)
	} else if (wanted) {
		sub(/^selftests: [^ ]* /, "", name)
		program = name
		sub(/ *#.*/, "", program)
		end_program(program)
	} else {
		say(verdict, name)
	}
}

END {
	if (0 in plan)
		check_plan(0, "")
	else
		refuse("no plan")
	if (1 in last)
		refuse(current ": no result")
	for (i = 1; i <= wanted; i++)
		if (!(list[i] in reported))
			refuse(list[i] ": did not report")
}
