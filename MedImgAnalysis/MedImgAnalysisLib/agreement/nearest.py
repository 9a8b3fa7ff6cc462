"""Distance from every element of a surface to the nearest element of another one, exactly.

Elements that both surfaces share have distance zero and need no search; agreeing raters share most of
them. The others are looked up in a k-d tree of the other surface, so that memory follows the surfaces
and not the volume. Large surfaces that are far apart are the one case where a tree is slow; there an
exact distance map of the joint box is faster.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import SimpleITK as sitk

from ..blockwise import thread_count
from ..progress import Progress, waited
from .scan import Elements

FIRST_CHUNK = 2000
CHUNK_SECONDS = 0.15

SAMPLE = 1000
"""Elements whose mean distance decides between tree and map."""
MANY = 50_000
FAR_VOXELS = 25.0
LARGEST_MAP = 60_000_000
"""The map is taken for more than `MANY` elements that are `FAR_VOXELS` apart, in a box of at most so many voxels."""


def nearest(surface: Elements, other: Elements, progress: Progress) -> np.ndarray:
    """Distances in millimetres from the elements of `surface` to the nearest of `other`, float64 (N,).

    Both must be on one lattice and have elements. Exact to rounding; where the distance map is used,
    to a relative 1e-6.
    """
    distances = np.zeros(len(surface.at))
    own = np.flatnonzero(~_shared(surface.at, other.at))
    if not len(own):
        return distances
    sample = own[:: max(1, len(own) // SAMPLE)]
    points = other.points(other.at)
    small = len(own) * len(points) < 1 << 16
    tree = _tree(points) if small else waited(_tree, points, progress=progress)
    found = _query(tree, surface, sample, progress.part(0.0, 0.1))
    mean_voxels = float(found.mean()) / min(surface.spacing)
    if len(own) > MANY and mean_voxels > FAR_VOXELS and np.prod(other.shape) <= LARGEST_MAP:
        progress.report(0.1, "Distance map")
        distances[own] = waited(_from_map, surface.at[own], other, progress=progress)
    elif len(sample) == len(own):
        distances[own] = found
    else:
        distances[own] = _query(tree, surface, own, progress.part(0.1, 1.0))
    return distances


def _shared(at: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Which of the rising indices `at` are in the rising indices `other`."""
    place = np.searchsorted(other, at)
    place[place == len(other)] = 0
    return np.equal(other[place], at)


def _tree(points: np.ndarray) -> Any:
    from scipy.spatial import cKDTree

    return cKDTree(points, leafsize=32, balanced_tree=False, compact_nodes=False)


def _query(tree: Any, surface: Elements, chosen: np.ndarray, progress: Progress) -> np.ndarray:
    """Distances of chosen elements, in chunks that take about `CHUNK_SECONDS`."""
    found = np.empty(len(chosen))
    workers = thread_count()
    start, size = 0, FIRST_CHUNK
    while start < len(chosen):
        progress.report(start / len(chosen), "Surface distances")
        began = time.perf_counter()
        part = chosen[start : start + size]
        found[start : start + size] = tree.query(surface.points(surface.at[part]), workers=workers)[0]
        start += size
        seconds = max(time.perf_counter() - began, 1e-4)
        size = int(np.clip(size * CHUNK_SECONDS / seconds, size / 4, size * 8))
    return found


def _from_map(at: np.ndarray, other: Elements) -> np.ndarray:
    """Distances at flat indices from an exact distance map (Maurer et al. 2003) of `other`."""
    return np.asarray(distance_map(other).ravel()[at], np.float64)


def distance_map(elements: Elements) -> np.ndarray:
    """Distance in millimetres to the nearest element at every lattice point, float32."""
    inside = np.zeros(elements.shape, np.uint8)
    inside.ravel()[elements.at] = 1
    image = sitk.GetImageFromArray(inside)
    image.SetSpacing(elements.spacing[::-1])
    mapped = sitk.SignedMaurerDistanceMap(
        image, insideIsPositive=False, squaredDistance=False, useImageSpacing=True, backgroundValue=0.0
    )
    return np.maximum(sitk.GetArrayFromImage(mapped), 0)
