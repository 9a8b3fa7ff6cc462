"""Where an image shows nothing but noise: blocks of voxels without edges, and the noise in them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ..blockwise import for_each
from ..progress import Progress

SIDES = (8, 4)
"""Sides of the blocks in voxels; the smaller one where too few of the larger are flat."""
PARTS = 4
UNEVEN = 2.0
"""Ratio of spacings from which neighbouring slices show different anatomy, and blocks are squares in slices."""
FEWEST = 8
LOW, HIGH = 0.1, 0.99
"""Quantiles of the scores of noise alone: flat are blocks up to HIGH when LOW is told by the image."""


class Flat(NamedTuple):
    """Flat blocks: a mask (k, j, i) of their voxels, the noise of each image in them; for each block the mean of the
    first image and its variance about the plane."""

    voxels: np.ndarray
    noise: tuple[float, ...]
    means: np.ndarray
    variances: np.ndarray


def flat_blocks(
    images: tuple[np.ndarray, ...],
    inside: np.ndarray | None,
    spacing: Sequence[float],
    progress: Progress,
    *,
    own_noise: bool = False,
    quietest: float = LOW,
) -> Flat | None:
    """The flat blocks of the first image, and the noise of all images in them; None where there are too few.

    A block (8 voxels a side, or 4) is cut into 4 x 4 x 4 parts. After the best plane is taken away, the variance of the
    means of its parts is its score: noise gives small ones, an edge gives large ones. The `quietest` part of the blocks
    is taken for noise; it tells how large a score noise can make (chi-squared distribution), and every block up to
    there is flat. The noise of an image is the root mean variance about the plane in the flat blocks. Blocks without
    any noise (air that was set to 0) are left out where others are there. With `own_noise` the score of a block is
    divided by its variance, so that blocks with stronger noise than others are flat too.

    `spacing` is along the axes of the arrays. Axes along which it is more than twice the smallest are not blocked: the
    blocks are squares in slices.
    """
    shape = images[0].shape
    least = min((s for s, n in zip(spacing, shape, strict=True) if n > 1), default=0.0)
    for number, side in enumerate(SIDES):
        share = progress.part(number / len(SIDES), (number + 1) / len(SIDES))
        size = tuple(side if n >= side and s <= UNEVEN * least else 1 for s, n in zip(spacing, shape, strict=True))
        found = _search(images, inside, size, own_noise, quietest, share)
        if found is not None:
            return found
    return None


def _search(
    images: tuple[np.ndarray, ...],
    inside: np.ndarray | None,
    size: tuple[int, ...],
    own_noise: bool,
    quietest: float,
    progress: Progress,
) -> Flat | None:
    # scipy.stats takes seconds to import.
    from scipy.special import gammaincinv

    shape = images[0].shape
    counts = tuple(n // s for n, s in zip(shape, size, strict=True))
    wide = sum(s > 1 for s in size)
    if not wide:
        return None

    def row(number: int) -> tuple[np.ndarray, ...]:
        start = number * size[0]
        box = (slice(start, start + size[0]), *(slice(0, n * s) for n, s in zip(counts[1:], size[1:], strict=True)))
        parts = [_blocks(image[box].astype(np.float64), size) for image in images]
        whole = np.ones(len(parts[0]), bool) if inside is None else _blocks(inside[box], size).all(axis=1)
        planes = [_without_plane(part, size) for part in parts]
        score = _part_means(planes[0], size).var(axis=1)
        return score, np.stack([np.square(plane).sum(axis=1) for plane in planes]), whole, parts[0].mean(axis=1)

    rows = for_each(row, range(counts[0]), progress=progress, message="Looking for flat regions")
    score, squares, whole, means = (np.concatenate([entry[n] for entry in rows], axis=-1) for n in range(4))
    usable = whole & (squares[0] > 0)
    silent = whole & (squares[0] == 0)
    if own_noise:
        score = np.divide(score, squares[0], out=np.zeros_like(score), where=squares[0] > 0)
    if usable.sum() >= FEWEST:
        free = PARTS**wide - wide - 1
        factor = gammaincinv(free / 2, HIGH) / gammaincinv(free / 2, quietest)
        limit = float(np.quantile(score[usable], quietest)) * factor
        chosen = usable & (score <= limit)
    elif silent.sum() >= FEWEST:
        chosen = silent
    else:
        return None
    degrees = int(np.prod(size)) - wide - 1
    noise = tuple(float(np.sqrt(entry[chosen].mean() / degrees)) for entry in squares)
    voxels = np.zeros(shape, bool)
    grown = chosen.reshape(counts)
    for axis, s in enumerate(size):
        grown = np.repeat(grown, s, axis=axis)
    voxels[tuple(slice(0, n) for n in grown.shape)] = grown
    return Flat(voxels, noise, means[chosen], squares[0][chosen] / degrees)


def _blocks(array: np.ndarray, size: tuple[int, ...]) -> np.ndarray:
    """(blocks, voxels) of an array whose lengths are multiples of the size."""
    split = [n for length, s in zip(array.shape, size, strict=True) for n in (length // s, s)]
    order = [*range(0, len(split), 2), *range(1, len(split), 2)]
    return array.reshape(split).transpose(order).reshape(-1, int(np.prod(size)))


def _without_plane(blocks: np.ndarray, size: tuple[int, ...]) -> np.ndarray:
    """Blocks without their mean and their slopes along the axes."""
    rest = blocks - blocks.mean(axis=1, keepdims=True)
    grids = np.meshgrid(*[np.arange(s) - (s - 1) / 2 for s in size], indexing="ij")
    for grid, s in zip(grids, size, strict=True):
        if s > 1:
            slope = grid.ravel() / np.linalg.norm(grid)
            rest -= np.einsum("bv,v->b", rest, slope)[:, None] * slope
    return rest


def _part_means(blocks: np.ndarray, size: tuple[int, ...]) -> np.ndarray:
    """(blocks, parts): means of the 4 x 4 x 4 parts of each block; an axis of one voxel is one part."""
    split = [n for s in size for n in ((PARTS, s // PARTS) if s > 1 else (1, 1))]
    axes = tuple(range(2, len(split) + 1, 2))
    return blocks.reshape(len(blocks), *split).mean(axis=axes).reshape(len(blocks), -1)
