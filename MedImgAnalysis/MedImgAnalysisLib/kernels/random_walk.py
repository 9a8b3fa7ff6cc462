"""Probabilities that a random walker reaches one set of seeds before the others (Grady 2006)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..progress import SILENT, Progress, Quiet

COARSEST = 4096
"""Voxels below which no coarser grid is asked for a first guess."""
MOST_STEPS = 5000


def edge_weights(array: np.ndarray, spacing: Sequence[float], beta: float) -> list[np.ndarray]:
    """exp(-beta d^2) / h^2 between neighbours along each axis, float64; one shorter than the array along its axis.

    d is the difference of the values divided by the SD of all values, h the distance in units of the shortest one.
    """
    variance = float(array.var(dtype=np.float64)) or 1.0
    least = min(spacing)
    found = []
    for axis, length in enumerate(spacing):
        weight = np.square(np.diff(array, axis=axis), dtype=np.float64)
        weight *= -beta / variance
        np.exp(weight, out=weight)
        # Grady's walker can always go on, however steep the step.
        weight += 1e-6
        weight *= (least / length) ** 2
        found.append(weight)
    return found


def probabilities(
    array: np.ndarray,
    seeds: np.ndarray,
    spacing: Sequence[float],
    beta: float,
    tolerance: float = 1e-3,
    progress: Progress = SILENT,
) -> np.ndarray:
    """(n, k, j, i) float32: for every label 1 to n of `seeds` (0 elsewhere) the probability to reach it first.

    They add up to one; the last label gets what remains. Each is the solution of the combinatorial Laplace equation by
    conjugate gradients with the diagonal as preconditioner, to a relative residual of `tolerance`, begun with the
    solution on voxels twice as large.
    """
    weights = edge_weights(array, spacing, beta)
    count = int(seeds.max())
    out = np.zeros((count, *array.shape), np.float32)
    remaining = np.ones(array.shape)
    for label in range(1, count):
        share = progress.part((label - 1) / max(count - 1, 1), label / max(count - 1, 1))
        guess = _coarse_guess(array, seeds, label, spacing, beta, tolerance, Quiet(share))
        found = _harmonic(weights, seeds, label, guess, tolerance, share)
        np.clip(found, 0, remaining, out=found)
        out[label - 1] = found
        remaining -= found
    out[count - 1] = remaining
    return out


def _harmonic(
    weights: Sequence[np.ndarray],
    seeds: np.ndarray,
    label: int,
    guess: np.ndarray,
    tolerance: float,
    progress: Progress,
) -> np.ndarray:
    """The function that is 1 on the seeds of `label`, 0 on the others and harmonic between them."""
    free = seeds == 0
    x = np.where(free, guess, seeds == label)
    degree = np.zeros(seeds.shape)
    for axis, weight in enumerate(weights):
        low, high = _halves(axis, seeds.ndim)
        degree[low] += weight
        degree[high] += weight
    residual = -_laplacian(x, degree, weights)
    residual[~free] = 0
    scaled = residual / degree
    direction = scaled.copy()
    product = float((residual * scaled).sum())
    # The residual of the start without any guess is what the tolerance is relative to.
    blank = _laplacian(np.where(free, 0.0, x), degree, weights)[free]
    goal = tolerance * float(np.sqrt((blank * blank / degree[free]).sum()))
    for step in range(MOST_STEPS):
        if product <= goal * goal:
            break
        progress.report(1 - 0.99**step, "Random walk")
        image = _laplacian(direction, degree, weights)
        image[~free] = 0
        length = product / float((direction * image).sum())
        x += length * direction
        residual -= length * image
        np.divide(residual, degree, out=scaled)
        before, product = product, float((residual * scaled).sum())
        direction *= product / before
        direction += scaled
    else:
        progress.warn("The random walk did not settle; lower beta.")
    return np.asarray(x)


def _laplacian(x: np.ndarray, degree: np.ndarray, weights: Sequence[np.ndarray]) -> np.ndarray:
    out = degree * x
    for axis, weight in enumerate(weights):
        low, high = _halves(axis, x.ndim)
        out[low] -= weight * x[high]
        out[high] -= weight * x[low]
    return out


def _halves(axis: int, dimension: int) -> tuple[tuple[slice, ...], tuple[slice, ...]]:
    """All but the last, and all but the first layer along an axis."""
    cuts = (slice(None, -1), slice(1, None))
    low, high = (tuple(cut if a == axis else slice(None) for a in range(dimension)) for cut in cuts)
    return low, high


def _coarse_guess(
    array: np.ndarray,
    seeds: np.ndarray,
    label: int,
    spacing: Sequence[float],
    beta: float,
    tolerance: float,
    progress: Progress,
) -> np.ndarray:
    """The solution on voxels twice as large along the axes of small spacing, repeated."""
    least = min(s for s, n in zip(spacing, array.shape, strict=True) if n > 1) if array.size > 1 else min(spacing)
    factors = [2 if s < 1.9 * least and n >= 4 else 1 for s, n in zip(spacing, array.shape, strict=True)]
    if array.size <= COARSEST or max(factors) == 1:
        return np.full(array.shape, 0.5)
    values: np.ndarray = array.astype(np.float32)
    numbers = seeds
    for axis, factor in enumerate(factors):
        if factor == 2:
            even = array.shape[axis] % 2 == 0
            values, numbers = (_even(one, axis, even) for one in (values, numbers))
            first, second = (np.moveaxis(values, axis, 0)[n::2] for n in (0, 1))
            values = np.moveaxis((first + second) / 2, 0, axis)
            a, b = (np.moveaxis(numbers, axis, 0)[n::2] for n in (0, 1))
            numbers = np.moveaxis(np.where(a > 0, a, b), 0, axis)
    wider = [s * f for s, f in zip(spacing, factors, strict=True)]
    if not (numbers == label).any() or not ((numbers > 0) & (numbers != label)).any():
        return np.full(array.shape, 0.5)
    guess = _coarse_guess(values, numbers, label, wider, beta, tolerance, progress)
    coarse = _harmonic(edge_weights(values, wider, beta), numbers, label, guess, tolerance, progress)
    for axis, factor in enumerate(factors):
        if factor == 2:
            coarse = np.repeat(coarse, 2, axis)
    return np.asarray(coarse[tuple(slice(0, n) for n in array.shape)])


def _even(array: np.ndarray, axis: int, even: bool) -> np.ndarray:
    """The last layer repeated where the number of layers is odd."""
    return array if even else np.concatenate([array, np.take(array, [-1], axis)], axis)
