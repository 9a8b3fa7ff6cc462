"""The steps of a recipe as a list: order by dragging, switch off, problems in red at their step."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import qt
import slicer
from slicer.i18n import tr as _

from ..recipe import Recipe, Step
from ..recipe_edit import operation_of
from ..recipe_steps import names_of
from .colours import OFF, on_base
from .translated import catalog_text

ID_ROLE = qt.Qt.UserRole
HEIGHT = 150


class StepList:
    """Shows the steps; says what the user does with them.

    Parameters
    ----------
    on_select
        Called with the id of the step that was selected.
    on_order
        Called with all ids after a step was dragged to another place.
    on_switch
        Called with (id, enabled).
    on_action
        Called with ("up", "down", "duplicate" or "remove", id).
    """

    def __init__(
        self,
        on_select: Callable[[str], None],
        on_order: Callable[[list[str]], None],
        on_switch: Callable[[str, bool], None],
        on_action: Callable[[str, str], None],
    ) -> None:
        self._on_select, self._on_order, self._on_switch, self._on_action = on_select, on_order, on_switch, on_action
        self._showing = False
        self.widget = qt.QWidget()
        column = qt.QVBoxLayout(self.widget)
        column.setContentsMargins(0, 0, 0, 0)
        self.list = qt.QListWidget()
        self.list.objectName = "stepList"
        self.list.toolTip = _("Drag steps to order them. A step whose box is not checked is left out.")
        self.list.minimumHeight = HEIGHT
        self.list.setDragDropMode(qt.QAbstractItemView.InternalMove)
        self.list.setSelectionMode(qt.QAbstractItemView.SingleSelection)
        self.list.setAlternatingRowColors(True)
        self.list.wordWrap = True
        self.list.connect("currentRowChanged(int)", self._selected)
        self.list.connect("itemChanged(QListWidgetItem*)", self._item_changed)
        model = self.list.model()
        # A drop is a move of rows, or an insertion and a removal, by the version of Qt.
        model.connect("rowsMoved(QModelIndex,int,int,QModelIndex,int)", self._order_later)
        model.connect("rowsRemoved(QModelIndex,int,int)", self._order_later)
        column.addWidget(self.list)
        row = qt.QHBoxLayout()
        self.buttons: dict[str, Any] = {}
        for name, text, tip in (
            ("up", _("Up"), _("Move the selected step before the one above it.")),
            ("down", _("Down"), _("Move the selected step behind the one below it.")),
            ("duplicate", _("Duplicate"), _("Put a copy of the selected step behind it.")),
            ("remove", _("Remove"), _("Take the selected step out of the recipe.")),
        ):
            button = qt.QPushButton(text)
            button.objectName = f"{name}StepButton"
            button.toolTip = tip
            button.connect("clicked()", lambda name=name: self._pressed(name))
            self.buttons[name] = button
            row.addWidget(button)
        column.addLayout(row)

    def selected(self) -> str:
        """The id of the selected step, empty without one."""
        item = self.list.currentItem()
        return str(item.data(ID_ROLE) or "") if item is not None else ""

    def ids(self) -> list[str]:
        """The ids in the order shown."""
        return [str(self.list.item(row).data(ID_ROLE)) for row in range(self.list.count)]

    def show(self, recipe: Recipe, problems: Mapping[str, str], selected: str) -> None:
        """Show the steps of a recipe; `problems` has a sentence by step id."""
        self._showing = True
        try:
            if self.ids() != [step.id for step in recipe.steps]:
                self.list.clear()
                for step in recipe.steps:
                    self.list.addItem("")
                    self.list.item(self.list.count - 1).setData(ID_ROLE, step.id)
            for row, step in enumerate(recipe.steps):
                self._fill(self.list.item(row), row, step, problems.get(step.id, ""))
            at = next((row for row, step in enumerate(recipe.steps) if step.id == selected), -1)
            self.list.setCurrentRow(at)
        finally:
            self._showing = False
        self.buttons["up"].enabled = at > 0
        self.buttons["down"].enabled = 0 <= at < len(recipe.steps) - 1
        self.buttons["duplicate"].enabled = self.buttons["remove"].enabled = at >= 0

    def _fill(self, item: Any, row: int, step: Step, problem: str) -> None:
        operation = operation_of(step)
        title = catalog_text(operation.title) if operation is not None else step.operation
        name = f" ({step.id})" if step.id != step.operation else ""
        below = problem or _flow(step)
        item.setText(f"{row + 1}. {title}{name}\n{below}")
        item.setToolTip(problem or below)
        item.setCheckState(qt.Qt.Checked if step.enabled else qt.Qt.Unchecked)
        color = on_base(self.list) if problem else None if step.enabled else on_base(self.list, OFF)
        item.setData(qt.Qt.ForegroundRole, qt.QBrush(qt.QColor(color)) if color else None)
        style = slicer.app.style()
        item.setIcon(style.standardIcon(qt.QStyle.SP_MessageBoxWarning) if problem else qt.QIcon())

    def _selected(self, row: int) -> None:
        if not self._showing and row >= 0:
            self._on_select(self.selected())

    def _item_changed(self, item: Any) -> None:
        if not self._showing:
            self._on_switch(str(item.data(ID_ROLE)), int(item.checkState()) == int(qt.Qt.Checked))

    def _order_later(self, *_arguments: Any) -> None:
        if not self._showing:
            qt.QTimer.singleShot(0, self._ordered)

    def _ordered(self) -> None:
        self._on_order(self.ids())

    def _pressed(self, name: str) -> None:
        if self.selected():
            self._on_action(name, self.selected())


def _flow(step: Step) -> str:
    """What a step takes and makes, by name."""
    taken = ", ".join(name for bound in step.inputs.values() for name in names_of(bound)) or "-"
    return f"{taken} -> {', '.join(step.outputs.values()) or '-'}"
