"""The parameter form of an operation, made from `Operation.parameters()` and nothing else."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import qt
from slicer.i18n import tr as _

from ..errors import ParameterError
from ..operation import Operation
from .fields import Field, field_for, narrow_combo, unit_words
from .translated import catalog_text


class ParameterForm:
    """A row per parameter, presets and Reset.

    Parameters
    ----------
    operation
        The operation class.
    on_change
        Called after the user changed something; not called by `show`.
    """

    def __init__(self, operation: type[Operation], on_change: Callable[[], None]) -> None:
        self.operation = operation
        self._on_change = on_change
        self._showing = True
        self.widget = qt.QWidget()
        rows = qt.QFormLayout(self.widget)
        rows.setContentsMargins(0, 0, 0, 0)
        rows.fieldGrowthPolicy = qt.QFormLayout.AllNonFixedFieldsGrow
        self._build_presets()
        if operation.parameters():
            title = qt.QLabel(_("Preset:"))
            title.setBuddy(self.preset)
            rows.addRow(title, self.preset_row)
        else:
            rows.addRow(qt.QLabel(_("There is nothing to set.")))
        self.fields: dict[str, Field] = {}
        self.hints: dict[str, Any] = {}
        # The name of the result comes last, wherever the operation declares it.
        for parameter in sorted(operation.parameters(), key=lambda one: one.name == "segment"):
            likely = [parameter.default, *(preset.get(parameter.name) for preset in operation.presets.values())]
            field = field_for(parameter, operation.name, self._edited, likely)
            self.fields[parameter.name] = field
            label = qt.QLabel(_("{title}:").format(title=catalog_text(parameter.title)))
            label.toolTip = field.widget.toolTip
            label.setBuddy(field.widget)
            rows.addRow(label, self._with_hint(field))
        self._showing = False
        self.show(operation().values())

    def _build_presets(self) -> None:
        self.preset_row = qt.QWidget(self.widget)
        row = qt.QHBoxLayout(self.preset_row)
        row.setContentsMargins(0, 0, 0, 0)
        self.preset = narrow_combo()
        self.preset.objectName = "presetSelector"
        self.preset.toolTip = _("Sets of parameters that suit common cases. Any change makes it Custom.")
        self.preset.addItem(_("Defaults"))
        for name in self.operation.presets:
            self.preset.addItem(catalog_text(name))
        self.preset.addItem(_("Custom"))
        self.preset.connect("currentIndexChanged(int)", self._preset_chosen)
        self.reset_button = qt.QPushButton(_("Reset"))
        self.reset_button.objectName = "resetButton"
        self.reset_button.toolTip = _("Set all parameters of this operation to their defaults.")
        self.reset_button.connect("clicked()", self.reset)
        row.addWidget(self.preset, 1)
        row.addWidget(self.reset_button)
        self.preset_row.setVisible(bool(self.operation.parameters()))

    def _with_hint(self, field: Field) -> Any:
        """The unit behind numbers in a line of text; behind a count of voxels how many millimetres that is."""
        unit = field.parameter.unit
        if unit != "voxels" and not (unit and field.parameter.kind == "floats"):
            return field.widget
        box = qt.QWidget()
        row = qt.QHBoxLayout(box)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(field.widget, 1)
        hint = qt.QLabel(unit_words(unit) if field.parameter.kind == "floats" else "")
        hint.objectName = f"hint_{field.parameter.name}"
        row.addWidget(hint)
        if unit == "voxels" and field.parameter.kind != "floats":
            self.hints[field.parameter.name] = hint
        return box

    def _edited(self) -> None:
        if not self._showing:
            self._update_preset()
            self._on_change()

    def _preset_chosen(self, index: int) -> None:
        if self._showing:
            return
        names = list(self.operation.presets)
        if index == 0:
            self.reset()
        elif index <= len(names):
            self.show(self.operation.preset(names[index - 1]).values())
            self._on_change()
        else:
            self._update_preset()

    def reset(self) -> None:
        """Back to the defaults."""
        self.show(self.operation().values())
        self._on_change()

    def show(self, values: Mapping[str, Any]) -> None:
        """Show these parameter values (as JSON values); `ParameterError` when they are not valid."""
        checked = self.operation.from_parameters(values)
        self._showing = True
        try:
            for name, field in self.fields.items():
                field.show(getattr(checked, name))
        finally:
            self._showing = False
        self._update_preset()

    def build(self) -> Operation:
        """The operation with the values shown; raises `ParameterError`."""
        return self.operation.from_parameters({name: field.value() for name, field in self.fields.items()})

    def problem(self) -> str:
        """What is wrong with the values shown, empty when nothing is."""
        try:
            self.build()
        except ParameterError as error:
            return str(error)
        return ""

    def show_spacing(self, spacing: tuple[float, ...] | None) -> None:
        """Say beside counts of voxels how many millimetres they are on an image of this spacing (i, j, k)."""
        for name, hint in self.hints.items():
            count = None if self.problem() else self.fields[name].value()
            if spacing is None or count is None:
                hint.setText("")
            else:
                lengths = " x ".join(f"{count * length:.3g}" for length in spacing)
                hint.setText(_("= {lengths} mm").format(lengths=lengths))

    def _update_preset(self) -> None:
        """Name the preset whose values are shown."""
        index = len(self.operation.presets) + 1
        if not self.problem():
            values = self.build().values()
            known = [self.operation(), *(self.operation.preset(name) for name in self.operation.presets)]
            index = next((i for i, one in enumerate(known) if one.values() == values), index)
        was, self._showing = self._showing, True
        self.preset.currentIndex = index
        self._showing = was
