# SPDX-License-Identifier: GPL-2.0
#
# Turn what scripts/bench measured into JSON: a record for each allocator,
# pattern and arg. Patterns that time each single call have two more, whose
# names end in -alloc and -free, with the distributions.

function value(text) {
	return text == "-" || text == "" ? "null" : text
}

function text(string) {
	return "\"" string "\""
}

function record(pattern, alloc, free, pair, p50, p99, p999, max) {
	printf "%s\n  {\"kernel\": %s, \"method\": %s, \"init_on_alloc\": %s, \"pool\": %s,",
		separator, text($3), text($1), $2, text($4)
	printf " \"allocator\": %s, \"pattern\": %s, \"arg\": %s, \"n\": %s,",
		text($5), text(pattern), value($7), $8
	printf " \"alloc\": %s, \"free\": %s, \"pair\": %s,",
		value(alloc), value(free), value(pair)
	printf " \"p50\": %s, \"p99\": %s, \"p999\": %s, \"max\": %s,",
		value(p50), value(p99), value(p999), value(max)
	printf " \"failed\": %s, \"free_regions\": %s}", $20, value($21)
	separator = ","
}

BEGIN {
	printf "["
}

$5 == "allocator" {
	next
}

{
	record($6, $9, $10, $11)
	if ($12 != "-") {
		record($6 "-alloc", $9, "-", "-", $12, $13, $14, $15)
		record($6 "-free", "-", $10, "-", $16, $17, $18, $19)
	}
}

END {
	print "\n]"
}
