"""Modulation transfer function from an edge, a disk or a wire."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, ClassVar, NamedTuple

import numpy as np

from ..operation import Operation
from ..parameters import Choice, Quantity
from ..progress import SILENT, Progress
from ..values import Column, Curve, Curves, Image, Mask, Measurements
from .arrays import count_nonfinite, inside_of, warn_nonfinite
from .edge import Located, find_disk, find_edge
from .findings import STATUS, WARNINGS, Findings
from .planes import Planes, SliceAxis
from .transfer import GAUSS_10, GAUSS_50, Transfer, crossing, edge_transfer, full_width, gaussian_transfer, phi
from .wire import Point, find_point

LOW_CNR = 15.0
NO_EDGE_CNR = 3.0
OTHER = 0.25
"""Residual of the plateaus, as a part of the contrast, beyond which there is something else in the region."""

NUMBERS = ("mtf50_lp_per_mm", "mtf10_lp_per_mm", "erf_fit_sigma_total_mm", "mtf50_fit", "mtf10_fit", "contrast", "cnr",
           "lsf_fwhm_mm", "edge_angle_deg", "reach_mm")  # fmt: skip
COLUMNS = (
    Column("target", "Target", "", "What the transfer was measured on", str),
    Column("slices", "Slices", "", "Slices that were averaged", int),
    Column("mtf50_lp_per_mm", "MTF 50 %", "lp/mm", "Frequency at which the MTF is a half"),
    Column("mtf10_lp_per_mm", "MTF 10 %", "lp/mm", "Frequency at which the MTF is a tenth"),
    Column("erf_fit_sigma_total_mm", "Sigma of the fit", "mm",
           "Standard deviation of the error function (Gaussian for a wire) that fits best; pixel aperture included"),
    Column("mtf50_fit", "MTF 50 % of the fit", "lp/mm", "0.18739 / sigma"),
    Column("mtf10_fit", "MTF 10 % of the fit", "lp/mm", "0.34155 / sigma"),
    Column("contrast", "Contrast", "", "Step across the edge; object minus background for disk and wire"),
    Column("cnr", "CNR", "", "|contrast| over the SD around the fit beyond four sigma, in the averaged slice"),
    Column("lsf_fwhm_mm", "FWHM", "mm", "Full width at half maximum of the line spread"),
    Column("edge_angle_deg", "Edge angle", "deg", "Angle between the edge and the nearest image axis"),
    Column("reach_mm", "Window", "mm", "Half length of the Hann window on the line spread"),
    Column("nyquist_lp_per_mm", "Nyquist frequency", "lp/mm", "1 / (2 pixel)"),
    Column("n_nonfinite", "Non-finite voxels", "", "Voxels NaN or infinite in the region", int),
    WARNINGS,
    STATUS,
)  # fmt: skip


class Measured(NamedTuple):
    table: Measurements
    curves: Curves
    profile: Curves


@dataclass(frozen=True)
class ModulationTransfer(Operation):
    """Measure the spatial resolution as the modulation transfer function of a phantom.

    slanted edge: a straight edge, 2 to 10 degrees off an image axis, in the region. Every pixel is projected
    onto the normal of the edge; edge spread in bins of an eighth of a pixel, line spread by difference with a Hann
    window over at most +-12 mm, modulus of the DFT, divided by sinc(f bin)^2 (ISO 12233; Samei et al. 2019).

    disk: a rod across the slices (ACR, Catphan; TG-233). Centre and radius are fitted, then the same along the
    radius. The region must hold the rod and its surroundings: widen a segment of the rod alone by `margin_mm`.
    Average 10 slices or more for low contrast.

    wire: a thin wire across the slices, or a bead; spectrum of its image averaged over 36 directions.

    MTF 50 % and 10 % in lp/mm, the sigma of a fitted error function (robust in noise; MTF of a Gaussian is
    `exp(-2 pi^2 sigma^2 f^2)`, a half at `0.18739 / sigma`), contrast, CNR and line spread width. The pixel aperture
    is part of the image and is not divided out. Doubtful measurements are marked: CNR below 15, an angle outside 2 to
    10 degrees, another structure near, so little room that the window matters, a target that moves between slices.
    An edge whose rows do not fill a whole pixel with phases is refused (`edge_not_slanted`); a frequency beyond
    Nyquist is undefined (`beyond_nyquist`).

    Inputs
    ------
    image
        Image of the phantom.
    mask
        Region that holds the target and nothing else but its surroundings; without one the whole image.

    Outputs
    -------
    table
        One row.
    curves
        MTF, measured and of the fit.
    profile
        Edge spread from 0 to 1 and line spread with a peak of 1, over the distance from the edge in mm.

    Parameters
    ----------
    target
        What is in the region.
    margin_mm
        How far the region is widened within its slices.
    wire_diameter_mm
        Diameter of the wire, whose own transfer is divided out.
    across
        Axis across the slices, along which rod and wire run.
    """

    name: ClassVar[str] = "modulation_transfer"
    title: ClassVar[str] = "Modulation transfer function"
    group: ClassVar[str] = "Image quality"
    memory_factor: ClassVar[float] = 2.0
    finite_only: ClassVar[bool] = False
    presets: ClassVar = {
        "Slanted edge": {"target": "edge"},
        "Rod given as a segment": {"target": "disk", "margin_mm": 8.0},
        "Wire or bead": {"target": "wire"},
    }

    target: Annotated[str, Choice("edge", "disk", "wire")] = "edge"
    margin_mm: Annotated[float, Quantity("mm", low=0.0, high=100.0)] = 0.0
    wire_diameter_mm: Annotated[float, Quantity("mm", low=0.0, high=5.0)] = 0.0
    across: Annotated[str, SliceAxis] = "k"

    def run(self, image: Image, mask: Mask | None = None, *, progress: Progress = SILENT) -> Measured:
        progress.report(0.0, "Averaging slices")
        planes = Planes(image, inside_of(mask), self.across)
        warn_nonfinite(count_nonfinite(planes.array, None, progress), "image", progress,
                       "the result is undefined where one lies in the region")  # fmt: skip
        first, last, region, box = self._region(planes, progress)
        part = planes.array[first:last, box[0], box[1]]
        found = Findings(target=self.target, slices=last - first)
        spacing = planes.spacing[1:]
        wrong = sum(int(np.count_nonzero(~np.isfinite(plane[region]))) for plane in part) if part.size else 0
        found.values["n_nonfinite"] = wrong
        found.put("nyquist_lp_per_mm", 0.5 / max(spacing))
        if wrong:
            found.missing("nonfinite_input", *NUMBERS)
            return _measured(found, None, math.nan)
        mean, halves = _averages(part, progress)
        progress.report(0.4, "Finding the target")
        result = self._measure(found, mean, region, spacing, progress)
        if result is None:
            return _measured(found, None, math.nan)
        transfer, place = result
        progress.report(0.8, "Comparing slices")
        if halves is not None:
            self._check_moves(found, halves, region, spacing, place, progress)
        measured = _measured(found, transfer, found.values["erf_fit_sigma_total_mm"])
        for word in measured.table.rows[0]["warnings"].split(", "):
            if word in SENTENCES:
                progress.warn(SENTENCES[word])
        progress.report(1.0)
        return measured

    def _region(self, planes: Planes, progress: Progress) -> tuple[int, int, np.ndarray, tuple[slice, slice]]:
        """First and last slice, the region within them (rows, columns), and its box in the slice."""
        box = planes.box
        first, last, _ = box[0].indices(planes.array.shape[0])
        if planes.inside is None:
            return first, last, np.ones(planes.array.shape[1:], bool), (slice(None), slice(None))
        flat = np.zeros(planes.array.shape[1:], bool)
        for plane in planes.inside[first:last]:
            progress.check()
            flat |= plane
        if self.margin_mm > 0:
            from scipy.ndimage import distance_transform_edt

            margin = [math.ceil(self.margin_mm / s) + 1 for s in planes.spacing[1:]]
            ranges = [s.indices(n) for s, n in zip(box[1:], flat.shape)]
            wide = [slice(max(0, r[0] - m), min(n, r[1] + m)) for r, m, n in zip(ranges, margin, flat.shape)]
            crop = distance_transform_edt(~flat[tuple(wide)], planes.spacing[1:]) <= self.margin_mm
            return first, last, crop, (wide[0], wide[1])
        return first, last, flat[box[1], box[2]], (box[1], box[2])

    def _measure(
        self, found: Findings, mean: np.ndarray, region: np.ndarray, spacing: tuple[float, ...], progress: Progress
    ) -> tuple[Transfer | Point, tuple[float, float]] | None:
        pixel = (spacing[0], spacing[1])
        if self.target == "wire":
            point = find_point(mean, region, pixel, self.wire_diameter_mm, progress)
            return _put_point(found, point)
        located = (find_edge if self.target == "edge" else find_disk)(mean, region, pixel, progress)
        progress.check()
        return _put_edge(found, located)

    def _check_moves(
        self,
        found: Findings,
        halves: tuple[np.ndarray, np.ndarray],
        region: np.ndarray,
        spacing: tuple[float, ...],
        place: tuple[float, float],
        progress: Progress,
    ) -> None:
        """Warn when the target of the first half of the slices is elsewhere than that of the last half."""
        pixel = (spacing[0], spacing[1])
        places = []
        there: Point | Located | None
        for half in halves:
            progress.check()
            if self.target == "wire":
                there = find_point(half, region, pixel, 0.0, progress)
            else:
                there = (find_edge if self.target == "edge" else find_disk)(half, region, pixel, progress)
            if there is not None:
                places.append(there.place)
        if len(places) == 2 and math.dist(*places) > 0.2 * max(spacing):
            found.warn("moves_between_slices")


SENTENCES = {
    "low_cnr": "The contrast-to-noise ratio is below 15; average more slices or trust the fitted sigma only.",
    "angle_outside_2_to_10_degrees": "The edge is not 2 to 10 degrees off an image axis; it may be sampled unevenly.",
    "other_structure_near": "Beside the edge the image does not stay on a plateau; another structure is near.",
    "moves_between_slices": "The target moves between the slices, so that their average is blurred; use fewer slices.",
    "short_window": "There is little room around the edge, so the window raises the measured frequencies by more than "
    "2 percent; widen the region or trust the fitted sigma.",
    "undersampled": "The point is narrower than two pixels; its spectrum is aliased. Use a finer grid or an edge.",
}


def _averages(part: np.ndarray, progress: Progress) -> tuple[np.ndarray, tuple[np.ndarray, np.ndarray] | None]:
    """Mean of all slices in float64, and means of the first and the last half."""
    middle = part.shape[0] // 2
    sums = [np.zeros(part.shape[1:]), np.zeros(part.shape[1:])]
    for number, plane in enumerate(part):
        progress.check()
        sums[number >= middle] += plane
    mean = (sums[0] + sums[1]) / part.shape[0]
    if middle == 0:
        return mean, None
    return mean, (sums[0] / middle, sums[1] / (part.shape[0] - middle))


def _put_edge(found: Findings, located: Located | None) -> tuple[Transfer, tuple[float, float]] | None:
    if located is None:
        found.missing("no_edge", *NUMBERS)
        return None
    step, s = located.step, located.s
    fitted = step.base + step.height * phi(s / step.sigma)
    plateau = (np.abs(s) > 4 * step.sigma) & (np.abs(s) <= max(located.reach, 8 * step.sigma))
    residual = (located.values - fitted)[plateau]
    noise = float(residual.std(ddof=1)) if residual.size > 2 else math.nan
    cnr = abs(step.height) / noise if noise > 0 else math.inf
    disk = math.isnan(located.angle_deg)
    if not disk and located.shift_pixels < 1:
        found.missing("edge_not_slanted", *NUMBERS[:8], "reach_mm")
        found.put("edge_angle_deg", located.angle_deg)
        return None
    if residual.size <= 2 or (noise > 0 and cnr < NO_EDGE_CNR):
        found.missing("no_edge", *NUMBERS)
        return None
    departure = _departure(s[plateau], residual, located.pitch) / abs(step.height)
    transfer = edge_transfer(s, located.values, located.pitch, located.reach)
    if departure > OTHER or transfer is None:
        found.missing("other_structure" if transfer is not None else "too_small", *NUMBERS)
        return None
    found.put("contrast", -step.height if disk else step.height)
    if math.isinf(cnr):
        # No noise at all, as in a computed image: the ratio has no value, the rest has.
        found.missing("zero_variance", "cnr")
    else:
        found.put("cnr", cnr)
        if cnr < LOW_CNR:
            found.warn("low_cnr")
    if disk:
        found.values["edge_angle_deg"] = None
    else:
        found.put("edge_angle_deg", located.angle_deg)
        if not 2 <= located.angle_deg <= 10:
            found.warn("angle_outside_2_to_10_degrees")
    if departure > max(0.05, 4 * noise / abs(step.height) / math.sqrt(OVER)):
        found.warn("other_structure_near")
    found.put("lsf_fwhm_mm", full_width(transfer.line_position, transfer.line_spread), "too_small")
    _put_frequencies(found, transfer.frequency, transfer.mtf, step.sigma)
    # A Hann window of half length r narrows a Gaussian line spread by about (pi sigma / (2 r))^2.
    if (math.pi * step.sigma / (2 * transfer.reach)) ** 2 > SHORT:
        found.warn("short_window")
    found.put("reach_mm", transfer.reach)
    found.put("nyquist_lp_per_mm", 0.5 / located.pitch)
    return transfer, located.place


SHORT = 0.02
"""Part by which the window may raise the frequencies."""
OVER = 16
"""Pixels whose mean tells a departure from the plateau."""


def _departure(s: np.ndarray, residual: np.ndarray, pitch: float) -> float:
    """Largest mean residual of the pixels at one distance (in steps of a pixel, of 16 pixels at least)."""
    number = np.rint((s - s.min()) / pitch).astype(np.intp)
    count = np.bincount(number)
    mean = np.bincount(number, residual)[count >= OVER] / count[count >= OVER]
    return float(np.abs(mean).max(initial=0.0))


def _put_point(found: Findings, point: Point | None) -> tuple[Point, tuple[float, float]] | None:
    if point is None or (point.noise > 0 and abs(point.height) / point.noise < NO_EDGE_CNR):
        found.missing("no_edge", *NUMBERS)
        return None
    found.put("contrast", point.height)
    found.ratio("cnr", abs(point.height), point.noise)
    if found.values["cnr"] < LOW_CNR:
        found.warn("low_cnr")
    found.put("lsf_fwhm_mm", 2 * math.sqrt(2 * math.log(2)) * point.sigma)
    if found.values["lsf_fwhm_mm"] < 1 / found.values["nyquist_lp_per_mm"]:
        found.warn("undersampled")
    found.values["edge_angle_deg"] = None
    _put_frequencies(found, point.frequency, point.mtf, point.sigma)
    found.put("reach_mm", point.reach)
    return point, point.place


def _put_frequencies(found: Findings, frequency: np.ndarray, mtf: np.ndarray, sigma: float) -> None:
    found.put("mtf50_lp_per_mm", crossing(frequency, mtf, 0.5), "beyond_nyquist")
    found.put("mtf10_lp_per_mm", crossing(frequency, mtf, 0.1), "beyond_nyquist")
    found.put("erf_fit_sigma_total_mm", sigma)
    found.put("mtf50_fit", GAUSS_50 / sigma)
    found.put("mtf10_fit", GAUSS_10 / sigma)


def _measured(found: Findings, transfer: Transfer | Point | None, sigma: float) -> Measured:
    series: tuple[Curve, ...] = ()
    profile: tuple[Curve, ...] = ()
    if transfer is not None:
        f = transfer.frequency
        series = (Curve("Measured", f, transfer.mtf), Curve("Gaussian fit", f, gaussian_transfer(f, sigma)))
    if isinstance(transfer, Transfer):
        low, high = transfer.edge_spread[[0, -1]]
        line = transfer.line_spread / (transfer.line_spread.flat[int(np.abs(transfer.line_spread).argmax())] or 1.0)
        if high != low:
            spread = (transfer.edge_spread - low) / (high - low)
            profile = (
                Curve("Edge spread", transfer.position, spread),
                Curve("Line spread", transfer.line_position, line),
            )
    return Measured(
        Measurements(COLUMNS, (found.row(),)),
        Curves("Modulation transfer", "Spatial frequency", "MTF", series, "lp/mm"),
        Curves("Edge profile", "Distance from the edge", "Relative value", profile, "mm"),
    )
