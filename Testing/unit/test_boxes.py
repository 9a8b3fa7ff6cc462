"""Boxes of label values, and the fingerprint of segmentations that is made from them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given, settings
from hypothesis import strategies as st
from medimg_testing import oblique_grid
from MedImgAnalysisLib import boxes
from MedImgAnalysisLib.boxes import boxes_of, join, shape_of
from MedImgAnalysisLib.provenance import fingerprint
from MedImgAnalysisLib.values import Labels


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    kind=st.sampled_from([np.uint8, np.int16, np.uint32, np.uint64]),
    count=st.integers(1, 6),
)
def test_boxes_are_the_smallest_around_each_value(seed, kind, count):
    rng = np.random.default_rng(seed)
    layer = np.where(rng.random((6, 7, 8)) < 0.03, rng.integers(1, 7, (6, 7, 8)), 0).astype(kind)
    found = boxes_of(layer, range(1, count + 1))
    for value in range(1, count + 1):
        at = np.argwhere(layer == value)
        if len(at):
            expected = tuple(slice(a, b + 1) for a, b in zip(at.min(axis=0), at.max(axis=0)))
            assert found[value] == expected and shape_of(found[value]) == tuple(np.ptp(at, axis=0) + 1)
        else:
            assert value not in found


def test_negative_and_very_large_values_have_boxes_too():
    layer = np.zeros((4, 5, 6), np.int64)
    values = [-3, 7, 1 << 40, 2, 5]
    for number, value in enumerate(values):
        layer[number % 4, number, number] = value
    assert set(boxes_of(layer, values)) == set(values)


def test_slabs_are_joined(monkeypatch):
    layer = np.zeros((9, 5, 6), np.uint8)
    layer[1:8, 2, 3] = 4
    layer[3:5, 1:4, 1] = 2
    whole = boxes_of(layer, [1, 2, 3, 4])
    monkeypatch.setattr(boxes, "SLAB_VOXELS", 30)
    monkeypatch.setattr(boxes.slabs, "__defaults__", (30,))
    assert boxes_of(layer, [1, 2, 3, 4]) == whole == {2: np.s_[3:5, 1:4, 1:2], 4: np.s_[1:8, 2:3, 3:4]}
    assert join(None, *whole.values()) == np.s_[1:8, 1:4, 1:4] and join(None) is None


def labels(*masks, shift=0.0) -> Labels:
    made = []
    for number, mask in enumerate(masks):
        image = oblique_grid(sitk.GetImageFromArray(np.asarray(mask, np.uint8)))
        image.SetOrigin([x + shift for x in image.GetOrigin()])
        made.append((f"S{number}", image))
    return Labels.from_masks(made)


def masks(seed=1):
    rng = np.random.default_rng(seed)
    one = rng.random((5, 6, 7)) < 0.4
    return one, (rng.random((5, 6, 7)) < 0.4) & ~one


def test_a_segmentation_has_one_fingerprint_however_it_is_stored():
    one, two = masks()
    plain = labels(one, two)
    (layer,) = plain.layers
    values = {s.id: s.value for s in plain.segments}
    other = sitk.Cast(layer, sitk.sitkInt16) * 100
    moved = Labels((layer * 0, other), tuple(replace(s, layer=1, value=100 * values[s.id]) for s in plain.segments))
    assert fingerprint(moved) == fingerprint(plain)


@pytest.mark.parametrize("change", ["voxel", "name", "order", "grid", "segment"])
def test_whatever_a_segmentation_means_is_in_its_fingerprint(change):
    one, two = masks()
    plain = labels(one, two)
    other = plain
    if change == "voxel":
        changed = one.copy()
        changed[2, 3, 3] = not changed[2, 3, 3] and not two[2, 3, 3]
        changed[2, 2, 3] = not one[2, 2, 3]
        other = labels(changed, two)
    elif change == "name":
        other = plain.renamed(Segment_1="x")
    elif change == "order":
        other = Labels(plain.layers, plain.segments[::-1])
    elif change == "grid":
        other = labels(one, two, shift=0.01)
    else:
        other = labels(one)
    assert fingerprint(other) != fingerprint(plain)
