"""Non-local means: voxels whose surroundings look alike are averaged."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np
import SimpleITK as sitk

from ..geometry import Grid
from ..kernels.neighbours import near, nonlocal_means
from ..parameters import Quantity
from ..progress import SILENT, Progress
from ..values import Image, Mask
from .noise_level import noise_level
from .region import Measuring, filter_measured, wanted
from .voxels import floating, precise


@dataclass(frozen=True)
class NonlocalMeans(Measuring):
    """Average voxels whose surroundings look alike, wherever they are in a search box.

    Keeps repeated texture and edges better than local filters. Two means, with s the standard deviation of the noise
    and h = `strength` s. In the first every voxel of a box of two thirds of the search radius weighs
    exp(-max(d - 2 s^2, 0) / (1.4 h)^2) with d the mean squared difference of the patches, whose weights fall to their
    border as 2 to 1 for a radius of 1 (Buades, Coll and Morel 2005). In the second every voxel of the search box weighs
    exp(-(m - m')^2 / h^2) with m and m' the first mean here and there (Manjon et al. 2012): it has less noise than the
    image, so that thin structures are told from it. The time grows with the search volume (a minute for a whole MR of
    256 cubed with the defaults): use a mask. Meant for Gaussian noise of equal strength everywhere. The border is
    mirrored. The result is float32, float64 for input of more than 16 bits.

    Inputs
    ------
    image
        Image to denoise; vector images component by component.
    mask
        Where to denoise; elsewhere the image is unchanged.

    Outputs
    -------
    image
        Denoised image on the same grid.

    Parameters
    ----------
    patch_radius_voxels
        Half width of the compared patches without the centre.
    search_radius_voxels
        Half width of the box in which voxels are compared.
    strength
        Larger averages more; a multiple of the noise.
    noise
        Standard deviation of the noise in the unit of the image. Not given: the larger of that in the finest wavelet
        details and in flat regions of the image, or of the mask.
    in_plane
        Search and compare within each slice along the third axis only, for thick slices.
    """

    name: ClassVar[str] = "nonlocal_means"
    title: ClassVar[str] = "Non-local means"
    group: ClassVar[str] = "Denoise"
    vector: ClassVar[bool] = True
    memory_factor: ClassVar[float] = 3.5
    squares: ClassVar[bool] = True
    measuring_factor: ClassVar[float] = 1.5
    revision: ClassVar[int] = 2
    keeps: ClassVar = {"image": "image"}
    presets: ClassVar = {
        "Light": {"search_radius_voxels": 2, "strength": 0.7},
        "Strong": {"search_radius_voxels": 5, "strength": 1.3},
        "Thick slices": {"search_radius_voxels": 7, "in_plane": True},
    }

    patch_radius_voxels: Annotated[int, Quantity("voxels", low=1, high=5)] = 1
    search_radius_voxels: Annotated[int, Quantity("voxels", low=1, high=15)] = 3
    strength: Annotated[float, Quantity("", low=0.05, high=5.0)] = 1.0
    noise: Annotated[float | None, Quantity("", low=0.0)] = None
    in_plane: bool = False

    measured_by: ClassVar[tuple[str, ...]] = ("noise",)

    def halo(self, grid: Grid) -> tuple[int, ...]:
        search = self.search_radius_voxels
        both = self.patch_radius_voxels + near([search])[0] + search
        return (both, both, 0 if self.in_plane else both)[: grid.dimension]

    def numbers_of(self, part: sitk.Image, inside: np.ndarray | None, progress: Progress) -> float:
        return noise_level(self.noise, part, inside, progress)

    def effort(self, grid: Grid) -> float:
        return ((2 * self.search_radius_voxels + 1) / 7) ** (2 if self.in_plane else 3)

    def run(self, image: Image, mask: Mask | None = None, *, progress: Progress = SILENT) -> Image:
        grid = Grid.of(image)
        sizes = (1,) * (3 - grid.dimension) + tuple(reversed(grid.size))
        used = [n > 1 and not (self.in_plane and axis == 0) for axis, n in enumerate(sizes)]
        patch, search = (
            [radius if use else 0 for use in used] for radius in (self.patch_radius_voxels, self.search_radius_voxels)
        )

        def compute(part: sitk.Image, inside: np.ndarray | None, level: float, progress: Progress) -> np.ndarray:
            array = precise(part, progress)
            if level == 0:
                return floating(part, progress)
            solid = array[None] if array.ndim == 2 else array
            box = (slice(0, 1),) * (3 - array.ndim) + wanted(self, array.shape, inside)
            found = nonlocal_means(solid, patch, search, self.strength * level, level, progress, box)
            return found.reshape(array.shape)

        return filter_measured(self, image, mask, self.halo(grid), compute, progress, share=0.05)
