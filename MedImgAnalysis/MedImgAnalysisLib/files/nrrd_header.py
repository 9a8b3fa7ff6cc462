"""The header of NRRD files (.nrrd, .nhdr, .seg.nrrd), checked against itself.

Format: http://teem.sourceforge.net/nrrd/format.html. All that leaves this file is LPS.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from ..errors import FileError
from ..geometry import Grid
from .detached import check_inside, data_files
from .header import FrameAxis, ImageHeader, lps_grid
from .nrrd_frames import read_frame_axis

LONGEST_HEADER = 64 << 20
TYPES = {
    "i1": ("signed char", "int8", "int8_t"),
    "u1": ("uchar", "unsigned char", "uint8", "uint8_t"),
    "i2": ("short", "short int", "signed short", "signed short int", "int16", "int16_t"),
    "u2": ("ushort", "unsigned short", "unsigned short int", "uint16", "uint16_t"),
    "i4": ("int", "signed int", "int32", "int32_t"),
    "u4": ("uint", "unsigned int", "uint32", "uint32_t"),
    "i8": ("longlong", "long long", "long long int", "signed long long", "signed long long int", "int64", "int64_t"),
    "u8": ("ulonglong", "unsigned long long", "unsigned long long int", "uint64", "uint64_t"),
    "f4": ("float",),
    "f8": ("double",),
}
TYPE_OF = {name: code for code, names in TYPES.items() for name in names}
ENCODINGS = {
    "raw": "raw",
    "gz": "gzip",
    "gzip": "gzip",
    "bz2": "bzip2",
    "bzip2": "bzip2",
    "txt": "text",
    "text": "text",
    "ascii": "text",
    "hex": "other",
}
TO_LPS = {
    "left-posterior-superior": (1, 1, 1),
    "lps": (1, 1, 1),
    "right-anterior-superior": (-1, -1, 1),
    "ras": (-1, -1, 1),
    "left-anterior-superior": (1, -1, 1),
    "las": (1, -1, 1),
}
MILLIMETRES = ("", "mm", "millimeter", "millimeters", "millimetre", "millimetres", "???", "none")
COMPONENT_KINDS = {
    "vector",
    "covariant-vector",
    "normal",
    "stub",
    "scalar",
    "complex",
    "2-vector",
    "3-color",
    "rgb-color",
    "hsv-color",
    "xyz-color",
    "4-color",
    "rgba-color",
    "3-vector",
    "3-gradient",
    "3-normal",
    "4-vector",
    "quaternion",
    "2d-symmetric-matrix",
    "2d-matrix",
    "3d-symmetric-matrix",
    "3d-matrix",
}


def is_nrrd(start: bytes) -> bool:
    """Whether a file that starts with these bytes is NRRD."""
    return start.startswith(b"NRRD000")


def read_nrrd_header(path: Path) -> ImageHeader:
    """The header of a NRRD file; `FileError` names what is wrong with it."""
    fields, metadata, length = _parse(path)
    warnings: list[str] = []
    for needed in ("type", "dimension", "sizes", "encoding"):
        if needed not in fields:
            raise FileError(f"{path}: the NRRD header has no field {needed!r}.", path=path)
    sizes = _sizes(path, fields)
    dtype = _type(path, fields)
    grid, axes, components, frames = _layout(path, fields, sizes, warnings)
    frame_axis = read_frame_axis(fields, metadata, len(sizes), frames) if frames > 1 else FrameAxis()
    encoding = ENCODINGS.get(fields["encoding"].lower())
    if encoding is None:
        raise FileError(f"{path}: the NRRD encoding {fields['encoding']!r} is not known.", path=path)
    data, file_offset, stream_offset = path, length, 0
    if "data file" in fields:
        check_inside(path, fields["data file"])
        words = fields["data file"].split()
        if words[:1] == ["LIST"] or "%" in fields["data file"]:
            encoding = "other"
            data_files(path)  # refuses what a list names elsewhere
        else:
            data, file_offset = path.parent / fields["data file"], 0
            if not data.is_file():
                raise FileError(f"{path}: the file with the voxels, {fields['data file']}, is missing.", path=path)
    skip = int(fields.get("byte skip", "0"))
    if int(fields.get("line skip", "0")):
        encoding = "other"
    elif encoding == "raw":
        return _header(
            path,
            dtype,
            grid,
            axes,
            data,
            components,
            frames,
            None if skip == -1 else file_offset + skip,
            0,
            encoding,
            metadata,
            warnings,
            frame_axis,
        )
    else:
        stream_offset = max(skip, 0)
    return _header(
        path,
        dtype,
        grid,
        axes,
        data,
        components,
        frames,
        file_offset,
        stream_offset,
        encoding,
        metadata,
        warnings,
        frame_axis,
    )


def _header(
    path: Path,
    dtype: np.dtype,
    grid: Grid,
    axes: tuple[str, ...],
    data: Path,
    components: int,
    frames: int,
    file_offset: int | None,
    stream_offset: int,
    encoding: str,
    metadata: dict[str, str],
    warnings: list[str],
    frame_axis: FrameAxis,
) -> ImageHeader:
    return ImageHeader(
        path,
        "NRRD",
        dtype,
        grid,
        axes,
        data,
        components,
        frames,
        file_offset,
        stream_offset,
        encoding,
        metadata=metadata,
        warnings=tuple(warnings),
        frame_axis=frame_axis,
    )


def _parse(path: Path) -> tuple[dict[str, str], dict[str, str], int]:
    """Fields, key/value pairs, and the length of the header in bytes."""
    fields: dict[str, str] = {}
    metadata: dict[str, str] = {}
    with open(path, "rb") as file:
        line = file.readline(100)
        if not is_nrrd(line):
            raise FileError(f"{path}: this is not a NRRD file.", path=path)
        while file.tell() < LONGEST_HEADER:
            raw = file.readline(LONGEST_HEADER)
            text = raw.decode("utf-8", "replace").rstrip("\r\n")
            if not raw or not text:
                return fields, metadata, file.tell()
            if text.startswith("#"):
                continue
            mark = text.find(":")
            if mark > 0 and text[mark : mark + 2] == ":=":
                metadata[_unescape(text[:mark])] = _unescape(text[mark + 2 :])
            elif mark > 0:
                name = text[:mark].strip().lower().replace("datafile", "data file").replace("centerings", "centers")
                fields[name.replace("byteskip", "byte skip").replace("lineskip", "line skip")] = text[
                    mark + 1 :
                ].strip()
            else:
                raise FileError(f"{path}: the NRRD header has the line {text[:60]!r}, which is no field.", path=path)
    raise FileError(f"{path}: the NRRD header does not end.", path=path)


def _unescape(text: str) -> str:
    return text.replace("\\\\", "\0").replace("\\n", "\n").replace("\0", "\\")


def _sizes(path: Path, fields: dict[str, str]) -> tuple[int, ...]:
    try:
        count = int(fields["dimension"])
        sizes = tuple(int(word) for word in fields["sizes"].split())
    except ValueError:
        raise FileError(f"{path}: the sizes {fields['sizes']!r} are not whole numbers.", path=path) from None
    if len(sizes) != count:
        raise FileError(f"{path}: the header says {count} dimensions but has {len(sizes)} sizes.", path=path)
    if not sizes or min(sizes) < 1:
        raise FileError(
            f"{path}: the header says {' x '.join(map(str, sizes))} voxels; every size must be 1 or more.", path=path
        )
    return sizes


def _type(path: Path, fields: dict[str, str]) -> np.dtype:
    code = TYPE_OF.get(fields["type"].lower())
    if code is None:
        raise FileError(f"{path}: voxels of type {fields['type']!r} are not supported.", path=path)
    endian = fields.get("endian", "").lower()
    digits = ENCODINGS.get(fields["encoding"].lower()) in ("other", "text")
    if endian not in ("little", "big") and code[1] != "1" and not digits:
        raise FileError(f"{path}: the NRRD header does not say the byte order (endian).", path=path)
    return np.dtype((">" if endian == "big" else "<") + code)


def _layout(
    path: Path, fields: dict[str, str], sizes: tuple[int, ...], warnings: list[str]
) -> tuple[Grid, tuple[str, ...], int, int]:
    """Grid of one frame, what the axes are, components and frames."""
    vectors = _vectors(path, fields, sizes)
    kinds = [word.lower() for word in fields.get("kinds", "").split()] or ["???"] * len(sizes)
    if len(kinds) != len(sizes):
        raise FileError(f"{path}: the header has {len(sizes)} sizes but {len(kinds)} kinds.", path=path)
    if "complex" in kinds:
        raise FileError(f"{path}: complex voxels are not supported; take the magnitude first.", path=path)
    space = [n for n, vector in enumerate(vectors) if vector is not None and kinds[n] != "time"]
    if not space and all(vector is None for vector in vectors):
        space = [n for n, kind in enumerate(kinds) if kind in ("domain", "space", "???", "none")][:3]
        vectors = _from_spacings(path, fields, sizes, space)
        warnings.append(
            f"{path.name}: the file does not say how the image lies in the patient; left and right cannot be trusted."
        )
    if len(space) == 4:
        space = space[:3]
    if len(space) not in (2, 3) or space != list(range(space[0], space[0] + len(space))):
        raise FileError(
            f"{path}: an image needs 2 or 3 spatial axes beside each other, this one has {len(space)}.", path=path
        )
    rest = {n: size for n, size in enumerate(sizes) if n not in space}
    component = [n for n in rest if kinds[n] in COMPONENT_KINDS]
    frame = [n for n in rest if n not in component]
    if len(component) > 1 or len(frame) > 1:
        raise FileError(f"{path}: {len(sizes)}-dimensional images are not supported.", path=path)
    names = {**dict.fromkeys(component, "component"), **dict.fromkeys(frame, "frame"), space[0]: "space"}
    axes = tuple(names[n] for n in sorted(names))
    grid = _grid(path, fields, [sizes[n] for n in space], [vectors[n] for n in space], warnings)
    warnings.extend(_odd_unit(path, fields))
    return grid, axes, rest[component[0]] if component else 1, rest[frame[0]] if frame else 1


def _odd_unit(path: Path, fields: dict[str, str]) -> list[str]:
    """A sentence where the lengths of the header are not millimetres."""
    quoted = re.findall(r'"([^"]*)"', fields.get("space units", ""))
    odd = sorted({unit for unit in quoted if unit.strip().lower() not in MILLIMETRES})
    if not odd:
        return []
    return [
        f"{path.name}: the header gives lengths in {', '.join(odd)}; they are taken as millimetres, as in ITK and 3D "
        "Slicer, so lengths, areas and volumes are not those of the object."
    ]


def _vectors(path: Path, fields: dict[str, str], sizes: tuple[int, ...]) -> list[list[float] | None]:
    """Space direction of each axis; None where it has none."""
    if "space directions" not in fields:
        return [None] * len(sizes)
    words = fields["space directions"].replace(", ", ",").replace("( ", "(").replace(" )", ")").split()
    if len(words) != len(sizes):
        raise FileError(f"{path}: the header has {len(sizes)} sizes but {len(words)} space directions.", path=path)
    return [None if word.lower() == "none" else _vector(path, word) for word in words]


def _vector(path: Path, word: str) -> list[float]:
    try:
        return [float(number) for number in word.strip("()").split(",")]
    except ValueError:
        raise FileError(f"{path}: {word!r} in the header is no vector.", path=path) from None


def _from_spacings(
    path: Path, fields: dict[str, str], sizes: tuple[int, ...], space: list[int]
) -> list[list[float] | None]:
    words = fields.get("spacings", " ".join(["1"] * len(sizes))).split()
    if len(words) != len(sizes):
        raise FileError(f"{path}: the header has {len(sizes)} sizes but {len(words)} spacings.", path=path)
    vectors: list[list[float] | None] = [None] * len(sizes)
    for row, axis in enumerate(space):
        spacing = _vector(path, words[axis])[0]
        vectors[axis] = [spacing if row == column else 0.0 for column in range(len(space))]
    return vectors


def _grid(
    path: Path, fields: dict[str, str], size: list[int], vectors: list[list[float] | None], warnings: list[str]
) -> Grid:
    count = len(size)
    longest = max(len(vector or ()) for vector in vectors)
    if any(vector is None or len(vector) != longest for vector in vectors) or longest < count:
        raise FileError(f"{path}: the space directions do not fit the dimension of the image.", path=path)
    rows = np.array(vectors, float)
    origin = np.array(_vector(path, fields["space origin"]) if "space origin" in fields else [0.0] * longest)
    if len(origin) != longest or np.abs(rows[:, count:]).max(initial=0.0) > 1e-9:
        raise FileError(
            f"{path}: the space directions and the space origin do not fit each other; an image of {count} "
            f"axes in a space of {longest} is not supported.",
            path=path,
        )
    space = fields.get("space", "").lower().removesuffix("-time")
    space = space[:3] if space in ("lpst", "rast", "last") else space
    signs = np.ones(count)
    if space in TO_LPS:
        signs = np.array(TO_LPS[space], float)[:count]
    elif count == 3 and "space directions" in fields and longest == 3:
        warnings.append(
            f"{path.name}: the space {space or 'of the file'!r} is not tied to the patient; it was taken "
            "as left-posterior-superior."
        )
    return lps_grid(path, size, (rows[:, :count] * signs).T, (origin[:count] * signs).tolist(), warnings)
