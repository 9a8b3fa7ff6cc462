"""Pages in Slicer's light and dark theme and in high contrast: texts can be read, and pictures are there to look at."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from MedImgAnalysisLib import recipe_edit
from panel_helpers import HOST, MODULES, add_segmentation, add_volume, choose

LEAST_CONTRAST = 4.5
"""Of text against its ground, WCAG 2.1 level AA."""
PALETTES = {
    "dark": {
        "Window": "#323232", "WindowText": "#ffffff", "Base": "#191919", "AlternateBase": "#2d2d2d", "Text": "#ffffff",
        "Button": "#323232", "ButtonText": "#ffffff", "ToolTipBase": "#323232", "ToolTipText": "#ffffff",
        "Highlight": "#2a82da", "HighlightedText": "#000000", "Link": "#6cb4ff", "PlaceholderText": "#9a9a9a",
    },
    "high contrast": {
        "Window": "#000000", "WindowText": "#ffffff", "Base": "#000000", "AlternateBase": "#000000", "Text": "#ffff00",
        "Button": "#000000", "ButtonText": "#ffffff", "ToolTipBase": "#000000", "ToolTipText": "#ffffff",
        "Highlight": "#00ffff", "HighlightedText": "#000000", "Link": "#00ffff", "PlaceholderText": "#c0c0c0",
    },
}  # fmt: skip
PAGES = {path.stem: path for path in [HOST, *sorted(MODULES.glob("MedImg*/MedImg*.py"))]}


@pytest.fixture(params=["light", *PALETTES])
def theme(request, standin):
    """The application in one of the palettes."""
    from PySide6.QtGui import QColor, QPalette
    from PySide6.QtWidgets import QApplication

    before = QPalette(QApplication.palette())
    palette = QPalette(before)
    for role, color in PALETTES.get(request.param, {}).items():
        palette.setColor(getattr(QPalette.ColorRole, role), QColor(color))
    if request.param in PALETTES:
        for role in ("WindowText", "Text", "ButtonText"):
            palette.setColor(QPalette.ColorGroup.Disabled, getattr(QPalette.ColorRole, role), QColor("#808080"))
    QApplication.setPalette(palette)
    yield request.param
    QApplication.setPalette(before)


def luminance(color) -> float:
    parts = (part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4
             for part in (color.redF(), color.greenF(), color.blueF()))  # fmt: skip
    return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), parts, strict=True))


def contrast(one, other) -> float:
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def texts(parent) -> list:
    """(widget, colour of its text, colour of its ground) of everything that shows words."""
    from PySide6.QtGui import QColor, QPalette
    from PySide6.QtWidgets import QAbstractButton, QLabel, QLineEdit, QListWidget, QPlainTextEdit, QTableWidget, QWidget

    role, found = QPalette.ColorRole, []
    for kind, text, ground in (
        (QLabel, role.WindowText, role.Window),
        (QAbstractButton, role.ButtonText, role.Button),
        (QLineEdit, role.Text, role.Base),
        (QPlainTextEdit, role.Text, role.Base),
        (QTableWidget, role.Text, role.Base),
    ):
        for widget in QWidget.findChildren(parent, kind):
            palette = QWidget.palette(widget)
            sheet = re.search(r"(?<!-)color:\s*([#\w]+)", QWidget.styleSheet(widget))
            color = QColor(sheet.group(1)) if sheet else palette.color(QPalette.ColorGroup.Active, text)
            found.append((widget, color, palette.color(QPalette.ColorGroup.Active, ground)))
    for widget in QWidget.findChildren(parent, QListWidget):
        ground = QWidget.palette(widget).color(QPalette.ColorGroup.Active, role.Base)
        for number in range(QListWidget.count(widget)):
            brush = QListWidget.item(widget, number).foreground()
            if brush.style().value:
                found.append((widget, brush.color(), ground))
    return found


@pytest.mark.parametrize("name", PAGES)
def test_texts_can_be_read(load_module, grab, tmp_path, theme, name):
    volume = add_volume("T1")
    add_segmentation(volume, "Reader 1")
    if name == "MedImgAnalysis":
        for path in list(PAGES.values())[1:]:
            load_module(path)
    loaded = load_module(PAGES[name])
    if name == "MedImgRecipes":
        loaded.widget.panel.enter()
        loaded.widget.panel.add_step("median")
        loaded.widget.panel.add_step("register")
        loaded.widget.panel.add_step("gaussian")
        loaded.widget.panel.edit(lambda recipe: recipe_edit.bind(recipe, "register", "fixed", None))
        loaded.widget.panel.edit(lambda recipe: recipe_edit.switch_step(recipe, "gaussian", False))
        loaded.widget.panel.select("register")
        assert loaded.widget.panel.editor.problem.text
    elif name == "MedImgSegmentation":
        choose(loaded.widget.panel.chooser.combo, "threshold")
    shown = texts(loaded.parent)
    assert len(shown) > 10
    poor = [f"{type(w).__name__} {w.objectName}: {text.name()} on {ground.name()}"
            for w, text, ground in shown if contrast(text, ground) < LEAST_CONTRAST]  # fmt: skip
    folder = Path(os.environ.get("MEDIMG_PANEL_PNG") or tmp_path)
    folder.mkdir(parents=True, exist_ok=True)
    assert grab(loaded.parent, folder / f"{name}-{theme.replace(' ', '-')}.png").stat().st_size > 10_000
    assert poor == []


def test_no_page_has_a_colour_of_its_own(standin):
    """Colours come from the palette of the application, which knows what can be read."""
    found = []
    for path in [*MODULES.glob("**/Resources/UI/*.ui"), *(MODULES / "MedImgAnalysisLib" / "panel").glob("*.py")]:
        if path.name == "colours.py":  # chooses by contrast
            continue
        text = path.read_text(encoding="utf-8")
        found += [f"{path.name}: {match.group(0)}" for match in re.finditer(r"#[0-9a-fA-F]{6}\b|<font|rgb\(", text)]
    assert found == []


@pytest.mark.parametrize("ground", ["#ffffff", "#efefef", "#323232", "#191919", "#000000", "#1e1e2e", "#ffffe0"])
def test_colours_of_states_can_be_read_on_any_usual_ground(standin, ground):
    from MedImgAnalysisLib.panel import colours

    for choices in (colours.PROBLEM, colours.OFF):
        assert colours.contrast(colours.readable(choices, ground), ground) >= LEAST_CONTRAST


def test_contrast_is_that_of_the_standard(standin):
    from MedImgAnalysisLib.panel import colours

    assert colours.contrast("#000000", "#ffffff") == pytest.approx(21.0)
    assert colours.contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)
