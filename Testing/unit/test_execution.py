"""The one door: conversions, checks and the record it leaves."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
import SimpleITK as sitk
from MedImgAnalysisLib.errors import GeometryError, InputError
from MedImgAnalysisLib.execution import execute, prepare
from MedImgAnalysisLib.filtering import Gaussian, Median
from MedImgAnalysisLib.progress import Progress
from MedImgAnalysisLib.provenance import fingerprint
from MedImgAnalysisLib.quality import CompareImages
from MedImgAnalysisLib.values import Labels


def mask_of(array) -> sitk.Image:
    return sitk.GetImageFromArray(np.asarray(array))


@pytest.fixture
def image() -> sitk.Image:
    return sitk.GetImageFromArray(np.random.default_rng(0).normal(0, 1, (6, 7, 8)).astype(np.float32))


def test_the_record_tells_how_to_repeat_the_run(image):
    result = execute(Gaussian(sigma_mm=2.0), {"image": image}, origins={"image": {"name": "T1", "path": "t1.nrrd"}})
    record = result.record
    assert record["operation"] == "gaussian" and record["parameters"]["sigma_mm"] == 2.0
    assert record["inputs"]["image"] == {"name": "T1", "path": "t1.nrrd", "sha256": fingerprint(image)}
    assert record["outputs"]["image"]["sha256"] == fingerprint(result.outputs["image"])
    assert record["seconds"] >= 0 and record["threads"] >= 1 and record["software"]["SimpleITK"]
    assert record["seed"] is None and record["warnings"] == list(result.warnings)


def test_a_fingerprint_follows_voxels_type_and_geometry(image):
    seen = {fingerprint(image)}
    for change in ("voxel", "origin", "type"):
        other = sitk.Image(image)
        if change == "voxel":
            other[1, 2, 3] = 7.0
        elif change == "origin":
            other.SetOrigin((0.0, 0.0, 0.001))
        else:
            other = sitk.Cast(other, sitk.sitkFloat64)
        seen.add(fingerprint(other))
    assert len(seen) == 4
    assert fingerprint(sitk.Image(image)) in seen


def test_a_transform_has_one_fingerprint_whether_wrapped_or_not():
    euler = sitk.Euler3DTransform((1.0, 2.0, 3.0), 0.1, 0.2, 0.3, (4.0, 5.0, 6.0))
    assert fingerprint(sitk.CompositeTransform([euler])) == fingerprint(euler)
    assert fingerprint(sitk.Transform(euler)) == fingerprint(euler)
    moved = sitk.Euler3DTransform((1.0, 2.0, 3.0), 0.1, 0.2, 0.3, (4.0, 5.0, 6.1))
    assert fingerprint(moved) != fingerprint(euler)


def test_a_displacement_field_has_the_fingerprint_of_its_numbers():
    vectors = np.random.default_rng(0).normal(size=(4, 5, 6, 3))
    fields = [sitk.DisplacementFieldTransform(sitk.GetImageFromArray(v, isVector=True)) for v in (vectors, -vectors)]
    expected = hashlib.sha256(b"DisplacementFieldTransform")
    for numbers in (fields[0].GetFixedParameters(), fields[0].GetParameters()):
        expected.update(np.asarray(numbers, float).tobytes())
    assert fingerprint(fields[0]) == fingerprint(sitk.Transform(fields[0])) == expected.hexdigest()
    assert fingerprint(fields[1]) != fingerprint(fields[0])


def test_a_transform_of_a_class_unknown_to_simpleitk_has_a_fingerprint(tmp_path):
    path = tmp_path / "offset.tfm"
    path.write_text(
        "#Insight Transform File V1.0\n#Transform 0\nTransform: MatrixOffsetTransformBase_double_3_3\n"
        "Parameters: 1 0 0 0 1 0 0 0 1 4 5 6\nFixedParameters: 0 0 0\n",
        encoding="ascii",
    )
    assert len(fingerprint(sitk.ReadTransform(str(path)))) == 64


@pytest.mark.parametrize("value", [1, 255, 1000])
def test_any_single_value_makes_a_mask(image, value):
    array = np.zeros((6, 7, 8), np.uint16)
    array[2:4] = value
    ready = prepare(Median(), {"image": image, "mask": mask_of(array)})
    np.testing.assert_array_equal(sitk.GetArrayFromImage(ready["mask"]), array != 0)
    assert ready["mask"].GetPixelID() == sitk.sitkUInt8


def test_several_values_in_a_mask_are_said_and_none_wraps(image):
    array = np.zeros((6, 7, 8), np.int16)
    array[0], array[1] = -3, 1000
    said: list[str] = []
    ready = prepare(Median(), {"image": image, "mask": mask_of(array)}, Progress(on_warning=said.append))
    assert sitk.GetArrayFromImage(ready["mask"]).sum() == 2 * 7 * 8
    assert "-3" in said[0] and "1000" in said[0]


def test_a_probability_map_is_no_mask(image):
    with pytest.raises(InputError, match="threshold it first"):
        prepare(Median(), {"image": image, "mask": mask_of(np.full((6, 7, 8), 0.25, np.float32))})


def test_a_segmentation_of_one_segment_is_a_mask_and_of_two_is_a_question(image):
    half = np.zeros((6, 7, 8), np.uint8)
    half[:3] = 1
    one = Labels.from_masks([("Left", mask_of(half))])
    two = Labels.from_masks([("Left", mask_of(half)), ("Right", mask_of(1 - half))])
    assert sitk.GetArrayFromImage(prepare(Median(), {"image": image, "mask": one})["mask"]).sum() == half.sum()
    with pytest.raises(InputError, match="choose one of Left, Right"):
        prepare(Median(), {"image": image, "mask": two})


def test_wrong_kinds_sheared_axes_and_complex_voxels_are_refused(image):
    with pytest.raises(InputError, match="must be image, not str"):
        execute(Gaussian(), {"image": "ct.nrrd"})
    with pytest.raises(InputError, match="complex"):
        execute(Gaussian(), {"image": sitk.Cast(image, sitk.sitkComplexFloat32)})
    with pytest.raises(InputError, match="4 dimensions"):
        execute(Gaussian(), {"image": sitk.Image([4, 4, 4, 2], sitk.sitkFloat32)})
    sheared = sitk.Image(image)
    sheared.SetDirection((1.0, 0.17, 0.0, 0.0, 0.985, 0.0, 0.0, 0.0, 1.0))
    with pytest.raises(GeometryError, match="right angles"):
        execute(Gaussian(), {"image": sheared})


def test_a_warning_is_kept_once_and_passed_on(image):
    image.SetSpacing((1.0, 1.0, 90.0))
    said: list[str] = []
    result = execute(Gaussian(sigma_mm=1.0), {"image": image}, progress=Progress(on_warning=said.append))
    assert len(result.warnings) == len(said) == 1 == len(result.record["warnings"])


def test_one_thing_that_is_held_against_itself_is_told(image):
    """Perfect numbers of a copy look like a perfect method."""
    copy = image + 0
    said = execute(CompareImages(), {"reference": image, "test": copy}).warnings
    assert any("reference and test are the same" in warning for warning in said)
    other = execute(CompareImages(), {"reference": image, "test": image + 1}).warnings
    assert not any("are the same" in warning for warning in other)
