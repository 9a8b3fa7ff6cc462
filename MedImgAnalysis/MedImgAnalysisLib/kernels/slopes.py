"""Derivatives of an array along its axes, and their products, made some layers at a time where they are wanted."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


class Slopes:
    """The product of the derivatives of `array` along some axes, of which `[a:b]` makes some layers.

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
        self._spacing = spacing

    def __getitem__(self, layers: slice) -> np.ndarray:
        start, stop, _ = layers.indices(len(self._array))
        slopes = {axis: self._slope(start, stop, axis) for axis in set(self._axes)}
        first, *others = (slopes[axis] for axis in self._axes)
        for other in others:
            first = first * other
        return first

    @property
    def whole(self) -> np.ndarray:
        """All layers."""
        return self[:]

    def _slope(self, start: int, stop: int, axis: int) -> np.ndarray:
        array, scale = self._array, np.float32(0.5 / self._spacing[axis])
        slope = np.zeros_like(array[start:stop])
        if axis == 0:
            low, high = max(start, 1), min(stop, len(array) - 1)
            behind, ahead, middle = (
                array[low - 1 : high - 1],
                array[low + 1 : high + 1],
                slope[low - start : high - start],
            )
        else:
            before = (slice(None),) * axis
            behind, ahead = array[start:stop][(*before, slice(None, -2))], array[start:stop][(*before, slice(2, None))]
            middle = slope[(*before, slice(1, -1))]
        if middle.size and array.shape[axis] > 2:
            np.subtract(ahead, behind, out=middle)
            middle *= scale
        return slope
