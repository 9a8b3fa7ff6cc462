"""The numbers that the tutorials print are those that come out."""

from __future__ import annotations

import importlib.util
import json
import re
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import SimpleITK as sitk
from MedImgAnalysisLib import files
from MedImgAnalysisLib.agreement import CompareLesions, CompareSegmentations
from MedImgAnalysisLib.batch.case import run_case
from MedImgAnalysisLib.batch.outliers import outliers
from MedImgAnalysisLib.batch.verify import verify
from MedImgAnalysisLib.errors import FileError
from MedImgAnalysisLib.filtering import Median
from MedImgAnalysisLib.quality import NoisePowerSpectrum
from MedImgAnalysisLib.recipe import Recipe
from MedImgAnalysisLib.segmentation import CleanSegments, GrowConnected, MeasureSegments
from MedImgAnalysisLib.values import Labels

DOCS = Path(__file__).resolve().parents[2] / "docs"


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    spec = importlib.util.spec_from_file_location("tutorial_data", DOCS / "tutorial_data.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    folder = tmp_path_factory.mktemp("tutorial")
    module.write(folder)
    return folder


@pytest.fixture(scope="module")
def organ_data() -> ModuleType:
    spec = importlib.util.spec_from_file_location("organ_data", DOCS / "organ_data.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def cohort_data() -> ModuleType:
    spec = importlib.util.spec_from_file_location("cohort_data", DOCS / "cohort_data.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def rows_of(name: str) -> dict[str, list[str]]:
    """The cells of the first table of a tutorial by the first cell of a row."""
    text = (DOCS / f"tutorial-{name}.md").read_text(encoding="utf-8")
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in re.findall(r"^\|.*\|$", text, re.M)]
    return {row[0]: row[1:] for row in rows[2:]}


def shown(numbers: list[Any], cells: list[str]) -> bool:
    """Whether numbers are printed as in the cells."""
    return [f"{number:.{len(cell.partition('.')[2])}f}" for number, cell in zip(numbers, cells, strict=True)] == cells


def reader(data: Path, number: int) -> Labels:
    return files.read(data / f"reader{number}.seg.nrrd", "labels")


def test_the_table_of_the_two_readers(data: Path) -> None:
    table = CompareSegmentations(tolerances_mm=(1.0,)).run(reader(data, 1), reader(data, 2)).table
    keys = ("dice", "surfel_hd", "surfel_hd95", "surfel_assd", "surfel_nsd_1mm")
    printed = rows_of("compare-two-raters")
    assert list(printed) == [row["segment"] for row in table.rows]
    for row in table.rows:
        assert shown([row[key] for key in keys], printed[row["segment"]]), row


def test_the_specks_of_the_second_reader(data: Path) -> None:
    first, second = (files.read(f"{data}/reader{n}.seg.nrrd#Lesions", "labels") for n in (1, 2))
    result = CompareLesions().run(first, second)
    row = result.summary.rows[0]
    assert (row["n_ref"], row["n_pred"], row["ref_detected"], row["pred_false"]) == (3, 7, 3, 3)
    text = (DOCS / "tutorial-compare-two-raters.md").read_text(encoding="utf-8")
    assert "reader1 has 3 lesions, reader2 has 7. All 3 are found, but 3 of reader2's lesions hit nothing" in text
    specks = [r["volume_mm3"] for r in result.table.rows if r["side"] == "test" and not r["found"]]
    assert min(specks) == pytest.approx(3, abs=0.5) and max(specks) == pytest.approx(10, abs=0.5)


def test_the_noise_of_the_two_scans(data: Path) -> None:
    printed = rows_of("scanner-noise")
    mask = files.read(f"{data}/regions.seg.nrrd#Uniform", "mask")
    found = {}
    for name in ("January", "June"):
        image: sitk.Image = files.read(data / f"{name.lower()}.nrrd", "image")
        result = NoisePowerSpectrum().run(image, mask)
        row = found[name] = result.table.rows[0]
        assert shown([row["noise_sd"], row["f_av"]], printed[name])
        assert row["n_rois"] == 64 and row["relative_error"] == pytest.approx(0.03, abs=0.005)
    assert found["June"]["noise_sd"] / found["January"]["noise_sd"] == pytest.approx(1.15, abs=0.005)


def test_above_the_crossing_the_second_scan_is_quieter(data: Path) -> None:
    mask = files.read(f"{data}/regions.seg.nrrd#Uniform", "mask")
    curves = [NoisePowerSpectrum().run(files.read(data / f"{name}.nrrd", "image"), mask).curves.series[0]
              for name in ("january", "june")]  # fmt: skip
    high = curves[0].x > 0.35
    assert high.any() and (curves[1].y[high] < curves[0].y[high]).all()
    low = curves[0].x < 0.3
    assert (curves[1].y[low] > curves[0].y[low]).all()


def test_the_volumes_of_the_organs(organ_data: ModuleType) -> None:
    smooth = Median().run(ct := organ_data.filtering_data.abdomen())
    printed = rows_of("organ-volumes")
    ranges = {"Liver": (90, 132), "Spleen": (95, 140), "Kidneys": (128, 172)}
    assert list(printed) == list(ranges)
    for name, (lower, upper) in ranges.items():
        points = organ_data.clicks(name)
        grown = GrowConnected(lower=lower, upper=upper, segment=name).run(smooth, seed_points=points).labels
        clean = CleanSegments(opening_mm=3.0, smallest_ml=5.0).run(grown).labels
        row = MeasureSegments().run(clean, ct).rows[0]
        assert shown([row["volume_ml"], organ_data.true_ml(name)], printed[name])
        assert row["volume_ml"] == pytest.approx(organ_data.true_ml(name), rel=0.01 if name != "Kidneys" else 0.03)
        assert row["status"] == ("touches_border" if name == "Liver" else "")
        if name == "Spleen":
            assert row["max_diameter_mm"] == pytest.approx(71.3, abs=0.05)
            rough = MeasureSegments().run(CleanSegments(smallest_ml=5.0).run(grown).labels).rows[0]
            assert rough["volume_ml"] == pytest.approx(109.7, abs=0.05)
            assert rough["max_diameter_mm"] == pytest.approx(75.3, abs=0.05)


def test_the_patients_of_the_cohort_come_out_as_printed_and_one_of_them_is_marked(
    cohort_data: ModuleType, tmp_path: Path
) -> None:
    text = (DOCS / "tutorial-cohort.md").read_text(encoding="utf-8")
    data = json.loads(re.findall(r"```json\n(.*?)```", text, re.S)[0])
    cohort_data.write(tmp_path, broken=True)
    recipe = Recipe.from_data(data)
    printed = rows_of("cohort")
    measured = {}
    for name in ("patient1", "patient3"):
        paths = {
            "t1": tmp_path / f"{name}.nrrd",
            "atlas": tmp_path / "atlas.nrrd",
            "search": tmp_path / "search.seg.nrrd",
        }
        record = run_case(recipe, paths, tmp_path / "results" / name)
        measured[name] = record["measurements"]["volume"]["rows"][0]["volume_ml"]
        assert shown([measured[name], cohort_data.true_ml(cohort_data.PATIENTS[name])], printed[name])
    assert all(float(a) == pytest.approx(float(b), rel=0.03) for a, b in printed.values())
    found = outliers({name: float(cells[0]) for name, cells in printed.items()})
    assert list(found) == ["patient3"] and f"lies {found['patient3']:.0f} robust standard deviations" in text
    with pytest.raises(FileError, match="the voxels cannot be read: the compressed data end too early"):
        files.read(tmp_path / "patient4.nrrd", "image")
    assert "the voxels cannot be read: the compressed data end too early; the file is cut short" in text
    cohort_data.write_patient(tmp_path, "patient4")
    assert files.read(tmp_path / "patient4.nrrd", "image").GetSize() == (66, 78, 72)
    table = tmp_path / "results" / "patient3" / "volume.csv"
    table.write_text(table.read_text("utf-8").replace(f"{measured['patient3']!r}", "12.37"), "utf-8")
    result = verify(table.parent)
    assert [(d.where, d.recorded, d.place) for d in result.differences] == [
        ("volume row 1 volume_ml", "12.37", "row 1, volume_ml")
    ]
    assert "volume.csv was changed after the run" in result.notes[0]


def test_the_pictures_of_the_cohort_are_there_and_small() -> None:
    named = re.findall(r"!\[[^\]]+\]\((pictures/[^)]+)\)", (DOCS / "tutorial-cohort.md").read_text(encoding="utf-8"))
    assert len(named) == 2 and all((DOCS / picture).stat().st_size < 300_000 for picture in named)


def test_every_picture_of_a_tutorial_is_there_and_small() -> None:
    for name in ("compare-two-raters", "scanner-noise", "organ-volumes"):
        text = (DOCS / f"tutorial-{name}.md").read_text(encoding="utf-8")
        named = re.findall(r"!\[[^\]]+\]\((pictures/[^)]+)\)", text)
        assert len(named) >= 3
        for picture in named:
            assert (DOCS / picture).stat().st_size < 150_000
