"""Segmentations: every segment by itself, overlap kept, neighbours never erased, always on the reference grid."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk
import slicer
from medimg_testing import oblique_grid
from MedImgAnalysisLib.errors import GeometryError, InputError
from MedImgAnalysisLib.geometry import Grid
from MedImgAnalysisLib.progress import Progress
from MedImgAnalysisLib.scene import bridge, segment_writing, segmentations, standalone, volumes
from MedImgAnalysisLib.values import Labels, Segment
from scene_helpers import add_transform, box, overlapping, put_under, rigid_matrix, same_voxels


def voxels(labels: Labels, identity: str) -> np.ndarray:
    return sitk.GetArrayFromImage(labels.mask(identity))


def test_overlapping_segments_come_back_with_all_they_have():
    labels = overlapping()
    back = bridge.value_of(bridge.add_node(labels, "Seg", kind="labels"), "labels")
    assert back.segments == labels.segments
    for segment in labels.segments:
        assert same_voxels(back.mask(segment.id), labels.mask(segment))


def test_ids_are_those_that_were_given_and_not_random():
    node = bridge.add_node(overlapping(), "Seg", kind="labels")
    segmentation = node.GetSegmentation()
    assert [segmentation.GetNthSegmentID(n) for n in range(3)] == ["tumour", "oedema", "nothing"]


def test_segments_that_do_not_overlap_share_a_layer():
    first, second = box((6, 6, 6), (0, 0, 0), (2, 2, 2)), box((6, 6, 6), (3, 3, 3), (5, 5, 5))
    node = bridge.add_node(Labels.from_masks([("A", first), ("B", second)]), "Seg", kind="labels")
    assert node.GetSegmentation().GetNumberOfLayers() == 1


def test_a_new_segmentation_knows_its_reference_geometry():
    labels = overlapping()
    node = bridge.add_node(labels, "Seg", kind="labels")
    assert segmentations.reference_grid(node.GetSegmentation()).same_as(labels.grid)
    import slicer.util

    volume = bridge.add_node(labels.layers[0], "Ref", kind="image")
    array = slicer.util.arrayFromSegmentBinaryLabelmap(node, "tumour", volume)
    assert np.array_equal(array, voxels(labels, "tumour"))


def test_the_source_volume_is_named_where_it_is_on_the_same_grid():
    labels = overlapping()
    volume = bridge.add_node(labels.layers[0], "Ref", kind="image")
    node = bridge.add_node(labels, "Seg", kind="labels", like=volume)
    assert node.GetNodeReference(node.GetReferenceImageGeometryReferenceRole()) is volume
    other = bridge.add_node(sitk.Image([3, 3, 3], sitk.sitkUInt8), "Other", kind="image")
    loose = bridge.add_node(labels, "Seg", kind="labels", like=other)
    assert loose.GetNodeReference(loose.GetReferenceImageGeometryReferenceRole()) is None
    assert segmentations.reference_grid(loose.GetSegmentation()).same_as(labels.grid)


def test_cropped_layers_are_put_back_on_the_full_grid():
    labels = overlapping()
    node = bridge.add_node(labels, "Seg", kind="labels")
    segmentation = node.GetSegmentation()
    segmentation.SeparateSegmentLabelmap("tumour")
    segmentation.CollapseBinaryLabelmaps(False)
    extent = segmentation.GetSegment("tumour").GetRepresentation(segmentations.BINARY).GetExtent()
    back = bridge.value_of(node, "labels")
    assert back.grid.size == labels.grid.size
    assert np.array_equal(voxels(back, "tumour"), voxels(labels, "tumour")), extent


def test_voxels_beyond_the_reference_geometry_are_not_lost():
    labels = overlapping()
    node = bridge.add_node(labels, "Seg", kind="labels")
    small = Grid.of(labels.layers[0][3:8, 3:8, 3:8])
    segment_writing.set_reference(node.GetSegmentation(), small)
    back = bridge.value_of(node, "labels")
    for identity in ("tumour", "oedema"):
        assert int(voxels(back, identity).sum()) == int(voxels(labels, identity).sum())


def off_the_lattice(grid: Grid) -> Grid:
    return Grid(grid.size, grid.spacing, tuple(grid.to_physical(np.array([[0.3, 0, 0]]))[0]), grid.direction)


def test_segments_on_a_lattice_of_their_own_stay_as_they_are():
    labels = overlapping()
    node = bridge.add_node(labels, "Seg", kind="labels")
    segment_writing.set_reference(node.GetSegmentation(), off_the_lattice(labels.grid))
    said: list[str] = []
    back = bridge.value_of(node, "labels", progress=Progress(on_warning=said.append))
    assert said == []
    assert int(voxels(back, "tumour").sum()) == int(voxels(labels, "tumour").sum())
    found = np.argwhere(voxels(back, "tumour")).min(axis=0)[::-1][None]
    assert np.allclose(back.grid.to_physical(found), labels.grid.to_physical(np.array([[1, 1, 1]])))


def test_layers_on_different_lattices_are_resampled_and_said_so():
    labels = overlapping()
    node = bridge.add_node(labels, "Seg", kind="labels")
    other = off_the_lattice(labels.grid).put_on(sitk.Image(labels.mask("tumour")))
    segment_writing.put_labels(Labels((other,), (Segment("off", "Off", (1, 1, 1)),)), node)
    said: list[str] = []
    back = bridge.value_of(node, "labels", progress=Progress(on_warning=said.append))
    assert "another lattice" in said[0]
    assert np.array_equal(voxels(back, "tumour"), voxels(labels, "tumour"))
    assert int(voxels(back, "off").sum()) == int(voxels(labels, "tumour").sum())


def test_one_segment_by_id_or_name_as_a_mask():
    labels = overlapping()
    node = bridge.add_node(labels, "Seg", kind="labels")
    for key in ("oedema", "Œdème"):
        assert same_voxels(bridge.value_of(node, "mask", key), labels.mask("oedema"))


def test_a_mask_of_several_segments_needs_a_choice():
    node = bridge.add_node(overlapping(), "Seg", kind="labels")
    with pytest.raises(InputError, match="has 3 segments; choose one of Tumour, Œdème, Nothing"):
        bridge.value_of(node, "mask")


def test_an_unknown_segment_is_answered_with_those_there_are():
    node = bridge.add_node(overlapping(), "Seg", kind="labels")
    with pytest.raises(InputError, match="no segment 'liver'; it has Tumour, Œdème, Nothing"):
        bridge.value_of(node, "labels", "liver")


def test_a_name_that_two_segments_have_needs_the_id():
    labels = overlapping().renamed(oedema="Tumour")
    node = bridge.add_node(labels, "Seg", kind="labels")
    with pytest.raises(InputError, match="2 segments named 'Tumour'; use the segment id"):
        bridge.value_of(node, "mask", "Tumour")


def test_a_segmentation_without_segments_is_refused_by_name(scene):
    node = scene.AddNewNodeByClass("vtkMRMLSegmentationNode", "Blank")
    with pytest.raises(InputError, match="'Blank' has no segments"):
        bridge.value_of(node, "labels")


def test_fractional_segments_are_refused_with_advice(scene):
    node = scene.AddNewNodeByClass("vtkMRMLSegmentationNode", "Soft")
    node.GetSegmentation().SetSourceRepresentationName(segmentations.FRACTIONAL)
    node.GetSegmentation().AddEmptySegment("a", "a")
    with pytest.raises(InputError, match="'Soft' is fractional; convert it to binary"):
        bridge.value_of(node, "labels")


def test_a_closed_surface_is_voxelised_without_touching_the_node(scene):
    import vtk

    sphere = vtk.vtkSphereSource()
    sphere.SetRadius(10)
    sphere.SetThetaResolution(60)
    sphere.SetPhiResolution(60)
    sphere.Update()
    node = scene.AddNewNodeByClass("vtkMRMLSegmentationNode", "Ball")
    node.GetSegmentation().SetSourceRepresentationName("Closed surface")
    segment = slicer.vtkSegment()
    segment.AddRepresentation("Closed surface", sphere.GetOutput())
    node.GetSegmentation().AddSegment(segment, "ball")
    grid = Grid((50, 50, 50), (0.5, 0.5, 0.5), (-12.25, -12.25, -12.25), (1, 0, 0, 0, 1, 0, 0, 0, 1))
    segment_writing.set_reference(node.GetSegmentation(), grid)
    mask = bridge.value_of(node, "mask")
    volume = float(sitk.GetArrayFromImage(mask).sum()) * 0.125
    assert volume == pytest.approx(4 / 3 * np.pi * 1000, rel=0.02)
    assert not node.GetSegmentation().ContainsRepresentation(segmentations.BINARY)


def test_a_label_map_volume_gives_a_segment_per_value_with_the_names_of_its_own_colours(scene):
    node = scene.AddNewNodeByClass("vtkMRMLLabelMapVolumeNode", "Atlas")
    volumes.put_image(sitk.GetImageFromArray(np.array([[[0, 3, 7]]], np.int16)), node)
    node.CreateDefaultDisplayNodes()
    assert bridge.value_of(node, "labels").names == ("Segment_3", "Segment_7")
    table = scene.AddNewNodeByClass("vtkMRMLColorTableNode", "Organs")
    table.SetTypeToUser()
    table.SetNumberOfColors(8)
    for value, name in ((3, "Liver"), (7, "Spleen")):
        table.SetColor(value, name, 1.0, 0.0, 0.5, 1.0)
    node.GetDisplayNode().SetAndObserveColorNodeID(table.GetID())
    labels = bridge.value_of(node, "labels")
    assert labels.names == ("Liver", "Spleen")
    assert [segment.value for segment in labels.segments] == [3, 7]
    assert labels.segments[0].color == pytest.approx((1.0, 0.0, 0.5), abs=0.003)


def test_nested_parents_put_segments_where_mrml_shows_them():
    labels = overlapping()
    node = bridge.add_node(labels, "Seg", kind="labels")
    put_under(node, add_transform(rigid_matrix(), "Inner", add_transform(rigid_matrix(0.9, (3, 2, 1)), "Outer")))
    back = bridge.value_of(node, "labels")
    assert np.array_equal(voxels(back, "tumour"), voxels(labels, "tumour"))
    shown = np.array(node.GetSegmentCenterRAS("tumour"))
    index = np.argwhere(voxels(back, "tumour")).mean(axis=0)[::-1]
    assert np.allclose(back.grid.to_physical(index[None])[0], shown * (-1, -1, 1), atol=1e-6)


def test_a_shearing_parent_resamples_and_keeps_the_volume_of_segments():
    node = bridge.add_node(Labels.from_masks([("A", box((14, 14, 14), (3, 3, 3), (11, 11, 11)))]), "Seg", kind="labels")
    matrix = np.eye(4)
    matrix[0, 2] = 0.3
    put_under(node, add_transform(matrix))
    said: list[str] = []
    mask = bridge.value_of(node, "mask", progress=Progress(on_warning=said.append))
    assert "resampled" in said[0]
    assert abs(int(sitk.GetArrayFromImage(mask).sum()) - 512) < 40


def test_adding_a_segment_that_overlaps_leaves_the_others_alone():
    labels = overlapping()
    node = bridge.add_node(labels, "Seg", kind="labels")
    everything = box((12, 10, 8), (0, 0, 0), (12, 10, 8))
    more = Labels.from_masks([("All", everything)])
    segment_writing.put_labels(Labels(more.layers, (Segment("all", "All", (1, 1, 1)),)), node)
    back = bridge.value_of(node, "labels")
    assert [s.id for s in back.segments] == ["tumour", "oedema", "nothing", "all"]
    for segment in labels.segments:
        assert np.array_equal(voxels(back, segment.id), voxels(labels, segment.id))
    assert voxels(back, "all").all()


@pytest.mark.parametrize("new", [((0, 0, 0), (12, 10, 8)), ((2, 2, 2), (3, 3, 3)), ((9, 8, 6), (11, 10, 8))])
def test_replacing_a_segment_of_a_shared_layer_leaves_its_neighbours_alone(new):
    size = (12, 10, 8)
    labels = Labels.from_masks(
        [
            ("A", box(size, (0, 0, 0), (5, 5, 5))),
            ("B", box(size, (6, 6, 6), (9, 9, 8))),
            ("C", box(size, (10, 0, 0), (12, 3, 3))),
        ]
    )
    node = bridge.add_node(labels, "Seg", kind="labels")
    assert node.GetSegmentation().GetNumberOfLayers() == 1
    ids = [s.id for s in labels.segments]
    node.GetSegmentation().GetSegment(ids[0]).SetColor(0.1, 0.2, 0.3)
    replacement = Labels.from_masks([("A again", box(size, *new))])
    segment_writing.put_labels(replacement, node, {replacement.segments[0].id: ids[0]})
    back = bridge.value_of(node, "labels")
    assert [s.id for s in back.segments] == ids
    assert np.array_equal(voxels(back, ids[0]), sitk.GetArrayFromImage(box(size, *new)))
    for identity in ids[1:]:
        assert np.array_equal(voxels(back, identity), voxels(labels, identity))
    assert back.segments[0].name == "A again"
    assert back.segments[0].color == (0.1, 0.2, 0.3)


def test_labels_are_moved_into_the_space_of_a_segmentation_under_a_transform():
    labels = overlapping()
    node = bridge.add_node(labels, "Seg", kind="labels")
    put_under(node, add_transform(rigid_matrix()))
    extra = Labels(labels.layers[:1], (Segment("more", "More", (1, 0, 0), 0, labels.segments[0].value),))
    segment_writing.put_labels(segment_writing.between(extra, None, node), node)
    back = bridge.value_of(node, "labels", "more")
    index = np.argwhere(voxels(back, "more")).mean(axis=0)[::-1][None]
    wanted = np.argwhere(voxels(labels, "tumour")).mean(axis=0)[::-1][None]
    assert np.allclose(back.grid.to_physical(index), labels.grid.to_physical(wanted), atol=1e-3)


def test_labels_cannot_be_moved_under_a_bending_transform():
    node = bridge.add_node(overlapping(), "Seg", kind="labels")
    matrix = np.eye(4)
    matrix[0, 1] = 0.5
    put_under(node, add_transform(matrix))
    with pytest.raises(GeometryError, match="bends or shears; choose an output that is not"):
        segment_writing.between(overlapping(), None, node)


def test_no_helper_nodes_stay_behind(scene):
    before = bridge.node_ids(scene)
    node = bridge.add_node(overlapping(), "Seg", kind="labels")
    bridge.value_of(node, "labels")
    added = {scene.GetNodeByID(i).GetClassName() for i in bridge.node_ids(scene) - before}
    assert added == {"vtkMRMLSegmentationNode", "vtkMRMLSegmentationDisplayNode"}


def test_2d_labels_make_the_way_into_the_scene():
    mask = oblique_grid(sitk.GetImageFromArray(np.eye(6, dtype=np.uint8)))
    node = bridge.add_node(Labels.from_masks([("Line", mask)]), "Seg", kind="labels")
    back = bridge.value_of(node, "mask")
    assert back.GetSize() == (6, 6, 1)
    assert np.array_equal(sitk.GetArrayFromImage(back)[0], np.eye(6))


def test_a_segmentation_of_8_bit_signed_integers_can_be_saved_and_loaded(tmp_path):
    labels = Labels.from_labelmap(sitk.Cast(box((6, 6, 6), (1, 2, 3), (4, 5, 6)), sitk.sitkInt8))
    bridge.add_node(labels, "Seg", kind="labels")
    standalone.load(standalone.save_mrb(tmp_path / "scene.mrb"))
    back = bridge.value_of(slicer.mrmlScene.GetFirstNodeByName("Seg"), "labels")
    assert np.array_equal(voxels(back, back.segments[0].id), voxels(labels, labels.segments[0].id))


def test_the_digest_of_a_segment_shows_an_edit_and_nothing_else():
    labels = overlapping()
    node = bridge.add_node(labels, "Seg", kind="labels")
    segmentation = node.GetSegmentation()
    before = {i: segmentations.segment_digest(segmentation, i) for i in ("tumour", "oedema")}
    segmentation.SeparateSegmentLabelmap("tumour")
    segmentation.CollapseBinaryLabelmaps(False)
    assert {i: segmentations.segment_digest(segmentation, i) for i in before} == before
    changed = Labels.from_masks([("T", box((12, 10, 8), (1, 1, 1), (6, 6, 5)))])
    segment_writing.put_labels(changed, node, {changed.segments[0].id: "tumour"})
    after = {i: segmentations.segment_digest(segmentation, i) for i in before}
    assert after["tumour"] != before["tumour"]
    assert after["oedema"] == before["oedema"]
