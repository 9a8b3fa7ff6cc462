"""Preview on the filtering panel: the slice of a view, by the code of the whole run, and nothing of it stays."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from panel_helpers import (
    FILTERING,
    add_segmentation,
    add_volume,
    choose,
    look_at,
    noisy_image,
    view_nodes,
    volumes,
    voxels,
)


@pytest.fixture
def panel(load_module):
    """The panel with a volume shown in the red view, which looks along k in the middle."""
    import slicer

    volume = add_volume("T1")
    loaded = load_module(FILTERING)
    panel = loaded.widget.panel
    for view in ("Red", "Green", "Yellow"):
        slicer.app.layoutManager().sliceWidget(view)
    look_at(volume, 7)
    return panel


def preview_node():
    from MedImgAnalysisLib.scene.previews import ATTRIBUTE

    return next((node for node in volumes() if node.GetAttribute(ATTRIBUTE)), None)


def expected(operation: str, index: int, axis: int = 2, **parameters) -> np.ndarray:
    from MedImgAnalysisLib.catalog import find
    from MedImgAnalysisLib.execution import execute

    whole = execute(find(operation)(**parameters), {"image": noisy_image()}).outputs["image"]
    return np.take(sitk.GetArrayFromImage(whole), [index], axis=2 - axis)


@pytest.fixture
def shown(panel, wait_until):
    """Wait for the preview that belongs to what the panel shows."""

    def wait():
        section = panel.preview
        wait_until(lambda: not section._timer.active and not section.runner.running, timeout=20)
        return preview_node()

    return wait


def test_the_slice_of_the_view_is_shown_as_the_whole_run_would_make_it(panel, shown):
    choose(panel.chooser.combo, "median")
    panel.preview.check_box.setChecked(True)
    node = shown()
    np.testing.assert_array_equal(voxels(node), expected("median", 7))
    assert "Slice 7 along k" in panel.preview.status.text
    composite = view_nodes()[1]
    assert composite.GetForegroundVolumeID() == node.GetID() and composite.GetForegroundOpacity() == 1.0
    assert node.GetHideFromEditors() and not node.GetSaveWithScene()
    assert node.GetDisplayNode().GetHideFromEditors() and not node.GetDisplayNode().GetSaveWithScene()


def test_a_changed_parameter_is_shown_and_the_last_one_wins(panel, shown):
    choose(panel.chooser.combo, "median")
    panel.preview.check_box.setChecked(True)
    shown()
    for radius in (2, 3, 2):
        panel.form.fields["radius_voxels"].widget.setValue(radius)
    np.testing.assert_array_equal(voxels(shown()), expected("median", 7, radius_voxels=2))
    assert len(volumes()) == 2


def test_scrolling_shows_the_next_slice_and_other_views_their_own(panel, shown):
    choose(panel.chooser.combo, "median")
    panel.preview.check_box.setChecked(True)
    shown()
    (volume,) = [node for node in volumes() if node is not preview_node()]
    look_at(volume, 11)
    np.testing.assert_array_equal(voxels(shown()), expected("median", 11))
    look_at(volume, 5, axis=0, view="Yellow")
    panel.preview.view.setCurrentIndex(panel.preview.view.findText("Yellow"))
    np.testing.assert_array_equal(voxels(shown()), expected("median", 5, axis=0))
    assert not view_nodes("Red")[1].GetForegroundVolumeID()


def test_the_scene_is_as_before_when_the_preview_is_off(panel, shown, process_events):
    from MedImgAnalysisLib.scene.digest import changes, scene_digest

    other = add_volume("FLAIR")
    composite = view_nodes()[1]
    composite.SetForegroundVolumeID(other.GetID())
    composite.SetForegroundOpacity(0.25)
    process_events(0.2)
    field_of_view = view_nodes()[0].GetFieldOfView()
    before = scene_digest()
    panel.preview.check_box.setChecked(True)
    assert shown() is not None
    assert view_nodes()[0].GetFieldOfView() == field_of_view
    panel.preview.check_box.setChecked(False)
    process_events(0.2)
    after = scene_digest()
    assert changes(before, after) == changes(before, before)
    assert composite.GetForegroundVolumeID() == other.GetID() and composite.GetForegroundOpacity() == 0.25


@pytest.mark.parametrize("leave", ["exit", "operation", "save", "close", "apply", "delete"])
def test_the_preview_goes_when_it_is_left(panel, shown, press, wait_until, leave):
    import slicer

    panel.preview.check_box.setChecked(True)
    node = shown()
    identifier = node.GetID()
    if leave == "exit":
        panel.exit()
    elif leave == "operation":
        choose(panel.chooser.combo, "sobel")
    elif leave == "save":
        slicer.mrmlScene.InvokeEvent(slicer.vtkMRMLScene.StartSaveEvent)
    elif leave == "close":
        slicer.mrmlScene.Clear(0)
    elif leave == "delete":
        slicer.mrmlScene.RemoveNode(node)
    else:
        press(panel.run.apply_button)
        wait_until(lambda: not panel.run.runner.running)
    del node
    assert preview_node() is None and not panel.preview.check_box.checked
    assert slicer.mrmlScene.GetNodeByID(identifier) is None
    wait_until(lambda: not panel.preview.runner.running)


def test_fading_and_before_after_do_not_compute_anew(panel, shown, press, monkeypatch):
    panel.preview.check_box.setChecked(True)
    shown()
    composite = view_nodes()[1]
    monkeypatch.setattr(panel.preview, "_start", lambda: pytest.fail("computed"))
    panel.preview.fade.value = 40
    assert composite.GetForegroundOpacity() == pytest.approx(0.4)
    press(panel.preview.swap)
    assert composite.GetForegroundOpacity() == 1.0
    press(panel.preview.swap)
    assert composite.GetForegroundOpacity() == 0.0


def test_what_has_no_faithful_preview_says_so(panel, shown):
    choose(panel.chooser.combo, "canny")
    panel.preview.check_box.setChecked(True)
    assert shown() is None
    assert "cannot be previewed faithfully" in panel.preview.status.text
    assert "followed through the whole image" in panel.preview.status.text


def test_operations_that_give_no_image_offer_none(panel):
    choose(panel.chooser.combo, "check_integrity")
    assert panel.preview.widget.isHidden()
    choose(panel.chooser.combo, "gaussian")
    assert not panel.preview.widget.isHidden()


def test_a_view_beside_the_image_says_so(panel, shown):
    (volume,) = volumes()
    look_at(volume, 99)
    panel.preview.check_box.setChecked(True)
    assert shown() is None and "shows no slice" in panel.preview.status.text


def test_an_error_is_told_in_words(panel, shown):
    import slicer

    (volume,) = volumes()
    slicer.util.arrayFromVolume(volume)[0, 0, 0] = np.nan
    slicer.util.arrayFromVolumeModified(volume)
    panel.preview.check_box.setChecked(True)
    assert shown() is None and "NaN" in panel.preview.status.text


def test_a_volume_under_a_transform_is_previewed_where_it_is(panel, shown):
    import slicer
    import vtk

    (volume,) = volumes()
    matrix = vtk.vtkMatrix4x4()
    matrix.SetElement(0, 3, 30.0)
    parent = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
    parent.SetMatrixTransformToParent(matrix)
    volume.SetAndObserveTransformNodeID(parent.GetID())
    slice_node = view_nodes()[0]
    for row, shift in enumerate((30.0, 0.0, 0.0)):
        slice_node.GetSliceToRAS().SetElement(row, 3, slice_node.GetSliceToRAS().GetElement(row, 3) + shift)
    slice_node.UpdateMatrices()
    choose(panel.chooser.combo, "median")
    panel.preview.check_box.setChecked(True)
    node = shown()
    np.testing.assert_array_equal(voxels(node), expected("median", 7))
    assert node.GetParentTransformNode() is parent


def test_a_stale_preview_is_stopped(panel, shown, wait_until, monkeypatch):
    from MedImgAnalysisLib.filtering import Median

    stopped = []
    true = Median.run

    def slow(self, image, mask=None, *, progress):
        if self.radius_voxels == 3:
            import time

            try:
                for _ in range(1000):
                    progress.report(0.1)
                    time.sleep(0.01)
            except BaseException:
                stopped.append(True)
                raise
        return true(self, image, mask, progress=progress)

    Median.inputs()
    Median.outputs()
    monkeypatch.setattr(Median, "run", slow)
    choose(panel.chooser.combo, "median")
    panel.form.fields["radius_voxels"].widget.setValue(3)
    panel.preview.check_box.setChecked(True)
    wait_until(lambda: "Computing" in panel.preview.status.text)
    panel.form.fields["radius_voxels"].widget.setValue(1)
    np.testing.assert_array_equal(voxels(shown()), expected("median", 7))
    assert stopped == [True]


def test_a_mask_limits_the_preview_as_it_does_the_run(panel, shown):
    (volume,) = volumes()
    node, segment = add_segmentation(volume)
    choose(panel.chooser.combo, "median")
    mask = panel.inputs.selectors["mask"].widget
    mask.setCurrentNode(node)
    mask.setCurrentSegmentID(segment)
    panel.preview.check_box.setChecked(True)
    found, before = voxels(shown())[0], voxels(volume)[7]
    changed = found != before
    assert changed.any() and not changed[:4].any() and not changed[:, :5].any()
    np.testing.assert_array_equal(found[changed], expected("median", 7)[0][changed])


def test_the_plan_is_told_above_apply(panel, monkeypatch):
    monkeypatch.setenv("MEDIMG_FREE_MEMORY", "9.8e9")
    choose(panel.chooser.combo, "nonlocal_means")
    assert "of 9.8 GB free" in panel.run.plan.text and panel.run.plan.text.startswith("Needs about")
    (volume,) = volumes()
    node, segment = add_segmentation(volume)
    panel.inputs.selectors["mask"].widget.setCurrentNode(node)
    panel.inputs.selectors["mask"].widget.setCurrentSegmentID(segment)
    assert panel.run.plan.text.startswith("At most about")
    monkeypatch.setenv("MEDIMG_FREE_MEMORY", "20000")
    panel.inputs.selectors["mask"].widget.setCurrentNode(None)
    choose(panel.chooser.combo, "canny")
    assert "canny needs" in panel.run.plan.text and "Crop the image" in panel.run.plan.text


def test_picture(panel, shown, grab, tmp_path, monkeypatch):
    from PySide6.QtGui import QImage

    monkeypatch.setenv("MEDIMG_FREE_MEMORY", "9.8e9")
    folder = Path(os.environ.get("MEDIMG_PANEL_PNG") or tmp_path)
    folder.mkdir(parents=True, exist_ok=True)
    choose(panel.chooser.combo, "nonlocal_means")
    panel.preview.check_box.setChecked(True)
    shown()
    panel.preview.fade.value = 60
    picture = QImage(str(grab(panel.module_widget.parent, folder / "MedImgFiltering-preview.png")))
    assert picture.width() >= 400 and picture.height() >= 300
    choose(panel.chooser.combo, "canny")
    panel.preview.check_box.setChecked(True)
    shown()
    grab(panel.module_widget.parent, folder / "MedImgFiltering-no-preview.png")
