"""Files on disk to values and back: images, DICOM series, segmentations, transforms, landmarks, tables, surfaces.

`read` and `write` are all that the rest needs. A file is never trusted: headers are checked against
the file before a voxel is used, what cannot be right is refused in one line (`FileError`), and what
is doubtful is said through `progress.warn`. A file appears under its name only when it is complete.

A part of a file is named after a `#`: `scan.nii.gz#3` (frame 3, counted from 0), `organs.seg.nrrd#Liver` (one segment
as a mask), `labels.nii.gz#3` (one label value), `labels.nii.gz#frame=3` (one frame), `folder#1.2.840...` (one DICOM
series).
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import SimpleITK as sitk

from ..errors import FileError, InputError
from ..progress import SILENT, Progress
from ..values import Curves, Frames, Labels, Landmarks, Measurements, Surface
from .paths import DEFAULT_ENDINGS, ending, file_name, split_part

__all__ = ["ENDINGS", "check_ending", "file_name", "kind_of", "read", "write"]

_IMAGES = (".nrrd", ".nhdr", ".nii", ".nii.gz", ".mha", ".mhd")
ENDINGS: dict[str, tuple[str, ...]] = {
    "image": (*_IMAGES, ".png", ".tif", ".tiff", ".seq.nrrd"),
    "mask": (*_IMAGES, ".seg.nrrd", ".seq.nrrd"),
    "labels": (".seg.nrrd", *_IMAGES),
    "transform": (".h5", ".hdf5", ".tfm", ".txt", ".mat", ".nrrd", ".nii", ".nii.gz", ".mha", ".mhd"),
    "landmarks": (".mrk.json", ".fcsv", ".csv"),
    "table": (".csv", ".json"),
    "curves": (".csv", ".json"),
    "surface": (".vtk",),
    "frames": (".seq.nrrd", ".nrrd", ".nii", ".nii.gz"),
}
"""The endings that `write` knows, by kind; the first one is the default."""
_SPOKEN = {
    "image": "an image",
    "labels": "a segmentation",
    "landmarks": "a list of landmarks",
    "curves": "a set of curves",
}


def read(path: str | os.PathLike[str], kind: str, progress: Progress = SILENT) -> Any:
    """The value in a file or folder.

    Parameters
    ----------
    path
        A file, or a folder with a DICOM series for an image; `path#part` chooses a part of it.
    kind
        `image`, `mask`, `labels`, `transform`, `landmarks`, `table`, `curves`, `surface`, or `frames` for what must be
        4-D.
    progress
        Gets the warnings, and stops the reading of large files.

    Returns
    -------
    value
        `SimpleITK.Image` (also for a mask), `Labels`, `SimpleITK.Transform`, `Landmarks`, `Measurements`
        or `Curves`; LPS millimetres. `Frames` of them for a 4-D image, a DICOM series of several volumes, and a folder
        that `write` has made of frames.

    Raises
    ------
    FileError
        In one line that names the file and what is wrong with it.
    """
    if kind not in DEFAULT_ENDINGS:
        raise FileError(f"There is no kind of file {kind!r}; there are {', '.join(DEFAULT_ENDINGS)}.")
    place, part = split_part(path)
    try:
        return _read(place, part, kind, progress)
    except FileError:
        raise
    except InputError as error:
        raise FileError(f"{place}: {error}", path=place) from error
    except (OSError, MemoryError) as error:
        why = error.strerror if isinstance(error, OSError) and error.strerror else "it does not fit in memory"
        raise FileError(f"{place}: the file cannot be read: {why}.", path=place) from error


def write(value: Any, path: str | os.PathLike[str], kind: str | None = None) -> Path:
    """Write a value in the format of the ending and return the path.

    Frames of images are written as `.seq.nrrd`, `.nrrd`, `.nii` or `.nii.gz`; frames of any kind as a folder, where the
    path has no ending. The folder is created. The file is written beside its final name and renamed when it is
    complete, so an error leaves no half file and no changed one. Raises `FileError`.
    """
    place = Path(path)
    kind = kind or kind_of(value)
    try:
        return _write(value, place, kind)
    except FileError:
        raise
    except InputError as error:
        raise FileError(f"{place}: {error}", path=place) from error


def check_ending(path: Path, kind: str, several: bool | None = None) -> None:
    """Raise `FileError` when a value of this kind is not written to files of that ending.

    `several` says whether it is frames; None when that is not known yet.
    """
    if not ending(path) and several is not False and kind not in ("table", "curves"):
        return
    if several and kind not in ("table", "curves"):
        if ending(path) not in ENDINGS["frames"] or kind not in ("image", "mask", "frames"):
            into = ", ".join(ENDINGS["frames"]) if kind in ("image", "mask", "frames") else "a folder"
            raise FileError(
                f"{path}: the result has several frames, which are written as {into}"
                f"{' or a folder' if into != 'a folder' else ''} (a name without an ending), not {ending(path)}.",
                path=path,
            )
        return
    if ending(path) not in ENDINGS[kind]:
        raise FileError(
            f"{path}: {_spoken(kind)} is written as {', '.join(ENDINGS[kind])}, not "
            f"{ending(path) or 'without an ending'}.",
            path=path,
        )


def kind_of(value: Any) -> str:
    """The kind of a value; a mask cannot be told from an image and counts as one."""
    for cls, kind in (
        (sitk.Image, "image"),
        (Labels, "labels"),
        (sitk.Transform, "transform"),
        (Landmarks, "landmarks"),
        (Measurements, "table"),
        (Curves, "curves"),
        (Surface, "surface"),
    ):
        if isinstance(value, Frames):
            return kind_of(value.values[0])
        if isinstance(value, cls):
            return kind
    raise FileError(f"A {type(value).__name__} cannot be written to a file.")


def _spoken(kind: str) -> str:
    return _SPOKEN.get(kind, f"a {kind}")


def _read(place: Path, part: str | None, kind: str, progress: Progress) -> Any:
    from . import dicom, images, landmarks, segmentations, sequences, surfaces, tables, transforms

    if place.is_dir() and sequences.is_folder_of_frames(place):
        return sequences.read_folder(place, part, kind, read, progress)
    if kind == "frames":
        found = _read(place, part, "image", progress)
        if not isinstance(found, Frames):
            raise FileError(f"{place}: this is a single image; a file of several frames (4-D) is needed.", path=place)
        return found
    if kind == "image":
        if place.is_dir() or images.format_of(place) == "DICOM":
            return dicom.read_image(place, part, progress)
        return images.read_image(place, part, progress)
    if place.is_dir():
        raise FileError(f"{place}: this is a folder; {_spoken(kind)} is read from a file.", path=place)
    if kind == "mask":
        return segmentations.read_mask(place, part, progress)
    if kind == "labels":
        return segmentations.read_labels_part(place, part, progress)
    if part is not None and kind != "landmarks":
        raise FileError(f"{place}: {_spoken(kind)} has no parts, so {part!r} cannot be read from it.", path=place)
    if kind == "transform":
        return transforms.read_transform(place, progress)
    if kind == "landmarks":
        return landmarks.read_landmarks(place, part, progress)
    if kind == "surface":
        return surfaces.read_surface(place)
    return tables.read_table(place) if kind == "table" else tables.read_curves(place)


def _write(value: Any, place: Path, kind: str) -> Path:
    from . import images, landmarks, segmentations, sequences, surfaces, tables, transforms

    check_ending(place, kind, isinstance(value, Frames))
    if isinstance(value, Frames):
        return sequences.write_frames(value, place, kind, write)
    if ending(place) == ".seq.nrrd":
        return sequences.write_frames(Frames((value,)), place, kind, write)
    if kind == "mask" and ending(place) == ".seg.nrrd":
        return segmentations.write_mask(value, place)
    if kind in ("image", "mask"):
        return images.write_image(value, place)
    if kind == "labels":
        return segmentations.write_labels(value, place)
    if kind == "transform":
        return transforms.write_transform(value, place)
    if kind == "landmarks":
        return landmarks.write_landmarks(value, place)
    if kind == "surface":
        return surfaces.write_surface(value, place)
    return tables.write_table(value, place) if kind == "table" else tables.write_curves(value, place)
