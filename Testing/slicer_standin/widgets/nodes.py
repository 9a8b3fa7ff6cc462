"""Node selectors: qMRMLNodeComboBox and qMRMLCheckableNodeComboBox."""

from __future__ import annotations

import vtk

from ..classes import behaviour, make, store, value
from ..signals import emit
from ..toolkit import QObject, QtCore, QtWidgets
from .numbers import row
from .scene import NODE_LEAVES, SceneGiver, observe


@behaviour("qMRMLNodeComboBox")
class NodeComboBox(SceneGiver):
    """Lists the scene's nodes of `nodeTypes`, then None, Create and Delete rows as enabled."""

    defaults = {
        "nodeTypes": [], "showHidden": False, "showChildNodeTypes": True, "noneEnabled": False, "addEnabled": True,
        "removeEnabled": True, "selectNodeUponCreation": True, "noneDisplay": "None", "hideChildNodeTypes": [],
    }  # fmt: skip

    def _init(self) -> None:
        mine = self._own
        mine.scene, mine.id, mine.wanted, mine.busy = None, "", None, False
        mine.ids, mine.names, mine.watched, mine.leaving = [], [], [], ""
        mine.attributes, mine.bases, mine.labels, mine.actions = {}, {}, {}, []
        mine.combo = QtWidgets.QComboBox(self)
        mine.combo.setSizePolicy(QtWidgets.QSizePolicy.Expanding, QtWidgets.QSizePolicy.Fixed)
        mine.combo.setMinimumContentsLength(8)
        mine.combo.currentIndexChanged.connect(self._chosen)
        row(self, mine.combo)
        self.setEnabled(False)

    # which nodes are listed
    def _accepts(self, node: object) -> bool:
        if not node.GetID() or (node.GetHideFromEditors() and not value(self, "showHidden")):
            return False
        types = value(self, "nodeTypes")
        return not types or any(self._accepts_as(node, kind) for kind in types)

    def _accepts_as(self, node: object, kind: str) -> bool:
        name, types = node.GetClassName(), value(self, "nodeTypes")
        if not node.IsA(kind) or (not value(self, "showChildNodeTypes") and name != kind):
            return False
        if name not in types and any(node.IsA(hidden) for hidden in value(self, "hideChildNodeTypes")):
            return False
        attribute, wanted = self._own.attributes.get(kind, (None, None))
        found = None if attribute is None else node.GetAttribute(attribute)
        return attribute is None or (found is not None and wanted in (None, found))

    def _scene_event(self) -> None:
        before = set(self._own.ids)
        self._own.leaving = ""
        self._rebuild()
        for node_id in self._own.ids:
            if node_id not in before:
                emit(self, "nodeAdded(vtkMRMLNode*)", self._own.scene.GetNodeByID(node_id))

    def _node_leaves(self, node: object) -> None:
        """The real list drops the row while the node still is in the scene."""
        if node.GetID() in self._own.ids and not self._own.scene.IsClosing():
            emit(self, "nodeAboutToBeRemoved(vtkMRMLNode*)", node)
            self._own.leaving = node.GetID()
            self._rebuild()

    def _node_modified(self) -> None:
        """A name or an attribute may have changed."""
        ids, names = self._listed()
        if ids != self._own.ids:
            self._rebuild()
        elif names != self._own.names:
            self._show()

    def _listed(self) -> tuple[list[str], list[str]]:
        """Identifiers and names of the nodes to list; those that may come to be listed are watched."""
        mine, scene, types = self._own, self._own.scene, value(self, "nodeTypes")
        nodes = [scene.GetNthNode(i) for i in range(scene.GetNumberOfNodes())] if scene is not None else []
        nodes = [node for node in nodes if node.GetID() != mine.leaving]
        watched = [node for node in nodes if any(node.IsA(kind) for kind in types)]
        if watched != mine.watched:
            mine.watched = watched
            observe(self, watched, [vtk.vtkCommand.ModifiedEvent], "_node_modified")
        accepted = [node for node in nodes if self._accepts(node)]
        return [node.GetID() for node in accepted], [node.GetName() for node in accepted]

    def _rebuild(self) -> None:
        mine = self._own
        ids, mine.names = self._listed()
        filled = not mine.ids and bool(ids)
        mine.ids = ids
        none, extra_rows = value(self, "noneEnabled"), self._has_extra_rows()
        new = mine.id if mine.id in ids else ""
        if mine.id and not new and ids and not none:
            new = ids[-1]  # the current node went away: a neighbour becomes current
        if not new and filled and not none and not extra_rows:
            new = ids[0]  # QComboBox chooses the first row of a list that was empty
        self._select(new)

    def _has_extra_rows(self) -> bool:
        return bool(self._own.actions) or any(
            value(self, name + "Enabled") for name in ("add", "remove", "edit", "rename")
        )

    def _select(self, node_id: str) -> None:
        changed = node_id != self._own.id
        self._own.id = node_id
        self._show()
        if changed:
            self._emit_current()

    def _emit_current(self) -> None:
        node = self.currentNode()
        emit(self, "currentNodeChanged(vtkMRMLNode*)", node)
        emit(self, "currentNodeChanged(bool)", node is not None)
        emit(self, "currentNodeIDChanged(QString)", self._own.id)

    def _show(self) -> None:
        mine, types = self._own, value(self, "nodeTypes")
        mine.busy = True
        mine.combo.clear()
        if value(self, "noneEnabled"):
            mine.combo.addItem(value(self, "noneDisplay"), "")
        mine.ids, mine.names = self._listed()
        for node_id, name in zip(mine.ids, mine.names):
            mine.combo.addItem(name, node_id)
        for kind in types if value(self, "addEnabled") else ():
            mine.combo.addItem("Create new " + self.nodeTypeLabel(kind), "+" + kind)
        label = self.nodeTypeLabel(types[0]) if len(types) == 1 else "node"
        if value(self, "removeEnabled"):
            mine.combo.addItem("Delete current " + label, "-")
        mine.combo.setCurrentIndex(mine.combo.findData(mine.id) if mine.id or value(self, "noneEnabled") else -1)
        mine.combo.setPlaceholderText("Select a " + label)
        mine.busy = False

    def _chosen(self, position: int) -> None:
        """The user chose a row."""
        if self._own.busy or position < 0:
            return
        data = self._own.combo.itemData(position) or ""
        if data.startswith("+"):
            self.addNode(data[1:])
        elif data == "-":
            self.removeCurrentNode()
        else:
            self._select(data)
            emit(self, "nodeActivated(vtkMRMLNode*)", self.currentNode())

    # properties
    def set_nodeTypes(self, types: list[str]) -> None:
        store(self, "nodeTypes", [kind for kind in types if kind])
        self._rebuild()

    def set_noneEnabled(self, enabled: bool) -> None:
        store(self, "noneEnabled", enabled)
        self._rebuild()

    def set_showHidden(self, shown: bool) -> None:
        store(self, "showHidden", shown)
        self._rebuild()

    def set_showChildNodeTypes(self, shown: bool) -> None:
        store(self, "showChildNodeTypes", shown)
        self._rebuild()

    def set_hideChildNodeTypes(self, types: list[str]) -> None:
        store(self, "hideChildNodeTypes", list(types))
        self._rebuild()

    def set_addEnabled(self, enabled: bool) -> None:
        store(self, "addEnabled", enabled)
        self._show()

    def set_removeEnabled(self, enabled: bool) -> None:
        store(self, "removeEnabled", enabled)
        self._show()

    def set_noneDisplay(self, text: str) -> None:
        store(self, "noneDisplay", text)
        self._show()

    def set_sizeAdjustPolicy(self, policy: object) -> None:
        store(self, "sizeAdjustPolicy", policy)
        self._own.combo.setSizeAdjustPolicy(QtWidgets.QComboBox.SizeAdjustPolicy(policy))

    def get_currentNodeID(self) -> str:
        return self._own.id

    def set_currentNodeID(self, node_id: str) -> None:
        self.setCurrentNodeID(node_id)

    get_currentNodeId, set_currentNodeId = get_currentNodeID, set_currentNodeID

    def get_baseName(self) -> str:
        types = value(self, "nodeTypes")
        return self._own.bases.get(types[0], "") if types else ""

    def set_baseName(self, text: str) -> None:
        self._own.bases = dict.fromkeys(value(self, "nodeTypes"), text)

    # slots and invokables
    def setMRMLScene(self, scene: object) -> None:
        mine = self._own
        if scene is mine.scene:
            return
        mine.scene, mine.ids = scene, []
        self._observe(scene)
        leaving = [scene.NodeAboutToBeRemovedEvent] if scene is not None else []
        observe(self, [scene], leaving, NODE_LEAVES)
        blocked = QObject.blockSignals(self, True)
        before = mine.id
        self._rebuild()
        QObject.blockSignals(self, blocked)
        if mine.wanted:
            self.setCurrentNodeID(mine.wanted)
            mine.wanted = None
        elif mine.id != before:
            self._emit_current()
        self.setEnabled(scene is not None)

    def currentNode(self) -> object:
        return self._own.scene.GetNodeByID(self._own.id) if self._own.scene is not None and self._own.id else None

    def currentNodeId(self) -> str:
        return self._own.id

    def setCurrentNode(self, node: object) -> None:
        if isinstance(node, str) or node is None:
            self.setCurrentNodeID(node)
        elif hasattr(node, "GetID"):
            self.setCurrentNodeID(node.GetID())
        else:
            raise TypeError(f"not a node: {node!r}")

    def setCurrentNodeID(self, node_id: str | None) -> None:
        node_id = node_id or ""
        if self._own.scene is None:
            self._own.wanted = node_id
        elif node_id in self._own.ids and node_id != self._own.id:
            self._select(node_id)
            emit(self, "nodeActivated(vtkMRMLNode*)", self.currentNode())  # the real one sends Enter to its list
        else:
            self._select(node_id if node_id in self._own.ids else "")

    def setCurrentNodeIndex(self, position: int) -> None:
        self._select(self._own.ids[position] if 0 <= position < len(self._own.ids) else "")

    def nodeCount(self) -> int:
        return len(self._own.ids)

    def nodeFromIndex(self, position: int) -> object:
        return self._own.scene.GetNodeByID(self._own.ids[position]) if 0 <= position < len(self._own.ids) else None

    def addNode(self, kind: str | None = None) -> object:
        types, scene = value(self, "nodeTypes"), self._own.scene
        kind = kind or (types[0] if types else None)
        if kind not in types or scene is None:
            return None
        node = scene.CreateNodeByClass(kind)
        node.UnRegister(None)
        node.SetName(scene.GenerateUniqueName(self._own.bases.get(kind) or self.nodeTypeLabel(kind)))
        if kind in self._own.attributes:
            name, wanted = self._own.attributes[kind]
            node.SetAttribute(name, wanted or "")
        node = scene.AddNode(node)
        if value(self, "selectNodeUponCreation"):
            self.setCurrentNode(node)
        emit(self, "nodeAddedByUser(vtkMRMLNode*)", node)
        return node

    def removeCurrentNode(self) -> None:
        if self.currentNode() is not None:
            self._own.scene.RemoveNode(self.currentNode())

    def addAttribute(self, kind: str, name: str, wanted: object = None) -> None:
        if kind in value(self, "nodeTypes"):
            self._own.attributes[kind] = (name, None if wanted is None else str(wanted))
            self._rebuild()

    def removeAttribute(self, kind: str, name: str) -> None:
        self._own.attributes.pop(kind, None)
        self._rebuild()

    def setNodeTypeLabel(self, label: str, kind: str) -> None:
        self._own.labels[kind] = label
        self._show()

    def nodeTypeLabel(self, kind: str) -> str:
        scene = self._own.scene
        return (
            self._own.labels.get(kind)
            or (scene.GetTypeDisplayNameByClassName(kind) if scene is not None else "")
            or "node"
        )

    def addMenuAction(self, action: object) -> None:
        self._own.actions.append(action)


@behaviour("qMRMLCheckableNodeComboBox")
class CheckableNodeComboBox:
    """Each listed node can be checked."""

    def _init(self) -> None:
        self._own.checked = set()

    def _show(self) -> None:
        """The box shows the names of the checked nodes instead of a current one."""
        make("qMRMLNodeComboBox")._show(self)
        mine, checked = self._own, getattr(self._own, "checked", set())
        names = [name for node_id, name in zip(mine.ids, mine.names) if node_id in checked]
        every = len(names) == len(mine.names) > 0
        mine.busy = True
        mine.combo.setCurrentIndex(-1)
        mine.combo.setPlaceholderText("All" if every else ", ".join(names) or "None")
        mine.busy = False

    def checkedNodes(self) -> list:
        found = [self._own.scene.GetNodeByID(item) for item in self._own.ids if item in self._own.checked]
        return [node for node in found if node is not None]

    def uncheckedNodes(self) -> list:
        return [self._own.scene.GetNodeByID(item) for item in self._own.ids if item not in self._own.checked]

    def checkState(self, node: object) -> int:
        return QtCore.Qt.Checked if node.GetID() in self._own.checked else QtCore.Qt.Unchecked

    def setCheckState(self, node: object, state: int) -> None:
        if node is None:  # as while the scene closes, when the list still has entries without nodes
            return
        before = set(self._own.checked)
        (self._own.checked.add if int(state) == 2 else self._own.checked.discard)(node.GetID())
        if before != self._own.checked:
            self._show()
            emit(self, "checkedNodesChanged()")

    def check(self, node: object) -> None:
        self.setCheckState(node, 2)

    def uncheck(self, node: object) -> None:
        self.setCheckState(node, 0)

    def allChecked(self) -> bool:
        return not self.uncheckedNodes()

    def noneChecked(self) -> bool:
        return not self.checkedNodes()
