"""Showing segments in 3D and tables in a table view; the layout changes only where it has no such view."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import slicer

from ..errors import InputError
from . import frames
from .standalone import application_logic

SURFACE = "Closed surface"


def show_in_3d(node: Any, segments: Collection[str]) -> None:
    """Show segments (ids) of a segmentation as closed surfaces; what was shown in 3D of the others stays as it is.

    The surfaces are for the eye: the source stays the binary label map, which is what everything is measured on.

    Raises `InputError` when no surface can be made.
    """
    segmentation = node.GetSegmentation()
    display = node.GetDisplayNode()
    there = bool(display and display.GetVisibility() and display.GetVisibility3D() and shows_surfaces(display))
    if not segmentation.ContainsRepresentation(SURFACE) and not node.CreateClosedSurfaceRepresentation():
        raise InputError(f"No surface could be made of {frames.identifier(node)}.", node=node.GetID())
    if node.GetDisplayNode() is None:
        node.CreateDefaultDisplayNodes()
    display = node.GetDisplayNode()
    before = display.StartModify()
    for number in range(segmentation.GetNumberOfSegments()):
        identity = segmentation.GetNthSegmentID(number)
        if identity in segments:
            display.SetSegmentVisibility(identity, True)
            display.SetSegmentVisibility3D(identity, True)
        elif not there:
            display.SetSegmentVisibility3D(identity, False)
    display.SetPreferredDisplayRepresentationName3D(SURFACE)
    display.SetVisibility(True)
    display.SetVisibility3D(True)
    display.EndModify(before)


def hide_in_3d(node: Any, segments: Collection[str]) -> None:
    """Show these segments no longer in 3D; slices show them as before."""
    display = node.GetDisplayNode()
    if display is not None:
        for identity in segments:
            display.SetSegmentVisibility3D(identity, False)


def shown_in_3d(node: Any, segments: Collection[str]) -> bool:
    """Whether all of these segments are shown as surfaces."""
    display = node.GetDisplayNode()
    if display is None or not (display.GetVisibility() and display.GetVisibility3D() and shows_surfaces(display)):
        return False
    return all(display.GetSegmentVisibility(one) and display.GetSegmentVisibility3D(one) for one in segments)


def shows_surfaces(display: Any) -> bool:
    """Whether a display node of a segmentation has surfaces to show in 3D."""
    node = display.GetDisplayableNode()
    return bool(
        node is not None
        and node.GetSegmentation().ContainsRepresentation(SURFACE)
        and display.GetDisplayRepresentationName3D() == SURFACE
    )


def show_in_slices(node: Any, segments: Collection[str]) -> None:
    """Show segments (ids) of a segmentation in the slice views, with their outlines."""
    if node.GetDisplayNode() is None:
        node.CreateDefaultDisplayNodes()
    display = node.GetDisplayNode()
    before = display.StartModify()
    for switch in (display.SetVisibility, display.SetVisibility2D, display.SetVisibility2DOutline):
        switch(True)
    for identity in segments:
        display.SetSegmentVisibility(identity, True)
        display.SetSegmentVisibility2DOutline(identity, True)
    display.EndModify(before)


def layout_with_3d(manager: Any) -> None:
    """Change to the layout of four views when the present one has no 3D view."""
    nodes = slicer.mrmlScene.GetNodesByClass("vtkMRMLViewNode")
    nodes.UnRegister(None)
    if not any(nodes.GetItemAsObject(n).IsMappedInLayout() for n in range(nodes.GetNumberOfItems())):
        manager.setLayout(slicer.vtkMRMLLayoutNode.SlicerLayoutFourUpView)


def show_in_table_view(node: Any) -> bool:
    """Make a table the active one where the present layout has a table view; returns whether it has."""
    views = slicer.util.getNodesByClass("vtkMRMLTableViewNode")
    if not any(view.IsMappedInLayout() for view in views):
        return False
    show_table(node)
    return True


def show_table(node: Any, manager: Any = None) -> None:
    """Make a table the active one, and show it in a table view: the present layout with one, where it has none."""
    application = application_logic()
    application.GetSelectionNode().SetActiveTableID(node.GetID())
    application.PropagateTableSelection()
    if manager is not None:
        manager.setLayout(slicer.vtkSlicerTablesLogic.GetLayoutWithTable(manager.layout))
