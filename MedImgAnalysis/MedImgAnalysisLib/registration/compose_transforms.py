"""Two transforms as one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import SimpleITK as sitk

from ..errors import InputError
from ..operation import Operation
from ..progress import SILENT, Progress
from ..values import Transform
from .definition import parts
from .rigid import matrix_of


@dataclass(frozen=True)
class ComposeTransforms(Operation):
    """Put two transforms one behind the other.

    A point of the fixed image goes through `first` and then through `second`: the result is x -> second(first(x)). When
    `first` leads from the patient to a template and `second` from the template to an atlas, the result leads from the
    patient to the atlas, and resamples the *atlas* onto the patient. Seen from the images that are resampled the order
    is the other way round: the atlas goes through `second` first.

    Linear transforms come out as one matrix. Others stay as they are inside a composite, nothing is interpolated.

    Inputs
    ------
    first
        What a point of the fixed image goes through first.
    second
        What the point goes through then.

    Outputs
    -------
    transform
        x -> second(first(x)), LPS millimetres.
    """

    name: ClassVar[str] = "compose_transforms"
    title: ClassVar[str] = "Compose transforms"
    group: ClassVar[str] = "Transforms"

    def run(self, first: Transform, second: Transform, *, progress: Progress = SILENT) -> Transform:
        progress.report(0.0, "Composing")
        if first.GetDimension() != second.GetDimension():
            raise InputError(
                f"The first transform is {first.GetDimension()}-D and the second {second.GetDimension()}-D; "
                "they do not belong together.",
                role="second",
            )
        composed = composite([*parts(first), *parts(second)])
        progress.report(1.0)
        return composed


def composite(steps: list[sitk.Transform]) -> sitk.Transform:
    """The transform of points that go through all `steps`, the first first; linear neighbours become one matrix."""
    merged: list[sitk.Transform] = []
    for step in steps:
        if merged and step.IsLinear() and merged[-1].IsLinear():
            merged[-1] = product(merged[-1], step)
        else:
            merged.append(step)
    return merged[0] if len(merged) == 1 else sitk.CompositeTransform(merged[::-1])


def product(first: sitk.Transform, second: sitk.Transform) -> sitk.AffineTransform:
    """x -> second(first(x)) of two linear transforms."""
    (a, b), (c, d) = matrix_of(first), matrix_of(second)
    return sitk.AffineTransform((c @ a).ravel().tolist(), (c @ b + d).tolist())
