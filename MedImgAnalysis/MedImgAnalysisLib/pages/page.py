"""The frame and the style of all pages. Style and script are named by their hash in a page: nothing else runs in it."""

from __future__ import annotations

import base64
import hashlib
from html import escape

STYLE = """
:root { color-scheme: light dark; --ink: #1b2128; --soft: #5d6875; --line: #dce1e7; --page: #f5f7f9; --card: #fff;
  --accent: #14698f; --good: #1d7a46; --bad: #b3261e; --warn: #8a5a00; --hover: #edf4f8; }
@media (prefers-color-scheme: dark) { :root { --ink: #e3e8ed; --soft: #98a4b0; --line: #323b45; --page: #14181d;
  --card: #1c2228; --accent: #63b7de; --good: #6cc890; --bad: #ff8a80; --warn: #e6b450; --hover: #232c35; } }
* { box-sizing: border-box; }
body { margin: 0; padding: 2rem clamp(1rem, 3vw, 3rem); background: var(--page); color: var(--ink);
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }
h1 { font-size: 1.6rem; margin: 0; overflow-wrap: anywhere; }
h2 { font-size: 1.1rem; margin: 2.2rem 0 .7rem; }
p { margin: .3rem 0; max-width: 75ch; }
.soft { color: var(--soft); }
.badges { display: flex; flex-wrap: wrap; gap: .6rem; margin: 1rem 0 0; padding: 0; list-style: none; }
.badges li { background: var(--card); border: 1px solid var(--line); border-radius: 8px; padding: .45rem .9rem; }
.badges b { font-size: 1.25rem; margin-right: .35rem; font-variant-numeric: tabular-nums; }
.good { color: var(--good); }
.bad { color: var(--bad); }
.warn { color: var(--warn); }
.card { background: var(--card); border: 1px solid var(--line); border-radius: 8px; overflow: auto; max-height: 85vh; }
table { border-collapse: separate; border-spacing: 0; width: 100%; font-size: .9rem; }
th, td { padding: .4rem .75rem; text-align: left; vertical-align: top; border-bottom: 1px solid var(--line);
  white-space: nowrap; }
td.text { white-space: normal; min-width: 16rem; max-width: 34rem; overflow-wrap: anywhere; }
td.short { max-width: 16rem; overflow: hidden; text-overflow: ellipsis; }
thead th { position: sticky; background: var(--card); z-index: 2; font-weight: 600; }
thead tr:first-child th { top: 0; }
thead.two tr:last-child th { top: 2.15rem; }
thead.two tr:first-child th { height: 2.15rem; border-bottom-color: transparent; color: var(--soft); font-weight: 500; }
tbody tr:last-child td { border-bottom: 0; }
tbody tr:hover td { background: var(--hover); }
tr.group th { background: var(--page); color: var(--soft); font-weight: 500; }
td.n, th.n { text-align: right; font-variant-numeric: tabular-nums; }
th.first, td.first { position: sticky; left: 0; background: var(--card); z-index: 1; font-weight: 600;
  max-width: 18rem; overflow: hidden; text-overflow: ellipsis; }
thead th.first { z-index: 3; }
th.edge, td.edge { border-left: 1px solid var(--line); }
th button { all: unset; cursor: pointer; }
th button:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
th button::after { content: " \\2195"; color: var(--soft); opacity: .45; }
th[aria-sort=ascending] button::after { content: " \\2191"; opacity: 1; }
th[aria-sort=descending] button::after { content: " \\2193"; opacity: 1; }
.unit { color: var(--soft); font-weight: 400; }
.pictures { display: grid; grid-template-columns: repeat(3, max-content); gap: .4rem; }
.pictures img { max-height: 170px; border-radius: 4px; display: block; background: #000; }
.planes { display: flex; flex-wrap: wrap; gap: .4rem; }
.planes img { width: min(360px, 31vw); border-radius: 4px; background: #000; }
section { break-inside: avoid; }
h3 { font-size: 1rem; margin: 1.2rem 0 .2rem; }
a { color: var(--accent); }
input[type=search] { font: inherit; color: inherit; background: var(--card); border: 1px solid var(--line);
  border-radius: 6px; padding: .35rem .7rem; width: 20rem; max-width: 100%; margin: 0 0 .5rem .4rem; }
svg.strip { width: 170px; height: 20px; display: block; }
svg.strip line { stroke: var(--line); }
svg.strip circle { fill: var(--accent); fill-opacity: .45; }
svg.strip .middle { stroke: var(--ink); stroke-width: 1.5; }
code { font: .88em ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; overflow-wrap: anywhere; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .25rem 1.2rem; margin: 0; padding: .8rem 1rem; }
dt { color: var(--soft); }
dd { margin: 0; overflow-wrap: anywhere; }
footer { margin-top: 2.5rem; color: var(--soft); font-size: .85rem; }
@media print {
  body { background: #fff; padding: 0; }
  .card { overflow: visible; max-height: none; }
  label, th button::after { display: none; }
}
"""


def page(title: str, body: str, *, style: str = "", script: str = "") -> str:
    """The whole page; `body` must be escaped already. `style` follows that of all pages, `script` runs in the head."""
    whole = STYLE + style
    scripts = f"'{_hash(script)}'" if script else "'none'"
    policy = (
        f"default-src 'none'; img-src data:; style-src '{_hash(whole)}'; script-src {scripts}; "
        "base-uri 'none'; form-action 'none'"
    )
    element = f"<script>{script}</script>\n" if script else ""
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{escape(policy)}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{whole}</style>\n{element}</head>\n"
        f"<body>\n{body}\n</body>\n</html>\n"
    )


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
