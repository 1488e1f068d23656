# SPDX-License-Identifier: GPL-2.0
#
# From lcov's records, after the list of what is known not to be reached: a line
# of TAP for each core, and its branches that are neither taken nor on the list.
#
# A line of the list is a core, a tab, the text of a line of it, a tab, and why.

FILENAME ~ /unreached$/ {
	if (!/^#/) {
		split($0, field, "\t")
		known[field[1] "\t" field[2]] = 1
	}
	next
}

/^SF:/ {
	file = substr($0, 4)
	sub(/.*\/\.\.\//, "", file)
	core = file ~ /\.c$/
	for (line = 1; core && (getline text < substr($0, 4)) > 0; line++) {
		gsub(/^[ \t]+|[ \t]+$/, "", text)
		source[file, line] = text
		seen[file "\t" text] = 1
	}
}

# Line, block, which branch, and how often: "-" where the condition was never asked.
core && /^BRDA:/ {
	split(substr($0, 6), field, ",")
	branches[file]++
	if (field[4] + 0)
		taken[file]++
	else if (file "\t" source[file, field[1]] in known)
		explained[file]++
	else
		left[file] = left[file] "# not taken: line " field[1] ": " source[file, field[1]] "\n"
}

END {
	for (file in branches)
		plan++
	print "1.." plan + 1
	for (line in known)
		if (!(line in seen))
			gone = gone "# gone: " line "\n"
	failed += gone != ""
	printf "%sok %d - each line that is known not to be reached is there\n%s",
		gone != "" ? "not " : "", ++number, gone
	for (file in branches) {
		percent = 100 * taken[file] / branches[file]
		bad = percent < least
		failed += bad
		printf "%sok %d - %s: at least %d %% of the branches are taken by the oracles\n",
			bad ? "not " : "", ++number, file, least
		printf "# %s: %d of %d branches taken, %.1f %%, %d more explained\n%s", file,
			taken[file], branches[file], percent, explained[file], left[file]
	}
	exit failed > 0
}
