"""Inputs to begin with, so that a scene with one volume needs no choosing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import slicer

from ..errors import InputError
from ..operation import Role
from ..scene import bridge
from ..scene.layers import background_volume
from .selectors import NODE_CLASSES, input_classes
from .state import PanelState


def suggest_inputs(roles: Sequence[Role], state: PanelState) -> bool:
    """Choose a node for each required role without one: those of fitting class that no role uses yet.

    The volume in the background of the slice views comes first. Returns whether anything was chosen.
    Masks and roles that take several nodes are left to the user.
    """
    used = [node for role in roles for node in state.inputs(role.name)]
    changed = False
    for role in roles:
        if (
            not role.required
            or role.many
            or role.kind == "mask"
            or any(node.GetClassName() in input_classes(role.kind) for node in state.inputs(role.name))
        ):
            continue
        node = next((node for node in candidates(role.kind) if node not in used), None)
        if node is not None:
            state.keep_inputs(role.name, [node])
            used.append(node)
            changed = True
    return changed


def candidates(kind: str) -> list[Any]:
    """Nodes that can play a role of this kind, the one shown in the slice views first."""
    found = [
        node
        for name in NODE_CLASSES[kind]
        for node in slicer.util.getNodesByClass(name)
        if node.GetClassName() == name and not node.GetHideFromEditors() and _fits(node, kind)
    ]
    shown = background_volume()
    return sorted(found, key=lambda node: node is not shown)


def _fits(node: Any, kind: str) -> bool:
    """Whether the frames of a sequence are of this kind; other nodes are by their class."""
    try:
        bridge.check_class(node, kind)
    except InputError:
        return False
    return True
