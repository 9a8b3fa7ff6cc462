"""All pages look alike: the same sections in the same order under the same words, the same widgets in them."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import pytest
from panel_helpers import MODULES, add_volume

PAGES = ("MedImgFiltering", "MedImgRegistration", "MedImgSegmentation", "MedImgAgreement", "MedImgQuality")
SECTIONS = {
    "inputsSection": "Inputs",
    "operationSection": "Method",
    "parametersSection": "Parameters",
    "outputsSection": "Outputs",
    "runSection": None,
    "resultSection": "Results",
}


def sections(name: str) -> dict[str, str | None]:
    """Names of the sections of a page and what their headings say, in their order."""
    tree = ElementTree.parse(MODULES / name / "Resources" / "UI" / f"{name}.ui")
    found = {}
    for widget in tree.iter("widget"):
        if widget.get("name", "").endswith("Section"):
            found[widget.get("name")] = widget.findtext("property[@name='text']/string")
    return found


@pytest.mark.parametrize("name", PAGES)
def test_sections_have_the_same_order_and_words(name):
    assert list(sections(name).items()) == list(SECTIONS.items())


def explained(widget) -> bool:
    """Whether the mouse over a widget brings a tool tip: its own, or that of a widget around it; headings need none."""
    from PySide6.QtWidgets import QWidget

    if widget.objectName.endswith("Section"):
        return True
    while widget is not None and not widget.objectName.endswith("Section"):
        if QWidget.toolTip(widget):
            return True
        widget = QWidget.parentWidget(widget)
    return False


@pytest.mark.parametrize("name", PAGES)
def test_the_first_volume_is_chosen_and_everything_says_what_it_is(load_module, name):
    from PySide6.QtWidgets import QAbstractButton, QAbstractSpinBox, QComboBox, QLineEdit, QWidget

    volume = add_volume("T1")
    loaded = load_module(MODULES / name / f"{name}.py")
    panel = loaded.widget.panel
    images = [role.name for role in panel.operation.inputs() if role.kind == "image" and role.required]
    if images:
        assert panel.inputs.selectors[images[0]].nodes() == (volume,)
    silent = []
    for kind in (QAbstractButton, QAbstractSpinBox, QComboBox, QLineEdit):
        for widget in QWidget.findChildren(loaded.parent, kind):
            if not explained(widget) and not widget.objectName.startswith("qt_"):
                silent.append(f"{type(widget).__name__} {widget.objectName}")
    assert silent == []


@pytest.mark.parametrize("name", [*PAGES, "MedImgRecipes"])
def test_the_module_has_short_help_with_a_link(load_module, name):
    text = load_module(MODULES / name / f"{name}.py").module.parent.helpText
    assert len(text) < 600
    assert re.search(r'<a href="https://[^"]+">', text)


@pytest.mark.parametrize("name", PAGES)
def test_the_run_part_is_the_same(load_module, name):
    panel = load_module(MODULES / name / f"{name}.py").widget.panel
    layout = panel.ui.runSection.layout()
    names = [layout.itemAt(number).widget().objectName for number in range(layout.count())]
    assert names[-4:] == ["planLabel", "applyButton", "progressBar", "statusLabel"]
