"""Puts a scene back to what it was when writing results fails half-way."""

from __future__ import annotations

from typing import Any

from . import bridge, sequences


class Restore:
    """Remembers a scene's nodes and the content of those that are about to be overwritten."""

    def __init__(self, scene: Any, overwritten: list[Any]) -> None:
        self._scene = scene
        self._before = bridge.node_ids(scene)
        self._kept = [_Kept(node) for node in overwritten]

    def back(self) -> None:
        """Remove the nodes that have come and give the overwritten ones their content back."""
        bridge.remove_new(self._scene, self._before)
        for kept in self._kept:
            kept.back()


class _Kept:
    """A deep copy of a node outside the scene, with its references, attributes and display nodes."""

    def __init__(self, node: Any) -> None:
        self.node = node
        self.copy = node.CreateNodeInstance()
        self.copy.CopyContent(node)
        self.frames = sequences.Kept(node) if sequences.is_sequence(node) else None
        self.attributes = {name: node.GetAttribute(name) for name in node.GetAttributeNames()}
        self.references = {
            role: [node.GetNthNodeReferenceID(role, n) for n in range(node.GetNumberOfNodeReferences(role))]
            for role in _roles(node)
        }
        count = node.GetNumberOfDisplayNodes() if hasattr(node, "GetNumberOfDisplayNodes") else 0
        displays = [node.GetNthDisplayNode(number) for number in range(count)]
        self.displays = [_Kept(display) for display in displays if display is not None]

    def back(self) -> None:
        node = self.node
        before = node.StartModify()
        node.CopyContent(self.copy)
        if self.frames is not None:
            self.frames.back()
        for name in set(node.GetAttributeNames()) - set(self.attributes):
            node.RemoveAttribute(name)
        for name, value in self.attributes.items():
            node.SetAttribute(name, value)
        for role in set(_roles(node)) | set(self.references):
            wanted = self.references.get(role, [])
            have = [node.GetNthNodeReferenceID(role, n) for n in range(node.GetNumberOfNodeReferences(role))]
            if have != wanted:
                node.RemoveNodeReferenceIDs(role)
                for identity in wanted:
                    node.AddAndObserveNodeReferenceID(role, identity)
        node.EndModify(before)
        for display in self.displays:
            display.back()


def _roles(node: Any) -> list[str]:
    return [node.GetNthNodeReferenceRole(n) for n in range(node.GetNumberOfNodeReferenceRoles())]
