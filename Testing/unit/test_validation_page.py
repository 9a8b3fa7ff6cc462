"""The validation report shows every family of reference values with the counts that the file has, all of them met."""

from __future__ import annotations

import importlib.util
import json
import re
from pathlib import Path

import pytest
import reference_checks
from medimg_testing import find_reference_values, write_figures

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "validation.md").read_text(encoding="utf-8")
ROWS = re.findall(r"^\| ([\w-]+) \| (\d+) \| (\d+) \| (\d+) \|.*\| `(\w+)\.py` \|$", PAGE, re.M)


def test_every_family_has_its_row_and_all_its_values_are_met() -> None:
    assert {row[0] for row in ROWS} == set(reference_checks.TESTS)
    for family, _cases, met, there, file in ROWS:
        assert met == there, family
        assert reference_checks.TESTS[family].startswith(f"{file}:")
    total = sum(int(row[3]) for row in ROWS)
    assert f"**{total} of {total} are met.**" in PAGE
    assert f"{total} values of {sum(int(row[1]) for row in ROWS)} cases in {len(ROWS)} families." in PAGE


def test_the_report_is_of_this_version() -> None:
    from MedImgAnalysisLib import __version__

    assert f"MedImgAnalysis {__version__}, Python 3." in PAGE


@pytest.mark.skipif(find_reference_values() is None, reason="the reference values are not here")
def test_the_counts_are_those_of_the_file() -> None:
    assert {row[0]: int(row[3]) for row in ROWS} == {f: reference_checks.there_are(f) for f in reference_checks.TESTS}


@pytest.mark.skipif(find_reference_values() is None, reason="the reference values are not here")
def test_a_value_that_was_not_met_would_be_shown(tmp_path: Path) -> None:
    spec = importlib.util.spec_from_file_location("make_validation", ROOT / "docs" / "make_validation.py")
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    counts = {family: int(met) for family, _cases, met, _there, _file in ROWS} | {"MTF": 14}
    lines = [f"reference values of {family:34} {met:5} of {met:5}" for family, met in counts.items()]
    write_figures(tmp_path / "figures.json", [*lines, "Robots: 3 met"], {"passed": 7, "failed": 1, "skipped": 0})
    page = script.page(json.loads((tmp_path / "figures.json").read_text(encoding="utf-8")))
    assert "| MTF | 4 | 14 | 15 |" in page
    assert "**2179 of 2180 are met.**" in page and "\n* Robots: 3 met\n" in page and "7 passed, 1 failed" in page
