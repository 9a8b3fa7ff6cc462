"""Every page with few clicks, by keyboard, and without blocking."""

from __future__ import annotations

import time
from itertools import pairwise

import pytest
from panel_helpers import FILTERING, HOST, MODULES, add_segmentation, add_volume, choose

PAGES = {
    name: MODULES / name / f"{name}.py"
    for name in ("MedImgFiltering", "MedImgRegistration", "MedImgSegmentation", "MedImgAgreement", "MedImgQuality")
}


@pytest.fixture
def scene(standin):
    volume = add_volume("T1")
    add_segmentation(volume, "Reader 1")
    add_segmentation(volume, "Reader 2")
    add_volume("FLAIR")


@pytest.mark.parametrize("name", PAGES)
def test_the_standard_case_takes_two_clicks(load_module, scene, press, wait_until, monkeypatch, name):
    """Open on the host page, Apply on the page of the module."""
    import slicer

    clicks = []
    monkeypatch.setattr(slicer.util, "mainWindow", lambda: object())
    monkeypatch.setattr(slicer.util, "selectModule", lambda module: loaded.enter())
    loaded = load_module(PAGES[name])
    loaded.exit()
    host = load_module(HOST)
    panel = loaded.widget.panel
    for button in (*host.widget.page.buttons.values(), panel.run.apply_button):
        clicks.append(press(button))
    wait_until(lambda: not panel.run.runner.running, timeout=60)
    assert "Done in" in panel.run.status.text
    assert len(clicks) <= 3


@pytest.mark.parametrize("name", [*PAGES, "MedImgRecipes", "MedImgAnalysis"])
def test_tab_goes_from_top_to_bottom(load_module, scene, process_events, name):
    path = HOST if name == "MedImgAnalysis" else MODULES / name / f"{name}.py"
    loaded = load_module(path)
    if name in PAGES:
        last = list(loaded.widget.panel.operations)[-1]
        choose(loaded.widget.panel.chooser.combo, last)  # rows were made anew
    places = positions(loaded.parent, process_events)
    assert len(places) > 4
    for (one, at), (other, below) in pairwise(places):
        assert below[1] > at[1] - 12 and (below[1] > at[1] + 12 or below[0] >= at[0]), f"{other} comes after {one}"


def positions(parent, process_events) -> list[tuple[str, tuple[int, int]]]:
    """(name, place on the page) of the widgets that Tab reaches, in the order of Tab."""
    from PySide6.QtCore import QPoint, Qt
    from PySide6.QtWidgets import QWidget

    QWidget.resize(parent, 460, 1600)
    QWidget.show(parent)
    process_events()
    found, widget = [], QWidget.nextInFocusChain(parent)
    while widget is not parent:
        usable = QWidget.isVisible(widget) and QWidget.isEnabled(widget) and QWidget.isAncestorOf(parent, widget)
        by_tab = QWidget.focusPolicy(widget).value & Qt.FocusPolicy.TabFocus.value
        if usable and by_tab and QWidget.focusProxy(widget) is None and not folded(widget):
            place = QWidget.mapTo(widget, parent, QPoint(0, 0))
            found.append((f"{type(widget).__name__} {widget.objectName}", (place.x(), place.y())))
        widget = QWidget.nextInFocusChain(widget)
    return found


def folded(widget) -> bool:
    """Whether a widget is in a section that is collapsed."""
    from PySide6.QtWidgets import QWidget

    above = QWidget.parentWidget(widget)
    while above is not None and not getattr(above, "collapsed", False):
        above = QWidget.parentWidget(above)
    return above is not None


def test_enter_in_a_field_runs_nothing(load_module, scene, process_events):
    from PySide6.QtCore import Qt
    from PySide6.QtTest import QTest
    from PySide6.QtWidgets import QAbstractSpinBox, QCheckBox, QComboBox, QLineEdit, QWidget

    segmentation = load_module(PAGES["MedImgSegmentation"])
    panel = segmentation.widget.panel
    QWidget.show(segmentation.parent)
    process_events()
    fields = [w for kind in (QAbstractSpinBox, QLineEdit, QComboBox, QCheckBox)
              for w in QWidget.findChildren(segmentation.parent, kind) if QWidget.isEnabled(w)]  # fmt: skip
    assert len(fields) > 6
    for field in fields:
        QTest.keyClick(field, Qt.Key.Key_Return)
        process_events()
        assert not panel.run.runner.running, field
    assert panel.run.log.browser.toPlainText() == ""


def test_a_label_leads_to_its_field(load_module, scene):
    """A screen reader says the label of the field that has the focus."""
    from PySide6.QtWidgets import QFormLayout, QLabel, QWidget

    parent = load_module(FILTERING).parent
    labels = [label for rows in QWidget.findChildren(parent, QFormLayout) for row in range(rows.rowCount())
              if (item := rows.itemAt(row, QFormLayout.ItemRole.LabelRole)) and (label := item.widget())]  # fmt: skip
    assert len(labels) > 3
    assert [label.text for label in labels if QLabel.buddy(label) is None] == []


def test_the_application_stays_usable_while_an_operation_works(load_module, scene, press, monkeypatch):
    """A timer of the main thread goes on ticking while the operation needs the processor for a second."""
    import slicer
    from MedImgAnalysisLib.filtering import Gaussian
    from PySide6.QtCore import QTimer

    true_run = Gaussian.run
    Gaussian.inputs()
    Gaussian.outputs()

    def slow(self, image, mask=None, *, progress):
        end = time.monotonic() + 1.0
        while time.monotonic() < end:
            sum(range(1000))
        return true_run(self, image, mask, progress=progress)

    monkeypatch.setattr(Gaussian, "run", slow)
    panel = load_module(FILTERING).widget.panel
    ticks = []
    timer = QTimer()
    timer.timeout.connect(lambda: ticks.append(time.monotonic()))
    timer.start(20)
    press(panel.run.apply_button)
    started = time.monotonic()
    while panel.run.runner.running and time.monotonic() - started < 20:
        slicer.app.processEvents()
    timer.stop()
    assert "Done in" in panel.run.status.text
    assert len(ticks) >= 15, "the main thread was blocked"
