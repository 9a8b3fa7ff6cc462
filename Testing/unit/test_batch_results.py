"""The tables and the report of a cohort."""

from __future__ import annotations

import csv
import io
import json
import re
from html import unescape
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
import SimpleITK as sitk
from cases_testing import recipe_data
from cohort_testing import made_cohort
from hypothesis import given
from hypothesis import strategies as st
from MedImgAnalysisLib.batch.report import as_html
from MedImgAnalysisLib.batch.report_pictures import names_of, pictures
from MedImgAnalysisLib.batch.results import CaseResult, as_csv, as_data, cell, columns_of
from MedImgAnalysisLib.batch.thumbnails import data_uri
from MedImgAnalysisLib.recipe import Recipe

RECIPE = Recipe.from_data(recipe_data(name="Liver <i>&</i>"))
ABOUT = {"title": "x", "unit": "", "description": ""}


def table(rows: list[dict[str, Any]], **units: str) -> dict[str, Any]:
    columns = {
        key: {"title": key.title(), "unit": units.get(key, ""), "description": f"What {key} is"} for key in rows[0]
    }
    return {"columns": columns, "rows": rows}


def case(
    name: str, carried: dict[str, str] | None = None, warnings: tuple[str, ...] = (), **tables: dict[str, Any]
) -> CaseResult:
    record = {
        "measurements": tables,
        "warnings": list(warnings),
        "seconds": 1.5,
        "outputs": {},
        "snapshots": [],
        "software": {"SimpleITK": "2"},
    }
    return CaseResult(name, carried or {}, "done", None, record)


def parsed(cases: list[CaseResult], carried: tuple[str, ...] = ()) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(as_csv(cases, carried), newline="")))


def test_a_row_of_a_table_becomes_columns_named_by_table_row_and_key_with_units() -> None:
    rows = [{"segment": "liver", "dice": 0.1 + 0.2, "hd": 3.0}, {"segment": "left kidney", "dice": 1.0, "hd": None}]
    row = parsed([case("a", agreement=table(rows, hd="mm"))])[0]
    assert row == {
        "id": "a",
        "status": "done",
        "agreement.liver.dice": "0.30000000000000004",
        "agreement.liver.hd [mm]": "3.0",
        "agreement.left kidney.dice": "1.0",
        "agreement.left kidney.hd [mm]": "",
        "warnings": "",
        "error": "",
    }


def test_a_table_without_row_names_is_numbered_from_its_second_row() -> None:
    row = parsed([case("a", seg=table([{"volume_ml": 1.5}, {"volume_ml": 2.5}], volume_ml="ml"))])[0]
    assert row["seg.volume_ml [ml]"] == "1.5" and row["seg.2.volume_ml [ml]"] == "2.5"


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (("segment_1", "segment_2"), (("Air", "Brain"), ("Air", "Lesion"), ("Brain", "Lesion"))),
        (("section", "subject", "key"), (("Signal", "Brain", "snr"), ("Signal", "", "sd"), ("Noise", "2", "nps"))),
        (("metric",), (("n",), ("sensitivity",), ("roc_auc",))),
        (("segment", "rater_a", "rater_b"), (("liver", "1", "2"), ("liver", "1", "3"), ("liver", "2", "3"))),
    ],
)
def test_rows_that_a_case_lacks_do_not_move_others_to_another_result(
    names: tuple[str, ...], words: tuple[tuple[str, ...], ...]
) -> None:
    """By number the second row of one case would be put together with another quantity of the next case."""
    rows = [dict(zip(names, own, strict=True)) | {"value": number} for number, own in enumerate(words)]
    whole, part = case("a", t=table(rows)), case("b", t=table(rows[1:]))
    keys = [".".join(filter(None, ("t", *own, "value"))) for own in words]
    assert [c.key for c in columns_of([whole, part])] == keys
    assert part.values() == {keys[1]: 1, keys[2]: 2}
    frames = [{"frame": 3, "position": 1.5, **row} for row in rows]
    assert "t.frame3." + keys[1][2:] in case("c", t=table(frames)).values()
    # A number of this name, or one further behind, names no row.
    assert "u.metric" in case("d", u=table([{"model": "rigid", "metric": 0.5, "class": "x"}])).values()


def test_rows_of_one_name_do_not_hide_each_other() -> None:
    rows = [{"segment": "x", "n": 1}, {"segment": "x", "n": 2}, {"segment": "x.2", "n": 3}]
    values = case("a", t=table(rows)).values()
    assert sorted(values.values()) == [1, 2, 3]


def test_cases_with_different_segments_share_one_table() -> None:
    cases = [
        case("a", t=table([{"segment": "x", "n": 1}])),
        CaseResult("b", {}, "failed", {"kind": "E", "message": "why, so"}),
        case("c", t=table([{"segment": "y", "n": 2}])),
    ]
    found = parsed(cases)
    assert [(row["t.x.n"], row["t.y.n"], row["status"], row["error"]) for row in found] == [
        ("1", "", "done", ""),
        ("", "", "failed", "why, so"),
        ("", "2", "done", ""),
    ]
    assert [column.key for column in columns_of(cases)] == ["t.x.n", "t.y.n"]


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_every_digit_of_a_number_comes_back(value: float) -> None:
    assert float(parsed([case("a", t=table([{"n": value}]))])[0]["t.n"]) == value


@given(st.text(st.characters(exclude_categories=["Cs", "Cc"])))
def test_a_text_comes_back_and_never_begins_like_a_formula(text: str) -> None:
    found = parsed([case("a", {"note": text})], ("note",))[0]["note"]
    assert found.removeprefix("'") == text.removeprefix("'")
    if found.lstrip(" \u00a0")[:1] in ("=", "+", "-", "@"):
        float(found)


@pytest.mark.parametrize("text", ["=1+1", "+cmd", "-cmd", "@SUM(A1)", "\t=1", "\r=1", " =1", "\u00a0=1"])
def test_formulas_are_made_texts(text: str) -> None:
    assert cell(text) == f"'{text}"


@pytest.mark.parametrize("value", ["-5.2", "+3", "-1e-3", "1,5", "a=b", "x@y"])
def test_numbers_and_plain_texts_stay_as_they_are(value: str) -> None:
    assert cell(value) == value


def test_carried_columns_do_not_collide_with_ours() -> None:
    found = parsed(
        [case("a", {"Status": "ill", "error": "none", "t.n": "7"}, t=table([{"n": 1}]))], ("Status", "error", "t.n")
    )[0]
    assert found["cohort.Status"] == "ill" and found["cohort.error"] == "none" and found["cohort.t.n"] == "7"
    assert found["status"] == "done" and found["error"] == "" and found["t.n"] == "1"


def test_json_results_hold_the_same_numbers_and_say_what_they_mean() -> None:
    data = json.loads(
        json.dumps(as_data(RECIPE, [case("a", {"age": "4"}, t=table([{"n": 1.5, "status": ""}], n="mm"))]))
    )
    assert data["cases"][0]["values"] == {"t.n": 1.5, "t.status": ""}
    assert data["columns"][0] == {"key": "t.n", "title": "N", "unit": "mm", "description": "What n is"}
    assert data["cases"][0]["cohort"] == {"age": "4"}


class Page(HTMLParser):
    """Collects what could load or run something, and the texts of table cells."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.addresses: list[str] = []
        self.handlers: list[str] = []
        self.tags: list[str] = []
        self.rows: list[list[str]] = []
        self.images: list[str] = []
        self._cell = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        for name, value in attrs:
            if name in ("src", "href", "action", "data", "srcset", "poster"):
                self.addresses.append(value or "")
            if name.startswith("on") or name == "style":
                self.handlers.append(f"{name}={value}")
            if tag == "img" and name == "src":
                self.images.append(value or "")
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")
            self._cell = True

    def handle_endtag(self, tag: str) -> None:
        if tag in ("td", "th"):
            self._cell = False

    def handle_data(self, data: str) -> None:
        if self._cell:
            self.rows[-1][-1] += data


HOSTILE = "\"><script>alert(1)</script><img src=x onerror=alert(2)>&'</td>"


def test_the_report_shows_the_cases_and_escapes_everything(tmp_path: Path) -> None:
    cases = [
        case(
            "a",
            {HOSTILE: HOSTILE},
            (HOSTILE,),
            t=table([{"segment": HOSTILE, "dice": 0.5, "status": HOSTILE}]),
        ),
        CaseResult(HOSTILE, {HOSTILE: "x"}, "failed", {"kind": HOSTILE, "message": HOSTILE}),
    ]
    recipe = Recipe.from_data({**recipe_data(name=HOSTILE), "description": HOSTILE})
    page = Page(as_html(tmp_path, recipe, cases, (HOSTILE,)))
    assert page.tags.count("script") == 1 and page.images == [] and page.handlers == []
    assert page.addresses == ["a/", "a/provenance.json"]
    texts = [text for row in page.rows for text in row]
    assert texts.count(HOSTILE) >= 5


def test_the_numbers_of_a_single_case_are_a_list_with_descriptions(tmp_path: Path) -> None:
    rows = [{"segment": "liver", "dice": 0.5, "hd": None, "volume": 12.25}]
    page = as_html(tmp_path, RECIPE, [case("a", agreement=table(rows, volume="ml"))], [])
    assert '<b class="">1</b>case<' in page and "over the cohort" not in page
    listed = page[page.index("<h2>Numbers</h2>") : page.index("</table>", page.index("<h2>Numbers</h2>"))]
    assert "agreement.liver" in listed and "What dice is" in listed and ">12.25<" in listed
    assert "What hd is" not in listed, "undefined numbers are left out of the list"


def test_the_report_asks_nothing_of_the_network_and_forbids_it(tmp_path: Path) -> None:
    text = as_html(tmp_path, RECIPE, [case("a", t=table([{"n": 1.0}]))], ())
    policy = unescape(text.partition('Security-Policy" content="')[2].partition('"')[0])
    assert not re.findall(r"https?://|url\(|@import", text)
    assert policy.startswith("default-src 'none'; img-src data:;") and "unsafe" not in policy
    assert "Liver &lt;i&gt;&amp;&lt;/i&gt;" in text


def test_numbers_over_the_cohort_are_those_of_the_cases(tmp_path: Path) -> None:
    cases = [case(str(n), t=table([{"segment": "x", "n": float(n), "only": None if n else 5.0}])) for n in range(5)]
    page = Page(as_html(tmp_path, RECIPE, cases, ()))
    rows = {row[0]: row[1:7] for row in page.rows}
    assert rows["n"] == ["5", "2", "1.581", "2", "0", "4"]
    assert rows["only"] == ["1", "5", "", "5", "5", "5"]


def picture(path: Path, size: int = 512) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    image = sitk.Image([size, size], sitk.sitkVectorUInt8, 3)
    for i in range(100, 400):
        image[i, 200] = (255, 0, 0)
    sitk.WriteImage(image, str(path))


def test_pictures_are_part_of_the_page_small_and_linked(tmp_path: Path) -> None:
    picture(tmp_path / "a b" / "snapshots" / "seg-axial.png")
    shown = case("a b")
    shown.record = {**(shown.record or {}), "snapshots": ["snapshots/seg-axial.png", "snapshots/gone.png"]}
    page = Page(as_html(tmp_path, RECIPE, [shown], ()))
    assert (
        len(page.images) == 1 and page.images[0].startswith("data:image/jpeg;base64,") and len(page.images[0]) < 15_000
    )
    assert "a%20b/snapshots/seg-axial.png" in page.addresses and "a%20b/snapshots/gone.png" in page.addresses


@pytest.mark.parametrize(("pictures_each", "expected"), [(12, 6), (5.5, 3), (2.9, 2), (1.5, 1), (0.5, 0)])
def test_all_cases_show_as_many_pictures_as_there_is_room_for(
    tmp_path: Path, pictures_each: float, expected: int
) -> None:
    cases = made_cohort(22, tmp_path, sets=2)
    having = [made for made in cases if names_of(made)]
    size = len(data_uri(tmp_path / cases[0].id / names_of(cases[0])[0]) or "")
    room = int(pictures_each * len(having) * size)
    cells, sentence = pictures(tmp_path, cases, room)
    assert {cell.count("<img ") for cell in cells if "<a " in cell} == {expected}
    assert sum(map(len, cells)) < room or not expected
    assert sum("<a " in cell for cell in cells) == len(having), "a case without room for its pictures links to them"
    assert ("Of up to 6 pictures per case" in sentence) == (expected < 6)


def test_thin_outlines_stay_in_small_pictures(tmp_path: Path) -> None:
    picture(tmp_path / "x.png")
    uri = data_uri(tmp_path / "x.png")
    assert uri is not None
    import base64

    (tmp_path / "x.jpg").write_bytes(base64.b64decode(uri.partition(",")[2]))
    small = sitk.ReadImage(str(tmp_path / "x.jpg"))
    assert small.GetWidth() < 200
    assert max(small[small.GetWidth() // 2, j][0] for j in range(small.GetHeight())) > 150


def test_a_picture_outside_the_folder_of_its_case_is_not_shown(tmp_path: Path) -> None:
    picture(tmp_path / "secret.png")
    shown = case("a")
    shown.record = {**(shown.record or {}), "snapshots": ["../secret.png", str(tmp_path / "secret.png")]}
    assert Page(as_html(tmp_path, RECIPE, [shown], ())).images == []


def test_what_is_no_picture_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "x.png").write_bytes(b"garbage")
    assert data_uri(tmp_path / "x.png") is None and data_uri(tmp_path / "none.png") is None
