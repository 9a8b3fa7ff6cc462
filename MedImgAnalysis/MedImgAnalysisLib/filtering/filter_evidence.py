"""What a filter did to an image besides what it was meant to do."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np
import SimpleITK as sitk

from ..blockwise import for_each
from ..errors import GeometryError, InputError
from ..geometry import Grid, image_like
from ..kernels.morphology import dilate
from ..kernels.ranks import slabs_of
from ..kernels.separable import working_type
from ..operation import Operation
from ..progress import SILENT, Progress
from ..quality.arrays import Sample, region, sample
from ..quality.findings import STATUS, WARNINGS, Findings
from ..values import Column, Curves, Image, Labels, Mask, Measurements
from .air import region_of_noise
from .edge_evidence import Edges, autocorrelation, edges_of
from .evidence_curves import histogram, spectra
from .faint_structure import faint_structure
from .flat_blocks import Flat, flat_blocks
from .normalising import inside_of, mean_and_sd

REACH = 5
DETAIL, BLUR, SHARP, SHIFT, CONTRAST = 1.1, 0.9, 1.1, 0.1, 0.95
BY_EDGE = 3
"""Voxels by an edge that the search for faint structure leaves out."""

COLUMNS = (
    Column("n", "Voxels", "", "Voxels that were looked at", int),
    Column("residual_mean", "Residual mean", "", "Mean of before - after"),
    Column("residual_sd", "Residual SD", "", "Sample standard deviation (n - 1) of before - after"),
    Column("residual_autocorrelation", "Residual autocorrelation", "",
           "RMS of the autocorrelation at 1 to 5 voxels along the axes beyond that of white noise; 0 is white"),
    Column("residual_edge_ratio", "Residual at edges", "",
           "RMS of the residual at edges over that in flat regions; 1 where noise alone was removed"),
    Column("noise_before", "Noise before", "", "SD about a plane in flat blocks of 8 (or 4) voxels a side"),
    Column("noise_after", "Noise after", "", "The same in the same blocks after"),
    Column("noise_ratio", "Noise kept", "", "Noise after / noise before"),
    Column("flat_percent", "Flat region", "%", "Share of the voxels that lie in flat blocks"),
    Column("edge_slope_before", "Edge slope before", "1/mm", "RMS slope across edges, noise taken off"),
    Column("edge_slope_after", "Edge slope after", "1/mm", "The same at the same edges after"),
    Column("edge_slope_ratio", "Edge sharpness kept", "",
           "Slope after / before; an edge of width w blurred by b keeps at most (w^2 / (w^2 + b^2))^(1/4)"),
    Column("structure_score", "Structure taken", "",
           "Strongest local mean of the residual away from edges over what noise makes anywhere; above 1 is structure"),
    Column("structure_percent", "Places with structure", "%", "Share of the places with a score above 1"),
    Column("structure_width_mm", "Width of structure", "mm", "Full width at half maximum of the weights at the score"),
    Column("structure_taken", "Brightness taken", "", "Weighted mean of before - after there; below 0 where added"),
    Column("structure_l_mm", "Structure L", "mm", "Where it is, LPS", position="L"),
    Column("structure_p_mm", "Structure P", "mm", "Where it is, LPS", position="P"),
    Column("structure_s_mm", "Structure S", "mm", "Where it is, LPS; not for a 2-D image", position="S"),
    Column("contrast_before", "Contrast before", "", "Mean of the first region - mean of the second"),
    Column("contrast_after", "Contrast after", "", "The same after"),
    Column("cnr_before", "CNR before", "", "|contrast| / sqrt((SD1^2 + SD2^2) / 2)"),
    Column("cnr_after", "CNR after", "", "The same after"),
    WARNINGS,
    STATUS,
)  # fmt: skip


class Evidence(NamedTuple):
    table: Measurements
    residual: Image | None
    spectra: Curves
    histogram: Curves


@dataclass(frozen=True)
class FilterEvidence(Operation):
    """Show what a filter took away: noise, or detail with it.

    The residual is the image before minus after. A filter that removes noise alone leaves a residual that looks the
    same everywhere: as strong at edges as in flat regions (`residual_edge_ratio` near 1, below 1 where it spares
    edges), with mean 0, and edges as steep as before (`edge_slope_ratio` near 1), while the noise falls
    (`noise_ratio`). A filter that removes detail leaves edges in the residual.

    Flat regions are blocks of 8 voxels a side (4 where these are too few; squares in slices where a spacing is more
    than twice another) in which nothing but a plane and noise is seen before filtering; the noise is the root mean
    variance about the plane there. Without a mask they, and structure, are looked for in the body (Otsu's threshold)
    where the air around it has a Rayleigh distribution or mostly one value, else everywhere. Edges are where the
    gradient of the image before the filter (of the filtered one where none stands out of the noise), after a Gaussian
    of 1.5 voxels, is at least half of its 99.5th percentile; their slope is the root mean square derivative across
    the edge, less what the noise adds. The autocorrelation of the residual tells noise from structure without looking
    for edges: 0 for white noise, but a smoothing filter makes the residual of noise weakly correlated too (up to 0.1
    for a Gaussian).

    Words in the warnings column: `detail_removed` (residual_edge_ratio above 1.1; `detail_added` where edges became
    steeper by a tenth), `edges_blurred` (edge_slope_ratio below 0.9), `edges_sharpened` (above 1.1), `noise_raised`
    (noise_ratio above 1.1), `brightness_changed` (the mean of the residual is above a tenth of the noise and above
    what chance explains), `contrast_lost` (contrast between the regions below 95 % of before), `structure_removed`
    (structure_score above 1).

    The structure score finds what is too faint or too smooth to be an edge. Away from edges the residual r is summed
    with Gaussian weights w of 3.5 to 16.5 mm width around each place, T = sum w r / sqrt(sum w^2 r^2). For white
    noise of whatever strength T is normal with SD 1; for other noise its SD is measured in the flat regions. The
    score is |T - median| / SD over the value that noise exceeds anywhere in the image with a probability of 1 %
    (Worsley et al. 1996), at the most the local mean over a tenth of the noise. Its limit: a ball of n voxels that
    lost the contrast c (in noise SD) is found half of the time when c sqrt(n) is 7 in white noise; smaller or fainter
    losses stay unseen, and lie in the noise. In noise that is correlated over v voxels n counts as n / v.

    Inputs
    ------
    before
        Image before the filter.
    after
        Image after it, on the same grid and in the same units.
    mask
        Where to look; without it everywhere.
    regions
        Two segments whose contrast to each other counts; the first two of a segmentation.

    Outputs
    -------
    table
        One row.
    residual
        Before minus after, float32 (float64 for wide types); only when asked for.
    spectra
        Radial power spectra of slices before, after and of the residual.
    histogram
        Histograms before, after and of the residual, each with its own zero kept.

    Parameters
    ----------
    residual_image
        Make the residual as an image.
    """

    name: ClassVar[str] = "filter_evidence"
    title: ClassVar[str] = "Evidence of filtering"
    group: ClassVar[str] = "Evidence"
    memory_factor: ClassVar[float] = 5.5
    squares: ClassVar[bool] = True
    revision: ClassVar[int] = 3

    residual_image: bool = True

    def run(
        self,
        before: Image,
        after: Image,
        mask: Mask | None = None,
        regions: Labels | None = None,
        *,
        progress: Progress = SILENT,
    ) -> Evidence:
        grid = Grid.of(before)
        if not Grid.of(after).same_as(grid):
            raise GeometryError(
                "The image after the filter is on another grid than the one before (they must overlap voxel by voxel); "
                "evidence is of filters that keep the grid.",
                role="after",
            )
        first, second = sitk.GetArrayViewFromImage(before), sitk.GetArrayViewFromImage(after)
        inside = inside_of(mask)
        where = region_of_noise(before, inside, progress.part(0.0, 0.1))
        residual = _residual(first, second, progress.part(0.1, 0.15))
        found = Findings(n=residual.size if inside is None else int(np.count_nonzero(inside)))
        flat = self._noise(found, (first, second, residual), where, grid, progress.part(0.15, 0.25))
        self._residual(found, residual, inside, flat, progress.part(0.25, 0.4))
        calm, shift = None if flat is None else flat.voxels, found.values["residual_mean"]
        known = 0.0 if flat is None else flat.noise[0]
        edges = edges_of(first, second, inside, calm, grid.spacing_kji, shift, known, progress.part(0.4, 0.7))
        self._edges(found, edges, flat)
        near = None if edges is None else _by_edges(edges.places, progress.part(0.7, 0.72))
        del edges
        self._structure(found, residual, where, near, flat, grid, progress.part(0.72, 0.8))
        del near, where, flat
        if regions is not None:
            self._contrast(found, before, after, regions, progress)
        _judge(found)
        images = {"Before": first, "After": second, "Residual": residual}
        curves = spectra(images, inside, grid.spacing_kji, progress.part(0.8, 0.95))
        bars = histogram(images, inside, progress.part(0.95, 1.0))
        columns = tuple(c for c in COLUMNS if c.key in found.values or c in (WARNINGS, STATUS))
        table = Measurements(columns, (found.row(),))
        progress.report(1.0)
        return Evidence(table, image_like(residual, grid) if self.residual_image else None, curves, bars)

    def _noise(
        self, found: Findings, images: tuple[np.ndarray, ...], where: np.ndarray | None, grid: Grid, progress: Progress
    ) -> Flat | None:
        flat = flat_blocks(images, where, grid.spacing_kji, progress)
        noise = flat.noise if flat is not None else (math.nan,) * 3
        found.put("noise_before", noise[0], "no_flat_region")
        found.put("noise_after", noise[1], "no_flat_region")
        found.ratio("noise_ratio", noise[1], noise[0], "no_flat_region" if flat is None else "zero_variance")
        share = 0.0 if flat is None else 100 * float(np.count_nonzero(flat.voxels)) / found.values["n"]
        found.put("flat_percent", share)
        return flat

    def _residual(
        self, found: Findings, residual: np.ndarray, inside: np.ndarray | None, flat: Flat | None, progress: Progress
    ) -> None:
        mean, sd = mean_and_sd(residual, inside, progress.part(0.0, 0.4))
        found.put("residual_mean", mean)
        found.put("residual_sd", sd, "single_voxel")
        related = autocorrelation(residual, inside, mean, REACH, progress.part(0.4, 1.0))
        found.put("residual_autocorrelation", related, "zero_variance")

    def _edges(self, found: Findings, edges: Edges | None, flat: Flat | None) -> None:
        if edges is None:
            found.missing("no_edge", "edge_slope_before", "edge_slope_after", "edge_slope_ratio", "residual_edge_ratio")
            return
        found.put("edge_slope_before", edges.before)
        found.put("edge_slope_after", edges.after)
        found.ratio("edge_slope_ratio", edges.after, edges.before, "no_edge")
        quiet = math.nan if flat is None else flat.noise[2]
        found.ratio("residual_edge_ratio", edges.residual, quiet,
                    "no_flat_region" if flat is None else "zero_variance")  # fmt: skip

    def _structure(
        self,
        found: Findings,
        residual: np.ndarray,
        where: np.ndarray | None,
        near: np.ndarray | None,
        flat: Flat | None,
        grid: Grid,
        progress: Progress,
    ) -> None:
        calm, noise = (None, 0.0) if flat is None else (flat.voxels, flat.noise[0])
        most = faint_structure(residual, where, near, calm, noise, grid.spacing_kji, progress)
        place = [f"structure_{axis}_mm" for axis in "lps"[: grid.dimension]]
        if most is None:
            reason = "zero_variance" if found.values["residual_sd"] == 0 else "too_small"
            found.missing(
                reason, "structure_score", "structure_percent", "structure_width_mm", "structure_taken", *place
            )
            return
        found.put("structure_score", most.score)
        found.put("structure_percent", most.percent)
        found.put("structure_width_mm", most.width_mm)
        found.put("structure_taken", most.taken)
        for key, value in zip(place, grid.to_physical(np.array([most.place[::-1]]))[0], strict=True):
            found.put(key, value)

    def _contrast(
        self, found: Findings, before: sitk.Image, after: sitk.Image, regions: Labels, progress: Progress
    ) -> None:
        if len(regions.segments) < 2:
            raise InputError(
                f"Contrast is between two regions; the segmentation has {len(regions.segments)}.", role="regions"
            )
        if len(regions.segments) > 2:
            progress.warn(f"Contrast is that of {regions.names[0]} against {regions.names[1]}, the first two segments.")
        where = [region(regions, segment.id, before, progress) for segment in regions.segments[:2]]
        for word, image in (("before", before), ("after", after)):
            array = sitk.GetArrayViewFromImage(image)
            one, other = (sample(array, at, progress, middle=False) for at in where)
            _put_contrast(found, word, one, other)


def _by_edges(places: np.ndarray, progress: Progress) -> np.ndarray:
    """Where the search for faint structure does not look."""
    return dilate(places.view(np.uint8), [BY_EDGE] * places.ndim, "box", progress).view(bool)


def _put_contrast(found: Findings, word: str, one: Sample, other: Sample) -> None:
    empty = next((s.reason for s in (one, other) if s.n < 2), "")
    found.put(f"contrast_{word}", one.mean - other.mean, empty)
    spread = math.sqrt((one.sd**2 + other.sd**2) / 2)
    found.ratio(f"cnr_{word}", abs(one.mean - other.mean), spread, empty or "zero_variance")


def _judge(found: Findings) -> None:
    """Words for what the numbers mean; comparisons with undefined ones are false."""
    value = found.values
    if value["residual_edge_ratio"] > DETAIL:
        found.warn("detail_added" if value["edge_slope_ratio"] > SHARP else "detail_removed")
    if value["edge_slope_ratio"] < BLUR:
        found.warn("edges_blurred")
    if value["edge_slope_ratio"] > SHARP:
        found.warn("edges_sharpened")
    if value["structure_score"] > 1:
        found.warn("structure_removed")
    if value["noise_ratio"] > SHARP:
        found.warn("noise_raised")
    chance = 4 * value["residual_sd"] / math.sqrt(value["n"])
    noise = value["noise_before"] if math.isfinite(value["noise_before"]) else 0.0
    if abs(value["residual_mean"]) > max(SHIFT * noise, chance):
        found.warn("brightness_changed")
    if abs(value.get("contrast_after", 1.0)) < CONTRAST * abs(value.get("contrast_before", 1.0)):
        found.warn("contrast_lost")


def _residual(before: np.ndarray, after: np.ndarray, progress: Progress) -> np.ndarray:
    wide = np.float64 in (working_type(before.dtype), working_type(after.dtype))
    out: np.ndarray = np.empty(before.shape, np.float64 if wide else np.float32)

    def subtracted(part: slice) -> None:
        out[part] = before[part].astype(np.float64) - after[part]

    for_each(subtracted, slabs_of(before), progress=progress, message="Residual")
    return out
