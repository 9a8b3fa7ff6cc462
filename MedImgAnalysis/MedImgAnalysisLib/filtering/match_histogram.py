"""Intensities of one image brought to the distribution of another."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import numpy as np
import SimpleITK as sitk

from ..geometry import Grid
from ..kernels.pointwise import piecewise_linear
from ..kernels.ranks import percentiles
from ..operation import Operation
from ..parameters import Choice, Quantity
from ..progress import SILENT, Progress
from ..values import Image, Mask
from .normalising import inside_of, mean_and_sd, remapped, require_spread


@dataclass(frozen=True)
class MatchHistogram(Operation):
    """Bring the intensities of an image to the distribution of a reference.

    Each of `quantiles` + 1 evenly spread quantiles of the image (from minimum to maximum) becomes the same quantile
    of the reference, linear between (Nyul, Udupa and Zhang 2000); values beyond those, which only a mask leaves, go
    on with the slope from the first to the last quantile. Both images must show the same tissues in about the same
    proportion: give masks, or take voxels above the mean of each image only, which leaves air out. Where many voxels
    have one value (air that is 0) several quantiles coincide; that value becomes the mean of what they become. The
    result is float32 (float64 for input of more than 16 bits that is not float32). A constant image or reference is
    refused. The grids may differ.

    Inputs
    ------
    image
        Image to change.
    reference
        Image whose distribution is taken over.
    mask
        Where the quantiles of the image are taken; all voxels are mapped.
    reference_mask
        Where the quantiles of the reference are taken.

    Outputs
    -------
    image
        Image with the intensities of the reference.

    Parameters
    ----------
    quantiles
        Pieces of the mapping; few give a stiff mapping that keeps small differences of contrast, many a close match.
    voxels
        Voxels to look at in an image without a mask, for the quantiles between minimum and maximum.
    """

    name: ClassVar[str] = "match_histogram"
    title: ClassVar[str] = "Match histogram"
    group: ClassVar[str] = "Intensity"
    memory_factor: ClassVar[float] = 2.0
    measuring_factor: ClassVar[float] = 0.75
    presets: ClassVar = {
        "Close": {},
        "Stiff, foreground only": {"quantiles": 8, "voxels": "above_mean"},
    }

    measured_by: ClassVar[tuple[str, ...]] = ("quantiles", "voxels")

    quantiles: Annotated[int, Quantity("", low=1, high=1024)] = 256
    voxels: Annotated[str, Choice("all", "above_mean")] = "all"

    def halo(self, grid: Grid) -> tuple[int, ...]:
        return (0,) * grid.dimension

    def whole(self, inputs: Mapping[str, Any], progress: Progress = SILENT) -> tuple[np.ndarray, np.ndarray]:
        x = self._quantiles(inputs["image"], inputs.get("mask"), "image", progress.part(0.0, 0.5))
        y = self._quantiles(inputs["reference"], inputs.get("reference_mask"), "reference", progress.part(0.5, 1.0))
        x, first = np.unique(x, return_inverse=True)
        return x, np.bincount(first, y) / np.bincount(first)

    def run(
        self,
        image: Image,
        reference: Image,
        mask: Mask | None = None,
        reference_mask: Mask | None = None,
        *,
        progress: Progress = SILENT,
    ) -> Image:
        given = {"image": image, "reference": reference, "mask": mask, "reference_mask": reference_mask}
        x, y = self.known or self.whole(given, progress.part(0.0, 0.7))
        # The last piece is that of a few voxels: its slope, continued, would send what is outside the mask anywhere.
        ends = x[[0, -1]] + np.array([-1, 1]) * (x[-1] - x[0])
        beyond = y[[0, -1]] + np.array([-1, 1]) * (y[-1] - y[0])
        x, y = np.array([ends[0], *x, ends[1]]), np.array([beyond[0], *y, beyond[1]])
        return remapped(image, lambda values: piecewise_linear(values, x, y), progress.part(0.7, 1.0), "Matching")

    def _quantiles(self, image: sitk.Image, mask: sitk.Image | None, what: str, progress: Progress) -> np.ndarray:
        array, inside = sitk.GetArrayViewFromImage(image), inside_of(mask)
        percent = np.linspace(0, 100, self.quantiles + 1).tolist()
        if inside is None and self.voxels == "above_mean":
            low = float(array.min())
            mean, _ = mean_and_sd(array, None, progress.part(0.0, 0.4))
            require_spread(low, float(array.max()), "matched", what)
            above = percentiles(array, percent, array > mean, progress.part(0.4, 1.0))
            return np.concatenate([[low], above])
        found = percentiles(array, percent, inside, progress)
        require_spread(float(found[0]), float(found[-1]), "matched", what)
        return found
