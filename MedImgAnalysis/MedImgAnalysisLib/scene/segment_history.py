"""Which run has made a segment, whether it is as the run left it, and how one of several is taken."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..catalog import find
from ..history import Made
from ..recipe import Recipe
from . import outputs
from .earlier_runs import RunRecord, runs_of

PICK = "combine_segments"
"""The operation that makes a segmentation of one segment of another."""


def foreign_segments(node: Any, runs: Sequence[RunRecord]) -> list[str]:
    """The names of segments that none of these runs has written."""
    own, segmentation = {one for run in runs for one in run.segments}, node.GetSegmentation()
    ids = [segmentation.GetNthSegmentID(number) for number in range(segmentation.GetNumberOfSegments())]
    return [_name(node, identity) for identity in ids if identity not in own]


def run_of_segment(node: Any, segment: str | None) -> RunRecord:
    """The run that has written a segment; the last one for a whole node, or where it is none of them."""
    runs = runs_of(node)
    if segment is None or not node.IsA("vtkMRMLSegmentationNode"):
        return runs[0]
    identity = _identity(node, segment)
    return next((run for run in runs if identity in run.segments), runs[0])


def segment_doubt(node: Any, run: RunRecord, segment: str | None, wanted: str) -> str:
    """Why a node, or one segment of it, is not what a run has made; empty when it is."""
    segmentation, own = node.GetSegmentation(), run.segments
    if segment is None:
        if foreign_segments(node, [run]):
            return "it has segments that the last run has not made."
        if wanted == "mask" and len(own) > 1:
            return f"it has {len(own)} segments."
    elif _identity(node, segment) not in own:
        return "the segment was not made by a run."
    written = outputs.entries_of(node)
    asked = own if segment is None else [_identity(node, segment)]
    if not all(one in written and outputs.untouched(segmentation, one, written[one]) for one in asked):
        return "a segment was changed by hand since it was made."
    if segment is not None and len(own) > 1:
        name = _name(node, segment)
        if "," in name or [_name(node, one) for one in own].count(name) > 1:
            return f"one of its {len(own)} segments is used, which its name {name!r} does not tell apart."
    return ""


def one_of(made: Made, node: Any, run: RunRecord, segment: str | None) -> Made:
    """What a run has made, or of several segments one as a segmentation of its own."""
    if segment is None or len(run.segments) < 2:
        return made
    name = _name(node, segment)
    operation = find(PICK).from_parameters({"action": "union", "segments": name, "segment": name, "keep": False})
    recipe = Recipe.single(operation, {"labels": "labels"})
    return Made(recipe, recipe.steps[0].outputs["labels"], {"labels": made})


def _identity(node: Any, segment: str) -> str:
    """The id of a segment that is given by its id or its name."""
    segmentation = node.GetSegmentation()
    if segmentation.GetSegment(segment) is not None:
        return segment
    return str(segmentation.GetSegmentIdBySegmentName(segment) or segment)


def _name(node: Any, segment: str) -> str:
    found = node.GetSegmentation().GetSegment(_identity(node, segment))
    return str(found.GetName()) if found is not None else segment
