"""Noise of the strength and kind that was asked for, to what the number of voxels allows."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk
from medimg_testing import oblique_grid
from MedImgAnalysisLib.errors import InputError, ParameterError
from MedImgAnalysisLib.execution import execute
from MedImgAnalysisLib.filtering import AddNoise
from MedImgAnalysisLib.geometry import image_like
from MedImgAnalysisLib.progress import Progress

SHAPE = (40, 64, 64)
N = int(np.prod(SHAPE))


def noisy(value: float | np.ndarray, dtype=np.float64, mask=None, **parameters) -> np.ndarray:
    array = np.broadcast_to(np.asarray(value, dtype), SHAPE)
    inputs = {"image": sitk.GetImageFromArray(np.ascontiguousarray(array))}
    if mask is not None:
        inputs["mask"] = sitk.GetImageFromArray(mask.astype(np.uint8))
    return sitk.GetArrayFromImage(execute(AddNoise(**parameters), inputs).outputs["image"])


def close_to(sd: float, times: float = 5.0):
    """Five standard errors of a mean over all voxels."""
    return times * sd / np.sqrt(N)


def test_gaussian_noise_has_mean_zero_and_its_sd_everywhere():
    found = noisy(100.0, kind="gaussian", level=7.0) - 100
    assert found.mean() == pytest.approx(0, abs=close_to(7)) and found.std() == pytest.approx(7, rel=0.01)
    z = found / 7
    assert (z**3).mean() == pytest.approx(0, abs=0.05) and (z**4).mean() == pytest.approx(3, abs=0.1)
    assert np.corrcoef(found[:, :, 1:].ravel(), found[:, :, :-1].ravel())[0, 1] == pytest.approx(0, abs=0.02)
    # The slabs that threads work on have noise of their own.
    assert np.corrcoef(found[0].ravel(), found[-1].ravel())[0, 1] == pytest.approx(0, abs=0.1)


@pytest.mark.parametrize("signal", [0.0, 20.0, 200.0])
def test_rician_noise_has_the_moments_of_rice(signal):
    sd = 10.0
    found = noisy(signal, kind="rician", level=sd)
    assert found.min() >= 0
    assert (found**2).mean() == pytest.approx(signal**2 + 2 * sd**2, rel=0.02)
    if signal == 0:
        assert found.mean() == pytest.approx(sd * np.sqrt(np.pi / 2), rel=0.01)
        assert found.std() == pytest.approx(sd * np.sqrt(2 - np.pi / 2), rel=0.01)
    if signal == 200:
        assert found.std() == pytest.approx(sd, rel=0.02)


def test_poisson_noise_has_a_variance_of_gain_times_the_mean():
    for value in (5.0, 100.0):
        found = noisy(value, kind="poisson", level=2.0)
        assert found.mean() == pytest.approx(value, rel=0.01) and found.var() == pytest.approx(2 * value, rel=0.02)
        np.testing.assert_allclose(found / 2, np.rint(found / 2))
    ct = noisy(-500.0, kind="poisson", level=4.0, no_signal=-1000.0)
    assert ct.mean() == pytest.approx(-500, abs=1) and ct.var() == pytest.approx(2000, rel=0.02)


def test_speckle_grows_with_the_value():
    found = noisy(np.where(np.arange(64) < 32, 10.0, 1000.0), kind="speckle", level=0.2)
    assert found[..., :32].std() == pytest.approx(2, rel=0.02) and found[..., 32:].std() == pytest.approx(200, rel=0.02)


def test_impulses_are_of_the_extremes_half_and_half():
    array = np.full(SHAPE, 100.0)
    array[0, 0, :2] = 0, 255
    found = noisy(array, np.uint8, kind="salt_and_pepper", level=0.1)
    assert set(np.unique(found)) == {0, 100, 255}
    for value in (0, 255):
        assert (found == value).mean() == pytest.approx(0.05, abs=5 * np.sqrt(0.05 / N))
    assert (noisy(array, kind="salt_and_pepper", level=0.0) == array).all()


@pytest.mark.parametrize("kind", ["gaussian", "rician", "poisson", "speckle"])
def test_an_snr_is_the_mean_signal_over_the_sd(kind):
    found = noisy(300.0, kind=kind, level=30.0, level_is="snr", no_signal=100.0)
    assert (found.mean() - 100) / found.std() == pytest.approx(30, rel=0.02)


def test_percent_is_of_what_lies_between_the_first_and_the_last_percentile():
    ramp = np.linspace(0, 100, N).reshape(SHAPE)
    found = noisy(ramp, level=5.0, level_is="percent") - ramp
    assert found.std() == pytest.approx(0.05 * 98, rel=0.02)


@pytest.mark.parametrize("kind", ["gaussian", "rician"])
def test_a_percentage_of_nothing_is_refused_and_adds_not_quietly_nothing(kind):
    mostly_air = np.zeros(SHAPE)
    mostly_air[20, :10] = 100
    for value in (300.0, mostly_air):
        with pytest.raises(InputError, match="a level in percent has no meaning"):
            noisy(value, kind=kind, level=5.0, level_is="percent")
    inside = np.zeros(SHAPE)
    inside[20, :20] = 1
    assert noisy(mostly_air, kind=kind, level=5.0, level_is="percent", mask=inside)[20, 5].std() > 3


def test_whole_numbers_are_rounded_and_what_is_cut_off_is_said():
    found = noisy(100.0, np.int16, kind="gaussian", level=3.0)
    assert found.dtype == np.int16 and found.mean() == pytest.approx(100, abs=close_to(3))
    assert found.var() == pytest.approx(9 + 1 / 12, rel=0.02)
    said: list[str] = []
    image = sitk.GetImageFromArray(np.full(SHAPE, 250, np.uint8))
    cut = AddNoise(kind="gaussian", level=10.0).run(image, progress=Progress(on_warning=said.append))
    array = sitk.GetArrayFromImage(cut)
    assert array.max() == 255 and len(said) == 1 and "cut off" in said[0]
    assert int(said[0].split()[0]) == pytest.approx(N * 0.2912, rel=0.03)  # P(z > 0.55)


def test_noise_is_the_same_with_a_mask_with_threads_and_with_the_seed():
    mask = np.zeros(SHAPE, bool)
    mask[5:20, 10:40] = True
    whole, part = noisy(100.0, seed=3, level=5.0), noisy(100.0, seed=3, level=5.0, mask=mask)
    np.testing.assert_array_equal(part[mask], whole[mask])
    assert (part[~mask] == 100).all()
    np.testing.assert_array_equal(whole, noisy(100.0, seed=3, level=5.0))
    assert not np.array_equal(whole, noisy(100.0, seed=4, level=5.0))


def test_grid_and_two_dimensions_are_kept():
    image = oblique_grid(sitk.GetImageFromArray(np.full((20, 30), 50, np.float32)))
    found = AddNoise(level=1.0).run(image)
    assert found.GetDirection() == image.GetDirection() and found.GetSize() == image.GetSize()
    assert found.GetPixelID() == sitk.sitkFloat32
    again = AddNoise(level=1.0).run(image_like(np.full((20, 30), 50, np.float32), image))
    np.testing.assert_array_equal(sitk.GetArrayFromImage(found), sitk.GetArrayFromImage(again))


def test_what_makes_no_sense_is_refused():
    impulses = {"kind": "salt_and_pepper"}
    snr = {"level_is": "snr"}
    for wrong in (
        {**impulses, "level": 1.5},
        {**impulses, **snr, "level": 0.1},
        {**snr, "level": 0.0},
        {"level": -1.0},
        {"kind": "poisson", "level_is": "percent", "level": 1.0},
    ):
        with pytest.raises(ParameterError, match="level"):
            AddNoise(**wrong)
    with pytest.raises(InputError, match="counts cannot be below"):
        noisy(-5.0, kind="poisson", level=1.0)
    with pytest.raises(InputError, match="SNR has no meaning"):
        noisy(-5.0, level=10.0, level_is="snr")
    with pytest.raises(InputError, match="raise the level"):
        noisy(1e10, kind="poisson", level=1e-9)


def test_noise_that_rounding_takes_away_is_told():
    whole = sitk.GetImageFromArray(np.full(SHAPE, 40, np.int16))
    for kind, level, told in (("gaussian", 0.1, True), ("rician", 0.1, True), ("gaussian", 2.0, False)):
        result = execute(AddNoise(kind=kind, level=level), {"image": whole})
        assert any("lost in the rounding" in sentence for sentence in result.warnings) == told
