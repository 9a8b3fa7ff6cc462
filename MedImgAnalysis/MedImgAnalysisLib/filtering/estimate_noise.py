"""How strong the noise of an image is, and of what kind."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np
import SimpleITK as sitk

from ..blockwise import for_each
from ..geometry import Grid, image_like
from ..kernels.wavelets import noise_sigma
from ..operation import Operation
from ..progress import SILENT, Progress
from ..quality.body import air_mask, body_mask
from ..quality.findings import STATUS, WARNINGS, Findings
from ..values import Column, Curve, Curves, Image, Mask, Measurements
from .air import FEWEST, RAYLEIGH, WEAKER, kind_of_air
from .flat_blocks import UNEVEN, Flat, flat_blocks
from .impulses import impulse_fraction
from .median import Median
from .noise_advice import advice
from .normalising import inside_of, mean_and_sd

BRIGHTER = 1.5
ALIKE = 0.5
"""Part of the body that equals the median of its neighbourhood from which on there is no noise in it."""
FEWEST_BLOCKS = 8

COLUMNS = (
    Column("n", "Voxels", "", "Voxels that were looked at", int),
    Column("sigma_wavelet", "Noise from wavelets", "",
           "Median |finest diagonal db2 detail that is not 0| / 0.6745; by slices (median) where spacing is uneven"),
    Column("sigma_flat", "Noise in flat regions", "",
           "Root mean variance about the plane in flat blocks of 8 (or 4) voxels a side; in the body where the air "
           "has other noise"),
    Column("flat_percent", "Flat region", "%", "Share of the voxels that lie in flat blocks"),
    Column("coarseness", "Coarseness", "", "sigma_flat / sigma_wavelet: 1 for white noise, above 1 for correlated"),
    Column("region_sd", "SD in the mask", "", "Sample SD (n - 1) of the mask, structure included"),
    Column("n_background", "Background voxels", "", "Voxels of air: more than 6 voxels outside the body", int),
    Column("background_mean", "Background mean", "", "Mean of the air"),
    Column("background_sd", "Background SD", "", "Sample SD (n - 1) of the air"),
    Column("background_ratio", "Background mean / SD", "",
           "1.913 for Rayleigh noise (magnitude of MR, one coil), if no value is below 0"),
    Column("sigma_rayleigh", "Noise from background", "", "background_sd / 0.655, where the background is Rayleigh"),
    Column("impulse_percent", "Impulses", "%",
           "Voxels of body or mask 8 SD from the median around them, like at most 3 of 26 neighbours (1 of 8)"),
    Column("growth", "Growth with brightness", "",
           "log(noise ratio) / log(mean ratio), bright to dark flat blocks: 0 constant, 0.5 counts, 1 speckle"),
    Column("slices", "Slices with noise", "", "Slices that have an estimate of their own", int),
    Column("slice_low", "Quietest slice", "", "5th percentile of the slice estimates"),
    Column("slice_high", "Noisiest slice", "", "95th percentile of the slice estimates"),
    Column("slice_spread_percent", "Spread of slices", "%", "Sample SD over mean of the slice estimates"),
    Column("background_kind", "Background", "",
           "rayleigh, zero (one value), cut (mostly one value), other or none", str),
    Column("recommended", "Recommended filter", "", "An operation with parameters, or none", str),
    Column("reason", "Reason", "", "Why", str),
    WARNINGS,
    STATUS,
)  # fmt: skip


class Estimate(NamedTuple):
    table: Measurements
    curves: Curves


@dataclass(frozen=True)
class EstimateNoise(Operation):
    """Measure the noise of an image and say which filter fits it.

    Three estimates that need no second scan. From wavelets: the median of the finest diagonal details (Donoho and
    Johnstone 1994); where the spacings differ by more than a factor of two each slice across the longest one is taken
    alone and the median of the slices is given, since neighbouring slices then show different anatomy. From flat
    regions: blocks in which nothing but a plane and noise is seen. From the air around the body: the magnitude of MR
    has a Rayleigh distribution there, mean / SD = 1.913, and true noise SD / 0.655 (one coil; several coils have a
    larger ratio). Where the air is Rayleigh, or most of it was set to one value, its noise is weaker than that of the
    body, and flat regions are looked for in the body alone.

    The first two agree (coarseness 1) for white noise. Interpolated or reconstructed noise is coarser than the voxels,
    and the wavelets miss most of it. Filters that estimate by themselves take the larger of wavelets and flat regions,
    of which they choose the quietest, so theirs can be lower. The recommendation is a rule of thumb for a first try;
    the evidence of the run says what the filter took.

    Words in the warnings column: `impulses` (more than 0.3 %), `rician` (Rayleigh background), `coarse` (coarseness
    above 1.4; above 2.1 with a Rayleigh background, which lowers the wavelet estimate), `grows` (growth above 0.25),
    `slices_differ` (spread above 20 %).

    Inputs
    ------
    image
        Image to look at.
    mask
        Where noise and impulses are looked for; the air is looked for outside it. Without it noise is looked for
        everywhere, impulses (and flat regions where the noise of the air is another) in the body, found by Otsu's
        threshold.

    Outputs
    -------
    table
        One row.
    curves
        The estimate of each slice.
    """

    name: ClassVar[str] = "estimate_noise"
    title: ClassVar[str] = "Estimate noise"
    group: ClassVar[str] = "Noise"
    memory_factor: ClassVar[float] = 9.0
    squares: ClassVar[bool] = True
    revision: ClassVar[int] = 3

    def run(self, image: Image, mask: Mask | None = None, *, progress: Progress = SILENT) -> Estimate:
        grid = Grid.of(image)
        array = sitk.GetArrayViewFromImage(image)
        inside = inside_of(mask)
        found = Findings(n=array.size if inside is None else int(np.count_nonzero(inside)))
        across = _slice_axis(grid)
        sigmas = _slice_sigmas(array, inside, across, progress.part(0.0, 0.2))
        self._wavelets(found, array, inside, sigmas, _uneven(grid), progress.part(0.2, 0.3))
        if inside is not None:
            found.put("region_sd", mean_and_sd(array, inside, progress.part(0.3, 0.3))[1], "single_voxel")
        still = across if _uneven(grid) else None
        medians = _median(array, 1, still, progress.part(0.3, 0.37))
        # Single bright voxels are no body.
        body = inside if inside is not None else body_mask(image_like(medians, image), progress.part(0.37, 0.5))
        _background(found, array, body, progress.part(0.5, 0.6))
        where = body if found.values["background_kind"] in WEAKER else inside
        flat = flat_blocks((array,), where, grid.spacing_kji, progress.part(0.6, 0.7))
        _flat(found, flat, flat_blocks((array,), where, grid.spacing_kji, progress.part(0.7, 0.8), own_noise=True))
        distance = np.abs(array - medians.astype(np.float32))
        # Nine voxels of a slice are too few for the strength of its noise.
        spreads = _median(distance, 1 if still is None else 2, still, progress.part(0.8, 0.95))
        rare = 0.0 if body is None else impulse_fraction(array, medians, spreads, body, still, progress.part(0.95, 1.0))
        found.put("impulse_percent", 100 * rare)
        _slices(found, sigmas)
        same = body is None or float(np.mean((array == medians)[body])) > ALIKE
        top = 0.0 if same else max(abs(float(array.min())), abs(float(array.max())))
        found.values["recommended"], found.values["reason"] = advice(found, top)
        columns = tuple(c for c in COLUMNS if c.key in found.values or c in (WARNINGS, STATUS))
        table = Measurements(columns, (found.row(progress),))
        curve = Curve("Noise", np.arange(float(len(sigmas))), sigmas, "points")
        progress.report(1.0)
        return Estimate(table, Curves("Noise of each slice", "Slice", "Noise", (curve,)))

    def _wavelets(
        self,
        found: Findings,
        array: np.ndarray,
        inside: np.ndarray | None,
        sigmas: np.ndarray,
        uneven: bool,
        progress: Progress,
    ) -> None:
        if uneven or array.ndim == 2:
            good = sigmas[np.isfinite(sigmas)]
            sigma = float(np.median(good)) if good.size else 0.0
        else:
            sigma = noise_sigma(_box(array, inside), progress)
        found.put("sigma_wavelet", sigma or math.nan, "zero_variance")


def _background(found: Findings, array: np.ndarray, body: np.ndarray | None, progress: Progress) -> None:
    air = np.zeros(array.shape, bool) if body is None else air_mask(body, progress.part(0.0, 0.6))
    n = int(np.count_nonzero(air))
    found.values["n_background"] = n
    keys = ("background_mean", "background_sd", "background_ratio", "sigma_rayleigh")
    if n < FEWEST:
        found.values["background_kind"] = "none"
        found.missing("no_background", *keys)
        return
    mean, sd = mean_and_sd(array, air, progress.part(0.9, 1.0))
    found.put("background_mean", mean)
    found.put("background_sd", sd)
    found.ratio("background_ratio", mean, sd, "no_background_noise")
    kind = kind_of_air(array[air], mean, sd)
    found.put("sigma_rayleigh", sd / RAYLEIGH if kind == "rayleigh" else math.nan,
              "no_background_noise" if sd == 0 else "not_rayleigh")  # fmt: skip
    found.values["background_kind"] = kind


def _flat(found: Findings, flat: Flat | None, each: Flat | None) -> None:
    if flat is None:
        found.missing("no_flat_region", "sigma_flat", "coarseness", "growth")
        found.put("flat_percent", 0.0)
        return
    found.put("sigma_flat", flat.noise[0])
    found.put("flat_percent", 100 * float(np.count_nonzero(flat.voxels)) / found.values["n"])
    fine = found.values["sigma_wavelet"]
    found.put("coarseness", flat.noise[0] / fine, "zero_variance")
    found.put("growth", math.nan if each is None else _growth(each), "one_brightness")


def _growth(flat: Flat) -> float:
    """How the noise goes with the mean, as a power; NaN where all flat blocks are about as bright or dark are 0."""
    order = np.argsort(flat.means, kind="stable")
    third = len(order) // 3
    if third < FEWEST_BLOCKS:
        return math.nan
    dark, bright = order[:third], order[-third:]
    means = [float(flat.means[part].mean()) for part in (dark, bright)]
    noise = [float(np.sqrt(flat.variances[part].mean())) for part in (dark, bright)]
    if means[0] <= 0 or noise[0] <= 0 or noise[1] <= 0 or means[1] < BRIGHTER * means[0]:
        return math.nan
    return math.log(noise[1] / noise[0]) / math.log(means[1] / means[0])


def _slices(found: Findings, sigmas: np.ndarray) -> None:
    good = sigmas[np.isfinite(sigmas)]
    found.values["slices"] = int(good.size)
    keys = ("slice_low", "slice_high", "slice_spread_percent")
    if good.size < 3:
        found.missing("few_slices", *keys)
        return
    found.put(keys[0], float(np.percentile(good, 5)))
    found.put(keys[1], float(np.percentile(good, 95)))
    found.put(keys[2], 100 * float(good.std(ddof=1) / good.mean()))


def _uneven(grid: Grid) -> bool:
    lengths = [s for s, n in zip(grid.spacing, grid.size, strict=True) if n > 1]
    return len(lengths) == 3 and max(lengths) > UNEVEN * min(lengths)


def _slice_axis(grid: Grid) -> int:
    """The numpy axis across the slices: that of the longest spacing where it is uneven, else the first (k)."""
    return int(np.argmax(grid.spacing_kji)) if _uneven(grid) else 0


def _slice_sigmas(array: np.ndarray, inside: np.ndarray | None, axis: int, progress: Progress) -> np.ndarray:
    """Noise of each slice, NaN where there is none; of a 2-D image the only one."""
    slices = array[None] if array.ndim == 2 else np.moveaxis(array, axis, 0)
    where = None if inside is None else inside[None] if array.ndim == 2 else np.moveaxis(inside, axis, 0)

    def work(number: int) -> float:
        if where is not None and not where[number].any():
            return math.nan
        return noise_sigma(_box(slices[number], None if where is None else where[number])) or math.nan

    return np.array(for_each(work, range(len(slices)), progress=progress, message="Noise of slices"))


def _box(array: np.ndarray, inside: np.ndarray | None) -> np.ndarray:
    """The box of the mask."""
    if inside is None:
        return array
    box = []
    for axis in range(array.ndim):
        used = np.flatnonzero(inside.any(axis=tuple(a for a in range(array.ndim) if a != axis)))
        box.append(slice(int(used[0]), int(used[-1]) + 1))
    return array[tuple(box)]


def _median(array: np.ndarray, radius: int, still: int | None, progress: Progress) -> np.ndarray:
    """Median over a box of 2 radius + 1 voxels along each axis but `still` (numpy axis)."""
    turned = array if still is None else np.moveaxis(array, still, 0)
    image = sitk.GetImageFromArray(np.ascontiguousarray(turned))
    found = sitk.GetArrayFromImage(
        Median(radius_voxels=radius, in_plane=still is not None).run(image, progress=progress)
    )
    return found if still is None else np.moveaxis(found, 0, still)
