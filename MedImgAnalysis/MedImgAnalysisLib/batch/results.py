"""The results of a cohort: one row per case, in full precision, with units."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .. import __version__
from ..recipe import Recipe
from .case import recipe_key
from .plain import dumps, write_text

ROW_NAMES = ("segment", "label", "region", "structure", "pair", "landmark", "name")
"""Table columns whose text tells rows apart; it becomes part of the name of a result."""
FIRST_NAMES = (
    ("section", "subject", "key"),
    ("segment_1", "segment_2"),
    ("segment", "rater_a", "rater_b"),
    ("segment", "rater"),
    ("segment", "metric"),
    ("case", "segment"),
    ("set",),
    ("change", "about"),
    ("metric",),
    ("criterion",),
    ("raters",),
    ("class",),
    ("truth",),
    ("lesion",),
    ("target",),
)
"""Columns that do so where a table begins with them. Rows by number would be about other things in other cases."""

NOT_RUN = "not run"
NOT_CHECKED = "not checked"

OWN = ("id", "status", "error", "warnings")


@dataclass(frozen=True)
class ResultColumn:
    """A number or text that cases have: `key` is `table.row.column`, `group` is `table.row`."""

    key: str
    title: str
    unit: str = ""
    description: str = ""
    group: str = ""

    @property
    def name(self) -> str:
        """The key without its group."""
        return self.key.removeprefix(f"{self.group}.")

    @property
    def header(self) -> str:
        """The key with its unit."""
        return f"{self.key} [{self.unit}]" if self.unit else self.key


@dataclass
class CaseResult:
    """What became of a case. `state` is done, failed, `not run`, or `not checked` (there is a result from before)."""

    id: str
    carried: Mapping[str, str] = field(default_factory=dict)
    state: str = NOT_RUN
    error: Mapping[str, Any] | None = None
    record: Mapping[str, Any] | None = None

    @property
    def warnings(self) -> list[str]:
        """The warnings of the run."""
        return list((self.record or {}).get("warnings", []))

    def values(self) -> dict[str, Any]:
        """The numbers and texts of all tables by result key; None where undefined."""
        return {column.key: value for column, value in flattened(self.record or {})}


def flattened(record: Mapping[str, Any]) -> Iterable[tuple[ResultColumn, Any]]:
    """Every cell of every table of a case: `agreement.liver.dice`."""
    used: set[str] = set()
    for table, content in record.get("measurements", {}).items():
        columns, rows = content["columns"], content["rows"]
        framed = "frame" in columns and "position" in columns
        naming = naming_of([key for key in columns if not (framed and key in ("frame", "position"))])
        for number, row in enumerate(rows, 1):
            words = [str(row.get(key) or "") for key in naming]
            label = ".".join(filter(None, words)) if naming else "" if number == 1 else str(number)
            if framed:
                label = ".".join(filter(None, (f"frame{row.get('frame')}", label if naming else "")))
            group = ".".join(filter(None, (table, label)))
            while group in used:  # two rows of one name, as two segments can have
                group = f"{group}.{number}"
            used.add(group)
            for key, column in columns.items():
                if key not in naming and not (framed and key == "frame"):
                    title = ": ".join(filter(None, (label, column["title"])))
                    about = ResultColumn(f"{group}.{key}", title, column["unit"], column["description"], group)
                    yield about, row.get(key)


def naming_of(keys: Sequence[str]) -> tuple[str, ...]:
    """The columns that name the rows of a table; none where rows have numbers."""
    first = next((names for names in FIRST_NAMES if tuple(keys[: len(names)]) == names), ())
    return first or next(((key,) for key in keys if key in ROW_NAMES), ())


def columns_of(cases: Iterable[CaseResult]) -> list[ResultColumn]:
    """All result columns, in the order of the cases in which they first appear."""
    found: dict[str, ResultColumn] = {}
    for case in cases:
        for column, _ in flattened(case.record or {}):
            found.setdefault(column.key, column)
    return list(found.values())


def as_csv(cases: Sequence[CaseResult], carried: Sequence[str]) -> str:
    """The table as CSV (UTF-8, comma, full precision).

    Text that a spreadsheet would run as a formula gets an apostrophe in front. Undefined is an empty cell.
    """
    columns = columns_of(cases)
    titles = [
        f"cohort.{name}" if name.casefold() in OWN or name in {c.header for c in columns} else name for name in carried
    ]
    stream = io.StringIO()
    plain = csv.writer(stream, lineterminator="\n")
    quoted = csv.writer(stream, lineterminator="\n", quoting=csv.QUOTE_ALL)

    def add(row: list[str]) -> None:
        # A lone carriage return, which ends a line for spreadsheets, is not quoted by itself.
        (quoted if any("\r" in text for text in row) else plain).writerow(row)

    add([cell(text) for text in ("id", "status", *titles, *(c.header for c in columns), "warnings", "error")])
    for case in cases:
        values = case.values()
        error = (case.error or {}).get("message", "")
        add(
            [
                cell(value)
                for value in (
                    case.id,
                    case.state,
                    *(case.carried.get(name, "") for name in carried),
                    *(values.get(column.key) for column in columns),
                    " | ".join(case.warnings),
                    error,
                )
            ]
        )
    return stream.getvalue()


def cell(value: Any) -> str:
    """The text of a cell: numbers with all digits, text without a chance to be a formula."""
    if value is None:
        return ""
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return str(value)
    if isinstance(value, (int, float)):
        return repr(value)
    text = value.replace("\0", "")
    return (
        f"'{text}"
        if text.lstrip(" \u00a0").startswith(("=", "+", "-", "@", "\t", "\r")) and not _number(text)
        else text
    )


def _number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return "_" not in text


def as_data(recipe: Recipe, cases: Sequence[CaseResult]) -> dict[str, Any]:
    """The same as JSON values, with what the columns mean, which numbers stand apart and which files each case has.

    `outliers` of a case has the robust z score by result, null where the rule for equal values has marked it.
    """
    from .outliers import rule
    from .report_numbers import Numbers

    numbers = Numbers.of(cases, columns_of(cases))
    return {
        "medimg_results": 1,
        "version": __version__,
        "recipe": recipe.as_data(),
        "recipe_sha256": recipe_key(recipe),
        "columns": [
            {"key": c.key, "title": c.title, "unit": c.unit, "description": c.description} for c in columns_of(cases)
        ],
        "outlier_rule": rule(numbers.done),
        "cases": [
            {
                "id": case.id,
                "status": case.state,
                "error": case.error,
                "cohort": dict(case.carried),
                "warnings": case.warnings,
                "seconds": (case.record or {}).get("seconds"),
                "values": case.values(),
                "outliers": {key: numbers.marks[key][case.id] for key in numbers.marked(case.id)},
                "outputs": {
                    name: f"{case.id}/{entry['file']}" for name, entry in (case.record or {}).get("outputs", {}).items()
                },
            }
            for case in cases
        ],
    }


def write(folder: Path, recipe: Recipe, cases: Sequence[CaseResult], carried: Sequence[str]) -> dict[str, Path]:
    """Write `results.csv`, `results.json` and `report.html`, each as a whole."""
    from .report import as_html

    return {
        "csv": write_text(folder / "results.csv", as_csv(cases, carried)),
        "json": write_text(folder / "results.json", dumps(as_data(recipe, cases)) + "\n"),
        "report": write_text(folder / "report.html", as_html(folder, recipe, cases, carried)),
    }
