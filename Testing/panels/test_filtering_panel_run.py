"""Apply on the filtering panel, as a user presses it; the scene is the real one."""

from __future__ import annotations

import json

import numpy as np
import pytest
import SimpleITK as sitk
from panel_helpers import (
    FILTERING,
    add_segmentation,
    add_volume,
    choose,
    log_text,
    noisy_image,
    view_nodes,
    volumes,
    voxels,
)


@pytest.fixture
def filtering(load_module):
    return load_module(FILTERING)


@pytest.fixture
def apply(filtering, press, wait_until):
    """Press Apply, wait for the end and give the new volumes."""

    def run():
        before = volumes()
        press(filtering.widget.panel.run.apply_button)
        wait_until(lambda: not filtering.widget.panel.run.runner.running, timeout=20)
        return [node for node in volumes() if node not in before]

    return run


def expected(operation: str, image: sitk.Image, mask: sitk.Image | None = None, **parameters) -> np.ndarray:
    from MedImgAnalysisLib.catalog import find
    from MedImgAnalysisLib.execution import execute

    result = execute(find(operation)(**parameters), {"image": image, "mask": mask})
    return sitk.GetArrayFromImage(result.outputs["image"])


def test_gaussian_gives_the_voxels_of_the_library(filtering, apply):
    volume = add_volume()
    panel = filtering.widget.panel
    panel.enter()
    panel.form.fields["sigma_mm"].widget.setValue(2.5)
    (made,) = apply()
    np.testing.assert_array_equal(voxels(made), expected("gaussian", noisy_image(), sigma_mm=2.5))
    assert made.GetName() == "T1 Gaussian smoothing"
    assert np.array_equal(voxels(volume), sitk.GetArrayFromImage(noisy_image()))


def test_median_gives_the_voxels_of_the_library(filtering, apply):
    add_volume()
    panel = filtering.widget.panel
    panel.enter()
    choose(panel.chooser.combo, "median")
    panel.form.fields["in_plane"].widget.setChecked(True)
    (made,) = apply()
    np.testing.assert_array_equal(voxels(made), expected("median", noisy_image(), in_plane=True))


@pytest.mark.parametrize("operation", ["gaussian", "median"])
def test_a_segment_limits_where_the_filter_works(filtering, apply, operation):
    from MedImgAnalysisLib.scene import bridge

    volume = add_volume()
    node, segment = add_segmentation(volume)
    panel = filtering.widget.panel
    panel.enter()
    choose(panel.chooser.combo, operation)
    mask = panel.inputs.selectors["mask"].widget
    mask.setCurrentNode(node)
    mask.setCurrentSegmentID(segment)
    (made,) = apply()
    inside = bridge.value_of(node, "mask", segment)
    np.testing.assert_array_equal(voxels(made), expected(operation, noisy_image(), inside))
    untouched = sitk.GetArrayFromImage(inside) == 0
    assert np.array_equal(voxels(made)[untouched], voxels(volume)[untouched])
    assert not np.array_equal(voxels(made), voxels(volume))
    assert "Brain" in log_text(panel)


def test_the_result_is_where_the_input_is_and_knows_where_it_came_from(filtering, apply):
    import slicer
    from MedImgAnalysisLib.geometry import Grid
    from MedImgAnalysisLib.provenance import ATTRIBUTE
    from MedImgAnalysisLib.scene import bridge

    volume = add_volume()
    filtering.widget.panel.enter()
    (made,) = apply()
    assert Grid.of(bridge.value_of(made, "image")).same_as(Grid.of(noisy_image()))
    record = json.loads(made.GetAttribute(ATTRIBUTE))
    assert record["operation"] == "gaussian"
    assert record["parameters"]["sigma_mm"] == 1.0
    assert record["inputs"]["image"]["name"] == "T1"
    assert slicer.mrmlScene.GetNodeByID(record["inputs"]["image"]["id"]) is volume


def test_the_panel_and_the_logic_give_equal_voxels(filtering, apply):
    volume = add_volume()
    panel = filtering.widget.panel
    panel.enter()
    panel.form.fields["sigma_mm"].widget.setValue(1.7)
    (made,) = apply()
    again = filtering.logic.run("gaussian", image=volume, sigma_mm=1.7)
    assert again is not made
    assert np.array_equal(voxels(made), voxels(again))


def test_applying_again_keeps_the_first_result(filtering, apply):
    add_volume()
    panel = filtering.widget.panel
    panel.enter()
    (first,) = apply()
    kept = voxels(first)
    panel.form.fields["sigma_mm"].widget.setValue(4.0)
    (second,) = apply()
    assert np.array_equal(voxels(first), kept)
    assert not np.array_equal(voxels(second), kept)
    assert first.GetName() != second.GetName()


def test_a_chosen_output_is_written_over(filtering, apply):
    add_volume()
    panel = filtering.widget.panel
    panel.enter()
    (first,) = apply()
    panel.form.fields["sigma_mm"].widget.setValue(4.0)
    panel.outputs.show("image", first)
    assert apply() == []
    np.testing.assert_array_equal(voxels(first), expected("gaussian", noisy_image(), sigma_mm=4.0))


def test_apply_says_what_is_missing(filtering):
    panel = filtering.widget.panel
    button = panel.run.apply_button
    assert not button.enabled
    assert button.toolTip == "Choose a volume as image."
    assert panel.run.status.text == button.toolTip
    add_volume()
    panel.enter()
    assert button.enabled
    assert "scene changes only" in button.toolTip


def test_a_segmentation_without_a_segment_is_no_mask_in_silence(filtering):
    node, segment = add_segmentation(add_volume())
    panel = filtering.widget.panel
    panel.enter()
    mask = panel.inputs.selectors["mask"].widget
    mask.setCurrentNode(node)
    mask.setCurrentSegmentID("")
    assert not panel.run.apply_button.enabled
    assert "Choose a segment" in panel.run.apply_button.toolTip
    mask.setCurrentSegmentID(segment)
    assert panel.run.apply_button.enabled


def test_the_input_cannot_be_the_output(filtering):
    volume = add_volume()
    panel = filtering.widget.panel
    panel.enter()
    panel.outputs.show("image", volume)
    assert not panel.run.apply_button.enabled
    assert "T1 is an input" in panel.run.apply_button.toolTip


def test_the_log_tells_what_was_written_how_long_it_took_and_warnings(filtering, apply):
    add_volume()
    panel = filtering.widget.panel
    panel.enter()
    panel.form.fields["sigma_mm"].widget.setValue(0.1)
    apply()
    text = log_text(panel)
    assert "Gaussian smoothing of T1" in text
    assert "Note: Sigma 0.1 mm is too small" in text
    assert "Image: T1 Gaussian smoothing" in text
    assert " s." in panel.run.status.text
    panel.run.clear_button.click()
    assert log_text(panel) == ""


def test_the_new_volume_is_shown_without_moving_the_views(filtering, apply):
    from slicer_standin.record import RECORD

    view_nodes()[1].SetBackgroundVolumeID(add_volume().GetID())
    filtering.widget.panel.enter()
    (made,) = apply()
    assert RECORD.slice_layers == [{"background": made, "fit": False}]


def test_without_a_layout_nothing_is_shown_and_nothing_fails(filtering, apply, monkeypatch):
    import slicer

    monkeypatch.setattr(type(slicer.app), "layoutManager", lambda self: None)
    add_volume()
    filtering.widget.panel.enter()
    assert len(apply()) == 1


def test_the_name_of_the_new_node_is_shown_beforehand(filtering):
    add_volume("FLAIR")
    panel = filtering.widget.panel
    panel.enter()
    assert panel.outputs.combos["image"].noneDisplay == "New: FLAIR Gaussian smoothing"
