"""Sequence nodes: every frame as if it were alone, all or nothing, and with a record."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk
import slicer
from MedImgAnalysisLib import files
from MedImgAnalysisLib.agreement import CompareSegmentations
from MedImgAnalysisLib.errors import Cancelled, InputError
from MedImgAnalysisLib.filtering import Gaussian
from MedImgAnalysisLib.geometry import Grid
from MedImgAnalysisLib.progress import Progress
from MedImgAnalysisLib.provenance import ATTRIBUTE, fingerprint
from MedImgAnalysisLib.recipe import Recipe
from MedImgAnalysisLib.registration import Register, RegisterGroup, RegisterSequence
from MedImgAnalysisLib.scene import bridge, sequences, standalone
from MedImgAnalysisLib.scene.digest import changes, scene_digest
from MedImgAnalysisLib.scene.logic import OperationLogic
from MedImgAnalysisLib.scene.pages import write_page
from MedImgAnalysisLib.scene.run import SceneRun, run_in_scene, single_step
from MedImgAnalysisLib.scene.verify import verify_node
from MedImgAnalysisLib.segmentation import AutoThreshold
from MedImgAnalysisLib.values import Frames, Labels, Landmarks
from motion_testing import moving_phantom, rigid_motion
from scene_helpers import add_transform, box, overlapping, put_under, ramp, rigid_matrix, same_voxels

TIMES = (0.0, 0.5, 2.25)


def images(count: int = 3) -> tuple[sitk.Image, ...]:
    rng = np.random.default_rng(1)
    found = []
    for _ in range(count):
        image = ramp((16, 14, 12))
        noise = sitk.GetImageFromArray(rng.normal(0, 50, (12, 14, 16)).astype(np.float32))
        noise.CopyInformation(image)
        found.append(image + noise)
    return tuple(found)


def cine() -> Any:
    return bridge.add_node(Frames(images(), TIMES, "time", "s"), "Cine", kind="image")


def quiet() -> Progress:
    return Progress(on_warning=lambda sentence: None)


@pytest.mark.parametrize(
    "kind, values",
    [
        ("image", images()),
        ("frames", images()),
        ("mask", tuple(box((12, 10, 8), (1, 1, 1), (5, 5, n)) for n in (4, 5, 6))),
        ("labels", (overlapping(), overlapping())),
        ("transform", tuple(sitk.Euler3DTransform((1.0, 2, 3), 0.1 * n, 0.0, 0.2, (4.0, n, 6.0)) for n in range(3))),
        ("landmarks", tuple(Landmarks(("a", "b"), np.array([[n, 1, 2], [3, 4, 5.5]])) for n in range(3))),
    ],
)  # fmt: skip
def test_frames_of_every_kind_come_back_from_a_sequence(kind: str, values: tuple[Any, ...]) -> None:
    positions = TIMES[: len(values)]
    node = bridge.add_node(Frames(values, positions, "phase", "%"), "Q", kind=kind)
    assert node.GetClassName() == "vtkMRMLSequenceNode" and node.GetName() == "Q"
    assert (node.GetIndexName(), node.GetIndexUnit()) == ("phase", "%")
    assert [node.GetNthIndexValue(n) for n in range(len(values))] == ["0", "0.5", "2.25"][: len(values)]
    back = bridge.value_of(node, kind)
    assert (back.positions, back.title, back.unit) == (positions, "phase", "%")
    for given, found in zip(values, back.values, strict=True):
        if kind == "transform":
            points = np.random.default_rng(0).normal(0, 50, (5, 3)).tolist()
            expected = [given.TransformPoint(point) for point in points]
            np.testing.assert_allclose([found.TransformPoint(point) for point in points], expected, atol=1e-9)
        elif isinstance(given, sitk.Image):
            assert same_voxels(given, found)
        elif isinstance(given, Labels):
            assert given.names == found.names
            for name in given.names:
                assert same_voxels(given.mask(name), found.mask(name))
        else:
            assert given.names == found.names
            np.testing.assert_allclose(given.points, found.points)


def test_a_new_sequence_has_a_browser_that_shows_its_first_frame(scene: Any) -> None:
    node = cine()
    browser = scene.GetFirstNodeByClass("vtkMRMLSequenceBrowserNode")
    assert browser.IsSynchronizedSequenceNode(node, True) and browser.GetSelectedItemNumber() == 0
    (proxy,) = sequences.proxies_of(node)
    assert same_voxels(bridge.value_of(proxy, "image"), images()[0])
    browser.SetSelectedItemNumber(2)
    assert same_voxels(bridge.value_of(proxy, "image"), images()[2])


def test_a_filter_gives_a_sequence_of_what_it_gives_each_frame(scene: Any) -> None:
    node = cine()
    sequences.proxies_of(node)[0].GetDisplayNode().SetAutoWindowLevel(0)
    sequences.proxies_of(node)[0].GetDisplayNode().SetWindowLevel(321, 123)
    before = scene_digest()
    made = run_in_scene(Gaussian(sigma_mm=2.0), {"image": node})["image"]
    assert made.GetName() == "Cine Gaussian smoothing" and made.GetIndexUnit() == "s"
    found = bridge.value_of(made, "image")
    assert found.positions == TIMES
    for frame, result in zip(bridge.value_of(node, "image").values, found.values, strict=True):
        assert same_voxels(Gaussian(sigma_mm=2.0).run(frame), result)
    after = changes(before, scene_digest())
    assert after["removed"] == [] and after["changed"] == ["vtkMRMLSubjectHierarchyNode1"]
    (proxy,) = sequences.proxies_of(made)
    assert (proxy.GetDisplayNode().GetWindow(), proxy.GetDisplayNode().GetLevel()) == (321, 123)
    record = json.loads(made.GetAttribute(ATTRIBUTE))
    assert record["inputs"]["image"]["frames"] == 3 == record["outputs"]["image"]["frames"]
    assert record["inputs"]["image"]["sha256"] == fingerprint(bridge.value_of(node, "image"))
    assert verify_node(made).equal
    made.GetNthDataNode(1).GetImageData().GetPointData().GetScalars().SetTuple1(5, -1e6)
    assert [found.where for found in verify_node(made).differences] == ["Cine Gaussian smoothing frame #1 voxels"]


def test_registration_of_a_sequence_gives_a_sequence_of_transforms_and_one_table(scene: Any) -> None:
    fixed = bridge.add_node(images()[0], "Fixed", kind="image")
    operation = Register(start="none", finest_mm=4.0)
    node = cine()
    made = run_in_scene(operation, {"fixed": fixed, "moving": node}, progress=quiet())
    assert made["transform"].GetClassName() == made["image"].GetClassName() == "vtkMRMLSequenceNode"
    table = bridge.value_of(made["table"], "table")
    assert table.column("frame") == [0, 1, 2] and table.column("position") == list(TIMES)
    alone = operation.run(bridge.value_of(fixed, "image"), bridge.value_of(node, "image").values[1])
    found = bridge.value_of(made["transform"], "transform").values[1]
    point = (3.0, -20.0, 150.0)
    np.testing.assert_allclose(found.TransformPoint(point), alone.transform.TransformPoint(point), atol=1e-9)
    assert verify_node(made["transform"]).equal and verify_node(made["image"]).equal


def test_segmentations_of_a_sequence_are_a_sequence_and_are_measured_frame_by_frame() -> None:
    made = run_in_scene(AutoThreshold(), {"image": cine()}, progress=quiet())["labels"]
    assert made.GetDataNodeClassName() == "vtkMRMLSegmentationNode"
    assert verify_node(made).equal
    table = run_in_scene(CompareSegmentations(), {"reference": made, "test": made}, progress=quiet())["table"]
    assert bridge.value_of(table, "table").column("dice") == [1.0, 1.0, 1.0]


def test_the_logic_takes_a_sequence_from_the_console(scene: Any) -> None:
    made = OperationLogic().run("median", image=cine(), outputs="Less noise")
    assert made.GetName() == "Less noise" and made.GetNumberOfDataNodes() == 3


def test_an_existing_sequence_is_written_over_and_a_volume_is_refused(scene: Any) -> None:
    node, target = cine(), bridge.add_node(Frames(images(2)), "Old", kind="image")
    browsers = scene.GetNumberOfNodesByClass("vtkMRMLSequenceBrowserNode")
    made = run_in_scene(Gaussian(), {"image": node}, {"image": target})["image"]
    assert made is target and made.GetNumberOfDataNodes() == 3 and made.GetIndexName() == "time"
    assert scene.GetNumberOfNodesByClass("vtkMRMLSequenceBrowserNode") == browsers
    volume = bridge.add_node(images()[0], "Volume", kind="image")
    with pytest.raises(InputError, match="'Volume' is a Volume node; frames needs one of: Sequence"):
        run_in_scene(Gaussian(), {"image": node}, {"image": volume})
    with pytest.raises(InputError, match="'Old' is a Sequence node; image needs one of: ScalarVolume"):
        run_in_scene(Gaussian(), {"image": volume}, {"image": target})
    with pytest.raises(InputError, match="shows a frame of a sequence"):
        run_in_scene(Gaussian(), {"image": volume}, {"image": sequences.proxies_of(node)[0]})


def test_an_error_and_a_cancel_in_a_frame_leave_the_scene_as_it_was(scene: Any) -> None:
    broken = list(images())
    broken[2][3, 3, 3] = float("nan")
    node = bridge.add_node(Frames(tuple(broken)), "Broken", kind="image")
    before = scene_digest()
    with pytest.raises(InputError, match="Frame #2 of 3"):
        run_in_scene(Gaussian(), {"image": node})
    stop = Progress(lambda fraction, message: stop.cancel() if message.startswith("Frame 2") else None)
    with pytest.raises(Cancelled):
        run_in_scene(Gaussian(), {"image": node}, progress=stop)
    assert scene_digest() == before


def test_a_failure_while_writing_brings_everything_back(scene: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    node, target = cine(), bridge.add_node(Frames(images(2), (3, 4), "phase", "%"), "Old", kind="image")
    operation = Register(start="none", finest_mm=4.0)
    fixed = bridge.add_node(images()[0], "Fixed", kind="image")
    before = scene_digest()

    def fails(*_: Any, **__: Any) -> None:
        raise RuntimeError("no more")

    recipe, nodes = single_step(operation, {"fixed": fixed, "moving": node})
    run = SceneRun(recipe, nodes, {"image": target})
    run.collect()
    run.compute(quiet())
    monkeypatch.setattr("MedImgAnalysisLib.scene.tables.put_measurements", fails)
    with pytest.raises(RuntimeError, match="no more"):
        run.commit()
    assert scene_digest() == before
    assert target.GetNumberOfDataNodes() == 2 and target.GetIndexUnit() == "%"


def test_a_sequence_that_changed_meanwhile_is_not_written_from() -> None:
    node = cine()
    recipe, nodes = single_step(Gaussian(), {"image": node})
    run = SceneRun(recipe, nodes)
    run.collect()
    run.compute()
    node.RemoveDataNodeAtValue("0.5")
    with pytest.raises(InputError, match="was changed while the operation ran"):
        run.commit()


def test_what_a_sequence_cannot_be_is_said(scene: Any) -> None:
    empty = scene.AddNewNodeByClass("vtkMRMLSequenceNode", "Empty")
    with pytest.raises(InputError, match="'Empty' has no frames"):
        run_in_scene(Gaussian(), {"image": empty})
    moves = bridge.add_node(Frames((sitk.TranslationTransform(3),) * 2), "Moves", kind="transform")
    with pytest.raises(InputError, match="'Moves' is a Sequence node of LinearTransform nodes; image needs one of"):
        run_in_scene(Gaussian(), {"image": moves})


def test_index_values_that_are_no_numbers_and_a_moved_proxy_are_said() -> None:
    node = cine()
    put_under(sequences.proxies_of(node)[0], add_transform(rigid_matrix()))
    node.SetIndexType(node.TextIndex)
    node.UpdateIndexValue("0.5", "systole")
    said: list[str] = []
    found = bridge.value_of(node, "image", progress=Progress(on_warning=said.append))
    assert found.positions == (0.0, 1.0, 2.0) and (found.title, found.unit) == ("frame", "")
    assert "under a transform; the frames are taken without it" in said[0] and "are no rising numbers" in said[1]


def test_a_still_mask_under_a_transform_meets_the_frames_in_the_world() -> None:
    node = cine()
    mask = bridge.add_node(box((16, 14, 12), (2, 2, 2), (12, 12, 10)), "Mask", kind="mask")
    made = run_in_scene(Gaussian(), {"image": node, "mask": (mask, "Segment_1")})["image"]
    alone = Gaussian().run(images()[1], bridge.value_of(mask, "mask", "Segment_1"))
    assert same_voxels(bridge.value_of(made, "image").values[1], alone)
    put_under(mask, add_transform(rigid_matrix(0.1, (3, 0, 0))))
    moved = run_in_scene(Gaussian(), {"image": node, "mask": (mask, "Segment_1")}, progress=quiet())["image"]
    assert not same_voxels(bridge.value_of(moved, "image").values[1], alone)


@pytest.mark.parametrize("name, times", [("a.seq.nrrd", TIMES), ("a.nii.gz", (1.0, 3.0, 5.0)), ("rgb.seq.nrrd", TIMES)])
def test_slicer_reads_the_files_and_we_read_what_slicer_writes(
    name: str, times: tuple[float, ...], scene: Any, tmp_path: Path
) -> None:
    values = images()
    if name.startswith("rgb"):
        values = tuple(sitk.Compose(image, image * 2, image + 1) for image in values)
    frames = Frames(values, times, "time", "s")
    files.write(frames, tmp_path / name)
    node = scene.AddNewNodeByClass("vtkMRMLSequenceNode", "Read")
    storage = scene.AddNewNodeByClass("vtkMRMLVolumeSequenceStorageNode")
    storage.SetFileName(str(tmp_path / name))
    assert storage.ReadData(node)
    found = bridge.value_of(node, "image")
    assert (found.positions, found.title, found.unit) == (times, "time", "s")
    for before, after in zip(values, found.values, strict=True):
        assert np.array_equal(sitk.GetArrayFromImage(before), sitk.GetArrayFromImage(after))
        assert Grid.of(before).same_as(Grid.of(after))
    storage.SetFileName(str(tmp_path / f"slicer_{name}"))
    assert storage.WriteData(node)
    back = files.read(tmp_path / f"slicer_{name}", "image", quiet())
    assert [np.array_equal(sitk.GetArrayFromImage(a), sitk.GetArrayFromImage(b)) for a, b in zip(back.values, values)]
    assert back.positions == times


def moved() -> Any:
    """A sequence of three frames in which a subject moves."""
    motions = [rigid_motion((n, -0.5 * n, 0.0), (0.0, n, 0.0)) for n in range(3)]
    return bridge.add_node(moving_phantom(motions, positions=TIMES, title="time", unit="s"), "Moving", kind="frames")


def test_motion_of_a_sequence_comes_as_sequences_a_table_and_charts(scene: Any) -> None:
    node = moved()
    operation = RegisterSequence(metric="correlation", finest_mm=4.0)
    said: list[str] = []
    made = run_in_scene(operation, {"frames": node}, progress=Progress(on_warning=said.append))
    classes = {role: found.GetClassName() for role, found in made.items()}
    assert classes == {
        "aligned": "vtkMRMLSequenceNode", "transforms": "vtkMRMLSequenceNode", "mean": "vtkMRMLScalarVolumeNode",
        "table": "vtkMRMLTableNode", "shifts": "vtkMRMLPlotChartNode", "rotations": "vtkMRMLPlotChartNode",
    }  # fmt: skip
    assert made["transforms"].GetDataNodeClassName() == "vtkMRMLLinearTransformNode"
    assert made["aligned"].GetIndexUnit() == "s" and made["mean"].GetName() == "Moving Register a sequence mean"
    alone = operation.run(bridge.value_of(node, "frames"), progress=quiet())
    for found, expected in zip(bridge.value_of(made["aligned"], "image").values, alone.aligned.values, strict=True):
        assert same_voxels(found, expected)
    # Each aligned frame is what the scene shows of the frame under its transform.
    assert not [sentence for sentence in said if "is not what" in sentence]
    assert all(verify_node(found).equal for found in made.values())
    with pytest.raises(InputError, match="frames needs one of: Sequence"):
        run_in_scene(operation, {"frames": sequences.proxies_of(node)[0]})


def test_the_frames_of_a_sequence_are_a_group(scene: Any) -> None:
    operation = RegisterGroup(metric="correlation", start="geometry", finest_mm=4.0, iterations=1)
    made = run_in_scene(operation, {"images": [moved()]}, progress=quiet())
    assert made["template"].GetClassName() == "vtkMRMLScalarVolumeNode"
    assert made["transforms"].GetNumberOfDataNodes() == 3 and made["transforms"].GetIndexName() == "image"
    assert all(verify_node(found).equal for found in made.values())


def test_a_recipe_goes_on_with_the_frames_of_a_step(scene: Any) -> None:
    recipe = Recipe.from_data({
        "medimg_recipe": 1, "inputs": {"cine": {"kind": "image"}}, "outputs": ["still", "smooth", "again"],
        "steps": [
            {"id": "a", "operation": "register_sequence", "parameters": {"finest_mm": 4.0, "metric": "correlation"},
             "inputs": {"frames": "cine"}, "outputs": {"aligned": "still", "transforms": "ways"}},
            {"id": "b", "operation": "gaussian", "inputs": {"image": "still"}, "outputs": {"image": "smooth"}},
            {"id": "c", "operation": "apply_transform", "inputs": {"image": "cine", "transform": "ways"},
             "outputs": {"image": "again"}},
        ],
    })  # fmt: skip
    assert recipe.problems() == {}
    run = SceneRun(recipe, {"cine": moved()})
    made = run.run(quiet())
    assert {node.GetClassName() for node in made.values()} == {"vtkMRMLSequenceNode"}
    still, smooth, again = (bridge.value_of(made[name], "image").values for name in ("still", "smooth", "again"))
    assert same_voxels(Gaussian().run(still[2]), smooth[2])
    inner = (slice(6, -6),) * 3
    gap = sitk.GetArrayFromImage(still[2])[inner] - sitk.GetArrayFromImage(again[2])[inner]
    assert np.abs(gap).max() < 1e-3


def test_the_page_of_a_run_over_a_sequence_has_all_numbers_and_the_first_frame(tmp_path: Path) -> None:
    made = run_in_scene(AutoThreshold(), {"image": cine()}, progress=quiet())
    page = write_page(tmp_path / "page.html", [node for node in made.values() if node is not None])
    text = page.read_text(encoding="utf-8")
    assert "data:image/png" in text and "Time" in text and "2.25" in text


@pytest.mark.parametrize("index", [("frame", ""), ("phase", "%"), ("time", "s")])
def test_a_sequence_of_transforms_keeps_name_and_unit_of_its_index_in_a_saved_scene(tmp_path, index):
    shifts = tuple(sitk.TranslationTransform(3, (n, 0, 0)) for n in (1, 2))
    moves = bridge.add_node(Frames(shifts, (0.0, 1.0), *index), "Moves", kind="transform")
    slicer.mrmlScene.RemoveNode(moves.GetStorageNode())  # saved as sequences of others are
    standalone.load(standalone.save_mrb(tmp_path / "scene.mrb"))
    back = bridge.value_of(slicer.mrmlScene.GetFirstNodeByClass("vtkMRMLSequenceNode"), "transform")
    assert (back.positions, back.title, back.unit) == ((0.0, 1.0), *index)


def test_a_sequence_of_transforms_keeps_its_name_and_all_digits_in_a_saved_scene(tmp_path):
    turns = tuple(sitk.Euler3DTransform((-25, 25, 160), 0.123456789 / n, 0.01, 0.02, (1 / n, 0.2, 3)) for n in (3, 7))
    moves = bridge.add_node(Frames(turns, (0.0, 1.0), "time", "s"), "Moves", kind="transform")
    before = [one.TransformPoint((80.0, -90.0, 100.0)) for one in bridge.value_of(moves, "transform").values]
    standalone.load(standalone.save_mrb(tmp_path / "scene.mrb"))
    back = slicer.mrmlScene.GetFirstNodeByClass("vtkMRMLSequenceNode")
    assert back.GetName() == "Moves"
    after = [one.TransformPoint((80.0, -90.0, 100.0)) for one in bridge.value_of(back, "transform").values]
    np.testing.assert_allclose(after, before, rtol=0, atol=1e-9)
