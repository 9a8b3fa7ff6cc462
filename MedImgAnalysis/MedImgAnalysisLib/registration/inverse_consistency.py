"""How far a point comes back from where it was, after going through a transform and then through its reverse."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import SimpleITK as sitk

from ..geometry import Grid
from ..progress import Progress
from .definition import defined, on_slab, slab_grids, way_and_back


class InverseErrors(NamedTuple):
    """Errors in mm, float64 (k, j, i), and where both transforms are defined (None: everywhere)."""

    values: np.ndarray
    valid: np.ndarray | None


def inverse_errors(forward: sitk.Transform, backward: sitk.Transform, grid: Grid, progress: Progress) -> InverseErrors:
    """Inverse consistency error `|T_b(T_f(x)) - x|` at every voxel centre.

    `forward` maps points of the fixed to the moving image, `backward` back (Christensen and Johnson 2001, IEEE TMI
    20:568). A point is valid where it lies inside the definition of `forward` and its image inside that of `backward`;
    outside, ITK leaves points in place, which would be an error of the lattice and not of the registration. Fields are
    interpolated linearly.
    """
    shape = grid.size[::-1]
    values, valid = np.empty(shape), np.ones(shape, bool)
    whole = True
    for where, part in slab_grids(grid, progress, "Inverse consistency"):
        there = on_slab(forward, part)
        values[where] = np.sqrt(np.square(way_and_back(there, backward, part)).sum(axis=-1))
        known = [here for here in (defined(forward, part), defined(backward, part, there)) if here is not None]
        if known:
            valid[where] = np.logical_and.reduce(known)
            whole = whole and bool(valid[where].all())
    return InverseErrors(values, None if whole else valid)
