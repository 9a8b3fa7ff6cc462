"""Closed curves between the scene and the library."""

from __future__ import annotations

import numpy as np
from MedImgAnalysisLib.scene import bridge
from MedImgAnalysisLib.values import Landmarks


def test_a_closed_curve_becomes_a_curve_node_and_comes_back():
    curve = Landmarks(("1", "2", "3"), np.array([[1.0, 2.0, 3.0], [-4.0, 5.0, 6.0], [7.0, -8.0, 9.0]]), closed=True)
    node = bridge.add_node(curve, "Contour", kind="landmarks")
    assert node.GetClassName() == "vtkMRMLMarkupsClosedCurveNode"
    position = [0.0, 0.0, 0.0]
    node.GetNthControlPointPositionWorld(0, position)
    assert position == [-1.0, -2.0, 3.0]
    again = bridge.value_of(node, "landmarks")
    assert again.closed
    np.testing.assert_array_equal(again.points, curve.points)
    points = bridge.add_node(Landmarks(curve.names, curve.points), "Points", kind="landmarks")
    assert points.GetClassName() == "vtkMRMLMarkupsFiducialNode"
    assert not bridge.value_of(points, "landmarks").closed
