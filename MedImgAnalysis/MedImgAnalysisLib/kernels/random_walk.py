"""Probabilities that a random walker reaches one set of seeds before the others (Grady 2006)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..progress import SILENT, Progress, waited
from .grid_equations import GridEquations, halves


def edge_weights(
    array: np.ndarray, spacing: Sequence[float], beta: float, inside: np.ndarray | None = None
) -> list[np.ndarray]:
    """exp(-beta d^2) / h^2 between neighbours along each axis, float64; one shorter than the array along its axis.

    d is the difference of the values divided by the SD of all values `inside`, h the distance in units of the shortest
    one. No weight leads out of `inside` (boolean, everything if None).
    """
    variance = float((array if inside is None else array[inside]).var(dtype=np.float64)) or 1.0
    least = min(spacing)
    found = []
    for axis, length in enumerate(spacing):
        weight = np.square(np.diff(array, axis=axis), dtype=np.float64)
        weight *= -beta / variance
        np.exp(weight, out=weight)
        # Grady's walker can always go on, however steep the step.
        weight += 1e-6
        weight *= (least / length) ** 2
        if inside is not None:
            low, high = halves(axis, array.ndim)
            weight *= inside[low] & inside[high]
        found.append(weight)
    return found


def probabilities(
    array: np.ndarray,
    seeds: np.ndarray,
    spacing: Sequence[float],
    beta: float,
    tolerance: float = 1e-5,
    inside: np.ndarray | None = None,
    progress: Progress = SILENT,
) -> np.ndarray:
    """(n, k, j, i) float32: for every label 1 to n of `seeds` (0 elsewhere) the probability to reach it first.

    The walker never leaves `inside` (boolean, everything if None), each connected part of which must hold a seed. The
    probabilities add up to one; the last label gets what remains, also outside. Each solves the combinatorial Laplace
    equation to `tolerance` of the energy of its beginning.
    """
    equations, voxel, weight, label = waited(_equations, array, seeds, spacing, beta, inside, progress=progress)
    count = int(seeds.max())
    out = np.zeros((count, *array.shape), np.float32)
    remaining = np.ones(array.shape)
    for number in range(1, count):
        share = progress.part((number - 1) / (count - 1), number / (count - 1))
        found, settled = equations.solve(
            _summed(voxel, weight, label == number, seeds.shape), tolerance, share, "Random walk"
        )
        if not settled:
            progress.warn("The random walk did not settle; lower beta.")
        found[seeds == number] = 1.0
        np.clip(found, 0, remaining, out=found)
        out[number - 1] = found
        remaining -= found
    out[count - 1] = remaining
    return out


def _equations(
    array: np.ndarray, seeds: np.ndarray, spacing: Sequence[float], beta: float, inside: np.ndarray | None
) -> tuple[GridEquations, np.ndarray, np.ndarray, np.ndarray]:
    """The equations of the free voxels, and their links to seeds."""
    weights = edge_weights(array, spacing, beta, inside)
    voxel, weight, label = _links_to_seeds(weights, seeds)
    free = seeds == 0
    for axis, between in enumerate(weights):
        low, high = halves(axis, seeds.ndim)
        between *= free[low] & free[high]
    links = _summed(voxel, weight, label > 0, seeds.shape)
    return GridEquations(weights, links, spacing), voxel, weight, label


def _summed(voxel: np.ndarray, weight: np.ndarray, chosen: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    own = np.bincount(voxel[chosen], weight[chosen], int(np.prod(shape)))
    return own.astype(np.float64, copy=False).reshape(shape)


def _links_to_seeds(weights: Sequence[np.ndarray], seeds: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """For each free voxel beside a seed: its flat index, the weight between them and the label of the seed."""
    flat = np.arange(seeds.size).reshape(seeds.shape)
    found = []
    for axis, weight in enumerate(weights):
        for own, other in (halves(axis, seeds.ndim), halves(axis, seeds.ndim)[::-1]):
            beside = (seeds[own] == 0) & (seeds[other] > 0) & (weight > 0)
            found.append((flat[own][beside], weight[beside], seeds[other][beside]))
    voxel, weight, label = (np.concatenate(column) for column in zip(*found, strict=True))
    return voxel, weight, label
