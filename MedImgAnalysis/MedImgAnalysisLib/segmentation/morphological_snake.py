"""A contour moved by dilations, erosions and a smoothing of the mask itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np
import SimpleITK as sitk

from ..kernels import snakes
from ..parameters import Choice, Quantity
from ..progress import SILENT, Progress
from ..values import Image, Landmarks, Mask
from .contours import Contoured, Movement, MovingContour, contoured
from .speed import edge_speed
from .working_region import WorkingRegion, working_region


@dataclass(frozen=True)
class MorphologicalSnake(MovingContour):
    """Let a contour grow to the edge of a region, fast and without tuning a time step.

    `regions` gives voxels at the contour to the side whose mean is closer (for structures that differ in brightness
    from all that is around, even without a sharp edge); `edges` pushes the contour until the speed
    1 / (1 + (slope / `edge`)^2) falls below `stop` and pulls it into the edge. Marquez-Neila, Baumela and Alvarez
    (2014), on cubic voxels.

    Outputs
    -------
    speed
        With edges: the speed of the contour. With regions: the distance from the mean of the start, relative.

    Parameters
    ----------
    by
        What stops the contour.
    push
        With edges: whether the contour grows, shrinks or is only pulled.
    smoothing
        Smoothing steps per iteration.
    stop
        With edges: speed below which the contour is not pushed.
    sigma_mm
        Gaussian that smooths the image before its slope is taken; 0 for none.
    edge
        With edges: slope, in image units per millimetre, that halves the speed; none takes the 70th percentile around.
    iterations
        Largest number of iterations; each moves the contour by at most one working voxel. 0 shows the speed and the
        start at once.
    rest_percent
        At rest when ten iterations change at most this part of the segment.
    """

    name: ClassVar[str] = "morphological_snake"
    title: ClassVar[str] = "Morphological snake"
    memory_factor: ClassVar[float] = 6.0
    why_whole: ClassVar[str] = "the contour moves in three dimensions"
    presets: ClassVar = {"Regions": {"by": "regions"}, "Edges, growing": {"by": "edges", "push": "outwards"}}

    by: Annotated[str, Choice("regions", "edges")] = "regions"
    push: Annotated[str, Choice("outwards", "inwards", "none")] = "outwards"
    smoothing: Annotated[int, Quantity("", low=0, high=10)] = 1
    stop: Annotated[float, Quantity("", low=0.01, high=0.99)] = 0.4
    sigma_mm: Annotated[float, Quantity("mm", low=0.0, high=20.0)] = 1.0
    edge: Annotated[float | None, Quantity("", low=1e-12)] = None
    start_radius_mm: Annotated[float, Quantity("mm", low=0.1, high=100.0)] = 5.0
    iterations: Annotated[int, Quantity("", low=0, high=10000)] = 300
    rest_percent: Annotated[float, Quantity("%", low=0.0, high=10.0)] = 0.2
    margin_mm: Annotated[float, Quantity("mm", low=1.0, high=1000.0)] = 30.0
    segment: str = "Contour"

    def run(
        self,
        image: Image,
        start: Mask | None = None,
        start_points: Landmarks | None = None,
        mask: Mask | None = None,
        *,
        progress: Progress = SILENT,
    ) -> Contoured:
        region = working_region(image, start, start_points, self.start_radius_mm, self.margin_mm, mask, progress)
        if self.by == "edges":
            speed, _ = edge_speed(region.image, self.sigma_mm, self.edge, progress.part(0.0, 0.1))
            slope = np.gradient(speed)
            free = speed > self.stop
        else:
            values, speed = self._values(region)
        steps = progress.part(0.1, 0.9)
        inside = region.start.copy()
        turn = 0

        def advance(count: int) -> np.ndarray:
            nonlocal inside, turn
            for _ in range(count):
                steps.check()
                if self.by == "edges":
                    if self.push != "none":
                        inside = snakes.push(inside, self.push == "outwards", free)
                    inside = snakes.attach_to_edges(inside, slope)
                else:
                    inside = snakes.attach_to_regions(inside, values, 1.0, 1.0)
                for _ in range(self.smoothing):
                    steps.check()
                    inside = snakes.smoothed(inside, turn)
                    turn += 1
            return inside

        movement = Movement(self.iterations, self.rest_percent)
        inside = movement.follow(inside, advance, 10, steps)
        level = np.where(inside, np.float32(-0.5), np.float32(0.5))
        return contoured(region, level, speed, movement, self.segment, progress.part(0.9, 1.0))

    def _values(self, region: WorkingRegion) -> tuple[np.ndarray, np.ndarray]:
        values = sitk.GetArrayFromImage(region.image)
        span = float(values.max()) - float(values.min())
        own = float(values[region.start].mean(dtype=np.float64))
        return values, 1 - np.abs(values - np.float32(own)) / np.float32(span)
