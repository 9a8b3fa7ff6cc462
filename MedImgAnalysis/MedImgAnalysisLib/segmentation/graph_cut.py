"""The best border between painted object and painted background."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, NamedTuple

import numpy as np
import SimpleITK as sitk

from ..errors import InputError
from ..geometry import Grid
from ..kernels.grid_cut import cut_voxels
from ..operation import Operation
from ..parameters import Quantity
from ..progress import SILENT, Progress, Quiet, waited
from ..values import Column, Image, Labels, Landmarks, Mask, Measurements
from .growing import reached
from .outcome import SEGMENT, SIZE_COLUMNS, labels_of, size_cells
from .seeds import check_apart, seed_voxels, within_mask
from .surroundings import Surroundings
from .working_values import centred

BINS = 64
LARGEST_VOXELS = 32_000_000


class Cut(NamedTuple):
    labels: Labels
    table: Measurements


COLUMNS = (
    SEGMENT,
    Column("seeds", "Seeds", "", "Voxels of the object's seeds", int),
    Column("other_seeds", "Other seeds", "", "Voxels of the background's seeds", int),
    Column("noise", "Noise", "", "Difference of neighbours, in units of the image, that still counts as none"),
    *SIZE_COLUMNS,
)


@dataclass(frozen=True)
class GraphCut(Operation):
    """Part object from background by the cheapest border between their seeds.

    Paint a little of the object and of what is around it. Of all borders between the seeds the one of least cost is
    found, exactly up to about 600,000 voxels, beyond that from coarse to fine in a band (Boykov and Jolly 2001;
    Lombaert and others 2005). A border is cheap where neighbours differ by more than the noise; a voxel is cheap on
    the side whose seeds have such values. A face counts by its area in square millimetres.

    Inputs
    ------
    image
        Image with one number per voxel.
    seeds
        Voxels of the object.
    seed_points
        Points of the object.
    other
        Voxels of the background.
    other_points
        Points of the background.
    mask
        Where the segment may be; what is outside counts as background.

    Outputs
    -------
    labels
        One segment.
    table
        Noise, voxels, volume and intensity.

    Parameters
    ----------
    values_weight
        How much the values of the seeds count beside the border; 0 looks at the border alone.
    noise
        Difference of neighbours that still counts as none, in units of the image; none takes the median difference.
    margin_mm
        How far around the seeds is looked.
    connected
        Whether only what is connected to the seeds of the object is kept.
    segment
        Name of the segment.
    """

    name: ClassVar[str] = "graph_cut"
    title: ClassVar[str] = "Graph cut"
    group: ClassVar[str] = "Regions"
    memory_factor: ClassVar[float] = 60.0
    why_whole: ClassVar[str] = "the cut is made through all of it"
    presets: ClassVar = {"By values and border": {}, "By the border alone": {"values_weight": 0.0}}

    values_weight: Annotated[float, Quantity("", low=0.0, high=100.0)] = 0.02
    noise: Annotated[float | None, Quantity("", low=1e-12)] = None
    margin_mm: Annotated[float, Quantity("mm", low=0.0, high=1000.0)] = 20.0
    connected: bool = True
    segment: str = "Object"

    def run(
        self,
        image: Image,
        seeds: Mask | None = None,
        seed_points: Landmarks | None = None,
        other: Mask | None = None,
        other_points: Landmarks | None = None,
        mask: Mask | None = None,
        *,
        progress: Progress = SILENT,
    ) -> Cut:
        at = seed_voxels(image, seeds, seed_points, "seeds of the object")
        away = seed_voxels(image, other, other_points, "seeds of the background", "other")
        check_apart(image, at, away, "Object and background", "other")
        at = within_mask(at, mask, progress)
        both = tuple(np.concatenate(pair) for pair in zip(at, away, strict=True))
        near = Surroundings.around(image, both, self.margin_mm, progress)
        if np.prod(near.size) > LARGEST_VOXELS:
            raise InputError(
                f"The seeds and their margin span {np.prod(near.size):,} voxels, more than {LARGEST_VOXELS:,}: lower "
                "margin_mm, crop the image or resample it to larger voxels.",
                role="seeds",
            )
        array = sitk.GetArrayViewFromImage(image)
        values, offset = centred(array[near.slices])
        if values.min() == values.max():
            raise InputError(f"The image is constant ({values.min() + offset:g}) around the seeds.", role="image")
        kinds = np.zeros(values.shape, np.uint8)
        kinds[near.moved(away)] = 2
        kinds[near.moved(at)] = 1
        if mask is not None:
            kinds[sitk.GetArrayViewFromImage(mask)[near.slices] == 0] = 2
        noise = waited(_noise, values, progress=progress) if self.noise is None else self.noise
        region: np.ndarray = np.zeros(values.shape, np.float32)
        if self.values_weight:
            own, others = (values[near.moved(voxels)] for voxels in (at, away))
            region = self.values_weight * waited(_odds, values, own, others, noise, progress=progress)
        part = cut_voxels(values, region, kinds, Grid.of(image).spacing_kji, noise, progress.part(0.1, 0.9))
        if self.connected:
            part = reached(part, near.moved(at), False, Quiet(progress))
        chosen = near.put_back(part, array.shape)
        labels = labels_of({self.segment: chosen}, image, "Paint more of the object.")
        if near.touched(part, array.shape):
            progress.warn("The segment reaches the side of the region that was looked at; enlarge margin_mm.")
        row = {"segment": self.segment, "seeds": len(at[0]), "other_seeds": len(away[0]), "noise": noise}
        return Cut(labels, Measurements(COLUMNS, (row | size_cells(chosen, image, progress.part(0.9, 1.0)),)))


def _noise(values: np.ndarray) -> float:
    """Median difference of neighbours that differ at all, over the axes."""
    differences = np.concatenate([np.abs(np.diff(values, axis=axis)).ravel()[::7] for axis in range(values.ndim)])
    positive = differences[differences > 0]
    return float(np.median(positive)) if positive.size else float(values.max() - values.min())


def _odds(values: np.ndarray, own: np.ndarray, others: np.ndarray, noise: float) -> np.ndarray:
    """-log of how much more likely a value is in the object than in the background, from smoothed histograms."""
    from scipy.ndimage import gaussian_filter1d

    low, high = float(values.min()), float(values.max())
    width = (high - low) / BINS
    counts = []
    for sample in (own, others):
        histogram = np.histogram(sample, BINS, (low, high))[0].astype(np.float64)
        # Few seeds speak for values as near as the noise.
        smooth = gaussian_filter1d(histogram, max(noise / width, 1.0), mode="nearest") + 1e-3 * len(sample) / BINS
        counts.append(smooth / smooth.sum())
    odds = np.log(counts[1] / counts[0]).astype(np.float32)
    bins = np.clip(((values - low) / width).astype(np.int32), 0, BINS - 1)
    return np.asarray(odds[bins])
