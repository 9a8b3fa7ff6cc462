"""Where the rows of a table are: positions for the slice views."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import slicer

from ..values import Measurements
from . import frames, outputs, tables


def has_places(node: Any) -> bool:
    """Whether the columns of a table node declare a position, see `values.Column`."""
    declared = {column.position for column in tables.measurements_of(node).columns}
    return {"L", "P", "S"} <= declared


def place_of(node: Any, row: int) -> np.ndarray | None:
    """RAS millimetres (3,) in the world of the place that a row is about, None when it has none.

    Inputs under one rigid transform are measured in their own coordinates; the position then goes
    through that transform, as it is now.
    """
    table = tables.measurements_of(node)
    if not 0 <= row < len(table.rows):
        return None
    place = table.place(row)
    if place is None:
        return None
    point = (place * (-1, -1, 1))[None]
    parent = _parent(node)
    return (frames.map_points(frames.to_world(parent), point) if parent is not None else point)[0]


def _parent(node: Any) -> Any:
    """The transform whose space the positions of a table are in, None for the world."""
    entry = (outputs.record_of(node) or {}).get("scene")
    if not isinstance(entry, dict) or entry.get("world", True):
        return None
    sources = (node.GetNodeReference(outputs.INPUT + name) for name in entry.get("inputs", {}))
    parents = [frames.parent_of(source) for source in sources if source is not None]
    return next((parent for parent in parents if parent is not None), None)


def doubts(values: Iterable[Any], parent: Any) -> list[str]:
    """What to say when tables with positions are made of inputs that are all under one transform, `parent`."""
    matrix = frames.world_matrix(parent)
    columns = [column for value in values if isinstance(value, Measurements) for column in value.columns]
    if matrix is None or np.abs(matrix - np.eye(4)).max() < 1e-9 or not any(column.position for column in columns):
        return []
    return [
        f"All inputs are under the transform {parent.GetName()!r}: positions in tables are those without it, and "
        "differ from what the slice views show. Take the inputs out of it, or harden it, for positions in the scene."
    ]


def jump_to(node: Any, row: int) -> bool:
    """Move all slice views through the place of a row of a table; False when the row has none.

    The views turn neither zoom nor orientation, and are centred on the place.
    """
    place = place_of(node, row)
    if place is None:
        return False
    for view in slicer.util.getNodesByClass("vtkMRMLSliceNode"):
        view.JumpSliceByCentering(*place.tolist())
    return True
