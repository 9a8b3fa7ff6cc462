"""What a run in the scene refuses, and how it says so."""

from __future__ import annotations

import pytest
from MedImgAnalysisLib.errors import InputError, RecipeError
from MedImgAnalysisLib.filtering.gaussian import Gaussian
from MedImgAnalysisLib.recipe import Recipe
from MedImgAnalysisLib.scene import bridge
from MedImgAnalysisLib.scene.run import SceneRun, run_in_scene, single_step
from MedImgAnalysisLib.segmentation.auto_threshold import AutoThreshold
from MedImgAnalysisLib.values import Labels
from scene_helpers import add_transform, box, put_under, ramp, rigid_matrix
from scene_operations import Everything, gaussian_of


def test_an_input_is_refused_as_output(volume):
    with pytest.raises(InputError, match="'T1' is an input, and inputs are never changed"):
        gaussian_of(volume, outputs={"image": volume})


def test_the_segmentation_of_a_mask_is_refused_as_output(volume):
    node = bridge.add_node(Labels.from_masks([("M", box((16, 14, 12), (2, 2, 2), (9, 9, 9)))]), "Seg", kind="labels")
    with pytest.raises(InputError, match="'Seg' is an input"):
        run_in_scene(AutoThreshold(), {"image": volume, "mask": (node, "Segment_1")}, {"labels": node})


def test_one_node_is_refused_for_two_outputs(volume):
    recipe = Recipe.from_data({
        "medimg_recipe": 1, "inputs": {"t1": {"kind": "image"}}, "outputs": ["a", "b"],
        "steps": [{"id": name, "operation": "gaussian", "inputs": {"image": "t1"}, "outputs": {"image": name}}
                  for name in "ab"],
    })  # fmt: skip
    target = bridge.add_node(ramp(), "Mine", kind="image")
    with pytest.raises(InputError, match="'Mine' is named as two outputs"):
        SceneRun(recipe, {"t1": volume}, {"a": target, "b": target})


def test_a_transform_above_an_input_is_refused_as_output(volume):
    parent = add_transform(rigid_matrix())
    put_under(volume, parent)
    with pytest.raises(InputError, match="An input is under the transform 'Parent'"):
        run_in_scene(Everything(), {"image": volume}, {"transform": parent})


def test_an_input_that_is_under_a_transform_input_is_refused(volume):
    parent = add_transform(rigid_matrix())
    put_under(volume, parent)
    with pytest.raises(InputError, match="'T1' is already under the transform 'Parent', which is an input as well"):
        run_in_scene(Everything(), {"image": volume, "transform": parent})


def test_a_wrong_class_is_refused_by_name_and_says_what_would_be_right(scene):
    node = scene.AddNewNodeByClass("vtkMRMLModelNode", "Skull")
    with pytest.raises(InputError, match="Input 'image': 'Skull' is a Model node; image needs one of: ScalarVolume"):
        gaussian_of(node)


def test_a_missing_or_unknown_role_is_refused(volume):
    with pytest.raises(InputError, match="gaussian needs the input 'image'"):
        run_in_scene(Gaussian(), {})
    with pytest.raises(InputError, match="gaussian has no input 'picture'; it has image"):
        run_in_scene(Gaussian(), {"picture": volume})
    with pytest.raises(InputError, match="gaussian has no output 'labels'; it has image"):
        gaussian_of(volume, outputs={"labels": "x"})


def test_unknown_names_of_a_recipe_are_refused(volume):
    recipe, nodes = single_step(Gaussian(), {"image": volume})
    with pytest.raises(RecipeError, match="no input 'other'"):
        SceneRun(recipe, {**nodes, "other": volume})
    with pytest.raises(RecipeError, match="no output 'other'"):
        SceneRun(recipe, nodes, {"other": "x"})
