"""Showing results after a run where one looks for them, without moving the views."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import slicer

from ..scene import outputs, sequences, showing
from ..scene.layers import Layers, background_volume, is_foreground
from .request import Runnable


def show_results(request: Runnable, nodes: Mapping[str, Any], layers: Layers) -> None:
    """Show a new volume in the slice views, new segments with their outlines, a table where there is a table view.

    A volume that was aligned is shown over the fixed one; another one takes the layer in which its input is shown.
    Charts are left to the user, because showing one would change the layout.
    """
    for node in nodes.values():
        if node.IsA("vtkMRMLSegmentationNode"):
            showing.show_in_slices(node, outputs.segments_of(node))
    table = next((node for node in nodes.values() if node.IsA("vtkMRMLTableNode")), None)
    if table is not None:
        showing.show_in_table_view(table)
    pair = _over(request, nodes)
    if pair is not None:
        show_blended(*pair, layers)
        return
    source, volume = _source(request), _volume(nodes)
    if volume is not None and source is not None and is_foreground(source):
        layers.show(foreground=volume)
    elif volume is not None:
        layers.show(background=volume)
    elif source is not None and background_volume() is None:
        layers.show(background=source)


def aligned_pair(request: Runnable, nodes: Mapping[str, Any]) -> tuple[Any, Any] | None:
    """The fixed volume and the one that was aligned to it, None when the run aligned nothing."""
    return _over(request, nodes) if request.aligns else None


def _over(request: Runnable, nodes: Mapping[str, Any]) -> tuple[Any, Any] | None:
    """The volume whose grid the new one has, and the new one."""
    volume = _volume(nodes)
    fixed = next((shown for node in request.ground() if (shown := _shown(node)).IsA("vtkMRMLVolumeNode")), None)
    return None if volume is None or fixed is None else (fixed, volume)


def show_blended(fixed: Any, aligned: Any, layers: Layers) -> None:
    """Show two volumes half and half; orientation, slice and zoom of the views stay."""
    layers.show(background=fixed, foreground=aligned, opacity=0.5)


def _source(request: Runnable) -> Any:
    """The first volume that the run has worked on, as the views can show it; None without one."""
    nodes = (_shown(node) for node, _name in request.watched() if slicer.mrmlScene.IsNodePresent(node))
    return next((node for node in nodes if node.IsA("vtkMRMLVolumeNode")), None)


def _volume(nodes: Mapping[str, Any]) -> Any:
    return next((shown for node in nodes.values() if (shown := _shown(node)).IsA("vtkMRMLVolumeNode")), None)


def _shown(node: Any) -> Any:
    """What stands for a node in the views: of a sequence the node that shows its current frame."""
    return next(iter(sequences.proxies_of(node)), node) if sequences.is_sequence(node) else node
