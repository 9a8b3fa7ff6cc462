"""What happened during a test that Slicer would only print or show: errors in slots, dialogs, requests."""

from __future__ import annotations

import sys
import traceback
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple


class Dialog(NamedTuple):
    """A modal dialog that came up: class (or `class.function`), window title, text."""

    kind: str
    title: str
    text: str


@dataclass
class Record:
    """Everything recorded since the last `clear`."""

    slot_errors: list[BaseException] = field(default_factory=list)
    dialogs: list[Dialog] = field(default_factory=list)
    answers: deque = field(default_factory=deque)
    dialogs_expected: bool = False
    messages: list[str] = field(default_factory=list)
    modules_selected: list[str] = field(default_factory=list)
    slice_layers: list[dict] = field(default_factory=list)
    urls: list[str] = field(default_factory=list)

    def clear(self) -> None:
        self.__init__()

    def slot_error(self, error: BaseException) -> None:
        """PythonQt prints the exception and goes on; so does this, and the test fails at its end."""
        self.slot_errors.append(error)
        traceback.print_exception(error)

    def answer(self, dialog: Dialog, cancelled: object, shown: object = None) -> object:
        """Record a dialog and give the next answer; an answer that is a function gets the dialog object `shown`."""
        self.dialogs.append(dialog)
        answer = self.answers.popleft() if self.answers else cancelled
        return answer(shown) if isinstance(answer, Callable) else answer


RECORD = Record()


def watch_uncaught() -> None:
    """Record what VTK observers and Qt event handlers raise; both hand it to sys.excepthook and go on."""
    before = sys.excepthook

    def hook(kind: type[BaseException], error: BaseException, trace: object) -> None:
        RECORD.slot_errors.append(error)
        before(kind, error, trace)

    sys.excepthook = hook
