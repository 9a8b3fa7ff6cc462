"""Transforms: fixed to moving in LPS is from-parent in RAS, for every class, and both sides map points alike."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk
import slicer
from medimg_testing import oblique_grid
from MedImgAnalysisLib.errors import GeometryError, InputError
from MedImgAnalysisLib.progress import Progress
from MedImgAnalysisLib.scene import bridge, frames, standalone, transforms
from scene_helpers import add_transform, put_under, ramp, rigid_matrix

POINTS = np.random.default_rng(5).uniform(-80, 80, (60, 3))
INSIDE = np.random.default_rng(5).uniform(5, 34, (60, 3))


def through(transform: sitk.Transform, points: np.ndarray) -> np.ndarray:
    return np.array([transform.TransformPoint(p.tolist()) for p in points])


def from_parent(node, points: np.ndarray) -> np.ndarray:
    """LPS points through what MRML uses for display."""
    import vtk

    general = vtk.vtkGeneralTransform()
    node.GetTransformFromWorld(general)
    return frames.map_points(general, points * (-1, -1, 1)) * (-1, -1, 1)


def linear_ones() -> list[sitk.Transform]:
    euler = sitk.Euler3DTransform((10, 20, -5), 0.1, -0.2, 0.3, (4, 5, 6))
    versor = sitk.VersorRigid3DTransform()
    versor.SetCenter((3, 2, 1))
    versor.SetRotation((0, 1, 1), 0.4)
    similarity = sitk.Similarity3DTransform()
    similarity.SetCenter((9, 9, 9))
    similarity.SetScale(1.2)
    affine = sitk.AffineTransform(3)
    affine.SetCenter((1, 2, 3))
    affine.Shear(0, 1, 0.3)
    return [
        euler,
        versor,
        similarity,
        affine,
        sitk.TranslationTransform(3, (1, 2, 3)),
        sitk.ScaleTransform(3, (1, 2, 3)),
        sitk.CompositeTransform([euler, affine]),
        sitk.Transform(3, sitk.sitkIdentity),
        sitk.Transform(affine),
    ]


def spline() -> sitk.BSplineTransform:
    image = sitk.Image([40, 40, 40], sitk.sitkFloat32)
    made = sitk.BSplineTransformInitializer(image, [4, 5, 6])
    made.SetParameters(np.random.default_rng(0).normal(0, 2, len(made.GetParameters())).tolist())
    return made


def field() -> sitk.DisplacementFieldTransform:
    array = np.random.default_rng(0).normal(0, 2, (10, 11, 12, 3))
    image = oblique_grid(sitk.GetImageFromArray(array, isVector=True))
    return sitk.DisplacementFieldTransform(image)


def field_points() -> np.ndarray:
    grid = frames.Grid.of(field().GetDisplacementField())
    return grid.to_physical(np.random.default_rng(1).uniform(0.5, 8.5, (60, 3)))


@pytest.mark.parametrize("transform", linear_ones(), ids=lambda t: t.GetName())
def test_every_linear_class_maps_points_alike_on_both_sides(transform):
    node = bridge.add_node(transform, "T", kind="transform")
    assert node.GetClassName() == "vtkMRMLLinearTransformNode"
    expected = through(transform, POINTS)
    assert np.allclose(from_parent(node, POINTS), expected, atol=1e-11)
    assert np.allclose(through(bridge.value_of(node, "transform"), POINTS), expected, atol=1e-11)


def test_a_moving_volume_under_the_node_appears_registered():
    fixed_point, moving = np.array([10.0, 20.0, 30.0]), ramp()
    transform = linear_ones()[0]
    landmark = np.array(transform.TransformPoint(fixed_point.tolist()))
    volume = bridge.add_node(moving, "Moving", kind="image")
    index = frames.Grid.of(moving).to_index(landmark[None])
    put_under(volume, bridge.add_node(transform, "T", kind="transform"))
    shown = frames.Grid.of(bridge.value_of(volume, "image")).to_physical(index)[0]
    assert np.allclose(shown, fixed_point, atol=1e-9)


def test_a_b_spline_maps_points_alike_on_both_sides():
    transform = spline()
    node = bridge.add_node(transform, "T", kind="transform")
    assert node.GetClassName() == "vtkMRMLBSplineTransformNode"
    expected = through(transform, INSIDE)
    assert np.abs(expected - INSIDE).max() > 1
    assert np.allclose(from_parent(node, INSIDE), expected, atol=1e-9)
    assert np.allclose(through(bridge.value_of(node, "transform"), INSIDE), expected, atol=1e-9)


def test_a_displacement_field_is_interpolated_linearly_on_both_sides():
    transform, points = field(), field_points()
    node = bridge.add_node(transform, "T", kind="transform")
    assert node.GetClassName() == "vtkMRMLGridTransformNode"
    assert node.GetTransformFromParent().GetInterpolationModeAsString() == "Linear"
    expected = through(transform, points)
    assert np.abs(expected - points).max() > 1
    assert np.allclose(from_parent(node, points), expected, atol=1e-5)
    assert np.allclose(through(bridge.value_of(node, "transform"), points), expected, atol=1e-9)


def test_a_grid_that_slicer_shows_with_cubic_interpolation_is_told():
    node = bridge.add_node(field(), "Warp", kind="transform")
    said: list[str] = []
    bridge.value_of(node, "transform", progress=Progress(on_warning=said.append))
    assert said == []
    node.GetTransformFromParent().SetInterpolationModeToCubic()
    value = bridge.value_of(node, "transform", progress=Progress(on_warning=said.append))
    assert "'Warp' is shown with cubic interpolation; computing with linear interpolation differs by up to" in said[0]
    assert np.allclose(through(value, field_points()), through(field(), field_points()), atol=1e-9)


def test_a_composite_of_all_kinds_maps_points_alike_on_both_sides():
    shift = sitk.TranslationTransform(3, (0.5, -0.25, 0.75))
    image = sitk.Image([40, 40, 40], sitk.sitkVectorFloat64, 3)
    array = np.random.default_rng(3).normal(0, 1, (40, 40, 40, 3))
    grid = sitk.GetImageFromArray(array, isVector=True)
    grid.CopyInformation(image)
    transform = sitk.CompositeTransform([shift, spline(), sitk.DisplacementFieldTransform(grid)])
    node = bridge.add_node(transform, "T", kind="transform")
    expected = through(transform, INSIDE)
    assert np.allclose(from_parent(node, INSIDE), expected, atol=1e-4)
    assert np.allclose(through(bridge.value_of(node, "transform"), INSIDE), expected, atol=1e-9)


def test_a_composite_with_a_grid_can_be_used_after_it_was_saved(tmp_path):
    transform = sitk.CompositeTransform([sitk.TranslationTransform(3, (0.5, -0.25, 0.75)), field()])
    bridge.add_node(transform, "Both", kind="transform")
    standalone.load(standalone.save_mrb(tmp_path / "scene.mrb"))
    node = slicer.mrmlScene.GetFirstNodeByName("Both")
    said: list[str] = []
    value = bridge.value_of(node, "transform", progress=Progress(on_warning=said.append))
    assert np.allclose(through(value, field_points()), through(transform, field_points()), atol=1e-9)
    assert len(said) == 1
    assert "The grids in the transform 'Both' are shown with cubic interpolation" in said[0]


def test_fields_on_different_grids_that_slicer_cannot_compose_are_refused_with_what_to_do():
    first, second = field(), field()
    moved = second.GetDisplacementField()
    moved.SetOrigin(np.add(moved.GetOrigin(), 25.0).tolist())
    both = sitk.CompositeTransform([sitk.DisplacementFieldTransform(moved), first])
    with pytest.raises(InputError, match=r"points differ by .* First run to_displacement_field on each"):
        bridge.add_node(both, "Both", kind="transform")
    there = first.GetDisplacementField()
    on_fixed = sitk.TransformToDisplacementField(
        both.GetNthTransform(0),
        sitk.sitkVectorFloat64,
        there.GetSize(),
        there.GetOrigin(),
        there.GetSpacing(),
        there.GetDirection(),
    )
    together = sitk.CompositeTransform([sitk.DisplacementFieldTransform(on_fixed), first])
    node = bridge.add_node(together, "Both", kind="transform")
    assert np.allclose(from_parent(node, field_points()), through(together, field_points()), atol=1e-3)


def test_nested_linear_composites_become_one_matrix():
    parts = linear_ones()
    transform = sitk.CompositeTransform([parts[0], sitk.CompositeTransform([parts[1], parts[2]])])
    node = bridge.add_node(transform, "T", kind="transform")
    assert node.IsLinear()
    assert np.allclose(from_parent(node, POINTS), through(transform, POINTS), atol=1e-10)


def test_a_2d_linear_transform_is_one_again_afterwards():
    transform = sitk.Euler2DTransform((3, 4), 0.5, (1, 2))
    node = bridge.add_node(transform, "T", kind="transform")
    back = bridge.value_of(node, "transform")
    assert back.GetDimension() == 2
    assert np.allclose(through(back, POINTS[:, :2]), through(transform, POINTS[:, :2]), atol=1e-12)
    assert np.allclose(from_parent(node, POINTS)[:, 2], POINTS[:, 2])


def test_a_2d_transform_that_bends_is_refused():
    bent = sitk.BSplineTransformInitializer(sitk.Image([9, 9], sitk.sitkUInt8), [2, 2])
    with pytest.raises(InputError, match="2-D transform that is not linear"):
        bridge.add_node(bent, "T", kind="transform")


def test_a_spline_that_slicer_cannot_show_is_refused():
    linear = sitk.BSplineTransformInitializer(sitk.Image([40, 40, 40], sitk.sitkUInt8), [4, 4, 4], order=1)
    linear.SetParameters(np.random.default_rng(0).normal(0, 2, len(linear.GetParameters())).tolist())
    with pytest.raises(InputError):
        bridge.add_node(linear, "T", kind="transform")


def test_a_transform_of_a_kind_that_itk_lacks_is_refused_with_advice(scene):
    import vtk

    source, target = vtk.vtkPoints(), vtk.vtkPoints()
    for p in np.random.default_rng(0).normal(0, 30, (8, 3)):
        source.InsertNextPoint(*p)
        target.InsertNextPoint(*(p + 2 * np.sin(p)))
    thin_plate = vtk.vtkThinPlateSplineTransform()
    thin_plate.SetSourceLandmarks(source)
    thin_plate.SetTargetLandmarks(target)
    thin_plate.SetBasisToR()
    node = scene.AddNewNodeByClass("vtkMRMLTransformNode", "TPS")
    node.SetAndObserveTransformFromParent(thin_plate)
    with pytest.raises(InputError, match="'TPS' is of a kind that cannot be used here"):
        bridge.value_of(node, "transform")


def test_the_inverse_of_a_b_spline_is_refused_and_not_read_the_wrong_way_round():
    node = bridge.add_node(spline(), "T", kind="transform")
    node.Inverse()
    with pytest.raises(InputError, match="convert it to a grid transform"):
        bridge.value_of(node, "transform")


def test_an_inverted_linear_node_gives_the_inverse():
    transform = linear_ones()[0]
    node = bridge.add_node(transform, "T", kind="transform")
    node.Inverse()
    back = bridge.value_of(node, "transform")
    assert np.allclose(through(back, through(transform, POINTS)), POINTS, atol=1e-10)


def test_a_matrix_replaces_a_spline_in_a_general_node(scene):
    node = scene.AddNewNodeByClass("vtkMRMLTransformNode", "T")
    transforms.put_transform(spline(), node)
    transforms.put_transform(linear_ones()[0], node)
    assert node.IsLinear()
    assert np.allclose(from_parent(node, POINTS), through(linear_ones()[0], POINTS), atol=1e-11)


def test_a_spline_is_not_put_into_a_linear_node():
    node = add_transform(np.eye(4), "Rigid")
    with pytest.raises(
        InputError, match="'Rigid' is a LinearTransform node; this result needs a BSplineTransform node"
    ):
        transforms.put_transform(spline(), node)
    assert node.IsLinear()


def test_a_fresh_transform_node_is_the_identity(scene):
    node = scene.AddNewNodeByClass("vtkMRMLTransformNode", "T")
    assert np.allclose(through(bridge.value_of(node, "transform"), POINTS), POINTS)


def test_a_transform_under_linear_parents_is_given_in_world_coordinates():
    transform, outer = linear_ones()[1], rigid_matrix()
    node = bridge.add_node(transform, "T", kind="transform")
    put_under(node, add_transform(outer))
    world = frames.FLIP @ outer @ frames.FLIP

    def apply(matrix, points):
        return points @ matrix[:3, :3].T + matrix[:3, 3]

    expected = apply(world, through(transform, apply(np.linalg.inv(world), POINTS)))
    assert np.allclose(through(bridge.value_of(node, "transform"), POINTS), expected, atol=1e-10)
    assert np.allclose(through(bridge.value_of(node, "transform", world=False), POINTS), through(transform, POINTS))


def test_a_spline_under_a_linear_parent_is_given_in_world_coordinates():
    outer = rigid_matrix()
    node = bridge.add_node(spline(), "T", kind="transform")
    put_under(node, add_transform(outer))
    world = frames.FLIP @ outer @ frames.FLIP
    points = INSIDE @ world[:3, :3].T + world[:3, 3]
    expected = through(spline(), INSIDE) @ world[:3, :3].T + world[:3, 3]
    assert np.allclose(through(bridge.value_of(node, "transform"), points), expected, atol=1e-9)


def test_a_transform_under_a_bending_parent_is_refused():
    node = bridge.add_node(linear_ones()[0], "T", kind="transform")
    put_under(node, bridge.add_node(spline(), "Bend", kind="transform"))
    with pytest.raises(GeometryError, match="'T' is under a transform that is not linear"):
        bridge.value_of(node, "transform")


@pytest.mark.parametrize("make", [spline, field])
def test_a_file_written_by_slicer_reads_as_the_same_transform(tmp_path, make):
    transform = make()
    node = bridge.add_node(transform, "T", kind="transform")
    storage = slicer.vtkMRMLTransformStorageNode()
    storage.SetFileName(str(tmp_path / "t.h5"))
    assert storage.WriteData(node)
    points = INSIDE if make is spline else field_points()
    assert np.allclose(
        through(sitk.ReadTransform(str(tmp_path / "t.h5")), points), through(transform, points), atol=1e-6
    )


def test_linear_matrix_tells_linear_from_bending():
    assert transforms.linear_matrix(spline()) is None
    assert transforms.linear_matrix(sitk.Transform(spline())) is None
    assert transforms.linear_matrix(sitk.CompositeTransform([linear_ones()[0], spline()])) is None
    assert transforms.linear_matrix(linear_ones()[4])[:3, 3].tolist() == [1, 2, 3]
