"""Tables and curves on disk keep every digit, say their units, and are safe to open in a spreadsheet."""

from __future__ import annotations

import csv
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from MedImgAnalysisLib import files
from MedImgAnalysisLib.errors import FileError
from MedImgAnalysisLib.values import Column, Curve, Curves, Measurements

COLUMNS = (
    Column("segment", "Segment", dtype=str),
    Column("dice", "Dice", "", "Overlap"),
    Column("hd95", "HD95", "mm", "Distance"),
    Column("voxels", "Voxels", "", "Count", int),
)
TEXT = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\r\0"), max_size=12)


def equal(first: Measurements, second: Measurements, columns: bool = True) -> bool:
    def plain(rows: tuple) -> list:
        return [{k: "NaN" if isinstance(v, float) and math.isnan(v) else v for k, v in row.items()} for row in rows]

    return plain(first.rows) == plain(second.rows) and (not columns or first.columns == second.columns)


def tables() -> st.SearchStrategy[Measurements]:
    row = st.fixed_dictionaries(
        {
            "segment": TEXT,
            "dice": st.floats(),
            "hd95": st.floats(allow_nan=False),
            "voxels": st.one_of(st.none(), st.integers()),
        }
    )
    return st.lists(row, max_size=4).map(lambda rows: Measurements(COLUMNS, tuple(rows)))


@settings(max_examples=60, deadline=None)
@given(table=tables())
def test_json_gives_back_exactly_what_was_written(
    table: Measurements, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("t") / "a.json"
    assert equal(files.read(files.write(table, path), "table"), table)


@settings(max_examples=60, deadline=None)
@given(number=st.floats(allow_nan=False), count=st.integers(), text=TEXT)
def test_csv_gives_back_every_digit_and_text(
    number: float, count: int, text: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("t") / "a.csv"
    table = Measurements(COLUMNS, ({"segment": f"{text}?", "dice": number, "hd95": -number, "voxels": count},))
    assert equal(files.read(files.write(table, path), "table"), table, columns=False)


def test_csv_heads_say_the_unit_and_missing_values_are_empty(tmp_path: Path) -> None:
    table = Measurements(
        COLUMNS,
        (
            {"segment": "liver", "dice": 0.1 + 0.2, "hd95": math.nan, "voxels": None},
            {"segment": 'x,"y"\nz', "dice": math.inf, "hd95": 3, "voxels": 7},
        ),
    )
    path = files.write(table, tmp_path / "a.csv")
    assert path.read_text().splitlines()[:2] == ["segment,dice,hd95 [mm],voxels", "liver,0.30000000000000004,,"]
    back = files.read(path, "table")
    assert equal(back, table, columns=False)
    assert [(c.key, c.unit, c.dtype) for c in back.columns] == [
        ("segment", "", str),
        ("dice", "", float),
        ("hd95", "mm", float),
        ("voxels", "", int),
    ]


@pytest.mark.parametrize("text", ("=1+1", "+x", "-x", "@SUM(A1)", "\tx", "'=1", "''", "'tis", "=cmd|' /C calc'!A0"))
def test_text_is_never_run_as_a_formula(text: str, tmp_path: Path) -> None:
    table = Measurements((Column("name", "Name", dtype=str),), ({"name": text},))
    path = files.write(table, tmp_path / "a.csv")
    with open(path, encoding="utf-8", newline="") as file:
        assert not list(csv.reader(file))[1][0].startswith(("=", "+", "-", "@", "\t", "\r"))
    assert files.read(path, "table").rows[0]["name"] == text


def test_numbers_that_are_names_stay_text(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("id,n,f,e\n007,7,1.5,\n012,-8,2,\n")
    table = files.read(path, "table")
    assert [c.dtype for c in table.columns] == [str, int, float, float]
    assert table.rows[0]["id"] == "007"


@pytest.mark.parametrize(
    ("text", "word"),
    (
        ("", "empty"),
        ("a,b\n1\n", "line 2 has 1 cells"),
        ("a,a\n1,2\n", "same name"),
        ('a\n"1\n', "no csv file"),
        ("a;b\n1;2,5\n2;3\n", "separated by semicolons"),
        ("a\tb\n1\t2\n", "separated by tabs"),
    ),
)
def test_a_broken_csv_is_refused(text: str, word: str, tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text(text)
    with pytest.raises(FileError, match=word):
        files.read(path, "table")


@pytest.mark.parametrize("content", ("{", "[]", '{"columns": 1}', '{"columns": [{"key": "a"}], "rows": []}'))
def test_a_broken_json_is_refused(content: str, tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text(content)
    for kind in ("table", "curves"):
        with pytest.raises(FileError, match="no table or curves file"):
            files.read(path, kind)


@pytest.mark.parametrize("ending", (".csv", ".json"))
def test_curves_keep_names_units_and_digits(ending: str, tmp_path: Path) -> None:
    x = np.linspace(0, 1, 7)
    series = Curve("=x", x, x / 3), Curve("y", x[:2], np.array([np.nan, np.inf]))
    curves = Curves("a", "Frequency", "MTF", series, "1/mm", "%")
    back = files.read(files.write(curves, tmp_path / f"a{ending}"), "curves")
    assert (back.title, back.x_title, back.y_title, back.x_unit, back.y_unit) == ("a", "Frequency", "MTF", "1/mm", "%")
    for one, other in zip(back.series, curves.series, strict=True):
        assert one.name == other.name
        assert np.array_equal(one.x, other.x) and np.array_equal(one.y, other.y, equal_nan=True)


def test_curves_need_three_columns_of_numbers(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("a,b\n1,2\n")
    with pytest.raises(FileError, match="columns series, x and y"):
        files.read(path, "curves")
    path.write_text("series,x,y\na,1,b\n")
    with pytest.raises(FileError, match="line 2"):
        files.read(path, "curves")
