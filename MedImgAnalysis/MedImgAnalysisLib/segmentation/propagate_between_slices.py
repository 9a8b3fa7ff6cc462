"""Segments drawn on some slices only, continued on the slices between."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, NamedTuple

import numpy as np

from ..boxes import Box
from ..errors import InputError
from ..operation import Operation
from ..parameters import Choice
from ..progress import SILENT, Progress
from ..values import Column, Labels, Measurements, Segment
from .layers import Layers, chosen_segments
from .outcome import SEGMENT


class Propagated(NamedTuple):
    labels: Labels
    table: Measurements


COLUMNS = (
    SEGMENT,
    Column("axis", "Axis", "", "Image axis across the slices that were drawn", str),
    Column("drawn", "Drawn slices", "", "Slices that the segment was drawn on", int),
    Column("made", "Made slices", "", "Slices in between that were filled in", int),
    Column("voxels", "Voxels", "", "Voxels in the segment", int),
    Column("volume_ml", "Volume", "ml", "Voxels times the volume of a voxel"),
    Column("status", "Status", "", "Why a number is missing", str),
)
AXES = {"k": 0, "j": 1, "i": 2}


class Shape(NamedTuple):
    """A drawn slice: signed distance in millimetres (positive inside) in the plane, and its middle in voxels."""

    distance: np.ndarray
    middle: np.ndarray


@dataclass(frozen=True)
class PropagateBetweenSlices(Operation):
    """Fill in the slices between those on which a segment was drawn.

    For manual contours on every fifth or tenth slice. Between two drawn slices the signed distance to the outline goes
    over evenly from one to the other (Raya and Udupa 1990). Where the shapes share no less with their middles laid upon
    each other, they are led along the straight line between the middles, so that a structure that runs obliquely does
    not get lost. Drawn slices stay as they are, other segments keep every voxel; where two segments would fill in the
    same voxel, the one that it lies deeper in takes it. Segments that overlap where they are drawn overlap between,
    too.

    Inputs
    ------
    labels
        Segments, drawn on parallel slices along an image axis.

    Outputs
    -------
    labels
        All segments, those that were chosen continued.
    table
        Slices and size of each.

    Parameters
    ----------
    segments
        Names of the segments to continue, separated by commas; all if empty.
    axis
        Image axis across the slices; auto takes that along which most slices are missing.
    """

    name: ClassVar[str] = "propagate_between_slices"
    title: ClassVar[str] = "Fill between slices"
    group: ClassVar[str] = "Clean up"
    memory_factor: ClassVar[float] = 3.0

    segments: str = ""
    axis: Annotated[str, Choice("auto", "k", "j", "i")] = "auto"

    def run(self, labels: Labels, *, progress: Progress = SILENT) -> Propagated:
        if labels.grid.dimension == 2:
            raise InputError("The segmentation is 2-D; there is nothing between its slices.", role="labels")
        chosen = chosen_segments(labels, self.segments)
        layers = Layers(labels, progress)
        axis, drawn = self._drawn(layers, chosen, progress)
        fillers = [
            _Filler(layers, segment, axis, drawn[segment.id]) for segment in chosen if len(drawn[segment.id]) > 1
        ]
        gaps = sorted({place for filler in fillers for place in filler.gaps})
        for number, place in enumerate(gaps):
            progress.report(number / len(gaps), "Filling in slices")
            _fill([filler for filler in fillers if place in filler.gaps], place)
        rows = []
        for segment in chosen:
            filler = next((one for one in fillers if one.segment.id == segment.id and one.gaps), None)
            if filler is not None:
                progress.check()
                filler.write()
            rows.append(self._row(layers, labels, segment, axis, drawn[segment.id], filler))
        progress.report(1.0)
        return Propagated(layers.labels(), Measurements(COLUMNS, tuple(rows)))

    def _drawn(self, layers: Layers, chosen: list[Segment], progress: Progress) -> tuple[int, dict[str, np.ndarray]]:
        """The axis across the slices, and the drawn slices of each segment."""
        slices: dict[str, list[np.ndarray]] = {}
        missing = np.zeros(3)
        for segment in chosen:
            progress.check()
            box = layers.box(segment)
            slices[segment.id] = [np.zeros(0, int)] * 3
            if box is None:
                continue
            inside = layers.inside(segment, box)
            lines = [inside.any(axis=tuple(a for a in range(3) if a != axis)) for axis in range(3)]
            slices[segment.id] = [np.flatnonzero(line) + cut.start for line, cut in zip(lines, box)]
            missing += [np.count_nonzero(~line) / len(line) for line in lines]
        axis = AXES[self.axis] if self.axis != "auto" else int(missing.argmax())
        if missing[axis] == 0:
            where = "" if self.axis == "auto" else f" along {self.axis}"
            raise InputError(f"No segment has slices missing between drawn ones{where}.", role="labels")
        return axis, {identity: found[axis] for identity, found in slices.items()}

    def _row(
        self, layers: Layers, labels: Labels, segment: Segment, axis: int, drawn: np.ndarray, filler: _Filler | None
    ) -> dict[str, Any]:
        box = layers.box(segment)
        count = 0 if box is None else int(np.count_nonzero(layers.inside(segment, box)))
        return {
            "segment": segment.name,
            "axis": "kji"[axis],
            "drawn": len(drawn),
            "made": 0 if filler is None else len(filler.gaps),
            "voxels": count,
            "volume_ml": count * labels.grid.voxel_volume_mm3 / 1000,
            "status": "",
        }


class _Filler:
    """Fills in the slices of one segment in the box around it; planes are seen along `axis`."""

    def __init__(self, layers: Layers, segment: Segment, axis: int, drawn: np.ndarray) -> None:
        self.segment, self._layers, self._axis = segment, layers, axis
        self._drawn = drawn.tolist()
        self.gaps = set(range(self._drawn[0], self._drawn[-1])) - set(self._drawn)
        box = layers.box(segment)
        assert box is not None
        self.box: Box = box
        self._inside = layers.inside(segment, box).copy()
        # Segments that overlap where they are drawn may do so between.
        self.shares = [
            other
            for other in layers.segments
            if other.id != segment.id and (layers.inside(other, box) & self._inside).any()
        ]
        self._free = ~layers.others(segment, box, self.shares)
        self._shapes: dict[int, Shape] = {}
        self._between, self._moves = (-1, -1), np.zeros(2)
        self._spacing = np.array([s for n, s in enumerate(layers.spacing) if n != axis])
        middles = [np.argwhere(self.plane(self._inside, place)).mean(axis=0) for place in self._drawn]
        # Room for a shape to move from one middle to the next.
        self._room = np.ceil(np.abs(np.diff(middles, axis=0)).max(axis=0)).astype(int) + 1

    def plane(self, array: np.ndarray, place: int) -> np.ndarray:
        """A view of the slice `place` of the image in an array of the box."""
        return np.moveaxis(array, self._axis, 0)[place - self.box[self._axis].start]

    def window(self) -> tuple[slice, slice]:
        """The box in the plane."""
        first, second = (cut for n, cut in enumerate(self.box) if n != self._axis)
        return first, second

    def depth(self, place: int) -> np.ndarray:
        """Signed distance that this slice has between the nearest drawn ones; never inside others."""
        after = next(number for number in self._drawn if number > place)
        before = max(number for number in self._drawn if number < place)
        share = (place - before) / (after - before)
        self._shapes = {n: shape for n, shape in self._shapes.items() if n in (before, after)}
        one, two = self._shape(before), self._shape(after)
        way = self._way(before, after, one, two)
        wide = (1 - share) * _shifted(one.distance, share * way)
        wide += share * _shifted(two.distance, (share - 1) * way)
        found = wide[self._room[0] : -self._room[0], self._room[1] : -self._room[1]]
        found[~self.plane(self._free, place)] = -np.inf
        return np.asarray(found)

    def _way(self, before: int, after: int, one: Shape, two: Shape) -> np.ndarray:
        """How far the shape moves between two drawn slices, in voxels.

        From middle to middle where the shapes then share no less, else not at all: where a part begins or ends the
        middle jumps, although what goes on stays in its place.
        """
        if (before, after) != self._between:
            way = two.middle - one.middle
            there = two.distance > 0
            still, moved = ((_shifted(one.distance, by) > 0) & there for by in (0 * way, way))
            self._moves = way if np.count_nonzero(moved) >= np.count_nonzero(still) else 0 * way
            self._between = (before, after)
        return self._moves

    def set(self, place: int, inside: np.ndarray) -> None:
        """Fill in a slice."""
        self.plane(self._inside, place)[...] = inside

    def write(self) -> None:
        """Put the segment with its new slices into the layers."""
        self._layers.put(self.segment, self._inside, self.box)

    def _shape(self, place: int) -> Shape:
        if place not in self._shapes:
            inside = self.plane(self._inside, place)
            distance = _signed(np.pad(inside, [(n, n) for n in self._room]), self._spacing)
            self._shapes[place] = Shape(distance, np.argwhere(inside).mean(axis=0))
        return self._shapes[place]


def _fill(fillers: list[_Filler], place: int) -> None:
    """One slice of all segments that miss it; the deepest one takes a voxel."""
    depths = [filler.depth(place) for filler in fillers]
    for number, (filler, depth) in enumerate(zip(fillers, depths)):
        inside = depth > 0
        for other, (beside, theirs) in enumerate(zip(fillers, depths)):
            if other == number or beside.segment.id in {segment.id for segment in filler.shares}:
                continue
            own, their = _common(filler.window(), beside.window())
            if own is not None and their is not None:
                deeper = theirs[their] > depth[own] if other > number else theirs[their] >= depth[own]
                inside[own] &= ~(deeper & (theirs[their] > 0))
        filler.set(place, inside)


Window = tuple[slice, slice]


def _common(one: Window, two: Window) -> tuple[Window | None, Window | None]:
    """What two windows share, in coordinates of either; None without any."""
    low = [max(a.start, b.start) for a, b in zip(one, two)]
    high = [min(a.stop, b.stop) for a, b in zip(one, two)]
    if any(a >= b for a, b in zip(low, high)):
        return None, None
    (a, b), (c, d) = (
        (slice(low[0] - w[0].start, high[0] - w[0].start), slice(low[1] - w[1].start, high[1] - w[1].start))
        for w in (one, two)
    )
    return (a, b), (c, d)


def _signed(inside: np.ndarray, spacing: np.ndarray) -> np.ndarray:
    """Distance to the outline half way between voxels of both sides, positive inside."""
    from scipy.ndimage import distance_transform_edt

    half = float(spacing.min()) / 2
    found = distance_transform_edt(inside, spacing) - distance_transform_edt(~inside, spacing)
    return np.asarray(found - np.sign(found) * half)


def _shifted(distance: np.ndarray, by: np.ndarray) -> np.ndarray:
    """The map moved by a number of voxels along both axes; beyond its border the nearest value counts."""
    from scipy.ndimage import shift

    if not np.abs(by).max() > 1e-9:
        return distance.copy()
    return np.asarray(shift(distance, by, order=1, mode="nearest"))
