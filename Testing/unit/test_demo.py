"""The demo runs the whole path, and says so when a result is not as close to the truth as it should be."""

from __future__ import annotations

import csv
import dataclasses
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from MedImgAnalysisLib import demo, demo_truth, phantom
from MedImgAnalysisLib.batch.case import Extras
from MedImgAnalysisLib.errors import Cancelled, FileError
from MedImgAnalysisLib.geometry import image_like
from MedImgAnalysisLib.progress import Progress
from MedImgAnalysisLib.recipe import Recipe


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, subprocess.CompletedProcess[str]]:
    """The demo as a user starts it, once for all tests."""
    out = tmp_path_factory.mktemp("demo") / "out"
    done = subprocess.run(
        [sys.executable, "-m", "MedImgAnalysisLib", "demo", "--out", str(out)],
        capture_output=True,
        text=True,
        timeout=300,
    )
    return out, done


def test_the_demo_succeeds_and_says_how_close_it_came(run: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    out, done = run
    assert done.returncode == 0, done.stdout + done.stderr
    assert "All 8 are within their bounds." in done.stdout
    with open(out / "results" / "truth.csv", encoding="utf-8", newline="") as stream:
        rows = list(csv.reader(stream))
    assert len(rows) == 9
    found = {row[0]: float(row[1]) for row in rows[1:]}
    assert found["Motion: mean error at 120 points of scalp and brain"] < 0.3
    assert found["Tissue by threshold: Dice with the true mask"] > 0.98


def test_the_demo_writes_everything_that_it_promises(run: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    out, done = run
    for line in done.stdout.splitlines():
        path = line.strip().split("    ")[0]
        if path.startswith(str(out)):
            assert Path(path).exists(), path
    case = out / "results" / demo.CASE
    for name in demo.RECIPE["outputs"]:
        assert list(case.glob(f"{name}.*")), name
    record = json.loads((case / "provenance.json").read_text(encoding="utf-8"))
    assert {step["operation"] for step in record["steps"]} == {
        "median",
        "gaussian",
        "register",
        "auto_threshold",
        "compare_segmentations",
    }
    assert Recipe.load(out / "recipe.json").as_data() == Recipe.from_data(demo.RECIPE).as_data()
    assert "</html>" in (out / "results" / "report.html").read_text(encoding="utf-8")


def test_the_demo_writes_a_scene_and_pictures(run: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    pytest.importorskip("slicer", reason="slicer-core is not installed")
    out, done = run
    case = out / "results" / demo.CASE
    assert (case / "phantom.mrb").stat().st_size > 1_000_000
    assert list((case / "snapshots").glob("*.png")) or "OpenGL" in done.stderr


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> phantom.Phantom:
    """A coarse phantom, and no scene."""
    head = phantom.head(1, flair_spacing_mm=(4.0, 4.0, 4.0), t1_spacing_mm=(4.0, 4.0, 4.0))
    monkeypatch.setattr(demo, "head", lambda **_: head)
    monkeypatch.setattr(demo, "_extras", lambda progress: Extras())
    return head


def test_a_result_out_of_bounds_is_said_and_gives_exit_status_1(
    small: phantom.Phantom, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wrong = dataclasses.replace(small, motion=sitk.Euler3DTransform())
    monkeypatch.setattr(demo, "head", lambda **_: wrong)
    assert demo.run_demo(tmp_path / "demo") == 1
    printed = capsys.readouterr().out
    assert any("FAIL" in line and "Motion: mean error" in line for line in printed.splitlines())
    assert "out of bounds" in printed


def test_quiet_prints_nothing(small: phantom.Phantom, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert demo.run_demo(tmp_path / "demo", quiet=True) in (0, 1)
    assert capsys.readouterr().out == ""


def test_a_folder_that_cannot_be_made_is_told_in_a_sentence(small: phantom.Phantom, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(FileError, match="cannot be made: Not a directory"):
        demo.run_demo(tmp_path / "file" / "demo", quiet=True)


def test_a_cancelled_demo_leaves_no_results(small: phantom.Phantom, tmp_path: Path) -> None:
    progress = Progress(lambda fraction, message: progress.cancel() if fraction > 0.3 else None)
    with pytest.raises(Cancelled):
        demo.run_demo(tmp_path / "demo", progress, quiet=True)
    assert not (tmp_path / "demo" / "results" / demo.CASE).exists()


def test_the_noise_of_a_median_follows_from_order_statistics() -> None:
    assert demo_truth.median_noise(1) == pytest.approx(1)
    assert demo_truth.median_noise(3) == pytest.approx(np.sqrt(1 - np.sqrt(3) / np.pi))
    many = np.median(np.random.default_rng(1).normal(size=(40000, 27)), axis=1).std()
    assert demo_truth.median_noise(27) == pytest.approx(many, rel=0.02)


def test_the_noise_of_a_wide_gaussian_follows_its_closed_form() -> None:
    sigmas = (3.0, 4.0, 5.0)
    closed = np.prod([(2 * np.sqrt(np.pi) * s) ** -0.5 for s in sigmas])
    assert demo_truth.gaussian_noise(sigmas, [40, 40, 40]) == pytest.approx(closed, rel=1e-6)
    assert demo_truth.gaussian_noise((0.01,), (0,)) == 1


def test_noise_is_measured_only_where_the_image_is_uniform() -> None:
    rng = np.random.default_rng(1)
    clean = np.full((24, 24, 24), 1000.0, np.float32)
    clean[:, :, 12:] = 2000.0
    noise = rng.normal(0, 20, clean.shape).astype(np.float32)
    filtered = clean + noise / 4
    filtered[:, :, 11:13] += 500  # what a filter does at an edge
    grid = sitk.Image([24, 24, 24], sitk.sitkUInt8)
    noisy, after, without = (image_like(a, grid) for a in (clean + noise, filtered, clean))
    assert demo_truth.noise_kept(noisy, after, without, (1, 1, 1)) == pytest.approx(0.25, rel=1e-3)
    assert demo_truth.noise_kept(noisy, after, without, (0, 0, 0)) > 1
    dark = image_like(clean * 0, grid)
    assert np.isnan(demo_truth.noise_kept(noisy, after, dark, (1, 1, 1)))
    assert not demo_truth.Check("nothing", float("nan"), 0, 1).within
