"""The header of MetaImage files (.mha, .mhd), checked against itself. MetaImage is LPS."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

from ..errors import FileError
from .detached import check_inside, data_files
from .header import FrameAxis, ImageHeader, lps_grid

TYPES = {
    "MET_CHAR": "i1",
    "MET_UCHAR": "u1",
    "MET_SHORT": "i2",
    "MET_USHORT": "u2",
    "MET_INT": "i4",
    "MET_UINT": "u4",
    "MET_LONG_LONG": "i8",
    "MET_ULONG_LONG": "u8",
    "MET_FLOAT": "f4",
    "MET_DOUBLE": "f8",
}
LONGEST_HEADER = 1 << 20


def is_metaimage(start: bytes) -> bool:
    """Whether a file that starts with these bytes is MetaImage."""
    first = start[:400].lstrip()
    return first.startswith((b"ObjectType", b"NDims", b"Comment")) and b"=" in first


def read_metaimage_header(path: Path) -> ImageHeader:
    """The header of a MetaImage file; `FileError` names what is wrong with it."""
    fields, length = _parse(path)
    warnings: list[str] = []
    for needed in ("NDims", "DimSize", "ElementType", "ElementDataFile"):
        if needed not in fields:
            raise FileError(f"{path}: the MetaImage header has no field {needed!r}.", path=path)
    if fields.get("ObjectType", "Image") != "Image":
        raise FileError(f"{path}: this MetaImage file holds a {fields['ObjectType']}, not an image.", path=path)
    count = int(_numbers(path, fields, "NDims", 1)[0])
    if count not in (2, 3, 4):
        raise FileError(f"{path}: {count}-dimensional images are not supported.", path=path)
    sizes = [int(n) for n in _numbers(path, fields, "DimSize", count)]
    kind = fields["ElementType"].upper().removesuffix("_ARRAY")
    if kind not in TYPES:
        raise FileError(f"{path}: voxels of type {fields['ElementType']!r} are not supported.", path=path)
    big = _true(fields.get("BinaryDataByteOrderMSB", fields.get("ElementByteOrderMSB", "False")))
    components = int(_numbers(path, fields, "ElementNumberOfChannels", 1, [1])[0])
    spacing = _numbers(path, fields, "ElementSpacing", count, [1.0] * count)
    origin = _numbers(path, fields, "Offset", count, [0.0] * count, "Position", "Origin")
    matrix = np.reshape(
        _numbers(
            path, fields, "TransformMatrix", count * count, np.eye(count).ravel().tolist(), "Rotation", "Orientation"
        ),
        (count, count),
    )
    # A sequence of 2-D images has three axes, the last one of which is a list.
    listed = fields.get("Kinds", "").lower().split()[-1:] == ["list"]
    space = min(count - listed, 3)
    # Each row of the matrix is the direction of one image axis.
    columns = matrix.T[:space, :space] * np.asarray(spacing[:space])
    if sizes and min(sizes) > 0 and (np.asarray(spacing[:space]) < 0).any():
        raise FileError(f"{path}: the voxel spacing is {spacing[:space]}; every spacing must be above 0.", path=path)
    grid = lps_grid(path, sizes[:space], columns, origin[:space], warnings)
    data, offset, encoding = _data(path, fields, length)
    axes = ("component",) * (components > 1) + ("space",) + ("frame",) * (count > space)
    return ImageHeader(
        path,
        "MetaImage",
        np.dtype((">" if big else "<") + TYPES[kind]),
        grid,
        axes,
        data,
        components,
        sizes[space] if count > space else 1,
        offset,
        0,
        encoding,
        warnings=tuple(warnings),
        frame_axis=_frame_axis(fields, sizes[space], spacing[space], origin[space]) if count > space else FrameAxis(),
    )


def _frame_axis(fields: dict[str, str], count: int, step: float, start: float) -> FrameAxis:
    """Time stamps of the frames, as sequences of tracked images have them, else the fourth spacing and origin."""
    try:
        stamps = tuple(float(fields[f"Seq_Frame{number:04d}_Timestamp"]) for number in range(count))
    except (KeyError, ValueError):
        return FrameAxis() if (step, start) == (1.0, 0.0) else FrameAxis.even(count, start, step, "time", "")
    rising = all(math.isfinite(stamp) for stamp in stamps) and (np.diff(stamps) > 0).all()
    return FrameAxis(stamps, "time", "s") if rising else FrameAxis()


def _parse(path: Path) -> tuple[dict[str, str], int]:
    """Fields, and the length of the header in bytes."""
    fields: dict[str, str] = {}
    with open(path, "rb") as file:
        while file.tell() < LONGEST_HEADER:
            raw = file.readline(LONGEST_HEADER)
            name, mark, value = raw.decode("utf-8", "replace").partition("=")
            if not raw or not mark:
                break
            fields[name.strip()] = value.strip()
            if name.strip() == "ElementDataFile":
                return fields, file.tell()
    raise FileError(f"{path}: the MetaImage header does not end with ElementDataFile.", path=path)


def _numbers(
    path: Path, fields: dict[str, str], name: str, count: int, default: list | None = None, *other: str
) -> list[float]:
    found = next((key for key in (name, *other) if key in fields), None)
    if found is None and default is not None:
        return default
    text = fields[found or name]
    try:
        numbers = [float(word) for word in text.split()]
    except ValueError:
        numbers = []
    if len(numbers) != count:
        raise FileError(f"{path}: {found} is {text[:60]!r}; {count} numbers are needed.", path=path)
    return numbers


def _true(word: str) -> bool:
    return word.strip().lower() in ("true", "1", "yes")


def _data(path: Path, fields: dict[str, str], length: int) -> tuple[Path, int | None, str]:
    """File with the voxels, where they start (None: at the end of it), and their encoding."""
    encoding = "gzip" if _true(fields.get("CompressedData", "False")) else "raw"
    if not _true(fields.get("BinaryData", "True")):
        encoding = "text"
    name = fields["ElementDataFile"]
    skip = int(_numbers(path, fields, "HeaderSize", 1, [0])[0])
    if name.upper() == "LOCAL":
        return path, length, encoding
    check_inside(path, name)
    data_files(path)  # refuses what a list names elsewhere
    if name.split()[0].upper() == "LIST" or "%" in name:
        return path, 0, "other"
    data = path.parent / name
    if not data.is_file():
        raise FileError(f"{path}: the file with the voxels, {name}, is missing.", path=path)
    return data, None if skip == -1 else skip, encoding
