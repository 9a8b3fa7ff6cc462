"""Numbers that tell how alike two images are, voxel by voxel: differences, correlation, mutual information."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from ..progress import Progress
from .arrays import slabs
from .findings import Findings


class Domain(NamedTuple):
    """Two arrays of one shape and where they are compared (everywhere if None)."""

    a: np.ndarray
    b: np.ndarray
    inside: np.ndarray | None

    def parts(self, progress: Progress) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Pairs of float64 values, a slab at a time; voxels not finite in either are left out."""
        for part in slabs(self.a.shape, progress):
            where = None if self.inside is None else self.inside[part]
            a, b = ((x[part].ravel() if where is None else x[part][where]).astype(np.float64) for x in (self.a, self.b))
            good = np.isfinite(a) & np.isfinite(b)
            yield (a, b) if good.all() else (a[good], b[good])


class Sums(NamedTuple):
    """Moments of a domain."""

    n: int
    nonfinite: int
    mean: tuple[float, float]
    variance: tuple[float, float]
    covariance: float
    squared: float
    absolute: float
    low: tuple[float, float]
    high: tuple[float, float]


def sums(domain: Domain, progress: Progress) -> Sums:
    """Moments in two passes over float64 slabs; variance and covariance divide by n."""
    n = 0
    first: list[tuple[float, ...]] = []
    extremes: list[tuple[float, ...]] = []
    for a, b in domain.parts(progress.part(0, 0.5)):
        n += a.size
        if a.size:
            d = a - b
            first.append((float(a.sum()), float(b.sum()), float(np.square(d).sum()), float(np.abs(d).sum())))
            extremes.append((float(a.min()), float(b.min()), -float(a.max()), -float(b.max())))
    total = domain.a.size if domain.inside is None else int(np.count_nonzero(domain.inside))
    if n == 0:
        nan2 = (math.nan, math.nan)
        return Sums(0, total, nan2, nan2, math.nan, math.nan, math.nan, nan2, nan2)
    sum_a, sum_b, squared, absolute = (math.fsum(column) for column in zip(*first))
    mean_a, mean_b = sum_a / n, sum_b / n
    second = [
        (
            float(np.square(a - mean_a).sum()),
            float(np.square(b - mean_b).sum()),
            float(((a - mean_a) * (b - mean_b)).sum()),
        )
        for a, b in domain.parts(progress.part(0.5, 1))
    ]
    var_a, var_b, cov = (math.fsum(column) / n for column in zip(*second))
    low_a, low_b, high_a, high_b = (min(column) for column in zip(*extremes))
    # What is constant has variance 0, whatever the rounding of its mean.
    var_a, var_b = (0.0 if low_a == -high_a else var_a), (0.0 if low_b == -high_b else var_b)
    return Sums(
        n,
        total - n,
        (mean_a, mean_b),
        (var_a, var_b),
        cov,
        squared / n,
        absolute / n,
        (low_a, low_b),
        (-high_a, -high_b),
    )


def put_differences(found: Findings, s: Sums, data_range: float) -> None:
    """MSE, MAE, RMSE and PSNR = 10 log10(L^2 / MSE)."""
    why = "nonfinite_input" if s.nonfinite else "empty_region"
    found.put("mse", s.squared, why)
    found.put("mae", s.absolute, why)
    found.put("rmse", math.sqrt(s.squared), why)
    found.put("mean_difference", s.mean[1] - s.mean[0], why)
    found.put("data_range", data_range, why)
    if s.squared == 0:
        found.missing("identical", "psnr")
    elif not data_range > 0:
        found.missing(why if s.n == 0 else "zero_variance", "psnr")
    else:
        found.put("psnr", 10 * math.log10(data_range**2 / s.squared), why)


def put_correlation(found: Findings, s: Sums) -> None:
    """NCC: Pearson's correlation, with its sign."""
    why = ("nonfinite_input" if s.nonfinite else "empty_region") if s.n == 0 else "zero_variance"
    root = math.sqrt(s.variance[0]) * math.sqrt(s.variance[1])
    found.put("ncc", max(-1.0, min(1.0, s.covariance / root)) if root > 0 else math.nan, why)


def put_information(found: Findings, domain: Domain, s: Sums, bins: int, progress: Progress) -> None:
    """Entropies and mutual information in nats, from the joint histogram with hard bins over min...max."""
    keys = ("entropy_a", "entropy_b", "entropy_joint", "mi", "nmi", "nmi_arithmetic")
    if s.n == 0:
        found.missing("nonfinite_input" if s.nonfinite else "empty_region", *keys)
        return
    joint = np.zeros((bins, bins), np.int64)
    for a, b in domain.parts(progress):
        code = bin_numbers(a, s.low[0], s.high[0], bins) * bins + bin_numbers(b, s.low[1], s.high[1], bins)
        joint += np.bincount(code, minlength=bins * bins).reshape(bins, bins)
    h_a, h_b, h_ab = (entropy(counts) for counts in (joint.sum(axis=1), joint.sum(axis=0), joint.ravel()))
    mutual = max(0.0, h_a + h_b - h_ab)
    for key, value in zip(keys[:4], (h_a, h_b, h_ab, mutual)):
        found.put(key, value)
    constant = min(s.variance) == 0
    found.put("nmi", math.nan if constant or h_ab == 0 else (h_a + h_b) / h_ab, "zero_variance")
    found.put("nmi_arithmetic", math.nan if constant or h_a + h_b == 0 else 2 * mutual / (h_a + h_b), "zero_variance")


def bin_numbers(values: np.ndarray, low: float, high: float, bins: int) -> np.ndarray:
    """Number of the bin of each value, equal bins from `low` to `high`, the last edge inclusive (as numpy.histogram).

    The edges decide, not a rounded quotient: a value on an edge belongs to the bin above.
    """
    if high == low:
        return np.zeros(values.size, np.intp)
    edges = np.linspace(low, high, bins + 1)
    at = ((values - low) * (bins / (high - low))).astype(np.intp)
    np.clip(at, 0, bins - 1, out=at)
    at[values < edges[at]] -= 1
    at[(values >= edges[at + 1]) & (at < bins - 1)] += 1
    return at


def entropy(counts: np.ndarray) -> float:
    """Entropy in nats of a histogram of counts."""
    p = counts[counts > 0] / counts.sum()
    return max(0.0, float(-(p * np.log(p)).sum()))
