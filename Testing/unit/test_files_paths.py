"""Files appear complete or not at all, under any name, and their parts can be named."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from medimg_testing import oblique_grid
from MedImgAnalysisLib import files
from MedImgAnalysisLib.errors import FileError
from MedImgAnalysisLib.files import paths
from MedImgAnalysisLib.progress import Progress
from MedImgAnalysisLib.values import Column, Labels, Landmarks, Measurements

NAMES = (
    "plain",
    "with space",
    "ünïcode ✓ 图像",
    "-rf",
    "two..dots..",
    "quote'\"$(ls);`id`&|",
    "new\nline",
    "#1",
    "a#b",
    "%s%n",
    "x" * 200,
)


def quiet() -> Progress:
    return Progress(on_warning=lambda sentence: None)


def values() -> dict[str, object]:
    image = oblique_grid(sitk.GetImageFromArray(np.arange(60, dtype=np.int16).reshape(3, 4, 5)))
    table = Measurements((Column("dice", "Dice"),), ({"dice": 0.1 + 0.2},))
    return {
        "image": image,
        "labels": Labels.from_labelmap(image > 7),
        "transform": sitk.Euler3DTransform((1, 2, 3), 0.1),
        "landmarks": Landmarks(("a",), np.array([[1.0, 2, 3]])),
        "table": table,
    }


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("kind", sorted(values()))
def test_any_name_can_be_written_and_read(name: str, kind: str, tmp_path: Path) -> None:
    path = tmp_path / f"dir {name}" / (name + paths.DEFAULT_ENDINGS[kind])
    assert files.write(values()[kind], path) == path
    files.read(path, kind, quiet())
    assert [found.name for found in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize(
    ("kind", "name"),
    (
        *(("image", f"A{e}") for e in (".NII.GZ", ".Nii", ".MHA", ".Mhd", ".NHDR", ".NRRD", ".TIF")),
        *(("labels", f"A{e}") for e in (".SEG.NRRD", ".NII.GZ")),
        *(("transform", f"A{e}") for e in (".H5", ".TFM")),
        *(("landmarks", f"A{e}") for e in (".MRK.JSON", ".FCSV")),
        ("table", "A.CSV"),
    ),
)
def test_endings_in_capitals_are_written_and_read(kind: str, name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    assert files.write(values()[kind], path) == path
    files.read(path, kind, quiet())
    assert name in os.listdir(tmp_path)


@pytest.mark.parametrize("kind", sorted(values()))
@pytest.mark.parametrize("name", ("Müller ✓", "plain"))
def test_names_that_native_readers_refuse_are_staged(
    kind: str, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on Windows: SimpleITK must never see a name with other than ASCII characters."""
    monkeypatch.setattr(paths, "STAGE_NON_ASCII", True)
    seen: list[str] = []
    for module, function, place in (
        (sitk, "WriteImage", 1),
        (sitk, "ReadImage", 0),
        (sitk, "ReadTransform", 0),
        (sitk, "WriteTransform", 1),
    ):
        monkeypatch.setattr(module, function, _spied(getattr(module, function), place, seen))
    path = tmp_path / name / (name + paths.DEFAULT_ENDINGS[kind])
    files.write(values()[kind], path)
    value = files.read(path, kind, quiet())
    assert all(text.isascii() for text in seen)
    assert [found.name for found in path.parent.iterdir()] == [path.name]
    if kind == "image":
        assert np.array_equal(sitk.GetArrayFromImage(value), sitk.GetArrayFromImage(values()["image"]))
    if kind in ("image", "transform"):
        assert seen, "SimpleITK was asked to write"


@pytest.mark.skipif(os.name == "nt" or sys.platform == "darwin", reason="names are text on this system")
@pytest.mark.parametrize("kind", sorted(values()))
def test_a_name_of_bytes_that_are_no_text_is_a_name(kind: str, tmp_path: Path) -> None:
    """SimpleITK ends the process when it gets such a name."""
    folder = tmp_path / os.fsdecode(b"dir\xff")
    path = folder / (os.fsdecode(b"caf\xe9") + paths.DEFAULT_ENDINGS[kind])
    assert files.write(values()[kind], path) == path
    files.read(path, kind, quiet())
    assert [found.name for found in folder.iterdir()] == [path.name]


def _spied(real: Callable[..., object], place: int, seen: list[str]) -> Callable[..., object]:
    def spy(*args: object) -> object:
        seen.append(str(args[place]))
        return real(*args)

    return spy


@pytest.mark.parametrize("staged", (False, True))
def test_a_detached_file_keeps_its_companion(staged: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paths, "STAGE_NON_ASCII", staged)
    image = values()["image"]
    for ending in (".mhd", ".nhdr"):
        back = files.read(files.write(image, tmp_path / f"bild ü{ending}"), "image", quiet())
        assert np.array_equal(sitk.GetArrayFromImage(back), sitk.GetArrayFromImage(image))


@pytest.mark.parametrize("kind", sorted(values()))
def test_an_error_while_writing_leaves_the_old_file_and_nothing_else(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / f"a{paths.DEFAULT_ENDINGS[kind]}"
    path.write_bytes(b"old")

    def full(*args: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(paths.os, "replace", full)
    with pytest.raises(FileError, match="No space left"):
        files.write(values()[kind], path)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_what_simpleitk_cannot_write_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(FileError, match="cannot be written"):
        files.write(values()["image"], tmp_path / "new" / "a.png")
    assert not list((tmp_path / "new").iterdir())


def test_wrong_endings_name_the_right_ones(tmp_path: Path) -> None:
    for kind, value in values().items():
        with pytest.raises(FileError, match=r"is written as \..*, not .xyz"):
            files.write(value, tmp_path / "a.xyz")
        with pytest.raises(FileError, match="without an ending"):
            files.write(value, tmp_path / "a", kind)


def test_a_folder_or_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileError, match="this is a folder"):
        files.write(values()["image"], _folder(tmp_path / "a.nrrd"))
    for kind in ("labels", "mask", "transform", "table", "landmarks"):
        with pytest.raises(FileError, match="this is a folder"):
            files.read(tmp_path, kind)
        with pytest.raises(FileError, match=r"gone\.nrrd: there is no such file"):
            files.read(tmp_path / "gone.nrrd", kind)
        with pytest.raises(FileError, match=r"gone\.nrrd: there is no such file"):
            files.read(f"{tmp_path}/gone.nrrd#3", kind)
    with pytest.raises(FileError, match="There is no kind of file 'picture'"):
        files.read(tmp_path, "picture")


def _folder(path: Path) -> Path:
    path.mkdir()
    return path


def test_a_number_sign_in_a_name_is_no_part(tmp_path: Path) -> None:
    path = tmp_path / "scan#2.nrrd"
    assert paths.split_part(files.write(values()["image"], path)) == (path, None)
    assert paths.split_part(f"{path}#Liver #2") == (path, "Liver #2")


def test_file_names_are_safe_on_every_system() -> None:
    assert files.file_name("ct smooth/é:1", "image") == "ct smooth_é_1.nrrd"
    assert files.file_name("a.nii.gz", "image") == "a.nii.gz"
    assert files.file_name("a.csv", "image") == "a.csv.nrrd"
    assert files.file_name("CON", "table") == "_CON.csv"
    assert files.file_name(" ..", "labels") == "unnamed.seg.nrrd"
    assert {files.file_name("x", kind) for kind in paths.DEFAULT_ENDINGS} == {
        "x.nrrd",
        "x.seg.nrrd",
        "x.h5",
        "x.mrk.json",
        "x.csv",
        "x.vtk",
        "x.seq.nrrd",
    }


def test_a_compressed_format_is_compressed(tmp_path: Path) -> None:
    image = sitk.Image(50, 50, 50, sitk.sitkInt16)
    for ending in (".nrrd", ".nii.gz", ".mha"):
        assert files.write(image, tmp_path / f"a{ending}").stat().st_size < 10_000


def test_a_picture_is_read_with_a_word_about_its_spacing(tmp_path: Path) -> None:
    for ending, mode in ((".png", np.uint8), (".tif", np.uint16)):
        array = np.arange(600).reshape(20, 30).astype(mode)
        said: list[str] = []
        back = files.read(
            files.write(sitk.GetImageFromArray(array), tmp_path / f"ü{ending}"),
            "image",
            Progress(on_warning=said.append),
        )
        assert np.array_equal(sitk.GetArrayFromImage(back), array)
        assert "no reliable physical spacing" in said[0]


def test_positions_too_far_for_nifti_are_refused(tmp_path: Path) -> None:
    image = sitk.Image(3, 3, 3, sitk.sitkInt16)
    image.SetOrigin((1e6, 0, 0))
    with pytest.raises(FileError, match="32 bits"):
        files.write(image, tmp_path / "a.nii.gz")
    assert files.read(files.write(image, tmp_path / "a.nrrd"), "image", quiet()).GetOrigin()[0] == 1e6


def test_reading_a_table_imports_neither_pydicom_nor_scipy() -> None:
    import subprocess
    import sys

    code = (
        "import sys; from MedImgAnalysisLib import files; files.file_name('a', 'image');"
        "print([m for m in ('pydicom', 'scipy', 'vtk', 'slicer') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
