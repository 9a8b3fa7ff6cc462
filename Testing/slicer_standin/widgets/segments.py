"""Segment widgets: qMRMLSegmentSelectorWidget, qMRMLSegmentsTableView, qMRMLSegmentationShow3DButton."""

from __future__ import annotations

from ..classes import behaviour, make, store, value
from ..signals import connect, emit
from ..toolkit import QtCore, QtGui, QtWidgets
from .numbers import row
from .scene import observe


def segment_ids(node: object) -> list[str]:
    segmentation = node.GetSegmentation() if node is not None else None
    return [segmentation.GetNthSegmentID(i) for i in range(segmentation.GetNumberOfSegments())] if segmentation else []


class SegmentWatcher:
    """Calls `_segments_changed` when the segments of the watched node change."""

    def _watch(self, node: object) -> None:
        import slicer

        kind = slicer.vtkSegmentation
        events = (kind.SegmentAdded, kind.SegmentRemoved, kind.SegmentModified, kind.SegmentsOrderModified)
        observe(self, [node] if node is not None else [], events, "_segments_changed")


@behaviour("qMRMLSegmentSelectorWidget")
class SegmentSelectorWidget(SegmentWatcher):
    """A node selector and a combo box of that node's segments."""

    defaults = {"segmentationNodeSelectorVisible": True}

    def _init(self) -> None:
        mine = self._own
        mine.nodes, mine.combo = make("qMRMLNodeComboBox")(), QtWidgets.QComboBox()
        mine.nodes.set_nodeTypes(["vtkMRMLSegmentationNode"])
        mine.nodes.set_addEnabled(False)
        mine.nodes.set_removeEnabled(False)
        mine.selected, mine.current, mine.busy = [], "", False
        row(self, mine.nodes, mine.combo)
        connect(mine.nodes, "currentNodeChanged(vtkMRMLNode*)", self._node_changed)
        mine.combo.currentIndexChanged.connect(self._chosen)

    def _scene_set(self, scene: object) -> None:
        self._own.nodes.setMRMLScene(scene)

    def _node_changed(self, node: object) -> None:
        self._watch(node)
        emit(self, "currentNodeChanged(vtkMRMLNode*)", node)
        emit(self, "currentNodeChanged(bool)", node is not None)
        self._segments_changed()

    def _segments_changed(self) -> None:
        mine, ids, none = self._own, self.segmentIDs(), value(self, "noneEnabled")
        mine.busy = True
        mine.combo.clear()
        if none:
            mine.combo.addItem("None", "")
        for item in ids:
            mine.combo.addItem(self.currentNode().GetSegmentation().GetSegment(item).GetName(), item)
        mine.busy = False
        first = "" if none or not ids else ids[0]
        self._pick(mine.current if mine.current in ids else first)
        kept = [item for item in mine.selected if item in ids]
        if kept != mine.selected:
            self.setSelectedSegmentIDs(kept)

    def _pick(self, segment_id: str) -> None:
        mine = self._own
        mine.busy = True
        mine.combo.setCurrentIndex(mine.combo.findData(segment_id))
        mine.busy = False
        if segment_id != mine.current:
            mine.current = segment_id
            emit(self, "currentSegmentChanged(QString)", segment_id)

    def _chosen(self, position: int) -> None:
        if not self._own.busy and position >= 0:
            self._pick(self._own.combo.itemData(position))

    def set_noneEnabled(self, enabled: bool) -> None:
        store(self, "noneEnabled", enabled)
        self._own.nodes.set_noneEnabled(enabled)
        self._segments_changed()

    def set_segmentationNodeSelectorVisible(self, shown: bool) -> None:
        store(self, "segmentationNodeSelectorVisible", shown)
        self._own.nodes.setVisible(shown)

    def currentNode(self) -> object:
        return self._own.nodes.currentNode()

    def currentNodeID(self) -> str:
        return self._own.nodes.get_currentNodeID()

    def currentSegmentID(self) -> str:
        return self._own.current

    def segmentIDs(self) -> list[str]:
        return segment_ids(self.currentNode())

    def selectedSegmentIDs(self) -> list[str]:
        return list(self._own.selected)

    def setCurrentNode(self, node: object) -> None:
        self._own.nodes.setCurrentNode(node)

    def setCurrentNodeID(self, node_id: str) -> None:
        self._own.nodes.setCurrentNodeID(node_id)

    def setCurrentSegmentID(self, segment_id: str) -> None:
        self._pick(segment_id if segment_id in self.segmentIDs() else "")

    def setSelectedSegmentIDs(self, ids: list[str]) -> None:
        self._own.selected = [item for item in ids if item in self.segmentIDs()]
        emit(self, "segmentSelectionChanged(QStringList)", tuple(self._own.selected))


@behaviour("qMRMLSegmentsTableView")
class SegmentsTableView(SegmentWatcher):
    """Name, colour and ID of each segment; rows can be selected."""

    defaults = {"headerVisible": True, "selectionMode": 3}

    def _init(self) -> None:
        table = QtWidgets.QTableWidget(0, 3, self)
        table.setHorizontalHeaderLabels(["Name", "Color", "ID"])
        table.setSelectionBehavior(QtWidgets.QAbstractItemView.SelectRows)
        table.horizontalHeader().setStretchLastSection(True)
        table.verticalHeader().hide()
        table.selectionModel().selectionChanged.connect(self._selected)
        row(self, table)
        self._own.table, self._own.node, self._own.hidden = table, None, []

    def _selected(self, selected: object, deselected: object) -> None:
        emit(self, "selectionChanged(QItemSelection,QItemSelection)", selected, deselected)

    def setSegmentationNode(self, node: object) -> None:
        self._own.node = node if node is not None and node.IsA("vtkMRMLSegmentationNode") else None
        self._watch(self._own.node)
        self._segments_changed()

    def segmentationNode(self) -> object:
        return self._own.node

    def _segments_changed(self) -> None:
        table, kept = self._own.table, self.selectedSegmentIDs()
        table.setRowCount(0)
        for position, item in enumerate(self.displayedSegmentIDs()):
            segment = self._own.node.GetSegmentation().GetSegment(item)
            color = QtWidgets.QTableWidgetItem()
            color.setBackground(QtGui.QColor.fromRgbF(*segment.GetColor()))
            table.insertRow(position)
            table.setItem(position, 0, QtWidgets.QTableWidgetItem(segment.GetName()))
            table.setItem(position, 1, color)
            table.setItem(position, 2, QtWidgets.QTableWidgetItem(item))
        self.setSelectedSegmentIDs(kept)

    def get_segmentCount(self) -> int:
        return len(segment_ids(self._own.node))

    def displayedSegmentIDs(self) -> list[str]:
        return [item for item in segment_ids(self._own.node) if item not in self._own.hidden]

    def setHideSegments(self, ids: list[str]) -> None:
        self._own.hidden = list(ids)
        self._segments_changed()

    def hideSegments(self) -> list[str]:
        return list(self._own.hidden)

    def selectedSegmentIDs(self) -> list[str]:
        rows = sorted({index.row() for index in self._own.table.selectedIndexes()})
        return [self._own.table.item(i, 2).text() for i in rows]

    def setSelectedSegmentIDs(self, ids: list[str]) -> None:
        table, selection = self._own.table, QtCore.QItemSelection()
        for i in range(table.rowCount()):
            if table.item(i, 2).text() in ids:
                selection.select(table.model().index(i, 0), table.model().index(i, 2))
        table.selectionModel().select(selection, QtCore.QItemSelectionModel.ClearAndSelect)

    def clearSelection(self) -> None:
        self._own.table.clearSelection()

    def tableWidget(self) -> QtWidgets.QTableView:
        return self._own.table

    def rowForSegmentID(self, segment_id: str) -> int:
        ids = self.displayedSegmentIDs()
        return ids.index(segment_id) if segment_id in ids else -1

    def segmentIDForRow(self, position: int) -> str:
        ids = self.displayedSegmentIDs()
        return ids[position] if 0 <= position < len(ids) else ""


@behaviour("qMRMLSegmentationShow3DButton")
class Show3DButton:
    def setSegmentationNode(self, node: object) -> None:
        self._own.node = node

    def segmentationNode(self) -> object:
        return getattr(self._own, "node", None)
