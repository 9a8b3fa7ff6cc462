"""Rigid registration: known motions come back, in the right direction, from far away, to the same bits."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk
from MedImgAnalysisLib import phantom
from MedImgAnalysisLib.blockwise import set_thread_count, thread_count
from MedImgAnalysisLib.errors import Cancelled, InputError
from MedImgAnalysisLib.execution import execute
from MedImgAnalysisLib.geometry import Grid
from MedImgAnalysisLib.progress import Progress
from MedImgAnalysisLib.provenance import fingerprint
from MedImgAnalysisLib.registration import Register
from MedImgAnalysisLib.registration.rigid import angle_between_deg, matrix_of, rigid, rotation_grid
from MedImgAnalysisLib.resampling import resample
from scipy.ndimage import gaussian_filter


def head(shape=(48, 56, 60), spacing=(3.0, 3.0, 3.5), inverted=False) -> sitk.Image:
    """An asymmetric smooth object of about 140 mm with structure inside."""
    axes = np.meshgrid(*(np.linspace(-1, 1, n) for n in shape), indexing="ij")
    k, j, i = axes
    body = ((i / 0.8) ** 2 + (j / 0.7) ** 2 + (k / 0.75) ** 2 < 1) * 100.0
    body += 60.0 * (((i - 0.3) / 0.2) ** 2 + ((j + 0.2) / 0.3) ** 2 + ((k - 0.1) / 0.25) ** 2 < 1)
    body -= 50.0 * (((i + 0.3) / 0.25) ** 2 + ((j - 0.2) / 0.15) ** 2 + ((k + 0.3) / 0.2) ** 2 < 1)
    smooth = gaussian_filter(body, 1.0)
    if inverted:
        smooth = np.where(smooth > 5, 180 - smooth, 0)
    image = sitk.GetImageFromArray(smooth.astype(np.float32))
    image.SetSpacing(spacing)
    image.SetOrigin((-90.0, -80.0, -70.0))
    return image


def moved(image: sitk.Image, truth: sitk.Transform) -> sitk.Image:
    """The moving image for which `truth` maps fixed to moving points."""
    return resample(image, Grid.of(image), truth.GetInverse(), outside=0.0)


def error_mm(found: sitk.Transform, truth: sitk.Transform, image: sitk.Image) -> float:
    points = Grid.of(image).corners * 0.6 + Grid.of(image).corners.mean(axis=0) * 0.4
    return float(
        np.mean(
            [np.linalg.norm(np.subtract(found.TransformPoint(p), truth.TransformPoint(p))) for p in points.tolist()]
        )
    )


def motion(degrees=(8.0, -6.0, 10.0), shift=(7.0, -9.0, 5.0)) -> sitk.Euler3DTransform:
    truth = sitk.Euler3DTransform()
    truth.SetCenter((5.0, 4.0, 10.0))
    truth.SetRotation(*np.deg2rad(degrees).tolist())
    truth.SetTranslation(shift)
    return truth


@pytest.mark.parametrize("inverted", [False, True])
def test_a_known_motion_comes_back_also_with_another_contrast(inverted):
    truth = motion()
    fixed, moving = head(), moved(head(inverted=inverted), truth)
    outputs = execute(Register(), {"fixed": fixed, "moving": moving}).outputs
    assert error_mm(outputs["transform"], truth, fixed) < (0.8 if inverted else 0.4)
    inside = sitk.GetArrayFromImage(fixed) > 5
    if not inverted:
        difference = sitk.GetArrayFromImage(outputs["image"])[inside] - sitk.GetArrayFromImage(fixed)[inside]
        assert np.abs(difference).mean() < 3


def test_images_thirty_degrees_and_forty_millimetres_apart_still_align():
    truth = motion((28.0, -30.0, 25.0), (30.0, -20.0, 25.0))
    fixed = head()
    moving = moved(head(), truth)
    outputs = execute(Register(), {"fixed": fixed, "moving": moving}).outputs
    assert error_mm(outputs["transform"], truth, fixed) < 1.0


def test_the_table_gives_the_motion_in_degrees_and_millimetres():
    truth = motion((0.0, 0.0, 12.0), (4.0, 0.0, 0.0))
    fixed = head()
    row = execute(Register(), {"fixed": fixed, "moving": moved(head(), truth)}).outputs["table"].rows[0]
    assert row["rotation_z_deg"] == pytest.approx(12.0, abs=0.2)
    assert row["rotation_x_deg"] == pytest.approx(0.0, abs=0.2)
    assert row["overlap"] > 0.7 and row["status"] == ""


def test_a_flat_image_pair_is_registered_in_its_plane():
    truth = sitk.Euler2DTransform((0.0, 0.0), np.deg2rad(15.0), (6.0, -4.0))
    fixed = head()[:, :, 24]
    moving = resample(fixed, Grid.of(fixed), truth.GetInverse(), outside=0.0)
    outputs = execute(Register(), {"fixed": fixed, "moving": moving}).outputs
    assert error_mm(outputs["transform"], truth, fixed) < 0.5
    assert outputs["table"].rows[0]["status"] == "in_plane_only"


def test_masks_keep_disturbing_parts_out():
    truth = motion((3.0, 2.0, -4.0), (4.0, 3.0, -2.0))
    fixed, moving = head(), moved(head(), truth)
    array = sitk.GetArrayFromImage(fixed)
    array[:, :, -12:] = 400.0
    disturbed = sitk.GetImageFromArray(array)
    disturbed.CopyInformation(fixed)
    inside = np.ones(array.shape, np.uint8)
    inside[:, :, -13:] = 0
    mask = sitk.GetImageFromArray(inside)
    mask.CopyInformation(fixed)
    outputs = execute(Register(), {"fixed": disturbed, "moving": moving, "fixed_mask": mask}).outputs
    assert error_mm(outputs["transform"], truth, fixed) < 0.5


def test_the_result_is_the_same_to_the_bit_whatever_the_threads():
    fixed, moving = head((24, 28, 30), (6.0, 6.0, 7.0)), moved(head((24, 28, 30), (6.0, 6.0, 7.0)), motion())
    before, found = thread_count(), []
    try:
        for threads in (1, 2, 4):
            set_thread_count(threads)
            outputs = execute(Register(), {"fixed": fixed, "moving": moving}).outputs
            found.append((fingerprint(outputs["transform"]), fingerprint(outputs["image"])))
            assert thread_count() == threads
    finally:
        set_thread_count(before)
    assert found[0] == found[1] == found[2]


def test_whole_numbers_are_rounded_when_resampled_not_cut():
    array = np.random.default_rng(0).integers(0, 200, (20, 20, 20)).astype(np.uint8)
    image = sitk.GetImageFromArray(array)
    shifted = resample(image, Grid.of(image), sitk.TranslationTransform(3, (0.5, 0.0, 0.0)))
    expected = np.rint((array[:, :, :-1].astype(float) + array[:, :, 1:]) / 2)
    np.testing.assert_array_equal(sitk.GetArrayFromImage(shifted)[:, :, :-1], expected)


def test_what_cannot_be_registered_is_explained():
    constant = sitk.GetImageFromArray(np.full((10, 10, 10), 7, np.int16))
    with pytest.raises(InputError, match="constant"):
        execute(Register(), {"fixed": constant, "moving": head()})
    with pytest.raises(InputError, match="single slice"):
        execute(Register(), {"fixed": head()[:, :, 20:21], "moving": head()})
    with pytest.raises(InputError, match="2-D"):
        execute(Register(), {"fixed": head()[:, :, 20], "moving": head()})
    far = head()
    far.SetOrigin((4000.0, 0.0, 0.0))
    with pytest.raises(InputError, match="do not overlap"):
        execute(Register(start="none"), {"fixed": head(), "moving": far})


def test_stopping_leaves_no_traceback_on_the_error_stream(capfd):
    fixed = head()
    moving = moved(fixed, motion())
    for limit in (0.2, 0.5, 0.8):
        progress = Progress()
        progress._on_progress = lambda fraction, text, p=progress, m=limit: (
            p.cancel() if fraction > m and "iteration" in text else None
        )
        with pytest.raises(Cancelled):
            Register().run(fixed, moving, progress=progress)
    assert capfd.readouterr().err == ""


def test_an_error_in_the_report_is_not_taken_for_a_registration_that_failed():
    def broken(fraction, text):
        if "iteration" in text:
            raise ZeroDivisionError("the report is broken")

    fixed = head()
    with pytest.raises(ZeroDivisionError, match="the report is broken"):
        Register().run(fixed, moved(fixed, motion()), progress=Progress(broken))


def test_images_that_share_no_space_are_aligned_by_their_centres():
    far = head()
    far.SetOrigin((910.0, -80.0, -70.0))
    outputs = execute(Register(), {"fixed": head(), "moving": far}).outputs
    # A tenth of a voxel.
    assert error_mm(outputs["transform"], sitk.TranslationTransform(3, (1000.0, 0.0, 0.0)), head()) < 0.35


def test_a_rigid_matrix_is_read_back_and_angles_measured():
    rotation = rotation_grid(3, 20.0, 20.0)[0]
    transform = rigid(np.array([3.0, -2.0, 8.0]), rotation, np.array([1.0, 2.0, 3.0]))
    matrix, offset = matrix_of(transform)
    np.testing.assert_allclose(matrix, rotation, atol=1e-12)
    point = np.array([4.0, 5.0, 6.0])
    np.testing.assert_allclose(matrix @ point + offset, transform.TransformPoint(point.tolist()))
    assert len(rotation_grid(3, 40.0, 20.0)) == 125
    quarter = np.array([[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
    assert angle_between_deg(np.eye(3), quarter) == pytest.approx(90.0)


def test_real_mr_agrees_with_the_published_alignment(data_dir):
    folder = data_dir / "mr_brain_ms_p01"
    fixed = sitk.ReadImage(str(folder / "study1_FLAIR.nii.gz"))
    brain = sitk.ReadImage(str(folder / "brainmask_common.nii.gz"))
    to_common = sitk.ReadTransform(str(folder / "study1_FLAIR_to_common_space.txt"))
    inside = sitk.GetArrayFromImage(resample(brain, Grid.of(fixed), to_common.GetInverse(), "nearest", 0.0))
    points = Grid.of(fixed).to_physical(np.argwhere(inside > 0)[::501, ::-1])
    for name in ("T1W", "T2W"):
        moving = sitk.ReadImage(str(folder / f"study1_{name}.nii.gz"))
        truth = sitk.ReadTransform(str(folder / f"study1_{name}_intrastudy_to_FLAIR.txt"))
        found = execute(Register(), {"fixed": fixed, "moving": moving}).outputs["transform"]
        errors = [
            np.linalg.norm(np.subtract(found.TransformPoint(p), truth.TransformPoint(p))) for p in points.tolist()
        ]
        print(f"{name} to FLAIR: {np.mean(errors):.3f} mm mean, {np.max(errors):.3f} mm largest over the brain")
        assert np.mean(errors) < 1.0


def test_a_nearly_round_head_is_turned_all_the_way():
    """About the left-right axis only the inner structures tell the turn, and one pass of steps stops short of it."""
    spacing = {"flair_spacing_mm": (2.0, 2.0, 3.0), "t1_spacing_mm": (2.0, 2.0, 2.0)}
    truth = phantom.head(2, **spacing, rotation_deg=(9.0, 4.0, -7.0), tilt_deg=8.0)
    found = execute(Register(finest_mm=2.0), {"fixed": truth.flair, "moving": truth.t1}).outputs["transform"]
    assert truth.errors_mm(found).mean() < 0.8
