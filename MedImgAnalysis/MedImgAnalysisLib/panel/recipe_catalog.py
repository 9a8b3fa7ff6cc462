"""The list of all operations from which steps are added."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import ctk
import qt
from slicer.i18n import tr as _

from .. import catalog
from ..docstrings import summary
from ..operation import Operation
from .chooser import matches, titles
from .translated import catalog_text

NAME_ROLE = qt.Qt.UserRole
HEIGHT = 130


class OperationList:
    """Search box, list by group, and Add.

    Parameters
    ----------
    on_add
        Called with the name of the operation that is to become a step.
    """

    def __init__(self, on_add: Callable[[str], None]) -> None:
        self._on_add = on_add
        self.widget = qt.QWidget()
        column = qt.QVBoxLayout(self.widget)
        column.setContentsMargins(0, 0, 0, 0)
        row = qt.QHBoxLayout()
        self.search = ctk.ctkSearchBox()
        self.search.objectName = "operationSearchBox"
        self.search.placeholderText = _("Search {count} operations...").format(count=len(catalog.OPERATIONS))
        self.search.toolTip = _("Words in the name, the group or the description. Enter adds the chosen operation.")
        self.search.connect("textChanged(QString)", self._fill)
        self.search.connect("returnPressed()", self.add)
        self.button = qt.QPushButton(_("Add step"))
        self.button.objectName = "addStepButton"
        self.button.toolTip = _("Add the chosen operation behind the selected step; a double click does the same.")
        self.button.connect("clicked()", self.add)
        row.addWidget(self.search, 1)
        row.addWidget(self.button)
        column.addLayout(row)
        self.list = qt.QListWidget()
        self.list.objectName = "operationList"
        self.list.minimumHeight = HEIGHT
        self.list.maximumHeight = HEIGHT
        self.list.connect("itemDoubleClicked(QListWidgetItem*)", lambda item: self.add())
        self.list.connect("currentRowChanged(int)", lambda row: self._chosen())
        column.addWidget(self.list)
        self._fill("")

    def chosen(self) -> str:
        """The name of the chosen operation, empty when a heading or nothing is chosen."""
        item = self.list.currentItem()
        return str(item.data(NAME_ROLE) or "") if item is not None else ""

    def choose(self, name: str) -> None:
        """Choose an operation that is in the list."""
        for row in range(self.list.count):
            if self.list.item(row).data(NAME_ROLE) == name:
                self.list.setCurrentRow(row)

    def add(self) -> None:
        """Add the chosen operation."""
        name = self.chosen()
        if name:
            self._on_add(name)

    def _fill(self, text: str) -> None:
        chosen = self.chosen()
        self.list.clear()
        found = [operation for operation in catalog.OPERATIONS.values() if matches(operation, text)]
        for package in dict.fromkeys((package, operation.group) for package, operation in _by_package(found)):
            self._heading(f"{catalog_text(package[0].capitalize())}: {catalog_text(package[1])}")
            for name, operation in _by_package(found):
                if (name, operation.group) == package:
                    self._entry(operation)
        if not found:
            self._heading(_("No operation has these words."))
        if not text.strip():
            self.choose(chosen)
        elif found:
            self.choose(min(found, key=lambda operation: _distance(operation, text)).name)
        self._chosen()

    def _heading(self, text: str) -> None:
        self.list.addItem(text)
        item = self.list.item(self.list.count - 1)
        item.setFlags(qt.Qt.NoItemFlags)

    def _entry(self, operation: type[Operation]) -> None:
        self.list.addItem(f"    {catalog_text(operation.title)}")
        item = self.list.item(self.list.count - 1)
        item.setData(NAME_ROLE, operation.name)
        item.setToolTip(f"{catalog_text(summary(operation.__doc__))}\n{operation.name}")

    def _chosen(self) -> None:
        self.button.enabled = bool(self.chosen())


def _distance(operation: type[Operation], text: str) -> tuple[bool, bool, bool]:
    """How far the words are from the title: the same, its beginning, in it, elsewhere."""
    words = text.casefold().split()
    whole = " ".join(words)
    return min(
        (title != whole, not title.startswith(whole), not all(word in title for word in words))
        for title in titles(operation)
    )


def _by_package(operations: list[type[Operation]]) -> list[tuple[str, Any]]:
    """(package, operation) in the order of the catalog."""
    wanted = {operation.name for operation in operations}
    return [(name, one) for name, package in catalog.PACKAGES.items() for one in package if one.name in wanted]
