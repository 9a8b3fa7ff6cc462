"""Median of a box neighbourhood."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Annotated, ClassVar

import numpy as np
import SimpleITK as sitk

from ..blockwise import go_on, map_slabs
from ..geometry import Grid
from ..kernels.median import median_of_27, median_of_box
from ..operation import Operation
from ..parameters import Quantity
from ..progress import SILENT, Progress
from ..values import Image, Mask
from .region import filter_inside


@dataclass(frozen=True)
class Median(Operation):
    """Replace every voxel by the median of its neighbourhood.

    Removes impulse noise and keeps edges. The neighbourhood is a box of 2 radius + 1 voxels along each
    axis; at the border the edge voxel is repeated. Exact, and the pixel type is kept. On anisotropic
    images the box is longer along the axis of larger spacing: set `in_plane` to leave the third axis alone.
    An axis of a single voxel is not filtered.

    Inputs
    ------
    image
        Image to filter; vector images component by component.
    mask
        Where to filter; elsewhere the image is unchanged.

    Outputs
    -------
    image
        Filtered image on the same grid, same pixel type.

    Parameters
    ----------
    radius_voxels
        Half width of the box without the centre voxel.
    in_plane
        Filter each slice along the third axis on its own.
    """

    name: ClassVar[str] = "median"
    title: ClassVar[str] = "Median"
    group: ClassVar[str] = "Denoise"
    keeps: ClassVar = {"image": "image"}
    vector: ClassVar[bool] = True
    memory_factor: ClassVar[float] = 3.0
    works_in_mask: ClassVar[bool] = True
    presets: ClassVar = {
        "3 x 3 x 3": {"radius_voxels": 1},
        "5 x 5 x 5": {"radius_voxels": 2},
        "3 x 3 in plane": {"radius_voxels": 1, "in_plane": True},
    }

    radius_voxels: Annotated[int, Quantity("voxels", low=1, high=10)] = 1
    in_plane: bool = False

    def halo(self, grid: Grid) -> tuple[int, ...]:
        depth = 0 if self.in_plane else self.radius_voxels
        return tuple((self.radius_voxels, self.radius_voxels, depth)[: grid.dimension])

    def effort(self, grid: Grid) -> float:
        return ((2 * self.radius_voxels + 1) / 3) ** (2 if self.in_plane else 3)

    def run(self, image: Image, mask: Mask | None = None, *, progress: Progress = SILENT) -> Image:
        grid = Grid.of(image)
        radii = [r if n > 1 else 0 for r, n in zip(reversed(self.halo(grid)), reversed(grid.size), strict=True)]
        _warn_of_anisotropy(grid, radii, progress)

        def compute(part: sitk.Image, inside: np.ndarray | None, progress: Progress) -> np.ndarray:
            array = sitk.GetArrayViewFromImage(part)
            function = partial(_medians, radii=radii, progress=progress)
            return map_slabs(function, array, radii[0], np.empty_like(array), progress=progress, message="Median")

        return filter_inside(image, mask, self.halo(grid), compute, progress)


def _medians(slab: np.ndarray, radii: list[int], progress: Progress) -> np.ndarray:
    """Medians of a slab ([k, ]j, i) whose border voxels are repeated."""
    if len(radii) == 2:
        return _medians(slab[None], [0, *radii], progress)[0]
    padded = np.pad(slab, [(r, r) for r in radii], mode="edge")
    if radii == [1, 1, 1]:
        return median_of_27(padded)
    return median_of_box(padded, (radii[0], radii[1], radii[2]), lambda: not go_on(progress))


def _warn_of_anisotropy(grid: Grid, radii: list[int], progress: Progress) -> None:
    lengths = [(2 * r + 1) * s for r, s in zip(radii, grid.spacing_kji, strict=True) if r]
    if lengths and max(lengths) > 5 * min(lengths):
        text = " x ".join(f"{(2 * r + 1) * s:.4g}" for r, s in zip(reversed(radii), grid.spacing, strict=True))
        progress.warn(f"The spacing is very uneven: the median covers {text} mm.")
