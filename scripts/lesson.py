# SPDX-License-Identifier: GPL-2.0
"""What an operation of a trace did to the blocks, told from debugfs before and after.

Nothing here knows how respool decides; it finds which block came, went, was cut
or merged by comparing two snapshots, and says so. It needs every call to change
what it changes: a slab and a pool without magazines.
"""
import gzip
import re

HEADER = 8
MOST_ORDER = 32


class Change:
    """The words for an operation, and what to point at."""

    def __init__(self, op, words, touched=()):
        self.op = op
        self.words = words
        self.touched = set(touched)	# where blocks begin that are not as before


def read_op(line, pages):
    match = re.fullmatch(r"\s*(?:f\s*(\d+)|([%s])\s*(\d+)\s+(\d+))\s*" % ("a" if pages else "ar"),
                         line, re.ASCII)
    if not match:
        raise ValueError("not an operation of a trace of %s: '%.40s'" % (
            "pages" if pages else "bytes", line))
    freed, what, number, size = match.groups()
    if pages and size and int(size) > MOST_ORDER:
        raise ValueError("order %s is above %d" % (size, MOST_ORDER))
    return ("f", int(freed), None) if freed else (what, int(number), int(size))


def check_op(op, held, ids):
    """That it makes sense after those before; held is what they left allocated."""
    what, number, _ = op
    if number >= ids:
        raise ValueError("id %d is not below %d" % (number, ids))
    if (what == "a") == (number in held):
        raise ValueError("id %d is %s" % (number, "allocated already" if what == "a" else
                                          "not allocated"))
    if what == "f":
        held.remove(number)
    else:
        held.add(number)


def read_trace(path, pages):
    """Operations as (what, id, size); size is None of a free.

    As replay reads it, from a file that may be gzipped. ValueError says what is wrong.
    """
    data = path.read_bytes()
    lines = (gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data).decode("ascii")
    lines = lines.splitlines()
    ops, held, n = [], set(), 0
    try:
        for n in range(4):
            if not re.fullmatch(r"\s*\d+\s*", lines[n]):
                raise ValueError("not a number: '%.40s'" % lines[n])
        _, ids, count, _ = map(int, lines[:4])
        for n in range(4, 4 + count):
            ops.append(read_op(lines[n], pages))
            check_op(ops[-1], held, ids)
        for n in range(4 + count, len(lines)):
            if lines[n].strip():
                raise ValueError("more than the %d operations promised" % count)
    except IndexError:
        raise ValueError("line %d: the file ends too early" % (n + 1)) from None
    except ValueError as error:
        raise ValueError("line %d: %s" % (n + 1, error)) from None
    return ops


def total(sizes):
    """"96 + 64 = 160", or just the number."""
    return " + ".join(map(str, sizes)) + (" = %d" % sum(sizes) if len(sizes) > 1 else "")


def pages_text(n):
    return "%d page%s" % (n, "" if n == 1 else "s")


# Bytes

class Heap:
    """A slab's blocks in a snapshot, by offset; end tags apart."""

    def __init__(self, snap):
        slab = snap.slabs[0] if snap.slabs else None
        self.runs = slab.runs if slab else []
        self.stats = slab.stats if slab else {}
        self.blocks = {block["offset"]: block for run in self.runs for block in run["blocks"]
                       if block["bytes"]}
        self.used = {offset for offset, block in self.blocks.items() if block["use"] == "used"}

    def at(self, offset):
        """The block that the byte at offset is in."""
        return next((block for start, block in self.blocks.items()
                     if start <= offset < start + block["bytes"]), None)

    def within(self, offset, size):
        return [block for start, block in sorted(self.blocks.items())
                if offset <= start < offset + size]

    def bytes(self):
        return sum(run["bytes"] for run in self.runs)

    def sizes(self):
        """Bytes of each run, by offset."""
        return {run["offset"]: run["bytes"] for run in self.runs}


def tell_run(offset, was, now, alone):
    """What happened to a run; None is one that is not there."""
    name = "the run" if alone else "the run at %d" % offset
    if was is None:
        return "The slab takes %s of %d bytes from the pool. " % (
            "a run" if alone else "one more run, at %d," % offset, now)
    if now is None:
        return "No block of %s is live any more: it goes back to the pool. " % name
    if now > was:
        return "No free block is large enough: %s grows from %d to %d bytes. " % (name, was, now)
    return "What is free at the end of %s goes back to the pool: %d bytes are left of %d. " % (
        name, now, was)


def growth(before, after):
    """What happened to the runs."""
    was, now = before.sizes(), after.sizes()
    both = sorted({*was, *now})
    return "".join(tell_run(offset, was.get(offset), now.get(offset), len(both) == 1)
                   for offset in both if was.get(offset) != now.get(offset))


def need(size):
    """A block for a request, as every slab rounds it."""
    return max(32, (size + HEADER + 15) // 16 * 16)


def tell_cut(before, after, block):
    """Where a block that is new came from."""
    source = before.at(block["offset"])
    rest = after.blocks.get(block["offset"] + block["bytes"])
    left = rest["bytes"] if rest and rest["use"] == "free" else 0
    if (not source or source["use"] != "free") and not left:
        return "It takes all of what came."
    if not source or source["use"] != "free":
        return "It is cut from what came, and the %d bytes that are left are a free block." % left
    if after.bytes() > before.bytes() and block["bytes"] + left > source["bytes"]:
        came = block["bytes"] + left - source["bytes"]
        return "What came joins the free block at the end, %d + %d = %d, and it is cut from " \
            "that: %d = %d + %d." % (source["bytes"], came, source["bytes"] + came,
                               source["bytes"] + came, block["bytes"], left)
    if source["bytes"] == block["bytes"]:
        return "The free block at %d is just as large: it leaves its list and is taken whole." \
            % source["offset"]
    return "It is cut from the free block at %d: %d = %d + %d, and the %d bytes that are left " \
        "stay free." % (source["offset"], source["bytes"], block["bytes"],
                        source["bytes"] - block["bytes"], source["bytes"] - block["bytes"])


def tell_merge(before, after, freed):
    """What a block that was given back became part of."""
    merged = after.at(freed["offset"])
    if not merged:
        return ""
    parts = [block for block in before.within(merged["offset"], merged["bytes"])
             if block["use"] == "free" or block is freed]
    front = any(block["offset"] < freed["offset"] for block in parts)
    behind = any(block["offset"] > freed["offset"] for block in parts)
    sizes = [block["bytes"] for block in parts]
    cases = {
        (False, False): "Neither neighbour is free: it becomes a free block of its own, with a "
                        "footer, and is the first on the list of its class.",
        (True, False): "It coalesces with the free block in front, which the footer just before "
                       "its header leads to",
        (False, True): "It coalesces with the free block behind, which its own size leads to",
        (True, True): "It coalesces with both neighbours, which were free",
    }
    words = cases[front, behind]
    if front or behind:
        words += ": %s bytes." % total(sizes)
        if sum(sizes) != merged["bytes"]:
            words += " Of these %d stay." % merged["bytes"]
    return words


def tell_alloc(number, size, before, after, places):
    new = sorted(after.used - before.used)
    if not new:
        return Change("alloc(%d) of %d bytes" % (number, size),
                      "It fails: no free block is large enough, and the pool has no pages.")
    block = after.blocks[new[0]]
    places[number] = new[0]
    words = "%d bytes and a header of %d, rounded up to a multiple of 16, make a block of %d. " % (
        size, HEADER, need(size))
    if block["bytes"] > need(size):
        words += "It gets %d, as the few bytes more are not worth a block of their own. " % \
            block["bytes"]
    return Change("alloc(%d) of %d bytes" % (number, size),
                  words + growth(before, after) + tell_cut(before, after, block))


def tell_free(number, before, after, places):
    if number not in places:
        return Change("free(%d)" % number, "There is nothing to free: its allocation failed.")
    freed = before.blocks[places.pop(number)]
    words = ["The block at %d, of %d bytes, comes back." % (freed["offset"], freed["bytes"]),
             tell_merge(before, after, freed), growth(before, after)]
    if after.runs and not after.used:
        words.append("Nothing is live now; what the slab has is kept warm for the next call.")
    return Change("free(%d)" % number, " ".join(filter(None, map(str.strip, words))))


def tell_realloc(number, size, before, after, places):
    op = "realloc(%d) to %d bytes" % (number, size)
    if number not in places:
        change = tell_alloc(number, size, before, after, places)
        return Change(op, change.words)
    was = before.blocks[places[number]]
    new = sorted(after.used - before.used)
    if new:
        places[number] = new[0]
        now = after.blocks[new[0]]
        return Change(op, "The block behind is not free or too small, so the one at %d moves "
                      "to %d. %s%s "
                      "Its content is copied, and the old block freed. %s" % (
                          was["offset"], now["offset"], growth(before, after),
                          tell_cut(before, after, now), tell_merge(before, after, was)))
    now = after.blocks[places[number]]
    if now["bytes"] > was["bytes"]:
        return Change(op, "%sThe block behind is free and lends its first %d bytes: the block "
                      "at %d grows where it is, %d + %d = %d." % (
                          growth(before, after), now["bytes"] - was["bytes"], was["offset"],
                          was["bytes"], now["bytes"] - was["bytes"], now["bytes"]))
    if now["bytes"] < was["bytes"]:
        return Change(op, "The block at %d shrinks where it is, from %d to %d bytes; the rest is "
                      "free." % (was["offset"], was["bytes"], now["bytes"]))
    return Change(op, "The block at %d has room enough, or nothing has: nothing changes."
                  % was["offset"])


def explain_bytes(op, before, after, places):
    what, number, size = op
    before, after = Heap(before), Heap(after)
    change = {"a": tell_alloc, "r": tell_realloc}[what](number, size, before, after, places) \
        if what != "f" else tell_free(number, before, after, places)
    change.touched = {offset for offset, block in after.blocks.items()
                      if before.blocks.get(offset, {}).get("bytes") != block["bytes"] or
                      before.blocks[offset]["use"] != block["use"]}
    return change


# Pages

def find_lead(snap):
    """Pages before the pool in the alignment of its blocks."""
    starts = [(block["page"], block["pages"]) for block in snap.blocks
              if block["use"] == "free"]
    return next(lead for lead in range(1 << 20)
                if all((page + lead) % pages == 0 for page, pages in starts))


def halving(size, order):
    """16 = 8 + 8, then 8 = 4 + 4"""
    steps = []
    while size > 1 << order:
        size //= 2
        steps.append("%d = %d + %d" % (size * 2, size, size))
    return ", then ".join(steps)


def tell_pages(number, order, before, after, places):
    op = "alloc(%d) of order %d, %s" % (number, order, pages_text(1 << order))
    was = {block["page"] for block in before.blocks if block["use"] == "used"}
    new = [block for block in after.blocks if block["use"] == "used" and block["page"] not in was]
    if not new:
        free = sum(block["pages"] for block in after.blocks if block["use"] == "free")
        return Change(op, "It fails: no block of %s is free. %s are, but in pieces that are not "
                      "buddies: this is fragmentation." % (pages_text(1 << order),
                                                           pages_text(free).capitalize()))
    page = new[0]["page"]
    places[number] = page
    source = next(block for block in before.blocks
                  if block["page"] <= page < block["page"] + block["pages"])
    if source["pages"] == 1 << order:
        return Change(op, "The free block at page %d is of that order and is taken as it is."
                      % page)
    return Change(op, "No smaller free block will do than the one of %s at page %d. It is halved "
                  "until it fits: %s. The halves that are not taken stay free." % (
                      pages_text(source["pages"]), source["page"],
                      halving(source["pages"], order)))


def tell_pages_back(number, before, after, places, lead):
    op = "free(%d)" % number
    if number not in places:
        return Change(op, "There is nothing to free: its allocation failed.")
    page = places.pop(number)
    size = next(block["pages"] for block in before.blocks if block["page"] == page)
    merged = next(block for block in after.blocks
                  if block["page"] <= page < block["page"] + block["pages"])
    words = "The block of %s at page %d comes back. " % (pages_text(size), page)
    start, steps = page, []
    while size < merged["pages"]:
        buddy = ((start + lead) ^ size) - lead
        steps.append("its buddy at page %d is free, %d + %d = %d" % (buddy, size, size, 2 * size))
        start, size = min(start, buddy), 2 * size
    return Change(op, words + "; ".join(steps).capitalize() + (". " if steps else "") +
                  tell_end(after, ((start + lead) ^ size) - lead, size, bool(steps)))


def tell_end(after, buddy, size, merged):
    """Why a block merges no further."""
    holder = next((block for block in after.blocks
                   if block["page"] <= buddy < block["page"] + block["pages"]), None)
    if size == sum(block["pages"] for block in after.blocks):
        return "The pool is one block again."
    if holder is None:
        what = "outside the pool"
    elif holder["use"] == "used" and holder["pages"] >= size:
        what = "held"
    else:
        what = "not free as a whole"
    return ("The next buddy, at page %d, is %s, and merging ends." if merged else
            "Its buddy at page %d is %s: it stays a block of its own.") % (buddy, what)


def explain_pages(op, before, after, places):
    what, number, order = op
    change = tell_pages(number, order, before, after, places) if what == "a" else \
        tell_pages_back(number, before, after, places, find_lead(after))
    old = {(block["page"], block["pages"], block["use"]) for block in before.blocks}
    change.touched = {block["page"] for block in after.blocks
                      if (block["page"], block["pages"], block["use"]) not in old}
    return change
