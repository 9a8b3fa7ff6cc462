"""Apply and what follows: the run in a thread, progress, cancel, the result log, and the two exports."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import qt
import slicer
from slicer.i18n import tr as _

from ..errors import Cancelled, MedImgError, MissingPackageError
from ..progress import Progress
from ..recipe import RecipeResult
from ..scene.layers import Layers
from ..scene.pages import write_page
from ..scene.run import SceneRun
from ..values import Curves, Measurements
from . import last_error
from .display import aligned_pair, show_blended, show_results
from .fields import push_button
from .request import Runnable, is_watched
from .result_log import ResultLog, inputs_text
from .result_table import ResultTable
from .runner import Runner
from .surface_button import SurfaceButton
from .translated import composed_text

logger = logging.getLogger("MedImgAnalysis")


class RunSection:
    """Fills `runSection` and `resultSection` of a page.

    Parameters
    ----------
    ui
        Widgets of the page by name.
    module_name
        For the Python call.
    request
        Gives what Apply runs; may raise `MedImgError`.
    on_idle
        Called when a run has ended, so that the page can say again whether Apply can run.
    """

    def __init__(self, ui: Any, module_name: str, request: Callable[[], Runnable], on_idle: Callable[[], None]) -> None:
        self.ui = ui
        self.module_name = module_name
        self._request = request
        self._on_idle = on_idle
        self.runner = Runner(self._on_progress, self._on_warning, self._on_end)
        self.watched: list[tuple[Any, str]] = []
        self.layers = Layers()
        self._scene_run: SceneRun | None = None
        self._running: Runnable | None = None
        self._dropped = ""
        self._written: list[Any] = []
        self._pair: tuple[Any, Any] | None = None
        self._build_run(ui.runSection.layout())
        self._build_result(ui.resultSection.layout())
        self.show_obstacle("")

    def _build_run(self, column: Any) -> None:
        self.apply_button = qt.QPushButton(_("Apply"))
        self.apply_button.objectName = "applyButton"
        self.apply_button.default = True
        self.apply_button.connect("clicked()", self.apply_or_cancel)
        self.evidence_box = qt.QCheckBox(_("Evidence: what did the filter remove?"))
        self.evidence_box.objectName = "evidenceCheckBox"
        self.evidence_box.toolTip = _(
            "Compare the result with the input: noise, edges, faint structure, and what was taken away as an image."
        )
        self.progress_bar = qt.QProgressBar()
        self.progress_bar.objectName = "progressBar"
        self.progress_bar.setRange(0, 100)
        self.progress_bar.setVisible(False)
        self.status = qt.QLabel("")
        self.status.objectName = "statusLabel"
        self.status.wordWrap = True
        self.status.textFormat = qt.Qt.PlainText
        self.plan = qt.QLabel("")
        self.plan.objectName = "planLabel"
        self.plan.wordWrap = True
        self.plan.toolTip = _("Expected time and memory of a run on this computer, and the memory that is free.")
        self.plan.setVisible(False)
        for widget in (self.evidence_box, self.plan, self.apply_button, self.progress_bar, self.status):
            column.addWidget(widget)

    def _build_result(self, column: Any) -> None:
        browser = qt.QTextBrowser()
        browser.objectName = "resultLog"
        browser.openExternalLinks = True
        browser.placeholderText = _("What each run gave is listed here.")
        browser.minimumHeight = 140
        self.log = ResultLog(browser)
        self.results = ResultTable()
        self.surfaces = SurfaceButton()
        column.addWidget(self.results.widget)
        column.addWidget(self.surfaces.button)
        column.addWidget(browser)
        self.page_button = push_button(
            "savePageButton",
            _("Save page..."),
            self.save_page,
            _("Write inputs, picture, plots and tables of the last run as one HTML file."),
        )
        self.page_button.setVisible(False)
        self.blend_button = push_button(
            "showBlendedButton",
            _("Show blended"),
            self.show_blended,
            _("Show the aligned volume half over the fixed one in the slice views; zoom and slice stay."),
        )
        self.blend_button.setVisible(False)
        column.addWidget(self.blend_button)
        column.addWidget(self.page_button)
        row = qt.QHBoxLayout()
        self.copy_button = push_button(
            "copyCallButton",
            _("Copy Python call"),
            self.copy_call,
            _("Copy the line that does the same in the Python console."),
        )
        self.export_button = push_button(
            "exportRecipeButton",
            _("Export recipe..."),
            self.export_recipe,
            _("Write a recipe file that does the same on many images."),
        )
        self.clear_button = push_button("clearLogButton", _("Clear"), self.log.clear, _("Empty the list of results."))
        for button, stretch in ((self.copy_button, 1), (self.export_button, 1), (self.clear_button, 0)):
            row.addWidget(button, stretch)
        column.addLayout(row)

    def show_plan(self, text: str) -> None:
        """Say above Apply what a run would need; empty where nothing is known."""
        self.plan.setText(text)
        self.plan.setVisible(bool(text))

    def show_obstacle(self, obstacle: str, doubt: str = "") -> None:
        """Enable Apply, or say why it cannot run; a doubt is said without keeping from running."""
        self.copy_button.enabled = self.export_button.enabled = not obstacle
        if self.runner.running:
            return
        self.apply_button.text = _("Apply")
        self.apply_button.enabled = not obstacle
        self.apply_button.toolTip = obstacle or _("Run the operation. The scene changes only when it is done.")
        if obstacle or not self._running:
            self.status.text = obstacle or doubt

    def apply_or_cancel(self) -> None:
        """The button: start, or stop what runs."""
        if not self.runner.running:
            self._start()
            return
        self.runner.cancel()
        self.apply_button.enabled = False
        self.status.text = _("Stopping...")

    def drop(self, reason: str) -> None:
        """Stop what runs and forget its result, because the scene changed under it."""
        if self.runner.running and not self._dropped:
            self._dropped = reason
            self.watched = []
            self.runner.cancel()

    def scene_closed(self, reason: str) -> None:
        """The scene goes away: what runs is dropped, and nothing of what was shown comes back."""
        self.drop(reason)
        self.forget_results()
        self.layers.forget()

    def forget_results(self) -> None:
        """The results of the last run are gone."""
        self.results.clear()
        self._written = []
        self._pair = None
        self.surfaces.offer(())
        self.page_button.setVisible(False)
        self.blend_button.setVisible(False)

    def nodes_removed(self) -> None:
        """Nodes left the scene: nothing of them is shown any more, and a run that needs them is dropped."""
        self.results.forget_removed()
        self.layers.nodes_removed()
        if not all(is_watched(node) for node in (*self._written, *(self._pair or ()))):
            self.forget_results()
        for watched, name in self.watched:
            if not is_watched(watched):
                self.drop(_("{name} was deleted while the operation was running.").format(name=name))
                return

    def cleanup(self) -> None:
        """Stop what runs; nothing is said or written any more."""
        self.runner.stop()

    def _start(self) -> None:
        try:
            request = self._request()
            self.log.begin(request.title, inputs_text(request.described_inputs()))
            self._running, self._dropped = request, ""
            self._scene_run = request.scene_run()
            self._scene_run.collect(Progress(on_warning=self.log.warn))
        except Exception as error:  # noqa: BLE001  shown to the user, see _failed
            self._failed(error)
            return
        self.watched = request.watched()
        self.apply_button.text = _("Cancel")
        self.apply_button.toolTip = _("Stop; the scene stays as it is.")
        self.progress_bar.setValue(0)
        self.progress_bar.setVisible(True)
        self.status.text = _("Running...")
        self.runner.start(self._scene_run.compute)

    def _on_progress(self, fraction: float, message: str) -> None:
        self.progress_bar.setValue(round(100 * fraction))
        if message and self.apply_button.enabled:
            self.status.text = composed_text(message)

    def _on_warning(self, sentence: str) -> None:
        self.log.warn(sentence)

    def _on_end(self, result: Any, error: BaseException | None) -> None:
        self.progress_bar.setVisible(False)
        self.watched = []
        if self._dropped:
            self._say(_("{reason} The result was dropped.").format(reason=self._dropped))
        elif error is not None:
            self._failed(error)
            return
        else:
            try:
                self._commit(result)
            except Exception as problem:  # noqa: BLE001  shown to the user, see _failed
                self._failed(problem)
                return
        self._idle()

    def _commit(self, result: RecipeResult) -> None:
        """Write the results into the scene, say so and show them."""
        run, request = self._scene_run, self._running
        if run is None or request is None:
            raise RuntimeError("nothing was run")
        nodes = request.by_role(run.commit(Progress(on_warning=self.log.warn)))
        titles = request.titles()
        seconds = sum(record["seconds"] for record in result.records)
        self.log.finish({titles[role]: node.GetName() for role, node in nodes.items()}, seconds)
        self.status.text = _("Done in {seconds} s.").format(seconds=f"{seconds:.2f}")
        self.results.show_results(titles, nodes)
        self.surfaces.offer(nodes.values())
        self._written = list(nodes.values())
        self.page_button.setVisible(any(isinstance(value, (Measurements, Curves)) for value in result.outputs.values()))
        self._pair = aligned_pair(request, nodes)
        self.blend_button.setVisible(self._pair is not None)
        show_results(request, nodes, self.layers)

    def _failed(self, error: BaseException) -> None:
        """Say what went wrong: one line for what the user can mend, a dialog for what is a bug."""
        if not isinstance(error, Cancelled):
            last_error.remember(error)
        if isinstance(error, (Cancelled, MedImgError)):
            self._say(str(error))
            if isinstance(error, MissingPackageError):
                self._offer_package(error)
        elif isinstance(error, MemoryError):
            self._say(_("There is not enough memory for this operation on this image. Nothing was changed."))
        else:
            text = "".join(traceback.format_exception(error))
            logger.error(text)
            self._say(_("An unexpected error came up, nothing was changed: {error}").format(error=error))
            slicer.util.errorDisplay(
                _("An unexpected error came up, nothing was changed: {error}").format(error=error), detailedText=text
            )
        self._idle()

    def _offer_package(self, error: MissingPackageError) -> None:
        """Ask once whether to install what an operation needs; the user presses Apply again afterwards."""
        package = error.data.get("package")
        if not package or not hasattr(slicer, "packaging"):
            return
        try:
            slicer.packaging.pip_ensure([package], requester=self.module_name)
        except Exception as problem:  # noqa: BLE001  whatever pip says is shown to the user
            self._say(_("The package {package} was not installed: {problem}").format(package=package, problem=problem))
        else:
            self._say(_("The package {package} is there now. Apply again.").format(package=package))

    def _say(self, sentence: str) -> None:
        self.log.say(sentence)
        self.status.text = sentence

    def _idle(self) -> None:
        self._scene_run = None
        self._on_idle()
        self._running, self._dropped = None, ""

    def copy_call(self) -> None:
        """Put the Python line of this run on the clipboard."""
        slicer.app.clipboard().setText(self._request().python_call(self.module_name))
        self.status.text = _("The Python call is on the clipboard.")

    def show_blended(self) -> None:
        """Show the fixed and the aligned volume of the last run, half and half."""
        if self._pair is not None:
            show_blended(*self._pair, self.layers)

    def save_page(self) -> None:
        """Ask for a file and write the page of the last run."""
        name = f"{self._written[0].GetName()}.html" if self._written else "results.html"
        path = qt.QFileDialog.getSaveFileName(self.ui.runSection, _("Save page"), name, _("Page (*.html)"))
        if not path:
            return
        try:
            with slicer.util.WaitCursor():
                write_page(path, self._written, Progress(on_warning=self.log.warn))
        except MedImgError as error:
            self._say(_("The page could not be written: {error}").format(error=error))
            return
        self._say(_("The page was written to {path}.").format(path=path))

    def export_recipe(self) -> None:
        """Ask for a file and write the recipe of this run."""
        request = self._request()
        path = qt.QFileDialog.getSaveFileName(
            self.ui.runSection, _("Export recipe"), f"{request.file_name}.recipe.json", _("Recipe (*.json)")
        )
        if not path:
            return
        try:
            Path(path).write_text(request.recipe().as_json(), encoding="utf-8")
        except OSError as error:
            self._say(_("The recipe could not be written: {error}").format(error=error))
            return
        self._say(_("The recipe was written to {path}.").format(path=path))
