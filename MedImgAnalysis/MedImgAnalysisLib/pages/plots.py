"""Curves as inline SVG: round numbers on the axes, a line or points per curve, a legend; needs no style sheet."""

from __future__ import annotations

import math
from html import escape

import numpy as np

from ..parameters import unit_text
from ..values import PALETTE, Curve, Curves

WIDTH, HEIGHT = 460, 300
LEFT, RIGHT, TOP, BOTTOM = 64, 14, 14, 48
MOST_POINTS = 600


def svg(curves: Curves, width: int = WIDTH, height: int = HEIGHT, legend: bool = True) -> str:
    """A plot of all series; text takes the colour of the page. Empty text when there is nothing finite to draw.

    Series have the colours `color(0)`, `color(1)` and so on; without `legend` the page has to say so.
    """
    series = [(curve, *_finite(curve)) for curve in curves.series]
    series = [(curve, x, y) for curve, x, y in series if x.size]
    if not series:
        return ""
    x_low, x_high = _range([x for _, x, _ in series])
    y_low, y_high = _range([y for _, _, y in series], from_zero=True)
    x_ticks, y_ticks = ticks(x_low, x_high), ticks(y_low, y_high)
    y_low, y_high = min(y_low, y_ticks[0]), max(y_high, y_ticks[-1])

    def across(value: float) -> float:
        return LEFT + (value - x_low) / (x_high - x_low) * (width - LEFT - RIGHT)

    def down(value: float) -> float:
        return TOP + (y_high - value) / (y_high - y_low) * (height - TOP - BOTTOM)

    parts = [
        f'<svg class="plot" width="{width}" height="{height}" viewBox="0 0 {width} {height}" role="img" '
        f'font-size="12" fill="currentColor"><title>{escape(curves.title)}</title>'
    ]
    floor, right = height - BOTTOM, width - RIGHT
    for value in x_ticks:
        at = across(value)
        parts.append(f'<line x1="{at:.1f}" x2="{at:.1f}" y1="{TOP}" y2="{floor}" {GRID}/>')
        parts.append(f'<text x="{at:.1f}" y="{floor + 16}" text-anchor="middle">{number(value)}</text>')
    for value in y_ticks:
        at = down(value)
        parts.append(f'<line x1="{LEFT}" x2="{right}" y1="{at:.1f}" y2="{at:.1f}" {GRID}/>')
        parts.append(f'<text x="{LEFT - 6}" y="{at + 4:.1f}" text-anchor="end">{number(value)}</text>')
    for n, (curve, x, y) in enumerate(series):
        if curve.style == "points":
            parts += [f'<circle cx="{across(a):.1f}" cy="{down(b):.1f}" r="3" fill="{color(n)}"/>'
                      for a, b in zip(x, y)]  # fmt: skip
            continue
        dashes = ' stroke-dasharray="6 4"' if curve.style == "dashed" else ""
        for stroke in _strokes(curve):
            points = " ".join(f"{across(a):.1f},{down(b):.1f}" for a, b in stroke)
            parts.append(f'<polyline points="{points}" fill="none" stroke="{color(n)}" stroke-width="1.8"{dashes}/>')
    if legend:
        parts.append(_legend([curve for curve, _, _ in series], right))
    middle = (LEFT + right) / 2
    x_axis, y_axis = escape(_axis(curves.x_title, curves.x_unit)), escape(_axis(curves.y_title, curves.y_unit))
    turned = f'transform="translate(14 {(TOP + floor) / 2:.0f}) rotate(-90)"'
    parts.append(f'<text x="{middle:.0f}" y="{height - 10}" text-anchor="middle">{x_axis}</text>')
    parts.append(f'<text {turned} text-anchor="middle">{y_axis}</text></svg>')
    return "".join(parts)


GRID = 'stroke="currentColor" stroke-opacity="0.15"'


def color(place: int) -> str:
    """The colour of a series, as in Slicer."""
    return "#" + "".join(f"{round(255 * part):02x}" for part in PALETTE[place % len(PALETTE)])


def number(value: float) -> str:
    """A number on an axis, short."""
    return f"{value:.6g}"


def ticks(low: float, high: float, about: int = 6) -> list[float]:
    """Round numbers from `low` to `high`: multiples of 1, 2 or 5 times a power of ten."""
    rough = (high - low) / about
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough * 0.999)
    return [n * step for n in range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1)]


def _finite(curve: Curve) -> tuple[np.ndarray, np.ndarray]:
    good = np.isfinite(curve.x) & np.isfinite(curve.y)
    x, y = np.asarray(curve.x, float)[good], np.asarray(curve.y, float)[good]
    every = max(1, -(-x.size // MOST_POINTS))
    return x[::every], y[::every]


def _strokes(curve: Curve) -> list[np.ndarray]:
    """The points (N, 2) of each part of a line; NaN interrupts it."""
    x, y = np.asarray(curve.x, float), np.asarray(curve.y, float)
    gaps = np.flatnonzero(~(np.isfinite(x) & np.isfinite(y)))
    every = max(1, -(-x.size // MOST_POINTS))
    pieces = np.split(np.column_stack([x, y]), gaps)
    pieces = [piece[np.isfinite(piece).all(axis=1)][::every] for piece in pieces]
    return [piece for piece in pieces if len(piece)]


def _range(values: list[np.ndarray], from_zero: bool = False) -> tuple[float, float]:
    low, high = min(float(v.min()) for v in values), max(float(v.max()) for v in values)
    if from_zero and low > 0 and low < 0.5 * high:
        low = 0.0
    if high == low:
        return low - 0.5 * (abs(low) or 1), high + 0.5 * (abs(high) or 1)
    return low, high


def _legend(series: list[Curve], right: float) -> str:
    parts = []
    for n, curve in enumerate(series):
        y = TOP + 14 + 16 * n
        stroke = f'stroke="{color(n)}" stroke-width="3"'
        parts.append(f'<line x1="{right - 24}" x2="{right - 6}" y1="{y - 4}" y2="{y - 4}" {stroke}/>')
        parts.append(f'<text x="{right - 30}" y="{y}" text-anchor="end">{escape(curve.name)}</text>')
    return "".join(parts)


def _axis(title: str, unit: str) -> str:
    return f"{title} ({unit_text(unit)})" if unit else title
