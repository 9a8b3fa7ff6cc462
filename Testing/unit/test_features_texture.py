"""Texture and histograms: grey levels, matrices against loops over voxels, ways of aggregation, closed forms."""

from __future__ import annotations

import itertools
import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from MedImgAnalysisLib.errors import InputError
from MedImgAnalysisLib.progress import SILENT
from MedImgAnalysisLib.quality.features import zones as zone_module
from MedImgAnalysisLib.quality.features.cooccurrence import cooccurrence, pairs
from MedImgAnalysisLib.quality.features.distance_zone import border_distance, distance_zone
from MedImgAnalysisLib.quality.features.feature import AGGREGATIONS, UNDIRECTED
from MedImgAnalysisLib.quality.features.histogram import put_histogram
from MedImgAnalysisLib.quality.features.matrix import matrices
from MedImgAnalysisLib.quality.features.neighbourhood import dependence, tone_difference
from MedImgAnalysisLib.quality.features.region import (
    DIRECTIONS_2D,
    DIRECTIONS_3D,
    Levels,
    Region,
    fixed_bin_number,
    fixed_bin_width,
)
from MedImgAnalysisLib.quality.features.run_length import run_length, runs
from MedImgAnalysisLib.quality.features.size_zone import size_zone
from MedImgAnalysisLib.quality.features.statistics import put_statistics
from MedImgAnalysisLib.quality.features.volume_histogram import put_volume_histogram
from MedImgAnalysisLib.quality.features.zones import zones
from MedImgAnalysisLib.quality.findings import Findings

RNG = np.random.default_rng(7)
INSIDE = RNG.random((5, 7, 8)) < 0.8
GREY = RNG.integers(1, 5, INSIDE.shape)


def levels_of(inside: np.ndarray = INSIDE, grey: np.ndarray = GREY, count: int = 4) -> Levels:
    return Levels(inside, grey[inside], count)


def table(matrix) -> dict[tuple[int, int], int]:
    return {(int(i), int(j)): int(n) for i, j, n in zip(matrix.i, matrix.j, matrix.n)}


def grey_at(place) -> int:
    good = all(0 <= p < n for p, n in zip(place, INSIDE.shape)) and INSIDE[place]
    return int(GREY[place]) if good else 0


def walk(place, direction, steps=1):
    return tuple(p + steps * d for p, d in zip(place, direction))


def test_half_of_the_neighbours_and_their_reverse_are_all():
    both = set(DIRECTIONS_3D) | {tuple(-x for x in d) for d in DIRECTIONS_3D}
    assert len(DIRECTIONS_3D) == 13 and len(both) == 26 and len(DIRECTIONS_2D) == 4


def test_pairs_are_those_of_a_loop_over_voxels():
    expected: Counter = Counter()
    for place in map(tuple, np.argwhere(INSIDE)):
        for direction in DIRECTIONS_3D:
            other = grey_at(walk(place, direction))
            if other:
                expected[grey_at(place), other] += 1
                expected[other, grey_at(place)] += 1
    (found,) = matrices(pairs(levels_of(), "3D_comb", SILENT), "3D_comb")
    assert table(found.mirrored()) == expected


def test_runs_are_those_of_a_loop_over_voxels():
    expected: Counter = Counter()
    for place, direction in itertools.product(map(tuple, np.argwhere(INSIDE)), DIRECTIONS_3D):
        if grey_at(walk(place, direction, -1)) != grey_at(place):
            length = next(n for n in itertools.count(1) if grey_at(walk(place, direction, n)) != grey_at(place))
            expected[grey_at(place), length] += 1
    (found,) = matrices(runs(levels_of(), "3D_comb", SILENT), "3D_comb")
    assert table(found) == expected
    assert (found.j * found.n).sum() == 13 * INSIDE.sum() == found.voxels


def label_zones(three_d: bool) -> Counter:
    from scipy import ndimage

    structure = np.ones((3, 3, 3))
    if not three_d:
        structure[[0, 2]] = 0
    found: Counter = Counter()
    for level in range(1, 5):
        labels, count = ndimage.label(INSIDE & (level == GREY), structure)
        found.update((level, int(n)) for n in np.bincount(labels.ravel(), minlength=count + 1)[1:])
    return found


@pytest.mark.parametrize("aggregation", UNDIRECTED)
@pytest.mark.parametrize("at_once", [1 << 19, 60, 10])
def test_zones_are_those_of_labelled_images(aggregation, at_once, monkeypatch):
    monkeypatch.setattr(zone_module, "AT_ONCE", at_once)
    found = zones(levels_of(), aggregation, SILENT)
    assert Counter(zip(found.level.tolist(), found.size.tolist())) == label_zones(aggregation == "3D")
    assert found.size.sum() == INSIDE.sum()


def test_the_distance_of_the_border_is_counted_in_steps():
    mask = np.zeros((7, 9, 11), bool)
    mask[1:6, 1:8, 2:9] = True
    k, j, i = np.meshgrid(*[np.arange(n) for n in mask.shape], indexing="ij")
    expected = np.minimum.reduce([k, 6 - k, j, 8 - j, i - 1, 9 - i])
    assert (border_distance(mask, "3D")[mask] == expected[mask]).all()
    flat = np.minimum.reduce([j, 8 - j, i - 1, 9 - i])
    assert (border_distance(mask, "2D")[mask] == flat[mask]).all()
    whole = np.ones((3, 5, 5), bool)
    assert border_distance(whole, "3D").max() == 2, "beyond the array is outside"


def test_dependence_and_tone_differences_are_those_of_a_loop_over_voxels():
    counts: Counter = Counter()
    sums, numbers = Counter(), Counter()
    for place in map(tuple, np.argwhere(INSIDE)):
        own = grey_at(place)
        around = [grey_at(walk(place, d, s)) for d in DIRECTIONS_3D for s in (1, -1)]
        counts[own, 1 + around.count(own)] += 1
        known = [level for level in around if level]
        if known:
            sums[own] += abs(own - np.mean(known))
            numbers[own] += 1
    n = INSIDE.sum()
    found = dependence(levels_of(), "3D", SILENT)
    assert found["ngl_hde"] == pytest.approx(sum(c * j * j for (_, j), c in counts.items()) / n)
    assert found["ngl_dc_energy"] == pytest.approx(sum(c * c for c in counts.values()) / n**2)
    assert found["ngl_dc_perc"] == 1
    product = sum(numbers[i] / n * sums[i] for i in numbers)
    tones = tone_difference(levels_of(), "3D", SILENT)
    assert tones["ngt_coarseness"] == pytest.approx(1 / product)
    strength = sum((numbers[i] + numbers[j]) / n * (i - j) ** 2 for i in numbers for j in numbers)
    assert tones["ngt_strength"] == pytest.approx(strength / sum(sums.values()))


def test_averages_are_means_of_the_features_of_their_parts():
    whole = levels_of()
    for family in (cooccurrence, run_length):
        parts = []
        for k in range(INSIDE.shape[0]):
            inside = np.zeros_like(INSIDE)
            inside[k] = INSIDE[k]
            parts.append(family(levels_of(inside), "2_5D_comb", SILENT))
        found = family(whole, "2D_comb", SILENT)
        for tag, value in found.items():
            assert value == pytest.approx(np.mean([part[tag] for part in parts])), tag
    alone = [size_zone(one, zones(one, "2_5D", SILENT), "2_5D", SILENT) for one in _slices()]
    found = size_zone(whole, zones(whole, "2D", SILENT), "2D", SILENT)
    assert found["szm_zsnu"] == pytest.approx(np.mean([one["szm_zsnu"] for one in alone]))
    alone = [tone_difference(one, "2_5D", SILENT) for one in _slices()]
    assert tone_difference(whole, "2D", SILENT)["ngt_busyness"] == pytest.approx(
        np.mean([o["ngt_busyness"] for o in alone])
    )


def _slices() -> list[Levels]:
    found = []
    for k in range(INSIDE.shape[0]):
        inside = np.zeros_like(INSIDE)
        inside[k] = INSIDE[k]
        found.append(levels_of(inside))
    return found


def test_slices_without_the_region_do_not_count():
    inside = INSIDE.copy()
    inside[[1, 3]] = False
    few = Levels(inside[[0, 2, 4]], GREY[[0, 2, 4]][inside[[0, 2, 4]]], 4)
    many = levels_of(inside)
    for aggregation in ("2D_avg", "2D_comb", "2_5D_comb"):
        assert cooccurrence(many, aggregation, SILENT) == cooccurrence(few, aggregation, SILENT)
        assert run_length(many, aggregation, SILENT) == run_length(few, aggregation, SILENT)


def test_one_slice_is_the_same_in_two_and_in_three_dimensions():
    flat = Levels(INSIDE[:1], GREY[:1][INSIDE[:1]], 4)
    one, two, three = (cooccurrence(flat, name, SILENT) for name in ("2D_comb", "2_5D_comb", "3D_comb"))
    assert one == two and three == pytest.approx(two)
    shape = INSIDE[:1]
    areas = [distance_zone(flat, zones(flat, name, SILENT), shape, shape, name, SILENT) for name in ("2D", "2_5D")]
    assert areas[0] == areas[1]


def test_a_checkerboard_has_its_closed_forms():
    k, j, i = np.meshgrid(*[np.arange(6)] * 3, indexing="ij")
    board = 1 + (i + j + k) % 2
    levels = Levels(np.ones(board.shape, bool), board.ravel(), 2)
    found = cooccurrence(levels, "3D_avg", SILENT)
    # Of 13 directions 3 along axes and 4 along space diagonals change the level, the 6 in between keep it.
    assert found["cm_contrast"] == pytest.approx(7 / 13)
    assert found["cm_corr"] == pytest.approx((6 - 7) / 13, abs=1e-12)
    zones_found = zones(levels, "3D", SILENT)
    assert len(zones_found.size) == 2, "diagonal neighbours are connected"
    flat = runs(levels, "3D_avg", SILENT)
    lengths = [int(direction.second.max()) for direction in flat]
    assert sorted(lengths) == [1] * 7 + [6] * 6


@pytest.mark.parametrize("aggregation", AGGREGATIONS)
def test_every_aggregation_gives_every_feature(aggregation):
    levels = levels_of()
    assert all(math.isfinite(v) for v in cooccurrence(levels, aggregation, SILENT).values())
    assert all(math.isfinite(v) for v in run_length(levels, aggregation, SILENT).values())


@given(st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=40), st.integers(2, 64))
@settings(max_examples=60, deadline=None)
def test_a_fixed_bin_number_uses_the_first_and_the_last_level(values, bins):
    x = np.array(values)
    found = fixed_bin_number(x, bins)
    assert found.min() == 1
    assert found.max() == (bins if np.ptp(x) > 0 else 1)
    assert (np.diff(found[np.argsort(x)]) >= 0).all()


def test_a_fixed_bin_width_starts_at_the_bound():
    x = np.array([-1000.0, -976.0, -975.0, 0.0, 24.9, 25.0])
    assert fixed_bin_width(x, 25.0, -1000.0).tolist() == [1, 1, 2, 41, 41, 42]
    with pytest.raises(InputError, match="choose a larger width"):
        fixed_bin_width(x, 1e-3, -1000.0)


def test_statistics_of_known_numbers():
    found = Findings()
    put_statistics(found, np.array([1.0, 2.0, 3.0, 4.0, 10.0]))
    v = found.values
    assert v["stat_mean"] == 4 and v["stat_var"] == 10 and v["stat_median"] == 3 and v["stat_range"] == 9
    assert v["stat_energy"] == 130 and v["stat_rms"] == pytest.approx(math.sqrt(26)) and v["stat_iqr"] == 2
    assert v["stat_mad"] == pytest.approx(2.4) and v["stat_medad"] == pytest.approx(2.2)
    assert v["stat_skew"] == pytest.approx(180 / 5 / 10**1.5) and v["stat_cov"] == pytest.approx(math.sqrt(10) / 4)


def test_undefined_statistics_have_a_reason():
    found = Findings()
    put_statistics(found, np.array([-1.0, 1.0]))
    assert math.isnan(found.values["stat_cov"]) and math.isnan(found.values["stat_qcod"])
    assert "zero_mean (stat_cov, stat_qcod)" in found.status and "empty_range (stat_rmad)" in found.status


def test_the_mode_nearest_to_the_mean_is_taken_and_gradients_see_empty_levels():
    found = Findings()
    put_histogram(found, np.array([1, 1, 4, 4, 6]), 6)
    assert found.values["ih_mode"] == 4
    # Counts 2 0 0 2 0 1: gradients -2 -1 1 0 -0.5 1, the first of equal ones is told.
    assert (found.values["ih_max_grad"], found.values["ih_max_grad_g"]) == (1, 3)
    assert (found.values["ih_min_grad"], found.values["ih_min_grad_g"]) == (-2, 1)
    assert found.values["ih_entropy"] == pytest.approx(-(0.4 * math.log2(0.4) * 2 + 0.2 * math.log2(0.2)))


def volume_histogram(values, width=None, low=-math.inf, high=math.inf) -> dict[str, float]:
    x = np.array(values, float).reshape(1, 1, -1)
    inside = np.ones(x.shape, bool)
    found = Findings()
    put_volume_histogram(found, Region(x, inside, inside, (1.0, 1.0, 1.0), low, high), width)
    return found.values


def test_the_volume_histogram_of_a_ramp_is_straight():
    whole = volume_histogram(range(101))
    assert whole["ivh_v10"] == pytest.approx(91 / 101) and whole["ivh_v90"] == pytest.approx(11 / 101)
    assert whole["ivh_i10"] == 91 and whole["ivh_i90"] == 11
    fractions = volume_histogram(np.arange(101) / 10, width=0.1)
    assert fractions["ivh_i10"] == pytest.approx(9.15, abs=0.06)
    arbitrary = volume_histogram(np.sqrt(np.arange(101)))
    assert 0 < arbitrary["ivh_i90"] < arbitrary["ivh_i10"] <= 1000


def test_the_range_of_the_resegmentation_is_that_of_the_volume_histogram():
    narrow, wide = volume_histogram([40, 50, 60]), volume_histogram([40, 50, 60], low=0, high=100)
    assert narrow["ivh_v10"] == pytest.approx(2 / 3) and wide["ivh_v10"] == 1
    assert narrow["ivh_v90"] == pytest.approx(1 / 3) and wide["ivh_v90"] == 0
