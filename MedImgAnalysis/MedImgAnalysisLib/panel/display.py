"""Showing results after a run, without moving the views."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import slicer

from ..scene import sequences
from .request import Runnable


def show_results(request: Runnable, nodes: Mapping[str, Any]) -> None:
    """Show the new volume in the slice views; over the fixed image where there is one.

    Segmentations and transforms show themselves; tables and charts are left to the user, because
    showing them would change the layout.
    """
    pair = _over(request, nodes)
    if pair is not None:
        show_blended(*pair)
        return
    volume = _volume(nodes)
    if volume is not None and slicer.app.layoutManager() is not None:
        slicer.util.setSliceViewerLayers(background=volume, fit=False)


def aligned_pair(request: Runnable, nodes: Mapping[str, Any]) -> tuple[Any, Any] | None:
    """The fixed volume and the one that was aligned to it, None when the run aligned nothing."""
    return _over(request, nodes) if request.aligns else None


def _over(request: Runnable, nodes: Mapping[str, Any]) -> tuple[Any, Any] | None:
    """The volume whose grid the new one has, and the new one."""
    volume = _volume(nodes)
    fixed = next((shown for node in request.ground() if (shown := _shown(node)).IsA("vtkMRMLVolumeNode")), None)
    return None if volume is None or fixed is None else (fixed, volume)


def show_blended(fixed: Any, aligned: Any) -> None:
    """Show two volumes half and half; orientation, slice and zoom of the views stay."""
    if slicer.app.layoutManager() is not None:
        slicer.util.setSliceViewerLayers(background=fixed, foreground=aligned, foregroundOpacity=0.5, fit=False)


def _volume(nodes: Mapping[str, Any]) -> Any:
    return next((shown for node in nodes.values() if (shown := _shown(node)).IsA("vtkMRMLVolumeNode")), None)


def _shown(node: Any) -> Any:
    """What stands for a node in the views: of a sequence the node that shows its current frame."""
    return next(iter(sequences.proxies_of(node)), node) if sequences.is_sequence(node) else node
