"""One slice of what an operation would give, or the reason why there is none."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk
from contract_inputs import image_of, structure
from MedImgAnalysisLib.errors import Cancelled, InputError
from MedImgAnalysisLib.execution import execute
from MedImgAnalysisLib.filtering import (
    ApplyMask,
    Canny,
    Median,
    NonlocalMeans,
    NormalisePercentile,
    Resample,
    Vesselness,
)
from MedImgAnalysisLib.frames import Frames
from MedImgAnalysisLib.geometry import Grid, image_like
from MedImgAnalysisLib.preview import Previews, axis_of, obstacle, preview
from MedImgAnalysisLib.progress import Progress
from MedImgAnalysisLib.slabs import cut

SIZE = (20, 24, 28)


@pytest.fixture
def image():
    return image_of(structure(SIZE).astype(np.int16))


@pytest.mark.parametrize(("plane", "axis"), [("axial", 2), ("coronal", 1), ("sagittal", 0)])
def test_a_slice_is_that_of_the_whole_run_in_its_place(image, plane, axis):
    assert axis_of(Grid.of(image), plane) == axis
    whole = execute(Median(), {"image": image}).outputs["image"]
    shown = preview(Median(), {"image": image}, plane=plane, index=7).outputs["image"]
    expected = cut(whole, axis, 7, 8)
    assert Grid.of(shown) == Grid.of(expected)
    np.testing.assert_array_equal(sitk.GetArrayFromImage(shown), sitk.GetArrayFromImage(expected))


def test_planes_are_those_of_the_patient_not_of_the_file(image):
    turned = sitk.PermuteAxes(image, [2, 0, 1])
    assert [axis_of(Grid.of(turned), plane) for plane in ("axial", "coronal", "sagittal")] == [0, 2, 1]


def test_numbers_of_the_whole_image_are_taken_from_the_whole_image_and_once(image, monkeypatch):
    whole = execute(NonlocalMeans(), {"image": image}).outputs["image"]
    asked = []
    true = NonlocalMeans.numbers_of
    monkeypatch.setattr(NonlocalMeans, "numbers_of", lambda *args: asked.append(1) or true(*args))
    previews = Previews({"image": image})
    for strength, index in ((1.0, 3), (2.0, 4), (1.0, 11)):
        shown = previews.slices(NonlocalMeans(strength=strength), 2, index, index + 1).outputs["image"]
    np.testing.assert_array_equal(sitk.GetArrayFromImage(shown), sitk.GetArrayFromImage(cut(whole, 2, 11, 12)))
    assert len(asked) == 1
    previews.slices(NonlocalMeans(noise=5.0), 2, 3, 4)
    assert len(asked) == 2


def test_with_a_mask_the_numbers_are_those_inside(image):
    inside = np.zeros(SIZE, np.uint8)
    inside[4:12, 4:20, 6:20] = 1
    inputs = {"image": image, "mask": image_like(inside, image)}
    whole = execute(NormalisePercentile(), inputs).outputs["image"]
    for index in (8, 18):
        shown = preview(NormalisePercentile(), inputs, index=index).outputs["image"]
        np.testing.assert_array_equal(sitk.GetArrayFromImage(shown)[0], sitk.GetArrayFromImage(whole)[index])


def test_only_the_slice_and_its_halo_are_read(image):
    found = preview(Median(radius_voxels=2), {"image": image}, index=10)
    assert (found.slab.low, found.slab.high) == (8, 13)


@pytest.mark.parametrize(
    ("operation", "words"),
    [
        (Canny(), "followed through the whole image"),
        (Vesselness(), "give `contrast`"),
        (Resample(), "changes the grid"),
    ],
)
def test_what_cannot_be_faithful_is_refused_with_the_reason(image, operation, words):
    with pytest.raises(InputError, match="cannot be previewed faithfully") as caught:
        preview(operation, {"image": image})
    assert words in str(caught.value) and obstacle(operation, Grid.of(image)) == str(caught.value)
    assert obstacle(Vesselness(contrast=1.0), Grid.of(image)) == ""


def test_a_slice_that_is_not_there_is_refused(image):
    with pytest.raises(InputError, match="no slice 20 along axis k"):
        preview(Median(), {"image": image}, index=20)
    with pytest.raises(InputError, match="no plane 'oblique'"):
        preview(Median(), {"image": image}, plane="oblique")


def test_a_single_slice_is_its_own_preview():
    image = sitk.GetImageFromArray(structure((20, 24)).astype(np.float32))
    shown = preview(Median(), {"image": image}).outputs["image"]
    whole = execute(Median(), {"image": image}).outputs["image"]
    np.testing.assert_array_equal(sitk.GetArrayFromImage(shown), sitk.GetArrayFromImage(whole))


def test_inputs_are_checked_as_in_a_run(image):
    broken = sitk.Cast(image, sitk.sitkFloat32)
    broken[3, 3, 3] = float("nan")
    with pytest.raises(InputError, match="NaN"):
        preview(Median(), {"image": broken})
    with pytest.raises(InputError, match="needs the input"):
        preview(ApplyMask(), {"image": image})


def test_a_preview_can_be_stopped(image):
    progress = Progress()
    progress.cancel()
    with pytest.raises(Cancelled):
        preview(Median(), {"image": image}, progress=progress)


def test_of_several_frames_one_has_to_be_chosen(image):
    with pytest.raises(InputError, match="of several frames choose one"):
        preview(Median(), {"image": Frames((image, image), (0, 1))})
