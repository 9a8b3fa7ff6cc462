"""Placing points from the form: one click makes a list, chooses it, and lets the mouse place points in the views."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import qt
from slicer.i18n import tr as _
from slicer.util import VTKObservationMixin

from ..operation import Role
from ..scene import landmarks, placing, sequences

CURVE = "curve"
"""Name of a role whose points lie around something, in order; they are drawn as a closed curve."""


class PointButton(VTKObservationMixin):
    """A button beside the selector of a role of kind landmarks, down while the mouse places points in its list.

    Parameters
    ----------
    role
        The input role.
    chosen
        Gives the list that is chosen, None without one.
    choose
        Chooses a list.
    """

    def __init__(self, role: Role, chosen: Callable[[], Any], choose: Callable[[Any], None]) -> None:
        VTKObservationMixin.__init__(self)
        self._role, self._chosen, self._choose = role, chosen, choose
        self.button = qt.QPushButton(_("Draw") if role.name == CURVE else _("Place"))
        self.button.objectName = f"place_{role.name}"
        self.button.checkable = True
        self.button.toolTip = _(
            "Click points in the views; a new list is made when none is chosen. A right click or this button ends it."
        )
        self.button.connect("clicked(bool)", self._clicked)

    def update(self, caller: Any = None, event: Any = None) -> None:
        """Show whether points are placed in the chosen list, and follow the mouse as long as they are."""
        node = self._chosen()
        active = placing.active(node)
        self.button.setChecked(active)
        self.button.setEnabled(not sequences.is_sequence(node))
        if not active:
            self.removeObservers()
        elif not self.hasObserver(placing.mode_node(), placing.mode_event(), self.update):
            self.addObserver(placing.mode_node(), placing.mode_event(), self.update)

    def changed(self) -> None:
        """Another list is chosen, or none: points that are being placed go there, or nowhere."""
        if self.button.checked:
            self._clicked(self._chosen() is not None)
        self.update()

    def rest(self) -> None:
        """The page is left: the mouse moves views again where it placed points in this list."""
        if placing.active(self._chosen()):
            placing.stop()

    def cleanup(self) -> None:
        """The row goes away, and with it what it started."""
        self.removeObservers()
        self.rest()

    def _clicked(self, down: bool) -> None:
        if not down:
            placing.stop()
            return
        node = self._chosen()
        if node is None:
            kind = landmarks.CLOSED if self._role.name == CURVE else landmarks.POINTS
            node = placing.new_points(kind, self._role.title)
            placing.start(node)
            self._choose(node)
            return
        placing.start(node)
        self.update()
