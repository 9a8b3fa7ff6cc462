"""Nodes that scene tests need: transforms, awkward images, overlapping segments."""

from __future__ import annotations

from typing import Any

import numpy as np
import SimpleITK as sitk
import slicer
from medimg_testing import oblique_grid
from MedImgAnalysisLib.scene import frames
from MedImgAnalysisLib.values import Labels, Segment


def rigid_matrix(turn: float = 0.4, shift: tuple[float, float, float] = (12.0, -7.0, 30.0)) -> np.ndarray:
    """A rotation about an oblique axis and a shift, 4x4 in RAS."""
    rotation = sitk.Euler3DTransform()
    rotation.SetRotation(turn, -0.5 * turn, 0.3)
    matrix = np.eye(4)
    matrix[:3, :3] = np.reshape(rotation.GetMatrix(), (3, 3))
    matrix[:3, 3] = shift
    return matrix


def add_transform(matrix: np.ndarray, name: str = "Parent", parent: Any = None) -> Any:
    """A linear transform node whose matrix to its parent is `matrix`."""
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode", name)
    node.SetMatrixTransformToParent(frames.to_matrix(matrix))
    put_under(node, parent)
    return node


def put_under(node: Any, parent: Any) -> None:
    """Put a node under a transform node; None takes it out."""
    node.SetAndObserveTransformNodeID(parent.GetID() if parent is not None else None)


def ramp(size: tuple[int, int, int] = (9, 7, 5), kind: Any = np.float32) -> sitk.Image:
    """An image of distinct values on an oblique anisotropic grid."""
    count = int(np.prod(size))
    return oblique_grid(sitk.GetImageFromArray(np.arange(count).reshape(size[::-1]).astype(kind)))


def box(size: tuple[int, int, int], low: tuple[int, int, int], high: tuple[int, int, int]) -> sitk.Image:
    """A uint8 mask that is 1 from `low` to below `high` (i, j, k)."""
    array = np.zeros(size[::-1], np.uint8)
    array[low[2] : high[2], low[1] : high[1], low[0] : high[0]] = 1
    return oblique_grid(sitk.GetImageFromArray(array))


def overlapping() -> Labels:
    """Three segments of which the first two overlap, with ids, colours, tags and one that is empty."""
    size = (12, 10, 8)
    made = Labels.from_masks(
        [
            ("Tumour", box(size, (1, 1, 1), (6, 6, 6))),
            ("Œdème", box(size, (4, 4, 4), (10, 9, 7))),
            ("Nothing", box(size, (0, 0, 0), (0, 0, 0))),
        ]
    )
    tags = {"TerminologyEntry": "List~SCT^49755003^Morphologic~SCT^4147007^Mass~^^~Anatomic~^^~^^", "Rater": "A: 1"}
    first, second, third = made.segments
    return Labels(
        made.layers,
        (
            Segment("tumour", first.name, (1.0, 0.5, 0.25), first.layer, first.value, tags),
            Segment("oedema", second.name, (0.0, 0.25, 1.0), second.layer, second.value),
            Segment("nothing", third.name, (0.5, 0.5, 0.5), third.layer, third.value),
        ),
    )


def same_voxels(a: sitk.Image, b: sitk.Image) -> bool:
    """Whether two images have the same type, grid (to 1e-9 mm) and voxels."""
    geometry = (
        (*a.GetSpacing(), *a.GetOrigin(), *a.GetDirection()),
        (*b.GetSpacing(), *b.GetOrigin(), *b.GetDirection()),
    )
    return (
        a.GetPixelIDValue() == b.GetPixelIDValue()
        and a.GetSize() == b.GetSize()
        and np.allclose(*geometry, rtol=0, atol=1e-9)
        and np.array_equal(sitk.GetArrayFromImage(a), sitk.GetArrayFromImage(b))
    )
