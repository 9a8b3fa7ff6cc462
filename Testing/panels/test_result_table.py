"""The tables of a run in the panel, and the way from a row to its place in the slice views."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk
from medimg_testing import oblique_grid
from panel_helpers import MODULES

AGREEMENT = MODULES / "MedImgAgreement" / "MedImgAgreement.py"


def labels(shift: int, name: str = "Box"):
    from MedImgAnalysisLib.values import Labels

    array = np.zeros((12, 14, 16), np.uint8)
    array[3:8, 4:9, 5:10] = 1
    array[6, 4:9, 10 : 10 + shift] = 1
    return Labels.from_masks([(name, oblique_grid(sitk.GetImageFromArray(array)))])


@pytest.fixture
def views(standin):
    import slicer

    made = []
    for name, orientation in (("Red", "Axial"), ("Yellow", "Sagittal"), ("Green", "Coronal")):
        node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSliceNode", name)
        node.SetOrientation(orientation)
        made.append(node)
    return made


@pytest.fixture
def compared(load_module, press, wait_until):
    """The panel after a comparison of two segmentations."""
    from MedImgAnalysisLib.scene import bridge

    for name, shift in (("Reader 1", 0), ("Reader 2", 3)):
        bridge.add_node(labels(shift), name, kind="labels")
    panel = load_module(AGREEMENT).widget.panel
    press(panel.run.apply_button)
    wait_until(lambda: not panel.run.runner.running)
    return panel


def table_of_one_place_and_none():
    from MedImgAnalysisLib.scene import bridge
    from MedImgAnalysisLib.values import Column, Measurements

    columns = tuple(Column(c, c, "mm", position=c.upper()) for c in "lps")
    rows = ({"l": 1.0, "p": 2.0, "s": 3.0}, {"l": 1.0})
    return bridge.add_node(Measurements(columns, rows), "Half", kind="table")


def headings(table) -> list[str]:
    return [table.verticalHeaderItem(line).text() for line in range(table.rowCount)]


def test_nothing_is_shown_before_a_run(load_module):
    assert load_module(AGREEMENT).widget.panel.run.results.widget.isHidden()


def test_a_table_of_one_row_has_a_line_per_measure_with_its_unit(compared):
    results = compared.run.results
    assert not results.widget.isHidden()
    names = headings(results.table)
    line = (
        names.index("HD (surfel) (mm)")
        if "HD (surfel) (mm)" in names
        else next(n for n, name in enumerate(names) if "Hausdorff" in name)
    )
    assert names[line].endswith("(mm)")
    assert float(results.table.item(line, 0).text()) == pytest.approx(2.1, rel=1e-4)
    assert results.table.item(line, 0).toolTip()
    assert results.choice.count == 2


def test_another_table_of_the_run_can_be_chosen(compared):
    results = compared.run.results
    results.choice.setCurrentIndex(1)
    assert "Macro Dice" in headings(results.table)


def test_a_click_moves_all_slice_views_to_the_worst_slice(compared, views):
    import slicer
    from MedImgAnalysisLib.scene import bridge

    results = compared.run.results
    before = [view.GetSliceToRAS().GetElement(2, 3) for view in views]
    results.table.cellClicked.emit(4, 0)
    node = slicer.mrmlScene.GetFirstNodeByName("Reader 1 Compare segmentations table")
    row = bridge.value_of(node, "table").rows[0]
    place = np.array([-row["worst_slice_l_mm"], -row["worst_slice_p_mm"], row["worst_slice_s_mm"]])
    assert labels(0).grid.to_index((place * (-1, -1, 1))[None])[0, 2] == pytest.approx(6)
    for view in views:
        matrix = view.GetSliceToRAS()
        normal, origin = (np.array([matrix.GetElement(n, column) for n in range(3)]) for column in (2, 3))
        assert abs(normal @ (place - origin)) < 1e-6
    assert before != [view.GetSliceToRAS().GetElement(2, 3) for view in views]


def test_a_row_without_a_place_says_so(compared, views):
    """The summary of all segments is about no place of its own."""
    results = compared.run.results
    results.choice.setCurrentIndex(1)
    results.table.cellClicked.emit(0, 0)
    assert results.hint.text == ""
    results.show_results({"t": "T"}, {"t": table_of_one_place_and_none()})
    assert "shows its place" in results.hint.text
    results.table.cellClicked.emit(1, 0)
    assert "no place" in results.hint.text


def test_any_table_with_declared_columns_leads_to_its_places(standin, views):
    """The panel knows no operation by name."""
    from MedImgAnalysisLib.panel.result_table import ResultTable
    from MedImgAnalysisLib.scene import bridge
    from MedImgAnalysisLib.values import Column, Measurements

    columns = (Column("who", "Who", dtype=str), *(Column(c, c, "mm", position=c.upper()) for c in "lps"))
    rows = tuple({"who": f"n{n}", "l": float(n), "p": 2.0 * n, "s": -3.0 * n} for n in range(1, 8))
    node = bridge.add_node(Measurements(columns, rows), "Places", kind="table")
    results = ResultTable()
    results.show_results({"x": "X"}, {"x": node})
    assert (results.table.rowCount, results.table.columnCount) == (7, 4)
    results.table.cellClicked.emit(2, 0)
    assert views[0].GetSliceToRAS().GetElement(2, 3) == pytest.approx(-9)


def test_undefined_numbers_are_dashes_with_their_reason(standin):
    from MedImgAnalysisLib.panel.result_table import ResultTable
    from MedImgAnalysisLib.scene import bridge
    from MedImgAnalysisLib.values import Column, Measurements

    columns = (Column("a", "A"), Column("b", "B"), Column("status", "Status", dtype=str))
    rows = ({"a": 1.0, "b": float("nan"), "status": "test_empty"}, {"a": 2.0, "b": 3.0, "status": ""})
    results = ResultTable()
    results.show_results({"t": "T"}, {"t": bridge.add_node(Measurements(columns, rows), "T", kind="table")})
    cell = results.table.item(0, 1)
    assert (cell.text(), cell.toolTip()) == ("-", "test_empty")


def test_a_long_text_does_not_push_numbers_out_of_sight(standin):
    from MedImgAnalysisLib.panel.result_table import WIDEST, ResultTable
    from MedImgAnalysisLib.scene import bridge
    from MedImgAnalysisLib.values import Column, Measurements

    columns = (*(Column(f"m{n}", f"M{n}") for n in range(6)), Column("status", "Status", "", "Why", str))
    words = "zero_variance; " * 20
    row = {**{f"m{n}": 1.5 for n in range(6)}, "status": words}
    shown = ResultTable()
    shown.show_results({"t": "T"}, {"t": bridge.add_node(Measurements(columns, (row, row)), "T", kind="table")})
    assert shown.table.columnWidth(0) <= WIDEST
    assert words.strip() in shown.table.item(6, 0).toolTip()


def test_a_removed_table_is_shown_no_more(compared):
    import slicer

    slicer.mrmlScene.RemoveNode(slicer.mrmlScene.GetFirstNodeByName("Reader 1 Compare segmentations table"))
    assert compared.run.results.widget.isHidden()


def test_a_closed_scene_leaves_no_table(compared):
    import slicer

    slicer.mrmlScene.Clear()
    assert compared.run.results.widget.isHidden()


def test_a_plot_is_shown_only_when_asked(standin, monkeypatch, press):
    from MedImgAnalysisLib.panel import result_table
    from MedImgAnalysisLib.scene import bridge
    from MedImgAnalysisLib.values import Curve, Curves

    chart = bridge.add_node(Curves("C", "x", "y", (Curve("c", np.arange(3.0), np.arange(3.0)),)), "C", kind="curves")
    shown = []
    monkeypatch.setattr(result_table, "show_chart", shown.append)
    results = result_table.ResultTable()
    results.show_results({"curves": "Curves"}, {"curves": chart})
    assert not results.plots.isHidden() and not shown
    results._buttons[0].click()
    assert shown == [chart]


def test_the_shown_chart_is_the_one_of_the_plot_view(standin):
    import slicer
    from MedImgAnalysisLib.panel.result_table import show_chart
    from MedImgAnalysisLib.scene import bridge
    from MedImgAnalysisLib.values import Curve, Curves

    chart = bridge.add_node(Curves("C", "x", "y", (Curve("c", np.arange(3.0), np.arange(3.0)),)), "C", kind="curves")
    show_chart(chart)
    selection = slicer.mrmlScene.GetFirstNodeByClass("vtkMRMLSelectionNode")
    assert selection.GetActivePlotChartID() == chart.GetID()


def test_the_page_of_a_run_is_saved(compared, press, answer_files, tmp_path):
    path = tmp_path / "page.html"
    answer_files(path)
    press(compared.run.page_button)
    text = path.read_text(encoding="utf-8")
    assert "Reader 1" in text and "data:image/png" in text and "Macro Dice" in text
    assert str(path) in compared.run.status.text


def test_a_page_whose_input_is_gone_says_so(compared, press, answer_files, tmp_path):
    import slicer

    slicer.mrmlScene.RemoveNode(slicer.mrmlScene.GetFirstNodeByName("Reader 2"))
    answer_files(tmp_path / "page.html")
    press(compared.run.page_button)
    assert "not in the scene" in compared.run.status.text and not list(tmp_path.iterdir())


def test_the_log_shows_quotes_and_signs_as_they_were_written(standin):
    import qt
    from MedImgAnalysisLib.panel.result_log import ResultLog

    browser = qt.QTextBrowser()
    log = ResultLog(browser)
    log.warn("'T1' & <T2> differ")
    log.say("a < b")
    assert browser.toPlainText().splitlines()[-2:] == ["Note: 'T1' & <T2> differ", "a < b"]
