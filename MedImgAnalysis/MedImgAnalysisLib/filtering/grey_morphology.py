"""Grey morphology: smallest and largest values of neighbourhoods."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np
import SimpleITK as sitk

from ..geometry import Grid
from ..kernels.morphology import close_grey, dilate, erode, open_grey
from ..kernels.separable import working_type
from ..operation import Operation
from ..parameters import Choice, Quantity
from ..progress import SILENT, Progress
from ..values import Image, Mask
from .lengths import ball_radii, radii_kji, warn_of_still_axes
from .region import filter_inside


@dataclass(frozen=True)
class GreyMorphology(Operation):
    """Grow, shrink or remove bright and dark structures by the extremes of a neighbourhood.

    Dilate takes the largest value within the radius, erode the smallest. Open (erode, then dilate) removes bright
    structures that the shape does not fit into and leaves the rest; close removes dark ones. Gradient is dilate minus
    erode, the contrast within the radius. The shape is the set of voxel centres within the radius in millimetres on
    the grid as it is, so an anisotropic grid gets an ellipsoid of voxels. Values beyond the border do not count.
    Exact, and the pixel type is kept, but for gradient, which is float32 (float64 for input of more than 16 bits).

    Inputs
    ------
    image
        Image; vector images component by component.
    mask
        Where to filter; elsewhere the image is unchanged (0 for gradient).

    Outputs
    -------
    image
        Filtered image on the same grid.

    Parameters
    ----------
    action
        What to do.
    radius_mm
        Radius of the ball, or half width of the box.
    shape
        Neighbourhood: ball, or a box along the image axes, which is faster.
    """

    name: ClassVar[str] = "grey_morphology"
    title: ClassVar[str] = "Grey morphology"
    group: ClassVar[str] = "Morphology"
    vector: ClassVar[bool] = True
    memory_factor: ClassVar[float] = 3.25
    works_in_mask: ClassVar[bool] = True
    keeps: ClassVar = {"image": "image"}

    action: Annotated[str, Choice("dilate", "erode", "open", "close", "gradient")] = "open"
    radius_mm: Annotated[float, Quantity("mm", low=0.01, high=200.0)] = 2.0
    shape: Annotated[str, Choice("ball", "box")] = "ball"

    def halo(self, grid: Grid) -> tuple[int, ...]:
        passes = 2 if self.action in ("open", "close") else 1
        return tuple(passes * n for n in ball_radii(self.radius_mm, grid))

    def run(self, image: Image, mask: Mask | None = None, *, progress: Progress = SILENT) -> Image:
        grid = Grid.of(image)
        warn_of_still_axes(ball_radii(self.radius_mm, grid), f"Radius {self.radius_mm:g} mm", grid, progress)
        radii = radii_kji(self.radius_mm, grid)

        def compute(part: sitk.Image, inside: np.ndarray | None, progress: Progress) -> np.ndarray:
            array = sitk.GetArrayViewFromImage(part)
            if self.action != "gradient":
                action = {"dilate": dilate, "erode": erode, "open": open_grey, "close": close_grey}[self.action]
                return action(array, radii, self.shape, progress)
            dtype = working_type(array.dtype)
            high: np.ndarray = dilate(array, radii, self.shape, progress.part(0.0, 0.5)).astype(dtype)
            high -= erode(array, radii, self.shape, progress.part(0.5, 1.0))
            return high

        outside = 0.0 if self.action == "gradient" else None
        return filter_inside(image, mask, self.halo(grid), compute, progress, outside=outside)
