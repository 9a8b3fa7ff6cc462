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
from ..compare import Compared, Difference, differences, rows
from ..errors import FileError, MedImgError, RecipeError
from ..frames import Frames
from ..geometry import Grid
from ..progress import SILENT, Progress, Recorder
from ..recipe import Recipe
from .folder import RECORD, record_of
from .plain import rows_of
from .sources import content
from .verify_record import check_inside, file_notes, record_differences, revision_notes, software_notes


@dataclass(frozen=True)
class Verified:
    """What verifying a case gave; equal when there are no differences. `outputs` has those that were compared."""

    case: str
    differences: tuple[Difference, ...]
    notes: tuple[str, ...]
    outputs: tuple[Compared, ...]

    @property
    def equal(self) -> bool:
        """Whether everything that was recorded came out again."""
        return not self.differences

    @property
    def compared(self) -> tuple[str, ...]:
        """The names of the outputs that were compared."""
        return tuple(line.output for line in self.outputs)

    def as_data(self) -> dict[str, Any]:
        """JSON values."""
        return {
            "case": self.case,
            "equal": self.equal,
            "compared": list(self.compared),
            "outputs": [asdict(line) for line in self.outputs],
            "differences": [asdict(d) for d in self.differences],
            "notes": list(self.notes),
        }


def verify(
    folder: str | Path,
    progress: Progress = SILENT,
    *,
    threads: int | None = None,
    only: str | None = None,
    inputs: Mapping[str, str | Path] | None = None,
) -> Verified:
    """Run the recipe of a finished case again on the recorded inputs and compare voxels and numbers.

    Compared are the files of the case and the numbers in its record: exactly where every operation on the way
    is deterministic, else within the largest tolerance of those operations. Inputs whose content has changed are a
    difference, and nothing is computed then; so is a record that contradicts itself.

    Parameters
    ----------
    folder
        Of a finished case.
    progress
        Reports and stops the run.
    threads
        Default: as many as were recorded.
    only
        A file of the case: nothing else is compared.
    inputs
        Where inputs are now, by name, when they are neither at their path nor in their place relative to the folder.

    Raises
    ------
    FileError
        When the folder holds no record or a damaged one, `only` is no output, or an input is gone.
    RecipeError
        When an operation or a parameter of the record is unknown to this version.
    """
    folder = Path(folder).absolute()
    record = record_of(folder)
    if record is None:
        raise FileError(f"{folder} holds no {RECORD} of a finished case.", path=folder)
    try:
        return _verified(folder, record, progress, threads, only, inputs or {})
    except (KeyError, TypeError, AttributeError) as error:
        raise FileError(
            f"{folder / RECORD} is damaged: {type(error).__name__} {error}.", path=folder / RECORD
        ) from error


def _verified(
    folder: Path,
    record: Mapping[str, Any],
    progress: Progress,
    threads: int | None,
    only: str | None,
    given: Mapping[str, str | Path],
) -> Verified:
    recipe = Recipe.from_data(record["recipe"])
    unknown = [name for name in given if name not in record["inputs"]]
    if unknown:
        raise RecipeError(f"The case has no input {unknown[0]!r}; it has {', '.join(record['inputs'])}.")
    entries = record["outputs"]
    check_inside(folder, [*record.get("files", []), *(entry["file"] for entry in entries.values())])
    wanted = [name for name, entry in entries.items() if only in (None, entry["file"])]
    if only is not None and not wanted:
        raise FileError(f"{only} is no output of the case {record['case']}.", path=folder / only)
    software = software_notes(record)
    notes = [*software, *revision_notes(record["steps"]), *file_notes(folder, record, progress.part(0.0, 0.05))]
    found = record_differences(record, recipe, same_software=not software)
    paths, changed = _inputs(folder, record, given, progress.part(0.05, 0.1))
    if changed:
        return Verified(record["case"], (*found, *changed), tuple(notes), ())
    recorder = Recorder(progress)
    values = {name: files.read(path, recipe.inputs[name], recorder.part(0.1, 0.2)) for name, path in paths.items()}
    before = thread_count()
    set_thread_count(threads or int(record["threads"]))
    try:
        result = recipe.run(values, progress=recorder.part(0.2, 0.9))
    finally:
        set_thread_count(before)
    allowed, kinds, points = tolerances(recipe), recipe.kinds(), _domain(values)
    lines = []
    if only is None:
        wanted = [name for name in recipe.outputs if name in entries or result.outputs.get(name) is not None]
    for name in wanted:
        case = _Output(folder, name, kinds[name], record, result.outputs.get(name), points)
        own = case.differences(allowed[name])
        within = case.differences(0.0) if allowed[name] and not own else []
        lines.append(Compared.of(name, kinds[name], own, within))
        found += own
    # DICOM objects, pictures and pages are not made again, so what was said of them cannot come.
    again = [sentence for sentence in record["warnings"] if sentence not in record.get("extra_warnings", [])]
    for word, ours, theirs in (
        ("New warnings", recorder.warnings, record["warnings"]),
        ("Warnings that did not come again", again, recorder.warnings),
    ):
        if set(ours) - set(theirs):
            notes.append(f"{word}: {' '.join(sorted(set(ours) - set(theirs)))}")
    return Verified(record["case"], tuple(found), tuple(notes), tuple(lines))


@dataclass(frozen=True)
class _Output:
    """One output: what was recorded of it, and what came out now."""

    folder: Path
    name: str
    kind: str
    record: Mapping[str, Any]
    value: Any
    points: np.ndarray | None

    def differences(self, tolerance: float) -> list[Difference]:
        """What differs by more than `tolerance` allows."""
        entry = self.record["outputs"].get(self.name)
        if entry is None or self.value is None:
            then, now = ("nothing" if found is None else "a result" for found in (entry, self.value))
            return [Difference(self.name, then, now)]
        found = _compare_file(self.folder / entry["file"], self.name, self.kind, self.value, tolerance, self.points)
        where = f"{self.name} (record)"
        if self.name in self.record["measurements"]:
            found += rows(where, self.record["measurements"][self.name]["rows"], rows_of(self.value), tolerance)
        elif not tolerance and not found and entry["value_sha256"] != (now := provenance.fingerprint(self.value)):
            found.append(Difference(where, f"SHA-256 {entry['value_sha256'][:12]}", f"SHA-256 {now[:12]}"))
        return found


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


def _inputs(
    folder: Path, record: Mapping[str, Any], given: Mapping[str, str | Path], progress: Progress
) -> tuple[dict[str, Path], list[Difference]]:
    """Where the inputs are now, and those that are not what they were."""
    paths: dict[str, Path] = {}
    changed: list[Difference] = []
    for name, entry in record["inputs"].items():
        if "path" not in entry and name not in given:
            raise FileError(f"The record of {folder.name} holds no paths (--private): give its files with --in.")
        hashes: dict[Path, str] = {}
        missing: FileError | None = None
        if name in given:
            places = [Path(given[name])]
        else:
            places = [Path(entry["path"]), folder / entry.get("relative", entry["path"])]
        for place in dict.fromkeys(places):
            try:
                hashes[place] = content(place, progress)["sha256"]
            except FileError as error:
                missing = missing or error
                continue
            if hashes[place] == entry["sha256"]:
                paths[name] = place
                break
        if not hashes and missing is not None:
            raise FileError(f"The input {name!r} of {folder.name} is gone: {missing}", path=places[0])
        if name not in paths:
            place, now = next(iter(hashes.items()))
            changed.append(
                Difference(f"input {name} ({place})", f"SHA-256 {entry['sha256'][:12]}", f"SHA-256 {now[:12]}")
            )
    return paths, changed


def _domain(values: Mapping[str, Any]) -> np.ndarray | None:
    """The corners of the first image, where transforms are compared."""
    firsts = [value.values[0] if isinstance(value, Frames) else value for value in values.values()]
    image = next((value for value in firsts if isinstance(value, sitk.Image)), None)
    return None if image is None else Grid.of(image).corners
