"""The two tables of a report: numbers over the cohort, and the cases with their pictures."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from html import escape
from itertools import groupby
from pathlib import Path
from typing import Any
from urllib.parse import quote

from .results import CaseResult, ResultColumn
from .thumbnails import data_uri

PICTURE_BYTES = 16 << 20
"""Pictures beyond this size are links only, so that a large cohort still opens."""

PICTURES_PER_CASE = 9
PICTURES = "Pictures"


def numbers(cases: Sequence[CaseResult], columns: Sequence[ResultColumn]) -> str:
    """Mean, spread and range of every number over the finished cases; of a single one the numbers themselves."""
    done = [case.values() for case in cases if case.record]
    if len(done) == 1:
        return _numbers_of_one(done[0], columns)
    rows, group = [], ""
    for column in columns:
        found = (case.get(column.key) for case in done)
        values = [float(v) for v in found if isinstance(v, (int, float)) and not isinstance(v, bool)]
        if values and column.group != group:
            group = column.group
            rows.append(f'<tr class="group"><th colspan="8" scope="rowgroup">{escape(group)}</th></tr>')
        if values:
            rows.append(_number_row(column, values, len(done)))
    if not rows:
        return ""
    words = ("n", "Mean", "SD", "Median", "Min", "Max")
    heads = "".join(f'<th class="n">{word}</th>' for word in words)
    head = f'<th class="first">Result</th>{heads}<th>Min to max</th>'
    return (
        f'<h2>Numbers over the cohort</h2><div class="card"><table><thead><tr>{head}</tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></div>"
    )


def _numbers_of_one(values: Mapping[str, Any], columns: Sequence[ResultColumn]) -> str:
    """A line per result, since one row as wide as all of them cannot be read."""
    shown = [column for column in columns if values.get(column.key) not in (None, "")]
    if not shown:
        return ""
    rows = []
    for group, members in groupby(shown, key=lambda column: column.group):
        rows.append(f'<tr class="group"><th colspan="3" scope="rowgroup">{escape(group)}</th></tr>')
        rows += [
            f'<tr><td class="first">{escape(column.name)}{_unit(column)}</td>{_cell(values[column.key], "n")}'
            f"<td>{escape(column.description)}</td></tr>"
            for column in members
        ]
    head = '<th class="first">Result</th><th class="n">Value</th><th>What it is</th>'
    return (
        f'<h2>Numbers</h2><div class="card"><table><thead><tr>{head}</tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></div>"
    )


def _number_row(column: ResultColumn, values: list[float], cases: int) -> str:
    spread = statistics.stdev(values) if len(values) > 1 else None
    numbers = (statistics.fmean(values), spread, statistics.median(values), min(values), max(values))
    cells = "".join(
        f'<td class="n" title="{number!r}">{_short(number)}</td>' if number is not None else '<td class="n"></td>'
        for number in numbers
    )
    count = f'<td class="n{" warn" if len(values) < cases else ""}">{len(values)}</td>'
    name = f'<td class="first" title="{escape(column.description)}">{escape(column.name)}{_unit(column)}</td>'
    return f"<tr>{name}{count}{cells}<td>{_strip(values)}</td></tr>"


def _strip(values: list[float]) -> str:
    """One dot per case from the smallest to the largest value, a line at the median."""
    low, high = min(values), max(values)
    if not high > low:
        return ""

    def at(value: float) -> str:
        return f"{6 + 158 * (value - low) / (high - low):.1f}"

    middle = at(statistics.median(values))
    dots = "".join(f'<circle cx="{at(value)}" cy="10" r="3.5"/>' for value in values[:2000])
    return (
        f'<svg class="strip" viewBox="0 0 170 20" aria-hidden="true"><line x1="0" y1="10" x2="170" y2="10"/>{dots}'
        f'<line class="middle" x1="{middle}" y1="3" x2="{middle}" y2="17"/></svg>'
    )


def case_table(
    folder: Path, cases: Sequence[CaseResult], columns: Sequence[ResultColumn], carried: Sequence[str]
) -> str:
    """A row per case: state, pictures, carried columns and all numbers; sorted by clicking on a title."""
    values = [case.values() for case in cases]
    shown = [column for column in columns if any(v.get(column.key) not in (None, "") for v in values)]
    numeric = {c.key for c in shown if all(isinstance(v.get(c.key), (int, float, type(None))) for v in values)}
    pictures = _Pictures(folder)
    images = [pictures.of(case) for case in cases]
    fixed = ["Case", "Status", *([PICTURES] if any(images) else []), *carried]
    groups = [(name, list(members)) for name, members in groupby(shown, key=lambda c: c.group)]
    top = f'<th class="first"></th><th colspan="{len(fixed) - 1}"></th>' + "".join(
        f'<th class="edge" colspan="{len(members)}">{escape(name)}</th>' for name, members in groups
    )
    edges = {members[0].key for _, members in groups}
    heads = [_head(number, escape(word), "first" if number == 0 else "") for number, word in enumerate(fixed)]
    heads += [
        _head(
            len(fixed) + number,
            escape(c.name) + _unit(c),
            _css(c, numeric, edges),
            f"{c.title}. {c.description}",
        )
        for number, c in enumerate(shown)
    ]
    rows = []
    for case, found, picture in zip(cases, values, images, strict=True):
        css = {"done": "good", "failed": "bad"}.get(case.state, "warn")
        word = (
            f"{case.state}, {len(case.warnings)} warnings"
            if len(case.warnings) > 1
            else f"{case.state}, 1 warning"
            if case.warnings
            else case.state
        )
        cells = [
            f'<td class="first" title="{escape(case.id)}">{_folder_link(case)}</td>',
            f'<td class="{css}">{word}</td>',
        ]
        cells += [f"<td>{picture}</td>"] if any(images) else []
        cells += [
            f'<td class="short" title="{escape(case.carried.get(n, ""))}">{escape(case.carried.get(n, ""))}</td>'
            for n in carried
        ]
        cells += [_cell(found.get(c.key), _css(c, numeric, edges)) for c in shown]
        rows.append(f"<tr>{''.join(cells)}</tr>")
    search = '<p><label>Filter <input type="search"></label></p>' if len(cases) > 3 else ""
    return (
        f'<h2>Cases</h2>{search}<div class="card"><table class="sortable" id="cases"><thead class="two"><tr>{top}</tr>'
        f"<tr>{''.join(heads)}</tr></thead><tbody>{''.join(rows)}</tbody></table></div>"
    )


def _css(column: ResultColumn, numeric: set[str], edges: set[str]) -> str:
    return " ".join(filter(None, ("n" if column.key in numeric else "", "edge" if column.key in edges else "")))


def _head(number: int, inner: str, css: str, title: str = "") -> str:
    if inner == PICTURES:
        return f"<th>{inner}</th>"
    return (
        f'<th class="{css}" data-column="{number}" title="{escape(title)}" scope="col">'
        f'<button type="button">{inner}</button></th>'
    )


def _cell(value: Any, css: str) -> str:
    if value is None:
        return f'<td class="{css}" data-v=""></td>'
    if isinstance(value, (int, float)):
        return f'<td class="{css}" data-v="{value!r}" title="{value!r}">{_short(value)}</td>'
    return f'<td class="{css}">{escape(str(value))}</td>'


def _folder_link(case: CaseResult) -> str:
    if not case.record:
        return escape(case.id)
    links = [f'<a href="{escape(quote(case.id))}/">{escape(case.id)}</a>']
    for page in case.record.get("pages", []):
        address = escape(quote(f"{case.id}/{page}"))
        links.append(f'<a class="unit" href="{address}">{escape(Path(page).stem)}</a>')
    return " ".join(links)


class _Pictures:
    """Thumbnails while there is room for them, links after that."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._room = folder, PICTURE_BYTES

    def of(self, case: CaseResult) -> str:
        names = list((case.record or {}).get("snapshots", []))[:PICTURES_PER_CASE]
        links = []
        for name in names:
            small = data_uri(self._folder / case.id / name) if self._room > 0 else None
            self._room -= len(small or "")
            alt = escape(Path(name).stem)
            inner = f'<img src="{small}" alt="{alt}" title="{alt}">' if small else alt
            links.append(f'<a href="{escape(quote(f"{case.id}/{name}"))}">{inner}</a>')
        return f'<div class="pictures">{"".join(links)}</div>' if links else ""


def _unit(column: ResultColumn) -> str:
    return f' <span class="unit">{escape(column.unit)}</span>' if column.unit else ""


def _short(value: float) -> str:
    if isinstance(value, int) or (abs(value) >= 1e4 and abs(value) < 1e15):
        return f"{value:.0f}"
    return f"{value:.4g}"
