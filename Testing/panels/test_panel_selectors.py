"""Selectors are made from the roles of an operation, whatever their kind."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import pytest
from MedImgAnalysisLib.operation import Operation
from MedImgAnalysisLib.progress import SILENT, Progress
from MedImgAnalysisLib.values import Curves, Image, Labels, Landmarks, Mask, Measurements, Transform
from panel_helpers import add_segmentation, add_volume

NODES = {
    "image": "vtkMRMLScalarVolumeNode",
    "colour": "vtkMRMLVectorVolumeNode",
    "labelmap": "vtkMRMLLabelMapVolumeNode",
    "segmentation": "vtkMRMLSegmentationNode",
    "linear": "vtkMRMLLinearTransformNode",
    "bspline": "vtkMRMLBSplineTransformNode",
    "grid": "vtkMRMLGridTransformNode",
    "points": "vtkMRMLMarkupsFiducialNode",
    "line": "vtkMRMLMarkupsLineNode",
    "numbers": "vtkMRMLTableNode",
    "plot": "vtkMRMLPlotChartNode",
    "cine": "vtkMRMLSequenceNode",
}


@dataclass(frozen=True)
class EveryRole(Operation):
    """Has an input of every kind."""

    name: ClassVar[str] = "every_role"
    title: ClassVar[str] = "Every role"
    group: ClassVar[str] = "Test"

    def run(
        self,
        image: Image,
        labels: Labels,
        transform: Transform,
        landmarks: Landmarks,
        table: Measurements,
        curves: Curves,
        more: Sequence[Image],
        mask: Mask | None = None,
        *,
        progress: Progress = SILENT,
    ) -> Image:
        return image


@pytest.fixture
def scene(standin):
    import slicer

    return {name: slicer.mrmlScene.AddNewNodeByClass(kind, name) for name, kind in NODES.items()}


@pytest.fixture
def inputs(scene):
    from MedImgAnalysisLib.panel.selectors import InputSelectors

    changes = []
    made = InputSelectors(EveryRole.inputs(), lambda: changes.append(1))
    made.changes = changes
    return made


@pytest.mark.parametrize(
    ("role", "names"),
    [
        ("image", ["image", "colour", "cine"]),
        ("labels", ["labelmap", "segmentation", "cine"]),
        ("transform", ["linear", "bspline", "grid", "cine"]),
        ("landmarks", ["points", "cine"]),
        ("table", ["numbers"]),
        ("curves", ["plot"]),
        ("more", ["image", "colour", "cine"]),
    ],
)
def test_a_role_offers_the_nodes_that_fit_and_no_other(inputs, role, names):
    widget = inputs.selectors[role].widget
    offered = [widget.nodeFromIndex(number).GetName() for number in range(widget.nodeCount())]
    assert sorted(offered) == sorted(names)


def test_what_is_offered_is_what_the_bridge_can_read(standin):
    from MedImgAnalysisLib.panel.selectors import NODE_CLASSES, WRITTEN_CLASSES
    from MedImgAnalysisLib.scene import bridge

    assert set(NODE_CLASSES) == set(bridge.CLASSES)
    for kind, classes in NODE_CLASSES.items():
        assert set(classes) <= set(bridge.CLASSES[kind]), kind
        assert set(WRITTEN_CLASSES[kind]) <= set(bridge.OUTPUT_CLASSES[kind]), kind


def test_several_nodes_are_chosen_by_check_boxes(inputs, scene):
    selector = inputs.selectors["more"]
    assert selector.nodes() == ()
    selector.widget.check(scene["colour"])
    assert selector.nodes() == (scene["colour"],)
    assert inputs.changes
    selector.show((scene["image"], scene["colour"]), "")
    assert set(selector.nodes()) == {scene["image"], scene["colour"]}
    selector.show((), "")
    assert selector.nodes() == ()


def test_every_required_role_is_asked_for_in_order(inputs, scene):
    order = {
        "image": "image",
        "labels": "segmentation",
        "transform": "grid",
        "landmarks": "points",
        "table": "numbers",
        "curves": "plot",
    }
    asked = {"labels": "Choose a segmentation.", "transform": "Choose a transform.", "table": "Choose a table."}
    for role, name in order.items():
        assert inputs.problem().endswith(asked.get(role, f"as {role}."))
        inputs.selectors[role].show((scene[name],), "")
    assert "as more." in inputs.problem()
    inputs.selectors["more"].show((scene["image"],), "")
    assert inputs.problem() == ""


def test_a_mask_is_one_segment(standin):
    from MedImgAnalysisLib.panel.selectors import InputSelectors

    node, segment = add_segmentation(add_volume())
    inputs = InputSelectors(EveryRole.inputs(), lambda: None)
    selector = inputs.selectors["mask"]
    assert (selector.nodes(), selector.segment()) == ((), "")
    selector.show((node,), segment)
    assert (selector.nodes(), selector.segment()) == ((node,), segment)
    selector.show((), "")
    assert (selector.nodes(), selector.segment()) == ((), "")


def test_a_role_of_several_nodes_and_a_mask_become_a_recipe(standin):
    from MedImgAnalysisLib.panel.request import Request

    first, second = add_volume("First"), add_volume("Second")
    node, segment = add_segmentation(first)
    request = Request(
        EveryRole(), {"image": (first,), "more": (first, second), "mask": (node,)}, {"mask": segment}, {"image": None}
    )
    recipe = request.recipe()
    assert recipe.inputs == {"image": "image", "more_1": "image", "more_2": "image", "mask": "mask"}
    assert recipe.steps[0].inputs["more"] == ["more_1", "more_2"]
    assert recipe.outputs == ("every_role_image",)
    assert request.python_call("M") == (
        "slicer.util.getModuleLogic('M').run('every_role', image=slicer.util.getNode('First'), "
        "more=[slicer.util.getNode('First'), slicer.util.getNode('Second')], "
        f"mask=(slicer.util.getNode('Brain segmentation'), '{segment}'))"
    )
