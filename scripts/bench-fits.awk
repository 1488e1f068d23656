# SPDX-License-Identifier: GPL-2.0
#
# A table of what scripts/bench-fits measured, a row a trace: for each fit the
# utilisation (what was live at the peak, in bytes as requested, to the memory
# held), mean and worst instructions of an operation. The same into the file
# json, as records of build/bench.json.

function field(name,    text) {
	if (!match($0, "\"" name "\": \"?[^,}\"]*"))
		return ""
	text = substr($0, RSTART, RLENGTH)
	sub(/^[^:]*: "?/, "", text)
	return text
}

function record(trace, fit) {
	printf "%s  {\"kernel\": \"%s\", \"method\": \"icount\", \"init_on_alloc\": null,",
		separator, $1 >json
	printf " \"pool\": \"main\", \"allocator\": \"respool_alloc-%s\",", fit >json
	printf " \"pattern\": \"trace-%s\", \"arg\": null, \"n\": %s,", trace, field("ops") >json
	printf " \"alloc\": null, \"free\": null, \"pair\": null, \"p50\": null," >json
	printf " \"p99\": null, \"p999\": null, \"max\": %s,", field("max_ns") >json
	printf " \"failed\": %s, \"free_regions\": null,", field("failed") >json
	printf " \"mean\": %s, \"utilisation\": %s}", field("ns_per_op"), field("utilisation") >json
	separator = ",\n"
}

{
	trace = field("trace")
	fit = field("fit")
	if (!(trace in seen)) {
		seen[trace] = 1
		order[++nr_traces] = trace
	}
	if (!(fit in column)) {
		column[fit] = 1
		name[++nr_fits] = fit
	}
	cell[trace, fit] = sprintf("%5.1f %7.0f %8d", 100 * field("utilisation"),
				   field("ns_per_op"), field("max_ns"))
	record(trace, fit)
}

END {
	printf "\nFits on recorded workloads: utilisation in %%, mean and worst instructions of an\n"
	printf "operation, which include a look at the clock and, if a realloc moves, the copy\n\n%-14s", ""
	for (f = 1; f <= nr_fits; f++)
		printf " | %-22s", name[f] " fit"
	printf "\n"
	for (t = 1; t <= nr_traces; t++) {
		printf "%-14s", order[t]
		for (f = 1; f <= nr_fits; f++)
			printf " | %22s", (order[t], name[f]) in cell ? cell[order[t], name[f]] : "-"
		printf "\n"
	}
	printf "\n" >json
}
