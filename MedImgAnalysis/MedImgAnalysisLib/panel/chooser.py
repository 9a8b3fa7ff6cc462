"""Choosing an operation: a list by group, a search box and what the chosen one does."""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Sequence
from typing import Any

import ctk
import qt
import slicer
from slicer.i18n import tr as _

from ..docstrings import paragraphs, summary
from ..operation import Operation
from .fields import narrow_combo
from .translated import catalog_text

REFERENCE = "https://github.com/MedImgAnalysis/SlicerMedImgAnalysis/blob/main/docs/operations.md"
"""The page that says all of every operation; the name of an operation is its anchor."""

FLAGS_ROLE = qt.Qt.UserRole - 1
"""Where a combo box keeps the flags of an item; 0 makes it a heading that cannot be chosen."""


def matches(operation: type[Operation], text: str) -> bool:
    """Whether every word of `text` occurs in what is known of the operation, as it is shown or in English."""
    shown = map(catalog_text, (operation.title, operation.group, *paragraphs(operation.__doc__)))
    known = " ".join((operation.name, operation.title, operation.group, operation.__doc__ or "", *shown)).casefold()
    return all(word in known for word in text.casefold().split())


def titles(operation: type[Operation]) -> tuple[str, str]:
    """The title as it is shown, and in English; for comparing with what somebody typed."""
    return catalog_text(operation.title).casefold(), operation.title.casefold()


class OperationChooser:
    """Shows the operations of a package.

    Parameters
    ----------
    operations
        The operations in the order of the catalog.
    on_choice
        Called with the name after the user chose another operation; not called by `show`.
    """

    def __init__(self, operations: Sequence[type[Operation]], on_choice: Callable[[str], None]) -> None:
        self.operations = {operation.name: operation for operation in operations}
        self._on_choice = on_choice
        self._filling = False
        self._current = ""
        self._more = False
        self.widget = qt.QWidget()
        column = qt.QVBoxLayout(self.widget)
        column.setContentsMargins(0, 0, 0, 0)
        self.search = ctk.ctkSearchBox()
        self.search.objectName = "searchBox"
        self.search.placeholderText = _("Search {count} operations...").format(count=len(self.operations))
        self.search.toolTip = _("Words in the name, the group or the description.")
        self.search.connect("textChanged(QString)", self._searched)
        self.search.setVisible(len(self.operations) > 1)
        column.addWidget(self.search)
        self.combo = narrow_combo()
        self.combo.objectName = "operationSelector"
        self.combo.toolTip = _("What to do with the inputs; below is what the chosen one does.")
        self.combo.setMaxVisibleItems(30)
        self.combo.connect("currentIndexChanged(int)", self._chosen)
        column.addWidget(self.combo)
        self.label = qt.QLabel("")
        self.label.objectName = "operationDescription"
        self.label.wordWrap = True
        self.label.textFormat = qt.Qt.RichText
        self.label.connect("linkActivated(QString)", self._toggle_more)
        column.addWidget(self.label)
        self._fill(list(self.operations.values()))

    def show(self, name: str) -> None:
        """Choose an operation without telling anybody."""
        self._current = name
        if self.combo.findData(name) < 0:
            self._filling = True
            self.search.text = ""
            self._filling = False
            self._fill(list(self.operations.values()))
        self._select()

    def _fill(self, operations: Sequence[type[Operation]]) -> None:
        self._filling = True
        self.combo.clear()
        groups = list(dict.fromkeys(operation.group for operation in operations))
        for group in groups:
            if len(groups) > 1:
                self.combo.addItem(catalog_text(group))
                self.combo.setItemData(self.combo.count - 1, 0, FLAGS_ROLE)
            for operation in operations:
                if operation.group == group:
                    indent = "    " if len(groups) > 1 else ""
                    self.combo.addItem(indent + catalog_text(operation.title), operation.name)
                    what = catalog_text(summary(operation.__doc__))
                    self.combo.setItemData(self.combo.count - 1, what, qt.Qt.ToolTipRole)
        self._filling = False

    def _select(self) -> None:
        self._filling = True
        self.combo.currentIndex = self.combo.findData(self._current)
        self._filling = False
        self._describe()

    def _searched(self, text: str) -> None:
        if self._filling:
            return
        found = [operation for operation in self.operations.values() if matches(operation, text)]
        self._fill(found)
        self.combo.enabled = bool(found)
        if not found:
            self.label.text = _("No operation has these words.")
            return
        if self._current not in (operation.name for operation in found):
            by_title = [one for one in found if any(text.casefold() in title for title in titles(one))]
            self._current = (by_title or found)[0].name
            self._select()
            self._on_choice(self._current)
        else:
            self._select()

    def _chosen(self, index: int) -> None:
        name = self.combo.itemData(index) if index >= 0 else None
        if self._filling or not name or name == self._current:
            return
        self._current = name
        self._describe()
        self._on_choice(name)

    def _toggle_more(self, link: str) -> None:
        if link.startswith("https:"):
            slicer.app.openUrl(link)
            return
        self._more = not self._more
        self._describe()

    def _describe(self) -> None:
        operation = self.operations.get(self._current)
        if operation is None:
            self.label.text = ""
            return
        if self._more:
            text = "".join(f"<p>{_plain(catalog_text(part))}</p>" for part in paragraphs(operation.__doc__))
            less = link_text("#less", _("Less"))
            reference = link_text(f"{REFERENCE}#{operation.name}", _("Reference"))
            self.label.text = f"{text}{less} {reference}"
        else:
            more = link_text("#more", _("More..."))
            self.label.text = f"{_plain(catalog_text(summary(operation.__doc__)))} {more}"


def link_text(target: str, words: str) -> str:
    """A link as HTML."""
    return f'<a href="{html.escape(target)}">{html.escape(words)}</a>'


def _plain(text: str) -> Any:
    """A paragraph as HTML: names in italics."""
    return re.sub(r"`([^`]+)`", r"<i>\1</i>", html.escape(text))
