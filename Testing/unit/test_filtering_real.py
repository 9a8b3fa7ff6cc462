"""Every filter on a part of a real MR: from Python, by `medimg apply` and as a recipe the results are the same."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import contract_inputs
import numpy as np
import pytest
import SimpleITK as sitk
from MedImgAnalysisLib import files
from MedImgAnalysisLib.__main__ import main
from MedImgAnalysisLib.execution import execute
from MedImgAnalysisLib.filtering import FILTERS
from MedImgAnalysisLib.geometry import image_like
from MedImgAnalysisLib.operation import Operation
from MedImgAnalysisLib.provenance import fingerprint
from MedImgAnalysisLib.recipe import Recipe
from MedImgAnalysisLib.values import Labels

SETTINGS: dict[str, dict[str, Any]] = {
    "bilateral": {"sigma_mm": 1.0},
    "nonlocal_means": {"search_radius_voxels": 2},
    "correct_bias": {"iterations": 10},
    "vesselness": {"contrast": 50.0},
    "crop": {"margin_mm": 2.0},
    "resample": {"spacing_mm": (2.0,)},
    "deconvolve": {"iterations": 3},
}


@pytest.fixture(scope="module")
def inputs(data_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Files by role: a part of a FLAIR of 0.7 x 0.7 x 4 mm, oblique, the T1 there, a mask, segments and tables."""
    folder = tmp_path_factory.mktemp("mr")
    box = (slice(120, 172), slice(130, 178), slice(12, 28))
    flair = files.read(data_dir / "mr_brain_ms_p01" / "study1_FLAIR.nii.gz", "image")[box]
    t1 = files.read(data_dir / "mr_brain_ms_p01" / "study1_T1W.nii.gz", "image")
    t1 = sitk.Resample(t1, flair, sitk.Transform(), sitk.sitkLinear, 0.0, sitk.sitkInt16)
    array = sitk.GetArrayFromImage(flair)
    brain, bright = (image_like(np.uint8(array > limit), flair) for limit in (80, 300))
    part = np.zeros_like(array, np.uint8)
    part[2:-2, 8:40, 10:44] = 1
    values: dict[str, tuple[str, Any]] = {
        "image": ("image", flair),
        "other": ("image", t1),
        "mask": ("mask", image_like(part, flair)),
        "labels": ("labels", Labels.from_masks([("Brain", brain), ("Bright", bright)])),
    }
    return {name: files.write(one, folder / files.file_name(name, kind), kind) for name, (kind, one) in values.items()}


def given_to(kind: type[Operation], paths: dict[str, Path], folder: Path) -> dict[str, tuple[str, list[Path]]]:
    """Kind and files by role: the FLAIR first, the T1 as a second image, masks wherever they are taken."""
    found: dict[str, tuple[str, list[Path]]] = {}
    for role in kind.inputs():
        if role.kind == "image":
            first = not any(one[0] == "image" for one in found.values())
            if role.many:
                found[role.name] = ("image", [paths["image"], paths["other"]])
            elif role.required or first:
                found[role.name] = ("image", [paths["image" if first else "other"]])
        elif role.kind in ("mask", "labels"):
            found[role.name] = (role.kind, [paths[role.kind]] * (2 if role.many else 1))
        elif role.kind == "table" and role.required:
            table = contract_inputs.TABLES[kind.name]()
            found[role.name] = ("table", [files.write(table, folder / f"{role.name}.csv", "table")])
    return found


@pytest.mark.parametrize("kind", FILTERS, ids=lambda one: one.name)
def test_all_ways_give_the_same_on_a_real_image(kind: type[Operation], inputs: dict[str, Path], tmp_path: Path) -> None:
    settings, given = SETTINGS.get(kind.name, {}), given_to(kind, inputs, tmp_path)
    kinds = {role.name: role.kind for role in kind.outputs()}
    many = {role.name for role in kind.inputs() if role.many}
    values = {role: [files.read(path, one) for path in paths] for role, (one, paths) in given.items()}
    listed = {role: found if role in many else found[0] for role, found in values.items()}
    wanted = {name: value for name, value in execute(kind(**settings), listed).outputs.items() if value is not None}
    for value in wanted.values():
        assert not isinstance(value, sitk.Image) or np.isfinite(sitk.GetArrayViewFromImage(value)).all()

    paths = {name: tmp_path / files.file_name(f"out_{name}", kinds[name]) for name in wanted}
    words = [word for role, (_, found) in given.items() for path in found for word in ("--in", f"{role}={path}")]
    for name, value in settings.items():
        words += ["--set", f"{name}={','.join(map(str, value)) if isinstance(value, tuple) else value}"]
    words += [word for name, path in paths.items() for word in ("--out", f"{name}={path}")]
    assert main(["apply", kind.name, *words, "--quiet"]) == 0
    compare({name: files.read(path, kinds[name]) for name, path in paths.items()}, wanted, kinds)

    names = {role: [f"{role}_{n}" for n in range(len(found))] for role, (_, found) in given.items()}
    data = {
        "medimg_recipe": 1,
        "inputs": {name: {"kind": given[role][0]} for role, found in names.items() for name in found},
        "steps": [
            {"id": "it", "operation": kind.name, "parameters": kind(**settings).values(),
             "inputs": {role: found if role in many else found[0] for role, found in names.items()},
             "outputs": {name: f"the_{name}" for name in wanted}},
        ],
        "outputs": [f"the_{name}" for name in wanted],
    }  # fmt: skip
    by_name = {name: one for role, found in names.items() for name, one in zip(found, values[role], strict=True)}
    found = Recipe.from_data(data).run(by_name).outputs
    compare({name: found[f"the_{name}"] for name in wanted}, wanted, kinds)


def compare(found: dict[str, Any], wanted: dict[str, Any], kinds: dict[str, str]) -> None:
    """Voxels are equal to the bit, cells of tables as they are; files keep curves to their last digits."""
    assert set(found) == set(wanted)
    for name, value in wanted.items():
        if kinds[name] == "table":
            assert [known(row) for row in found[name].rows] == [known(row) for row in value.rows], name
        elif kinds[name] == "curves":
            for one, other in zip(found[name].series, value.series, strict=True):
                np.testing.assert_allclose(one.y, other.y, rtol=1e-9)
        else:
            assert fingerprint(found[name]) == fingerprint(value), name


def known(row: Mapping[str, Any]) -> dict[str, Any]:
    """The cells that say something; a file leaves out empty words and numbers that are none."""
    return {name: value for name, value in row.items() if value == value and value != ""}
