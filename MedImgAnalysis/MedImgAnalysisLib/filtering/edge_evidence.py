"""What a filter did at edges: how steep they are before and after, and how much of them is in the residual."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ..blockwise import for_each, ranges
from ..kernels.gaussian import smooth
from ..kernels.ranks import percentiles
from ..progress import Progress

SIGMA_VOXELS = 1.5
STRONGEST_PERCENT, QUIET_PERCENT = 99.5, 20.0
STANDS_OUT = 5.0
"""How many times steeper than the quiet part the strongest slopes must be to be edges; noise alone gives 3.6."""

CLEAR = 4.0
"""Steps of as many times the noise are clear; what is less can be told from noise by its extent only."""

SLAB_VALUES = 1 << 17
"""Numbers of a slab whose slopes are taken in float64."""


class Edges(NamedTuple):
    """Steepness (RMS slope across edges, per mm) before and after; RMS of the residual at edges; number of voxels;
    where they are, boolean (k, j, i), without those of faint structures."""

    before: float
    after: float
    residual: float
    voxels: int
    places: np.ndarray


def edges_of(
    before: np.ndarray,
    after: np.ndarray,
    inside: np.ndarray | None,
    flat: np.ndarray | None,
    spacing: Sequence[float],
    shift: float,
    noise: float,
    progress: Progress,
) -> Edges | None:
    """Compare both images at their edges; None when there are none. Arrays are (k, j, i).

    The direction across an edge is the gradient of the image before the filter after a Gaussian of 1.5 voxels. Edges
    are where this gradient is at least half of its 99.5th percentile. Where nothing stands out of the noise, the edges
    are those of the filtered image. What noise adds to the mean square slope is taken off: the mean square
    derivative in the flat region, along the axes that the direction has. `shift` is the mean of the residual, which is
    no detail. `noise` is the SD of the noise before the filter: `places` are the edges of steps of four times that.
    """
    parts = ranges(after.shape[0], after[:1].size, SLAB_VALUES)
    gentle = size = np.empty(0)
    for image, share in ((before, progress.part(0.0, 0.4)), (after, progress.part(0.4, 0.8))):
        # Not those of both images at once.
        del gentle, size
        gentle = smooth(image, [SIGMA_VOXELS if n > 1 else 0.0 for n in image.shape], share.part(0.0, 0.6))
        size = np.zeros(image.shape, np.float32)

        def steep(part: tuple[int, int], gentle: np.ndarray = gentle, size: np.ndarray = size) -> None:
            slopes = _slopes(gentle, part, spacing)
            size[slice(*part)] = np.sqrt(sum(np.square(s) for s in slopes))

        for_each(steep, parts, progress=share.part(0.6, 0.8), message="Looking for edges")
        quiet, strong = percentiles(size, (QUIET_PERCENT, STRONGEST_PERCENT), inside, share.part(0.8, 1.0))
        if strong > STANDS_OUT * quiet:
            break
    else:
        return None
    dimension = after.ndim

    def summed(part: tuple[int, int]) -> np.ndarray:
        """Sums over edges: slopes squared before and after, residual squared, number; and for each axis the direction
        squared, and over the flat region the slopes squared before and after, number."""
        rows = slice(*part)
        at = size[rows] >= strong / 2
        if inside is not None:
            at &= inside[rows]
        normal = [s[at] / size[rows][at] for s in _slopes(gentle, part, spacing)]
        own = [_slopes(image, part, spacing) for image in (before, after)]
        across = [sum(n * s[at] for n, s in zip(normal, slopes, strict=True)) for slopes in own]
        residual = before[rows][at].astype(np.float64) - after[rows][at] - shift
        found = [float(np.square(x).sum()) for x in (*across, residual)] + [float(at.sum())]
        calm = flat[rows] if flat is not None else np.zeros(at.shape, bool)
        found += [float(np.square(n).sum()) for n in normal]
        found += [float(np.square(s[calm]).sum()) for slopes in own for s in slopes] + [float(calm.sum())]
        return np.array(found)

    total = np.sum(for_each(summed, parts, progress=progress.part(0.8, 1.0), message="Comparing edges"), axis=0)
    number, calm = total[3], total[-1]
    step = CLEAR * noise / min(s for s, n in zip(spacing, after.shape, strict=True) if n > 1)
    slope = step / (math.sqrt(2 * math.pi) * SIGMA_VOXELS)
    places = size >= max(strong / 2, slope)
    direction = total[4 : 4 + dimension] / number
    added = total[4 + dimension : -1].reshape(2, dimension) / max(calm, 1)
    steepness = [math.sqrt(max(total[n] / number - float(direction @ added[n]), 0.0)) for n in range(2)]
    return Edges(steepness[0], steepness[1], math.sqrt(total[2] / number), int(number), places)


def _slopes(array: np.ndarray, part: tuple[int, int], spacing: Sequence[float]) -> list[np.ndarray]:
    """Central differences per mm of some layers along each axis, one-sided at the border of the image."""
    low, high = max(0, part[0] - 1), min(len(array), part[1] + 1)
    layers = array[low:high].astype(np.float64)
    core = slice(part[0] - low, part[0] - low + part[1] - part[0])
    found = []
    for axis, s in enumerate(spacing):
        slope = np.gradient(layers, s, axis=axis) if layers.shape[axis] > 1 else np.zeros_like(layers)
        found.append(slope[core])
    return found


def autocorrelation(
    residual: np.ndarray, inside: np.ndarray | None, mean: float, reach: int, progress: Progress
) -> float:
    """Root mean square of the autocorrelation at 1 to `reach` voxels along each axis, less what white noise shows.

    White noise of n voxels has values of about 1 / sqrt(n); their mean square is subtracted. 0 for white noise, 1 for
    an image that does not change.
    """
    lags = [(axis, lag) for axis, n in enumerate(residual.shape) for lag in range(1, min(reach, n - 1) + 1)]

    names = "abc"[: residual.ndim]

    def product(one: np.ndarray, other: np.ndarray) -> float:
        # Without a copy of parts that are not contiguous.
        return float(np.einsum(f"{names},{names}->", one, other))

    def summed(part: tuple[int, int]) -> np.ndarray:
        start, stop = part
        layers = residual[start : min(stop + reach, len(residual))].astype(np.float64) - mean
        chosen = None if inside is None else inside[start : start + len(layers)]
        if chosen is not None:
            layers[~chosen] = 0
        core = layers[: stop - start]
        found = [product(core, core), float(core.size if chosen is None else chosen[: stop - start].sum())]
        for axis, lag in lags:
            count = max(0, min(stop - start, len(layers) - lag)) if axis == 0 else stop - start
            lead = (slice(0, count), *(slice(None),) * (axis - 1))
            first = (*lead, slice(None, -lag)) if axis else lead
            second = (*lead, slice(lag, None)) if axis else (slice(lag, lag + count),)
            found.append(product(layers[first], layers[second]))
            found.append(float(layers[first].size if chosen is None else np.sum(chosen[first] & chosen[second])))
        return np.array(found)

    parts = ranges(residual.shape[0], residual[:1].size)
    total = np.sum(for_each(summed, parts, progress=progress, message="Autocorrelation"), axis=0)
    pairs = total[2:].reshape(-1, 2)
    pairs = pairs[pairs[:, 1] > 0]
    if total[0] <= 0 or not len(pairs):
        return math.nan
    values = pairs[:, 0] / pairs[:, 1] / (total[0] / total[1])
    return math.sqrt(max(0.0, float(np.mean(values**2 - 1 / pairs[:, 1]))))
