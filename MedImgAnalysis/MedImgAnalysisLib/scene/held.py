"""What a node gives back of a result: perhaps other digits, another class or type, and still the same thing."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from itertools import product
from typing import Any

import numpy as np

from ..provenance import fingerprint
from ..recipe import Recipe
from ..values import Frames
from . import bridge, volumes

REACH = (-200.0, 0.0, 200.0)
"""Coordinates (mm) of the points by which transforms are told apart."""
DIGITS = 5


def held_digest(value: Any, kind: str) -> str:
    """SHA-256 that stays the same when a node with this value is saved and loaded.

    A transform is a matrix or its inverse in a node and in a file, so its last digits change: it counts by where it
    takes points, to a hundred thousandth of a millimetre. All else counts by its `fingerprint`.
    """
    if kind != "transform":
        return fingerprint(value)
    digest = hashlib.sha256()
    for transform in value.values if isinstance(value, Frames) else (value,):
        points = product(REACH, repeat=transform.GetDimension())
        moved = np.array([transform.TransformPoint(point) for point in points])
        digest.update((np.round(moved, DIGITS) + 0.0).tobytes())
    return digest.hexdigest()


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


def held_inputs(recipe: Recipe, values: Mapping[str, Any]) -> dict[str, dict[str, str]]:
    """What a record says of its inputs besides their hash, by name: the digest of transforms."""
    return {
        name: {"held": held_digest(value, "transform")} if recipe.inputs[name] == "transform" else {}
        for name, value in values.items()
    }
