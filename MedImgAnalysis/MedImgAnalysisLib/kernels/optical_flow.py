"""Optical flow between two arrays of equal shape: TV-L1 and iterative Lucas-Kanade, 2-D and 3-D.

The flow (d, k, j, i) has one component per numpy axis, in the unit of `steps` (the distance of neighbours along each
axis, the shortest 1), so that voxels need not be cubes: moving[x + flow / steps] is like fixed[x]. With steps of 1 both
solvers do what scikit-image's do.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations_with_replacement

import numpy as np

from ..blockwise import for_each, ranges
from ..progress import SILENT, Progress

PART = 1 << 17
"""Voxels that are worked on at once, so that they stay in the cache."""
BADLY_CONDITIONED = 1e-14


def warped(moving: np.ndarray, flow: np.ndarray, steps: Sequence[float], progress: Progress = SILENT) -> np.ndarray:
    """moving[x + flow / steps], linear, the border repeated; same shape and dtype."""
    from scipy.ndimage import map_coordinates

    out = np.empty_like(moving)

    def work(span: tuple[int, int]) -> None:
        a, b = span
        at = np.empty_like(flow[:, a:b])
        for axis, step in enumerate(steps):
            n = b - a if axis == 0 else moving.shape[axis]
            places = np.arange(n, dtype=moving.dtype) + (a if axis == 0 else 0)
            at[axis] = flow[axis, a:b] / step + places.reshape([-1 if x == axis else 1 for x in range(moving.ndim)])
        map_coordinates(moving, at, out[a:b], order=1, mode="nearest", prefilter=False)

    for_each(work, _parts(moving), progress=progress)
    return out


def gradient(array: np.ndarray, steps: Sequence[float], progress: Progress = SILENT) -> np.ndarray:
    """Central differences along each axis (one-sided at the border), shape (d, *array.shape); 0 along axes of one."""
    found = np.zeros((array.ndim, *array.shape), array.dtype)
    for axis, step in enumerate(steps):
        progress.check()
        if array.shape[axis] > 1:
            found[axis] = np.gradient(array, step, axis=axis)
    return found


def tvl1(
    fixed: np.ndarray,
    moving: np.ndarray,
    flow: np.ndarray,
    steps: Sequence[float],
    *,
    weight: np.ndarray | None = None,
    attachment: float = 15.0,
    tightness: float = 0.3,
    warps: int = 5,
    iterations: int = 10,
    tolerance: float = 1e-4,
    progress: Progress = SILENT,
) -> np.ndarray:
    """Minimise total variation of the flow plus `attachment` times |moving(x + flow) - fixed(x)|.

    Zach, Pock and Bischof (2007), the duality based scheme; Wedel et al. (2009). Keeps edges of the flow and stands
    outliers.

    Parameters
    ----------
    flow
        Where to begin, changed in place.
    weight
        1 where the images count, 0 where only the smoothness does; everywhere if None.
    attachment, tightness
        A smaller attachment is smoother; tightness couples the two halves of the scheme. For values from 0 to 1.
    warps, iterations
        Times that the moving array is warped, and steps after each.
    tolerance
        Ends when the mean squared change of the flow at a warp is below.
    """
    d = fixed.ndim
    dt = 0.5 / d
    dual = np.zeros((d, d, *fixed.shape), fixed.dtype)
    for warp in range(warps):
        share = progress.part(warp / warps, (warp + 1) / warps)
        image = warped(moving, flow, steps, share.part(0.0, 0.05))
        slope = gradient(image, steps, share)
        if weight is not None:
            slope *= weight
        rest = image - fixed
        if weight is not None:
            rest *= weight
        for axis in range(d):
            progress.check()
            rest -= slope[axis] * flow[axis]
        before = flow.copy()
        for iteration in range(iterations):
            share.report(0.05 + 0.95 * iteration / iterations, "Optical flow")
            _attach(flow, slope, rest, attachment * tightness, progress)
            _denoise(flow, dual, steps, dt, tightness, progress)
        change = sum(float(np.square(a - b).sum(dtype=np.float64)) for a, b in zip(flow, before, strict=True))
        if change < tolerance * fixed.size:
            break
    return flow


def _attach(flow: np.ndarray, slope: np.ndarray, rest: np.ndarray, most: float, progress: Progress) -> None:
    """One thresholding step towards equal brightness, in place."""

    def work(span: tuple[int, int]) -> None:
        a, b = span
        here, grad = flow[:, a:b], slope[:, a:b]
        norm = np.square(grad).sum(axis=0)
        norm[norm == 0] = 1
        rho = rest[a:b] + (grad * here).sum(axis=0)
        here -= np.clip(rho / norm, -most, most) * grad

    for_each(work, _parts(rest))
    progress.check()


def _denoise(
    flow: np.ndarray, dual: np.ndarray, steps: Sequence[float], dt: float, tightness: float, progress: Progress
) -> None:
    """Two steps of Chambolle's projection for each component, in place; `dual` (d, d, ...) is kept between calls."""
    target = flow.copy()
    items = [(component, span) for component in range(len(flow)) for span in _parts(flow[0])]

    def project(item: tuple[int, tuple[int, int]]) -> None:
        component, (a, b) = item
        values = flow[component, a : b + 1]
        slopes = []
        for axis, step in enumerate(steps):
            # The last one along an axis has no neighbour ahead: its slope stays 0.
            slope = np.zeros((b - a, *flow.shape[2:]), flow.dtype)
            if axis == 0:
                np.subtract(values[1:], values[:-1], out=slope[: len(values) - 1])
            else:
                ahead, behind = _shifted(axis, values.ndim)
                np.subtract(values[: b - a][ahead], values[: b - a][behind], out=slope[behind])
            slopes.append(slope / step if step != 1 else slope)
        norm = slopes[0] * slopes[0]
        for slope in slopes[1:]:
            norm += slope * slope
        np.sqrt(norm, out=norm)
        norm *= dt / tightness
        norm += 1
        for axis, slope in enumerate(slopes):
            slope *= dt
            part = dual[component, axis, a:b]
            part -= slope
            part /= norm

    def move(item: tuple[int, tuple[int, int]]) -> None:
        component, (a, b) = item
        here = flow[component, a:b]
        np.copyto(here, target[component, a:b])
        for axis, step in enumerate(steps):
            first = max(a - 1, 0) if axis == 0 else a
            part = dual[component, axis, first:b]
            if step != 1:
                part = part / step
            here -= part[a - first :]
            ahead, behind = _shifted(axis, here.ndim)
            if axis == 0:
                here[1 if first == a else 0 :] += part[:-1]
            else:
                here[ahead] += part[behind]

    for _ in range(2):
        for_each(project, items)
        progress.check()
        for_each(move, items)
        progress.check()


def _shifted(axis: int, d: int) -> tuple[tuple[slice, ...], tuple[slice, ...]]:
    whole = (slice(None),) * axis
    rest = (slice(None),) * (d - axis - 1)
    return (*whole, slice(1, None), *rest), (*whole, slice(None, -1), *rest)


def lucas_kanade(
    fixed: np.ndarray,
    moving: np.ndarray,
    flow: np.ndarray,
    steps: Sequence[float],
    *,
    weight: np.ndarray | None = None,
    radius: float = 7,
    warps: int = 10,
    damping: float = 0.0,
    progress: Progress = SILENT,
) -> np.ndarray:
    """Flow that is constant in a window, found anew for each window after each warp.

    Le Besnerais and Champagnat (2005). Fast; edges of the flow are blurred by the window.

    Parameters
    ----------
    radius
        Half width of the window in the unit of `steps`; along each axis it has at least one voxel to both sides.
    damping
        What holds the flow where the window has little structure, as part of the mean square of the gradient.
    """
    d = fixed.ndim
    sizes = [2 * max(1, round(radius / step)) + 1 for step in steps]
    pairs = list(combinations_with_replacement(range(d), 2))
    for warp in range(warps):
        share = progress.part(warp / warps, (warp + 1) / warps)
        image = warped(moving, flow, steps, share.part(0.0, 0.1))
        slope = gradient(image, steps, share)
        error = fixed - image
        if weight is not None:
            slope *= weight
            error *= weight
        for axis in range(d):
            share.check()
            error += slope[axis] * flow[axis]
        least = damping * float(np.square(slope).mean(dtype=np.float64))
        products = _windowed(slope, error, pairs, sizes, share.part(0.1, 0.8))
        _solve(flow, products, pairs, least, share.part(0.8, 1.0))
    return flow


def _windowed(
    slope: np.ndarray, error: np.ndarray, pairs: list[tuple[int, int]], sizes: list[int], progress: Progress
) -> np.ndarray:
    """Window means of the products of slopes (one per pair of axes), then of slope and error (one per axis)."""
    from scipy.ndimage import uniform_filter1d

    out = np.empty((len(pairs) + len(slope), *error.shape), error.dtype)

    def along_first(item: tuple[int, tuple[int, int]]) -> None:
        number, span = item
        some = slice(None), slice(*span)
        one, two = pairs[number] if number < len(pairs) else (number - len(pairs), None)
        part = out[number][some]
        np.multiply(slope[one][some], error[some] if two is None else slope[two][some], out=part)
        uniform_filter1d(part, sizes[0], axis=0, output=part, mode="mirror")

    def along_others(item: tuple[int, tuple[int, int]]) -> None:
        number, span = item
        part = out[number, slice(*span)]
        for axis, size in enumerate(sizes[1:], start=1):
            uniform_filter1d(part, size, axis=axis, output=part, mode="mirror")

    for work, axis, share in ((along_first, 1, (0.0, 0.5)), (along_others, 0, (0.5, 1.0))):
        spans = _parts(np.moveaxis(error, axis, 0))
        items = [(number, span) for number in range(len(out)) for span in spans]
        for_each(work, items, progress=progress.part(*share), message="Optical flow")
    return out


def _solve(
    flow: np.ndarray, products: np.ndarray, pairs: list[tuple[int, int]], least: float, progress: Progress
) -> None:
    """Solve the small systems of all voxels by Cramer's rule in float64, in place; singular ones give no flow."""
    d = len(flow)

    def work(span: tuple[int, int]) -> None:
        a, b = span
        at = {pair: products[number, a:b].astype(np.float64) for number, pair in enumerate(pairs)}
        right = [products[len(pairs) + axis, a:b].astype(np.float64) for axis in range(d)]
        for axis in range(d):
            at[axis, axis] += least
            right[axis] += least * flow[axis, a:b]
        matrix = [[at[min(i, j), max(i, j)] for j in range(d)] for i in range(d)]
        determinant = _determinant(matrix)
        singular = np.abs(determinant) < BADLY_CONDITIONED
        determinant[singular] = 1
        for axis in range(d):
            swapped = [[right[i] if j == axis else matrix[i][j] for j in range(d)] for i in range(d)]
            flow[axis, a:b] = np.where(singular, 0, _determinant(swapped) / determinant)

    for_each(work, _parts(flow[0]), progress=progress)


def _determinant(m: list[list[np.ndarray]]) -> np.ndarray:
    if len(m) == 2:
        return np.asarray(m[0][0] * m[1][1] - m[0][1] * m[1][0])
    return np.asarray(
        m[0][0] * (m[1][1] * m[2][2] - m[1][2] * m[2][1])
        - m[0][1] * (m[1][0] * m[2][2] - m[1][2] * m[2][0])
        + m[0][2] * (m[1][0] * m[2][1] - m[1][1] * m[2][0])
    )


def _parts(array: np.ndarray) -> list[tuple[int, int]]:
    return ranges(len(array), array[:1].size, PART)
