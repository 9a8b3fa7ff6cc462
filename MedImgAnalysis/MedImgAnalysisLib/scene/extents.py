"""How large the images of nodes are, without copying a voxel: for the plan of a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import vtk

from ..geometry import Grid
from ..operation import Operation
from ..plan import Extent, Plan, plan_for
from . import frames, sequences


def plan_of_nodes(operation: Operation, inputs: Mapping[str, Sequence[Any]]) -> Plan | None:
    """The plan of a run on nodes by role, with the copies that the scene needs; None without a volume that has voxels.

    Of a sequence in a role of one value a frame at a time is worked on; elsewhere all of its frames at once.
    """
    found: list[Extent] = []
    held, frames = 0, 1
    for role in operation.inputs():
        if role.kind not in ("image", "frames"):
            continue
        for node in inputs.get(role.name, ()):
            nodes = sequences.items(node) if sequences.is_sequence(node) else [node]
            extents = [extent for extent in map(extent_of, nodes) if extent is not None]
            held += sum(one.voxels * one.components * one.itemsize for one in extents)
            if role.kind == "image" and not role.many:
                frames = max(frames, len(extents))
                extents = extents[:1]
            found += extents
    if not found:
        return None
    made = [role for role in operation.outputs() if role.required and role.kind in ("image", "mask", "frames")]
    results = sum(len(found) if role.kind == "frames" or role.several else frames for role in made)
    copies = held + results * found[0].working_bytes
    return plan_for(operation, found, extra_bytes=copies, frames=frames)


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
