"""With --private no name of a file, no path and no carried column is in any byte of the results."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import SimpleITK as sitk
from cases_testing import SMOOTH, THRESHOLD, blob, recipe_data
from MedImgAnalysisLib.__main__ import main
from MedImgAnalysisLib.batch.case import Extras, describe_inputs, finished, recipe_key, run_case
from MedImgAnalysisLib.batch.cohort import load
from MedImgAnalysisLib.batch.private import Veil
from MedImgAnalysisLib.batch.runner import run_batch
from MedImgAnalysisLib.errors import ParameterError
from MedImgAnalysisLib.progress import Progress
from MedImgAnalysisLib.recipe import Recipe

pytest.importorskip("dicomanonymizer")
from dicom_testing import ball, write_series
from planted_testing import planted_in

WORDS = ("Müller", "Jörgen", "MRN4711", "Planted", "19511224")


def quiet() -> Progress:
    return Progress(on_warning=lambda sentence: None)


def recipe() -> Recipe:
    return Recipe.from_data(recipe_data(SMOOTH, THRESHOLD))


@pytest.fixture
def cohort(tmp_path: Path) -> Path:
    """Cases of every fate, whose files and columns name patients: done, warned of, missing, damaged, ambiguous."""
    place = tmp_path / "Müller Jörgen"
    place.mkdir()
    sitk.WriteImage(blob(), str(place / "Müller_MRN4711.nrrd"))
    write_series(place / "series MRN4711", ball()[[0, 1, 3, 4, 5, 6]], SeriesDescription="Planted")
    gap = sorted((place / "series MRN4711").iterdir())
    gap[2].unlink()
    for number, path in enumerate(gap[:2] + gap[3:]):
        path.rename(path.with_name(f"Müller19511224_{number}.dcm"))
    write_series(place / "two" / "a", ball()[:3], series="1.2.81", SeriesDescription="Planted Müller")
    write_series(place / "two" / "b", ball()[:3], series="1.2.82", SeriesDescription="Planted Jörgen")
    (place / "damaged MRN4711.nrrd").write_bytes(b"NRRD0004\n# Planted\n")
    rows = [
        ("c1", "Müller Jörgen/Müller_MRN4711.nrrd"),
        ("c2", "Müller Jörgen/series MRN4711"),
        ("c3", "Müller Jörgen/missing Müller.nrrd"),
        ("c4", "Müller Jörgen/damaged MRN4711.nrrd"),
        ("c5", "Müller Jörgen/two"),
        ("c6", "Müller Jörgen/two#Planted Müller"),
    ]
    path = tmp_path / "cohort.csv"
    path.write_text("id,t1,name\n" + "".join(f"{case},{file},Jörgen Müller\n" for case, file in rows), encoding="utf-8")
    return path


def batch(cohort: Path, out: Path, **more: Any) -> Any:
    given = load(cohort, recipe())
    return run_batch(recipe(), given, out, workers=0, pages=True, private=True, progress=quiet(), **more)


def test_no_result_of_a_batch_names_a_file(cohort: Path, tmp_path: Path) -> None:
    found = batch(cohort, tmp_path / "out")
    states = {case.id: case.state for case in found.cases}
    assert states == {"c1": "done", "c2": "done", "c3": "failed", "c4": "failed", "c5": "failed", "c6": "done"}
    assert planted_in(tmp_path / "out", WORDS) == []
    assert planted_in(tmp_path / "out", [tmp_path.name]) == []
    record = json.loads((tmp_path / "out" / "c2" / "provenance.json").read_text(encoding="utf-8"))
    assert set(record["inputs"]["t1"]) == {"kind", "sha256", "bytes", "value_sha256"}
    assert any("uneven slice distances" in sentence and "<t1>" in sentence for sentence in record["warnings"])


def test_the_same_batch_without_the_option_names_them(cohort: Path, tmp_path: Path) -> None:
    run_batch(recipe(), load(cohort, recipe()), tmp_path / "out", workers=0, progress=quiet())
    assert len(planted_in(tmp_path / "out", WORDS)) > 10


def test_finished_private_cases_are_kept_and_others_are_run_again(cohort: Path, tmp_path: Path) -> None:
    batch(cohort, tmp_path / "out")
    assert set(batch(cohort, tmp_path / "out").kept) == {"c1", "c2", "c6"}
    file = load(cohort, recipe()).cases[0].inputs["t1"]
    run_case(recipe(), {"t1": file}, tmp_path / "one", progress=quiet())
    now = describe_inputs(recipe(), {"t1": file}, tmp_path / "one")
    reason = finished(tmp_path / "one", recipe_key(recipe()), now, Extras(private=True))[1]
    assert reason == "a record without paths is asked for this time"


def test_worker_processes_are_as_silent(cohort: Path, tmp_path: Path) -> None:
    path = tmp_path / "recipe.json"
    path.write_text(recipe().as_json())
    words = ["batch", str(path), str(cohort), "--out", str(tmp_path / "out"), "--private", "--workers", "1", "--quiet"]
    assert main(words) == 1
    assert planted_in(tmp_path / "out", WORDS) == []


def test_a_single_run_names_nothing_either(cohort: Path, tmp_path: Path) -> None:
    path = tmp_path / "recipe.json"
    path.write_text(recipe().as_json())
    file = load(cohort, recipe()).cases[0].inputs["t1"]
    words = ["run", str(path), "--in", f"t1={file}", "--out", str(tmp_path / "out"), "--private", "--pages", "--quiet"]
    assert main(words) == 0
    assert planted_in(tmp_path / "out", WORDS) == []
    assert main(["verify", str(tmp_path / "out"), "--json"]) == 2


def test_dicom_results_do_not_go_with_private() -> None:
    with pytest.raises(ParameterError, match="de-identify"):
        Extras(dicom=True, private=True)


def test_words_are_replaced_as_words_only(tmp_path: Path) -> None:
    place = tmp_path / "ct.nrrd"
    place.touch()
    veil = Veil({"t1": place})
    assert veil.text(f"{place}: ct.nrrd is a distinct ct.nrrd2") == "<t1>: <t1> is a distinct ct.nrrd2"
    assert Veil({}).text("as it is") == "as it is"
