"""Several frames on disk: 4-D files of each format, their positions and units, folders, and what does not fit."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from medimg_testing import oblique_grid
from MedImgAnalysisLib import files
from MedImgAnalysisLib.errors import FileError
from MedImgAnalysisLib.geometry import Grid
from MedImgAnalysisLib.progress import Progress
from MedImgAnalysisLib.provenance import fingerprint
from MedImgAnalysisLib.values import Frames, Labels, Landmarks

TIMES = (0.0, 0.5, 2.0)


def quiet() -> Progress:
    return Progress(on_warning=lambda sentence: None)


def images(kind: type = np.int16, components: int = 1, count: int = 3) -> tuple[sitk.Image, ...]:
    rng = np.random.default_rng(3)
    shape = (4, 5, 6) + ((components,) if components > 1 else ())
    arrays = [rng.integers(0, 100, shape).astype(kind) for _ in range(count)]
    return tuple(oblique_grid(sitk.GetImageFromArray(array, isVector=components > 1)) for array in arrays)


def same(one: Frames, other: Frames, exact_grid: bool = True) -> bool:
    pairs = list(zip(one.values, other.values, strict=True))
    voxels = all(np.array_equal(sitk.GetArrayFromImage(a), sitk.GetArrayFromImage(b)) for a, b in pairs)
    return voxels and all(Grid.of(a).same_as(Grid.of(b)) for a, b in pairs)


@pytest.mark.parametrize("kind", (np.uint8, np.int16, np.uint16, np.int32, np.int64, np.float32, np.float64))
@pytest.mark.parametrize("name", ("a.seq.nrrd", "a.nrrd"))
def test_a_sequence_file_keeps_voxels_type_grid_and_uneven_positions(name: str, kind: type, tmp_path: Path) -> None:
    frames = Frames(images(kind), TIMES, "time", "s")
    back = files.read(files.write(frames, tmp_path / name), "image")
    assert same(frames, back) and back.values[0].GetPixelID() == frames.values[0].GetPixelID()
    assert (back.positions, back.title, back.unit) == (TIMES, "time", "s")
    assert same(files.read(tmp_path / name, "frames"), back)


@pytest.mark.parametrize("ending", ("seq.nrrd", "nii.gz", "nii"))
def test_colours_and_frames_are_told_apart(ending: str, tmp_path: Path) -> None:
    frames = Frames(images(np.float32, components=3), (0, 2, 4), "time", "s")
    back = files.read(files.write(frames, tmp_path / f"a.{ending}"), "image")
    assert same(frames, back) and back.positions == (0, 2, 4)
    assert back.values[0].GetNumberOfComponentsPerPixel() == 3
    alone = files.write(frames.values[0], tmp_path / "vector.nrrd")
    assert files.read(alone, "image").GetNumberOfComponentsPerPixel() == 3


def test_simpleitk_reads_the_voxels_of_a_sequence_file(tmp_path: Path) -> None:
    frames = Frames(images(), TIMES, "time", "s")
    found = sitk.ReadImage(str(files.write(frames, tmp_path / "a.seq.nrrd")))
    assert Grid.of(found).same_as(Grid.of(frames.values[0]))
    for number, image in enumerate(frames.values):
        assert np.array_equal(sitk.GetArrayFromImage(found)[..., number], sitk.GetArrayFromImage(image))


@pytest.mark.parametrize("unit, bits", (("s", 8), ("ms", 16), ("us", 24), ("", 0)))
@pytest.mark.parametrize("name", ("a.nii", "a.nii.gz"))
def test_nifti_keeps_step_start_and_unit(name: str, unit: str, bits: int, tmp_path: Path) -> None:
    frames = Frames(images(), (10.0, 10.72, 11.44), "time", unit)
    back = files.read(files.write(frames, tmp_path / name), "image")
    assert same(frames, back) and back.positions == (10.0, 10.72, 11.44) and back.unit == unit
    plain = sitk.ReadImage(str(tmp_path / name))
    assert plain.GetSize() == (6, 5, 4, 3)
    assert np.array_equal(sitk.GetArrayFromImage(plain)[1], sitk.GetArrayFromImage(frames.values[1]))
    written = tmp_path / "plain.nii"
    files.write(frames, written)
    assert written.read_bytes()[123] == bits | 2 and struct.unpack("<f", written.read_bytes()[136:140])[0] == 10.0
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith((".", "frames"))] == []


def test_numbered_frames_stay_numbered(tmp_path: Path) -> None:
    frames = Frames(images())
    for name in ("a.nii.gz", "a.seq.nrrd"):
        back = files.read(files.write(frames, tmp_path / name), "image")
        assert (back.positions, back.unit) == (frames.positions, "")


@pytest.mark.parametrize("name", ("a.nii", "a.nrrd", "a.mha"))
def test_4d_images_of_simpleitk_are_frames_at_their_spacing(name: str, tmp_path: Path) -> None:
    values = images()
    sitk.WriteImage(sitk.JoinSeries(list(values), 10.0, 2.5), str(tmp_path / name))
    found = files.read(tmp_path / name, "image", quiet())
    assert same(Frames(values), found)
    assert found.positions == (10.0, 12.5, 15.0) and found.title == "time"


def test_a_sequence_of_pictures_in_a_metaimage_has_its_time_stamps(tmp_path: Path) -> None:
    array = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)
    header = (
        "ObjectType = Image\nNDims = 3\nDimSize = 4 3 2\nKinds = domain domain list\nElementType = MET_UCHAR\n"
        "BinaryData = True\nSeq_Frame0000_Timestamp = 1.25\nSeq_Frame0001_Timestamp = 1.5\nElementDataFile = LOCAL\n"
    )
    (tmp_path / "a.seq.mha").write_bytes(header.encode() + array.tobytes())
    found = files.read(tmp_path / "a.seq.mha", "image", quiet())
    assert (found.positions, found.unit) == ((1.25, 1.5), "s")
    assert [np.array_equal(sitk.GetArrayFromImage(v), a) for v, a in zip(found.values, array)] == [True, True]


def write_nrrd(path: Path, **fields: str) -> Path:
    array = np.arange(3 * 4 * 5 * 2, dtype="<i2").reshape(2, 3, 4, 5)
    lines = {"type": "short", "dimension": "4", "sizes": "5 4 3 2", "space": "left-posterior-superior",
             "space directions": "(1,0,0) (0,1,0) (0,0,1) none", "kinds": "domain domain domain list",
             "endian": "little", "encoding": "raw", "space origin": "(0,0,0)"} | fields  # fmt: skip
    text = "".join(f"{key}{':=' if key[0].isupper() or 'index' in key else ': '}{v}\n" for key, v in lines.items() if v)
    path.write_bytes(f"NRRD0005\n{text}\n".encode() + array.tobytes())
    return path


@pytest.mark.parametrize(
    "fields, expected",
    [
        ({}, ((0.0, 1.0), "frame", "")),
        ({"axis 3 index values": "0.25 4", "labels": '"" "" "" "phase"', "units": '"" "" "" "%"'},
         ((0.25, 4.0), "phase", "%")),
        ({"axis 3 index values": "systole diastole"}, ((0.0, 1.0), "frame", "")),
        ({"axis 3 index values": "2 1"}, ((0.0, 1.0), "frame", "")),
        ({"MultiVolume.FrameLabels": "100,150", "MultiVolume.FrameIdentifyingDICOMTagName": "TriggerTime",
          "MultiVolume.FrameIdentifyingDICOMTagUnits": "ms"}, ((100.0, 150.0), "TriggerTime", "ms")),
        ({"spacings": "nan nan nan 0.5", "axis mins": "nan nan nan 3", "units": "\"\" \"\" \"\" \"s\""},
         ((3.0, 3.5), "time", "s")),
        ({"kinds": "domain domain domain time", "units": '"" "" "" "ms"', "spacings": "nan nan nan 40"},
         ((0.0, 40.0), "time", "ms")),
    ],
)  # fmt: skip
def test_a_nrrd_says_where_its_frames_are(fields: dict[str, str], expected: tuple, tmp_path: Path) -> None:
    found = files.read(write_nrrd(tmp_path / "a.nrrd", **fields), "image", quiet())
    assert (found.positions, found.title, found.unit) == expected


def test_one_frame_is_chosen_by_its_number_from_zero(tmp_path: Path) -> None:
    frames = Frames(images(np.uint8), TIMES)
    path = files.write(frames, tmp_path / "a.seq.nrrd")
    for part in ("2", "frame=2"):
        assert fingerprint(files.read(f"{path}#{part}", "image")) == fingerprint(files.read(path, "image").values[2])
    for part in ("3", "-1", "", "frame=x", "last"):
        with pytest.raises(FileError, match=r"there is no frame .* 0 to 2"):
            files.read(f"{path}#{part}", "image")
    alone = files.write(frames.values[0], tmp_path / "one.nrrd")
    with pytest.raises(FileError, match="holds one image"):
        files.read(f"{alone}#1", "image")
    with pytest.raises(FileError, match="single image; a file of several frames"):
        files.read(alone, "frames")


def test_masks_and_labels_have_frames_and_label_values(tmp_path: Path) -> None:
    arrays = [np.zeros((4, 5, 6), np.uint8) for _ in range(2)]
    arrays[0][1:3], arrays[1][2:], arrays[1][0] = 1, 2, 1
    path = files.write(Frames(tuple(map(sitk.GetImageFromArray, arrays))), tmp_path / "a.nii.gz")
    labels = files.read(path, "labels", quiet())
    assert [value.names for value in labels.values] == [("Segment_1",), ("Segment_1", "Segment_2")]
    assert files.read(f"{path}#frame=1", "labels", quiet()).names == ("Segment_1", "Segment_2")
    masks = files.read(path, "mask", quiet())
    assert [np.count_nonzero(sitk.GetArrayFromImage(value)) for value in masks.values] == [60, 90]
    two = files.read(f"{path}#frame=1#2", "mask", quiet())
    assert np.array_equal(sitk.GetArrayFromImage(two), arrays[1] == 2)
    with pytest.raises(FileError, match="no label value '2'"):
        files.read(f"{path}#2", "mask", quiet())


def test_layers_of_a_segmentation_are_no_frames(tmp_path: Path) -> None:
    half = np.zeros((4, 5, 6), np.uint8)
    half[:3] = 1
    labels = Labels.from_masks([("A", sitk.GetImageFromArray(half)), ("B", sitk.GetImageFromArray(half[::-1].copy()))])
    path = files.write(labels, tmp_path / "a.seg.nrrd")
    assert len(labels.layers) == 2
    with pytest.raises(FileError, match="segmentation of 2 layers, not an image"):
        files.read(path, "image", quiet())


def test_transforms_labels_and_landmarks_go_to_a_folder(tmp_path: Path) -> None:
    moves = [sitk.TranslationTransform(3, (float(n), 0.0, 0.5)) for n in range(3)]
    points = [Landmarks(("a",), np.array([[n, 2.0, 3.0]])) for n in range(3)]
    segments = [Labels.from_labelmap(image) for image in images(np.uint8)]
    for kind, values in (("transform", moves), ("landmarks", points), ("labels", segments)):
        path = tmp_path / files.file_name(kind, kind, several=True)
        assert files.write(Frames(tuple(values), TIMES, "time", "s"), path) == path
        back = files.read(path, kind, quiet())
        assert (back.positions, back.title, back.unit) == (TIMES, "time", "s")
        assert [fingerprint(a) for a in back.values] == [fingerprint(a) for a in values]
        assert fingerprint(files.read(f"{path}#1", kind, quiet())) == fingerprint(values[1])
        with pytest.raises(FileError, match="exists already"):
            files.write(Frames(tuple(values)), path)
        with pytest.raises(FileError, match=f"frames of kind {kind}, not surface"):
            files.read(path, "surface")
    assert sorted(path.name for path in (tmp_path / "transform").iterdir()) == [
        "000.h5",
        "001.h5",
        "002.h5",
        "frames.json",
    ]
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_frames_on_different_grids_go_to_a_folder(tmp_path: Path) -> None:
    first, second = images(count=2)
    frames = Frames((first, second[:, :, 1:]))
    with pytest.raises(FileError, match="frame #1 has another grid"):
        files.write(frames, tmp_path / "a.seq.nrrd")
    back = files.read(files.write(frames, tmp_path / "a"), "image")
    assert same(back, frames)


def test_a_damaged_folder_is_named(tmp_path: Path) -> None:
    path = files.write(Frames(images()), tmp_path / "a")
    (path / "001.nrrd").unlink()
    with pytest.raises(FileError, match=r"001\.nrrd of a frame is missing"):
        files.read(path, "image")
    index = json.loads((path / "frames.json").read_text())
    index["frames"][1]["file"] = "../../secret.nrrd"
    (path / "frames.json").write_text(json.dumps(index))
    with pytest.raises(FileError, match="no list of frames"):
        files.read(path, "image")
    (path / "frames.json").write_text("{")
    with pytest.raises(FileError, match="damaged"):
        files.read(path, "image")


@pytest.mark.parametrize(
    "name, frames, what",
    [
        ("a.nii", Frames(images(), TIMES), "steps between the frames differ"),
        ("a.nii", Frames(images(), (0, 1, 2), "phase", "%"), "positions are in '%'"),
        ("a.mha", Frames(images()), r"several frames.*\.seq\.nrrd.*not \.mha"),
        ("a.h5", Frames((sitk.TranslationTransform(3),) * 2), "written as a folder"),
    ],
)
def test_what_a_file_cannot_hold_is_refused_and_nothing_is_left(
    name: str, frames: Frames, what: str, tmp_path: Path
) -> None:
    with pytest.raises(FileError, match=what):
        files.write(frames, tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_a_single_image_is_a_sequence_of_one_where_the_ending_asks_for_it(tmp_path: Path) -> None:
    image = images()[0]
    assert fingerprint(files.read(files.write(image, tmp_path / "a.seq.nrrd"), "image")) == fingerprint(
        files.read(files.write(image, tmp_path / "a.nrrd"), "image")
    )


def test_two_dimensional_frames_are_kept(tmp_path: Path) -> None:
    frames = Frames(tuple(oblique_grid(image[:, :, 1]) for image in images()), TIMES)
    back = files.read(files.write(frames, tmp_path / "a.seq.nrrd"), "image", quiet())
    assert same(frames, back) and back.values[0].GetDimension() == 2


@given(st.lists(st.floats(-1e9, 1e9), min_size=2, max_size=6, unique=True))
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_every_rising_position_comes_back_to_the_bit(tmp_path: Path, numbers: list[float]) -> None:
    positions = tuple(sorted(number + 0.0 for number in numbers))
    frames = Frames((sitk.Image(2, 2, 2, sitk.sitkUInt8),) * len(positions), positions, "phase", "%")
    for name in ("a.seq.nrrd", f"folder{len(list(tmp_path.iterdir()))}"):
        back = files.read(files.write(frames, tmp_path / name), "image", quiet())
        assert back.positions == positions and (back.title, back.unit) == ("phase", "%")
