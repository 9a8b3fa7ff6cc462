"""What a panel shows, kept in its parameter node, so that a saved scene restores it.

The node holds flat types only: the name of the operation, and JSON texts. Node references have the
names of the roles behind `INPUT` and `OUTPUT`, because roles differ between operations; the scene keeps
them valid when nodes are renamed, imported or removed.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

import slicer
from slicer.parameterNodeWrapper import parameterNodeWrapper

INPUT = "MedImgInput."
OUTPUT = "MedImgOutput."


@parameterNodeWrapper
class PanelParameters:
    """The parameter node of a panel as `getParameterNode()` gives it.

    `parameters` is JSON by operation name; `segments` is JSON by input role; `evidence` is the switch of that name.
    """

    operation: str = ""
    parameters: str = "{}"
    segments: str = "{}"
    evidence: bool = False


class PanelState:
    """Reads and writes a `PanelParameters` node; writes nothing that is there already."""

    def __init__(self, wrapper: Any) -> None:
        self.wrapper = wrapper
        self.node = wrapper.parameterNode

    @property
    def operation(self) -> str:
        """Name of the chosen operation, empty at first."""
        return str(self.wrapper.operation)

    @operation.setter
    def operation(self, name: str) -> None:
        if name != self.wrapper.operation:
            self.wrapper.operation = name

    @property
    def evidence(self) -> bool:
        """Whether runs say what the filter took away."""
        return bool(self.wrapper.evidence)

    @evidence.setter
    def evidence(self, wanted: bool) -> None:
        if bool(wanted) != self.wrapper.evidence:
            self.wrapper.evidence = bool(wanted)

    def parameters(self, operation: str) -> Mapping[str, Any]:
        """The parameters kept for an operation, empty when there are none."""
        kept = _mapping(self.wrapper.parameters).get(operation, {})
        return kept if isinstance(kept, dict) else {}

    def keep_parameters(self, operation: str, values: Mapping[str, Any]) -> None:
        """Keep the parameters of an operation; those of the others stay."""
        text = json.dumps({**_mapping(self.wrapper.parameters), operation: dict(values)}, sort_keys=True)
        if text != self.wrapper.parameters:
            self.wrapper.parameters = text

    def segment(self, role: str) -> str:
        """The segment id kept for a mask role."""
        return str(_mapping(self.wrapper.segments).get(role, ""))

    def keep_segment(self, role: str, segment: str) -> None:
        """Keep the segment id of a mask role."""
        text = json.dumps({**_mapping(self.wrapper.segments), role: segment}, sort_keys=True)
        if text != self.wrapper.segments:
            self.wrapper.segments = text

    def inputs(self, role: str) -> tuple[Any, ...]:
        """The nodes of an input role, none, one or several."""
        return self._nodes(INPUT + role)

    def keep_inputs(self, role: str, nodes: Iterable[Any]) -> None:
        """Reference the nodes of an input role."""
        self._keep(INPUT + role, [node for node in nodes if node is not None])

    def output(self, operation: str, role: str) -> Any:
        """The node that gets an output, None for a new one."""
        return next(iter(self._nodes(f"{OUTPUT}{operation}.{role}")), None)

    def keep_output(self, operation: str, role: str, node: Any) -> None:
        """Reference the node that gets an output."""
        self._keep(f"{OUTPUT}{operation}.{role}", [] if node is None else [node])

    def _nodes(self, reference: str) -> tuple[Any, ...]:
        count = self.node.GetNumberOfNodeReferences(reference)
        nodes = (self.node.GetNthNodeReference(reference, number) for number in range(count))
        return tuple(node for node in nodes if node is not None)

    def _keep(self, reference: str, nodes: list[Any]) -> None:
        if list(self._nodes(reference)) == nodes:
            return
        with slicer.util.NodeModify(self.node):
            self.node.RemoveNodeReferenceIDs(reference)
            for node in nodes:
                self.node.AddNodeReferenceID(reference, node.GetID())


def _mapping(text: str) -> dict[str, Any]:
    """JSON object of a text that somebody may have edited; empty when it is not one."""
    try:
        value = json.loads(text)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}
