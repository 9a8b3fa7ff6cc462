"""Recipes run from their page on volumes, segments and sequences; progress, cancel, and runs that do not end well."""

from __future__ import annotations

import numpy as np
import pytest
from MedImgAnalysisLib import recipe_edit
from MedImgAnalysisLib.provenance import fingerprint
from panel_helpers import add_segmentation, add_volume, choose, log_text, node_ids, noisy_image, volumes
from recipe_panel_testing import RECIPES, picture, tick


@pytest.fixture
def panel(load_module):
    return load_module(RECIPES).widget.panel


@pytest.fixture
def apply(panel, press, wait_until):
    """Press Apply and wait; says what the page says."""

    def run() -> str:
        press(panel.run.apply_button)
        wait_until(lambda: not panel.run.runner.running, timeout=30)
        return panel.run.status.text

    return run


def set_up(panel, *operations: str) -> None:
    for operation in operations:
        panel.add_step(operation)


def test_the_page_gives_the_hashes_of_recipe_run(panel, apply, grab, tmp_path):
    import slicer
    from MedImgAnalysisLib.scene import bridge

    volume = add_volume("MR head T1")
    panel.enter()
    set_up(panel, "median", "auto_threshold", "measure_segments")
    assert panel.run.apply_button.enabled
    assert "Done in" in apply()
    expected = panel.recipe.run({"image": bridge.value_of(volume, "image")}).outputs
    kinds = panel.recipe.kinds()
    made = {
        name: next(node for node in nodes_made_by(name)) for name in panel.recipe.outputs if kinds[name] != "curves"
    }
    assert len(made) == 4
    for name, node in made.items():
        assert fingerprint(bridge.value_of(node, kinds[name])) == fingerprint(expected[name]), name
    assert "auto_threshold_labels: " in log_text(panel) and "measure_segments_table" in log_text(panel)
    assert panel.run.results.widget.isVisibleTo(panel.run.results.widget.parent())
    assert slicer.mrmlScene.GetNodesByName("MR head T1").GetNumberOfItems() == 1
    panel.steps.list.setCurrentRow(0)
    assert panel.editor.name.text == "median" and "Done in" in panel.run.status.text
    picture(grab, panel, "MedImgRecipes-run", tmp_path)


def nodes_made_by(name: str):
    """The nodes that hold an output of a recipe."""
    import slicer
    from MedImgAnalysisLib.scene import outputs

    for number in range(slicer.mrmlScene.GetNumberOfNodes()):
        node = slicer.mrmlScene.GetNthNode(number)
        entry = (outputs.record_of(node) or {}).get("scene", {})
        if entry.get("output") == name:
            yield node


def test_a_sequence_gives_a_sequence_frame_by_frame(panel, apply):
    from MedImgAnalysisLib.scene import bridge
    from MedImgAnalysisLib.values import Frames

    values = tuple(noisy_image(seed=seed) for seed in (1, 2, 3))
    cine = bridge.add_node(Frames(values, (0.0, 0.5, 2.0), "time", "s"), "Cine", kind="image")
    set_up(panel, "median", "gaussian")
    panel.scene.inputs.selectors["image"].widget.setCurrentNode(cine)
    assert "Done in" in apply()
    (made,) = nodes_made_by("gaussian_image")
    found = bridge.value_of(made, "image")
    assert found.positions == (0.0, 0.5, 2.0) and found.unit == "s"
    for before, after in zip(values, found.values, strict=True):
        assert fingerprint(panel.recipe.run({"image": before}).outputs["gaussian_image"]) == fingerprint(after)


def test_a_segment_and_two_volumes_are_chosen_for_their_inputs(panel, apply):
    volume = add_volume("T1")
    node, segment = add_segmentation(volume)
    other = add_volume("T2", noisy_image(seed=5))
    set_up(panel, "median", "compare_images")
    panel.edit(lambda recipe: recipe_edit.add_input(recipe, "mask", "where")[0])
    panel.edit(lambda recipe: recipe_edit.bind(recipe, "median", "mask", "where"))
    selectors = panel.scene.inputs.selectors
    assert list(selectors) == ["image", "where"] and not selectors["where"].role.required
    panel.edit(lambda recipe: recipe_edit.add_input(recipe, "image", "t2")[0])
    panel.edit(lambda recipe: recipe_edit.bind(recipe, "compare_images", "reference", "t2"))
    selectors = panel.scene.inputs.selectors
    assert [selectors[name].nodes() for name in ("image", "t2")] == [(volume,), (other,)]
    selectors["where"].widget.setCurrentNode(node)
    assert "Choose a segment of" in panel.run.status.text
    selectors["where"].widget.setCurrentSegmentID(segment)
    assert "Done in" in apply()
    (table,) = nodes_made_by("compare_images_table")
    assert table.GetNumberOfRows() == 1
    assert "t2: T2" in log_text(panel)


def test_a_missing_input_is_asked_for_by_its_name(panel):
    set_up(panel, "median")
    assert panel.run.status.text == "Choose a volume as image." and not panel.run.apply_button.enabled
    first, second = add_volume("T1"), add_volume("T2")
    panel.enter()
    assert panel.run.apply_button.enabled
    selector = panel.scene.inputs.selectors["image"]
    assert selector.nodes() == (first,)
    selector.widget.setCurrentNode(second)
    panel.exit()
    panel.enter()
    assert panel.scene.inputs.selectors["image"].nodes() == (second,)
    panel.scene.inputs.selectors["image"].widget.setCurrentNode(None)
    assert not panel.run.apply_button.enabled, "what the user took away is not chosen again"


def test_results_are_written_over_nodes_that_were_chosen(panel, apply):
    add_volume("T1")
    target = add_volume("Target")
    panel.enter()
    set_up(panel, "median")
    assert panel.scene.outputs.combos == {}
    panel.ui.outputsSection.collapsed = False
    combo = panel.scene.outputs.combos["median_image"]
    assert combo.noneDisplay == "New: T1 Median"
    combo.setCurrentNode(target)
    panel.ui.outputsSection.collapsed = True
    before = node_ids()
    assert "Done in" in apply()
    assert set(node_ids()) - set(before) <= {target.GetDisplayNodeID()}
    assert list(nodes_made_by("median_image")) == [target]
    panel.ui.outputsSection.collapsed = False
    panel.scene.outputs.combos["median_image"].setCurrentNode(panel.scene.inputs.selectors["image"].nodes()[0])
    assert "is an input" in panel.run.status.text and not panel.run.apply_button.enabled


def test_a_recipe_that_keeps_nothing_is_not_run(panel):
    add_volume("T1")
    panel.enter()
    set_up(panel, "median")
    panel.editor.makes["image"].box.setChecked(False)
    assert panel.run.status.text == "Nothing would be kept: check Keep at a result of a step."
    assert not panel.run.apply_button.enabled


@pytest.fixture
def long_run(panel, press, wait_until, monkeypatch):
    """Start a recipe whose median takes some seconds; gives the volume once it is under way."""
    from MedImgAnalysisLib import blockwise

    monkeypatch.setattr(blockwise, "SLAB_VALUES", 1)

    def start():
        volume = add_volume("Big", noisy_image((240, 64, 64)))
        panel.enter()
        set_up(panel, "median", "gaussian")
        panel.select("median")
        panel.editor.form.fields["radius_voxels"].widget.setValue(5)
        press(panel.run.apply_button)
        wait_until(lambda: panel.run.progress_bar.value > 0 or not panel.run.runner.running, timeout=30)
        assert panel.run.runner.running, log_text(panel)
        return volume

    return start


def test_cancel_leaves_the_scene_as_it_was(panel, long_run, wait_until):
    long_run()
    before = node_ids()
    assert panel.run.apply_button.text == "Cancel"
    panel.run.apply_button.click()
    wait_until(lambda: not panel.run.runner.running, timeout=20)
    assert node_ids() == before and panel.run.status.text == "Cancelled; nothing was changed."
    assert panel.run.apply_button.text == "Apply" and panel.run.apply_button.enabled


def test_the_recipe_can_be_changed_while_it_runs_and_the_run_is_that_of_the_start(panel, long_run, wait_until):
    long_run()
    panel.add_step("threshold")
    tick(panel, "gaussian", False)
    assert panel.run.apply_button.text == "Cancel" and panel.run.apply_button.enabled
    panel.run.apply_button.click()
    wait_until(lambda: not panel.run.runner.running, timeout=20)
    assert len(panel.recipe.steps) == 3


def test_deleting_an_input_or_closing_the_scene_drops_the_run(panel, long_run, wait_until):
    import slicer

    slicer.mrmlScene.RemoveNode(long_run())
    wait_until(lambda: not panel.run.runner.running, timeout=20)
    assert "Big was deleted while the operation was running. The result was dropped." in log_text(panel)
    long_run()
    slicer.mrmlScene.Clear(0)
    wait_until(lambda: not panel.run.runner.running, timeout=20)
    assert "The scene was closed while the recipe was running. The result was dropped." in log_text(panel)
    assert volumes() == [] and panel.recipe.steps == ()


def test_an_image_that_cannot_be_used_is_told_in_plain_words(panel, apply):
    import slicer

    volume = add_volume("Broken")
    array = slicer.util.arrayFromVolume(volume)
    array[3, 4, 5] = np.nan
    slicer.util.arrayFromVolumeModified(volume)
    panel.enter()
    set_up(panel, "median", "gaussian")
    before = node_ids()
    assert "1 voxels that are NaN or infinite" in apply()
    assert node_ids() == before


def test_an_unexpected_error_is_told_and_leaves_the_scene_as_it_was(panel, apply, monkeypatch):
    import slicer
    from MedImgAnalysisLib.filtering import Gaussian

    def fail(self, image, mask=None, *, progress=None):
        raise ZeroDivisionError("kaput")

    shown = []
    monkeypatch.setattr(slicer.util, "errorDisplay", lambda text, **more: shown.append(text))
    add_volume()
    panel.enter()
    set_up(panel, "median", "gaussian")
    Gaussian.inputs()
    Gaussian.outputs()
    monkeypatch.setattr(Gaussian, "run", fail)
    before = node_ids()
    assert "kaput" in apply()
    assert node_ids() == before and len(shown) == 1


def test_the_python_call_does_the_same(panel, apply, press):
    import slicer

    add_volume("T1")
    panel.enter()
    set_up(panel, "median")
    panel.ui.outputsSection.collapsed = False
    panel.scene.outputs.combos["median_image"].setCurrentNode(add_volume("Target"))
    press(panel.run.copy_button)
    text = slicer.app.clipboard().text()
    assert text == (
        "slicer.util.getModuleLogic('MedImgRecipes').run(slicer.util.getNode('Recipe'), "
        "{'image': slicer.util.getNode('T1')}, {'median_image': slicer.util.getNode('Target')})"
    )
    apply()
    (made,) = nodes_made_by("median_image")
    by_panel = np.array(slicer.util.arrayFromVolume(made))
    logic = panel.module_widget.logic
    again = logic.run(slicer.util.getNode("Recipe"), {"image": slicer.util.getNode("T1")})["median_image"]
    np.testing.assert_array_equal(by_panel, slicer.util.arrayFromVolume(again))


def test_leaving_the_page_lets_the_run_go_on(panel, press, wait_until):
    add_volume()
    panel.enter()
    set_up(panel, "median")
    press(panel.run.apply_button)
    panel.exit()
    wait_until(lambda: not panel.run.runner.running, timeout=20)
    assert [node.GetName() for node in volumes()] == ["T1", "T1 Median"]


def test_kinds_that_a_node_selector_cannot_show_as_input_are_named(panel):
    """A transform and points are chosen like volumes."""
    set_up(panel, "apply_transform_landmarks")
    assert [selector.role.kind for selector in panel.scene.inputs.selectors.values()] == ["landmarks", "transform"]
    choose(panel.editor.takes["transform"].widget, "")
    assert list(panel.scene.inputs.selectors) == ["landmarks"]
