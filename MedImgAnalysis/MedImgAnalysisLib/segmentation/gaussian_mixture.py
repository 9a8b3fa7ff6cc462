"""Tissue classes as normal distributions, with probabilities."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np

from ..geometry import image_like
from ..kernels.mixture import Mixture, fit, k_means, log_densities
from ..progress import SILENT, Progress
from ..values import Column, Curve, Curves, Image, Labels, Mask, Measurements
from .channels import channels_of, class_labels, class_names, mean_columns
from .classes import Classes
from .kmeans import STATUS, VOXELS, class_cells
from .outcome import SEGMENT


class Mixed(NamedTuple):
    labels: Labels
    table: Measurements
    probability: Image
    curves: Curves


WEIGHT = Column("weight", "Weight", "", "Part of the voxels that the model gives to the class")
UNSURE = Column("unsure", "Unsure", "", "Part of the class whose probability is below 0.75")


@dataclass(frozen=True)
class GaussianMixture(Classes):
    """Sort voxels into classes, each a normal distribution over one or several images.

    Like k-means, with classes of different size and spread, and with the probability of each decision. Fitted by
    expectation maximisation on a random sample, begun with k-means (Dempster, Laird and Rubin 1977). Classes are
    numbered by rising mean of the first image. Correct bias fields first.

    Outputs
    -------
    table
        Weight, volume, mean and SD of each class in each image.
    probability
        Of the class that each voxel was given, 0 to 1; 0 outside the mask.
    curves
        Mean log likelihood over the steps of the fit.

    """

    name: ClassVar[str] = "gaussian_mixture"
    title: ClassVar[str] = "Gaussian mixture"
    memory_factor: ClassVar[float] = 6.0

    def run(self, images: Sequence[Image], mask: Mask | None = None, *, progress: Progress = SILENT) -> Mixed:
        names = class_names(self.names, self.classes)
        channels = channels_of(images, mask, progress)
        sample, scale = channels.scaled_sample(self.seed, self.classes)
        centres, _ = k_means(sample, self.classes, self.seed, progress=progress.part(0.0, 0.2))
        mixture, likelihoods = fit(sample, centres, progress=progress.part(0.2, 0.6))
        sure = np.zeros(channels.arrays[0].shape, np.float32)
        numbers = channels.classified(lambda rows: _best(rows / scale, mixture)[0], progress.part(0.6, 0.75))
        self._probabilities(channels.arrays, numbers, mixture, scale, sure, progress.part(0.75, 0.9))
        first = channels.images[0]
        labels = class_labels(numbers, names, first)
        columns = (SEGMENT, WEIGHT, UNSURE, *VOXELS, *mean_columns(len(channels.images)), STATUS)
        cells = class_cells(channels.images, numbers, len(names), progress.part(0.9, 1.0))
        unsure = np.bincount(numbers[sure < 0.75], minlength=len(names) + 1)
        rows = [
            {"segment": name, "weight": float(weight), "unsure": int(unsure[n]) / own["voxels"]} | own
            for n, (name, weight, own) in enumerate(zip(names, mixture.weights, cells, strict=True), start=1)
        ]
        curve = Curve("Log likelihood", np.arange(1.0, len(likelihoods) + 1), np.array(likelihoods))
        return Mixed(
            labels,
            Measurements(columns, tuple(rows)),
            image_like(sure, first),
            Curves("Fit", "Step", "Mean log likelihood of a voxel", (curve,)),
        )

    def _probabilities(
        self,
        arrays: list[np.ndarray],
        numbers: np.ndarray,
        mixture: Mixture,
        scale: np.ndarray,
        out: np.ndarray,
        progress: Progress,
    ) -> None:
        for k in range(len(out)):
            progress.report(k / len(out), "Probabilities")
            inside = numbers[k] > 0
            if inside.any():
                rows = np.stack([a[k][inside].astype(np.float64) for a in arrays], axis=1)
                out[k][inside] = _best(rows / scale, mixture)[1]


def _best(rows: np.ndarray, mixture: Mixture) -> tuple[np.ndarray, np.ndarray]:
    """The likeliest class of each row and its probability."""
    logs = log_densities(rows, mixture)
    best = logs.argmax(axis=1)
    top = np.take_along_axis(logs, best[:, None], axis=1)
    return best, 1 / np.exp(logs - top).sum(axis=1)
