"""Filling holes: exact for what each method promises, untouched elsewhere."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk
from medimg_testing import oblique_grid
from MedImgAnalysisLib.errors import InputError
from MedImgAnalysisLib.execution import execute
from MedImgAnalysisLib.filtering import FillMissing
from MedImgAnalysisLib.geometry import image_like
from MedImgAnalysisLib.progress import Progress
from scipy.ndimage import distance_transform_edt


def filled(array, missing=None, method="nearest", oblique=True):
    image = sitk.GetImageFromArray(array)
    image = oblique_grid(image) if oblique else image
    mask = None if missing is None else image_like(missing.astype(np.uint8), image)
    result = execute(FillMissing(method=method), {"image": image, "missing": mask})
    return sitk.GetArrayFromImage(result.outputs["image"]), result.warnings


def holes(size, share=0.2, seed=0):
    return np.random.default_rng(seed).random(size) < share


@pytest.mark.parametrize("method", ["nearest", "between_slices", "biharmonic"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int16, np.uint8])
def test_voxels_that_are_there_stay_and_the_type_too(method, dtype):
    array = np.random.default_rng(1).integers(0, 200, (9, 12, 13)).astype(dtype)
    gone = holes(array.shape)
    found, warnings = filled(array, gone, method)
    assert found.dtype == dtype
    np.testing.assert_array_equal(found[~gone], array[~gone])
    assert any(f"{gone.sum()} voxels" in warning for warning in warnings)


def test_nearest_is_nearest_in_millimetres():
    array = np.random.default_rng(1).normal(0, 1, (9, 12, 13))
    gone = holes(array.shape, 0.9)
    found, _ = filled(array, gone)
    distance, place = distance_transform_edt(gone, sampling=(2.5, 1.1, 0.7), return_indices=True)
    points = np.stack(np.nonzero(~gone), axis=1) * (2.5, 1.1, 0.7)
    for voxel in np.argwhere(gone)[::17]:
        gaps = np.linalg.norm(points - voxel * np.array((2.5, 1.1, 0.7)), axis=1)
        nearest = array[~gone][gaps < gaps.min() + 1e-9]
        assert found[tuple(voxel)] in nearest
        assert gaps.min() == pytest.approx(distance[tuple(voxel)])
    assert place.shape[0] == 3


def test_lost_slices_of_a_ramp_come_back_exactly():
    array = np.arange(10.0)[:, None, None] * 7 + np.random.default_rng(0).normal(0, 1, (1, 8, 9))
    gone = np.zeros(array.shape, bool)
    gone[[2, 5, 6]] = True
    broken = np.where(gone, np.nan, array)
    found, _ = filled(broken, method="between_slices")
    np.testing.assert_allclose(found, array, rtol=1e-12)


def test_beyond_the_last_good_slice_its_value_goes_on_and_lost_columns_take_the_nearest():
    array = np.arange(6.0)[:, None, None] + np.zeros((6, 5, 5))
    broken = array.copy()
    broken[[0, 5]] = np.nan
    broken[:, 2, 2] = np.nan
    found, warnings = filled(broken, method="between_slices")
    assert found[:, 0, 0].tolist() == [1, 1, 2, 3, 4, 4]
    assert found[:, 2, 2].tolist() == [1, 1, 2, 3, 4, 4]
    assert any("no other one in any slice" in warning for warning in warnings)


@pytest.mark.parametrize("degree", [1, 2, 3])
@pytest.mark.parametrize("size", [(14, 16, 18), (16, 18)])
def test_polynomials_up_to_the_third_degree_come_back_exactly(degree, size):
    axes = np.meshgrid(*(np.linspace(-1, 1, n) for n in size), indexing="ij")
    array = 10 + sum((n + 1) * a**degree for n, a in enumerate(axes)) + axes[0] * axes[-1] ** (degree - 1)
    gone = np.zeros(size, bool)
    gone[tuple(slice(n // 2 - 3, n // 2 + 3) for n in size)] = True
    found, _ = filled(np.where(gone, np.inf, array), method="biharmonic")
    np.testing.assert_allclose(found, array, atol=2e-6)
    nearest, _ = filled(np.where(gone, np.inf, array))
    assert np.abs(nearest - array).max() > 0.1


def test_a_linear_image_comes_back_at_the_border_and_in_a_corner():
    k, j, i = np.indices((6, 8, 9)).astype(float)
    array = 3 * k - 2 * j + 0.5 * i
    gone = np.zeros(array.shape, bool)
    gone[:2, :3, :2] = True
    found, _ = filled(np.where(gone, np.nan, array), method="biharmonic")
    np.testing.assert_allclose(found, array, atol=1e-5)


def test_a_smooth_bump_is_filled_better_by_the_plate_than_by_the_nearest():
    k, j, i = np.meshgrid(*(np.linspace(-2, 2, 24),) * 3, indexing="ij")
    array = 100 * np.exp(-(k**2 + j**2 + i**2) / 2)
    gone = holes(array.shape, 0.3)
    errors = [
        np.abs(filled(array, gone, method, oblique=False)[0] - array).max() for method in ("biharmonic", "nearest")
    ]
    assert errors[0] < 1.0 < errors[1]


def test_values_stay_within_the_type_although_the_plate_overshoots():
    array = np.full((5, 12, 12), 255, np.uint8)
    array[:, :, :4] = 0
    gone = np.zeros(array.shape, bool)
    gone[:, 3:9, 5:8] = True
    found, _ = filled(array, gone, "biharmonic")
    assert found.max() == 255 and found[gone].min() > 200


def test_nothing_missing_is_said_and_everything_missing_is_refused():
    array = np.random.default_rng(0).normal(0, 1, (4, 5, 6))
    found, warnings = filled(array)
    np.testing.assert_array_equal(found, array)
    assert any("No voxel is missing" in warning for warning in warnings)
    with pytest.raises(InputError, match="All 120 voxels are missing"):
        filled(np.full((4, 5, 6), np.nan))


def test_vector_images_are_filled_component_by_component():
    array = np.random.default_rng(0).normal(0, 1, (5, 6, 7, 3)).astype(np.float32)
    array[2, 3, 4, 1] = np.nan
    image = sitk.GetImageFromArray(array, isVector=True)
    found = sitk.GetArrayFromImage(execute(FillMissing(method="biharmonic"), {"image": image}).outputs["image"])
    alone, _ = filled(array[..., 1], method="biharmonic", oblique=False)
    np.testing.assert_array_equal(found[..., 1], alone)
    np.testing.assert_array_equal(found[..., [0, 2]], array[..., [0, 2]])


def test_a_picture_has_no_slices():
    with pytest.raises(InputError, match="2-D"):
        execute(FillMissing(method="between_slices"), {"image": sitk.Image([4, 4], sitk.sitkFloat32)})


def test_a_smooth_fill_is_cancelled_between_its_steps():
    array = np.random.default_rng(0).normal(0, 1, (40, 60, 60))
    array[10:30, 20:40, 20:40] = np.nan
    seen: list[float] = []
    progress = Progress(lambda fraction, message: (seen.append(fraction), len(seen) > 5 and progress.cancel()))
    with pytest.raises(Exception, match="Cancelled"):
        execute(FillMissing(method="biharmonic"), {"image": sitk.GetImageFromArray(array)}, progress=progress)
