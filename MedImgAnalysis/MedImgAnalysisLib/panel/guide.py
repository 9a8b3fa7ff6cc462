"""The guided example: five steps on the computed head, a button each, and what to look at afterwards."""

from __future__ import annotations

import html
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import qt
import slicer
from slicer.i18n import tr as _

from .. import catalog
from ..errors import Cancelled, MedImgError
from ..progress import Progress
from ..scene.layers import Layers
from ..scene.run import SceneRun
from . import last_error
from .display import show_results
from .fields import push_button
from .request import Request
from .runner import Runner

LESIONS = "Lesions"


@dataclass(frozen=True)
class Step:
    """A step: `look` says what to look at when it is done, `needs` names the nodes that it works on."""

    name: str
    title: str
    button: str
    look: str
    module: str
    needs: tuple[str, ...]


def steps() -> list[Step]:
    """The steps in their order."""
    return [
        Step(
            "load",
            _("1. Load the sample"),
            _("Load"),
            _("Two volumes of one head, FLAIR and T1, and the true segmentation. The slice views show the FLAIR."),
            "",
            (),
        ),
        Step(
            "filter",
            _("2. Filter the FLAIR: median"),
            _("Filter"),
            _("The slice views show the filtered volume: less noise, the edges of the ventricles as sharp as before."),
            "MedImgFiltering",
            ("flair",),
        ),
        Step(
            "register",
            _("3. Register the T1 with the FLAIR: rigid"),
            _("Register"),
            _("Both volumes half and half: skull and ventricles lie on each other. The table has the motion, about "
              "11 mm and 10 degrees."),
            "MedImgRegistration",
            ("flair", "t1"),
        ),
        Step(
            "segment",
            _("4. Segment the lesions in the white matter: automatic threshold"),
            _("Segment"),
            _("Lesions are outlined on the FLAIR. Scroll through the slices to see all of them."),
            "MedImgSegmentation",
            ("flair", "truth"),
        ),
        Step(
            "compare",
            _("5. Compare them with the true lesions"),
            _("Compare"),
            _("Near 1: found and true lesions are nearly the same voxels. The table has all numbers."),
            "MedImgAgreement",
            ("lesions", "found"),
        ),
    ]  # fmt: skip


class GuidedExample:
    """Fills a section of the host page; the work is done in a thread, the user can go on meanwhile.

    Parameters
    ----------
    column
        Layout that the steps go into.
    make
        Makes the sample from `progress`, in a thread.
    add
        Puts what `make` gave into the scene and gives the nodes by the names that steps need.
    open_module
        Goes to a module.
    """

    def __init__(
        self,
        column: Any,
        make: Callable[[Progress], Any],
        add: Callable[[Any], dict[str, Any]],
        open_module: Callable[[str], None],
    ) -> None:
        self._make, self._add, self._open_module = make, add, open_module
        self.nodes: dict[str, Any] = {}
        self.buttons: dict[str, Any] = {}
        self.looks: dict[str, Any] = {}
        self.layers = Layers()
        self._running: tuple[Step, Request | None, SceneRun | None] | None = None
        self.runner = Runner(self._on_progress, self._say, self._on_end)
        for step in steps():
            self._add_row(column, step)
        self.progress_bar = qt.QProgressBar()
        self.progress_bar.objectName = "guideProgressBar"
        self.progress_bar.setRange(0, 100)
        self.progress_bar.setVisible(False)
        self.status = qt.QLabel("")
        self.status.objectName = "guideStatusLabel"
        self.status.wordWrap = True
        self.status.textFormat = qt.Qt.PlainText
        column.addWidget(self.progress_bar)
        column.addWidget(self.status)
        self.update()

    def _add_row(self, column: Any, step: Step) -> None:
        row = qt.QHBoxLayout()
        title = qt.QLabel(step.title)
        title.wordWrap = True
        button = push_button(f"guide_{step.name}", step.button, lambda: self.start(step), "")
        row.addWidget(title, 1)
        row.addWidget(button)
        column.addLayout(row)
        look = qt.QLabel("")
        look.objectName = f"look_{step.name}"
        look.wordWrap = True
        look.textFormat = qt.Qt.RichText
        look.connect("linkActivated(QString)", self._open_module)
        look.setVisible(False)
        column.addWidget(look)
        self.buttons[step.name], self.looks[step.name] = button, look

    def update(self) -> None:
        """Enable the steps whose nodes are there."""
        self.nodes = {name: node for name, node in self.nodes.items() if slicer.mrmlScene.IsNodePresent(node)}
        for step in steps():
            ready = all(name in self.nodes for name in step.needs)
            button = self.buttons[step.name]
            button.enabled = ready and not self.runner.running
            button.toolTip = (
                _("Runs in the background; what to look at is said below.")
                if ready
                else _("The steps before this one come first.")
            )

    def cleanup(self) -> None:
        """The page goes away."""
        self.runner.stop()

    def start(self, step: Step) -> None:
        """Do a step."""
        self.update()
        if self.runner.running or not all(name in self.nodes for name in step.needs):
            return
        try:
            request = self._request(step.name)
            run = None if request is None else request.scene_run()
            if run is not None:
                run.collect(Progress(on_warning=self._say))
        except MedImgError as error:
            self._failed(error)
            return
        self._running = (step, request, run)
        self.progress_bar.setValue(0)
        self.progress_bar.setVisible(True)
        self.status.text = _("Running...")
        self.runner.start(self._make if run is None else run.compute)
        self.update()

    def _request(self, step: str) -> Request | None:
        """What a step runs; None for loading."""
        nodes = self.nodes
        if step == "load":
            return None
        if step == "filter":
            return _request("median", {"image": nodes["flair"]})
        if step == "register":
            return _request("register", {"fixed": nodes["flair"], "moving": nodes["t1"]}, finest_mm=2.0)
        if step == "segment":
            tissue = nodes["truth"].GetSegmentation().GetSegmentIdBySegmentName("White matter")
            given = {"image": nodes["flair"], "mask": nodes["truth"]}
            return _request("auto_threshold", given, {"mask": tissue}, segment=LESIONS)
        return _request("compare_segmentations", {"reference": nodes["lesions"], "test": nodes["found"]})

    def _on_progress(self, fraction: float, message: str) -> None:
        self.progress_bar.setValue(round(100 * fraction))

    def _on_end(self, result: Any, error: BaseException | None) -> None:
        self.progress_bar.setVisible(False)
        running, self._running = self._running, None
        if error is not None or running is None:
            self._failed(error or Cancelled())
            return
        step, request, run = running
        try:
            if request is None or run is None:
                self.nodes |= self._add(result)
                self.layers.show(background=self.nodes["flair"])
                made = self.nodes
            else:
                made = request.by_role(run.commit(Progress(on_warning=self._say)))
                show_results(request, made, self.layers)
        except Exception as problem:  # noqa: BLE001  shown to the user, see _failed
            self._failed(problem)
            return
        if step.name == "segment":
            self.nodes["found"] = made["labels"]
        self.status.text = _("Done. New: {names}.").format(names=", ".join(node.GetName() for node in made.values()))
        self._look(step, _dice(result) if step.name == "compare" else "")
        self.update()

    def _look(self, step: Step, figure: str) -> None:
        """Say what to look at."""
        label = self.looks[step.name]
        text = " ".join(filter(None, [figure, step.look]))
        link = ""
        if step.module:
            words = _("Open {module}").format(module=step.module.replace("MedImg", "MedImg "))
            link = f' <a href="{step.module}">{html.escape(words)}</a>'
        label.text = f"<i>{html.escape(text)}</i>{link}"
        label.setVisible(True)

    def _failed(self, error: BaseException) -> None:
        last_error.remember(error)
        self._say(str(error))
        self.update()

    def _say(self, sentence: str) -> None:
        self.status.text = sentence


def _request(operation: str, nodes: dict[str, Any], segments: dict[str, str] | None = None, **values: Any) -> Request:
    made = catalog.find(operation)(**values)
    outputs = {role.name: None for role in made.outputs()}
    return Request(made, {role: (node,) for role, node in nodes.items()}, segments or {}, outputs)


def _dice(result: Any) -> str:
    """The figure that the example ends with."""
    row = next(iter(result.outputs.values())).rows[0]
    return _("Dice {dice}.").format(dice=f"{row['dice']:.2f}")
