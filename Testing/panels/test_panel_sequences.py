"""Sequences in the panels: chosen like a volume, worked on frame by frame, shown in the views."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from panel_helpers import FILTERING, MODULES, choose, noisy_image

TIMES = (0.0, 0.5, 2.0)


def add_cine(name: str = "Cine"):
    from MedImgAnalysisLib.scene import bridge
    from MedImgAnalysisLib.values import Frames

    values = tuple(noisy_image(seed=seed) for seed in (1, 2, 3))
    return bridge.add_node(Frames(values, TIMES, "time", "s"), name, kind="image")


@pytest.fixture
def filtering(load_module):
    return load_module(FILTERING).widget.panel


def test_apply_on_a_sequence_gives_a_sequence_with_a_node_that_shows_it(filtering, press, wait_until):
    import slicer
    from MedImgAnalysisLib.filtering import Gaussian
    from MedImgAnalysisLib.scene import bridge, sequences

    cine = add_cine()
    filtering.inputs.selectors["image"].widget.setCurrentNode(cine)
    assert filtering.obstacle() == ""
    assert filtering.request().new_names() == {"image": "Cine Gaussian smoothing"}
    assert filtering.request().spacing() == pytest.approx((0.7, 1.1, 2.5))
    press(filtering.run.apply_button)
    wait_until(lambda: not filtering.run.runner.running)
    made = slicer.mrmlScene.GetFirstNodeByName("Cine Gaussian smoothing")
    found = bridge.value_of(made, "image")
    assert found.positions == TIMES and found.unit == "s"
    for before, after in zip(bridge.value_of(cine, "image").values, found.values, strict=True):
        alone = sitk.GetArrayFromImage(Gaussian().run(before))
        assert np.array_equal(alone, sitk.GetArrayFromImage(after))
    assert len(sequences.proxies_of(made)) == 1


def test_a_chosen_sequence_is_not_replaced_by_a_suggestion(filtering):
    from panel_helpers import add_volume

    cine = add_cine()
    filtering.inputs.selectors["image"].widget.setCurrentNode(cine)
    add_volume("Other")
    filtering.exit()
    filtering.enter()
    assert filtering.inputs.selectors["image"].nodes() == (cine,)


def test_a_sequence_of_another_kind_and_a_volume_as_output_are_named(filtering):
    from MedImgAnalysisLib.scene import bridge
    from MedImgAnalysisLib.values import Frames
    from panel_helpers import add_volume

    moves = bridge.add_node(Frames((sitk.TranslationTransform(3),) * 2), "Moves", kind="transform")
    image = filtering.inputs.selectors["image"].widget
    image.setCurrentNode(moves)
    assert "'Moves' is a Sequence node of LinearTransform nodes" in filtering.obstacle()
    image.setCurrentNode(add_cine())
    filtering.outputs.show("image", add_volume("Volume"))
    assert "'Volume' is a Volume node; frames needs one of: Sequence" in filtering.obstacle()


def test_motion_of_a_sequence_from_the_page_of_registration(load_module, press, wait_until, grab, tmp_path):
    import slicer
    from MedImgAnalysisLib.scene import bridge
    from MedImgAnalysisLib.values import Frames
    from motion_testing import moving_phantom, rigid_motion

    motions = [rigid_motion((2.0 * n, -n, 0), (0, n, 0)) for n in range(3)]
    frames = moving_phantom(motions, positions=TIMES, title="time", unit="s")
    cine = bridge.add_node(frames, "Cine", kind="frames")
    moves = bridge.add_node(Frames((sitk.TranslationTransform(3),) * 2), "Moves", kind="transform")
    panel = load_module(MODULES / "MedImgRegistration" / "MedImgRegistration.py").widget.panel
    choose(panel.chooser.combo, "register_sequence")
    selector = panel.inputs.selectors["frames"]
    offered = {selector.widget.nodeFromIndex(number) for number in range(selector.widget.nodeCount())}
    assert offered == {cine, moves}
    assert selector.nodes() == (cine,), "the sequence of volumes is suggested, not that of transforms"
    panel.form.show({**panel.operation().values(), "metric": "correlation", "finest_mm": 4.0})
    panel.state.keep_parameters("register_sequence", panel.form.build().values())
    panel.inputs.selectors["frames"].show((moves,), "")
    panel.state.keep_inputs("frames", (moves,))
    assert "'Moves' is a Sequence node of LinearTransform nodes; frames needs one of" in panel.obstacle()
    panel.state.keep_inputs("frames", (cine,))
    assert panel.obstacle() == ""
    press(panel.run.apply_button)
    wait_until(lambda: not panel.run.runner.running, timeout=60)
    table = bridge.value_of(slicer.mrmlScene.GetFirstNodeByName("Cine Register a sequence table"), "table")
    assert table.column("shift_x_mm") == pytest.approx([0, 2, 4], abs=0.25)
    assert slicer.mrmlScene.GetFirstNodeByName("Cine Register a sequence transforms").GetNumberOfDataNodes() == 3
    folder = Path(os.environ.get("MEDIMG_PANEL_PNG") or tmp_path)
    assert grab(panel.module_widget.parent, folder / "Sequence.png").stat().st_size > 10_000
