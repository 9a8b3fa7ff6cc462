"""Coordinates of nodes: RAS and LPS, and the transforms that nodes hang under.

A node's own coordinates are *local*; with the parent transforms applied they are *world*. Values
are in world coordinates unless asked otherwise, so that values of several nodes fit together.
All matrices are 4x4 numpy arrays.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import vtk

from ..errors import GeometryError, InputError
from ..geometry import ORTHONORMAL_TOLERANCE, Grid

FLIP = np.diag([-1.0, -1.0, 1.0, 1.0])
"""RAS to LPS and back."""


def to_array(matrix: vtk.vtkMatrix4x4) -> np.ndarray:
    """A vtkMatrix4x4 as an array."""
    return np.array([[matrix.GetElement(i, j) for j in range(4)] for i in range(4)])


def to_matrix(array: np.ndarray) -> vtk.vtkMatrix4x4:
    """An array as a vtkMatrix4x4."""
    matrix = vtk.vtkMatrix4x4()
    matrix.DeepCopy([float(value) for value in np.asarray(array).ravel()])
    return matrix


def grid_matrix(grid: Grid) -> np.ndarray:
    """Matrix from (i, j, k) to RAS millimetres; a 2-D grid lies in the plane of z = 0."""
    dimension = grid.dimension
    matrix = np.eye(4)
    matrix[:dimension, :dimension] = grid.axes
    matrix[:dimension, 3] = grid.origin
    return FLIP @ matrix


def matrix_grid(matrix: np.ndarray, size: tuple[int, ...], what: str) -> Grid:
    """The 3-D grid of a matrix from (i, j, k) to RAS.

    Raises `GeometryError` when the axes are not at right angles or have no length: ITK images
    cannot have such a grid.
    """
    lps = FLIP @ matrix
    spacing = np.linalg.norm(lps[:3, :3], axis=0)
    if not np.isfinite(lps).all() or (spacing <= 0).any():
        raise GeometryError(f"{what} has a spacing of zero or coordinates that are not numbers.")
    direction = lps[:3, :3] / spacing
    if not orthogonal(matrix):
        raise GeometryError(
            f"{what} has axes that are not at right angles (sheared); resample it to an orthogonal "
            "grid first, for example with the module Resample Scalar/Vector/DWI Volume."
        )
    origin, axes = tuple(lps[:3, 3].tolist()), tuple(direction.ravel().tolist())
    return Grid(tuple(size), tuple(spacing.tolist()), origin, axes).canonical()


def orthogonal(matrix: np.ndarray) -> bool:
    """Whether the axes of a matrix are at right angles within the tolerance of the library."""
    axes = matrix[:3, :3] / np.linalg.norm(matrix[:3, :3], axis=0)
    return bool(np.abs(axes.T @ axes - np.eye(3)).max() <= ORTHONORMAL_TOLERANCE)


def parent_of(node: Any) -> Any:
    """The transform node that `node` is under, or None."""
    return node.GetParentTransformNode() if hasattr(node, "GetParentTransformNode") else None


def parents_of(node: Any) -> list[Any]:
    """All transform nodes that `node` is under, the nearest first."""
    found = []
    parent = parent_of(node)
    while parent is not None and parent not in found:
        found.append(parent)
        parent = parent_of(parent)
    return found


def world_matrix(parent: Any) -> np.ndarray | None:
    """Matrix (RAS) from the space under `parent` to the world; None when it is not linear."""
    if parent is None:
        return np.eye(4)
    if not parent.IsTransformToWorldLinear():
        return None
    matrix = vtk.vtkMatrix4x4()
    parent.GetMatrixTransformToWorld(matrix)
    return to_array(matrix)


def rigid(parent: Any) -> bool:
    """Whether lengths and angles under `parent` are those of the world (mirroring included)."""
    matrix = world_matrix(parent)
    if matrix is None:
        return False
    axes = matrix[:3, :3]
    return bool(np.abs(axes.T @ axes - np.eye(3)).max() <= 1e-6)


def from_world(parent: Any) -> vtk.vtkGeneralTransform:
    """The map (RAS) from the world to the space under `parent`, linear or not."""
    transform = vtk.vtkGeneralTransform()
    if parent is not None:
        parent.GetTransformFromWorld(transform)
    return transform


def to_world(parent: Any) -> vtk.vtkGeneralTransform:
    """The map (RAS) from the space under `parent` to the world, linear or not."""
    transform = vtk.vtkGeneralTransform()
    if parent is not None:
        parent.GetTransformToWorld(transform)
    return transform


def map_points(transform: vtk.vtkAbstractTransform, points: np.ndarray) -> np.ndarray:
    """Points (N, 3) in RAS through a VTK transform."""
    from vtk.util.numpy_support import numpy_to_vtk, vtk_to_numpy

    source, target = vtk.vtkPoints(), vtk.vtkPoints()
    source.SetDataTypeToDouble()
    target.SetDataTypeToDouble()
    source.SetData(numpy_to_vtk(np.ascontiguousarray(points, float), deep=1))
    transform.TransformPoints(source, target)
    return vtk_to_numpy(target.GetData()).astype(float).reshape(-1, 3)


def identifier(node: Any) -> str:
    """How messages name a node."""
    return f"{node.GetName()!r}" if node.GetName() else f"{node.GetID()}"


def expect(node: Any, name: str, words: str) -> None:
    """Raise `InputError` unless `node` is of the MRML class `name` or one derived from it."""
    if not node.IsA(name):
        raise InputError(f"{identifier(node)} is a {node.GetNodeTagName()} node, not {words}.", node=node.GetID())
