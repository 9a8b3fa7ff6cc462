"""Showing results after a run, without moving the views."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import slicer

from .request import Request


def show_results(request: Request, nodes: Mapping[str, Any]) -> None:
    """Show the new volume in the slice views; over the fixed image where there is one.

    Segmentations and transforms show themselves; tables and charts are left to the user, because
    showing them would change the layout.
    """
    if slicer.app.layoutManager() is None:
        return
    volume = next((node for node in nodes.values() if node.IsA("vtkMRMLVolumeNode")), None)
    if volume is None:
        return
    fixed = request.inputs.get("fixed")
    if fixed:
        slicer.util.setSliceViewerLayers(background=fixed[0], foreground=volume, foregroundOpacity=0.5, fit=False)
    else:
        slicer.util.setSliceViewerLayers(background=volume, fit=False)
