"""The registration panel: what is said before the start, the result blended, transforms applied."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from panel_helpers import MODULES, add_volume, choose, log_text
from registration_testing import fixed_grid, moving_grid, rigid, spot

REGISTRATION = MODULES / "MedImgRegistration" / "MedImgRegistration.py"


def head(grid, points: np.ndarray, far: float = 0.0) -> sitk.Image:
    """Two smooth spots, one brighter, at points (LPS), on a grid that is moved away by `far` mm."""
    from MedImgAnalysisLib.geometry import image_like

    array = 60 * spot(grid, points[0], 6.0) + 40 * spot(grid, points[1], 4.0)
    image = image_like(array.astype(np.float32), grid)
    image.SetOrigin(np.add(image.GetOrigin(), (far, 0.0, 0.0)).tolist())
    return image


@pytest.fixture
def pair():
    """Nodes of a fixed and a moving volume that a rigid motion puts on each other."""

    def make(far: float = 0.0):
        middle = fixed_grid().corners.mean(axis=0)
        points = middle + np.array([[0.0, 0.0, 0.0], [4.0, 3.0, 5.0]])
        there = np.array([rigid().TransformPoint(p) for p in points.tolist()])
        return add_volume("Baseline", head(fixed_grid(), points)), add_volume(
            "Follow-up", head(moving_grid(), there, far)
        )

    return make


@pytest.fixture
def panel(load_module, press, wait_until):
    import slicer

    views = [slicer.app.layoutManager().sliceWidget(name) for name in ("Red", "Green")]
    loaded = load_module(REGISTRATION).widget.panel

    def apply():
        press(loaded.run.apply_button)
        wait_until(lambda: not loaded.run.runner.running, timeout=60)

    loaded.apply = apply
    yield loaded
    del views


def put(panel, **nodes):
    for role, node in nodes.items():
        panel.inputs.selectors[role].widget.setCurrentNode(node)


def layers():
    import slicer

    composites = slicer.util.getNodesByClass("vtkMRMLSliceCompositeNode")
    return {(c.GetBackgroundVolumeID(), c.GetForegroundVolumeID(), c.GetForegroundOpacity()) for c in composites}


def register(panel, fixed, moving):
    panel.enter()
    put(panel, fixed=fixed, moving=moving)
    panel.form.fields["finest_mm"].show(4.0)
    choose(panel.form.fields["start"].widget, "moments")


def test_after_apply_fixed_and_aligned_are_shown_half_and_half_and_one_click_brings_that_back(panel, pair, press):
    import slicer

    fixed, moving = pair()
    register(panel, fixed, moving)
    slicer.util.setSliceViewerLayers(background=fixed)
    views = slicer.util.getNodesByClass("vtkMRMLSliceNode")
    zoom = [node.GetFieldOfView() for node in views]
    panel.apply()
    assert "Done in" in panel.run.status.text
    aligned = slicer.util.getNode("Follow-up to Baseline image")
    assert layers() == {(fixed.GetID(), aligned.GetID(), 0.5)}
    slicer.util.setSliceViewerLayers(background=moving, foreground=fixed, foregroundOpacity=0.9)
    assert panel.run.blend_button.isVisibleTo(panel.run.blend_button.parent())
    press(panel.run.blend_button)
    assert layers() == {(fixed.GetID(), aligned.GetID(), 0.5)}
    assert [node.GetFieldOfView() for node in views] == zoom
    slicer.mrmlScene.RemoveNode(aligned)
    assert not panel.run.blend_button.isVisibleTo(panel.run.blend_button.parent())


def test_volumes_that_do_not_overlap_are_told_before_the_start(panel, pair):
    fixed, moving = pair(far=900.0)
    register(panel, fixed, moving)
    assert "do not overlap where they are" in panel.run.status.text and "900 mm" in panel.run.status.text
    assert panel.run.apply_button.enabled
    choose(panel.form.fields["start"].widget, "none")
    assert not panel.run.apply_button.enabled
    assert "Choose another start" in panel.run.status.text
    choose(panel.form.fields["start"].widget, "moments")
    panel.apply()
    assert "900 mm apart" in log_text(panel) and "Done in" in panel.run.status.text


def test_a_transform_is_applied_to_a_volume_from_the_panel(panel, pair):
    import slicer
    from MedImgAnalysisLib.scene import bridge

    fixed, moving = pair()
    node = bridge.add_node(rigid(), "Motion", kind="transform")
    panel.enter()
    choose(panel.chooser.combo, "apply_transform")
    put(panel, image=moving, transform=node, reference=fixed)
    panel.apply()
    made = slicer.util.getNode("Follow-up Apply transform to image")
    difference = slicer.util.arrayFromVolume(made) - slicer.util.arrayFromVolume(fixed)
    assert np.abs(difference[2:-2, 2:-2, 2:-2]).max() < 6
    assert layers() == {(fixed.GetID(), made.GetID(), 0.5)}


def test_a_picture_of_the_page_after_a_registration(panel, pair, grab, tmp_path):
    fixed, moving = pair()
    register(panel, fixed, moving)
    panel.apply()
    folder = Path(os.environ.get("MEDIMG_PANEL_PNG") or tmp_path)
    path = grab(panel.module_widget.parent, folder / "MedImgRegistration.png")
    assert path.stat().st_size > 10_000


def test_an_evaluation_becomes_a_page_with_pictures(panel, pair, press, answer_files, grab, tmp_path):
    from MedImgAnalysisLib.scene import bridge

    fixed, moving = pair()
    node = bridge.add_node(rigid(), "Motion", kind="transform")
    panel.enter()
    choose(panel.chooser.combo, "evaluate_registration")
    put(panel, transform=node, fixed=fixed, moving=moving)
    panel.apply()
    answer_files(str(tmp_path / "dossier.html"))
    press(panel.run.page_button)
    text = (tmp_path / "dossier.html").read_text(encoding="utf-8")
    assert text.count("data:image/jpeg") == 18 and ">Jacobian determinant<" in text
    # The Jacobian is no aligned volume: there is nothing to blend.
    assert not panel.run.blend_button.isVisibleTo(panel.run.blend_button.parent())
    folder = Path(os.environ.get("MEDIMG_PANEL_PNG") or tmp_path)
    assert grab(panel.module_widget.parent, folder / "MedImgRegistration-evaluate.png").stat().st_size > 10_000
