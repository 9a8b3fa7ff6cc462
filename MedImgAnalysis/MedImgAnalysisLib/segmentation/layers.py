"""Segments of a segmentation changed, added and left out, while all others keep voxels, names, colours and order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import SimpleITK as sitk

from ..boxes import Box, boxes_of
from ..errors import InputError
from ..geometry import image_like
from ..progress import SILENT, Progress
from ..values import PALETTE, Color, Labels, Segment


def chosen_segments(labels: Labels, names: str) -> list[Segment]:
    """The segments of these names or ids, separated by commas; all where the text is empty.

    Raises `InputError` where there are none, or naming one that is not there.
    """
    if not labels.segments:
        raise InputError("The segmentation has no segments.", role="labels")
    wanted = names.strip()
    if not wanted:
        return list(labels.segments)
    if wanted in labels.names or "," not in wanted:
        return [labels.find(wanted)]
    found = [labels.find(name.strip()) for name in wanted.split(",") if name.strip()]
    return list({segment.id: segment for segment in found}.values())


class Layers:
    """The layers of a segmentation as arrays (k, j, i) that can be written to; 2-D images have one slice.

    A layer is copied before it is changed for the first time, so that the segmentation that was given stays as it is.
    Masks are handed in and out as boolean arrays of a box.
    """

    def __init__(self, labels: Labels, progress: Progress = SILENT) -> None:
        self._labels = labels
        self._images = list(labels.layers)
        self._arrays = [_deep(sitk.GetArrayViewFromImage(image)) for image in self._images]
        self._own = [False] * len(self._arrays)
        self._segments = list(labels.segments)
        self._boxes: dict[str, Box] = {}
        # Above all values: those of no segment, and those of segments without a voxel.
        values = [segment.value for segment in self._segments]
        self._top = max(0, *values, *(int(array.max()) for array in self._arrays))
        for number, array in enumerate(self._arrays):
            here = [segment for segment in self._segments if segment.layer == number]
            found = boxes_of(array, [segment.value for segment in here], progress)
            self._boxes |= {segment.id: found[segment.value] for segment in here if segment.value in found}

    @property
    def segments(self) -> tuple[Segment, ...]:
        """The segments as they are now, in order."""
        return tuple(self._segments)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Voxels along (k, j, i)."""
        k, j, i = self._arrays[0].shape
        return k, j, i

    @property
    def spacing(self) -> tuple[float, float, float]:
        """Millimetres along (k, j, i); 1 along k for 2-D, where there is no neighbour."""
        k, j, i = (*self._labels.grid.spacing, 1.0)[:3][::-1]
        return k, j, i

    def box(self, segment: Segment, margin_mm: float = 0.0) -> Box | None:
        """The box of a segment with a margin, as far as the image reaches; None when it has no voxels."""
        box = self._boxes.get(segment.id)
        if box is None:
            return None
        wide = [int(np.ceil(margin_mm / s - 1e-6)) if margin_mm else 0 for s in self.spacing]
        k, j, i = (slice(max(0, axis.start - m), min(n, axis.stop + m)) for axis, m, n in zip(box, wide, self.shape))
        return k, j, i

    def inside(self, segment: Segment, box: Box) -> np.ndarray:
        """The voxels of a segment in a box."""
        now = self._now(segment)
        return np.asarray(self._arrays[now.layer][box] == now.value)

    def others(self, segment: Segment | None, box: Box, but: Sequence[Segment] = ()) -> np.ndarray:
        """The voxels in a box that any segment holds besides this one and those of `but`."""
        out = np.zeros(tuple(axis.stop - axis.start for axis in box), bool)
        left_out = {segment.id for segment in (segment, *but) if segment is not None}
        for other in self._segments:
            own = self._boxes.get(other.id)
            if other.id not in left_out and own is not None and _meet(own, box):
                out |= self.inside(other, box)
        return out

    def put(self, segment: Segment, inside: np.ndarray, box: Box) -> None:
        """Replace the voxels of a segment by those of `inside`; it moves to another layer where they are taken."""
        now = self._now(segment)
        old = self._boxes.pop(segment.id, None)
        if old is not None:
            own = self._writable(now.layer)[old]
            own[own == now.value] = 0
        layer = self._free_layer(inside, box, now.layer)
        taken = {other.value for other in self._segments if other.layer == layer and other.id != segment.id}
        value = now.value if now.value not in taken else self._free_value()
        self._write(layer, value, inside, box)
        self._segments[self._segments.index(now)] = replace(now, layer=layer, value=value)
        self._remember(segment.id, inside, box)

    def add(
        self,
        name: str,
        inside: np.ndarray,
        box: Box,
        color: Color | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> Segment:
        """A new segment behind the others, in a layer where nothing is in its way."""
        value = self._free_value()
        ids = {segment.id for segment in self._segments}
        number = len(self._segments) + 1
        while f"Segment_{number}" in ids:
            number += 1
        layer = self._free_layer(inside, box, 0)
        self._write(layer, value, inside, box)
        color = color or PALETTE[len(self._segments) % len(PALETTE)]
        made = Segment(f"Segment_{number}", name, color, layer, value, dict(tags or {}))
        self._segments.append(made)
        self._remember(made.id, inside, box)
        return made

    def drop(self, segment: Segment) -> None:
        """Leave out a segment with its voxels."""
        now = self._now(segment)
        old = self._boxes.pop(segment.id, None)
        if old is not None:
            own = self._writable(now.layer)[old]
            own[own == now.value] = 0
        self._segments.remove(now)

    def labels(self) -> Labels:
        """The segmentation as it is now; layers without a segment are left out."""
        if not self._segments:
            raise InputError("No segment is left.", role="labels")
        used = sorted({segment.layer for segment in self._segments})
        flat = self._labels.grid.dimension == 2
        images = [
            image_like(self._arrays[n][0] if flat else self._arrays[n], self._labels.grid)
            if self._own[n]
            else self._images[n]
            for n in used
        ]
        segments = tuple(replace(segment, layer=used.index(segment.layer)) for segment in self._segments)
        return Labels(tuple(images), segments)

    def _now(self, segment: Segment) -> Segment:
        return next(own for own in self._segments if own.id == segment.id)

    def _writable(self, layer: int) -> np.ndarray:
        if not self._own[layer]:
            self._arrays[layer] = self._arrays[layer].copy()
            self._own[layer] = True
        return self._arrays[layer]

    def _free_layer(self, inside: np.ndarray, box: Box, first: int) -> int:
        order = [first, *(n for n in range(len(self._arrays)) if n != first)]
        for layer in order:
            if not (self._arrays[layer][box].astype(bool) & inside).any():
                return layer
        self._arrays.append(np.zeros(self.shape, np.uint8))
        self._images.append(self._images[0])
        self._own.append(True)
        return len(self._arrays) - 1

    def _free_value(self) -> int:
        self._top += 1
        return self._top

    def _write(self, layer: int, value: int, inside: np.ndarray, box: Box) -> None:
        array = self._writable(layer)
        if not np.iinfo(array.dtype).min <= value <= np.iinfo(array.dtype).max:
            wider = np.uint16 if array.dtype == np.uint8 and value < 1 << 16 else np.int32
            array = self._arrays[layer] = array.astype(wider)
        array[box][inside] = value

    def _remember(self, identity: str, inside: np.ndarray, box: Box) -> None:
        found = boxes_of(inside.view(np.uint8), [1]).get(1)
        if found is not None:
            k, j, i = (slice(b.start + f.start, b.start + f.stop) for b, f in zip(box, found))
            self._boxes[identity] = (k, j, i)


def _deep(array: np.ndarray) -> np.ndarray:
    return array[None] if array.ndim == 2 else array


def _meet(one: Box, two: Box) -> bool:
    return all(a.start < b.stop and b.start < a.stop for a, b in zip(one, two))
