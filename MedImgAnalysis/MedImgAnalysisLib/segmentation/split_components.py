"""One segment per object: connected components, and touching objects taken apart."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, NamedTuple

import numpy as np
import SimpleITK as sitk

from ..boxes import Box, boxes_of
from ..errors import InputError
from ..geometry import Grid
from ..kernels.components import Components
from ..operation import Operation
from ..parameters import Quantity
from ..progress import SILENT, Progress, run_filter
from ..values import Column, Labels, Measurements, Segment, present_values
from .binary import distance_to
from .layers import Layers, chosen_segments
from .outcome import SEGMENT


class Split(NamedTuple):
    labels: Labels
    table: Measurements


COLUMNS = (
    SEGMENT,
    Column("source", "Source", "", "Name of the segment that the object was part of", str),
    Column("voxels", "Voxels", "", "Voxels of the object", int),
    Column("volume_ml", "Volume", "ml", "Voxels times the volume of a voxel"),
    Column("l_mm", "L", "mm", "Centroid, LPS", float, "L"),
    Column("p_mm", "P", "mm", "Centroid, LPS", float, "P"),
    Column("s_mm", "S", "mm", "Centroid, LPS", float, "S"),
    Column("status", "Status", "", "Why a number is missing", str),
)
MOST = 5000
"""More objects than this are noise; a scene with so many segments cannot be worked with."""


@dataclass(frozen=True)
class SplitComponents(Operation):
    """Make one segment of each connected object, touching ones taken apart if wanted.

    For lesions, nodules, vertebrae or cells that were segmented as one: count them, measure them, name them. Objects
    are numbered by falling size. With `split_depth_mm` an object is cut at its necks: the watershed of the distance to
    the surface, where two parts stay together when the radius of the neck is less than so many millimetres below that
    of the smaller part (Vincent and Soille 1991). Other segments stay as they are.

    Inputs
    ------
    labels
        Segments.

    Outputs
    -------
    labels
        One segment per object instead of the segments that were chosen, named after them with a number.
    table
        Size and centroid of each object.

    Parameters
    ----------
    segments
        Names of the segments to split, separated by commas; all if empty.
    smallest_ml
        Objects of a smaller volume are left out; of 2-D images those of a smaller area, in square centimetres.
    split_depth_mm
        How much wider than their neck touching objects must be to be taken apart; if not set, they stay together.
    corners
        Whether voxels that share only an edge or a corner are connected.
    """

    name: ClassVar[str] = "split_components"
    title: ClassVar[str] = "Split into objects"
    group: ClassVar[str] = "Clean up"
    memory_factor: ClassVar[float] = 5.0
    presets: ClassVar = {"Touching objects": {"split_depth_mm": 1.0}}

    segments: str = ""
    smallest_ml: Annotated[float, Quantity("ml", low=0.0, high=1e6)] = 0.0
    split_depth_mm: Annotated[float | None, Quantity("mm", low=0.01, high=100.0)] = None
    corners: bool = True

    def run(self, labels: Labels, *, progress: Progress = SILENT) -> Split:
        chosen = chosen_segments(labels, self.segments)
        layers = Layers(labels, progress)
        flat = labels.grid.dimension == 2
        volume = labels.grid.voxel_volume_mm3
        rows: list[dict[str, Any]] = []
        for number, segment in enumerate(chosen):
            part = progress.part(number / len(chosen), (number + 1) / len(chosen))
            part.report(0.0, segment.name)
            box = layers.box(segment)
            found = list(self._objects(layers, segment, box, part)) if box is not None else []
            # Square centimetres in a plane: 100 mm2, as 1000 mm3 are a millilitre.
            kept = [
                one for one in found if np.count_nonzero(one[0]) * volume >= self.smallest_ml * (100 if flat else 1000)
            ]
            if len(kept) + len(rows) > MOST:
                raise InputError(
                    f"{segment.name!r} has {len(kept)} objects; drop small ones with smallest_ml, or clean it first.",
                    role="labels",
                )
            if not kept:
                progress.warn(f"{segment.name!r} has no object that is large enough: left out.")
            layers.drop(segment)
            kept.sort(key=lambda one: -int(np.count_nonzero(one[0])))
            for place, (inside, own) in enumerate(kept, start=1):
                part.report(1.0)
                color = segment.color if place == 1 else None
                made = layers.add(f"{segment.name} {place}", inside, own, color, segment.tags)
                rows.append(_row(made, segment, inside, own, labels.grid))
        if not rows:
            raise InputError("There is no object that is large enough; lower smallest_ml.", role="labels")
        progress.report(1.0)
        return Split(layers.labels(), Measurements(COLUMNS, tuple(rows)))

    def _objects(
        self, layers: Layers, segment: Segment, box: Box, progress: Progress
    ) -> Iterator[tuple[np.ndarray, Box]]:
        """Each object as a mask in its box."""
        numbers, sizes = Components(layers.inside(segment, box), progress, self.corners).numbered(progress)
        for number, own in boxes_of(numbers, range(1, len(sizes) + 1), progress).items():
            done = number / (len(sizes) + 1)
            progress.report(done, segment.name)
            inside = numbers[own] == number
            here = progress.part(done, done)
            parts = inside.astype(np.int32) if self.split_depth_mm is None else self._apart(inside, layers, here)
            for value, within in boxes_of(parts, range(1, int(parts.max()) + 1), progress).items():
                yield parts[within] == value, _moved(_moved(within, own), box)

    def _apart(self, inside: np.ndarray, layers: Layers, progress: Progress) -> np.ndarray:
        """Numbers of the parts of one object, 0 outside."""
        outside = np.pad(~inside, 1, constant_values=True)
        if layers.shape[0] == 1:
            # The slice below and above is not background: there is none.
            outside = outside[1:-1]
        depth = distance_to(outside, layers.spacing, progress)
        np.negative(depth, out=depth)
        if float(-depth.min()) <= (self.split_depth_mm or 0):
            return inside.astype(np.int32)
        watershed = sitk.MorphologicalWatershedImageFilter()
        watershed.SetLevel(self.split_depth_mm or 0)
        watershed.SetMarkWatershedLine(False)
        watershed.SetFullyConnected(self.corners)
        image = sitk.GetImageFromArray(depth[0] if len(depth) == 1 else depth)
        del depth
        found = sitk.GetArrayFromImage(run_filter(watershed, image, progress=progress)).reshape(outside.shape)
        found[outside] = 0
        present = present_values(found)
        table = np.zeros(max(present) + 1, np.int32)
        table[present] = np.arange(1, len(present) + 1)
        return table[found[:, 1:-1, 1:-1] if layers.shape[0] == 1 else found[1:-1, 1:-1, 1:-1]]


def _moved(inner: Box, outer: Box) -> Box:
    """A box inside another one, as a box of the image."""
    k, j, i = (slice(o.start + n.start, o.start + n.stop) for n, o in zip(inner, outer))
    return k, j, i


def _row(made: Segment, source: Segment, inside: np.ndarray, box: Box, grid: Grid) -> dict[str, Any]:
    count = int(np.count_nonzero(inside))
    index = np.argwhere(inside).mean(axis=0) + [axis.start for axis in box]
    flat = grid.dimension == 2
    at = grid.to_physical(index[::-1][None, : grid.dimension])[0].tolist()
    return {
        "segment": made.name,
        "source": source.name,
        "voxels": count,
        "volume_ml": math.nan if flat else count * grid.voxel_volume_mm3 / 1000,
        "l_mm": at[0],
        "p_mm": at[1],
        "s_mm": math.nan if flat else at[2],
        "status": "no_volume_in_2d" if flat else "",
    }
