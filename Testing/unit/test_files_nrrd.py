"""NRRD files, however they are written, give the voxels and the place that they state."""

from __future__ import annotations

import bz2
import gzip
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from image_files_testing import ARRAY, quiet, read_with_warnings
from MedImgAnalysisLib import files
from MedImgAnalysisLib.errors import FileError


def nrrd(path: Path, data: bytes, **fields: str) -> Path:
    """A NRRD file of `data` whose header has these fields (spaces for underscores; a value of None removes one)."""
    header = {
        "type": "short",
        "dimension": "3",
        "space": "left-posterior-superior",
        "sizes": "4 5 6",
        "space directions": "(1,0,0) (0,2,0) (0,0,3)",
        "kinds": "domain domain domain",
        "endian": "little",
        "encoding": "raw",
        "space origin": "(1,2,3)",
    }
    header.update({key.replace("_", " "): value for key, value in fields.items()})
    lines = [f"{key}: {value}" for key, value in header.items() if value is not None]
    path.write_bytes(("NRRD0004\n# comment\n" + "\n".join(lines) + "\nkey:=one\\ntwo\n\n").encode() + data)
    return path


@pytest.mark.parametrize(
    ("encoding", "pack"),
    (
        ("raw", bytes),
        ("gzip", gzip.compress),
        ("gz", gzip.compress),
        ("bzip2", bz2.compress),
        ("ascii", lambda data: " ".join(map(str, np.frombuffer(data, "<i2"))).encode()),
    ),
)
def test_every_nrrd_encoding_is_read(encoding: str, pack: object, tmp_path: Path) -> None:
    path = nrrd(tmp_path / "a.nrrd", pack(ARRAY.astype("<i2").tobytes()), encoding=encoding)  # type: ignore[operator]
    image = files.read(path, "image", quiet())
    assert np.array_equal(sitk.GetArrayFromImage(image), ARRAY)
    assert (image.GetSpacing(), image.GetOrigin()) == ((1.0, 2.0, 3.0), (1.0, 2.0, 3.0))


def test_big_endian_voxels_are_turned(tmp_path: Path) -> None:
    path = nrrd(tmp_path / "a.nrrd", ARRAY.astype(">i2").tobytes(), endian="big")
    assert np.array_equal(sitk.GetArrayFromImage(files.read(path, "image", quiet())), ARRAY)


def test_each_nrrd_space_ends_in_lps(tmp_path: Path) -> None:
    origins = {"left-posterior-superior": (1, 2, 3), "RAS": (-1, -2, 3), "left-anterior-superior": (1, -2, 3)}
    for space, origin in origins.items():
        image = files.read(nrrd(tmp_path / "a.nrrd", ARRAY.tobytes(), space=space), "image", quiet())
        assert image.GetOrigin() == origin
        assert np.array_equal(np.sign(image.GetDirection()[::4]), np.sign(np.array(origin)))


@pytest.mark.parametrize(
    ("unit", "told"), (('"mm" "mm" "mm"', 0), ('"microns" "microns" "microns"', 1), ('"m" "mm" "mm"', 1))
)
def test_lengths_in_another_unit_are_told_of(unit: str, told: int, tmp_path: Path) -> None:
    image, said = read_with_warnings(nrrd(tmp_path / "a.nrrd", ARRAY.tobytes(), space_units=unit))
    assert image.GetSpacing() == (1.0, 2.0, 3.0)
    assert ["taken as millimetres" in sentence for sentence in said] == [True] * told


def test_a_detached_nrrd_header_finds_its_data(tmp_path: Path) -> None:
    (tmp_path / "voxels.raw").write_bytes(b"skipped" + ARRAY.tobytes())
    path = nrrd(tmp_path / "a.nhdr", b"", data_file="voxels.raw", byte_skip="7")
    assert np.array_equal(sitk.GetArrayFromImage(files.read(path, "image", quiet())), ARRAY)
    path = nrrd(tmp_path / "a.nhdr", b"", data_file="voxels.raw", byte_skip="-1")
    assert np.array_equal(sitk.GetArrayFromImage(files.read(path, "image", quiet())), ARRAY)
    with pytest.raises(FileError, match=r"gone\.raw, is missing"):
        files.read(nrrd(tmp_path / "a.nhdr", b"", data_file="gone.raw"), "image", quiet())


@pytest.mark.parametrize(
    ("fields", "word"),
    (
        ({"sizes": "4 5"}, "2 sizes"),
        ({"sizes": "4 5 x"}, "whole numbers"),
        ({"type": "block"}, "block"),
        ({"encoding": "zip"}, "zip"),
        ({"space_directions": "(1,0,0) (0,2,0)"}, "2 space directions"),
        ({"space_directions": "(1,0,0) (0,nan,0) (0,0,1)"}, "finite"),
        ({"space_origin": "(1,2)"}, "space origin"),
        ({"endian": None}, "byte order"),
        ({"sizes": None}, "'sizes'"),
        ({"space_directions": "(1,0,0) (0,a,0) (0,0,1)"}, "vector"),
        ({"kinds": "complex domain domain"}, "complex"),
        ({"kinds": "domain"}, "1 kinds"),
    ),
)
def test_a_nrrd_header_that_makes_no_sense_is_refused(fields: dict[str, str], word: str, tmp_path: Path) -> None:
    with pytest.raises(FileError, match=word):
        files.read(nrrd(tmp_path / "a.nrrd", ARRAY.tobytes(), **fields), "image", quiet())


def test_a_nrrd_without_orientation_says_so(tmp_path: Path) -> None:
    path = nrrd(
        tmp_path / "a.nrrd", ARRAY.tobytes(), space=None, space_directions=None, space_origin=None, spacings="1 2 3"
    )
    image, said = read_with_warnings(path)
    assert image.GetSpacing() == (1.0, 2.0, 3.0)
    assert "left and right cannot be trusted" in said[0]


@pytest.mark.parametrize(
    ("order", "axes"), (("list domain domain domain", (3, 0, 1, 2)), ("domain domain domain list", (0, 1, 2, 3)))
)
def test_frames_of_a_nrrd_are_found_on_either_side(order: str, axes: tuple[int, ...], tmp_path: Path) -> None:
    stack = np.stack([ARRAY, ARRAY + 1000])
    first = order.startswith("list")
    stored = np.moveaxis(stack, 0, -1) if first else stack
    path = nrrd(
        tmp_path / "a.nrrd",
        stored.tobytes(),
        dimension="4",
        kinds=order,
        sizes="2 4 5 6" if first else "4 5 6 2",
        space_directions="none (1,0,0) (0,2,0) (0,0,3)" if first else "(1,0,0) (0,2,0) (0,0,3) none",
    )
    frames = files.read(path, "image", quiet())
    assert frames.positions == (0.0, 1.0) and (frames.title, frames.unit) == ("frame", "")
    assert [np.array_equal(sitk.GetArrayFromImage(f), s) for f, s in zip(frames.values, stack)] == [True, True]
    one = files.read(f"{path}#1", "image", quiet())
    assert np.array_equal(sitk.GetArrayFromImage(one), stack[1])
    for wrong in ("2", "-1", "x", ""):
        with pytest.raises(FileError, match="there is no frame"):
            files.read(f"{path}#{wrong}", "image", quiet())
