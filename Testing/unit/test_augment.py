"""Random changes: image, labels and transform go together, nothing folds, and what is drawn is what happens."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk
from medimg_testing import oblique_grid
from MedImgAnalysisLib.errors import ParameterError
from MedImgAnalysisLib.evidence import compared_roles
from MedImgAnalysisLib.execution import execute
from MedImgAnalysisLib.filtering import Augment, Deform
from MedImgAnalysisLib.filtering.elastic import elastic_limit, random_elastic
from MedImgAnalysisLib.geometry import Grid, image_like
from MedImgAnalysisLib.resampling import resample
from MedImgAnalysisLib.values import Labels

SIZE = (24, 40, 48)
STILL = {
    "rotation_deg": 0.0, "shift_mm": 0.0, "scale_percent": 0.0, "shear_percent": 0.0, "elastic_mm": 0.0,
    "gamma_percent": 0.0, "contrast_percent": 0.0, "bias_percent": 0.0, "noise_percent": 0.0,
}  # fmt: skip
LIKELY = {"rotation_deg": 12.0, "shift_mm": 4.0, "scale_percent": 10.0, "shear_percent": 5.0, "elastic_mm": 4.0}


def blob(at=(12, 20, 24), size=SIZE, dtype=np.float32) -> sitk.Image:
    grids = np.meshgrid(*(np.arange(float(n)) for n in size), indexing="ij")
    spacing = (2.5, 1.1, 0.7)[-len(size) :]
    square = sum(((g - a) * s) ** 2 for g, a, s in zip(grids, at, spacing))
    return oblique_grid(sitk.GetImageFromArray((20 + 1000 * np.exp(-square / (2 * 4.0**2))).astype(dtype)))


def labels_of(image: sitk.Image) -> Labels:
    array = sitk.GetArrayFromImage(image)
    return Labels.from_masks(
        [(name, image_like(np.uint8(array > level), image)) for name, level in (("All", 300), ("Core", 700))]
    )


def run(operation, image, **more):
    return execute(operation, {"image": image, **more}).outputs


def centre(image: sitk.Image) -> np.ndarray:
    """LPS centre of brightness above the ground."""
    array = np.clip(sitk.GetArrayFromImage(image).astype(float) - 40, 0, None)
    index = [float((g * array).sum() / array.sum()) for g in np.indices(array.shape)][::-1]
    return Grid.of(image).to_physical(np.array([index]))[0]


def still_with(**more) -> Augment:
    return Augment(**{**STILL, **more})


@pytest.mark.parametrize("operation", [
    Deform(amplitude_mm=6.0, control_mm=16.0, seed=3), still_with(**LIKELY, seed=4),
    still_with(**LIKELY, flip="left_right", seed=1), still_with(rotation_deg=30.0, seed=2),
], ids=["deform", "augment", "flip", "rotation"])  # fmt: skip
def test_the_transform_takes_the_input_to_the_result_and_landmarks_with_it(operation):
    image = blob()
    labels = labels_of(image)
    outputs = run(operation, image, labels=labels)
    again = resample(image, Grid.of(image), outputs["transform"], "linear", 20.0)
    np.testing.assert_allclose(
        sitk.GetArrayFromImage(outputs["image"]), sitk.GetArrayFromImage(again), atol=1e-2, err_msg="image"
    )
    np.testing.assert_array_less(
        1.0, np.abs(sitk.GetArrayFromImage(outputs["image"]) - sitk.GetArrayFromImage(image)).max()
    )
    # A landmark at the centre of the blob in the result lies, through the transform, at that of the input.
    there = np.array(outputs["transform"].TransformPoint(centre(outputs["image"]).tolist()))
    assert np.linalg.norm(there - centre(image)) < 0.8
    moved = outputs["labels"]
    assert moved.names == ("All", "Core") and len(moved.layers) == len(labels.layers) == 2
    for segment, level in zip(moved.segments, (300, 700)):
        inside = sitk.GetArrayFromImage(moved.mask(segment)) != 0
        bright = sitk.GetArrayFromImage(outputs["image"]) > level
        overlap = 2 * (inside & bright).sum() / (inside.sum() + bright.sum())
        assert overlap > 0.75
        nearest = resample(labels.mask(segment.id), Grid.of(image), outputs["transform"], "nearest", 0.0)
        np.testing.assert_array_equal(inside, sitk.GetArrayFromImage(nearest) != 0)
    assert outputs["image"].GetDirection() == image.GetDirection()


@pytest.mark.parametrize("dimension", [2, 3])
@pytest.mark.parametrize("seed", range(5))
def test_the_largest_elastic_deformation_does_not_fold(dimension, seed):
    grid = Grid.of(oblique_grid(sitk.Image([30, 26, 14][:dimension], sitk.sitkUInt8)))
    spacing = 9.0
    transform = random_elastic(grid, elastic_limit(grid, spacing), spacing, np.random.default_rng(seed), "deform", "a")
    rng = np.random.default_rng(seed)
    points = grid.to_physical(rng.uniform(-3, np.array(grid.size) + 2, (400, dimension)))
    step = 1e-3
    for point in points:
        columns = [
            np.subtract(
                transform.TransformPoint((point + step * e).tolist()),
                transform.TransformPoint((point - step * e).tolist()),
            )
            for e in np.eye(dimension)
        ]
        assert np.linalg.det(np.array(columns).T / (2 * step)) > 0
    shifts = np.array([transform.TransformPoint(p.tolist()) for p in points]) - points
    along = shifts @ np.reshape(grid.direction, (dimension, dimension))
    assert 0.2 * elastic_limit(grid, spacing) < np.abs(along).max() <= elastic_limit(grid, spacing)
    far = (grid.to_physical(np.array([[500.0] * dimension]))[0]).tolist()
    assert transform.TransformPoint(far) == pytest.approx(far)


def test_an_amplitude_that_could_fold_is_refused_with_the_bound():
    with pytest.raises(ParameterError, match=r"up to 8\.066 mm") as caught:
        Deform(amplitude_mm=9.0, control_mm=20.0).run(blob())
    assert caught.value.data["field"] == "amplitude_mm"
    with pytest.raises(ParameterError, match="elastic_mm"):
        still_with(elastic_mm=20.0, control_mm=30.0).run(blob())
    with pytest.raises(ParameterError, match="larger spacing"):
        Deform(amplitude_mm=0.0, control_mm=0.05).run(blob())


@pytest.mark.parametrize("seed", range(4))
def test_what_is_drawn_is_what_happens_to_the_object(seed):
    image = blob()
    middle = Grid.of(image).to_physical((np.array([image.GetSize()]) - 1) / 2)[0]
    outputs = run(still_with(shift_mm=6.0, seed=seed), image)
    drawn = {row["about"]: row["value"] for row in outputs["table"].rows}
    moved = centre(outputs["image"]) - centre(image)
    np.testing.assert_allclose(moved, [drawn[axis] for axis in "LPS"], atol=0.3)
    assert max(abs(v) for v in drawn.values()) <= 6
    # A positive angle about S takes left to the back: counter-clockwise about the axis in LPS.
    turned = run(still_with(rotation_deg=25.0, seed=seed), image)
    angles = {row["about"]: np.radians(row["value"]) for row in turned["table"].rows}
    turn = np.reshape(sitk.Euler3DTransform((0, 0, 0), angles["L"], angles["P"], angles["S"]).GetMatrix(), (3, 3))
    arm = np.array([9.0, 4.0, 2.0])
    np.testing.assert_allclose(turned["transform"].TransformPoint((middle + turn @ arm).tolist()), middle + arm)
    sized = run(still_with(scale_percent=30.0, seed=seed), image)
    factors = np.array([1 + row["value"] / 100 for row in sized["table"].rows])
    np.testing.assert_allclose(sized["transform"].TransformPoint((middle + factors * 5).tolist()), middle + 5)


def test_a_flip_is_half_of_the_seeds_and_moves_voxels_onto_voxels():
    image = blob((8, 11, 30))
    done = 0
    for seed in range(24):
        outputs = run(still_with(flip="left_right", seed=seed), image)
        array, original = sitk.GetArrayFromImage(outputs["image"]), sitk.GetArrayFromImage(image)
        row = outputs["table"].rows[0]
        assert row["change"] == "flip" and row["about"] == "L"
        np.testing.assert_allclose(array, original[:, :, ::-1] if row["value"] else original, atol=1e-2)
        done += int(row["value"])
    assert 6 <= done <= 18
    # Twice flipped is as before; the axis nearest to head and feet is k here.
    feet = next(
        o for o in (run(still_with(flip="head_feet", seed=s), image) for s in range(9)) if o["table"].rows[0]["value"]
    )
    np.testing.assert_allclose(sitk.GetArrayFromImage(feet["image"]), sitk.GetArrayFromImage(image)[::-1], atol=1e-2)


def test_values_change_as_drawn():
    image = blob()
    values = (sitk.GetArrayFromImage(image).astype(float) - 20) / 1000
    low, high = values.min(), values.max()
    unit = (values - low) / (high - low)
    for seed in range(3):
        changed = run(still_with(gamma_percent=50.0, seed=seed), image)
        power = changed["table"].rows[0]["value"]
        assert 1 / 1.5 <= power <= 1.5
        found = ((sitk.GetArrayFromImage(changed["image"]).astype(float) - 20) / 1000 - low) / (high - low)
        np.testing.assert_allclose(found, unit**power, atol=1e-4)
        contrast = run(still_with(contrast_percent=40.0, seed=seed), image)
        factor = 1 + contrast["table"].rows[0]["value"] / 100
        array = sitk.GetArrayFromImage(contrast["image"]).astype(float)
        assert array.std() == pytest.approx(factor * 1000 * values.std(), rel=1e-4)
        assert array.mean() == pytest.approx(sitk.GetArrayFromImage(image).mean(), rel=1e-3)
    noisy = run(still_with(noise_percent=10.0, seed=5), image)
    sd = noisy["table"].rows[0]["value"] / 100 * (high - low) * 1000
    difference = sitk.GetArrayFromImage(noisy["image"]).astype(float) - sitk.GetArrayFromImage(image)
    assert difference.std() == pytest.approx(sd, rel=0.02)
    flat = sitk.GetImageFromArray(np.where(np.indices(SIZE)[2] < 2, 0, 100).astype(np.float32))
    shaded = sitk.GetArrayFromImage(run(still_with(bias_percent=40.0, seed=1), flat)["image"])[:, :, 2:] / 100
    limit = run(still_with(bias_percent=40.0, seed=1), flat)["table"].rows[0]["value"] / 100
    assert 0.5 * limit < np.abs(shaded - 1).max() <= limit * 1.02
    assert np.abs(np.diff(shaded, axis=2)).max() < 0.05


def test_a_limit_of_zero_changes_nothing_else_and_all_zero_nothing():
    image = blob()
    full = run(still_with(rotation_deg=10.0, shift_mm=5.0, seed=7), image)["table"].rows
    only = run(still_with(shift_mm=5.0, seed=7), image)["table"].rows
    assert [row for row in full if row["change"] == "shift"] == list(only)
    same = run(still_with(), image, labels=labels_of(image))
    np.testing.assert_array_equal(sitk.GetArrayFromImage(same["image"]), sitk.GetArrayFromImage(image))
    assert same["table"].rows == () and same["transform"].TransformPoint((1.0, 2.0, 3.0)) == pytest.approx((1, 2, 3))


def test_seeds_repeat_and_differ_and_types_are_kept():
    image = blob(dtype=np.int16)
    first, again, other = (sitk.GetArrayFromImage(run(Augment(seed=s), image)["image"]) for s in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert first.dtype == np.int16 and not np.array_equal(first, other)
    byte = blob(dtype=np.uint8)
    assert sitk.GetArrayFromImage(run(Augment(seed=1, noise_percent=20.0), byte)["image"]).dtype == np.uint8


def test_slices_are_changed_in_their_plane():
    image = blob((20, 24), (40, 48))
    outputs = run(still_with(**LIKELY, flip="front_back", seed=3), image)
    there = np.array(outputs["transform"].TransformPoint(centre(outputs["image"]).tolist()))
    assert np.linalg.norm(there - centre(image)) < 0.5
    assert {row["about"] for row in outputs["table"].rows if row["change"] == "rotation"} == {"S"}
    assert run(Deform(amplitude_mm=2.0, control_mm=10.0), image)["transform"].GetDimension() == 2


def test_what_was_moved_has_no_evidence_voxel_by_voxel():
    assert compared_roles(Deform) is None and compared_roles(Augment) is None
