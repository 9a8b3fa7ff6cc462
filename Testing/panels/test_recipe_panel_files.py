"""Where recipes are kept: in the scene at once, in files when asked for, and made from how a node came about."""

from __future__ import annotations

import json

import pytest
from MedImgAnalysisLib import recipe_edit
from MedImgAnalysisLib.recipe import Recipe
from panel_helpers import add_volume
from recipe_panel_testing import RECIPES, steps_of, type_into


@pytest.fixture
def panel(load_module):
    return load_module(RECIPES).widget.panel


def names() -> list[str]:
    from MedImgAnalysisLib.scene import recipes

    return [node.GetName() for node in recipes.recipe_nodes()]


def test_a_new_recipe_leaves_the_others_and_each_can_be_chosen(panel, press):
    panel.add_step("median")
    first = panel.node
    press(panel.bar.new_button)
    assert names() == ["Recipe", "New recipe"] and panel.recipe.steps == ()
    panel.add_step("gaussian")
    panel.bar.combo.setCurrentNode(first)
    assert steps_of(panel) == ["median"] and panel.node is first
    panel.exit()
    panel.enter()
    assert steps_of(panel) == ["median"]


def test_the_name_is_that_of_the_node_as_well(panel):
    panel.add_step("median")
    type_into(panel.bar.name, "Denoise & align")
    assert panel.recipe.name == "Denoise & align" and panel.node.GetName() == "Denoise & align"
    assert panel.bar.combo.currentNode() is panel.node


def test_a_recipe_is_saved_and_opened_again(panel, press, answer_files, tmp_path):
    path = tmp_path / "Ä recipe.json"
    assert not panel.bar.save_button.enabled
    panel.add_step("median")
    panel.add_step("threshold")
    assert panel.bar.status.text == "Kept in the scene; not in a file as it is now."
    dialogs = answer_files("", path, path)
    press(panel.bar.save_button)
    assert not path.exists()
    press(panel.bar.save_button)
    assert Recipe.load(path) == panel.recipe
    assert panel.bar.status.text == "Kept in the scene, and in a file as it is."
    panel.add_step("measure_segments")
    assert panel.bar.status.text == "Kept in the scene; not in a file as it is now."
    press(panel.bar.open_button)
    assert steps_of(panel) == ["median", "threshold"] and len(names()) == 2
    assert [dialog.kind for dialog in dialogs] == [
        "QFileDialog.getSaveFileName", "QFileDialog.getSaveFileName", "QFileDialog.getOpenFileName",
    ]  # fmt: skip


def test_files_that_are_no_recipe_are_refused_in_plain_words(panel, press, answer_files, tmp_path):
    wrong = tmp_path / "wrong.json"
    wrong.write_text("{}", encoding="utf-8")
    answer_files(wrong, tmp_path / "nothing.json", "", tmp_path / "no" / "folder.json")
    press(panel.bar.open_button)
    assert "This is not a recipe" in panel.ui.messageLabel.text
    press(panel.bar.open_button)
    assert "cannot be read" in panel.ui.messageLabel.text
    press(panel.bar.open_button)
    assert names() == []
    panel.add_step("median")
    press(panel.bar.save_button)
    assert "could not be written" in panel.ui.messageLabel.text


def test_an_unfinished_recipe_or_one_of_a_later_version_is_opened_and_its_problems_shown(
    panel, press, answer_files, tmp_path
):
    data = recipe_edit.add_step(recipe_edit.empty("Later"), "median")[0].as_data()
    data["steps"].append({"id": "new", "operation": "from_the_future", "inputs": {"image": "median_image"}})
    path = tmp_path / "later.json"
    path.write_text(json.dumps(data), encoding="utf-8")
    answer_files(path)
    press(panel.bar.open_button)
    assert steps_of(panel) == ["median", "new"]
    assert "no operation 'from_the_future'" in panel.steps.list.item(1).text()
    panel.select("new")
    assert panel.editor.form is None and "no operation" in panel.editor.problem.text
    press(panel.steps.buttons["remove"])
    assert panel.recipe.complaints() == []


def test_a_recipe_from_a_stranger_is_shown_with_its_problems_and_cannot_run(panel, press, answer_files, tmp_path):
    odd = "<img src='file:///etc/passwd'><b>x"
    step = {"id": odd, "operation": "median", "inputs": {"image": odd, "picture": "../x"}, "outputs": {"image": "../y"}}
    data = {
        "medimg_recipe": 1,
        "name": odd,
        "inputs": {odd: {"kind": "image"}, "w": {"kind": "weird"}, "u": {"kind": "weird"}},
        "steps": [
            step,
            {**step, "parameters": {"radius_voxels": "; rm -rf /"}},
            {"id": "s", "operation": "__import__('os')", "inputs": {"image": "w"}, "outputs": {"image": "w"}},
            {"id": "t", "operation": "consensus", "inputs": {"raters": "w"}, "enabled": False},
            {"id": "c", "operation": "consensus", "inputs": {"raters": "w"}, "outputs": {"labels": "u"}},
        ],
        "outputs": ["../y", "nothing", odd],
    }
    path = tmp_path / "odd.json"
    path.write_text(json.dumps(data), encoding="utf-8")
    add_volume()
    answer_files(path)
    press(panel.bar.open_button)
    assert len(panel.recipe.steps) == 5 and not panel.run.apply_button.enabled
    for row in range(5):
        panel.steps.list.setCurrentRow(row)
    panel.ui.outputsSection.collapsed = False
    panel.ui.valuesSection.collapsed = False
    assert panel.run.status.textFormat == panel.editor.problem.textFormat == panel.ui.messageLabel.textFormat == 0
    before = panel.recipe
    type_into(panel.inputs.rows[1].name, "w2")
    assert panel.recipe != before
    press(panel.steps.buttons["remove"])
    assert len(panel.recipe.steps) == 4
    panel.cohort.form.cohort.currentPath, panel.cohort.form.folder.currentPath = str(path), str(tmp_path / "out")
    assert not panel.cohort.button.enabled


@pytest.mark.parametrize("answer", [True, False])
def test_deleting_asks_only_when_the_recipe_is_in_no_file(panel, press, answer_files, tmp_path, monkeypatch, answer):
    import slicer

    asked = []
    monkeypatch.setattr(
        slicer.util, "confirmOkCancelDisplay", lambda text, *more, **words: asked.append(text) or answer
    )
    panel.add_step("median")
    press(panel.bar.delete_button)
    assert asked == ["Recipe is in no file as it is now. Delete it?"]
    assert names() == ([] if answer else ["Recipe"])
    if answer:
        assert panel.recipe.steps == () and not panel.bar.delete_button.enabled
        panel.add_step("median")
    answer_files(tmp_path / "saved.json")
    press(panel.bar.save_button)
    press(panel.bar.delete_button)
    assert len(asked) == 1 and names() == []


def test_an_empty_recipe_is_deleted_without_a_question(panel, press):
    press(panel.bar.new_button)
    press(panel.bar.delete_button)
    assert names() == []


def test_deleting_one_shows_another_one(panel, press):
    import slicer

    panel.add_step("median")
    press(panel.bar.new_button)
    slicer.mrmlScene.RemoveNode(panel.node)
    assert steps_of(panel) == ["median"]


def test_a_saved_scene_brings_the_recipe_and_its_nodes_back(panel, load_module, tmp_path):
    from MedImgAnalysisLib.scene import standalone

    add_volume("First")
    second = add_volume("Second")
    panel.enter()
    for operation in ("median", "threshold"):
        panel.add_step(operation)
    panel.scene.inputs.selectors["image"].widget.setCurrentNode(second)
    panel.cohort.form.cohort.currentPath = "/data/cohort.csv"
    recipe = panel.recipe
    path = tmp_path / "scene.mrb"
    standalone.save_mrb(path)
    standalone.clear()
    assert panel.recipe.steps == () and not panel.run.apply_button.enabled
    standalone.load(path)
    assert panel.recipe == recipe and steps_of(panel) == ["median", "threshold"]
    assert [node.GetName() for node in panel.scene.inputs.selectors["image"].nodes()] == ["Second"]
    assert panel.cohort.form.cohort.currentPath == "/data/cohort.csv"
    assert panel.run.apply_button.enabled


def test_what_a_script_writes_into_the_node_is_shown(panel):
    from MedImgAnalysisLib.scene import recipes

    panel.add_step("median")
    recipes.put_recipe(recipe_edit.add_step(panel.recipe, "gaussian")[0], panel.node)
    assert steps_of(panel) == ["median", "gaussian"]


def test_a_text_that_is_no_recipe_is_told_and_never_written_over(panel):
    panel.add_step("median")
    panel.node.SetText("{ not a recipe")
    assert "The text of Recipe cannot be used: This is not a recipe" in panel.ui.messageLabel.text
    panel.add_step("gaussian")
    assert panel.node.GetText() == "{ not a recipe" and not panel.run.apply_button.enabled
    assert "cannot be used" in panel.ui.messageLabel.text


def test_a_recipe_from_a_node_takes_the_first_inputs_and_gives_the_node_again(panel, press, wait_until):
    from MedImgAnalysisLib.provenance import fingerprint
    from MedImgAnalysisLib.scene import bridge
    from MedImgAnalysisLib.scene.logic import OperationLogic

    add_volume("Other")
    volume = add_volume("T1")
    logic = OperationLogic()
    clean = logic.run("median", image=volume)
    found = logic.run("auto_threshold", image=clean)
    table = logic.run("measure_segments", labels=found.labels, image=volume)
    panel.enter()
    source = panel.bar.source
    offered = {source.nodeFromIndex(number).GetName() for number in range(source.nodeCount())}
    assert "T1" not in offered and table.GetName() in offered and clean.GetName() in offered
    assert not panel.bar.import_button.enabled
    source.setCurrentNode(table)
    press(panel.bar.import_button)
    assert steps_of(panel) == ["median", "auto_threshold", "measure_segments"]
    assert panel.ui.messageLabel.text == "A recipe of 3 steps was made."
    assert panel.scene.inputs.selectors["T1"].nodes() == (volume,)
    press(panel.run.apply_button)
    wait_until(lambda: not panel.run.runner.running, timeout=20)
    again = panel.run._written[-1]
    assert again is not table
    assert fingerprint(bridge.value_of(again, "table")) == fingerprint(bridge.value_of(table, "table"))


def test_what_cannot_be_followed_back_is_told(panel, press):
    import slicer
    from MedImgAnalysisLib.scene.logic import OperationLogic

    volume = add_volume("T1")
    clean = OperationLogic().run("median", image=volume)
    slicer.mrmlScene.RemoveNode(volume)
    panel.bar.source.setCurrentNode(clean)
    press(panel.bar.import_button)
    assert "The input 'T1' is not in the scene any more" in panel.ui.messageLabel.text
    assert panel.scene.inputs.selectors["T1"].nodes() == (), "no other volume takes its place"
    assert not panel.run.apply_button.enabled and "Choose a volume" in panel.run.status.text
    clean.SetAttribute("MedImgAnalysis.Provenance", "{}")
    press(panel.bar.import_button)
    assert "has no record of a run in a scene" in panel.ui.messageLabel.text
