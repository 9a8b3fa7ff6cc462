"""`medimg apply --evidence`: the filter's result, and what it took away, in one call."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from MedImgAnalysisLib import files
from MedImgAnalysisLib.__main__ import main
from MedImgAnalysisLib.execution import execute
from MedImgAnalysisLib.filtering import FilterEvidence, Gaussian


@pytest.fixture
def image_file(tmp_path: Path) -> Path:
    k, j, i = np.indices((24, 40, 40), dtype=float)
    ball = 100.0 * ((k - 12) ** 2 + (j - 20) ** 2 + (i - 20) ** 2 < 64)
    array = ball + np.random.default_rng(0).normal(0, 5, ball.shape)
    path = tmp_path / "noisy.nrrd"
    sitk.WriteImage(sitk.GetImageFromArray(array.astype(np.float32)), str(path))
    return path


def apply(image: Path, *more: str) -> int:
    return main(["apply", "gaussian", "--in", f"image={image}", "--set", "sigma_mm=2", "--evidence", *more])


def test_files_and_numbers_are_those_of_the_operation_and_of_the_evidence(
    image_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = {"image": "smooth.nrrd", "evidence": "evidence.csv", "evidence_residual": "residual.nrrd",
             "evidence_spectra": "spectra.csv", "evidence_histogram": "histogram.csv"}  # fmt: skip
    outs = [text for role, name in names.items() for text in ("--out", f"{role}={tmp_path / name}")]
    assert apply(image_file, *outs, "--json") == 0
    said = json.loads(capsys.readouterr().out)
    before = sitk.ReadImage(str(image_file))
    after = Gaussian(sigma_mm=2.0).run(before)
    expected = execute(FilterEvidence(), {"before": before, "after": after}).outputs
    assert np.array_equal(
        sitk.GetArrayFromImage(sitk.ReadImage(str(tmp_path / "smooth.nrrd"))), sitk.GetArrayFromImage(after)
    )
    assert np.array_equal(
        sitk.GetArrayFromImage(sitk.ReadImage(str(tmp_path / "residual.nrrd"))),
        sitk.GetArrayFromImage(expected["residual"]),
    )
    row = files.read(tmp_path / "evidence.csv", "table").rows[0]
    assert row["noise_ratio"] == expected["table"].rows[0]["noise_ratio"]
    assert "edges_blurred" in row["warnings"]
    assert said["measurements"]["evidence"][0]["residual_sd"] == row["residual_sd"]
    record = said["provenance"]
    assert record["operation"] == "gaussian" and record["evidence"]["operation"] == "filter_evidence"
    assert record["evidence"]["inputs"]["after"]["sha256"] == record["outputs"]["image"]["sha256"]
    assert (tmp_path / "spectra.csv").is_file() and (tmp_path / "histogram.csv").is_file()


def test_one_output_needs_no_role_and_the_table_is_printed(
    image_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "smooth.nrrd"
    assert apply(image_file, "--out", str(out), "--quiet") == 0
    assert out.is_file() and "edges_blurred" in capsys.readouterr().out


def test_evidence_looks_where_the_mask_is(image_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    mask = np.zeros((24, 40, 40), np.uint8)
    mask[:, :, :16] = 1
    sitk.WriteImage(sitk.GetImageFromArray(mask), str(tmp_path / "mask.nrrd"))
    assert apply(image_file, "--in", f"mask={tmp_path / 'mask.nrrd'}", "--out", str(tmp_path / "o.nrrd"), "--json") == 0
    assert json.loads(capsys.readouterr().out)["measurements"]["evidence"][0]["n"] == int(mask.sum())


def test_where_there_can_be_no_evidence_it_is_refused(
    image_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("resample", "deform", "sobel"):
        out = f"image={tmp_path / 'x.nrrd'}"
        assert main(["apply", name, "--in", f"image={image_file}", "--out", out, "--evidence"]) != 0
        assert "no --evidence" in capsys.readouterr().err
        assert not (tmp_path / "x.nrrd").exists()
    assert main(["apply", "gaussian", "--in", str(image_file), "--out", f"evidence={tmp_path / 'e.csv'}"]) != 0
