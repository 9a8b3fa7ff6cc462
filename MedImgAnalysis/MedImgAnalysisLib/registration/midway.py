"""How far two ways are apart midway between voxels, where a field that is interpolated linearly is worst."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import SimpleITK as sitk

from ..geometry import Grid
from ..progress import Progress
from ..values import Column
from .chain import moved_by
from .definition import slab_grids
from .spread import of_errors

MOST = 64
"""Cells along each axis that are looked at."""
KEPT = ("mean", "p95", "max")


def between(
    grid: Grid,
    one: Sequence[sitk.Transform],
    other: Sequence[sitk.Transform],
    progress: Progress,
    known: np.ndarray | None = None,
) -> np.ndarray:
    """Distance in mm of the ends of two ways, float64 (n,), for points in the middle of cells of eight voxels.

    At most 64 cells along each axis, evenly spread; with `known` (k, j, i) only cells whose voxels are all known.
    """
    steps = [max(1, math.ceil((n - 1) / MOST)) for n in grid.size]
    size = tuple(max(1, len(range(0, n - 1, step))) for n, step in zip(grid.size, steps))
    start = [0.5 if n > 1 else 0.0 for n in grid.size]
    spacing = tuple(s * step for s, step in zip(grid.spacing, steps))
    middle = Grid(size, spacing, tuple(grid.to_physical(np.array([start]))[0].tolist()), grid.direction)
    wanted = None if known is None else _whole_cells(known, steps[::-1])
    found = []
    for where, part in slab_grids(middle, progress, "Between the voxels"):
        apart = np.sqrt(np.square(moved_by(one, part) - moved_by(other, part)).sum(axis=-1))
        found.append(apart.ravel() if wanted is None else apart[wanted[where]])
    return np.concatenate(found)


def _whole_cells(known: np.ndarray, steps: Sequence[int]) -> np.ndarray:
    for axis, (n, step) in enumerate(zip(known.shape, steps)):
        if n > 1:
            first, second = (tuple(cut if a == axis else slice(None) for a in range(known.ndim))
                             for cut in (slice(0, n - 1, step), slice(1, n, step)))  # fmt: skip
            known = known[first] & known[second]
    return known


def error_columns(prefix: str, of: str) -> tuple[Column, ...]:
    """Columns for `error_row`."""
    words = {"mean": "Mean", "p95": "95th percentile", "max": "Largest"}
    title = prefix.capitalize()
    return tuple(Column(f"{prefix}_{key}_mm", f"{title}, {key}", "mm", f"{words[key]} of {of}") for key in KEPT)


def error_row(prefix: str, errors: np.ndarray, progress: Progress) -> dict[str, float]:
    """Mean, 95th percentile and maximum by column key; NaN for none."""
    found = of_errors(errors, progress)
    return {f"{prefix}_{key}_mm": found[key] for key in KEPT}
