"""The recipe page: steps are added, ordered, copied, switched off and bound; problems stand at their step."""

from __future__ import annotations

import pytest
from MedImgAnalysisLib import catalog
from panel_helpers import add_volume, choose
from recipe_panel_testing import RECIPES, add_by_search, drag, picture, show_step, steps_of, taken, tick, type_into


@pytest.fixture
def panel(load_module):
    return load_module(RECIPES).widget.panel


@pytest.fixture
def chain(panel):
    """Median, threshold, measure."""
    for operation in ("median", "threshold", "measure_segments"):
        panel.add_step(operation)
    return panel


def kept_recipe(panel):
    """The recipe as the scene keeps it, which is the one that is shown."""
    from MedImgAnalysisLib.scene import recipes

    kept = recipes.recipe_of(panel.node, check=False)
    assert kept == panel.recipe
    return kept


def test_an_empty_scene_stays_empty_until_a_step_is_added(panel, grab, tmp_path):
    from MedImgAnalysisLib.scene import recipes

    assert recipes.recipe_nodes() == [] and panel.node is None
    assert not panel.run.apply_button.enabled
    assert panel.run.status.text == "Add a step: search an operation and press Add step."
    assert not any(button.enabled for button in panel.steps.buttons.values())
    picture(grab, panel, "MedImgRecipes-empty", tmp_path)
    panel.add_step("median")
    assert recipes.recipe_nodes() == [panel.node] and panel.node.GetName() == "Recipe"


def test_words_find_operations_of_every_module_and_enter_adds_the_first(panel):
    operations = panel.operations
    names = [operations.list.item(row).data(256) for row in range(operations.list.count)]
    assert sorted(name for name in names if name) == sorted(catalog.OPERATIONS)
    operations.search.setText("rician")
    assert 0 < operations.list.count < 20 and operations.chosen()
    for words in ("threshold", "  Threshold ", "median"):
        operations.search.setText(words)
        assert operations.chosen() == words.strip().casefold()
    operations.search.returnPressed()
    assert steps_of(panel) == ["median"]
    operations.search.setText("no such words")
    assert not operations.button.enabled and operations.list.item(0).text() == "No operation has these words."
    operations.search.returnPressed()
    assert steps_of(panel) == ["median"]


def test_a_double_click_adds_and_a_heading_adds_nothing(panel):
    operations = panel.operations
    heading = operations.list.item(0)
    operations.list.itemDoubleClicked(heading)
    assert panel.recipe.steps == ()
    operations.choose("gaussian")
    operations.list.itemDoubleClicked(operations.list.currentItem())
    assert steps_of(panel) == ["gaussian"]


def test_the_standard_case_takes_three_clicks(panel, press, wait_until):
    """A click on the operation, Add step, Apply; the volume is chosen for the user."""
    add_volume()
    panel.enter()
    panel.operations.choose("median")
    press(panel.operations.button)
    press(panel.run.apply_button)
    wait_until(lambda: not panel.run.runner.running)
    assert "Done in" in panel.run.status.text


def test_steps_are_bound_to_each_other_as_they_are_added(panel, press):
    assert add_by_search(panel, press, "correct bias") == "correct_bias"
    assert add_by_search(panel, press, "median") == "median"
    assert add_by_search(panel, press, "automatic threshold") == "auto_threshold"
    assert panel.recipe.steps[2].inputs == {"image": "median_image"}
    assert panel.recipe.inputs == {"image": "image"} and panel.recipe.complaints() == []
    assert kept_recipe(panel).steps[1].inputs == {"image": "correct_bias_image"}
    show_step(panel, "correct_bias")
    assert add_by_search(panel, press, "gaussian") == "gaussian"
    assert steps_of(panel) == ["correct_bias", "gaussian", "median", "auto_threshold"]


def test_dragging_a_step_orders_the_recipe_and_shows_what_no_longer_fits(chain):
    drag(chain, "measure_segments", 0)
    assert steps_of(chain) == ["measure_segments", "median", "threshold"]
    assert "step 'threshold' makes it later" in chain.steps.list.item(0).text()
    assert "measure_segments" in chain.ui.problemsLabel.text
    drag(chain, "measure_segments", 3)
    assert steps_of(chain) == ["median", "threshold", "measure_segments"]
    assert chain.ui.problemsLabel.text == "" and kept_recipe(chain).complaints() == []


def test_up_and_down_move_the_selected_step_and_end_at_the_ends(chain, press):
    show_step(chain, "median")
    assert not chain.steps.buttons["up"].enabled
    press(chain.steps.buttons["down"])
    assert steps_of(chain) == ["threshold", "median", "measure_segments"]
    assert chain.steps.selected() == "median"
    press(chain.steps.buttons["down"])
    assert not chain.steps.buttons["down"].enabled
    press(chain.steps.buttons["up"])
    press(chain.steps.buttons["up"])
    assert steps_of(chain) == ["median", "threshold", "measure_segments"]


def test_a_copy_stands_behind_its_step_and_is_selected(chain, press):
    show_step(chain, "threshold")
    press(chain.steps.buttons["duplicate"])
    assert steps_of(chain) == ["median", "threshold", "threshold_2", "measure_segments"]
    assert chain.steps.selected() == "threshold_2"
    assert chain.recipe.steps[2].outputs == {"labels": "threshold_labels_2", "table": "threshold_table_2"}


def test_a_removed_filter_hands_on_what_it_took_and_says_so(chain, press):
    show_step(chain, "median")
    press(chain.steps.buttons["remove"])
    assert steps_of(chain) == ["threshold", "measure_segments"]
    assert chain.recipe.steps[0].inputs == {"image": "image"}
    assert chain.ui.messageLabel.text == "threshold now takes what median took."
    for _ in range(2):
        press(chain.steps.buttons["remove"])
    assert chain.recipe.steps == () and not chain.steps.buttons["remove"].enabled


def test_a_step_that_is_switched_off_is_a_problem_where_it_is_needed(chain, grab, tmp_path):
    tick(chain, "threshold", False)
    assert not chain.recipe.steps[1].enabled
    assert chain.recipe.problems() == {
        "measure_segments": "Input 'labels' wants 'threshold_labels', which no earlier step makes: step 'threshold' is "
        "switched off."
    }
    show_step(chain, "measure_segments")
    assert "is switched off" in chain.editor.problem.text and chain.editor.problem.isVisibleTo(chain.editor.widget)
    assert taken(chain, "labels") == "threshold_labels (not there)"
    assert not chain.run.apply_button.enabled
    assert chain.run.status.text.startswith("Step measure_segments: Input 'labels' wants")
    picture(grab, chain, "MedImgRecipes-problem", tmp_path)
    tick(chain, "threshold", True)
    assert kept_recipe(chain).complaints() == []
    assert "threshold_labels" in chain.recipe.outputs


def test_all_problems_of_a_step_are_said_and_other_steps_are_not_blamed(chain):
    from MedImgAnalysisLib import recipe_edit

    chain.edit(lambda recipe: recipe_edit.set_parameters(recipe, "median", {"radius_voxels": 99}))
    chain.edit(lambda recipe: recipe_edit.bind(recipe, "median", "image", None))
    show_step(chain, "median")
    assert len(chain.editor.problem.text.splitlines()) == 2
    assert chain.ui.problemsLabel.text == "Problems at median."
    chain.editor.form.fields["radius_voxels"].widget.setValue(2)
    assert chain.recipe.steps[0].parameters["radius_voxels"] == 2
    assert len(chain.editor.problem.text.splitlines()) == 1


def test_an_input_of_a_step_is_chosen_among_what_fits(chain):
    show_step(chain, "threshold")
    row = chain.editor.takes["image"].widget
    assert [row.itemText(n) for n in range(row.count)] == [
        "Choose...", "image (input)", "median_image", "New input...",
    ]  # fmt: skip
    choose(row, "image")
    assert chain.recipe.steps[1].inputs == {"image": "image"}
    choose(row, "")
    assert chain.recipe.problems() == {"threshold": "Input 'image' (image) is not bound."}
    choose(row, "median_image")
    assert chain.recipe.problems() == {}
    mask = chain.editor.takes["mask"].widget
    assert mask.itemText(0) == "None (optional)"
    choose(mask, "\n")
    assert chain.recipe.inputs == {"image": "image", "mask": "mask"}
    assert chain.recipe.steps[1].inputs == {"image": "median_image", "mask": "mask"}
    choose(mask, "")
    assert chain.recipe.steps[1].inputs == {"image": "median_image"}


def test_a_role_that_takes_several_has_check_marks(panel, press):
    import qt

    panel.add_step("consensus")
    row = panel.editor.takes["raters"]
    assert panel.recipe.steps[0].inputs == {"raters": ["raters_1", "raters_2"]}
    press(row.more)
    assert panel.recipe.steps[0].inputs == {"raters": ["raters_1", "raters_2", "raters"]}
    row = panel.editor.takes["raters"]
    row.combo.setCheckState(row.combo.checkableModel().index(0, 0), qt.Qt.Unchecked)
    assert panel.recipe.steps[0].inputs == {"raters": ["raters_2", "raters"]}
    for number in (1, 2):
        row.combo.setCheckState(row.combo.checkableModel().index(number, 0), qt.Qt.Unchecked)
    assert panel.recipe.problems() == {"consensus": "Input 'raters' (labels) is not bound."}


def test_results_are_named_and_kept_by_their_rows(chain):
    show_step(chain, "threshold")
    row = chain.editor.makes["labels"]
    type_into(row.edit, "body")
    assert chain.recipe.steps[2].inputs == {"labels": "body"} and "body" in chain.recipe.outputs
    row.box.setChecked(False)
    assert "body" not in chain.recipe.outputs
    row.box.setChecked(True)
    assert chain.recipe.outputs.index("body") < chain.recipe.outputs.index("threshold_table")
    type_into(row.edit, "threshold_table")
    assert row.edit.text == "body" and chain.ui.messageLabel.text == "The name 'threshold_table' is taken already."
    type_into(row.edit, "../body")
    assert row.edit.text == "body" and "may have letters" in chain.ui.messageLabel.text


def test_a_step_is_renamed_and_a_name_that_is_taken_is_refused(chain):
    show_step(chain, "median")
    type_into(chain.editor.name, "quiet")
    assert steps_of(chain) == ["quiet", "threshold", "measure_segments"] and chain.steps.selected() == "quiet"
    type_into(chain.editor.name, "threshold")
    assert chain.editor.name.text == "quiet" and "already" in chain.ui.messageLabel.text


def test_the_parameters_are_in_the_form_of_their_own_module(chain):
    from MedImgAnalysisLib.panel.form import ParameterForm

    show_step(chain, "threshold")
    form = chain.editor.form
    assert isinstance(form, ParameterForm)
    assert list(form.fields) == [parameter.name for parameter in catalog.find("threshold").parameters()]
    form.fields["segment"].widget.setText("Body")
    form.fields["segment"].widget.editingFinished()
    assert kept_recipe(chain).steps[1].parameters["segment"] == "Body"
    show_step(chain, "median")
    show_step(chain, "threshold")
    assert chain.editor.form.fields["segment"].widget.text == "Body"
    assert chain.editor.form is not form


def test_what_the_form_cannot_mean_keeps_the_recipe_from_running(chain):
    add_volume()
    chain.enter()
    assert chain.run.apply_button.enabled
    show_step(chain, "measure_segments")
    widget = chain.editor.form.fields["percentiles"].widget
    for text in ("5, fifty", "5, 500"):
        type_into(widget, text)
        assert chain.editor.problem.isVisibleTo(chain.editor.widget) and chain.editor.problem.text
        assert not chain.run.apply_button.enabled and chain.run.status.text.startswith("Step measure_segments: ")
        assert widget.text == text, "what is being written stays"
    type_into(widget, "10, 90")
    assert chain.recipe.steps[2].parameters["percentiles"] == [10.0, 90.0]
    assert chain.run.apply_button.enabled and chain.editor.problem.text == ""
    type_into(widget, "10, x")
    show_step(chain, "median")
    assert chain.run.apply_button.enabled
    show_step(chain, "measure_segments")
    assert chain.editor.form.build().percentiles == (10.0, 90.0), "what was given up is the recipe's again"


def test_inputs_of_the_recipe_are_added_renamed_and_removed(chain, press):
    chain.ui.valuesSection.collapsed = False
    inputs = chain.inputs
    choose(inputs.kind, "transform")
    press(inputs.button)
    assert chain.recipe.inputs == {"image": "image", "transform": "transform"}
    assert [row.name.text for row in inputs.rows] == ["image", "transform"]
    assert not inputs.rows[0].remove.enabled and "median" in inputs.rows[0].remove.toolTip
    type_into(inputs.rows[0].name, "t1")
    assert chain.recipe.steps[0].inputs == {"image": "t1"}
    choose(inputs.rows[1].kind, "labels")
    assert chain.recipe.inputs == {"t1": "image", "transform": "labels"}
    type_into(inputs.rows[1].name, "T1")
    assert inputs.rows[1].name.text == "transform" and "taken already" in chain.ui.messageLabel.text
    press(inputs.rows[1].remove)
    assert chain.recipe.inputs == {"t1": "image"} and len(inputs.rows) == 1


def test_every_operation_shows_its_step(panel):
    from MedImgAnalysisLib import recipe_edit

    for name, operation in catalog.OPERATIONS.items():
        panel.edit(lambda recipe, name=name: recipe_edit.add_step(recipe_edit.empty(), name)[0])
        assert panel.recipe.complaints() == [] and steps_of(panel) == [name]
        assert list(panel.editor.takes) == [role.name for role in operation.inputs()]
        assert list(panel.editor.makes) == [role.name for role in operation.outputs()]
        assert panel.editor.form.build().values() == operation().values()


def test_many_steps_stay_usable(panel, press):
    panel.add_step("median")
    for _ in range(29):
        press(panel.steps.buttons["duplicate"])
    assert len(steps_of(panel)) == 30 and panel.recipe.complaints() == []
    assert panel.steps.list.minimumHeight <= 200, "the list scrolls"
    drag(panel, "median_30", 0)
    assert steps_of(panel)[0] == "median_30"
    show_step(panel, "median_25")
    press(panel.steps.buttons["remove"])
    assert len(steps_of(panel)) == 29
