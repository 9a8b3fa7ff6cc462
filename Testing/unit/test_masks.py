"""The body mask on shapes that are known, and masking with a stated value outside."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk
from medimg_testing import oblique_grid
from MedImgAnalysisLib.errors import InputError, ParameterError
from MedImgAnalysisLib.execution import execute
from MedImgAnalysisLib.filtering import ApplyMask, BodyMask
from MedImgAnalysisLib.geometry import Grid, image_like


def body(noise=20.0) -> tuple[sitk.Image, np.ndarray]:
    """CT-like: an ellipsoid of 40 HU with an air hole and a bone, above a table, in air; and the ellipsoid."""
    k, j, i = np.meshgrid(*(np.linspace(-1, 1, n) for n in (24, 40, 44)), indexing="ij")
    inside = (k / 0.8) ** 2 + (j / 0.7) ** 2 + (i / 0.75) ** 2 < 1
    array = np.where(inside, 40.0, -1000.0)
    array[(k**2 + j**2 + i**2) < 0.05] = -900
    array[((k - 0.3) ** 2 + j**2 + i**2) < 0.02] = 900
    array[:, 36:38] = 100
    array += np.random.default_rng(0).normal(0, noise, array.shape)
    return oblique_grid(sitk.GetImageFromArray(np.rint(array).astype(np.int16))), inside


@pytest.mark.parametrize("parameters", [{}, {"threshold": -300.0}])
def test_the_body_is_found_without_table_and_with_its_holes_filled(parameters):
    image, inside = body()
    mask = execute(BodyMask(**parameters), {"image": image}).outputs["mask"]
    assert mask.GetPixelID() == sitk.sitkUInt8 and Grid.of(mask) == Grid.of(image)
    found = sitk.GetArrayFromImage(mask) != 0
    dice = 2 * (found & inside).sum() / (found.sum() + inside.sum())
    assert dice > 0.98 and not found[:, 36:38].any() and found[12, 20, 22]


def test_holes_stay_when_they_are_not_to_be_filled():
    image, inside = body(noise=0.0)
    mask = execute(BodyMask(fill=False, closing_voxels=0), {"image": image}).outputs["mask"]
    found = sitk.GetArrayFromImage(mask) != 0
    assert not found[12, 20, 22]
    expected = inside & (sitk.GetArrayFromImage(image) > -300)
    np.testing.assert_array_equal(found, expected)


def test_no_body_is_an_error_with_a_reason():
    with pytest.raises(InputError, match="constant"):
        execute(BodyMask(), {"image": sitk.Image([5, 6, 7], sitk.sitkInt16)})
    image, _ = body()
    with pytest.raises(InputError, match="above 5000"):
        execute(BodyMask(threshold=5000.0), {"image": image})


def masked(image, mask, **parameters):
    return execute(ApplyMask(**parameters), {"image": image, "mask": mask})


@pytest.mark.parametrize(("parameters", "outside"), [({}, None), ({"outside_value": -1024.0}, -1024)])
def test_inside_stays_and_outside_has_the_stated_value(parameters, outside):
    image, inside = body()
    array = sitk.GetArrayFromImage(image)
    result = masked(image, image_like(inside.astype(np.uint8), image), **parameters)
    found = sitk.GetArrayFromImage(result.outputs["image"])
    assert found.dtype == np.int16
    np.testing.assert_array_equal(found[inside], array[inside])
    assert (found[~inside] == (array.min() if outside is None else outside)).all()
    said = any(str(array.min()) in warning for warning in result.warnings)
    assert said == (outside is None)


def test_inverting_keeps_the_other_part():
    image, inside = body()
    found = sitk.GetArrayFromImage(
        masked(image, image_like(inside.astype(np.uint8), image), invert=True, outside_value=7.0).outputs["image"]
    )
    assert (found[inside] == 7).all()
    np.testing.assert_array_equal(found[~inside], sitk.GetArrayFromImage(image)[~inside])


def test_nan_outside_is_replaced_and_inside_refused():
    array = np.ones((4, 5, 6), np.float32)
    array[0, 0, 0] = np.nan
    image = sitk.GetImageFromArray(array)
    good = np.ones(array.shape, np.uint8)
    good[0, 0, 0] = 0
    assert np.isfinite(sitk.GetArrayFromImage(masked(image, image_like(good, image)).outputs["image"])).all()
    with pytest.raises(InputError, match="1 voxels"):
        masked(image, image_like(np.ones_like(good), image))


def test_a_value_that_the_type_cannot_hold_is_refused():
    image = sitk.Image([4, 4, 4], sitk.sitkUInt16)
    with pytest.raises(ParameterError, match="0 to 65535"):
        masked(image, image_like(np.eye(4, dtype=np.uint8)[None].repeat(4, 0), image), outside_value=-1000.0)


def test_a_small_body_is_said_since_it_may_be_a_hot_spot():
    k, j, i = np.meshgrid(*(np.linspace(-1, 1, n) for n in (24, 40, 44)), indexing="ij")
    radius = k**2 + j**2 + i**2
    array = np.where(radius < 0.8, 1.0, 0.0) + np.where(radius < 0.05, 20.0, 0.0)
    image = oblique_grid(sitk.GetImageFromArray(array.astype(np.float32)))
    automatic = execute(BodyMask(), {"image": image})
    assert any("only 0." in warning and "threshold" in warning for warning in automatic.warnings)
    given = execute(BodyMask(threshold=0.5), {"image": image})
    assert not given.warnings
    np.testing.assert_array_equal(sitk.GetArrayFromImage(given.outputs["mask"]) != 0, radius < 0.8)


def test_air_between_the_body_and_the_border_of_the_image_stays_air():
    array = np.zeros((20, 22, 24), np.int16)
    array[2:-2, 2:-2, 1:-1] = 100
    array[8:10, 5:7, 6:10] = 0
    image = sitk.GetImageFromArray(array)
    found = sitk.GetArrayFromImage(execute(BodyMask(), {"image": image}).outputs["mask"])
    np.testing.assert_array_equal(found[[0, 1, -2, -1]], 0)
    np.testing.assert_array_equal(found[:, [0, 1, -2, -1]], 0)
    np.testing.assert_array_equal(found[:, :, [0, -1]], 0)
    assert found[2:-2, 2:-2, 1:-1].all()


def test_lungs_that_the_end_of_the_scan_cuts_are_body_and_what_is_open_to_the_outside_is_air():
    array = np.full((20, 40, 40), -1000, np.int16)
    array[:, 4:36, 4:36] = 40
    array[12:, 12:28, 12:28] = -850
    image = sitk.GetImageFromArray(array)
    found = sitk.GetArrayFromImage(execute(BodyMask(threshold=-300.0), {"image": image}).outputs["mask"])
    np.testing.assert_array_equal(found[:, 4:36, 4:36], 1)
    assert found.sum() == 20 * 32 * 32
    array[14:, 12:28, 28:] = -1000
    opened = sitk.GetImageFromArray(array)
    found = sitk.GetArrayFromImage(execute(BodyMask(threshold=-300.0), {"image": opened}).outputs["mask"])
    assert not found[15:, 16:24, 16:24].any()
