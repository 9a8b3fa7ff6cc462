"""One widget per parameter: it shows a value, lets the user change it, and gives it back unrounded.

A spin box rounds what it shows. A field therefore remembers the value it was given and returns
exactly that until the user edits it, so that opening a scene never changes a parameter.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

import qt
from slicer.i18n import tr as _

from ..parameters import Parameter, unit_text
from .translated import catalog_text, composed_text, known_texts

LIMIT = 1e15
"""Stands for infinity in spin boxes; integers are exact up to here."""
MOST_DECIMALS = 12
TINY = 1e-4
"""A number nearer to 0 is shown with all its digits only where somebody has chosen it."""


def decimals_for(number: Any) -> int:
    """Digits behind the point that `number` needs, at most `MOST_DECIMALS`."""
    if not isinstance(number, (int, float)) or not math.isfinite(number):
        return 0
    return next((digits for digits in range(MOST_DECIMALS) if round(number, digits) == number), MOST_DECIMALS)


def narrow_combo() -> Any:
    """A combo box that does not make the panel as wide as its longest entry."""
    combo = qt.QComboBox()
    combo.sizeAdjustPolicy = qt.QComboBox.AdjustToMinimumContentsLengthWithIcon
    combo.minimumContentsLength = 8
    return combo


def push_button(name: str, text: str, slot: Callable[[], Any], tip: str) -> Any:
    """A button with its object name, text, what it does when it is clicked, and its tool tip."""
    button = qt.QPushButton(text)
    button.objectName = name
    button.toolTip = tip
    button.connect("clicked()", slot)
    return button


def tool_tip(parameter: Parameter) -> str:
    """What the parameter does, its range with the unit, its default and its name in scripts."""
    lines = [catalog_text(parameter.description)] if parameter.description else []
    if parameter.kind == "choice":
        lines.append(_("Choices: {choices}.").format(choices=", ".join(readable(word) for word in parameter.choices)))
    elif parameter.range_text:
        lines.append(_("Range: {range}.").format(range=range_words(parameter)))
    elif parameter.unit:
        lines.append(_("Unit: {unit}.").format(unit=unit_words(parameter.unit)))
    if parameter.kind == "floats":
        lines.append(_("Several numbers, separated by commas."))
    if parameter.optional:
        lines.append(_("Not used unless the box is checked."))
    default = default_text(parameter)
    if default:
        lines.append(_("Default: {default}.").format(default=default))
    lines.append(_("Name in scripts: {name}.").format(name=parameter.name))
    return "\n".join(lines)


def readable(word: str) -> str:
    """What people read for a choice: `multi_start` is `multi start`."""
    return catalog_text(word.replace("_", " "))


def unit_words(unit: str) -> str:
    """What people read for a unit; some are products of two."""
    text = unit_text(unit)
    return " ".join(map(composed_text, [text] if text in known_texts() else text.split(" ")))


def range_words(parameter: Parameter) -> str:
    """The numbers that are allowed, with their unit."""
    low, high = f"{parameter.quantity.low:g}", f"{parameter.quantity.high:g}"
    if math.isinf(parameter.quantity.high):
        text = _("at least {low}").format(low=low)
    elif math.isinf(parameter.quantity.low):
        text = _("at most {high}").format(high=high)
    else:
        text = _("{low} to {high}").format(low=low, high=high)
    return f"{text} {unit_words(parameter.unit)}".strip()


def default_text(parameter: Parameter) -> str:
    """The default with its unit; empty where it says nothing."""
    value = parameter.default
    if value is None or value == "" or value == ():
        return ""
    if parameter.kind == "bool":
        return _("on") if value else _("off")
    if parameter.kind in ("text", "choice"):
        return readable(value) if parameter.kind == "choice" else str(value)
    numbers = ", ".join(f"{number:g}" for number in (value if parameter.kind == "floats" else (value,)))
    return f"{numbers} {unit_words(parameter.unit)}".strip()


def field_for(parameter: Parameter, operation: str, on_change: Callable[[], None], shown_with: list[Any]) -> Field:
    """The field of a parameter. `shown_with` are values it is likely to show (they set the decimals)."""
    kinds: dict[str, type[Field]] = {
        "bool": BoolField,
        "int": NumberField,
        "float": NumberField,
        "choice": ChoiceField,
        "text": TextField,
        "floats": NumbersField,
    }
    field = kinds[parameter.kind](parameter, operation, on_change, shown_with)
    return OptionalField(field) if parameter.optional else field


class Field(ABC):
    """Base: `widget` goes into the form; `value` may raise `ParameterError` for text that means nothing."""

    widget: Any

    def __init__(
        self, parameter: Parameter, operation: str, on_change: Callable[[], None], shown_with: list[Any]
    ) -> None:
        self.parameter = parameter
        self.operation = operation
        self._on_change = on_change
        self._given: Any = parameter.default
        self._build(shown_with)
        self.widget.toolTip = tool_tip(parameter)
        self.widget.objectName = f"parameter_{parameter.name}"

    @abstractmethod
    def _build(self, shown_with: list[Any]) -> None:
        """Make `widget` and connect its signal to `_edited`."""

    def _edited(self) -> None:
        self._on_change()

    @abstractmethod
    def show(self, value: Any) -> None:
        """Show `value`, which is of the type of the parameter."""

    @abstractmethod
    def value(self) -> Any:
        """The value as the parameter wants it."""

    def start_value(self) -> Any:
        """A value to begin with where the default is None."""
        return self.parameter.default


class BoolField(Field):
    """A check box."""

    def _build(self, shown_with: list[Any]) -> None:
        self.widget = qt.QCheckBox()
        self.widget.connect("toggled(bool)", lambda on: self._edited())

    def show(self, value: Any) -> None:
        self.widget.checked = bool(value)

    def value(self) -> Any:
        return bool(self.widget.checked)

    def start_value(self) -> Any:
        return False


class NumberField(Field):
    """A spin box with the unit as suffix, for whole and decimal numbers."""

    def _build(self, shown_with: list[Any]) -> None:
        box = qt.QDoubleSpinBox()
        low, high = self.parameter.quantity.low, self.parameter.quantity.high
        self._whole = self.parameter.kind == "int"
        # A limit such as 1e-9 only says that 0 is not allowed; nobody wants to read nine digits for it.
        shown = [4 if isinstance(n, float) and 0 < abs(n) < TINY else decimals_for(n) for n in (low, high, *shown_with)]
        self._decimals = 0 if self._whole else max(2, *shown)
        box.decimals = self._decimals
        box.minimum = max(low, -LIMIT)
        box.maximum = min(high, LIMIT)
        box.keyboardTracking = False
        if self._whole:
            box.singleStep = 1.0
        else:
            box.setStepType(qt.QAbstractSpinBox.AdaptiveDecimalStepType)
        if self.parameter.unit:
            box.suffix = f" {unit_words(self.parameter.unit)}"
        box.connect("valueChanged(double)", lambda number: self._edited())
        self.widget = box

    def show(self, value: Any) -> None:
        # Assigned before the box: its signal asks for the value at once.
        self._given = value
        self._shown: float | None = None
        self.widget.decimals = max(self._decimals, 0 if self._whole else decimals_for(value))
        self.widget.value = float(value)
        self._shown = self.widget.value

    def value(self) -> Any:
        number = self.widget.value
        if self._shown is None or number == self._shown:
            return self._given
        return int(number) if self._whole else float(number)

    def start_value(self) -> Any:
        if self.parameter.default is not None:
            return self.parameter.default
        low, high = self.parameter.quantity.low, self.parameter.quantity.high
        number = min(1.0 if 0 < low < TINY else max(0.0, low), high)
        return int(number) if self._whole else number


class ChoiceField(Field):
    """A combo box."""

    def _build(self, shown_with: list[Any]) -> None:
        self.widget = narrow_combo()
        for word in self.parameter.choices:
            self.widget.addItem(readable(word), word)
        self.widget.connect("currentIndexChanged(int)", lambda index: self._edited())

    def show(self, value: Any) -> None:
        self.widget.currentIndex = self.parameter.choices.index(value)

    def value(self) -> Any:
        return self.parameter.choices[self.widget.currentIndex]

    def start_value(self) -> Any:
        return self.parameter.default or self.parameter.choices[0]


class TextField(Field):
    """A line of text."""

    def _build(self, shown_with: list[Any]) -> None:
        self.widget = qt.QLineEdit()
        self.widget.connect("textChanged(QString)", lambda text: self._edited())

    def show(self, value: Any) -> None:
        self.widget.text = value

    def value(self) -> Any:
        return self.parameter.coerce(self.widget.text, self.operation)

    def start_value(self) -> Any:
        return self.parameter.default or ""


class NumbersField(TextField):
    """Numbers separated by commas."""

    def _build(self, shown_with: list[Any]) -> None:
        super()._build(shown_with)
        self.widget.placeholderText = _("for example 1, 2, 4")

    def show(self, value: Any) -> None:
        self.widget.text = ", ".join(repr(float(number)).removesuffix(".0") for number in value)

    def value(self) -> Any:
        text = self.widget.text.strip()
        return self.parameter.parse(text, self.operation) if text else self.parameter.coerce((), self.operation)

    def start_value(self) -> Any:
        return self.parameter.default or ()


class OptionalField(Field):
    """A check box in front of another field; not checked means that there is no value."""

    def __init__(self, inner: Field) -> None:
        self.inner = inner
        super().__init__(inner.parameter, inner.operation, inner._on_change, [])

    def _build(self, shown_with: list[Any]) -> None:
        self.widget = qt.QWidget()
        row = qt.QHBoxLayout(self.widget)
        row.setContentsMargins(0, 0, 0, 0)
        self.box = qt.QCheckBox()
        self.box.toolTip = tool_tip(self.parameter)
        self.box.objectName = f"use_{self.parameter.name}"
        row.addWidget(self.box)
        row.addWidget(self.inner.widget, 1)
        self.inner.show(self.inner.start_value())
        self.inner.widget.enabled = False
        self.box.connect("toggled(bool)", self._toggled)

    def _toggled(self, on: bool) -> None:
        self.inner.widget.enabled = on
        self._edited()

    def show(self, value: Any) -> None:
        if value is not None:
            self.inner.show(value)
        self.box.checked = value is not None

    def value(self) -> Any:
        return self.inner.value() if self.box.checked else None
