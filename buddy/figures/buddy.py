# SPDX-License-Identifier: GPL-2.0 OR CC-BY-SA-4.0
"""Splits and merges of buddies in a region; which region is taken."""
from figure import *

buddy = Header("buddy/buddy.h")
REGION_ORDER = buddy["RESPOOL_REGION_ORDER"]
REGION_PAGES = buddy["RESPOOL_REGION_PAGES"]
PAGE = 4096
TOP_ORDER = 3		# of the region drawn, which has 2^3 pages
PAGES = 1 << TOP_ORDER
CELL, ROW = 19, 34

figure = f = Figure("The buddy system: splits, merges, regions", 960, 640)


class Region:
    """The free bits of a small region, and the steps of a call on it."""

    def __init__(self):
        self.free = {(TOP_ORDER, 0)}
        self.held = {}

    def alloc(self, order):
        level, index = min(block for block in self.free if block[0] >= order)
        self.free.remove((level, index))
        while level > order:
            level, index = level - 1, 2 * index
            self.free.add((level, index + 1))
        self.held[index << order] = order
        return level, index

    def give(self, page):
        """The blocks that the free block was, as it grew."""
        order = self.held.pop(page)
        block = (order, page >> order)
        grown = [block]
        while block[0] < TOP_ORDER and (block[0], block[1] ^ 1) in self.free:
            self.free.remove((block[0], block[1] ^ 1))
            block = (block[0] + 1, block[1] >> 1)
            grown.append(block)
        self.free.add(block)
        return grown


def box_of(x, y, order, index):
    return x + (index << order) * CELL, y + (TOP_ORDER - order) * ROW, CELL << order


def draw_region(x, y, region, cut=(), grown=()):
    """@cut are blocks split, @grown merged: a path from box to box."""
    for order in range(TOP_ORDER, -1, -1):
        for index in range(PAGES >> order):
            left, top, width = box_of(x, y, order, index)
            free = (order, index) in region.free
            f.box(left, top, width, 22, FREE_TAG if free else PAPER)
    path = list(cut) + list(grown)
    colour = ACTION if cut else SEARCH
    centres = [(left + width / 2, top) for left, top, width in
               (box_of(x, y, *block) for block in path)]
    for (a, top), (b, bottom) in zip(centres, centres[1:]):
        start, end = (top + 23, bottom - 1) if bottom > top else (top - 1, bottom + 23)
        f.line((a, start), (b, end), colour=colour, arrow=True, width=1.5)
    y += (TOP_ORDER + 1) * ROW + 6
    for page in range(PAGES):
        f.box(x + page * CELL, y, CELL, 22, FREE, str(page), "small mono")
    for page, order in region.held.items():
        f.box(x + page * CELL, y, CELL << order, 22, USED,
              "%d" % page if not order else "%d\u2013%d" % (page, page + (1 << order) - 1),
              "small mono")


f.text(24, 28, "Splits and merges", "head")
f.text(184, 29, "the free blocks of each order, which a bit for each page is enough to tell; here "
       "%d pages, in a region of the pool %d" % (PAGES, REGION_PAGES), "soft")

region = Region()
steps = [("all is free", "", (), ())]
snapshots = [(set(region.free), dict(region.held))]


def note(title, detail, cut=(), grown=()):
    steps.append((title, detail, cut, grown))
    snapshots.append((set(region.free), dict(region.held)))


order, index = region.alloc(0)
note("take order 0", "the block is split,\nits right halves stay free",
     cut=[(k, index >> k) for k in range(TOP_ORDER, -1, -1)])
region.alloc(1)
note("take order 1", "a block of that order\nis there: no split")
grown = region.give(0)
note("free page 0", "page 1, its buddy, is free:\nthey merge; 2\u20133 is held: stop",
     grown=grown)
grown = region.give(2)
note("free pages 2\u20133", "each buddy is free:\nmerged up to the whole", grown=grown)
assert snapshots[0] == snapshots[-1]

LEFT, GAP = 80, 24
top = 112
for order in range(TOP_ORDER, -1, -1):
    f.text(LEFT - 10, top + (TOP_ORDER - order) * ROW + 11, "order %d" % order, "small", "end")
f.text(LEFT - 10, top + (TOP_ORDER + 1) * ROW + 17, "pages", "small", "end")
x = LEFT
for (title, detail, cut, grown), (free, held) in zip(steps, snapshots):
    region.free, region.held = free, held
    f.text(x, 64, title, "bold")
    for i, line in enumerate(detail.split("\n")):
        f.text(x, 81 + 14 * i, line, "small")
    draw_region(x, top, region, cut, grown)
    x += PAGES * CELL + GAP

y = top + (TOP_ORDER + 2) * ROW + 14
f.text(LEFT, y, "The buddy of block i of an order is block i \u2295 1 beside it; the two are halves of "
       "block i / 2 of the order above. Whether one is free is the bits of its pages.",
       "small")
f.legend(LEFT, y + 26, [(FREE_TAG, "a free block of that order", 250),
                        (FREE, "free page", 105), (USED, "held page", 105)])
f.line((LEFT + 478, y + 26), (LEFT + 506, y + 26), colour=ACTION, arrow=True, width=1.5)
f.text(LEFT + 514, y + 26, "split", "small")
f.line((LEFT + 568, y + 26), (LEFT + 596, y + 26), colour=SEARCH, arrow=True, width=1.5)
f.text(LEFT + 604, y + 26, "merge", "small")

# Regions
y += 78
f.text(24, y, "Regions first", "head")
f.text(142, y + 1, "the pool in groups of %d pages, %d MiB, each with the blocks of orders "
       "0 to %d" % (REGION_PAGES, REGION_PAGES * PAGE >> 20, REGION_ORDER - 1), "soft")
WANT = 3
FULL = -1
regions = [		# order of the largest free block, share held
    (FULL, 1), (FULL, 1), (2, 0.95), (6, 0.7), (4, 0.9), (FULL, 1), (4, 0.85), (8, 0.4),
    (REGION_ORDER, 0), (REGION_ORDER, 0), (1, 0.97), (REGION_ORDER, 0),
]
best = min(order for order, held in regions if order >= WANT)
chosen = [order for order, held in regions].index(best)
y += 54
width, step = 56, 68
for i, (order, held) in enumerate(regions):
    x = LEFT + i * step
    f.box(x, y, width, 56, FREE)
    if held:
        f.box(x, y + 56 * (1 - held), width, 56 * held, USED)
    f.middle(x + width / 2, y + 70, "full" if order == FULL else "whole"
             if order == REGION_ORDER else "order %d" % order,
             "small search bold" if i == chosen else "small")
x = LEFT + chosen * step
f.add("rect", x=x - 4, y=y - 4, width=width + 8, height=64, fill="none", stroke=SEARCH,
      stroke_width=2)
f.line((x + width / 2, y - 18), (x + width / 2, y - 6), colour=SEARCH, arrow=True, width=2)
f.middle(x + width / 2, y - 25, "take order %d" % WANT, "small search bold")
f.text(LEFT - 10, y + 20, "pages held", "small", "end")
f.text(LEFT - 10, y + 70, "largest free", "small", "end")
f.text(LEFT, y + 100, "A block of order %d comes from the regions whose largest free block is the "
       "smallest that serves, here order %d, and of these from the lowest." % (WANT, best),
       "small")
f.text(LEFT, y + 116, "So regions in use fill up, those that drain become whole, and whole ones "
       "stay whole. They are the blocks of order %d, which make up all larger ones"
       % REGION_ORDER, "small")
f.text(LEFT, y + 132, "the same way: two whole buddies merge into order %d, and so on up to the "
       "pool." % (REGION_ORDER + 1), "small")
f.height = y + 154
