"""Watershed, supervoxels, random walks and graph cuts on images with known answers."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given, settings
from hypothesis import strategies as st
from medimg_testing import oblique_grid
from MedImgAnalysisLib.errors import InputError
from MedImgAnalysisLib.execution import execute
from MedImgAnalysisLib.geometry import image_like
from MedImgAnalysisLib.kernels import grid_cut
from MedImgAnalysisLib.kernels.minimum_cut import minimum_cut
from MedImgAnalysisLib.kernels.random_walk import edge_weights, probabilities
from MedImgAnalysisLib.segmentation import GraphCut, RandomWalker, Slic, Watershed
from MedImgAnalysisLib.segmentation.outcome import cells_by_number, size_cells
from MedImgAnalysisLib.values import Labels, Landmarks


def dice(a: np.ndarray, b: np.ndarray) -> float:
    return 2 * np.count_nonzero(a & b) / (np.count_nonzero(a) + np.count_nonzero(b))


def two_balls(noise: float = 15.0) -> tuple[sitk.Image, np.ndarray, np.ndarray]:
    """Two touching balls of radius 10 mm, of 100 and 70, on an oblique grid of 1 x 1 x 2.5 mm."""
    k, j, i = np.indices((16, 40, 64), float)
    left, right = (((2.5 * (k - 7.5)) ** 2 + (j - 20) ** 2 + (i - x) ** 2) < 100 for x in (22, 42.5))
    array = 100.0 * left + 70.0 * right + np.random.default_rng(2).normal(0, noise, left.shape)
    image = oblique_grid(sitk.GetImageFromArray(array.astype(np.float32)))
    image.SetSpacing((1.0, 1.0, 2.5))
    return image, left, right


def painted(image: sitk.Image, **boxes: tuple[slice, slice, slice]) -> Labels:
    masks = []
    for name, box in boxes.items():
        mask = np.zeros(sitk.GetArrayViewFromImage(image).shape, np.uint8)
        mask[box] = 1
        masks.append((name, image_like(mask, image)))
    return Labels.from_masks(masks)


SEEDS = {
    "Left": (slice(7, 9), slice(18, 22), slice(18, 24)),
    "Right": (slice(7, 9), slice(18, 22), slice(40, 46)),
    "Around": (slice(0, 16), slice(0, 3), slice(0, 64)),
}


def segment(outputs: dict, name: str) -> np.ndarray:
    return sitk.GetArrayFromImage(outputs["labels"].mask(name)) != 0


def brute_force_cut(first, second, weight, source, sink) -> float:
    def cost(side: tuple[bool, ...]) -> float:
        return (
            sum(w for a, b, w in zip(first, second, weight, strict=True) if side[a] != side[b])
            + sum(c for c, s in zip(source, side, strict=True) if not s)
            + sum(c for c, s in zip(sink, side, strict=True) if s)
        )

    return min(cost(side) for side in itertools.product((False, True), repeat=len(source)))


@settings(max_examples=40)
@given(st.integers(0, 10**6))
def test_no_other_cut_is_cheaper(seed):
    rng = np.random.default_rng(seed)
    pairs = [(a, b) for a in range(7) for b in range(a) if rng.random() < 0.5] or [(1, 0)]
    first, second = np.array(pairs).T
    weight, source, sink = rng.uniform(0, 1, len(pairs)), rng.uniform(0, 1, 7), rng.uniform(0, 1, 7)
    side = minimum_cut(first, second, weight, source, sink)
    own = weight[side[first] != side[second]].sum() + source[~side].sum() + sink[side].sum()
    assert own == pytest.approx(brute_force_cut(first, second, weight, source, sink), abs=1e-3)


def test_seeds_are_never_parted_from_their_side():
    side = minimum_cut(np.array([0]), np.array([1]), np.array([5.0]), np.array([np.inf, 0.0]), np.array([0.0, np.inf]))
    assert side.tolist() == [True, False]


def test_cutting_coarse_to_fine_finds_the_border_of_cutting_at_once(monkeypatch):
    image, left, right = two_balls(10.0)
    array = sitk.GetArrayFromImage(image)
    seeds = np.zeros(array.shape, np.uint8)
    seeds[SEEDS["Left"]], seeds[SEEDS["Around"]] = 1, 2
    region = (0.02 * (50 - array)).astype(np.float32)
    at_once = grid_cut.cut_voxels(array, region, seeds, (2.5, 1.0, 1.0), 15.0)
    monkeypatch.setattr(grid_cut, "LARGEST_NODES", 12_000)
    in_steps = grid_cut.cut_voxels(array, region, seeds, (2.5, 1.0, 1.0), 15.0)
    assert dice(at_once, in_steps) > 0.99
    assert dice(at_once, left | right) > 0.97


def test_a_graph_cut_finds_the_object_from_a_few_seeds():
    image, left, _ = two_balls()
    inputs = {"image": image, "seeds": painted(image, A=SEEDS["Left"]), "other": painted(image, B=SEEDS["Around"])}
    outputs = execute(GraphCut(margin_mm=60.0), inputs).outputs
    assert dice(segment(outputs, "Object"), left) > 0.98
    other = Labels.from_masks([("B", sitk.Or(inputs["other"].layers[0], painted(image, C=SEEDS["Right"]).layers[0]))])
    parted = execute(GraphCut(margin_mm=60.0, values_weight=0.0), inputs | {"other": other}).outputs
    assert dice(segment(parted, "Object"), left) > 0.98


def test_a_graph_cut_of_points_alone_minds_values_and_refuses_shared_seeds():
    image, left, _ = two_balls(5.0)
    where = [image.TransformIndexToPhysicalPoint(p) for p in ((22, 20, 7), (5, 5, 3))]
    own, other = (Landmarks(("A",), np.array([p])) for p in where)
    outputs = execute(
        GraphCut(values_weight=1.0, margin_mm=80.0), {"image": image, "seed_points": own, "other_points": other}
    ).outputs
    assert dice(segment(outputs, "Object"), left) > 0.95
    with pytest.raises(InputError, match="share 1 voxels"):
        execute(GraphCut(), {"image": image, "seed_points": own, "other_points": own})
    with pytest.raises(InputError, match="no seeds of the background"):
        execute(GraphCut(), {"image": image, "seed_points": own})


def test_what_is_not_connected_to_the_seeds_is_left_out_unless_asked_for():
    image, _, _ = two_balls(5.0)
    array = sitk.GetArrayFromImage(image)
    array[2:4, 30:36, 4:12] = 100
    apart = image_like(array, image)
    inputs = {"image": apart, "seeds": painted(apart, A=SEEDS["Left"]), "other": painted(apart, B=SEEDS["Around"])}
    near, everywhere = (
        segment(execute(GraphCut(margin_mm=60.0, values_weight=0.2, connected=c), inputs).outputs, "Object")
        for c in (True, False)
    )
    assert not near[2:4, 30:36, 4:12].any() and everywhere[2:4, 31:35, 5:11].all()


def test_probabilities_of_a_line_are_those_of_the_gamblers_ruin():
    """On an even line the probability falls linearly from one seed to the other."""
    array = np.array([[0.0, 1.0] * 10 + [0.0]])
    seeds = np.zeros(array.shape, np.int32)
    seeds[0, 0], seeds[0, 20] = 1, 2
    found = probabilities(array, seeds, (1.0, 1.0), beta=0.0, tolerance=1e-9)
    np.testing.assert_allclose(found[0, 0], 1 - np.arange(21) / 20, atol=1e-5)
    np.testing.assert_allclose(found.sum(axis=0), 1, atol=1e-6)


@pytest.mark.parametrize("beta", [1.0, 20.0])
def test_probabilities_are_those_of_a_direct_solution(beta):
    rng = np.random.default_rng(3)
    array = rng.normal(0, 1, (5, 6, 7))
    seeds = np.zeros(array.shape, np.int32)
    seeds[0, 0, 0], seeds[4, 5, 6], seeds[0, 5, 0] = 1, 2, 3
    spacing = (2.0, 1.0, 1.0)
    numbers = np.arange(array.size).reshape(array.shape)
    matrix = np.zeros((array.size, array.size))
    for axis, weight in enumerate(edge_weights(array, spacing, beta)):
        a = np.take(numbers, range(array.shape[axis] - 1), axis).ravel()
        b = np.take(numbers, range(1, array.shape[axis]), axis).ravel()
        matrix[a, b] = matrix[b, a] = -weight.ravel()
    np.fill_diagonal(matrix, -matrix.sum(axis=1))
    free = seeds.ravel() == 0
    found = probabilities(array, seeds, spacing, beta, tolerance=1e-8)
    for label in (1, 2, 3):
        right = -matrix[np.ix_(free, ~free)] @ (seeds.ravel()[~free] == label)
        expected = np.linalg.solve(matrix[np.ix_(free, free)], right)
        np.testing.assert_allclose(found[label - 1].ravel()[free], expected, atol=1e-4)


def test_a_random_walk_shares_out_touching_structures():
    image, left, right = two_balls()
    outputs = execute(RandomWalker(margin_mm=60.0), {"image": image, "seeds": painted(image, **SEEDS)}).outputs
    assert outputs["labels"].names == ("Left", "Right", "Around")
    assert dice(segment(outputs, "Left"), left) > 0.93
    assert dice(segment(outputs, "Right"), right) > 0.9
    probability = sitk.GetArrayFromImage(outputs["probability"])
    assert probability.min() >= 1 / 3 - 1e-3 and probability.max() <= 1
    assert all(row["unsure_ml"] >= 0 for row in outputs["table"].rows)


@pytest.mark.parametrize("beta", [10.0, 40.0])
def test_each_voxel_is_with_the_seed_of_the_exact_solution_where_steps_are_weak_and_strong(beta):
    """With weights over six orders of magnitude a small residual alone says little of the error."""
    from scipy.ndimage import gaussian_filter
    from scipy.sparse import coo_matrix, diags
    from scipy.sparse.linalg import spsolve

    array = gaussian_filter(np.random.default_rng(6).normal(0, 1, (10, 14, 18)), 1.0)
    seeds = np.zeros(array.shape, np.int32)
    seeds[2:5, 2:5, 2:5], seeds[6:9, 10:13, 14:17] = 1, 2
    numbers = np.arange(array.size).reshape(array.shape)
    pairs = []
    for axis, weight in enumerate(edge_weights(array, (1.0, 1.0, 1.0), beta)):
        cut = [np.take(numbers, np.arange(weight.shape[axis]) + n, axis).ravel() for n in (0, 1)]
        pairs += [(*cut, weight.ravel()), (*cut[::-1], weight.ravel())]
    rows, columns, values = (np.concatenate(part) for part in zip(*pairs, strict=True))
    graph = coo_matrix((values, (rows, columns))).tocsr()
    matrix = (diags(np.asarray(graph.sum(axis=1)).ravel()) - graph).tocsr()
    free, fixed = np.flatnonzero(seeds == 0), np.flatnonzero(seeds > 0)
    exact = spsolve(matrix[free][:, free].tocsc(), -matrix[free][:, fixed] @ (seeds.ravel()[fixed] == 1).astype(float))
    found = probabilities(array, seeds, (1.0, 1.0, 1.0), beta)[0].ravel()[free]
    assert np.mean((found > 0.5) != (exact > 0.5)) < 0.003
    assert np.mean(np.abs(found - exact) > 0.02) < 0.02


def test_a_mask_is_a_wall_for_the_walker_as_the_border_of_an_image_is():
    rng = np.random.default_rng(4)
    array = rng.normal(0, 1, (9, 30, 41)).astype(np.float32)
    seeds = np.zeros(array.shape, np.uint8)
    seeds[4, 12:18, 4:8], seeds[4, 12:18, 33:37] = 1, 2
    box = (slice(2, 7), slice(8, 22), slice(2, 39))
    mask = np.zeros(array.shape, np.uint8)
    mask[box], mask[0, 0, 0] = 1, 1
    array[mask == 0] = 1e4

    def walked(cut: tuple[slice, ...], **inputs: sitk.Image):
        image, painted_ = (sitk.GetImageFromArray(np.ascontiguousarray(one[cut])) for one in (array, seeds))
        return execute(
            RandomWalker(margin_mm=99.0), {"image": image, "seeds": Labels.from_labelmap(painted_), **inputs}
        )

    everywhere = (slice(None),) * 3
    within = walked(everywhere, mask=sitk.GetImageFromArray(mask))
    cropped = sitk.GetArrayFromImage(walked(box).outputs["probability"])
    own = sitk.GetArrayFromImage(within.outputs["probability"])
    assert np.abs(own[box] - cropped).max() < 0.1 and np.mean(np.abs(own[box] - cropped) > 0.01) < 0.02
    assert own[box].min() > 0.49 and own[0, 0, 0] == 0
    assert any("1 voxels of the mask are not connected to a seed" in sentence for sentence in within.warnings)


def test_a_seed_that_others_enclose_keeps_its_voxels_alone():
    image, _, _ = two_balls()
    seeds = np.zeros(sitk.GetArrayViewFromImage(image).shape, np.uint8)
    seeds[4:9, 10:15, 10:15], seeds[6, 12, 12] = 2, 1
    result = execute(RandomWalker(), {"image": image, "seeds": Labels.from_labelmap(image_like(seeds, image))})
    assert [row["voxels"] == 1 for row in result.outputs["table"].rows] == [True, False]
    assert not any("settle" in sentence for sentence in result.warnings)


def test_the_walker_stays_in_the_mask_and_near_the_seeds():
    image, left, right = two_balls()
    mask = image_like((left | right).astype(np.uint8), image)
    seeds = painted(image, Left=SEEDS["Left"], Right=SEEDS["Right"])
    result = execute(RandomWalker(margin_mm=15.0), {"image": image, "seeds": seeds, "mask": mask})
    both = segment(result.outputs, "Left") | segment(result.outputs, "Right")
    assert not both[~(left | right)].any()
    assert sitk.GetArrayFromImage(result.outputs["probability"])[~(left | right)].max() == 0
    assert any("within 15 mm of the seeds" in sentence for sentence in result.warnings)
    lost = painted(image, Left=SEEDS["Left"], Around=SEEDS["Around"])
    with pytest.raises(InputError, match="'Around' lie outside the mask"):
        execute(RandomWalker(), {"image": image, "seeds": lost, "mask": mask})


@pytest.mark.parametrize("kind", [sitk.sitkUInt16, sitk.sitkInt32, sitk.sitkFloat32])
def test_seeds_may_have_values_above_255_and_be_floats(kind):
    image, _, _ = two_balls()
    small = painted(image, **SEEDS).layers[0]
    large = sitk.Cast(sitk.Cast(small, sitk.sitkFloat32) * 300.0, kind)
    one, other = (
        execute(RandomWalker(margin_mm=60.0), {"image": image, "seeds": seeds}).outputs for seeds in (small, large)
    )
    assert one["table"].column("voxels") == other["table"].column("voxels")
    assert other["labels"].names == ("Segment_300", "Segment_600", "Segment_900")


def test_seeds_that_overlap_or_lack_a_partner_are_refused():
    image, _, _ = two_balls()
    with pytest.raises(InputError, match="at least 2 segments"):
        execute(RandomWalker(), {"image": image, "seeds": painted(image, Left=SEEDS["Left"])})
    with pytest.raises(InputError, match="shares 48 voxels"):
        execute(RandomWalker(), {"image": image, "seeds": painted(image, A=SEEDS["Left"], B=SEEDS["Left"])})


def test_a_watershed_from_markers_is_that_of_itk_and_follows_edges():
    image, left, right = two_balls(4.0)
    outputs = execute(Watershed(), {"image": image, "markers": painted(image, **SEEDS)}).outputs
    assert dice(segment(outputs, "Left"), left) > 0.9
    assert dice(segment(outputs, "Right"), right) > 0.85
    # With fewer heights than 65536 nothing is rounded together.
    whole = sitk.Cast(sitk.Round(image), sitk.sitkInt16)
    flat = execute(Watershed(landscape="image"), {"image": whole, "markers": painted(image, **SEEDS)}).outputs
    seeds = sitk.Cast(painted(image, **SEEDS).layers[0], sitk.sitkUInt16)
    peer = sitk.MorphologicalWatershedFromMarkers(sitk.Cast(whole, sitk.sitkFloat32), seeds, False, False)
    np.testing.assert_array_equal(sitk.GetArrayFromImage(flat["labels"].layers[0]), sitk.GetArrayFromImage(peer))


def test_basins_are_counted_by_falling_size():
    image, _, _ = two_balls(0.5)
    outputs = execute(
        Watershed(landscape="inverted image", depth=0.05, sigma_mm=0.0, smallest_ml=1.0), {"image": image}
    ).outputs
    volumes = outputs["table"].column("volume_ml")
    assert volumes == sorted(volumes, reverse=True) and min(volumes) >= 1.0
    with pytest.raises(InputError, match="smallest_ml"):
        execute(Watershed(smallest_ml=1e6), {"image": image})
    noisy, _, _ = two_balls(20.0)
    with pytest.raises(InputError, match="no segments any more"):
        execute(Watershed(landscape="image", depth=0.0), {"image": noisy})


def test_moments_by_number_are_those_of_each_number_alone():
    rng = np.random.default_rng(8)
    numbers = rng.integers(0, 6, (40, 20, 30)).astype(np.uint16)
    numbers[numbers == 4] = 0
    image = oblique_grid(sitk.GetImageFromArray(rng.normal(1e6, 1, numbers.shape)))
    cells = cells_by_number(numbers, 5, image)
    for number, own in enumerate(cells, start=1):
        alone = size_cells(numbers == number, image)
        assert own["voxels"] == alone["voxels"] == np.count_nonzero(numbers == number)
        assert own["status"] == alone["status"]
        for key in ("volume_ml", "mean", "sd"):
            assert own[key] == pytest.approx(alone[key], rel=1e-9, nan_ok=True)


def test_means_of_supervoxels_in_a_mask_are_those_of_their_voxels():
    image, left, right = two_balls(3.0)
    mask = left | right
    inputs = {"image": image, "mask": image_like(mask.astype(np.uint8), image)}
    outputs = execute(Slic(size_mm=6.0), inputs).outputs
    regions, means = (sitk.GetArrayFromImage(outputs[key]) for key in ("regions", "means"))
    array, row = sitk.GetArrayFromImage(image).astype(np.float64), outputs["table"].rows[0]
    np.testing.assert_array_equal(regions > 0, mask)
    assert sorted(np.unique(regions)) == list(range(row["regions"] + 1))
    expected = array.copy()
    for n in range(1, row["regions"] + 1):
        expected[regions == n] = array[regions == n].mean()
    np.testing.assert_allclose(means[mask], expected[mask], rtol=1e-5)
    assert row["explained"] == pytest.approx(1 - np.var((array - expected)[mask]) / np.var(array[mask]), rel=1e-6)
    assert (means[~mask] == array.min().astype(np.float32)).all()


def test_supervoxels_are_connected_of_the_wanted_size_and_follow_edges():
    from scipy.ndimage import label

    image, _, _ = two_balls(3.0)
    outputs = execute(Slic(size_mm=6.0, compactness=5.0), {"image": image}).outputs
    regions = sitk.GetArrayFromImage(outputs["regions"])
    row = outputs["table"].rows[0]
    assert regions.min() == 1 and regions.max() == row["regions"] == len(np.unique(regions))
    assert all(label(regions == n, np.ones((3, 3, 3)))[1] == 1 for n in np.unique(regions))
    assert 0.3 * 0.216 < row["volume_ml"] < 3 * 0.216
    assert row["explained"] > 0.9
    means = sitk.GetArrayFromImage(outputs["means"])
    inside = regions == 7
    np.testing.assert_allclose(means[inside], sitk.GetArrayFromImage(image)[inside].mean(), rtol=1e-5)
