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
ENOUGH = 1.5
"""T is at the most the root of the effective number of voxels; nearer to the limit its tails are not those of a normal
distribution."""
CALM_PLACES = 200
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
        used &= ~edges
    changed = used & (residual != 0)
    voxels = int(np.count_nonzero(changed))
    if not voxels:
        return None
    # A change of brightness everywhere is no structure and has a word of its own.
    kept = np.where(used, residual - residual.dtype.type(np.mean(residual, where=used, dtype=float)), 0)
    squares = np.square(kept, dtype=np.float32)
    quiet = QUIET**2 * float(np.mean(squares, where=changed, dtype=float))
    if not quiet:
        return None
    squares += np.float32(quiet)
    squares[~used] = 0
    volume = voxels * math.prod(spacing)
    found: Structure | None = None
    percent = 0.0
    for number, sigma in enumerate(SIGMAS_MM):
        part = progress.part(number / len(SIGMAS_MM), (number + 1) / len(SIGMAS_MM))
        one = _at_width(kept, squares, used, flat, noise, quiet, sigma, spacing, volume, part)
        if one is not None:
            percent = max(percent, one.percent)
            found = one if found is None or one.score > found.score else found
    return None if found is None else found._replace(percent=percent)


def _at_width(
    kept: np.ndarray,
    squares: np.ndarray,
    used: np.ndarray,
    flat: np.ndarray | None,
    noise: float,
    quiet: float,
    sigma_mm: float,
    spacing: Sequence[float],
    volume: float,
    progress: Progress,
) -> Structure | None:
    sigmas = [max(sigma_mm / s, NARROWEST) if n > 1 else 0.0 for n, s in zip(kept.shape, spacing, strict=True)]
    wide = [sigma * s for sigma, s in zip(sigmas, spacing, strict=True) if sigma]
    if not wide:
        return None
    limit = chance_limit(volume / math.prod(FWHM * w for w in wide), len(wide))
    rows = [_weights(n, sigma) for n, sigma in zip(kept.shape, sigmas, strict=True)]
    weights, places = [row[0] for row in rows], [row[1] for row in rows]
    middle = [w[len(w) // 2] for w in weights]
    effective = math.prod(float(m.sum() ** 2 / (m @ m)) for m in middle)
    if math.sqrt(effective) < ENOUGH * limit:
        return None
    sums = apply(kept, weights, progress.part(0.0, 0.4), "Looking for structure", np.float32)
    power = apply(squares, [w * w for w in weights], progress.part(0.4, 0.7), "Looking for structure", np.float32)
    cover = apply(used, weights, progress.part(0.7, 1.0), "Looking for structure", np.float32)
    cover /= math.prod(float(m.sum()) for m in middle)
    strength = power / (math.prod(float(m @ m) for m in middle) * np.maximum(cover, HALF))
    usable = (cover > HALF) & (strength > 2 * quiet)
    if not usable.any():
        return None
    score = np.divide(sums, np.sqrt(power), out=np.zeros_like(sums), where=usable)
    nearest = np.ix_(*[np.rint(p).astype(int) for p in places])
    calm = usable & (cover > WHOLE)
    if flat is not None and np.count_nonzero(calm & flat[nearest]) >= CALM_PLACES:
        calm &= flat[nearest]
    values = score[calm] if calm.any() else score[usable]
    usual = float(np.median(values))
    spread = float(np.median(np.abs(values - usual))) / NORMAL_QUARTILE
    away = np.abs(score - usual)
    # Sums that are cut off by a border keep more of the low frequencies that a smoothing filter leaves in the image.
    beyond = away / (np.where(cover > WHOLE, max(spread, LEAST_SPREAD), max(spread, 1.0)) * limit)
    strength = np.sqrt(strength)
    lost = away / math.sqrt(effective) * strength
    beyond = np.minimum(beyond, lost / FAINTEST / np.maximum(strength, max(noise, math.sqrt(quiet))))
    beyond[~usable] = 0
    at = np.unravel_index(int(np.argmax(beyond)), beyond.shape)
    taken = float(sums[at] / cover[at]) / math.prod(float(m.sum()) for m in middle)
    return Structure(
        float(beyond[at]),
        100 * float((beyond > 1).sum() / usable.sum()),
        FWHM * sigma_mm,
        taken,
        tuple(float(p[n]) for p, n in zip(places, at, strict=True)),
    )


def _weights(n: int, sigma: float) -> tuple[np.ndarray, np.ndarray]:
    """Matrix (places, n) of Gaussian weights, nothing beyond the border, and the places, half a sigma apart."""
    if sigma == 0:
        return np.eye(n), np.arange(float(n))
    places = np.linspace(0, n - 1, math.ceil((n - 1) / max(1.0, sigma / 2)) + 1)
    distance = (np.arange(n)[None] - places[:, None]) / sigma
    return np.where(np.abs(distance) <= 4, np.exp(-0.5 * distance**2), 0.0), places


def chance_limit(resels: float, dimension: int) -> float:
    """What |T| of a smooth normal field of SD 1 exceeds anywhere with a probability of `CHANCE` over all widths.

    From the expected Euler characteristic (Worsley et al. 1996); `resels` is the volume in units of the full width at
    half maximum. Never less than the quantile of a single place.
    """
    from scipy.stats import norm

    share = CHANCE / len(SIGMAS_MM)
    four = 4 * math.log(2)
    fields: dict[int, Callable[[float], float]] = {
        1: lambda t: math.sqrt(four) / (2 * math.pi),
        2: lambda t: four / (2 * math.pi) ** 1.5 * t,
        3: lambda t: four**1.5 / (2 * math.pi) ** 2 * (t * t - 1),
    }
    low, high = float(norm.isf(share / 2)), 20.0
    for _ in range(50):
        t = (low + high) / 2
        many = 2 * max(resels, 1.0) * fields[dimension](t) * math.exp(-t * t / 2) > share
        low, high = (t, high) if many else (low, t)
    return high
