"""Numbers of segments: closed forms, the radiomic features, numpy, and many segments in one pass."""

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
from MedImgAnalysisLib.quality import MeasureFeatures
from MedImgAnalysisLib.segmentation import MeasureSegments, one_pass
from MedImgAnalysisLib.values import Labels, Segment


def rows_of(labels: Labels, image: sitk.Image | None = None, **parameters) -> tuple[dict, ...]:
    inputs = {"labels": labels} | ({} if image is None else {"image": image})
    return execute(MeasureSegments(**parameters), inputs).outputs["table"].rows


def blobs(seed: int, kind: type = np.uint16, shape=(14, 16, 18)) -> sitk.Image:
    """Labels 0 to 5 in patches that touch, on an oblique anisotropic grid."""
    from scipy.ndimage import gaussian_filter

    rng = np.random.default_rng(seed)
    fields = np.stack([gaussian_filter(rng.normal(0, 1, shape), 1.5) for _ in range(6)])
    return oblique_grid(sitk.GetImageFromArray((fields.argmax(axis=0) * 137).astype(kind)))


PAIRS = {
    "surface_mm2": "morph_area_mesh",
    "sphericity": "morph_sphericity",
    "max_diameter_mm": "morph_diam",
    "elongation": "morph_pca_elongation",
    "flatness": "morph_pca_flatness",
}


@pytest.mark.parametrize("kind", [np.uint16, np.int32, np.float32])
def test_shapes_and_intensities_are_those_of_the_radiomic_features(kind):
    marks = blobs(1, kind)
    labels = Labels.from_labelmap(marks)
    array = np.random.default_rng(2).normal(-300, 80, marks.GetSize()[::-1])
    image = sitk.GetImageFromArray(array)
    image.CopyInformation(marks)
    operation = MeasureFeatures(texture=False)
    features = execute(operation, {"labels": labels, "image": image}).outputs["table"].rows
    found = rows_of(labels, image)
    assert len(found) == 5
    for mine, theirs in zip(found, features, strict=True):
        assert mine["segment"] == theirs["segment"] and mine["voxels"] == theirs["n_voxels"]
        assert mine["volume_ml"] == pytest.approx(theirs["morph_vol_approx"] / 1000)
        for key, feature in PAIRS.items():
            assert mine[key] == pytest.approx(theirs[feature], rel=1e-9), key
        assert mine["mean"] == pytest.approx(theirs["stat_mean"], rel=1e-12)


@settings(max_examples=30)
@given(
    hnp.arrays(np.int16, (3, 4, 5), elements=st.integers(0, 3)).filter(lambda a: a.any()),
    hnp.arrays(np.float32, (3, 4, 5), elements=st.floats(-1e4, 1e4, width=32)),
)
def test_intensities_and_centroids_are_those_of_numpy(marks, values):
    label_image, image = oblique_grid(sitk.GetImageFromArray(marks)), oblique_grid(sitk.GetImageFromArray(values))
    for row, value in zip(rows_of(Labels.from_labelmap(label_image), image), sorted(set(marks.ravel()) - {0})):
        own = values[marks == value].astype(np.float64)
        assert (row["voxels"], row["min"], row["max"]) == (own.size, own.min(), own.max())
        assert row["mean"] == pytest.approx(own.mean(), rel=1e-9, abs=1e-6)
        assert row["sd"] == pytest.approx(own.std(ddof=1) if own.size > 1 else np.nan, rel=1e-6, abs=1e-6, nan_ok=True)
        percentiles = [row["p5"], row["p50"], row["p95"]]
        assert percentiles == pytest.approx(np.percentile(own, [5, 50, 95]), rel=1e-5, abs=1e-4)
        middle = np.argwhere(marks == value).mean(axis=0)[::-1].tolist()
        at = label_image.TransformContinuousIndexToPhysicalPoint(middle)
        assert (row["l_mm"], row["p_mm"], row["s_mm"]) == pytest.approx(at)


@pytest.mark.parametrize("spacing", [(0.5, 0.5, 0.5), (0.5, 1.0, 1.5)])
def test_a_ball_has_the_numbers_of_a_ball(spacing):
    radius, middle = 10.0, 12.0
    size = [int(2 * middle / s) for s in spacing[::-1]]
    axes = np.meshgrid(*(np.arange(n) * s - middle + s / 2 for n, s in zip(size, spacing[::-1])), indexing="ij")
    image = sitk.GetImageFromArray((sum(x**2 for x in axes) < radius**2).astype(np.uint8))
    image.SetSpacing(spacing)
    row = rows_of(Labels.from_labelmap(image))[0]
    assert row["volume_ml"] == pytest.approx(4 / 3 * np.pi * radius**3 / 1000, rel=0.01)
    assert row["max_diameter_mm"] == pytest.approx(2 * radius, abs=max(spacing))
    assert row["elongation"] == pytest.approx(1, abs=0.02) and row["flatness"] == pytest.approx(1, abs=0.02)
    # Marching cubes on a binary mask has steps: its area is some per cent too large.
    assert 0.85 < row["sphericity"] < 1
    assert row["status"] == "" and "mean" not in row


def test_a_box_has_known_size_elongation_and_diameter():
    array = np.zeros((12, 14, 20), np.uint8)
    array[2:6, 3:11, 2:18] = 1
    image = sitk.GetImageFromArray(array)
    image.SetSpacing((1.0, 0.5, 2.0))
    row = rows_of(Labels.from_labelmap(image))[0]
    # Variance of n equal steps: (n^2 - 1) / 12 of the squared spacing.
    along = {"i": (16**2 - 1) * 1.0, "j": (8**2 - 1) * 0.25, "k": (4**2 - 1) * 4.0}
    assert row["elongation"] == pytest.approx(np.sqrt(along["k"] / along["i"]))
    assert row["flatness"] == pytest.approx(np.sqrt(along["j"] / along["i"]))
    # From the middle of one edge of the voxels to the opposite one, as the mesh cuts the corners off.
    corners = [np.hypot(np.hypot(15 + (a == 0), (7 + (a == 1)) * 0.5), (3 + (a == 2)) * 2) for a in range(3)]
    assert row["max_diameter_mm"] == pytest.approx(max(corners))


@pytest.mark.parametrize("count", [2, 37])
def test_slabs_give_what_the_whole_gives(monkeypatch, count):
    marks = blobs(5, np.uint16, (count, 20, 21))
    labels = Labels.from_labelmap(marks)
    whole = rows_of(labels, marks)
    monkeypatch.setattr(one_pass, "SLAB_VOXELS", 20 * 21 * 3)
    for one, other in zip(rows_of(labels, marks), whole, strict=True):
        assert one.keys() == other.keys() and one["status"] == other["status"]
        for key in one.keys() - {"segment", "status"}:
            assert one[key] == pytest.approx(other[key], rel=1e-9), key


def test_overlapping_segments_and_equal_values_in_two_layers_are_told_apart():
    one, two = np.zeros((8, 8, 8), np.uint8), np.zeros((8, 8, 8), np.uint8)
    one[1:5, 1:5, 1:5], two[2:7, 2:7, 2:7] = 1, 1
    segments = (Segment("b", "B", (1.0, 0.0, 0.0), 1, 1), Segment("a", "A", (0.0, 1.0, 0.0), 0, 1))
    rows = rows_of(Labels((sitk.GetImageFromArray(one), sitk.GetImageFromArray(two)), segments))
    assert [(row["segment"], row["voxels"]) for row in rows] == [("B", 125), ("A", 64)]


def test_a_segment_at_the_border_is_flagged_and_an_empty_one_has_a_reason():
    array = np.zeros((6, 7, 8), np.uint8)
    array[0:2, 2:4, 2:4], array[3:5, 2:4, 2:4] = 1, 2
    segments = tuple(Segment(str(v), str(v), (1.0, 0.0, 0.0), 0, v) for v in (1, 2, 3))
    labels, image = Labels((sitk.GetImageFromArray(array),), segments), sitk.GetImageFromArray(array.astype(float))
    result = execute(MeasureSegments(), {"labels": labels, "image": image})
    rows = result.outputs["table"].rows
    assert [warning.split(":")[0] for warning in result.warnings] == ["3", "1"]
    assert [row["status"] for row in rows] == ["touches_border", "", "empty_region"]
    assert rows[2]["voxels"] == 0 and np.isnan(rows[2]["volume_ml"]) and np.isnan(rows[2]["mean"])


def test_a_single_voxel_and_a_line_have_what_is_defined():
    array = np.zeros((5, 5, 9), np.uint8)
    array[2, 2, 2], array[2, 4, 1:8] = 1, 2
    single, line = rows_of(Labels.from_labelmap(sitk.GetImageFromArray(array)))
    assert single["status"] == "single_voxel" and np.isnan(single["elongation"])
    assert single["max_diameter_mm"] == pytest.approx(1)
    assert line["elongation"] == 0 and line["max_diameter_mm"] == pytest.approx(7)


def test_two_dimensions_have_an_area_and_no_volume():
    array = np.zeros((20, 30), np.uint8)
    array[4:8, 5:25] = 3
    image = sitk.GetImageFromArray(array)
    image.SetSpacing((0.5, 2.0))
    row = rows_of(Labels.from_labelmap(image))[0]
    assert row["area_mm2"] == 80 and "volume_ml" not in row and row["status"] == ""
    assert row["elongation"] == pytest.approx(np.sqrt((4**2 - 1) * 4 / ((20**2 - 1) * 0.25)))


def test_labels_on_another_grid_take_intensities_there_and_shapes_from_their_own():
    marks = blobs(3)
    fine = sitk.Expand(sitk.Cast(marks, sitk.sitkFloat64), [2, 2, 2], sitk.sitkNearestNeighbor)
    result = execute(MeasureSegments(), {"labels": Labels.from_labelmap(marks), "image": fine})
    plain = rows_of(Labels.from_labelmap(marks))
    for row, own in zip(result.outputs["table"].rows, plain, strict=True):
        assert row["volume_ml"] == own["volume_ml"]
        value = int(row["segment"].removeprefix("Segment_"))
        assert (row["mean"], row["sd"]) == (value, 0)
    assert any("resampled" in warning for warning in result.warnings)


def test_a_hundred_segments_are_measured_in_one_pass():
    rng = np.random.default_rng(1)
    points = rng.uniform(0, 128, (100, 3))
    from scipy.spatial import cKDTree

    near = cKDTree(points).query(np.stack(np.indices((128,) * 3), axis=-1).reshape(-1, 3))[1].reshape((128,) * 3)
    labels = Labels.from_labelmap(sitk.GetImageFromArray((near + 1).astype(np.uint8)))
    image = sitk.GetImageFromArray(rng.normal(0, 1, near.shape).astype(np.float32))
    rows = rows_of(labels, image)
    assert len(rows) == 100 and sum(row["voxels"] for row in rows) == 128**3


def test_no_segments_and_other_dimensions_are_refused():
    empty = Labels((sitk.GetImageFromArray(np.zeros((3, 3, 3), np.uint8)),), ())
    with pytest.raises(InputError, match="no segments"):
        rows_of(empty)
    labels = Labels.from_labelmap(sitk.GetImageFromArray(np.ones((3, 3, 3), np.uint8)))
    with pytest.raises(InputError, match="2-D"):
        rows_of(labels, sitk.GetImageFromArray(np.ones((3, 3), np.float32)))


def test_a_large_image_stops_within_half_a_second():
    rng = np.random.default_rng(2)
    array = rng.integers(0, 40, (200, 200, 200)).astype(np.uint8)
    labels = Labels.from_labelmap(sitk.GetImageFromArray(array))
    image = sitk.GetImageFromArray(array.astype(np.float32))
    progress, asked = Progress(), []
    timer = threading.Timer(0.5, lambda: (asked.append(time.perf_counter()), progress.cancel()))
    timer.start()
    try:
        with pytest.raises(Cancelled):
            MeasureSegments().run(labels, image, progress=progress)
        assert time.perf_counter() - asked[0] < 0.5
    finally:
        timer.cancel()
