"""What the runs of a panel gave, newest last, in plain words. Numbers are in the table above it."""

from __future__ import annotations

import html
import math
import time
from collections.abc import Iterable, Mapping
from typing import Any

from slicer.i18n import tr as _

from ..values import Column


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

    def clear(self) -> None:
        """Forget everything."""
        self.browser.clear()

    def _write(self, text: str) -> None:
        # A browser takes text without tags for plain, and shows its entities as they are written.
        self.browser.append(f"<span>{text}</span>")


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
