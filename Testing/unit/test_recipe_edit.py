"""A recipe changed step by step: names stay unique, bindings sensible, and nothing is lost on the way."""

from __future__ import annotations

import random
import time

import pytest
from MedImgAnalysisLib import catalog, recipe_edit
from MedImgAnalysisLib.errors import ParameterError, RecipeError
from MedImgAnalysisLib.recipe import NAME, Recipe, Step


def chain(*operations: str) -> Recipe:
    recipe = recipe_edit.empty("Chain")
    for operation in operations:
        recipe, _ = recipe_edit.add_step(recipe, operation)
    return recipe


@pytest.mark.parametrize("operation", list(catalog.OPERATIONS))
def test_every_operation_becomes_a_step_that_can_run_as_it_is(operation):
    recipe, step = recipe_edit.add_step(recipe_edit.empty(), operation)
    assert recipe.complaints() == []
    assert step == operation
    assert set(recipe.outputs) == set(recipe.steps[0].outputs.values())
    assert Recipe.from_json(recipe.as_json()) == recipe


@pytest.mark.parametrize("operation", list(catalog.OPERATIONS))
def test_every_operation_can_follow_a_filter_and_a_segmentation(operation):
    recipe, _ = recipe_edit.add_step(chain("median", "threshold"), operation)
    assert recipe.complaints() == []


def test_steps_go_on_from_the_latest_result_and_keep_what_is_new():
    recipe = chain("correct_bias", "median", "threshold", "measure_segments")
    assert dict(recipe.inputs) == {"image": "image"}
    assert [dict(step.inputs) for step in recipe.steps] == [
        {"image": "image"},
        {"image": "correct_bias_image"},
        {"image": "median_image"},
        {"labels": "threshold_labels"},
    ]
    assert "correct_bias_image" not in recipe.outputs
    assert "threshold_labels" in recipe.outputs and "measure_segments_table" in recipe.outputs


def test_what_stays_where_it_is_gets_an_input_and_what_is_moved_the_latest_result():
    recipe = chain("median", "register")
    assert dict(recipe.steps[1].inputs) == {"fixed": "fixed", "moving": "median_image"} or dict(
        recipe.steps[1].inputs
    ) == {"fixed": "image", "moving": "median_image"}
    assert chain("register").inputs == {"fixed": "image", "moving": "image"}


def test_a_step_is_put_behind_the_one_that_is_named():
    recipe, step = recipe_edit.add_step(chain("median", "threshold"), "gaussian", after="median")
    assert [one.id for one in recipe.steps] == ["median", "gaussian", "threshold"]
    assert recipe.steps[1].inputs == {"image": "median_image"} and step == "gaussian"
    with pytest.raises(RecipeError, match="no step 'nothing'"):
        recipe_edit.add_step(recipe, "median", after="nothing")
    with pytest.raises(ParameterError, match="did you mean"):
        recipe_edit.add_step(recipe, "medain")


def test_a_copy_has_names_of_its_own_and_is_kept_as_the_first():
    recipe, first = recipe_edit.duplicate_step(chain("median"), "median")
    recipe, second = recipe_edit.duplicate_step(recipe, first)
    assert (first, second) == ("median_2", "median_3")
    assert [step.outputs["image"] for step in recipe.steps] == ["median_image", "median_image_2", "median_image_3"]
    assert recipe.outputs == ("median_image", "median_image_2", "median_image_3")
    assert recipe.complaints() == []


def test_taking_out_a_filter_binds_what_follows_to_what_it_took():
    recipe, changed = recipe_edit.remove_step(chain("correct_bias", "median", "threshold"), "median")
    assert changed == ("threshold",)
    assert recipe.steps[1].inputs == {"image": "correct_bias_image"}
    assert recipe.complaints() == []
    alone, changed = recipe_edit.remove_step(chain("median"), "median")
    assert changed == () and alone.outputs == () and alone.inputs == {"image": "image"}


def test_taking_out_what_nothing_else_gives_is_a_problem_at_the_step_that_took_it():
    recipe, changed = recipe_edit.remove_step(chain("threshold", "measure_segments"), "threshold")
    assert changed == ()
    assert recipe.complaints() == [
        (
            "measure_segments",
            "Input 'labels' wants 'threshold_labels', which no earlier step makes and no input names.",
        )
    ]


def test_a_step_before_what_it_takes_is_a_problem_that_says_so():
    recipe = recipe_edit.move_step(chain("median", "threshold"), "threshold", 0)
    assert recipe.complaints() == [
        ("threshold", "Input 'image' wants 'median_image', which no earlier step makes: step 'median' makes it later.")
    ]
    assert recipe_edit.order_steps(recipe, ["median", "threshold"]) == chain("median", "threshold")
    with pytest.raises(RecipeError, match="each step once"):
        recipe_edit.order_steps(recipe, ["median"])
    assert recipe_edit.move_step(recipe, "median", 99).steps[-1].id == "median"


def test_switching_a_step_off_and_on_again_changes_nothing():
    recipe = chain("median", "threshold")
    off = recipe_edit.switch_step(recipe, "threshold", False)
    assert off.complaints() == [] and off.outputs == ("median_image",)
    assert recipe_edit.switch_step(off, "threshold", True) == recipe
    broken = recipe_edit.switch_step(recipe, "median", False)
    assert [step for step, _ in broken.complaints()] == ["threshold"]
    assert "step 'median' is switched off" in broken.complaints()[0][1]


def test_a_name_is_changed_everywhere_and_a_taken_or_impossible_one_is_refused():
    recipe = recipe_edit.rename_value(chain("median", "gaussian", "threshold"), "median_image", "quiet")
    assert recipe.steps[0].outputs == {"image": "quiet"} and recipe.steps[1].inputs == {"image": "quiet"}
    recipe = recipe_edit.rename_value(recipe, "image", "t1")
    assert recipe.inputs == {"t1": "image"} and recipe.steps[0].inputs == {"image": "t1"}
    assert recipe_edit.rename_value(recipe, "t1", "T1").inputs == {"T1": "image"}
    for name in ("Quiet", "../x", "", "a b", "x" * 81):
        with pytest.raises(RecipeError):
            recipe_edit.rename_value(recipe, "t1", name)
    assert recipe_edit.rename_step(recipe, "median", "denoise").steps[0].id == "denoise"
    with pytest.raises(RecipeError, match="already"):
        recipe_edit.rename_step(recipe, "median", "threshold")


def test_a_value_is_kept_or_not_and_outputs_are_in_the_order_of_the_steps():
    recipe = chain("median", "gaussian", "threshold")
    assert "median_image" not in recipe.outputs
    recipe = recipe_edit.keep(recipe, "median_image", True)
    assert recipe.outputs[:2] == ("median_image", "gaussian_image")
    assert recipe_edit.keep(recipe, "median_image", False) == chain("median", "gaussian", "threshold")


def test_inputs_are_added_renamed_and_removed_when_nobody_takes_them():
    recipe, name = recipe_edit.add_input(chain("median"), "mask")
    assert name == "mask" and recipe.inputs == {"image": "image", "mask": "mask"}
    recipe = recipe_edit.bind(recipe, "median", "mask", "mask")
    assert recipe.complaints() == []
    with pytest.raises(RecipeError, match="taken by median"):
        recipe_edit.remove_input(recipe, "mask")
    recipe = recipe_edit.remove_input(recipe_edit.bind(recipe, "median", "mask", None), "mask")
    assert recipe == chain("median")
    wrong = recipe_edit.set_input_kind(recipe, "image", "labels")
    assert wrong.complaints() == [("median", "Input 'image' is image, but 'image' is labels.")]
    for change in (
        lambda: recipe_edit.add_input(recipe, "volume"),
        lambda: recipe_edit.add_input(recipe, "mask", "image"),
    ):
        with pytest.raises(RecipeError):
            change()


def test_a_role_that_takes_several_gets_all_that_fit():
    recipe = chain("consensus")
    assert recipe.steps[0].inputs == {"raters": ["raters_1", "raters_2"]}
    assert recipe_edit.bind(recipe, "consensus", "raters", ["raters_1"]).steps[0].inputs == {"raters": ["raters_1"]}
    assert recipe_edit.bind(recipe, "consensus", "raters", []).complaints() == [
        ("consensus", "Input 'raters' (labels) is not bound.")
    ]


def test_only_names_of_the_right_kind_that_are_there_are_offered():
    recipe = chain("median", "threshold", "measure_segments")
    assert recipe_edit.offered(recipe, 0, "image") == ["image"]
    assert recipe_edit.offered(recipe, 2, "image") == ["image", "median_image"]
    assert recipe_edit.offered(recipe, 2, "mask") == ["threshold_labels"]
    assert recipe_edit.offered(recipe_edit.switch_step(recipe, "median", False), 2, "image") == ["image"]


def test_every_problem_of_every_step_is_said_and_none_twice():
    recipe = chain("median", "threshold")
    recipe = recipe_edit.set_parameters(recipe, "median", {"radius_voxels": 99})
    recipe = recipe_edit.bind(recipe, "median", "image", None)
    found = recipe.complaints()
    assert [step for step, _ in found] == ["median", "median"]
    assert "1 to 10 voxels" in found[0][1] and "not bound" in found[1][1]


def test_an_unknown_operation_is_a_problem_of_its_step_alone():
    recipe = chain("median", "threshold")
    steps = (Step("x", "from_the_future", {}, {"image": "image"}, {"image": "median_image"}), recipe.steps[1])
    recipe = Recipe("x", recipe.inputs, steps, recipe.outputs)
    assert [step for step, _ in recipe.complaints()] == ["x"]
    assert recipe_edit.remove_step(recipe, "x")[1] == ()
    assert Recipe.from_json(recipe.as_json(), check=False) == recipe
    with pytest.raises(RecipeError, match="no operation"):
        Recipe.from_json(recipe.as_json())


def random_change(recipe: Recipe, dice: random.Random) -> Recipe:
    step = dice.choice([step.id for step in recipe.steps] or ["none"])
    value = dice.choice(sorted(recipe_edit.taken_names(recipe)) or ["none"])
    names = ["median", "threshold", "clean_segments", "register", "consensus", "apply_mask", "measure_features"]
    changes = [
        lambda: recipe_edit.add_step(recipe, dice.choice(names), step)[0],
        lambda: recipe_edit.duplicate_step(recipe, step)[0],
        lambda: recipe_edit.remove_step(recipe, step)[0],
        lambda: recipe_edit.move_step(recipe, step, dice.randrange(5)),
        lambda: recipe_edit.switch_step(recipe, step, dice.random() < 0.7),
        lambda: recipe_edit.rename_value(recipe, value, f"n{dice.randrange(30)}"),
        lambda: recipe_edit.bind(recipe, step, "image", value),
        lambda: recipe_edit.keep(recipe, value, dice.random() < 0.5) if value not in recipe.inputs else recipe,
        lambda: recipe_edit.remove_input(recipe, value),
    ]
    return dice.choice(changes)()


@pytest.mark.parametrize("seed", range(5))
def test_any_sequence_of_changes_leaves_unique_names_and_text_that_comes_back_equal(seed):
    dice, recipe, refused = random.Random(seed), chain("median"), 0
    for _ in range(100):
        try:
            recipe = random_change(recipe, dice)
        except RecipeError:
            refused += 1
            continue
        made = [*recipe.inputs, *(name for one in recipe.steps for name in one.outputs.values())]
        assert len({name.casefold() for name in made}) == len(made)
        assert len({one.id for one in recipe.steps}) == len(recipe.steps)
        assert all(NAME.fullmatch(name) for name in made)
        assert len(set(recipe.outputs)) == len(recipe.outputs)
        assert Recipe.from_json(recipe.as_json(), check=False) == recipe
        assert set(recipe.problems()) == {step for step, _ in recipe.complaints()}
    assert refused < 80


def test_thousands_of_broken_steps_are_checked_at_once():
    started = time.perf_counter()
    steps = tuple(Step(f"s{n}", "median", {}, {"image": f"v{n + 1}"}, {"image": f"v{n}"}) for n in range(5000))
    found = Recipe("Backwards", {}, steps, ()).complaints()
    assert len(found) == 5000 and "step 's1' makes it later" in found[0][1]
    assert time.perf_counter() - started < 10
