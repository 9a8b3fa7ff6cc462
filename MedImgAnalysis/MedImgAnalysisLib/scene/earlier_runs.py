"""The runs that have written into a node: the last one, and of a segmentation those before whose segments are there.

The record of the last run is the attribute `provenance.ATTRIBUTE`. When another run adds segments, it moves to an
attribute of its own, and the references to its inputs get roles of their own.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from ..provenance import ATTRIBUTE

INPUT = "MedImgAnalysis.Input."
EARLIER = "MedImgAnalysis.Earlier."


@dataclass(frozen=True)
class RunRecord:
    """A record, and the prefix of the roles under which the node refers to the inputs of that run."""

    record: Mapping[str, Any]
    role: str

    @property
    def entry(self) -> Mapping[str, Any]:
        """The part of the record for the scene."""
        entry: Mapping[str, Any] = self.record["scene"]
        return entry

    @property
    def segments(self) -> list[str]:
        """The ids of the segments that the run has written."""
        return [str(identity) for identity in self.entry.get("segments", {}).values()]

    def inputs(self, node: Any, name: str) -> list[Any]:
        """The nodes of an input of the run; None for those that are gone."""
        role = self.role + name
        return [node.GetNthNodeReference(role, number) for number in range(node.GetNumberOfNodeReferences(role))]


def read_record(node: Any, attribute: str = ATTRIBUTE) -> dict[str, Any] | None:
    """The record in an attribute of a node, None when there is none that can be read."""
    try:
        found = json.loads(node.GetAttribute(attribute) or "null")
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def runs_of(node: Any) -> list[RunRecord]:
    """The runs whose records a node has, the last one first."""
    pairs = [(ATTRIBUTE, INPUT)]
    pairs += [(name, _role(name)) for name in reversed(_earlier(node))]
    found = [(read_record(node, attribute), role) for attribute, role in pairs]
    return [RunRecord(record, role) for record, role in found if record is not None and _in_scene(record)]


def _earlier(node: Any) -> list[str]:
    """The attributes with records of runs before the last one, the oldest first."""
    numbers = [name.removeprefix(EARLIER) for name in node.GetAttributeNames() if name.startswith(EARLIER)]
    return [f"{EARLIER}{number}" for number in sorted(map(int, filter(str.isdecimal, numbers)))]


def keep_last(node: Any, written: Collection[str]) -> None:
    """Keep the record of the last run, before that of a run that has written the segments `written` takes its place.

    Only while segments of it are there that the new run has not written; the same goes for runs before.
    """
    text, last = node.GetAttribute(ATTRIBUTE), read_record(node)
    if last is not None and _in_scene(last):
        number = max((int(name.removeprefix(EARLIER)) for name in _earlier(node)), default=0) + 1
        attribute = f"{EARLIER}{number}"
        node.SetAttribute(attribute, text)
        for name in last["scene"].get("inputs", {}):
            _forget(node, _role(attribute) + name)
            for source in RunRecord(last, INPUT).inputs(node, name):
                if source is not None:
                    node.AddNodeReferenceID(_role(attribute) + name, source.GetID())
    for attribute in _earlier(node):
        record = read_record(node, attribute) or {"scene": {}}
        own = set(RunRecord(record, "").segments) - set(written)
        if not any(node.GetSegmentation().GetSegment(identity) is not None for identity in own):
            for name in record["scene"].get("inputs", {}):
                _forget(node, _role(attribute) + name)
            node.RemoveAttribute(attribute)


def _role(attribute: str) -> str:
    return f"{INPUT}{attribute.removeprefix(EARLIER)}."


def _in_scene(record: Mapping[str, Any]) -> bool:
    entry = record.get("scene")
    return isinstance(entry, dict) and "recipe" in entry


def _forget(node: Any, role: str) -> None:
    node.RemoveNodeReferenceIDs(role)
