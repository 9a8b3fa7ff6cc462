"""Markups point lists and closed curves: names and LPS millimetres; points that are not placed are left out."""

from __future__ import annotations

from typing import Any

import numpy as np
import slicer

from ..errors import InputError
from ..values import Landmarks
from . import frames

POINTS = "vtkMRMLMarkupsFiducialNode"
CLOSED = "vtkMRMLMarkupsClosedCurveNode"


def node_class(value: Landmarks) -> str:
    """The class of the node that holds the points."""
    return CLOSED if value.closed else POINTS


def landmarks_of(node: Any, *, world: bool = True) -> Landmarks:
    """The placed points of a point list, or the control points of a closed curve, in LPS millimetres.

    Points that are being placed, are missing or were skipped have no position and are left out.
    `world` applies the parent transforms, linear or not. Raises `InputError` for other nodes.
    """
    if node.GetClassName() != CLOSED:
        frames.expect(node, POINTS, "a point list or a closed curve")
    defined = slicer.vtkMRMLMarkupsNode.PositionDefined
    names, points = [], []
    for number in range(node.GetNumberOfControlPoints()):
        if node.GetNthControlPointPositionStatus(number) != defined:
            continue
        position = [0.0, 0.0, 0.0]
        (node.GetNthControlPointPositionWorld if world else node.GetNthControlPointPosition)(number, position)
        names.append(node.GetNthControlPointLabel(number))
        points.append(position)
    array = np.array(points, float).reshape(-1, 3) * (-1, -1, 1)
    return Landmarks(tuple(names), array, node.GetClassName() == CLOSED)


def put_landmarks(value: Landmarks, node: Any) -> None:
    """Replace the points of `node` (in its own coordinates)."""
    if node.GetFixedNumberOfControlPoints() or node.GetLocked():
        raise InputError(
            f"The point list {frames.identifier(node)} is locked; unlock it or choose another output.",
            node=node.GetID(),
        )
    before = node.StartModify()
    node.RemoveAllControlPoints()
    for name, point in zip(value.names, value.points * (-1, -1, 1)):
        number = node.AddControlPoint(*point.tolist())
        node.SetNthControlPointLabel(number, name)
    node.EndModify(before)
