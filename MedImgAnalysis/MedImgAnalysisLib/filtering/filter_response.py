"""Response maps of convolutional filters, as IBSI defines them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np

from ..errors import InputError, ParameterError
from ..geometry import Grid, image_like
from ..kernels import responses
from ..kernels.separable import working_type
from ..operation import Operation
from ..parameters import Choice, Quantity
from ..progress import SILENT, Progress
from ..values import Image
from .voxels import precise

WAVELETS = ("haar", "db2", "db3", "db4")


@dataclass(frozen=True)
class FilterResponse(Operation):
    """Make the response map of a texture filter.

    Maps whose features describe texture at a scale, by the definitions of IBSI 2 (Whybra et al. 2024, Radiology
    310:e231319), so that studies can be repeated with other software.

    mean: average over a cube of `support_voxels`.

    log: Laplacian of Gaussian, the Gaussian cut at four sigma. Where voxels are not cubes the second derivatives are
    taken per millimetre and told per square of the mean voxel side, so that no axis counts more than another.

    laws: products of the kernels L, E, S, W and R (Laws 1980) of unit norm along i, j and k.

    wavelet: one band of an undecimated separable wavelet transform, H and L along i, j and k; the levels below go
    through the low-pass filter, filters of level n have 2^(n - 1) - 1 zeros between their taps.

    Mean, Laws and wavelets count in voxels: resample first where voxels are not cubes. Results are float32, float64 for
    input of more than 16 bits.

    Inputs
    ------
    image
        Image to filter.

    Outputs
    -------
    image
        Response on the same grid.

    Parameters
    ----------
    filter
        Kind of filter.
    border
        What lies beyond the border of the image.
    support_voxels
        Side of the cube of the mean filter, odd.
    sigma_mm
        Scale of the Laplacian of Gaussian.
    kernels
        Laws kernels along i, j and k, such as E5L5S5.
    wavelet
        Wavelet family.
    band
        Which filter along i, j and k, such as LHL.
    level
        Level of the wavelet transform, 1 is the finest.
    """

    name: ClassVar[str] = "filter_response"
    title: ClassVar[str] = "Filter response (IBSI 2)"
    group: ClassVar[str] = "Texture"
    memory_factor: ClassVar[float] = 4.75
    squares: ClassVar[bool] = True
    why_whole: ClassVar[str] = "it is computed by Fourier transforms"
    presets: ClassVar = {
        "Mean, 15 voxels": {"filter": "mean", "support_voxels": 15},
        "Laplacian of Gaussian, 3 mm": {"filter": "log", "sigma_mm": 3.0},
        "Laws E5L5S5": {"filter": "laws", "kernels": "E5L5S5"},
        "Wavelet Daubechies 2, LHL": {"filter": "wavelet", "wavelet": "db2", "band": "LHL"},
    }

    filter: Annotated[str, Choice("mean", "log", "laws", "wavelet")] = "mean"
    border: Annotated[str, Choice(*responses.BORDERS)] = "mirror"
    support_voxels: Annotated[int, Quantity("voxels", low=1, high=201)] = 5
    sigma_mm: Annotated[float, Quantity("mm", low=0.1, high=50.0)] = 2.0
    kernels: str = "E5L5S5"
    wavelet: Annotated[str, Choice(*WAVELETS)] = "db2"
    band: str = "LHL"
    level: Annotated[int, Quantity("", low=1, high=5)] = 1

    def check(self) -> None:
        """Refuse an even support, unknown Laws kernels and bands of other letters."""
        if self.support_voxels % 2 == 0:
            self._refuse("support_voxels", "an odd number of voxels, so that it has a middle")
        if not re.fullmatch(f"({'|'.join(responses.LAWS)}){{2,3}}", self.kernels):
            self._refuse("kernels", f"two or three of {', '.join(responses.LAWS)}, such as E5L5S5")
        if not re.fullmatch("[LH]{2,3}", self.band):
            self._refuse("band", "two or three letters L or H, such as LHL")

    def _refuse(self, field: str, wanted: str) -> None:
        value = getattr(self, field)
        raise ParameterError(
            f"{self.name}: {field} is {value!r}; it must be {wanted}.",
            operation=self.name,
            field=field,
            value=repr(value),
        )

    def run(self, image: Image, *, progress: Progress = SILENT) -> Image:
        array = precise(image, progress)
        grid = Grid.of(image)
        if self.filter == "log":
            found = self._laplacian(array, grid, progress)
        elif self.filter == "mean":
            kernel = responses.mean_kernel(self.support_voxels)
            found = self._convolved(array, [kernel] * array.ndim, progress)
        elif self.filter == "laws":
            names = [self.kernels[n : n + 2] for n in range(0, len(self.kernels), 2)]
            found = self._convolved(array, self._kji([responses.laws_kernel(name) for name in names], grid), progress)
        else:
            found = self._band(array, grid, progress)
        progress.report(1.0)
        return image_like(found.astype(working_type(array.dtype)), image)

    def _convolved(self, array: np.ndarray, kernels: list[np.ndarray], progress: Progress) -> np.ndarray:
        return responses.convolved(array, kernels, self.border, progress, "Filtering")

    def _kji(self, along: list[np.ndarray], grid: Grid) -> list[np.ndarray]:
        """Kernels given along (i, j, k) in the order of numpy axes."""
        if len(along) != grid.dimension:
            field = "kernels" if self.filter == "laws" else "band"
            raise InputError(
                f"The image is {grid.dimension}-D and {field} names {len(along)} axes; give one for each axis.",
                role="image",
            )
        return along[::-1]

    def _laplacian(self, array: np.ndarray, grid: Grid, progress: Progress) -> np.ndarray:
        spacing = np.array(grid.spacing_kji)
        pairs = [responses.gaussian_kernels(self.sigma_mm / s) for s in spacing]
        scales = float(np.prod(spacing)) ** (2 / grid.dimension) / spacing**2
        total = np.zeros(array.shape)
        for axis in range(grid.dimension):
            part = progress.part(axis / grid.dimension, (axis + 1) / grid.dimension)
            kernels = [pair[1] if n == axis else pair[0] for n, pair in enumerate(pairs)]
            total += scales[axis] * self._convolved(array, kernels, part)
        return total

    def _band(self, array: np.ndarray, grid: Grid, progress: Progress) -> np.ndarray:
        found = array
        for level in range(1, self.level + 1):
            low, high = responses.wavelet_kernels(self.wavelet, level)
            letters = self.band if level == self.level else "L" * len(self.band)
            kernels = self._kji([low if letter == "L" else high for letter in letters], grid)
            part = progress.part((level - 1) / self.level, level / self.level)
            found = self._convolved(found, kernels, part)
        return found
