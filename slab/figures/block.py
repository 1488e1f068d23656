# SPDX-License-Identifier: GPL-2.0 OR CC-BY-SA-4.0
"""A run, a live and a free block in it, and what a tag holds."""
from figure import *

freelist = Header("slab/freelist.h")
core = Header("slab/freelist.h")
HEADER = freelist["RESPOOL_BLOCK_HEADER"]
MIN = freelist["RESPOOL_BLOCK_MIN"]
ALIGN = freelist["RESPOOL_BLOCK_ALIGN"]
RUN = freelist.sizeof("respool_run")
LINK = 8
PAGE = 4096

figure = f = Figure("A run of blocks, a live and a free block, and a tag", 960, 644)

# The run
f.text(24, 28, "A run", "head")
f.text(84, 29, "one page or more from the page layer; here one, its widths not to scale",
       "soft")
y = 84
parts = [		# width, fill, label, bytes
    (108, RUN_TAG, "struct\nrespool_run", RUN),
    (156, USED, "live", 96), (178, FREE, "free", 208), (110, USED, "live", 48),
    (130, USED, "live", 64), (130, FREE, "free", PAGE - RUN - HEADER - 416),
    (80, RUN_TAG, "end tag", HEADER),
]
x, at, heads = 34, 0, []
for i, (width, fill, label, size) in enumerate(parts):
    f.box(x, y, width, 46, fill)
    if fill == RUN_TAG:
        f.box(x, y, width, 46, fill, label, "small" if i == 0 else None)
    else:
        f.box(x, y, 16, 46, USED_TAG if fill == USED else FREE_TAG)
        f.middle(x + 8 + width / 2, y + 16, label, "bold")
        f.middle(x + 8 + width / 2, y + 32, "%d bytes" % size, "small")
        if fill == FREE:
            f.box(x + width - 16, y, 16, 46, FREE_TAG)
    f.text(x, y + 58, "%d" % at, "small mono soft", "middle" if i else "start")
    heads.append(x)
    x += width
    at += size
f.text(x, y + 58, "%d" % at, "small mono soft", "end")
for here, there in zip(heads[1:], heads[2:]):
    f.hop(here + 8, there + 8, y, 26)
f.text(34, y - 26, "implicit list:", "small bold")
f.text(34, y - 12, "add the size", "small")

# The two kinds of block
def field(x, y, width, fill, name, note, offset):
    f.box(x, y, width, 46, fill)
    f.middle(x + width / 2, y + 16, name, "bold")
    f.middle(x + width / 2, y + 32, note, "small")
    f.middle(x, y + 58, offset, "small mono soft")

f.text(24, 182, "A live block", "head")
f.text(140, 183, "is a header and what the client may use: no footer, %d bytes an allocation"
       % HEADER, "soft")
y = 222
field(150, y, 130, USED_TAG, "header", "%d bytes" % HEADER, "0")
field(280, y, 540, USED, "payload", "aligned to %d; what was asked for, rounded up" % ALIGN,
      str(HEADER))
f.box(820, y, 90, 46, PAPER, "next\nheader", "small soft", dash="4 3")
f.middle(820, y + 58, "size", "small mono soft")
f.line((280, y - 14), (280, y - 2), colour=ACTION, arrow=True)
f.text(288, y - 11, "the address respool_alloc() returns", "small action")

f.text(24, 318, "A free block", "head")
f.text(140, 319, "keeps its two links and its footer in bytes nobody uses: so %d bytes is the smallest"
       % MIN, "soft")
y = 340
f.box(60, y, 90, 46, PAPER, "block\nin front", "small soft", dash="4 3")
field(150, y, 130, FREE_TAG, "header", "%d bytes" % HEADER, "0")
field(280, y, 110, FREE_TAG, "next", "%d bytes" % LINK, str(HEADER))
field(390, y, 110, FREE_TAG, "previous", "%d bytes" % LINK, str(HEADER + LINK))
field(500, y, 190, FREE, "nothing", "size \u2212 %d bytes" % MIN, str(HEADER + 2 * LINK))
field(690, y, 130, FREE_TAG, "footer", "%d bytes" % HEADER, "size \u2212 %d" % HEADER)
f.box(820, y, 90, 46, PAPER, "next\nheader", "small soft", dash="4 3")
f.middle(820, y + 58, "size", "small mono soft")
f.line((335, y + 66), (335, y + 84), (445, y + 84), (445, y + 66), colour=SOFT)
f.middle(390, y + 96, "neighbours on the list of the class, encoded", "small")
f.line((850, y + 50), (850, y + 84), (755, y + 84), (755, y + 50), colour=ACTION, arrow=True)
f.middle(770, y + 96, "\u201cprevious used\u201d is 0: there is a footer to read", "small action")

# The tag
f.text(24, 474, "A tag", "head")
f.text(84, 475, "the 64 bits of a header, a footer or an end tag", "soft")
y = 508
bits = [		# first bit, last bit, width, fill, name, note
    (63, 32, 330, FAINT, "check", "keyed with a secret and the tag\u2019s own address"),
    (31, 4, 300, FAINT, "size in bytes", "header included, a multiple of %d" % ALIGN),
    (3, 3, 50, PAPER, "0", ""),
    (2, 2, 70, FAINT, "first", "of its run"),
    (1, 1, 84, FAINT, "previous\nused", ""),
    (0, 0, 64, FAINT, "used", ""),
]
assert core["RESPOOL_TAG_FLAGS"] == 15 and ALIGN == 16
assert [core["RESPOOL_TAG_" + flag] for flag in ("USED", "PREV_USED", "FIRST")] == [1, 2, 4]
x = 31
for first, last, width, fill, name, note in bits:
    f.box(x, y, width, 46, fill, None if note else name, "bold")
    if note:
        f.middle(x + width / 2, y + 16, name, "bold")
        f.middle(x + width / 2, y + 32, note, "small")
    f.middle(x + width / 2, y - 9, "bit %d" % first if first == last and first == 3 else
             "%d" % first if first == last else "bits %d to %d" % (first, last),
             "small mono soft")
    x += width
f.text(31, y + 66, "A footer has the size and no flags. The end tag is the header of a used block "
       "of size 0, where a walk stops.", "small")
f.legend(31, 612, [(USED_TAG, "header of a live block", 185), (USED, "what the client uses", 175),
                   (FREE_TAG, "header, links, footer of a free block", 265),
                   (FREE, "free", 75), (RUN_TAG, "the run\u2019s own", 120)])
