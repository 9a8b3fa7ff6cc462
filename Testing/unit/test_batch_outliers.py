"""Which numbers of a cohort are marked."""

from __future__ import annotations

import numpy as np
import pytest
from cohort_testing import made_cohort
from hypothesis import given
from hypothesis import strategies as st
from MedImgAnalysisLib.batch.outliers import FEWEST, limit, outliers, rule
from MedImgAnalysisLib.batch.report_numbers import Numbers, _bars, _picture
from MedImgAnalysisLib.batch.results import as_data, columns_of
from MedImgAnalysisLib.recipe import Recipe

SIX_DIGITS = st.floats(-1e6, 1e6).map(lambda value: round(value, 3))


def named(values: list[float]) -> dict[str, float]:
    return {str(number): value for number, value in enumerate(values)}


def test_the_score_is_that_of_the_definition() -> None:
    # The median is 10, the distances from it are 3 2 1 0 1 2 90: their median is 2.
    found = outliers(named([7, 8, 9, 10, 11, 12, 100]))
    assert found == {"6": pytest.approx(0.6745 * 90 / 2)}


def test_low_values_are_marked_as_high_ones_are() -> None:
    values = [10.0, 11, 9, 10.5, 9.5, 10.2, 9.8, 10.1, 9.9, -50]
    (score,) = outliers(named(values)).values()
    (mirrored,) = outliers(named([-value for value in values])).values()
    assert score is not None and mirrored is not None and score == pytest.approx(-mirrored) and score < -6


def test_too_few_values_are_not_marked_and_the_rule_says_so() -> None:
    assert limit(FEWEST - 1) is None and outliers(named([1, 2, 3, 1e9])) == {}
    assert rule(4) == "Outliers are not marked: 4 finished cases are too few, 5 are needed."
    assert "more than 8 from 0 (3.5 from 20 values on)" in rule(5) and "more than 3.5 from 0;" in rule(1000)


@pytest.mark.parametrize("count", [5, 6, 7, 9, 10, 12, 19])
def test_of_small_cohorts_of_normal_values_at_most_one_in_twenty_has_a_mark(count: int) -> None:
    rng = np.random.default_rng(count)
    marked = sum(bool(outliers(named(rng.normal(size=count).tolist()))) for _ in range(2000))
    assert marked / 2000 < 0.06


def test_of_many_normal_values_hardly_any_is_marked() -> None:
    rng = np.random.default_rng(1)
    assert len(outliers(named(rng.normal(size=20_000).tolist()))) / 20_000 < 0.001


def test_where_most_values_are_the_same_only_rare_others_are_marked() -> None:
    same = [512.0] * 40
    assert outliers(named(same)) == {}
    assert outliers(named([*same, 256.0])) == {"40": None}
    assert outliers(named([*same, *range(20)])) == {}, "a third of the values is no exception"
    assert outliers(named([0.1 + 0.2] * 30 + [0.3])) == {}, "the last digit of a sum is no difference"


@given(st.lists(SIX_DIGITS, min_size=1, max_size=40), st.floats(0.01, 100), st.floats(-1e5, 1e5))
def test_the_unit_of_a_number_does_not_matter(values: list[float], factor: float, shift: float) -> None:
    plain = outliers(named(values))
    spread = float(np.median(np.abs(np.array(values) - np.median(values))))
    if all(score is not None for score in plain.values()) and spread > 1e-2:
        other = outliers(named([factor * value + shift for value in values]))
        assert {k for k, z in plain.items() if abs(z or 0) > (limit(len(values)) or 0) * 1.001} <= other.keys()
        assert all(other[key] == pytest.approx(score, rel=1e-2) for key, score in plain.items() if key in other)


def test_the_planted_case_is_marked_in_the_numbers_it_stands_apart_in() -> None:
    cases = made_cohort(60)
    numbers = Numbers.of(cases, columns_of(cases))
    assert [key.rpartition(".")[2] for key in numbers.marked("patient 0008")] == [
        "volume_ml",
        "surface_cm2",
        "max_diameter_mm",
    ]
    recipe = Recipe.from_data({
        "medimg_recipe": 1, "inputs": {"a": {"kind": "image"}}, "outputs": ["b"],
        "steps": [{"id": "s", "operation": "gaussian", "inputs": {"image": "a"}, "outputs": {"image": "b"}}],
    })  # fmt: skip
    data = as_data(recipe, cases)
    assert data["cases"][8]["outliers"]["organs.Spleen.volume_ml"] > 3.5 and data["cases"][0]["outliers"] == {}
    assert data["outlier_rule"] == rule(57)


def test_texts_and_truth_values_have_no_distribution() -> None:
    cases = made_cohort(6)
    assert cases[0].record is not None
    numbers = Numbers.of(cases, columns_of(cases))
    assert "organs.Liver.volume_ml" in numbers.numeric and "organs.Liver.status" not in numbers.numeric


def test_a_histogram_counts_every_value_and_a_strip_has_a_dot_for_each() -> None:
    values = np.random.default_rng(0).normal(size=500).tolist()
    counts = [float(part.partition('"')[0]) for part in _bars(values, min(values), max(values)).split('height="')[1:]]
    assert max(counts) == pytest.approx(21, abs=0.1) and 10 < len(counts) <= 22
    assert _picture([1.0, 2.0, 3.0, 9.0], [9.0]).count("<circle") == 3
    assert _picture([1.0, 2.0, 3.0, 9.0], [9.0]).count('class="marked"') == 1
    assert _picture([2.0, 2.0], []) == ""
