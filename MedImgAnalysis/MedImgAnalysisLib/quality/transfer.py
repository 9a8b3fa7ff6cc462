"""From samples across an edge, or of a point, to the modulation transfer function."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

OVERSAMPLING = 8
LONGEST_MM = 12.0
POINTS = 4096
GAUSS_50 = math.sqrt(2 * math.log(2)) / (2 * math.pi)
"""Frequency times sigma at which the MTF of a Gaussian is a half: 0.18739."""
GAUSS_10 = math.sqrt(2 * math.log(10)) / (2 * math.pi)
"""Frequency times sigma at which the MTF of a Gaussian is a tenth: 0.34155."""


class Step(NamedTuple):
    """Error function fitted to an edge: `base + height * Phi((s - centre) / sigma)`."""

    base: float
    height: float
    centre: float
    sigma: float


class Transfer(NamedTuple):
    """Modulation transfer with what led to it. Positions in mm, frequencies in lp/mm; no profile for a wire."""

    frequency: np.ndarray
    mtf: np.ndarray
    position: np.ndarray
    edge_spread: np.ndarray
    line_position: np.ndarray
    line_spread: np.ndarray
    reach: float


def phi(x: np.ndarray) -> np.ndarray:
    """The normal distribution function."""
    from scipy.special import ndtr

    return ndtr(x)


def edge_transfer(s: np.ndarray, values: np.ndarray, pitch: float, reach: float) -> Transfer | None:
    """MTF of samples across an edge at s = 0.

    Edge spread: means in bins of an eighth of the pixel, empty ones interpolated. Line spread: differences, Hann window
    over +-reach. MTF: modulus of the zero-padded DFT, 1 at frequency 0, divided by sinc(f bin)^2 for difference
    and binning. The line spread that is returned is limited to Nyquist. None where the samples do not reach two
    pixels to both sides.

    Parameters
    ----------
    s, values
        Distance from the edge along its normal in mm, and voxel values.
    pitch
        Pixel size along the normal in mm.
    reach
        Half length of the window that is wanted in mm; shortened to what is sampled and to 12 mm.
    """
    width = pitch / OVERSAMPLING
    number = np.rint(s / width).astype(np.intp)
    limit = math.floor(min(reach, LONGEST_MM) / width)
    keep = np.abs(number) <= limit
    count = np.bincount(number[keep] + limit, minlength=2 * limit + 1)
    total = np.bincount(number[keep] + limit, values[keep], minlength=2 * limit + 1)
    half = _sampled(count, limit)
    if half < 2 * OVERSAMPLING:
        return None
    part = slice(limit - half, limit + half + 1)
    count, total = count[part], total[part]
    position = np.arange(-half, half + 1) * width
    filled = count > 0
    spread = np.interp(position, position[filled], total[filled] / count[filled])
    line = np.diff(spread) / width
    at = (position[1:] + position[:-1]) / 2
    window = 0.5 + 0.5 * np.cos(np.pi * at / (half * width))
    points = max(POINTS, 1 << math.ceil(math.log2(4 * line.size)))
    spectrum = np.fft.rfft(line * window, points)
    frequency = np.fft.rfftfreq(points, width)
    if spectrum[0] == 0:
        return None
    spectrum /= np.sinc(frequency * width) ** 2
    shown = frequency <= 0.5 / pitch + 1e-12
    mtf = np.abs(spectrum[shown]) / np.abs(spectrum[0])
    # The line spread without what lies beyond Nyquist, where there is noise only.
    smooth = np.fft.irfft(np.where(shown, spectrum, 0), points)[: line.size]
    return Transfer(frequency[shown], mtf, position, spread, at, smooth, half * width)


def _sampled(count: np.ndarray, middle: int) -> int:
    """Bins to both sides of the middle over which every pixel (eight bins) holds a fair number of samples."""
    nearby = np.convolve(count, np.ones(OVERSAMPLING), "same")
    enough = nearby >= max(1.0, 0.25 * float(np.median(nearby[nearby > 0]) if nearby.any() else 1.0))
    right = np.flatnonzero(~enough[middle:])
    left = np.flatnonzero(~enough[middle::-1])
    return int(min(*(hit[0] - 1 if hit.size else middle for hit in (left, right))))


def crossing(frequency: np.ndarray, mtf: np.ndarray, level: float) -> float:
    """The lowest frequency at which the MTF comes down to `level`; NaN when it does not up to the end."""
    below = np.flatnonzero(mtf < level)
    if not below.size or below[0] == 0:
        return math.nan
    n = int(below[0])
    return float(np.interp(level, [mtf[n], mtf[n - 1]], [frequency[n], frequency[n - 1]]))


def full_width(position: np.ndarray, line: np.ndarray) -> float:
    """Full width at half maximum of a line spread in mm; NaN when it does not come down on both sides."""
    line = line * np.sign(line.sum())
    top = int(line.argmax())
    half = line[top] / 2
    ends = []
    for side in (range(top, line.size - 1), range(top, 0, -1)):
        step = 1 if side.step > 0 else -1
        hit = next((n for n in side if line[n + step] < half), None)
        if hit is None:
            return math.nan
        ends.append(float(np.interp(half, [line[hit + step], line[hit]], [position[hit + step], position[hit]])))
    return ends[0] - ends[1]


def gaussian_transfer(frequency: np.ndarray, sigma: float) -> np.ndarray:
    """exp(-2 pi^2 sigma^2 f^2)."""
    return np.exp(-2 * np.square(np.pi * sigma * frequency))
