"""The page of a run, from the nodes that it wrote."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..errors import InputError
from ..evidence import EVIDENCE, ROLES
from ..pages.result_page import write_result_page
from ..progress import SILENT, Progress
from ..recipe import Recipe
from . import bridge, frames, outputs
from .drawing import drawer
from .sources import values_of
from .verify import sources_of


def write_page(path: str | Path, nodes: Sequence[Any], progress: Progress = SILENT) -> Path:
    """Write inputs, picture, plots and tables of one run as an HTML file.

    Parameters
    ----------
    path
        Where to; the file appears when it is complete.
    nodes
        Output nodes of one run of one operation; those that are left out are not on the page.
    progress
        Gets a warning where an input had to be resampled to be read.

    Raises
    ------
    InputError
        A node was not made by a run in this scene, two are of different runs, or an input is gone.
    """
    records = [outputs.record_of(node) or {} for node in nodes]
    entries: list[dict[str, Any]] = []
    for node, record in zip(nodes, records):
        if not isinstance(record.get("scene"), dict):
            raise InputError(f"{frames.identifier(node)} has no record of a run in this scene.", node=node.GetID())
        entries.append(record["scene"])
    if not nodes or any(entry["recipe"] != entries[0]["recipe"] for entry in entries):
        raise InputError("A page is of the results of one run.")
    recipe, world = Recipe.from_data(entries[0]["recipe"]), bool(entries[0]["world"])
    if any(step.operation != EVIDENCE for step in recipe.steps[1:]):
        raise InputError("A page is of the results of one operation, these are of a recipe of several.")
    step = recipe.steps[0]
    sources = sources_of(nodes[0], recipe, entries[0])
    values = values_of(recipe, sources, world, progress)
    bound = {role: [names] if isinstance(names, str) else list(names) for role, names in step.inputs.items()}
    roles = {role.name: role for role in step.build().inputs()}
    inputs = {
        role: [values[n] for n in names] if roles[role].many else values[names[0]] for role, names in bound.items()
    }
    made = {}
    for one in recipe.steps:
        own = {entry["role"]: node for node, entry, record in zip(nodes, entries, records) if record["step"] == one.id}
        for output in one.build().outputs():
            if output.name in own:
                name = output.name if one is step else ROLES[output.name]
                made[name] = bridge.value_of(own[output.name], output.kind, world=world)
    titles = {role: ", ".join(sources[name].origin()["name"] for name in names) for role, names in bound.items()}
    warnings = list(dict.fromkeys(sentence for record in records for sentence in record["warnings"]))
    draw = drawer(progress.warn)
    return write_result_page(Path(path), step.build(), inputs, made, names=titles, warnings=warnings, draw=draw)
