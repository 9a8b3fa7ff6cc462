"""Loading a module, dialogs, errors in slots, timers and .ui files on the stand-in."""

from __future__ import annotations

from pathlib import Path

import pytest

MODULE = """
import qt
import slicer
from slicer.ScriptedLoadableModule import *


class Tiny(ScriptedLoadableModule):
    def __init__(self, parent):
        ScriptedLoadableModule.__init__(self, parent)
        self.parent.title = "Tiny thing"
        self.parent.categories = ["Examples"]
        slicer.app.connect("startupCompleted()", self.started)
        self.ready = False

    def started(self):
        self.ready = True


class TinyWidget(ScriptedLoadableModuleWidget):
    def setup(self):
        ScriptedLoadableModuleWidget.setup(self)
        self.logic = TinyLogic()
        self.told = []
        self.button = qt.QPushButton("Apply")
        self.button.connect("clicked(bool)", self.onApply)
        self.layout.addWidget(self.button)

    def enter(self):
        self.told.append("enter")

    def exit(self):
        self.told.append("exit")

    def cleanup(self):
        self.told.append("cleanup")

    def onApply(self):
        with slicer.util.tryWithErrorDisplay("Tiny failed."):
            self.logic.run(self.finish)

    def finish(self):
        self.told.append("finished")


class TinyLogic(ScriptedLoadableModuleLogic):
    fails = False

    def run(self, finish):
        if self.fails:
            raise ValueError("no luck")
        qt.QTimer.singleShot(20, finish)
"""

UI = """<ui version="4.0"><class>Tiny</class>
<widget class="qMRMLWidget" name="Tiny"><layout class="QFormLayout" name="f">
<item row="0" column="0"><widget class="qMRMLNodeComboBox" name="input">
<property name="nodeTypes"><stringlist><string>vtkMRMLScalarVolumeNode</string></stringlist></property>
<property name="SlicerParameterName" stdset="0"><string>image</string></property></widget></item>
<item row="1" column="0"><widget class="ctkSliderWidget" name="sigma">
<property name="maximum"><double>7.5</double></property></widget></item></layout></widget><connections><connection>
<sender>Tiny</sender><signal>mrmlSceneChanged(vtkMRMLScene*)</signal><receiver>input</receiver>
<slot>setMRMLScene(vtkMRMLScene*)</slot></connection></connections></ui>"""


@pytest.fixture
def tiny(load_module, tmp_path: Path):
    path = tmp_path / "Tiny.py"
    path.write_text(MODULE)
    return load_module(path)


def test_a_module_is_found_under_its_names(tiny, standin):
    slicer = standin
    assert slicer.modules.tiny.title == "Tiny thing"
    assert slicer.modules.tiny.categories == ("Examples",)
    assert slicer.modules.TinyWidget is tiny.widget
    assert slicer.util.getModuleWidget("Tiny") is tiny.widget
    assert slicer.util.getModuleLogic("Tiny") is tiny.logic
    assert Path(slicer.util.modulePath("Tiny")).name == "Tiny.py"
    assert tiny.module.ready


def test_a_module_object_has_slicers_attributes_only(tiny):
    tiny.module.parent.helpText = "help"
    with pytest.raises(AttributeError):
        tiny.module.parent.helptext = "help"


def test_enter_exit_and_cleanup_are_told_in_order(tiny, standin):
    tiny.exit()
    assert not tiny.parent.isEntered
    tiny.enter()
    widget = tiny.widget
    tiny.unload()
    assert widget.told == ["enter", "exit", "enter", "exit", "cleanup"]
    assert not hasattr(standin.modules, "tiny")


def test_timers_run_while_a_test_waits(tiny, press, wait_until):
    press(tiny.widget.button)
    wait_until(lambda: "finished" in tiny.widget.told, timeout=5)


def test_an_error_display_is_a_recorded_dialog_and_goes_on_as_exception(tiny, press, expect_dialogs, slot_errors):
    dialogs = expect_dialogs()
    tiny.logic.fails = True
    press(tiny.widget.button)
    assert [(dialog.kind, "no luck" in dialog.text) for dialog in dialogs] == [("ctkMessageBox", True)]
    assert str(slot_errors.pop()) == "no luck"


def test_an_unexpected_dialog_fails_the_test(standin):
    from slicer_standin import driving

    standin.util.errorDisplay("Something is wrong.")
    with pytest.raises(AssertionError, match="dialogs came up"):
        driving.end()


def test_an_exception_in_a_slot_fails_the_test(standin, press):
    import qt
    from slicer_standin import driving

    button = qt.QPushButton("a")
    button.connect("clicked()", lambda: 1 / 0)
    press(button)
    with pytest.raises(AssertionError, match="ZeroDivisionError"):
        driving.end()


def test_a_disabled_button_cannot_be_pressed(standin, press):
    import qt

    button = qt.QPushButton("a")
    button.enabled = False
    with pytest.raises(AssertionError, match="disabled"):
        press(button)


def test_dialogs_are_answered_in_turn(standin, expect_dialogs, answer_files, tmp_path: Path):
    import qt

    dialogs = expect_dialogs(qt.QMessageBox.Yes, lambda box: box.defaultButton().text)
    assert standin.util.confirmYesNoDisplay("Really?")
    box = qt.QMessageBox()
    box.setStandardButtons(qt.QMessageBox.Ok)
    box.setDefaultButton(qt.QMessageBox.Ok)
    assert "OK" in box.exec_()
    answer_files(tmp_path / "a.nrrd")
    assert qt.QFileDialog.getOpenFileName(None, "Open", "") == str(tmp_path / "a.nrrd")
    assert not standin.util.confirmOkCancelDisplay("Nobody answers this")
    assert dialogs[0].text == "Really?"


def test_a_ui_file_is_loaded_with_its_connections(standin, tmp_path: Path):
    path = tmp_path / "Tiny.ui"
    path.write_text(UI)
    widget = standin.util.loadUI(str(path))
    ui = standin.util.childWidgetVariables(widget)
    widget.setMRMLScene(standin.mrmlScene)
    assert ui.input.mrmlScene() is standin.mrmlScene
    assert ui.input.nodeTypes == ("vtkMRMLScalarVolumeNode",)
    assert ui.sigma.maximum == 7.5
    assert ui.input.SlicerParameterName == "image"


def test_a_ui_file_with_an_unknown_property_is_refused(standin, tmp_path: Path):
    from slicer_standin.uifile import UiError

    path = tmp_path / "Tiny.ui"
    path.write_text(UI.replace('name="maximum"', 'name="highest"').replace("setMRMLScene", "setScene"))
    with pytest.raises(UiError, match=r"no property highest.*no slot setScene"):
        standin.util.loadUI(str(path))


def test_selecting_a_module_and_status_messages_reach_the_main_window(standin):
    from slicer_standin.record import RECORD

    standin.util.selectModule("Data")
    assert RECORD.modules_selected == ["Data"]
    assert standin.util.showStatusMessage("done")
    assert standin.util.mainWindow().statusBar().currentMessage() == "done"


def test_the_clipboard_and_the_settings_work_and_are_the_test_s_own(standin):
    import qt

    qt.QApplication.clipboard().setText("copied")
    assert standin.app.clipboard().text() == "copied"
    settings = standin.app.settings()
    settings.setValue("MedImg/last", "x")
    assert qt.QSettings().fileName() == settings.fileName()
    assert standin.util.settingsValue("MedImg/last", "") == "x"
    assert settings.fileName().startswith(standin.app.temporaryPath)


def test_a_panel_can_be_looked_at(tiny, grab, tmp_path: Path):
    import qt

    grab(tiny.parent, tmp_path / "tiny.png")
    picture = qt.QImage(str(tmp_path / "tiny.png"))
    assert picture.width() == 460
    assert len({picture.pixel(230, y) for y in range(picture.height())}) > 3
