"""Derivatives of an array along its axes, and their products, made plane by plane where they are wanted."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


class Slopes:
    """The product of the derivatives of `array` along some axes, of which `[k]` makes the layer k.

    Central differences per length, 0 at the border and along axes of fewer than three.

    Parameters
    ----------
    array
        float32 (k, j, i) or (j, i).
    spacing
        Lengths between neighbours by numpy axis.
    axes
        Axes along which derivatives are taken; one that occurs twice is squared.
    """

    def __init__(self, array: np.ndarray, spacing: Sequence[float] | np.ndarray, axes: Sequence[int]) -> None:
        self._array, self._axes = array, tuple(axes)
        self._scales = [np.float32(0.5 / spacing[axis]) for axis in axes]

    def __getitem__(self, k: int) -> np.ndarray:
        made: np.ndarray | None = None
        slopes: dict[int, np.ndarray] = {}
        for axis, scale in zip(self._axes, self._scales, strict=True):
            if axis not in slopes:
                slopes[axis] = self._slope(k, axis, scale)
            made = slopes[axis] if made is None else made * slopes[axis]
        assert made is not None
        return made

    @property
    def whole(self) -> np.ndarray:
        """All layers."""
        made = np.empty_like(self._array)
        for k in range(len(made)):
            made[k] = self[k]
        return made

    def _slope(self, k: int, axis: int, scale: np.float32) -> np.ndarray:
        slope = np.zeros_like(self._array[k])
        if axis == 0:
            if 0 < k < len(self._array) - 1:
                np.subtract(self._array[k + 1], self._array[k - 1], out=slope)
                slope *= scale
            return slope
        plane, middle = np.moveaxis(self._array[k], axis - 1, 0), np.moveaxis(slope, axis - 1, 0)[1:-1]
        if len(plane) > 2:
            np.subtract(plane[2:], plane[:-2], out=middle)
            middle *= scale
        return slope
