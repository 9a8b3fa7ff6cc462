"""Central differences in millimetres, plane by plane: gradient, its magnitude, the Laplacian."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from ..blockwise import for_each
from ..progress import SILENT, Progress
from .gaussian import derivative
from .separable import working_type


def gradient_magnitude(array: np.ndarray, spacing: Sequence[float], progress: Progress = SILENT) -> np.ndarray:
    """|grad| by central differences, the border repeated: that of `SimpleITK.GradientMagnitude`, per millimetre.

    `array` is (k, j, i) or (j, i) of any real type, `spacing` in millimetres by numpy axis.
    """
    return _by_plane(array, spacing, _squared_gradient, np.sqrt, progress, "Gradient")


def laplacian(array: np.ndarray, spacing: Sequence[float], progress: Progress = SILENT) -> np.ndarray:
    """Sum of the second differences, the border repeated: that of `SimpleITK.Laplacian`, per mm2."""
    return _by_plane(array, spacing, _laplacian, None, progress, "Laplacian")


def gradient_at(array: np.ndarray, spacing: Sequence[float], places: tuple[np.ndarray, ...]) -> np.ndarray:
    """Central differences at some voxels, the border repeated: (axes, voxels) in float64, per millimetre."""
    found = []
    for axis, n in enumerate(array.shape):
        up, down = list(places), list(places)
        up[axis], down[axis] = np.minimum(places[axis] + 1, n - 1), np.maximum(places[axis] - 1, 0)
        found.append((array[tuple(up)].astype(float) - array[tuple(down)]) / (2 * spacing[axis]))
    return np.array(found)


def sobel_magnitude(array: np.ndarray, spacing: Sequence[float], progress: Progress = SILENT) -> np.ndarray:
    """|grad| by central differences, each averaged with the weights 1, 2, 1 along the other axes; per millimetre."""
    return _by_plane(array, spacing, _squared_sobel, np.sqrt, progress, "Sobel")


def gaussian_laplacian(
    array: np.ndarray, sigmas: Sequence[float], spacing: Sequence[float], progress: Progress = SILENT
) -> np.ndarray:
    """Laplacian of the image smoothed by a Gaussian, per mm2; sigmas in voxels by numpy axis, the border mirrored."""
    total: np.ndarray | None = None
    for axis in range(array.ndim):
        orders = [2 if a == axis else 0 for a in range(array.ndim)]
        here = progress.part(axis / array.ndim, (axis + 1) / array.ndim)
        part = derivative(array, sigmas, orders, here, "Laplacian")
        part *= part.dtype.type(spacing[axis] ** -2)
        if total is None:
            total = part
        else:
            total += part
        del part  # else it would stay beside the next one
    assert total is not None
    return total


def _by_plane(
    array: np.ndarray,
    spacing: Sequence[float],
    function: Callable[[np.ndarray, np.ndarray, np.ndarray, Sequence[float]], np.ndarray],
    finish: Callable[..., np.ndarray] | None,
    progress: Progress,
    message: str,
) -> np.ndarray:
    if array.ndim == 2:
        return _by_plane(array[None], [1.0, *spacing], function, finish, progress, message)[0]
    dtype = working_type(array.dtype)
    out: np.ndarray = np.empty(array.shape, dtype)
    last = array.shape[0] - 1

    def work(k: int) -> None:
        below, here, above = (array[n].astype(dtype, copy=False) for n in (max(k - 1, 0), k, min(k + 1, last)))
        out[k] = function(below, here, above, spacing)
        if finish is not None:
            finish(out[k], out=out[k])

    for_each(work, range(array.shape[0]), progress=progress, message=message)
    return out


def _squared_gradient(below: np.ndarray, here: np.ndarray, above: np.ndarray, spacing: Sequence[float]) -> np.ndarray:
    total = above - below
    total *= total.dtype.type(0.5 / spacing[0])
    total *= total
    for axis in range(2):
        slope = _slope(here, axis, spacing[axis + 1])
        slope *= slope
        total += slope
    return total


def _squared_sobel(below: np.ndarray, here: np.ndarray, above: np.ndarray, spacing: Sequence[float]) -> np.ndarray:
    total = above - below
    total *= total.dtype.type(0.5 / spacing[0])
    total = _blurred(_blurred(total, 0), 1)
    total *= total
    mixed = here + here
    mixed += below
    mixed += above
    mixed *= mixed.dtype.type(0.25)
    for axis in range(2):
        slope = _slope(_blurred(mixed, 1 - axis), axis, spacing[axis + 1])
        slope *= slope
        total += slope
    return total


def _slope(plane: np.ndarray, axis: int, spacing: float) -> np.ndarray:
    """Central differences along an axis of a plane, the border repeated."""
    out = np.empty_like(plane)
    values, slope = np.moveaxis(plane, axis, 0), np.moveaxis(out, axis, 0)
    np.subtract(values[2:], values[:-2], out=slope[1:-1])
    np.subtract(values[min(1, len(values) - 1)], values[0], out=slope[0])
    np.subtract(values[-1], values[max(len(values) - 2, 0)], out=slope[-1])
    out *= out.dtype.type(0.5 / spacing)
    return out


def _blurred(plane: np.ndarray, axis: int) -> np.ndarray:
    """Means with the weights 1, 2, 1 along an axis of a plane, the border repeated."""
    out = plane + plane
    values, total = np.moveaxis(plane, axis, 0), np.moveaxis(out, axis, 0)
    total[1:] += values[:-1]
    total[:-1] += values[1:]
    total[0] += values[0]
    total[-1] += values[-1]
    out *= out.dtype.type(0.25)
    return out


def _laplacian(below: np.ndarray, here: np.ndarray, above: np.ndarray, spacing: Sequence[float]) -> np.ndarray:
    total = (above - here) - (here - below)
    total *= total.dtype.type(spacing[0] ** -2)
    for axis in range(2):
        values = np.moveaxis(here, axis, 0)
        step = np.diff(values, axis=0)
        step *= step.dtype.type(spacing[axis + 1] ** -2)
        target = np.moveaxis(total, axis, 0)
        target[:-1] += step
        target[1:] -= step
    return total
