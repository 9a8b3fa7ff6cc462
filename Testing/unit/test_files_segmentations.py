"""Segmentations keep names, colours, tags and overlap in .seg.nrrd files; masks are chosen by name or value."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from medimg_testing import oblique_grid
from MedImgAnalysisLib import files
from MedImgAnalysisLib.errors import FileError
from MedImgAnalysisLib.geometry import Grid
from MedImgAnalysisLib.progress import Progress
from MedImgAnalysisLib.values import Labels, Segment


def quiet() -> Progress:
    return Progress(on_warning=lambda sentence: None)


def overlapping() -> Labels:
    """Three segments in two layers on an oblique grid; the third one overlaps the others, the fourth is empty."""
    first, second = np.zeros((2, 10, 12, 14), np.int16)
    first[2:5, 3:8, 2:9], first[6:9, 2:6, 3:7], second[3:8, 4:10, 5:12] = 1, 300, 2
    layers = tuple(oblique_grid(sitk.GetImageFromArray(array)) for array in (first, second))
    return Labels(
        layers,
        (
            Segment("Liver_1", "Leber ü\nzwei \\n", (0.1, 0.2, 0.3), 0, 1, {"TerminologyEntry": "a~b^c", "x": "1|2:3"}),
            Segment("B", "Tumour", (1.0, 0.0, 0.0), 0, 300),
            Segment("C", "Vein", (0.0, 1.0, 0.5), 1, 2),
            Segment("E", "Empty", (0.0, 0.0, 1.0), 1, 7),
        ),
    )


def masks(labels: Labels) -> list[np.ndarray]:
    return [sitk.GetArrayFromImage(labels.mask(segment)) for segment in labels.segments]


def header_of(path: Path) -> str:
    return path.read_bytes().split(b"\n\n", 1)[0].decode()


def test_all_that_a_segmentation_has_survives(tmp_path: Path) -> None:
    labels = overlapping()
    back = files.read(files.write(labels, tmp_path / "a.seg.nrrd"), "labels")
    assert back.segments == labels.segments
    assert back.grid.same_as(labels.grid)
    assert all(np.array_equal(a, b) for a, b in zip(masks(back), masks(labels), strict=True))


def test_the_file_has_the_keys_that_slicer_reads(tmp_path: Path) -> None:
    header = header_of(files.write(overlapping(), tmp_path / "a.seg.nrrd")).splitlines()
    for line in (
        "dimension: 4",
        "sizes: 2 14 12 10",
        "kinds: list domain domain domain",
        "encoding: gzip",
        "Segment0_ID:=Liver_1",
        "Segment0_Name:=Leber ü\\nzwei \\\\n",
        "Segment0_Color:=0.1 0.2 0.3",
        "Segment0_Layer:=0",
        "Segment1_LabelValue:=300",
        "Segment2_Layer:=1",
        "Segment2_LabelValue:=2",
        "Segment2_Extent:=0 13 0 11 0 9",
        "Segment0_Tags:=TerminologyEntry:a~b^c|x:1%7C2:3|",
        "Segmentation_MasterRepresentation:=Binary labelmap",
        "Segmentation_ReferenceImageExtentOffset:=0 0 0",
        "Segmentation_ContainedRepresentationNames:=Binary labelmap|",
    ):
        assert line in header
    geometry = next(line for line in header if line.startswith("Segmentation_ConversionParameters"))
    assert geometry.startswith("Segmentation_ConversionParameters:=Reference image geometry|")
    assert geometry.endswith(";0;13;0;11;0;9;|&")


def test_simpleitk_sees_the_same_voxels(tmp_path: Path) -> None:
    labels = overlapping()
    image = sitk.ReadImage(str(files.write(labels, tmp_path / "a.seg.nrrd")))
    array = sitk.GetArrayFromImage(image)
    for layer, other in enumerate(labels.layers):
        assert np.array_equal(array[..., layer], sitk.GetArrayFromImage(other))
    assert Grid.of(image).same_as(labels.grid)


def test_a_cropped_file_is_put_back_on_its_reference_geometry(tmp_path: Path) -> None:
    """As 3D Slicer writes it with the option to crop: fewer voxels, the whole grid in the parameters."""
    labels = Labels(overlapping().layers[:1], overlapping().segments[:2])
    path = files.write(labels, tmp_path / "a.seg.nrrd")
    cropped = labels.layers[0][1:11, 1:9, 2:9]
    head = header_of(path).splitlines()
    sizes, origin = " ".join(map(str, cropped.GetSize())), ",".join(map(repr, cropped.GetOrigin()))
    changed = {"sizes": f"sizes: {sizes}", "space origin": f"space origin: ({origin})"}
    head = [changed.get(line.split(":")[0], line) for line in head]
    voxels = gzip.compress(sitk.GetArrayFromImage(cropped).tobytes())
    path.write_bytes("\n".join(head).encode() + b"\n\n" + voxels)
    back = files.read(path, "labels")
    assert back.grid.same_as(labels.grid)
    assert all(np.array_equal(a, b) for a, b in zip(masks(back), masks(labels), strict=True))


def test_a_file_without_layers_has_one_segment_each(tmp_path: Path) -> None:
    """The form of older versions of 3D Slicer."""
    labels = overlapping()
    single = Labels(
        tuple(labels.mask(s) for s in labels.segments[:3]),
        tuple(Segment(s.id, s.name, s.color, n, 1) for n, s in enumerate(labels.segments[:3])),
    )
    path = files.write(single, tmp_path / "a.seg.nrrd")
    lines = [line for line in header_of(path).splitlines() if "_Layer:" not in line and "_LabelValue:" not in line]
    path.write_bytes("\n".join(lines).encode() + b"\n\n" + path.read_bytes().split(b"\n\n", 1)[1])
    assert all(np.array_equal(a, b) for a, b in zip(masks(files.read(path, "labels")), masks(single), strict=True))


def test_one_segment_is_read_as_a_mask_by_name_or_id(tmp_path: Path) -> None:
    labels = overlapping()
    path = files.write(labels, tmp_path / "a.seg.nrrd")
    for key, segment in (("Vein", 2), ("C", 2), ("Tumour", 1), ("Liver_1", 0)):
        mask = files.read(f"{path}#{key}", "mask")
        assert np.array_equal(sitk.GetArrayFromImage(mask), masks(labels)[segment])
    with pytest.raises(FileError, match=r"4 segments; choose one as a\.seg\.nrrd#NAME of Leber"):
        files.read(path, "mask")
    with pytest.raises(FileError, match="There is no segment 'Kidney'"):
        files.read(f"{path}#Kidney", "mask")


@pytest.mark.parametrize("ending", (".nrrd", ".nii.gz", ".mha"))
def test_label_images_keep_their_values(ending: str, tmp_path: Path) -> None:
    labels = Labels(overlapping().layers[:1], overlapping().segments[:2])
    path = files.write(labels, tmp_path / f"a{ending}")
    back = files.read(path, "labels")
    assert back.names == ("Segment_1", "Segment_300")
    assert all(np.array_equal(a, b) for a, b in zip(masks(back), masks(labels), strict=True))
    assert np.array_equal(sitk.GetArrayFromImage(files.read(f"{path}#300", "mask")), masks(labels)[1])
    with pytest.raises(FileError, match=r"no label value '2'; there are 1, 300"):
        files.read(f"{path}#2", "mask")


def test_overlap_is_never_lost_in_a_label_image(tmp_path: Path) -> None:
    with pytest.raises(FileError, match=r"'Vein' overlaps another one.*write \.seg\.nrrd"):
        files.write(overlapping(), tmp_path / "a.nrrd")
    assert not list(tmp_path.iterdir())


def test_segments_apart_in_two_layers_fit_in_one_label_image(tmp_path: Path) -> None:
    arrays = np.zeros((2, 4, 4, 4), np.uint8)
    arrays[0, 0], arrays[1, 2] = 1, 1
    labels = Labels(
        tuple(sitk.GetImageFromArray(a) for a in arrays),
        (Segment("a", "a", (1, 0, 0), 0, 1), Segment("b", "b", (0, 1, 0), 1, 1)),
    )
    back = files.read(files.write(labels, tmp_path / "a.nii.gz"), "labels", quiet())
    assert all(np.array_equal(a, b) for a, b in zip(masks(back), masks(labels), strict=True))


def test_a_mask_becomes_a_segment(tmp_path: Path) -> None:
    mask = overlapping().mask("Vein")
    path = files.write(mask, tmp_path / "vein.seg.nrrd", "mask")
    assert files.read(path, "labels").names == ("vein",)
    assert np.array_equal(sitk.GetArrayFromImage(files.read(path, "mask")), sitk.GetArrayFromImage(mask))


def test_a_segmentation_without_segments_survives(tmp_path: Path) -> None:
    empty = Labels((sitk.Image(4, 5, 6, sitk.sitkUInt8),), ())
    back = files.read(files.write(empty, tmp_path / "a.seg.nrrd"), "labels")
    assert (back.segments, back.grid.size) == ((), (4, 5, 6))


@pytest.mark.parametrize(
    ("old", "new", "word"),
    (
        ("Segment2_Layer:=1", "Segment2_Layer:=5", "segment 2 is said to be in layer 5; there are 2 layers"),
        ("Segment0_LabelValue:=1", "Segment0_LabelValue:=one", "segment 0 is damaged"),
        ("Segment0_Color:=0.1 0.2 0.3", "Segment0_Color:=red", "segment 0 is damaged"),
        ("Segment1_ID:=B", "Segment1_ID:=C", "must be unique"),
    ),
)
def test_a_damaged_description_is_refused(old: str, new: str, word: str, tmp_path: Path) -> None:
    path = files.write(overlapping(), tmp_path / "a.seg.nrrd")
    path.write_bytes(path.read_bytes().replace(old.encode(), new.encode()))
    with pytest.raises(FileError, match=word):
        files.read(path, "labels")


def test_voxels_that_no_segment_describes_are_told(tmp_path: Path) -> None:
    said: list[str] = []
    labels = Labels(overlapping().layers, overlapping().segments[:1])
    files.read(files.write(labels, tmp_path / "a.seg.nrrd"), "labels", Progress(on_warning=said.append))
    assert "layer 0 has the values [300]" in said[0] and "layer 1 has the values [2]" in said[1]


def test_a_probability_map_is_no_mask(tmp_path: Path) -> None:
    path = files.write(sitk.Image(3, 3, 3, sitk.sitkFloat32) + 0.5, tmp_path / "a.nrrd")
    for kind in ("mask", "labels"):
        with pytest.raises(FileError, match=r"a\.nrrd: .*threshold it first"):
            files.read(path, kind)


def test_an_image_that_was_taken_for_a_label_image_is_told_of(tmp_path: Path) -> None:
    array = np.arange(-30, 30, dtype=np.int16).reshape(3, 4, 5)
    for values, told in ((array, True), (np.abs(array), False)):
        sitk.WriteImage(oblique_grid(sitk.GetImageFromArray(values)), tmp_path / "ct.nrrd")
        said: list[str] = []
        files.read(tmp_path / "ct.nrrd", "labels", Progress(on_warning=said.append))
        assert ["30 of 59 label values are below 0, down to -30" in sentence for sentence in said] == [True] * told


def test_an_image_without_values_below_0_that_was_taken_for_a_label_image_is_told_of(tmp_path: Path) -> None:
    noise = np.random.default_rng(4).integers(0, 1500, (4, 20, 20)).astype(np.uint16)
    parcels = np.kron(np.arange(1, 151).reshape(2, 5, 15), np.ones((2, 4, 4), int)).astype(np.uint16)
    for values, told in ((noise, True), (noise[0], True), (parcels, False)):
        sitk.WriteImage(oblique_grid(sitk.GetImageFromArray(values)), tmp_path / "mr.nrrd")
        said: list[str] = []
        files.read(tmp_path / "mr.nrrd", "labels", Progress(on_warning=said.append))
        assert ["label values, and neighbouring voxels differ as a rule" in one for one in said] == [True] * told


def test_one_segment_of_a_file_can_be_read_as_labels(tmp_path):
    """What stands behind the # is never ignored."""
    masks = []
    for n, name in enumerate(("Liver", "Spleen")):
        array = np.zeros((4, 5, 6), np.uint8)
        array[n] = 1
        masks.append((name, sitk.GetImageFromArray(array)))
    labels = Labels.from_masks(masks)
    path = files.write(labels, tmp_path / "organs.seg.nrrd")
    assert files.read(path, "labels").names == ("Liver", "Spleen")
    one = files.read(f"{path}#Spleen", "labels")
    assert one.names == ("Spleen",)
    assert np.array_equal(sitk.GetArrayFromImage(one.mask("Spleen")), sitk.GetArrayFromImage(masks[1][1]))
    plain = files.write(labels.layers[0], tmp_path / "organs.nii.gz", "image")
    assert files.read(f"{plain}#2", "labels").names == ("Segment_2",)
    for wrong in (f"{path}#Kidney", f"{plain}#7"):
        with pytest.raises(FileError, match="no segment"):
            files.read(wrong, "labels")


def test_a_part_of_what_has_no_parts_is_refused(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("a,b\n1,2\n")
    with pytest.raises(FileError, match="no parts"):
        files.read(f"{path}#b", "table")


def test_flat_segments_stay_flat_and_overlap(tmp_path: Path) -> None:
    first, second = np.zeros((20, 30), np.uint8), np.zeros((20, 30), np.uint8)
    first[3:9, 4:12] = 1
    second[5:15, 8:20] = 1
    layers = []
    for array in (first, second):
        layer = sitk.GetImageFromArray(array)
        layer.SetSpacing((0.7, 1.3))
        layer.SetOrigin((3.0, -4.0))
        layer.SetDirection((np.cos(0.3), -np.sin(0.3), np.sin(0.3), np.cos(0.3)))
        layers.append(layer)
    segments = (Segment("s1", "A", (1.0, 0.0, 0.0), 0, 1), Segment("s2", "B", (0.0, 1.0, 0.0), 1, 1))
    path = files.write(Labels(tuple(layers), segments), tmp_path / "flat.seg.nrrd")
    assert sitk.ReadImage(str(path)).GetDimension() == 3, "Slicer reads segmentations in 3-D only"
    read = files.read(path, "labels")
    assert read.names == ("A", "B")
    assert read.grid.same_as(Grid.of(layers[0]))
    for name, array in (("A", first), ("B", second)):
        assert np.array_equal(sitk.GetArrayFromImage(read.mask(read.find(name))), array)
