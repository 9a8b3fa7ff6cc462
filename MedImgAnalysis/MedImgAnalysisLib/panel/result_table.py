"""The tables and plots of the last run: every number, and a click on a row leads to its place."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import qt
import slicer
from slicer.i18n import tr as _

from ..scene import places, showing, tables
from ..values import Column, Measurements
from .fields import narrow_combo, unit_words
from .request import is_watched
from .result_log import cell_text, tells
from .translated import composed_text

MOST_ROWS = 500
UPRIGHT_ROWS = 4
"""Tables of so few rows are turned: a line per measure, a column per row, since measures are many."""
HEIGHT = 220
LINE = 24
HEADER = 200
"""Widest column of headings; longer ones are cut, the tool tip has all."""
WIDEST = 170
"""Widest column of values, so that one long text does not push numbers out of sight; the tool tip has all."""


class ResultTable:
    """Shows one of the table nodes of a run.

    A click on a row moves the slice views to the place that the row names, where the columns of the table
    declare one (`values.Column.position`), whatever operation made it.
    """

    def __init__(self) -> None:
        self.widget = qt.QWidget()
        column = qt.QVBoxLayout(self.widget)
        column.setContentsMargins(0, 0, 0, 0)
        self.choice = narrow_combo()
        self.choice.objectName = "resultTableChoice"
        self.choice.toolTip = _("The tables of the last run.")
        self.choice.connect("currentIndexChanged(int)", lambda index: self._fill())
        self.table = qt.QTableWidget()
        self.table.objectName = "resultTable"
        self.table.setEditTriggers(qt.QAbstractItemView.NoEditTriggers)
        self.table.setMinimumHeight(HEIGHT)
        self.table.verticalHeader().setDefaultSectionSize(LINE)
        self.table.verticalHeader().setMaximumWidth(HEADER)
        self.table.connect("cellClicked(int,int)", self._clicked)
        self.hint = qt.QLabel("")
        self.hint.objectName = "resultTableHint"
        self.hint.wordWrap = True
        self.plots = qt.QWidget()
        self._plot_row = qt.QVBoxLayout(self.plots)
        self._plot_row.setContentsMargins(0, 0, 0, 0)
        self.show_button = qt.QPushButton(_("Show table"))
        self.show_button.objectName = "showTableButton"
        self.show_button.toolTip = _("Show the table in a table view; a layout without one gets one.")
        self.show_button.connect("clicked()", self._show_in_view)
        for part in (self.choice, self.table, self.hint, self.show_button, self.plots):
            column.addWidget(part)
        self._tables: list[tuple[str, Any]] = []
        self._charts: list[tuple[str, Any]] = []
        self._buttons: list[Any] = []
        self._upright = False
        self.clear()

    def clear(self) -> None:
        """Nothing to show; the widget goes away."""
        self.show_results({}, {})

    def show_results(self, titles: Mapping[str, str], nodes: Mapping[str, Any]) -> None:
        """Show the tables among the nodes of a run (by role), and offer its charts."""
        self._tables = [(titles[role], node) for role, node in nodes.items() if node.IsA("vtkMRMLTableNode")]
        self._charts = [
            (titles[role], node)
            for role, node in nodes.items()
            if node.IsA("vtkMRMLPlotChartNode") and node.GetNumberOfPlotSeriesNodes()
        ]
        blocked = self.choice.blockSignals(True)
        self.choice.clear()
        for title, node in self._tables:
            self.choice.addItem(f"{title}: {node.GetName()}")
        self.choice.blockSignals(blocked)
        self.choice.setVisible(len(self._tables) > 1)
        self._offer()
        self._fill()
        self.widget.setVisible(bool(self._tables or self._charts))

    def forget_removed(self) -> None:
        """Show nothing when a table or chart that is shown has left the scene."""
        if not all(is_watched(node) for _title, node in (*self._tables, *self._charts)):
            self.clear()

    def _offer(self) -> None:
        """A button per chart; a plot changes the layout of the views, so it is shown only when asked for."""
        for button in self._buttons:
            button.hide()
            button.deleteLater()
        self._buttons = []
        for title, chart in self._charts:
            button = qt.QPushButton(_("Show plot: {title}").format(title=title))
            button.objectName = f"show_{chart.GetID()}"
            button.toolTip = _("Show {name} in a plot view; the layout of the views changes.").format(
                name=chart.GetName()
            )
            button.connect("clicked()", lambda chart=chart: show_chart(chart))
            self._plot_row.addWidget(button)
            self._buttons.append(button)
        self.plots.setVisible(bool(self._charts))

    def _node(self) -> Any:
        index = self.choice.currentIndex
        return self._tables[index][1] if 0 <= index < len(self._tables) else None

    def _fill(self) -> None:
        node = self._node()
        self.table.setVisible(node is not None)
        self.show_button.setVisible(node is not None)
        self.table.clear()
        if node is None:
            self._say("")
            return
        table = tables.measurements_of(node)
        rows = table.rows[:MOST_ROWS]
        columns = [column for column in table.columns if any(tells(row.get(column.key)) for row in rows)]
        self._upright = len(rows) <= UPRIGHT_ROWS < len(columns)
        fill = self._fill_upright if self._upright else self._fill_wide
        fill(columns, rows)
        self.table.resizeColumnsToContents()
        for at in range(self.table.columnCount):
            self.table.setColumnWidth(at, min(self.table.columnWidth(at), WIDEST))
        self.table.horizontalHeader().setStretchLastSection(True)
        self._say(self._hint(node, table))

    def _say(self, sentence: str) -> None:
        self.hint.text = sentence
        self.hint.setVisible(bool(sentence))

    def _hint(self, node: Any, table: Measurements) -> str:
        parts = []
        if places.has_places(node) and table.rows:
            parts.append(_("A click on a result shows its place in the slice views."))
        if len(table.rows) > MOST_ROWS:
            parts.append(_("The first {count} of {all} rows.").format(count=MOST_ROWS, all=len(table.rows)))
        if not table.rows:
            parts.append(_("The table has no rows."))
        return " ".join(parts)

    def _fill_wide(self, columns: list[Column], rows: Any) -> None:
        self.table.setRowCount(len(rows))
        self.table.setColumnCount(len(columns))
        self.table.setHorizontalHeaderLabels([_heading(column) for column in columns])
        self.table.setVerticalHeaderLabels([str(number) for number in range(1, len(rows) + 1)])
        for at, column in enumerate(columns):
            what = composed_text(column.description)
            self.table.horizontalHeaderItem(at).setToolTip(what)
            for line, row in enumerate(rows):
                self._put(line, at, row, column, what)

    def _fill_upright(self, columns: list[Column], rows: Any) -> None:
        self.table.setRowCount(len(columns))
        self.table.setColumnCount(len(rows))
        self.table.setVerticalHeaderLabels([_heading(column) for column in columns])
        names = next(([str(row.get(c.key) or "-") for row in rows] for c in columns[:4] if c.dtype is str), None)
        if len(rows) == 1:
            names = [_("Value")]
        self.table.setHorizontalHeaderLabels(names or [str(number) for number in range(1, len(rows) + 1)])
        for line, column in enumerate(columns):
            what = composed_text(column.description)
            self.table.verticalHeaderItem(line).setToolTip(f"{_heading(column)}\n{what}")
            for at, row in enumerate(rows):
                self._put(line, at, row, column, what)

    def _put(self, line: int, at: int, row: Mapping[str, Any], column: Column, what: str) -> None:
        text = cell_text(row.get(column.key), column)
        item = qt.QTableWidgetItem(text)
        why = "" if tells(row.get(column.key)) else str(row.get("status") or "")
        item.setToolTip(why or (f"{text}\n{what}" if column.dtype is str else what))
        if column.dtype is not str:
            item.setTextAlignment(int(qt.Qt.AlignRight) | int(qt.Qt.AlignVCenter))
        self.table.setItem(line, at, item)

    def _show_in_view(self) -> None:
        node = self._node()
        if node is not None:
            showing.show_table(node, slicer.app.layoutManager())

    def _clicked(self, line: int, at: int) -> None:
        node = self._node()
        if node is None or not places.has_places(node):
            return
        if not places.jump_to(node, at if self._upright else line):
            self._say(_("This result names no place."))
        else:
            self._say(self._hint(node, tables.measurements_of(node)))


def show_chart(chart: Any) -> None:
    """Show a chart in a plot view, changing the layout where it has none."""
    slicer.modules.plots.logic().ShowChartInLayout(chart)


def _heading(column: Column) -> str:
    title = composed_text(column.title)
    return f"{title} ({unit_words(column.unit)})" if column.unit else title
