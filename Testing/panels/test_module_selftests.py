"""The tests that Slicer runs on the whole extension (Testing/slicer) pass on the stand-in, unchanged."""

from __future__ import annotations

import importlib.util
import unittest

import pytest
from panel_helpers import HOST, MODULES

FOLDER = MODULES.parent / "Testing" / "slicer"
FILES = sorted(FOLDER.glob("test_*.py"))
PATHS = [HOST, *sorted(MODULES.glob("MedImg*/MedImg*.py"))]


def loaded(path):
    """A test file as a module."""
    spec = importlib.util.spec_from_file_location(f"in_slicer_{path.stem}", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_what_slicer_runs_passes_on_the_stand_in(load_module, path):
    for module in PATHS:
        load_module(module)
    result = unittest.TestResult()
    unittest.defaultTestLoader.loadTestsFromModule(loaded(path)).run(result)
    assert [text for _case, text in (*result.errors, *result.failures)] == []
    assert result.testsRun >= 3 and not result.skipped


def test_every_module_has_a_main_path_and_every_file_is_known_to_ctest():
    assert set(loaded(FOLDER / "test_modules_together.py").MODULES) == {path.stem for path in PATHS}
    taken = "".join(path.read_text(encoding="utf-8") for path in FILES)
    assert [path.stem for path in PATHS if f'("{path.stem}"' not in taken] == []
    text = (FOLDER / "CMakeLists.txt").read_text(encoding="utf-8")
    assert [path.name for path in FILES if f"SCRIPT {path.name}\n" not in text] == []
