"""Operations that only scene tests use, and the runs they share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, NamedTuple

import numpy as np
import SimpleITK as sitk
from MedImgAnalysisLib.errors import InputError
from MedImgAnalysisLib.filtering.gaussian import Gaussian
from MedImgAnalysisLib.geometry import Grid
from MedImgAnalysisLib.operation import Operation
from MedImgAnalysisLib.parameters import Quantity
from MedImgAnalysisLib.progress import SILENT, Progress
from MedImgAnalysisLib.scene.run import run_in_scene
from MedImgAnalysisLib.values import Column, Curve, Curves, Image, Labels, Landmarks, Measurements, Transform


class EverythingMade(NamedTuple):
    image: Image
    labels: Labels
    transform: Transform
    landmarks: Landmarks
    table: Measurements
    curves: Curves


@dataclass(frozen=True)
class Everything(Operation):
    """Make one result of every kind.

    Parameters
    ----------
    offset
        Added to the image.
    """

    name: ClassVar[str] = "everything"
    title: ClassVar[str] = "Everything"
    group: ClassVar[str] = "Test"
    keeps: ClassVar = {"image": "image"}
    fail: ClassVar[bool] = False

    offset: Annotated[float, Quantity("", -100, 100)] = 1.0

    def run(self, image: Image, labels: Labels | None = None, transform: Transform | None = None,
            landmarks: Landmarks | None = None, *, progress: Progress = SILENT) -> EverythingMade:  # fmt: skip
        progress.report(0.5, "Half")
        if self.fail:
            raise InputError("The operation failed on purpose.")
        made = sitk.Cast(image, sitk.sitkFloat32) + self.offset
        inside = sitk.Greater(image, float(np.median(sitk.GetArrayViewFromImage(image))))
        centre = Grid.of(image).corners.mean(axis=0)
        series = (Curve("A", np.arange(3.0), np.arange(3.0) * self.offset),)
        return EverythingMade(
            made,
            Labels.from_masks([("Bright", inside), ("All", sitk.Cast(inside * 0 + 1, sitk.sitkUInt8))]),
            sitk.TranslationTransform(3, (self.offset, 0, 0)),
            Landmarks(("centre",), centre[None]),
            Measurements((Column("n", "N"),), ({"n": self.offset},)),
            Curves("C", "X", "Y", series),
        )


def gaussian_of(node, **more):
    """The node that smoothing a volume in the scene gives."""
    return run_in_scene(Gaussian(sigma_mm=1.5), {"image": node}, **more)["image"]
