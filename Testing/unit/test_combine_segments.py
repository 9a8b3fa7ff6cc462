"""Unions, intersections, differences, and margins that are exact in millimetres."""

from __future__ import annotations

import threading
import time

import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from medimg_testing import oblique_grid
from MedImgAnalysisLib.errors import Cancelled, InputError
from MedImgAnalysisLib.execution import execute
from MedImgAnalysisLib.progress import Progress
from MedImgAnalysisLib.segmentation import CombineSegments
from MedImgAnalysisLib.values import Labels

SHAPE = (4, 5, 6)
MASKS = hnp.arrays(bool, SHAPE).filter(lambda m: m.any())


def labels_of(spacing=None, **masks: np.ndarray) -> Labels:
    images = []
    for name, mask in masks.items():
        image = sitk.GetImageFromArray(mask.astype(np.uint8))
        if spacing is not None:
            image.SetSpacing(spacing)
        images.append((name, image))
    return Labels.from_masks(images)


def combined(labels: Labels, **parameters) -> np.ndarray:
    found = execute(CombineSegments(**parameters), {"labels": labels}).outputs["labels"]
    return sitk.GetArrayFromImage(found.mask("Combined")) != 0


@settings(max_examples=40)
@given(MASKS, MASKS, MASKS)
def test_sets_are_combined_and_the_sources_stay(a, b, c):
    labels = labels_of(A=a, B=b, C=c)
    expected = {"union": a | b | c, "intersection": a & b & c, "difference": a & ~b & ~c}
    for action, mask in expected.items():
        if not mask.any():
            with pytest.raises(InputError, match="is empty"):
                combined(labels, action=action)
            continue
        made = execute(CombineSegments(action=action), {"labels": labels}).outputs["labels"]
        for name, own in (("A", a), ("B", b), ("C", c), ("Combined", mask)):
            np.testing.assert_array_equal(sitk.GetArrayFromImage(made.mask(name)) != 0, own)


def nearest(mask: np.ndarray, spacing: tuple[float, ...]) -> np.ndarray:
    """Distance of every voxel centre to the nearest of the mask, by comparing all with all."""
    every = np.stack(np.indices(mask.shape), axis=-1).reshape(-1, 3) * spacing[::-1]
    own = np.argwhere(mask) * spacing[::-1]
    return np.sqrt(((every[:, None] - own[None]) ** 2).sum(axis=-1)).min(axis=1).reshape(mask.shape)


@settings(max_examples=40)
@given(
    MASKS.filter(lambda m: not m.all()),
    st.sampled_from([(1.0, 1.0, 1.0), (0.7, 1.1, 2.5), (2.0, 0.5, 1.0)]),
    st.sampled_from([0.5, 1.0, 1.5, 2.0, 2.5, 3.0]),
)
def test_a_margin_is_every_voxel_up_to_that_distance(mask, spacing, margin):
    labels = labels_of(spacing, A=mask)
    np.testing.assert_array_equal(combined(labels, margin_mm=margin), nearest(mask, spacing) <= margin + 1e-6)
    kept = nearest(~mask, spacing) > margin + 1e-6
    if kept.any():
        np.testing.assert_array_equal(combined(labels, margin_mm=-margin), kept)
    else:
        with pytest.raises(InputError, match="mm below the surface"):
            combined(labels, margin_mm=-margin)


@pytest.mark.parametrize("margin", [4.0, -4.0])
def test_a_ball_grows_and_shrinks_by_its_radius_on_an_anisotropic_grid(margin):
    for spacing in ((0.5, 0.5, 0.5), (0.5, 1.0, 2.0)):
        size = [int(40 / s) for s in spacing[::-1]]
        axes = np.meshgrid(*(np.arange(n) * s - 20 + s / 2 for n, s in zip(size, spacing[::-1])), indexing="ij")
        labels = labels_of(spacing, A=sum(x**2 for x in axes) < 10.0**2)
        volume = combined(labels, margin_mm=margin).sum() * np.prod(spacing)
        # From centre to centre: a coarse grid grows and shrinks by up to half a voxel less.
        assert np.cbrt(volume * 3 / 4 / np.pi) == pytest.approx(10 + margin, abs=0.6 * np.mean(spacing))


def test_a_full_image_does_not_shrink_and_a_cut_segment_not_from_the_border():
    full = np.ones(SHAPE, bool)
    assert combined(labels_of(A=full), margin_mm=-2.0).all()
    half = np.zeros((6, 6, 6), bool)
    half[:, :, :4] = True
    np.testing.assert_array_equal(combined(labels_of(A=half), margin_mm=-1.0), np.indices(half.shape)[2] < 3)


def test_two_dimensions_grow_in_the_plane():
    mask = np.zeros((9, 9), bool)
    mask[4, 4] = True
    j, i = np.indices(mask.shape) - 4
    np.testing.assert_array_equal(combined(labels_of(A=mask), margin_mm=3.0), i**2 + j**2 <= 9)


def test_values_above_255_and_names_and_an_oblique_grid_are_kept():
    array = np.zeros((6, 7, 8), np.int32)
    array[1, 1:4, 1:4], array[2:5, 2:6, 3:7] = 300, 70000
    labels = Labels.from_labelmap(oblique_grid(sitk.GetImageFromArray(array)), {300: "Low", 70000: "High"})
    made = execute(CombineSegments(segments="Low", margin_mm=1.2, segment="Low + 1.2 mm"), {"labels": labels}).outputs
    found = made["labels"]
    assert found.names == ("Low", "High", "Low + 1.2 mm") and found.grid.same_as(labels.grid)
    np.testing.assert_array_equal(sitk.GetArrayFromImage(found.mask("High")) != 0, array == 70000)
    assert made["table"].rows[0]["made_of"] == "Low"
    alone = execute(CombineSegments(keep=False), {"labels": labels}).outputs["labels"]
    assert alone.names == ("Combined",)


def test_a_margin_of_a_large_segment_stops_within_half_a_second():
    mask = np.zeros((260, 260, 260), bool)
    mask[20:-20, 20:-20, 20:-20] = True
    labels = labels_of(A=mask)
    progress, asked = Progress(), []
    timer = threading.Timer(0.3, lambda: (asked.append(time.perf_counter()), progress.cancel()))
    timer.start()
    try:
        with pytest.raises(Cancelled):
            CombineSegments(margin_mm=15.0).run(labels, progress=progress)
        assert time.perf_counter() - asked[0] < 0.5
    finally:
        timer.cancel()
