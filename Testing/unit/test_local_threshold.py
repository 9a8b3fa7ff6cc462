"""Thresholds that follow the surroundings: those of scikit-image, in millimetres on any grid."""

from __future__ import annotations

import threading
import time

import numpy as np
import pytest
import SimpleITK as sitk
from MedImgAnalysisLib.errors import Cancelled, InputError
from MedImgAnalysisLib.execution import execute
from MedImgAnalysisLib.progress import Progress
from MedImgAnalysisLib.segmentation import LocalThreshold
from MedImgAnalysisLib.segmentation import local_threshold as module

filters = pytest.importorskip("skimage.filters")
METHODS = ("mean", "gaussian", "niblack", "sauvola")


def segment(array: np.ndarray, spacing=None, mask: np.ndarray | None = None, **parameters) -> np.ndarray:
    image = sitk.GetImageFromArray(array)
    if spacing is not None:
        image.SetSpacing(spacing)
    inputs = {"image": image}
    if mask is not None:
        inputs["mask"] = sitk.GetImageFromArray(mask.astype(np.uint8))
        inputs["mask"].CopyInformation(image)
    labels = execute(LocalThreshold(**parameters), inputs).outputs["labels"]
    return sitk.GetArrayFromImage(labels.mask("Foreground")) != 0


@pytest.mark.parametrize("shape", [(17, 20, 23), (40, 41)])
@pytest.mark.parametrize("method", METHODS)
def test_scikit_image_has_the_same_thresholds(method, shape):
    array = np.random.default_rng(1).uniform(0, 10, shape)
    array.flat[0] = 0  # the smallest value, from which sauvola counts
    if method in ("mean", "gaussian"):
        limit = filters.threshold_local(array, 7, method, offset=0.5, mode="reflect", param=7 / 6)
    else:
        peer = filters.threshold_niblack if method == "niblack" else filters.threshold_sauvola
        options = {} if method == "niblack" else {"r": 5.0}
        limit = peer(array, 7, k=0.3, **options)
    found = segment(array, window_mm=7.0, method=method, offset=0.5, k=0.3, sd_range=5.0, side="dark")
    expected = array < limit
    if method in ("niblack", "sauvola"):
        # scikit-image's integral images lose the mirrored border.
        inner = tuple(slice(4, -4) for _ in shape)
        found, expected = found[inner], expected[inner]
    assert np.count_nonzero(found != expected) <= 0.002 * found.size


@pytest.mark.parametrize("method", METHODS)
def test_bright_structures_are_dark_ones_of_the_negative(method):
    array = np.random.default_rng(2).normal(0, 1, (9, 20, 21))
    found = segment(array, window_mm=9.0, method=method)
    np.testing.assert_array_equal(found, segment(-array, window_mm=9.0, method=method, side="dark"))


@pytest.mark.parametrize("method", METHODS)
def test_gain_and_offset_of_the_image_change_nothing(method):
    array = np.random.default_rng(3).normal(0, 1, (9, 20, 21))
    found = segment(array, window_mm=9.0, method=method)
    np.testing.assert_array_equal(found, segment(array * 250.0 - 4000.0, window_mm=9.0, method=method))


def spots(drift: float) -> tuple[np.ndarray, np.ndarray]:
    """Bright balls of 3 mm radius every 16 mm, on a ground that rises along i; 1 mm voxels."""
    k, j, i = np.indices((32, 48, 64)) + 0.5
    inside = sum((x % 16 - 8) ** 2 for x in (k, j, i)) < 3.0**2
    return inside, 20.0 * inside + drift * i


def test_spots_are_found_on_a_ground_that_drifts_more_than_they_stand_out():
    inside, array = spots(drift=2.0)
    assert np.array_equal(segment(array, window_mm=17.0, offset=8.0), inside)


@pytest.mark.parametrize("method", ["mean", "gaussian"])
def test_the_window_is_in_millimetres_on_an_anisotropic_grid(method):
    inside, array = spots(drift=1.0)
    fine = segment(array, window_mm=16.0, offset=8.0, method=method)
    # Every second voxel along k and every fourth along i of an image whose structures are 4 times as long there.
    stretched = np.repeat(array, 4, axis=2)
    coarse = segment(stretched, (0.25, 1.0, 1.0), window_mm=16.0, offset=8.0, method=method)
    assert np.count_nonzero(coarse[:, :, 1::4] != fine) <= 0.002 * fine.size
    assert np.count_nonzero(fine != inside) <= 0.01 * fine.size


def test_slabs_give_what_the_whole_gives(monkeypatch):
    array = np.random.default_rng(5).normal(0, 1, (40, 24, 25))
    whole = segment(array, window_mm=9.0, method="sauvola")
    monkeypatch.setattr(module, "SLAB_VALUES", 24 * 25 * 9)
    np.testing.assert_array_equal(segment(array, window_mm=9.0, method="sauvola"), whole)


def test_an_even_region_has_no_segment():
    array = np.full((20, 20, 20), 0.1)
    array[:, :, 15:] = np.random.default_rng(6).normal(0.1, 0.05, (20, 20, 5))
    assert not segment(array, window_mm=5.0)[:, :, :12].any()


def test_the_segment_stays_inside_the_mask():
    array = np.random.default_rng(7).normal(0, 1, (8, 20, 20))
    mask = np.zeros(array.shape, bool)
    mask[2:6, 5:15, 5:15] = True
    np.testing.assert_array_equal(segment(array, mask=mask), segment(array) & mask)


def test_a_window_of_one_voxel_and_an_empty_result_are_refused():
    array = np.random.default_rng(8).normal(0, 1, (8, 20, 20))
    with pytest.raises(InputError, match="make it wider"):
        segment(array, window_mm=0.5)
    with pytest.raises(InputError, match="Nothing was found"):
        segment(array, offset=1e6)


def test_a_large_window_stops_within_half_a_second():
    image = sitk.GetImageFromArray(np.random.default_rng(9).normal(0, 1, (200, 200, 200)).astype(np.float32))
    progress, asked = Progress(), []
    timer = threading.Timer(0.3, lambda: (asked.append(time.perf_counter()), progress.cancel()))
    timer.start()
    try:
        with pytest.raises(Cancelled):
            LocalThreshold(method="sauvola", window_mm=61.0).run(image, progress=progress)
        assert time.perf_counter() - asked[0] < 0.5
    finally:
        timer.cancel()
