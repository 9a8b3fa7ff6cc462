"""Segmentation objects that others write are read voxel by voxel, and what is no grid is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk
from dicom_testing import ball, write_series
from MedImgAnalysisLib import files
from MedImgAnalysisLib.errors import FileError
from MedImgAnalysisLib.geometry import Grid
from MedImgAnalysisLib.progress import Progress

highdicom = pytest.importorskip("highdicom")
from pydicom.sr.coding import Code  # noqa: E402

SHAPE = (6, 11, 13)
"""Frames of an odd number of pixels: they do not begin at whole bytes."""
LIVER, STRUCTURE = Code("10200004", "SCT", "Liver"), Code("91723000", "SCT", "Anatomical Structure")


def quiet() -> Progress:
    return Progress(on_warning=lambda sentence: None)


def segmentation(folder: Path, array: np.ndarray, kind: str = "BINARY", **more: Any) -> Path:
    """A segmentation object of highdicom on slices of any orientation; `array` (frame, row, column[, segment])."""
    slices = write_series(folder / "ct", ball(SHAPE), **more)
    count = array.shape[3] if array.ndim == 4 else int(array.max()) or 1
    descriptions = [
        highdicom.seg.SegmentDescription(n, f"Part {n}", STRUCTURE, LIVER, "MANUAL") for n in range(1, count + 1)
    ]
    made = highdicom.seg.Segmentation(
        slices, array, kind, descriptions, "1.2.8.1", 9, "1.2.8.2", 1, "maker", "model", "1", "1"
    )
    made.save_as(folder / "seg.dcm")
    return folder / "seg.dcm"


def voxels(path: Path, name: str, reference: sitk.Image) -> np.ndarray:
    labels = files.read(path, "labels", quiet())
    mask = sitk.Resample(labels.mask(name), reference, sitk.Transform(), sitk.sitkNearestNeighbor)
    return sitk.GetArrayFromImage(mask)


@pytest.mark.parametrize("kind", ("BINARY", "LABELMAP"))
def test_label_maps_and_binary_frames_hold_the_same_segments(kind: str, tmp_path: Path) -> None:
    array = np.random.default_rng(3).integers(0, 4, SHAPE).astype(np.uint8)
    array[[0, 3]] = 0
    path = segmentation(tmp_path, array, kind)
    image = files.read(tmp_path / "ct", "image", quiet())
    labels = files.read(path, "labels", quiet())
    assert labels.names == ("Part 1", "Part 2", "Part 3")
    assert all("SCT^10200004^Liver" in segment.tags["TerminologyEntry"] for segment in labels.segments)
    for n in (1, 2, 3):
        assert np.array_equal(voxels(path, f"Part {n}", image), array == n)


def test_overlapping_segments_share_as_few_layers_as_they_can(tmp_path: Path) -> None:
    array = np.zeros((*SHAPE, 4), np.uint8)
    array[1:5, 2:9, 2:9, 0] = array[2:4, 3:5, 3:5, 1] = array[2:4, 6:8, 6:8, 2] = array[1:3, :2, :, 3] = 1
    path = segmentation(tmp_path, array)
    labels = files.read(path, "labels", quiet())
    assert [segment.layer for segment in labels.segments] == [0, 1, 1, 0]
    image = files.read(tmp_path / "ct", "image", quiet())
    for n in range(4):
        assert np.array_equal(voxels(path, f"Part {n + 1}", image), array[..., n])


def test_frames_that_follow_a_tilted_stack_are_no_grid(tmp_path: Path) -> None:
    path = segmentation(tmp_path, np.ones(SHAPE, np.uint8), direction=np.eye(3), along=np.array([0, 0.3, 1.0]))
    with pytest.raises(FileError, match="gantry tilt"):
        files.read(path, "labels", quiet())


def test_the_grid_is_that_of_the_slices(tmp_path: Path) -> None:
    path = segmentation(tmp_path, np.ones(SHAPE, np.uint8))
    image = files.read(tmp_path / "ct", "image", quiet())
    assert files.read(path, "labels", quiet()).grid.same_as(Grid.of(image))
