"""Model nodes and surfaces: triangles in LPS millimetres, numbers at the points with their units.

A number `Distance` in mm is the point array `Distance [mm]` of the mesh; the first one colours the model.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import slicer
import vtk
from vtk.util.numpy_support import numpy_to_vtk, numpy_to_vtkIdTypeArray, vtk_to_numpy

from ..errors import InputError
from ..values import PointValues, Surface
from . import frames

FLIP = (-1.0, -1.0, 1.0)
COLORS = (
    "vtkMRMLColorTableNodeFileDivergingBlueRed.txt",
    "vtkMRMLColorTableNodeFileColdToHotRainbow.txt",
    "vtkMRMLColorTableNodeRainbow",
)
"""Colour tables for numbers with two signs, the best first; not every version has all."""
COLORS_OF_ONE_SIGN = ("vtkMRMLColorTableNodeFileViridis.txt", "vtkMRMLColorTableNodeRainbow")


def surface_of(node: Any, *, world: bool = True) -> Surface:
    """The surface of a model node; polygons become triangles.

    `world` applies the parent transforms, linear or not. Raises `InputError` for other nodes and empty models.
    """
    frames.expect(node, "vtkMRMLModelNode", "a model")
    mesh = node.GetPolyData()
    if mesh is None or mesh.GetNumberOfPoints() == 0:
        raise InputError(f"The model {frames.identifier(node)} has no points.", node=node.GetID())
    triangles = _triangles(mesh)
    points = vtk_to_numpy(mesh.GetPoints().GetData()).astype(float)
    if world and frames.parent_of(node) is not None:
        points = frames.map_points(frames.to_world(frames.parent_of(node)), points)
    data = mesh.GetPointData()
    arrays = [data.GetArray(number) for number in range(data.GetNumberOfArrays())]
    values = tuple(
        PointValues.headed(array.GetName(), vtk_to_numpy(array).astype(float))
        for array in arrays
        if array is not None and array.GetName() and array.GetNumberOfComponents() == 1
    )
    return Surface(points * FLIP, triangles, values)


def _triangles(mesh: Any) -> np.ndarray:
    polygons = mesh.GetPolys()
    if mesh.GetNumberOfStrips() or polygons.GetMaxCellSize() > 3:
        cutter = vtk.vtkTriangleFilter()
        cutter.SetInputData(mesh)
        cutter.PassLinesOff()
        cutter.PassVertsOff()
        cutter.Update()
        polygons = cutter.GetOutput().GetPolys()
    return np.array(vtk_to_numpy(polygons.GetConnectivityArray()), np.int64).reshape(-1, 3)


def put_surface(value: Surface, node: Any) -> None:
    """Replace the mesh of `node` (in its own coordinates) and colour it by its first value."""
    put_mesh(value, node)
    if node.GetDisplayNode() is None:
        node.CreateDefaultDisplayNodes()
    if value.values:
        show_values(node, value.values[0])


def put_mesh(value: Surface, node: Any) -> None:
    """Replace the mesh of `node`, which need not be in a scene, and leave its display alone."""
    mesh = vtk.vtkPolyData()
    points = vtk.vtkPoints()
    points.SetDataTypeToDouble()
    points.SetData(numpy_to_vtk(np.ascontiguousarray(value.points * FLIP), deep=1))
    mesh.SetPoints(points)
    cells = vtk.vtkCellArray()
    count = len(value.triangles)
    cells.SetData(
        numpy_to_vtkIdTypeArray(np.arange(0, 3 * count + 1, 3), deep=1),
        numpy_to_vtkIdTypeArray(np.ascontiguousarray(value.triangles).ravel(), deep=1),
    )
    mesh.SetPolys(cells)
    for numbers in value.values:
        array = numpy_to_vtk(np.ascontiguousarray(numbers.numbers), deep=1)
        array.SetName(numbers.heading)
        mesh.GetPointData().AddArray(array)
    node.SetAndObservePolyData(mesh)


def show_values(node: Any, values: PointValues) -> None:
    """Colour a model by the numbers at its points: zero in the middle of the colours where there are two signs."""
    display = node.GetDisplayNode()
    finite = values.numbers[np.isfinite(values.numbers)]
    most = float(np.abs(finite).max(initial=0.0)) or 1.0
    signed = bool((finite < 0).any())
    scene = node.GetScene()
    color = next(
        (
            found
            for name in (COLORS if signed else COLORS_OF_ONE_SIGN)
            if (found := scene.GetNodeByID(name)) is not None
        ),
        None,
    )
    before = display.StartModify()
    display.SetActiveScalar(values.heading, vtk.vtkAssignAttribute.POINT_DATA)
    display.SetScalarRangeFlag(slicer.vtkMRMLDisplayNode.UseManualScalarRange)
    display.SetScalarRange(-most if signed else 0.0, most)
    if color is not None:
        display.SetAndObserveColorNodeID(color.GetID())
    display.SetScalarVisibility(True)
    display.EndModify(before)
    _legend(node, values.heading)


def _legend(node: Any, title: str) -> None:
    """A bar that says which colour stands for which number; its title has the unit."""
    colors = getattr(slicer.modules, "colors", None)
    logic = colors.logic() if colors is not None else None
    if logic is None or node.GetDisplayNode().GetColorNode() is None:
        return
    legend = logic.GetColorLegendDisplayNode(node) or logic.AddDefaultColorLegendDisplayNode(node)
    if legend is not None:
        legend.SetTitleText(title)
        legend.SetLabelFormat("%.3g")
        legend.SetVisibility(True)
