"""Features of segments: shape, intensity and texture by the definitions of IBSI."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np
import SimpleITK as sitk

from ...errors import InputError, ParameterError
from ...operation import Operation
from ...parameters import Choice, Quantity
from ...progress import SILENT, Progress
from ...values import Column, Image, Labels, Measurements
from .. import arrays
from ..findings import STATUS, Findings
from . import (
    cooccurrence,
    distance_zone,
    histogram,
    local_peaks,
    morphology,
    neighbourhood,
    run_length,
    size_zone,
    statistics,
    volume_histogram,
)
from .feature import AGGREGATIONS, UNDIRECTED, without_direction
from .matrix import Numbers
from .preparation import prepared
from .region import Levels, Region, fixed_bin_number, fixed_bin_width
from .zones import zones

FIRST = (
    Column("segment", "Segment", "", "Name of the segment", str),
    Column("n_voxels", "Voxels", "", "Voxels that intensity and texture are of, after re-segmentation", int),
    Column("n_voxels_shape", "Voxels of the shape", "", "Voxels before re-segmentation", int),
    Column("n_levels", "Grey levels", "", "Number of grey levels N_g that texture is of", int),
    Column("level_width", "Width of a level", "", "Intensity range of one grey level"),
    Column("spacing_i_mm", "Voxel size i", "mm", "Voxel size that features were taken at, along i"),
    Column("spacing_j_mm", "Voxel size j", "mm", "The same along j"),
    Column("spacing_k_mm", "Voxel size k", "mm", "The same along k"),
)
SHAPE = morphology.FEATURES
INTENSITY = (*local_peaks.FEATURES, *statistics.FEATURES)
LEVELS = (*histogram.FEATURES, *volume_histogram.FEATURES)
DIRECTED = (*cooccurrence.FEATURES, *run_length.FEATURES)
NOT_DIRECTED = (
    *size_zone.FEATURES,
    *distance_zone.FEATURES,
    *neighbourhood.DIFFERENCE_FEATURES,
    *neighbourhood.DEPENDENCE_FEATURES,
)


@dataclass(frozen=True)
class MeasureFeatures(Operation):
    """Measure shape, intensity and texture of segments by the definitions of IBSI.

    Radiomic features for studies: morphology, local intensity, statistics, intensity histogram, intensity-volume
    histogram, and the texture matrices of co-occurrence, run length, size zone, distance zone, neighbourhood grey
    tone difference and grey level dependence. Each column carries the IBSI tag and code of its feature in its
    description (Zwanenburg et al. 2020, Radiology 295:328; reference manual arXiv:1612.07003).

    The steps in order: resampling on a lattice with the same middle, rounding, re-segmentation (intensity mask only,
    the shape stays), grey levels. What is chosen here changes the numbers: features of other settings cannot be
    compared, and the settings belong in every report. Levels of a fixed bin number are `floor(N (x - min) / (max -
    min)) + 1`, of a fixed bin width `floor((x - x0) / w) + 1` with x0 the lower end of the range, else the smallest
    intensity. PyRadiomics puts the edges at multiples of w, adds 3 to the kurtosis, divides the covariance by n, and
    resamples otherwise.

    Slices of 2-D and 2.5-D texture lie along k; merged and averaged texture are different features. Features that are
    not defined (texture of a single voxel, autocorrelation of constant intensity) are empty with a status.

    Inputs
    ------
    image
        Image to measure.
    labels
        Segments; those on another grid are resampled to the image first (nearest neighbour).

    Outputs
    -------
    table
        One row per segment, one column per feature.

    Parameters
    ----------
    discretisation
        Grey levels by a fixed number of bins (arbitrary units, such as MR), or of a fixed width (calibrated ones,
        such as HU or SUV).
    bins
        Number of bins for a fixed bin number.
    bin_width
        Width of a bin in intensity units for a fixed bin width.
    resample_mm
        New voxel size: none leaves it, one value for all axes, two for i and j (slices stay), three for i, j and k.
    interpolation
        How intensities are resampled; masks always linearly, inside where at least one half.
    round_intensities
        Whether resampled intensities are rounded to whole numbers: of whole-numbered images such as CT, always or
        never.
    range_low
        Intensities below are left out of intensity and texture; if not set, none are.
    range_high
        Intensities above are left out of intensity and texture; if not set, none are.
    outliers_sd
        Intensities further than this many SD from the mean of the segment are left out; if not set, none are.
    aggregation
        How texture of slices and directions becomes one number; all gives columns for every way.
    ivh_bin_width
        Bin width of the intensity-volume histogram, for calibrated fractional intensities such as SUV; if not set,
        whole numbers are taken as they are and others in 1000 bins.
    shape
        Measure morphology.
    intensity
        Measure local peaks, statistics and histograms.
    texture
        Measure the texture matrices.
    """

    name: ClassVar[str] = "measure_features"
    title: ClassVar[str] = "Radiomic features (IBSI)"
    group: ClassVar[str] = "Features"
    memory_factor: ClassVar[float] = 3.0
    finite_only: ClassVar[bool] = False
    presets: ClassVar = {
        "MR, 32 levels": {"bins": 32},
        "CT, 25 HU, 1 mm": {
            "discretisation": "bin_width",
            "bin_width": 25.0,
            "resample_mm": (1.0,),
            "range_low": -1000.0,
        },
        "CT, IBSI configuration C": {
            "discretisation": "bin_width",
            "bin_width": 25.0,
            "resample_mm": (2.0,),
            "range_low": -1000.0,
            "range_high": 400.0,
        },
        "PET, 0.25 SUV, 2 mm": {
            "discretisation": "bin_width",
            "bin_width": 0.25,
            "resample_mm": (2.0,),
            "range_low": 0.0,
            "ivh_bin_width": 0.1,
        },
        "Shape only": {"intensity": False, "texture": False},
    }

    discretisation: Annotated[str, Choice("bin_number", "bin_width")] = "bin_number"
    bins: Annotated[int, Quantity("", low=2, high=4096)] = 32
    bin_width: Annotated[float, Quantity("", low=1e-9, high=1e9)] = 25.0
    resample_mm: Annotated[tuple[float, ...], Quantity("mm", low=0.05, high=50.0)] = ()
    interpolation: Annotated[str, Choice("linear", "cubic")] = "linear"
    round_intensities: Annotated[str, Choice("whole_numbered_images", "always", "never")] = "whole_numbered_images"
    range_low: Annotated[float | None, Quantity("")] = None
    range_high: Annotated[float | None, Quantity("")] = None
    outliers_sd: Annotated[float | None, Quantity("SD", low=0.5, high=20.0)] = None
    aggregation: Annotated[str, Choice(*AGGREGATIONS, "all")] = "3D_comb"
    ivh_bin_width: Annotated[float | None, Quantity("", low=1e-9, high=1e9)] = None
    shape: bool = True
    intensity: bool = True
    texture: bool = True

    def check(self) -> None:
        """Refuse an empty range, more than three voxel sizes, and measuring nothing."""
        low, high = self.range_low, self.range_high
        if low is not None and high is not None and not low < high:
            raise ParameterError(
                f"{self.name}: range_low is {low:g} and range_high is {high:g}; low must be below high.",
                operation=self.name,
                field="range_low",
            )
        if len(self.resample_mm) > 3:
            raise ParameterError(
                f"{self.name}: resample_mm has {len(self.resample_mm)} values; give none, one, two or three.",
                operation=self.name,
                field="resample_mm",
            )
        if not (self.shape or self.intensity or self.texture):
            raise ParameterError(
                f"{self.name}: shape, intensity and texture are all off; choose at least one.",
                operation=self.name,
                field="shape",
            )

    def run(self, image: Image, labels: Labels, *, progress: Progress = SILENT) -> Measurements:
        if image.GetDimension() != 3:
            raise InputError(
                "The image is 2-D; features are defined for 3-D images (one slice is enough).", role="image"
            )
        if labels.grid.dimension != 3:
            raise InputError("The segmentation is 2-D and the image 3-D; they do not belong together.", role="labels")
        if not labels.segments:
            raise InputError("The segmentation has no segments to measure.", role="labels")
        array = sitk.GetArrayViewFromImage(image)
        wrong = arrays.count_nonfinite(array, None, progress)
        arrays.warn_nonfinite(wrong, "image", progress, "segments that hold any are not measured")
        rows = []
        for number, segment in enumerate(labels.segments):
            part = progress.part(number / len(labels.segments), (number + 1) / len(labels.segments))
            part.report(0.0, f"Measuring {segment.name}")
            mask = arrays.region(labels, segment.id, image, part)
            region = prepared(
                array,
                mask,
                image.GetSpacing()[::-1],
                self._spacing(),
                self.interpolation == "cubic",
                self._rounded(array.dtype),
            )
            rows.append(self._row(segment.name, region, part))
        progress.report(1.0)
        return Measurements(self.columns(), tuple(rows))

    def columns(self) -> tuple[Column, ...]:
        """The columns of the table for these parameters."""
        found = list(FIRST)
        if self.shape:
            found += [feature.column() for feature in SHAPE]
        if self.intensity:
            found += [feature.column() for feature in (*INTENSITY, *LEVELS)]
        if self.texture:
            for name in self._aggregations():
                found += [feature.column(name, AGGREGATIONS[name]) for feature in DIRECTED]
            for name in without_direction(self._aggregations()):
                found += [feature.column(name, UNDIRECTED[name]) for feature in NOT_DIRECTED]
        return (*found, STATUS)

    def _aggregations(self) -> list[str]:
        return list(AGGREGATIONS) if self.aggregation == "all" else [self.aggregation]

    def _spacing(self) -> tuple[float | None, float | None, float | None]:
        """The wanted voxel size along (k, j, i)."""
        given = self.resample_mm
        if len(given) == 1:
            return given[0], given[0], given[0]
        if len(given) == 2:
            return None, given[1], given[0]
        return (given[2], given[1], given[0]) if given else (None, None, None)

    def _rounded(self, dtype: np.dtype) -> bool:
        return self.round_intensities == "always" or (
            self.round_intensities == "whole_numbered_images" and dtype.kind in "iu"
        )

    def _row(self, name: str, region: Region | None, progress: Progress) -> dict:
        found = Findings(segment=name)
        reason = "empty_region" if region is None else ""
        if region is not None and not np.isfinite(region.values[region.shape]).all():
            region, reason = None, "nonfinite_input"
        if region is None:
            found.values |= {"n_voxels": 0, "n_voxels_shape": 0}
            found.missing(reason, *(c.key for c in self.columns() if c.dtype is float))
            return self._finished(found)
        low = -math.inf if self.range_low is None else self.range_low
        high = math.inf if self.range_high is None else self.range_high
        region = region.resegmented(low, high, self.outliers_sd)
        found.values |= {
            "n_voxels": int(np.count_nonzero(region.inside)),
            "n_voxels_shape": int(np.count_nonzero(region.shape)),
        }
        for axis, size in zip("kji", region.spacing, strict=True):
            found.put(f"spacing_{axis}_mm", size)
        if self.shape:
            morphology.put_morphology(found, region, progress.part(0.0, 0.3))
        progress.report(0.3)
        levels = self._levels(found, region)
        if self.intensity:
            _put_intensity(found, region, levels, self.ivh_bin_width, progress.part(0.3, 0.5))
        progress.report(0.5)
        if self.texture:
            self._put_texture(found, region, levels, progress.part(0.5, 1.0))
        return self._finished(found)

    def _finished(self, found: Findings) -> dict:
        row = found.row()
        del row["warnings"]
        return row

    def _levels(self, found: Findings, region: Region) -> Levels:
        x = region.intensities
        count, width = 0, math.nan
        numbers = np.empty(0, np.int64)
        if x.size and self.discretisation == "bin_number":
            numbers, count = fixed_bin_number(x, self.bins), self.bins
            width = float(np.ptp(x)) / self.bins
            count = count if width > 0 else 1
        elif x.size:
            start = float(x.min()) if self.range_low is None else self.range_low
            numbers, width = fixed_bin_width(x, self.bin_width, start), self.bin_width
            count = int(numbers.max())
        found.values["n_levels"] = count
        found.put("level_width", width, "empty_region")
        return Levels(region.inside, numbers, count)

    def _put_texture(self, found: Findings, region: Region, levels: Levels, progress: Progress) -> None:
        why = "empty_region" if not levels.at.size else "no_neighbours"
        names = self._aggregations()
        plain = without_direction(names)
        steps = len(names) + len(plain)
        for number, name in enumerate(names):
            progress.report(number / steps, f"Texture {name}")
            numbers = cooccurrence.cooccurrence(levels, name, progress) | run_length.run_length(levels, name, progress)
            _put_all(found, numbers, name, why)
        for number, name in enumerate(plain, start=len(names)):
            progress.report(number / steps, f"Texture {name}")
            areas = zones(levels, name, progress)
            numbers = size_zone.size_zone(levels, areas, name, progress)
            numbers |= distance_zone.distance_zone(levels, areas, region.shape, region.inside, name, progress)
            numbers |= neighbourhood.tone_difference(levels, name, progress)
            numbers |= neighbourhood.dependence(levels, name, progress)
            _put_all(found, numbers, name, why)


def _put_all(found: Findings, numbers: Numbers, aggregation: str, why: str) -> None:
    for tag, value in numbers.items():
        single = tag == "cm_info_corr1" and not math.isnan(numbers["cm_joint_max"])
        found.put(f"{tag}_{aggregation}", value, "single_level" if single else why)


def _put_intensity(
    found: Findings, region: Region, levels: Levels, ivh_width: float | None, progress: Progress
) -> None:
    if np.isfinite(region.values).all():
        local_peaks.put_local_peaks(found, region, progress)
    else:
        found.missing("nonfinite_input", *(feature.tag for feature in local_peaks.FEATURES))
    progress.check()
    statistics.put_statistics(found, region.intensities)
    progress.check()
    histogram.put_histogram(found, levels.level, levels.count)
    progress.check()
    volume_histogram.put_volume_histogram(found, region, ivh_width)
