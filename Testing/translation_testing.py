"""A language for tests: every letter of a translated text becomes a wide one, so plain words are untranslated."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Iterator
from typing import Any

WIDE = {code: code + 0xFEE0 for first in "aA" for code in range(ord(first), ord(first) + 26)}
LEFT_ALONE = re.compile(r"(\{\w*\}|</?[a-zA-Z][^<>]*>|&\w+;)")
"""Places for values, and tags, which translators keep."""
SLICERS = ("qMRML", "ctkPathLineEdit", "ctkSearchBox", "ctkSlider", "ctkCheckable")
"""How the names of classes begin that have widgets of their own inside."""


def wide(text: str) -> str:
    """A text in the language."""
    parts = LEFT_ALONE.split(text)
    return "".join(part if number % 2 else part.translate(WIDE) for number, part in enumerate(parts))


def plain_words(text: str, allowed: Iterable[str] = ()) -> str:
    """What is left of a text that is shown besides translated words, numbers and `allowed`; empty when nothing is."""
    words = html.unescape(re.sub(r"</?[a-zA-Z][^<>]*>", " ", text))
    for name in sorted(allowed, key=len, reverse=True):
        words = re.sub(rf"(?<![A-Za-z_]){re.escape(name)}(?![A-Za-z_])", " ", words)
    return " ".join(re.findall(r"\w*[A-Za-z]{2}\w*", words))


def make_translator() -> Any:
    """A Qt translator into the language; it keeps in `asked` what it was asked for as (context, text)."""
    from MedImgAnalysisLib.panel.translated import CONTEXT, PLACE, known_texts
    from PySide6.QtCore import QTranslator

    class Translator(QTranslator):
        def __init__(self) -> None:
            super().__init__()
            self.asked: set[tuple[str, str]] = set()

        def isEmpty(self) -> bool:
            return False

        def translate(self, context: str, text: str, disambiguation: str | None = None, n: int = -1) -> str | None:
            if not context.startswith(("panel.", "MedImg")):
                return None
            self.asked.add((context, text))
            known = context != CONTEXT or text in known_texts() or PLACE.search(text)
            return wide(text) if known else None

    return Translator()


def shown_texts(root: Any) -> Iterator[tuple[str, str]]:
    """(widget, text) of all that a widget and those in it show, hidden too; parts of Slicer's widgets are left out."""
    from PySide6.QtWidgets import QWidget

    for widget in [root, *QWidget.findChildren(root, QWidget)]:
        around = QWidget.parentWidget(widget)
        if around is not None and type(around).__name__.startswith(SLICERS):
            continue
        name = f"{type(widget).__name__} {_called(widget, 'objectName')}"
        for text in _texts(widget):
            if text:
                yield name, text


def _texts(widget: Any) -> Iterator[str]:
    for key in ("text", "title", "toolTip", "windowTitle", "placeholderText", "prefix", "suffix", "specialValueText",
                "noneDisplay", "statusTip", "whatsThis"):  # fmt: skip
        value = _called(widget, key)
        if isinstance(value, str) and not (key == "text" and _is_edit(widget)):
            yield value
    yield from _items(widget)


def _called(widget: Any, key: str) -> Any:
    """A property, which is a value in the stand-in and a function in Qt; None where there is none or it needs more."""
    value = getattr(widget, key, None)
    try:
        return value() if callable(value) else value
    except TypeError:
        return None


def _is_edit(widget: Any) -> bool:
    """Whether the text is what the user types."""
    from PySide6.QtWidgets import QAbstractSpinBox, QLineEdit

    return isinstance(widget, (QLineEdit, QAbstractSpinBox))


def _items(widget: Any) -> Iterator[str]:
    """Entries, headings and their tool tips."""
    from PySide6.QtCore import Qt
    from PySide6.QtWidgets import QComboBox, QListWidget, QTableWidget, QTextBrowser

    tip = Qt.ItemDataRole.ToolTipRole
    if isinstance(widget, QComboBox):
        for row in range(QComboBox.count(widget)):
            yield QComboBox.itemText(widget, row)
            yield str(QComboBox.itemData(widget, row, tip.value) or "")
    elif isinstance(widget, QListWidget):
        for row in range(QListWidget.count(widget)):
            item = QListWidget.item(widget, row)
            yield from (str(item.data(Qt.ItemDataRole.DisplayRole)), str(item.data(tip) or ""))
    elif isinstance(widget, QTableWidget):
        columns, rows = QTableWidget.columnCount(widget), QTableWidget.rowCount(widget)
        heads = [QTableWidget.horizontalHeaderItem(widget, at) for at in range(columns)]
        heads += [QTableWidget.verticalHeaderItem(widget, at) for at in range(rows)]
        cells = [QTableWidget.item(widget, row, column) for row in range(rows) for column in range(columns)]
        for item in filter(None, heads):
            yield from (str(item.data(Qt.ItemDataRole.DisplayRole)), str(item.data(tip) or ""))
        yield from (str(item.data(tip) or "") for item in filter(None, cells))
    elif isinstance(widget, QTextBrowser):
        yield widget.toPlainText()
