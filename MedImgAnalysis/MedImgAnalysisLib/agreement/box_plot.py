"""Box plots as curves: every case as a point, and one line that draws all boxes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..values import Column, Curve, Curves

WIDTH = 0.5
WHISKER = 1.5
"""Whiskers end at the last case within this many interquartile ranges of the box (Tukey 1977)."""


def box_plot(names: Sequence[str], values: Sequence[Sequence[float]], column: Column) -> Curves:
    """Box plot of one metric.

    Parameters
    ----------
    names
        What stands at 1, 2, 3... of the x axis.
    values
        Numbers of the cases of each name; undefined ones are left out.
    """
    groups = [np.asarray(group, float) for group in values]
    groups = [group[np.isfinite(group)] for group in groups]
    x = np.concatenate([np.zeros(0), *(np.full(len(group), at) for at, group in enumerate(groups, start=1))])
    strokes = [_box(at, group) for at, group in enumerate(groups, start=1) if len(group)]
    line = np.concatenate([np.zeros((0, 2)), *strokes])[:-1]
    series = (
        Curve("Cases", x, np.concatenate([np.zeros(0), *groups]), "points"),
        Curve("Quartiles, median and whiskers", line[:, 0], line[:, 1]),
    )
    listed = ", ".join(f"{n} {name}" for n, name in enumerate(names, start=1))
    return Curves(f"{column.title} by segment ({listed})", "Segment", column.title, series, "", column.unit)


def _box(at: int, group: np.ndarray) -> np.ndarray:
    """Box, median and whiskers as (x, y); NaN between the strokes and at the end."""
    low, middle, high = np.percentile(group, [25, 50, 75])
    reach = WHISKER * (high - low)
    bottom, top = group[group >= low - reach].min(), group[group <= high + reach].max()
    left, right = at - WIDTH / 2, at + WIDTH / 2
    strokes: list[list[tuple[float, float]]] = [
        [(left, low), (right, low), (right, high), (left, high), (left, low)],
        [(left, middle), (right, middle)],
        [(at, min(bottom, low)), (at, low)],
        [(at, high), (at, max(top, high))],
    ]
    return np.array([point for stroke in strokes for point in (*stroke, (np.nan, np.nan))], float)
