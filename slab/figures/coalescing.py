# SPDX-License-Identifier: GPL-2.0 OR CC-BY-SA-4.0
"""The four cases of coalescing, before and after a free."""
from figure import *

freelist = Header("slab/freelist.h")
UNIT = freelist["RESPOOL_BLOCK_ALIGN"]
SCALE = 1.62		# pixels a byte
TAG = 34
FRONT, FREED, BEHIND = 64, 80, 96	# bytes of the three blocks
assert not any(size % UNIT for size in (FRONT, FREED, BEHIND))
assert min(FRONT, FREED, BEHIND) >= freelist["RESPOOL_BLOCK_MIN"]

figure = f = Figure("Coalescing: what a free does with its neighbours", 960, 648)
LEFT, RIGHT = 24, 500
WIDTH = (FRONT + FREED + BEHIND) * SCALE


def tag(x, y, size, used, prev_used):
    """A header: the size, and the bits used and previous used."""
    f.box(x, y, TAG, 42, USED_TAG if used else FREE_TAG)
    f.middle(x + TAG / 2, y + 14, str(size), "small mono bold")
    f.middle(x + TAG / 2, y + 29, "%d %d" % (used, prev_used), "small mono")


def strip(x, y, blocks):
    """Blocks side by side, and the header behind them."""
    prev_used = 1
    for i, (size, used, name) in enumerate(blocks):
        width = size * SCALE
        f.box(x, y, width, 42, USED if used else FREE)
        tag(x, y, size, used, prev_used)
        right = x + width - (0 if used else TAG)
        f.middle((x + TAG + right) / 2, y + 21, name,
                 "small action bold" if name.startswith("free it") else "small")
        if not used:
            f.box(right, y, TAG, 42, FREE_TAG, str(size), "small mono")
        x += width
        prev_used = used
    f.box(x, y, TAG + 16, 42, USED, dash="4 3")
    tag(x, y, "\u2026", 1, prev_used)


f.text(24, 28, "Coalescing", "head")
f.text(132, 29, "free neighbours merge at once, so no two free blocks are ever side by side; "
       "sizes in bytes", "soft")
f.text(LEFT, 62, "before", "bold")
f.text(RIGHT, 62, "after", "bold")

cases = [
    (1, 1, "Both neighbours are live: nothing to merge.",
     "The block goes on the list of its class."),
    (1, 0, "The block behind is free: it is found at this header plus its size.",
     "It leaves its list; its header is swallowed."),
    (0, 1, "The block in front is free: the bit says so, its footer says where it starts.",
     "It leaves its list and grows; the freed header is swallowed."),
    (0, 0, "Both are free: three blocks become one.",
     "Two leave their lists, one joins a list: one free block fewer."),
]
y = 92
for number_of, (front, behind, what, result) in enumerate(cases, 1):
    f.text(LEFT, y, "%d" % number_of, "bold action")
    f.text(LEFT + 16, y, what, "small")
    f.text(RIGHT, y, result, "small")
    word = {1: "live", 0: "free"}
    strip(LEFT, y + 16, [(FRONT, front, word[front]), (FREED, 1, "free it"),
                         (BEHIND, behind, word[behind])])
    merged = FREED + (0 if front else FRONT) + (0 if behind else BEHIND)
    after = [(FRONT, 1, "live")] * front + [(merged, 0, "free")] + [(BEHIND, 1, "live")] * behind
    strip(RIGHT, y + 16, after)
    f.line((LEFT + WIDTH + TAG + 22, y + 37), (RIGHT - 8, y + 37), colour=ACTION, arrow=True,
           width=2)
    y += 106

y += 8
f.text(LEFT, y, "To read a tag:", "bold")
tag(LEFT, y + 20, 80, 1, 0)
f.text(LEFT + TAG + 10, y + 34, "size of the block", "small")
f.text(LEFT + TAG + 10, y + 49, "bits: used, previous used", "small")
f.box(LEFT + 240, y + 20, TAG, 42, FREE_TAG, "96", "small mono")
f.text(LEFT + 240 + TAG + 10, y + 34, "footer: the size again,", "small")
f.text(LEFT + 240 + TAG + 10, y + 49, "at the end of a free block", "small")
f.text(RIGHT, y + 26, "A free marks the freed header, writes the tags of the result, and clears",
       "small")
f.text(RIGHT, y + 41, "\u201cprevious used\u201d in the header behind. Whatever the heap\u2019s size, at most", "small")
f.text(RIGHT, y + 56, "two blocks leave a list and one joins one.", "small")
f.legend(LEFT, y + 92, [(USED, "live block", 120), (USED_TAG, "its header", 130),
                        (FREE, "free block", 120), (FREE_TAG, "its header and footer", 180)])
