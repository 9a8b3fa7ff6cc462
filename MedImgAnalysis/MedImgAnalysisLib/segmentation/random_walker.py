"""To which of several seeds each voxel belongs, with probabilities."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, NamedTuple

import numpy as np
import SimpleITK as sitk

from ..errors import InputError
from ..geometry import Grid, image_like
from ..kernels.components import Components
from ..kernels.random_walk import probabilities
from ..operation import Operation
from ..parameters import Quantity
from ..progress import SILENT, Progress, Quiet
from ..values import Column, Image, Labels, Mask, Measurements
from .marked import Marked, marked
from .outcome import SEGMENT, SIZE_COLUMNS, cells_by_number
from .surroundings import Surroundings
from .working_values import centred

LARGEST_VOXELS = 16_000_000


class Walked(NamedTuple):
    labels: Labels
    table: Measurements
    probability: Image


COLUMNS = (
    SEGMENT,
    Column("seeds", "Seeds", "", "Voxels of the seed", int),
    Column("unsure_ml", "Unsure", "ml", "Volume of the segment where its probability is below 0.75"),
    *SIZE_COLUMNS,
)


@dataclass(frozen=True)
class RandomWalker(Operation):
    """Share the voxels out among painted seeds by random walks.

    Paint a little of each structure and of what is around; every voxel goes to the seed that a random walker, who
    avoids steps in brightness, most likely reaches first. Robust to noise and weak edges, any number of structures, and
    says how sure it is. Grady (2006); a step of d standard deviations of the image is taken with the weight
    exp(-beta d^2), steps along thick slices are rarer.

    Inputs
    ------
    image
        Image with one number per voxel.
    seeds
        Segmentation with a painted part of each structure, and of what is around, as segments.
    mask
        Where the walker may go; seeds outside do not count. Parts of it without a seed are left out.

    Outputs
    -------
    labels
        A segment for each seed, with its name and colour.
    table
        Voxels, volume and intensity, and how much of it is unsure.
    probability
        Of the segment that each voxel was given, 0 to 1; 0 outside what was looked at.

    Parameters
    ----------
    beta
        How much the walker avoids steps in brightness: more follows weak edges, less is robust to noise.
    margin_mm
        How far around the seeds is looked.
    """

    name: ClassVar[str] = "random_walker"
    title: ClassVar[str] = "Random walker"
    group: ClassVar[str] = "Regions"
    revision: ClassVar[int] = 2
    memory_factor: ClassVar[float] = 40.0
    why_whole: ClassVar[str] = "the walk goes through all of it"
    presets: ClassVar = {"Noisy image": {"beta": 5.0}, "Weak edges": {"beta": 40.0}}

    beta: Annotated[float, Quantity("", low=0.01, high=10000.0)] = 10.0
    margin_mm: Annotated[float, Quantity("mm", low=0.0, high=1000.0)] = 20.0

    def run(self, image: Image, seeds: Labels, mask: Mask | None = None, *, progress: Progress = SILENT) -> Walked:
        given = marked(seeds, image, 2, progress)
        near = Surroundings.around(image, given.at, self.margin_mm, progress)
        if np.prod(near.size) > LARGEST_VOXELS:
            raise InputError(
                f"The seeds and their margin span {np.prod(near.size):,} voxels, more than {LARGEST_VOXELS:,}: lower "
                "margin_mm, crop the image or resample it to larger voxels.",
                role="seeds",
            )
        numbers = given.numbers[near.slices]
        values, offset = centred(sitk.GetArrayViewFromImage(image)[near.slices])
        if values.min() == values.max():
            raise InputError(f"The image is constant ({values.min() + offset:g}) around the seeds.", role="image")
        inside = None
        if mask is not None:
            inside, numbers = self._within(mask, near, numbers, given, progress)
        spacing = Grid.of(image).spacing_kji
        found = probabilities(values, numbers, spacing, self.beta, inside=inside, progress=progress.part(0.0, 0.9))
        best = found.argmax(axis=0)
        sure = np.take_along_axis(found, best[None], axis=0)[0]
        part = (best + 1).astype(np.int32)
        if inside is not None:
            part[~inside], sure[~inside] = 0, 0
        shape = given.numbers.shape
        whole = near.put_back(part, shape)
        labels = given.labels(whole, image)
        voxel_ml = Grid.of(image).voxel_volume_mm3 / 1000
        rows = []
        cells = cells_by_number(whole, len(given.segments), image, progress.part(0.9, 1.0))
        for number, segment in enumerate(given.segments, start=1):
            progress.check()
            unsure = int(np.count_nonzero((part == number) & (sure < 0.75)))
            rows.append(
                {
                    "segment": segment.name,
                    "seeds": int(np.count_nonzero(numbers == number)),
                    "unsure_ml": unsure * voxel_ml if image.GetDimension() == 3 else float("nan"),
                }
                | cells[number - 1]
            )
        progress.report(1.0, "Random walk")
        return Walked(labels, Measurements(COLUMNS, tuple(rows)), image_like(near.put_back(sure, shape), image))

    def _within(
        self, mask: sitk.Image, near: Surroundings, numbers: np.ndarray, given: Marked, progress: Progress
    ) -> tuple[np.ndarray, np.ndarray]:
        """Where the walker goes (parts of the mask that hold seeds), and the seeds there."""
        allowed = sitk.GetArrayViewFromImage(mask)[near.slices] != 0
        numbers = np.where(allowed, numbers, 0)
        lost = [s.name for n, s in enumerate(given.segments, start=1) if not (numbers == n).any()]
        if lost:
            raise InputError(f"The seeds {', '.join(map(repr, lost))} lie outside the mask.", role="seeds")
        inside = Components(allowed, Quiet(progress)).meeting(numbers > 0, Quiet(progress))
        left = np.count_nonzero(allowed) - np.count_nonzero(inside)
        if left:
            progress.warn(f"{left:,} voxels of the mask are not connected to a seed and were left out.")
        return inside, numbers
