"""How much results move: closed forms of the numbers, and real studies on small cases."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
from cases_testing import SMOOTH, THRESHOLD, recipe_data, write_cohort, write_recipe
from MedImgAnalysisLib.__main__ import main
from MedImgAnalysisLib.agreement.reliability import icc
from MedImgAnalysisLib.batch.cohort import load
from MedImgAnalysisLib.batch.results import CaseResult
from MedImgAnalysisLib.errors import InputError, ParameterError, RecipeError
from MedImgAnalysisLib.recipe import Recipe
from MedImgAnalysisLib.stress import Perturbation, run_stress
from MedImgAnalysisLib.stress.movement import movements
from MedImgAnalysisLib.stress.study import Run

RECIPE = Recipe.from_data(recipe_data(SMOOTH, THRESHOLD, outputs=("seg", "size")))
VOLUME = "size.Foreground.volume_ml"


def case(name: str, **numbers: float | None) -> CaseResult:
    """A case with one table of one row."""
    columns = {key: {"title": key, "unit": "ml", "description": ""} for key in numbers}
    return CaseResult(name, {}, "done", None, {"measurements": {"t": {"columns": columns, "rows": [numbers]}}})


def only(table, result: str, **kind):
    (row,) = [r for r in table.rows if r["result"] == result and all(r[k] == v for k, v in kind.items())]
    return row


def test_numbers_have_their_closed_forms():
    before = {"a": case("a", v=10.0, z=0.0), "b": case("b", v=20.0, z=0.0), "c": case("c", v=40.0, z=1.0)}
    noise = Perturbation("noise", 5.0, "%")
    runs = [
        Run(noise, 0, (case("a", v=11.0, z=0.0), case("b", v=20.0, z=0.0), case("c", v=None, z=1.0))),
        Run(noise, 1, (case("a", v=9.0, z=0.0), case("b", v=24.0, z=0.0), case("c", v=40.0, z=1.0))),
    ]
    table = movements(before, runs)
    row = only(table, "t.v")
    assert (row["n_cases"], row["n_repeats"], row["lost"]) == (2, 2, 1)
    assert row["undisturbed"] == 15 and row["bias"] == 1
    assert row["rms"] == pytest.approx(math.sqrt((1 + 1 + 0 + 16) / 4))
    assert row["rms_percent"] == pytest.approx(100 * math.sqrt((0.01 + 0.01 + 0 + 0.04) / 4))
    assert (row["largest"], row["largest_case"], row["unit"]) == (4, "b", "ml")
    assert row["icc_2_1"] == icc(np.array([[10, 11, 9], [20, 20, 24]]))["icc_2_1"]
    zero = only(table, "t.z")
    assert zero["rms"] == 0 and math.isnan(zero["rms_percent"]) and "undisturbed_zero" in zero["status"]


def test_cases_that_are_alike_have_no_agreement_but_a_change():
    runs = [Run(Perturbation("blur", 2.0), 0, (case("a", v=3.0), case("b", v=3.0)))]
    row = only(movements({"a": case("a", v=2.0), "b": case("b", v=2.0)}, runs), "t.v")
    assert row["rms"] == 1 and row["status"] == "zero_variance" and math.isnan(row["icc_2_1"])


def test_a_result_that_is_always_lost_is_a_row_that_says_so():
    runs = [Run(Perturbation("blur", 2.0), 0, (CaseResult("a", {}, "failed", {"message": "x"}),))]
    row = only(movements({"a": case("a", v=1.0)}, runs), "t.v")
    assert row["lost"] == 1 and row["status"] == "no_complete_case" and math.isnan(row["bias"])


@pytest.mark.parametrize(
    ("kind", "level", "unit"), [("noise", 0.0, ""), ("noise", 1.0, "mm"), ("turn", 1.0, ""), ("blur", -1.0, "")]
)
def test_what_is_no_perturbation_is_refused(kind, level, unit):
    with pytest.raises(ParameterError):
        Perturbation(kind, level, unit)


def test_levels_are_read_and_named():
    assert Perturbation.read("noise", "5%, 20") == [Perturbation("noise", 5.0, "%"), Perturbation("noise", 20.0)]
    assert [one.name for one in Perturbation.read("rotate", "1,2.5")] == ["rotate-1deg", "rotate-2.5deg"]
    with pytest.raises(ParameterError, match="not a number"):
        Perturbation.read("blur", "1,x")


def test_the_steps_are_put_around_the_recipe_and_leave_it_as_it_is():
    data = recipe_data(SMOOTH, {**THRESHOLD, "inputs": {"image": "smoothed", "mask": "region"}}, outputs=("seg",))
    data["inputs"]["region"] = {"kind": "mask"}
    recipe = Recipe.from_data(data)
    moved = Perturbation("rotate", 3.0)(recipe, 1)
    assert [step.id for step in moved.steps] == [
        "disturb", "disturb.t1", "disturb.region", "smooth", "threshold", "movement_back", "back.seg", "overlap.seg",
    ]  # fmt: skip
    assert moved.steps[4].inputs["mask"] == "disturbed.region"
    assert moved.inputs == {"t1": "image", "region": "mask", "undisturbed.seg": "labels"}
    blurred = Perturbation("blur", 3.0)(recipe, 1)
    assert [step.id for step in blurred.steps] == ["disturb.t1", "smooth", "threshold", "overlap.seg"]
    assert blurred.steps[2].inputs["mask"] == "region"
    assert [step.id for step in recipe.steps] == ["smooth", "threshold"]


def test_a_recipe_without_images_has_nothing_to_disturb():
    recipe = Recipe.from_data(
        {"medimg_recipe": 1, "inputs": {"organs": {"kind": "labels"}}, "outputs": ["table"],
         "steps": [{"id": "m", "operation": "measure_segments", "inputs": {"labels": "organs"},
                    "outputs": {"table": "table"}}]}
    )  # fmt: skip
    with pytest.raises(RecipeError, match="no image"):
        Perturbation("noise", 1.0)(recipe, 1)


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    folder = tmp_path_factory.mktemp("stress")
    cohort = load(write_cohort(folder, ["a", "b", "c"], 32), RECIPE)
    chosen = [Perturbation("noise", 1.0), Perturbation("noise", 60.0), Perturbation("rotate", 5.0),
              Perturbation("shift", 2.0), Perturbation("spacing", 1.5)]  # fmt: skip
    return folder, cohort, chosen, run_stress(RECIPE, cohort, folder / "out", chosen, repeat=2, workers=0)


def test_more_noise_moves_more_and_turning_a_ball_moves_little(study):
    table = study[3].table
    little = only(table, VOLUME, perturbation="noise", level=1.0)
    much = only(table, VOLUME, perturbation="noise", level=60.0)
    turned = only(table, VOLUME, perturbation="rotate")
    assert little["rms_percent"] < 2 < much["rms_percent"]
    assert turned["rms_percent"] < 5 and little["icc_2_1"] > 0.99
    assert little["n_cases"] == 3 and little["n_repeats"] == 2
    assert only(table, VOLUME, perturbation="spacing")["n_repeats"] == 1


def test_segments_are_moved_back_before_they_are_compared(study):
    for kind, least in (("rotate", 0.93), ("shift", 0.9), ("spacing", 0.9)):
        row = only(study[3].table, "overlap.seg.Foreground.dice", perturbation=kind)
        assert least < row["bias"] <= 1, kind


def test_the_files_of_a_study(study):
    folder, _, _, found = study
    assert sorted(found.files) == ["csv", "json", "report"]
    text = found.files["report"].read_text(encoding="utf-8")
    assert "ICC(2,1)" in text and "<svg" in text and "rotate" in text
    assert (folder / "out" / "noise-60-2" / "results.csv").is_file()


def test_a_study_goes_on_where_it_stopped_and_gives_the_same(study):
    folder, cohort, chosen, found = study
    again = run_stress(RECIPE, cohort, folder / "out", chosen[:1], repeat=2, workers=0)
    before = [row for row in found.table.rows if row["perturbation"] == "noise" and row["level"] == 1.0]
    assert json.dumps([dict(row) for row in again.table.rows], default=str) == json.dumps(
        [dict(row) for row in before], default=str
    )


def test_from_the_command_line(tmp_path: Path, capsys):
    recipe = write_recipe(tmp_path / "r.json", SMOOTH, THRESHOLD, outputs=("seg", "size"))
    cohort = write_cohort(tmp_path, ["a", "b"])
    out = tmp_path / "out"
    words = [
        "stress",
        str(recipe),
        str(cohort),
        "--out",
        str(out),
        "--noise",
        "2%,5%",
        "--repeat",
        "1",
        "--workers",
        "0",
    ]
    assert main([*words, "--json"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert {row["perturbation"] for row in data["rows"]} == {"noise"} and (out / "stress.html").is_file()
    assert main([*words[:5], "--quiet"]) == 2
    assert "Say what to disturb" in capsys.readouterr().err


def test_cases_that_fail_anyway_are_left_out_and_said(tmp_path: Path):
    cohort = load(write_cohort(tmp_path, ["a", "b"]), RECIPE)
    (tmp_path / "b.nrrd").write_text("broken")
    found = run_stress(RECIPE, cohort, tmp_path / "out", [Perturbation("blur", 1.0)], workers=0)
    assert found.left_out == ("b",) and only(found.table, VOLUME)["n_cases"] == 1
    (tmp_path / "a.nrrd").unlink()
    with pytest.raises(InputError, match="No case ran undisturbed"):
        run_stress(RECIPE, cohort, tmp_path / "none", [Perturbation("blur", 1.0)], workers=0)
