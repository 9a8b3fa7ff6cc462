"""A front that runs fast through even regions and slowly over edges."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, NamedTuple

import numpy as np
import SimpleITK as sitk

from ..geometry import image_like
from ..kernels.grid_equations import halves
from ..parameters import Quantity
from ..progress import SILENT, Progress, run_filter
from ..values import Column, Image, Labels, Landmarks, Mask, Measurements
from .grown import Growing
from .outcome import SEGMENT, SIZE_COLUMNS, labels_of, size_cells
from .seeds import seed_voxels, within_mask
from .speed import edge_speed
from .surroundings import Surroundings


class Marched(NamedTuple):
    labels: Labels
    table: Measurements
    arrival: Image
    speed: Image


COLUMNS = (
    SEGMENT,
    Column("seeds", "Seeds", "", "Voxels from which the front started", int),
    Column("edge", "Edge", "1/mm", "Slope (image units per mm) that halves the speed"),
    *SIZE_COLUMNS,
)


@dataclass(frozen=True)
class FastMarching(Growing):
    """Grow from seeds by a front that edges slow down.

    For structures with a visible edge and an inside that is not even enough for growing by range. The speed is
    1 / (1 + (slope / `edge`)^2); the arrival time solves the eikonal equation in millimetres (Sethian 1996), so in an
    even region it is the distance from the nearest seed. The segment is what the front reaches within `reach_mm`. Look
    at the arrival image to choose it: times jump at the edge.

    Outputs
    -------
    labels
        One segment.
    table
        Edge, voxels, volume and intensity.
    arrival
        Time of arrival: millimetres at full speed; `reach_mm` where the front did not come.
    speed
        Speed of the front, 0 to 1; 0 beyond reach.

    Parameters
    ----------
    reach_mm
        Time after which the front stops: how far it gets where nothing slows it.
    sigma_mm
        Gaussian that smooths the image before its slope is taken; 0 for none.
    edge
        Slope, in image units per millimetre, that halves the speed; none takes the 70th percentile around the seeds.
    """

    name: ClassVar[str] = "fast_marching"
    title: ClassVar[str] = "Fast marching"
    memory_factor: ClassVar[float] = 8.0
    why_whole: ClassVar[str] = "the front runs through all of it"

    reach_mm: Annotated[float, Quantity("mm", low=0.1, high=1000.0)] = 20.0
    sigma_mm: Annotated[float, Quantity("mm", low=0.0, high=20.0)] = 1.0
    edge: Annotated[float | None, Quantity("", low=1e-12)] = None
    segment: str = "Grown"

    def run(
        self,
        image: Image,
        seeds: Mask | None = None,
        seed_points: Landmarks | None = None,
        mask: Mask | None = None,
        *,
        progress: Progress = SILENT,
    ) -> Marched:
        at = within_mask(seed_voxels(image, seeds, seed_points), mask, progress)
        # The front is never faster than 1, so nothing beyond this distance can be reached.
        near = Surroundings.around(image, at, self.reach_mm, progress)
        part = near.cut(image)
        speed, edge = edge_speed(part, self.sigma_mm, self.edge, progress.part(0.0, 0.3))
        beyond = None if mask is None else sitk.GetArrayViewFromImage(mask)[near.slices] == 0
        if beyond is not None:
            speed[beyond] = 0
        march = sitk.FastMarchingImageFilter()
        started = np.zeros(speed.shape, bool)
        started[near.moved(at)] = True
        # The front leaves a large seed through its border; a point in Python for each voxel inside would take minutes.
        border = np.argwhere(_border(started)) if not started.all() else np.zeros((1, started.ndim), int)
        march.SetTrialPoints(border[:, ::-1].tolist())
        march.SetStoppingValue(self.reach_mm)
        times = run_filter(march, image_like(speed, part), progress=progress.part(0.3, 0.9), message="Marching")
        arrival = np.minimum(sitk.GetArrayFromImage(times), self.reach_mm)
        arrival[started] = 0
        if beyond is not None:
            arrival[beyond] = self.reach_mm
        reached = arrival < self.reach_mm
        shape = sitk.GetArrayViewFromImage(image).shape
        chosen = near.put_back(reached, shape)
        labels = labels_of({self.segment: chosen}, image, "Move the seeds.")
        row = {"segment": self.segment, "seeds": len(at[0]), "edge": edge}
        return Marched(
            labels,
            Measurements(COLUMNS, (row | size_cells(chosen, image, progress.part(0.9, 1.0)),)),
            image_like(near.put_back(arrival.astype(np.float32), shape, self.reach_mm), image),
            image_like(near.put_back(speed, shape), image),
        )


def _border(mask: np.ndarray) -> np.ndarray:
    """The voxels of a mask that have a face neighbour outside it or none at all."""
    inner = mask.copy()
    for axis in range(mask.ndim):
        low, high = halves(axis, mask.ndim)
        inner[low] &= mask[high]
        inner[high] &= mask[low]
    return mask & ~inner
