"""The rows of one step: what it takes and what it makes, by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import ctk
import qt
from slicer.i18n import tr as _

from ..operation import Role
from ..recipe import Recipe, Step
from ..recipe_steps import names_of
from .fields import narrow_combo
from .selectors import kind_title
from .translated import catalog_text

NEW = "\n"
"""Stands for a new input among the names to choose from; no name has it."""


class TakenRow:
    """A role that takes one value: a combo box with the names that fit.

    `on_choice` is called with the role and a name, None for no value, `NEW` for a new input.
    """

    def __init__(self, role: Role, on_choice: Callable[[Role, Any], None]) -> None:
        self.role = role
        self._on_choice = on_choice
        self._showing = False
        self._entries: list[tuple[str, str]] = []
        self.widget = narrow_combo()
        self.widget.objectName = f"take_{role.name}"
        self.widget.toolTip = catalog_text(role.description) or _("The {kind} to work on.").format(
            kind=kind_title(role.kind)
        )
        self.widget.connect("currentIndexChanged(int)", self._chosen)

    def show(self, bound: Any, names: list[str], inputs: set[str]) -> None:
        """Show what the role is bound to, and the names that it could be bound to."""
        current = bound if isinstance(bound, str) else next(iter(names_of(bound or [])), "")
        entries = [(_("Choose...") if self.role.required else _("None (optional)"), "")]
        entries += [(_("{name} (input)").format(name=name) if name in inputs else name, name) for name in names]
        if current and current not in names:
            entries.append((_("{name} (not there)").format(name=current), current))
        entries.append((_("New input..."), NEW))
        self._showing = True
        if entries != self._entries:
            self._entries = entries
            self.widget.clear()
            for text, name in entries:
                self.widget.addItem(text, name)
        self.widget.currentIndex = max(0, self.widget.findData(current))
        self._showing = False

    def _chosen(self, index: int) -> None:
        if not self._showing and index >= 0:
            self._on_choice(self.role, self.widget.itemData(index) or None)


class TakenListRow:
    """A role that takes several values: a combo box with check marks."""

    def __init__(self, role: Role, on_choice: Callable[[Role, Any], None]) -> None:
        self.role = role
        self._on_choice = on_choice
        self._showing = False
        self._entries: list[tuple[str, str]] = []
        self.widget = qt.QWidget()
        row = qt.QHBoxLayout(self.widget)
        row.setContentsMargins(0, 0, 0, 0)
        self.combo = ctk.ctkCheckableComboBox()
        self.combo.objectName = f"take_{role.name}"
        self.combo.sizeAdjustPolicy = qt.QComboBox.AdjustToMinimumContentsLengthWithIcon
        self.combo.minimumContentsLength = 8
        self.combo.toolTip = catalog_text(role.description) or _("Check all that are to be taken.")
        self.combo.connect("checkedIndexesChanged()", self._checked)
        self.more = qt.QPushButton(_("New input"))
        self.more.objectName = f"more_{role.name}"
        self.more.toolTip = _("Add an input to the recipe and take it.")
        self.more.connect("clicked()", lambda: self._on_choice(self.role, NEW))
        row.addWidget(self.combo, 1)
        row.addWidget(self.more)

    def show(self, bound: Any, names: list[str], inputs: set[str]) -> None:
        """Show what the role is bound to, and the names that it could be bound to."""
        taken = names_of(bound or [])
        entries = [(name, name) for name in names]
        entries += [(_("{name} (not there)").format(name=name), name) for name in taken if name not in names]
        self._showing = True
        if entries != self._entries:  # else the list that the user has open stays open
            self._entries = entries
            self.combo.clear()
            for text, _name in entries:
                self.combo.addItem(text)
        for number, (_text, name) in enumerate(entries):
            index = self.combo.checkableModel().index(number, 0)
            state = qt.Qt.Checked if name in taken else qt.Qt.Unchecked
            if int(self.combo.checkState(index)) != int(state):
                self.combo.setCheckState(index, state)
        self._showing = False

    def _checked(self) -> None:
        if not self._showing:
            rows = sorted(index.row() for index in self.combo.checkedIndexes())
            self._on_choice(self.role, [self._entries[row][1] for row in rows])


def taken_row(role: Role, on_choice: Callable[[Role, Any], None]) -> TakenRow | TakenListRow:
    """The row that suits a role."""
    return (TakenListRow if role.many else TakenRow)(role, on_choice)


class MadeRow:
    """A result: whether it is kept, and its name.

    `on_keep` is called with (name, kept), `on_name` with (old name, new name).
    """

    def __init__(self, role: Role, on_keep: Callable[[str, bool], None], on_name: Callable[[str, str], None]) -> None:
        self.role = role
        self._on_keep, self._on_name = on_keep, on_name
        self._name = ""
        self._showing = False
        self.widget = qt.QWidget()
        row = qt.QHBoxLayout(self.widget)
        row.setContentsMargins(0, 0, 0, 0)
        self.edit = qt.QLineEdit()
        self.edit.objectName = f"make_{role.name}"
        self.edit.toolTip = _("The name of this {kind}; later steps and files use it.").format(
            kind=kind_title(role.kind)
        )
        self.edit.connect("editingFinished()", self._edited)
        self.box = qt.QCheckBox(_("Keep"))
        self.box.objectName = f"keep_{role.name}"
        self.box.toolTip = _("Keep it as a result of the recipe: a node, or a file.")
        self.box.connect("toggled(bool)", self._toggled)
        row.addWidget(self.edit, 1)
        row.addWidget(self.box)

    def show(self, step: Step, recipe: Recipe) -> None:
        """Show the name of the result in this step, and whether the recipe keeps it."""
        self._name = step.outputs.get(self.role.name, "")
        self._showing = True
        if self.edit.text != self._name:
            self.edit.text = self._name
        self.edit.enabled = bool(self._name)
        self.box.checked = self._name in recipe.outputs
        self.box.enabled = bool(self._name) and step.enabled
        self._showing = False

    def _edited(self) -> None:
        name = self.edit.text.strip()
        if not self._showing and self._name and name != self._name:
            self._on_name(self._name, name)

    def _toggled(self, kept: bool) -> None:
        if not self._showing:
            self._on_keep(self._name, bool(kept))
