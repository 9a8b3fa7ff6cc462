"""The cohort file: what is read from it and what is refused, with line and column."""

from __future__ import annotations

from pathlib import Path

import pytest
from cases_testing import recipe_data
from hypothesis import given
from hypothesis import strategies as st
from MedImgAnalysisLib.batch.cohort import Cohort, load
from MedImgAnalysisLib.batch.ids import check_id, folded
from MedImgAnalysisLib.errors import FileError, InputError
from MedImgAnalysisLib.recipe import Recipe

RECIPE = Recipe.from_data(recipe_data())


def read(folder: Path, text: str | bytes) -> Cohort:
    path = folder / "cohort.csv"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return load(path, RECIPE)


def test_rows_become_cases_with_files_beside_the_cohort_and_other_columns_carried(tmp_path: Path) -> None:
    cohort = read(tmp_path, "age,id,t1,site\n40,a,img/a.nrrd,Köln\n,b,/abs/b.nrrd,\n")
    assert [case.id for case in cohort.cases] == ["a", "b"]
    assert cohort.cases[0].inputs == {"t1": str(tmp_path / "img/a.nrrd")}
    assert cohort.cases[1].inputs == {"t1": "/abs/b.nrrd"}
    assert cohort.cases[0].carried == {"age": "40", "site": "Köln"}
    assert cohort.carried == ("age", "site")


@pytest.mark.parametrize(
    "text",
    [
        "\ufeffid,t1\r\na,x.nrrd\r\n",
        "id;t1\na;x.nrrd\n",
        "id\tt1\na\tx.nrrd\n",
        ' id , t1 \n" a ","x.nrrd"\n\n\n',
        "patient,t1\na,x.nrrd",
    ],
)
def test_what_spreadsheets_write_is_read_alike(text: str, tmp_path: Path) -> None:
    case = read(tmp_path, text).cases[0]
    assert (case.id, case.inputs) == ("a", {"t1": str(tmp_path / "x.nrrd")})


def test_quoted_commas_newlines_and_hashes_belong_to_the_cell(tmp_path: Path) -> None:
    case = read(tmp_path, 'id,t1,note\na,"dir, 1/x #2.nrrd","two\nlines"\n').cases[0]
    assert case.inputs["t1"] == str(tmp_path / "dir, 1/x #2.nrrd")
    assert case.carried["note"] == "two\nlines"


def test_an_empty_cell_is_left_for_the_case_to_fail(tmp_path: Path) -> None:
    cohort = read(tmp_path, "id,t1,age\na,,3\nb\n")
    assert cohort.cases[0].inputs == {} and cohort.cases[1].carried == {"age": ""}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", ["empty"]),
        ("id,t1\n", ["no cases"]),
        ("id,t2\na,x\n", ["no column", "t1", "t2"]),
        ("id,T1\na,x\n", ["'T1'", "'t1'"]),
        ("id,t1,t1\na,x,y\n", ["two columns", "t1"]),
        ("id,t1,\na,x,y\n", ["column 3"]),
        ("t1,age\nx,3\n", ["'t1'", "case id"]),
        ("id,t1\na,x,y\n", ["line 2", "3 cells"]),
        ("id,t1\na,x\nb,y\na,z\n", ["line 4", "'a'", "line 2"]),
        ("id,t1\nCase,x\ncase,y\n", ["line 3", "'case'"]),
        ("id,t1\ne\u0301,x\n\u00e9,y\n", ["line 3"]),
        ("id,t1\n,x\n", ["line 2", "is empty"]),
        ("id,t1\n../x,x\n", ["line 2", "'../x'"]),
        ('id,t1\n"a,x\n', ["line"]),
    ],
)
def test_a_wrong_cohort_is_refused_where_it_is_wrong(text: str, words: list[str], tmp_path: Path) -> None:
    with pytest.raises(InputError) as error:
        read(tmp_path, text)
    for word in [*words, "cohort.csv"]:
        assert word in str(error.value)


@pytest.mark.parametrize(("content", "word"), [(b"id,t1\n\xff\xfe,x\n", "UTF-8"), (b"id,t1\na\x00,x\n", "NUL")])
def test_bytes_that_are_no_text_are_refused(content: bytes, word: str, tmp_path: Path) -> None:
    with pytest.raises(FileError, match=word):
        read(tmp_path, content)


def test_a_missing_cohort_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileError, match=r"none\.csv"):
        load(tmp_path / "none.csv", RECIPE)


@pytest.mark.parametrize(
    "case",
    [
        "",
        " ",
        ".",
        "..",
        "a/b",
        "a\\b",
        "/etc",
        "C:",
        "a:b",
        "a*",
        "a?",
        'a"',
        "<a",
        "a|b",
        "a\nb",
        "a\x00b",
        ".hidden",
        "a.",
        "CON",
        "con.txt",
        "Aux",
        "nul",
        "COM1",
        "lpt9.x",
        "com¹",
        "results.csv",
        "Report.HTML",
        "events.jsonl",
        "a\u202eb",
        "x" * 121,
        "é" * 61,
        "\udcff",
    ],
)
def test_ids_that_are_no_folder_names_everywhere_are_refused(case: str) -> None:
    with pytest.raises(InputError, match="case id"):
        check_id(case)


@pytest.mark.parametrize(
    "case", ["case01", "P-001", "-1", "Ünïcode 患者", "a.b", "a b", "console", "com10", "(x)", "=1+1", "a" * 120]
)
def test_ids_that_are_folder_names_are_accepted(case: str) -> None:
    assert check_id(f" {case} ") == case


@given(st.text(max_size=60))
def test_an_accepted_id_is_one_folder_inside_its_parent(case: str) -> None:
    try:
        name = check_id(case)
    except InputError:
        return
    parent = Path("/parent")
    assert (parent / name).parent == parent and (parent / name).name == name
    assert (
        not name.startswith(".") and "\\" not in name and folded(name) == folded(name.upper().lower())
    ) or name.upper().lower() != name
