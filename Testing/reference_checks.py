"""Which test checks which family of the reference file, and how many of its values were met.

The tests call `met` with what they found; `unit/test_reference_file.py` holds the counts against the file, and runs the
tests of families that have not been run yet.
"""

from __future__ import annotations

import importlib.util
import inspect
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

from medimg_testing import agrees, reference_cases

UNIT = Path(__file__).resolve().parent / "unit"
TESTS = {
    **dict.fromkeys(
        ("segmentation", "segmentation-empty", "multi-label", "instances", "inter-rater", "classification"),
        "test_metrics_reference:test_every_reference_value_is_met",
    ),
    **dict.fromkeys(
        (
            "similarity",
            "image-quality",
            "NPS",
            "MTF",
            "full-reference",
            "low-contrast",
            "uniformity",
            "bad-input",
        ),
        "test_quality_reference:test_every_reference_value_of_the_family_is_met",
    ),
    **dict.fromkeys(
        (
            "registration-TRE",
            "registration-Jacobian",
            "registration-inverse-consistency",
            "registration-Dice-after-warp",
        ),
        "test_evaluate_registration:test_every_reference_value_of_the_family_is_met",
    ),
    **dict.fromkeys(
        ("features-IBSI1", "features-real"),
        "test_measure_features:test_every_reference_value_of_the_family_is_met",
    ),
    "features-IBSI2-filters": "test_filter_response:test_every_reference_value_of_the_family_is_met",
}
"""Family to `module:function` of the test that checks its values."""

NO_RESULTS = ("for_information", "data_range", "n_distinct_scores", "/staple_full_grid/prior")
"""Entries of the file that are settings, facts about an input, or numbers it calls not comparable."""

MET: Counter[str] = Counter()
"""Values that agreed within their tolerance in this session, by family."""


def met(family: str, count: int) -> None:
    """Keep how many values of a family agreed."""
    MET[family] = count


def values(expected: Any, path: str = "") -> Iterator[tuple[str, dict]]:
    """(path, entry) of every number in a block of expected values; a list is one entry per element.

    Bare numbers and entries without a tolerance are exact up to rounding.
    """
    if any(word in path for word in NO_RESULTS):
        return
    if isinstance(expected, dict) and "value" in expected:
        exact = {} if "tol_abs" in expected or "tol_rel" in expected else {"tol_rel": 1e-9}
        many = expected["value"] if isinstance(expected["value"], list) else [expected["value"]]
        for number, value in enumerate(many):
            yield f"{path}/{number}" if len(many) > 1 else path, {**expected, **exact, "value": value}
    elif isinstance(expected, dict):
        for key, part in expected.items():
            yield from values(part, f"{path}/{key}")
    elif isinstance(expected, list):
        for number, part in enumerate(expected):
            yield from values(part, f"{path}/{number}")
    elif isinstance(expected, (int, float)) and not isinstance(expected, bool):
        yield path, {"value": expected, "tol_rel": 1e-9}


def there_are(family: str) -> int:
    """Values of a family in the file."""
    return sum(1 for case in reference_cases(family).values() for _ in values(case["expected"]))


def compare(family: str, found: dict[str, dict[str, float]]) -> list[str]:
    """What does not agree, as sentences; `found` maps a case to values by path. Keeps the number of those that do."""
    wrong, good = [], 0
    for case, entry in reference_cases(family).items():
        for path, one in values(entry["expected"]):
            number = found[case].get(path, "missing")
            if number == "missing" or not agrees(one, number):
                wrong.append(f"{case}{path}: {number} instead of {one['value']}")
            else:
                good += 1
    met(family, good)
    return wrong


def _module(name: str) -> ModuleType:
    """A test file as a module."""
    spec = importlib.util.spec_from_file_location(f"reference_{name}", UNIT / f"{name}.py")
    assert spec is not None and spec.loader is not None, name
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def run_test_of(family: str, figures: Any) -> None:
    """Run the test that claims a family, with the arguments that it takes."""
    file, name = TESTS[family].split(":")
    test = getattr(_module(file), name)
    given = {"family": family, "figures": figures}
    test(**{key: given[key] for key in inspect.signature(test).parameters})
