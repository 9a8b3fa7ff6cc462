"""Noise power spectrum of a uniform region."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, ClassVar, NamedTuple

import numpy as np
import SimpleITK as sitk

from ..errors import GeometryError, InputError
from ..geometry import Grid
from ..operation import Operation
from ..parameters import Choice, Quantity
from ..progress import SILENT, Progress
from ..values import Column, Curve, Curves, Image, Mask, Measurements
from .arrays import count_nonfinite, inside_of, warn_nonfinite
from .findings import STATUS, WARNINGS, Findings
from .planes import Planes, SliceAxis
from .spectrum import Spectrum, places, spectrum_of

FEW = 10
SIZES = (128, 96, 64, 48, 32, 24, 16, 12, 8)
NUMBERS = ("integral", "mean_roi_variance", "noise_sd", "nps_mean_excl_dc", "f_peak", "f_av", "f_mean_nd")


class NoisePower(NamedTuple):
    """Outputs of `noise_power_spectrum` by role."""

    table: Measurements
    curves: Curves


def columns_of(dimensions: int) -> tuple[Column, ...]:
    """The columns; units depend on the number of dimensions."""
    unit = f"intensity2 mm{dimensions}"
    return (
        Column("dimensions", "Dimensions", "", "2 for slices, 3 for volumes", int),
        Column("detrend", "Detrending", "", "What was taken from each region", str),
        Column("n_rois", "Regions", "", "Regions that were averaged; neighbours overlap by half", int),
        Column("roi_voxels", "Region size", "voxels", "Voxels along each side of a region", int),
        Column("n_nonfinite", "Non-finite voxels", "", "Voxels NaN or infinite in the domain", int),
        Column("integral", "Integral", "intensity2", "Sum of NPS times the frequency steps"),
        Column("mean_roi_variance", "Variance", "intensity2", "Mean population variance of the detrended regions"),
        Column("noise_sd", "Noise SD", "", "Square root of the integral"),
        Column("nps_mean_excl_dc", "Mean NPS", unit, "Mean over all frequencies but 0"),
        Column("f_peak", "Peak frequency", "lp/mm", "Highest radial NPS after a running mean of 3 rings"),
        Column("f_av", "Average frequency", "lp/mm", "Sum of f NPS(f) / sum of NPS(f) over the radial curve"),
        Column("f_mean_nd", "Mean frequency of the plane", "lp/mm",
               "The same over all frequencies of the plane or volume; another number than f_av"),
        Column("f_biased", "Biased up to", "lp/mm", "Detrending lowers the curve up to this frequency"),
        Column("nyquist", "Nyquist frequency", "lp/mm", "Half the sampling frequency of the coarsest axis"),
        Column("relative_error", "Expected error", "", "1 / sqrt(independent regions times bins of a mean ring)"),
        WARNINGS,
        STATUS,
    )  # fmt: skip


@dataclass(frozen=True)
class NoisePowerSpectrum(Operation):
    """Measure how the noise of a uniform region is spread over spatial frequencies.

    `NPS(f) = dx dy / (Nx Ny) <|DFT(region - trend)|^2>` over square regions placed with half overlap wherever they fit
    wholly into the mask (in 3-D `dx dy dz / (Nx Ny Nz)` over cubes), without window (ICRU report 87; Samei et al.
    2019, AAPM TG-233; Dolly et al. 2016). The trend of each region is its mean or its best polynomial of the
    second order; the latter removes cupping and, with it, about half of the power of the first ring, so the
    curve is biased up to `f_biased`. With a repeat scan the difference over sqrt(2) is analysed instead, free of
    structure. The integral over all frequencies equals the mean variance of the detrended regions to 1e-9, which
    every run checks.

    The radial curve averages rings `k = round(|f| / df)` of physical frequency up to the smallest Nyquist frequency
    without frequency 0, drawn at the mean |f| of the ring. Fewer than 10 regions give a warning. Where the domain holds
    NaN or infinite voxels the result is undefined (`nonfinite_input`).

    Inputs
    ------
    image
        Scan of a uniform object.
    mask
        Uniform region; without one the whole image.
    repeat
        Second scan with the same settings on the same grid.

    Outputs
    -------
    table
        One row.
    curves
        Radial NPS and NPS along the axes.

    Parameters
    ----------
    dimensions
        Spectrum of slices (averaged) or of volumes.
    detrend
        What is taken from each region; auto is poly2 for one scan and mean for the difference of two.
    roi_voxels
        Side of a region; if not set, the largest of 128, 96, 64, 48, 32, 24, 16, 12 and 8 of which at least 10 fit,
        else the largest that fits.
    across
        Axis across the slices.
    """

    name: ClassVar[str] = "noise_power_spectrum"
    revision: ClassVar[int] = 2
    title: ClassVar[str] = "Noise power spectrum"
    group: ClassVar[str] = "Image quality"
    memory_factor: ClassVar[float] = 3.0
    finite_only: ClassVar[bool] = False
    presets: ClassVar = {
        "CT slices, 64 x 64": {"roi_voxels": 64},
        "Volume": {"dimensions": "volumes"},
        "Pure noise image": {"detrend": "mean"},
    }

    dimensions: Annotated[str, Choice("slices", "volumes")] = "slices"
    detrend: Annotated[str, Choice("auto", "mean", "poly2")] = "auto"
    roi_voxels: Annotated[int | None, Quantity("voxels", low=4, high=1024)] = None
    across: Annotated[str, SliceAxis] = "k"

    def run(
        self, image: Image, mask: Mask | None = None, repeat: Image | None = None, *, progress: Progress = SILENT
    ) -> NoisePower:
        progress.report(0.0, "Placing regions")
        planes = Planes(image, inside_of(mask), self.across)
        array = planes.array if repeat is None else _difference(image, repeat, planes)
        detrend = self.detrend if self.detrend != "auto" else "poly2" if repeat is None else "mean"
        everywhere = count_nonfinite(array, None, progress)
        wrong = everywhere if planes.inside is None else count_nonfinite(array, planes.inside, progress)
        warn_nonfinite(everywhere, "image", progress, "the spectrum is undefined where one lies in the region")
        size, corners = self._place(planes, progress)
        flat = sum(n > 1 for n in size)
        found = Findings(dimensions=flat, detrend=detrend, n_rois=len(corners), roi_voxels=max(size),
                         n_nonfinite=wrong)  # fmt: skip
        if wrong:
            found.missing("nonfinite_input", *NUMBERS)
            return NoisePower(Measurements(columns_of(flat), (found.row(progress),)), _curves(None, flat, planes.names))
        scale = 1.0 if repeat is None else math.sqrt(0.5)
        spectrum = spectrum_of(array, corners, size, planes.spacing, detrend, progress.part(0.1, 0.95), scale)
        _put(found, spectrum, detrend)
        if len(corners) < FEW:
            found.warn("few_regions")
            progress.warn(f"Only {len(corners)} regions of {max(size)} voxels fit; the spectrum is uncertain.")
        if repeat is not None:
            found.warn("difference_of_two_scans")
        progress.report(1.0)
        return NoisePower(Measurements(columns_of(flat), (found.row(progress),)), _curves(spectrum, flat, planes.names))

    def _place(self, planes: Planes, progress: Progress) -> tuple[tuple[int, ...], np.ndarray]:
        """Size of the regions and their corners; `InputError` when none fits."""
        best: tuple[tuple[int, ...], np.ndarray] | None = None
        for side in SIZES if self.roi_voxels is None else (self.roi_voxels,):
            progress.check()
            size = (side if self.dimensions == "volumes" else 1, side, side)
            corners = places(planes.array.shape, size, planes.inside, progress)
            if best is None and len(corners):
                best = size, corners
            if len(corners) >= FEW or (self.roi_voxels is not None and len(corners)):
                return size, corners
        if best is None:
            side = self.roi_voxels or SIZES[-1]
            shape = "cube" if self.dimensions == "volumes" else "square"
            raise InputError(f"No {shape} of {side} voxels fits into the region; enlarge it or lower roi_voxels.",
                             role="mask")  # fmt: skip
        return best


def _difference(image: sitk.Image, repeat: sitk.Image, planes: Planes) -> np.ndarray:
    if not Grid.of(repeat).same_as(Grid.of(image)):
        raise GeometryError("The repeat is on another grid than the image (they must overlap voxel by voxel); "
                            "resampling would change its noise.", role="repeat")  # fmt: skip
    second = planes.of(sitk.GetArrayFromImage(repeat))
    with np.errstate(invalid="ignore"):
        return planes.array.astype(np.float64) - second


def _put(found: Findings, spectrum: Spectrum, detrend: str) -> None:
    found.put("integral", spectrum.integral)
    found.put("mean_roi_variance", spectrum.variance)
    found.put("noise_sd", math.sqrt(spectrum.integral))
    power, f = spectrum.power.ravel(), spectrum.frequency.ravel()
    found.put("nps_mean_excl_dc", float(power[1:].mean()))
    radial_f, radial_p = (values[1:] for values in spectrum.radial())
    # Without noise there is rounding only, and no spectrum that could have a peak.
    silent = spectrum.integral == 0
    smooth = np.convolve(radial_p, np.ones(3) / 3, "same")[1:-1] if radial_p.size >= 5 else radial_p
    shift = 1 if radial_p.size >= 5 else 0
    found.put("f_peak", math.nan if silent else radial_f[int(smooth.argmax()) + shift], "zero_variance")
    found.ratio("f_av", 0.0 if silent else float(radial_f @ radial_p), 0.0 if silent else float(radial_p.sum()))
    found.ratio("f_mean_nd", 0.0 if silent else float(f @ power), 0.0 if silent else float(power.sum()))
    found.put("f_biased", float(radial_f[spectrum.biased() - 1]) if detrend == "poly2" else 0.0)
    found.put("nyquist", spectrum.nyquist)
    independent = spectrum.regions / 2**spectrum.power.ndim if spectrum.regions > 1 else 1
    found.put("relative_error", 1 / math.sqrt(max(1.0, independent) * spectrum.power.size / max(1, radial_f.size) / 2))


def _curves(spectrum: Spectrum | None, dimensions: int, names: tuple[str, ...]) -> Curves:
    """`names` are the image axes of slices, rows and columns."""
    series: list[Curve] = []
    if spectrum is not None:
        f, p = spectrum.radial()
        series = [Curve("Radial", f[1:], p[1:])]
        series += [Curve(f"Along {name}", *spectrum.along(axis)) for axis, name in enumerate(names[-dimensions:])]
    return Curves("Noise power spectrum", "Spatial frequency", "NPS", tuple(series), "lp/mm",
                  f"intensity2 mm{dimensions}")  # fmt: skip
