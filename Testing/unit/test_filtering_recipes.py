"""The recipes of the filtering guide do on phantoms with known truth what the guide says."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import SimpleITK as sitk
from MedImgAnalysisLib.geometry import image_like
from MedImgAnalysisLib.recipe import Recipe
from MedImgAnalysisLib.values import Labels
from scipy.ndimage import binary_dilation

DOCS = Path(__file__).resolve().parents[2] / "docs"


@pytest.fixture(scope="module")
def data() -> ModuleType:
    spec = importlib.util.spec_from_file_location("filtering_data", DOCS / "filtering_data.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def run(name: str, **inputs):
    return Recipe.load(DOCS / "recipes" / f"{name}.json").run(inputs)


def array(image: sitk.Image) -> np.ndarray:
    return sitk.GetArrayFromImage(image).astype(float)


def test_the_mr_recipe_takes_most_of_the_shading_and_of_the_noise(data: ModuleType) -> None:
    head = data.head()
    result = run("mr-brain", mr=head.flair)
    white = (array(head.truth.mask("White matter")) > 0) & (array(head.truth.mask("Lesions")) == 0)
    true = array(head.clean["flair"])[white] / array(data.head(bias=0.0).clean["flair"])[white]
    error = np.log(array(result.outputs["field"])[white] / true)
    assert error.std() < 0.5 * np.log(true).std()
    before, after = array(head.flair)[white], array(result.outputs["normalised"])[white]
    assert after.std() / after.mean() < 0.8 * before.std() / before.mean()
    normalised = array(result.outputs["normalised"])
    assert normalised.min() == 0 and normalised.max() == 1
    row = result.outputs["evidence"].rows[0]
    assert row["noise_ratio"] < 0.4 and not row["warnings"]


def test_the_ct_recipe_leaves_the_body_alone_in_cubes_and_keeps_its_values(data: ModuleType) -> None:
    result = run("ct-abdomen", ct=data.abdomen())
    cubes, soft = result.outputs["cubes"], result.outputs["soft_tissue"]
    assert np.allclose(cubes.GetSpacing(), 3.0)
    for point, value in (((-65.0, -15.0, 0.0), 110), ((70.0, 10.0, 5.0), 120), ((0.0, 62.0, 0.0), 500)):
        i, j, k = cubes.TransformPhysicalPointToIndex(point)
        place = (slice(k - 1, k + 2), slice(j - 1, j + 2), slice(i - 1, i + 2))
        assert abs(array(cubes)[place].mean() - value) < 8
        assert abs(array(soft)[place].mean() - np.clip((value + 150) / 400, 0, 1)) < 0.02
    below = cubes.TransformContinuousIndexToPhysicalPoint([n - 1 for n in cubes.GetSize()])[1]
    assert below < 121, "the table at 117 to 125 mm is cut off"


def test_the_low_dose_recipe_comes_nearer_to_the_truth_and_says_what_faint_lesions_lost(data: ModuleType) -> None:
    low, clean, regions = data.abdomen(data.LOW_DOSE, 3), array(data.abdomen(None)), data.regions()
    result = run("low-dose-ct", ct=low, regions=regions)
    quiet = array(result.outputs["quiet"])
    inside = clean > -300
    inside[:, 128:] = False
    before = np.sqrt(np.mean((array(low) - clean)[inside] ** 2))
    assert np.sqrt(np.mean((quiet - clean)[inside] ** 2)) < before / 3
    row = result.outputs["evidence"].rows[0]
    assert row["noise_ratio"] < 0.25 and abs(row["edge_slope_ratio"] - 1) < 0.02
    for size in ("8 mm", "5 mm"):
        lesion, liver = (array(regions.mask(name)) > 0 for name in (f"Lesion {size}", f"Liver by {size}"))
        kept = (quiet[lesion].mean() - quiet[liver].mean()) / (array(low)[lesion].mean() - array(low)[liver].mean())
        assert 0.6 < kept < 0.85
        if size == "8 mm":
            np.testing.assert_allclose(row["contrast_after"] / row["contrast_before"], kept, rtol=1e-3)
    # Without regions it is on the limit of what can be told.
    assert "contrast_lost" in row["warnings"] and 0.9 < row["structure_score"] < 1.1
    np.testing.assert_allclose(array(result.outputs["residual"]), array(low) - quiet, atol=1e-3)


@pytest.mark.parametrize("name", ["study1_FLAIR"])
def test_the_mr_recipe_takes_noise_out_of_interpolated_scans_of_a_patient(data_dir: Path, name: str) -> None:
    scan = sitk.ReadImage(str(data_dir / "mr_brain_ms_p01" / f"{name}.nii.gz"))[:, :, 14:22]
    row = run("mr-brain", mr=scan).outputs["evidence"].rows[0]
    assert 0.4 < row["noise_ratio"] < 0.7
    assert abs(row["edge_slope_ratio"] - 1) < 0.02 and row["structure_score"] < 1.2


def test_the_low_dose_recipe_halves_the_noise_of_the_low_contrast_phantom(data_dir: Path) -> None:
    folder = data_dir / "phantom" / "lcd_ct"
    ct = sitk.ReadImage(str(folder / "fbp_dose100_signal_present.nrrd"))
    truth = array(sitk.ReadImage(str(folder / "ground_truth.nrrd")))
    disk, water = np.isclose(truth, 3, atol=0.6), np.isclose(truth, 0, atol=0.6)
    ring = binary_dilation(disk, iterations=8) & ~binary_dilation(disk, iterations=3) & water
    kept, cnr = [], []
    for k in range(4):
        one = ct[:, :, k : k + 1]
        masks = [("10 mm", image_like(np.uint8(disk)[None], one)), ("Water", image_like(np.uint8(ring)[None], one))]
        row = run("low-dose-ct", ct=one, regions=Labels.from_masks(masks)).outputs["evidence"].rows[0]
        assert row["noise_before"] > 18 and row["noise_ratio"] < 0.5
        kept.append((row["contrast_before"], row["contrast_after"]))
        cnr.append(row["cnr_after"] / row["cnr_before"])
    before, after = np.mean(kept, axis=0)
    assert 0.8 < after / before < 1.2 and np.median(cnr) > 1.5
