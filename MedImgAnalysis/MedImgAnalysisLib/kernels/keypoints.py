"""Scale-invariant keypoints of a 2-D array with descriptors, after Lowe (2004, IJCV 60:91).

Blobs are extrema of differences of Gaussians in space and scale; each has the size of its blob, the main direction of
the gradients around it, and a descriptor of 4 x 4 histograms of 8 directions that turns and scales with it.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..progress import SILENT, Progress, Quiet
from .gaussian import smooth

SCALES = 3
"""Scales per octave."""
FIRST_SIGMA = 1.6
OWN_SIGMA = 0.5
"""Blur that an image has of itself, in pixels."""
CONTRAST = 0.015
"""Least value of an extremum per scale, for values from 0 to 1."""
EDGE_RATIO = 10.0
SMALLEST = 16
ANGLES = 36
PEAK = 0.8
"""Directions that are at least this part of the strongest one count as well."""
CELLS, DIRECTIONS, SAMPLES = 4, 8, 16
CLIP = 0.2


class Keypoints(NamedTuple):
    """N keypoints.

    Attributes
    ----------
    places
        (N, 2) row and column in pixels, float64.
    sigmas
        (N,) SD of the blob in pixels.
    angles
        (N,) main direction in radians, from the column axis towards the row axis.
    strengths
        (N,) absolute value of the extremum.
    descriptors
        (N, 128) float32 of length 1.
    """

    places: np.ndarray
    sigmas: np.ndarray
    angles: np.ndarray
    strengths: np.ndarray
    descriptors: np.ndarray


def keypoints(
    array: np.ndarray, most: int = 2000, contrast: float = CONTRAST, progress: Progress = SILENT
) -> Keypoints:
    """The strongest keypoints of an array (j, i) of values from 0 to 1, at most `most` places."""
    quiet = Quiet(progress)
    # Twice as many pixels, since the finest blobs are smaller than the first sigma.
    image, step, offset = _doubled(array.astype(np.float32)), 0.5, -0.25
    image = smooth(image, [np.sqrt(FIRST_SIGMA**2 - (2 * OWN_SIGMA) ** 2)] * 2, quiet)
    found: list[Keypoints] = []
    octaves = max(1, int(np.log2(min(image.shape) / SMALLEST)) + 1)
    for number in range(octaves):
        progress.report(number / octaves, "Keypoints")
        stack = [image]
        for scale in range(1, SCALES + 3):
            before, after = (FIRST_SIGMA * 2 ** (s / SCALES) for s in (scale - 1, scale))
            stack.append(smooth(stack[-1], [np.sqrt(after**2 - before**2)] * 2, quiet))
        blobs = _extrema(np.diff(np.stack(stack), axis=0), contrast / SCALES)
        for scale in range(1, SCALES + 1):
            here = blobs[np.rint(blobs[:, 0]).astype(int) == scale]
            if len(here):
                one = _described(stack[scale], here)
                found.append(one._replace(places=one.places * step + offset, sigmas=one.sigmas * step))
        image, step = stack[SCALES][::2, ::2], step * 2
    if not found:
        return Keypoints(np.empty((0, 2)), *(np.empty(0),) * 3, np.empty((0, CELLS**2 * DIRECTIONS), np.float32))
    whole = Keypoints(*(np.concatenate(parts) for parts in zip(*found, strict=True)))
    order = np.argsort(-whole.strengths, kind="stable")[:most]
    return Keypoints(*(part[order] for part in whole))


def _doubled(array: np.ndarray) -> np.ndarray:
    """Twice as many pixels in the same box, linear: pixel n lies at n / 2 - 1 / 4."""
    from .interpolation import linear
    from .separable import apply

    return apply(array, [linear(np.arange(2 * n) / 2 - 0.25, n) for n in array.shape])


def _extrema(stack: np.ndarray, least: float) -> np.ndarray:
    """Refined extrema of differences of Gaussians (s, j, i): rows of s, j, i, value."""
    from scipy.ndimage import maximum_filter, minimum_filter

    inner = stack[1:-1, 1:-1, 1:-1]
    high = (maximum_filter(stack, 3)[1:-1, 1:-1, 1:-1] == inner) & (inner > 0.5 * least)
    low = (minimum_filter(stack, 3)[1:-1, 1:-1, 1:-1] == inner) & (inner < -0.5 * least)
    at = np.argwhere(high | low) + 1
    most = np.array(stack.shape) - 2
    done = np.zeros(len(at), bool)
    for _ in range(4):
        _, slope, curve = _parabola(stack, at)
        shift = -np.linalg.solve(curve + 1e-12 * np.eye(3), slope[..., None])[..., 0]
        done = (np.abs(shift) <= 0.5).all(axis=1)
        at = np.clip(np.where(done[:, None], at, at + np.clip(np.rint(shift), -1, 1).astype(int)), 1, most)
    value, slope, curve = _parabola(stack, at)
    shift = -np.linalg.solve(curve + 1e-12 * np.eye(3), slope[..., None])[..., 0]
    value = value + 0.5 * (slope * shift).sum(axis=1)
    trace = curve[:, 1, 1] + curve[:, 2, 2]
    determinant = curve[:, 1, 1] * curve[:, 2, 2] - curve[:, 1, 2] ** 2
    round_enough = (determinant > 0) & (trace**2 * EDGE_RATIO < (EDGE_RATIO + 1) ** 2 * determinant)
    good = (np.abs(shift) <= 0.6).all(axis=1) & (np.abs(value) >= least) & round_enough
    rows = np.column_stack([at + shift, value])[good]
    return np.unique(rows, axis=0)


def _parabola(stack: np.ndarray, at: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Value (N,), gradient (N, 3) and Hessian (N, 3, 3) by central differences."""

    def value(*shift: int) -> np.ndarray:
        return np.asarray(stack[tuple((at + np.array(shift)).T)], float)

    unit = np.eye(3, dtype=int)
    middle = value(0, 0, 0)
    slope = np.stack([(value(*unit[a]) - value(*-unit[a])) / 2 for a in range(3)], axis=1)
    curve = np.empty((len(at), 3, 3))
    for a in range(3):
        curve[:, a, a] = value(*unit[a]) + value(*-unit[a]) - 2 * middle
        for b in range(a):
            plus, minus = unit[a] + unit[b], unit[a] - unit[b]
            mixed = (value(*plus) + value(*-plus) - value(*minus) - value(*-minus)) / 4
            curve[:, a, b] = curve[:, b, a] = mixed
    return middle, slope, curve


def _described(image: np.ndarray, blobs: np.ndarray) -> Keypoints:
    """Directions and descriptors of blobs (s, j, i, value) in the smoothed image of their scale."""
    gradient = np.gradient(image)
    sigmas = FIRST_SIGMA * 2 ** (blobs[:, 0] / SCALES)
    owner, angles = _directions(gradient, blobs[:, 1:3], sigmas)
    places, sigmas, strengths = blobs[owner, 1:3], sigmas[owner], np.abs(blobs[owner, 3])
    return Keypoints(places, sigmas, angles, strengths, _descriptors(gradient, places, sigmas, angles))


def _sampled(gradient: list[np.ndarray], rows: np.ndarray, columns: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Gradient along rows and columns at fractional places; 0 outside."""
    from scipy.ndimage import map_coordinates

    down, right = (map_coordinates(part, [rows, columns], order=1, mode="constant") for part in gradient)
    return down, right


def _directions(gradient: list[np.ndarray], places: np.ndarray, sigmas: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Main directions around each place: number of the place and angle in radians, one row per direction."""
    side = np.linspace(-4.5, 4.5, 19)
    v, u = (axis.ravel() for axis in np.meshgrid(side, side, indexing="ij"))
    kept = u**2 + v**2 <= 4.5**2
    v, u = v[kept], u[kept]
    down, right = _sampled(gradient, places[:, :1] + sigmas[:, None] * v, places[:, 1:] + sigmas[:, None] * u)
    weight = np.hypot(down, right) * np.exp(-(u**2 + v**2) / (2 * 1.5**2))
    bins = np.mod(np.arctan2(down, right) * (ANGLES / (2 * np.pi)), ANGLES)
    histogram = np.zeros((len(places), ANGLES))
    rows = np.repeat(np.arange(len(places)), len(u))
    low = np.floor(bins).astype(int)
    part = bins - low
    for offset, share in ((0, 1 - part), (1, part)):
        np.add.at(histogram, (rows, np.mod(low + offset, ANGLES).ravel()), (weight * share).ravel())
    for _ in range(2):
        histogram = (np.roll(histogram, 1, 1) + 2 * histogram + np.roll(histogram, -1, 1)) / 4
    before, after = np.roll(histogram, 1, 1), np.roll(histogram, -1, 1)
    peaks = (histogram > before) & (histogram >= after) & (histogram >= PEAK * histogram.max(axis=1, keepdims=True))
    owner, at = np.nonzero(peaks)
    left, middle, right_of = before[owner, at], histogram[owner, at], after[owner, at]
    shift = 0.5 * (left - right_of) / np.minimum(left + right_of - 2 * middle, -1e-12)
    return owner, (at + shift) * (2 * np.pi / ANGLES)


def _descriptors(gradient: list[np.ndarray], places: np.ndarray, sigmas: np.ndarray, angles: np.ndarray) -> np.ndarray:
    """Histograms of directions in 4 x 4 cells of three sigmas each, turned to the main direction, float32 (N, 128)."""
    side = (np.arange(SAMPLES) + 0.5) / SAMPLES * CELLS - CELLS / 2
    v, u = (axis.ravel() for axis in np.meshgrid(side, side, indexing="ij"))
    cosine, sine = np.cos(angles)[:, None], np.sin(angles)[:, None]
    width = 3 * sigmas[:, None]
    rows = places[:, :1] + width * (sine * u + cosine * v)
    columns = places[:, 1:] + width * (cosine * u - sine * v)
    down, right = _sampled(gradient, rows, columns)
    along, across = cosine * right + sine * down, cosine * down - sine * right
    weight = np.hypot(along, across) * np.exp(-(u**2 + v**2) / (2 * (CELLS / 2) ** 2))
    turn = np.mod(np.arctan2(across, along) * (DIRECTIONS / (2 * np.pi)), DIRECTIONS)
    low = np.floor(turn).astype(int)
    found = np.zeros((len(places), CELLS * CELLS * DIRECTIONS))
    for cell_v in range(CELLS):
        near_v = np.maximum(0, 1 - np.abs(v + CELLS / 2 - 0.5 - cell_v))
        for cell_u in range(CELLS):
            near = near_v * np.maximum(0, 1 - np.abs(u + CELLS / 2 - 0.5 - cell_u))
            chosen = np.flatnonzero(near)
            value = weight[:, chosen] * near[chosen]
            part = turn[:, chosen] - low[:, chosen]
            first = (cell_v * CELLS + cell_u) * DIRECTIONS
            who = np.repeat(np.arange(len(places)), len(chosen))
            for offset, share in ((0, 1 - part), (1, part)):
                at = first + np.mod(low[:, chosen] + offset, DIRECTIONS)
                np.add.at(found, (who, at.ravel()), (value * share).ravel())
    for _ in range(2):
        found /= np.maximum(np.linalg.norm(found, axis=1, keepdims=True), 1e-12)
        found = np.minimum(found, CLIP)
    found /= np.maximum(np.linalg.norm(found, axis=1, keepdims=True), 1e-12)
    return found.astype(np.float32)


def matches(first: np.ndarray, second: np.ndarray, ratio: float = 0.8) -> np.ndarray:
    """Pairs (N, 2) of descriptors that are each other's nearest, and clearly nearer than the next (Lowe's ratio)."""
    if not len(first) or len(second) < 2:
        return np.empty((0, 2), int)
    squared = np.maximum(2 - 2 * (first @ second.T), 0)
    order = np.argpartition(squared, 1, axis=1)[:, :2]
    near = np.sort(np.take_along_axis(squared, order, axis=1), axis=1)
    partner = squared.argmin(axis=1)
    back = squared.argmin(axis=0)
    rows = np.arange(len(first))
    good = (back[partner] == rows) & (near[:, 0] < ratio**2 * near[:, 1])
    return np.column_stack([rows[good], partner[good]])
