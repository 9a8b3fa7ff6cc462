"""Qt's own widgets work on the stand-in in the way module code writes them."""

from __future__ import annotations

import pytest


@pytest.fixture
def qt(standin):
    import qt

    return qt


def test_a_table_widget_takes_items(qt):
    table = qt.QTableWidget()
    table.setColumnCount(2)
    table.setRowCount(1)
    table.setHorizontalHeaderLabels(["Name", "Value"])
    item = qt.QTableWidgetItem("Dice")
    item.setFlags(qt.Qt.ItemIsEnabled | qt.Qt.ItemIsSelectable)
    item.setTextAlignment(qt.Qt.AlignRight)
    table.setItem(0, 0, item)
    table.horizontalHeader().setSectionResizeMode(0, qt.QHeaderView.Stretch)
    table.selectionBehavior = qt.QAbstractItemView.SelectRows
    table.setEditTriggers(qt.QAbstractItemView.NoEditTriggers)
    got = []
    table.connect("cellChanged(int,int)", lambda i, j: got.append((i, j, table.item(i, j).text())))
    item.setText("HD95")
    assert got == [(0, 0, "HD95")]
    assert (table.rowCount, table.columnCount) == (1, 2)


def test_list_and_tree_widgets_take_items(qt):
    chosen, items = [], qt.QListWidget()
    items.addItems(["a", "b"])
    items.connect("currentRowChanged(int)", chosen.append)
    items.setCurrentRow(1)
    assert chosen == [1]
    assert items.currentItem().text() == "b"
    tree = qt.QTreeWidget()
    tree.setHeaderLabels(["Step", "State"])
    parent = qt.QTreeWidgetItem(["case", "done"])
    parent.addChild(qt.QTreeWidgetItem(["step", "done"]))
    parent.setData(0, qt.Qt.UserRole, "id")
    tree.addTopLevelItem(parent)
    tree.expandAll()
    assert tree.topLevelItem(0).child(0).text(0) == "step"
    assert tree.topLevelItem(0).data(0, qt.Qt.UserRole) == "id"


def test_text_progress_and_form_layout(qt):
    text = qt.QPlainTextEdit()
    text.readOnly = True
    text.appendPlainText("line")
    text.appendPlainText("next")
    assert text.toPlainText() == text.plainText == "line\nnext"
    bar = qt.QProgressBar()
    bar.setRange(0, 100)
    bar.value = 40
    assert bar.value == 40
    widget = qt.QWidget()
    form = qt.QFormLayout(widget)
    label, field = qt.QLabel("Sigma:"), qt.QDoubleSpinBox()
    form.addRow(label, field)
    form.addRow("Other:", qt.QLineEdit())
    assert form.rowCount() == 2
    assert form.labelForField(field) is label
    assert widget.layout() is form
    field.setSizePolicy(qt.QSizePolicy.Expanding, qt.QSizePolicy.Fixed)
    field.setStepType(qt.QAbstractSpinBox.AdaptiveDecimalStepType)
    assert form.contentsMargins() is not None


def test_timers_repeat_and_stop(qt, wait_until):
    timer, count = qt.QTimer(), []
    timer.interval = 5
    timer.connect("timeout()", lambda: count.append(1))
    timer.start()
    wait_until(lambda: len(count) >= 3, timeout=5)
    timer.stop()
    assert not timer.active
    again = []
    qt.QTimer.singleShot(0, lambda: again.append(1))
    wait_until(lambda: again, timeout=5)


def test_events_can_be_overridden_in_a_python_subclass(qt, process_events):
    class Watcher(qt.QWidget):
        def __init__(self):
            qt.QWidget.__init__(self)
            self.shown = 0

        def showEvent(self, event):
            self.shown += 1

    watcher = Watcher()
    watcher.show()
    process_events()
    assert watcher.shown == 1


def test_menus_links_and_cursors_are_recorded_or_harmless(qt, expect_dialogs):
    from slicer_standin.record import RECORD

    menu = qt.QMenu("Presets")
    action = menu.addAction("Fine")
    dialogs = expect_dialogs(lambda shown: action)
    assert menu.exec_(qt.QCursor.pos()) is action
    assert dialogs[0].title == "Presets"
    qt.QDesktopServices.openUrl(qt.QUrl("https://example.org/help"))
    assert RECORD.urls == ["https://example.org/help"]
    qt.QApplication.setOverrideCursor(qt.Qt.WaitCursor)
    qt.QApplication.restoreOverrideCursor()


def test_collapsible_buttons_show_and_hide_their_contents(qt, standin):
    import ctk

    for kind in (ctk.ctkCollapsibleButton, standin.qMRMLCollapsibleButton):
        button, told = kind(), []
        button.text = "Inputs"
        layout = qt.QFormLayout(button)
        inside = qt.QLineEdit()
        layout.addRow("Name:", inside)
        button.connect("contentsCollapsed(bool)", told.append)
        button.collapsed = True
        assert inside.isHidden()
        assert not button.checked
        button.checked = True
        assert not inside.isHidden()
        assert told == [True, False]


def test_choices_paths_and_colours(qt, standin, answer_files, tmp_path):
    import ctk

    box, changed = ctk.ctkCheckableComboBox(), []
    box.addItems(["liver", "spleen"])
    box.connect("checkedIndexesChanged()", lambda: changed.append(1))
    box.setCheckState(box.model().index(1, 0), qt.Qt.Checked)
    assert [index.row() for index in box.checkedIndexes()] == [1]
    assert changed == [1]
    path, paths = ctk.ctkPathLineEdit(), []
    path.connect("currentPathChanged(QString)", paths.append)
    answer_files(tmp_path)
    path.browse()
    assert paths == [str(tmp_path)] == [path.currentPath]
    combo = ctk.ctkComboBox()
    combo.addItem("Median", "median")
    combo.addItem("Mean", "mean")
    combo.currentUserDataAsString = "mean"
    assert combo.currentText == "Mean"
    search = ctk.ctkSearchBox()
    search.placeholderText = "Search"
    assert search.text == ""
    low = ctk.ctkRangeWidget()
    low.setRange(0, 10)
    low.setValues(8, 2)
    assert (low.minimumValue, low.maximumValue) == (2.0, 8.0)
