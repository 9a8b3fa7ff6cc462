"""Regions of interest in the selectors of masks and segmentations."""

from __future__ import annotations

import numpy as np
import pytest
from panel_helpers import FILTERING, MODULES, add_segmentation, add_volume, choose, noisy_image, voxels

QUALITY = MODULES / "MedImgQuality" / "MedImgQuality.py"


def add_roi(name: str = "Box", share: float = 0.5):
    """A ROI along the axes of RAS in the middle of the image."""
    import slicer
    from MedImgAnalysisLib.geometry import Grid

    corners = Grid.of(noisy_image()).corners * (-1, -1, 1)
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLMarkupsROINode", name)
    node.SetCenter(*corners.mean(axis=0).tolist())
    node.SetSize(*(share * np.ptp(corners, axis=0) / 2).tolist())
    return node


@pytest.fixture
def filtering(load_module):
    add_volume()
    return load_module(FILTERING).widget.panel


def test_the_row_is_there_when_the_scene_has_a_region(filtering):
    import slicer

    picker = filtering.inputs.selectors["mask"].regions
    assert picker.widget.isHidden() and picker.label.isHidden()
    roi = add_roi()
    assert not picker.widget.isHidden() and not picker.label.isHidden()
    slicer.mrmlScene.RemoveNode(roi)
    assert picker.widget.isHidden()


def test_a_region_replaces_a_segment_and_the_other_way_round(filtering):
    selector = filtering.inputs.selectors["mask"]
    node, segment = add_segmentation(add_volume("Other"))
    roi = add_roi()
    selector.widget.setCurrentNode(node)
    selector.widget.setCurrentSegmentID(segment)
    selector.regions.widget.setCurrentNode(roi)
    assert (selector.nodes(), selector.segment()) == ((roi,), "")
    selector.widget.setCurrentNode(node)
    selector.widget.setCurrentSegmentID(segment)
    assert selector.nodes() == (node,) and selector.regions.nodes() == ()


def test_a_run_with_a_region_changes_the_voxels_in_it_only(filtering, press, wait_until):
    import slicer
    from MedImgAnalysisLib.geometry import Grid
    from MedImgAnalysisLib.scene import rois

    roi = add_roi()
    filtering.inputs.selectors["mask"].regions.widget.setCurrentNode(roi)
    press(filtering.run.apply_button)
    wait_until(lambda: not filtering.run.runner.running)
    made = slicer.mrmlScene.GetFirstNodeByName("T1 Gaussian smoothing")
    import SimpleITK as sitk

    inside = sitk.GetArrayFromImage(rois.roi_mask(roi, Grid.of(noisy_image()))) > 0
    before, after = sitk.GetArrayFromImage(noisy_image()), voxels(made)
    assert inside.any() and np.array_equal(before[~inside], after[~inside])
    assert (before[inside] != after[inside]).all()


def test_the_choice_is_kept_in_the_parameter_node(filtering, load_module):
    roi = add_roi()
    filtering.inputs.selectors["mask"].regions.widget.setCurrentNode(roi)
    state = filtering.state
    filtering.exit()
    filtering.inputs.selectors["mask"].regions.show(())
    filtering.enter()
    assert state.inputs("mask") == (roi,)
    assert filtering.inputs.selectors["mask"].nodes() == (roi,)


def test_several_regions_are_measured_as_one_segmentation(load_module, press, wait_until):
    import slicer
    from MedImgAnalysisLib.scene import bridge

    add_volume()
    first, second = add_roi("Signal", 0.4), add_roi("Ground", 0.8)
    panel = load_module(QUALITY).widget.panel
    choose(panel.chooser.combo, "measure_signal")
    selector = panel.inputs.selectors["regions"]
    for roi in (first, second):
        selector.regions.widget.check(roi)
    assert set(selector.nodes()) == {first, second}
    call = panel.request().python_call("MedImgQuality")
    assert "regions=[slicer.util.getNode('Signal'), slicer.util.getNode('Ground')]" in call
    press(panel.run.apply_button)
    wait_until(lambda: not panel.run.runner.running)
    table = bridge.value_of(
        slicer.mrmlScene.GetFirstNodeByName("T1 Measure signal table")
        or slicer.util.getNodesByClass("vtkMRMLTableNode")[0],
        "table",
    )
    assert {row["segment"] for row in table.rows} == {"Signal", "Ground"}
