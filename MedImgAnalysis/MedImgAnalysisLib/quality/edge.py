"""Finding a straight edge or a disk in a slice, with the distance of every pixel from it."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from ..progress import Progress
from .transfer import Step, phi

FIT_SAMPLES = 30000
NEAR = 0.3
"""Part of the radius of a disk to both sides of its edge that is fitted; further out something else may be."""


class Located(NamedTuple):
    """A target in a slice.

    Attributes
    ----------
    s, values
        Distance of the pixels from the edge in mm (along its normal; outwards for a disk) and their values.
    step
        The error function fitted to them.
    angle_deg
        Angle between the edge and the nearest pixel axis; NaN for a disk.
    shift_pixels
        How far the edge moves across the pixels from its first to its last row; NaN for a disk.
    pitch, reach
        Pixel size along the normal and how far the window may go, mm.
    place
        Position (row, column) in mm that tells whether the target moves between slices.
    """

    s: np.ndarray
    values: np.ndarray
    step: Step
    angle_deg: float
    shift_pixels: float
    pitch: float
    reach: float
    place: tuple[float, float]


def find_edge(
    image: np.ndarray, inside: np.ndarray, spacing: tuple[float, float], progress: Progress
) -> Located | None:
    """The straight edge in the pixels of `inside` (rows, columns); None when there is none.

    The direction is told by the structure tensor, the place in each row by the centroid of the derivative, the line
    by the median of slopes, and both are refined by fitting an error function to all pixels at once.
    """
    from scipy.ndimage import binary_erosion, gaussian_filter

    core = binary_erosion(inside, np.ones((3, 3), bool), 2)
    if not core.any() or core.any(axis=0).sum() < 3 or core.any(axis=1).sum() < 3:
        return None
    filled = np.where(inside, image, image[inside].mean())
    slopes = [gaussian_filter(filled, 1.5, order) / h for order, h in (((1, 0), spacing[0]), ((0, 1), spacing[1]))]
    tensor = [[float((a * b)[core].sum()) for b in slopes] for a in slopes]
    normal = np.linalg.eigh(np.array(tensor))[1][:, 1]
    steep = abs(normal[1]) >= abs(normal[0])
    if not steep:
        image, inside, core, spacing = image.T, inside.T, core.T, (spacing[1], spacing[0])
        slopes = [slopes[1].T, slopes[0].T]
    progress.check()
    line = _line(slopes[1] * spacing[1], core)
    if line is None:
        return None
    row_mm, column_mm = np.nonzero(inside)[0] * spacing[0], np.nonzero(inside)[1] * spacing[1]
    values = image[inside].astype(np.float64)
    # Column position in mm as a function of the row position in mm.
    slope, start = line[0] * spacing[1] / spacing[0], line[1] * spacing[1]
    fitted = _refine(row_mm, column_mm, values, slope, start, spacing[1], progress)
    if fitted is None:
        return None
    slope, start, step = fitted
    cosine = 1 / math.hypot(1, slope)
    s = (column_mm - start - slope * row_mm) * cosine
    # Angles and phases are told on the pixel lattice: it decides how the edge is sampled.
    on_lattice = abs(slope) * spacing[0] / spacing[1]
    rows = int(core.any(axis=1).sum())
    reach = float(min(s.max(), -s.min()))
    middle = float(np.mean(row_mm))
    at = (middle, start + slope * middle)
    angle = math.degrees(math.atan(abs(slope)))
    return Located(s, values, step, min(angle, 90 - angle), on_lattice * rows, spacing[1], reach,
                   at if steep else (at[1], at[0]))  # fmt: skip


def _line(derivative: np.ndarray, core: np.ndarray) -> tuple[float, float] | None:
    """Slope and start (columns per row, column) of the line through the centroids of the derivative."""
    from scipy.stats import theilslopes

    derivative = np.where(core, derivative, 0.0)
    strongest = derivative[np.unravel_index(int(np.abs(derivative).argmax()), derivative.shape)]
    if strongest == 0:
        return None
    rising = derivative * np.sign(strongest)
    columns = np.arange(rising.shape[1])
    peak, height = rising.argmax(axis=1), rising.max(axis=1)
    rows = np.flatnonzero(height > 0.3 * np.median(height[height > 0]))
    if rows.size < 3:
        return None
    rows = rows[:: max(1, rows.size // 400)]
    slope, start = theilslopes(peak[rows], rows)[:2]
    for _ in range(2):
        weights = np.clip(rising[rows], 0, None)
        weights *= np.abs(columns - (start + slope * rows)[:, None]) <= 5
        sums = weights.sum(axis=1)
        good = sums > 0.3 * np.median(sums)
        if good.sum() < 3:
            return None
        slope, start = theilslopes((weights @ columns)[good] / sums[good], rows[good])[:2]
    return float(slope), float(start)


def _refine(
    row: np.ndarray,
    column: np.ndarray,
    values: np.ndarray,
    slope: float,
    start: float,
    pitch: float,
    progress: Progress,
) -> tuple[float, float, Step] | None:
    """Slope, start and error function that fit the pixels near the edge best."""
    middle = float(row.mean())
    s = (column - start - slope * row) / math.hypot(1, slope)
    near = np.abs(s) <= 12 * pitch
    low, high = values[near & (s < -2 * pitch)], values[near & (s > 2 * pitch)]
    if low.size < 5 or high.size < 5:
        return None
    base, height = float(np.median(low)), float(np.median(high) - np.median(low))
    line: tuple[float, float, Step] | None = (slope, start + slope * middle, Step(base, height, 0.0, 0.8 * pitch))
    # Twice: at first the width is not known, then eight sigma hold all of the edge and little else.
    for _ in range(2):
        if line is None or line[2].height == 0:
            return None
        s = (column - line[1] - line[0] * (row - middle)) / math.hypot(1, line[0])
        used = np.flatnonzero(np.abs(s) <= max(8 * line[2].sigma, 8 * pitch))
        used = used[:: max(1, used.size // FIT_SAMPLES)]
        line = _fit_line(row[used] - middle, column[used], values[used], line, pitch, progress)
    return None if line is None else (line[0], line[1] - line[0] * middle, line[2])


def _fit_line(
    row: np.ndarray,
    column: np.ndarray,
    values: np.ndarray,
    line: tuple[float, float, Step],
    pitch: float,
    progress: Progress,
) -> tuple[float, float, Step] | None:
    """Least squares from (slope, place in the middle row, error function)."""
    from scipy.optimize import least_squares

    scale = abs(line[2].height)

    def residual(p: np.ndarray) -> np.ndarray:
        progress.check()
        distance = (column - p[1] - p[0] * row) / np.hypot(1, p[0])
        return p[2] + p[3] * phi(distance / abs(p[4])) - values / scale

    first = [line[0], line[1], line[2].base / scale, line[2].height / scale, line[2].sigma]
    span = max(float(np.ptp(row)), pitch)
    found = least_squares(residual, first, x_scale=[pitch / span, pitch, 0.1, 0.1, pitch], max_nfev=200)
    if not (found.success and np.isfinite(found.x).all() and found.x[4] != 0):
        return None
    base, height = (float(p) * scale for p in found.x[2:4])
    return float(found.x[0]), float(found.x[1]), Step(base, height, 0.0, abs(float(found.x[4])))


def find_disk(
    image: np.ndarray,
    inside: np.ndarray,
    spacing: tuple[float, float],
    progress: Progress,
    core: np.ndarray | None = None,
) -> Located | None:
    """The round object in the pixels of `inside`, on a background that reaches the border of the region.

    It is what differs most from the border of the region, or what differs at `core`, pixels known to lie in it.
    """
    from scipy.ndimage import binary_dilation, binary_erosion, gaussian_filter, label
    from scipy.optimize import least_squares

    ring = inside & ~binary_erosion(inside, np.ones((3, 3), bool), 2)
    if not ring.any() or ring.all():
        return None
    around = ring if core is None else inside & ~binary_dilation(core, np.ones((3, 3), bool), 3)
    background = float(np.median(image[around if around.any() else ring]))
    deviation = gaussian_filter(np.where(inside, image, background) - background, 1.0)
    if core is None:
        top = float(deviation[np.unravel_index(int(np.abs(deviation).argmax()), deviation.shape)])
    else:
        top = float(np.median(deviation[core]))
    if top == 0:
        return None
    blobs, _ = label(deviation * np.sign(top) > abs(top) / 2)
    sizes = np.bincount(blobs[inside if core is None else core], minlength=2)[1:]
    if not sizes.any():
        return None
    biggest = int(sizes.argmax()) + 1
    rows, columns = np.nonzero(blobs == biggest)
    row, column = (np.nonzero(inside)[axis] * spacing[axis] for axis in range(2))
    values = image[inside].astype(np.float64)
    pitch = max(spacing)
    first = np.array([rows.mean() * spacing[0], columns.mean() * spacing[1],
                      math.sqrt(rows.size * spacing[0] * spacing[1] / math.pi), 0.8 * pitch])  # fmt: skip
    radius = float(first[2])
    near = np.flatnonzero(np.abs(np.hypot(row - first[0], column - first[1]) - radius) <= max(NEAR * radius, 4 * pitch))
    if radius < 2 * pitch or near.size < 20:
        return None
    near = near[:: max(1, near.size // FIT_SAMPLES)]
    r, c, v = row[near], column[near], values[near] / abs(top)

    def residual(p: np.ndarray) -> np.ndarray:
        progress.check()
        s = np.hypot(r - p[0], c - p[1]) - p[2]
        return p[4] + p[5] * phi(s / abs(p[3])) - v

    start = [*first, (background + top) / abs(top), -math.copysign(1, top)]
    found = least_squares(residual, start, x_scale=[pitch, pitch, pitch, pitch, 0.1, 0.1], max_nfev=200)
    if not (found.success and np.isfinite(found.x).all() and found.x[2] > 2 * pitch and found.x[3] != 0):
        return None
    y, x, radius, sigma = (float(p) for p in found.x[:4])
    base, height = (float(p) * abs(top) for p in found.x[4:])
    s = np.hypot(row - y, column - x) - radius
    border = np.nonzero(ring)
    reach = min(0.9 * radius, float((np.hypot(border[0] * spacing[0] - y, border[1] * spacing[1] - x) - radius).min()))
    return Located(s, values, Step(base, height, 0.0, abs(sigma)), math.nan, math.nan, pitch, reach, (y, x))
