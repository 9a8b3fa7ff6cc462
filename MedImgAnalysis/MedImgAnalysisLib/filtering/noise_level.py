"""How strong the noise is: what the user says, or an estimate that interpolation does not mislead."""

from __future__ import annotations

import math

import numpy as np
import SimpleITK as sitk

from ..geometry import Grid
from ..kernels.wavelets import noise_sigma
from ..progress import Progress
from ..quality.body import otsu
from .flat_blocks import flat_blocks
from .noise_advice import COARSE

QUIETEST = 0.03
"""Part of the blocks that is taken for noise: few, so that an image that is hardly flat anywhere is not all noise."""
FEWEST = 12
"""Fewer flat blocks may be structure."""
ENOUGH_VOXELS = 1 << 21
"""Voxels from which the threshold of what is bright is taken."""


def noise_level(given: float | None, part: sitk.Image, inside: np.ndarray | None, progress: Progress) -> float:
    """Standard deviation of the noise in the unit of the values; 0, with a warning, where none is found.

    The larger of two estimates: that of the finest wavelet details, and the noise about a plane in flat blocks, which
    noise that is coarser than the voxels (interpolated or smoothed by the scanner) does not lower. Without a mask flat
    blocks are looked for where the image is bright (Otsu's threshold), since the noise of air is often another, and
    everywhere only if there are too few. Where the two estimates differ much a warning names both.

    Parameters
    ----------
    given
        What the user says; taken as it is.
    part
        Scalar image, 2-D or 3-D.
    inside
        Where flat blocks are looked for, (k, j, i); wavelets see the whole part.
    """
    if given is not None:
        return given
    array = sitk.GetArrayViewFromImage(part)
    fine = noise_sigma(array, progress.part(0.0, 0.3))
    if fine == 0:
        progress.warn("No noise was found, so nothing was filtered; give the noise if there is some.")
        return 0.0
    places = [inside] if inside is not None else [_bright(array, progress.part(0.3, 0.5)), None]
    level = fine
    for number, where in enumerate(places):
        share = progress.part(0.5 + 0.25 * number, 0.75 + 0.25 * number)
        flat = flat_blocks((array,), where, Grid.of(part).spacing_kji, share, quietest=QUIETEST)
        if flat is not None and len(flat.means) >= FEWEST:
            level = max(fine, flat.noise[0])
            break
    if level > COARSE * fine:
        progress.warn(
            f"The noise is coarser than the voxels: {level:.3g}, as in flat regions, was taken; the finest details "
            f"show {fine:.3g}. Give the noise if it is another."
        )
    progress.report(1.0)
    return level


def _bright(array: np.ndarray, progress: Progress) -> np.ndarray:
    step = max(1, math.ceil((array.size / ENOUGH_VOXELS) ** (1 / array.ndim)))
    thinned = np.ascontiguousarray(array[tuple(slice(None, None, step if n > step else 1) for n in array.shape)])
    if thinned.min() == thinned.max():
        return np.ones(array.shape, bool)
    return array > otsu(thinned, progress)
