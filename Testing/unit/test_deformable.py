"""The deformable stage finds known fields, never folds, and says what it does."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
import pytest
import SimpleITK as sitk
from medimg_testing import oblique_grid
from MedImgAnalysisLib.blockwise import set_thread_count, thread_count
from MedImgAnalysisLib.errors import Cancelled, InputError
from MedImgAnalysisLib.geometry import Grid, image_like
from MedImgAnalysisLib.progress import SILENT, Progress
from MedImgAnalysisLib.registration import deformable
from MedImgAnalysisLib.registration.definition import displacement, undefined_points
from MedImgAnalysisLib.registration.deformable import DeformableSettings, level_spacings, refine_deformable
from MedImgAnalysisLib.registration.jacobian import jacobian_determinant
from registration_testing import field
from scipy import ndimage

QUICK = DeformableSettings(finest_mm=0.0)


def texture(grid: Grid, seed: int = 1, sigma_mm: float = 2.5) -> sitk.Image:
    """Random blobs of one size in mm."""
    noise = np.random.default_rng(seed).normal(size=grid.size[::-1])
    blobs = ndimage.gaussian_filter(noise, [sigma_mm / s for s in grid.spacing_kji])
    return image_like((100 * blobs / blobs.std()).astype(np.float32), grid)


def grid_3d(size: tuple[int, ...] = (60, 44, 24)) -> Grid:
    return Grid.of(oblique_grid(sitk.Image(size, sitk.sitkUInt8)))


def grid_2d() -> Grid:
    return Grid.of(oblique_grid(sitk.Image((90, 70), sitk.sitkUInt8)))


def waves(grid: Grid, height_mm: float = 3.0, length_mm: float = 60.0) -> sitk.DisplacementFieldTransform:
    """A smooth field, different along every axis."""
    middle = grid.to_physical(np.array([np.array(grid.size) / 2]))[0]
    d = grid.dimension

    def displacement(points: np.ndarray) -> np.ndarray:
        phase = 2 * np.pi * (points - middle) / length_mm
        return height_mm * np.stack([np.sin(phase[:, (a + 1) % d] + a) * np.cos(phase[:, a]) for a in range(d)], axis=1)

    return field(grid, displacement)


def turned(grid: Grid) -> sitk.Transform:
    """A linear transform that is no identity, about the middle of the grid."""
    middle = grid.to_physical(np.array([np.array(grid.size) / 2]))[0].tolist()
    transform = sitk.AffineTransform(grid.dimension)
    transform.SetCenter(middle)
    matrix = np.eye(grid.dimension)
    matrix[0, 1], matrix[1, 0], matrix[0, 0] = 0.15, -0.1, 1.05
    transform.SetMatrix(matrix.ravel().tolist())
    transform.SetTranslation([2.0, -3.0, 4.0][: grid.dimension])
    return transform


def case(grid: Grid, linear: sitk.Transform | None = None) -> tuple[sitk.Image, sitk.Image, sitk.Transform]:
    """Fixed image, moving image and the true transform, linear after field."""
    inner = waves(grid)
    truth = inner if linear is None else sitk.CompositeTransform([linear, inner])
    large = Grid.of(sitk.Image([n + 40 for n in grid.size], sitk.sitkUInt8))
    origin = tuple(grid.to_physical(np.full((1, grid.dimension), -20.0))[0].tolist())
    moving = texture(Grid(large.size, grid.spacing, origin, grid.direction))
    fixed = sitk.Resample(moving, grid.blank(sitk.sitkFloat32), truth, sitk.sitkBSpline, 0.0)
    return fixed, moving, truth


def errors(found: sitk.Transform, truth: sitk.Transform, grid: Grid, rim: int = 3) -> np.ndarray:
    """Distances in mm at the voxel centres that are `rim` voxels or more inside."""
    axes = [np.arange(rim, n - rim) for n in grid.size]
    index = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, grid.dimension)[::23]
    points = grid.to_physical(index).tolist()
    return np.array([np.subtract(found.TransformPoint(p), truth.TransformPoint(p)) for p in points])


def mean_error(found: sitk.Transform, truth: sitk.Transform, grid: Grid, rim: int = 3) -> float:
    return float(np.linalg.norm(errors(found, truth, grid, rim), axis=1).mean())


@pytest.fixture(scope="module")
def volume():
    grid = grid_3d()
    linear = turned(grid)
    return grid, linear, *case(grid, linear)


@pytest.fixture(scope="module")
def plane():
    grid = grid_2d()
    linear = turned(grid)
    return grid, linear, *case(grid, linear)


@pytest.fixture(scope="module")
def found(volume):
    _, linear, fixed, moving, _ = volume
    return refine_deformable(fixed, moving, linear, QUICK, SILENT)


def test_a_known_field_ahead_of_a_linear_transform_is_found_on_an_oblique_anisotropic_grid(volume, found):
    grid, linear, _, _, truth = volume
    assert mean_error(linear, truth, grid) > 1.5
    assert mean_error(found.transform, truth, grid) < 0.2
    assert found.folded_percent == 0


def test_the_result_is_one_field_over_all_of_the_fixed_grid_with_a_vector_for_every_second_voxel(volume, found):
    grid = volume[0]
    assert isinstance(found.transform, sitk.DisplacementFieldTransform)
    lattice = Grid.of(found.transform.GetDisplacementField())
    corners = lattice.to_index(grid.corners)
    assert (corners >= -0.5).all() and (corners <= np.array(lattice.size) - 0.5).all()
    assert np.allclose(lattice.direction, grid.direction)
    assert np.allclose(np.array(lattice.spacing) / grid.spacing, (2, 1, 1))
    assert not undefined_points(found.transform, grid.to_physical(np.argwhere(np.ones(grid.size))[::97])).any()


@pytest.mark.parametrize("similarity", ["mean_squares", "mutual_information"])
def test_the_other_similarities_find_the_field_too(volume, similarity):
    grid, linear, fixed, moving, truth = volume
    other = refine_deformable(fixed, moving, linear, replace(QUICK, similarity=similarity), SILENT)
    assert mean_error(other.transform, truth, grid) < 0.35


def test_inverse_contrast_makes_no_difference_to_local_correlation(volume, found):
    grid, linear, fixed, moving, _ = volume
    inverse = refine_deformable(fixed, 500 - 2 * moving, linear, QUICK, SILENT)
    assert mean_error(inverse.transform, found.transform, grid) < 0.01


def test_mutual_information_sees_through_a_relation_that_is_not_monotonic(plane):
    grid, linear, fixed, moving, truth = plane
    folded = sitk.Abs(moving - 40.0)
    settings = replace(QUICK, similarity="mutual_information", model="bspline")
    other = refine_deformable(fixed, folded, linear, settings, SILENT)
    assert mean_error(linear, truth, grid) > 1.5
    assert mean_error(other.transform, truth, grid) < 0.6


def test_a_b_spline_holds_the_field_and_the_linear_part(volume):
    grid, linear, fixed, moving, truth = volume
    spline = refine_deformable(fixed, moving, linear, replace(QUICK, model="bspline", grid_mm=8.0), SILENT)
    assert isinstance(spline.transform, sitk.BSplineTransform)
    assert mean_error(spline.transform, truth, grid, rim=0) < 0.4
    assert spline.folded_percent == 0


@pytest.mark.parametrize("model", ["demons", "bspline"])
def test_images_that_are_aligned_already_stay_so(model):
    grid = grid_3d((24, 20, 12))
    linear = turned(grid)
    moving = texture(grid)
    fixed = sitk.Resample(moving, grid.blank(sitk.sitkFloat32), linear, sitk.sitkBSpline, 0.0)
    same = refine_deformable(fixed, moving, linear, replace(QUICK, model=model), SILENT)
    inner = np.linalg.norm(errors(same.transform, linear, grid, rim=5), axis=1)
    assert inner.max() < 0.25


def test_2d_images_are_deformed_too(plane):
    grid, linear, fixed, moving, truth = plane
    flat = refine_deformable(fixed, moving, linear, QUICK, SILENT)
    assert mean_error(linear, truth, grid) > 1.5
    assert mean_error(flat.transform, truth, grid) < 0.25
    assert flat.folded_percent == 0


def smallest_determinant(transform: sitk.Transform, grid: Grid) -> float:
    """Of the Jacobian by numpy from displacements along the axes of the grid, one-sided at the border."""
    moved = sitk.TransformToDisplacementField(
        transform, sitk.sitkVectorFloat64, grid.size, grid.origin, grid.spacing, grid.direction
    )
    u = sitk.GetArrayFromImage(moved) @ np.reshape(grid.direction, (grid.dimension,) * 2)
    gradients = np.stack(
        [np.stack(np.gradient(u[..., c], *grid.spacing_kji)[::-1], axis=-1) for c in range(grid.dimension)], axis=-2
    )
    return float(np.linalg.det(gradients + np.eye(grid.dimension)).min())


@pytest.mark.parametrize("model", ["demons", "bspline"])
@pytest.mark.parametrize("dimension", [2, 3])
def test_images_that_have_nothing_in_common_do_not_make_it_fold(dimension, model):
    grid = grid_2d() if dimension == 2 else grid_3d((40, 36, 20))
    fixed, moving = texture(grid, 1, 2.0), texture(grid, 2, 2.0)
    settings = replace(QUICK, stiffness=0.02, smoothing_mm=1.5, iterations=(20,), model=model, grid_mm=4.0)
    wild = refine_deformable(fixed, moving, sitk.AffineTransform(dimension), settings, SILENT)
    assert wild.folded_percent == 0
    assert jacobian_determinant(wild.transform, grid, SILENT).values.min() > 0
    assert smallest_determinant(wild.transform, grid) > 0


def test_a_field_that_would_fold_is_smoothed_there_and_the_user_is_told(monkeypatch):
    grid = grid_2d()
    fixed, moving = texture(grid, 1), texture(grid, 2)
    levels = deformable._levels

    def crumpled(*arguments):
        level, trace = levels(*arguments)
        level.field[0, 20:22, 20:22] += 40
        return level, trace

    monkeypatch.setattr(deformable, "_levels", crumpled)
    said: list[str] = []
    progress = Progress(on_warning=said.append)
    mended = refine_deformable(fixed, moving, sitk.AffineTransform(2), QUICK, progress)
    assert mended.folded_percent == 0
    assert any("would have folded" in sentence for sentence in said)
    as_it_is = refine_deformable(fixed, moving, sitk.AffineTransform(2), replace(QUICK, folding=True), progress)
    assert as_it_is.folded_percent > 0
    assert any("folds at" in sentence for sentence in said)


def test_what_is_outside_the_fixed_mask_has_no_say(plane):
    grid, linear, fixed, moving, truth = plane
    array = sitk.GetArrayFromImage(fixed)
    half = array.shape[1] // 2
    array[:, half:] = 100 * np.random.default_rng(3).normal(size=array[:, half:].shape)
    inside = np.zeros(array.shape, np.uint8)
    inside[:, : half - 6] = 1
    mask = image_like(inside, grid)
    masked = refine_deformable(image_like(array, grid), moving, linear, QUICK, SILENT, mask)
    axes = np.stack(np.meshgrid(np.arange(3, half - 9), np.arange(3, grid.size[1] - 3), indexing="ij"), axis=-1)
    points = grid.to_physical(axes.reshape(-1, 2)[::7]).tolist()
    apart = [np.subtract(masked.transform.TransformPoint(p), truth.TransformPoint(p)) for p in points]
    assert np.linalg.norm(apart, axis=1).mean() < 0.4
    values = displacement(masked.transform, grid)
    assert np.isfinite(values).all()
    jumps = np.abs(np.diff(values, axis=1)).max()
    assert jumps < 2 * np.abs(np.diff(sitk.GetArrayFromImage(waves(grid).GetDisplacementField()), axis=1)).max()


def test_what_is_outside_the_moving_mask_has_no_say(plane):
    grid, linear, fixed, moving, truth = plane
    array = sitk.GetArrayFromImage(moving)
    half = array.shape[1] // 2
    array[:, half:] = 100 * np.random.default_rng(3).normal(size=array[:, half:].shape)
    inside = np.zeros(array.shape, np.uint8)
    inside[:, : half - 6] = 1
    mask = image_like(inside, moving)
    masked = refine_deformable(fixed, image_like(array, moving), linear, QUICK, SILENT, None, mask)
    axes = np.stack(np.meshgrid(np.arange(4, 28), np.arange(4, grid.size[1] - 4), indexing="ij"), axis=-1)
    points = grid.to_physical(axes.reshape(-1, 2)[::7]).tolist()
    apart = [np.subtract(masked.transform.TransformPoint(p), truth.TransformPoint(p)) for p in points]
    assert np.linalg.norm(apart, axis=1).mean() < 0.5


def test_the_same_images_give_the_same_bits_with_any_number_of_threads(plane):
    _, linear, fixed, moving, _ = plane
    before = thread_count()
    fields = []
    try:
        for threads in (1, 2, 2):
            set_thread_count(threads)
            again = refine_deformable(fixed, moving, linear, QUICK, SILENT)
            fields.append(sitk.GetArrayFromImage(again.transform.GetDisplacementField()))
    finally:
        set_thread_count(before)
    np.testing.assert_array_equal(fields[1], fields[2])
    np.testing.assert_array_equal(fields[0], fields[1])


def test_it_stops_within_half_a_second(volume):
    _, linear, fixed, moving, _ = volume
    asked: list[float] = []

    def on_progress(fraction: float, message: str) -> None:
        if fraction > 0.3 and not asked:
            asked.append(time.perf_counter())
            progress.cancel()

    progress = Progress(on_progress)
    with pytest.raises(Cancelled):
        refine_deformable(fixed, moving, linear, QUICK, progress)
    assert time.perf_counter() - asked[0] < 0.5


def test_progress_tells_level_iteration_and_metric_and_the_trace_keeps_them(plane):
    _, linear, fixed, moving, _ = plane
    told: list[tuple[float, str]] = []
    done = refine_deformable(fixed, moving, linear, QUICK, Progress(lambda *report: told.append(report)))
    levels = level_spacings(Grid.of(fixed), QUICK)
    assert {level for level, _, _ in done.trace} == set(range(len(levels)))
    assert done.trace[0][:2] == (0, 1)
    fractions = [fraction for fraction, _ in told]
    assert fractions == sorted(fractions) and fractions[-1] > 0.95
    assert f"{levels[0]:.3g} mm, iteration 1, metric {done.trace[0][2]:.4f}" in told[0][1]
    finest = [metric for level, _, metric in done.trace if level == len(levels) - 1]
    assert finest[-1] > finest[0] > 0


@pytest.mark.parametrize("size", [(5, 5, 5), (5, 6), (4, 30, 4), (64, 4)])
@pytest.mark.parametrize("model", ["demons", "bspline"])
def test_tiny_images_have_fewer_levels_and_give_a_finite_result(size, model):
    grid = Grid.of(oblique_grid(sitk.Image(size, sitk.sitkUInt8)))
    fixed, moving = texture(grid, 1, 1.5), texture(grid, 2, 1.5)
    small = refine_deformable(fixed, moving, sitk.AffineTransform(len(size)), replace(QUICK, model=model), SILENT)
    assert small.folded_percent == 0
    point = grid.to_physical(np.array([[n / 2 for n in size]]))[0].tolist()
    assert np.isfinite(small.transform.TransformPoint(point)).all()


def test_constant_images_leave_the_linear_transform_as_it_is():
    grid = grid_2d()
    linear = turned(grid)
    flat = image_like(np.full(grid.size[::-1], 7, np.float32), grid)
    for similarity in ("local_correlation", "mean_squares", "mutual_information"):
        still = refine_deformable(flat, flat, linear, replace(QUICK, similarity=similarity), SILENT)
        assert mean_error(still.transform, linear, grid) < 0.01


def test_whole_numbers_are_taken_as_they_are(plane):
    _, linear, fixed, moving, _ = plane
    short = [sitk.Cast(image, sitk.sitkInt16) for image in (fixed, moving)]
    floats = [sitk.Cast(image, sitk.sitkFloat32) for image in short]
    one, other = (refine_deformable(*images, linear, QUICK, SILENT) for images in (short, floats))
    a, b = (sitk.GetArrayFromImage(r.transform.GetDisplacementField()) for r in (one, other))
    np.testing.assert_allclose(a, b, atol=0.02)


def test_what_cannot_be_used_is_refused(plane):
    grid, linear, fixed, moving, truth = plane
    hole = sitk.GetArrayFromImage(fixed)
    hole[3, 4] = np.nan
    with pytest.raises(InputError, match="not finite"):
        refine_deformable(image_like(hole, grid), moving, linear, QUICK, SILENT)
    with pytest.raises(InputError, match="linear"):
        refine_deformable(fixed, moving, truth, QUICK, SILENT)
    with pytest.raises(InputError, match="empty"):
        refine_deformable(fixed, moving, linear, QUICK, SILENT, grid.blank())
