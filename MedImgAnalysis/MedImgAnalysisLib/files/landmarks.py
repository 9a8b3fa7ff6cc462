"""Named points on disk: .mrk.json and .fcsv of 3D Slicer, point lists of elastix, and csv.

All become LPS millimetres; the coordinate system that a file names is honoured.
"""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import FileError
from ..progress import SILENT, Progress
from ..values import Landmarks
from .paths import appearing, ending

SYSTEMS = {"lps": (1.0, 1.0, 1.0), "1": (1.0, 1.0, 1.0), "ras": (-1.0, -1.0, 1.0), "0": (-1.0, -1.0, 1.0)}
SCHEMA = (
    "https://raw.githubusercontent.com/slicer/slicer/master/Modules/Loadable/Markups/Resources/Schema/"
    "markups-schema-v1.0.3.json#"
)
CLOSED = "ClosedCurve"
NAME_COLUMNS = ("name", "label", "id", "landmark", "point")
AXES = {
    ("x", "y", "z"): (1.0, 1.0, 1.0),
    ("l", "p", "s"): (1.0, 1.0, 1.0),
    ("r", "a", "s"): (-1.0, -1.0, 1.0),
    ("x_mm", "y_mm", "z_mm"): (1.0, 1.0, 1.0),
    ("x_lps_mm", "y_lps_mm", "z_lps_mm"): (1.0, 1.0, 1.0),
    ("x_ras_mm", "y_ras_mm", "z_ras_mm"): (-1.0, -1.0, 1.0),
}


def read_landmarks(path: Path, part: str | None = None, progress: Progress = SILENT) -> Landmarks:
    """The points of a file; `part` is a list in a .mrk.json, or the prefix of the columns of a csv."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise FileError(
            f"{path}: this is no text file in UTF-8 ({error.reason} at byte {error.start}).", path=path
        ) from error
    if not text.strip():
        raise FileError(f"{path}: the file is empty.", path=path)
    if ending(path) in (".mrk.json", ".json"):
        found = _markups(path, text, part, progress)
    elif ending(path) == ".fcsv":
        found = _fiducials(path, text)
    elif text.split(None, 1)[0] in ("point", "index"):
        found = _elastix(path, text)
    else:
        found = _table(path, text, part)
    if not found.names:
        raise FileError(f"{path}: the file has no points.", path=path)
    return found


def write_landmarks(landmarks: Landmarks, path: Path) -> Path:
    """Write points as .mrk.json, .fcsv or csv, all in LPS with every digit."""
    with appearing(path) as place:
        if ending(path) == ".mrk.json":
            place.write_text(json.dumps(_as_markups(landmarks), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
            return path
        with open(place, "w", encoding="utf-8", newline="") as file:
            out = csv.writer(file, lineterminator="\n")
            points = [[repr(float(x)) for x in point] for point in landmarks.points]
            if ending(path) == ".fcsv":
                file.write(
                    "# Markups fiducial file version = 4.11\n# CoordinateSystem = LPS\n"
                    "# columns = id,x,y,z,ow,ox,oy,oz,vis,sel,lock,label,desc,associatedNodeID\n"
                )
                out.writerows(
                    [n, *point, 0, 0, 0, 1, 1, 1, 0, name, "", ""]
                    for n, (name, point) in enumerate(zip(landmarks.names, points), start=1)
                )
            else:
                out.writerow(["name", "x", "y", "z"])
                out.writerows([name, *point] for name, point in zip(landmarks.names, points))
    return path


def _as_markups(landmarks: Landmarks) -> dict[str, Any]:
    points = [
        {
            "id": str(n),
            "label": name,
            "description": "",
            "associatedNodeID": "",
            "position": point.tolist(),
            "orientation": [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0],
            "selected": True,
            "locked": False,
            "visibility": True,
            "positionStatus": "defined",
        }
        for n, (name, point) in enumerate(zip(landmarks.names, landmarks.points), start=1)
    ]
    return {
        "@schema": SCHEMA,
        "markups": [
            {
                "type": CLOSED if landmarks.closed else "Fiducial",
                "coordinateSystem": "LPS",
                "coordinateUnits": "mm",
                "controlPoints": points,
            }
        ],
    }


def _markups(path: Path, text: str, part: str | None, progress: Progress) -> Landmarks:
    try:
        lists = json.loads(text)["markups"]
        chosen = _choose(path, lists, part)
        signs = _signs(path, str(chosen.get("coordinateSystem", "LPS")))
        units = chosen.get("coordinateUnits", "mm")
        if units not in ("mm", ["mm"] * 3):
            raise FileError(f"{path}: the points are in {units}; millimetres are needed.", path=path)
        points = [p for p in chosen.get("controlPoints", []) if p.get("positionStatus", "defined") == "defined"]
        left_out = len(chosen.get("controlPoints", [])) - len(points)
        positions = [[float(x) for x in p["position"]] for p in points]
        names = [str(p.get("label") or p.get("id") or n) for n, p in enumerate(points, start=1)]
    except (json.JSONDecodeError, KeyError, TypeError, ValueError, AttributeError) as error:
        if isinstance(error, FileError):
            raise
        raise FileError(f"{path}: this is no valid markups file: {type(error).__name__} {error}.", path=path) from error
    for name, position in zip(names, positions):
        if len(position) != 3 or not all(map(math.isfinite, position)):
            raise FileError(
                f"{path}: point {name!r} has the position {position}; three finite numbers are needed.", path=path
            )
    if left_out:
        progress.warn(f"{path.name}: {left_out} points without a defined position are left out.")
    return Landmarks(tuple(names), np.reshape(positions, (-1, 3)) * signs, chosen.get("type") == CLOSED)


def _choose(path: Path, lists: list[dict[str, Any]], part: str | None) -> dict[str, Any]:
    named = {str(one.get("name") or number): one for number, one in enumerate(lists)}
    if part is not None and part in named:
        return named[part]
    if part is not None or len(lists) != 1:
        raise FileError(
            f"{path}: the file holds {len(lists)} lists of points; choose one as {path.name}#NAME of "
            f"{', '.join(named) or 'none'}.",
            path=path,
        )
    return lists[0]


def _signs(path: Path, system: str) -> np.ndarray:
    if system.strip().lower() not in SYSTEMS:
        raise FileError(f"{path}: the coordinate system {system!r} is not supported; LPS or RAS is needed.", path=path)
    return np.array(SYSTEMS[system.strip().lower()])


def _fiducials(path: Path, text: str) -> Landmarks:
    system, columns = "RAS", ["id", "x", "y", "z", "ow", "ox", "oy", "oz", "vis", "sel", "lock", "label"]
    rows: list[tuple[int, list[str]]] = []
    for number, line in enumerate(text.splitlines(), start=1):
        if line.startswith("#"):
            key, _, value = line[1:].partition("=")
            if key.strip() == "CoordinateSystem":
                system = value.strip()
            elif key.strip() == "columns":
                columns = [word.strip() for word in value.split(",")]
        elif line.strip():
            rows.append((number, next(csv.reader([line]))))
    if not {"x", "y", "z"} <= set(columns):
        raise FileError(f"{path}: the columns {columns} have no x, y and z.", path=path)
    name = columns.index("label") if "label" in columns else columns.index("id") if "id" in columns else None
    return _points(path, rows, [columns.index(c) for c in "xyz"], name, _signs(path, system))


def _elastix(path: Path, text: str) -> Landmarks:
    lines = text.splitlines()
    if lines[0].strip() != "point":
        raise FileError(f"{path}: the points are voxel indices; physical points (`point`) are needed.", path=path)
    rows = [(n, line.split()) for n, line in enumerate(lines[2:], start=3) if line.strip()]
    if len(lines) < 2 or not lines[1].strip().isdigit() or int(lines[1]) != len(rows):
        raise FileError(
            f"{path}: line 2 says {lines[1].strip() if len(lines) > 1 else 'nothing'}, but there are "
            f"{len(rows)} points.",
            path=path,
        )
    return _points(path, rows, [0, 1, 2], None, np.ones(3))


def _table(path: Path, text: str, part: str | None) -> Landmarks:
    """csv with columns name, x, y, z (LPS), or R, A, S, or L, P, S; a prefix such as `fixed_x` is chosen by `part`."""
    lines = [(n, line) for n, line in enumerate(text.splitlines(), start=1) if line.strip() and line[0] != "#"]
    if not lines:
        raise FileError(f"{path}: the file has no points.", path=path)
    mark = max(",;\t", key=lines[0][1].count)
    rows = [(n, next(csv.reader([line], delimiter=mark))) for n, line in lines]
    head = [word.strip().lower() for word in rows[0][1]]
    if len(head) == 3 and all(_is_number(word) for word in head):
        return _points(path, rows, [0, 1, 2], None, np.ones(3))
    prefix = f"{part.lower()}_" if part else ""
    for axes, signs in AXES.items():
        if all(prefix + axis in head for axis in axes):
            name = next((head.index(word) for word in NAME_COLUMNS if word in head), None)
            return _points(path, rows[1:], [head.index(prefix + axis) for axis in axes], name, np.array(signs))
    groups = sorted({word[:-2] for word in head if word.endswith("_x")})
    advice = f"; choose one of {', '.join(f'{path.name}#{g}' for g in groups)}" if groups else ""
    raise FileError(
        f"{path}: the header {','.join(head)[:80]!r} has no columns {prefix}x, {prefix}y and {prefix}z{advice}.",
        path=path,
    )


def _points(
    path: Path, rows: Iterable[tuple[int, list[str]]], axes: list[int], name: int | None, signs: np.ndarray
) -> Landmarks:
    """Points of rows with their line numbers; all wrong lines are named in one error."""
    names, points, wrong = [], [], []
    for number, row in rows:
        words = [row[axis].strip() if axis < len(row) else "" for axis in axes]
        if all(_is_number(word) for word in words):
            points.append([float(word) for word in words])
            names.append(row[name].strip() if name is not None and name < len(row) else str(len(points)))
        else:
            wrong.append(f"line {number} ({', '.join(words)})")
    if wrong:
        raise FileError(
            f"{path}: coordinates must be finite numbers; they are not in {'; '.join(wrong[:5])}"
            f"{f' and {len(wrong) - 5} more' if len(wrong) > 5 else ''}.",
            path=path,
        )
    return Landmarks(tuple(names), np.reshape(points, (-1, 3)) * signs)


def _is_number(word: str) -> bool:
    try:
        return math.isfinite(float(word))
    except ValueError:
        return False
