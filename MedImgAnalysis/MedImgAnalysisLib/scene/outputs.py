"""Writes one result of a run to its node: new, overwritten, or added to a segmentation that has other segments."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import slicer

from .. import catalog
from ..provenance import ATTRIBUTE
from ..values import PALETTE, Frames, Labels, Segment
from . import bridge, curves, earlier_runs, segment_writing, segmentations
from .held import held_by

INPUT = earlier_runs.INPUT
"""Role prefix of the references from a result to its inputs; unlike ids in a text they survive renumbering."""
SEGMENT = "MedImgAnalysis.Segment."
"""Node attribute prefix: which run a segment comes from, and a digest that shows edits by hand."""


@dataclass(frozen=True)
class Output:
    """A result and where it goes. `parent` is the transform node whose space the value is in, None for the world."""

    role: str
    kind: str
    value: Any
    target: Any
    title: str
    like: Any
    parent: Any
    keeps_display: bool
    moving: Any
    fixed: Any
    inputs: Mapping[str, tuple[Any, ...]]
    record: Mapping[str, Any]


def write(output: Output, obsolete: list[Any]) -> Any:
    """Write a result with its provenance; nodes it no longer needs are appended to `obsolete`."""
    like = output.like
    options: dict[str, Any] = {"like": like, "parent": output.parent, "keeps_display": output.keeps_display}
    segments: dict[str, str] = {}
    target = output.target
    several = isinstance(output.value, Frames)
    if output.kind in ("labels", "mask") and not several:
        labels = output.value if output.kind == "labels" else bridge.mask_labels(output.value, output.title)
        if target is None or isinstance(target, str):
            node = bridge.add_node(labels, target or output.title, kind="labels", **options)
            segments = {segment.id: segment.id for segment in labels.segments}
        else:
            node = target
            segments = _into_segmentation(labels, output)
    elif target is None or isinstance(target, str):
        node = bridge.add_node(output.value, target or output.title, kind=output.kind, **options)
    else:
        node = target
        if output.kind == "curves":
            obsolete += curves.parts_of(node)
        bridge.put_value(output.value, node, output.kind, **options)
    if output.kind == "transform" and not several:
        _refer(node, output)
    _sign(node, output, segments)
    return node


def _into_segmentation(labels: Labels, output: Output) -> dict[str, str]:
    """Add segments; those that an earlier run for the same result wrote are replaced, see `_result_of`.

    A segment that was edited by hand or got another name since then counts as somebody's work and stays; the new
    result is added beside it.
    """
    node = output.target
    segmentation = node.GetSegmentation()
    fresh = segmentation.GetNumberOfSegments() == 0
    placed = segment_writing.between(labels, output.parent, node)
    own = {
        entry["segment"]: identity
        for identity, entry in entries_of(node).items()
        if entry.get("result") == _result_of(output) and untouched(segmentation, identity, entry)
    }
    placed = _told_apart(placed, segmentation, own, output)
    ids: dict[str, str] = {}
    for segment in placed.segments:
        identity = own.pop(segment.id, None)
        ids[segment.id] = identity or _free_id(segmentation, segment, output, set(ids.values()))
    for stale in own.values():
        segmentation.RemoveSegment(stale)
        node.RemoveAttribute(SEGMENT + stale)
    segment_writing.put_labels(placed, node, ids)
    if fresh:
        bridge.refer_to_volume(node, output.like, placed)
    if node.GetDisplayNode() is None:
        node.CreateDefaultDisplayNodes()
    return ids


def _told_apart(labels: Labels, segmentation: Any, own: Collection[str], output: Output) -> Labels:
    """New segments in colours that no other one has; colours that come from segments that were put in stay."""
    if any(role.kind == "labels" for role in catalog.find(output.record["operation"]).inputs()):
        return labels
    count = segmentation.GetNumberOfSegments()
    taken = [segmentation.GetNthSegment(number).GetColor() for number in range(count)]
    made = []
    for segment in labels.segments:
        if segment.id not in own:
            free = [color for color in (segment.color, *PALETTE) if not any(np.allclose(color, t) for t in taken)]
            segment = replace(segment, color=free[0] if free else segment.color)
            taken.append(segment.color)
        made.append(segment)
    return Labels(labels.layers, tuple(made))


def _result_of(output: Output) -> dict[str, Any]:
    """What makes a result the same one when it is made again.

    The operation and the name that it was told to give; where it gives the names of its input, that input. So the
    bones of one run and the lungs of the next stay side by side, and another threshold for the lungs replaces them.
    """
    record = output.record
    found: dict[str, Any] = {"operation": record["operation"], "role": output.role}
    if "segment" in record["parameters"]:
        return found | {"name": record["parameters"]["segment"]}
    nodes = (node for sources in output.inputs.values() for node in sources)
    return found | {"inputs": [node.GetName() for node in nodes if node.IsA("vtkMRMLSegmentationNode")]}


def untouched(segmentation: Any, identity: str, entry: Mapping[str, Any]) -> bool:
    """Whether a segment is there, with the name and the voxels that it was written with."""
    segment = segmentation.GetSegment(identity)
    if segment is None or entry.get("name") != segment.GetName():
        return False
    return bool(entry["digest"] == segmentations.segment_digest(segmentation, identity))


def _free_id(segmentation: Any, segment: Segment, output: Output, taken: set[str]) -> str:
    wanted = segment.id
    number = 1
    while segmentation.GetSegment(wanted) is not None or wanted in taken:
        number += 1
        wanted = f"{output.record['operation']}_{segment.id}" + (f"_{number}" if number > 2 else "")
    return wanted


def entries_of(node: Any) -> dict[str, dict[str, Any]]:
    """Which run each segment comes from, by segment id."""
    found = {}
    for name in node.GetAttributeNames():
        if name.startswith(SEGMENT):
            try:
                found[name.removeprefix(SEGMENT)] = json.loads(node.GetAttribute(name))
            except ValueError:
                continue
    return found


def record_of(node: Any) -> dict[str, Any] | None:
    """The provenance record of a node, None when it has none that can be read."""
    return earlier_runs.read_record(node)


def segments_of(node: Any) -> list[str]:
    """The ids of the segments that the last run has written into a node and that are still there."""
    if not node.IsA("vtkMRMLSegmentationNode"):
        return []
    written = ((record_of(node) or {}).get("scene") or {}).get("segments", {})
    return [identity for identity in written.values() if node.GetSegmentation().GetSegment(identity) is not None]


def add_warning(node: Any, sentence: str) -> None:
    """Add a warning to the provenance record of a node."""
    record = record_of(node)
    if record is not None:
        record["warnings"] = [*record.get("warnings", ()), sentence]
        node.SetAttribute(ATTRIBUTE, json.dumps(record, ensure_ascii=False, allow_nan=False, default=str))


def _sign(node: Any, output: Output, segments: Mapping[str, str]) -> None:
    if segments:
        earlier_runs.keep_last(node, list(segments.values()))
    for name, sources in output.inputs.items():
        node.RemoveNodeReferenceIDs(INPUT + name)
        for source in sources:
            node.AddNodeReferenceID(INPUT + name, source.GetID())
    record = dict(output.record)
    if segments:
        record["scene"] = {**record["scene"], "segments": dict(segments)}
    held = held_by(node, output.value, output.kind)
    if held:
        record["scene"] = {**record["scene"], "held": held}
    node.SetAttribute(ATTRIBUTE, json.dumps(record, ensure_ascii=False, allow_nan=False, default=str))
    for source, identity in segments.items():
        entry = {
            "result": _result_of(output),
            "segment": source,
            "name": node.GetSegmentation().GetSegment(identity).GetName(),
            "digest": segmentations.segment_digest(node.GetSegmentation(), identity),
        }
        node.SetAttribute(SEGMENT + identity, json.dumps(entry))


def _refer(node: Any, output: Output) -> None:
    """Say which nodes a registration was made from, as other registration modules do."""
    kind = slicer.vtkMRMLTransformNode
    pairs = (kind.GetMovingNodeReferenceRole(), output.moving), (kind.GetFixedNodeReferenceRole(), output.fixed)
    for role, other in pairs:
        if other is not None and other.IsA("vtkMRMLVolumeNode"):
            node.SetNodeReferenceID(role, other.GetID())
