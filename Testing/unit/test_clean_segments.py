"""Specks, bridges, gaps and holes go, neighbours stay; lengths are millimetres."""

from __future__ import annotations

import threading
import time

import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given, settings
from hypothesis.extra import numpy as hnp
from medimg_testing import oblique_grid
from MedImgAnalysisLib.errors import Cancelled, InputError, ParameterError
from MedImgAnalysisLib.execution import execute
from MedImgAnalysisLib.progress import Progress
from MedImgAnalysisLib.segmentation import CleanSegments
from MedImgAnalysisLib.values import Labels

ndimage = pytest.importorskip("scipy.ndimage")
MASKS = hnp.arrays(bool, (6, 7, 8)).filter(lambda m: m.any())


def labels_of(spacing=None, **masks: np.ndarray) -> Labels:
    images = []
    for name, mask in masks.items():
        image = sitk.GetImageFromArray(mask.astype(np.uint8))
        if spacing is not None:
            image.SetSpacing(spacing)
        images.append((name, image))
    return Labels.from_masks(images)


def cleaned(labels: Labels, **parameters) -> tuple[dict[str, np.ndarray], tuple[dict, ...]]:
    defaults = {"fill_holes": False}
    outputs = execute(CleanSegments(**defaults | parameters), {"labels": labels}).outputs
    found = {s.name: sitk.GetArrayFromImage(outputs["labels"].mask(s)) != 0 for s in outputs["labels"].segments}
    return found, outputs["table"].rows


@settings(max_examples=40)
@given(MASKS)
def test_the_largest_component_is_that_of_scipy(mask):
    numbers, _ = ndimage.label(mask)
    sizes = np.bincount(numbers.ravel())[1:]
    found, rows = cleaned(labels_of(A=mask), keep_largest=1)
    np.testing.assert_array_equal(found["A"], numbers == 1 + sizes.argmax())
    assert rows[0]["removed"] == mask.sum() - sizes.max() and rows[0]["components"] == 1
    again, _ = cleaned(labels_of(A=found["A"]), keep_largest=1)
    np.testing.assert_array_equal(again["A"], found["A"])


@settings(max_examples=40)
@given(MASKS)
def test_holes_are_those_of_scipy(mask):
    found, rows = cleaned(labels_of(A=mask), fill_holes=True)
    np.testing.assert_array_equal(found["A"], ndimage.binary_fill_holes(mask))
    assert rows[0]["added"] == found["A"].sum() - mask.sum()


@settings(max_examples=25)
@given(MASKS)
def test_closing_adds_opening_removes_and_twice_is_once(mask):
    closed, _ = cleaned(labels_of(A=mask), closing_mm=1.5)
    assert (closed["A"] | ~mask).all()
    again, _ = cleaned(labels_of(A=closed["A"]), closing_mm=1.5)
    np.testing.assert_array_equal(again["A"], closed["A"])
    try:
        opened, _ = cleaned(labels_of(A=mask), opening_mm=1.0)
    except InputError:
        return
    assert (mask | ~opened["A"]).all()


@pytest.mark.parametrize("spacing", [(1.0, 1.0, 1.0), (0.5, 1.0, 2.0), (2.0, 0.7, 1.1)])
def test_scipy_opens_and_closes_alike_with_a_ball_of_millimetres(spacing):
    rng = np.random.default_rng(4)
    mask = ndimage.gaussian_filter(rng.normal(0, 1, (32, 40, 44)), 3) > 0
    # Clear of the border, where each has another idea of what lies beyond.
    mask[:5], mask[-5:], mask[:, :5], mask[:, -5:], mask[..., :5], mask[..., -5:] = (False,) * 6
    radius = 2.2
    reach = [int(radius / s) for s in spacing]
    axes = np.meshgrid(*(np.arange(-r, r + 1) * s for r, s in zip(reach[::-1], spacing[::-1])), indexing="ij")
    ball = sum(x**2 for x in axes) <= radius**2
    expected = {
        "opening_mm": ndimage.binary_opening(mask, ball),
        "closing_mm": ndimage.binary_closing(mask, ball),
    }
    for name, theirs in expected.items():
        assert theirs.any() and (theirs != mask).any()
        found, _ = cleaned(labels_of(spacing, A=mask), **{name: radius})
        np.testing.assert_array_equal(found["A"], theirs)


def test_a_segment_near_the_border_does_not_grow_together_with_it_and_one_cut_by_it_stays():
    near = np.zeros((12, 12, 12), bool)
    near[2:9, 2:9, 1:9] = True
    found, _ = cleaned(labels_of(A=near), closing_mm=3.0)
    np.testing.assert_array_equal(found["A"], near)
    cut = np.zeros((12, 12, 12), bool)
    cut[:, :, :2] = True
    for step in ("opening_mm", "closing_mm", "smoothing_mm"):
        found, _ = cleaned(labels_of(A=cut), **{step: 1.5})
        np.testing.assert_array_equal(found["A"], cut)


def bumpy_ball(spacing: tuple[float, float, float], radius: float = 12.0) -> np.ndarray:
    """A ball with a thin spike and a deep pit, sampled with a spacing along (i, j, k)."""
    size = [int(36 / s) for s in spacing[::-1]]
    k, j, i = (
        x * s - 18 + s / 2 for x, s in zip(np.meshgrid(*(np.arange(n) for n in size), indexing="ij"), spacing[::-1])
    )
    ball = i**2 + j**2 + k**2 < radius**2
    spike = (np.abs(j) < 1.01) & (np.abs(k) < 2.01) & (i > 0) & (i < 17)
    pit = (np.abs(i) < 1.01) & (np.abs(k) < 2.01) & (j > 5)
    return (ball | spike) & ~pit


@pytest.mark.parametrize("parameters", [{"opening_mm": 3.0}, {"closing_mm": 3.0}, {"smoothing_mm": 2.0}])
def test_lengths_are_millimetres_on_anisotropic_grids(parameters):
    fine, coarse = (0.5, 0.5, 0.5), (0.5, 1.0, 2.0)
    volumes = []
    for spacing in (fine, coarse):
        found, _ = cleaned(labels_of(spacing, A=bumpy_ball(spacing)), **parameters)
        volumes.append(found["A"].sum() * np.prod(spacing))
    assert volumes[0] == pytest.approx(volumes[1], rel=0.02)
    plain = bumpy_ball(fine).sum() * np.prod(fine)
    assert abs(volumes[0] - plain) > 0.002 * plain, "the step must have had an effect"


def test_small_components_go_by_their_volume_in_millilitres():
    mask = np.zeros((20, 20, 20), bool)
    mask[1:4, 1:4, 1:4] = mask[10:14, 10:14, 10:14] = True
    for spacing, smallest, kept in (((1, 1, 1), 0.028, 64), ((1, 1, 1), 0.027, 91), ((2, 2, 2), 0.217, 64)):
        found, rows = cleaned(labels_of(tuple(map(float, spacing)), A=mask), smallest_ml=smallest)
        assert found["A"].sum() == kept == rows[0]["voxels"]


def test_a_smooth_plane_stays_where_it_is():
    mask = np.zeros((12, 14, 30), bool)
    mask[..., :13] = True
    found, _ = cleaned(labels_of((0.5, 1.0, 2.0), A=mask), smoothing_mm=3.0)
    np.testing.assert_array_equal(found["A"], mask)


def test_a_step_that_would_take_from_a_neighbour_does_not_unless_it_may():
    shell = np.zeros((9, 9, 9), bool)
    shell[2:7, 2:7, 2:7] = True
    core = np.zeros_like(shell)
    core[4, 4, 4] = True
    labels = labels_of(Shell=shell & ~core, Core=core)
    found, rows = cleaned(labels, segments="Shell", fill_holes=True)
    np.testing.assert_array_equal(found["Shell"], shell & ~core)
    found, rows = cleaned(labels, segments="Shell", fill_holes=True, overlap=True)
    np.testing.assert_array_equal(found["Shell"], shell)
    np.testing.assert_array_equal(found["Core"], core)
    assert [row["segment"] for row in rows] == ["Shell"] and rows[0]["added"] == 1


def test_segments_that_overlapped_before_overlap_after():
    one, two = np.zeros((8, 8, 8), bool), np.zeros((8, 8, 8), bool)
    one[1:6, 1:6, 1:6], two[3:8, 3:8, 3:8] = True, True
    found, _ = cleaned(labels_of(One=one, Two=two), keep_largest=1)
    np.testing.assert_array_equal(found["One"], one)
    np.testing.assert_array_equal(found["Two"], two)


def test_names_colours_and_order_of_all_segments_stay():
    rng = np.random.default_rng(2)
    labels = labels_of(**{name: rng.random((6, 6, 6)) < 0.3 for name in "ABC"})
    made = execute(CleanSegments(segments="B", keep_largest=1), {"labels": labels}).outputs["labels"]
    assert [(s.id, s.name, s.color) for s in made.segments] == [(s.id, s.name, s.color) for s in labels.segments]


def test_two_dimensions_and_a_single_slice_fill_holes_in_the_plane():
    ring = np.zeros((9, 9), bool)
    ring[2:7, 2:7] = True
    ring[4, 4] = False
    found, rows = cleaned(labels_of(A=ring), fill_holes=True)
    assert found["A"][4, 4] and rows[0]["status"] == "no_volume_in_2d"
    found, _ = cleaned(labels_of(A=ring[None]), fill_holes=True)
    assert found["A"][0, 4, 4]


def test_an_oblique_grid_is_kept():
    image = oblique_grid(sitk.GetImageFromArray((np.indices((12, 14, 16)).sum(axis=0) > 20).astype(np.uint8)))
    made = execute(CleanSegments(smoothing_mm=2.0), {"labels": Labels.from_masks([("A", image)])}).outputs["labels"]
    assert made.grid.same_as(Labels.from_masks([("A", image)]).grid)


def test_a_segment_that_vanishes_is_left_out_and_told_and_nothing_left_is_refused():
    speck, block = np.zeros((9, 9, 9), bool), np.zeros((9, 9, 9), bool)
    speck[0, 0, 0], block[3:8, 3:8, 3:8] = True, True
    result = execute(CleanSegments(smallest_ml=0.01), {"labels": labels_of(Speck=speck, Block=block)})
    assert result.outputs["labels"].names == ("Block",)
    assert any("'Speck'" in warning for warning in result.warnings)
    with pytest.raises(InputError, match="Nothing is left of 'Speck'"):
        execute(CleanSegments(smallest_ml=0.01), {"labels": labels_of(Speck=speck)})


def test_nothing_to_do_is_refused_and_a_radius_below_a_voxel_told():
    with pytest.raises(ParameterError, match="every step is off"):
        CleanSegments(fill_holes=False)
    mask = np.ones((4, 4, 4), bool)
    result = execute(CleanSegments(opening_mm=0.5), {"labels": labels_of(A=mask)})
    assert any("no effect" in warning for warning in result.warnings)


def test_a_large_closing_stops_within_half_a_second():
    mask = np.random.default_rng(1).random((200, 200, 200)) < 0.01
    labels = labels_of(A=mask)
    progress, asked = Progress(), []
    timer = threading.Timer(0.5, lambda: (asked.append(time.perf_counter()), progress.cancel()))
    timer.start()
    try:
        with pytest.raises(Cancelled):
            CleanSegments(closing_mm=20.0, smoothing_mm=10.0).run(labels, progress=progress)
        assert time.perf_counter() - asked[0] < 0.5
    finally:
        timer.cancel()


@settings(max_examples=25)
@given(MASKS, MASKS, hnp.arrays(bool, 5))
def test_whatever_the_steps_others_keep_their_voxels_and_nothing_is_taken_from_them(mask, other, steps):
    labels = labels_of(A=mask, B=other)
    values = {"opening_mm": 1.0, "closing_mm": 2.0, "smoothing_mm": 0.8, "keep_largest": 2, "fill_holes": True}
    chosen = {name: value for (name, value), on in zip(values.items(), steps) if on}
    try:
        found, _ = cleaned(labels, segments="A", smallest_ml=0.002, **chosen)
    except InputError:
        return
    np.testing.assert_array_equal(found["B"], other)
    assert not (found["A"] & ~mask & other).any()
    assert found["A"].any()
