"""Selectors for the input and output roles of an operation, made from `Operation.inputs()` and `.outputs()`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any

import qt
import slicer
from slicer.i18n import tr as _

from ..operation import Role
from ..scene import rois, sequences
from .points import PointButton
from .regions import RegionPicker
from .translated import catalog_text, role_title, spoken_title

NODE_CLASSES: dict[str, tuple[str, ...]] = {
    "image": ("vtkMRMLScalarVolumeNode", "vtkMRMLVectorVolumeNode"),
    "mask": ("vtkMRMLSegmentationNode",),
    "labels": ("vtkMRMLSegmentationNode", "vtkMRMLLabelMapVolumeNode"),
    "transform": (
        "vtkMRMLLinearTransformNode",
        "vtkMRMLBSplineTransformNode",
        "vtkMRMLGridTransformNode",
        "vtkMRMLTransformNode",
    ),
    "landmarks": ("vtkMRMLMarkupsFiducialNode", "vtkMRMLMarkupsClosedCurveNode"),
    "table": ("vtkMRMLTableNode",),
    "curves": ("vtkMRMLPlotChartNode",),
    "surface": ("vtkMRMLModelNode",),
    "frames": (sequences.CLASS,),
}
"""Scene nodes that can play a role, by kind of the role; exactly these classes, not those derived from them.
Regions of interest, which can stand for masks and labels, have a row of their own."""

WRITTEN_CLASSES = {**NODE_CLASSES, "labels": ("vtkMRMLSegmentationNode",)}
"""Scene nodes that can get an output."""

IN_SEQUENCES = ("image", "labels", "transform", "landmarks")
"""Kinds that a sequence can hold in place of one node; the operation then runs on each frame."""


def input_classes(kind: str) -> tuple[str, ...]:
    """The classes of nodes that the selector of an input role offers."""
    return (*NODE_CLASSES[kind], sequences.CLASS) if kind in IN_SEQUENCES else NODE_CLASSES[kind]


def output_classes(role: Role) -> tuple[str, ...]:
    """The classes of nodes that the selector of an output role offers."""
    if role.several:
        return (sequences.CLASS,)
    return (*WRITTEN_CLASSES[role.kind], sequences.CLASS) if role.kind in IN_SEQUENCES else WRITTEN_CLASSES[role.kind]


def kind_title(kind: str) -> str:
    """What people call the node of a kind."""
    return {
        "image": _("volume"),
        "mask": _("segment"),
        "labels": _("segmentation"),
        "transform": _("transform"),
        "landmarks": _("point list"),
        "table": _("table"),
        "curves": _("chart"),
        "surface": _("model"),
        "frames": _("sequence"),
    }[kind]


def node_combo(classes: tuple[str, ...], name: str, many: bool = False) -> Any:
    """A node selector for these classes that neither creates nor deletes nodes."""
    combo = slicer.qMRMLCheckableNodeComboBox() if many else slicer.qMRMLNodeComboBox()
    combo.objectName = name
    combo.nodeTypes = list(classes)
    combo.showChildNodeTypes = False
    combo.sizeAdjustPolicy = qt.QComboBox.AdjustToMinimumContentsLengthWithIcon
    combo.addEnabled = False
    combo.removeEnabled = False
    return combo


class InputSelector(ABC):
    """Base: chooses the nodes of one input role."""

    widget: Any

    def __init__(self, role: Role, on_change: Callable[[], None]) -> None:
        self.role = role
        self.regions: RegionPicker | None = None
        self.points: PointButton | None = None
        self._on_change = on_change
        self._build()
        if role.kind in ("mask", "labels") and not role.many:
            self.regions = RegionPicker(role.name, role.kind == "labels", self._regions_changed)
        self.widget.objectName = f"input_{role.name}"
        self.widget.toolTip = catalog_text(role.description) or _("The {kind} to work on.").format(
            kind=kind_title(role.kind)
        )

    @abstractmethod
    def _build(self) -> None:
        """Make `widget` and connect it to `_changed`."""

    @property
    def row(self) -> Any:
        """What stands beside the title in the form."""
        return self.widget

    def rest(self) -> None:
        """The page is left."""
        if self.points is not None:
            self.points.rest()

    def cleanup(self) -> None:
        """The row goes away."""
        if self.points is not None:
            self.points.cleanup()

    def _changed(self) -> None:
        if self.regions is not None and self._chosen():
            self.regions.show(())
        if self.points is not None:
            self.points.changed()
        self._on_change()

    def _regions_changed(self) -> None:
        if self.regions is not None and self.regions.nodes():
            self._choose((), "")
        self._on_change()

    def nodes(self) -> tuple[Any, ...]:
        """The chosen nodes."""
        regions = self.regions.nodes() if self.regions is not None else ()
        return regions or self._chosen()

    def show(self, nodes: tuple[Any, ...], segment: str) -> None:
        """Choose these nodes (and this segment)."""
        self._choose(tuple(node for node in nodes if not rois.is_roi(node)), segment)
        if self.regions is not None:
            self.regions.show(nodes)

    @abstractmethod
    def _chosen(self) -> tuple[Any, ...]:
        """The nodes chosen in `widget`."""

    @abstractmethod
    def _choose(self, nodes: tuple[Any, ...], segment: str) -> None:
        """Choose nodes in `widget`."""

    def segment(self) -> str:
        """The chosen segment id, empty where none is."""
        return ""

    def problem(self) -> str:
        """What is still to be chosen, empty when nothing is."""
        if not self.role.required or self.nodes():
            return ""
        kind, role = kind_title(self.role.kind), spoken_title(self.role)
        if kind == role:
            return _("Choose a {kind}.").format(kind=kind)
        return _("Choose a {kind} as {role}.").format(kind=kind, role=role)


class NodeSelector(InputSelector):
    """One node."""

    def _build(self) -> None:
        self.widget = node_combo(input_classes(self.role.kind), f"input_{self.role.name}")
        self.widget.noneEnabled = True
        self.widget.noneDisplay = (_("Select a {kind}") if self.role.required else _("None (optional)")).format(
            kind=kind_title(self.role.kind)
        )
        self.widget.setMRMLScene(slicer.mrmlScene)
        self.widget.connect("currentNodeChanged(vtkMRMLNode*)", lambda node: self._changed())
        if self.role.kind == "landmarks":
            self.points = PointButton(self.role, self.widget.currentNode, self.widget.setCurrentNode)

    @property
    def row(self) -> Any:
        if self.points is None:
            return self.widget
        box = qt.QWidget()
        columns = qt.QHBoxLayout(box)
        columns.setContentsMargins(0, 0, 0, 0)
        columns.addWidget(self.widget, 1)
        columns.addWidget(self.points.button)
        return box

    def _chosen(self) -> tuple[Any, ...]:
        node = self.widget.currentNode()
        return () if node is None else (node,)

    def _choose(self, nodes: tuple[Any, ...], segment: str) -> None:
        self.widget.setCurrentNode(nodes[0] if nodes else None)


class NodesSelector(InputSelector):
    """Several nodes, by check boxes."""

    def _build(self) -> None:
        self.widget = node_combo(input_classes(self.role.kind), f"input_{self.role.name}", many=True)
        self.widget.setMRMLScene(slicer.mrmlScene)
        self.widget.connect("checkedNodesChanged()", self._changed)

    def _chosen(self) -> tuple[Any, ...]:
        return tuple(self.widget.checkedNodes())

    def _choose(self, nodes: tuple[Any, ...], segment: str) -> None:
        for number in range(self.widget.nodeCount()):
            node = self.widget.nodeFromIndex(number)
            if node in nodes:
                self.widget.check(node)
            else:
                self.widget.uncheck(node)


class SegmentSelector(InputSelector):
    """One segment of a segmentation."""

    def _build(self) -> None:
        self.widget = slicer.qMRMLSegmentSelectorWidget()
        self.widget.noneEnabled = True
        self.widget.setMRMLScene(slicer.mrmlScene)
        self.widget.connect("currentNodeChanged(vtkMRMLNode*)", lambda node: self._changed())
        self.widget.connect("currentSegmentChanged(QString)", lambda segment: self._changed())

    def _chosen(self) -> tuple[Any, ...]:
        node = self.widget.currentNode()
        return () if node is None or not self.segment() else (node,)

    def segment(self) -> str:
        return str(self.widget.currentSegmentID() or "")

    def problem(self) -> str:
        node = self.widget.currentNode()
        if node is not None and not self.segment():
            return _("Choose a segment of {name} as {role}, or no segmentation.").format(
                name=node.GetName(), role=spoken_title(self.role)
            )
        return super().problem()

    def _choose(self, nodes: tuple[Any, ...], segment: str) -> None:
        self.widget.setCurrentNode(nodes[0] if nodes else None)
        if nodes:
            self.widget.setCurrentSegmentID(segment)


def input_selector(role: Role, on_change: Callable[[], None]) -> InputSelector:
    """The selector that suits a role."""
    if role.many:
        return NodesSelector(role, on_change)
    return (SegmentSelector if role.kind == "mask" else NodeSelector)(role, on_change)


class InputSelectors:
    """All input roles of an operation or a recipe, as rows of a form."""

    def __init__(self, roles: Sequence[Role], on_change: Callable[[], None]) -> None:
        self.widget, rows = _form()
        self.selectors = {role.name: input_selector(role, on_change) for role in roles}
        for selector in self.selectors.values():
            _add_row(rows, selector.role, selector.row, selector.widget.toolTip)
            if selector.regions is not None:
                selector.regions.label.setBuddy(selector.regions.widget)
                rows.addRow(selector.regions.label, selector.regions.widget)

    def rest(self) -> None:
        """The page is left: what was started in the views ends."""
        for selector in self.selectors.values():
            selector.rest()

    def cleanup(self) -> None:
        """The form goes away."""
        for selector in self.selectors.values():
            selector.cleanup()

    def problem(self) -> str:
        """What is still to be chosen first, empty when nothing is."""
        return next((text for selector in self.selectors.values() if (text := selector.problem())), "")


class OutputSelectors:
    """All output roles: a new node by default, or an existing one that is written over."""

    def __init__(self, roles: Sequence[Role], on_change: Callable[[], None]) -> None:
        self.widget, rows = _form()
        self.combos: dict[str, Any] = {}
        self._tool_tips: dict[str, str] = {}
        for role in roles:
            combo = node_combo(output_classes(role), f"output_{role.name}")
            combo.noneEnabled = True
            combo.setMRMLScene(slicer.mrmlScene)
            tip = (
                _("{what} A new {kind} unless you choose one to write over.")
                .format(what=catalog_text(role.description), kind=kind_title("frames" if role.several else role.kind))
                .strip()
            )
            self._tool_tips[role.name] = combo.toolTip = tip
            combo.connect("currentNodeChanged(vtkMRMLNode*)", lambda node: on_change())
            self.combos[role.name] = combo
            _add_row(rows, role, combo, tip)

    def node(self, role: str) -> Any:
        """The node to write over, None for a new one."""
        return self.combos[role].currentNode()

    def show(self, role: str, node: Any) -> None:
        """Choose the node to write over, None for a new one."""
        self.combos[role].setCurrentNode(node)

    def show_new_name(self, role: str, name: str) -> None:
        """Show how a new node will be called."""
        text = _("New: {name}").format(name=name)
        if self.combos[role].noneDisplay != text:
            self.combos[role].noneDisplay = text
            # A long name may be cut in the box.
            self.combos[role].toolTip = f"{self._tool_tips[role]}\n{text}"


def _form() -> tuple[Any, Any]:
    widget = qt.QWidget()
    rows = qt.QFormLayout(widget)
    rows.setContentsMargins(0, 0, 0, 0)
    rows.fieldGrowthPolicy = qt.QFormLayout.AllNonFixedFieldsGrow
    return widget, rows


def _add_row(rows: Any, role: Role, widget: Any, tip: str) -> None:
    label = qt.QLabel(_("{title}:").format(title=role_title(role)))
    label.toolTip = tip
    label.setBuddy(widget)
    rows.addRow(label, widget)
