"""Lengths in millimetres by axis, and what they are in voxels."""

from __future__ import annotations

from ..errors import InputError
from ..geometry import Grid
from ..kernels.gaussian import radius
from ..progress import Progress

LONGEST = 1e6


def per_axis(length: float, lengths: tuple[float, ...], grid: Grid, field: str) -> tuple[float, ...]:
    """Millimetres along (i, j, k): `lengths` where given, else `length` along each axis.

    `InputError` when there are lengths for another number of axes than the image has.
    """
    if not lengths:
        return (length,) * grid.dimension
    if len(lengths) != grid.dimension:
        raise InputError(
            f"{field} has {len(lengths)} numbers, but the image is {grid.dimension}-D; give one for each axis i, j, k.",
            field=field,
        )
    return lengths


def sigmas_kji(sigma_mm: tuple[float, ...], grid: Grid) -> list[float]:
    """Sigmas along (i, j, k) in millimetres as voxels in the order of numpy axes; `InputError` beyond a million."""
    found = [sigma / s for sigma, s in zip(reversed(sigma_mm), grid.spacing_kji, strict=True)]
    if max(found) > LONGEST:
        raise InputError(
            f"A sigma of {max(sigma_mm):g} mm is {max(found):.3g} voxels of this image ({grid.describe()}): is the "
            "spacing right?",
            role="image",
        )
    return found


def gaussian_halo(sigma_mm: tuple[float, ...], grid: Grid, least: int = 0) -> tuple[int, ...]:
    """Voxels along (i, j, k) that a Gaussian of these sigmas reads, at the least `least`."""
    return tuple(max(radius(sigma / s), least) for sigma, s in zip(sigma_mm, grid.spacing, strict=True))


def ball_radii(radius_mm: float, grid: Grid) -> tuple[int, ...]:
    """Whole voxels along (i, j, k) within a radius."""
    return tuple(int(radius_mm / s + 1e-6) for s in grid.spacing)


def radii_kji(radius_mm: float, grid: Grid) -> list[float]:
    """A radius in voxels, with fractions, in the order of numpy axes."""
    return [radius_mm / s for s in grid.spacing_kji]


def warn_of_still_axes(voxels: tuple[int, ...], length: str, grid: Grid, progress: Progress) -> None:
    """Say along which axes (i, j, k) a length is too small to have an effect."""
    still = [axis for axis, n, size in zip("ijk", voxels, grid.size, strict=False) if n == 0 and size > 1]
    if still:
        progress.warn(f"{length} is too small beside the spacing to have an effect along {', '.join(still)}.")
