"""Orthogonal wavelets: filters from their definition, a transform by banded matrices, shrinkage of its details.

The transform is that of PyWavelets in its mode `symmetric` (the border voxel is repeated, then mirrored); rows of the
low and the high band alternate, so that matrices stay banded and a level is one product per axis.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from itertools import product
from math import comb

import numpy as np

from ..blockwise import for_each
from ..progress import SILENT, Progress
from .separable import apply, working_type

FAMILIES = ("haar", "db2", "db3", "db4", "db6", "db8", "sym4", "sym8")
NORMAL_QUARTILE = 0.6744897501960817
"""Median of |x| of the normal distribution."""
ROUNDING = 16
"""Details below this many last digits of the largest value are rounding, not noise."""

Threshold = Callable[[float], float]
"""From the mean square of a band to the threshold of its values."""


@cache
def scaling_filter(family: str) -> tuple[float, ...]:
    """The low-pass reconstruction filter, sum sqrt(2), of even length.

    Daubechies (1992): |H|^2 is factored; `db` takes the zeros inside the unit circle, `sym` those of each
    group, inside or outside, whose phase is nearest to linear.
    """
    moments = 1 if family == "haar" else int(family.lstrip("dbsym"))
    polynomial = [comb(moments - 1 + n, n) for n in reversed(range(moments))]
    groups = []
    for y in np.roots(polynomial):
        # z + 1 / z = 2 - 4 y; conjugate pairs are taken once.
        if y.imag < -1e-9:
            continue
        z = min(np.roots([1, 4 * y - 2, 1]), key=abs)
        groups.append(np.array([z, z.conjugate()]) if abs(y.imag) > 1e-9 else np.array([z.real]))
    choices = product((1, -1), repeat=len(groups)) if family.startswith("sym") else [(1,) * len(groups)]
    filters = [_with_zeros([g**sign for g, sign in zip(groups, choice, strict=True)], moments) for choice in choices]
    # Of the two mirror images the later one, as in PyWavelets.
    best = min(filters, key=lambda taps: (round(_phase_error(taps), 6), -_centre(taps)))
    return tuple(best.tolist())


def _with_zeros(groups: list[np.ndarray], moments: int) -> np.ndarray:
    taps = np.array([1.0 + 0j])
    for zero in [-1.0] * moments + [z for group in groups for z in group]:
        taps = np.convolve(taps, [1, -zero])
    real = taps.real
    return real * np.sqrt(2) / real.sum()


def _centre(taps: np.ndarray) -> float:
    return float(taps**2 @ np.arange(len(taps)))


def _phase_error(taps: np.ndarray) -> float:
    """Departure of the phase from a straight line, weighted by the response."""
    omega = np.linspace(0, np.pi, 65)[1:-1]
    response = np.exp(-1j * np.outer(omega, np.arange(len(taps)))) @ taps
    phase = np.unwrap(np.angle(response))
    weights = np.abs(response)
    slope = (weights * omega) @ phase / ((weights * omega) @ omega)
    return float(weights @ (phase - slope * omega) ** 2)


@cache
def analysis(n: int, family: str) -> np.ndarray:
    """Matrix (2 m, n) from n values to m = (n + taps - 1) // 2 coefficients of each band, low and high in turn."""
    low = np.array(scaling_filter(family))[::-1]
    high = low[::-1] * (-1.0) ** np.arange(1, len(low) + 1)
    taps = len(low)
    m = (n + taps - 1) // 2
    matrix = np.zeros((2 * m, n))
    rows = np.arange(m)
    for t in range(taps):
        columns = np.mod(2 * rows + 1 - t, 2 * n)
        columns = np.where(columns >= n, 2 * n - 1 - columns, columns)
        np.add.at(matrix, (2 * rows, columns), low[t])
        np.add.at(matrix, (2 * rows + 1, columns), high[t])
    return matrix


@cache
def synthesis(n: int, family: str) -> np.ndarray:
    """Matrix (n, 2 m) that undoes `analysis`."""
    low = np.array(scaling_filter(family))
    taps = len(low)
    high = low[::-1] * (-1.0) ** np.arange(taps)
    m = (n + taps - 1) // 2
    matrix = np.zeros((n, 2 * m))
    for k in range(m):
        for t in range(taps):
            row = 2 * k + 1 - (taps - 1) + t
            if 0 <= row < n:
                matrix[row, 2 * k] += low[t]
                matrix[row, 2 * k + 1] += high[t]
    return matrix


def noise_sigma(
    array: np.ndarray, progress: Progress = SILENT, family: str = "db2", dtype: type | None = None
) -> float:
    """Standard deviation of white noise: median |finest diagonal detail| / 0.6745 (Donoho and Johnstone 1994).

    Exact zeros, as of a ground that was set to 0, are left out, as in scikit-image's `estimate_sigma`. Texture raises
    the value, and on axes of few voxels the repeated borders lower it; axes of one voxel are not transformed. 0 for
    constant images and ones of a single voxel. `dtype` is the type of the computation, `working_type` if None.
    """
    matrices = [analysis(n, family)[1::2] if n > 1 else None for n in array.shape]
    if all(matrix is None for matrix in matrices):
        return 0.0
    detail = apply(array, matrices, progress, "Noise estimate", dtype)
    np.abs(detail, out=detail)
    # The taps add up to 0 but for rounding, so a constant ground leaves a trace of that size.
    largest = max(abs(float(array.min())), abs(float(array.max())))
    trace = ROUNDING * float(np.finfo(dtype or working_type(array.dtype)).eps) * largest
    detail = detail[detail > trace]
    return float(np.median(detail)) / NORMAL_QUARTILE if detail.size else 0.0


def shrink(
    array: np.ndarray,
    family: str,
    levels: int,
    threshold: Threshold,
    soft: bool,
    progress: Progress = SILENT,
) -> np.ndarray:
    """Transform, shrink the details of each level, transform back; float (k, j, i) or (j, i), a new array.

    Axes that are shorter than the filter at a level are not transformed there. `threshold` is asked for every band.
    """
    taps = len(scaling_filter(family))
    axes = [axis for axis, n in enumerate(array.shape) if n >= max(taps, 2)]
    if levels == 0 or not axes:
        return array.copy()

    def matrices(make: Callable[[int, str], np.ndarray]) -> Sequence[np.ndarray | None]:
        return [make(n, family) if axis in axes else None for axis, n in enumerate(array.shape)]

    bands = apply(array, matrices(analysis), progress.part(0.0, 0.35), "Wavelets")
    evens = tuple(slice(None, None, 2) if axis in axes else slice(None) for axis in range(array.ndim))
    low = shrink(np.ascontiguousarray(bands[evens]), family, levels - 1, threshold, soft, progress.part(0.35, 0.5))
    _shrink_details(
        bands if array.ndim == 3 else bands[None], axes, array.ndim, threshold, soft, progress.part(0.5, 0.65)
    )
    bands[evens] = low
    return apply(bands, matrices(synthesis), progress.part(0.65, 1.0), "Wavelets")


def _shrink_details(
    bands: np.ndarray, axes: list[int], dimension: int, threshold: Threshold, soft: bool, progress: Progress
) -> None:
    """Shrink all bands of one level in place, plane by plane, the low one as well: it is put back by the caller."""
    along = [axis + 3 - dimension for axis in axes]
    steps = [2 if axis in along else 1 for axis in range(3)]
    cells = list(product(range(steps[1]), range(steps[2])))
    planes = range(bands.shape[0])

    def squares(k: int) -> list[float]:
        return [float(np.square(bands[k, j :: steps[1], i :: steps[2]]).sum(dtype=float)) for j, i in cells]

    sums = np.array(for_each(squares, planes, progress=progress.part(0.0, 0.4), message="Wavelets"))
    limits = {}
    for k in range(steps[0]):
        for n, (j, i) in enumerate(cells):
            size = bands[k :: steps[0], j :: steps[1], i :: steps[2]].size
            limits[k, j, i] = threshold(float(sums[k :: steps[0], n].sum()) / size)

    def work(k: int) -> None:
        for j, i in cells:
            values = bands[k, j :: steps[1], i :: steps[2]]
            limit = values.dtype.type(limits[k % steps[0], j, i])
            if soft:
                values -= np.clip(values, -limit, limit)
            else:
                values[np.abs(values) < limit] = 0

    for_each(work, planes, progress=progress.part(0.4, 1.0), message="Wavelets")
