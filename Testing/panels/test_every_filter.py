"""Every filter of the panel is applied once with its default parameters, and gives what the library gives."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from contract_inputs import examples
from MedImgAnalysisLib.filtering import FILTERS
from panel_helpers import FILTERING, choose, log_text

PICTURES = {operation.group: operation.name for operation in reversed(FILTERS)}
"""One filter of each group, of which a picture is taken."""


def add_inputs(operation) -> dict[str, list]:
    """Nodes for the required inputs of an operation, by role."""
    from MedImgAnalysisLib.scene import bridge
    from MedImgAnalysisLib.values import Labels

    nodes = {}
    for role in operation.inputs():
        if not role.required:
            continue
        value = examples(operation)[role.name]
        made = []
        for number, one in enumerate(value if role.many else [value]):
            if role.kind == "mask":
                one = Labels.from_masks([(role.name, one)])
            kind = "labels" if role.kind == "mask" else role.kind
            made.append(bridge.add_node(one, f"{role.name} {number + 1}", kind=kind))
        nodes[role.name] = made
    return nodes


def choose_inputs(panel, nodes: dict[str, list]) -> None:
    """Choose the nodes as a user does."""
    for role, made in nodes.items():
        widget = panel.inputs.selectors[role].widget
        if hasattr(widget, "check"):
            for node in made:
                widget.check(node)
            continue
        widget.setCurrentNode(made[0])
        if hasattr(widget, "setCurrentSegmentID"):
            widget.setCurrentSegmentID(made[0].GetSegmentation().GetNthSegmentID(0))


@pytest.mark.parametrize("operation", FILTERS, ids=lambda operation: operation.name)
def test_apply_gives_what_the_library_gives(load_module, press, wait_until, grab, tmp_path, operation):
    from MedImgAnalysisLib.execution import execute
    from MedImgAnalysisLib.scene import bridge

    nodes = add_inputs(operation)
    module = load_module(FILTERING)
    panel = module.widget.panel
    choose(panel.chooser.combo, operation.name)
    choose_inputs(panel, nodes)
    panel.form.reset()  # the defaults of the library, whatever suits the input
    assert panel.obstacle() == ""
    before = {node.GetID() for node in _all_nodes()}
    press(panel.run.apply_button)
    wait_until(lambda: not panel.run.runner.running, timeout=30)
    assert "Done in" in panel.run.status.text, log_text(panel)
    made = [node for node in _all_nodes() if node.GetID() not in before]
    expected = execute(operation(), {role: value for role, value in examples(operation).items() if role in nodes})
    assert made
    images = [role.name for role in operation.outputs() if role.kind == "image" and role.name in expected.outputs]
    found = [bridge.value_of(node, "image") for node in made if node.IsA("vtkMRMLScalarVolumeNode")]
    assert len(found) >= len(images)
    for name in images:
        wanted = sitk.GetArrayFromImage(expected.outputs[name])
        arrays = [sitk.GetArrayFromImage(image) for image in found]
        close = [a.shape == wanted.shape and np.allclose(a, wanted, rtol=1e-4, atol=1e-4) for a in arrays]
        assert any(close), f"{name} is not among the new volumes"
    if PICTURES[operation.group] == operation.name or os.environ.get("MEDIMG_PANEL_PNG"):
        folder = Path(os.environ.get("MEDIMG_PANEL_PNG") or tmp_path)
        folder.mkdir(parents=True, exist_ok=True)
        assert grab(module.parent, folder / f"MedImgFiltering-{operation.name}.png").stat().st_size > 10_000


def _all_nodes() -> list:
    import slicer

    return slicer.util.getNodesByClass("vtkMRMLNode")
