"""Recomputes what a node holds from the inputs in the scene and compares."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from itertools import product
from typing import Any

import numpy as np
import SimpleITK as sitk
import slicer

from .. import catalog
from ..compare import Compared, Difference, differences
from ..errors import Cancelled, InputError, MedImgError
from ..geometry import Grid
from ..progress import SILENT, Progress
from ..provenance import fingerprint, software
from ..recipe import Recipe
from ..resampling import on_grid
from ..values import Frames, Labels
from . import bridge, frames, outputs, segment_writing, segmentations, volumes
from .held import REACH, as_recorded
from .sources import Source, values_of

POSITION_TOLERANCE = 1e-9
"""Relative to the size of the image; a matrix in a node has other digits than the angles it came from."""
LAST_DIGITS = {"image": 1e-6, "transform": 1e-6, "table": 1e-9, "curves": 1e-9, "landmarks": 1e-9, "surface": 1e-9}
"""Relative difference that a spacing or a matrix which went through the text of a file can make. It is noted."""


@dataclass(frozen=True)
class Verified:
    """What came of verifying a node: `differences` is empty when the recomputed result is the same.

    `outputs` has the node with its largest difference, none when an input has changed and nothing was computed.
    """

    name: str
    differences: tuple[Difference, ...]
    notes: tuple[str, ...] = ()
    outputs: tuple[Compared, ...] = ()

    @property
    def equal(self) -> bool:
        """Whether the node holds what the recorded run gives."""
        return not self.differences

    def as_data(self) -> dict[str, Any]:
        """JSON values."""
        return {
            "node": self.name,
            "state": "equal" if self.equal else "different",
            "outputs": [asdict(line) for line in self.outputs],
            "differences": [asdict(found) for found in self.differences],
            "notes": list(self.notes),
        }


def verify_scene(name: str | None = None, progress: Progress = SILENT) -> list[dict[str, Any]]:
    """Verify every node that has a record of a run, or those called `name`; one that cannot be does not stop the rest.

    Gives what `Verified.as_data` gives, with the state `unknown` and an `error` where the node cannot be computed
    again, as when an input is gone from the scene.
    """
    nodes = [node for node in slicer.util.getNodes("*", useLists=True).values() for node in node]
    nodes = [node for node in nodes if outputs.record_of(node) is not None and name in (None, node.GetName())]
    found = []
    for number, node in enumerate(nodes):
        try:
            part = progress.part(number / len(nodes), (number + 1) / len(nodes))
            found.append(verify_node(node, part).as_data())
        except Cancelled:
            raise
        except MedImgError as error:
            found.append({"node": str(node.GetName()), "state": "unknown", "error": error.as_json()})
    return found


def verify_node(node: Any, progress: Progress = SILENT) -> Verified:
    """Repeat the run that is recorded on a node, and compare its result with what the node holds now.

    Compared exactly where every operation of the run repeats its bits, else within the tolerance
    that the operations state. Inputs that are not what they were are differences as well.

    Raises `InputError` when the node has no record of a run in a scene, or an input is gone.
    """
    record = outputs.record_of(node)
    entry = (record or {}).get("scene")
    if record is None or not isinstance(entry, dict):
        raise InputError(f"{frames.identifier(node)} has no record of a run in this scene.", node=node.GetID())
    recipe = Recipe.from_data(entry["recipe"])
    sources = sources_of(node, recipe, entry)
    world = bool(entry["world"])
    found: list[Difference] = []
    lines: list[Compared] = []
    notes = _notes(record)
    values: dict[str, Any] = {}
    values.update(values_of(recipe, sources, world, progress))
    for name, source in sources.items():
        recorded = entry["inputs"][name].get("sha256")
        values[name] = as_recorded(values[name], recipe.inputs[name], entry["inputs"][name])
        if recorded and recorded != fingerprint(values[name]):
            found.append(
                Difference(
                    f"input {source.node.GetName()}",
                    f"SHA-256 {recorded[:12]}",
                    f"SHA-256 {fingerprint(values[name])[:12]}",
                )
            )
    if not found:
        result = recipe.run(values, progress=progress).outputs[entry["output"]]
        parents = [frames.parent_of(source.node) for source in sources.values()]
        kind = recipe.kinds()[entry["output"]]
        parent = None if world else parents[0]
        tolerance = _tolerance(recipe)
        found += _compare(node, kind, result, entry, parent, tolerance, values)
        within = _compare(node, kind, result, entry, parent, 0.0, values) if tolerance and not found else []
        loose = LAST_DIGITS.get(kind, 0.0)
        if found and loose > tolerance and not _compare(node, kind, result, entry, parent, loose, values):
            within = list(found)
            found.clear()
            notes.append(f"The last digits differ, by less than {loose:g} of the value.")
        lines.append(Compared.of(str(node.GetName()), kind, found, within))
    return Verified(str(node.GetName()), tuple(found), tuple(notes), tuple(lines))


def sources_of(node: Any, recipe: Recipe, entry: Mapping[str, Any]) -> dict[str, Source]:
    """The inputs of the run that made a node, by name in its recipe; `InputError` when one is gone."""
    return {name: _source(node, recipe, name, found) for name, found in entry["inputs"].items()}


def _source(node: Any, recipe: Recipe, name: str, entry: Mapping[str, Any]) -> Source:
    """The input by the reference of the node, which survives a change of ids, else by its id."""
    role = outputs.INPUT + name
    several = [node.GetNthNodeReference(role, number) for number in range(node.GetNumberOfNodeReferences(role))]
    found = next(iter(several), None) or slicer.mrmlScene.GetNodeByID(entry.get("id", ""))
    if found is None or None in several:
        raise InputError(
            f"The input {entry.get('name', name)!r} of {frames.identifier(node)} is not in the scene any more.",
            node=node.GetID(),
        )
    if len(several) > 1:
        return Source.of(name, recipe.inputs[name], several)
    return Source.of(name, recipe.inputs[name], (found, entry.get("segment")))


def _compare(
    node: Any,
    kind: str,
    result: Any,
    entry: Mapping[str, Any],
    parent: Any,
    tolerance: float,
    values: Mapping[str, Any],
) -> list[Difference]:
    name = str(node.GetName())
    points = _points(values, kind, result)
    if isinstance(result, Frames):
        held = bridge.value_of(node, kind, world=False)
        if kind in ("image", "frames"):
            result = result.with_values([volumes.stored(value) for value in result.values])
        return list(differences(name, held, result, max(tolerance, POSITION_TOLERANCE), points))
    if kind in ("labels", "mask"):
        labels = result if kind == "labels" else bridge.mask_labels(result, name)
        return _segments(node, segment_writing.between(labels, parent, node), entry.get("segments", {}), tolerance)
    held = bridge.value_of(node, kind, world=False)
    if kind == "image":
        return list(differences(name, held, volumes.stored(result), tolerance))
    if kind == "transform":
        return list(differences(name, held, result, max(tolerance, POSITION_TOLERANCE), points))
    return list(differences(name, held, result, tolerance))


def _points(values: Mapping[str, Any], kind: str, result: Any) -> np.ndarray | None:
    """Where transforms are compared: the corners of the first image, else points around the middle of the world."""
    firsts = [value.values[0] if isinstance(value, Frames) else value for value in values.values()]
    images = [value for value in firsts if isinstance(value, sitk.Image)]
    if images:
        return Grid.of(images[0]).corners
    if kind != "transform":
        return None
    dimension = (result.values[0] if isinstance(result, Frames) else result).GetDimension()
    return np.array(list(product(REACH, repeat=dimension)))


def _segments(node: Any, expected: Labels, ids: Mapping[str, str], tolerance: float) -> list[Difference]:
    """The segments of this run on the grid of the run; the node may have others and a larger grid."""
    found: list[Difference] = []
    for segment in expected.segments:
        identity = ids.get(segment.id, segment.id)
        if node.GetSegmentation().GetSegment(identity) is None:
            found.append(Difference(f"{node.GetName()} segment {segment.name}", "deleted", "a segment"))
            continue
        held = segmentations.mask_of(node, identity, world=False)
        here = expected.mask(segment)
        if here.GetDimension() == 2:
            here = sitk.JoinSeries(here)
        held = on_grid(held, Grid.of(here), labels=True)
        old, new = (Labels.from_masks([(segment.name, mask)]) for mask in (held, here))
        found += differences(str(node.GetName()), old, new, tolerance)
    return found


def _tolerance(recipe: Recipe) -> float:
    operations = [step.build() for step in recipe.steps if step.enabled]
    return max((0.0 if operation.exact else operation.tolerance for operation in operations), default=0.0)


def _notes(record: Mapping[str, Any]) -> list[str]:
    now = software()
    notes = [
        f"{name} was {version}, now it is {now[name]}."
        for name, version in record.get("software", {}).items()
        if name in now and now[name] != version
    ]
    current, then = catalog.find(record["operation"]).revision, record.get("revision", 1)
    if current != then:
        notes.append(
            f"The operation {record['operation']} had revision {then} then and has {current} now: its results differ "
            "by intention."
        )
    return notes
