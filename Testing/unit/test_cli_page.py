"""`medimg apply --page`: a run as one HTML file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from medimg_testing import oblique_grid
from MedImgAnalysisLib import files
from MedImgAnalysisLib.__main__ import main
from MedImgAnalysisLib.values import Labels


@pytest.fixture
def raters(tmp_path: Path) -> list[str]:
    paths = []
    for shift in (0, 2):
        array = np.zeros((12, 14, 16), np.uint8)
        array[3:8, 4:9, 5 + shift : 10 + shift] = 1
        image = oblique_grid(sitk.GetImageFromArray(array))
        paths.append(str(files.write(Labels.from_masks([("Box", image)]), tmp_path / f"rater{shift}.seg.nrrd")))
    return paths


def test_a_page_is_written_beside_or_instead_of_outputs(raters: list[str], tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    line = ["apply", "compare_segmentations", "--in", f"reference={raters[0]}", "--in", f"test={raters[1]}"]
    assert main([*line, "--page", str(page), "--quiet"]) == 0
    text = page.read_text(encoding="utf-8")
    assert "<title>Compare segmentations: rater0.seg.nrrd</title>" in text
    assert "rater2.seg.nrrd" in text and "data:image/png" in text and "Macro Dice" in text


def test_an_image_without_outputs_or_page_is_a_mistake(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    image = tmp_path / "a.nrrd"
    files.write(sitk.Image(8, 8, 8, sitk.sitkFloat32), image)
    assert main(["apply", "gaussian", "--in", str(image)]) == 2
    assert main(["apply", "gaussian", "--in", str(image), "--page", str(tmp_path / "p.html"), "--quiet"]) == 0
    assert (tmp_path / "p.html").exists()


@pytest.mark.parametrize("name", ["page.pdf", "missing/page.html", "rater0.seg.nrrd"])
def test_a_page_that_cannot_be_written_is_refused_before_the_work(
    raters: list[str], tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    line = ["apply", "compare_segmentations", "--in", f"reference={raters[0]}", "--in", f"test={raters[1]}"]
    before = sorted(tmp_path.iterdir())
    assert main([*line, "--page", str(tmp_path / name), "--out", f"table={tmp_path / 't.csv'}"]) == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert sorted(tmp_path.iterdir()) == before
