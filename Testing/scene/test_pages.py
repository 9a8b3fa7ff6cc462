"""The page of a run from its nodes."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk
from medimg_testing import oblique_grid
from MedImgAnalysisLib.errors import InputError
from MedImgAnalysisLib.scene import bridge
from MedImgAnalysisLib.scene.logic import OperationLogic
from MedImgAnalysisLib.values import Labels
from scene_helpers import add_transform, put_under, rigid_matrix


def labels(shift: int) -> Labels:
    array = np.zeros((12, 14, 16), np.uint8)
    array[3:8, 4:9, 5 + shift : 10 + shift] = 1
    return Labels.from_masks([("Box", oblique_grid(sitk.GetImageFromArray(array)))])


@pytest.fixture
def raters():
    return [bridge.add_node(labels(shift), f"Rater {shift}", kind="labels") for shift in (0, 2)]


def test_a_comparison_becomes_a_page_with_picture_plot_and_tables(raters, tmp_path):
    nodes = OperationLogic().run("compare_many", reference=[raters[0]], test=[raters[1]])
    path = OperationLogic().save_page(tmp_path / "many.html", nodes)
    text = path.read_text(encoding="utf-8")
    assert "<title>Compare many segmentations: Rater 0</title>" in text
    assert text.count('<svg class="plot"') == 1 and "data:image/png" in text
    assert "Rater 2" in text and "<td>in_order</td>" in text


def test_inputs_under_a_transform_are_shown_where_they_were_measured(raters, tmp_path):
    parent = add_transform(rigid_matrix())
    for node in raters:
        put_under(node, parent)
    nodes = OperationLogic().run("compare_segmentations", reference=raters[0], test=raters[1], mark_errors=True)
    text = OperationLogic().save_page(tmp_path / "a.html", nodes).read_text(encoding="utf-8")
    assert "Box false positive" in text


def test_a_page_of_an_image_has_its_grid(tmp_path):
    image = oblique_grid(
        sitk.GetImageFromArray(np.random.default_rng(1).normal(100, 5, (9, 20, 22)).astype(np.float32))
    )
    node = bridge.add_node(image, "Noise", kind="image")
    nodes = OperationLogic().run("quality_report", image=node, subject="phantom")
    text = OperationLogic().save_page(tmp_path / "q.html", nodes.table, nodes.noise).read_text(encoding="utf-8")
    assert "22 x 20 x 9" in text and "Uniformity" in text


def test_nodes_of_two_runs_or_of_none_are_refused(raters, tmp_path):
    logic = OperationLogic()
    first = logic.run("compare_segmentations", reference=raters[0], test=raters[1])
    second = logic.run("compare_segmentations", reference=raters[1], test=raters[0], surfaces="none")
    for nodes in ((first.table, second.table), (raters[0],), ()):
        with pytest.raises(InputError):
            logic.save_page(tmp_path / "x.html", *nodes)
    assert not list(tmp_path.iterdir())
