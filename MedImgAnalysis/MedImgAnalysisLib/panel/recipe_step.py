"""The selected step: its name, what it takes and makes, and its parameters in the form of its own module."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import qt
from slicer.i18n import tr as _

from .. import recipe_edit
from ..docstrings import summary
from ..errors import MedImgError, ParameterError
from ..operation import Operation, Role
from ..recipe import Recipe, Step
from ..recipe_steps import names_of
from .colours import on_window
from .form import ParameterForm
from .recipe_roles import NEW, MadeRow, TakenListRow, TakenRow, taken_row
from .translated import catalog_text, role_title

Change = Callable[[Recipe], Recipe]


class StepEditor:
    """Shows one step of a recipe.

    Parameters
    ----------
    edit
        Called with a function that makes the changed recipe, and the id of the step to select.

    `invalid` says what is wrong in the form while it holds something that is no parameter and not in the recipe.
    """

    def __init__(self, edit: Callable[[Change, str], Any]) -> None:
        self._edit = edit
        self._recipe = recipe_edit.empty()
        self._step: Step | None = None
        self._showing = False
        self._built = ("", "")
        self.form: ParameterForm | None = None
        self.invalid = ""
        self.takes: dict[str, TakenRow | TakenListRow] = {}
        self.makes: dict[str, MadeRow] = {}
        self._rows: Any = None
        self.widget = qt.QWidget()
        self._column = qt.QVBoxLayout(self.widget)
        self._column.setContentsMargins(0, 0, 0, 0)
        self.title = _label("stepTitle")
        self.problem = _label("stepProblem")
        name_row = qt.QHBoxLayout()
        self._name_label = qt.QLabel(_("Step name:"))
        self.name = qt.QLineEdit()
        self.name.objectName = "stepName"
        self.name.toolTip = _("What records and pages call this step.")
        self.name.connect("editingFinished()", self._named)
        name_row.addWidget(self._name_label)
        name_row.addWidget(self.name, 1)
        self._column.addWidget(self.title)
        self._column.addWidget(self.problem)
        self._column.addLayout(name_row)

    def show(self, recipe: Recipe, step: Step | None, problems: Sequence[str]) -> None:
        """Show a step and all that is wrong with it; None for no step."""
        self._recipe, self._step = recipe, step
        operation = recipe_edit.operation_of(step) if step is not None else None
        wanted = (step.id, step.operation) if step is not None else ("", "")
        if wanted != self._built:
            self._build(operation)
            self._built, self.invalid = wanted, ""
        self.name.setVisible(step is not None)
        self._name_label.setVisible(step is not None)
        said = [*problems, *([self.invalid] if self.invalid else [])]
        self.problem.styleSheet = f"color: {on_window(self.problem)};"
        self.problem.text = "\n".join(said)
        self.problem.setVisible(bool(said))
        if step is None:
            self.title.text = _("Select a step to see what it takes, what it makes and how it works.")
            return
        self._showing = True
        try:
            self.title.text = (
                f"{catalog_text(operation.title)}: {catalog_text(summary(operation.__doc__))}"
                if operation is not None
                else step.operation
            )
            if self.name.text != step.id:
                self.name.text = step.id
            at = recipe_edit.position(recipe, step.id)
            for role, row in self.takes.items():
                names = recipe_edit.offered(recipe, at, row.role.kind)
                row.show(step.inputs.get(role), names, set(recipe.inputs))
            for made in self.makes.values():
                made.show(step, recipe)
            self._show_parameters(step)
        finally:
            self._showing = False

    def _show_parameters(self, step: Step) -> None:
        """The parameters of the step; the form stays as it is where they cannot be shown, and while it is edited."""
        if self.form is None or self.invalid:
            return
        try:
            wanted = step.build().values()
        except ParameterError:
            return
        if self.form.problem() or self.form.build().values() != wanted:
            self.form.show(wanted)

    def _build(self, operation: type[Operation] | None) -> None:
        if self._rows is not None:
            self._rows.hide()
            self._rows.setParent(None)
            self._rows.deleteLater()
        self._rows = qt.QWidget()
        rows = qt.QFormLayout(self._rows)
        rows.setContentsMargins(0, 0, 0, 0)
        rows.fieldGrowthPolicy = qt.QFormLayout.AllNonFixedFieldsGrow
        self.takes, self.makes, self.form = {}, {}, None
        if operation is not None:
            rows.addRow(_heading(_("Takes")))
            for role in operation.inputs():
                taken = self.takes[role.name] = taken_row(role, self._bound)
                rows.addRow(_role_label(role), taken.widget)
            rows.addRow(_heading(_("Makes")))
            for role in operation.outputs():
                made = self.makes[role.name] = MadeRow(role, self._kept, self._renamed)
                rows.addRow(_role_label(role), made.widget)
            rows.addRow(_heading(_("Parameters")))
            self.form = ParameterForm(operation, self._form_changed)
            rows.addRow(self.form.widget)
        self._column.addWidget(self._rows)

    def _change(self, change: Change) -> None:
        if not self._showing and self._step is not None:
            self._edit(change, self._step.id)

    def _bound(self, role: Role, names: Any) -> None:
        if self._step is None:
            return
        step = self._step.id
        if names != NEW:
            self._change(lambda recipe: recipe_edit.bind(recipe, step, role.name, names))
            return

        def with_new_input(recipe: Recipe) -> Recipe:
            name = recipe_edit.unique(role.name, recipe_edit.taken_names(recipe))
            longer, name = recipe_edit.add_input(recipe, role.kind, name)
            before = recipe.steps[recipe_edit.position(recipe, step)].inputs.get(role.name, [])
            bound = [*names_of(before), name] if role.many else name
            return recipe_edit.bind(longer, step, role.name, bound)

        self._change(with_new_input)

    def _kept(self, name: str, kept: bool) -> None:
        self._change(lambda recipe: recipe_edit.keep(recipe, name, kept))

    def _renamed(self, old: str, new: str) -> None:
        self._change(lambda recipe: recipe_edit.rename_value(recipe, old, new))

    def _named(self) -> None:
        name = self.name.text.strip()
        if not self._showing and self._step is not None and name != self._step.id:
            step = self._step.id
            self._edit(lambda recipe: recipe_edit.rename_step(recipe, step, name), name)

    def _form_changed(self) -> None:
        if self.form is None or self._step is None or self._showing:
            return
        step = self._step.id
        try:
            values = self.form.build().values()
        except MedImgError as error:
            self.invalid = str(error)
            self._change(lambda recipe: recipe)
            return
        self.invalid = ""
        self._change(lambda recipe: recipe_edit.set_parameters(recipe, step, values))


def _label(name: str) -> Any:
    label = qt.QLabel("")
    label.objectName = name
    label.wordWrap = True
    label.textFormat = qt.Qt.PlainText  # names come from files of others
    return label


def _heading(text: str) -> Any:
    label = qt.QLabel(f"<b>{text}</b>")
    label.textFormat = qt.Qt.RichText
    return label


def _role_label(role: Role) -> Any:
    label = qt.QLabel(_("{title}:").format(title=role_title(role)))
    label.toolTip = catalog_text(role.description)
    return label
