"""Several frames on disk: images as one 4-D file, everything else as a folder with one file a frame.

A 4-D file is NRRD as 3D Slicer's sequences write it (`.seq.nrrd`, any positions) or NIfTI (one time step). A folder
holds `frames.json` and the files that it names:

    {"medimg_frames": 1, "kind": "transform", "title": "time", "unit": "s",
     "frames": [{"position": 0.0, "file": "000.h5"}, {"position": 2.5, "file": "001.h5"}]}
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import SimpleITK as sitk

from ..errors import FileError
from ..frames import Frames
from ..geometry import Grid
from ..progress import SILENT, Progress
from .header import FAR_MM
from .nifti_header import FRAME_UNITS
from .nrrd_frames import index_text, titles
from .paths import DEFAULT_ENDINGS, appearing, ending

IN_ONE_FILE = (".seq.nrrd", ".nrrd", ".nii", ".nii.gz")
"""Endings of files that hold all frames of an image."""
INDEX = "frames.json"
FORMAT = 1
COMPRESSION = 4
NRRD_TYPES = {
    "int8": "signed char",
    "uint8": "unsigned char",
    "int16": "short",
    "uint16": "unsigned short",
    "int32": "int",
    "uint32": "unsigned int",
    "int64": "longlong",
    "uint64": "ulonglong",
    "float32": "float",
    "float64": "double",
}
NIFTI_UNIT_BYTE = 123
MILLIMETRES = 2


def is_folder_of_frames(place: Path) -> bool:
    """Whether this is a folder that `write_frames` has written."""
    return (place / INDEX).is_file()


def write_frames(frames: Frames, path: Path, kind: str, write: Callable[[Any, Path, str], Any]) -> Path:
    """Write frames of images to one file, or frames of any kind to a folder, by the ending of `path`.

    `write` writes the value of one frame. Raises `FileError` when the frames do not fit into one file.
    """
    if not ending(path):
        return _write_folder(frames, path, kind, write)
    if not all(isinstance(value, sitk.Image) for value in frames.values):
        raise FileError(
            f"{path}: {len(frames)} results of kind {kind} do not fit into one file; give the name of a folder, "
            f"{path.name.removesuffix(ending(path))}.",
            path=path,
        )
    grid = Grid.of(frames.values[0])
    for number, image in enumerate(frames.values):
        if not Grid.of(image).same_as(grid) or image.GetPixelID() != frames.values[0].GetPixelID():
            raise FileError(
                f"{path}: frame #{number} has another grid or pixel type than frame #0, which one file cannot hold; "
                "give the name of a folder (without an ending).",
                path=path,
            )
    if "complex" in frames.values[0].GetPixelIDTypeAsString():
        raise FileError(f"{path}: complex voxels are not supported; take the magnitude first.", path=path)
    return _write_nifti(frames, path) if ".nii" in ending(path) else _write_nrrd(frames, path)


def _write_nrrd(frames: Frames, path: Path) -> Path:
    """As 3D Slicer writes a volume sequence: frame after frame, the last axis a list."""
    first = frames.values[0]
    grid, components = Grid.of(first), first.GetNumberOfComponentsPerPixel()
    dtype = sitk.GetArrayViewFromImage(first).dtype
    vector = components > 1
    axes, list_axis = vector + grid.dimension + 1, vector + grid.dimension
    directions = ["none"] * vector + [_vector(column) for column in grid.axes.T] + ["none"]
    patient = "left-posterior-superior" if grid.dimension == 3 else ""
    # 3D Slicer looks for the positions under axis 3 also where colours make the list the fifth axis.
    keys = dict.fromkeys((3, list_axis) if vector else (list_axis,))
    pairs = {f"axis {axis} index {what}": text for axis in keys
             for what, text in (("type", "numeric"), ("values", index_text(frames.positions)))}  # fmt: skip
    lines = [
        "NRRD0005",
        f"type: {NRRD_TYPES[dtype.name]}",
        f"dimension: {axes}",
        f"space: {patient}" if patient else f"space dimension: {grid.dimension}",
        f"sizes: {' '.join(map(str, [components] * vector + [*grid.size, len(frames)]))}",
        f"space directions: {' '.join(directions)}",
        f"kinds: {' '.join(['vector'] * vector + ['domain'] * grid.dimension + ['list'])}",
        f"labels: {titles(axes, list_axis, frames.title)}",
        f"units: {titles(axes, list_axis, frames.unit)}",
        "endian: little",
        "encoding: gzip",
        f"space origin: {_vector(grid.origin)}",
        f"DataNodeClassName:=vtkMRML{'Vector' if vector else 'Scalar'}VolumeNode",
        *(f"{key}:={value}" for key, value in pairs.items()),
    ]
    with appearing(path) as place, open(place, "wb") as file:
        file.write(("\n".join(lines) + "\n\n").encode())
        packer = zlib.compressobj(COMPRESSION, zlib.DEFLATED, 31)
        for image in frames.values:
            array = sitk.GetArrayViewFromImage(image)
            for layer in array:
                little = np.ascontiguousarray(layer, array.dtype.newbyteorder("<"))
                file.write(packer.compress(memoryview(little).cast("B")))
        file.write(packer.flush())
    return path


def _write_nifti(frames: Frames, path: Path) -> Path:
    """One 4-D image; the unit of the step is written into its field, which SimpleITK always sets to seconds."""
    step, first = frames.even_step, frames.values[0]
    codes = {unit: code for code, (_, unit) in FRAME_UNITS.items()} | {"": 0}
    if step is None or frames.unit not in codes:
        what = "the steps between the frames differ" if step is None else f"positions are in {frames.unit!r}"
        raise FileError(f"{path}: {what}, which NIfTI cannot say; write .seq.nrrd.", path=path)
    if np.abs(first.GetOrigin()).max() > FAR_MM:
        raise FileError(
            f"{path}: NIfTI keeps positions in 32 bits, too few for this origin; write .seq.nrrd.", path=path
        )
    if first.GetDimension() != 3:
        raise FileError(f"{path}: frames of 2-D images are written as .seq.nrrd.", path=path)
    with appearing(path) as place:
        plain = place.with_name("frames.nii")
        try:
            sitk.WriteImage(sitk.JoinSeries(list(frames.values), frames.positions[0], step), str(plain))
        except RuntimeError as error:
            raise FileError(
                f"{path}: the frames cannot be written: {str(error).strip().splitlines()[-1]}", path=path
            ) from error
        with open(plain, "r+b") as file:
            file.seek(NIFTI_UNIT_BYTE)
            file.write(bytes([MILLIMETRES | codes[frames.unit]]))
        if ending(path) == ".nii":
            os.replace(plain, place)
        else:
            with open(plain, "rb") as source, open(place, "wb") as target:
                _compress(source, target)
            plain.unlink()
    return path


def _compress(source: BinaryIO, target: BinaryIO) -> None:
    packer = zlib.compressobj(COMPRESSION, zlib.DEFLATED, 31)
    while block := source.read(1 << 20):
        target.write(packer.compress(block))
    target.write(packer.flush())


def _write_folder(frames: Frames, path: Path, kind: str, write: Callable[[Any, Path, str], Any]) -> Path:
    """One file a frame and the list of them; the folder appears when it is complete."""
    if path.exists() and not (path.is_dir() and not any(path.iterdir())):
        raise FileError(f"{path}: this exists already; give the name of a new folder.", path=path)
    tail = ".nrrd" if kind == "frames" else DEFAULT_ENDINGS[kind]
    beside: Path | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        beside = Path(tempfile.mkdtemp(prefix=".medimg-", dir=path.parent.absolute()))
        digits = max(3, len(str(len(frames) - 1)))
        names = [f"{number:0{digits}d}{tail}" for number in range(len(frames))]
        for name, value in zip(names, frames.values, strict=True):
            write(value, beside / name, "image" if kind == "frames" else kind)
        index = {
            "medimg_frames": FORMAT,
            "kind": "image" if kind == "frames" else kind,
            "title": frames.title,
            "unit": frames.unit,
            "frames": [{"position": p, "file": name} for p, name in zip(frames.positions, names, strict=True)],
        }
        (beside / INDEX).write_text(json.dumps(index, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        beside.chmod(0o777 & ~_umask())
        os.replace(beside, path)
    except OSError as error:
        raise FileError(f"{path}: the folder cannot be written: {error.strerror or error}.", path=path) from error
    finally:
        if beside is not None:
            shutil.rmtree(beside, ignore_errors=True)
    return path


def _umask() -> int:
    """The mask of new files; a temporary folder is for its owner only."""
    mask = os.umask(0)
    os.umask(mask)
    return mask


def read_folder(
    place: Path, part: str | None, kind: str, read: Callable[[Path, str, Progress], Any], progress: Progress = SILENT
) -> Any:
    """The frames in a folder, or the one numbered `part`; `read` reads the file of one frame."""
    try:
        index = json.loads((place / INDEX).read_text(encoding="utf-8"))
        entries = [(float(entry["position"]), str(entry["file"])) for entry in index["frames"]]
        title, unit, held = str(index["title"]), str(index["unit"]), str(index["kind"])
    except (ValueError, KeyError, TypeError) as error:
        raise FileError(f"{place / INDEX}: the list of frames is damaged: {error}.", path=place / INDEX) from error
    if index.get("medimg_frames") != FORMAT or any(Path(name).name != name for _, name in entries):
        raise FileError(f"{place / INDEX}: this is no list of frames of format {FORMAT}.", path=place / INDEX)
    wanted = {"frames": "image"}.get(kind, kind)
    if wanted != held and {wanted, held} not in ({"image", "mask"}, {"image", "labels"}, {"mask", "labels"}):
        raise FileError(f"{place}: the folder holds frames of kind {held}, not {wanted}.", path=place)
    missing = next((name for _, name in entries if not (place / name).is_file()), None)
    if missing:
        raise FileError(f"{place}: the file {missing} of a frame is missing.", path=place)
    if part is not None:
        return read(place / entries[frame_number(place, part, len(entries))][1], wanted, progress)
    count = len(entries)
    values = [
        read(place / name, wanted, progress.part(number / count, (number + 1) / count))
        for number, (_, name) in enumerate(entries)
    ]
    return Frames(tuple(values), tuple(position for position, _ in entries), title, unit)


def frame_number(place: Path, part: str, count: int) -> int:
    """The frame that `3` or `frame=3` names, or `FileError` with those there are."""
    word = part.removeprefix("frame=")
    number = int(word) if word.isascii() and word.isdigit() else -1
    if not 0 <= number < count:
        raise FileError(f"{place}: there is no frame {part!r}; there are 0 to {count - 1}.", path=place, frames=count)
    return number


def _vector(numbers: Any) -> str:
    return "(" + ",".join(repr(float(number) + 0.0) for number in numbers) + ")"
