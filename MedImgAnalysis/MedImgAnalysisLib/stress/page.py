"""The study as one HTML file: curves of change over level, and the whole table."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

import numpy as np

from .. import __version__
from ..batch.plain import write_text
from ..pages.page import page
from ..pages.plots import color, svg
from ..recipe import Recipe
from ..values import Curve, Curves, Measurements

MOST_CURVES = 6
SIZES = ("ml", "mm3", "mm2", "mm")
PLACES = (".l_mm", ".p_mm", ".s_mm")
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
        + _plots(table)
        + "</div>"
        + f'<div class="card">{_table(table)}</div>'
        + f"<footer>MedImgAnalysis {escape(__version__)}. All digits are in stress.csv and stress.json.</footer>"
    )
    return write_text(path, page(title, body))


def _plots(table: Measurements) -> str:
    """Per perturbation two plots over its level: relative change of sizes, and agreement."""
    parts = []
    for kind, unit in dict.fromkeys((row["perturbation"], row["level_unit"]) for row in table.rows):
        rows = [row for row in table.rows if (row["perturbation"], row["level_unit"]) == (kind, unit)]
        sizes = [row for row in rows if row["unit"] in SIZES and not row["result"].endswith(PLACES)]
        for title, chosen, key, y_unit, sign in (
            ("RMS change of sizes", sizes, "rms_percent", "%", -1),
            ("agreement, ICC(2,1)", rows, "icc_2_1", "", 1),
        ):
            series = _series(chosen, key, sign)
            if series:
                parts.append(_plot(Curves(f"{kind}: {title}", kind, title, series, unit, y_unit)))
    return "".join(parts)


def _series(rows: Sequence[Mapping[str, Any]], key: str, sign: int) -> tuple[Curve, ...]:
    """A curve per result: the worst ones, those with the largest change or the least agreement."""
    found: dict[str, list[tuple[float, float]]] = {}
    for row in rows:
        if math.isfinite(row[key]):
            found.setdefault(row["result"], []).append((row["level"], row[key]))
    worst = sorted(found, key=lambda name: min(sign * y for _, y in found[name]))[:MOST_CURVES]
    points = {name: np.array(sorted(found[name])) for name in worst}
    return tuple(Curve(n, xy[:, 0], xy[:, 1], "line" if len(xy) > 1 else "points") for n, xy in points.items())


def _plot(curves: Curves) -> str:
    key = "".join(
        f'<dt><svg width="18" height="8"><rect width="18" height="4" y="2" fill="{color(n)}"/></svg></dt>'
        f"<dd>{escape(curve.name)}</dd>"
        for n, curve in enumerate(curves.series)
    )
    return f"<section><h3>{escape(curves.title)}</h3>{svg(curves, legend=False)}<dl>{key}</dl></section>"


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
