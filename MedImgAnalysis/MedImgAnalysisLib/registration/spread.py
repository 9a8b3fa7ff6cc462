"""Mean, spread and percentiles of millions of numbers, a piece at a time so that a cancel comes through."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np

from ..progress import Progress

PIECE = 1 << 19
SORTED = 1 << 22
BINS = 1 << 16


def pieces(values: np.ndarray, progress: Progress) -> Iterator[np.ndarray]:
    """The values in pieces of half a million; stops between them when asked to."""
    for start in range(0, values.size, PIECE):
        progress.check()
        yield values[start : start + PIECE]


def select(array: np.ndarray, inside: np.ndarray | None, progress: Progress) -> np.ndarray:
    """The values where `inside` says so (all if None) as a new flat array."""
    layers = max(1, PIECE // max(1, array[:1].size))
    kept = []
    for start in range(0, len(array), layers):
        progress.check()
        part = array[start : start + layers]
        kept.append(part.ravel() if inside is None else part[inside[start : start + layers]])
    return np.concatenate(kept) if kept else np.empty(0, array.dtype)


def moments(values: np.ndarray, progress: Progress, ddof: int = 0) -> tuple[float, float]:
    """Mean and standard deviation with n - `ddof`; NaN where there are too few values."""
    if values.size == 0:
        return math.nan, math.nan
    mean = math.fsum(float(v.sum()) for v in pieces(values, progress)) / values.size
    if values.size <= ddof:
        return mean, math.nan
    squares = math.fsum(float(np.square(v - mean).sum()) for v in pieces(values, progress))
    return mean, math.sqrt(squares / (values.size - ddof))


def percentiles(values: np.ndarray, wanted: Sequence[float], progress: Progress) -> list[float]:
    """Percentiles with linear interpolation between the order statistics, exact for any number of values.

    Many values are narrowed by a histogram to the bins that hold a wanted one, and only these are sorted.
    """
    if values.size == 0:
        return [math.nan] * len(wanted)
    if values.size <= SORTED:
        return [float(p) for p in np.percentile(values, wanted)]
    low = min(float(v.min()) for v in pieces(values, progress))
    high = max(float(v.max()) for v in pieces(values, progress))
    if low == high:
        return [low] * len(wanted)
    scale = BINS / (high - low)
    counts = np.zeros(BINS + 1, np.int64)
    for v in pieces(values, progress):
        counts += np.bincount(((v - low) * scale).astype(np.intp), minlength=BINS + 1)
    upto = np.cumsum(counts)
    places = [percent / 100 * (values.size - 1) for percent in wanted]
    ranks = sorted({rank for place in places for rank in (math.floor(place), math.ceil(place))})
    bins = sorted({int(np.searchsorted(upto, rank, "right")) for rank in ranks})
    inside: dict[int, list[np.ndarray]] = {number: [] for number in bins}
    for v in pieces(values, progress):
        at = ((v - low) * scale).astype(np.intp)
        for number, kept in inside.items():
            kept.append(v[at == number])
    ordered = {number: np.sort(np.concatenate(kept)) for number, kept in inside.items()}
    found = {}
    for rank in ranks:
        number = int(np.searchsorted(upto, rank, "right"))
        found[rank] = float(ordered[number][rank - (int(upto[number - 1]) if number else 0)])
    return [found[math.floor(p)] + (found[math.ceil(p)] - found[math.floor(p)]) * (p - math.floor(p)) for p in places]


def of_errors(errors: np.ndarray, progress: Progress) -> dict[str, float]:
    """`mean`, `sd` (n - 1), `median`, `p95`, `min`, `max` and `rms` of distances; NaN for none, SD also for one."""
    mean, sd = moments(errors, progress, ddof=1)
    median, p95 = percentiles(errors, (50, 95), progress)
    squares = math.fsum(float(np.square(v).sum()) for v in pieces(errors, progress))
    empty = errors.size == 0
    return {
        "mean": mean,
        "sd": sd,
        "median": median,
        "p95": p95,
        "min": math.nan if empty else float(errors.min()),
        "max": math.nan if empty else float(errors.max()),
        "rms": math.nan if empty else math.sqrt(squares / errors.size),
    }
