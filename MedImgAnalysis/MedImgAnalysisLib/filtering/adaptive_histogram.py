"""Local contrast: adaptive histogram equalisation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np
import SimpleITK as sitk

from ..geometry import Grid
from ..kernels.local_histogram import equalise
from ..operation import Operation
from ..parameters import Quantity
from ..progress import SILENT, Progress
from ..values import Image, Mask
from .region import filter_inside
from .voxels import floating


@dataclass(frozen=True)
class AdaptiveHistogram(Operation):
    """Bring out local contrast where the image is dim and where it is bright.

    Contrast-limited adaptive histogram equalisation (Zuiderveld 1994) in tiles of a size in millimetres: every value
    becomes its rank among the values of its surroundings, scaled to the range of the image (512 bins, linear between
    bins and between the centres of tiles). For looking and for features; the values are no longer a measurement.
    Noise in flat regions rises with the limit. The result is float32, float64 for input of more than 16 bits.

    Inputs
    ------
    image
        Image; vector images component by component.
    mask
        Where to equalise, with the range and the ranks of the voxels inside; elsewhere the image is unchanged.

    Outputs
    -------
    image
        Equalised image on the same grid, in the range of the input.

    Parameters
    ----------
    tile_mm
        Width of a tile.
    contrast_limit
        Largest growth of contrast: 1 changes nothing, 3 is mild, above 10 hardly limits.
    """

    name: ClassVar[str] = "adaptive_histogram"
    title: ClassVar[str] = "Adaptive histogram equalisation"
    group: ClassVar[str] = "Enhance"
    vector: ClassVar[bool] = True
    memory_factor: ClassVar[float] = 2.5
    squares: ClassVar[bool] = True
    works_in_mask: ClassVar[bool] = True
    why_whole: ClassVar[str] = "the range of the whole image sets the tiles and bins"
    presets: ClassVar = {"Mild": {"contrast_limit": 2.0}, "Strong": {"contrast_limit": 8.0}}

    tile_mm: Annotated[float, Quantity("mm", low=1.0, high=1000.0)] = 40.0
    contrast_limit: Annotated[float, Quantity("", low=1.0, high=1000.0)] = 3.0

    def run(self, image: Image, mask: Mask | None = None, *, progress: Progress = SILENT) -> Image:
        grid = Grid.of(image)

        def compute(part: sitk.Image, inside: np.ndarray | None, progress: Progress) -> np.ndarray:
            array = floating(part, progress)
            chosen = array if inside is None else array[inside]
            low, high = float(chosen.min()), float(chosen.max())
            if low == high:
                progress.report(1.0)
                return array
            flat = array.ndim == 2
            solid = array[None] if flat else array
            where = inside[None] if flat and inside is not None else inside
            spacing = (1.0,) * (3 - grid.dimension) + grid.spacing_kji
            tiles = [max(1, round(n * s / self.tile_mm)) for n, s in zip(solid.shape, spacing, strict=True)]
            tiles = [min(count, n) for count, n in zip(tiles, solid.shape, strict=True)]
            found = equalise(solid, tiles, self.contrast_limit, low, high, where, progress)
            return found.reshape(array.shape)

        return filter_inside(image, mask, (0,) * grid.dimension, compute, progress)
