"""How close the results of the demo come to what is known of the phantom."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import SimpleITK as sitk

from .geometry import Grid
from .phantom import Phantom
from .values import Column, Measurements

MEDIAN_RADIUS = 1
GAUSSIAN_SIGMA_MM = 1.0

COLUMNS = (
    Column("quantity", "Quantity", "", "What is compared with the truth", str),
    Column("found", "Found", "", "What the operation gave"),
    Column("expected", "Expected", "", "What theory or the phantom says, where it is one number"),
    Column("low", "At least", "", "Smallest value that is accepted"),
    Column("high", "At most", "", "Largest value that is accepted"),
    Column("unit", "Unit", "", "Unit of the numbers of the row", str),
    Column("within", "Within", "", "1 when the value found lies in the accepted range", int),
    Column("status", "Status", "", "Why a number is missing", str),
)


@dataclass(frozen=True)
class Check:
    """A number that was found, and the range in which it must lie. `expected` is NaN where there is none."""

    quantity: str
    found: float
    low: float
    high: float
    unit: str = ""
    expected: float = math.nan

    @property
    def within(self) -> bool:
        """Whether the number is there and in its range."""
        return self.low <= self.found <= self.high

    def text(self) -> str:
        """One line for the terminal."""
        limits = [f"at least {self.low:.4g}"] if math.isfinite(self.low) else []
        limits += [f"at most {self.high:.4g}"] if math.isfinite(self.high) else []
        known = f", expected {self.expected:.4g}" if math.isfinite(self.expected) else ""
        unit = f" {self.unit}" if self.unit else ""
        mark = "ok  " if self.within else "FAIL"
        return f"  {mark}  {self.quantity:<58} {self.found:8.4g}{unit:<4}  ({', '.join(limits)}{known})"


def checks_of(head: Phantom, outputs: Mapping[str, Any]) -> list[Check]:
    """All comparisons of a run of the demo recipe; `outputs` are its values by name."""
    distances = head.errors_mm(outputs["motion"])
    tissue, lesions = outputs["tissue_agreement"].rows[0], outputs["lesion_agreement"].rows[0]
    volumes = {name: outputs[f"{name}_size"].rows[0]["volume_ml"] for name in ("tissue", "lesion")}
    exact = {"tissue": head.volumes_ml["Tissue"], "lesion": head.volumes_ml["Lesions"]}
    flair_grid = Grid.of(head.flair)
    median = noise_kept(head.t1, outputs["t1_denoised"], head.clean["t1"], (MEDIAN_RADIUS,) * 3)
    sigmas = [GAUSSIAN_SIGMA_MM / s for s in flair_grid.spacing]
    radii = [int(4 * sigma + 0.5) for sigma in sigmas]
    smooth = noise_kept(head.flair, outputs["flair_smooth"], head.clean["flair"], radii)
    return [
        _near("Noise that the median leaves in T1, part", median, median_noise((2 * MEDIAN_RADIUS + 1) ** 3), 0.05),
        _near("Noise that the Gaussian leaves in FLAIR, part", smooth, gaussian_noise(sigmas, radii), 0.05),
        Check("Motion: mean error at 120 points of scalp and brain", float(distances.mean()), 0, 0.3, "mm"),
        Check("Motion: largest error at these points", float(distances.max()), 0, 0.6, "mm"),
        Check("Tissue by threshold: Dice with the true mask", tissue["dice"], 0.98, 1),
        _near("Tissue by threshold: volume", volumes["tissue"], exact["tissue"], 0.03, "ml"),
        Check("Lesions by threshold: Dice with the true mask", lesions["dice"], 0.9, 1),
        _near("Lesions by threshold: volume", volumes["lesion"], exact["lesion"], 0.08, "ml"),
    ]


def as_table(checks: Sequence[Check]) -> Measurements:
    """The checks as a table, one row each."""
    rows = [
        {
            "quantity": c.quantity,
            "found": c.found,
            "expected": c.expected,
            "low": c.low,
            "high": c.high,
            "unit": c.unit,
            "within": int(c.within),
            "status": "" if math.isfinite(c.expected) else "no_single_expected_value",
        }
        for c in checks
    ]
    return Measurements(COLUMNS, tuple(rows))


def _near(quantity: str, found: float, expected: float, tolerance: float, unit: str = "") -> Check:
    return Check(quantity, found, expected * (1 - tolerance), expected * (1 + tolerance), unit, expected)


def noise_kept(noisy: sitk.Image, filtered: sitk.Image, clean: sitk.Image, reach: Sequence[int]) -> float:
    """Standard deviation of the noise after a filter, as part of that before.

    Looks at voxels whose neighbourhood of `reach` voxels along (i, j, k) is uniform in the image without noise, where
    a filter that keeps constants changes nothing but the noise. NaN when there are fewer than a thousand.
    """
    radius = [int(r) for r in reach]
    array, after, without = (sitk.GetArrayFromImage(image).astype(np.float64) for image in (noisy, filtered, clean))
    spread = sitk.GetArrayFromImage(
        sitk.GrayscaleDilate(clean, radius, sitk.sitkBox) - sitk.GrayscaleErode(clean, radius, sitk.sitkBox)
    )
    uniform = (without > 500) & (spread < 0.03 * without)
    if np.count_nonzero(uniform) < 1000:
        return math.nan
    return float((after - without)[uniform].std() / (array - without)[uniform].std())


def median_noise(n: int) -> float:
    """Standard deviation of the median of `n` (odd) independent standard normal numbers.

    Square root of the integral of x^2 n! / (m!)^2 Phi^m (1 - Phi)^m phi with m = (n - 1) / 2.
    """
    m = (n - 1) // 2
    x = np.linspace(-8, 8, 8001)
    below = np.array([0.5 * math.erfc(-v / math.sqrt(2)) for v in x])
    with np.errstate(divide="ignore"):
        log_density = (
            math.lgamma(n + 1)
            - 2 * math.lgamma(m + 1)
            + m * np.log(below)
            + m * np.log1p(-below)
            - x * x / 2
            - math.log(2 * math.pi) / 2
        )
    return float(np.sqrt(np.sum(x * x * np.exp(log_density)) * (x[1] - x[0])))


def gaussian_noise(sigmas: Sequence[float], radii: Sequence[int]) -> float:
    """Standard deviation of white noise of 1 after smoothing: product over axes of the root sum of squared weights.

    `sigmas` in voxels; the sampled kernel is cut at `radii` voxels and normalised.
    """
    kept = 1.0
    for sigma, radius in zip(sigmas, radii):
        weights = np.exp(-0.5 * (np.arange(-radius, radius + 1) / sigma) ** 2)
        kept *= float(np.sqrt(np.sum((weights / weights.sum()) ** 2)))
    return kept
