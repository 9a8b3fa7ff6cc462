"""Moving contours on balls with known edges, in millimetres on anisotropic oblique grids; awkward starts; stops."""

from __future__ import annotations

import threading
import time

import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from medimg_testing import oblique_grid
from MedImgAnalysisLib.errors import Cancelled, InputError, ParameterError
from MedImgAnalysisLib.execution import execute
from MedImgAnalysisLib.geometry import image_like
from MedImgAnalysisLib.kernels import snakes
from MedImgAnalysisLib.progress import Progress
from MedImgAnalysisLib.segmentation import (
    CannyLevelSet,
    ChanVese,
    GeodesicActiveContour,
    LaplacianLevelSet,
    MorphologicalSnake,
    ShapeDetection,
    ThresholdLevelSet,
)
from MedImgAnalysisLib.values import Landmarks

RADIUS_MM = 15.0
EXTENT_MM = 44.0


def ball(spacing: tuple[float, ...], contrast: float = 100.0, noise: float = 8.0) -> tuple[sitk.Image, np.ndarray]:
    """A noisy image of a ball on an oblique grid, and where the ball is."""
    size = [int(EXTENT_MM / s) for s in reversed(spacing)]
    index = np.indices(size).astype(float)
    squares = sum(((a - (n - 1) / 2) * s) ** 2 for a, n, s in zip(index, size, reversed(spacing), strict=True))
    inside = squares < RADIUS_MM**2
    array = contrast * inside + np.random.default_rng(1).normal(0, noise, inside.shape)
    image = sitk.GetImageFromArray(array.astype(np.float32))
    if image.GetDimension() == 3:
        image = oblique_grid(image)
    image.SetSpacing(spacing)
    return image, inside


def middle(image: sitk.Image) -> Landmarks:
    centre = image.TransformContinuousIndexToPhysicalPoint([(n - 1) / 2 for n in image.GetSize()])
    return Landmarks(("Middle",), np.array([[*centre, 0.0][:3]]))


def dice(a: np.ndarray, b: np.ndarray) -> float:
    return 2 * np.count_nonzero(a & b) / (np.count_nonzero(a) + np.count_nonzero(b))


def found(outputs: dict) -> np.ndarray:
    return sitk.GetArrayFromImage(outputs["labels"].layers[0]) != 0


CASES = [
    (GeodesicActiveContour(start_radius_mm=7.0), 0.97),
    (GeodesicActiveContour(start_radius_mm=21.0, expansion=-1.0), 0.97),
    (ShapeDetection(start_radius_mm=7.0), 0.93),
    (ThresholdLevelSet(start_radius_mm=7.0, lower=50.0, upper=150.0), 0.985),
    (LaplacianLevelSet(start_radius_mm=12.5), 0.96),
    (LaplacianLevelSet(start_radius_mm=17.0), 0.96),
    (CannyLevelSet(start_radius_mm=11.0), 0.96),
    (CannyLevelSet(start_radius_mm=18.0), 0.96),
    (MorphologicalSnake(start_radius_mm=7.0), 0.97),
    (MorphologicalSnake(start_radius_mm=7.0, by="edges"), 0.95),
    (MorphologicalSnake(start_radius_mm=20.0, by="edges", push="inwards"), 0.95),
]


@pytest.mark.parametrize("spacing", [(1.0, 1.0, 1.0), (1.0, 1.2, 3.0)], ids=["cubes", "thick slices"])
@pytest.mark.parametrize(("operation", "least"), CASES, ids=lambda one: getattr(one, "name", None))
def test_a_ball_is_found_from_inside_and_outside(operation, least, spacing):
    image, inside = ball(spacing)
    outputs = execute(operation, {"image": image, "start_points": middle(image)}).outputs
    assert dice(found(outputs), inside) > least
    row = outputs["table"].rows[0]
    assert row["at_rest"] == "yes" and row["iterations"] < 500
    assert row["working_spacing_mm"] == min(spacing)
    changed = outputs["curves"].series[0].y
    assert changed[-1] <= 0.2 < changed[0]
    assert row["volume_ml"] == pytest.approx(4 / 3 * np.pi * RADIUS_MM**3 / 1000, rel=0.12)


@pytest.mark.parametrize(("operation", "least"), CASES, ids=lambda one: getattr(one, "name", None))
def test_dark_balls_and_other_units_give_the_same_contour(operation, least):
    image, inside = ball((1.0, 1.0, 2.0), contrast=-100.0)
    scaled = sitk.ShiftScale(image, 1000.0, 0.01)
    changes = {"object": "dark"} if operation.name == "laplacian_level_set" else {}
    if operation.name == "threshold_level_set":
        changes = {"lower": (1000 - 150) * 0.01, "upper": (1000 - 50) * 0.01}
    turned = type(operation)(**(operation.values() | changes))
    outputs = execute(turned, {"image": scaled, "start_points": middle(image)}).outputs
    assert dice(found(outputs), inside) > least - 0.01


def test_two_dimensional_images_have_contours_too():
    image, inside = ball((1.0, 0.7))
    for operation in (GeodesicActiveContour(start_radius_mm=7.0), MorphologicalSnake(start_radius_mm=7.0)):
        outputs = execute(operation, {"image": image, "start_points": middle(image)}).outputs
        assert dice(found(outputs), inside) > 0.95


@pytest.mark.parametrize("thickness", [0.5, 5.0])
def test_one_slice_has_the_contour_of_two_dimensions(thickness):
    plane, inside = ball((1.0, 1.0))
    slice_ = sitk.GetImageFromArray(sitk.GetArrayFromImage(plane)[None])
    slice_.SetSpacing((1.0, 1.0, thickness))
    for operation in (ThresholdLevelSet(lower=50.0, upper=150.0, start_radius_mm=7.0), MorphologicalSnake()):
        result = execute(operation, {"image": slice_, "start_points": middle(slice_)})
        flat = execute(operation, {"image": plane, "start_points": middle(plane)})
        assert dice(found(result.outputs)[0], found(flat.outputs)) > 0.99
        assert dice(found(flat.outputs), inside) > 0.97
        assert not any("finer ones" in sentence for sentence in result.warnings)


def test_a_painted_start_and_a_mask_are_honoured():
    image, inside = ball((1.0, 1.0, 1.0))
    half = inside.copy()
    half[:, :, half.shape[2] // 2 :] = False
    mask = np.zeros(inside.shape, np.uint8)
    mask[:, :, : half.shape[2] // 2] = 1
    start = np.zeros(inside.shape, np.uint8)
    start[20:28, 20:28, 15:20] = 1
    inputs = {"image": image, "start": image_like(start, image), "mask": image_like(mask, image)}
    for operation in (GeodesicActiveContour(), MorphologicalSnake(), ThresholdLevelSet(lower=50, upper=150)):
        segment = found(execute(operation, inputs).outputs)
        assert not segment[mask == 0].any()
        assert dice(segment, half) > 0.93


@pytest.mark.parametrize("smoothness", [0.5, 3.0])
@pytest.mark.parametrize("spacing", [(1.0, 1.0, 1.0), (1.0, 1.2, 3.0)], ids=["cubes", "thick slices"])
def test_two_even_regions_are_parted_in_heavy_noise(spacing, smoothness):
    image, inside = ball(spacing, noise=40.0)
    outputs = execute(ChanVese(smoothness_mm=smoothness), {"image": image}).outputs
    assert dice(found(outputs), inside) > (0.97 if smoothness > 1 else 0.75)
    energy = outputs["curves"].series[0].y
    assert (np.diff(energy) <= 1e-6).all()
    if smoothness > 1:
        assert outputs["table"].rows[0]["mean_inside"] == pytest.approx(100, abs=3)
        assert outputs["table"].rows[0]["mean_outside"] == pytest.approx(0, abs=3)


@pytest.mark.parametrize("smoothness", [1.0, 4.0])
def test_the_energy_falls_in_masks_of_any_shape(smoothness):
    from scipy.ndimage import gaussian_filter

    image, inside = ball((2.0, 2.0, 2.0), noise=60.0)
    for seed in range(4):
        mask = gaussian_filter(np.random.default_rng(seed).normal(0, 1, inside.shape), 2.0) > 0
        inputs = {"image": image, "mask": image_like(mask.astype(np.uint8), image)}
        energy = execute(ChanVese(smoothness_mm=smoothness), inputs).outputs["curves"].series[0].y
        assert len(energy) > 2 and (np.diff(energy) <= 1e-6).all()


def test_even_regions_have_no_need_of_smoothness_without_noise():
    image, inside = ball((1.0, 1.0, 1.0), noise=0.0)
    np.testing.assert_array_equal(found(execute(ChanVese(smoothness_mm=0.0), {"image": image}).outputs), inside)
    dark = execute(ChanVese(smoothness_mm=0.0, side="dark"), {"image": image}).outputs
    np.testing.assert_array_equal(found(dark), ~inside)


@given(hnp.arrays(bool, hnp.array_shapes(min_dims=2, max_dims=3, min_side=2, max_side=8)), st.integers(0, 1000))
def test_the_steps_are_those_of_scikit_image(mask, seed):
    segmentation = pytest.importorskip("skimage.segmentation")
    image = np.random.default_rng(seed).normal(0, 1, mask.shape)
    peer = segmentation.morphological_chan_vese(image, num_iter=1, init_level_set=mask, smoothing=0)
    np.testing.assert_array_equal(snakes.attach_to_regions(mask, image, 1.0, 1.0), peer != 0)
    speed = 1 / (1 + image**2)
    peer = segmentation.morphological_geodesic_active_contour(
        speed, num_iter=1, init_level_set=mask, smoothing=0, threshold=0.5, balloon=1
    )
    pushed = snakes.push(mask, True, speed > 0.5)
    np.testing.assert_array_equal(snakes.attach_to_edges(pushed, np.gradient(speed)), peer != 0)


@given(hnp.arrays(bool, hnp.array_shapes(min_dims=2, max_dims=3, max_side=8)))
def test_smoothing_is_that_of_scikit_image(mask):
    peer = pytest.importorskip("skimage.segmentation.morphsnakes")
    values = mask.astype(np.int8)
    np.testing.assert_array_equal(snakes.supremum_of_erosions(mask), peer.sup_inf(values) != 0)
    np.testing.assert_array_equal(snakes.infimum_of_dilations(mask), peer.inf_sup(values) != 0)


LEVEL_SETS = [GeodesicActiveContour(), ShapeDetection(), ThresholdLevelSet(), LaplacianLevelSet(), CannyLevelSet()]


@pytest.mark.parametrize("operation", [*LEVEL_SETS, MorphologicalSnake()], ids=lambda one: one.name)
def test_awkward_starts_are_explained(operation):
    image, _ = ball((2.0, 2.0, 2.0))
    with pytest.raises(InputError, match="There are no starting voxels"):
        execute(operation, {"image": image})
    far = Landmarks(("Far",), np.array([[1e4, 0.0, 0.0]]))
    with pytest.raises(InputError, match="Far lie outside the image"):
        execute(operation, {"image": image, "start_points": far})
    everything = sitk.Add(sitk.Cast(sitk.Multiply(image, 0.0), sitk.sitkUInt8), 1)
    with pytest.raises(InputError, match="fills the whole region"):
        execute(operation, {"image": image, "start": everything})
    constant = sitk.Multiply(image, 0.0)
    with pytest.raises(InputError, match="constant"):
        execute(operation, {"image": constant, "start_points": middle(image)})


def test_a_contour_that_vanishes_or_is_cut_off_is_said():
    image, _ = ball((1.0, 1.0, 1.0))
    with pytest.raises(InputError, match="shrank to nothing"):
        execute(ThresholdLevelSet(lower=500.0, upper=600.0), {"image": image, "start_points": middle(image)})
    cut = execute(
        ThresholdLevelSet(lower=50, upper=150, margin_mm=4.0), {"image": image, "start_points": middle(image)}
    )
    assert any("enlarge margin_mm" in sentence for sentence in cut.warnings)
    short = execute(GeodesicActiveContour(iterations=15), {"image": image, "start_points": middle(image)})
    assert any("still moved after 15 iterations" in sentence for sentence in short.warnings)
    assert short.outputs["table"].rows[0]["at_rest"] == "no"


def test_slopes_too_small_for_numbers_are_no_edges():
    image, _ = ball((2.0, 2.0, 2.0))
    with pytest.raises(InputError, match="no slope"):
        execute(GeodesicActiveContour(), {"image": sitk.Multiply(image, 1e-30), "start_points": middle(image)})


@pytest.mark.parametrize("operation", [*LEVEL_SETS, MorphologicalSnake(by="edges")], ids=lambda one: one.name)
def test_without_iterations_the_speed_is_shown_and_the_start_kept(operation):
    image, _ = ball((1.0, 1.0, 1.0))
    settings = operation.values() | {"start_radius_mm": 12.5}
    inputs = {"image": image, "start_points": middle(image)}
    result = execute(type(operation)(**(settings | {"iterations": 0})), inputs)
    moved = execute(type(operation)(**settings), inputs)
    speeds = [sitk.GetArrayFromImage(one.outputs["speed"]) for one in (result, moved)]
    np.testing.assert_array_equal(*speeds)
    assert np.ptp(speeds[0]) > 0
    row = result.outputs["table"].rows[0]
    assert row["iterations"] == 0 and row["at_rest"] == "no"
    assert row["volume_ml"] == pytest.approx(4 / 3 * np.pi * 12.5**3 / 1000, rel=0.05)
    assert not any("still moved" in sentence for sentence in result.warnings)


def test_impossible_settings_are_refused():
    with pytest.raises(ParameterError, match="lower must be smaller"):
        ThresholdLevelSet(lower=2.0, upper=2.0)
    image, _ = ball((2.0, 2.0, 2.0))
    with pytest.raises(InputError, match="No slope is above"):
        execute(CannyLevelSet(edge=1e6), {"image": image, "start_points": middle(image)})
    with pytest.raises(InputError, match="vanished"):
        execute(ChanVese(smoothness_mm=50.0), {"image": image})


@pytest.mark.parametrize("operation", [*LEVEL_SETS, MorphologicalSnake(), ChanVese()], ids=lambda one: one.name)
def test_a_long_evolution_stops_at_once(operation):
    image, _ = ball((0.4, 0.4, 0.4))
    settings = {"start_radius_mm": 7.0, "rest_percent": 0.0} if "rest_percent" in operation.values() else {}
    inputs = {"image": image} | ({"start_points": middle(image)} if settings else {})
    progress = Progress()
    asked: list[float] = []
    timer = threading.Timer(0.8, lambda: (asked.append(time.perf_counter()), progress.cancel()))
    timer.start()
    try:
        execute(type(operation)(**(operation.values() | settings)), inputs, progress=progress)
    except Cancelled:
        assert time.perf_counter() - asked[0] < 0.5
    finally:
        timer.cancel()
