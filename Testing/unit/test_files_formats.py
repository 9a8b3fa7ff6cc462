"""All image formats keep voxels and place, and MetaImage files, however they are written, give what they state."""

from __future__ import annotations

import gzip
import zlib
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from image_files_testing import ARRAY, quiet, read_with_warnings, same
from medimg_testing import oblique_grid
from MedImgAnalysisLib import files
from MedImgAnalysisLib.errors import FileError
from MedImgAnalysisLib.geometry import Grid

ENDINGS = (".nrrd", ".nhdr", ".nii", ".nii.gz", ".mha", ".mhd")
SCALARS = ("i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "f4", "f8")


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("dtype", SCALARS)
def test_every_pixel_type_on_an_oblique_grid_survives(ending: str, dtype: str, tmp_path: Path) -> None:
    image = oblique_grid(sitk.GetImageFromArray(ARRAY.astype(dtype)))
    back, said = read_with_warnings(files.write(image, tmp_path / f"a{ending}"))
    assert same(back, image)
    assert not said


@pytest.mark.parametrize("ending", ENDINGS)
def test_vectors_keep_their_components_in_order(ending: str, tmp_path: Path) -> None:
    array = np.random.default_rng(1).normal(size=(4, 5, 6, 3)).astype(np.float32)
    image = oblique_grid(sitk.GetImageFromArray(array, isVector=True))
    back = files.read(files.write(image, tmp_path / f"a{ending}"), "image", quiet())
    assert same(back, image)


@pytest.mark.parametrize("ending", (".nrrd", ".nii.gz", ".mha"))
def test_two_dimensional_images_keep_their_grid(ending: str, tmp_path: Path) -> None:
    image = sitk.GetImageFromArray(ARRAY[0])
    image.SetSpacing((0.5, 2.0))
    image.SetOrigin((3.0, -4.0))
    back = files.read(files.write(image, tmp_path / f"a{ending}"), "image", quiet())
    assert same(back, image)


@pytest.mark.parametrize("ending", (".nrrd", ".nii.gz", ".mha"))
def test_a_left_handed_image_stays_where_it_is(ending: str, tmp_path: Path) -> None:
    image = sitk.GetImageFromArray(ARRAY)
    image.SetDirection((-1, 0, 0, 0, 1, 0, 0, 0, 1))
    assert same(files.read(files.write(image, tmp_path / f"a{ending}"), "image", quiet()), image)


@pytest.mark.parametrize("ending", (".nrrd", ".nii", ".nii.gz", ".mha"))
def test_what_simpleitk_writes_is_read_like_simpleitk_does(ending: str, tmp_path: Path) -> None:
    path = tmp_path / f"a{ending}"
    sitk.WriteImage(oblique_grid(sitk.GetImageFromArray(ARRAY)), str(path))
    assert same(files.read(path, "image", quiet()), sitk.ReadImage(str(path)), 1e-5)


@pytest.mark.parametrize("ending", (".nrrd", ".nii.gz", ".nii", ".mha"))
@pytest.mark.parametrize("share", (0.3, 0.9, 0.999))
def test_a_file_that_stops_early_is_refused(ending: str, share: float, tmp_path: Path) -> None:
    noise = np.random.default_rng(1).integers(-999, 999, (20, 20, 20)).astype(np.int16)
    path = files.write(sitk.GetImageFromArray(noise), tmp_path / f"a{ending}")
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    with pytest.raises(FileError, match=r"cut short|ends inside"):
        files.read(path, "image", quiet())


@pytest.mark.parametrize("ending", (".nrrd", ".nii.gz", ".mha"))
def test_a_damaged_stream_is_refused(ending: str, tmp_path: Path) -> None:
    noise = np.random.default_rng(1).integers(-999, 999, (20, 20, 20)).astype(np.int16)
    path = files.write(sitk.GetImageFromArray(noise), tmp_path / f"a{ending}")
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 40] = bytes(40)
    path.write_bytes(data)
    with pytest.raises(FileError, match=r"a\.(nrrd|nii\.gz|mha): "):
        files.read(path, "image", quiet())


@pytest.mark.parametrize("ending", (".nrrd", ".nii", ".nii.gz", ".mha"))
def test_bytes_behind_the_voxels_are_told(ending: str, tmp_path: Path) -> None:
    path = tmp_path / f"a{ending}"
    sitk.WriteImage(sitk.GetImageFromArray(ARRAY), str(path), False)
    if ending == ".nii.gz":
        path.write_bytes(gzip.compress(gzip.decompress(path.read_bytes()) + b"more"))
    else:
        path.write_bytes(path.read_bytes() + b"more")
    image, said = read_with_warnings(path)
    assert np.array_equal(sitk.GetArrayFromImage(image), ARRAY)
    assert "more bytes than its header declares" in said[0]


def meta(path: Path, data: bytes, **fields: str) -> Path:
    header = {
        "ObjectType": "Image",
        "NDims": "3",
        "BinaryData": "True",
        "BinaryDataByteOrderMSB": "False",
        "CompressedData": "False",
        "TransformMatrix": "0 1 0 -1 0 0 0 0 1",
        "Offset": "1 2 3",
        "ElementSpacing": "1 2 3",
        "DimSize": "4 5 6",
        "ElementType": "MET_SHORT",
        **fields,
    }
    header["ElementDataFile"] = header.pop("ElementDataFile", "LOCAL")
    path.write_bytes("".join(f"{key} = {value}\n" for key, value in header.items()).encode() + data)
    return path


@pytest.mark.parametrize(
    ("fields", "pack"),
    (
        ({}, bytes),
        ({"CompressedData": "True"}, zlib.compress),
        ({"BinaryDataByteOrderMSB": "True"}, lambda data: np.frombuffer(data, "<i2").byteswap().tobytes()),
        ({"BinaryData": "False"}, lambda data: " ".join(map(str, np.frombuffer(data, "<i2"))).encode()),
        ({"HeaderSize": "-1", "ElementDataFile": "v.raw"}, None),
        ({"HeaderSize": "5", "ElementDataFile": "v.raw"}, None),
    ),
)
def test_every_metaimage_layout_is_read_like_itk_does(fields: dict[str, str], pack: object, tmp_path: Path) -> None:
    (tmp_path / "v.raw").write_bytes(b"extra" + ARRAY.tobytes())
    path = meta(tmp_path / "a.mhd", pack(ARRAY.tobytes()) if pack else b"", **fields)  # type: ignore[operator]
    image = files.read(path, "image", quiet())
    assert np.array_equal(sitk.GetArrayFromImage(image), ARRAY)
    if "BinaryData" not in fields:
        assert Grid.of(image) == Grid.of(sitk.ReadImage(str(path)))


@pytest.mark.parametrize(
    ("fields", "word"),
    (
        ({"DimSize": "4 5"}, "3 numbers"),
        ({"ElementSpacing": "1 0 1"}, "spacing of 0"),
        ({"ElementType": "MET_OTHER"}, "MET_OTHER"),
        ({"ElementSpacing": "1 -2 3"}, "above 0"),
        ({"TransformMatrix": "1 0 0 0.3 1 0 0 0 1"}, "sheared"),
        ({"TransformMatrix": "1 0 0 1 0 0 0 0 1"}, "parallel"),
        ({"ObjectType": "Tube"}, "Tube"),
        ({"NDims": "5"}, "5-dimensional"),
        ({"ElementDataFile": "gone.raw"}, "is missing"),
        ({"DimSize": "40 50 60"}, "cut short"),
    ),
)
def test_a_metaimage_header_that_makes_no_sense_is_refused(fields: dict[str, str], word: str, tmp_path: Path) -> None:
    with pytest.raises(FileError, match=word):
        files.read(meta(tmp_path / "a.mha", ARRAY.tobytes(), **fields), "image", quiet())


def test_the_content_counts_when_the_ending_lies(tmp_path: Path) -> None:
    image = oblique_grid(sitk.GetImageFromArray(ARRAY))
    path = files.write(image, tmp_path / "a.nrrd").rename(tmp_path / "a.nii")
    back, said = read_with_warnings(path)
    assert same(back, image)
    assert "is named '.nii'; it was recognised as NRRD" in said[0]


@pytest.mark.parametrize("content", (b"", b"hello world", bytes(500), b"NRRD", b"\x1f\x8b\x08\x00junk", b"NDims"))
def test_what_is_no_image_is_refused(content: bytes, tmp_path: Path) -> None:
    for ending in (".nrrd", ".nii", ".nii.gz", ".mha", ".dcm", ".png", ""):
        path = tmp_path / f"a{ending}"
        path.write_bytes(content)
        with pytest.raises(FileError, match="a"):
            files.read(path, "image", quiet())


def test_a_run_that_is_cancelled_stops_reading(tmp_path: Path) -> None:
    from MedImgAnalysisLib.errors import Cancelled

    path = files.write(sitk.GetImageFromArray(ARRAY), tmp_path / "a.nrrd")
    progress = quiet()
    progress.cancel()
    with pytest.raises(Cancelled):
        files.read(path, "image", progress)
