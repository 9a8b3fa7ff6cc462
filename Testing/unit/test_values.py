"""Labels, landmarks and tables keep what they are given."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from MedImgAnalysisLib import errors
from MedImgAnalysisLib.errors import GeometryError, InputError
from MedImgAnalysisLib.values import Column, Labels, Landmarks, Measurements


@settings(max_examples=40, deadline=None)
@given(hnp.arrays(np.uint8, (4, 3, 4, 5), elements=st.integers(0, 1)))
def test_overlapping_masks_come_back_voxel_by_voxel(masks):
    labels = Labels.from_masks([(f"M{n}", sitk.GetImageFromArray(mask)) for n, mask in enumerate(masks)])
    for segment, mask in zip(labels.segments, masks, strict=True):
        np.testing.assert_array_equal(sitk.GetArrayFromImage(labels.mask(segment)), mask)
    assert labels.names == ("M0", "M1", "M2", "M3")


def test_masks_that_do_not_overlap_share_a_layer():
    array = np.zeros((2, 4, 4, 4), np.uint8)
    array[0, :2], array[1, 2:] = 1, 1
    assert len(Labels.from_masks([(str(n), sitk.GetImageFromArray(a)) for n, a in enumerate(array)]).layers) == 1


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.uint16, np.int32, np.int64, np.float32])
def test_a_label_image_becomes_segments_in_order_of_value(dtype):
    array = np.zeros((3, 4, 5), dtype)
    array[0], array[1] = 90, 7
    labels = Labels.from_labelmap(sitk.GetImageFromArray(array), names={7: "liver"})
    assert [(s.value, s.name) for s in labels.segments] == [(7, "liver"), (90, "Segment_90")]
    np.testing.assert_array_equal(sitk.GetArrayFromImage(labels.mask("liver")), array == 7)


def test_labels_beyond_a_byte_and_below_zero_are_kept():
    array = np.zeros((3, 3, 3), np.int16)
    array[0], array[1] = -3, 1000
    labels = Labels.from_labelmap(sitk.GetImageFromArray(array))
    assert [s.value for s in labels.segments] == [-3, 1000]
    assert sitk.GetArrayFromImage(labels.mask("Segment_1000")).sum() == 9


def test_a_segment_is_found_by_id_before_name_and_ambiguous_names_are_refused():
    masks = [("same", sitk.Image([2, 2, 2], sitk.sitkUInt8)) for _ in range(2)]
    labels = Labels.from_masks(masks)
    assert labels.find("Segment_2").id == "Segment_2"
    with pytest.raises(InputError, match="2 segments named 'same'"):
        labels.find("same")
    with pytest.raises(InputError, match="no segment 'liver'; there are same, same"):
        labels.find("liver")


def test_layers_of_different_grids_are_refused():
    shifted = sitk.Image([2, 2, 2], sitk.sitkUInt8)
    shifted.SetOrigin((0.5, 0.0, 0.0))
    with pytest.raises(GeometryError):
        Labels((sitk.Image([2, 2, 2], sitk.sitkUInt8), shifted), ())


def test_landmarks_need_as_many_finite_points_as_names():
    assert Landmarks(("a", "b"), [[0, 0, 0], [1, 2, 3]]).points.dtype == np.float64
    with pytest.raises(InputError, match="2 landmark names were given for 1"):
        Landmarks(("a", "b"), [[0, 0, 0]])
    with pytest.raises(InputError, match="finite"):
        Landmarks(("a",), [[0, np.nan, 0]])


def test_a_table_refuses_values_without_a_column():
    table = Measurements((Column("dice", "Dice"),), ({"dice": 0.5},))
    assert table.column("dice") == [0.5]
    with pytest.raises(InputError, match="without a column"):
        Measurements((Column("dice", "Dice"),), ({"hd": 1.0},))
    with pytest.raises(InputError, match="no column 'hd'; there are dice"):
        table.column("hd")


@pytest.mark.parametrize("kind", [errors.ParameterError, errors.FileError, errors.GeometryError, errors.Cancelled])
def test_errors_cross_a_process_boundary_with_their_data(kind):
    error = pickle.loads(pickle.dumps(kind("It is\n wrong.", path="a b.nrrd", line=3)))
    assert type(error) is kind and str(error) == "It is wrong." and error.path == "a b.nrrd"
    assert error.as_json() == {"kind": kind.__name__, "message": "It is wrong.", "path": "a b.nrrd", "line": 3}
    assert not hasattr(error, "missing")
