"""Random changes of an image and its segmentation, as training and tests of robustness want them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated, ClassVar, NamedTuple

import numpy as np
import SimpleITK as sitk

from ..geometry import Grid, image_like
from ..kernels.separable import working_type
from ..operation import Operation
from ..parameters import Choice, Quantity
from ..progress import SILENT, Progress
from ..resampling import checked_value, of_type, resample, smallest
from ..values import Column, Image, Labels, Measurements, Transform
from .elastic import moved_layers, random_elastic
from .intensity_changes import IntensityChanges

COLUMNS = (
    Column("change", "Change", "", "What was changed", str),
    Column("about", "Axis", "", "Patient axis L, P or S (with its sign towards left, back and head), or empty", str),
    Column("value", "Drawn", "", "What was drawn; 1 for a flip that was done, 0 for one that was not"),
    Column("unit", "Unit", "", "Unit of what was drawn", str),
)
FLIPS = {"left_right": 0, "front_back": 1, "head_feet": 2}
AXES = "LPS"


class Augmented(NamedTuple):
    image: Image
    labels: Labels | None
    transform: Transform
    table: Measurements


@dataclass(frozen=True)
class Augment(Operation):
    """Turn, shift, scale, shear, bend, flip and recolour an image at random, with its segmentation.

    Every limit is the most that can be drawn, uniformly in both directions; 0 leaves a change out. What is drawn for
    one change does not depend on the others, so that a limit of 0 does not change the rest. Turning, scaling and
    shearing are about the middle of the image and along the patient axes. A flip is done with a probability of one
    half, across the axis of the image nearest to the patient axis, so that voxels fall on voxels; it turns left into
    right, which names of segments do not follow. The elastic part cannot fold (see `deform`). Position changes are
    one transform and one interpolation.

    Then values, scaled to 0 for the smallest and 1 for the largest of the image: power with `gamma`, factor about the
    mean, times a smooth field (polynomial of second degree), plus Gaussian noise. The pixel type is kept; whole numbers
    are rounded and cut off at its limits.

    The transform maps points of the result to points of the input, LPS millimetres: applied to the input it gives the
    geometry of the result again. A landmark of the input lies in the result where the inverse takes it.

    Inputs
    ------
    image
        Image to change.
    labels
        Segmentation that goes with it, on its own grid.

    Outputs
    -------
    image
        Changed image on the same grid, same pixel type.
    labels
        Segmentation with the same changes of position (nearest voxel); names, colours and layers stay.
    transform
        Result to input points, LPS millimetres; flip included.
    table
        What was drawn.

    Parameters
    ----------
    rotation_deg
        Largest angle about each patient axis; in 2-D in the plane.
    shift_mm
        Largest shift along each patient axis.
    scale_percent
        Largest change of size along each patient axis.
    shear_percent
        Largest shear of each pair of axes.
    elastic_mm
        Largest coefficient of the elastic deformation.
    control_mm
        Distance of the control points of the elastic deformation.
    flip
        Patient axis along which half of the images are flipped.
    gamma_percent
        Largest change of the power: 20 draws from 1/1.2 to 1.2.
    contrast_percent
        Largest change of the contrast about the mean.
    bias_percent
        Largest deviation of the smooth field from 1.
    noise_percent
        Largest SD of the noise, of the range of the values.
    interpolation
        Of the image: linear, nearest or bspline (cubic, overshoots at sharp edges).
    outside_value
        Value that comes in from outside the image; if not set, the smallest value of the image.
    seed
        Number from which all is drawn.
    """

    name: ClassVar[str] = "augment"
    title: ClassVar[str] = "Augment at random"
    group: ClassVar[str] = "Augment"
    memory_factor: ClassVar[float] = 9.0
    keeps: ClassVar = {"image": "image"}
    presets: ClassVar = {
        "Rigid": {"scale_percent": 0.0, "elastic_mm": 0.0, "gamma_percent": 0.0, "contrast_percent": 0.0,
                  "bias_percent": 0.0, "noise_percent": 0.0},
        "Position only": {"gamma_percent": 0.0, "contrast_percent": 0.0, "bias_percent": 0.0, "noise_percent": 0.0},
        "Values only": {"rotation_deg": 0.0, "shift_mm": 0.0, "scale_percent": 0.0, "elastic_mm": 0.0},
        "Strong": {"rotation_deg": 20.0, "shift_mm": 15.0, "scale_percent": 20.0, "shear_percent": 5.0,
                   "elastic_mm": 10.0, "gamma_percent": 50.0, "contrast_percent": 30.0, "bias_percent": 30.0,
                   "noise_percent": 5.0},
    }  # fmt: skip

    rotation_deg: Annotated[float, Quantity("deg", low=0.0, high=180.0)] = 10.0
    shift_mm: Annotated[float, Quantity("mm", low=0.0, high=1000.0)] = 5.0
    scale_percent: Annotated[float, Quantity("%", low=0.0, high=90.0)] = 10.0
    shear_percent: Annotated[float, Quantity("%", low=0.0, high=50.0)] = 0.0
    elastic_mm: Annotated[float, Quantity("mm", low=0.0, high=500.0)] = 3.0
    control_mm: Annotated[float, Quantity("mm", low=0.01, high=1000.0)] = 40.0
    flip: Annotated[str, Choice("none", *FLIPS)] = "none"
    gamma_percent: Annotated[float, Quantity("%", low=0.0, high=400.0)] = 20.0
    contrast_percent: Annotated[float, Quantity("%", low=0.0, high=90.0)] = 10.0
    bias_percent: Annotated[float, Quantity("%", low=0.0, high=90.0)] = 10.0
    noise_percent: Annotated[float, Quantity("%", low=0.0, high=100.0)] = 1.0
    interpolation: Annotated[str, Choice("linear", "nearest", "bspline")] = "linear"
    outside_value: float | None = None
    seed: Annotated[int, Quantity("", low=0, high=2**31 - 1)] = 0

    def moves_only(self) -> bool:
        return not self._changes().wanted

    def _changes(self) -> IntensityChanges:
        return IntensityChanges(
            self.gamma_percent, self.contrast_percent, self.bias_percent, self.noise_percent, self.seed
        )

    def run(self, image: Image, labels: Labels | None = None, *, progress: Progress = SILENT) -> Augmented:
        grid = Grid.of(image)
        outside = smallest(image) if self.outside_value is None else self.outside_value
        checked_value(outside, image, "outside_value")
        rows: list[dict[str, object]] = []
        transform = self._transform(grid, rows)
        progress.report(0.0, "Moving the image")
        still = transform.IsLinear() and all(row["value"] == 0 for row in rows)
        changes = self._changes()
        original = sitk.GetArrayViewFromImage(image)
        moved = image
        if not still:
            # Whole numbers are rounded once, at the end.
            wide = sitk.sitkFloat32 if working_type(original.dtype) is np.float32 else sitk.sitkFloat64
            source = sitk.Cast(image, wide) if changes.wanted else image
            part = progress.part(0.0, 0.5)
            moved = resample(source, grid, transform, self.interpolation, outside, progress=part)
        if labels is not None and not still:
            labels = replace(labels, layers=moved_layers(labels.layers, transform, progress.part(0.5, 0.6)))
        array = sitk.GetArrayViewFromImage(moved)
        values = changes.applied(array, original, rows, progress.part(0.6, 1.0))
        result = image_like(np.array(array) if values is None else of_type(values, original.dtype), grid)
        progress.report(1.0)
        return Augmented(result, labels, transform, Measurements(COLUMNS, tuple(rows)))

    def _transform(self, grid: Grid, rows: list[dict[str, object]]) -> sitk.Transform:
        dimension = grid.dimension
        matrix, shift = self._linear(dimension, rows)
        if self.flip != "none" and FLIPS[self.flip] < dimension:
            axis = FLIPS[self.flip]
            done = bool(np.random.default_rng((self.seed, 5)).random() < 0.5)
            rows.append({"change": "flip", "about": AXES[axis], "value": float(done), "unit": ""})
            if done:
                matrix = matrix @ _mirror(grid, axis)
        linear = sitk.AffineTransform(dimension)
        linear.SetCenter(grid.to_physical((np.array([grid.size]) - 1) / 2)[0].tolist())
        linear.SetMatrix(matrix.ravel().tolist())
        linear.SetTranslation(shift.tolist())
        if not self.elastic_mm:
            return linear
        rng = np.random.default_rng((self.seed, 4))
        elastic = random_elastic(grid, self.elastic_mm, self.control_mm, rng, self.name, "elastic_mm")
        largest = max(abs(value) for value in elastic.GetParameters())
        rows.append({"change": "largest elastic coefficient", "about": "", "value": largest, "unit": "mm"})
        both = sitk.CompositeTransform(dimension)
        # The one that is added last comes first: bend the grid of the result, then go over to the input.
        both.AddTransform(linear)
        both.AddTransform(elastic)
        return both

    def _linear(self, dimension: int, rows: list[dict[str, object]]) -> tuple[np.ndarray, np.ndarray]:
        """Matrix about the middle and shift, from points of the result to points of the input."""
        plane = dimension == 2

        def drawn(what: str, limit: float, number: int, count: int, unit: str, names: tuple[str, ...]) -> np.ndarray:
            found = np.random.default_rng((self.seed, number)).uniform(-limit, limit, count) + 0.0
            if limit:
                rows.extend(
                    {"change": what, "about": name, "value": float(value), "unit": unit}
                    for name, value in zip(names, found, strict=True)
                )
            return found

        axes = tuple(AXES[:dimension])
        turned = ("S",) if plane else axes
        angles = np.radians(drawn("rotation", self.rotation_deg, 0, len(turned), "deg", turned))
        shift = drawn("shift", self.shift_mm, 1, dimension, "mm", axes)
        scale = 1 + drawn("scale", self.scale_percent, 2, dimension, "%", axes) / 100
        pairs = ("L by P",) if plane else ("L by P", "L by S", "P by S")
        shear = drawn("shear", self.shear_percent, 3, len(pairs), "%", pairs) / 100
        if plane:
            (angle,) = angles
            turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        else:
            turn = np.reshape(sitk.Euler3DTransform((0, 0, 0), *angles.tolist()).GetMatrix(), (3, 3))
        slanted = np.eye(dimension)
        slanted[np.triu_indices(dimension, 1)] = shear
        # What is drawn says what happens to the object, which is the way from the input to the result.
        forward = turn @ slanted @ np.diag(scale)
        backward = np.linalg.inv(forward)
        return backward, -backward @ shift


def _mirror(grid: Grid, patient_axis: int) -> np.ndarray:
    """Reflection along the axis of the grid that is nearest to a patient axis."""
    directions = np.reshape(grid.direction, (grid.dimension, grid.dimension))
    normal = directions[:, int(np.argmax(np.abs(directions[patient_axis])))]
    return np.eye(grid.dimension) - 2 * np.outer(normal, normal)
