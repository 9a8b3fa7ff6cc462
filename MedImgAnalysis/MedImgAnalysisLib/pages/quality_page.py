"""The result of a quality measurement as one HTML file: picture, plots and tables; opens anywhere, without network."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from html import escape
from pathlib import Path
from typing import Any

import SimpleITK as sitk

from .. import __version__
from ..files.paths import appearing
from ..geometry import Grid
from ..parameters import unit_text
from ..values import Column, Curves, Labels, Measurements
from .page import page
from .plots import svg
from .slice_pictures import slice_picture

VERDICTS = "criteria"
"""Output role of a table that says what passes and what fails."""
VERDICT_COLOURS = {"pass": "good", "fail": "bad"}
UPRIGHT_ROWS = 4
"""Tables of so few rows are turned: a line per measure."""


def write_quality_page(path: Path, outputs: Mapping[str, Any], image: sitk.Image, **details: Any) -> Path:
    """Write `quality_page` to a file that appears when it is complete; `details` as there."""
    text = quality_page(outputs, image, **details)
    with appearing(Path(path)) as place:
        place.write_text(text, encoding="utf-8")
    return Path(path)


def quality_page(
    outputs: Mapping[str, Any],
    image: sitk.Image | None,
    *,
    regions: Labels | None = None,
    title: str = "Image quality",
    warnings: Sequence[str] = (),
    notes: str = "",
    figures: str = "",
) -> str:
    """The page of the outputs of an operation, such as `quality_report`; see `result_page` for a whole run.

    Parameters
    ----------
    outputs
        Values by output role: tables become tables, curves plots, labels outlines on the picture.
    image
        The image that was measured; None for a page without a picture.
    regions
        Regions that were measured, when they are not among the outputs.
    warnings
        Sentences of the run.
    notes
        HTML that comes last.
    figures
        HTML of pictures that come before the tables; only a table of criteria goes ahead of them.
    """
    labels = regions or next((value for value in outputs.values() if isinstance(value, Labels)), None)
    plots = [svg(value) for value in outputs.values() if isinstance(value, Curves)]
    tables = [(role, value) for role, value in outputs.items() if isinstance(value, Measurements)]
    parts = [
        f"<h1>{escape(title)}</h1>",
        f'<p class="soft">{escape(Grid.of(image).describe())}</p>' if image is not None else "",
        _warnings(warnings),
        _pictures(image, labels, [plot for plot in plots if plot]),
    ]
    # What passes and fails comes first, then what can be seen, then all numbers.
    first = [(role, table) for role, table in tables if figures and role == VERDICTS]
    for role, table in first:
        parts += _table(role, table)
    parts.append(figures)
    for role, table in tables:
        if (role, table) not in first:
            parts += _table(role, table)
    parts.append(notes)
    now = f"{datetime.now(timezone.utc):%Y-%m-%d %H:%M} UTC"
    parts.append(
        f"<footer>MedImgAnalysis {escape(__version__)}, {now}. Point at a heading to read its definition. "
        "A dash is an undefined number; its reason is under status.</footer>"
    )
    return page(title, "\n".join(filter(None, parts)))


def _table(role: str, table: Measurements) -> list[str]:
    if {"section", "title", "value"} <= {column.key for column in table.columns}:
        return _sections(table)
    upright = len(table.rows) <= UPRIGHT_ROWS < len(table.columns)
    show = _upright if upright else _wide
    return [f"<h2>{escape(role.replace('_', ' ').capitalize())}</h2>{show(table.columns, table.rows)}"]


def _pictures(image: sitk.Image | None, labels: Labels | None, plots: Sequence[str]) -> str:
    figures = [f"<figure>{plot}</figure>" for plot in plots]
    if image is not None:
        picture = f'<img src="{slice_picture(image, labels)}" alt="Slice with the regions">'
        figures.insert(0, f"<figure>{picture}{_key(labels)}</figure>")
    return f'<h2>Picture and plots</h2><div class="badges">{"".join(figures)}</div>' if figures else ""


def _warnings(warnings: Sequence[str]) -> str:
    return "".join(f'<p class="warn">{escape(sentence)}</p>' for sentence in warnings)


def _key(labels: Labels | None) -> str:
    """Names of the segments beside their colours."""
    if labels is None:
        return ""
    items = []
    for segment in labels.segments:
        tint = "#" + "".join(f"{round(255 * part):02x}" for part in segment.color)
        square = f'<svg width="12" height="12"><rect width="12" height="12" fill="{tint}"/></svg>'
        items.append(f"{square} {escape(segment.name)}")
    return f'<figcaption class="soft">{" &nbsp; ".join(items)}</figcaption>'


def _sections(table: Measurements) -> list[str]:
    """A table per section of a report: one row per subject and table of origin, its measures as columns."""
    parts = []
    for section in dict.fromkeys(row["section"] for row in table.rows):
        rows = [row for row in table.rows if row["section"] == section]
        parts.append(f"<h2>{escape(section)}</h2>")
        parts += [f'<p class="soft">{escape(r["description"])}</p>' for r in rows if not r.get("key")]
        groups: dict[tuple[str, ...], dict[str, list[Mapping[str, Any]]]] = {}
        by_subject: dict[str, list[Mapping[str, Any]]] = {}
        for row in rows:
            if row.get("key"):
                by_subject.setdefault(row.get("subject", ""), []).append(row)
        for subject, measured in by_subject.items():
            groups.setdefault(tuple(row["key"] for row in measured), {})[subject] = measured
        parts.append("<p></p>".join(_pivot(subjects) for subjects in groups.values()))
    return parts


def _pivot(subjects: Mapping[str, Sequence[Mapping[str, Any]]]) -> str:
    first = next(iter(subjects.values()))
    columns = [Column("subject", "Of", "", "", str)]
    columns += [Column(row["key"], row["title"], row["unit"], row["description"]) for row in first]
    columns += [
        Column("warnings", "Warnings", "", "", str),
        Column("status", "Status", "", "Why a number is missing", str),
    ]
    rows = []
    for subject, measured in subjects.items():
        reasons = dict.fromkeys(row["status"] for row in measured if row["status"])
        warned = dict.fromkeys(row["warnings"] for row in measured if row["warnings"])
        rows.append({"subject": subject or "Image", **{row["key"]: row["value"] for row in measured},
                     "warnings": ", ".join(warned), "status": ", ".join(reasons)})  # fmt: skip
    return _wide(tuple(columns), rows) if len(rows) > 1 else _upright(tuple(columns), rows)


def _wide(columns: Sequence[Column], rows: Sequence[Mapping[str, Any]]) -> str:
    shown = [c for c in columns if any(row.get(c.key) not in (None, "") for row in rows)]
    head = "".join(f'<th{_css(c)} title="{escape(c.description)}">{_heading(c)}</th>' for c in shown)
    body = "".join(
        "<tr>" + "".join(f"<td{_css(c)}>{cell(row.get(c.key), c)}</td>" for c in shown) + "</tr>" for row in rows
    )
    return f'<div class="card"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def _upright(columns: Sequence[Column], rows: Sequence[Mapping[str, Any]]) -> str:
    """A line per measure and a column per row, so that many measures of a few things fit on the page."""
    lines = "".join(
        f"<tr><td>{escape(c.title)}</td>"
        + "".join(f"<td{_css(c)}>{cell(row.get(c.key), c)}</td>" for row in rows)
        + f'<td class="unit">{escape(unit_text(c.unit))}</td><td class="text soft">{escape(c.description)}</td></tr>'
        for c in columns
        if any(row.get(c.key) not in (None, "") for row in rows)
    )
    return f'<div class="card"><table><tbody>{lines}</tbody></table></div>'


def _heading(column: Column) -> str:
    unit = f' <span class="unit">{escape(unit_text(column.unit))}</span>' if column.unit else ""
    return escape(column.title) + unit


def _css(column: Column) -> str:
    return "" if column.dtype is str else ' class="n"'


def cell(value: Any, column: Column) -> str:
    """A value for reading: five digits; an undefined one is a dash."""
    if value is None:
        return ""
    if column.dtype is str:
        css = VERDICT_COLOURS.get(str(value)) if column.key == "verdict" else None
        return f'<b class="{css}">{escape(str(value))}</b>' if css else escape(str(value))
    number = float(value)
    if math.isnan(number):
        return "&ndash;"
    return f"{number:.0f}" if number == round(number) and abs(number) < 1e9 else f"{number:.5g}"
