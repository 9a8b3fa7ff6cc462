"""What registration tells of a result that is no better than where the images were, and PET beside CT stays."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk
from MedImgAnalysisLib.execution import execute
from MedImgAnalysisLib.geometry import Grid, image_like
from MedImgAnalysisLib.progress import SILENT
from MedImgAnalysisLib.registration import Register
from MedImgAnalysisLib.registration.gain import gain
from scipy.ndimage import gaussian_filter

GRID = Grid((44, 44, 36), (4.0, 4.0, 4.0), (-86.0, -86.0, -70.0), tuple(np.eye(3).ravel()))
AS_THEY_ARE = sitk.Transform(3, sitk.sitkIdentity)
FIT_ABOUT_AS_WELL = "fit about as well where they were"
THIGH = {"fixed": "CT", "moving": "MR_T1"}


def limb(seed: int, noise: float = 15.0) -> sitk.Image:
    """A bone in flesh, the same in all slices, with a grain of its own."""
    index = np.stack(np.meshgrid(*(np.arange(n) for n in GRID.size[::-1]), indexing="ij"), axis=-1).reshape(-1, 3)
    x, y, _ = GRID.to_physical(index[:, ::-1]).T
    values = 100.0 * (np.hypot(x, 1.2 * y) < 70) + 150.0 * (np.hypot(x - 10, y + 8) < 14)
    smooth = gaussian_filter(values.reshape(GRID.size[::-1]), 0.7)
    grain = gaussian_filter(np.random.default_rng(seed).normal(0, 1, smooth.shape), 1.5)
    return image_like((smooth + noise * grain / grain.std()).astype(np.float32), GRID)


def along(shift_mm: float) -> sitk.Transform:
    return sitk.TranslationTransform(3, (0.0, 0.0, shift_mm))


def test_a_limb_that_slides_along_its_axis_is_told():
    """Nothing tells where along the axis it belongs; the metric finds a place all the same."""
    result = execute(Register(finest_mm=4.0, model="translation"), {"fixed": limb(1), "moving": limb(2)})
    row = result.outputs["table"].rows[0]
    assert row["metric"] >= row["metric_before"]
    assert abs(row["shift_z_mm"]) < 1.0 or any(FIT_ABOUT_AS_WELL in warning for warning in result.warnings)


@pytest.mark.parametrize("seed", range(3))
def test_sliding_along_an_axis_is_no_sure_gain_and_going_aside_is_one(seed):
    fixed, moving = limb(2 * seed), limb(2 * seed + 1)
    # The best of many places along the axis, as an optimiser takes it.
    slides = [gain((fixed, moving), (None, None), (AS_THEY_ARE, along(z)), 4.0, SILENT) for z in range(-24, 25, 3)]
    best = max((one for one in slides if one is not None), key=lambda one: one.mean)
    assert not best.sure
    aside = sitk.TranslationTransform(3, (9.0, 0.0, 0.0))
    back = gain((fixed, moving), (None, None), (aside, AS_THEY_ARE), 4.0, SILENT)
    assert back is not None and back.sure
    assert back.moved_mm == pytest.approx(9.0)


def test_poses_that_share_too_little_are_not_compared():
    fixed, moving = limb(1), limb(2)
    assert gain((fixed, moving), (None, None), (along(120.0), AS_THEY_ARE), 4.0, SILENT) is None


def test_images_that_are_aligned_stay_without_a_warning():
    fixed = limb(1)
    for model in ("rigid", "affine"):
        result = execute(Register(model=model, finest_mm=4.0, metric="mean_squares"), {"fixed": fixed, "moving": fixed})
        found = result.outputs["transform"]
        ways = [np.linalg.norm(np.subtract(found.TransformPoint(p), p)) for p in GRID.corners.tolist()]
        assert max(ways) < 0.2
        assert not any("better" in warning or FIT_ABOUT_AS_WELL in warning for warning in result.warnings)


def test_pet_made_of_a_ct_stays_on_it(data_dir):
    """Activity by tissue, blurred and coarse as PET is, noise that grows with it: the preset leaves it in place."""
    folder = data_dir / "petctmr_sts003"
    ct, mask, real = (
        sitk.ReadImage(str(folder / f"{n}_image.nii.gz".replace("mask_image", "mask")))
        for n in ("CT", "CT_mask", "PET")
    )
    values = sitk.GetArrayFromImage(sitk.SmoothingRecursiveGaussian(ct, 1.5))
    activity = np.select([values > 150, values > 0, values > -300], [0.9, 0.6, 0.35], 0.02)
    activity[sitk.GetArrayFromImage(mask) > 0] = 4.0
    blurred = sitk.SmoothingRecursiveGaussian(image_like(activity.astype(np.float32), ct), 3.0)
    coarse = sitk.GetArrayFromImage(sitk.Resample(blurred, real, AS_THEY_ARE, sitk.sitkLinear, 0.02))
    noisy = coarse * (1 + 0.2 * np.random.default_rng(0).normal(size=coarse.shape))
    pet = image_like(np.clip(noisy, 0, None).astype(np.float32), real)
    result = execute(Register.preset("PET to CT"), {"fixed": ct, "moving": pet})
    points = Grid.of(ct).corners.tolist()
    ways = [np.linalg.norm(np.subtract(result.outputs["transform"].TransformPoint(p), p)) for p in points]
    print(f"PET made of the CT: {np.mean(ways):.2f} mm at the corners")
    assert np.mean(ways) < 1.0
    assert not any(
        "better" in warning or FIT_ABOUT_AS_WELL in warning or "worse" in warning for warning in result.warnings
    )


def test_a_way_shorter_than_a_voxel_is_judged_at_finer_voxels():
    """A shift of 1.5 mm hardly shows in voxels of 8 mm, whose mean it leaves nearly the same; it does in its own."""
    grid = Grid((80, 80, 60), (1.0, 1.0, 1.0), (0.0, 0.0, 0.0), tuple(np.eye(3).ravel()))
    random = np.random.default_rng(3)
    values = gaussian_filter(random.normal(size=grid.size[::-1]), 1.2)
    images = [image_like((values / values.std() + 0.3 * random.normal(size=values.shape)).astype(np.float32), grid)] * 2
    shifted = sitk.TranslationTransform(3, (1.5, 0.0, 0.0))
    coarse = gain((images[0], images[1]), (None, None), (shifted, AS_THEY_ARE), 8.0, SILENT)
    fine = gain((images[0], images[1]), (None, None), (shifted, AS_THEY_ARE), 8.0, SILENT, 1.0)
    assert coarse is not None and fine is not None
    assert fine.sure and fine.mean / fine.error > coarse.mean / coarse.error


def texture(seed: int, grid: Grid) -> np.ndarray:
    values = gaussian_filter(np.random.default_rng(seed).normal(size=grid.size[::-1]), 1.5)
    return values / values.std()


@pytest.mark.parametrize(("stays", "bends"), [(0, False), (16, True)])
def test_parts_of_a_body_that_a_transform_takes_away_are_told(stays, bends):
    """All of the body went aside but for some layers; going after it takes these away from where they were."""
    grid = Grid((48, 48, 48), (2.0, 2.0, 2.0), (0.0, 0.0, 0.0), tuple(np.eye(3).ravel()))
    body, other = texture(4, grid), texture(5, grid)
    moved = np.roll(body, 4, axis=2)
    moved[:stays] = body[:stays]
    # The other image has other contrast and noise of its own.
    fixed, moving = (
        image_like(body.astype(np.float32), grid),
        image_like((0.3 * other - moved).astype(np.float32), grid),
    )
    aside = sitk.TranslationTransform(3, (8.0, 0.0, 0.0))
    found = gain((fixed, moving), (None, None), (AS_THEY_ARE, aside), 4.0, SILENT)
    assert found is not None and found.sure and found.moved_mm == pytest.approx(8.0)
    if bends:
        # Blocks on the border between the layers have both.
        assert found.worse == pytest.approx(stays / 48, abs=0.1)
    else:
        assert found.worse == 0


def test_a_short_way_says_nothing_of_what_bends():
    fixed, moving = limb(1), limb(2)
    short = gain((fixed, moving), (None, None), (AS_THEY_ARE, along(2.0)), 4.0, SILENT)
    assert short is not None and np.isnan(short.worse)


def test_a_rigid_transform_of_thighs_that_bend_is_told(data_dir):
    folder = data_dir / "petctmr_sts003"
    images = {role: sitk.ReadImage(str(folder / f"{name}_image.nii.gz")) for role, name in THIGH.items()}
    result = execute(Register(), images)
    print("\n".join(result.warnings))
    assert any("of the image the fit is worse than before" in warning for warning in result.warnings)
