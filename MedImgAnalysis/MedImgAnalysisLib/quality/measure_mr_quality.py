"""Quality of an MR image without a reference: noise, foreground and background energy, focus, sharpness."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, ClassVar, NamedTuple

import numpy as np
import SimpleITK as sitk

from ..geometry import Grid, image_like
from ..operation import Operation
from ..parameters import Choice, Quantity
from ..progress import SILENT, Progress, Quiet
from ..values import Column, Image, Labels, Mask, Measurements
from .arrays import (
    Sample,
    count_nonfinite,
    finite_in,
    inside_of,
    region,
    sample,
    segment_named,
    warn_nonfinite,
)
from .body import air_mask, body_mask
from .findings import STATUS, WARNINGS, Findings
from .measure_signal import put_contrast, put_rayleigh, warn_of_air
from .sharpness import noise_mad, sharpness
from .similarity import bin_numbers, entropy

COLUMNS = (
    Column("n_head", "Head voxels", "", "Finite voxels in the head mask", int),
    Column("n_air", "Air voxels", "", "Finite voxels in the air", int),
    Column("n_nonfinite", "Non-finite voxels", "", "Voxels NaN or infinite in the image", int),
    Column("mean_head", "Mean, head", "", "Mean in the head mask"),
    Column("sd_head", "SD, head", "", "Sample SD in the head mask"),
    Column("mean_air", "Mean, air", "", "Mean in the air"),
    Column("sd_air", "SD, air", "", "Sample SD in the air"),
    Column("air_zero_percent", "Zeros in the air", "%", "Voxels of the air that are exactly 0"),
    Column("snr_two_region", "SNR, two regions", "", "0.6551 mean of the head / SD of the air"),
    Column("rayleigh_sigma", "Noise from the SD of the air", "", "SD of the air / 0.6551"),
    Column("rayleigh_mean_sigma", "Noise from the mean of the air", "", "Mean of the air / 1.2533"),
    Column("noise_mad", "Noise from wavelets", "", "Median |d| / 0.6745 of the diagonal db2 detail that is not 0"),
    Column("efc", "EFC", "", "Entropy focus criterion, 0 all energy in a voxel, 1 uniform; ghosts and blur raise it"),
    Column("fber_mean", "FBER, means", "", "Mean x^2 of the head / mean x^2 outside it"),
    Column("fber_median", "FBER, medians", "", "Median x^2 of the head / median x^2 outside it, as MRIQC computes it"),
    Column("entropy", "Entropy", "bit", "-sum p log2 p of the histogram over min...max"),
    Column("bins", "Bins", "", "Bins of the histogram", int),
    Column("sharp_tenengrad", "Mean squared gradient", "intensity2 mm-2", "Mean |gradient|^2 in the head"),
    Column("mean_gradient", "Mean gradient", "intensity mm-1", "Mean |gradient| in the head"),
    Column("sharp_var_laplacian", "Variance of the Laplacian", "intensity2",
           "In the head, six-neighbour stencil in voxels; compare on one grid only"),
)  # fmt: skip
TISSUES = (
    Column("tissue_1", "Tissue 1", "", "Name of the first tissue", str),
    Column("tissue_2", "Tissue 2", "", "Name of the second tissue", str),
    Column("cjv", "CJV", "", "(SD1 + SD2) / |mean 1 - mean 2|; noise and shading raise it"),
    Column("contrast", "Contrast", "", "Mean 1 - mean 2"),
    Column("contrast_percent", "Relative contrast", "%", "100 (mean 1 - mean 2) / mean 2"),
    Column("cnr_pooled", "CNR, pooled", "", "|mean 1 - mean 2| / sqrt((SD1^2 + SD2^2) / 2)"),
    Column("cnr_air", "CNR, air", "", "|mean 1 - mean 2| / SD of the air"),
    Column("cnr_rss", "CNR, root sum of squares", "", "|mean 1 - mean 2| / sqrt(SD_air^2 + SD1^2 + SD2^2)"),
)


class MrQuality(NamedTuple):
    """Outputs of `measure_mr_quality` by role."""

    table: Measurements
    labels: Labels


@dataclass(frozen=True)
class MeasureMrQuality(Operation):
    """Measure the quality of a magnitude MR image without a reference.

    The head is found by Otsu's threshold, largest component, closing and filling of holes; air is what lies more
    than 6 voxels outside it. Either can be given.

    `cjv = (SD1 + SD2) / |mean 1 - mean 2|` of two tissues (Ganzetti et al. 2016). `efc = -sum (x / B) ln(x / B)
    / (sqrt(N) ln sqrt(N))`, `B = sqrt(sum x^2)` over the whole image (Atkinson et al. 1997), normalised so that a
    uniform image gives 1. `fber_mean`, mean energy in the head over mean energy outside it (Shehzad et al. 2015);
    MRIQC takes medians, here `fber_median`. Noise from the air by SD and mean (Rayleigh, Gudbjartsson and Patz
    1995) and from the finest wavelet detail (Donoho and Johnstone 1994, as in scikit-image). Entropy of the
    histogram. Sharpness: mean squared and mean gradient in mm, variance of the Laplacian.

    An air without noise (skull-stripped, masked) leaves what divides by it undefined (`no_background_noise`). Energy
    has no meaning for signed values such as HU: EFC and FBER are then undefined (`negative_values`) unless `negative`
    says otherwise. NaN and infinity are left out of statistics and counted; what looks at neighbours is refused.

    Inputs
    ------
    image
        Magnitude image.
    tissues
        Two tissues, usually white and grey matter, for CJV and CNR.
    mask
        The head; found automatically if not given.
    air
        Air without ghosts; found automatically if not given.

    Outputs
    -------
    table
        One row.
    labels
        Head and air as they were used.

    Parameters
    ----------
    tissue_1
        Segment of the first tissue; empty: the first segment.
    tissue_2
        Segment of the second tissue; empty: the first other segment.
    bins
        Bins of the histogram for the entropy.
    negative
        Whether EFC and FBER are undefined for negative values or take the absolute ones.
    """

    name: ClassVar[str] = "measure_mr_quality"
    title: ClassVar[str] = "MR image quality"
    group: ClassVar[str] = "Image quality"
    memory_factor: ClassVar[float] = 6.25
    finite_only: ClassVar[bool] = False
    presets: ClassVar = {"Signed values": {"negative": "absolute"}}

    tissue_1: str = ""
    tissue_2: str = ""
    bins: Annotated[int, Quantity("", low=2, high=65536)] = 256
    negative: Annotated[str, Choice("refuse", "absolute")] = "refuse"

    def run(
        self,
        image: Image,
        tissues: Labels | None = None,
        mask: Mask | None = None,
        air: Mask | None = None,
        *,
        progress: Progress = SILENT,
    ) -> MrQuality:
        array = sitk.GetArrayViewFromImage(image)
        progress.report(0.0, "Finding the head")
        head = inside_of(mask) if mask is not None else body_mask(image, progress.part(0.0, 0.2))
        none = np.zeros(array.shape, bool)
        if air is not None:
            outside = sitk.GetArrayFromImage(air) != 0
        else:
            outside = none if head is None else air_mask(head, progress.part(0.2, 0.3))
        head = none if head is None else head
        progress.report(0.3, "Signal and noise")
        s_head, s_air = sample(array, head, progress, middle=False), sample(array, outside, progress, middle=False)
        wrong = count_nonfinite(array, None, progress)
        warn_nonfinite(wrong, "image", progress)
        found = Findings(n_head=s_head.n, n_air=s_air.n, n_nonfinite=wrong, bins=self.bins)
        if wrong:
            found.warn("nonfinite_left_out")
        _put_noise(found, s_head, s_air)
        columns: tuple[Column, ...] = COLUMNS
        if tissues is not None and len(tissues.segments) > 1:
            self._put_tissues(found, image, tissues, s_air, progress)
            columns = (*COLUMNS, *TISSUES)
        progress.report(0.45, "Energy and entropy")
        self._put_energy(found, array, head, progress)
        progress.report(0.6, "Noise from wavelets")
        found.put("noise_mad", *noise_mad(array, Quiet(progress)))
        progress.report(0.8, "Sharpness")
        sharp = sharpness(array, head, Grid.of(image).spacing_kji, progress)
        found.put("sharp_tenengrad", sharp.tenengrad, sharp.reason)
        found.put("mean_gradient", sharp.gradient, sharp.reason)
        found.put("sharp_var_laplacian", sharp.laplacian, sharp.reason)
        if s_air.n:
            warn_of_air(s_air, progress)
        used = [("Head", image_like(head.view(np.uint8), image)), ("Air", image_like(outside.view(np.uint8), image))]
        progress.report(1.0)
        return MrQuality(Measurements((*columns, WARNINGS, STATUS), (found.row(progress),)), Labels.from_masks(used))

    def _put_tissues(
        self, found: Findings, image: sitk.Image, tissues: Labels, air: Sample, progress: Progress
    ) -> None:
        array = sitk.GetArrayViewFromImage(image)
        first = segment_named(tissues, self.tissue_1) or tissues.segments[0].id
        second = segment_named(tissues, self.tissue_2) or next(s.id for s in tissues.segments if s.id != first)
        one, two = (sample(array, region(tissues, key, image, progress), progress, middle=False)
                    for key in (first, second))  # fmt: skip
        found.values |= {"tissue_1": tissues.find(first).name, "tissue_2": tissues.find(second).name}
        put_contrast(found, one, two, air)

    def _put_energy(self, found: Findings, array: np.ndarray, head: np.ndarray, progress: Progress) -> None:
        """EFC, both FBER and the entropy."""
        n, total, low, high = 0, [], math.inf, -math.inf
        for values in finite_in(array, None, progress):
            n += values.size
            total.append(float(np.square(values).sum()))
            if values.size:
                low, high = min(low, float(values.min())), max(high, float(values.max()))
        keys = ("efc", "fber_mean", "fber_median")
        if n == 0:
            found.missing("nonfinite_input", *keys, "entropy")
            return
        found.put("entropy", _entropy_bits(array, low, high, self.bins, progress))
        if low < 0 and self.negative == "refuse":
            found.missing("negative_values", *keys)
            progress.warn("The image has negative values; EFC and FBER are told for magnitudes only.")
            return
        root = math.sqrt(math.fsum(total))
        if root == 0 or n == 1:
            found.missing("zero_variance" if n > 1 else "single_voxel", "efc")
        else:
            terms = []
            for values in finite_in(array, None, progress):
                x = np.abs(values[values != 0]) / root
                terms.append(-float((x * np.log(x)).sum()))
            found.put("efc", math.fsum(terms) / (math.sqrt(n) * math.log(math.sqrt(n))))
        if not head.any() or head.all():
            found.missing("no_head" if not head.any() else "no_background_noise", "fber_mean", "fber_median")
            return
        inner, outer = (sample(array, where, progress, of=np.square) for where in (head, ~head))
        found.ratio("fber_mean", inner.mean, outer.mean, "no_background_noise")
        found.ratio("fber_median", inner.median, outer.median, "no_background_noise")


def _put_noise(found: Findings, head: Sample, air: Sample) -> None:
    why = "no_head" if head.n == 0 else head.reason
    found.put("mean_head", head.mean, why)
    found.put("sd_head", head.sd, why)
    none = "no_background_noise" if air.n == 0 else air.reason
    found.put("mean_air", air.mean, none)
    found.put("sd_air", air.sd, none)
    found.ratio("air_zero_percent", 100 * air.zeros, air.n, "no_background_noise")
    put_rayleigh(found, head, air)


def _entropy_bits(array: np.ndarray, low: float, high: float, bins: int, progress: Progress) -> float:
    counts = np.zeros(bins, np.int64)
    for values in finite_in(array, None, progress):
        counts += np.bincount(bin_numbers(values, low, high, bins), minlength=bins)
    return entropy(counts) / math.log(2)
