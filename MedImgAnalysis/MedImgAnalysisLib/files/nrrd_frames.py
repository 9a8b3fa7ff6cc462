"""Where the frames of a NRRD file are: what 3D Slicer's sequences, its older multi-volumes and ITK's 4-D images say."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping

import numpy as np

from .header import FrameAxis

INDEX_VALUES = re.compile(r"axis \d+ index values")
QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"')
MULTIVOLUME = "MultiVolume."


def read_frame_axis(fields: Mapping[str, str], metadata: Mapping[str, str], axes: int, frames: int) -> FrameAxis:
    """The positions of the frames, numbers alone where the header says none that can be used.

    Looked at in this order: `axis N index values` with `labels` and `units` (sequences of 3D Slicer), frame labels of
    a multi-volume, the spacing of the axis of frames (`spacings`, `axis mins`), the fourth space direction.
    """
    kinds = [word.lower() for word in fields.get("kinds", "").split()] or ["???"] * axes
    axis = _frame_axis_number(kinds, fields)
    title = _word(fields.get("labels", ""), axis) or ("time" if kinds[axis] == "time" else "")
    unit = _word(fields.get("units", ""), axis)
    key = next((key for key in metadata if INDEX_VALUES.fullmatch(key)), "")
    if key:
        found = _rising(metadata[key].split(), frames)
        return FrameAxis(found, title or "time", unit) if found else FrameAxis()
    found = _rising(metadata.get(f"{MULTIVOLUME}FrameLabels", "").split(","), frames)
    if found:
        name = metadata.get(f"{MULTIVOLUME}FrameIdentifyingDICOMTagName", "")
        return FrameAxis(found, name or "time", metadata.get(f"{MULTIVOLUME}FrameIdentifyingDICOMTagUnits", ""))
    step, start = _step(fields, axis)
    if (step, start) == (1.0, 0.0) and not unit and not title:
        return FrameAxis()
    return FrameAxis.even(frames, start, step, title or "time", unit)


def _frame_axis_number(kinds: list[str], fields: Mapping[str, str]) -> int:
    """The number of the axis of frames: the one that is a list or time, else the last one."""
    for number, kind in enumerate(kinds):
        if kind in ("list", "time"):
            return number
    directions = fields.get("space directions", "").lower().split()
    return directions.index("none") if directions.count("none") == 1 else len(kinds) - 1


def _word(text: str, axis: int) -> str:
    """The quoted word of an axis, empty where there is none."""
    words = QUOTED.findall(text)
    return words[axis] if axis < len(words) else ""


def _rising(words: list[str], count: int) -> tuple[float, ...]:
    """These words as strictly rising numbers; none of them when they are no such thing."""
    try:
        numbers = tuple(float(word) for word in words)
    except ValueError:
        return ()
    fits = len(numbers) == count and all(map(math.isfinite, numbers)) and (np.diff(numbers) > 0).all()
    return numbers if fits else ()


def _step(fields: Mapping[str, str], axis: int) -> tuple[float, float]:
    """Step and start of the axis, 1 and 0 where the header says nothing."""
    try:
        words = fields.get("spacings", "").split()
        if axis < len(words) and words[axis].lower() != "nan":
            starts = fields.get("axis mins", "").split()
            start = float(starts[axis]) if axis < len(starts) and starts[axis].lower() != "nan" else 0.0
            return float(words[axis]), start
        vectors = re.findall(r"none|\([^)]*\)", fields.get("space directions", ""))
        if axis < len(vectors) and vectors[axis] != "none":
            vector = [float(word) for word in vectors[axis].strip("()").split(",")]
            origin = [float(word) for word in fields.get("space origin", "").strip("() ").split(",")]
            return float(np.linalg.norm(vector)), origin[-1]
    except ValueError:
        return math.nan, math.nan
    return 1.0, 0.0


def index_text(positions: tuple[float, ...]) -> str:
    """Positions as 3D Slicer keeps them: the shortest digits that give the same number again."""
    return " ".join(repr(position).removesuffix(".0") for position in positions)


def titles(count: int, axis: int, word: str) -> str:
    """`"" "" "" "time"` for `labels` and `units`."""
    return " ".join('"%s"' % (word if number == axis else "") for number in range(count))
