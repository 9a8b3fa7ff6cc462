"""A first filter to try for the noise that was found, with its reason."""

from __future__ import annotations

import math

from ..quality.findings import Findings
from .air import RAYLEIGH

MANY_IMPULSES = 0.3
"""Per cent; thin structures of images without any impulses reach 0.1."""
COARSE = 1.4
UNDERRATED = 1.1
GROWS = 0.25
SPREAD = 20.0
SILENT_PART = 1e-3
"""Noise below this part of the largest value needs no filter."""


def advice(found: Findings, largest: float) -> tuple[str, str]:
    """(operation with parameters, reason) from the numbers of `estimate_noise`; also puts the words of warning.

    `largest` is the largest value of the image, 0 where most voxels equal their neighbours.
    """
    value = found.values
    fine, flat = value["sigma_wavelet"], value["sigma_flat"]
    sigma = flat if math.isfinite(flat) else fine
    more = ""
    if value["slice_spread_percent"] > SPREAD:
        found.warn("slices_differ")
        more = f" The slices differ ({value['slice_low']:.3g} to {value['slice_high']:.3g}): look at several."
    if value["background_kind"] == "rayleigh":
        found.warn("rician")
        more += " The background is Rayleigh, so dark parts are brighter than they should be, and stay so."
    if value["impulse_percent"] > MANY_IMPULSES:
        found.warn("impulses")
        return "median", (
            f"{value['impulse_percent']:.2g} % of the voxels stand alone; averaging would spread them, a median "
            f"takes them out. Look at the noise again afterwards.{more}"
        )
    if largest == 0 or not sigma > SILENT_PART * largest:
        return (
            "none",
            ("There is no noise, or less than a thousandth of the largest value: a filter would only take detail."),
        )
    if value["growth"] > GROWS:
        found.warn("grows")
        return "gaussian", (
            f"The noise grows with the brightness (power {value['growth']:.2f}; 0.5 is that of counts). Filters with "
            f"one level of noise do too little in bright parts or too much in dark ones.{more}"
        )
    weaker = value["background_kind"] == "rayleigh" and value["coarseness"] <= COARSE / RAYLEIGH
    if weaker and value["coarseness"] > UNDERRATED:
        return "nonlocal_means", (
            f"The noise is {flat:.3g} in the body and weaker in the air; filters that estimate it take that of the "
            f"body.{more}"
        )
    if value["coarseness"] > COARSE and not weaker:
        found.warn("coarse")
        return "nonlocal_means", (
            f"The noise is coarser than the voxels: {flat:.3g} in flat regions, of which only {fine:.3g} is in the "
            f"finest details. Filters that estimate it take the quietest of the flat regions.{more}"
        )
    return "nonlocal_means", f"The noise is about white and the same everywhere, SD {sigma:.3g}.{more}"
