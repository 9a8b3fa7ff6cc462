"""How good a registration is: landmarks, volume change, consistency, likeness, overlap."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, NamedTuple

import numpy as np
import SimpleITK as sitk

from ..errors import InputError
from ..geometry import Grid, image_like
from ..operation import Operation
from ..parameters import Choice, Quantity
from ..progress import SILENT, Progress
from ..quality.findings import Findings
from ..values import Column, Image, Labels, Landmarks, Mask, Measurements, Transform
from . import evaluation_tables as tables
from .criteria import Criterion, judged, verdict
from .definition import lattice
from .inverse_consistency import inverse_errors
from .jacobian import Jacobian, jacobian_determinant, jacobian_statistics, linear_determinant
from .landmark_error import LandmarkErrors, inverse_point, landmark_errors
from .likeness import put_likeness
from .segment_overlap import put_segments, segments_after
from .spread import of_errors, select


class Evaluation(NamedTuple):
    table: Measurements
    criteria: Measurements
    landmarks: Measurements | None
    segments: Measurements | None
    jacobian: Image | None


@dataclass(frozen=True)
class EvaluateRegistration(Operation):
    """Judge a registration by what is known of it: landmarks, volume change, consistency, likeness, overlap.

    Give what you have; each pair of inputs adds its numbers. The transform maps points of the fixed image to the
    moving image, as ITK, elastix and ANTs write it.

    Landmarks: target registration error `|T(f) - m|` in the space of the moving image, before and after, and in the
    space of the fixed image `|f - T^-1(m)|`, which is another number where T scales (Fitzpatrick and West 2001).
    Landmarks where the transform is not defined are left out and counted.

    Volume change: `det J`, `J = I + (du / d index) (D S)^-1` with the direction D of the grid, by central differences
    of the transform itself; folding is the part of the voxels with det J <= 0. A rim where the transform is not defined
    is left out.

    Consistency: `|T_b(T(x)) - x|` where both transforms are defined (Christensen and Johnson 2001).

    Likeness before and after: MSE, NCC (Pearson, signed), mutual information and its normalised forms (Studholme
    1999) where the moving image covers the fixed one. A high likeness does not prove a right registration.

    Overlap: the moving segments are warped to the fixed grid (nearest neighbour); Dice, and the average surface
    distance as mean distance to agreement. What lies outside the fixed grid is not compared.

    The tolerances are those that AAPM task group 132 gives as a start (Brock et al. 2017, Med Phys 44:e43): TRE,
    distance and consistency within the largest voxel side of about 2 to 3 mm, Dice of 0.8 to 0.9, no folding. They are
    to be set for the purpose at hand; a pass is no proof that a registration is fit for treatment.

    Inputs
    ------
    transform
        What is judged: fixed to moving points, LPS millimetres.
    fixed
        Fixed image; its grid is where Jacobian, consistency and likeness are taken.
    moving
        Moving image, for the likeness.
    fixed_landmarks
        Points in the fixed image.
    moving_landmarks
        The same points in the moving image, paired by name.
    fixed_labels
        Segments in the fixed image.
    moving_labels
        The same segments in the moving image, paired by name.
    backward
        Transform from moving to fixed points, for the consistency.
    mask
        Part of the fixed image where Jacobian, consistency and likeness are taken.

    Outputs
    -------
    table
        One row with all numbers.
    criteria
        One row per tolerance with its verdict.
    landmarks
        One row per pair of landmarks, where there are any.
    segments
        One row per pair of segments, where there are any.
    jacobian
        Determinant of the Jacobian on the fixed grid, float32, where there is a grid; 1 where the transform is not
        defined.

    Parameters
    ----------
    tg132_tre_mm
        Largest target registration error that passes.
    tg132_distance_mm
        Largest mean distance to agreement of a segment that passes.
    tg132_dice
        Smallest Dice of a segment that passes.
    tg132_folding_percent
        Largest part of folded voxels that passes.
    tg132_consistency_mm
        Largest inverse consistency error that passes.
    judge
        Which statistic of TRE and consistency is held against the tolerance.
    bins
        Histogram bins per image for mutual information.
    jacobian_image
        Make an image of the determinant as well, which is shown on the page of pictures.
    """

    name: ClassVar[str] = "evaluate_registration"
    title: ClassVar[str] = "Evaluate registration"
    group: ClassVar[str] = "Check"
    memory_factor: ClassVar[float] = 8.0
    revision: ClassVar[int] = 2
    finite_only: ClassVar[bool] = False
    presets: ClassVar = {
        "TG-132 (3 mm, Dice 0.8)": {},
        "TG-132 (2 mm, Dice 0.9)": {
            "tg132_tre_mm": 2.0,
            "tg132_distance_mm": 2.0,
            "tg132_dice": 0.9,
            "tg132_consistency_mm": 2.0,
        },
        "95th percentile within 3 mm": {"judge": "p95"},
    }

    tg132_tre_mm: Annotated[float, Quantity("mm", low=0.0, high=100.0)] = 3.0
    tg132_distance_mm: Annotated[float, Quantity("mm", low=0.0, high=100.0)] = 3.0
    tg132_dice: Annotated[float, Quantity("", low=0.0, high=1.0)] = 0.8
    tg132_folding_percent: Annotated[float, Quantity("%", low=0.0, high=100.0)] = 0.0
    tg132_consistency_mm: Annotated[float, Quantity("mm", low=0.0, high=100.0)] = 3.0
    judge: Annotated[str, Choice("mean", "p95", "max")] = "mean"
    bins: Annotated[int, Quantity("", low=2, high=1024)] = 32
    jacobian_image: bool = True

    def run(
        self,
        transform: Transform,
        fixed: Image | None = None,
        moving: Image | None = None,
        fixed_landmarks: Landmarks | None = None,
        moving_landmarks: Landmarks | None = None,
        fixed_labels: Labels | None = None,
        moving_labels: Labels | None = None,
        backward: Transform | None = None,
        mask: Mask | None = None,
        *,
        progress: Progress = SILENT,
    ) -> Evaluation:
        progress.report(0.0, "Checking")
        _check(transform, fixed, moving, fixed_landmarks, moving_landmarks, fixed_labels, moving_labels, backward)
        grid = _domain(transform, fixed, mask, fixed_labels)
        inside = None if mask is None else sitk.GetArrayFromImage(mask) != 0
        found = Findings()
        columns: list[Column] = []
        points = segments = None
        if fixed_landmarks is not None and moving_landmarks is not None:
            errors = landmark_errors(transform, fixed_landmarks, moving_landmarks, progress)
            _put_landmarks(found, transform, errors, progress)
            points = tables.landmark_rows(errors, self.tg132_tre_mm)
            columns += tables.LANDMARKS
        image = self._jacobian(found, columns, transform, grid, inside, progress.part(0.1, 0.4))
        if backward is not None:
            _put_consistency(found, transform, backward, grid, inside, progress.part(0.4, 0.55))
            columns += tables.INVERSE
        if fixed is not None and moving is not None:
            put_likeness(found, transform, fixed, moving, inside, self.bins, progress.part(0.55, 0.75))
            columns += tables.SIMILARITY
        if fixed_labels is not None and moving_labels is not None:
            segments = segments_after(transform, fixed_labels, moving_labels, progress.part(0.75, 1.0))
            put_segments(found, segments)
            columns += tables.SEGMENTS
        criteria = judged(self.criteria(), found.values)
        row = found.row()
        row = {"verdict": verdict(criteria), **{key: value for key, value in row.items() if key != "warnings"}}
        progress.report(1.0)
        table = Measurements((*columns, *tables.VERDICT), (row,))
        return Evaluation(table, criteria, points, segments, image)

    def criteria(self) -> tuple[Criterion, ...]:
        """The tolerances with the columns that they are held against."""
        return (
            Criterion("Target registration error", f"tre_{self.judge}_mm", self.tg132_tre_mm, "mm"),
            Criterion("Mean distance to agreement", "mean_distance_max_mm", self.tg132_distance_mm, "mm"),
            Criterion("Dice", "dice_min", self.tg132_dice, "", least=True),
            Criterion("Folding", "folding_percent", self.tg132_folding_percent, "%"),
            Criterion("Inverse consistency", f"ice_{self.judge}_mm", self.tg132_consistency_mm, "mm"),
        )

    def _jacobian(
        self,
        found: Findings,
        columns: list[Column],
        transform: sitk.Transform,
        grid: Grid | None,
        inside: np.ndarray | None,
        progress: Progress,
    ) -> sitk.Image | None:
        if grid is not None:
            jacobian = jacobian_determinant(transform, grid, progress)
        elif transform.IsLinear():
            jacobian = Jacobian(np.array([linear_determinant(transform)]), None)
        else:
            progress.warn("The Jacobian was not measured: that needs the grid of a fixed image, a mask or segments.")
            return None
        numbers = jacobian_statistics(jacobian, inside, progress)
        asked = jacobian.values.size if inside is None else int(np.count_nonzero(inside))
        found.values |= {"jac_n": numbers.pop("n"), "jac_n_outside": 0}
        found.values["jac_n_outside"] = asked - found.values["jac_n"]
        for key, value in numbers.items():
            folding = key == "sd_log_jac" and numbers["folding_percent"] > 0
            named = key if key.startswith(("folding", "sd_log")) else f"jac_{key}"
            found.put(named, value, "folding" if folding else "transform_not_defined_there")
        columns += tables.JACOBIAN
        if not self.jacobian_image or grid is None:
            return None
        return image_like(jacobian.values.astype(np.float32), grid)


def _check(
    transform: sitk.Transform,
    fixed: sitk.Image | None,
    moving: sitk.Image | None,
    fixed_landmarks: Landmarks | None,
    moving_landmarks: Landmarks | None,
    fixed_labels: Labels | None,
    moving_labels: Labels | None,
    backward: sitk.Transform | None,
) -> None:
    """Refuse halves of pairs and mixed dimensions."""
    pairs: Mapping[str, tuple[Any, Any]] = {
        "landmarks": (fixed_landmarks, moving_landmarks),
        "labels": (fixed_labels, moving_labels),
    }
    for what, (one, two) in pairs.items():
        if (one is None) != (two is None):
            missing = f"fixed_{what}" if one is None else f"moving_{what}"
            raise InputError(f"Give {missing} as well; {what} are compared in pairs.", role=missing)
    if moving is not None and fixed is None:
        raise InputError("Give the fixed image as well; the moving one is compared with it.", role="fixed")
    d = transform.GetDimension()
    sizes = {
        "fixed image": fixed.GetDimension() if fixed is not None else d,
        "moving image": moving.GetDimension() if moving is not None else d,
        "segmentation fixed_labels": fixed_labels.grid.dimension if fixed_labels is not None else d,
        "segmentation moving_labels": moving_labels.grid.dimension if moving_labels is not None else d,
        "backward transform": backward.GetDimension() if backward is not None else d,
    }
    for what, size in sizes.items():
        if size != d:
            raise InputError(f"The {what} is {size}-D and the transform {d}-D; they do not belong together.")


def _domain(
    transform: sitk.Transform, fixed: sitk.Image | None, mask: sitk.Image | None, labels: Labels | None
) -> Grid | None:
    """Where Jacobian and consistency are taken: the grid of the fixed side, else that of the transform."""
    image = fixed if fixed is not None else mask
    if image is not None:
        return Grid.of(image)
    return labels.grid if labels is not None else lattice(transform)


def _put_landmarks(found: Findings, transform: sitk.Transform, errors: LandmarkErrors, progress: Progress) -> None:
    known = errors.known
    found.values |= {"n_landmarks": len(errors.names), "n_landmarks_outside": int(np.count_nonzero(~known))}
    for prefix, vectors in (("tre_before", errors.before), ("tre", errors.after), ("tre_fixed", errors.fixed_space)):
        lengths = np.linalg.norm(vectors[known], axis=1)
        for key, value in of_errors(lengths, progress).items():
            lost = bool(np.isnan(lengths).any())
            why = "not_invertible" if lost else "single_landmark" if lengths.size else "transform_not_defined_there"
            found.put(f"{prefix}_{key}_mm", value, why)
    if not known.any():
        found.missing("transform_not_defined_there", *(f"tre_bias_{key}_mm" for key in tables.AXES))
        return
    for axis, key in enumerate(tables.AXES):
        found.put(f"tre_bias_{key}_mm", float(errors.after[known, axis].mean()))
    back = np.array([inverse_point(transform, at, at) for at in errors.fixed[known]]) - errors.moving[known]
    other = float(np.linalg.norm(back, axis=1).mean())
    if other < found.values["tre_mean_mm"] / 2 and found.values["tre_mean_mm"] > found.values["tre_before_mean_mm"]:
        progress.warn(
            f"The transform makes the landmarks worse ({found.values['tre_mean_mm']:.3g} mm), its inverse would leave "
            f"{other:.3g} mm: either it maps from moving to fixed points, or fixed and moving landmarks are exchanged."
        )


def _put_consistency(
    found: Findings,
    transform: sitk.Transform,
    backward: sitk.Transform,
    grid: Grid | None,
    inside: np.ndarray | None,
    progress: Progress,
) -> None:
    if grid is None:
        raise InputError("The consistency of two transforms needs a grid; give the fixed image.", role="fixed")
    errors = inverse_errors(transform, backward, grid, progress)
    chosen = errors.valid if inside is None else inside if errors.valid is None else inside & errors.valid
    values = select(errors.values, chosen, progress)
    found.values["ice_n"] = values.size
    found.values["ice_n_total"] = errors.values.size if inside is None else int(np.count_nonzero(inside))
    for key, value in of_errors(values, progress).items():
        found.put(f"ice_{key}_mm", value, "single_voxel" if values.size else "transform_not_defined_there")
