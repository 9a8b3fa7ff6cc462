"""Plots that compare an image before and after a filter: power spectra and histograms."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from ..blockwise import for_each
from ..kernels.ranks import ranked, slabs_of
from ..progress import Progress
from ..quality.spectrum import places, spectrum_of
from ..values import Curve, Curves

SIZES = (128, 64, 32, 16, 8)
MOST_REGIONS = 256
BINS = 200


def spectra(
    images: Mapping[str, np.ndarray], inside: np.ndarray | None, spacing: Sequence[float], progress: Progress
) -> Curves:
    """Radial power spectra of squares in slices, mean of up to 256 of them spread over the image.

    Squares of 128 voxels a side, or the largest of 64, 32, 16 and 8 of which one fits into the mask; no series when
    none fits. The mean of each square is taken away, no window.
    """
    flat = {name: array if array.ndim == 3 else array[None] for name, array in images.items()}
    pitch = tuple(spacing) if len(spacing) == 3 else (1.0, *spacing)
    chosen = inside if inside is None or inside.ndim == 3 else inside[None]
    shape = next(iter(flat.values())).shape
    series: list[Curve] = []
    for side in SIZES:
        size = (1, side, side)
        if side > min(shape[1:]):
            continue
        corners = places(shape, size, chosen, progress)
        if len(corners):
            picked = corners[np.unique(np.linspace(0, len(corners) - 1, MOST_REGIONS).astype(int))]
            for number, (name, array) in enumerate(flat.items()):
                part = progress.part(number / len(flat), (number + 1) / len(flat))
                frequency, power = spectrum_of(array, picked, size, pitch, "mean", part).radial()
                series.append(Curve(name, frequency[1:], power[1:]))
            break
    return Curves("Power spectra", "Spatial frequency", "Power", tuple(series), "lp/mm", "intensity2 mm2")


def histogram(images: Mapping[str, np.ndarray], inside: np.ndarray | None, progress: Progress) -> Curves:
    """Histograms in per cent of the voxels for each bin, all with bins of one width."""
    ends = {}
    for number, (name, array) in enumerate(images.items()):
        n = array.size if inside is None else int(np.count_nonzero(inside))
        part = progress.part(0.5 * number / len(images), 0.5 * (number + 1) / len(images))
        low, high = ranked(array, (0, n - 1), inside, part).astype(np.float64)
        ends[name] = float(low), float(high)
    width = max(high - low for low, high in ends.values()) / BINS or 1.0
    series = []
    for number, (name, array) in enumerate(images.items()):
        low, high = ends[name]
        first = np.floor(low / width)
        bins = int(np.floor(high / width) - first) + 1
        part = progress.part(0.5 + 0.5 * number / len(images), 0.5 + 0.5 * (number + 1) / len(images))
        counts = _counts(array, inside, width, float(first), bins, part)
        series.append(Curve(name, (first + np.arange(bins) + 0.5) * width, 100 * counts / counts.sum()))
    return Curves("Histograms", "Value", "Voxels", tuple(series), "", "%")


def _counts(
    array: np.ndarray, inside: np.ndarray | None, width: float, first: float, bins: int, progress: Progress
) -> np.ndarray:
    def counted(part: slice) -> np.ndarray:
        values = array[part].ravel() if inside is None else array[part][inside[part]]
        place = np.floor(values.astype(np.float64) / width) - first
        return np.bincount(np.clip(place, 0, bins - 1).astype(np.int64), minlength=bins)

    return np.asarray(np.sum(for_each(counted, slabs_of(array), progress=progress, message="Histogram"), axis=0))
