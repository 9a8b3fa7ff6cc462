"""Registration says what is wrong with its inputs, takes the hints it is given, and tells its doubts."""

from __future__ import annotations

import threading
import time

import numpy as np
import pytest
import SimpleITK as sitk
from MedImgAnalysisLib.errors import Cancelled, InputError
from MedImgAnalysisLib.execution import execute
from MedImgAnalysisLib.geometry import Grid, image_like
from MedImgAnalysisLib.progress import Progress
from MedImgAnalysisLib.provenance import fingerprint
from MedImgAnalysisLib.registration import Register
from MedImgAnalysisLib.registration.lattice import OUT_OF_STEP, lattice
from MedImgAnalysisLib.registration.pyramid import plan
from MedImgAnalysisLib.registration.rigid import matrix_of
from MedImgAnalysisLib.resampling import resample
from MedImgAnalysisLib.values import Landmarks
from scipy.ndimage import gaussian_filter

QUICK = Register(finest_mm=4.0)


def scene(shape=(30, 34, 36), spacing=(5.0, 5.0, 5.5), seed=3) -> sitk.Image:
    """Smooth blobs without symmetry, dark at the border."""
    rng = np.random.default_rng(seed)
    array = np.zeros(shape)
    inner = tuple(slice(n // 5, -(n // 5)) for n in shape)
    array[inner] = rng.uniform(0, 1, array[inner].shape) ** 6
    array = gaussian_filter(array, 2.0)
    image = sitk.GetImageFromArray((200 * array / array.max()).astype(np.float32))
    image.SetSpacing(spacing)
    image.SetOrigin((-80.0, -90.0, -70.0))
    return image


def motion(degrees=(5.0, -4.0, 8.0), shift=(6.0, -8.0, 5.0)) -> sitk.Euler3DTransform:
    return sitk.Euler3DTransform((5.0, -5.0, 10.0), *np.deg2rad(degrees).tolist(), shift)


def moved(image: sitk.Image, truth: sitk.Transform) -> sitk.Image:
    return resample(image, Grid.of(image), truth.GetInverse(), outside=0.0)


def error_mm(found: sitk.Transform, truth: sitk.Transform) -> float:
    points = np.random.default_rng(0).uniform(-50, 50, (30, 3)).tolist()
    return float(
        np.mean([np.linalg.norm(np.subtract(found.TransformPoint(p), truth.TransformPoint(p))) for p in points])
    )


def turned(image: sitk.Image, truth: sitk.Transform) -> sitk.Image:
    """The image moved by its geometry alone: resampled it would leave its field of view."""
    matrix, _ = matrix_of(truth)
    made = sitk.Image(image)
    made.SetDirection((matrix @ np.reshape(image.GetDirection(), (3, 3))).ravel().tolist())
    made.SetOrigin(truth.TransformPoint(image.GetOrigin()))
    return made


FIXED = scene()
TRUTH = motion()
MOVING = moved(FIXED, TRUTH)


def refused(match: str, operation: Register = QUICK, **inputs) -> InputError:
    with pytest.raises(InputError, match=match) as caught:
        execute(operation, {"fixed": FIXED, "moving": MOVING, **inputs})
    return caught.value


def blank(value: float = 0.0) -> np.ndarray:
    return np.full(sitk.GetArrayViewFromImage(FIXED).shape, value, np.float32)


def test_images_of_five_voxels_and_of_one_slice_are_refused_with_advice():
    small = image_like(
        np.random.default_rng(0).normal(0, 1, (5, 5, 5)), Grid((5, 5, 5), (1.0,) * 3, (0.0,) * 3, FIXED.GetDirection())
    )
    refused("5 x 5 x 5 voxels, too few .* landmarks", fixed=small)
    refused("single slice must be given as a 2-D image", fixed=FIXED[:, :, 12:13])
    refused("One image is 2-D and the other 3-D.*matching slice", moving=FIXED[:, :, 12])


def test_metres_beside_millimetres_are_refused_and_a_small_crop_is_told():
    metres = sitk.Image(MOVING)
    metres.SetSpacing([s / 1000 for s in MOVING.GetSpacing()])
    assert refused("units differ", moving=metres).role == "moving"
    centimetres = sitk.Image(MOVING)
    centimetres.SetSpacing([s / 10 for s in MOVING.GetSpacing()])
    warnings: list[str] = []
    with pytest.raises(Cancelled):
        progress = Progress(lambda fraction, text: progress.cancel(), warnings.append)
        execute(QUICK, {"fixed": FIXED, "moving": centimetres}, progress=progress)
    assert any("voxel sizes are in millimetres" in warning for warning in warnings)


def test_voxels_that_are_not_numbers_and_constant_images_are_refused():
    array = blank(3.0)
    refused("constant", moving=image_like(array, FIXED))
    array[3, 4, 5] = np.nan
    refused("NaN", moving=image_like(array, FIXED))


def test_masks_that_leave_nothing_are_explained():
    inside = np.zeros(blank().shape, np.uint8)
    inside[10:13, 10:13, 10:13] = 1
    assert refused("lets 27 voxels through.*Widen", fixed_mask=image_like(inside, FIXED)).role == "fixed_mask"
    corner = np.zeros(inside.shape, np.uint8)
    corner[:4, :4, :4] = 1
    dark = sitk.Threshold(FIXED, 5.0, 1000.0, 0.0)
    refused("constant inside its mask", fixed=dark, fixed_mask=image_like(corner, FIXED))
    other = np.zeros(inside.shape, np.uint8)
    other[-12:] = 1
    low = np.zeros(inside.shape, np.uint8)
    low[:12] = 1
    refused("stopped overlapping.*widen the masks", Register(finest_mm=4.0, start="none"),
            fixed_mask=image_like(low, FIXED), moving_mask=image_like(other, MOVING))  # fmt: skip


@pytest.mark.parametrize("start", ["none", "given", "landmarks"])
def test_no_overlap_at_the_start_is_found_before_and_explained(start):
    away = sitk.TranslationTransform(3, (2000.0, 0.0, 0.0))
    points = FIXED.GetOrigin() + np.random.default_rng(1).uniform(0, 100, (4, 3))
    marks = {
        "fixed_landmarks": Landmarks(tuple("ABCD"), points),
        "moving_landmarks": Landmarks(tuple("ABCD"), points + 2000),
    }
    inputs = {"none": {}, "given": {"initial": away}, "landmarks": marks}[start]
    moving = MOVING
    if start == "none":
        moving = sitk.Image(MOVING)
        moving.SetOrigin((3000.0, 0.0, 0.0))
    refused("do not overlap.*choose another start", Register(start=start), moving=moving, **inputs)


def test_a_start_without_its_input_is_refused_and_a_hint_without_use_is_told():
    refused("needs the input initial", Register(start="given"))
    assert refused("give fixed_landmarks", Register(start="landmarks")).role == "fixed_landmarks"
    bent = sitk.DisplacementFieldTransform(sitk.Image([4, 4, 4], sitk.sitkVectorFloat64))
    refused("not linear", Register(start="given"), initial=bent)
    flattening = sitk.AffineTransform(3)
    flattening.Scale((1.0, 1.0, 0.0))
    refused("flattens", Register(start="given"), initial=flattening)
    told = execute(Register(finest_mm=8.0, start="moments"), {"fixed": FIXED, "moving": MOVING, "initial": TRUTH})
    assert any("initial transform is not used" in warning for warning in told.warnings)


@pytest.mark.parametrize("start", ["given", "landmarks", "multi_start"])
def test_hints_bring_images_together_that_are_upside_down(start):
    """Turned by 170 degrees, which no search covers; a hint that is 8 degrees wrong is enough."""
    truth = motion((170.0, 0.0, 5.0), (10.0, 4.0, -3.0))
    moving = turned(FIXED, truth)
    near = motion((163.0, 4.0, 2.0), (14.0, 2.0, -5.0))
    points = np.array([[0.0, 0, 0], [40, 0, 0], [0, 40, 10], [-20, 5, 40]])
    marks = {
        "fixed_landmarks": Landmarks(tuple("ABCD"), points),
        "moving_landmarks": Landmarks(tuple("DCBA"), np.array([near.TransformPoint(p) for p in points.tolist()])[::-1]),
    }
    inputs = marks if start == "landmarks" else {"initial": near}
    found = execute(Register(finest_mm=4.0, start=start), {"fixed": FIXED, "moving": moving, **inputs}).outputs
    assert error_mm(found["transform"], truth) < 0.5


def test_the_scale_of_an_initial_transform_that_rigid_cannot_have_is_told():
    wide = sitk.AffineTransform(3)
    wide.Scale((1.1, 1.0, 1.0))
    result = execute(Register(finest_mm=8.0, start="given"), {"fixed": FIXED, "moving": MOVING, "initial": wide})
    assert any("a rigid transform cannot have" in warning for warning in result.warnings)


def test_a_result_that_is_not_better_than_before_is_told():
    """Two pictures of different things: whatever comes out must not pass unremarked."""
    noise = image_like(np.random.default_rng(5).normal(0, 1, blank().shape).astype(np.float32), FIXED)
    away = sitk.Image(noise)
    away.SetOrigin((20.0, 40.0, 30.0))
    result = execute(Register(finest_mm=8.0, start="none"), {"fixed": FIXED, "moving": away})
    assert any("Only" in warning or "not better than before" in warning for warning in result.warnings)


def test_symmetric_anatomy_is_told():
    """Nine rays: the same after a turn by 40 degrees, alike after 20. Nobody can know which of the poses is right."""
    grid = Grid((48, 48, 30), (4.0, 4.0, 5.0), (-94.0, -94.0, -72.5), FIXED.GetDirection())
    index = np.stack(np.meshgrid(*(np.arange(n) for n in (30, 48, 48)), indexing="ij"), axis=-1).reshape(-1, 3)[:, ::-1]
    x, y, z = grid.to_physical(index).T
    values = (
        (np.hypot(x, y) < 70) * (np.abs(z) < 50) * (100 + 60 * np.cos(9 * np.arctan2(y, x)) * (np.hypot(x, y) > 30))
    )
    values = values * (1 + 0.3 * (z > 20) * (np.hypot(x, y) < 40))
    star = image_like(values.reshape(30, 48, 48).astype(np.float32), grid)
    half = moved(star, sitk.Euler3DTransform((0.0, 0.0, 0.0), 0.0, 0.0, np.deg2rad(20.0)))
    result = execute(QUICK, {"fixed": star, "moving": half})
    assert any("fits nearly as well" in warning for warning in result.warnings)
    assert not any("fits nearly" in w for w in execute(QUICK, {"fixed": FIXED, "moving": MOVING}).warnings)


def test_a_reproducible_run_gives_the_same_bits_and_the_seed_changes_them():
    def run(seed: int) -> str:
        outputs = execute(
            Register(model="affine", finest_mm=4.0, seed=seed), {"fixed": FIXED, "moving": MOVING}
        ).outputs
        return fingerprint(outputs["transform"])

    assert run(1) == run(1) != run(2)


@pytest.mark.parametrize("settings", [{}, {"model": "affine", "metric": "neighbourhood_correlation"}])
def test_a_cancel_stops_within_half_a_second_wherever_it_comes(settings):
    big = scene((120, 140, 150), (1.2, 1.2, 1.4))
    other = moved(big, TRUTH)
    for delay in (0.6, 2.0):
        progress, asked = Progress(), []
        timer = threading.Timer(delay, lambda p=progress, a=asked: (a.append(time.perf_counter()), p.cancel()))
        timer.start()
        try:
            Register(**settings).run(big, other, progress=progress)
        except Cancelled:
            assert time.perf_counter() - asked[0] < 0.5
        timer.cancel()


@pytest.mark.parametrize("title", list(Register.presets))
def test_every_preset_aligns_a_known_motion(title):
    operation = Register.preset(title)
    values = {**operation.values(), "finest_mm": max(4.0, operation.finest_mm)}
    truth = motion((1.0, -1.0, 2.0), (2.0, -1.0, 1.5)) if operation.start == "none" else TRUTH
    outputs = execute(Register(**values), {"fixed": FIXED, "moving": moved(FIXED, truth)}).outputs
    inside = sitk.GetArrayFromImage(FIXED) > 50
    gap = (sitk.GetArrayFromImage(outputs["image"]) - sitk.GetArrayFromImage(FIXED))[inside]
    before = (sitk.GetArrayFromImage(moved(FIXED, truth)) - sitk.GetArrayFromImage(FIXED))[inside]
    assert np.abs(gap).mean() < 0.25 * np.abs(before).mean()


def test_samples_lie_between_the_voxels_inside_the_mask_and_are_counted():
    inside = np.zeros(blank().shape, np.uint8)
    inside[5:25, 8:20, 10:30] = 1
    for count in (500, 3000, 20000):
        points = lattice(FIXED, image_like(inside, FIXED), count, 1)
        index = Grid.of(FIXED).to_index(points.corners)
        assert (index.min(axis=0) >= (10, 8, 5)).all() and (index.max(axis=0) <= (29, 19, 24)).all()
        assert 0.3 * count < np.prod(points.size) < 4 * count
        step = np.array(points.spacing) / np.array(FIXED.GetSpacing())
        assert ((np.abs(step - np.rint(step)) >= OUT_OF_STEP - 1e-9) | (step < 0.5)).all()


def test_small_images_are_aligned_at_finer_levels_and_the_last_one_is_the_finest():
    steps = plan("affine", True, 1.0, 0.1)
    assert [step.model for step in steps] == ["rigid"] + 5 * ["affine"]
    assert steps[0].level.spacing_mm == pytest.approx(0.4) and steps[-1].level.spacing_mm == pytest.approx(0.1)
    assert [s.level.spacing_mm for s in plan("rigid", False, 8.0, 1.0)] == [8.0, 8.0]
