"""Connected components of large masks in slabs, so that a cancel comes through, and growing by face neighbours."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

import numpy as np

from ..blockwise import map_slabs, ranges
from ..progress import SILENT, Progress


class Components:
    """Components of a boolean array (k, j, i) or (j, i); slabs are labelled apart and joined where they touch.

    `corners` counts voxels that share an edge or a corner as neighbours, else they must share a face.
    """

    def __init__(self, mask: np.ndarray, progress: Progress = SILENT, corners: bool = False) -> None:
        from scipy.ndimage import generate_binary_structure, label
        from scipy.sparse import coo_matrix
        from scipy.sparse.csgraph import connected_components

        structure = generate_binary_structure(mask.ndim, mask.ndim if corners else 1)
        shifts = list(product((-1, 0, 1), repeat=mask.ndim - 1)) if corners else [(0,) * (mask.ndim - 1)]
        self._labels = np.zeros(mask.shape, np.int32)
        pairs = [np.zeros((0, 2), np.int64)]
        total = 0
        for part in _slabs(mask, progress):
            found, count = label(mask[part], structure, output=np.int32)
            found[found > 0] += total
            self._labels[part] = found
            total += count
            if part.start:
                pairs += [_seam(self._labels[part.start - 1], found[0], shift) for shift in shifts]
        joined = np.concatenate(pairs)
        graph = coo_matrix((np.ones(len(joined), bool), (joined[:, 0], joined[:, 1])), (total + 1, total + 1))
        self._count, self._component = connected_components(graph, directed=False)

    def where(self, wanted: np.ndarray, progress: Progress = SILENT) -> np.ndarray:
        """Boolean array of the components whose number is `wanted`."""
        keep = wanted[self._component]
        keep[0] = False
        out = np.empty(self._labels.shape, bool)
        for part in _slabs(out, progress):
            out[part] = keep[self._labels[part]]
        return out

    def numbered(self, progress: Progress = SILENT) -> tuple[np.ndarray, np.ndarray]:
        """Numbers 1 to n by falling size (equal ones in order of place), int32, and the voxels of each."""
        sizes = self._sizes(progress)
        order = np.argsort(-sizes, kind="stable")[: np.count_nonzero(sizes)]
        rank = np.zeros(self._count, np.int32)
        rank[order] = np.arange(1, len(order) + 1)
        table = rank[self._component]
        table[0] = 0
        out = np.empty(self._labels.shape, np.int32)
        for part in _slabs(out, progress):
            out[part] = table[self._labels[part]]
        return out, sizes[order]

    def largest(self, progress: Progress = SILENT) -> np.ndarray:
        """The component with most voxels; of equal ones the first."""
        return self.where(np.arange(self._count) == int(self._sizes(progress).argmax()), progress)

    def inner(self, progress: Progress = SILENT) -> np.ndarray:
        """The components that do not reach the border of the array."""
        inside = np.ones(self._count, bool)
        for axis in range(self._labels.ndim):
            inside[self._component[np.take(self._labels, (0, -1), axis)]] = False
        return self.where(inside, progress)

    def holding(self, at: tuple[np.ndarray, ...], progress: Progress = SILENT) -> np.ndarray:
        """The components that hold any of the voxels `at` (index arrays in the order of the array's axes)."""
        labels = self._labels[at]
        wanted = np.zeros(self._count, bool)
        wanted[self._component[labels[labels > 0]]] = True
        return self.where(wanted, progress)

    def meeting(self, other: np.ndarray, progress: Progress = SILENT) -> np.ndarray:
        """The components that share a voxel with the boolean array `other`."""
        wanted = np.zeros(self._count, bool)
        for part in _slabs(other, progress):
            labels = self._labels[part][other[part]]
            wanted[self._component[labels[labels > 0]]] = True
        return self.where(wanted, progress)

    def _sizes(self, progress: Progress) -> np.ndarray:
        sizes = np.zeros(self._component.size, np.int64)
        for part in _slabs(self._labels, progress):
            sizes += np.bincount(self._labels[part].ravel(), minlength=sizes.size)
        sizes[0] = 0
        return np.bincount(self._component, sizes, self._count).astype(np.int64)


def _slabs(array: np.ndarray, progress: Progress) -> Iterator[slice]:
    for start, stop in ranges(len(array), array[:1].size, 1 << 21):
        progress.check()
        yield slice(start, stop)


def _seam(before: np.ndarray, after: np.ndarray, shift: tuple[int, ...]) -> np.ndarray:
    """Pairs of labels that touch when `after` is moved by `shift` along the axes of a layer."""
    first = tuple(slice(max(0, s), n + min(0, s)) for s, n in zip(shift, before.shape, strict=True))
    second = tuple(slice(max(0, -s), n + min(0, -s)) for s, n in zip(shift, before.shape, strict=True))
    one, two = before[first], after[second]
    both = (one > 0) & (two > 0)
    # A pair as one number: rows sort many times slower.
    pairs = np.unique((one[both].astype(np.int64) << 32) | two[both])
    return np.stack([pairs >> 32, pairs & 0xFFFFFFFF], axis=1)


def grown(mask: np.ndarray, voxels: int, progress: Progress) -> np.ndarray:
    """A mask dilated `voxels` times by face neighbours; nothing comes in from outside the image.

    Shifted views are many times faster than `scipy.ndimage.binary_dilation` with iterations.
    """

    def grow(slab: np.ndarray) -> np.ndarray:
        for _ in range(voxels):
            wider = slab.copy()
            for axis in range(slab.ndim):
                low, high = ([slice(None)] * slab.ndim for _ in range(2))
                low[axis], high[axis] = slice(None, -1), slice(1, None)
                wider[tuple(low)] |= slab[tuple(high)]
                wider[tuple(high)] |= slab[tuple(low)]
            slab = wider
        return slab

    out = np.empty(mask.shape, bool)
    return map_slabs(grow, mask, voxels, out, progress=progress, message="Growing")
