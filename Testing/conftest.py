"""Fixtures that all test rings share."""

from __future__ import annotations

import os
import tempfile
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import settings
from medimg_testing import Figures, find_data, oblique_grid, write_figures

# How long an example takes says more of the machine than of the code.
settings.register_profile("medimg", deadline=None)
settings.load_profile("medimg")
# What tests take on this computer is nothing to remember for the person who runs them.
os.environ.setdefault("MEDIMG_CACHE", tempfile.mkdtemp(prefix="medimg-cache-"))


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """The test data folder; the test is skipped where there is none."""
    folder = find_data()
    if folder is None:
        pytest.skip("the test data folder is not here (set MEDIMG_TEST_DATA)")
    return folder


@pytest.fixture
def figures(request: pytest.FixtureRequest) -> Figures:
    """Lines and counts that are printed at the end of the run."""
    return Figures(request.node.user_properties)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Options of this project."""
    parser.addoption("--figures", metavar="FILE", help="write what tests counted to a JSON file")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print what tests counted."""
    reports = [r for kind in ("passed", "failed") for r in terminalreporter.getreports(kind) if r.when == "call"]
    lines = [str(value) for report in reports for key, value in report.user_properties if key == "figure"]
    counts: dict[str, Counter[str]] = {}
    for report in reports:
        for key, value in report.user_properties:
            if key == "count":
                group, what, number = value
                counts.setdefault(group, Counter())[what] += number
    lines += [f"{group}: {', '.join(f'{n} {what}' for what, n in found.items())}" for group, found in counts.items()]
    if lines:
        terminalreporter.section("figures")
    for line in sorted(set(lines)):
        terminalreporter.write_line(line)
    if config.getoption("--figures"):
        numbers = {kind: len(terminalreporter.getreports(kind)) for kind in ("passed", "failed", "skipped")}
        write_figures(Path(config.getoption("--figures")), sorted(set(lines)), numbers)


@pytest.fixture
def oblique_image() -> sitk.Image:
    """A float32 image (24, 20, 16) of smooth structure plus noise on an oblique anisotropic grid."""
    k, j, i = np.meshgrid(*(np.arange(n) for n in (16, 20, 24)), indexing="ij")
    noise = np.random.default_rng(1).normal(0, 3, k.shape)
    array = 100 * np.exp(-(((i - 12) / 6) ** 2 + ((j - 9) / 5) ** 2 + ((k - 8) / 4) ** 2)) + noise
    return oblique_grid(sitk.GetImageFromArray(array.astype(np.float32)))
