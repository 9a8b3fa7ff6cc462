"""Recipes in a scene: kept in text nodes, also in a saved one, and run on nodes."""

from __future__ import annotations

import json

import pytest
from MedImgAnalysisLib import recipe_edit
from MedImgAnalysisLib.errors import InputError, RecipeError
from MedImgAnalysisLib.recipe import Recipe


@pytest.fixture
def recipe() -> Recipe:
    made, _ = recipe_edit.add_step(recipe_edit.empty('Soft "ä" <&>\nline'), "gaussian")
    return recipe_edit.rename_value(made, "image", "t1")


def test_a_recipe_comes_back_from_its_node_finished_or_not(scene, recipe):
    from MedImgAnalysisLib.scene import recipes

    node = recipes.add_recipe(recipe)
    assert recipes.is_recipe(node) and recipes.recipe_nodes() == [node]
    assert recipes.recipe_of(node) == recipe
    half = recipe_edit.bind(recipe, "gaussian", "image", None)
    assert recipes.put_recipe(half, node) and not recipes.put_recipe(half, node)
    assert recipes.recipe_of(node, check=False) == half
    with pytest.raises(RecipeError, match="not bound"):
        recipes.recipe_of(node)
    other = scene.AddNewNodeByClass("vtkMRMLTextNode", "Note")
    with pytest.raises(InputError, match="'Note' holds no recipe"):
        recipes.recipe_of(other)
    assert recipes.recipe_nodes() == [node]


@pytest.mark.parametrize("ending", ["mrb", "mrml"])
def test_recipes_are_in_a_saved_scene(scene, recipe, tmp_path, ending):
    from MedImgAnalysisLib.scene import recipes, standalone

    longer = recipe
    for _ in range(40):
        longer, _step = recipe_edit.add_step(longer, "median")
    recipes.add_recipe(recipe, "First")
    recipes.add_recipe(longer, "Long")
    path = tmp_path / f"scene.{ending}"
    if ending == "mrb":
        standalone.save_mrb(path)
    else:
        scene.SetURL(str(path))
        scene.Commit()
    standalone.clear()
    assert recipes.recipe_nodes() == []
    standalone.load(path)
    assert [recipes.recipe_of(node) for node in recipes.recipe_nodes()] == [recipe, longer]


def test_a_recipe_runs_from_an_object_a_node_a_file_and_values(scene, recipe, volume, tmp_path):
    import slicer
    from MedImgAnalysisLib.scene.recipes import RecipeLogic

    logic = RecipeLogic()
    path = tmp_path / "soft.json"
    path.write_text(recipe.as_json(), encoding="utf-8")
    found = []
    for given in (recipe, logic.add_recipe(recipe), path, str(path), json.loads(recipe.as_json())):
        nodes = logic.run(given, {"t1": volume})
        found.append(slicer.util.arrayFromVolume(nodes["gaussian_image"]).tobytes())
    assert len(found) == 5 and len(set(found)) == 1
    assert list(logic.recipes().values()) == [recipe]
    target = logic.run(recipe, {"t1": volume}, {"gaussian_image": "Mine"})["gaussian_image"]
    assert target.GetName() == "Mine"
    assert logic.recipe_from(target).steps[0].operation == "gaussian"


def test_a_wrong_recipe_leaves_the_scene_as_it_was(scene, recipe, volume):
    from MedImgAnalysisLib.scene.digest import changes, scene_digest
    from MedImgAnalysisLib.scene.recipes import RecipeLogic

    before = scene_digest()
    for given, inputs in ((recipe, {}), (recipe, {"t2": volume}), (recipe_edit.empty(), {}), ("nothing.json", {})):
        with pytest.raises(RecipeError):
            RecipeLogic().run(given, inputs)
    assert not any(changes(before, scene_digest()).values())
