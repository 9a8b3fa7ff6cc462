"""One segment per object, and touching objects taken apart at their necks."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given, settings
from hypothesis.extra import numpy as hnp
from medimg_testing import oblique_grid
from MedImgAnalysisLib.errors import InputError
from MedImgAnalysisLib.execution import execute
from MedImgAnalysisLib.segmentation import SplitComponents
from MedImgAnalysisLib.values import Labels, Segment

ndimage = pytest.importorskip("scipy.ndimage")


def labels_of(mask: np.ndarray, spacing=None, name: str = "Lesion") -> Labels:
    image = sitk.GetImageFromArray(mask.astype(np.uint8))
    if spacing is not None:
        image.SetSpacing(spacing)
    return Labels.from_masks([(name, image)])


def split(labels: Labels, **parameters) -> tuple[Labels, tuple[dict, ...]]:
    outputs = execute(SplitComponents(**parameters), {"labels": labels}).outputs
    return outputs["labels"], outputs["table"].rows


@settings(max_examples=40)
@given(hnp.arrays(bool, (5, 6, 7)).filter(lambda m: m.any()))
def test_objects_are_the_components_of_scipy_by_falling_size(mask):
    expected, count = ndimage.label(mask, np.ones((3, 3, 3)))
    found, rows = split(labels_of(mask))
    assert found.names == tuple(f"Lesion {n}" for n in range(1, count + 1))
    sizes = [row["voxels"] for row in rows]
    assert sizes == sorted(np.bincount(expected.ravel())[1:], reverse=True)
    for segment in found.segments:
        numbers = expected[sitk.GetArrayFromImage(found.mask(segment)) != 0]
        assert len(set(numbers)) == 1 and (expected == numbers[0]).sum() == len(numbers)


def two_balls(distance: float, spacing: tuple[float, float, float], radius: float = 8.0) -> np.ndarray:
    """Two balls whose centres are so many millimetres apart along i."""
    size = [int(44 / s) for s in spacing[::-1]]
    k, j, i = (
        x * s - 22 + s / 2 for x, s in zip(np.meshgrid(*(np.arange(n) for n in size), indexing="ij"), spacing[::-1])
    )
    return sum(((i - at) ** 2 + j**2 + k**2 < radius**2) for at in (-distance / 2, distance / 2)) > 0


@pytest.mark.parametrize("spacing", [(1.0, 1.0, 1.0), (0.5, 1.0, 2.0)])
def test_touching_balls_come_apart_in_the_middle(spacing):
    mask = two_balls(13.0, spacing)
    _, rows = split(labels_of(mask, spacing), split_depth_mm=1.0)
    assert len(rows) == 2 and sum(row["voxels"] for row in rows) == mask.sum()
    assert rows[0]["volume_ml"] == pytest.approx(rows[1]["volume_ml"], rel=0.1)
    assert abs(rows[0]["l_mm"] - rows[1]["l_mm"]) == pytest.approx(13.5, abs=1.0)


def test_the_depth_of_the_neck_decides():
    # The neck of two balls of 8 mm, 10 mm apart, has a radius of sqrt(64 - 25) = 6.2 mm: 1.8 mm below 8.
    labels = labels_of(two_balls(10.0, (0.5, 0.5, 0.5)), (0.5, 0.5, 0.5))
    assert len(split(labels, split_depth_mm=1.3)[1]) == 2
    assert len(split(labels, split_depth_mm=2.4)[1]) == 1
    assert len(split(labels)[1]) == 1


def test_a_ball_alone_stays_whole():
    assert len(split(labels_of(two_balls(0.0, (1.0, 1.0, 1.0))), split_depth_mm=0.8)[1]) == 1


def test_two_dimensions_split_in_the_plane():
    mask = two_balls(13.0, (1.0, 1.0, 1.0))[22]
    _, rows = split(labels_of(mask), split_depth_mm=1.0)
    assert len(rows) == 2 and rows[0]["status"] == "no_volume_in_2d"
    assert len(split(labels_of(mask[None]), split_depth_mm=1.0)[1]) == 2


def test_small_objects_are_left_out_and_others_segments_stay():
    mask = np.zeros((10, 10, 10), bool)
    mask[0, 0, 0], mask[5:8, 5:8, 5:8] = True, True
    other = np.zeros_like(mask)
    other[..., 9] = True
    images = [(n, sitk.GetImageFromArray(m.astype(np.uint8))) for n, m in (("Lesion", mask), ("Organ", other))]
    found, rows = split(Labels.from_masks(images), segments="Lesion", smallest_ml=0.01)
    assert found.names == ("Organ", "Lesion 1") and rows[0]["voxels"] == 27
    np.testing.assert_array_equal(sitk.GetArrayFromImage(found.mask("Organ")) != 0, other)


def test_centroids_are_positions_on_an_oblique_grid():
    image = sitk.GetImageFromArray(np.zeros((9, 10, 11), np.uint8))
    image[2, 3, 4] = 1
    oblique_grid(image)
    row = split(Labels.from_masks([("A", image)]))[1][0]
    assert (row["l_mm"], row["p_mm"], row["s_mm"]) == pytest.approx(image.TransformIndexToPhysicalPoint((2, 3, 4)))


def test_no_object_and_noise_are_refused():
    with pytest.raises(InputError, match="large enough"):
        split(labels_of(np.ones((2, 2, 2), bool)), smallest_ml=1.0)
    noise = np.zeros((40, 40, 40), bool)
    noise[::2, ::2, ::2] = True
    with pytest.raises(InputError, match="8000 objects"):
        split(labels_of(noise))


def test_objects_have_the_tags_of_their_segment_and_a_segment_without_any_is_told():
    mask = np.zeros((6, 6, 6), bool)
    mask[0, 0, 0] = mask[3:, 3:, 3:] = True
    labels = labels_of(mask)
    tagged = Segment("Segment_1", "Lesion", (1.0, 0.0, 0.0), 0, 1, {"TerminologyEntry": "tumour"})
    empty = Segment("Segment_2", "Nothing", (0.0, 1.0, 0.0), 0, 7)
    result = execute(SplitComponents(), {"labels": Labels(labels.layers, (tagged, empty))})
    found = result.outputs["labels"].segments
    assert [dict(segment.tags) for segment in found] == [{"TerminologyEntry": "tumour"}] * 2
    assert found[0].color == tagged.color and any("'Nothing'" in warning for warning in result.warnings)
