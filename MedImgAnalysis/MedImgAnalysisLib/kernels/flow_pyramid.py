"""Coarse to fine: a flow solver at halved resolutions, each of which begins with the flow of the one before."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from ..progress import SILENT, Progress, Quiet
from . import interpolation as along_axis
from .separable import apply

SMALLEST = 16
"""Voxels along an axis that are not halved any more."""
NEARLY_EQUAL = 1.5
"""Axes whose steps are within this factor of the shortest are halved together."""
SMOOTHING = 2 / 3
"""SD of the Gaussian before halving, in voxels."""


class FlowLevel(NamedTuple):
    """One resolution: arrays of equal shape and the distance of neighbours along each numpy axis."""

    fixed: np.ndarray
    moving: np.ndarray
    weight: np.ndarray | None
    steps: tuple[float, ...]


Solver = Callable[[FlowLevel, np.ndarray, Progress], np.ndarray]
"""Level, flow (d, k, j, i) to begin with in units of `steps` over the shortest, progress; gives the flow."""


def coarse_to_fine(
    solver: Solver,
    finest: FlowLevel,
    levels: int,
    finest_step: float = 0.0,
    progress: Progress = SILENT,
) -> np.ndarray:
    """The flow (d, k, j, i) at the resolution of `finest`, float32, in the unit of its steps.

    Parameters
    ----------
    levels
        Resolutions at the most, the first one included.
    finest_step
        Where the shortest step of a coarser level is not above this, finer ones are left out and the flow is
        interpolated.
    """
    pyramid = [finest]
    for _ in range(levels - 1):
        shape = _halved(pyramid[-1])
        if shape == pyramid[-1].fixed.shape:
            break
        pyramid.append(_reduced(pyramid[-1], shape, progress))
    while len(pyramid) > 1 and min(pyramid[1].steps) <= finest_step:
        del pyramid[0]
    flow = np.zeros((finest.fixed.ndim, *pyramid[-1].fixed.shape), np.float32)
    total = sum(level.fixed.size for level in pyramid)
    done = 0.0
    for level in reversed(pyramid):
        flow = resized(flow, level.fixed.shape, progress)
        unit = min(level.steps)
        share = level.fixed.size / total
        flow = solver(level, flow / np.float32(unit), progress.part(done, done + share)) * np.float32(unit)
        done += share
    return resized(flow, finest.fixed.shape, progress)


def relative(steps: Sequence[float]) -> tuple[float, ...]:
    """Steps over the shortest."""
    return tuple(step / min(steps) for step in steps)


def resized(flow: np.ndarray, shape: tuple[int, ...], progress: Progress = SILENT) -> np.ndarray:
    """A flow (d, ...) interpolated to another number of voxels in the same box; its values stay."""
    if flow.shape[1:] == shape:
        return flow
    matrices = [_matrix(old, new, 0.0) for old, new in zip(flow.shape[1:], shape, strict=True)]
    return np.stack([apply(part, matrices, Quiet(progress)) for part in flow])


def _halved(level: FlowLevel) -> tuple[int, ...]:
    shortest = min(step for step, n in zip(level.steps, level.fixed.shape) if n > 1)
    return tuple(
        (n + 1) // 2 if n > 2 * SMALLEST and step <= NEARLY_EQUAL * shortest else n
        for n, step in zip(level.fixed.shape, level.steps)
    )


def _reduced(level: FlowLevel, shape: tuple[int, ...], progress: Progress) -> FlowLevel:
    old = level.fixed.shape
    matrices = [_matrix(a, b, SMOOTHING if b < a else 0.0) if a != b else None for a, b in zip(old, shape)]
    steps = tuple(step * a / b for step, a, b in zip(level.steps, old, shape))
    quiet = Quiet(progress)
    fixed, moving = (apply(array, matrices, quiet) for array in (level.fixed, level.moving))
    weight = None if level.weight is None else apply(level.weight, matrices, quiet)
    return FlowLevel(fixed, moving, weight, steps)


def _matrix(old: int, new: int, sigma: float) -> np.ndarray:
    """Interpolation of `old` voxels at the centres of `new` ones that share their box."""
    at = (np.arange(new) + 0.5) * old / new - 0.5
    return along_axis.smoothed(along_axis.linear(at, old), sigma)
