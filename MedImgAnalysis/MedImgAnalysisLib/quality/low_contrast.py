"""How well faint objects can be seen in noise."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, ClassVar, NamedTuple

import numpy as np
import SimpleITK as sitk

from ..errors import InputError
from ..operation import Operation
from ..parameters import Quantity
from ..progress import SILENT, Progress
from ..values import Column, Curve, Curves, Image, Labels, Measurements
from .arrays import count_nonfinite, region, sample, segment_named, warn_nonfinite
from .findings import STATUS, WARNINGS, Findings
from .measure_signal import is_not_zero
from .noise_power_spectrum import FEW, SIZES
from .planes import Planes
from .spectrum import Spectrum, places, spectrum_of
from .uniformity import depth_inside, disc_means, disc_pixels

CONFIDENCE = 3.29
SMALLEST = 16

COLUMNS = (
    Column("segment", "Object", "", "Name of the object", str),
    Column("n_obj", "Object voxels", "", "Finite voxels of the object", int),
    Column("n_bg", "Background voxels", "", "Finite voxels of the background", int),
    Column("n_nonfinite", "Non-finite voxels", "", "Voxels NaN or infinite in both, left out", int),
    Column("diameter_mm", "Diameter", "mm", "Of the disc with the object's mean area in a slice"),
    Column("contrast", "Contrast", "", "Mean of the object - mean of the background, HU for CT"),
    Column(
        "contrast_percent",
        "Relative contrast",
        "%",
        "100 contrast / mean of the background; undefined where that is 0 within 3 standard errors",
    ),
    Column("cnr_bg", "CNR", "", "|contrast| / SD of the background"),
    Column("cnr_pooled", "CNR, pooled", "", "|contrast| / sqrt((SD_obj^2 + SD_bg^2) / 2)"),
    Column("rose_snr", "Rose SNR", "", "cnr_bg sqrt(n_obj); valid for white noise only"),
    Column("npw_dprime", "d' (NPW)", "", "Detectability index of the non-prewhitening observer in one slice, MTF = 1"),
    Column("noise_model", "Noise model", "", "Whether the NPS was measured in the background or taken as white", str),
    WARNINGS,
    STATUS,
)
LIMITS = (
    Column("diameter_mm", "Diameter", "mm", "Diameter of the discs"),
    Column("n_rois", "Discs", "", "Discs that fit side by side into the background", int),
    Column("n_pixels", "Pixels", "", "Pixels of a disc", int),
    Column("sd_of_means", "SD of means", "", "Sample SD of the means of the discs"),
    Column("limit", "Detection limit", "", "3.29 SD of the means: contrast told from none with 95 % confidence"),
    Column("limit_white", "Limit for white noise", "", "3.29 SD / sqrt(pixels)"),
    STATUS,
)


class LowContrastResult(NamedTuple):
    """Outputs of `low_contrast` by role."""

    table: Measurements
    limits: Measurements
    curves: Curves


@dataclass(frozen=True)
class LowContrast(Operation):
    """Measure the contrast of faint objects and whether they can be told from noise.

    contrast, CNR against the background, and Rose's SNR `|contrast| sqrt(n) / SD`, which holds for white noise
    only. The detectability index of the non-prewhitening observer takes the colour of the noise into account:
    `d'^2 = (integral |W|^2 df)^2 / integral |W|^2 NPS df` with W the spectrum of a disc of the object's area and
    contrast (as it appears, MTF = 1) and the NPS measured in the background, or white
    (`d' = |C| sqrt(A / NPS0)`, NPS0 = variance times pixel area) where fewer than 10 regions fit.

    The statistical detection limit at diameter D is 3.29 times the SD of the means of non-overlapping discs of that
    size in the background: what differs by more is told from the background with 95 % confidence each way
    (Chao et al. 2000; white noise: `3.29 SD / sqrt(n)`). Voxels NaN or infinite are left out and counted.

    Inputs
    ------
    image
        Image of a phantom with faint objects; slices lie across the third axis.
    regions
        Objects and one background segment.

    Outputs
    -------
    table
        One row per object.
    limits
        One row per diameter.
    curves
        Detection limit over the diameter.

    Parameters
    ----------
    background
        Segment of the background; empty: the segment named Background, else the last one.
    diameters_mm
        Diameters of the discs for the detection limit.
    """

    name: ClassVar[str] = "low_contrast"
    revision: ClassVar[int] = 2
    title: ClassVar[str] = "Low contrast detectability"
    group: ClassVar[str] = "Image quality"
    memory_factor: ClassVar[float] = 2.0
    finite_only: ClassVar[bool] = False

    background: str = ""
    diameters_mm: Annotated[tuple[float, ...], Quantity("mm", low=0.5, high=100.0)] = (2.0, 3.0, 5.0, 7.0, 10.0)

    def run(self, image: Image, regions: Labels, *, progress: Progress = SILENT) -> LowContrastResult:
        progress.report(0.0, "Low contrast")
        if len(regions.segments) < 2:
            raise InputError("Low contrast needs a background and at least one object; the segmentation has "
                             f"{len(regions.segments)} segments.", role="regions")  # fmt: skip
        array = sitk.GetArrayViewFromImage(image)
        warn_nonfinite(count_nonfinite(array, None, progress), "image", progress)
        key = segment_named(regions, self.background, "background") or regions.segments[-1].id
        inside = region(regions, key, image, progress)
        progress.check()
        around = sample(array, inside, progress)
        planes = Planes(image, inside)
        spectrum = None if around.nonfinite or not around.n else _spectrum(planes, progress.part(0.1, 0.4))
        rows = []
        for number, segment in enumerate(s for s in regions.segments if s.id != key):
            progress.report(0.4 + 0.3 * number / len(regions.segments), f"Measuring {segment.name}")
            where = region(regions, segment.id, image, progress)
            progress.check()
            obj = sample(array, where, progress)
            found = Findings(
                segment=segment.name, n_obj=obj.n, n_bg=around.n, n_nonfinite=obj.nonfinite + around.nonfinite
            )
            why = next((s.reason for s in (obj, around) if s.n < 2), "")
            gap = obj.mean - around.mean
            progress.check()
            slices = int(np.count_nonzero(planes.of(where).any(axis=(1, 2))))
            area = np.count_nonzero(where) / max(1, slices) * planes.spacing[1] * planes.spacing[2]
            found.put("diameter_mm", 2 * math.sqrt(area / math.pi))
            found.put("contrast", gap, why)
            found.ratio("contrast_percent", 100 * gap, around.mean if is_not_zero(around) else 0.0, why or "zero_mean")
            found.ratio("cnr_bg", abs(gap), around.sd, why or "zero_variance")
            found.ratio("cnr_pooled", abs(gap), math.sqrt((obj.sd**2 + around.sd**2) / 2), why or "zero_variance")
            found.put("rose_snr", found.values["cnr_bg"] * math.sqrt(obj.n), why or "zero_variance")
            _put_dprime(found, gap, area, around.sd, planes, spectrum, why or "zero_variance")
            rows.append(found.row(progress))
        limits = self._limits(planes, around.sd, progress.part(0.7, 1.0))
        curve = [row for row in limits if math.isfinite(row["limit"])]
        x = np.array([row["diameter_mm"] for row in curve])
        series = tuple(Curve(name, x, np.array([row[k] for row in curve])) for name, k in
                       (("Measured", "limit"), ("White noise", "limit_white")))  # fmt: skip
        return LowContrastResult(
            Measurements(COLUMNS, tuple(rows)),
            Measurements(LIMITS, tuple(limits)),
            Curves("Low contrast detection limit", "Diameter", "Contrast", series if curve else (), "mm"),
        )

    def _limits(self, planes: Planes, sd: float, progress: Progress) -> list[dict]:
        inside = planes.inside
        assert inside is not None
        spacing = planes.spacing[1:]
        rows = []
        for number, diameter in enumerate(self.diameters_mm):
            progress.report(number / len(self.diameters_mm), "Detection limits")
            # Lattice steps of a whole disc keep the discs apart.
            steps = [math.floor(diameter / s + 1e-9) + 1 for s in spacing]
            means: list[float] = []
            for plane, where in zip(planes.array[planes.box], inside[planes.box]):
                progress.check()
                good = where & np.isfinite(plane)
                if not good.any():
                    continue
                fits = (depth_inside(good, spacing) > diameter / 2)[:: steps[0], :: steps[1]]
                if not fits.any():
                    continue
                local = disc_means(plane.astype(np.float64), good, diameter / 2, spacing)
                means += local[:: steps[0], :: steps[1]][fits].tolist()
            pixels = disc_pixels(diameter / 2, spacing)
            found = Findings(diameter_mm=diameter, n_rois=len(means), n_pixels=pixels)
            spread = float(np.std(means, ddof=1)) if len(means) >= FEW else math.nan
            found.put("sd_of_means", spread, "too_small")
            found.put("limit", CONFIDENCE * spread, "too_small")
            found.put("limit_white", CONFIDENCE * sd / math.sqrt(pixels), "zero_variance")
            row = found.row()
            del row["warnings"]
            rows.append(row)
        return rows


def _spectrum(planes: Planes, progress: Progress) -> Spectrum | None:
    """NPS of the background from the largest regions of which 10 fit; None where none of 16 pixels does."""
    for side in (size for size in SIZES if size >= SMALLEST):
        progress.check()
        corners = places(planes.array.shape, (1, side, side), planes.inside, progress)
        if len(corners) >= FEW:
            return spectrum_of(planes.array, corners, (1, side, side), planes.spacing, "poly2", progress)
    return None


def _put_dprime(
    found: Findings, gap: float, area: float, sd: float, planes: Planes, spectrum: Spectrum | None, why: str
) -> None:
    if spectrum is None or spectrum.integral == 0:
        nps0 = sd**2 * planes.spacing[1] * planes.spacing[2]
        found.values["noise_model"] = "white"
        found.warn("white_noise_assumed")
        found.put("npw_dprime", abs(gap) * math.sqrt(area / nps0) if nps0 > 0 else math.nan, why)
        return
    found.values["noise_model"] = "measured"
    frequency, power = (values[1:] for values in spectrum.radial())
    found.put("npw_dprime", disc_dprime(gap, area, frequency, power, spectrum.biased()), why)


def disc_dprime(contrast: float, area: float, frequency: np.ndarray, power: np.ndarray, biased: int = 1) -> float:
    """d' of the non-prewhitening observer for a disc, by radial integration up to Nyquist.

    Parameters
    ----------
    contrast, area
        Difference to the background, and area in mm2.
    frequency, power
        Radial NPS without frequency 0, in 1/mm and intensity2 mm2.
    biased
        How many of its first rings detrending lowers; they are replaced by the next one.
    """
    from scipy.special import j1

    if area <= 0 or not math.isfinite(contrast):
        return math.nan
    if power.size > biased:
        power = np.concatenate([np.full(biased, power[biased]), power[biased:]])
    f = np.linspace(0, frequency[-1], 4001)[1:]
    u = np.pi * 2 * math.sqrt(area / math.pi) * f
    task = np.square(contrast * area * 2 * j1(u) / u) * 2 * np.pi * f
    below = np.trapezoid(task * np.interp(f, frequency, power), f)
    return float(np.trapezoid(task, f) / math.sqrt(below)) if below > 0 else math.nan
