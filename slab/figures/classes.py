# SPDX-License-Identifier: GPL-2.0 OR CC-BY-SA-4.0
"""The two-level index of free blocks, and a search in it."""
from figure import *

freelist = Header("slab/freelist.h")
ROWS = freelist["RESPOOL_CLASS_ROWS"]
COLUMNS = freelist["RESPOOL_CLASS_COLUMNS"]
ALIGN = freelist["RESPOOL_BLOCK_ALIGN"]
HEADER = freelist["RESPOOL_BLOCK_HEADER"]

figure = f = Figure("The two-level index of free blocks", 960, 560)
CELL, STEP = 13, 46
X = {"bit": 24, "row": 62, "cells": 228, "list": 660}
TOP_ROW = 112


def width(row):
    """Bytes between the smallest sizes of two classes of a row."""
    return ALIGN << max(row - 1, 0)


def first_size(row):
    return COLUMNS * width(row) if row else 0


def class_of(size):
    row = (size // (COLUMNS * ALIGN)).bit_length()
    return row, (size - first_size(row)) // width(row)


def binary(size):
    for unit, shift in (("GiB", 30), ("MiB", 20), ("KiB", 10)):
        if size >= 1 << shift and not size % (1 << shift):
            return "%d %s" % (size >> shift, unit)
    return str(size)


lists = {		# row: the sizes of its free blocks
    0: [[32, 32, 32]],
    1: [[560]],
    2: [],
    3: [[2640, 2672], [3200]],
    4: [],
    5: [[9856]],
    ROWS - 1: [],
}
for row, chains in lists.items():
    for chain in chains:
        assert len({class_of(size) for size in chain}) == 1
        assert class_of(chain[0])[0] == row

REQUEST = 600
need = (REQUEST + HEADER + ALIGN - 1) // ALIGN * ALIGN
want_row, want_column = class_of(need)
found_row = 3

f.text(24, 28, "The two-level index", "head")
f.text(206, 29, "%d rows of %d classes of sizes, a list of free blocks for each, a bit for each "
       "that is not empty" % (ROWS, COLUMNS), "soft")
f.middle(X["bit"] + 7, 74, "rows", "bold")
f.middle(X["bit"] + CELL / 2, 90, "1 word", "small soft")
f.text(X["row"], 74, "sizes of blocks", "bold")
f.text(X["row"], 90, "bytes, headers included", "small soft")
f.text(X["cells"], 74, "columns", "bold")
f.text(X["cells"], 90, "a word a row: %d classes, column 0 on the left" % COLUMNS, "small soft")
f.text(X["list"], 74, "lists", "bold")
f.text(X["list"], 90, "a class\u2019s free blocks, linked both ways", "small soft")

place = {}
y = TOP_ROW
for row, chains in lists.items():
    if row == ROWS - 1:
        f.middle(X["bit"] + CELL / 2, y + 2, "\u22ee", "bold")
        f.text(X["row"], y + 2, "each row twice the sizes of the one before", "small soft")
        y += 30
    marked = {class_of(chain[0])[1] for chain in chains}
    f.box(X["bit"] - 4, y, 21, 20, FREE_TAG if marked else PAPER, "1" if marked else "0", "mono")
    end = first_size(row) + COLUMNS * width(row) - ALIGN
    f.text(X["row"], y + 3, "row %d" % row, "small bold")
    f.text(X["row"], y + 17, "%s to %s, by %s" % (
        (first_size(row), end, width(row)) if end < 1 << 20 else
        tuple(map(binary, (first_size(row), end + ALIGN, width(row))))), "small")
    for column in range(COLUMNS):
        x = X["cells"] + column * CELL
        f.box(x, y, CELL, 20, FREE_TAG if column in marked else PAPER,
              "1" if column in marked else None, "small mono")
    x = X["list"]
    for chain in chains:
        place[chain[0]] = (x, y)
        column = class_of(chain[0])[1]
        low = first_size(row) + column * width(row)
        f.text(x, y + 31, "column %d" % column if width(row) == ALIGN else
               "column %d: %d\u2013%d" % (column, low, low + width(row) - ALIGN), "small soft")
        for i, size in enumerate(chain):
            f.box(x, y - 2, 52, 24, FREE, str(size), "small mono")
            if i + 1 < len(chain):
                f.line((x + 53, y + 6), (x + 66, y + 6), arrow=True)
                f.line((x + 67, y + 14), (x + 54, y + 14), arrow=True)
            x += 68
        x += 10
    if marked:
        f.line((X["cells"] + CELL * COLUMNS + 4, y + 10), (X["list"] - 4, y + 10), colour=SOFT,
               arrow=True)
    place[row] = y
    y += STEP


def centre(column):
    return X["cells"] + (column + 0.5) * CELL


# The search
y = place[want_row]
f.add("circle", cx=centre(want_column), cy=y + 10, r=12, fill="none", stroke=SEARCH,
      stroke_width=2)
f.middle(centre(want_column), y - 12, "1", "search bold")
f.line((centre(want_column) + 14, y + 10), (X["cells"] + CELL * COLUMNS - 2, y + 10),
       colour=SEARCH, arrow=True, width=2)
f.middle(X["cells"] + CELL * 20, y - 8, "2", "search bold")
f.line((X["bit"] + 25, y + 14), (X["bit"] + 25, place[found_row] + 10), (X["bit"] + 19,
       place[found_row] + 10), colour=SEARCH, arrow=True, width=2)
f.text(X["bit"] + 32, place[2] + 30, "3", "search bold")
column = class_of(lists[found_row][0][0])[1]
f.add("circle", cx=centre(column), cy=place[found_row] + 10, r=12, fill="none", stroke=SEARCH,
      stroke_width=2)
f.middle(centre(column), place[found_row] - 12, "4", "search bold")
x, y = place[lists[found_row][0][0]]
f.add("rect", x=x - 3, y=y - 5, width=58, height=30, fill="none", stroke=SEARCH, stroke_width=2)
f.middle(x + 26, y - 15, "5", "search bold")

y = place[ROWS - 1] + 52
steps = [
    ("", "respool_alloc() of %d bytes needs a block of %d: with its header, rounded up to %d."
     % (REQUEST, need, ALIGN)),
    ("1", "Its class is row %d, column %d. Were there blocks in it, the first few would be looked "
     "at." % (want_row, want_column)),
    ("2", "The bits to the right in this row are classes of larger sizes: none is set."),
    ("3", "The first set bit among the rows beyond: row %d." % found_row),
    ("4", "Its first set bit: any block of this class is large enough."),
    ("5", "The best of the first few on the list serves; what is left over goes back to the "
     "index."),
]
f.height = y + 20 * len(steps) + 4
for mark, words in steps:
    f.middle(30, y, mark, "search bold")
    f.text(44 if mark else 24, y, words, "small" if mark else "bold")
    y += 20
