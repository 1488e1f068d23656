# SPDX-License-Identifier: GPL-2.0 OR CC-BY-SA-4.0
"""What the figures are drawn with: shapes, colours, and the code's own constants.

Lengths are in pixels, y grows downwards. A figure brings its own background,
so that it looks the same on a light and on a dark page. The colours are those
of Okabe and Ito, which people who do not see all colours can tell apart; each
is also named in words.
"""
import pathlib
import re

TOP = pathlib.Path(__file__).resolve().parent.parent

INK = "#1b1f24"
SOFT = "#57606a"
PAPER = "#ffffff"
FAINT = "#eef0f2"
USED = "#fbe3b5"	# what a client holds
USED_TAG = "#e69f00"	# its header
FREE = "#d6ecfa"	# what is free
FREE_TAG = "#56b4e9"	# its header, links and footer
RUN_TAG = "#c9ced4"	# what belongs to the run
ACTION = "#b34700"	# what a call does
SEARCH = "#00664b"	# where a search goes

STYLE = """\
text { font-family: "DejaVu Sans", Verdana, Arial, sans-serif; font-size: 13px; fill: %s }
.mono { font-family: "DejaVu Sans Mono", Menlo, Consolas, monospace }
.head { font-weight: bold; font-size: 15px }
.bold { font-weight: bold }
.small { font-size: 11px }
.soft { fill: %s }
.action { fill: %s }
.search { fill: %s }""" % (INK, SOFT, ACTION, SEARCH)


def escape(text):
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


class Header:
    """The constants of a C header, by name; and the sizes of its structs."""

    def __init__(self, path):
        self.source = (TOP / path).read_text()
        self.macros = dict(re.findall(
            r"^#define[ \t]+(\w+)[ \t]+([^\n]*?)[ \t]*(?:/\*.*)?$", self.source, re.M))

    def __getitem__(self, name):
        words = re.sub(r"\b(0x[0-9a-fA-F]+|\d+)[uUlL]*\b", r"\1", self.macros[name])
        words = re.sub(r"sizeof\(struct (\w+)\)", lambda m: str(self.sizeof(m[1])), words)
        return eval(re.sub(r"\b[A-Z]\w+", lambda m: str(self[m[0]]), words))

    def sizeof(self, struct):
        """Of a struct that is nothing but pointers and numbers of 64 bits."""
        body = re.search(r"^struct %s \{\n(.*?)^\};" % struct, self.source, re.M | re.S)[1]
        fields = re.findall(r"^\t(.*?);", body, re.M)
        assert all(re.match(r"u64 \w+$|.* \*\w+$", field) for field in fields), fields
        return 8 * len(fields)


class Figure:
    def __init__(self, title, width, height):
        self.parts = []
        self.title = title
        self.width = width
        self.height = height

    def add(self, element, text=None, **attributes):
        words = "".join(' %s="%s"' % (name.replace("_", "-").rstrip("-"), number(value))
                        for name, value in attributes.items() if value is not None)
        end = "/>" if text is None else ">%s</%s>" % (escape(text), element)
        self.parts.append("<%s%s%s" % (element, words, end))

    def text(self, x, y, text, look=None, anchor="start"):
        """@y is the middle of the line."""
        self.add("text", text, x=x, y=y + 4.5, class_=look,
                 text_anchor=None if anchor == "start" else anchor)

    def middle(self, x, y, text, look=None):
        self.text(x, y, text, look, "middle")

    def box(self, x, y, width, height, fill=PAPER, label=None, look=None, dash=None):
        self.add("rect", x=x, y=y, width=width, height=height, fill=fill, stroke=INK,
                 stroke_dasharray=dash)
        lines = label.split("\n") if label else []
        for i, line in enumerate(lines):
            self.middle(x + width / 2, y + height / 2 + 15 * (i - (len(lines) - 1) / 2),
                        line, look)

    def line(self, *points, colour=INK, dash=None, arrow=False, width=None):
        self.add("polyline", points=" ".join("%s,%s" % (number(x), number(y)) for x, y in points),
                 fill="none", stroke=colour, stroke_dasharray=dash, stroke_width=width,
                 marker_end="url(#%s)" % MARKERS[colour] if arrow else None)

    def hop(self, x, to, y, height, colour=INK):
        """An arrow in a bow from (x, y) to (to, y)."""
        self.add("path", d="M%s %s C%s %s %s %s %s %s" % tuple(map(number, (
            x, y, x, y - height, to, y - height, to, y - 2))),
            fill="none", stroke=colour, marker_end="url(#%s)" % MARKERS[colour])

    def legend(self, x, y, entries):
        for fill, text, width in entries:
            self.box(x, y - 7, 22, 14, fill)
            self.text(x + 29, y, text, "small")
            x += width

    def svg(self):
        head = ('<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" '
                'height="%d" role="img">' % (2 * (self.width, self.height)))
        markers = "".join(
            '<marker id="%s" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="9" '
            'markerHeight="9" markerUnits="userSpaceOnUse" orient="auto"><path d="M0 0.5 L8 4 L0 7.5 z" fill="%s"/></marker>\n'
            % (name, colour) for colour, name in MARKERS.items())
        paper = ('<rect x="0.5" y="0.5" width="%d" height="%d" rx="8" fill="%s" stroke="%s"/>'
                 % (self.width - 1, self.height - 1, PAPER, RUN_TAG))
        return "\n".join([
            head, "<!-- SPDX-License-Identifier: GPL-2.0 OR CC-BY-SA-4.0 -->",
            "<!-- Made by `make figures`: change the source beside it. -->",
            "<title>%s</title>" % escape(self.title), "<style>%s</style>" % STYLE,
            "<defs>%s</defs>" % markers, paper, *self.parts, "</svg>", ""])


MARKERS = {INK: "ink", SOFT: "soft", ACTION: "action", SEARCH: "search"}


def number(value):
    """Coordinates in hundredths, without a fraction that says nothing."""
    return "%g" % round(value, 2) if isinstance(value, float) else value
