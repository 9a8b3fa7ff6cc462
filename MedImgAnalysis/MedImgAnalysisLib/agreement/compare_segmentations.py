"""How well two segmentations agree, segment by segment."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated, Any, ClassVar, NamedTuple

from ..errors import ParameterError
from ..operation import Operation
from ..parameters import Choice, Quantity
from ..progress import SILENT, Progress
from ..values import Column, Labels, Measurements, Surface
from . import multi_label, overlap, segment_pair
from .common_grid import CommonGrid
from .distance_surface import DistanceSurfaces
from .error_segments import ErrorSegments
from .pairing import PAIR_BY, Pair, cross_counts, pairs_of

NAMES = (
    Column("segment", "Segment", "", "Name of the segment in the reference, else in the test", str),
    Column("test_segment", "Test segment", "", "Name of its partner in the test", str),
)
STATUS = (Column("status", "Status", "", "Why a number is missing", str),)
SURFACES = {"both": ("surfel", "voxel"), "surfel": ("surfel",), "voxel": ("voxel",), "none": ()}


class Comparison(NamedTuple):
    """Outputs of `compare_segmentations` by role."""

    table: Measurements
    summary: Measurements
    errors: Labels | None
    surface: Surface | None


@dataclass(frozen=True)
class CompareSegmentations(Operation):
    """Compare a test segmentation with a reference, segment by segment.

    Gives overlap, surface distances, volumes and positions of each pair of segments, and averages over all
    of them. A segment that only one side has is compared with an empty one.

    Overlap: TP, FP, FN and TN are voxels; Dice = 2 TP / (2 TP + FP + FN) (Dice 1945), Jaccard = TP / (TP +
    FP + FN) (Jaccard 1912), the rates and Cohen's kappa as in Taha and Hanbury (2015). What counts TN depends
    on how much background the image has.

    Surfaces: distances from each element of one surface to the nearest of the other, in both directions. HD is
    their maximum (Huttenlocher 1993), HD95 the larger of the two 95th percentiles, ASSD the mean over both
    surfaces together (Heimann 2009), MASD the mean of the two directed means, RMSD the root mean square, the
    surface Dice the part of both surfaces within a tolerance (Nikolov 2021). Numbers that start with `surfel`
    weight each element by its area; those with `voxel` count border voxels once each, as many published
    values do. 2-D images have contours instead of surfaces.

    Segmentations on different grids are compared on the reference lattice extended until it covers both, so
    that what lies outside the reference image counts as well. Undefined numbers are empty with a status, never
    zero. Definitions follow Metrics Reloaded (Maier-Hein 2024).

    Inputs
    ------
    reference
        What is taken as the truth.
    test
        What is judged.

    Outputs
    -------
    table
        One row per segment.
    summary
        One row for all segments together: macro, micro, volume-weighted and generalised Dice.
    errors
        Segments of true positive, false positive and false negative voxels of each pair, where asked for.
    surface
        Surfaces of the reference segments, where asked for, with the distance to the surface of the test at every
        point: positive where the test reaches beyond the reference, negative where it falls short.

    Parameters
    ----------
    pair_by
        Which segments belong together: those of equal name (a single one on each side whatever its name), of
        equal terminology, or those that overlap most.
    surfaces
        Which surface elements are measured; none saves time.
    tolerances_mm
        Tolerances of the surface Dice. There is no default: take at least the distance between two raters and at
        least a voxel.
    one_slice
        Whether an image of one slice is looked at as 2-D or as 3-D, where the faces of the slice are surface.
    missing_distance
        What a distance is when only one side is empty: undefined, or the diagonal of the image as a penalty.
    empty_score
        Score for Dice, Jaccard, volume similarity and kappa when both are empty; undefined if not set.
    second_opinion
        Compute every surface number once more on an independent path and add columns of differences.
    mark_errors
        Make segments of the true positive, false positive and false negative voxels.
    color_surface
        Make the surface of the reference with the distances to the test (3-D only).
    """

    name: ClassVar[str] = "compare_segmentations"
    title: ClassVar[str] = "Compare segmentations"
    group: ClassVar[str] = "Agreement"
    revision: ClassVar[int] = 2
    memory_factor: ClassVar[float] = 2.0
    presets: ClassVar = {
        "Overlap only": {"surfaces": "none"},
        "Surface Dice at 1, 2 and 3 mm": {"tolerances_mm": (1.0, 2.0, 3.0)},
        "Empty pair counts as perfect": {"empty_score": 1.0},
        "With second opinion and errors to look at": {
            "second_opinion": True,
            "mark_errors": True,
            "color_surface": True,
        },
    }

    pair_by: Annotated[str, Choice(*PAIR_BY)] = "name"
    surfaces: Annotated[str, Choice("both", "surfel", "voxel", "none")] = "both"
    tolerances_mm: Annotated[tuple[float, ...], Quantity("mm", low=0.0, high=1000.0)] = ()
    one_slice: Annotated[str, Choice("2d", "3d")] = "2d"
    missing_distance: Annotated[str, Choice("undefined", "image_diagonal")] = "undefined"
    empty_score: Annotated[float | None, Quantity("", low=0.0, high=1.0)] = None
    second_opinion: bool = False
    mark_errors: bool = False
    color_surface: bool = False

    def check(self) -> None:
        """Refuse two tolerances that would share a column."""
        keys = [f"{tolerance:g}" for tolerance in self.tolerances_mm]
        if len(set(keys)) < len(keys):
            raise ParameterError(
                f"{self.name}: tolerances_mm is {self.tolerances_mm!r}; give every tolerance once.",
                operation=self.name,
                field="tolerances_mm",
                value=repr(self.tolerances_mm),
            )

    def run(self, reference: Labels, test: Labels, *, progress: Progress = SILENT) -> Comparison:
        common = CommonGrid((reference, test), progress, ("reference", "test"))
        pairs = pairs_of(common, self.pair_by, progress)
        wanted = self.wanted()
        fields = (common.view_field(0), common.view_field(1)) if common.resampled else (None, None)
        errors = ErrorSegments(common.grid, common.shape) if self.mark_errors else None
        surfaces = self._surfaces(common, progress)
        rows, counts = [], []
        for number, pair in enumerate(pairs):
            part = progress.part(number / len(pairs), (number + 1) / len(pairs))
            part.report(0.0, f"Comparing {pair.name}")
            measuring = part.part(0.0, 0.8) if surfaces is not None else part
            count, row = segment_pair.measure(common, pair, wanted, fields, measuring)
            partner = pair.test.name if pair.test is not None else ""
            rows.append({"segment": pair.name, "test_segment": partner, **row})
            counts.append(count)
            if errors is not None:
                _mark(errors, common, pair)
            if surfaces is not None:
                surfaces.add(number + 1, pair, segment_pair.joint_box(common, pair), part.part(0.8, 1.0))
        _warn_of_undefined(rows, progress)
        flat = common.flat_axis(wanted.one_slice_is_flat) is not None
        columns = (*NAMES, *segment_pair.columns(wanted, flat), *STATUS)
        if common.grid.dimension == 2:
            columns = tuple(replace(c, unit="mm2") if c.unit == "mm3" else c for c in columns)
        joined = multi_label.summary(
            [pair.name for pair in pairs], counts, common.voxels, _labelled_on_both(common, pairs, counts, progress)
        )
        return Comparison(
            Measurements(columns, tuple(rows)),
            Measurements(multi_label.COLUMNS, (joined,)),
            errors.labels() if errors is not None else None,
            surfaces.surface() if surfaces is not None else None,
        )

    def _surfaces(self, common: CommonGrid, progress: Progress) -> DistanceSurfaces | None:
        if not self.color_surface:
            return None
        if common.flat_axis(self.one_slice == "2d") is not None:
            progress.warn("An image of one slice has contours and no surface; the coloured surface was left out.")
            return None
        return DistanceSurfaces(common)

    def wanted(self) -> segment_pair.Wanted:
        """What to measure on each pair."""
        return segment_pair.Wanted(
            SURFACES[self.surfaces],
            self.tolerances_mm,
            self.one_slice == "2d",
            self.second_opinion,
            self.missing_distance == "image_diagonal",
            self.empty_score,
        )


def _warn_of_undefined(rows: list[dict[str, Any]], progress: Progress) -> None:
    names: dict[str, list[str]] = {}
    for row in rows:
        names.setdefault(row["status"], []).append(row["segment"] or "Segment")
    overlap.warn_of(names, progress)
    if set(names) == {"reference_empty", "prediction_empty"}:
        progress.warn("No segment has voxels on both sides; if the names differ, set pair_by to overlap.")


def _mark(errors: ErrorSegments, common: CommonGrid, pair: Pair) -> None:
    box = segment_pair.joint_box(common, pair)
    masks = [
        side.inside(segment, box) if box is not None and segment is not None else None
        for side, segment in zip(common.sides, (pair.reference, pair.test))
    ]
    errors.add(pair.name, masks[0], masks[1], box)


def _labelled_on_both(common: CommonGrid, pairs: list[Pair], counts: list, progress: Progress) -> int | None:
    """Voxels that have some label on both sides; None where segments of one side overlap."""
    if len(pairs) == 1:
        return int(counts[0].tp)
    if any(len(side.layers) > 1 for side in common.sides):
        return None
    return int(cross_counts(common.sides[0], common.sides[1], progress).both.sum())
