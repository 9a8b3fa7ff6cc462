"""A recipe from how a node was made: run on the first inputs it gives the same hashes; what was changed is told."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk
from medimg_testing import oblique_grid
from MedImgAnalysisLib.errors import InputError
from MedImgAnalysisLib.provenance import fingerprint
from MedImgAnalysisLib.values import Frames, Landmarks


@pytest.fixture
def logic(scene):
    from MedImgAnalysisLib.scene.logic import OperationLogic

    return OperationLogic()


def history_of(*nodes):
    from MedImgAnalysisLib.scene.history import history_of

    return history_of(*nodes)


def hash_of(node, kind: str) -> str:
    from MedImgAnalysisLib.scene import bridge

    return fingerprint(bridge.value_of(node, kind))


def again(history) -> dict[str, str]:
    """Run a history on its first inputs, and give the hashes of what it makes."""
    from MedImgAnalysisLib.scene.recipes import RecipeLogic

    kinds = history.recipe.kinds()
    made = RecipeLogic().run(history.recipe, history.inputs)
    return {name: hash_of(node, kinds[name]) for name, node in made.items()}


def blob(seed: int, shift: float = 0.0) -> sitk.Image:
    k, j, i = np.meshgrid(*(np.arange(n, dtype=float) for n in (12, 14, 16)), indexing="ij")
    array = 100 * np.exp(-(((i - 8 - shift) / 4) ** 2 + ((j - 7) / 3) ** 2 + ((k - 6) / 3) ** 2))
    noise = np.random.default_rng(seed).normal(0, 2, array.shape)
    return oblique_grid(sitk.GetImageFromArray((array + noise).astype(np.float32)))


@pytest.fixture
def second(scene):
    from MedImgAnalysisLib.scene import bridge

    return bridge.add_node(blob(2, 1.0), "T2", kind="image")


def test_six_runs_back_to_two_volumes_give_the_same_table_again(logic, volume, second):
    clean = logic.run("median", image=volume)
    motion = logic.run("register", fixed=second, moving=clean, start="none", finest_mm=8.0)
    moved = logic.run("apply_transform", image=volume, transform=motion.transform, reference=second)
    found = logic.run("auto_threshold", image=moved)
    tidy = logic.run("clean_segments", labels=found.labels)
    table = logic.run("measure_segments", labels=tidy.labels, image=motion.image)
    history = history_of(table)
    assert [step.operation for step in history.recipe.steps] == [
        "median", "register", "apply_transform", "auto_threshold", "clean_segments", "measure_segments",
    ]  # fmt: skip
    assert history.inputs == {"T1": volume, "T2": second} and history.notes == ()
    assert history.recipe.outputs == ("measure_segments_table",)
    assert again(history) == {"measure_segments_table": hash_of(table, "table")}


def test_the_recipe_of_images_gives_the_recorded_hashes_on_plain_values(logic, volume):
    from MedImgAnalysisLib.scene import bridge, outputs

    smooth = logic.run("gaussian", image=logic.run("median", image=logic.run("correct_bias", image=volume).image))
    history = history_of(smooth)
    values = {"T1": bridge.value_of(volume, "image")}
    (made,) = history.recipe.run(values).outputs.values()
    assert fingerprint(made) == outputs.record_of(smooth)["outputs"]["image"]["sha256"]


def test_a_mask_of_one_segment_and_a_run_of_a_whole_recipe_are_followed(logic, volume):
    from MedImgAnalysisLib.recipe import Recipe, Step
    from MedImgAnalysisLib.scene.run import SceneRun

    body = logic.run("body_mask", image=volume)
    segment = body.GetSegmentation().GetNthSegmentID(0)
    steps = (
        Step("a", "gaussian", {}, {"image": "t1", "mask": "m"}, {"image": "soft"}),
        Step("b", "median", {}, {"image": "soft"}, {"image": "softer"}),
        Step("c", "threshold", {"lower": 30.0}, {"image": "t1"}, {"labels": "unneeded"}),
    )
    recipe = Recipe("Three", {"t1": "image", "m": "mask"}, steps, ("softer", "unneeded"))
    nodes = SceneRun(recipe, {"t1": volume, "m": (body, segment)}).run()
    history = history_of(nodes["softer"])
    assert [step.operation for step in history.recipe.steps] == ["body_mask", "gaussian", "median"]
    assert again(history) == {"softer": hash_of(nodes["softer"], "image")}


def test_a_sequence_is_followed_with_all_its_frames(logic, scene):
    from MedImgAnalysisLib.scene import bridge

    cine = bridge.add_node(Frames((blob(1), blob(2), blob(3)), (0.0, 0.5, 2.0), "time", "s"), "Cine", kind="image")
    soft = logic.run("gaussian", image=logic.run("median", image=cine))
    history = history_of(soft)
    assert history.inputs == {"Cine": cine}
    assert again(history) == {"gaussian_image": hash_of(soft, "image")}


def test_transforms_of_a_sequence_count_as_unchanged_after_their_scene_was_saved_and_loaded(logic, scene, tmp_path):
    from MedImgAnalysisLib.scene import bridge, standalone

    turns = [sitk.Euler3DTransform((-25, 25, 160), 0.123456789 / n, 0.01, 0.02, (1 / n, 0.2, 0.3)) for n in (3, 7)]
    moves = bridge.add_node(Frames(tuple(turns), (0.0, 1.0), "time", "s"), "Moves", kind="transform")
    name = logic.run("invert_transform", transform=moves).transform.GetName()
    standalone.load(standalone.save_mrb(tmp_path / "scene.mrb"))
    back = scene.GetFirstNodeByName(name)
    assert back is not None and history_of(back).notes == ()


def test_points_and_transforms_come_back_with_the_same_digits(logic, volume):
    from MedImgAnalysisLib.scene import bridge

    points = [
        bridge.add_node(Landmarks(("a", "b", "c", "d"), np.random.default_rng(n).uniform(-30, 30, (4, 3))), f"P{n}",
                        kind="landmarks")
        for n in (1, 2)
    ]  # fmt: skip
    motion = logic.run("register_landmarks", fixed=points[0], moving=points[1]).transform
    moved = logic.run("apply_transform_landmarks", landmarks=points[0], transform=motion).landmarks
    history = history_of(moved)
    assert [step.operation for step in history.recipe.steps] == ["register_landmarks", "apply_transform_landmarks"]
    assert history.notes == ()
    from MedImgAnalysisLib.scene.recipes import RecipeLogic

    (made,) = RecipeLogic().run(history.recipe, history.inputs).values()
    expected, found = (bridge.value_of(node, "landmarks").points for node in (moved, made))
    np.testing.assert_allclose(found, expected, atol=1e-9)
    matrix = motion.GetTransformToParent().GetMatrix()
    matrix.SetElement(0, 3, matrix.GetElement(0, 3) + 0.01)
    motion.SetMatrixTransformToParent(matrix)
    pushed = logic.run("apply_transform_landmarks", landmarks=points[0], transform=motion).landmarks
    assert list(history_of(pushed).recipe.inputs.values()) == ["landmarks", "transform"]
    assert "it was changed or moved since" in history_of(pushed).notes[0]
    assert len(history_of(moved).recipe.steps) == 2, "this one was made before"


def test_an_image_that_was_changed_since_then_is_an_input_and_that_is_said(logic, volume):
    import slicer

    clean = logic.run("median", image=volume)
    slicer.util.updateVolumeFromArray(clean, slicer.util.arrayFromVolume(clean) + 1)
    soft = logic.run("gaussian", image=clean)
    history = history_of(soft)
    assert [step.operation for step in history.recipe.steps] == ["gaussian"]
    assert history.inputs == {"T1_Median": clean}
    assert "'T1 Median' is an input of the recipe: it was changed or moved since" in history.notes[0]
    assert again(history) == {"gaussian_image": hash_of(soft, "image")}
    slicer.util.updateVolumeFromArray(soft, slicer.util.arrayFromVolume(soft) * 0)
    assert history_of(soft).notes[0].endswith("was changed since it was made; the recipe makes what it was.")


def test_segments_by_hand_of_other_runs_or_one_of_several_are_inputs(logic, volume):
    found = logic.run("threshold", image=volume, lower=40.0).labels
    table = logic.run("measure_segments", labels=found)
    assert len(history_of(table).recipe.steps) == 2
    found.GetSegmentation().GetNthSegment(0).SetName("Mine")
    assert "changed by hand" in history_of(table).notes[0]
    both = logic.run("threshold", image=volume, lower=60.0, segment="High", outputs={"labels": found}).labels
    assert both.GetSegmentation().GetNumberOfSegments() == 2
    table = logic.run("measure_segments", labels=both)
    assert "has segments that the last run has not made" in history_of(table).notes[0]


def test_segments_of_several_runs_in_one_node_are_each_followed_to_their_run(logic, volume, second):
    low = logic.run("threshold", image=volume, lower=20.0, segment="Low").labels
    clean = logic.run("median", image=second)
    logic.run("threshold", image=clean, lower=50.0, segment="High", outputs={"labels": low})
    logic.run("auto_threshold", image=second, segment="Auto", outputs={"labels": low})
    segmentation = low.GetSegmentation()
    ids = {segmentation.GetNthSegment(n).GetName(): segmentation.GetNthSegmentID(n) for n in range(3)}
    expected = {
        "Low": (["threshold", "gaussian"], {"T1"}),
        "High": (["median", "threshold", "gaussian"], {"T1", "T2"}),
        "Auto": (["auto_threshold", "gaussian"], {"T1", "T2"}),
    }
    for name, (operations, inputs) in expected.items():
        soft = logic.run("gaussian", image=volume, mask=(low, ids[name]))
        history = history_of(soft)
        assert [step.operation for step in history.recipe.steps] == operations, name
        assert {node.GetName() for node in history.inputs.values()} == inputs and history.notes == ()
        assert again(history) == {"gaussian_image": hash_of(soft, "image")}
    whole = history_of(low)
    assert [step.operation for step in whole.recipe.steps] == ["threshold", "median", "threshold", "auto_threshold"]
    assert len(whole.recipe.outputs) == 3 and whole.notes == ()


def test_records_of_runs_without_segments_in_the_node_go(logic, volume):
    from MedImgAnalysisLib.scene.earlier_runs import EARLIER

    def earlier() -> int:
        return sum(name.startswith(EARLIER) for name in node.GetAttributeNames())

    def roles() -> list[str]:
        names = [node.GetNthNodeReferenceRole(n) for n in range(node.GetNumberOfNodeReferenceRoles())]
        return [name for name in names if name.startswith("MedImgAnalysis") and node.GetNumberOfNodeReferences(name)]

    node = logic.run("threshold", image=volume, lower=20.0, segment="A").labels
    assert earlier() == 0 and len(roles()) == 1
    logic.run("threshold", image=volume, lower=30.0, segment="B", outputs={"labels": node})
    assert earlier() == 1 and len(roles()) == 2
    for lower in (40.0, 45.0):  # each takes the place of the one before
        logic.run("threshold", image=volume, lower=lower, segment="B", outputs={"labels": node})
        assert earlier() == 1 and len(roles()) == 2
    node.GetSegmentation().RemoveSegment(node.GetSegmentation().GetNthSegmentID(0))
    logic.run("threshold", image=volume, lower=50.0, segment="B", outputs={"labels": node})
    assert earlier() == 0 and len(roles()) == 1
    assert len(history_of(node).recipe.steps) == 1


def test_one_of_several_segments_is_picked_by_its_name(logic, volume):
    several = logic.run("multi_otsu", image=volume, classes=3).labels
    segmentation = several.GetSegmentation()
    assert segmentation.GetNumberOfSegments() > 1
    last = segmentation.GetNthSegmentID(segmentation.GetNumberOfSegments() - 1)
    soft = logic.run("gaussian", image=volume, mask=(several, last))
    history = history_of(soft)
    assert [step.operation for step in history.recipe.steps] == ["multi_otsu", "combine_segments", "gaussian"]
    assert history.notes == () and history.inputs == {"T1": volume}
    assert again(history) == {"gaussian_image": hash_of(soft, "image")}
    table = logic.run("measure_segments", labels=(several, last), image=volume)
    (row,) = again_values(history_of(table))
    from MedImgAnalysisLib.scene import bridge

    (expected,) = bridge.value_of(table, "table").rows
    assert row["voxels"] == expected["voxels"] and row["segment"] == expected["segment"]
    segmentation.GetSegment(last).SetName("A, B")
    renamed = logic.run("gaussian", image=volume, mask=(several, last))
    assert "changed by hand" in history_of(renamed).notes[0]


def again_values(history):
    """The rows of the one table that a history makes."""
    from MedImgAnalysisLib.scene import bridge
    from MedImgAnalysisLib.scene.recipes import RecipeLogic

    (made,) = RecipeLogic().run(history.recipe, history.inputs).values()
    return bridge.value_of(made, "table").rows


def test_an_input_that_is_gone_has_to_be_chosen_anew(logic, volume):
    import slicer

    clean = logic.run("median", image=volume)
    expected = hash_of(clean, "image")
    slicer.mrmlScene.RemoveNode(volume)
    history = history_of(clean)
    assert history.inputs == {"T1": None} and "not in the scene any more" in history.notes[0]
    assert hash_of(clean, "image") == expected


def test_a_node_that_was_written_over_by_what_came_from_it_ends_the_chain(logic, volume):
    clean = logic.run("median", image=volume)
    soft = logic.run("gaussian", image=clean)
    logic.run("median", image=soft, radius_voxels=2, outputs={"image": clean})
    history = history_of(soft)
    assert [step.operation for step in history.recipe.steps] == ["gaussian"]
    assert list(history.inputs.values()) == [clean] and "T1 Median" in history.notes[0]
    assert [step.operation for step in history_of(clean).recipe.steps] == ["gaussian", "median"]


def test_what_was_not_made_by_a_run_is_refused_by_name(volume):
    from MedImgAnalysisLib.scene.history import has_record

    assert not has_record(volume)
    with pytest.raises(InputError, match="'T1' has no record"):
        history_of(volume)


def test_several_results_of_one_run_come_from_one_step(logic, volume):
    made = logic.run("auto_threshold", image=volume)
    history = history_of(made.labels, made.table)
    assert len(history.recipe.steps) == 1 and len(history.recipe.outputs) == 2
    kinds = {"auto_threshold_labels": made.labels, "auto_threshold_table": made.table}
    assert again(history) == {name: hash_of(node, history.recipe.kinds()[name]) for name, node in kinds.items()}


def test_a_saved_scene_knows_how_its_nodes_came_about(logic, volume, second, tmp_path):
    import slicer
    from MedImgAnalysisLib.scene import bridge, standalone
    from MedImgAnalysisLib.scene.recipes import RecipeLogic

    motion = logic.run("register", fixed=second, moving=volume, start="none", finest_mm=8.0)
    moved = logic.run("apply_transform", image=volume, transform=motion.transform, reference=second)
    found = logic.run("auto_threshold", image=moved)
    table = logic.run("measure_segments", labels=found.labels, image=moved)
    names = [node.GetName() for node in (moved, motion.transform, found.labels, table)]
    expected = bridge.value_of(table, "table").rows[0]
    before = [history_of(slicer.util.getNode(name)) for name in names]
    standalone.save_mrb(tmp_path / "scene.mrb")
    standalone.clear()
    standalone.load(tmp_path / "scene.mrb")
    for name, old in zip(names, before):
        history = history_of(slicer.util.getNode(name))
        assert history.notes == (), name
        assert history.recipe == old.recipe, name
        assert {node.GetName() for node in history.inputs.values()} == {"T1", "T2"}
    history = history_of(slicer.util.getNode(names[-1]))
    (made,) = RecipeLogic().run(history.recipe, history.inputs).values()
    # A spacing that went through the text of a file has other last digits.
    row = bridge.value_of(made, "table").rows[0]
    assert row.keys() == expected.keys() and row["voxels"] == expected["voxels"]
    for key, value in expected.items():
        if isinstance(value, float) and value == value:
            assert row[key] == pytest.approx(value, rel=1e-6), key
