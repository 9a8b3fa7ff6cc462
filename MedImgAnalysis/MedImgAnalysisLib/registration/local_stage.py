"""The last linear stage of images whose relation holds within a few voxels only: local correlation of every voxel.

Mutual information takes one relation for all of the image; shading and other tissue elsewhere spoil it. Local
correlation (`relation`) does not see them. As in the deformable stage it is taken as quadratic around every voxel, and
the step of the linear transform solves

    sum (certainty g g' (x) p p') v = sum pull g (x) p,    p = (1, position)

over all voxels, g the gradient of the warped moving image, restricted to the degrees of freedom of the model.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import SimpleITK as sitk

from ..geometry import Grid
from ..kernels.slopes import Slopes
from ..progress import Progress
from .flow_level import FlowLevel, Force
from .models import freedom
from .pyramid import shrunk, small_mask
from .relation import FLOOR, Relation
from .source import Source
from .stiffness import Stiffness
from .units import Masks

Linear = tuple[np.ndarray, np.ndarray]
LOCAL_VOXELS = 1.5
"""SD of the window in which images are compared: narrower than for a deformation, as all voxels decide together."""
ITERATIONS, SHORTENED = 12, 3
"""Steps at the most, and how often in a row one may be halved that made the images less alike."""
STILL_VOXELS = 2e-3
"""Steps end when one moves the corners of the fixed image by less than this part of a voxel."""
MOST_VOXELS = 1 << 23
"""Larger levels are halved: they say no more of a few numbers."""


class Locally(NamedTuple):
    """y = A x + b in LPS millimetres, the voxel size, and the local correlation at each step."""

    linear: Linear
    spacing_mm: float
    measures: tuple[float, ...]


def refine_locally(
    images: tuple[sitk.Image, sitk.Image],
    masks: Masks,
    start: Linear,
    model: str,
    spacing_mm: float,
    progress: Progress,
) -> Locally:
    """A better linear transform of a model, beginning less than a few voxels from the right one.

    Parameters
    ----------
    images
        Fixed and moving, float32.
    start
        A, b; what the model cannot do of it stays.
    spacing_mm
        What voxels are averaged to, at least the smallest spacing of the fixed image; twice of it while they are more
        than eight million.
    """
    while (
        np.prod([round(n * s / spacing_mm) for n, s in zip(images[0].GetSize(), images[0].GetSpacing())]) > MOST_VOXELS
    ):
        spacing_mm *= 2
    small = shrunk(images[0], spacing_mm, progress), shrunk(images[1], spacing_mm, progress)
    inside = [small_mask(mask, image) for mask, image in zip(masks, small, strict=True)]
    ranges = Source(small).ranges()
    floors = (FLOOR * (ranges[0][1] - ranges[0][0]), FLOOR * (ranges[1][1] - ranges[1][0]))
    force = Force("local_correlation", 1.0, LOCAL_VOXELS, Stiffness(0.0, 0.0), 0, floors, ranges)
    arrays = [None if mask is None else sitk.GetArrayFromImage(mask) != 0 for mask in inside]
    level = FlowLevel(small, start, spacing_mm, force, (arrays[0], arrays[1]), progress)
    return Locally(*_steps(level, start, model, spacing_mm, progress))


def _steps(
    level: FlowLevel, start: Linear, model: str, spacing_mm: float, progress: Progress
) -> tuple[Linear, float, tuple[float, ...]]:
    corners = level.grid.corners
    best, here, step = start, start, np.zeros(0)
    highest, measures, shortened = -np.inf, [], 0
    for iteration in range(ITERATIONS):
        if iteration:
            level.follow(here)
        warped, relation = level.compared()
        measure = relation.measure
        measures.append(measure)
        progress.report(
            (iteration + 1) / ITERATIONS, f"Aligning, {model}: {spacing_mm:.3g} mm, local correlation {measure:.4f}"
        )
        if measure > highest:
            best, highest, shortened = here, measure, 0
            step = _step(level, warped, relation, model)
        elif shortened == SHORTENED:
            break
        else:
            step, shortened = step / 2, shortened + 1
        # As large as the images: not to be held while the next ones are made.
        del warped, relation
        here = _moved(level.grid, best, step)
        moved = np.linalg.norm((here[0] - best[0]) @ corners.T + (here[1] - best[1])[:, None], axis=0).max()
        if moved < STILL_VOXELS * spacing_mm:
            break
    return best, spacing_mm, tuple(measures)


def _step(level: FlowLevel, warped: np.ndarray, relation: Relation, model: str) -> np.ndarray:
    """(d, 1 + d): shift and matrix of a step, along the axes of the grid in numpy order, about its centre, in mm."""
    d, spacing = warped.ndim, np.array(level.grid.spacing_kji)
    at = [(np.arange(n) - (n - 1) / 2) * s for n, s in zip(warped.shape, spacing, strict=True)]
    unit = max(float(np.abs(one).max()) for one in at)
    slopes = [Slopes(warped, spacing, (axis,)) for axis in range(d)]
    matrix, right = np.zeros((d, d, 1 + d, 1 + d)), np.zeros((d, 1 + d))
    across = np.stack([one.ravel() for one in np.meshgrid(*at[1:], indexing="ij")])
    position = np.ones((1 + d, across.shape[1]), np.float32)
    position[2:] = across / unit
    for k in range(len(warped)):
        position[1] = at[0][k] / unit
        pull, certainty = relation.pull[k].ravel(), relation.certainty[k].ravel()
        gradient = [slope[k : k + 1].ravel() for slope in slopes]
        for a in range(d):
            right[a] += position @ (pull * gradient[a])
            certain = certainty * gradient[a]
            for b in range(a, d):
                matrix[a, b] += (position * (certain * gradient[b])) @ position.T
    for a in range(d):
        for b in range(a):
            matrix[a, b] = matrix[b, a]
    basis = freedom(model, d)
    whole = matrix.transpose(0, 2, 1, 3).reshape((d + d * d,) * 2)
    found = np.linalg.lstsq(basis.T @ whole @ basis, basis.T @ right.ravel(), rcond=1e-10)[0]
    step = (basis @ found).reshape(d, 1 + d)
    step[:, 1:] /= unit
    return step


def _moved(grid: Grid, linear: Linear, step: np.ndarray) -> Linear:
    """The transform after x -> x + v(x) has gone before it; of a rigid step the motion whose beginning it is."""
    from scipy.linalg import expm

    d = grid.dimension
    generator = np.zeros((d + 1, d + 1))
    generator[:d, :d], generator[:d, d] = step[:, 1:], step[:, 0]
    motion = expm(generator)
    turn = np.reshape(grid.direction, (d, d))[:, ::-1]
    centre = grid.to_physical((np.array(grid.size) - 1)[None] / 2)[0]
    matrix = turn @ motion[:d, :d] @ turn.T
    offset = centre - matrix @ centre + turn @ motion[:d, d]
    return linear[0] @ matrix, linear[0] @ offset + linear[1]
