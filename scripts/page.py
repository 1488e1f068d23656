# SPDX-License-Identifier: GPL-2.0
"""A page of HTML in one file: no network, light and dark, from 320 pixels up."""
from html import escape

STYLE = """
:root { color-scheme: light dark; --paper: #fdfdfc; --card: #ffffff; --ink: #1b1c1e;
  --soft: #5b5e63; --grid: #d4d6d9; --accent: #0059a0; --used: #cfe5f5; --free: #ffffff;
  --tag: #f3c766; --link: #b3589a; --new: #c64600; --own: #e8eaed; }
@media (prefers-color-scheme: dark) {
  :root { --paper: #121417; --card: #17191d; --ink: #eceef1; --soft: #a3a8b0; --grid: #3a3e45;
    --accent: #79bdf2; --used: #1d4763; --free: #17191d; --tag: #7a5a12; --link: #e39acb;
    --new: #ff9a5c; --own: #2a2e34; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink); line-height: 1.5;
  font: 1rem/1.5 system-ui, "DejaVu Sans", sans-serif; overflow-wrap: break-word; }
main { max-width: 752px; margin: 0 auto; padding: 1rem; }
h1 { font-size: 1.6rem; line-height: 1.2; margin: 0.5rem 0; }
h2 { font-size: 1.2rem; line-height: 1.3; margin: 2.5rem 0 0.5rem; }
p { margin: 0.5rem 0; }
a { color: var(--accent); }
code, pre { font-family: ui-monospace, "DejaVu Sans Mono", monospace; font-size: 0.9em; }
pre { background: var(--own); padding: 0.6rem; overflow-x: auto; border-radius: 4px; }
figure { margin: 1rem 0; padding: 0.5rem; background: var(--card);
  border: 1px solid var(--grid); border-radius: 6px; }
svg { display: block; width: 100%; height: auto; }
svg text { font-family: "DejaVu Sans", system-ui, sans-serif; }
.narrow { display: none; }
@media (max-width: 560px) { .narrow { display: block; } .wide { display: none; } }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-size: 0.9rem; font-variant-numeric: tabular-nums; }
caption { text-align: left; color: var(--soft); padding: 0.2rem 0; }
th, td { padding: 0.15rem 0.7rem 0.15rem 0; text-align: right;
  border-bottom: 1px solid var(--grid); }
th:first-child, td:first-child { text-align: left; }
td { white-space: nowrap; }
@media (max-width: 560px) { table { font-size: 0.8rem; } th, td { padding-right: 0.3rem; } }
th { font-weight: 600; vertical-align: bottom; }
details { margin: 0.5rem 0; }
summary { cursor: pointer; color: var(--accent); }
footer { color: var(--soft); font-size: 0.9rem; margin-top: 3rem;
  border-top: 1px solid var(--grid); }
"""


def page(title, body, style="", script=""):
    return "\n".join([
        "<!DOCTYPE html>", '<html lang="en">', "<head>", '<meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        '<link rel="icon" href="data:,">',
        "<title>%s</title>" % escape(title), "<style>%s%s</style>" % (STYLE, style), "</head>",
        "<body>", "<main>", body, "</main>",
        "<script>%s</script>" % script if script else "", "</body>", "</html>", ""])
