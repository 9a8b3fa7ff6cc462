"""Uniformity of a phantom: five regions and the ACR percent integral uniformity."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np

from ..errors import InputError
from ..operation import Operation
from ..parameters import Choice, Quantity
from ..progress import SILENT, Progress
from ..values import Column, Image, Mask, Measurements
from .arrays import count_nonfinite, inside_of, warn_nonfinite
from .body import body_mask
from .findings import STATUS, WARNINGS, Findings
from .planes import Planes

DISC_MM2 = 100.0
DISC_MM = math.sqrt(DISC_MM2 / math.pi)
GAP_MM = 2.0
AUTO_RADIUS, AUTO_DISTANCE = 0.125, 0.75
PLACES = {"center": (0, 0), "right": (0, 1), "left": (0, -1), "bottom": (1, 0), "top": (-1, 0)}
NUMBERS = (*(f"mean_{place}" for place in PLACES), "ct_nonuniformity_max_abs_dev", "integral_nonuniformity_5roi",
           "cov_percent", "piu_acr_percent", "piu_low", "piu_high")  # fmt: skip

COLUMNS = (
    Column("slice", "Slice", "", "Index of the slice, from 0", int),
    Column("n", "Voxels", "", "Finite voxels of the object in the slice", int),
    Column("n_nonfinite", "Non-finite voxels", "", "Voxels NaN or infinite, left out", int),
    Column("roi_radius_mm", "Region radius", "mm", "Radius of the five regions"),
    Column("roi_distance_mm", "Region distance", "mm", "Distance of the four outer regions from the centre"),
    Column("mean_center", "Mean, centre", "", "Mean of the region at the centroid of the object"),
    Column("mean_right", "Mean, right", "", "Mean of the region along +i, to the right in the picture as stored"),
    Column("mean_left", "Mean, left", "", "Mean of the region along -i"),
    Column("mean_bottom", "Mean, bottom", "", "Mean of the region along +j, down in the picture as stored"),
    Column("mean_top", "Mean, top", "", "Mean of the region along -j"),
    Column("ct_nonuniformity_max_abs_dev", "CT non-uniformity", "", "Largest |outer mean - central mean|"),
    Column("integral_nonuniformity_5roi", "Integral non-uniformity", "", "(max - min) / (max + min) of the five means"),
    Column("cov_percent", "Coefficient of variation", "%", "100 SD / mean over the object"),
    Column("piu_acr_percent", "PIU (ACR)", "%", "100 (1 - (high - low) / (high + low)) of means of 1 cm2 discs"),
    Column("piu_low", "Lowest disc mean", "", "Lowest mean of a 1 cm2 disc"),
    Column("piu_high", "Highest disc mean", "", "Highest mean of a 1 cm2 disc"),
    WARNINGS,
    STATUS,
)


@dataclass(frozen=True)
class Uniformity(Operation):
    """Measure how uniform the image of a uniform phantom is.

    CT: largest difference between the means of four outer regions and the central one, in HU; integral
    non-uniformity `(max - min) / (max + min)` of the five. MR: percent integral uniformity of the ACR test,
    `PIU = 100 (1 - (high - low) / (high + low))` with high and low the extreme means of discs of 1 cm2 that lie
    at least 2 mm inside the phantom (their centre the disc radius and 2 mm from its border). Discs are placed on
    every voxel; a voxel belongs to a disc when its centre does. Voxels NaN or infinite are left out of all means.

    Inputs
    ------
    image
        Image of a uniform phantom; slices lie across the third axis.
    mask
        The phantom; without one it is found by threshold, largest component, closing and filling.

    Outputs
    -------
    table
        One row per slice.

    Parameters
    ----------
    roi_radius_mm
        Radius of the five regions; if not set, an eighth of the radius of the phantom.
    roi_distance_mm
        Distance of the outer regions from the centre; if not set, three quarters of the radius of the phantom.
    slices
        The middle slice of the phantom, or all that it reaches.
    """

    name: ClassVar[str] = "uniformity"
    title: ClassVar[str] = "Uniformity"
    group: ClassVar[str] = "Image quality"
    memory_factor: ClassVar[float] = 3.5
    finite_only: ClassVar[bool] = False
    presets: ClassVar = {"All slices": {"slices": "all"}}

    roi_radius_mm: Annotated[float | None, Quantity("mm", low=0.1, high=200.0)] = None
    roi_distance_mm: Annotated[float | None, Quantity("mm", low=0.0, high=500.0)] = None
    slices: Annotated[str, Choice("middle", "all")] = "middle"

    def run(self, image: Image, mask: Mask | None = None, *, progress: Progress = SILENT) -> Measurements:
        progress.report(0.0, "Uniformity")
        inside = inside_of(mask) if mask is not None else body_mask(image, progress.part(0.0, 0.4))
        if inside is None:
            raise InputError("The image is constant, so there is no phantom to be found; give a mask.", role="image")
        planes = Planes(image, inside)
        warn_nonfinite(count_nonfinite(planes.array, None, progress), "image", progress)
        reached = np.flatnonzero(planes.of(inside).any(axis=(1, 2)))
        chosen = reached if self.slices == "all" else reached[[len(reached) // 2]]
        rows = []
        for number, index in enumerate(chosen):
            progress.report(0.4 + 0.6 * number / len(chosen), "Uniformity")
            plane, where = planes.array[index].astype(np.float64), planes.of(inside)[index]
            rows.append(self._row(int(index), plane, where, planes.spacing[1:], progress))
        return Measurements(COLUMNS, tuple(rows))

    def _row(
        self, index: int, plane: np.ndarray, inside: np.ndarray, spacing: tuple[float, ...], progress: Progress
    ) -> dict:
        good = np.isfinite(plane)
        used = inside & good
        n = int(np.count_nonzero(used))
        wrong = int(np.count_nonzero(inside)) - n
        found = Findings(slice=index, n=n, n_nonfinite=wrong)
        if wrong:
            found.warn("nonfinite_left_out")
        rows, columns = np.nonzero(inside)
        centre = rows.mean() * spacing[0], columns.mean() * spacing[1]
        size = math.sqrt(rows.size * spacing[0] * spacing[1] / math.pi)
        radius = AUTO_RADIUS * size if self.roi_radius_mm is None else self.roi_radius_mm
        distance = AUTO_DISTANCE * size if self.roi_distance_mm is None else self.roi_distance_mm
        found.put("roi_radius_mm", radius)
        found.put("roi_distance_mm", distance)
        if n < 2:
            found.missing("nonfinite_input" if wrong else "too_small", *NUMBERS)
            return found.row(progress)
        y, x = np.arange(plane.shape[0])[:, None] * spacing[0], np.arange(plane.shape[1]) * spacing[1]
        means = []
        for place, (down, right) in PLACES.items():
            disc = np.hypot(y - centre[0] - down * distance, x - centre[1] - right * distance) <= radius * (1 + 1e-9)
            # A region that leaves the phantom or the picture would tell of the air beside it.
            away = down * distance, right * distance
            whole = bool(disc.any() and inside[disc].all()) and _in_picture(plane.shape, spacing, centre, away, radius)
            values = plane[disc & good]
            mean = float(values.mean()) if whole and values.size else math.nan
            found.put(f"mean_{place}", mean, "too_small" if not whole else "nonfinite_input")
            means.append(mean)
        low, high = min(means), max(means)
        lost = "too_small" if any(math.isnan(m) for m in means) else "zero_mean"
        if any(math.isnan(m) for m in means):
            low = high = math.nan
        found.put("ct_nonuniformity_max_abs_dev", max(abs(m - means[0]) for m in means[1:]) if low == low else math.nan,
                  lost)  # fmt: skip
        signed = low < 0
        found.ratio("integral_nonuniformity_5roi", high - low, 0.0 if signed else high + low,
                    "negative_values" if signed else lost)  # fmt: skip
        values = plane[used]
        found.ratio("cov_percent", 100 * float(values.std(ddof=1)), float(values.mean()), "zero_mean")
        progress.check()
        _put_piu(found, plane, inside, good, spacing)
        return found.row(progress)


def _in_picture(
    shape: tuple[int, ...],
    spacing: tuple[float, ...],
    centre: tuple[float, float],
    away: tuple[float, float],
    radius: float,
) -> bool:
    places = [c + a for c, a in zip(centre, away)]
    return all(-0.5 * s <= p - radius and p + radius <= (n - 0.5) * s for p, n, s in zip(places, shape, spacing))


def disc_kernel(radius: float, spacing: tuple[float, ...], shape: tuple[int, ...] | None = None) -> np.ndarray:
    """1 for the pixels (rows, columns) whose centre is within `radius` mm of the middle one.

    With the `shape` of a picture it has no pixels that are further from the middle than any two of the picture are.
    """
    reach = [math.floor(radius / s + 1e-9) for s in spacing]
    if shape is not None:
        reach = [min(n, size - 1) for n, size in zip(reach, shape, strict=True)]
    y, x = (np.arange(-n, n + 1) * s for n, s in zip(reach, spacing))
    return (np.hypot(y[:, None], x) <= radius * (1 + 1e-9)).astype(np.float64)


def disc_pixels(radius: float, spacing: tuple[float, ...]) -> int:
    """The number of pixels of a whole disc."""
    widest, rows = radius * (1 + 1e-9), math.floor(radius / spacing[0] + 1e-9)
    y = np.arange(-rows, rows + 1) * spacing[0]
    return int((2 * np.floor(np.sqrt(np.maximum(widest**2 - y**2, 0)) / spacing[1]) + 1).sum())


def disc_means(plane: np.ndarray, good: np.ndarray, radius: float, spacing: tuple[float, ...]) -> np.ndarray:
    """Mean of the good pixels of the disc around every pixel; NaN where none is good."""
    from scipy.signal import fftconvolve

    kernel = disc_kernel(radius, spacing, plane.shape)
    level = float(plane[good].mean()) if good.any() else 0.0
    # Sums of deviations from the level keep the digits that the transform of large values would lose.
    total = fftconvolve(np.where(good, plane - level, 0.0), kernel, "same")
    count = np.rint(fftconvolve(good.astype(np.float64), kernel, "same"))
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(count > 0, level + total / count, np.nan)


def depth_inside(inside: np.ndarray, spacing: tuple[float, ...]) -> np.ndarray:
    """Distance in mm of every pixel from the nearest one outside the mask; outside the picture is outside."""
    from scipy.ndimage import distance_transform_edt

    return distance_transform_edt(np.pad(inside, 1), spacing)[1:-1, 1:-1]


def _put_piu(
    found: Findings, plane: np.ndarray, inside: np.ndarray, good: np.ndarray, spacing: tuple[float, ...]
) -> None:
    places = depth_inside(inside, spacing) > DISC_MM + GAP_MM
    means = disc_means(plane, good & inside, DISC_MM, spacing)[places]
    means = means[np.isfinite(means)]
    if not means.size:
        found.missing("too_small", "piu_low", "piu_high", "piu_acr_percent")
        return
    low, high = float(means.min()), float(means.max())
    found.put("piu_low", low)
    found.put("piu_high", high)
    if low < 0:
        found.missing("negative_values", "piu_acr_percent")
    else:
        found.put("piu_acr_percent", 100 * (1 - (high - low) / (high + low)) if high + low else math.nan, "zero_mean")
