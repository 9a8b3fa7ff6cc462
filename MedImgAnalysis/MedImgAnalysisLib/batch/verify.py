"""Compute a finished case again from its record and compare."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk

from .. import files, provenance
from ..blockwise import set_thread_count, thread_count
from ..compare import Difference, differences, rows
from ..errors import FileError, MedImgError
from ..frames import Frames
from ..geometry import Grid
from ..progress import SILENT, Progress, Recorder
from ..recipe import Recipe
from .folder import RECORD, record_of
from .plain import rows_of
from .sources import content


@dataclass(frozen=True)
class Verified:
    """What verifying a case gave; equal when there are no differences."""

    case: str
    differences: tuple[Difference, ...]
    notes: tuple[str, ...]
    compared: tuple[str, ...]

    @property
    def equal(self) -> bool:
        """Whether everything that was recorded came out again."""
        return not self.differences

    def as_data(self) -> dict[str, Any]:
        """JSON values."""
        return {
            "case": self.case,
            "equal": self.equal,
            "compared": list(self.compared),
            "differences": [asdict(d) for d in self.differences],
            "notes": list(self.notes),
        }


def verify(folder: str | Path, progress: Progress = SILENT) -> Verified:
    """Run the recipe of a finished case again on the recorded inputs and compare voxels and numbers.

    Compared are the files of the case and the numbers in its record: exactly where every operation on the way
    is deterministic, else within the largest tolerance of those operations. The recorded number of threads is
    used. Inputs whose content has changed are a difference, and nothing is computed then.

    Raises
    ------
    FileError
        When the folder holds no record, or an input is gone.
    """
    folder = Path(folder).absolute()
    record = record_of(folder)
    if record is None:
        raise FileError(f"{folder} holds no {RECORD} of a finished case.", path=folder)
    try:
        return _verified(folder, record, progress)
    except (KeyError, TypeError, AttributeError) as error:
        raise FileError(
            f"{folder / RECORD} is damaged: {type(error).__name__} {error}.", path=folder / RECORD
        ) from error


def _verified(folder: Path, record: Mapping[str, Any], progress: Progress) -> Verified:
    recipe = Recipe.from_data(record["recipe"])
    paths, changed = _inputs(folder, record, progress.part(0.0, 0.1))
    notes = _software_notes(record)
    if changed:
        return Verified(record["case"], tuple(changed), tuple(notes), ())
    recorder = Recorder(progress)
    values = {name: files.read(path, recipe.inputs[name], recorder.part(0.1, 0.2)) for name, path in paths.items()}
    threads = thread_count()
    set_thread_count(int(record["threads"]))
    try:
        result = recipe.run(values, progress=recorder.part(0.2, 0.9))
    finally:
        set_thread_count(threads)
    allowed, kinds, points = tolerances(recipe), recipe.kinds(), _domain(values)
    found: list[Difference] = []
    names = [name for name in recipe.outputs if name in record["outputs"] or result.outputs.get(name) is not None]
    for name in names:
        entry, value = record["outputs"].get(name), result.outputs.get(name)
        if entry is None or value is None:
            found.append(
                Difference(name, "nothing" if entry is None else "a result", "nothing" if value is None else "a result")
            )
            continue
        found += _compare_file(folder / entry["file"], name, kinds[name], value, allowed[name], points)
        if name in record["measurements"]:
            found += rows(f"{name} (record)", record["measurements"][name]["rows"], rows_of(value), allowed[name])
        elif not allowed[name] and entry["value_sha256"] != provenance.fingerprint(value):
            found.append(
                Difference(
                    f"{name} (record)",
                    f"SHA-256 {entry['value_sha256'][:12]}",
                    f"SHA-256 {provenance.fingerprint(value)[:12]}",
                )
            )
    if set(recorder.warnings) - set(record["warnings"]):
        notes.append(f"New warnings: {' '.join(sorted(set(recorder.warnings) - set(record['warnings'])))}")
    return Verified(record["case"], tuple(found), tuple(notes), tuple(names))


def _compare_file(
    path: Path, name: str, kind: str, value: Any, tolerance: float, points: np.ndarray | None
) -> list[Difference]:
    try:
        recorded = files.read(path, kind)
    except MedImgError as error:
        return [Difference(name, str(error), "a result")]
    return list(differences(name, recorded, value, tolerance, points))


def tolerances(recipe: Recipe) -> dict[str, float]:
    """The relative difference that is allowed per named value: 0 where everything before it is deterministic."""
    found = dict.fromkeys(recipe.inputs, 0.0)
    for step in recipe.steps:
        if step.enabled:
            operation = step.build()
            own = 0.0 if operation.exact else operation.tolerance
            widest = max([own, *(found[name] for name in step.sources)])
            found |= dict.fromkeys(step.outputs.values(), widest)
    return found


def _inputs(folder: Path, record: Mapping[str, Any], progress: Progress) -> tuple[dict[str, Path], list[Difference]]:
    """Where the inputs are now, and those that are not what they were."""
    paths: dict[str, Path] = {}
    changed: list[Difference] = []
    for name, entry in record["inputs"].items():
        if "path" not in entry:
            raise FileError(f"The record of {folder.name} holds no paths (--private): run the recipe on its files again.")
        hashes: dict[Path, str] = {}
        missing: FileError | None = None
        for place in dict.fromkeys([Path(entry["path"]), folder / entry.get("relative", entry["path"])]):
            try:
                hashes[place] = content(place, progress)["sha256"]
            except FileError as error:
                missing = missing or error
                continue
            if hashes[place] == entry["sha256"]:
                paths[name] = place
                break
        if not hashes and missing is not None:
            raise FileError(f"The input {name!r} of {folder.name} is gone: {missing}", path=entry["path"])
        if name not in paths:
            place, now = next(iter(hashes.items()))
            changed.append(
                Difference(f"input {name} ({place})", f"SHA-256 {entry['sha256'][:12]}", f"SHA-256 {now[:12]}")
            )
    return paths, changed


def _software_notes(record: Mapping[str, Any]) -> list[str]:
    now, before = provenance.software(), record["software"]
    changes = [
        f"{name} {before.get(name, 'none')} -> {now.get(name, 'none')}"
        for name in {**before, **now}
        if before.get(name) != now.get(name)
    ]
    return [f"Other software than then: {', '.join(changes)}."] if changes else []


def _domain(values: Mapping[str, Any]) -> np.ndarray | None:
    """The corners of the first image, where transforms are compared."""
    firsts = [value.values[0] if isinstance(value, Frames) else value for value in values.values()]
    image = next((value for value in firsts if isinstance(value, sitk.Image)), None)
    return None if image is None else Grid.of(image).corners
