"""How large the images of nodes are, without copying a voxel: for the plan of a run."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import vtk

from ..geometry import Grid
from ..operation import Operation
from ..plan import Extent, Plan, plan_for
from . import frames, sequences


def plan_of_nodes(operation: Operation, volumes: Iterable[Any]) -> Plan | None:
    """The plan of a run on volume nodes, with the copies that the scene needs; None without a volume that has voxels.

    Of a sequence one frame counts, since frames are worked on one after the other.
    """
    found = [extent for extent in map(extent_of, volumes) if extent is not None]
    if not found:
        return None
    copies = sum(one.voxels * one.components * one.itemsize for one in found)
    outputs = sum(role.required and role.kind in ("image", "mask") for role in operation.outputs())
    return plan_for(operation, found, extra_bytes=copies + outputs * found[0].working_bytes)


def extent_of(node: Any) -> Extent | None:
    """The extent of a volume node, or of the first frame of a sequence of them; None for other nodes."""
    if sequences.is_sequence(node):
        node = next(iter(sequences.items(node)), None)
    if node is None or not node.IsA("vtkMRMLVolumeNode") or node.GetImageData() is None:
        return None
    data = node.GetImageData()
    if 0 in data.GetDimensions() or data.GetPointData().GetScalars() is None:
        return None
    matrix = vtk.vtkMatrix4x4()
    node.GetIJKToRASMatrix(matrix)
    to_lps = np.diag([-1.0, -1.0, 1.0, 1.0]) @ frames.to_array(matrix)
    axes = to_lps[:3, :3] / node.GetSpacing()
    grid = Grid(data.GetDimensions(), node.GetSpacing(), tuple(to_lps[:3, 3].tolist()), tuple(axes.ravel().tolist()))
    floating = data.GetScalarType() in (vtk.VTK_FLOAT, vtk.VTK_DOUBLE)
    return Extent(grid, data.GetNumberOfScalarComponents(), data.GetScalarSize(), floating)
