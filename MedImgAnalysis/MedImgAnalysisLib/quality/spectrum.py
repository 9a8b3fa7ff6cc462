"""Noise power spectrum of an ensemble of equal regions: placing, detrending, averaging, radial curve.

NPS(f) = prod(spacing) / prod(N) * mean |DFT(region - trend)|^2, without window. Its sum times the frequency
steps is the mean population variance of the detrended regions, exactly (Parseval); this is checked.
ICRU report 87 (2012), Samei et al. 2019 (AAPM TG-233).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import combinations_with_replacement

import numpy as np

from ..errors import MedImgError
from ..progress import Progress

IDENTITY = 1e-9
ROUNDING = 1e-12
"""What is left of a region below this part of its values is the rounding of float64 and no noise."""
BATCH_VOXELS = 1 << 19


@dataclass(frozen=True, eq=False)
class Spectrum:
    """A two- or three-dimensional noise power spectrum.

    Attributes
    ----------
    power
        NPS with frequency 0 first along each axis, as `numpy.fft` orders it.
    spacing
        Voxel size along its axes in mm.
    regions
        Number of regions that were averaged.
    variance
        Mean population variance of the detrended regions.
    """

    power: np.ndarray
    spacing: tuple[float, ...]
    regions: int
    variance: float

    @property
    def steps(self) -> tuple[float, ...]:
        """Distance of neighbouring frequencies along each axis in 1/mm."""
        return tuple(1 / (n * s) for n, s in zip(self.power.shape, self.spacing))

    @property
    def frequency(self) -> np.ndarray:
        """Length of the physical frequency vector at each bin in 1/mm (line pairs per mm)."""
        axes = [np.fft.fftfreq(n, s) for n, s in zip(self.power.shape, self.spacing)]
        return np.sqrt(sum(np.square(f) for f in np.meshgrid(*axes, indexing="ij")))

    @property
    def nyquist(self) -> float:
        """The smallest Nyquist frequency of its axes in 1/mm."""
        return min(1 / (2 * s) for s in self.spacing)

    @property
    def integral(self) -> float:
        """Sum of NPS times the frequency steps: the noise variance."""
        return float(self.power.sum()) * math.prod(self.steps)

    def radial(self) -> tuple[np.ndarray, np.ndarray]:
        """Mean |f| and mean NPS of the rings k = round(|f| / step), k = 0 to Nyquist; ring 0 is frequency 0 alone.

        On uneven voxels the step is the smallest of the axes, and the end the smallest Nyquist frequency.
        """
        f, power = self.frequency.ravel(), self.power.ravel()
        step = min(self.steps)
        ring = np.rint(f / step).astype(np.intp)
        last = math.floor(self.nyquist / step + 1e-9)
        count, sum_f, sum_p = (np.bincount(ring, weights)[: last + 1] for weights in (None, f, power))
        keep = count > 0
        return sum_f[keep] / count[keep], sum_p[keep] / count[keep]

    def biased(self) -> int:
        """How many rings behind ring 0 hold a first frequency of an axis, whose power detrending lowers.

        One for even voxels; on uneven ones the first frequency of another axis lies some rings further out.
        """
        step = min(self.steps)
        rings = np.rint(self.radial()[0][1:] / step)
        return int(np.count_nonzero(rings <= np.rint(max(self.steps) / step)))

    def along(self, axis: int) -> tuple[np.ndarray, np.ndarray]:
        """Frequency and NPS on the positive half of one axis, mean of the axis and its two neighbours.

        The axis alone holds what detrending took away; neighbours are the usual remedy (ICRU 87).
        """
        moved = np.moveaxis(self.power, axis, 0)
        half = moved.shape[0] // 2 + 1
        lines = [moved[:half].reshape(half, -1)[:, 0]]
        for other in range(1, moved.ndim):
            lines += [np.take(moved, shift, axis=other)[:half].reshape(half, -1)[:, 0] for shift in (1, -1)]
        f = np.arange(half) / (moved.shape[0] * self.spacing[axis])
        return f[1:], np.mean(lines, axis=0)[1:]


def places(shape: tuple[int, ...], size: tuple[int, ...], inside: np.ndarray | None, progress: Progress) -> np.ndarray:
    """Corners (n, d) of regions of `size` with half overlap that lie wholly in the mask.

    The lattice starts at the corner of the mask's bounding box. A single voxel along an axis steps by one.
    """
    low = np.zeros(len(shape), int)
    high = np.asarray(shape)
    if inside is not None:
        for axis in range(len(shape)):
            hit = np.flatnonzero(inside.any(axis=tuple(a for a in range(len(shape)) if a != axis)))
            if hit.size == 0:
                return np.empty((0, len(shape)), int)
            low[axis], high[axis] = hit[0], hit[-1] + 1
    ranges = [np.arange(a, b - n + 1, max(1, n // 2)) for a, b, n in zip(low, high, size)]
    corners = np.stack(np.meshgrid(*ranges, indexing="ij"), axis=-1).reshape(-1, len(shape))
    if inside is None or not len(corners):
        return corners
    full = np.zeros(len(corners), bool)
    for number, corner in enumerate(corners):
        if number % 256 == 0:
            progress.check()
        full[number] = inside[tuple(slice(c, c + n) for c, n in zip(corner, size))].all()
    return corners[full]


def trend_basis(size: tuple[int, ...], detrend: str) -> np.ndarray:
    """Orthonormal columns (voxels, terms) of the trend: the mean, or all polynomial terms up to the second order."""
    axes = [np.linspace(-1, 1, n) if n > 1 else np.zeros(1) for n in size]
    grids = [g.ravel() for g in np.meshgrid(*axes, indexing="ij")]
    terms = [np.ones(math.prod(size))]
    if detrend == "poly2":
        wide = [g for g, n in zip(grids, size) if n > 1]
        terms += wide + [a * b for a, b in combinations_with_replacement(wide, 2)]
    return np.linalg.qr(np.stack(terms, axis=1))[0]


def spectrum_of(
    array: np.ndarray,
    corners: np.ndarray,
    size: tuple[int, ...],
    spacing: tuple[float, ...],
    detrend: str,
    progress: Progress,
    scale: float = 1.0,
) -> Spectrum:
    """The spectrum of the regions at `corners`; axes of one voxel are dropped from it.

    Parameters
    ----------
    array
        Voxels (slices, rows, columns).
    size, spacing
        Region in voxels and voxel size in mm along the same axes.
    detrend
        `mean` or `poly2`.
    scale
        Factor on the voxel values, 1 / sqrt(2) for a difference of two scans.
    """
    basis = trend_basis(size, detrend)
    kept = tuple(n for n in size if n > 1)
    axes = tuple(range(1, len(kept) + 1))
    power = np.zeros(kept)
    variance = 0.0
    batch = max(1, BATCH_VOXELS // math.prod(size))
    for start in range(0, len(corners), batch):
        progress.report(start / len(corners), "Noise power spectrum")
        chosen = corners[start : start + batch]
        flat = np.stack([array[tuple(slice(c, c + n) for c, n in zip(corner, size))].ravel() for corner in chosen])
        flat = flat.astype(np.float64) * scale
        largest = np.abs(flat).max(axis=1)
        # Removing the mean first keeps the digits of a small noise on a large value.
        flat -= flat.mean(axis=1, keepdims=True)
        # einsum loops in this thread; a matrix library would start threads that wait for each other.
        flat -= np.einsum("rt,vt->rv", np.einsum("rv,vt->rt", flat, basis), basis)
        flat[np.abs(flat).max(axis=1) <= ROUNDING * largest] = 0.0
        variance += float(flat.var(axis=1).sum())
        power += np.square(np.abs(np.fft.fftn(flat.reshape(len(chosen), *kept), axes=axes))).sum(axis=0)
    pitch = tuple(s for s, n in zip(spacing, size) if n > 1)
    power *= math.prod(pitch) / math.prod(kept) / len(corners)
    found = Spectrum(power, pitch, len(corners), variance / len(corners))
    # Detrending leaves a mean of rounding size, so the variance about it is the whole power.
    if abs(found.integral - found.variance) > IDENTITY * max(found.variance, np.finfo(float).tiny):
        raise MedImgError(
            f"The integral of the noise power spectrum is {found.integral} but the variance {found.variance}."
        )
    return found
