"""Every segmentation on the liver of a CT: by clicking, from Python, `medimg apply` and a recipe give equal results.

Pictures of the page after each run go to the folder MEDIMG_PANEL_PNG.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk
from MedImgAnalysisLib import catalog, files
from MedImgAnalysisLib.__main__ import main
from MedImgAnalysisLib.execution import execute
from MedImgAnalysisLib.geometry import image_like
from MedImgAnalysisLib.operation import Operation
from MedImgAnalysisLib.provenance import fingerprint
from MedImgAnalysisLib.recipe import Recipe
from MedImgAnalysisLib.segmentation import PropagateBetweenSlices
from MedImgAnalysisLib.values import Labels, Landmarks
from panel_helpers import MODULES, choose, log_text, looks_drawn, nodes_by_role

PAGE = MODULES / "MedImgSegmentation" / "MedImgSegmentation.py"
OPERATIONS = catalog.PACKAGES["segmentation"]
LIVER, KIDNEY = 5, 2
SETTINGS: dict[str, dict[str, Any]] = {
    "grow_connected": {"widen": 20.0},
    "grow_neighbourhood": {"lower": 0.0, "upper": 90.0, "radius_mm": 3.0},
    "fast_marching": {"sigma_mm": 3.0},
    "geodesic_active_contour": {"sigma_mm": 3.0, "iterations": 40, "margin_mm": 15.0},
    "shape_detection": {"sigma_mm": 3.0, "iterations": 40, "margin_mm": 15.0},
    "threshold_level_set": {"lower": 0.0, "upper": 90.0, "iterations": 40, "margin_mm": 15.0},
    "canny_level_set": {"sigma_mm": 3.0, "iterations": 40, "margin_mm": 15.0},
    "laplacian_level_set": {"sigma_mm": 4.0, "iterations": 40, "margin_mm": 15.0},
    "morphological_snake": {"margin_mm": 15.0},
    "random_walker": {"margin_mm": 10.0},
    "watershed": {"sigma_mm": 3.0},
    "slic": {"size_mm": 15.0},
    "clean_segments": {"opening_mm": 3.0, "keep_largest": 1},
    "combine_segments": {"margin_mm": 6.0},
}


@pytest.fixture(scope="module")
def inputs(data_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Files by name of the role: a crop of a CT of the abdomen, its organs, and places in the liver and the kidney."""
    folder = tmp_path_factory.mktemp("liver")
    ct = files.read(data_dir / "ct_abdomen" / "ct.nii.gz", "image")
    organs = files.read(data_dir / "ct_abdomen" / "seg_auto_fast.nii.gz", "labels")
    box = (slice(37, 105), slice(22, 88), slice(66, 102))  # i, j, k around the liver and most of the right kidney
    ct = ct[box]
    liver, kidney = (organs.mask(f"Segment_{number}")[box] for number in (LIVER, KIDNEY))
    small = [sitk.BinaryErode(mask, (2, 2, 2)) for mask in (liver, kidney)]
    outside = image_like(np.uint8(sitk.GetArrayFromImage(sitk.BinaryDilate(liver | kidney, (2, 2, 2))) == 0), ct)
    middles = [np.argwhere(sitk.GetArrayFromImage(mask)).mean(axis=0)[::-1] for mask in small]
    points = [ct.TransformContinuousIndexToPhysicalPoint(np.rint(middle).tolist()) for middle in middles]
    drawn = sitk.GetArrayFromImage(liver)
    drawn[np.arange(len(drawn)) % 4 != 0] = 0
    angle = np.linspace(0, 2 * np.pi, 12, endpoint=False)
    around = np.stack([12 * np.cos(angle), 12 * np.sin(angle), 0 * angle], axis=1)
    curve = [ct.TransformContinuousIndexToPhysicalPoint((np.rint(middles[0]) + step).tolist()) for step in around]
    values: dict[str, tuple[str, Any]] = {
        "image": ("image", ct),
        "labels": ("labels", Labels.from_masks([("Liver", liver), ("Kidney", kidney)])),
        "drawn": ("labels", Labels.from_masks([("Liver", image_like(drawn, ct))])),
        "seeds": ("labels", Labels.from_masks([("Liver", small[0]), ("Kidney", small[1]), ("Rest", outside)])),
        "start": ("mask", small[0]),
        "seed_points": ("landmarks", Landmarks(("Liver",), np.array(points[:1]))),
        "other_points": ("landmarks", Landmarks(("Kidney",), np.array(points[1:]))),
        "curve": ("landmarks", Landmarks(tuple(map(str, range(12))), np.array(curve), closed=True)),
    }
    paths = {
        name: files.write(value, folder / files.file_name(name, kind), kind) for name, (kind, value) in values.items()
    }
    return paths | {"images": paths["image"], "markers": paths["seeds"]}


def chosen(operation: type[Operation], paths: dict[str, Path]) -> dict[str, tuple[str, Path]]:
    """Kind and file by role: seeds are points, contours start from a mask, the rest of the roles is empty."""
    if operation is PropagateBetweenSlices:
        return {"labels": ("labels", paths["drawn"])}
    return {
        role.name: (role.kind, paths[role.name])
        for role in operation.inputs()
        if role.name in paths and not (role.name == "seeds" and role.kind == "mask")
    }


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda one: one.name)
def test_all_ways_give_the_same(
    operation: type[Operation], inputs: dict[str, Path], tmp_path: Path, load_module: Any, press: Any,
    wait_until: Any, grab: Any,
) -> None:  # fmt: skip
    settings, given = SETTINGS.get(operation.name, {}), chosen(operation, inputs)
    kinds = {role.name: role.kind for role in operation.outputs()}
    values = {role: files.read(path, kind) for role, (kind, path) in given.items()}
    lists = {role.name for role in operation.inputs() if role.many}
    listed = {role: [value] if role in lists else value for role, value in values.items()}
    wanted = {n: v for n, v in execute(operation(**settings), listed).outputs.items() if v is not None}
    assert "labels" not in wanted or any(np.any(sitk.GetArrayFromImage(layer)) for layer in wanted["labels"].layers)

    made = by_command(operation, settings, given, {name: kinds[name] for name in wanted}, tmp_path)
    compare(made, wanted, kinds)
    recipe = Recipe.from_data(
        {
            "medimg_recipe": 1,
            "inputs": {role: {"kind": kind} for role, (kind, _) in given.items()},
            "steps": [
                {"id": "it", "operation": operation.name, "parameters": settings,
                 "inputs": {role: [role] if role in lists else role for role in given},
                 "outputs": {name: f"the_{name}" for name in wanted}},
            ],
            "outputs": [f"the_{name}" for name in wanted],
        }
    )  # fmt: skip
    found = recipe.run(values).outputs
    compare({name: found[f"the_{name}"] for name in wanted}, wanted, kinds)

    panel = load_module(PAGE).widget.panel
    made = by_clicking(panel, operation, settings, given, press, wait_until)
    compare(made, wanted, kinds)
    folder = Path(os.environ.get("MEDIMG_PANEL_PNG") or tmp_path)
    folder.mkdir(parents=True, exist_ok=True)
    group = operation.group.replace(" ", "-")
    assert looks_drawn(grab(panel.module_widget.parent, folder / f"segmentation-{group}-{operation.name}.png"))


def compare(found: dict[str, Any], wanted: dict[str, Any], kinds: dict[str, str]) -> None:
    """All outputs are there; voxels and points are equal to the bit, numbers of tables as they are."""
    assert set(found) == set(wanted)
    for name, value in wanted.items():
        if kinds[name] == "table":
            assert [known(row) for row in found[name].rows] == [known(row) for row in value.rows], name
        else:
            assert fingerprint(found[name]) == fingerprint(value), name


def known(row: Mapping[str, Any]) -> dict[str, Any]:
    """The cells that say something; a file and a table node leave out empty words and numbers that are none."""
    return {name: value for name, value in row.items() if value == value and value != ""}


def by_command(
    operation: type[Operation],
    settings: dict[str, Any],
    given: dict[str, tuple[str, Path]],
    kinds: dict[str, str],
    folder: Path,
) -> dict[str, Any]:
    """What `medimg apply` writes."""
    paths = {name: folder / files.file_name(f"out_{name}", kind) for name, kind in kinds.items()}
    words = [word for role, (_, path) in given.items() for word in ("--in", f"{role}={path}")]
    words += [word for name, value in settings.items() for word in ("--set", f"{name}={value}")]
    words += [word for name, path in paths.items() for word in ("--out", f"{name}={path}")]
    assert main(["apply", operation.name, *words, "--quiet"]) == 0
    return {name: files.read(path, kinds[name]) for name, path in paths.items()}


def by_clicking(
    panel: Any,
    operation: type[Operation],
    settings: dict[str, Any],
    given: dict[str, tuple[str, Path]],
    press: Any,
    wait_until: Any,
) -> dict[str, Any]:
    """What the page adds to the scene."""
    from MedImgAnalysisLib.scene import bridge

    nodes = {role: bridge.add_node(files.read(path, kind), role, kind=kind) for role, (kind, path) in given.items()}
    choose(panel.chooser.combo, operation.name)
    panel.state.keep_parameters(operation.name, {**panel.operation().values(), **settings})
    for role, selector in panel.inputs.selectors.items():
        segments = (
            nodes[role].GetSegmentation().GetSegmentIDs() if role in given and given[role][0] == "mask" else ("",)
        )
        selector.show((nodes[role],) if role in nodes else (), segments[0])
        selector._changed()
    assert panel.obstacle() == ""
    press(panel.run.apply_button)
    wait_until(lambda: not panel.run.runner.running, timeout=120)
    assert "Done in" in panel.run.status.text, log_text(panel)
    kinds = {role.name: role.kind for role in operation.outputs()}
    return {role: bridge.value_of(node, kinds[role]) for (role, _), node in nodes_by_role().items()}
