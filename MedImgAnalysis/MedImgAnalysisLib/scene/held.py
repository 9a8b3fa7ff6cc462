"""What a node gives back of a result: perhaps other digits, another class or type, and still the same thing."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
import SimpleITK as sitk

from ..provenance import fingerprint
from ..recipe import Recipe
from ..values import Frames, Landmarks
from . import bridge, volumes

REACH = (-200.0, 0.0, 200.0)
"""Coordinates (mm) of the points by which transforms are told apart."""
DIGITS = 5
BETWEEN = 1 / np.pi
"""Where between two steps a number counts as the next one: not where numbers of few digits are."""
NEAR_MM = 1e-3
"""What an input may be off what a record tells of; transforms in sequences keep six digits."""
LOSE_DIGITS = ("transform", "landmarks")
"""Kinds that come back from a file with other last digits."""


def held_digest(value: Any, kind: str) -> str:
    """SHA-256 that stays the same when a node with this value is saved and loaded.

    A transform is a matrix or its inverse in a node and in a file, and points are texts in a file, so their last
    digits change: they count by where points are or are taken, to a hundred thousandth of a millimetre. All else counts
    by its `fingerprint`.
    """
    if kind not in LOSE_DIGITS:
        return fingerprint(value)
    digest = hashlib.sha256()
    for part in _parts(value):
        if kind == "landmarks":
            digest.update(repr((part.names, part.closed)).encode())
            places = np.asarray(part.points, float)
        else:
            points = product(REACH, repeat=part.GetDimension())
            places = np.array([part.TransformPoint(point) for point in points])
        digest.update((np.floor(places * 10.0**DIGITS + BETWEEN) + 0.0).tobytes())
    return digest.hexdigest()


def _parts(value: Any) -> tuple[Any, ...]:
    return tuple(value.values) if isinstance(value, Frames) else (value,)


def held_by(node: Any, value: Any, kind: str) -> str:
    """The digest of what a node gives back of a result that was written to it.

    Empty where that is just the result, and for segments, which have digests of their own.
    """
    if kind in ("labels", "mask"):
        return ""
    if kind in ("image", "frames"):
        images = value.values if isinstance(value, Frames) else (value,)
        stored = [volumes.stored(image) for image in images]
        if all(one is image for one, image in zip(stored, images, strict=True)):
            return ""
        return fingerprint(value.with_values(stored) if isinstance(value, Frames) else stored[0])
    return held_digest(bridge.value_of(node, kind, world=False), kind)


def held_inputs(recipe: Recipe, values: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """What a record says of its inputs besides their hash, by name: the digest of those that lose digits in a file,
    and all digits of points and linear transforms, see `as_recorded`."""
    found: dict[str, dict[str, Any]] = {name: {} for name in values}
    for name, value in values.items():
        kind = recipe.inputs[name]
        if kind in LOSE_DIGITS:
            found[name]["held"] = held_digest(value, kind)
            digits = [_digits(part) for part in _parts(value)]
            if None not in digits:
                found[name]["digits"] = digits
    return found


def _digits(part: Any) -> list[Any] | None:
    if isinstance(part, Landmarks):
        return np.asarray(part.points, float).tolist()
    return list(part.GetParameters()) if isinstance(part, sitk.AffineTransform) else None


def as_recorded(value: Any, kind: str, entry: Mapping[str, Any]) -> Any:
    """An input with the digits that it had in a run, if it is the one that the record tells of; else as it is.

    Other last digits would make other results, where these are compared bit by bit.
    """
    digits = entry.get("digits")
    parts = _parts(value)
    if kind not in LOSE_DIGITS or not digits or len(digits) != len(parts):
        return value
    made = [_exact(part, numbers) for part, numbers in zip(parts, digits, strict=True)]
    if any(exact is None or not _near(part, exact) for part, exact in zip(parts, made, strict=True)):
        return value
    return value.with_values(made) if isinstance(value, Frames) else made[0]


def _near(part: Any, exact: Any) -> bool:
    """Whether points are, or are taken, to the same places."""
    if isinstance(part, Landmarks):
        return bool(np.abs(part.points - exact.points).max(initial=0.0) <= NEAR_MM)
    points = list(product(REACH, repeat=part.GetDimension()))
    apart = [np.subtract(part.TransformPoint(p), exact.TransformPoint(p)) for p in points]
    return bool(np.abs(apart).max() <= NEAR_MM)


def _exact(part: Any, digits: Any) -> Any:
    """The part with these digits; None when they are of something else."""
    if isinstance(part, Landmarks):
        points = np.reshape(np.array(digits, float), (-1, 3))
        return replace(part, points=points) if points.shape == part.points.shape else None
    if not isinstance(part, sitk.AffineTransform) or len(digits) != len(part.GetParameters()):
        return None
    exact = sitk.AffineTransform(part.GetDimension())
    exact.SetParameters(digits)
    return exact
