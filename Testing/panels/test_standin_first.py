from pathlib import Path

import pytest


def test_typical_mistakes(standin):
    import qt
    import slicer

    combo = slicer.qMRMLNodeComboBox()
    combo.setMRMLScene(slicer.mrmlScene)
    combo.nodeTypes = ["vtkMRMLScalarVolumeNode"]
    volume = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "a")
    combo.setCurrentNode(volume)
    assert combo.currentNode() is volume
    with pytest.raises(AttributeError):
        combo.setNodeTypes(["x"])
    with pytest.raises(TypeError):
        qt.QLabel("x").text()


MODULE = '''
import qt, ctk, slicer
from slicer.ScriptedLoadableModule import *
class Tiny(ScriptedLoadableModule):
    def __init__(self, parent):
        ScriptedLoadableModule.__init__(self, parent)
        self.parent.title = "Tiny"
class TinyWidget(ScriptedLoadableModuleWidget):
    def setup(self):
        ScriptedLoadableModuleWidget.setup(self)
        self.logic = TinyLogic()
        self.button = qt.QPushButton("Apply")
        self.layout.addWidget(self.button)
        self.button.connect("clicked(bool)", self.onApply)
        self.done = False
    def onApply(self):
        qt.QTimer.singleShot(20, self.later)
    def later(self):
        self.done = True
class TinyLogic(ScriptedLoadableModuleLogic):
    pass
'''


def test_module_loads_and_timer_runs(load_module, press, wait_until, grab, tmp_path: Path):
    path = tmp_path / "Tiny.py"
    path.write_text(MODULE)
    loaded = load_module(path)
    press(loaded.widget.button)
    wait_until(lambda: loaded.widget.done)
    grab(loaded.parent, tmp_path / "tiny.png")
    assert (tmp_path / "tiny.png").stat().st_size > 500
