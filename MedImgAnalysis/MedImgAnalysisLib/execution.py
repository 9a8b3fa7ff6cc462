"""The one door through which every operation runs, whoever asked for it.

Panel, console, recipe, batch and command line all call `execute`, so that all of them check the
same things, resample by the same rule, get the same numbers and leave the same record.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import SimpleITK as sitk

from . import framewise, provenance
from .blockwise import thread_count
from .errors import InputError
from .frames import Frames
from .geometry import Grid, check_orthonormal
from .operation import Operation, Role
from .plan import amount_of_work
from .progress import SILENT, Progress, Recorder
from .rates import remember
from .resampling import on_grid
from .tiles import run_planned
from .values import Curves, Labels, Landmarks, Measurements, Surface, as_labelmap, present_values

CLASSES: dict[str, type] = {
    "image": sitk.Image,
    "mask": sitk.Image,
    "transform": sitk.Transform,
    "labels": Labels,
    "landmarks": Landmarks,
    "table": Measurements,
    "curves": Curves,
    "surface": Surface,
    "frames": Frames,
}


DIFFERENT = (("reference", "test"), ("image", "repeat"), ("before", "after"), ("fixed", "moving"))
"""Roles that are held against each other, in every operation that has both."""
LARGEST = 1e17
"""Magnitude up to which squares, and sums of them, are within the range of float32."""


@dataclass(frozen=True, eq=False)
class Result:
    """What a run gave: values by output role, the provenance record and the warnings."""

    outputs: dict[str, Any]
    record: dict[str, Any]
    warnings: tuple[str, ...] = ()
    seconds: float = field(default=0.0)


def execute(
    operation: Operation,
    inputs: Mapping[str, Any],
    *,
    origins: Mapping[str, Mapping[str, Any]] | None = None,
    progress: Progress = SILENT,
) -> Result:
    """Check the inputs, run, and say how the result came about.

    Parameters
    ----------
    operation
        The operation with its parameters.
    inputs
        Values by role. None stands for an optional role that is not used. Frames in the place of one value run the
        operation on each of them, see `framewise`; frames alone in a role that takes several values are these values.
    origins
        What is known of where an input came from (`name`, `id`, `path`), by role, for the record.
    progress
        Reports and stops the run.

    Raises
    ------
    InputError
        When a role is missing or unknown, or a value cannot be used; the message names the role. When the memory does
        not hold the work, neither at once nor in slabs; the message has the numbers.
    """
    whole = Recorder(progress)
    given = {role: value for role, value in inputs.items() if value is not None}
    check_roles(operation, given)
    values = framewise.listed(operation, given)
    framed = framewise.framed_roles(operation, values)
    ready = {} if framed else prepare(operation, values, whole)
    hashes = {role: {**(origins or {}).get(role, {}), **provenance.identity(value)} for role, value in given.items()}
    _tell_equal(hashes, whole)
    started = time.perf_counter()
    if framed:
        outputs = framewise.run(operation, values, framed, lambda here, part: _once(operation, here, part), whole)
    else:
        outputs = run_planned(operation, ready, whole)
    seconds = time.perf_counter() - started
    whole.check()
    if not framed:
        remember(operation, amount_of_work(operation, ready), seconds)
    record = provenance.record(operation, hashes, outputs, seconds, whole.warnings, thread_count())
    return Result(outputs, record, tuple(whole.warnings), seconds)


def _tell_equal(hashes: Mapping[str, Mapping[str, Any]], progress: Progress) -> None:
    """Warn of one thing that is held against itself: perfect numbers, which say nothing."""
    for one, other in DIFFERENT:
        if one in hashes and other in hashes and hashes[one]["sha256"] == hashes[other]["sha256"]:
            progress.warn(f"The inputs {one} and {other} are the same, to the last value; were they meant to be?")


def _once(operation: Operation, values: Mapping[str, Any], progress: Progress) -> dict[str, Any]:
    """The outputs for the inputs of one frame."""
    progress.check()
    ready = prepare(operation, values, progress)
    return run_planned(operation, ready, progress)


def check_roles(operation: Operation, inputs: Mapping[str, Any]) -> None:
    """Raise `InputError` when an input is missing or has no role."""
    roles = {role.name: role for role in operation.inputs()}
    for name in inputs:
        if name not in roles:
            raise InputError(f"{operation.name} has no input {name!r}; it has {', '.join(roles)}.", role=name)
    for role in roles.values():
        if role.required and inputs.get(role.name) is None:
            raise InputError(f"{operation.name} needs the input {role.name!r} ({role.kind}).", role=role.name)


def prepare(operation: Operation, inputs: Mapping[str, Any], progress: Progress = SILENT) -> dict[str, Any]:
    """The inputs as `run` gets them: checked, masks binary and on the grid of their image."""
    check_roles(operation, inputs)
    roles = {role.name: role for role in operation.inputs()}
    ready: dict[str, Any] = {}
    for name, value in inputs.items():
        role = roles[name]
        values = list(value) if role.many else [value]
        if not values:
            raise InputError(f"{operation.name}: the input {name!r} is an empty list.", role=name)
        checked = [_check(operation, role, item, progress) for item in values]
        ready[name] = checked if role.many else checked[0]
    for name, value in ready.items():
        if roles[name].kind == "mask" and not roles[name].many:
            ready[name] = _mask_for(operation, name, value, ready, progress)
    return ready


def _check(operation: Operation, role: Role, given: Any, progress: Progress) -> Any:
    value: Any = _converted(role, given)
    if not _is_a(value, role.kind):
        wanted = "the frames of a 4-D image" if role.kind == "frames" else role.kind
        raise InputError(
            f"{operation.name}: the input {role.name!r} must be {wanted}, not {type(value).__name__}.",
            role=role.name,
        )
    if role.kind == "frames":
        for number, item in enumerate(value.values):
            if not isinstance(item, sitk.Image):
                raise InputError(f"{operation.name}: the {role.name} must be frames of images.", role=role.name)
            _check_image(operation, role, item, f" (frame #{number})")
    if role.kind in ("image", "mask"):
        _check_image(operation, role, value)
    if role.kind == "mask":
        return _binary(role, value, progress)
    return value


def _is_a(value: Any, kind: str) -> bool:
    return isinstance(value, CLASSES[kind])


def _converted(role: Role, value: Any) -> Any:
    """A label image stands for labels, and a segmentation of one segment for a mask."""
    if role.kind == "labels" and isinstance(value, sitk.Image):
        return Labels.from_labelmap(value)
    if role.kind == "mask" and isinstance(value, Labels):
        if len(value.segments) != 1:
            raise InputError(
                f"The {role.name} is a segmentation of {len(value.segments)} segments; choose one of "
                f"{', '.join(value.names) or 'none'}.",
                role=role.name,
            )
        return value.mask(value.segments[0])
    return value


def _check_image(operation: Operation, role: Role, image: sitk.Image, which: str = "") -> None:
    where = f"{operation.name}: the {role.name}{which}"
    kind = image.GetPixelIDTypeAsString()
    if 0 in image.GetSize():
        raise InputError(f"{where} has no voxels.", role=role.name)
    if image.GetDimension() not in (2, 3):
        raise InputError(
            f"{where} has {image.GetDimension()} dimensions; choose one frame, 2-D or 3-D, or give the frames of a 4-D "
            "image as Frames.of(image).",
            role=role.name,
        )
    if "complex" in kind:
        raise InputError(f"{where} has complex voxels; take the magnitude first.", role=role.name)
    if image.GetNumberOfComponentsPerPixel() > 1 and not (operation.vector and role.kind in ("image", "frames")):
        raise InputError(f"{where} is {kind}; this operation needs one number per voxel.", role=role.name)
    check_orthonormal(image.GetDirection(), where)
    if operation.finite_only and "float" in kind:
        array = sitk.GetArrayViewFromImage(image)
        wrong = array.size - int(np.count_nonzero(np.isfinite(array)))
        if wrong:
            raise InputError(
                f"{where} has {wrong} voxels that are NaN or infinite; repair it or mask them first.",
                role=role.name,
                nonfinite=wrong,
            )
        if operation.squares and array.size:
            largest = max(abs(float(array.min())), abs(float(array.max())))
            if largest > LARGEST or 0 < largest < 1 / LARGEST:
                raise InputError(
                    f"{where} has values of a magnitude of {largest:.3g}, whose squares leave the range of numbers; "
                    f"mask or rescale it, so that the largest is between {1 / LARGEST:g} and {LARGEST:g}.",
                    role=role.name,
                    largest=largest,
                )


def _binary(role: Role, image: sitk.Image, progress: Progress) -> sitk.Image:
    labelmap = as_labelmap(image, role.name)
    found = present_values(sitk.GetArrayViewFromImage(labelmap))
    if not found:
        raise InputError(f"The {role.name} is empty: no voxel is set.", role=role.name)
    if len(found) > 1:
        more = f" and {len(found) - 5} more" if len(found) > 5 else ""
        progress.warn(
            f"The {role.name} holds the label values {', '.join(map(str, found[:5]))}{more}; every non-zero voxel "
            "counts as inside."
        )
    if found == [1] and labelmap.GetPixelID() == sitk.sitkUInt8:
        return labelmap
    return sitk.NotEqual(labelmap, 0)


def _mask_for(
    operation: Operation, name: str, mask: sitk.Image, ready: Mapping[str, Any], progress: Progress
) -> sitk.Image:
    """`mask` belongs to the first image role, `fixed_mask` to `fixed`."""
    images = [r.name for r in operation.inputs() if r.kind in ("image", "frames") and r.name in ready]
    owner = next((i for i in images if name == f"{i}_mask"), images[0] if images else None)
    if owner is None:
        return mask
    given = ready[owner]
    image = given.values[0] if isinstance(given, Frames) else given[0] if isinstance(given, list) else given
    moved = on_grid(mask, Grid.of(image), labels=True, what=name, progress=progress)
    if not sitk.GetArrayViewFromImage(moved).any():
        raise InputError(f"The {name} does not cover any voxel of the {owner}.", role=name)
    return moved
