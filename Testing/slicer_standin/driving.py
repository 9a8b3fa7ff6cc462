"""What tests do with the stand-in: begin and end a test, load a module, press, wait, look."""

from __future__ import annotations

import os
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

PANEL_WIDTH = 460
_standin: SimpleNamespace | None = None
_expecting = False


def installed() -> SimpleNamespace:
    """Install once; Slicer's own Python files are used when SLICER_BASE_PYTHON names its Base/Python folder."""
    global _standin
    if _standin is None:
        from . import install

        slicer = install.install(os.environ.get("SLICER_BASE_PYTHON"), testing=False)
        install.start()
        _standin = SimpleNamespace(slicer=slicer)
    return _standin


def begin() -> None:
    """Empty scene, no recorded errors, no dialog expected."""
    global _expecting
    from . import core

    _standin.slicer.mrmlScene.Clear(0)
    process_events()
    core.ERRORS.clear()
    core.DIALOGS_SHOWN.clear()
    core.DIALOG_ANSWERS.clear()
    _expecting = False


def end() -> None:
    """Fail when a slot raised or a dialog came up that the test did not expect; leave an empty scene."""
    from . import core

    process_events()
    errors, dialogs = list(core.ERRORS), list(core.DIALOGS_SHOWN)
    expecting = _expecting
    begin()
    if errors:
        texts = ["".join(traceback.format_exception(error)) for error in errors]
        raise AssertionError(f"{len(errors)} exception(s) in slots, which Slicer would only print:\n" + "\n".join(texts))
    if dialogs and not expecting:
        raise AssertionError(f"dialogs came up that the test did not expect: {dialogs}")


def slot_errors() -> list[Exception]:
    """The exceptions raised in slots so far; empty the list when the test expects them."""
    from . import core

    return core.ERRORS


def expect_dialogs(*answers: object) -> list[tuple[str, str, str]]:
    """Allow modal dialogs in this test, answered in turn; returns the (growing) list of (class, title, text) shown."""
    global _expecting
    from . import core

    _expecting = True
    core.DIALOG_ANSWERS.extend(answers)
    return core.DIALOGS_SHOWN


def answer_files(*paths: Path | str) -> list[tuple[str, str, str]]:
    """What the next file dialogs return; '' is Cancel."""
    return expect_dialogs(*(str(path) for path in paths))


def process_events(seconds: float = 0.0) -> None:
    """Run the event loop until idle (timers of zero delay included), at least `seconds` long."""
    from .core import QtCore, QtWidgets

    end = time.monotonic() + seconds
    while True:
        for _ in range(5):
            QtWidgets.QApplication.sendPostedEvents(None, QtCore.QEvent.Type.DeferredDelete.value)
            QtWidgets.QApplication.processEvents()
        if time.monotonic() >= end:
            return
        time.sleep(0.005)


def wait_until(condition: Callable[[], object], timeout: float = 10.0) -> None:
    """Run the event loop until `condition()` holds; TimeoutError after `timeout` seconds."""
    end = time.monotonic() + timeout
    while not condition():
        if slot_errors():
            raise AssertionError(f"a slot raised while waiting: {slot_errors()[0]!r}") from slot_errors()[0]
        if time.monotonic() > end:
            raise TimeoutError(f"still not so after {timeout} s: {condition}")
        process_events(0.01)


def press(button: object) -> None:
    """Click as a user does: the button must be enabled and not hidden."""
    name = button.objectName() or button.text()
    if not button.isEnabled():
        raise AssertionError(f"the button {name!r} is disabled: {button.toolTip()}")
    if button.isHidden():
        raise AssertionError(f"the button {name!r} is hidden")
    button.click()
    process_events()


def grab(widget: object, path: Path | str, width: int = PANEL_WIDTH) -> Path:
    """Save a PNG of `widget` at panel width and the height it asks for."""
    from . import install

    install.grab(widget, str(path), width)
    return Path(path)


class LoadedModule:
    """A module .py loaded as Slicer does: `python` (the Python module), `module`, `widget` (set up), `parent`, `logic`."""

    def __init__(self, path: Path | str) -> None:
        from . import install

        self.name = Path(path).stem
        self.python, self.parent, self.widget = install.load_module(str(path))
        self.module = getattr(_standin.slicer.modules, self.name + "Instance")
        self.enter()

    @property
    def logic(self) -> object:
        return self.widget.logic

    @property
    def ui(self) -> object:
        return self.widget.ui

    def enter(self) -> None:
        self.parent.enter()
        process_events()

    def exit(self) -> None:
        self.parent.exit()
        process_events()

    def unload(self) -> None:
        """Leave and clean up as at Slicer's exit, then delete the widget."""
        self.exit()
        self.widget.cleanup()
        self.parent.setParent(None)
        self.parent.deleteLater()
        process_events()
