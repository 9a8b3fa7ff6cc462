"""How a node came about, as one recipe: the records are followed back through all nodes that were made on the way."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..errors import InputError, MedImgError
from ..history import Given, Made, changed_operations, joined_recipe
from ..recipe import Recipe
from . import bridge, frames, rois, sequences
from .earlier_runs import RunRecord, runs_of
from .held import LOSE_DIGITS, held_digest
from .segment_history import foreign_segments, one_of, run_of_segment, segment_doubt

SEGMENTED = ("labels", "mask")


@dataclass(frozen=True)
class History:
    """The recipe, what its inputs were in this scene (None where a node is gone), and what has to be known."""

    recipe: Recipe
    inputs: dict[str, Any]
    notes: tuple[str, ...]


def history_of(*nodes: Any, name: str = "") -> History:
    """The recipe that makes `nodes` from what they were made of at first.

    It ends at nodes that no run has made, and at those that were changed since then: these are its inputs. A node
    (volume, segment in a pair (segmentation, segment id), list of regions) for each of them comes with it.

    Raises `InputError` when a node has no record of a run in a scene.
    """
    tracer = _Tracer()
    made = [value for node in nodes for value in tracer.results(node)]
    title = name or (f"Recipe of {nodes[0].GetName()}" if nodes else "")
    recipe, given = joined_recipe(made, title)
    return History(recipe, {key: value.where for key, value in given.items()}, tuple(dict.fromkeys(tracer.notes)))


def has_record(node: Any) -> bool:
    """Whether a node was made by a run in a scene, so that a recipe can be made from it."""
    return bool(runs_of(node))


class _Tracer:
    """Follows references from results to inputs; `notes` gets what the user must know."""

    def __init__(self) -> None:
        self.notes: list[str] = []
        self._above: list[Any] = []

    def results(self, node: Any) -> list[Made]:
        """What runs have made of a node, as it was then: one run, or of a segmentation all whose segments are there."""
        runs = runs_of(node)
        if not runs:
            raise InputError(f"{frames.identifier(node)} has no record of a run in a scene.", node=node.GetID())
        kind = _kind(runs[0])
        if kind in SEGMENTED and not sequences.is_sequence(node):
            others = foreign_segments(node, runs)
            if others:
                self.notes.append(
                    f"{frames.identifier(node)} has segments that no run has made: {', '.join(others)}. "
                    "They are not in the recipe."
                )
        elif kind not in SEGMENTED and _held(runs[0], kind) not in ("", held_digest(_local(node, kind), kind)):
            self.notes.append(f"{frames.identifier(node)} was changed since it was made; the recipe makes what it was.")
        return [self._made(node, run) for run in reversed(runs)]

    def _made(self, node: Any, run: RunRecord) -> Made:
        recipe = Recipe.from_data(run.entry["recipe"])
        self.notes += changed_operations(run.record)
        self._above.append(node)
        inputs = {name: self._source(node, run, recipe, name) for name in run.entry["inputs"]}
        self._above.pop()
        return Made(recipe, run.entry["output"], inputs)

    def _source(self, result: Any, of: RunRecord, recipe: Recipe, name: str) -> Given | Made:
        """What an input of a run was: made by another run, or given."""
        recorded = of.entry["inputs"][name]
        kind, segment = recipe.inputs[name], recorded.get("segment")
        title = str(recorded.get("name") or name)
        found = of.inputs(result, name)
        if not found or None in found:
            self.notes.append(
                f"The input {title!r} is not in the scene any more; choose another one to run the recipe."
            )
            return Given(f"gone {recorded.get('id')} {segment}", title, kind)
        node = found[0]
        where = found if len(found) > 1 else (node, segment) if segment else node
        given = Given(f"{' '.join(one.GetID() for one in found)} {segment}", _title(node, segment, title), kind, where)
        if len(found) > 1 or rois.is_roi(node) or not has_record(node):
            return given
        run = run_of_segment(node, segment)
        try:
            why = self._doubt(node, run, segment, kind, recorded)
        except MedImgError as error:
            why = str(error)
        if why:
            self.notes.append(f"{frames.identifier(node)} is an input of the recipe: {why}")
            return given
        made = self._made(node, run)
        return made if sequences.is_sequence(node) else one_of(made, node, run, segment)

    def _doubt(self, node: Any, run: RunRecord, segment: str | None, wanted: str, recorded: Mapping[str, Any]) -> str:
        """Why a node is not what its record says, or not only that; empty when it is."""
        if node in self._above:
            return "it was written over by a run that goes back to it."
        if sequences.browser_of_proxy(node) is not None:
            return "it shows one frame of a sequence."
        kind = _kind(run)
        if kind in SEGMENTED and not sequences.is_sequence(node):
            return segment_doubt(node, run, segment, wanted)
        held, used = _held(run, kind), recorded.get("held" if kind in LOSE_DIGITS else "sha256")
        if kind not in SEGMENTED and held and used:
            return "" if used == held else "it was changed or moved since it was made."
        self.notes.append(f"Whether {frames.identifier(node)} was changed since it was made cannot be told.")
        return ""


def _kind(run: RunRecord) -> str:
    return Recipe.from_data(run.entry["recipe"]).kinds()[run.entry["output"]]


def _held(run: RunRecord, kind: str) -> str:
    """The digest of what the node gave back when it was written, empty where it is not known."""
    if kind == "transform":
        return str(run.entry.get("held") or "")
    return str(run.entry.get("held") or run.record.get("outputs", {}).get(run.entry["role"], {}).get("sha256") or "")


def _local(node: Any, kind: str) -> Any:
    return bridge.value_of(node, kind, world=False)


def _title(node: Any, segment: str | None, recorded: str) -> str:
    """What an input is called: the segment, or the node."""
    if segment and node.IsA("vtkMRMLSegmentationNode"):
        found = node.GetSegmentation().GetSegment(segment)
        return str(found.GetName()) if found is not None else segment
    return str(node.GetName() or recorded)
