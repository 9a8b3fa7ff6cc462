"""Curves as a plot: a chart node, a series node per curve and one table with the numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
import slicer
import vtk
from vtk.util.numpy_support import numpy_to_vtk, vtk_to_numpy

from ..errors import InputError
from ..values import PALETTE, Curve, Curves
from . import frames, tables

UNITS = ("MedImgAnalysis.XUnit", "MedImgAnalysis.YUnit")
LENGTH = "MedImgAnalysis.Length"
TITLES = ("MedImgAnalysis.XTitle", "MedImgAnalysis.YTitle")


def curves_of(node: Any) -> Curves:
    """The series of a plot chart node. Raises `InputError` when it is no chart or a series has no table."""
    frames.expect(node, "vtkMRMLPlotChartNode", "a plot chart")
    found = []
    for number in range(node.GetNumberOfPlotSeriesNodes()):
        series = node.GetNthPlotSeriesNode(number)
        table = series.GetTableNode() if series else None
        if table is None or table.GetTable() is None:
            raise InputError(f"A series of the plot {frames.identifier(node)} has no table.", node=node.GetID())
        y = _numbers(table, series.GetYColumnName())
        x = _numbers(table, series.GetXColumnName()) if series.GetXColumnName() else np.arange(len(y), dtype=float)
        length = int(series.GetAttribute(LENGTH) or len(y))
        found.append(Curve(series.GetName(), x[:length], y[:length], _style_of(series)))
    x_title, y_title = (node.GetAttribute(key) for key in TITLES)
    x_unit, y_unit = (node.GetAttribute(key) or "" for key in UNITS)
    return Curves(
        node.GetTitle() or "",
        x_title if x_title is not None else node.GetXAxisTitle() or "",
        y_title if y_title is not None else node.GetYAxisTitle() or "",
        tuple(found),
        x_unit,
        y_unit,
    )


def _numbers(node: Any, name: str) -> np.ndarray:
    """A column of a table node; scene files keep six digits of it, the exact ones are left with the node."""
    column = node.GetTable().GetColumnByName(name)
    if column is None or not column.IsA("vtkDataArray"):
        raise InputError(f"The plot has no column of numbers named {name!r}.")
    shown = vtk_to_numpy(column).astype(float)
    return np.array(tables.restored(shown.tolist(), tables.exact_numbers(node).get(name)), float)


def put_curves(value: Curves, node: Any) -> None:
    """Fill a plot chart node; makes its series and table nodes. Those it had stay, see `parts_of`."""
    scene = node.GetScene()
    node.RemoveAllPlotSeriesNodeIDs()
    table_node = scene.AddNewNodeByClass("vtkMRMLTableNode", f"{node.GetName()} values")
    columns = _columns(value)
    table_node.SetAndObserveTable(_table(columns))
    tables.keep_exact(table_node, {name: numbers.tolist() for name, numbers in columns.items()})
    node.SetTitle(value.title)
    node.SetTitleVisibility(bool(value.title))
    node.SetXAxisTitle(_axis(value.x_title, value.x_unit))
    node.SetYAxisTitle(_axis(value.y_title, value.y_unit))
    for key, text in zip((*UNITS, *TITLES), (value.x_unit, value.y_unit, value.x_title, value.y_title)):
        node.SetAttribute(key, text)
    for number, curve in enumerate(value.series):
        series = slicer.vtkMRMLPlotSeriesNode()
        series.SetName(curve.name)
        scene.AddNode(series)
        series.SetAndObserveTableNodeID(table_node.GetID())
        series.SetXColumnName(_column(number, curve, "x"))
        series.SetYColumnName(_column(number, curve, "y"))
        series.SetPlotType(slicer.vtkMRMLPlotSeriesNode.PlotTypeScatter)
        _set_style(series, curve.style)
        series.SetColor(*PALETTE[number % len(PALETTE)])
        series.SetAttribute(LENGTH, str(len(curve.x)))
        node.AddAndObservePlotSeriesNodeID(series.GetID())


def _set_style(series: Any, style: str) -> None:
    points = style == "points"
    lines = {"line": series.LineStyleSolid, "points": series.LineStyleNone, "dashed": series.LineStyleDash}
    series.SetMarkerStyle(series.MarkerStyleCircle if points else series.MarkerStyleNone)
    series.SetLineStyle(lines[style])


def _style_of(series: Any) -> str:
    """What the user sees, whoever made the series."""
    if series.GetLineStyle() == series.LineStyleNone:
        return "points"
    return "line" if series.GetLineStyle() == series.LineStyleSolid else "dashed"


def parts_of(node: Any) -> list[Any]:
    """The series and table nodes that `put_curves` made for a chart and that nobody needs once it is overwritten."""
    series = [node.GetNthPlotSeriesNode(n) for n in range(node.GetNumberOfPlotSeriesNodes())]
    own = [found for found in series if found is not None and found.GetAttribute(LENGTH)]
    values = {found.GetTableNode() for found in own} - {None}
    return [*own, *values]


def _columns(value: Curves) -> dict[str, np.ndarray]:
    """Two columns per curve; shorter ones end in NaN, since a table has one number of rows."""
    rows = max((len(curve.x) for curve in value.series), default=0)
    columns = {}
    for number, curve in enumerate(value.series):
        for letter, numbers in (("x", curve.x), ("y", curve.y)):
            padded = np.full(rows, np.nan)
            padded[: len(numbers)] = numbers
            columns[_column(number, curve, letter)] = padded
    return columns


def _column(number: int, curve: Curve, letter: str) -> str:
    return tables.shown(f"{number + 1} {curve.name} {letter}")


def _table(columns: dict[str, np.ndarray]) -> Any:
    table = vtk.vtkTable()
    for name, numbers in columns.items():
        array = numpy_to_vtk(numbers, deep=1)
        array.SetName(name)
        table.AddColumn(array)
    return table


def _axis(title: str, unit: str) -> str:
    return f"{title} ({unit})" if unit else title
