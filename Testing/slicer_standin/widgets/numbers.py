"""Widgets of one number: ctkDoubleSpinBox, ctkSliderWidget, ctkDoubleSlider and their unit-aware kin."""

from __future__ import annotations

from ..classes import behaviour, store, value
from ..signals import emit
from ..toolkit import QObject, QtCore, QtWidgets

SLIDER_STEPS = 1000


def row(widget: QtWidgets.QWidget, *parts: QtWidgets.QWidget) -> None:
    """Lay out `parts` side by side without margins."""
    layout = QtWidgets.QHBoxLayout()
    layout.setContentsMargins(0, 0, 0, 0)
    for part in parts:
        layout.addWidget(part)
    QtWidgets.QWidget.setLayout(widget, layout)


class Number:
    """A value within [minimum, maximum], rounded to `decimals`, shown in a spin box and/or slider."""

    def _make_spin(self) -> QtWidgets.QDoubleSpinBox:
        spin = QtWidgets.QDoubleSpinBox(self)
        spin.setKeyboardTracking(False)
        spin.valueChanged.connect(lambda new: self._put(new))
        self._own.spin = spin
        return spin

    def _make_slider(self) -> QtWidgets.QSlider:
        slider = QtWidgets.QSlider(QtCore.Qt.Horizontal, self)
        slider.setFocusPolicy(QtCore.Qt.NoFocus)
        slider.setRange(0, SLIDER_STEPS)
        slider.valueChanged.connect(lambda step: self._put(self._at(step)))
        self._own.slider = slider
        return slider

    def _at(self, step: int) -> float:
        low = value(self, "minimum")
        return low + step / SLIDER_STEPS * (value(self, "maximum") - low)

    def _put(self, new: float) -> None:
        if getattr(self._own, "busy", False):
            return
        limited = min(value(self, "maximum"), max(value(self, "minimum"), round(float(new), value(self, "decimals"))))
        changed = store(self, "value", limited)
        self._show()
        if changed:
            emit(self, "valueChanged(double)", limited)

    def _show(self) -> None:
        """Bring the inner spin box and slider in line, without signals."""
        mine = self._own
        mine.busy = True
        low, high, now = (value(self, name) for name in ("minimum", "maximum", "value"))
        if hasattr(mine, "spin"):
            mine.spin.setDecimals(value(self, "decimals"))
            mine.spin.setRange(max(low, -1e15), min(high, 1e15))
            mine.spin.setSingleStep(value(self, "singleStep"))
            mine.spin.setPrefix(value(self, "prefix") or "")
            mine.spin.setSuffix(value(self, "suffix") or "")
            mine.spin.setValue(now)
        if hasattr(mine, "slider"):
            part = (now - low) / (high - low) if 0 < high - low < float("inf") else 0.0
            mine.slider.setValue(round(SLIDER_STEPS * part))
        mine.busy = False

    def set_value(self, new: float) -> None:
        self._put(new)

    def set_minimum(self, low: float) -> None:
        store(self, "minimum", low)
        store(self, "maximum", max(low, value(self, "maximum")))
        self._put(value(self, "value"))

    def set_maximum(self, high: float) -> None:
        store(self, "maximum", high)
        store(self, "minimum", min(high, value(self, "minimum")))
        self._put(value(self, "value"))

    def set_decimals(self, decimals: int) -> None:
        if store(self, "decimals", decimals):
            self._put(value(self, "value"))
            emit(self, "decimalsChanged(int)", decimals)

    def set_singleStep(self, step: float) -> None:
        store(self, "singleStep", step)
        self._show()

    def set_suffix(self, text: str) -> None:
        store(self, "suffix", text)
        self._show()

    def set_prefix(self, text: str) -> None:
        store(self, "prefix", text)
        self._show()

    def setValue(self, new: float) -> None:
        self._put(new)


@behaviour("ctkDoubleSpinBox")
class DoubleSpinBox(Number):
    defaults = {
        "minimum": 0.0,
        "maximum": 99.99,
        "decimals": 2,
        "value": 0.0,
        "singleStep": 1.0,
        "prefix": "",
        "suffix": "",
    }

    def _init(self) -> None:
        row(self, self._make_spin())
        self._own.spin.editingFinished.connect(lambda: emit(self, "editingFinished()"))
        self._show()

    def get_cleanText(self) -> str:
        return self._own.spin.cleanText()

    def set_readOnly(self, fixed: bool) -> None:
        store(self, "readOnly", fixed)
        self._own.spin.setReadOnly(fixed)

    def setValueIfDifferent(self, new: float) -> None:
        self._put(new)

    def setValueAlways(self, new: float) -> None:
        self._put(new)

    def stepUp(self) -> None:
        self._own.spin.stepUp()

    def stepDown(self) -> None:
        self._own.spin.stepDown()


@behaviour("ctkSliderWidget")
class SliderWidget(Number):
    defaults = {"minimum": 0.0, "maximum": 99.0, "decimals": 2, "value": 0.0, "singleStep": 1.0, "pageStep": 10.0,
                "prefix": "", "suffix": "", "tracking": True, "spinBoxVisible": True}  # fmt: skip

    def _init(self) -> None:
        row(self, self._make_slider(), self._make_spin())
        self._show()

    def set_spinBoxVisible(self, shown: bool) -> None:
        store(self, "spinBoxVisible", shown)
        self._own.spin.setVisible(shown)

    def reset(self) -> None:
        self._put(0.0)


@behaviour("ctkDoubleSlider")
class DoubleSlider(Number):
    defaults = {
        "minimum": 0.0,
        "maximum": 99.0,
        "decimals": 12,
        "value": 0.0,
        "singleStep": 1.0,
        "pageStep": 10.0,
        "tracking": True,
    }

    def _init(self) -> None:
        row(self, self._make_slider())
        self._show()

    def setOrientation(self, orientation: int) -> None:
        self._own.slider.setOrientation(QtCore.Qt.Orientation(int(orientation)))


@behaviour("ctkCoordinatesWidget")
class CoordinatesWidget:
    """`dimension` spin boxes in a row; `coordinates` is their values joined by commas."""

    defaults = {"dimension": 3, "decimals": 3, "minimum": -100000.0, "maximum": 100000.0, "singleStep": 1.0}

    def _init(self) -> None:
        row(self)
        self._own.spins = []
        self.set_dimension(3)

    def set_dimension(self, count: int) -> None:
        store(self, "dimension", count)
        for spin in self._own.spins:
            spin.deleteLater()
        self._own.spins = [QtWidgets.QDoubleSpinBox(self) for _ in range(count)]
        for spin in self._own.spins:
            spin.setRange(value(self, "minimum"), value(self, "maximum"))
            spin.setDecimals(value(self, "decimals"))
            spin.valueChanged.connect(lambda new: self._changed())
            self.layout().addWidget(spin)

    def _changed(self) -> None:
        numbers = [spin.value() for spin in self._own.spins]
        emit(self, "coordinatesChanged(double,double,double,double)", *(numbers + [0.0] * 4)[:4])

    def get_coordinates(self) -> str:
        return ",".join(f"{spin.value():g}" for spin in self._own.spins)

    def set_coordinates(self, text: str) -> None:
        for spin, number in zip(self._own.spins, text.split(",")):
            QObject.blockSignals(spin, True)
            spin.setValue(float(number))
            QObject.blockSignals(spin, False)
        self._changed()
