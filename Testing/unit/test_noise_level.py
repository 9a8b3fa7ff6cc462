"""The noise that denoisers take by themselves is the one that was added, interpolated or not."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk
from MedImgAnalysisLib.execution import execute
from MedImgAnalysisLib.filtering import Bilateral, NonlocalMeans, TotalVariation
from MedImgAnalysisLib.filtering import noise_level as module
from MedImgAnalysisLib.filtering.noise_level import noise_level
from MedImgAnalysisLib.kernels.wavelets import noise_sigma
from MedImgAnalysisLib.phantom import head
from MedImgAnalysisLib.progress import SILENT, Progress
from scipy.ndimage import gaussian_filter, zoom

SD = 20.0


def image(array, spacing=(1.0, 1.0, 1.0)) -> sitk.Image:
    found = sitk.GetImageFromArray(np.asarray(array, np.float32))
    found.SetSpacing(spacing[: found.GetDimension()])
    return found


def organs(shape=(32, 96, 96)) -> np.ndarray:
    """Ellipsoids of several values on a ground that changes slowly."""
    k, j, i = (
        np.linspace(-1, 1, n).reshape([-1 if a == axis else 1 for a in range(3)]) for axis, n in enumerate(shape)
    )
    found = 300 + 60 * np.sin(2 * i) * np.cos(2 * j) + 0 * k
    for centre, radius, value in (((0, 0, 0), 0.7, 200), ((0.2, 0.3, -0.2), 0.3, 150), ((0, -0.4, 0.3), 0.25, -120)):
        found += value * (((k - centre[0]) ** 2 + (j - centre[1]) ** 2 + (i - centre[2]) ** 2) < radius**2)
    return found


def zero_filled(shape, factors, seed=0) -> np.ndarray:
    """White noise of `SD` on a coarser grid, brought to the shape by zero filling, as MR scanners interpolate."""
    small = [int(n / f) for n, f in zip(shape, factors, strict=True)]
    coarse = np.fft.fftn(np.random.default_rng(seed).normal(0, SD, small))
    fine = np.zeros(shape, complex)
    fine[np.ix_(*[np.fft.fftfreq(s, 1 / s).astype(int) % n for s, n in zip(small, shape, strict=True)])] = coarse
    return np.fft.ifftn(fine).real * np.prod(shape) / np.prod(small)


def interpolated(shape, order, seed=0) -> np.ndarray:
    """White noise on twice as large pixels, interpolated in the slices."""
    coarse = np.random.default_rng(seed).normal(0, SD, (shape[0], shape[1] // 2, shape[2] // 2))
    return zoom(coarse, (1, 2, 2), order=order)


KINDS = {
    "white": lambda shape: np.random.default_rng(0).normal(0, SD, shape),
    "zero filled by 2 in slices": lambda shape: zero_filled(shape, (1, 2, 2)),
    "zero filled by 1.5 in slices": lambda shape: zero_filled(shape, (1, 1.5, 1.5)),
    "zero filled by 2": lambda shape: zero_filled(shape, (2, 2, 2)),
    "linear": lambda shape: interpolated(shape, 1),
    "cubic": lambda shape: interpolated(shape, 3),
    "smoothed": lambda shape: gaussian_filter(np.random.default_rng(0).normal(0, 3 * SD, shape), 0.8),
}


@pytest.mark.parametrize("spacing", [(1.0, 1.0, 1.0), (0.7, 0.7, 4.0)])
@pytest.mark.parametrize("kind", KINDS)
def test_known_noise_is_found_whether_interpolated_or_not(kind, spacing):
    clean = organs()
    noise = KINDS[kind](clean.shape)
    found = noise_level(None, image(clean + noise, spacing), None, SILENT)
    # Squares in thick slices are small beside coarse noise, of which the plane takes a part.
    assert (0.85 if spacing[2] == 1 or kind == "white" else 0.78) * noise.std() < found < 1.12 * noise.std()
    if kind != "white":
        assert noise_sigma(clean + noise) < 0.7 * noise.std(), "what the finest details alone say"


def test_a_head_with_rician_noise_has_the_noise_of_the_body_not_of_the_air():
    made = head(1, flair_spacing_mm=(2.0, 2.0, 3.0), t1_spacing_mm=(6.0, 6.0, 6.0), noise=0.03)
    body = sitk.GetArrayFromImage(made.clean["flair"]) > 0
    clean, noisy = (sitk.GetArrayFromImage(one).astype(float) for one in (made.clean["flair"], made.flair))
    truth = float((noisy - clean)[body].std())
    found = noise_level(None, made.flair, None, SILENT)
    assert found == pytest.approx(truth, rel=0.15)
    assert noise_level(None, made.flair, body, SILENT) == pytest.approx(truth, rel=0.15)


def test_an_average_of_many_heads_is_hardly_taken_for_noise(data_dir):
    # 152 scans: as good as no noise, and no region without structure.
    path = data_dir / "atlas" / "icbm152_sym09a_t1.nii.gz"
    t1 = sitk.ReadImage(str(path), sitk.sitkFloat32)[:, :, 60:130]
    clean = sitk.GetArrayFromImage(t1)
    assert noise_level(None, t1, clean > 0, SILENT) < 0.02 * clean.max()
    noisy = clean + np.random.default_rng(0).normal(0, 5, clean.shape)
    assert noise_level(None, image(noisy), clean > 0, SILENT) == pytest.approx(5, rel=0.2)


def test_real_mr_has_the_noise_of_flat_regions(data_dir):
    flair = sitk.ReadImage(str(data_dir / "mr_brain_ms_p01" / "study1_FLAIR.nii.gz"))
    said: list[str] = []
    found = noise_level(None, flair, None, Progress(on_warning=said.append))
    assert 12 < found < 15.5 and noise_sigma(sitk.GetArrayViewFromImage(flair)) < 6
    assert len(said) == 1 and f"{found:.3g}" in said[0] and "coarser" in said[0]


@pytest.mark.parametrize("sd", [10.0, 40.0])
def test_noise_added_to_a_real_t1_is_found(data_dir, sd):
    t1 = sitk.ReadImage(str(data_dir / "mr_brain_mni_p19" / "T1.nii.gz"), sitk.sitkFloat32)
    clean = sitk.GetArrayFromImage(t1)
    brain = clean > 100
    own = noise_level(None, t1, brain, SILENT)
    for noise in (np.random.default_rng(0).normal(0, sd, clean.shape), (sd / SD) * zero_filled(clean.shape, (1, 2, 2))):
        found = noise_level(None, image(clean + noise), brain, SILENT)
        assert found == pytest.approx(np.hypot(own, noise.std()), rel=0.12)


def test_a_threshold_from_fewer_voxels_gives_the_same_noise(monkeypatch):
    made = head(1, flair_spacing_mm=(2.0, 2.0, 3.0), t1_spacing_mm=(6.0, 6.0, 6.0), noise=0.03).flair
    whole = noise_level(None, made, None, SILENT)
    monkeypatch.setattr(module, "ENOUGH_VOXELS", 1 << 17)
    assert noise_level(None, made, None, SILENT) == pytest.approx(whole, rel=0.1)


@pytest.mark.parametrize("shape", [(1, 1, 1), (3, 4, 5), (7, 7), (1, 30, 30), (2, 9, 200)])
def test_images_too_small_for_flat_blocks_have_the_noise_of_their_details(shape):
    array = np.random.default_rng(0).normal(100, 5, shape).astype(np.float32)
    found = noise_level(None, image(array), None, SILENT)
    assert found >= noise_sigma(array) and np.isfinite(found)
    assert noise_level(3.0, image(array), None, SILENT) == 3.0


@pytest.mark.parametrize("operation", [NonlocalMeans(), TotalVariation(), Bilateral()], ids=lambda o: o.name)
def test_denoisers_take_interpolated_noise_out(operation):
    clean = organs((24, 72, 72))
    noise = zero_filled(clean.shape, (1, 2, 2))
    done = execute(operation, {"image": image(clean + noise)})
    left = sitk.GetArrayFromImage(done.outputs["image"]) - clean
    assert left.std() < 0.75 * noise.std()
    assert any("coarser" in warning for warning in done.warnings)
