"""What two images say about each other at every voxel: pull and certainty of a displacement.

For a displacement v of the moving image m, g its gradient, the similarity is taken as quadratic around every voxel:

    pull * g . v - certainty * (g . v)^2 / 2

local correlation (squared, in a Gaussian window, images normalised there): b the regression of f on m,
    pull b (f - b m), certainty b^2. Neither sign nor size of the relation matters.
squared differences: pull f - m, certainty 1.
mutual information: pull the derivative of log p(f, m) / p(m) by m, certainty its mean square given m (Fisher scoring);
    the densities are those of a smoothed joint histogram.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from ..blockwise import for_each, ranges
from ..kernels import gaussian
from ..progress import SILENT, Progress

PIECE = 1 << 17
"""Voxels of a slab of point-wise work; with fewer, threads would mostly wait for each other."""
FLOOR = 0.05
"""Texture with an SD below this part of the range of intensities counts as noise."""
BINS = 48
PARZEN = 1.5
"""SD of the smoothing of the joint histogram, in bins."""


class Relation(NamedTuple):
    """float32 (k, j, i) each, 0 where nothing counts; `measure` grows with similarity but for squared differences."""

    pull: np.ndarray
    certainty: np.ndarray
    measure: float


Relate = Callable[[np.ndarray, np.ndarray, np.ndarray, Sequence[float], Progress], Relation]
"""(fixed, warped, inside, sigmas of the local window in voxels, progress) to the relation."""


def local_correlation(
    fixed: np.ndarray, warped: np.ndarray, inside: np.ndarray, sigmas: Sequence[float], progress: Progress = SILENT
) -> Relation:
    """Both images must be normalised locally (`normalised`).

    Measure: the part of the squares of the fixed image that local regression on the moving one explains, from 0 to 1.
    """
    slope = gaussian.smooth_product(fixed, warped, sigmas, progress)
    pull = gaussian.smooth_product(warped, warped, sigmas, progress)

    def work(piece: tuple[int, int]) -> tuple[float, float]:
        rows = slice(*piece)
        common, own = slope[rows], pull[rows]
        b = common / (own + np.float32(0.01))
        b *= inside[rows]
        explained = float((common * b).sum(dtype=np.float64))
        all_of_it = float(np.square(fixed[rows]).sum(dtype=np.float64, where=inside[rows]))
        own[...] = (fixed[rows] - b * warped[rows]) * b
        np.square(b, out=common)
        return explained, all_of_it

    explained, all_of_it = np.sum(for_each(work, pieces(fixed.shape), progress=progress), axis=0)
    return Relation(pull, slope, float(explained / max(all_of_it, 1e-12)))


def squared_differences(
    fixed: np.ndarray, warped: np.ndarray, inside: np.ndarray, sigmas: Sequence[float], progress: Progress = SILENT
) -> Relation:
    """Measure: the mean squared difference, in squared noise floors."""
    difference = fixed - warped
    difference *= inside
    progress.check()
    measure = float(np.square(difference).sum(dtype=np.float64)) / max(int(np.count_nonzero(inside)), 1)
    return Relation(difference, inside.astype(np.float32), measure)


def mutual_information(
    fixed: np.ndarray, warped: np.ndarray, inside: np.ndarray, sigmas: Sequence[float], progress: Progress = SILENT
) -> Relation:
    """Both images hold bins from 0 to BINS - 1 (`binned`). Measure: the mutual information in nats."""
    slabs = pieces(fixed.shape)

    def cells(piece: tuple[int, int]) -> np.ndarray:
        rows = slice(*piece)
        return np.rint(fixed[rows]).astype(np.intp) * BINS + np.rint(warped[rows]).astype(np.intp)

    def count(piece: tuple[int, int]) -> np.ndarray:
        return np.bincount(cells(piece)[inside[slice(*piece)]], minlength=BINS * BINS)

    joint = np.sum(for_each(count, slabs, progress=progress), axis=0).reshape(BINS, BINS).astype(float)
    score, information, measure = scores(joint)
    pull, certainty = np.empty_like(fixed), np.empty_like(fixed)

    def work(piece: tuple[int, int]) -> None:
        rows = slice(*piece)
        cell = cells(piece)
        np.multiply(score.take(cell), inside[rows], out=pull[rows])
        np.multiply(information.take(cell % BINS), inside[rows], out=certainty[rows])

    for_each(work, slabs, progress=progress)
    return Relation(pull, certainty, measure)


def scores(joint: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
    """From the joint histogram (fixed, moving): d/dm log p(f | m) per cell, its mean square per m, and the information.

    float32 tables, per bin of the moving image.
    """
    p = gaussian.smooth(joint, (PARZEN, PARZEN))
    p = np.maximum(p / max(p.sum(), 1e-30), 0) + 1e-9
    p /= p.sum()
    marginal_f, marginal_m = p.sum(axis=1, keepdims=True), p.sum(axis=0, keepdims=True)
    score = np.gradient(np.log(p / marginal_m), axis=1)
    information = (p * np.square(score)).sum(axis=0) / marginal_m[0]
    mutual = float((p * np.log(p / (marginal_f * marginal_m))).sum())
    return score.astype(np.float32), information.astype(np.float32), mutual


def normalised(array: np.ndarray, sigmas: Sequence[float], floor: float, progress: Progress = SILENT) -> np.ndarray:
    """Local mean 0 and SD at most 1, float32; texture below `floor` (an SD) counts as noise. `array` is used up."""
    array -= gaussian.smooth(array, sigmas, progress)
    spread = gaussian.smooth_product(array, array, sigmas, progress)
    array /= np.sqrt(np.maximum(spread, 0) + np.float32(floor) ** 2)
    return array


def binned(array: np.ndarray, low: float, high: float) -> np.ndarray:
    """Bins as float32, continuous, clipped at both ends. `array` is used up."""
    array -= np.float32(low)
    array *= np.float32((BINS - 1) / max(high - low, 1e-30))
    return np.clip(array, 0, BINS - 1, out=array)


def pieces(shape: Sequence[int]) -> list[tuple[int, int]]:
    """Ranges of layers for point-wise work."""
    return ranges(shape[0], int(np.prod(shape[1:])), PIECE)


RELATIONS: dict[str, Relate] = {
    "local_correlation": local_correlation,
    "mean_squares": squared_differences,
    "mutual_information": mutual_information,
}
