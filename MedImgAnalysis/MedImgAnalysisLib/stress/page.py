"""The study as one HTML file: curves of change over level, and the whole table."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any

import numpy as np

from .. import __version__
from ..batch.plain import write_text
from ..pages.page import page
from ..pages.plots import svg
from ..recipe import Recipe
from ..values import Curve, Curves, Measurements

MOST_CURVES = 8
ABOUT = (
    "Every case was run undisturbed and with disturbed inputs. RMS change: root mean square of the change over cases "
    "and repetitions; ICC(2,1) is the agreement of undisturbed and disturbed values, near 1 when the change is small "
    "against what tells the cases apart; lost counts runs that failed or gave no number. Rows named overlap compare "
    "segments with the undisturbed ones, moved back where they had been moved."
)
HIDDEN = ("unit", "level", "level_unit", "status")


def write_page(path: Path, recipe: Recipe, table: Measurements, left_out: Sequence[str]) -> Path:
    """Write `stress.html`."""
    title = f"{recipe.name or 'Recipe'}: how much results move"
    notes = ""
    if left_out:
        notes = f'<p class="warn">Left out, since they failed undisturbed: {escape(", ".join(left_out))}.</p>'
    body = (
        f"<h1>{escape(title)}</h1>{notes}"
        f'<p class="soft">{ABOUT}</p>'
        + '<div class="planes">'
        + "".join(_plot(curves) for curves in _curves(table))
        + "</div>"
        + f'<div class="card">{_table(table)}</div>'
        + f"<footer>MedImgAnalysis {escape(__version__)}. All digits are in stress.csv and stress.json.</footer>"
    )
    return write_text(path, page(title, body))


def _curves(table: Measurements) -> list[Curves]:
    """A plot per perturbation: relative RMS change over the level, of the results that move most."""
    plots = []
    for kind, unit in dict.fromkeys((row["perturbation"], row["level_unit"]) for row in table.rows):
        rows = [row for row in table.rows if (row["perturbation"], row["level_unit"]) == (kind, unit)]
        series: dict[str, list[tuple[float, float]]] = {}
        for row in rows:
            if math.isfinite(row["rms_percent"]):
                series.setdefault(row["result"], []).append((row["level"], row["rms_percent"]))
        most = sorted(series, key=lambda name: -max(y for _, y in series[name]))[:MOST_CURVES]
        curves = []
        for name in most:
            points = np.array(sorted(series[name]))
            style = "line" if len(points) > 1 else "points"
            curves.append(Curve(name, points[:, 0], points[:, 1], style))
        if curves:
            plots.append(Curves(f"{kind}: RMS change", kind, "RMS change", tuple(curves), unit, "%"))
    return plots


def _plot(curves: Curves) -> str:
    return f"<section><h3>{escape(curves.title)}</h3>{svg(curves)}</section>"


def _table(table: Measurements) -> str:
    columns = [column for column in table.columns if column.key not in HIDDEN]
    head = "".join(
        f'<th title="{escape(c.description)}">{escape(f"{c.title} ({c.unit})" if c.unit else c.title)}</th>'
        for c in columns
    )
    rows = []
    for row in table.rows:
        cells = dict(row) | {
            "result": f"{row['result']} ({row['unit']})" if row["unit"] else row["result"],
            "perturbation": f"{row['perturbation']} {row['level']:g} {row['level_unit']}",
        }
        status = str(row["status"])
        rows.append(f'<tr title="{escape(status)}">' + "".join(_cell(cells[c.key]) for c in columns) + "</tr>")
    return f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table>"


def _cell(value: Any) -> str:
    if isinstance(value, str):
        return f"<td>{escape(value)}</td>"
    text = "" if isinstance(value, float) and not math.isfinite(value) else f"{value:.4g}"
    return f'<td class="n">{text}</td>'
