"""Regions of interest instead of a segmentation: a row of the form that is there when the scene has some."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import qt
import slicer
from slicer.i18n import tr as _

from ..scene import rois


class RegionPicker:
    """Chooses markups ROIs, one for a mask and any number for a segmentation."""

    def __init__(self, role: str, many: bool, on_change: Callable[[], None]) -> None:
        self.many = many
        self.label = qt.QLabel(_("or boxes:") if many else _("or a box:"))
        self.widget = slicer.qMRMLCheckableNodeComboBox() if many else slicer.qMRMLNodeComboBox()
        self.widget.objectName = f"regions_{role}"
        self.widget.nodeTypes = [rois.CLASS]
        self.widget.showChildNodeTypes = False
        self.widget.sizeAdjustPolicy = qt.QComboBox.AdjustToMinimumContentsLengthWithIcon
        self.widget.addEnabled = False
        self.widget.removeEnabled = False
        self.widget.toolTip = _("Markups ROI: the voxels whose centres lie in the box, instead of a segment.")
        if not many:
            self.widget.noneEnabled = True
        self.widget.setMRMLScene(slicer.mrmlScene)
        self.widget.connect(
            "checkedNodesChanged()" if many else "currentNodeChanged(vtkMRMLNode*)", lambda *node: on_change()
        )
        self.widget.connect("nodeAdded(vtkMRMLNode*)", lambda node: self.show_row())
        self.widget.connect("nodeAboutToBeRemoved(vtkMRMLNode*)", lambda node: self.show_row(leaving=1))
        self.show_row()

    def show_row(self, leaving: int = 0) -> None:
        """Show the row when there is a region to choose, besides those that are about to leave the scene."""
        there = self.widget.nodeCount() > leaving
        self.widget.setVisible(there)
        self.label.setVisible(there)

    def nodes(self) -> tuple[Any, ...]:
        """The chosen regions."""
        if self.many:
            return tuple(self.widget.checkedNodes())
        node = self.widget.currentNode()
        return () if node is None else (node,)

    def show(self, nodes: Iterable[Any]) -> None:
        """Choose these regions and no other."""
        wanted = [node for node in nodes if rois.is_roi(node)]
        if list(self.nodes()) == wanted:
            return
        if not self.many:
            self.widget.setCurrentNode(next(iter(wanted), None))
            return
        for number in range(self.widget.nodeCount()):
            node = self.widget.nodeFromIndex(number)
            if node in wanted:
                self.widget.check(node)
            else:
                self.widget.uncheck(node)
