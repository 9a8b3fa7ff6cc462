"""Signed distance maps of segments in millimetres, and points near their surfaces."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk

from ..errors import InputError
from ..geometry import Grid
from ..kernels.gaussian import smooth
from ..progress import Progress, Quiet, run_filter
from ..resampling import resample

LARGEST_MAP = 6_000_000
"""Voxels of a map; larger boxes are sampled more coarsely."""
SOFT = 2.5
"""Sigmas from the surface within which a blurred mask tells the distance."""


@dataclass(frozen=True, eq=False)
class SignedDistance:
    """Distance to the surface of a mask, negative inside, in a box around it; beyond the box its border goes on.

    Attributes
    ----------
    grid
        Voxels of the box.
    values
        float32 (k, j, i), millimetres.
    centroid
        LPS millimetres (d,) of the mask.
    image
        The whole grid of the mask; beyond it nothing is known.
    """

    grid: Grid
    values: np.ndarray
    centroid: np.ndarray
    image: Grid

    def at(self, points: np.ndarray) -> np.ndarray:
        """Distances (N,) at LPS points (N, d), linear."""
        from scipy.ndimage import map_coordinates

        index = self.grid.to_index(points)
        return np.asarray(map_coordinates(self.values, index[:, ::-1].T, order=1, mode="nearest", output=np.float64))

    def known(self, points: np.ndarray) -> np.ndarray:
        """Which LPS points (N, d) lie in a voxel of the image that the mask belongs to."""
        index = self.image.to_index(points)
        return np.asarray(((index >= -0.5) & (index <= np.array(self.image.size) - 0.5)).all(axis=1))

    def slope(self, points: np.ndarray) -> np.ndarray:
        """Gradient (N, d) at LPS points (N, d), by central differences of half the shortest voxel side."""
        step = min(self.grid.spacing) / 2
        d = points.shape[1]
        ahead = np.concatenate([points + step * axis for axis in np.eye(d)])
        behind = np.concatenate([points - step * axis for axis in np.eye(d)])
        return np.asarray(((self.at(ahead) - self.at(behind)) / (2 * step)).reshape(d, -1).T)

    def near_surface(self, band_mm: float, count: int, rng: np.random.Generator) -> np.ndarray:
        """At most `count` voxel centres (N, d) within `band_mm` of the surface, at least the nearest ones."""
        size = np.abs(self.values)
        chosen = np.flatnonzero(size <= max(band_mm, float(size.min()) * 1.01))
        if len(chosen) > count:
            chosen = np.sort(rng.choice(chosen, count, replace=False))
        index = np.stack(np.unravel_index(chosen, self.values.shape), axis=1)[:, ::-1]
        return self.grid.to_physical(index)


def signed_distance(
    mask: sitk.Image, margin_mm: float, progress: Progress, spacing_mm: float = 0.0, what: str = "segment"
) -> SignedDistance:
    """Distance as far as `margin_mm` around a mask, with voxels of at least `spacing_mm`.

    The surface lies half way between voxel centres inside and outside; distances are right to about half a voxel.
    Where the mask reaches the border of its image the true surface is not known: there is none there.
    Raises `InputError` for masks that are empty or fill their image.
    """
    box, centroid = _around(mask, margin_mm, what)
    box = _coarser(box, spacing_mm, progress.part(0.0, 0.2))
    outer = _maurer(box, progress)
    progress.report(0.6, "Distance map")
    inner = _maurer(sitk.Equal(box, 0), progress)
    # One is measured to the outermost voxels inside, the other to the innermost ones outside.
    return SignedDistance(Grid.of(box), np.asarray((outer - inner) / 2, np.float32), centroid, Grid.of(mask))


def soft_distance(mask: sitk.Image, sigma_mm: float, progress: Progress, what: str = "segment") -> SignedDistance:
    """Distance within `SOFT` sigma of the surface, much finer than the voxels.

    A Gaussian of `sigma_mm` turns a plane at distance d into the fraction Phi(-d / sigma), so d is -sigma times the
    quantile of the fraction. Curved surfaces are off by about sigma^2 times their curvature, in the same way on all
    grids as long as sigma is the same: the blur by the voxels themselves is taken out of the Gaussian.
    """
    from scipy.special import ndtr, ndtri

    box, centroid = _around(mask, (SOFT + 2) * sigma_mm, what)
    box = _coarser(box, 0.0, progress.part(0.0, 0.2))
    grid = Grid.of(box)
    sigmas = [float(np.sqrt(max(sigma_mm**2 / s**2 - 1 / 12, 0.0))) for s in grid.spacing_kji]
    fraction = smooth(sitk.GetArrayFromImage(box).astype(np.float64), sigmas, progress.part(0.2, 1.0), "Distance map")
    most = float(ndtr(SOFT))
    values = -sigma_mm * ndtri(np.clip(fraction, 1 - most, most))
    return SignedDistance(grid, values.astype(np.float32), centroid, Grid.of(mask))


def _around(mask: sitk.Image, margin_mm: float, what: str) -> tuple[sitk.Image, np.ndarray]:
    """The box around a mask, cut by its image, and the centroid of the mask."""
    inside = sitk.GetArrayViewFromImage(mask) != 0
    if not inside.any():
        raise InputError(f"The {what} is empty.")
    if inside.all():
        raise InputError(f"The {what} fills its whole image; it has no surface to align.")
    own = Grid.of(mask)
    low, size, middle = [], [], []
    for axis, (spacing, n) in enumerate(zip(own.spacing, own.size, strict=True)):
        others = tuple(a for a in range(inside.ndim) if a != inside.ndim - 1 - axis)
        counts = np.count_nonzero(inside, axis=others)
        places = np.flatnonzero(counts)
        # One voxel more than the mask, else there is no outside in the box.
        pad = max(1, int(np.ceil(margin_mm / spacing)))
        low.append(max(0, int(places[0]) - pad))
        size.append(min(n - 1, int(places[-1]) + pad) - low[-1] + 1)
        middle.append(float(np.average(np.arange(n), weights=counts)))
    return sitk.RegionOfInterest(mask, size, low), own.to_physical(np.array([middle]))[0]


def _maurer(mask: sitk.Image, progress: Progress) -> np.ndarray:
    """Distance to the outermost voxel centres of the mask (Maurer et al. 2003), negative inside."""
    filter_ = sitk.SignedMaurerDistanceMapImageFilter()
    filter_.SetSquaredDistance(False)
    filter_.SetUseImageSpacing(True)
    filter_.SetInsideIsPositive(False)
    filter_.SetBackgroundValue(0.0)
    return sitk.GetArrayFromImage(run_filter(filter_, mask, progress=Quiet(progress)))


def _coarser(mask: sitk.Image, spacing_mm: float, progress: Progress) -> sitk.Image:
    """The mask with voxels of at least `spacing_mm`, and not too many of them."""
    own = Grid.of(mask)
    wanted = max(spacing_mm, 0.0)
    while np.prod([max(2.0, n * s / max(s, wanted)) for n, s in zip(own.size, own.spacing)]) > LARGEST_MAP:
        wanted = 1.1 * max(wanted, min(own.spacing))
    counts = [max(min(n, 4), round(n * s / max(s, wanted))) for n, s in zip(own.size, own.spacing)]
    if tuple(counts) == own.size:
        return mask
    spacing = [n * s / count for n, s, count in zip(own.size, own.spacing, counts)]
    first = np.array([[(s / o - 1) / 2 for s, o in zip(spacing, own.spacing)]])
    grid = Grid(tuple(counts), tuple(spacing), tuple(own.to_physical(first)[0].tolist()), own.direction)
    part = resample(sitk.Cast(mask, sitk.sitkFloat32), grid, anti_alias=True, outside=0.0, progress=progress)
    array = sitk.GetArrayViewFromImage(part)
    # A thin structure is nowhere half of a large voxel.
    level = min(0.5, float(array.max()) / 2)
    found = sitk.GreaterEqual(part, level)
    return found if not sitk.GetArrayFromImage(found).all() else mask


def extent_mm(maps: Sequence[SignedDistance]) -> float:
    """Diagonal of the box around all maps, millimetres."""
    corners = np.concatenate([one.grid.corners for one in maps])
    return float(np.linalg.norm(np.ptp(corners, axis=0)))
