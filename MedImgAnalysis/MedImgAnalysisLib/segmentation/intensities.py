"""Mean, SD, extremes and percentiles of an image in all segments of a label image, in one pass over the voxels."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from ..blockwise import for_each, ranges
from ..progress import Progress, waited
from .one_pass import SLAB_VOXELS, Numbering


def intensities_of(
    array: np.ndarray, layer: np.ndarray, values: Sequence[int], percent: Sequence[float], progress: Progress
) -> list[list[float]]:
    """(mean, SD with n - 1, smallest, largest, percentiles...) of `array` where `layer` has each of the values.

    NaN for a value that does not occur, and for the SD of a single voxel.
    """
    numbering = Numbering(layer, values)

    def work(part: tuple[int, int]) -> list[np.ndarray]:
        """The intensities of each value in a slab."""
        numbers = numbering.of(layer[slice(*part)]).ravel()
        at = np.flatnonzero(numbers)
        order = at[np.argsort(numbers[at].astype(np.min_scalar_type(len(values))), kind="stable")]
        stops = np.cumsum(np.bincount(numbers[at], minlength=len(values) + 1))
        return np.split(array[slice(*part)].ravel()[order], stops[1:-1])

    parts = ranges(len(array), array[:1].size, SLAB_VOXELS)
    found = for_each(work, parts, progress=progress.part(0.0, 0.6), message="Intensities")
    rows = []
    for number in range(len(values)):
        progress.report(0.6 + 0.4 * number / len(values), "Intensities")
        chunks = [slab[number] for slab in found if slab[number].size]
        if not chunks:
            rows.append([math.nan] * (4 + len(percent)))
            continue
        rows.append(waited(_numbers, chunks, percent, progress=progress))
    return rows


def _numbers(chunks: list[np.ndarray], percent: Sequence[float]) -> list[float]:
    n = sum(chunk.size for chunk in chunks)
    low, high = min(float(c.min()) for c in chunks), max(float(c.max()) for c in chunks)
    # Constant intensity is exactly constant, whatever the rounding of its mean.
    mean = low if low == high else math.fsum(float(c.sum(dtype=np.float64)) for c in chunks) / n
    squares = math.fsum(float(np.square(c.astype(np.float64) - mean).sum()) for c in chunks)
    sd = math.sqrt(squares / (n - 1)) if n > 1 else math.nan
    together = np.concatenate(chunks)
    middle = np.percentile(together, percent).tolist() if percent else []
    return [mean, sd, low, high, *middle]
