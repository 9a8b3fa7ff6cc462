"""Signal and noise of regions: SNR, CNR, contrast."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np
import SimpleITK as sitk

from ..errors import GeometryError, InputError
from ..geometry import Grid
from ..operation import Operation
from ..progress import SILENT, Progress
from ..values import Column, Image, Labels, Measurements
from .arrays import Sample, count_nonfinite, region, sample, segment_named, shape_of, warn_nonfinite
from .findings import STATUS, WARNINGS, Findings

RAYLEIGH = math.sqrt(2 - math.pi / 2)
"""SD of Rayleigh noise over the SD of the two Gaussian channels: 0.65514."""
RAYLEIGH_MEAN = math.sqrt(math.pi / 2)
"""Mean of Rayleigh noise over the SD of the two Gaussian channels: 1.25331."""


class Signal(NamedTuple):
    """Outputs of `measure_signal` by role."""

    table: Measurements
    pairs: Measurements


STATISTICS = (
    Column("segment", "Segment", "", "Name of the region", str),
    Column("n", "Voxels", "", "Finite voxels in the region", int),
    Column("n_nonfinite", "Non-finite voxels", "", "Voxels that are NaN or infinite and were left out", int),
    Column("mean", "Mean", "", "Mean of the voxel values"),
    Column("sd", "SD", "", "Sample standard deviation (n - 1)"),
    Column("median", "Median", "", "Median of the voxel values"),
    Column("min", "Minimum", "", "Smallest value"),
    Column("max", "Maximum", "", "Largest value"),
    Column("skewness", "Skewness", "", "Third central moment over SD^3, moments with n"),
    Column("kurtosis", "Kurtosis", "", "Fourth central moment over SD^4 minus 3 (excess), moments with n"),
)
ONE_REGION = (
    Column("snr_roi", "SNR, one region", "", "Mean / SD of the region; shading and texture lower it"),
    Column("cov_percent", "Coefficient of variation", "%", "100 SD / mean"),
    Column(
        "integral_uniformity_percent",
        "Integral uniformity",
        "%",
        "100 (1 - (max - min) / (max + min)) of single voxels, which noise lowers; see the operation uniformity",
    ),
)
TWO_REGION = (
    Column("snr_two_region", "SNR, two regions", "", "0.6551 mean / SD of the air (Rayleigh background)"),
    Column("rayleigh_sd_air", "SD of the air", "", "Sample standard deviation in the air region"),
    Column("rayleigh_sigma", "Noise from the SD of the air", "", "SD of the air / 0.6551"),
    Column("rayleigh_mean_sigma", "Noise from the mean of the air", "", "Mean of the air / 1.2533"),
)
DIFFERENCE = (
    Column("mean_signal_nema", "Signal of both", "", "Mean of the average of the two acquisitions"),
    Column("noise_sd_nema", "Noise from the difference", "", "SD of the difference / sqrt(2)"),
    Column("snr_nema", "SNR, difference method", "", "sqrt(2) S / SD(A - B), NEMA MS 1 method 1"),
)
PAIR = (
    Column("segment_1", "Region 1", "", "Name of the region whose contrast is told", str),
    Column("segment_2", "Region 2", "", "Name of the region that it is compared with", str),
    Column("contrast", "Contrast", "", "Mean 1 - mean 2"),
    Column(
        "contrast_percent",
        "Relative contrast",
        "%",
        "100 (mean 1 - mean 2) / mean 2; undefined where mean 2 is 0 within 3 standard errors",
    ),
    Column("cnr_pooled", "CNR, pooled", "", "|mean 1 - mean 2| / sqrt((SD1^2 + SD2^2) / 2)"),
    Column("cjv", "CJV", "", "(SD1 + SD2) / |mean 1 - mean 2|, coefficient of joint variation"),
)
PAIR_AIR = (
    Column("cnr_air", "CNR, air", "", "|mean 1 - mean 2| / SD of the air"),
    Column("cnr_rss", "CNR, root sum of squares", "", "|mean 1 - mean 2| / sqrt(SD_air^2 + SD1^2 + SD2^2)"),
)


@dataclass(frozen=True)
class MeasureSignal(Operation):
    """Measure signal, noise, SNR, contrast and CNR of regions.

    For each region mean, SD (n - 1), median and extremes, and the signal-to-noise ratio by every method that
    the inputs allow:

    one region: `snr_roi = mean / SD`. Shading and texture in the region raise the SD.

    two regions: `snr_two_region = 0.6551 mean / SD_air`, `0.6551 = sqrt(2 - pi / 2)`. Valid for magnitude MR
    from a single coil without parallel imaging, where the background is Rayleigh distributed (Gudbjartsson
    and Patz 1995). The noise is also told from the mean of the air, `mean_air / 1.2533`; where the two
    differ by more than a tenth the background is not Rayleigh and a warning says so.

    difference: `snr_nema = sqrt(2) S / SD(A - B)` with S the mean of (A + B) / 2, from two acquisitions that
    differ in noise only (NEMA MS 1 method 1; Dietrich et al. 2007). Best for coil arrays.

    Pairs of regions get contrast and contrast-to-noise ratio in three forms that are not the same number:
    `cnr_air` (Magnotta and Friedman 2006), `cnr_pooled`, and `cnr_rss` (the form of MRIQC). Decibels are
    20 log10 of the amplitude ratio. Voxels that are NaN or infinite are left out and counted.

    Inputs
    ------
    image
        Image to measure; no resampling takes place.
    regions
        Regions of interest, one per segment.
    repeat
        Second acquisition with the same settings, for the difference method; must be on the grid of the image.

    Outputs
    -------
    table
        One row per region.
    pairs
        One row per pair of regions, or per region against the background region.

    Parameters
    ----------
    air
        Segment in air, for the two-region SNR; empty: the segment named Air, if there is one.
    background
        Segment that every other is compared with; empty: the segment named Background, else all pairs.
    decibel
        Tell SNR and CNR in decibel as well.
    """

    name: ClassVar[str] = "measure_signal"
    title: ClassVar[str] = "Signal, noise and contrast"
    group: ClassVar[str] = "Image quality"
    memory_factor: ClassVar[float] = 1.0
    finite_only: ClassVar[bool] = False
    presets: ClassVar = {"With decibel": {"decibel": True}}

    air: str = ""
    background: str = ""
    decibel: bool = False

    def run(self, image: Image, regions: Labels, repeat: Image | None = None, *, progress: Progress = SILENT) -> Signal:
        array = sitk.GetArrayViewFromImage(image)
        warn_nonfinite(count_nonfinite(array, None, progress), "image", progress)
        second = _same_grid(image, repeat, progress)
        air_id = segment_named(regions, self.air, "air")
        if not regions.segments:
            raise InputError("The segmentation has no segments to measure.", role="regions")
        samples: dict[str, Sample] = {}
        shapes: dict[str, tuple[float, float]] = {}
        repeats: dict[str, tuple[Sample, Sample]] = {}
        for number, segment in enumerate(regions.segments):
            progress.report(number / len(regions.segments), f"Measuring {segment.name}")
            inside = region(regions, segment.id, image, progress)
            s = samples[segment.id] = sample(array, inside, progress)
            shapes[segment.id] = shape_of(array, inside, s, progress)
            if second is not None:
                repeats[segment.id] = of_repeat(array, second, inside, progress)
        names = {segment.id: segment.name for segment in regions.segments}
        air = samples[air_id] if air_id else None
        if air is not None:
            warn_of_air(air, progress)
        rows = [self._row(names[key], s, shapes[key], air, repeats.get(key), progress) for key, s in samples.items()]
        pairs = [self._pair(names[a], names[b], samples[a], samples[b], air) for a, b in self._pairs(regions, air_id)]
        progress.report(1.0)
        first = (
            *STATISTICS,
            *self._with_db(ONE_REGION),
            *(self._with_db(TWO_REGION) if air else ()),
            *(self._with_db(DIFFERENCE) if second is not None else ()),
            WARNINGS,
            STATUS,
        )
        other = (*self._with_db(PAIR), *(self._with_db(PAIR_AIR) if air else ()), WARNINGS, STATUS)
        return Signal(Measurements(first, tuple(rows)), Measurements(other, tuple(pairs)))

    def _with_db(self, columns: tuple[Column, ...]) -> tuple[Column, ...]:
        more = [
            Column(f"{c.key}_db", f"{c.title}, decibel", "dB", f"20 log10 of {c.key}")
            for c in columns
            if self.decibel and c.key.startswith(("snr_", "cnr_"))
        ]
        return (*columns, *more)

    def _pairs(self, regions: Labels, air_id: str | None) -> list[tuple[str, str]]:
        ids = [segment.id for segment in regions.segments if segment.id != air_id]
        background = segment_named(regions, self.background, "background")
        if background:
            return [(key, background) for key in ids if key != background]
        return list(itertools.combinations(ids, 2))

    def _row(
        self,
        name: str,
        s: Sample,
        shape: tuple[float, float],
        air: Sample | None,
        repeat: tuple[Sample, Sample] | None,
        progress: Progress,
    ) -> dict:
        found = Findings(segment=name, n=s.n, n_nonfinite=s.nonfinite)
        for key, value in (("mean", s.mean), ("sd", s.sd), ("median", s.median), ("min", s.low), ("max", s.high)):
            found.put(key, value, s.reason)
        found.put("skewness", shape[0], s.reason)
        found.put("kurtosis", shape[1], s.reason)
        found.ratio("snr_roi", s.mean, s.sd, s.reason)
        found.ratio("cov_percent", 100 * s.sd, s.mean, s.reason if s.n < 2 else "zero_mean")
        # Of signed values the ratio has no meaning, and its denominator can be anything.
        spread = (s.high - s.low) / (s.high + s.low) if s.n and s.low >= 0 and s.high > 0 else math.nan
        found.put(
            "integral_uniformity_percent",
            100 * (1 - spread),
            s.reason if not s.n else "zero_mean" if s.high == 0 else "negative_values",
        )
        if air is not None:
            found.put("rayleigh_sd_air", air.sd, air.reason)
            put_rayleigh(found, s, air)
        if repeat is not None:
            put_nema(found, *repeat)
        if self.decibel:
            for key in ("snr_roi", "snr_two_region", "snr_nema"):
                if key in found.values:
                    found.decibel(key)
        if s.nonfinite:
            found.warn("nonfinite_left_out")
        return found.row(progress)

    def _pair(self, name_1: str, name_2: str, a: Sample, b: Sample, air: Sample | None) -> dict:
        found = Findings(segment_1=name_1, segment_2=name_2)
        put_contrast(found, a, b, air)
        if self.decibel:
            for key in ("cnr_pooled", "cnr_air", "cnr_rss"):
                if key in found.values:
                    found.decibel(key)
        return found.row()


def put_rayleigh(found: Findings, signal: Sample, air: Sample) -> None:
    """Two-region SNR and the two estimates of the noise; 0 noise in the air is no noise that can be divided by."""
    why = air.reason if air.n < 2 else "no_background_noise"
    noisy = air.n > 1 and air.sd > 0
    found.put(
        "snr_two_region", RAYLEIGH * signal.mean / air.sd if noisy else math.nan, why if not noisy else signal.reason
    )
    found.put("rayleigh_sigma", air.sd / RAYLEIGH if noisy else math.nan, why)
    found.put("rayleigh_mean_sigma", air.mean / RAYLEIGH_MEAN if noisy else math.nan, why)
    for word in words_of_air(air):
        found.warn(word)


def words_of_air(air: Sample) -> list[str]:
    """`not_rayleigh` and `background_mostly_zero`, where they hold."""
    words = []
    if air.n > 1 and air.sd > 0:
        by_sd, by_mean = air.sd / RAYLEIGH, air.mean / RAYLEIGH_MEAN
        if abs(by_sd - by_mean) > 0.1 * max(by_sd, by_mean):
            words.append("not_rayleigh")
        if air.zeros > air.n / 2:
            words.append("background_mostly_zero")
    return words


def put_nema(found: Findings, both: Sample, difference: Sample) -> None:
    """SNR by the difference method."""
    found.put("mean_signal_nema", both.mean, both.reason)
    found.put("noise_sd_nema", difference.sd / math.sqrt(2), difference.reason)
    found.ratio("snr_nema", math.sqrt(2) * both.mean, difference.sd, difference.reason)


def put_contrast(found: Findings, a: Sample, b: Sample, air: Sample | None) -> None:
    """Contrast, the three forms of the CNR, and CJV."""
    empty = next((s.reason for s in (a, b) if s.n < 2), "")
    gap = a.mean - b.mean
    found.put("contrast", gap, empty)
    found.ratio("contrast_percent", 100 * gap, b.mean if is_not_zero(b) else 0.0, empty or "zero_mean")
    found.ratio("cnr_pooled", abs(gap), math.sqrt((a.sd**2 + b.sd**2) / 2), empty or "zero_variance")
    found.ratio("cjv", a.sd + b.sd, abs(gap), empty or "zero_contrast")
    if air is not None:
        quiet = air.reason if air.n < 2 else "no_background_noise"
        found.ratio("cnr_air", abs(gap), air.sd, empty or quiet)
        root = math.sqrt(air.sd**2 + a.sd**2 + b.sd**2) if air.sd > 0 else math.nan
        found.put("cnr_rss", abs(gap) / root, empty or quiet)


def is_not_zero(s: Sample) -> bool:
    """Whether a mean can be told from 0 (three standard errors): percentages of one that cannot are noise."""
    return s.n > 1 and abs(s.mean) > 3 * s.sd / math.sqrt(s.n)


def of_repeat(first: np.ndarray, second: np.ndarray, inside: np.ndarray, progress: Progress) -> tuple[Sample, Sample]:
    """Samples of (A + B) / 2 and of A - B in a region; a voxel that is not finite in either is left out of both."""
    a, b = first[inside].astype(np.float64), second[inside].astype(np.float64)
    with np.errstate(invalid="ignore"):
        both, difference = (a + b) / 2, a - b
    both[~np.isfinite(difference)] = np.nan
    return sample(both, None, progress, middle=False), sample(difference, None, progress, middle=False)


def _same_grid(image: sitk.Image, repeat: sitk.Image | None, progress: Progress) -> np.ndarray | None:
    if repeat is None:
        return None
    if not Grid.of(repeat).same_as(Grid.of(image)):
        raise GeometryError(
            "The repeat is on another grid than the image; resampling would change its noise. The difference method "
            "needs two acquisitions with the same settings and the same geometry (and they must overlap).",
            role="repeat",
        )
    array = sitk.GetArrayFromImage(repeat)
    warn_nonfinite(count_nonfinite(array, None, progress), "repeat", progress)
    return array


def warn_of_air(air: Sample, progress: Progress) -> None:
    """Say what makes the noise of the air doubtful."""
    words = words_of_air(air)
    if "not_rayleigh" in words:
        progress.warn(
            "The air region does not look like Rayleigh noise (SD and mean tell noise levels that differ by more than "
            "a tenth): filtered, masked, a coil array or no magnitude image. Prefer the difference method."
        )
    if "background_mostly_zero" in words:
        progress.warn("More than half of the air region is exactly 0: it was masked or cut off; its noise is doubtful.")
