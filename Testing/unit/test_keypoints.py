"""Keypoints and blocks: found again after turns, scalings and shifts; as good as scikit-image's SIFT."""

from __future__ import annotations

import numpy as np
import pytest
from MedImgAnalysisLib.kernels.blocks import chosen_blocks, found_again
from MedImgAnalysisLib.kernels.keypoints import keypoints, matches
from scipy.ndimage import affine_transform, gaussian_filter
from scipy.ndimage import shift as shifted


def texture(shape: tuple[int, ...], seed: int = 1) -> np.ndarray:
    rng = np.random.default_rng(seed)
    array = sum(s * gaussian_filter(rng.normal(size=shape), s) * s ** (len(shape) / 2 - 1) for s in (1.5, 3, 6))
    return ((array - array.min()) / np.ptp(array)).astype(np.float32)


def turned(array: np.ndarray, angle_deg: float, scale: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """An array b with b[x] = array[A x + t], rows and columns, and A and t."""
    a = np.radians(angle_deg)
    matrix = np.array([[np.cos(a), -np.sin(a)], [np.sin(a), np.cos(a)]]) / scale
    middle = (np.array(array.shape) - 1) / 2
    offset = middle - matrix @ middle
    return affine_transform(array, matrix, offset, order=3, mode="nearest").astype(np.float32), matrix, offset


def errors(first, second, matrix, offset) -> np.ndarray:
    """Distance of matched keypoints from where they belong, pixels."""
    pairs = matches(first.descriptors, second.descriptors)
    return np.linalg.norm(second.places[pairs[:, 1]] @ matrix.T + offset - first.places[pairs[:, 0]], axis=1)


@pytest.mark.parametrize(("angle", "scale"), [(0, 1.0), (37, 1.0), (90, 1.0), (180, 1.0), (-120, 1.3), (15, 0.75)])
def test_keypoints_are_found_again_after_turns_and_scalings(angle, scale):
    array = texture((160, 180))
    other, matrix, offset = turned(array, angle, scale)
    found = errors(keypoints(array), keypoints(other), matrix, offset)
    assert len(found) > 60 and (found < 1.5).mean() > 0.9 and np.median(found) < 0.3


def test_keypoints_are_those_of_scikit_image_and_match_as_well():
    feature = pytest.importorskip("skimage.feature")
    array = texture((160, 180), seed=4)
    other, matrix, offset = turned(array, 30, 1.15)
    ours = [keypoints(image) for image in (array, other)]
    theirs = []
    for image in (array, other):
        sift = feature.SIFT()
        sift.detect_and_extract(image)
        theirs.append((sift.keypoints, sift.positions, sift.descriptors))
    apart = np.linalg.norm(theirs[0][1][:, None] - ours[0].places[None], axis=2).min(axis=1)
    assert (apart < 1.0).mean() > 0.85
    pairs = feature.match_descriptors(theirs[0][2], theirs[1][2], max_ratio=0.8, cross_check=True)
    peers = np.linalg.norm(theirs[1][1][pairs[:, 1]] @ matrix.T + offset - theirs[0][1][pairs[:, 0]], axis=1)
    own = errors(*ours, matrix, offset)
    assert (own < 1.5).sum() > 0.9 * (peers < 1.5).sum()
    assert (own < 1.5).mean() > (peers < 1.5).mean() - 0.03


def test_a_blob_has_its_place_and_its_size():
    rows, columns = np.mgrid[:80, :90]
    for sigma in (3.0, 5.0, 9.0):
        blob = np.exp(-((rows - 41.3) ** 2 + (columns - 37.8) ** 2) / (2 * sigma**2))
        found = keypoints(blob)
        np.testing.assert_allclose(found.places[0], [41.3, 37.8], atol=0.1)
        # The difference of Gaussians of a blob is largest about where its own size is.
        assert found.sigmas[0] == pytest.approx(sigma, rel=0.25)


def test_descriptors_have_length_one_and_do_not_depend_on_brightness():
    array = texture((100, 110))
    first, second = keypoints(array), keypoints(0.5 * array + 0.2)
    np.testing.assert_allclose(np.linalg.norm(first.descriptors, axis=1), 1, rtol=1e-5)
    pairs = matches(first.descriptors, second.descriptors)
    assert len(pairs) > 0.3 * len(first.places)
    np.testing.assert_allclose(first.places[pairs[:, 0]], second.places[pairs[:, 1]], atol=1e-2)


def test_nothing_is_found_in_nothing():
    assert len(keypoints(np.zeros((40, 40))).places) == 0
    assert len(keypoints(np.zeros((1, 1))).places) == 0
    assert matches(np.empty((0, 128)), np.ones((4, 128))).shape == (0, 2)


@pytest.mark.parametrize("signed", [True, False])
def test_blocks_are_found_again_after_a_shift_with_fractions(signed):
    array = texture((40, 44, 36))
    truth = np.array([1.5, -2.0, 0.75])
    other = shifted(array, truth, order=3, mode="nearest").astype(np.float32)
    if not signed:
        other = 1 - other
    known = np.ones(array.shape, bool)
    inner = np.zeros(array.shape, bool)
    inner[6:-6, 6:-6, 6:-6] = True
    places = chosen_blocks(array, inner, 5, 3, 300)
    found = found_again(array, other, known, places, 5, 4, signed=signed)
    assert len(found.places) > 0.7 * len(places)
    apart = np.linalg.norm(found.shifts - truth, axis=1)
    assert np.median(apart) < 0.3 and (apart < 0.8).mean() > 0.9
    if not signed:
        same = found_again(array, other, known, places, 5, 4)
        assert (np.linalg.norm(same.shifts - truth, axis=1) < 0.8).mean() < 0.3


def test_scores_of_blocks_are_correlation_coefficients():
    first, second = texture((20, 20, 20), 1), texture((20, 20, 20), 2)
    known = np.ones(first.shape, bool)
    places = np.array([[9, 10, 8], [10, 9, 11]])
    found = found_again(first, second, known, places, 5, 3)
    for place, shift, score in zip(found.places, found.shifts, found.scores, strict=True):
        there = place + np.rint(shift).astype(int)
        a, b = (
            array[tuple(slice(n - 2, n + 3) for n in at)].ravel() for array, at in ((first, place), (second, there))
        )
        assert score == pytest.approx(np.corrcoef(a, b)[0, 1], abs=1e-4)


def test_blocks_are_looked_for_where_the_other_array_is_known():
    array = texture((30, 30, 30))
    known = np.ones(array.shape, bool)
    known[:, :, :15] = False
    places = chosen_blocks(array, np.ones(array.shape, bool), 5, 3, 500)
    found = found_again(array, array, known, places, 5, 3)
    assert len(found.places) and (np.rint(found.places + found.shifts)[:, 2] >= 15).all()


def test_flat_arrays_have_no_blocks_and_masks_hold():
    known = np.ones((20, 20, 20), bool)
    assert len(chosen_blocks(np.zeros(known.shape, np.float32), known, 5, 2, 100)) == 0
    known[10:] = False
    assert (chosen_blocks(texture(known.shape), known, 5, 2, 100)[:, 0] < 10).all()
    assert len(chosen_blocks(texture((3, 20, 20)), np.ones((3, 20, 20), bool), 5, 2, 100)) == 0
