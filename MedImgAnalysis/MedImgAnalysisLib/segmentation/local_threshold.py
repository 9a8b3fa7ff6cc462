"""A threshold for each voxel, from its surroundings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, NamedTuple

import numpy as np
import SimpleITK as sitk

from ..errors import InputError
from ..geometry import Grid
from ..kernels import gaussian, separable
from ..operation import Operation
from ..parameters import Choice, Quantity
from ..progress import SILENT, Progress
from ..values import Image, Labels, Mask, Measurements
from .histograms import extremes_of
from .outcome import SEGMENT, SIZE_COLUMNS, labels_of, part_of, size_cells


class Local(NamedTuple):
    labels: Labels
    table: Measurements


COLUMNS = (SEGMENT, *SIZE_COLUMNS)
SLAB_VALUES = 1 << 20
"""Numbers that a slab holds, besides its halo."""
ROUNDING = 1e-9
"""Part of the range of values by which a voxel must be beyond its threshold: even regions have no segment."""


@dataclass(frozen=True)
class LocalThreshold(Operation):
    """Separate bright from dark by a threshold that follows the surroundings of each voxel.

    For images whose brightness drifts, such as MR with a coil near one side, where one threshold for all fails. With m
    and s the mean and the SD in the window around a voxel, and for dark structures: mean and gaussian take values below
    m - offset; niblack below m - k s (Niblack 1986); sauvola below m (1 + k (s / R - 1)), with values counted from the
    smallest one of the image (Sauvola and Pietikainen 2000), which leaves even regions alone. Bright structures are
    found in the same way in the negative of the image.

    The window is a box of the voxel centres within half of `window_mm` along each axis; the border is mirrored. It
    should be wider than the structures that are wanted.

    Inputs
    ------
    image
        Image with one number per voxel.
    mask
        Where the segment may be; the window looks beyond it.

    Outputs
    -------
    labels
        One segment.
    table
        Voxels, volume and intensity.

    Parameters
    ----------
    method
        How the threshold follows from the window; gaussian weights the window with an SD of a sixth of its width.
    window_mm
        Full width of the window.
    offset
        How far beyond the mean a voxel must be for mean and gaussian, in units of the image.
    k
        Weight of the SD for niblack and sauvola.
    sd_range
        R of sauvola, the SD of a window with full contrast; if not set, half the range of values of the image.
    side
        Whether bright or dark structures are wanted.
    segment
        Name of the segment.
    """

    name: ClassVar[str] = "local_threshold"
    title: ClassVar[str] = "Local threshold"
    group: ClassVar[str] = "Threshold"
    memory_factor: ClassVar[float] = 4.0
    presets: ClassVar = {"Contrast in even regions counts": {"method": "sauvola", "k": 0.2}}

    method: Annotated[str, Choice("mean", "gaussian", "niblack", "sauvola")] = "mean"
    window_mm: Annotated[float, Quantity("mm", low=0.1, high=500.0)] = 20.0
    offset: Annotated[float, Quantity("")] = 0.0
    k: Annotated[float, Quantity("", low=-5.0, high=5.0)] = 0.2
    sd_range: Annotated[float | None, Quantity("", low=1e-12)] = None
    side: Annotated[str, Choice("bright", "dark")] = "bright"
    segment: str = "Foreground"

    def halo(self, grid: Grid) -> tuple[int, ...]:
        """Half of the window."""
        return tuple(len(taps) // 2 for taps in reversed(self._weights(grid)))

    def whole(self, inputs: Mapping[str, Any], progress: Progress = SILENT) -> tuple[float, float]:
        """Smallest and largest value, which must differ."""
        low, high = extremes_of(sitk.GetArrayViewFromImage(inputs["image"]), None, progress)
        if low == high:
            raise InputError(f"The image is constant ({low:g}); it has no threshold.", role="image")
        return low, high

    def run(self, image: Image, mask: Mask | None = None, *, progress: Progress = SILENT) -> Local:
        array = sitk.GetArrayViewFromImage(image)
        extremes = self.known or self.whole({"image": image}, progress.part(0.0, 0.05))
        weights = self._weights(Grid.of(image))
        if all(len(w) == 1 for w, n in zip(weights, array.shape, strict=True) if n > 1):
            raise InputError(
                f"A window of {self.window_mm:g} mm holds one voxel of {Grid.of(image).describe()}; make it wider.",
                role="image",
            )
        chosen = self._chosen(array, weights, extremes, progress.part(0.05, 0.9))
        if mask is not None:
            chosen &= sitk.GetArrayViewFromImage(mask) != 0
        if self.known:
            return Local(part_of({self.segment: chosen}, image), Measurements(COLUMNS, ()))
        labels = labels_of({self.segment: chosen}, image, "Choose a wider window, or a smaller offset or k.")
        row = {"segment": self.segment, **size_cells(chosen, image, progress.part(0.9, 1.0))}
        return Local(labels, Measurements(COLUMNS, (row,)))

    def _weights(self, grid: Grid) -> list[np.ndarray]:
        """Weights of the window by numpy axis, each with the sum 1."""
        if self.method == "gaussian":
            return [gaussian.taps(self.window_mm / 6 / s) for s in grid.spacing_kji]
        counts = [2 * int(self.window_mm / 2 / s + 1e-6) + 1 for s in grid.spacing_kji]
        return [np.full(n, 1 / n) for n in counts]

    def _chosen(
        self, array: np.ndarray, weights: list[np.ndarray], extremes: tuple[float, float], progress: Progress
    ) -> np.ndarray:
        """In slabs: float64 of the whole image would take too much memory."""
        low, high = extremes
        halo = len(weights[0]) // 2
        n = len(array)
        depth = max(1, SLAB_VALUES // array[:1].size, 2 * halo)
        chosen = np.empty(array.shape, bool)
        for start in range(0, n, depth):
            stop = min(start + depth, n)
            first, last = max(0, start - halo), min(n, stop + halo)
            own = slice(start - first, stop - first)
            values = array[first:last].astype(np.float64)
            values = values - low if self.side == "dark" else high - values
            below = self._below(values, weights, high - low, own, progress.part(start / n, stop / n))
            chosen[start:stop] = values[own] < below - ROUNDING * (high - low)
        return chosen

    def _below(
        self, values: np.ndarray, weights: list[np.ndarray], span: float, own: slice, progress: Progress
    ) -> np.ndarray:
        """The thresholds of the layers `own`, for dark structures in values from 0 to `span`."""
        matrices = [separable.reflected(n, w) if len(w) > 1 else None for n, w in zip(values.shape, weights)]

        def smooth(given: np.ndarray, progress: Progress) -> np.ndarray:
            return separable.apply(given, matrices, progress, "Local threshold", np.float64)[own]

        mean = smooth(values, progress.part(0.0, 0.5))
        if self.method in ("mean", "gaussian"):
            return mean - self.offset
        # About the middle of the range, so that squares lose fewer digits.
        variance = smooth((values - span / 2) ** 2, progress.part(0.5, 1.0)) - (mean - span / 2) ** 2
        sd = np.sqrt(np.maximum(variance, 0))
        if self.method == "niblack":
            return np.asarray(mean - self.k * sd)
        return np.asarray(mean * (1 + self.k * (sd / (self.sd_range or span / 2) - 1)))
