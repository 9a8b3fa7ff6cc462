"""Classes of values in several channels: k-means and mixtures of normal distributions."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..progress import SILENT, Progress


class Mixture(NamedTuple):
    """Normal distributions: weights (n,), means (n, c), covariances (n, c, c), by rising mean of the first channel."""

    weights: np.ndarray
    means: np.ndarray
    covariances: np.ndarray


def k_means(
    sample: np.ndarray, classes: int, seed: int, starts: int = 5, progress: Progress = SILENT
) -> tuple[np.ndarray, float]:
    """Centres (classes, c) by rising first channel, and the mean squared distance to the nearest centre.

    `sample` is (N, c) float64 with at least as many different rows as classes. Lloyd (1982) with the start of Arthur
    and Vassilvitskii (2007), the best of several.
    """
    best: tuple[float, np.ndarray] | None = None
    for start in range(starts):
        rng = np.random.default_rng((seed, start))
        centres = _spread(sample, classes, rng)
        for step in range(300):
            progress.report((start + step / 300) / starts, "Clustering")
            nearest = squared_distances(sample, centres).argmin(axis=1)
            counts = np.bincount(nearest, minlength=classes)
            sums = np.stack([np.bincount(nearest, c, classes) for c in sample.T], axis=1)
            moved = np.where(counts[:, None] > 0, sums / np.maximum(counts, 1)[:, None], centres)
            if np.abs(moved - centres).max() <= 1e-6 * float(np.ptp(sample, axis=0).max()):
                break
            centres = moved
        cost = float(squared_distances(sample, centres).min(axis=1).mean())
        if best is None or cost < best[0]:
            best = cost, centres
    assert best is not None
    return best[1][np.argsort(best[1][:, 0], kind="stable")], best[0]


def _spread(sample: np.ndarray, classes: int, rng: np.random.Generator) -> np.ndarray:
    chosen = [sample[rng.integers(len(sample))]]
    for _ in range(classes - 1):
        distance = squared_distances(sample, np.array(chosen)).min(axis=1)
        total = distance.sum()
        chosen.append(sample[rng.choice(len(sample), p=distance / total) if total > 0 else rng.integers(len(sample))])
    return np.array(chosen)


def squared_distances(values: np.ndarray, centres: np.ndarray) -> np.ndarray:
    """(N, n) squared distances of the rows of (N, c) from those of (n, c)."""
    out = np.zeros((len(values), len(centres)))
    for channel in range(values.shape[1]):
        out += (values[:, channel, None] - centres[None, :, channel]) ** 2
    return out


def fit(
    sample: np.ndarray, start: np.ndarray, tolerance: float = 1e-6, most: int = 500, progress: Progress = SILENT
) -> tuple[Mixture, list[float]]:
    """A mixture of normal distributions by expectation maximisation, and the mean log likelihood after each step.

    `sample` is (N, c), `start` are centres (n, c). Covariances get a millionth of the variance of the sample on the
    diagonal, so that a class cannot shrink to a point.
    """
    n = len(start)
    floor = np.diag(np.maximum(sample.var(axis=0), 1e-300)) * 1e-6
    nearest = squared_distances(sample, start).argmin(axis=1)
    shares = np.eye(n)[nearest]
    likelihoods: list[float] = []
    mixture = _maximised(sample, shares, floor)
    for step in range(most):
        progress.report(1 - 0.97**step, "Fitting")
        logs = log_densities(sample, mixture)
        top = logs.max(axis=1)
        sums = np.log(np.exp(logs - top[:, None]).sum(axis=1)) + top
        likelihoods.append(float(sums.mean()))
        if step and likelihoods[-1] - likelihoods[-2] < tolerance:
            break
        mixture = _maximised(sample, np.exp(logs - sums[:, None]), floor)
    order = np.argsort(mixture.means[:, 0], kind="stable")
    return Mixture(mixture.weights[order], mixture.means[order], mixture.covariances[order]), likelihoods


def _maximised(sample: np.ndarray, shares: np.ndarray, floor: np.ndarray) -> Mixture:
    counts = np.maximum(shares.sum(axis=0), 1e-12)
    means = shares.T @ sample / counts[:, None]
    covariances = []
    for k in range(len(counts)):
        centred = sample - means[k]
        covariances.append((shares[:, k, None] * centred).T @ centred / counts[k] + floor)
    return Mixture(counts / counts.sum(), means, np.array(covariances))


def log_densities(values: np.ndarray, mixture: Mixture) -> np.ndarray:
    """(N, n) log of weight times density."""
    channels = values.shape[1]
    out = np.empty((len(values), len(mixture.weights)))
    for k, (weight, mean, covariance) in enumerate(zip(*mixture, strict=True)):
        root = np.linalg.cholesky(covariance)
        standard = np.linalg.solve(root, (values - mean).T)
        scale = 2 * np.log(np.diag(root)).sum() + channels * np.log(2 * np.pi)
        out[:, k] = np.log(weight) - 0.5 * (np.square(standard).sum(axis=0) + scale)
    return out
