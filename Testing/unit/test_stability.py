"""What is called public is there."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import pytest
from MedImgAnalysisLib import __version__, provenance, recipe
from MedImgAnalysisLib.batch import folder

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "stability.md").read_text(encoding="utf-8")
ROWS = re.findall(r"^\| `(MedImgAnalysisLib[\w.]*)` \| (`.*) \|$", PAGE, re.M)


@pytest.mark.parametrize(("module", "names"), ROWS)
def test_a_public_name_can_be_imported(module: str, names: str) -> None:
    if ".scene." in module:
        pytest.importorskip("slicer", reason="slicer-core is not installed")
    there = vars(importlib.import_module(module))
    assert [name for name in re.findall(r"`(\w+)`", names) if name not in there] == []


def test_the_formats_and_the_version_are_those_of_the_page() -> None:
    assert len(ROWS) > 15
    assert f"The version is **{__version__}**" in PAGE
    assert f'`"medimg_recipe": {recipe.FORMAT}`' in PAGE
    assert f'(`"format": {provenance.FORMAT}`)' in PAGE and f'(`"medimg_case": {folder.CASE_FORMAT}`)' in PAGE


def test_what_the_logics_offer_is_there() -> None:
    pytest.importorskip("slicer", reason="slicer-core is not installed")
    from MedImgAnalysisLib.scene.logic import OperationLogic
    from MedImgAnalysisLib.scene.recipes import RecipeLogic

    line = re.search(r"\*\*In Slicer\*\*: names of the modules and (.*?) of their logics", PAGE, re.S)[1]
    for name in re.findall(r"`(\w+)`", line):
        assert hasattr(OperationLogic, name) or hasattr(RecipeLogic, name), name
