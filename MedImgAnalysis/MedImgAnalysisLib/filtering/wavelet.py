"""Wavelet denoising: small detail coefficients are noise."""

from __future__ import annotations

from dataclasses import dataclass
from math import log, sqrt
from typing import Annotated, ClassVar

import numpy as np
import SimpleITK as sitk

from ..geometry import Grid
from ..kernels.wavelets import FAMILIES, scaling_filter, shrink
from ..operation import Operation
from ..parameters import Choice, Quantity
from ..progress import SILENT, Progress
from ..values import Image, Mask
from .noise_level import noise_level
from .region import filter_inside
from .voxels import floating


@dataclass(frozen=True)
class Wavelet(Operation):
    """Shrink the wavelet details that are no larger than noise.

    For Gaussian noise of equal strength everywhere. The image is split into bands by an orthogonal wavelet, level by
    level; the details lose what noise of standard deviation s explains. BayesShrink chooses a threshold for each band,
    s^2 / sqrt(max(m - s^2, 0)) with m the mean square of the band (Chang, Yu and Vetterli 2000), VisuShrink uses
    s sqrt(2 ln N) for all N voxels (Donoho and Johnstone 1994) and smooths more. Equal to scikit-image's
    `denoise_wavelet` with the same numbers. Axes shorter than the filter at a level are left out there. With a mask the
    work is on its box with a margin, and so is the noise estimate. The result is float32, float64 for input of more
    than 16 bits.

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
    method
        How thresholds are chosen: BayesShrink band by band, VisuShrink one for all.
    threshold
        Soft subtracts the threshold from larger details, hard keeps them.
    family
        Wavelet: Haar, Daubechies or symlet with that many vanishing moments. Longer ones show fewer blocks.
    levels
        Number of levels; each looks at structures twice as large.
    noise
        Standard deviation of the noise in the unit of the image. Not given: the larger of that in the finest wavelet
        details and in flat regions of the image, or of the mask.
    """

    name: ClassVar[str] = "wavelet"
    title: ClassVar[str] = "Wavelet denoising"
    group: ClassVar[str] = "Denoise"
    vector: ClassVar[bool] = True
    memory_factor: ClassVar[float] = 5.0
    squares: ClassVar[bool] = True
    revision: ClassVar[int] = 2
    works_in_mask: ClassVar[bool] = True
    why_whole: ClassVar[str] = "the thresholds come from all details of a band"
    keeps: ClassVar = {"image": "image"}
    presets: ClassVar = {
        "Light": {"method": "BayesShrink", "threshold": "soft", "levels": 2},
        "Strong": {"method": "VisuShrink", "threshold": "soft", "levels": 3},
    }

    method: Annotated[str, Choice("BayesShrink", "VisuShrink")] = "BayesShrink"
    threshold: Annotated[str, Choice("soft", "hard")] = "soft"
    family: Annotated[str, Choice(*FAMILIES)] = "db2"
    levels: Annotated[int, Quantity("", low=1, high=8)] = 3
    noise: Annotated[float | None, Quantity("", low=0.0)] = None

    def run(self, image: Image, mask: Mask | None = None, *, progress: Progress = SILENT) -> Image:
        margin = len(scaling_filter(self.family)) * 2**self.levels

        def compute(part: sitk.Image, inside: np.ndarray | None, progress: Progress) -> np.ndarray:
            level = noise_level(self.noise, part, inside, progress.part(0.0, 0.15))
            array = floating(part, progress)
            if level == 0:
                return array
            # Coefficients near zero keep their digits.
            middle = array.dtype.type(0.5 * (float(array.min()) + float(array.max())))
            array -= middle
            smallest = float(np.finfo(array.dtype).eps)

            def bayes(mean_square: float) -> float:
                return level**2 / sqrt(max(mean_square - level**2, smallest))

            universal = level * sqrt(2 * log(max(array.size, 2)))
            chosen = bayes if self.method == "BayesShrink" else lambda mean_square: universal
            found = shrink(array, self.family, self.levels, chosen, self.threshold == "soft", progress.part(0.15, 1.0))
            found += middle
            return found

        return filter_inside(image, mask, (margin,) * Grid.of(image).dimension, compute, progress)
