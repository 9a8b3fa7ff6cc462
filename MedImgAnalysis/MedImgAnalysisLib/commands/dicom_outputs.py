"""`medimg apply ... --out labels=organs.dcm`: results of one operation as DICOM objects."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from .. import dicom_out
from ..batch import dicom_files
from ..errors import FileError
from ..files.paths import ending
from ..operation import Operation, Role
from ..progress import Progress
from ..recipe import Recipe

ENDING = ".dcm"
DICOM_KINDS = dicom_files.KINDS


def dicom_roles(
    kind: type[Operation], made: Sequence[Role], outputs: Mapping[str, str], inputs: Mapping[str, Sequence[str]]
) -> list[str]:
    """The outputs that are to be DICOM; raises before the work what would fail after it."""
    kinds = {role.name: role.kind for role in made}
    own = [role.name for role in kind.outputs()]
    found = [role for role, path in outputs.items() if ending(path) == ENDING and kinds[role] in DICOM_KINDS]
    other = [role for role in found if role not in own]
    if other:
        raise FileError(f"{outputs[other[0]]}: {other[0]} is not written as DICOM.", path=outputs[other[0]])
    if found:
        dicom_out.require()
    if found and not any(dicom_out.is_dicom(path) for paths in inputs.values() for path in paths):
        raise FileError(
            f"{outputs[found[0]]}: a DICOM result refers to the DICOM images that it was made from; none of the "
            "inputs is DICOM.",
            path=outputs[found[0]],
        )
    return found


def write_dicom(
    operation: Operation,
    inputs: Mapping[str, Sequence[str]],
    values: Mapping[str, Any],
    results: Mapping[str, Any],
    targets: Mapping[str, Path],
    progress: Progress,
) -> None:
    """Write results of an operation as DICOM; `FileError` says why one cannot be."""
    names: dict[str, Any] = {}
    paths: dict[str, str | Path] = {}
    found: dict[str, Any] = {}
    for role, given in inputs.items():
        many = isinstance(values[role], list)
        names[role] = [f"{role}_{n}" for n in range(len(given))] if many else role
        for n, path in enumerate(given):
            name = f"{role}_{n}" if many else role
            paths[name], found[name] = path, values[role][n] if many else values[role]
    made = {role.name: f"{role.name}_out" for role in operation.outputs()}
    recipe = Recipe.single(operation, names, made)
    outputs = {made[role]: results.get(role) for role in made}
    dicom_files.write(
        recipe,
        paths,
        found,
        outputs,
        {made[role]: path for role, path in targets.items()},
        titles={made[role]: role for role in targets},
        strict=True,
        progress=progress,
    )
