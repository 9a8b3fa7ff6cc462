"""One segmentation from those of several raters."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, NamedTuple

import numpy as np
import SimpleITK as sitk

from ..boxes import Box, shape_of
from ..errors import InputError
from ..geometry import image_like
from ..operation import Operation
from ..parameters import Choice, Quantity
from ..progress import SILENT, Progress
from ..values import Column, Labels, Measurements
from . import overlap, staple
from .common_grid import CommonGrid
from .overlap import Counts
from .raters import Rated, domain, masks_in, structures

COLUMNS = (
    Column("segment", "Segment", "", "Name of the structure", str),
    Column("rater", "Rater", "", "Position of the rater among those given, from 1", int),
    Column(
        "sensitivity", "Sensitivity", "", "Of the rater against the consensus; estimated together with it by STAPLE"
    ),
    Column("specificity", "Specificity", "", "Of the rater against the consensus; depends on the domain"),
    Column("dice", "Dice", "", "Of the rater with the consensus"),
    Column("volume_mm3", "Volume", "mm3", "Volume of the rater's segment"),
    Column("consensus_mm3", "Consensus volume", "mm3", "Volume of the consensus"),
    Column("consensus_voxels", "Consensus voxels", "", "Voxels of the consensus", int),
    Column("ties", "Ties", "", "Voxels that exactly half of the raters mark; background", int),
    Column("domain_voxels", "Domain", "", "Voxels that sensitivity and specificity are of", int),
    Column("iterations", "Iterations", "", "Steps that STAPLE took", int),
    Column("status", "Status", "", "Why a number is missing", str),
)


class Agreed(NamedTuple):
    """Outputs of `consensus` by role."""

    labels: Labels
    table: Measurements


@dataclass(frozen=True)
class Consensus(Operation):
    """Make one segmentation from those of several raters, and say how far each is from it.

    STAPLE (Warfield 2004) estimates the hidden truth together with the sensitivity p and specificity q of every
    rater by expectation maximisation, from p = q = 0.99999 and a prior that is the mean part of the domain that
    raters mark; a voxel belongs to the consensus when its probability is at least `threshold`. The prior, and
    with it the result, depends on how much background is looked at: by default the box around all raters.
    Multi-label STAPLE (Rohlfing 2004) does all segments at once with a confusion matrix per rater; segments of
    one rater must not overlap then. Majority needs more than half of the raters; a tie is background and is
    counted. Intersection is what all mark, union what anyone marks.

    Inputs
    ------
    raters
        Segmentations of the same image, at least two; segments belong together by name.

    Outputs
    -------
    labels
        The consensus of every structure, on the grid of the first rater extended to cover all.
    table
        One row per structure and rater.

    Parameters
    ----------
    method
        How the raters are joined.
    domain
        Where background counts: the box around all raters, or the whole image.
    threshold
        Probability from which a voxel belongs to the consensus of STAPLE.
    max_iterations
        Largest number of steps of STAPLE.
    """

    name: ClassVar[str] = "consensus"
    title: ClassVar[str] = "Consensus of raters"
    group: ClassVar[str] = "Raters"
    memory_factor: ClassVar[float] = 10.0
    presets: ClassVar = {"Majority vote": {"method": "majority"}, "STAPLE on the whole image": {"domain": "image"}}

    method: Annotated[str, Choice("staple", "multi_label_staple", "majority", "intersection", "union")] = "staple"
    domain: Annotated[str, Choice("union_box", "image")] = "union_box"
    threshold: Annotated[float, Quantity("", low=0.0, high=1.0)] = 0.5
    max_iterations: Annotated[int, Quantity("", low=1, high=100_000)] = 1000

    def run(self, raters: Sequence[Labels], *, progress: Progress = SILENT) -> Agreed:
        if len(raters) < 2:
            raise InputError("A consensus needs at least two raters.", role="raters")
        common = CommonGrid(raters, progress, [f"rater {n}" for n in range(1, len(raters) + 1)])
        rated = structures(common, progress)
        if not rated:
            raise InputError("No rater has a segment.", role="raters")
        progress.report(0.1, "Joining raters")
        joined = self._multi_label(common, rated, progress) if self.method == "multi_label_staple" else []
        rows: list[dict[str, Any]] = []
        parts: list[tuple[str, sitk.Image]] = []
        for number, structure in enumerate(rated):
            progress.report(0.1 + 0.9 * number / len(rated), f"Consensus of {structure.name}")
            box = domain(common, structure, self.domain == "image")
            result = joined[number] if joined else self._one(common, structure, box, progress)
            rows += _rows(common, structure, box, result)
            parts.append((structure.name, _image(common, box, result.inside)))
        labels = Labels.from_masks(parts, [structure.color for structure in rated])
        return Agreed(labels, Measurements(COLUMNS, tuple(rows)))

    def _one(self, common: CommonGrid, rated: Rated, box: Box | None, progress: Progress) -> staple.Joined:
        if box is None:
            return staple.Joined(np.zeros((0, 0, 0), bool))
        masks = masks_in(common, rated, box)
        if self.method == "staple":
            return staple.binary(masks, self.threshold, self.max_iterations, progress)
        if self.method == "intersection":
            return staple.Joined(np.logical_and.reduce(masks))
        if self.method == "union":
            return staple.Joined(np.logical_or.reduce(masks))
        total = np.sum(masks, axis=0, dtype=np.int32)
        return staple.Joined(2 * total > len(masks), ties=int(np.count_nonzero(2 * total == len(masks))))

    def _multi_label(self, common: CommonGrid, rated: list[Rated], progress: Progress) -> list[staple.Joined]:
        """All structures at once; each result is on the domain of its own structure."""
        boxes = [domain(common, structure, True) for structure in rated]
        whole = boxes[0]
        assert whole is not None
        labelled = []
        for rater in range(len(common.sides)):
            array = np.zeros(common.shape, np.uint16)
            for value, structure in enumerate(rated, start=1):
                inside = masks_in(common, structure, whole)[rater]
                if array[inside].any():
                    raise InputError(
                        f"Segments of rater {rater + 1} overlap in {structure.name!r}; use another method.",
                        role="raters",
                    )
                array[inside] = value
            labelled.append(array)
        crop = whole if self.domain == "image" else _around(labelled)
        found = staple.multi_label([array[crop] for array in labelled], len(rated), self.max_iterations, progress)
        full = np.zeros(common.shape, np.uint16)
        full[crop] = found.labels
        results = []
        for value, structure in enumerate(rated, start=1):
            box = domain(common, structure, self.domain == "image")
            inside = full[box] == value if box is not None else np.zeros((0, 0, 0), bool)
            results.append(staple.Joined(inside, sensitivities=found.sensitivities[value - 1]))
        return results


def _around(arrays: list[np.ndarray]) -> Box:
    """The box around everything that is not background in any array; one voxel when nothing is."""
    anything = np.logical_or.reduce([array > 0 for array in arrays])
    at = np.argwhere(anything)
    if not len(at):
        return slice(0, 1), slice(0, 1), slice(0, 1)
    k, j, i = (slice(int(a), int(b) + 1) for a, b in zip(at.min(axis=0), at.max(axis=0)))
    return k, j, i


def _rows(common: CommonGrid, rated: Rated, box: Box | None, result: staple.Joined) -> list[dict[str, Any]]:
    rows = []
    volume = common.grid.voxel_volume_mm3
    masks = masks_in(common, rated, box) if box is not None else [result.inside] * len(rated.segments)
    marked = int(np.count_nonzero(result.inside))
    for number, mask in enumerate(masks):
        both, own = int(np.count_nonzero(mask & result.inside)), int(np.count_nonzero(mask))
        counts = Counts(both, own - both, marked - both, mask.size - own - marked + both)
        numbers = overlap.overlap(counts, volume)
        sensitivity, specificity = numbers["recall"], numbers["specificity"]
        if result.sensitivities is not None:
            sensitivity = float(result.sensitivities[number])
        if result.specificities is not None:
            specificity = float(result.specificities[number])
        undefined = [math.isnan(x) for x in (sensitivity, specificity, numbers["dice"])]
        status = "all_empty" if box is None else "no_background" if undefined[1] else "consensus_empty"
        rows.append(
            {
                "segment": rated.name,
                "rater": number + 1,
                "sensitivity": sensitivity,
                "specificity": specificity,
                "dice": numbers["dice"],
                "volume_mm3": own * volume,
                "consensus_mm3": marked * volume,
                "consensus_voxels": marked,
                "ties": result.ties,
                "domain_voxels": int(mask.size),
                "iterations": result.iterations,
                "status": status if any(undefined) else "",
            }
        )
    return rows


def _image(common: CommonGrid, box: Box | None, inside: np.ndarray) -> sitk.Image:
    array = np.zeros(common.shape, np.uint8)
    if box is not None and shape_of(box) == inside.shape:
        array[box] = inside
    return image_like(array[0] if common.grid.dimension == 2 else array, common.grid)
