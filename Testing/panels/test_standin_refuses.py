"""The stand-in refuses what Slicer refuses: the mistakes that PySide6 habits and old examples lead to."""

from __future__ import annotations

import re

import pytest

MISTAKES = {
    "a property called like a method": ("qt.QLabel('a').text()", TypeError),
    "a property called like a method on a combo box": ("qt.QComboBox().count()", TypeError),
    "a C++ setter that is no slot": ("ctk.ctkSliderWidget().setMinimum(1)", AttributeError),
    "a C++ range setter": ("ctk.ctkSliderWidget().setRange(1, 2)", AttributeError),
    "a node combo box setter": ("slicer.qMRMLNodeComboBox().setNodeTypes(['vtkMRMLNode'])", AttributeError),
    "a node combo box list": ("slicer.qMRMLNodeComboBox().nodes()", AttributeError),
    "a property of another combo box": ("slicer.qMRMLNodeComboBox().currentText", AttributeError),
    "a constructor with text": ("ctk.ctkCollapsibleButton('Inputs')", ValueError),
    "a signal with a wrong argument type": ("qt.QPushButton().connect('clicked(int)', print)", AttributeError),
    "a signal of another class": ("qt.QPushButton().connect('valueChanged(double)', print)", AttributeError),
    "a signal without its arguments": ("slicer.qMRMLWidget().connect('mrmlSceneChanged()', print)", AttributeError),
    "a slot that cannot be called": ("qt.QPushButton().connect('clicked()', None)", TypeError),
    "a keyword argument": ("qt.QVBoxLayout().addWidget(qt.QLabel(), stretch=1)", TypeError),
    "a misspelt method": ("qt.QWidget().setLayuot(qt.QVBoxLayout())", AttributeError),
    "a class that Qt 6 dropped": ("qt.QRegExp('a')", AttributeError),
    "a class that does not exist": ("qt.QFancyBox()", AttributeError),
    "a ctk class that does not exist": ("ctk.ctkFancyBox()", AttributeError),
    "a slicer class that does not exist": ("slicer.qMRMLFancyComboBox()", AttributeError),
    "a scene from a qSlicerWidget": ("slicer.qSlicerWidget().mrmlScene()", AttributeError),
    "a number for a node": ("slicer.qMRMLNodeComboBox().setCurrentNode(3)", ValueError),
    "a text for a number": ("qt.QSpinBox().setValue('three')", ValueError),
    "a member of slicer.app that does not exist": ("slicer.app.theme", AttributeError),
    "a scoped enum of PySide6": ("qt.QWidget().SizePolicy", AttributeError),
}
ASSIGNMENTS = {
    "a new attribute on a Qt object": "qt.QPushButton('a').result = 1",
    "a new attribute on a stand-in": "slicer.qMRMLNodeComboBox().result = 1",
    "a method overwritten": "qt.QPushButton('a').click = print",
    "a signal overwritten": "qt.QPushButton('a').clicked = print",
    "a read-only property": "ctk.ctkDoubleSpinBox().cleanText = '1'",
    "a value of a wrong type": "ctk.ctkSliderWidget().value = 'much'",
    "one text for a list of texts": "slicer.qMRMLNodeComboBox().nodeTypes = 'vtkMRMLScalarVolumeNode'",
}


@pytest.fixture
def names(standin):
    import ctk
    import qt

    return {"qt": qt, "ctk": ctk, "slicer": standin}


@pytest.mark.parametrize("case", MISTAKES)
def test_a_mistake_is_refused(names, case):
    code, error = MISTAKES[case]
    with pytest.raises(error):
        eval(code, names)


@pytest.mark.parametrize("case", ASSIGNMENTS)
def test_an_assignment_that_pythonqt_refuses_is_refused(names, case):
    with pytest.raises(AttributeError):
        exec(ASSIGNMENTS[case], names)


def test_an_instance_is_not_of_its_base_class(names):
    qt = names["qt"]
    button = qt.QPushButton("a")
    assert isinstance(button, qt.QPushButton)
    assert not isinstance(button, qt.QWidget)
    assert button.inherits("QWidget")


@pytest.mark.parametrize(
    "code",
    [
        "slicer.qMRMLNodeComboBox().sortFilterProxyModel()",
        "slicer.qMRMLVolumeThresholdWidget().setMRMLVolumeNode(None)",
        "slicer.app.layoutManager().plotWidget(0)",
        "slicer.qSlicerMarkupsPlaceWidget()",
        "qt.QWizard()",
    ],
)
def test_a_real_name_without_behaviour_is_called_not_modelled(names, code):
    from slicer_standin.toolkit import NotModelled

    with pytest.raises(NotModelled, match=re.compile("exists in Slicer")):
        eval(code, names)


def test_what_pythonqt_allows_is_allowed(names):
    qt, ctk = names["qt"], names["ctk"]
    box = qt.QGroupBox("Box")
    layout = qt.QVBoxLayout(box)
    label = qt.QLabel("inside")
    label.objectName = "inside"
    layout.addWidget(label)
    assert box.inside.text == "inside"  # children are attributes
    assert label.name == "inside"
    spin = qt.QSpinBox()
    spin.value = 3.7
    assert spin.value == 3  # whole numbers are cut, not refused
    spin.setProperty("SlicerParameterName", "radius")
    assert spin.SlicerParameterName == "radius"
    slider = ctk.ctkSliderWidget()
    slider.maximum = 5
    slider.value = 7
    assert slider.value == 5
    assert slider.maximum == 5.0
    assert box.findChildren("QLabel") == (label,)
    combo = qt.QComboBox()
    combo.addItems(["a", "b"])
    assert (combo.count, combo.currentText) == (2, "a")
    assert qt.Qt.AlignLeft == 1
    table = qt.QTableWidget(1, 1)
    table.setHorizontalHeaderLabels(["mm"])
    assert table.model().headerData(0, 1) == "mm"  # a number serves as an enum


def test_a_python_subclass_may_have_attributes_of_its_own(names):
    qt = names["qt"]

    class Named(qt.QWidget):
        def __init__(self, parent=None):
            qt.QWidget.__init__(self, parent)
            self.result, self.empty = [], None

    widget = Named()
    widget.result.append(1)
    assert widget.result == [1]
    assert widget.empty is None
    with pytest.raises(AttributeError):
        _ = widget.other


def test_default_arguments_of_a_slot_get_the_signal_s_value(names):
    qt, got = names["qt"], []
    button = qt.QPushButton("a")

    def with_default(checked="unset"):
        got.append(checked)

    def without():
        got.append("none")

    button.connect("clicked(bool)", with_default)
    button.clicked.connect(without)
    button.click()
    assert got == [False, "none"]
    assert button.disconnect("clicked(bool)", with_default)
    button.click()
    assert got == [False, "none", "none"]
