"""Slices of an image along one of its axes, with their in-plane spacing."""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk

from ..geometry import Grid
from ..parameters import Choice

SliceAxis = Choice("k", "j", "i")
"""Axis across the slices: k is the third axis of the image, the usual slice axis."""


class Planes:
    """An array as (slices, rows, columns), a view.

    Attributes
    ----------
    array, inside
        Voxels and mask (None: everywhere), slices first. 2-D images are one slice.
    spacing
        Millimetres between (slices, rows, columns).
    names
        Image axes (k, j, i) that slices, rows and columns run along.
    """

    def __init__(self, image: sitk.Image, inside: np.ndarray | None, across: str = "k") -> None:
        self._axis = {"k": 0, "j": 1, "i": 2}[across]
        spacing = list(Grid.of(image).spacing_kji)
        if image.GetDimension() == 2:
            spacing = [1.0, *spacing]
            self._axis = 0
        self.names = tuple("kji"[axis] for axis in (self._axis, *(a for a in range(3) if a != self._axis)))
        self._flat = image.GetDimension() == 2
        self.spacing = (spacing.pop(self._axis), *spacing)
        # The view is valid as long as its image lives.
        self._image = image
        self.array = self.of(sitk.GetArrayViewFromImage(image))
        self.inside = None if inside is None else self.of(inside)

    def of(self, array: np.ndarray) -> np.ndarray:
        """Another array (k, j, i) of the same grid seen in this way."""
        return array[None] if self._flat else np.moveaxis(array, self._axis, 0)

    @property
    def box(self) -> tuple[slice, slice, slice]:
        """Smallest box that holds the mask; the whole array without one."""
        if self.inside is None:
            return (slice(None),) * 3
        ranges = []
        for axis in range(3):
            hit = np.flatnonzero(self.inside.any(axis=tuple(a for a in range(3) if a != axis)))
            ranges.append(slice(int(hit[0]), int(hit[-1]) + 1) if hit.size else slice(0, 0))
        return ranges[0], ranges[1], ranges[2]
