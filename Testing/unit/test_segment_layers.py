"""Changing one segment leaves every other one as it was."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given, settings
from hypothesis.extra import numpy as hnp
from MedImgAnalysisLib.errors import InputError
from MedImgAnalysisLib.provenance import fingerprint
from MedImgAnalysisLib.segmentation.layers import Layers, chosen_segments
from MedImgAnalysisLib.values import Labels, Segment

SHAPE = (4, 5, 6)
WHOLE = tuple(slice(0, n) for n in SHAPE)
WHOLE_MASK = np.ones(SHAPE, bool)
MASKS = hnp.arrays(bool, SHAPE)


def three(*masks: np.ndarray) -> Labels:
    return Labels.from_masks(
        [(name, sitk.GetImageFromArray(m.astype(np.uint8))) for name, m in zip(("A", "B", "C"), masks)]
    )


def voxels(labels: Labels) -> dict[str, np.ndarray]:
    return {segment.name: sitk.GetArrayFromImage(labels.mask(segment)) != 0 for segment in labels.segments}


@settings(max_examples=50)
@given(MASKS, MASKS, MASKS, MASKS)
def test_what_is_put_is_there_and_nothing_else_has_changed(a, b, c, new):
    labels = three(a, b, c)
    before = fingerprint(labels)
    layers = Layers(labels)
    layers.put(labels.segments[1], new, WHOLE)
    made = layers.labels()
    found = voxels(made)
    np.testing.assert_array_equal(found["A"], a)
    np.testing.assert_array_equal(found["B"], new)
    np.testing.assert_array_equal(found["C"], c)
    assert [(s.id, s.color) for s in made.segments] == [(s.id, s.color) for s in labels.segments]
    assert fingerprint(labels) == before, "what was given must stay as it is"


@settings(max_examples=50)
@given(MASKS, MASKS, MASKS)
def test_added_segments_overlap_without_taking_voxels(a, b, new):
    labels = three(a, b)
    layers = Layers(labels)
    made = layers.add("New", new, WHOLE)
    layers.drop(labels.segments[0])
    found = layers.labels()
    assert found.names == ("B", "New") and made.id not in {s.id for s in labels.segments}
    np.testing.assert_array_equal(voxels(found)["B"], b)
    np.testing.assert_array_equal(voxels(found)["New"], new)


@pytest.mark.parametrize("value, kind", [(255, np.uint8), (65535, np.uint16), (300, np.int32), (-7, np.int16)])
def test_values_find_room_in_every_type(value, kind):
    array = np.zeros(SHAPE, kind)
    array[0] = value
    labels = Labels.from_labelmap(sitk.GetImageFromArray(array))
    new = np.zeros(SHAPE, bool)
    new[2] = True
    layers = Layers(labels)
    layers.add("New", new, WHOLE)
    found = voxels(layers.labels())
    np.testing.assert_array_equal(found[f"Segment_{value}"], array != 0)
    np.testing.assert_array_equal(found["New"], new)


def test_a_float_label_image_of_whole_numbers_is_taken():
    array = np.zeros(SHAPE, np.float32)
    array[1], array[2] = 3, 700
    labels = Labels.from_labelmap(sitk.GetImageFromArray(array))
    layers = Layers(labels)
    layers.put(labels.segments[1], np.ones(SHAPE, bool), WHOLE)
    found = voxels(layers.labels())
    np.testing.assert_array_equal(found["Segment_3"], array == 3)
    assert found["Segment_700"].all()


def test_voxels_that_belong_to_no_segment_are_in_the_way_too():
    array = np.zeros(SHAPE, np.uint8)
    array[0], array[1] = 1, 9
    labels = Labels((sitk.GetImageFromArray(array),), (Segment("one", "One", (1.0, 0.0, 0.0)),))
    layers = Layers(labels)
    layers.put(labels.segments[0], np.ones(SHAPE, bool), WHOLE)
    made = layers.labels()
    assert voxels(made)["One"].all()
    np.testing.assert_array_equal(sitk.GetArrayFromImage(labels.layers[0]), array)


def test_equal_values_in_different_layers_do_not_mix():
    array = np.zeros(SHAPE, np.uint8)
    array[0] = 1
    other = np.zeros(SHAPE, np.uint8)
    other[3] = 1
    segments = (Segment("a", "A", (1.0, 0.0, 0.0), 0, 1), Segment("b", "B", (0.0, 1.0, 0.0), 1, 1))
    labels = Labels(tuple(sitk.GetImageFromArray(x) for x in (array, other)), segments)
    layers = Layers(labels)
    # Over a part of its own layer that is free, and over one that only the other layer has free.
    layers.put(segments[1], array > 0, WHOLE)
    layers.put(segments[0], (array > 0) | (other > 0), WHOLE)
    found = voxels(layers.labels())
    np.testing.assert_array_equal(found["A"], (array > 0) | (other > 0))
    np.testing.assert_array_equal(found["B"], array > 0)


def test_names_choose_segments_and_unknown_ones_are_told():
    labels = three(*(np.ones(SHAPE, bool) for _ in range(3)))
    assert [s.name for s in chosen_segments(labels, "")] == ["A", "B", "C"]
    assert [s.name for s in chosen_segments(labels, " C, A ,C")] == ["C", "A"]
    with pytest.raises(InputError, match="no segment 'D'; there are A, B, C"):
        chosen_segments(labels, "A, D")
    with pytest.raises(InputError, match="no segments"):
        chosen_segments(Labels(labels.layers, ()), "")
    comma = labels.renamed(Segment_1="liver, left")
    assert [s.name for s in chosen_segments(comma, "liver, left")] == ["liver, left"]


def test_a_new_segment_does_not_take_the_value_of_one_without_voxels():
    empty = np.zeros(SHAPE, bool)
    labels = three(WHOLE_MASK, empty)
    layers = Layers(labels)
    layers.add("New", WHOLE_MASK, WHOLE)
    found = voxels(layers.labels())
    assert not found["B"].any() and found["New"].all()
