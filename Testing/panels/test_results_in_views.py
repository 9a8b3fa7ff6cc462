"""Where a result is shown after Apply, on real slice nodes, and that deleting its node undoes all of it."""

from __future__ import annotations

import pytest
from panel_helpers import FILTERING, MODULES, add_segmentation, add_volume, choose, view_nodes

REGISTRATION = MODULES / "MedImgRegistration" / "MedImgRegistration.py"
SEGMENTATION = MODULES / "MedImgSegmentation" / "MedImgSegmentation.py"
AGREEMENT = MODULES / "MedImgAgreement" / "MedImgAgreement.py"


@pytest.fixture
def run(press, wait_until):
    """Choose an operation, press Apply and wait for the end."""

    def apply(panel, operation):
        choose(panel.chooser.combo, operation)
        press(panel.run.apply_button)
        wait_until(lambda: not panel.run.runner.running, timeout=60)
        assert "Done in" in panel.run.status.text

    return apply


@pytest.fixture
def zoomed(standin):
    """Three slice views that a user has zoomed, moved and turned, and what there is to compare of them."""
    import slicer

    views = []
    for number, name in enumerate(("Red", "Green", "Yellow")):
        slicer.app.layoutManager().sliceWidget(name)
        node, composite = view_nodes(name)
        node.SetFieldOfView(37.0 + number, 29.0, 1.0)
        node.SetXYZOrigin(4.0, -3.0, 0.0)
        node.SetSliceOffset(5.5)
        views.append((node, composite))

    def state():
        return [
            (
                tuple(node.GetFieldOfView()),
                tuple(node.GetXYZOrigin()),
                node.GetSliceOffset(),
                [node.GetSliceToRAS().GetElement(row, column) for row in range(4) for column in range(4)],
            )
            for node, _composite in views
        ]

    return [composite for _node, composite in views], state


def show(composites, background, foreground=None, opacity=0.0):
    for composite in composites:
        composite.SetBackgroundVolumeID(background.GetID())
        composite.SetForegroundVolumeID(foreground.GetID() if foreground is not None else None)
        composite.SetForegroundOpacity(opacity)


def layers(composites):
    import slicer

    def name(identity):
        node = slicer.mrmlScene.GetNodeByID(identity or "")
        return node.GetName() if node is not None else None

    return [(name(c.GetBackgroundVolumeID()), name(c.GetForegroundVolumeID()), c.GetForegroundOpacity())
            for c in composites]  # fmt: skip


def remove_new(before):
    """Delete the nodes that a run has made, and the display and storage nodes that came with them."""
    import slicer
    from MedImgAnalysisLib.provenance import ATTRIBUTE

    scene = slicer.mrmlScene
    new = [scene.GetNthNode(n) for n in range(scene.GetNumberOfNodes()) if scene.GetNthNode(n).GetID() not in before]
    made = [node for node in new if node.GetAttribute(ATTRIBUTE)]
    assert made
    for node in [*made, *(node for node in new if node not in made)]:
        if scene.IsNodePresent(node):
            scene.RemoveNode(node)


def test_a_filtered_volume_takes_the_place_of_its_input_and_zoom_and_slice_stay(load_module, run, zoomed):
    composites, state = zoomed
    volume, other = add_volume("T1"), add_volume("PET")
    show(composites, volume, other, 0.3)
    before = state()
    run(load_module(FILTERING).widget.panel, "gaussian")
    assert layers(composites) == [("T1 Gaussian smoothing", "PET", 0.3)] * 3
    assert state() == before


def test_a_filtered_foreground_stays_in_the_foreground(load_module, run, zoomed):
    composites, state = zoomed
    volume, other = add_volume("T1"), add_volume("CT")
    show(composites, other, volume, 0.4)
    before = state()
    panel = load_module(FILTERING).widget.panel
    panel.inputs.selectors["image"].widget.setCurrentNode(volume)
    run(panel, "gaussian")
    assert layers(composites) == [("CT", "T1 Gaussian smoothing", 0.4)] * 3
    assert state() == before


def test_views_that_show_nothing_are_turned_to_the_result(load_module, run, zoomed):
    composites, state = zoomed
    add_volume("T1")
    before = state()
    run(load_module(FILTERING).widget.panel, "gaussian")
    assert layers(composites) == [("T1 Gaussian smoothing", None, 0.0)] * 3
    assert state() != before


def test_window_and_level_stay_for_the_same_kind_of_image_and_change_for_another(load_module, run):
    import slicer

    volume = add_volume("T1")
    shown = volume.GetDisplayNode()
    panel = load_module(FILTERING).widget.panel
    run(panel, "gaussian")
    same = slicer.util.getNode("T1 Gaussian smoothing").GetDisplayNode()
    assert (same.GetWindow(), same.GetLevel()) == (shown.GetWindow(), shown.GetLevel())
    run(panel, "gradient_magnitude")
    made = [n for n in slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode") if "radient" in n.GetName()]
    assert made[0].GetDisplayNode().GetAutoWindowLevel() == 1


def test_an_aligned_volume_is_blended_over_the_fixed_one(load_module, run, zoomed):
    composites, state = zoomed
    fixed, moving = add_volume("T1"), add_volume("FLAIR")
    show(composites, moving)
    before = state()
    panel = load_module(REGISTRATION).widget.panel
    panel.inputs.selectors["fixed"].widget.setCurrentNode(fixed)
    panel.inputs.selectors["moving"].widget.setCurrentNode(moving)
    run(panel, "register")
    assert layers(composites) == [("T1", "FLAIR to T1 image", 0.5)] * 3
    assert state() == before


def test_segments_are_outlined_also_in_a_segmentation_that_was_hidden(load_module, run, zoomed):
    composites, state = zoomed
    volume = add_volume("T1")
    show(composites, volume)
    target, _segment = add_segmentation(volume, "Organ")
    target.GetDisplayNode().SetVisibility(False)
    target.GetDisplayNode().SetVisibility2DOutline(False)
    before = state()
    panel = load_module(SEGMENTATION).widget.panel
    choose(panel.chooser.combo, "auto_threshold")
    panel.outputs.show("labels", target)
    run(panel, "auto_threshold")
    from MedImgAnalysisLib.scene import outputs

    display = target.GetDisplayNode()
    (new,) = outputs.segments_of(target)
    assert display.GetVisibility() and display.GetVisibility2DOutline() and display.GetVisibility2D()
    assert display.GetSegmentVisibility(new) and display.GetSegmentVisibility2DOutline(new)
    assert layers(composites) == [("T1", None, 0.0)] * 3
    assert state() == before


@pytest.mark.parametrize("mapped", [True, False])
def test_a_table_becomes_the_active_one_only_where_the_layout_has_a_table_view(load_module, run, mapped):
    import slicer
    from MedImgAnalysisLib.scene.standalone import application_logic

    view = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLTableViewNode")
    view.SetMappedInLayout(mapped)
    volume = add_volume("T1")
    add_segmentation(volume, "Reader 1")
    add_segmentation(volume, "Reader 2")
    layout = slicer.app.layoutManager().layout
    panel = load_module(AGREEMENT).widget.panel
    run(panel, "compare_segmentations")
    active = application_logic().GetSelectionNode().GetActiveTableID() or ""
    node = slicer.mrmlScene.GetNodeByID(active)
    assert bool(node is not None and node.IsA("vtkMRMLTableNode")) is mapped
    assert slicer.app.layoutManager().layout == layout


CASES = {
    "gaussian": FILTERING,
    "register": REGISTRATION,
    "auto_threshold": SEGMENTATION,
    "compare_segmentations": AGREEMENT,
}


@pytest.mark.parametrize("operation", CASES)
def test_deleting_the_new_nodes_undoes_all(load_module, run, zoomed, operation):
    from MedImgAnalysisLib.scene.digest import changes, scene_digest

    composites, _state = zoomed
    volume = add_volume("T1")
    add_volume("FLAIR")
    add_segmentation(volume, "Reader 1")
    add_segmentation(volume, "Reader 2")
    show(composites, volume)
    panel = load_module(CASES[operation]).widget.panel
    choose(panel.chooser.combo, operation)
    before = scene_digest()
    run(panel, operation)
    assert changes(before, scene_digest())["added"]
    remove_new(before)
    assert changes(before, scene_digest()) == {"added": [], "removed": [], "changed": []}


def test_deleting_the_last_of_two_results_shows_the_one_before(load_module, run, zoomed):
    import slicer

    composites, state = zoomed
    volume = add_volume("T1")
    show(composites, volume)
    panel = load_module(FILTERING).widget.panel
    run(panel, "gaussian")
    run(panel, "median")
    before = state()
    slicer.mrmlScene.RemoveNode(slicer.util.getNode("T1 Median"))
    assert layers(composites) == [("T1 Gaussian smoothing", None, 0.0)] * 3
    slicer.mrmlScene.RemoveNode(slicer.util.getNode("T1 Gaussian smoothing"))
    assert layers(composites) == [("T1", None, 0.0)] * 3
    assert state() == before


def test_a_view_that_the_user_has_changed_since_is_left_alone(load_module, run, zoomed):
    import slicer

    composites, _state = zoomed
    volume, other = add_volume("T1"), add_volume("CT")
    show(composites, volume)
    run(load_module(FILTERING).widget.panel, "gaussian")
    composites[0].SetBackgroundVolumeID(other.GetID())
    slicer.mrmlScene.RemoveNode(slicer.util.getNode("T1 Gaussian smoothing"))
    assert layers(composites) == [("CT", None, 0.0), ("T1", None, 0.0), ("T1", None, 0.0)]
