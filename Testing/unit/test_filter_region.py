"""Work on the box of a mask gives inside what work on the whole image gives."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk
from contract_inputs import image_of, structure
from MedImgAnalysisLib.execution import execute
from MedImgAnalysisLib.filtering import FILTERS, region
from MedImgAnalysisLib.filtering.region import filter_inside
from MedImgAnalysisLib.geometry import Grid, image_like
from MedImgAnalysisLib.progress import SILENT

SIZE = (40, 44, 48)
GROUPS = ("Denoise", "Edges", "Enhance", "Morphology")
WITH_MASK = {
    op.name: op for op in FILTERS if op.group in GROUPS and [role.name for role in op.inputs()] == ["image", "mask"]
}
WITHOUT_NUMBERS = {
    "bilateral": {"range_sigma": 12.0},
    "nonlocal_means": {"noise": 4.0},
    "sigmoid": {"centre": 50.0, "width": 10.0},
}
"""Parameters with which nothing is taken from the voxels of the mask or the image."""
LOCAL = [name for name, op in WITH_MASK.items() if op().halo(Grid.of(sitk.Image(9, 9, 9, 1))) is not None]


def part_of(image: sitk.Image) -> tuple[sitk.Image, np.ndarray]:
    inside = np.zeros(SIZE, np.uint8)
    inside[17:23, 18:26, 20:31] = 1
    inside[19, 20, 22] = 0
    return image_like(inside, image), inside == 1


@pytest.mark.parametrize("name", LOCAL)
def test_inside_the_mask_nothing_changes_by_the_mask(name):
    image = image_of(structure(SIZE).astype(np.float32))
    mask, inside = part_of(image)
    operation = WITH_MASK[name].from_parameters(WITHOUT_NUMBERS.get(name, {}))
    whole = execute(operation, {"image": image}).outputs
    masked = execute(operation, {"image": image, "mask": mask}).outputs
    for role in whole:
        expected, found = (sitk.GetArrayFromImage(values[role]).astype(float) for values in (whole, masked))
        np.testing.assert_allclose(found[inside], expected[inside], atol=1e-4 * max(1.0, np.abs(expected).max()))


@pytest.mark.parametrize("op", WITH_MASK.values(), ids=lambda op: op.name)
def test_outside_the_mask_the_image_or_nothing_is_left(op):
    image = image_of(structure(SIZE).astype(np.float32))
    mask, inside = part_of(image)
    outputs = execute(op(), {"image": image, "mask": mask}).outputs
    for role, value in outputs.items():
        if isinstance(value, sitk.Image):
            outside = sitk.GetArrayFromImage(value)[~inside]
            original = sitk.GetArrayFromImage(image)[~inside]
            if role in op.keeps:
                np.testing.assert_array_equal(outside, original)
            else:
                assert (outside == 0).all() or (outside == original).all()


def test_a_filter_gets_the_box_and_its_margin_only():
    image = image_of(structure(SIZE).astype(np.int16))
    mask, inside = part_of(image)
    seen = []

    def compute(part, where, progress):
        seen.append((part.GetSize(), part.GetOrigin(), where.sum()))
        return sitk.GetArrayFromImage(part) + 0.5

    result = filter_inside(image, mask, (1, 2, 100), compute, SILENT)
    corner = image.TransformIndexToPhysicalPoint((19, 16, 0))
    assert seen[0][0] == (13, 12, 40) and seen[0][2] == inside.sum()
    np.testing.assert_allclose(seen[0][1], corner)
    array, original = sitk.GetArrayFromImage(result), sitk.GetArrayFromImage(image)
    np.testing.assert_array_equal(array, original + 0.5 * inside)


def test_components_come_back_in_their_order_and_the_rest_can_have_a_value():
    array = np.arange(4 * 5 * 3, dtype=np.uint8).reshape(4, 5, 3)
    image = sitk.GetImageFromArray(array, isVector=True)
    where = np.zeros((4, 5), np.uint8)
    where[1, 2] = 1
    mask = image_like(where, image)

    def compute(part, inside, progress):
        return sitk.GetArrayFromImage(part).astype(np.float32) * 2

    found = sitk.GetArrayFromImage(filter_inside(image, mask, (0, 0), compute, SILENT, outside=-1))
    np.testing.assert_array_equal(found[1, 2], array[1, 2] * 2.0)
    assert (found[where == 0] == -1).all()


@pytest.mark.parametrize("op", WITH_MASK.values(), ids=lambda op: op.name)
def test_work_is_cropped_to_the_mask(op, monkeypatch):
    """The filter works on the box of the mask and its margin, which is what makes slow filters usable."""
    assert op.works_in_mask
    image = image_of(structure((90, 12, 12)).astype(np.float32))
    inside = np.zeros((90, 12, 12), np.uint8)
    inside[2:4] = 1
    sizes = []
    true = region._cut
    monkeypatch.setattr(region, "_cut", lambda *args: sizes.append(true(*args).GetSize()) or true(*args))
    execute(op(), {"image": image, "mask": image_like(inside, image)})
    assert sizes and max(size[2] for size in sizes) < 90
