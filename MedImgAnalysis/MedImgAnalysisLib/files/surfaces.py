"""Surfaces as legacy .vtk polydata, the form that Slicer, ParaView and VTK read; no VTK is needed.

Written binary with every digit, LPS, as the second line says (`SPACE=LPS`). Values at the points are
field arrays named `Distance [mm]`. Read are versions up to 5.1, text or binary, as Slicer writes them.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

import numpy as np

from ..errors import FileError
from ..values import PointValues, Surface
from .paths import appearing

TYPES = {
    "double": "f8", "float": "f4", "long": "i8", "vtkidtype": "i8", "vtktypeint64": "i8", "vtktypeuint64": "u8",
    "int": "i4", "unsigned_int": "u4", "short": "i2", "unsigned_short": "u2", "char": "i1", "unsigned_char": "u1",
}  # fmt: skip
COMPONENTS = {"NORMALS": 3, "VECTORS": 3, "TENSORS": 9}


def write_surface(surface: Surface, path: Path) -> Path:
    """Write a surface as binary legacy .vtk."""
    count = len(surface.points)
    faces = np.column_stack([np.full(len(surface.triangles), 3), surface.triangles]).astype(">i4")
    with appearing(path) as place, open(place, "wb") as file:
        file.write(b"# vtk DataFile Version 3.0\nMedImgAnalysis surface, mm, SPACE=LPS\nBINARY\nDATASET POLYDATA\n")
        file.write(f"POINTS {count} double\n".encode() + surface.points.astype(">f8").tobytes())
        file.write(f"\nPOLYGONS {len(faces)} {faces.size}\n".encode() + faces.tobytes())
        if surface.values:
            file.write(f"\nPOINT_DATA {count}\nFIELD FieldData {len(surface.values)}\n".encode())
        for value in surface.values:
            name = quote(value.heading, safe="[]^*/")
            file.write(f"{name} 1 {count} double\n".encode() + value.numbers.astype(">f8").tobytes() + b"\n")
    return path


def read_surface(path: Path) -> Surface:
    """A surface from legacy .vtk; polygons become triangles, lines and points of their own are left out.

    A file that does not say otherwise is taken as LPS, as Slicer does.
    """
    data = path.read_bytes()
    if not data.startswith(b"# vtk DataFile Version"):
        raise FileError(f"{path}: this is no legacy vtk file.", path=path)
    parser = _Parser(data, path)
    version, header, form, dataset = (parser.line() for _ in range(4))
    if form not in ("ASCII", "BINARY") or dataset.split() != ["DATASET", "POLYDATA"]:
        raise FileError(f"{path}: this vtk file holds {dataset!r} as {form!r}, not polygons.", path=path)
    parser.binary = form == "BINARY"
    try:
        found = _sections(parser, version.split()[-1] >= "5")
        points = found["points"]
    except (ValueError, IndexError, KeyError) as error:
        raise FileError(f"{path}: the vtk file is damaged: {error}.", path=path) from error
    if "SPACE=RAS" in header:
        points = points * (-1, -1, 1)
    values = tuple(PointValues.headed(name, numbers) for name, numbers in found["values"].items())
    return Surface(points, found["triangles"], values)


class _Parser:
    """Walks through lines and blocks of numbers."""

    def __init__(self, data: bytes, path: Path) -> None:
        self.data, self.path, self.at, self.binary = data, path, 0, False

    def line(self) -> str:
        """The next line that is not empty; an empty text at the end."""
        while self.at < len(self.data):
            end = self.data.find(b"\n", self.at)
            end = len(self.data) if end < 0 else end
            text = self.data[self.at : end].decode("utf-8", "replace").strip()
            self.at = end + 1
            if text:
                return text
        return ""

    def rest_of_block(self) -> None:
        """Go behind the next empty line."""
        end = self.data.find(b"\n\n", self.at)
        self.at = len(self.data) if end < 0 else end + 2

    def numbers(self, count: int, kind: str) -> np.ndarray:
        """The next `count` numbers of a VTK type."""
        if kind not in TYPES:
            raise ValueError(f"numbers of type {kind!r} are not known")
        if self.binary:
            dtype = np.dtype(">" + TYPES[kind])
            size = count * dtype.itemsize
            if self.at + size > len(self.data):
                raise ValueError(f"it ends {self.at + size - len(self.data)} bytes too early")
            found = np.frombuffer(self.data, dtype, count, self.at)
            self.at += size
            return found.astype(dtype.newbyteorder("="))
        words = self.data[self.at :].split(None, count)
        if len(words) < count:
            raise ValueError("it ends too early")
        self.at = len(self.data) - len(words[count]) if len(words) > count else len(self.data)
        return np.array([float(word) for word in words[:count]]).astype(TYPES[kind])


def _sections(parser: _Parser, offsets: bool) -> dict[str, Any]:
    """Points, triangles and single-number arrays of the points by name."""
    found: dict[str, Any] = {"triangles": np.zeros((0, 3), np.int64), "values": {}}
    of_points, count, last_scalars = False, 0, 0
    while words := parser.line().split():
        key = words[0].upper()
        if key == "POINTS":
            found["points"] = parser.numbers(3 * int(words[1]), words[2].lower()).astype(float).reshape(-1, 3)
        elif key in ("POLYGONS", "TRIANGLE_STRIPS", "VERTICES", "LINES"):
            cells = _cells(parser, int(words[1]), int(words[2]), offsets)
            if key in ("POLYGONS", "TRIANGLE_STRIPS"):
                new = list(_triangles(cells, key == "TRIANGLE_STRIPS"))
                found["triangles"] = np.concatenate([found["triangles"], *new])
        elif key in ("POINT_DATA", "CELL_DATA"):
            of_points, count = key == "POINT_DATA", int(words[1])
        elif key == "METADATA":
            parser.rest_of_block()
        elif key == "FIELD":
            _fields(parser, int(words[2]), found["values"] if of_points else {})
        elif key == "SCALARS":
            last_scalars = int(words[3]) if len(words) > 3 else 1
            before = parser.at
            if parser.line().split()[:1] != ["LOOKUP_TABLE"]:
                parser.at = before
            _keep(found["values"] if of_points else {}, words[1], last_scalars,
                  parser.numbers(count * last_scalars, words[2].lower()))  # fmt: skip
        elif key in COMPONENTS:
            parser.numbers(COMPONENTS[key] * count, words[2].lower())
        elif key == "TEXTURE_COORDINATES":
            parser.numbers(int(words[2]) * count, words[3].lower())
        elif key == "LOOKUP_TABLE":
            parser.numbers(4 * int(words[2]), "unsigned_char" if parser.binary else "float")
        else:
            raise ValueError(f"{words[0][:40]!r} is not expected there")
    return found


def _fields(parser: _Parser, arrays: int, values: dict[str, np.ndarray]) -> None:
    while arrays:
        words = parser.line().split()
        if words[:1] == ["METADATA"]:
            parser.rest_of_block()
            continue
        name, components, tuples, kind = words
        _keep(values, name, int(components), parser.numbers(int(components) * int(tuples), kind.lower()))
        arrays -= 1


def _keep(values: dict[str, np.ndarray], name: str, components: int, numbers: np.ndarray) -> None:
    if components == 1:
        values[unquote(name)] = numbers.astype(float)


def _cells(parser: _Parser, rows: int, size: int, offsets: bool) -> list[np.ndarray]:
    """Rows of points, grouped by length, (cells, points) each."""
    if offsets:  # the numbers are those of offsets and of points
        begin = parser.numbers(rows, parser.line().split()[1].lower()).astype(np.int64)
        flat = parser.numbers(size, parser.line().split()[1].lower()).astype(np.int64)
        starts, lengths = begin[:-1], np.diff(begin)
    else:
        flat = parser.numbers(size, "int").astype(np.int64)
        starts, lengths = _starts(flat, rows)
    return [flat[starts[lengths == n][:, None] + np.arange(n)] for n in np.unique(lengths).tolist()]


def _starts(flat: np.ndarray, rows: int) -> tuple[np.ndarray, np.ndarray]:
    if rows and flat.size % rows == 0 and (flat.reshape(rows, -1)[:, 0] == flat.size // rows - 1).all():
        width = flat.size // rows
        return np.arange(rows) * width + 1, np.full(rows, width - 1)
    starts, lengths, at = [], [], 0
    for _ in range(rows):
        lengths.append(int(flat[at]))
        starts.append(at + 1)
        at += lengths[-1] + 1
    return np.array(starts, np.int64), np.array(lengths, np.int64)


def _triangles(groups: list[np.ndarray], strips: bool) -> Iterator[np.ndarray]:
    """Fans of polygons, or the triangles of strips, every other one turned."""
    for cells in groups:
        for n in range(1, cells.shape[1] - 1):
            corners = ((n - 1, n, n + 1) if n % 2 else (n, n - 1, n + 1)) if strips else (0, n, n + 1)
            yield cells[:, corners]
