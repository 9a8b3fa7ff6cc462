"""The report of a cohort: one HTML file that opens anywhere, without network."""

from __future__ import annotations

import json
import statistics
from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timezone
from html import escape
from pathlib import Path
from typing import Any

from .. import __version__, catalog
from ..pages.cohort_page import SCRIPT, STYLE, column_labels
from ..pages.page import page
from ..recipe import Recipe
from .case import recipe_key
from .report_cases import case_table
from .report_numbers import Numbers, number_table
from .report_pictures import PAGE_BYTES, names_of, pictures
from .results import CaseResult, columns_of

FRAME_BYTES = 200_000
"""Room for what is counted last: style, head, foot and sentences."""


def as_html(folder: Path, recipe: Recipe, cases: Sequence[CaseResult], carried: Sequence[str]) -> str:
    """The report page. `folder` holds the case folders, from which pictures are taken."""
    numbers = Numbers.of(cases, columns_of(cases))
    title = recipe.name or "Batch"
    table = case_table(cases, numbers, carried, any(map(names_of, cases)))
    head = [
        f"<h1>{escape(title)}</h1>",
        f'<p class="soft">{escape(recipe.description)}</p>' if recipe.description else "",
        _badges(cases, numbers),
        _errors(cases),
    ]
    foot = [
        number_table(numbers),
        _warnings(cases),
        _provenance(recipe, cases),
        f"<footer>MedImgAnalysis {escape(__version__)}, {datetime.now(timezone.utc):%Y-%m-%d %H:%M} UTC. "
        "All digits are in results.csv and results.json beside this file.</footer>",
    ]
    style = STYLE + column_labels(table.labels)
    used = sum(map(len, (*head, *foot))) + table.size() + len(style) + FRAME_BYTES
    cells, sentence = pictures(folder, cases, max(0, PAGE_BYTES - used))
    note = f'<p class="soft">{escape(sentence)}</p>' if sentence else ""
    body = "\n".join(filter(None, [*head, table.html(cells), note, *foot]))
    return page(f"{title}: report", body, style=style, script=SCRIPT)


def _badges(cases: Sequence[CaseResult], numbers: Numbers) -> str:
    count = {state: sum(case.state == state for case in cases) for state in ("done", "failed")}
    rest = len(cases) - sum(count.values())
    warned = sum(bool(case.warnings) for case in cases)
    apart = sum(bool(numbers.marked(case.id)) for case in cases)
    items = [
        ("", len(cases), "case" if len(cases) == 1 else "cases"),
        ("good", count["done"], "done"),
        ("bad", count["failed"], "failed"),
        ("warn", rest, "not run"),
        ("warn", warned, "with warnings"),
        ("mark", apart, "with outliers"),
    ]
    shown = [
        f'<li><b class="{css}">{number}</b>{word}</li>'
        for css, number, word in items
        if number or word in ("case", "cases", "done")
    ]
    return f'<ul class="badges">{"".join(shown)}</ul>'


def _errors(cases: Sequence[CaseResult]) -> str:
    failed = [case for case in cases if case.state == "failed"]
    if not failed:
        return ""
    rows = ""
    for case in failed:
        kind, message = (escape(str((case.error or {}).get(key, ""))) for key in ("kind", "message"))
        rows += f'<tr><td class="first">{escape(case.id)}</td><td class="bad">{kind}</td>'
        rows += f'<td class="text">{message}</td></tr>'
    head = '<thead><tr><th class="first">Case</th><th>Kind</th><th>What went wrong</th></tr></thead>'
    return f'<h2>Failed cases</h2><div class="card brief"><table class="flat">{head}<tbody>{rows}</tbody></table></div>'


def _warnings(cases: Sequence[CaseResult]) -> str:
    where: dict[str, list[str]] = {}
    for case in cases:
        for sentence in case.warnings:
            where.setdefault(sentence, []).append(case.id)
    if not where:
        return ""
    rows = "".join(
        f'<tr><td class="text">{escape(sentence)}</td><td class="n">{len(ids)}</td>'
        f'<td class="text">{escape(", ".join(ids[:20]))}{" …" if len(ids) > 20 else ""}</td></tr>'
        for sentence, ids in sorted(where.items(), key=lambda item: -len(item[1]))
    )
    head = '<thead><tr><th>Warning</th><th class="n">Cases</th><th>Which</th></tr></thead>'
    return f'<h2>Warnings</h2><div class="card brief"><table class="flat">{head}<tbody>{rows}</tbody></table></div>'


def _provenance(recipe: Recipe, cases: Sequence[CaseResult]) -> str:
    records = [case.record for case in cases if case.record]
    steps = []
    for step in recipe.steps:
        if not step.enabled:
            continue
        operation = step.build()
        values = {name: "not set" if value is None else value for name, value in operation.values().items()}
        settings = ", ".join(f"{name} = {value}" for name, value in values.items()) or "no parameters"
        flow = f"{_bound(step.inputs)} → {_bound(step.outputs)}"
        steps.append(
            f"<dt>{escape(step.id)}</dt><dd><b>{escape(catalog.find(step.operation).title)}</b> "
            f"<code>{escape(operation.name)}</code> revision {operation.revision} "
            f'<span class="soft">{escape(flow)}</span><br>{escape(settings)}</dd>'
        )
    facts = [("Recipe", f"SHA-256 {recipe_key(recipe)}"), *_software(records)]
    seconds = [float(record["seconds"]) for record in records]
    if seconds:
        facts.append(("Time per case", f"{statistics.median(seconds):.1f} s median, {max(seconds):.1f} s at the most"))
        facts.append(("Verify", "Each case folder holds provenance.json; medimg verify recomputes a case from it."))
    rows = "".join(f"<dt>{escape(name)}</dt><dd>{escape(text)}</dd>" for name, text in facts)
    whole = escape(json.dumps(recipe.as_data(), indent=1, ensure_ascii=False))
    return (
        f'<h2>How the results came about</h2><div class="card"><dl>{"".join(steps)}{rows}</dl></div>'
        f"<details><summary>Recipe as a file</summary><pre>{whole}</pre></details>"
    )


def _software(records: Sequence[Any]) -> list[tuple[str, str]]:
    """The versions; where they differ, how many cases have each."""
    found = Counter(", ".join(f"{name} {version}" for name, version in r["software"].items()) for r in records)
    if len(found) == 1:
        return [("Software", text) for text in found]
    return [("Software", f"{count} cases: {text}") for text, count in found.most_common()]


def _bound(names: Any) -> str:
    return ", ".join(
        f"{role}: {', '.join(bound) if isinstance(bound, list) else bound}" for role, bound in names.items()
    )
