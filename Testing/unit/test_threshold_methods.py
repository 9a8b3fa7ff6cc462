"""Each way to find a threshold: by its own definition, and to the bin by ITK."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from MedImgAnalysisLib.errors import InputError
from MedImgAnalysisLib.progress import SILENT
from MedImgAnalysisLib.segmentation.threshold_methods import METHODS

ITK = {
    "otsu": sitk.OtsuThresholdImageFilter,
    "huang": sitk.HuangThresholdImageFilter,
    "yen": sitk.YenThresholdImageFilter,
    "triangle": sitk.TriangleThresholdImageFilter,
    "maximum_entropy": sitk.MaximumEntropyThresholdImageFilter,
    "moments": sitk.MomentsThresholdImageFilter,
    "isodata": sitk.IsoDataThresholdImageFilter,
    "intermodes": sitk.IntermodesThresholdImageFilter,
    "renyi_entropy": sitk.RenyiEntropyThresholdImageFilter,
    "shanbhag": sitk.ShanbhagThresholdImageFilter,
}


def sample(seed: int) -> np.ndarray:
    """Whole numbers from 0 to 255 with two peaks of many shapes, or one with a tail."""
    rng = np.random.default_rng(seed)
    dark = rng.normal(rng.uniform(30, 90), rng.uniform(3, 20), 6000)
    bright = rng.normal(rng.uniform(120, 220), rng.uniform(3, 25), rng.integers(300, 6000))
    values = rng.gamma(2, 20, 9000) if seed % 3 == 0 else np.concatenate([dark, bright])
    return values.clip(0, 255).astype(np.uint8)


@pytest.mark.parametrize("method", ITK)
def test_itk_finds_the_same_bin_of_width_one(method):
    for seed in range(24):
        values = sample(seed)
        peer = ITK[method]()
        peer.SetNumberOfHistogramBins(256)
        peer.Execute(sitk.GetImageFromArray(values[None]))
        counts = np.bincount(values, minlength=256)
        found = METHODS[method](counts, SILENT)
        if method == "isodata" and not counts[found]:
            continue  # ITK looks at bins with voxels only, and moves the threshold into the upper peak.
        # Between two peaks without a voxel in between all bins are equal; the voxels on each side are the same.
        np.testing.assert_array_equal(values > found, values > peer.GetThreshold())


COUNTS = hnp.arrays(np.int64, 40, elements=st.integers(0, 50)).filter(lambda c: np.count_nonzero(c) > 1)


def splits(counts: np.ndarray):
    """(bin, counts and bin numbers of the dark side, of the bright side) for all with voxels on both."""
    at = np.arange(len(counts))
    for t in range(len(counts) - 1):
        dark, bright = counts * (at <= t), counts * (at > t)
        if dark.any() and bright.any():
            yield t, dark, bright


def cross_entropy(dark: np.ndarray, bright: np.ndarray) -> float:
    at = np.arange(len(dark)) + 0.5
    return -sum(float((s * at).sum() * np.log((s * at).sum() / s.sum())) for s in (dark, bright))


def normal_error(dark: np.ndarray, bright: np.ndarray) -> float:
    at, total = np.arange(len(dark)), dark.sum() + bright.sum()
    error = 1.0
    for s in (dark, bright):
        share, mean = s.sum() / total, (s * at).sum() / s.sum()
        variance = (s * (at - mean) ** 2).sum() / s.sum() + 1 / 12
        error += share * np.log(variance) - 2 * share * np.log(share)
    return float(error)


@pytest.mark.parametrize(("method", "criterion"), [("li", cross_entropy), ("kittler_illingworth", normal_error)])
@settings(max_examples=60)
@given(counts=COUNTS)
def test_no_other_bin_has_a_smaller_criterion(method, criterion, counts):
    chosen = METHODS[method](counts, SILENT)
    scores = {t: criterion(dark, bright) for t, dark, bright in splits(counts)}
    assert scores[chosen] == pytest.approx(min(scores.values()), rel=1e-9, abs=1e-9)


@settings(max_examples=60)
@given(counts=COUNTS)
def test_no_other_bin_has_a_larger_variance_between(counts):
    at = np.arange(len(counts))
    scores = {
        t: dark.sum() * bright.sum() * ((dark * at).sum() / dark.sum() - (bright * at).sum() / bright.sum()) ** 2
        for t, dark, bright in splits(counts)
    }
    assert scores[METHODS["otsu"](counts, SILENT)] == pytest.approx(max(scores.values()), rel=1e-9)


@pytest.mark.parametrize("method", METHODS)
@settings(max_examples=40)
@given(counts=COUNTS)
def test_both_sides_have_voxels_or_the_method_refuses(method, counts):
    try:
        chosen = METHODS[method](counts, SILENT)
    except InputError as error:
        assert method == "intermodes" and "two peaks" in str(error)
        return
    assert counts[: chosen + 1].any() and counts[chosen + 1 :].any()


@pytest.mark.parametrize("method", METHODS)
def test_a_threshold_lies_between_two_narrow_peaks(method):
    at = np.arange(200)
    counts = np.rint(2000 * np.exp(-(((at - 50) / 6) ** 2)) + 1500 * np.exp(-(((at - 140) / 8) ** 2))).astype(int)
    assert 50 < METHODS[method](counts, SILENT) < 140


@pytest.mark.parametrize("method", sorted(set(METHODS) - {"li"}))
def test_empty_bins_on_either_end_change_nothing(method):
    # Cross-entropy is not the same for shifted values, so li counts from the first bin.
    counts = np.bincount(sample(5), minlength=256)
    found = METHODS[method](counts, SILENT)
    assert METHODS[method](np.concatenate([np.zeros(17, int), counts, np.zeros(9, int)]), SILENT) == found + 17


def test_isodata_between_two_separate_peaks_leaves_both_whole():
    counts = np.zeros(100, int)
    counts[10:20], counts[70:75] = 50, 60
    assert 20 <= METHODS["isodata"](counts, SILENT) < 70


def test_the_error_of_two_normal_distributions_is_least_where_their_densities_meet():
    at = np.arange(400)
    dark, bright = np.exp(-0.5 * ((at - 100) / 10) ** 2) / 10, np.exp(-0.5 * ((at - 220) / 30) ** 2) / 30
    meet = int(np.flatnonzero((bright > dark) & (at > 100))[0])
    counts = np.rint(1e7 * (dark + bright)).astype(int)
    assert METHODS["kittler_illingworth"](counts, SILENT) == pytest.approx(meet, abs=2)


def test_moments_keeps_the_share_of_a_two_valued_image():
    counts = np.zeros(100, int)
    counts[20], counts[70] = 700, 300
    assert 20 <= METHODS["moments"](counts, SILENT) < 70


def test_intermodes_without_two_peaks_is_refused():
    with pytest.raises(InputError, match="two peaks"):
        METHODS["intermodes"](np.array([0, 5, 9, 4, 1, 0]), SILENT)
