"""Placing points with the mouse: which list they go to, and the mode of the mouse in the views."""

from __future__ import annotations

from typing import Any

import slicer

from .standalone import application_logic


def new_points(kind: str, name: str) -> Any:
    """A new empty point list or curve (class `kind`) in the scene; a name that exists already gets a number."""
    scene = slicer.mrmlScene
    node = scene.AddNewNodeByClass(kind, scene.GenerateUniqueName(name))
    if node.GetDisplayNode() is None:
        node.CreateDefaultDisplayNodes()
    return node


def start(node: Any) -> None:
    """Each click in a view adds a point to the list, until `stop` or a click with the right button."""
    logic = slicer.modules.markups.logic()
    logic.SetActiveList(node)
    logic.StartPlaceMode(True)


def stop() -> None:
    """The mouse moves views again."""
    application_logic().GetInteractionNode().SwitchToViewTransformMode()


def active(node: Any) -> bool:
    """Whether clicks add points to this list."""
    mode = mode_node()
    return bool(
        node is not None
        and mode.GetCurrentInteractionMode() == mode.Place
        and application_logic().GetSelectionNode().GetActivePlaceNodeID() == node.GetID()
    )


def mode_node() -> Any:
    """The node whose `mode_event` says that the mouse has got another meaning."""
    return application_logic().GetInteractionNode()


def mode_event() -> int:
    """The event of `mode_node`."""
    return int(slicer.vtkMRMLInteractionNode.InteractionModeChangedEvent)
