"""One recipe on three real heads: from Python, in the scene, by clicking, in every kind of batch: equal voxels."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest
from MedImgAnalysisLib import files
from MedImgAnalysisLib.__main__ import main
from MedImgAnalysisLib.batch.cohort import load
from MedImgAnalysisLib.batch.runner import run_batch
from MedImgAnalysisLib.provenance import fingerprint
from MedImgAnalysisLib.recipe import Recipe
from panel_helpers import choose, nodes_by_role

MODULES = Path(__file__).resolve().parents[2] / "MedImgAnalysis"
PAIRS = {
    "T1": ("study1_FLAIR", "study1_T1W"),
    "T2": ("study1_FLAIR", "study1_T2W"),
    "follow-up": ("study1_FLAIR", "study2_FLAIR"),
}
RECIPE = Recipe.from_data(
    {
        "medimg_recipe": 1,
        "name": "Denoise, align, find",
        "inputs": {"fixed": {"kind": "image"}, "moving": {"kind": "image"}},
        "steps": [
            {"id": "denoise", "operation": "median", "inputs": {"image": "moving"}, "outputs": {"image": "clean"}},
            {"id": "align", "operation": "register", "parameters": {"finest_mm": 2.0},
             "inputs": {"fixed": "fixed", "moving": "clean"},
             "outputs": {"transform": "motion", "image": "aligned", "table": "alignment"}},
            {"id": "find", "operation": "auto_threshold", "parameters": {"segment": "Head"},
             "inputs": {"image": "aligned"}, "outputs": {"labels": "head", "table": "size"}},
        ],
        "outputs": ["motion", "aligned", "alignment", "head", "size"],
    }
)  # fmt: skip


@pytest.fixture(scope="module")
def heads(data_dir) -> Path:
    return data_dir / "mr_brain_ms_p01"


@pytest.fixture(scope="module")
def expected(heads) -> dict[str, dict]:
    """What the recipe gives in plain Python, by case."""
    return {
        case: RECIPE.run({"fixed": read(heads, fixed), "moving": read(heads, moving)}).outputs
        for case, (fixed, moving) in PAIRS.items()
    }


def read(folder: Path, name: str):
    return files.read(folder / f"{name}.nii.gz", "image")


def add_pair(heads: Path, case: str) -> tuple:
    from MedImgAnalysisLib.scene import bridge

    return tuple(bridge.add_node(read(heads, name), name, kind="image") for name in PAIRS[case])


def check(nodes: dict, expected: dict) -> None:
    from MedImgAnalysisLib.scene import bridge

    kinds = RECIPE.kinds()
    for name, node in nodes.items():
        found = bridge.value_of(node, kinds[name])
        if kinds[name] == "table":
            for row, wanted in zip(found.rows, expected[name].rows, strict=True):
                assert {key: value for key, value in row.items() if value == value} == {
                    key: value for key, value in wanted.items() if value == value
                }
        elif kinds[name] == "transform":  # as a matrix in the scene: the same map, written in another form
            for point in ((10.0, -20.0, 5.0), (-80.0, 60.0, 40.0)):
                assert found.TransformPoint(point) == pytest.approx(expected[name].TransformPoint(point), abs=1e-11)
        else:
            assert fingerprint(found) == fingerprint(expected[name]), name


@pytest.mark.parametrize("case", PAIRS)
def test_in_the_scene(heads, expected, standin, case):
    from MedImgAnalysisLib.scene.run import SceneRun

    fixed, moving = add_pair(heads, case)
    nodes = SceneRun(RECIPE, {"fixed": fixed, "moving": moving}).run()
    assert list(nodes) == list(RECIPE.outputs)
    check(nodes, expected[case])


def test_by_clicking(heads, expected, load_module, press, wait_until):
    fixed, moving = add_pair(heads, "T1")
    clean = click(load_module, press, wait_until, "MedImgFiltering", "median", {"image": moving})["image"]
    pair = {"fixed": fixed, "moving": clean}
    made = click(load_module, press, wait_until, "MedImgRegistration", "register", pair, finest_mm=2.0)
    found = click(
        load_module, press, wait_until, "MedImgSegmentation", "auto_threshold", {"image": made["image"]}, segment="Head"
    )
    check(
        {"motion": made["transform"], "aligned": made["image"], "alignment": made["table"],
         "head": found["labels"], "size": found["table"]},
        expected["T1"],
    )  # fmt: skip


def click(load_module, press, wait_until, module: str, operation: str, inputs: dict, **parameters) -> dict:
    """Choose, set and apply on the page of a module; the new nodes by output role."""
    panel = load_module(MODULES / module / f"{module}.py").widget.panel
    choose(panel.chooser.combo, operation)
    for role, node in inputs.items():
        panel.inputs.selectors[role].widget.setCurrentNode(node)
    for name, value in parameters.items():
        widget = panel.form.fields[name].widget
        if isinstance(value, str):
            widget.setText(value)
        else:
            widget.setValue(value)
    before = set(nodes_by_role())
    press(panel.run.apply_button)
    wait_until(lambda: not panel.run.runner.running, timeout=120)
    assert "Done in" in panel.run.status.text
    return {role: node for (role, _), node in nodes_by_role().items() if (role, node.GetID()) not in before}


@pytest.mark.parametrize(
    "how",
    [{"workers": 2}, {"workers": 0}, {"workers": 1, "dask": "local"}],
    ids=["worker processes", "this process", "Dask"],
)
def test_in_a_batch(heads, expected, how, tmp_path):
    cases = list(PAIRS) if how == {"workers": 2} else ["T1"]
    if "dask" in how:
        pytest.importorskip("distributed")
    rows = [
        f"{case},{heads / fixed}.nii.gz,{heads / moving}.nii.gz"
        for case, (fixed, moving) in PAIRS.items()
        if case in cases
    ]
    cohort = tmp_path / "cohort.csv"
    cohort.write_text("\n".join(["id,fixed,moving", *rows]), encoding="utf-8")
    out = tmp_path / "out"
    result = run_batch(RECIPE, load(cohort, RECIPE), out, **how)
    assert [case.state for case in result.cases] == ["done"] * len(cases)
    table = {row["id"]: row for row in csv.DictReader(io.StringIO((out / "results.csv").read_text(encoding="utf-8")))}
    for case in cases:
        values = expected[case]
        for name, kind in (("aligned", "image"), ("head", "labels"), ("motion", "transform")):
            found = files.read(out / case / files.file_name(name, kind), kind)
            assert fingerprint(found) == fingerprint(values[name])
            recorded = json.loads((out / case / "provenance.json").read_text(encoding="utf-8"))["outputs"][name]
            assert recorded["value_sha256"] == fingerprint(values[name])
        assert float(table[case]["size.Head.volume_ml [ml]"]) == values["size"].rows[0]["volume_ml"]


def test_as_one_case_on_the_command_line(heads, expected, tmp_path):
    recipe = tmp_path / "recipe.json"
    recipe.write_text(RECIPE.as_json(), encoding="utf-8")
    fixed, moving = (heads / f"{name}.nii.gz" for name in PAIRS["T2"])
    out = tmp_path / "out"
    words = ["run", str(recipe), "--in", f"fixed={fixed}", "--in", f"moving={moving}", "--out", str(out), "--quiet"]
    assert main(words) == 0
    outputs = json.loads((out / "provenance.json").read_text(encoding="utf-8"))["outputs"]
    for name, value in expected["T2"].items():
        if name not in ("alignment", "size"):
            assert outputs[name]["value_sha256"] == fingerprint(value), name
