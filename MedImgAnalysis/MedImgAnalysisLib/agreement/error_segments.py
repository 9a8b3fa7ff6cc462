"""Segments of true positive, false positive and false negative voxels, for looking at."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ..boxes import Box, shape_of
from ..geometry import Grid, image_like
from ..values import Color, Labels, Segment

KINDS: Mapping[str, Color] = {
    "true positive": (0.0, 0.62, 0.45),
    "false positive": (0.84, 0.37, 0.0),
    "false negative": (0.0, 0.45, 0.70),
}
"""Colours that people with any colour vision can tell apart (Okabe and Ito 2008)."""

LAYER_VALUES = 255


class ErrorSegments:
    """Collects the errors of pair after pair.

    Pairs share a layer of bytes as long as their boxes hold no voxel of each other, so that the errors
    of many organs take about one byte a voxel.
    """

    def __init__(self, grid: Grid, shape: tuple[int, int, int]) -> None:
        self._grid, self._shape = grid, shape
        self._layers: list[np.ndarray] = []
        self._used: list[int] = []
        self._segments: list[Segment] = []

    def add(self, name: str, reference: np.ndarray | None, test: np.ndarray | None, box: Box | None) -> None:
        """Add a pair: boolean arrays of the voxels in `box` (k, j, i), None for a side without voxels."""
        layer = self._free_layer(box)
        base = self._used[layer]
        self._used[layer] += len(KINDS)
        if box is not None:
            empty = np.zeros(shape_of(box), bool)
            left, right = (empty if mask is None else mask for mask in (reference, test))
            kinds = (left & right, right & ~left, left & ~right)
            place = self._layers[layer][box]
            for number, inside in enumerate(kinds, start=1):
                place[inside] = base + number
        for number, (kind, color) in enumerate(KINDS.items(), start=1):
            identity = f"Segment_{len(self._segments) + 1}"
            self._segments.append(Segment(identity, f"{name} {kind}".strip(), color, layer, base + number))

    def labels(self) -> Labels:
        """The segmentation of all pairs on the common grid."""
        flat = self._grid.dimension == 2
        images = [image_like(layer[0] if flat else layer, self._grid) for layer in self._layers]
        return Labels(tuple(images), tuple(self._segments))

    def _free_layer(self, box: Box | None) -> int:
        for number, layer in enumerate(self._layers):
            room = self._used[number] + len(KINDS) <= LAYER_VALUES
            if room and (box is None or not layer[box].any()):
                return number
        self._layers.append(np.zeros(self._shape, np.uint8))
        self._used.append(0)
        return len(self._layers) - 1
