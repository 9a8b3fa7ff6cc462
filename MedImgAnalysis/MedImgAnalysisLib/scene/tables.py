"""Table nodes and measurements: typed columns with titles, units and descriptions.

Scene files keep six digits of a table's numbers, so the exact ones go along in a node attribute and
are used wherever the cells still show them. Missing numbers are NaN, missing texts are empty.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

import vtk

from ..errors import InputError
from ..values import Column, Measurements
from . import frames

EXACT = "MedImgAnalysis.Numbers"
"""Node attribute with the exact numbers by column key, as JSON."""
TYPE = "MedImgAnalysis.Type"
"""Column property `int` for whole numbers of which some are missing, which are stored as double."""
POSITION = "MedImgAnalysis.Position"
"""Column property `L`, `P` or `S`, see `values.Column.position`."""
LONGEST_INT = 1 << 53
STAND_INS = {"#": "\uff03", '"': "\uff02", "\t": "\u2409", "\n": "\u240a", "\r": "\u240d"}
"""Look-alikes of characters that a table file cannot hold: Slicer's reader takes what is behind them for a comment, for
another cell or another row, and numbers of that row become 0."""
TO_SHOWN = str.maketrans(STAND_INS)
TO_MEANT = str.maketrans({stand_in: character for character, stand_in in STAND_INS.items()})
BLANK = "\u00a0"
"""Stands before no text, or a blank, at the beginning of a row, which the reader leaves out with the tab behind it."""


def shown(text: str, first: bool = False) -> str:
    """A text as a table node holds it; `first` for the first cell of a row."""
    held = text.translate(TO_SHOWN)
    return BLANK + held if first and held[:1] in ("", " ", BLANK) else held


def meant(text: str, first: bool = False) -> str:
    """The text that `shown` was made of."""
    return (text.removeprefix(BLANK) if first else text).translate(TO_MEANT)


def measurements_of(node: Any) -> Measurements:
    """The columns and rows of a table node.

    Number columns become float or int, all others text. Raises `InputError` when it is no table.
    """
    frames.expect(node, "vtkMRMLTableNode", "a table")
    table = node.GetTable()
    exact = exact_numbers(node)
    columns: list[Column] = []
    cells: dict[str, list[Any]] = {}
    for number in range(table.GetNumberOfColumns()):
        array = table.GetColumn(number)
        key = array.GetName() or f"column_{number + 1}"
        if key in cells:
            raise InputError(f"The table {frames.identifier(node)} has two columns named {key!r}.", node=node.GetID())
        values, kind = _values(array, node.GetColumnProperty(key, TYPE))
        if kind is str:
            values = [meant(text, first=number == 0) for text in values]
        cells[key] = restored(values, exact.get(key)) if kind is float else values
        columns.append(
            Column(
                key,
                meant(node.GetColumnTitle(key) or key),
                meant(node.GetColumnUnitLabel(key) or ""),
                meant(node.GetColumnDescription(key) or ""),
                kind,
                node.GetColumnProperty(key, POSITION) or "",
            )
        )
    count = table.GetNumberOfRows() if columns else 0
    return Measurements(tuple(columns), tuple({c.key: cells[c.key][row] for c in columns} for row in range(count)))


def _values(array: Any, declared: str) -> tuple[list[Any], type]:
    count = array.GetNumberOfTuples()
    if array.IsA("vtkStringArray"):
        return [array.GetValue(row) for row in range(count)], str
    if not array.IsA("vtkDataArray"):
        return [array.GetVariantValue(row).ToString() for row in range(count)], str
    numbers = [array.GetTuple1(row) for row in range(count)]
    if declared == "int":
        return [None if math.isnan(n) else int(n) for n in numbers], int
    if array.GetDataType() in (vtk.VTK_FLOAT, vtk.VTK_DOUBLE):
        return numbers, float
    return [int(array.GetVariantValue(row).ToLongLong()) for row in range(count)], int


def exact_numbers(node: Any) -> dict[str, list[Any]]:
    """The exact numbers of a table node by column key, those that `keep_exact` left with it."""
    try:
        found = json.loads(node.GetAttribute(EXACT) or "{}")
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def restored(values: list[Any], exact: Any) -> list[Any]:
    """The exact number wherever the cell still shows it, so that edits by hand count."""
    if not isinstance(exact, list) or len(exact) != len(values):
        return values
    return [
        number if isinstance(number, float) and math.isclose(number, shown, rel_tol=1e-5, abs_tol=1e-300) else shown
        for shown, number in zip(values, exact)
    ]


def keep_exact(node: Any, columns: Mapping[str, Sequence[Any]]) -> None:
    """Leave exact numbers with a table node, by column key; what is no finite float is not kept."""
    exact = {
        key: [c if isinstance(c, float) and math.isfinite(c) else None for c in cells] for key, cells in columns.items()
    }
    node.SetAttribute(EXACT, json.dumps(exact) if exact else None)


def put_measurements(value: Measurements, node: Any) -> None:
    """Replace the columns of `node` by those of `value`."""
    before = node.StartModify()
    node.SetAndObserveTable(vtk.vtkTable())
    node.RemoveAllColumns()
    node.SetUseColumnTitleAsColumnHeader(True)
    for number, column in enumerate(value.columns):
        cells = value.column(column.key)
        if column.dtype is str:
            cells = [shown("" if cell is None else str(cell), first=number == 0) for cell in cells]
        array, kind = _array(column, cells)
        node.AddColumn(array)
        node.SetColumnTitle(column.key, shown(column.title))
        node.SetColumnUnitLabel(column.key, shown(column.unit))
        node.SetColumnDescription(column.key, shown(column.description))
        if kind:
            node.SetColumnProperty(column.key, TYPE, kind)
        if column.position:
            node.SetColumnProperty(column.key, POSITION, column.position)
    keep_exact(node, {column.key: value.column(column.key) for column in value.columns if column.dtype is float})
    node.EndModify(before)


def _array(column: Column, cells: list[Any]) -> tuple[Any, str]:
    """The VTK column, and its declared type where the array alone does not tell it."""
    kind = ""
    if column.dtype is str:
        array: Any = vtk.vtkStringArray()
        ready: list[Any] = cells
    elif column.dtype is int and all(isinstance(cell, int) for cell in cells):
        array = vtk.vtkLongLongArray()
        ready = cells
    else:
        array = vtk.vtkDoubleArray()
        ready = [math.nan if cell is None else float(cell) for cell in cells]
        if column.dtype is int:
            kind = "int"
            if any(abs(cell) > LONGEST_INT for cell in cells if cell is not None):
                raise InputError(f"The column {column.key!r} has whole numbers beyond 2^53 and missing ones.")
    array.SetName(column.key)
    array.SetNumberOfValues(len(ready))
    for row, cell in enumerate(ready):
        array.SetValue(row, cell)
    return array, kind
