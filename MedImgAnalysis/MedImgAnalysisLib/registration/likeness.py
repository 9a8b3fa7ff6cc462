"""How alike the fixed and the moving image are, with and without a transform."""

from __future__ import annotations

import math

import numpy as np
import SimpleITK as sitk

from ..geometry import Grid
from ..progress import Progress
from ..quality.arrays import count_nonfinite, warn_nonfinite
from ..quality.findings import Findings
from ..quality.similarity import Domain, put_correlation, put_differences, put_information, sums
from . import evaluation_tables as tables
from .warping import warped_image


def put_likeness(
    found: Findings,
    transform: sitk.Transform,
    fixed: sitk.Image,
    moving: sitk.Image,
    inside: np.ndarray | None,
    bins: int,
    progress: Progress,
) -> None:
    """Differences, correlation and mutual information, before and after, where the moving image covers the fixed one.

    Both are float64; the moving image is interpolated linearly. Voxels that are NaN or infinite in either are left out
    and counted. The domain before is another one than after: its voxels are told as well.
    """
    for image, what in ((fixed, "fixed image"), (moving, "moving image")):
        array = sitk.GetArrayViewFromImage(image)
        warn_nonfinite(count_nonfinite(array, None, progress), what, progress)
    grid = Grid.of(fixed)
    identity = sitk.Transform(grid.dimension, sitk.sitkIdentity)
    values = sitk.GetArrayViewFromImage(fixed)
    for number, (prefix, way) in enumerate((("similarity_before_", identity), ("similarity_", transform))):
        part = progress.part(number / 2, (number + 1) / 2)
        warped, where = warped_image(moving, way, grid, part.part(0.0, 0.8))
        domain = Domain(values, warped, where if inside is None else where & inside)
        one = _likeness(domain, bins, part.part(0.8, 1.0))
        why = "zero_variance" if one["n"] else "nonfinite_input" if one["n_nonfinite"] else "no_overlap"
        for key in tables.ALIKE:
            if key in ("n", "n_nonfinite"):
                found.values[prefix + key] = one[key]
            else:
                found.put(prefix + key, one[key], why)


def _likeness(domain: Domain, bins: int, progress: Progress) -> dict[str, float]:
    s = sums(domain, progress.part(0.0, 0.5))
    one = Findings(n=s.n, n_nonfinite=s.nonfinite)
    put_differences(one, s, math.nan)
    put_correlation(one, s)
    put_information(one, domain, s, bins, progress.part(0.5, 1.0))
    return one.values
