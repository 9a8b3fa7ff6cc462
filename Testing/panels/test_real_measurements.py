"""Every operation of agreement and quality from its panel on real data; pictures go to the folder MEDIMG_PANEL_PNG."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk
from contract_inputs import TABLES
from MedImgAnalysisLib import catalog, files
from MedImgAnalysisLib.geometry import image_like
from MedImgAnalysisLib.values import Labels
from panel_helpers import MODULES, choose, log_text, looks_drawn

PAGES = {"agreement": MODULES / "MedImgAgreement" / "MedImgAgreement.py",
         "quality": MODULES / "MedImgQuality" / "MedImgQuality.py"}  # fmt: skip
Nodes = dict[str, Any]
STRUCTURES = ("Parotid-Lt", "Parotid-Rt", "Brainstem", "Mandible")


def add(value: Any, name: str, kind: str) -> Any:
    from MedImgAnalysisLib.scene import bridge

    return bridge.add_node(value, name, kind=kind)


def read(data: Path, name: str, kind: str = "image") -> Any:
    return files.read(data / name, kind)


def rater(data: Path, who: str) -> Labels:
    """The structures of one reader."""
    masks = [(name, read(data, f"two_raters_TCGA-CV-7236/{who}/{name}.nrrd", "mask")) for name in STRUCTURES]
    return Labels.from_masks(masks)


def two_raters(data: Path, name: str) -> Nodes:
    return {"reference": add(rater(data, "oncologist"), "Oncologist", "labels"),
            "test": add(rater(data, "radiographer"), "Radiographer", "labels")}  # fmt: skip


def several_raters(data: Path, name: str) -> Nodes:
    return {"raters": list(two_raters(data, name).values())}


def pairs(data: Path, name: str) -> Nodes:
    found = two_raters(data, name)
    return {"reference": [found["reference"]], "test": [found["test"]]}


def lesions(data: Path, name: str) -> Nodes:
    """Two ways to outline an uptake in PET."""
    names = {"reference": "PET_mask", "test": "PET_auto41"}
    return {role: add(read(data, f"petctmr_sts003/{file}.nii.gz", "labels"), file, "labels")
            for role, file in names.items()}  # fmt: skip


def table(data: Path, name: str) -> Nodes:
    return {"table": add(TABLES[name](), "Numbers", "table")}


def ct_phantom(data: Path, name: str) -> Nodes:
    """A phantom of rods; a ring between them is the background."""
    image = read(data, "phantom/ct_synthetic/phantom_mtf.nrrd")
    rods = read(data, "phantom/ct_synthetic/phantom_labels.nrrd", "labels")
    names = ("Air", "LDPE", "Acrylic", "Delrin", "Disk", "14 HU", "7 HU", "5 HU", "3 HU")
    masks = [(name, rods.mask(segment)) for name, segment in zip(names, rods.segments, strict=True)]
    j, i = np.mgrid[:256, :256] - 127.5
    ring = (np.hypot(j, i) > 26 / 0.5) & (np.hypot(j, i) < 29 / 0.5)
    far = np.broadcast_to(ring, (8, 256, 256)) & ~np.isin(sitk.GetArrayFromImage(image) > 60, [True])
    masks.append(("Background", image_like(np.uint8(far), image)))
    return {"image": add(image, "CT phantom", "image"), "regions": add(Labels.from_masks(masks), "Regions", "labels")}


def uniform_phantom(data: Path, name: str) -> Nodes:
    return {"image": add(read(data, "phantom/ct_synthetic/phantom_nps.nrrd"), "Uniform phantom", "image")}


def repeated(data: Path, name: str) -> Nodes:
    found = [
        add(read(data, f"phantom/mr_snr_Siemens/tra_250_2meas_{n}.IMA"), f"MR phantom {n}", "image") for n in (1, 2)
    ]
    return {"image": found[0], "repeat": found[1]}


def head(data: Path, name: str) -> Nodes:
    return {"image": add(read(data, "mr_brain_ms_p01/study1_FLAIR.nii.gz"), "FLAIR", "image")}


def two_heads(data: Path, name: str) -> Nodes:
    return {"reference": add(read(data, "mr_brain_ms_p01/study1_FLAIR.nii.gz"), "FLAIR 1", "image"),
            "test": add(read(data, "mr_brain_ms_p01/study2_FLAIR.nii.gz"), "FLAIR 2", "image")}  # fmt: skip


def tumour(data: Path, name: str) -> Nodes:
    return {"image": add(read(data, "petctmr_sts003/PET_image.nii.gz"), "PET", "image"),
            "labels": add(read(data, "petctmr_sts003/PET_mask.nii.gz", "labels"), "Tumour", "labels")}  # fmt: skip


CASES: dict[str, Callable[[Path, str], Nodes]] = {
    "compare_segmentations": two_raters, "compare_many": pairs, "compare_lesions": lesions,
    "consensus": several_raters, "rater_agreement": several_raters, "compare_readings": table,
    "compare_classes": table, "measure_signal": ct_phantom, "measure_mr_quality": head, "uniformity": uniform_phantom,
    "noise_power_spectrum": uniform_phantom, "modulation_transfer": ct_phantom, "low_contrast": ct_phantom,
    "compare_images": two_heads, "quality_report": ct_phantom, "measure_features": tumour,
}  # fmt: skip


SETTINGS: dict[str, dict[str, Any]] = {
    "compare_segmentations": {"mark_errors": True, "color_surface": True, "tolerances_mm": [2.0]},
    "compare_many": {"surfaces": "none"}, "modulation_transfer": {"target": "disk", "margin_mm": 8.0},
    "quality_report": {"subject": "phantom"},
}  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = Path(os.environ.get("MEDIMG_PANEL_PNG") or tmp_path)
    path.mkdir(parents=True, exist_ok=True)
    return path


def test_every_operation_of_the_two_packages_has_a_case() -> None:
    assert set(CASES) == {operation.name for package in PAGES for operation in catalog.PACKAGES[package]}


@pytest.mark.parametrize("name", CASES)
def test_an_operation_runs_from_its_panel_on_real_data(
    name: str, load_module: Any, press: Any, wait_until: Any, grab: Any, folder: Path, data_dir: Path
) -> None:
    package = next(key for key in PAGES if any(operation.name == name for operation in catalog.PACKAGES[key]))
    nodes = CASES[name](data_dir, name)
    panel = load_module(PAGES[package]).widget.panel
    choose(panel.chooser.combo, name)
    panel.state.keep_parameters(name, {**panel.operation().values(), **SETTINGS.get(name, {})})
    choose_inputs(panel, name, nodes)
    assert panel.obstacle() == ""
    press(panel.run.apply_button)
    wait_until(lambda: not panel.run.runner.running, timeout=120)
    assert "Done in" in panel.run.status.text, log_text(panel)
    for role in panel.operation.outputs():
        assert f"{role.title}: " in log_text(panel) or not role.required
    picture = grab(panel.module_widget.parent, folder / f"real-{package}-{name}.png")
    assert looks_drawn(picture)
    assert not panel.run.results.widget.isHidden()
    assert panel.run.results.table.rowCount > 0


def choose_inputs(panel: Any, name: str, nodes: Nodes) -> None:
    """Choose nodes by role, as a user would."""
    for role, selector in panel.inputs.selectors.items():
        given = nodes.get(role)
        if role == "mask" and "regions" in nodes:
            segmentation = nodes["regions"].GetSegmentation()
            selector.show((nodes["regions"],), segmentation.GetSegmentIdBySegmentName("Disk"))
        else:
            selector.show(tuple(given) if isinstance(given, list) else () if given is None else (given,), "")
        selector._changed()


def test_the_table_of_two_readers_is_right(data_dir: Path) -> None:
    """The panel shows what the operation gives; so the numbers of one structure are checked once, by voxels."""
    first, second = (rater(data_dir, who) for who in ("oncologist", "radiographer"))
    a, b = (sitk.GetArrayFromImage(labels.mask("Parotid-Lt")) > 0 for labels in (first, second))
    from MedImgAnalysisLib.agreement import CompareSegmentations

    row = CompareSegmentations(surfaces="none").run(first, second).table.rows[0]
    assert row["dice"] == pytest.approx(2 * (a & b).sum() / (a.sum() + b.sum()))
