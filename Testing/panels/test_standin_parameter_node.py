"""Parameter nodes and widgets are bound both ways, with the project's substitutes and with Slicer's own files alike."""

import enum
from pathlib import Path
from typing import Annotated

import pytest


class Method(enum.Enum):
    OTSU = 1
    TRIANGLE = 2


@pytest.fixture
def settings(standin):
    """A parameter node wrapper class and its node."""
    from slicer import vtkMRMLScalarVolumeNode
    from slicer.parameterNodeWrapper import Choice, Default, FloatRange, RangeBounds, WithinRange, parameterNodeWrapper

    class Settings:
        sigma_mm: Annotated[float, WithinRange(0.5, 8)] = 2.0
        radius: Annotated[int, WithinRange(1, 9)] = 3
        invert: bool = False
        name: str = "smooth"
        method: Method = Method.TRIANGLE
        kernel: Annotated[str, Choice(["ball", "box"])] = "box"
        window: Annotated[FloatRange, RangeBounds(0, 100), Default(FloatRange(10, 20))]
        folder: Path = Path("a")
        image: vtkMRMLScalarVolumeNode

    return parameterNodeWrapper(Settings)(standin.mrmlScene.AddNewNodeByClass("vtkMRMLScriptedModuleNode", "p"))


@pytest.fixture
def widgets(standin, settings):
    import ctk
    import qt

    made = {
        "sigma_mm": ctk.ctkSliderWidget(), "radius": qt.QSpinBox(), "invert": qt.QCheckBox(), "name": qt.QLineEdit(),
        "method": qt.QComboBox(), "kernel": ctk.ctkComboBox(), "window": ctk.ctkRangeWidget(),
        "folder": ctk.ctkPathLineEdit(), "image": standin.qMRMLNodeComboBox(),
    }  # fmt: skip
    made["image"].setMRMLScene(standin.mrmlScene)
    made["image"].noneEnabled = True
    settings.connectParametersToGui(made)
    return made


def test_defaults_are_in_the_node_and_the_widgets(settings, widgets):
    assert settings.sigma_mm == 2.0
    assert settings.method is Method.TRIANGLE
    assert widgets["sigma_mm"].value == 2.0
    assert (widgets["sigma_mm"].minimum, widgets["sigma_mm"].maximum) == (0.5, 8.0)
    assert widgets["method"].currentText == "TRIANGLE"
    assert widgets["kernel"].currentText == "box"
    assert (widgets["window"].minimumValue, widgets["window"].maximumValue) == (10.0, 20.0)
    assert widgets["folder"].currentPath == "a"


def test_the_widgets_write_into_the_node(standin, settings, widgets):
    volume = standin.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "v")
    widgets["sigma_mm"].value = 4.25
    widgets["radius"].value = 5
    widgets["invert"].checked = True
    widgets["name"].text = "new"
    widgets["method"].currentIndex = 0
    widgets["kernel"].currentIndex = 0
    widgets["window"].setValues(30, 40)
    widgets["folder"].currentPath = "b"
    widgets["image"].setCurrentNode(volume)
    found = (settings.sigma_mm, settings.radius, settings.invert, settings.name, settings.method, settings.kernel)
    assert found == (4.25, 5, True, "new", Method.OTSU, "ball")
    assert (settings.window.minimum, settings.window.maximum) == (30.0, 40.0)
    assert settings.folder == Path("b")
    assert settings.image is volume


def test_the_node_writes_into_the_widgets(standin, settings, widgets):
    volume = standin.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "v")
    settings.sigma_mm, settings.radius, settings.invert, settings.name = 1.5, 7, True, "other"
    settings.method, settings.image = Method.OTSU, volume
    settings.window.maximum = 60.0
    assert widgets["sigma_mm"].value == 1.5
    assert widgets["radius"].value == 7
    assert widgets["invert"].checked
    assert widgets["name"].text == "other"
    assert widgets["method"].currentText == "OTSU"
    assert widgets["window"].maximumValue == 60.0
    assert widgets["image"].currentNode() is volume


def test_a_value_outside_its_range_is_refused(settings):
    with pytest.raises(ValueError):
        settings.sigma_mm = 100.0
    with pytest.raises(TypeError):
        settings.name = 3
    assert settings.sigma_mm == 2.0


def test_a_second_wrapper_of_the_node_reads_what_the_first_wrote(settings):
    settings.sigma_mm, settings.method = 3.5, Method.OTSU
    again = type(settings)(settings.parameterNode)
    assert (again.sigma_mm, again.method) == (3.5, Method.OTSU)


def test_after_disconnecting_nothing_is_written(standin, settings):
    import qt

    box = qt.QCheckBox()
    tag = settings.connectParametersToGui({"invert": box})
    box.checked = True
    assert settings.invert
    settings.disconnectGui(tag)
    box.checked = False
    assert settings.invert


def test_widgets_are_found_by_their_dynamic_property(standin, settings):
    import qt

    panel = qt.QWidget()
    layout = qt.QVBoxLayout(panel)
    box = qt.QCheckBox()
    box.setProperty("SlicerParameterName", "invert")
    layout.addWidget(box)
    settings.connectGui(panel)
    settings.invert = True
    assert box.checked


def test_a_pair_without_connector_is_refused(settings):
    import qt

    with pytest.raises(RuntimeError):
        settings.connectParametersToGui({"invert": qt.QSpinBox()})


def test_a_slider_needs_bounds(standin):
    import ctk
    from slicer.parameterNodeWrapper import parameterNodeWrapper

    class Unbounded:
        sigma: float = 1.0

    node = standin.mrmlScene.AddNewNodeByClass("vtkMRMLScriptedModuleNode", "p")
    with pytest.raises(RuntimeError, match="unbounded"):
        parameterNodeWrapper(Unbounded)(node).connectParametersToGui({"sigma": ctk.ctkSliderWidget()})
