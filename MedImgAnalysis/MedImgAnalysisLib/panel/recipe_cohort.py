"""A recipe over a cohort from the page: files chosen, `run_batch` in a thread, a line per case, the report."""

from __future__ import annotations

import logging
import queue
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import qt
import slicer
from slicer.i18n import tr as _

from ..errors import Cancelled, MedImgError
from ..machine import memory_text
from ..plan import time_text
from ..progress import Progress
from ..recipe import Recipe
from .fields import push_button
from .recipe_cases import CaseTable
from .recipe_cohort_form import CohortForm
from .runner import Runner
from .translated import composed_text

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
        self._recipe = recipe
        self._events: queue.SimpleQueue[tuple[str, str, dict[str, Any]]] = queue.SimpleQueue()
        self._report: Path | None = None
        self._warnings: list[str] = []
        self._finish: Callable[[Any], None] = self._done
        self.runner = Runner(self._on_progress, self._on_warning, self._on_end)
        self.widget = qt.QWidget()
        column = qt.QVBoxLayout(self.widget)
        column.setContentsMargins(0, 0, 0, 0)
        self.form = CohortForm(on_paths)
        column.addWidget(self.form.widget)
        row = qt.QHBoxLayout()
        self.button = push_button("runCohortButton", _("Run on the cohort"), self.run_or_cancel, "")
        self.plan_button = push_button(
            "planCohortButton",
            _("Plan"),
            self.plan,
            _("Say what would run, what is missing, and the expected time, memory and disk. Nothing is written."),
        )
        row.addWidget(self.button, 1)
        row.addWidget(self.plan_button)
        column.addLayout(row)
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
        for widget in (self.progress_bar, self.status, self.cases.widget, self.report_button):
            column.addWidget(widget)

    def check(self) -> None:
        """Enable Run, or say why it cannot."""
        if self.runner.running:
            return
        obstacle = self._offer()
        if obstacle or not self.cases.count:
            self.status.text = obstacle

    def _offer(self) -> str:
        """Enable the buttons where the batch can run; gives why it cannot."""
        obstacle = self._missing()
        self.button.text = _("Run on the cohort")
        self.button.enabled = self.plan_button.enabled = not obstacle
        self.button.toolTip = obstacle or _("Run the recipe on every case; Slicer can be used meanwhile.")
        return obstacle

    def run_or_cancel(self) -> None:
        """The button: start, or stop what runs."""
        if self.runner.running:
            self.runner.cancel()
            self.button.enabled = False
            self.status.text = _("Stopping...")
            return
        given = self._given()
        if given is not None:
            self._start(*given)

    def plan(self) -> None:
        """Say what a run would do; from headers alone, in the thread like a run."""
        given = self._given()
        if given is None or self.runner.running:
            return
        recipe, cohort = given
        folder, workers, again = self.form.paths()[1], self.form.worker_count(), self.form.extras()["restart"]
        self.cases.begin([case.id for case in cohort.cases])

        def work(progress: Progress) -> Any:
            from ..batch.executors import default_workers
            from ..batch.outlook import outlook

            return outlook(recipe, cohort, folder, workers or default_workers(), restart=again, progress=progress)

        self._begin(work, self._planned)

    def _given(self) -> tuple[Recipe, Any] | None:
        """The recipe and the cohort, None when one of them cannot be used, which is said."""
        from ..batch import cohort as cohorts  # other pages need none of it

        try:
            recipe = self._recipe()
            return recipe, cohorts.load(self.form.paths()[0], recipe)
        except MedImgError as error:
            self.status.text = str(error)
            return None

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
        missing = self.form.missing()
        if missing:
            return missing
        try:
            self._recipe()
        except MedImgError as error:
            return str(error)
        return ""

    def _start(self, recipe: Recipe, cohort: Any) -> None:
        folder, workers, extras = self.form.paths()[1], self.form.worker_count(), self.form.extras()
        self.form.remember()
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

        self._begin(work, self._done)

    def _begin(self, work: Callable[[Progress], Any], finish: Callable[[Any], None]) -> None:
        """Start work in the thread; `finish` gets its result."""
        self._finish, self._warnings = finish, []
        self.plan_button.enabled = False
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
            self.status.text = composed_text(message)

    def _on_warning(self, sentence: str) -> None:
        self._warnings.append(sentence)
        self.status.text = sentence

    def _take_events(self) -> None:
        while not self._events.empty():
            self.cases.note(*self._events.get())

    def _on_end(self, result: Any, error: BaseException | None) -> None:
        self._take_events()
        self.progress_bar.setVisible(False)
        if error is None:
            self._finish(result)
        elif isinstance(error, Cancelled):
            self.status.text = _("Cancelled; finished cases are kept, and another run goes on with the others.")
        elif isinstance(error, MedImgError):
            self.status.text = str(error)
        else:
            text = "".join(traceback.format_exception(error))
            logger.error(text)
            self.status.text = _("An unexpected error came up: {error}").format(error=error)
            slicer.util.errorDisplay(self.status.text, detailedText=text)
        self._offer()

    def _planned(self, found: Any) -> None:
        for case in found.cases:
            self.cases.plan(case.id, case.state, case.text)
        self.status.text = outlook_words(found)

    def _done(self, result: Any) -> None:
        done = sum(case.state == "done" for case in result.cases)
        text = _("{done} of {all} cases done.").format(done=done, all=len(result.cases))
        if result.kept:
            text += " " + _("{count} of them were kept from before.").format(count=len(result.kept))
        if result.failed:
            text += " " + _("{count} failed.").format(count=len(result.failed))
        self.status.text = " ".join([text, *self._warnings])
        self._report = result.files.get("report")
        self.report_button.setVisible(self._report is not None)


def outlook_words(found: Any) -> str:
    """What a batch would do and need, in some lines."""
    count = found.counts()
    lines = [
        _("{run} of {all} cases would run, {kept} are done, {problem} cannot run.").format(
            all=len(found.cases), **count
        )
    ]
    if not count["run"]:
        return lines[0]
    time = _("Time: about {time} with {workers} at a time.").format(
        time=time_text(found.seconds), workers=found.workers
    )
    if found.unknown_time:
        time += " " + _("Without {count} cases of unknown time.").format(count=found.unknown_time)
    memory, disk = memory_text(found.memory_bytes), memory_text(found.disk_bytes)
    lines += [
        time,
        _("Memory: about {memory}.").format(memory=memory),
        _("Disk: at most about {disk}.").format(disk=disk),
    ]
    if found.free_memory is not None:
        free = memory_text(found.free_memory)
        lines[2] = _("Memory: about {memory} of {free} that are free.").format(memory=memory, free=free)
    if found.free_disk is not None:
        free = memory_text(found.free_disk)
        lines[3] = _("Disk: at most about {disk} of {free} that are free.").format(disk=disk, free=free)
        if found.disk_bytes > found.free_disk:
            lines.append(_("The disk may become full: compressed files are smaller, but see that there is room."))
    return "\n".join(lines)
