"""Which segment of the test belongs to which of the reference."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from ..boxes import join, slabs
from ..errors import InputError
from ..progress import Progress
from ..values import Labels, Segment
from .common_grid import CommonGrid, Side

TERMINOLOGY = "TerminologyEntry"
"""The tag of a segment that holds its coded meaning."""
PAIR_BY = ("name", "terminology", "overlap")


class Pair(NamedTuple):
    """A reference segment and its test segment; one of them is None when nothing corresponds."""

    name: str
    reference: Segment | None
    test: Segment | None


def pairs_of(common: CommonGrid, pair_by: str, progress: Progress) -> list[Pair]:
    """The pairs of the two sides, reference order first; see `pair_by_name`, `_terminology`, `_overlap`."""
    reference, test = (side.labels for side in common.sides)
    if pair_by == "overlap":
        return pair_by_overlap(reference, test, cross_counts(common.sides[0], common.sides[1], progress))
    pairs = pair_by_name(reference, test) if pair_by == "name" else pair_by_terminology(reference, test)
    return pairs or [Pair("", None, None)]


def pair_by_name(reference: Labels, test: Labels) -> list[Pair]:
    """Pairs of equal name (case and surrounding space ignored), reference order, then the test's rest.

    When each side has a single segment they are compared whatever their names. Names that occur twice
    on one side are refused, since a pair would be a guess.
    """
    if len(reference.segments) == len(test.segments) == 1:
        return [Pair(reference.segments[0].name, reference.segments[0], test.segments[0])]
    return _matched(reference, test, lambda segment: segment.name.strip().casefold(), "named")


def pair_by_terminology(reference: Labels, test: Labels) -> list[Pair]:
    """Pairs of equal coded meaning: type, its modifier, anatomic region and its modifier.

    Names and contexts do not matter, codes do. Raises `InputError` when a segment has no terminology or
    two of one side have the same.
    """
    return _matched(reference, test, _codes, "with the terminology of")


def _codes(segment: Segment) -> str:
    parts = segment.tags.get(TERMINOLOGY, "").split("~")
    # context ~ category ~ type ~ type modifier ~ region context ~ region ~ region modifier;
    # each code is scheme ^ value ^ meaning.
    wanted = [parts[at] for at in (2, 3, 5, 6) if at < len(parts)]
    codes = ["^".join(part.split("^")[:2]) for part in wanted]
    if not any(code.strip("^") for code in codes):
        raise InputError(f"The segment {segment.name!r} has no terminology; pair by name or by overlap.")
    return "~".join(code.strip("^") for code in [*codes, *[""] * (4 - len(codes))])


def _matched(reference: Labels, test: Labels, key_of: Callable[[Segment], str], how: str) -> list[Pair]:
    left, right = _by_key(reference, "reference", key_of, how), _by_key(test, "test", key_of, how)
    pairs = [Pair(segment.name, segment, right.get(key)) for key, segment in left.items()]
    return pairs + [Pair(segment.name, None, segment) for key, segment in right.items() if key not in left]


def _by_key(labels: Labels, side: str, key_of: Callable[[Segment], str], how: str) -> dict[str, Segment]:
    found: dict[str, Segment] = {}
    for segment in labels.segments:
        key = key_of(segment)
        if key in found:
            raise InputError(f"The {side} has two segments {how} {segment.name!r}; change one.", role=side)
        found[key] = segment
    return found


def pair_by_overlap(reference: Labels, test: Labels, counts: Counts) -> list[Pair]:
    """The pairs with the largest sum of Dice, each segment once (Hungarian method); no overlap is no pair."""
    from scipy.optimize import linear_sum_assignment

    sizes = counts.reference[:, None] + counts.test[None, :]
    dice = 2 * counts.both / np.maximum(sizes, 1)
    partner = {int(a): int(b) for a, b in zip(*linear_sum_assignment(-dice)) if counts.both[a, b]}
    pairs = [
        Pair(segment.name, segment, test.segments[partner[n]] if n in partner else None)
        for n, segment in enumerate(reference.segments)
    ]
    taken = set(partner.values())
    pairs += [Pair(segment.name, None, segment) for n, segment in enumerate(test.segments) if n not in taken]
    return pairs or [Pair("", None, None)]


class Counts(NamedTuple):
    """Voxels of each reference segment, of each test segment, and of each combination (reference, test)."""

    reference: np.ndarray
    test: np.ndarray
    both: np.ndarray


def cross_counts(reference: Side, test: Side, progress: Progress) -> Counts:
    """How many voxels each reference segment shares with each test segment; one pass per pair of layers."""
    sides = (reference, test)
    sizes = [np.zeros(len(side.labels.segments), np.int64) for side in sides]
    both = np.zeros((len(sizes[0]), len(sizes[1])), np.int64)
    box = join(*reference.boxes.values(), *test.boxes.values())
    if box is None:
        return Counts(sizes[0], sizes[1], both)
    own = [[_numbered(side, layer) for layer in range(len(side.layers))] for side in sides]
    for start, stop in slabs(tuple(axis.stop - axis.start for axis in box)):
        progress.check()
        part = (slice(box[0].start + start, box[0].start + stop), *box[1:])
        numbers = [
            [_lookup(layer[part], *table) for layer, table in zip(side.layers, tables)]
            for side, tables in zip(sides, own)
        ]
        for size, side in zip(sizes, numbers):
            for number in side:
                size += np.bincount(number[number > 0], minlength=len(size) + 1)[1:]
        for one in numbers[0]:
            for two in numbers[1]:
                shared = (one > 0) & (two > 0)
                joint = (one[shared].astype(np.int64) - 1) * both.shape[1] + two[shared] - 1
                both += np.bincount(joint, minlength=both.size).reshape(both.shape)
    return Counts(sizes[0], sizes[1], both)


def _numbered(side: Side, layer: int) -> tuple[np.ndarray, np.ndarray]:
    """The values of a layer in rising order, and the number of their segment, counted from 1."""
    found = sorted((s.value, n) for n, s in enumerate(side.labels.segments, start=1) if s.layer == layer)
    return np.array([v for v, _ in found], np.int64), np.array([n for _, n in found], np.int32)


def _lookup(part: np.ndarray, values: np.ndarray, numbers: np.ndarray) -> np.ndarray:
    """Segment numbers of voxels; 0 for those of no segment."""
    if not len(values):
        return np.zeros(part.shape, np.int32)
    if part.dtype.itemsize == 1 and part.dtype.kind == "u":
        table = np.zeros(256, np.int32)
        known = (values >= 0) & (values < 256)
        table[values[known]] = numbers[known]
        return table[part]
    at = np.searchsorted(values, part)
    at[at == len(values)] = 0
    return np.where(values[at] == part, numbers[at], 0)
