"""Pairs of masks of 512 x 512 x 300 voxels of 0.8 x 0.8 x 1 mm: an organ, scattered lesions, a hundred labels."""

from __future__ import annotations

import numpy as np

SIZE = (300, 512, 512)
SPACING_KJI = (1.0, 0.8, 0.8)


def organ() -> tuple[np.ndarray, np.ndarray]:
    """One body of 9.7 million voxels and its outline by somebody else: shifted, a little larger, wavy."""
    k, j, i = np.ogrid[: SIZE[0], : SIZE[1], : SIZE[2]]

    def body(shift: float, grow: float, waves: float) -> np.ndarray:
        radius = ((k - 150 - shift) / 110) ** 2 + ((j - 250 + shift) / 180) ** 2 + ((i - 256 - shift) / 117) ** 2
        wave = np.sin(k / 9) * np.sin(j / 11) * np.sin(i / 13)
        return (radius < (1 + grow) * (1 + waves * wave)).astype(np.uint8)

    return body(0, 0, 0), body(1.5, 0.01, 0.03)


def lesions() -> tuple[np.ndarray, np.ndarray]:
    """Sixty lesions over the whole volume, each shifted by about two voxels."""
    rng = np.random.default_rng(0)
    centres, radii = rng.uniform([12, 20, 20], [288, 490, 490], (60, 3)), rng.uniform(3, 12, 60)
    return _balls(centres, radii), _balls(
        centres + rng.normal(0, 1.5, centres.shape), radii * rng.uniform(0.9, 1.1, 60)
    )


def hundred_labels() -> tuple[np.ndarray, np.ndarray]:
    """A hundred touching organs of 700,000 voxels, and the same shifted by one voxel along each axis."""
    labels = np.zeros(SIZE, np.uint8)
    parts = [np.array_split(np.arange(4, n - 4), m) for n, m in zip(SIZE, (4, 5, 5))]
    value = 0
    for ks in parts[0]:
        for js in parts[1]:
            for is_ in parts[2]:
                value += 1
                axes = [(a - a.mean()) / (len(a) / 2) for a in (ks, js, is_)]
                inside = sum(np.square(a) ** 2 for a in np.ix_(*axes)) < 1
                place = labels[ks[0] : ks[-1] + 1, js[0] : js[-1] + 1, is_[0] : is_[-1] + 1]
                place[inside] = value
    return labels, np.roll(labels, (1, 1, 1), axis=(0, 1, 2))


CASES = {"organ": organ, "lesions": lesions, "labels": hundred_labels}


def _balls(centres: np.ndarray, radii: np.ndarray) -> np.ndarray:
    mask = np.zeros(SIZE, np.uint8)
    for centre, radius in zip(centres, radii):
        low = np.maximum(np.floor(centre - radius), 0).astype(int)
        high = np.minimum(np.ceil(centre + radius) + 1, SIZE).astype(int)
        grid = np.ogrid[tuple(slice(a, b) for a, b in zip(low, high))]
        inside = sum((g - c) ** 2 for g, c in zip(grid, centre)) < radius**2
        mask[tuple(slice(a, b) for a, b in zip(low, high))] |= inside.astype(np.uint8)
    return mask
