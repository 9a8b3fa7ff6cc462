"""A transform applied to an image."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

import SimpleITK as sitk

from ..errors import InputError
from ..geometry import Grid
from ..operation import Operation
from ..parameters import Choice
from ..progress import SILENT, Progress
from ..quality.arrays import count_nonfinite
from ..resampling import checked_value, resample, smallest
from ..values import Image, Transform
from .reach import check_reach, grid_of, same_dimension


@dataclass(frozen=True)
class ApplyTransform(Operation):
    """Bring a moving image onto the grid of the fixed one with a transform.

    The voxel at the point x of the new grid gets the value of the image at T(x). So the transform maps points of the
    fixed image to points of the moving image, LPS millimetres, as registrations give it and ITK, elastix and ANTs write
    it; it is the moving image that is resampled. To take the fixed image the other way invert the transform first.

    The pixel type is kept; whole numbers are rounded, not cut off. Where the image is not defined the result is the
    smallest value of the image (air in a CT), not 0. Labels want `apply_transform_labels`.

    Inputs
    ------
    image
        Moving image; vector images component by component.
    transform
        Maps fixed to moving points, LPS millimetres.
    reference
        Image whose grid the result gets, usually the fixed one; without it the grid of the moving image.

    Outputs
    -------
    image
        The moving image, aligned.

    Parameters
    ----------
    interpolation
        Linear, nearest (for labels) or bspline (cubic, overshoots at sharp edges).
    outside_value
        Value where the image is not defined; if not set, the smallest value of the image.
    """

    name: ClassVar[str] = "apply_transform"
    title: ClassVar[str] = "Apply transform to image"
    group: ClassVar[str] = "Apply"
    vector: ClassVar[bool] = True
    finite_only: ClassVar[bool] = False
    memory_factor: ClassVar[float] = 4.0
    keeps: ClassVar = {"image": "image"}

    interpolation: Annotated[str, Choice("linear", "nearest", "bspline")] = "linear"
    outside_value: float | None = None

    def run(
        self, image: Image, transform: Transform, reference: Image | None = None, *, progress: Progress = SILENT
    ) -> Image:
        progress.report(0.0, "Resampling")
        same_dimension(transform, image.GetDimension(), "image", "image")
        grid = Grid.of(image)
        if reference is not None:
            same_dimension(transform, reference.GetDimension(), "reference", "reference")
            grid = grid_of(reference, progress)
        wrong = count_nonfinite(sitk.GetArrayViewFromImage(image), None, progress)
        if wrong:
            raise InputError(
                f"The image has {wrong} voxels that are NaN or infinite; interpolation would spread them. Repair it "
                "first.",
                role="image",
                nonfinite=wrong,
            )
        check_reach(Grid.of(image), transform, grid, "image", progress)
        parts = _components(image)
        moved = []
        for number, part in enumerate(parts):
            outside = smallest(part) if self.outside_value is None else self.outside_value
            checked_value(outside, part, "outside_value")
            share = progress.part(number / len(parts), (number + 1) / len(parts))
            moved.append(resample(part, grid, transform, self.interpolation, outside, progress=share))
        progress.report(1.0)
        return moved[0] if len(moved) == 1 else sitk.Compose(moved)


def _components(image: sitk.Image) -> list[sitk.Image]:
    """The components of a vector image, each of which has its own smallest value; a scalar image as it is."""
    count = image.GetNumberOfComponentsPerPixel()
    return [image] if count == 1 else [sitk.VectorIndexSelectionCast(image, number) for number in range(count)]
