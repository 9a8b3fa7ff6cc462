"""Helpers that tests import: where the test data is, and awkward grids."""

from __future__ import annotations

import json
import math
import os
import platform
from importlib.metadata import version
from pathlib import Path

import SimpleITK as sitk


def find_data() -> Path | None:
    """The test data folder: MEDIMG_TEST_DATA, or shared/data beside the checkout."""
    named = os.environ.get("MEDIMG_TEST_DATA")
    folder = Path(named) if named else Path(__file__).resolve().parents[2] / "shared" / "data"
    return folder if (folder / "MANIFEST.json").is_file() else None


def oblique_grid(image: sitk.Image) -> sitk.Image:
    """Give `image` an anisotropic, rotated, shifted grid (changed in place and returned)."""
    if image.GetDimension() == 3:
        rotation = sitk.Euler3DTransform()
        rotation.SetRotation(0.3, -0.2, 0.5)
        image.SetDirection(rotation.GetMatrix())
        image.SetSpacing((0.7, 1.1, 2.5))
        image.SetOrigin((-31.0, 12.5, 140.0))
    else:
        turn = sitk.Euler2DTransform()
        turn.SetAngle(0.4)
        image.SetDirection(turn.GetMatrix())
        image.SetSpacing((0.7, 1.1))
        image.SetOrigin((-31.0, 12.5))
    return image


def find_reference_values() -> Path | None:
    """The file of reference values for metrics, beside the test data folder."""
    folder = find_data()
    path = folder.parent / "facts" / "metrics-reference.json" if folder else None
    return path if path is not None and path.is_file() else None


def reference_cases(family: str) -> dict[str, dict]:
    """Cases of one family by name; empty where the file is not here."""
    path = find_reference_values()
    if path is None:
        return {}
    cases = json.loads(path.read_text(encoding="utf-8"))["public"]["cases"]
    return {name: case for name, case in cases.items() if case["family"] == family}


def agrees(expected: dict, found: float | None) -> bool:
    """Whether a number is within the tolerance of its reference entry; null wants an undefined one."""
    value = expected["value"]
    if value is None:
        return found is None or not math.isfinite(found)
    if found is None or not math.isfinite(found):
        return False
    tolerance = max(expected.get("tol_abs") or 0, (expected.get("tol_rel") or 0) * abs(value))
    return abs(found - value) <= tolerance + 1e-12 * max(1, abs(value))


class Figures:
    """What a test counted, for the end of the run, where it is seen also when tests run in several processes."""

    def __init__(self, properties: list[tuple[str, object]]) -> None:
        self._properties = properties

    def say(self, text: str) -> None:
        """A line of its own."""
        self._properties.append(("figure", text))

    def count(self, group: str, what: str, number: int = 1) -> None:
        """Add to a number of the line of a group, over all tests."""
        self._properties.append(("count", (group, what, number)))


def write_figures(path: Path, lines: list[str], numbers: dict[str, int]) -> None:
    """What tests counted, on which machine and with which packages, as JSON."""
    packages = {name: version(name) for name in ("SimpleITK", "numpy", "scipy")}
    machine = {"python": f"Python {platform.python_version()}", "platform": f"{platform.system()} {platform.machine()}"}
    found = {"version": version("MedImgAnalysis"), **machine, "packages": packages, **numbers, "lines": lines}
    path.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
