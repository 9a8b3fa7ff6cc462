"""How well several raters agree with each other, when none of them is the truth."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, NamedTuple

import numpy as np

from ..boxes import join
from ..errors import InputError
from ..operation import Operation
from ..parameters import Choice
from ..progress import SILENT, Progress
from ..values import Column, Curve, Curves, Labels, Measurements
from . import overlap, reliability, surface
from .bland_altman import bland_altman
from .common_grid import CommonGrid
from .overlap import Counts
from .raters import Rated, fleiss_kappa, structures, votes
from .scan import Mask, scan

PAIR = (
    Column("segment", "Segment", "", "Name of the structure", str),
    Column("rater_a", "Rater A", "", "Position of the first rater, from 1", int),
    Column("rater_b", "Rater B", "", "Position of the second rater, from 1", int),
    Column("dice", "Dice", "", "2 |A and B| / (|A| + |B|)"),
    Column("jaccard", "Jaccard", "", "|A and B| / |A or B|"),
    Column("kappa", "Cohen kappa", "", "Over the box around all raters"),
    Column("kappa_full_grid", "Cohen kappa, whole image", "", "Over the whole image; rises with the background it has"),
    Column("volume_a_mm3", "Volume A", "mm3", "Volume of rater A"),
    Column("volume_b_mm3", "Volume B", "mm3", "Volume of rater B"),
    Column("volume_diff_mm3", "Volume difference", "mm3", "B minus A"),
)
STATUS = (Column("status", "Status", "", "Why a number is missing", str),)
DISTANCES = ("hd", "hd95", "assd")
SUMMARY = (
    Column("segment", "Segment", "", "Name of the structure", str),
    Column("raters", "Raters", "", "Number of raters", int),
    Column("mean_dice", "Mean Dice", "", "Mean over the pairs of raters with a defined one"),
    Column("min_dice", "Smallest Dice", "", "Smallest over the pairs of raters"),
    Column("generalised_jaccard", "Generalised Jaccard", "", "Voxels that all mark / voxels that anyone marks"),
    Column("fleiss_kappa", "Fleiss kappa", "", "All raters together, over the box around all of them"),
    Column("fleiss_kappa_full_grid", "Fleiss kappa, whole image", "", "Rises with the background that the image has"),
    Column("volume_mean_mm3", "Mean volume", "mm3", "Mean volume over the raters"),
    Column("volume_sd_mm3", "SD of volume", "mm3", "Sample standard deviation over the raters, n - 1"),
    Column("volume_cv_percent", "Variation of volume", "%", "100 SD / mean"),
    Column("status", "Status", "", "Why a number is missing", str),
)
VOLUMES = (
    Column("raters", "Raters", "", "The two raters, by position", str),
    *reliability.difference_columns("mm3"),
)


class RaterAgreed(NamedTuple):
    """Outputs of `rater_agreement` by role."""

    table: Measurements
    summary: Measurements
    volumes: Measurements
    reliability: Measurements
    plot: Curves
    bland_altman: Curves


@dataclass(frozen=True)
class RaterAgreement(Operation):
    """Compare several raters with each other, when none of them is the truth.

    Every pair of raters: Dice, Jaccard, Cohen's kappa (1960) and surface distances. All together: Fleiss' kappa
    (1971) of the voxels, and the generalised Jaccard index, the voxels that all mark over those that anyone
    marks. Kappa depends on how much background is looked at; it is given over the box around all raters, which
    does not depend on the scan, and over the whole image. Volumes: intraclass correlations ICC(2,1) and
    ICC(3,1) with intervals (Shrout and Fleiss 1979, McGraw and Wong 1996) and bias with limits of agreement
    (Bland and Altman 1986), with the structures as subjects; for many patients collect the volumes in a table
    and use `compare_readings`.

    Inputs
    ------
    raters
        Segmentations of the same image, at least two; segments belong together by name.

    Outputs
    -------
    table
        One row per structure and pair of raters.
    summary
        One row per structure.
    volumes
        Bias and limits of agreement of the volumes, one row per pair of raters.
    reliability
        Intraclass correlations of the volumes.
    plot
        Dice of every pair over the number of the structure.
    bland_altman
        Differences of volumes over their means.

    Parameters
    ----------
    surfaces
        Which surface elements are measured; none saves time.
    """

    name: ClassVar[str] = "rater_agreement"
    title: ClassVar[str] = "Agreement of raters"
    group: ClassVar[str] = "Raters"
    memory_factor: ClassVar[float] = 2.0
    presets: ClassVar = {"Without surfaces": {"surfaces": "none"}}

    surfaces: Annotated[str, Choice("surfel", "voxel", "none")] = "surfel"

    def run(self, raters: Sequence[Labels], *, progress: Progress = SILENT) -> RaterAgreed:
        if len(raters) < 2:
            raise InputError("Agreement needs at least two raters.", role="raters")
        common = CommonGrid(raters, progress, [f"rater {n}" for n in range(1, len(raters) + 1)])
        rated = structures(common, progress)
        if not rated:
            raise InputError("No rater has a segment.", role="raters")
        rows: list[dict[str, Any]] = []
        summary, volumes = [], []
        for number, structure in enumerate(rated):
            part = progress.part(number / len(rated), (number + 1) / len(rated))
            own, row, sizes = self._structure(common, structure, part)
            rows += own
            summary.append(row)
            volumes.append(sizes)
        table = np.array(volumes, float).reshape(len(rated), len(raters))
        names = [(f"{a + 1} and {b + 1}", table[:, a], table[:, b]) for a, b in _pairs(len(raters))]
        return RaterAgreed(
            Measurements((*PAIR, *self._distance_columns(), *STATUS), tuple(rows)),
            Measurements(SUMMARY, tuple(summary)),
            Measurements(VOLUMES, tuple({"raters": n, **reliability.differences(a, b)} for n, a, b in names)),
            Measurements(reliability.ICC_COLUMNS, (reliability.icc(table),)),
            _plot([structure.name for structure in rated], rows),
            bland_altman("Volumes of raters", "mm3", names),
        )

    def _distance_columns(self) -> tuple[Column, ...]:
        if self.surfaces == "none":
            return ()
        known = {column.key: column for column in surface.columns((self.surfaces,), (), False)}
        return tuple(known[f"{self.surfaces}_{key}"] for key in DISTANCES)

    def _structure(
        self, common: CommonGrid, rated: Rated, progress: Progress
    ) -> tuple[list[dict[str, Any]], dict[str, Any], list[float]]:
        """Rows of the pairs, the row of the summary, and the volumes of a structure."""
        progress.report(0.0, f"Raters of {rated.name}")
        total = votes(common, rated, progress)
        size = common.grid.voxel_volume_mm3
        raters = len(common.sides)
        voxels = [0] * raters
        rows = []
        pairs = _pairs(raters)
        for step, (a, b) in enumerate(pairs):
            part = progress.part(step / len(pairs), (step + 1) / len(pairs))
            counts, distances = self._pair(common, rated, a, b, part)
            voxels[a], voxels[b] = counts.tp + counts.fn, counts.tp + counts.fp
            numbers = overlap.overlap(counts, size)
            inside = 0 if total is None else total.size - common.voxels + counts.tn
            boxed = overlap.overlap(counts._replace(tn=inside), size)
            row = {
                "segment": rated.name,
                "rater_a": a + 1,
                "rater_b": b + 1,
                "dice": numbers["dice"],
                "jaccard": numbers["jaccard"],
                "kappa": boxed["kappa"],
                "kappa_full_grid": numbers["kappa"],
                "volume_a_mm3": numbers["volume_ref_mm3"],
                "volume_b_mm3": numbers["volume_pred_mm3"],
                "volume_diff_mm3": numbers["volume_diff_mm3"],
                **distances,
            }
            rows.append(row | {"status": _pair_status(row, counts)})
        volumes = [n * size for n in voxels]
        return rows, _summary(common, rated, total, rows, volumes), volumes

    def _pair(
        self, common: CommonGrid, rated: Rated, a: int, b: int, progress: Progress
    ) -> tuple[Counts, dict[str, float]]:
        segments = (rated.segments[a], rated.segments[b])
        sides = (common.sides[a], common.sides[b])
        box = join(*(side.box(segment) for side, segment in zip(sides, segments)))
        keys = [column.key for column in self._distance_columns()]
        missing = dict.fromkeys(keys, math.nan)
        if box is None:
            return Counts(0, 0, 0, common.voxels), missing
        masks = [
            Mask(side.layers[segment.layer], segment.value) if segment is not None else Mask(side.layers[0], 1 << 70)
            for side, segment in zip(sides, segments)
        ]
        conventions = () if self.surfaces == "none" else (self.surfaces,)
        found = scan(masks, box, conventions, common.spacing, common.flat_axis(True), progress.part(0.0, 0.3))
        first, second = found.voxels
        both = found.both
        counts = Counts(both, second - both, first - both, common.voxels - first - second + both)
        if not conventions or not first or not second:
            return counts, missing
        numbers = surface.surface(self.surfaces, found.elements[self.surfaces], (), progress.part(0.3, 1.0))
        return counts, {key: numbers[key] for key in keys}


def _pairs(raters: int) -> list[tuple[int, int]]:
    return list(itertools.combinations(range(raters), 2))


def _pair_status(row: dict[str, Any], counts: Counts) -> str:
    found = overlap.status(counts)
    if found and found != "no_background":
        return {"both_empty": "both_empty", "reference_empty": "a_empty", "prediction_empty": "b_empty"}[found]
    return "no_background" if math.isnan(row["kappa"]) or math.isnan(row["kappa_full_grid"]) else ""


def _summary(
    common: CommonGrid, rated: Rated, total: np.ndarray | None, rows: list[dict[str, Any]], volumes: list[float]
) -> dict[str, Any]:
    raters = len(volumes)
    dice = [row["dice"] for row in rows if not math.isnan(row["dice"])]
    histogram = [0] * (raters + 1)
    if total is not None:
        histogram = np.bincount(total.ravel(), minlength=raters + 1).tolist()
    anyone = sum(histogram[1:])
    whole = [common.voxels - anyone, *histogram[1:]]
    mean = math.fsum(volumes) / raters
    sd = float(np.std(volumes, ddof=1))
    row: dict[str, Any] = {
        "segment": rated.name,
        "raters": raters,
        "mean_dice": math.fsum(dice) / len(dice) if dice else math.nan,
        "min_dice": min(dice, default=math.nan),
        "generalised_jaccard": histogram[-1] / anyone if anyone else math.nan,
        "fleiss_kappa": fleiss_kappa(histogram),
        "fleiss_kappa_full_grid": fleiss_kappa(whole),
        "volume_mean_mm3": mean,
        "volume_sd_mm3": sd,
        "volume_cv_percent": 100 * sd / mean if mean else math.nan,
    }
    undefined = [value for value in row.values() if isinstance(value, float) and math.isnan(value)]
    return row | {"status": "" if not undefined else "no_background" if anyone else "all_empty"}


def _plot(names: list[str], rows: list[dict[str, Any]]) -> Curves:
    """Dice of every pair of raters as a series of points over the number of the structure."""
    series = []
    for a, b in dict.fromkeys((row["rater_a"], row["rater_b"]) for row in rows):
        own = [row for row in rows if (row["rater_a"], row["rater_b"]) == (a, b) and not math.isnan(row["dice"])]
        x = np.array([names.index(row["segment"]) + 1 for row in own], float)
        series.append(Curve(f"Raters {a} and {b}", x, np.array([row["dice"] for row in own], float), "points"))
    listed = ", ".join(f"{n} {name}" for n, name in enumerate(names, start=1))
    return Curves(f"Dice of raters by structure ({listed})", "Structure", "Dice", tuple(series))
