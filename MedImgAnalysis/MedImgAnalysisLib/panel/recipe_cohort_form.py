"""What a batch is told: the table of the cohort, the folder of results, workers and extras."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import ctk
import qt
from slicer.i18n import tr as _


class CohortForm:
    """The rows of the form.

    Parameters
    ----------
    on_paths
        Called with (cohort, folder) when the user chose another path.
    """

    def __init__(self, on_paths: Callable[[str, str], None]) -> None:
        self._on_paths = on_paths
        self._showing = False
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
            path.connect("currentPathChanged(QString)", lambda text: self._changed())
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
        self.boxes = {
            "scene": _box("cohortScene", _("Scenes"), _("Save each case as a Slicer scene, too.")),
            "snapshots": _box("cohortSnapshots", _("Pictures"), _("Take pictures of the slice views, too.")),
            "pages": _box("cohortPages", _("Pages"), _("Write a page of tables and pictures per step, too.")),
            "restart": _box("cohortRestart", _("Run all again"), _("Run cases that are done already once more.")),
        }
        for box in self.boxes.values():
            row.addWidget(box)
        column.addLayout(row)

    def show(self, cohort: str, folder: str) -> None:
        """Show these paths."""
        self._showing = True
        for path, text in ((self.cohort, cohort), (self.folder, folder)):
            if path.currentPath != text:
                path.currentPath = text
        self._showing = False

    def missing(self) -> str:
        """What is still to be chosen, empty when nothing is."""
        if not self.cohort.currentPath:
            return _("Choose the table of a cohort.")
        return "" if self.folder.currentPath else _("Choose a folder for the results.")

    def paths(self) -> tuple[str, str]:
        """The table and the folder."""
        return str(self.cohort.currentPath), str(self.folder.currentPath)

    def worker_count(self) -> int | None:
        """How many processes are asked for, None for as many as suit."""
        return int(self.workers.value) or None

    def extras(self) -> dict[str, bool]:
        """What is asked for besides, by argument of `run_batch`."""
        return {name: bool(box.checked) for name, box in self.boxes.items()}

    def remember(self) -> None:
        """Offer the paths again next time."""
        for path in (self.cohort, self.folder):
            path.addCurrentPathToHistory()

    def _changed(self) -> None:
        if not self._showing:
            self._on_paths(*self.paths())


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
