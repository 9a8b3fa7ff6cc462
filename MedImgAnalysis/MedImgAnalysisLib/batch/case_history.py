"""How result files came about, as one recipe: the records of cases are followed back through the files between them."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import FileError
from ..files.paths import split_part
from ..history import Given, Made, changed_operations, joined_recipe
from ..recipe import Recipe
from ..recipe_steps import fits
from .folder import RECORD, record_of


@dataclass(frozen=True)
class FileHistory:
    """The recipe, the files that are its inputs (None where none is known), and what has to be known."""

    recipe: Recipe
    inputs: dict[str, str | None]
    notes: tuple[str, ...]


def history_of_files(paths: Sequence[str | Path], name: str = "") -> FileHistory:
    """The recipe that makes these files from what they were made of at first.

    Each path is a result of a case, or the folder of a case for all its results. The recipe ends at files that are no
    result of a case, and at those that were changed since then.

    Raises `FileError` when a path is no result of a finished case.
    """
    tracer = _Tracer()
    made = [value for path in paths for value in tracer.results(Path(path).absolute())]
    recipe, given = joined_recipe(made, name or f"Recipe of {Path(paths[0]).name}" if paths else name)
    return FileHistory(recipe, {key: value.where for key, value in given.items()}, tuple(dict.fromkeys(tracer.notes)))


class _Tracer:
    """Follows files to the cases that made them; `notes` gets what the user must know."""

    def __init__(self) -> None:
        self.notes: list[str] = []
        self._above: list[Path] = []

    def results(self, path: Path) -> list[Made]:
        """The values that a path stands for."""
        folder = path if (path / RECORD).is_file() else path.parent
        record = record_of(folder)
        if record is None:
            raise FileError(f"{path} is no result of a finished case: there is no {RECORD} with it.", path=path)
        if folder == path:
            names = list(record["outputs"])
        else:
            names = [key for key, entry in record["outputs"].items() if entry["file"] == path.name]
            if not names:
                known = ", ".join(entry["file"] for entry in record["outputs"].values())
                raise FileError(f"{path} is no result of its case; the results are {known or 'none'}.", path=path)
        return [self._made(folder, record, key) for key in names]

    def _made(self, folder: Path, record: Mapping[str, Any], output: str) -> Made:
        recipe = Recipe.from_data(record["recipe"])
        for step in record.get("steps", []):
            self.notes += changed_operations(step)
        self._above.append(folder)
        inputs = {
            name: self._source(folder, recipe.inputs[name], name, entry) for name, entry in record["inputs"].items()
        }
        self._above.pop()
        return Made(recipe, output, inputs)

    def _source(self, folder: Path, kind: str, name: str, entry: Mapping[str, Any]) -> Given | Made:
        """What an input of a case was: the result of another case, or given."""
        written = entry.get("path")
        if not written:
            self.notes.append(f"Where the input {name!r} was is not in the record.")
            return Given(f"unknown {name} {entry.get('sha256')}", name, kind)
        # As in verifying: a copied project is found by the relative path.
        why = ""
        for place in dict.fromkeys([str(written), os.path.normpath(folder / entry.get("relative", written))]):
            try:
                path, part = split_part(place)
            except FileError:
                continue  # it is gone, or in the other place
            record = record_of(path.parent) or {}
            output = next((k for k, one in record.get("outputs", {}).items() if one["file"] == path.name), None)
            if output is None:
                continue
            doubt = self._doubt(path, part, entry, record["outputs"][output], kind)
            if not doubt:
                return self._made(path.parent, record, output)
            why = why or f"{path} is an input of the recipe: {doubt}"
        if why:
            self.notes.append(why)
        return Given(str(written), name, kind, str(written))

    def _doubt(self, path: Path, part: Any, used: Mapping[str, Any], written: Mapping[str, Any], kind: str) -> str:
        """Why a file is not what the record beside it says; empty when it is."""
        if path.parent in self._above:
            return "it was written over by a case that goes back to it."
        if part:
            return f"only a part of it, {part}, is used."
        if not fits(str(written.get("kind")), kind):
            return f"it was written as {written.get('kind')} and read as {kind}."
        if used.get("sha256") != written.get("sha256"):
            return "it was changed since it was made."
        return ""
