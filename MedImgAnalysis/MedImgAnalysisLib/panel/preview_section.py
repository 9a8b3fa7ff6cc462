"""Preview of the slice that a view shows, while parameters are changed.

The slice is computed in a thread by the code of the whole run and laid over the original in that view. It is a node
that is neither listed nor saved, and it goes when the preview is switched off.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import ctk
import qt
import slicer
from slicer.i18n import tr as _
from slicer.util import VTKObservationMixin

from ..errors import Cancelled, MedImgError
from ..operation import Operation
from ..preview import Preview
from ..progress import Progress
from ..scene.previews import Place, SlicePreview, stamps_of, view_names, view_nodes
from ..scene.sources import Source
from .fields import narrow_combo
from .request import Request
from .runner import Runner

DELAY_MS = 60
"""A change that comes sooner after another one is shown with it."""
MODIFIED = "ModifiedEvent"


class PreviewSection(VTKObservationMixin):
    """A check box, the view, a slider between before and after, and a line that says what is shown.

    Parameters
    ----------
    request
        Gives what Apply would run; may raise `MedImgError`.
    """

    def __init__(self, request: Callable[[], Request]) -> None:
        VTKObservationMixin.__init__(self)
        self._request = request
        self._shown: SlicePreview | None = None
        self._computing: tuple[Operation, Place] | None = None
        self._at: Place | None = None
        self._again = False
        self.runner = Runner(self._on_progress, self._on_warning, self._on_end)
        self._warnings: list[str] = []
        self._timer = qt.QTimer()
        self._timer.singleShot = True
        self._timer.interval = DELAY_MS
        self._timer.connect("timeout()", self._compute)
        self._build()
        self.addObserver(slicer.mrmlScene, slicer.vtkMRMLScene.StartSaveEvent, self._scene_is_saved)

    def _build(self) -> None:
        self.widget = qt.QWidget()
        column = qt.QVBoxLayout(self.widget)
        column.setContentsMargins(0, 0, 0, 0)
        row = qt.QHBoxLayout()
        self.check_box = qt.QCheckBox(_("Preview in"))
        self.check_box.objectName = "previewCheckBox"
        self.check_box.toolTip = _(
            "Show at once what the operation makes of the slice that the view shows. The scene stays as it is."
        )
        self.check_box.connect("toggled(bool)", self._toggled)
        self.view = narrow_combo()
        self.view.objectName = "previewView"
        self.view.toolTip = _("The slice view in which the preview is shown.")
        for name in view_names():
            self.view.addItem(name)
        self.view.connect("currentIndexChanged(int)", self._view_chosen)
        self.fade = ctk.ctkSliderWidget()
        self.fade.objectName = "previewFade"
        self.fade.minimum, self.fade.maximum, self.fade.singleStep, self.fade.decimals = 0, 100, 5, 0
        self.fade.value = 100
        self.fade.suffix = " %"
        self.fade.toolTip = _("0 shows the original, 100 the preview.")
        self.fade.connect("valueChanged(double)", self._faded)
        self.swap = qt.QPushButton(_("Before/After"))
        self.swap.objectName = "previewSwap"
        self.swap.toolTip = _("Change between the original and the preview.")
        self.swap.connect("clicked()", self._swapped)
        row.addWidget(self.check_box)
        row.addWidget(self.view)
        row.addWidget(self.fade, 1)
        row.addWidget(self.swap)
        column.addLayout(row)
        self.status = qt.QLabel("")
        self.status.objectName = "previewStatus"
        self.status.wordWrap = True
        column.addWidget(self.status)
        self._show_controls(False)

    def _show_controls(self, on: bool) -> None:
        for widget in (self.fade, self.swap, self.status):
            widget.setVisible(on)

    @property
    def on(self) -> bool:
        """Whether previews are wanted."""
        return bool(self.check_box.checked)

    def show_for(self, operation: type[Operation]) -> None:
        """Offer previews where an image becomes an image or segments; whether there is one, the status line says."""
        image = any(role.kind == "image" and not role.many and role.required for role in operation.inputs())
        made = [role.kind for role in operation.outputs()]
        self.widget.setVisible(image and ("labels" in made or all(kind in ("image", "mask") for kind in made)))

    def changed(self) -> None:
        """Parameters or inputs may have changed: show the preview anew, soon."""
        if self.on:
            self._timer.start()

    def switch_off(self) -> None:
        """Take the preview away and do not make another one."""
        if self.on:
            self.check_box.setChecked(False)
        else:
            self._close()

    def cleanup(self) -> None:
        """The module goes away."""
        self.switch_off()
        self.runner.stop()
        self.removeObservers()

    def nodes_removed(self) -> None:
        """A node left the scene: a preview that is gone, or whose input is, is nothing to show."""
        if self.on and self._shown is not None and self._shown.node is not None:
            if not slicer.mrmlScene.IsNodePresent(self._shown.node):
                self._shown.node = None
                self.switch_off()
                return
            self.changed()

    def _toggled(self, on: bool) -> None:
        self._show_controls(on)
        if on:
            self.fade.value = 100
            self._observe_view()
            self._compute()
        else:
            self._close()

    def _view_chosen(self, index: int) -> None:
        if self.on:
            self._close()
            self._observe_view()
            self.changed()

    def _observe_view(self) -> None:
        nodes = view_nodes(self.view.currentText)
        if nodes is not None:
            self.addObserver(nodes[0], MODIFIED, self._view_moved)

    def _view_moved(self, caller: Any = None, event: Any = None) -> None:
        """Zoom and shift within the slice change nothing."""
        if not self.on or self._shown is None or self._at is None:
            return
        try:
            if self._shown.place(self._request().operation) != self._at:
                self.changed()
        except MedImgError as error:
            self.status.text = str(error)

    def _scene_is_saved(self, caller: Any = None, event: Any = None) -> None:
        self.switch_off()

    def _close(self) -> None:
        self._timer.stop()
        self._again = False
        self._computing = self._at = None
        if self.runner.running:
            self.runner.cancel()
        shown, self._shown = self._shown, None
        if shown is not None:
            shown.close()
        self._forget_views()
        self.status.text = ""

    def _follow_points(self, sources: Iterable[Source]) -> None:
        """Points that are placed or moved change what a preview shows."""
        for source in sources:
            node = source.node
            if node.IsA("vtkMRMLMarkupsNode") and not self.hasObserver(node, node.PointModifiedEvent, self._moved):
                for event in (node.PointModifiedEvent, node.PointRemovedEvent):
                    self.addObserver(node, event, self._moved)

    def _moved(self, caller: Any = None, event: Any = None) -> None:
        self.changed()

    def _forget_views(self) -> None:
        """Follow no slice view."""
        for view in view_names():
            nodes = view_nodes(view)
            if nodes is not None and self.hasObserver(nodes[0], MODIFIED, self._view_moved):
                self.removeObserver(nodes[0], MODIFIED, self._view_moved)

    def _compute(self) -> None:
        """Start computing the slice; what is being computed is stale and stopped first."""
        if not self.on:
            return
        if self.runner.running:
            self._again = True
            self.runner.cancel()
            return
        try:
            self._start()
        except MedImgError as error:
            self._refused(str(error))

    def _start(self) -> None:
        request = self._request()
        run = request.scene_run()
        nodes = view_nodes(self.view.currentText)
        if nodes is None:
            self._refused(_("There is no such slice view in this layout."))
            return
        if self._shown is None or self._shown.stamps != stamps_of(run):
            if self._shown is not None:
                self._shown.close()
            self._warnings = []
            self._shown = SlicePreview(run, *nodes, progress=Progress(on_warning=self._on_warning))
            self._follow_points(run.sources.values())
        operation = request.operation
        problem = self._shown.problem(operation)
        place = None if problem else self._shown.place(operation)
        if problem or place is None:
            self._refused(problem or _("The view shows no slice of the image."))
            return
        shown = self._shown
        self._computing, self._at = (operation, place), place
        self.status.text = _("Computing...")
        self.runner.start(lambda progress: shown.compute(operation, place, progress))

    def _refused(self, sentence: str) -> None:
        """Say why there is no preview; the original is shown."""
        if self._shown is not None:
            self._shown.close()
        self._at = None
        self.status.text = sentence

    def _on_progress(self, fraction: float, message: str) -> None:
        if self.on:
            self.status.text = _("Computing... {percent} %").format(percent=round(100 * fraction))

    def _on_warning(self, sentence: str) -> None:
        self._warnings.append(sentence)

    def _on_end(self, result: Preview | None, error: BaseException | None) -> None:
        computing, self._computing = self._computing, None
        if self._again:
            self._again = False
            self._compute()
            return
        if not self.on or self._shown is None or computing is None or isinstance(error, Cancelled):
            return
        if error is not None or result is None:
            self._refused(
                str(error) if isinstance(error, MedImgError) else _("No preview: {error}").format(error=error)
            )
            return
        operation, place = computing
        self._shown.show(operation, result, self.fade.value / 100)
        self.status.text = self._told(result, place)

    def _told(self, result: Preview, place: Place) -> str:
        layers = result.slab.high - result.slab.low
        text = _("Slice {index} along {axis}, {milliseconds} ms.").format(
            index=place.number, axis="ijk"[place.axis], milliseconds=round(1000 * result.seconds)
        )
        if result.seconds > 1:
            text += " " + _("Slow, since {layers} slices around it have to be read.").format(layers=layers)
        return " ".join([text, *result.warnings])

    def _faded(self, value: float) -> None:
        if self._shown is not None:
            self._shown.fade(value / 100)

    def _swapped(self) -> None:
        self.fade.value = 0 if self.fade.value > 50 else 100
