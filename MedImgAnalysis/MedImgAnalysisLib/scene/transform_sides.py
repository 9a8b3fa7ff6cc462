"""Which nodes a transform leads between: the references that Slicer keeps on a transform node."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import slicer

FROM_TRANSFORMS = {
    "invert_transform": (("transform", "fixed"), ("transform", "moving")),
    "to_displacement_field": (("transform", "moving"), ("transform", "fixed")),
    "compose_transforms": (("second", "moving"), ("first", "fixed")),
}
"""Operations that make a transform of transforms: for the moving and the fixed side the input role to look at, and
which side of it."""


def sides(operation: str, nodes: Mapping[str, Any]) -> tuple[Any, Any]:
    """Moving and fixed node of a run, None where there is none.

    `nodes` are the input nodes by role: the role itself (`moving`), else one that begins with it
    (`moving_landmarks`); masks do not count. Transforms of transforms take over what their inputs refer to.
    """
    if operation in FROM_TRANSFORMS:
        moving, fixed = (_referred(nodes.get(role), side) for role, side in FROM_TRANSFORMS[operation])
        return moving, fixed
    return _side("moving", nodes), _side("fixed", nodes)


def _side(side: str, nodes: Mapping[str, Any]) -> Any:
    named = [role for role in nodes if role.startswith(f"{side}_") and not role.endswith("_mask")]
    return next((nodes[role] for role in (side, *named) if nodes.get(role) is not None), None)


def _referred(node: Any, side: str) -> Any:
    if node is None or not node.IsA("vtkMRMLTransformNode"):
        return None
    kind = slicer.vtkMRMLTransformNode
    role = kind.GetMovingNodeReferenceRole() if side == "moving" else kind.GetFixedNodeReferenceRole()
    return node.GetNodeReference(role)
