# SPDX-License-Identifier: GPL-2.0
"""What debugfs said: reads the directories that scripts/guest/snapshot leaves.

A file is read when it is asked for, and is as debugfs had it: a number is an
int, anything else a word. Nothing here knows what can be drawn of it.
"""
import functools
import pathlib


def word(text):
    """A number, or what else it is."""
    try:
        return int(text)
    except ValueError:
        return text


def values(path):
    """A file of "name value" lines, as a dict."""
    return {name: word(value) for name, value in map(str.split, path.read_text().splitlines())}


def table(path):
    """A file with a row of titles, as a list of dicts; of two tables the first."""
    title, *rows = (line.split() for line in
                    path.read_text().partition("\n\n")[0].splitlines())
    return [dict(zip(title, map(word, row))) for row in rows]


class Slab:
    def __init__(self, path):
        self.path = path
        self.name = path.name

    @functools.cached_property
    def stats(self):
        return values(self.path / "stats")

    @functools.cached_property
    def classes(self):
        return table(self.path / "classes")

    @functools.cached_property
    def objects(self):
        return table(self.path / "objects")

    @functools.cached_property
    def runs(self):
        """The runs of `blocks`: dicts of "offset", "bytes" and the rows as "blocks"."""
        runs = []
        title, *lines = (line.split() for line in
                         (self.path / "blocks").read_text().splitlines())
        for line in lines:
            if line[0] == "run":
                runs.append({"offset": int(line[1]), "bytes": int(line[3]), "blocks": []})
            else:
                runs[-1]["blocks"].append(dict(zip(title, map(word, line))))
        return runs


class Snapshot:
    def __init__(self, path):
        self.path = pathlib.Path(path)

    @functools.cached_property
    def stats(self):
        return values(self.path / "stats")

    @functools.cached_property
    def orders(self):
        return table(self.path / "orders")

    @functools.cached_property
    def owners(self):
        return table(self.path / "owners")

    @functools.cached_property
    def blocks(self):
        return table(self.path / "blocks")

    @functools.cached_property
    def regions(self):
        """The rows of `map`: first page, free pages, cells of eight pages."""
        return [(int(line[:9]), int(line[10:13]), line[14:])
                for line in (self.path / "map").read_text().splitlines()[1:]]

    @functools.cached_property
    def latency(self):
        """The rows of `latency`; none where it is off or not there."""
        path = self.path / "latency"
        return table(path) if path.is_file() else []

    @property
    def slabs(self):
        return [Slab(path) for path in sorted(self.path.glob("slabs/*"))]

    def page_rows(self):
        """Pages of each region, and how many of them are free."""
        starts = [page for page, _, _ in self.regions] + [self.stats["pages"]]
        return [(end - start, free) for start, end, (_, free, _)
                in zip(starts, starts[1:], self.regions)]


def timeline(path):
    """Snapshots in directories that are named by the operations done before."""
    paths = (step for step in pathlib.Path(path).iterdir() if step.name.isdigit())
    return [(int(step.name), Snapshot(step))
            for step in sorted(paths, key=lambda step: int(step.name))]


def free_blocks(orders):
    return [row["free_blocks"] for row in orders]


def unusable_index(free, order):
    """Share of the free pages that no request of this order could use.

    As unusable_free_index() in Linux's mm/vmstat.c: 1 where nothing is free.
    """
    pages = sum(blocks << k for k, blocks in enumerate(free))
    usable = sum(blocks << k for k, blocks in enumerate(free) if k >= order)
    return (pages - usable) * 1000 // pages / 1000 if pages else 1


def fragmentation_index(free, order):
    """Why a request of this order would fail: towards 0 for lack of memory, towards
    1 because what is free is in pieces; -1 where it would succeed.

    As fragmentation_index() in Linux's mm/vmstat.c, 0 where nothing is free.
    """
    blocks = sum(free)
    if not blocks:
        return 0
    if any(free[order:]):
        return -1
    pages = sum(n << k for k, n in enumerate(free))
    return (1000 - (1000 + pages * 1000 // (1 << order)) // blocks) / 1000
