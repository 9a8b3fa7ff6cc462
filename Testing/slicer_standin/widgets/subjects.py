"""Subject hierarchy widgets: qMRMLSubjectHierarchyComboBox (as a flat list) and qMRMLSubjectHierarchyTreeView."""

from __future__ import annotations

import vtk

from ..classes import behaviour, store, value
from ..signals import emit
from ..toolkit import QtCore, QtGui
from .scene import SceneGiver

ITEM = QtCore.Qt.UserRole


class Items(SceneGiver):
    """The accepted items of the hierarchy, in tree order."""

    def subjectHierarchyNode(self) -> object:
        import slicer

        scene = self._scene()
        return slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene) if scene is not None else None

    def _items(self) -> list[int]:
        hierarchy, ids = self.subjectHierarchyNode(), vtk.vtkIdList()
        if hierarchy is None:
            return []
        hierarchy.GetItemChildren(hierarchy.GetSceneItemID(), ids, True)
        items = [ids.GetId(i) for i in range(ids.GetNumberOfIds())]
        return [item for item in items if self._accepts(hierarchy.GetItemDataNode(item))]

    def _accepts(self, node: object) -> bool:
        types = value(self, "nodeTypes")
        if node is None:
            return not types
        return not node.GetHideFromEditors() and (not types or any(node.IsA(kind) for kind in types))

    def _scene_set(self, scene: object) -> None:
        self._observe(scene)
        self._refill()

    def _scene_event(self) -> None:
        self._refill()

    def set_nodeTypes(self, types: list[str]) -> None:
        store(self, "nodeTypes", list(types))
        self._refill()

    def currentItem(self) -> int:
        return self._own.item

    def currentNode(self) -> object:
        return self.subjectHierarchyNode().GetItemDataNode(self._own.item) if self._own.item else None

    def setCurrentNode(self, node: object) -> None:
        self.setCurrentItem(self.subjectHierarchyNode().GetItemByDataNode(node) if node is not None else 0)


@behaviour("qMRMLSubjectHierarchyComboBox")
class SubjectHierarchyComboBox(Items):
    def _init(self) -> None:
        self._own.item, self._own.busy = 0, False
        self.currentIndexChanged.connect(self._chosen)

    def setNodeTypes(self, types: list[str]) -> None:
        self.set_nodeTypes(types)

    def set_noneEnabled(self, enabled: bool) -> None:
        store(self, "noneEnabled", enabled)
        self._refill()

    def _refill(self) -> None:
        hierarchy, items = self.subjectHierarchyNode(), self._items()
        self._own.busy = True
        self.clear()
        if value(self, "noneEnabled"):
            self.addItem(value(self, "noneDisplay") or "None", 0)
        for item in items:
            self.addItem(hierarchy.GetItemName(item), item)
        self._own.busy = False
        self.setCurrentItem(self._own.item if self._own.item in items else 0)

    def _chosen(self, position: int) -> None:
        if not self._own.busy:
            self._become(self.itemData(position) or 0)

    def _become(self, item: int) -> None:
        if item != self._own.item:
            self._own.item = item
            emit(self, "currentItemChanged(vtkIdType)", item)

    def setCurrentItem(self, item: int) -> None:
        item = item if item in self._items() else 0
        self._own.busy = True
        self.setCurrentIndex(self.findData(item))
        self._own.busy = False
        self._become(item)

    def clearSelection(self) -> None:
        self.setCurrentItem(0)


@behaviour("qMRMLSubjectHierarchyTreeView")
class SubjectHierarchyTreeView(Items):
    def _init(self) -> None:
        mine = self._own
        mine.item, mine.busy, mine.rows, mine.model = 0, False, {}, QtGui.QStandardItemModel(self)
        self.setModel(mine.model)
        self.selectionModel().currentChanged.connect(self._chosen)

    def _refill(self) -> None:
        mine, hierarchy = self._own, self.subjectHierarchyNode()
        mine.busy, mine.rows = True, {}
        mine.model.clear()
        for item in self._items():
            entry = QtGui.QStandardItem(hierarchy.GetItemName(item))
            entry.setData(item, ITEM)
            mine.rows.get(hierarchy.GetItemParent(item), mine.model).appendRow(entry)
            mine.rows[item] = entry
        mine.busy = False
        self.setCurrentItem(mine.item)

    def _chosen(self, current: QtCore.QModelIndex, before: QtCore.QModelIndex) -> None:
        if not self._own.busy:
            self._become(int(current.data(ITEM) or 0) if current.isValid() else 0)

    def _become(self, item: int) -> None:
        if item != self._own.item:
            self._own.item = item
            emit(self, "currentItemChanged(vtkIdType)", item)
            emit(self, "currentNodeChanged(vtkMRMLNode*)", self.currentNode())
            emit(self, "currentItemsChanged(QList<vtkIdType>)", (item,) if item else ())

    def setCurrentItem(self, item: int) -> None:
        entry = self._own.rows.get(item)
        self._own.busy = True
        self.setCurrentIndex(entry.index() if entry else QtCore.QModelIndex())
        self._own.busy = False
        self._become(item if entry else 0)

    def currentItems(self, ids: object) -> None:
        ids.Reset()
        for index in self.selectedIndexes():
            ids.InsertUniqueId(int(index.data(ITEM)))

    def displayedItemCount(self) -> int:
        return len(self._own.rows)
