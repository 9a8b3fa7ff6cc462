"""Every operation on alignments, on real images: console, `medimg apply` and recipe give the same fingerprints."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk
from MedImgAnalysisLib import catalog, files
from MedImgAnalysisLib.__main__ import main
from MedImgAnalysisLib.execution import execute
from MedImgAnalysisLib.frames import Frames
from MedImgAnalysisLib.provenance import fingerprint
from MedImgAnalysisLib.registration import REGISTRATION
from MedImgAnalysisLib.values import Labels, Landmarks

QUICK = {"finest_mm": 8.0, "samples": 2000, "start": "none"}
USED: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "register": (QUICK, {"fixed": "fixed", "moving": "moving"}),
    "register_landmarks": ({}, {"fixed": "fixed_points", "moving": "moving_points"}),
    "register_segments": ({}, {"fixed": "fixed_labels", "moving": "moving_labels"}),
    "register_features": ({"finest_mm": 8.0}, {"fixed": "fixed", "moving": "fixed_turned"}),
    "register_sequence": ({"finest_mm": 8.0, "samples": 2000}, {"frames": "frames"}),
    "register_group": ({**QUICK, "iterations": 1}, {"images": ["fixed", "moving"]}),
    "optical_flow": ({"iterations": 5}, {"fixed": "fixed", "moving": "fixed_turned"}),
    "apply_transform": ({}, {"image": "moving", "transform": "rigid", "reference": "fixed"}),
    "apply_transform_labels": ({}, {"labels": "moving_labels", "transform": "rigid", "reference": "fixed"}),
    "apply_transform_landmarks": ({}, {"landmarks": "moving_points", "transform": "rigid"}),
    "propagate_labels": ({}, {"labels": "moving_labels", "transform": "rigid", "reference": "fixed"}),
    "compose_transforms": ({}, {"first": "rigid", "second": "rigid"}),
    "invert_transform": ({}, {"transform": "bent", "reference": "moving"}),
    "to_displacement_field": ({}, {"transform": "rigid", "reference": "fixed"}),
    "evaluate_registration": (
        {},
        {"transform": "bent", "fixed": "fixed", "moving": "moving", "fixed_landmarks": "fixed_points",
         "moving_landmarks": "moving_points", "fixed_labels": "fixed_labels", "moving_labels": "moving_labels"},
    ),
}  # fmt: skip
"""Parameters and inputs of every operation, by its name."""


@pytest.fixture(scope="module")
def real(data_dir, tmp_path_factory) -> dict[str, tuple[Any, str, Path]]:
    """Value, kind and file by name: an abdominal CT and the same bent, in voxels of 9 mm, and frames of a head."""
    source, folder = data_dir / "reg_ct_synth", tmp_path_factory.mktemp("real")
    images = {name: files.read(source / f"{name}.nii.gz", "image") for name in ("fixed", "moving")}
    with (source / "landmarks.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(line for line in stream if not line.startswith("#")))[:12]
    marks = np.array([[float(v) for v in list(row.values())[-6:]] for row in rows])
    names = tuple(f"P{n}" for n in range(len(marks)))
    turn = sitk.Euler3DTransform((0.0, 0.0, 0.0), 0.05, -0.03, 0.04, (5.0, -4.0, 6.0))
    centre = images["fixed"].TransformContinuousIndexToPhysicalPoint([n / 2 for n in images["fixed"].GetSize()])
    turn.SetCenter(centre)
    slight = sitk.Euler3DTransform(centre, 0.0, 0.02, 0.0, (1.5, 0.0, -1.0))
    head = files.read(data_dir / "fourd" / "fmri_8vol.nii.gz", "frames")
    values: dict[str, tuple[Any, str]] = {
        name: (sitk.BinShrink(image, [3] * 3), "image") for name, image in images.items()
    }
    values["fixed_turned"] = (sitk.Resample(values["fixed"][0], slight, sitk.sitkLinear, -1000.0), "image")
    values["frames"] = (Frames(tuple(sitk.BinShrink(frame, [2, 2, 1]) for frame in head.values[:2])), "frames")
    for side, column in (("fixed", 0), ("moving", 3)):
        values[f"{side}_points"] = (Landmarks(names, marks[:, column : column + 3]), "landmarks")
        organs = files.read(source / f"{side}_seg.nii.gz", "labels")
        masks = [sitk.Shrink(organs.mask(segment), [3] * 3) for segment in organs.segments[:2]]
        values[f"{side}_labels"] = (Labels.from_masks(list(zip(("One", "Two"), masks, strict=True))), "labels")
    values["rigid"] = (turn, "transform")
    field = sitk.TransformToDisplacementField(
        turn,
        sitk.sitkVectorFloat64,
        *(getattr(values["fixed"][0], f"Get{what}")() for what in ("Size", "Origin", "Spacing", "Direction")),
    )
    values["bent"] = (sitk.DisplacementFieldTransform(field), "transform")
    found = {}
    for name, (value, kind) in values.items():
        path = folder / ("frames.nrrd" if kind == "frames" else files.file_name(name, kind))
        files.write(value, path, kind)
        found[name] = (files.read(path, kind), kind, path)
    return found


def listed(name: str | list[str]) -> list[str]:
    return [name] if isinstance(name, str) else name


def test_every_operation_is_here():
    assert set(USED) == {operation.name for operation in REGISTRATION}


@pytest.mark.parametrize("name", USED)
def test_console_command_line_and_recipe_agree(name, real, tmp_path, capsys):
    parameters, roles = USED[name]
    operation = catalog.find(name)(**parameters)
    inputs = {role: [real[one][0] for one in listed(used)] for role, used in roles.items()}
    inputs = {role: found if isinstance(roles[role], list) else found[0] for role, found in inputs.items()}
    expected = execute(operation, inputs).outputs
    in_scene(operation, roles, real, expected)
    on_the_command_line(name, parameters, roles, real, expected, tmp_path)
    in_a_recipe(name, parameters, roles, real, expected, tmp_path)
    capsys.readouterr()


def in_scene(operation: Any, roles: dict[str, Any], real: dict[str, Any], expected: dict[str, Any]) -> None:
    from MedImgAnalysisLib.scene import bridge
    from MedImgAnalysisLib.scene.run import run_in_scene

    nodes = {
        one: bridge.add_node(real[one][0], one, kind=real[one][1]) for used in roles.values() for one in listed(used)
    }
    given = {
        role: [nodes[one] for one in used] if isinstance(used, list) else nodes[used] for role, used in roles.items()
    }
    made = run_in_scene(operation, given)
    kinds = {role.name: role.kind for role in operation.outputs()}
    compared = 0
    for role, node in made.items():
        if kinds[role] in ("image", "labels") and not isinstance(expected[role], Frames):
            assert fingerprint(bridge.value_of(node, kinds[role])) == fingerprint(expected[role]), role
            compared += 1
        elif kinds[role] == "transform" and isinstance(expected[role], sitk.Transform):
            found = bridge.value_of(node, "transform")
            for point in ((10.0, -20.0, 5.0), (-30.0, 40.0, 20.0)):
                assert found.TransformPoint(point) == pytest.approx(expected[role].TransformPoint(point), abs=1e-9)
            compared += 1
        elif kinds[role] == "table":
            assert len(bridge.value_of(node, "table").rows) == len(expected[role].rows)
            compared += 1
    assert compared


def on_the_command_line(
    name: str,
    parameters: dict[str, Any],
    roles: dict[str, Any],
    real: dict[str, Any],
    expected: dict[str, Any],
    folder: Path,
) -> None:
    words = ["apply", name, "--quiet"]
    for role, used in roles.items():
        for one in listed(used):
            words += ["--in", f"{role}={real[one][2]}"]
    for key, value in parameters.items():
        words += ["--set", f"{key}={value}"]
    kinds = {role.name: role.kind for role in catalog.find(name).outputs()}
    written = {}
    for role, value in expected.items():
        if (
            value is not None
            and not isinstance(value, Frames)
            and kinds[role] in ("image", "labels", "transform", "landmarks")
        ):
            if "Frames" in type(value).__name__:
                continue
            written[role] = folder / f"apply-{files.file_name(role, kinds[role])}"
            words += ["--out", f"{role}={written[role]}"]
    assert main(words) == 0
    assert written
    for role, path in written.items():
        assert fingerprint(files.read(path, kinds[role])) == fingerprint(expected[role]), role


def in_a_recipe(
    name: str,
    parameters: dict[str, Any],
    roles: dict[str, Any],
    real: dict[str, Any],
    expected: dict[str, Any],
    folder: Path,
) -> None:
    made = [role for role, value in expected.items() if value is not None]
    used = {one: real[one] for names in roles.values() for one in listed(names)}
    recipe = folder / "recipe.json"
    recipe.write_text(
        json.dumps(
            {
                "medimg_recipe": 1,
                "name": "One step",
                "inputs": {one: {"kind": kind} for one, (_, kind, _) in used.items()},
                "steps": [
                    {"id": "step", "operation": name, "parameters": parameters, "inputs": roles,
                     "outputs": {role: f"made_{role}" for role in made}}
                ],
                "outputs": [f"made_{role}" for role in made],
            }
        ),
        encoding="utf-8",
    )  # fmt: skip
    words = ["run", str(recipe), "--out", str(folder / "out"), "--quiet"]
    for one, (_, _, path) in used.items():
        words += ["--in", f"{one}={path}"]
    assert main(words) == 0
    recorded = json.loads((folder / "out" / "provenance.json").read_text(encoding="utf-8"))["outputs"]
    for role in made:
        assert recorded[f"made_{role}"]["value_sha256"] == fingerprint(expected[role]), role
