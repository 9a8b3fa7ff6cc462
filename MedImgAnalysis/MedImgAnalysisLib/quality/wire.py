"""Transfer of a thin wire or bead: the spectrum of its image, averaged over directions."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from ..progress import Progress
from .transfer import LONGEST_MM

DIRECTIONS = 36
STEPS = 256


class Point(NamedTuple):
    """A point in a slice: Gaussian fit (base, height, sigma in mm, place in mm), noise, and its MTF."""

    base: float
    height: float
    sigma: float
    place: tuple[float, float]
    noise: float
    frequency: np.ndarray
    mtf: np.ndarray
    reach: float


def find_point(
    image: np.ndarray, inside: np.ndarray, spacing: tuple[float, float], diameter: float, progress: Progress
) -> Point | None:
    """The point in the pixels of `inside` (rows, columns); None when there is none.

    MTF(f) = mean over directions u of |sum (P - base) w exp(-2 pi i f u x)|, 1 at f = 0, with the base from the pixels
    beyond four sigma and a taper w over the outer half. A wire of `diameter` mm is divided out as
    2 J1(pi d f) / (pi d f).
    """
    from scipy.optimize import least_squares
    from scipy.special import j1

    row, column = (np.nonzero(inside)[axis] * spacing[axis] for axis in range(2))
    values = image[inside].astype(np.float64)
    base = float(np.median(values))
    at = int(np.abs(values - base).argmax())
    height = float(values[at] - base)
    if height == 0 or values.size < 25:
        return None
    pitch = max(spacing)
    near = np.hypot(row - row[at], column - column[at]) <= 12 * pitch
    r, c, v = row[near], column[near], (values[near] - base) / abs(height)

    def residual(p: np.ndarray) -> np.ndarray:
        progress.check()
        return p[4] + p[3] * np.exp(-(np.square(r - p[0]) + np.square(c - p[1])) / (2 * p[2] * p[2])) - v

    start = [row[at], column[at], pitch, math.copysign(1, height), 0.0]
    found = least_squares(residual, start, x_scale=[pitch, pitch, pitch, 0.1, 0.1], max_nfev=200)
    if not (found.success and np.isfinite(found.x).all() and found.x[2] != 0):
        return None
    y, x, sigma = float(found.x[0]), float(found.x[1]), abs(float(found.x[2]))
    distance = np.hypot(row - y, column - x)
    reach = min(LONGEST_MM, _to_border(inside, spacing, y, x))
    outer = (distance > 4 * sigma) & (distance <= reach)
    if reach < 4 * sigma or outer.sum() < 10:
        return None
    base, noise = float(values[outer].mean()), float(values[outer].std(ddof=1))
    taper = np.where(distance <= reach / 2, 1.0, 0.5 + 0.5 * np.cos(np.pi * np.clip(2 * distance / reach - 1, 0, 1)))
    weight = (values - base) * taper
    used = distance <= reach
    frequency = np.linspace(0, 0.5 / pitch, STEPS)
    turns = np.pi * np.arange(DIRECTIONS) / DIRECTIONS
    along = np.outer(np.cos(turns), (row - y)[used]) + np.outer(np.sin(turns), (column - x)[used])
    mtf = np.empty(frequency.size)
    # Frequencies are equally spaced: each wave is the one before times one step.
    step = np.exp(-2j * np.pi * frequency[1] * along)
    wave = np.repeat(weight[used][None].astype(complex), DIRECTIONS, axis=0)
    for number in range(frequency.size):
        progress.check()
        mtf[number] = np.abs(wave.sum(axis=1)).mean()
        wave *= step
    if mtf[0] == 0:
        return None
    mtf /= mtf[0]
    if diameter > 0:
        u = np.pi * diameter * frequency[1:]
        mtf[1:] /= 2 * j1(u) / u
    return Point(base, float(found.x[3]) * abs(height), sigma, (y, x), noise, frequency, mtf, reach)


def _to_border(inside: np.ndarray, spacing: tuple[float, float], y: float, x: float) -> float:
    """Distance from a place to the nearest pixel outside the region."""
    padded = np.pad(inside, 1)
    rows, columns = np.nonzero(~padded)
    return float(np.hypot((rows - 1) * spacing[0] - y, (columns - 1) * spacing[1] - x).min())
