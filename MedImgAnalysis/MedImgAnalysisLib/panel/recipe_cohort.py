"""A recipe over a cohort from the page: files chosen, `run_batch` in a thread, a line per case, the report."""

from __future__ import annotations

import logging
import queue
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ctk
import qt
import slicer
from slicer.i18n import tr as _

from ..errors import Cancelled, MedImgError
from ..progress import Progress
from ..recipe import Recipe
from .fields import push_button
from .recipe_cases import CaseTable
from .runner import Runner

logger = logging.getLogger("MedImgAnalysis")


class CohortSection:
    """Chooses a cohort and a folder and runs the recipe on every case.

    Parameters
    ----------
    recipe
        Gives the recipe; raises `MedImgError` when it cannot be run.
    on_paths
        Called with (cohort, folder) when the user chose another path.
    """

    def __init__(self, recipe: Callable[[], Recipe], on_paths: Callable[[str, str], None]) -> None:
        self._recipe, self._on_paths = recipe, on_paths
        self._showing = False
        self._events: queue.SimpleQueue[tuple[str, str, dict[str, Any]]] = queue.SimpleQueue()
        self._report: Path | None = None
        self._obstacle = ""
        self.runner = Runner(self._on_progress, self._on_warning, self._on_end)
        self.widget = qt.QWidget()
        column = qt.QVBoxLayout(self.widget)
        column.setContentsMargins(0, 0, 0, 0)
        form = qt.QFormLayout()
        form.fieldGrowthPolicy = qt.QFormLayout.AllNonFixedFieldsGrow
        self.cohort = _path("cohortPath", _("Table with a row per case: an id, and a column of files per input."))
        self.cohort.filters = ctk.ctkPathLineEdit.Files | ctk.ctkPathLineEdit.Readable
        self.cohort.nameFilters = [_("Cohort (*.csv)")]
        self.folder = _path("cohortFolder", _("Folder of the results; cases that are done already are kept."))
        self.folder.filters = ctk.ctkPathLineEdit.Dirs | ctk.ctkPathLineEdit.Writable
        for path in (self.cohort, self.folder):
            path.connect("currentPathChanged(QString)", lambda text: self._paths_changed())
        self.workers = qt.QSpinBox()
        self.workers.objectName = "cohortWorkers"
        self.workers.minimum = 0
        self.workers.maximum = 64
        self.workers.specialValueText = _("As many as suit this computer")
        self.workers.toolTip = _("Processes that work at the same time; each holds the images of one case in memory.")
        form.addRow(_("Cohort:"), self.cohort)
        form.addRow(_("Results:"), self.folder)
        form.addRow(_("Workers:"), self.workers)
        column.addLayout(form)
        row = qt.QHBoxLayout()
        self.options = {
            "scene": _box("cohortScene", _("Scenes"), _("Save each case as a Slicer scene, too.")),
            "snapshots": _box("cohortSnapshots", _("Pictures"), _("Take pictures of the slice views, too.")),
            "pages": _box("cohortPages", _("Pages"), _("Write a page of tables and pictures per step, too.")),
            "restart": _box("cohortRestart", _("Run all again"), _("Run cases that are done already once more.")),
        }
        for box in self.options.values():
            row.addWidget(box)
        column.addLayout(row)
        self.button = push_button("runCohortButton", _("Run on the cohort"), self.run_or_cancel, "")
        self.progress_bar = qt.QProgressBar()
        self.progress_bar.objectName = "cohortProgressBar"
        self.progress_bar.setRange(0, 100)
        self.progress_bar.setVisible(False)
        self.status = qt.QLabel("")
        self.status.objectName = "cohortStatus"
        self.status.wordWrap = True
        self.status.textFormat = qt.Qt.PlainText
        self.cases = CaseTable()
        self.report_button = push_button(
            "openReportButton",
            _("Open report"),
            self.open_report,
            _("Show tables and pictures of all cases in a browser."),
        )
        self.report_button.setVisible(False)
        for widget in (self.button, self.progress_bar, self.status, self.cases.widget, self.report_button):
            column.addWidget(widget)

    def show(self, cohort: str, folder: str) -> None:
        """Show these paths."""
        self._showing = True
        for path, text in ((self.cohort, cohort), (self.folder, folder)):
            if path.currentPath != text:
                path.currentPath = text
        self._showing = False

    def check(self) -> None:
        """Enable Run, or say why it cannot."""
        if self.runner.running:
            return
        self._obstacle = self._missing()
        self.button.text = _("Run on the cohort")
        self.button.enabled = not self._obstacle
        self.button.toolTip = self._obstacle or _("Run the recipe on every case; Slicer can be used meanwhile.")
        if self._obstacle or not self.cases.count:
            self.status.text = self._obstacle

    def run_or_cancel(self) -> None:
        """The button: start, or stop what runs."""
        if self.runner.running:
            self.runner.cancel()
            self.button.enabled = False
            self.status.text = _("Stopping...")
            return
        from ..batch import cohort as cohorts  # other pages need none of it

        try:
            recipe = self._recipe()
            cohort = cohorts.load(self.cohort.currentPath, recipe)
        except MedImgError as error:
            self.status.text = str(error)
            return
        for path in (self.cohort, self.folder):
            path.addCurrentPathToHistory()
        self._start(recipe, cohort)

    def open_report(self) -> None:
        """Show the report in a browser."""
        if self._report is not None and self._report.is_file():
            qt.QDesktopServices.openUrl(qt.QUrl.fromLocalFile(str(self._report)))
        else:
            self.status.text = _("The report is not there any more.")

    def cleanup(self) -> None:
        """Stop what runs; nothing is said any more."""
        self.runner.stop()

    def _missing(self) -> str:
        if not self.cohort.currentPath:
            return _("Choose the table of a cohort.")
        if not self.folder.currentPath:
            return _("Choose a folder for the results.")
        try:
            self._recipe()
        except MedImgError as error:
            return str(error)
        return ""

    def _paths_changed(self) -> None:
        if not self._showing:
            self._on_paths(str(self.cohort.currentPath), str(self.folder.currentPath))

    def _start(self, recipe: Recipe, cohort: Any) -> None:
        folder = str(self.folder.currentPath)
        workers = int(self.workers.value) or None
        extras = {name: bool(box.checked) for name, box in self.options.items()}
        events = self._events = queue.SimpleQueue()
        self._report = None
        self.report_button.setVisible(False)
        self.cases.begin([case.id for case in cohort.cases])

        def work(progress: Progress) -> Any:
            from ..batch import runner

            # Called back in the thread of the run: only the queue is touched there.
            return runner.run_batch(
                recipe,
                cohort,
                folder,
                workers=workers,
                on_event=lambda kind, case, data: events.put((kind, case, data)),
                progress=progress,
                restart=extras["restart"],
                scene=extras["scene"],
                snapshots=extras["snapshots"],
                pages=extras["pages"],
            )

        self.button.text = _("Cancel")
        self.button.toolTip = _("Stop; cases that are done are kept.")
        self.progress_bar.setValue(0)
        self.progress_bar.setVisible(True)
        self.status.text = _("Running...")
        self.runner.start(work)

    def _on_progress(self, fraction: float, message: str) -> None:
        self._take_events()
        self.progress_bar.setValue(round(100 * fraction))
        if message and self.button.enabled:
            self.status.text = message

    def _on_warning(self, sentence: str) -> None:
        self.status.text = sentence

    def _take_events(self) -> None:
        while not self._events.empty():
            self.cases.note(*self._events.get())

    def _on_end(self, result: Any, error: BaseException | None) -> None:
        self._take_events()
        self.progress_bar.setVisible(False)
        if error is None:
            self._done(result)
        elif isinstance(error, Cancelled):
            self.status.text = _("Cancelled; finished cases are kept, and another run goes on with the others.")
        elif isinstance(error, MedImgError):
            self.status.text = str(error)
        else:
            text = "".join(traceback.format_exception(error))
            logger.error(text)
            self.status.text = _("An unexpected error came up: {error}").format(error=error)
            slicer.util.errorDisplay(self.status.text, detailedText=text)
        self.button.text = _("Run on the cohort")
        self.button.enabled = True
        self.button.toolTip = _("Run the recipe on every case; Slicer can be used meanwhile.")

    def _done(self, result: Any) -> None:
        done = sum(case.state == "done" for case in result.cases)
        text = _("{done} of {all} cases done.").format(done=done, all=len(result.cases))
        if result.kept:
            text += " " + _("{count} of them were kept from before.").format(count=len(result.kept))
        if result.failed:
            text += " " + _("{count} failed.").format(count=len(result.failed))
        self.status.text = text
        self._report = result.files.get("report")
        self.report_button.setVisible(self._report is not None)


def _path(name: str, tip: str) -> Any:
    edit = ctk.ctkPathLineEdit()
    edit.objectName = name
    edit.toolTip = tip
    edit.settingKey = f"MedImgRecipes/{name}"
    # Long paths must not make the page wide.
    edit.sizeAdjustPolicy = ctk.ctkPathLineEdit.AdjustToMinimumContentsLength
    edit.minimumContentsLength = 8
    return edit


def _box(name: str, text: str, tip: str) -> Any:
    box = qt.QCheckBox(text)
    box.objectName = name
    box.toolTip = tip
    return box
