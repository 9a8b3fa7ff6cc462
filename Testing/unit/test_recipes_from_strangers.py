"""Recipes from strangers run no code, read and write nothing but what they are given, and their texts stay texts."""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import hostile
import pytest
import SimpleITK as sitk
from cases_testing import SMOOTH, THRESHOLD, blob, environment, leftovers, recipe_data, write_cohort, write_recipe
from hypothesis import given, settings
from hypothesis import strategies as st
from medimg_testing import Figures
from MedImgAnalysisLib import files
from MedImgAnalysisLib.batch.case import check_names, run_case
from MedImgAnalysisLib.batch.cohort import load
from MedImgAnalysisLib.batch.folder import check_free, record_of
from MedImgAnalysisLib.batch.journal import JOURNAL
from MedImgAnalysisLib.batch.lock import LOCK
from MedImgAnalysisLib.batch.runner import run_batch
from MedImgAnalysisLib.errors import FileError, MedImgError, RecipeError
from MedImgAnalysisLib.recipe import Recipe

RECIPE = Recipe.from_data(recipe_data())
links = pytest.mark.skipif(sys.platform == "win32", reason="links of Unix")


Count = Callable[..., None]


@pytest.fixture
def count(figures: Figures) -> Count:
    """Add to what is told of hostile input at the end of the run."""
    return partial(figures.count, "Strangers")


@pytest.mark.parametrize(("text"), hostile.recipes().values(), ids=hostile.recipes())
def test_a_hostile_recipe_is_refused_in_one_short_line(text: str, count: Count) -> None:
    with pytest.raises(RecipeError) as error:
        check_names(Recipe.from_json(text))
    assert len(str(error.value)) < 5000 and "\n" not in str(error.value)
    count("hostile recipes refused")


HOSTILE = st.sampled_from([*hostile.NAMES, *hostile.TEXTS, *hostile.NUMBERS])


@settings(max_examples=400)
@given(st.lists(st.tuples(st.lists(st.integers(0, 6), max_size=5), HOSTILE), min_size=1, max_size=3))
def test_a_recipe_with_anything_anywhere_is_refused_or_is_one(changes: list[tuple[list[int], Any]]) -> None:
    data: Any = recipe_data()
    for path, value in changes:
        data = hostile.replaced(data, tuple(path), value)
    try:
        recipe = Recipe.from_json(json.dumps(data))
        check_names(recipe)
    except RecipeError:
        return
    assert Recipe.from_json(recipe.as_json()).as_data() == recipe.as_data()
    for name in recipe.outputs:
        assert Path(files.file_name(name, recipe.kinds()[name])).name == files.file_name(name, recipe.kinds()[name])


AUDIT = """
import os, sys
place, out = sys.argv[1:3]
log = os.open(place, os.O_WRONLY | os.O_CREAT)
CHANGES = {"os.rename", "os.remove", "os.rmdir", "os.mkdir", "os.link", "os.symlink", "os.chmod", "os.truncate"}
RUNS = {"subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "exec", "socket.connect", "socket.bind"}
def seen(event, arguments):
    if event == "open" and isinstance(arguments[0], (str, bytes)):
        flags = arguments[2] or 0
        if flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
            os.write(log, ("write " + os.fsdecode(arguments[0]).replace("\\n", " ") + "\\n").encode("utf-8", "replace"))
    elif event in CHANGES:
        os.write(log, ("write " + str(arguments[0]).replace("\\n", " ") + "\\n").encode("utf-8", "replace"))
    elif event in RUNS and event != "exec":
        os.write(log, ("run " + event + str(arguments)[:200].replace("\\n", " ") + "\\n").encode("utf-8", "replace"))
from MedImgAnalysisLib.__main__ import main
import MedImgAnalysisLib.batch.runner, MedImgAnalysisLib.catalog
sys.addaudithook(seen)
sys.exit(main(sys.argv[3:]))
"""


class Page(HTMLParser):
    """The tags and handlers of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.bad: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.bad += [f"{tag} {name}={value}" for name, value in attrs if name.startswith("on")]
        if tag in ("svg", "img") and any(name in ("onload", "onerror") for name, _ in attrs):
            self.bad.append(tag)


def formulas(text: str) -> list[str]:
    """Cells that a spreadsheet would run."""
    cells = [cell for row in csv.reader(io.StringIO(text, newline="")) for cell in row]
    return [
        cell for cell in cells if cell.lstrip(" \u00a0")[:1] in ("=", "+", "-", "@", "\t", "\r") and not number(cell)
    ]


def number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def test_hostile_texts_and_names_reach_the_results_as_texts_and_touch_nothing_else(
    tmp_path: Path, count: Count
) -> None:
    """One case for each text and each file name, through the whole program with an eye on every file."""
    place = tmp_path / "in put"
    place.mkdir()
    rows, expected = [], []
    for number_, name in enumerate(hostile.FILES):
        sitk.WriteImage(blob(number_), str(place / "x.nrrd"))
        (place / "x.nrrd").rename(place / f"{name}.nrrd")
        case = name if not set(name) & set("\"'\n#;%{}") else f"case {number_}"
        rows.append([case, f"{name}.nrrd", hostile.TEXTS[number_]])
        expected.append(case)
    with open(place / "-cohort.csv", "w", encoding="utf-8", newline="") as stream:
        csv.writer(stream).writerows([["id", "t1", "=note"], *rows])
    steps = [SMOOTH]
    for number_, text in enumerate(hostile.TEXTS):
        step = {**THRESHOLD, "id": f"t{number_}", "parameters": {"segment": text}}
        steps.append({**step, "outputs": {"table": f"size{number_}", "labels": f"seg{number_}"}})
    names = ["smoothed", *(f"size{n}" for n in range(len(hostile.TEXTS))), "seg0", "seg7"]
    recipe = write_recipe(place / "recipe.json", *steps, outputs=names, name=hostile.TEXTS[7])
    out = tmp_path / "o u t"
    command = ["batch", recipe, place / "-cohort.csv", "--out", out, "--workers", "0", "--json"]
    done = subprocess.run(
        [sys.executable, "-c", AUDIT, tmp_path / "log", out, *command],
        env=environment() | {"MEDIMG_CACHE": str(tmp_path / "cache")},
        cwd=place,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[:2000] + done.stderr[:2000]
    assert json.loads(done.stdout)["done"] == expected
    count("hostile texts", len(hostile.TEXTS))
    count("hostile file names", len(hostile.FILES))
    lines = (tmp_path / "log").read_text(encoding="utf-8").splitlines()
    allowed = (str(out), str(tmp_path / "cache"), os.devnull, str(Path(sys.prefix)))
    outside = {line for line in lines if line.startswith("write ") and not line[6:].startswith(allowed)}
    assert {line for line in outside if not line[6:].isdigit() and "__pycache__" not in line} == set()
    assert [line for line in lines if line.startswith("run ")] == []
    count("file operations watched", len(lines))
    assert {path.name for path in tmp_path.iterdir()} <= {"in put", "o u t", "log", "cache"}
    assert not any(path.name == "owned" for path in tmp_path.rglob("*"))
    assert [cell for file in out.rglob("*.csv") for cell in formulas(file.read_text(encoding="utf-8"))] == []
    report = (out / "report.html").read_text(encoding="utf-8")
    assert Page(report).bad == [] and "<script>alert" not in report
    assert leftovers(tmp_path) == []


def test_half_a_character_in_a_title_is_written_as_its_escape(tmp_path: Path) -> None:
    recipe = Recipe.from_json(json.dumps(recipe_data(name="a\ud800b")))
    run_batch(recipe, load(write_cohort(tmp_path, ["a"]), recipe), tmp_path / "out", workers=0)
    assert Recipe.load(tmp_path / "out" / "recipe.json") == recipe


@links
@pytest.mark.parametrize("name", [LOCK, JOURNAL])
def test_a_link_under_a_name_that_is_written_to_is_refused(name: str, tmp_path: Path, count: Count) -> None:
    cohort = load(write_cohort(tmp_path, ["a"]), RECIPE)
    (tmp_path / "precious").write_text("mine")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / name).symlink_to(tmp_path / "precious")
    with pytest.raises(FileError, match="is a link"):
        run_batch(RECIPE, cohort, tmp_path / "out", workers=0)
    assert (tmp_path / "precious").read_text() == "mine"
    count("links")


@links
@pytest.mark.parametrize("name", ["results.csv", "results.json", "report.html", "recipe.json"])
def test_a_link_under_the_name_of_a_table_is_replaced_and_not_followed(name: str, tmp_path: Path, count: Count) -> None:
    cohort = load(write_cohort(tmp_path, ["a"]), RECIPE)
    (tmp_path / "precious").write_text("mine")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / name).symlink_to(tmp_path / "precious")
    run_batch(RECIPE, cohort, tmp_path / "out", workers=0)
    assert (tmp_path / "precious").read_text() == "mine" and not (tmp_path / "out" / name).is_symlink()
    count("links")


@links
@pytest.mark.parametrize("target", ["folder", "nothing", "result"])
def test_a_link_under_the_name_of_a_case_fails_the_case_and_stays(target: str, tmp_path: Path, count: Count) -> None:
    cohort = load(write_cohort(tmp_path, ["a", "b"]), RECIPE)
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "mine.txt").write_text("mine")
    run_case(RECIPE, {"t1": tmp_path / "b.nrrd"}, tmp_path / "result")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "a").symlink_to(tmp_path / target)
    result = run_batch(RECIPE, cohort, tmp_path / "out", workers=0)
    assert [case.state for case in result.cases] == ["failed", "done"]
    assert (tmp_path / "out" / "a").is_symlink()
    assert (tmp_path / "folder" / "mine.txt").read_text() == "mine"
    assert record_of(tmp_path / "result") is not None
    count("links")


@links
def test_what_a_result_links_to_is_not_deleted_with_it(tmp_path: Path, count: Count) -> None:
    write_cohort(tmp_path, ["a"])
    run_case(RECIPE, {"t1": tmp_path / "a.nrrd"}, tmp_path / "out" / "a")
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious" / "mine.txt").write_text("mine")
    (tmp_path / "out" / "a" / "link").symlink_to(tmp_path / "precious")
    with pytest.raises(FileError, match="link"):
        check_free(tmp_path / "out" / "a")
    (tmp_path / "out" / ".medimg-x").symlink_to(tmp_path / "precious")
    (tmp_path / "out" / "a" / "link").unlink()
    run_batch(RECIPE, load(tmp_path / "cohort.csv", RECIPE), tmp_path / "out", workers=0)
    assert (tmp_path / "precious" / "mine.txt").read_text() == "mine"
    count("links")


@pytest.mark.parametrize(
    "name", ["../secret.raw", "/etc/hostname", "sub/../../secret.raw", "C:\\secret.raw", "..\\secret.raw"]
)
@pytest.mark.parametrize("form", ["mhd", "mhd list", "nhdr", "nhdr list", "nhdr pattern"])
def test_a_header_cannot_lead_to_files_elsewhere(name: str, form: str, tmp_path: Path, count: Count) -> None:
    folder = tmp_path / "in"
    (folder / "sub").mkdir(parents=True)
    (tmp_path / "secret.raw").write_bytes(bytes(8))
    path = folder / f"x.{form.split()[0]}"
    if form.startswith("mhd"):
        data = f"LIST\n{name}" if "list" in form else name
        path.write_text(
            "ObjectType = Image\nNDims = 3\nDimSize = 2 2 2\nElementType = MET_UCHAR\nElementSpacing = 1 1 1\n"
            f"ElementDataFile = {data}\n"
        )
    else:
        data = {"nhdr": name, "nhdr list": f"LIST\n{name}", "nhdr pattern": f"{name}%d 0 0 1 3"}[form]
        path.write_text(
            "NRRD0004\ntype: uchar\ndimension: 3\nsizes: 2 2 2\nencoding: raw\nspace: left-posterior-superior\n"
            f"space directions: (1,0,0) (0,1,0) (0,0,1)\nspace origin: (0,0,0)\ndata file: {data}\n"
        )
    with pytest.raises(FileError, match=r"outside the folder of the header|which is no field"):
        files.read(path, "image")
    cohort = tmp_path / "cohort.csv"
    cohort.write_text(f"id,t1\na,in/{path.name}\n")
    result = run_batch(RECIPE, load(cohort, RECIPE), tmp_path / "out", workers=0)
    assert "the folder of the header" in str(result.failed[0].error) or "no field" in str(result.failed[0].error)
    count("headers")


RECORDS: dict[str, Any] = {
    "deep": None,
    "a list": [],
    "outputs are a list": {"outputs": []},
    "an output is a text": {"outputs": {"smoothed": "x"}},
    "an output elsewhere": {"outputs": {"smoothed": {"file": "../../precious", "bytes": 4}}},
    "files are a number": {"files": 5},
    "files elsewhere": {"files": ["../../precious", "/etc/passwd"]},
    "inputs are a text": {"inputs": "x"},
    "options are a list": {"options": []},
    "measurements are a text": {"measurements": "x"},
}


@pytest.mark.parametrize("what", RECORDS)
def test_a_record_that_somebody_changed_harms_nothing(what: str, tmp_path: Path, count: Count) -> None:
    cohort = load(write_cohort(tmp_path, ["a", "b"]), RECIPE)
    (tmp_path / "precious").write_text("mine")
    out = tmp_path / "out"
    run_batch(RECIPE, cohort, out, workers=0)
    record = json.loads((out / "a" / "provenance.json").read_text(encoding="utf-8"))
    changed = record | RECORDS[what] if isinstance(RECORDS[what], dict) else RECORDS[what]
    text = "[" * 100_000 if what == "deep" else json.dumps(changed)
    (out / "a" / "provenance.json").write_text(text, encoding="utf-8")
    try:
        result = run_batch(RECIPE, cohort, out, workers=0)
    except MedImgError as error:
        pytest.fail(f"the whole batch ended: {error}")
    assert result.cases[1].state == "done" and (tmp_path / "precious").read_text() == "mine"
    assert result.cases[0].state in ("done", "failed")
    if result.cases[0].state == "failed":
        assert "not part of the result" in str(result.cases[0].error)
    count("changed records")
