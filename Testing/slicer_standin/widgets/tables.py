"""Views of a node's content: qMRMLTableView and qMRMLTextWidget."""

from __future__ import annotations

import vtk

from ..classes import behaviour, store
from ..toolkit import QtGui, QtWidgets
from .numbers import row
from .scene import SceneGiver, observe


class ContentView:
    """Shows one node and follows its changes through `_fill`."""

    def _show_node(self, node: object, kind: str) -> None:
        self._own.shown = node if node is not None and node.IsA(kind) else None
        shown = [] if self._own.shown is None else [self._own.shown]
        observe(self, shown, [vtk.vtkCommand.ModifiedEvent], "_fill")
        self._fill()

    def _shown(self) -> object:
        return getattr(self._own, "shown", None)


@behaviour("qMRMLTableView")
class TableView(ContentView, SceneGiver):
    """A table node, read-only."""

    def _init(self) -> None:
        self._own.model = QtGui.QStandardItemModel(self)
        self.setModel(self._own.model)

    def setMRMLTableNode(self, node: object) -> None:
        self._show_node(node, "vtkMRMLTableNode")

    def mrmlTableNode(self) -> object:
        return self._shown()

    def _fill(self) -> None:
        model, node = self._own.model, self._shown()
        model.clear()
        table = node.GetTable() if node is not None else None
        if table is None:
            return
        columns = range(table.GetNumberOfColumns())
        names = [table.GetColumnName(j) or "" for j in columns]
        if node.GetUseColumnTitleAsColumnHeader():
            model.setHorizontalHeaderLabels([header(node, name) for name in names])
        else:  # then the names are the first row, under A, B, C...
            model.appendRow([QtGui.QStandardItem(name) for name in names])
            model.setHorizontalHeaderLabels([chr(ord("A") + j % 26) for j in columns])
        for i in range(table.GetNumberOfRows()):
            model.appendRow([QtGui.QStandardItem(table.GetValue(i, j).ToString()) for j in columns])


def header(node: object, name: str) -> str:
    """Title (or name) and unit of a column."""
    unit = node.GetColumnUnitLabel(name)
    return (node.GetColumnTitle(name) or name) + (f" [{unit}]" if unit else "")


@behaviour("qMRMLTextWidget")
class TextWidget(ContentView):
    """A text node; editing saves at once."""

    def _init(self) -> None:
        self._own.edit = QtWidgets.QTextEdit(self)
        row(self, self._own.edit)

    def textEditWidget(self) -> QtWidgets.QTextEdit:
        return self._own.edit

    def set_readOnly(self, fixed: bool) -> None:
        store(self, "readOnly", fixed)
        self._own.edit.setReadOnly(fixed)

    def setMRMLTextNode(self, node: object) -> None:
        self._show_node(node, "vtkMRMLTextNode")

    def mrmlTextNode(self) -> object:
        return self._shown()

    def _fill(self) -> None:
        self._own.edit.setPlainText(self._shown().GetText() if self._shown() is not None else "")

    def saveEdits(self) -> None:
        if self._shown() is not None:
            self._shown().SetText(self._own.edit.toPlainText())
