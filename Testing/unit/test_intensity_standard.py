"""Matching a histogram and the standard scale of a cohort: what a known change of intensities must give back."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk
from MedImgAnalysisLib import files
from MedImgAnalysisLib.errors import InputError
from MedImgAnalysisLib.execution import execute
from MedImgAnalysisLib.filtering import LearnStandardScale, MatchHistogram, StandardiseLandmarks
from MedImgAnalysisLib.geometry import image_like
from MedImgAnalysisLib.values import Column, Measurements


def head(seed=0, gain=1.0, offset=0.0, size=(14, 40, 44)) -> sitk.Image:
    """Three tissues with noise in a ball, air around it."""
    rng = np.random.default_rng(seed)
    k, j, i = np.meshgrid(*(np.linspace(-1, 1, n) for n in size), indexing="ij")
    radius = np.sqrt(k**2 + j**2 + i**2)
    tissue = np.select([radius < 0.4, radius < 0.65, radius < 0.9], [300.0, 200.0, 120.0], 0.0)
    noise = np.where(tissue > 0, rng.normal(0, 8, size), np.abs(rng.normal(0, 2, size)))
    return sitk.GetImageFromArray((gain * (tissue + noise) + offset).astype(np.float32))


def ball(image: sitk.Image, radius=0.9) -> sitk.Image:
    k, j, i = np.meshgrid(*(np.linspace(-1, 1, n) for n in image.GetSize()[::-1]), indexing="ij")
    return image_like((k**2 + j**2 + i**2 < radius**2).astype(np.uint8), image)


def matched(image, reference, **more) -> np.ndarray:
    parameters = {key: more.pop(key) for key in ("quantiles", "voxels") if key in more}
    given = {"image": image, "reference": reference, **more}
    return sitk.GetArrayFromImage(execute(MatchHistogram(**parameters), given).outputs["image"])


def test_an_image_matched_to_itself_is_itself():
    image = head()
    np.testing.assert_allclose(matched(image, image), sitk.GetArrayFromImage(image), atol=1e-4)


def test_a_linear_change_of_intensities_is_undone_exactly():
    image = head()
    changed = sitk.Cast(image, sitk.sitkFloat64) * 3.7 - 55.0
    np.testing.assert_allclose(matched(changed, image, quantiles=1), sitk.GetArrayFromImage(image), atol=1e-3)


def test_a_curved_change_is_undone_by_many_quantiles_better_than_by_few():
    image = head()
    truth = sitk.GetArrayFromImage(image).astype(float)
    changed = image_like((200 * np.sqrt(np.maximum(truth, 0) + 1)).astype(np.float32), image)
    errors = [np.abs(matched(changed, image, quantiles=n) - truth).mean() for n in (4, 32, 512)]
    assert errors[0] > errors[1] > errors[2] and errors[2] < 0.1


def test_quantiles_of_the_result_are_those_of_the_reference():
    image, reference = head(1, gain=2.2), head(2)
    found = matched(image, reference, quantiles=64)
    share = np.linspace(0, 100, 65)
    np.testing.assert_allclose(
        np.percentile(found, share), np.percentile(sitk.GetArrayFromImage(reference), share), rtol=1e-3, atol=0.05
    )


def test_agrees_with_itk_on_the_foreground():
    image, reference = head(1, gain=2.2, offset=30), head(2)
    itk = sitk.GetArrayFromImage(sitk.HistogramMatching(image, reference, 1024, 7, True))
    found = matched(image, reference, quantiles=8, voxels="above_mean")
    inside = sitk.GetArrayFromImage(ball(image, 0.85)) != 0
    # ITK takes its quantiles from a histogram of 1024 bins and its own points below the mean.
    assert np.percentile(np.abs(found - itk)[inside], 95) < 1.0


def test_masks_decide_what_is_matched_although_the_air_differs():
    image, reference = head(1, gain=2.0), head(2)
    array = sitk.GetArrayFromImage(image)
    wide = image_like(np.pad(array, 12), sitk.GetImageFromArray(np.pad(array, 12)))
    inside = np.pad(sitk.GetArrayFromImage(ball(image)), 12)
    masked = matched(wide, reference, mask=image_like(inside, wide), reference_mask=ball(reference))
    plain = matched(wide, reference)
    truth = np.pad(array / 2.0, 12)
    middle = inside != 0
    assert np.abs(masked - truth)[middle].mean() < 1.0 < np.abs(plain - truth)[middle].mean()


def test_many_voxels_of_one_value_stay_one_value():
    array = np.zeros((6, 20, 20), np.int16)
    array[2:4] = np.random.default_rng(0).integers(100, 200, (2, 20, 20))
    found = matched(sitk.GetImageFromArray(array), head())
    assert np.ptp(found[array == 0]) == 0
    order = np.argsort(array.ravel(), kind="stable")
    assert (np.diff(found.ravel()[order]) >= -1e-4).all()


@pytest.mark.parametrize("role", ["image", "reference"])
def test_a_constant_partner_is_named(role):
    flat = sitk.GetImageFromArray(np.full((5, 6, 7), 9, np.int16))
    given = {"image": head(), "reference": head(), role: flat}
    with pytest.raises(InputError, match=f"{role} is constant"):
        execute(MatchHistogram(), given)


def learnt(images, masks=None, **parameters) -> Measurements:
    return execute(LearnStandardScale(**parameters), {"images": images, "masks": masks}).outputs["table"]


def standardised(image, scale, mask=None) -> np.ndarray:
    return sitk.GetArrayFromImage(
        execute(StandardiseLandmarks(), {"image": image, "scale": scale, "mask": mask}).outputs["image"]
    )


def test_the_scale_of_one_image_is_its_own_percentiles_scaled():
    image = head()
    mask = ball(image)
    table = learnt([image], [mask], to_low=10, to_high=110)
    values = sitk.GetArrayFromImage(image)[sitk.GetArrayFromImage(mask) != 0]
    own = np.percentile(values, [1, *range(10, 100, 10), 99])
    np.testing.assert_allclose(table.column("value"), 10 + 100 * (own - own[0]) / (own[-1] - own[0]), rtol=1e-6)
    assert all(row["status"] == "single_image" and np.isnan(row["sd"]) for row in table.rows)


def test_scanners_of_different_gain_and_offset_come_to_one_scale():
    cohort = [head(seed, gain, offset) for seed, gain, offset in ((1, 1.0, 0), (2, 2.5, 40), (3, 0.4, -10))]
    masks = [ball(image) for image in cohort]
    scale = learnt(cohort, masks)
    assert max(scale.column("sd")) < 2.5
    means = []
    for image, mask in zip(cohort, masks):
        found = standardised(image, scale, mask)
        middle = sitk.GetArrayFromImage(ball(image, 0.35)) != 0
        means.append(float(found[middle].mean()))
    assert np.ptp(means) < 1.0 and means[0] > 80


def test_without_masks_the_voxels_above_the_mean_decide_in_learning_and_applying():
    cohort = [head(1), head(2, 3.0)]
    scale = learnt(cohort)
    assert set(scale.column("voxels")) == {"above_mean"}
    first, second = (standardised(image, scale) for image in cohort)
    inside = sitk.GetArrayFromImage(ball(cohort[0], 0.35)) != 0
    assert abs(first[inside].mean() - second[inside].mean()) < 1.0


@pytest.mark.parametrize("ending", [".csv", ".json"])
def test_a_scale_on_disk_gives_the_same_result(tmp_path, ending):
    image = head(4, 1.7)
    scale = learnt([head(1), head(2)])
    path = files.write(scale, tmp_path / f"scale{ending}", "table")
    np.testing.assert_array_equal(standardised(image, files.read(path, "table")), standardised(image, scale))


def test_a_table_that_is_no_scale_is_refused():
    columns = (Column("percent", "Percentile"), Column("value", "Value"))
    with pytest.raises(InputError, match="must rise"):
        standardised(head(), Measurements(columns, ({"percent": 1.0, "value": 5.0}, {"percent": 99.0, "value": 5.0})))
    with pytest.raises(InputError, match="learn_standard_scale"):
        standardised(head(), Measurements((Column("x", "X"),), ({"x": 1.0},)))


def test_masks_must_be_as_many_as_images():
    with pytest.raises(InputError, match="1 masks for 2 images"):
        learnt([head(1), head(2)], [ball(head(1))])


def test_landmarks_that_coincide_in_every_image_are_left_out_and_said():
    array = np.clip(np.random.default_rng(0).normal(60, 30, (8, 20, 20)), 0, 80).astype(np.uint8)
    result = execute(LearnStandardScale(voxels="all"), {"images": [sitk.GetImageFromArray(array)]})
    table = result.outputs["table"]
    assert any("left out" in warning for warning in result.warnings)
    assert table.column("percent")[-1] == 99 and table.column("value")[-1] == 100
    found = standardised(sitk.GetImageFromArray(array), table)
    np.testing.assert_allclose(found[array == 80], 100, atol=1e-4)


def test_values_beyond_the_mask_go_on_with_the_slope_of_the_whole():
    rng = np.random.default_rng(0)
    array = rng.normal(100, 10, (10, 20, 20)).astype(np.float32)
    array[0] = 300
    array[1] = -100
    inside = np.zeros(array.shape, np.uint8)
    inside[2:] = 1
    image, reference = sitk.GetImageFromArray(array), sitk.GetImageFromArray(rng.normal(5, 1, array.shape))
    found = matched(image, reference, mask=image_like(inside, image))
    x, y = array[2:].astype(float), sitk.GetArrayFromImage(reference)
    slope = np.ptp(y) / np.ptp(x)
    np.testing.assert_allclose(found[0], y.max() + slope * (300 - x.max()), rtol=1e-5)
    np.testing.assert_allclose(found[1], y.min() + slope * (-100 - x.min()), rtol=1e-5)
