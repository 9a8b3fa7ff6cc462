"""How a transform changes volume: the determinant of its Jacobian, from the transform itself.

`J = I + (du / d index) (D S)^-1`, with the displacement u in LPS millimetres, S the spacing and D the direction of the
grid. ITK's `DisplacementFieldJacobianDeterminant` leaves the direction out: on images that are stored with flipped axes
it exchanges expansion and contraction, and on oblique ones it misses folding. It is not used here.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import SimpleITK as sitk

from ..blockwise import for_each, ranges
from ..geometry import Grid
from ..progress import Progress, Quiet
from .definition import defined, displacement, slab_grids, wider
from .spread import moments, percentiles, pieces, select

CLIP = 1e-9
SLAB = 1 << 18
"""Voxels whose displacements are held at a time."""
PIECE = 1 << 15
"""Voxels of a slab that a thread works on; displacements and derivatives are twenty numbers for each."""


Where = tuple[slice, slice]
"""Ranges along the first two numpy axes."""


class Jacobian(NamedTuple):
    """Determinants on a grid.

    Attributes
    ----------
    values
        float64 (k, j, i). Where the transform is not defined ITK leaves points in place, and the value is 1; beside
        that it comes from one-sided differences.
    valid
        Where the central difference lies inside the definition of the transform along every axis; the one-voxel rim of
        a displacement field is not. None when everywhere.
    """

    values: np.ndarray
    valid: np.ndarray | None


def jacobian_determinant(transform: sitk.Transform, grid: Grid, progress: Progress) -> Jacobian:
    """Determinant of the Jacobian of the transform at every voxel centre, by central differences of one voxel.

    Above 1 the moving tissue is larger than the fixed one, at 0 and below the transform folds. Neighbours beyond the
    grid are asked of the transform too, so a rim is left out only where the transform is not defined. Linear
    transforms have one value.
    """
    shape = grid.size[::-1]
    if transform.IsLinear():
        return Jacobian(np.full(shape, linear_determinant(transform)), None)
    values, valid = np.empty(shape), np.ones(shape, bool)

    def keep(where: Where, found: np.ndarray, good: np.ndarray | None) -> None:
        values[where] = found
        if good is not None:
            valid[where] = good

    _in_slabs(transform, grid, keep, progress)
    return Jacobian(values, None if valid.all() else valid)


def folded(transform: sitk.Transform, grid: Grid, progress: Progress) -> np.ndarray:
    """Where `jacobian_determinant` is not positive, boolean (k, j, i); the outermost known voxels count too."""
    shape = grid.size[::-1]
    if transform.IsLinear():
        return np.full(shape, linear_determinant(transform) <= 0)
    bad = np.empty(shape, bool)

    def keep(where: Where, found: np.ndarray, good: np.ndarray | None) -> None:
        np.less_equal(found, 0, out=bad[where])

    _in_slabs(transform, grid, keep, progress)
    return bad


def _in_slabs(
    transform: sitk.Transform,
    grid: Grid,
    keep: Callable[[Where, np.ndarray, np.ndarray | None], None],
    progress: Progress,
) -> None:
    """Hand over the determinants of some voxels at a time, and which of them are valid; None for all.

    The threads of ITK make the displacements of a slab, each layer once; ours go on with it.
    """
    to_index = np.linalg.inv(grid.axes)
    fields: list[np.ndarray] = []
    knowns: list[np.ndarray] = []
    for where, part in slab_grids(wider(grid), progress, "Jacobian", SLAB):
        # Of the layers before, the last two are still needed.
        fields = [*(field[-2:] for field in fields), displacement(transform, part)]
        known = defined(transform, part)
        knowns = [*(k[-2:] for k in knowns), np.ones(part.size[::-1], bool) if known is None else known]
        field, there = np.concatenate(fields), np.concatenate(knowns)
        fields, knowns = [field], [there]
        layers = slice(where.stop - len(field), where.stop - 2)

        def work(
            piece: tuple[int, int], field: np.ndarray = field, there: np.ndarray = there, layers: slice = layers
        ) -> None:
            start, stop = piece
            rows = slice(start, stop + 2)
            keep((layers, slice(start, stop)), *_determinants(field[:, rows], there[:, rows], to_index))

        if len(field) > 2:
            row = (len(field) - 2) * int(np.prod(grid.size[:-2]))
            for_each(work, ranges(grid.size[-2], row, PIECE), progress=Quiet(progress))
    progress.report(1.0, "Jacobian")


def linear_determinant(transform: sitk.Transform) -> float:
    """The determinant of the matrix of a linear transform."""
    axes = np.eye(transform.GetDimension())
    start = np.array(transform.TransformPoint([0.0] * len(axes)))
    return float(np.linalg.det([np.array(transform.TransformPoint(axis.tolist())) - start for axis in axes]))


def _determinants(field: np.ndarray, known: np.ndarray, to_index: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
    """Determinants of the inner voxels of a field (k, j, i, component) with a rim of one voxel."""
    d = field.shape[-1]
    inner = (slice(1, -1),) * d
    good = None if known.all() else known[inner].copy()
    columns = []
    for axis in range(d):
        numpy_axis = d - 1 - axis
        ahead, behind = (
            tuple(slice(a, b) if n == numpy_axis else slice(1, -1) for n in range(d)) for a, b in ((2, None), (0, -2))
        )
        if good is None:
            columns.append((field[ahead] - field[behind]) / 2)
        else:
            columns.append(_one_sided(field, known, inner, ahead, behind))
            good &= known[ahead] & known[behind]
    jacobian = [
        [sum(columns[i][..., c] * to_index[i, x] for i in range(d)) + float(c == x) for x in range(d)] for c in range(d)
    ]
    return _det(jacobian), good


def _one_sided(field: np.ndarray, known: np.ndarray, inner: tuple, ahead: tuple, behind: tuple) -> np.ndarray:
    """Central difference, one-sided where one neighbour is not known, 0 where the voxel itself or both are not."""
    here = known[inner]
    right = np.where((here & known[ahead])[..., None], field[ahead] - field[inner], 0.0)
    left = np.where((here & known[behind])[..., None], field[inner] - field[behind], 0.0)
    both = known[ahead] & known[behind]
    return (right + left) * np.where(both, 0.5, 1.0)[..., None]


def _det(j: list[list[np.ndarray]]) -> np.ndarray:
    if len(j) == 2:
        return j[0][0] * j[1][1] - j[0][1] * j[1][0]
    return (
        j[0][0] * (j[1][1] * j[2][2] - j[1][2] * j[2][1])
        - j[0][1] * (j[1][0] * j[2][2] - j[1][2] * j[2][0])
        + j[0][2] * (j[1][0] * j[2][1] - j[1][1] * j[2][0])
    )


def jacobian_statistics(found: Jacobian, inside: np.ndarray | None, progress: Progress) -> dict[str, float]:
    """Statistics of the determinants at valid voxels (of a mask), SD with n; keys without prefix.

    `sd_log_jac` is the SD of the natural logarithm, NaN when the transform folds anywhere; `sd_log_jac_clipped` clips
    determinants at 1e-9 first. The SDlogJ of some challenges takes log(det + 3): that is another number.
    """
    chosen = found.valid if inside is None else inside if found.valid is None else inside & found.valid
    values = select(found.values, chosen, progress)
    n = values.size
    mean, sd = moments(values, progress)
    p01, p99 = percentiles(values, (1, 99), progress)
    folded = sum(int(np.count_nonzero(v <= 0)) for v in pieces(values, progress))
    low, high = (float(values.min()), float(values.max())) if n else (math.nan, math.nan)
    # The logarithms take the place of the values, which are not needed any more.
    for v in pieces(values, progress):
        np.log(np.maximum(v, CLIP), out=v)
    clipped = moments(values, progress)[1]
    return {
        "n": n,
        "mean": mean,
        "sd": sd,
        "min": low,
        "max": high,
        "p01": p01,
        "p99": p99,
        "folding_percent": 100 * folded / n if n else math.nan,
        "sd_log_jac": math.nan if folded else clipped,
        "sd_log_jac_clipped": clipped,
    }
