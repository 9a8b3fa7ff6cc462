"""What the runs of a panel gave, newest last, in plain words."""

from __future__ import annotations

import html
import math
import time
from collections.abc import Iterable, Mapping
from typing import Any

from slicer.i18n import tr as _

from ..values import Column, Measurements

MOST_ROWS = 8
MOST_COLUMNS = 6


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

    def measurements(self, table: Measurements) -> None:
        """The first rows and columns of a table of results."""
        columns = shown_columns(table)
        head = "".join(f"<th align='left'>{html.escape(_heading(column))}</th>" for column in columns)
        rows = ""
        for row in table.rows[:MOST_ROWS]:
            cells = (f"<td>{html.escape(_cell(row.get(column.key), column))}</td>" for column in columns)
            rows += f"<tr>{''.join(cells)}</tr>"
        self._write(f"<table cellpadding='3'><tr>{head}</tr>{rows}</table>")
        hidden = len(table.rows) - MOST_ROWS
        if hidden > 0 or len(table.columns) > len(columns):
            self._write(_("The table has {rows} rows and {columns} columns.").format(
                rows=len(table.rows), columns=len(table.columns)))

    def clear(self) -> None:
        """Forget everything."""
        self.browser.clear()

    def _write(self, text: str) -> None:
        self.browser.append(text)


def shown_columns(table: Measurements) -> tuple[Column, ...]:
    """The first columns that say something in the rows shown."""
    rows = table.rows[:MOST_ROWS]
    telling = [column for column in table.columns if any(_tells(row.get(column.key)) for row in rows)]
    return tuple(telling[:MOST_COLUMNS])


def inputs_text(names: Iterable[tuple[str, str]]) -> str:
    """`of T1 (mask: Brain)` for the first line of a run."""
    (first, *others) = list(names) or [("", "")]
    more = "; ".join(f"{role}: {name}" for role, name in others)
    return _("of {name}").format(name=first[1]) + (f" ({more})" if more else "")


def _tells(value: Any) -> bool:
    return value is not None and value != "" and not (isinstance(value, float) and math.isnan(value))


def _heading(column: Column) -> str:
    return f"{column.title} ({column.unit})" if column.unit else column.title


def _cell(value: Any, column: Column) -> str:
    if not _tells(value):
        return "-"
    return f"{value:.4g}" if column.dtype is float else str(value)
