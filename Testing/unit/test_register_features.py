"""Registration by features: wrong pairs do no harm, known movements come back, chance is not taken for an answer."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk
from medimg_testing import oblique_grid
from MedImgAnalysisLib.errors import InputError
from MedImgAnalysisLib.execution import execute
from MedImgAnalysisLib.geometry import Grid, image_like
from MedImgAnalysisLib.progress import SILENT
from MedImgAnalysisLib.registration import RegisterFeatures
from MedImgAnalysisLib.registration.rigid import matrix_of
from MedImgAnalysisLib.registration.robust_fit import robust_fit
from scipy.ndimage import gaussian_filter, map_coordinates

RNG = np.random.default_rng(8)


def centres(grid: Grid) -> np.ndarray:
    return grid.to_physical(np.indices(grid.size[::-1]).reshape(grid.dimension, -1)[::-1].T.astype(float))


class World:
    """A smooth random function of space, millimetres around 0, that fades out at its border."""

    def __init__(self, dimension: int, half_mm: float = 60.0, detail_mm: float = 4.0) -> None:
        n = int(2 * half_mm) + 1
        rng = np.random.default_rng(2)
        noise = sum(
            s ** (dimension / 2) * gaussian_filter(rng.normal(size=(n,) * dimension), s)
            for s in (detail_mm / 2, detail_mm)
        )
        axes = np.meshgrid(*[np.linspace(-1, 1, n)] * dimension, indexing="ij")
        inside = sum((a / (0.9 - 0.12 * number)) ** 2 for number, a in enumerate(axes)) < 1
        self._array = gaussian_filter((noise / noise.std() + 4) * inside, 1.0)
        self._half = half_mm

    def __call__(self, points: np.ndarray) -> np.ndarray:
        return map_coordinates(self._array, (points + self._half).T, order=1, cval=0.0)


WORLDS = {2: World(2, detail_mm=3.0), 3: World(3, detail_mm=5.0)}
FINE = World(3, detail_mm=3.0)


def fixed_grid(dimension: int) -> Grid:
    grid = Grid.of(oblique_grid(sitk.Image([150, 95, 40][:dimension], sitk.sitkUInt8)))
    return Grid(grid.size, grid.spacing, tuple(np.zeros(dimension)), grid.direction)


def moving_grid(dimension: int) -> Grid:
    """Axes with another handedness, other voxels, far away."""
    size, spacing = (110, 100, 70)[:dimension], (1.0, 1.1, 1.6)[:dimension]
    direction = np.diag([-1.0, 1, 1][:dimension])
    middle = direction @ ((np.array(size) - 1) * spacing / 2)
    return Grid(size, spacing, tuple(np.array([200.0, -80, 40])[:dimension] - middle), tuple(direction.ravel()))


def truth(dimension: int, angle_deg: float, scale: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    middle = fixed_grid(dimension).corners.mean(axis=0)
    if dimension == 3:
        turn = sitk.VersorRigid3DTransform()
        turn.SetRotation((1.0, -2.0, 1.5), np.radians(angle_deg))
        matrix = np.reshape(turn.GetMatrix(), (3, 3)) * scale
    else:
        a = np.radians(angle_deg)
        matrix = np.array([[np.cos(a), -np.sin(a)], [np.sin(a), np.cos(a)]]) * scale
    return matrix, np.array([203.0, -78.0, 42.0])[:dimension] - matrix @ middle


def scene(dimension: int, matrix: np.ndarray, offset: np.ndarray, noise: float = 0.2):
    """Images with moving(A x + b) = fixed(x)."""
    world, middle = WORLDS[dimension], fixed_grid(dimension).corners.mean(axis=0)
    images = []
    for grid, back in (
        (fixed_grid(dimension), lambda p: p),
        (moving_grid(dimension), lambda p: (p - offset) @ np.linalg.inv(matrix).T),
    ):
        values = world(back(centres(grid)) - middle) + np.random.default_rng(len(images)).normal(
            0, noise, np.prod(grid.size)
        )
        images.append(image_like(values.reshape(grid.size[::-1]).astype(np.float32), grid))
    return images


def run(fixed, moving, fixed_mask=None, moving_mask=None, **parameters):
    inputs = {"fixed": fixed, "moving": moving, "fixed_mask": fixed_mask, "moving_mask": moving_mask}
    return execute(RegisterFeatures(**parameters), inputs)


def error_mm(transform: sitk.Transform, matrix: np.ndarray, offset: np.ndarray) -> float:
    """Largest distance to the truth over the middle of the fixed image."""
    grid = fixed_grid(len(offset))
    points = grid.to_physical((grid.to_index(grid.corners) - np.array(grid.size) / 2) * 0.6 + np.array(grid.size) / 2)
    found = matrix_of(transform)
    return float(np.linalg.norm(points @ (found[0] - matrix).T + found[1] - offset, axis=1).max())


@pytest.mark.parametrize("model", ["rigid", "similarity", "affine"])
@pytest.mark.parametrize("dimension", [2, 3])
def test_a_robust_fit_stands_wrong_pairs(model, dimension):
    fixed = RNG.uniform(-80, 80, (150, dimension))
    matrix, offset = truth(dimension, 50, 1.0 if model == "rigid" else 1.2)
    moving = fixed @ matrix.T + offset
    wrong = RNG.random(150) < 0.55
    moving[wrong] += RNG.uniform(-60, 60, (wrong.sum(), dimension))
    found = robust_fit(fixed, moving, model, 0.5, 1, SILENT)
    np.testing.assert_allclose(found.matrix, matrix, atol=1e-8)
    assert found.inliers[~wrong].all() and found.inliers[wrong].sum() <= 2
    again = robust_fit(fixed, moving, model, 0.5, 1, SILENT)
    assert (again.matrix == found.matrix).all() and (again.inliers == found.inliers).all()


def test_a_robust_fit_of_nothing_is_none_and_of_noise_has_few_inliers():
    assert robust_fit(np.zeros((2, 3)), np.zeros((2, 3)), "rigid", 1.0, 1, SILENT) is None
    assert robust_fit(np.zeros((20, 3)), np.zeros((20, 3)), "rigid", 1.0, 1, SILENT) is None
    fixed, moving = RNG.uniform(-80, 80, (2, 200, 3))
    found = robust_fit(fixed, moving, "rigid", 3.0, 1, SILENT)
    assert found is None or found.inliers.mean() < 0.05


@pytest.mark.parametrize(
    ("dimension", "angle", "limit"), [(2, 0, 0.4), (2, 75, 0.4), (2, 180, 0.4), (3, 0, 0.8), (3, 20, 0.8), (3, 35, 0.8)]
)
def test_a_rigid_movement_comes_back_from_fixed_to_moving(dimension, angle, limit):
    matrix, offset = truth(dimension, angle)
    fixed, moving = scene(dimension, matrix, offset)
    outputs = run(fixed, moving, finest_mm=2.0).outputs
    assert error_mm(outputs["transform"], matrix, offset) < limit
    line = outputs["table"].rows[0]
    assert line["rotation_deg"] == pytest.approx(angle, abs=1.0) and line["verdict"] == "sure"
    assert line["n_inliers"] == sum(row["inlier"] for row in outputs["matches"].rows)
    assert Grid.of(outputs["image"]).same_as(Grid.of(fixed))
    inner = tuple(slice(n // 4, -n // 4) for n in fixed_grid(dimension).size[::-1])
    a, b = (sitk.GetArrayFromImage(image)[inner].ravel() for image in (fixed, outputs["image"]))
    assert np.corrcoef(a, b)[0, 1] > 0.8


@pytest.mark.parametrize("dimension", [2, 3])
def test_a_scale_comes_back(dimension):
    matrix, offset = truth(dimension, 15, 1.08)
    images = scene(dimension, matrix, offset)
    for model in ("similarity", "affine"):
        result = run(*images, model=model, finest_mm=2.0)
        assert result.outputs["table"].rows[0]["scale"] == pytest.approx(1.08, abs=0.015)
        assert error_mm(result.outputs["transform"], matrix, offset) < 1.5


def test_rows_say_where_pairs_are_and_how_far_off():
    matrix, offset = truth(2, 30)
    outputs = run(*scene(2, matrix, offset)).outputs
    table, own = outputs["matches"], matrix_of(outputs["transform"])
    for row in table.rows[:20]:
        f, m = (np.array([row[f"{side}_{a}_mm"] for a in "lp"]) for side in ("fixed", "moving"))
        assert row["residual_mm"] == pytest.approx(np.linalg.norm(own[0] @ f + own[1] - m), abs=1e-6)
        assert row["inlier"] == (row["residual_mm"] <= outputs["table"].rows[0]["tolerance_mm"])


def test_dark_may_be_bright_when_said_so():
    matrix, offset = truth(3, 10)
    fixed, moving = scene(3, matrix, offset)
    inverted = sitk.Cast(9 - moving, sitk.sitkFloat32)
    result = run(fixed, inverted, contrast="other", start="geometry")
    assert error_mm(result.outputs["transform"], matrix, offset) < 4.0


def test_only_what_the_masks_show_is_looked_at():
    matrix, offset = truth(2, 20)
    fixed, moving = scene(2, matrix, offset)
    array = np.ones(fixed_grid(2).size[::-1], np.uint8)
    array[:, :75] = 0
    mask = image_like(array, fixed)
    rows = run(fixed, moving, fixed_mask=mask).outputs["matches"].rows
    index = fixed_grid(2).to_index(np.array([[row["fixed_l_mm"], row["fixed_p_mm"]] for row in rows]))
    assert (index[:, 0] > 74).all()


@pytest.mark.parametrize("dimension", [2, 3])
def test_images_of_something_else_are_refused_with_advice(dimension):
    matrix, offset = truth(dimension, 0)
    fixed, moving = scene(dimension, matrix, offset)
    noise = image_like(RNG.normal(0, 1, moving_grid(dimension).size[::-1]).astype(np.float32), moving)
    smooth = image_like(
        gaussian_filter(RNG.normal(size=moving_grid(dimension).size[::-1]), 3).astype(np.float32), moving
    )
    for other in (noise, smooth)[-1 if dimension == 3 else 0 :]:
        with pytest.raises(InputError, match=rf"pairs of {dimension}-D features .*register_landmarks"):
            run(fixed, other)


def test_an_answer_that_may_be_chance_is_refused_or_called_doubtful():
    """Detail finer than the blocks and a large turn: what agrees is chance, although many pairs do."""
    matrix, offset = truth(3, 35)
    middle = fixed_grid(3).corners.mean(axis=0)
    images = []
    for grid, back in ((fixed_grid(3), lambda p: p), (moving_grid(3), lambda p: (p - offset) @ matrix)):
        values = FINE(back(centres(grid)) - middle)
        images.append(image_like(values.reshape(grid.size[::-1]).astype(np.float32), grid))
    try:
        result = run(*images)
    except InputError as error:
        assert "3-D features" in str(error)
    else:
        good = error_mm(result.outputs["transform"], matrix, offset) < 3
        assert good or (
            result.outputs["table"].rows[0]["verdict"] == "doubtful" and any("doubtful" in w for w in result.warnings)
        )


def test_a_2d_ct_slice_is_found_after_any_turn(data_dir):
    image = sitk.ReadImage(str(data_dir / "reg_2d" / "fixed.mha"), sitk.sitkFloat32)
    middle = Grid.of(image).corners.mean(axis=0)
    turn = sitk.Similarity2DTransform(0.9, 2.0, (12.0, -20.0), middle.tolist())
    moving = sitk.Resample(image, image, turn.GetInverse(), sitk.sitkLinear, -1000.0)
    found = run(image, moving, model="similarity").outputs["transform"]
    points = middle + RNG.uniform(-40, 40, (20, 2))
    apart = [np.subtract(found.TransformPoint(p), turn.TransformPoint(p)) for p in points.tolist()]
    assert np.linalg.norm(apart, axis=1).max() < 0.5


def test_a_repeated_run_gives_the_same_bits_and_another_seed_nearly_the_same():
    images = scene(3, *truth(3, 10))
    first, again, other = (run(*images, seed=seed).outputs["transform"] for seed in (1, 1, 2))
    assert first.GetParameters() == again.GetParameters()
    assert error_mm(other, *matrix_of(first)) < 0.5


def test_what_has_no_features_is_refused_with_the_reason():
    fixed, moving = scene(3, *truth(3, 0))
    constant = image_like(
        np.zeros((20, 20, 20), np.float32), Grid((20,) * 3, (1.0,) * 3, (0.0,) * 3, tuple(np.eye(3).ravel()))
    )
    with pytest.raises(InputError, match="moving image is constant"):
        run(fixed, constant)
    with pytest.raises(InputError, match="2-D and the other 3-D"):
        run(fixed, scene(2, *truth(2, 0))[1])
    with pytest.raises(InputError, match="1 voxels along one axis"):
        run(fixed[:, :, 5:6], moving)
    with pytest.raises(InputError, match="do not overlap"):
        run(fixed, moving, start="none")
