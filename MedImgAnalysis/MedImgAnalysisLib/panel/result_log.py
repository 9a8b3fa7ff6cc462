"""What the runs of a panel gave, newest last, in plain words."""

from __future__ import annotations

import html
import math
import time
from collections.abc import Iterable, Mapping
from typing import Any

from slicer.i18n import tr as _

from ..values import Column, Measurements

MOST_ROWS = 3
MOST_COLUMNS = 10


class ResultLog:
    """Writes into a text browser."""

    def __init__(self, browser: Any) -> None:
        self.browser = browser

    def begin(self, title: str, inputs: str) -> None:
        """A run starts."""
        self._write(f"<b>{html.escape(time.strftime('%H:%M:%S'))} {html.escape(title)}</b> {html.escape(inputs)}")

    def say(self, sentence: str) -> None:
        """A line of plain text."""
        self._write(html.escape(sentence))

    def warn(self, sentence: str) -> None:
        """Something the user must know about the result."""
        self._write(_("Note: {sentence}").format(sentence=html.escape(sentence)))

    def finish(self, written: Mapping[str, str], seconds: float) -> None:
        """A run is done: what was written, by role, and how long it took."""
        for role, name in written.items():
            self._write(_("{role}: {name}").format(role=html.escape(role), name=f"<b>{html.escape(name)}</b>"))
        self._write(_("Done in {seconds} s.").format(seconds=f"{seconds:.2f}"))

    def measurements(self, title: str, table: Measurements) -> None:
        """The first numbers of the first rows of a table of results, a line per number and a column per row."""
        if not table.rows:
            self._write(_("{title}: no rows.").format(title=html.escape(title)))
            return
        columns = shown_columns(table)
        lines = ""
        for column in columns:
            cells = (f"<td>{html.escape(_cell(row.get(column.key), column))}</td>" for row in table.rows[:MOST_ROWS])
            lines += f"<tr><td>{html.escape(column.title)}</td>{''.join(cells)}</tr>"
        self._write(
            _("{title}, {shown} of {all} columns, {rows} of {all_rows} rows:").format(
                title=html.escape(title),
                shown=len(columns),
                all=len(table.columns),
                rows=min(len(table.rows), MOST_ROWS),
                all_rows=len(table.rows),
            )
        )
        self._write(f"<table cellpadding='2'>{lines}</table>")

    def clear(self) -> None:
        """Forget everything."""
        self.browser.clear()

    def _write(self, text: str) -> None:
        # A browser takes text without tags for plain, and shows its entities as they are written.
        self.browser.append(f"<span>{text}</span>" if "<table" not in text else text)


def shown_columns(table: Measurements) -> tuple[Column, ...]:
    """The first columns that say something in the rows shown."""
    rows = table.rows[:MOST_ROWS]
    telling = [column for column in table.columns if any(tells(row.get(column.key)) for row in rows)]
    return tuple(telling[:MOST_COLUMNS])


def inputs_text(names: Iterable[tuple[str, str]]) -> str:
    """`of T1 (mask: Brain)` for the first line of a run."""
    (first, *others) = list(names) or [("", "")]
    more = "; ".join(f"{role}: {name}" for role, name in others)
    return _("of {name}").format(name=first[1]) + (f" ({more})" if more else "")


def tells(value: Any) -> bool:
    """Whether a cell says something: it is defined and not empty."""
    return value is not None and value != "" and not (isinstance(value, float) and math.isnan(value))


def cell_text(value: Any, column: Column) -> str:
    """A cell for reading, without its unit: five digits, a dash for what is undefined."""
    if not tells(value):
        return "-"
    return f"{value:.5g}" if column.dtype is float else str(value)


def _cell(value: Any, column: Column) -> str:
    text = cell_text(value, column)
    return f"{text} {column.unit}" if column.unit and tells(value) else text
