"""The Tab key goes through a page from top to bottom, whatever was made first."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import qt

TAB = 1
"""Bit of a focus policy that says that Tab reaches the widget (Qt.TabFocus)."""


def arrange(root: Any) -> None:
    """Put the widgets below `root` into the order in which they are laid out; again when rows were made anew."""
    for one, following in pairwise(in_order(root)):
        qt.QWidget.setTabOrder(one, following)


def in_order(widget: Any) -> list[Any]:
    """The widgets that Tab can reach, as they are laid out: by rows, from left to right."""
    found = [widget] if int(widget.focusPolicy) & TAB else []
    layout = widget.layout()
    return found + (_of_layout(layout) if layout is not None else [])


def _of_layout(layout: Any) -> list[Any]:
    found: list[Any] = []
    for number in range(layout.count()):
        item = layout.itemAt(number)
        if not hasattr(item, "widget"):  # a layout in a layout comes as itself, or as a plain item
            found += _of_layout(item)
        elif item.widget() is not None:
            found += in_order(item.widget())
        elif item.layout() is not None:
            found += _of_layout(item.layout())
    return found
