"""The numbers of a report: what they are over the cohort, how they are distributed, which cases stand apart."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from itertools import groupby
from typing import Any
from urllib.parse import urlencode

from .outliers import outliers, rule
from .results import CaseResult, ResultColumn

STRIP_CASES = 60
"""Up to so many values each is a dot; more become a histogram."""
WIDTH, HEIGHT, EDGE = 170, 24, 6


@dataclass(frozen=True)
class Numbers:
    """The results of a cohort: values by case and result, columns that have any, and the outliers."""

    values: Mapping[str, Mapping[str, Any]]
    columns: tuple[ResultColumn, ...]
    numeric: frozenset[str]
    marks: Mapping[str, Mapping[str, float | None]]
    done: int

    @classmethod
    def of(cls, cases: Sequence[CaseResult], columns: Sequence[ResultColumn]) -> Numbers:
        """Collect the numbers of the cases that have a result."""
        values = {case.id: case.values() for case in cases}
        shown = tuple(c for c in columns if any(v.get(c.key) not in (None, "") for v in values.values()))
        numeric = frozenset(c.key for c in shown if all(_number_or_none(v.get(c.key)) for v in values.values()))
        found = cls(values, shown, numeric, {}, sum(bool(case.record) for case in cases))
        marks = {key: outliers(found.of_column(key)) for key in numeric}
        return cls(values, shown, numeric, {key: of for key, of in marks.items() if of}, found.done)

    def of_column(self, key: str) -> dict[str, float]:
        """The defined values of a result by case."""
        return {case: float(found[key]) for case, found in self.values.items() if found.get(key) is not None}

    def marked(self, case: str) -> list[str]:
        """The results in which a case stands apart."""
        return [c.key for c in self.columns if case in self.marks.get(c.key, {})]


def _number_or_none(value: Any) -> bool:
    return value is None or (isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value))


def number_table(numbers: Numbers) -> str:
    """Mean, spread, range and distribution of every number over the finished cases; of a single one the numbers."""
    if numbers.done == 1:
        return _numbers_of_one(next(filter(None, numbers.values.values()), {}), numbers.columns)
    rows = []
    for group, members in groupby(numbers.columns, key=lambda column: column.group):
        lines = [_row(column, numbers) for column in members if column.key in numbers.numeric]
        if lines:
            rows.append(f'<tr class="group"><th colspan="9" scope="rowgroup">{escape(group)}</th></tr>')
            rows += lines
    if not rows:
        return ""
    words = ("n", "Mean", "SD", "Median", "Min", "Max", "Outliers")
    heads = "".join(f'<th class="n">{word}</th>' for word in words)
    head = f'<th class="first">Result</th>{heads}<th>Min to max</th>'
    return (
        f'<h2>Numbers over the cohort</h2><p class="soft">{escape(rule(numbers.done))}</p>'
        f'<div class="card"><table class="flat"><thead><tr>{head}</tr></thead><tbody>{"".join(rows)}</tbody></table>'
        "</div>"
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
            f'<tr><td class="first">{escape(column.name)}{unit_of(column)}</td>{cell(values[column.key], ["n"])}'
            f"<td>{escape(column.description)}</td></tr>"
            for column in members
        ]
    head = '<th class="first">Result</th><th class="n">Value</th><th>What it is</th>'
    return (
        f'<h2>Numbers</h2><div class="card"><table class="flat"><thead><tr>{head}</tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></div>"
    )


def _row(column: ResultColumn, numbers: Numbers) -> str:
    found = numbers.of_column(column.key)
    marked = numbers.marks.get(column.key, {})
    values = list(found.values())
    spread = statistics.stdev(values) if len(values) > 1 else None
    cells = "".join(
        cell(number, ["n"])
        for number in (statistics.fmean(values), spread, statistics.median(values), min(values), max(values))
    )
    count = f'<td class="n{" warn" if len(values) < numbers.done else ""}">{len(values)}</td>'
    name = f'<td class="first" title="{escape(column.description)}">{escape(column.name)}{unit_of(column)}</td>'
    view = escape(urlencode({"state": "outliers", "number": column.key}))
    link = f'<a class="mark" href="#{view}">{len(marked)}</a>' if marked else ""
    picture = _picture(values, [found[case] for case in marked])
    return f'<tr>{name}{count}{cells}<td class="n">{link}</td><td>{picture}</td></tr>'


def _picture(values: Sequence[float], marked: Sequence[float]) -> str:
    """From the smallest to the largest value: a dot per case or a histogram, a line at the median, outliers marked."""
    low, high = min(values), max(values)
    if not high > low or not math.isfinite(high - low):
        return ""

    def at(value: float) -> float:
        return EDGE + (WIDTH - 2 * EDGE) * (value - low) / (high - low)

    if len(values) <= STRIP_CASES:
        plain = list(values)
        for value in marked:
            plain.remove(value)
        body = "".join(f'<circle cx="{at(value):.1f}" cy="12" r="3.5"/>' for value in plain)
    else:
        body = _bars(values, low, high)
    places = sorted({round(at(value), 1) for value in marked})
    body += "".join(f'<path class="marked" d="M{x:g} 7l4 5-4 5-4-5z"/>' for x in places)
    middle = f"{at(statistics.median(values)):.1f}"
    line = f'<line class="middle" x1="{middle}" y1="2" x2="{middle}" y2="{HEIGHT - 2}"/>'
    words = f"{len(values)} values, {len(marked)} marked" if marked else f"{len(values)} values"
    base = HEIGHT // 2 if len(values) <= STRIP_CASES else HEIGHT - 1
    return (
        f'<svg class="strip" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{words}">'
        f'<line x1="0" y1="{base}" x2="{WIDTH}" y2="{base}"/>{body}{line}</svg>'
    )


def _bars(values: Sequence[float], low: float, high: float) -> str:
    """A histogram of 20 to 40 bins of one width, as many as the root of the count allows."""
    bins = min(40, max(20, round(math.sqrt(len(values)))))
    counts = [0] * bins
    for value in values:
        counts[min(bins - 1, int(bins * (value - low) / (high - low)))] += 1
    width = (WIDTH - 2 * EDGE) / bins
    return "".join(
        f'<rect x="{EDGE + n * width:.1f}" y="{HEIGHT - 1 - tall:.1f}" width="{width - 0.5:.1f}" height="{tall:.1f}"/>'
        for n, count in enumerate(counts)
        if count and (tall := max(1.0, (HEIGHT - 3) * count / max(counts)))
    )


def cell(value: Any, css: Sequence[str] = (), mark: tuple[float | None] | None = None) -> str:
    """A cell; a number shows four digits and keeps all of them in `data-v`. `mark` holds z of an outlier."""
    words = list(css)
    if value is None or value == "":
        return f'<td class="{" ".join((*words, "empty"))}"></td>'
    if isinstance(value, (int, float)):
        score = ""
        if mark is not None:
            words += ["out", *(["high" if mark[0] > 0 else "low"] if mark[0] is not None else [])]
            score = f' data-z="{mark[0]:.1f}"' if mark[0] is not None else ""
        return f'<td class="{" ".join(words)}" data-v="{value!r}"{score}>{short(value)}</td>'
    return f'<td class="{" ".join(words)}">{escape(str(value))}</td>'


def unit_of(column: ResultColumn) -> str:
    """The unit behind the name of a result."""
    return f' <span class="unit">{escape(column.unit)}</span>' if column.unit else ""


def short(value: float) -> str:
    """Four digits."""
    if isinstance(value, int) or (abs(value) >= 1e4 and abs(value) < 1e15):
        return f"{value:.0f}"
    return f"{value:.4g}"
