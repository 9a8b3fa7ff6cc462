"""The report of a cohort in a real browser."""

from __future__ import annotations

import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import urlencode

import pytest
from browser_testing import Seen, look, printed, with_script, without_scripts
from cases_testing import recipe_data
from cohort_testing import made_cohort
from MedImgAnalysisLib.batch.report import as_html
from MedImgAnalysisLib.batch.report_numbers import Numbers
from MedImgAnalysisLib.batch.results import CaseResult, columns_of
from MedImgAnalysisLib.pages.cohort_page import SCRIPT
from MedImgAnalysisLib.pages.cohort_page import STYLE as cohort_style
from MedImgAnalysisLib.pages.page import STYLE as page_style
from MedImgAnalysisLib.recipe import Recipe

COUNT = 70
CASES = made_cohort(COUNT)
NUMBERS = Numbers.of(CASES, columns_of(CASES))
SPLEEN = "organs.Spleen.volume_ml"
LESION = "organs.Lesion <3>.volume_ml"
HOSTILE = "\"><script>document.title='broken'</script><img src=https://example.invalid/x onerror=alert(2)>&'</td>\\"


def write(folder: Path, cases: list[CaseResult]) -> Path:
    page = folder / "report.html"
    page.write_text(as_html(folder, Recipe.from_data(recipe_data(name="Organs")), cases, ("age", "site")), "utf-8")
    return page


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("report"), CASES)


@pytest.fixture(scope="module")
def seen(page: Path) -> Callable[..., Seen]:
    def open_(**view: object) -> Seen:
        found = look(page, urlencode({name.rstrip("_"): value for name, value in view.items()}))
        assert found.console == [] and found.network == []
        return found

    return open_


def ids(fits: Callable[[CaseResult], bool]) -> list[str]:
    return [case.id for case in CASES if fits(case)]


def value(case: CaseResult, key: str) -> float | None:
    found = NUMBERS.values[case.id].get(key)
    return None if found is None else float(found)


def test_the_first_page_is_shown_in_the_order_of_the_cohort(seen: Callable[..., Seen]) -> None:
    found = seen()
    assert found.shown == [case.id for case in CASES[:50]]
    assert found.of("shown") == f"{COUNT} cases" and found.of("place") == f"1 to 50 of {COUNT}"
    assert seen(page=2).shown == [case.id for case in CASES[50:]]
    assert seen(page=99, rows=25).shown == [case.id for case in CASES[50:]]


def test_numbers_are_sorted_as_numbers_and_undefined_ones_come_last(seen: Callable[..., Seen]) -> None:
    for order in ("asc", "desc"):
        shown = seen(sort=LESION, order=order, rows="all").shown
        known = sorted((case for case in CASES if value(case, LESION) is not None),
                       key=lambda case: value(case, LESION) or 0, reverse=order == "desc")  # fmt: skip
        assert shown[: len(known)] == [case.id for case in known] and len(shown) == COUNT
    by_age = [case.id for case in sorted(CASES, key=lambda case: int(case.carried["age"]))]
    assert seen(sort="cohort.age", rows="all").shown == by_age


def test_rows_are_filtered_by_words_by_state_and_by_a_range(seen: Callable[..., Seen]) -> None:
    assert seen(q="0012").shown == ["patient 0012"]
    assert seen(q="ends AFTER 4096").shown == ids(lambda case: case.state == "failed")
    assert seen(state="failed").shown == ids(lambda case: case.state == "failed")
    assert seen(state="warnings").shown == ids(lambda case: bool(case.warnings))
    found = seen(number=SPLEEN, min=700, max=750, rows="all")
    assert found.shown == ids(lambda case: 700 <= (value(case, SPLEEN) or 0) <= 750) and 3 < len(found.shown) < 40
    assert found.of("shown") == f"{len(found.shown)} of {COUNT} cases"
    assert seen(number="cohort.age", max=40, rows="all").shown == ids(lambda case: int(case.carried["age"]) <= 40)
    assert seen(number=SPLEEN, min=1e9).shown == []


def test_outliers_are_marked_and_can_be_listed(seen: Callable[..., Seen]) -> None:
    assert "patient 0008" in NUMBERS.marks[SPLEEN]
    found = seen(state="outliers", number=SPLEEN)
    assert found.shown == list(NUMBERS.marks[SPLEEN])
    cells = re.findall(r'<td class="n(?: edge)? out high" data-v="([^"]*)" data-z="([^"]*)">', found.text)
    assert (value(CASES[8], SPLEEN), NUMBERS.marks[SPLEEN]["patient 0008"]) in [
        (float(v), pytest.approx(float(z), abs=0.06)) for v, z in cells
    ]
    assert seen(state="outliers", rows="all").shown == ids(lambda case: bool(NUMBERS.marked(case.id)))


CLICKS = """
addEventListener('DOMContentLoaded', () => {
  const result = document.createElement('p');
  const shown = () => [...document.querySelectorAll('#cases tbody tr:not(.away, .later)')].length;
  const seen = [];
  const head = [...document.querySelectorAll('th[data-key]')].find(h => h.dataset.key === 'cohort.age');
  for (let i = 0; i < 3; i++) { head.querySelector('button').click(); seen.push(head.getAttribute('aria-sort')); }
  document.getElementById('next').click(); seen.push(shown());
  document.getElementById('back').click(); seen.push(shown());
  const rows = document.getElementById('rows'); rows.value = 'all'; rows.dispatchEvent(new Event('change'));
  seen.push(shown());
  const box = document.querySelector('#groups input'); box.click();
  const cell = document.querySelector('#cases tbody tr td:nth-child(7)');
  seen.push(getComputedStyle(cell).display); box.click(); seen.push(getComputedStyle(cell).display);
  const search = document.getElementById('search'); search.value = 'failed';
  search.dispatchEvent(new Event('input'));
  cell.dispatchEvent(new MouseEvent('mouseover', {bubbles: true})); seen.push(cell.title === cell.dataset.v);
  setTimeout(() => {
    seen.push(shown()); document.getElementById('reset').click(); seen.push(shown());
    document.querySelector('a.mark').click();
    setTimeout(() => {
      seen.push(shown()); result.id = 'result'; result.textContent = seen.join(' '); document.body.append(result);
    }, 300);
  }, 500);
});
"""


def test_clicks_and_typing_do_what_they_say(page: Path, tmp_path: Path) -> None:
    other = tmp_path / "clicks.html"
    other.write_text(with_script(page.read_text("utf-8"), SCRIPT, CLICKS), "utf-8")
    found = look(other)
    failed = len(ids(lambda case: case.state == "failed"))
    first = len(next(NUMBERS.marks[c.key] for c in NUMBERS.columns if c.key in NUMBERS.marks))
    expected = f"ascending descending  20 50 {COUNT} none table-cell true {failed} 50 {first}"
    assert found.of("result") == expected and found.console == []


def test_without_scripts_the_whole_table_is_there_and_no_control(page: Path, tmp_path: Path) -> None:
    plain = tmp_path / "plain.html"
    plain.write_text(without_scripts(page.read_text("utf-8")), "utf-8")
    found = look(plain)
    assert any("Content Security Policy" in line for line in found.console), "the script did not run"
    assert found.shown == [case.id for case in CASES]
    assert '<html lang="en">' in found.text, "the class that shows controls and hides rows comes from the script"


class Attributes(HTMLParser):
    """All attributes of all elements."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, str]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found += [(name, value or "") for name, value in attrs]


def test_hostile_names_run_nothing_and_load_nothing(tmp_path: Path) -> None:
    about = {"title": HOSTILE, "unit": HOSTILE, "description": HOSTILE}
    record = {
        "measurements": {HOSTILE: {"columns": {"segment": about, HOSTILE: about},
                                   "rows": [{"segment": HOSTILE, HOSTILE: 1.5}]}},
        "warnings": [HOSTILE], "seconds": 1.0, "started": HOSTILE, "threads": HOSTILE, "software": {HOSTILE: HOSTILE},
        "inputs": {HOSTILE: {"path": HOSTILE, "sha256": HOSTILE}},
        "outputs": {HOSTILE: {"file": HOSTILE, "sha256": HOSTILE}},
        "snapshots": [HOSTILE], "pages": [HOSTILE],
    }  # fmt: skip
    cases = [CaseResult(f"{HOSTILE}{n}", {"age": HOSTILE}, "done", None, record) for n in range(6)]
    cases.append(CaseResult("javascript:alert(1)", {}, HOSTILE, {"kind": HOSTILE, "message": HOSTILE}))
    found = look(write(tmp_path, cases), urlencode({"q": HOSTILE, "sort": HOSTILE, "hide": HOSTILE}))
    assert found.console == [] and found.network == []
    assert "<title>Organs: report</title>" in found.text and found.text.count("<script") == 1
    attributes = Attributes(found.text).found
    assert not [(name, of) for name, of in attributes if name.startswith("on") or name in ("style", "srcset", "action")]
    assert not [of for name, of in attributes if name == "src"]
    assert not [of for name, of in attributes if name == "href" and of.partition(":")[0] in ("javascript", "data")]
    assert len(found.shown) == 7


def test_a_page_that_loads_something_would_be_noticed(tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    page.write_text("<p>x</p><img src='https://example.invalid/x.png'>", "utf-8")
    assert look(page).network == ["https://example.invalid/x.png"]


def test_what_is_not_allowed_by_its_hash_does_not_run(page: Path, tmp_path: Path) -> None:
    other = tmp_path / "injected.html"
    bad = "<script>document.title='broken'</script><img src='https://example.invalid/x.png'>"
    other.write_text(page.read_text("utf-8").replace("<footer>", f"{bad}<footer>"), "utf-8")
    found = look(other)
    assert "<title>Organs: report</title>" in found.text and found.network == []
    assert any("Content Security Policy" in line for line in found.console)


@pytest.mark.parametrize("script", [True, False], ids=["with scripts", "without scripts"])
def test_on_paper_every_case_and_every_number_is_there(page: Path, tmp_path: Path, script: bool) -> None:
    shown = tmp_path / "report.html"
    shown.write_text(page.read_text("utf-8") if script else without_scripts(page.read_text("utf-8")), "utf-8")
    words = printed(shown, tmp_path / "report.pdf")
    flat = re.sub(r"\s+", "", words)
    for case in CASES:
        assert case.id in words
    for case in CASES[:3]:
        assert f"{value(case, SPLEEN):.4g}" in words
    assert flat.count("organs.Liver.sd[HU]") == sum(case.state == "done" for case in CASES)
    assert CASES[0].record is not None
    assert CASES[0].record["inputs"]["ct"]["sha256"] in flat, "what is folded on the screen is open on paper"
    assert "Reset" not in words


def luminance(colour: str) -> float:
    """The relative luminance of WCAG 2."""
    digits = colour.removeprefix("#")
    digits = "".join(2 * digit for digit in digits) if len(digits) == 3 else digits
    parts = [int(digits[n : n + 2], 16) / 255 for n in (0, 2, 4)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("mode", ["light", "dark", "paper"])
def test_every_colour_of_text_can_be_read_on_its_ground(mode: str) -> None:
    colours: dict[str, str] = {}
    for style in (page_style, cohort_style):
        blocks = re.findall(r"(@media[^{]*\{\s*)?:root \{([^}]*)\}", style)
        for media, body in blocks:
            if not media or (("dark" in media) == (mode == "dark") and ("print" in media) == (mode == "paper")):
                colours |= dict(re.findall(r"--(\w+): (#\w+)", body))
    for text in ("ink", "soft", "good", "bad", "warn", "accent", "mark"):
        for ground in ("page", "card", "marked") if text == "mark" else ("page", "card"):
            light, dark = sorted((luminance(colours[text]), luminance(colours[ground])), reverse=True)
            assert (light + 0.05) / (dark + 0.05) >= 4.5, f"{text} on {ground}"
