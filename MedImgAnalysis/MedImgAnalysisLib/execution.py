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

from . import provenance
from .blockwise import thread_count
from .errors import InputError
from .geometry import Grid, check_orthonormal
from .operation import Operation, Role
from .progress import SILENT, Progress, Recorder
from .resampling import on_grid
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
}


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
        Values by role. None stands for an optional role that is not used.
    origins
        What is known of where an input came from (`name`, `id`, `path`), by role, for the record.
    progress
        Reports and stops the run.

    Raises
    ------
    InputError
        When a role is missing or unknown, or a value cannot be used; the message names the role.
    """
    whole = Recorder(progress)
    given = {role: value for role, value in inputs.items() if value is not None}
    ready = prepare(operation, given, whole)
    hashes = {
        role: {**(origins or {}).get(role, {}), "sha256": provenance.fingerprint(value)}
        for role, value in given.items()
    }
    started = time.perf_counter()
    outputs = operation.named(operation.run(**ready, progress=whole))
    seconds = time.perf_counter() - started
    whole.check()
    record = provenance.record(operation, hashes, outputs, seconds, whole.warnings, thread_count())
    return Result(outputs, record, tuple(whole.warnings), seconds)


def prepare(operation: Operation, inputs: Mapping[str, Any], progress: Progress = SILENT) -> dict[str, Any]:
    """The inputs as `run` gets them: checked, masks binary and on the grid of their image."""
    roles = {role.name: role for role in operation.inputs()}
    for name in inputs:
        if name not in roles:
            raise InputError(f"{operation.name} has no input {name!r}; it has {', '.join(roles)}.", role=name)
    for role in roles.values():
        if role.required and inputs.get(role.name) is None:
            raise InputError(f"{operation.name} needs the input {role.name!r} ({role.kind}).", role=role.name)
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
        raise InputError(
            f"{operation.name}: the input {role.name!r} must be {role.kind}, not {type(value).__name__}.",
            role=role.name,
        )
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


def _check_image(operation: Operation, role: Role, image: sitk.Image) -> None:
    where = f"{operation.name}: the {role.name}"
    kind = image.GetPixelIDTypeAsString()
    if 0 in image.GetSize():
        raise InputError(f"{where} has no voxels.", role=role.name)
    if image.GetDimension() not in (2, 3):
        raise InputError(
            f"{where} has {image.GetDimension()} dimensions; choose one frame, 2-D or 3-D.", role=role.name
        )
    if "complex" in kind:
        raise InputError(f"{where} has complex voxels; take the magnitude first.", role=role.name)
    if image.GetNumberOfComponentsPerPixel() > 1 and not (operation.vector and role.kind == "image"):
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
    images = [role.name for role in operation.inputs() if role.kind == "image" and role.name in ready]
    owner = next((i for i in images if name == f"{i}_mask"), images[0] if images else None)
    if owner is None:
        return mask
    moved = on_grid(mask, Grid.of(ready[owner]), labels=True, what=name, progress=progress)
    if not sitk.GetArrayViewFromImage(moved).any():
        raise InputError(f"The {name} does not cover any voxel of the {owner}.", role=name)
    return moved
