"""Sharpening of a histogram that a bias field has blurred: what a log intensity was before (Sled et al. 1998, N4)."""

from __future__ import annotations

import math

import numpy as np


def triangular_histogram(values: np.ndarray, weights: np.ndarray, low: float, step: float, bins: int) -> np.ndarray:
    """Histogram in which each value is shared by the two nearest bins."""
    place = (values - low) / step
    first = np.clip(np.floor(place).astype(np.int64), 0, bins - 1)
    part = np.where(first < bins - 1, place - first, 0.0)
    counts = np.bincount(first, weights * (1 - part), bins)
    counts[1:] += np.bincount(first, weights * part, bins)[:-1]
    return np.asarray(counts)


def expected(counts: np.ndarray, low: float, step: float, fwhm: float, wiener_noise: float) -> np.ndarray:
    """The expected log intensity without bias for each bin of a histogram of log intensities.

    The histogram is deconvolved by a Gaussian of full width `fwhm` (Wiener filter), and the expectation is taken with
    that Gaussian as likelihood.
    """
    bins = len(counts)
    length = 2 ** (math.ceil(math.log2(bins)) + 1)
    start = (length - bins) // 2
    padded = np.zeros(length)
    padded[start : start + bins] = counts
    scaled = fwhm / step
    distance = np.minimum(np.arange(length), length - np.arange(length))
    gaussian = 2 * math.sqrt(math.log(2) / math.pi) / scaled * np.exp(-4 * math.log(2) * (distance / scaled) ** 2)
    transfer = np.fft.fft(gaussian)
    inverse = np.conj(transfer) / (np.conj(transfer) * transfer + wiener_noise)
    sharp = np.maximum(np.fft.ifft(np.fft.fft(padded) * inverse.real).real, 0)
    value = low + (np.arange(length) - start) * step
    above = np.fft.ifft(np.fft.fft(value * sharp) * transfer).real
    below = np.fft.ifft(np.fft.fft(sharp) * transfer).real
    return np.divide(above, below, out=np.zeros(length), where=below != 0)[start : start + bins]
