"""Canny's edges: ridges of the gradient that are strong, or connected to strong ones."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import SimpleITK as sitk

from ..blockwise import for_each, ranges
from ..progress import SILENT, Progress
from .differences import gradient_at

CHUNK = 100_000
"""Voxels whose neighbours are looked up at a time."""


def ridges(
    smooth: np.ndarray, magnitude: np.ndarray, spacing: Sequence[float], low: float, progress: Progress = SILENT
) -> np.ndarray:
    """Where `magnitude` is above `low` and no smaller than one voxel up and down along the gradient (boolean).

    The gradient is that of `smooth` in millimetres; one step goes to the surface of the box of neighbours, where the
    magnitude is interpolated linearly. Of two equal voxels across an edge the first along the gradient counts.
    """
    from scipy.ndimage import map_coordinates

    candidates = np.flatnonzero(magnitude > low)

    def work(part: tuple[int, int]) -> np.ndarray:
        chosen = candidates[slice(*part)]
        places = np.unravel_index(chosen, magnitude.shape)
        step = gradient_at(smooth, spacing, places) / np.reshape(spacing, (-1, 1))
        step /= np.maximum(np.abs(step).max(axis=0), np.finfo(float).tiny)
        here = magnitude[places]
        # float32 of the interpolation, as of the magnitude itself, so that equal stays equal.
        ahead, behind = (
            map_coordinates(magnitude, np.array(places) + sign * step, order=1, mode="nearest", prefilter=False)
            for sign in (1, -1)
        )
        return chosen[(here >= ahead) & (here > behind)]

    found = for_each(work, ranges(candidates.size, 1, CHUNK), progress=progress, message="Edges")
    out = np.zeros(magnitude.shape, bool)
    if found:
        out.reshape(-1)[np.concatenate(found)] = True
    return out


def connected_to(weak: np.ndarray, strong: np.ndarray) -> np.ndarray:
    """The components of `weak` (boolean, corners connect) that hold a voxel of `strong` (boolean, within weak)."""
    image = sitk.GetImageFromArray(weak.view(np.uint8))
    labelled = sitk.ConnectedComponent(image, True)
    labels = sitk.GetArrayViewFromImage(labelled)
    kept = np.zeros(int(labels.max()) + 1, bool)
    kept[labels[strong]] = True
    kept[0] = False
    return np.asarray(kept[labels])
