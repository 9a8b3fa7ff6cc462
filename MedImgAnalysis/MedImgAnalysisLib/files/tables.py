"""Tables and curves on disk: csv with units in the header and every digit, and JSON that keeps everything.

csv is for people and their programs: `HD95 [mm]` heads a column, a missing value is an empty cell.
Types are read back from what the cells look like; titles and descriptions are in the JSON form only.
"""

from __future__ import annotations

import csv
import json
import math
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import FileError
from ..values import Column, Curve, Curves, Measurements
from .paths import appearing, ending, stem

TYPES = {"float": float, "int": int, "str": str}
FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""A text cell that begins like this is run as a formula by spreadsheets; an apostrophe in front prevents it."""


def write_table(table: Measurements, path: Path) -> Path:
    """Write a table as csv or JSON."""
    if ending(path) == ".json":
        return _write_json(_table_json(table), path)
    header = [_heading(column.key, column.unit) for column in table.columns]
    return _write_rows([header, *([_cell(row.get(c.key), c) for c in table.columns] for row in table.rows)], path)


def read_table(path: Path) -> Measurements:
    """A table from csv or JSON; `FileError` names the line that does not fit."""
    if ending(path) == ".json":
        return _from_json(path, _table_from_json)
    rows = _read_rows(path)
    heads = [_split_heading(word) for word in rows[0][1]]
    keys = [key for key, _ in heads]
    if len(set(keys)) < len(keys):
        raise FileError(f"{path}: two columns have the same name in {keys}.", path=path)
    for number, row in rows[1:]:
        if len(row) != len(heads):
            raise FileError(f"{path}: line {number} has {len(row)} cells, the header has {len(heads)}.", path=path)
    kinds = [_kind([row[n] for _, row in rows[1:]]) for n in range(len(heads))]
    columns = tuple(Column(key, key, unit, dtype=kind) for (key, unit), kind in zip(heads, kinds))
    return Measurements(
        columns, tuple({c.key: _value(cell, c.dtype) for c, cell in zip(columns, row)} for _, row in rows[1:])
    )


def write_curves(curves: Curves, path: Path) -> Path:
    """Write curves as csv (one line per point: series, x, y) or JSON."""
    if ending(path) == ".json":
        return _write_json(_curves_json(curves), path)
    text = Column("series", "series", dtype=str)
    rows = [["series", _heading(curves.x_title, curves.x_unit), _heading(curves.y_title, curves.y_unit)]]
    number = Column("", "")
    rows += [
        [_cell(curve.name, text), _cell(x, number), _cell(y, number)]
        for curve in curves.series
        for x, y in zip(curve.x.tolist(), curve.y.tolist())
    ]
    return _write_rows(rows, path)


def read_curves(path: Path) -> Curves:
    """Curves from csv or JSON; the title of a csv is its file name."""
    if ending(path) == ".json":
        return _from_json(path, _curves_from_json)
    rows = _read_rows(path)
    if len(rows[0][1]) != 3 or rows[0][1][0] != "series":
        raise FileError(f"{path}: curves need the columns series, x and y, these are {rows[0][1]}.", path=path)
    series: dict[str, list[tuple[float, float]]] = {}
    for number, row in rows[1:]:
        try:
            name, x, y = row
            series.setdefault(_plain(name), []).append((_value(x, float), _value(y, float)))
        except ValueError:
            raise FileError(f"{path}: line {number} is not a name and two numbers: {row}.", path=path) from None
    (x_title, x_unit), (y_title, y_unit) = (_split_heading(word) for word in rows[0][1][1:])
    found = tuple(Curve(name, *np.array(points, float).T) for name, points in series.items())
    return Curves(stem(path), x_title, y_title, found, x_unit, y_unit)


def _heading(key: str, unit: str) -> str:
    return f"{key} [{unit}]" if unit else key


def _split_heading(word: str) -> tuple[str, str]:
    key, bracket, unit = word.rpartition(" [")
    return (key, unit[:-1]) if bracket and unit.endswith("]") else (word, "")


def _cell(value: Any, column: Column) -> str:
    """The text of a value: shortest exact digits, nothing for a missing one."""
    if value is None or (isinstance(value, (float, np.floating)) and math.isnan(value)):
        return ""
    if column.dtype is str:
        text = str(value)
        shielded = text.startswith(FORMULA) or (text.startswith("'") and text[1:].startswith((*FORMULA, "'")))
        return f"'{text}" if shielded else text
    if column.dtype is int:
        return str(int(value))
    return repr(float(value))


def _plain(text: str) -> str:
    """A text cell without the apostrophe of `_cell`."""
    return text[1:] if text.startswith("'") and text[1:].startswith((*FORMULA, "'")) else text


def _kind(cells: list[str]) -> type:
    """int, float or str, whichever all cells that are not empty are; 007 is a text."""
    given = [cell for cell in cells if cell]
    if given and all(_is(int, cell) and str(int(cell)) == cell for cell in given):
        return int
    if all(_is(float, cell) and not (cell[0] == "0" and cell[1:2].isdigit()) for cell in given):
        return float
    return str


def _is(kind: type, cell: str) -> bool:
    try:
        kind(cell)
    except ValueError:
        return False
    return "_" not in cell and cell == cell.strip()


def _value(cell: str, kind: type) -> Any:
    if kind is str:
        return _plain(cell)
    if not cell:
        return None if kind is int else math.nan
    return kind(cell)


def _write_rows(rows: list[list[str]], path: Path) -> Path:
    with appearing(path) as place, open(place, "w", encoding="utf-8", newline="") as file:
        plain = csv.writer(file, lineterminator="\n")
        quoted = csv.writer(file, lineterminator="\n", quoting=csv.QUOTE_ALL)
        for row in rows:
            # A lone carriage return, which ends a line for spreadsheets, is not quoted by itself.
            lone = any("\r" in cell for cell in row)
            (quoted if lone else plain).writerow(row)
    return path


def _read_rows(path: Path) -> list[tuple[int, list[str]]]:
    """The rows that are not empty, with their line numbers."""
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, strict=True)
            rows = [(reader.line_num, row) for row in reader if row]
    except (csv.Error, UnicodeDecodeError) as error:
        raise FileError(f"{path}: this is no csv file in UTF-8: {error}.", path=path) from error
    if not rows:
        raise FileError(f"{path}: the file is empty.", path=path)
    for mark, word in ((";", "semicolons"), ("\t", "tabs")):
        # A comma between digits would part a number in two.
        parts = {",".join(row).count(mark) for _, row in rows}
        if len(rows) > 1 and len(rows[0][1]) == 1 and len(parts) == 1 and parts != {0}:
            raise FileError(
                f"{path}: the columns are separated by {word}; save it with commas between columns and points in "
                "numbers.",
                path=path,
            )
    return rows


def _write_json(content: dict[str, Any], path: Path) -> Path:
    with appearing(path) as place:
        text = json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False)
        place.write_text(text + "\n", encoding="utf-8")
    return path


def _from_json(path: Path, build: Any) -> Any:
    try:
        return build(json.loads(path.read_text(encoding="utf-8-sig")))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        if isinstance(error, FileError):
            raise
        why = f"{type(error).__name__} {error}"
        raise FileError(f"{path}: this is no table or curves file: {why}.", path=path) from error


def _number_json(value: Any) -> Any:
    """JSON has no NaN and no infinity: null, and the words inf and -inf."""
    if value is None or math.isnan(value):
        return None
    return value if math.isfinite(value) else repr(float(value))


def _table_json(table: Measurements) -> dict[str, Any]:
    columns = [
        {
            "key": c.key,
            "title": c.title,
            "unit": c.unit,
            "description": c.description,
            "dtype": c.dtype.__name__,
            **({"position": c.position} if c.position else {}),
        }
        for c in table.columns
    ]
    kinds = {column.key: column.dtype for column in table.columns}
    rows = [
        {
            key: value if kinds[key] is str or value is None else _number_json(kinds[key](value))
            for key, value in row.items()
        }
        for row in table.rows
    ]
    return {"kind": "table", "format": 1, "columns": columns, "rows": rows}


def _table_from_json(content: dict[str, Any]) -> Measurements:
    columns = tuple(
        Column(c["key"], c["title"], c["unit"], c["description"], TYPES[c["dtype"]], c.get("position", ""))
        for c in content["columns"]
    )
    kinds = {column.key: column.dtype for column in columns}
    rows = tuple(
        {
            key: math.nan if value is None and kinds[key] is float else value if value is None else kinds[key](value)
            for key, value in row.items()
        }
        for row in content["rows"]
    )
    return Measurements(columns, rows)


def _curves_json(curves: Curves) -> dict[str, Any]:
    series = [
        {
            "name": c.name,
            "style": c.style,
            "x": [_number_json(v) for v in np.asarray(c.x, float).tolist()],
            "y": [_number_json(v) for v in np.asarray(c.y, float).tolist()],
        }
        for c in curves.series
    ]
    return {
        "kind": "curves",
        "format": 1,
        "title": curves.title,
        "x_title": curves.x_title,
        "x_unit": curves.x_unit,
        "y_title": curves.y_title,
        "y_unit": curves.y_unit,
        "series": series,
    }


def _curves_from_json(content: dict[str, Any]) -> Curves:
    def numbers(values: list[Any]) -> np.ndarray:
        return np.array([math.nan if value is None else float(value) for value in values])

    series = tuple(
        Curve(c["name"], numbers(c["x"]), numbers(c["y"]), c.get("style", "line")) for c in content["series"]
    )
    return Curves(
        content["title"], content["x_title"], content["y_title"], series, content["x_unit"], content["y_unit"]
    )
