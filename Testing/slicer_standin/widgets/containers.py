"""Widgets that hold others: collapsible button and group box."""

from __future__ import annotations

from ..classes import behaviour
from ..signals import emit
from ..toolkit import QObject, QtCore, QtWidgets

TO_PARENT = "visibilityToParent"


def show_children(widget: QtWidgets.QWidget, shown: bool) -> None:
    """Hide the contents, or show those that were not hidden before."""
    for child in QObject.children(widget):
        if isinstance(child, QtWidgets.QWidget) and not child.isWindow():
            if not shown:
                child.setProperty(TO_PARENT, not child.isHidden())
            child.setVisible(shown and child.property(TO_PARENT) is not False)
    widget.updateGeometry()


class Collapsible:
    """`collapsed` is the opposite of `checked`."""

    def get_collapsed(self) -> bool:
        return not self.isChecked()

    def set_collapsed(self, collapsed: bool) -> None:
        self.setChecked(not collapsed)


@behaviour("ctkCollapsibleButton")
class CollapsibleButton(Collapsible):
    """A header that shows and hides the widget's contents."""

    def _init(self) -> None:
        self.setCheckable(True)
        self.setChecked(True)
        self.setSizePolicy(QtWidgets.QSizePolicy.Preferred, QtWidgets.QSizePolicy.Maximum)
        self.setContentsMargins(9, self._header() + 4, 9, 4)
        QObject.connect(self, QtCore.SIGNAL("toggled(bool)"), self._toggle)

    def _header(self) -> int:
        return self.fontMetrics().height() + 8

    def _toggle(self, opened: bool) -> None:
        show_children(self, opened)
        emit(self, "contentsCollapsed(bool)", not opened)

    def sizeHint(self) -> QtCore.QSize:
        layout = self.layout()
        if not self.isChecked() or layout is None:
            return QtCore.QSize(120, self._header() + 2)
        wanted = layout.totalSizeHint()
        return QtCore.QSize(max(wanted.width(), 120), max(self._header() + 2, wanted.height()))

    minimumSizeHint = sizeHint

    def paintEvent(self, event: object) -> None:
        painter, height = QtWidgets.QStylePainter(self), self._header()
        bevel = QtWidgets.QStyleOptionButton()
        bevel.initFrom(self)
        bevel.rect = QtCore.QRect(0, 0, self.width(), height)
        painter.drawControl(QtWidgets.QStyle.CE_PushButtonBevel, bevel)
        arrow = QtWidgets.QStyleOption()
        arrow.initFrom(self)
        arrow.rect = QtCore.QRect(6, (height - 10) // 2, 10, 10)
        style = QtWidgets.QStyle
        painter.drawPrimitive(style.PE_IndicatorArrowDown if self.isChecked() else style.PE_IndicatorArrowRight, arrow)
        flags = QtCore.Qt.AlignVCenter | QtCore.Qt.AlignLeft | QtCore.Qt.TextShowMnemonic
        painter.drawText(QtCore.QRect(22, 0, self.width() - 24, height), flags, self.text())


@behaviour("ctkCollapsibleGroupBox")
class CollapsibleGroupBox(Collapsible):
    """A checkable group box whose check mark shows and hides the contents."""

    def _init(self) -> None:
        self.setCheckable(True)
        QObject.connect(self, QtCore.SIGNAL("toggled(bool)"), self._toggle)

    def _toggle(self, opened: bool) -> None:
        show_children(self, opened)


@behaviour("ctkExpandableWidget")
class ExpandableWidget:
    """A frame with a grip; the grip is not modelled."""

    def updateSizeHint(self) -> None:
        self.updateGeometry()
