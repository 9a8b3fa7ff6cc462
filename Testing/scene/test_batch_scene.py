"""A case with its Slicer scene and pictures."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk
from cases_testing import SMOOTH, THRESHOLD, blob, environment, medimg, recipe_data, write_cohort, write_recipe
from MedImgAnalysisLib import files
from MedImgAnalysisLib.batch import scene_files
from MedImgAnalysisLib.batch.case import Extras, run_case
from MedImgAnalysisLib.batch.scene_files import scenes_to_show
from MedImgAnalysisLib.provenance import ATTRIBUTE, fingerprint
from MedImgAnalysisLib.recipe import Recipe
from MedImgAnalysisLib.scene import bridge, standalone
from MedImgAnalysisLib.scene.views import probe
from MedImgAnalysisLib.values import Frames

READ_SCENE = """
import json, sys
import numpy as np
from MedImgAnalysisLib import provenance
from MedImgAnalysisLib.scene import bridge, standalone
import SimpleITK as sitk
standalone.start()
standalone.load(sys.argv[1])
import slicer
found = {}
for name, kind in (("t1", "image"), ("smoothed", "image"), ("seg", "labels"), ("size", "table")):
    node = slicer.mrmlScene.GetFirstNodeByName(name)
    record = node.GetAttribute(provenance.ATTRIBUTE)
    operation = json.loads(record)["operation"] if record else None
    found[name] = [provenance.fingerprint(bridge.value_of(node, kind)), operation]
print(json.dumps(found))
"""


def test_the_scene_file_holds_inputs_and_results_with_their_provenance(tmp_path: Path) -> None:
    sitk.WriteImage(blob(1), str(tmp_path / "t1.nrrd"))
    recipe = write_recipe(tmp_path / "recipe.json")
    out = tmp_path / "out"
    done = medimg("run", recipe, "--in", tmp_path / "t1.nrrd", "--out", out, "--scene", out / "case.mrb", "--json")
    assert done.returncode == 0
    record = json.loads((out / "provenance.json").read_text())
    assert "case.mrb" in record["files"]
    read = subprocess.run(
        [sys.executable, "-c", READ_SCENE, str(out / "case.mrb")],
        env=environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    found = json.loads(read.stdout.splitlines()[-1])
    assert found["t1"] == [record["inputs"]["t1"]["value_sha256"], None]
    assert found["smoothed"] == [record["outputs"]["smoothed"]["value_sha256"], "gaussian"]
    assert found["seg"] == [record["outputs"]["seg"]["value_sha256"], "auto_threshold"]
    assert found["size"][1] == "auto_threshold"


def test_pictures_of_a_batch_show_the_outline_and_are_in_the_report(tmp_path: Path) -> None:
    from MedImgAnalysisLib.scene.opengl import probe

    if probe():
        pytest.skip(f"no pictures can be drawn here: {probe()}")
    recipe = write_recipe(tmp_path / "recipe.json")
    cohort = write_cohort(tmp_path, ["a", "b"])
    done = medimg(
        "batch", recipe, cohort, "--out", tmp_path / "out", "--workers", "1", "--snapshots", "--scene", "--json"
    )
    assert done.returncode == 0, done.stdout
    for case in ("a", "b"):
        axial = sitk.GetArrayFromImage(sitk.ReadImage(str(tmp_path / "out" / case / "snapshots" / "seg-axial.png")))
        coloured = axial[..., :3].max(axis=-1).astype(int) - axial[..., :3].min(axis=-1) > 60
        assert 100 < np.count_nonzero(coloured) < 20000
        assert (tmp_path / "out" / case / f"{case}.mrb").is_file()
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert page.count("data:image/jpeg") == 6
    again = json.loads(medimg("batch", recipe, cohort, "--out", tmp_path / "out", "--json").stdout)
    assert again["kept"] == ["a", "b"]


def test_without_opengl_there_is_one_clear_warning_and_the_results_are_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("MedImgAnalysisLib.scene.opengl.probe", lambda: "there is no OpenGL here")
    sitk.WriteImage(blob(1), str(tmp_path / "t1.nrrd"))
    record = run_case(
        Recipe.from_data(recipe_data()), {"t1": tmp_path / "t1.nrrd"}, tmp_path / "out", extras=Extras(None, True)
    )
    assert [w for w in record["warnings"] if "OpenGL" in w] == ["There are no pictures: there is no OpenGL here."]
    assert record["snapshots"] == [] and sorted(record["outputs"]) == ["seg", "size", "smoothed"]
    assert not (tmp_path / "out" / "snapshots").exists()


def test_the_results_are_the_same_with_and_without_a_scene(tmp_path: Path) -> None:
    sitk.WriteImage(blob(1), str(tmp_path / "t1.nrrd"))
    recipe = Recipe.from_data(recipe_data())
    plain = run_case(recipe, {"t1": tmp_path / "t1.nrrd"}, tmp_path / "plain")
    scene = run_case(recipe, {"t1": tmp_path / "t1.nrrd"}, tmp_path / "scene", extras=Extras("x.mrb"))
    for name, entry in plain["outputs"].items():
        assert entry["value_sha256"] == scene["outputs"][name]["value_sha256"]


def test_a_failing_scene_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(*_: object, **__: object) -> list[str]:
        raise RuntimeError("no scene")

    monkeypatch.setattr(scene_files, "write", failing)
    sitk.WriteImage(blob(1), str(tmp_path / "t1.nrrd"))
    with pytest.raises(RuntimeError, match="no scene"):
        run_case(
            Recipe.from_data(recipe_data()), {"t1": tmp_path / "t1.nrrd"}, tmp_path / "out", extras=Extras("x.mrb")
        )
    assert [path.name for path in tmp_path.iterdir()] == ["t1.nrrd"]


def test_segmentations_are_shown_on_their_image_and_registered_images_on_the_fixed_one() -> None:
    align = {
        "id": "align",
        "operation": "register",
        "inputs": {"fixed": "t1", "moving": "smoothed"},
        "outputs": {"image": "aligned", "transform": "motion"},
    }
    threshold = {**THRESHOLD, "inputs": {"image": "aligned"}}
    shown = dict(
        scenes_to_show(
            Recipe.from_data(recipe_data(SMOOTH, align, threshold, outputs=["aligned", "seg", "motion"])),
            {"t1": 0, "aligned": 1, "seg": 2, "motion": 3},
        )
    )
    assert shown == {
        "aligned": {"background": "t1", "foreground": "aligned"},
        "seg": {"background": "aligned", "segmentation": "seg"},
    }
    assert scenes_to_show(Recipe.from_data(recipe_data(outputs=["seg"])), {"t1": 0, "seg": 1}) == [
        ("seg", {"background": "t1", "segmentation": "seg"})
    ]
    assert scenes_to_show(Recipe.from_data(recipe_data(SMOOTH, outputs=["smoothed"])), {"t1": 0, "smoothed": 1}) == [
        ("smoothed", {"background": "smoothed"})
    ]


def test_a_case_of_a_4d_file_is_saved_as_a_scene_with_its_sequences(tmp_path: Path, scene: Any) -> None:
    frames = Frames(tuple(blob(n) for n in range(3)), (0, 1.5, 4), "time", "s")
    files.write(frames, tmp_path / "t1.seq.nrrd")
    out = tmp_path / "case"
    recipe, extras = Recipe.from_data(recipe_data()), Extras("case.mrb", snapshots=True)
    record = run_case(recipe, {"t1": tmp_path / "t1.seq.nrrd"}, out, extras=extras)
    standalone.load(out / "case.mrb")
    found = {name: scene.GetFirstNodeByName(name) for name in ("t1", "smoothed", "seg")}
    assert {node.GetClassName() for node in found.values()} == {"vtkMRMLSequenceNode"}
    saved = bridge.value_of(found["smoothed"], "image")
    expected = files.read(out / "smoothed.seq.nrrd", "image")
    assert saved.positions == expected.positions == (0, 1.5, 4) and saved.unit == "s"
    assert fingerprint(saved) == fingerprint(expected)
    assert json.loads(found["smoothed"].GetAttribute(ATTRIBUTE))["outputs"]["image"]["frames"] == 3
    assert bool(record["snapshots"]) == (probe() is None)
