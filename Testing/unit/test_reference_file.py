"""The whole reference file: every family has a test of ours, and every value of it is met."""

from __future__ import annotations

import json

import pytest
import reference_checks
from medimg_testing import find_reference_values

pytestmark = pytest.mark.skipif(find_reference_values() is None, reason="the reference values are not here")


def families() -> list[str]:
    cases = json.loads(find_reference_values().read_text(encoding="utf-8"))["public"]["cases"].values()
    return list(dict.fromkeys(case["family"] for case in cases))


def test_every_family_is_claimed_by_a_test_that_is_there():
    assert set(families()) == set(reference_checks.TESTS)
    for family in families():
        file, name = reference_checks.TESTS[family].split(":")
        source = (reference_checks.UNIT / f"{file}.py").read_text(encoding="utf-8")
        assert f"def {name}(" in source and f'"{family}"' in source, family


def test_every_value_of_the_file_is_checked_and_the_total_is_printed(figures):
    for family in families():
        if family not in reference_checks.MET:
            reference_checks.run_test_of(family, figures)
    met = {family: reference_checks.MET[family] for family in families()}
    there = {family: reference_checks.there_are(family) for family in families()}
    for family in families():
        figures.say(f"reference values of {family:34} {met[family]:5} of {there[family]:5}")
    figures.say(f"reference values, whole file: {sum(met.values())} of {sum(there.values())} met")
    assert met == there
    assert sum(there.values()) > 2000


def test_a_value_that_is_wrong_or_missing_would_be_found():
    family = "registration-Dice-after-warp"
    before = reference_checks.MET.copy()
    try:
        right = {"reg08": {"/identity": 0.7079932621224057, "/affine": 0.9516695348157016}}
        assert reference_checks.compare(family, right) == [] and reference_checks.MET[family] == 2
        wrong = reference_checks.compare(family, {"reg08": {"/identity": 0.70801}})
        assert len(wrong) == 2 and "missing instead of 0.95" in wrong[1] and reference_checks.MET[family] == 0
    finally:
        reference_checks.MET.clear()
        reference_checks.MET.update(before)
