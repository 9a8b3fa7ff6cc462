"""The inputs of a recipe as rows: name and kind."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import qt
from slicer.i18n import tr as _

from .. import recipe_edit
from ..recipe import KINDS, Recipe
from .fields import narrow_combo
from .selectors import kind_title

Change = Callable[[Recipe], Recipe]


class RecipeInputs:
    """Rows of the inputs, and Add.

    Parameters
    ----------
    edit
        Called with a function that makes the changed recipe.
    """

    def __init__(self, edit: Callable[[Change], Any]) -> None:
        self._edit = edit
        self.rows: list[InputRow] = []
        self.widget = qt.QWidget()
        column = qt.QVBoxLayout(self.widget)
        column.setContentsMargins(0, 0, 0, 0)
        self.none = qt.QLabel(_("Steps add the inputs that they need."))
        column.addWidget(self.none)
        self._list = qt.QVBoxLayout()
        column.addLayout(self._list)
        row = qt.QHBoxLayout()
        self.kind = _kinds("newInputKind", _("The kind of the new input."))
        self.button = qt.QPushButton(_("Add input"))
        self.button.objectName = "addInputButton"
        self.button.toolTip = _("Add an input of this kind to the recipe.")
        self.button.connect("clicked()", self._add)
        row.addWidget(self.kind, 1)
        row.addWidget(self.button)
        column.addLayout(row)

    def show(self, recipe: Recipe) -> None:
        """Show the inputs of a recipe."""
        while len(self.rows) > len(recipe.inputs):
            row = self.rows.pop()
            row.widget.hide()
            row.widget.setParent(None)
            row.widget.deleteLater()
        while len(self.rows) < len(recipe.inputs):
            self.rows.append(InputRow(self._edit))
            self._list.addWidget(self.rows[-1].widget)
        for row, (name, kind) in zip(self.rows, recipe.inputs.items()):
            row.show(name, kind, recipe_edit.used_by(recipe, name))
        self.none.setVisible(not recipe.inputs)

    def _add(self) -> None:
        kind = KINDS[self.kind.currentIndex]
        self._edit(lambda recipe: recipe_edit.add_input(recipe, kind)[0])


class InputRow:
    """Name, kind and Remove of one input."""

    def __init__(self, edit: Callable[[Change], Any]) -> None:
        self._edit = edit
        self._name, self._kind = "", ""
        self._showing = False
        self.widget = qt.QWidget()
        row = qt.QHBoxLayout(self.widget)
        row.setContentsMargins(0, 0, 0, 0)
        self.name = qt.QLineEdit()
        self.name.objectName = "inputName"
        self.name.toolTip = _("The name of this input; in a cohort the column of this name holds its files.")
        self.name.connect("editingFinished()", self._named)
        self.kind = _kinds("inputKind", _("What this input is."))
        self.kind.connect("currentIndexChanged(int)", self._chosen)
        self.remove = qt.QPushButton(_("Remove"))
        self.remove.objectName = "removeInputButton"
        self.remove.connect("clicked()", self._removed)
        for widget, stretch in ((self.name, 1), (self.kind, 0), (self.remove, 0)):
            row.addWidget(widget, stretch)

    def show(self, name: str, kind: str, users: list[str]) -> None:
        """Show an input, and the steps that take it."""
        self._name, self._kind = name, kind
        self._showing = True
        if self.name.text != name:
            self.name.text = name
        self.kind.currentIndex = KINDS.index(kind) if kind in KINDS else -1
        self.remove.enabled = not users
        self.remove.toolTip = (
            _("Taken by {steps}.").format(steps=", ".join(users)) if users else _("Take this input out of the recipe.")
        )
        self._showing = False

    def _named(self) -> None:
        old, new = self._name, self.name.text.strip()
        if not self._showing and new != old:
            self._edit(lambda recipe: recipe_edit.rename_value(recipe, old, new))

    def _chosen(self, index: int) -> None:
        if not self._showing and index >= 0 and KINDS[index] != self._kind:
            name, kind = self._name, KINDS[index]
            self._edit(lambda recipe: recipe_edit.set_input_kind(recipe, name, kind))

    def _removed(self) -> None:
        name = self._name
        self._edit(lambda recipe: recipe_edit.remove_input(recipe, name))


def _kinds(name: str, tip: str) -> Any:
    combo = narrow_combo()
    combo.objectName = name
    combo.toolTip = tip
    for kind in KINDS:
        combo.addItem(kind_title(kind), kind)
    return combo
