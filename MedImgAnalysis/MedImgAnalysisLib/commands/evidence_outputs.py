"""`medimg apply --evidence`: what the filter took away, behind the run of the operation."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

from .. import catalog
from ..evidence import EVIDENCE, ROLES, compared_roles
from ..execution import Result, execute
from ..operation import Operation, Role
from ..progress import Progress
from .arguments import UsageError


def evidence_roles(kind: type[Operation]) -> list[Role]:
    """The outputs that evidence adds; `UsageError` for operations that can have none."""
    if compared_roles(kind) is None:
        raise UsageError(
            f"{kind.name} has no result that can be compared with its input voxel by voxel: no --evidence."
        )
    return [replace(role, name=ROLES[role.name], required=False) for role in catalog.find(EVIDENCE).outputs()]


def with_evidence(
    kind: type[Operation], values: Mapping[str, Any], result: Result, wanted: Collection[str], progress: Progress
) -> Result:
    """The result with its evidence: outputs under the names of `ROLES`, record under `evidence`.

    `wanted` are the names of outputs that are kept; the residual is made only when it is among them.
    """
    roles = compared_roles(kind)
    assert roles is not None
    before, after = roles
    inputs = {"before": values[before], "after": result.outputs[after]}
    if any(role.name == "mask" for role in kind.inputs()) and values.get("mask") is not None:
        inputs["mask"] = values["mask"]
    judge = catalog.find(EVIDENCE).from_parameters({"residual_image": ROLES["residual"] in wanted})
    found = execute(judge, inputs, progress=progress)
    added = {ROLES[role]: value for role, value in found.outputs.items()}
    return replace(
        result,
        outputs={**result.outputs, **added},
        record={**result.record, "evidence": found.record},
        warnings=(*result.warnings, *found.warnings),
        seconds=result.seconds + found.seconds,
    )
