"""Sequences in the panels: chosen like a volume, worked on frame by frame, shown in the views."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk
from panel_helpers import FILTERING, noisy_image

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
