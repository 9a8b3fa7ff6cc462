"""The cases of a batch: a line per case with what became of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import qt
from slicer.i18n import tr as _

HEIGHT = 180
LINE = 24
WIDEST = 120


class CaseTable:
    """Case, state, and the error or the first warning."""

    def __init__(self) -> None:
        self.widget = qt.QTableWidget()
        self.widget.objectName = "caseTable"
        self.widget.setEditTriggers(qt.QAbstractItemView.NoEditTriggers)
        self.widget.setMinimumHeight(HEIGHT)
        self.widget.verticalHeader().setDefaultSectionSize(LINE)
        self.widget.verticalHeader().hide()
        self.widget.wordWrap = False
        # Sentences begin with the path of a file and end with what is wrong with it.
        self.widget.textElideMode = qt.Qt.ElideMiddle
        self.widget.setVisible(False)
        self._rows: dict[str, int] = {}
        self._warnings: dict[str, list[str]] = {}

    @property
    def count(self) -> int:
        """How many cases are shown."""
        return len(self._rows)

    def begin(self, cases: Sequence[str]) -> None:
        """A batch of these cases starts."""
        self._rows = {case: row for row, case in enumerate(cases)}
        self._warnings = {}
        self.widget.clear()
        self.widget.setColumnCount(3)
        self.widget.setRowCount(len(cases))
        self.widget.setHorizontalHeaderLabels([_("Case"), _("State"), _("Message")])
        self.widget.horizontalHeader().setStretchLastSection(True)
        for case, row in self._rows.items():
            self._put(row, 0, case)
            self._put(row, 1, _("waiting"))
            self._put(row, 2, "")
        for column in (0, 1):
            self.widget.resizeColumnToContents(column)
            self.widget.setColumnWidth(column, min(self.widget.columnWidth(column), WIDEST))
        self.widget.setVisible(True)

    def note(self, event: str, case: str, data: Mapping[str, Any]) -> None:
        """Something became of a case: started, done, kept, failed, or a warning."""
        row = self._rows.get(case)
        if row is None:
            return
        states = {"started": _("running"), "done": _("done"), "kept": _("kept"), "failed": _("failed")}
        if event in states:
            self._put(row, 1, states[event])
        if event == "failed":
            self._put(row, 2, str(data.get("message", "")))
        elif event == "warning":
            said = self._warnings.setdefault(case, [])
            said.append(str(data.get("text", "")))
            self._put(row, 2, said[0] if len(said) == 1 else _("{count} warnings").format(count=len(said)))
            self.widget.item(row, 2).setToolTip("\n".join(said))

    def plan(self, case: str, state: str, text: str) -> None:
        """What would become of a case: `run`, `kept` or `problem`, and why."""
        states = {"run": _("would run"), "kept": _("is done"), "problem": _("cannot run")}
        self._put(self._rows[case], 1, states.get(state, state))
        self._put(self._rows[case], 2, text)

    def texts(self, case: str) -> tuple[str, str]:
        """State and message that are shown of a case."""
        row = self._rows[case]
        return self.widget.item(row, 1).text(), self.widget.item(row, 2).text()

    def _put(self, row: int, column: int, text: str) -> None:
        item = self.widget.item(row, column)
        if item is None:
            item = qt.QTableWidgetItem(text)
            self.widget.setItem(row, column, item)
        else:
            item.setText(text)
        item.setToolTip(text)
