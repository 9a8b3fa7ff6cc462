"""Thresholds from the counts of a histogram: each function gives the number of the last bin on the dark side.

All work on bin numbers, so that a threshold moves with the image when its values are scaled or shifted. Where two bins
are equally good, the lower one is taken, but for Otsu the middle one. With n the counts, p = n / sum n, P_t the sum of
p up to bin t, and i the bin numbers from 0.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..errors import InputError
from ..progress import Progress

Method = Callable[[np.ndarray, Progress], int]
SMOOTHINGS = 10_000
"""Running means after which a histogram counts as one that never gets two peaks."""
TRIANGLE_TAILS = 0.01
SAME_BINS = 5
"""Renyi thresholds that are at most so many bins apart belong together."""


def otsu(counts: np.ndarray, progress: Progress) -> int:
    """Largest variance between the classes (Otsu 1979); of equally good bins the middle one."""
    weight, moment, total, total_moment = _first_moments(counts)
    difference = moment / weight - (total_moment - moment) / (total - weight)
    between = weight * (total - weight) * difference**2
    best = np.flatnonzero(between >= between.max() * (1 - 1e-12))
    return _bins(counts)[0] + int(best[(len(best) - 1) // 2])


def isodata(counts: np.ndarray, progress: Progress) -> int:
    """The first bin that is not below the middle of the means of both sides (Ridler and Calvard 1978)."""
    first, last = _bins(counts)
    weight, moment, total, total_moment = _first_moments(counts)
    middle = (moment / weight + (total_moment - moment) / (total - weight)) / 2
    at = np.arange(first, last)
    return int(next(iter(at[at >= middle]), last - 1))


def li(counts: np.ndarray, progress: Progress) -> int:
    """Least cross-entropy between the image and its two means (Li and Lee 1993), over all bins.

    Values are counted from the lower edge of the histogram: cross-entropy needs positive ones.
    """
    first, _ = _bins(counts)
    weight, moment, total, total_moment = _first_moments(counts)
    moment, total_moment = moment + 0.5 * weight, total_moment + 0.5 * total
    rest, rest_moment = total - weight, total_moment - moment
    return first + _least(-moment * np.log(moment / weight) - rest_moment * np.log(rest_moment / rest))


def kittler_illingworth(counts: np.ndarray, progress: Progress) -> int:
    """Least error when both classes are normal distributions (Kittler and Illingworth 1986), over all bins.

    J = 1 + 2 (P ln s + Q ln r) - 2 (P ln P + Q ln Q) with the SDs s, r and shares P, Q of both sides. The variance
    within a bin, 1/12 of its squared width, is added, so that a class of a single bin does not count as perfect.
    """
    first, last = _bins(counts)
    at = np.arange(len(counts)) - (first + last) / 2
    weight, moment = np.cumsum(counts, dtype=float), np.cumsum(counts * at)
    square = np.cumsum(counts * at**2)
    sides = []
    for n, m, q in (
        (weight[first:last], moment[first:last], square[first:last]),
        (weight[-1] - weight[first:last], moment[-1] - moment[first:last], square[-1] - square[first:last]),
    ):
        share = n / weight[-1]
        variance = np.maximum(q / n - (m / n) ** 2, 0) + 1 / 12
        sides.append(share * np.log(variance) - 2 * share * np.log(share))
    return first + _least(sides[0] + sides[1])


def maximum_entropy(counts: np.ndarray, progress: Progress) -> int:
    """Largest sum of the entropies of both sides (Kapur, Sahoo and Wong 1985)."""
    first, last = _bins(counts)
    share, below, above = _shares(counts)
    with np.errstate(divide="ignore", invalid="ignore"):
        information = np.cumsum(np.where(share > 0, share * np.log(share), 0.0))
    dark = np.log(below) - information / below
    bright = np.log(above) - (information[-1] - information) / above
    return first + _least(-(dark + bright)[first:last])


def renyi_entropy(counts: np.ndarray, progress: Progress) -> int:
    """A weighted mean of the thresholds of largest Renyi entropy of order 1/2, 1 and 2 (Sahoo 1997).

    Those that are at most 5 bins apart get more weight.
    """
    first, last = _bins(counts)
    share, below, above = _shares(counts)
    orders = []
    for order in (0.5, 2.0):
        power = np.cumsum(share**order)
        dark, bright = power / below**order, (power[-1] - power) / above**order
        entropy = np.log(dark[first:last] * bright[first:last]) / (1 - order)
        orders.append(first + _least(-entropy))
    low, middle, high = sorted([orders[0], maximum_entropy(counts, progress), orders[1]])
    near = middle - low <= SAME_BINS, high - middle <= SAME_BINS
    weights = {(True, False): (0, 1, 3), (False, True): (3, 1, 0)}.get(near, (1, 2, 1))
    between = (below[high] - below[low]) / 4
    mean = low * (below[low] + between * weights[0]) + middle * between * weights[1]
    return _inner(counts, int(mean + high * (1 - below[high] + between * weights[2])))


def shanbhag(counts: np.ndarray, progress: Progress) -> int:
    """Least difference between the information that both sides have on fuzzy membership (Shanbhag 1994)."""
    first, last = _bins(counts)
    share, below, above = _shares(counts)
    upto = np.cumsum(counts) / counts.sum()
    before, after = np.concatenate([[0.0], upto[:-1]]), 1 - upto
    difference = np.empty(last - first)
    for t in range(first, last):
        if t % 256 == 0:
            progress.report((t - first) / (last - first), "Threshold")
        dark, bright = 0.5 / below[t], 0.5 / above[t]
        one = dark * (share[1 : t + 1] * np.log1p(-dark * before[1 : t + 1])).sum()
        two = bright * (share[t + 1 :] * np.log1p(-bright * after[t + 1 :])).sum()
        difference[t - first] = abs(one - two)
    return first + _least(difference)


def yen(counts: np.ndarray, progress: Progress) -> int:
    """Largest correlation of both sides, ln (P^2 Q^2 / (sum_dark p^2 sum_bright p^2)) (Yen, Chang and Chang 1995)."""
    first, last = _bins(counts)
    share, below, above = _shares(counts)
    square = np.cumsum(share**2)
    bright = np.concatenate([np.cumsum((share**2)[::-1])[::-1][1:], [0.0]])
    part = slice(first, last)
    return first + _least(np.log(square[part]) + np.log(bright[part]) - 2 * np.log(below[part] * above[part]))


def moments(counts: np.ndarray, progress: Progress) -> int:
    """The share of dark voxels of the two-valued image that has the first three moments of the image (Tsai 1985)."""
    _, last = _bins(counts)
    share = counts / counts.sum()
    at = np.arange(len(counts)) - float(share @ np.arange(len(counts)))
    second, third = float(share @ at**2), float(share @ at**3)
    # About the mean, the two values are z with z^2 - (m3 / m2) z - m2 = 0.
    root = np.sqrt((third / second) ** 2 + 4 * second)
    dark, bright = (third / second - root) / 2, (third / second + root) / 2
    wanted = bright / (bright - dark)
    return min(int(np.searchsorted(np.cumsum(share), wanted, "right")), last - 1)


def huang(counts: np.ndarray, progress: Progress) -> int:
    """Least fuzziness of the membership 1 / (1 + |i - mean of the side| / range) (Huang and Wang 1995)."""
    first, last = _bins(counts)
    weight, moment, total, total_moment = _first_moments(counts)
    member = 1 / (1 + np.arange(last - first + 1.0) / (last - first))
    with np.errstate(divide="ignore", invalid="ignore"):
        fuzzy = -member * np.log(member) - np.where(member < 1, (1 - member) * np.log(1 - member), 0.0)
    # Fuzziness by distance from the mean, both ways, so that the bins of a side are one stretch of it.
    both = np.concatenate([fuzzy[:0:-1], fuzzy])
    own = counts[first : last + 1].astype(float)
    centres = (
        np.floor(np.stack([moment / weight, (total_moment - moment) / (total - weight)]) + 0.5).astype(int) - first
    )
    length = last - first
    fuzziness = np.empty(length)
    for t, (dark, bright) in enumerate(centres.T.tolist()):
        if t % 256 == 0:
            progress.report(t / length, "Threshold")
        one = (own[: t + 1] * both[length - dark : length - dark + t + 1]).sum()
        two = (own[t + 1 :] * both[length - bright + t + 1 : 2 * length - bright + 1]).sum()
        fuzziness[t] = one + two
    return first + _least(fuzziness)


def triangle(counts: np.ndarray, progress: Progress) -> int:
    """The bin behind the deepest one below a line from the peak to the farther tail (Zack, Rogers and Latt 1977).

    A tail ends where 1 % of the voxels lie beyond, so that single far voxels do not decide.
    """
    total = counts.sum()
    peak = int(np.argmax(counts))
    low = int(np.searchsorted(np.cumsum(counts), TRIANGLE_TAILS * total))
    high = len(counts) - 1 - int(np.searchsorted(np.cumsum(counts[::-1]), TRIANGLE_TAILS * total))
    start, stop = (low, peak) if peak - low > abs(peak - high) else (peak, high)
    if stop <= start:
        return _inner(counts, start)
    line = np.interp(np.arange(start, stop), (start, stop), (0, counts[peak]) if stop == peak else (counts[peak], 0))
    return _inner(counts, start + int(np.argmax(line - counts[start:stop])) + 1)


def intermodes(counts: np.ndarray, progress: Progress) -> int:
    """The middle between two peaks, after running means of three bins until two are left (Prewitt and Mendelsohn 1966).

    Raises `InputError` when the histogram never has two peaks.
    """
    smooth = counts.astype(float)
    for number in range(SMOOTHINGS):
        if number % 256 == 0:
            progress.report(number / SMOOTHINGS, "Threshold")
        peaks = 1 + np.flatnonzero((smooth[1:-1] > smooth[:-2]) & (smooth[1:-1] > smooth[2:]))
        if len(peaks) == 2:
            return _inner(counts, int(peaks.sum()) // 2)
        if len(peaks) < 2 and number:
            break
        padded = np.pad(smooth, 1)
        smooth = (padded[:-2] + padded[1:-1] + padded[2:]) / 3
    raise InputError("The histogram never shows exactly two peaks; intermodes needs them. Choose another method.")


METHODS: dict[str, Method] = {
    "otsu": otsu,
    "li": li,
    "huang": huang,
    "yen": yen,
    "triangle": triangle,
    "maximum_entropy": maximum_entropy,
    "kittler_illingworth": kittler_illingworth,
    "moments": moments,
    "isodata": isodata,
    "intermodes": intermodes,
    "renyi_entropy": renyi_entropy,
    "shanbhag": shanbhag,
}


def _bins(counts: np.ndarray) -> tuple[int, int]:
    """First and last bin with voxels; both sides have some when the threshold is from the first to before the last."""
    at = np.flatnonzero(counts)
    return int(at[0]), int(at[-1])


def _inner(counts: np.ndarray, chosen: int) -> int:
    """The nearest bin that leaves voxels on both sides."""
    first, last = _bins(counts)
    return min(max(chosen, first), last - 1)


def _first_moments(counts: np.ndarray) -> tuple[np.ndarray, np.ndarray, float, float]:
    """Sums of counts and of counts times bin number up to each bin with voxels on both sides, and of all."""
    first, last = _bins(counts)
    at = np.arange(len(counts), dtype=float)
    weight, moment = np.cumsum(counts, dtype=float), np.cumsum(counts * at)
    return weight[first:last], moment[first:last], float(weight[-1]), float(moment[-1])


def _shares(counts: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """p, P and 1 - P of each bin; the last two are 1 where no side would have voxels, to be divided by."""
    share = counts / counts.sum()
    upto = np.cumsum(counts)
    below, above = upto / upto[-1], (upto[-1] - upto) / upto[-1]
    return share, np.where(upto > 0, below, 1.0), np.where(upto < upto[-1], above, 1.0)


def _least(values: np.ndarray) -> int:
    """Place of the first value that is least but for rounding."""
    lowest = float(values.min())
    return int(np.flatnonzero(values <= lowest + 1e-12 * max(1.0, abs(lowest)))[0])
