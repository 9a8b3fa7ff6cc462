"""Segments put together, cut with each other, grown and shrunk."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, NamedTuple

import numpy as np

from ..boxes import join
from ..errors import InputError
from ..operation import Operation
from ..parameters import Choice, Quantity
from ..progress import SILENT, Progress
from ..values import Column, Labels, Measurements
from .binary import grown, shrunk
from .layers import Layers, chosen_segments
from .outcome import SEGMENT


class Combined(NamedTuple):
    labels: Labels
    table: Measurements


COLUMNS = (
    SEGMENT,
    Column("made_of", "Made of", "", "Names of the segments that it was made of", str),
    Column("voxels", "Voxels", "", "Voxels in the segment", int),
    Column("volume_ml", "Volume", "ml", "Voxels times the volume of a voxel"),
    Column("status", "Status", "", "Why a number is missing", str),
)


@dataclass(frozen=True)
class CombineSegments(Operation):
    """Make a segment of others: their union, intersection or difference, with a margin in millimetres.

    For a planning margin, a shell around a lesion (grow it, then take the difference), an organ without its lesions.
    The margin is exact: a positive one adds every voxel whose centre is at most so far from the centre of a voxel
    inside, a negative one removes every voxel that is at most so far from one outside. What lies beyond the border of
    the image is not known, so nothing shrinks from there. The segments that are there keep every voxel; the new one
    lies in a layer of its own where it overlaps them.

    Inputs
    ------
    labels
        Segments.

    Outputs
    -------
    labels
        The new segment, behind those that were there.
    table
        Its size.

    Parameters
    ----------
    action
        What to do with the segments; difference is the first one without all others.
    segments
        Names of the segments in order, separated by commas; all if empty.
    margin_mm
        How far the result grows (positive) or shrinks (negative).
    segment
        Name of the new segment.
    keep
        Whether the segments that are there are in the result too.
    """

    name: ClassVar[str] = "combine_segments"
    title: ClassVar[str] = "Combine segments"
    group: ClassVar[str] = "Clean up"
    memory_factor: ClassVar[float] = 5.0
    presets: ClassVar = {"5 mm margin": {"margin_mm": 5.0}, "Overlap": {"action": "intersection"}}

    action: Annotated[str, Choice("union", "intersection", "difference")] = "union"
    segments: str = ""
    margin_mm: Annotated[float, Quantity("mm", low=-200.0, high=200.0)] = 0.0
    segment: str = "Combined"
    keep: bool = True

    def run(self, labels: Labels, *, progress: Progress = SILENT) -> Combined:
        chosen = chosen_segments(labels, self.segments)
        names = ", ".join(segment.name for segment in chosen)
        layers = Layers(labels, progress)
        progress.report(0.05, "Combining")
        # A ring beside the segments, from which it shrinks.
        reach = max(self.margin_mm, 0.0) + 2 * max(layers.spacing)
        box = join(*(layers.box(segment, reach) for segment in chosen))
        if box is None:
            raise InputError(f"The segments {names} have no voxel.", role="labels")
        inside = self._together([layers.inside(segment, box) for segment in chosen])
        if not inside.any():
            raise InputError(f"The {self.action} of {names} is empty.", role="labels")
        margin = grown if self.margin_mm > 0 else shrunk
        inside = margin(inside, abs(self.margin_mm), layers.spacing, progress.part(0.1, 0.9))
        if not inside.any():
            raise InputError(f"Nothing of {names} is left {-self.margin_mm:g} mm below the surface.", role="labels")
        made = layers.add(self.segment, inside, box)
        if not self.keep:
            for segment in labels.segments:
                layers.drop(segment)
        flat = labels.grid.dimension == 2
        count = int(np.count_nonzero(inside))
        row = {
            "segment": made.name,
            "made_of": names,
            "voxels": count,
            "volume_ml": np.nan if flat else count * labels.grid.voxel_volume_mm3 / 1000,
            "status": "no_volume_in_2d" if flat else "",
        }
        progress.report(1.0)
        return Combined(layers.labels(), Measurements(COLUMNS, (row,)))

    def _together(self, masks: list[np.ndarray]) -> np.ndarray:
        result = masks[0].copy()
        for mask in masks[1:]:
            if self.action == "union":
                result |= mask
            elif self.action == "intersection":
                result &= mask
            else:
                result &= ~mask
        return result
