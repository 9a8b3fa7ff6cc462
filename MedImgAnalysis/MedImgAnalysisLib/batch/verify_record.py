"""What a record says of itself and of its folder, looked at before anything is computed again."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from .. import catalog, provenance
from ..compare import Difference
from ..errors import FileError
from ..progress import SILENT, Progress
from ..recipe import Recipe
from .case import recipe_key
from .sources import content


def check_inside(folder: Path, names: Iterable[str]) -> None:
    """Raise `FileError` when a file that a record names does not lie in the folder of the case."""
    for name in names:
        place = Path(name)
        if (
            place.is_absolute()
            or ".." in place.parts
            or not (folder / place).resolve().is_relative_to(folder.resolve())
        ):
            raise FileError(f"The record of {folder.name} names {name}, which lies outside its folder.", path=folder)


def software_notes(record: Mapping[str, Any]) -> list[str]:
    """Versions that are others than those that computed."""
    now, before = provenance.software(), record["software"]
    changes = [
        f"{name} {before.get(name, 'none')} -> {now.get(name, 'none')}"
        for name in {**before, **now}
        if before.get(name) != now.get(name)
    ]
    return [f"Other software than then: {', '.join(changes)}."] if changes else []


def revision_notes(steps: list[Mapping[str, Any]]) -> list[str]:
    """Operations whose results are others by now, for equal inputs and parameters."""
    notes = []
    for step in steps:
        now, then = catalog.find(step["operation"]).revision, step.get("revision", 1)
        if now != then:
            notes.append(
                f"The operation {step['operation']} had revision {then} then and has {now} now: its results differ "
                "by intention."
            )
    return notes


def record_differences(record: Mapping[str, Any], recipe: Recipe, same_software: bool) -> list[Difference]:
    """Parts of a record that contradict each other, as after a change by hand.

    The recipe against its recorded hash (only where the operations are those of then, since a new parameter changes
    the hash), and the parameters of the steps against those of the recipe.
    """
    found = []
    now = recipe_key(recipe)
    if same_software and not revision_notes(record["steps"]) and record["recipe_sha256"] != now:
        found.append(Difference("recipe (record)", _hash(record["recipe_sha256"]), _hash(now)))
    steps = {step.id: step for step in recipe.steps if step.enabled}
    names = [step.get("step", "") for step in record["steps"]]
    if names != list(steps):
        found.append(Difference("steps (record)", ", ".join(names), ", ".join(steps)))
        return found
    for entry in record["steps"]:
        values = steps[entry["step"]].build().values()
        for name, value in entry["parameters"].items():
            if name in values and _plain(values[name]) != _plain(value):
                found.append(Difference(f"step {entry['step']} {name} (record)", repr(value), repr(values[name])))
    return found


def file_notes(folder: Path, record: Mapping[str, Any], progress: Progress = SILENT) -> list[str]:
    """Files of the case that are gone or were changed since; an output that is gone is a difference and not noted."""
    outputs = {entry["file"]: entry for entry in record["outputs"].values()}
    gone = [name for name in record.get("files", []) if name not in outputs and not (folder / name).is_file()]
    notes = [f"Files of the case are gone: {', '.join(gone[:5])}{' ...' if len(gone) > 5 else ''}."] if gone else []
    for name, entry in outputs.items():
        try:
            now = content(folder / name, progress)["sha256"]
        except FileError:
            continue
        if now != entry["sha256"]:
            notes.append(f"{name} was changed after the run: its {_hash(entry['sha256'])} has become {_hash(now)}.")
    return notes


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _hash(text: str) -> str:
    return f"SHA-256 {text[:12]}"
