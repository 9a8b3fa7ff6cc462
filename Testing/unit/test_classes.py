"""Classes of one or several channels by k-means and mixtures of normal distributions."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given, settings
from hypothesis import strategies as st
from medimg_testing import oblique_grid
from MedImgAnalysisLib.errors import InputError
from MedImgAnalysisLib.execution import execute
from MedImgAnalysisLib.kernels import mixture
from MedImgAnalysisLib.segmentation import GaussianMixture, KMeans


def dice(a: np.ndarray, b: np.ndarray) -> float:
    return 2 * np.count_nonzero(a & b) / (np.count_nonzero(a) + np.count_nonzero(b))


def segment(outputs: dict, name: str) -> np.ndarray:
    return sitk.GetArrayFromImage(outputs["labels"].mask(name)) != 0


def tissue(seed: int = 0) -> tuple[list[sitk.Image], np.ndarray]:
    """Three classes in two channels that only together tell them apart, on an oblique grid."""
    rng = np.random.default_rng(seed)
    truth = np.repeat(np.repeat(rng.integers(0, 3, (4, 6, 6)), 5, axis=1), 5, axis=2)
    means = np.array([[10.0, 50.0], [12.0, 90.0], [40.0, 55.0]])
    images = [
        oblique_grid(sitk.GetImageFromArray((means[truth][..., c] + rng.normal(0, 3, truth.shape)).astype(np.float32)))
        for c in range(2)
    ]
    return images, truth


@pytest.mark.parametrize("operation", [KMeans(names="A, B, C"), GaussianMixture(names="A, B, C")], ids=lambda o: o.name)
def test_classes_of_two_channels_are_found_named_and_measured(operation):
    images, truth = tissue()
    outputs = execute(operation, {"images": images}).outputs
    for number, name in enumerate("ABC"):
        assert dice(segment(outputs, name), truth == number) > 0.98
    rows = outputs["table"].rows
    assert [row["segment"] for row in rows] == ["A", "B", "C"]
    np.testing.assert_allclose([[r["mean_1"], r["mean_2"]] for r in rows], [[10, 50], [12, 90], [40, 55]], atol=0.7)
    assert sum(row["voxels"] for row in rows) == truth.size


def test_a_mixture_is_surer_in_the_middle_of_a_class_and_gains_with_every_step():
    images, truth = tissue()
    outputs = execute(GaussianMixture(), {"images": images}).outputs
    probability = sitk.GetArrayFromImage(outputs["probability"])
    assert probability.min() > 1 / 3 - 1e-6 and np.median(probability) > 0.99
    assert (np.diff(outputs["curves"].series[0].y) > -1e-9).all()
    assert sum(row["weight"] for row in outputs["table"].rows) == pytest.approx(1)
    np.testing.assert_allclose(
        [row["weight"] for row in outputs["table"].rows], np.bincount(truth.ravel()) / truth.size, atol=0.02
    )


def test_the_fit_is_that_of_known_distributions():
    rng = np.random.default_rng(5)
    sample = np.concatenate([rng.normal(0, 1, (6000, 1)), rng.normal(8, 2, (3000, 1))])
    centres, _ = mixture.k_means(sample, 2, seed=1)
    found, likelihoods = mixture.fit(sample, centres)
    np.testing.assert_allclose(found.weights, [2 / 3, 1 / 3], atol=0.01)
    np.testing.assert_allclose(found.means[:, 0], [0, 8], atol=0.1)
    np.testing.assert_allclose(found.covariances[:, 0, 0], [1, 4], rtol=0.08)
    assert likelihoods == sorted(likelihoods)


@given(st.integers(0, 1000), st.integers(2, 4))
@settings(max_examples=20)
def test_every_row_is_with_its_nearest_centre_and_every_centre_the_mean_of_its_rows(seed, classes):
    sample = np.random.default_rng(seed).normal(0, 1, (80, 2))
    centres, cost = mixture.k_means(sample, classes, seed=seed)
    nearest = mixture.squared_distances(sample, centres).argmin(axis=1)
    for number in range(classes):
        np.testing.assert_allclose(centres[number], sample[nearest == number].mean(axis=0), atol=1e-5)
    assert cost == pytest.approx(np.square(sample - centres[nearest]).sum(axis=1).mean())


@pytest.mark.parametrize("operation", [KMeans, GaussianMixture], ids=lambda o: o.name)
def test_classes_that_cannot_be_are_refused(operation):
    images, _ = tissue()
    with pytest.raises(InputError, match="2 names for 3 classes"):
        execute(operation(names="A, B"), {"images": images})
    with pytest.raises(InputError, match="Two classes have one name"):
        execute(operation(names="A, B, A"), {"images": images})
    few = sitk.GetImageFromArray(np.array([[[0, 1], [1, 0]]], np.uint8))
    with pytest.raises(InputError, match="fewer than 3 different values"):
        execute(operation(), {"images": [few]})
    with pytest.raises(InputError, match="Image 2 is constant"):
        execute(operation(), {"images": [images[0], sitk.Multiply(images[0], 0.0)]})
