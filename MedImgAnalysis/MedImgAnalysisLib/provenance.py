"""How a result came about, in a form from which it can be repeated and verified."""

from __future__ import annotations

import hashlib
import platform
import sys
from collections.abc import Iterable, Mapping
from functools import cache
from importlib import metadata
from typing import Any, TypeGuard

import numpy as np
import SimpleITK as sitk

from . import __version__
from .boxes import boxes_of
from .frames import Frames
from .geometry import Grid
from .operation import Operation
from .values import Curves, Labels, Landmarks, Measurements, Surface

FORMAT = 1
ATTRIBUTE = "MedImgAnalysis.Provenance"
"""Name of the node attribute and of the entry in files that can carry one."""


def fingerprint(value: Any) -> str:
    """SHA-256 of what a value means: voxels and geometry, points, numbers. File names do not enter.

    Geometry enters rounded to 1e-6 mm, so that a copy through a float32 header of the same grid
    counts as the same input only when it really is.
    """
    digest = hashlib.sha256()
    for part in _parts(value):
        digest.update(part)
    return digest.hexdigest()


def identity(value: Any) -> dict[str, Any]:
    """What a record says of a value: `sha256`, and of several frames their number as `frames`."""
    found = {"sha256": fingerprint(value)}
    return {**found, "frames": len(value)} if isinstance(value, Frames) else found


def _parts(value: Any) -> Iterable[bytes | memoryview]:
    if isinstance(value, sitk.Image):
        grid = Grid.of(value)
        yield f"{value.GetPixelIDTypeAsString()} {value.GetNumberOfComponentsPerPixel()} {grid.size}".encode()
        yield _rounded((*grid.spacing, *grid.origin, *grid.direction))
        array = sitk.GetArrayViewFromImage(value)
        yield memoryview(np.ascontiguousarray(array)).cast("B")
    elif isinstance(value, sitk.Transform):
        yield from _transform_parts(value)
    elif isinstance(value, Labels):
        yield from _labels_parts(value)
    elif isinstance(value, Landmarks):
        yield repr(value.names).encode()
        yield value.points.tobytes()
        if value.closed:
            yield b"closed"
    elif isinstance(value, Measurements):
        yield repr([(c.key, c.unit) for c in value.columns]).encode()
        yield repr([[row.get(c.key) for c in value.columns] for row in value.rows]).encode()
    elif isinstance(value, Curves):
        for curve in value.series:
            yield curve.name.encode()
            yield np.asarray(curve.x, float).tobytes()
            yield np.asarray(curve.y, float).tobytes()
    elif isinstance(value, Surface):
        yield value.points.tobytes()
        yield value.triangles.tobytes()
        for numbers in value.values:
            yield f"{numbers.name} [{numbers.unit}]".encode()
            yield numbers.numbers.tobytes()
    elif isinstance(value, Frames):
        yield f"frames {value.unit}".encode()
        yield np.asarray(value.positions, float).tobytes()
        for item in value.values:
            yield from _parts(item)
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from _parts(item)
    else:
        raise TypeError(f"no fingerprint for {type(value).__name__}")


def _labels_parts(labels: Labels) -> Iterable[bytes | memoryview]:
    """The grid, and of each segment its name, its box and the voxels there, one bit each.

    The same for segments that are stored in other layers or with other values.
    """
    grid = labels.grid
    yield f"{grid.size}".encode()
    yield _rounded((*grid.spacing, *grid.origin, *grid.direction))
    layers = []
    for number, layer in enumerate(labels.layers):
        array = sitk.GetArrayViewFromImage(layer)
        array = array[None] if array.ndim == 2 else array
        layers.append((array, boxes_of(array, [s.value for s in labels.segments if s.layer == number])))
    for segment in labels.segments:
        array, boxes = layers[segment.layer]
        box = boxes.get(segment.value)
        yield f"{segment.name}\0{box}".encode()
        if box is not None:
            yield memoryview(np.packbits(array[box] == segment.value))


def _transform_parts(transform: sitk.Transform) -> Iterable[bytes | memoryview]:
    plain = transform.Downcast() if hasattr(transform, "Downcast") else transform
    parts = [plain.GetNthTransform(i) for i in range(plain.GetNumberOfTransforms())] if _is_composite(plain) else []
    # SimpleITK shows a class that it does not know (MatrixOffsetTransformBase) as a composite of itself.
    if parts and not (len(parts) == 1 and _is_composite(parts[0]) and parts[0].GetNumberOfTransforms() == 1):
        for part in parts:
            yield from _transform_parts(part)
        return
    yield plain.GetName().encode()
    yield np.asarray(transform.GetFixedParameters(), float).tobytes()
    if isinstance(plain, sitk.DisplacementFieldTransform):
        # The same numbers without a Python object for each of them.
        field = plain.GetDisplacementField()
        yield memoryview(np.ascontiguousarray(sitk.GetArrayViewFromImage(field), np.float64)).cast("B")
        return
    yield np.asarray(transform.GetParameters(), float).tobytes()


def _is_composite(transform: sitk.Transform) -> TypeGuard[sitk.CompositeTransform]:
    return isinstance(transform, sitk.CompositeTransform)


def _rounded(numbers: Iterable[float]) -> bytes:
    return (np.round(np.asarray(tuple(numbers), float), 6) + 0.0).tobytes()


@cache
def software() -> dict[str, str]:
    """Versions of what computes: this package, Python, SimpleITK, numpy and scipy."""
    found = {
        "MedImgAnalysis": __version__,
        "python": platform.python_version(),
        "SimpleITK": sitk.Version.VersionString(),
        "numpy": np.__version__,
        "platform": sys.platform,
    }
    try:
        found["scipy"] = metadata.version("scipy")
    except metadata.PackageNotFoundError:
        found["scipy"] = "unknown"
    return found


def record(
    operation: Operation,
    inputs: Mapping[str, Mapping[str, Any]],
    outputs: Mapping[str, Any],
    seconds: float,
    warnings: Iterable[str],
    threads: int,
) -> dict[str, Any]:
    """The provenance record of one run, as JSON values.

    `inputs` maps a role to what identifies it: `sha256` and, where known, `name`, `id` or `path`.
    """
    parameters = operation.values()
    return {
        "format": FORMAT,
        "operation": operation.name,
        "revision": operation.revision,
        "parameters": parameters,
        "inputs": {role: dict(entry) for role, entry in inputs.items()},
        "outputs": {role: identity(value) for role, value in outputs.items() if value is not None},
        "seed": parameters.get("seed"),
        "threads": threads,
        "seconds": round(seconds, 4),
        "warnings": list(warnings),
        "software": dict(software()),
    }
