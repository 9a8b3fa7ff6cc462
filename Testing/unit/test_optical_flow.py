"""Optical flow: known movements, right axes on awkward grids, the same as scikit-image on equal voxels."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk
from medimg_testing import oblique_grid
from MedImgAnalysisLib.errors import InputError
from MedImgAnalysisLib.execution import execute
from MedImgAnalysisLib.geometry import Grid, image_like
from MedImgAnalysisLib.kernels import optical_flow as flows
from MedImgAnalysisLib.kernels.flow_pyramid import FlowLevel, coarse_to_fine, resized
from MedImgAnalysisLib.registration import OpticalFlow
from MedImgAnalysisLib.registration.point_fit import fit_points, linear_transform
from scipy.ndimage import gaussian_filter

METHODS = ("tv_l1", "lucas_kanade")


def texture(shape: tuple[int, ...], seed: int = 1, sigma: float = 2.0) -> np.ndarray:
    array = gaussian_filter(np.random.default_rng(seed).normal(size=shape), sigma)
    return ((array - array.min()) / np.ptp(array)).astype(np.float32)


def pattern(points: np.ndarray, seed: int = 3, longest: float = 40.0) -> np.ndarray:
    """A smooth function of space, LPS millimetres (N, d) to values."""
    rng = np.random.default_rng(seed)
    waves = rng.normal(0, 2 * np.pi / longest, (24, points.shape[1]))
    phases = rng.uniform(0, 2 * np.pi, 24)
    return np.cos(points @ waves.T + phases).sum(axis=1)


def centres(grid: Grid) -> np.ndarray:
    return grid.to_physical(np.indices(grid.size[::-1]).reshape(grid.dimension, -1)[::-1].T.astype(float))


def scene(grid: Grid, movement) -> tuple[sitk.Image, sitk.Image]:
    """A fixed image on `grid` and a moving one with moving(T(x)) = fixed(x), T(x) = x + movement."""
    shape = grid.size[::-1]
    moved = centres(grid) - movement
    return tuple(
        image_like(pattern(points).reshape(shape).astype(np.float32), grid) for points in (centres(grid), moved)
    )


def run(fixed, moving, mask=None, initial=None, **parameters):
    inputs = {"fixed": fixed, "moving": moving, "mask": mask, "initial": initial}
    return execute(OpticalFlow(**parameters), inputs)


def shifts(transform: sitk.Transform, points: np.ndarray) -> np.ndarray:
    return np.array([transform.TransformPoint(p) for p in points.tolist()]) - points


def grid_of(dimension: int) -> Grid:
    return Grid.of(oblique_grid(sitk.Image([64, 40, 20][:dimension], sitk.sitkUInt8)))


def middle(grid: Grid) -> np.ndarray:
    """Voxel centres away from the border, where something moves in or out of the image."""
    index = np.indices([n // 2 for n in grid.size]).reshape(grid.dimension, -1).T + np.array(grid.size) / 4
    return grid.to_physical(index[:: max(1, len(index) // 200)])


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("dimension", [2, 3])
def test_a_known_shift_is_found_in_all_components_on_an_oblique_anisotropic_grid(method, dimension):
    grid = grid_of(dimension)
    shift = np.array([2.0, -1.0, 3.0])[:dimension]
    result = run(*scene(grid, shift), method=method, finest_mm=0.0)
    found = shifts(result.outputs["transform"], middle(grid))
    np.testing.assert_allclose(np.median(found, axis=0), shift, atol=0.15)
    assert np.percentile(np.linalg.norm(found - shift, axis=1), 90) < 0.5
    line = result.outputs["table"].rows[0]
    assert line["similarity_ncc"] > 0.98 > line["similarity_before_ncc"]
    for axis, key in enumerate("lps"[:dimension]):
        assert line[f"displacement_{key}_mm"] == pytest.approx(shift[axis], abs=0.5)


@pytest.mark.parametrize("method", METHODS)
def test_the_warped_image_is_the_moving_one_under_the_transform(method):
    grid = grid_of(3)
    fixed, moving = scene(grid, np.array([2.0, -1.0, 3.0]))
    outputs = run(fixed, moving, method=method).outputs
    again = sitk.Resample(moving, fixed, outputs["transform"], sitk.sitkLinear)
    inner = (slice(4, -4),) * 3
    ours, theirs = (sitk.GetArrayFromImage(image)[inner] for image in (outputs["image"], again))
    np.testing.assert_allclose(ours, theirs, atol=1e-4)
    inverse = sitk.Resample(moving, fixed, sitk.TranslationTransform(3, (-2.0, 1.0, -3.0)), sitk.sitkLinear)
    reference, wrong = (sitk.GetArrayFromImage(image)[inner] for image in (fixed, inverse))
    assert np.abs(ours - reference).mean() < 0.2 * np.abs(wrong - reference).mean()


@pytest.mark.parametrize("method", METHODS)
def test_a_movement_that_changes_from_place_to_place_is_followed(method):
    grid = grid_of(2)
    points = centres(grid)
    centre = points.mean(axis=0)
    turn = np.array([[0.0, -0.08], [0.08, 0.03]])
    shape = grid.size[::-1]
    there = (points - centre) @ np.linalg.inv(np.eye(2) + turn).T + centre
    fixed, moving = (
        image_like(pattern(where, longest=15.0).reshape(shape).astype(np.float32), grid) for where in (points, there)
    )
    where = middle(grid)
    found = shifts(run(fixed, moving, method=method, finest_mm=0.0).outputs["transform"], where)
    assert np.abs(found - (where - centre) @ turn.T).mean() < 0.12


@pytest.mark.parametrize("shape", [(30, 27), (24, 20, 22)])
def test_solvers_are_those_of_scikit_image_on_equal_voxels(shape):
    peers = pytest.importorskip("skimage.registration")
    fixed = texture(shape)
    moving = np.roll(fixed, 1, axis=0) + 0.3 * (np.roll(fixed, 2, axis=-1) - np.roll(fixed, 1, axis=-1))
    start = np.zeros((len(shape), *shape), np.float32)
    ones = (1.0,) * len(shape)
    ours = flows.tvl1(fixed, moving, start.copy(), ones, tolerance=0.0)
    theirs = peers.optical_flow_tvl1(fixed, moving, tol=0.0)
    assert np.abs(theirs).max() > 0.5
    np.testing.assert_allclose(ours, theirs, atol=2e-3)
    ours = flows.lucas_kanade(fixed, moving, start.copy(), ones, radius=3, warps=4)
    theirs = peers.optical_flow_ilk(fixed, moving, radius=3, num_warp=4)
    np.testing.assert_allclose(ours, theirs, atol=5e-3)


@pytest.mark.parametrize("shape", [(30, 27), (18, 20, 22)])
def test_flow_does_not_depend_on_the_parts_in_which_it_is_made(shape, monkeypatch):
    fixed = texture(shape)
    moving, start, steps = np.roll(fixed, 1, axis=0), np.zeros((len(shape), *shape), np.float32), (1.0, 1.5, 2.0)
    for solver in (flows.lucas_kanade, flows.tvl1):
        monkeypatch.setattr(flows, "PART", 1 << 17)
        whole = solver(fixed, moving, start.copy(), steps[: len(shape)], warps=2)
        for part in (1, 700):
            monkeypatch.setattr(flows, "PART", part)
            np.testing.assert_array_equal(solver(fixed, moving, start.copy(), steps[: len(shape)], warps=2), whole)


@pytest.mark.parametrize("shape", [(64, 4000), (40, 90, 80)])
def test_what_a_thread_does_for_the_windows_at_a_time_is_small(shape, monkeypatch):
    sizes = []
    own = flows.for_each

    def watched(work, items, **told):
        items = list(items)
        sizes.append(len(items))
        return own(work, items, **told)

    monkeypatch.setattr(flows, "for_each", watched)
    monkeypatch.setattr(flows, "PART", 1 << 14)
    flows.lucas_kanade(
        texture(shape), texture(shape, 2), np.zeros((len(shape), *shape), np.float32), (1.0,) * len(shape), warps=1
    )
    assert min(sizes) >= np.prod(shape) // (1 << 14)


def test_coarse_to_fine_is_as_good_as_that_of_scikit_image():
    peers = pytest.importorskip("skimage.registration")
    wide = texture((150, 170), sigma=3.0)
    fixed, moving = wide[10:138, 10:154], wide[5:133, 17:161]
    truth = np.array([5.0, -7.0]).reshape(2, 1, 1)

    def solver(level, flow, progress):
        return flows.tvl1(level.fixed, level.moving, flow, (1.0, 1.0))

    ours = coarse_to_fine(solver, FlowLevel(fixed, moving, None, (1.0, 1.0)), 10)
    theirs = peers.optical_flow_tvl1(fixed, moving)
    inner = (slice(None), slice(16, -16), slice(16, -16))
    errors = [float(np.abs((flow - truth)[inner]).mean()) for flow in (ours, theirs)]
    assert errors[0] < 1.1 * errors[1] + 0.02 and errors[0] < 0.2


def test_steps_change_the_unit_of_the_flow_and_not_the_movement():
    wide = texture((60, 40), sigma=2.5)
    fixed, moving = wide[:48], wide[1:49]
    flow = flows.tvl1(fixed, moving, np.zeros((2, *fixed.shape), np.float32), (2.0, 1.0), warps=10)
    assert np.median(flow[0, 8:-8, 8:-8]) == pytest.approx(-2.0, abs=0.1)
    assert np.median(flow[1, 8:-8, 8:-8]) == pytest.approx(0.0, abs=0.1)


def test_a_resized_flow_keeps_constants_and_slopes():
    flow = np.stack(np.meshgrid(np.arange(10.0), np.arange(8.0), indexing="ij")).astype(np.float32)
    large = resized(flow, (20, 16))
    inner = (slice(2, -2), slice(2, -2))
    np.testing.assert_allclose(
        large[0][inner], ((np.arange(20) + 0.5) / 2 - 0.5)[:, None].repeat(16, 1)[inner], atol=1e-5
    )
    np.testing.assert_allclose(resized(np.full_like(flow, 3.0), (7, 19)), 3.0, rtol=1e-6)


@pytest.mark.parametrize("method", METHODS)
def test_equal_images_do_not_move(method):
    fixed, _ = scene(grid_of(3), np.zeros(3))
    line = run(fixed, fixed, method=method).outputs["table"].rows[0]
    assert line["displacement_max_mm"] < 1e-3 and line["folding_percent"] == 0


@pytest.mark.parametrize("method", METHODS)
def test_what_is_masked_out_does_not_pull(method):
    grid = grid_of(2)
    shift = np.array([1.5, 1.0])
    fixed, moving = scene(grid, shift)
    array = sitk.GetArrayFromImage(moving)
    mask = np.ones(array.shape, np.uint8)
    # Something else shows up there, which a shift of two voxels brings into the wider box that is masked out.
    mask[10:26, 24:44] = 0
    array[13:23, 27:41] = array.max()
    broken = image_like(array, grid)
    inside = grid.to_physical(np.array([[35.0, 18.0], [30, 16], [40, 20]]))
    errors = [
        np.linalg.norm(shifts(run(fixed, broken, m, method=method, finest_mm=0.0).outputs["transform"], inside) - shift)
        for m in (None, image_like(mask, grid))
    ]
    assert errors[1] < errors[0] and errors[1] < 1.5


def test_lung_after_an_affine_registration_comes_nearer_to_expert_landmarks(data_dir):
    folder = data_dir / "reg_lung"
    points = [np.loadtxt(folder / f"{side}_landmarks51.txt", skiprows=2).reshape(-1, 3) for side in ("fixed", "moving")]
    matrix, offset = fit_points(*points, "affine")
    initial = linear_transform(matrix, offset, "affine", points[0].mean(axis=0))
    images = [sitk.ReadImage(str(folder / f"{side}.mha")) for side in ("fixed", "moving")]
    mask = sitk.ReadImage(str(folder / "fixed_mask.mha")) != 0
    transform = run(*images, mask, initial, method="lucas_kanade", finest_mm=4.0).outputs["transform"]
    before, after = (
        np.median(np.linalg.norm(points[0] + shifts(way, points[0]) - points[1], axis=1))
        for way in (initial, transform)
    )
    assert after < 0.75 * before and after < 1.6


def test_a_moving_image_on_another_grid_is_resampled_and_it_is_said():
    grid = grid_of(3)
    fixed, _ = scene(grid, np.zeros(3))
    shift = np.array([2.0, -1.0, 3.0])
    # It covers most of the fixed image and ends within it.
    origin = grid.corners.mean(axis=0) - np.array([20.0, 34.0, 34.0])
    other = Grid((40, 68, 60), (1.3, 1.0, 1.2), tuple(origin), (1.0, 0, 0, 0, 1, 0, 0, 0, 1))
    values = pattern(centres(other) - shift).reshape(other.size[::-1]).astype(np.float32)
    result = run(fixed, image_like(values, other), finest_mm=0.0)
    assert any("resampled" in warning for warning in result.warnings)
    where = middle(grid)
    index = other.to_index(where + shift)
    where = where[np.all((index > 4) & (index < np.array(other.size) - 5), axis=1)]
    assert len(where) > 20
    found = shifts(result.outputs["transform"], where)
    np.testing.assert_allclose(np.median(found, axis=0), shift, atol=0.3)


def test_the_result_includes_the_initial_transform():
    grid = grid_of(3)
    shift = np.array([2.0, -1.0, 3.0])
    centre = grid.corners.mean(axis=0)
    initial = sitk.Euler3DTransform(centre.tolist(), 0.4, -0.3, 0.5, (30.0, 0.0, -20.0))
    matrix = np.reshape(initial.GetMatrix(), (3, 3))
    # The moving image is the fixed one after T(x) = R (x + shift - c) + c + t.
    size = (90, 90, 90)
    other = Grid(size, (0.8,) * 3, tuple(centre + np.array([30.0, 0, -20]) - 36), (1.0, 0, 0, 0, 1, 0, 0, 0, 1))
    back = (centres(other) - centre - np.array([30.0, 0, -20])) @ matrix + centre - shift
    moving = image_like(pattern(back).reshape(size).astype(np.float32), other)
    fixed, _ = scene(grid, shift)
    transform = run(fixed, moving, initial=initial, finest_mm=0.0).outputs["transform"]
    where = middle(grid)
    truth = (where + shift - centre) @ matrix.T + centre + np.array([30.0, 0, -20])
    found = where + shifts(transform, where)
    assert np.percentile(np.linalg.norm(found - truth, axis=1), 90) < 0.5
    np.testing.assert_allclose(np.median(found - truth, axis=0), 0, atol=0.15)


def test_brightness_and_contrast_do_not_matter_unless_both_are_normalised_together():
    grid = grid_of(2)
    shift = np.array([1.5, 1.0])
    fixed, moving = scene(grid, shift)
    other = moving * 7 - 300
    where = middle(grid)
    for normalise, good in (("each", True), ("together", False)):
        found = shifts(run(fixed, other, normalise=normalise, finest_mm=0.0).outputs["transform"], where)
        assert (np.abs(np.median(found, axis=0) - shift).max() < 0.15) == good


def test_a_coarser_finest_level_is_interpolated():
    grid = grid_of(3)
    shift = np.array([2.0, -1.0, 3.0])
    images = scene(grid, shift)
    transform = run(*images, finest_mm=1.6).outputs["transform"]
    assert Grid.of(transform.Downcast().GetDisplacementField()).same_as(grid)
    np.testing.assert_allclose(np.median(shifts(transform, middle(grid)), axis=0), shift, atol=0.3)


def test_other_contrast_is_warned_of():
    fixed, moving = scene(grid_of(2), np.array([1.0, 0.5]))
    for method in METHODS:
        assert any("align them with register" in warning for warning in run(fixed, -moving, method=method).warnings)
        assert not any("register" in warning for warning in run(fixed, moving, method=method).warnings)


@pytest.mark.parametrize(
    ("other", "words"),
    [
        (image_like(np.zeros((20, 40, 64), np.float32), grid_of(3)), "moving image is constant"),
        (image_like(texture((40, 64)), grid_of(2)), "one of dimension|one dimension"),
        (oblique_grid(sitk.GetImageFromArray(texture((1, 40, 64)))), "1 voxels along one axis"),
        (
            image_like(texture((20, 40, 64)), Grid((64, 40, 20), (1.0,) * 3, (5e3, 0, 0), tuple(np.eye(3).ravel()))),
            "overlap",
        ),
    ],
)
def test_what_cannot_be_compared_is_refused_with_the_reason(other, words):
    with pytest.raises(InputError, match=words):
        run(scene(grid_of(3), np.zeros(3))[0], other)
