"""The case table of a report: a row per case with its state, pictures, numbers and record."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from itertools import groupby
from pathlib import Path
from typing import Any
from urllib.parse import quote

from .report_numbers import Numbers, cell, unit_of
from .results import CaseResult, ResultColumn

STATES = {"done": "good", "failed": "bad"}


@dataclass(frozen=True)
class CaseTable:
    """The table in pieces; the pictures of a row belong between its two parts. `labels` are the columns' names."""

    head: str
    rows: tuple[tuple[str, str], ...]
    tail: str
    labels: tuple[str, ...]

    def size(self) -> int:
        """Characters without pictures."""
        return len(self.head) + len(self.tail) + sum(len(before) + len(after) for before, after in self.rows)

    def html(self, pictures: Sequence[str]) -> str:
        """The table with the pictures of each case."""
        rows = (before + shown + after for (before, after), shown in zip(self.rows, pictures, strict=True))
        return self.head + "".join(rows) + self.tail


def case_table(cases: Sequence[CaseResult], numbers: Numbers, carried: Sequence[str], pictures: bool) -> CaseTable:
    """The table of all cases; `pictures` says whether there is a column for them."""
    fixed = ["Case", "Status", *(["Pictures"] if pictures else []), "Record"]
    keys = ["case", "status", *([""] if pictures else []), ""]
    groups = [(name, list(members)) for name, members in groupby(numbers.columns, key=lambda c: c.group)]
    edges = {members[0].key for _, members in groups}
    heads = [_head(key, escape(word), "first" if key == "case" else "") for key, word in zip(keys, fixed, strict=True)]
    heads += [_head(f"cohort.{name}", escape(name)) for name in carried]
    heads += [
        _head(c.key, escape(c.name) + unit_of(c), _css(c, numbers, edges), f"{c.title}. {c.description}")
        for c in numbers.columns
    ]
    rows = tuple(_row(case, numbers, carried, edges) for case in cases)
    few = len(fixed) + len(carried)
    body_head = (
        f'<h2 id="table">Cases</h2>{_tools(groups, numbers, carried)}<div class="card"><table id="cases">'
        f'<thead class="two"><tr>{_group_heads(groups, few)}</tr><tr>{"".join(heads)}</tr></thead><tbody>'
    )
    labels = ["", "Status", *([""] if pictures else []), "", *carried, *(c.header for c in numbers.columns)]
    return CaseTable(body_head, rows, f"</tbody></table></div>{PAGER}", tuple(labels))


def _group_heads(groups: Sequence[tuple[str, Sequence[ResultColumn]]], few: int) -> str:
    out, first = f'<th class="first"></th><th colspan="{few - 1}"></th>', few + 1
    for name, members in groups:
        last = first + len(members) - 1
        out += f'<th class="edge" colspan="{len(members)}" data-from="{first}" data-to="{last}">{escape(name)}</th>'
        first = last + 1
    return out


def _head(key: str, inner: str, css: str = "", title: str = "") -> str:
    if not key:
        return f"<th>{inner}</th>"
    about = f' title="{escape(title)}"' if title else ""
    words = f' class="{css}"' if css else ""
    return f'<th{words} data-key="{escape(key)}"{about} scope="col"><button type="button">{inner}</button></th>'


def _css(column: ResultColumn, numbers: Numbers, edges: set[str]) -> str:
    return " ".join((["n"] if column.key in numbers.numeric else []) + (["edge"] if column.key in edges else []))


def _row(case: CaseResult, numbers: Numbers, carried: Sequence[str], edges: set[str]) -> tuple[str, str]:
    found, marked = numbers.values[case.id], numbers.marked(case.id)
    count = len(case.warnings)
    notes = [f"{count} warning{'s' if count > 1 else ''}"] if count else []
    notes += [f'<span class="mark">{len(marked)} outlier{"s" if len(marked) > 1 else ""}</span>'] if marked else []
    states = [case.state, *(["warnings"] if count else []), *(["outliers"] if marked else [])]
    before = (
        f'<tr data-state="{escape(",".join(states))}"><td class="first" title="{escape(case.id)}">{_links(case)}</td>'
        f'<td class="{STATES.get(case.state, "warn")}">{", ".join([escape(case.state), *notes])}</td>'
    )
    cells = [f'<td class="detail wide">{_detail(case)}</td>']
    cells += [cell(case.carried.get(name, ""), ["short"]) for name in carried]
    cells += [
        cell(
            found.get(c.key),
            _css(c, numbers, edges).split(),
            (of[case.id],) if case.id in (of := numbers.marks.get(c.key, {})) else None,
        )
        for c in numbers.columns
    ]
    return before, "".join(cells) + "</tr>\n"


def _links(case: CaseResult) -> str:
    if not case.record:
        return escape(case.id)
    links = [f'<a href="{address(case, "")}">{escape(case.id)}</a>']
    links += [
        f'<a class="unit" href="{address(case, page)}">{escape(Path(page).stem)}</a>'
        for page in case.record.get("pages", [])
    ]
    return " ".join(links)


def address(case: CaseResult, file: str) -> str:
    """A link from the report to a file of a case, or to its folder."""
    return escape(quote(f"{case.id}/{file}"))


def _detail(case: CaseResult) -> str:
    """What went wrong, what was warned of, and how the case came about, to be opened."""
    parts: list[tuple[str, str]] = []
    if case.error:
        kind, message = (escape(str(case.error.get(key, ""))) for key in ("kind", "message"))
        parts.append(("Error", f'<span class="bad">{kind}: {message}</span>'))
    parts += [("Warning", escape(sentence)) for sentence in case.warnings]
    if case.record:
        parts += _record(case, case.record)
    lines = "".join(f"<dt>{name}</dt><dd>{text}</dd>" for name, text in parts)
    return (
        f"<details><summary>{'error' if case.error else 'record'}</summary><dl>{lines}</dl></details>" if parts else ""
    )


def _record(case: CaseResult, record: Mapping[str, Any]) -> list[tuple[str, str]]:
    facts = [("Record", f'<a href="{address(case, "provenance.json")}">provenance.json</a>')]
    if "started" in record:
        threads = record.get("threads", 0)
        run = f"{record['started']}, {record.get('seconds', 0):.1f} s, {threads} thread{'' if threads == 1 else 's'}"
        facts.append(("Run", escape(run)))
    facts += [
        (f"Input {escape(name)}", f"{escape(str(entry.get('relative', entry.get('path', ''))))} {_hash(entry)}")
        for name, entry in record.get("inputs", {}).items()
    ]
    facts += [
        (
            f"Output {escape(name)}",
            f'<a href="{address(case, str(entry.get("file")))}">{escape(str(entry.get("file")))}</a> {_hash(entry)}',
        )
        for name, entry in record.get("outputs", {}).items()
    ]
    return facts


def _hash(entry: Mapping[str, Any]) -> str:
    return f"<code>{escape(str(entry['sha256']))}</code>" if "sha256" in entry else ""


def _tools(groups: Sequence[tuple[str, Sequence[ResultColumn]]], numbers: Numbers, carried: Sequence[str]) -> str:
    options = [f'<option value="{escape(f"cohort.{name}")}">{escape(name)}</option>' for name in carried]
    options += [
        f'<option value="{escape(c.key)}">{escape(c.header)}</option>'
        for c in numbers.columns
        if c.key in numbers.numeric
    ]
    states = ("done", "failed", "not run", "not checked", "warnings", "outliers")
    shown = "".join(f'<option value="{state}">{state}</option>' for state in states)
    boxes = "".join(
        f'<label><input type="checkbox" value="{escape(name)}" checked>{escape(name)}</label>'
        for name in dict.fromkeys(name for name, _ in groups)
    )
    choice = f'<details><summary>Columns</summary><div id="groups">{boxes}</div></details>' if len(groups) > 1 else ""
    return (
        '<div class="tools"><label>Text<input type="search" id="search"></label>'
        f'<label>State<select id="state"><option value="">all</option>{shown}</select></label>'
        f'<label>Number<select id="number"><option value="">none</option>{"".join(options)}</select></label>'
        '<label>from<input class="bound" id="min" inputmode="decimal"></label>'
        '<label>to<input class="bound" id="max" inputmode="decimal"></label>'
        f'{choice}<button type="button" id="reset">Reset</button><b id="shown" role="status"></b></div>'
    )


PAGER = (
    '<div class="pager" id="pager"><button type="button" id="back">Back</button><span id="place"></span>'
    '<button type="button" id="next">Next</button><label>Rows<select id="rows"><option value="25">25</option>'
    '<option value="50">50</option><option value="100">100</option><option value="250">250</option>'
    '<option value="all">all</option></select></label></div>'
)
