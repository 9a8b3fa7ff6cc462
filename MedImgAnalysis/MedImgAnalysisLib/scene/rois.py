"""Regions of interest as masks: the voxels of an image whose centres lie in a markups ROI box.

A ROI has no voxels of its own, so it needs the image that it is used with. The box may be turned and
may hang under transforms, linear or not. Centres on its border count as inside.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import SimpleITK as sitk
import slicer

from ..errors import InputError
from ..geometry import Grid, image_like
from ..values import Labels, Segment
from . import frames

CLASS = "vtkMRMLMarkupsROINode"
BORDER_MM = 1e-6
"""Centres so near to the border count as on it, so that rounding decides nothing."""
ID = "roi"


def is_roi(node: Any) -> bool:
    """Whether a node is a markups ROI."""
    return bool(node.IsA(CLASS))


def state_of(node: Any) -> tuple[Any, ...]:
    """Type, size and pose of a ROI in its own coordinates; changes whenever the box does."""
    return node.GetROIType(), tuple(node.GetSize()), tuple(_matrix(node).ravel().tolist())


def _matrix(node: Any) -> np.ndarray:
    return frames.to_array(node.GetObjectToNodeMatrix())


def roi_mask(node: Any, grid: Grid, *, world: bool = True) -> sitk.Image:
    """The voxels of a grid whose centres lie in a ROI, uint8 0 and 1.

    Parameters
    ----------
    node
        Markups ROI of type box (or bounding box, as it is now).
    grid
        Grid of the image that the region is used with, LPS; in world coordinates unless `world` is False.
    world
        With the parent transforms of the ROI applied.

    Raises
    ------
    InputError
        The node is of another type, has no extent, or holds no voxel centre.
    """
    frames.expect(node, CLASS, "a region of interest")
    known = (slicer.vtkMRMLMarkupsROINode.ROITypeBox, slicer.vtkMRMLMarkupsROINode.ROITypeBoundingBox)
    if node.GetROIType() not in known:
        raise InputError(
            f"The region {frames.identifier(node)} is no box; boxes can be used as regions.", node=node.GetID()
        )
    half = np.array(node.GetSize(), float) / 2
    if not (half > 0).all():
        raise InputError(
            f"The region {frames.identifier(node)} has no extent; draw or size it first.", node=node.GetID()
        )
    to_object = np.linalg.inv(_matrix(node))
    parent = frames.parent_of(node) if world else None
    linear = frames.world_matrix(parent)
    size = (*grid.size, 1)[:3]
    inside = np.zeros(size[::-1], np.uint8)
    axes = [np.arange(n, dtype=float) for n in size]
    index_to_ras = frames.grid_matrix(grid)
    for k in range(size[2]):
        if linear is not None:
            steps = to_object @ np.linalg.inv(linear) @ index_to_ras
            places = [
                steps[row, 0] * axes[0] + (steps[row, 1] * axes[1])[:, None] + steps[row, 2] * k + steps[row, 3]
                for row in range(3)
            ]
        else:
            places = _bent_places(to_object, parent, index_to_ras, axes, k)
        within = [np.abs(place) <= edge + BORDER_MM for place, edge in zip(places, half)]
        inside[k] = within[0] & within[1] & within[2]
    if not inside.any():
        raise InputError(
            f"The region {frames.identifier(node)} holds no voxel centre of the image; move it over the "
            "image or make it larger.",
            node=node.GetID(),
        )
    return image_like(inside if grid.dimension == 3 else inside[0], grid)


def _bent_places(
    to_object: np.ndarray, parent: Any, index_to_ras: np.ndarray, axes: Sequence[np.ndarray], k: int
) -> list[np.ndarray]:
    """Voxel centres of slice k in the coordinates of the box, (j, i) for each axis, through a transform that bends."""
    j, i = np.meshgrid(axes[1], axes[0], indexing="ij")
    index = np.stack([i.ravel(), j.ravel(), np.full(i.size, float(k))], axis=1)
    ras = index @ index_to_ras[:3, :3].T + index_to_ras[:3, 3]
    own = frames.map_points(frames.from_world(parent), ras) @ to_object[:3, :3].T + to_object[:3, 3]
    return [own[:, axis].reshape(i.shape) for axis in range(3)]


def roi_labels(nodes: Sequence[Any], grid: Grid, *, world: bool = True) -> Labels:
    """ROIs as labels, one segment each with the name and colour of its node; they may overlap."""
    made = Labels.from_masks([(str(node.GetName()), roi_mask(node, grid, world=world)) for node in nodes])
    segments = []
    for node, segment in zip(nodes, made.segments):
        display = node.GetDisplayNode()
        color = tuple(display.GetSelectedColor()) if display is not None else segment.color
        segments.append(Segment(f"{ID}_{node.GetID()}", segment.name, color, segment.layer, segment.value))
    return Labels(made.layers, tuple(segments))
