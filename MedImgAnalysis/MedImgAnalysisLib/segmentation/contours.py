"""What all moving contours share: steps with progress and a stop, the curve of how it came to rest, the results."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import ClassVar, NamedTuple

import numpy as np
import SimpleITK as sitk

from ..geometry import image_like
from ..operation import Operation
from ..progress import Progress
from ..values import Column, Curve, Curves, Image, Labels, Measurements
from .outcome import SEGMENT, SIZE_COLUMNS, labels_of, size_cells
from .working_region import WorkingRegion

VANISHED = "The contour shrank to nothing: start closer to the edge, or let it expand more."


class Contoured(NamedTuple):
    labels: Labels
    table: Measurements
    curves: Curves
    speed: Image


@dataclass(frozen=True)
class MovingContour(Operation):
    """Base of the contours that move from a start; their roles are described here.

    Inputs
    ------
    image
        Image with one number per voxel.
    start
        Segment to begin from.
    start_points
        Middles of balls to begin from.
    mask
        Where the segment may be.

    Outputs
    -------
    labels
        One segment.
    table
        Iterations, voxels, volume and intensity.
    curves
        How much of the segment changed, over the iterations.

    Parameters
    ----------
    start_radius_mm
        Radius of the balls about the points.
    margin_mm
        How far from the start the contour can get.
    segment
        Name of the segment.
    """

    group: ClassVar[str] = "Contours"


COLUMNS = (
    SEGMENT,
    Column("iterations", "Iterations", "", "Steps that the contour took", int),
    Column(
        "at_rest",
        "At rest",
        "",
        "yes: it stopped moving; no: the iterations were used up (or none were asked for)",
        str,
    ),
    Column("working_spacing_mm", "Working voxel", "mm", "Side of the cubic voxels on which the contour moved"),
    *SIZE_COLUMNS,
)


@dataclass
class Movement:
    """How a contour moved: iterations so far and the part of the segment that each look found changed."""

    limit: int
    rest_percent: float
    iterations: list[int] = field(default_factory=list)
    changed: list[float] = field(default_factory=list)
    at_rest: bool = False

    def follow(
        self, inside: np.ndarray, advance: Callable[[int], np.ndarray], every: int, progress: Progress
    ) -> np.ndarray:
        """Advance by `every` iterations until at most `rest_percent` of the segment changes in one go.

        `advance(n)` moves on by n iterations and gives the boolean array of what is inside.
        """
        done = 0
        while done < self.limit and not self.at_rest:
            progress.report(done / self.limit, f"Iteration {done} of {self.limit}")
            steps = min(every, self.limit - done)
            after = advance(steps)
            done += steps
            size = max(int(np.count_nonzero(after)), 1)
            self.iterations.append(done)
            self.changed.append(100.0 * np.count_nonzero(after != inside) / size)
            # The last look may be a short one, which changes less.
            self.at_rest = steps == every and self.changed[-1] <= self.rest_percent
            inside = after
        return inside


def contoured(
    region: WorkingRegion,
    level: np.ndarray,
    speed: np.ndarray,
    movement: Movement,
    segment: str,
    progress: Progress,
) -> Contoured:
    """The results on the grid of the image from a level set (negative inside) on the working voxels."""
    if region.allowed is not None:
        level = np.where(region.allowed, level, np.maximum(level, 0.5))
    chosen = region.back(level)
    labels = labels_of({segment: chosen}, region.whole, VANISHED)
    region.warn_if_cut(chosen, progress)
    if movement.limit and not movement.at_rest:
        progress.warn(
            f"The contour still moved after {movement.limit} iterations ({movement.changed[-1]:.2g} % of the segment "
            "changed at the end); allow more, or let edges stop it more strongly."
        )
    row = {
        "segment": segment,
        "iterations": movement.iterations[-1] if movement.iterations else 0,
        "at_rest": "yes" if movement.at_rest else "no",
        "working_spacing_mm": region.spacing,
    }
    curve = Curve("Changed", np.array(movement.iterations, float), np.array(movement.changed))
    return Contoured(
        labels,
        Measurements(COLUMNS, (row | size_cells(chosen, region.whole, progress),)),
        Curves("Convergence", "Iteration", "Changed part of the segment", (curve,), y_unit="%"),
        region.image_of(speed, 0.0),
    )


def working_image(array: np.ndarray, region: WorkingRegion) -> sitk.Image:
    """A working array as float32 with voxels of length 1, the unit in which the level set filters count."""
    image = image_like(np.ascontiguousarray(array, np.float32), region.image)
    image.SetSpacing((1.0,) * image.GetDimension())
    return image
