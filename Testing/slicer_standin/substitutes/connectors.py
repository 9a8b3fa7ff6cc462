"""Which widget can show which parameter: how it is set up, read, written, and the signal of a change."""

from __future__ import annotations

import enum
from collections.abc import Callable

from .. import signals
from ..toolkit import QtWidgets
from .annotations import (
    Choice,
    Decimals,
    FloatRange,
    Maximum,
    Minimum,
    RangeBounds,
    SingleStep,
    WithinRange,
    findFirstAnnotation,
    getNodeTypes,
    node_types,
    splitAnnotations,
)
from .parameter import PATHS


class Connector:
    """A widget bound to a parameter type; RuntimeError where Slicer has no connector for the pair."""

    def __init__(self, widget, hint) -> None:
        self.widget, self.hint, self.function = widget, hint, None
        self.kind, self.annotations = splitAnnotations(hint)
        self.signal: str | None = None
        prepared = any(
            prepare(self, type(widget).__name__) for prepare in (_check, _number, _choice, _text, _path, _range, _node)
        )
        if not prepared:
            raise RuntimeError(
                f"Unable to create GUI connector from datatype '{self.kind}' to widget type '{type(widget).__name__}'"
            )

    def bind(
        self,
        signal: str | None,
        prop: str,
        from_widget: Callable = lambda value: value,
        to_widget: Callable = lambda value: value,
    ):
        """Connect to a property of the widget."""
        self.signal = signal
        self.read = lambda: from_widget(self.widget.property(prop))
        self.write = lambda value: self.widget.setProperty(prop, to_widget(value))
        return True

    def annotation(self, kind: type):
        return findFirstAnnotation(self.annotations, kind)

    def connect(self, function: Callable) -> None:
        self.function = function
        if self.signal:
            signals.connect(self.widget, self.signal, function)

    def disconnect(self) -> None:
        if self.signal and self.function:
            signals.disconnect(self.widget, self.signal, self.function)


def _check(own: Connector, widget: str) -> bool:
    if own.kind is not bool:
        return False
    if widget in ("QCheckBox", "ctkCheckBox"):
        return own.bind("stateChanged(int)", "checked")
    if widget in ("QPushButton", "ctkCheckablePushButton"):
        own.widget.setProperty("checkable", True)
        return own.bind("toggled(bool)", "checked")
    return False


def _number(own: Connector, widget: str) -> bool:
    whole = ("QSlider", "QSpinBox")
    sliders = ("QSlider", "ctkSliderWidget", "qMRMLSliderWidget")
    real = (
        "QDoubleSpinBox",
        "ctkSliderWidget",
        "qMRMLSliderWidget",
        "ctkDoubleSlider",
        "ctkDoubleSpinBox",
        "qMRMLSpinBox",
    )
    if own.kind not in (int, float) or widget not in (whole + real if own.kind is int else real):
        return False
    both, low, high = own.annotation(WithinRange), own.annotation(Minimum), own.annotation(Maximum)
    minimum = both.minimum if both else low.minimum if low else None
    maximum = both.maximum if both else high.maximum if high else None
    if widget in sliders and None in (minimum, maximum):
        raise RuntimeError(f"Cannot have a connection to {widget} where the type is unbounded")
    prepare = own.widget.setProperty
    if widget not in whole and widget != "ctkDoubleSlider":
        if own.kind is int:
            prepare("decimals", 0)
        elif own.annotation(Decimals):
            prepare("decimals", own.annotation(Decimals).value)
    if own.annotation(SingleStep):
        prepare("singleStep", own.annotation(SingleStep).value)
    lowest, highest = (-(2**31), 2**31 - 1) if widget in whole else (float("-inf"), float("inf"))
    prepare("minimum", lowest if minimum is None else minimum)
    prepare("maximum", highest if maximum is None else maximum)
    return own.bind("valueChanged(int)" if widget in whole else "valueChanged(double)", "value", own.kind)


def _choice(own: Connector, widget: str) -> bool:
    is_enum = isinstance(own.kind, type) and issubclass(own.kind, enum.Enum)
    if widget not in ("QComboBox", "ctkComboBox") or not (is_enum or own.kind in (int, float, str, bool)):
        return False
    if is_enum:
        choices = list(own.kind)
        labels = [choice.label() if hasattr(choice, "label") else choice.name for choice in choices]
    elif own.annotation(Choice):
        choices = list(own.annotation(Choice).choices)
        labels = [str(choice) for choice in choices]
    else:
        raise RuntimeError("a combo box needs the Choice annotation")
    own.widget.clear()
    own.widget.addItems(labels)
    return own.bind("currentIndexChanged(int)", "currentIndex", lambda index: choices[index], choices.index)


def _text(own: Connector, widget: str) -> bool:
    if own.kind is not str:
        return False
    if widget == "QLineEdit":
        own.bind("textChanged(QString)", "text")
        own.write = lambda text: text == own.widget.text() or own.widget.setText(text)  # keeps the cursor
        return True
    if widget == "QLabel":
        return own.bind(None, "text")
    return widget == "QTextEdit" and own.bind("textChanged()", "plainText")


def _path(own: Connector, widget: str) -> bool:
    prop = {"ctkPathLineEdit": "currentPath", "ctkDirectoryButton": "directory"}.get(widget)
    return own.kind in PATHS and prop is not None and own.bind(f"{prop}Changed(QString)", prop, own.kind, str)


def _range(own: Connector, widget: str) -> bool:
    if own.kind is not FloatRange or widget not in ("ctkRangeWidget", "qMRMLRangeWidget", "ctkDoubleRangeSlider"):
        return False
    bounds = own.annotation(RangeBounds)
    if bounds is None:
        raise RuntimeError("a range widget needs the RangeBounds annotation")
    own.widget.setRange(bounds.minimum, bounds.maximum)
    own.signal = "valuesChanged(double,double)"
    own.read = lambda: FloatRange(own.widget.property("minimumValue"), own.widget.property("maximumValue"))
    own.write = lambda value: own.widget.setValues(value.minimum, value.maximum)
    return True


def _node(own: Connector, widget: str) -> bool:
    if widget != "qMRMLNodeComboBox" or not node_types(own.kind):
        return False
    own.widget.setProperty("nodeTypes", list(getNodeTypes(own.kind)))
    own.signal, own.read, own.write = (
        "currentNodeChanged(vtkMRMLNode*)",
        own.widget.currentNode,
        own.widget.setCurrentNode,
    )
    return True


def parameter_name(widget: QtWidgets.QWidget) -> str | None:
    return widget.property("SlicerParameterName")
