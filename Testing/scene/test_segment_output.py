"""Results that go into a segmentation with other segments: added, replaced on a re-run, others never touched."""

from __future__ import annotations

import json

import numpy as np
import pytest
import SimpleITK as sitk
import slicer
from MedImgAnalysisLib.provenance import ATTRIBUTE
from MedImgAnalysisLib.scene import bridge, outputs, segment_writing, segmentations
from MedImgAnalysisLib.scene.digest import scene_digest
from MedImgAnalysisLib.scene.run import run_in_scene
from MedImgAnalysisLib.segmentation import AutoThreshold, CleanSegments, MultiOtsu
from MedImgAnalysisLib.values import Labels
from scene_helpers import add_transform, box, overlapping, put_under, rigid_matrix

SIZE = (12, 10, 8)


def picture(offset: float = 0.0) -> sitk.Image:
    bright = sitk.Cast(box(SIZE, (2, 2, 2), (9, 8, 7)), sitk.sitkFloat32) * 100.0
    return bright + offset


@pytest.fixture
def volume():
    return bridge.add_node(picture(), "T1", kind="image")


@pytest.fixture
def drawn():
    """A segmentation that somebody drew."""
    return bridge.add_node(overlapping(), "Drawn", kind="labels")


def arrays(node) -> dict[str, np.ndarray]:
    labels = bridge.value_of(node, "labels")
    return {s.id: sitk.GetArrayFromImage(labels.mask(s)) for s in labels.segments}


def threshold(volume, target, **parameters):
    return run_in_scene(AutoThreshold(**parameters), {"image": volume}, {"labels": target})["labels"]


def test_a_result_is_added_to_the_segments_that_are_there(volume, drawn):
    before = arrays(drawn)
    assert threshold(volume, drawn) is drawn
    after = arrays(drawn)
    assert list(after)[:3] == ["tumour", "oedema", "nothing"]
    assert len(after) == 4
    for identity, array in before.items():
        assert np.array_equal(after[identity], array)
    assert np.array_equal(list(after.values())[3], sitk.GetArrayFromImage(box(SIZE, (2, 2, 2), (9, 8, 7))))


def test_a_rerun_replaces_its_own_segment_and_no_other(volume, drawn):
    threshold(volume, drawn, side="bright")
    before = arrays(drawn)
    threshold(volume, drawn, side="dark")
    after = arrays(drawn)
    assert list(after) == list(before)
    for identity in ("tumour", "oedema", "nothing"):
        assert np.array_equal(after[identity], before[identity])
    own = list(after)[3]
    assert np.array_equal(after[own], 1 - before[own])


def test_a_rerun_keeps_the_colour_that_people_chose(volume, drawn):
    threshold(volume, drawn)
    own = drawn.GetSegmentation().GetNthSegmentID(3)
    drawn.GetSegmentation().GetSegment(own).SetColor(0.1, 0.9, 0.2)
    threshold(volume, drawn, side="dark")
    assert drawn.GetSegmentation().GetSegment(own).GetColor() == (0.1, 0.9, 0.2)


def test_a_segment_that_was_edited_by_hand_is_somebodys_work_and_stays(volume, drawn):
    threshold(volume, drawn)
    own = drawn.GetSegmentation().GetNthSegmentID(3)
    edited = Labels.from_masks([("Edited", box(SIZE, (0, 0, 0), (3, 3, 3)))])
    segment_writing.put_labels(edited, drawn, {edited.segments[0].id: own})
    threshold(volume, drawn)
    after = arrays(drawn)
    assert len(after) == 5
    assert np.array_equal(after[own], sitk.GetArrayFromImage(box(SIZE, (0, 0, 0), (3, 3, 3))))


def test_a_drawn_segment_with_the_same_id_is_not_taken_for_an_own_one(volume):
    drawn = bridge.add_node(Labels.from_masks([("Mine", box(SIZE, (0, 0, 0), (4, 4, 4)))]), "Drawn", kind="labels")
    identity = AutoThreshold().run(picture()).labels.segments[0].id
    drawn.GetSegmentation().GetNthSegment(0).SetName("Mine")
    if identity != "Segment_1":
        drawn.GetSegmentation().AddEmptySegment(identity, "Also mine")
    before = arrays(drawn)
    threshold(volume, drawn)
    after = arrays(drawn)
    assert len(after) == len(before) + 1
    for name, array in before.items():
        assert np.array_equal(after[name], array)


def test_segments_of_other_operations_are_not_replaced(volume, drawn):
    threshold(volume, drawn)
    own = drawn.GetSegmentation().GetNthSegmentID(3)
    entry = json.loads(drawn.GetAttribute(outputs.SEGMENT + own))
    entry["result"]["operation"] = "other"
    drawn.SetAttribute(outputs.SEGMENT + own, json.dumps(entry))
    threshold(volume, drawn)
    assert drawn.GetSegmentation().GetNumberOfSegments() == 5


def test_a_result_of_another_name_is_put_beside_the_first_one(volume, drawn):
    threshold(volume, drawn, segment="Bones")
    before = arrays(drawn)
    threshold(volume, drawn, segment="Air", side="dark")
    after = arrays(drawn)
    assert len(after) == len(before) + 1
    for identity, array in before.items():
        assert np.array_equal(after[identity], array)
    names = [drawn.GetSegmentation().GetNthSegment(n).GetName() for n in range(len(after))]
    assert names[3:] == ["Bones", "Air"]
    colors = {drawn.GetSegmentation().GetNthSegment(n).GetColor() for n in (3, 4)}
    assert len(colors) == 2
    threshold(volume, drawn, segment="Bones", bins=64)
    assert list(arrays(drawn)) == list(after)


def test_a_segment_that_got_another_name_is_kept(volume, drawn):
    threshold(volume, drawn)
    own = drawn.GetSegmentation().GetNthSegment(3)
    own.SetName("Chosen")
    threshold(volume, drawn, side="dark")
    names = [drawn.GetSegmentation().GetNthSegment(n).GetName() for n in range(5)]
    assert names[3:] == ["Chosen", "Foreground"]


def test_fewer_classes_leave_no_stale_ones_behind(volume, drawn):
    noise = sitk.AdditiveGaussianNoise(picture(), 3.0, 0.0, 1)
    noisy = bridge.add_node(noise, "Noisy", kind="image")
    run_in_scene(MultiOtsu(classes=4, segment="Part"), {"image": noisy}, {"labels": drawn})
    assert drawn.GetSegmentation().GetNumberOfSegments() == 6
    run_in_scene(MultiOtsu(classes=3, segment="Part"), {"image": noisy}, {"labels": drawn})
    names = [drawn.GetSegmentation().GetNthSegment(n).GetName() for n in range(5)]
    assert drawn.GetSegmentation().GetNumberOfSegments() == 5 and names[3:] == ["Part 1", "Part 2"]


def test_a_result_that_covers_a_neighbour_gets_a_layer_of_its_own(volume, drawn):
    before = arrays(drawn)
    layers = drawn.GetSegmentation().GetNumberOfLayers()
    threshold(volume, drawn, segment="Covers")
    threshold(volume, drawn, segment="Covers", side="dark")
    after = arrays(drawn)
    own = list(after)[3]
    assert any((after[own] & array).any() for array in before.values())
    assert drawn.GetSegmentation().GetNumberOfLayers() > layers
    for identity, array in before.items():
        assert np.array_equal(after[identity], array)


def test_what_names_its_input_is_replaced_for_that_input_only(drawn, scene):
    other = bridge.add_node(Labels.from_masks([("Node", box(SIZE, (1, 1, 1), (4, 4, 4)))]), "Nodes", kind="labels")
    target = scene.AddNewNodeByClass("vtkMRMLSegmentationNode", "Cleaned")
    clean = CleanSegments(keep_largest=1)
    count = []
    for given in (drawn, other, other, drawn):
        run_in_scene(clean, {"labels": given}, {"labels": target})
        count.append(target.GetSegmentation().GetNumberOfSegments())
    assert count[0] + 1 == count[1] == count[2] == count[3]


def test_a_new_segment_in_an_empty_segmentation_names_its_volume(volume, scene):
    node = scene.AddNewNodeByClass("vtkMRMLSegmentationNode", "New")
    threshold(volume, node)
    role = slicer.vtkMRMLSegmentationNode.GetReferenceImageGeometryReferenceRole()
    assert node.GetNodeReference(role) is volume


def test_a_deleted_segment_is_made_again(volume, drawn):
    threshold(volume, drawn)
    own = drawn.GetSegmentation().GetNthSegmentID(3)
    drawn.GetSegmentation().RemoveSegment(own)
    threshold(volume, drawn)
    assert drawn.GetSegmentation().GetNumberOfSegments() == 4


def test_the_record_names_the_segment_and_a_new_node_is_rerun_the_same_way(volume, scene):
    node = threshold(volume, "Auto")
    record = json.loads(node.GetAttribute(ATTRIBUTE))
    assert list(record["scene"]["segments"].values()) == [node.GetSegmentation().GetNthSegmentID(0)]
    threshold(volume, node, side="dark")
    assert node.GetSegmentation().GetNumberOfSegments() == 1
    assert int(next(iter(arrays(node).values())).sum()) == 12 * 10 * 8 - 7 * 6 * 5


def test_an_empty_segmentation_made_in_a_selector_is_filled_and_gets_its_geometry(volume, scene):
    node = scene.AddNewNodeByClass("vtkMRMLSegmentationNode", "New")
    threshold(volume, node)
    assert segmentations.reference_grid(node.GetSegmentation()).same_as(overlapping().grid)
    assert node.GetDisplayNode() is not None


def test_a_segmentation_under_a_transform_gets_the_segment_where_the_volume_is_shown(volume, drawn):
    put_under(drawn, add_transform(rigid_matrix()))
    threshold(volume, drawn)
    own = drawn.GetSegmentation().GetNthSegmentID(3)
    mask = bridge.value_of(drawn, "mask", own)
    found = sitk.LabelShapeStatisticsImageFilter()
    found.Execute(mask)
    expected = sitk.LabelShapeStatisticsImageFilter()
    expected.Execute(box(SIZE, (2, 2, 2), (9, 8, 7)))
    assert np.allclose(found.GetCentroid(1), expected.GetCentroid(1), atol=1e-6)
    assert found.GetNumberOfPixels(1) == expected.GetNumberOfPixels(1)
    assert drawn.GetParentTransformNode() is not None


def test_a_failure_while_segments_are_replaced_puts_all_of_them_back(volume, drawn, monkeypatch):
    threshold(volume, drawn)
    before = scene_digest()

    def fail(*_):
        raise RuntimeError("disk on fire")

    monkeypatch.setattr(outputs, "_sign", fail)
    with pytest.raises(RuntimeError):
        threshold(volume, drawn, side="dark")
    assert scene_digest() == before
