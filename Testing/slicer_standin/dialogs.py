"""Modal dialogs do not block: they are recorded and answered from the list that the test gave."""

from __future__ import annotations

from collections.abc import Callable

from .record import RECORD, Dialog
from .toolkit import QObject, QtWidgets

# static functions that open a dialog: what they return when the user cancels
STATIC = {
    "QMessageBox": dict.fromkeys(("information", "warning", "critical", "question", "about", "aboutQt"), 0),
    # PythonQt returns the text or number alone, without the second value "ok"
    "QInputDialog": {"getText": "", "getItem": "", "getInt": 0, "getDouble": 0.0, "getMultiLineText": ""},
    "QFileDialog": {"getOpenFileName": "", "getOpenFileNames": (), "getSaveFileName": "", "getExistingDirectory": ""},
    "QColorDialog": {"getColor": None},
}


def patch() -> None:
    """Replace the static functions."""
    for class_name, functions in STATIC.items():
        for name, cancelled in functions.items():
            replaced = staticmethod(_static(f"{class_name}.{name}", cancelled))
            setattr(getattr(QtWidgets, class_name), name, replaced)


def _static(kind: str, cancelled: object) -> Callable:
    def function(*arguments: object) -> object:
        title, text = (*(str(item) for item in arguments[1:3]), "", "")[:2]
        return RECORD.answer(Dialog(kind, title, text), cancelled)

    return function


def run(dialog: QObject) -> object:
    """exec() of a dialog or menu: 0 (rejected, no button) without an answer.

    The answer may be a function of the dialog, which presses in it and returns the result code. A file dialog's
    answer may be the path that is selected in it.
    """
    kind = next(base.__name__ for base in type(dialog).__mro__ if not base.__module__.startswith("__"))
    if isinstance(dialog, QtWidgets.QMenu):
        return RECORD.answer(Dialog(kind, dialog.title(), ""), None, dialog)
    text = dialog.text() if isinstance(dialog, QtWidgets.QMessageBox) else ""
    if kind == "ctkMessageBox" and dialog.property("dontShowAgain"):
        return QtWidgets.QMessageBox.Ok
    answer = RECORD.answer(Dialog(kind, dialog.windowTitle(), text), 0, dialog)
    if isinstance(dialog, QtWidgets.QFileDialog) and isinstance(answer, str):
        dialog.selectFile(answer)
        answer = int(bool(answer))
    return answer
