"""The numerics of the deformable stage, each against an independent reference."""

from __future__ import annotations

import numpy as np
import pytest
from MedImgAnalysisLib.errors import Cancelled
from MedImgAnalysisLib.kernels import gaussian, separable
from MedImgAnalysisLib.kernels.lattice import covering, gaussian_sums, spline
from MedImgAnalysisLib.kernels.sampling import sample
from MedImgAnalysisLib.progress import Progress
from MedImgAnalysisLib.registration.relation import (
    BINS,
    local_correlation,
    mutual_information,
    normalised,
    scores,
    squared_differences,
)
from MedImgAnalysisLib.registration.stiffness import Springs, Stiffness, lower_times, solved, upper_times, whiten
from scipy import ndimage


@pytest.mark.parametrize("shape", [(9, 8, 7), (11, 13), (1, 6, 5), (2, 3, 1)])
def test_sampling_equals_scipy_with_the_border_repeated(shape):
    random = np.random.default_rng(1)
    arrays = [random.normal(size=shape).astype(np.float32) for _ in range(2)]
    places = [random.uniform(-3, n + 2, (6, 5)).astype(np.float32) for n in shape]
    outs = [np.empty((6, 5), np.float32) for _ in arrays]
    sample(arrays, places, outs)
    for array, out in zip(arrays, outs, strict=True):
        expected = ndimage.map_coordinates(array, places, order=1, mode="nearest")
        np.testing.assert_allclose(out, expected, atol=2e-6)


def test_sampling_at_voxel_centres_gives_the_values_themselves():
    array = np.random.default_rng(2).normal(size=(4, 5, 6)).astype(np.float32)
    out = np.empty_like(array)
    sample([array], [n.astype(np.float32) for n in np.indices(array.shape)], [out])
    np.testing.assert_allclose(out, array, atol=5e-7)


@pytest.mark.parametrize(("length", "step"), [(10, 2.0), (11, 2.0), (1, 2.0), (2, 3.0), (7, 1.0), (30, 4.0)])
def test_a_lattice_covers_every_voxel_and_little_more(length, step):
    lattice = covering(length, step)
    assert lattice.positions[0] <= 0 and lattice.positions[-1] >= length - 1
    assert lattice.positions[-1] - lattice.positions[0] < length - 1 + step
    assert lattice.positions[0] + lattice.positions[-1] == pytest.approx(length - 1)


def test_gaussian_sums_equal_the_smoothed_array_at_the_nodes():
    array = np.random.default_rng(3).normal(size=81)
    lattice = covering(81, 2.0)
    found = gaussian_sums(lattice, 81, 3.0) @ array
    smooth = ndimage.gaussian_filter1d(array, 3.0, mode="constant")
    np.testing.assert_allclose(found, smooth[lattice.positions.astype(int)], atol=1e-4)


def test_the_spline_of_a_lattice_goes_through_its_nodes_and_keeps_straight_lines():
    lattice = covering(61, 2.0)
    values = np.random.default_rng(4).normal(size=lattice.nodes)
    np.testing.assert_allclose(spline(lattice, lattice.positions) @ values, values, atol=1e-7)
    inner = np.linspace(22, 38, 9)
    np.testing.assert_allclose(spline(lattice, inner) @ (3 * lattice.positions + 1), 3 * inner + 1, atol=1e-4)


@pytest.mark.parametrize("shape", [(12, 11, 10), (15, 14)])
def test_smoothing_a_product_equals_smoothing_it_after_it_was_made(shape):
    random = np.random.default_rng(5)
    a, b = (random.normal(size=shape).astype(np.float32) for _ in range(2))
    expected = ndimage.gaussian_filter((a * b).astype(float), 1.7)
    np.testing.assert_allclose(gaussian.smooth_product(a, b, [1.7] * len(shape)), expected, atol=2e-6)
    matrices = [random.normal(size=(3, n)) for n in shape]
    expected = separable.apply(a * b, matrices)
    np.testing.assert_allclose(separable.apply(a, matrices, times=b), expected, atol=1e-4)


def energy(stiffness: Stiffness, field: np.ndarray) -> float:
    """Half the weighted sum of squared second and first differences."""
    total = 0.0
    for part in field:
        for axis in range(part.ndim):
            total += stiffness.bending * np.square(np.diff(part, 2, axis)).sum()
            total += stiffness.stretching * np.square(np.diff(part, 1, axis)).sum()
    return total / 2


@pytest.mark.parametrize("shape", [(2, 5, 6), (3, 4, 5, 6), (3, 1, 2, 7)])
def test_stiffness_is_the_gradient_of_its_energy(shape):
    random = np.random.default_rng(6)
    field, way = random.normal(size=shape), random.normal(size=shape)
    stiffness = Stiffness(0.7, 0.2)
    slope = (energy(stiffness, field + 1e-4 * way) - energy(stiffness, field - 1e-4 * way)) / 2e-4
    pulled = Springs(stiffness, shape[1:], field.dtype).times(field)
    assert float((pulled * way).sum()) == pytest.approx(slope, rel=1e-6)


@pytest.mark.parametrize("d", [2, 3])
def test_steps_equal_those_of_a_dense_solver(d):
    random = np.random.default_rng(7)
    shape = (5, 4, 3)[:d]
    roots = random.normal(size=(*shape, d, d))
    local = roots @ np.swapaxes(roots, -1, -2) + 0.1 * np.eye(d)
    entries = {(a, b): local[..., a, b].copy() for a in range(d) for b in range(a, d)}
    right, field = random.normal(size=(d, *shape)), random.normal(size=(d, *shape))
    stiffness = Stiffness(0.5, 0.1)
    n = right.size
    springs = Springs(stiffness, shape, field.dtype)
    units = np.eye(n).reshape(n, d, *shape)
    dense = np.array([(np.einsum("...ab,b...->a...", local, e) + springs.times(e)).ravel() for e in units])
    expected = np.linalg.solve(dense, (right - springs.times(field)).ravel())
    found = solved(entries, right.copy(), field, stiffness, 200)
    np.testing.assert_allclose(found.ravel(), expected, atol=5e-3 * np.abs(expected).max())


@pytest.mark.parametrize("d", [2, 3])
def test_factors_of_symmetric_matrices_make_them_the_identity(d):
    roots = np.random.default_rng(8).normal(size=(7, d, d))
    local = roots @ np.swapaxes(roots, -1, -2) + 0.5 * np.eye(d)
    factor = {(a, b): local[..., a, b].copy() for a in range(d) for b in range(a, d)}
    whiten(factor)
    # Columns of the matrices, each a vector at every node.
    columns = np.eye(d)[..., None].repeat(7, axis=2)
    upper = np.stack([upper_times(factor, column, slice(None)) for column in columns], axis=1)
    lower = np.stack([lower_times(factor, column, slice(None)) for column in columns], axis=1)
    np.testing.assert_allclose(lower, np.swapaxes(upper, 0, 1))
    np.testing.assert_allclose(np.einsum("acn,ncd,dbn->abn", lower, local, upper), columns, atol=1e-9)


@pytest.mark.parametrize("strength", [1.0, 1e4, 1e7, 1e9, 1e12])
@pytest.mark.parametrize("d", [2, 3])
def test_edges_that_all_run_one_way_give_finite_steps_across_them_however_strong_they_are(d, strength):
    random = np.random.default_rng(0)
    shape = (9, 8, 7)[:d]
    across = np.array([0.6, -0.5, 0.3][:d], np.float32)
    local = (np.float32(strength) * random.uniform(0.5, 2, shape)).astype(np.float32)
    # Of rank one but for rounding: the stiffness is lost beside it.
    entries = {(a, b): local * across[a] * across[b] for a in range(d) for b in range(a, d)}
    right = local * across.reshape(-1, *[1] * d)
    with np.errstate(all="raise", under="ignore"):
        found = solved(entries, right, np.zeros_like(right), Stiffness(0.5, 0.05), 20)
    moved = np.einsum("a,a...->...", across, found)
    np.testing.assert_allclose(moved, 1.0, atol=0.05 if strength > 1 else 1.0)


@pytest.mark.parametrize("piece", [1, 40, 1000])
def test_steps_do_not_depend_on_the_pieces_in_which_they_are_made(piece, monkeypatch):
    random = np.random.default_rng(10)
    shape = (9, 5, 4)
    entries = {(a, b): random.random(shape) + 3 * (a == b) for a in range(3) for b in range(a, 3)}
    right, field = random.normal(size=(3, *shape)), random.normal(size=(3, *shape))
    copies = {pair: values.copy() for pair, values in entries.items()}
    expected = solved(copies, right.copy(), field, Stiffness(0.5, 0.1), 10)
    monkeypatch.setattr("MedImgAnalysisLib.registration.stiffness.PIECE", piece)
    found = solved(entries, right.copy(), field, Stiffness(0.5, 0.1), 10)
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-12)


def textures(shape: tuple[int, ...] = (18, 17, 16)) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    random = np.random.default_rng(9)
    one = ndimage.gaussian_filter(random.normal(size=shape), 1.5).astype(np.float32)
    inside = np.ones(shape, bool)
    inside[:4] = False
    return one / one.std(), inside, random.normal(size=shape).astype(np.float32)


@pytest.mark.parametrize("factor", [1.0, 3.0, -2.0])
def test_local_correlation_does_not_see_size_and_sign_of_the_relation(factor):
    one, inside, _ = textures()
    sigmas = [2.0] * 3
    fixed = normalised(one.copy(), sigmas, 0.01)
    warped = normalised(factor * one + 5, sigmas, 0.01)
    found = local_correlation(fixed, warped, inside, sigmas)
    assert found.measure == pytest.approx(1, abs=0.05)
    assert not found.pull[:4].any() and not found.certainty[:4].any()
    assert np.abs(found.pull[inside]).max() < 0.1


def test_local_correlation_pulls_along_the_derivative_of_the_squared_correlation():
    one, inside, noise = textures()
    sigmas = [2.0] * 3
    fixed, warped = normalised(one.copy(), sigmas, 0.01), normalised(one + 0.5 * noise, sigmas, 0.01)
    found = local_correlation(fixed, warped.copy(), inside, sigmas)
    smooth = ndimage.gaussian_filter
    b = smooth(fixed * warped, 2.0) / (smooth(warped * warped, 2.0) + 0.01)
    np.testing.assert_allclose(found.pull[inside], (b * (fixed - b * warped))[inside], atol=1e-4)
    np.testing.assert_allclose(found.certainty[inside], (b * b)[inside], atol=1e-4)


def test_squared_differences_pull_towards_the_fixed_image():
    one, inside, noise = textures()
    found = squared_differences(one, noise.copy(), inside, [])
    np.testing.assert_allclose(found.pull, (one - noise) * inside, rtol=1e-6)
    assert found.measure == pytest.approx(np.square(one - noise)[inside].mean(), rel=1e-5)


def test_scores_of_a_gaussian_relation_are_those_of_least_squares():
    """For f = m + noise of SD s: d log p(f | m) / dm = (f - m) / s^2 with mean square 1 / s^2."""
    spread = 4.0
    f, m = np.mgrid[:BINS, :BINS]
    joint = 1e6 * np.exp(-0.5 * ((f - m) / spread) ** 2)
    score, information, _ = scores(joint)
    middle = slice(BINS // 2 - 4, BINS // 2 + 5)
    wider = spread**2 + 2 * 1.5**2  # the smoothing of the histogram along both axes
    np.testing.assert_allclose(score[middle, middle], ((f - m) / wider)[middle, middle], atol=0.02)
    np.testing.assert_allclose(information[middle], 1 / wider, rtol=0.05)


def test_mutual_information_of_equal_images_is_that_of_their_histogram_and_of_noise_none():
    random = np.random.default_rng(10)
    one = random.uniform(0, BINS - 1, (40, 40, 40)).astype(np.float32)
    other = random.uniform(0, BINS - 1, (40, 40, 40)).astype(np.float32)
    inside = np.ones(one.shape, bool)
    assert mutual_information(one, one.copy(), inside, []).measure > 1.5
    assert mutual_information(one, other, inside, []).measure == pytest.approx(0, abs=0.02)


def test_solving_stops_when_asked_to():
    one = np.ones((4, 4, 4), np.float32)
    entries = {(a, b): one * float(a == b) for a in range(3) for b in range(a, 3)}
    progress = Progress()
    progress.cancel()
    with pytest.raises(Cancelled):
        solved(
            entries,
            np.ones((3, 4, 4, 4), np.float32),
            np.zeros((3, 4, 4, 4), np.float32),
            Stiffness(0.5, 0.05),
            5,
            progress,
        )
