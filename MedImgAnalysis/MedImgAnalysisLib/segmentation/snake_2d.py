"""A drawn curve that fits itself to the edge on its slice."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, NamedTuple

import numpy as np
import SimpleITK as sitk

from ..errors import InputError
from ..geometry import Grid
from ..kernels import polygons
from ..kernels.differences import gradient_magnitude
from ..kernels.gaussian import smooth
from ..operation import Operation
from ..parameters import Quantity
from ..progress import SILENT, Progress
from ..values import Column, Curve, Curves, Image, Labels, Landmarks, Measurements
from .outcome import SEGMENT, labels_of, part_of
from .working_values import centred

FEWEST_POINTS = 3
STEP = 0.2
"""Part of the way that the force asks for that is gone in one iteration."""


class Fitted(NamedTuple):
    contour: Landmarks
    labels: Labels
    table: Measurements
    curves: Curves


COLUMNS = (
    SEGMENT,
    Column("slice", "Slice", "", "Voxel number of the slice along its axis", int),
    Column("iterations", "Iterations", "", "Steps until the curve stood still", int),
    Column("length_mm", "Length", "mm", "Length of the curve"),
    Column("area_mm2", "Area", "mm2", "Area inside the curve"),
    Column("edge", "Edge", "", "Mean slope on the curve, as a part of the steepest slopes of the slice"),
    Column("status", "Status", "", "Why a number is missing", str),
)


class Fit(NamedTuple):
    """A fitted curve: points (N, 2) in millimetres on the slice and (N, 3) LPS, largest move of each iteration.

    `filled` is the boolean slice inside the curve, `number` that of the slice along the numpy axis `axis` (None in
    2-D) of `grid`, `edge` the mean slope on the curve.
    """

    points: np.ndarray
    places: np.ndarray
    moved: list[float]
    filled: np.ndarray
    axis: int | None
    number: int
    edge: float
    grid: Grid

    def inside(self, grid: Grid) -> np.ndarray:
        """Boolean array of the voxels inside the curve, on the grid of the image or of a part of it."""
        shape = tuple(reversed(grid.size))
        corner = np.rint(self.grid.to_index(np.array([grid.origin]))[0][::-1]).astype(int).tolist()
        chosen = np.zeros(shape, bool)
        own = [slice(c, c + n) for a, (c, n) in enumerate(zip(corner, shape, strict=True)) if a != self.axis]
        if self.axis is None:
            chosen[...] = self.filled[tuple(own)]
        elif 0 <= (layer := self.number - corner[self.axis]) < shape[self.axis]:
            chosen[tuple(layer if a == self.axis else slice(None) for a in range(len(shape)))] = self.filled[tuple(own)]
        return chosen


@dataclass(frozen=True)
class Snake2d(Operation):
    """Fit a roughly drawn closed curve to the boundary on its slice.

    Draw a closed curve (or at least three points around) on one slice: the snake is pulled to steep slopes, keeps
    smooth, and can be pushed outwards or inwards on its way. Kass, Witkin and Terzopoulos (1988), with the pressure of
    Cohen (1991); steps are semi-implicit and points stay evenly spaced, in millimetres.

    Inputs
    ------
    image
        Image with one number per voxel; 2-D, or 3-D with the curve on a slice along one of its axes.
    curve
        Points of the drawn curve, in order.

    Outputs
    -------
    contour
        The fitted curve.
    labels
        What the curve encloses on its slice.
    table
        Length, area and how steep the slope is on the curve.
    curves
        How far the points moved in each iteration.

    Parameters
    ----------
    sigma_mm
        Gaussian that smooths the slice; also about how far away an edge pulls.
    smoothness_mm
        Waves of the curve much shorter than this are flattened.
    push
        Pressure outwards (inwards when negative) away from edges, whose pull is about 1 next to one.
    point_distance_mm
        Distance of neighbouring points.
    iterations
        Largest number of iterations.
    segment
        Name of the segment.
    """

    name: ClassVar[str] = "snake_2d"
    title: ClassVar[str] = "Snake on a slice"
    group: ClassVar[str] = "Contours"
    memory_factor: ClassVar[float] = 1.0
    measured_by: ClassVar[tuple[str, ...]] = ("sigma_mm", "smoothness_mm", "push", "point_distance_mm", "iterations")

    sigma_mm: Annotated[float, Quantity("mm", low=0.1, high=50.0)] = 2.0
    smoothness_mm: Annotated[float, Quantity("mm", low=0.0, high=100.0)] = 2.0
    push: Annotated[float, Quantity("", low=-5.0, high=5.0)] = 0.0
    point_distance_mm: Annotated[float, Quantity("mm", low=0.1, high=50.0)] = 2.0
    iterations: Annotated[int, Quantity("", low=1, high=10000)] = 1000
    segment: str = "Contour"

    def halo(self, grid: Grid) -> tuple[int, ...]:
        """The fitted curve is known; voxels are inside it or not."""
        return (0,) * grid.dimension

    def whole(self, inputs: Mapping[str, Any], progress: Progress = SILENT) -> Fit:
        """The fitted curve and what it encloses on its slice."""
        return self._fitted(inputs["image"], inputs["curve"], progress)

    def run(self, image: Image, curve: Landmarks, *, progress: Progress = SILENT) -> Fitted:
        fit = self.known or self._fitted(image, curve, progress.part(0.0, 0.95))
        chosen = {self.segment: fit.inside(Grid.of(image))}
        advice = "The curve encloses no voxel centre; draw a larger one."
        labels = part_of(chosen, image) if self.known else labels_of(chosen, image, advice)
        row = {
            "segment": self.segment,
            "slice": fit.number,
            "iterations": len(fit.moved),
            "length_mm": polygons.length_of(fit.points),
            "area_mm2": abs(polygons.area_of(fit.points)),
            "edge": fit.edge,
            "status": "",
        }
        names = tuple(str(n) for n in range(1, len(fit.places) + 1))
        moves = Curve("Largest move", np.arange(1.0, len(fit.moved) + 1), np.array(fit.moved))
        progress.report(1.0, "Curve")
        return Fitted(
            Landmarks(names, fit.places, closed=True),
            labels,
            Measurements(COLUMNS, (row,)),
            Curves("Convergence", "Iteration", "Largest move", (moves,), y_unit="mm"),
        )

    def _fitted(self, image: Image, curve: Landmarks, progress: Progress) -> Fit:
        grid = Grid.of(image)
        if len(curve.names) < FEWEST_POINTS:
            raise InputError(f"A closed curve needs at least three points; there are {len(curve.names)}.", role="curve")
        index = grid.to_index(curve.points[:, : grid.dimension])[:, ::-1]
        axis, number = _slice_of(index, grid)
        kept = [a for a in range(grid.dimension) if a != axis]
        spacing = np.array(grid.spacing_kji)[kept]
        plane = sitk.GetArrayViewFromImage(image)
        plane = plane if axis is None else np.take(plane, number, axis)
        if min(plane.shape) < 2:
            raise InputError(
                f"The slice of the curve has {' x '.join(map(str, plane.shape))} voxels; "
                "an edge needs at least 2 along each axis.",
                role="image",
            )
        if ((index[:, kept] < -0.5) | (index[:, kept] > np.array(plane.shape) - 0.5)).any():
            raise InputError("The curve leaves the image; draw it inside.", role="curve")
        if plane.min() == plane.max():
            raise InputError(f"The slice is constant ({plane.min():g}); there is no edge to fit to.", role="image")
        slope = smooth(centred(plane)[0], (self.sigma_mm / spacing).tolist(), progress.part(0.0, 0.05))
        slope = gradient_magnitude(slope, spacing.tolist(), progress.part(0.05, 0.1)).astype(np.float64)
        slope /= np.percentile(slope, 99) or slope.max()
        points, moved = self._fit(index[:, kept] * spacing, slope, spacing, progress.part(0.1, 0.95))
        at = points / spacing
        index = at if axis is None else np.insert(at, axis, number, axis=1)
        places = np.pad(grid.to_physical(index[:, ::-1]), [(0, 0), (0, 3 - grid.dimension)])
        filled = polygons.filled(at, slope.shape)
        return Fit(points, places, moved, filled, axis, number, float(_at(slope, at).mean()), grid)

    def _fit(
        self, points: np.ndarray, slope: np.ndarray, spacing: np.ndarray, progress: Progress
    ) -> tuple[np.ndarray, list[float]]:
        """Points (N, 2) in millimetres after the last iteration, and the largest step of each iteration."""
        # The pull next to an edge is about 1 whatever the smoothing.
        pull = [np.asarray(part) * self.sigma_mm for part in np.gradient(slope, *spacing.tolist())]
        turn = 1.0 if polygons.area_of(points) > 0 else -1.0
        moved: list[float] = []
        reach = self.sigma_mm * STEP
        for step in range(self.iterations):
            progress.report(1 - 0.99**step, f"Iteration {step + 1}")
            count = max(8, round(polygons.length_of(points) / self.point_distance_mm))
            points = polygons.evenly(points, count)
            force = np.stack([_at(part, points / spacing) for part in pull], axis=1)
            along = np.roll(points, -1, axis=0) - np.roll(points, 1, axis=0)
            normal = np.stack([along[:, 1], -along[:, 0]], axis=1) * turn
            normal /= np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-12)
            # Only the part across the curve moves it; the rest would gather its points.
            # The pressure gives way on edges, or it would hold the curve beside them.
            outwards = (force * normal).sum(axis=1) + self.push * np.clip(1 - _at(slope, points / spacing), 0, 1)
            shift = np.clip(outwards, -1, 1)[:, None] * normal * reach
            after = _flattened(points + shift, self.smoothness_mm)
            after = np.clip(after, 0, (np.array(slope.shape) - 1) * spacing)
            # Of a step only what is across the curve is a move.
            moved.append(float(np.abs(((after - points) * normal).sum(axis=1)).max()))
            points = after
            if polygons.length_of(points) < 4 * self.point_distance_mm:
                raise InputError(
                    "The curve shrank to a point; draw it closer to the edge or push outwards.", role="curve"
                )
            if len(moved) > 10 and max(moved[-10:]) < 0.02 * min(spacing.min(), self.sigma_mm):
                break
        else:
            progress.warn(f"The curve still moved by {moved[-1]:.2g} mm after {self.iterations} iterations.")
        if polygons.crosses_itself(points):
            progress.warn("The fitted curve crosses itself; raise smoothness_mm or draw it closer to the edge.")
        return points, moved


def _slice_of(index: np.ndarray, grid: Grid) -> tuple[int | None, int]:
    """The numpy axis across the slice of the points (N, d), None in 2-D, and the number of the slice."""
    if grid.dimension == 2:
        return None, 0
    spread = np.ptp(index, axis=0) * grid.spacing_kji
    axis = int(spread.argmin())
    number = round(float(index[:, axis].mean()))
    if np.abs(index[:, axis] - number).max() > 0.75 or not 0 <= number < grid.size[::-1][axis]:
        raise InputError(
            "The curve does not lie on one slice of the image; draw it in a slice view that is aligned with the volume "
            "(Reformat, or Rotate to volume plane).",
            role="curve",
        )
    return axis, number


def _at(values: np.ndarray, index: np.ndarray) -> np.ndarray:
    from scipy.ndimage import map_coordinates

    return np.asarray(map_coordinates(values, index.T, order=1, mode="nearest"))


def _flattened(points: np.ndarray, smoothness_mm: float) -> np.ndarray:
    """An implicit step of bending: a wave of length l is divided by 1 + (2 pi smoothness / l)^4 times a step.

    The longest wave, an ellipse, is left as it is: bending alone would shrink every circle.
    """
    count = len(points)
    distance = polygons.length_of(points) / count
    squares = (2 * np.sin(np.pi * np.fft.rfftfreq(count)) / distance) ** 2
    beyond = np.maximum(squares - squares[1], 0)
    damped = np.fft.rfft(points, axis=0) / (1 + STEP * smoothness_mm**4 * beyond**2)[:, None]
    return np.asarray(np.fft.irfft(damped, count, axis=0))
