"""Small regions of even size that follow the edges."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, NamedTuple

import numpy as np
import SimpleITK as sitk

from ..errors import InputError
from ..geometry import Grid, image_like
from ..operation import Operation
from ..parameters import Quantity
from ..progress import SILENT, Progress, waited
from ..resampling import of_type
from ..values import Column, Image, Mask, Measurements
from .outcome import moments_by_number
from .working_values import centred

COLUMNS = (
    Column("regions", "Regions", "", "Supervoxels, those outside the mask left out", int),
    Column("volume_ml", "Mean volume", "ml", "Mean volume of a supervoxel"),
    Column("explained", "Explained", "", "Part of the variance of the image that the means of the regions keep"),
    Column("status", "Status", "", "Why a number is missing", str),
)


class Supervoxels(NamedTuple):
    regions: Image
    means: Image
    table: Measurements


@dataclass(frozen=True)
class Slic(Operation):
    """Gather voxels into small regions of about one size that follow edges.

    Supervoxels: for features by region, as a first step of other methods, or to simplify an image. Simple linear
    iterative clustering (Achanta and others 2012), in millimetres, each region connected.

    Inputs
    ------
    image
        Image with one number per voxel.
    mask
        Where regions are kept; it cuts those at its border.

    Outputs
    -------
    regions
        Number of the region of each voxel, from 1; 0 outside the mask.
    means
        Mean of the image in the region of each voxel; its smallest value outside the mask.
    table
        How many regions, how large, and how well they describe the image.

    Parameters
    ----------
    size_mm
        About the edge length of a region.
    compactness
        How round the regions are: more keeps them cubes, less follows weak edges.
    iterations
        Rounds of clustering.
    """

    name: ClassVar[str] = "slic"
    title: ClassVar[str] = "Supervoxels (SLIC)"
    group: ClassVar[str] = "Regions"
    memory_factor: ClassVar[float] = 15.0
    why_whole: ClassVar[str] = "supervoxels are moved in three dimensions"
    keeps: ClassVar = {"means": "image"}

    size_mm: Annotated[float, Quantity("mm", low=0.1, high=200.0)] = 8.0
    compactness: Annotated[float, Quantity("", low=0.1, high=1000.0)] = 10.0
    iterations: Annotated[int, Quantity("", low=1, high=100)] = 10

    def run(self, image: Image, mask: Mask | None = None, *, progress: Progress = SILENT) -> Supervoxels:
        array = sitk.GetArrayViewFromImage(image)
        low, high = float(array.min()), float(array.max())
        if low == high:
            raise InputError(f"The image is constant ({low:g}); its regions would mean nothing.", role="image")
        grid = Grid.of(image)
        steps = [max(1, min(n, round(self.size_mm / s))) for s, n in zip(grid.spacing, grid.size, strict=True)]
        if max(steps) == 1:
            raise InputError(f"Regions of {self.size_mm:g} mm are not larger than a voxel; raise size_mm.")
        # The weight of the distance is meant for values from 0 to 100, the lightness of a colour.
        values, _ = centred(array)
        values *= np.float32(100 / (high - low))
        scaled = image_like(values, image)
        progress.report(0.05, "Clustering")
        found = waited(_clustered, scaled, steps, self.compactness, self.iterations, progress=progress)
        progress.report(0.8, "Numbering")
        numbers = waited(_in_one_piece, found, progress=progress)
        if mask is not None:
            numbers[sitk.GetArrayViewFromImage(mask) == 0] = 0
        numbers, count = waited(_renumbered, numbers, progress=progress)
        sizes, means, squares = moments_by_number(numbers, count, image, progress.part(0.9, 1.0))
        voxels, rest = int(sizes[1:].sum()), float(squares[1:].sum())
        mean = float((sizes[1:] * means[1:]).sum()) / voxels
        spread = rest + float((sizes[1:] * (means[1:] - mean) ** 2).sum())
        reasons = ["no_volume_in_2d"] * (grid.dimension == 2) + ["zero_variance"] * (spread == 0)
        row = {
            "regions": count,
            "volume_ml": voxels * grid.voxel_volume_mm3 / 1000 / count if grid.dimension == 3 else float("nan"),
            "explained": 1 - rest / spread if spread > 0 else float("nan"),
            "status": " ".join(reasons),
        }
        means[0] = low
        kept = of_type(means, array.dtype)
        return Supervoxels(image_like(numbers, image), image_like(kept[numbers], image), Measurements(COLUMNS, (row,)))


def _clustered(image: sitk.Image, steps: list[int], compactness: float, iterations: int) -> sitk.Image:
    slic = sitk.SLICImageFilter()
    slic.SetSuperGridSize(steps)
    slic.SetSpatialProximityWeight(compactness)
    slic.SetMaximumNumberOfIterations(iterations)
    slic.SetEnforceConnectivity(True)
    return slic.Execute(image)


def _renumbered(numbers: np.ndarray) -> tuple[np.ndarray, int]:
    """The numbers above 0 that occur as 1 to n, and n."""
    present = np.bincount(numbers.ravel()) > 0
    present[0] = False
    table = np.where(present, np.cumsum(present), 0).astype(np.int32)
    return table[numbers], int(table.max())


def _in_one_piece(found: sitk.Image) -> np.ndarray:
    """Numbers from 1, int32: ITK leaves a few voxels apart from their region; they go to a neighbour."""
    pieces_image = sitk.ScalarConnectedComponent(found, 0.0, False)
    pieces = sitk.GetArrayViewFromImage(pieces_image)
    numbers = sitk.GetArrayFromImage(found).astype(np.int32)
    numbers += 1
    sizes = np.bincount(pieces.ravel())
    region = np.zeros(len(sizes), np.int32)
    region[pieces.ravel()] = numbers.ravel()
    largest = np.zeros(int(numbers.max()) + 1, np.int64)
    np.maximum.at(largest, region, sizes)
    stray = sizes < largest[region]
    # Of two largest pieces of one size the later one is a stray too.
    kept = np.flatnonzero(~stray & (sizes > 0))
    _, first = np.unique(region[kept], return_index=True)
    stray[np.setdiff1d(kept, kept[first])] = True
    apart = np.argwhere(stray[pieces])
    numbers[tuple(apart.T)] = 0
    while len(apart):
        places = tuple(apart.T)
        taken = np.zeros(len(apart), np.int32)
        for axis, n in enumerate(numbers.shape):
            for step in (-1, 1):
                beside = list(places)
                beside[axis] = np.clip(places[axis] + step, 0, n - 1)
                taken = np.where(taken > 0, taken, numbers[tuple(beside)])
        numbers[places] = taken
        apart = apart[taken == 0]
    return numbers
