"""Bones of a real CT by the recipe page: on the scene, on a cohort and from its own history, with the hashes of
`Recipe.run`."""

from __future__ import annotations

import pytest
from MedImgAnalysisLib import files
from MedImgAnalysisLib.provenance import fingerprint
from MedImgAnalysisLib.recipe import Recipe
from recipe_panel_testing import RECIPES, add_by_search, picture, type_into


@pytest.fixture
def ct(data_dir):
    return data_dir / "ct_abdomen" / "ct.nii.gz"


@pytest.fixture
def panel(load_module, press, ct):
    """Threshold, clean, measure on the CT, put together by clicks."""
    from MedImgAnalysisLib.scene import bridge

    volume = bridge.add_node(files.read(ct, "image"), "CT", kind="image")
    made = load_module(RECIPES).widget.panel
    add_by_search(made, press, "median")
    add_by_search(made, press, "threshold")
    fields = made.editor.form.fields
    fields["lower"].inner.widget.setValue(180.0)
    fields["segment"].widget.setText("Bone")
    fields["segment"].widget.editingFinished()
    add_by_search(made, press, "clean segments")
    made.editor.form.fields["smallest_ml"].widget.setValue(0.5)
    add_by_search(made, press, "measure segments")
    type_into(made.bar.name, "Bones")
    assert [step.operation for step in made.recipe.steps] == [
        "median", "threshold", "clean_segments", "measure_segments",
    ]  # fmt: skip
    made.scene.inputs.selectors["image"].widget.setCurrentNode(volume)
    return made


def wanted(recipe: Recipe, path) -> dict[str, str]:
    """The hashes of what the recipe gives in plain Python."""
    return {
        name: fingerprint(value) for name, value in recipe.run({"image": files.read(path, "image")}).outputs.items()
    }


def test_scene_cohort_and_history_give_the_hashes_of_plain_python(
    panel, ct, press, wait_until, tmp_path, grab, answer_files
):
    from MedImgAnalysisLib.scene import bridge

    recipe = panel.recipe
    expected = wanted(recipe, ct)
    kinds = recipe.kinds()
    press(panel.run.apply_button)
    wait_until(lambda: not panel.run.runner.running, timeout=60)
    made = dict(zip(recipe.outputs, panel.run._written, strict=True))
    assert {name: fingerprint(bridge.value_of(node, kinds[name])) for name, node in made.items()} == expected
    table = made["measure_segments_table"]
    bones = bridge.value_of(table, "table").rows
    assert [row["segment"] for row in bones] == ["Bone"] and 50 < bones[0]["volume_ml"] < 1500
    picture(grab, panel, "MedImgRecipes-ct", tmp_path)

    saved = tmp_path / "bones.json"
    answer_files(saved)
    press(panel.bar.save_button)
    assert wanted(Recipe.load(saved), ct) == expected

    cohort = tmp_path / "cohort.csv"
    cohort.write_text(f"id,image\nct,{ct}\n", encoding="utf-8")
    panel.ui.cohortSection.collapsed = False
    panel.cohort.form.cohort.currentPath, panel.cohort.form.folder.currentPath = str(cohort), str(tmp_path / "out")
    press(panel.cohort.button)
    wait_until(lambda: not panel.cohort.runner.running, timeout=90)
    assert panel.cohort.status.text == "1 of 1 cases done."
    for name in recipe.outputs:
        if kinds[name] != "table":
            found = files.read(tmp_path / "out" / "ct" / files.file_name(name, kinds[name]), kinds[name])
            assert fingerprint(found) == expected[name], name

    panel.bar.source.setCurrentNode(table)
    press(panel.bar.import_button)
    assert [step.operation for step in panel.recipe.steps] == [step.operation for step in recipe.steps]
    (again,) = panel.recipe.run({"CT": files.read(ct, "image")}).outputs.values()
    assert fingerprint(again) == expected["measure_segments_table"]
