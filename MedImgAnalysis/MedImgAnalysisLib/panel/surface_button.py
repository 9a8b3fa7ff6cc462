"""Showing the segments of the last run as surfaces in the 3D view."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import qt
import slicer
from slicer.i18n import tr as _

from ..errors import InputError
from ..scene import outputs, showing


class SurfaceButton:
    """A button that is down while the segments that a run has written are shown in 3D."""

    def __init__(self) -> None:
        self.button = qt.QPushButton(_("Show in 3D"))
        self.button.objectName = "showIn3DButton"
        self.button.checkable = True
        self.button.toolTip = _(
            "Show the new segments as surfaces in the 3D view; a layout without one gets one. Measures do not use them."
        )
        self.button.connect("clicked(bool)", self._clicked)
        self._shown: list[tuple[Any, list[str]]] = []
        self.offer(())

    def offer(self, nodes: Iterable[Any]) -> None:
        """Offer the segments that the run behind these nodes has written; none hides the button."""
        self._shown = [(node, segments) for node in nodes if (segments := outputs.segments_of(node))]
        self.button.setChecked(bool(self._shown) and all(showing.shown_in_3d(*pair) for pair in self._shown))
        self.button.setVisible(bool(self._shown))

    def _clicked(self, down: bool) -> None:
        for node, segments in self._shown:
            if not down:
                showing.hide_in_3d(node, segments)
                continue
            try:
                with slicer.util.WaitCursor():
                    showing.show_in_3d(node, segments)
            except InputError as error:
                self.button.setChecked(False)
                slicer.util.warningDisplay(str(error))
        manager = slicer.app.layoutManager()
        if down and manager is not None:
            showing.layout_with_3d(manager)
