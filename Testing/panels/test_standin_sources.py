"""Every qt, ctk and slicer name in the sources of modules and panels exists in Slicer, also where no test runs."""

from __future__ import annotations

from pathlib import Path

import pytest
from slicer_standin import sources

ROOT = Path(__file__).resolve().parents[2] / "MedImgAnalysis"
FILES = sorted([*ROOT.glob("*.py"), *ROOT.glob("MedImg*/*.py"), *(ROOT / "MedImgAnalysisLib" / "panel").rglob("*.py")])


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_all_names_exist_in_slicer(path):
    assert sources.problems(path) == []


def test_wrong_names_are_found(tmp_path: Path):
    path = tmp_path / "wrong.py"
    path.write_text(
        "qt.QSizePolicy.Policy.Expanding\nqt.QRegExp('a')\nctk.ctkFancy()\nslicer.qMRMLNodeComboBox.fancy\n"
        "slicer.app.theme()\nslicer.util.fancy()\na.connect('clicked(float)', f)\n"
        "qt.Qt.AlignLeft; slicer.util.loadUI; a.connect('clicked(bool)', f); slicer.mrmlScene; ctk.ctkSliderWidget\n"
    )
    assert [problem.split(":")[0] for problem in sources.problems(path)] == ["1", "2", "3", "4", "5", "6", "7"]
