"""Contours move on cubic voxels in the box around their start, so that millimetres are the same along all axes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk

from ..errors import InputError
from ..geometry import Grid, image_like
from ..progress import Progress
from ..resampling import resample
from ..values import Landmarks
from .seeds import At, seed_voxels
from .surroundings import Surroundings
from .working_values import centred

LARGEST_VOXELS = 4_000_000
"""More working voxels would take minutes; the working voxels become larger then."""
FEWEST = 4
"""Voxels that ITK's filters need along each axis."""


@dataclass(frozen=True, eq=False)
class WorkingRegion:
    """Image and start on cubic voxels.

    Attributes
    ----------
    image
        float32, linear interpolation, cubic voxels of `spacing` millimetres; `offset` less than the whole image.
    start
        Boolean (k, j, i): where the contour begins.
    allowed
        Boolean (k, j, i): where the segment may be; None for everywhere.
    """

    image: sitk.Image
    offset: float
    start: np.ndarray
    allowed: np.ndarray | None
    spacing: float
    near: Surroundings
    whole: sitk.Image

    def level(self) -> np.ndarray:
        """-0.5 inside the start and 0.5 outside, float32: the level set filters take no more from it than its edge."""
        return np.where(self.start, np.float32(-0.5), np.float32(0.5))

    def back(self, level: np.ndarray) -> np.ndarray:
        """The voxels of the whole image where the interpolated `level` is negative, boolean (k, j, i)."""
        part = self.near.cut(self.whole)
        moved = resample(image_like(np.ascontiguousarray(level, np.float32), self.image), Grid.of(part), outside=1.0)
        shape = sitk.GetArrayViewFromImage(self.whole).shape
        return self.near.put_back(sitk.GetArrayViewFromImage(moved) < 0, shape)

    def image_of(self, array: np.ndarray, outside: float) -> sitk.Image:
        """A working array as float32 on the grid of the whole image, `outside` beyond the box."""
        part = self.near.cut(self.whole)
        moved = resample(
            image_like(np.ascontiguousarray(array, np.float32), self.image), Grid.of(part), outside=outside
        )
        shape = sitk.GetArrayViewFromImage(self.whole).shape
        return image_like(self.near.put_back(sitk.GetArrayViewFromImage(moved), shape, outside), self.whole)

    def warn_if_cut(self, chosen: np.ndarray, progress: Progress) -> None:
        """Say when the segment reaches the side of the box that was looked at."""
        if self.near.touched(chosen[self.near.slices], chosen.shape):
            progress.warn("The segment reaches the side of the region that was looked at; enlarge margin_mm.")


def working_region(
    image: sitk.Image,
    seeds: sitk.Image | None,
    points: Landmarks | None,
    radius_mm: float,
    margin_mm: float,
    mask: sitk.Image | None,
    progress: Progress,
) -> WorkingRegion:
    """The box of the start (painted voxels, and balls of `radius_mm` about points) with a margin, on cubic voxels.

    The voxels have the smallest spacing of the image, or a larger one (said so) where that would be too many.
    """
    at = seed_voxels(image, seeds, points, "starting voxels", "start")
    reach = margin_mm + (radius_mm if points is not None else 0.0)
    near = Surroundings.around(image, at, reach, progress)
    part = near.cut(image)
    values = sitk.GetArrayViewFromImage(part)
    floats, offset = centred(values)
    if values.min() == values.max():
        raise InputError(f"The image is constant ({values.min():g}) around the start; there is no edge.", role="image")
    grid = Grid.of(part)
    finest = spacing = min(s for s, n in zip(grid.spacing, grid.size, strict=True) if n > 1)
    extent = [s * max(n - 1, 0) for s, n in zip(grid.spacing, grid.size, strict=True)]
    while np.prod([e / spacing + 1 for e in extent]) > LARGEST_VOXELS:
        spacing *= 1.1
    if spacing > finest:
        progress.warn(f"The contour moves on cubic voxels of {spacing:.3g} mm: finer ones would take too long.")
    size = tuple(round(e / spacing) + 1 for e in extent)
    cubic = Grid(size, (spacing,) * grid.dimension, grid.origin, grid.direction)
    start = _start(image, at, seeds, points, radius_mm, near, cubic)
    allowed = None
    if mask is not None:
        moved = resample(near.cut(mask), cubic, interpolation="nearest", outside=0)
        allowed = sitk.GetArrayFromImage(moved) != 0
        start &= allowed
    if not start.any():
        raise InputError("The start lies outside the mask; move it or enlarge the mask.", role="start")
    if start.all():
        raise InputError("The start fills the whole region; a contour needs an outside.", role="start")
    moved = resample(image_like(floats, part), cubic)
    thin = [2 if n < FEWEST else 0 for n in cubic.size]
    if any(thin):
        moved, start, allowed = _thickened(moved, start, allowed, thin)
    return WorkingRegion(moved, offset, start, allowed, spacing, near, image)


def _thickened(
    image: sitk.Image, start: np.ndarray, allowed: np.ndarray | None, voxels: list[int]
) -> tuple[sitk.Image, np.ndarray, np.ndarray | None]:
    """The border repeated on both sides: along an axis of one slice nothing changes then, as in two dimensions."""
    widths = [(n, n) for n in reversed(voxels)]
    grid = Grid.of(image)
    first = tuple(grid.to_physical(-np.array([voxels], float))[0].tolist())
    larger = Grid(
        tuple(n + 2 * extra for n, extra in zip(grid.size, voxels, strict=True)), grid.spacing, first, grid.direction
    )
    thick = image_like(np.pad(sitk.GetArrayViewFromImage(image), widths, mode="edge"), larger)
    masks = [None if one is None else np.pad(one, widths, mode="edge") for one in (start, allowed)]
    assert masks[0] is not None
    return thick, masks[0], masks[1]


def _start(
    image: sitk.Image,
    at: At,
    seeds: sitk.Image | None,
    points: Landmarks | None,
    radius_mm: float,
    near: Surroundings,
    cubic: Grid,
) -> np.ndarray:
    start = np.zeros(tuple(reversed(cubic.size)), bool)
    if seeds is not None:
        painted = resample(sitk.Cast(near.cut(seeds), sitk.sitkFloat32), cubic, outside=0.0)
        start |= sitk.GetArrayViewFromImage(painted) >= 0.5
    if points is not None:
        places = cubic.to_index(points.points[:, : cubic.dimension])[:, ::-1]
        axes = np.ogrid[tuple(slice(0, n) for n in start.shape)]
        for place in places:
            start |= sum((a - p) ** 2 for a, p in zip(axes, place, strict=True)) <= (radius_mm / cubic.spacing[0]) ** 2
            start[tuple(np.clip(np.rint(place).astype(int), 0, np.array(start.shape) - 1))] = True
    return start
