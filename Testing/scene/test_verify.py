"""A node tells how it came about, and from that it can be made again and compared."""

from __future__ import annotations

import json

import numpy as np
import pytest
import SimpleITK as sitk
import slicer
from cases_testing import write_recipe
from MedImgAnalysisLib import catalog
from MedImgAnalysisLib.__main__ import main
from MedImgAnalysisLib.errors import InputError
from MedImgAnalysisLib.filtering.gaussian import Gaussian
from MedImgAnalysisLib.frames import Frames
from MedImgAnalysisLib.provenance import ATTRIBUTE
from MedImgAnalysisLib.recipe import Recipe
from MedImgAnalysisLib.scene import bridge, standalone, volumes
from MedImgAnalysisLib.scene.history import history_of
from MedImgAnalysisLib.scene.logic import OperationLogic
from MedImgAnalysisLib.scene.run import SceneRun, run_in_scene
from MedImgAnalysisLib.scene.verify import verify_node, verify_scene
from MedImgAnalysisLib.segmentation.auto_threshold import AutoThreshold
from MedImgAnalysisLib.values import Landmarks
from scene_helpers import add_transform, box, overlapping, put_under, rigid_matrix


def picture(seed: int = 0) -> sitk.Image:
    bright = sitk.Cast(box((24, 22, 20), (6, 6, 5), (18, 15, 14)), sitk.sitkFloat32) * 100.0
    smooth = sitk.SmoothingRecursiveGaussian(bright, 1.5)
    noise = np.random.default_rng(seed).normal(0, 1, (20, 22, 24)).astype(np.float32)
    extra = sitk.GetImageFromArray(noise)
    extra.CopyInformation(smooth)
    return smooth + extra


@pytest.fixture
def volume():
    return bridge.add_node(picture(), "T1", kind="image")


def test_a_filtered_volume_is_verified(volume):
    made = run_in_scene(Gaussian(sigma_mm=2.0), {"image": volume})["image"]
    assert verify_node(made).equal


def test_one_changed_voxel_is_found(volume):
    made = run_in_scene(Gaussian(sigma_mm=2.0), {"image": volume})["image"]
    volumes.array_of(made)[3, 2, 1] += 0.001
    found = verify_node(made)
    assert not found.equal
    assert "(1 of 10560 differ)" in found.differences[0].recomputed


def test_a_changed_input_is_named(volume):
    made = run_in_scene(Gaussian(sigma_mm=2.0), {"image": volume})["image"]
    volumes.array_of(volume)[0, 0, 0] += 1
    found = verify_node(made)
    assert [difference.where for difference in found.differences] == ["input T1"]


def test_all_results_of_a_threshold_are_verified(volume):
    made = run_in_scene(AutoThreshold(), {"image": volume})
    assert all(verify_node(node).equal for node in made.values())


def test_a_segment_beside_drawn_ones_is_verified_and_an_edit_is_found(volume):
    drawn = bridge.add_node(overlapping(), "Drawn", kind="labels")
    run_in_scene(AutoThreshold(), {"image": volume}, {"labels": drawn})
    assert verify_node(drawn).equal
    drawn.GetSegmentation().RemoveSegment(drawn.GetSegmentation().GetNthSegmentID(3))
    assert verify_node(drawn).differences[0].recorded == "deleted"


def test_a_registration_is_verified_within_its_stated_tolerance(volume):
    moving = bridge.add_node(picture(1), "T2", kind="image")
    moving.SetOrigin(*np.add(moving.GetOrigin(), (1.5, -1.0, 0.5)))
    made = run_in_scene(catalog.find("register")(), {"fixed": volume, "moving": moving})
    assert verify_node(made["transform"]).equal
    assert verify_node(made["image"]).equal
    matrix = np.eye(4)
    matrix[0, 3] = 5.0
    made["transform"].ApplyTransformMatrix(bridge.frames.to_matrix(matrix))
    assert not verify_node(made["transform"]).equal


def test_a_run_in_the_space_of_a_parent_is_verified_wherever_that_has_moved(volume):
    parent = add_transform(rigid_matrix())
    put_under(volume, parent)
    made = run_in_scene(AutoThreshold(), {"image": volume})["labels"]
    parent.SetMatrixTransformToParent(bridge.frames.to_matrix(rigid_matrix(1.1, (9, 9, 9))))
    assert verify_node(made).equal


def test_a_step_of_a_longer_recipe_is_verified_from_the_inputs_of_the_recipe(volume):
    recipe = Recipe.from_data({
        "medimg_recipe": 1, "inputs": {"t1": {"kind": "image"}}, "outputs": ["object"],
        "steps": [{"id": "one", "operation": "median", "inputs": {"image": "t1"}, "outputs": {"image": "m"}},
                  {"id": "two", "operation": "auto_threshold", "inputs": {"image": "m"},
                   "outputs": {"labels": "object"}}],
    })  # fmt: skip
    assert verify_node(SceneRun(recipe, {"t1": volume}).run()["object"]).equal


def test_a_saved_scene_is_verified_after_loading_even_when_ids_have_changed(volume, tmp_path):
    made = run_in_scene(AutoThreshold(), {"image": volume})
    made |= run_in_scene(Gaussian(), {"image": volume})
    names = [node.GetName() for node in made.values()]
    path = standalone.save_mrb(tmp_path / "scene.mrb")
    standalone.clear()
    for number in range(3):
        bridge.add_node(picture(number + 5), f"Occupies an id {number}", kind="image")
    standalone.load(path, clear_first=False)
    for name in names:
        node = slicer.mrmlScene.GetFirstNodeByName(name)
        record = json.loads(node.GetAttribute(ATTRIBUTE))
        assert slicer.mrmlScene.GetNodeByID(record["inputs"]["image"]["id"]).GetName() == "Occupies an id 0"
        assert verify_node(node).equal


def test_a_node_without_a_record_is_refused(volume):
    with pytest.raises(InputError, match="'T1' has no record of a run"):
        verify_node(volume)


def test_a_missing_input_is_named(volume, scene):
    made = run_in_scene(Gaussian(), {"image": volume})["image"]
    scene.RemoveNode(volume)
    with pytest.raises(InputError, match="The input 'T1' of 'T1 Gaussian smoothing' is not in the scene any more"):
        verify_node(made)


def test_other_software_is_noted(volume):
    made = run_in_scene(Gaussian(), {"image": volume})["image"]
    record = json.loads(made.GetAttribute(ATTRIBUTE))
    record["software"]["SimpleITK"] = "1.0"
    made.SetAttribute(ATTRIBUTE, json.dumps(record))
    assert verify_node(made).notes[0].startswith("SimpleITK was 1.0, now it is 2")


def test_an_operation_of_another_revision_is_noted(volume):
    made = run_in_scene(Gaussian(), {"image": volume})["image"]
    record = json.loads(made.GetAttribute(ATTRIBUTE))
    made.SetAttribute(ATTRIBUTE, json.dumps({**record, "revision": 0}))
    assert "gaussian had revision 0 then" in verify_node(made).notes[-1]


def test_the_largest_difference_is_told_with_its_place(volume):
    made = run_in_scene(Gaussian(sigma_mm=2.0), {"image": volume})["image"]
    volumes.array_of(made)[3, 2, 1] += 0.25
    (line,) = verify_node(made).outputs
    assert not line.equal and line.largest == pytest.approx(0.25, rel=1e-5) and line.kind == "image"
    assert line.place.startswith("voxel (1, 2, 3) at LPS (")


def test_a_saved_scene_is_verified_as_a_file_node_by_node(volume, tmp_path, capsys):
    run_in_scene(Gaussian(), {"image": volume}, {"image": "Smooth"})
    other = bridge.add_node(picture(3), "T2", kind="image")
    lost = run_in_scene(Gaussian(), {"image": other}, {"image": "Lost"})["image"]
    path = standalone.save_mrb(tmp_path / "scene.mrb")
    assert main(["verify", str(path)]) == 0
    assert "2 nodes: 2 equal" in capsys.readouterr().out
    standalone.load(path)
    volumes.array_of(slicer.util.getNode("Smooth"))[3, 2, 1] += 1.0
    slicer.mrmlScene.RemoveNode(slicer.util.getNode("T2"))
    path = standalone.save_mrb(tmp_path / "changed.mrb")
    assert main(["verify", str(path), "--json"]) == 1
    data = json.loads(capsys.readouterr().out)
    assert data["summary"] == {"equal": 0, "different": 1, "unknown": 1} and not data["equal"]
    states = {entry["node"]: entry for entry in data["nodes"]}
    assert "'T2' of 'Lost' is not in the scene" in states["Lost"]["error"]["message"]
    assert states["Smooth"]["differences"][0]["largest"] == pytest.approx(1.0)
    assert main(["verify", f"{path}#Lost"]) == 2 and main(["verify", f"{path}#Nothing"]) == 2
    assert lost is not None


def test_runs_on_points_and_transforms_are_verified_in_a_saved_scene(volume, tmp_path):
    points = np.random.default_rng(0).normal(0, 50, (6, 3))
    fixed = bridge.add_node(Landmarks(tuple("ABCDEF"), points), "Fixed", kind="landmarks")
    turn = sitk.Euler3DTransform((-25, 25, 160), 0.1, 0.05, 0.02, (1, 2, 3))
    turned = np.array([turn.TransformPoint(point) for point in points.tolist()])
    moving = bridge.add_node(Landmarks(tuple("ABCDEF"), turned), "Moving", kind="landmarks")
    logic = OperationLogic()
    motion = logic.run("register_landmarks", fixed=fixed, moving=moving).transform
    logic.run("apply_transform", image=volume, transform=motion)
    logic.run("apply_transform_landmarks", landmarks=fixed, transform=motion)
    before = {line["node"]: line["state"] for line in verify_scene()}
    standalone.load(standalone.save_mrb(tmp_path / "scene.mrb"))
    assert {line["node"]: line["state"] for line in verify_scene()} == before == dict.fromkeys(before, "equal")
    assert len(before) == 6
    moved = slicer.util.getNode("Fixed Apply transform to landmarks landmarks")
    assert history_of(moved).notes == ()
    node = slicer.util.getNode("Fixed")
    node.SetNthControlPointPosition(0, *np.add(node.GetNthControlPointPosition(0), (0.01, 0, 0)))
    assert [found.where for found in verify_node(moved).differences] == ["input Fixed"]


def test_transforms_of_a_sequence_are_verified_in_a_saved_scene(volume, tmp_path):
    frames = Frames(tuple(picture(seed) for seed in (1, 2)), (0.0, 1.0), "time", "s")
    turns = [sitk.Euler3DTransform((-25, 25, 160), 0.123456789 / n, 0.01, 0.02, (1 / n, 0.2, 0.3)) for n in (3, 7)]
    moves = bridge.add_node(Frames(tuple(turns), (0.0, 1.0), "time", "s"), "Moves", kind="transform")
    slicer.mrmlScene.RemoveNode(moves.GetStorageNode())  # saved as sequences of others are, with six digits
    logic = OperationLogic()
    logic.run("apply_transform", image=bridge.add_node(frames, "Cine", kind="image"), transform=moves)
    logic.run("invert_transform", transform=moves)
    standalone.load(standalone.save_mrb(tmp_path / "scene.mrb"))
    found = verify_scene()
    assert len(found) == 3 and {line["state"] for line in found} == {"equal"}


def test_a_transform_of_transforms_alone_is_compared_by_where_it_takes_points():
    motion = bridge.add_node(sitk.Euler3DTransform((30, 40, 50), 0.1, 0.2, 0.3, (5, 6, 7)), "Motion", kind="transform")
    logic = OperationLogic()
    back = logic.run("invert_transform", transform=motion).transform
    there = logic.run("compose_transforms", first=motion, second=back)
    assert verify_node(there).equal
    there.ApplyTransformMatrix(bridge.frames.to_matrix(rigid_matrix(0.001)))
    assert not verify_node(there).equal


def test_the_scene_of_a_case_of_a_batch_is_verified_too(tmp_path, capsys):
    sitk.WriteImage(picture(), str(tmp_path / "t1.nrrd"))
    recipe = write_recipe(tmp_path / "recipe.json")
    line = ["run", str(recipe), "--in", str(tmp_path / "t1.nrrd"), "--out", str(tmp_path / "case"), "--quiet"]
    assert main([*line, "--scene", str(tmp_path / "case.mrb")]) == 0
    assert main(["verify", str(tmp_path / "case.mrb")]) == 0
    assert "3 nodes: 3 equal" in capsys.readouterr().out
