"""Structure too faint to be an edge that a filter took: where local means of the residual are beyond what noise makes.

At each place x and width the residual r is summed with Gaussian weights w around x and divided by what white noise of
the same local strength would make of the sum:

    T(x) = sum w r / sqrt(sum w^2 r^2)

For independent noise with any symmetric distribution and any change of strength T is about normal with SD 1. Noise that
is not white, or that was partly left in the image, has another SD, the same everywhere: it is measured where the image
is flat. What is then beyond the largest value that chance makes in the whole image is structure.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from ..kernels.ranks import slabs_of
from ..kernels.separable import apply
from ..kernels.wavelets import NORMAL_QUARTILE
from ..progress import Progress

SIGMAS_MM = (1.5, 2.2, 3.2, 4.7, 7.0)
FWHM = 2 * math.sqrt(2 * math.log(2))
CHANCE = 0.01
"""Probability that noise alone reaches the limit anywhere in the image."""
FAINTEST = 0.1
"""Local means below this part of the noise are no loss that counts."""
LEAST_SPREAD = 0.2
QUIET = 0.1
"""Where the residual is about as weak as this part of its mean strength it is rounding, or nothing, and not judged."""
HALF, WHOLE = 0.5, 0.97
USABLE, WHOLLY, CALM = 1, 2, 3
"""Kinds of places: weights more than half inside, as good as all, and those in flat regions."""
ENOUGH = 1.5
"""T is at the most the root of the effective number of voxels; nearer to the limit its tails are not those of a normal
distribution."""
CALM_PLACES = 200
MOST_VALUES = 1_000_000
STEP = 0.5
"""Distance of the places in sigmas; the middle between eight of them has 95 % of the sum."""
SLAB_PLACES, LEAST_DEPTH = 1 << 20, 24
MESSAGE = "Looking for structure"
STRONGEST = 6e4
"""The largest strength that is kept, in units of the noise."""
NARROWEST = 0.4
"""Least sigma in voxels: kernels of a single voxel are left as they are."""


class Structure(NamedTuple):
    """The place where most structure was taken.

    `score` is above 1 where it is more than noise makes; `percent` of the places are; `width_mm` is the full width at
    half maximum of the weights; `taken` is the weighted mean of the residual, in the unit of the image; `place` is
    the place in voxels (k, j, i), with fractions.
    """

    score: float
    percent: float
    width_mm: float
    taken: float
    place: tuple[float, ...]


def faint_structure(
    residual: np.ndarray,
    inside: np.ndarray | None,
    edges: np.ndarray | None,
    flat: np.ndarray | None,
    noise: float,
    spacing: Sequence[float],
    progress: Progress,
) -> Structure | None:
    """The strongest structure in a residual (k, j, i) or (j, i); None where there is none or too few voxels.

    Parameters
    ----------
    inside
        Where to look; everywhere if None.
    edges
        Voxels at clear edges, and by them, whose residual is left out: what happens there has numbers of its own.
    flat
        Voxels where the image shows nothing but noise, from which the spread of T is taken.
    noise
        SD of the noise before the filter, 0 where it is not known: what is far below it is no loss.
    spacing
        In mm by numpy axis.
    """
    used = np.ones(residual.shape, bool) if inside is None else inside.copy()
    if edges is not None:
        np.logical_and(used, ~edges, out=used)
        del edges
    source = _Source.of(residual, used)
    if source is None:
        return None
    volume = source.changed * math.prod(spacing)
    found: Structure | None = None
    percent = 0.0
    for number, sigma in enumerate(SIGMAS_MM):
        part = progress.part(number / len(SIGMAS_MM), (number + 1) / len(SIGMAS_MM))
        one = _at_width(source, flat, noise, sigma, spacing, volume, part)
        if one is not None:
            percent = max(percent, one.percent)
            found = one if found is None or one.score > found.score else found
    return None if found is None else found._replace(percent=percent)


class _Source(NamedTuple):
    """The residual and where it counts; its mean there, number of voxels that changed, and square of what is quiet."""

    residual: np.ndarray
    used: np.ndarray
    mean: float
    changed: int
    quiet: float

    @classmethod
    def of(cls, residual: np.ndarray, used: np.ndarray) -> _Source | None:
        """None where nothing changed, or everything by the same."""
        slabs = slabs_of(residual)
        number = sum(int(np.count_nonzero(used[s])) for s in slabs)
        changed = sum(int(np.count_nonzero(residual[s][used[s]])) for s in slabs)
        if not changed:
            return None
        mean = sum(float(residual[s].sum(where=used[s], dtype=float)) for s in slabs) / number
        source = cls(residual, used, mean, changed, 0.0)
        total = 0.0
        for s in slabs:
            total += float(source.squares(s).sum(where=residual[s] != 0, dtype=float))
        quiet = QUIET**2 * total / changed
        return source._replace(quiet=quiet) if quiet else None

    def kept(self, box: slice) -> np.ndarray:
        """Some layers of the residual less its mean, 0 where they are not used.

        A change of brightness everywhere is no structure and has a word of its own.
        """
        values = self.residual[box]
        kept = values - values.dtype.type(self.mean)
        np.copyto(kept, 0, where=~self.used[box])
        return kept

    def squares(self, box: slice) -> np.ndarray:
        """Their squares and the quiet one, 0 where they are not used."""
        squares = np.square(self.kept(box), dtype=np.float32)
        np.add(squares, np.float32(self.quiet), out=squares, where=self.used[box])
        return squares


def _at_width(
    source: _Source,
    flat: np.ndarray | None,
    noise: float,
    sigma_mm: float,
    spacing: Sequence[float],
    volume: float,
    progress: Progress,
) -> Structure | None:
    shape, quiet = source.residual.shape, source.quiet
    sigmas = [max(sigma_mm / s, NARROWEST) if n > 1 else 0.0 for n, s in zip(shape, spacing, strict=True)]
    wide = [sigma * s for sigma, s in zip(sigmas, spacing, strict=True) if sigma]
    if not wide:
        return None
    limit = chance_limit(volume / math.prod(FWHM * w for w in wide), len(wide))
    axes = [_weights(n, sigma) for n, sigma in zip(shape, sigmas, strict=True)]
    weights, places = [axis[0] for axis in axes], [axis[1] for axis in axes]
    middle = [w[len(w) // 2] for w in weights]
    effective = math.prod(float(m.sum() ** 2 / (m @ m)) for m in middle)
    if math.sqrt(effective) < ENOUGH * limit:
        return None
    area, unit = math.prod(float(m.sum()) for m in middle), math.sqrt(effective)
    lengths = tuple(len(p) for p in places)
    # The local mean is T times the strength, of which few digits are kept.
    score, strength = np.zeros(lengths, np.float32), np.zeros(lengths, np.float16)
    unit_of_strength = max(noise, math.sqrt(quiet))
    kind = np.zeros(lengths, np.uint8)
    # Slab by slab, for the sake of memory.
    depth = max(LEAST_DEPTH, SLAB_PLACES // max(1, math.prod(lengths[1:])))
    for start in range(0, lengths[0], depth):
        rows = slice(start, min(start + depth, lengths[0]))
        read = np.flatnonzero(weights[0][rows].any(axis=0))
        box = slice(int(read[0]), int(read[-1]) + 1)
        own = [weights[0][rows, box], *weights[1:]]
        share = progress.part(rows.start / lengths[0], rows.stop / lengths[0])
        cover = apply(source.used[box], own, share.part(0.0, 0.3), MESSAGE, np.float32)
        cover /= area
        inner = cover > WHOLE
        open_to = cover > HALF
        np.maximum(cover, HALF, out=cover)
        power = apply(source.squares(box), [w * w for w in own], share.part(0.3, 0.6), MESSAGE, np.float32)
        # Mean square of the residual around each place.
        power /= (area / unit) ** 2 * cover
        usable = open_to & (power > 2 * quiet)
        kind[rows] = usable * (USABLE + inner)
        np.sqrt(power, out=power)
        np.sqrt(cover, out=cover)
        strength[rows] = np.minimum(power / (cover * np.float32(unit_of_strength)), np.float32(STRONGEST))
        np.maximum(power, math.sqrt(quiet), out=power)
        sums = apply(source.kept(box), own, share.part(0.6, 1.0), MESSAGE, np.float32)
        power *= cover
        power *= np.float32(area / unit)
        np.divide(sums, power, out=score[rows])
    if not kind.any():
        return None
    if flat is not None:
        near = [np.rint(p).astype(int) for p in places]
        calm = [flat[np.ix_(near[0][row], *near[1:])] & (kind[row] == WHOLLY) for row in slabs_of(kind)]
        if sum(int(np.count_nonzero(part)) for part in calm) >= CALM_PLACES:
            for row, part in zip(slabs_of(kind), calm, strict=True):
                kind[row][part] = CALM
        del calm
    chosen = int(kind.max())
    step = max(1, score.size // MOST_VALUES)
    values = score.reshape(-1)[::step][kind.reshape(-1)[::step] == chosen]
    if not values.size:
        values = score[kind == chosen]
    usual = np.float32(np.median(values))
    spread = float(np.median(np.abs(values - usual))) / NORMAL_QUARTILE
    best, at, count = -1.0, (0,) * score.ndim, 0
    for start in range(0, lengths[0], depth):
        rows = slice(start, start + depth)
        # Sums that are cut off by a border keep more of the low frequencies that smoothing leaves in the image.
        least = np.where(kind[rows] >= WHOLLY, np.float32(max(spread, LEAST_SPREAD)), np.float32(max(spread, 1.0)))
        lost = np.minimum(strength[rows].astype(np.float32), np.float32(1))
        beyond = np.abs(score[rows] - usual) * np.minimum(1 / (least * np.float32(limit)), lost / (unit * FAINTEST))
        beyond[kind[rows] == 0] = 0
        count += int(np.count_nonzero(beyond > 1))
        place = np.unravel_index(int(np.argmax(beyond)), beyond.shape)
        if beyond[place] > best:
            best, at = float(beyond[place]), (int(place[0]) + start, *(int(n) for n in place[1:]))
    return Structure(
        best,
        100 * float(count / np.count_nonzero(kind)),
        FWHM * sigma_mm,
        float(score[at]) * float(strength[at]) * unit_of_strength / unit,
        tuple(float(p[n]) for p, n in zip(places, at, strict=True)),
    )


def _weights(n: int, sigma: float) -> tuple[np.ndarray, np.ndarray]:
    """Matrix (places, n) of Gaussian weights, nothing beyond the border, and the places, `STEP` sigmas apart."""
    if sigma == 0:
        return np.eye(n), np.arange(float(n))
    places = np.linspace(0, n - 1, math.ceil((n - 1) / max(1.0, STEP * sigma)) + 1)
    distance = (np.arange(n)[None] - places[:, None]) / sigma
    return np.where(np.abs(distance) <= 4, np.exp(-0.5 * distance**2), 0.0), places


def chance_limit(resels: float, dimension: int) -> float:
    """What |T| of a smooth normal field of SD 1 exceeds anywhere with a probability of `CHANCE` over all widths.

    From the expected Euler characteristic (Worsley et al. 1996); `resels` is the volume in units of the full width at
    half maximum. Never less than the quantile of a single place.
    """
    # scipy.stats takes seconds to import.
    from scipy.special import ndtri

    share = CHANCE / len(SIGMAS_MM)
    four = 4 * math.log(2)
    fields: dict[int, Callable[[float], float]] = {
        1: lambda t: math.sqrt(four) / (2 * math.pi),
        2: lambda t: four / (2 * math.pi) ** 1.5 * t,
        3: lambda t: four**1.5 / (2 * math.pi) ** 2 * (t * t - 1),
    }
    low, high = -float(ndtri(share / 2)), 20.0
    for _ in range(50):
        t = (low + high) / 2
        many = 2 * max(resels, 1.0) * fields[dimension](t) * math.exp(-t * t / 2) > share
        low, high = (t, high) if many else (low, t)
    return high
