"""Records of runs put behind each other: one recipe that gives the same values."""

from __future__ import annotations

import pytest
from MedImgAnalysisLib.catalog import find
from MedImgAnalysisLib.errors import RecipeError
from MedImgAnalysisLib.execution import execute
from MedImgAnalysisLib.history import Given, Made, changed_operations, joined_recipe
from MedImgAnalysisLib.provenance import fingerprint
from MedImgAnalysisLib.recipe import Recipe, Step

T1 = Given("t1", "MR head (T1)", "image")


def run_of(operation: str, output: str = "", /, given: dict | None = None, **parameters) -> Made:
    kind = find(operation)
    recipe = Recipe.single(kind(**parameters), {role: role for role in given})
    role = output or kind.outputs()[0].name
    return Made(recipe, recipe.steps[0].outputs[role], given)


def test_runs_behind_each_other_are_steps_behind_each_other_with_the_same_voxels(oblique_image):
    smooth = run_of("median", given={"image": T1})
    again = run_of("median", given={"image": smooth}, radius_voxels=2)
    found = run_of("threshold", given={"image": again}, lower=20.0)
    recipe, given = joined_recipe([found], "Back")
    assert [step.id for step in recipe.steps] == ["median", "median_2", "threshold"]
    assert dict(recipe.inputs) == {"MR_head_T1": "image"} and given == {"MR_head_T1": T1}
    assert recipe.outputs == ("threshold_labels",)
    value = oblique_image
    for operation in (find("median")(), find("median")(radius_voxels=2)):
        value = execute(operation, {"image": value}).outputs["image"]
    wanted = execute(find("threshold")(lower=20.0), {"image": value}).outputs["labels"]
    made = recipe.run({"MR_head_T1": oblique_image}).outputs["threshold_labels"]
    assert fingerprint(made) == fingerprint(wanted)


def test_a_run_that_two_values_come_from_is_there_once():
    other = Given("t2", "T2", "image")
    move = run_of("register", "transform", given={"fixed": other, "moving": T1})
    aligned = Made(move.recipe, move.recipe.steps[0].outputs["image"], dict(move.inputs))
    moved = run_of("apply_transform", given={"image": aligned, "transform": move})
    recipe, _ = joined_recipe([moved, aligned], "Both")
    assert [step.operation for step in recipe.steps] == ["register", "apply_transform"]
    assert recipe.steps[1].inputs == {"image": "register_image", "transform": "register_transform"}
    assert recipe.outputs == ("register_image", "apply_transform_image")


def test_equal_operations_with_other_parameters_or_inputs_stay_apart():
    first, second = (run_of("gaussian", given={"image": T1}, sigma_mm=s) for s in (1.0, 2.0))
    recipe, _ = joined_recipe([run_of("compare_images", given={"reference": first, "test": second})], "Two")
    assert [step.id for step in recipe.steps] == ["gaussian", "gaussian_2", "compare_images"]
    assert recipe.steps[2].inputs == {"reference": "gaussian_image", "test": "gaussian_2_image"}


def test_of_a_longer_run_only_the_steps_that_are_needed_are_taken():
    steps = (
        Step("a", "median", {}, {"image": "t1"}, {"image": "clean"}),
        Step("b", "gaussian", {}, {"image": "t2"}, {"image": "other"}),
        Step("off", "median", {}, {"image": "clean"}, {"image": "gone"}, enabled=False),
        Step("c", "threshold", {"lower": 1.0}, {"image": "clean"}, {"labels": "body", "table": "size"}),
    )
    longer = Recipe("Long", {"t1": "image", "t2": "image"}, steps, ("other", "body", "size"))
    t2 = run_of("median", given={"image": Given("t2", "T2", "image")})
    recipe, given = joined_recipe([Made(longer, "size", {"t1": T1, "t2": t2})], "Short")
    assert [step.id for step in recipe.steps] == ["a", "c"]
    assert recipe.outputs == ("size",) and list(given) == ["MR_head_T1"]


def test_several_inputs_of_one_role_stay_several():
    readers = {f"raters_{n}": Given(f"r{n}", f"Reader {n}", "labels") for n in (1, 2, 3)}
    recipe = Recipe.single(find("consensus")(), {"raters": list(readers)})
    made, given = joined_recipe([Made(recipe, recipe.outputs[0], readers)], "Readers")
    assert made.steps[0].inputs == {"raters": ["Reader_1", "Reader_2", "Reader_3"]} and len(given) == 3


def test_records_that_do_not_fit_are_refused():
    smooth = run_of("median", given={"image": T1})
    with pytest.raises(RecipeError, match="does not say what 'image' was"):
        joined_recipe([Made(smooth.recipe, smooth.output, {})], "x")
    with pytest.raises(RecipeError, match="'nothing'"):
        joined_recipe([Made(smooth.recipe, "nothing", {"image": T1})], "x")
    with pytest.raises(RecipeError, match="nothing to make"):
        joined_recipe([], "x")
    labels = Given("l", "Labels", "labels")
    with pytest.raises(RecipeError, match="do not fit together"):
        joined_recipe([Made(smooth.recipe, smooth.output, {"image": labels})], "x")


def test_operations_that_changed_since_then_are_named():
    now = find("median").revision
    assert list(changed_operations({"operation": "median", "revision": now})) == []
    assert "its results may differ" in next(iter(changed_operations({"operation": "median", "revision": now - 1})))
    assert "not there any more" in next(iter(changed_operations({"operation": "medain", "revision": 1})))
