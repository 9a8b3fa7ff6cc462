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
from .transfer import GAUSS_10, GAUSS_50, Step, Transfer, crossing, edge_transfer, full_width, gaussian_transfer, phi
from .wire import Point, find_point

LOW_CNR = 15.0
NO_EDGE_CNR = 3.0
OTHER = 0.1
"""Departure from a plateau, as a part of the contrast, that means something else in the region."""

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
    """Outputs of `modulation_transfer` by role."""

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
        How far the region is widened within its slices; for a disk only if it does not hold the surroundings already.
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
        first, last, region, core, box = self._region(planes, progress)
        part = planes.array[first:last, box[0], box[1]]
        found = Findings(target=self.target, slices=last - first)
        spacing = planes.spacing[1:]
        wrong = sum(int(np.count_nonzero(~np.isfinite(plane[region]))) for plane in part) if part.size else 0
        found.values["n_nonfinite"] = wrong
        found.put("nyquist_lp_per_mm", 0.5 / max(spacing))
        if wrong:
            found.missing("nonfinite_input", *NUMBERS)
            return _measured(found, None, math.nan, progress)
        mean, halves = _averages(part, progress)
        progress.report(0.4, "Finding the target")
        transfer = self._measure(found, mean, region, core, spacing, progress)
        if transfer is None:
            return _measured(found, None, math.nan, progress)
        progress.report(0.8, "Comparing slices")
        if halves is not None:
            self._check_moves(found, halves, region, core, spacing, progress)
        measured = _measured(found, transfer, found.values["erf_fit_sigma_total_mm"], progress)
        for word in measured.table.rows[0]["warnings"].split(", "):
            if word in SENTENCES:
                progress.warn(SENTENCES[word])
        progress.report(1.0)
        return measured

    def _region(
        self, planes: Planes, progress: Progress
    ) -> tuple[int, int, np.ndarray, np.ndarray | None, tuple[slice, slice]]:
        """First and last slice, the region in them (rows, columns), it before it was widened, and its box."""
        box = planes.box
        first, last, _ = box[0].indices(planes.array.shape[0])
        if planes.inside is None:
            return first, last, np.ones(planes.array.shape[1:], bool), None, (slice(None), slice(None))
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
            return first, last, crop, flat[tuple(wide)], (wide[0], wide[1])
        return first, last, flat[box[1], box[2]], None, (box[1], box[2])

    def _find(
        self, image: np.ndarray, region: np.ndarray, core: np.ndarray | None, pixel: tuple[float, float], p: Progress
    ) -> Located | Point | None:
        if self.target == "wire":
            return find_point(image, region, pixel, self.wire_diameter_mm, p)
        if self.target == "edge":
            return find_edge(image, region, pixel, p)
        if core is not None:
            # A region that holds the rod and its surroundings already is taken as it is.
            bare = find_disk(image, core, pixel, p)
            if bare is not None and bare.reach >= 4 * bare.step.sigma + bare.pitch:
                return bare
        return find_disk(image, region, pixel, p, core)

    def _measure(
        self,
        found: Findings,
        mean: np.ndarray,
        region: np.ndarray,
        core: np.ndarray | None,
        spacing: tuple[float, ...],
        progress: Progress,
    ) -> Transfer | Point | None:
        target = self._find(mean, region, core, (spacing[0], spacing[1]), progress)
        progress.check()
        return _put_edge(found, target) if isinstance(target, Located) else _put_point(found, target)

    def _check_moves(
        self,
        found: Findings,
        halves: tuple[np.ndarray, np.ndarray],
        region: np.ndarray,
        core: np.ndarray | None,
        spacing: tuple[float, ...],
        progress: Progress,
    ) -> None:
        """Warn when the target of the first half of the slices is elsewhere than that of the last half."""
        there = [self._find(half, region, core, (spacing[0], spacing[1]), progress) for half in halves]
        first, last = (None if target is None else target.place for target in there)
        if first is not None and last is not None and math.dist(first, last) > 0.2 * max(spacing):
            found.warn("moves_between_slices")


SENTENCES = {
    "low_cnr": "The contrast-to-noise ratio is below 15; average more slices or trust the fitted sigma only.",
    "angle_outside_2_to_10_degrees": "The edge is not 2 to 10 degrees off an image axis; it may be sampled unevenly.",
    "other_structure_near": "Beside the edge the image does not stay on a plateau: another structure is near, and the "
    "window was shortened to end before it.",
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


def _put_edge(found: Findings, located: Located) -> Transfer | None:
    step, s = located.step, located.s
    residual = located.values - (step.base + step.height * phi(s / step.sigma))
    disk = math.isnan(located.angle_deg)
    if not disk and located.shift_pixels < 1:
        found.missing("edge_not_slanted", *(key for key in NUMBERS if key != "edge_angle_deg"))
        found.put("edge_angle_deg", located.angle_deg)
        return None
    clear = _clear(s, residual, located, step)
    reach = min(located.reach, clear)
    plateau = (np.abs(s) > 4 * step.sigma) & (np.abs(s) <= reach)
    if plateau.sum() < OVER or reach < 4 * step.sigma:
        found.missing("other_structure" if clear < located.reach else "too_small", *NUMBERS)
        return None
    noise = float(residual[plateau].std(ddof=1))
    cnr = abs(step.height) / noise if noise > 0 else math.inf
    if cnr < NO_EDGE_CNR:
        found.missing("no_edge", *NUMBERS)
        return None
    transfer = edge_transfer(s, located.values, located.pitch, reach)
    if transfer is None:
        found.missing("too_small", *NUMBERS)
        return None
    if clear < located.reach:
        found.warn("other_structure_near")
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
    found.put("lsf_fwhm_mm", full_width(transfer.line_position, transfer.line_spread), "too_small")
    _put_frequencies(found, transfer.frequency, transfer.mtf, step.sigma)
    # A Hann window of half length r narrows a Gaussian line spread by about (pi sigma / (2 r))^2.
    if (math.pi * step.sigma / (2 * transfer.reach)) ** 2 > SHORT:
        found.warn("short_window")
    found.put("reach_mm", transfer.reach)
    found.put("nyquist_lp_per_mm", 0.5 / located.pitch)
    return transfer


SHORT = 0.02
"""Part by which the window may raise the frequencies."""
OVER = 16
"""Pixels whose mean tells a departure from the plateau."""


def _clear(s: np.ndarray, residual: np.ndarray, located: Located, step: Step) -> float:
    """Distance from the edge in mm up to which the image stays on its plateaus; infinite when it always does.

    The mean of at least 16 pixels of one distance may not leave the plateau by a tenth of the contrast, nor by four
    times what noise explains.
    """
    beyond = np.abs(s) > 4 * step.sigma
    if not beyond.any():
        return math.inf
    noise = float(np.median(np.abs(residual[beyond]))) / 0.6745
    first = math.inf
    for side in (s > 0, s < 0):
        chosen = beyond & side
        number = np.rint(np.abs(s[chosen]) / located.pitch).astype(np.intp)
        count = np.bincount(number, minlength=1)
        with np.errstate(invalid="ignore"):
            mean = np.abs(np.bincount(number, residual[chosen], minlength=1) / count)
        limit = np.maximum(OTHER * abs(step.height), 4 * noise / np.sqrt(np.maximum(count, 1)))
        away = np.flatnonzero((count >= OVER) & (mean > limit))
        if away.size:
            first = min(first, (int(away[0]) - 1) * located.pitch)
    return first


def _put_point(found: Findings, point: Point | None) -> Point | None:
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
    return point


def _put_frequencies(found: Findings, frequency: np.ndarray, mtf: np.ndarray, sigma: float) -> None:
    found.put("mtf50_lp_per_mm", crossing(frequency, mtf, 0.5), "beyond_nyquist")
    found.put("mtf10_lp_per_mm", crossing(frequency, mtf, 0.1), "beyond_nyquist")
    found.put("erf_fit_sigma_total_mm", sigma)
    found.put("mtf50_fit", GAUSS_50 / sigma)
    found.put("mtf10_fit", GAUSS_10 / sigma)


def _measured(found: Findings, transfer: Transfer | Point | None, sigma: float, progress: Progress) -> Measured:
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
        Measurements(COLUMNS, (found.row(progress),)),
        Curves("Modulation transfer", "Spatial frequency", "MTF", series, "lp/mm"),
        Curves("Edge profile", "Distance from the edge", "Relative value", profile, "mm"),
    )
