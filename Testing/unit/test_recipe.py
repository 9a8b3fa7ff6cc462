"""Recipes: read, checked, run; strangers' recipes cannot do harm."""

from __future__ import annotations

import json

import jsonschema
import numpy as np
import pytest
import SimpleITK as sitk
from MedImgAnalysisLib import catalog, recipe
from MedImgAnalysisLib.errors import Cancelled, InputError, RecipeError
from MedImgAnalysisLib.execution import execute
from MedImgAnalysisLib.filtering import Gaussian, Median
from MedImgAnalysisLib.progress import Progress
from MedImgAnalysisLib.provenance import fingerprint
from MedImgAnalysisLib.recipe import Recipe

TWO_STEPS = {
    "medimg_recipe": 1,
    "name": "Denoise and find",
    "description": "",
    "inputs": {"t1": {"kind": "image"}},
    "steps": [
        {"id": "denoise", "operation": "median", "parameters": {"radius_voxels": 1},
         "inputs": {"image": "t1"}, "outputs": {"image": "t1_clean"}},
        {"id": "find", "operation": "auto_threshold", "parameters": {},
         "inputs": {"image": "t1_clean"}, "outputs": {"labels": "head", "table": "numbers"}},
    ],
    "outputs": ["head", "numbers"],
}  # fmt: skip


def changed(**parts) -> dict:
    return {**json.loads(json.dumps(TWO_STEPS)), **parts}


def with_step(number: int, **parts) -> dict:
    data = changed()
    data["steps"][number].update(parts)
    return data


@pytest.fixture
def image() -> sitk.Image:
    array = np.random.default_rng(0).normal(0, 1, (8, 9, 10)).astype(np.float32)
    array[2:6, 2:7, 3:8] += 20
    return sitk.GetImageFromArray(array)


def test_a_recipe_gives_what_its_operations_give_one_by_one(image):
    result = Recipe.from_data(TWO_STEPS).run({"t1": image})
    clean = execute(Median(), {"image": image}).outputs["image"]
    alone = execute(catalog.find("auto_threshold")(), {"image": clean}).outputs
    assert list(result.outputs) == ["head", "numbers"]
    assert fingerprint(result.outputs["head"]) == fingerprint(alone["labels"])
    assert [record["step"] for record in result.records] == ["denoise", "find"]
    assert result.records[1]["inputs"]["image"]["sha256"] == fingerprint(clean)


def test_text_and_data_come_back_equal():
    made = Recipe.from_data(TWO_STEPS)
    assert made.as_data() == TWO_STEPS
    assert Recipe.from_json(made.as_json()) == made
    jsonschema.validate(made.as_data(), recipe.schema())


def test_a_file_saved_by_an_editor_of_windows_is_read(tmp_path):
    text = Recipe.from_data(TWO_STEPS).as_json().replace("\n", "\r\n")
    (tmp_path / "recipe.json").write_bytes(b"\xef\xbb\xbf" + text.encode())
    assert Recipe.load(tmp_path / "recipe.json").as_data() == TWO_STEPS


def test_the_one_step_recipe_of_a_panel_gives_equal_voxels(image):
    operation = Gaussian(sigma_mm=2.0)
    single = Recipe.single(operation, {"image": "t1"}, {"image": "smooth"})
    again = Recipe.from_json(single.as_json()).run({"t1": image}).outputs["smooth"]
    assert fingerprint(again) == fingerprint(execute(operation, {"image": image}).outputs["image"])


def test_a_step_that_is_switched_off_is_not_run_and_what_hangs_on_it_is_a_problem():
    off = with_step(1, enabled=False)
    off["outputs"] = []
    assert len(Recipe.from_data(off).run({"t1": sitk.Image([5, 5, 5], sitk.sitkUInt8)}).records) == 1
    with pytest.raises(RecipeError, match="no earlier step makes"):
        Recipe.from_data(with_step(0, enabled=False))


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ([], "not a recipe"),
        ({"steps": []}, "not a recipe"),
        (changed(steps=[]), "no steps"),
        (changed(steps={}), '"steps" must be a list'),
        (changed(steps=[5]), "Step 1 must be an object"),
        (changed(outputs=["nothing"]), "not made by any step"),
        (changed(outputs=["head", "HEAD"]), "not made|same name"),
        (changed(script="rm"), "unknown entry 'script'"),
        (changed(inputs={"../t1": {"kind": "image"}}), "name may have"),
        (changed(inputs={"t1": {"kind": "volume"}}), "kind is one of"),
        (with_step(0, operation="medain"), "did you mean median"),
        (with_step(0, parameters={"radius_voxels": 99}), "1 to 10 voxels"),
        (with_step(0, parameters={"radius": 1}), "no parameter 'radius'"),
        (with_step(0, inputs={}), "'image' \\(image\\) is not bound"),
        (with_step(0, inputs={"image": "t2"}), "no earlier step makes"),
        (with_step(0, inputs={"image": ["t1"]}), "takes one name"),
        (with_step(0, inputs={"image": "t1", "mask": "t1"}), "is mask, but 't1' is image"),
        (with_step(0, outputs={"image": "../../etc/passwd"}), "letters, digits"),
        (with_step(0, outputs={"picture": "x"}), "no output 'picture'"),
        (with_step(0, outputs={"image": "t1"}), "used twice"),
        (with_step(1, id="denoise"), "used twice"),
        (with_step(1, enabled="yes"), "true or false"),
    ],
)
def test_what_is_wrong_with_a_recipe_is_said(data, words):
    with pytest.raises(RecipeError, match=words):
        Recipe.from_data(data)


@pytest.mark.parametrize("text", ["", "{", "null", "[" * 100_000, '{"medimg_recipe": 1', " " * (1 << 21), "\u0000"])
def test_text_that_is_no_recipe_is_refused_quickly(text):
    with pytest.raises(RecipeError):
        Recipe.from_json(text)


def test_every_problem_is_found_at_its_step():
    data = with_step(0, parameters={"radius_voxels": 0})
    data["steps"][1]["parameters"] = {"bins": 1}
    made = Recipe(data["name"], {"t1": "image"}, tuple(recipe.Step(**s) for s in data["steps"]), ("head",))
    assert set(made.problems()) == {"denoise", "find"}


def test_a_missing_input_is_named_and_an_optional_one_may_be_missing(image):
    with pytest.raises(RecipeError, match="needs the inputs t1"):
        Recipe.from_data(TWO_STEPS).run({})
    data = changed(inputs={"t1": {"kind": "image"}, "roi": {"kind": "mask"}})
    data["steps"][0]["inputs"]["mask"] = "roi"
    assert "mask" not in Recipe.from_data(data).run({"t1": image}).records[0]["inputs"]


def test_an_error_of_one_of_several_steps_names_the_step(image):
    steps = [
        {"id": "find", "operation": "threshold", "parameters": {"lower": -1e9},
         "inputs": {"image": "t1"}, "outputs": {"labels": "all"}},
        {"id": "tidy", "operation": "clean_segments", "parameters": {"smallest_ml": 1e6},
         "inputs": {"labels": "all"}, "outputs": {"labels": "some"}},
    ]  # fmt: skip
    data = {"medimg_recipe": 1, "inputs": {"t1": {"kind": "image"}}, "steps": steps, "outputs": ["some"]}
    with pytest.raises(InputError, match=r"^Step 'tidy': Nothing is left") as caught:
        Recipe.from_data(data).run({"t1": image})
    assert caught.value.step == "tidy" and caught.value.role == "labels"
    steps[0]["parameters"] = {"lower": 1e9}
    with pytest.raises(InputError, match=r"^Nothing was found"):
        Recipe.from_data({**data, "steps": steps[:1], "outputs": ["all"]}).run({"t1": image})


def test_progress_runs_over_all_steps_and_a_cancel_stops_between_them(image):
    seen: list[float] = []
    Recipe.from_data(TWO_STEPS).run({"t1": image}, progress=Progress(lambda f, m: seen.append(f)))
    assert seen == sorted(seen) and seen[0] <= 0.5 < seen[-1]
    progress = Progress(lambda f, m: progress.cancel())
    with pytest.raises(Cancelled):
        Recipe.from_data(TWO_STEPS).run({"t1": image}, progress=progress)


@pytest.mark.parametrize(
    "content", [b"id,t1\n", b"\xff\xfe", b'{"medimg_recipe": 1, "inputs": {}, "steps": [], "outputs": []}']
)
def test_a_file_that_is_no_recipe_is_named(tmp_path, content):
    path = tmp_path / "cohort.csv"
    path.write_bytes(content)
    with pytest.raises(RecipeError, match=r"cohort\.csv") as caught:
        Recipe.load(path)
    assert caught.value.path == path
    with pytest.raises(RecipeError, match=r"gone\.json cannot be read: [A-Z]"):
        Recipe.load(tmp_path / "gone.json")
