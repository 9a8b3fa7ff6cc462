"""What the fixtures of Testing/panels do: begin and end a test, press, wait, look."""

from __future__ import annotations

import os
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

from .install import complete_modules, install
from .record import RECORD, Dialog
from .toolkit import QtCore, QtWidgets

PANEL_WIDTH = 460


def installed() -> ModuleType:
    """`slicer`; its own Python files are used when SLICER_BASE_PYTHON names Slicer's folder Base/Python."""
    return install(os.environ.get("SLICER_BASE_PYTHON"))


def begin() -> None:
    """Empty scene, nothing recorded, no dialog expected."""
    from MedImgAnalysisLib.scene import standalone

    slicer = installed()
    standalone.start()  # somebody may have stopped it
    complete_modules(slicer)
    standalone.clear()
    process_events()
    RECORD.clear()


def end() -> None:
    """Fail when a slot raised or a dialog came up that the test did not expect; leave an empty scene."""
    process_events()
    errors, dialogs, expected = RECORD.slot_errors, RECORD.dialogs, RECORD.dialogs_expected
    begin()
    if errors:
        texts = ["".join(traceback.format_exception(error)) for error in errors]
        raise AssertionError(
            f"{len(errors)} exception(s) in slots, which Slicer would only print:\n" + "\n".join(texts)
        )
    if dialogs and not expected:
        raise AssertionError(f"dialogs came up that the test did not expect: {dialogs}")


def stop() -> None:
    """Take the scene apart, as at the end of a program."""
    from MedImgAnalysisLib.scene import standalone

    process_events()
    standalone.stop()


def expect_dialogs(*answers: object) -> list[Dialog]:
    """Allow modal dialogs in this test, answered in turn; returns the (growing) list of those shown.

    An answer is the result code or text; a function gets the dialog and returns it. Without one: cancelled.
    """
    RECORD.dialogs_expected = True
    RECORD.answers.extend(answers)
    return RECORD.dialogs


def answer_files(*paths: Path | str) -> list[Dialog]:
    """What the next file dialogs return; '' is Cancel."""
    return expect_dialogs(*(str(path) for path in paths))


def process_events(seconds: float = 0.0) -> None:
    """Run the event loop until idle (timers without delay included), at least `seconds` long."""
    end_time = time.monotonic() + seconds
    while True:
        for _ in range(5):
            QtWidgets.QApplication.sendPostedEvents(None, QtCore.QEvent.Type.DeferredDelete.value)
            QtWidgets.QApplication.processEvents()
        if time.monotonic() >= end_time:
            return
        time.sleep(0.005)


def wait_until(condition: Callable[[], object], timeout: float = 10.0) -> None:
    """Run the event loop until `condition()` holds; fails at once when a slot raises, else after `timeout` seconds."""
    end_time = time.monotonic() + timeout
    while not condition():
        if RECORD.slot_errors:
            raise AssertionError(f"a slot raised while waiting: {RECORD.slot_errors[0]!r}") from RECORD.slot_errors[0]
        if time.monotonic() > end_time:
            raise TimeoutError(f"still not so after {timeout} s: {condition}")
        process_events(0.01)


def press(button: QtWidgets.QAbstractButton) -> None:
    """Click as a user does: the button must be enabled and not hidden."""
    name = button.objectName() or button.text()
    if not button.isEnabled():
        raise AssertionError(f"the button {name!r} is disabled: {button.toolTip()}")
    widget = button
    while widget.parentWidget() is not None and not widget.isHidden():
        widget = widget.parentWidget()
    if widget.parentWidget() is not None:
        raise AssertionError(f"the button {name!r} is hidden")
    button.click()
    process_events()


def grab(widget: QtWidgets.QWidget, path: Path | str, width: int = PANEL_WIDTH) -> Path:
    """Save a PNG of `widget`, as wide as a Slicer panel and as high as it asks for."""
    widget.resize(width, max(200, widget.sizeHint().height()))
    widget.show()
    process_events()
    widget.resize(width, max(200, widget.sizeHint().height()))
    process_events()
    if not widget.grab().save(str(path)):
        raise OSError(f"{path}: the picture could not be written")
    return Path(path)
