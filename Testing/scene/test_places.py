"""Rows of tables lead the slice views to the place they are about."""

from __future__ import annotations

import math

import numpy as np
import pytest
import SimpleITK as sitk
import slicer
from medimg_testing import oblique_grid
from MedImgAnalysisLib.agreement import CompareLesions, CompareSegmentations
from MedImgAnalysisLib.progress import Progress
from MedImgAnalysisLib.scene import bridge, outputs, places
from MedImgAnalysisLib.scene.run import run_in_scene
from MedImgAnalysisLib.values import Column, Labels, Measurements
from scene_helpers import add_transform, put_under, rigid_matrix

COLUMNS = (
    Column("name", "Name", dtype=str), Column("x", "X", "mm", position="L"), Column("y", "Y", "mm", position="P"),
    Column("z", "Z", "mm", position="S"),
)  # fmt: skip
TABLE = Measurements(
    COLUMNS,
    (
        {"name": "a", "x": 1.25, "y": -2.0, "z": 30.0},
        {"name": "b", "x": math.nan, "y": 0.0, "z": 0.0},
        {"name": "c", "y": 0.0, "z": 0.0},
    ),
)


@pytest.fixture
def views():
    made = []
    for name, orientation in (("Red", "Axial"), ("Yellow", "Sagittal"), ("Green", "Coronal")):
        node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSliceNode", name)
        node.SetOrientation(orientation)
        made.append(node)
    return made


def passes(view, point) -> bool:
    """Whether the plane of a slice view holds a RAS point."""
    matrix = view.GetSliceToRAS()
    normal = np.array([matrix.GetElement(row, 2) for row in range(3)])
    origin = np.array([matrix.GetElement(row, 3) for row in range(3)])
    return abs(normal @ (np.asarray(point) - origin)) < 1e-6


def test_the_declared_position_comes_back_from_a_node():
    node = bridge.add_node(TABLE, "T", kind="table")
    assert places.has_places(node)
    assert [c.position for c in bridge.value_of(node, "table").columns] == ["", "L", "P", "S"]
    assert places.place_of(node, 0).tolist() == [-1.25, 2.0, 30.0]


@pytest.mark.parametrize("row", [1, 2, 3, -1])
def test_a_row_without_a_position_leads_nowhere(row, views):
    node = bridge.add_node(TABLE, "T", kind="table")
    assert places.place_of(node, row) is None
    assert not places.jump_to(node, row)


def test_a_table_without_declared_columns_has_no_places():
    assert not places.has_places(bridge.add_node(Measurements(COLUMNS[:3], ()), "T", kind="table"))


def test_all_slice_views_go_through_the_place(views):
    node = bridge.add_node(TABLE, "T", kind="table")
    assert places.jump_to(node, 0)
    assert all(passes(view, (-1.25, 2.0, 30.0)) for view in views)
    assert not passes(views[0], (-1.25, 2.0, 31.0))


def segmentations():
    arrays = np.zeros((2, 12, 14, 16), np.uint8)
    arrays[:, 3:8, 4:9, 5:10] = 1
    arrays[1, 6, 4:9, 2:5] = 1  # most errors in slice 6
    return [
        bridge.add_node(Labels.from_masks([("Box", oblique_grid(sitk.GetImageFromArray(a)))]), n, kind="labels")
        for a, n in zip(arrays, ("R", "T"))
    ]


@pytest.mark.parametrize("operation", [CompareSegmentations(), CompareLesions()], ids=lambda o: o.name)
def test_tables_of_comparisons_have_places(operation):
    reference, test = segmentations()
    nodes = run_in_scene(operation, {"reference": reference, "test": test})
    tables = [node for node in nodes.values() if node.IsA("vtkMRMLTableNode")]
    assert any(places.has_places(node) for node in tables)


@pytest.mark.parametrize("moved", [False, True])
def test_the_worst_slice_is_where_the_errors_are(views, moved):
    reference, test = segmentations()
    parent = add_transform(rigid_matrix())
    if moved:
        for node in (reference, test):
            put_under(node, parent)
    table = run_in_scene(CompareSegmentations(), {"reference": reference, "test": test})["table"]
    assert bridge.value_of(table, "table").rows[0]["worst_slice_k"] == 6
    grid = bridge.value_of(reference, "labels").grid  # in the world
    place = places.place_of(table, 0) * (-1, -1, 1)
    assert grid.to_index(place[None])[0, 2] == pytest.approx(6)
    assert places.jump_to(table, 0)
    assert all(passes(view, place * (-1, -1, 1)) for view in views)


def test_positions_that_are_not_those_of_the_slice_views_are_told_of():
    reference, test = segmentations()
    for parent, told in ((None, False), (add_transform(np.eye(4)), False), (add_transform(rigid_matrix()), True)):
        for node in (reference, test):
            put_under(node, parent)
        said: list[str] = []
        progress = Progress(on_warning=said.append)
        table = run_in_scene(
            CompareSegmentations(surfaces="none"), {"reference": reference, "test": test}, progress=progress
        )["table"]
        sentence = "positions in tables are those without it"
        assert any(sentence in one for one in said) is told
        assert any(sentence in one for one in outputs.record_of(table)["warnings"]) is told
