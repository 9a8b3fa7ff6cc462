"""What the slice views show: a result takes a layer there, and what was shown comes back when its node is deleted.

Orientation, slice, zoom and pan are left alone, except in views that have shown nothing.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import slicer

COMPOSITE = "vtkMRMLSliceCompositeNode"
KEEP = "keep-current"
MOST_REMEMBERED = 50


class Layer(NamedTuple):
    """What a view shows: ids of the volumes, empty for none, and how much of the foreground is seen."""

    background: str
    foreground: str
    opacity: float


def shown_now() -> dict[str, Layer]:
    """The layers of all slice views, by id of the composite node."""
    return {
        view.GetID(): Layer(
            view.GetBackgroundVolumeID() or "", view.GetForegroundVolumeID() or "", view.GetForegroundOpacity()
        )
        for view in slicer.util.getNodesByClass(COMPOSITE)
    }


def background_volume() -> Any:
    """The background volume of the first slice view that has one, else None."""
    found = (slicer.mrmlScene.GetNodeByID(layer.background) for layer in shown_now().values() if layer.background)
    return next((node for node in found if node is not None), None)


def is_foreground(node: Any) -> bool:
    """Whether a volume is seen as the foreground of some view and is the background of none."""
    layers = shown_now().values()
    identity = node.GetID()
    return any(layer.foreground == identity and layer.opacity > 0 for layer in layers) and not any(
        layer.background == identity for layer in layers
    )


class Layers:
    """Shows volumes in all slice views, and takes that back when their nodes are deleted."""

    def __init__(self) -> None:
        self._before: list[dict[str, Layer]] = []
        self._shown: set[str] = set()

    def show(self, background: Any = None, foreground: Any = None, opacity: float | None = None) -> None:
        """Put volumes into the layers that are given; the others stay. Without a layout nothing is done."""
        if slicer.app.layoutManager() is None:
            return
        empty = background_volume() is None
        self._before = [*self._before, shown_now()][-MOST_REMEMBERED:]
        self._shown |= {node.GetID() for node in (background, foreground) if node is not None}
        layers: dict[str, Any] = {"fit": empty}
        if background is not None:
            layers["background"] = background
        if foreground is not None:
            layers["foreground"] = foreground
        if opacity is not None:
            layers["foregroundOpacity"] = opacity
        slicer.util.setSliceViewerLayers(**layers)

    def forget(self) -> None:
        """The scene goes away, and all of this with it."""
        self._before, self._shown = [], set()

    def nodes_removed(self) -> None:
        """Layers from which a volume that was put there has gone show what they have shown before it."""
        gone = {identity for identity in self._shown if slicer.mrmlScene.GetNodeByID(identity) is None}
        if not gone:
            return
        self._shown -= gone
        for view in slicer.util.getNodesByClass(COMPOSITE):
            history = [layers[view.GetID()] for layers in reversed(self._before) if view.GetID() in layers]
            if not _there(view.GetBackgroundVolumeID()):
                before = next((layer.background for layer in history if _there(layer.background)), "")
                if before:
                    view.SetBackgroundVolumeID(before)
            if not _there(view.GetForegroundVolumeID()) and history:
                before_foreground = next((layer for layer in history if not gone & {layer.foreground}), history[-1])
                if _there(before_foreground.foreground):
                    view.SetForegroundVolumeID(before_foreground.foreground)
                view.SetForegroundOpacity(before_foreground.opacity)
        if not self._shown:
            self._before = []


def _there(identity: str | None) -> bool:
    return bool(identity) and slicer.mrmlScene.GetNodeByID(identity) is not None
