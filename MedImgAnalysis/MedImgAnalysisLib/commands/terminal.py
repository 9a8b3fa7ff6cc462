"""What the user sees: results on standard output, notes and progress on the error stream, errors on one line."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any

from ..batch.plain import dumps
from ..errors import MedImgError
from ..progress import Progress

CANCELLED = 130
REDRAW_SECONDS = 0.1


class Terminal:
    """How a command talks. In JSON mode standard output holds one object and nothing else."""

    def __init__(self, json: bool = False, quiet: bool = False, debug: bool = False) -> None:
        self.json, self.quiet, self.debug = json, quiet, debug
        self.warnings: list[str] = []
        self._bar: Any = None
        self._drawn = 0.0

    def say(self, text: str = "") -> None:
        """Print a result for people."""
        if not self.json:
            print(text)

    def note(self, text: str) -> None:
        """Print what is good to know, to the error stream."""
        if not (self.json or self.quiet):
            self._line(text)

    def warn(self, sentence: str) -> None:
        """Print a warning once and keep it for the JSON object."""
        if sentence not in self.warnings:
            self.warnings.append(sentence)
            if not self.json:
                self._line(f"warning: {sentence}")

    def give(self, data: dict[str, Any]) -> None:
        """Print the JSON object, if that is what is wanted."""
        if self.json:
            print(dumps(data))

    def fail(self, error: BaseException) -> None:
        """Print an error: one line, or the JSON object; the traceback with `--debug`."""
        if self.debug:
            traceback.print_exception(error, file=sys.stderr)
        known = isinstance(error, MedImgError)
        text = " ".join(str(error).split()) or type(error).__name__
        if self.json:
            print(
                dumps(
                    {
                        "error": error.as_json()
                        if isinstance(error, MedImgError)
                        else {"kind": type(error).__name__, "message": text}
                    }
                )
            )
        elif known:
            self._line(f"medimg: {text}")
        else:
            self._line(f"medimg: {type(error).__name__}: {text} (--debug shows where)")

    @contextmanager
    def working(self, title: str) -> Iterator[Progress]:
        """A progress that shows a bar, collects warnings and is cancelled by Ctrl-C and SIGTERM."""
        progress = Progress(self._show, self.warn)
        self._bar = self._make_bar(title)
        try:
            with stopped_by_signals(progress), _only_ours(self.json):
                yield progress
        finally:
            if self._bar is not None:
                self._bar.close()
                self._bar = None

    def _make_bar(self, title: str) -> Any:
        if self.json or self.quiet or not sys.stderr.isatty():
            return None
        try:
            from tqdm import tqdm
        except ImportError:
            return None
        return tqdm(
            total=100,
            desc=title,
            leave=False,
            file=sys.stderr,
            dynamic_ncols=True,
            bar_format="{desc}: {percentage:3.0f}%|{bar}| {postfix} [{elapsed}<{remaining}]",
        )

    def _show(self, fraction: float, message: str) -> None:
        if self._bar is not None:
            self._bar.n = max(self._bar.n, round(100 * fraction, 1))
            self._bar.set_postfix_str(message, refresh=False)
            now = time.monotonic()
            if now - self._drawn >= REDRAW_SECONDS:
                self._drawn = now
                self._bar.refresh()

    def _line(self, text: str) -> None:
        if self._bar is not None:
            self._bar.write(text, file=sys.stderr)
        else:
            print(text, file=sys.stderr, flush=True)


@contextmanager
def _only_ours(json: bool) -> Iterator[None]:
    """In JSON mode, what libraries print to standard output goes to the error stream."""
    kept = None
    if json:
        with suppress(OSError):
            sys.stdout.flush()
            kept = os.dup(1)
            os.dup2(2, 1)
    try:
        yield
    finally:
        if kept is not None:
            sys.stdout.flush()
            os.dup2(kept, 1)
            os.close(kept)


@contextmanager
def stopped_by_signals(progress: Progress) -> Iterator[None]:
    """The first Ctrl-C or SIGTERM asks the run to stop; the second one ends it at once."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def on_signal(number: int, frame: FrameType | None) -> None:
        if progress.cancelled:
            # Without the clean-up of the interpreter, which would wait for threads that do not listen.
            os._exit(CANCELLED)
        progress.cancel()

    before = {}
    for number in (signal.SIGINT, signal.SIGTERM):
        with suppress(ValueError, OSError):
            before[number] = signal.signal(number, on_signal)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def aligned(rows: Sequence[Sequence[str]]) -> str:
    """Rows as columns of text, two blanks apart."""
    widths = [max(len(row[i]) for row in rows if i < len(row)) for i in range(max(map(len, rows), default=0))]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in rows)


def table_text(columns: Mapping[str, Mapping[str, str]], rows: Sequence[Mapping[str, Any]]) -> str:
    """A table for people: a line per row, or a line per value when there is one row."""
    if len(rows) == 1:
        return aligned([[key, number(rows[0].get(key)), column["unit"]] for key, column in columns.items()])
    heads = [f"{key} [{column['unit']}]" if column["unit"] else key for key, column in columns.items()]
    return aligned([heads, *([number(row.get(key)) for key in columns] for row in rows)])


def number(value: Any) -> str:
    """A cell for people: six digits; undefined is a dash."""
    if value is None or value == "" or value != value:
        return "-"
    return f"{value:.6g}" if isinstance(value, float) else str(value)
