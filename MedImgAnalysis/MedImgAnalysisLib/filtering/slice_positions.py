"""Where slices were measured: a table with a row for each, read and checked."""

from __future__ import annotations

import numpy as np

from ..errors import InputError
from ..values import Measurements

COLUMN = "position_mm"


def positions_of(table: Measurements, column: str, slices: int) -> np.ndarray:
    """Positions (n,) in millimetres along the third axis, rising, in the order of the slices.

    Raises `InputError` when there is no such column, when the rows are not as many as the slices, or when positions do
    not rise (falling ones are refused: then the direction of the image is wrong).
    """
    numeric = [c.key for c in table.columns if c.dtype in (float, int)]
    key = column or (COLUMN if COLUMN in numeric else numeric[0] if len(numeric) == 1 else "")
    if key not in numeric:
        raise InputError(
            f"The positions need a column of millimetres; name one of {', '.join(numeric) or 'none'}.", role="positions"
        )
    found = np.array([np.nan if value is None else value for value in table.column(key)], float)
    if len(found) != slices:
        raise InputError(f"There are {len(found)} positions for {slices} slices.", role="positions")
    if not np.isfinite(found).all() or (np.diff(found) <= 0).any():
        raise InputError(
            "The positions must be numbers that rise from slice to slice; if they fall, turn the image round, and drop "
            "slices that were measured twice.",
            role="positions",
        )
    if slices < 2:
        raise InputError("A single slice has no distance to another.", role="positions")
    return found


def usual_step(steps: np.ndarray) -> float:
    """The distance that most neighbours have: the median."""
    return float(np.median(steps))
