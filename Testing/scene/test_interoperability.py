"""What Slicer's own readers and writers make of a file is what the room `files` makes of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
import slicer
from medimg_testing import oblique_grid
from MedImgAnalysisLib import files
from MedImgAnalysisLib.geometry import Grid
from MedImgAnalysisLib.scene import bridge
from MedImgAnalysisLib.values import Labels, Landmarks, Measurements
from scene_helpers import overlapping, ramp, same_voxels

IMAGES = [".nrrd", ".nii", ".nii.gz", ".mha"]


def read_node(class_name: str, storage: str, path: Path):
    """A node as Slicer reads it; `storage` is the class of Slicer's reader."""
    node = slicer.mrmlScene.AddNewNodeByClass(class_name, path.name)
    reader = getattr(slicer, storage)()
    reader.SetFileName(str(path))
    if hasattr(reader, "SetForceRightHandedIJKCoordinateSystem"):
        reader.SetForceRightHandedIJKCoordinateSystem(False)  # by default it flips voxels of left-handed images
    assert reader.ReadData(node) == 1, reader.GetUserMessages().GetAllMessagesAsString()
    return node


def write_node(node, storage: str, path: Path) -> Path:
    """A file as Slicer writes it."""
    writer = getattr(slicer, storage)()
    writer.SetFileName(str(path))
    assert writer.WriteData(node) == 1, writer.GetUserMessages().GetAllMessagesAsString()
    return path


def close(a: sitk.Image, b: sitk.Image, tolerance: float) -> bool:
    """Equal voxels; corners within `tolerance` millimetres (NIfTI keeps positions in 32 bits)."""
    return np.array_equal(sitk.GetArrayFromImage(a), sitk.GetArrayFromImage(b)) and np.allclose(
        Grid.of(a).corners, Grid.of(b).corners, rtol=0, atol=tolerance
    )


@pytest.mark.parametrize("ending", IMAGES)
@pytest.mark.parametrize("kind", [np.uint8, np.int16, np.float32])
def test_an_image_written_by_files_is_the_same_in_slicer(tmp_path, ending, kind):
    image = ramp(kind=kind)
    path = files.write(image, tmp_path / f"x{ending}", "image")
    node = read_node("vtkMRMLScalarVolumeNode", "vtkMRMLVolumeArchetypeStorageNode", path)
    assert close(bridge.value_of(node, "image"), image, 1e-4)


@pytest.mark.parametrize("ending", IMAGES)
def test_an_image_written_by_slicer_is_the_same_in_files(tmp_path, ending):
    node = bridge.add_node(ramp(kind=np.int16), "x", kind="image")
    path = write_node(node, "vtkMRMLVolumeArchetypeStorageNode", tmp_path / f"x{ending}")
    assert close(files.read(path, "image"), ramp(kind=np.int16), 1e-4)


def test_a_left_handed_image_is_the_same_both_ways(tmp_path):
    image = ramp()
    image.SetDirection((np.reshape(image.GetDirection(), (3, 3)) @ np.diag([-1, 1, 1])).ravel().tolist())
    path = files.write(image, tmp_path / "x.nrrd", "image")
    node = read_node("vtkMRMLScalarVolumeNode", "vtkMRMLVolumeArchetypeStorageNode", path)
    assert close(bridge.value_of(node, "image"), image, 1e-9)
    assert close(files.read(path, "image"), image, 1e-9)


def test_a_left_handed_image_that_slicer_has_flipped_is_in_the_same_place(tmp_path):
    """Slicer's default reader turns the k axis round; every voxel stays where it was in space."""
    image = ramp()
    image.SetDirection((np.reshape(image.GetDirection(), (3, 3)) @ np.diag([1, 1, -1])).ravel().tolist())
    path = files.write(image, tmp_path / "x.nrrd", "image")
    node = slicer.modules.volumes.logic().AddArchetypeVolume(str(path), "x", 0)
    flipped = bridge.value_of(node, "image")
    grid = Grid.of(image)
    for index in ((0, 0, 0), (3, 2, 1), (8, 6, 4)):
        point = grid.to_physical(np.array([index], float))
        there = np.rint(Grid.of(flipped).to_index(point)[0]).astype(int).tolist()
        assert flipped[there] == image[index]


def test_a_colour_image_is_the_same_in_slicer(tmp_path):
    array = np.arange(5 * 6 * 7 * 3, dtype=np.uint8).reshape(7, 6, 5, 3)
    image = oblique_grid(sitk.GetImageFromArray(array, isVector=True))
    path = files.write(image, tmp_path / "x.nrrd", "image")
    node = read_node("vtkMRMLVectorVolumeNode", "vtkMRMLVolumeArchetypeStorageNode", path)
    assert close(bridge.value_of(node, "image"), image, 1e-9)


def same_labels(a: Labels, b: Labels) -> bool:
    """Ids, names, colours, tags, order and the voxels of every segment."""

    def told(labels: Labels):
        return [(s.id, s.name, tuple(np.round(s.color, 5)), _without_default(s.tags)) for s in labels.segments]

    pairs = zip(a.segments, b.segments, strict=True)
    return told(a) == told(b) and all(same_box(a.mask(x), b.mask(y)) for x, y in pairs)


def _without_default(tags) -> dict[str, str]:
    """Slicer writes a terminology for segments of which nothing is known: plain tissue."""
    return {key: value for key, value in tags.items() if "SCT^85756007^Tissue" not in value}


def same_box(a: sitk.Image, b: sitk.Image) -> bool:
    """The same points inside; the grids may be cropped differently."""

    def points(mask: sitk.Image) -> np.ndarray:
        index = np.argwhere(sitk.GetArrayFromImage(mask))[:, ::-1].astype(float)
        return np.sort(np.round(Grid.of(mask).to_physical(index), 3).view("f8,f8,f8"), axis=0)

    return np.array_equal(points(a), points(b))


def test_a_segmentation_written_by_files_is_the_same_in_slicer(tmp_path):
    path = files.write(overlapping(), tmp_path / "x.seg.nrrd", "labels")
    node = read_node("vtkMRMLSegmentationNode", "vtkMRMLSegmentationStorageNode", path)
    assert same_labels(bridge.value_of(node, "labels"), overlapping())


def test_a_segmentation_written_by_slicer_is_the_same_in_files(tmp_path):
    node = bridge.add_node(overlapping(), "x", kind="labels")
    path = write_node(node, "vtkMRMLSegmentationStorageNode", tmp_path / "x.seg.nrrd")
    assert same_labels(files.read(path, "labels"), overlapping())


def test_a_segment_added_to_a_segmentation_file_of_slicer_survives_both(tmp_path):
    node = bridge.add_node(overlapping(), "x", kind="labels")
    node.GetSegmentation().SeparateSegmentLabelmap("tumour")
    node.GetSegmentation().CollapseBinaryLabelmaps(False)
    path = write_node(node, "vtkMRMLSegmentationStorageNode", tmp_path / "x.seg.nrrd")
    for segment in overlapping().segments[:2]:
        assert same_box(files.read(f"{path}#{segment.name}", "mask"), overlapping().mask(segment))


POINTS = np.random.default_rng(3).uniform(6, 30, (40, 3))


def through(transform: sitk.Transform) -> np.ndarray:
    return np.array([transform.TransformPoint(p.tolist()) for p in POINTS])


def all_transforms() -> list[sitk.Transform]:
    spline = sitk.BSplineTransformInitializer(sitk.Image([40, 40, 40], sitk.sitkUInt8), [4, 4, 4])
    spline.SetParameters(np.random.default_rng(0).normal(0, 2, len(spline.GetParameters())).tolist())
    rigid = sitk.Euler3DTransform((1, 2, 3), 0.1, 0.2, 0.3, (4, 5, 6))
    field = sitk.GetImageFromArray(np.random.default_rng(0).normal(0, 1, (12, 12, 12, 3)), isVector=True)
    field.SetSpacing((4, 4, 4))
    return [rigid, spline, sitk.CompositeTransform([sitk.TranslationTransform(3, (1, 0, 1)), spline]),
            sitk.DisplacementFieldTransform(field)]  # fmt: skip


@pytest.mark.parametrize("number", range(4), ids=["rigid", "spline", "composite", "field"])
@pytest.mark.parametrize("ending", [".h5", ".tfm"])
def test_a_transform_means_the_same_in_slicer_and_in_files(tmp_path, number, ending):
    transform = all_transforms()[number]
    expected = through(transform)
    path = files.write(transform, tmp_path / f"x{ending}", "transform")
    node = read_node("vtkMRMLTransformNode", "vtkMRMLTransformStorageNode", path)
    assert np.allclose(through(bridge.value_of(node, "transform")), expected, atol=1e-6)
    back = write_node(bridge.add_node(transform, "y", kind="transform"), "vtkMRMLTransformStorageNode",
                      tmp_path / f"y{ending}")  # fmt: skip
    assert np.allclose(through(files.read(back, "transform")), expected, atol=1e-6)


LANDMARKS = Landmarks(("apex", "carina", "left, upper"), np.array([[1.5, -2.25, 3], [-40, 50, 60], [0, 0, 0.125]]))


@pytest.mark.parametrize(
    ("ending", "storage"),
    [(".mrk.json", "vtkMRMLMarkupsJsonStorageNode"), (".fcsv", "vtkMRMLMarkupsFiducialStorageNode")],
)
def test_landmarks_are_the_same_in_slicer_and_in_files(tmp_path, ending, storage):
    path = files.write(LANDMARKS, tmp_path / f"x{ending}", "landmarks")
    node = read_node("vtkMRMLMarkupsFiducialNode", storage, path)
    back = bridge.value_of(node, "landmarks")
    assert back.names == LANDMARKS.names
    assert np.allclose(back.points, LANDMARKS.points, atol=1e-6)
    made = write_node(bridge.add_node(LANDMARKS, "y", kind="landmarks"), storage, tmp_path / f"y{ending}")
    read = files.read(made, "landmarks")
    assert read.names == LANDMARKS.names
    assert np.allclose(read.points, LANDMARKS.points, atol=1e-3)


def test_a_table_goes_from_a_file_into_the_scene_and_back_with_every_digit(tmp_path):
    from MedImgAnalysisLib.values import Column

    table = Measurements(
        (Column("s", "Segment", "", "", str), Column("d", "Dice", "mm", "What it is.")),
        ({"s": "a, b", "d": 1 / 3}, {"s": "", "d": float("nan")}),
    )
    first = files.read(files.write(table, tmp_path / "x.csv", "table"), "table")
    again = bridge.value_of(bridge.add_node(first, "t", kind="table"), "table")
    assert again.column("d")[0] == 1 / 3
    assert [c.unit for c in again.columns] == ["", "mm"]


def test_a_real_study_is_the_same_by_files_and_by_slicer(data_dir):
    path = data_dir / "mr_brain_ms_p01" / "study1_FLAIR.nii.gz"
    node = slicer.modules.volumes.logic().AddArchetypeVolume(str(path), "FLAIR", 0)
    image = files.read(path, "image")
    shown = bridge.value_of(node, "image")
    assert np.allclose(Grid.of(shown).corners, Grid.of(image).corners, atol=1e-3) or same_voxels(shown, image)
    assert np.array_equal(sitk.GetArrayFromImage(shown), sitk.GetArrayFromImage(image))
