"""Reading columns of a table that somebody brings: by name, complete, and as numbers where numbers are needed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..errors import InputError
from ..values import Measurements


def column(table: Measurements, key: str, parameter: str) -> list[Any]:
    """The cells of the column `key`, matched by key or title; `InputError` names the parameter and the columns."""
    for found in table.columns:
        if key in (found.key, found.title):
            return table.column(found.key)
    raise InputError(
        f"There is no column {key!r} for {parameter}; there are {', '.join(c.key for c in table.columns)}.",
        role="table",
        field=parameter,
    )


def is_missing(cell: Any) -> bool:
    """Whether a cell holds nothing: empty, NaN or None."""
    return cell is None or cell == "" or (isinstance(cell, float) and math.isnan(cell))


def numbers(cells: Sequence[Any], key: str) -> np.ndarray:
    """Cells as float64, NaN for missing ones; `InputError` names the first cell that is no number."""
    found = np.full(len(cells), math.nan)
    for row, cell in enumerate(cells):
        if is_missing(cell):
            continue
        try:
            found[row] = float(cell)
        except (TypeError, ValueError):
            raise InputError(
                f"Row {row + 1} of the column {key!r} is {cell!r}, which is no number.", role="table"
            ) from None
        if math.isinf(found[row]):
            raise InputError(f"Row {row + 1} of the column {key!r} is infinite.", role="table")
    return found


def label(cell: Any) -> str:
    """The text of a class, rater or group: 1, 1.0 and True are one and the same."""
    if isinstance(cell, (bool, np.bool_)):
        return str(int(cell))
    if isinstance(cell, (float, np.floating)) and float(cell).is_integer():
        return str(int(cell))
    return str(cell).strip()


def natural(labels: Sequence[str]) -> list[str]:
    """Distinct labels in order: numbers by value, then texts by alphabet."""

    def order(text: str) -> tuple[int, float, str]:
        try:
            return 0, float(text), text
        except ValueError:
            return 1, 0.0, text

    return sorted(set(labels), key=order)
