"""Text and message widgets: ctkFittedTextBrowser, ctkMessageBox, ctkMatrixWidget."""

from __future__ import annotations

from ..classes import behaviour, store, value
from ..signals import emit
from ..toolkit import QtWidgets
from .numbers import row


@behaviour("ctkFittedTextBrowser")
class FittedTextBrowser:
    """All of the text is shown; the part after the fold is not collapsed."""

    def setCollapsibleText(self, text: str) -> None:
        self.setText(text)

    def setCollapsibleHtml(self, text: str) -> None:
        self.setHtml(text)

    def setCollapsiblePlainText(self, text: str) -> None:
        self.setPlainText(text)

    def collapsibleText(self) -> str:
        return self.toHtml()


@behaviour("ctkMessageBox")
class MessageBox:
    """exec() is answered in dialogs.run."""

    def addDontShowAgainButtonRole(self, role: int) -> None:
        store(self, "dontShowAgainButtonRoles", [*(value(self, "dontShowAgainButtonRoles") or []), role])

    def onFinished(self, code: int) -> None:
        """Nothing is kept in the settings."""


@behaviour("ctkMatrixWidget")
class MatrixWidget:
    """A table of numbers, 4 x 4 at first."""

    defaults = {"rowCount": 4, "columnCount": 4}

    def _init(self) -> None:
        self._own.table = QtWidgets.QTableWidget(4, 4, self)
        row(self, self._own.table)
        self.identity()

    def set_rowCount(self, count: int) -> None:
        store(self, "rowCount", count)
        self._own.table.setRowCount(count)

    def set_columnCount(self, count: int) -> None:
        store(self, "columnCount", count)
        self._own.table.setColumnCount(count)

    def identity(self) -> None:
        for i in range(value(self, "rowCount")):
            for j in range(value(self, "columnCount")):
                self.setValue(i, j, float(i == j))

    def value(self, i: int, j: int) -> float:
        item = self._own.table.item(i, j)
        return float(item.text()) if item else 0.0

    def setValue(self, i: int, j: int, number: float) -> None:
        self._own.table.setItem(i, j, QtWidgets.QTableWidgetItem(f"{number:g}"))
        emit(self, "matrixChanged()")
