"""Growing from seeds against ITK's filters, closed forms and awkward seeds."""

from __future__ import annotations

import threading
import time
import tracemalloc

import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given
from hypothesis import strategies as st
from medimg_testing import oblique_grid
from MedImgAnalysisLib.errors import Cancelled, InputError, ParameterError
from MedImgAnalysisLib.execution import execute
from MedImgAnalysisLib.geometry import image_like
from MedImgAnalysisLib.progress import Progress
from MedImgAnalysisLib.segmentation import (
    FastMarching,
    GrowConfidence,
    GrowConnected,
    GrowIsolated,
    GrowNeighbourhood,
)
from MedImgAnalysisLib.values import Landmarks


def blobs(seed: int = 1, shape: tuple[int, ...] = (14, 18, 22)) -> sitk.Image:
    from scipy.ndimage import gaussian_filter

    noise = gaussian_filter(np.random.default_rng(seed).normal(0, 1, shape), 2.0)
    return oblique_grid(sitk.GetImageFromArray((100 * noise / noise.std()).astype(np.float32)))


def point(image: sitk.Image, *index: int, name: str = "Here") -> Landmarks:
    return Landmarks((name,), np.array([image.TransformIndexToPhysicalPoint(list(index))]))


def grown(operation, **inputs) -> np.ndarray:
    return sitk.GetArrayFromImage(execute(operation, inputs).outputs["labels"].layers[0]) != 0


def brightest(image: sitk.Image) -> list[int]:
    array = sitk.GetArrayViewFromImage(image)
    return [int(n) for n in reversed(np.unravel_index(array.argmax(), array.shape))]


@given(st.integers(0, 1000), st.floats(-50, 50), st.booleans())
def test_growing_by_range_is_that_of_itk(seed, lower, corners):
    image = blobs(seed)
    at = brightest(image)
    peer = sitk.ConnectedThresholdImageFilter()
    peer.SetLower(lower)
    peer.SetUpper(1e6)
    peer.AddSeed(at)
    peer.SetConnectivity(int(corners))
    own = grown(GrowConnected(lower=lower, upper=1e6, corners=corners), image=image, seed_points=point(image, *at))
    np.testing.assert_array_equal(own, sitk.GetArrayFromImage(peer.Execute(image)) != 0)


@given(st.integers(0, 1000), st.floats(0.5, 2.0), st.integers(0, 4), st.integers(1, 2))
def test_growing_by_confidence_is_that_of_itk(seed, multiplier, iterations, radius):
    image = blobs(seed)
    image.SetSpacing((1.0, 1.0, 1.0))
    at = [max(3, min(n, size - 4)) for n, size in zip(brightest(image), image.GetSize(), strict=True)]
    peer = sitk.ConfidenceConnectedImageFilter()
    peer.SetMultiplier(multiplier)
    peer.SetNumberOfIterations(iterations)
    peer.SetInitialNeighborhoodRadius(radius)
    peer.AddSeed(at)
    operation = GrowConfidence(multiplier=multiplier, iterations=iterations, radius_mm=float(radius))
    own = grown(operation, image=image, seed_points=point(image, *at))
    assert np.count_nonzero(own != (sitk.GetArrayFromImage(peer.Execute(image)) != 0)) <= 0.002 * own.size


@given(st.integers(0, 1000), st.floats(-100, 20), st.integers(0, 2))
def test_growing_through_wide_places_is_that_of_itk(seed, lower, radius):
    image = blobs(seed)
    image.SetSpacing((1.0, 1.0, 1.0))
    at = brightest(image)
    peer = sitk.NeighborhoodConnectedImageFilter()
    peer.SetLower(lower)
    peer.SetUpper(1e6)
    peer.SetRadius([radius] * 3)
    peer.AddSeed(at)
    operation = GrowNeighbourhood(lower=lower, upper=1e6, radius_mm=float(radius), restore=False)
    box = tuple(slice(max(0, n - radius), n + radius + 1) for n in reversed(at))
    if sitk.GetArrayViewFromImage(image)[box].min() < lower:
        # ITK grows from seeds that do not fulfil the condition themselves; that would look like a result.
        with pytest.raises(InputError, match="No seed lies"):
            grown(operation, image=image, seed_points=point(image, *at))
        return
    expected = sitk.GetArrayFromImage(peer.Execute(image)) != 0
    np.testing.assert_array_equal(grown(operation, image=image, seed_points=point(image, *at)), expected)


def two_balls(bridge: float) -> tuple[sitk.Image, Landmarks, Landmarks]:
    """Balls of 100 and 90 in air, joined by a bar of `bridge`, with 1 x 1 x 2 mm voxels."""
    k, j, i = np.indices((20, 40, 70), float)
    distance = [np.sqrt((2 * (k - 10)) ** 2 + (j - 20) ** 2 + (i - x) ** 2) for x in (18, 52)]
    array = np.zeros((20, 40, 70), np.float32)
    array[10, 20, 18:52] = bridge
    array[distance[0] < 12] = 100
    array[distance[1] < 12] = 90
    image = sitk.GetImageFromArray(array)
    image.SetSpacing((1.0, 1.0, 2.0))
    return image, point(image, 18, 20, 10), point(image, 52, 20, 10)


def test_a_narrow_bridge_leaks_by_range_and_not_through_wide_places():
    image, first, _ = two_balls(bridge=95.0)
    array = sitk.GetArrayViewFromImage(image)
    np.testing.assert_array_equal(grown(GrowConnected(lower=85, upper=110), image=image, seed_points=first), array > 85)
    wide = grown(GrowNeighbourhood(lower=85, upper=110, radius_mm=2.0), image=image, seed_points=first)
    assert np.count_nonzero(wide & (array == 90)) == 0
    assert np.count_nonzero(wide & (array == 100)) > 0.9 * np.count_nonzero(array == 100)


@pytest.mark.parametrize("bridge", [40.0, 75.0, 88.0])
def test_the_value_that_keeps_seeds_apart_is_that_of_the_weakest_link(bridge):
    image, first, second = two_balls(bridge)
    outputs = execute(GrowIsolated(), {"image": image, "seed_points": first, "other_points": second}).outputs
    row = outputs["table"].rows[0]
    assert bridge < row["lower"] <= bridge + 0.1 + 1e-9
    chosen = sitk.GetArrayFromImage(outputs["labels"].layers[0]) != 0
    np.testing.assert_array_equal(chosen, sitk.GetArrayViewFromImage(image) == 100)
    dark = sitk.Multiply(image, -1.0)
    turned = execute(GrowIsolated(find="upper"), {"image": dark, "seed_points": first, "other_points": second})
    assert turned.outputs["table"].rows[0]["upper"] == pytest.approx(-row["lower"])


def test_seeds_that_nothing_can_keep_apart_are_refused():
    image, first, second = two_balls(95.0)
    with pytest.raises(InputError, match="connected already"):
        execute(GrowIsolated(), {"image": image, "seed_points": second, "other_points": first})
    with pytest.raises(InputError, match="share 1 voxels"):
        execute(GrowIsolated(), {"image": image, "seed_points": first, "other_points": first})


def test_arrival_times_are_distances_where_nothing_slows_the_front():
    """A first-order scheme: within half a voxel and 5 percent of the distance, in millimetres on anisotropic voxels."""
    array = np.zeros((24, 40, 40), np.float32)
    array[:, :, -1] = 100
    image = sitk.GetImageFromArray(array)
    image.SetSpacing((0.8, 1.0, 2.5))
    outputs = execute(
        FastMarching(reach_mm=14.0, sigma_mm=0.0, edge=5.0), {"image": image, "seed_points": point(image, 18, 20, 12)}
    ).outputs
    k, j, i = np.indices(array.shape)
    distance = np.sqrt((2.5 * (k - 12)) ** 2 + (j - 20.0) ** 2 + (0.8 * (i - 18)) ** 2)
    arrival = sitk.GetArrayFromImage(outputs["arrival"])
    near = (distance < 12) & (i < 36)
    assert np.abs(arrival - distance)[near].max() < 0.05 * 12 + 1.25
    assert arrival[~(distance < 16)].min() == 14.0
    assert np.unique(sitk.GetArrayFromImage(outputs["speed"])[near]) == 1.0


def test_a_front_stops_at_an_edge():
    k, j, i = np.indices((30, 30, 30)) - 14.5
    ball = k**2 + j**2 + i**2 < 9**2
    image = oblique_grid(sitk.GetImageFromArray((200.0 * ball).astype(np.float32)))
    image.SetSpacing((1.0, 1.0, 1.0))
    found = grown(
        FastMarching(reach_mm=11.5, sigma_mm=0.5, edge=20.0), image=image, seed_points=point(image, 14, 14, 14)
    )
    inner = k**2 + j**2 + i**2 < 7.5**2
    assert found[inner].all() and not found[~ball].any()


def test_seeds_may_be_painted_on_another_grid_and_points_at_the_border_count():
    image, first, _ = two_balls(0.0)
    painted = sitk.GetImageFromArray(np.ones((3, 3, 3), np.uint8))
    painted.SetSpacing((0.5, 0.5, 0.5))
    painted.SetOrigin(first.points[0] - 0.5)
    by_point = grown(GrowConnected(widen=1.0), image=image, seed_points=first)
    np.testing.assert_array_equal(grown(GrowConnected(widen=1.0), image=image, seeds=painted), by_point)
    edge = Landmarks(("Edge",), np.array([image.TransformContinuousIndexToPhysicalPoint((-0.4, 0.0, 0.0))]))
    assert not (grown(GrowConnected(widen=1.0), image=image, seed_points=edge) & by_point).any()


OPERATIONS = [GrowConnected(), GrowConfidence(), GrowNeighbourhood(), FastMarching()]


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda one: one.name)
def test_missing_and_misplaced_seeds_are_explained(operation):
    image, first, _ = two_balls(0.0)
    with pytest.raises(InputError, match="There are no seeds"):
        execute(operation, {"image": image})
    with pytest.raises(InputError, match="Lost lie outside the image"):
        execute(operation, {"image": image, "seed_points": point(image, 500, 0, 0, name="Lost")})
    elsewhere = image_like((sitk.GetArrayViewFromImage(image) == 90).astype(np.uint8), image)
    with pytest.raises(InputError, match=r"lie outside the mask|No seed lies"):
        execute(operation, {"image": image, "seed_points": first, "mask": elsewhere})


def test_limits_are_compared_in_the_precision_of_the_image():
    array = np.zeros((6, 8, 8), np.float32)
    array[2:4, 2:6, 2:6] = 0.1
    image = sitk.GetImageFromArray(array)
    # As a float64 the voxel is larger than 0.1.
    found = grown(GrowConnected(lower=0.05, upper=0.1), image=image, seed_points=point(image, 3, 3, 3))
    np.testing.assert_array_equal(found, array > 0)


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda one: one.name)
def test_seeds_outside_the_mask_do_not_count(operation):
    """Not even beside its border, from where a front could get in."""
    array = np.zeros((12, 20, 30), np.float32)
    array += np.random.default_rng(1).normal(100, 1, array.shape)
    image = sitk.GetImageFromArray(array)
    mask = np.zeros(array.shape, np.uint8)
    mask[:, :8], mask[:, 10:] = 1, 1
    both = Landmarks(("A", "B"), np.array([[15.0, 4.0, 6.0], [15.0, 9.0, 6.0]]))
    inputs = {"image": image, "mask": sitk.GetImageFromArray(mask)}
    result = execute(operation, inputs | {"seed_points": both})
    assert not sitk.GetArrayFromImage(result.outputs["labels"].layers[0])[:, 8:].any()
    assert "1 of 2 seeds lie outside the mask and do not count." in result.warnings
    with pytest.raises(InputError, match="lie outside the mask"):
        execute(operation, inputs | {"seed_points": point(image, 15, 8, 6)})


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda one: one.name)
def test_a_large_painted_seed_takes_little_memory_and_holds_all_of_itself(operation):
    rng = np.random.default_rng(2)
    array = rng.normal(100, 5, (60, 60, 60)).astype(np.float32)
    image = sitk.GetImageFromArray(array)
    image.SetSpacing((0.25, 0.25, 0.25))
    painted = np.zeros(array.shape, np.uint8)
    painted[5:55, 5:55, 5:55] = 1
    tracemalloc.start()
    try:
        found = grown(operation, image=image, seeds=image_like(painted, image))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 20 * array.nbytes
    assert np.count_nonzero(found[painted > 0]) > 0.99 * np.count_nonzero(painted)


def test_the_first_range_is_that_of_all_voxels_around_the_seeds_each_once():
    image = blobs()
    image.SetSpacing((1.0, 1.0, 1.0))
    array = sitk.GetArrayFromImage(image)
    at = np.array([[3, 4, 5], [3, 4, 6], [0, 17, 21]])
    points = Landmarks(tuple("ABC"), np.array([image.TransformIndexToPhysicalPoint(p[::-1].tolist()) for p in at]))
    row = execute(GrowConfidence(iterations=0, multiplier=3.0), {"image": image, "seed_points": points}).outputs[
        "table"
    ]
    near = np.zeros(array.shape, bool)
    for k, j, i in at:
        near[max(0, k - 2) : k + 3, max(0, j - 2) : j + 3, max(0, i - 2) : i + 3] = True
    own, around = array[tuple(at.T)], array[near].astype(float)
    assert row.rows[0]["lower"] == pytest.approx(min(own.min(), around.mean() - 3 * around.std(ddof=1)), rel=1e-5)
    assert row.rows[0]["upper"] == pytest.approx(max(own.max(), around.mean() + 3 * around.std(ddof=1)), rel=1e-5)


def test_what_looks_like_a_leak_is_said():
    image, first, _ = two_balls(0.0)
    kept = execute(GrowConnected(lower=95, upper=110), {"image": image, "seed_points": first})
    assert not any("leaked" in sentence for sentence in kept.warnings)
    leaked = execute(GrowConnected(lower=-1, upper=110), {"image": image, "seed_points": first})
    assert any("100 % of the image" in sentence and "leaked" in sentence for sentence in leaked.warnings)
    array = np.zeros((20, 20, 20), np.uint8)
    array[10, 10], array[10, :, 10], array[:, 10, 10] = 1, 1, 1
    cross = sitk.GetImageFromArray(array)
    through = execute(GrowConnected(), {"image": cross, "seed_points": point(cross, 10, 10, 10)})
    assert any("from side to side along every axis" in sentence for sentence in through.warnings)


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda one: one.name)
def test_progress_only_goes_forward(operation):
    image, first, _ = two_balls(0.0)
    large = sitk.Expand(image, [3, 3, 4])
    seen: list[float] = []
    noisy = sitk.AdditiveGaussianNoise(sitk.Cast(large, sitk.sitkFloat32), 1.0, 0.0, 1)
    execute(operation, {"image": noisy, "seed_points": first}, progress=Progress(lambda part, _: seen.append(part)))
    assert seen == sorted(seen) and seen[-1] == 1.0


def test_a_range_without_the_seeds_is_refused_with_their_values():
    image, first, second = two_balls(0.0)
    with pytest.raises(InputError, match="from 100 to 100"):
        execute(GrowConnected(lower=0, upper=50), {"image": image, "seed_points": first})
    with pytest.raises(ParameterError, match="lower must not be larger"):
        GrowConnected(lower=2.0, upper=1.0)
    both = Landmarks(("A", "B"), np.concatenate([first.points, second.points]))
    result = execute(GrowConnected(lower=95, upper=110), {"image": image, "seed_points": both})
    assert any("1 of 2 seeds" in sentence for sentence in result.warnings)


def test_two_dimensional_images_grow_too():
    array = np.zeros((30, 30), np.int16)
    array[5:15, 5:20] = 50
    image = sitk.GetImageFromArray(array)
    seed = Landmarks(("A",), np.array([[10.0, 10.0, 0.0]]))
    np.testing.assert_array_equal(grown(GrowConnected(), image=image, seed_points=seed), array == 50)


def test_large_label_like_and_whole_number_images_keep_their_values():
    array = np.zeros((6, 8, 8), np.uint16)
    array[2:4, 2:6, 2:6] = 60000
    image = sitk.GetImageFromArray(array)
    np.testing.assert_array_equal(grown(GrowConnected(), image=image, seed_points=point(image, 3, 3, 3)), array > 0)


@pytest.mark.parametrize("operation", [*OPERATIONS[:3], FastMarching(reach_mm=150.0)], ids=lambda one: one.name)
def test_growing_through_a_large_image_stops_at_once(operation):
    rng = np.random.default_rng(1)
    image = sitk.GetImageFromArray(rng.normal(100, 5, (160, 200, 200)).astype(np.float32))
    seed = Landmarks(("A",), np.array([[100.0, 100.0, 80.0]]))
    progress = Progress()
    asked: list[float] = []
    timer = threading.Timer(0.4, lambda: (asked.append(time.perf_counter()), progress.cancel()))
    timer.start()
    try:
        execute(operation, {"image": image, "seed_points": seed}, progress=progress)
    except Cancelled:
        assert time.perf_counter() - asked[0] < 0.5
    finally:
        timer.cancel()
