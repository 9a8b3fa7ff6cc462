"""What happens to nodes between reading and writing: noticed, said, nothing written."""

from __future__ import annotations

import pytest
from MedImgAnalysisLib.errors import InputError
from MedImgAnalysisLib.filtering.gaussian import Gaussian
from MedImgAnalysisLib.scene import bridge, segment_writing
from MedImgAnalysisLib.scene.digest import scene_digest
from MedImgAnalysisLib.scene.run import SceneRun, single_step
from MedImgAnalysisLib.segmentation.auto_threshold import AutoThreshold
from MedImgAnalysisLib.values import Labels
from scene_helpers import add_transform, box, put_under, ramp, rigid_matrix


def started(volume):
    run = SceneRun(*single_step(Gaussian(), {"image": volume}))
    run.collect()
    run.compute()
    return run


def test_an_input_that_was_deleted_meanwhile_stops_the_writing(volume, scene):
    run = started(volume)
    scene.RemoveNode(volume)
    before = scene_digest()
    with pytest.raises(InputError, match="'T1' was deleted while the operation ran"):
        run.commit()
    assert scene_digest() == before


def change_voxels(node):
    import slicer.util

    slicer.util.arrayFromVolume(node)[0, 0, 0] = 55
    slicer.util.arrayFromVolumeModified(node)


def change_spacing(node):
    node.SetSpacing(9, 9, 9)


def change_parent(node):
    put_under(node, add_transform(rigid_matrix()))


@pytest.mark.parametrize("change", [change_voxels, change_spacing, change_parent])
def test_an_input_that_was_changed_meanwhile_stops_the_writing(volume, change):
    run = started(volume)
    change(volume)
    before = scene_digest()
    with pytest.raises(InputError, match="'T1' was changed while the operation ran"):
        run.commit()
    assert scene_digest() == before


def test_looking_at_an_input_or_renaming_it_meanwhile_does_not_stop_the_writing(volume):
    run = started(volume)
    volume.GetDisplayNode().SetAutoWindowLevel(0)
    volume.GetDisplayNode().SetWindowLevel(5, 5)
    volume.SetName("Renamed")
    volume.SetAttribute("seen", "yes")
    assert run.commit()["gaussian_image"].GetName() == "Renamed Gaussian smoothing"


def test_a_segment_that_was_painted_meanwhile_stops_the_writing(volume):
    node = bridge.add_node(Labels.from_masks([("M", box((16, 14, 12), (2, 2, 2), (9, 9, 9)))]), "Seg", kind="labels")
    run = SceneRun(*single_step(AutoThreshold(), {"image": volume, "mask": (node, "Segment_1")}))
    run.collect()
    run.compute()
    more = Labels.from_masks([("M", box((16, 14, 12), (2, 2, 2), (11, 9, 9)))])
    segment_writing.put_labels(more, node)
    with pytest.raises(InputError, match="'Seg' was changed"):
        run.commit()


def test_an_output_that_was_deleted_meanwhile_stops_the_writing(volume, scene):
    target = bridge.add_node(ramp(), "Mine", kind="image")
    run = SceneRun(*single_step(Gaussian(), {"image": volume}), {"gaussian_image": target})
    run.collect()
    run.compute()
    scene.RemoveNode(target)
    with pytest.raises(InputError, match="output 'Mine' was deleted"):
        run.commit()
