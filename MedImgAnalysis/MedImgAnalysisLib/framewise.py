"""An operation on one value, run on each of several frames: one result, one progress bar, warnings said once.

Every frame gets the same parameters, so an operation with a seed uses the same seed for every frame, and the result of
a frame is the result of a run on that frame alone, bit for bit.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from .errors import Cancelled, InputError, MedImgError
from .frames import NUMBERED, Frames
from .operation import Operation
from .progress import Progress
from .values import Column, Curves, Measurements

NUMBER = re.compile(r"\d+(?:[.,]\d+)*(?:e[-+]?\d+)?")
LISTED = 5


def framed_roles(operation: Operation | type[Operation], given: Mapping[str, Any]) -> tuple[str, ...]:
    """The roles that take one value and were given frames; `InputError` when these do not fit each other."""
    roles = {role.name: role for role in operation.inputs()}
    framed = [name for name, value in given.items() if isinstance(value, Frames) and name in roles]
    single = tuple(name for name in framed if roles[name].kind != "frames")
    if len(single) < len(framed) and single:
        raise InputError(
            f"{operation.name} takes all frames of {', '.join(set(framed) - set(single))} at once; "
            f"the {single[0]} must be one {roles[single[0]].kind}.",
            role=single[0],
        )
    counts = {name: len(given[name]) for name in single}
    if len(set(counts.values())) > 1:
        texts = ", ".join(f"{name} has {count}" for name, count in counts.items())
        raise InputError(f"{operation.name}: the numbers of frames differ: {texts}.", role=single[-1])
    return single


def several_roles(operation: Operation, given: Mapping[str, Any]) -> frozenset[str]:
    """The output roles that will be frames when the operation runs on these inputs (tables and curves never are)."""
    framed = bool(framed_roles(operation, listed(operation, given)))
    return frozenset(
        role.name for role in operation.outputs() if role.kind not in ("table", "curves") and (framed or role.several)
    )


def listed(operation: Operation, given: Mapping[str, Any]) -> dict[str, Any]:
    """The inputs with the frames of a role that takes several values as these values."""
    ready = dict(given)
    single = [r.name for r in operation.inputs() if not r.many and isinstance(given.get(r.name), Frames)]
    for role in operation.inputs():
        value = ready.get(role.name)
        if not role.many or value is None:
            continue
        items = [value] if isinstance(value, Frames) else list(value)
        if len(items) == 1 and isinstance(items[0], Frames):
            if single:
                # One frame after the other of one role with all frames of the other role is what nobody means.
                raise InputError(
                    f"{operation.name}: both {single[0]} and {role.name} have several frames; choose a frame of one.",
                    role=role.name,
                )
            ready[role.name] = list(items[0].values)
        elif any(isinstance(item, Frames) for item in items):
            raise InputError(
                f"{operation.name}: one of the {role.name} has several frames; choose one of them, or give it alone.",
                role=role.name,
            )
    return ready


def run(
    operation: Operation,
    given: Mapping[str, Any],
    framed: Sequence[str],
    once: Callable[[dict[str, Any], Progress], dict[str, Any]],
    progress: Progress,
) -> dict[str, Any]:
    """The outputs of all frames by role.

    Parameters
    ----------
    given
        Inputs by role; those in `framed` are frames, the others are the same for every frame.
    once
        Runs the operation on the inputs of one frame.

    Raises
    ------
    MedImgError
        What the operation raises for a frame, with the number of the frame.
    """
    first: Frames = given[framed[0]]
    for name in framed[1:]:
        if not first.same_positions(given[name]):
            progress.warn(f"The frames of {framed[0]} and {name} are at other positions; they were paired in order.")
    said = Warnings(len(first))
    results: list[dict[str, Any]] = []
    for number in range(len(first)):
        here = {name: value.values[number] if name in framed else value for name, value in given.items()}
        try:
            results.append(once(here, FrameProgress(progress, number, len(first), said)))
        except Cancelled:
            raise
        except MedImgError as error:
            data = {**error.data, "frame": number}
            raise type(error)(f"Frame #{number} of {len(first)}: {error}", **data) from error
    for sentence in said.sentences():
        progress.warn(sentence)
    return {role.name: _joined(first, [result[role.name] for result in results]) for role in operation.outputs()}


class FrameProgress(Progress):
    """The part of one frame in the run over all of them.

    Parameters
    ----------
    whole
        Progress of all frames.
    number, count
        Which frame this is, from 0, and how many there are.
    said
        Gets the warnings.
    at, to
        The part of `whole`, where the frames are not taken in their order.
    word
        What they are.
    """

    def __init__(
        self,
        whole: Progress,
        number: int,
        count: int,
        said: Warnings,
        *,
        at: float | None = None,
        to: float | None = None,
        word: str = "Frame",
    ) -> None:
        super().__init__(on_warning=lambda sentence: said.add(sentence, number))
        self._part = whole.part(number / count if at is None else at, (number + 1) / count if to is None else to)
        self._name = f"{word} {number + 1} of {count}"
        self._reached = 0.0

    @property
    def cancelled(self) -> bool:
        return self._part.cancelled

    def cancel(self) -> None:
        self._part.cancel()

    def report(self, fraction: float, message: str = "") -> None:
        # Work of several stages may begin again at 0; the bar of all frames does not.
        self._reached = max(self._reached, fraction)
        self._part.report(self._reached, f"{self._name}: {message}" if message else self._name)


class Warnings:
    """Warnings of all frames; those that differ in their numbers only count as one."""

    def __init__(self, count: int, word: str = "frames") -> None:
        self._count, self._word = count, word
        self._found: dict[str, dict[int, str]] = {}

    def add(self, sentence: str, frame: int) -> None:
        """Keep a warning of a frame."""
        self._found.setdefault(NUMBER.sub("#", sentence), {}).setdefault(frame, sentence)

    def sentences(self) -> list[str]:
        """Each warning once, with the frames in which it was said."""
        texts = []
        for frames in self._found.values():
            first = next(iter(frames.values()))
            other = "; the numbers vary" if len(set(frames.values())) > 1 else ""
            named = ", ".join(f"#{frame}" for frame in list(frames)[:LISTED])
            more = ", ..." if len(frames) > LISTED else ""
            where = (
                f"all {self._count} {self._word}" if len(frames) == self._count else f"{len(frames)} of {self._count}"
            )
            where += "" if len(frames) == self._count else f" {self._word}: {named}{more}"
            texts.append(first if self._count == 1 else f"{first} (In {where}{other}.)")
        return texts


def _joined(frames: Frames, values: list[Any]) -> Any:
    """The results of one role as one value; None where no frame has any."""
    if all(value is None for value in values):
        return None
    missing = [number for number, value in enumerate(values) if value is None]
    if missing:
        raise InputError(f"Frame #{missing[0]} gave no result where other frames gave one; run the frames apart.")
    if isinstance(values[0], Measurements):
        return joined_tables(frames, values)
    if isinstance(values[0], Curves):
        return joined_curves(values)
    return frames.with_values(values)


def frame_columns(frames: Frames, taken: Sequence[str] = ()) -> tuple[Column, Column]:
    """The columns that say which frame a row is about; their keys are none of `taken`."""
    keys = [key if key not in taken else f"sequence_{key}" for key in ("frame", "position")]
    title = "Position" if frames.title == NUMBERED else frames.title[:1].upper() + frames.title[1:]
    return (
        Column(keys[0], "Frame", "", "Number of the frame, counted from 0", int),
        Column(keys[1], title, frames.unit, f"Position of the frame along the axis '{frames.title}'"),
    )


def joined_tables(frames: Frames, tables: Sequence[Measurements]) -> Measurements:
    """The rows of all frames below each other; the first two columns say which frame a row is about."""
    columns = list({column.key: column for table in reversed(tables) for column in table.columns}.values())
    order = [column.key for table in tables for column in table.columns]
    columns.sort(key=lambda column: order.index(column.key))
    number, position = frame_columns(frames, order)
    rows = [
        {number.key: frame, position.key: frames.positions[frame], **row}
        for frame, table in enumerate(tables)
        for row in table.rows
    ]
    return Measurements((number, position, *columns), tuple(rows))


def joined_curves(curves: Sequence[Curves]) -> Curves:
    """The series of all frames in one plot, named after their frame."""
    series = [
        replace(curve, name=f"{curve.name} (frame #{frame})")
        for frame, found in enumerate(curves)
        for curve in found.series
    ]
    return replace(curves[0], series=tuple(series))
