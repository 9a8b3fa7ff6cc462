"""Evaluation of registrations: reference values, the table of tolerances, what is refused and what is warned of."""

from __future__ import annotations

import math
from functools import cache

import numpy as np
import pytest
import reference_checks
import SimpleITK as sitk
from contract_inputs import examples, image_of, structure
from medimg_testing import find_data, find_reference_values, oblique_grid
from MedImgAnalysisLib import files
from MedImgAnalysisLib.errors import InputError
from MedImgAnalysisLib.execution import execute
from MedImgAnalysisLib.geometry import Grid, image_like
from MedImgAnalysisLib.quality import CompareImages
from MedImgAnalysisLib.registration import EvaluateRegistration
from MedImgAnalysisLib.values import Labels, Landmarks

needs_reference = pytest.mark.skipif(find_reference_values() is None, reason="the reference values are not here")
STATISTICS = {"mean": "mean", "sd_sample": "sd", "median": "median", "p95": "p95", "min": "min", "max": "max"}
STATISTICS |= {"rms": "rms"}


@cache
def read(name: str, kind: str):
    return files.read(find_data() / "metrics" / "inputs" / name, kind)


def evaluate(operation: EvaluateRegistration | None = None, **inputs):
    return execute(operation or EvaluateRegistration(), inputs)


def row(**inputs) -> dict:
    return dict(evaluate(**inputs).outputs["table"].rows[0])


def errors(path: str, prefix: str, found: dict, count: str) -> dict[str, float]:
    numbers = {f"{path}/{key}": found[f"{prefix}_{ours}_mm"] for key, ours in STATISTICS.items()}
    return numbers | {f"{path}/n": found[count]}


def landmark_values() -> dict[str, dict[str, float]]:
    affine = read("reg01_affine_fixed_to_moving.tfm", "transform")
    both = []
    for ending in ("csv", "mrk.json"):
        points = {f"{side}_landmarks": read(f"reg01_{side}.{ending}", "landmarks") for side in ("fixed", "moving")}
        both.append(evaluate(transform=affine, **points).outputs)
    tables = [outputs["table"].rows[0] for outputs in both]
    # One file is RAS and the other LPS; both are LPS in the csv.
    assert tables[0]["tre_mean_mm"] == pytest.approx(tables[1]["tre_mean_mm"], abs=1e-6)
    first = errors("/tre_before", "tre_before", tables[1], "n_landmarks")
    first |= errors("/tre_after_moving_space", "tre", tables[1], "n_landmarks")
    first |= errors("/tre_after_fixed_space", "tre_fixed", tables[1], "n_landmarks")
    first |= {f"/per_landmark_mm/{n}": line["tre_mm"] for n, line in enumerate(both[1]["landmarks"].rows)}
    first |= {f"/mean_signed_mm_lps/{n}": tables[1][f"tre_bias_{axis}_mm"] for n, axis in enumerate("lps")}
    second: dict[str, float] = {}
    points = {f"{side}_landmarks": read(f"reg02_{side}.csv", "landmarks") for side in ("fixed", "moving")}
    for name in ("estimate", "estimate2"):
        found = row(transform=read(f"reg02_{name}_fixed_to_moving.tfm", "transform"), **points)
        second |= errors(f"/{name}", "tre", found, "n_landmarks")
        if name == "estimate":
            second |= errors("/tre_before", "tre_before", found, "n_landmarks")
            second["/closed_form_estimate"] = found["tre_mean_mm"]
    return {"reg01": first, "reg02": second}


def jacobian_values() -> dict[str, dict[str, float]]:
    cases = {}
    for case in ("reg03", "reg04", "reg05", "reg06"):
        found = row(transform=read(f"{case}_field.nrrd", "transform"))
        if math.isnan(found["sd_log_jac"]):
            assert found["status"] == "folding"
        keys = {key: f"jac_{key}" for key in ("n", "mean", "sd", "min", "max", "p01", "p99")}
        keys |= {key: key for key in ("folding_percent", "sd_log_jac")}
        cases[case] = {f"/interior_one_voxel_rim_excluded/{key}": found[ours] for key, ours in keys.items()}
    return cases


def consistency_values() -> dict[str, dict[str, float]]:
    found: dict[str, float] = {}
    for name in ("naive", "exact"):
        fields = {"transform": read("reg07_forward.nrrd", "transform")}
        table = row(**fields, backward=read(f"reg07_backward_{name}.nrrd", "transform"))
        found |= errors(f"/{name}", "ice", table, "ice_n")
        found |= {f"/{name}/voxels_valid": table["ice_n"], f"/{name}/voxels_total": table["ice_n_total"]}
    return {"reg07": found}


def overlap_values() -> dict[str, dict[str, float]]:
    masks = {f"{side}_labels": read(f"reg08_{side}_mask.nrrd", "labels") for side in ("fixed", "moving")}
    found = row(transform=read("reg01_affine_fixed_to_moving.tfm", "transform"), **masks)
    return {"reg08": {"/identity": found["dice_before_mean"], "/affine": found["dice_mean"]}}


FAMILIES = {
    "registration-TRE": landmark_values,
    "registration-Jacobian": jacobian_values,
    "registration-inverse-consistency": consistency_values,
    "registration-Dice-after-warp": overlap_values,
}


@needs_reference
@pytest.mark.parametrize("family", FAMILIES)
def test_every_reference_value_of_the_family_is_met(family, figures):
    wrong = reference_checks.compare(family, FAMILIES[family]())
    there = reference_checks.there_are(family)
    figures.say(f"{family}: {reference_checks.MET[family]} of {there} reference values met")
    assert wrong == []
    assert reference_checks.MET[family] == there > 0


@needs_reference
def test_a_transform_of_the_wrong_direction_is_recognised():
    affine = read("reg01_affine_fixed_to_moving.tfm", "transform")
    points = {f"{side}_landmarks": read(f"reg01_{side}.csv", "landmarks") for side in ("fixed", "moving")}
    result = evaluate(transform=affine.GetInverse(), **points)
    assert any("maps from moving to fixed" in warning for warning in result.warnings)
    swapped = {"fixed_landmarks": points["moving_landmarks"], "moving_landmarks": points["fixed_landmarks"]}
    result = evaluate(transform=affine, **swapped)
    assert result.outputs["table"].rows[0]["tre_mean_mm"] == pytest.approx(73.3717, abs=1e-3)
    assert any("maps from moving to fixed" in warning for warning in result.warnings)
    assert not any("maps from" in warning for warning in evaluate(transform=affine, **points).warnings)


SHIFT = (4.0, -6.0, 5.0)


def shifted_pair():
    """A fixed image with two blobs, the same with its origin moved, and the transform between them."""
    fixed = image_of(structure().astype(np.float32))
    moving = sitk.Image(fixed)
    moving.SetOrigin((np.array(fixed.GetOrigin()) + SHIFT).tolist())
    return fixed, moving, sitk.TranslationTransform(3, SHIFT)


def test_the_true_transform_gives_equal_images_full_overlap_and_no_error():
    fixed, moving, transform = shifted_pair()
    labels = [Labels.from_masks([("Bright", image_like(np.uint8(structure() > 60), i))]) for i in (fixed, moving)]
    points = np.random.default_rng(1).normal(0, 20, (6, 3))
    names = tuple("ABCDEF")
    outputs = evaluate(
        transform=transform,
        fixed=fixed,
        moving=moving,
        fixed_landmarks=Landmarks(names, points),
        moving_landmarks=Landmarks(names[::-1], points[::-1] + SHIFT),
        fixed_labels=labels[0],
        moving_labels=labels[1],
        backward=transform.GetInverse(),
    ).outputs
    found = outputs["table"].rows[0]
    assert found["tre_max_mm"] < 1e-12 and found["tre_before_mean_mm"] == pytest.approx(np.linalg.norm(SHIFT))
    assert found["jac_mean"] == 1 and found["jac_sd"] == 0 and found["folding_percent"] == 0
    assert found["ice_max_mm"] < 1e-9 and found["ice_n"] == found["ice_n_total"] == structure().size
    assert found["similarity_mse"] < 1e-9 and found["similarity_ncc"] == pytest.approx(1)
    assert found["similarity_before_ncc"] < 0.9 and found["dice_before_mean"] < 0.9
    assert found["dice_min"] == 1 and found["mean_distance_max_mm"] == 0
    assert found["verdict"] == "pass" and set(outputs["criteria"].column("verdict")) == {"pass"}


def test_likeness_is_that_of_compare_images():
    fixed = image_of(structure(seed=1).astype(np.float32))
    moving = image_of(structure(seed=2).astype(np.float32))
    moving.SetOrigin(np.add(fixed.GetOrigin(), (0.4, 0.2, 0.7)).tolist())
    found = row(transform=sitk.Transform(3, sitk.sitkIdentity), fixed=fixed, moving=moving)
    other = execute(CompareImages(), {"reference": fixed, "test": moving}).outputs["table"].rows[0]
    for key in ("n", "mse", "rmse", "mae", "ncc", "mi", "nmi", "nmi_arithmetic"):
        assert found[f"similarity_{key}"] == pytest.approx(other[key], rel=1e-9), key
        assert found[f"similarity_before_{key}"] == found[f"similarity_{key}"]


def test_tolerances_decide_and_what_was_not_measured_is_not_judged():
    shift = sitk.TranslationTransform(3, (0.0, 0.0, 2.5))
    points = Landmarks(("A", "B"), np.zeros((2, 3)))
    inputs = {"transform": shift, "fixed_landmarks": points, "moving_landmarks": points}
    for tolerance, verdict in ((2.5, "pass"), (2.4, "fail")):
        outputs = evaluate(EvaluateRegistration(tg132_tre_mm=tolerance), **inputs).outputs
        rows = {line["measure"]: line for line in outputs["criteria"].rows}
        assert rows["tre_mean_mm"]["verdict"] == outputs["table"].rows[0]["verdict"] == verdict
        assert rows["tre_mean_mm"]["tolerance"] == tolerance and rows["tre_mean_mm"]["value"] == pytest.approx(2.5)
        assert rows["dice_min"]["verdict"] == "not_measured" and rows["dice_min"]["status"] == "not_measured"
        assert outputs["landmarks"].column("verdict") == [verdict] * 2
        assert outputs["landmarks"].place(1).tolist() == [0, 0, 0], "a row leads to its fixed landmark"
    assert row(**inputs)["tre_sd_mm"] == 0
    single = Landmarks(("A",), np.zeros((1, 3)))
    alone = row(transform=shift, fixed_landmarks=single, moving_landmarks=single)
    assert math.isnan(alone["tre_sd_mm"]) and "single_landmark" in alone["status"]


def test_a_low_dice_and_a_fold_fail():
    fixed, moving, _ = shifted_pair()
    labels = [Labels.from_masks([("Bright", image_like(np.uint8(structure() > 60), i))]) for i in (fixed, moving)]
    identity = sitk.Transform(3, sitk.sitkIdentity)
    outputs = evaluate(transform=identity, fixed_labels=labels[0], moving_labels=labels[1]).outputs
    verdicts = dict(zip(outputs["criteria"].column("measure"), outputs["criteria"].column("verdict")))
    assert verdicts["dice_min"] == "fail" and verdicts["folding_percent"] == "pass"
    mirrored = sitk.AffineTransform(3)
    mirrored.Scale((-1.0, 1.0, 1.0))
    found = row(transform=mirrored)
    assert found["jac_mean"] == pytest.approx(-1) and found["folding_percent"] == 100 and found["verdict"] == "fail"


def test_segments_that_only_one_side_has_are_told():
    image = oblique_grid(sitk.Image(20, 20, 10, sitk.sitkUInt8))
    masks = []
    for start in (4, 8):
        array = np.zeros((10, 20, 20), np.uint8)
        array[3:6, start : start + 3, 5:9] = 1
        masks.append(image_like(array, image))
    fixed = Labels.from_masks([("A", masks[0]), ("B", masks[1])])
    moving = Labels.from_masks([("B", masks[1]), ("C", masks[0])])
    outputs = evaluate(transform=sitk.Transform(3, 1), fixed_labels=fixed, moving_labels=moving).outputs
    assert outputs["segments"].column("segment") == ["A", "B", "C"]
    assert outputs["segments"].column("dice") == [0.0, 1.0, 0.0]
    assert outputs["segments"].column("status") == ["prediction_empty", "", "reference_empty"]
    assert outputs["table"].rows[0]["dice_min"] == 0


def test_a_segment_that_reaches_the_border_after_warping_is_told():
    fixed, moving, transform = shifted_pair()
    whole = [Labels.from_masks([("All", Grid.of(i).blank() + 1)]) for i in (fixed, moving)]
    result = evaluate(transform=transform, fixed_labels=whole[0], moving_labels=whole[1])
    assert any("reach the border of the fixed grid" in w and "All" in w for w in result.warnings)


def test_the_image_of_the_jacobian_comes_where_there_is_a_grid_and_can_be_left_out():
    fixed = image_of(structure().astype(np.float32))
    scaled = sitk.AffineTransform(3)
    scaled.Scale((1.1, 1.0, 0.9))
    without = evaluate(EvaluateRegistration(jacobian_image=False), transform=scaled, fixed=fixed)
    assert without.outputs["jacobian"] is None
    image = evaluate(transform=scaled, fixed=fixed).outputs["jacobian"]
    assert Grid.of(image) == Grid.of(fixed) and image.GetPixelID() == sitk.sitkFloat32
    np.testing.assert_allclose(sitk.GetArrayFromImage(image), 0.99, rtol=1e-6)
    assert evaluate(transform=scaled).outputs["jacobian"] is None
    bspline = sitk.BSplineTransformInitializer(fixed, [4, 4, 4])
    result = evaluate(transform=bspline)
    assert any("Jacobian was not measured" in warning for warning in result.warnings)


@pytest.mark.parametrize(
    ("left_out", "message"),
    [
        ("moving_landmarks", "Give moving_landmarks as well"),
        ("fixed_labels", "Give fixed_labels as well"),
        ("fixed", "Give the fixed image as well"),
    ],
)
def test_half_of_a_pair_is_refused(left_out, message):
    inputs = examples(EvaluateRegistration, optional=True)
    del inputs[left_out]
    with pytest.raises(InputError, match=message):
        execute(EvaluateRegistration(), inputs)


def test_consistency_without_a_grid_and_mixed_dimensions_are_refused():
    shift = sitk.TranslationTransform(3, SHIFT)
    with pytest.raises(InputError, match="needs a grid"):
        evaluate(transform=shift, backward=shift.GetInverse())
    with pytest.raises(InputError, match="2-D and the transform 3-D"):
        evaluate(transform=shift, backward=sitk.TranslationTransform(2))


def test_a_mask_restricts_jacobian_consistency_and_likeness():
    fixed, moving, transform = shifted_pair()
    half = np.zeros(structure().shape, np.uint8)
    half[..., :10] = 1
    found = row(
        transform=transform,
        fixed=fixed,
        moving=moving,
        backward=transform.GetInverse(),
        mask=image_like(half, fixed),
    )
    assert found["jac_n"] == found["ice_n_total"] == found["similarity_n"] == half.sum()


def test_two_dimensional_registrations_are_measured():
    fixed = image_of(structure((20, 24)).astype(np.float32))
    turn = sitk.Euler2DTransform((0.0, 0.0), 0.05, (1.0, 1.0))
    labels = Labels.from_masks([("Bright", image_like(np.uint8(structure((20, 24)) > 60), fixed))])
    found = row(
        transform=turn,
        fixed=fixed,
        moving=fixed,
        backward=turn.GetInverse(),
        fixed_labels=labels,
        moving_labels=labels,
    )
    assert found["jac_mean"] == pytest.approx(1) and found["ice_max_mm"] < 1e-9 and 0.5 < found["dice_mean"] < 1
