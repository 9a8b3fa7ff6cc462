"""The self-tests of the modules that measure and of the recipes, which Slicer runs, pass on the stand-in as well."""

from __future__ import annotations

import unittest

import pytest
from panel_helpers import MODULES


@pytest.mark.parametrize("name", ["MedImgAgreement", "MedImgQuality", "MedImgRecipes"])
def test_the_self_test_of_a_module_passes(name, load_module):
    module = load_module(MODULES / name / f"{name}.py").python
    cases = unittest.defaultTestLoader.loadTestsFromTestCase(getattr(module, f"{name}Test"))
    result = unittest.TestResult()
    cases.run(result)
    problems = [text for _case, text in (*result.errors, *result.failures)]
    assert problems == [] and result.testsRun >= 4
