"""Tables, landmarks and curves in the scene."""

from __future__ import annotations

import math

import numpy as np
import pytest
import slicer
from MedImgAnalysisLib.errors import InputError
from MedImgAnalysisLib.scene import bridge, standalone, tables
from MedImgAnalysisLib.values import Column, Curve, Curves, Landmarks, Measurements
from scene_helpers import add_transform, put_under, rigid_matrix

COLUMNS = (
    Column("segment", "Segment", "", "Name of the structure.", str),
    Column("dice", "Dice", "", "Overlap: 2 |A n B| / (|A| + |B|)."),
    Column("volume_ml", "Volume", "ml", "Volume of the reference."),
    Column("voxels", "Voxels", "", "How many there are.", int),
    Column("holes", "Holes", "", "", int),
    Column("status", "Status", "", "Why a number is missing.", str),
)
TABLE = Measurements(
    COLUMNS,
    (
        {
            "segment": "liver",
            "dice": 1 / 3,
            "volume_ml": 1234.56789012345,
            "voxels": 2**40,
            "holes": None,
            "status": "",
        },
        {
            "segment": 'a "b", c\t|',
            "dice": math.nan,
            "volume_ml": 1e-300,
            "voxels": 0,
            "holes": 2,
            "status": "both are empty",
        },
    ),
)


def test_a_table_comes_back_with_every_digit_type_title_and_unit():
    back = bridge.value_of(bridge.add_node(TABLE, "T", kind="table"), "table")
    assert back.columns == COLUMNS
    assert repr(back.rows) == repr(TABLE.rows)


def test_columns_are_typed_in_the_node():
    table = bridge.add_node(TABLE, "T", kind="table").GetTable()
    kinds = [table.GetColumn(n).GetClassName() for n in range(table.GetNumberOfColumns())]
    assert kinds == [
        "vtkStringArray",
        "vtkDoubleArray",
        "vtkDoubleArray",
        "vtkLongLongArray",
        "vtkDoubleArray",
        "vtkStringArray",
    ]
    assert math.isnan(table.GetColumnByName("dice").GetValue(1))


def test_titles_are_shown_as_headers():
    assert bridge.add_node(TABLE, "T", kind="table").GetUseColumnTitleAsColumnHeader()


def test_a_saved_scene_keeps_every_digit_that_its_table_file_drops(tmp_path):
    bridge.add_node(TABLE, "T", kind="table")
    path = standalone.save_mrb(tmp_path / "scene.mrb")
    standalone.clear()
    standalone.load(path)
    node = slicer.mrmlScene.GetFirstNodeByName("T")
    back = bridge.value_of(node, "table")
    assert back.column("dice")[0] == 1 / 3
    assert back.column("volume_ml")[0] == 1234.56789012345
    assert [c.unit for c in back.columns] == [c.unit for c in COLUMNS]
    assert [c.dtype for c in back.columns] == [c.dtype for c in COLUMNS]


TEXTS = ["Lesion #2", "#", 'a "b"', '"all"', "tab\there", "two\nrows\r", " blank", " ", "", "a, b", "Œdème"]


def test_no_text_shifts_or_hides_the_numbers_beside_it_in_a_saved_scene(tmp_path):
    columns = (Column("segment", "Name #", "", 'A "name"; # of it.', str), Column("ml", "Volume", "ml"))
    columns += (Column("note", "Note", "", "", str), Column("n", "Number", "", "", int))
    rows = tuple({"segment": text, "ml": number + 1 / 3, "note": text, "n": 7} for number, text in enumerate(TEXTS))
    bridge.add_node(Measurements(columns, rows), "Sizes", kind="table")
    standalone.load(standalone.save_mrb(tmp_path / "scene.mrb"))
    node = slicer.mrmlScene.GetFirstNodeByName("Sizes")
    shown = [float(node.GetCellText(row, 1)) for row in range(node.GetNumberOfRows())]
    assert shown == pytest.approx([number + 1 / 3 for number in range(len(TEXTS))], rel=1e-5)
    back = bridge.value_of(node, "table")
    assert back.columns == columns
    assert back.rows == rows


def test_curves_of_any_name_come_back_in_a_saved_scene(tmp_path):
    curve = Curve('Histogram (frame #0) "raw"', np.arange(3.0), np.array([0.1, 1 / 3, 5.0]))
    bridge.add_node(Curves("Plot", "Value", "Count", (curve,)), "Plot", kind="curves")
    standalone.load(standalone.save_mrb(tmp_path / "scene.mrb"))
    (back,) = bridge.value_of(slicer.mrmlScene.GetFirstNodeByName("Plot"), "curves").series
    assert back.name == curve.name
    assert np.array_equal(back.x, curve.x) and np.array_equal(back.y, curve.y)


def test_a_number_edited_by_hand_counts_and_not_the_one_that_was_computed():
    node = bridge.add_node(TABLE, "T", kind="table")
    node.GetTable().GetColumnByName("dice").SetValue(0, 0.25)
    assert bridge.value_of(node, "table").column("dice")[0] == 0.25


def test_overwriting_leaves_no_old_column():
    node = bridge.add_node(TABLE, "T", kind="table")
    bridge.put_value(Measurements((Column("x", "X"),), ({"x": 1.0},)), node, "table")
    assert [c.key for c in bridge.value_of(node, "table").columns] == ["x"]


def test_a_table_without_rows_keeps_its_columns():
    back = bridge.value_of(bridge.add_node(Measurements(COLUMNS, ()), "T", kind="table"), "table")
    assert back.rows == ()
    assert [c.title for c in back.columns] == [c.title for c in COLUMNS]


def test_a_table_made_by_hand_can_be_read(scene):
    import vtk

    node = scene.AddNewNodeByClass("vtkMRMLTableNode", "Hand")
    flags, numbers = vtk.vtkUnsignedCharArray(), vtk.vtkFloatArray()
    flags.SetName("flag")
    numbers.SetName("n")
    flags.InsertNextValue(3)
    numbers.InsertNextValue(1.5)
    node.AddColumn(flags)
    node.AddColumn(numbers)
    back = bridge.value_of(node, "table")
    assert back.rows == ({"flag": 3, "n": 1.5},)
    assert [c.dtype for c in back.columns] == [int, float]


def test_whole_numbers_too_large_to_stand_beside_missing_ones_are_refused():
    value = Measurements((Column("n", "N", dtype=int),), ({"n": 2**60}, {"n": None}))
    with pytest.raises(InputError, match="beyond 2\\^53"):
        bridge.add_node(value, "T", kind="table")


def test_a_broken_record_of_digits_is_ignored():
    node = bridge.add_node(TABLE, "T", kind="table")
    node.SetAttribute(tables.EXACT, "{broken")
    assert bridge.value_of(node, "table").column("dice")[0] == 1 / 3


POINTS = Landmarks(("apex", "carina", "Ω"), np.array([[1.5, -2.25, 3], [-40, 50, 60], [0, 0, 0.125]]))


def test_landmarks_come_back_exactly():
    back = bridge.value_of(bridge.add_node(POINTS, "L", kind="landmarks"), "landmarks")
    assert back.names == POINTS.names
    assert np.array_equal(back.points, POINTS.points)


def test_landmarks_are_ras_in_the_node():
    node = bridge.add_node(POINTS, "L", kind="landmarks")
    assert tuple(node.GetNthControlPointPosition(1)) == (40, -50, 60)


def test_points_that_are_not_placed_are_left_out():
    node = bridge.add_node(POINTS, "L", kind="landmarks")
    node.SetNthControlPointPositionMissing(0)
    node.UnsetNthControlPointPosition(2)
    assert bridge.value_of(node, "landmarks").names == ("carina",)


def test_landmarks_follow_parents_that_bend_or_turn():
    node = bridge.add_node(POINTS, "L", kind="landmarks")
    matrix = rigid_matrix()
    put_under(node, add_transform(matrix))
    ras = POINTS.points * (-1, -1, 1)
    expected = (ras @ matrix[:3, :3].T + matrix[:3, 3]) * (-1, -1, 1)
    assert np.allclose(bridge.value_of(node, "landmarks").points, expected, atol=1e-12)
    assert np.allclose(bridge.value_of(node, "landmarks", world=False).points, POINTS.points)


def test_an_empty_point_list_gives_no_landmarks(scene):
    node = scene.AddNewNodeByClass("vtkMRMLMarkupsFiducialNode", "L")
    assert bridge.value_of(node, "landmarks").points.shape == (0, 3)


def test_a_line_is_no_point_list(scene):
    node = scene.AddNewNodeByClass("vtkMRMLMarkupsLineNode", "Ruler")
    with pytest.raises(InputError, match="'Ruler' is a MarkupsLine node; landmarks needs one of: MarkupsFiducial"):
        bridge.value_of(node, "landmarks")


def test_a_locked_point_list_is_not_overwritten():
    node = bridge.add_node(POINTS, "L", kind="landmarks")
    node.SetLocked(True)
    with pytest.raises(InputError, match="locked"):
        bridge.put_value(POINTS, node, "landmarks")


CURVES = Curves(
    "Convergence",
    "Iteration",
    "Metric",
    (
        Curve("Level 1", np.arange(4.0), np.array([3.0, 2.0, 1.5, 1.25])),
        Curve("Level 1", np.arange(2.0), np.array([1.0, 0.5])),
    ),
    y_unit="bit",
)


def test_curves_come_back_from_their_chart():
    back = bridge.value_of(bridge.add_node(CURVES, "C", kind="curves"), "curves")
    assert (back.title, back.x_title, back.y_title, back.y_unit) == ("Convergence", "Iteration", "Metric", "bit")
    assert [c.name for c in back.series] == ["Level 1", "Level 1"]
    for a, b in zip(back.series, CURVES.series, strict=True):
        assert np.array_equal(a.x, b.x)
        assert np.array_equal(a.y, b.y)


def test_a_chart_shows_units_on_its_axes():
    chart = bridge.add_node(CURVES, "C", kind="curves")
    assert (chart.GetXAxisTitle(), chart.GetYAxisTitle()) == ("Iteration", "Metric (bit)")
    assert chart.GetNumberOfPlotSeriesNodes() == 2
    assert chart.GetNthPlotSeriesNode(0).GetTableNode().GetNumberOfRows() == 4


def test_the_style_of_a_curve_is_what_the_plot_shows():
    x = np.arange(4.0)
    series = tuple(Curve(style, x, np.array([1, np.nan, 2, 3]), style) for style in ("line", "points", "dashed"))
    chart = bridge.add_node(Curves("Styles", "x", "y", series), "C", kind="curves")
    shown = [chart.GetNthPlotSeriesNode(n) for n in range(3)]
    assert [node.GetLineStyleAsString(node.GetLineStyle()) for node in shown] == ["solid", "none", "dash"]
    assert [node.GetMarkerStyleAsString(node.GetMarkerStyle()) for node in shown] == ["none", "circle", "none"]
    assert [curve.style for curve in bridge.value_of(chart, "curves").series] == ["line", "points", "dashed"]


def test_a_curve_of_an_unknown_style_is_refused():
    with pytest.raises(InputError, match="style"):
        Curve("c", np.zeros(1), np.zeros(1), "wavy")
