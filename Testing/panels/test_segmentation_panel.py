"""The segmentation page: points from the form, previews of segments, surfaces and tables in the views."""

from __future__ import annotations

import numpy as np
import pytest
from panel_helpers import MODULES, add_volume, choose, look_at, noisy_image, view_nodes

SEGMENTATION = MODULES / "MedImgSegmentation" / "MedImgSegmentation.py"


@pytest.fixture
def volume():
    return add_volume("T1")


@pytest.fixture
def panel(load_module, volume):
    import slicer

    panel = load_module(SEGMENTATION).widget.panel
    for view in ("Red", "Green", "Yellow"):
        slicer.app.layoutManager().sliceWidget(view)
    look_at(volume, 7)
    return panel


def label_maps():
    import slicer

    return slicer.util.getNodesByClass("vtkMRMLLabelMapVolumeNode")


@pytest.fixture
def shown(panel, wait_until):
    """Wait for the preview that belongs to what the panel shows, and give its voxels."""
    import slicer

    def wait():
        section = panel.preview
        wait_until(lambda: not section._timer.active and not section.runner.running, timeout=20)
        found = label_maps()
        return np.array(slicer.util.arrayFromVolume(found[0])) if found else None

    return wait


def expected(operation: str, index: int, **parameters) -> np.ndarray:
    import SimpleITK as sitk
    from MedImgAnalysisLib.catalog import find
    from MedImgAnalysisLib.execution import execute

    labels = execute(find(operation)(**parameters), {"image": noisy_image()}).outputs["labels"]
    whole = sum(n * sitk.GetArrayFromImage(labels.mask(s)).astype(int) for n, s in enumerate(labels.segments, 1))
    return whole[index : index + 1]


# Preview


@pytest.mark.parametrize("name", ["auto_threshold", "multi_otsu", "local_threshold", "threshold"])
def test_segments_of_the_slice_are_shown_over_it_in_their_colours(panel, shown, name):
    choose(panel.chooser.combo, name)
    if name == "threshold":
        panel.state.keep_parameters(name, {"lower": 40.0, "upper": None, "segment": "Foreground"})
    panel.preview.check_box.setChecked(True)
    found = shown()
    np.testing.assert_array_equal(found, expected(name, 7, **({"lower": 40.0} if name == "threshold" else {})))
    (node,), composite = label_maps(), view_nodes()[1]
    assert composite.GetLabelVolumeID() == node.GetID() and composite.GetLabelOpacity() == 0.5
    colors, color = node.GetDisplayNode().GetColorNode(), [0.0] * 4
    colors.GetColor(1, color)
    from MedImgAnalysisLib.values import PALETTE

    assert tuple(color[:3]) == pytest.approx(PALETTE[0], abs=0.003) and not colors.GetSaveWithScene()
    assert "Slice 7 along k" in panel.preview.status.text


def test_a_moved_threshold_is_shown_and_the_slider_fades_it(panel, shown):
    choose(panel.chooser.combo, "multi_otsu")
    panel.preview.check_box.setChecked(True)
    shown()
    panel.form.fields["classes"].widget.setValue(4)
    np.testing.assert_array_equal(shown(), expected("multi_otsu", 7, classes=4))
    assert len(label_maps()) == 1
    panel.preview.fade.value = 20
    assert view_nodes()[1].GetLabelOpacity() == pytest.approx(0.1)


def test_the_scene_is_as_before_when_the_preview_of_segments_is_off(panel, volume, shown, process_events):
    from MedImgAnalysisLib.scene.digest import changes, scene_digest

    composite = view_nodes()[1]
    composite.SetLabelOpacity(0.7)
    process_events(0.2)
    before = scene_digest()
    panel.preview.check_box.setChecked(True)
    assert shown() is not None
    panel.preview.check_box.setChecked(False)
    process_events(0.2)
    after = scene_digest()
    assert changes(before, after) == changes(before, before)
    assert not composite.GetLabelVolumeID() and composite.GetLabelOpacity() == 0.7


def test_what_cannot_be_previewed_says_why(panel, shown):
    choose(panel.chooser.combo, "hysteresis_threshold")
    assert not panel.preview.widget.isHidden()
    panel.preview.check_box.setChecked(True)
    assert shown() is None
    assert "weak voxels are followed" in panel.preview.status.text
    assert panel.preview.status.text.endswith("cannot be previewed faithfully.")


def test_segments_can_change_to_an_image_and_back(panel, shown):
    """Another operation switches the preview off; nothing of the label map stays."""
    panel.preview.check_box.setChecked(True)
    assert shown() is not None
    choose(panel.chooser.combo, "watershed")
    assert not label_maps() and not panel.preview.on


def test_a_snake_follows_the_points_that_are_moved(panel, volume, shown, process_events):
    import slicer

    choose(panel.chooser.combo, "snake_2d")
    panel.inputs.selectors["curve"].points.button.click()
    curve = panel.inputs.selectors["curve"].nodes()[0]
    assert curve.GetClassName() == "vtkMRMLMarkupsClosedCurveNode"
    to_ras = slicer.util.vtkMatrixFromArray(np.eye(4))
    volume.GetIJKToRASMatrix(to_ras)
    for angle in np.linspace(0, 2 * np.pi, 8, endpoint=False):
        point = to_ras.MultiplyPoint([11.5 + 9 * np.cos(angle), 9.5 + 7.5 * np.sin(angle), 7.0, 1.0])
        curve.AddControlPointWorld(point[:3])
    panel.preview.check_box.setChecked(True)
    first = shown()
    assert first is not None and first.sum() > 20
    curve.SetNthControlPointPositionWorld(0, to_ras.MultiplyPoint([14.5, 9.5, 7.0, 1.0])[:3])
    process_events(0.3)
    shown()
    assert "Slice 7" in panel.preview.status.text or "curve" in panel.preview.status.text


# Points


def test_one_click_makes_a_list_chooses_it_and_places_points(panel, volume):
    import slicer
    from MedImgAnalysisLib.scene import placing

    choose(panel.chooser.combo, "grow_connected")
    selector = panel.inputs.selectors["seed_points"]
    selector.points.button.click()
    (node,) = selector.nodes()
    assert node.GetClassName() == "vtkMRMLMarkupsFiducialNode" and node.GetName() == "Seed points"
    assert placing.active(node) and selector.points.button.checked
    assert panel.state.inputs("seed_points") == (node,)
    slicer.app.applicationLogic().GetInteractionNode().SwitchToViewTransformMode()  # a right click in a view
    assert not selector.points.button.checked
    selector.points.button.click()
    assert selector.nodes() == (node,) and placing.active(node)
    selector.points.button.click()
    assert not placing.active(node)


@pytest.mark.parametrize("leave", ["exit", "operation", "none", "delete"])
def test_placing_ends_when_its_list_is_left(panel, leave):
    import slicer
    from MedImgAnalysisLib.scene import placing

    choose(panel.chooser.combo, "grow_connected")
    selector = panel.inputs.selectors["seed_points"]
    selector.points.button.click()
    (node,) = selector.nodes()
    if leave == "exit":
        panel.exit()
    elif leave == "operation":
        choose(panel.chooser.combo, "threshold")
    elif leave == "none":
        selector.widget.setCurrentNode(None)
    else:
        slicer.mrmlScene.RemoveNode(node)
    mode = placing.mode_node()
    assert mode.GetCurrentInteractionMode() != mode.Place


def test_another_list_gets_the_points_from_then_on(panel):
    from MedImgAnalysisLib.scene import placing

    choose(panel.chooser.combo, "grow_connected")
    selector = panel.inputs.selectors["seed_points"]
    selector.points.button.click()
    other = placing.new_points("vtkMRMLMarkupsFiducialNode", "Others")
    selector.widget.setCurrentNode(other)
    assert placing.active(other) and selector.points.button.checked


def test_growing_starts_from_points_that_were_placed(panel, volume, press, wait_until):
    import slicer

    choose(panel.chooser.combo, "grow_connected")
    panel.form.fields["widen"].widget.setValue(20)
    panel.inputs.selectors["seed_points"].points.button.click()
    (node,) = panel.inputs.selectors["seed_points"].nodes()
    to_ras = slicer.util.vtkMatrixFromArray(np.eye(4))
    volume.GetIJKToRASMatrix(to_ras)
    node.AddControlPointWorld(to_ras.MultiplyPoint([12, 10, 8, 1])[:3])
    press(panel.run.apply_button)
    wait_until(lambda: not panel.run.runner.running, timeout=30)
    assert "Done in" in panel.run.status.text
    (made,) = slicer.util.getNodesByClass("vtkMRMLSegmentationNode")
    inside = slicer.util.arrayFromSegmentBinaryLabelmap(made, made.GetSegmentation().GetNthSegmentID(0), volume)
    assert inside[8, 10, 12] and 50 < inside.sum() < inside.size / 2


# Views


@pytest.fixture
def done(panel, press, wait_until):
    """The panel after an automatic threshold."""
    press(panel.run.apply_button)
    wait_until(lambda: not panel.run.runner.running, timeout=30)
    return panel


def segmentation():
    import slicer

    (node,) = slicer.util.getNodesByClass("vtkMRMLSegmentationNode")
    return node


def test_new_segments_are_shown_in_3d_and_no_longer(done, press):
    button = done.run.surfaces.button
    assert not button.isHidden() and not button.checked
    node = segmentation()
    assert not node.GetSegmentation().ContainsRepresentation("Closed surface")
    press(button)
    identity = node.GetSegmentation().GetNthSegmentID(0)
    assert node.GetClosedSurfaceInternalRepresentation(identity).GetNumberOfPoints() > 100
    assert node.GetDisplayNode().GetSegmentVisibility3D(identity) and node.GetDisplayNode().GetVisibility3D()
    press(button)
    assert not node.GetDisplayNode().GetSegmentVisibility3D(identity) and node.GetDisplayNode().GetVisibility2D()


def test_a_table_is_shown_in_a_layout_with_a_table_view(done, press):
    import slicer

    press(done.run.results.show_button)
    manager = slicer.app.layoutManager()
    assert manager.layout == slicer.vtkMRMLLayoutNode.SlicerLayoutFourUpTableView
    table = slicer.util.getNode("T1 Automatic threshold table")
    assert slicer.app.applicationLogic().GetSelectionNode().GetActiveTableID() == table.GetID()


def test_the_buttons_go_with_the_results(done):
    import slicer

    slicer.mrmlScene.RemoveNode(segmentation())
    assert done.run.surfaces.button.isHidden()
