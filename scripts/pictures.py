# SPDX-License-Identifier: GPL-2.0
"""Pictures of a pool: matplotlib figures of what debugfs and bench.json say.

Each function takes its data and a width in CSS pixels, from 340 for a phone up,
and returns a figure. Categories have the colours of Okabe and Ito, amounts
those of viridis and cividis, all of which people can tell apart who do not see
all colours; none stands for anything alone that is not in words or lengths too.
Text and lines have colours of their own, INK, SOFT and GRID, which whoever puts
a picture into a page may replace.
"""
import io
import math
import re

import matplotlib
matplotlib.use("Agg")
from matplotlib import pyplot
from matplotlib.colors import ListedColormap, LogNorm, to_rgba
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator
import numpy

import snapshot as debugfs

INK, SOFT, GRID = "#1b1c1e", "#5b5e63", "#d4d6d9"
BLUE, ORANGE, GREEN, RED = "#0072b2", "#e69f00", "#009e73", "#d55e00"
PINK, SKY, YELLOW, GREY = "#cc79a7", "#56b4e9", "#f0e442", "#999999"
OWNERS = [BLUE, ORANGE, GREEN, PINK, SKY, RED]
OTHERS = "#5a4632"
STATES = {"used": BLUE, "cached": GREY, "reserved": YELLOW, "bad": RED, "unknown": PINK}
ALLOCATORS = {"respool": (RED, "o"), "alloc_pages": (BLUE, "s"), "gpu_buddy": (PINK, "D"),
              "gen_pool-first": (GREEN, "^"), "gen_pool-best": (SKY, "v"),
              "respool_alloc": (RED, "o"), "respool_cache": (ORANGE, "P"),
              "kmalloc": (BLUE, "s"), "kmem_cache": (SKY, "X"), "dma_pool": (GREEN, "^"),
              "gen_pool-bytes": (PINK, "v")}
PAGE = 4096
MIB = 1 << 20
NARROW = 500	# pixels: fewer need another arrangement

matplotlib.rcParams.update({
    "font.family": "sans-serif", "font.size": 9, "axes.titlesize": 9, "axes.labelsize": 9,
    "xtick.labelsize": 8, "ytick.labelsize": 8, "legend.fontsize": 8, "legend.frameon": False,
    "text.color": INK, "axes.labelcolor": INK, "axes.edgecolor": SOFT, "axes.titlecolor": INK,
    "xtick.color": SOFT, "ytick.color": SOFT, "xtick.labelcolor": INK, "ytick.labelcolor": INK,
    "grid.color": GRID, "grid.linewidth": 0.6, "axes.spines.top": False,
    "axes.spines.right": False, "axes.facecolor": "none", "figure.facecolor": "none",
    "svg.fonttype": "none", "svg.hashsalt": "respool", "axes.titlelocation": "left",
    "figure.constrained_layout.use": True,
})


PAPER = ["#ffffff"]
DARK = {INK: "#eceef1", SOFT: "#a3a8b0", GRID: "#3a3e45"}


def set_theme(dark):
    """For files: all that is drawn from now on is for dark paper, or for light."""
    global INK, SOFT, GRID
    if not dark:
        return
    for name, value in list(matplotlib.rcParams.items()):
        if isinstance(value, str) and value in DARK:
            matplotlib.rcParams[name] = DARK[value]
    INK, SOFT, GRID = (DARK[colour] for colour in (INK, SOFT, GRID))
    PAPER[0] = "#17191d"


def new_figure(width, height, rows=1, columns=1, **options):
    return pyplot.subplots(rows, columns, figsize=(width / 96, height / 96), dpi=96, **options)


def bytes_text(n, _=None):
    for unit in ("B", "KiB", "MiB", "GiB"):
        if n < 1024 or unit == "GiB":
            return "%g %s" % (round(n, 1), unit)
        n /= 1024


def thousands(n, _=None):
    return "{:,.0f}".format(n)


def order_text(order):
    return "%d (%s)" % (order, bytes_text(PAGE << order))


def spread(cmap, n, low=0.15, high=0.97):
    """Colours for n steps of something."""
    return [pyplot.get_cmap(cmap)(low + (high - low) * i / max(n - 1, 1)) for i in range(n)]


def save(figure, path):
    """One file on paper of its own, so that it looks the same on any page."""
    figure.savefig(path, facecolor=PAPER[0], dpi=192,
                   metadata={"Date": None} if path.suffix == ".svg" else None)


def close(figure):
    pyplot.close(figure)


def inline_svg(figure, name, label):
    """For a page: without paper, ids of its own, as wide as the page lets it be."""
    text = io.StringIO()
    figure.savefig(text, format="svg", transparent=True, metadata={"Date": None})
    pyplot.close(figure)
    svg = text.getvalue()[text.getvalue().index("<svg"):]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.S)
    width, height = re.search(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', svg).groups()
    head = '<svg class="%s" viewBox="0 0 %s %s" role="img" aria-label="%s"' % (
        name.rsplit("-", 1)[1], width, height, label)
    head += ' xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink">'
    svg = head + svg[svg.index(">") + 1:]
    svg = re.sub(r'\bid="', 'id="%s-' % name, svg)
    svg = re.sub(r'(href="#|url\(#)', r"\g<1>%s-" % name, svg)
    for colour, variable in ((INK, "ink"), (SOFT, "soft"), (GRID, "grid")):
        svg = svg.replace(colour, "var(--%s)" % variable)
    return re.sub(r"\s*\n\s*", "\n", svg)


# The pool map

def hilbert(side):
    """Rows and columns along a Hilbert curve that ends at the side where it began."""
    d = numpy.arange(side * side)
    x, y, rest, s = numpy.zeros_like(d), numpy.zeros_like(d), d.copy(), 1
    while s < side:
        rx = 1 & rest // 2
        ry = 1 & (rest ^ rx)
        turn = (ry == 0) & (rx == 1)
        x, y = numpy.where(turn, s - 1 - x, x), numpy.where(turn, s - 1 - y, y)
        x, y = numpy.where(ry == 0, y, x), numpy.where(ry == 0, x, y)
        x, y, rest, s = x + s * rx, y + s * ry, rest // 4, s * 2
    return y, x


def lead(regions):
    """Pages of the first region that lie before the pool."""
    return -regions[1][0] % 512 if len(regions) > 1 else 0


def best_squares(total, shape):
    """Side of the squares, and how many stand beside each other.

    Large squares show more of what is near, but they have to fill a canvas whose
    height is about @shape times its width.
    """
    largest = max(total - 1, 1).bit_length() // 2
    best = None
    for k in range(largest, max(largest - 3, -1), -1):
        squares = -(-total >> 2 * k)
        for across in range(1, squares + 1):
            rows = -(-squares // across)
            waste = 1 - total / (rows * across << 2 * k)
            cost = abs(math.log(rows / across / shape)) + 3 * waste + 0.15 * (largest - k)
            if best is None or cost < best[0]:
                best = cost, 1 << k, across
            if rows == 1:
                break
    return best[1:]


def places(nr_pages, before, width, layout):
    """Where each page is drawn: rows, columns, and the size of the canvas.

    By a Hilbert curve a block of 4^n pages is a square, and what is near in the
    pool is near in the picture. Squares follow each other, a row at a time.
    """
    number = numpy.arange(nr_pages) + before
    total = nr_pages + before
    if layout == "rows":
        columns = 512 if width >= NARROW else 256
        return number // columns, number % columns, (-(-total // columns), columns)
    side, across = best_squares(total, 0.4 if width >= NARROW else 1.2)
    row, column = hilbert(side)
    square = number // side ** 2
    return (row[number % side ** 2] + square // across * side,
            column[number % side ** 2] + square % across * side,
            (-(-(-(-total // side ** 2)) // across) * side, across * side))


def map_colours(snap, by):
    """A colour for each page, and what the colours mean."""
    colours = numpy.zeros((snap.stats["pages"], 4))
    held = [block for block in snap.blocks if block["use"] == "used"]
    others = [block for block in snap.blocks if block["use"] not in ("used", "free")]
    if by == "owner":
        pages = {}
        for block in held:
            pages[block["owner"]] = pages.get(block["owner"], 0) + block["pages"]
        names = sorted(pages, key=pages.get, reverse=True)
        colour = {name: OWNERS[i] if i < len(OWNERS) else OTHERS for i, name in enumerate(names)}
        legend = [(OWNERS[i], name) for i, name in enumerate(names[:len(OWNERS)])]
        if len(names) > len(OWNERS):
            legend.append((OTHERS, "%d more owners" % (len(names) - len(OWNERS))))
        key = lambda block: colour[block["owner"]]
    elif by == "order":
        order_of = lambda block: (block["pages"] - 1).bit_length()
        orders = sorted(set(map(order_of, held)))
        steps = dict(zip(orders, spread("viridis", len(orders))))
        legend = [(steps[order], "order " + order_text(order)) for order in orders]
        key = lambda block: steps[order_of(block)]
    else:
        legend = [(STATES["used"], "used")] if held else []
        key = lambda block: STATES["used"]
    for block in held:
        colours[block["page"]:block["page"] + block["pages"]] = to_rgba(key(block))
    for block in others:
        colours[block["page"]:block["page"] + block["pages"]] = to_rgba(STATES[block["use"]])
    legend += [(STATES[use], use) for use in STATES
               if use != "used" and any(block["use"] == use for block in others)]
    return colours, legend


def pool_map(snap, width, by="order", layout="hilbert"):
    colours, legend = map_colours(snap, by)
    row, column, (rows, columns) = places(len(colours), lead(snap.regions), width, layout)
    canvas = numpy.zeros((rows, columns, 4))
    canvas[row, column] = colours
    plot_width = width - 24
    stretch = 1 if layout == "hilbert" else max(1, round(columns / rows / 3))
    height = plot_width * rows * stretch / columns
    across = 1 if width < 320 else 2 if width < NARROW else 4
    room = 17 * -(-(len(legend) + 1) // across) + 8
    whole = height + 34 + room
    figure, axes = new_figure(width, whole)
    axes.imshow((canvas * 255).round().astype("uint8"), interpolation="none",
                aspect=stretch, extent=(0, columns, rows, 0))
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_visible(True)
        spine.set_edgecolor(SOFT)
    size = "a cell is a page of 4 KiB; in all %s" % bytes_text(PAGE * len(colours))
    axes.set_xlabel(size, color=SOFT, fontsize=8)
    handles = [Patch(facecolor=colour, label=label) for colour, label in legend]
    handles.append(Patch(facecolor="none", edgecolor=SOFT, label="free"))
    figure.legend(handles=handles, loc="lower left",
                  ncol=across, handlelength=1, handleheight=1, columnspacing=1.2,
                  borderaxespad=0.2)
    figure.get_layout_engine().set(rect=(0, room / whole, 1, 1 - room / whole))
    return figure


# Over time

def operations_axis(axes, steps):
    axes.set_xlim(steps[0], steps[-1])
    axes.set_xlabel("operations of the trace replayed")
    axes.xaxis.set_major_formatter(FuncFormatter(thousands))
    axes.xaxis.set_major_locator(MaxNLocator(5 if axes.figure.get_figwidth() > 5 else 3))


def fullness(timeline, width):
    """How full each region is while a trace replays, and the pool in all."""
    steps = [step for step, _ in timeline]
    held = numpy.array([[(pages - free) / pages for pages, free in snap.page_rows()]
                        for _, snap in timeline]).T * 100
    top = len(held) * 2
    figure, (heat, line) = new_figure(width, 460 if width >= NARROW else 420, 2, sharex=True,
                                      gridspec_kw={"height_ratios": [3, 1]})
    step = (steps[-1] - steps[0]) / (len(steps) - 1)
    mesh = heat.imshow(held, cmap="cividis", vmin=0, vmax=100, interpolation="none", aspect="auto",
                       extent=(steps[0] - step / 2, steps[-1] + step / 2, top, 0))
    heat.set_ylabel("MiB into the pool")
    heat.set_title("A row is a region of 2 MiB")
    bar = figure.colorbar(mesh, ax=heat, pad=0.01, aspect=30 if width >= NARROW else 22,
                          format="%d%%")
    bar.set_label("held")
    bar.outline.set_edgecolor(SOFT)
    series = [("allocated", BLUE, "-", "allocated_pages"), ("in magazines", ORANGE, "--",
                                                           "cached_pages")]
    for label, colour, dashes, name in series:
        line.plot(steps, [snap.stats[name] * PAGE / MIB for _, snap in timeline], dashes,
                  color=colour, label=label, linewidth=1.6)
    line.set_ylabel("MiB held")
    line.set_ylim(bottom=0)
    line.grid(True, axis="y")
    line.legend(loc="upper left", ncol=2, borderaxespad=0)
    line.set_ylim(top=line.get_ylim()[1] * 1.35)
    operations_axis(line, steps)
    return figure


def shown_orders(timeline):
    """A few orders, the largest among them."""
    largest = timeline[0][1].stats["max_order"]
    return sorted({order for order in (0, 3, 6, 9, 11, 13, largest) if order <= largest})


def fragmentation(timeline, width):
    """The kernel's two indices, for requests of several orders."""
    orders = shown_orders(timeline)
    colours = spread("viridis", len(orders), 0.28, 0.82)
    styles = ["-", "--", "-.", ":", "-", "--", "-."]
    steps = [step for step, _ in timeline]
    figure, panels = new_figure(width, 470, 2, sharex=True)
    for axes, title, scale in zip(panels, ("Unusable free space index",
                                           "Fragmentation index, if it would fail"),
                                  ("0 all usable … 1 none", "0 too little … 1 in pieces")):
        axes.set_ylim(-0.04, 1.04)
        axes.set_title(title)
        axes.set_ylabel(scale)
        axes.grid(True, axis="y")
    fails = False
    for order, colour, style in zip(orders, colours, styles):
        free = [debugfs.free_blocks(snap.orders) for _, snap in timeline]
        panels[0].plot(steps, [debugfs.unusable_index(row, order) for row in free], style,
                       color=colour, linewidth=1.6, label="order " + order_text(order))
        failing = [debugfs.fragmentation_index(row, order) for row in free]
        fails = fails or max(failing) >= 0
        panels[1].plot(steps, [value if value >= 0 else math.nan for value in failing], style,
                       color=colour, linewidth=1.6)
    if not fails:
        panels[1].text(0.5, 0.5, "each of these orders would have been served\nthe whole time",
                       transform=panels[1].transAxes, ha="center", va="center")
    operations_axis(panels[1], steps)
    figure.legend(*panels[0].get_legend_handles_labels(), loc="lower left",
                  ncol=3 if width >= NARROW else 2, handlelength=2.4, columnspacing=1.2)
    room = (18 * -(-len(orders) // (3 if width >= NARROW else 2)) + 4) / 470
    figure.get_layout_engine().set(rect=(0, room, 1, 1 - room))
    return figure


# Bytes

def size_bins(largest):
    """Four to a power of two."""
    return [2 ** (k / 4) for k in range(4 * 4, 4 * (largest.bit_length() + 1) + 1)]


def has_blocks(slab):
    return bool(slab.runs or slab.objects)


def classes(slab, width):
    """What sizes the bytes of a slab are in, and how much of the free ones is of use."""
    used, free = [], []
    for run in slab.runs:
        for block in run["blocks"]:
            if block["use"] in ("used", "free"):
                (used if block["use"] == "used" else free).append(block["bytes"])
    objects = [(row["bytes"], row["live"], row["free"]) for row in slab.objects]
    used += [size for size, live, _ in objects for _ in range(live)]
    free += [size for size, _, n in objects for _ in range(n)]
    bins = size_bins(max(used + free))
    figure, (bars, line) = new_figure(width, 420, 2, sharex=True,
                                      gridspec_kw={"height_ratios": [3, 2]})
    heights = [numpy.histogram(sizes, bins, weights=sizes)[0] for sizes in (used, free)]
    left = numpy.array(bins[:-1])
    step = numpy.diff(bins)
    bars.bar(left + step * 0.06, heights[0], step * 0.44, align="edge", color=BLUE, label="used")
    bars.bar(left + step * 0.50, heights[1], step * 0.44, align="edge", color=ORANGE,
             label="free", hatch="////", edgecolor=INK, linewidth=0)
    bars.set_xscale("log", base=2)
    bars.set_yscale("log", base=2)
    bars.set_ylabel("bytes in such blocks")
    bars.yaxis.set_major_locator(LogLocator(base=16))
    bars.yaxis.set_major_formatter(FuncFormatter(bytes_text))
    bars.yaxis.set_minor_locator(NullLocator())
    bars.set_axisbelow(True)
    bars.grid(True, axis="y")
    bars.legend(loc="upper right", ncol=2)
    bars.set_ylim(top=bars.get_ylim()[1] * 4)
    # A row of `classes` says what is too small for its class; for more than the
    # largest free block everything is.
    at = [16] + [row["min_bytes"] for row in slab.classes]
    share = [0] + [row["unusable_permille"] / 10 for row in slab.classes]
    if slab.classes:
        at.append(max(free) + 16)
        share.append(100)
    line.step([*at, bins[-1]], [*share, share[-1]], where="post", color=RED, linewidth=1.6)
    line.set_ylim(0, 105)
    line.set_ylabel("free bytes too\nsmall to serve it")
    line.yaxis.set_major_formatter(FuncFormatter(lambda n, _: "%d%%" % n))
    line.grid(True, axis="y")
    line.set_xlabel("size of a block or request, header included")
    line.xaxis.set_major_formatter(FuncFormatter(bytes_text))
    line.set_xlim(bins[0], bins[-1])
    ticks = [2 ** k for k in range(4, int(math.log2(bins[-1])) + 1, 2 if width >= NARROW else 4)]
    line.set_xticks(ticks)
    line.minorticks_off()
    return figure


# Latency

# A single slow call has to be seen on dark paper, too.
SEEN = ListedColormap(spread("viridis", 256, 0.3, 1))
CALLS = {"alloc": "allocations", "request": "requests under conditions", "free": "frees",
         "hold": "holds of the pool's lock"}


def latency_grid(rows, what):
    """Calls by order and power of two of nanoseconds, as a matrix with its axes."""
    mine = [row for row in rows if row["what"] == what]
    orders = range(max(row["order"] for row in rows) + 1)
    bits = range(min(row["below_ns"] for row in rows).bit_length() - 1,
                 max(row["below_ns"] for row in rows).bit_length())
    grid = numpy.zeros((len(orders), len(bits)))
    for row in mine:
        grid[row["order"], row["below_ns"].bit_length() - 1 - bits[0]] += row["count"]
    return grid, orders, bits


def time_text(ns):
    for unit in ("ns", "µs", "ms"):
        if ns < 1000 or unit == "ms":
            return "%.3g %s" % (ns, unit)
        ns /= 1000


def latency(snap, width):
    """How many calls of each order took how long."""
    kinds = [what for what in CALLS if any(row["what"] == what for row in snap.latency)]
    grids = [latency_grid(snap.latency, what) for what in kinds]
    _, orders, bits = grids[0]
    height = len(kinds) * (56 + 15 * len(orders)) + 30
    figure, panels = new_figure(width, height, len(kinds), sharex=True, squeeze=False)
    norm = LogNorm(1, max(max(grid.max() for grid, *_ in grids), 10))
    for axes, what, (grid, *_) in zip(panels[:, 0], kinds, grids):
        mesh = axes.imshow(numpy.ma.masked_equal(grid, 0), cmap=SEEN, norm=norm,
                           interpolation="none", aspect="auto", origin="lower",
                           extent=(bits[0] - 1, bits[-1], -0.5, len(orders) - 0.5))
        axes.set_title("%s: %s" % (CALLS[what], thousands(grid.sum())))
        axes.set_ylabel("order")
        axes.yaxis.set_major_locator(MaxNLocator(6, integer=True))
        axes.xaxis.set_major_locator(MaxNLocator(8 if width >= NARROW else 4, integer=True))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda bit, _: time_text(2 ** bit)))
        axes.grid(True, axis="x")
        axes.set_axisbelow(True)
    panels[-1, 0].set_xlabel("time of a call; a column is a power of two")
    bar = figure.colorbar(mesh, ax=panels[:, 0], pad=0.01, aspect=30, shrink=0.8,
                          format=FuncFormatter(thousands))
    bar.set_label("calls")
    bar.outline.set_edgecolor(SOFT)
    return figure


# The benchmark

METHODS = {"icount": "instructions", "uml": "nanoseconds"}
SECTIONS = [
    ("pages, one block again and again", "repeat", [0, 3, 6, 9], "respool", "order %d"),
    ("pages, many, freed at random", "bulk-random", [0, 3, 6, 9], "respool", "order %d"),
    ("bytes, one block again and again", "repeat", [64, 1024], "respool_alloc", "%d B"),
    ("bytes, many, freed at random", "bulk-random", [64, 1024], "respool_alloc", "%d B"),
]
PEERS = {"respool": ["alloc_pages", "gen_pool-first", "gpu_buddy"],
         "respool_alloc": ["kmalloc", "kmem_cache", "dma_pool"]}


def cost(bench, method, allocator, pattern, arg):
    for row in bench:
        if (row["method"], row["allocator"], row["pattern"], row["arg"]) == \
           (method, allocator, pattern, arg) and row.get("init_on_alloc") == 0 and \
           row.get("pool") == "main" and row["pair"]:
            return row["pair"]
    return None


def ratios(bench, method):
    """Rows of (section, what, peer, how many times what respool takes)."""
    rows = []
    for section, pattern, args, ours, what in SECTIONS:
        for arg in args:
            own = cost(bench, method, ours, pattern, arg)
            for peer in PEERS[ours] if own else []:
                theirs = cost(bench, method, peer, pattern, arg)
                if theirs:
                    rows.append((section, what % arg, peer, theirs / own))
    return rows


def methods(bench):
    """Those that there is something to compare of."""
    return [(method, unit) for method, unit in METHODS.items()
            if ratios(bench, method) and any(
                row["pattern"] == "aged-90-alloc" and row["method"] == method for row in bench)]


def ratio_bars(bench, width, method="icount"):
    rows = ratios(bench, method)
    sections = [name for name, *_ in SECTIONS if any(row[0] == name for row in rows)]
    counts = [len({row[1] for row in rows if row[0] == name}) * 4 for name in sections]
    height = 13 * sum(counts) + 62 * len(sections) + 40
    figure, panels = new_figure(width, height, len(sections), sharex=True, squeeze=False,
                                gridspec_kw={"height_ratios": counts})
    limit = max(max(row[3] for row in rows) * 2.4, 10)
    low = min(min(row[3] for row in rows) / 1.6, 0.5)
    for axes, section in zip(panels[:, 0], sections):
        mine = [row for row in rows if row[0] == section]
        whats = list(dict.fromkeys(row[1] for row in mine))
        peers = list(dict.fromkeys(row[2] for row in mine))
        for _, what, peer, ratio in mine:
            y = whats.index(what) * (len(peers) + 1) + peers.index(peer)
            colour = ALLOCATORS[peer][0]
            axes.barh(y, ratio - 1, left=1, height=0.86, color=colour)
            axes.annotate("%.3g×" % ratio, (max(ratio, 1), y), (3, 0), fontsize=8,
                          textcoords="offset points", va="center")
        axes.axvline(1, color=INK, linewidth=1)
        axes.set_xscale("log")
        axes.set_xlim(low, limit)
        axes.set_ylim((len(peers) + 1) * len(whats) - 1, -1)
        axes.set_yticks([i * (len(peers) + 1) + (len(peers) - 1) / 2 for i in range(len(whats))],
                        whats)
        axes.tick_params(axis="y", length=0)
        axes.set_title(section, pad=20)
        axes.legend(handles=[Patch(facecolor=ALLOCATORS[peer][0], label=peer) for peer in peers],
                    loc="lower left", bbox_to_anchor=(0, 1), ncol=3, handlelength=1,
                    handleheight=1, borderaxespad=0.1, borderpad=0.2, columnspacing=1)
        axes.grid(True, axis="x")
        axes.set_axisbelow(True)
    panels[-1, 0].set_xlabel("%s, times what respool takes" % METHODS[method])
    panels[-1, 0].xaxis.set_major_formatter(FuncFormatter(lambda x, _: "%g×" % x))
    panels[-1, 0].xaxis.set_minor_formatter(FuncFormatter(lambda x, _: ""))
    return figure


def single_calls(bench, width, method="icount"):
    """How much single calls differ, in a pool that has been in use for long."""
    kinds = ["aged-90-alloc", "aged-90-free"]
    names = [name for name in ALLOCATORS
             if any(row["allocator"] == name and row["pattern"] == kinds[0] and
                    row["method"] == method for row in bench)]
    side_by_side = width >= NARROW
    figure, panels = new_figure(width, (60 + 34 * len(names)) * (1 if side_by_side else 2),
                                1 if side_by_side else 2, 2 if side_by_side else 1,
                                sharex=True, sharey=side_by_side, squeeze=False)
    marks = [("p50", "o", "half of all calls"), ("p99", "s", "99 of 100"),
             ("p999", "D", "999 of 1000"), ("max", "|", "all")]
    shades = dict(zip(("p50", "p99", "p999", "max"), (SKY, BLUE, RED, INK)))
    for axes, kind in zip(panels.flat, kinds):
        for y, name in enumerate(names):
            row = next((row for row in bench if row["allocator"] == name and
                        row["pattern"] == kind and row["method"] == method and
                        row.get("init_on_alloc") == 0 and row.get("pool") == "main"), None)
            if not row:
                continue
            axes.plot([max(row["p50"], 1), row["max"]], [y, y], color=GRID, linewidth=3,
                      solid_capstyle="round", zorder=1)
            for field, marker, _ in marks:
                axes.plot(max(row[field], 1), y, marker, color=shades[field], markersize=6
                          if marker != "|" else 11, markeredgewidth=2 if marker == "|" else 1,
                          zorder=2)
        axes.set_yticks(range(len(names)), names)
        axes.set_ylim(len(names) - 0.5, -0.5)
        axes.tick_params(axis="y", length=0)
        axes.set_xscale("log")
        axes.grid(True, axis="x")
        axes.set_title("allocations" if kind.endswith("alloc") else "frees")
        axes.set_xlabel("%s at most (log)" % METHODS[method])
    handles = [matplotlib.lines.Line2D([], [], linestyle="", marker=marker, color=shades[field],
                                       markersize=6, label=text) for field, marker, text in marks]
    figure.legend(handles=handles, loc="lower left", ncol=4 if side_by_side else 2)
    room = (28 if side_by_side else 46) / (figure.get_figheight() * 96)
    figure.get_layout_engine().set(rect=(0, room, 1, 1 - room))
    return figure
