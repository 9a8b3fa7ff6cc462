"""Whether an aligned volume is what the scene shows when the moving volume is put under the transform.

Two ways lead to an aligned image: resampling with ITK, and showing the moving volume under the transform node (and
hardening it). They go through different code, directions and interpolators; a run compares them at some voxels.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ..errors import InputError
from ..operation import Operation
from . import frames, volumes

POINTS = 2000
TOLERANCE = 1e-3
"""Largest difference, as part of the range of the moving volume."""
FORGIVEN = 0.005
"""Part of the voxels that may differ: those at an edge, where a rounding decides between inside and outside."""
EDGE_VOXELS = 0.01
INSIDE, OUTSIDE, UNSURE = 1, 0, -1


class Roles(NamedTuple):
    """Roles of an operation that aligns: the aligned image, what it shows, and the transform (made or given)."""

    image: str
    moving: str
    transform: str


def roles_of(operation: type[Operation]) -> Roles | None:
    """The roles of an operation that aligns an image by one transform, None for others."""
    images = [(role.name, operation.keeps[role.name]) for role in operation.outputs() if role.name in operation.keeps]
    made = [role.name for role in operation.outputs() if role.kind == "transform"]
    given = [role.name for role in operation.inputs() if role.kind == "transform" and role.required]
    transforms = made or given
    if len(images) != 1 or len(transforms) != 1:
        return None
    return Roles(*images[0], transforms[0])


def difference(
    moving: Any, transform: Any, aligned: Any, interpolation: str, world: bool, outside_value: float | None = None
) -> str:
    """A sentence when the two ways give different volumes, empty when they agree.

    Parameters
    ----------
    moving, transform, aligned
        Moving volume, transform node and resampled volume.
    interpolation
        How `aligned` was resampled: linear, nearest or bspline. The scene interpolates linearly; with bspline
        the difference may be as large as the neighbouring voxels differ among each other.
    world
        Whether the transform maps world coordinates; else those of the parent that all three nodes share.
    outside_value
        What voxels of `aligned` hold that the moving volume does not reach; its smallest value if None.
    """
    values, target = volumes.array_of(moving), volumes.array_of(aligned)
    if values.ndim != 3 or target.ndim != 3:
        return ""
    index = np.random.default_rng(0).integers(0, target.shape[::-1], (POINTS, 3))
    found = target[tuple(index[:, ::-1].T)].astype(float)
    places = _moved(aligned, index.astype(float), transform, moving, world)
    low, high = float(np.nanmin(values)), float(np.nanmax(values))
    shown, spread, where = _sample(values, places, interpolation)
    shown = np.where(where == OUTSIDE, low if outside_value is None else outside_value, shown)
    allowed = TOLERANCE * (high - low) + (0.5 if target.dtype.kind in "iu" else 0.0) + spread
    apart, wrong = np.abs(found - shown), ~(np.abs(found - shown) <= allowed) & (where != UNSURE)
    if wrong.sum() <= FORGIVEN * np.count_nonzero(where != UNSURE):
        return ""
    return (
        f"{frames.identifier(aligned)} is not what {frames.identifier(moving)} shows under the transform "
        f"{frames.identifier(transform)}: {wrong.mean():.1%} of the voxels differ by more than a thousandth of "
        f"the range, by up to {np.nanmax(apart[wrong]):.4g}."
    )


def _moved(aligned: Any, index: np.ndarray, transform: Any, moving: Any, world: bool) -> np.ndarray:
    """Continuous (i, j, k) in the moving volume of voxels of the aligned one, the way the scene goes."""
    grid = volumes.node_grid(aligned, world=False)
    places = grid.to_physical(index) * (-1, -1, 1)
    through = transform.GetTransformFromParent()
    if through is not None:
        places = frames.map_points(through, places)
    if world and frames.parent_of(moving) is not None:
        places = frames.map_points(frames.from_world(frames.parent_of(moving)), places)
    return volumes.node_grid(moving, world=False).to_index(places * (-1, -1, 1))


def _sample(values: np.ndarray, places: np.ndarray, interpolation: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Values at continuous (i, j, k), what they may be off, and INSIDE, OUTSIDE or UNSURE for each."""
    at = places[:, ::-1]
    last = np.array(values.shape) - 1
    margin = np.where(last > 0, EDGE_VOXELS, -0.49)
    where = np.full(len(at), UNSURE)
    where[((at >= margin) & (at <= last - margin)).all(axis=1)] = INSIDE
    where[((at < -0.5 - EDGE_VOXELS) | (at > last + 0.5 + EDGE_VOXELS)).any(axis=1)] = OUTSIDE
    at = np.clip(np.nan_to_num(at), 0, last)
    if interpolation == "nearest":
        halfway = (np.abs(at - np.floor(at) - 0.5) < EDGE_VOXELS).any(axis=1)
        where[halfway & (where == INSIDE)] = UNSURE
        return values[tuple(np.rint(at).astype(int).T)].astype(float), np.zeros(len(at)), where
    base = np.minimum(np.floor(at).astype(int), np.maximum(last - 1, 0))
    part = at - base
    total = np.zeros(len(at))
    corners = []
    for corner in np.ndindex(2, 2, 2):
        weight = np.prod(np.where(corner, part, 1 - part), axis=1)
        corners.append(values[tuple(np.minimum(base + corner, last).T)].astype(float))
        total += weight * corners[-1]
    spread = np.ptp(corners, axis=0) if interpolation == "bspline" else np.zeros(len(at))
    return total, spread, where


def overlap(fixed: Any, moving: Any, world: bool) -> str:
    """A sentence when the boxes of two volumes share no space where they are; empty when they do or nobody can tell."""
    try:
        boxes = [volumes.node_grid(node, world=world) for node in (fixed, moving)]
    except InputError:
        return ""
    if boxes[0].overlaps(boxes[1]):
        return ""
    first, second = (box.corners.mean(axis=0) for box in boxes)
    return (
        f"{frames.identifier(fixed)} and {frames.identifier(moving)} do not overlap where they are: their middles are "
        f"{np.linalg.norm(second - first):.0f} mm apart."
    )
