"""Align two sets of landmarks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, NamedTuple

import numpy as np
import SimpleITK as sitk

from ..errors import InputError
from ..geometry import Grid, image_like
from ..operation import Operation
from ..parameters import Choice, Quantity
from ..progress import SILENT, Progress
from ..values import Image, Landmarks, Measurements, Transform
from .jacobian import jacobian_determinant, jacobian_statistics
from .landmark_error import paired
from .landmark_fit import Fit, columns, point_rows, summary, warn_of_outliers
from .point_fit import check_points, fit_points, linear_transform
from .thin_plate import ThinPlate, field_grid, meet

LARGEST_FIELD = 30_000_000
"""Lattice points of a displacement field (720 MB)."""


class RegisteredLandmarks(NamedTuple):
    transform: Transform
    table: Measurements
    landmarks: Measurements


@dataclass(frozen=True)
class RegisterLandmarks(Operation):
    """Align two sets of landmarks that mark the same places.

    The transform maps points of the fixed side to the moving side in LPS millimetres, and minimises the sum of
    `|T(f) - m|^2`. Rigid and similarity by singular value decomposition with a guard against reflections (Horn 1987,
    Umeyama 1991), affine by least squares, thin-plate spline after Bookstein (1989), approximating where
    `regularisation` is above 0 (Rohr et al. 2001). The spline is sampled as a displacement field with linear
    interpolation between lattice points. How far that is from the spline at the landmarks, where it bends most, is
    told; then the lattice points around each landmark are moved so that the field meets the spline there.

    The fiducial registration error (FRE) is what remains at the landmarks that were used. It says little of the error
    elsewhere: it falls when landmarks are taken away, and a spline without regularisation has none (Fitzpatrick and
    West 2001). The leave-one-out error is that of each landmark under the transform of all others. The localisation
    error (FLE) is estimated for landmarks that are equally uncertain in all directions,
    `FLE^2 = FRE^2 N d / (N d - p)` for p free parameters (Fitzpatrick et al. 1998).

    Landmarks pair by name where both sides hold the same names, else by order, which is said. With a 2-D reference
    image, or `planar`, the first two coordinates count.

    Inputs
    ------
    fixed
        Points in the fixed image.
    moving
        The same points in the moving image.
    reference
        Image whose box the field of a thin-plate spline covers; the box of the fixed landmarks if none.

    Outputs
    -------
    transform
        Fixed to moving points, LPS millimetres.
    table
        Errors before and after, leave-one-out errors, the transform in numbers.
    landmarks
        One row per pair of landmarks.

    Parameters
    ----------
    model
        Kind of transform.
    regularisation
        How far a thin-plate spline may miss the landmarks to be smoother; 0 meets them all.
    field_spacing_mm
        Distance of the lattice points of the field of a thin-plate spline.
    margin_mm
        How far the field reaches beyond the fixed landmarks when there is no reference image.
    planar
        Take the first two coordinates only and make a 2-D transform.
    """

    name: ClassVar[str] = "register_landmarks"
    title: ClassVar[str] = "Register landmarks"
    group: ClassVar[str] = "Align"
    presets: ClassVar = {
        "Rigid": {},
        "Affine": {"model": "affine"},
        "Thin-plate spline through the points": {"model": "thin_plate_spline"},
        "Thin-plate spline near the points": {"model": "thin_plate_spline", "regularisation": 0.1},
    }

    model: Annotated[str, Choice("rigid", "similarity", "affine", "thin_plate_spline")] = "rigid"
    regularisation: Annotated[float, Quantity("", low=0.0, high=1e6)] = 0.0
    field_spacing_mm: Annotated[float, Quantity("mm", low=0.1, high=100.0)] = 4.0
    margin_mm: Annotated[float, Quantity("mm", low=0.0, high=500.0)] = 20.0
    planar: bool = False

    def run(
        self,
        fixed: Landmarks,
        moving: Landmarks,
        reference: Image | None = None,
        *,
        progress: Progress = SILENT,
    ) -> RegisteredLandmarks:
        progress.report(0.0, "Landmarks")
        like = None if reference is None else Grid.of(reference)
        f, m = paired(fixed, moving, progress, ("fixed", "moving"))
        if self.planar or (like is not None and like.dimension == 2):
            f, m = _in_plane(f, m, like, progress)
        for side, points in (("fixed", f), ("moving", m)):
            check_points(points, (fixed if side == "fixed" else moving).names, self.model, side)
        extra: dict[str, Any] = {}
        if self.model == "thin_plate_spline":
            transform, fit, extra = self._thin_plate(f, m, like, progress)
        else:
            matrix, offset = fit_points(f, m, self.model)
            transform = linear_transform(matrix, offset, self.model, f.mean(axis=0))
            fit = Fit.linear(f, m, self.model, transform, progress.part(0.1, 0.9))
            _warn_of_mirror(fit, progress)
        warn_of_outliers(fixed.names, fit, progress)
        row = summary(fit, extra)
        progress.report(1.0)
        table = Measurements(columns(fit, bool(extra)), (row,))
        return RegisteredLandmarks(transform, table, point_rows(fixed.names, fit))

    def _thin_plate(
        self, f: np.ndarray, m: np.ndarray, like: Grid | None, progress: Progress
    ) -> tuple[sitk.Transform, Fit, dict[str, Any]]:
        grid = field_grid(f, like, self.field_spacing_mm, self.margin_mm)
        if np.prod([float(n) for n in grid.size]) > LARGEST_FIELD:
            raise InputError(
                f"The field would have {grid.describe()}; raise field_spacing_mm above {self.field_spacing_mm:g} mm, "
                "or look for a landmark that is far from the others.",
                role="fixed",
            )
        spline = ThinPlate(f, m, self.regularisation)
        lattice = grid.to_physical(np.indices(grid.size[::-1]).reshape(len(grid.size), -1)[::-1].T)
        shift = spline(lattice, progress.part(0.0, 0.7)) - lattice
        missed = meet(shift, grid, f, spline(f) - f)
        field = image_like(shift.reshape(*grid.size[::-1], grid.dimension), grid)
        transform = sitk.DisplacementFieldTransform(field)
        fit = Fit.of(f, m, self.model, transform, spline.left_out_errors(), missed)
        numbers = jacobian_statistics(jacobian_determinant(transform, grid, progress.part(0.7, 1.0)), None, progress)
        field_error = float(np.linalg.norm(fit.field_errors, axis=1).max())
        if field_error > self.field_spacing_mm / 4:
            progress.warn(
                f"The field is up to {field_error:.2g} mm away from the spline at the landmarks; lower "
                "field_spacing_mm."
            )
        if numbers["folding_percent"] > 0:
            progress.warn(
                f"The spline folds in {numbers['folding_percent']:.2g} % of its field (smallest Jacobian determinant "
                f"{numbers['min']:.2g}): look for exchanged landmarks, or raise the regularisation."
            )
        extra = {
            "field_error_max_mm": field_error,
            "folding_percent": numbers["folding_percent"],
            "jac_min": numbers["min"],
            "jac_max": numbers["max"],
        }
        return transform, fit, extra


def _in_plane(f: np.ndarray, m: np.ndarray, like: Grid | None, progress: Progress) -> tuple[np.ndarray, np.ndarray]:
    """The first two coordinates; what is lost by that is said."""
    if like is not None and like.dimension == 3:
        raise InputError("A 2-D transform was asked for and the reference image is 3-D; give a 2-D one or none.")
    thick = max(float(np.ptp(points[:, 2])) for points in (f, m))
    if thick > 1e-3:
        progress.warn(
            f"The third coordinate of the landmarks is left out for the 2-D transform; it varies by {thick:.3g} mm."
        )
    return f[:, :2], m[:, :2]


def _warn_of_mirror(fit: Fit, progress: Progress) -> None:
    """Say so where a reflection would fit far better: sides were exchanged, in the body or in a file."""
    if fit.model == "affine":
        determinant = float(np.linalg.det(fit_points(fit.fixed, fit.moving, "affine")[0]))
        if determinant <= 0:
            progress.warn("The affine transform mirrors space; look whether left and right landmarks were exchanged.")
        return
    mirrored = fit.moving * np.array([-1.0, *[1.0] * (fit.moving.shape[1] - 1)])
    matrix, offset = fit_points(fit.fixed, mirrored, fit.model)
    other = float(np.sqrt(np.square(fit.fixed @ matrix.T + offset - mirrored).sum(axis=1).mean()))
    own = float(np.sqrt(np.square(fit.errors).sum(axis=1).mean()))
    if own > 1.0 and other < own / 2:
        progress.warn(
            f"The landmarks would fit better mirrored ({other:.3g} mm instead of {own:.3g} mm); look whether left and "
            "right were exchanged."
        )
