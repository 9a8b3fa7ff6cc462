"""Whether the tables of a batch hold the numbers of the records of its cases."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from .folder import record_of
from .plain import read_json
from .results import cell, flattened

TABLE, DATA = "results.csv", "results.json"
JOURNAL = "events.jsonl"


def altered(out: Path, cases: Sequence[Path]) -> list[dict[str, Any]]:
    """What `results.csv` and `results.json` in `out` say otherwise than the records of the finished `cases` in it.

    Each entry has `file`, `case`, `what`, and the texts `there` (None where it is missing) and `recorded`. Compared are
    the cases that a table calls done; a folder in which no batch has run has no entries.
    """
    found: list[dict[str, Any]] = []
    if not (out / JOURNAL).exists():
        return found
    tables = {file: read(out / file) for file, read in ((TABLE, _rows), (DATA, _values)) if (out / file).exists()}
    for file, rows in tables.items():
        if rows is None:
            found.append({"file": file, "case": "", "what": "the file cannot be read", "there": None, "recorded": ""})
    for folder in cases:
        record = record_of(folder) or {}
        for file, rows in tables.items():
            there = (rows or {}).get(cell(folder.name) if file == TABLE else folder.name)
            if there is None:
                continue
            for column, value in flattened(record):
                what = column.header if file == TABLE else column.key
                if there.get(what) != cell(value):
                    found.append(
                        {
                            "file": file,
                            "case": folder.name,
                            "what": what,
                            "there": there.get(what),
                            "recorded": cell(value),
                        }
                    )
    return found


def _rows(path: Path) -> dict[str, Mapping[str, str]] | None:
    """Cells by title of each finished row, by id; None when it is no table."""
    try:
        with open(path, encoding="utf-8-sig", newline="") as stream:
            return {row["id"]: row for row in csv.DictReader(stream) if row["status"] == "done"}
    except (OSError, UnicodeDecodeError, csv.Error, KeyError):
        return None


def _values(path: Path) -> dict[str, Mapping[str, str]] | None:
    try:
        return {
            case["id"]: {key: cell(value) for key, value in case["values"].items()}
            for case in (read_json(path) or {})["cases"]
            if case["status"] == "done"
        }
    except (KeyError, TypeError, AttributeError):
        return None
