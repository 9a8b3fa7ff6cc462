"""`medimg verify` of a batch: its tables hold the numbers of the records."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from cases_testing import recipe_data, write_cohort
from MedImgAnalysisLib.__main__ import main
from MedImgAnalysisLib.batch.cohort import load
from MedImgAnalysisLib.batch.runner import run_batch
from MedImgAnalysisLib.recipe import Recipe

RECIPE = Recipe.from_data(recipe_data())


@pytest.fixture
def out(tmp_path: Path) -> Path:
    path = write_cohort(tmp_path, ["a", "b ü", "=c"])
    (tmp_path / "b ü.nrrd").rename(tmp_path / "away")
    run_batch(RECIPE, load(path, RECIPE), tmp_path / "out", workers=0)
    return tmp_path / "out"


def told(out: Path, capsys: pytest.CaptureFixture[str], *more: str) -> tuple[int, str]:
    status = main(["verify", str(out), "--workers", "0", *more])
    return status, capsys.readouterr().out


def test_tables_as_the_batch_has_written_them_are_equal(out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, text = told(out, capsys, "--json")
    data = json.loads(text)
    assert status == 0 and data["equal"] is True and data["tables"] == [] and data["summary"]["equal"] == 2
    for file in ("results.csv", "results.json"):
        (out / file).unlink()
    assert told(out, capsys)[0] == 0, "tables that are not there tell nothing wrong"


@pytest.mark.parametrize("file", ["results.csv", "results.json"])
@pytest.mark.parametrize("case", ["a", "=c"])
def test_a_number_that_was_changed_in_a_table_is_found(
    case: str, file: str, out: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    record = json.loads((out / case / "provenance.json").read_text(encoding="utf-8"))
    threshold = repr(record["measurements"]["size"]["rows"][0]["threshold"])
    text = (out / file).read_text(encoding="utf-8")
    place = text.rindex(threshold) if case == "=c" else text.index(threshold)
    (out / file).write_text(text[:place] + "1.5" + text[place + len(threshold) :], encoding="utf-8")
    status, said = told(out, capsys)
    assert status == 1 and f"{file}: 1 difference from the records" in said
    line = said.splitlines()[-1].split()
    assert line == [file, case, "size.Foreground.threshold", "1.5", threshold]
    data = json.loads(told(out, capsys, "--json")[1])
    assert data["equal"] is False and data["summary"]["different"] == 0 and data["tables"][0]["there"] == "1.5"


@pytest.mark.parametrize("text", ["", "id;status\n", "no table", "{}", '{"cases": [1]}'])
def test_a_table_that_is_none_any_more_is_found(text: str, out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (out / "results.json").write_text(text, encoding="utf-8")
    status, said = told(out, capsys)
    assert status == 1 and "the file cannot be read" in said
