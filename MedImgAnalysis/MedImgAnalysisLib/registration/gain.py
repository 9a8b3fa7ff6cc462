"""Whether an alignment is better than where the images were: by more than chance, and everywhere.

Limbs, vessels and tubes look alike along their axis: a metric has a best place there as well, by the noise alone. Where
a body bends, a linear transform that fits most of it better takes some of it away from where it was right.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import SimpleITK as sitk

from ..geometry import Grid
from ..progress import Progress
from .multistart import BINS, binned
from .pyramid import shrunk, small_mask
from .rigid import matrix_of
from .units import Masks

POINTS, SEED = 40_000, 1
BLOCKS = 4
"""Along each axis. Neighbouring voxels see the same anatomy, so blocks of them are what counts as independent."""
FEWEST_BLOCKS = 8
SURE = 3.0
"""Standard errors. Six degrees of freedom that follow noise alone gain about the square root of six of them."""
PLACES = 6
"""Blocks along each axis that are looked at on their own; their standard error is that of halves along each axis."""
FEWEST_POINTS = 5
"""Of such a half."""
WORSE, SURELY = 0.02, 2.0
"""Nats and standard errors by which a block that fits worse than before has lost at the least."""
FAR = 0.75
"""Part of the coarse voxel size that points went at the least: over shorter ways blurred images change too little."""


class Gain(NamedTuple):
    """Mutual information gained (nats), its standard error over blocks, and the mean way in mm that points went.

    `worse` is the part of the blocks of the image that fit worse than before, NaN where there are too few of them or
    the way is too short to say.
    """

    mean: float
    error: float
    moved_mm: float
    worse: float

    @property
    def sure(self) -> bool:
        """Whether the gain is more than chance gives."""
        return self.mean > SURE * self.error


def gain(
    images: tuple[sitk.Image, sitk.Image],
    masks: Masks,
    ways: tuple[sitk.Transform, sitk.Transform],
    spacing_mm: float,
    progress: Progress,
    finest_mm: float | None = None,
) -> Gain | None:
    """How much more mutual information fixed points have with the moving image after than before.

    Only points that meet the moving image in both poses count. None where these are less than half of those that meet
    it after, or lie in too few blocks: such poses cannot be compared.

    Parameters
    ----------
    images, masks
        Fixed and moving, at any resolution finer than `spacing_mm`.
    ways
        Before and after: linear, fixed to moving points, LPS millimetres.
    spacing_mm, finest_mm
        What voxels are averaged to: `spacing_mm`, and less down to `finest_mm` where points went a shorter way, which
        coarser voxels do not show.
    """
    from scipy.ndimage import map_coordinates

    far_mm = FAR * spacing_mm
    if finest_mm is not None:
        corners = Grid.of(images[0]).corners
        went = np.subtract(*(corners @ matrix.T + offset for matrix, offset in map(matrix_of, ways)))
        spacing_mm = min(spacing_mm, max(finest_mm, float(np.linalg.norm(went, axis=1).mean())))
    fixed, moving = (shrunk(image, spacing_mm, progress) for image in images)
    small = small_mask(masks[0], fixed), small_mask(masks[1], moving)
    array = sitk.GetArrayViewFromImage(fixed)
    inside = np.arange(array.size) if small[0] is None else np.flatnonzero(sitk.GetArrayViewFromImage(small[0]))
    # Between the voxels: at their centres nothing is averaged, and any shift would look like a gain (see `lattice`).
    chosen = np.stack(np.unravel_index(inside[:: max(1, len(inside) // POINTS)], array.shape), axis=1)
    at_fixed = chosen + np.random.default_rng(SEED).uniform(-0.5, 0.5, chosen.shape)
    points, grid = Grid.of(fixed).to_physical(at_fixed[:, ::-1]), Grid.of(moving)
    there = [points @ matrix.T + offset for matrix, offset in map(matrix_of, ways)]
    at = [grid.to_index(one) for one in there]
    met = [np.all((one >= -0.5) & (one <= np.asarray(grid.size) - 0.5), axis=1) for one in at]
    if small[1] is not None:
        allowed = sitk.GetArrayViewFromImage(small[1])
        for one, mapped in zip(met, at):
            near = np.clip(np.rint(mapped[one]), 0, np.asarray(grid.size) - 1).astype(int)
            one[one] = allowed[tuple(near[:, ::-1].T)] != 0
    both = met[0] & met[1]
    block = _blocks(at_fixed[both], BLOCKS)
    if both.sum() <= 0.5 * met[1].sum() or len(np.unique(block)) < FEWEST_BLOCKS:
        return None

    def bins_at(values: np.ndarray, where: np.ndarray) -> np.ndarray:
        found = map_coordinates(values, where.T, order=1, mode="nearest", output=np.float32)
        return np.rint(found).astype(np.int64)

    rows, others = BINS * bins_at(binned(array), at_fixed[both]), binned(sitk.GetArrayViewFromImage(moving))
    shares = [_shares(rows + bins_at(others, mapped[both][:, ::-1])) for mapped in at]
    gained = shares[1] - shares[0]
    mean = float(gained.mean())
    sums = np.bincount(block, gained - mean)
    error = float(np.sqrt(np.square(sums).sum()) / len(gained))
    moved = float(np.linalg.norm(there[1] - there[0], axis=1).mean())
    return Gain(mean, error, moved, _worse(at_fixed[both], gained) if moved > far_mm else math.nan)


def _shares(pairs: np.ndarray) -> np.ndarray:
    """What each point contributes to the mutual information: log p(f, m) / (p(f) p(m))."""
    p = np.bincount(pairs, minlength=BINS * BINS).reshape(BINS, BINS) / len(pairs)
    alone = p.sum(axis=1, keepdims=True) * p.sum(axis=0, keepdims=True)
    ratio = np.divide(p, alone, out=np.ones_like(p), where=p > 0)
    return np.asarray(np.log(ratio).ravel()[pairs])


def _worse(index: np.ndarray, gained: np.ndarray) -> float:
    """The part of the blocks of points that lost, by more than their halves differ."""
    half = _blocks(index, 2 * PLACES)
    counts = np.bincount(half)
    full = np.flatnonzero(counts >= FEWEST_POINTS)
    means = np.bincount(half, gained)[full] / counts[full]
    d = index.shape[1]
    corner = np.stack(np.unravel_index(full, (2 * PLACES,) * d, order="F"), axis=1)
    block = corner // 2 @ PLACES ** np.arange(d)
    weights = counts[full].astype(float)
    total, n = np.bincount(block, weights), np.bincount(block)
    known = n > 2 ** (d - 1)
    if np.count_nonzero(known) < PLACES**2:
        return math.nan
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.bincount(block, weights * means) / total
        spread = np.bincount(block, weights * np.square(means - mean[block])) / total
        lost = (mean < -WORSE) & (mean < -SURELY * np.sqrt(spread / (n - 1)))
    return float(np.count_nonzero(lost & known) / np.count_nonzero(known))


def _blocks(index: np.ndarray, along: int) -> np.ndarray:
    """The number of the block that each index (N, d) lies in; blocks, so many along an axis, divide the box of all."""
    if not len(index):
        return np.zeros(0, np.int64)
    low = index.min(axis=0)
    part = ((index - low) * along / (index.max(axis=0) - low + 1)).astype(int)
    return np.asarray(part @ along ** np.arange(index.shape[1]))
