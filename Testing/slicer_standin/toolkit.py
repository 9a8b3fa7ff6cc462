"""PySide6 for this package, the one QApplication, and what every object privately carries."""

from __future__ import annotations

import os
from types import SimpleNamespace

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
# enums that are also integers, as PythonQt's are
os.environ.setdefault("PYSIDE6_OPTION_PYTHON_ENUM", "0x03")
os.environ.setdefault("PYSIDE63_OPTION_PYTHON_ENUM", "0x03")

from PySide6 import QtCore, QtGui, QtNetwork, QtUiTools, QtWidgets

if not issubclass(QtCore.Qt.CheckState, int):
    raise ImportError("PySide6 was imported before slicer_standin, which sets its options")

MODULES = (QtCore, QtGui, QtWidgets, QtNetwork, QtUiTools)
OWN_NAMES = ("slicer_standin", "PySide6", "shiboken6", "shibokensupport")
APPLICATION = QtWidgets.QApplication.instance() or QtWidgets.QApplication(["slicer-standin"])
APPLICATION.setStyle("Fusion")
QObject = QtCore.QObject
# the attribute protocol as PySide6 has it, before pythonqt.patch() replaces it for code outside the package
plain_get = QObject.__getattribute__


class NotModelled(NotImplementedError):
    """The name exists in Slicer, but its behaviour is not written here: a gap of the test, not of the module."""


def qt_class(name: str) -> type | None:
    """The PySide6 class of that name."""
    return next((getattr(module, name) for module in MODULES if hasattr(module, name)), None)


def private(obj: QObject) -> SimpleNamespace:
    """Private state: `values` of modelled properties, `slots` of modelled signals, `relays` of connections to Qt's."""
    attributes = plain_get(obj, "__dict__")
    if "_own" not in attributes:
        attributes["_own"] = SimpleNamespace(values={}, slots={}, relays=[])
    return attributes["_own"]
