"""Widgets of two numbers: ctkRangeWidget, ctkDoubleRangeSlider, qMRMLRangeWidget."""

from __future__ import annotations

from ..classes import behaviour, store, value
from ..signals import emit
from ..toolkit import QtCore, QtWidgets
from .numbers import row


class Range:
    """minimumValue <= maximumValue within [minimum, maximum]."""

    defaults = {
        "minimum": 0.0,
        "maximum": 99.0,
        "minimumValue": 0.0,
        "maximumValue": 99.0,
        "decimals": 2,
        "singleStep": 1.0,
    }

    def _init(self) -> None:
        self._own.spins = QtWidgets.QDoubleSpinBox(self), QtWidgets.QDoubleSpinBox(self)
        self._own.busy = False
        low, high = self._own.spins
        row(self, low, QtWidgets.QSlider(QtCore.Qt.Horizontal, self), high)
        for spin in self._own.spins:
            spin.valueChanged.connect(lambda new: self._own.busy or self.setValues(low.value(), high.value()))
        self._show()

    def _show(self) -> None:
        self._own.busy = True
        for spin, name in zip(self._own.spins, ("minimumValue", "maximumValue")):
            spin.setDecimals(value(self, "decimals"))
            spin.setSingleStep(value(self, "singleStep"))
            spin.setSuffix(value(self, "suffix") or "")
            spin.setPrefix(value(self, "prefix") or "")
            spin.setRange(value(self, "minimum"), value(self, "maximum"))
            spin.setValue(value(self, name))
        self._own.busy = False

    def setRange(self, low: float, high: float) -> None:
        changed = [store(self, "minimum", float(low)), store(self, "maximum", float(high))]
        if any(changed):
            emit(self, "rangeChanged(double,double)", float(low), float(high))
        self.setValues(value(self, "minimumValue"), value(self, "maximumValue"))

    def setValues(self, low: float, high: float) -> None:
        bottom, top = value(self, "minimum"), value(self, "maximum")
        low, high = sorted(min(top, max(bottom, float(number))) for number in (low, high))
        low_changed, high_changed = store(self, "minimumValue", low), store(self, "maximumValue", high)
        self._show()
        if low_changed:
            emit(self, "minimumValueChanged(double)", low)
        if high_changed:
            emit(self, "maximumValueChanged(double)", high)
        if low_changed or high_changed:
            emit(self, "valuesChanged(double,double)", low, high)

    def set_minimumValue(self, low: float) -> None:
        self.setValues(low, value(self, "maximumValue"))

    def set_maximumValue(self, high: float) -> None:
        self.setValues(value(self, "minimumValue"), high)

    def set_minimum(self, low: float) -> None:
        self.setRange(low, max(low, value(self, "maximum")))

    def set_maximum(self, high: float) -> None:
        self.setRange(min(high, value(self, "minimum")), high)

    def set_singleStep(self, step: float) -> None:
        store(self, "singleStep", step)
        self._show()


@behaviour("ctkRangeWidget")
class RangeWidget(Range):
    def set_decimals(self, decimals: int) -> None:
        store(self, "decimals", decimals)
        self._show()

    def set_suffix(self, text: str) -> None:
        store(self, "suffix", text)
        self._show()

    def set_prefix(self, text: str) -> None:
        store(self, "prefix", text)
        self._show()

    def reset(self) -> None:
        self.setValues(value(self, "minimum"), value(self, "maximum"))


@behaviour("ctkDoubleRangeSlider")
class DoubleRangeSlider(Range):
    defaults = Range.defaults | {"decimals": 12}


@behaviour("qMRMLRangeWidget")
class UnitAwareRange:
    """The scene only gives units here, which are not modelled."""

    def setMRMLScene(self, scene: object) -> None:
        store(self, "mrmlScene", scene)
