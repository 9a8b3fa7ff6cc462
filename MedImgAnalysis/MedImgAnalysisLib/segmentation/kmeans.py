"""Classes of brightness in one or several images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import numpy as np

from ..kernels.mixture import k_means, squared_distances
from ..progress import SILENT, Progress
from ..values import Column, Image, Labels, Mask, Measurements
from .channels import channels_of, class_labels, class_names, mean_columns
from .classes import Classes
from .outcome import SEGMENT, cells_by_number


class Clustered(NamedTuple):
    labels: Labels
    table: Measurements


VOXELS = (
    Column("voxels", "Voxels", "", "Voxels in the class", int),
    Column("volume_ml", "Volume", "ml", "Voxels times the volume of a voxel"),
)
STATUS = Column("status", "Status", "", "Why a number is missing", str)


@dataclass(frozen=True)
class KMeans(Classes):
    """Sort voxels into classes of like brightness in one or several images.

    For tissue classes: give T1, T2 and FLAIR of one visit, and a mask of the brain. Each image is divided by its
    standard deviation; k-means learns the centres from a random sample (Lloyd 1982, best of five seeded starts), and
    each voxel goes to the nearest. Classes are numbered by rising mean of the first image. Correct bias fields first.

    """

    name: ClassVar[str] = "kmeans"
    title: ClassVar[str] = "k-means classes"
    memory_factor: ClassVar[float] = 6.0

    def run(self, images: Sequence[Image], mask: Mask | None = None, *, progress: Progress = SILENT) -> Clustered:
        names = class_names(self.names, self.classes)
        channels = channels_of(images, mask, progress)
        sample, scale = channels.scaled_sample(self.seed, self.classes)
        centres, _ = k_means(sample, self.classes, self.seed, progress=progress.part(0.0, 0.5))
        numbers = channels.classified(
            lambda rows: squared_distances(rows / scale, centres).argmin(axis=1), progress.part(0.5, 0.9)
        )
        labels = class_labels(numbers, names, channels.images[0])
        columns = (SEGMENT, *VOXELS, *mean_columns(len(channels.images)), STATUS)
        cells = class_cells(channels.images, numbers, len(names), progress.part(0.9, 1.0))
        rows = [{"segment": name} | own for name, own in zip(names, cells, strict=True)]
        return Clustered(labels, Measurements(columns, tuple(rows)))


def class_cells(images: Sequence[Image], numbers: np.ndarray, count: int, progress: Progress) -> list[dict[str, Any]]:
    """Voxels, volume, and mean and SD of each image for each of the classes 1 to `count`."""
    classes: list[dict[str, Any]] = [{} for _ in range(count)]
    for n, image in enumerate(images, start=1):
        share = progress.part((n - 1) / len(images), n / len(images))
        for cells, own in zip(classes, cells_by_number(numbers, count, image, share), strict=True):
            cells |= {f"mean_{n}": own["mean"], f"sd_{n}": own["sd"]}
            cells |= {key: own[key] for key in ("voxels", "volume_ml", "status")}
    return classes
