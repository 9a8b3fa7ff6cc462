"""The resample operation: which grid comes out, and what it refuses."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk
from medimg_testing import oblique_grid
from MedImgAnalysisLib.errors import GeometryError, InputError, ParameterError
from MedImgAnalysisLib.execution import execute
from MedImgAnalysisLib.filtering import Resample
from MedImgAnalysisLib.geometry import Grid


def run(image, reference=None, **parameters):
    return execute(Resample(**parameters), {"image": image, "reference": reference})


def edges(image: sitk.Image) -> np.ndarray:
    grid = Grid.of(image)
    return grid.to_physical(np.array([[-0.5] * 3, np.array(grid.size) - 0.5]))


def test_by_default_voxels_become_cubes_of_the_smallest_side(oblique_image):
    found = run(oblique_image).outputs["image"]
    assert found.GetSpacing() == (0.7, 0.7, 0.7)
    assert found.GetSize() == (24, round(20 * 1.1 / 0.7), round(16 * 2.5 / 0.7))
    assert np.abs(edges(found) - edges(oblique_image)).max() <= 0.35


@pytest.mark.parametrize("spacing", [[2.0], [0.5, 1.7, 3.1]])
def test_a_spacing_is_met_exactly_and_the_middle_stays(oblique_image, spacing):
    found = run(oblique_image, spacing_mm=spacing).outputs["image"]
    assert found.GetSpacing() == tuple(spacing * 3)[:3]
    np.testing.assert_allclose(edges(found).mean(axis=0), edges(oblique_image).mean(axis=0), atol=1e-9)
    assert np.abs(edges(found) - edges(oblique_image)).max() <= max(spacing) / 2 * np.sqrt(3)


def test_a_size_keeps_the_field_of_view_exactly(oblique_image):
    found = run(oblique_image, size_voxels=[10, 33, 7]).outputs["image"]
    assert found.GetSize() == (10, 33, 7)
    np.testing.assert_allclose(edges(found), edges(oblique_image), atol=1e-9)


def test_a_reference_gives_its_grid_and_outside_is_the_minimum(oblique_image):
    reference = oblique_grid(sitk.Image([30, 30, 30], sitk.sitkUInt8))
    reference.SetOrigin(np.add(reference.GetOrigin(), (3.0, -4.0, 2.0)).tolist())
    found = run(oblique_image, reference).outputs["image"]
    assert Grid.of(found) == Grid.of(reference)
    low = sitk.GetArrayFromImage(oblique_image).min()
    values = sitk.GetArrayFromImage(found)
    assert values.min() == low and (values == low).sum() > 5000
    assert (sitk.GetArrayFromImage(run(oblique_image, reference, outside_value=-50.0).outputs["image"]) == -50).any()


def test_the_mean_is_kept_when_voxels_become_larger(oblique_image):
    found = sitk.GetArrayFromImage(run(oblique_image, spacing_mm=[1.4, 2.2, 2.5]).outputs["image"])
    assert found.mean() == pytest.approx(sitk.GetArrayFromImage(oblique_image).mean(), rel=0.02)


def test_labels_stay_labels_with_nearest():
    labels = np.random.default_rng(0).choice([0, 3, 9], (8, 9, 10)).astype(np.uint8)
    found = run(sitk.GetImageFromArray(labels), spacing_mm=[0.6], interpolation="nearest").outputs["image"]
    assert set(np.unique(sitk.GetArrayFromImage(found))) == {0, 3, 9}


def test_two_dimensions_take_the_first_two_numbers():
    image = oblique_grid(sitk.Image([20, 30], sitk.sitkFloat32))
    assert run(image, spacing_mm=[2.0, 3.0, 9.0]).outputs["image"].GetSpacing() == (2.0, 3.0)


def test_the_same_grid_is_said_and_gives_the_same_voxels(oblique_image):
    result = run(oblique_image, size_voxels=list(oblique_image.GetSize()))
    assert any("already" in warning for warning in result.warnings)
    np.testing.assert_allclose(
        sitk.GetArrayFromImage(result.outputs["image"]), sitk.GetArrayFromImage(oblique_image), rtol=1e-6
    )


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"spacing_mm": [1.0], "size_voxels": [10]}, "both given"),
        ({"spacing_mm": [1.0, 2.0]}, "one for each axis"),
        ({"size_voxels": [10.5]}, "whole numbers"),
        ({"spacing_mm": [0.0]}, "0.001 to 1000 mm"),
        ({"interpolation": "magic"}, "linear, nearest, bspline"),
    ],
)
def test_parameters_that_make_no_sense_are_refused(parameters, words):
    with pytest.raises(ParameterError, match=words):
        Resample(**parameters)


def test_inputs_that_do_not_fit_are_refused(oblique_image):
    far = sitk.Image([5, 5, 5], sitk.sitkUInt8)
    far.SetOrigin((9000.0, 0.0, 0.0))
    with pytest.raises(GeometryError, match="does not overlap"):
        run(oblique_image, far)
    with pytest.raises(InputError, match="one of them only"):
        run(oblique_image, oblique_image, spacing_mm=[1.0])
    with pytest.raises(InputError, match="2-D"):
        run(oblique_image, sitk.Image([5, 5], sitk.sitkUInt8))
    with pytest.raises(InputError, match=r"2\^31"):
        run(oblique_image, spacing_mm=[0.001])
    with pytest.raises(ParameterError, match="0 to 255"):
        run(sitk.Image([5, 5, 5], sitk.sitkUInt8), outside_value=-1000.0)
