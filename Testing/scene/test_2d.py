"""2-D images in the scene: with segmentations, which always have slices there, and as 2-D as on files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
import slicer
from medimg_testing import oblique_grid
from MedImgAnalysisLib.agreement.compare_segmentations import CompareSegmentations
from MedImgAnalysisLib.batch.case import Extras, run_case
from MedImgAnalysisLib.errors import GeometryError
from MedImgAnalysisLib.filtering.apply_mask import ApplyMask
from MedImgAnalysisLib.recipe import Recipe
from MedImgAnalysisLib.scene import bridge, standalone, verify
from MedImgAnalysisLib.scene.logic import OperationLogic
from MedImgAnalysisLib.values import Labels
from scene_helpers import add_transform, put_under, same_voxels

LOGIC = OperationLogic()


def picture() -> sitk.Image:
    """Distinct values on a turned grid of 24 x 20 pixels."""
    return oblique_grid(sitk.GetImageFromArray(np.arange(480, dtype=np.float32).reshape(20, 24)))


def square(low: int, high: int) -> sitk.Image:
    """A mask of the picture."""
    array = np.zeros((20, 24), np.uint8)
    array[low:high, low:high] = 1
    return oblique_grid(sitk.GetImageFromArray(array))


def test_a_segment_is_the_mask_of_a_2d_image():
    image, mask = picture(), square(3, 9)
    segment = bridge.add_node(mask, "Mask", kind="mask")
    made = LOGIC.run("apply_mask", image=bridge.add_node(image, "Image", kind="image"), mask=segment)
    assert same_voxels(bridge.value_of(made, "image"), ApplyMask().run(image, mask))


def test_a_segment_that_was_drawn_on_the_slice_is_the_mask_of_a_2d_image():
    drawn = bridge.add_node(sitk.JoinSeries(square(3, 9)), "Drawn", kind="mask")
    table = LOGIC.run("measure_segments", image=bridge.add_node(picture(), "Image", kind="image"), labels=drawn)
    row = bridge.value_of(table, "table").rows[0]
    assert row["voxels"] == 36
    assert row["mean"] == pytest.approx(sitk.GetArrayFromImage(picture())[3:9, 3:9].mean())


def test_segmentations_that_were_2d_are_compared_as_such():
    labels = [Labels.from_masks([("A", square(3, end))]) for end in (9, 11)]
    reference, test = (bridge.add_node(value, "Seg", kind="labels") for value in labels)
    made = bridge.value_of(LOGIC.run("compare_segmentations", reference=reference, test=test).table, "table")
    expected = CompareSegmentations().run(*labels).table
    assert made.rows[0]["surfel_area_ref"] == pytest.approx(expected.rows[0]["surfel_area_ref"])
    assert [column.unit for column in made.columns] == [column.unit for column in expected.columns]


def test_a_slice_elsewhere_is_not_taken_for_the_plane_of_a_2d_image():
    segment = bridge.add_node(square(3, 9), "Mask", kind="mask")
    shift = np.eye(4)
    shift[2, 3] = 40
    put_under(segment, add_transform(shift))
    with pytest.raises(GeometryError, match="does not overlap"):
        LOGIC.run("apply_mask", image=bridge.add_node(picture(), "Image", kind="image"), mask=segment)


def test_the_scene_of_a_2d_case_can_be_verified(tmp_path: Path):
    steps = [
        {"id": "a", "operation": "apply_mask", "inputs": {"image": "image", "mask": "mask"},
         "outputs": {"image": "in"}},
        {"id": "b", "operation": "compare_segmentations", "inputs": {"reference": "one", "test": "two"},
         "outputs": {"table": "same"}},
    ]  # fmt: skip
    kinds = {"image": "image", "mask": "mask", "one": "labels", "two": "labels"}
    data = {"medimg_recipe": 1, "inputs": {name: {"kind": kind} for name, kind in kinds.items()}, "steps": steps,
            "outputs": ["in", "same"]}  # fmt: skip
    images = {"image": picture(), "mask": square(3, 9), "one": square(2, 8), "two": square(3, 9)}
    for name, image in images.items():
        sitk.WriteImage(image, str(tmp_path / f"{name}.nrrd"))
    mrb = tmp_path / "case.mrb"
    paths = {name: tmp_path / f"{name}.nrrd" for name in images}
    run_case(Recipe.from_data(data), paths, tmp_path / "out", extras=Extras(str(mrb)))
    standalone.load(mrb)
    found = verify.verify_scene()
    assert {line["node"]: line["state"] for line in found} == {"in": "equal", "same": "equal"}
    assert slicer.mrmlScene.GetFirstNodeByName("in").GetImageData().GetDimensions() == (24, 20, 1)
