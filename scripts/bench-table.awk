# SPDX-License-Identifier: GPL-2.0
#
# Hold what scripts/bench measured against the goals of both layers.
#
# A cell is instructions / nanoseconds; of several orders it is the range. The
# ratio is respool's cost to the best peer's, at the worst order; below 1 it is
# faster. A goal is reached if none of its figures is exceeded.

# A column of the results, by method, pool, allocator, pattern and arg.
function get(field, method, pool, allocator, pattern, arg) {
	return figure[field, method, pool, allocator, pattern, arg]
}

# What allocator @a costs with @method over all of the args: low[], high[].
function range(a, method, pattern, args, field,    n, i, arg, x) {
	low[a] = high[a] = ""
	n = split(args, arg)
	for (i = 1; i <= n; i++) {
		x = get(field, method, "main", a, pattern, arg[i])
		if (x == "" || x == "-")
			continue
		if (low[a] == "" || x + 0 < low[a])
			low[a] = x + 0
		if (high[a] == "" || x + 0 > high[a])
			high[a] = x + 0
	}
}

# Our cost to that of the best peer, at the arg where that is worst.
function worst_ratio(method, pattern, args, field,    n, i, p, arg, x, best, worst) {
	n = split(args, arg)
	worst = ""
	for (i = 1; i <= n; i++) {
		best = ""
		for (p = 1; p <= nr_peers; p++) {
			x = get(field, method, "main", peer[p], pattern, arg[i])
			if (x != "" && x != "-" && (best == "" || x + 0 < best))
				best = x + 0
		}
		x = get(field, method, "main", ours, pattern, arg[i])
		if (x == "" || best == "" || best == 0)
			continue
		if (worst == "" || x / best > worst)
			worst = x / best
	}
	return worst
}

function span(a) {
	if (low[a] == "")
		return "-"
	if (sprintf("%.0f", low[a]) == sprintf("%.0f", high[a]))
		return sprintf("%.0f", low[a])
	return sprintf("%.0f-%.0f", low[a], high[a])
}

function cell(a, pattern, args, field, native,    text) {
	range(a, "icount", pattern, args, field)
	text = span(a)
	if (!native)
		return text
	range(a, "uml", pattern, args, field)
	return text " / " span(a)
}

function verdict(reached) {
	goals++
	goals_reached += reached
	return reached ? "yes" : "NO"
}

# Without a goal in nanoseconds only instructions are looked at: a process of
# this machine may be held up anywhere.
function row(name, pattern, args, field, in_goal, ns_goal,    goal, ratio, reached) {
	range(ours, "icount", pattern, args, field)
	reached = low[ours] != "" && high[ours] <= in_goal
	goal = in_goal
	ratio = sprintf("%.2f", worst_ratio("icount", pattern, args, field))
	if (ns_goal) {
		range(ours, "uml", pattern, args, field)
		reached = reached && low[ours] != "" && high[ours] <= ns_goal
		goal = goal " / " ns_goal
		ratio = ratio sprintf(" / %.2f", worst_ratio("uml", pattern, args, field))
	}
	line(name, cell(shown[1], pattern, args, field, ns_goal),
	     cell(shown[2], pattern, args, field, ns_goal),
	     cell(shown[3], pattern, args, field, ns_goal),
	     cell(ours, pattern, args, field, ns_goal), goal, ratio, verdict(reached))
}

function line(name, a, b, c, d, goal, ratio, reached) {
	printf "%-34s %19s %17s %19s %15s %11s %13s %8s\n", name, a, b, c, d, goal, ratio, reached
}

function percent(pool, allocator,    x) {
	x = get(FREE_REGIONS, "icount", pool, allocator, "frag", "-")
	return x == "" ? "-" : sprintf("%.1f %%", x * 100)
}

# 55 % is what compaction would leave. The pool with the peers has 128 regions,
# where one that is not full makes 0.8 %; the goal is for one with more.
function frag_rows(    share) {
	line("frag, regions free at the end", "-", percent("main", "gen_pool-first"),
	     percent("main", "gpu_buddy"), percent("main", "respool"), "", "", "")
	share = get(FREE_REGIONS, "icount", "2G", "respool", "frag", "-")
	line("the same in 2 GiB", "-", "-", "-", percent("2G", "respool"), "54 %", "",
	     verdict(share >= 0.54))
}

# The same work on pools of other sizes, none with memory.
function size_row(name, pattern, arg,    n, i, pool, x, least, most, cells) {
	n = split("64M 4G 1T", pool)
	least = most = ""
	for (i = 1; i <= n; i++) {
		x = get(PAIR, "icount", pool[i], "respool", pattern, arg)
		if (x == "")
			return
		cells[i] = sprintf("%.0f", x)
		if (least == "" || x + 0 < least)
			least = x + 0
		if (most == "" || x + 0 > most)
			most = x + 0
	}
	printf "%-34s %19s %17s %19s %15s %11s %13s %8s\n", name, cells[1], cells[2], cells[3],
		sprintf("+%.0f %%", (most / least - 1) * 100), "15 %", "",
		verdict(most <= 1.15 * least)
}

# The peers that the ratio is to, those of them that have a column, and what we measure.
function compare(peers, columns, us) {
	nr_peers = split(peers, peer)
	split(columns, shown)
	ours = us
}

BEGIN {
	ALLOC = 9; FREE = 10; PAIR = 11; ALLOC_MAX = 15; FREE_MAX = 19; FREE_REGIONS = 21
}

# With init_on_alloc=0 only.
$2 == 0 && $5 != "allocator" {
	for (field = ALLOC; field <= FREE_REGIONS; field++)
		figure[field, $1, $4, $5, $6, $7] = $field
	failed[$5] += $20
}

END {
	print "An allocation and a free, instructions / ns"
	compare("alloc_pages gen_pool-first gen_pool-best gpu_buddy",
		"alloc_pages gen_pool-first gpu_buddy", "respool")
	line("", "alloc_pages", "genalloc", "gpu_buddy", "respool", "goal", "ratio", "reached")
	row("repeat, order 0", "repeat", "0", PAIR, 110, 22)
	row("repeat, order 3", "repeat", "3", PAIR, 110, 22)
	row("repeat, order 9", "repeat", "9", PAIR, 120, 24)
	row("repeat, orders 4-8 and 10", "repeat", "4 5 6 7 8 10", PAIR, 300, 60)
	row("bulk, random free, order 0", "bulk-random", "0", PAIR, 160, 30)
	row("bulk, random free, order 3", "bulk-random", "3", PAIR, 200, 40)
	row("bulk, random free, order 9", "bulk-random", "9", PAIR, 240, 60)
	row("aged 90 %, mean", "aged-90", "-", PAIR, 250, 60)
	row("aged 90 %, worst single allocation", "aged-90", "-", ALLOC_MAX, 1500)
	row("aged 90 %, worst single free", "aged-90", "-", FREE_MAX, 1500)
	frag_rows()
	print ""
	compare("kmalloc dma_pool gen_pool-bytes", "kmalloc dma_pool gen_pool-bytes",
		"respool_alloc")
	line("", "kmalloc", "dma_pool", "genalloc", "respool_alloc", "goal", "ratio", "reached")
	row("repeat, 16-4096 bytes", "repeat", "16 32 64 128 256 512 1024 2048 4096", PAIR, 95, 20)
	row("bulk, random free, 64 bytes", "bulk-random", "64", PAIR, 150, 35)
	row("bulk, random free, 1024 bytes", "bulk-random", "1024", PAIR, 180, 45)
	row("mixed sizes 16-4096", "mixed", "-", PAIR, 235, 70)
	row("mixed, aged, mean", "aged-90", "-", PAIR, 210, 85)
	row("mixed, aged, worst allocation", "aged-90", "-", ALLOC_MAX, 2000)
	row("mixed, aged, worst free", "aged-90", "-", FREE_MAX, 2000)
	print ""
	compare("kmem_cache dma_pool", "kmalloc dma_pool kmem_cache", "respool_cache")
	line("", "kmalloc", "dma_pool", "kmem_cache", "respool_cache", "goal", "ratio", "reached")
	row("repeat, 64 bytes", "repeat", "64", PAIR, 95, 20)
	row("bulk, random free, 64 bytes", "bulk-random", "64", PAIR, 150, 35)
	row("bulk, random free, 1024 bytes", "bulk-random", "1024", PAIR, 180, 45)
	print ""
	line("respool's instructions in a pool of", "64 MiB", "4 GiB", "1 TiB", "spread", "goal", "",
	     "reached")
	size_row("repeat, order 0", "repeat", "0")
	size_row("repeat, order 3", "repeat", "3")
	size_row("repeat, order 9", "repeat", "9")
	size_row("bulk, random free, order 0", "bulk-random", "0")
	size_row("bulk, random free, order 3", "bulk-random", "3")
	size_row("bulk, random free, order 9", "bulk-random", "9")
	size_row("aged 90 %, mean", "aged-90", "-")
	print ""
	printf "%d of %d goals reached; genalloc is first-fit, the ratio counts its best-fit too\n",
		goals_reached, goals
	if (failed["respool"])
		printf "respool failed to serve %d requests\n", failed["respool"]
}
