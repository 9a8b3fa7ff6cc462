"""How a recomputed value differs from the recorded one: voxels, points and numbers, not files.

Every function yields differences; none means equal. `tolerance` is relative, 0 asks for the same bits.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import SimpleITK as sitk

from .frames import Frames
from .geometry import Grid
from .provenance import fingerprint
from .values import Curves, Labels, Landmarks, Measurements, Surface


@dataclass(frozen=True)
class Difference:
    """One finding: what differs, what was recorded, what came out now, and the difference that is allowed.

    `largest` is the largest difference as a number where there is one, and `place` where it is: the voxel with its
    position in LPS millimetres, or the row and column of a table.
    """

    where: str
    recorded: str
    recomputed: str
    allowed: str = "equal"
    largest: float | None = None
    place: str = ""


@dataclass(frozen=True)
class Compared:
    """An output that was compared: whether it came out again, and the largest difference, also one that is allowed."""

    output: str
    kind: str
    equal: bool
    largest: float | None
    allowed: str
    place: str

    @classmethod
    def of(cls, output: str, kind: str, found: Sequence[Difference], within: Sequence[Difference] = ()) -> Compared:
        """Sum up what was found; `within` are differences that are allowed."""
        shown = max([*found] or [*within], key=lambda d: -1.0 if d.largest is None else d.largest, default=None)
        if shown is None:
            return cls(output, kind, True, 0.0, "equal", "")
        allowed = shown.allowed if found else "within the tolerance"
        return cls(output, kind, not found, shown.largest, allowed, shown.place)


def differences(
    where: str, recorded: Any, recomputed: Any, tolerance: float, points: np.ndarray | None = None
) -> Iterator[Difference]:
    """What differs between two values of one kind.

    Images: the largest difference relative to the largest absolute voxel. Labels: voxels of a segment relative to its
    size. Tables and curves: numbers relative to themselves. Transforms: where `points` (LPS, (N, 3)) go, relative to
    their extent; without points, or when exact equality is asked for, the parameters.
    """
    if isinstance(recorded, Frames):
        yield from _frames(where, recorded, recomputed, tolerance, points)
    elif isinstance(recorded, sitk.Image):
        yield from _images(where, recorded, recomputed, tolerance)
    elif isinstance(recorded, sitk.Transform):
        yield from _transforms(where, recorded, recomputed, tolerance, points)
    elif isinstance(recorded, Labels):
        yield from _labels(where, recorded, recomputed, tolerance)
    elif isinstance(recorded, Measurements):
        yield from rows(where, [dict(row) for row in recorded.rows], [dict(row) for row in recomputed.rows], tolerance)
    elif isinstance(recorded, Landmarks):
        yield from _text(where, "names", recorded.names, recomputed.names)
        yield from _text(where, "closed", recorded.closed, recomputed.closed)
        if recorded.names == recomputed.names:
            yield from _arrays(f"{where} points", recorded.points, recomputed.points, tolerance)
    elif isinstance(recorded, Curves):
        yield from _curves(where, recorded, recomputed, tolerance)
    elif isinstance(recorded, Surface):
        yield from _surfaces(where, recorded, recomputed, tolerance)
    else:
        raise TypeError(f"no comparison for {type(recorded).__name__}")


def _frames(where: str, old: Frames, new: Any, tolerance: float, points: np.ndarray | None) -> Iterator[Difference]:
    if not isinstance(new, Frames) or len(old) != len(new):
        yield Difference(where, f"{len(old)} frames", f"{len(new) if isinstance(new, Frames) else 1} frames")
        return
    yield from _text(where, "unit of the positions", old.unit, new.unit)
    yield from _arrays(f"{where} positions", np.array(old.positions), np.array(new.positions), tolerance)
    for number, (before, after) in enumerate(zip(old.values, new.values, strict=True)):
        yield from differences(f"{where} frame #{number}", before, after, tolerance, points)


def rows(
    where: str, recorded: list[dict[str, Any]], recomputed: list[dict[str, Any]], tolerance: float
) -> Iterator[Difference]:
    """What differs between the rows of two tables; undefined equals undefined."""
    if len(recorded) != len(recomputed):
        yield Difference(where, f"{len(recorded)} rows", f"{len(recomputed)} rows")
        return
    for number, (old, new) in enumerate(zip(recorded, recomputed, strict=True), 1):
        for key in {**old, **new}:
            if not _same_cell(old.get(key), new.get(key), tolerance):
                yield Difference(
                    f"{where} row {number} {key}",
                    _cell(old.get(key)),
                    _cell(new.get(key)),
                    _allowed(tolerance),
                    _gap(old.get(key), new.get(key)),
                    f"row {number}, {key}",
                )


def _same_cell(old: Any, new: Any, tolerance: float) -> bool:
    if _undefined(old) or _undefined(new):
        return _undefined(old) and _undefined(new)
    if isinstance(old, str) or isinstance(new, str):
        return str(old) == str(new)
    if old == new:
        return True
    return abs(float(old) - float(new)) <= tolerance * max(abs(float(old)), abs(float(new)))


def _gap(old: Any, new: Any) -> float | None:
    if any(_undefined(value) or isinstance(value, str) for value in (old, new)):
        return None
    return abs(float(old) - float(new))


def _undefined(value: Any) -> bool:
    """Empty text counts, since a CSV file does not tell it from an undefined number."""
    return value is None or value == "" or (isinstance(value, (float, np.floating)) and not math.isfinite(value))


def _cell(value: Any) -> str:
    return "undefined" if _undefined(value) else str(value) if isinstance(value, str) else repr(value)


def _allowed(tolerance: float) -> str:
    return f"within {tolerance:g} of the value" if tolerance else "equal"


def _text(where: str, what: str, old: Any, new: Any) -> Iterator[Difference]:
    if old != new:
        yield Difference(f"{where} {what}", str(old), str(new))


def _images(where: str, old: sitk.Image, new: sitk.Image, tolerance: float) -> Iterator[Difference]:
    if old.GetDimension() != new.GetDimension() or not Grid.of(old).same_as(Grid.of(new)):
        yield Difference(f"{where} grid", Grid.of(old).describe(), Grid.of(new).describe())
        return
    if (
        old.GetPixelID() != new.GetPixelID()
        or old.GetNumberOfComponentsPerPixel() != new.GetNumberOfComponentsPerPixel()
    ):
        yield Difference(f"{where} pixel type", old.GetPixelIDTypeAsString(), new.GetPixelIDTypeAsString())
        return
    arrays = sitk.GetArrayViewFromImage(old), sitk.GetArrayViewFromImage(new)
    yield from _arrays(f"{where} voxels", *arrays, tolerance, Grid.of(old))


def _arrays(
    where: str, old: np.ndarray, new: np.ndarray, tolerance: float, grid: Grid | None = None
) -> Iterator[Difference]:
    if old.shape != new.shape:
        yield Difference(where, f"shape {old.shape}", f"shape {new.shape}")
        return
    unequal = old != new
    if old.dtype.kind == "f":
        unequal &= ~(np.isnan(old) & np.isnan(new))
    count = int(np.count_nonzero(unequal))
    if not count:
        return
    a, b = old[unequal].astype(np.float64), new[unequal].astype(np.float64)
    gaps = np.abs(a - b)
    worst = int(np.argmax(np.where(np.isnan(gaps), np.inf, gaps)))
    scale = float(np.abs(old[np.isfinite(old)]).max(initial=0)) if old.size else 0.0
    if not gaps[worst] <= tolerance * scale:
        allowed = f"within {tolerance * scale:.4g}" if tolerance else "equal"
        index = [int(n) for n in np.unravel_index(np.flatnonzero(unequal)[worst], unequal.shape)]
        yield Difference(
            where,
            repr(float(a[worst])),
            f"{float(b[worst])!r} ({count} of {old.size} differ)",
            allowed,
            float(gaps[worst]) if np.isfinite(gaps[worst]) else None,
            _voxel(grid, index) if grid is not None else f"number {', '.join(map(str, index))}",
        )


def _voxel(grid: Grid, index: Sequence[int]) -> str:
    """A voxel by its (k, j, i) index, with its position."""
    ijk = list(reversed(index[: len(grid.size)]))
    at = ", ".join(f"{x:.1f}" for x in grid.to_physical(np.array([ijk], float))[0])
    return f"voxel ({', '.join(map(str, ijk))}) at LPS ({at}) mm"


def _labels(where: str, old: Labels, new: Labels, tolerance: float) -> Iterator[Difference]:
    if old.names != new.names:
        yield Difference(f"{where} segments", ", ".join(old.names), ", ".join(new.names))
        return
    for a, b in zip(old.segments, new.segments, strict=True):
        left, right = old.mask(a), new.mask(b)
        if not Grid.of(left).same_as(Grid.of(right)):
            yield Difference(f"{where} grid", old.grid.describe(), new.grid.describe())
            return
        left_array, right_array = sitk.GetArrayViewFromImage(left), sitk.GetArrayViewFromImage(right)
        size, count = int(np.count_nonzero(left_array)), int(np.count_nonzero(left_array != right_array))
        if count > tolerance * size:
            allowed = f"at most {int(tolerance * size)} other voxels" if tolerance else "equal"
            flat = np.flatnonzero(left_array != right_array)[:: max(1, count // 100_000)]
            index = np.stack(np.unravel_index(flat, left_array.shape), axis=1)
            middle = index[np.argmin(np.abs(index - np.median(index, axis=0)).sum(axis=1))]
            yield Difference(
                f"{where} segment {a.name}",
                f"{size} voxels",
                f"{count} voxels are different",
                allowed,
                float(count),
                _voxel(Grid.of(left), middle.tolist()),
            )


def _transforms(
    where: str, old: sitk.Transform, new: sitk.Transform, tolerance: float, points: np.ndarray | None
) -> Iterator[Difference]:
    if fingerprint(old) == fingerprint(new):
        return
    if points is None or old.GetDimension() != new.GetDimension() or points.shape[1] != old.GetDimension():
        yield Difference(f"{where} parameters", _numbers(old), _numbers(new))
        return
    gaps = [math.dist(old.TransformPoint(p), new.TransformPoint(p)) for p in points.tolist()]
    worst = int(np.argmax(gaps))
    at = f"LPS ({', '.join(f'{x:.1f}' for x in points[worst])}) mm"
    if not tolerance:
        yield Difference(f"{where} parameters", _numbers(old), _numbers(new), "equal", gaps[worst], at)
        return
    allowed = tolerance * float(np.linalg.norm(np.ptp(points, axis=0)))
    if not gaps[worst] <= allowed:
        words = f"up to {gaps[worst]:.4g} mm away"
        yield Difference(where, "the recorded positions", words, f"within {allowed:.4g} mm", gaps[worst], at)


def _numbers(transform: sitk.Transform) -> str:
    values = transform.GetParameters()
    return f"{transform.GetName()} {', '.join(f'{v!r}' for v in values[:12])}{' ...' if len(values) > 12 else ''}"


def _curves(where: str, old: Curves, new: Curves, tolerance: float) -> Iterator[Difference]:
    names = ({c.name: c for c in old.series}, {c.name: c for c in new.series})
    yield from _text(where, "series", list(names[0]), list(names[1]))
    for name in names[0].keys() & names[1].keys():
        for axis in ("x", "y"):
            a, b = (np.asarray(getattr(found[name], axis), float) for found in names)
            yield from _arrays(f"{where} {name} {axis}", a, b, tolerance)


def _surfaces(where: str, old: Surface, new: Surface, tolerance: float) -> Iterator[Difference]:
    yield from _arrays(f"{where} points", old.points, new.points, tolerance)
    yield from _arrays(f"{where} triangles", old.triangles, new.triangles, 0.0)
    names = tuple((value.name, value.unit) for value in old.values), tuple((v.name, v.unit) for v in new.values)
    yield from _text(where, "point values", *names)
    if names[0] == names[1]:
        for a, b in zip(old.values, new.values, strict=True):
            yield from _arrays(f"{where} {a.name}", a.numbers, b.numbers, tolerance)
