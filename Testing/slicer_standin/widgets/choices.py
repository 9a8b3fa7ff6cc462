"""Widgets for a choice: combo boxes, path, directory and colour."""

from __future__ import annotations

from ..classes import behaviour, store, value
from ..dialogs import STATIC
from ..signals import emit
from ..toolkit import QtCore, QtGui, QtWidgets
from .numbers import row


@behaviour("ctkComboBox")
class ComboBox:
    """QComboBox that shows `defaultText` while nothing is chosen."""

    def set_defaultText(self, text: str) -> None:
        store(self, "defaultText", text)
        self.setPlaceholderText(text)

    def get_currentUserDataAsString(self) -> str:
        data = self.currentData()
        return "" if data is None else str(data)

    def set_currentUserDataAsString(self, text: str) -> None:
        self.setCurrentIndex(next((i for i in range(self.count()) if str(self.itemData(i)) == text), -1))


@behaviour("ctkCheckableComboBox")
class CheckableComboBox:
    """Every row carries a check mark."""

    def _init(self) -> None:
        model = QtGui.QStandardItemModel(0, 1, self)
        model.rowsInserted.connect(self._inserted)
        model.itemChanged.connect(self._changed)
        self._own.checked = ()
        self.setModel(model)

    def _inserted(self, parent: object, first: int, last: int) -> None:
        for position in range(first, last + 1):
            item = self.model().item(position)
            if item is not None and not item.isCheckable():
                item.setFlags(item.flags() | QtCore.Qt.ItemIsUserCheckable)
                item.setData(QtCore.Qt.Unchecked, QtCore.Qt.CheckStateRole)

    def _changed(self, item: object) -> None:
        checked = tuple(index.row() for index in self.checkedIndexes())
        if checked != self._own.checked:
            self._own.checked = checked
            emit(self, "checkedIndexesChanged()")

    def checkableModel(self) -> QtCore.QAbstractItemModel:
        return self.model()

    def checkState(self, index: QtCore.QModelIndex) -> QtCore.Qt.CheckState:
        return self.model().itemFromIndex(index).checkState()

    def setCheckState(self, index: QtCore.QModelIndex, state: int) -> None:
        self.model().itemFromIndex(index).setCheckState(QtCore.Qt.CheckState(int(state)))

    def checkedIndexes(self) -> list[QtCore.QModelIndex]:
        model = self.model()
        rows = range(model.rowCount())
        return [model.index(i, 0) for i in rows if model.item(i) and model.item(i).checkState() == QtCore.Qt.Checked]

    def allChecked(self) -> bool:
        return len(self.checkedIndexes()) == self.count()

    def noneChecked(self) -> bool:
        return not self.checkedIndexes()


@behaviour("ctkPathLineEdit")
class PathLineEdit:
    """An editable combo box with a browse button; the history is kept in the combo box only."""

    defaults = {"showBrowseButton": True, "showHistoryButton": True}

    def _init(self) -> None:
        combo, button = QtWidgets.QComboBox(self), QtWidgets.QToolButton(self)
        combo.setEditable(True)
        combo.setSizePolicy(QtWidgets.QSizePolicy.Expanding, QtWidgets.QSizePolicy.Fixed)
        combo.editTextChanged.connect(lambda text: emit(self, "currentPathChanged(QString)", text))
        button.setText("...")
        button.clicked.connect(lambda checked: self.browse())
        row(self, combo, button)
        self._own.combo = combo

    def get_currentPath(self) -> str:
        return self._own.combo.currentText()

    def set_currentPath(self, path: str) -> None:
        self._own.combo.setEditText(path)

    def set_sizeAdjustPolicy(self, policy: int) -> None:
        store(self, "sizeAdjustPolicy", policy)
        self._own.combo.setSizeAdjustPolicy(QtWidgets.QComboBox.SizeAdjustPolicy(int(policy)))

    def set_minimumContentsLength(self, length: int) -> None:
        store(self, "minimumContentsLength", length)
        self._own.combo.setMinimumContentsLength(length)

    def comboBox(self) -> QtWidgets.QComboBox:
        return self._own.combo

    def addCurrentPathToHistory(self) -> None:
        path = self._own.combo.currentText()
        if path and self._own.combo.findText(path) < 0:
            self._own.combo.addItem(path)

    def retrieveHistory(self) -> None:
        """Nothing is kept between runs."""

    def browse(self) -> None:
        """Asks for a file, to read or to write, or for a folder, by `filters`; without filters for a file to read."""
        filters, label = value(self, "filters"), self.property("label")
        of = type(self)
        if filters is not None and not int(filters) & int(of.Files):
            chosen = QtWidgets.QFileDialog.getExistingDirectory(self, label or "Select a folder", "")
        elif filters is not None and int(filters) & int(of.Writable):
            chosen = QtWidgets.QFileDialog.getSaveFileName(self, label or "Select a file", "")
        else:
            chosen = QtWidgets.QFileDialog.getOpenFileName(self, label or "Select a file", "")
        if chosen:
            self.set_currentPath(chosen)


@behaviour("ctkDirectoryButton")
class DirectoryButton:
    """A button that shows the folder's path."""

    defaults = {"directory": "."}

    def _init(self) -> None:
        self._own.button = QtWidgets.QPushButton(self)
        self._own.button.clicked.connect(lambda checked: self.browse())
        row(self, self._own.button)

    def set_directory(self, folder: str) -> None:
        folder = QtCore.QDir(folder).absolutePath() if folder not in ("", ".") else "."
        self._own.button.setText(folder)
        if store(self, "directory", folder):
            emit(self, "directoryChanged(QString)", folder)

    def browse(self) -> str:
        chosen = QtWidgets.QFileDialog.getExistingDirectory(self, value(self, "caption") or "Select a folder", "")
        if chosen:
            self.set_directory(chosen)
            emit(self, "directorySelected(QString)", chosen)
        return chosen


@behaviour("ctkColorPickerButton")
class ColorPickerButton:
    defaults = {"color": QtGui.QColor("black")}

    def set_color(self, color: QtGui.QColor) -> None:
        if store(self, "color", color):
            emit(self, "colorChanged(QColor)", color)

    def changeColor(self) -> None:
        chosen = QtWidgets.QColorDialog.getColor()
        if chosen is not STATIC["QColorDialog"]["getColor"]:
            self.set_color(chosen)
