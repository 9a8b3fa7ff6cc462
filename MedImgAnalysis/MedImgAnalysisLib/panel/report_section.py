"""Collecting a report of a problem: shown before it leaves the computer, copied, and saved on request."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import qt
import slicer
from slicer.i18n import tr as _

from .bug_report import bug_report
from .fields import push_button

HEIGHT = 180


class ReportSection:
    """Fills a section of the host page."""

    def __init__(self, column: Any) -> None:
        self._column = column
        label = qt.QLabel(
            _("Versions, computer, settings and the last error as text, without names of nodes, files or patients.")
        )
        label.wordWrap = True
        self.collect_button = push_button(
            "collectReportButton",
            _("Collect a report for a bug"),
            self.collect,
            _("Show the report here and put it on the clipboard; nothing is sent."),
        )
        self.text = qt.QPlainTextEdit()
        self.text.objectName = "reportText"
        self.text.readOnly = True
        self.text.minimumHeight = HEIGHT
        self.text.toolTip = _("Read it before you hand it on.")
        self.text.setVisible(False)
        self.save_button = push_button(
            "saveReportButton", _("Save report..."), self.save, _("Write the report to a text file.")
        )
        self.save_button.setVisible(False)
        self.status = qt.QLabel("")
        self.status.objectName = "reportStatusLabel"
        self.status.wordWrap = True
        for widget in (label, self.collect_button, self.text, self.save_button, self.status):
            column.addWidget(widget)

    def collect(self) -> None:
        """Show the report and put it on the clipboard."""
        report = bug_report()
        self.text.plainText = report
        self.text.setVisible(True)
        self.save_button.setVisible(True)
        slicer.app.clipboard().setText(report)
        self.status.text = _("The report is on the clipboard.")

    def save(self) -> None:
        """Ask for a file and write the report that is shown."""
        path = qt.QFileDialog.getSaveFileName(
            self.text, _("Save report"), "medimganalysis-report.txt", _("Text (*.txt)")
        )
        if not path:
            return
        try:
            Path(path).write_text(self.text.plainText, encoding="utf-8")
        except OSError as error:
            self.status.text = _("The report could not be written: {error}").format(error=error)
            return
        self.status.text = _("The report was written to {path}.").format(path=path)
