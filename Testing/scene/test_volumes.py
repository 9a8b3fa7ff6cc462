"""Volumes: the same voxels in the same place, whatever the pixel type, the grid and the parent transforms."""

from __future__ import annotations

import gc

import numpy as np
import pytest
import SimpleITK as sitk
import slicer
from hypothesis import given, settings
from hypothesis import strategies as st
from medimg_testing import oblique_grid
from MedImgAnalysisLib.errors import GeometryError, InputError
from MedImgAnalysisLib.frames import Frames
from MedImgAnalysisLib.geometry import Grid
from MedImgAnalysisLib.progress import Progress
from MedImgAnalysisLib.provenance import fingerprint
from MedImgAnalysisLib.scene import bridge, frames, standalone, volumes
from scene_helpers import add_transform, put_under, ramp, rigid_matrix, same_voxels

TYPES = [np.uint8, np.int16, np.uint16, np.int32, np.uint32, np.float32, np.float64]


def physical(image: sitk.Image, index: tuple[int, int, int]) -> np.ndarray:
    return np.array(image.TransformIndexToPhysicalPoint(index))


def ras_of(node, ijk: tuple[float, float, float]) -> np.ndarray:
    """World RAS of a voxel by MRML's own means."""
    import vtk

    matrix = vtk.vtkMatrix4x4()
    node.GetIJKToRASMatrix(matrix)
    local = matrix.MultiplyPoint((*ijk, 1.0))[:3]
    general = vtk.vtkGeneralTransform()
    if node.GetParentTransformNode():
        node.GetParentTransformNode().GetTransformToWorld(general)
    return np.array(general.TransformPoint(local))


@pytest.mark.parametrize("kind", TYPES)
def test_every_pixel_type_comes_back_bit_for_bit(kind):
    image = ramp(kind=kind)
    node = bridge.add_node(image, "x", kind="image")
    assert same_voxels(bridge.value_of(node, "image"), image)


@pytest.mark.parametrize("kind", [np.int8, *TYPES])
def test_every_pixel_type_can_be_saved_and_loaded(tmp_path, kind):
    image = ramp(kind=kind)
    bridge.add_node(image, "volume", kind="image")
    standalone.load(standalone.save_mrb(tmp_path / "scene.mrb"))
    back = bridge.value_of(slicer.mrmlScene.GetFirstNodeByName("volume"), "image")
    assert same_voxels(back, volumes.stored(image))
    assert np.array_equal(sitk.GetArrayViewFromImage(back), sitk.GetArrayViewFromImage(image))


@pytest.mark.parametrize("components", [2, 3, 4])
@pytest.mark.parametrize("kind", [np.uint8, np.int16, np.float32])
def test_vector_and_colour_volumes_come_back_bit_for_bit(kind, components):
    array = np.arange(5 * 6 * 7 * components).reshape(7, 6, 5, components).astype(kind)
    image = oblique_grid(sitk.GetImageFromArray(array, isVector=True))
    node = bridge.add_node(image, "x", kind="image")
    assert node.GetClassName() == "vtkMRMLVectorVolumeNode"
    back = bridge.value_of(node, "image")
    assert np.array_equal(sitk.GetArrayFromImage(back), array)
    assert Grid.of(back).same_as(Grid.of(image))


def test_a_voxel_is_at_the_same_point_in_ras_and_lps():
    image = ramp()
    node = bridge.add_node(image, "x", kind="image")
    for index in ((0, 0, 0), (8, 0, 0), (0, 6, 0), (0, 0, 4), (3, 2, 1)):
        assert np.allclose(ras_of(node, index) * (-1, -1, 1), physical(image, index), atol=1e-12)


def test_the_image_data_of_a_node_has_no_geometry_of_its_own():
    data = bridge.add_node(ramp(), "x", kind="image").GetImageData()
    assert (data.GetOrigin(), data.GetSpacing()) == ((0, 0, 0), (1, 1, 1))
    assert [data.GetDirectionMatrix().GetElement(i, i) for i in range(3)] == [1, 1, 1]


def test_left_handed_grids_keep_voxel_order_and_place():
    image = ramp()
    direction = np.reshape(image.GetDirection(), (3, 3)) @ np.diag([1, 1, -1])
    image.SetDirection(direction.ravel().tolist())
    assert np.linalg.det(direction) < 0
    assert same_voxels(bridge.value_of(bridge.add_node(image, "x", kind="image"), "image"), image)


@pytest.mark.parametrize("axis", range(3))
def test_left_handed_grids_keep_voxel_order_and_place_in_a_saved_scene(tmp_path, axis):
    image = ramp()
    mirrored = np.eye(3)
    mirrored[axis, axis] = -1
    image.SetDirection((np.reshape(image.GetDirection(), (3, 3)) @ mirrored).ravel().tolist())
    moving = Frames((image, sitk.Cast(image + 1, image.GetPixelID())), (0.0, 1.0))
    bridge.add_node(image, "volume", kind="image")
    bridge.add_node(moving, "sequence", kind="image")
    standalone.load(standalone.save_mrb(tmp_path / "scene.mrb"))
    back = bridge.value_of(slicer.mrmlScene.GetFirstNodeByName("volume"), "image")
    assert same_voxels(back, image)
    assert fingerprint(back) == fingerprint(image)
    again = bridge.value_of(slicer.mrmlScene.GetFirstNodeByClass("vtkMRMLSequenceNode"), "image")
    assert all(same_voxels(a, b) for a, b in zip(again.values, moving.values, strict=True))


@settings(max_examples=25, deadline=None)
@given(
    st.tuples(*[st.floats(-3.1, 3.1)] * 3), st.tuples(*[st.floats(0.05, 9)] * 3), st.tuples(*[st.floats(-900, 900)] * 3)
)
def test_any_orthogonal_grid_survives_the_round_trip(angles, spacing, origin):
    rotation = sitk.Euler3DTransform()
    rotation.SetRotation(*angles)
    image = sitk.Image([3, 4, 5], sitk.sitkUInt8)
    image.SetDirection(rotation.GetMatrix())
    image.SetSpacing(spacing)
    image.SetOrigin(origin)
    back = bridge.value_of(bridge.add_node(image, "x", kind="image"), "image")
    assert np.allclose(Grid.of(back).corners, Grid.of(image).corners, rtol=0, atol=1e-9)


def test_a_2d_image_is_one_slice_in_the_scene_and_2d_again_afterwards():
    image = oblique_grid(sitk.GetImageFromArray(np.arange(30, dtype=np.uint8).reshape(5, 6)))
    node = bridge.add_node(image, "x", kind="image")
    assert node.GetImageData().GetDimensions() == (6, 5, 1)
    assert same_voxels(bridge.value_of(node, "image"), image)


def test_a_2d_colour_image_makes_the_round_trip():
    array = np.arange(5 * 6 * 3, dtype=np.uint8).reshape(5, 6, 3)
    node = bridge.add_node(sitk.GetImageFromArray(array, isVector=True), "x", kind="image")
    assert np.array_equal(sitk.GetArrayFromImage(bridge.value_of(node, "image")), array)


def test_a_volume_of_one_slice_that_never_was_2d_stays_3d():
    image = ramp(size=(9, 7, 1))
    assert bridge.value_of(bridge.add_node(image, "x", kind="image"), "image").GetDimension() == 3


def test_a_2d_image_under_a_tilting_transform_is_a_slice_in_space():
    node = bridge.add_node(sitk.Image([6, 5], sitk.sitkUInt8), "x", kind="image")
    put_under(node, add_transform(rigid_matrix()))
    assert bridge.value_of(node, "image").GetDimension() == 3
    assert bridge.value_of(node, "image", world=False).GetDimension() == 2


@pytest.mark.parametrize(
    ("kind", "top", "expected"),
    [
        (np.int64, 2**31 - 1, np.int32),
        (np.int64, 2**31, np.uint32),
        (np.int64, 2**40, np.float64),
        (np.uint64, 2**32 - 1, np.uint32),
        (np.uint64, 2**50, np.float64),
        (bool, 1, np.uint8),
        (np.int8, -3, np.int16),
        (np.float16, 7, np.float32),
    ],
)
def test_types_that_vtk_lacks_are_stored_without_changing_a_value(kind, top, expected):
    array = np.array([[0, 1, top]]).astype(kind)
    stored = volumes.storable(array)
    assert stored.dtype == expected
    assert stored.astype(object).tolist() == array.astype(object).tolist()


def test_negative_64_bit_integers_stay_negative():
    image = sitk.GetImageFromArray(np.array([[[-5, 2**33]]], np.int64))
    back = bridge.value_of(bridge.add_node(image, "x", kind="image"), "image")
    assert sitk.GetArrayFromImage(back).tolist() == [[[-5.0, 2.0**33]]]


@pytest.mark.parametrize("value", [np.array([2**60], np.int64), np.array([1j]), np.array(["a"])])
def test_voxels_that_no_node_can_hold_are_refused(value):
    with pytest.raises(InputError, match="no volume node can hold"):
        volumes.storable(value)


def test_complex_images_are_refused_with_advice():
    with pytest.raises(InputError, match="magnitude"):
        bridge.add_node(sitk.Image([2, 2, 2], sitk.sitkComplexFloat32), "x", kind="image")


def test_4d_images_are_refused_with_advice(scene):
    before = bridge.node_ids(scene)
    with pytest.raises(InputError, match="one frame"):
        bridge.add_node(sitk.Image([2, 2, 2, 2], sitk.sitkUInt8), "x", kind="image")
    assert bridge.node_ids(scene) == before


def test_an_empty_volume_is_refused_by_name(scene):
    node = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "Fresh")
    with pytest.raises(InputError, match="'Fresh' has no voxels"):
        bridge.value_of(node, "image")


def test_a_sheared_volume_is_refused_by_name():
    node = bridge.add_node(ramp(), "Tilted gantry", kind="image")
    matrix = np.eye(4)
    matrix[1, 2] = 0.2
    node.SetIJKToRASMatrix(frames.to_matrix(matrix))
    with pytest.raises(GeometryError, match="'Tilted gantry' has axes that are not at right angles"):
        bridge.value_of(node, "image")


def test_voxels_survive_the_image_and_later_changes_to_it():
    image = ramp()
    wanted = sitk.GetArrayFromImage(image)
    node = bridge.add_node(image, "x", kind="image")
    image[0, 0, 0] = 999.0
    del image
    gc.collect()
    junk = [np.random.default_rng(0).random(wanted.size) for _ in range(20)]
    assert len(junk) == 20
    assert np.array_equal(volumes.array_of(node), wanted)


def test_a_value_is_a_copy_that_changes_to_the_node_do_not_reach():
    node = bridge.add_node(ramp(), "x", kind="image")
    value = bridge.value_of(node, "image")
    before = sitk.GetArrayFromImage(value)
    volumes.array_of(node)[:] = -1
    assert np.array_equal(sitk.GetArrayFromImage(value), before)


def test_linear_parents_go_into_the_geometry_and_change_no_voxel():
    image = ramp()
    node = bridge.add_node(image, "x", kind="image")
    outer = add_transform(rigid_matrix(0.7, (5, 6, 7)), "Outer")
    put_under(node, add_transform(rigid_matrix(), "Inner", outer))
    value = bridge.value_of(node, "image", world=True)
    assert np.array_equal(sitk.GetArrayFromImage(value), sitk.GetArrayFromImage(image))
    for index in ((0, 0, 0), (8, 6, 4)):
        assert np.allclose(physical(value, index), ras_of(node, index) * (-1, -1, 1), atol=1e-9)


def test_without_world_the_parents_are_left_out():
    image = ramp()
    node = bridge.add_node(image, "x", kind="image")
    put_under(node, add_transform(rigid_matrix()))
    assert same_voxels(bridge.value_of(node, "image", world=False), image)


def test_a_scaling_parent_changes_the_spacing():
    node = bridge.add_node(sitk.Image([4, 4, 4], sitk.sitkUInt8), "x", kind="image")
    put_under(node, add_transform(np.diag([2.0, 3.0, 4.0, 1.0])))
    assert np.allclose(bridge.value_of(node, "image").GetSpacing(), (2, 3, 4))


def smooth_volume() -> sitk.Image:
    k, j, i = np.meshgrid(*(np.arange(n, dtype=float) for n in (22, 26, 30)), indexing="ij")
    return sitk.GetImageFromArray((50 + 40 * np.sin(i / 5) * np.cos(j / 6) * np.cos(k / 4)).astype(np.float32))


def test_a_shearing_parent_means_resampling_to_the_right_place():
    image = smooth_volume()
    node = bridge.add_node(image, "x", kind="image")
    matrix = np.eye(4)
    matrix[0, 1] = 0.3
    put_under(node, add_transform(matrix))
    said: list[str] = []
    moved = bridge.value_of(node, "image", progress=Progress(on_warning=said.append))
    assert "resampled" in said[0]
    inverse = sitk.AffineTransform(3)
    lps = frames.FLIP @ np.linalg.inv(matrix) @ frames.FLIP
    inverse.SetMatrix(lps[:3, :3].ravel().tolist())
    expected = sitk.Resample(image, moved, inverse, sitk.sitkLinear, float(sitk.GetArrayViewFromImage(image).min()))
    assert np.abs(sitk.GetArrayFromImage(moved) - sitk.GetArrayFromImage(expected)).max() < 1e-3


def test_a_bending_parent_means_resampling_with_the_exact_map():
    image = smooth_volume()
    node = bridge.add_node(image, "x", kind="image")
    spline = sitk.BSplineTransformInitializer(image, [3, 3, 3])
    spline.SetParameters(np.random.default_rng(2).normal(0, 1.5, len(spline.GetParameters())).tolist())
    bend = bridge.add_node(spline, "Bend", kind="transform")
    put_under(node, bend)
    moved = bridge.value_of(node, "image")
    expected = sitk.Resample(image, moved, spline, sitk.sitkLinear, float(sitk.GetArrayViewFromImage(image).min()))
    inner = tuple(slice(6, -6) for _ in range(3))
    got, wanted = sitk.GetArrayFromImage(moved)[inner], sitk.GetArrayFromImage(expected)[inner]
    assert np.abs(got - wanted).max() < 1e-2


def test_label_maps_under_a_bending_parent_get_no_new_values(scene):
    node = scene.AddNewNodeByClass("vtkMRMLLabelMapVolumeNode", "Labels")
    array = np.zeros((12, 12, 12), np.int16)
    array[3:9, 3:9, 3:9] = 40
    volumes.put_image(sitk.GetImageFromArray(array), node)
    matrix = np.eye(4)
    matrix[0, 2] = 0.4
    put_under(node, add_transform(matrix))
    moved = volumes.image_of(node)
    assert moved.GetPixelID() == sitk.sitkInt16
    assert set(np.unique(sitk.GetArrayFromImage(moved))) == {0, 40}
    assert abs(int((sitk.GetArrayFromImage(moved) == 40).sum()) - 216) < 20


def test_a_label_map_is_not_taken_for_an_output_image(scene):
    node = scene.AddNewNodeByClass("vtkMRMLLabelMapVolumeNode", "Labels")
    with pytest.raises(InputError, match="LabelMapVolume node; image needs one of: ScalarVolume, VectorVolume"):
        bridge.check_class(node, "image", output=True)


def test_a_new_node_shows_the_same_unit_and_window_when_the_meaning_is_kept():
    source = bridge.add_node(ramp(), "x", kind="image")
    entry = slicer.vtkCodedEntry()
    entry.SetValueSchemeMeaning("HU", "UCUM", "Hounsfield unit")
    source.SetVoxelValueUnits(entry)
    source.GetDisplayNode().SetAutoWindowLevel(0)
    source.GetDisplayNode().SetWindowLevel(123, 45)
    source.GetDisplayNode().SetAndObserveColorNodeID("vtkMRMLColorTableNodeInvertedGrey")
    kept = bridge.add_node(ramp(), "y", kind="image", like=source, keeps_display=True)
    other = bridge.add_node(ramp(), "z", kind="image", like=source)
    assert kept.GetVoxelValueUnits().GetCodeValue() == "HU"
    assert (kept.GetDisplayNode().GetWindow(), kept.GetDisplayNode().GetLevel()) == (123, 45)
    assert kept.GetDisplayNode().GetColorNodeID() == "vtkMRMLColorTableNodeInvertedGrey"
    assert other.GetVoxelValueUnits() is None
    assert other.GetDisplayNode().GetAutoWindowLevel() == 1


def test_overwriting_a_node_drops_the_old_unit_and_window():
    node = bridge.add_node(ramp(), "x", kind="image")
    entry = slicer.vtkCodedEntry()
    entry.SetValueSchemeMeaning("HU", "UCUM", "Hounsfield unit")
    node.SetVoxelValueUnits(entry)
    node.GetDisplayNode().SetAutoWindowLevel(0)
    node.GetDisplayNode().SetWindowLevel(1, 1)
    bridge.put_value(ramp(), node, "image")
    assert node.GetVoxelValueUnits() is None
    assert node.GetDisplayNode().GetAutoWindowLevel() == 1


def test_overwriting_a_node_under_a_transform_takes_it_out_for_world_values():
    node = bridge.add_node(ramp(), "x", kind="image")
    put_under(node, add_transform(rigid_matrix()))
    bridge.put_value(ramp(), node, "image")
    assert node.GetParentTransformNode() is None
    assert same_voxels(bridge.value_of(node, "image"), ramp())
