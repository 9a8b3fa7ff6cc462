"""Learn the standard intensity scale of a cohort."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np

from ..errors import InputError
from ..geometry import Grid
from ..operation import Operation
from ..parameters import Choice, Quantity
from ..progress import SILENT, Progress
from ..resampling import on_grid
from ..values import Image, Mask, Measurements
from .normalise_percentile import rising
from .standard_scale import COLUMNS, DECILES, landmarks_of


@dataclass(frozen=True)
class LearnStandardScale(Operation):
    """Learn the standard intensity scale of a cohort, for images without physical units such as MR.

    The landmarks of an image are the lower and upper percentile and the deciles between them. Each image is scaled
    so that its lower and upper percentile become `to_low` and `to_high`; the standard value of a landmark is the
    mean over the cohort (Nyul, Udupa and Zhang 2000). The table is all that the operation standardise_landmarks
    needs; written as csv or JSON it can be kept and used for images that come later. Images must be of one kind of
    scan, and masks of one kind of region. A landmark that has the value of the next one in every image is left out.

    Inputs
    ------
    images
        Images of the cohort; grids may differ.
    masks
        Region of each image (brain, body) in the same order; without them `voxels` says where to look.

    Outputs
    -------
    table
        A row for each landmark.

    Parameters
    ----------
    low_percent
        Lowest landmark.
    high_percent
        Highest landmark.
    to_low
        What the lowest landmark becomes.
    to_high
        What the highest landmark becomes.
    voxels
        Voxels to look at in images without a mask; those above the mean leave air out.
    """

    name: ClassVar[str] = "learn_standard_scale"
    title: ClassVar[str] = "Learn standard scale"
    group: ClassVar[str] = "Intensity"
    memory_factor: ClassVar[float] = 2.0

    low_percent: Annotated[float, Quantity("%", low=0.0, high=9.9)] = 1.0
    high_percent: Annotated[float, Quantity("%", low=90.1, high=100.0)] = 99.0
    to_low: float = 0.0
    to_high: float = 100.0
    voxels: Annotated[str, Choice("above_mean", "all")] = "above_mean"

    def check(self) -> None:
        rising(self, "to_low", "to_high")

    def run(
        self, images: Sequence[Image], masks: Sequence[Mask] | None = None, *, progress: Progress = SILENT
    ) -> Measurements:
        if masks is not None and len(masks) != len(images):
            raise InputError(f"There are {len(masks)} masks for {len(images)} images.", role="masks")
        percent = np.array([self.low_percent, *DECILES, self.high_percent])
        found = []
        for number, image in enumerate(images):
            part = progress.part(number / len(images), (number + 1) / len(images))
            mask = masks[number] if masks is not None else None
            if mask is not None:
                mask = on_grid(mask, Grid.of(image), labels=True, what=f"mask {number + 1}", progress=progress)
            own = landmarks_of(image, mask, percent, self.voxels, f"image {number + 1} of the cohort", part)
            share = (own - own[0]) / (own[-1] - own[0])
            found.append(self.to_low * (1 - share) + self.to_high * share)
        values = np.mean(found, axis=0)
        kept = np.append(np.diff(values) > 0, True)
        if not kept.all():
            gone = ", ".join(f"{p:g}" for p in percent[~kept])
            progress.warn(
                f"The percentiles {gone} have the same value as the next one in every image (air that is 0, or values "
                "cut off?) and are left out."
            )
        many = len(images) > 1
        spread = np.std(found, axis=0, ddof=1) if many else np.full(len(percent), np.nan)
        rows = [
            {"percent": float(p), "value": float(v), "sd": float(s), "images": len(images), "voxels": self.voxels,
             "status": "" if many else "single_image"}
            for p, v, s in zip(percent[kept], values[kept], spread[kept])
        ]  # fmt: skip
        return Measurements(COLUMNS, tuple(rows))
