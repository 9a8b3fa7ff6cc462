"""Undoing a Gaussian blur: Richardson-Lucy and Wiener, with mirrored borders."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..blockwise import for_each, map_slabs, ranges
from ..progress import SILENT, Progress
from .gaussian import smooth, taps


def richardson_lucy(
    array: np.ndarray, sigmas: Sequence[float], iterations: int, progress: Progress = SILENT
) -> np.ndarray:
    """u <- u G(array / G u), from u = array; `array` is float and at least 0, sigmas in voxels by numpy axis.

    With mirrored borders G is its own adjoint, and the sum of u is that of the image. Where G u vanishes the ratio is
    0.
    """
    estimate = array.copy()
    slabs = ranges(array.shape[0], array[:1].size)
    for n in range(iterations):
        here = progress.part(n / iterations, (n + 1) / iterations)
        blurred = smooth(estimate, sigmas, here.part(0.0, 0.5), "Deconvolution")
        tiny = np.finfo(array.dtype).tiny * 1e6

        def divide(slab: tuple[int, int], blurred: np.ndarray = blurred, tiny: float = tiny) -> None:
            part = blurred[slice(*slab)]
            solid = part > tiny
            np.divide(array[slice(*slab)], part, out=part, where=solid)
            part[~solid] = 0

        for_each(divide, slabs, progress=here.part(0.5, 0.55), message="Deconvolution")
        correction = smooth(blurred, sigmas, here.part(0.55, 0.95), "Deconvolution")
        for start, stop in slabs:
            estimate[start:stop] *= correction[start:stop]
        del divide, blurred, correction  # else they would stay beside the next ones
        here.report(1.0, "Deconvolution")
    return estimate


def wiener(array: np.ndarray, sigmas: Sequence[float], noise: float, progress: Progress = SILENT) -> np.ndarray:
    """G F / (G^2 + noise) in the cosine transform, which a symmetric kernel with mirrored borders is diagonal in.

    `array` is float with mean 0; `noise` is the ratio of noise to signal power, above 0.
    """
    from scipy.fft import dct, idct

    def along(values: np.ndarray, axis: int, inverse: bool, progress: Progress) -> None:
        """Transform in place; slabs run along another axis."""
        other = 1 if axis == 0 and values.ndim > 1 else 0
        moved = np.moveaxis(values, other, 0)
        transform = idct if inverse else dct
        place = axis + 1 if axis < other else axis
        map_slabs(
            lambda slab: transform(slab, axis=place, norm="ortho"), moved, 0, moved, progress=progress, message="Wiener"
        )

    out = array.copy()
    axes = [axis for axis, n in enumerate(array.shape) if n > 1]
    steps = 2 * len(axes) + 1
    for n, axis in enumerate(axes):
        along(out, axis, False, progress.part(n / steps, (n + 1) / steps))
    responses = [_response(n, sigma) for n, sigma in zip(array.shape, sigmas, strict=True)]
    plane = np.ones(array.shape[1:])
    for axis, response in enumerate(responses[1:]):
        plane *= response.reshape([-1 if a == axis else 1 for a in range(array.ndim - 1)])

    def weigh(k: int) -> None:
        gain = responses[0][k] * plane
        out[k] *= gain / (gain * gain + noise)

    middle = len(axes) / steps
    for_each(weigh, range(array.shape[0]), progress=progress.part(middle, middle + 1 / steps), message="Wiener")
    for n, axis in enumerate(axes):
        start = (len(axes) + 1 + n) / steps
        along(out, axis, True, progress.part(start, start + 1 / steps))
    return out


def _response(n: int, sigma: float) -> np.ndarray:
    """Factor of each cosine of an axis of `n` voxels."""
    weights = taps(sigma)
    radius = len(weights) // 2
    offsets = np.arange(-radius, radius + 1)
    return np.asarray(np.cos(np.pi * np.outer(np.arange(n), offsets) / n) @ weights)
